//! AUTH (5.0 section 3.15). Exists in 5.0 only.

use super::ack::{put_reason, reason_len};
use super::property_id::Carriers;
use super::wire::{Reader, packet_len, put_header};
use super::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// An AUTH packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Auth<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// An empty body means Success without properties (5.0 section 3.15.2.1); any other names its method.
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if reader.is_empty() {
            return Ok(Self {
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            });
        }
        let reason = ReasonCode::decode(PacketType::Auth, reader)?;
        let properties = Properties::decode(Carriers::AUTH, reader)?;
        if properties.authentication_method().is_none() {
            return Err(DecodeError::AuthenticationMethodMissing {});
        }
        Ok(Self { reason, properties })
    }

    /// Appends the packet. `NotInVersion` for 3.x.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if version != Version::V5 {
            return Err(EncodeError::NotInVersion);
        }
        let len = reason_len(version, self.reason, &self.properties);
        packet_len(len)?;
        put_header(out, PacketType::Auth.first_byte(), len);
        put_reason(len, self.reason, &self.properties, out);
        Ok(())
    }
}
