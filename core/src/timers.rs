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
                Timer::Delayed(slot) => self.delayed_due(slot, actions),
