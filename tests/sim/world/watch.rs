//! Checks that the world makes while it runs: every connection ends once and for a reason that is true, limits hold after
//! every turn, and silence is ended in time.

use super::socket::{Place, SocketId, socket_of};
use super::{Sabotage, World};
use crate::checks::Failure;
use crate::history::Step;
use ringwire_core::{CloseReason, DropReason, Input};
use std::net::SocketAddr;

/// Milliseconds by which a timer may be late, beyond the tick that fires it.
const TIMER_SLACK_MS: u64 = 2_000;

impl World {
    /// A connection ended, says the engine.
    pub(super) fn saw_close(
        &mut self,
        shard: usize,
        step: Step,
        peer: SocketAddr,
        reason: CloseReason,
        detail: &str,
    ) {
        let Some(id) = socket_of(peer).filter(|id| *id < self.sockets.len()) else {
            self.fail(Failure::new(
                "every_connection_ends_once",
                format!("a note names {peer}"),
            ));
            return;
        };
        self.sockets[id].notes.push(reason);
        self.sockets[id].end(step);
        let owner = self.sockets[id].owner.clone();
        let sessions = self.history.sessions.iter_mut();
        (sessions.filter(|session| session.client_id == owner)).for_each(|session| session.losses.push(step));
        if self.sockets[id].notes.len() > 1 {
            let text = format!("{owner:?} ended more than once: {:?}", self.sockets[id].notes);
            self.fail(Failure::new("every_connection_ends_once", text));
        }
        self.life_pauses(shard, step, id, reason);
        if self.sockets[id].honest && !self.is_true(id, reason) {
            let text = format!(
                "{owner:?} was closed on shard {shard}: {} ({detail})",
                reason.name()
            );
            self.fail(Failure::new("honest_clients_are_not_disturbed", text));
        }
    }

    /// Whether the reason for which an honest connection ended is a fact.
    fn is_true(&self, id: SocketId, reason: CloseReason) -> bool {
        let socket = &self.sockets[id];
        let silent_ms = self.now.millis_since(socket.last_fed);
        match reason {
            CloseReason::Normal => socket.has_disconnected() && !socket.goodbye_says.with_will,
            CloseReason::DisconnectWithWill => socket.has_disconnected() && socket.goodbye_says.with_will,
            CloseReason::ProtocolError => socket.has_disconnected() && socket.goodbye_says.is_wrong,
            CloseReason::PeerClosed | CloseReason::SocketError | CloseReason::SendTimeout => {
                socket.closed_input
            }
            CloseReason::IdleTimeout => {
                let idle_ms = self.now.millis_since(socket.opened);
                !socket.connected && idle_ms >= self.scenario.mqtt().idle_timeout_ms
            }
            CloseReason::KeepaliveTimeout => {
                let silence_ms = socket.greeting_says.silence_ms;
                silence_ms > 0 && silent_ms >= silence_ms
            }
            CloseReason::TakenOver => self.sockets[id + 1..]
                .iter()
                .any(|later| later.owner == socket.owner),
            CloseReason::Banned => self.is_banned_there(id),
            CloseReason::Kicked => self.was_kicked(&socket.owner),
            CloseReason::ServerShuttingDown => self.is_draining(),
            CloseReason::SlowConsumer => socket.listener == crate::scenario::PRIVATE,
            CloseReason::ProtocolNotConnected
            | CloseReason::ProtocolAlreadyConnected
            | CloseReason::MalformedPacket
            | CloseReason::IllegalFrame
            | CloseReason::BadChecksum
            | CloseReason::AdapterFailed
            | CloseReason::PacketTooLarge
            | CloseReason::UnsupportedVersion
            | CloseReason::InvalidClientId
            | CloseReason::AuthenticationFailed
            | CloseReason::NotAuthorized
            | CloseReason::ReceiveMaximumExceeded
            | CloseReason::TopicAliasInvalid
            | CloseReason::QoSNotSupported
            | CloseReason::RetainNotSupported
            | CloseReason::SubscriptionIdentifiersNotSupported
            | CloseReason::PayloadFormatInvalid
            | CloseReason::TopicInvalid
            | CloseReason::QuotaExceeded
            | CloseReason::ServerBusy
            | CloseReason::NotSupported => false,
        }
    }

    /// The broker says that it drops messages for a client.
    pub(super) fn saw_drop(&mut self, client_id: &str, reason: DropReason) {
        match reason {
            DropReason::SlowConsumer
            | DropReason::QueueFull
            | DropReason::TooLarge
            | DropReason::Expired
            | DropReason::Unencodable
            | DropReason::NotAcknowledged
            | DropReason::GroupEnded
            | DropReason::ReturnedTooOften => {
                self.history.drops.push((client_id.to_owned(), reason.name()));
            }
            DropReason::MeshFull
            | DropReason::FrameUnreadable
            | DropReason::Qos0Offline
            | DropReason::NoLocal
            | DropReason::NoSubscribers
            | DropReason::NotAuthorized
            | DropReason::SubscribeNotAuthorized
            | DropReason::DelayedFull
            | DropReason::TopicInvalid
            | DropReason::RetainedFull
            | DropReason::PayloadFormatInvalid => {}
        }
    }

    /// After a turn: no out box, table or store is over its limit.
    pub(super) fn watch_limits(&mut self, shard: usize) {
        let limits = self.scenario.settings.limits.clone();
        // What is said at once (acknowledgements, pongs, one last packet) comes on top of what waits for room.
        let outbox_max = limits.outbox_bytes + self.scenario.mqtt().max_packet_size as usize + 4_096;
        for number in 0..self.shards[shard].slots.len() {
            let slot = &self.shards[shard].slots[number];
            let Some(id) = slot.socket else { continue };
            let connection = ringwire_core::ConnectionId {
                slot: number as u32,
                generation: slot.generation,
            };
            let backlog = self.shards[shard].actions.outbox(connection).backlog();
            if backlog > outbox_max {
                let text = format!(
                    "{backlog} bytes wait for {:?}, limit {outbox_max}",
                    self.sockets[id].owner
                );
                self.fail(Failure::new("limits_are_kept", text));
            }
        }
        if self.random.chance(5) {
            self.watch_tables(shard);
        }
    }

    fn watch_tables(&mut self, shard: usize) {
        let limits = self.scenario.settings.limits.clone();
        let engine = &self.shards[shard].engine;
        let stats = engine.stats();
        let mut over = Vec::new();
        for client in engine.clients(None, "", usize::MAX) {
            let kept = client.mqueue_len <= limits.queue_messages
                && client.inflight_cnt <= usize::from(limits.inflight)
                && client.subscriptions_cnt <= limits.subscriptions;
            if !kept {
                over.push(format!("{client:?}"));
            }
        }
        let open = self.shards[shard]
            .slots
            .iter()
            .filter(|slot| slot.socket.is_some())
            .count() as u64;
        if stats.retained > limits.retained_messages as u64
            || stats.retained_bytes > limits.retained_bytes as u64
            || stats.sessions > limits.sessions as u64
            || stats.connections > open
        {
            over.push(format!("{stats:?} with {open} sockets"));
        }
        if let Some(over) = over.into_iter().next() {
            self.fail(Failure::new("limits_are_kept", over));
        }
    }

    /// A shard's timers fire; whoever has been silent for too long is closed by then.
    pub(super) fn wake(&mut self, shard: usize) {
        if self.sabotage == Some(Sabotage::HideSilence) {
            for slot in 0..self.shards[shard].slots.len() {
                let connection = self.connection(shard, slot);
                self.feed(
                    shard,
                    Input::Received {
                        connection,
                        bytes: &[],
                    },
                );
            }
        }
        self.feed(shard, Input::Tick);
        self.lives_go_on(shard);
        for id in 0..self.sockets.len() {
            let socket = &self.sockets[id];
            let Place::Slot(seated, number) = socket.place else {
                continue;
            };
            let slot = &self.shards[shard].slots.get(number);
            // A timer of the same tick may have paused it, or let it be read again.
            let live = seated == shard
                && slot.is_some_and(|slot| !slot.closing && !slot.forgotten && !slot.paused)
                && !self.is_paused(shard, number);
            let silent_ms = self.now.millis_since(socket.last_fed);
            let silence_ms = socket.greeting_says.silence_ms;
            if live && socket.connected && silence_ms > 0 && silent_ms > silence_ms + TIMER_SLACK_MS {
                let text = format!(
                    "{:?} has been silent for {silent_ms} ms and is not closed",
                    socket.owner
                );
                self.fail(Failure::new("silence_is_ended", text));
            }
        }
    }

    /// Nothing is under way anywhere.
    pub fn is_quiet(&self) -> bool {
        self.unquiet().is_empty()
    }

    /// What is under way, in words; empty when nothing is.
    pub fn unquiet(&self) -> String {
        let mut words = Vec::new();
        for (id, socket) in self
            .sockets
            .iter()
            .enumerate()
            .filter(|(_, socket)| !socket.is_quiet())
        {
            words.push(format!(
                "socket {id} of {:?} {:?}: {} up, {} in the kernel, {} down, end {:?}",
                socket.owner,
                socket.place,
                socket.up.len(),
                socket.kernel.len(),
                socket.down.len(),
                socket.client_end
            ));
        }
        let mesh: usize = self.mesh.iter().map(|queue| queue.len()).sum();
        let waiting: usize = self
            .shards
            .iter()
            .flat_map(|shard| &shard.waiting)
            .map(|queue| queue.len())
            .sum();
        if mesh + waiting > 0 {
            words.push(format!("{} items between shards", mesh + waiting));
        }
        for (index, shard) in self.shards.iter().enumerate() {
            let slots = shard.slots.iter().filter(|slot| slot.socket.is_some());
            let stuck = slots
                .filter(|slot| slot.paused || slot.dirty || slot.closing)
                .count();
            if stuck > 0 {
                words.push(format!(
                    "{stuck} slots of shard {index} are paused, unsent or not closed"
                ));
            }
        }
        words.join("; ")
    }

    /// Every connection that an engine was told of ended with one note.
    pub fn every_connection_has_ended(&self) -> Result<(), Failure> {
        for (id, socket) in self.sockets.iter().enumerate() {
            if socket.place != Place::Gone || socket.notes.len() != 1 {
                let text = format!(
                    "socket {id} of {:?} at {:?}: {:?}",
                    socket.owner, socket.place, socket.notes
                );
                return Err(Failure::new("every_connection_ends_once", text));
            }
        }
        let counted: u64 = self.stats().iter().flat_map(|stats| *stats.closes).sum();
        if counted != self.sockets.len() as u64 {
            let text = format!("{counted} closes counted, {} connections", self.sockets.len());
            return Err(Failure::new("every_connection_ends_once", text));
        }
        Ok(())
    }

    /// With nobody left there is nothing to wait for, but for the end of what is retained: a Will may be, of a connection
    /// whose client never knew that it stood.
    pub fn no_timer_is_left(&self) -> Result<(), Failure> {
        let shards = self.shards.iter().enumerate();
        for (index, shard) in shards.filter(|(_, shard)| shard.engine.stats().retained == 0) {
            if let Some(wake) = shard.engine.next_wake() {
                let text = format!("shard {index} wants to wake at {wake:?}, it is {:?}", self.now);
                return Err(Failure::new("everything_drains", text));
            }
        }
        Ok(())
    }
}
