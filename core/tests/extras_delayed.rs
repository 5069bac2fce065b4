//! Delayed publish: `$delayed/SECONDS/TOPIC`, over several shards.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Packet, Properties, Property, PropertyList, Publish, QoS, Version, Will};
use ringwire_core::access::{Operation, Rule};
use ringwire_core::bans::{Ban, Banned};
use ringwire_core::message::Parts;
use ringwire_core::{DropReason, Input, Message, Settings};
use std::sync::Arc;

const V5: Version = Version::V5;

/// A subscriber at home on shard 1 and a publisher on shard 0.
fn pair(node: &mut Node, filter: &str, qos: u8) -> (Peer, Peer) {
    let (subscriber, publisher) = (node.name_at(1, "sub"), node.name_at(0, "pub"));
    let subscriber = node.connect(0, Hello::new(V5, &subscriber));
    node.subscribe(subscriber, V5, filter, qos);
    node.take(subscriber);
    (subscriber, node.connect(1, Hello::new(V5, &publisher)))
}

fn delayed(node: &Node) -> u64 {
    node.engines.iter().map(|engine| engine.stats().delayed).sum()
}

#[test]
fn a_delayed_message_is_acknowledged_at_once_and_arrives_when_its_seconds_have_passed() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "a/+", 2);
    for (id, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce), (0, QoS::AtMostOnce)] {
        let payload = format!("q{}", qos as u8);
        node.publish(publisher, V5, "$delayed/15/a/b", payload.as_bytes(), qos, id);
    }
    assert_eq!(
        node.take_words(publisher, V5),
        ["puback #1 success", "pubrec #2 success"]
    );
    assert_eq!(delayed(&node), 3);
    node.pass(14_999);
    assert!(node.take(subscriber).is_empty(), "not before");
    node.pass(1);
    assert_eq!(
        node.take_words(subscriber, V5),
        [
            "publish a/b q1 q1 #1",
            "publish a/b q2 q2 #2",
            "publish a/b q0 q0"
        ],
        "in the order of their coming"
    );
    assert_eq!(delayed(&node), 0);
}

#[test]
fn it_comes_even_when_its_publisher_is_gone_and_no_local_holds_while_it_is_there() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "t", 1);
    node.send(publisher, b"\x82\x07\0\x09\0\0\x01t\x05");
    node.take(publisher);
    node.publish(publisher, V5, "$delayed/1/t", b"one", QoS::AtMostOnce, 0);
    node.pass(1_000);
    assert!(node.take(publisher).is_empty(), "No Local");
    node.publish(publisher, V5, "$delayed/1/t", b"two", QoS::AtMostOnce, 0);
    node.end(publisher);
    node.pass(1_000);
    assert_eq!(
        node.take_words(subscriber, V5),
        ["publish t one q0", "publish t two q0"]
    );
}

#[test]
fn retain_and_properties_are_kept() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "t", 0);
    let mut properties = PropertyList::default();
    properties.push(Property::ContentType("text"));
    properties.push(Property::UserProperty("a", "b"));
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: "$delayed/2/t",
        packet_id: None,
        properties: properties.as_properties(),
        payload: b"m",
    });
    node.send_packet(publisher, V5, &packet);
    node.pass(1_999);
    assert_eq!(retained(&node), 0, "not retained before it is published");
    node.pass(1);
    let words = node.take_words(subscriber, V5);
    assert_eq!(words.len(), 1);
    assert!(
        words[0].contains("ContentType") && words[0].contains("UserProperty"),
        "{words:?}"
    );
    assert_eq!(retained(&node), 1);
    let late = node.connect(0, Hello::new(V5, "late"));
    node.subscribe(late, V5, "#", 0);
    let words = node.take_words(late, V5);
    assert!(words[1].starts_with("publish t m q0 retain"), "{words:?}");
}

fn retained(node: &Node) -> u64 {
    node.engines.iter().map(|engine| engine.stats().retained).sum()
}

#[test]
fn nothing_reaches_who_subscribes_to_the_delayed_topics_themselves() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "$delayed/#", 0);
    node.publish(publisher, V5, "$delayed/1/t", b"m", QoS::AtMostOnce, 0);
    node.publish(publisher, V5, "$delayed/x/t", b"m", QoS::AtMostOnce, 0);
    node.pass(2_000);
    assert!(node.take(subscriber).is_empty());
}

#[test]
fn what_is_no_delayed_topic_is_refused_and_counted_and_harms_nobody() {
    let topics = [
        "$delayed/x/t",
        "$delayed/1",
        "$delayed/1/",
        "$delayed/4294968/t",
        "$delayed/1/$delayed/1/t",
    ];
    let mut node = Node::new(2);
    let (_, publisher) = pair(&mut node, "#", 0);
    for topic in topics {
        node.publish(publisher, V5, topic, b"m", QoS::AtLeastOnce, 7);
        node.publish(publisher, V5, topic, b"m", QoS::ExactlyOnce, 8);
        node.publish(publisher, V5, topic, b"m", QoS::AtMostOnce, 0);
        assert_eq!(
            node.take_words(publisher, V5),
            ["puback #7 topic_name_invalid", "pubrec #8 topic_name_invalid"],
            "{topic}"
        );
    }
    assert_eq!(node.drops(DropReason::TopicInvalid), 3 * topics.len() as u64);
    let older = node.connect(0, Hello::new(Version::V311, "older"));
    node.publish(older, Version::V311, "$delayed/x/t", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(
        node.take_words(older, Version::V311),
        ["puback #1 success"],
        "3.1.1 cannot say it"
    );
    assert_eq!(delayed(&node), 0);
}

#[test]
fn the_limits_in_messages_and_bytes_are_told_to_the_publisher() {
    for (messages, bytes) in [(1, 1 << 20), (100, 300)] {
        let mut settings = settings(2);
        settings.delayed.max_delayed_messages = messages;
        settings.delayed.max_delayed_bytes = bytes;
        let mut node = Node::with(settings);
        let (subscriber, publisher) = pair(&mut node, "t", 0);
        node.publish(publisher, V5, "$delayed/1/t", b"one", QoS::AtLeastOnce, 1);
        node.publish(publisher, V5, "$delayed/1/t", b"two", QoS::AtLeastOnce, 2);
        node.publish(publisher, V5, "$delayed/1/t", b"two", QoS::AtMostOnce, 0);
        assert_eq!(
            node.take_words(publisher, V5),
            ["puback #1 success", "puback #2 quota_exceeded"]
        );
        assert_eq!(node.drops(DropReason::DelayedFull), 2);
        node.pass(1_000);
        assert_eq!(node.take_words(subscriber, V5), ["publish t one q0"]);
        node.publish(publisher, V5, "$delayed/1/t", b"again", QoS::AtLeastOnce, 3);
        assert_eq!(
            node.take_words(publisher, V5),
            ["puback #3 success"],
            "there is room again"
        );
    }
}

fn denying(topic: &str) -> Settings {
    let mut settings = settings(2);
    settings.access.rules = vec![Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: Operation::Publish,
        topics: vec![topic.to_owned()],
    }];
    settings
}

#[test]
fn rules_are_asked_for_the_topic_when_the_message_comes() {
    let mut node = Node::with(denying("secret/#"));
    let (subscriber, publisher) = pair(&mut node, "secret/#", 0);
    node.publish(publisher, V5, "$delayed/1/secret/a", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(node.take_words(publisher, V5), ["puback #1 not_authorized"]);
    assert_eq!(node.drops(DropReason::NotAuthorized), 1);
    node.pass(2_000);
    assert!(node.take(subscriber).is_empty());
    let mut node = Node::with(denying("$delayed/#"));
    let (_, publisher) = pair(&mut node, "t", 0);
    node.publish(publisher, V5, "$delayed/1/t", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(
        node.take_words(publisher, V5),
        ["puback #1 success"],
        "the rules are about TOPIC"
    );
}

#[test]
fn the_servers_own_topics_are_refused_delayed_or_not() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "$SYS/#", 0);
    // The publisher's connecting.
    node.take(subscriber);
    for topic in ["$SYS/brokers", "$SYS", "$delayed/1/$SYS/brokers"] {
        node.publish(publisher, V5, topic, b"m", QoS::AtLeastOnce, 1);
        assert_eq!(
            node.take_words(publisher, V5),
            ["puback #1 not_authorized"],
            "{topic}"
        );
    }
    assert_eq!(node.drops(DropReason::NotAuthorized), 3);
    node.pass(2_000);
    assert!(node.take(subscriber).is_empty());
    node.publish(publisher, V5, "$SYSTEM/x", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(
        node.take_words(publisher, V5),
        ["puback #1 no_matching_subscribers"]
    );
}

#[test]
fn when_it_is_switched_off_such_topics_are_refused() {
    let mut settings = settings(2);
    settings.delayed.enable = false;
    let mut node = Node::with(settings);
    let (_, publisher) = pair(&mut node, "t", 0);
    node.publish(publisher, V5, "$delayed/1/t", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(node.take_words(publisher, V5), ["puback #1 topic_name_invalid"]);
}

#[test]
fn a_will_and_a_message_of_the_administrators_can_wait_too() {
    let mut node = Node::new(2);
    let (subscriber, _) = pair(&mut node, "t", 0);
    let hello = Hello {
        will: Some(Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: "$delayed/5/t",
            payload: b"will",
        }),
        ..Hello::new(V5, "mortal")
    };
    let mortal = node.connect(0, hello);
    node.end(mortal);
    let message = Message::new(Parts {
        topic: "$delayed/5/t",
        payload: b"admin",
        properties: &[],
        publisher: &[],
        qos: QoS::AtMostOnce,
        retain: false,
    });
    node.input(
        1,
        Input::Inject {
            message: Arc::new(message),
        },
    );
    node.pass(4_999);
    assert!(node.take(subscriber).is_empty());
    node.pass(1);
    let mut words = node.take_words(subscriber, V5);
    words.sort();
    assert_eq!(words, ["publish t admin q0", "publish t will q0"]);
}

/// A publish of 5.0 that expires after so many seconds.
fn expiring(seconds: u32, topic: &str) -> Vec<u8> {
    let mut properties = PropertyList::default();
    properties.push(Property::MessageExpiryInterval(seconds));
    let packet = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: properties.as_properties(),
        payload: b"m",
    });
    let mut bytes = Vec::new();
    packet.encode(V5, &mut bytes).expect("it can be said");
    bytes
}

#[test]
fn the_expiry_of_a_message_counts_from_its_arrival() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "t", 0);
    node.send(publisher, &expiring(5, "$delayed/5/t"));
    node.send(publisher, &expiring(60, "$delayed/5/t"));
    node.pass(5_000);
    assert_eq!(
        node.take_words(subscriber, V5),
        ["publish t m q0 MessageExpiryInterval(55)"]
    );
    assert_eq!(node.drops(DropReason::Expired), 1);
}

#[test]
fn a_publisher_that_was_banned_meanwhile_is_not_heard() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "t", 0);
    node.publish(publisher, V5, "$delayed/5/t", b"m", QoS::AtMostOnce, 0);
    let name = node.name_at(0, "pub");
    let ban = Arc::new(Ban {
        who: Banned::ClientId(name),
        by: String::new(),
        reason: String::new(),
        at_s: 0,
        until_s: None,
    });
    for shard in 0..2 {
        node.input(shard, Input::Ban { ban: ban.clone() });
    }
    node.pass(5_000);
    assert!(node.take(subscriber).is_empty());
    assert_eq!(node.drops(DropReason::NotAuthorized), 1);
}

#[test]
fn a_topic_alias_may_stand_for_a_delayed_topic() {
    let mut node = Node::new(2);
    let (subscriber, publisher) = pair(&mut node, "t", 0);
    for topic in ["$delayed/1/t", ""] {
        let mut properties = PropertyList::default();
        properties.push(Property::TopicAlias(1));
        let packet = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: properties.as_properties(),
            payload: b"m",
        });
        node.send_packet(publisher, V5, &packet);
    }
    assert!(node.take(subscriber).is_empty());
    node.pass(1_000);
    assert_eq!(
        node.take_words(subscriber, V5),
        ["publish t m q0", "publish t m q0"]
    );
}
