//! How long to wait before the next attempt: twice as long each time, half of it random.
//!
//! The random half keeps devices that lost one broker from coming back in the same instant. No clock and no source of
//! randomness is in here: both are arguments. A wait is never longer than the longest and never zero.

use crate::settings::Settings;
use std::time::Duration;

/// The waits of one device.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// As the settings have it.
    pub fn new(settings: &Settings) -> Self {
        Self {
            min: settings.backoff_min,
            max: settings.backoff_max,
            next: settings.backoff_min,
        }
    }

    /// The wait after a loss; the next one is twice as long. `random`: any 64 bits.
    pub fn lost(&mut self, random: u64) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.max);
        jitter(wait, random)
    }

    /// The wait after a refusal: the longest, since credentials do not become right by asking often.
    pub fn refused(&mut self, random: u64) -> Duration {
        self.next = self.max;
        jitter(self.max, random)
    }

    /// A connection was good: begin with the shortest again.
    pub fn succeeded(&mut self) {
        self.next = self.min;
    }
}

/// Between a half and the whole of `wait`.
fn jitter(wait: Duration, random: u64) -> Duration {
    // 32 bits are as fine as it has to be.
    let part = f64::from(random as u32) / f64::from(u32::MAX);
    wait / 2 + (wait / 2).mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn backoff() -> Backoff {
        let s = Duration::from_secs;
        Backoff::new(&Settings::new("d").backoff(s(1), s(10)))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_begin_again_after_success() {
        let mut backoff = backoff();
        let mut longest = || backoff.lost(u64::MAX).as_millis();
        assert_eq!(
            [(); 6].map(|()| longest()),
            [1000, 2000, 4000, 8000, 10_000, 10_000]
        );
        assert_eq!(backoff.lost(0), Duration::from_secs(5));
        backoff.succeeded();
        assert_eq!(backoff.lost(0), Duration::from_millis(500));
        assert_eq!(backoff.refused(u64::MAX), Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn a_wait_is_between_half_and_all_of_what_is_due(randoms in prop::collection::vec(any::<u64>(), 1..12)) {
            let mut backoff = backoff();
            let mut due = Duration::from_secs(1);
            for random in randoms {
                let wait = backoff.lost(random);
                prop_assert!(wait >= due / 2 && wait <= due, "{wait:?} of {due:?}");
                due = (due * 2).min(Duration::from_secs(10));
            }
        }
    }
}
