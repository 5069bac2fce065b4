//! Waiting a moment so that more arrives and shares a turn: what a network card does with its interrupts.
//!
//! A busy shard that takes a turn for each of a few bytes pays a wake-up, a write and a system call for every one. When
//! turns come in quick succession, the wait before a turn is made to last a little. That helps with clients that go on
//! sending meanwhile, and harms with clients that wait for their answers; so it is tried, and kept only while as many
//! bytes come in as without it. Decides nothing else, reads no clock.

use std::time::Duration;

/// Turns of an epoch, after which what it brought is judged.
const EPOCH: u32 = 128;

/// Epochs with the wait after which one without it is measured again.
const KEPT_MAX: u32 = 64;

/// Epochs that pass at most before it is tried again after it did harm.
const REST_MAX: u32 = 1_024;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Coalescing {
    /// How long a turn waits for more; zero: never.
    wait: Duration,
    state: State,
    turns: u32,
    since: Duration,
    bytes_before: u64,
    /// Bytes a microsecond of the last epoch without the wait.
    alone: f64,
    /// Epochs until it is tried, and how many the next failure costs.
    rest: u32,
    next_rest: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    /// For so many epochs.
    On(u32),
}

impl Coalescing {
    pub(crate) fn new(wait: Duration) -> Self {
        Self {
            wait,
            state: State::Off,
            turns: 0,
            since: Duration::ZERO,
            bytes_before: 0,
            alone: 0.0,
            rest: 0,
            next_rest: 1,
        }
    }

    /// How long the next wait is to last although there is work; `None`: not at all.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self.state {
            State::Off => None,
            State::On(_) => Some(self.wait),
        }
    }

    /// A turn begins, so long after the shard's start, with so many bytes taken in all.
    pub(crate) fn turn(&mut self, now: Duration, bytes: u64) {
        if self.wait.is_zero() {
            return;
        }
        self.turns += 1;
        if self.turns < EPOCH {
            return;
        }
        let elapsed = now.saturating_sub(self.since);
        let rate = (bytes - self.bytes_before) as f64 / elapsed.as_micros().max(1) as f64;
        // Turns that are farther apart than the wait: it would only delay.
        let is_busy = elapsed / EPOCH < self.wait;
        self.state = match self.state {
            State::Off => self.after_epoch_alone(is_busy, rate),
            State::On(epochs) => self.after_epoch_together(elapsed, epochs, rate),
        };
        (self.turns, self.since, self.bytes_before) = (0, now, bytes);
    }

    fn after_epoch_alone(&mut self, is_busy: bool, rate: f64) -> State {
        self.alone = rate;
        if !is_busy {
            (self.rest, self.next_rest) = (0, 1);
            return State::Off;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return State::Off;
        }
        State::On(0)
    }

    fn after_epoch_together(&mut self, elapsed: Duration, epochs: u32, rate: f64) -> State {
        if rate < 0.9 * self.alone {
            self.rest = self.next_rest;
            self.next_rest = (2 * self.next_rest).min(REST_MAX);
            return State::Off;
        }
        self.next_rest = 1;
        // Turns that come later than the wait allows: it is quiet again.
        if epochs >= KEPT_MAX || elapsed / EPOCH > 2 * self.wait {
            return State::Off;
        }
        State::On(epochs + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_micros(100);

    /// Runs turns in which so many bytes come each `period`; with the wait on, a turn takes at least that long, and
    /// brings as many more bytes if `flows`. The share of turns that waited.
    fn run(turns: u32, period_us: u64, flows: bool) -> f64 {
        let mut coalescing = Coalescing::new(WAIT);
        let (mut now, mut bytes, mut waited) = (Duration::ZERO, 0, 0);
        for _ in 0..turns {
            let alone = Duration::from_micros(period_us);
            let took = match coalescing.wait() {
                Some(wait) => {
                    waited += 1;
                    alone.max(wait)
                }
                None => alone,
            };
            let share = if flows {
                took.as_micros() as u64 / period_us
            } else {
                1
            };
            bytes += 80 * share;
            now += took;
            coalescing.turn(now, bytes);
        }
        f64::from(waited) / f64::from(turns)
    }

    #[test]
    fn a_stream_that_goes_on_is_coalesced() {
        assert!(run(100_000, 20, true) > 0.9);
    }

    #[test]
    fn clients_that_wait_for_their_answers_are_left_alone() {
        assert!(run(1_000_000, 25, false) < 0.02);
    }

    #[test]
    fn a_quiet_shard_never_waits() {
        assert!(run(100_000, 150, true) == 0.0);
    }

    #[test]
    fn without_a_wait_nothing_waits() {
        let mut coalescing = Coalescing::new(Duration::ZERO);
        for turn in 0..10_000 {
            coalescing.turn(Duration::from_micros(turn), turn * 100);
            assert_eq!(coalescing.wait(), None);
        }
    }

    #[test]
    fn a_stream_that_ends_is_noticed() {
        let mut coalescing = Coalescing::new(WAIT);
        let mut now = Duration::ZERO;
        let mut turn = |coalescing: &mut Coalescing, period_us: u64| {
            now += Duration::from_micros(period_us);
            coalescing.turn(now, now.as_micros() as u64);
        };
        for _ in 0..3 * EPOCH {
            turn(&mut coalescing, 20);
        }
        assert_eq!(coalescing.wait(), Some(WAIT));
        for _ in 0..3 * EPOCH {
            turn(&mut coalescing, 1_000);
        }
        assert_eq!(coalescing.wait(), None);
    }
}
