//! Frames and messages of a device that is in: data both ways, pings, keepalive, what is illegal, rules, back-pressure.

use super::*;
use ringwire_codec::mqtt::{self, Packet, QoS};
use ringwire_core::access::{Operation, Rule};
use ringwire_core::settings::AclDenyAction;
use ringwire_core::{DropReason, Input, ShardId};

#[test]
fn data_goes_up_to_mqtt_and_down_to_the_device_on_every_pair_of_shards() {
    for (device_on, client_on) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut node = node(Device::default());
        let (dev, client) = (node.name_at(device_on, "dev"), node.name_at(client_on, "client"));
        let client = mqtt(&mut node, &client);
        node.subscribe(client, Version::V311, &format!("tcp/{dev}/up"), 1);
        node.take(client);
        let peer = device(&mut node, &dev);
        node.send(peer, &[data(b"one"), data(b""), data(b"two")].concat());
        let expected = ["one", "", "two"].map(|text| format!("publish tcp/{dev}/up {text} q0"));
        assert_eq!(seen(&mut node, client), expected);
        node.publish(
            client,
            Version::V311,
            &format!("tcp/{dev}/dn"),
            b"down",
            QoS::AtLeastOnce,
            1,
        );
        assert_eq!(take(&mut node, peer), ["data down"]);
    }
}

#[test]
fn two_devices_talk_through_topics_of_each_other() {
    let private = Device {
        up_topic: "bus".into(),
        dn_topic: "bus".into(),
        ..Device::default()
    };
    let mut node = node(private);
    let (a, b) = (device(&mut node, "a"), device(&mut node, "b"));
    node.send(a, &data(b"hello"));
    assert_eq!(take(&mut node, a), ["data hello"], "a device hears its own topic");
    assert_eq!(take(&mut node, b), ["data hello"]);
}

#[test]
fn an_empty_dn_topic_makes_no_subscription() {
    let mut node = node(Device {
        dn_topic: String::new(),
        ..Device::default()
    });
    device(&mut node, "dev");
    let subscriptions: u64 = node
        .engines
        .iter()
        .map(|engine| engine.stats().subscriptions)
        .sum();
    assert_eq!(subscriptions, 0);
    assert_eq!(
        node.drops(DropReason::SubscribeNotAuthorized),
        0,
        "none was asked for"
    );
}

#[test]
fn a_ping_is_answered_at_once_and_in_order_with_data() {
    let private = Device {
        dn_topic: "tcp/%c/up".into(),
        ..Device::default()
    };
    let mut node = node(private);
    let peer = device(&mut node, "dev");
    node.send(
        peer,
        &[vec![0x40], data(b"1"), vec![0x40, 0x40], data(b"2")].concat(),
    );
    assert_eq!(
        take(&mut node, peer),
        ["pong", "data 1", "pong", "pong", "data 2"]
    );
}

#[test]
fn a_disconnect_closes_without_an_answer() {
    let mut node = node(Device::default());
    let peer = device(&mut node, "dev");
    node.send(peer, &[vec![0x60], data(b"not looked at")].concat());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::Normal));
    assert!(node.take(peer).is_empty());
    assert!(node.engines.iter().all(|engine| engine.client("dev").is_none()));
}

#[test]
fn one_and_a_half_keepalives_without_a_byte_close() {
    let mut node = node(Device::default());
    let peer = greet(
        &mut node,
        0,
        Connect {
            keepalive: 10,
            ..hello("dev")
        },
    );
    node.pass(14_999);
    node.send(peer, &[0x30]);
    node.pass(14_999);
    assert_eq!(
        closed(&mut node, peer),
        None,
        "one byte of a frame is a sign of life"
    );
    node.pass(1);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::KeepaliveTimeout));
}

#[test]
fn a_listener_caps_a_keepalive_and_imposes_one_on_who_asks_for_none() {
    // (asked, cap, imposed, seconds until the close)
    for (keepalive, max_keepalive_s, default_keepalive_s, closes_ms) in [
        (0, 0, 0, None),
        (200, 0, 0, Some(300_000)),
        (200, 20, 0, Some(30_000)),
        (10, 20, 0, Some(15_000)),
        (0, 20, 40, Some(60_000)),
    ] {
        let private = Device {
            max_keepalive_s,
            default_keepalive_s,
            ..Device::default()
        };
        let mut node = node(private);
        let peer = greet(
            &mut node,
            0,
            Connect {
                keepalive,
                ..hello("dev")
            },
        );
        let Some(closes_ms) = closes_ms else {
            node.pass(10_000_000);
            assert_eq!(closed(&mut node, peer), None);
            continue;
        };
        node.pass(closes_ms - 1);
        assert_eq!(closed(&mut node, peer), None);
        node.pass(1);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::KeepaliveTimeout));
    }
}

#[test]
fn frames_that_only_a_server_sends_and_reserved_types_close() {
    for header in [0x20, 0x21, 0x2f, 0x50, 0x5f, 0x00, 0x0f, 0x70, 0x80, 0xf1] {
        let mut node = node(Device::default());
        let peer = device(&mut node, "dev");
        node.send(peer, &[0x40, header]);
        assert_eq!(
            closed(&mut node, peer),
            Some(CloseReason::IllegalFrame),
            "{header:02x}"
        );
        assert_eq!(take(&mut node, peer), ["pong"]);
        assert!(
            detail(&node).ends_with(&format!("(offset 1): {header:02x}")),
            "{}",
            detail(&node)
        );
    }
}

#[test]
fn flags_are_ignored_unless_the_listener_is_strict() {
    for bytes in [&b"\x3f\x00\x01x"[..], b"\x41", b"\x68"] {
        let mut lenient = node(Device::default());
        let watcher = watcher(&mut lenient, "tcp/+/up");
        let peer = device(&mut lenient, "dev");
        lenient.send(peer, bytes);
        match bytes[0] >> 4 {
            3 => assert_eq!(seen(&mut lenient, watcher), ["publish tcp/dev/up x q0"]),
            4 => assert_eq!(take(&mut lenient, peer), ["pong"]),
            _ => assert_eq!(closed(&mut lenient, peer), Some(CloseReason::Normal)),
        }
        let mut strict = node(speaking(EmqTcp {
            strict: true,
            ..EmqTcp::default()
        }));
        let peer = device(&mut strict, "dev");
        strict.send(peer, bytes);
        assert_eq!(closed(&mut strict, peer), Some(CloseReason::IllegalFrame));
        assert!(strict.take(peer).is_empty());
    }
}

#[test]
fn a_payload_over_max_packet_size_closes_as_soon_as_its_length_is_known() {
    let mut node = node(speaking(EmqTcp {
        max_packet_size: 16,
        ..EmqTcp::default()
    }));
    let peer = device(&mut node, "dev");
    node.send(peer, &data(&[7; 16]));
    assert_eq!(closed(&mut node, peer), None);
    node.send(peer, &[0x30, 0, 17]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::PacketTooLarge));
    assert_eq!(
        detail(&node),
        "payload of 17 bytes is larger than the limit of 16 (offset 0): 30 00 11"
    );
}

#[test]
fn a_whole_frame_with_too_much_in_it_closes_too_and_what_came_before_it_is_published() {
    let mut node = node(speaking(EmqTcp {
        max_packet_size: 8,
        ..EmqTcp::default()
    }));
    let watcher = watcher(&mut node, "tcp/+/up");
    let peer = device(&mut node, "dev");
    node.send(peer, &[data(b"one"), data(&[b'x'; 9]), data(b"six")].concat());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::PacketTooLarge));
    assert_eq!(seen(&mut node, watcher), ["publish tcp/dev/up one q0"]);
}

#[test]
fn what_a_device_sends_and_is_sent_is_counted() {
    let mut node = with_rule(Operation::Publish, "tcp/forbidden/up", AclDenyAction::Ignore);
    let name = "forbidden";
    let peer = device(&mut node, name);
    let home = usize::from(node.name_home(name));
    let publisher = mqtt(&mut node, "publisher");
    let before = node.engines[home].stats().clone();
    node.send(peer, &[vec![0x40], data(b"1"), vec![0x40]].concat());
    let after = node.engines[home].stats().clone();
    assert_eq!(after.packets_received - before.packets_received, 3);
    assert_eq!(after.packets_sent - before.packets_sent, 2);
    assert_eq!(after.bytes_sent - before.bytes_sent, 2);
    node.publish(
        publisher,
        Version::V311,
        "tcp/forbidden/dn",
        b"x",
        QoS::AtMostOnce,
        0,
    );
    let client = node.client(name).expect("listed");
    assert_eq!(
        (client.recv_msg, client.send_msg),
        (1, 1),
        "what is denied was received"
    );
}

#[test]
fn the_largest_payload_goes_both_ways() {
    let mut node = node(Device::default());
    let watcher = watcher(&mut node, "tcp/+/up");
    let peer = device(&mut node, "dev");
    let payload = vec![b'x'; 65_535];
    node.send(peer, &data(&payload));
    assert_eq!(seen(&mut node, watcher).len(), 1);
    node.publish(watcher, Version::V311, "tcp/dev/dn", &payload, QoS::AtMostOnce, 0);
    assert_eq!(node.take(peer), data(&payload));
}

#[test]
fn a_dn_message_over_65535_bytes_is_dropped_and_counted_and_the_next_one_arrives() {
    let mut node = node(Device::default());
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.publish(
        publisher,
        Version::V311,
        "tcp/dev/dn",
        &[b'x'; 65_536],
        QoS::AtLeastOnce,
        1,
    );
    node.publish(
        publisher,
        Version::V311,
        "tcp/dev/dn",
        b"small",
        QoS::AtMostOnce,
        0,
    );
    assert_eq!(take(&mut node, peer), ["data small"]);
    assert_eq!(node.drops(DropReason::TooLarge), 1);
    assert!(node.notes.iter().any(|note| matches!(note,
        Note::Dropped { reason: DropReason::TooLarge, topic, .. } if topic == "tcp/dev/dn")));
}

fn with_rule(operation: Operation, filter: &str, acl_deny_action: AclDenyAction) -> Node {
    let mut settings = settings(
        2,
        Device {
            acl_deny_action,
            ..Device::default()
        },
    );
    let topics = vec![filter.to_owned()];
    settings.access.rules = vec![Rule {
        allow: false,
        username: None,
        client_id: None,
        operation,
        topics,
    }];
    Node::with(settings)
}

#[test]
fn an_up_message_that_the_rules_forbid_is_dropped_and_counted_and_the_connection_stays() {
    let mut node = with_rule(Operation::Publish, "tcp/%c/up", AclDenyAction::Ignore);
    let watcher = watcher(&mut node, "#");
    let peer = device(&mut node, "dev");
    node.send(peer, &[data(b"1"), data(b"2"), vec![0x40]].concat());
    assert_eq!(take(&mut node, peer), ["pong"]);
    assert!(seen(&mut node, watcher).is_empty());
    assert_eq!(node.drops(DropReason::NotAuthorized), 2);
}

#[test]
fn an_up_message_that_the_rules_forbid_closes_where_the_listener_says_so() {
    let mut node = with_rule(Operation::Publish, "tcp/+/up", AclDenyAction::Disconnect);
    let peer = device(&mut node, "dev");
    node.send(peer, &[data(b"1"), data(b"2")].concat());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::NotAuthorized));
    assert_eq!(node.drops(DropReason::NotAuthorized), 1);
    assert_eq!(detail(&node), "may not publish to tcp/dev/up");
}

#[test]
fn a_dn_subscription_that_the_rules_forbid_is_not_made_and_the_operator_is_told() {
    let mut node = with_rule(Operation::Subscribe, "tcp/#", AclDenyAction::Ignore);
    let peer = device(&mut node, "dev");
    let publisher = mqtt(&mut node, "publisher");
    node.publish(publisher, Version::V311, "tcp/dev/dn", b"x", QoS::AtMostOnce, 0);
    assert!(take(&mut node, peer).is_empty());
    assert_eq!(node.drops(DropReason::SubscribeNotAuthorized), 1);
}

#[test]
fn a_retained_message_on_the_dn_topic_is_delivered_at_connect_after_connack() {
    for shard in [0, 1] {
        let mut node = node(Device::default());
        let name = node.name_at(shard, "dev");
        let publisher = mqtt(&mut node, "publisher");
        let topic = format!("tcp/{name}/dn");
        node.publish_with(
            publisher,
            Version::V311,
            &topic,
            b"kept",
            QoS::AtLeastOnce,
            1,
            true,
        );
        let peer = greet(&mut node, 0, hello(&name));
        assert_eq!(
            take(&mut node, peer),
            ["connack Accepted Connect Successfully", "data kept"]
        );
    }
}

#[test]
fn a_retained_message_is_delivered_at_each_connect_to_a_kept_session_too() {
    let mut node = node(Device {
        session_expiry_s: 60,
        ..Device::default()
    });
    let publisher = mqtt(&mut node, "publisher");
    let (topic, qos) = ("tcp/dev/dn", QoS::AtMostOnce);
    node.publish_with(publisher, Version::V311, topic, b"kept", qos, 0, true);
    for _ in 0..2 {
        let peer = greet(&mut node, 0, hello("dev"));
        assert_eq!(
            take(&mut node, peer),
            ["connack Accepted Connect Successfully", "data kept"]
        );
        node.end(peer);
    }
}

#[test]
fn a_kept_dn_subscription_ends_when_its_device_comes_back_as_somebody_who_may_not() {
    let mut settings = settings(
        2,
        Device {
            session_expiry_s: 60,
            ..Device::default()
        },
    );
    settings.access.rules = vec![Rule {
        allow: false,
        username: Some("bob".to_owned()),
        client_id: None,
        operation: Operation::Subscribe,
        topics: vec!["tcp/#".to_owned()],
    }];
    let mut node = Node::with(settings);
    let publisher = mqtt(&mut node, "publisher");
    for (username, expected) in [(b"ann", vec!["data x"]), (b"bob", Vec::new())] {
        let connect = Connect {
            username: Some(username),
            ..hello("dev")
        };
        let peer = greet(&mut node, 0, connect);
        take(&mut node, peer);
        node.publish(publisher, Version::V311, "tcp/dev/dn", b"x", QoS::AtMostOnce, 0);
        assert_eq!(take(&mut node, peer), expected);
        node.end(peer);
    }
}

#[test]
fn an_up_message_is_qos_0_and_not_retained_unless_the_listener_sets_it() {
    for (up_qos, up_retain, expected) in [
        (QoS::AtMostOnce, false, "publish tcp/dev/up x q0"),
        (QoS::AtLeastOnce, false, "publish tcp/dev/up x q1 #1"),
        (QoS::ExactlyOnce, true, "publish tcp/dev/up x q2 #1"),
    ] {
        let mut node = node(Device {
            up_qos,
            up_retain,
            ..Device::default()
        });
        let live = watcher(&mut node, "tcp/+/up");
        let peer = device(&mut node, "dev");
        node.send(peer, &data(b"x"));
        assert_eq!(seen(&mut node, live), [expected]);
        let late = mqtt(&mut node, "late");
        node.subscribe(late, Version::V311, "tcp/+/up", 0);
        let stored = &seen(&mut node, late)[1..];
        let expected: &[&str] = if up_retain {
            &["publish tcp/dev/up x q0 retain"]
        } else {
            &[]
        };
        assert_eq!(stored, expected);
    }
}

#[test]
fn with_up_qos_1_a_device_is_not_read_while_a_shard_is_congested_and_nothing_is_lost() {
    let mut node = node(Device {
        up_qos: QoS::AtLeastOnce,
        ..Device::default()
    });
    let watcher = watcher(&mut node, "tcp/+/up");
    let name = node.name_at(0, "dev");
    let peer = device(&mut node, &name);
    node.input(0, Input::Congested { shard: ShardId(1) });
    node.send(peer, &[data(b"1"), vec![0x40], data(b"2")].concat());
    assert!(node.wire(peer).paused);
    assert!(
        take(&mut node, peer).is_empty(),
        "what comes after the first message waits with it"
    );
    assert!(seen(&mut node, watcher).is_empty());
    node.input(0, Input::Relieved { shard: ShardId(1) });
    assert!(!node.wire(peer).paused);
    assert_eq!(take(&mut node, peer), ["pong"]);
    let expected = [
        format!("publish tcp/{name}/up 1 q1 #1"),
        format!("publish tcp/{name}/up 2 q1 #2"),
    ];
    assert_eq!(seen(&mut node, watcher), expected);
}

#[test]
fn with_up_qos_0_messages_to_a_congested_shard_are_dropped_and_counted() {
    let mut node = node(Device::default());
    let watcher = watcher(&mut node, "tcp/+/up");
    let name = node.name_at(0, "dev");
    let peer = device(&mut node, &name);
    node.input(0, Input::Congested { shard: ShardId(1) });
    node.send(peer, &data(b"1"));
    assert!(!node.wire(peer).paused);
    assert!(seen(&mut node, watcher).is_empty());
    assert_eq!(node.drops(DropReason::MeshFull), 1);
}

#[test]
fn a_device_that_does_not_read_its_pongs_is_not_read() {
    let mut settings = settings(1, Device::default());
    settings.limits.outbox_bytes = 100;
    let mut node = Node::with(settings);
    let peer = device(&mut node, "dev");
    node.wire(peer).stuck = true;
    node.send(peer, &[0x40; 500]);
    assert!(node.wire(peer).paused);
    node.unstick(peer);
    assert!(!node.wire(peer).paused);
    assert_eq!(take(&mut node, peer).len(), 500);
}

/// The shard of the subscriber says that it is behind only when the parcels reach it, so without a bound of its own the
/// device would have sent more by then than the queue takes.
#[test]
fn with_up_qos_1_a_device_runs_ahead_of_another_shard_by_so_much_and_no_more() {
    let private = Device {
        up_qos: QoS::AtLeastOnce,
        ..Device::default()
    };
    let mut settings = settings(2, private);
    settings.limits.receive_maximum = 10;
    settings.limits.queue_messages = 40;
    settings.limits.backpressure_messages = 5;
    settings.limits.inflight = 2;
    let mut node = Node::with(settings);
    let reader = watcher(&mut node, "tcp/+/up");
    let name = node.name_at(0, "dev");
    let peer = device(&mut node, &name);
    node.hold_parcels = true;
    let frames: Vec<u8> = (0..100).flat_map(|n: u8| data(&[b'a' + n % 26])).collect();
    node.send(peer, &frames);
    assert!(node.wire(peer).paused, "it waits for the other shard");
    let forwarded = node.engines[0].stats().messages_forwarded;
    assert_eq!(forwarded, 10, "as many as an MQTT client may have unacknowledged");
    node.hold_parcels = false;
    node.exchange();
    assert!(
        node.wire(peer).paused,
        "the other shard was behind, and said so first"
    );
    assert_eq!(node.engines[0].stats().messages_forwarded, 10);
    let mut heard = 0;
    while node.wire(peer).paused {
        heard += acknowledge_all(&mut node, reader);
    }
    while heard < 100 {
        heard += acknowledge_all(&mut node, reader);
    }
    assert_eq!(node.drops(DropReason::QueueFull), 0, "nothing is lost");
    node.end(peer);
    assert_eq!(node.wire(reader).closed, None);
}

/// Takes what an MQTT client was sent at QoS 1 and acknowledges it; how many.
fn acknowledge_all(node: &mut Node, reader: Peer) -> usize {
    let bytes = node.take(reader);
    let mut rest = &bytes[..];
    let mut count = 0;
    while let Ok(mqtt::Decoded::Packet(packet, used)) = mqtt::decode(Version::V311, rest, 1 << 20) {
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}");
        };
        let packet_id = publish.packet_id.expect("QoS 1");
        let ack = mqtt::Ack::new(packet_id, mqtt::ReasonCode::Success);
        node.send_packet(reader, Version::V311, &Packet::PubAck(ack));
        rest = &rest[used..];
        count += 1;
    }
    count
}
