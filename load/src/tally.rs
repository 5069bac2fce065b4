//! What one worker has counted and timed. Its own until the run is over; the board gets the counters once a turn.

use crate::board::{Count, Counts};
use crate::clock::SECOND;
use hdrhistogram::Histogram;
use std::collections::HashMap;

/// Times of one kind, in nanoseconds, three digits.
pub(crate) type Times = Histogram<u64>;

/// Kinds of reasons that are told apart.
const REASONS_MAX: usize = 64;

/// An hour: what takes longer counts as that.
const TIME_MAX: u64 = 3_600 * SECOND;

/// An empty histogram.
pub(crate) fn times() -> Times {
    Histogram::new_with_bounds(1, TIME_MAX, 3).expect("1 is above 0, an hour is above 2, and 3 is below 6")
}

/// Equal values in a row, so that a batch of messages is one entry.
#[derive(Debug)]
struct Run {
    value: u64,
    length: u64,
}

/// A worker's numbers.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) latency: Times,
    pub(crate) acknowledged: Times,
    pub(crate) connecting: Times,
    /// On the run's clock: the first connect(), and the last success.
    pub(crate) first_dial: u64,
    pub(crate) last_made: u64,
    /// Why clients were refused or lost.
    pub(crate) reasons: HashMap<String, u64>,
    /// Largest latency since the board was told.
    pub(crate) latency_max_ns: u64,
    /// Times are taken of what should have been sent from here on and before there.
    pub(crate) measure_from: u64,
    pub(crate) measure_until: u64,
    run: Run,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            counts: Counts::default(),
            latency: times(),
            acknowledged: times(),
            connecting: times(),
            first_dial: u64::MAX,
            last_made: 0,
            reasons: HashMap::new(),
            latency_max_ns: 0,
            measure_from: u64::MAX,
            measure_until: u64::MAX,
            run: Run {
                value: u64::MAX,
                length: 0,
            },
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, count: Count, number: u64) {
        self.counts.add(count, number);
    }

    fn is_measured(&self, sent_at: u64) -> bool {
        (self.measure_from..self.measure_until).contains(&sent_at)
    }

    /// A message of `sent_at` arrived.
    #[inline]
    pub(crate) fn arrived(&mut self, sent_at: u64, now: u64) {
        // Stamps are rounded down.
        let value = now.saturating_sub(sent_at);
        if self.run.value == value && self.is_measured(sent_at) {
            self.run.length += 1;
            return;
        }
        self.settle();
        if self.is_measured(sent_at) {
            self.run = Run { value, length: 1 };
        }
        self.latency_max_ns = self.latency_max_ns.max(value);
    }

    /// Writes down what is still in hand.
    pub(crate) fn settle(&mut self) {
        if self.run.length > 0 {
            self.latency
                .saturating_record_n(self.run.value.max(1), self.run.length);
        }
        // No latency is so large: the next one is looked at.
        self.run = Run {
            value: u64::MAX,
            length: 0,
        };
    }

    /// A message of `sent_at` was acknowledged.
    #[inline]
    pub(crate) fn was_acknowledged(&mut self, sent_at: u64, now: u64) {
        self.counts.add(Count::Acknowledged, 1);
        if self.is_measured(sent_at) {
            self.acknowledged
                .saturating_record(now.saturating_sub(sent_at).max(1));
        }
    }

    /// A client was refused or lost.
    pub(crate) fn trouble(&mut self, count: Count, reason: &str) {
        self.counts.add(count, 1);
        self.note(reason);
    }

    /// A reason alone.
    pub(crate) fn note(&mut self, reason: &str) {
        if let Some(times) = self.reasons.get_mut(reason) {
            *times += 1;
        } else if self.reasons.len() < REASONS_MAX {
            self.reasons.insert(reason.to_owned(), 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_timed_message_by_message() {
        let mut tally = Tally::new();
        tally.measure_from = 1_000;
        tally.measure_until = 2_000;
        for (sent_at, now) in [
            (500, 1_100),
            (1_000, 1_100),
            (1_000, 1_100),
            (1_500, 1_900),
            (2_000, 2_300),
        ] {
            tally.arrived(sent_at, now);
        }
        tally.settle();
        assert_eq!(tally.latency.len(), 3);
        assert_eq!((tally.latency.min(), tally.latency.max()), (100, 400));
        assert_eq!(tally.latency_max_ns, 600);
    }

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut tally = Tally::new();
        for number in 0..1_000 {
            tally.trouble(Count::Lost, &format!("reason {}", number % 100));
        }
        assert_eq!(tally.counts.of(Count::Lost), 1_000);
        assert_eq!(tally.reasons.len(), REASONS_MAX);
        assert_eq!(tally.reasons["reason 7"], 10);
    }
}
