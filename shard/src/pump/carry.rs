//! The second half of a turn: what the engine wants is carried out, in the order that `Actions` promises.
//!
//! Posts first, so that other shards can see them before a client sees an answer; then one write a dirty socket; then
//! what is to be closed, which flushes first. The lists are emptied in place and used again in the next turn.

use super::Pump;
use crate::mesh::Envelope;
use ringwire_core::ask::Step;
use ringwire_core::{Answer, Ask, CloseReason, Input, Note};
use std::mem::take;
use std::os::fd::AsFd;

impl Pump {
    /// True when posting made the engine want more posted or asked: another turn is due.
    pub(super) fn carry_out(&mut self) -> bool {
        self.ask();
        self.post();
        let mut dirty = take(&mut self.actions.dirty);
        for connection in dirty.drain(..) {
            self.wire.write(connection, self.actions.outbox(connection));
        }
        self.actions.dirty = dirty;
        let mut closes = take(&mut self.actions.closes);
        for (connection, _) in closes.drain(..) {
            self.wire.close(connection, &mut self.actions);
        }
        self.actions.closes = closes;
        let mut ended = take(&mut self.ended);
        for connection in ended.drain(..) {
            self.wire.close(connection, &mut self.actions);
        }
        self.ended = ended;
        for (connection, paused) in self.actions.pauses.drain(..) {
            self.wire.pause(connection, paused);
        }
        for note in self.actions.notes.drain(..) {
            log(self.shard.0, &note);
        }
        self.wire.arm();
        !self.actions.posts.is_empty() || !self.actions.asks.is_empty()
    }

    /// Puts what the engine asks on its way. First, because what cannot be asked is answered at once, with actions of its own.
    fn ask(&mut self) {
        if self.actions.asks.is_empty() {
            return;
        }
        for Ask { connection, step } in take(&mut self.actions.asks) {
            let is_question = step != Step::Abandon;
            let ask = Ask { connection, step };
            let authority = self.authority.as_ref();
            let taken = authority.is_some_and(|authority| authority.ask(self.shard, ask));
            if !taken && is_question {
                let answer = Answer::Busy;
                let input = Input::Answered { connection, answer };
                self.engine.handle(self.now, input, &mut self.actions);
            }
        }
    }

    /// Posts parcels, and sockets that move to their home shard; tells the engine which queues are full.
    fn post(&mut self) {
        for (to, parcel) in self.actions.posts.drain(..) {
            self.outgoing.add(to, Envelope::Parcel(parcel));
        }
        let mut hand_overs = take(&mut self.actions.hand_overs);
        for hand_over in hand_overs.drain(..) {
            if let Some(socket) = self.wire.release(hand_over.connection, &mut self.actions) {
                let envelope = Envelope::HandOver {
                    fd: socket.into(),
                    adoption: hand_over.adoption,
                };
                self.outgoing.add(hand_over.to, envelope);
            }
        }
        self.actions.hand_overs = hand_overs;
        let (ring, bells) = (&mut self.wire.ring, &self.bells);
        let doorbells = &mut self.stats.doorbells;
        let posted = self.outgoing.post(&mut self.port, |shard| {
            *doorbells += 1;
            ring.ring(bells[shard.index()].as_fd());
        });
        self.stats.mesh_batches_sent += posted.batches;
        self.stats.mesh_full += posted.congested.len() as u64;
        for shard in posted.congested {
            self.engine
                .handle(self.now, Input::Congested { shard }, &mut self.actions);
        }
        for shard in posted.relieved {
            self.engine
                .handle(self.now, Input::Relieved { shard }, &mut self.actions);
        }
    }
}

/// One line a note. What ends well informs, the rest warns.
fn log(shard: u16, note: &Note) {
    match note {
        Note::Connected {
            client_id,
            peer,
            protocol,
            session_present,
            ..
        } => {
            tracing::info!(target: "ringwire::client", shard, client_id, %peer, protocol, session_present, "connected");
        }
        Note::Closed {
            client_id,
            peer,
            reason,
            detail,
            ..
        } => {
            let reason_name = reason.name();
            if is_ordinary(*reason) {
                tracing::info!(target: "ringwire::client", shard, client_id, %peer, reason = reason_name, detail, "closed");
            } else {
                tracing::warn!(target: "ringwire::client", shard, client_id, %peer, reason = reason_name, detail, "closed");
            }
        }
        Note::Dropped {
            client_id,
            reason,
            topic,
            detail,
        } => {
            let reason = reason.name();
            tracing::warn!(target: "ringwire::client", shard, client_id, reason, topic, detail, "dropping messages");
        }
        Note::Unreadable {
            client_id,
            peer,
            detail,
            ..
        } => {
            let reason = ringwire_core::DropReason::FrameUnreadable.name();
            tracing::warn!(target: "ringwire::client", shard, client_id, %peer, reason, detail, "left out");
        }
        Note::Banned {
            kind,
            who,
            by,
            reason,
        } => {
            tracing::warn!(target: "ringwire::client", shard, kind, who, by, reason, "banned");
        }
    }
}

/// Ends that are nobody's mistake, and those of the network, of which a broker sees thousands.
fn is_ordinary(reason: CloseReason) -> bool {
    matches!(
        reason,
        CloseReason::Normal
            | CloseReason::DisconnectWithWill
            | CloseReason::PeerClosed
            | CloseReason::SocketError
            | CloseReason::KeepaliveTimeout
            | CloseReason::TakenOver
            | CloseReason::Kicked
            | CloseReason::ServerShuttingDown
    )
}
