//! `$exclusive/TOPIC`: one client of the node has it.

use super::*;
use ringwire_core::Input;

/// A topic whose claim is at home on a shard.
fn claim_at(node: &Node, shard: u16) -> String {
    (0..)
        .map(|n| format!("t{n}"))
        .find(|topic| node.name_home(&format!("/{topic}")) == shard)
        .expect("some hash falls there")
}

fn claim(node: &mut Node, peer: Peer, topic: &str) -> Vec<String> {
    node.subscribe(peer, V5, &format!("$exclusive/{topic}"), 1);
    node.take_words(peer, V5)
}

#[test]
fn one_client_has_a_topic_and_another_gets_it_when_the_first_is_gone() {
    for home in [0, 1] {
        for how in ["unsubscribes", "disconnects", "kicked"] {
            let mut node = Node::new(2);
            let topic = claim_at(&node, home);
            let names = [0, 1].map(|shard| node.name_at(shard, "c"));
            let [one, two] = names.each_ref().map(|name| node.connect(0, Hello::new(V5, name)));
            assert_eq!(claim(&mut node, one, &topic), ["suback #9 [01]"]);
            assert_eq!(claim(&mut node, one, &topic), ["suback #9 [01]"], "again");
            assert_eq!(claim(&mut node, two, &topic), ["suback #9 [97]"]);
            let publisher = client(&mut node, 1, "p");
            publish(&mut node, publisher, &topic, 0..1);
            assert_eq!(node.take_words(one, V5), [format!("publish {topic} m0 q1 #1")]);
            assert!(node.take(two).is_empty());
            let filter = format!("$exclusive/{topic}");
            assert_eq!(unsubscribe(&mut node, two, V5, &filter), ["unsuback #8 [11]"]);
            match how {
                "unsubscribes" => {
                    assert_eq!(unsubscribe(&mut node, one, V5, &filter), ["unsuback #8 [00]"]);
                }
                "disconnects" => node.end(one),
                _ => node.input(0, Input::Kick { client_id: &names[0] }),
            }
            assert_eq!(claim(&mut node, two, &topic), ["suback #9 [01]"], "{how}");
            node.end(two);
            assert_nothing_left(&mut node);
        }
    }
}

#[test]
fn a_claim_outlives_the_connection_of_a_kept_session() {
    let mut node = Node::new(2);
    let topic = claim_at(&node, 0);
    let filter = format!("$exclusive/{topic}");
    let kept = client(&mut node, 1, "kept");
    node.subscribe(kept, V3, &filter, 1);
    assert_eq!(node.take_words(kept, V3), ["suback #9 [01]"]);
    node.end(kept);
    let name = node.name_at(0, "c");
    let other = node.connect(0, Hello::new(V5, &name));
    assert_eq!(claim(&mut node, other, &topic), ["suback #9 [97]"]);
    let publisher = client(&mut node, 0, "p");
    publish(&mut node, publisher, &topic, 0..1);
    let (_, words) = again(&mut node, 1, "kept");
    assert_eq!(words, [format!("publish {topic} m0 q1 #1")]);
}

#[test]
fn a_claimed_topic_and_an_ordinary_subscription_to_it_end_each_by_itself() {
    for claim_first in [true, false] {
        for unclaim_first in [true, false] {
            let mut node = Node::new(2);
            let topic = claim_at(&node, 1);
            let name = node.name_at(0, "c");
            let peer = node.connect(0, Hello::new(V5, &name));
            let publisher = client(&mut node, 1, "p");
            let mut filters = [format!("$exclusive/{topic}"), topic.clone()];
            if !claim_first {
                filters.reverse();
            }
            for filter in &filters {
                node.subscribe(peer, V5, filter, 1);
                assert_eq!(node.take_words(peer, V5), ["suback #9 [01]"]);
            }
            if claim_first != unclaim_first {
                filters.reverse();
            }
            publish(&mut node, publisher, &topic, 0..1);
            assert_eq!(node.take_words(peer, V5).len(), 1, "one copy");
            assert_eq!(
                unsubscribe(&mut node, peer, V5, &filters[0]),
                ["unsuback #8 [00]"]
            );
            publish(&mut node, publisher, &topic, 0..1);
            assert_eq!(node.take_words(peer, V5).len(), 1, "still subscribed");
            assert_eq!(
                unsubscribe(&mut node, peer, V5, &filters[1]),
                ["unsuback #8 [00]"]
            );
            publish(&mut node, publisher, &topic, 0..1);
            assert!(node.take(peer).is_empty());
            assert_nothing_left(&mut node);
        }
    }
}

#[test]
fn two_clients_that_ask_at_the_same_time_are_told_apart_by_the_home() {
    let mut node = Node::new(3);
    let topic = claim_at(&node, 0);
    let [one, two] = [1, 2].map(|shard| {
        let name = node.name_at(shard, "c");
        node.connect(0, Hello::new(V5, &name))
    });
    node.hold_parcels = true;
    assert!(claim(&mut node, one, &topic).is_empty());
    assert!(claim(&mut node, two, &topic).is_empty());
    node.exchange_all(2, 0);
    node.exchange();
    assert_eq!(node.take_words(one, V5), ["suback #9 [97]"]);
    assert_eq!(node.take_words(two, V5), ["suback #9 [01]"]);
    node.end(two);
    node.exchange();
    assert_nothing_left(&mut node);
}

#[test]
fn a_claim_gets_the_retained_message_like_any_subscription() {
    let mut node = Node::new(2);
    let topic = claim_at(&node, 0);
    let publisher = client(&mut node, 0, "p");
    node.publish_with(publisher, V3, &topic, b"kept", QoS::AtLeastOnce, 1, true);
    let name = node.name_at(1, "c");
    let peer = node.connect(0, Hello::new(V5, &name));
    let expected = [
        "suback #9 [01]".to_owned(),
        format!("publish {topic} kept q1 #1 retain"),
    ];
    assert_eq!(claim(&mut node, peer, &topic), expected);
}
