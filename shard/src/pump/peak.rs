//! The highest value of the last second or two: what a gauge that is looked at now and then would miss.
//!
//! Two windows of a second each, turned over by the shard's own time. Readers take nothing away from each other, and the
//! pump pays one comparison a turn.

use ringwire_core::Time;

/// Milliseconds of one window.
const WINDOW_MS: u64 = 1_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peak {
    began: Time,
    present: u64,
    before: u64,
}

impl Peak {
    /// Takes note of a value.
    pub(super) fn see(&mut self, now: Time, value: u64) {
        self.turn_over(now);
        self.present = self.present.max(value);
    }

    /// The highest value seen in the last one to two seconds.
    pub(super) fn read(&mut self, now: Time) -> u64 {
        self.turn_over(now);
        self.present.max(self.before)
    }

    fn turn_over(&mut self, now: Time) {
        let age_ms = now.millis_since(self.began);
        if age_ms < WINDOW_MS {
            return;
        }
        self.before = if age_ms < 2 * WINDOW_MS { self.present } else { 0 };
        self.present = 0;
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_remembered_for_one_to_two_seconds() {
        let at = Time::from_millis;
        let mut peak = Peak::default();
        peak.see(at(100), 7);
        peak.see(at(200), 3);
        assert_eq!(peak.read(at(300)), 7);
        peak.see(at(1_100), 5);
        assert_eq!(peak.read(at(1_200)), 7, "of the window before");
        assert_eq!(peak.read(at(2_100)), 5, "7 is more than a second old");
        assert_eq!(peak.read(at(9_000)), 0);
    }
}
