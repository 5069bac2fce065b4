//! Packets to structs and back, without an engine.

use crate::UNITS;
use desk::{PAYLOAD, connect, properties};
use gungraun::{library_benchmark, library_benchmark_group};
use ringwire_codec::mqtt::{Ack, Decoded, Packet, PacketId, Properties, Publish, QoS, Version, decode};
use ringwire_codec::private::{self, Frame};
use std::hint::black_box;

const TOPIC: &str = "factory/hall-3/line-12/temperature";
const V311: Version = Version::V311;
const V5: Version = Version::V5;

fn with_publish<R>(qos: QoS, has_properties: bool, each: impl FnOnce(&Publish<'_>) -> R) -> R {
    let list = properties();
    each(&Publish {
        dup: false,
        qos,
        retain: false,
        topic: TOPIC,
        packet_id: if qos == QoS::AtMostOnce {
            None
        } else {
            PacketId::new(77)
        },
        properties: if has_properties {
            list.as_properties()
        } else {
            Properties::EMPTY
        },
        payload: &PAYLOAD,
    })
}

/// Packets back to back, and their version.
fn publishes(version: Version, qos: QoS, has_properties: bool) -> (Version, Vec<u8>) {
    let mut packet = Vec::new();
    with_publish(qos, has_properties, |publish| {
        publish.encode(version, &mut packet)
    })
    .expect("a PUBLISH");
    (version, packet.repeat(UNITS))
}

fn connects(version: Version) -> (Version, Vec<u8>) {
    (version, connect(version, "device-0001").repeat(UNITS))
}

fn pubacks(version: Version) -> (Version, Vec<u8>) {
    let mut packet = Vec::new();
    Packet::PubAck(Ack::success(PacketId::new(77).expect("not 0")))
        .encode(version, &mut packet)
        .expect("a PUBACK");
    (version, packet.repeat(UNITS))
}

#[library_benchmark]
#[bench::publish_qos0(publishes(V311, QoS::AtMostOnce, false))]
#[bench::publish_qos1(publishes(V311, QoS::AtLeastOnce, false))]
#[bench::publish_qos2(publishes(V311, QoS::ExactlyOnce, false))]
#[bench::publish_v5_qos0(publishes(V5, QoS::AtMostOnce, false))]
#[bench::publish_v5_qos1(publishes(V5, QoS::AtLeastOnce, false))]
#[bench::publish_v5_qos1_properties(publishes(V5, QoS::AtLeastOnce, true))]
#[bench::connect(connects(V311))]
#[bench::connect_v5(connects(V5))]
#[bench::puback(pubacks(V311))]
#[bench::puback_v5(pubacks(V5))]
fn read((version, bytes): (Version, Vec<u8>)) -> Vec<u8> {
    let mut rest = &bytes[..];
    while let Ok(Decoded::Packet(packet, size)) = decode(version, rest, 1 << 20) {
        black_box(&packet);
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "whole valid packets");
    bytes
}

#[library_benchmark]
#[bench::publish_qos0((V311, QoS::AtMostOnce, false, Vec::with_capacity(2 << 20)))]
#[bench::publish_qos1((V311, QoS::AtLeastOnce, false, Vec::with_capacity(2 << 20)))]
#[bench::publish_v5_qos0((V5, QoS::AtMostOnce, false, Vec::with_capacity(2 << 20)))]
#[bench::publish_v5_qos1_properties((V5, QoS::AtLeastOnce, true, Vec::with_capacity(2 << 20)))]
fn write((version, qos, has_properties, mut out): (Version, QoS, bool, Vec<u8>)) -> Vec<u8> {
    with_publish(qos, has_properties, |publish| {
        for _ in 0..UNITS {
            black_box(publish).encode(version, &mut out).expect("a PUBLISH");
        }
    });
    out
}

fn frames() -> Vec<u8> {
    let mut bytes = Vec::new();
    let frame = Frame::DataTrans {
        flags: 0,
        payload: &PAYLOAD,
    };
    assert!(frame.encode(&mut bytes));
    bytes.repeat(UNITS)
}

#[library_benchmark]
#[bench::data(frames())]
fn read_private(bytes: Vec<u8>) -> Vec<u8> {
    let mut rest = &bytes[..];
    while let Ok(private::Decoded::Frame(frame, size)) = private::decode(rest, 65_535) {
        black_box(&frame);
        rest = &rest[size..];
    }
    assert!(rest.is_empty(), "whole valid frames");
    bytes
}

#[library_benchmark]
#[bench::data(Vec::with_capacity(1 << 20))]
fn write_private(mut out: Vec<u8>) -> Vec<u8> {
    for _ in 0..UNITS {
        let frame = Frame::DataTrans {
            flags: 0,
            payload: black_box(&PAYLOAD),
        };
        assert!(frame.encode(&mut out));
    }
    out
}

library_benchmark_group!(
    name = codec_group,
    benchmarks = [read, write, read_private, write_private]
);
