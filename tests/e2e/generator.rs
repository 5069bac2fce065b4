//! The load generator against the real broker, both as they are shipped: short runs of every kind, in which nothing is
//! lost, doubled, reordered or broken, and whose counts are those of the broker.

use crate::broker::{Broker, http};
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_load::plan::{End, Plan, Protocol};
use ringwire_load::scenario::{Shape, plan};
use ringwire_load::{Outcome, run};
use std::time::Duration;

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// CPUs for so many workers: those that this process may use, in turn.
fn cpus(workers: usize) -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let ends: Vec<usize> = list
        .expect("a list of CPUs")
        .split([',', '-'])
        .map(|text| text.trim().parse().expect("a CPU"))
        .collect();
    ends.into_iter().cycle().take(workers).collect()
}

/// A short run of a scenario against a broker. It ends by messages, so that there are enough of them also where the
/// machine stood still; without publishers by the clock.
fn short(broker: &Broker, name: &str, shape: &Shape) -> Plan {
    let mut plan = plan(name, shape).unwrap_or_else(|error| panic!("{error}"));
    plan.targets = vec![match plan.protocol {
        Protocol::Private => broker.private(),
        Protocol::Mqtt(_) | Protocol::Raw => broker.mqtt(),
    }];
    plan.mqtt_targets = vec![broker.mqtt()];
    plan.cores = cpus(1);
    plan.warmup = Duration::from_millis(50);
    plan.end = End {
        after: Some(Duration::from_millis(if name == "conn" { 250 } else { 10_000 })),
        messages: (name != "conn").then_some(400),
    };
    plan.drain = Duration::from_secs(30);
    plan
}

/// Runs it; nothing may be wrong.
fn flawless(plan: &Plan) -> Outcome {
    let outcome = run(plan, &mut |_| {}).unwrap_or_else(|error| panic!("{}: {error}", plan.name));
    let (messages, connections) = (&outcome.messages, &outcome.connections);
    assert_eq!(
        connections.made, connections.wanted,
        "{}: {connections:?}",
        plan.name
    );
    assert_eq!(connections.refused + connections.lost, 0, "{connections:?}");
    assert_eq!(connections.reasons, []);
    let wrong = messages.lost + messages.duplicates + messages.reordered + messages.strange;
    assert_eq!(wrong, 0, "{} {}: {messages:?}", plan.name, outcome.protocol);
    outcome
}

#[test]
fn pairs_of_every_version_and_qos_lose_nothing() {
    let broker = Broker::start(2);
    for version in [Version::V31, Version::V311, Version::V5] {
        for qos in LEVELS {
            let shape = Shape {
                protocol: Some(Protocol::Mqtt(version)),
                qos: Some(qos),
                publishers: Some(3),
                ..Shape::default()
            };
            let outcome = flawless(&short(&broker, "p2p", &shape));
            assert!(outcome.messages.delivered > 100, "{:?}", outcome.messages);
            assert!(outcome.latency.count > 100 && outcome.latency.min_us > 0.0);
            let acknowledges = qos != QoS::AtMostOnce;
            assert_eq!(
                outcome.messages.acknowledged > 100,
                acknowledges,
                "{version:?} {qos:?}"
            );
            assert_eq!(outcome.acknowledged.count > 100, acknowledges);
        }
    }
}

#[test]
fn the_counts_of_the_generator_are_those_of_the_broker() {
    let broker = Broker::start(1);
    let shape = Shape {
        qos: Some(QoS::AtLeastOnce),
        publishers: Some(3),
        subscribers: Some(4),
        ..Shape::default()
    };
    let outcome = flawless(&short(&broker, "fan-in", &shape));
    let last = outcome.series.last().expect("samples");
    assert_eq!(last.delivered, 4 * last.published);
    let count = |name| http::metric(broker.admin(), name, &[]) as u64;
    assert_eq!(count("ringwire_messages_received"), last.published);
    assert_eq!(count("ringwire_messages_sent"), last.delivered);
}

#[test]
fn every_scenario_of_mqtt_loses_nothing() {
    let broker = Broker::start(2);
    for (name, qos) in [
        ("fan-in", QoS::ExactlyOnce),
        ("fan-out", QoS::AtMostOnce),
        ("wildcard", QoS::AtLeastOnce),
        ("echo", QoS::AtLeastOnce),
        ("mixed", QoS::AtMostOnce),
        ("p2p-20-20-20-400", QoS::AtLeastOnce),
        ("fanout-5-10-5-2K", QoS::AtLeastOnce),
    ] {
        let shape = Shape {
            qos: Some(qos),
            connections: Some(100),
            ..Shape::default()
        };
        let outcome = flawless(&short(&broker, name, &shape));
        assert!(outcome.messages.delivered > 20, "{name}: {:?}", outcome.messages);
    }
}

#[test]
fn every_scenario_of_devices_loses_nothing() {
    let broker = Broker::start(2);
    for name in ["p2p", "fan-in", "fan-out", "wildcard", "echo"] {
        let shape = Shape {
            protocol: Some(Protocol::Private),
            publishers: Some(4),
            subscribers: Some(4),
            window: Some(8),
            ..Shape::default()
        };
        let outcome = flawless(&short(&broker, name, &shape));
        assert_eq!(outcome.protocol, "private-tcp 1");
        assert!(outcome.messages.delivered > 100, "{name}: {:?}", outcome.messages);
    }
}

#[test]
fn two_workers_whose_publishers_and_subscribers_are_apart_lose_nothing() {
    let broker = Broker::start(2);
    for qos in LEVELS {
        let shape = Shape {
            qos: Some(qos),
            publishers: Some(5),
            subscribers: Some(3),
            ..Shape::default()
        };
        let mut plan = short(&broker, "fan-in", &shape);
        plan.cores = cpus(2);
        let outcome = flawless(&plan);
        assert!(outcome.messages.delivered > 300, "{:?}", outcome.messages);
    }
}

#[test]
fn an_open_loop_sends_as_many_as_it_should() {
    let broker = Broker::start(1);
    let shape = Shape {
        qos: Some(QoS::AtLeastOnce),
        publishers: Some(4),
        rate: Some(500.0),
        payload_bytes: Some(16),
        ..Shape::default()
    };
    let mut plan = short(&broker, "p2p", &shape);
    plan.warmup = Duration::ZERO;
    plan.end = End {
        after: Some(Duration::from_secs(1)),
        messages: None,
    };
    let mut rates = Vec::new();
    // What was due while the machine stood still is not sent if the run ends with that: some of the runs may be so.
    while !rates.last().is_some_and(|rate| (1_800.0..2_200.0).contains(rate)) {
        assert!(rates.len() < 5, "2,000 a second were asked for: {rates:?}");
        let outcome = flawless(&plan);
        rates.push(outcome.messages.published as f64 / outcome.seconds);
    }
}

#[test]
fn a_thousand_idle_clients_connect_at_the_rate_that_was_asked_for() {
    let broker = Broker::start(2);
    let shape = Shape {
        connections: Some(1_000),
        ..Shape::default()
    };
    let mut plan = short(&broker, "conn", &shape);
    plan.connect_rate = Some(2_000.0);
    plan.source_addresses = 7;
    plan.broker_pid = Some(broker.pid());
    let outcome = flawless(&plan);
    assert_eq!(outcome.connecting.count, 1_000);
    assert!(outcome.connections.seconds > 0.45, "{:?}", outcome.connections);
    let figures = outcome.broker.expect("its pid is known");
    assert!(figures.rss_connected > figures.rss_before, "{figures:?}");
}

#[test]
fn idle_clients_keep_their_connections_with_pings() {
    let broker = Broker::start(1);
    let protocols = [
        Protocol::Mqtt(Version::V5),
        Protocol::Mqtt(Version::V311),
        Protocol::Private,
    ];
    let plans = protocols.map(|protocol| {
        let shape = Shape {
            protocol: Some(protocol),
            connections: Some(20),
            ..Shape::default()
        };
        let mut plan = short(&broker, "conn", &shape);
        plan.client_id_prefix = format!("{protocol:?}-");
        // Without pings they would be closed after 4.5 s; with them a machine may stand still for two.
        plan.keepalive_s = 3;
        plan.end.after = Some(Duration::from_secs(6));
        plan
    });
    std::thread::scope(|scope| {
        for plan in &plans {
            scope.spawn(|| flawless(plan));
        }
    });
}

#[test]
fn messages_larger_than_any_buffer_arrive_whole() {
    let broker = Broker::start(2);
    for qos in LEVELS {
        let shape = Shape {
            qos: Some(qos),
            payload_bytes: Some(300_000),
            publishers: Some(2),
            ..Shape::default()
        };
        let mut plan = short(&broker, "p2p", &shape);
        plan.end.messages = Some(20);
        assert!(flawless(&plan).messages.delivered > 0);
    }
}

#[test]
fn a_run_ends_after_so_many_messages() {
    let broker = Broker::start(1);
    let mut plan = short(&broker, "p2p", &Shape::default());
    plan.end = End {
        after: None,
        messages: Some(20_000),
    };
    let outcome = flawless(&plan);
    assert!(outcome.messages.delivered >= 20_000);
}
