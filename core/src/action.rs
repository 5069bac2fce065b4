//! What an engine wants done: effects as data.
//!
//! The engine appends during a turn, the shard carries everything out at the turn's end, in this order: posts and
//! interest are already visible when a socket is written; each dirty out box is written; then closes close what was
//! flushed. Typed vectors rather than one enum: the hot path only touches out boxes and posts.

use crate::slots::Slots;
use crate::{Ask, CloseReason, ConnectionId, ListenerId, Note, Outbox, Parcel, ShardId, Time};
use bytes::Bytes;
use std::net::SocketAddr;

/// Everything that an engine asked for and that has not been carried out. Reused from turn to turn.
#[derive(Debug, Default)]
pub struct Actions {
    /// One out box a connection slot. The shard takes bytes out, the engine appends.
    outboxes: Slots<Outbox>,
    /// Connections whose out box got bytes since the shard last cleared this list; each at most once.
    pub dirty: Vec<ConnectionId>,
    /// Connections to close once their out box is flushed (or after `send_timeout`).
    pub closes: Vec<(ConnectionId, CloseReason)>,
    /// Connections to hand over to their home shard.
    pub hand_overs: Vec<HandOver>,
    /// Parcels for other shards, in order.
    pub posts: Vec<(ShardId, Parcel)>,
    /// Questions that somebody else must answer, in order.
    pub asks: Vec<Ask>,
    /// Connections whose socket is not to be read (`true`) or to be read again (`false`): back-pressure.
    pub pauses: Vec<(ConnectionId, bool)>,
    /// Things an operator wants to know; never one a message.
    pub notes: Vec<Note>,
}

/// A connection that moves to the home shard of its client id.
#[derive(Debug)]
pub struct HandOver {
    /// Its id on this shard; forgotten by the engine.
    pub connection: ConnectionId,
    /// The home shard.
    pub to: ShardId,
    /// What the home shard's engine needs.
    pub adoption: Adoption,
}

/// What travels with a handed-over socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Where it was accepted.
    pub listener: ListenerId,
    /// Who is on the other end.
    pub peer: SocketAddr,
    /// When it was accepted: deadlines count from there.
    pub opened: Time,
    /// Every byte received so far, from the greeting's first.
    pub received: Bytes,
}

impl Actions {
    /// The out box of a connection; made when it is first asked for.
    pub fn outbox(&mut self, connection: ConnectionId) -> &mut Outbox {
        let index = connection.index();
        self.outboxes.reach(index);
        &mut self.outboxes[index]
    }

    /// The out box to append to, and the connection is marked dirty.
    pub fn send(&mut self, connection: ConnectionId) -> &mut Outbox {
        let index = connection.index();
        self.outboxes.reach(index);
        let outbox = &mut self.outboxes[index];
        if !outbox.dirty {
            outbox.dirty = true;
            self.dirty.push(connection);
        }
        outbox
    }

    /// Asks to close a connection after its out box is flushed.
    pub fn close(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.closes.push((connection, reason));
    }

    /// Posts a parcel to another shard.
    pub fn post(&mut self, to: ShardId, parcel: Parcel) {
        self.posts.push((to, parcel));
    }

    /// Tells the operator.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }
}
