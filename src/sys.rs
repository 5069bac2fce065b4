//! `$SYS/brokers` and `$SYS/brokers/NODE/...`: version, uptime, time of day, statistics and metrics, on two intervals, under
//! EMQX's topics and from the counters that `/metrics` shows. What EMQX retains is retained: node list, version, description.
//!
//! Runs on the control thread. A round is one question to each shard and one batch of messages for the first of them, which
//! routes them like any other. What happens to clients is told by their shards (`core/src/events.rs`).

use ringwire_admin::{ask_all, utc_text};
use ringwire_codec::mqtt::QoS;
use ringwire_core::message::Parts;
use ringwire_core::settings::Broker;
use ringwire_core::stats::Stats;
use ringwire_core::{DropReason, Message};
use ringwire_shard::{Mailbox, Question};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep_until};

/// A value that is summed over the shards.
type Row = (&'static str, fn(&Stats) -> u64);

/// Gauges; each has a `count` and the `max` that a round has seen.
const GAUGES: [Row; 6] = [
    ("connections", |stats| stats.connections),
    ("sessions", |stats| stats.sessions),
    ("subscriptions", |stats| stats.subscriptions),
    ("subscriptions/shared", |stats| stats.shared_subscriptions),
    ("retained", |stats| stats.retained),
    ("delayed", |stats| stats.delayed),
];

/// Counters. Those of drops follow from the reasons' names.
const COUNTERS: [Row; 23] = [
    ("bytes/received", |stats| stats.bytes_received),
    ("bytes/sent", |stats| stats.bytes_sent),
    ("packets/received", |stats| stats.packets_received),
    ("packets/sent", |stats| stats.packets_sent),
    ("messages/received", |stats| stats.messages_received),
    ("messages/sent", |stats| stats.messages_sent),
    ("messages/qos0/received", |stats| stats.messages_qos_received[0]),
    ("messages/qos1/received", |stats| stats.messages_qos_received[1]),
    ("messages/qos2/received", |stats| stats.messages_qos_received[2]),
    ("messages/qos0/sent", |stats| stats.messages_qos_sent[0]),
    ("messages/qos1/sent", |stats| stats.messages_qos_sent[1]),
    ("messages/qos2/sent", |stats| stats.messages_qos_sent[2]),
    ("messages/delayed", |stats| stats.messages_delayed),
    ("messages/dropped", |stats| dropped(stats, "messages.dropped.")),
    ("delivery/dropped", |stats| dropped(stats, "delivery.dropped.")),
    ("client/connect", |stats| stats.client_connect),
    ("client/connected", |stats| stats.client_connected),
    ("client/disconnected", |stats| stats.client_disconnected),
    ("client/flapping", |stats| stats.flapping_detected),
    ("session/created", |stats| stats.session_created),
    ("session/resumed", |stats| stats.session_resumed),
    ("session/takenover", |stats| stats.session_takenover),
    ("session/terminated", |stats| stats.session_terminated),
];

/// Drops of all reasons whose name starts so.
fn dropped(stats: &Stats, prefix: &str) -> u64 {
    let drops = DropReason::ALL.iter().zip(*stats.drops);
    drops
        .filter(|(reason, _)| reason.name().starts_with(prefix))
        .map(|(_, count)| count)
        .sum()
}

/// What publishes.
pub struct Sys {
    pub mailboxes: Vec<Mailbox>,
    pub node: String,
    /// Milliseconds since 1970.
    pub started_unix_ms: u64,
    pub settings: Broker,
}

impl Sys {
    /// Publishes until the runtime ends. What is retained is there at once.
    pub async fn publish(self) {
        self.tell(self.about_node()).await;
        let mut peaks = BTreeMap::new();
        let mut round = Beat::new(self.settings.sys_msg_interval_ms);
        let mut heartbeat = Beat::new(self.settings.sys_heartbeat_interval_ms);
        loop {
            let Some(next) = round.next.into_iter().chain(heartbeat.next).min() else {
                return;
            };
            sleep_until(next).await;
            if heartbeat.is_due() {
                self.tell(self.heartbeat()).await;
            }
            if round.is_due() {
                let mut messages = self.about_node();
                messages.extend(self.counts(&mut peaks).await);
                self.tell(messages).await;
            }
        }
    }

    /// Nothing is ever published.
    pub fn is_off(&self) -> bool {
        self.settings.sys_msg_interval_ms.is_none() && self.settings.sys_heartbeat_interval_ms.is_none()
    }

    async fn tell(&self, messages: Vec<Arc<Message>>) {
        let first = self.mailboxes.get(..1).unwrap_or_default();
        // A shard that does not answer is the business of `/readyz`; the next round tells the same.
        let _ = ask_all(first, |reply| Question::Publish {
            messages: messages.clone(),
            reply,
        })
        .await;
    }

    fn about_node(&self) -> Vec<Arc<Message>> {
        vec![
            message("$SYS/brokers", &self.node, true),
            self.own("version", env!("CARGO_PKG_VERSION"), true),
            self.own("sysdescr", "Ringwire", true),
        ]
    }

    fn heartbeat(&self) -> Vec<Arc<Message>> {
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        let uptime_ms = now_ms.saturating_sub(self.started_unix_ms);
        vec![
            self.own("uptime", &uptime_ms.to_string(), false),
            self.own("datetime", &utc_text(now_ms), false),
        ]
    }

    /// Statistics and metrics of the node; nothing when a shard does not answer, rather than too little.
    async fn counts(&self, peaks: &mut BTreeMap<&'static str, u64>) -> Vec<Arc<Message>> {
        let answers = ask_all(&self.mailboxes, |reply| Question::Stats { reply }).await;
        let shards: Result<Vec<Stats>, _> = answers
            .into_iter()
            .map(|answer| answer.map(|stats| stats.engine))
            .collect();
        let Ok(shards) = shards else {
            return Vec::new();
        };
        let sum = |count: &dyn Fn(&Stats) -> u64| shards.iter().map(count).sum::<u64>();
        let mut rows = Vec::new();
        for (name, count) in GAUGES {
            let count = sum(&count);
            let peak = peaks.entry(name).or_insert(0);
            *peak = count.max(*peak);
            rows.push((format!("stats/{name}/count"), count));
            rows.push((format!("stats/{name}/max"), *peak));
        }
        for (name, count) in COUNTERS {
            rows.push((format!("metrics/{name}"), sum(&count)));
        }
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            let topic = format!("metrics/{}", reason.name().replace('.', "/"));
            rows.push((topic, sum(&|stats| stats.drops[index])));
        }
        rows.iter()
            .map(|(topic, value)| self.own(topic, &value.to_string(), false))
            .collect()
    }

    fn own(&self, topic: &str, payload: &str, retain: bool) -> Arc<Message> {
        message(&format!("$SYS/brokers/{}/{topic}", self.node), payload, retain)
    }
}

fn message(topic: &str, payload: &str, retain: bool) -> Arc<Message> {
    Arc::new(Message::new(Parts {
        topic,
        payload: payload.as_bytes(),
        properties: &[],
        publisher: &[],
        qos: QoS::AtMostOnce,
        retain,
    }))
}

/// Something that is due at an interval.
struct Beat {
    every: Duration,
    /// The first time is an interval away; `None`: never.
    next: Option<Instant>,
}

impl Beat {
    fn new(every_ms: Option<u64>) -> Self {
        let every = Duration::from_millis(every_ms.unwrap_or_default());
        let next = every_ms.map(|_| Instant::now() + every);
        Self { every, next }
    }

    /// Whether it is due now; then the next time is an interval from now.
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + self.every);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_topic_is_told_twice() {
        let names = GAUGES.iter().chain(&COUNTERS).map(|(name, _)| (*name).to_owned());
        let reasons = DropReason::ALL
            .iter()
            .map(|reason| reason.name().replace('.', "/"));
        let mut all: Vec<String> = names.chain(reasons).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
