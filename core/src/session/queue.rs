//! The queue: messages that wait for a client to come back, to read, or to acknowledge.
//!
//! Limited in messages and bytes. For an MQTT client the oldest QoS 0 message goes first at a limit, then the oldest of
//! all; what goes for a private device is its listener's choice.

use super::window::Outgoing;
use ringwire_codec::mqtt::QoS;
use std::collections::VecDeque;

/// Messages waiting in one session.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Outgoing>,
    bytes: usize,
    /// QoS 0 messages among them.
    unacknowledged: usize,
    /// Messages with RETAIN set among them.
    retained: usize,
    /// Messages that came by shared subscriptions among them.
    shared: usize,
}

impl Queue {
    /// Messages.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What they cost in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// QoS 0 messages that come now must wait behind what is here: a retained message would be stale when it arrives after
    /// a newer one, and QoS 0 messages keep their order.
    pub(crate) fn is_before_qos0(&self) -> bool {
        self.retained + self.unacknowledged > 0
    }

    /// Appends.
    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        self.bytes += cost(&outgoing);
        self.unacknowledged += usize::from(outgoing.qos == QoS::AtMostOnce);
        self.retained += usize::from(outgoing.retain);
        self.shared += usize::from(outgoing.share.is_some());
        self.waiting.push_back(outgoing);
    }

    /// Something must go.
    pub(crate) fn is_over(&self, messages_max: usize, bytes_max: usize) -> bool {
        self.waiting.len() > messages_max || self.bytes > bytes_max
    }

    /// Takes out a QoS 0 message if there is one, else the oldest of all. Of QoS 0 messages it is the oldest, but for one
    /// that just came behind QoS 1/2 messages: it goes itself, or each would cost a walk over all that wait.
    pub(crate) fn drop_oldest(&mut self) -> Option<Outgoing> {
        let is_qos0 = |outgoing: Option<&Outgoing>| outgoing.is_some_and(|one| one.qos == QoS::AtMostOnce);
        if self.unacknowledged == 0 || is_qos0(self.waiting.front()) {
            return self.pop();
        }
        if is_qos0(self.waiting.back()) {
            return self.drop_newest();
        }
        let at = self.waiting.iter().position(|one| one.qos == QoS::AtMostOnce);
        let outgoing = self
            .waiting
            .remove(at.expect("one is counted, so one is there"))?;
        self.forget(&outgoing);
        Some(outgoing)
    }

    /// Takes out the message that came last.
    pub(crate) fn drop_newest(&mut self) -> Option<Outgoing> {
        let outgoing = self.waiting.pop_back()?;
        self.forget(&outgoing);
        Some(outgoing)
    }

    /// The next one to send.
    pub(crate) fn front(&self) -> Option<&Outgoing> {
        self.waiting.front()
    }

    /// Takes the next one to send.
    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let outgoing = self.waiting.pop_front()?;
        self.forget(&outgoing);
        Some(outgoing)
    }

    /// Takes out what came by shared subscriptions and is due to go to another member.
    pub(crate) fn take_shared(&mut self, is_due: impl Fn(&Outgoing) -> bool) -> Vec<Outgoing> {
        let mut taken = Vec::new();
        let is_due = |one: &Outgoing| one.share.is_some() && is_due(one);
        if self.shared == 0 || !self.waiting.iter().any(is_due) {
            return taken;
        }
        for outgoing in std::mem::take(&mut self.waiting) {
            if is_due(&outgoing) {
                self.forget(&outgoing);
                taken.push(outgoing);
            } else {
                self.waiting.push_back(outgoing);
            }
        }
        taken
    }

    fn forget(&mut self, outgoing: &Outgoing) {
        self.bytes -= cost(outgoing);
        self.unacknowledged -= usize::from(outgoing.qos == QoS::AtMostOnce);
        self.retained -= usize::from(outgoing.retain);
        self.shared -= usize::from(outgoing.share.is_some());
    }
}

/// Bytes that a waiting message is charged with: all that it takes, as if no other session had the same one.
pub(crate) fn cost(outgoing: &Outgoing) -> usize {
    size_of::<Outgoing>() + outgoing.message.memory_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::message::Parts;
    use std::sync::Arc;

    fn queue(levels: &[QoS]) -> Queue {
        let mut queue = Queue::default();
        for (number, &qos) in levels.iter().enumerate() {
            let message = Arc::new(Message::new(Parts {
                topic: &number.to_string(),
                payload: &[],
                properties: &[],
                qos,
                retain: false,
                publisher: &[],
            }));
            queue.push(Outgoing {
                message,
                qos,
                retain: false,
                identifiers: None,
                share: None,
                returns: 0,
            });
        }
        queue
    }

    #[test]
    fn a_qos_0_message_goes_first_and_else_the_oldest() {
        let (zero, one) = (QoS::AtMostOnce, QoS::AtLeastOnce);
        for (levels, gone) in [
            (&[one, one, one][..], "0"),
            (&[zero, one, zero][..], "0"),
            (&[one, zero, zero, one][..], "1"),
            (&[one, one, zero][..], "2"),
        ] {
            let mut queue = queue(levels);
            let victim = queue.drop_oldest().expect("something waits");
            assert_eq!(victim.message.topic(), gone, "{levels:?}");
            while queue.pop().is_some() {}
            assert_eq!(
                (queue.bytes(), queue.unacknowledged),
                (0, 0),
                "what is charged is given back"
            );
        }
    }
}
