//! The generator against a server that misbehaves in a way that is known exactly: what it reports must be just that.

mod server;

use ringwire_codec::mqtt::QoS;
use ringwire_load::plan::{End, Pace, Plan};
use ringwire_load::scenario::{Shape, plan};
use ringwire_load::{Outcome, RunError, run};
use rustix::net::{AddressFamily, SocketType};
use server::{Manner, Server};
use std::net::SocketAddr;
use std::time::Duration;

/// Pairs with an open loop of so many messages a second, until so many are there: a run that ends by the clock may end
/// with next to nothing on a machine that stood still.
fn pairs(server: &Server, qos: QoS, per_second: f64) -> Plan {
    let shape = Shape {
        qos: Some(qos),
        publishers: Some(2),
        rate: Some(per_second),
        ..Shape::default()
    };
    let mut plan = plan("p2p", &shape).expect("a scenario");
    plan.targets = vec![server.address];
    plan.cores = vec![first_cpu()];
    plan.warmup = Duration::ZERO;
    plan.end = End {
        after: None,
        messages: Some(800),
    };
    plan.drain = Duration::from_secs(2);
    plan
}

fn first_cpu() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let mut lines = status.lines();
    let list = lines
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .expect("a list of CPUs");
    let first = list.trim().split([',', '-']).next().expect("a CPU");
    first.parse().expect("a number")
}

fn outcome(plan: &Plan) -> Outcome {
    run(plan, &mut |_| {}).expect("an outcome")
}

#[test]
fn nothing_is_reported_of_a_server_that_does_its_work() {
    let server = Server::start(Manner::default());
    let outcome = outcome(&pairs(&server, QoS::AtMostOnce, 1_000.0));
    let messages = &outcome.messages;
    assert!(messages.delivered > 100, "{messages:?}");
    assert_eq!(
        messages.lost + messages.duplicates + messages.reordered + messages.strange,
        0
    );
    assert_eq!(outcome.connections.made, 4);
    assert_eq!((outcome.connections.refused, outcome.connections.lost), (0, 0));
    assert!(outcome.connections.reasons.is_empty());
    assert_eq!(server.seen().published, server.seen().sent);
    assert!(outcome.latency.count > 100 && outcome.latency.min_us > 0.0);
    assert!(outcome.latency.p50_us <= outcome.latency.p99_us);
}

#[test]
fn every_lost_doubled_late_and_broken_message_is_found() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let server = Server::start(Manner {
            drop: Some(10),
            double: Some(20),
            hold: Some(30),
            corrupt: Some(40),
            ..Manner::default()
        });
        let messages = outcome(&pairs(&server, qos, 1_000.0)).messages;
        let seen = server.seen();
        assert!(
            seen.dropped > 5 && seen.doubled > 5 && seen.held > 5 && seen.corrupted > 5,
            "{seen:?}"
        );
        // One whose bytes are wrong is nobody's: it is strange, and the one that it was is missing.
        assert_eq!(messages.lost, seen.dropped + seen.corrupted, "{seen:?}");
        assert_eq!(messages.duplicates, seen.doubled, "{seen:?}");
        assert_eq!(messages.reordered, seen.held, "{seen:?}");
        assert_eq!(messages.strange, seen.corrupted, "{seen:?}");
    }
}

#[test]
fn a_closed_loop_goes_on_although_messages_are_lost() {
    let server = Server::start(Manner {
        drop: Some(0),
        ..Manner::default()
    });
    let mut plan = pairs(&server, QoS::AtMostOnce, 1.0);
    for publishing in plan
        .groups
        .iter_mut()
        .filter_map(|group| group.publishing.as_mut())
    {
        publishing.pace = Pace::Window {
            messages: 10,
            until_delivered: true,
        };
    }
    plan.end.after = Some(Duration::from_secs(6));
    plan.drain = Duration::from_millis(300);
    let outcome = outcome(&plan);
    let seen = server.seen();
    assert_eq!(outcome.messages.lost, seen.dropped);
    assert!(seen.dropped > 20, "windows were opened again: {seen:?}");
}

#[test]
fn time_counts_from_the_moment_at_which_a_message_should_have_been_sent() {
    let server = Server::start(Manner {
        pause: Some(Duration::from_millis(300)),
        ..Manner::default()
    });
    let mut plan = pairs(&server, QoS::AtLeastOnce, 1_000.0);
    for publishing in plan
        .groups
        .iter_mut()
        .filter_map(|group| group.publishing.as_mut())
    {
        publishing.pace = Pace::Rate {
            per_second: 1_000.0,
            window: 1,
        };
    }
    let outcome = outcome(&plan);
    // Each publisher was held up for 300 ms by one acknowledgement: what was due meanwhile is late, not left out.
    assert!(outcome.latency.max_us > 290_000.0, "{:?}", outcome.latency);
    let late = outcome
        .latency
        .curve
        .iter()
        .find(|(quantile, _)| *quantile >= 0.8)
        .unwrap();
    assert!(
        late.1 > 50_000.0,
        "many were late, not one: {:?}",
        outcome.latency.curve
    );
    assert_eq!(outcome.messages.lost, 0);
}

#[test]
fn a_refusal_says_its_reason() {
    let server = Server::start(Manner {
        refuse: true,
        ..Manner::default()
    });
    let error = run(&pairs(&server, QoS::AtMostOnce, 1_000.0), &mut |_| {}).unwrap_err();
    let RunError::NobodyConnected { wanted, reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((*wanted, reason.as_str()), (4, "refused: not_authorized"));
}

#[test]
fn a_port_where_nobody_listens_says_so() {
    let server = Server::start(Manner::default());
    let mut plan = pairs(&server, QoS::AtMostOnce, 1_000.0);
    // Held, so that it is nobody else's meanwhile: bound, and nobody listens.
    let held = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = rustix::net::getsockname(&held).unwrap();
    plan.targets = vec![SocketAddr::try_from(address).unwrap()];
    let error = run(&plan, &mut |_| {}).unwrap_err().to_string();
    assert!(
        error.contains("none of 4 clients") && error.contains("Connection refused"),
        "{error}"
    );
}

#[test]
fn a_server_that_hangs_up_ends_the_run() {
    let server = Server::start(Manner {
        hang_up_after: Some(50),
        ..Manner::default()
    });
    let mut plan = pairs(&server, QoS::AtMostOnce, 1_000.0);
    plan.end.after = Some(Duration::from_secs(60));
    let error = run(&plan, &mut |_| {}).unwrap_err();
    let RunError::AllLost { made, reason, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*made, 4);
    assert!(
        reason == "closed by the broker without a word" || reason.contains("reset"),
        "{reason}"
    );
}

#[test]
fn what_is_not_mqtt_ends_the_connection_with_a_reason() {
    let server = Server::start(Manner {
        babble: true,
        ..Manner::default()
    });
    let error = run(&pairs(&server, QoS::AtMostOnce, 1_000.0), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("the broker sent what is not MQTT"), "{error}");
}

#[test]
fn a_server_that_falls_silent_does_not_hang_the_run() {
    let server = Server::start(Manner {
        mute_after: Some(50),
        ..Manner::default()
    });
    let mut plan = pairs(&server, QoS::AtLeastOnce, 1_000.0);
    for publishing in plan
        .groups
        .iter_mut()
        .filter_map(|group| group.publishing.as_mut())
    {
        publishing.pace = Pace::Rate {
            per_second: 1_000.0,
            window: 10,
        };
    }
    plan.end.after = Some(Duration::from_secs(600));
    let error = run(&plan, &mut |_| {}).unwrap_err();
    let RunError::Stalled { phase, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*phase, "measuring");
}

#[test]
fn a_refused_subscription_ends_the_run_with_its_reason() {
    let server = Server::start(Manner {
        refuse_filters: true,
        ..Manner::default()
    });
    let error = run(&pairs(&server, QoS::AtLeastOnce, 1_000.0), &mut |_| {}).unwrap_err();
    let RunError::SubscriptionsRefused { refused, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*refused, 2);
}
