//! Subscribing: who wants what. The interest map hears of a filter before its subscriber is told that it has it.

use crate::access::{Asker, Operation};
use crate::groups::GroupName;
use crate::index::{FilterId, Subscription};
use crate::publish::topic_levels;
use crate::session::Session;
use crate::{Actions, Engine, SessionId};
use ringwire_codec::mqtt::{QoS, ReasonCode, RetainHandling, SubscribeFilter, SubscriptionOptions};
use ringwire_codec::topic;
use std::num::NonZeroU32;

impl Engine {
    /// One filter of a SUBSCRIBE, in any protocol. What was granted, and the filter if its retained messages are due.
    /// `identifier` 0 is none. Not for filters of groups.
    pub(crate) fn subscribe(
        &mut self,
        id: SessionId,
        entry: &SubscribeFilter<'_>,
        identifier: u32,
    ) -> Result<(ReasonCode, Option<FilterId>), ReasonCode> {
        let session = self.sessions.get(id).expect("a subscriber has a session");
        if GroupName::parse(entry.filter).is_some() {
            return Err(ReasonCode::SharedSubscriptionsNotSupported);
        }
        self.check_filter(session, entry.filter)?;
        let rewritten = self.rewritten_filter(session, entry.filter)?;
        let filter = rewritten.as_deref().unwrap_or(entry.filter);
        if GroupName::parse(filter).is_some() {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        let subscription = Subscription::asked_for(entry.options, identifier);
        let recall = self.insert_subscription(id, filter, subscription)?;
        let session = self.sessions.get_mut(id);
        let shares = session.and_then(|session| session.shares.as_mut());
        if let Some(claim) = shares.and_then(|shares| shares.claim_of(filter)) {
            claim.is_plain_too = true;
        }
        Ok((granted(subscription.qos), recall))
    }

    /// Subscribes a session that may, or replaces its subscription; the filter if its retained messages are due.
    pub(crate) fn insert_subscription(
        &mut self,
        id: SessionId,
        text: &str,
        subscription: Subscription,
    ) -> Result<Option<FilterId>, ReasonCode> {
        let is_new = !self.is_subscribed(id, text);
        let session = self.sessions.get(id).expect("a subscriber has a session");
        if is_new && self.has_no_room(session, text.len()) {
            return Err(ReasonCode::QuotaExceeded);
        }
        let inserted = self.index.insert(text, id, subscription);
        if inserted.first {
            self.interest.add(text);
        }
        if is_new && let Some(session) = self.sessions.get_mut(id) {
            session.filters.push(inserted.filter);
            session.filter_bytes += text.len();
        }
        self.tell_subscribed(id, text, &subscription, is_new);
        let recall = match subscription.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        Ok(recall.then_some(inserted.filter))
    }

    /// Whether a session subscribes to exactly this filter.
    pub(crate) fn is_subscribed(&self, id: SessionId, filter: &str) -> bool {
        (self.index.find(filter)).is_some_and(|filter| self.index.subscription(filter, id).is_some())
    }

    /// Whether a filter of so many bytes is beyond what a session may have.
    pub(crate) fn has_no_room(&self, session: &Session, bytes: usize) -> bool {
        let limits = &self.settings.limits;
        let shares = session.shares.as_ref().map_or(0, |shares| shares.len());
        session.filters.len() + shares >= limits.subscriptions
            || session.filter_bytes + bytes > limits.subscription_bytes
    }

    /// Whether a session may subscribe to a filter, without what names a group before it.
    pub(crate) fn check_filter(&self, session: &Session, filter: &str) -> Result<(), ReasonCode> {
        if !topic::is_valid_filter(filter) || topic_levels(filter) > self.settings.limits.topic_levels {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        if !self.may(Operation::Subscribe, session, filter) {
            return Err(ReasonCode::NotAuthorized);
        }
        Ok(())
    }

    /// Ends one subscription of any kind, as a client names it; false when there is none. Nothing that matches only it is
    /// sent from here on.
    pub(crate) fn unsubscribe(&mut self, id: SessionId, filter: &str, actions: &mut Actions) -> bool {
        let Some(session) = self.sessions.get(id) else {
            return false;
        };
        let Ok(rewritten) = self.rewritten_filter(session, filter) else {
            return false;
        };
        let filter = rewritten.as_deref().unwrap_or(filter);
        match GroupName::parse(filter) {
            None => self.remove_subscription(id, filter),
            Some(Ok(name)) => self.leave_group(id, &name, actions),
            Some(Err(_)) => false,
        }
    }

    /// Ends an ordinary subscription to exactly this filter; false when there is none.
    pub(crate) fn remove_subscription(&mut self, id: SessionId, text: &str) -> bool {
        let Some(filter) = self.index.find(text) else {
            return false;
        };
        let session = self.sessions.get_mut(id);
        let shares = session.and_then(|session| session.shares.as_mut());
        if let Some(claim) = shares.and_then(|shares| shares.claim_of(text)) {
            // It stays with its claim.
            return std::mem::take(&mut claim.is_plain_too);
        }
        // Asked first: a client may name filters of others as often as a packet can hold them.
        if self.index.subscription(filter, id).is_none() {
            return false;
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return false;
        };
        let Some(at) = session.filters.iter().position(|&held| held == filter) else {
            return false;
        };
        session.filters.remove(at);
        session.filter_bytes -= text.len();
        self.forget_recalls(id, filter);
        self.drop_subscription(id, filter);
        self.tell_unsubscribed(id, text);
        true
    }

    /// Takes a subscription out of the index, and the filter off the interest map with its last one.
    pub(crate) fn drop_subscription(&mut self, id: SessionId, filter: FilterId) {
        if let Some(removed) = self.index.remove(filter, id)
            && let Some(text) = removed.last
        {
            self.interest.remove(&text);
        }
    }

    /// Whether the rules let a session do this.
    pub(crate) fn may(&self, operation: Operation, session: &Session, topic: &str) -> bool {
        if self.settings.access.rules.is_empty() {
            // Nothing is asked, so nobody is named for it.
            return true;
        }
        let asker = Asker {
            client_id: std::str::from_utf8(&session.client_id).unwrap_or_default(),
            username: session.username.as_deref(),
        };
        self.settings.access.permits(asker, operation, topic)
    }
}

impl Subscription {
    /// What a client asks for. `identifier` 0 is none.
    pub(crate) fn asked_for(options: SubscriptionOptions, identifier: u32) -> Self {
        Self {
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling,
            identifier: NonZeroU32::new(identifier),
        }
    }
}

/// What SUBACK says.
pub(crate) fn granted(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
        QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
    }
}
