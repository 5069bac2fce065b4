//! SUBSCRIBE to a group: what is answered, when, and to whom it is refused.

use super::*;
use ringwire_codec::mqtt::{Packet, Property, Subscribe, SubscriptionOptions};
use ringwire_core::DropReason;
use ringwire_core::access::{Operation, Rule};
use ringwire_core::settings::{Mqtt, Protocol, RewriteAction, RewriteRule};

/// SUBSCRIBE to several filters, at QoS 1.
fn subscribe_all(node: &mut Node, peer: Peer, version: Version, filters: &[&str]) -> Vec<String> {
    let mut list = ringwire_codec::mqtt::FilterList::default();
    for filter in filters {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        assert!(list.push(filter, options));
    }
    let packet = Packet::Subscribe(Subscribe {
        packet_id: ringwire_codec::mqtt::PacketId::new(9).expect("not 0"),
        properties: ringwire_codec::mqtt::Properties::EMPTY,
        filters: list.as_filters(),
    });
    node.send_packet(peer, version, &packet);
    node.take_words(peer, version)
}

#[test]
fn the_suback_waits_for_the_groups_home_and_nothing_overtakes_it() {
    let (mut node, topic) = pair();
    let peer = client(&mut node, 1, "m");
    node.hold_parcels = true;
    node.subscribe(peer, V3, &format!("$share/g/{topic}"), 1);
    // PINGREQ, and a publish to itself.
    node.send(peer, &[0xC0, 0]);
    node.publish(peer, V3, &topic, b"x", QoS::AtLeastOnce, 1);
    assert!(node.take(peer).is_empty());
    assert!(node.wire(peer).paused);
    node.exchange();
    let expected = [
        "suback #9 [01]".to_owned(),
        "pingresp".to_owned(),
        "puback #1 success".to_owned(),
        format!("publish {topic} x q1 #1"),
    ];
    assert_eq!(node.take_words(peer, V3), expected);
    assert!(!node.wire(peer).paused);
}

#[test]
fn a_subscribe_to_a_group_at_home_on_the_members_own_shard_is_answered_at_once() {
    let (mut node, topic) = pair();
    let peer = client(&mut node, 0, "m");
    node.hold_parcels = true;
    node.subscribe(peer, V3, &format!("$share/g/{topic}"), 1);
    assert_eq!(node.take_words(peer, V3), ["suback #9 [01]"]);
}

#[test]
fn each_filter_has_its_own_answer_in_the_order_of_the_subscribe() {
    let mut settings = settings(2);
    settings.access.rules.push(Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: Operation::Subscribe,
        topics: vec!["secret/#".to_owned()],
    });
    let mut node = Node::with(settings);
    let (here, there) = (topic_at(&node, 1), topic_at(&node, 0));
    let filters = [
        "plain".to_owned(),
        format!("$share/g/{there}"),
        "$share/g/secret/x".to_owned(),
        format!("$share/g/{here}"),
        "$queue/".to_owned(),
        format!("$share/g/{there}"),
        "$share/g/$queue/a".to_owned(),
        "$exclusive/a/+".to_owned(),
    ];
    let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
    let name = node.name_at(1, "m");
    let peer = node.connect(0, Hello::new(V5, &name));
    let words = subscribe_all(&mut node, peer, V5, &filters);
    assert_eq!(words, ["suback #9 [01, 01, 87, 01, 8f, 01, 8f, 8f]"]);
    let name = node.name_at(1, "n");
    let peer = node.connect(0, Hello::new(V3, &name));
    let words = subscribe_all(&mut node, peer, V3, &filters);
    assert_eq!(words, ["suback #9 [01, 01, 80, 01, 80, 01, 80, 80]"]);
}

#[test]
fn names_that_are_not_allowed_are_refused_in_3_1_1_too() {
    let mut node = Node::new(1);
    let peer = client(&mut node, 0, "m");
    // In 5.0 the packet itself is refused [MQTT-4.8.2-1], [MQTT-4.8.2-2].
    for filter in ["$share/g", "$share//t", "$share/", "$share/g/"] {
        node.subscribe(peer, V3, filter, 1);
        assert_eq!(node.take_words(peer, V3), ["suback #9 [80]"], "{filter}");
    }
}

#[test]
fn a_listener_may_allow_neither_groups_nor_claims_and_says_so() {
    let mut settings = settings(1);
    settings.listeners[0].protocol = Protocol::Mqtt(Mqtt {
        shared_subscription: false,
        exclusive_subscription: false,
        ..Mqtt::default()
    });
    let mut node = Node::with(settings);
    let peer = node.open(0);
    node.send(peer, &Hello::new(V5, "m").bytes());
    let bytes = node.take(peer);
    let Ok(ringwire_codec::mqtt::Decoded::Packet(Packet::ConnAck(connack), _)) =
        ringwire_codec::mqtt::decode(V5, &bytes, u32::MAX)
    else {
        panic!("{bytes:02x?}");
    };
    assert!(
        connack
            .properties
            .iter()
            .any(|p| p == Property::SharedSubscriptionAvailable(false))
    );
    let words = subscribe_all(
        &mut node,
        peer,
        V5,
        &["$share/g/t", "$queue/t", "$exclusive/t", "t"],
    );
    assert_eq!(words, ["suback #9 [9e, 9e, 8f, 01]"]);
}

#[test]
fn subscriptions_to_groups_count_towards_the_limit() {
    let mut settings = settings(2);
    settings.limits.subscriptions = 2;
    let mut node = Node::with(settings);
    let name = node.name_at(1, "m");
    let peer = node.connect(0, Hello::new(V5, &name));
    let words = subscribe_all(
        &mut node,
        peer,
        V5,
        &["a", "$share/g/b", "$share/g/c", "d", "$share/g/b"],
    );
    assert_eq!(words, ["suback #9 [01, 01, 97, 97, 01]"]);
    unsubscribe(&mut node, peer, V5, "$share/g/b");
    let words = subscribe_all(&mut node, peer, V5, &["$share/g/c"]);
    assert_eq!(words, ["suback #9 [01]"]);
}

#[test]
fn retained_messages_are_sent_for_the_ordinary_filters_of_a_subscribe_only() {
    let (mut node, topic) = pair();
    let publisher = client(&mut node, 0, "p");
    for name in [topic.as_str(), "plain"] {
        node.publish_with(publisher, V3, name, b"kept", QoS::AtLeastOnce, 1, true);
    }
    let peer = client(&mut node, 1, "m");
    let words = subscribe_all(&mut node, peer, V3, &["plain", &format!("$share/g/{topic}")]);
    let expected = ["suback #9 [01, 01]", "publish plain kept q1 #1 retain"];
    assert_eq!(words, expected);
}

#[test]
fn whoever_publishes_after_seeing_a_suback_is_heard() {
    for shard in [0, 1, 2] {
        let mut node = Node::new(3);
        let topic = topic_at(&node, 1);
        let publisher = client(&mut node, shard, "p");
        let peer = client(&mut node, 2, "m");
        node.hold_parcels = true;
        node.subscribe(peer, V3, &format!("$share/g/{topic}"), 1);
        node.exchange();
        assert_eq!(node.take_words(peer, V3), ["suback #9 [01]"]);
        node.publish(publisher, V3, &topic, b"x", QoS::AtMostOnce, 0);
        node.exchange();
        assert_eq!(got(&mut node, peer), ["x"]);
        assert_eq!(node.drops(DropReason::NoSubscribers), 0);
    }
}

#[test]
fn a_rewritten_filter_is_the_groups_and_ends_by_the_name_that_the_client_knows() {
    let mut settings = settings(2);
    settings.rewrite.push(RewriteRule {
        action: RewriteAction::Subscribe,
        source_topic: "old/#".to_owned(),
        re: "^old/(.+)$".to_owned(),
        // Rewritten twice, it would be something else.
        dest_topic: "old/new/$1".to_owned(),
    });
    let mut node = Node::with(settings);
    let name = node.name_at(1, "m");
    let peer = node.connect(0, Hello::new(V5, &name));
    let publisher = client(&mut node, 0, "p");
    for filter in ["$share/g/old/x", "$queue/old/x", "$exclusive/old/x"] {
        let words = subscribe_all(&mut node, peer, V5, &[filter]);
        assert_eq!(words, ["suback #9 [01]"], "{filter}");
        publish(&mut node, publisher, "old/x", 0..1);
        publish(&mut node, publisher, "old/new/x", 1..2);
        assert_eq!(
            node.take_words(peer, V5).len(),
            1,
            "{filter} is the new topic's alone"
        );
        assert_eq!(
            unsubscribe(&mut node, peer, V5, filter),
            ["unsuback #8 [00]"],
            "{filter}"
        );
        assert_nothing_left(&mut node);
    }
}

#[test]
fn a_session_is_in_as_many_groups_as_its_limit_says_and_no_more() {
    let mut settings = settings(2);
    settings.limits.group_subscriptions = 2;
    let mut node = Node::with(settings);
    let peer = node.connect(0, Hello::new(V5, "c"));
    let filters = ["$share/g/a", "$exclusive/b", "$queue/c", "$share/g/a", "d"];
    let first = subscribe_all(&mut node, peer, V5, &filters);
    assert_eq!(first, ["suback #9 [01, 01, 97, 01, 01]"]);
    unsubscribe(&mut node, peer, V5, "$share/g/a");
    node.take(peer);
    let again = subscribe_all(&mut node, peer, V5, &["$queue/c", "$share/g/a"]);
    assert_eq!(again, ["suback #9 [01, 97]"]);
}
