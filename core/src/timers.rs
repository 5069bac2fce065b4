//! What happens by itself: idle and keepalive deadlines of connections, delayed wills and the ends of sessions.
//!
//! Lazy: a timer says "look again then", never "do it". Traffic only stores when it was heard; a timer that fires early
//! is set again for the real deadline. So a connection costs one timer, however much it sends.

use crate::connection::Wire;
use crate::{Actions, CloseReason, ConnectionId, Engine, SessionId, Time};
use std::collections::BTreeSet;

/// What a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    Connection(ConnectionId),
    /// With the generation of the session.
    Session(SessionId, u32),
}

/// The timers of a shard.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Time, Timer)>,
}

impl Timers {
    fn set(&mut self, at: Time, timer: Timer) {
        self.due.insert((at, timer));
    }

    fn pop(&mut self, now: Time) -> Option<(Time, Timer)> {
        let first = *self.due.first()?;
        (first.0 <= now).then(|| self.due.pop_first())?
    }

    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.due.first().map(|&(at, _)| at)
    }
}

impl Engine {
    /// Sets the one timer of a connection; an older one is stale from here on.
    pub(crate) fn arm(&mut self, id: ConnectionId, at: Time) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.armed = Some(at);
            self.timers.set(at, Timer::Connection(id));
        }
    }

    /// The greeting is over: from here on only the keepalive counts.
    pub(crate) fn arm_keepalive(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.armed = None;
        if connection.keepalive_s != 0 {
            let at = self.now + keepalive_ms(connection.keepalive_s);
            self.arm(id, at);
        }
    }

    /// A session has something due at `at`.
    pub(crate) fn arm_session(&mut self, id: SessionId, at: Time) {
        let generation = self.sessions.generation(id);
        self.timers.set(at, Timer::Session(id, generation));
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, actions: &mut Actions) {
        while let Some((at, timer)) = self.timers.pop(self.now) {
            match timer {
                Timer::Connection(id) => self.connection_due(id, at, actions),
                Timer::Session(id, generation) => self.session_due(id, generation, actions),
            }
        }
    }

    fn connection_due(&mut self, id: ConnectionId, at: Time, actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.armed != Some(at) {
            return;
        }
        if connection.wire == Wire::Greeting {
            let detail = "no whole CONNECT".to_owned();
            self.close(id, CloseReason::IdleTimeout, detail, actions);
            return;
        }
        if connection.held != 0 {
            // It is not read, so its silence says nothing.
            connection.heard = self.now;
        }
        let deadline = connection.heard + keepalive_ms(connection.keepalive_s);
        if deadline <= self.now {
            let detail = format!("nothing for 1.5 x {} s", connection.keepalive_s);
            self.close(id, CloseReason::KeepaliveTimeout, detail, actions);
        } else {
            self.arm(id, deadline);
        }
    }

    fn session_due(&mut self, id: SessionId, generation: u32, actions: &mut Actions) {
        let now = self.now;
        if self.sessions.get(id).is_none() || self.sessions.generation(id) != generation {
            return;
        }
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if self
            .sessions
            .get(id)
            .is_some_and(|session| is_due(session.will_at))
        {
            self.publish_will(id, actions);
        }
        if self
            .sessions
            .get(id)
            .is_some_and(|session| is_due(session.ends_at))
        {
            self.end_session(id, actions);
        }
    }
}

/// One and a half times the keepalive [MQTT-3.1.2-22].
fn keepalive_ms(keepalive_s: u16) -> u64 {
    u64::from(keepalive_s) * 1_500
}
