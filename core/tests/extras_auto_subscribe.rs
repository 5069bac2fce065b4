//! Auto-subscribe: what every MQTT client is subscribed to when it connects.

mod node;

use node::{Hello, Node, settings};
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_core::access::{Operation, Rule};
use ringwire_core::settings::AutoSubscribe;
use ringwire_core::{DropReason, Settings};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn row(topic: &str, qos: QoS) -> AutoSubscribe {
    AutoSubscribe {
        topic: topic.to_owned(),
        qos,
        rh: 0,
        rap: false,
        nl: false,
    }
}

fn with(rows: Vec<AutoSubscribe>) -> Settings {
    Settings {
        auto_subscribe: rows,
        ..settings(2)
    }
}

#[test]
fn every_version_gets_its_filters_after_connack_and_what_is_retained_for_them() {
    for version in ALL {
        let mut node = Node::with(with(vec![
            row("c/${clientid}/+", QoS::AtLeastOnce),
            row("h/${host}/%c", QoS::AtMostOnce),
        ]));
        let (name, other) = (node.name_at(1, "c"), node.name_at(0, "other"));
        let publisher = node.connect(0, Hello::new(version, &other));
        node.publish_with(
            publisher,
            version,
            &format!("c/{name}/r"),
            b"kept",
            QoS::AtMostOnce,
            0,
            true,
        );
        let peer = node.open(0);
        node.send(peer, &Hello::new(version, &name).bytes());
        assert_eq!(
            node.take_words(peer, version),
            [
                "connack 0 success".to_owned(),
                format!("publish c/{name}/r kept q0 retain")
            ]
        );
        for topic in [
            format!("c/{name}/x"),
            format!("h/127.0.0.1/{name}"),
            format!("c/{other}/x"),
        ] {
            node.publish(publisher, version, &topic, b"m", QoS::AtLeastOnce, 1);
        }
        assert_eq!(
            node.take_words(peer, version),
            [
                format!("publish c/{name}/x m q1 #1"),
                format!("publish h/127.0.0.1/{name} m q0")
            ]
        );
        assert_eq!(node.client(&name).expect("it is connected").subscriptions_cnt, 2);
    }
}

#[test]
fn a_rule_that_forbids_it_a_missing_username_and_a_name_with_a_wildcard_leave_it_out() {
    let mut settings = with(vec![
        row("secret/%c", QoS::AtMostOnce),
        row("u/${username}", QoS::AtMostOnce),
        row("c/%c", QoS::AtMostOnce),
    ]);
    settings.access.rules = vec![Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: Operation::Subscribe,
        topics: vec!["secret/#".to_owned()],
    }];
    let mut node = Node::with(settings);
    for name in ["plain", "#"] {
        let peer = node.open(0);
        node.send(peer, &Hello::new(Version::V5, name).bytes());
        assert_eq!(node.take_words(peer, Version::V5), ["connack 0 success"]);
    }
    assert_eq!(
        node.client("plain").expect("it is connected").subscriptions_cnt,
        1
    );
    assert_eq!(node.client("#").expect("it is connected").subscriptions_cnt, 0);
    assert_eq!(node.drops(DropReason::SubscribeNotAuthorized), 5);
}

#[test]
fn no_local_and_retain_as_published_hold_for_5_0_alone() {
    for version in [Version::V311, Version::V5] {
        let options = AutoSubscribe {
            nl: true,
            rap: true,
            ..row("t", QoS::AtMostOnce)
        };
        let mut node = Node::with(with(vec![options]));
        let peer = node.connect(0, Hello::new(version, "c"));
        node.publish(peer, version, "t", b"own", QoS::AtMostOnce, 0);
        let other = node.connect(0, Hello::new(version, "other"));
        node.publish_with(other, version, "t", b"m", QoS::AtMostOnce, 0, true);
        let expected: &[&str] = match version {
            Version::V5 => &["publish t m q0 retain"],
            Version::V31 | Version::V311 => &["publish t own q0", "publish t m q0"],
        };
        assert_eq!(node.take_words(peer, version), expected);
    }
}

#[test]
fn a_group_can_be_given_too() {
    let mut node = Node::with(with(vec![row("$share/g/work", QoS::AtLeastOnce)]));
    let peers: Vec<_> = (0..2)
        .map(|shard| {
            let name = node.name_at(shard, "worker");
            node.connect(0, Hello::new(Version::V5, &name))
        })
        .collect();
    let boss = node.connect(1, Hello::new(Version::V5, "boss"));
    for id in 1..=6 {
        node.publish(boss, Version::V5, "work", b"m", QoS::AtLeastOnce, id);
    }
    let count = |words: Vec<String>| {
        words
            .iter()
            .filter(|word| word.starts_with("publish work"))
            .count()
    };
    let counts: Vec<usize> = peers
        .iter()
        .map(|&peer| count(node.take_words(peer, Version::V5)))
        .collect();
    let own = count(node.take_words(boss, Version::V5));
    assert_eq!(counts.iter().sum::<usize>() + own, 6, "each message once");
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
}
