//! What workers and the conductor tell each other: the step of the run, counters, and deliveries for publishers of other
//! workers.
//!
//! Written once a turn at most. Counters only grow; their sums over the workers are what the conductor judges by.

use crate::clock::Clock;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the clients do, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Step {
    /// Connect.
    Connect,
    /// Whoever is not connected is given up; subscribe.
    Subscribe,
    /// Keep the connection.
    Idle,
    /// Publish.
    Publish,
    /// Publish nothing new, and wait for what is under way.
    Drain,
    /// Say goodbye and end.
    Disconnect,
}

impl Step {
    fn of(number: u8) -> Self {
        match number {
            0 => Self::Connect,
            1 => Self::Subscribe,
            2 => Self::Idle,
            3 => Self::Publish,
            4 => Self::Drain,
            _ => Self::Disconnect,
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Clients accepted.
    Made,
    /// Clients refused, or given up.
    Refused,
    /// Connections that ended too early.
    Lost,
    /// SUBACKs that are waited for, in all.
    SubscribesAsked,
    /// SUBACKs that came.
    SubscribesAnswered,
    /// Filters that were refused.
    SubscriptionsRefused,
    /// PUBLISH packets sent.
    Published,
    /// Deliveries that those should give.
    Expected,
    /// PUBLISH packets received.
    Delivered,
    /// Deliveries that were the first of their kind.
    Unique,
    /// QoS 1 and 2 messages sent.
    ToAcknowledge,
    /// PUBACK and PUBCOMP received.
    Acknowledged,
    /// Deliveries that came after a later one.
    Late,
    /// Deliveries that came again.
    Again,
    /// Payloads that are not of this run.
    Strange,
}

/// How many of them there are.
pub(crate) const COUNTS: usize = Count::Strange as usize + 1;

/// A value for each [`Count`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts([u64; COUNTS]);

impl Counts {
    #[inline]
    pub(crate) fn add(&mut self, count: Count, number: u64) {
        self.0[count as usize] += number;
    }

    pub(crate) fn of(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// What came since `before`.
    pub(crate) fn since(&self, before: &Self, count: Count) -> u64 {
        self.of(count).saturating_sub(before.of(count))
    }
}

/// One worker's side of the board, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Desk {
    counts: [AtomicU64; COUNTS],
    latency_max_ns: AtomicU64,
    /// Rings the worker's ring.
    bell: OnceLock<OwnedFd>,
    /// (slot, deliveries) for its publishers, from other workers.
    credits: Mutex<Vec<(u32, u32)>>,
    has_credits: AtomicBool,
    waits: AtomicBool,
}

/// Shared by all threads of a run.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) clock: Clock,
    step: AtomicU8,
    /// On the run's clock: when publishers start, and between which moments times are taken.
    pub(crate) publish_from: AtomicU64,
    pub(crate) measure_from: AtomicU64,
    pub(crate) measure_until: AtomicU64,
    /// A worker ended with an error.
    pub(crate) failed: AtomicBool,
    desks: Vec<Desk>,
}

impl Board {
    pub(crate) fn new(clock: Clock, workers: usize) -> Self {
        Self {
            clock,
            step: AtomicU8::new(Step::Connect as u8),
            publish_from: AtomicU64::new(u64::MAX),
            measure_from: AtomicU64::new(u64::MAX),
            measure_until: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            desks: (0..workers).map(|_| Desk::default()).collect(),
        }
    }

    pub(crate) fn step(&self) -> Step {
        Step::of(self.step.load(Ordering::Acquire))
    }

    pub(crate) fn go(&self, step: Step) {
        self.step.store(step as u8, Ordering::Release);
    }

    /// A worker says what it has counted, and its largest latency since the last time.
    #[inline]
    pub(crate) fn tell(&self, worker: usize, counts: &Counts, latency_max_ns: u64) {
        let desk = &self.desks[worker];
        for (place, value) in desk.counts.iter().zip(counts.0) {
            place.store(value, Ordering::Relaxed);
        }
        if latency_max_ns > 0 {
            desk.latency_max_ns.fetch_max(latency_max_ns, Ordering::Relaxed);
        }
    }

    /// Sums over the workers.
    pub(crate) fn totals(&self) -> Counts {
        let mut totals = Counts::default();
        for desk in &self.desks {
            for (sum, place) in totals.0.iter_mut().zip(&desk.counts) {
                *sum += place.load(Ordering::Relaxed);
            }
        }
        totals
    }

    /// The largest latency since the last call.
    pub(crate) fn take_latency_max(&self) -> u64 {
        let maxima = self
            .desks
            .iter()
            .map(|desk| desk.latency_max_ns.swap(0, Ordering::Relaxed));
        maxima.max().unwrap_or_default()
    }

    pub(crate) fn hang_bell(&self, worker: usize, bell: OwnedFd) {
        // A worker starts once.
        let _ = self.desks[worker].bell.set(bell);
    }

    /// Credits for another worker's publishers; gives its bell when it must be rung.
    pub(crate) fn post(&self, worker: usize, credits: &mut Vec<(u32, u32)>) -> Option<&OwnedFd> {
        let desk = &self.desks[worker];
        desk.credits
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .append(credits);
        desk.has_credits.store(true, Ordering::SeqCst);
        if desk.waits.swap(false, Ordering::SeqCst) {
            return desk.bell.get();
        }
        None
    }

    /// What others posted for a worker.
    pub(crate) fn collect(&self, worker: usize, credits: &mut Vec<(u32, u32)>) {
        let desk = &self.desks[worker];
        if desk.has_credits.load(Ordering::Relaxed) && desk.has_credits.swap(false, Ordering::SeqCst) {
            credits.append(&mut desk.credits.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A worker is about to wait: it wants to be rung. False when something came meanwhile.
    pub(crate) fn may_wait(&self, worker: usize) -> bool {
        let desk = &self.desks[worker];
        desk.waits.store(true, Ordering::SeqCst);
        !desk.has_credits.load(Ordering::SeqCst)
    }

    /// A worker goes on.
    pub(crate) fn wakes(&self, worker: usize) {
        self.desks[worker].waits.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_arrive_once_and_keep_a_worker_from_waiting() {
        let board = Board::new(Clock::start(), 2);
        assert!(board.may_wait(1));
        board.post(1, &mut vec![(4, 2)]);
        assert!(!board.may_wait(1));
        let mut credits = Vec::new();
        board.collect(0, &mut credits);
        assert!(credits.is_empty());
        board.collect(1, &mut credits);
        board.collect(1, &mut credits);
        assert_eq!(credits, [(4, 2)]);
        assert!(board.may_wait(1));
    }

    #[test]
    fn totals_are_sums_over_the_workers() {
        let board = Board::new(Clock::start(), 2);
        for worker in 0..2 {
            let mut counts = Counts::default();
            counts.add(Count::Strange, 3 + worker as u64);
            board.tell(worker, &counts, 10 * worker as u64);
        }
        assert_eq!(board.totals().of(Count::Strange), 7);
        assert_eq!(board.take_latency_max(), 10);
        assert_eq!(board.take_latency_max(), 0);
    }

    #[test]
    fn every_step_has_its_number() {
        for step in [
            Step::Connect,
            Step::Subscribe,
            Step::Idle,
            Step::Publish,
            Step::Drain,
            Step::Disconnect,
        ] {
            assert_eq!(Step::of(step as u8), step);
        }
    }
}
