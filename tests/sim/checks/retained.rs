//! Checks of retained messages against the order in which each topic's home took its writes, and the naive store that says
//! what must be left at the end.

use super::{Verdict, describe, named, ordinary};
use crate::history::{Delivery, History, MessageId, Sent, Session, Step, Subscription};
use ringwire_codec::mqtt::RetainHandling;
use ringwire_core::Time;
use std::collections::BTreeMap;

/// The retained messages of one shard, as the standard words it: the last write stands, an empty one clears.
#[derive(Debug)]
pub struct Store {
    messages: BTreeMap<String, (MessageId, Option<Time>)>,
    messages_max: usize,
    was_full: bool,
}

impl Store {
    /// At `messages_max` a topic that is not stored yet is not stored.
    pub fn new(messages_max: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            messages_max,
            was_full: false,
        }
    }

    /// A write; `None` clears.
    pub fn write(&mut self, topic: &str, message: Option<MessageId>, expires: Option<Time>, now: Time) {
        self.messages.retain(|_, (_, expires)| lives(*expires, now));
        let Some(message) = message else {
            self.messages.remove(topic);
            return;
        };
        if self.messages.contains_key(topic) || self.messages.len() < self.messages_max {
            self.messages.insert(topic.to_owned(), (message, expires));
        } else {
            self.was_full = true;
        }
    }

    /// A topic found no room.
    pub fn was_full(&self) -> bool {
        self.was_full
    }

    /// What is stored, by topic.
    pub fn messages(&self, now: Time) -> impl Iterator<Item = (&String, &MessageId)> {
        let living = self
            .messages
            .iter()
            .filter(move |(_, (_, expires))| lives(*expires, now));
        living.map(|(topic, (message, _))| (topic, message))
    }
}

fn lives(expires: Option<Time>, now: Time) -> bool {
    expires.is_none_or(|expires| expires > now)
}

/// Where a message stands among the writes to its topic: its last write, and when the next one replaced it.
fn place(history: &History, delivery: &Delivery) -> Option<(usize, Option<Step>)> {
    if history.unobserved.contains(&delivery.topic) {
        return None;
    }
    let writes = history.writes.get(&delivery.topic)?;
    let rank = writes
        .iter()
        .rposition(|write| write.message == delivery.message)?;
    Some((rank, writes.get(rank + 1).map(|write| write.step)))
}

/// An answer to a SUBSCRIBE, and nothing else.
fn is_answer(delivery: &Delivery, message: &Sent, session: &Session) -> bool {
    let mut asked = ordinary(session, &delivery.topic).flat_map(|subscription| &subscription.versions);
    delivery.share().is_none()
        && delivery.retain
        && !delivery.dup
        && message.retain
        && !asked.any(|version| version.retain_as_published)
}

/// A retained message that is delivered still stood when the first SUBSCRIBE that asks for it was written.
pub fn retained_is_fresh(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        if !is_answer(delivery, message, session) {
            continue;
        }
        let Some((_, Some(replaced))) = place(history, delivery) else {
            continue;
        };
        let asked = ordinary(session, &delivery.topic)
            .map(|subscription| subscription.from())
            .min();
        if asked.is_some_and(|asked| replaced < asked) {
            let text = describe(delivery, session);
            return Err(format!(
                "{text} had been replaced in step {replaced}, before it was asked for"
            ));
        }
    }
    Ok(())
}

/// Who asked that retained messages be not sent gets none.
pub fn retain_handling_is_kept(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let mut asked = ordinary(session, &delivery.topic).flat_map(|subscription| &subscription.versions);
        let wanted = asked.any(|version| version.retain_handling != RetainHandling::DoNotSend);
        if !wanted && is_answer(delivery, message, session) {
            return Err(format!("{} was not to be sent", describe(delivery, session)));
        }
    }
    Ok(())
}

/// A message that arrives live makes every older retained one stale: none follows, whenever it was asked for.
pub fn no_older_retained_after_a_newer_live_one(history: &History) -> Verdict {
    for (index, delivery) in history.deliveries.iter().enumerate() {
        let session = &history.sessions[delivery.session];
        let Some(message) = delivery.message.map(|id| &history.messages[id]) else {
            continue;
        };
        if !is_answer(delivery, message, session) {
            continue;
        }
        let Some((rank, _)) = place(history, delivery) else {
            continue;
        };
        let newer = history.deliveries[..index].iter().find(|live| {
            let same =
                live.session == delivery.session && live.topic == delivery.topic && live.share().is_none();
            // Sent again at QoS 1 it was written again: what counts for it is its first write.
            let writes = history.writes.get(&live.topic).into_iter().flatten();
            let newer = writes
                .clone()
                .position(|write| write.message == live.message)
                .is_some_and(|first| first > rank);
            same && !live.retain && !live.dup && live.message.is_some() && newer
        });
        if let Some(newer) = newer {
            return Err(format!(
                "{} after the newer {}",
                describe(delivery, session),
                describe(newer, session)
            ));
        }
    }
    Ok(())
}

/// Who subscribed and stayed has seen the last write of each topic, live or as an answer, however the two crossed.
pub fn a_subscriber_knows_the_last_write(history: &History) -> Verdict {
    if history.retained_drops {
        return Ok(());
    }
    for (topic, writes) in &history.writes {
        let last = writes.last().filter(|write| !write.expires);
        let Some(id) = last.and_then(|write| write.message) else {
            continue;
        };
        if history.unobserved.contains(topic) {
            continue;
        }
        for (index, session) in history.sessions.iter().enumerate() {
            if session.ended.is_none()
                && !history.dropped_for(&session.client_id)
                && misses(history, index, topic, id)
            {
                return Err(format!(
                    "{:?} never saw the last write {id} of {topic:?}",
                    session.client_id
                ));
            }
        }
    }
    Ok(())
}

/// A session should have seen the last write of a topic, and has not.
fn misses(history: &History, index: usize, topic: &str, id: MessageId) -> bool {
    let (session, last) = (&history.sessions[index], &history.messages[id]);
    let mut asked = ordinary(session, topic);
    if !asked.any(|subscription| stays(subscription, session, &last.publisher)) {
        return false;
    }
    let mut arrived = history.deliveries.iter().filter(|one| one.session == index);
    !arrived.any(|one| one.message == Some(id))
}

/// A subscription that was made on the connection that still stands, for retained messages too, and kept as it was.
fn stays(subscription: &Subscription, session: &Session, publisher: &str) -> bool {
    let [only] = subscription.versions.as_slice() else {
        return false;
    };
    let own = only.no_local && session.client_id == publisher;
    // What the server subscribes a client to stands from the answer to its CONNECT.
    let is_given = only.acked.is_some() && only.acked == session.connected;
    let here = session.connected.is_some_and(|since| since <= only.sent) && only.acked.is_some();
    let here = here || is_given;
    let wanted = only.retain_handling != RetainHandling::DoNotSend;
    here && wanted && !own && subscription.unsubscribe_sent.is_none()
}

/// At the end a new subscriber is given, for each topic, the last write by the order of the topic's home.
pub fn retained_is_the_last_write(history: &History) -> Verdict {
    let observed = |list: &[(String, MessageId)]| {
        let known = list
            .iter()
            .filter(|(topic, _)| !history.unobserved.contains(topic));
        let mut known: Vec<_> = known.cloned().collect();
        known.sort();
        known
    };
    let expected = observed(&history.retained_expected);
    let got = observed(&history.retained_at_end);
    if expected == got {
        return Ok(());
    }
    let missing: Vec<_> = expected.iter().filter(|entry| !got.contains(entry)).collect();
    let surplus: Vec<_> = got.iter().filter(|entry| !expected.contains(entry)).collect();
    Err(format!(
        "retained at the end: missing {missing:?}, not expected {surplus:?}"
    ))
}
