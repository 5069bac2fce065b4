//! Time as an argument: milliseconds since the node started, the same origin on every shard.

use std::ops::Add;

/// A moment, in milliseconds since the node started. Monotonic; read by the shard once a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The start of the node.
    pub const ZERO: Time = Time(0);

    /// From milliseconds since the node started.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the node started.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to `self`, 0 when `earlier` is later.
    pub const fn millis_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Time {
    type Output = Time;

    /// `millis` later; saturates.
    fn add(self, millis: u64) -> Time {
        Time(self.0.saturating_add(millis))
    }
}
