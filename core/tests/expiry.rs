//! Message expiry (5.0 section 3.3.2.3.3): what waited is sent with what is left of its interval, or not at all.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Packet, PacketId, Property, PropertyList, Publish, QoS, Version};
use ringwire_core::DropReason;

const V5: Version = Version::V5;

/// Publishes at QoS 1 with an interval, and a user property on both sides of it.
fn publish(node: &mut Node, from: Peer, topic: &str, interval_s: u32, retain: bool) {
    let mut properties = PropertyList::default();
    properties.push(Property::UserProperty("a", "1"));
    properties.push(Property::MessageExpiryInterval(interval_s));
    properties.push(Property::ContentType("text"));
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain,
        topic,
        packet_id: PacketId::new(1),
        properties: properties.as_properties(),
        payload: b"x",
    });
    node.send_packet(from, V5, &publish);
}

fn lasting(client_id: &str, clean: bool, expiry: &PropertyList) -> Vec<u8> {
    let mut hello = Hello::new(V5, client_id);
    hello.clean = clean;
    hello.properties = expiry.as_properties();
    hello.bytes()
}

/// A subscriber with a session that lasts, on a shard.
fn subscriber(node: &mut Node, name: &str, filter: &str) -> Peer {
    let mut expiry = PropertyList::default();
    expiry.push(Property::SessionExpiryInterval(1_000));
    let peer = node.open(0);
    node.send(peer, &lasting(name, false, &expiry));
    let peer = node.follow(peer);
    if !filter.is_empty() {
        node.subscribe(peer, V5, filter, 1);
    }
    peer
}

#[test]
fn what_waited_for_a_client_has_its_interval_reduced_by_the_whole_seconds_that_it_waited() {
    for (shards, home) in [(1, 0), (2, 1)] {
        let mut node = Node::with(settings(shards));
        let name = node.name_at(home, "sub");
        let reader = subscriber(&mut node, &name, "t");
        let writer = node.connect(0, Hello::new(V5, "writer"));
        publish(&mut node, writer, "t", 10, false);
        let live = node.take_words(reader, V5);
        assert!(
            live[2].contains("MessageExpiryInterval(10) ContentType"),
            "{live:?}"
        );
        node.end(reader);
        publish(&mut node, writer, "t", 10, false);
        node.pass(3_400);
        let reader = subscriber(&mut node, &name, "");
        let waited = node.take_words(reader, V5);
        // The one that was not acknowledged, and the one that waited for 3.4 seconds.
        assert_eq!(
            waited[2],
            "publish t x q1 #2 UserProperty(\"a\", \"1\") MessageExpiryInterval(7) ContentType(\"text\")"
        );
    }
}

#[test]
fn what_waited_for_too_long_is_dropped_and_counted_and_what_is_behind_it_arrives() {
    let mut node = Node::new(2);
    let reader = subscriber(&mut node, "reader", "t");
    let writer = node.connect(0, Hello::new(V5, "writer"));
    node.end(reader);
    publish(&mut node, writer, "t", 2, false);
    publish(&mut node, writer, "t", 60, false);
    node.pass(2_000);
    let reader = subscriber(&mut node, "reader", "");
    let words = node.take_words(reader, V5);
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[1].contains("MessageExpiryInterval(58)"), "{words:?}");
    assert_eq!(node.drops(DropReason::Expired), 1);
}

#[test]
fn a_retained_message_is_sent_with_what_is_left_and_not_after_its_time() {
    for shards in [1, 3] {
        let mut node = Node::new(shards);
        let writer = node.connect(0, Hello::new(V5, "writer"));
        publish(&mut node, writer, "kept", 10, true);
        node.pass(4_000);
        let early = node.connect(0, Hello::new(V5, "early"));
        node.subscribe(early, V5, "kept", 1);
        let words = node.take_words(early, V5);
        assert!(words[1].contains("MessageExpiryInterval(6)"), "{words:?}");
        node.pass(6_000);
        let late = node.connect(0, Hello::new(V5, "late"));
        node.subscribe(late, V5, "kept", 1);
        assert_eq!(node.take_words(late, V5).len(), 1, "the SUBACK alone");
    }
}

#[test]
fn what_expires_on_its_way_to_another_shard_is_dropped_unless_it_was_for_who_is_there_now() {
    for filter in ["t", "$share/g/t"] {
        let mut node = Node::with(settings(3));
        let name = node.name_at(1, "sub");
        let reader = subscriber(&mut node, &name, filter);
        let name = node.name_at(0, "writer");
        let writer = node.connect(0, Hello::new(V5, &name));
        node.take(reader);
        for (interval_s, waited_ms, arrives) in [(0, 5, 1), (1, 999, 1), (1, 1_000, 0)] {
            node.hold_parcels = true;
            publish(&mut node, writer, "t", interval_s, false);
            node.now = node.now + waited_ms;
            node.hold_parcels = false;
            node.exchange();
            let words = node.take_words(reader, V5);
            assert_eq!(
                words.len(),
                arrives,
                "{filter}: {interval_s} s, after {waited_ms} ms: {words:?}"
            );
            assert_eq!(node.drops(DropReason::Expired), 1 - arrives as u64);
        }
    }
}
