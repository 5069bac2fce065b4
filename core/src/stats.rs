//! Plain counters of one engine: written by one thread, copied when somebody asks, never touched per message by others.

use crate::{CloseReason, DropReason};
use std::ops::{Deref, DerefMut};

/// One counter a reason. The standard library has a default for arrays of up to 32 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally<const N: usize>(pub [u64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Tally<N> {
    type Target = [u64; N];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<const N: usize> DerefMut for Tally<N> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Counters (only ever grow) and gauges (as of now) of one engine. EMQX's names with `_` for `.` where it has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Stats {
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub messages_received: u64,
    pub messages_sent: u64,
    /// By QoS of the publish as received and as sent.
    pub messages_qos_received: [u64; 3],
    pub messages_qos_sent: [u64; 3],
    /// Publishes that came from or went to other shards.
    pub messages_forwarded: u64,
    pub messages_adopted: u64,
    pub client_connect: u64,
    pub client_connected: u64,
    pub client_disconnected: u64,
    pub client_handed_over: u64,
    pub session_created: u64,
    pub session_resumed: u64,
    pub session_takenover: u64,
    pub session_terminated: u64,
    /// Times that a publisher's acknowledgements waited for a subscriber that was behind, and that a subscriber was behind
    /// for so long that it slows nobody any more.
    pub publishers_slowed: u64,
    pub subscribers_lagging: u64,
    /// Client ids that came and went too often.
    pub flapping_detected: u64,
    /// Messages that came to wait.
    pub messages_delayed: u64,
    /// Retained messages that were removed because their expiry, or the one that the limits set, had passed.
    pub retained_expired: u64,
    /// By `CloseReason as usize`.
    pub closes: Tally<{ CloseReason::ALL.len() }>,
    /// By `DropReason as usize`.
    pub drops: Tally<{ DropReason::ALL.len() }>,
    // Gauges.
    pub connections: u64,
    pub sessions: u64,
    /// Adapters of private protocols: one for each device listener, and those of before that connections still use.
    pub adapters: u64,
    pub subscriptions: u64,
    /// Of them, those to groups.
    pub shared_subscriptions: u64,
    /// Groups and claimed topics that are at home here.
    pub groups: u64,
    pub retained: u64,
    pub retained_bytes: u64,
    /// Bytes waiting in the queues of sessions.
    pub queued_bytes: u64,
    /// Bytes of the Wills of sessions.
    pub will_bytes: u64,
    /// Bans that hold; the same on every shard.
    pub bans: u64,
    /// Messages of `$delayed/...` that wait, and their bytes.
    pub delayed: u64,
    pub delayed_bytes: u64,
}
