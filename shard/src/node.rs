//! A node: its shards, from the probe at start to the drain.

use crate::{Mailbox, Settings};
use std::net::SocketAddr;
use std::time::Duration;

/// Why a node did not start. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address cannot be bound.
    #[error("cannot listen on {address} ({listener}): {source}")]
    Bind {
        /// Name in the configuration.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
}

/// The running shards.
pub struct Node {}

impl Node {
    /// Probes the kernel, binds, starts every shard; returns when all of them accept.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let _ = settings;
        todo!()
    }

    /// The bound address of each listener, by `ListenerId`.
    pub fn addresses(&self) -> &[SocketAddr] {
        todo!()
    }

    /// One mailbox a shard.
    pub fn mailboxes(&self) -> &[Mailbox] {
        todo!()
    }

    /// Stops accepting, tells MQTT 5 clients 0x8B, flushes, ends the shards. True when all ended within `timeout`.
    pub fn drain(self, timeout: Duration) -> bool {
        let _ = timeout;
        todo!()
    }
}
