//! Retained messages: stored on the home shard of their topic, recalled by whoever subscribes.
//!
//! A subscriber must never get an older retained message after a newer live one. While answers are on their way its
//! shard remembers which topics arrived live, and uses no answer for them: it may be the same message or an older one. When
//! it is another, it may also be a newer one, so that topic is asked for again. Nor must a subscriber miss the last one: a message whose publisher saw no subscriber yet may still be on its
//! way to the store. So a home answers after a round of `Flush`: every other shard has said that what it published
//! before is behind it, and what it publishes later finds the subscriber. One round serves all questions that wait.

use crate::connection::held;
use crate::index::FilterId;
use crate::retained::Retention;
use crate::session::frame::{News, Shape};
use crate::{Actions, ConnectionId, DropReason, Engine, Message, Parcel, SessionId, ShardId};
use ringwire_codec::mqtt::QoS;
use ringwire_codec::topic;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Messages of one answer parcel.
const ANSWER_MESSAGES_MAX: usize = 256;
/// How often a topic is asked for that goes on arriving live: its subscriber has then seen what came last.
const AGAIN_MAX: u8 = 8;
/// Topics remembered for one recall, 24 bytes each. Beyond it no answer can be told from a stale one, so none is used.
const LIVE_TOPICS_MAX: usize = 65_536;

/// Retained messages that are on their way to this shard's subscribers. A ticket carries its session in the upper half,
/// so that all recalls of a session stand together.
#[derive(Debug)]
pub(crate) struct Recalls {
    last: u32,
    waiting: BTreeMap<u64, Recall>,
    /// Tickets whose answers are wanted, by session and filter.
    wanted: BTreeSet<(SessionId, FilterId, u64)>,
    /// Questions to this shard's store that are answered when this round of `Flush` is over, and those that came since.
    round: Vec<Question>,
    next_round: Vec<Question>,
    /// Shards that have not said `Flushed` in this round.
    unflushed: u16,
    hasher: ahash::RandomState,
}

/// A question to this shard's store.
#[derive(Debug)]
struct Question {
    from: ShardId,
    ticket: u64,
    filter: Arc<str>,
}

/// One SUBSCRIBE whose answers are on their way.
#[derive(Debug)]
struct Recall {
    /// `None` when the answers are not wanted any more.
    filter: Option<FilterId>,
    text: Arc<str>,
    /// Shards that have not said their last.
    outstanding: u16,
    /// Topics that arrived live meanwhile.
    live: hashbrown::HashTable<Live>,
    /// How often this may be asked again.
    again: u8,
}

/// A topic that arrived live, as hashes.
#[derive(Clone, Copy, Debug)]
struct Live {
    topic: u64,
    payload: u64,
    /// It arrived after the question; otherwise an answer is newer, or the same.
    since: bool,
}

/// What to do with an answer.
enum Use {
    Deliver,
    Drop,
    AskAgain(Live),
}

/// Literal filters that a client may ask for without waiting for their answers.
const RECALLS_MAX: u32 = 64;

impl Recalls {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Self {
            last: 0,
            waiting: BTreeMap::new(),
            wanted: BTreeSet::new(),
            round: Vec::new(),
            next_round: Vec::new(),
            unflushed: 0,
            hasher,
        }
    }

    fn add(&mut self, session: SessionId, filter: FilterId, text: Arc<str>, outstanding: u16) -> u64 {
        self.last = self.last.wrapping_add(1);
        let ticket = u64::from(session.0) << 32 | u64::from(self.last);
        let recall = Recall {
            filter: Some(filter),
            text,
            outstanding,
            live: hashbrown::HashTable::new(),
            again: AGAIN_MAX,
        };
        self.waiting.insert(ticket, recall);
        self.wanted.insert((session, filter, ticket));
        ticket
    }

    /// A live message for a session that waits for retained ones.
    pub(crate) fn arrived(&mut self, session: SessionId, name: &str, payload: &[u8]) {
        let arrived = Live {
            topic: self.hasher.hash_one(name),
            payload: self.hasher.hash_one(payload),
            since: true,
        };
        for (_, recall) in self.waiting.range_mut(tickets(session)) {
            let is_wanted = recall.filter.is_some() && recall.live.len() < LIVE_TOPICS_MAX;
            if is_wanted && topic::matches(&recall.text, name) {
                recall.arrived(arrived);
            }
        }
    }

    /// What to do with a message that answers a question.
    fn judge(&self, recall: &Recall, name: &str, message: &Message) -> Use {
        if recall.live.len() >= LIVE_TOPICS_MAX {
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

    /// The recalls of one filter are not wanted any more. They still count until they are answered: who asks in a loop
    /// waits, whatever it does between.
    pub(crate) fn forget(&mut self, session: SessionId, filter: FilterId) {
        let tickets = (session, filter, 0)..=(session, filter, u64::MAX);
        while let Some(&entry) = self.wanted.range(tickets.clone()).next() {
            self.wanted.remove(&entry);
            if let Some(recall) = self.waiting.get_mut(&entry.2) {
                recall.filter = None;
                recall.live = hashbrown::HashTable::new();
            }
        }
    }

    /// A question is answered, or its session is gone.
    fn remove(&mut self, session: SessionId, ticket: u64) {
        if let Some(recall) = self.waiting.remove(&ticket)
            && let Some(filter) = recall.filter
        {
            self.wanted.remove(&(session, filter, ticket));
        }
    }

    /// Forgets all recalls of a session.
    pub(crate) fn forget_session(&mut self, session: SessionId) {
        let stale: Vec<u64> = self
            .waiting
            .range(tickets(session))
            .map(|(&ticket, _)| ticket)
            .collect();
        for ticket in stale {
            self.remove(session, ticket);
        }
    }
}

impl Recall {
    fn arrived(&mut self, arrived: Live) {
        let is_same = |live: &Live| live.topic == arrived.topic;
        *(self.live.entry(arrived.topic, is_same, |live| live.topic))
            .or_insert(arrived)
            .get_mut() = arrived;
    }
}

fn tickets(session: SessionId) -> std::ops::RangeInclusive<u64> {
    let first = u64::from(session.0) << 32;
    first..=first | u64::from(u32::MAX)
}

impl Engine {
    /// This shard is the home of the message's topic: stores it, or clears what is stored.
    pub(crate) fn retain(&mut self, message: Arc<Message>) {
        let expires = message.expires();
        match self.retained.retain(message, expires) {
            Retention::Stored | Retention::Replaced | Retention::Cleared | Retention::Absent => {}
            Retention::Full => self.stats.drops[DropReason::RetainedFull as usize] += 1,
        }
    }

    /// The messages of this shard's store that a filter matches.
    fn stored(&self, filter: &str) -> Vec<Arc<Message>> {
        let mut messages = Vec::new();
        self.retained
            .for_each_match(filter, self.now, |message| messages.push(message.clone()));
        messages
    }

    /// Asks for the retained messages of a subscription.
    pub(crate) fn recall(&mut self, id: SessionId, filter: FilterId, actions: &mut Actions) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let text: Arc<str> = self.index.text(filter).into();
        if self.settings.shards == 1 {
            for message in self.stored(&text) {
                self.deliver_stored(id, filter, &message, actions);
            }
            return;
        }
        if session.recalls > 0 {
            // A second SUBSCRIBE for the same filter is answered instead of the first.
            self.recalls.forget(id, filter);
        }
        session.recalls += 1;
        let literal = !topic::has_wildcard(&text);
        let home = self.placement.home(text.as_bytes());
        let outstanding = if literal { 1 } else { self.settings.shards };
        let ticket = self.recalls.add(id, filter, text.clone(), outstanding);
        for shard in (0..self.settings.shards).map(ShardId) {
            if literal && shard != home {
                continue;
            }
            let filter = text.clone();
            if shard == self.shard {
                self.asked(shard, ticket, filter, actions);
            } else {
                actions.post(shard, Parcel::Recall { ticket, filter });
            }
        }
    }

    /// Asks for the retained messages of a SUBSCRIBE, once for each filter, and makes a client wait for what may be much:
    /// a few bytes of it ask for a walk through whole stores, and for answers of any size.
    pub(crate) fn recall_all(
        &mut self,
        connection: ConnectionId,
        session: SessionId,
        filters: &[FilterId],
        actions: &mut Actions,
    ) {
        // Who sends no more cannot hear the answers either.
        if self
            .connections
            .get(connection)
            .is_none_or(|connection| connection.ending)
        {
            return;
        }
        let mut asked = BTreeSet::new();
        let mut is_much = false;
        for &filter in filters {
            if asked.insert(filter) {
                is_much |= topic::has_wildcard(self.index.text(filter));
                self.recall(session, filter, actions);
            }
        }
        let outstanding = self.recalls_outstanding(session);
        if !is_much && outstanding < RECALLS_MAX {
            return;
        }
        if outstanding == 0 {
            // A node of one shard has answered already: others have their turn until the client has its SUBACK.
            self.watch(connection, actions);
        }
        self.hold(connection, held::RECALL, actions);
    }

    /// Answers that are still on their way to a session.
    pub(crate) fn recalls_outstanding(&self, id: SessionId) -> u32 {
        self.sessions.get(id).map_or(0, |session| session.recalls)
    }

    /// A shard asks, maybe this one: the answer waits for a round that begins after the question.
    pub(crate) fn asked(&mut self, from: ShardId, ticket: u64, filter: Arc<str>, actions: &mut Actions) {
        let question = Question { from, ticket, filter };
        self.recalls.next_round.push(question);
        if self.recalls.unflushed == 0 {
            self.begin_round(actions);
        }
    }

    fn begin_round(&mut self, actions: &mut Actions) {
        self.recalls.round = std::mem::take(&mut self.recalls.next_round);
        self.recalls.unflushed = self.settings.shards - 1;
        for shard in (0..self.settings.shards).map(ShardId) {
            if shard != self.shard {
                actions.post(shard, Parcel::Flush);
            }
        }
    }

    /// A shard has nothing on its way here that it published before the round began.
    pub(crate) fn flushed(&mut self, actions: &mut Actions) {
        self.recalls.unflushed -= 1;
        if self.recalls.unflushed > 0 {
            return;
        }
        for question in std::mem::take(&mut self.recalls.round) {
            self.answer_question(&question, actions);
        }
        // An answer to this shard itself may have asked again, and begun a round.
        if self.recalls.unflushed == 0 && !self.recalls.next_round.is_empty() {
            self.begin_round(actions);
        }
    }

    fn answer_question(&mut self, question: &Question, actions: &mut Actions) {
        let ticket = question.ticket;
        let stored = self.stored(&question.filter);
        if question.from == self.shard {
            return self.recalled(ticket, &stored, true, actions);
        }
        let mut rest = &stored[..];
        loop {
            let (now, later) = rest.split_at(rest.len().min(ANSWER_MESSAGES_MAX));
            let messages = now.to_vec();
            let last = later.is_empty();
            let answer = Parcel::Recalled {
                ticket,
                messages,
                last,
            };
            actions.post(question.from, answer);
            if last {
                return;
            }
            rest = later;
        }
    }

    /// Another shard answers.
    pub(crate) fn recalled(
        &mut self,
        ticket: u64,
        messages: &[Arc<Message>],
        last: bool,
        actions: &mut Actions,
    ) {
        let id = SessionId((ticket >> 32) as u32);
        for message in messages {
            let Some(recall) = self.recalls.waiting.get(&ticket) else {
                // Its session is gone.
                return;
            };
            let Some(filter) = recall.filter else {
                // Unsubscribed, or asked again since.
                break;
            };
            let name = message.topic();
            match self.recalls.judge(recall, name, message) {
                Use::Deliver => self.deliver_stored(id, filter, message, actions),
                Use::Drop => {}
                Use::AskAgain(live) => {
                    let again = recall.again - 1;
                    self.ask_again(id, filter, (name, live, again), actions);
                }
            }
        }
        let Some(recall) = self.recalls.waiting.get_mut(&ticket) else {
            return;
        };
        recall.outstanding -= u16::from(last);
        if recall.outstanding == 0 {
            self.recalls.remove(id, ticket);
            if let Some(session) = self.sessions.get_mut(id) {
                session.recalls -= 1;
                if let (0, Some(connection)) = (session.recalls, session.connection) {
                    self.release(connection, held::RECALL, actions);
                }
            }
        }
    }

    /// Asks for one topic again, that arrived live while it was asked for. Its home answers after all that was published
    /// before, so what it says then is what arrived, or newer.
    fn ask_again(
        &mut self,
        id: SessionId,
        filter: FilterId,
        (name, live, again): (&str, Live, u8),
        actions: &mut Actions,
    ) {
        let text: Arc<str> = name.into();
        let ticket = self.recalls.add(id, filter, text.clone(), 1);
        if let Some(recall) = self.recalls.waiting.get_mut(&ticket) {
            recall.again = again;
            recall.arrived(Live { since: false, ..live });
        }
        if let Some(session) = self.sessions.get_mut(id) {
            session.recalls += 1;
        }
        let home = self.placement.home(name.as_bytes());
        if home == self.shard {
            self.asked(home, ticket, text, actions);
        } else {
            actions.post(home, Parcel::Recall { ticket, filter: text });
        }
    }

    /// A retained message into the session that asked for it, as its subscription says.
    fn deliver_stored(
        &mut self,
        id: SessionId,
        filter: FilterId,
        message: &Arc<Message>,
        actions: &mut Actions,
    ) {
        let Some(subscription) = self.index.subscription(filter, id) else {
            return;
        };
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        if subscription.no_local && *session.client_id == *message.publisher() {
            self.stats.drops[DropReason::NoLocal as usize] += 1;
            return;
        }
        let qos: QoS = subscription.qos.min(message.qos);
        let identifier = subscription.identifier.map(|identifier| identifier.get());
        let shape = Shape {
            qos,
            retain: true,
            identifiers: identifier.as_slice(),
        };
        self.deliver_retained(id, shape, &mut News::shared(message, self.now), actions);
    }
}
