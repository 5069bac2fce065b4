//! The retained messages of one shard: those of the topics whose home it is (5.0 section 3.3.1.3).
//!
//! Found by topic in a seeded hash table; found by filter in a map sorted by levels, where all topics under a prefix stand
//! together, so a wildcard costs what its literal prefix and the levels it names leave over, not a scan of everything;
//! and it is read page by page, so no filter costs more than a page at a time. Decides nothing about who gets them.
//!
//! Matches come in topic order: by the bytes of their levels, a topic before what is under it. Invariant: never more
//! messages or bytes than the limits.

mod search;
#[cfg(test)]
mod tests;

use crate::limits::Limits;
use crate::{Message, Time};
use ahash::RandomState;
use hashbrown::HashTable;
use ringwire_codec::topic;
use search::LevelKey;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What became of a message that was to be retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Kept; the topic had none before.
    Stored,
    /// Kept in place of the topic's former message.
    Replaced,
    /// An empty payload: the topic's message was removed.
    Cleared,
    /// An empty payload, and the topic had no message.
    Absent,
    /// Beyond the limits: not kept. The topic's former message, if any, is gone, because it is no longer the last one.
    Full,
}

/// See the file's head.
#[derive(Debug)]
pub struct Retained {
    hasher: RandomState,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    by_topic: HashTable<u32>,
    /// The same entries, by [`LevelKey`].
    by_level: BTreeMap<LevelKey, u32>,
    /// Those that expire, the next one first.
    by_expiry: BTreeSet<(Time, u32)>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

/// What one page holds at most, whichever is reached first; but always one message.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Messages found.
    pub messages: usize,
    /// Bytes of their topics, payloads and properties.
    pub bytes: usize,
    /// Topics looked at, whether they match or not.
    pub topics: usize,
}

impl Budget {
    /// Everything at once.
    pub const UNLIMITED: Self = Self {
        messages: usize::MAX,
        bytes: usize::MAX,
        topics: usize::MAX,
    };

    /// Whether the page goes on behind a topic, and the message that was found there.
    fn spend(&mut self, found: Option<&Message>) -> bool {
        self.topics = self.topics.saturating_sub(1);
        if let Some(message) = found {
            self.messages = self.messages.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(message.size());
        }
        self.topics > 0 && self.messages > 0 && self.bytes > 0
    }
}

#[derive(Debug)]
struct Entry {
    message: Arc<Message>,
    /// From this moment on it counts as gone.
    expires: Option<Time>,
}

impl Retained {
    /// An empty store with the limits of `limits`, hashed with `seed`.
    pub fn new(seed: u64, limits: &Limits) -> Self {
        Self {
            hasher: RandomState::with_seeds(seed, 0x2e7a_17ed, seed.rotate_left(9), !seed),
            entries: Vec::new(),
            free: Vec::new(),
            by_topic: HashTable::new(),
            by_level: BTreeMap::new(),
            by_expiry: BTreeSet::new(),
            bytes: 0,
            messages_max: limits.retained_messages,
            bytes_max: limits.retained_bytes,
        }
    }

    /// Retains a message under its topic, or clears the topic when the payload is empty [MQTT-3.3.1-6].
    pub fn retain(&mut self, message: Arc<Message>, expires: Option<Time>) -> Retention {
        let former = self.remove(message.topic_bytes());
        if message.payload().is_empty() {
            return if former {
                Retention::Cleared
            } else {
                Retention::Absent
            };
        }
        let size = message.size();
        if self.by_topic.len() >= self.messages_max || size > self.bytes_max.saturating_sub(self.bytes) {
            return Retention::Full;
        }
        self.bytes += size;
        self.insert(Entry { message, expires });
        if former {
            Retention::Replaced
        } else {
            Retention::Stored
        }
    }

    fn insert(&mut self, entry: Entry) {
        let hash = self.hasher.hash_one(entry.message.topic_bytes());
        let key = LevelKey::of(entry.message.topic_bytes());
        let slot = match self.free.pop() {
            Some(slot) => {
                self.entries[slot as usize] = Some(entry);
                slot
            }
            None => {
                let slot =
                    u32::try_from(self.entries.len()).expect("limits keep retained messages below 2^32");
                self.entries.push(Some(entry));
                slot
            }
        };
        if let Some(expires) = stored(&self.entries, slot).expires {
            self.by_expiry.insert((expires, slot));
        }
        let (entries, hasher) = (&self.entries, &self.hasher);
        let rehash = |slot: &u32| hasher.hash_one(stored(entries, *slot).message.topic_bytes());
        self.by_topic.insert_unique(hash, slot, rehash);
        self.by_level.insert(key, slot);
    }

    /// Removes a topic's message; false when it has none.
    pub fn remove(&mut self, topic: &[u8]) -> bool {
        let entries = &self.entries;
        let same = |slot: &u32| stored(entries, *slot).message.topic_bytes() == topic;
        let Ok(found) = self.by_topic.find_entry(self.hasher.hash_one(topic), same) else {
            return false;
        };
        let (slot, _) = found.remove();
        self.by_level.remove(&LevelKey::of(topic));
        self.free.push(slot);
        let entry = self.entries[slot as usize]
            .take()
            .expect("the table names stored entries only");
        self.bytes -= entry.message.size();
        if let Some(expires) = entry.expires {
            self.by_expiry.remove(&(expires, slot));
        }
        true
    }

    /// When the next message expires.
    pub fn next_expiry(&self) -> Option<Time> {
        self.by_expiry.first().map(|&(expires, _)| expires)
    }

    /// Removes messages that have expired, the oldest first and `most` of them at most; how many it were.
    pub fn remove_expired(&mut self, now: Time, most: usize) -> usize {
        for count in 0..most {
            let Some(&(expires, slot)) = self.by_expiry.first().filter(|(expires, _)| *expires <= now) else {
                return count;
            };
            let message = stored(&self.entries, slot).message.clone();
            let removed = self.remove(message.topic_bytes());
            assert!(removed, "what expires at {expires:?} is stored under its topic");
        }
        most
    }

    /// The message of one topic name.
    pub fn find(&self, topic: &[u8], now: Time) -> Option<&Arc<Message>> {
        let same = |slot: &u32| stored(&self.entries, *slot).message.topic_bytes() == topic;
        let slot = self.by_topic.find(self.hasher.hash_one(topic), same)?;
        let entry = stored(&self.entries, *slot);
        entry.lives(now).then_some(&entry.message)
    }

    /// Reads a page of the messages whose topics a valid filter matches, in topic order, from behind `after` on. The topic
    /// to go on behind, when there may be more.
    pub fn page(
        &self,
        filter: &str,
        after: Option<&str>,
        mut budget: Budget,
        now: Time,
        mut found: impl FnMut(&Arc<Message>),
    ) -> Option<String> {
        if !topic::has_wildcard(filter) {
            self.find(filter.as_bytes(), now).into_iter().for_each(found);
            return None;
        }
        let stopped = search::walk(&self.by_level, filter, after, |slot| {
            let entry = slot.map(|slot| stored(&self.entries, slot));
            let message = entry.filter(|entry| entry.lives(now)).map(|entry| &entry.message);
            if let Some(message) = message {
                found(message);
            }
            budget.spend(message.map(Arc::as_ref))
        });
        stopped.map(|slot| stored(&self.entries, slot).message.topic().to_owned())
    }

    /// Messages, expired ones included while nobody asked for them to be removed.
    pub fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// True when there is no message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of topics, payloads and properties.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Entry {
    fn lives(&self, now: Time) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

fn stored(entries: &[Option<Entry>], slot: u32) -> &Entry {
    entries[slot as usize]
        .as_ref()
        .expect("tables name stored entries only")
}
