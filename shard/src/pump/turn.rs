//! The first half of a turn: what happened becomes inputs of the engine.

use super::Pump;
use crate::link::{Link, Reading};
use crate::mailbox::{Question, ShardStats};
use crate::mesh::Envelope;
use crate::ring::Event;
use crate::ring::flight::Batch;
use crate::ring::system;
use ringwire_core::input::SocketCause;
use ringwire_core::{ConnectionId, Input, ListenerId, ShardId};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

/// Questions answered in one turn; they may be as dear as a page of clients.
const QUESTIONS_A_TURN: usize = 8;

/// What a parcel counts for beside bytes from clients.
const PARCEL_BYTES: u64 = 64;

impl Pump {
    /// Takes what happened, up to the turn's bound. True when something may be left.
    pub(super) fn turn(&mut self) -> bool {
        self.stats.turns += 1;
        let limit = self.core.inputs_per_turn;
        let mut events = 0;
        while events < limit
            && let Some(event) = self.wire.ring.next_event()
        {
            events += 1;
            self.event(event);
        }
        let mut envelopes = 0;
        let mut batches = 0;
        while envelopes < limit
            && let Some(count) = self.take_batch()
        {
            envelopes += count;
            batches += 1;
        }
        let mut questions = 0;
        while questions < QUESTIONS_A_TURN
            && let Some(question) = self.inbox.take()
        {
            questions += 1;
            self.answer(question);
        }
        self.timers();
        let is_full = events >= limit || envelopes >= limit;
        self.count(events + envelopes, batches, is_full);
        is_full || questions >= QUESTIONS_A_TURN
    }

    /// What a turn did; nothing is counted for each input.
    fn count(&mut self, inputs: usize, batches: u64, is_full: bool) {
        self.stats.inputs += inputs as u64;
        self.stats.turns_full += u64::from(is_full);
        self.stats.mesh_batches_received += batches;
        self.mesh_depth.see(self.now, batches);
        self.buffers_used
            .see(self.now, u64::from(self.wire.ring.buffers_used()));
    }

    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input, &mut self.actions);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Accepted {
                listener,
                socket,
                more,
            } => {
                self.accepted(listener, socket);
                if !more {
                    self.accept_ended(listener, 0);
                }
            }
            Event::AcceptEnded { listener, errno } => self.accept_ended(listener, errno),
            Event::Received {
                connection,
                filled,
                more,
            } => {
                if self.wire.is_open(connection) {
                    let bytes = self.wire.ring.bytes(&filled);
                    self.bytes += bytes.len() as u64;
                    let input = Input::Received { connection, bytes };
                    self.engine.handle(self.now, input, &mut self.actions);
                }
                self.wire.ring.give_back(filled);
                self.wire.received(connection, more, &mut self.actions);
            }
            Event::ReceiveEnded { connection, errno } => {
                if errno == libc::ENOBUFS {
                    self.stats.buffers_exhausted += 1;
                }
                let cause = self.wire.receive_ended(connection, errno, &mut self.actions);
                self.ended(connection, cause);
            }
            Event::Progressed { connection, left } => {
                self.actions.outbox(connection).in_flight = left;
                self.drained(connection);
            }
            Event::Sent {
                connection,
                batch,
                errno,
            } => self.sent(connection, batch, errno),
            Event::Rung { armed: true } => {}
            Event::Rung { armed: false } => self.wire.ring.hear(self.inbox.bell().as_fd()),
            // A shard only accepts.
            Event::Connected { .. } => {}
            Event::Background { ring } => self.background.ready(ring),
        }
    }

    fn accepted(&mut self, listener: u32, socket: OwnedFd) {
        let listener = ListenerId(listener as u16);
        let socket = TcpStream::from(socket);
        // A peer that is gone already has no address, and there is nobody to talk to.
        let Ok(peer) = socket.peer_addr() else {
            return;
        };
        if self.drained_by.is_some() {
            return;
        }
        let link = Link::new(socket, listener, Reading::Greeting);
        if let Some(connection) = self.wire.open(link, &mut self.actions) {
            self.tell(Input::Opened {
                connection,
                listener,
                peer,
            });
        }
    }

    fn accept_ended(&mut self, listener: u32, errno: i32) {
        if self.doors[listener as usize].ended(errno, self.now) {
            self.stats.accepts_paused += 1;
        }
    }

    fn sent(&mut self, connection: ConnectionId, batch: Batch, errno: i32) {
        let cause = self.wire.sent(connection, batch, errno, &mut self.actions);
        self.ended(connection, cause);
        self.drained(connection);
    }

    /// The engine may have asked to be told when a slow reader has caught up.
    fn drained(&mut self, connection: ConnectionId) {
        if !self.wire.is_open(connection) {
            return;
        }
        let outbox = self.actions.outbox(connection);
        if outbox.watch && outbox.backlog() <= outbox.low_water {
            outbox.watch = false;
            self.tell(Input::Drained { connection });
        }
    }

    fn ended(&mut self, connection: ConnectionId, cause: Option<SocketCause>) {
        if let Some(cause) = cause {
            self.tell(Input::Closed { connection, cause });
            self.ended.push(connection);
        }
    }

    /// Takes one batch from the mesh: how many envelopes there were.
    fn take_batch(&mut self) -> Option<usize> {
        let (ring, bells) = (&mut self.wire.ring, &self.bells);
        let doorbells = &mut self.stats.doorbells;
        let (from, mut batch) = self.port.take(|shard| {
            *doorbells += 1;
            ring.ring(bells[shard.index()].as_fd());
        })?;
        let count = batch.len();
        self.bytes += count as u64 * PARCEL_BYTES;
        for envelope in batch.drain(..) {
            self.envelope(from, envelope);
        }
        self.port.recycle(batch);
        Some(count)
    }

    fn envelope(&mut self, from: ShardId, envelope: Envelope) {
        match envelope {
            Envelope::Parcel(parcel) => self.tell(Input::Parcel { from, parcel }),
            Envelope::HandOver { fd, adoption } => {
                let socket = TcpStream::from(fd);
                let link = Link::new(socket, adoption.listener, Reading::Home);
                if let Some(connection) = self.wire.open(link, &mut self.actions) {
                    self.tell(Input::Adopted { connection, adoption });
                }
            }
        }
    }

    fn timers(&mut self) {
        for connection in self.wire.tick(self.now, &mut self.actions) {
            let cause = SocketCause::SendTimeout;
            self.tell(Input::Closed { connection, cause });
        }
        for (index, door) in self.doors.iter_mut().enumerate() {
            if door.opens_at().is_some_and(|at| at <= self.now) {
                door.open(index as u32, &mut self.wire.ring);
            }
        }
        if self.engine.next_wake().is_some_and(|wake| wake <= self.now) {
            self.tell(Input::Tick);
        }
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Ping { reply } => reply(()),
            Question::Stats { reply } => reply(self.snapshot()),
            Question::Clients {
                after,
                like,
                limit,
                reply,
            } => reply(self.engine.clients(after.as_deref(), &like, limit)),
            Question::Subscriptions { client_id, reply } => reply(self.engine.subscriptions(&client_id)),
            Question::Retained { topic, reply } => reply(self.engine.retained_message(&topic, self.now)),
            Question::Forget { topic, reply } => {
                let known = self.engine.retained_message(&topic, self.now).is_some();
                self.tell(Input::Forget { topic: &topic });
                reply(known);
            }
            Question::Client { client_id, reply } => reply(self.engine.client(&client_id)),
            Question::Kick { client_id, reply } => {
                let known = self.engine.client(&client_id).is_some();
                self.tell(Input::Kick {
                    client_id: &client_id,
                });
                reply(known);
            }
            Question::Adapt {
                listener,
                adapter,
                reply,
            } => {
                self.tell(Input::Adapt { listener, adapter });
                reply(());
            }
            Question::Publish { messages, reply } => {
                for message in messages {
                    self.tell(Input::Inject { message });
                }
                reply(());
            }
            Question::Ban { ban, reply } => match self.engine.objection_to(&ban) {
                Some(objection) => reply(Err(objection)),
                None => {
                    self.tell(Input::Ban { ban });
                    reply(Ok(()));
                }
            },
            Question::Unban { who, reply } => {
                let known = who.iter().filter(|who| self.engine.has_ban(who)).count();
                for who in &who {
                    self.tell(Input::Unban { who });
                }
                reply(known);
            }
            Question::Bans { reply } => reply(self.engine.bans()),
            Question::Answered { connection, answer } => self.tell(Input::Answered { connection, answer }),
            Question::Drain { deadline_ms } => self.drain(deadline_ms),
        }
    }

    fn drain(&mut self, deadline_ms: u64) {
        self.drained_by = Some(self.now + deadline_ms);
        for (index, door) in self.doors.iter_mut().enumerate() {
            door.close(index as u32, &mut self.wire.ring);
        }
        self.tell(Input::Drain);
    }

    fn snapshot(&mut self) -> ShardStats {
        let busy = system::thread_cpu_time().saturating_sub(self.spun);
        // Spinning is measured by another clock than CPU time: what is left must not seem to shrink.
        self.stats.busy_us = self.stats.busy_us.max(busy.as_micros() as u64);
        ShardStats {
            engine: self.engine.stats(),
            uptime_us: self.origin.elapsed().as_micros() as u64,
            cpu_wait_us: system::thread_cpu_wait().as_micros() as u64,
            spin_us: self.spun.as_micros() as u64,
            enters: self.wire.ring.enters,
            buffers_given: u64::from(self.wire.ring.buffers_given()),
            buffers_used_peak: self.buffers_used.read(self.now),
            mesh_depth_peak: self.mesh_depth.read(self.now),
            ..self.stats.clone()
        }
    }
}
