//! The admin endpoint: health, metrics and a small HTTP API on the control thread. Reaches shards by questions only.
//!
//! Paths and fields follow EMQX's HTTP API where it has them. Without credentials it listens on loopback only and answers
//! only requests that name a loopback host. Each question to a shard has a deadline, each request, body and connection a
//! limit (`server.rs`), so that neither a slow shard nor a slow client holds the endpoint.

mod adapters;
mod ask;
mod banned;
mod clients;
mod health;
mod metrics;
mod moment;
mod paging;
mod publish;
mod refusal;
mod retainer;
mod server;

pub use adapters::{Adapter, Load};
pub use ask::ask_all;
pub use moment::text_of_ms as utc_text;

use ringwire_shard::Mailbox;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};

/// What the endpoint serves from.
#[derive(Clone)]
pub struct Node {
    /// One a shard.
    pub mailboxes: Vec<Mailbox>,
    /// Placement of client ids, to ask only the home shard.
    pub placement: ringwire_core::placement::Placement,
    /// Name in `node` fields of answers.
    pub name: String,
    /// The time of day when the shards' time began, in milliseconds since 1970.
    pub started_unix_ms: u64,
    /// Adapters of private protocols that the configuration has.
    pub adapters: Vec<Adapter>,
}

/// A bound endpoint, not yet serving.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Binds `address`, which must be a loopback address as long as there are no credentials.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        if !address.ip().is_loopback() {
            return Err(BindError::NotLoopback(address));
        }
        let bound = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound().map_err(|source| BindError::Bind { address, source })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done; requests that are not answered by then are cut off. To be run on a tokio
    /// `current_thread` runtime with time and IO enabled.
    pub async fn serve(self, node: Node, stop: impl Future<Output = ()> + Send + 'static) {
        server::serve(self.listener, node, stop).await;
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
