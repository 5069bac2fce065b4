//! Retained messages: stored on the home shard of their topic, recalled by whoever subscribes.
//!
//! A SUBSCRIBE is answered in pages, in topic order for each home: the next one is asked for when the client has read the
//! last. So no SUBSCRIBE costs more than a few pages at a time, and none asks for more than a client can take.
//!
//! A subscriber must never get an older retained message after a newer live one. While a page is on its way its shard
//! remembers which topics arrived live, and uses no answer for them: it may be the same message or an older one. When it is
//! another, it may also be a newer one, so that topic is asked for again. Nor must a subscriber miss the last one: a
//! message whose publisher saw no subscriber yet may still be on its way to the store. So a home answers after a round of
//! `Flush`: every other shard has said that what it published before is behind it, and what it publishes later finds the
//! subscriber. One round serves all questions that wait.

mod table;

pub(crate) use table::Recalls;

use crate::connection::held;
use crate::index::FilterId;
use crate::retained::{Budget, Retention};
use crate::session::frame::{News, Shape};
use crate::timers::Timer;
use crate::wheel::TimerId;
use crate::{Actions, ConnectionId, DropReason, Engine, Message, Parcel, SessionId, ShardId, Time};
use ringwire_codec::mqtt::QoS;
use ringwire_codec::topic;
use std::collections::BTreeSet;
use std::sync::Arc;
use table::{Live, Recall, Use};

/// Of one page, where a session's queue has room for it.
const PAGE: Budget = Budget {
    messages: 256,
    bytes: 256 << 10,
    topics: 2_048,
};
/// How often a topic is asked for that goes on arriving live: its subscriber has then seen what came last.
const AGAIN_MAX: u8 = 8;
/// Literal filters that a client may ask for without waiting for their answers.
const LITERALS_MAX: usize = 64;
/// Pages that are on their way to one session at a time.
const PAGES_MAX: usize = 8;
/// Expired messages that are removed at a time; the next ones follow a millisecond later.
const EXPIRED_MAX: usize = 4_096;
/// Messages that expire within such a time, in milliseconds, are removed together.
const EXPIRY_STEP_MS: u64 = 256;

/// A question to this shard's store.
#[derive(Debug)]
pub(crate) struct Question {
    from: ShardId,
    ticket: u64,
    filter: Arc<str>,
    after: Option<Arc<str>>,
}

/// Questions to this shard's store, and the round of `Flush` that they wait for.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    /// Those that are answered when this round is over, and those that came since.
    round: Vec<Question>,
    next_round: Vec<Question>,
    /// Shards that have not said `Flushed` in this round.
    unflushed: u16,
}

/// When the store is looked through for expired messages.
pub(crate) type ExpiryTimer = Option<(Time, TimerId)>;

impl Engine {
    /// This shard is the home of the message's topic: stores it, or clears what is stored.
    pub(crate) fn retain(&mut self, message: Arc<Message>) {
        let cap_s = u64::from(self.settings.limits.retained_expiry_s);
        let cap = (cap_s > 0).then(|| self.now + cap_s * 1_000);
        let expires = message.expires().into_iter().chain(cap).min();
        if self.retained.next_expiry().is_some_and(|next| next <= self.now) {
            // What is gone takes no room from what comes.
            self.remove_expired();
        }
        match self.retained.retain(message, expires) {
            Retention::Stored | Retention::Replaced | Retention::Cleared | Retention::Absent => {}
            Retention::Full => self.stats.drops[DropReason::RetainedFull as usize] += 1,
        }
        self.arm_expiry();
    }

    fn remove_expired(&mut self) {
        let removed = self.retained.remove_expired(self.now, EXPIRED_MAX);
        self.stats.retained_expired += removed as u64;
    }

    /// Sets the one timer of the store for what expires next.
    fn arm_expiry(&mut self) {
        let Some(next) = self.retained.next_expiry() else {
            if let Some((_, timer)) = self.expiry_timer.take() {
                self.disarm(Some(timer));
            }
            return;
        };
        let next_ms = next.as_millis().next_multiple_of(EXPIRY_STEP_MS);
        let at = Time::from_millis(next_ms).max(self.now + 1);
        if let Some((armed, timer)) = self.expiry_timer {
            if armed <= at {
                // It looks again when it fires.
                return;
            }
            self.disarm(Some(timer));
        }
        self.expiry_timer = Some((at, self.timers.insert(at, Timer::Retained)));
    }

    /// Retained messages may have expired.
    pub(crate) fn retained_due(&mut self) {
        self.expiry_timer = None;
        self.remove_expired();
        self.arm_expiry();
    }

    /// A page of this shard's store, and the topic behind which the next one begins.
    fn page(&self, filter: &str, after: Option<&str>) -> (Vec<Arc<Message>>, Option<Arc<str>>) {
        // A page of each shard at a time must find room in a queue that is half full.
        let limits = &self.settings.limits;
        let homes = usize::from(self.settings.shards);
        let bytes = limits.queue_bytes.min(limits.shard_queue_bytes);
        let budget = Budget {
            messages: PAGE.messages.min(limits.queue_messages / 2 / homes).max(1),
            bytes: PAGE.bytes.min(bytes / 4 / homes).max(1),
            ..PAGE
        };
        let mut messages = Vec::new();
        let found = |message: &Arc<Message>| messages.push(message.clone());
        let next = self.retained.page(filter, after, budget, self.now, found);
        (messages, next.map(Arc::from))
    }

    /// Asks for the retained messages of a subscription.
    pub(crate) fn recall(&mut self, id: SessionId, filter: FilterId, actions: &mut Actions) {
        // A second SUBSCRIBE for the same filter is answered instead of the first.
        self.forget_recalls(id, filter);
        let text = self.index.text(filter);
        let is_literal = !topic::has_wildcard(text);
        if is_literal && self.settings.shards == 1 {
            // It is here or nowhere: nothing can overtake it, and it is no page.
            let found = self.retained.find(text.as_bytes(), self.now).cloned();
            if let Some(message) = found {
                self.deliver_stored(id, filter, &message, actions);
            }
            return;
        }
        let text: Arc<str> = text.into();
        if is_literal {
            let home = self.placement.home(text.as_bytes());
            let ticket = self.add_recall(id, filter, Recall::new(filter, text, home, AGAIN_MAX));
            return self.ask(ticket, actions);
        }
        for home in (0..self.settings.shards).map(ShardId) {
            self.add_recall(id, filter, Recall::new(filter, text.clone(), home, AGAIN_MAX));
        }
        self.ask_next(id, actions);
    }

    fn add_recall(&mut self, id: SessionId, filter: FilterId, recall: Recall) -> u64 {
        if let Some(session) = self.sessions.get_mut(id) {
            session.recalls += 1;
        }
        self.recalls.add(id, filter, recall)
    }

    /// The retained messages of a filter are not wanted any more.
    pub(crate) fn forget_recalls(&mut self, id: SessionId, filter: FilterId) {
        if let Some(session) = self.sessions.get_mut(id).filter(|session| session.recalls > 0) {
            session.recalls -= self.recalls.forget(id, filter);
        }
    }

    /// Asks for the next pages of a session, as many as may be on their way.
    fn ask_next(&mut self, id: SessionId, actions: &mut Actions) {
        // On a node of one shard the answer is there at once, and may leave the same recall parked.
        for _ in self.recalls.outstanding(id, PAGES_MAX)..PAGES_MAX {
            let Some(ticket) = self.recalls.parked(id) else {
                return;
            };
            self.ask(ticket, actions);
            if self.settings.shards == 1 {
                return;
            }
        }
    }

    /// A session has read what it was given: it gets more of what it asked for.
    pub(crate) fn recall_on(&mut self, id: SessionId, actions: &mut Actions) {
        let session = self.sessions.get(id);
        if session.is_some_and(|session| session.recalls > 0 && session.queue_is_empty()) {
            self.ask_next(id, actions);
        }
    }

    /// Has a session that waits for more pages looked at again when its client has read.
    pub(crate) fn watch_recalls(&mut self, id: SessionId, actions: &mut Actions) {
        if let Some(session) = self.sessions.get(id).filter(|session| session.recalls > 0)
            && let Some(connection) = session.connection
            && self.recalls.parked(id).is_some()
            && self.recalls.outstanding(id, PAGES_MAX) < PAGES_MAX
        {
            // With all of them on their way the next answer looks again.
            self.watch(connection, actions);
        }
    }

    /// Asks for a page.
    fn ask(&mut self, ticket: u64, actions: &mut Actions) {
        self.recalls.ask(ticket);
        let Some(recall) = self.recalls.get(ticket) else {
            return;
        };
        let (home, filter, after) = (recall.home, recall.text.clone(), recall.after.clone());
        if self.settings.shards == 1 {
            let (messages, next) = self.page(&filter, after.as_deref());
            self.recalled(ticket, &messages, next, actions);
        } else if home == self.shard {
            self.asked(home, (ticket, filter, after), actions);
        } else {
            let question = Parcel::Recall {
                ticket,
                filter,
                after,
            };
            actions.post(home, question);
        }
    }

    /// Asks for the retained messages of a SUBSCRIBE, once for each filter, and makes a client wait for what may be much:
    /// a few bytes of it ask for walks through whole stores.
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
            if filters.len() == 1 || asked.insert(filter) {
                is_much |= topic::has_wildcard(self.index.text(filter));
                self.recall(session, filter, actions);
            }
        }
        let outstanding = self.recalls.outstanding(session, LITERALS_MAX);
        if !is_much && outstanding < LITERALS_MAX {
            return;
        }
        if outstanding == 0 {
            // A node of one shard has answered already: others have their turn until the client has its SUBACK.
            self.watch(connection, actions);
        }
        self.hold(connection, held::RECALL, actions);
    }

    /// Answers are on their way to a session.
    pub(crate) fn is_recalling(&self, id: SessionId) -> bool {
        self.recalls.outstanding(id, 1) > 0
    }

    /// A shard asks, maybe this one: the answer waits for a round that begins after the question.
    pub(crate) fn asked(
        &mut self,
        from: ShardId,
        (ticket, filter, after): (u64, Arc<str>, Option<Arc<str>>),
        actions: &mut Actions,
    ) {
        let question = Question {
            from,
            ticket,
            filter,
            after,
        };
        self.questions.next_round.push(question);
        if self.questions.unflushed == 0 {
            self.begin_round(actions);
        }
    }

    fn begin_round(&mut self, actions: &mut Actions) {
        self.questions.round = std::mem::take(&mut self.questions.next_round);
        self.questions.unflushed = self.settings.shards - 1;
        for shard in (0..self.settings.shards).map(ShardId) {
            if shard != self.shard {
                actions.post(shard, Parcel::Flush);
            }
        }
    }

    /// A shard has nothing on its way here that it published before the round began.
    pub(crate) fn flushed(&mut self, actions: &mut Actions) {
        self.questions.unflushed -= 1;
        if self.questions.unflushed > 0 {
            return;
        }
        for question in std::mem::take(&mut self.questions.round) {
            self.answer_question(&question, actions);
        }
        // An answer to this shard itself may have asked again, and begun a round.
        if self.questions.unflushed == 0 && !self.questions.next_round.is_empty() {
            self.begin_round(actions);
        }
    }

    fn answer_question(&mut self, question: &Question, actions: &mut Actions) {
        let ticket = question.ticket;
        let (messages, next) = self.page(&question.filter, question.after.as_deref());
        if question.from == self.shard {
            return self.recalled(ticket, &messages, next, actions);
        }
        let answer = Parcel::Recalled {
            ticket,
            messages,
            next,
        };
        actions.post(question.from, answer);
    }

    /// A page comes; the next one begins behind `next`, if there is one.
    pub(crate) fn recalled(
        &mut self,
        ticket: u64,
        messages: &[Arc<Message>],
        next: Option<Arc<str>>,
        actions: &mut Actions,
    ) {
        let id = SessionId((ticket >> 32) as u32);
        let overrun = self.recalls.get_mut(ticket).filter(|recall| recall.is_overrun());
        if let Some(recall) = overrun.filter(|recall| recall.again > 0) {
            recall.start_over();
            return self.ask(ticket, actions);
        }
        for message in messages {
            let Some(recall) = self.recalls.get(ticket) else {
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
        let Some(recall) = self.recalls.get(ticket) else {
            return;
        };
        match next.filter(|_| recall.filter.is_some()) {
            Some(after) => self.recalls.park(ticket, after),
            None => {
                self.recalls.remove(id, ticket);
                if let Some(session) = self.sessions.get_mut(id) {
                    session.recalls -= 1;
                }
            }
        }
        self.watch_recalls(id, actions);
        let connection = self.sessions.get(id).and_then(|session| session.connection);
        if let Some(connection) = connection.filter(|_| self.settings.shards > 1 && !self.is_recalling(id)) {
            self.release(connection, held::RECALL, actions);
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
        let home = self.placement.home(name.as_bytes());
        let mut recall = Recall::new(filter, name.into(), home, again);
        recall.arrived(live.before());
        let ticket = self.add_recall(id, filter, recall);
        self.ask(ticket, actions);
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
            share: None,
        };
        if message.is_expired(self.now) {
            // While the answer was on its way.
            return self.dropped(id, DropReason::Expired, message.topic(), actions);
        }
        self.deliver_retained(id, shape, &mut News::shared(message, self.now), actions);
    }
}
