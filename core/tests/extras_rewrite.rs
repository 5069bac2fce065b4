//! Topic rewrite: publishes, wills, subscriptions; after the access rules, over several shards.

mod node;

use node::{Hello, Node, settings};
use ringwire_codec::mqtt::{Properties, QoS, Version, Will};
use ringwire_core::access::{Operation, Rule};
use ringwire_core::settings::{RewriteAction, RewriteRule};
use ringwire_core::{DropReason, Settings};

const V5: Version = Version::V5;

fn rules(rows: &[(RewriteAction, &str, &str, &str)]) -> Settings {
    let mut settings = settings(2);
    settings.rewrite = rows
        .iter()
        .map(|&(action, source, re, dest)| RewriteRule {
            action,
            source_topic: source.to_owned(),
            re: re.to_owned(),
            dest_topic: dest.to_owned(),
        })
        .collect();
    settings
}

/// The server's UNSUBACK of one filter.
fn unsubscribe(node: &mut Node, peer: node::Peer, filter: &str) -> Vec<String> {
    let mut bytes = vec![0xA2, 5 + filter.len() as u8, 0, 1, 0, 0, filter.len() as u8];
    bytes.extend_from_slice(filter.as_bytes());
    node.send(peer, &bytes);
    node.take_words(peer, V5)
}

#[test]
fn publishes_subscriptions_and_their_ends_are_rewritten_alike() {
    let mut node = Node::with(rules(&[(RewriteAction::All, "x/#", "^x/y/(.+)$", "z/$1/%c")]));
    let (subscriber, publisher) = (node.name_at(1, "sub"), node.name_at(0, "pub"));
    let other = node.connect(0, Hello::new(V5, "other"));
    node.subscribe(other, V5, &format!("z/1/{publisher}"), 0);
    node.take(other);
    let peer = node.connect(0, Hello::new(V5, &subscriber));
    node.subscribe(peer, V5, "x/y/1", 0);
    assert_eq!(node.take_words(peer, V5), ["suback #9 [00]"]);
    let publisher = node.connect(1, Hello::new(V5, &publisher));
    node.publish(publisher, V5, "x/y/1", b"m", QoS::AtLeastOnce, 1);
    assert_eq!(node.take_words(publisher, V5), ["puback #1 success"]);
    assert_eq!(node.take_words(other, V5).len(), 1, "it went to the new topic");
    node.publish(
        publisher,
        V5,
        &format!("z/1/{subscriber}"),
        b"n",
        QoS::AtMostOnce,
        0,
    );
    assert_eq!(
        node.take_words(peer, V5),
        [format!("publish z/1/{subscriber} n q0")],
        "the subscription is to the new filter"
    );
    assert_eq!(unsubscribe(&mut node, peer, "x/y/1"), ["unsuback #1 [00]"]);
    assert_eq!(unsubscribe(&mut node, peer, "x/y/1"), ["unsuback #1 [11]"]);
}

#[test]
fn the_operator_sees_what_a_client_subscribes_to_as_it_was_rewritten() {
    let mut node = Node::with(rules(&[(RewriteAction::Subscribe, "x/#", "^x/(.+)$", "z/$1")]));
    let name = node.name_at(1, "c");
    let peer = node.connect(0, Hello::new(V5, &name));
    node.subscribe(peer, V5, "x/1", 1);
    node.subscribe(peer, V5, "$share/g/x/2", 2);
    node.subscribe(peer, V5, "plain/+", 0);
    let home = &node.engines[usize::from(node.name_home(&name))];
    let held = home.subscriptions(&name).expect("it is connected");
    let held: Vec<_> = held.iter().map(|held| (held.topic.as_str(), held.qos)).collect();
    assert_eq!(held, [("z/1", 1), ("plain/+", 0), ("$share/g/z/2", 2)]);
    assert!(home.subscriptions("nobody").is_none());
}

#[test]
fn access_is_asked_for_what_the_client_wrote() {
    let mut settings = rules(&[(RewriteAction::All, "pub/#", "^pub/(.+)$", "secret/$1")]);
    settings.access.rules = vec![Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: Operation::All,
        topics: vec!["secret/#".to_owned(), "pub/no".to_owned()],
    }];
    let mut node = Node::with(settings);
    let peer = node.connect(0, Hello::new(V5, "c"));
    node.subscribe(peer, V5, "pub/yes", 1);
    node.subscribe(peer, V5, "pub/no", 1);
    node.subscribe(peer, V5, "secret/yes", 1);
    assert_eq!(
        node.take_words(peer, V5),
        ["suback #9 [01]", "suback #9 [87]", "suback #9 [87]"]
    );
    node.publish(peer, V5, "pub/yes", b"m", QoS::AtLeastOnce, 1);
    node.publish(peer, V5, "secret/yes", b"m", QoS::AtLeastOnce, 2);
    let words = node.take_words(peer, V5);
    assert!(
        words.contains(&"publish secret/yes m q1 #1".to_owned()),
        "{words:?}"
    );
    assert!(words.contains(&"puback #1 success".to_owned()), "{words:?}");
    assert!(
        words.contains(&"puback #2 not_authorized".to_owned()),
        "{words:?}"
    );
}

#[test]
fn a_rule_may_make_a_delayed_topic_and_the_topic_of_a_delayed_one_is_rewritten() {
    let mut node = Node::with(rules(&[
        (RewriteAction::Publish, "later/#", "^later/(.+)$", "$delayed/3/$1"),
        (RewriteAction::Publish, "a", "^a$", "b"),
    ]));
    let peer = node.connect(0, Hello::new(V5, "c"));
    node.subscribe(peer, V5, "#", 0);
    node.take(peer);
    node.publish(peer, V5, "later/t", b"m", QoS::AtMostOnce, 0);
    node.publish(peer, V5, "$delayed/3/a", b"n", QoS::AtMostOnce, 0);
    assert!(node.take(peer).is_empty());
    node.pass(3_000);
    assert_eq!(node.take_words(peer, V5), ["publish t m q0", "publish b n q0"]);
}

#[test]
fn a_topic_rewritten_to_what_is_none_is_refused() {
    let mut node = Node::with(rules(&[(RewriteAction::All, "x/#", "^x/(.*)$", "$1")]));
    let peer = node.connect(0, Hello::new(V5, "c"));
    node.publish(peer, V5, "x/", b"m", QoS::AtLeastOnce, 1);
    node.subscribe(peer, V5, "x/", 0);
    assert_eq!(
        node.take_words(peer, V5),
        ["puback #1 topic_name_invalid", "suback #9 [8f]"]
    );
    assert_eq!(node.drops(DropReason::TopicInvalid), 1);
    node.publish(peer, V5, "x/$SYS/brokers", b"m", QoS::AtLeastOnce, 2);
    assert_eq!(
        node.take_words(peer, V5),
        ["puback #2 not_authorized"],
        "no way round what is the server's own"
    );
}

#[test]
fn a_will_is_rewritten_when_it_is_sent() {
    let mut node = Node::with(rules(&[(
        RewriteAction::Publish,
        "will/#",
        "^will/(.+)$",
        "gone/$1",
    )]));
    let watcher = node.name_at(1, "watcher");
    let watcher = node.connect(0, Hello::new(V5, &watcher));
    node.subscribe(watcher, V5, "gone/#", 0);
    node.take(watcher);
    let mortal = node.name_at(0, "mortal");
    let hello = Hello {
        will: Some(Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: "will/a",
            payload: b"m",
        }),
        ..Hello::new(V5, &mortal)
    };
    let mortal = node.connect(0, hello);
    node.end(mortal);
    assert_eq!(node.take_words(watcher, V5), ["publish gone/a m q0"]);
}
