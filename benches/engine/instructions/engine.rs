//! A whole message through the engine: bytes of one client in, bytes for the others out.
//!
//! Reads hold what a busy client sends at once, 100 packets, but for the `lone` cases: one packet a turn, as from a client
//! that waits for each answer. Every case moves [`UNITS`] messages (deliveries, for fan-out).

use crate::UNITS;
use desk::{Desk, Message, PAYLOAD, Recording, Step, Table, connect, subscribe};
use gungraun::{library_benchmark, library_benchmark_group};
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_codec::private::Frame;

/// Packets of one read.
const BATCH: usize = 100;
const TOPIC: &str = "factory/hall-3/line-12/temperature";
const V311: Version = Version::V311;
const V5: Version = Version::V5;

type Ready = (Desk, Vec<Step>);

/// Ready to be measured; the number of messages is what every case promises.
fn ready(table: Table, deliveries: usize) -> Ready {
    let recording: Recording = table.recorded();
    assert_eq!(recording.deliveries, deliveries as u64, "messages that arrived");
    recording.ready()
}

/// `units` messages through `round`, which moves some and says how many: once to warm up, once to be measured.
fn rounds(table: &mut Table, units: usize, mut round: impl FnMut(&mut Table) -> usize) {
    for phase in 0..2 {
        if phase == 1 {
            table.mark();
        }
        let mut done = 0;
        while done < units {
            done += round(table);
        }
        assert_eq!(done, units);
    }
}

/// One publisher and so many subscribers of its topic.
fn publish(version: Version, message: Message<'_>, subscribers: usize, batch: usize) -> Ready {
    let mut table = Table::new(1);
    let publisher = table.mqtt("publisher", version, 0);
    for number in 0..subscribers {
        let subscriber = table.mqtt(&format!("subscriber-{number}"), version, 0);
        table.subscribe(subscriber, message.topic, message.qos);
    }
    rounds(&mut table, UNITS, |table| {
        let bytes = table.publishes(publisher, &message, batch);
        table.say([(publisher, bytes)]);
        table.settle();
        batch * subscribers
    });
    ready(table, UNITS)
}

fn qos(qos: QoS) -> Message<'static> {
    Message::new(TOPIC, qos)
}

fn with_properties() -> Message<'static> {
    Message {
        has_properties: true,
        ..qos(QoS::AtMostOnce)
    }
}

/// Payloads that leave by reference.
fn large() -> Message<'static> {
    Message {
        payload: &[b'x'; 4_096],
        ..qos(QoS::AtMostOnce)
    }
}

/// Ten publishers with a window of a hundred, one subscriber that acknowledges.
fn fan_in() -> Ready {
    let mut table = Table::new(1);
    let publishers: Vec<_> = (0..10)
        .map(|number| table.mqtt(&format!("publisher-{number}"), V311, 0))
        .collect();
    let subscriber = table.mqtt("subscriber", V311, 0);
    table.subscribe(subscriber, "bench/+", QoS::AtLeastOnce);
    rounds(&mut table, UNITS, |table| {
        let mut reads = Vec::new();
        for (number, publisher) in publishers.iter().enumerate() {
            let topic = format!("bench/{number}");
            let message = Message::new(&topic, QoS::AtLeastOnce);
            reads.push((*publisher, table.publishes(*publisher, &message, BATCH)));
        }
        table.say(reads);
        table.settle();
        10 * BATCH
    });
    ready(table, UNITS)
}

/// Fifty publishers with one message in flight each, and fifty subscribers of them all.
fn wildcard() -> Ready {
    let mut table = Table::new(1);
    let publishers: Vec<_> = (0..50)
        .map(|number| table.mqtt(&format!("publisher-{number}"), V311, 0))
        .collect();
    for number in 0..50 {
        let subscriber = table.mqtt(&format!("subscriber-{number}"), V311, 0);
        table.subscribe(subscriber, "bench/+/state", QoS::AtMostOnce);
    }
    rounds(&mut table, UNITS, |table| {
        let mut reads = Vec::new();
        for (number, publisher) in publishers.iter().enumerate() {
            let topic = format!("bench/{number}/state");
            let message = Message::new(&topic, QoS::AtMostOnce);
            reads.push((*publisher, table.publishes(*publisher, &message, 1)));
        }
        table.say(reads);
        table.settle();
        50 * 50
    });
    ready(table, UNITS)
}

/// One publisher and a thousand devices, each with a topic of its own: more than the index remembers.
fn devices() -> Ready {
    let mut table = Table::new(1);
    let publisher = table.mqtt("publisher", V311, 0);
    let topics: Vec<_> = (0..1_000)
        .map(|number| format!("devices/{number:07}/command"))
        .collect();
    for (number, topic) in topics.iter().enumerate() {
        let device = table.mqtt(&format!("device-{number}"), V311, 0);
        table.subscribe(device, topic, QoS::AtMostOnce);
    }
    let mut next = topics.iter().cycle();
    rounds(&mut table, UNITS, |table| {
        let mut bytes = Vec::new();
        for topic in next.by_ref().take(BATCH) {
            bytes.extend(table.publishes(publisher, &Message::new(topic, QoS::AtMostOnce), 1));
        }
        table.say([(publisher, bytes)]);
        table.settle();
        BATCH
    });
    ready(table, UNITS)
}

/// Publisher and subscriber at home on different shards.
fn across(message: Message<'_>) -> Ready {
    let mut table = Table::new(2);
    let publisher = table.mqtt("publisher", V311, 0);
    let subscriber = table.mqtt("subscriber", V311, 1);
    table.subscribe(subscriber, message.topic, message.qos);
    rounds(&mut table, UNITS, |table| {
        let bytes = table.publishes(publisher, &message, BATCH);
        table.say([(publisher, bytes)]);
        table.settle();
        BATCH
    });
    ready(table, UNITS)
}

/// A device's data to an MQTT subscriber.
fn up() -> Ready {
    let mut table = Table::new(1);
    let (device, client_id) = table.device("meter", 0);
    let subscriber = table.mqtt("subscriber", V311, 0);
    table.subscribe(subscriber, &format!("tcp/{client_id}/up"), QoS::AtMostOnce);
    let mut bytes = Vec::new();
    for _ in 0..BATCH {
        let frame = Frame::DataTrans {
            flags: 0,
            payload: &PAYLOAD,
        };
        assert!(frame.encode(&mut bytes));
    }
    rounds(&mut table, UNITS, |table| {
        table.say([(device, bytes.clone())]);
        table.settle();
        BATCH
    });
    ready(table, UNITS)
}

/// An application's messages to a device.
fn down() -> Ready {
    let mut table = Table::new(1);
    let (_, client_id) = table.device("meter", 0);
    let publisher = table.mqtt("publisher", V311, 0);
    let topic = format!("tcp/{client_id}/dn");
    rounds(&mut table, UNITS, |table| {
        let bytes = table.publishes(publisher, &Message::new(&topic, QoS::AtMostOnce), BATCH);
        table.say([(publisher, bytes)]);
        table.settle();
        BATCH
    });
    ready(table, UNITS)
}

fn topic(line: usize) -> String {
    format!("factory/hall-3/line-{line}/temperature")
}

fn retained(topic: &str) -> Message<'_> {
    Message {
        retain: true,
        ..Message::new(topic, QoS::AtMostOnce)
    }
}

/// Retained values of a hundred topics, written again and again; nobody subscribes.
fn retain() -> Ready {
    let mut table = Table::new(1);
    let publisher = table.mqtt("publisher", V311, 0);
    rounds(&mut table, UNITS, |table| {
        let mut bytes = Vec::new();
        for number in 0..BATCH {
            bytes.extend(table.publishes(publisher, &retained(&topic(number)), 1));
        }
        table.say([(publisher, bytes)]);
        table.settle();
        BATCH
    });
    ready(table, 0)
}

/// A SUBSCRIBE that a hundred retained values answer.
fn replay() -> Ready {
    let mut table = Table::new(1);
    let publisher = table.mqtt("publisher", V311, 0);
    let subscriber = table.mqtt("subscriber", V311, 0);
    for number in 0..BATCH {
        let bytes = table.publishes(publisher, &retained(&topic(number)), 1);
        table.say([(publisher, bytes)]);
    }
    rounds(&mut table, UNITS, |table| {
        table.subscribe(subscriber, "factory/+/+/temperature", QoS::AtMostOnce);
        BATCH
    });
    ready(table, UNITS)
}

/// Clients that connect, subscribe to a topic of their own, and leave.
fn visits() -> Ready {
    let mut table = Table::new(1);
    let mut number = 0;
    rounds(&mut table, UNITS, |table| {
        number += 1;
        let visitor = table.mqtt(&format!("visitor-{number}"), V311, 0);
        table.subscribe(visitor, &format!("devices/{number}/command"), QoS::AtLeastOnce);
        table.say([(visitor, vec![0xe0, 0])]);
        1
    });
    ready(table, 0)
}

/// Clients that stay, with one subscription each: connect and subscribe only.
fn arrivals() -> Ready {
    let mut table = Table::new(1);
    let mut number = 0;
    rounds(&mut table, UNITS, |table| {
        number += 1;
        let peer = table.open_mqtt(V311, 0);
        let client_id = format!("device-{number}");
        let filter = format!("devices/{number}/command");
        let mut bytes = connect(V311, &client_id);
        bytes.extend(subscribe(V311, &filter, QoS::AtLeastOnce));
        table.say([(peer, bytes)]);
        table.settle();
        1
    });
    ready(table, 0)
}

fn pings() -> Ready {
    let mut table = Table::new(1);
    let client = table.mqtt("client", V311, 0);
    rounds(&mut table, UNITS, |table| {
        table.say([(client, [0xc0, 0].repeat(BATCH))]);
        table.settle();
        BATCH
    });
    ready(table, 0)
}

#[library_benchmark]
#[bench::qos0_pair(publish(V311, qos(QoS::AtMostOnce), 1, BATCH))]
#[bench::qos0_pair_lone(publish(V311, qos(QoS::AtMostOnce), 1, 1))]
#[bench::qos0_pair_v5(publish(V5, qos(QoS::AtMostOnce), 1, BATCH))]
#[bench::qos0_pair_v5_properties(publish(V5, with_properties(), 1, BATCH))]
#[bench::qos0_fan_out_50(publish(V311, qos(QoS::AtMostOnce), 50, BATCH))]
#[bench::qos0_fan_out_50_large(publish(V311, large(), 50, 4))]
#[bench::qos0_wildcard_50x50(wildcard())]
#[bench::qos0_to_1k_devices(devices())]
#[bench::qos1_pair(publish(V311, qos(QoS::AtLeastOnce), 1, BATCH))]
#[bench::qos1_pair_lone(publish(V311, qos(QoS::AtLeastOnce), 1, 1))]
#[bench::qos1_pair_v5(publish(V5, qos(QoS::AtLeastOnce), 1, BATCH))]
#[bench::qos1_fan_in_10(fan_in())]
#[bench::qos1_fan_out_50(publish(V311, qos(QoS::AtLeastOnce), 50, BATCH))]
#[bench::qos2_pair(publish(V311, qos(QoS::ExactlyOnce), 1, BATCH))]
#[bench::qos0_two_shards(across(qos(QoS::AtMostOnce)))]
#[bench::qos1_two_shards(across(qos(QoS::AtLeastOnce)))]
#[bench::private_up(up())]
#[bench::private_down(down())]
#[bench::retained_set(retain())]
#[bench::retained_replay(replay())]
#[bench::connect_subscribe(arrivals())]
#[bench::connect_subscribe_leave(visits())]
#[bench::ping(pings())]
fn play((mut desk, steps): Ready) -> Ready {
    desk.play(&steps);
    (desk, steps)
}

library_benchmark_group!(name = engine_group, benchmarks = play);
