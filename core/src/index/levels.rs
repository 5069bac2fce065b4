//! Topic levels in use by the trie, each text stored once and named by a number.
//!
//! A topic's level that is not here is in no filter: the trie then follows wildcards only.

use crate::slots::Slots;
use ahash::RandomState;
use hashbrown::HashTable;

/// A stored level. Valid while it is counted at least once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LevelId(pub(super) u32);

#[derive(Debug, Default)]
pub(super) struct Levels {
    entries: Slots<Entry>,
    free: Vec<LevelId>,
    by_text: HashTable<LevelId>,
}

#[derive(Debug)]
struct Entry {
    text: Box<str>,
    /// How many trie nodes stand for this level.
    count: u32,
}

impl Levels {
    pub(super) fn find(&self, hasher: &RandomState, text: &str) -> Option<LevelId> {
        let same = |level: &LevelId| *self.entries[level.0 as usize].text == *text;
        self.by_text.find(hasher.hash_one(text), same).copied()
    }

    /// Stores a level, or counts one more use of it.
    pub(super) fn acquire(&mut self, hasher: &RandomState, text: &str) -> LevelId {
        if let Some(level) = self.find(hasher, text) {
            self.entries[level.0 as usize].count += 1;
            return level;
        }
        let entry = Entry {
            text: text.into(),
            count: 1,
        };
        let level = match self.free.pop() {
            Some(level) => {
                self.entries[level.0 as usize] = entry;
                level
            }
            None => {
                let level =
                    LevelId(u32::try_from(self.entries.len()).expect("limits keep levels below 2^32"));
                self.entries.push(entry);
                level
            }
        };
        let entries = &self.entries;
        self.by_text.insert_unique(hasher.hash_one(text), level, |level| {
            hasher.hash_one(&*entries[level.0 as usize].text)
        });
        level
    }

    /// One use fewer; the last one frees the level.
    pub(super) fn release(&mut self, hasher: &RandomState, level: LevelId) {
        let entry = &mut self.entries[level.0 as usize];
        entry.count -= 1;
        if entry.count > 0 {
            return;
        }
        let text = std::mem::take(&mut entry.text);
        let found = self
            .by_text
            .find_entry(hasher.hash_one(&*text), |other| *other == level);
        found.expect("every stored level is in the table").remove();
        self.free.push(level);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_text.len()
    }
}
