//! What a worker does at each step of the run: connecting, subscribing, publishing, leaving; and its chores.

use super::trouble::Trouble;
use super::{CHORES, Client, SECOND, Stage, Worker, connection, dialer};
use crate::board::{Count, Step};
use crate::frame;
use ringwire_core::ConnectionId;
use ringwire_shard::dial;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// connect() calls of one turn.
const DIALS_PER_TURN: usize = 64;

/// How long goodbyes may take.
const GOODBYE: u64 = SECOND;

/// Part of the keepalive after which an idle client says something.
const KEEPALIVE_PART: f64 = 0.7;

impl Worker<'_> {
    /// Carries out the steps that the conductor has gone meanwhile.
    pub(super) fn follow_steps(&mut self) {
        let target = self.desk.run.board.step();
        if target == Step::Disconnect {
            self.step = target;
        }
        while self.step < target {
            self.step = match self.step {
                Step::Connect => Step::Subscribe,
                Step::Subscribe => Step::Idle,
                Step::Idle => Step::Publish,
                Step::Publish => Step::Drain,
                Step::Drain | Step::Disconnect => Step::Disconnect,
            };
            match self.step {
                Step::Subscribe => self.subscribe(),
                Step::Publish => {
                    let from = self.desk.run.board.publish_from.load(Ordering::Acquire);
                    self.start_publishers(from);
                }
                Step::Drain => self.pace.stop(),
                Step::Connect | Step::Idle | Step::Disconnect => {}
            }
        }
    }

    pub(super) fn dial(&mut self) {
        for _ in 0..DIALS_PER_TURN {
            let Some(slot) = self.dialer.next(self.desk.now) else {
                return;
            };
            let plan = self.desk.run.plan;
            let number = slot * plan.cores.len() + self.desk.worker;
            let client = &mut self.clients[slot];
            let target = dialer::target(plan, client.member, number);
            client.stage = Stage::Dialing;
            client.since = self.desk.now;
            self.desk.tally.first_dial = self.desk.tally.first_dial.min(client.since);
            match dial::socket(&target, dialer::source(plan, number)) {
                Ok(socket) => {
                    self.ring
                        .connect(connection(slot as u32), socket.as_fd(), &target);
                    client.socket = Some(socket);
                }
                Err(error) => self.end(slot as u32, &Trouble::of_error(error)),
            }
        }
    }

    pub(super) fn connected(&mut self, id: ConnectionId, errno: i32) {
        let slot = id.slot;
        let client = &mut self.clients[slot as usize];
        if client.stage != Stage::Dialing {
            return;
        }
        if errno != 0 {
            return self.end(slot, &Trouble::of_errno(errno));
        }
        if let Err(trouble) = client.greet(self.desk.run) {
            return self.end(slot, &trouble);
        }
        if client.dialect == frame::Dialect::Raw {
            client.greeted(&mut self.desk);
            self.dialer.under_way -= 1;
        }
        self.to_arm.push(slot);
        self.mark(slot);
    }

    /// Whoever is not connected by now is given up; the others subscribe.
    fn subscribe(&mut self) {
        self.dialer.stop();
        for slot in 0..self.clients.len() as u32 {
            let client = &mut self.clients[slot as usize];
            let outcome = match client.stage {
                Stage::Waiting | Stage::Dialing | Stage::Greeting => Err(Trouble::NoAnswer),
                Stage::Ready => client.subscribe(self.desk.run),
                Stage::Gone => Ok(0),
            };
            match outcome {
                Ok(asked) => {
                    self.desk.tally.add(Count::SubscribesAsked, u64::from(asked));
                    self.mark(slot);
                }
                Err(trouble) => self.end(slot, &trouble),
            }
        }
    }

    /// Keepalive, and publishers whose deliveries do not come.
    pub(super) fn chores(&mut self) {
        let now = self.desk.now;
        self.next_chores = now + CHORES;
        for slot in 0..self.clients.len() as u32 {
            let client = &mut self.clients[slot as usize];
            if client.stage != Stage::Ready {
                continue;
            }
            if client
                .publisher
                .as_mut()
                .is_some_and(|publisher| publisher.give_up(now))
            {
                self.pace.list(client, slot);
            }
            let keepalive = f64::from(client.keepalive_s) * KEEPALIVE_PART * SECOND as f64;
            if keepalive > 0.0 && now.saturating_sub(client.since) as f64 > keepalive {
                client.since = now;
                frame::ping(client.dialect, &mut client.out);
                self.mark(slot);
            }
        }
    }

    /// Every client says that it leaves, and is gone when that was sent.
    pub(super) fn say_goodbye(&mut self) -> io::Result<()> {
        for slot in 0..self.clients.len() as u32 {
            let client = &mut self.clients[slot as usize];
            if client.stage == Stage::Ready {
                frame::disconnect(client.dialect, &mut client.out);
                self.mark(slot);
            }
        }
        let until = self.desk.now + GOODBYE;
        self.flush();
        while self.desk.now < until && self.clients.iter().any(Client::is_leaving) {
            self.ring.enter(Some(Duration::from_millis(1)))?;
            while let Some(event) = self.ring.next_event() {
                self.handle(event);
            }
            self.flush();
            self.tick();
        }
        Ok(())
    }
}
