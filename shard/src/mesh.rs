//! The queues between shards: one bounded lock-free queue of batches for each ordered pair.
//!
//! A [`Port`] is one shard's ends. The pump posts at most one batch a destination a turn and takes what came; between two
//! shards nothing overtakes. Posting and taking knock at the other's [`Doorbell`] and call `ring` when it sleeps: a batch
//! for it, or room in a queue that was full, is a reason to wake. Nothing here is shared by more than two shards.

use crate::doorbell::Doorbell;
use crate::sync::{AtomicBool, Ordering, Receiver, Sender, TrySendError, bounded, fence};
use ringwire_core::{Adoption, Parcel, ShardId};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Empty batches that a port keeps for its next posts; more are freed.
const SPARE_BATCHES_MAX: usize = 64;

/// Envelopes of room beyond which an empty batch is freed instead of kept: a burst must not hold memory for good.
const SPARE_CAPACITY_MAX: usize = 4_096;

/// What travels from one shard to another.
#[derive(Debug)]
pub enum Envelope {
    /// For the engine.
    Parcel(Parcel),
    /// A connection that moves to the home shard of its client id.
    HandOver {
        /// The socket; closed when the envelope is dropped.
        fd: OwnedFd,
        /// For the engine.
        adoption: Adoption,
    },
}

/// What a shard posts to another in one turn.
pub type Batch = Vec<Envelope>;

/// One shard's ends of the mesh, and its doorbell.
#[derive(Debug)]
pub struct Port {
    shard: ShardId,
    /// By destination; `None` for the shard itself.
    outgoing: Vec<Option<Outgoing>>,
    /// By source; `None` for the shard itself.
    incoming: Vec<Option<Incoming>>,
    doorbells: Arc<[Doorbell]>,
    /// Where `take` looks first, so that one busy source does not starve the others.
    next: usize,
    spare: Vec<Batch>,
}

#[derive(Debug)]
struct Outgoing {
    queue: Sender<Batch>,
    /// Set while the sender holds a batch that did not fit; the taker then wakes it.
    stuck: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Incoming {
    queue: Receiver<Batch>,
    stuck: Arc<AtomicBool>,
}

/// The ports of a node, by shard. At most `batches` wait from one shard to one other.
pub fn ports(shards: u16, batches: usize) -> Vec<Port> {
    assert!(shards > 0 && batches > 0, "a node has a shard, a queue has room");
    let doorbells: Arc<[Doorbell]> = (0..shards).map(|_| Doorbell::new()).collect();
    let mut ports: Vec<Port> = (0..shards)
        .map(|shard| Port::unconnected(ShardId(shard), shards, &doorbells))
        .collect();
    for from in 0..shards as usize {
        for to in (0..shards as usize).filter(|&to| to != from) {
            let (sender, receiver) = bounded(batches);
            let stuck = Arc::new(AtomicBool::new(false));
            ports[from].outgoing[to] = Some(Outgoing {
                queue: sender,
                stuck: Arc::clone(&stuck),
            });
            ports[to].incoming[from] = Some(Incoming {
                queue: receiver,
                stuck,
            });
        }
    }
    ports
}

impl Port {
    fn unconnected(shard: ShardId, shards: u16, doorbells: &Arc<[Doorbell]>) -> Self {
        Self {
            shard,
            outgoing: (0..shards).map(|_| None).collect(),
            incoming: (0..shards).map(|_| None).collect(),
            doorbells: Arc::clone(doorbells),
            next: 0,
            spare: Vec::new(),
        }
    }

    /// Whose port this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Posts a batch and calls `ring` with the destination if it sleeps. A full queue gives the batch back: the caller
    /// keeps it, posts it before any other to that shard, and is woken when there is room. A batch for a shard that has
    /// ended is dropped, and with it the sockets in it.
    ///
    /// # Panics
    /// When a shard posts to itself or to none.
    pub fn post(&mut self, to: ShardId, batch: Batch, ring: impl FnOnce(ShardId)) -> Result<(), Batch> {
        let outgoing = self.outgoing[to.index()]
            .as_ref()
            .expect("a shard does not post to itself");
        match outgoing.queue.try_send(batch) {
            Ok(()) => {
                outgoing.unstick();
                if self.doorbells[to.index()].knock() {
                    ring(to);
                }
                Ok(())
            }
            Err(TrySendError::Full(batch)) => {
                outgoing.stuck.store(true, Ordering::Relaxed);
                Err(batch)
            }
            Err(TrySendError::Disconnected(_)) => {
                outgoing.unstick();
                Ok(())
            }
        }
    }

    /// The next batch and who posted it, sources in turn; `None` when nothing waits. Calls `ring` with the source if it
    /// sleeps on a batch that did not fit before. Give the emptied batch to [`Port::recycle`].
    pub fn take(&mut self, ring: impl FnOnce(ShardId)) -> Option<(ShardId, Batch)> {
        let shards = self.incoming.len();
        for step in 0..shards {
            let from = (self.next + step) % shards;
            let Some(incoming) = &self.incoming[from] else {
                continue;
            };
            let Ok(batch) = incoming.queue.try_recv() else {
                continue;
            };
            self.next = (from + 1) % shards;
            let source = ShardId(from as u16);
            if incoming.relieves(&self.doorbells[from]) {
                ring(source);
            }
            return Some((source, batch));
        }
        None
    }

    /// Whether there is something to take, or room for a batch that did not fit. For [`Doorbell::may_park`].
    pub fn has_work(&self) -> bool {
        self.incoming
            .iter()
            .flatten()
            .any(|incoming| !incoming.queue.is_empty())
            || self.outgoing.iter().flatten().any(Outgoing::has_room_again)
    }

    /// The doorbell of this shard.
    pub fn doorbell(&self) -> &Doorbell {
        &self.doorbells[self.shard.index()]
    }

    /// The doorbells of the node, by shard.
    pub fn doorbells(&self) -> &Arc<[Doorbell]> {
        &self.doorbells
    }

    /// An empty batch, reused if there is one.
    pub fn batch(&mut self) -> Batch {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a batch back whose envelopes are taken out.
    pub fn recycle(&mut self, mut batch: Batch) {
        batch.clear();
        if self.spare.len() < SPARE_BATCHES_MAX && batch.capacity() <= SPARE_CAPACITY_MAX {
            self.spare.push(batch);
        }
    }
}

impl Outgoing {
    fn has_room_again(&self) -> bool {
        self.stuck.load(Ordering::Relaxed) && !self.queue.is_full()
    }

    /// Reads first: the taker reads this flag at every batch, and a write would take its cache line away.
    fn unstick(&self) {
        if self.stuck.load(Ordering::Relaxed) {
            self.stuck.store(false, Ordering::Relaxed);
        }
    }
}

impl Incoming {
    /// Called after a batch was taken: whether the source is to be rung, because it sleeps on a batch that had no room.
    /// The source sets `stuck`, then says that it sleeps, then looks for room: the fence here pairs with that one.
    fn relieves(&self, doorbell: &Doorbell) -> bool {
        fence(Ordering::SeqCst);
        self.stuck.load(Ordering::Relaxed) && doorbell.knock()
    }
}
