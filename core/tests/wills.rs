//! Wills (5.0 section 3.1.2.5): when they are sent, what cancels them, what bounds them.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Property, PropertyList, QoS, Version, Will};

const V5: Version = Version::V5;

fn list(properties: &[Property<'_>]) -> PropertyList {
    let mut list = PropertyList::default();
    for property in properties {
        list.push(*property);
    }
    list
}

/// Connects, its session lasting for 100 seconds, with a will that has these properties.
fn with_will(node: &mut Node, name: &str, clean: bool, properties: &[Property<'_>]) -> Peer {
    let (expiry, will) = (list(&[Property::SessionExpiryInterval(100)]), list(properties));
    let mut hello = Hello::new(V5, name);
    hello.clean = clean;
    hello.properties = expiry.as_properties();
    hello.will = Some(Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: "gone",
        payload: b"bye",
        properties: will.as_properties(),
    });
    let peer = node.open(0);
    node.send(peer, &hello.bytes());
    peer
}

fn watcher(node: &mut Node) -> Peer {
    let peer = node.connect(0, Hello::new(V5, "watcher"));
    node.subscribe(peer, V5, "gone", 0);
    node.take(peer);
    peer
}

#[test]
fn the_interval_of_a_will_begins_when_it_is_sent() {
    for shards in [1, 2] {
        let mut node = Node::with(settings(shards));
        let watcher = watcher(&mut node);
        let expiry = [
            Property::MessageExpiryInterval(5),
            Property::WillDelayInterval(20),
            Property::UserProperty("a", "b"),
        ];
        let client = with_will(&mut node, "client", true, &expiry);
        node.pass(30_000);
        node.end(client);
        node.pass(19_000);
        assert!(node.take(watcher).is_empty());
        node.pass(1_100);
        assert_eq!(
            node.take_words(watcher, V5),
            ["publish gone bye q0 MessageExpiryInterval(5) UserProperty(\"a\", \"b\")"]
        );
    }
}

#[test]
fn a_will_that_waits_is_cancelled_by_who_resumes_and_sent_for_who_starts_clean() {
    let mut node = Node::new(2);
    let watcher = watcher(&mut node);
    let delay = [Property::WillDelayInterval(10)];
    let client = with_will(&mut node, "client", true, &delay);
    node.end(client);
    node.pass(5_000);
    let client = with_will(&mut node, "client", false, &delay);
    node.pass(20_000);
    assert!(node.take(watcher).is_empty(), "the session went on");
    node.end(client);
    node.pass(5_000);
    with_will(&mut node, "client", true, &delay);
    assert_eq!(node.take_words(watcher, V5), ["publish gone bye q0"], "it ended");
}

#[test]
fn wills_are_bounded_in_bytes_and_what_is_gone_makes_room() {
    let mut settings = settings(1);
    settings.limits.will_bytes = 600;
    let mut node = Node::with(settings);
    let first = with_will(&mut node, "first", true, &[]);
    assert_eq!(node.take_words(first, V5), ["connack 0 success"]);
    let second = with_will(&mut node, "second", true, &[]);
    assert_eq!(node.take_words(second, V5), ["connack 0 success"]);
    let third = with_will(&mut node, "third", true, &[]);
    assert_eq!(node.take_words(third, V5), ["connack 0 quota_exceeded"]);
    node.end(first);
    let third = with_will(&mut node, "third", true, &[]);
    assert_eq!(node.take_words(third, V5), ["connack 0 success"]);
    for peer in [second, third] {
        node.send(peer, &[0xE0, 0]);
    }
    assert_eq!(node.engines[0].stats().will_bytes, 0);
}
