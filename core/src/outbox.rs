//! Bytes on their way to one connection: a contiguous buffer for small frames, references for large payloads.
//!
//! The engine appends; the shard takes everything at once, writes it with one system call, and says how much is still
//! in flight. Memory is given back when it is empty: no buffer belongs to an idle connection.

use crate::Message;
use std::sync::Arc;

/// Bytes waiting for one socket.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Frames, in order. A reference at offset `at` stands between `buffer[..at]` and `buffer[at..]`.
    pub buffer: Vec<u8>,
    /// Large payloads that were not copied, by ascending offset.
    pub references: Vec<Reference>,
    /// Bytes of `references`.
    pub reference_bytes: usize,
    /// Bytes that the shard took out and the kernel has not taken yet. Kept by the shard.
    pub in_flight: usize,
    /// The engine wants `Input::Drained` once when `backlog()` falls to `low_water` or below; the shard clears it then.
    pub watch: bool,
    /// See `watch`; bytes.
    pub low_water: usize,
    /// The connection stands in `Actions::dirty`. Cleared by the shard when it takes the bytes.
    pub dirty: bool,
}

/// A payload that goes out by reference.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Offset into the buffer before which the payload stands.
    pub at: usize,
    /// Whose payload.
    pub message: Arc<Message>,
}

impl Reference {
    /// The bytes that stand there.
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }
}

impl Outbox {
    /// Bytes not yet taken by the kernel: what a slow reader makes grow.
    pub fn backlog(&self) -> usize {
        self.buffer.len() + self.reference_bytes + self.in_flight
    }

    /// Nothing waits to be taken by the shard (bytes may be in flight).
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.references.is_empty()
    }

    /// Appends a message's payload by reference.
    pub fn refer(&mut self, message: Arc<Message>) {
        self.reference_bytes += message.payload().len();
        self.references.push(Reference {
            at: self.buffer.len(),
            message,
        });
    }

    /// Forgets everything: the connection is gone and its slot will be reused.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
