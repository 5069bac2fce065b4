//! Back-pressure: a subscriber that falls behind slows its QoS 1/2 publishers down; one that reads nothing stops nobody.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{QoS, Version};

/// A node whose sessions are behind from their fifth waiting message on, with one delivery on its way at a time.
fn node(shards: u16) -> Node {
    let mut settings = settings(shards);
    settings.limits.inflight = 1;
    settings.limits.backpressure_messages = 4;
    settings.limits.backpressure_timeout_ms = 1_000;
    Node::with(settings)
}

fn reader(node: &mut Node, shard: u16) -> Peer {
    let name = node.name_at(shard, "reader");
    let reader = node.connect(shard, Hello::new(Version::V311, &name));
    node.subscribe(reader, Version::V311, "t", 2);
    node.take(reader);
    reader
}

fn publisher(node: &mut Node, name: &str) -> Peer {
    let name = node.name_at(0, name);
    node.connect(0, Hello::new(Version::V311, &name))
}

fn publish(node: &mut Node, from: Peer, ids: std::ops::RangeInclusive<u16>) {
    for id in ids {
        node.publish(from, Version::V311, "t", b"x", QoS::AtLeastOnce, id);
    }
}

fn acknowledge(node: &mut Node, reader: Peer, ids: std::ops::RangeInclusive<u8>) {
    for id in ids {
        node.send(reader, &[0x40, 2, 0, id]);
    }
}

#[test]
fn acknowledgements_wait_in_order_until_a_subscriber_that_was_behind_has_caught_up() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        publish(&mut node, from, 1..=5);
        assert_eq!(
            node.take_words(from, Version::V311).len(),
            5,
            "one on its way, four wait"
        );
        publish(&mut node, from, 6..=6);
        node.publish(from, Version::V311, "t", b"x", QoS::ExactlyOnce, 7);
        publish(&mut node, from, 8..=8);
        if shards == 2 {
            // The word of it crosses the mesh: the publish that made the session fall behind is acknowledged already.
            assert_eq!(node.take_words(from, Version::V311), ["puback #6 success"]);
        }
        assert!(node.take(from).is_empty());
        assert!(!node.wire(from).paused, "it is read as ever");
        node.send(from, &[0xC0, 0]);
        assert_eq!(node.take_words(from, Version::V311), ["pingresp"]);
        acknowledge(&mut node, reader, 1..=4);
        assert!(node.take(from).is_empty(), "three of more than four still wait");
        acknowledge(&mut node, reader, 5..=5);
        let all = ["puback #6 success", "pubrec #7 success", "puback #8 success"];
        assert_eq!(
            node.take_words(from, Version::V311),
            all[usize::from(shards - 1)..]
        );
        publish(&mut node, from, 9..=9);
        assert_eq!(node.take_words(from, Version::V311), ["puback #9 success"]);
        assert_eq!(node.engines[0].stats().publishers_slowed, 1);
    }
}

#[test]
fn a_subscriber_that_reads_nothing_delays_acknowledgements_once_and_then_slows_nobody() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        publish(&mut node, from, 1..=8);
        node.take(from);
        node.pass(999);
        assert!(node.take(from).is_empty());
        node.pass(1);
        assert!(node.take_words(from, Version::V311).len() >= 2);
        publish(&mut node, from, 9..=20);
        assert_eq!(
            node.take_words(from, Version::V311).len(),
            12,
            "nobody waits for it any more"
        );
        assert_eq!(
            node.engines[usize::from(shards) - 1].stats().subscribers_lagging,
            1
        );
        // Once it has caught up it counts again.
        acknowledge(&mut node, reader, 1..=18);
        publish(&mut node, from, 21..=26);
        assert!(node.take_words(from, Version::V311).len() < 6);
    }
}

#[test]
fn a_subscriber_that_is_slow_but_goes_on_slows_its_publishers_for_as_long_as_it_takes() {
    let mut node = node(1);
    let reader = reader(&mut node, 0);
    let from = publisher(&mut node, "publisher");
    publish(&mut node, from, 1..=250);
    for turn in 0..20u8 {
        node.take(from);
        node.pass(250);
        acknowledge(&mut node, reader, turn * 2 + 1..=turn * 2 + 2);
        publish(&mut node, from, 1_000 + u16::from(turn)..=1_000 + u16::from(turn));
    }
    assert_eq!(
        node.engines[0].stats().subscribers_lagging,
        0,
        "8 a second are more than 4"
    );
    assert!(
        node.engines[0].stats().publishers_slowed >= 5,
        "and again each time that it was judged"
    );
}

#[test]
fn who_publishes_elsewhere_or_at_qos_0_is_not_slowed() {
    let mut node = node(1);
    let reader = reader(&mut node, 0);
    let (from, other) = (publisher(&mut node, "publisher"), publisher(&mut node, "other"));
    publish(&mut node, from, 1..=8);
    node.take(from);
    node.publish(other, Version::V311, "elsewhere", b"x", QoS::AtLeastOnce, 1);
    node.publish(other, Version::V311, "t", b"x", QoS::AtMostOnce, 0);
    node.publish(other, Version::V311, "elsewhere", b"x", QoS::AtLeastOnce, 2);
    assert_eq!(node.take_words(other, Version::V311).len(), 2);
    node.take(reader);
}

#[test]
fn the_end_of_the_subscriber_or_of_the_publisher_ends_the_wait() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let (from, gone) = (publisher(&mut node, "publisher"), publisher(&mut node, "gone"));
        for from in [from, gone] {
            publish(&mut node, from, 1..=8);
            node.take(from);
        }
        node.end(gone);
        publish(&mut node, from, 9..=9);
        assert!(node.take(from).is_empty());
        node.end(reader);
        assert!(!node.take(from).is_empty());
        publish(&mut node, from, 10..=10);
        assert_eq!(node.take_words(from, Version::V311), ["puback #10 success"]);
        // No timer of theirs is left behind.
        node.pass(5_000);
    }
}

#[test]
fn two_clients_that_publish_to_each_other_cannot_block() {
    let mut node = node(1);
    let one = publisher(&mut node, "one");
    node.subscribe(one, Version::V311, "t", 1);
    node.take(one);
    // It publishes to itself, faster than it acknowledges.
    publish(&mut node, one, 1..=8);
    assert_eq!(node.take_words(one, Version::V311).len(), 6);
    acknowledge(&mut node, one, 1..=8);
    let words = node.take_words(one, Version::V311);
    assert_eq!(words.iter().filter(|word| word.starts_with("puback")).count(), 3);
    assert_eq!(words.iter().filter(|word| word.starts_with("publish")).count(), 7);
}

#[test]
fn a_publisher_that_heeds_no_flow_control_is_acknowledged_at_its_limit() {
    let mut settings = settings(1);
    settings.limits.inflight = 1;
    settings.limits.backpressure_messages = 1;
    settings.limits.receive_maximum = 10;
    let mut node = Node::with(settings);
    reader(&mut node, 0);
    let from = publisher(&mut node, "publisher");
    publish(&mut node, from, 1..=12);
    assert_eq!(node.take_words(from, Version::V311).len(), 12);
    publish(&mut node, from, 13..=14);
    assert_eq!(node.take_words(from, Version::V311).len(), 2, "and goes on");
}
