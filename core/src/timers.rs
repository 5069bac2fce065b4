//! What happens by itself: idle and keepalive deadlines of connections, delayed wills and the ends of sessions.
//!
//! Lazy: a timer says "look again then", never "do it". Traffic only stores when it was heard; a timer that fires early
//! is set again for the real deadline. So a connection costs one timer, however much it sends.

use crate::connection::Wire;
use crate::wheel::TimerId;
use crate::{Actions, CloseReason, ConnectionId, Engine, SessionId, Time};

/// What a timer is about. It is cleared before its owner goes, so it never meets a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    Connection(ConnectionId),
    Session(SessionId),
    /// Acknowledgements of a connection that is slowed down.
    Deferred(ConnectionId),
    /// An established client proves anew who it is.
    Authentication(ConnectionId),
    /// What a device has not acknowledged.
    Unacknowledged(ConnectionId),
    /// A message that waits: its slot.
    Delayed(u32),
    /// Retained messages that expire.
    Retained,
    /// A ban ends.
    Bans,
}

impl Engine {
    /// Sets the one timer of a connection.
    pub(crate) fn arm(&mut self, id: ConnectionId, at: Time) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let older = connection
            .timer
            .replace(self.timers.insert(at, Timer::Connection(id)));
        self.disarm(older);
    }

    /// Clears a timer that is still set.
    pub(crate) fn disarm(&mut self, timer: Option<TimerId>) {
        if let Some(timer) = timer {
            self.timers.remove(timer);
        }
    }

    /// The greeting is over: from here on only the keepalive counts.
    pub(crate) fn arm_keepalive(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let keepalive_s = connection.keepalive_s;
        let idle = connection.timer.take();
        self.disarm(idle);
        if keepalive_s != 0 {
            self.arm(id, self.now + keepalive_ms(keepalive_s));
        }
    }

    /// Sets the one timer of an offline session, for its will or its end, whichever is first; none if it has neither.
    pub(crate) fn arm_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let next = session.will_due().into_iter().chain(session.ends_at).min();
        let older = session.timer.take();
        session.timer = next.map(|at| self.timers.insert(at, Timer::Session(id)));
        self.disarm(older);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, actions: &mut Actions) {
        while let Some((_, timer)) = self.timers.pop(self.now) {
            match timer {
                Timer::Connection(id) => self.connection_due(id, actions),
                Timer::Session(id) => self.session_due(id, actions),
                Timer::Deferred(id) => self.deferred_due(id, actions),
                Timer::Authentication(id) => self.authentication_due(id, actions),
                Timer::Unacknowledged(id) => self.unacknowledged_due(id, actions),
                Timer::Bans => self.bans_due(),
                Timer::Delayed(slot) => self.delayed_due(slot, actions),
                Timer::Retained => self.retained_due(),
            }
        }
    }

    fn connection_due(&mut self, id: ConnectionId, actions: &mut Actions) {
        let connection = self
            .connections
            .get_mut(id)
            .expect("timers of closed connections are cleared");
        connection.timer = None;
        if connection.session.is_none() {
            let detail = match connection.wire {
                Wire::Greeting | Wire::Device => "no whole CONNECT",
                Wire::V31 | Wire::V311 | Wire::V5 => "authentication took too long",
            };
            let detail = detail.to_owned();
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

    fn session_due(&mut self, id: SessionId, actions: &mut Actions) {
        let now = self.now;
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        let session = self
            .sessions
            .get_mut(id)
            .expect("timers of ended sessions are cleared");
        session.timer = None;
        let (will, end) = (is_due(session.will_due()), is_due(session.ends_at));
        if will {
            self.publish_will(id, actions);
        }
        if end {
            self.end_session(id, actions);
        } else {
            self.arm_session(id);
        }
    }
}

/// One and a half times the keepalive [MQTT-3.1.2-22].
fn keepalive_ms(keepalive_s: u16) -> u64 {
    u64::from(keepalive_s) * 1_500
}
