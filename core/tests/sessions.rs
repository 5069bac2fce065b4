//! Sessions: kept, resumed, taken over, ended; wills; deadlines.

mod node;

use node::{Hello, Node, Peer};
use ringwire_codec::mqtt::{Packet, Property, PropertyList, QoS, Version, Will};
use ringwire_core::{CloseReason, DropReason, Input, Note};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A client that keeps its session for an hour.
fn keep(node: &mut Node, version: Version, name: &str) -> (Peer, Vec<String>) {
    let mut properties = PropertyList::default();
    if version == Version::V5 {
        properties.push(Property::SessionExpiryInterval(3_600));
    }
    let hello = Hello {
        clean: false,
        properties: properties.as_properties(),
        ..Hello::new(version, name)
    };
    let peer = node.open(0);
    node.send(peer, &hello.bytes());
    let words = node.take_words(peer, version);
    (node.follow(peer), words)
}

/// CONNACK of a resumed session; 3.1 cannot say that it was resumed.
fn resumed(version: Version) -> &'static str {
    match version {
        Version::V31 => "connack 0 success",
        Version::V311 | Version::V5 => "connack 1 success",
    }
}

#[test]
fn a_kept_session_gets_what_was_published_meanwhile_in_order_and_qos_0_is_counted_as_dropped() {
    for version in ALL {
        let mut node = Node::new(2);
        let (name, other) = (node.name_at(1, "kept"), node.name_at(0, "other"));
        let (peer, words) = keep(&mut node, version, &name);
        assert_eq!(words, ["connack 0 success"]);
        node.subscribe(peer, version, "t", 2);
        node.end(peer);
        let publisher = node.connect(0, Hello::new(version, &other));
        for (id, qos) in [(1, QoS::AtLeastOnce), (0, QoS::AtMostOnce), (2, QoS::ExactlyOnce)] {
            node.publish(publisher, version, "t", format!("m{id}").as_bytes(), qos, id);
        }
        let (_, words) = keep(&mut node, version, &name);
        assert_eq!(
            words,
            [resumed(version), "publish t m1 q1 #1", "publish t m2 q2 #2"]
        );
        assert_eq!(node.drops(DropReason::Qos0Offline), 1);
    }
}

#[test]
fn unacknowledged_deliveries_come_again_with_dup_and_pubrel_in_order_and_never_within_a_connection() {
    for version in ALL {
        let mut node = Node::new(1);
        let (peer, _) = keep(&mut node, version, "kept");
        node.subscribe(peer, version, "t", 2);
        let publisher = node.connect(0, Hello::new(version, "other"));
        for id in 1..=3 {
            let qos = if id == 2 {
                QoS::AtLeastOnce
            } else {
                QoS::ExactlyOnce
            };
            node.publish(publisher, version, "t", format!("m{id}").as_bytes(), qos, id);
        }
        node.take(peer);
        node.send(peer, &[0x50, 2, 0, 1]);
        assert_eq!(node.take_words(peer, version), ["pubrel #1 success"]);
        node.pass(100_000);
        assert!(
            node.take(peer).is_empty(),
            "nothing is sent twice within a connection"
        );
        node.end(peer);
        let (peer, words) = keep(&mut node, version, "kept");
        let expected = [
            resumed(version),
            "pubrel #1 success",
            "publish t m2 q1 #2 dup",
            "publish t m3 q2 #3 dup",
        ];
        assert_eq!(words, expected);
        node.send(peer, &[0x70, 2, 0, 1, 0x40, 2, 0, 2, 0x50, 2, 0, 3]);
        assert_eq!(node.take_words(peer, version), ["pubrel #3 success"]);
        node.send(peer, &[0x70, 2, 0, 3]);
        assert_eq!(node.client("kept").unwrap().inflight_cnt, 0);
    }
}

#[test]
fn a_qos_2_publish_is_routed_once_however_often_it_is_sent_even_over_two_connections() {
    for version in ALL {
        let mut node = Node::new(1);
        let listener = node.connect(0, Hello::new(version, "listener"));
        node.subscribe(listener, version, "t", 0);
        node.take(listener);
        let (peer, _) = keep(&mut node, version, "kept");
        node.publish(peer, version, "t", b"m", QoS::ExactlyOnce, 7);
        node.publish(peer, version, "t", b"m", QoS::ExactlyOnce, 7);
        assert_eq!(
            node.take_words(peer, version),
            ["pubrec #7 success", "pubrec #7 success"]
        );
        node.end(peer);
        let (peer, _) = keep(&mut node, version, "kept");
        node.publish(peer, version, "t", b"m", QoS::ExactlyOnce, 7);
        assert_eq!(node.take_words(peer, version), ["pubrec #7 success"]);
        node.send(peer, &[0x62, 2, 0, 7]);
        assert_eq!(node.take_words(peer, version), ["pubcomp #7 success"]);
        assert_eq!(node.take_words(listener, version), ["publish t m q0"]);
        node.publish(peer, version, "t", b"n", QoS::ExactlyOnce, 7);
        assert_eq!(
            node.take_words(listener, version),
            ["publish t n q0"],
            "the id is free again"
        );
    }
}

#[test]
fn a_pubrel_of_an_unknown_id_is_answered_with_not_found() {
    let mut node = Node::new(1);
    let peer = node.connect(0, Hello::new(Version::V5, "c"));
    node.send(peer, &[0x62, 2, 0, 9]);
    assert_eq!(
        node.take_words(peer, Version::V5),
        ["pubcomp #9 packet_identifier_not_found"]
    );
}

#[test]
fn a_second_connect_with_the_same_client_id_takes_over_wherever_it_arrives() {
    for version in ALL {
        let mut node = Node::new(2);
        let name = node.name_at(1, "c");
        let (first, _) = keep(&mut node, version, &name);
        node.subscribe(first, version, "t", 1);
        node.take(first);
        let (second, words) = keep(&mut node, version, &name);
        assert_eq!(words, [resumed(version)]);
        assert_eq!(node.wire(first).closed, Some(CloseReason::TakenOver));
        let words = node.take_words(first, version);
        match version {
            Version::V5 => assert_eq!(words, ["disconnect session_taken_over"]),
            Version::V31 | Version::V311 => assert!(words.is_empty()),
        }
        node.publish(second, version, "t", b"m", QoS::AtLeastOnce, 1);
        assert_eq!(
            node.take_words(second, version),
            ["publish t m q1 #1", "puback #1 success"]
        );
        assert_eq!(node.closes(), [(name, CloseReason::TakenOver)]);
    }
}

#[test]
fn clean_start_discards_the_kept_session() {
    for version in ALL {
        let mut node = Node::new(1);
        let (peer, _) = keep(&mut node, version, "c");
        node.subscribe(peer, version, "t", 1);
        node.end(peer);
        let peer = node.connect(0, Hello::new(version, "c"));
        node.publish(peer, version, "t", b"m", QoS::AtMostOnce, 0);
        assert!(node.take(peer).is_empty());
        let stats = node.engines[0].stats();
        assert_eq!(
            (stats.sessions, stats.subscriptions, stats.session_terminated),
            (1, 0, 1)
        );
    }
}

#[test]
fn a_session_ends_when_its_expiry_has_passed_and_not_before() {
    let mut node = Node::new(1);
    let (peer, _) = keep(&mut node, Version::V5, "c");
    node.subscribe(peer, Version::V5, "t", 1);
    node.pass(10_000_000);
    assert_eq!(
        node.engines[0].stats().sessions,
        1,
        "it does not expire while it is connected"
    );
    node.end(peer);
    node.pass(3_599_999);
    assert_eq!(node.engines[0].stats().sessions, 1);
    node.pass(1);
    let stats = node.engines[0].stats();
    assert_eq!((stats.sessions, stats.subscriptions), (0, 0));
}

#[test]
fn a_resumed_session_does_not_expire_by_its_earlier_end() {
    let mut node = Node::new(1);
    let (peer, _) = keep(&mut node, Version::V311, "c");
    node.end(peer);
    node.pass(1_000_000);
    let (_, words) = keep(&mut node, Version::V311, "c");
    assert_eq!(words, ["connack 1 success"]);
    node.pass(100_000_000);
    assert!(node.client("c").unwrap().connected);
}

#[test]
fn the_session_expiry_of_a_disconnect_replaces_that_of_the_connect() {
    let mut node = Node::new(1);
    let (peer, _) = keep(&mut node, Version::V5, "c");
    node.send(peer, &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]);
    assert_eq!(node.engines[0].stats().sessions, 0);
    let peer = node.connect(0, Hello::new(Version::V5, "c"));
    node.send(peer, &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]);
    assert_eq!(node.take_words(peer, Version::V5), ["disconnect protocol_error"]);
    assert_eq!(node.wire(peer).closed, Some(CloseReason::ProtocolError));
}

/// A client with a will.
fn with_will(node: &mut Node, name: &str, clean: bool, expiry_s: u32, delay_s: u32) -> Peer {
    let (mut properties, mut of_will) = (PropertyList::default(), PropertyList::default());
    properties.push(Property::SessionExpiryInterval(expiry_s));
    of_will.push(Property::WillDelayInterval(delay_s));
    of_will.push(Property::ContentType("text"));
    let hello = Hello {
        clean,
        properties: properties.as_properties(),
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "will",
            payload: name.as_bytes(),
            properties: of_will.as_properties(),
        }),
        ..Hello::new(Version::V5, name)
    };
    node.connect(0, hello)
}

const WILL: &str = "publish will c q0 ContentType(\"text\")";

fn watcher(node: &mut Node) -> Peer {
    let name = node.name_at(1, "watcher");
    let watcher = node.connect(0, Hello::new(Version::V5, &name));
    node.subscribe(watcher, Version::V5, "will", 0);
    node.take(watcher);
    watcher
}

#[test]
fn a_will_is_sent_unless_the_client_says_goodbye() {
    type End = fn(&mut Node, Peer);
    let ends: [(End, usize); 5] = [
        (|node, peer| node.end(peer), 1),
        (|node, peer| node.send(peer, &[0xE0, 0]), 0),
        (|node, peer| node.send(peer, &[0xE0, 1, 4]), 1),
        (|node, peer| node.send(peer, &[0xFF, 0xFF]), 1),
        (
            |node, _| node.input(node.name_home("c"), Input::Kick { client_id: "c" }),
            1,
        ),
    ];
    for (index, (end, wills)) in ends.into_iter().enumerate() {
        let mut node = Node::new(2);
        let watcher = watcher(&mut node);
        let peer = with_will(&mut node, "c", true, 0, 0);
        end(&mut node, peer);
        assert_eq!(
            node.take_words(watcher, Version::V5),
            vec![WILL; wills],
            "case {index}"
        );
    }
}

#[test]
fn a_delayed_will_waits_and_a_resumed_session_cancels_it() {
    let mut node = Node::new(2);
    let watcher = watcher(&mut node);
    let peer = with_will(&mut node, "c", true, 100, 10);
    node.end(peer);
    node.pass(9_000);
    assert!(node.take(watcher).is_empty());
    let peer = with_will(&mut node, "c", false, 100, 10);
    node.pass(50_000);
    assert!(node.take(watcher).is_empty(), "the session was resumed in time");
    node.end(peer);
    node.pass(10_000);
    assert!(
        node.take(watcher).is_empty(),
        "not before its time for who counts it"
    );
    node.pass(100);
    assert_eq!(node.take_words(watcher, Version::V5), [WILL]);
    node.pass(1_000_000);
    assert!(node.take(watcher).is_empty(), "once");
}

#[test]
fn a_delayed_will_is_sent_at_once_when_its_session_ends_first() {
    let mut node = Node::new(2);
    let watcher = watcher(&mut node);
    let peer = with_will(&mut node, "c", true, 5, 10);
    node.end(peer);
    node.pass(5_000);
    assert_eq!(
        node.take_words(watcher, Version::V5),
        [WILL],
        "the session expired"
    );
    let peer = with_will(&mut node, "c", true, 100, 10);
    node.end(peer);
    with_will(&mut node, "c", true, 100, 10);
    assert_eq!(
        node.take_words(watcher, Version::V5),
        [WILL],
        "a clean start ended it"
    );
}

#[test]
fn silence_of_one_and_a_half_keepalives_closes_and_any_byte_counts() {
    for version in ALL {
        let mut node = Node::new(1);
        let hello = Hello {
            keep_alive: 10,
            ..Hello::new(version, "c")
        };
        let peer = node.connect(0, hello);
        node.pass(14_000);
        node.send(peer, &[0xC0]);
        node.pass(14_999);
        assert_eq!(node.wire(peer).closed, None);
        node.pass(1);
        assert_eq!(node.wire(peer).closed, Some(CloseReason::KeepaliveTimeout));
        let words = node.take_words(peer, version);
        assert_eq!(words.len(), usize::from(version == Version::V5));
    }
}

#[test]
fn the_deadline_of_the_connect_is_absolute_and_moves_with_the_connection() {
    let mut node = Node::new(1);
    let peer = node.open(0);
    let bytes = Hello::new(Version::V311, "c").bytes();
    for byte in &bytes[..10] {
        node.send(peer, &[*byte]);
        node.pass(1_499);
    }
    assert_eq!(node.wire(peer).closed, None);
    node.pass(10);
    assert_eq!(node.wire(peer).closed, Some(CloseReason::IdleTimeout));
    assert_eq!(node.closes(), [(String::new(), CloseReason::IdleTimeout)]);
}

#[test]
fn a_drain_tells_every_client_and_takes_no_more() {
    let mut node = Node::new(1);
    let newer = node.connect(0, Hello::new(Version::V5, "newer"));
    let older = node.connect(0, Hello::new(Version::V311, "older"));
    let greeting = node.open(0);
    node.input(0, Input::Drain);
    assert_eq!(
        node.take_words(newer, Version::V5),
        ["disconnect server_shutting_down"]
    );
    assert!(node.take(older).is_empty());
    let late = node.open(0);
    for peer in [newer, older, greeting, late] {
        assert_eq!(node.wire(peer).closed, Some(CloseReason::ServerShuttingDown));
    }
    assert_eq!(
        node.engines[0].stats().closes[CloseReason::ServerShuttingDown as usize],
        4
    );
}

#[test]
fn a_kick_ends_connection_and_session_connected_or_not() {
    let mut node = Node::new(1);
    let (peer, _) = keep(&mut node, Version::V5, "c");
    node.input(0, Input::Kick { client_id: "c" });
    assert_eq!(
        node.take_words(peer, Version::V5),
        ["disconnect administrative_action"]
    );
    assert_eq!(node.engines[0].stats().sessions, 0);
    let (peer, _) = keep(&mut node, Version::V5, "c");
    node.end(peer);
    node.input(0, Input::Kick { client_id: "c" });
    assert_eq!(node.engines[0].stats().sessions, 0);
    node.pass(100_000_000);
}

#[test]
fn a_client_without_an_id_gets_one_that_is_at_home_where_it_arrived() {
    let mut node = Node::new(3);
    for shard in 0..3 {
        let peer = node.open(shard);
        node.send(peer, &Hello::new(Version::V5, "").bytes());
        assert_eq!(node.follow(peer), peer);
        let bytes = node.take(peer);
        let name = assigned(&bytes);
        assert_eq!(node.name_home(&name), shard);
        let peer = node.open(shard);
        node.send(peer, &Hello::new(Version::V311, "").bytes());
        assert_eq!(node.take_words(peer, Version::V311), ["connack 0 success"]);
        let peer = node.open(shard);
        let hello = Hello {
            clean: false,
            ..Hello::new(Version::V311, "")
        };
        node.send(peer, &hello.bytes());
        assert_eq!(node.take(peer), [0x20, 2, 0, 2]);
        assert_eq!(node.wire(peer).closed, Some(CloseReason::InvalidClientId));
    }
}

fn assigned(bytes: &[u8]) -> String {
    let Ok(ringwire_codec::mqtt::Decoded::Packet(Packet::ConnAck(connack), _)) =
        ringwire_codec::mqtt::decode(Version::V5, bytes, u32::MAX)
    else {
        panic!("not a CONNACK: {bytes:02x?}");
    };
    let mut properties = connack.properties.iter();
    properties
        .find_map(|property| match property {
            Property::AssignedClientIdentifier(name) => Some(name.to_owned()),
            _ => None,
        })
        .expect("an assigned client id")
}

#[test]
fn every_end_of_a_connection_is_noted_once_with_its_reason_and_its_bytes() {
    let cases: [(&[u8], CloseReason); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", CloseReason::ProtocolNotConnected),
        (&[0x10, 0xFF, 0xFF, 0xFF, 0x7F], CloseReason::PacketTooLarge),
        (
            &[0x10, 7, 0, 4, b'M', b'Q', b'T', b'T', 9],
            CloseReason::UnsupportedVersion,
        ),
        (&[0x11, 0], CloseReason::MalformedPacket),
    ];
    for (bytes, reason) in cases {
        let mut node = Node::new(1);
        let peer = node.open(0);
        node.send(peer, bytes);
        assert_eq!(node.closes(), [(String::new(), reason)], "{bytes:02x?}");
        assert_eq!(node.wire(peer).closed, Some(reason));
        node.end(peer);
        node.send(peer, &[1, 2, 3]);
        assert_eq!(node.notes.len(), 1, "what comes late changes nothing");
        let Note::Closed { detail, .. } = &node.notes[0] else {
            panic!("{:?}", node.notes);
        };
        assert!(
            detail.contains(&format!("{:02x} {:02x}", bytes[0], bytes[1])),
            "{detail}"
        );
        assert_eq!(node.engines[0].stats().closes.iter().sum::<u64>(), 1);
    }
}
