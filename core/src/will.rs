//! The Will: a message that a client leaves behind, sent when it goes without a word.

use crate::SessionId;
use crate::{Actions, Engine, Message};
use std::sync::Arc;

/// A Will that waits.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    /// Seconds between the end of the connection and the sending.
    pub(crate) delay_s: u32,
}

impl Engine {
    /// Sends the will of a session, if it has one.
    pub(crate) fn publish_will(&mut self, id: SessionId, actions: &mut Actions) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.will_at = None;
        if let Some(will) = session.will.take() {
            self.publish_shared(&will.message, actions);
        }
    }
}
