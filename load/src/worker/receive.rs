//! What a client does with the bytes that it receives: decodes them where they lie, answers, and judges what arrived.
//!
//! Only the front of a packet whose rest is in the next buffer is kept. An error ends the connection.

use crate::board::Count;
use crate::frame::{Acknowledgement, Dialect, acknowledge};
use crate::worker::client::{Client, Stage};
use crate::worker::desk::Desk;
use crate::worker::trouble::Trouble;
use ringwire_codec::mqtt::{self, Ack, ConnAck, Packet, PacketId, Publish, QoS, ReasonCode, SubAck, Version};
use ringwire_codec::private::{self, ConnAckCode, Frame};

/// The largest packet that is taken.
const PACKET_BYTES_MAX: u32 = 256 << 20;

/// What the front of the input was.
enum Front {
    /// A packet, of so many bytes.
    Whole(usize),
    /// Not yet a whole one; its size, if it is known.
    Part(Option<usize>),
}

impl Client {
    /// Bytes arrived.
    pub(crate) fn receive(&mut self, mut bytes: &[u8], desk: &mut Desk<'_>) -> Result<(), Trouble> {
        if !self.partial.is_empty() {
            bytes = self.complete(bytes, desk)?;
        }
        while !bytes.is_empty() {
            match self.step(bytes, desk)? {
                Front::Whole(size) => bytes = &bytes[size..],
                Front::Part(_) => {
                    self.partial.extend_from_slice(bytes);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Completes the packet in `partial` from the front of `bytes`, and gives back the rest of them.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], desk: &mut Desk<'_>) -> Result<&'a [u8], Trouble> {
        let mut partial = std::mem::take(&mut self.partial);
        loop {
            match self.step(&partial, desk)? {
                Front::Whole(_) => {
                    partial.clear();
                    break;
                }
                Front::Part(_) if bytes.is_empty() => break,
                Front::Part(needed) => {
                    // Without a whole header: byte by byte.
                    let missing = needed.map_or(1, |needed| needed - partial.len());
                    let (now, later) = bytes.split_at(missing.min(bytes.len()));
                    partial.extend_from_slice(now);
                    bytes = later;
                }
            }
        }
        self.partial = partial;
        Ok(bytes)
    }

    /// Takes one packet from the front.
    #[inline]
    fn step(&mut self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Front, Trouble> {
        let version = match self.dialect {
            Dialect::Mqtt(version) => version,
            Dialect::Raw => Version::V311,
            Dialect::Private => return self.step_private(bytes, desk),
        };
        match mqtt::decode(version, bytes, PACKET_BYTES_MAX)? {
            mqtt::Decoded::Packet(Packet::Publish(publish), size) => {
                self.heard(&publish, desk);
                Ok(Front::Whole(size))
            }
            mqtt::Decoded::Packet(packet, size) => {
                self.told(&packet, desk)?;
                Ok(Front::Whole(size))
            }
            mqtt::Decoded::Incomplete { needed } => Ok(Front::Part(needed)),
        }
    }

    fn step_private(&mut self, bytes: &[u8], desk: &mut Desk<'_>) -> Result<Front, Trouble> {
        let (frame, size) = match private::decode(bytes, private::PAYLOAD_BYTES_MAX)? {
            private::Decoded::Frame(frame, size) => (frame, size),
            private::Decoded::Incomplete { needed } => return Ok(Front::Part(needed)),
        };
        match frame {
            Frame::DataTrans { payload, .. } => self.delivered(payload, desk),
            Frame::ConnAck {
                code: ConnAckCode::Accepted,
                ..
            } => self.greeted(desk),
            Frame::ConnAck { code, .. } => return Err(Trouble::DeviceRefused(code)),
            Frame::Pong => {}
            Frame::Connect { .. } | Frame::Ping { .. } | Frame::Disconnect { .. } => {
                return Err(Trouble::UnexpectedFrame);
            }
        }
        Ok(Front::Whole(size))
    }

    #[inline]
    fn heard(&mut self, publish: &Publish<'_>, desk: &mut Desk<'_>) {
        match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(packet_id)) => {
                acknowledge(Acknowledgement::Ack, packet_id, &mut self.out);
            }
            (QoS::ExactlyOnce, Some(packet_id)) => {
                acknowledge(Acknowledgement::Rec, packet_id, &mut self.out);
            }
            (QoS::AtMostOnce | QoS::AtLeastOnce | QoS::ExactlyOnce, _) => {}
        }
        self.delivered(publish.payload, desk);
    }

    #[inline]
    fn delivered(&mut self, payload: &[u8], desk: &mut Desk<'_>) {
        if self.echo.is_some() {
            self.answer(payload, desk.now);
        } else {
            desk.delivered(payload, self.member.group, &mut self.tracks);
        }
    }

    /// Everything but a PUBLISH.
    fn told(&mut self, packet: &Packet<'_>, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        match packet {
            Packet::PubAck(ack) => self.acknowledged(ack, false, desk),
            Packet::PubComp(ack) => self.acknowledged(ack, true, desk),
            Packet::PubRec(ack) => self.received(ack, desk),
            Packet::PubRel(ack) => {
                acknowledge(Acknowledgement::Comp, ack.packet_id, &mut self.out);
                Ok(())
            }
            Packet::ConnAck(connack) => self.answered(connack, desk),
            Packet::SubAck(suback) => {
                self.subscribed(suback, desk);
                Ok(())
            }
            Packet::PingResp => Ok(()),
            Packet::Disconnect(disconnect) => Err(Trouble::Disconnected(disconnect.reason.name())),
            Packet::Publish(_)
            | Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::Auth(_) => Err(Trouble::Unexpected(packet.packet_type())),
        }
    }

    fn acknowledged(&mut self, ack: &Ack<'_>, released: bool, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        let sent_at = self.settle(ack.packet_id, released)?;
        if ack.reason.is_failure() {
            desk.tally
                .note(&Trouble::MessageRefused(ack.reason.name()).to_string());
        }
        // Those of replies are part of the reply.
        if self.publisher.is_some() {
            desk.tally.was_acknowledged(sent_at, desk.now);
        }
        Ok(())
    }

    fn settle(&mut self, packet_id: PacketId, released: bool) -> Result<u64, Trouble> {
        let settled = self
            .in_flight()
            .and_then(|in_flight| in_flight.settle(packet_id.number(), released));
        settled.ok_or(Trouble::NotUnderWay)
    }

    /// PUBREC.
    fn received(&mut self, ack: &Ack<'_>, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        if ack.reason.is_failure() {
            return self.acknowledged(ack, false, desk);
        }
        let number = ack.packet_id.number();
        if !self
            .in_flight()
            .is_some_and(|in_flight| in_flight.release(number))
        {
            return Err(Trouble::NotUnderWay);
        }
        acknowledge(Acknowledgement::Rel, ack.packet_id, &mut self.out);
        Ok(())
    }

    fn answered(&mut self, connack: &ConnAck<'_>, desk: &mut Desk<'_>) -> Result<(), Trouble> {
        if connack.reason != ReasonCode::Success {
            return Err(Trouble::Refused(connack.reason.name()));
        }
        if let (Some(publisher), Some(maximum)) = (&mut self.publisher, connack.properties.receive_maximum())
        {
            publisher.limit(maximum);
        }
        if let Some(seconds) = connack.properties.server_keep_alive() {
            self.keepalive_s = seconds;
        }
        self.greeted(desk);
        Ok(())
    }

    /// Accepted.
    pub(crate) fn greeted(&mut self, desk: &mut Desk<'_>) {
        if self.stage == Stage::Greeting {
            self.stage = Stage::Ready;
            desk.tally.add(Count::Made, 1);
            desk.tally.last_made = desk.now;
            let took = desk.now.saturating_sub(self.since);
            desk.tally.connecting.saturating_record(took.max(1));
        }
    }

    fn subscribed(&mut self, suback: &SubAck<'_>, desk: &mut Desk<'_>) {
        for code in suback.reasons.iter().filter(|&&code| code >= 0x80) {
            let reason = ReasonCode::from_number(*code).map_or("unknown reason", ReasonCode::name);
            let trouble = Trouble::SubscriptionRefused(reason).to_string();
            desk.tally.trouble(Count::SubscriptionsRefused, &trouble);
        }
        if self.subscribing > 0 {
            self.subscribing -= 1;
            desk.tally.add(Count::SubscribesAnswered, 1);
        }
    }
}

#[cfg(test)]
mod tests;
