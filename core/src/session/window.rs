//! The window: QoS 1/2 publishes that are on their way to one client and not yet acknowledged.
//!
//! Entries stand in the order of sending, which is the order of redelivery at resume. Nothing is sent twice within a
//! connection. The invariant: what was not yet sent on this connection is a suffix of the entries.

use crate::Message;
use crate::session::shares::ShareId;
use ringwire_codec::mqtt::QoS;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// One delivery to one session: the shared message and what is this receiver's own.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Arc<Message>,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Subscription Identifiers, `None` for none.
    pub(crate) identifiers: Option<Box<[u32]>>,
    /// The shared subscription that it came by: to another member of the group it goes if this one leaves.
    pub(crate) share: Option<ShareId>,
    /// How often members of that group gave it back.
    pub(crate) returns: u8,
}

const _: () = assert!(
    size_of::<Outgoing>() == 32,
    "one stands in every queue for each message"
);

/// What a window entry waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// PUBACK or PUBREC.
    Published(Outgoing),
    /// PUBCOMP; the message is the client's now.
    Released,
}

#[derive(Debug)]
struct Entry {
    id: u16,
    /// Was sent on an earlier connection: a redelivery, DUP.
    again: bool,
    stage: Stage,
}

impl Entry {
    /// A QoS 1 publish by a shared subscription that `is_due`.
    fn is_shared(&self, is_due: impl Fn(&Outgoing) -> bool) -> bool {
        match &self.stage {
            Stage::Published(outgoing) => {
                outgoing.qos == QoS::AtLeastOnce && outgoing.share.is_some() && is_due(outgoing)
            }
            Stage::Released => false,
        }
    }
}

/// The unacknowledged deliveries of one session.
#[derive(Debug, Default)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// How many entries at the end were not sent on this connection.
    unsent: usize,
    /// The id last given; ids go up from 1.
    last: u16,
    /// Ids above `last` and below this one are not in use.
    free_below: u32,
}

/// What to send for an entry that waits for its first sending on this connection.
pub(crate) enum Resend<'a> {
    /// The publish again, with DUP if it was sent before.
    Publish(u16, bool, &'a Outgoing),
    /// PUBREL again.
    Release(u16),
}

impl Window {
    /// Entries, sent or not.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries that wait for their first sending on this connection.
    pub(crate) fn unsent(&self) -> usize {
        self.unsent
    }

    /// True when another publish may be sent under `max`, and nothing older waits to be sent again.
    pub(crate) fn has_room(&self, max: u16) -> bool {
        self.unsent == 0 && self.entries.len() < usize::from(max)
    }

    /// Takes a delivery that is sent now and gives its packet id.
    pub(crate) fn push(&mut self, outgoing: Outgoing) -> u16 {
        assert!(self.unsent == 0, "what waits to be sent again goes first");
        assert!(self.entries.len() < usize::from(u16::MAX), "a packet id is free");
        let id = self.free_id();
        self.entries.push_back(Entry {
            id,
            again: false,
            stage: Stage::Published(outgoing),
        });
        id
    }

    /// The next id that is not in use. Ids given since the last look are behind `last`, so one look at all entries tells
    /// how far the way is free.
    fn free_id(&mut self) -> u16 {
        loop {
            if self.last == u16::MAX {
                (self.last, self.free_below) = (0, 0);
            }
            let next = self.last + 1;
            let is_free = u32::from(next) < self.free_below || self.look_ahead() != Some(next);
            self.last = next;
            if is_free {
                return next;
            }
        }
    }

    /// The lowest id in use above the last one.
    fn look_ahead(&mut self) -> Option<u16> {
        let in_use = self.entries.iter().map(|entry| entry.id);
        let lowest = in_use.filter(|&id| id > self.last).min();
        self.free_below = lowest.map_or(1 << 16, u32::from);
        lowest
    }

    /// Where an id stands. Ids are given in order, so it stands as far behind the first as it is above it, less what was
    /// acknowledged between; only ids that went round past some that stayed are found by looking everywhere.
    fn position(&self, id: u16) -> Option<usize> {
        let first = self.entries.front()?.id;
        let above = if id >= first {
            id - first
        } else {
            u16::MAX - first + id
        };
        let from = usize::from(above).min(self.entries.len() - 1);
        let is_it = |at: &usize| self.entries[*at].id == id;
        (0..=from)
            .rev()
            .find(is_it)
            .or_else(|| (from + 1..self.entries.len()).find(is_it))
    }

    /// PUBACK: true when it ended a QoS 1 delivery.
    pub(crate) fn acknowledge(&mut self, id: u16) -> bool {
        self.remove_if(id, |stage| match stage {
            Stage::Published(outgoing) => outgoing.qos == QoS::AtLeastOnce,
            Stage::Released => false,
        })
    }

    /// PUBREC with success: true when PUBREL is due.
    pub(crate) fn release(&mut self, id: u16) -> bool {
        let Some(at) = self.position(id) else {
            return false;
        };
        let entry = &mut self.entries[at];
        match &entry.stage {
            Stage::Published(outgoing) if outgoing.qos != QoS::ExactlyOnce => false,
            Stage::Published(_) | Stage::Released => {
                entry.stage = Stage::Released;
                true
            }
        }
    }

    /// PUBREC with a failure: the client does not want it; true when it ended a QoS 2 delivery.
    pub(crate) fn refuse(&mut self, id: u16) -> bool {
        self.remove_if(id, |stage| match stage {
            Stage::Published(outgoing) => outgoing.qos == QoS::ExactlyOnce,
            Stage::Released => false,
        })
    }

    /// PUBCOMP: true when it ended a QoS 2 delivery.
    pub(crate) fn complete(&mut self, id: u16) -> bool {
        self.remove_if(id, |stage| matches!(stage, Stage::Released))
    }

    fn remove_if(&mut self, id: u16, test: impl Fn(&Stage) -> bool) -> bool {
        let Some(at) = self.position(id) else {
            return false;
        };
        if !test(&self.entries[at].stage) {
            return false;
        }
        if at >= self.entries.len() - self.unsent {
            self.unsent -= 1;
        }
        self.entries.remove(at);
        true
    }

    /// Shared subscriptions of which QoS 1 publishes were sent and are not acknowledged.
    pub(crate) fn shares(&self) -> BTreeSet<ShareId> {
        let shared = self.entries.iter().filter(|entry| entry.is_shared(|_| true));
        shared
            .filter_map(|entry| match &entry.stage {
                Stage::Published(outgoing) => outgoing.share,
                Stage::Released => None,
            })
            .collect()
    }

    /// Takes out QoS 1 publishes that came by shared subscriptions: another member may have them. What was sent at QoS 2 is
    /// this client's for good [MQTT-4.8.2-4].
    pub(crate) fn take_shared(&mut self, is_due: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
        let mut taken = Vec::new();
        if !self.entries.iter().any(|entry| entry.is_shared(&is_due)) {
            return taken;
        }
        let sent = self.entries.len() - self.unsent;
        for (at, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            if !entry.is_shared(&is_due) {
                self.entries.push_back(entry);
            } else if let Stage::Published(outgoing) = entry.stage {
                self.unsent -= usize::from(at >= sent);
                taken.push(outgoing);
            }
        }
        taken
    }

    /// The connection ended: everything is to be sent again on the next one.
    pub(crate) fn rewind(&mut self) {
        let sent = self.entries.len() - self.unsent;
        for entry in self.entries.iter_mut().take(sent) {
            entry.again = true;
        }
        self.unsent = self.entries.len();
    }

    /// The next entry that was not sent on this connection, if `max` allows another; counts as sent from here on.
    pub(crate) fn resend(&mut self, max: u16) -> Option<Resend<'_>> {
        let sent = self.entries.len() - self.unsent;
        if self.unsent == 0 || sent >= usize::from(max) {
            return None;
        }
        self.unsent -= 1;
        let entry = &self.entries[sent];
        Some(match &entry.stage {
            Stage::Published(outgoing) => Resend::Publish(entry.id, entry.again, outgoing),
            Stage::Released => Resend::Release(entry.id),
        })
    }

    /// The publish with an id, while it waits for its acknowledgement.
    pub(crate) fn published(&self, id: u16) -> Option<&Outgoing> {
        match &self.entries[self.position(id)?].stage {
            Stage::Published(outgoing) => Some(outgoing),
            Stage::Released => None,
        }
    }

    /// Ends the delivery that `resend` just returned: it cannot be sent to this client at all.
    pub(crate) fn forget(&mut self, id: u16) {
        self.remove_if(id, |_| true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;

    fn outgoing(qos: QoS) -> Outgoing {
        Outgoing {
            message: Arc::new(Message::new(Parts {
                topic: "t",
                payload: &[],
                properties: &[],
                qos,
                retain: false,
                publisher: &[],
            })),
            qos,
            retain: false,
            identifiers: None,
            share: None,
            returns: 0,
        }
    }

    #[test]
    fn ids_go_up_from_one_and_skip_those_in_use_after_a_wrap() {
        let mut window = Window::default();
        assert_eq!(window.push(outgoing(QoS::AtLeastOnce)), 1);
        for id in 2..=u16::MAX {
            assert_eq!(window.push(outgoing(QoS::AtLeastOnce)), id);
            assert!(window.acknowledge(id));
        }
        assert_eq!(window.push(outgoing(QoS::AtLeastOnce)), 2, "1 is in use");
    }

    #[test]
    fn no_id_is_given_twice_however_often_ids_go_round_past_some_that_stay() {
        let mut window = Window::default();
        let mut kept = vec![];
        for turn in 0..400_000u32 {
            let id = window.push(outgoing(QoS::AtLeastOnce));
            assert!(!kept.contains(&id), "{id} is in use");
            if turn % 20_011 == 0 {
                kept.push(id);
            } else {
                assert!(window.acknowledge(id));
            }
            if turn % 100_003 == 0 {
                assert!(window.acknowledge(kept.remove(0)));
            }
        }
        assert_eq!(window.len(), kept.len());
    }

    #[test]
    fn resend_goes_in_order_with_dup_and_pubrel_and_obeys_a_smaller_maximum() {
        let mut window = Window::default();
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
            window.push(outgoing(qos));
        }
        assert!(window.release(2));
        window.rewind();
        assert!(!window.has_room(10), "what waits to be sent again goes first");
        assert!(matches!(window.resend(2), Some(Resend::Publish(1, true, _))));
        assert!(matches!(window.resend(2), Some(Resend::Release(2))));
        assert!(window.resend(2).is_none());
        assert!(window.complete(2));
        assert!(matches!(window.resend(2), Some(Resend::Publish(3, true, _))));
        assert!(window.has_room(3));
    }

    #[test]
    fn an_ack_of_the_wrong_kind_ends_nothing() {
        let mut window = Window::default();
        let one = window.push(outgoing(QoS::AtLeastOnce));
        let two = window.push(outgoing(QoS::ExactlyOnce));
        assert!(
            !window.acknowledge(two) && !window.complete(two) && !window.release(one) && !window.refuse(one)
        );
        assert_eq!(window.len(), 2);
    }
}
