//! SUBSCRIBE and SUBACK (5.0 sections 3.8 and 3.9).
//!
//! The filters stay as they stand on the wire and are walked on demand; `FilterList` writes them for a client.

use super::property_id::Carriers;
use super::wire::{Reader, packet_len, put_field, put_header, put_number};
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, ReasonCode, Version};
use crate::topic;

const QOS: u8 = 0b0000_0011;
const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;
const RETAIN_HANDLING_SHIFT: u8 = 4;

/// A SUBSCRIBE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Subscribe<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub filters: Filters<'a>,
}

/// The validated, never empty list of a SUBSCRIBE packet, as it stands on the wire. Iterating yields `SubscribeFilter`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters<'a> {
    pub(super) bytes: &'a [u8],
}

/// One entry of a SUBSCRIBE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SubscribeFilter<'a> {
    pub filter: &'a str,
    pub options: SubscriptionOptions,
}

/// Subscription Options (5.0 section 3.8.3.1). For 3.x only `qos` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SubscriptionOptions {
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When retained messages are sent at SUBSCRIBE (5.0 section 3.8.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RetainHandling {
    /// At each subscribe.
    #[default]
    Send = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// A SUBACK packet: one reason code byte for each filter. For 3.x codes of 0x80 and above are written as 0x80.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SubAck<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    /// `ReasonCode` values, one a filter, in the order of the SUBSCRIBE.
    pub reasons: &'a [u8],
}

/// The list of a SUBSCRIBE packet being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterList {
    bytes: Vec<u8>,
}

impl<'a> Subscribe<'a> {
    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            Version::V31 | Version::V311 => Properties::EMPTY,
            Version::V5 => Properties::decode(Carriers::SUBSCRIBE, reader)?,
        };
        if reader.is_empty() {
            return Err(DecodeError::NoTopicFilter {});
        }
        let bytes = reader.peek();
        while !reader.is_empty() {
            let at = reader.at();
            let filter = decode_filter(version, reader)?;
            let options = SubscriptionOptions::decode(version, reader)?;
            if options.no_local && is_shared(filter) {
                return Err(DecodeError::NoLocalOnShared { at });
            }
        }
        Ok(Self {
            packet_id,
            properties,
            filters: Filters { bytes },
        })
    }

    /// Appends the packet. In 3.x all options but QoS are left out.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.filters.bytes.is_empty() {
            return Err(EncodeError::EmptyList);
        }
        let len = 2 + self.properties.encoded_len(version) + self.filters.bytes.len();
        packet_len(len)?;
        put_header(out, PacketType::Subscribe.first_byte(), len);
        put_number(out, self.packet_id.number());
        self.properties.put(version, out);
        match version {
            Version::V5 => out.extend_from_slice(self.filters.bytes),
            Version::V31 | Version::V311 => {
                for entry in self.filters.iter() {
                    put_field(out, entry.filter.as_bytes());
                    out.push(entry.options.qos as u8);
                }
            }
        }
        Ok(())
    }
}

impl<'a> Filters<'a> {
    /// The entries in the client's order.
    pub fn iter(&self) -> impl Iterator<Item = SubscribeFilter<'a>> + use<'a> {
        let mut reader = Reader::new(self.bytes, 0);
        std::iter::from_fn(move || {
            let filter = reader.string().ok()?;
            let options = SubscriptionOptions::decode(Version::V5, &mut reader).ok()?;
            Some(SubscribeFilter { filter, options })
        })
    }
}

impl FilterList {
    /// Appends one entry. A filter over 65,535 bytes is a caller's error and is left out (returns false).
    pub fn push(&mut self, filter: &str, options: SubscriptionOptions) -> bool {
        if filter.len() > usize::from(u16::MAX) {
            return false;
        }
        put_field(&mut self.bytes, filter.as_bytes());
        self.bytes.push(options.encode());
        true
    }

    /// What was written, to put into a packet.
    pub fn as_filters(&self) -> Filters<'_> {
        Filters { bytes: &self.bytes }
    }
}

impl SubscriptionOptions {
    fn decode(version: Version, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let byte = reader.byte()?;
        let reserved = match version {
            Version::V31 | Version::V311 => 0b1111_1100,
            Version::V5 => 0b1100_0000,
        };
        if byte & reserved != 0 {
            return Err(DecodeError::SubscriptionOptionsReserved { at });
        }
        let retain_handling = match byte >> RETAIN_HANDLING_SHIFT & 0b11 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(DecodeError::RetainHandlingReserved { at }),
        };
        Ok(Self {
            qos: QoS::from_number(byte & QOS).ok_or(DecodeError::SubscriptionQoS { at })?,
            no_local: byte & NO_LOCAL != 0,
            retain_as_published: byte & RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        })
    }

    fn encode(self) -> u8 {
        let mut byte = self.qos as u8 | (self.retain_handling as u8) << RETAIN_HANDLING_SHIFT;
        if self.no_local {
            byte |= NO_LOCAL;
        }
        if self.retain_as_published {
            byte |= RETAIN_AS_PUBLISHED;
        }
        byte
    }
}

/// A valid filter; in 5.0 one of a shared subscription has a valid share name too [MQTT-4.8.2-1], [MQTT-4.8.2-2].
pub(super) fn decode_filter<'a>(version: Version, reader: &mut Reader<'a>) -> Result<&'a str, DecodeError> {
    let at = reader.at();
    let filter = reader.string()?;
    let valid = topic::is_valid_filter(filter) && (version != Version::V5 || is_valid_share(filter));
    if valid {
        Ok(filter)
    } else {
        Err(DecodeError::TopicFilterInvalid { at })
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

/// True for a filter that is not shared, and for `$share/{name}/{filter}` with a name without wildcards.
fn is_valid_share(filter: &str) -> bool {
    let Some(shared) = filter.strip_prefix("$share/") else {
        return true;
    };
    match shared.split_once('/') {
        Some((name, filter)) => {
            !name.is_empty() && !name.contains(['+', '#']) && topic::is_valid_filter(filter)
        }
        None => false,
    }
}

impl<'a> SubAck<'a> {
    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let packet_id = reader.packet_id()?;
        let properties = match version {
            Version::V31 | Version::V311 => Properties::EMPTY,
            Version::V5 => Properties::decode(Carriers::SUBACK, reader)?,
        };
        let reasons = reader.peek();
        if reasons.is_empty() {
            return Err(DecodeError::NoReasonCode {});
        }
        while !reader.is_empty() {
            let at = reader.at();
            let reason = ReasonCode::decode(PacketType::SubAck, reader)?;
            if version != Version::V5 && reason > ReasonCode::UnspecifiedError {
                return Err(DecodeError::ReasonCodeInvalid {
                    at,
                    code: reason as u8,
                });
            }
        }
        Ok(Self {
            packet_id,
            properties,
            reasons,
        })
    }

    /// Appends the packet. In 3.x every failure is 0x80.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.reasons.is_empty() {
            return Err(EncodeError::EmptyList);
        }
        let len = 2 + self.properties.encoded_len(version) + self.reasons.len();
        packet_len(len)?;
        put_header(out, PacketType::SubAck.first_byte(), len);
        put_number(out, self.packet_id.number());
        self.properties.put(version, out);
        match version {
            Version::V5 => out.extend_from_slice(self.reasons),
            Version::V31 | Version::V311 => out.extend(self.reasons.iter().map(|&code| code.min(0x80))),
        }
        Ok(())
    }
}
