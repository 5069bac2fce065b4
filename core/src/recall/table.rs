//! Who waits for which retained messages: the recalls of a shard's sessions, as data. `recall.rs` acts on them.
//!
//! A recall is one filter at one home, read page by page: either a question is on its way, or the recall is parked until
//! its session has room for more. A ticket carries its session in the upper half, so that all recalls of a session stand
//! together.

use crate::index::FilterId;
use crate::placement::Placement;
use crate::{Message, SessionId, ShardId};
use ringwire_codec::topic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Topics remembered for one page, 24 bytes each. Beyond it no answer can be told from a stale one.
const LIVE_TOPICS_MAX: usize = 65_536;

/// The recalls of a shard's sessions.
#[derive(Debug)]
pub(crate) struct Recalls {
    last: u32,
    waiting: BTreeMap<u64, Recall>,
    /// Tickets whose answers are wanted, by session and filter.
    wanted: BTreeSet<(SessionId, FilterId, u64)>,
    /// Tickets with a question on its way, and those between two pages.
    asked: BTreeSet<u64>,
    parked: BTreeSet<u64>,
    hasher: ahash::RandomState,
}

/// One filter of a SUBSCRIBE, at one home.
#[derive(Debug)]
pub(crate) struct Recall {
    /// `None` when the answers are not wanted any more.
    pub(crate) filter: Option<FilterId>,
    pub(crate) text: Arc<str>,
    pub(crate) home: ShardId,
    /// The topic behind which the next page begins.
    pub(crate) after: Option<Arc<str>>,
    /// Topics that arrived live since the question.
    live: hashbrown::HashTable<Live>,
    /// How often this may be asked again.
    pub(crate) again: u8,
}

/// A topic that arrived live, as hashes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    topic: u64,
    payload: u64,
    /// It arrived after the question; otherwise an answer is newer, or the same.
    since: bool,
}

impl Live {
    /// The same, for a question that is asked now.
    pub(crate) fn before(self) -> Self {
        Self { since: false, ..self }
    }
}

/// What to do with an answer.
pub(crate) enum Use {
    Deliver,
    Drop,
    AskAgain(Live),
}

impl Recalls {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Self {
            last: 0,
            waiting: BTreeMap::new(),
            wanted: BTreeSet::new(),
            asked: BTreeSet::new(),
            parked: BTreeSet::new(),
            hasher,
        }
    }

    /// A new recall, parked. Its ticket.
    pub(crate) fn add(&mut self, session: SessionId, filter: FilterId, recall: Recall) -> u64 {
        self.last = self.last.wrapping_add(1);
        let ticket = u64::from(session.0) << 32 | u64::from(self.last);
        self.waiting.insert(ticket, recall);
        self.wanted.insert((session, filter, ticket));
        self.parked.insert(ticket);
        ticket
    }

    pub(crate) fn get(&self, ticket: u64) -> Option<&Recall> {
        self.waiting.get(&ticket)
    }

    pub(crate) fn get_mut(&mut self, ticket: u64) -> Option<&mut Recall> {
        self.waiting.get_mut(&ticket)
    }

    /// A question leaves.
    pub(crate) fn ask(&mut self, ticket: u64) {
        self.parked.remove(&ticket);
        self.asked.insert(ticket);
    }

    /// A question is answered: there is more behind `after`.
    pub(crate) fn park(&mut self, ticket: u64, after: Arc<str>) {
        if let Some(recall) = self.waiting.get_mut(&ticket) {
            // What arrived before the next question is no news when that is answered.
            (recall.after, recall.live) = (Some(after), hashbrown::HashTable::new());
            self.asked.remove(&ticket);
            self.parked.insert(ticket);
        }
    }

    /// Questions of a session that are on their way; counted to `most` only.
    pub(crate) fn outstanding(&self, session: SessionId, most: usize) -> usize {
        self.asked.range(tickets(session)).take(most).count()
    }

    /// A recall of a session that waits for its next question; the oldest.
    pub(crate) fn parked(&self, session: SessionId) -> Option<u64> {
        self.parked.range(tickets(session)).next().copied()
    }

    /// A live message, whose topic lives at `home`, for a session that may have questions on their way.
    pub(crate) fn arrived(&mut self, session: SessionId, placement: &Placement, name: &str, payload: &[u8]) {
        if self.outstanding(session, 1) == 0 {
            return;
        }
        let home = placement.home(name.as_bytes());
        let arrived = self.live(name, payload, true);
        for ticket in self.asked.range(tickets(session)) {
            let recall = self.waiting.get_mut(ticket).expect("who is asked is waited for");
            let may_answer = recall.filter.is_some() && recall.home == home;
            if may_answer && topic::matches(&recall.text, name) && recall.live.len() < LIVE_TOPICS_MAX {
                recall.arrived(arrived);
            }
        }
    }

    fn live(&self, name: &str, payload: &[u8], since: bool) -> Live {
        Live {
            topic: self.hasher.hash_one(name),
            payload: self.hasher.hash_one(payload),
            since,
        }
    }

    /// What to do with a message that answers a question.
    pub(crate) fn judge(&self, recall: &Recall, name: &str, message: &Message) -> Use {
        if recall.is_overrun() {
            return Use::Drop;
        }
        let topic = self.hasher.hash_one(name);
        let Some(live) = recall.live.find(topic, |live| live.topic == topic) else {
            return Use::Deliver;
        };
        let is_same = live.payload == self.hasher.hash_one(message.payload());
        match (is_same, live.since) {
            (true, _) => Use::Drop,
            (false, false) => Use::Deliver,
            (false, true) if recall.again == 0 => Use::Drop,
            (false, true) => Use::AskAgain(*live),
        }
    }

    /// The recalls of one filter are not wanted any more; how many are forgotten at once. Those that are asked for still
    /// count until they are answered: who asks in a loop waits, whatever it does between.
    pub(crate) fn forget(&mut self, session: SessionId, filter: FilterId) -> u32 {
        let tickets = (session, filter, 0)..=(session, filter, u64::MAX);
        let mut forgotten = 0;
        while let Some(&entry) = self.wanted.range(tickets.clone()).next() {
            self.wanted.remove(&entry);
            if self.parked.remove(&entry.2) {
                self.waiting.remove(&entry.2);
                forgotten += 1;
            } else if let Some(recall) = self.waiting.get_mut(&entry.2) {
                recall.filter = None;
                recall.live = hashbrown::HashTable::new();
            }
        }
        forgotten
    }

    /// A recall is over.
    pub(crate) fn remove(&mut self, session: SessionId, ticket: u64) {
        self.asked.remove(&ticket);
        self.parked.remove(&ticket);
        if let Some(recall) = self.waiting.remove(&ticket)
            && let Some(filter) = recall.filter
        {
            self.wanted.remove(&(session, filter, ticket));
        }
    }

    /// Forgets all recalls of a session.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        let stale = self.waiting.range(tickets(session));
        for ticket in stale.map(|(&ticket, _)| ticket).collect::<Vec<_>>() {
            self.remove(session, ticket);
        }
    }
}

impl Recall {
    pub(crate) fn new(filter: FilterId, text: Arc<str>, home: ShardId, again: u8) -> Self {
        Self {
            filter: Some(filter),
            text,
            home,
            after: None,
            live: hashbrown::HashTable::new(),
            again,
        }
    }

    /// A topic arrived live.
    pub(crate) fn arrived(&mut self, arrived: Live) {
        let is_same = |live: &Live| live.topic == arrived.topic;
        *(self.live.entry(arrived.topic, is_same, |live| live.topic))
            .or_insert(arrived)
            .get_mut() = arrived;
    }

    /// More topics arrived live than are remembered.
    pub(crate) fn is_overrun(&self) -> bool {
        self.live.len() >= LIVE_TOPICS_MAX
    }

    /// The same page is asked for once more.
    pub(crate) fn start_over(&mut self) {
        self.again -= 1;
        self.live = hashbrown::HashTable::new();
    }
}

fn tickets(session: SessionId) -> std::ops::RangeInclusive<u64> {
    let first = u64::from(session.0) << 32;
    first..=first | u64::from(u32::MAX)
}
