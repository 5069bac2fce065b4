//! What must not grow with the number of subscriptions: finding the subscriber of a topic.
//!
//! A search that visited all of them would take a thousand times as long among a million as among a thousand; the limit
//! here leaves room for caches that do not hold them and for a busy machine. The strict form is the instruction count of
//! `benches/engine`, where `find.literal_1k` and `find.literal_100k` must be the same.
#![allow(clippy::disallowed_methods)] // Instant::now: this is no engine

use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_core::SessionId;
use ringwire_core::index::{Index, Subscription};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// More than the index remembers of late.
const FEW: usize = 1_000;
const MANY: usize = 1_000_000;
const RATIO_MAX: u32 = 60;

const SUBSCRIPTION: Subscription = Subscription {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::Send,
    identifier: None,
};

/// The fastest of many rounds of a thousand lookups that find one subscriber each.
fn lookups(count: usize, filter: fn(usize) -> String, topic: fn(usize) -> String) -> Duration {
    let mut index = Index::new(1);
    for number in 0..count {
        index.insert(&filter(number), SessionId(number as u32), SUBSCRIPTION);
    }
    let topics: Vec<_> = (0..1_000).map(|at| topic(at * 7_919 % count)).collect();
    let mut found = Vec::new();
    let mut round = || {
        let from = Instant::now();
        for topic in &topics {
            index.matches(black_box(topic), &mut found);
            assert_eq!(found.len(), 1);
        }
        from.elapsed()
    };
    (0..50).map(|_| round()).min().expect("fifty rounds")
}

fn assert_constant(filter: fn(usize) -> String, topic: fn(usize) -> String) {
    let few = lookups(FEW, filter, topic);
    let many = lookups(MANY, filter, topic);
    assert!(
        many < few * RATIO_MAX,
        "{many:?} among {MANY}, {few:?} among {FEW}"
    );
}

#[test]
fn a_unique_topic_is_found_as_fast_among_many() {
    let topic = |number| format!("devices/{number:07}/command");
    assert_constant(topic, topic);
}

#[test]
fn a_wildcard_filter_of_its_own_is_found_as_fast_among_many() {
    assert_constant(
        |number| format!("devices/{number:07}/+/#"),
        |number| format!("devices/{number:07}/boiler/temperature"),
    );
}
