//! Back-pressure: a subscriber that falls behind slows its QoS 1/2 publishers down before it loses messages.
//!
//! While more than `backpressure_messages` wait in the session of a connected subscriber, who publishes to it gets no
//! PUBACK or PUBREC: its own send quota stops it (5.0 section 4.9), and everything else that it sends is handled as ever,
//! its own acknowledgements above all, so that two clients who publish to each other cannot block. When half of that
//! waits, all acknowledgements leave, in order. A client that sends on regardless, with more than `receive_maximum`
//! publishes unacknowledged, is not read until then. Nor is a device with a private protocol, which has nothing to wait for.
//!
//! Bounded in time on both sides, so that a reader that reads nothing stops nobody: acknowledgements wait for at most
//! `backpressure_timeout_ms`, and a subscriber that took fewer than `backpressure_messages` in such a time slows nobody in
//! the next.

use crate::connection::held;
use crate::session::queue::Queue;
use crate::timers::Timer;
use crate::wheel::TimerId;
use crate::{Actions, ConnectionId, Engine, Parcel, SessionId, ShardId, Time};
use ringwire_codec::mqtt::{Packet, QoS};
use std::collections::BTreeMap;

/// What a session that is behind has done about it.
#[derive(Debug)]
pub(crate) struct Behind {
    /// When it fell behind, or was last judged.
    since: Time,
    /// Messages that left its queue since then.
    sent: usize,
    /// Client ids of those that it slows down, with their homes. Empty when it lags.
    publishers: BTreeMap<Box<[u8]>, ShardId>,
    /// It was too slow for others to wait for it.
    lags: bool,
}

/// The acknowledgements of a publisher that is slowed down.
#[derive(Debug)]
pub(crate) struct Deferred {
    /// Encoded, in the order of their publishes [MQTT-4.6.0-2].
    bytes: Vec<u8>,
    packets: u64,
    /// Sessions that slow it down. Those that have not been heard of for too long are counted until they ease it.
    sessions: u32,
    /// How long the last word of a session counts.
    until: Time,
    /// When the acknowledgements must leave; `None` when none wait any more, because every session's word is too old.
    pub(crate) timer: Option<TimerId>,
}

/// A publisher that is slowed down and away. A session that is behind says so once, to whichever connection there is: the
/// next one of the same client is slowed down as well.
#[derive(Debug)]
pub(crate) struct Away {
    sessions: u32,
    until: Time,
}

impl Engine {
    /// A message was put into a session's queue: its publisher is slowed down if the session is behind.
    pub(crate) fn slow_if_behind(
        &mut self,
        to: SessionId,
        qos: QoS,
        publisher: &[u8],
        actions: &mut Actions,
    ) {
        let (patience_ms, now) = (self.settings.limits.backpressure_timeout_ms, self.now);
        let high = self.settings.limits.backpressure();
        let Some(session) = self.sessions.get_mut(to) else {
            return;
        };
        let is_behind = session
            .queue
            .as_ref()
            .is_some_and(|queue| queue.is_over(high.0, high.1));
        if !is_behind || session.connection.is_none() || qos == QoS::AtMostOnce || patience_ms == 0 {
            return;
        }
        let behind = session.behind.get_or_insert_with(|| {
            Box::new(Behind {
                since: now,
                sent: 0,
                publishers: BTreeMap::new(),
                lags: false,
            })
        });
        if now.millis_since(behind.since) >= patience_ms {
            let lags = behind.sent < high.0;
            self.stats.subscribers_lagging += u64::from(lags && !behind.lags);
            (behind.since, behind.sent, behind.lags) = (now, 0, lags);
            self.ease_publishers(to, actions);
        }
        let behind = self
            .sessions
            .get_mut(to)
            .and_then(|session| session.behind.as_mut());
        let Some(behind) = behind.filter(|behind| !behind.lags && !publisher.is_empty()) else {
            return;
        };
        // Asked first: nearly every message is of one who is slowed already.
        if behind.publishers.contains_key(publisher) || self.slowed >= self.settings.limits.slowed_publishers
        {
            return;
        }
        let home = self.placement.home(publisher);
        behind.publishers.insert(publisher.into(), home);
        self.slowed += 1;
        if home == self.shard {
            self.slow_down(publisher);
        } else {
            let publisher = publisher.into();
            actions.post(home, Parcel::Slow { publisher });
        }
    }

    /// A message left a session's queue: at half of what made it slow publishers down, they go on.
    pub(crate) fn ease_if_caught_up(&mut self, of: SessionId, actions: &mut Actions) {
        let high = self.settings.limits.backpressure();
        let Some(session) = self.sessions.get_mut(of) else {
            return;
        };
        let Some(behind) = &mut session.behind else {
            return;
        };
        behind.sent += 1;
        let is_over = |queue: &Queue| queue.is_over(high.0 / 2, high.1 / 2);
        if !session.queue.as_deref().is_some_and(is_over) {
            self.ease_publishers(of, actions);
            self.forget_behind(of);
        }
    }

    /// A session lost its connection or ends: it waits for nobody's sake any more.
    pub(crate) fn not_behind(&mut self, of: SessionId, actions: &mut Actions) {
        self.ease_publishers(of, actions);
        self.forget_behind(of);
    }

    fn forget_behind(&mut self, of: SessionId) {
        if let Some(session) = self.sessions.get_mut(of) {
            session.behind = None;
        }
    }

    fn ease_publishers(&mut self, of: SessionId, actions: &mut Actions) {
        let behind = self
            .sessions
            .get_mut(of)
            .and_then(|session| session.behind.as_mut());
        let publishers = behind.map(|behind| std::mem::take(&mut behind.publishers));
        for (publisher, home) in publishers.into_iter().flatten() {
            self.slowed -= 1;
            if home == self.shard {
                self.ease(&publisher, actions);
            } else {
                actions.post(home, Parcel::Eased { publisher });
            }
        }
    }

    /// A session, here or on another shard, is behind with what a client of this shard publishes.
    pub(crate) fn slow_down(&mut self, publisher: &[u8]) {
        let until = self.now + self.settings.limits.backpressure_timeout_ms;
        let Some(id) = self.connection_of(publisher) else {
            let away = self.slowed_away.entry(publisher.into());
            let away = away.or_insert(Away { sessions: 0, until });
            away.sessions += 1;
            away.until = until;
            return;
        };
        let connection = self
            .connections
            .get_mut(id)
            .expect("a session's connection is live");
        let deferred = connection.deferred.get_or_insert_with(|| {
            Box::new(Deferred {
                bytes: Vec::new(),
                packets: 0,
                sessions: 0,
                until,
                timer: None,
            })
        });
        deferred.sessions += 1;
        deferred.until = until;
        if deferred.timer.is_none() {
            deferred.timer = Some(self.timers.insert(until, Timer::Deferred(id)));
            self.stats.publishers_slowed += 1;
        }
    }

    /// One session fewer is behind with what a client publishes; with the last one it goes on.
    pub(crate) fn ease(&mut self, publisher: &[u8], actions: &mut Actions) {
        let Some(id) = self.connection_of(publisher) else {
            return self.ease_away(publisher);
        };
        let connection = self
            .connections
            .get_mut(id)
            .expect("a session's connection is live");
        if let Some(deferred) = &mut connection.deferred {
            deferred.sessions -= 1;
            if deferred.sessions == 0 {
                self.acknowledge_deferred(id, actions);
            }
        }
    }

    fn ease_away(&mut self, publisher: &[u8]) {
        let Some(away) = self.slowed_away.get_mut(publisher) else {
            return;
        };
        away.sessions -= 1;
        if away.sessions == 0 {
            self.slowed_away.remove(publisher);
        }
    }

    /// The connection of a client is over; those that slow it down have not eased it.
    pub(crate) fn keep_slowed(&mut self, client_id: &[u8], deferred: Option<&Deferred>) {
        let Some(deferred) = deferred.filter(|deferred| deferred.sessions > 0) else {
            return;
        };
        let (sessions, until) = (deferred.sessions, deferred.until);
        self.slowed_away
            .insert(client_id.into(), Away { sessions, until });
    }

    /// A client is back that was slowed down when it went.
    pub(crate) fn slow_again(&mut self, id: ConnectionId, client_id: &[u8]) {
        if self.slowed_away.is_empty() {
            return;
        }
        let Some(Away { sessions, until }) = self.slowed_away.remove(client_id) else {
            return;
        };
        let waits = self.now < until;
        let timer = waits.then(|| self.timers.insert(until, Timer::Deferred(id)));
        self.stats.publishers_slowed += u64::from(waits);
        let connection = self.connections.get_mut(id).expect("it was just let in");
        connection.deferred = Some(Box::new(Deferred {
            bytes: Vec::new(),
            packets: 0,
            sessions,
            until,
            timer,
        }));
    }

    fn connection_of(&self, client_id: &[u8]) -> Option<ConnectionId> {
        let session = self.sessions.find(client_id)?;
        self.sessions.get(session)?.connection
    }

    /// Keeps an acknowledgement back if its connection is slowed down; false when it must be sent.
    pub(crate) fn defer(&mut self, id: ConnectionId, packet: &Packet<'_>, actions: &mut Actions) -> bool {
        let limit = u64::from(self.settings.limits.receive_maximum);
        let Some(connection) = self.connections.get_mut(id) else {
            return false;
        };
        let version = connection.wire.version();
        let Some(deferred) = &mut connection.deferred else {
            return false;
        };
        if deferred.timer.is_none() {
            return false;
        }
        let encoded = packet.encode(version, &mut deferred.bytes);
        assert!(encoded.is_ok(), "what the server says fits its packet");
        deferred.packets += 1;
        if deferred.packets > limit {
            // Who keeps to the limit is read on: what else it sends may be what others wait for.
            self.hold(id, held::SLOW, actions);
        }
        true
    }

    /// A device has no acknowledgements that could wait: while it is slowed down it is not read.
    pub(crate) fn hold_if_slowed(&mut self, id: ConnectionId, actions: &mut Actions) {
        let deferred = self.connections.get(id).and_then(|c| c.deferred.as_ref());
        if deferred.is_some_and(|deferred| deferred.timer.is_some()) {
            self.hold(id, held::SLOW, actions);
        }
    }

    /// A publisher is not slowed down any more: its acknowledgements leave.
    pub(crate) fn acknowledge_deferred(&mut self, id: ConnectionId, actions: &mut Actions) {
        self.send_deferred(id, actions);
        let connection = self.connections.get_mut(id);
        if let Some(deferred) = connection.and_then(|connection| connection.deferred.take()) {
            self.disarm(deferred.timer);
        }
    }

    /// Sends the acknowledgements that waited. A connection that was not read for them is read again, but later: it may be
    /// in the middle of another one's message that this is called.
    pub(crate) fn send_deferred(&mut self, id: ConnectionId, actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let Some(deferred) = connection.deferred.as_mut() else {
            return;
        };
        let packets = std::mem::take(&mut deferred.packets);
        let bytes = std::mem::take(&mut deferred.bytes);
        if connection.held & held::SLOW != 0 {
            self.eased.push_back(id);
        }
        if packets == 0 {
            return;
        }
        actions.send(id).buffer.extend_from_slice(&bytes);
        self.stats.bytes_sent += bytes.len() as u64;
        self.stats.packets_sent += packets;
        self.hold_if_not_reading(id, actions);
    }

    /// Acknowledgements have waited for as long as they may. The next ones wait too if a session said meanwhile that it is
    /// behind.
    pub(crate) fn deferred_due(&mut self, id: ConnectionId, actions: &mut Actions) {
        self.send_deferred(id, actions);
        let now = self.now;
        let connection = self.connections.get_mut(id);
        if let Some(deferred) = connection.and_then(|connection| connection.deferred.as_mut()) {
            let (until, waits) = (deferred.until, now < deferred.until);
            deferred.timer = waits.then(|| self.timers.insert(until, Timer::Deferred(id)));
        }
    }

    /// Reads the connections again that were not read while they were slowed down. One after the other: what waits in one's
    /// inbox may ease the next, and thousands of them in a chain must not need a stack as deep.
    pub(crate) fn read_eased(&mut self, actions: &mut Actions) {
        while let Some(id) = self.eased.pop_front() {
            self.release(id, held::SLOW, actions);
        }
    }
}
