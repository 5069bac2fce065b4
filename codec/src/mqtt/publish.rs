//! PUBLISH (5.0 section 3.3): the one packet on the hot path.
//!
//! A message for many receivers is encoded once for each (version, QoS) and then patched: `packet_id_offset` and
//! `patch` change the packet identifier and DUP of an encoded frame in place. `encode_head` writes everything but the
//! payload, for payloads that leave by reference.

use super::property_id::Carriers;
use super::wire::{
    Reader, Variable, field_len, packet_len, put_field, put_header, put_header_without_room, put_number,
};
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, Version};

const DUP: u8 = 0x08;
const RETAIN: u8 = 0x01;

/// A PUBLISH packet. `packet_id` is present exactly when `qos` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Without wildcards; empty only in 5.0 with a Topic Alias.
    pub topic: &'a str,
    pub packet_id: Option<PacketId>,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// `reader` stands after the fixed header.
    #[inline]
    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let first = reader.first_byte();
        let dup = first & DUP != 0;
        let qos = QoS::from_number(first >> 1 & 0b11).ok_or(DecodeError::QoSReserved { at: 0 })?;
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeError::DupAtQoS0 {});
        }
        let topic_at = reader.at();
        let topic = reader.topic_name()?;
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce | QoS::ExactlyOnce => Some(reader.packet_id()?),
        };
        let properties = match version {
            Version::V31 | Version::V311 => Properties::EMPTY,
            Version::V5 => Properties::decode(Carriers::PUBLISH, reader)?,
        };
        if topic.is_empty() {
            check_empty_topic(version, &properties, topic_at)?;
        }
        Ok(Self {
            dup,
            qos,
            retain: first & RETAIN != 0,
            topic,
            packet_id,
            properties,
            payload: reader.rest(),
        })
    }

    /// Whether the payload is what the Payload Format Indicator says (5.0 section 3.3.2.3.2). Not part of `decode`: a
    /// server may check it, and it costs a walk over the payload.
    pub fn check_payload(&self) -> Result<(), DecodeError> {
        let is_text = self.properties.payload_format_indicator() == Some(true);
        if is_text && std::str::from_utf8(self.payload).is_err() {
            return Err(DecodeError::PayloadNotUtf8 {});
        }
        Ok(())
    }

    /// Bytes of the whole encoded packet.
    #[inline]
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        packet_len(self.body_len(version)?)
    }

    /// Appends the packet. In 3.x the properties are left out.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let body = self.body_len(version)?;
        packet_len(body)?;
        put_header(out, self.first_byte(), body);
        self.put_head(version, out);
        out.extend_from_slice(self.payload);
        Ok(())
    }

    /// Appends everything but the payload; the remaining length counts the payload, which must follow.
    pub fn encode_head(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let body = self.body_len(version)?;
        packet_len(body)?;
        out.reserve(5 + body - self.payload.len());
        put_header_without_room(out, self.first_byte(), body);
        self.put_head(version, out);
        Ok(())
    }

    #[inline]
    fn put_head(&self, version: Version, out: &mut Vec<u8>) {
        put_field(out, self.topic.as_bytes());
        if let (Some(packet_id), true) = (self.packet_id, self.qos != QoS::AtMostOnce) {
            put_number(out, packet_id.number());
        }
        self.properties.put(version, out);
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let packet_id = match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, _) => 0,
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(_)) => 2,
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => return Err(EncodeError::PacketIdMissing),
        };
        let topic = field_len(self.topic.as_bytes())?;
        Ok(topic + packet_id + self.properties.encoded_len(version) + self.payload.len())
    }

    /// DUP is never set on QoS 0 [MQTT-3.3.1-2].
    #[inline]
    fn first_byte(&self) -> u8 {
        let dup = if self.dup && self.qos != QoS::AtMostOnce {
            DUP
        } else {
            0
        };
        PacketType::Publish.first_byte() | dup | (self.qos as u8) << 1 | u8::from(self.retain)
    }

    /// Where the packet identifier stands in an encoded PUBLISH (or its head); `None` for QoS 0, and for bytes that are
    /// no PUBLISH.
    pub fn packet_id_offset(frame: &[u8]) -> Option<usize> {
        let (&first, rest) = frame.split_first()?;
        if first >> 4 != PacketType::Publish as u8 || first & 0b110 == 0 {
            return None;
        }
        let topic_at = 1 + Variable::decode(rest, 1).ok()??.len;
        let topic_len = u16::from_be_bytes([*frame.get(topic_at)?, *frame.get(topic_at + 1)?]);
        let offset = topic_at + 2 + usize::from(topic_len);
        (offset + 2 <= frame.len()).then_some(offset)
    }

    /// Writes packet identifier and DUP into an encoded PUBLISH (or its head) of QoS 1 or 2. `offset` is what
    /// `packet_id_offset` said of a frame with the same topic and length. Returns false, and writes nothing, when the
    /// frame ends before it.
    pub fn patch(frame: &mut [u8], offset: usize, packet_id: PacketId, dup: bool) -> bool {
        let Some(place) = frame.get_mut(offset..offset + 2) else {
            return false;
        };
        place.copy_from_slice(&packet_id.number().to_be_bytes());
        frame[0] = frame[0] & !DUP | if dup { DUP } else { 0 };
        true
    }
}

#[cold]
fn check_empty_topic(version: Version, properties: &Properties<'_>, at: usize) -> Result<(), DecodeError> {
    match version {
        Version::V31 | Version::V311 => Err(DecodeError::TopicNameEmpty { at }),
        Version::V5 if properties.topic_alias().is_none() => Err(DecodeError::TopicNameMissing {}),
        Version::V5 => Ok(()),
    }
}
