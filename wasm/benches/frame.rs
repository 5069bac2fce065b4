//! What a frame of 64 bytes costs an adapter in WebAssembly: `Adapter::read` and `answer`, with the call into the module.
//!
//! `pager` reports the payload where it stands; `pager, 16 connections in turns` swaps their states at each frame;
//! `tracker` adds up a difference, prints a position as JSON and answers each frame. EMQ's built-in protocol stands
//! beside them for the price of no module at all.
//!
//! A measurement is of 32 frames: the time of one is a thirty-second of what is shown, or the reciprocal of `thrpt`.
//!
//! Run: `cargo bench -p ringwire-wasm --bench frame`

#![allow(missing_docs)] // criterion_group! makes a function without any

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::adapter::{Adapter, Answer, Blueprint, Event, Link, Peer, Read, Scratch};
use ringwire_wasm::{Module, Settings};
use std::hint::black_box;
use std::path::Path;

/// Frames in the buffer that one reading of the socket brought.
const FRAMES: usize = 32;

fn sample(name: &str) -> Module {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name);
    let bytes = wat::parse_file(path).expect("the sample assembles");
    Module::from_bytes("sample", &bytes, Settings::default()).expect("the sample loads")
}

fn open(adapter: &mut dyn Adapter) -> Link {
    let address = "192.0.2.7:4000".parse().expect("an address");
    adapter.open(Peer {
        address,
        certificate: None,
    })
}

/// What the engine does with a buffer: reads, decides, has it answered. Returns the number of publishes.
fn consume(
    adapter: &mut dyn Adapter,
    link: Link,
    input: &[u8],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> usize {
    let (mut at, mut publishes) = (0, 0);
    out.clear();
    loop {
        let read = adapter
            .read(link, &input[at..], scratch)
            .expect("frames of a sample");
        let (used, answer) = match read {
            Read::Incomplete => return publishes,
            Read::Event { event, used } => match event {
                Event::Publish(publish) => {
                    black_box(publish.payload);
                    publishes += 1;
                    (used, Answer::Taken)
                }
                Event::Connect(_) => (used, Answer::Accepted),
                Event::Identify { .. } | Event::Heartbeat | Event::Acknowledge { .. } | Event::Close => {
                    unreachable!("not in this bench")
                }
            },
            Read::Nothing { .. } | Read::Skipped { .. } => unreachable!("not in this bench"),
        };
        adapter.answer(link, answer, out);
        at += used;
    }
}

struct Subject {
    name: &'static str,
    blueprint: Box<dyn Blueprint>,
    login: &'static [u8],
    frame: Vec<u8>,
    connections: usize,
}

fn pager_frame() -> Vec<u8> {
    [&[63, b'D'][..], &[b'x'; 62]].concat()
}

fn tracker_frame() -> Vec<u8> {
    let body = [&[0, 7, 0][..], &1_i32.to_be_bytes(), &2_i32.to_be_bytes()].concat();
    let sum = body.iter().fold(11 ^ 2, |sum, byte| sum ^ byte);
    [&[0xa5, 11, 2][..], &body, &[sum]].concat()
}

fn frames(criterion: &mut Criterion) {
    let subjects = [
        Subject {
            name: "built in (EMQ v1)",
            blueprint: Box::new(EmqTcp::default()),
            login: b"\x11\x00\x05\x3c\x00\x02d1",
            frame: [&[0x30, 0, 61][..], &[b'x'; 61]].concat(),
            connections: 1,
        },
        Subject {
            name: "pager",
            blueprint: Box::new(sample("pager.wat")),
            login: b"\x03Ld1",
            frame: pager_frame(),
            connections: 1,
        },
        Subject {
            name: "pager, 16 connections in turns",
            blueprint: Box::new(sample("pager.wat")),
            login: b"\x03Ld1",
            frame: pager_frame(),
            connections: 16,
        },
        Subject {
            name: "tracker (15 bytes)",
            blueprint: Box::new(sample("tracker.wasm")),
            login: b"\xa5\x08\x01track--1\x57",
            frame: tracker_frame(),
            connections: 1,
        },
    ];
    let mut group = criterion.benchmark_group("64-byte frame");
    for subject in subjects {
        measure(&mut group, &subject);
    }
    group.finish();
}

fn measure(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>, subject: &Subject) {
    let mut adapter = subject.blueprint.adapter(&[]);
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let links: Vec<Link> = (0..subject.connections).map(|_| open(&mut *adapter)).collect();
    for &link in &links {
        consume(&mut *adapter, link, subject.login, &mut scratch, &mut out);
    }
    // In turns, each connection brings one frame at a time.
    let at_once = if subject.connections == 1 { FRAMES } else { 1 };
    let input = subject.frame.repeat(at_once);
    group.throughput(Throughput::Elements(FRAMES as u64));
    group.bench_function(subject.name, |bencher| {
        bencher.iter(|| {
            let mut publishes = 0;
            for link in links.iter().cycle().take(FRAMES / at_once) {
                publishes += consume(&mut *adapter, *link, &input, &mut scratch, &mut out);
            }
            assert_eq!(publishes, FRAMES);
        });
    });
}

criterion_group!(benches, frames);
criterion_main!(benches);
