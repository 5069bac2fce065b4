//! Where a shard puts what its engine asks of others: see [`ringwire_core::ask`].
//!
//! The way out is a function of whoever answers, so that this package knows nothing of its runtime; answers come back
//! through the mailbox, as [`crate::Question::Answered`]. Asking never blocks.

use ringwire_core::{Ask, ShardId};
use std::fmt;
use std::sync::Arc;

/// Takes an ask on its way. False: there is no room, and it will not be answered.
pub type Take = dyn Fn(ShardId, Ask) -> bool + Send + Sync;

/// Whoever answers the asks of a node's engines. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Authority(Arc<Take>);

impl Authority {
    /// `take` is called on the shard's thread, in its turn: it must not block.
    pub fn new(take: impl Fn(ShardId, Ask) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// False when the ask will not be answered.
    pub fn ask(&self, shard: ShardId, ask: Ask) -> bool {
        (self.0)(shard, ask)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Authority")
    }
}
