//! What must not grow with the number of subscriptions: finding the subscriber of a topic.
//!
//! A search that visited all of them would take 10,000 times as long among 100,000 as among 10; the limit here leaves room
//! for caches that do not hold them and for a busy machine. The strict form is the instruction count of
//! `benches/engine` (`find.literal_10` and `find.literal_100k` have one limit).
#![allow(clippy::disallowed_methods)] // Instant::now: this is no engine

use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_core::SessionId;
use ringwire_core::index::{Index, Subscription};
use std::hint::black_box;
use std::time::{Duration, Instant};

const FEW: usize = 10;
const MANY: usize = 100_000;
const RATIO_MAX: u32 = 100;

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
    let round = || {
        let from = Instant::now();
        let mut found = 0;
        for topic in &topics {
            index.for_each_match(black_box(topic), |_, _| found += 1);
        }
        assert_eq!(found, topics.len());
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
