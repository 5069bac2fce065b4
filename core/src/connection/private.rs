//! EMQ's private TCP protocol on a connection. Not spoken yet: a frame closes its connection.

use crate::{Actions, CloseReason, ConnectionId, Engine};

impl Engine {
    /// Handles whole frames from the front of `bytes`; returns how many bytes need not be kept.
    pub(crate) fn consume_private(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) -> usize {
        let detail = "the private protocol is not spoken yet".to_owned();
        self.close(id, CloseReason::NotSupported, detail, actions);
        bytes.len()
    }
}
