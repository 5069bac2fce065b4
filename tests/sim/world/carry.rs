//! Carrying out what an engine asked for, in the order that `Actions` names: posts, out boxes, then closes. And the trace
//! of it: the content of every action goes into the hash.

use super::socket::{Place, SocketId};
use super::{Item, Sabotage, World};
use crate::checks::Failure;
use crate::trace::{Trace, hex};
use ringwire_core::{ConnectionId, Input, Message, Note, Outbox, Parcel, ShardId};

impl World {
    /// Carries out everything that a shard's engine has asked for.
    pub(super) fn carry_out(&mut self, shard: usize) {
        self.spoil(shard);
        self.record(shard);
        self.post(shard);
        self.hand_over(shard);
        let pauses = std::mem::take(&mut self.shards[shard].actions.pauses);
        for (connection, paused) in pauses {
            self.reached(if paused { "paused" } else { "read again" });
            if let Some(number) = self.seated(shard, connection) {
                self.shards[shard].slots[number].paused = paused;
                let socket = self.shards[shard].slots[number].socket;
                // Nobody listened while it was paused, so its silence does not count.
                socket
                    .into_iter()
                    .for_each(|id| self.sockets[id].last_fed = self.now);
            }
        }
        self.flush(shard);
        self.finish(shard);
        self.watch_limits(shard);
        self.watch_acknowledgements(shard);
        self.watch_lives(shard);
        self.tell_congestion(shard);
    }

    /// The slot of a connection, if it is still the same connection.
    fn seated(&self, shard: usize, connection: ConnectionId) -> Option<usize> {
        let slot = self.shards[shard].slots.get(connection.index())?;
        let same = slot.generation == connection.generation && slot.socket.is_some();
        same.then_some(connection.index())
    }

    fn post(&mut self, from: usize) {
        for (to, parcel) in std::mem::take(&mut self.shards[from].actions.posts) {
            if to.index() == from || to.index() >= self.shards.len() {
                let text = format!(
                    "shard {from} posts to shard {}: {}",
                    to.0,
                    describe_parcel(&parcel)
                );
                self.fail(Failure::new("parcels_go_to_other_shards", text));
                continue;
            }
            self.shards[from].waiting[to.index()].push_back(Item::Parcel(parcel));
        }
    }

    fn hand_over(&mut self, from: usize) {
        self.shards[from].hand_overs_seen = 0;
        for hand_over in std::mem::take(&mut self.shards[from].actions.hand_overs) {
            let number = hand_over.connection.index();
            let Some(id) = self.shards[from].slots[number].socket else {
                continue;
            };
            let outbox = self.shards[from].actions.outbox(hand_over.connection);
            let backlog = outbox.backlog();
            outbox.reset();
            if backlog > 0 || hand_over.to.index() == from {
                let text = format!(
                    "shard {from} hands socket {id} to {:?}, {backlog} bytes waiting",
                    hand_over.to
                );
                self.fail(Failure::new("hand_over_is_complete", text));
            }
            let slot = &mut self.shards[from].slots[number];
            slot.socket = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.sockets[id].place = Place::Moving;
            let item = Item::HandOver(id, hand_over.adoption);
            self.shards[from].waiting[hand_over.to.index()].push_back(item);
        }
    }

    /// Fills the mesh and tells the engine when a queue becomes full, or has room again.
    fn tell_congestion(&mut self, from: usize) {
        let count = self.shards.len();
        for to in 0..count {
            let queue = from * count + to;
            while self.mesh[queue].len() < self.scenario.mesh_items {
                let Some(item) = self.shards[from].waiting[to].pop_front() else {
                    break;
                };
                self.mesh[queue].push_back(item);
            }
            let full = !self.shards[from].waiting[to].is_empty();
            if full == self.shards[from].congested[to] {
                continue;
            }
            self.shards[from].congested[to] = full;
            if !full && self.sabotage == Some(Sabotage::LoseRelieved) {
                continue;
            }
            let shard = ShardId(to as u16);
            self.feed(
                from,
                if full {
                    Input::Congested { shard }
                } else {
                    Input::Relieved { shard }
                },
            );
        }
    }

    /// Takes the bytes of every dirty connection whose last write is done.
    fn flush(&mut self, shard: usize) {
        for connection in std::mem::take(&mut self.shards[shard].actions.dirty) {
            // The slot of a connection that is gone was reset then, and may be somebody else's by now.
            if let Some(number) = self.seated(shard, connection) {
                self.shards[shard].actions.outbox(connection).dirty = false;
                self.shards[shard].slots[number].dirty = true;
            }
        }
        for number in 0..self.shards[shard].slots.len() {
            let slot = &self.shards[shard].slots[number];
            if let Some(id) = slot.socket.filter(|_| slot.dirty) {
                let late = !self.calm && self.random.chance(20);
                if self.sockets[id].kernel.is_empty() && !late {
                    self.send(shard, number, id);
                }
            }
        }
    }

    fn send(&mut self, shard: usize, number: usize, id: SocketId) {
        let now = self.now;
        let slot = &mut self.shards[shard].slots[number];
        slot.dirty = false;
        slot.moved = now;
        let connection = ConnectionId {
            slot: number as u32,
            generation: slot.generation,
        };
        let outbox = self.shards[shard].actions.outbox(connection);
        let bytes = contents(outbox);
        outbox.buffer.clear();
        outbox.references.clear();
        outbox.reference_bytes = 0;
        let bytes = self.pays(id, bytes);
        self.shards[shard].actions.outbox(connection).in_flight += bytes.len();
        self.sockets[id].kernel.extend(bytes);
    }

    /// Closes what is to be closed and flushed.
    fn finish(&mut self, shard: usize) {
        self.shards[shard].closes_seen = 0;
        for (connection, _) in std::mem::take(&mut self.shards[shard].actions.closes) {
            if let Some(number) = self.seated(shard, connection) {
                self.shards[shard].slots[number].closing = true;
            }
        }
        for number in 0..self.shards[shard].slots.len() {
            let slot = &mut self.shards[shard].slots[number];
            slot.read = false;
            let Some(id) = slot.socket.filter(|_| slot.closing) else {
                continue;
            };
            let stuck = self.now.millis_since(slot.moved) > self.scenario.send_timeout_ms;
            let connection = ConnectionId {
                slot: number as u32,
                generation: slot.generation,
            };
            let flushed = self.shards[shard].actions.outbox(connection).backlog() == 0;
            if flushed || stuck || self.sockets[id].client_end.is_some() {
                self.sockets[id].kernel.clear();
                self.leave(shard, number);
            }
        }
    }

    /// Puts the content of every action into the trace, and what is read for people into its text.
    fn record(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        let trace = &mut self.trace;
        trace.word(0x1000 + index as u64);
        for connection in shard.actions.dirty.clone() {
            record_connection(trace, connection);
            let bytes = contents(shard.actions.outbox(connection));
            trace.bytes(&bytes);
            trace.line(|| format!("  shard {index} sends to {}: {}", connection.slot, hex(&bytes)));
        }
        trace.word(shard.actions.closes.len() as u64);
        for (connection, reason) in &shard.actions.closes {
            record_connection(trace, *connection);
            trace.bytes(reason.name().as_bytes());
            trace.line(|| format!("  shard {index} closes {}: {}", connection.slot, reason.name()));
        }
        trace.word(shard.actions.hand_overs.len() as u64);
        for hand_over in &shard.actions.hand_overs {
            record_connection(trace, hand_over.connection);
            trace.word(u64::from(hand_over.to.0));
            trace.bytes(&hand_over.adoption.received);
            trace.word(hand_over.adoption.opened.as_millis());
            trace.line(|| {
                format!(
                    "  shard {index} hands {} to {}",
                    hand_over.connection.slot, hand_over.to.0
                )
            });
        }
        trace.word(shard.actions.posts.len() as u64);
        for (to, parcel) in &shard.actions.posts {
            trace.word(u64::from(to.0));
            record_parcel(trace, parcel);
            trace.line(|| format!("  shard {index} posts to {}: {}", to.0, describe_parcel(parcel)));
        }
        trace.word(shard.actions.pauses.len() as u64);
        for (connection, paused) in &shard.actions.pauses {
            record_connection(trace, *connection);
            trace.word(u64::from(*paused));
            trace.line(|| format!("  shard {index} pauses {}: {paused}", connection.slot));
        }
        shard.notes_seen = 0;
        for note in shard.actions.notes.drain(..) {
            record_note(trace, &note);
            trace.line(|| format!("  shard {index} notes {note:?}"));
        }
    }
}

/// Every byte of an out box, in order.
pub(super) fn contents(outbox: &Outbox) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(outbox.buffer.len() + outbox.reference_bytes);
    let mut from = 0;
    for reference in &outbox.references {
        bytes.extend(&outbox.buffer[from..reference.at]);
        bytes.extend_from_slice(reference.payload());
        from = reference.at;
    }
    bytes.extend(&outbox.buffer[from..]);
    bytes
}

fn record_connection(trace: &mut Trace, connection: ConnectionId) {
    trace.word(u64::from(connection.slot) << 32 | u64::from(connection.generation));
}

fn record_message(trace: &mut Trace, message: &Message) {
    trace.bytes(message.topic_bytes());
    trace.bytes(message.payload());
    trace.bytes(message.properties());
    trace.bytes(message.publisher());
    trace.word(message.qos as u64 * 2 + u64::from(message.retain));
}

fn record_parcel(trace: &mut Trace, parcel: &Parcel) {
    match parcel {
        Parcel::Publish(message) => {
            trace.word(1);
            record_message(trace, message);
        }
        Parcel::Retain(message) => {
            trace.word(2);
            record_message(trace, message);
        }
        Parcel::Recall {
            ticket,
            filter,
            after,
        } => {
            trace.word(3);
            trace.word(*ticket);
            trace.bytes(filter.as_bytes());
            trace.bytes(after.as_deref().unwrap_or_default().as_bytes());
        }
        Parcel::Recalled {
            ticket,
            messages,
            next,
        } => {
            trace.word(4);
            trace.word(*ticket);
            trace.bytes(next.as_deref().unwrap_or_default().as_bytes());
            messages.iter().for_each(|message| record_message(trace, message));
        }
        Parcel::Flush => trace.word(5),
        Parcel::Flushed => trace.word(6),
        Parcel::Slow { publisher } => {
            trace.word(7);
            trace.bytes(publisher);
        }
        Parcel::Eased { publisher } => {
            trace.word(8);
            trace.bytes(publisher);
        }
        Parcel::Reach { connection } => {
            trace.word(10);
            trace.bytes(&connection.slot.to_be_bytes());
        }
        Parcel::Reached { connection } => {
            trace.word(11);
            trace.bytes(&connection.slot.to_be_bytes());
        }
        // The derived text has every field.
        Parcel::Group(parcel) => trace.bytes(format!("{parcel:?}").as_bytes()),
        Parcel::Ban(ban) => {
            trace.word(9);
            trace.bytes(format!("{ban:?}").as_bytes());
        }
    }
}

fn record_note(trace: &mut Trace, note: &Note) {
    // The derived text has every field, and notes are few.
    trace.bytes(format!("{note:?}").as_bytes());
}

/// The name of an input, to count it by.
pub(super) fn name(input: &Input<'_>) -> &'static str {
    match input {
        Input::Opened { .. } => "opened",
        Input::Received { .. } => "received",
        Input::Closed { .. } => "closed",
        Input::Adopted { .. } => "adopted",
        Input::Parcel { parcel, .. } => match parcel {
            Parcel::Publish(_) => "publish parcel",
            Parcel::Retain(_) => "retain parcel",
            Parcel::Recall { .. } => "recall parcel",
            Parcel::Recalled { .. } => "recalled parcel",
            Parcel::Flush => "flush parcel",
            Parcel::Flushed => "flushed parcel",
            Parcel::Slow { .. } => "slow parcel",
            Parcel::Eased { .. } => "eased parcel",
            Parcel::Reach { .. } => "reach parcel",
            Parcel::Reached { .. } => "reached parcel",
            Parcel::Group(_) => "group parcel",
            Parcel::Ban(_) => "ban parcel",
        },
        Input::Drained { .. } => "drained",
        Input::Congested { .. } => "congested",
        Input::Relieved { .. } => "relieved",
        Input::Answered { .. } => "answered",
        Input::Kick { .. } => "kick",
        Input::Inject { .. } => "inject",
        Input::Forget { .. } => "forget",
        Input::Ban { .. } => "ban",
        Input::Unban { .. } => "unban",
        Input::Adapt { .. } => "adapt",
        Input::Tick => "tick",
        Input::Drain => "drain",
    }
}

/// An input for people.
pub(super) fn describe(input: &Input<'_>) -> String {
    match input {
        Input::Received { connection, bytes } => format!("Received {} {}", connection.slot, hex(bytes)),
        Input::Adopted { connection, adoption } => {
            format!(
                "Adopted {} {:?} {}",
                connection.slot,
                adoption.peer,
                hex(&adoption.received)
            )
        }
        Input::Parcel { from, parcel } => format!("Parcel from {}: {}", from.0, describe_parcel(parcel)),
        Input::Opened { connection, peer, .. } => format!("Opened {} {peer}", connection.slot),
        Input::Closed { .. }
        | Input::Drained { .. }
        | Input::Congested { .. }
        | Input::Relieved { .. }
        | Input::Answered { .. }
        | Input::Kick { .. }
        | Input::Inject { .. }
        | Input::Forget { .. }
        | Input::Ban { .. }
        | Input::Unban { .. }
        | Input::Adapt { .. }
        | Input::Tick
        | Input::Drain => format!("{input:?}"),
    }
}

fn describe_parcel(parcel: &Parcel) -> String {
    let named = |message: &Message| {
        let topic = message.topic();
        format!("{topic:?} {} qos {}", hex(message.payload()), message.qos as u8)
    };
    match parcel {
        Parcel::Publish(message) => format!("Publish {}", named(message)),
        Parcel::Retain(message) => format!("Retain {}", named(message)),
        Parcel::Recall {
            ticket,
            filter,
            after,
        } => format!("Recall {ticket} {filter:?} after {after:?}"),
        Parcel::Recalled {
            ticket,
            messages,
            next,
        } => {
            let messages: Vec<String> = messages.iter().map(|message| named(message)).collect();
            format!("Recalled {ticket} {messages:?} next {next:?}")
        }
        Parcel::Flush
        | Parcel::Flushed
        | Parcel::Slow { .. }
        | Parcel::Eased { .. }
        | Parcel::Reach { .. }
        | Parcel::Reached { .. }
        | Parcel::Group(_)
        | Parcel::Ban(_) => {
            format!("{parcel:?}")
        }
    }
}
