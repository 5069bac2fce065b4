//! Retained messages and subscriptions: who gets what, and never an older retained value after a newer live one.

mod node;

use node::{Hello, Node, Peer};
use ringwire_codec::mqtt::{Packet, PacketId, QoS, Version};

/// A publisher on shard 0.
fn publisher(node: &mut Node) -> Peer {
    let name = node.name_at(0, "publisher");
    node.connect(0, Hello::new(Version::V5, &name))
}

/// SUBSCRIBE with raw options and an identifier (0: none).
fn subscribe(node: &mut Node, peer: Peer, filter: &str, options: u8, identifier: u8) {
    let properties = if identifier == 0 {
        vec![0]
    } else {
        vec![2, 0x0B, identifier]
    };
    let mut body = vec![0, 9];
    body.extend(properties);
    body.extend((filter.len() as u16).to_be_bytes());
    body.extend(filter.as_bytes());
    body.push(options);
    let mut bytes = vec![0x82, body.len() as u8];
    bytes.extend(body);
    node.send(peer, &bytes);
}

fn unsubscribe(node: &mut Node, peer: Peer, filter: &str) {
    let mut body = vec![0, 8, 0];
    body.extend((filter.len() as u16).to_be_bytes());
    body.extend(filter.as_bytes());
    let mut bytes = vec![0xA2, body.len() as u8];
    bytes.extend(body);
    node.send(peer, &bytes);
}

#[test]
fn retained_messages_of_every_shard_reach_a_new_subscriber_with_retain_set() {
    for shards in [1, 2, 3] {
        let mut node = Node::new(shards);
        let publisher = publisher(&mut node);
        for n in 0..20 {
            let (topic, payload) = (format!("r/{n:02}"), format!("v{n}"));
            node.publish_with(publisher, Version::V5, &topic, b"old", QoS::AtMostOnce, 0, true);
            node.publish_with(
                publisher,
                Version::V5,
                &topic,
                payload.as_bytes(),
                QoS::AtLeastOnce,
                1,
                true,
            );
        }
        node.publish_with(publisher, Version::V5, "r/07", b"", QoS::AtLeastOnce, 1, true);
        assert_eq!(
            node.engines
                .iter()
                .map(|engine| engine.stats().retained)
                .sum::<u64>(),
            19
        );
        for home in 0..shards {
            let name = node.name_at(home, "reader");
            let reader = node.connect(0, Hello::new(Version::V5, &name));
            subscribe(&mut node, reader, "r/+", 0, 5);
            let mut words = node.take_words(reader, Version::V5);
            assert_eq!(words.remove(0), "suback #9 [00]");
            words.sort();
            let expected: Vec<String> = (0..20)
                .filter(|&n| n != 7)
                .map(|n| format!("publish r/{n:02} v{n} q0 retain SubscriptionIdentifier(5)"))
                .collect();
            assert_eq!(words, expected);
            subscribe(&mut node, reader, "r/03", 1, 0);
            let words = node.take_words(reader, Version::V5);
            assert_eq!(words, ["suback #9 [01]", "publish r/03 v3 q1 #1 retain"]);
        }
    }
}

#[test]
fn retain_handling_decides_whether_a_subscribe_is_answered_with_retained_messages() {
    let mut node = Node::new(2);
    let publisher = publisher(&mut node);
    node.publish_with(publisher, Version::V5, "t", b"v", QoS::AtMostOnce, 0, true);
    let reader = node.connect(0, Hello::new(Version::V5, "reader"));
    for (options, expected) in [(0x20, 0), (0x10, 0), (0x00, 1), (0x10, 0)] {
        subscribe(&mut node, reader, "t", options, 0);
        assert_eq!(
            node.take_words(reader, Version::V5).len(),
            1 + expected,
            "{options:02x}"
        );
    }
    unsubscribe(&mut node, reader, "t");
    node.take(reader);
    subscribe(&mut node, reader, "t", 0x10, 0);
    assert_eq!(
        node.take_words(reader, Version::V5).len(),
        2,
        "the subscription is new"
    );
}

#[test]
fn a_live_message_carries_retain_only_as_published_and_no_local_keeps_ones_own_away() {
    for shards in [1, 2] {
        let mut node = Node::new(shards);
        let publisher = publisher(&mut node);
        subscribe(&mut node, publisher, "t", 0x04, 0);
        let name = node.name_at(shards - 1, "reader");
        let reader = node.connect(0, Hello::new(Version::V5, &name));
        subscribe(&mut node, reader, "t", 0x08, 0);
        let other = node.name_at(shards - 1, "other");
        let other = node.connect(0, Hello::new(Version::V5, &other));
        subscribe(&mut node, other, "t", 0x00, 0);
        for peer in [publisher, reader, other] {
            node.take(peer);
        }
        node.publish_with(publisher, Version::V5, "t", b"v", QoS::AtMostOnce, 0, true);
        assert!(node.take(publisher).is_empty());
        assert_eq!(node.take_words(reader, Version::V5), ["publish t v q0 retain"]);
        assert_eq!(node.take_words(other, Version::V5), ["publish t v q0"]);
        subscribe(&mut node, publisher, "t", 0x04, 0);
        assert_eq!(
            node.take_words(publisher, Version::V5).len(),
            1,
            "nor does the retained one come back"
        );
    }
}

#[test]
fn overlapping_subscriptions_give_one_copy_at_the_highest_qos_with_every_identifier() {
    let mut node = Node::new(2);
    let publisher = publisher(&mut node);
    let name = node.name_at(1, "reader");
    let reader = node.connect(0, Hello::new(Version::V5, &name));
    subscribe(&mut node, reader, "a/b", 0, 1);
    subscribe(&mut node, reader, "a/+", 2, 2);
    subscribe(&mut node, reader, "#", 1, 0);
    subscribe(&mut node, reader, "+/b", 0, 4);
    node.take(reader);
    node.publish(publisher, Version::V5, "a/b", b"m", QoS::ExactlyOnce, 1);
    let words = node.take_words(reader, Version::V5);
    assert_eq!(words.len(), 1);
    assert!(words[0].starts_with("publish a/b m q2 #1"), "{words:?}");
    for identifier in [1, 2, 4] {
        assert!(
            words[0].contains(&format!("SubscriptionIdentifier({identifier})")),
            "{words:?}"
        );
    }
    for filter in ["a/b", "a/+", "#", "+/b"] {
        unsubscribe(&mut node, reader, filter);
    }
    unsubscribe(&mut node, reader, "a/b");
    assert_eq!(node.take_words(reader, Version::V5)[4], "unsuback #8 [11]");
    node.publish(publisher, Version::V5, "a/b", b"m", QoS::AtMostOnce, 0);
    assert!(node.take(reader).is_empty());
}

/// A node of two shards in which the home of the topic, the publisher and the reader are not all on one shard, with
/// "old" retained and the reader's question on its way.
fn racing(node: &mut Node, topic: &str, filter: &str) -> (Peer, Peer) {
    let publisher = publisher(node);
    node.publish_with(publisher, Version::V5, topic, b"old", QoS::AtMostOnce, 0, true);
    let name = node.name_at(1, "reader");
    let reader = node.connect(0, Hello::new(Version::V5, &name));
    node.hold_parcels = true;
    subscribe(node, reader, filter, 0, 0);
    assert_eq!(node.take_words(reader, Version::V5), ["suback #9 [00]"]);
    (publisher, reader)
}

#[test]
fn an_older_retained_message_never_comes_after_a_newer_live_one() {
    for filter in ["t/x", "t/+"] {
        let mut node = Node::new(2);
        let topic = (0..)
            .map(|n| format!("t/x{n}"))
            .find(|topic| node.name_home(topic) == 0)
            .unwrap();
        let filter = if filter == "t/+" { filter } else { &topic };
        let (publisher, reader) = racing(&mut node, &topic, filter);
        // The question is answered with the old value, but the new one overtakes the reading of the answer.
        while node.parcels.get(&(1, 0)).is_some_and(|queue| !queue.is_empty()) {
            node.exchange_one(1, 0);
        }
        let answers = node.parcels.remove(&(0, 1)).unwrap();
        node.publish_with(publisher, Version::V5, &topic, b"new", QoS::AtMostOnce, 0, true);
        let live = node.parcels.remove(&(0, 1)).unwrap();
        // Parcels of one pair of shards never overtake, so this takes three shards in production; the rule is the same.
        node.parcels
            .insert((0, 1), live.into_iter().chain(answers).collect());
        node.hold_parcels = false;
        node.exchange();
        assert_eq!(
            node.take_words(reader, Version::V5),
            [format!("publish {topic} new q0")]
        );
        let third = node.name_at(1, "third");
        let third = node.connect(0, Hello::new(Version::V5, &third));
        subscribe(&mut node, third, filter, 0, 0);
        let words = node.take_words(third, Version::V5);
        assert_eq!(
            words[1],
            format!("publish {topic} new q0 retain"),
            "the last write is retained"
        );
    }
}

#[test]
fn answers_for_a_subscription_that_ended_are_not_delivered() {
    let mut node = Node::new(2);
    let topic = (0..)
        .map(|n| format!("t{n}"))
        .find(|topic| node.name_home(topic) == 0)
        .unwrap();
    let (_, reader) = racing(&mut node, &topic, &topic);
    unsubscribe(&mut node, reader, &topic);
    node.hold_parcels = false;
    node.exchange();
    assert_eq!(node.take_words(reader, Version::V5), ["unsuback #8 [00]"]);
    let (_, reader) = {
        let mut fresh = Node::new(2);
        let pair = racing(&mut fresh, &topic, &topic);
        node = fresh;
        pair
    };
    node.end(reader);
    node.hold_parcels = false;
    node.exchange();
    assert_eq!(node.engines[1].stats().sessions, 0);
}

#[test]
fn messages_of_one_publisher_topic_and_qos_arrive_in_order_on_every_shard() {
    let mut node = Node::new(3);
    let publisher = publisher(&mut node);
    let readers: Vec<Peer> = (0..3)
        .map(|shard| {
            let name = node.name_at(shard, "reader");
            let reader = node.connect(0, Hello::new(Version::V311, &name));
            node.subscribe(reader, Version::V311, "o/#", 1);
            node.take(reader);
            reader
        })
        .collect();
    for n in 1..=300_u16 {
        node.publish(
            publisher,
            Version::V5,
            "o/t",
            n.to_string().as_bytes(),
            QoS::AtLeastOnce,
            n,
        );
    }
    for reader in readers {
        let mut seen = Vec::new();
        loop {
            let words = node.take_words(reader, Version::V311);
            if words.is_empty() {
                break;
            }
            for word in words {
                let fields: Vec<&str> = word.split(' ').collect();
                seen.push(fields[2].parse::<u16>().unwrap());
                let id = fields[4][1..].parse().unwrap();
                let ack = ringwire_codec::mqtt::Ack {
                    packet_id: PacketId::new(id).unwrap(),
                    reason: ringwire_codec::mqtt::ReasonCode::Success,
                    properties: ringwire_codec::mqtt::Properties::EMPTY,
                };
                node.send_packet(reader, Version::V311, &Packet::PubAck(ack));
            }
        }
        assert_eq!(seen, (1..=300).collect::<Vec<_>>());
    }
}

#[test]
fn a_retained_message_on_its_way_to_its_store_is_not_missed_by_a_new_subscriber() {
    for filter in ["t/#", "literal"] {
        for home in [0, 1] {
            let mut node = Node::new(3);
            let topic = (0..)
                .map(|n| format!("t/x{n}"))
                .find(|topic| node.name_home(topic) == home)
                .unwrap();
            let filter = if filter == "literal" { &topic } else { filter };
            let name = node.name_at(2, "publisher");
            let publisher = node.connect(0, Hello::new(Version::V5, &name));
            node.publish_with(publisher, Version::V5, &topic, b"old", QoS::AtMostOnce, 0, true);
            node.hold_parcels = true;
            node.publish_with(publisher, Version::V5, &topic, b"new", QoS::AtMostOnce, 0, true);
            let name = node.name_at(1, "reader");
            let reader = node.connect(0, Hello::new(Version::V5, &name));
            subscribe(&mut node, reader, filter, 0, 0);
            // Everything moves but what shard 2 posted.
            for _ in 0..10 {
                for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2)] {
                    node.exchange_all(from, to);
                }
            }
            assert_eq!(node.take_words(reader, Version::V5), ["suback #9 [00]"]);
            node.exchange();
            assert_eq!(
                node.take_words(reader, Version::V5),
                [format!("publish {topic} new q0 retain")]
            );
        }
    }
}
