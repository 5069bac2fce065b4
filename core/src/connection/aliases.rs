//! Topic aliases of one connection (5.0 section 3.3.2.3.4): those that its client set, and those that the server set.
//!
//! They end with the connection. Both sides are bounded in number by what the receiver allows and in bytes by
//! `topic_alias_bytes`. Decides nothing about what is published; `publish.rs` asks what an alias stands for, `deliver.rs`
//! whether a topic has one.

use hashbrown::HashTable;
use std::collections::BTreeMap;

/// Missed topics that are remembered: one that comes twice within so many is worth an alias.
const MISSED_MAX: usize = 8;

/// The aliases of a connection; made with the first one.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// Those that the client set.
    pub(crate) heard: Heard,
    /// Those that the server set.
    pub(crate) told: Option<Told>,
}

/// The aliases that a client set.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    topics: BTreeMap<u16, Box<str>>,
    bytes: usize,
}

impl Heard {
    /// What an alias stands for.
    pub(crate) fn topic(&self, alias: u16) -> Option<&str> {
        self.topics.get(&alias).map(|topic| &**topic)
    }

    /// From now on `alias` stands for `topic`. False, and nothing changes, when that is more than `bytes_max` bytes.
    pub(crate) fn set(&mut self, alias: u16, topic: &str, bytes_max: usize) -> bool {
        let former = self.topics.get(&alias);
        if former.is_some_and(|former| **former == *topic) {
            return true;
        }
        let bytes = self.bytes - former.map_or(0, |former| former.len()) + topic.len();
        if bytes > bytes_max {
            return false;
        }
        self.bytes = bytes;
        self.topics.insert(alias, topic.into());
        true
    }
}

/// How the topic of one delivery is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Said {
    /// In full.
    #[default]
    Plain,
    /// In full, and from now on by this alias.
    Set(u16),
    /// By this alias alone.
    Alias(u16),
}

/// The aliases that the server set for a client. The first topics get them; when all are given, a topic that comes again
/// soon takes the place of the one that has had its alias longest.
#[derive(Debug)]
pub(crate) struct Told {
    /// Alias 1 is the first.
    topics: Vec<Box<str>>,
    by_topic: HashTable<u16>,
    hasher: ahash::RandomState,
    bytes: usize,
    /// Index of the topic that gives way next.
    next: usize,
    missed: [u64; MISSED_MAX],
    missed_next: usize,
}

impl Told {
    /// None yet.
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Self {
            topics: Vec::new(),
            by_topic: HashTable::new(),
            hasher,
            bytes: 0,
            next: 0,
            missed: [0; MISSED_MAX],
            missed_next: 0,
        }
    }

    /// How to say `topic` in a packet that is written now. `max`: aliases that the client allows, not 0.
    pub(crate) fn say(&mut self, topic: &str, max: u16, bytes_max: usize) -> Said {
        let hash = self.hasher.hash_one(topic);
        let known = self
            .by_topic
            .find(hash, |&alias| *self.topics[usize::from(alias) - 1] == *topic);
        if let Some(&alias) = known {
            return Said::Alias(alias);
        }
        let is_full = self.topics.len() >= usize::from(max);
        if is_full && !self.came_again(hash) {
            return Said::Plain;
        }
        let former = if is_full { self.topics[self.next].len() } else { 0 };
        if self.bytes - former + topic.len() > bytes_max {
            return Said::Plain;
        }
        self.bytes = self.bytes - former + topic.len();
        let index = if is_full {
            self.replace(topic)
        } else {
            self.topics.push(topic.into());
            self.topics.len() - 1
        };
        let alias = u16::try_from(index + 1).expect("at most `max` of them");
        let (topics, hasher) = (&self.topics, &self.hasher);
        let rehash = |&alias: &u16| hasher.hash_one(&*topics[usize::from(alias) - 1]);
        self.by_topic.insert_unique(hash, alias, rehash);
        Said::Set(alias)
    }

    /// True when a topic without an alias was here shortly before; else that is remembered.
    fn came_again(&mut self, hash: u64) -> bool {
        let hash = hash | 1;
        if let Some(place) = self.missed.iter_mut().find(|missed| **missed == hash) {
            *place = 0;
            return true;
        }
        self.missed[self.missed_next] = hash;
        self.missed_next = (self.missed_next + 1) % MISSED_MAX;
        false
    }

    /// Puts `topic` in the place of the one that has had its alias longest.
    fn replace(&mut self, topic: &str) -> usize {
        let index = self.next;
        self.next = (index + 1) % self.topics.len();
        let former = std::mem::replace(&mut self.topics[index], topic.into());
        let hash = self.hasher.hash_one(&*former);
        if let Ok(entry) = self
            .by_topic
            .find_entry(hash, |&alias| usize::from(alias) == index + 1)
        {
            entry.remove();
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told::new(ahash::RandomState::with_seeds(1, 2, 3, 4))
    }

    #[test]
    fn an_alias_stands_for_what_it_was_set_to_last() {
        let mut heard = Heard::default();
        assert!(heard.set(1, "a", 10) && heard.set(2, "bb", 10) && heard.set(1, "cccc", 10));
        assert_eq!((heard.topic(1), heard.topic(2)), (Some("cccc"), Some("bb")));
        assert_eq!(heard.topic(3), None);
    }

    #[test]
    fn topics_beyond_the_bytes_are_not_set_and_what_was_set_stays() {
        let mut heard = Heard::default();
        assert!(heard.set(1, "12345", 10) && heard.set(2, "12345", 10));
        assert!(!heard.set(3, "1", 10) && !heard.set(1, "123456", 10));
        assert_eq!((heard.topic(1), heard.topic(3)), (Some("12345"), None));
        assert!(heard.set(1, "123", 10) && heard.set(3, "12", 10));
    }

    #[test]
    fn the_first_topics_get_aliases_and_are_said_by_them_from_then_on() {
        let mut told = told();
        assert_eq!(told.say("a", 2, 100), Said::Set(1));
        assert_eq!(told.say("b", 2, 100), Said::Set(2));
        assert_eq!(told.say("a", 2, 100), Said::Alias(1));
        assert_eq!(told.say("c", 2, 100), Said::Plain);
        assert_eq!(told.say("b", 2, 100), Said::Alias(2));
    }

    #[test]
    fn a_topic_that_comes_again_soon_takes_the_place_of_the_oldest() {
        let mut told = told();
        told.say("a", 2, 100);
        told.say("b", 2, 100);
        assert_eq!(told.say("c", 2, 100), Said::Plain);
        assert_eq!(told.say("c", 2, 100), Said::Set(1));
        assert_eq!(told.say("c", 2, 100), Said::Alias(1));
        assert_eq!(told.say("b", 2, 100), Said::Alias(2));
        assert_eq!(told.say("a", 2, 100), Said::Plain, "its alias is another's");
    }

    #[test]
    fn many_topics_in_turn_change_no_alias() {
        let mut told = told();
        for turn in 0..3 {
            for number in 0..100 {
                let said = told.say(&format!("device/{number}"), 4, 1_000);
                match (turn, number) {
                    (0, 0..4) => assert_eq!(said, Said::Set(number + 1)),
                    (_, 0..4) => assert_eq!(said, Said::Alias(number + 1)),
                    (_, _) => assert_eq!(said, Said::Plain),
                }
            }
        }
    }

    #[test]
    fn the_bytes_of_all_topics_are_bounded() {
        let mut told = told();
        assert_eq!(told.say("12345", 9, 10), Said::Set(1));
        assert_eq!(told.say("123456", 9, 10), Said::Plain);
        assert_eq!(told.say("1234", 9, 10), Said::Set(2));
    }
}
