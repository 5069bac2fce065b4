//! The subscription index of one shard: which of its sessions subscribe to a topic.
//!
//! Every filter in use is stored once and named by a [`FilterId`]; sessions keep only ids. One seeded hash table finds a
//! filter by its text, so a topic with no wildcard subscriber costs one lookup; filters with wildcards also stand in a
//! trie over interned levels. Does not know what a session is, and gives no filter a meaning beyond 4.7 of the standard.
//!
//! Invariant: a filter is stored exactly while it has a subscriber. Matches come in an order that is a function of the
//! operations alone: ascending session ids, and for one session ascending identifiers.
//!
//! Heap of a unique literal subscription, measured just after its tables doubled (`tests/memory.rs`): its text and 50
//! bytes; of a unique wildcard one, its text and 176. Each further subscriber of a filter: 26.

mod filters;
mod levels;
mod recent;
mod subscribers;
#[cfg(test)]
mod tests;
mod trie;

use crate::SessionId;
use ahash::RandomState;
use filters::Filters;
use recent::{Known, Recent};
use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_codec::topic;
use std::num::NonZeroU32;
use trie::Trie;

/// A handle of a stored filter. Valid while the filter has a subscriber; reused afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterId(NonZeroU32);

impl FilterId {
    /// One above the index, so that `Option<FilterId>` takes no room of its own.
    fn new(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("limits keep filters below 2^32"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What one session asked for when it subscribed to one filter: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The highest QoS at which messages are sent.
    pub qos: QoS,
    /// The session's own publishes are not sent back.
    pub no_local: bool,
    /// RETAIN is sent as published.
    pub retain_as_published: bool,
    /// Which retained messages the SUBSCRIBE asked for; kept for the operator's view only.
    pub retain_handling: RetainHandling,
    /// The subscription identifier that goes with each message.
    pub identifier: Option<NonZeroU32>,
}

/// What [`Index::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The filter's handle.
    pub filter: FilterId,
    /// The session's former subscription to the same filter.
    pub replaced: Option<Subscription>,
    /// The filter had no subscriber before: the interest map must hear of it.
    pub first: bool,
}

/// What [`Index::remove`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The subscription that went.
    pub subscription: Subscription,
    /// The filter's text when that was its last subscriber: the interest map must hear of it.
    pub last: Option<Box<str>>,
}

/// See the file's head.
#[derive(Debug)]
pub struct Index {
    hasher: RandomState,
    filters: Filters,
    trie: Trie,
    recent: Recent,
    subscriptions: usize,
}

impl Index {
    /// An empty index, hashed with `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            hasher: RandomState::with_seeds(seed, 0x1d_ec5, seed.rotate_left(32), 0x5eed),
            filters: Filters::default(),
            trie: Trie::default(),
            recent: Recent::default(),
            subscriptions: 0,
        }
    }

    /// Subscribes `session` to a valid filter, or replaces its subscription.
    pub fn insert(&mut self, filter: &str, session: SessionId, subscription: Subscription) -> Inserted {
        debug_assert!(topic::is_valid_filter(filter));
        self.recent.forget();
        let hash = self.hasher.hash_one(filter);
        if let Some(id) = self.filters.find(hash, filter) {
            let replaced = self.filters.subscribers_mut(id).insert(session, subscription);
            self.subscriptions += usize::from(replaced.is_none());
            return Inserted {
                filter: id,
                replaced,
                first: false,
            };
        }
        let id = self.filters.insert(hash, filter, session, subscription);
        if topic::has_wildcard(filter) {
            self.trie.insert(&self.hasher, filter, id);
        }
        self.subscriptions += 1;
        Inserted {
            filter: id,
            replaced: None,
            first: true,
        }
    }

    /// Ends the subscription of `session` to a filter; `None` when there is none.
    pub fn remove(&mut self, filter: FilterId, session: SessionId) -> Option<Removed> {
        let subscribers = self.filters.subscribers_mut(filter);
        let subscription = subscribers.remove(session)?;
        self.recent.forget();
        self.subscriptions -= 1;
        let last = subscribers.is_empty().then(|| self.forget(filter));
        Some(Removed { subscription, last })
    }

    fn forget(&mut self, filter: FilterId) -> Box<str> {
        let hash = self.hasher.hash_one(self.filters.text(filter));
        let text = self.filters.remove(hash, filter);
        if topic::has_wildcard(&text) {
            self.trie.remove(&self.hasher, &text);
        }
        text
    }

    /// The handle of a filter that has a subscriber.
    pub fn find(&self, filter: &str) -> Option<FilterId> {
        self.filters.find(self.hasher.hash_one(filter), filter)
    }

    /// The text of a stored filter.
    pub fn text(&self, filter: FilterId) -> &str {
        self.filters.text(filter)
    }

    /// The subscription of one session to a stored filter.
    pub fn subscription(&self, filter: FilterId, session: SessionId) -> Option<&Subscription> {
        self.filters.subscribers(filter).find(session)
    }

    /// Puts every subscription that matches a valid topic name into `found`, sorted by session: a session comes once for
    /// each of its filters that match. The caller bounds the topic's levels.
    pub fn matches(&mut self, topic: &str, found: &mut Vec<(SessionId, Subscription)>) {
        found.clear();
        let hash = self.hasher.hash_one(topic);
        let comes_again = match self.recent.look_up(hash, topic) {
            Known::All(known) => return found.extend_from_slice(known),
            Known::Again => true,
            Known::New => false,
        };
        self.for_each_match(hash, topic, |session, subscription| {
            found.push((session, *subscription))
        });
        if !found.is_sorted_by_key(|&(session, _)| session) {
            // The subscribers of one filter come sorted; only several filters need this. Does not allocate.
            found.sort_unstable_by_key(|&(session, subscription)| (session, subscription.identifier));
        }
        if comes_again {
            self.recent.remember(hash, topic, found);
        }
    }

    fn for_each_match(&self, hash: u64, topic: &str, mut found: impl FnMut(SessionId, &Subscription)) {
        if let Some(literal) = self.filters.find(hash, topic) {
            self.filters.subscribers(literal).for_each(&mut found);
        }
        self.trie.for_each_match(&self.hasher, topic, |filter| {
            self.filters.subscribers(filter).for_each(&mut found);
        });
    }

    /// Subscriptions of all sessions.
    pub fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    /// Filters with a subscriber.
    pub fn filters(&self) -> usize {
        self.filters.len()
    }
}
