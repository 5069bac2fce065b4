//! Frames that a client sends, in its dialect. Written rarely, but for acknowledgements and the head of a PUBLISH,
//! which is written once for a flow and copied for each message.

use crate::plan::Protocol;
use ringwire_codec::mqtt::{
    Connect, Disconnect, EncodeError, FilterList, Packet, PacketId, Properties, PublishHead, QoS, ReasonCode,
    Subscribe, SubscriptionOptions, Version,
};
use ringwire_codec::private;

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Mqtt(Version),
    Private,
    Raw,
}

impl Dialect {
    /// Of a plan's group.
    pub(crate) fn of(protocol: Protocol, mqtt_always: bool) -> Self {
        match protocol {
            Protocol::Mqtt(version) => Self::Mqtt(version),
            Protocol::Private if mqtt_always => Self::Mqtt(Version::V311),
            Protocol::Private => Self::Private,
            Protocol::Raw => Self::Raw,
        }
    }
}

/// Who connects.
pub(crate) struct Identity<'a> {
    pub client_id: &'a str,
    pub keepalive_s: u16,
    pub credentials: Option<(&'a str, &'a str)>,
}

/// The first frame of an MQTT client. A client id or password that does not fit is the plan's fault.
pub(crate) fn connect(
    version: Version,
    identity: &Identity<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    Packet::Connect(Connect {
        version,
        clean_start: true,
        keep_alive: identity.keepalive_s,
        client_id: identity.client_id,
        will: None,
        username: identity.credentials.map(|(username, _)| username),
        password: identity.credentials.map(|(_, password)| password.as_bytes()),
        properties: Properties::EMPTY,
    })
    .encode(version, out)
}

/// The first frame of a device; false when it cannot be written.
pub(crate) fn connect_device(identity: &Identity<'_>, out: &mut Vec<u8>) -> bool {
    private::Frame::Connect {
        version: 1,
        connect: Some(private::Connect {
            keepalive: u8::try_from(identity.keepalive_s).unwrap_or(u8::MAX),
            client_id: identity.client_id.as_bytes(),
            username: identity.credentials.map(|(username, _)| username.as_bytes()),
            password: identity.credentials.map(|(_, password)| password.as_bytes()),
        }),
    }
    .encode(out)
}

/// The hello of a raw client: the room that it sends to and the room that it hears, 0 for none.
pub(crate) fn hello(topic: Option<&str>, filter: Option<&str>, out: &mut Vec<u8>) {
    for name in [topic, filter] {
        out.extend_from_slice(&name.map_or(0, room).to_be_bytes());
    }
}

/// The room of a topic: FNV-1a, and never 0.
fn room(name: &str) -> u32 {
    let hash = name.bytes().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    hash.max(1)
}

/// A SUBSCRIBE for several filters.
pub(crate) fn subscribe(
    version: Version,
    packet_id: PacketId,
    filters: &[(String, QoS)],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut list = FilterList::default();
    for (filter, qos) in filters {
        let options = SubscriptionOptions {
            qos: *qos,
            ..SubscriptionOptions::default()
        };
        if !list.push(filter, options) {
            return Err(EncodeError::FieldTooLong(filter.len()));
        }
    }
    Packet::Subscribe(Subscribe {
        packet_id,
        properties: Properties::EMPTY,
        filters: list.as_filters(),
    })
    .encode(version, out)
}

/// What keeps an idle connection; a raw one needs nothing.
pub(crate) fn ping(dialect: Dialect, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Mqtt(_) => out.extend_from_slice(&[0xC0, 0]),
        Dialect::Private => {
            private::Frame::Ping { flags: 0 }.encode(out);
        }
        Dialect::Raw => {}
    }
}

/// Goodbye.
pub(crate) fn disconnect(dialect: Dialect, out: &mut Vec<u8>) {
    match dialect {
        Dialect::Mqtt(version) => {
            let disconnect = Disconnect {
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            };
            // Two bytes without anything that could be too long.
            let _ = Packet::Disconnect(disconnect).encode(version, out);
        }
        Dialect::Private => {
            private::Frame::Disconnect { flags: 0 }.encode(out);
        }
        Dialect::Raw => {}
    }
}

/// An acknowledgement of success: four bytes in every version.
#[inline]
pub(crate) fn acknowledge(kind: Acknowledgement, packet_id: PacketId, out: &mut Vec<u8>) {
    let [high, low] = packet_id.number().to_be_bytes();
    out.extend_from_slice(&[kind as u8, 2, high, low]);
}

/// First bytes of PUBACK, PUBREC, PUBREL and PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Acknowledgement {
    Ack = 0x40,
    Rec = 0x50,
    Rel = 0x62,
    Comp = 0x70,
}

/// What stands before the payload of each PUBLISH of a flow.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    bytes: Box<[u8]>,
    /// Where the packet id stands; QoS 0 and devices have none.
    packet_id_at: Option<usize>,
}

impl Head {
    /// `None` when topic or payload are longer than the wire can say.
    pub(crate) fn new(dialect: Dialect, topic: &str, qos: QoS, payload_bytes: usize) -> Option<Self> {
        let mut bytes = Vec::new();
        let version = match dialect {
            Dialect::Private => {
                let fits = private::encode_data_header(payload_bytes, &mut bytes);
                return fits.then(|| Self {
                    bytes: bytes.into(),
                    packet_id_at: None,
                });
            }
            Dialect::Mqtt(version) => version,
            Dialect::Raw => Version::V311,
        };
        let head = PublishHead {
            dup: false,
            qos,
            retain: false,
            topic,
            topic_alias: 0,
            packet_id: 0,
            identifiers: &[],
            properties: &[],
            payload_len: payload_bytes,
        };
        let at = head.encode(version, &mut bytes)?;
        Some(Self {
            bytes: bytes.into(),
            packet_id_at: (qos != QoS::AtMostOnce).then_some(at),
        })
    }

    /// Appends the head. `packet_id` is used where there is a place for it.
    #[inline]
    pub(crate) fn put(&self, packet_id: u16, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        if let Some(at) = self.packet_id_at {
            let at = start + at;
            out[at..at + 2].copy_from_slice(&packet_id.to_be_bytes());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringwire_codec::mqtt::{Decoded, PacketType, decode};

    fn packet(version: Version, bytes: &[u8]) -> Packet<'_> {
        match decode(version, bytes, 1_000_000).unwrap() {
            Decoded::Packet(packet, size) if size == bytes.len() => packet,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn heads_and_payloads_are_publish_packets() {
        for version in [Version::V31, Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let head = Head::new(Dialect::Mqtt(version), "a/b", qos, 200).unwrap();
                let mut out = Vec::new();
                head.put(0x1234, &mut out);
                out.extend_from_slice(&[9; 200]);
                let Packet::Publish(publish) = packet(version, &out) else {
                    panic!("no PUBLISH");
                };
                assert_eq!(
                    (publish.topic, publish.qos, publish.payload),
                    ("a/b", qos, &[9; 200][..])
                );
                let expected = (qos != QoS::AtMostOnce).then_some(0x1234);
                assert_eq!(publish.packet_id.map(PacketId::number), expected);
            }
        }
    }

    #[test]
    fn a_device_sends_data_frames() {
        let head = Head::new(Dialect::Private, "unused", QoS::AtMostOnce, 300).unwrap();
        let mut out = Vec::new();
        head.put(7, &mut out);
        out.extend_from_slice(&[1; 300]);
        let whole = private::Decoded::Frame(
            private::Frame::DataTrans {
                flags: 0,
                payload: &[1; 300],
            },
            303,
        );
        assert_eq!(private::decode(&out, 65_535), Ok(whole));
        assert!(Head::new(Dialect::Private, "", QoS::AtMostOnce, 65_536).is_none());
    }

    #[test]
    fn acknowledgements_are_what_the_codec_reads() {
        let packet_id = PacketId::new(513).unwrap();
        for (kind, expected) in [
            (Acknowledgement::Ack, PacketType::PubAck),
            (Acknowledgement::Rec, PacketType::PubRec),
            (Acknowledgement::Rel, PacketType::PubRel),
            (Acknowledgement::Comp, PacketType::PubComp),
        ] {
            for version in [Version::V311, Version::V5] {
                let mut out = Vec::new();
                acknowledge(kind, packet_id, &mut out);
                let read = packet(version, &out);
                assert_eq!(read.packet_type(), expected);
                let mut again = Vec::new();
                read.encode(version, &mut again).unwrap();
                assert_eq!(again, out);
            }
        }
    }

    #[test]
    fn a_hello_names_two_rooms() {
        let mut out = Vec::new();
        hello(Some("a"), None, &mut out);
        assert_eq!(out.len(), 8);
        assert_ne!(out[..4], [0; 4]);
        assert_eq!(out[4..], [0; 4]);
        assert_ne!(room("a"), room("b"));
    }
}
