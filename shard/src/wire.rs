//! A shard's sockets: its ring and its connections together. Sends what stands in an out box, keeps receives armed,
//! closes in order, and notices who takes nothing.
//!
//! Called by the pump, with events of the ring and with what the engine wants; it tells the pump when a socket ended by
//! itself. One send is outstanding a connection; what is appended meanwhile leaves in one piece after it.

use crate::link::{Link, Links, Reading, Stage};
use crate::ring::flight::Batch;
use crate::ring::{Ring, system};
use ringwire_core::input::SocketCause;
use ringwire_core::{Actions, ConnectionId, Outbox, Time};
use std::collections::VecDeque;
use std::mem::take;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

/// Milliseconds that a closed connection's peer has to take our last bytes and close.
const LINGER_MS: u64 = 1_000;

/// Milliseconds between two looks at the sends that are outstanding.
const WATCH_MS: u64 = 1_000;

/// Out buffers kept for reuse, and the largest that is kept.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 << 10;

/// The sockets of one shard.
pub(crate) struct Wire {
    pub(crate) ring: Ring,
    links: Links,
    /// Receives to arm at the turn's end.
    to_arm: Vec<ConnectionId>,
    /// Connections that linger, in the order in which their time is up.
    lingering: VecDeque<(Time, ConnectionId)>,
    spare: Vec<Vec<u8>>,
    /// By listener: milliseconds that a socket may take nothing.
    send_timeouts: Vec<u64>,
    next_watch: Time,
    now: Time,
}

impl Wire {
    pub(crate) fn new(ring: Ring, send_timeouts: Vec<u64>) -> Self {
        Self {
            ring,
            links: Links::default(),
            to_arm: Vec::new(),
            lingering: VecDeque::new(),
            spare: Vec::new(),
            send_timeouts,
            next_watch: Time::ZERO,
            now: Time::ZERO,
        }
    }

    /// Takes a socket in; it is read from the turn's end on. `None`: there are too many.
    pub(crate) fn open(&mut self, link: Link, actions: &mut Actions) -> Option<ConnectionId> {
        let id = self.links.insert(link)?;
        // Whatever was said to the slot's last connection after its end must not reach this one.
        actions.outbox(id).reset();
        self.list(id);
        Some(id)
    }

    /// Gives a socket away that is still being greeted: nothing is outstanding on it.
    pub(crate) fn release(&mut self, id: ConnectionId, actions: &mut Actions) -> Option<TcpStream> {
        let link = self.links.remove(id)?;
        actions.outbox(id).reset();
        Some(link.socket)
    }

    /// Whether there are no connections, in any stage.
    pub(crate) fn is_empty(&self) -> bool {
        self.links.len() == 0
    }

    /// Whether the engine still has this connection.
    pub(crate) fn is_open(&mut self, id: ConnectionId) -> bool {
        self.links
            .get_mut(id)
            .is_some_and(|link| link.stage == Stage::Open)
    }

    /// A receive completed and stays armed if `more`. One that does not can be the last that a cancel is heard of.
    pub(crate) fn received(&mut self, id: ConnectionId, more: bool, actions: &mut Actions) {
        if let Some(link) = self.links.get_mut(id)
            && !more
        {
            link.armed = false;
            link.cancelling = false;
            self.list(id);
            self.settle(id, actions);
        }
    }

    /// A receive is over. `Some`: an open connection ended by itself; the engine must be told, and `close` be called.
    pub(crate) fn receive_ended(
        &mut self,
        id: ConnectionId,
        errno: i32,
        actions: &mut Actions,
    ) -> Option<SocketCause> {
        let link = self.links.get_mut(id)?;
        link.armed = false;
        link.cancelling = false;
        match errno {
            libc::ECANCELED | libc::ENOBUFS | libc::EINTR | libc::EAGAIN => {
                self.list(id);
                self.settle(id, actions);
                None
            }
            0 => {
                link.ended = true;
                if link.stage == Stage::Open {
                    link.stage = Stage::Flushing;
                    return Some(SocketCause::PeerClosed);
                }
                self.settle(id, actions);
                None
            }
            _ => self.failed(id, actions),
        }
    }

    /// A batch is done with. `Some`: an open connection failed; the engine must be told.
    pub(crate) fn sent(
        &mut self,
        id: ConnectionId,
        batch: Batch,
        errno: i32,
        actions: &mut Actions,
    ) -> Option<SocketCause> {
        self.keep(batch.buffer);
        let link = self.links.get_mut(id)?;
        link.sending = None;
        actions.outbox(id).in_flight = 0;
        if errno != 0 {
            return self.failed(id, actions);
        }
        self.write(id, actions.outbox(id));
        self.settle(id, actions);
        None
    }

    fn failed(&mut self, id: ConnectionId, actions: &mut Actions) -> Option<SocketCause> {
        let was_open = self.is_open(id);
        self.abort(id, actions);
        was_open.then_some(SocketCause::Failed)
    }

    /// Sends what is in the out box, unless a send is outstanding: then it follows that one.
    pub(crate) fn write(&mut self, id: ConnectionId, outbox: &mut Outbox) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        // The first bytes from the engine mean that it knows the client: the connection is at home.
        link.reading = Reading::Home;
        if link.sending.is_some() || !matches!(link.stage, Stage::Open | Stage::Flushing) {
            return;
        }
        outbox.dirty = false;
        if outbox.is_empty() {
            if outbox.buffer.capacity() > 0 {
                let buffer = take(&mut outbox.buffer);
                self.keep(buffer);
            }
            return;
        }
        let batch = Batch {
            buffer: std::mem::replace(&mut outbox.buffer, self.spare.pop().unwrap_or_default()),
            references: take(&mut outbox.references),
        };
        outbox.in_flight = batch.buffer.len() + take(&mut outbox.reference_bytes);
        link.sending = Some(self.ring.send(id, link.socket.as_fd(), batch));
    }

    /// Stops or goes on reading.
    pub(crate) fn pause(&mut self, id: ConnectionId, paused: bool) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        link.paused = paused;
        if !paused {
            self.list(id);
        } else if link.stage == Stage::Open && link.armed && !link.cancelling {
            link.cancelling = true;
            self.ring.cancel_receive(id);
        }
    }

    /// Nobody wants the connection any more: flush, then close.
    pub(crate) fn close(&mut self, id: ConnectionId, actions: &mut Actions) {
        if let Some(link) = self.links.get_mut(id)
            && matches!(link.stage, Stage::Open | Stage::Flushing)
        {
            link.stage = Stage::Flushing;
            self.write(id, actions.outbox(id));
            self.settle(id, actions);
        }
    }

    /// Closes without flushing.
    pub(crate) fn abort(&mut self, id: ConnectionId, actions: &mut Actions) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        if link.stage != Stage::Ending {
            link.stage = Stage::Ending;
            if let Some(key) = link.sending {
                self.ring.cancel_send(key);
            }
            if link.armed && !link.cancelling {
                link.cancelling = true;
                self.ring.cancel_receive(id);
            }
        }
        self.settle(id, actions);
    }

    /// Moves a closing connection as far as it can go now.
    fn settle(&mut self, id: ConnectionId, actions: &mut Actions) {
        let Some(link) = self.links.get_mut(id) else {
            return;
        };
        match link.stage {
            Stage::Flushing if link.sending.is_none() && actions.outbox(id).is_empty() => {
                if link.ended || link.socket.shutdown(Shutdown::Write).is_err() {
                    return self.abort(id, actions);
                }
                link.stage = Stage::Lingering;
                self.lingering.push_back((self.now + LINGER_MS, id));
                self.list(id);
            }
            Stage::Lingering if link.ended => self.abort(id, actions),
            Stage::Ending if !link.is_outstanding() => {
                actions.outbox(id).reset();
                self.links.remove(id);
            }
            Stage::Open | Stage::Flushing | Stage::Lingering | Stage::Ending => {}
        }
    }

    /// Arms the receives that are wanted. Once a turn, after the engine has said what it wants.
    pub(crate) fn arm(&mut self) {
        let mut list = take(&mut self.to_arm);
        for id in list.drain(..) {
            let Some(link) = self.links.get_mut(id) else {
                continue;
            };
            link.listed = false;
            if link.armed || !link.wants_bytes() {
                continue;
            }
            link.armed = true;
            match link.reading {
                Reading::Greeting => self.ring.receive_once(id, link.socket.as_fd()),
                Reading::Home => self.ring.receive(id, link.socket.as_fd()),
            }
        }
        self.to_arm = list;
    }

    /// Time has passed: ends what lingered long enough, and closes the connections that have taken nothing for their
    /// send timeout; those that the engine still has are named.
    pub(crate) fn tick(&mut self, now: Time, actions: &mut Actions) -> Vec<ConnectionId> {
        self.now = now;
        while let Some((due, id)) = self.lingering.front().copied()
            && due <= now
        {
            self.lingering.pop_front();
            if self
                .links
                .get_mut(id)
                .is_some_and(|link| link.stage == Stage::Lingering)
            {
                self.abort(id, actions);
            }
        }
        if now < self.next_watch || !self.ring.is_sending() {
            return Vec::new();
        }
        self.next_watch = now + WATCH_MS;
        let mut stuck = self.stuck_sends(now);
        stuck.retain(|&id| {
            let was_open = self.is_open(id);
            self.give_up(id, actions);
            was_open
        });
        stuck
    }

    fn stuck_sends(&mut self, now: Time) -> Vec<ConnectionId> {
        let links = &mut self.links;
        let timeouts = &self.send_timeouts;
        self.ring.stuck_sends(now, |id| {
            let link = links.get_mut(id)?;
            let acknowledged = system::bytes_acknowledged(link.socket.as_fd()).unwrap_or(0);
            Some((acknowledged, timeouts[link.listener.index()]))
        })
    }

    /// When `tick` is next needed.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let watch = self.ring.is_sending().then_some(self.next_watch);
        let linger = self.lingering.front().map(|(due, _)| *due);
        match (watch, linger) {
            (Some(watch), Some(linger)) => Some(watch.min(linger)),
            (due, None) | (None, due) => due,
        }
    }

    /// Ends a connection whose peer takes nothing: with a reset, or the kernel would keep its bytes for minutes.
    fn give_up(&mut self, id: ConnectionId, actions: &mut Actions) {
        if let Some(link) = self.links.get_mut(id) {
            // When it fails, the kernel keeps the bytes for those minutes.
            let _ = system::reset_on_close(link.socket.as_fd());
        }
        self.abort(id, actions);
    }

    fn list(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(id)
            && !link.listed
        {
            link.listed = true;
            self.to_arm.push(id);
        }
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0
            && buffer.capacity() <= SPARE_BYTES_MAX
            && self.spare.len() < SPARE_BUFFERS_MAX
        {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests;
