//! DISCONNECT (5.0 section 3.14).

use super::ack::{put_reason, reason_len};
use super::property_id::Carriers;
use super::wire::{Reader, packet_len, put_header};
use super::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// A DISCONNECT packet. For 3.x the reason is Normal disconnection and there are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Disconnect<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// A reason without properties.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut disconnect = Self::new(ReasonCode::Success);
        if version == Version::V5 && !reader.is_empty() {
            disconnect.reason = ReasonCode::decode(PacketType::Disconnect, reader)?;
            if !reader.is_empty() {
                disconnect.properties = Properties::decode(Carriers::DISCONNECT, reader)?;
            }
        }
        Ok(disconnect)
    }

    /// Appends the packet; its body is empty for a normal disconnection without properties. In 3.x only a client sends
    /// one, and the reason is lost.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let len = reason_len(version, self.reason, &self.properties);
        packet_len(len)?;
        put_header(out, PacketType::Disconnect.first_byte(), len);
        put_reason(len, self.reason, &self.properties, out);
        Ok(())
    }
}
