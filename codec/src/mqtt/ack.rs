//! PUBACK, PUBREC, PUBREL and PUBCOMP (5.0 sections 3.4 to 3.7): four packets of one shape.

use super::property_id::Carriers;
use super::wire::{Reader, packet_len, put_header, put_number};
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version};

/// The body that the four acknowledgements share. For 3.x the reason is Success and there are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Ack<'a> {
    pub packet_id: PacketId,
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// Success, without properties.
    pub const fn success(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    /// A reason without properties.
    pub const fn new(packet_id: PacketId, reason: ReasonCode) -> Self {
        Self {
            packet_id,
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn decode(
        version: Version,
        packet_type: PacketType,
        reader: &mut Reader<'a>,
    ) -> Result<Self, DecodeError> {
        let mut ack = Self::success(reader.packet_id()?);
        if version == Version::V5 && !reader.is_empty() {
            ack.reason = ReasonCode::decode(packet_type, reader)?;
            if !reader.is_empty() {
                ack.properties = Properties::decode(Carriers::PUBLISH_ACK, reader)?;
            }
        }
        Ok(ack)
    }

    /// Appends the packet as one of `packet_type`, which is one of the four. A Success without properties ends after the
    /// packet identifier, a reason without properties after the reason.
    pub fn encode(
        &self,
        packet_type: PacketType,
        version: Version,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let tail = reason_len(version, self.reason, &self.properties);
        if tail == 0 {
            // Nearly every one; in one piece.
            let [high, low] = self.packet_id.number().to_be_bytes();
            out.extend_from_slice(&[packet_type.first_byte(), 2, high, low]);
            return Ok(());
        }
        packet_len(2 + tail)?;
        put_header(out, packet_type.first_byte(), 2 + tail);
        put_number(out, self.packet_id.number());
        put_reason(tail, self.reason, &self.properties, out);
        Ok(())
    }
}

/// Bytes of reason and properties in the shortest legal form, which four kinds of packets share.
pub(super) fn reason_len(version: Version, reason: ReasonCode, properties: &Properties<'_>) -> usize {
    match version {
        Version::V31 | Version::V311 => 0,
        Version::V5 if !properties.is_empty() => 1 + properties.encoded_len(version),
        Version::V5 => usize::from(reason != ReasonCode::Success),
    }
}

/// Writes what `reason_len` has measured as `len` bytes.
pub(super) fn put_reason(len: usize, reason: ReasonCode, properties: &Properties<'_>, out: &mut Vec<u8>) {
    if len > 0 {
        out.push(reason as u8);
    }
    if len > 1 {
        properties.put(Version::V5, out);
    }
}
