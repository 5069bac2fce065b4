//! The admin endpoint: health, metrics and a small HTTP API on the control thread. Reaches shards by questions only.

use ringwire_shard::Mailbox;
use std::future::Future;
use std::net::SocketAddr;

/// What the endpoint serves from.
#[derive(Clone)]
pub struct Node {
    /// One a shard.
    pub mailboxes: Vec<Mailbox>,
    /// Placement of client ids, to ask only the home shard.
    pub placement: ringwire_core::placement::Placement,
    /// Name in `node` fields of answers.
    pub name: String,
}

/// A bound endpoint, not yet serving.
pub struct Admin {}

impl Admin {
    /// Binds `address`, which must be a loopback address as long as there are no credentials.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let _ = address;
        todo!()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        todo!()
    }

    /// Serves until `stop` is done. To be run on a tokio `current_thread` runtime.
    pub async fn serve(self, node: Node, stop: impl Future<Output = ()> + Send + 'static) {
        let _ = (node, stop);
    }
}

/// Why the endpoint cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Not loopback.
    #[error(
        "the admin endpoint has no credentials yet and listens on loopback only, not on {0}: use 127.0.0.1 or [::1], and a tunnel"
    )]
    NotLoopback(SocketAddr),
    /// The kernel said no.
    #[error("cannot listen on {address} (admin): {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
}
