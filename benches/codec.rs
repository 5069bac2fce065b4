//! What decoding and encoding one PUBLISH costs, `mqttbytes` and `mqtt-protocol-core` beside it in the same run.
//!
//! Packets stand back to back in one buffer of a thousand, as a busy connection sends them; times are for the whole
//! buffer, `elem/s` is packets a second. The others need the buffer in a form of their own; making it is not counted.
//!
//! Run: `cargo bench --bench codec`

#![allow(missing_docs)] // criterion_group! makes a function without any

use bytes::BytesMut;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData};
use mqtt_protocol_core::mqtt::packet as theirs;
use ringwire_codec::mqtt::*;
use std::hint::black_box;

const PACKETS: u64 = 1_000;
const TOPIC: &str = "factory/hall-3/line-12/temperature";

#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    version: Version,
    qos: QoS,
    properties: bool,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "3.1.1 QoS 0",
        version: Version::V311,
        qos: QoS::AtMostOnce,
        properties: false,
    },
    Shape {
        name: "3.1.1 QoS 1",
        version: Version::V311,
        qos: QoS::AtLeastOnce,
        properties: false,
    },
    Shape {
        name: "5.0 QoS 0",
        version: Version::V5,
        qos: QoS::AtMostOnce,
        properties: false,
    },
    Shape {
        name: "5.0 QoS 1, 4 properties",
        version: Version::V5,
        qos: QoS::AtLeastOnce,
        properties: true,
    },
];

/// A thousand packets of 64 bytes of payload, back to back.
fn buffer(shape: Shape) -> Vec<u8> {
    let properties = properties(shape);
    let mut out = Vec::new();
    for number in 1..=PACKETS {
        publish(shape, number, &properties)
            .encode(shape.version, &mut out)
            .expect("encodes");
    }
    out
}

fn properties(shape: Shape) -> PropertyList {
    let mut list = PropertyList::default();
    if shape.properties {
        list.push(Property::PayloadFormatIndicator(1));
        list.push(Property::MessageExpiryInterval(3_600));
        list.push(Property::ContentType("application/json"));
        list.push(Property::UserProperty("site", "north"));
    }
    list
}

fn publish(shape: Shape, number: u64, properties: &PropertyList) -> Publish<'_> {
    Publish {
        dup: false,
        qos: shape.qos,
        retain: false,
        topic: TOPIC,
        packet_id: if shape.qos == QoS::AtMostOnce {
            None
        } else {
            PacketId::new(number as u16)
        },
        properties: properties.as_properties(),
        payload: &[b'x'; 64],
    }
}

fn decode_all(version: Version, mut rest: &[u8]) {
    while !rest.is_empty() {
        match decode(version, rest, 1 << 20) {
            Ok(Decoded::Packet(packet, size)) => {
                black_box(&packet);
                rest = &rest[size..];
            }
            Ok(Decoded::Incomplete { .. }) | Err(_) => panic!("the buffer holds whole valid packets"),
        }
    }
}

fn mqttbytes_all(version: Version, buffer: &mut BytesMut) {
    while !buffer.is_empty() {
        match version {
            Version::V31 | Version::V311 => {
                drop(black_box(mqttbytes::v4::read(buffer, 1 << 20).expect("valid")))
            }
            Version::V5 => drop(black_box(mqttbytes::v5::read(buffer, 1 << 20).expect("valid"))),
        }
    }
}

fn protocol_core_all(version: Version, buffer: &[u8]) {
    let mut builder = PacketBuilder::new();
    let mut cursor = Cursor::new(buffer);
    while let PacketBuildResult::Complete(raw) = builder.feed(&mut cursor) {
        let PacketData::Publish(body) = &raw.data else {
            panic!("the buffer holds PUBLISH only")
        };
        match version {
            Version::V31 | Version::V311 => {
                black_box(theirs::v3_1_1::Publish::parse(raw.flags(), body.clone()).expect("valid"));
            }
            Version::V5 => {
                black_box(theirs::v5_0::Publish::parse(raw.flags(), body.clone()).expect("valid"));
            }
        }
    }
}

fn decoding(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("decode PUBLISH {}", shape.name));
        group.throughput(Throughput::Elements(PACKETS));
        let bytes = buffer(shape);
        group.bench_function("ringwire", |bencher| {
            bencher.iter(|| decode_all(shape.version, black_box(&bytes)));
        });
        group.bench_function("mqttbytes", |bencher| {
            bencher.iter_batched(
                || BytesMut::from(&bytes[..]),
                |mut buffer| mqttbytes_all(shape.version, &mut buffer),
                BatchSize::LargeInput,
            );
        });
        group.bench_function("mqtt-protocol-core", |bencher| {
            bencher.iter(|| protocol_core_all(shape.version, black_box(&bytes)));
        });
        group.finish();
    }
}

fn encoding(criterion: &mut Criterion) {
    for shape in SHAPES {
        let mut group = criterion.benchmark_group(format!("encode PUBLISH {}", shape.name));
        group.throughput(Throughput::Elements(PACKETS));
        encode_ours(&mut group, shape);
        if shape.version == Version::V311 {
            encode_mqttbytes(&mut group, shape);
        }
        group.finish();
    }
}

fn encode_ours(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let properties = properties(shape);
    let publish = publish(shape, 1, &properties);
    let mut out = Vec::with_capacity(1 << 20);
    group.bench_function("ringwire", |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..PACKETS {
                black_box(&publish)
                    .encode(shape.version, &mut out)
                    .expect("encodes");
            }
            black_box(out.len())
        });
    });
}

fn encode_mqttbytes(group: &mut BenchmarkGroup<'_, WallTime>, shape: Shape) {
    let qos = mqttbytes::qos(shape.qos as u8).expect("a QoS");
    let mut publish = mqttbytes::v4::Publish::new(TOPIC, qos, vec![b'x'; 64]);
    publish.pkid = 1;
    let mut out = BytesMut::with_capacity(1 << 20);
    group.bench_function("mqttbytes", |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..PACKETS {
                black_box(&publish).write(&mut out).expect("encodes");
            }
            black_box(out.len())
        });
    });
}

criterion_group!(benches, decoding, encoding);
criterion_main!(benches);
