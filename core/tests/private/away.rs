//! Devices that are slow or away: kept sessions, their queues, and what gives way when a queue is full.

use super::*;
use ringwire_codec::mqtt::QoS;
use ringwire_core::DropReason;
use ringwire_core::settings::Overflow;

fn publish(node: &mut Node, publisher: Peer, texts: &[&str], qos: QoS) {
    for text in texts {
        node.publish(publisher, Version::V311, "tcp/dev/dn", text.as_bytes(), qos, 1);
    }
}

fn dropped(node: &Node, reason: DropReason) -> u64 {
    node.engines
        .iter()
        .map(|engine| engine.stats().drops[reason as usize])
        .sum()
}

#[test]
fn a_session_ends_with_its_connection_and_nothing_waits() {
    let mut node = node(Device::default());
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.end(peer);
    publish(&mut node, publisher, &["lost"], QoS::AtLeastOnce);
    device(&mut node, "dev");
    assert_eq!(dropped(&node, DropReason::NoSubscribers), 1);
}

#[test]
fn with_session_expiry_messages_wait_while_a_device_is_away_and_come_in_order() {
    for (dn_qos, sent) in [
        (QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::AtMostOnce, QoS::AtLeastOnce),
        (QoS::AtLeastOnce, QoS::AtMostOnce),
        (QoS::ExactlyOnce, QoS::AtLeastOnce),
    ] {
        let mut node = node(Device {
            session_expiry_s: 60,
            dn_qos,
            ..Device::default()
        });
        let publisher = mqtt(&mut node, "publisher");
        for _ in 0..2 {
            let peer = device(&mut node, "dev");
            node.send(peer, &[0x60]);
            publish(&mut node, publisher, &["1", "2", "3"], sent);
            node.pass(59_999);
            let peer = greet(&mut node, 1, hello("dev"));
            let expected = [
                "connack Accepted Connect Successfully",
                "data 1",
                "data 2",
                "data 3",
            ];
            assert_eq!(take(&mut node, peer), expected);
            publish(&mut node, publisher, &["live"], sent);
            assert_eq!(take(&mut node, peer), ["data live"]);
        }
    }
}

#[test]
fn a_kept_session_ends_when_its_expiry_has_passed() {
    let mut node = node(Device {
        session_expiry_s: 60,
        ..Device::default()
    });
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.end(peer);
    publish(&mut node, publisher, &["lost"], QoS::AtLeastOnce);
    node.pass(60_000);
    assert!(node.engines.iter().all(|engine| engine.client("dev").is_none()));
    device(&mut node, "dev");
}

#[test]
fn a_kept_session_follows_its_device_to_the_dn_topic_of_another_username() {
    let private = Device {
        session_expiry_s: 60,
        dn_topic: "%u/dn".into(),
        ..Device::default()
    };
    let mut node = node(private);
    let ann = greet(
        &mut node,
        0,
        Connect {
            username: Some(b"ann"),
            ..hello("dev")
        },
    );
    node.end(ann);
    let bob = greet(
        &mut node,
        0,
        Connect {
            username: Some(b"bob"),
            ..hello("dev")
        },
    );
    take(&mut node, bob);
    let publisher = mqtt(&mut node, "publisher");
    node.publish(publisher, Version::V311, "ann/dn", b"for ann", QoS::AtMostOnce, 0);
    node.publish(publisher, Version::V311, "bob/dn", b"for bob", QoS::AtMostOnce, 0);
    assert_eq!(take(&mut node, bob), ["data for bob"]);
}

/// A node whose queues hold `messages` messages and whose out boxes are full after a few.
fn tight(overflow: Overflow, session_expiry_s: u32, messages: usize) -> Node {
    let mut settings = settings(
        2,
        Device {
            overflow,
            session_expiry_s,
            ..Device::default()
        },
    );
    settings.limits.outbox_bytes = 10;
    settings.limits.queue_messages = messages;
    Node::with(settings)
}

const TEXTS: [&str; 10] = [
    "aaaa0", "aaaa1", "aaaa2", "aaaa3", "aaaa4", "aaaa5", "aaaa6", "aaaa7", "aaaa8", "aaaa9",
];

fn data_of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| format!("data {text}")).collect()
}

#[test]
fn a_slow_device_loses_its_oldest_messages_under_drop_oldest() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut node = tight(Overflow::DropOldest, 0, 3);
        let peer = device(&mut node, "dev");
        let publisher = mqtt(&mut node, "publisher");
        node.wire(peer).stuck = true;
        publish(&mut node, publisher, &TEXTS, qos);
        node.unstick(peer);
        // Two fit the out box, three the queue.
        let kept = [&TEXTS[..2], &TEXTS[7..]].concat();
        assert_eq!(take(&mut node, peer), data_of(&kept));
        assert_eq!(dropped(&node, DropReason::QueueFull), 5);
        assert_eq!(closed(&mut node, peer), None);
    }
}

#[test]
fn a_slow_device_loses_its_newest_messages_under_drop_newest() {
    let mut node = tight(Overflow::DropNewest, 0, 3);
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.wire(peer).stuck = true;
    publish(&mut node, publisher, &TEXTS, QoS::AtMostOnce);
    node.unstick(peer);
    assert_eq!(take(&mut node, peer), data_of(&TEXTS[..5]));
    assert_eq!(dropped(&node, DropReason::QueueFull), 5);
}

#[test]
fn a_slow_device_is_closed_under_disconnect() {
    for session_expiry_s in [0, 60] {
        let mut node = tight(Overflow::Disconnect, session_expiry_s, 3);
        let peer = device(&mut node, "dev");
        let publisher = mqtt(&mut node, "publisher");
        node.wire(peer).stuck = true;
        publish(&mut node, publisher, &TEXTS[..5], QoS::AtMostOnce);
        assert_eq!(closed(&mut node, peer), None);
        publish(&mut node, publisher, &TEXTS[5..6], QoS::AtMostOnce);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::SlowConsumer));
        let waiting: usize = node
            .engines
            .iter()
            .filter_map(|engine| engine.client("dev"))
            .map(|client| client.mqueue_len)
            .sum();
        assert_eq!(
            waiting,
            if session_expiry_s == 0 { 0 } else { 3 },
            "within its limit after the close too"
        );
    }
}

#[test]
fn an_absent_device_s_queue_is_limited_in_bytes_too() {
    let private = Device {
        session_expiry_s: 60,
        ..Device::default()
    };
    let mut settings = settings(2, private);
    settings.limits.queue_bytes = 4_096;
    let mut node = Node::with(settings);
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.end(peer);
    let text = "x".repeat(1_500);
    publish(&mut node, publisher, &[&text, &text, "last"], QoS::AtMostOnce);
    assert_eq!(dropped(&node, DropReason::QueueFull), 0);
    publish(&mut node, publisher, &[&text], QoS::AtMostOnce);
    assert_eq!(dropped(&node, DropReason::QueueFull), 1);
    let peer = greet(&mut node, 0, hello("dev"));
    assert_eq!(take(&mut node, peer).len(), 4);
}

#[test]
fn a_device_that_floods_its_own_dn_topic_and_does_not_read_is_closed_in_the_midst_of_its_bytes() {
    let private = Device {
        overflow: Overflow::Disconnect,
        dn_topic: "tcp/%c/up".into(),
        ..Device::default()
    };
    let mut settings = settings(1, private);
    settings.limits.outbox_bytes = 10;
    settings.limits.queue_messages = 3;
    let mut node = Node::with(settings);
    let peer = device(&mut node, "dev");
    node.wire(peer).stuck = true;
    node.send(peer, &data(b"aaaaa").repeat(20));
    assert_eq!(closed(&mut node, peer), Some(CloseReason::SlowConsumer));
    assert!(node.engines[0].client("dev").is_none());
}
