//! Clients that ask for much with few bytes, and clients that leave in the middle: what the node spends on them is bounded.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{QoS, Version, Will};
use ringwire_core::{CloseReason, Parcel};

/// SUBSCRIBE to `filters`, as one packet.
fn subscribe_bytes(filters: &[&str]) -> Vec<u8> {
    let mut body = vec![0, 9];
    for filter in filters {
        body.extend((filter.len() as u16).to_be_bytes());
        body.extend(filter.as_bytes());
        body.push(0);
    }
    let mut bytes = vec![0x82, body.len() as u8];
    bytes.extend(body);
    bytes
}

fn retain(node: &mut Node, topic: &str) {
    let name = node.name_at(0, "publisher");
    let publisher = node.connect(0, Hello::new(Version::V311, &name));
    node.publish_with(publisher, Version::V311, topic, b"v", QoS::AtLeastOnce, 1, true);
    node.send(publisher, &[0xE0, 0]);
}

fn recalls(node: &Node) -> usize {
    let parcels = node.parcels.values().flatten();
    parcels
        .filter(|parcel| matches!(parcel, Parcel::Recall { .. }))
        .count()
}

#[test]
fn a_client_that_subscribes_in_a_loop_waits_for_its_retained_messages() {
    let mut node = Node::new(2);
    retain(&mut node, "t");
    let name = node.name_at(0, "c");
    let c = node.connect(0, Hello::new(Version::V311, &name));
    node.hold_parcels = true;
    for (filter, bound) in [("#", 1), ("t", 64)] {
        node.send(c, &subscribe_bytes(&[filter]).repeat(100));
        assert!(recalls(&node) <= bound, "{}", recalls(&node));
        assert!(node.wire(c).paused);
        node.send(c, &[0xC0, 0]);
        node.exchange();
        let words = node.take_words(c, Version::V311);
        let of = |word: &str| words.iter().filter(|other| other.starts_with(word)).count();
        assert_eq!((of("suback"), of("pingresp")), (100, 1));
        assert!(of("publish t v q0 retain") > 0 && !node.wire(c).paused);
    }
}

#[test]
fn to_unsubscribe_between_does_not_make_it_free() {
    let mut node = Node::new(2);
    let name = node.name_at(0, "c");
    let c = node.connect(0, Hello::new(Version::V311, &name));
    node.hold_parcels = true;
    let mut bytes = Vec::new();
    // One of these is at home on the other shard.
    for topic in ["a", "b", "c", "d"] {
        bytes.extend(subscribe_bytes(&[topic]));
        bytes.extend([0xA2, 5, 0, 9, 0, 1, topic.as_bytes()[0]]);
    }
    node.send(c, &bytes.repeat(50));
    assert!((1..=64).contains(&recalls(&node)), "{}", recalls(&node));
    node.exchange();
    let words = node.take_words(c, Version::V311);
    assert_eq!(
        (words.len(), words.last().unwrap().as_str()),
        (400, "unsuback #9 []")
    );
    assert!(!node.wire(c).paused);
}

#[test]
fn a_node_of_one_shard_answers_one_wide_subscribe_a_turn() {
    let mut node = Node::new(1);
    retain(&mut node, "t");
    let c = node.connect(0, Hello::new(Version::V311, "c"));
    node.wire(c).stuck = true;
    node.send(c, &subscribe_bytes(&["#"]).repeat(100));
    assert!(node.wire(c).paused);
    assert_eq!(node.client("c").unwrap().send_msg, 1);
    node.unstick(c);
    assert_eq!(node.take_words(c, Version::V311).len(), 200);
    assert!(!node.wire(c).paused);
}

#[test]
fn a_filter_that_stands_in_a_subscribe_many_times_is_answered_once() {
    for shards in [1, 2] {
        let mut node = Node::new(shards);
        retain(&mut node, "t");
        let name = node.name_at(0, "c");
        let c = node.connect(0, Hello::new(Version::V311, &name));
        node.send(c, &subscribe_bytes(&["#", "t", "#", "#"]));
        let words = node.take_words(c, Version::V311);
        assert_eq!(words[0], "suback #9 [00, 00, 00, 00]");
        assert_eq!(words[1..], ["publish t v q0 retain", "publish t v q0 retain"]);
    }
}

#[test]
fn what_a_client_that_did_not_read_sent_last_is_taken_with_its_disconnect() {
    let mut settings = settings(2);
    settings.limits.outbox_bytes = 100;
    let mut node = Node::with(settings);
    let (watcher, c) = (node.name_at(0, "watcher"), node.name_at(0, "c"));
    let watcher: Peer = node.connect(0, Hello::new(Version::V311, &watcher));
    node.subscribe(watcher, Version::V311, "#", 0);
    node.take(watcher);
    let will = Will {
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "will",
        payload: b"",
        properties: ringwire_codec::mqtt::Properties::EMPTY,
    };
    let hello = Hello {
        will: Some(will),
        ..Hello::new(Version::V311, &c)
    };
    let c = node.connect(0, hello);
    node.wire(c).stuck = true;
    let mut bytes = [0xC0, 0].repeat(200);
    bytes.extend(subscribe_bytes(&["#"]));
    bytes.extend([0x30, 3, 0, 1, b't', 0xE0, 0]);
    node.send(c, &bytes);
    assert!(node.wire(c).paused && node.take(watcher).is_empty());
    node.end(c);
    assert_eq!(node.take_words(watcher, Version::V311), ["publish t  q0"]);
    assert_eq!(node.closes(), [(c_name(&node), CloseReason::Normal)]);
}

fn c_name(node: &Node) -> String {
    node.name_at(0, "c")
}

#[test]
fn the_filters_of_a_session_are_limited_in_bytes() {
    let mut settings = settings(1);
    settings.limits.subscription_bytes = 10;
    let mut node = Node::with(settings);
    let c = node.connect(0, Hello::new(Version::V5, "c"));
    for filter in ["12345678", "123", "12345678", "12"] {
        node.subscribe(c, Version::V5, filter, 0);
    }
    node.send(c, &[0xA2, 7, 0, 9, 0, 0, 2, b'1', b'2']);
    node.subscribe(c, Version::V5, "34", 0);
    let expected = [
        "suback #9 [00]",
        "suback #9 [97]",
        "suback #9 [00]",
        "suback #9 [00]",
        "unsuback #9 [00]",
        "suback #9 [00]",
    ];
    assert_eq!(node.take_words(c, Version::V5), expected);
}
