//! CONNECT (5.0 section 3.1).
//!
//! The packet names its own version, so it alone is decoded and encoded without one. What only the server's policy can
//! judge (an empty client id, its length) is left to the engine.

use super::property_id::Carriers;
use super::wire::{Reader, Variable, field_len, packet_len, put_field, put_header, put_number};
use super::{DecodeError, EncodeError, PacketType, Properties, QoS, Version};

const USER_NAME: u8 = 0x80;
const PASSWORD: u8 = 0x40;
const WILL_RETAIN: u8 = 0x20;
const WILL_QOS_SHIFT: u8 = 3;
const WILL_QOS: u8 = 0x18;
const WILL: u8 = 0x04;
const CLEAN_START: u8 = 0x02;
const RESERVED: u8 = 0x01;

/// A CONNECT packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The protocol version that the client asks for.
    pub version: Version,
    /// Clean Start (5.0) or Clean Session (3.x).
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// May be empty: the server then assigns one or refuses.
    pub client_id: &'a str,
    /// The Will message, if any.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub username: Option<&'a str>,
    /// Password (binary).
    pub password: Option<&'a [u8]>,
    /// CONNECT properties; empty for 3.x.
    pub properties: Properties<'a>,
}

/// The Will of a CONNECT packet (5.0 section 3.1.2.5 and 3.1.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Will<'a> {
    pub qos: QoS,
    pub retain: bool,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: Properties<'a>,
}

impl<'a> Connect<'a> {
    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let version = decode_version(reader)?;
        let flags = decode_flags(version, reader)?;
        let keep_alive = reader.number()?;
        let properties = decode_properties(version, Carriers::CONNECT, reader)?;
        let client_id = reader.string()?;
        let will = match flags & WILL {
            0 => None,
            _ => Some(Will::decode(version, flags, reader)?),
        };
        Ok(Self {
            version,
            clean_start: flags & CLEAN_START != 0,
            keep_alive,
            client_id,
            will,
            username: if has_field(version, flags & USER_NAME, reader) {
                Some(reader.string()?)
            } else {
                None
            },
            password: if has_field(version, flags & PASSWORD, reader) {
                Some(reader.binary()?)
            } else {
                None
            },
            properties,
        })
    }

    /// The version in whose words the sender of a CONNECT can be refused, whatever is wrong with it: by its protocol level,
    /// whatever the protocol's name. Who asks for a later version than 5 is told in 5.0 that it is not spoken; the highest
    /// bit is a bridge's of 3.x and says nothing. `None` when the packet gets no further than that.
    pub fn claimed_version(bytes: &[u8]) -> Option<Version> {
        let (&first, rest) = bytes.split_first()?;
        let remaining = Variable::decode(rest, 1).ok()??;
        if first >> 4 != PacketType::Connect as u8 {
            return None;
        }
        let mut reader = Reader::new(bytes, 1 + remaining.len);
        reader.binary().ok()?;
        Some(match reader.byte().ok()? & 0x7F {
            0..=3 => Version::V31,
            4 => Version::V311,
            _ => Version::V5,
        })
    }

    /// Appends the packet in its own version.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let len = self.body_len()?;
        packet_len(len)?;
        put_header(out, PacketType::Connect.first_byte(), len);
        put_field(out, protocol_name(self.version));
        out.extend_from_slice(&[self.version as u8, self.flags()]);
        put_number(out, self.keep_alive);
        self.properties.put(self.version, out);
        put_field(out, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            will.properties.put(self.version, out);
            put_field(out, will.topic.as_bytes());
            put_field(out, will.payload);
        }
        for field in [self.username.map(str::as_bytes), self.password]
            .into_iter()
            .flatten()
        {
            put_field(out, field);
        }
        Ok(())
    }

    fn body_len(&self) -> Result<usize, EncodeError> {
        if self.version != Version::V5 && self.password.is_some() && self.username.is_none() {
            return Err(EncodeError::NotInVersion);
        }
        let mut len = field_len(protocol_name(self.version))? + 4;
        len += self.properties.encoded_len(self.version) + field_len(self.client_id.as_bytes())?;
        if let Some(will) = &self.will {
            len += will.properties.encoded_len(self.version);
            len += field_len(will.topic.as_bytes())? + field_len(will.payload)?;
        }
        for field in [self.username.map(str::as_bytes), self.password]
            .into_iter()
            .flatten()
        {
            len += field_len(field)?;
        }
        Ok(len)
    }

    fn flags(&self) -> u8 {
        let mut flags = 0;
        if self.clean_start {
            flags |= CLEAN_START;
        }
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8) << WILL_QOS_SHIFT;
            if will.retain {
                flags |= WILL_RETAIN;
            }
        }
        if self.username.is_some() {
            flags |= USER_NAME;
        }
        if self.password.is_some() {
            flags |= PASSWORD;
        }
        flags
    }
}

impl<'a> Will<'a> {
    /// `flags` have passed `decode_flags`.
    fn decode(version: Version, flags: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let qos = QoS::from_number((flags & WILL_QOS) >> WILL_QOS_SHIFT);
        let properties = decode_properties(version, Carriers::WILL, reader)?;
        let topic_at = reader.at();
        let topic = reader.topic_name()?;
        if topic.is_empty() {
            return Err(DecodeError::TopicNameEmpty { at: topic_at });
        }
        Ok(Self {
            qos: qos.ok_or(DecodeError::QoSReserved { at })?,
            retain: flags & WILL_RETAIN != 0,
            topic,
            payload: reader.binary()?,
            properties,
        })
    }
}

fn protocol_name(version: Version) -> &'static [u8] {
    match version {
        Version::V31 => b"MQIsdp",
        Version::V311 | Version::V5 => b"MQTT",
    }
}

fn decode_version(reader: &mut Reader<'_>) -> Result<Version, DecodeError> {
    let name = reader.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(DecodeError::ProtocolName {});
    }
    let level = reader.byte()?;
    match (name, level) {
        (b"MQIsdp", 3) => Ok(Version::V31),
        (b"MQTT", 4) => Ok(Version::V311),
        (b"MQTT", 5) => Ok(Version::V5),
        _ => Err(DecodeError::ProtocolLevel { level }),
    }
}

/// The Connect Flags, consistent with each other. 3.1 says of its reserved bit and of the Will's flags without a Will
/// that they are not used, so there they are let through.
fn decode_flags(version: Version, reader: &mut Reader<'_>) -> Result<u8, DecodeError> {
    let at = reader.at();
    let flags = reader.byte()?;
    if flags & RESERVED != 0 && version != Version::V31 {
        return Err(DecodeError::ConnectFlagReserved { at });
    }
    if flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0 && version != Version::V31 {
        return Err(DecodeError::WillFlags { at });
    }
    if flags & WILL != 0 && flags & WILL_QOS == WILL_QOS {
        return Err(DecodeError::QoSReserved { at });
    }
    if flags & PASSWORD != 0 && flags & USER_NAME == 0 && version != Version::V5 {
        return Err(DecodeError::PasswordWithoutUserName { at });
    }
    Ok(flags)
}

fn decode_properties<'a>(
    version: Version,
    carrier: Carriers,
    reader: &mut Reader<'a>,
) -> Result<Properties<'a>, DecodeError> {
    match version {
        Version::V31 | Version::V311 => Ok(Properties::EMPTY),
        Version::V5 => Properties::decode(carrier, reader),
    }
}

/// In 3.1 the packet's length takes precedence over the flags: User Name and Password may be announced and missing
/// (3.1 section 3.1, "User name and password flags").
fn has_field(version: Version, flag: u8, reader: &Reader<'_>) -> bool {
    flag != 0 && (version != Version::V31 || !reader.is_empty())
}
