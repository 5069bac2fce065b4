//! The packet as a sum, and the front door of the decoder: fixed header, size limit, dispatch by type.

use super::wire::{Reader, Variable, put_header};
use super::*;
use std::fmt;

/// Any MQTT packet, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// The type of a packet, as the high four bits of its first byte say it (5.0 section 2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole packet, and how many bytes of the input it took.
    Packet(Packet<'a>, usize),
    /// Not yet a whole packet. `needed` is the packet's whole size in bytes when the fixed header is complete.
    Incomplete {
        /// Total size of the packet, fixed header included; `None` while the header itself is incomplete.
        needed: Option<usize>,
    },
}

/// Decodes one packet from the front of `input`.
///
/// `version` is that of the connection; a CONNECT names its own, so there it is ignored. `packet_size_max` (bytes, whole
/// packet) is checked as soon as the fixed header is known, before the body has arrived.
#[inline]
pub fn decode(version: Version, input: &[u8], packet_size_max: u32) -> Result<Decoded<'_>, DecodeError> {
    let Some((&first, rest)) = input.split_first() else {
        return Ok(Decoded::Incomplete { needed: None });
    };
    if (0x40..0x80).contains(&first)
        && let Some(ack) = short_ack(input)
    {
        return Ok(Decoded::Packet(ack, SHORT_ACK));
    }
    let packet_type = PacketType::from_first_byte(version, first)?;
    let Some(remaining) = Variable::decode(rest, 1)? else {
        return Ok(Decoded::Incomplete { needed: None });
    };
    let header = 1 + remaining.len;
    let size = header + remaining.value as usize;
    if size > packet_size_max as usize {
        return Err(DecodeError::PacketTooLarge {
            size,
            limit: packet_size_max,
        });
    }
    let Some(whole) = input.get(..size) else {
        return Ok(Decoded::Incomplete { needed: Some(size) });
    };
    let minimal = remaining.is_minimal();
    if !minimal && version == Version::V5 && packet_type != PacketType::Connect {
        return Err(DecodeError::VariableIntegerNotMinimal { at: 1 });
    }
    let mut reader = Reader::new(whole, header);
    if packet_type == PacketType::Publish {
        let publish = Publish::decode(version, &mut reader)?;
        return Ok(Decoded::Packet(Packet::Publish(publish), size));
    }
    let packet = decode_body(version, packet_type, minimal, &mut reader)?;
    reader.finish()?;
    Ok(Decoded::Packet(packet, size))
}

/// Bytes of an acknowledgement in its shortest form, which every version has and every limit on packets allows.
const SHORT_ACK: usize = 4;

/// An acknowledgement in its shortest form, which nearly all are; `None` for all else, right or wrong.
#[inline]
fn short_ack(input: &[u8]) -> Option<Packet<'_>> {
    let &[first, 2, high, low, ..] = input else {
        return None;
    };
    let packet: fn(_) -> _ = match first {
        0x40 => Packet::PubAck,
        0x50 => Packet::PubRec,
        0x62 => Packet::PubRel,
        0x70 => Packet::PubComp,
        _ => return None,
    };
    Some(packet(Ack::success(PacketId::new(u16::from_be_bytes([
        high, low,
    ]))?)))
}

/// `decode` takes PUBLISH on a path of its own. `minimal` tells whether the remaining length is in its shortest form, which only CONNECT has
/// to ask: before its level is read nobody knows whether the rule holds.
fn decode_body<'a>(
    version: Version,
    packet_type: PacketType,
    minimal: bool,
    reader: &mut Reader<'a>,
) -> Result<Packet<'a>, DecodeError> {
    Ok(match packet_type {
        PacketType::Connect => {
            let connect = Connect::decode(reader)?;
            if connect.version == Version::V5 && !minimal {
                return Err(DecodeError::VariableIntegerNotMinimal { at: 1 });
            }
            Packet::Connect(connect)
        }
        PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(version, reader)?),
        PacketType::Publish => Packet::Publish(Publish::decode(version, reader)?),
        PacketType::PubAck => Packet::PubAck(Ack::decode(version, packet_type, reader)?),
        PacketType::PubRec => Packet::PubRec(Ack::decode(version, packet_type, reader)?),
        PacketType::PubRel => Packet::PubRel(Ack::decode(version, packet_type, reader)?),
        PacketType::PubComp => Packet::PubComp(Ack::decode(version, packet_type, reader)?),
        PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(version, reader)?),
        PacketType::SubAck => Packet::SubAck(SubAck::decode(version, reader)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(version, reader)?),
        PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::decode(version, reader)?),
        PacketType::PingReq => Packet::PingReq,
        PacketType::PingResp => Packet::PingResp,
        PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(version, reader)?),
        PacketType::Auth => Packet::Auth(Auth::decode(reader)?),
    })
}

impl Packet<'_> {
    /// Appends the packet to `out` in the shortest legal form. On an error `out` is as it was.
    ///
    /// What the version does not have is left out (properties and reasons in 3.x). A CONNECT is written in its own version.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => connect.encode(out),
            Self::ConnAck(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::PubAck(ack) => ack.encode(PacketType::PubAck, version, out),
            Self::PubRec(ack) => ack.encode(PacketType::PubRec, version, out),
            Self::PubRel(ack) => ack.encode(PacketType::PubRel, version, out),
            Self::PubComp(ack) => ack.encode(PacketType::PubComp, version, out),
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::SubAck(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::UnsubAck(unsuback) => unsuback.encode(version, out),
            Self::PingReq => {
                put_header(out, PacketType::PingReq.first_byte(), 0);
                Ok(())
            }
            Self::PingResp => {
                put_header(out, PacketType::PingResp.first_byte(), 0);
                Ok(())
            }
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
            Self::Auth(auth) => auth.encode(version, out),
        }
    }

    /// The packet's type.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

impl PacketType {
    const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// Checks the first byte of a packet: its type exists in `version` and its flags are what that type has.
    #[inline]
    fn from_first_byte(version: Version, first: u8) -> Result<Self, DecodeError> {
        let (number, flags) = (first >> 4, first & 0x0F);
        let Some(packet) = Self::from_number(number) else {
            return Err(DecodeError::PacketTypeReserved { number });
        };
        match packet {
            Self::Publish => return Ok(packet),
            Self::Auth if version != Version::V5 => return Err(DecodeError::PacketTypeReserved { number }),
            // 3.1 gives these a QoS and a DUP flag for a resend (3.1 sections 2.1, 3.6, 3.8, 3.10).
            Self::PubRel | Self::Subscribe | Self::Unsubscribe if version == Version::V31 => {
                return Ok(packet);
            }
            Self::Connect
            | Self::ConnAck
            | Self::PubAck
            | Self::PubRec
            | Self::PubRel
            | Self::PubComp
            | Self::Subscribe
            | Self::SubAck
            | Self::Unsubscribe
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => {}
        }
        if first != packet.first_byte() {
            return Err(DecodeError::HeaderFlags { packet, flags });
        }
        Ok(packet)
    }

    /// The first byte of a packet of this type; for PUBLISH with all flags 0.
    pub(super) const fn first_byte(self) -> u8 {
        let flags = match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            Self::Connect
            | Self::ConnAck
            | Self::Publish
            | Self::PubAck
            | Self::PubRec
            | Self::PubComp
            | Self::SubAck
            | Self::UnsubAck
            | Self::PingReq
            | Self::PingResp
            | Self::Disconnect
            | Self::Auth => 0,
        };
        (self as u8) << 4 | flags
    }

    /// The standard's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
