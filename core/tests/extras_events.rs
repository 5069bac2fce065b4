//! What `$SYS` tells of clients: connected, disconnected, subscribed, unsubscribed.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{self, Packet, QoS, Version};
use ringwire_core::settings::SysEvent;
use ringwire_core::{DropReason, Settings};
use serde_json::Value;

const V5: Version = Version::V5;
const START_MS: u64 = 1_700_000_000_000;

fn told(events: &[SysEvent]) -> Settings {
    let mut settings = settings(2);
    settings.broker.sys_event_messages = events.to_vec();
    settings.start.unix_ms = START_MS;
    settings.start.ports = vec![1_883];
    settings
}

const EVERY: [SysEvent; 4] = [
    SysEvent::ClientConnected,
    SysEvent::ClientDisconnected,
    SysEvent::ClientSubscribed,
    SysEvent::ClientUnsubscribed,
];

fn watcher(node: &mut Node) -> Peer {
    let name = node.name_at(1, "watcher");
    let watcher = node.connect(0, Hello::new(V5, &name));
    node.subscribe(watcher, V5, "$SYS/brokers/+/clients/#", 1);
    let filter = "$SYS/brokers/+/clients/#";
    assert_eq!(filter.len(), 24);
    node.take(watcher);
    watcher
}

/// The events that a watcher got: topic and JSON.
fn events(node: &mut Node, watcher: Peer) -> Vec<(String, Value)> {
    let bytes = node.take(watcher);
    let mut rest = &bytes[..];
    let mut events = Vec::new();
    while !rest.is_empty() {
        let Ok(mqtt::Decoded::Packet(Packet::Publish(publish), size)) = mqtt::decode(V5, rest, u32::MAX)
        else {
            panic!("only events were expected: {rest:02x?}");
        };
        assert!(!publish.retain && publish.qos == QoS::AtMostOnce);
        let fields = serde_json::from_slice(publish.payload).expect("JSON");
        events.push((publish.topic.to_owned(), fields));
        rest = &rest[size..];
    }
    events
}

#[test]
fn a_client_that_comes_and_goes_is_told_of_with_emqxs_fields_whatever_its_shard() {
    for shard in 0..2 {
        let mut node = Node::with(told(&EVERY));
        let watcher = watcher(&mut node);
        let name = node.name_at(shard, "c\"ä");
        node.pass(5_000);
        let peer = node.connect(
            0,
            Hello {
                keep_alive: 60,
                ..Hello::new(Version::V311, &name)
            },
        );
        node.pass(1_000);
        node.end(peer);
        let events = events(&mut node, watcher);
        let topics: Vec<_> = events.iter().map(|(topic, _)| topic.clone()).collect();
        assert_eq!(
            topics,
            [
                format!("$SYS/brokers/ringwire/clients/{name}/connected"),
                format!("$SYS/brokers/ringwire/clients/{name}/disconnected")
            ]
        );
        let connected = &events[0].1;
        assert_eq!(connected["clientid"], name);
        assert_eq!(connected["username"], Value::Null);
        assert_eq!(connected["ipaddress"], "127.0.0.1");
        assert_eq!(connected["sockport"], 1_883);
        assert_eq!(connected["proto_name"], "MQTT");
        assert_eq!(connected["proto_ver"], 4);
        assert_eq!(connected["protocol"], "mqtt");
        assert_eq!(connected["keepalive"], 60);
        assert_eq!(connected["clean_start"], true);
        assert_eq!(connected["expiry_interval"], 0);
        assert_eq!(connected["connected_at"], START_MS + 5_000);
        assert_eq!(connected["ts"], START_MS + 5_000);
        let disconnected = &events[1].1;
        assert_eq!(disconnected["reason"], "peer_closed");
        assert_eq!(disconnected["disconnected_at"], START_MS + 6_000);
        assert_eq!(disconnected["connected_at"], START_MS + 5_000);
    }
}

#[test]
fn subscriptions_are_told_of_with_their_options() {
    let mut node = Node::with(told(&EVERY));
    let watcher = watcher(&mut node);
    let peer = node.connect(0, Hello::new(V5, "c"));
    events(&mut node, watcher);
    // QoS 1, No Local, Retain As Published, Retain Handling 2.
    node.send(peer, b"\x82\x09\0\x09\0\0\x03a/+\x2d");
    node.send(peer, b"\xa2\x08\0\x01\0\0\x03a/+");
    let events = events(&mut node, watcher);
    assert_eq!(events[0].0, "$SYS/brokers/ringwire/clients/c/subscribed");
    assert_eq!(events[0].1["topic"], "a/+");
    assert_eq!(
        events[0].1["subopts"],
        serde_json::json!({"qos": 1, "nl": 1, "rap": 1, "rh": 2, "is_new": true})
    );
    assert_eq!(events[1].0, "$SYS/brokers/ringwire/clients/c/unsubscribed");
    assert_eq!(events[1].1["topic"], "a/+");
}

#[test]
fn only_what_is_switched_on_is_told_and_nobody_else_pays_or_is_counted() {
    let mut node = Node::with(told(&[SysEvent::ClientDisconnected]));
    let before = node.connect(0, Hello::new(V5, "before"));
    node.end(before);
    assert_eq!(
        node.drops(DropReason::NoSubscribers),
        0,
        "nobody subscribes, and none is missed"
    );
    let watcher = watcher(&mut node);
    let peer = node.connect(0, Hello::new(V5, "c"));
    node.subscribe(peer, V5, "t", 0);
    node.end(peer);
    let events = events(&mut node, watcher);
    let topics: Vec<_> = events.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["$SYS/brokers/ringwire/clients/c/disconnected"]);
}

#[test]
fn the_connack_comes_before_what_a_kept_subscription_hears_of_its_own_client() {
    let mut node = Node::with(told(&EVERY));
    let mut properties = mqtt::PropertyList::default();
    properties.push(mqtt::Property::SessionExpiryInterval(100));
    let hello = Hello {
        clean: false,
        properties: properties.as_properties(),
        ..Hello::new(V5, "kept")
    };
    let peer = node.connect(0, hello);
    node.subscribe(peer, V5, "$SYS/#", 0);
    node.end(peer);
    let peer = node.open(0);
    node.send(peer, &hello.bytes());
    let words = node.take_words(peer, V5);
    assert_eq!(words[0], "connack 1 success");
    assert!(
        words[1].starts_with("publish $SYS/brokers/ringwire/clients/kept/connected"),
        "{words:?}"
    );
    assert_eq!(words.len(), 2);
}

#[test]
fn a_client_id_that_no_topic_can_hold_has_no_events() {
    let mut node = Node::with(told(&EVERY));
    let watcher = watcher(&mut node);
    let peer = node.connect(0, Hello::new(V5, "#"));
    node.end(peer);
    assert!(events(&mut node, watcher).is_empty());
}
