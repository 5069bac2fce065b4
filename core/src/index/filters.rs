//! The stored filters: text and subscribers in a slab, found by text through a seeded hash table.
//!
//! The table keeps half of each hash beside the id, so that it grows without touching an entry.

use super::subscribers::Subscribers;
use super::{FilterId, Subscription};
use crate::SessionId;
use crate::slots::Slots;
use hashbrown::HashTable;

#[derive(Debug, Default)]
pub(super) struct Filters {
    entries: Slots<Entry>,
    /// Free entries, last freed first.
    free: Vec<FilterId>,
    by_text: HashTable<Key>,
}

#[derive(Debug)]
struct Entry {
    /// Empty when the entry is free: no filter is empty.
    text: Box<str>,
    subscribers: Subscribers,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    hash: u32,
    filter: FilterId,
}

impl Key {
    fn new(hash: u64, filter: FilterId) -> Self {
        Self {
            hash: hash as u32,
            filter,
        }
    }

    /// The kept half fills both halves: the table takes its tag from the top and its bucket from the bottom.
    fn spread(&self) -> u64 {
        spread(u64::from(self.hash))
    }
}

fn spread(hash: u64) -> u64 {
    let half = hash & u64::from(u32::MAX);
    half << 32 | half
}

impl Filters {
    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }

    pub(super) fn find(&self, hash: u64, text: &str) -> Option<FilterId> {
        let same = |key: &Key| key.hash == hash as u32 && *self.entries[key.filter.index()].text == *text;
        Some(self.by_text.find(spread(hash), same)?.filter)
    }

    pub(super) fn text(&self, filter: FilterId) -> &str {
        &self.entries[filter.index()].text
    }

    pub(super) fn subscribers(&self, filter: FilterId) -> &Subscribers {
        &self.entries[filter.index()].subscribers
    }

    pub(super) fn subscribers_mut(&mut self, filter: FilterId) -> &mut Subscribers {
        &mut self.entries[filter.index()].subscribers
    }

    /// Stores a filter that is not stored yet, with its first subscriber.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        text: &str,
        session: SessionId,
        subscription: Subscription,
    ) -> FilterId {
        let subscribers = Subscribers::one(session, subscription);
        let entry = Entry {
            text: text.into(),
            subscribers,
        };
        let filter = match self.free.pop() {
            Some(filter) => {
                self.entries[filter.index()] = entry;
                filter
            }
            None => {
                let filter = FilterId::new(self.entries.len());
                self.entries.push(entry);
                filter
            }
        };
        self.by_text
            .insert_unique(spread(hash), Key::new(hash, filter), Key::spread);
        filter
    }

    /// Forgets a filter that lost its last subscriber and gives its text back.
    pub(super) fn remove(&mut self, hash: u64, filter: FilterId) -> Box<str> {
        let entry = &mut self.entries[filter.index()];
        assert!(entry.subscribers.is_empty(), "a filter with subscribers is kept");
        let text = std::mem::take(&mut entry.text);
        let found = self.by_text.find_entry(spread(hash), |key| key.filter == filter);
        found.expect("every stored filter is in the table").remove();
        self.free.push(filter);
        text
    }
}
