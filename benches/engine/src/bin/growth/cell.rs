//! One cell of the tables: a desk with so many subscriptions, what they weigh and what a publish costs.
//!
//! Time is the best of several rounds, because whatever else the machine does only ever adds; memory is what is asked of
//! the allocator, because the resident set moves in steps.

use crate::HEAP;
use desk::{Desk, MQTT, Message, Peer, Step, connect, subscribe};
use ringwire_codec::mqtt::{Properties, Publish, QoS, Version};
use ringwire_core::ConnectionId;
use ringwire_core::placement::Placement;
use std::fmt::Write;
use std::time::Instant;

const V311: Version = Version::V311;
const ROUNDS: usize = 9;
const READS: usize = 200;
const BATCH: usize = 100;
const TOPIC: &str = "devices/%/command";

/// A desk and the clients at it, of which nothing is recorded: a million of them must fit.
struct Crowd {
    desk: Desk,
    placement: Placement,
    /// The next free slot of each shard.
    slots: Vec<u32>,
}

impl Crowd {
    fn new(shards: u16) -> Self {
        Self {
            desk: Desk::new(shards),
            placement: Placement::new([1, 2], shards),
            slots: vec![0; usize::from(shards)],
        }
    }

    fn enter(&mut self, client_id: &str) -> Peer {
        let shard = self.placement.home(client_id.as_bytes());
        let slot = &mut self.slots[shard.index()];
        let id = ConnectionId {
            slot: *slot,
            generation: 1,
        };
        *slot += 1;
        let peer = Peer { shard, id };
        self.step(&Step::Open { peer, listener: MQTT });
        self.say(peer, connect(V311, client_id));
        peer
    }

    /// So many devices with all of `filters`: bytes that their connections and sessions took, and their subscriptions.
    fn subscribe(&mut self, devices: usize, filters: &[&str]) -> (usize, usize) {
        let before = HEAP.bytes();
        let mut peers: Vec<Peer> = Vec::new();
        peers.extend((0..devices).map(|number| self.enter(&format!("device-{number:07}"))));
        let list = peers.capacity() * size_of::<Peer>();
        let connected = HEAP.bytes() - before - list;
        for (number, peer) in peers.iter().enumerate() {
            for filter in filters {
                let filter = named(filter, number);
                self.say(*peer, subscribe(V311, &filter, QoS::AtMostOnce));
            }
        }
        (connected, HEAP.bytes() - before - list - connected)
    }

    /// Reads of a publisher that sends to one device after the other, in a stride over all of them.
    fn publishes(&mut self, devices: usize) -> Vec<Step> {
        let publisher = self.enter("publisher");
        let reads = (0..READS).map(|read| {
            let mut bytes = Vec::new();
            for at in 0..BATCH {
                let device = (read * BATCH + at) * 7_919 % devices;
                publish(&named(TOPIC, device), &mut bytes);
            }
            Step::Heard(vec![(publisher, bytes)])
        });
        reads.collect()
    }

    /// Nanoseconds of one of them.
    fn publish_to(&mut self, devices: usize) -> f64 {
        let steps = self.publishes(devices);
        best(|| self.desk.play(&steps)) / (READS * BATCH) as f64
    }

    fn say(&mut self, peer: Peer, bytes: Vec<u8>) {
        self.step(&Step::Heard(vec![(peer, bytes)]));
    }

    fn step(&mut self, step: &Step) {
        self.desk.step(step, &mut |_, _| {});
    }
}

/// Measures a cell and prints its rows.
pub(crate) fn measure(kind: &str, count: &str, shards: &str) -> Result<String, String> {
    let count: usize = count.parse().map_err(|_| format!("{count} is no count"))?;
    let shards: u16 = shards.parse().map_err(|_| format!("{shards} are no shards"))?;
    match kind {
        "fan-out" => Ok(fan_out(count)),
        "shards" => Ok(over_shards(count, shards)),
        _ => Ok(subscriptions(kind, count, filters(kind)?)),
    }
}

/// What each device subscribes to; `%` is its number.
fn filters(kind: &str) -> Result<&'static [&'static str], String> {
    match kind {
        "unique" => Ok(&[TOPIC]),
        "wildcard" => Ok(&["devices/%/+"]),
        "overlapping" => Ok(&[TOPIC, "devices/%/+", "devices/%/#"]),
        _ => Err(format!("{kind} is no cell")),
    }
}

/// `count` subscriptions, of devices that have all of `filters`, and a publish to one device after the other.
fn subscriptions(kind: &str, count: usize, filters: &[&str]) -> String {
    let devices = count / filters.len();
    let mut crowd = Crowd::new(1);
    let weight = crowd.subscribe(devices, filters);
    let subscribed = (devices * filters.len()) as f64;
    assert_eq!(crowd.desk.subscriptions() as f64, subscribed);
    let mut rows = String::new();
    row(&mut rows, "publish", kind, count, crowd.publish_to(devices));
    row(
        &mut rows,
        "subscription-memory",
        kind,
        count,
        weight.1 as f64 / subscribed,
    );
    rows
}

fn fan_out(subscribers: usize) -> String {
    let mut crowd = Crowd::new(1);
    for number in 0..subscribers {
        let peer = crowd.enter(&format!("subscriber-{number}"));
        crowd.say(peer, subscribe(V311, "news/today", QoS::AtMostOnce));
    }
    let publisher = crowd.enter("publisher");
    let mut bytes = Vec::new();
    for _ in 0..BATCH {
        publish("news/today", &mut bytes);
    }
    let steps = vec![Step::Heard(vec![(publisher, bytes)]); (20_000 / subscribers).max(10)];
    let nanoseconds = best(|| crowd.desk.play(&steps)) / (steps.len() * BATCH * subscribers) as f64;
    let mut rows = String::new();
    row(&mut rows, "fan-out", "a delivery", subscribers, nanoseconds);
    rows
}

/// Devices over all shards, each with a subscription of its own: what one weighs, and what a message from one publisher
/// costs all engines together.
fn over_shards(devices: usize, shards: u16) -> String {
    let mut crowd = Crowd::new(shards);
    let (connected, subscribed) = crowd.subscribe(devices, &[TOPIC]);
    let each = |bytes: usize| bytes as f64 / devices as f64;
    let mut rows = String::new();
    let x = usize::from(shards);
    row(
        &mut rows,
        "shards-memory",
        "a connection and its session",
        x,
        each(connected),
    );
    row(
        &mut rows,
        "shards-memory",
        "its subscription",
        x,
        each(subscribed),
    );
    row(
        &mut rows,
        "shards-publish",
        "a message",
        x,
        crowd.publish_to(devices),
    );
    rows
}

fn publish(topic: &str, out: &mut Vec<u8>) {
    let message = Message::new(topic, QoS::AtMostOnce);
    let publish = Publish {
        dup: false,
        qos: message.qos,
        retain: false,
        topic,
        packet_id: None,
        properties: Properties::EMPTY,
        payload: message.payload,
    };
    publish.encode(V311, out).expect("a PUBLISH");
}

fn named(text: &str, device: usize) -> String {
    text.replace('%', &format!("{device:07}"))
}

/// Nanoseconds of the fastest of several rounds, after one that nobody looks at.
fn best(mut round: impl FnMut()) -> f64 {
    round();
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let from = Instant::now();
        round();
        least = least.min(from.elapsed().as_nanos() as f64);
    }
    least
}

/// One round of publishes to `count` subscriptions of a kind, after one that is not counted: for callgrind, which counts
/// inside [`counted`] only. Prints the number of publishes.
pub(crate) fn count(kind: &str, count: &str) -> Result<String, String> {
    let count: usize = count.parse().map_err(|_| format!("{count} is no count"))?;
    let filters = filters(kind)?;
    let mut crowd = Crowd::new(1);
    let devices = count / filters.len();
    crowd.subscribe(devices, filters);
    let steps = crowd.publishes(devices);
    crowd.desk.play(&steps);
    counted(&mut crowd.desk, &steps);
    Ok(format!("{}\n", READS * BATCH))
}

#[inline(never)]
fn counted(desk: &mut Desk, steps: &[Step]) {
    desk.play(std::hint::black_box(steps));
}

fn row(rows: &mut String, chart: &str, series: &str, x: usize, y: f64) {
    writeln!(rows, "{chart}\t{series}\t{x}\t{y:.1}").expect("a string takes everything");
}
