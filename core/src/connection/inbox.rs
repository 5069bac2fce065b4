//! Bytes of one connection on their way to the decoder.
//!
//! Whole packets are decoded where they arrived; only the front of a packet whose rest is still on its way is copied,
//! into the inbox, which is freed as soon as the packet is whole. While a connection is held, everything waits there.

use super::{Wire, held};
use crate::settings::Protocol;
use crate::{Actions, ConnectionId, Engine};

impl Engine {
    /// Bytes arrived.
    pub(crate) fn received(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.heard = now;
        if connection.held != 0 {
            connection.inbox.extend_from_slice(bytes);
        } else if connection.inbox.is_empty() {
            let used = self.consume(id, bytes, actions);
            self.keep(id, &bytes[used..]);
        } else if connection.wire == Wire::Greeting {
            // A hand-over takes every byte along, so the greeting stays in one piece with what follows it.
            connection.inbox.extend_from_slice(bytes);
            self.consume_inbox(id, actions);
        } else {
            self.top_up(id, bytes, actions);
        }
    }

    /// Handles what waits in the inbox.
    pub(crate) fn consume_inbox(&mut self, id: ConnectionId, actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let mut inbox = std::mem::take(&mut connection.inbox);
        let used = self.consume(id, &inbox, actions);
        if used == inbox.len() {
            return;
        }
        if let Some(connection) = self.connections.get_mut(id) {
            inbox.drain(..used);
            connection.inbox = inbox;
        }
    }

    /// The inbox holds the front of a packet: completes that one there, and handles the rest where it arrived.
    fn top_up(&mut self, id: ConnectionId, mut bytes: &[u8], actions: &mut Actions) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let mut inbox = std::mem::take(&mut connection.inbox);
        loop {
            let missing = self.missing(id, &inbox);
            if missing == 0 || bytes.is_empty() {
                break;
            }
            let (front, rest) = bytes.split_at(missing.min(bytes.len()));
            inbox.extend_from_slice(front);
            bytes = rest;
        }
        let used = self.consume(id, &inbox, actions);
        if used < inbox.len() {
            if let Some(connection) = self.connections.get_mut(id) {
                inbox.drain(..used);
                inbox.extend_from_slice(bytes);
                connection.inbox = inbox;
            }
            return;
        }
        drop(inbox);
        let used = self.consume(id, bytes, actions);
        self.keep(id, &bytes[used..]);
    }

    /// Keeps what could not be handled yet.
    fn keep(&mut self, id: ConnectionId, bytes: &[u8]) {
        if !bytes.is_empty()
            && let Some(connection) = self.connections.get_mut(id)
        {
            connection.inbox = bytes.to_vec();
        }
    }

    /// How many bytes at least are missing for the first packet of `inbox`; 0 when it is whole, or wrong. All that there are
    /// when nobody can tell.
    fn missing(&self, id: ConnectionId, inbox: &[u8]) -> usize {
        let Some(connection) = self.connections.get(id) else {
            return 0;
        };
        let needed = match &self.listener(connection.listener).protocol {
            Protocol::Mqtt(mqtt) => {
                match ringwire_codec::mqtt::decode(connection.wire.version(), inbox, mqtt.max_packet_size) {
                    Ok(ringwire_codec::mqtt::Decoded::Incomplete { needed }) => needed,
                    Ok(ringwire_codec::mqtt::Decoded::Packet(..)) | Err(_) => return 0,
                }
            }
            Protocol::Device(_) => match self.device_frame_size(id, inbox) {
                Some(size) => return size.saturating_sub(inbox.len()),
                None => return usize::MAX,
            },
        };
        match needed {
            Some(needed) => needed.saturating_sub(inbox.len()).max(1),
            None => 1,
        }
    }

    /// Handles whole packets from the front of `bytes`; returns how many bytes need not be kept.
    fn consume(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) -> usize {
        let Some(connection) = self.connections.get(id) else {
            return bytes.len();
        };
        match self.listener(connection.listener).protocol {
            Protocol::Mqtt(_) => self.consume_mqtt(id, bytes, actions),
            Protocol::Device(_) => self.consume_device(id, bytes, actions),
        }
    }

    /// Stops reading a connection.
    pub(crate) fn hold(&mut self, id: ConnectionId, bit: u8, actions: &mut Actions) {
        if let Some(connection) = self.connections.get_mut(id)
            && !connection.ending
        {
            if connection.held == 0 {
                actions.pauses.push((id, true));
            }
            connection.held |= bit;
        }
    }

    /// Reasons for not reading a connection are gone; with the last one it is read again.
    pub(crate) fn release(&mut self, id: ConnectionId, bits: u8, actions: &mut Actions) {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.held & bits == 0 {
            return;
        }
        connection.held &= !bits;
        if connection.held != 0 {
            return;
        }
        // Nobody listened meanwhile, so the peer's silence does not count.
        connection.heard = now;
        actions.pauses.push((id, false));
        self.consume_inbox(id, actions);
    }

    /// After something was written that the peer asked for: a peer that does not read is not read.
    pub(crate) fn hold_if_not_reading(&mut self, id: ConnectionId, actions: &mut Actions) {
        let limit = self.settings.limits.outbox_bytes;
        if actions.outbox(id).backlog() > limit {
            self.watch(id, actions);
            self.hold(id, held::BACKLOG, actions);
        }
    }

    /// Asks for `Input::Drained`.
    pub(crate) fn watch(&mut self, id: ConnectionId, actions: &mut Actions) {
        let outbox = actions.outbox(id);
        outbox.watch = true;
        outbox.low_water = self.settings.limits.outbox_bytes / 2;
    }
}
