//! Names, defaults and the grammar of the suite.

use super::*;

fn publishing(plan: &Plan) -> &Publishing {
    let mut found = plan.groups.iter().filter_map(|group| group.publishing.as_ref());
    found.next().expect("a group that publishes")
}

#[test]
fn every_scenario_has_a_plan_with_subscribers_before_publishers() {
    for scenario in &ALL {
        let plan = plan(scenario.name, &Shape::default()).unwrap();
        assert_eq!(plan.name, scenario.name);
        assert!(plan.groups.iter().all(|group| group.count > 0));
        let first = plan.groups.first().unwrap();
        assert!(first.publishing.is_none(), "{}", scenario.name);
    }
}

#[test]
fn a_shape_changes_what_it_names() {
    let shape = Shape {
        protocol: Some(Protocol::Mqtt(Version::V5)),
        qos: Some(QoS::ExactlyOnce),
        payload_bytes: Some(100),
        publishers: Some(7),
        subscribers: Some(3),
        window: Some(9),
        ..Shape::default()
    };
    let plan = plan("fan-in", &shape).unwrap();
    assert_eq!(plan.protocol, Protocol::Mqtt(Version::V5));
    assert_eq!((plan.groups[0].count, plan.groups[1].count), (3, 7));
    let publishing = publishing(&plan);
    assert_eq!((publishing.payload_bytes, publishing.fanout), (100, 3));
    assert_eq!(publishing.qos, QoS::ExactlyOnce);
    assert_eq!(
        publishing.pace,
        Pace::Window {
            messages: 9,
            until_delivered: true
        }
    );
}

#[test]
fn devices_are_heard_on_the_topics_that_the_broker_gives_them() {
    let shape = Shape {
        protocol: Some(Protocol::Private),
        ..Shape::default()
    };
    let plan = plan("echo", &shape).unwrap();
    assert_eq!(plan.groups[0].filters[0].text, "tcp/%ppub-%i/up");
    assert!(plan.groups[0].mqtt_always);
    assert!(plan.groups[1].filters.is_empty() && !plan.groups[1].mqtt_always);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let of = |name: &str, shape: Shape| plan(name, &shape).unwrap_err().to_string();
    let private = Shape {
        protocol: Some(Protocol::Private),
        qos: Some(QoS::AtLeastOnce),
        ..Shape::default()
    };
    assert!(of("p2p", private).contains("only MQTT has acknowledgements"));
    let uneven = Shape {
        publishers: Some(2),
        subscribers: Some(3),
        ..Shape::default()
    };
    assert_eq!(
        of("p2p", uneven),
        "subscribers of p2p must be as many as publishers"
    );
    let rate = Shape {
        rate: Some(0.0),
        ..Shape::default()
    };
    assert_eq!(of("p2p", rate), "the rate of p2p must be above 0");
    assert!(of("p3p", Shape::default()).starts_with("there is no scenario p3p; there are conn, p2p,"));
}

#[test]
fn a_relay_that_knows_no_messages_is_given_no_streams_to_mix() {
    let of = |name: &str, window| {
        plan(
            name,
            &Shape {
                protocol: Some(Protocol::Raw),
                window,
                ..Shape::default()
            },
        )
    };
    for name in ["p2p", "fan-out", "echo", "wildcard"] {
        assert!(of(name, None).is_ok(), "{name}");
    }
    assert!(of("p2p", Some(9)).is_ok());
    for (name, window) in [("fan-in", None), ("wildcard", Some(2)), ("shared", None)] {
        assert!(
            matches!(of(name, window), Err(ScenarioError::Protocol { .. })),
            "{name}"
        );
    }
}

#[test]
fn large_messages_and_many_publishers_have_smaller_windows() {
    let window = |publishers, payload_bytes, qos| {
        let shape = Shape {
            publishers: Some(publishers),
            payload_bytes: Some(payload_bytes),
            qos: Some(qos),
            ..Shape::default()
        };
        match publishing(&plan("p2p", &shape).unwrap()).pace {
            Pace::Window { messages, .. } => messages,
            Pace::Rate { .. } => 0,
        }
    };
    assert_eq!(window(1, 64, QoS::AtMostOnce), 4_000);
    assert_eq!(window(10, 64, QoS::AtMostOnce), 400);
    assert_eq!(window(1_000, 64, QoS::AtMostOnce), 16);
    assert_eq!(window(1, 64, QoS::AtLeastOnce), 100);
    assert_eq!(window(1, 100_000, QoS::AtLeastOnce), 10);
    assert_eq!(window(100, 1 << 20, QoS::AtLeastOnce), 1);
}

#[test]
fn names_of_the_suite_say_clients_topics_and_rate() {
    let conn = plan("conn-tcp-1M-5K", &Shape::default()).unwrap();
    assert_eq!(
        (conn.groups[0].count, conn.connect_rate),
        (1_000_000, Some(5_000.0))
    );
    assert!(conn.groups[0].filters.is_empty());
    assert_eq!(conn.keepalive_s, 300);

    let fanout = plan("singlenode-fanout-5-1000-5-250K", &Shape::default()).unwrap();
    assert_eq!(fanout.name, "fanout-5-1000-5-250K");
    assert_eq!(
        (fanout.groups[0].count, fanout.groups[0].filters.len()),
        (1_000, 5)
    );
    let to_all = publishing(&fanout);
    assert_eq!(
        (to_all.fanout, to_all.payload_bytes, to_all.qos),
        (1_000, 16, QoS::AtLeastOnce)
    );
    assert!(matches!(to_all.pace, Pace::Rate { per_second, .. } if per_second == 50.0));

    let pairs = plan("p2p-1K-1K-1K-1K", &Shape::default()).unwrap();
    assert_eq!(pairs.protocol, Protocol::Mqtt(Version::V311));
    assert!(matches!(publishing(&pairs).pace, Pace::Rate { per_second, .. } if per_second == 1.0));

    let shared = plan("sharesub-50K-500-50K-50K", &Shape::default()).unwrap();
    assert_eq!(shared.protocol, Protocol::Mqtt(Version::V5));
    assert_eq!((shared.groups[0].count, shared.groups[1].count), (500, 50_000));
    assert_eq!(publishing(&shared).topics, ["test/%n"]);
}

#[test]
fn a_name_of_the_suite_that_is_written_wrongly_says_how_it_is_written() {
    for (name, what) in [
        ("p2p-1K-1K-1K", "it has 3 numbers instead of 4"),
        ("p2p-1K-2K-1K-1K", "publishers and subscribers must be equal"),
        ("conn-tcp-1X-5K", "1X is no number above 0"),
        ("conn-tcp-0-5K", "0 is no number above 0"),
        ("fanout-5-10-4-100", "publishers and topics must be equal"),
    ] {
        let error = plan(name, &Shape::default()).unwrap_err();
        assert!(matches!(error, ScenarioError::Grammar { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}
