//! News on its way to receivers: a message of this turn, and its frames, encoded once for each kind of receiver.
//!
//! A message is borrowed from the receive buffer as long as nobody needs it beyond the turn; the first who does makes
//! the one shared copy. Frames are made when the first receiver of their kind is met and copied to all others.

use crate::connection::Wire;
use crate::connection::aliases::Said;
use crate::message::Parts;
use crate::message::expiry;
use crate::session::shares::ShareId;
use crate::{Message, Outbox, Time};
use ringwire_codec::mqtt::{Properties, PublishHead, QoS, packet_id_at};
use std::sync::Arc;

/// The DUP flag in the first byte of a PUBLISH.
const DUP: u8 = 0x08;

/// A message of this turn.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) properties: &'a [u8],
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Client id of the publisher; empty for the node itself.
    pub(crate) publisher: &'a [u8],
    /// The whole packet as it arrived, where it may leave as it came.
    packet: Option<Packet<'a>>,
    expires: Option<Time>,
    /// Seconds that are left of a Message Expiry Interval that is written anew; `None`: as it came.
    left_s: Option<u32>,
    shared: Option<Arc<Message>>,
}

/// A PUBLISH packet that arrived, as bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) bytes: &'a [u8],
    /// What its sender speaks.
    pub(crate) wire: Wire,
}

impl<'a> News<'a> {
    /// A publish that arrives now, borrowed from the buffer it arrived in.
    pub(crate) fn borrowed(
        publish: &ringwire_codec::mqtt::Publish<'a>,
        packet: Option<Packet<'a>>,
        publisher: &'a [u8],
        now: Time,
    ) -> Self {
        Self {
            packet: packet.filter(|_| !publish.dup),
            topic: publish.topic,
            payload: publish.payload,
            properties: publish.properties.as_bytes(),
            qos: publish.qos,
            retain: publish.retain,
            publisher,
            expires: expiry(publish.properties.as_bytes(), now),
            left_s: None,
            shared: None,
        }
    }

    /// A message that is shared already, and maybe has waited.
    pub(crate) fn shared(message: &'a Arc<Message>, now: Time) -> Self {
        Self {
            topic: message.topic(),
            payload: message.payload(),
            properties: message.properties(),
            qos: message.qos,
            retain: message.retain,
            publisher: message.publisher(),
            packet: None,
            expires: message.expires(),
            left_s: message.expires().map(|expires| left_s(expires, now)),
            shared: Some(message.clone()),
        }
    }

    /// As which it was published.
    fn shape(&self) -> Shape<'static> {
        Shape {
            qos: self.qos,
            retain: self.retain,
            identifiers: &[],
            share: None,
        }
    }

    /// The shared copy, made at most once.
    pub(crate) fn share(&mut self) -> &Arc<Message> {
        self.shared.get_or_insert_with(|| {
            let message = Message::new(Parts {
                topic: self.topic,
                payload: self.payload,
                properties: self.properties,
                publisher: self.publisher,
                qos: self.qos,
                retain: self.retain,
            });
            Arc::new(message.expiring(self.expires))
        })
    }
}

/// What one receiver's copy looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Subscription Identifiers.
    pub(crate) identifiers: &'a [u32],
    /// The shared subscription that it comes by, and how often members of that group gave it back.
    pub(crate) share: Option<(ShareId, u8)>,
}

/// An encoded frame in the scratch buffer.
#[derive(Clone, Copy, Debug)]
struct Made {
    start: u32,
    end: u32,
    /// Offset of the packet id from `start`.
    packet_id_at: u32,
}

/// The frames of the message at hand, without large payloads.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// (5.0 or not) x QoS x RETAIN.
    made: [Option<Made>; 12],
    reference_bytes: usize,
}

impl Frames {
    pub(crate) fn new(reference_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            made: [None; 12],
            reference_bytes,
        }
    }

    /// Forgets the frames of the last message.
    pub(crate) fn clear(&mut self) {
        if !self.buffer.is_empty() {
            self.buffer.clear();
            self.made = [None; 12];
        }
    }

    /// Bytes of the frame that `wire` would carry; `usize::MAX` when it cannot say it. A frame that others may share is made.
    pub(crate) fn size(&mut self, news: &News<'_>, wire: Wire, shape: Shape<'_>) -> usize {
        if !shape.identifiers.is_empty() && wire == Wire::V5 {
            return frame_size(news, wire, shape);
        }
        let large = news.payload.len() >= self.reference_bytes;
        let slot = slot(wire, shape);
        let made = self.made[slot].or_else(|| self.make(slot, news, wire, shape, large));
        let apart = if large { news.payload.len() } else { 0 };
        made.map_or(usize::MAX, |made| (made.end - made.start) as usize + apart)
    }

    /// Appends the frame of `news` to an out box. False when the wire cannot say it.
    pub(crate) fn write(
        &mut self,
        news: &mut News<'_>,
        wire: Wire,
        shape: Shape<'_>,
        packet_id: u16,
        out: &mut Outbox,
    ) -> bool {
        let large = news.payload.len() >= self.reference_bytes;
        if shape.identifiers.is_empty() || wire != Wire::V5 {
            let slot = slot(wire, shape);
            let Some(made) = self.made[slot].or_else(|| self.make(slot, news, wire, shape, large)) else {
                return false;
            };
            let start = out.buffer.len();
            out.buffer
                .extend_from_slice(&self.buffer[made.start as usize..made.end as usize]);
            if shape.qos != QoS::AtMostOnce {
                let at = start + made.packet_id_at as usize;
                out.buffer[at..at + 2].copy_from_slice(&packet_id.to_be_bytes());
            }
        } else if encode(
            news,
            wire,
            (shape, Said::Plain),
            packet_id,
            large,
            &mut out.buffer,
        )
        .is_none()
        {
            return false;
        }
        if large {
            out.refer(news.share().clone());
        }
        true
    }

    fn make(
        &mut self,
        slot: usize,
        news: &News<'_>,
        wire: Wire,
        shape: Shape<'_>,
        large: bool,
    ) -> Option<Made> {
        let start = self.buffer.len();
        let as_it_came = news
            .packet
            .filter(|packet| slot == self::slot(packet.wire, news.shape()));
        let packet_id_at =
            match as_it_came.and_then(|packet| Some((packet, packet_id_at(packet.bytes, news.topic)?))) {
                Some((packet, at)) => {
                    let apart = if large { news.payload.len() } else { 0 };
                    self.buffer
                        .extend_from_slice(&packet.bytes[..packet.bytes.len() - apart]);
                    at
                }
                None => encode(news, wire, (shape, Said::Plain), 0, large, &mut self.buffer)?,
            };
        let made = Made {
            start: u32::try_from(start).ok()?,
            end: u32::try_from(self.buffer.len()).ok()?,
            packet_id_at: u32::try_from(packet_id_at).ok()?,
        };
        self.made[slot] = Some(made);
        Some(made)
    }
}

/// Where a kind of receiver has its frame.
fn slot(wire: Wire, shape: Shape<'_>) -> usize {
    let newer = match wire {
        Wire::V5 => 6,
        Wire::Greeting | Wire::V31 | Wire::V311 => 0,
        Wire::Device => unreachable!("a device's frames are its adapter's"),
    };
    newer + shape.qos as usize * 2 + usize::from(shape.retain)
}

/// Appends one frame, without its payload when that is large; returns where its packet id stands.
fn encode(
    news: &News<'_>,
    wire: Wire,
    (shape, said): (Shape<'_>, Said),
    packet_id: u16,
    large: bool,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let at = head(news, (shape, said), packet_id).encode(wire.version(), out)?;
    if let (Some(left_s), Wire::V5) = (news.left_s, wire)
        && let Some(value_at) = Properties::from_validated(news.properties).message_expiry_interval_at()
    {
        // The message's properties are what the head ends with.
        let value_at = out.len() - news.properties.len() + value_at;
        out[value_at..value_at + 4].copy_from_slice(&left_s.to_be_bytes());
    }
    if !large {
        out.extend_from_slice(news.payload);
    }
    Some(at)
}

/// The interval that is sent on: what was received, less the whole seconds that it waited here [MQTT-3.3.2-6].
fn left_s(expires: Time, now: Time) -> u32 {
    u32::try_from(expires.millis_since(now).div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// The head of the PUBLISH for one receiver.
fn head<'n>(news: &'n News<'_>, (shape, said): (Shape<'n>, Said), packet_id: u16) -> PublishHead<'n> {
    let (topic, topic_alias) = match said {
        Said::Plain => (news.topic, 0),
        Said::Set(alias) => (news.topic, alias),
        Said::Alias(alias) => ("", alias),
    };
    PublishHead {
        dup: false,
        qos: shape.qos,
        retain: shape.retain,
        topic,
        topic_alias,
        packet_id,
        identifiers: shape.identifiers,
        properties: news.properties,
        payload_len: news.payload.len(),
    }
}

/// Bytes of the frame that `wire` would carry; `usize::MAX` when it cannot say it.
pub(crate) fn frame_size(news: &News<'_>, wire: Wire, shape: Shape<'_>) -> usize {
    head(news, (shape, Said::Plain), 0).packet_size(wire.version())
}

/// What only one receiver's frame has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Own {
    /// 0 for none.
    pub(crate) packet_id: u16,
    pub(crate) dup: bool,
    pub(crate) said: Said,
}

/// Appends a frame that no other receiver shares. False when the wire cannot say it.
pub(crate) fn write_once(
    news: &mut News<'_>,
    wire: Wire,
    (shape, own): (Shape<'_>, Own),
    reference_bytes: usize,
    out: &mut Outbox,
) -> bool {
    let large = news.payload.len() >= reference_bytes;
    let start = out.buffer.len();
    if encode(
        news,
        wire,
        (shape, own.said),
        own.packet_id,
        large,
        &mut out.buffer,
    )
    .is_none()
    {
        return false;
    }
    if own.dup {
        out.buffer[start] |= DUP;
    }
    if large {
        out.refer(news.share().clone());
    }
    true
}
