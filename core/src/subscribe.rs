//! Subscribing: who wants what. The interest map hears of a filter before its subscriber is told that it has it.

use crate::access::{Asker, Operation};
use crate::index::{FilterId, Subscription};
use crate::publish::topic_levels;
use crate::session::Session;
use crate::{Engine, SessionId};
use ringwire_codec::mqtt::{QoS, ReasonCode, RetainHandling, SubscribeFilter};
use ringwire_codec::topic;
use std::num::NonZeroU32;

impl Engine {
    /// One filter of a SUBSCRIBE, in any protocol. What was granted, and the filter if its retained messages are due.
    /// `identifier` 0 is none.
    pub(crate) fn subscribe(
        &mut self,
        id: SessionId,
        entry: &SubscribeFilter<'_>,
        identifier: u32,
    ) -> Result<(ReasonCode, Option<FilterId>), ReasonCode> {
        let options = entry.options;
        let session = self.sessions.get(id).expect("a subscriber has a session");
        self.check_filter(session, entry.filter)?;
        let rewritten = self.rewritten_filter(session, entry.filter)?;
        let filter_text = rewritten.as_deref().unwrap_or(entry.filter);
        let is_new =
            (self.index.find(filter_text)).is_none_or(|filter| self.index.subscription(filter, id).is_none());
        let limits = &self.settings.limits;
        let is_full = session.filters.len() >= limits.subscriptions
            || session.filter_bytes + filter_text.len() > limits.subscription_bytes;
        if is_new && is_full {
            return Err(ReasonCode::QuotaExceeded);
        }
        let subscription = Subscription {
            qos: options.qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling,
            identifier: NonZeroU32::new(identifier),
        };
        let inserted = self.index.insert(filter_text, id, subscription);
        if inserted.first {
            self.interest.add(filter_text);
        }
        if is_new && let Some(session) = self.sessions.get_mut(id) {
            session.filters.push(inserted.filter);
            session.filter_bytes += filter_text.len();
        }
        let recall = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        let granted = match options.qos {
            QoS::AtMostOnce => ReasonCode::Success,
            QoS::AtLeastOnce => ReasonCode::GrantedQoS1,
            QoS::ExactlyOnce => ReasonCode::GrantedQoS2,
        };
        Ok((granted, recall.then_some(inserted.filter)))
    }

    fn check_filter(&self, session: &Session, filter: &str) -> Result<(), ReasonCode> {
        if !topic::is_valid_filter(filter) || topic_levels(filter) > self.settings.limits.topic_levels {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        if filter.starts_with("$share/") {
            return Err(ReasonCode::SharedSubscriptionsNotSupported);
        }
        if !self.may(Operation::Subscribe, session, filter) {
            return Err(ReasonCode::NotAuthorized);
        }
        Ok(())
    }

    /// Ends one subscription; false when there is none. Nothing that matches only it is sent from here on.
    pub(crate) fn unsubscribe(&mut self, id: SessionId, text: &str) -> bool {
        let rewritten = (self.sessions.get(id)).map(|session| self.rewritten_filter(session, text));
        let rewritten = rewritten.and_then(Result::ok).flatten();
        let text = rewritten.as_deref().unwrap_or(text);
        let Some(filter) = self.index.find(text) else {
            return false;
        };
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
        let asker = Asker {
            client_id: std::str::from_utf8(&session.client_id).unwrap_or_default(),
            username: session.username.as_deref(),
        };
        self.settings.access.permits(asker, operation, topic)
    }
}
