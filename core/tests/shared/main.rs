//! Shared and exclusive subscriptions on a node of several shards: who gets a message, what becomes of it when its member
//! goes, and that nothing is left behind.

mod exclusive;
mod history;
mod joining;
mod leaving;
#[path = "../node/mod.rs"]
mod node;
mod picking;
mod races;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_core::settings::SharedStrategy;

const V3: Version = Version::V311;
const V5: Version = Version::V5;

/// A topic whose group `$share/g/TOPIC` is at home on a shard.
fn topic_at(node: &Node, shard: u16) -> String {
    (0..)
        .map(|n| format!("t{n}"))
        .find(|topic| node.name_home(&format!("g/{topic}")) == shard)
        .expect("some hash falls there")
}

/// A node of two shards, and a topic whose group is at home on shard 0.
fn pair() -> (Node, String) {
    let node = Node::new(2);
    let topic = topic_at(&node, 0);
    (node, topic)
}

fn strategy(shards: u16, strategy: SharedStrategy) -> Node {
    let mut settings = settings(shards);
    settings.broker.shared_subscription_strategy = strategy;
    Node::with(settings)
}

/// A client that lives on a shard; its session is kept.
fn client(node: &mut Node, shard: u16, name: &str) -> Peer {
    let name = node.name_at(shard, name);
    let hello = Hello {
        clean: false,
        ..Hello::new(V3, &name)
    };
    node.connect(0, hello)
}

/// The same client again; what it is sent at once.
fn again(node: &mut Node, shard: u16, name: &str) -> (Peer, Vec<String>) {
    let name = node.name_at(shard, name);
    let hello = Hello {
        clean: false,
        ..Hello::new(V3, &name)
    };
    let peer = node.open(0);
    node.send(peer, &hello.bytes());
    let mut words = node.take_words(peer, V3);
    assert!(words[0].starts_with("connack 1"), "{words:?}");
    words.remove(0);
    (node.follow(peer), words)
}

/// A member of the group `g` of a topic.
fn member(node: &mut Node, shard: u16, name: &str, topic: &str, qos: u8) -> Peer {
    let peer = client(node, shard, name);
    join(node, peer, topic, qos);
    peer
}

fn join(node: &mut Node, peer: Peer, topic: &str, qos: u8) {
    node.subscribe(peer, V3, &format!("$share/g/{topic}"), qos);
    assert_eq!(node.take_words(peer, V3), [format!("suback #9 [0{qos}]")]);
}

fn unsubscribe(node: &mut Node, peer: Peer, version: Version, filter: &str) -> Vec<String> {
    let mut body = vec![0, 8];
    if version == V5 {
        body.push(0);
    }
    body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
    body.extend_from_slice(filter.as_bytes());
    let mut bytes = vec![0xA2, body.len() as u8];
    bytes.extend(body);
    node.send(peer, &bytes);
    node.take_words(peer, version)
}

/// Publishes at QoS 1, with a payload that says which one it is.
fn publish(node: &mut Node, from: Peer, topic: &str, numbers: std::ops::Range<u16>) {
    for number in numbers {
        let payload = format!("m{number}");
        node.publish(from, V3, topic, payload.as_bytes(), QoS::AtLeastOnce, number + 1);
        assert_eq!(
            node.take_words(from, V3),
            [format!("puback #{} success", number + 1)]
        );
    }
}

/// Payloads of the publishes that a client was sent.
fn got(node: &mut Node, peer: Peer) -> Vec<String> {
    (node.take_words(peer, V3).iter())
        .filter(|word| word.starts_with("publish "))
        .map(|word| word.split(' ').nth(2).unwrap_or_default().to_owned())
        .collect()
}

/// Nothing is left of any subscription.
fn assert_nothing_left(node: &mut Node) {
    for engine in &node.engines {
        let stats = engine.stats();
        assert_eq!((stats.subscriptions, stats.shared_subscriptions), (0, 0));
        assert_eq!(stats.queued_bytes, 0);
    }
    assert_eq!(node.groups(), 0, "groups");
    assert!(node.interest.is_empty(), "the interest map");
}
