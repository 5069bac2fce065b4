//! The Will: a message that a client leaves behind, sent when it goes without a word.

use crate::SessionId;
use crate::access::Operation;
use crate::session::frame::News;
use crate::{Actions, DropReason, Engine, Message, Time};
use std::sync::Arc;

/// A Will that waits.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    /// Seconds between the end of the connection and the sending.
    pub(crate) delay_s: u32,
    /// When it is to be sent; `None` while the client is connected.
    pub(crate) due: Option<Time>,
}

impl Engine {
    /// Sends the will of a session, if it has one. The rules are asked now, as for any publish.
    pub(crate) fn publish_will(&mut self, id: SessionId, actions: &mut Actions) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(will) = session.will.take() else {
            return;
        };
        if self.takes_detour(will.message.topic()) {
            return self.will_by_detour(id, &will.message, actions);
        }
        let message = Message::published(&will.message, self.now);
        let mut news = News::shared(&message, self.now);
        let session = self.sessions.get(id).expect("it was there just now");
        if !self.may(Operation::Publish, session, news.topic) {
            self.dropped(id, DropReason::NotAuthorized, news.topic, actions);
            return;
        }
        self.route_always(Some(id), &mut news, actions);
    }
}
