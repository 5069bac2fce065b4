//! What one shard posts to another. Travels in batches; between two shards in order, never overtaking.

use crate::bans::Ban;
use crate::groups::GroupParcel;
use crate::{ConnectionId, Message};
use std::sync::Arc;

/// Something for another shard's engine.
#[derive(Clone, Debug)]
pub enum Parcel {
    /// A publish that the interest map says the other shard may have subscribers for. It matches exactly, and delivers.
    Publish(Arc<Message>),
    /// The flapping detector of the posting shard bans a client id.
    Ban(Arc<Ban>),
    /// The receiver is the home of the message's topic: it stores the message as retained, or clears it (empty payload).
    Retain(Arc<Message>),
    /// A SUBSCRIBE asks for retained messages that match.
    Recall {
        /// Chosen by the asking shard, comes back in `Recalled`.
        ticket: u64,
        /// Topic filter.
        filter: Arc<str>,
        /// The page begins behind this topic; `None`: at the first.
        after: Option<Arc<str>>,
    },
    /// The answer to `Recall`: one page.
    Recalled {
        /// The ticket of the question.
        ticket: u64,
        /// Retained messages in topic order.
        messages: Vec<Arc<Message>>,
        /// The topic behind which the next page begins; `None`: this was the last.
        next: Option<Arc<str>>,
    },
    /// The home of retained messages asks: say `Flushed` once every `Retain` that you posted me so far is behind you.
    Flush,
    /// The answer to `Flush`. Parcels never overtake, so it says that what was published before it is stored.
    Flushed,
    /// A session of the posting shard is behind with what this client of the receiver's publishes.
    Slow {
        /// Client id.
        publisher: Box<[u8]>,
    },
    /// Undoes one `Slow`.
    Eased {
        /// Client id.
        publisher: Box<[u8]>,
    },
    /// A device of the posting shard has sent much: say `Reached` once all of it so far is behind you.
    Reach {
        /// Comes back.
        connection: ConnectionId,
    },
    /// The answer to `Reach`. What this shard had to say of those messages was posted before.
    Reached {
        /// Whose messages.
        connection: ConnectionId,
    },
    /// About shared subscriptions.
    Group(GroupParcel),
}
