//! Makes one outcome of what the conductor saw and the workers counted.

use crate::board::Count;
use crate::conductor::{Course, Halt};
use crate::outcome::{Broker, Connections, Latency, Messages, Outcome};
use crate::tally::{self, Times};
use crate::worker::Report;
use crate::worker::desk::Run;
use crate::{Plan, RunError};
use std::collections::HashMap;

/// Quantiles of a latency's curve.
const CURVE: [f64; 21] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995,
    0.9999, 0.99999, 1.0,
];

/// The outcome of a run that came to its end.
pub(crate) fn outcome(run: &Run<'_>, course: Course, reports: Vec<Report>) -> Outcome {
    let plan = run.plan;
    let seconds = (course.finish.at_ns - course.begin.at_ns) as f64 / 1e9;
    let messages = messages(run, &course, &reports);
    let connections = connections(run, &reports);
    let merge = |kind: fn(&Report) -> &Times| {
        let mut merged = tally::times();
        // Both grow as they need.
        reports
            .iter()
            .for_each(|report| merged.add(kind(report)).unwrap_or_default());
        latency(&merged)
    };
    Outcome {
        name: plan.name.clone(),
        protocol: plan.protocol.name().to_owned(),
        broker: plan
            .broker_pid
            .map(|_| broker(&course, &messages, connections.made)),
        connections,
        messages,
        seconds,
        latency: merge(|report| &report.tally.latency),
        acknowledged: merge(|report| &report.tally.acknowledged),
        connecting: merge(|report| &report.tally.connecting),
        generator_cpu_seconds: course.finish.own_cpu_seconds - course.begin.own_cpu_seconds,
        series: course.series,
    }
}

/// Why there is none, with what the workers noted.
pub(crate) fn error(halt: Halt, run: &Run<'_>, reports: &[Report]) -> RunError {
    let reason = reasons(reports)
        .into_iter()
        .next()
        .map_or_else(|| "nobody said why".to_owned(), |(reason, _)| reason);
    match halt {
        Halt::WorkerFailed => RunError::Plan("a worker ended without saying why".to_owned()),
        Halt::NobodyConnected => RunError::NobodyConnected {
            wanted: run.layout.clients() as u64,
            target: target(run.plan),
            reason,
        },
        Halt::AllLost(phase) => RunError::AllLost {
            made: reports
                .iter()
                .map(|report| report.tally.counts.of(Count::Made))
                .sum(),
            phase,
            reason,
        },
        Halt::SubscriptionsRefused(refused) => RunError::SubscriptionsRefused { refused, reason },
        Halt::Stalled {
            seconds,
            phase,
            missing,
        } => RunError::Stalled {
            seconds,
            phase,
            missing,
        },
        Halt::Error(error) => error,
    }
}

fn target(plan: &Plan) -> String {
    plan.targets.first().map(ToString::to_string).unwrap_or_default()
}

fn total(reports: &[Report], count: Count) -> u64 {
    reports.iter().map(|report| report.tally.counts.of(count)).sum()
}

fn messages(run: &Run<'_>, course: &Course, reports: &[Report]) -> Messages {
    let measured = |count| course.finish.counts.since(&course.begin.counts, count);
    let (lost, excess) = balance(run, reports);
    Messages {
        published: measured(Count::Published),
        delivered: measured(Count::Delivered),
        acknowledged: measured(Count::Acknowledged),
        lost,
        duplicates: total(reports, Count::Again) + excess,
        reordered: total(reports, Count::Late),
        strange: total(reports, Count::Strange),
    }
}

/// Deliveries that are missing, and those that are too many without being the same at the same subscriber: of a shared
/// subscription, two of its subscribers on different workers may get the same message.
fn balance(run: &Run<'_>, reports: &[Report]) -> (u64, u64) {
    let mut received: HashMap<u32, u64> = HashMap::new();
    for (flow, messages) in reports.iter().flat_map(|report| &report.received) {
        *received.entry(*flow).or_default() += messages;
    }
    let (mut lost, mut excess) = (0, 0);
    for (flow, messages) in reports.iter().flat_map(|report| &report.sent) {
        let fanout = run.fanout(*flow);
        let (expected, got) = (
            messages * u64::from(fanout),
            received.remove(flow).unwrap_or_default(),
        );
        if fanout > 0 {
            lost += expected.saturating_sub(got);
            excess += got.saturating_sub(expected);
        }
    }
    (lost, excess)
}

fn connections(run: &Run<'_>, reports: &[Report]) -> Connections {
    let first = reports.iter().map(|report| report.tally.first_dial).min();
    let last = reports.iter().map(|report| report.tally.last_made).max();
    let nanoseconds = last.unwrap_or_default().saturating_sub(first.unwrap_or_default());
    Connections {
        wanted: run.layout.clients() as u64,
        made: total(reports, Count::Made),
        refused: total(reports, Count::Refused),
        lost: total(reports, Count::Lost),
        reasons: reasons(reports),
        seconds: nanoseconds as f64 / 1e9,
    }
}

/// Most frequent first.
fn reasons(reports: &[Report]) -> Vec<(String, u64)> {
    let mut sums: HashMap<&str, u64> = HashMap::new();
    for (reason, times) in reports.iter().flat_map(|report| &report.tally.reasons) {
        *sums.entry(reason).or_default() += times;
    }
    let mut sorted: Vec<_> = sums
        .into_iter()
        .map(|(reason, times)| (reason.to_owned(), times))
        .collect();
    sorted.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    sorted
}

fn broker(course: &Course, messages: &Messages, made: u64) -> Broker {
    let cpu_seconds = course.finish.broker_cpu_seconds - course.begin.broker_cpu_seconds;
    let unit = if messages.delivered > 0 {
        messages.delivered
    } else {
        messages.published
    };
    let per_million = |seconds: f64| {
        if unit > 0 {
            seconds * 1e6 / unit as f64
        } else {
            0.0
        }
    };
    let (before, connected) = (course.before, course.connected);
    Broker {
        cpu_seconds,
        cpu_seconds_per_million: per_million(cpu_seconds),
        rss_before: before.rss,
        rss_connected: connected.rss,
        rss_end: course.end.rss,
        rss_peak: course.rss_peak,
        rss_bytes_per_connection: (connected.rss as f64 - before.rss as f64) / made.max(1) as f64,
        socket_bytes_before: before.sockets,
        socket_bytes_connected: connected.sockets,
        context_switches: (course.finish.broker_context_switches)
            .saturating_sub(course.begin.broker_context_switches),
    }
}

fn latency(times: &Times) -> Latency {
    if times.is_empty() {
        return Latency::default();
    }
    let us = |nanoseconds: u64| nanoseconds as f64 / 1_000.0;
    let at = |quantile| us(times.value_at_quantile(quantile));
    Latency {
        count: times.len(),
        min_us: us(times.min()),
        mean_us: times.mean() / 1_000.0,
        p50_us: at(0.5),
        p90_us: at(0.9),
        p99_us: at(0.99),
        p999_us: at(0.999),
        max_us: us(times.max()),
        curve: CURVE.iter().map(|&quantile| (quantile, at(quantile))).collect(),
    }
}
