//! When an engine took what a device published: later than it had the bytes, when the device was to wait.
//!
//! For `devices_wait_for_their_subscribers`, in runs whose devices publish more than is read.

use super::World;
use super::socket::socket_of;
use crate::history::{LeadMax, Step, Taken};

impl World {
    /// After an input: counts what a shard has taken of its devices. What a device said last before its connection ended is
    /// not seen: it is taken whoever is behind.
    pub(super) fn watch_devices(&mut self, shard: usize, step: Step) {
        if !self.scenario.flooding {
            return;
        }
        for number in 0..self.scenario.devices {
            let client_id = format!("d{number}");
            if self.placement.home(client_id.as_bytes()).index() != shard {
                continue;
            }
            let device = self.shards[shard].engine.client(&client_id);
            let Some(device) = device.filter(|device| device.connected) else {
                continue;
            };
            if let Some(id) = device.peer.and_then(socket_of) {
                self.sockets[id].taken.resize(device.recv_msg as usize, step);
            }
        }
    }

    /// Tells the history when each message of a device was taken, and how far devices may be ahead of a subscriber.
    ///
    /// As long as no more than `backpressure_messages` wait in a queue, nobody is slowed down. The device's message that is
    /// one too many slows it down; by then it may have sent as much as may cross without an answer, this message among it.
    /// And what was sent but not acknowledged does not wait in the queue any more.
    pub fn tell_lead(&mut self) {
        if !self.scenario.flooding {
            return;
        }
        for (connection, socket) in self.sockets.iter().enumerate() {
            for (&message, &step) in socket.published.iter().zip(&socket.taken) {
                let taken = Taken { step, connection };
                self.history.taken.insert(message, taken);
            }
        }
        let limits = &self.scenario.settings.limits;
        self.history.lead_max = Some(LeadMax {
            queued: limits.backpressure_messages + usize::from(limits.inflight),
            crossing: usize::from(limits.receive_maximum).min(limits.queue_messages / 4),
        });
    }
}
