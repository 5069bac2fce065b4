//! When a worker's publishers publish: those of a closed loop as soon as they have room, those of an open loop when
//! they are due.
//!
//! An open loop of up to [`SINGLE_RATE`] messages a second and worker sends every message by itself, in a turn of its
//! own, also those that are late. Faster ones send what is due together. What comes late keeps the moment at which it was
//! due.

use super::{Client, Stage, Worker};
use crate::board::Step;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Messages a second of a worker that are each sent by themselves.
const SINGLE_RATE: f64 = 120_000.0;

/// A sleep ends so much before the next message is due; the rest is spun.
const SPIN: u64 = 30_000;

/// Bytes that a publisher writes on top of a send that is outstanding.
const BEHIND_BYTES: usize = 256 << 10;

/// Bytes that a publisher writes in one turn; more follows when they are sent.
const TURN_BYTES: usize = 1 << 20;

/// A worker's schedule.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Slots of publishers that may have room.
    ready: Vec<u32>,
    /// (due, slot) of open loops.
    timers: BinaryHeap<Reverse<(u64, u32)>>,
    is_single: bool,
    is_publishing: bool,
}

/// How long to sleep until something is due in so many nanoseconds; `None`: spin.
pub(crate) fn sleep(left: u64) -> Option<Duration> {
    left.checked_sub(SPIN)
        .filter(|&sleep| sleep > 0)
        .map(Duration::from_nanos)
}

impl Pace {
    pub(crate) fn of(clients: &[Client]) -> Self {
        let publishers = clients.iter().filter_map(|client| client.publisher.as_ref());
        let rates = publishers.filter_map(|publisher| publisher.schedule.as_ref());
        Self {
            is_single: rates.map(|schedule| schedule.per_second()).sum::<f64>() <= SINGLE_RATE,
            ..Self::default()
        }
    }

    /// A publisher may have got room.
    #[inline]
    pub(crate) fn list(&mut self, client: &mut Client, slot: u32) {
        let Some(publisher) = &mut client.publisher else {
            return;
        };
        if !self.is_publishing || publisher.listed {
            return;
        }
        match &publisher.schedule {
            None => {
                publisher.listed = true;
                self.ready.push(slot);
            }
            Some(schedule) if publisher.blocked => {
                publisher.blocked = false;
                self.timers.push(Reverse((schedule.due(), slot)));
            }
            Some(_) => {}
        }
    }

    /// When the next open loop is due; now, if a closed one has room.
    pub(crate) fn due(&self) -> Option<u64> {
        if !self.ready.is_empty() {
            return Some(0);
        }
        self.timers.peek().map(|Reverse((due, _))| *due)
    }

    /// Nobody publishes any more.
    pub(crate) fn stop(&mut self) {
        self.is_publishing = false;
        self.ready.clear();
        self.timers.clear();
    }
}

impl Worker<'_> {
    /// Every publisher that is connected begins.
    pub(crate) fn start_publishers(&mut self, from: u64) {
        self.pace.is_publishing = true;
        let groups = &self.desk.run.plan.groups;
        for (slot, client) in (0..).zip(&mut self.clients) {
            let part = client.member.number as f64 / groups[client.member.group].count as f64;
            if let (Some(publisher), Stage::Ready) = (&mut client.publisher, client.stage) {
                publisher.start(from, part);
                publisher.blocked = true;
                self.pace.list(client, slot);
            }
        }
    }

    /// Publishes what may be published now.
    pub(crate) fn publish(&mut self) {
        for (slot, deliveries) in self.desk.credits.drain(..) {
            let client = &mut self.clients[slot as usize];
            if let Some(publisher) = &mut client.publisher {
                publisher.credit(deliveries, self.desk.now);
                self.pace.list(client, slot);
            }
        }
        if self.step != Step::Publish {
            return;
        }
        let mut ready = std::mem::take(&mut self.pace.ready);
        for slot in ready.drain(..) {
            self.publish_closed(slot);
        }
        self.pace.ready = ready;
        self.publish_open();
    }

    fn publish_closed(&mut self, slot: u32) {
        let client = &mut self.clients[slot as usize];
        let Some(publisher) = &mut client.publisher else {
            return;
        };
        publisher.listed = false;
        if client.stage != Stage::Ready || client.is_sending && client.out.len() > BEHIND_BYTES {
            return;
        }
        let batch = (TURN_BYTES / publisher.message_bytes()).max(1);
        let room = publisher
            .room(client.is_sending)
            .min(u32::try_from(batch).unwrap_or(u32::MAX));
        if room > 0 {
            publisher.publish(room, self.desk.now, &self.desk.run.mint, &mut client.out);
            publisher.count(room, &mut self.desk.tally);
            self.mark(slot);
        }
    }

    fn publish_open(&mut self) {
        let now = self.desk.now;
        while let Some(&Reverse((due, slot))) = self.pace.timers.peek()
            && due <= now
        {
            self.pace.timers.pop();
            match self.publish_due(slot) {
                Some(next) if next > now => self.pace.timers.push(Reverse((next, slot))),
                // Late already, and the next one must leave by itself: when this one is sent.
                Some(_) | None => self.block(slot),
            }
            self.mark(slot);
        }
    }

    fn block(&mut self, slot: u32) {
        if let Some(publisher) = &mut self.clients[slot as usize].publisher {
            publisher.blocked = true;
        }
    }

    /// Writes what is due of a publisher; when its next message is due, or `None` if it has to wait for something.
    fn publish_due(&mut self, slot: u32) -> Option<u64> {
        let now = self.desk.now;
        let client = &mut self.clients[slot as usize];
        let publisher = client.publisher.as_mut()?;
        let mut due = publisher.schedule.as_ref()?.due();
        let is_single = self.pace.is_single;
        let is_behind = client.is_sending && (is_single || client.out.len() > BEHIND_BYTES);
        if client.stage != Stage::Ready || is_behind {
            return None;
        }
        let room = publisher.room(client.is_sending);
        let mut count = 0;
        while due <= now && count < room && !(is_single && count == 1) {
            publisher.publish_due(now, &self.desk.run.mint, &mut client.out);
            due = publisher.schedule.as_ref()?.due();
            count += 1;
        }
        publisher.count(count, &mut self.desk.tally);
        (count < room || due > now).then_some(due)
    }
}
