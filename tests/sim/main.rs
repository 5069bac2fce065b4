//! The simulation: seeded runs of one to four engines with honest and misbehaving clients, judged by named checks.
//!
//! `run.rs` is one run, `world/` the node and its network, `mqtt/`, `device.rs` and `rogue.rs` the clients, `history.rs` what
//! they saw, `checks/` what must hold of it. To play a failed seed again, as its report says:
//! `RINGWIRE_SIM_SEED=1234 cargo test --test sim -- --nocapture`. For a long run: `RINGWIRE_SIM_SEEDS=100000`, and
//! `RINGWIRE_SIM_START` to begin elsewhere.

mod checks;
mod device;
mod extras;
mod history;
mod mqtt;
mod numbered;
mod random;
mod rogue;
mod run;
#[cfg(test)]
mod sabotage_proofs;
mod scenario;
mod stall;
mod trace;
mod world;

use run::{Mode, Outcome, run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 1_000;

/// Threads that share the seeds.
const THREADS: u64 = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The report of a failed seed: the check, how to replay, and the last things that happened.
fn report(seed: u64, outcome: &Outcome, lines_max: usize) -> String {
    let replay = run(
        seed,
        Mode {
            lines_max,
            ..Mode::default()
        },
    );
    let failure = outcome
        .failure
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "{}\n\nseed {seed} failed: {failure}\nreplay: RINGWIRE_SIM_SEED={seed} cargo test --test sim -- --nocapture\n",
        replay.tail
    )
}

/// Goes on after a failure, and counts which checks failed and with which seeds.
fn survey(seeds: std::ops::Range<u64>) {
    let mut found: BTreeMap<&str, Vec<(u64, String)>> = BTreeMap::new();
    for seed in seeds {
        if let Some(failure) = run(seed, Mode::default()).failure {
            found.entry(failure.check).or_default().push((seed, failure.text));
        }
    }
    for (check, failures) in found {
        let seeds: Vec<u64> = failures.iter().map(|(seed, _)| *seed).take(12).collect();
        println!(
            "{check}: {} seeds, first {seeds:?}\n    {}",
            failures.len(),
            failures[0].1
        );
    }
}

#[test]
fn every_check_holds_for_every_seed() {
    if let Some(seed) = number("RINGWIRE_SIM_SEED") {
        let outcome = run(seed, Mode::default());
        println!(
            "seed {seed}: {} deliveries, hash {:016x}",
            outcome.deliveries, outcome.hash
        );
        assert!(
            outcome.failure.is_none(),
            "{}",
            report(seed, &outcome, usize::MAX)
        );
        return;
    }
    let start = number("RINGWIRE_SIM_START").unwrap_or(0);
    let count = number("RINGWIRE_SIM_SEEDS").unwrap_or(SEEDS);
    if number("RINGWIRE_SIM_SURVEY").is_some() {
        survey(start..start + count);
        return;
    }
    let (stop, deliveries) = (AtomicBool::new(false), AtomicUsize::new(0));
    let search = |thread: u64| {
        for seed in (start..start + count).filter(|seed| seed % THREADS == thread) {
            let outcome = run(seed, Mode::default());
            deliveries.fetch_add(outcome.deliveries, Ordering::Relaxed);
            if outcome.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
                return Some((seed, outcome));
            }
            if stop.load(Ordering::Relaxed) {
                return None;
            }
        }
        None
    };
    let search = &search;
    let failed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || search(thread)))
            .collect();
        let found = threads
            .into_iter()
            .filter_map(|thread| thread.join().expect("a panic is a failure of its seed"));
        found.min_by_key(|(seed, _)| *seed)
    });
    if let Some((seed, outcome)) = failed {
        panic!("{}", report(seed, &outcome, 200));
    }
    let mean = deliveries.load(Ordering::Relaxed) / count.max(1) as usize;
    println!("{count} seeds, {mean} deliveries a seed");
    assert!(
        mean > 50,
        "the simulation does too little to mean anything: {mean} deliveries a seed"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let (first, second) = (run(seed, Mode::default()), run(seed, Mode::default()));
        assert_eq!(first.hash, second.hash, "seed {seed} did two different things");
    }
}

#[test]
fn the_trace_does_not_depend_on_the_seed_of_a_hasher() {
    for seed in 0..60 {
        let plain = run(
            seed,
            Mode {
                hashers: Some(seed),
                ..Mode::default()
            },
        );
        let other = run(
            seed,
            Mode {
                hashers: Some(0xBAD_5EED ^ seed),
                ..Mode::default()
            },
        );
        assert_eq!(plain.hash, other.hash, "seed {seed} shows the order of a map");
    }
}

/// What runs must reach for their silence to mean something.
const REACHED: &[&str] = &[
    "PUBLISH sent again",
    "PUBREL sent again",
    "a banned client was turned away",
    "a claim was granted",
    "a claim was refused",
    "a client that flaps was banned",
    "a device was turned away",
    "a filter was rewritten",
    "a keep alive was given",
    "a publish was denied",
    "a topic was rewritten",
    "a session expired",
    "a subscription was denied",
    "a will was cancelled by a resume",
    "a will was sent after its delay",
    "a will was sent at the end of its session",
    "adopted",
    "an expiry was asked for at DISCONNECT alone",
    "an expiry was changed at DISCONNECT",
    "ban",
    "banned",
    "congested",
    "delivered again at QoS 1",
    "delivered again at QoS 2",
    "delayed publish whose publisher was lost",
    "delivered after a delay",
    "delivered as retained",
    "delivered by an automatic subscription",
    "delivered by an alias",
    "delivered to a device",
    "sent again to a device",
    "came again to a device that is back",
    "delivered to a group",
    "delivery.dropped.expired",
    "delivery.dropped.qos0_msg",
    "delivery.dropped.queue_full",
    "delivery.dropped.slow_consumer",
    "delivery.dropped.too_large",
    "disconnect_with_will",
    "drained",
    "eased parcel",
    "group parcel",
    "idle_timeout",
    "illegal_frame",
    "invalid_client_id",
    "keepalive_timeout",
    "kicked",
    "malformed_packet",
    "packet_too_large",
    "paused",
    "peer_closed",
    "protocol_already_connected",
    "protocol_error",
    "protocol_not_connected",
    "quota_exceeded",
    "reach parcel",
    "reached parcel",
    "read again",
    "recalled parcel",
    "receive_maximum_exceeded",
    "received twice, taken once",
    "relieved",
    "resumed",
    "retain parcel",
    "send_timeout",
    "server_shutting_down",
    "slow parcel",
    "slow_consumer",
    "socket_error",
    "taken_over",
    "topic_invalid",
    "unban",
    "unsupported_version",
];

#[test]
fn the_runs_get_everywhere() {
    let mut reach: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..1_000 {
        for (what, count) in run(seed, Mode::default()).reach {
            *reach.entry(what).or_default() += count;
        }
    }
    let missed: Vec<_> = REACHED.iter().filter(|what| !reach.contains_key(*what)).collect();
    assert!(missed.is_empty(), "never reached: {missed:?} in {reach:#?}");
}

#[test]
fn another_seed_gives_another_trace() {
    let hashes: BTreeSet<u64> = (0..20).map(|seed| run(seed, Mode::default()).hash).collect();
    assert_eq!(hashes.len(), 20, "the hash does not cover what happens");
}
