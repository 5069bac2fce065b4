//! A shard's turn: it takes a few of the inputs that are there, in any order that the kernel and the mesh allow, and then
//! carries out what its engine asked for. And the network, which moves bytes between turns.

use super::socket::{Mark, Place, SocketId};
use super::{Item, Sabotage, Slot, World};
use crate::checks::Failure;
use crate::history::MessageId;
use ringwire_core::input::SocketCause;
use ringwire_core::{ConnectionId, Input, Parcel, ShardId};

/// An input that a shard could take now.
#[derive(Clone, Copy, Debug)]
enum Candidate {
    Accept(SocketId),
    Read(usize),
    Gone(usize, SocketCause),
    Mesh(usize),
    Drained(usize),
    Tick,
}

impl World {
    /// One turn of a shard. False when it had nothing to do.
    pub fn turn(&mut self, shard: usize) -> bool {
        let inputs = if self.calm {
            64
        } else {
            self.random.between(1, self.scenario.turn_inputs)
        };
        let mut worked = false;
        for _ in 0..inputs {
            let candidates = self.candidates(shard);
            if candidates.is_empty() {
                break;
            }
            let candidate = *self.random.pick(&candidates);
            self.take(shard, candidate);
            worked = true;
        }
        self.carry_out(shard);
        worked
    }

    fn candidates(&mut self, index: usize) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let incoming = self
            .sockets
            .iter()
            .position(|socket| socket.place == Place::Incoming(index));
        candidates.extend(incoming.map(Candidate::Accept));
        for number in 0..self.shards[index].slots.len() {
            let slot = &self.shards[index].slots[number];
            if let Some(socket) = slot.socket.filter(|_| !slot.closing) {
                self.slot_candidates(index, number, socket, &mut candidates);
            }
        }
        for from in 0..self.shards.len() {
            if !self.mesh[from * self.shards.len() + index].is_empty() {
                candidates.push(Candidate::Mesh(from));
            }
        }
        if self.sabotage != Some(Sabotage::LoseTicks)
            && self.shards[index]
                .engine
                .next_wake()
                .is_some_and(|wake| wake <= self.now)
        {
            candidates.push(Candidate::Tick);
        }
        candidates
    }

    fn slot_candidates(
        &mut self,
        index: usize,
        number: usize,
        id: SocketId,
        candidates: &mut Vec<Candidate>,
    ) {
        let slot = &self.shards[index].slots[number];
        let socket = &self.sockets[id];
        // The greeting is read once a turn: nothing may be armed on a socket that can still move.
        let readable = !slot.paused && (socket.connected || !slot.read);
        if readable && !socket.up.is_empty() {
            candidates.push(Candidate::Read(number));
        }
        if slot.forgotten {
            return;
        }
        let cause = match socket.client_end {
            Some(SocketCause::PeerClosed) => socket.up.is_empty().then_some(SocketCause::PeerClosed),
            Some(SocketCause::Failed) => (slot.paused || socket.up.is_empty()).then_some(SocketCause::Failed),
            Some(SocketCause::SendTimeout) | None => None,
        };
        let stuck =
            !socket.kernel.is_empty() && self.now.millis_since(slot.moved) > self.scenario.send_timeout_ms;
        let cause = cause.or(stuck.then_some(SocketCause::SendTimeout));
        candidates.extend(cause.map(|cause| Candidate::Gone(number, cause)));
        let connection = self.connection(index, number);
        let outbox = self.shards[index].actions.outbox(connection);
        if outbox.watch
            && outbox.backlog() <= outbox.low_water
            && self.sabotage != Some(Sabotage::LoseDrained)
        {
            candidates.push(Candidate::Drained(number));
        }
    }

    fn take(&mut self, shard: usize, candidate: Candidate) {
        match candidate {
            Candidate::Accept(socket) => self.accept(shard, socket),
            Candidate::Read(slot) => self.receive(shard, slot),
            Candidate::Gone(slot, cause) => self.gone(shard, slot, cause),
            Candidate::Mesh(from) => self.unload(from, shard),
            Candidate::Drained(slot) => {
                let connection = self.connection(shard, slot);
                self.shards[shard].actions.outbox(connection).watch = false;
                self.feed(shard, Input::Drained { connection });
            }
            Candidate::Tick => self.wake(shard),
        }
    }

    pub(super) fn connection(&self, shard: usize, slot: usize) -> ConnectionId {
        let generation = self.shards[shard].slots[slot].generation;
        ConnectionId {
            slot: slot as u32,
            generation,
        }
    }

    /// A slot for a socket: the first that is free.
    fn seat(&mut self, shard: usize, id: SocketId) -> ConnectionId {
        let now = self.now;
        let slots = &mut self.shards[shard].slots;
        let free = slots.iter().position(|slot| slot.socket.is_none());
        let number = free.unwrap_or_else(|| {
            slots.push(Slot::default());
            slots.len() - 1
        });
        let generation = slots[number].generation.wrapping_add(1);
        slots[number] = Slot {
            generation,
            socket: Some(id),
            moved: now,
            ..Slot::default()
        };
        self.sockets[id].place = Place::Slot(shard, number);
        ConnectionId {
            slot: number as u32,
            generation,
        }
    }

    fn accept(&mut self, shard: usize, id: SocketId) {
        let connection = self.seat(shard, id);
        let socket = &mut self.sockets[id];
        socket.opened = self.now;
        socket.last_fed = self.now;
        let (listener, peer) = (socket.listener, socket.peer);
        self.feed(
            shard,
            Input::Opened {
                connection,
                listener,
                peer,
            },
        );
    }

    fn receive(&mut self, shard: usize, number: usize) {
        let connection = self.connection(shard, number);
        let slot = &mut self.shards[shard].slots[number];
        let id = slot.socket.expect("candidates name slots that are in use");
        slot.read = true;
        let stale = slot.forgotten;
        let socket = &mut self.sockets[id];
        let all = self.calm || self.random.chance(60);
        let count = if all {
            socket.up.len().min(4_096)
        } else {
            1 + self.random.below(socket.up.len().min(300))
        };
        let bytes: Vec<u8> = socket.up.drain(..count).collect();
        let bytes = self.spoil_claim(self.spoil_delay(bytes));
        let socket = &mut self.sockets[id];
        if !socket.connected {
            socket.greeting.extend(&bytes);
        }
        if !stale {
            socket.fed += count;
            socket.last_fed = self.now;
        }
        self.feed(
            shard,
            Input::Received {
                connection,
                bytes: &bytes,
            },
        );
        if !stale {
            self.took_bytes(shard, number, id);
        }
    }

    /// An engine had bytes: looks which packets are whole, unless the connection is on its way to its home.
    fn took_bytes(&mut self, shard: usize, number: usize, id: SocketId) {
        let step = self.step;
        let connection = self.connection(shard, number);
        let handed_over = self.shards[shard]
            .actions
            .hand_overs
            .iter()
            .any(|entry| entry.connection == connection);
        if handed_over {
            return;
        }
        let forgotten = self.shards[shard].slots[number].forgotten;
        let paused = self.is_paused(shard, number);
        while let Some((end, mark)) = self.sockets[id].marks.front().copied() {
            if end > self.sockets[id].fed {
                break;
            }
            self.sockets[id].marks.pop_front();
            match mark {
                Mark::Publish(message) => {
                    let certain = !paused && (!forgotten || self.sockets[id].disconnects_now());
                    self.took_message(shard, message, step, certain);
                    self.owes(id, message, paused);
                    self.sockets[id].published.push(message);
                    self.show_delayed(shard, message);
                }
                Mark::Subscribe(session, sent) => self.history.subscribe_fed(session, sent, step),
                Mark::Disconnect => self.sockets[id].disconnected = true,
            }
        }
    }

    /// Whether the engine wants a connection not to be read, carried out or not.
    pub(super) fn is_paused(&self, shard: usize, number: usize) -> bool {
        let connection = self.connection(shard, number);
        let mut asked = self.shards[shard].actions.pauses.iter();
        let last = asked.rfind(|(paused, _)| *paused == connection);
        last.map_or(self.shards[shard].slots[number].paused, |(_, paused)| *paused)
    }

    fn gone(&mut self, shard: usize, number: usize, cause: SocketCause) {
        let connection = self.connection(shard, number);
        let id = self.shards[shard].slots[number]
            .socket
            .expect("candidates name slots that are in use");
        let step = self.step + 1;
        self.sockets[id].closed_input = true;
        self.sockets[id].end(step);
        self.feed(shard, Input::Closed { connection, cause });
        self.leave(shard, number);
    }

    /// A slot is free again.
    pub(super) fn leave(&mut self, shard: usize, number: usize) {
        let connection = self.connection(shard, number);
        self.shards[shard].actions.outbox(connection).reset();
        let slot = &mut self.shards[shard].slots[number];
        if let Some(id) = slot.socket.take() {
            let socket = &mut self.sockets[id];
            if socket.client_end.is_some() || socket.closed_input {
                socket.kernel.clear();
            }
            socket.place = Place::Gone;
            socket.up.clear();
        }
        slot.generation = slot.generation.wrapping_add(1);
    }

    /// The next item of another shard.
    fn unload(&mut self, from: usize, to: usize) {
        let queue = from * self.shards.len() + to;
        match self.mesh[queue]
            .pop_front()
            .expect("candidates name queues that hold something")
        {
            Item::Parcel(parcel) => self.unload_parcel(from, to, parcel),
            Item::HandOver(id, adoption) => {
                let complete = adoption.received[..] == self.sockets[id].greeting[..]
                    && adoption.peer == self.sockets[id].peer
                    && adoption.listener == self.sockets[id].listener
                    && adoption.opened == self.sockets[id].opened;
                if !complete {
                    let text = format!("socket {id} arrived as {adoption:?}");
                    self.fail(Failure::new("hand_over_is_complete", text));
                }
                let connection = self.seat(to, id);
                self.sockets[id].last_fed = self.now;
                self.feed(to, Input::Adopted { connection, adoption });
                self.took_bytes(to, connection.index(), id);
            }
        }
    }

    fn unload_parcel(&mut self, from: usize, to: usize, parcel: Parcel) {
        if let Parcel::Retain(message) = &parcel {
            let topic = message.topic().to_owned();
            let home = self.placement.home(message.topic_bytes()).index();
            if home != to {
                let text = format!("the write of {topic:?} went to shard {to}, its home is {home}");
                self.fail(Failure::new("retained_lives_at_home", text));
            }
            let stored: Option<MessageId> = self.history.message_of(message.payload());
            let stored = stored.filter(|id| self.history.messages[*id].payload == *message.payload());
            let step = self.step + 1;
            self.wrote(to, &topic, step, stored, message.expires());
            if self.loses_write() {
                return;
            }
        }
        self.feed(
            to,
            Input::Parcel {
                from: ShardId(from as u16),
                parcel,
            },
        );
    }

    /// Bytes move from the kernel to a client, as far as the client's receive buffer takes them.
    pub fn network(&mut self) -> bool {
        let busy: Vec<SocketId> = (0..self.sockets.len())
            .filter(|id| !self.sockets[*id].kernel.is_empty())
            .collect();
        if busy.is_empty() {
            return false;
        }
        let id = *self.random.pick(&busy);
        let socket = &mut self.sockets[id];
        let room = match socket.client_end {
            Some(_) => usize::MAX,
            None => self.scenario.window_bytes.saturating_sub(socket.down.len()),
        };
        let most = socket.kernel.len().min(room);
        if most == 0 {
            return false;
        }
        let count = if self.calm || self.random.chance(70) {
            most
        } else {
            1 + self.random.below(most)
        };
        let moved: Vec<u8> = socket.kernel.drain(..count).collect();
        if socket.client_end.is_none() {
            socket.down.extend(&moved);
        }
        if let Place::Slot(shard, number) = socket.place {
            self.shards[shard].slots[number].moved = self.now;
            let connection = self.connection(shard, number);
            self.shards[shard].actions.outbox(connection).in_flight -= count;
        }
        true
    }
}
