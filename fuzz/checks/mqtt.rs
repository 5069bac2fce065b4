//! What must hold of the MQTT decoder for any bytes whatever.
//!
//! One piece of code for both users: the fuzz targets beside this file, and `codec/tests/corpus.rs`, which replays their
//! corpus in the ordinary tests.

use ringwire_codec::mqtt::{Decoded, Packet, Properties, PropertyList, Publish, Version, decode};

/// Larger than any input that a fuzzer makes, and small enough that a length field can exceed it.
const SIZE_MAX: u32 = 1 << 20;

/// Decodes a stream of packets from `bytes` and checks each.
pub fn check(version: Version, bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        check_prefixes(version, rest);
        match decode(version, rest, SIZE_MAX) {
            Ok(Decoded::Packet(packet, size)) => {
                assert!(size >= 2 && size <= rest.len());
                check_packet(version, &packet, size);
                check_patch(&packet, &rest[..size]);
                rest = &rest[size..];
            }
            Ok(Decoded::Incomplete { needed }) => {
                assert!(needed.is_none_or(|needed| needed > rest.len() && needed <= SIZE_MAX as usize));
                return;
            }
            Err(error) => {
                assert!(error.reason_code().is_failure());
                assert!(!error.name().is_empty() && !error.to_string().is_empty());
                return;
            }
        }
    }
}

/// A part of the input says the same as the whole, or asks for more.
fn check_prefixes(version: Version, whole: &[u8]) {
    let answer = decode(version, whole, SIZE_MAX);
    // All cuts of what is short, and the cuts in and around the fixed header of what is long.
    for cut in 0..whole.len().min(48) {
        match decode(version, &whole[..cut], SIZE_MAX) {
            Ok(Decoded::Incomplete { needed: Some(needed) }) => {
                assert!(needed > cut);
                if let Ok(Decoded::Packet(_, size)) = answer {
                    assert_eq!(needed, size);
                }
            }
            Ok(Decoded::Incomplete { needed: None }) => assert!(cut < 5),
            early => assert_eq!(early, answer, "{cut} bytes say something else than all"),
        }
    }
}

/// What was decoded is written in at most as many bytes, and read back as the same.
fn check_packet(version: Version, packet: &Packet<'_>, size: usize) {
    let mut first = Vec::new();
    packet
        .encode(version, &mut first)
        .expect("what was decoded can be written");
    assert!(
        first.len() <= size,
        "the encoder's form is longer than the sender's"
    );
    let again = decode(version, &first, SIZE_MAX);
    assert_eq!(again, Ok(Decoded::Packet(*packet, first.len())));
    let mut second = Vec::new();
    let Ok(Decoded::Packet(again, _)) = again else {
        unreachable!("asserted above")
    };
    again.encode(version, &mut second).expect("encodes again");
    assert_eq!(first, second);
    check_contents(packet);
}

fn check_contents(packet: &Packet<'_>) {
    match packet {
        Packet::Connect(connect) => {
            check_properties(connect.properties);
            if let Some(will) = &connect.will {
                check_properties(will.properties);
                assert!(!will.topic.is_empty());
            }
        }
        Packet::ConnAck(connack) => check_properties(connack.properties),
        Packet::Publish(publish) => {
            check_properties(publish.properties);
            assert!(!publish.topic.contains(['+', '#', '\0']));
            assert!(!publish.topic.is_empty() || publish.properties.topic_alias().is_some());
            // Either answer is fine; it must be one.
            let _ = publish.check_payload();
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            check_properties(ack.properties);
        }
        Packet::Subscribe(subscribe) => {
            check_properties(subscribe.properties);
            assert!(subscribe.filters.iter().count() > 0);
            assert!(subscribe.filters.iter().all(|entry| !entry.filter.is_empty()));
        }
        Packet::SubAck(suback) => check_properties(suback.properties),
        Packet::Unsubscribe(unsubscribe) => {
            check_properties(unsubscribe.properties);
            assert!(unsubscribe.filters().count() > 0);
        }
        Packet::UnsubAck(unsuback) => check_properties(unsuback.properties),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => check_properties(disconnect.properties),
        Packet::Auth(auth) => check_properties(auth.properties),
    }
}

/// Walking the properties and writing each gives the same bytes; forwarding loses exactly what ends at this hop.
fn check_properties(properties: Properties<'_>) {
    let mut list = PropertyList::default();
    let mut kept = PropertyList::default();
    for property in properties.iter() {
        assert!(list.push(property));
        let alone = {
            let mut alone = PropertyList::default();
            alone.push(property);
            alone
        };
        if !alone.as_properties().has_hop_by_hop() {
            kept.push(property);
        }
    }
    assert_eq!(list.as_properties(), properties);
    let mut scratch = PropertyList::default();
    assert_eq!(properties.forwarded(&mut scratch), kept.as_properties());
}

/// The packet identifier stands where `packet_id_offset` says.
fn check_patch(packet: &Packet<'_>, frame: &[u8]) {
    let Packet::Publish(publish) = packet else {
        assert_eq!(Publish::packet_id_offset(frame), None);
        return;
    };
    let found = Publish::packet_id_offset(frame).map(|at| u16::from_be_bytes([frame[at], frame[at + 1]]));
    assert_eq!(found, publish.packet_id.map(|id| id.number()));
}
