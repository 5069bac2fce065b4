//! The run's clock: nanoseconds since the run began, the same for all workers. Read once or twice a turn, never for a
//! message.

use std::time::Instant;

/// Counts from its making.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// Nanoseconds since then.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

/// Nanoseconds of a second.
pub(crate) const SECOND: u64 = 1_000_000_000;
