//! One worker: a pinned thread with its ring and its clients, and the turn that it makes of them.
//!
//! A turn reads everything that arrived, lets publishers publish as far as they may (`pace.rs`), sends each client's
//! output in one piece and enters the kernel once. Nothing is allocated for a message, and the clock is read twice a turn.
//! The steps of the run come from the conductor by the board; a worker never decides about them.

pub(crate) mod client;
pub(crate) mod desk;
mod dialer;
mod pace;
pub(crate) mod publisher;
mod receive;
mod steps;
mod trouble;

use crate::board::{Count, Step};
use crate::clock::SECOND;
use crate::error::RunError;
use crate::tally::Tally;
use client::{Client, Stage};
use desk::{Desk, Run};
use dialer::Dialer;
use pace::Pace;
use ringwire_core::ConnectionId;
use ringwire_shard::Core;
use ringwire_shard::ring::{Batch, Event, Filled, Ring};
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;
use trouble::Trouble;

/// At most so long does a worker wait in the kernel: the conductor's steps are seen then.
const WAIT: Duration = Duration::from_millis(5);

/// Spare buffers that are kept, and the largest.
const SPARES_MAX: usize = 512;
const SPARE_BYTES_MAX: usize = 16 << 10;

/// How often a worker looks after keepalive and what is missing.
const CHORES: u64 = SECOND / 4;

/// Of `ReceiveEnded`: no buffer was left; interrupted.
const ENOBUFS: i32 = 105;
const EINTR: i32 = 4;

/// What a worker hands over at its end.
pub(crate) struct Report {
    pub tally: Tally,
    /// (flow, messages) that its publishers sent.
    pub sent: Vec<(u32, u64)>,
    /// (flow, messages) that its subscribers received, each once.
    pub received: Vec<(u32, u64)>,
}

struct Worker<'run> {
    ring: Ring,
    clients: Vec<Client>,
    desk: Desk<'run>,
    dialer: Dialer,
    pace: Pace,
    step: Step,
    /// Slots of clients that have something to send.
    dirty: Vec<u32>,
    /// Slots whose receive must be armed.
    to_arm: Vec<u32>,
    spares: Vec<Vec<u8>>,
    next_chores: u64,
}

/// Runs a worker to its end. On the thread that is pinned already.
pub(crate) fn work(run: &Run<'_>, index: usize) -> Result<Report, RunError> {
    let of_ring = |source| RunError::Ring {
        cpu: run.plan.cores[index],
        source,
    };
    let mut worker = Worker::new(run, index, of_ring)?;
    while worker.step != Step::Disconnect {
        worker.turn().map_err(of_ring)?;
    }
    worker.say_goodbye().map_err(of_ring)?;
    Ok(worker.report())
}

impl<'run> Worker<'run> {
    fn new(
        run: &'run Run<'run>,
        index: usize,
        of_ring: impl Fn(io::Error) -> RunError,
    ) -> Result<Self, RunError> {
        let ring = Ring::new(&Core {
            sq_entries: 4_096,
            cq_entries: 32_768,
            buffers: 4_096,
            buffer_bytes: 8_192,
            ..Core::default()
        });
        let ring = ring.map_err(&of_ring)?;
        run.board.hang_bell(index, ring.bell().map_err(&of_ring)?);
        let members = run.layout.members(index);
        let clients: Option<Vec<_>> = members.map(|member| Client::new(run, member)).collect();
        let clients = clients.ok_or_else(|| {
            RunError::Plan("a topic or a payload is longer than the protocol can say".to_owned())
        })?;
        Ok(Self {
            ring,
            dialer: Dialer::new(run.plan, clients.len()),
            pace: Pace::of(&clients),
            clients,
            desk: Desk::new(run, index),
            step: Step::Connect,
            dirty: Vec::new(),
            to_arm: Vec::new(),
            spares: Vec::new(),
            next_chores: 0,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        self.tick();
        let board = &self.desk.run.board;
        self.desk.tally.measure_from = board.measure_from.load(Ordering::Relaxed);
        self.desk.tally.measure_until = board.measure_until.load(Ordering::Relaxed);
        while let Some(event) = self.ring.next_event() {
            self.handle(event);
        }
        self.desk.end_of_reading();
        self.follow_steps();
        if self.step == Step::Connect {
            self.dial();
        }
        self.tick();
        self.publish();
        if self.desk.now >= self.next_chores {
            self.chores();
        }
        self.arm();
        self.flush();
        let tally = &mut self.desk.tally;
        self.desk
            .run
            .board
            .tell(self.desk.worker, &tally.counts, tally.latency_max_ns);
        tally.latency_max_ns = 0;
        self.post_credits();
        self.enter()
    }

    fn tick(&mut self) {
        self.desk.now = self.desk.run.board.clock.now();
    }

    /// Submits, and waits if there is nothing to do.
    fn enter(&mut self) -> io::Result<()> {
        let board = &self.desk.run.board;
        let wait = self.wait().filter(|_| board.may_wait(self.desk.worker));
        let entered = self.ring.enter(wait);
        board.wakes(self.desk.worker);
        entered
    }

    /// How long there is nothing to do; `None`: not long enough to sleep.
    fn wait(&self) -> Option<Duration> {
        let dial = if self.step == Step::Connect {
            self.dialer.due()
        } else {
            None
        };
        let due = [dial, self.pace.due()].into_iter().flatten().min();
        match due {
            None => Some(WAIT),
            Some(due) => pace::sleep(due.saturating_sub(self.desk.now)).map(|wait| wait.min(WAIT)),
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Received {
                connection,
                filled,
                more,
            } => self.received(connection, filled, more),
            Event::Sent {
                connection,
                batch,
                errno,
            } => self.sent(connection, batch, errno),
            Event::ReceiveEnded { connection, errno } => self.receive_ended(connection, errno),
            Event::Connected { connection, errno } => self.connected(connection, errno),
            // The rest of a batch is on its way; a bell has done its work by waking us; the others are a shard's.
            Event::Progressed { .. }
            | Event::Rung { .. }
            | Event::Accepted { .. }
            | Event::AcceptEnded { .. }
            | Event::Background { .. } => {}
        }
    }

    fn received(&mut self, connection: ConnectionId, filled: Filled, more: bool) {
        let slot = connection.slot;
        let client = &mut self.clients[slot as usize];
        if !more {
            client.is_receiving = false;
            self.to_arm.push(slot);
        }
        if client.stage != Stage::Gone {
            let was_greeting = client.stage == Stage::Greeting;
            let outcome = client.receive(self.ring.bytes(&filled), &mut self.desk);
            if was_greeting && client.stage != Stage::Greeting {
                self.dialer.under_way -= 1;
            }
            if client.publisher.is_some() {
                self.pace.list(client, slot);
            }
            self.mark(slot);
            if let Err(trouble) = outcome {
                self.end(slot, &trouble);
            }
        }
        self.ring.give_back(filled);
    }

    fn receive_ended(&mut self, connection: ConnectionId, errno: i32) {
        let slot = connection.slot;
        self.clients[slot as usize].is_receiving = false;
        match errno {
            ENOBUFS | EINTR => self.to_arm.push(slot),
            0 => self.end(slot, &Trouble::Closed),
            _ => self.end(slot, &Trouble::of_errno(errno)),
        }
    }

    fn sent(&mut self, connection: ConnectionId, batch: Batch, errno: i32) {
        let slot = connection.slot;
        let client = &mut self.clients[slot as usize];
        client.is_sending = false;
        let mut spare = batch.buffer;
        spare.clear();
        if client.out.is_empty() && client.out.capacity() < spare.capacity() {
            std::mem::swap(&mut client.out, &mut spare);
        }
        if (1..=SPARE_BYTES_MAX).contains(&spare.capacity()) && self.spares.len() < SPARES_MAX {
            self.spares.push(spare);
        }
        if errno != 0 || client.stage == Stage::Gone {
            return self.end(slot, &Trouble::of_errno(errno));
        }
        if client.publisher.is_some() {
            self.pace.list(client, slot);
        }
        self.mark(slot);
    }

    /// Something may have been written for this client.
    fn mark(&mut self, slot: u32) {
        let client = &mut self.clients[slot as usize];
        if !client.is_dirty && !client.out.is_empty() {
            client.is_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// A connection is over. Its socket goes once nothing is outstanding on it; a second call does that.
    fn end(&mut self, slot: u32, trouble: &Trouble) {
        let client = &mut self.clients[slot as usize];
        let count = match client.stage {
            Stage::Waiting | Stage::Dialing | Stage::Greeting => Some(Count::Refused),
            Stage::Ready if self.step == Step::Disconnect => None,
            Stage::Ready => Some(Count::Lost),
            Stage::Gone => None,
        };
        if matches!(client.stage, Stage::Dialing | Stage::Greeting) {
            self.dialer.under_way -= 1;
        }
        if let Some(count) = count {
            self.desk.tally.trouble(count, &trouble.to_string());
        }
        client.stage = Stage::Gone;
        client.out = Vec::new();
        client.partial = Vec::new();
        if let Some(socket) = &client.socket {
            // What is outstanding ends by it; a socket that was never connected has nothing outstanding.
            let _ = socket.shutdown(Shutdown::Both);
            if !client.is_sending && !client.is_receiving {
                client.socket = None;
            }
        }
    }

    fn arm(&mut self) {
        for slot in self.to_arm.drain(..) {
            let client = &mut self.clients[slot as usize];
            if let (Some(socket), false) = (&client.socket, client.is_receiving)
                && matches!(client.stage, Stage::Greeting | Stage::Ready)
            {
                client.is_receiving = true;
                self.ring.receive(connection(slot), socket.as_fd());
            }
        }
    }

    fn flush(&mut self) {
        for slot in self.dirty.drain(..) {
            let client = &mut self.clients[slot as usize];
            client.is_dirty = false;
            if !client.can_send() {
                continue;
            }
            let Some(socket) = &client.socket else { continue };
            client.is_sending = true;
            if client.stage == Stage::Ready {
                client.since = self.desk.now;
            }
            let batch = Batch {
                buffer: std::mem::replace(&mut client.out, self.spares.pop().unwrap_or_default()),
                references: Vec::new(),
            };
            self.ring.send(connection(slot), socket.as_fd(), batch);
        }
    }

    /// Tells other workers what their publishers' subscribers got here.
    fn post_credits(&mut self) {
        let run = self.desk.run;
        for (worker, credits) in self.desk.remote.iter_mut().enumerate() {
            if credits.is_empty() {
                continue;
            }
            if let Some(bell) = run.board.post(worker, credits) {
                self.ring.ring(bell.as_fd());
            }
        }
    }

    fn report(mut self) -> Report {
        self.desk.tally.settle();
        let publishers = self.clients.iter().filter_map(|client| client.publisher.as_ref());
        let flows = publishers.flat_map(|publisher| &publisher.flows);
        let tracks = self.clients.iter().map(|client| &client.tracks);
        let received = tracks.chain([&self.desk.shared]).flat_map(|tracks| tracks.iter());
        Report {
            sent: flows.map(|flow| (flow.number, flow.sequence)).collect(),
            received: received.map(|(flow, track)| (flow, track.received())).collect(),
            tally: self.desk.tally,
        }
    }
}

/// A slot is used once: it needs no generation.
fn connection(slot: u32) -> ConnectionId {
    ConnectionId { slot, generation: 0 }
}
