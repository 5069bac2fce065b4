//! Flow: windows, slow readers, congested shards, limits. Nothing grows without bound, nothing is lost in silence.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Property, PropertyList, QoS, Version};
use ringwire_core::settings::Protocol;
use ringwire_core::{CloseReason, DropReason, Input, Note, ShardId};

fn with_properties(node: &mut Node, name: &str, list: &[Property<'_>]) -> Peer {
    let mut properties = PropertyList::default();
    for property in list {
        properties.push(*property);
    }
    let hello = Hello {
        properties: properties.as_properties(),
        ..Hello::new(Version::V5, name)
    };
    node.connect(0, hello)
}

#[test]
fn no_more_than_receive_maximum_are_on_their_way_and_the_rest_follows_each_ack_in_order() {
    let mut node = Node::new(1);
    let reader = with_properties(&mut node, "reader", &[Property::ReceiveMaximum(2)]);
    node.subscribe(reader, Version::V5, "t", 2);
    node.take(reader);
    let publisher = node.connect(0, Hello::new(Version::V5, "publisher"));
    for id in 1..=4 {
        let qos = if id % 2 == 1 {
            QoS::AtLeastOnce
        } else {
            QoS::ExactlyOnce
        };
        node.publish(publisher, Version::V5, "t", &[b'0' + id as u8], qos, id);
    }
    assert_eq!(
        node.take_words(reader, Version::V5),
        ["publish t 1 q1 #1", "publish t 2 q2 #2"]
    );
    node.send(reader, &[0x50, 2, 0, 2]);
    assert_eq!(
        node.take_words(reader, Version::V5),
        ["pubrel #2 success"],
        "PUBREC frees nothing"
    );
    node.send(reader, &[0x40, 2, 0, 1]);
    assert_eq!(node.take_words(reader, Version::V5), ["publish t 3 q1 #3"]);
    node.send(reader, &[0x70, 2, 0, 2]);
    assert_eq!(node.take_words(reader, Version::V5), ["publish t 4 q2 #4"]);
    node.send(reader, &[0x50, 3, 0, 4, 0x97, 0x40, 2, 0, 3]);
    assert!(node.take(reader).is_empty());
    assert_eq!(
        node.client("reader").unwrap().inflight_cnt,
        0,
        "a PUBREC that refuses ends it"
    );
}

#[test]
fn a_client_that_exceeds_the_receive_maximum_of_the_server_is_disconnected() {
    let mut settings = settings(1);
    settings.limits.receive_maximum = 2;
    let mut node = Node::with(settings);
    let peer = node.connect(0, Hello::new(Version::V5, "c"));
    for id in 1..=3 {
        node.publish(peer, Version::V5, "t", b"", QoS::ExactlyOnce, id);
    }
    let expected = [
        "pubrec #1 no_matching_subscribers",
        "pubrec #2 no_matching_subscribers",
        "disconnect receive_maximum_exceeded",
    ];
    assert_eq!(node.take_words(peer, Version::V5), expected);
}

#[test]
fn a_message_larger_than_the_receiver_takes_is_dropped_for_it_alone() {
    let mut node = Node::new(1);
    let small = with_properties(&mut node, "small", &[Property::MaximumPacketSize(40)]);
    let large = node.connect(0, Hello::new(Version::V5, "large"));
    for peer in [small, large] {
        node.subscribe(peer, Version::V5, "t", 1);
        node.take(peer);
    }
    let publisher = node.connect(0, Hello::new(Version::V5, "publisher"));
    node.publish(publisher, Version::V5, "t", &[b'x'; 34], QoS::AtLeastOnce, 1);
    node.publish(publisher, Version::V5, "t", b"fits", QoS::AtLeastOnce, 2);
    assert_eq!(node.take_words(small, Version::V5), ["publish t fits q1 #1"]);
    assert_eq!(node.take_words(large, Version::V5).len(), 2);
    assert_eq!(node.drops(DropReason::TooLarge), 1);
}

#[test]
fn qos_0_to_a_reader_that_does_not_read_is_dropped_and_noted_once_and_qos_1_waits() {
    let mut settings = settings(1);
    settings.limits.outbox_bytes = 1_000;
    let mut node = Node::with(settings);
    let reader = node.connect(0, Hello::new(Version::V311, "reader"));
    node.subscribe(reader, Version::V311, "t", 1);
    node.take(reader);
    node.wire(reader).stuck = true;
    let publisher = node.connect(0, Hello::new(Version::V311, "publisher"));
    for _ in 0..20 {
        node.publish(publisher, Version::V311, "t", &[b'x'; 100], QoS::AtMostOnce, 0);
    }
    node.publish(publisher, Version::V311, "t", b"kept", QoS::AtLeastOnce, 1);
    assert_eq!(node.drops(DropReason::SlowConsumer), 10);
    let notes = node
        .notes
        .iter()
        .filter(|note| matches!(note, Note::Dropped { .. }))
        .count();
    assert_eq!(notes, 1);
    assert_eq!(node.client("reader").unwrap().mqueue_len, 1);
    node.unstick(reader);
    let words = node.take_words(reader, Version::V311);
    assert_eq!(
        (words.len(), words.last().unwrap().as_str()),
        (11, "publish t kept q1 #1")
    );
}

#[test]
fn the_queue_drops_the_oldest_at_its_limits_in_messages_and_in_bytes() {
    let no = usize::MAX;
    for (messages, bytes, shard_bytes, left) in [(3, no, no, 3), (1_000, 1_100, no, 4), (1_000, no, 1_100, 4)]
    {
        let mut settings = settings(1);
        settings.limits.queue_messages = messages;
        settings.limits.queue_bytes = bytes;
        settings.limits.shard_queue_bytes = shard_bytes;
        settings.limits.inflight = 1;
        let mut node = Node::with(settings);
        let reader = node.connect(0, Hello::new(Version::V311, "reader"));
        node.subscribe(reader, Version::V311, "t", 1);
        node.take(reader);
        let publisher = node.connect(0, Hello::new(Version::V311, "publisher"));
        for id in 1..=9 {
            let payload = format!("{id:0100}");
            node.publish(
                publisher,
                Version::V311,
                "t",
                payload.as_bytes(),
                QoS::AtLeastOnce,
                id,
            );
        }
        let client = node.client("reader").unwrap();
        assert_eq!(
            (client.mqueue_len, client.mqueue_dropped),
            (left, 8 - left as u64)
        );
        assert_eq!(node.drops(DropReason::QueueFull), 8 - left as u64);
        node.take(reader);
        node.send(reader, &[0x40, 2, 0, 1]);
        let bytes = node.take(reader);
        let first = 10 - left;
        assert_eq!(bytes.last(), Some(&(b'0' + first as u8)), "the oldest went");
    }
}

#[test]
fn a_client_that_never_reads_its_answers_is_not_read_until_it_does() {
    let mut settings = settings(1);
    settings.limits.outbox_bytes = 1_000;
    let mut node = Node::with(settings);
    let peer = node.connect(0, Hello::new(Version::V311, "c"));
    node.wire(peer).stuck = true;
    for _ in 0..10_000 {
        node.send(peer, &[0xC0, 0]);
    }
    assert!(node.wire(peer).paused);
    let backlog = node.actions[0].outbox(peer.id).backlog();
    assert!(backlog <= 1_002, "{backlog}");
    node.unstick(peer);
    assert!(!node.wire(peer).paused);
    assert_eq!(
        node.take(peer).len(),
        20_000,
        "every PINGREQ was answered in the end"
    );
}

#[test]
fn a_congested_shard_pauses_who_needs_it_and_nobody_else_and_order_is_kept() {
    let mut node = Node::new(2);
    let (far, near, c, d) = (
        node.name_at(1, "far"),
        node.name_at(0, "near"),
        node.name_at(0, "c"),
        node.name_at(0, "d"),
    );
    let far = node.connect(0, Hello::new(Version::V311, &far));
    node.subscribe(far, Version::V311, "far", 1);
    let near = node.connect(0, Hello::new(Version::V311, &near));
    node.subscribe(near, Version::V311, "near", 1);
    for peer in [far, near] {
        node.take(peer);
    }
    let (c, d) = (
        node.connect(0, Hello::new(Version::V311, &c)),
        node.connect(0, Hello::new(Version::V311, &d)),
    );
    node.input(0, Input::Congested { shard: ShardId(1) });
    node.publish(c, Version::V311, "far", b"zero", QoS::AtMostOnce, 0);
    node.publish(c, Version::V311, "near", b"a", QoS::AtLeastOnce, 1);
    node.publish(c, Version::V311, "far", b"b", QoS::AtLeastOnce, 2);
    node.publish(c, Version::V311, "near", b"c", QoS::AtLeastOnce, 3);
    node.publish(d, Version::V311, "near", b"d", QoS::AtLeastOnce, 1);
    assert_eq!(node.drops(DropReason::MeshFull), 1);
    assert_eq!(
        node.take_words(near, Version::V311),
        ["publish near a q1 #1", "publish near d q1 #2"]
    );
    assert!(node.take(far).is_empty());
    assert!(node.wire(c).paused && !node.wire(d).paused);
    assert_eq!(node.take_words(c, Version::V311), ["puback #1 success"]);
    node.input(0, Input::Relieved { shard: ShardId(1) });
    assert!(!node.wire(c).paused);
    assert_eq!(node.take_words(far, Version::V311), ["publish far b q1 #1"]);
    assert_eq!(node.take_words(near, Version::V311), ["publish near c q1 #3"]);
    assert_eq!(
        node.take_words(c, Version::V311),
        ["puback #2 success", "puback #3 success"]
    );
}

#[test]
fn what_a_paused_client_sent_before_it_closed_is_taken_with_its_disconnect() {
    let mut node = Node::new(2);
    let (far, c) = (node.name_at(1, "far"), node.name_at(0, "c"));
    let far = node.connect(0, Hello::new(Version::V311, &far));
    node.subscribe(far, Version::V311, "far", 1);
    node.take(far);
    let c = node.connect(0, Hello::new(Version::V311, &c));
    node.input(0, Input::Congested { shard: ShardId(1) });
    node.publish(c, Version::V311, "far", b"a", QoS::AtLeastOnce, 1);
    node.send(c, &[0xE0, 0]);
    assert!(node.take(far).is_empty());
    node.end(c);
    assert_eq!(node.take_words(far, Version::V311), ["publish far a q1 #1"]);
    assert_eq!(node.closes()[0].1, CloseReason::Normal);
}

#[test]
fn limits_on_connections_sessions_subscriptions_levels_and_ids_answer_with_their_reason() {
    let mut settings = settings(1);
    settings.listeners[0].max_connections = 3;
    settings.limits.sessions = 2;
    settings.limits.subscriptions = 1;
    settings.limits.topic_levels = 2;
    let Protocol::Mqtt(mqtt) = &mut settings.listeners[0].protocol else {
        panic!("an MQTT listener");
    };
    mqtt.max_clientid_len = 3;
    let mut node = Node::with(settings);
    let a = node.connect(0, Hello::new(Version::V5, "a"));
    let b = node.connect(0, Hello::new(Version::V5, "b"));
    let full = node.open(0);
    node.send(full, &Hello::new(Version::V5, "c").bytes());
    assert_eq!(node.take_words(full, Version::V5), ["connack 0 quota_exceeded"]);
    let long = node.open(0);
    node.send(long, &Hello::new(Version::V5, "long").bytes());
    assert_eq!(
        node.take_words(long, Version::V5),
        ["connack 0 client_identifier_not_valid"]
    );
    node.open(0);
    let beyond = node.open(0);
    assert_eq!(node.wire(beyond).closed, Some(CloseReason::QuotaExceeded));
    node.subscribe(a, Version::V5, "x/y", 1);
    node.subscribe(a, Version::V5, "x/y", 0);
    node.subscribe(a, Version::V5, "z", 1);
    node.subscribe(a, Version::V5, "x/y/z", 1);
    node.subscribe(a, Version::V5, "$share/g/t", 1);
    assert_eq!(
        node.take_words(a, Version::V5),
        [
            "suback #9 [01]",
            "suback #9 [00]",
            "suback #9 [97]",
            "suback #9 [8f]",
            "suback #9 [97]"
        ]
    );
    node.publish(a, Version::V5, "x/y/z", b"", QoS::AtLeastOnce, 1);
    assert_eq!(node.take_words(a, Version::V5), ["puback #1 topic_name_invalid"]);
    node.publish(b, Version::V5, "x/y/z", b"", QoS::AtMostOnce, 0);
    assert_eq!(node.take_words(b, Version::V5), ["disconnect topic_name_invalid"]);
}

#[test]
fn a_client_that_breaks_the_rules_hears_the_exact_reason() {
    let cases: [(&[u8], &str); 7] = [
        (
            &[0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 0],
            "disconnect protocol_error",
        ),
        (
            &[0x30, 7, 0, 1, b't', 3, 0x23, 0, 65],
            "disconnect topic_alias_invalid",
        ),
        (&[0x30, 6, 0, 0, 3, 0x23, 0, 1], "disconnect protocol_error"),
        (&[0x30, 6, 0, 1, b't', 2, 0x0B, 1], "disconnect protocol_error"),
        (&[0xF0, 0], "disconnect protocol_error"),
        (&[0xD0, 0], "disconnect protocol_error"),
        (&[0x33, 0], "disconnect malformed_packet"),
    ];
    for (bytes, expected) in cases {
        let mut node = Node::new(1);
        let peer = node.connect(0, Hello::new(Version::V5, "c"));
        node.send(peer, bytes);
        assert_eq!(node.take_words(peer, Version::V5), [expected], "{bytes:02x?}");
        assert!(node.wire(peer).closed.is_some());
    }
}

#[test]
fn large_payloads_leave_by_reference_and_arrive_whole_at_every_qos() {
    let mut node = Node::new(2);
    let names = [node.name_at(0, "near"), node.name_at(1, "far")];
    let readers = names.map(|name| node.connect(0, Hello::new(Version::V5, &name)));
    for reader in readers {
        node.subscribe(reader, Version::V5, "t", 1);
        node.take(reader);
    }
    let publisher = node.name_at(0, "p");
    let publisher = node.connect(0, Hello::new(Version::V311, &publisher));
    let payload = vec![b'y'; 10_000];
    for (id, qos) in [(0, QoS::AtMostOnce), (1, QoS::AtLeastOnce)] {
        node.publish(publisher, Version::V311, "t", &payload, qos, id);
        for reader in readers {
            let bytes = node.take(reader);
            assert_eq!(&bytes[bytes.len() - 10_000..], &payload[..]);
            assert_eq!(node::words(Version::V5, &bytes).len(), 1);
        }
    }
}

#[test]
fn a_refusal_that_is_larger_than_the_client_takes_is_not_sent() {
    for (size_max, refusal) in [(5, 1), (4, 0)] {
        let mut node = Node::new(1);
        let mut properties = PropertyList::default();
        properties.push(Property::MaximumPacketSize(size_max));
        let name = "x".repeat(2_000);
        let hello = Hello {
            properties: properties.as_properties(),
            ..Hello::new(Version::V5, &name)
        };
        let peer = node.open(0);
        node.send(peer, &hello.bytes());
        assert_eq!(
            node.take_words(peer, Version::V5).len(),
            refusal,
            "[MQTT-3.1.2-24]"
        );
        assert_eq!(node.wire(peer).closed, Some(CloseReason::InvalidClientId));
    }
}
