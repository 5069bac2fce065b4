//! The Will: a message that a client leaves behind, sent when it goes without a word.

use crate::SessionId;
use crate::access::Operation;
use crate::session::frame::News;
use crate::{Actions, DropReason, Engine, Message, Time};
use std::sync::Arc;

/// Milliseconds by which a delayed Will comes late. Who waits for it began to count when the client was gone, which this
/// shard may have noticed before; and a Will must not come before its delay has passed for them.
pub(crate) const LATE_MS: u64 = 100;

/// A Will that waits.
#[derive(Debug)]
pub(crate) struct Will {
    pub(crate) message: Arc<Message>,
    /// Seconds between the end of the connection and the sending.
    pub(crate) delay_s: u32,
    /// When it is to be sent; `None` while the client is connected.
    pub(crate) due: Option<Time>,
}

impl Will {
    /// Bytes that it is charged with, as if nobody shared its message.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.memory_bytes()
    }
}

impl Engine {
    /// True when there is room for a will beside those of this shard.
    pub(crate) fn has_room_for(&self, will: &Will) -> bool {
        will.bytes()
            <= self
                .settings
                .limits
                .will_bytes
                .saturating_sub(self.sessions.will_bytes)
    }

    /// What a session leaves behind from now on, in place of what it would have left.
    pub(crate) fn leave_will(&mut self, id: SessionId, will: Option<Box<Will>>) {
        self.take_will(id);
        self.sessions.will_bytes += will.as_ref().map_or(0, |will| will.bytes());
        if let Some(session) = self.sessions.get_mut(id) {
            session.will = will;
        }
    }

    fn take_will(&mut self, id: SessionId) -> Option<Box<Will>> {
        let will = self.sessions.get_mut(id)?.will.take()?;
        self.sessions.will_bytes -= will.bytes();
        Some(will)
    }

    /// Sends the will of a session, if it has one. The rules are asked now, as for any publish.
    pub(crate) fn publish_will(&mut self, id: SessionId, actions: &mut Actions) {
        let Some(will) = self.take_will(id) else {
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
