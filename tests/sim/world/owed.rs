//! `acknowledgements_come_in_time`: what a broker took at QoS 1 or 2 it acknowledges, and back-pressure may delay that only
//! so long.
//!
//! Judged where an engine lets go of its bytes, so neither the network nor a slow client can be to blame; and only when
//! its due timers have fired, so a shard that had no turn is not either. A publish counts from when it was taken for sure:
//! what arrived on a paused connection counts from when that is read again. Acknowledgements come in the order of their
//! publishes, so the oldest that is owed is the one to look at.

use super::socket::SocketId;
use super::{Sabotage, World};
use crate::checks::Failure;
use crate::history::MessageId;
use crate::scenario::MQTT;
use ringwire_codec::mqtt::QoS;

/// First bytes of PUBACK and PUBREC.
const ACKNOWLEDGEMENTS: [u8; 2] = [0x40, 0x50];

impl World {
    /// An engine had a PUBLISH; not for sure when its connection is paused.
    pub(super) fn owes(&mut self, id: SocketId, message: MessageId, paused: bool) {
        if self.sockets[id].listener == MQTT && self.history.messages[message].qos != QoS::AtMostOnce {
            let taken = (!paused).then_some(self.now);
            self.sockets[id].owed.push_back(taken);
        }
    }

    /// Bytes leave an out box; some of them may be lost by sabotage.
    pub(super) fn pays(&mut self, id: SocketId, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.sockets[id].listener != MQTT {
            return bytes;
        }
        if self.sabotage == Some(Sabotage::LoseAcknowledgements) {
            bytes = without_acknowledgements(&bytes);
        }
        for _ in 0..acknowledgements(&bytes) {
            self.sockets[id].owed.pop_front();
        }
        bytes
    }

    /// After a turn: no acknowledgement has been kept back for longer than it may.
    pub(super) fn watch_acknowledgements(&mut self, shard: usize) {
        let (now, patience_ms) = (self.now, self.scenario.settings.limits.backpressure_timeout_ms);
        let wake = self.shards[shard].engine.next_wake();
        let is_late = wake.is_some_and(|wake| wake <= now);
        for number in 0..self.shards[shard].slots.len() {
            let slot = &self.shards[shard].slots[number];
            let live = !slot.closing && !slot.forgotten;
            let Some(id) = slot.socket.filter(|_| live) else {
                continue;
            };
            let socket = &mut self.sockets[id];
            if !slot.paused {
                socket.owed.iter_mut().for_each(|taken| {
                    taken.get_or_insert(now);
                });
            }
            if is_late || socket.owed.is_empty() {
                continue;
            }
            let connection = self.connection(shard, number);
            let unsent = acknowledgements(&super::carry::contents(
                self.shards[shard].actions.outbox(connection),
            ));
            let socket = &self.sockets[id];
            let waited_ms = (socket.owed.get(unsent).copied().flatten()).map(|taken| now.millis_since(taken));
            if let Some(waited_ms) = waited_ms.filter(|waited_ms| *waited_ms >= patience_ms) {
                let text = format!(
                    "{:?} waits for an acknowledgement since {waited_ms} ms, of at most {patience_ms}",
                    socket.owner
                );
                self.fail(Failure::new("acknowledgements_come_in_time", text));
            }
        }
    }
}

/// The packets of an out box.
pub(super) fn packets(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (mut size, mut header) = (0, 1);
        loop {
            let byte = *bytes.get(header)?;
            size |= usize::from(byte & 0x7F) << (7 * (header - 1));
            header += 1;
            if byte & 0x80 == 0 {
                break;
            }
            if header > 4 {
                return None;
            }
        }
        let (packet, rest) = bytes.split_at_checked(header + size)?;
        bytes = rest;
        Some(packet)
    })
}

fn acknowledgements(bytes: &[u8]) -> usize {
    packets(bytes)
        .filter(|packet| ACKNOWLEDGEMENTS.contains(&packet[0]))
        .count()
}

fn without_acknowledgements(bytes: &[u8]) -> Vec<u8> {
    packets(bytes)
        .filter(|packet| !ACKNOWLEDGEMENTS.contains(&packet[0]))
        .flatten()
        .copied()
        .collect()
}
