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
use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};
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
            gauge!("ringwire_shard_up", "shard" => shard.clone()).set(f64::from(u8::from(stats.is_some())));
            for series in stats.into_iter().flat_map(series) {
                let mut labels = vec![("shard", shard.clone())];
                labels.extend(series.reason.map(|reason| ("reason", reason.to_owned())));
                match series.value {
                    Value::Counter(value) => counter!(series.name, &labels).absolute(value),
                    // A gauge is a float in the format; the counts stay far below 2^53.
                    Value::Gauge(value) => gauge!(series.name, &labels).set(value as f64),
                }
            }
        });
    }
}

fn series(stats: &ShardStats) -> Vec<Series> {
    let mut all = engine_series(&stats.engine);
    all.extend(reason_series(&stats.engine));
    all.extend(shard_series(stats));
    all
}

fn count(name: &str, value: u64, help: &'static str) -> Series {
    Series {
        name: format!("ringwire_{name}"),
        help,
        reason: None,
        value: Value::Counter(value),
    }
}

fn level(name: &str, value: u64, help: &'static str) -> Series {
    Series {
        value: Value::Gauge(value),
        ..count(name, value, help)
    }
}

/// Every field by name and none by `..`: a new one does not compile without its series.
fn engine_series(stats: &Stats) -> Vec<Series> {
    let Stats {
        bytes_received,
        bytes_sent,
        packets_received,
        packets_sent,
        messages_received,
        messages_sent,
        messages_qos_received: qos_received,
        messages_qos_sent: qos_sent,
        messages_forwarded,
        messages_adopted,
        client_connect,
        client_connected,
        client_disconnected,
        client_handed_over,
        session_created,
        session_resumed,
        session_takenover,
        session_terminated,
        closes: _,
        drops: _,
        connections,
        sessions,
        subscriptions,
        retained,
        retained_bytes,
    } = *stats;
    vec![
        count("bytes_received", bytes_received, "Bytes received from clients."),
        count("bytes_sent", bytes_sent, "Bytes sent to clients."),
        count(
            "packets_received",
            packets_received,
            "Packets and frames received.",
        ),
        count("packets_sent", packets_sent, "Packets and frames sent."),
        count(
            "messages_received",
            messages_received,
            "Messages received from publishers.",
        ),
        count("messages_sent", messages_sent, "Messages sent to subscribers."),
        count(
            "messages_qos0_received",
            qos_received[0],
            "QoS 0 messages received from publishers.",
        ),
        count(
            "messages_qos1_received",
            qos_received[1],
            "QoS 1 messages received from publishers.",
        ),
        count(
            "messages_qos2_received",
            qos_received[2],
            "QoS 2 messages received from publishers.",
        ),
        count(
            "messages_qos0_sent",
            qos_sent[0],
            "QoS 0 messages sent to subscribers.",
        ),
        count(
            "messages_qos1_sent",
            qos_sent[1],
            "QoS 1 messages sent to subscribers.",
        ),
        count(
            "messages_qos2_sent",
            qos_sent[2],
            "QoS 2 messages sent to subscribers.",
        ),
        count(
            "messages_forwarded",
            messages_forwarded,
            "Publishes posted to other shards.",
        ),
        count(
            "messages_adopted",
            messages_adopted,
            "Publishes that came from other shards.",
        ),
        count("client_connect", client_connect, "Requests to connect."),
        count(
            "client_connected",
            client_connected,
            "Clients that were accepted.",
        ),
        count(
            "client_disconnected",
            client_disconnected,
            "Accepted clients that are gone.",
        ),
        count(
            "client_handed_over",
            client_handed_over,
            "Connections handed over to their home shard.",
        ),
        count("session_created", session_created, "Sessions created."),
        count(
            "session_resumed",
            session_resumed,
            "Sessions resumed by a client that came back.",
        ),
        count(
            "session_takenover",
            session_takenover,
            "Sessions taken over from a live connection.",
        ),
        count("session_terminated", session_terminated, "Sessions ended."),
        level("connections_count", connections, "Connections as of now."),
        level(
            "sessions_count",
            sessions,
            "Sessions as of now, connected or kept.",
        ),
        level("subscriptions_count", subscriptions, "Subscriptions as of now."),
        level("retained_count", retained, "Retained messages as of now."),
        level(
            "retained_bytes",
            retained_bytes,
            "Bytes of retained messages as of now.",
        ),
    ]
}

/// One series for each named reason, also for those that never occurred. The reasons of drops are EMQX's metric names.
fn reason_series(stats: &Stats) -> Vec<Series> {
    let closes = CloseReason::ALL
        .iter()
        .zip(stats.closes)
        .map(|(reason, value)| Series {
            reason: Some(reason.name()),
            ..count(
                "connections_closed",
                value,
                "Connections that ended, by the reason that the log names.",
            )
        });
    let drops = DropReason::ALL
        .iter()
        .zip(stats.drops)
        .map(|(reason, value)| Series {
            reason: Some(reason.name()),
            ..count(
                &reason.name().replace('.', "_"),
                value,
                "Messages dropped for the reason that the log names.",
            )
        });
    closes.chain(drops).collect()
}

fn shard_series(stats: &ShardStats) -> Vec<Series> {
    let ShardStats {
        engine: _,
        turns,
        inputs,
        enters,
        buffers_exhausted,
        mesh_batches_sent,
        mesh_full,
        doorbells,
        glommio_yields,
        glommio_false_parks,
        busy_ms,
    } = *stats;
    vec![
        count("shard_turns", turns, "Turns of the pump."),
        count("shard_inputs", inputs, "Inputs given to the engine."),
        count("shard_enters", enters, "System calls into the network ring."),
        count(
            "shard_buffers_exhausted",
            buffers_exhausted,
            "Times that every receive buffer was in use.",
        ),
        count(
            "mesh_batches_sent",
            mesh_batches_sent,
            "Batches posted to other shards.",
        ),
        count(
            "mesh_full",
            mesh_full,
            "Batches that found a full queue and waited.",
        ),
        count("mesh_doorbells", doorbells, "Sleeping shards rung."),
        count("glommio_yields", glommio_yields, "Turns given to glommio."),
        count(
            "glommio_false_parks",
            glommio_false_parks,
            "Times that glommio parked with work to do.",
        ),
        count("shard_busy_milliseconds", busy_ms, "Milliseconds not parked."),
    ]
}
