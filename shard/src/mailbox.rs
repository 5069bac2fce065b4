//! Questions from the control thread to a shard. A shard answers in its own turn; the answer is carried by a closure, so
//! that this package knows nothing of the asker's runtime.

use ringwire_core::{Message, client::Client, stats::Stats};
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
        limit: usize,
        reply: Reply<Vec<Client>>,
    },
    /// One client.
    Client {
        client_id: String,
        reply: Reply<Option<Client>>,
    },
    /// Closes a client and ends its session; false when there is none.
    Kick { client_id: String, reply: Reply<bool> },
    /// Routes a message that no client published.
    Publish { message: Arc<Message>, reply: Reply<()> },
    /// Stops accepting, tells the clients, flushes and ends the shard within the deadline.
    Drain { deadline_ms: u64 },
}

/// Counters of one shard: the engine's, and those of its data path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ShardStats {
    pub engine: Stats,
    pub turns: u64,
    pub inputs: u64,
    pub enters: u64,
    pub buffers_exhausted: u64,
    pub mesh_batches_sent: u64,
    pub mesh_full: u64,
    pub doorbells: u64,
    pub glommio_yields: u64,
    pub glommio_false_parks: u64,
    /// Milliseconds not parked.
    pub busy_ms: u64,
}

/// A handle to put questions to one shard. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Mailbox {}

impl Mailbox {
    /// Puts a question and rings the shard's doorbell. `Err` gives it back when the shard is gone or its mailbox is full.
    pub fn ask(&self, question: Question) -> Result<(), Question> {
        Err(question)
    }
}
