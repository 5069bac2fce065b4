//! What a shard posts to the others: gathered during a turn, posted as one batch a destination, kept in order while a
//! queue is full.
//!
//! Not the queues: those are `mesh.rs`. The invariant: a batch is never posted before an older one to the same shard.

use crate::mesh::{Batch, Envelope, Port};
use ringwire_core::ShardId;
use std::collections::VecDeque;
use std::mem::take;

/// The batches of one shard that are not posted yet.
pub(crate) struct Outgoing {
    lanes: Vec<Lane>,
    /// Destinations that have something to post.
    touched: Vec<ShardId>,
    stuck: usize,
}

#[derive(Default)]
struct Lane {
    batch: Batch,
    stuck: VecDeque<Batch>,
    touched: bool,
}

/// What posting did.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub(crate) batches: u64,
    /// Destinations whose queue is now full, and whose queue has room again.
    pub(crate) congested: Vec<ShardId>,
    pub(crate) relieved: Vec<ShardId>,
}

impl Outgoing {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            lanes: (0..shards).map(|_| Lane::default()).collect(),
            touched: Vec::new(),
            stuck: 0,
        }
    }

    /// Adds to this turn's batch for a shard.
    pub(crate) fn add(&mut self, to: ShardId, envelope: Envelope) {
        let lane = &mut self.lanes[to.index()];
        if !lane.touched {
            lane.touched = true;
            self.touched.push(to);
        }
        lane.batch.push(envelope);
    }

    /// Batches that wait for room.
    pub(crate) fn stuck(&self) -> usize {
        self.stuck
    }

    /// Posts what fits. `ring` is told whom to wake.
    pub(crate) fn post(&mut self, port: &mut Port, mut ring: impl FnMut(ShardId)) -> Posted {
        let mut posted = Posted::default();
        if self.touched.is_empty() {
            return posted;
        }
        let mut touched = take(&mut self.touched);
        touched.retain(|&to| {
            self.post_lane(to, port, &mut ring, &mut posted);
            let lane = &mut self.lanes[to.index()];
            lane.touched = !lane.stuck.is_empty();
            lane.touched
        });
        self.touched = touched;
        posted
    }

    fn post_lane(
        &mut self,
        to: ShardId,
        port: &mut Port,
        ring: &mut impl FnMut(ShardId),
        posted: &mut Posted,
    ) {
        let lane = &mut self.lanes[to.index()];
        let was_stuck = !lane.stuck.is_empty();
        if !lane.batch.is_empty() {
            lane.stuck
                .push_back(std::mem::replace(&mut lane.batch, port.batch()));
            self.stuck += 1;
        }
        while let Some(batch) = lane.stuck.pop_front() {
            if let Err(batch) = port.post(to, batch, &mut *ring) {
                lane.stuck.push_front(batch);
                break;
            }
            self.stuck -= 1;
            posted.batches += 1;
        }
        match (was_stuck, !lane.stuck.is_empty()) {
            (false, true) => posted.congested.push(to),
            (true, false) => posted.relieved.push(to),
            (false, false) | (true, true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::ports;
    use ringwire_core::Parcel;

    fn recall(ticket: u64) -> Envelope {
        Envelope::Parcel(Parcel::Recall {
            ticket,
            filter: "a".into(),
            after: None,
        })
    }

    fn tickets(port: &mut Port) -> Vec<u64> {
        let mut tickets = Vec::new();
        while let Some((_, batch)) = port.take(|_| {}) {
            for envelope in &batch {
                let Envelope::Parcel(Parcel::Recall { ticket, .. }) = envelope else {
                    panic!("only recalls were posted");
                };
                tickets.push(*ticket);
            }
        }
        tickets
    }

    #[test]
    fn what_does_not_fit_is_kept_in_order() {
        let mut ports = ports(2, 2);
        let mut to = ports.pop().unwrap();
        let mut from = ports.pop().unwrap();
        let mut outgoing = Outgoing::new(2);
        let mut seen = Vec::new();
        for ticket in 0..5 {
            outgoing.add(ShardId(1), recall(ticket));
            let posted = outgoing.post(&mut from, |_| {});
            assert_eq!(
                posted.congested.is_empty(),
                ticket != 2,
                "told once, when it fills"
            );
        }
        assert_eq!(outgoing.stuck(), 3);
        let mut relieved = 0;
        while seen.len() < 5 {
            seen.extend(tickets(&mut to));
            relieved += outgoing.post(&mut from, |_| {}).relieved.len();
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        assert_eq!((outgoing.stuck(), relieved), (0, 1));
    }

    #[test]
    fn a_turn_is_one_batch() {
        let mut ports = ports(2, 2);
        let mut to = ports.pop().unwrap();
        let mut from = ports.pop().unwrap();
        let mut outgoing = Outgoing::new(2);
        for ticket in 0..100 {
            outgoing.add(ShardId(1), recall(ticket));
        }
        assert_eq!(outgoing.post(&mut from, |_| {}).batches, 1);
        assert_eq!(tickets(&mut to).len(), 100);
    }
}
