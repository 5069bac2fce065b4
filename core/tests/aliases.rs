//! Topic aliases both ways (5.0 section 3.3.2.3.4), and what else a publish is refused for.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Packet, PacketId, Property, PropertyList, Publish, QoS, Version};
use ringwire_core::settings::{Mqtt, Protocol};
use ringwire_core::{CloseReason, Settings};

const V5: Version = Version::V5;

fn with(change: impl FnOnce(&mut Mqtt)) -> Settings {
    let mut settings = settings(2);
    let Protocol::Mqtt(mqtt) = &mut settings.listeners[0].protocol else {
        unreachable!("the first listener speaks MQTT");
    };
    change(mqtt);
    settings
}

fn properties(all: &[Property<'_>]) -> PropertyList {
    let mut list = PropertyList::default();
    for property in all {
        list.push(*property);
    }
    list
}

/// Connects with a Topic Alias Maximum, and subscribes to everything.
fn reader(node: &mut Node, name: &str, maximum: u16, filter: &str) -> Peer {
    let asked = properties(&[Property::TopicAliasMaximum(maximum)]);
    let mut hello = Hello::new(V5, name);
    hello.properties = asked.as_properties();
    let peer = node.connect(0, hello);
    node.subscribe(peer, V5, filter, 1);
    node.take(peer);
    peer
}

fn publish(node: &mut Node, from: Peer, topic: &str, payload: &str, alias: u16) {
    let list = properties(&[
        Property::UserProperty("k", "v"),
        Property::TopicAlias(alias),
        Property::ContentType("text"),
    ]);
    let publish = Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic,
        packet_id: PacketId::new(1),
        properties: list.as_properties(),
        payload: payload.as_bytes(),
    });
    node.send_packet(from, V5, &publish);
}

#[test]
fn an_alias_stands_for_its_topic_until_it_is_set_again_and_is_not_forwarded() {
    for home in [0, 1] {
        let mut node = Node::with(with(|_| {}));
        let name = node.name_at(home, "reader");
        let reader = reader(&mut node, &name, 0, "#");
        let name = node.name_at(0, "writer");
        let writer = node.connect(0, Hello::new(V5, &name));
        for (topic, payload) in [("first/topic", "1"), ("", "2"), ("second/topic", "3"), ("", "4")] {
            publish(&mut node, writer, topic, payload, 7);
        }
        let rest = "UserProperty(\"k\", \"v\") ContentType(\"text\")";
        assert_eq!(
            node.take_words(reader, V5),
            [
                format!("publish first/topic 1 q1 #1 {rest}"),
                format!("publish first/topic 2 q1 #2 {rest}"),
                format!("publish second/topic 3 q1 #3 {rest}"),
                format!("publish second/topic 4 q1 #4 {rest}"),
            ]
        );
    }
}

#[test]
fn an_alias_ends_with_its_connection() {
    let mut node = Node::with(with(|_| {}));
    let writer = node.connect(0, Hello::new(V5, "writer"));
    publish(&mut node, writer, "topic", "1", 7);
    let writer = node.connect(0, Hello::new(V5, "writer"));
    publish(&mut node, writer, "", "2", 7);
    assert_eq!(node.take_words(writer, V5), ["disconnect protocol_error"]);
}

#[test]
fn aliases_for_too_many_bytes_of_topics_close_their_client_alone() {
    let mut settings = with(|_| {});
    settings.limits.topic_alias_bytes = 20;
    let mut node = Node::with(settings);
    let reader = reader(&mut node, "reader", 0, "#");
    let writer = node.connect(0, Hello::new(V5, "writer"));
    publish(&mut node, writer, "0123456789", "1", 1);
    publish(&mut node, writer, "0123456789", "2", 2);
    publish(&mut node, writer, "a", "3", 3);
    let words = node.take_words(writer, V5);
    assert_eq!(words[2..], ["disconnect quota_exceeded"], "{words:?}");
    assert_eq!(node.take_words(reader, V5).len(), 2);
}

#[test]
fn the_server_sets_aliases_for_who_allows_them_in_live_waiting_and_resent_messages() {
    let mut node = Node::with(with(|mqtt| mqtt.max_topic_alias_broker = 2));
    let reader = reader(&mut node, "reader", 5, "#");
    let writer = node.connect(0, Hello::new(V5, "writer"));
    for topic in ["device/1", "device/2", "device/1", "device/3", "abc"] {
        node.publish(writer, V5, topic, b"x", QoS::AtLeastOnce, 1);
    }
    assert_eq!(
        node.take_words(reader, V5),
        [
            "publish device/1 x q1 #1 TopicAlias(1)",
            "publish device/2 x q1 #2 TopicAlias(2)",
            "publish  x q1 #3 TopicAlias(1)",
            "publish device/3 x q1 #4",
            "publish abc x q1 #5",
        ]
    );
}

#[test]
fn an_alias_that_would_make_a_packet_too_large_is_left_out() {
    let mut node = Node::with(with(|_| {}));
    let asked = properties(&[Property::TopicAliasMaximum(5), Property::MaximumPacketSize(40)]);
    let mut hello = Hello::new(V5, "reader");
    hello.properties = asked.as_properties();
    let reader = node.connect(0, hello);
    node.subscribe(reader, V5, "#", 0);
    node.take(reader);
    let writer = node.connect(0, Hello::new(V5, "writer"));
    // 1 + 1 + 2 + 8 + 1 + 27 = 40.
    node.publish(writer, V5, "device/1", &[b'x'; 27], QoS::AtMostOnce, 0);
    node.publish(writer, V5, "device/1", &[b'y'; 10], QoS::AtMostOnce, 0);
    let words = node.take_words(reader, V5);
    assert_eq!(words[0], format!("publish device/1 {} q0", "x".repeat(27)));
    assert_eq!(
        words[1],
        format!("publish device/1 {} q0 TopicAlias(1)", "y".repeat(10))
    );
}

/// A change of the listener, a publish that it then refuses, and how.
type Refused = (fn(&mut Mqtt), QoS, bool, &'static str, CloseReason);

#[test]
fn what_a_listener_does_not_take_closes_with_its_own_reason() {
    let cases: [Refused; 3] = [
        (
            |mqtt| mqtt.max_qos_allowed = QoS::AtMostOnce,
            QoS::AtLeastOnce,
            false,
            "qos_not_supported",
            CloseReason::QoSNotSupported,
        ),
        (
            |mqtt| mqtt.max_qos_allowed = QoS::AtLeastOnce,
            QoS::ExactlyOnce,
            false,
            "qos_not_supported",
            CloseReason::QoSNotSupported,
        ),
        (
            |mqtt| mqtt.retain_available = false,
            QoS::AtMostOnce,
            true,
            "retain_not_supported",
            CloseReason::RetainNotSupported,
        ),
    ];
    for (change, qos, retain, code, reason) in cases {
        for version in [V5, Version::V311] {
            let mut node = Node::with(with(change));
            let writer = node.connect(0, Hello::new(version, "writer"));
            node.publish_with(writer, version, "t", b"x", qos, 1, retain);
            let told = node.take_words(writer, version);
            if version == V5 {
                assert_eq!(told, [format!("disconnect {code}")]);
            } else {
                assert!(told.is_empty());
            }
            assert_eq!(node.wire(writer).closed, Some(reason));
        }
    }
}

#[test]
fn a_subscription_is_granted_what_the_listener_allows() {
    let mut node = Node::with(with(|mqtt| {
        mqtt.max_qos_allowed = QoS::AtLeastOnce;
        mqtt.wildcard_subscription = false;
    }));
    let reader = node.connect(0, Hello::new(V5, "reader"));
    for (filter, qos) in [("a", 0), ("a", 2), ("a/+", 1), ("#", 0)] {
        node.subscribe(reader, V5, filter, qos);
    }
    assert_eq!(
        node.take_words(reader, V5),
        [
            "suback #9 [00]",
            "suback #9 [01]",
            "suback #9 [a2]",
            "suback #9 [a2]"
        ]
    );
}

#[test]
fn a_payload_that_is_not_what_it_says_is_refused_where_the_listener_checks() {
    let text = properties(&[Property::PayloadFormatIndicator(1)]);
    let publish = |qos, payload: &'static [u8]| {
        Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic: "t",
            packet_id: (qos != QoS::AtMostOnce).then(|| PacketId::new(1).unwrap()),
            properties: text.as_properties(),
            payload,
        })
    };
    let mut node = Node::with(with(|mqtt| mqtt.check_payload_format = true));
    let reader = reader(&mut node, "reader", 0, "t");
    let writer = node.connect(0, Hello::new(V5, "writer"));
    node.send_packet(writer, V5, &publish(QoS::AtLeastOnce, "naïve".as_bytes()));
    node.send_packet(writer, V5, &publish(QoS::AtLeastOnce, b"\xff"));
    node.send_packet(writer, V5, &publish(QoS::AtMostOnce, b"\xff"));
    assert_eq!(
        node.take_words(writer, V5),
        [
            "puback #1 success",
            "puback #1 payload_format_invalid",
            "disconnect payload_format_invalid"
        ]
    );
    assert_eq!(node.take_words(reader, V5).len(), 1);
}
