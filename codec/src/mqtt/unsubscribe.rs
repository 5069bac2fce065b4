//! UNSUBSCRIBE and UNSUBACK (5.0 sections 3.10 and 3.11).
//!
//! The filters stay as they stand on the wire; `UnsubscribeList` writes them for a client.

use super::property_id::Carriers;
use super::subscribe::decode_filter;
use super::wire::{Reader, packet_len, put_field, put_header, put_number};
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version};

/// An UNSUBSCRIBE packet. `filters()` yields the filters in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Unsubscribe<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub(super) filters: &'a [u8],
}

/// An UNSUBACK packet. For 3.x there are no reasons on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UnsubAck<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    /// `ReasonCode` values, one a filter.
    pub reasons: &'a [u8],
}

/// The list of an UNSUBSCRIBE packet being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsubscribeList {
    bytes: Vec<u8>,
}

impl<'a> Unsubscribe<'a> {
    /// A packet of the filters in `list`.
    pub fn new(packet_id: PacketId, properties: Properties<'a>, list: &'a UnsubscribeList) -> Self {
        Self {
            packet_id,
            properties,
            filters: &list.bytes,
        }
    }

    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            Version::V31 | Version::V311 => Properties::EMPTY,
            Version::V5 => Properties::decode(Carriers::UNSUBSCRIBE, reader)?,
        };
        let filters = reader.peek();
        if filters.is_empty() {
            return Err(DecodeError::NoTopicFilter {});
        }
        while !reader.is_empty() {
            decode_filter(version, reader)?;
        }
        Ok(Self {
            packet_id,
            properties,
            filters,
        })
    }

    /// The filters in the client's order.
    pub fn filters(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut reader = Reader::new(self.filters, 0);
        std::iter::from_fn(move || reader.string().ok())
    }

    /// Appends the packet.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::EmptyList);
        }
        let len = 2 + self.properties.encoded_len(version) + self.filters.len();
        packet_len(len)?;
        put_header(out, PacketType::Unsubscribe.first_byte(), len);
        put_number(out, self.packet_id.number());
        self.properties.put(version, out);
        out.extend_from_slice(self.filters);
        Ok(())
    }
}

impl UnsubscribeList {
    /// Appends one filter. One over 65,535 bytes is a caller's error and is left out (returns false).
    pub fn push(&mut self, filter: &str) -> bool {
        if filter.len() > usize::from(u16::MAX) {
            return false;
        }
        put_field(&mut self.bytes, filter.as_bytes());
        true
    }
}

impl<'a> UnsubAck<'a> {
    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        if version != Version::V5 {
            return Ok(Self {
                packet_id,
                properties: Properties::EMPTY,
                reasons: &[],
            });
        }
        let properties = Properties::decode(Carriers::UNSUBACK, reader)?;
        let reasons = reader.peek();
        if reasons.is_empty() {
            return Err(DecodeError::NoReasonCode {});
        }
        while !reader.is_empty() {
            ReasonCode::decode(PacketType::UnsubAck, reader)?;
        }
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the packet. In 3.x the reasons are left out; in 5.0 there must be one.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let reasons = match version {
            Version::V31 | Version::V311 => &[][..],
            Version::V5 if self.reasons.is_empty() => return Err(EncodeError::EmptyList),
            Version::V5 => self.reasons,
        };
        let len = 2 + self.properties.encoded_len(version) + reasons.len();
        packet_len(len)?;
        put_header(out, PacketType::UnsubAck.first_byte(), len);
        put_number(out, self.packet_id.number());
        self.properties.put(version, out);
        out.extend_from_slice(reasons);
        Ok(())
    }
}
