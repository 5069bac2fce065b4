//! Who subscribes to the topics that were published to of late: a small memory in front of the index.
//!
//! Devices publish to the same topic again and again, and matching it costs a hash, a look-up and a walk of the trie each
//! time. A topic is remembered from its second publish on, so that topics which come once cost a comparison and no
//! allocation. Any change of a subscription makes everything here stale, by a number that goes up: nothing is searched
//! for what to forget, and a stale answer is never given.

use super::Subscription;
use crate::SessionId;

/// Topics remembered, a power of two; one that hashes to the same place takes it.
const TOPICS: usize = 512;

/// Longer topics are not remembered: a publisher chooses them.
const TOPIC_BYTES_MAX: usize = 1_024;

/// With more subscribers delivering costs so much that matching does not matter, and remembering costs memory.
const SUBSCRIBERS_MAX: usize = 64;

/// See the file's head.
#[derive(Debug)]
pub(super) struct Recent {
    places: Vec<Place>,
    /// Of the subscriptions as they are now; never 0.
    version: u64,
}

#[derive(Debug, Default)]
struct Place {
    /// Of the topic that was last asked for here.
    hash: u64,
    /// As of which version `found` holds; 0: it was asked for once and is not remembered.
    version: u64,
    topic: Box<str>,
    found: Vec<(SessionId, Subscription)>,
}

/// What is known of a topic.
pub(super) enum Known<'a> {
    /// Its subscribers, sorted by session.
    All(&'a [(SessionId, Subscription)]),
    /// Nothing, but it comes again: it should be remembered.
    Again,
    /// Nothing.
    New,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            version: 1,
        }
    }
}

impl Recent {
    /// A subscription began, changed or ended.
    pub(super) fn forget(&mut self) {
        self.version += 1;
    }

    /// What is known of a topic with this hash.
    pub(super) fn look_up(&mut self, hash: u64, topic: &str) -> Known<'_> {
        if self.places.is_empty() {
            self.places.resize_with(TOPICS, Place::default);
        }
        let place = &mut self.places[hash as usize & (TOPICS - 1)];
        if place.hash != hash {
            (place.hash, place.version) = (hash, 0);
            return Known::New;
        }
        if place.version != self.version || *place.topic != *topic {
            return Known::Again;
        }
        Known::All(&place.found)
    }

    /// Remembers the subscribers of a topic that `look_up` had heard of, unless there are too many or it is too long.
    pub(super) fn remember(&mut self, hash: u64, topic: &str, found: &[(SessionId, Subscription)]) {
        let place = &mut self.places[hash as usize & (TOPICS - 1)];
        if found.len() > SUBSCRIBERS_MAX || topic.len() > TOPIC_BYTES_MAX {
            return;
        }
        if *place.topic != *topic {
            place.topic = topic.into();
        }
        place.found.clear();
        place.found.extend_from_slice(found);
        place.version = self.version;
    }
}
