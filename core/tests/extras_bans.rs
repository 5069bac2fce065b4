//! Bans and the flapping detector, over several shards and both protocols.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Property, PropertyList, Version};
use ringwire_core::bans::{Ban, BanObjection, Banned};
use ringwire_core::settings::{Device, Flapping, Listener, Protocol};
use ringwire_core::{CloseReason, Input, ListenerId, Note, Settings};
use std::sync::Arc;

const START_S: u64 = 1_700_000_000;

fn two_protocols() -> Settings {
    let mut settings = settings(2);
    settings.start.unix_ms = START_S * 1_000;
    settings.listeners.push(Listener {
        name: "device".into(),
        max_connections: 100,
        protocol: Protocol::Device(Device::default()),
    });
    settings
}

fn ban(node: &mut Node, kind: &str, who: &str, until_s: Option<u64>) {
    let ban = Arc::new(Ban {
        who: Banned::parse(kind, who).expect("it can be banned"),
        by: "test".to_owned(),
        reason: "enough".to_owned(),
        at_s: START_S,
        until_s,
    });
    for shard in 0..node.engines.len() as u16 {
        node.input(shard, Input::Ban { ban: ban.clone() });
    }
}

fn unban(node: &mut Node, kind: &str, who: &str) {
    let who = Banned::parse(kind, who).expect("it can be banned");
    for shard in 0..node.engines.len() as u16 {
        node.input(shard, Input::Unban { who: &who });
    }
}

/// Says hello on a shard: what the server says, and why it closed.
fn hello(node: &mut Node, shard: u16, version: Version, name: &str) -> (Vec<String>, Option<CloseReason>) {
    let peer = node.open(shard);
    node.send(peer, &Hello::new(version, name).bytes());
    let closed = node.wire(peer).closed;
    (node.take_words(peer, version), closed)
}

/// A device's CONNECT.
fn device(node: &mut Node, shard: u16, name: &str) -> Peer {
    let peer = node.open_on(shard, ListenerId(1));
    let mut bytes = vec![0x11, 0, 3 + name.len() as u8, 0, 0, name.len() as u8];
    bytes.extend_from_slice(name.as_bytes());
    node.send(peer, &bytes);
    peer
}

#[test]
fn a_banned_client_id_is_told_so_in_every_version_wherever_it_connects() {
    let mut node = Node::with(two_protocols());
    let names = [node.name_at(0, "a"), node.name_at(1, "b")];
    for name in &names {
        ban(&mut node, "clientid", name, None);
        for shard in 0..2 {
            for (version, said) in [
                (Version::V31, "connack 0 not_authorized"),
                (Version::V311, "connack 0 not_authorized"),
                (Version::V5, "connack 0 banned"),
            ] {
                let expected = (vec![said.to_owned()], Some(CloseReason::Banned));
                assert_eq!(hello(&mut node, shard, version, name), expected, "{version:?}");
            }
        }
        let device = device(&mut node, 0, name);
        assert!(String::from_utf8_lossy(&node.take(device)).contains("Banned"));
        assert_eq!(node.wire(device).closed, Some(CloseReason::Banned));
        unban(&mut node, "clientid", name);
        assert_eq!(hello(&mut node, 0, Version::V5, name).1, None);
    }
}

#[test]
fn a_ban_closes_who_is_connected_by_id_name_or_address() {
    let rows = [
        ("clientid", "c1"),
        ("username", "ann"),
        ("peerhost", "127.0.0.1"),
        ("peerhost_net", "127.0.0.0/8"),
    ];
    for (kind, who) in rows {
        let mut node = Node::with(two_protocols());
        let mut bytes = Hello::new(Version::V5, "c1").bytes();
        // With a username.
        bytes[9] |= 0x80;
        bytes.extend_from_slice(b"\0\x03ann");
        bytes[1] += 5;
        let peer = node.open(0);
        node.send(peer, &bytes);
        let device = device(&mut node, 1, "d1");
        node.take(peer);
        node.take(device);
        ban(&mut node, kind, who, None);
        assert_eq!(
            node.take_words(peer, Version::V5),
            ["disconnect administrative_action"],
            "{kind}"
        );
        assert_eq!(node.wire(peer).closed, Some(CloseReason::Banned), "{kind}");
        let is_host = kind.starts_with("peerhost");
        assert_eq!(
            node.wire(device).closed,
            is_host.then_some(CloseReason::Banned),
            "{kind}"
        );
        let told = node
            .notes
            .iter()
            .filter(|note| matches!(note, Note::Banned { .. }));
        assert_eq!(told.count(), 1, "one of the shards says it");
    }
}

#[test]
fn a_banned_address_is_turned_away_before_anything_else_is_looked_at() {
    for (kind, who) in [("peerhost", "127.0.0.1"), ("peerhost_net", "127.0.0.0/30")] {
        let mut node = Node::with(two_protocols());
        ban(&mut node, kind, who, None);
        let name = node.name_at(1, "c");
        assert_eq!(
            hello(&mut node, 0, Version::V5, &name),
            (vec!["connack 0 banned".to_owned()], Some(CloseReason::Banned))
        );
        assert!(node.moved.is_empty(), "it was not handed over");
        let device = device(&mut node, 0, "d");
        assert_eq!(node.wire(device).closed, Some(CloseReason::Banned));
        let silent = node.open(0);
        node.pass(1_000);
        assert_eq!(node.wire(silent).closed, Some(CloseReason::IdleTimeout));
    }
    let mut node = Node::with(two_protocols());
    ban(&mut node, "peerhost_net", "10.0.0.0/8", None);
    ban(&mut node, "peerhost", "::1", None);
    assert_eq!(hello(&mut node, 0, Version::V5, "c").1, None, "others are let in");
}

#[test]
fn a_ban_ends_at_its_time_and_is_gone_from_the_list() {
    let mut node = Node::with(two_protocols());
    ban(&mut node, "clientid", "long", Some(START_S + 20));
    ban(&mut node, "clientid", "short", Some(START_S + 10));
    ban(&mut node, "username", "ever", None);
    node.pass(9_999);
    assert_eq!(
        hello(&mut node, 0, Version::V5, "short").1,
        Some(CloseReason::Banned)
    );
    node.pass(1);
    assert_eq!(hello(&mut node, 0, Version::V5, "short").1, None);
    assert_eq!(
        hello(&mut node, 0, Version::V5, "long").1,
        Some(CloseReason::Banned)
    );
    node.pass(10_000);
    assert_eq!(hello(&mut node, 0, Version::V5, "long").1, None);
    for engine in &node.engines {
        let left: Vec<String> = engine.bans().iter().map(|ban| ban.who.to_string()).collect();
        assert_eq!(left, ["ever"]);
        assert_eq!(engine.stats().bans, 1);
    }
}

#[test]
fn the_limit_of_bans_refuses_a_new_one_but_not_a_replacement() {
    let mut settings = two_protocols();
    settings.limits.bans = 1;
    let mut node = Node::with(settings);
    ban(&mut node, "clientid", "a", None);
    ban(&mut node, "clientid", "b", None);
    ban(&mut node, "clientid", "a", Some(START_S + 5));
    assert_eq!(hello(&mut node, 0, Version::V5, "b").1, None);
    let bans = node.engines[0].bans();
    assert_eq!(bans.len(), 1);
    assert_eq!(bans[0].until_s, Some(START_S + 5));
    let another = Ban {
        who: Banned::ClientId("c".to_owned()),
        ..Ban::clone(&bans[0])
    };
    assert_eq!(node.engines[0].objection_to(&another), Some(BanObjection::Full));
}

fn flapping(max_count: u32) -> Settings {
    Settings {
        flapping: Flapping {
            enable: true,
            max_count,
            window_time_ms: 10_000,
            ban_time_ms: 60_000,
        },
        ..two_protocols()
    }
}

#[test]
fn a_client_that_flaps_is_banned_on_every_shard_for_its_time() {
    let mut node = Node::with(flapping(3));
    let name = node.name_at(1, "flappy");
    for round in 0..3 {
        node.pass(1_000);
        let peer = node.connect(round % 2, Hello::new(Version::V5, &name));
        node.end(peer);
    }
    for engine in &node.engines {
        let bans = engine.bans();
        assert_eq!(bans.len(), 1);
        assert_eq!(bans[0].by, "flapping detector");
        assert_eq!(bans[0].at_s, START_S + 3);
        assert_eq!(bans[0].until_s, Some(START_S + 63));
    }
    let told = node
        .notes
        .iter()
        .filter(|note| matches!(note, Note::Banned { .. }));
    assert_eq!(told.count(), 1);
    let detected: u64 = node
        .engines
        .iter()
        .map(|engine| engine.stats().flapping_detected)
        .sum();
    assert_eq!(detected, 1);
    assert_eq!(
        hello(&mut node, 0, Version::V5, &name).1,
        Some(CloseReason::Banned)
    );
    node.pass(60_000);
    assert_eq!(hello(&mut node, 0, Version::V5, &name).1, None);
}

#[test]
fn the_take_over_that_is_one_too_many_bans_both() {
    for version in [Version::V311, Version::V5] {
        for clean in [true, false] {
            let mut node = Node::with(flapping(2));
            let name = node.name_at(1, "twice");
            let hello = Hello {
                clean,
                ..Hello::new(version, &name)
            };
            node.connect(0, hello);
            node.connect(1, hello);
            let third = node.open(0);
            node.send(third, &hello.bytes());
            assert_eq!(node.wire(third).closed, Some(CloseReason::Banned), "{version:?}");
            let client = node.client(&name);
            let is_kept = !clean && version == Version::V311;
            assert_eq!(client.is_some(), is_kept, "for as long as it is kept");
            assert!(client.is_none_or(|client| !client.connected));
            node.pass(7_200_000);
            assert_eq!(node.client(&name), None, "it ends though nobody took it over");
        }
    }
}

#[test]
fn who_is_banned_for_taking_over_ends_no_session() {
    let mut node = Node::with(flapping(1));
    let kept = Hello {
        clean: false,
        ..Hello::new(Version::V311, "kept")
    };
    node.connect(0, kept);
    assert_eq!(
        hello(&mut node, 1, Version::V311, "kept").1,
        Some(CloseReason::Banned)
    );
    assert!(node.client("kept").is_some(), "its clean start was not granted");
}

#[test]
fn a_refusal_because_of_the_address_is_no_larger_than_the_client_takes_it() {
    let mut node = Node::with(two_protocols());
    ban(&mut node, "peerhost", "127.0.0.1", None);
    for (size_max, wants_reasons, said) in [(100, true, 14), (100, false, 5), (12, true, 5)] {
        let mut properties = PropertyList::default();
        properties.push(Property::MaximumPacketSize(size_max));
        properties.push(Property::RequestProblemInformation(wants_reasons));
        let hello = Hello {
            properties: properties.as_properties(),
            ..Hello::new(Version::V5, "a")
        };
        let peer = node.open(0);
        node.send(peer, &hello.bytes());
        assert_eq!(node.take(peer).len(), said, "at most {size_max} bytes");
    }
}

#[test]
fn slow_comings_and_goings_and_kicks_are_not_flapping() {
    let mut node = Node::with(flapping(2));
    for _ in 0..4 {
        let peer = node.connect(0, Hello::new(Version::V5, "calm"));
        node.end(peer);
        node.pass(10_000);
        node.connect(0, Hello::new(Version::V5, "kicked"));
        let home = node.name_home("kicked");
        node.input(home, Input::Kick { client_id: "kicked" });
    }
    assert!(node.engines.iter().all(|engine| engine.bans().is_empty()));
}

#[test]
fn a_device_that_flaps_is_banned_too() {
    let mut node = Node::with(flapping(2));
    for _ in 0..2 {
        let peer = device(&mut node, 0, "d");
        node.end(peer);
    }
    let peer = device(&mut node, 0, "d");
    assert_eq!(node.wire(peer).closed, Some(CloseReason::Banned));
}

#[test]
fn the_words_of_the_api_are_read_and_written_alike() {
    let rows = [
        ("clientid", "a/b", Some("a/b")),
        ("username", "ann", Some("ann")),
        ("peerhost", "10.0.0.1", Some("10.0.0.1")),
        ("peerhost", "::ffff:10.0.0.1", Some("10.0.0.1")),
        ("peerhost_net", "10.1.2.3/8", Some("10.0.0.0/8")),
        ("peerhost_net", "10.0.0.1", None),
        ("peerhost", "10.0.0.0/8", None),
        ("peerhost", "host", None),
        ("clientid", "", None),
        ("clientid_re", "a.*", None),
    ];
    for (kind, who, expected) in rows {
        let banned = Banned::parse(kind, who);
        assert_eq!(
            banned.as_ref().map(Banned::to_string).as_deref(),
            expected,
            "{kind} {who}"
        );
        assert!(banned.is_none_or(|banned| banned.kind() == kind));
    }
}
