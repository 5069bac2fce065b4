//! Retained messages in bulk: a wide SUBSCRIBE is answered page by page, as fast as its client reads, and loses nothing;
//! and what expires leaves the store by itself.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{
    Ack, Packet, PacketId, Property, PropertyList, Publish, QoS, ReasonCode, Version,
};
use ringwire_core::limits::Limits;
use ringwire_core::{DropReason, Settings};
use std::collections::BTreeMap;

/// A node whose sessions' queues take `queue_messages`.
fn narrow(shards: u16, queue_messages: usize) -> Node {
    let limits = Limits {
        queue_messages,
        outbox_bytes: 2_000,
        ..Limits::default()
    };
    Node::with(Settings {
        limits,
        ..settings(shards)
    })
}

fn retain(node: &mut Node, topic: &str, payload: &[u8], qos: QoS, expiry_s: Option<u32>) {
    let publisher = node.open(0);
    let name = node.name_at(0, "publisher");
    node.send(publisher, &Hello::new(Version::V5, &name).bytes());
    let mut properties = PropertyList::default();
    if let Some(expiry_s) = expiry_s {
        properties.push(Property::MessageExpiryInterval(expiry_s));
    }
    let publish = Publish {
        dup: false,
        qos,
        retain: true,
        topic,
        packet_id: (qos != QoS::AtMostOnce).then(|| PacketId::new(1).expect("above 0")),
        properties: properties.as_properties(),
        payload,
    };
    node.send_packet(publisher, Version::V5, &Packet::Publish(publish));
    node.end(publisher);
}

/// Topics `r/0000` and so on.
fn fill(node: &mut Node, count: usize, qos: QoS) {
    for number in 0..count {
        retain(node, &format!("r/{number:04}"), b"old", qos, None);
    }
}

fn reader(node: &mut Node, clean: bool) -> Peer {
    let name = node.name_at(0, "reader");
    let mut properties = PropertyList::default();
    properties.push(Property::SessionExpiryInterval(100));
    let hello = Hello {
        clean,
        properties: properties.as_properties(),
        ..Hello::new(Version::V5, &name)
    };
    let peer = node.open(0);
    node.send(peer, &hello.bytes());
    node.follow(peer)
}

/// Topics of the PUBLISH packets that arrived; and acknowledges them.
fn take(node: &mut Node, peer: Peer) -> Vec<String> {
    let words = node.take_words(peer, Version::V5);
    let mut topics = Vec::new();
    for word in words.iter().filter(|word| word.starts_with("publish")) {
        let parts: Vec<&str> = word.split(' ').collect();
        topics.push(parts[1].to_owned());
        if let Some(id) = parts[4..].first().and_then(|id| id.strip_prefix('#')) {
            let id = PacketId::new(id.parse().expect("a number")).expect("above 0");
            let ack = Ack::new(id, ReasonCode::Success);
            node.send_packet(peer, Version::V5, &Packet::PubAck(ack));
        }
    }
    topics
}

fn take_all(node: &mut Node, peer: Peer) -> Vec<String> {
    let mut topics = Vec::new();
    loop {
        let more = take(node, peer);
        if more.is_empty() {
            return topics;
        }
        topics.extend(more);
    }
}

/// Each home's topics in their order, and all of them.
fn is_whole(node: &Node, topics: &[String], count: usize) {
    assert_eq!(topics.len(), count);
    let mut homes: BTreeMap<u16, Vec<&String>> = BTreeMap::new();
    for topic in topics {
        homes.entry(node.name_home(topic)).or_default().push(topic);
    }
    for (home, topics) in homes {
        assert!(topics.is_sorted(), "of shard {home}: {topics:?}");
    }
}

#[test]
fn a_wide_subscribe_is_answered_as_its_client_reads_and_nothing_is_dropped() {
    for shards in [1, 3] {
        let mut node = narrow(shards, 60);
        fill(&mut node, 1_000, QoS::AtMostOnce);
        let peer = reader(&mut node, true);
        node.wire(peer).stuck = true;
        node.subscribe(peer, Version::V5, "r/#", 0);
        let name = node.name_at(0, "reader");
        let client = node.client(&name).unwrap();
        let given = client.mqueue_len + client.send_msg as usize;
        assert!(
            (1..=30).contains(&given),
            "{given} messages for who reads nothing"
        );
        node.unstick(peer);
        let topics = take_all(&mut node, peer);
        is_whole(&node, &topics, 1_000);
        assert_eq!(
            node.drops(DropReason::QueueFull) + node.drops(DropReason::SlowConsumer),
            0
        );
        assert!(!node.wire(peer).paused);
    }
}

#[test]
fn at_qos_1_the_next_page_waits_for_acknowledgements_which_are_read() {
    for shards in [1, 2] {
        let mut node = narrow(shards, 40);
        fill(&mut node, 500, QoS::AtLeastOnce);
        let peer = reader(&mut node, true);
        node.subscribe(peer, Version::V5, "#", 1);
        let topics = take_all(&mut node, peer);
        is_whole(&node, &topics, 500);
        assert_eq!(node.drops(DropReason::QueueFull), 0);
    }
}

#[test]
fn a_topic_that_changes_while_it_is_waited_for_comes_no_older_than_it_came_live() {
    for shards in [1, 2] {
        let mut node = narrow(shards, 40);
        fill(&mut node, 300, QoS::AtMostOnce);
        let peer = reader(&mut node, true);
        node.wire(peer).stuck = true;
        node.subscribe(peer, Version::V5, "r/+", 0);
        for topic in ["r/0000", "r/0150", "r/0299"] {
            retain(&mut node, topic, b"new", QoS::AtMostOnce, None);
        }
        node.unstick(peer);
        let words = node.take_words(peer, Version::V5);
        for topic in ["r/0000", "r/0150", "r/0299"] {
            let of_topic = words.iter().filter(|word| word.contains(topic));
            let payloads: Vec<&str> = of_topic.filter_map(|word| word.split(' ').nth(2)).collect();
            let newest = payloads.iter().position(|payload| *payload == "new");
            let newest = newest.unwrap_or_else(|| panic!("{topic} was not heard: {payloads:?}"));
            assert!(
                payloads[newest..].iter().all(|payload| *payload == "new"),
                "{payloads:?}"
            );
        }
    }
}

#[test]
fn a_session_that_is_resumed_gets_the_rest() {
    for shards in [1, 2] {
        let mut node = narrow(shards, 40);
        fill(&mut node, 400, QoS::AtLeastOnce);
        let peer = reader(&mut node, true);
        node.subscribe(peer, Version::V5, "#", 1);
        let mut topics = take(&mut node, peer);
        node.end(peer);
        let peer = reader(&mut node, false);
        topics.extend(take_all(&mut node, peer));
        topics.sort();
        topics.dedup();
        assert_eq!(topics.len(), 400);
    }
}

#[test]
fn who_unsubscribes_or_asks_again_is_not_sent_the_rest() {
    for shards in [1, 2] {
        let mut node = narrow(shards, 40);
        fill(&mut node, 400, QoS::AtMostOnce);
        let peer = reader(&mut node, true);
        node.wire(peer).stuck = true;
        node.subscribe(peer, Version::V5, "r/#", 0);
        node.subscribe(peer, Version::V5, "r/#", 0);
        node.send(peer, &[0xA2, 8, 0, 8, 0, 0, 3, b'r', b'/', b'#']);
        node.unstick(peer);
        let given = take_all(&mut node, peer).len();
        assert!(given <= 80, "{given} messages after the UNSUBSCRIBE");
        node.subscribe(peer, Version::V5, "r/#", 0);
        let topics = take_all(&mut node, peer);
        is_whole(&node, &topics, 400);
    }
}

#[test]
fn a_client_that_waits_for_as_many_pages_as_may_be_on_their_way_costs_nothing_meanwhile() {
    let mut node = narrow(3, 40);
    fill(&mut node, 20, QoS::AtMostOnce);
    let peer = reader(&mut node, true);
    node.take(peer);
    node.hold_parcels = true;
    // Each at three homes; the homes are asked, and the client reads its SUBACK.
    let filters = b"\x00\x09\x00\x00\x01#\x01\x00\x03r/#\x00\x00\x03+/#\x00\x00\x03r/+\x00";
    let header = [0x82, filters.len() as u8];
    node.send(peer, &[&header[..], filters].concat());
    assert_eq!(
        node.take_words(peer, Version::V5).len(),
        1,
        "it is answered when the parcels move"
    );
    // Something else is written to it, and read.
    let name = node.name_at(0, "other");
    let other = node.connect(0, Hello::new(Version::V5, &name));
    node.wire(peer).stuck = true;
    node.publish(other, Version::V5, "live", &[0; 3_000], QoS::AtMostOnce, 0);
    node.publish(other, Version::V5, "live", b"x", QoS::AtLeastOnce, 1);
    node.unstick(peer);
    node.hold_parcels = false;
    node.exchange();
    assert_eq!(take_all(&mut node, peer).len(), 82);
}

fn retained(node: &Node) -> (u64, u64, u64) {
    let stats = node.engines.iter().map(|engine| engine.stats());
    stats.fold((0, 0, 0), |sum, stats| {
        (
            sum.0 + stats.retained,
            sum.1 + stats.retained_bytes,
            sum.2 + stats.retained_expired,
        )
    })
}

#[test]
fn an_expired_retained_message_is_gone_within_a_second_and_counted() {
    for shards in [1, 2] {
        let mut node = Node::new(shards);
        retain(&mut node, "stays", b"v", QoS::AtMostOnce, None);
        retain(&mut node, "short", b"v", QoS::AtMostOnce, Some(2));
        retain(&mut node, "long", b"v", QoS::AtMostOnce, Some(60));
        retain(&mut node, "replaced", b"v", QoS::AtMostOnce, Some(2));
        retain(&mut node, "replaced", b"v", QoS::AtMostOnce, None);
        node.pass(1_999);
        assert_eq!(retained(&node).0, 4);
        node.pass(1_001);
        let (count, _, expired) = retained(&node);
        assert_eq!((count, expired), (3, 1), "[MQTT-3.3.2-5]");
        let peer = reader(&mut node, true);
        node.subscribe(peer, Version::V5, "#", 0);
        let mut words = node.take_words(peer, Version::V5);
        words.sort();
        let long = words.iter().find(|word| word.contains("long")).unwrap();
        assert!(long.ends_with("MessageExpiryInterval(57)"), "{long}");
        node.pass(60_000);
        let (count, bytes, expired) = retained(&node);
        assert_eq!((count, bytes, expired), (2, "staysreplaced".len() as u64 + 2, 2));
    }
}

#[test]
fn the_limit_caps_the_life_of_every_retained_message_and_expired_ones_take_no_room() {
    let limits = Limits {
        retained_expiry_s: 10,
        retained_messages: 2,
        ..Limits::default()
    };
    let mut node = Node::with(Settings {
        limits,
        ..settings(1)
    });
    retain(&mut node, "a", b"v", QoS::AtMostOnce, None);
    retain(&mut node, "b", b"v", QoS::AtMostOnce, Some(u32::MAX));
    retain(&mut node, "c", b"v", QoS::AtMostOnce, None);
    assert_eq!(node.drops(DropReason::RetainedFull), 1);
    // No timer has fired yet.
    node.now = node.now + 10_000;
    retain(&mut node, "c", b"v", QoS::AtMostOnce, None);
    assert_eq!((node.drops(DropReason::RetainedFull), retained(&node).0), (1, 1));
    node.pass(11_000);
    assert_eq!(retained(&node), (0, 0, 3));
    assert_eq!(node.engines[0].next_wake(), None, "no timer is left");
}

#[test]
fn what_expires_while_the_answer_is_on_its_way_is_dropped_and_counted() {
    let mut node = Node::new(2);
    let topic = (0..)
        .map(|n| format!("t{n}"))
        .find(|topic| node.name_home(topic) == 1);
    let topic = topic.unwrap();
    retain(&mut node, &topic, b"v", QoS::AtMostOnce, Some(1));
    let peer = reader(&mut node, true);
    node.take(peer);
    node.hold_parcels = true;
    node.subscribe(peer, Version::V5, &topic, 0);
    // The question, the round, the answer.
    for (from, to) in [(0, 1), (1, 0), (0, 1)] {
        node.exchange_all(from, to);
    }
    node.now = node.now + 1_000;
    node.exchange();
    assert_eq!(node.take_words(peer, Version::V5).len(), 1);
    assert_eq!(node.drops(DropReason::Expired), 1);
}
