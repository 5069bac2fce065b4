//! A client's publishing side: its flows, what holds it back, and what waits for acknowledgement.
//!
//! It writes PUBLISH frames by copying each flow's head and striking a payload. When and how many is the worker's to
//! decide (`pace.rs`); how many are allowed is said here.

use crate::board::Count;
use crate::clock::SECOND;
use crate::frame::Head;
use crate::plan::{Pace, Publishing};
use crate::stamp::{self, Mint, Stamp};
use crate::tally::Tally;
use ringwire_codec::mqtt::QoS;

/// Deliveries that are missing for so long hold a publisher back no more: they count as lost.
const GIVE_UP: u64 = 2 * SECOND;

/// Deliveries of each message that can be told apart.
pub(crate) fn heard_by(publishing: &Publishing) -> u32 {
    if publishing.payload_bytes < stamp::BYTES {
        return 0;
    }
    publishing.fanout
}

/// Whether a publisher's window counts deliveries: its subscribers must then tell it.
pub(crate) fn waits_for_deliveries(publishing: &Publishing) -> bool {
    let Pace::Window { until_delivered, .. } = publishing.pace else {
        return false;
    };
    heard_by(publishing) > 0 && (until_delivered || publishing.qos == QoS::AtMostOnce)
}

/// One publisher's messages to one topic.
#[derive(Debug)]
pub(crate) struct Flow {
    pub number: u32,
    pub head: Head,
    pub sequence: u64,
}

/// What a publisher's messages wait for.
#[derive(Clone, Copy, Debug)]
struct Hold {
    window: u32,
    deliveries: bool,
    acknowledgements: bool,
}

/// When the messages of an open loop should be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    first_ns: f64,
    interval_ns: f64,
    sent: u64,
}

impl Schedule {
    /// Messages a second.
    pub(crate) fn per_second(&self) -> f64 {
        SECOND as f64 / self.interval_ns
    }

    /// The next message's moment on the run's clock.
    pub(crate) fn due(&self) -> u64 {
        (self.first_ns + self.sent as f64 * self.interval_ns) as u64
    }
}

/// The publishing side of a client.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) flows: Vec<Flow>,
    next_flow: usize,
    payload_bytes: usize,
    fanout: u64,
    hold: Hold,
    /// `None`: a closed loop.
    pub(crate) schedule: Option<Schedule>,
    pub(crate) in_flight: InFlight,
    sent: u64,
    /// Deliveries that came or were given up: never more than those of what was sent.
    done: u64,
    moved_at: u64,
    /// It is in the worker's list of those that may publish.
    pub(crate) listed: bool,
    /// An open loop whose next message waits for room.
    pub(crate) blocked: bool,
}

impl Publisher {
    pub(crate) fn new(publishing: &Publishing, flows: Vec<Flow>) -> Self {
        let (window, interval_ns) = match publishing.pace {
            Pace::Window { messages, .. } => (messages, None),
            Pace::Rate { per_second, window } => (window, Some(SECOND as f64 / per_second)),
        };
        Self {
            flows,
            next_flow: 0,
            payload_bytes: publishing.payload_bytes,
            fanout: u64::from(heard_by(publishing)),
            hold: Hold {
                window,
                deliveries: waits_for_deliveries(publishing),
                acknowledgements: publishing.qos != QoS::AtMostOnce,
            },
            schedule: interval_ns.map(|interval_ns| Schedule {
                first_ns: f64::INFINITY,
                interval_ns,
                sent: 0,
            }),
            in_flight: InFlight::default(),
            sent: 0,
            done: 0,
            moved_at: 0,
            listed: false,
            blocked: false,
        }
    }

    /// Starts the schedule of an open loop: `part` (0 to 1) of an interval after `from`.
    pub(crate) fn start(&mut self, from: u64, part: f64) {
        self.moved_at = from;
        if let Some(schedule) = &mut self.schedule {
            schedule.first_ns = from as f64 + part * schedule.interval_ns;
        }
    }

    /// The server takes no more at once than so many (5.0 section 3.2.2.3.3).
    pub(crate) fn limit(&mut self, receive_maximum: u16) {
        if self.hold.acknowledgements {
            self.hold.window = self.hold.window.min(u32::from(receive_maximum));
        }
    }

    /// Messages that may be sent now; `is_sending`: the socket has not taken the last ones yet.
    pub(crate) fn room(&self, is_sending: bool) -> u32 {
        let mut room = self.hold.window;
        if self.hold.acknowledgements {
            room = room
                .min(u32::from(u16::MAX))
                .saturating_sub(self.in_flight.len() as u32);
        }
        if self.hold.deliveries {
            let under_way = (self.sent * self.fanout - self.done).div_ceil(self.fanout);
            room = room.min(
                self.hold
                    .window
                    .saturating_sub(under_way.min(u64::from(u32::MAX)) as u32),
            );
        }
        let is_free = !self.hold.acknowledgements && !self.hold.deliveries;
        if is_free && is_sending && self.schedule.is_none() {
            return 0;
        }
        room
    }

    /// The bytes of a message, at least.
    pub(crate) fn message_bytes(&self) -> usize {
        self.payload_bytes.max(1)
    }

    /// Deliveries came.
    pub(crate) fn credit(&mut self, deliveries: u32, now: u64) {
        self.done = (self.done + u64::from(deliveries)).min(self.sent * self.fanout);
        self.moved_at = now;
    }

    /// Gives up what nothing was heard of for too long; true when that makes room.
    pub(crate) fn give_up(&mut self, now: u64) -> bool {
        let is_stuck = self.hold.deliveries
            && self.done < self.sent * self.fanout
            && now.saturating_sub(self.moved_at) > GIVE_UP;
        if is_stuck {
            self.done = self.sent * self.fanout;
            self.moved_at = now;
        }
        is_stuck
    }

    /// Writes `count` messages of this moment.
    pub(crate) fn publish(&mut self, count: u32, now: u64, mint: &Mint, out: &mut Vec<u8>) {
        out.reserve(count as usize * (self.flows[self.next_flow].head.len() + self.payload_bytes));
        for _ in 0..count {
            self.write(now, now, mint, out);
        }
        self.moved_at = now;
    }

    /// Writes the next message of the schedule.
    pub(crate) fn publish_due(&mut self, now: u64, mint: &Mint, out: &mut Vec<u8>) {
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        let due = schedule.due();
        schedule.sent += 1;
        self.write(due, now, mint, out);
    }

    #[inline]
    fn write(&mut self, at_ns: u64, now: u64, mint: &Mint, out: &mut Vec<u8>) {
        let packet_id = if self.hold.acknowledgements {
            self.in_flight.take(now)
        } else {
            0
        };
        let flow = &mut self.flows[self.next_flow];
        flow.head.put(packet_id, out);
        let stamp = Stamp {
            flow: flow.number,
            sequence: flow.sequence,
            at_ns,
        };
        mint.strike(stamp, self.payload_bytes, out);
        flow.sequence += 1;
        self.sent += 1;
        self.next_flow += 1;
        if self.next_flow == self.flows.len() {
            self.next_flow = 0;
        }
    }

    /// Counts what was written.
    pub(crate) fn count(&self, messages: u32, tally: &mut Tally) {
        let messages = u64::from(messages);
        tally.add(Count::Published, messages);
        tally.add(Count::Expected, messages * self.fanout);
        if self.hold.acknowledgements {
            tally.add(Count::ToAcknowledge, messages);
        }
    }
}

/// Packet ids under way, each with the moment of its sending.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    /// By packet id - 1: 0 when free, else the moment times two, plus one once it was released (PUBREL).
    slots: Vec<u64>,
    free: Vec<u16>,
}

impl InFlight {
    /// Packets under way.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Takes a packet id. The caller has made sure that there are fewer than 65,535 under way.
    pub(crate) fn take(&mut self, now: u64) -> u16 {
        let value = now.max(1) << 1;
        if let Some(packet_id) = self.free.pop() {
            self.slots[usize::from(packet_id) - 1] = value;
            return packet_id;
        }
        self.slots.push(value);
        self.slots.len() as u16
    }

    /// PUBREC came; false when nothing of that id is under way.
    pub(crate) fn release(&mut self, packet_id: u16) -> bool {
        match self.slots.get_mut(usize::from(packet_id).wrapping_sub(1)) {
            Some(slot) if *slot != 0 => {
                *slot |= 1;
                true
            }
            Some(_) | None => false,
        }
    }

    /// The last acknowledgement came: when the packet was sent. `released`: PUBCOMP, which comes after PUBREL only.
    pub(crate) fn settle(&mut self, packet_id: u16, released: bool) -> Option<u64> {
        let slot = self.slots.get_mut(usize::from(packet_id).wrapping_sub(1))?;
        if *slot == 0 || (*slot & 1 == 1) != released {
            return None;
        }
        let at = *slot >> 1;
        *slot = 0;
        self.free.push(packet_id);
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Dialect;
    use ringwire_codec::mqtt::Version;

    fn publisher(qos: QoS, pace: Pace, fanout: u32) -> Publisher {
        let publishing = Publishing {
            topics: vec!["t".to_owned()],
            qos,
            payload_bytes: 64,
            pace,
            fanout,
            expects_reply: false,
        };
        let head = Head::new(Dialect::Mqtt(Version::V311), "t", qos, 64).unwrap();
        let flow = Flow {
            number: 0,
            head,
            sequence: 0,
        };
        Publisher::new(&publishing, vec![flow])
    }

    fn window(messages: u32, until_delivered: bool) -> Pace {
        Pace::Window {
            messages,
            until_delivered,
        }
    }

    #[test]
    fn a_qos0_publisher_is_held_by_what_its_subscribers_received() {
        let mint = Mint::new(1, 64);
        let mut publisher = publisher(QoS::AtMostOnce, window(10, false), 3);
        publisher.publish(10, 5, &mint, &mut Vec::new());
        assert_eq!(publisher.room(false), 0);
        publisher.credit(2, 6);
        assert_eq!(
            publisher.room(false),
            0,
            "a message counts until all three have it"
        );
        publisher.credit(4, 6);
        assert_eq!(publisher.room(true), 2);
        publisher.credit(1_000, 7);
        assert_eq!(publisher.room(true), 10, "more than was sent is no credit");
    }

    #[test]
    fn a_qos1_publisher_is_held_by_acknowledgements_and_if_asked_by_deliveries() {
        let mint = Mint::new(1, 64);
        let mut plain = publisher(QoS::AtLeastOnce, window(2, false), 1);
        let mut both = publisher(QoS::AtLeastOnce, window(2, true), 1);
        for publisher in [&mut plain, &mut both] {
            publisher.publish(2, 5, &mint, &mut Vec::new());
            assert_eq!(publisher.room(false), 0);
            assert_eq!(publisher.in_flight.settle(1, false), Some(5));
        }
        assert_eq!((plain.room(false), both.room(false)), (1, 0));
        both.credit(1, 6);
        assert_eq!(both.room(false), 1);
        both.limit(1);
        assert_eq!(both.room(false), 0, "the server's receive maximum");
    }

    #[test]
    fn what_is_lost_holds_nobody_back_for_long() {
        let mint = Mint::new(1, 64);
        let mut publisher = publisher(QoS::AtMostOnce, window(1, false), 1);
        publisher.publish(1, 5, &mint, &mut Vec::new());
        assert!(!publisher.give_up(GIVE_UP));
        assert!(publisher.give_up(GIVE_UP + 6));
        assert_eq!(publisher.room(false), 1);
        assert!(!publisher.give_up(3 * GIVE_UP));
    }

    #[test]
    fn an_open_loop_stamps_the_moment_at_which_it_should_have_sent() {
        let mint = Mint::new(1, 64);
        let pace = Pace::Rate {
            per_second: 1_000_000.0,
            window: 10,
        };
        let mut publisher = publisher(QoS::AtMostOnce, pace, 1);
        publisher.start(16_000, 0.5);
        let mut out = Vec::new();
        for late in 0..3 {
            out.clear();
            publisher.publish_due(900_000, &mint, &mut out);
            let stamp = mint.read(&out[out.len() - 64..]).unwrap();
            assert_eq!(stamp.at_ns, (16_500 + late * 1_000) / 16 * 16);
            assert_eq!(stamp.sequence, late);
        }
    }

    #[test]
    fn packet_ids_are_used_again_only_when_they_are_free() {
        let mut in_flight = InFlight::default();
        assert_eq!((in_flight.take(1), in_flight.take(2)), (1, 2));
        assert_eq!(in_flight.settle(1, true), None, "PUBCOMP before PUBREC");
        assert!(in_flight.release(1) && in_flight.release(1));
        assert_eq!(in_flight.settle(1, false), None, "PUBACK for QoS 2");
        assert_eq!(in_flight.settle(1, true), Some(1));
        assert_eq!(in_flight.settle(1, true), None);
        assert!(!in_flight.release(1) && !in_flight.release(9) && !in_flight.release(0));
        assert_eq!((in_flight.take(3), in_flight.take(4), in_flight.len()), (1, 3, 3));
    }
}
