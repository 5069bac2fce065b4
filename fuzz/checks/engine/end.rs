//! The end of a fuzzed run: everybody leaves, time passes, and nothing may be left: no session, no subscription, no byte
//! in a queue, no timer, and of retained messages exactly those that a new subscriber is given.

use super::devices::PHONES;
use super::node::{Node, Reads};
use super::packets::TOPICS;
use super::settings::{REWRITTEN, SHARDS};
use ringwire_codec::mqtt::{
    Connect, FilterList, Packet, PacketId, Properties, QoS, Subscribe, SubscriptionOptions, Version,
};
use ringwire_core::input::SocketCause;
use ringwire_core::message::Parts;
use ringwire_core::{Input, ListenerId, Message, ShardId};
use std::collections::BTreeSet;

/// Timers that fire one after the other until none is left.
const WAKES_MAX: usize = 20_000;

const COUNT: usize = SHARDS as usize;

/// Ends a run.
pub fn end(node: &mut Node) {
    calm(node);
    let mut topics: BTreeSet<String> = TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
    for client in &node.clients {
        topics.extend(client.view.retained.iter().cloned());
    }
    topics.insert(REWRITTEN.to_owned());
    for name in &node.names {
        topics.extend([format!("tcp/{name}/up"), format!("jt808/{name}/up")]);
    }
    topics.extend(PHONES.map(|phone| format!("jt808/{phone}/dn")));
    let delayed = topics
        .iter()
        .filter_map(|topic| topic.strip_prefix("$delayed/")?.split_once('/'));
    let delayed: Vec<String> = delayed.map(|(_, topic)| topic.to_owned()).collect();
    topics.extend(delayed);
    topics.retain(|topic| ringwire_codec::topic::is_valid_name(topic));
    everybody_leaves(node);
    if !node.is_draining {
        retained_is_what_is_counted(node, &topics);
    }
    for topic in &topics {
        node.inject(0, message(topic, b""));
        node.settle();
    }
    wait(node);
    for (index, shard) in node.shards.iter().enumerate() {
        let stats = shard.engine.stats();
        let left = [
            stats.retained,
            stats.retained_bytes,
            stats.connections,
            stats.sessions,
            stats.delayed,
            stats.delayed_bytes,
            stats.will_bytes,
            stats.groups,
            stats.bans,
        ];
        assert_eq!(
            left, [0; 9],
            "retained messages, bytes, connections, sessions, delayed, their bytes, bytes of Wills, groups, bans of shard \
             {index}"
        );
        assert_eq!(
            stats.adapters, 3,
            "one adapter a listener for devices, of shard {index}"
        );
        assert_eq!(shard.engine.next_wake(), None, "a timer of shard {index} is left");
    }
}

/// Everybody reads, no queue between shards is full, and nothing is under way. Who is not read then never will be.
fn calm(node: &mut Node) {
    for id in 0..node.clients.len() {
        node.reads(id, Reads::Everything);
    }
    for from in 0..COUNT {
        let shard = ShardId(1 - from as u16);
        node.feed(from, Input::Relieved { shard });
    }
    node.settle();
    // Acknowledgements that wait for a subscriber.
    for _ in 0..4 {
        node.now = node.now + node.settings.limits.backpressure_timeout_ms;
        (0..COUNT).for_each(|shard| node.feed(shard, Input::Tick));
        node.settle();
    }
    for (id, client) in node.clients.iter().enumerate() {
        assert!(
            client.is_over || !client.is_paused,
            "client {id} is never read again"
        );
    }
}

fn everybody_leaves(node: &mut Node) {
    for id in 0..node.clients.len() {
        node.end(id, SocketCause::PeerClosed);
    }
    node.settle();
    for shard in 0..COUNT {
        for client in node.shards[shard].engine.clients(None, "", usize::MAX) {
            let client_id = &client.clientid;
            node.feed(shard, Input::Kick { client_id });
        }
    }
    for shard in 0..COUNT {
        for ban in node.shards[shard].engine.bans() {
            node.feed(shard, Input::Unban { who: &ban.who });
        }
    }
    wait(node);
    for (index, shard) in node.shards.iter().enumerate() {
        let stats = shard.engine.stats();
        let left = [
            stats.connections,
            stats.sessions,
            stats.subscriptions,
            stats.queued_bytes,
        ];
        assert_eq!(
            left, [0; 4],
            "connections, sessions, subscriptions, queued bytes of shard {index}"
        );
        assert_eq!(node.seated(index), 0, "sockets of shard {index}");
    }
    assert!(
        node.interest.is_empty(),
        "nobody subscribes, and somebody is interested"
    );
    assert!(
        node.clients.iter().all(|client| client.is_over),
        "a connection has no end"
    );
}

/// Lets every timer fire.
fn wait(node: &mut Node) {
    node.settle();
    for _ in 0..WAKES_MAX {
        let wakes = node.shards.iter().filter_map(|shard| shard.engine.next_wake());
        let Some(at) = wakes.min() else {
            return;
        };
        node.now = node.now.max(at);
        (0..COUNT).for_each(|shard| node.feed(shard, Input::Tick));
        node.settle();
    }
    panic!("timers go on for ever");
}

/// A new subscriber is given as many retained messages as the counters say that there are.
fn retained_is_what_is_counted(node: &mut Node, topics: &BTreeSet<String>) {
    let counted: u64 = node
        .shards
        .iter()
        .map(|shard| shard.engine.stats().retained)
        .sum();
    let id = node.open(0, ListenerId(0));
    let hello = Packet::Connect(Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 0,
        client_id: "probe",
        will: None,
        username: None,
        password: None,
        properties: Properties::EMPTY,
    });
    write(node, id, &hello);
    assert!(
        node.clients[id].view.is_connected(),
        "nobody else is here, and it is refused"
    );
    let levels_max = node.settings.limits.topic_levels;
    let packet_max = 40;
    let mut unasked = 0;
    for topic in topics {
        if topic.split('/').count() > levels_max || topic.len() > packet_max {
            unasked += 1;
            continue;
        }
        let mut list = FilterList::default();
        list.push(topic, SubscriptionOptions::default());
        let packet_id = PacketId::new(1).expect("above 0");
        let subscribe = Packet::Subscribe(Subscribe {
            packet_id,
            properties: Properties::EMPTY,
            filters: list.as_filters(),
        });
        write(node, id, &subscribe);
        let mut list = ringwire_codec::mqtt::UnsubscribeList::default();
        list.push(topic);
        let unsubscribe = ringwire_codec::mqtt::Unsubscribe::new(packet_id, Properties::EMPTY, &list);
        write(node, id, &Packet::Unsubscribe(unsubscribe));
    }
    let answers = node.clients[id].view.answers.len() as u64;
    let is_right = answers == counted || (unasked > 0 && answers < counted);
    assert!(
        is_right,
        "{answers} retained messages arrive, {counted} are counted"
    );
    node.end(id, SocketCause::PeerClosed);
    node.settle();
}

fn write(node: &mut Node, id: usize, packet: &Packet<'_>) {
    let mut bytes = Vec::new();
    packet.encode(Version::V5, &mut bytes).expect("well-formed");
    node.write(id, &bytes);
    node.settle();
}

/// A message of the administrator's.
pub fn message(topic: &str, payload: &[u8]) -> Message {
    Message::new(Parts {
        topic,
        payload,
        properties: &[],
        publisher: &[],
        qos: QoS::AtLeastOnce,
        retain: true,
    })
}
