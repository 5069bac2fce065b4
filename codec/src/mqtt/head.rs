//! A PUBLISH on its way out, without its payload: the encoder of the hot path.
//!
//! The engine encodes a head once for each (version, QoS, retain) and copies it to every receiver, with the packet id
//! patched; a large payload then follows by reference. Subscription identifiers are the receiver's own.

use super::wire::{VARIABLE_MAX, put_variable, variable_len};
use super::{QoS, Version};

/// What stands in front of a PUBLISH's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// A redelivery.
    pub dup: bool,
    /// QoS of this delivery.
    pub qos: QoS,
    /// RETAIN flag of this delivery.
    pub retain: bool,
    /// Topic name, at most 65,535 bytes; empty where the alias stands for it.
    pub topic: &'a str,
    /// Topic Alias, 0 for none; 5.0 only.
    pub topic_alias: u16,
    /// Written when `qos` is above 0; 0 when it will be patched later.
    pub packet_id: u16,
    /// Subscription Identifiers, each 1 to 268,435,455; 5.0 only.
    pub identifiers: &'a [u32],
    /// Properties that travel with the message, as on the wire without their length; 5.0 only.
    pub properties: &'a [u8],
    /// Bytes of the payload that follows.
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// Bytes of the whole packet, payload included.
    pub fn packet_size(&self, version: Version) -> usize {
        let remaining = self.remaining(version);
        1 + variable_len(remaining) + remaining
    }

    /// Appends the head to `out`; returns the offset of the packet id from the head's first byte (where it would stand,
    /// for QoS 0). `None`, and nothing is written, when topic or packet are longer than the wire can say.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Option<usize> {
        let topic_len = u16::try_from(self.topic.len()).ok()?;
        let remaining = self.remaining(version);
        if remaining > VARIABLE_MAX {
            return None;
        }
        out.push(0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain));
        put_variable(out, remaining);
        out.extend_from_slice(&topic_len.to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        if self.qos != QoS::AtMostOnce {
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if version == Version::V5 {
            put_variable(out, self.properties_size());
            for &identifier in self.identifiers {
                out.push(0x0B);
                put_variable(out, identifier as usize);
            }
            if self.topic_alias != 0 {
                out.push(0x23);
                out.extend_from_slice(&self.topic_alias.to_be_bytes());
            }
            out.extend_from_slice(self.properties);
        }
        Some(1 + variable_len(remaining) + 2 + self.topic.len())
    }

    fn properties_size(&self) -> usize {
        let identifiers: usize = (self.identifiers.iter())
            .map(|&id| 1 + variable_len(id as usize))
            .sum();
        let alias = if self.topic_alias == 0 { 0 } else { 3 };
        identifiers + alias + self.properties.len()
    }

    fn remaining(&self, version: Version) -> usize {
        let id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = match version {
            Version::V5 => variable_len(self.properties_size()) + self.properties_size(),
            Version::V31 | Version::V311 => 0,
        };
        2 + self.topic.len() + id + properties + self.payload_len
    }
}

/// Where the packet id stands in a whole PUBLISH packet that was received, or would stand for QoS 0. `None` for a packet
/// whose remaining length is longer than it need be: such a one is read, but not written.
pub fn packet_id_at(packet: &[u8], topic: &str) -> Option<usize> {
    let last = packet.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0)?;
    let is_minimal = last == 0 || packet[1 + last] != 0;
    is_minimal.then_some(1 + last + 1 + 2 + topic.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qos_1_head_says_where_its_packet_id_stands() {
        let head = PublishHead {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "a/b",
            topic_alias: 0,
            packet_id: 0x1234,
            identifiers: &[],
            properties: &[],
            payload_len: 200,
        };
        let mut out = vec![0xFF];
        let at = head.encode(Version::V311, &mut out).unwrap();
        assert_eq!(out[1..], [0x3A, 0xCF, 0x01, 0, 3, b'a', b'/', b'b', 0x12, 0x34]);
        assert_eq!(out[1 + at..1 + at + 2], [0x12, 0x34]);
        assert_eq!(head.packet_size(Version::V311), out.len() - 1 + 200);
    }

    #[test]
    fn a_received_packet_has_its_packet_id_where_an_encoded_one_has_it() {
        for payload_len in [0, 5, 200, 20_000] {
            let head = PublishHead {
                dup: false,
                qos: QoS::AtLeastOnce,
                retain: false,
                topic: "a/b",
                topic_alias: 0,
                packet_id: 1,
                identifiers: &[],
                properties: &[],
                payload_len,
            };
            let mut out = Vec::new();
            let at = head.encode(Version::V311, &mut out);
            assert_eq!(packet_id_at(&out, "a/b"), at);
        }
        assert_eq!(packet_id_at(&[0x30, 0x83, 0, 0, 1, b't'], "t"), None);
        assert_eq!(packet_id_at(&[0x30, 0x80], "t"), None);
    }

    #[test]
    fn identifiers_and_alias_stand_before_the_properties_of_the_message() {
        let head = PublishHead {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: true,
            topic: "t",
            topic_alias: 0x0203,
            packet_id: 0,
            identifiers: &[1, 200],
            properties: &[0x01, 0x01],
            payload_len: 0,
        };
        let mut out = Vec::new();
        head.encode(Version::V5, &mut out).unwrap();
        assert_eq!(
            out,
            [
                0x31, 14, 0, 1, b't', 10, 0x0B, 1, 0x0B, 0xC8, 0x01, 0x23, 2, 3, 0x01, 0x01
            ]
        );
        assert_eq!(head.packet_size(Version::V5), out.len());
    }
}
