//! What a client leaves behind when its connection ends: a Will that waits, and a session that is kept for its interval.
//!
//! A model of its own for each honest MQTT client, moved by what the engines note and by the ticks that they are given, so
//! it knows the very input with which a Will is sent or a session ends (5.0 sections 3.1.2.11.2, 3.1.3.2.2 and 3.14.2.2.2).
//! That the ticks are asked for in time is looked at after every turn.

use super::socket::SocketId;
use super::{Sabotage, World};
use crate::checks::Failure;
use crate::history::{Fate, MessageId, Step};
use crate::scenario::MQTT;
use ringwire_core::message::Parts;
use ringwire_core::{CloseReason, Input, Message, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Milliseconds by which an engine may ask for a tick too late.
const LATE_MS: u64 = 1_000;

/// Milliseconds by which a delayed Will is sent late on purpose: whoever waits for it may have begun to count later.
const WILL_LATE_MS: u64 = 100;

/// What is left of each client that is away, by client id.
pub(super) type Lives = BTreeMap<String, Left>;

/// What a client has left behind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// When its session ends.
    ends: Time,
    /// A Will that waits, and until when.
    will: Option<(MessageId, Time)>,
}

impl Left {
    /// When something is due.
    fn next(&self) -> Time {
        self.will.map_or(self.ends, |(_, due)| due.min(self.ends))
    }
}

impl World {
    fn is_modelled(&self, id: SocketId) -> bool {
        self.sockets[id].honest && self.sockets[id].listener == MQTT
    }

    /// A client was let in: what it had left behind goes on, or ends now.
    pub(super) fn life_begins(&mut self, shard: usize, step: Step, id: SocketId, present: bool) {
        if !self.is_modelled(id) {
            return;
        }
        let owner = self.sockets[id].owner.clone();
        let left = self.lives.remove(&owner);
        let may_find = left.is_some() && !self.sockets[id].greeting_says.clean;
        // Between its end and the next tick it may be found or not.
        let must_find = may_find && left.is_some_and(|left| self.now < left.ends);
        if (present && !may_find) || (must_find && !present) {
            let text = format!(
                "session present is {present} for {owner:?} at {:?}, it had left {left:?}",
                self.now
            );
            self.fail(Failure::new("a_session_lasts_its_interval", text));
        }
        let will = left.and_then(|left| left.will);
        if !present {
            self.session_is_over(&owner, step);
            will.into_iter()
                .for_each(|(will, _)| self.will_is_sent(shard, will, step));
        } else if let Some((will, _)) = will {
            self.reached("a will was cancelled by a resume");
            self.will_is_cancelled(shard, will, step);
        }
    }

    /// A client's connection ended: its Will is sent, dropped or waits, its session ends or is kept.
    pub(super) fn life_pauses(&mut self, shard: usize, step: Step, id: SocketId, reason: CloseReason) {
        let socket = &self.sockets[id];
        if !socket.connected || !self.is_modelled(id) {
            return;
        }
        let (owner, greeting, goodbye) = (socket.owner.clone(), socket.greeting_says, socket.goodbye_says);
        let said = matches!(reason, CloseReason::Normal | CloseReason::DisconnectWithWill);
        if said && goodbye.is_wrong {
            let text = format!("{owner:?} asked for it at DISCONNECT, and it was taken");
            self.fail(Failure::new("a_session_without_expiry_gets_none", text));
        }
        let expiry_s = match reason {
            CloseReason::Kicked => 0,
            _ if said => goodbye.expiry_s.unwrap_or(greeting.expiry_s),
            _ => greeting.expiry_s,
        };
        let ends = self.now + u64::from(expiry_s) * 1_000;
        let mut waits = None;
        match greeting.will {
            Some((will, _)) if reason == CloseReason::Normal => {
                self.history.wills.insert(will, Fate::Cancelled(step));
            }
            Some((will, delay_s)) if delay_s > 0 && expiry_s > 0 => {
                waits = Some((will, self.now + u64::from(delay_s) * 1_000 + WILL_LATE_MS));
            }
            Some((will, _)) => self.will_is_sent(shard, will, step),
            None => {}
        }
        if expiry_s == 0 {
            self.session_is_over(&owner, step);
        } else {
            self.lives.insert(owner, Left { ends, will: waits });
        }
    }

    /// The administrator ended a client's session, wherever it was.
    pub(super) fn life_ends(&mut self, owner: &str) {
        let (home, step) = (self.placement.home(owner.as_bytes()).index(), self.step);
        if let Some((will, _)) = self.lives.remove(owner).and_then(|left| left.will) {
            self.will_is_sent(home, will, step);
        }
    }

    /// An engine had a tick: what is due by now is done.
    pub(super) fn lives_go_on(&mut self, shard: usize) {
        let (now, step) = (self.now, self.step);
        let placement = &self.placement;
        let here = |owner: &str| placement.home(owner.as_bytes()).index() == shard;
        let due = self.lives.iter().filter(|(owner, _)| here(owner));
        let mut due: Vec<(Time, String)> = due.map(|(owner, left)| (left.next(), owner.clone())).collect();
        due.retain(|(at, _)| *at <= now);
        // As timers fire; who finds room in a full store depends on it.
        due.sort();
        for (_, owner) in due {
            self.life_goes_on(shard, step, &owner);
        }
    }

    /// What a client left is due, by now: its Will, or the end of its session too.
    fn life_goes_on(&mut self, shard: usize, step: Step, owner: &str) {
        let Some(left) = self.lives.get_mut(owner) else {
            return;
        };
        let is_over = left.ends <= self.now;
        if let Some((will, _)) = left.will.take() {
            self.reached(if is_over {
                "a will was sent at the end of its session"
            } else {
                "a will was sent after its delay"
            });
            self.will_is_sent(shard, will, step);
        }
        if is_over {
            self.reached("a session expired");
            self.lives.remove(owner);
            self.session_is_over(owner, step);
        }
    }

    /// After a turn: the engine wants to be woken for whatever waits.
    pub(super) fn watch_lives(&mut self, shard: usize) {
        let wake = self.shards[shard].engine.next_wake();
        let late = |at: Time| wake.is_none_or(|wake| wake > at + LATE_MS);
        let mut failure = None;
        for (owner, left) in &self.lives {
            if self.placement.home(owner.as_bytes()).index() != shard {
                continue;
            }
            let check = match left.will {
                Some((_, due)) if late(due) => "a_will_is_sent_in_time",
                Some(_) | None if late(left.ends) => "a_session_ends_in_time",
                Some(_) | None => continue,
            };
            let text = format!("{owner:?} left {left:?}, the engine wants to wake at {wake:?}");
            failure.get_or_insert(Failure::new(check, text));
        }
        failure.into_iter().for_each(|failure| self.fail(failure));
    }

    fn session_is_over(&mut self, owner: &str, step: Step) {
        let sessions = self.history.sessions.iter_mut();
        for session in sessions.filter(|session| session.client_id == owner) {
            session.ended.get_or_insert(step);
        }
    }

    fn will_is_sent(&mut self, shard: usize, will: MessageId, step: Step) {
        self.history.wills.insert(will, Fate::Sent(step));
        self.took_message(shard, will, step, true);
    }

    fn will_is_cancelled(&mut self, shard: usize, will: MessageId, step: Step) {
        self.history.wills.insert(will, Fate::Cancelled(step));
        if self.sabotage != Some(Sabotage::ReviveWills) {
            return;
        }
        let sent = self.history.messages[will].clone();
        let message = Arc::new(Message::new(Parts {
            topic: &sent.topic,
            payload: &sent.payload,
            properties: &[],
            publisher: &[],
            qos: sent.qos,
            retain: sent.retain,
        }));
        let shard = &mut self.shards[shard];
        let input = Input::Inject { message };
        shard.engine.handle(self.now, input, &mut shard.actions);
    }
}
