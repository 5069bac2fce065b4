//! Delayed publish, as the oracle sees it: when messages become due, and the sabotage of it.

use super::{Sabotage, World};
use crate::history::MessageId;
use ringwire_core::message::Parts;
use ringwire_core::{Input, Message, Parcel, ShardId};
use std::sync::Arc;

/// What topics of delayed publishes begin with; nothing else on the wire has it.
const PREFIX: &[u8] = b"$delayed/";

impl World {
    /// Notes for which messages the delay has passed: nothing of what came before can be their publishing.
    pub(super) fn note_due(&mut self) {
        let (now_ms, step) = (self.now.as_millis(), self.step);
        let messages = &self.history.messages;
        for (id, delayed) in &mut self.history.delayed {
            let Some(fed_ms) = messages[*id].fed_ms.first().filter(|_| delayed.due.is_none()) else {
                continue;
            };
            if fed_ms + delayed.seconds * 1_000 <= now_ms {
                delayed.due = Some(step);
            }
        }
    }

    /// Counts what came of delayed messages, for the list of what runs get to.
    pub fn count_delayed(&mut self) {
        let (mut arrived, mut outlived) = (0, 0);
        for delivery in &self.history.deliveries {
            let Some(id) = delivery.message else { continue };
            let Some(due) = self.history.delayed.get(&id).and_then(|delayed| delayed.due) else {
                continue;
            };
            let message = &self.history.messages[id];
            let from = message.first_fed().unwrap_or_default();
            let mut sessions = self.history.sessions.iter();
            let gone = sessions.any(|session| {
                let lost = session.losses.iter().any(|step| (from..due).contains(step));
                session.client_id == message.publisher && lost
            });
            arrived += 1;
            outlived += u64::from(gone);
        }
        for (what, count) in [
            ("delivered after a delay", arrived),
            ("delayed publish whose publisher was lost", outlived),
        ] {
            if count > 0 {
                *self.reach.entry(what).or_default() += count;
            }
        }
    }

    /// An engine gets other bytes than a client wrote, where they begin a delayed publish.
    pub(super) fn spoil_delay(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let seconds = match self.sabotage {
            Some(Sabotage::HastenDelayed) => b'0',
            Some(Sabotage::RetardDelayed) => b'6',
            Some(Sabotage::LoseDelayed) => b'!',
            _ => return bytes,
        };
        let starts = bytes.windows(PREFIX.len() + 1).enumerate();
        let starts: Vec<usize> = starts
            .filter(|(_, window)| window.starts_with(PREFIX) && window[PREFIX.len()].is_ascii_digit())
            .map(|(at, _)| at)
            .collect();
        for at in starts {
            match seconds {
                // Its topic is another.
                b'!' => bytes[at + 1] = b'x',
                seconds => bytes[at + PREFIX.len()] = seconds,
            }
        }
        bytes
    }

    /// An engine publishes a delayed message as it came, too.
    pub(super) fn show_delayed(&mut self, shard: usize, id: MessageId) {
        let Some(topic) = self.history.wire_topic(id).filter(|_| {
            self.sabotage == Some(Sabotage::ShowDelayed) && self.history.delayed.contains_key(&id)
        }) else {
            return;
        };
        let sent = self.history.messages[id].clone();
        let message = Arc::new(Message::new(Parts {
            topic: &topic,
            payload: &sent.payload,
            properties: &[],
            publisher: sent.publisher.as_bytes(),
            qos: sent.qos,
            retain: false,
        }));
        let from = ShardId(((shard + 1) % self.shards.len()) as u16);
        let parcel = Parcel::Publish(message);
        self.feed(shard, Input::Parcel { from, parcel });
    }
}
