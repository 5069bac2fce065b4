//! `GET /metrics`: snapshots of the shards' plain counters, through the `metrics` facade, as Prometheus text.
//!
//! Nothing is counted here: each scrape asks every shard once and sets every series to what it says. EMQX's names with the
//! prefix `ringwire_`, a `shard` label each. A shard that does not answer keeps its last values and has
//! `ringwire_shard_up` 0.

use crate::ask::ask_all;
use crate::server::State;
use axum::extract;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use metrics::{describe_counter, describe_gauge, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use ringwire_core::stats::Stats;
use ringwire_core::{CloseReason, DropReason};
use ringwire_shard::Question;
use ringwire_shard::mailbox::ShardStats;
use std::sync::Arc;

/// The recorder of this endpoint; its own, so that tests and other users of the facade do not meet in it.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

/// One series of one shard.
struct Series {
    name: String,
    help: &'static str,
    reason: Option<&'static str>,
    value: Value,
}

enum Value {
    Counter(u64),
    Gauge(u64),
}

/// The text, version 0.0.4 of the format.
pub(crate) async fn text(
    extract::State(state): extract::State<Arc<State>>,
) -> ([(HeaderName, &'static str); 1], String) {
    let answers = ask_all(&state.node.mailboxes, |reply| Question::Stats { reply }).await;
    for (shard, answer) in answers.iter().enumerate() {
        state.metrics.record(shard, answer.as_ref().ok());
    }
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        state.metrics.handle.render(),
    )
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            describe_gauge!("ringwire_shard_up", "Whether the shard answered this scrape.");
            for series in series(&ShardStats::default()) {
                match series.value {
                    Value::Counter(_) => describe_counter!(series.name, series.help),
                    Value::Gauge(_) => describe_gauge!(series.name, series.help),
                }
            }
        });
        Self {
            handle: recorder.handle(),
            recorder,
        }
    }

    fn record(&self, shard: usize, stats: Option<&ShardStats>) {
        let shard = shard.to_string();
        with_local_recorder(&self.recorder, || {
            metrics::gauge!("ringwire_shard_up", "shard" => shard.clone())
                .set(f64::from(u8::from(stats.is_some())));
            for series in stats.into_iter().flat_map(series) {
                let mut labels = vec![("shard", shard.clone())];
                labels.extend(series.reason.map(|reason| ("reason", reason.to_owned())));
                match series.value {
                    Value::Counter(value) => metrics::counter!(series.name, &labels).absolute(value),
                    // A gauge is a float in the format; the counts stay far below 2^53.
                    Value::Gauge(value) => metrics::gauge!(series.name, &labels).set(value as f64),
                }
            }
        });
    }
}

fn series(stats: &ShardStats) -> Vec<Series> {
    let mut all = engine_series(&stats.engine);
    all.extend(qos_series(&stats.engine));
    all.extend(reason_series(&stats.engine));
    all.extend(shard_series(stats));
    all
}

fn counter(name: &str, value: u64, help: &'static str) -> Series {
    Series {
        name: format!("ringwire_{name}"),
        help,
        reason: None,
        value: Value::Counter(value),
    }
}

fn gauge(name: &str, value: u64, help: &'static str) -> Series {
    Series {
        value: Value::Gauge(value),
        ..counter(name, value, help)
    }
}

/// One row a field, and after the bar the fields with rows of their own. The pattern it makes has no `..`: a new field
/// does not compile without its row.
macro_rules! rows {
    ($stats:expr => $type:ident { $($field:ident: $kind:ident $name:literal, $help:literal;)* | $($other:ident)* }) => {{
        let $type { $($field,)* $($other: _,)* } = $stats;
        vec![$($kind($name, *$field, $help),)*]
    }};
}

fn engine_series(stats: &Stats) -> Vec<Series> {
    rows! { stats => Stats {
        bytes_received: counter "bytes_received", "Bytes received from clients.";
        bytes_sent: counter "bytes_sent", "Bytes sent to clients.";
        packets_received: counter "packets_received", "Packets and frames received.";
        packets_sent: counter "packets_sent", "Packets and frames sent.";
        messages_received: counter "messages_received", "Messages received from publishers.";
        messages_sent: counter "messages_sent", "Messages sent to subscribers.";
        messages_forwarded: counter "messages_forwarded", "Publishes posted to other shards.";
        messages_adopted: counter "messages_adopted", "Publishes that came from other shards.";
        client_connect: counter "client_connect", "Requests to connect.";
        client_connected: counter "client_connected", "Clients that were accepted.";
        client_disconnected: counter "client_disconnected", "Accepted clients that are gone.";
        client_handed_over: counter "client_handed_over", "Connections handed over to their home shard.";
        session_created: counter "session_created", "Sessions created.";
        session_resumed: counter "session_resumed", "Sessions resumed by a client that came back.";
        session_takenover: counter "session_takenover", "Sessions taken over from a live connection.";
        session_terminated: counter "session_terminated", "Sessions ended.";
        publishers_slowed: counter "publishers_slowed", "Times that acknowledgements to a publisher waited for a subscriber that was behind.";
        subscribers_lagging: counter "subscribers_lagging", "Times that a subscriber was behind for too long to slow its publishers any more.";
        flapping_detected: counter "client_flapping", "Times that a client id came and went too often.";
        messages_delayed: counter "messages_delayed", "Messages of $delayed/... that came to wait.";
        retained_expired: counter "retained_expired", "Retained messages removed because their time had passed.";
        connections: gauge "connections_count", "Connections as of now.";
        adapters: gauge "adapters_count", "Adapters of private protocols at work, replaced ones with connections too.";
        sessions: gauge "sessions_count", "Sessions as of now, connected or kept.";
        subscriptions: gauge "subscriptions_count", "Subscriptions as of now.";
        groups: gauge "shared_groups_count", "Groups of $share subscriptions, and claimed topics, as of now.";
        shared_subscriptions: gauge "subscriptions_shared_count", "Those to $share groups.";
        retained: gauge "retained_count", "Retained messages as of now.";
        retained_bytes: gauge "retained_bytes", "Bytes of retained messages as of now.";
        will_bytes: gauge "will_bytes", "Bytes of the Wills of sessions as of now.";
        queued_bytes: gauge "queued_bytes", "Bytes waiting in the queues of sessions as of now.";
        bans: gauge "banned_count", "Bans that hold as of now; the same on every shard.";
        delayed: gauge "delayed_count", "Messages of $delayed/... that wait as of now.";
        delayed_bytes: gauge "delayed_bytes", "Bytes of them as of now.";
        | messages_qos_received messages_qos_sent closes drops
    }}
}

fn qos_series(stats: &Stats) -> Vec<Series> {
    let received = stats.messages_qos_received.iter().enumerate();
    let received = received.map(|(qos, value)| {
        let name = format!("messages_qos{qos}_received");
        counter(&name, *value, "Messages of this QoS received from publishers.")
    });
    let sent = stats.messages_qos_sent.iter().enumerate();
    let sent = sent.map(|(qos, value)| {
        let name = format!("messages_qos{qos}_sent");
        counter(&name, *value, "Messages of this QoS sent to subscribers.")
    });
    received.chain(sent).collect()
}

/// One series for each named reason, also for those that never occurred. The reasons of drops are EMQX's metric names.
fn reason_series(stats: &Stats) -> Vec<Series> {
    const CLOSED: &str = "Connections that ended, by the reason that the log names.";
    const DROPPED: &str = "Messages dropped for the reason that the log names.";
    let closes = CloseReason::ALL.iter().zip(*stats.closes);
    let closes = closes.map(|(reason, value)| Series {
        reason: Some(reason.name()),
        ..counter("connections_closed", value, CLOSED)
    });
    let drops = DropReason::ALL.iter().zip(*stats.drops);
    let drops = drops.map(|(reason, value)| Series {
        reason: Some(reason.name()),
        ..counter(&reason.name().replace('.', "_"), value, DROPPED)
    });
    closes.chain(drops).collect()
}

fn shard_series(stats: &ShardStats) -> Vec<Series> {
    rows! { stats => ShardStats {
        uptime_us: counter "shard_uptime_microseconds", "Since the node started; divide the other times by it.";
        busy_us: counter "shard_busy_microseconds", "CPU time of the shard, without spinning.";
        cpu_wait_us: counter "shard_cpu_wait_microseconds", "Time in which another thread had the shard's CPU.";
        spin_us: counter "shard_spin_microseconds", "Time spent looking for work before parking.";
        spins: counter "shard_spins", "Times that the shard looked for work before parking.";
        spin_hits: counter "shard_spin_hits", "Of these, times that there was some.";
        parks: counter "shard_parks", "Times that the shard slept for want of work.";
        coalesced: counter "shard_coalesced", "Waits that were made to last so that more arrives in a turn.";
        turns: counter "shard_turns", "Turns of the pump.";
        turns_full: counter "shard_turns_full", "Turns that ended at inputs_per_turn.";
        inputs: counter "shard_inputs", "Inputs given to the engine.";
        enters: counter "shard_enters", "System calls into the network ring.";
        buffers_given: gauge "shard_buffers_given", "Receive buffers that the kernel was given so far, of shard.buffers.";
        buffers_used_peak: gauge "shard_buffers_used_peak", "Most of them used by one turn, in the last second or two.";
        buffers_exhausted: counter "shard_buffers_exhausted", "Receives that found no buffer.";
        accepts_paused: counter "shard_accepts_paused", "Times that accepting paused for want of descriptors.";
        mesh_batches_sent: counter "mesh_batches_sent", "Batches posted to other shards.";
        mesh_batches_received: counter "mesh_batches_received", "Batches taken from other shards.";
        mesh_depth_peak: gauge "mesh_depth_peak", "Most batches that a turn found waiting, in the last second or two.";
        mesh_full: counter "mesh_full", "Batches that found a full queue and waited.";
        doorbells: counter "mesh_doorbells", "Sleeping shards rung.";
        glommio_yields: counter "glommio_yields", "Turns given to glommio.";
        glommio_false_parks: counter "glommio_false_parks", "Times that glommio parked with work to do.";
        | engine
    }}
}
