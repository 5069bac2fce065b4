//! What must hold after each step: limits are kept, and every counter agrees with what happened.
//!
//! And the weighing: of a message without acknowledgement, every session that subscribes either is sent one, has it in its
//! queue, or has it dropped for a reason with a name. Who subscribes is found without the engine's index.

use super::devices::{DESCRIBED, JT808, WINDOW};
use super::node::Node;
use super::packets::TOPICS;
use super::script::Script;
use super::settings::SHARDS;
use ringwire_codec::mqtt::QoS;
use ringwire_core::bans::Banned;
use ringwire_core::client::Client;
use ringwire_core::message::Parts;
use ringwire_core::{DropReason, Input, Message, ShardId};

const COUNT: usize = SHARDS as usize;

/// What is said at once (acknowledgements, pongs, the last packet) comes on top of what waits for room in an out box, and one
/// publish of the largest size is begun while there is a byte of room.
const OUTBOX_SLACK: usize = 16_384;

/// What must hold after each step.
pub fn look(node: &mut Node, closely: bool) {
    let limits = &node.settings.limits;
    for (index, shard) in node.shards.iter().enumerate() {
        let stats = shard.engine.stats();
        let most = [
            (
                stats.retained,
                limits.retained_messages as u64,
                "retained messages",
            ),
            (
                stats.retained_bytes,
                limits.retained_bytes as u64,
                "retained bytes",
            ),
            (
                stats.queued_bytes,
                limits.shard_queue_bytes as u64,
                "bytes in queues",
            ),
            (stats.will_bytes, limits.will_bytes as u64, "bytes of Wills"),
            (stats.sessions, limits.sessions as u64, "sessions"),
            (stats.bans, limits.bans as u64, "bans"),
            (stats.adapters, 3 + stats.connections, "adapters"),
        ];
        for (is, at_most, what) in most {
            assert!(is <= at_most, "{is} {what}, at most {at_most}");
        }
        let open = node.open_at(index) as u64;
        assert_eq!(stats.connections, open, "connections of shard {index}");
        let ended = stats.closes.iter().sum::<u64>() + stats.client_handed_over;
        assert_eq!(
            shard.begun,
            open + ended,
            "connections that began at shard {index}"
        );
        assert_eq!(stats.session_created, stats.sessions + stats.session_terminated);
        let by_level = |levels: [u64; 3]| levels.iter().sum::<u64>();
        assert_eq!(stats.messages_received, by_level(stats.messages_qos_received));
        assert_eq!(stats.messages_sent, by_level(stats.messages_qos_sent));
        if closely {
            let clients = shard.engine.clients(None, "", usize::MAX);
            let connected = clients.iter().filter(|client| client.connected).count() as u64;
            assert_eq!(stats.client_connected, connected + stats.client_disconnected);
            clients.iter().for_each(|client| look_at(node, client));
            nobody_is_banned(node, index, &clients);
        }
    }
    let outbox_max = limits.outbox_bytes + OUTBOX_SLACK;
    for shard in 0..COUNT {
        for backlog in node.backlogs(shard) {
            assert!(backlog <= outbox_max, "{backlog} bytes in an out box");
        }
    }
}

fn look_at(node: &Node, client: &Client) {
    let limits = &node.settings.limits;
    assert!(client.mqueue_len <= limits.queue_messages, "{client:?}");
    assert!(client.inflight_cnt <= usize::from(limits.inflight), "{client:?}");
    assert!(client.subscriptions_cnt <= limits.subscriptions + 1, "{client:?}");
    let listens = |listener: ringwire_core::ListenerId| {
        client.listener == node.settings.listeners[listener.index()].name
    };
    if listens(DESCRIBED) || listens(JT808) {
        assert!(client.inflight_cnt <= usize::from(WINDOW), "{client:?}");
    }
}

/// A ban that a shard knows holds for everybody there.
fn nobody_is_banned(node: &Node, shard: usize, clients: &[Client]) {
    for ban in node.shards[shard].engine.bans() {
        let is_meant = |client: &&Client| match &ban.who {
            Banned::ClientId(client_id) => client.clientid == *client_id,
            Banned::Username(username) => client.username.as_deref() == Some(username),
            Banned::PeerHost(host) => client.peer.is_some_and(|peer| peer.ip() == *host),
            Banned::PeerNet(net) => client.peer.is_some_and(|peer| net.contains(&peer.ip())),
        };
        let mut live = clients.iter().filter(|client| client.connected);
        let left = live.find(is_meant);
        assert!(left.is_none(), "{ban:?}, and there is {left:?}");
    }
}

/// Publishes a message that nobody acknowledges on a node where nothing is under way, and accounts for every copy of it.
pub fn weigh(node: &mut Node, script: &mut Script<'_>) {
    let (topic, size) = (script.pick(TOPICS), script.pick(&[0, 1, 200, 3_000]));
    let from = script.below(COUNT);
    for index in 0..COUNT {
        let shard = ShardId(1 - index as u16);
        node.feed(index, Input::Relieved { shard });
    }
    node.settle();
    let Some(expected) = subscribers(node, topic) else {
        return;
    };
    let before = tally(node);
    // What waits may leave, and be counted.
    if before.queued > 0 {
        return;
    }
    node.inject(
        from,
        Message::new(Parts {
            topic,
            payload: &vec![7; size],
            properties: &[],
            publisher: &[],
            qos: QoS::AtMostOnce,
            retain: false,
        }),
    );
    node.settle();
    let after = tally(node);
    // Who is slow may be closed, and what waits for it is gone with its session.
    if after.closes == before.closes {
        let copies = (after.sent - before.sent) + after.queued + (after.dropped - before.dropped);
        assert_eq!(
            copies, expected,
            "copies of a message to {topic:?}: {before:?}, then {after:?}"
        );
    }
}

#[derive(Debug)]
struct Tally {
    sent: u64,
    queued: u64,
    dropped: u64,
    closes: u64,
}

fn tally(node: &Node) -> Tally {
    let mut tally = Tally {
        sent: 0,
        queued: 0,
        dropped: 0,
        closes: 0,
    };
    for shard in &node.shards {
        let stats = shard.engine.stats();
        tally.sent += stats.messages_qos_sent[0];
        tally.closes += stats.closes.iter().sum::<u64>();
        for reason in [
            DropReason::SlowConsumer,
            DropReason::QueueFull,
            DropReason::Qos0Offline,
            DropReason::TooLarge,
            DropReason::Unencodable,
        ] {
            tally.dropped += stats.drops[reason as usize];
        }
        let clients = shard.engine.clients(None, "", usize::MAX);
        tally.queued += clients.iter().map(|client| client.mqueue_len as u64).sum::<u64>();
    }
    tally
}

/// Sessions that subscribe to a topic; `None` when groups do, whose members take turns, or when rules rewrite it.
fn subscribers(node: &Node, topic: &str) -> Option<u64> {
    let is_rewritten = node
        .settings
        .rewrite
        .iter()
        .any(|rule| rule.source_topic == topic);
    if is_rewritten || topic.split('/').count() > node.settings.limits.topic_levels {
        return None;
    }
    let mut count = 0;
    for shard in &node.shards {
        for client in shard.engine.clients(None, "", usize::MAX) {
            let held = shard.engine.subscriptions(&client.clientid).unwrap_or_default();
            let matching: Vec<&str> = held
                .iter()
                .map(|one| one.topic.strip_prefix("$exclusive/").unwrap_or(&one.topic))
                .filter(|filter| matches(bare(filter), topic))
                .collect();
            if matching.iter().any(|filter| bare(filter) != *filter) {
                return None;
            }
            count += u64::from(!matching.is_empty());
        }
    }
    Some(count)
}

/// A filter without what names a group before it.
fn bare(filter: &str) -> &str {
    if let Some(filter) = filter.strip_prefix("$queue/") {
        return filter;
    }
    let shared = filter.strip_prefix("$share/");
    let shared = shared.and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

/// Whether a filter matches a topic (5.0 section 4.7), as plainly as it can be said.
fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}
