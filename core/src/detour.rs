//! The way of a publish that is not simply routed: its topic is rewritten, it waits, or it is the server's own.
//!
//! Most topics take no detour, and pay a branch for that. The order, as in EMQX: access rules are asked for what the client
//! wrote (of `$delayed/SECONDS/TOPIC`: for TOPIC), then the topic is rewritten, then it waits if it is a delayed one. A rule
//! may make a delayed topic; the TOPIC of a delayed one is rewritten too, unless the whole was. Nothing is rewritten twice.

use crate::access::Operation;
use crate::placeholder::template::Values;
use crate::publish::{Offer, topic_levels};
use crate::session::Session;
use crate::session::frame::{self, News};
use crate::{Actions, DropReason, Engine, Message, SessionId, delayed};
use ringwire_codec::mqtt::{Properties, Publish, ReasonCode};
use ringwire_codec::topic;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a publish goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// An access rule said no, or the topic is the server's own.
    Denied,
    /// No seconds, no topic, or rewritten to what is none.
    TopicInvalid,
    /// Too many messages wait.
    Full,
}

/// Where a publish goes, and after how many seconds.
struct Destination<'t> {
    topic: Cow<'t, str>,
    delay_s: Option<u64>,
}

/// True for topics that the server alone publishes to.
pub(crate) fn is_system(topic: &str) -> bool {
    topic
        .strip_prefix("$SYS")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Engine {
    /// Whether a publish to this topic must be looked at more closely. Asked for each of them.
    #[inline]
    pub(crate) fn takes_detour(&self, topic: &str) -> bool {
        topic::is_dollar(topic) || !self.rewrite.spares_publishes()
    }

    /// As `offer`, for a topic that takes a detour.
    pub(crate) fn offer_by_detour(
        &mut self,
        from: SessionId,
        publish: &Publish<'_>,
        packet: Option<frame::Packet<'_>>,
        actions: &mut Actions,
    ) -> Offer {
        let destination = match self.destination_for(from, publish.topic) {
            Ok(destination) => destination,
            Err(objection) => return self.refuse(from, publish.topic, objection, actions),
        };
        let session = self.sessions.get(from).expect("a publisher has a session");
        let publish = Publish {
            topic: &destination.topic,
            ..*publish
        };
        let Some(delay_s) = destination.delay_s else {
            // One that goes where it was sent may leave as it came.
            let packet = packet.filter(|_| matches!(destination.topic, Cow::Borrowed(_)));
            return self.take(from, &publish, packet, actions);
        };
        let message = News::borrowed(&publish, None, &session.client_id, self.now)
            .share()
            .clone();
        if self.delay(message, delay_s) {
            Offer::Taken
        } else {
            self.refuse(from, publish.topic, Objection::Full, actions)
        }
    }

    /// A will whose topic takes a detour.
    pub(crate) fn will_by_detour(&mut self, from: SessionId, will: &Arc<Message>, actions: &mut Actions) {
        let destination = match self.destination_for(from, will.topic()) {
            Ok(destination) => destination,
            Err(objection) => {
                self.refuse(from, will.topic(), objection, actions);
                return;
            }
        };
        if !self.send_on(Some(from), will, &destination, actions) {
            self.refuse(from, will.topic(), Objection::Full, actions);
        }
    }

    /// A message of the administrator's whose topic takes a detour: rules about access do not hold for it.
    pub(crate) fn inject_by_detour(&mut self, message: &Arc<Message>, actions: &mut Actions) {
        if !self.is_publishable(message.topic()) {
            self.stats.drops[DropReason::TopicInvalid as usize] += 1;
            return;
        }
        let reason = match self.destination(message.topic(), Values::default()) {
            Ok(destination) if self.send_on(None, message, &destination, actions) => return,
            Ok(_) => DropReason::DelayedFull,
            Err(_) => DropReason::TopicInvalid,
        };
        self.stats.drops[reason as usize] += 1;
    }

    /// Where a client's publish goes, if it may go there.
    fn destination_for<'t>(&self, from: SessionId, topic: &'t str) -> Result<Destination<'t>, Objection> {
        let session = self.sessions.get(from).expect("a publisher has a session");
        let wanted = match delayed::split(topic) {
            Some(split) => split?.1,
            None => topic,
        };
        if is_system(wanted) || !self.may(Operation::Publish, session, wanted) {
            return Err(Objection::Denied);
        }
        let destination = self.destination(topic, self.values(session))?;
        match is_system(&destination.topic) {
            true => Err(Objection::Denied),
            false => Ok(destination),
        }
    }

    /// Rewrites a topic, and takes it apart if it is a delayed one.
    fn destination<'t>(&self, topic: &'t str, values: Values<'_>) -> Result<Destination<'t>, Objection> {
        let rewritten = |topic: &str| match self.rewrite.topic(topic, values) {
            Some(topic) if !self.is_publishable(&topic) => Err(Objection::TopicInvalid),
            rewritten => Ok(rewritten),
        };
        let whole = rewritten(topic)?;
        let Some(split) = delayed::split(whole.as_deref().unwrap_or(topic)) else {
            let topic = whole.map_or(Cow::Borrowed(topic), Cow::Owned);
            return Ok(Destination { topic, delay_s: None });
        };
        let (seconds, inner) = split?;
        if !self.settings.delayed.enable {
            return Err(Objection::TopicInvalid);
        }
        let mut inner = inner.to_owned();
        if whole.is_none()
            && let Some(rewritten) = rewritten(&inner)?
        {
            inner = rewritten;
        }
        if delayed::split(&inner).is_some() {
            return Err(Objection::TopicInvalid);
        }
        Ok(Destination {
            topic: Cow::Owned(inner),
            delay_s: Some(seconds),
        })
    }

    fn is_publishable(&self, topic: &str) -> bool {
        topic::is_valid_name(topic) && topic_levels(topic) <= self.settings.limits.topic_levels
    }

    /// What stands for `%c`, `%u` and the like for a client.
    pub(crate) fn values<'s>(&self, session: &'s Session) -> Values<'s> {
        let connection = session.connection.and_then(|id| self.connections.get(id));
        Values {
            client_id: std::str::from_utf8(&session.client_id).ok(),
            username: session.username.as_deref(),
            peer: connection.map(|connection| connection.peer),
        }
    }

    /// Routes a message to where it goes, now or later; false when too many wait.
    fn send_on(
        &mut self,
        from: Option<SessionId>,
        message: &Arc<Message>,
        destination: &Destination<'_>,
        actions: &mut Actions,
    ) -> bool {
        let publish = Publish {
            dup: false,
            qos: message.qos,
            retain: message.retain,
            topic: &destination.topic,
            packet_id: None,
            properties: Properties::from_validated(message.properties()),
            payload: message.payload(),
        };
        let mut news = News::borrowed(&publish, None, message.publisher(), self.now);
        let Some(delay_s) = destination.delay_s else {
            self.route_always(from, &mut news, actions);
            return true;
        };
        let message = news.share().clone();
        self.delay(message, delay_s)
    }

    /// Counts what is not taken.
    fn refuse(&mut self, from: SessionId, topic: &str, objection: Objection, actions: &mut Actions) -> Offer {
        let (code, reason) = match objection {
            Objection::Denied => return self.deny(from, topic, actions),
            Objection::TopicInvalid => (ReasonCode::TopicNameInvalid, DropReason::TopicInvalid),
            Objection::Full => (ReasonCode::QuotaExceeded, DropReason::DelayedFull),
        };
        self.stats.drops[reason as usize] += 1;
        self.note_dropped(from, reason, topic, actions);
        Offer::Refused(code)
    }
}
