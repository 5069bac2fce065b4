//! What a subscription, an interest, a retained message and a timer cost in memory: counted, in a binary of its own.
//!
//! The counter is per thread, so that the harness does not disturb it. The figures are of the heap as asked for; an
//! allocator rounds up.

use bytes::Bytes;
use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_core::index::{Index, Subscription};
use ringwire_core::interest::Interest;
use ringwire_core::limits::Limits;
use ringwire_core::retained::Retained;
use ringwire_core::wheel::Wheel;
use ringwire_core::{InterestMap, Message, SessionId, ShardId, Time};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // At the end of a thread the counter is gone before the last allocation.
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: every call goes on to the system's allocator with its arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise for `layout` holds for the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just past a doubling of every vector: the dearest moment. Just before it a subscription costs about half.
const COUNT: usize = 262_144 + 1;

/// Heap bytes that `build` leaves in use for each of `COUNT`.
fn bytes_each<T>(what: &str, build: impl FnOnce() -> T) -> usize {
    let before = BYTES.with(Cell::get);
    let built = build();
    let bytes = BYTES.with(Cell::get) - before;
    drop(built);
    let each = bytes as usize / COUNT;
    println!("{what}: {each} bytes each");
    each
}

const SUBSCRIPTION: Subscription = Subscription {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::Send,
    identifier: None,
};

/// 20 bytes.
fn topic(number: usize) -> String {
    format!("tcp/device-{number:06}/dn")
}

#[test]
fn a_unique_literal_subscription_costs_at_most_100_bytes_beside_its_text() {
    let each = bytes_each("literal subscription", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert(&topic(number), SessionId(number as u32), SUBSCRIPTION);
        }
        index
    });
    assert!(each <= 100 + 20, "{each}");
}

#[test]
fn a_unique_wildcard_subscription_costs_at_most_300_bytes_beside_its_text() {
    let each = bytes_each("wildcard subscription", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert(
                &format!("{}/#", topic(number)),
                SessionId(number as u32),
                SUBSCRIPTION,
            );
        }
        index
    });
    assert!(each <= 300 + 22, "{each}");
}

#[test]
fn another_subscriber_of_the_same_filter_costs_at_most_32_bytes() {
    let each = bytes_each("subscriber of one filter", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert("news", SessionId(number as u32), SUBSCRIPTION);
        }
        index
    });
    assert!(each <= 32, "{each}");
}

#[test]
fn an_interest_costs_at_most_64_bytes_however_many_shards_there_are() {
    let each = bytes_each("interest", || {
        let map = Arc::new(InterestMap::new(1));
        let mut interest = Interest::new(map, ShardId(0), 64, 32);
        for number in 0..COUNT {
            interest.add(&topic(number));
        }
        interest
    });
    assert!(each <= 64, "{each}");
}

#[test]
fn a_retained_message_costs_at_most_400_bytes_beside_its_topic_and_payload() {
    let each = bytes_each("retained message", || {
        let mut retained = Retained::new(1, &Limits::default());
        for number in 0..COUNT {
            let message = Message {
                topic: Bytes::from(topic(number).into_bytes()),
                payload: Bytes::from_static(b"x"),
                properties: Bytes::new(),
                qos: QoS::AtMostOnce,
                retain: true,
                publisher: Bytes::new(),
            };
            retained.retain(Arc::new(message), None);
        }
        retained
    });
    assert!(each <= 400 + 20, "{each}");
}

#[test]
fn a_timer_costs_at_most_48_bytes_and_setting_it_again_nothing() {
    let each = bytes_each("timer", || {
        let mut wheel = Wheel::new(Time::ZERO);
        let mut ids: Vec<_> = Vec::with_capacity(COUNT);
        ids.extend((0..COUNT).map(|number| wheel.insert(Time::from_millis(number as u64), number as u64)));
        let before = BYTES.with(Cell::get);
        for id in &mut ids {
            let key = wheel.remove(*id);
            *id = wheel.insert(Time::from_millis(key * 1_000), key);
        }
        assert_eq!(BYTES.with(Cell::get), before);
        wheel
    });
    assert!(each <= 48, "{each}");
}
