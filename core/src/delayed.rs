//! Delayed publish: `$delayed/SECONDS/TOPIC` waits on its publisher's shard and is then published to TOPIC.
//!
//! In memory, limited in messages and bytes of a shard; it does not survive a restart yet. Who may publish was asked when
//! the message was taken (`detour.rs`), and is not asked again: the publisher was told that it is taken. A publisher that
//! is gone changes nothing, but one that was banned meanwhile is not heard. Messages that are due at the same time are published in the order of their coming.

use crate::detour::Objection;
use crate::session::frame::News;
use crate::slots::Slots;
use crate::timers::Timer;
use crate::{Actions, DropReason, Engine, Message};
use std::sync::Arc;

/// Seconds that a message can wait at most; EMQX's limit.
pub(crate) const SECONDS_MAX: u64 = 4_294_967;

/// What `$delayed` topics start with.
const PREFIX: &str = "$delayed";

/// The messages that wait. A slot is free once its timer has fired.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    slots: Slots<Option<Arc<Message>>>,
    free: Vec<u32>,
    waiting: usize,
    bytes: usize,
}

impl Delayed {
    /// Messages.
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    fn insert(&mut self, message: Arc<Message>) -> u32 {
        self.waiting += 1;
        self.bytes += message.memory_bytes();
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(message);
            return slot;
        }
        let slot = u32::try_from(self.slots.len()).expect("limits keep delayed messages below 2^32");
        self.slots.push(Some(message));
        slot
    }

    fn remove(&mut self, slot: u32) -> Arc<Message> {
        let message = self.slots[slot as usize].take();
        let message = message.expect("a slot is taken until its timer fires");
        self.free.push(slot);
        self.waiting -= 1;
        self.bytes -= message.memory_bytes();
        message
    }
}

/// A `$delayed` topic: how many seconds, and the topic itself. `None`: it is an ordinary one.
pub(crate) fn split(topic: &str) -> Option<Result<(u64, &str), Objection>> {
    let rest = topic.strip_prefix(PREFIX)?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    Some(seconds_and_topic(rest).ok_or(Objection::TopicInvalid))
}

fn seconds_and_topic(rest: &str) -> Option<(u64, &str)> {
    let (seconds, topic) = rest.strip_prefix('/')?.split_once('/')?;
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = is_number.then(|| seconds.parse::<u64>().ok()).flatten()?;
    // A message that waits twice would be one that nobody can look for by its topic.
    let is_plain = !topic.is_empty() && split(topic).is_none();
    (seconds <= SECONDS_MAX && is_plain).then_some((seconds, topic))
}

impl Engine {
    /// Keeps a message; false when the limits say no.
    pub(crate) fn delay(&mut self, message: Arc<Message>, seconds: u64) -> bool {
        let settings = &self.settings.delayed;
        let room = settings.max_delayed_bytes.saturating_sub(self.delayed.bytes);
        if self.delayed.waiting >= settings.max_delayed_messages || message.memory_bytes() > room {
            return false;
        }
        let slot = self.delayed.insert(message);
        self.timers
            .insert(self.now + seconds * 1_000, Timer::Delayed(slot));
        self.stats.messages_delayed += 1;
        true
    }

    /// A message has waited long enough.
    pub(crate) fn delayed_due(&mut self, slot: u32, actions: &mut Actions) {
        let message = self.delayed.remove(slot);
        if message.is_expired(self.now) {
            self.stats.drops[DropReason::Expired as usize] += 1;
            return;
        }
        // As in EMQX: who was banned meanwhile is not heard any more.
        let publisher = std::str::from_utf8(message.publisher()).unwrap_or_default();
        if self.are_names_banned(publisher, None) {
            self.stats.drops[DropReason::NotAuthorized as usize] += 1;
            return;
        }
        // For No Local, if its publisher is there.
        let from = self.sessions.find(message.publisher());
        self.route_always(from, &mut News::shared(&message, self.now), actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_topic_are_told_apart_and_everything_else_is_refused() {
        let rows = [
            ("$delayed/0/a", Some((0, "a"))),
            ("$delayed/15/x/y", Some((15, "x/y"))),
            ("$delayed/007//", Some((7, "/"))),
            ("$delayed/4294967/t", Some((4_294_967, "t"))),
            ("$delayed/4294968/t", None),
            ("$delayed/99999999999999999999/t", None),
            ("$delayed/+1/t", None),
            ("$delayed/-1/t", None),
            ("$delayed/1.5/t", None),
            ("$delayed//t", None),
            ("$delayed/5", None),
            ("$delayed/5/", None),
            ("$delayed/", None),
            ("$delayed", None),
            ("$delayed/5/$delayed/5/t", None),
        ];
        for (topic, expected) in rows {
            let found = split(topic).expect("it starts with $delayed");
            assert_eq!(found.ok(), expected, "{topic}");
        }
        for topic in ["$delayedx/5/t", "delayed/5/t", "a/$delayed/5/t", ""] {
            assert!(split(topic).is_none(), "{topic} is an ordinary topic");
        }
    }
}
