//! What a module may use, with the defaults and the reason of each.
//!
//! The caller reads them from its configuration. Each holds for one instance or one connection, never for the node, so
//! that a busy listener takes nothing from another.

use std::time::Duration;

/// Limits of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of linear memory of one instance, at least one page of 64 KiB. 16 MiB: many times what a parser needs, and
    /// little beside what a shard has.
    pub memory_bytes_max: usize,
    /// CPU time of one call, in milliseconds, at least 1; it is noticed up to half of it later. 10: a frame takes less
    /// than a microsecond, and a shard that stands still for longer is felt by its other devices.
    pub deadline_ms: u32,
    /// Bytes of the largest frame that a module is shown. 65,536: as much as the private protocols of the field carry.
    pub frame_bytes_max: usize,
    /// Bytes that a module may keep for one connection. 65,536: a frame that arrives in parts.
    pub state_bytes_max: usize,
    /// Events that one call may report. 256: a frame with an hour of records.
    pub events_max: usize,
    /// Bytes of events that do not stand in the input, for one call. 262,144.
    pub event_bytes_max: usize,
    /// Bytes that one call may send to the device. 131,072: a frame with escapes.
    pub output_bytes_max: usize,
    /// Lines that one instance may log in a second. 10: what a person can read.
    pub log_lines_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_bytes_max: 16 << 20,
            deadline_ms: 10,
            frame_bytes_max: 65_536,
            state_bytes_max: 65_536,
            events_max: 256,
            event_bytes_max: 262_144,
            output_bytes_max: 131_072,
            log_lines_max: 10,
        }
    }
}

impl Settings {
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(u64::from(self.deadline_ms.max(1)))
    }
}
