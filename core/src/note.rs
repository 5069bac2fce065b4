//! What an operator wants to know: the engine's only logging. Connects, refusals, take-overs, closes, the first drop of
//! its kind on a connection; never one a message. The shard turns notes into log lines and traces.

use crate::{CloseReason, DropReason, ListenerId};
use std::net::SocketAddr;

/// Something worth a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A client was accepted.
    Connected {
        /// Client id.
        client_id: String,
        /// The other end.
        peer: SocketAddr,
        /// Where.
        listener: ListenerId,
        /// "mqtt 5.0", "private-tcp 1", "jt808", ...
        protocol: String,
        /// A kept session was resumed.
        session_present: bool,
    },
    /// A connection ended; exactly one for each connection, whoever ended it.
    Closed {
        /// Client id, empty before it was known.
        client_id: String,
        /// The other end.
        peer: SocketAddr,
        /// Where.
        listener: ListenerId,
        /// The named reason, also counted.
        reason: CloseReason,
        /// What exactly: for bytes that cannot be read the error, the offset and the first bytes in hex.
        detail: String,
    },
    /// The first bytes of a device that cannot be read and were left out; the rest is only counted.
    Unreadable {
        /// Client id, empty before it was known.
        client_id: String,
        /// The other end.
        peer: SocketAddr,
        /// Where.
        listener: ListenerId,
        /// The error, the offset and the first bytes in hex.
        detail: String,
    },
    /// The first message of a connection or session that was dropped for this reason; the rest is only counted.
    Dropped {
        /// Client id.
        client_id: String,
        /// The named reason, also counted.
        reason: DropReason,
        /// Topic of that first message.
        topic: String,
        /// What is wrong with it, where the reason does not say all; or empty.
        detail: String,
    },
    /// Somebody was banned, by the administrator or the flapping detector.
    Banned {
        /// "clientid", "username", "peerhost" or "peerhost_net".
        kind: &'static str,
        /// Whom.
        who: String,
        /// Who banned them.
        by: String,
        /// Why.
        reason: String,
    },
}
