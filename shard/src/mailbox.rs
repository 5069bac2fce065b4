//! Questions from other threads (the control thread) to a shard: a bounded queue, the shard's doorbell, and an eventfd.
//!
//! A shard answers in its own turn; the answer is carried by a closure, so that this package knows nothing of the asker's
//! runtime. Asking never blocks. Not the way of messages between shards, which is the mesh.

use crate::bell::Bell;
use crate::doorbell::Doorbell;
use crate::sync::{Receiver, Sender, TrySendError, bounded};
use ringwire_core::bans::{Ban, BanObjection, Banned};
use ringwire_core::{
    Answer, Blueprint, ConnectionId, ListenerId, Message, ShardId,
    client::{Client, Held},
    stats::Stats,
};
use std::io;
use std::sync::Arc;

/// Called once, on the shard's thread, with the answer: it must not block.
pub type Reply<T> = Box<dyn FnOnce(T) + Send>;

/// What can be asked of a shard.
#[allow(missing_docs)]
pub enum Question {
    /// Answered by a shard that takes turns.
    Ping { reply: Reply<()> },
    /// Counters and gauges.
    Stats { reply: Reply<ShardStats> },
    /// Up to `limit` clients after a client id, sorted by client id.
    Clients {
        after: Option<String>,
        /// What their client ids contain.
        like: String,
        limit: usize,
        reply: Reply<Vec<Client>>,
    },
    /// One client.
    Client {
        client_id: String,
        reply: Reply<Option<Client>>,
    },
    /// What a client subscribes to; `None` when there is no such client.
    Subscriptions {
        client_id: String,
        reply: Reply<Option<Vec<Held>>>,
    },
    /// The retained message of a topic that is at home there.
    Retained {
        topic: String,
        reply: Reply<Option<Arc<Message>>>,
    },
    /// Removes it; false when there is none.
    Forget { topic: String, reply: Reply<bool> },
    /// Closes a client and ends its session; false when there is none.
    Kick { client_id: String, reply: Reply<bool> },
    /// Routes messages that no client published, in order.
    Publish {
        messages: Vec<Arc<Message>>,
        reply: Reply<()>,
    },
    /// Bans somebody. Put to every shard; the answer says why it was not taken.
    Ban {
        ban: Arc<Ban>,
        reply: Reply<Result<(), BanObjection>>,
    },
    /// Lifts bans. Put to every shard; the answer is how many of them there were.
    Unban { who: Vec<Banned>, reply: Reply<usize> },
    /// Every ban, sorted by kind and name. Each shard has all of them.
    Bans { reply: Reply<Vec<Arc<Ban>>> },
    /// New connections of a device listener speak with this from now on.
    Adapt {
        listener: ListenerId,
        adapter: Arc<dyn Blueprint>,
        reply: Reply<()>,
    },
    /// The answer to what the shard's engine asked about a connection.
    Answered {
        connection: ConnectionId,
        answer: Answer,
    },
    /// Stops accepting, tells the clients, flushes and ends the shard within the deadline.
    Drain { deadline_ms: u64 },
}

/// Counters of one shard: the engine's, and those of its data path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ShardStats {
    pub engine: Stats,
    /// Microseconds since the node started, by which the times below are to be divided.
    pub uptime_us: u64,
    /// Microseconds of CPU time that the shard's thread used, but for those of `spin_us`. Parked time is none, and
    /// neither is time in which another thread had the CPU.
    pub busy_us: u64,
    /// Microseconds in which the thread could have run but another one had its CPU; 0 where the kernel does not say.
    pub cpu_wait_us: u64,
    /// Microseconds spent looking for work before parking.
    pub spin_us: u64,
    pub spins: u64,
    /// Spins that found work.
    pub spin_hits: u64,
    pub parks: u64,
    /// Waits that were made to last so that more arrives: `coalesce_us`.
    pub coalesced: u64,
    pub turns: u64,
    /// Turns that ended at `inputs_per_turn`.
    pub turns_full: u64,
    pub inputs: u64,
    pub enters: u64,
    /// Receive buffers that the kernel was given so far, of `shard.buffers`.
    pub buffers_given: u64,
    /// The most that one turn gave back, in the last one to two seconds.
    pub buffers_used_peak: u64,
    /// Receives that found no buffer. Then the kernel gets more, while there are any.
    pub buffers_exhausted: u64,
    /// Times that accepting stopped for a moment because the process had no descriptor left.
    pub accepts_paused: u64,
    pub mesh_batches_sent: u64,
    pub mesh_batches_received: u64,
    /// The most batches of other shards that one turn found waiting, in the last one to two seconds.
    pub mesh_depth_peak: u64,
    pub mesh_full: u64,
    pub doorbells: u64,
    pub glommio_yields: u64,
    pub glommio_false_parks: u64,
}

/// Questions that wait for one shard; a question beyond is given back. Askers are few and wait for their answers.
pub const QUESTIONS_MAX: usize = 256;

/// A handle to put questions to one shard. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Mailbox {
    questions: Sender<Question>,
    doorbells: Arc<[Doorbell]>,
    shard: ShardId,
    bell: Arc<Bell>,
}

/// The shard's end of its mailbox. While it lives, `bell` is what its askers ring.
pub struct Inbox {
    questions: Receiver<Question>,
    bell: Arc<Bell>,
}

/// The mailbox of the shard whose doorbell is `doorbells[shard]`: see [`crate::mesh::Port::doorbells`].
pub fn mailbox(doorbells: Arc<[Doorbell]>, shard: ShardId) -> io::Result<(Mailbox, Inbox)> {
    assert!(shard.index() < doorbells.len(), "each shard has a doorbell");
    let (sender, receiver) = bounded(QUESTIONS_MAX);
    let bell = Arc::new(Bell::new()?);
    let mailbox = Mailbox {
        questions: sender,
        doorbells,
        shard,
        bell: Arc::clone(&bell),
    };
    Ok((
        mailbox,
        Inbox {
            questions: receiver,
            bell,
        },
    ))
}

impl Mailbox {
    /// Puts a question and rings the shard's bell if it sleeps. `Err` gives it back when the shard is gone or its mailbox
    /// is full. A shard that ends drops the questions it has not answered, and their replies with them.
    pub fn ask(&self, question: Question) -> Result<(), Question> {
        match self.questions.try_send(question) {
            Ok(()) => {
                if self.doorbells[self.shard.index()].knock() {
                    self.bell.ring();
                }
                Ok(())
            }
            Err(TrySendError::Full(question) | TrySendError::Disconnected(question)) => Err(question),
        }
    }

    /// Whose mailbox this is.
    pub fn shard(&self) -> ShardId {
        self.shard
    }
}

impl Inbox {
    /// The next question.
    pub fn take(&mut self) -> Option<Question> {
        self.questions.try_recv().ok()
    }

    /// Whether a question waits. For [`Doorbell::may_park`].
    pub fn has_work(&self) -> bool {
        !self.questions.is_empty()
    }

    /// Rung by askers while the shard sleeps.
    pub fn bell(&self) -> &Bell {
        &self.bell
    }
}
