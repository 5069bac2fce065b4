//! Decoding allocates nothing, and encoding into a buffer with room nothing either: counted, in a binary of its own.
//!
//! The counter is per thread, so that the harness does not disturb it.

#[allow(dead_code)]
mod model;

use model::{Case, KINDS, case_of};
use proptest::strategy::{Strategy, ValueTree};
use ringwire_codec::mqtt::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // At the end of a thread the counter is gone before the last allocation.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes on to the system's allocator with its arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise for `layout` holds for the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn cases() -> Vec<Case> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut cases = Vec::new();
    for version in [Version::V31, Version::V311, Version::V5] {
        for kind in KINDS
            .into_iter()
            .filter(|&kind| kind != PacketType::Auth || version == Version::V5)
        {
            for _ in 0..20 {
                cases.push(
                    case_of(version, kind)
                        .new_tree(&mut runner)
                        .expect("a case")
                        .current(),
                );
            }
        }
    }
    cases
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn decoding_allocates_nothing() {
    for case in cases() {
        let bytes = case.bytes();
        let taken = allocations(|| {
            let packet = decode(case.version, black_box(&bytes), u32::MAX);
            assert!(matches!(packet, Ok(Decoded::Packet(_, size)) if size == bytes.len()));
            read_everything(&packet);
        });
        assert_eq!(taken, 0, "{case:?}");
    }
}

/// Walks what is scanned on demand.
fn read_everything(decoded: &Result<Decoded<'_>, DecodeError>) {
    let Ok(Decoded::Packet(packet, _)) = decoded else {
        return;
    };
    match packet {
        Packet::Publish(publish) => {
            black_box(publish.properties.iter().count());
            black_box(publish.properties.topic_alias());
            black_box(publish.properties.subscription_identifiers().count());
        }
        Packet::Subscribe(subscribe) => drop(black_box(subscribe.filters.iter().count())),
        Packet::Unsubscribe(unsubscribe) => drop(black_box(unsubscribe.filters().count())),
        Packet::Connect(connect) => drop(black_box(connect.properties.iter().count())),
        Packet::ConnAck(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq
        | Packet::PingResp
        | Packet::Disconnect(_)
        | Packet::Auth(_) => {}
    }
}

/// What no input of at least one whole header gives.
const EMPTY: Decoded<'static> = Decoded::Incomplete { needed: Some(0) };

#[test]
fn refusing_allocates_nothing() {
    for case in cases() {
        let mut bytes = case.bytes();
        for at in 0..bytes.len().min(40) {
            let byte = bytes[at];
            bytes[at] = !byte;
            let taken =
                allocations(|| assert!(black_box(decode(case.version, &bytes, 1 << 20)) != Ok(EMPTY)));
            assert_eq!(taken, 0, "{case:?}");
            bytes[at] = byte;
        }
    }
}

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let mut out = Vec::with_capacity(1 << 20);
    for case in cases() {
        out.clear();
        let taken = allocations(|| {
            let packet = case.packet();
            packet.encode(case.version, &mut out).expect("encodes");
        });
        assert_eq!(taken, 0, "{case:?}");
    }
}
