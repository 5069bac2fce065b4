//! The topic index alone: finding who subscribes to a topic, among few and many subscriptions.
//!
//! A literal topic must cost the same however many there are; a wildcard's cost grows with the filters that match and with
//! the levels of the topic, not with those that stand beside them. Topics are all different (or a thousand in turn), so
//! that the index has to look, but for `again`: the same ones, which it remembers.

use crate::UNITS;
use gungraun::{library_benchmark, library_benchmark_group};
use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_core::SessionId;
use ringwire_core::index::{Index, Subscription};
use std::hint::black_box;

const SUBSCRIPTION: Subscription = Subscription {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::Send,
    identifier: None,
};

/// An index, topics to look up, and how many subscriptions each finds.
type Ready = (Index, Vec<String>, usize);

/// `filter(n)` for n below `count`, looked up by `topic(n)`; `each` subscriptions match a topic.
fn index(
    count: usize,
    filter: impl Fn(usize) -> String,
    topic: impl Fn(usize) -> String,
    each: usize,
) -> Ready {
    let mut index = Index::new(1);
    for number in 0..count {
        index.insert(&filter(number), SessionId(number as u32), SUBSCRIPTION);
    }
    // A stride that visits all of a large index, so that no few of them are looked up again and again.
    let topics = (0..UNITS).map(|number| topic(number * 7_919 % count));
    (index, topics.collect(), each)
}

fn literal(count: usize) -> Ready {
    index(count, device, device, 1)
}

fn nobody(count: usize) -> Ready {
    index(count, device, |number| format!("tcp/device-{number:07}/up"), 0)
}

fn wildcard(count: usize) -> Ready {
    index(
        count,
        |number| format!("site/{number:07}/+/temperature"),
        |number| format!("site/{number:07}/boiler/temperature"),
        1,
    )
}

/// Every filter of four levels with a `+` at the second that matches `a/NUMBER/c/d`, and three with `#`, beside others.
fn overlapping(count: usize) -> Ready {
    let (mut index, _, _) = wildcard(count);
    let mut each = 0;
    let mut subscribe = |filter: String| {
        each += 1;
        index.insert(&filter, SessionId(1_000_000 + each), SUBSCRIPTION);
    };
    for pluses in 0..8 {
        let level = |at: usize, name: &'static str| if pluses >> at & 1 == 1 { "+" } else { name };
        subscribe(format!("{}/+/{}/{}", level(0, "a"), level(1, "c"), level(2, "d")));
    }
    for filter in ["a/#", "a/+/#", "a/+/c/#"] {
        subscribe(filter.to_owned());
    }
    let topics = (0..UNITS).map(|number| format!("a/{number:07}/c/d"));
    (index, topics.collect(), each as usize)
}

fn device(number: usize) -> String {
    format!("tcp/device-{number:07}/dn")
}

#[library_benchmark]
#[bench::literal_again(literal(10))]
#[bench::literal_1k(literal(1_000))]
#[bench::literal_10k(literal(10_000))]
#[bench::literal_100k(literal(100_000))]
#[bench::nobody_1k(nobody(1_000))]
#[bench::nobody_100k(nobody(100_000))]
#[bench::wildcard_again(wildcard(10))]
#[bench::wildcard_1k(wildcard(1_000))]
#[bench::wildcard_10k(wildcard(10_000))]
#[bench::wildcard_100k(wildcard(100_000))]
#[bench::overlapping_11_of_10k(overlapping(10_000))]
fn find((mut index, topics, expected): Ready) -> Ready {
    let mut found = Vec::with_capacity(100);
    for topic in &topics {
        index.matches(black_box(topic), &mut found);
        assert_eq!(black_box(&found).len(), expected);
    }
    (index, topics, expected)
}

/// Filters that are not subscribed yet.
fn filters(filter: impl Fn(usize) -> String) -> (Index, Vec<String>) {
    let mut index = Index::new(1);
    // Its tables have room: growing them is measured over many more by the memory tests.
    for number in 0..UNITS {
        let id = index.insert(&filter(number), SessionId(1), SUBSCRIPTION).filter;
        index.remove(id, SessionId(1));
    }
    (index, (0..UNITS).map(filter).collect())
}

#[library_benchmark]
#[bench::literal(filters(device))]
#[bench::wildcard(filters(|number| format!("site/{number:07}/+/temperature")))]
fn subscribe((mut index, filters): (Index, Vec<String>)) -> (Index, Vec<String>) {
    for filter in &filters {
        black_box(index.insert(filter, SessionId(1), SUBSCRIPTION));
    }
    (index, filters)
}

library_benchmark_group!(name = index_group, benchmarks = [find, subscribe]);
