//! How far a device's QoS 1 and 2 publishes may run ahead of the shards that they go to.
//!
//! A subscriber of another shard that is behind says so by a parcel (`backpressure.rs`). An MQTT client is stopped before
//! that comes, because it has only so many publishes unacknowledged; a device has nothing that could be unacknowledged. So
//! after as many of its publishes have crossed, it is not read until the shards that they went to have said that they have
//! them: parcels do not overtake, so a shard's word that a subscriber is behind comes before.

use crate::connection::held;
use crate::interest::ShardSet;
use crate::{Actions, ConnectionId, Engine, Parcel, ShardId};

/// What a device has sent to other shards since they last said that they have it.
#[derive(Debug, Default)]
pub(crate) struct Crossing {
    messages: usize,
    bytes: usize,
    /// Where to.
    shards: ShardSet,
    /// Shards that were asked and have not answered.
    awaited: u32,
}

impl Engine {
    /// A publish of a device was routed.
    pub(crate) fn count_crossing(&mut self, id: ConnectionId, bytes: usize, actions: &mut Actions) {
        let shards = self.scratch.forwarded_to;
        let is_asked = self
            .crossings
            .get(&id)
            .is_some_and(|crossing| crossing.awaited > 0);
        // What a device sent before it left is taken although it should wait: the shards are asked once.
        if shards.is_empty() || is_asked {
            return;
        }
        let limits = &self.settings.limits;
        // A share of one subscriber's queue, so that several devices may run ahead of it at once.
        let messages_max = usize::from(limits.receive_maximum).min(limits.queue_messages / 4);
        let bytes_max = limits.queue_bytes / 8;
        let crossing = self.crossings.entry(id).or_default();
        crossing.messages += 1;
        crossing.bytes += bytes;
        crossing.shards.0 |= shards.0;
        if crossing.messages < messages_max && crossing.bytes < bytes_max {
            return;
        }
        let mut to_ask = crossing.shards.0;
        crossing.awaited = to_ask.count_ones();
        while to_ask != 0 {
            let shard = ShardId(to_ask.trailing_zeros() as u16);
            to_ask &= to_ask - 1;
            actions.post(shard, Parcel::Reach { connection: id });
        }
        self.hold(id, held::CROSSING, actions);
    }

    /// Another shard has what a device sent it.
    pub(crate) fn reached(&mut self, id: ConnectionId, actions: &mut Actions) {
        // The device may be gone meanwhile.
        let Some(crossing) = self.crossings.get_mut(&id) else {
            return;
        };
        assert!(
            crossing.awaited > 0,
            "a shard answers once, and only when it is asked"
        );
        crossing.awaited -= 1;
        if crossing.awaited == 0 {
            self.crossings.remove(&id);
            self.hold_if_slowed(id, actions);
            self.release(id, held::CROSSING, actions);
        }
    }
}
