//! The loop of a shard: takes what happened, tells the engine, carries out what it wants, waits.
//!
//! A turn takes a bounded number of inputs, reads the clock once, makes one write a socket and one system call. Here is
//! the waiting and the order of a turn; `turn.rs` maps events to inputs, `carry.rs` actions to the ring. Nothing here
//! decides about a protocol.

mod carry;
mod coalescing;
mod peak;
mod turn;

use crate::executor::Background;
use crate::listen::Door;
use crate::mailbox::{Inbox, ShardStats};
use crate::mesh::Port;
use crate::outgoing::Outgoing;
use crate::ring::Ring;
use crate::wire::Wire;
use crate::{Authority, Core, Settings};
use coalescing::Coalescing;
use peak::Peak;
use ringwire_core::{Actions, ConnectionId, Engine, InterestMap, ShardId, Time};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest step of a spin that can be this thread's own; it takes some 50 nanoseconds.
const SPIN_STEP_MAX: Duration = Duration::from_micros(2);

/// Connections to write to from which a turn looks for more input first, and how often at most.
const MANY_WRITES: usize = 8;
const LOOKS: usize = 2;

/// How long a busy shard waits for more: as it is set, and never on a kernel that cannot.
fn coalescing_wait(parts: &Parts, ring: &Ring) -> Duration {
    let core = &parts.settings.cores[parts.shard.index()];
    if ring.can_gather() {
        Duration::from_micros(core.coalesce_us)
    } else {
        Duration::ZERO
    }
}

/// What a shard's thread is given.
pub(crate) struct Parts {
    pub(crate) shard: ShardId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) interest: Arc<InterestMap>,
    pub(crate) listeners: Vec<TcpListener>,
    pub(crate) port: Port,
    pub(crate) inbox: Inbox,
    /// The node's start, from which every shard counts its time.
    pub(crate) origin: Instant,
}

/// One shard at work.
pub(crate) struct Pump {
    shard: ShardId,
    core: Core,
    engine: Engine,
    actions: Actions,
    wire: Wire,
    doors: Vec<Door>,
    port: Port,
    outgoing: Outgoing,
    inbox: Inbox,
    authority: Option<Authority>,
    background: Background,
    /// How to ring each shard.
    bells: Arc<[OwnedFd]>,
    stats: ShardStats,
    origin: Instant,
    now: Time,
    /// Open connections whose socket ended in this turn: closed once their last bytes are on their way.
    ended: Vec<ConnectionId>,
    /// When the shard must have ended; set by a drain.
    drained_by: Option<Time>,
    /// CPU time spent spinning.
    spun: Duration,
    coalescing: Coalescing,
    /// Bytes taken from clients, and for parcels from other shards what they stand for.
    bytes: u64,
    buffers_used: Peak,
    mesh_depth: Peak,
}

impl Pump {
    /// Called on the shard's pinned thread: what the engine and the ring touch first lies in the memory of its NUMA node.
    pub(crate) fn new(parts: Parts, ring: Ring, bells: Arc<[OwnedFd]>, background: Background) -> Self {
        let binds = &parts.settings.binds;
        Self {
            shard: parts.shard,
            core: parts.settings.cores[parts.shard.index()].clone(),
            coalescing: Coalescing::new(coalescing_wait(&parts, &ring)),
            bytes: 0,
            engine: Engine::new(parts.shard, Arc::clone(&parts.settings.engine), parts.interest),
            actions: Actions::default(),
            wire: Wire::new(ring, binds.iter().map(|bind| bind.send_timeout_ms).collect()),
            doors: parts.listeners.into_iter().map(Door::new).collect(),
            port: parts.port,
            outgoing: Outgoing::new(parts.settings.cores.len()),
            inbox: parts.inbox,
            authority: parts.settings.authority.clone(),
            background,
            bells,
            stats: ShardStats::default(),
            origin: parts.origin,
            now: Time::ZERO,
            ended: Vec::new(),
            drained_by: None,
            spun: Duration::ZERO,
            buffers_used: Peak::default(),
            mesh_depth: Peak::default(),
        }
    }

    /// Arms the doors and the bell: from here on the shard accepts.
    pub(crate) fn open(&mut self) -> std::io::Result<()> {
        self.wire.ring.hear(self.inbox.bell().as_fd());
        for (index, door) in self.doors.iter_mut().enumerate() {
            door.open(index as u32, &mut self.wire.ring);
        }
        self.wire.ring.enter(None)
    }

    /// Takes turns until the shard is drained.
    pub(crate) async fn run(mut self) -> std::io::Result<()> {
        loop {
            let elapsed = self.origin.elapsed();
            self.now = Time::from_millis(elapsed.as_millis() as u64);
            self.coalescing.turn(elapsed, self.bytes);
            let mut unfinished = self.turn();
            let mut looks = 0;
            while !unfinished && looks < LOOKS && self.has_more_before_writing()? {
                looks += 1;
                unfinished = self.turn();
            }
            let posting = self.carry_out();
            if self.is_drained() {
                return self.wire.ring.enter(None);
            }
            self.background.watch(&mut self.wire.ring);
            self.wait(unfinished || posting)?;
            if self.background.wants_turn() {
                self.stats.glommio_yields += 1;
                let parked = self.background.turn().await;
                self.stats.glommio_false_parks += u64::from(parked);
            }
        }
    }

    /// Writes cost more than all else: before many of them, what has arrived since the turn began is taken too, and shares
    /// them. No system call when nothing has.
    fn has_more_before_writing(&mut self) -> std::io::Result<bool> {
        Ok(self.actions.dirty.len() >= MANY_WRITES && self.wire.ring.settle()?)
    }

    /// Whether everything that a drain asks for is done, or its time is up.
    fn is_drained(&self) -> bool {
        self.drained_by
            .is_some_and(|by| self.now >= by || (self.wire.is_empty() && self.outgoing.stuck() == 0))
    }

    /// Submits; waits when there is nothing to do.
    fn wait(&mut self, busy: bool) -> std::io::Result<()> {
        let wait = self.wait_at_most();
        if busy || wait.is_zero() {
            return self.wire.ring.enter(None);
        }
        let gather = self.coalescing.wait();
        if gather.is_none() && (self.core.spin_us > 0 && self.spin()? || self.wire.ring.settle()?) {
            return Ok(());
        }
        let (port, inbox) = (&self.port, &self.inbox);
        if !port.doorbell().may_park(|| port.has_work() || inbox.has_work()) {
            return self.wire.ring.enter(None);
        }
        self.stats.parks += 1;
        self.stats.coalesced += u64::from(gather.is_some());
        let entered = match gather {
            Some(gather) => self.wire.ring.gather(wait, gather),
            None => self.wire.ring.enter(Some(wait)),
        };
        self.port.doorbell().awake();
        entered
    }

    /// Until the next thing that is due.
    fn wait_at_most(&self) -> Duration {
        let doors = self.doors.iter().filter_map(Door::opens_at);
        let due = doors
            .chain(self.engine.next_wake())
            .chain(self.wire.next_due())
            .chain(self.drained_by)
            .min();
        // A shard that has ended takes nothing and rings nobody: a drain sees for itself that nothing is to be posted.
        let is_draining_stuck = self.drained_by.is_some() && self.outgoing.stuck() > 0;
        if self.background.is_waiting() || is_draining_stuck {
            return Duration::from_millis(1);
        }
        match due {
            Some(due) => Duration::from_millis(due.millis_since(self.now)),
            None => Duration::MAX,
        }
    }

    /// Looks for work without a system call, for as long as the core is set to. True when there is some.
    fn spin(&mut self) -> std::io::Result<bool> {
        self.wire.ring.enter(None)?;
        let from = Instant::now();
        let spin = Duration::from_micros(self.core.spin_us);
        let mut passed = Duration::ZERO;
        let found = loop {
            let found = self.wire.ring.settle()? || self.port.has_work() || self.inbox.has_work();
            let before = std::mem::replace(&mut passed, from.elapsed());
            // A longer step is another thread's: whoever had this CPU meanwhile, this one did not spin.
            self.spun += (passed - before).min(SPIN_STEP_MAX);
            if found || passed >= spin {
                break found;
            }
            std::hint::spin_loop();
        };
        self.stats.spins += 1;
        self.stats.spin_hits += u64::from(found);
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
