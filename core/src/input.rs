//! What happens to an engine.

use crate::bans::{Ban, Banned};
use crate::{Adoption, Answer, ConnectionId, ListenerId, Message, Parcel, ShardId};
use ringwire_codec::adapter::Blueprint;
use std::net::SocketAddr;
use std::sync::Arc;

/// Something that happened, told to `Engine::handle`.
#[derive(Debug)]
pub enum Input<'a> {
    /// A socket was accepted. Until the client id is known nothing is armed that could not move to another shard.
    Opened {
        /// Chosen by the shard.
        connection: ConnectionId,
        /// Where it was accepted.
        listener: ListenerId,
        /// Who is on the other end.
        peer: SocketAddr,
    },
    /// Bytes arrived. The engine takes all of them: what it cannot decode yet it keeps.
    Received {
        /// Whose.
        connection: ConnectionId,
        /// Valid during the call only.
        bytes: &'a [u8],
    },
    /// The socket is gone (not by our own `Close`, which needs no echo).
    Closed {
        /// Whose.
        connection: ConnectionId,
        /// Why, as the shard saw it.
        cause: SocketCause,
    },
    /// Another shard handed a connection over: this is the home of its client id. The greeting is decoded again here.
    Adopted {
        /// Chosen by this shard.
        connection: ConnectionId,
        /// What the other shard sent.
        adoption: Adoption,
    },
    /// Another shard posted a parcel. Parcels of one shard arrive in the order in which it posted them.
    Parcel {
        /// Who posted it.
        from: ShardId,
        /// What.
        parcel: Parcel,
    },
    /// The out buffer of a connection that has `Outbox::watch` set fell to `Outbox::low_water` or below.
    Drained {
        /// Whose.
        connection: ConnectionId,
    },
    /// The mesh queue to a shard is full: parcels wait at the sender. Posting goes on being legal (the shard keeps what
    /// does not fit), but QoS 0 to it is dropped and QoS 1/2 publishers are paused.
    Congested {
        /// The destination.
        shard: ShardId,
    },
    /// The mesh queue to a shard has room again.
    Relieved {
        /// The destination.
        shard: ShardId,
    },
    /// The answer to an ask. Ignored when the connection has ended meanwhile.
    Answered {
        /// Of the ask.
        connection: ConnectionId,
        /// What was found.
        answer: Answer,
    },
    /// The administrator closes a client.
    Kick {
        /// Client id.
        client_id: &'a str,
    },
    /// A message that no client published: from the admin endpoint. Routed like any other.
    Inject {
        /// The message.
        message: Arc<Message>,
    },
    /// The administrator removes the retained message of a topic that is at home here.
    Forget {
        /// The topic.
        topic: &'a str,
    },
    /// The administrator bans somebody: every shard is told.
    Ban {
        /// Whom, and until when.
        ban: Arc<Ban>,
    },
    /// The administrator lifts a ban: every shard is told.
    Unban {
        /// Whose.
        who: &'a Banned,
    },
    /// From now on new connections of a device listener speak with an adapter of this. Its `fields` have what the listener's
    /// up topic names; who is connected goes on as before.
    Adapt {
        /// A device listener.
        listener: ListenerId,
        /// What is spoken there.
        adapter: Arc<dyn Blueprint>,
    },
    /// Time has passed: timers that are due fire. Sent at least when `Engine::next_wake` is reached.
    Tick,
    /// The node stops: tell every client (0x8B to 5.0 clients), close every connection, accept none.
    Drain,
}

/// Why a socket ended without the engine's asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketCause {
    /// The peer closed its sending side.
    PeerClosed,
    /// Reset or another error of the socket.
    Failed,
    /// Nothing could be sent for `send_timeout`.
    SendTimeout,
}
