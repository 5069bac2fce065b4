//! Which member gets a message, by strategy; and that it is exactly one.

use super::*;
use ringwire_core::DropReason;
use std::collections::BTreeSet;

#[test]
fn each_message_reaches_exactly_one_member_wherever_group_members_and_publisher_live() {
    for (shards, home) in [(1, 0), (2, 0), (2, 1), (3, 1)] {
        let mut node = Node::new(shards);
        let topic = topic_at(&node, home);
        let members: Vec<Peer> = (0..2 * shards)
            .map(|n| member(&mut node, n % shards, &format!("m{n}-"), &topic, 2))
            .collect();
        let mut total = 0;
        for shard in 0..shards {
            let publisher = client(&mut node, shard, "p");
            for (at, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]
                .into_iter()
                .enumerate()
            {
                for turn in 0..4 {
                    node.publish(publisher, V3, &topic, b"x", qos, at as u16 * 4 + turn + 1);
                    let words: Vec<String> = (members.iter())
                        .flat_map(|&peer| node.take_words(peer, V3))
                        .collect();
                    assert_eq!(words.len(), 1, "{words:?}");
                    let expected = format!("publish {topic} x q{at}");
                    assert!(words[0].starts_with(&expected), "{words:?}");
                    total += 1;
                }
            }
        }
        assert_eq!(total, 12 * shards);
        assert_eq!(node.drops(DropReason::NoSubscribers), 0);
        for peer in members {
            let unsuback = unsubscribe(&mut node, peer, V3, &format!("$share/g/{topic}"));
            assert_eq!(unsuback, ["unsuback #8 []"]);
        }
        assert_nothing_left(&mut node);
    }
}

#[test]
fn round_robin_gives_each_member_the_same() {
    let (mut node, topic) = pair();
    let members = [0, 1, 1, 0, 1].map(|shard| {
        let name = format!("m{}-", node.wires.len());
        member(&mut node, shard, &name, &topic, 1)
    });
    let publisher = client(&mut node, 1, "p");
    publish(&mut node, publisher, &topic, 0..20);
    for peer in members {
        assert_eq!(got(&mut node, peer).len(), 4);
    }
}

#[test]
fn random_reaches_everybody_but_not_in_turn() {
    let mut node = strategy(2, SharedStrategy::Random);
    let topic = topic_at(&node, 0);
    let members = [0, 1, 1].map(|shard| {
        let name = format!("m{}-", node.wires.len());
        member(&mut node, shard, &name, &topic, 1)
    });
    let publisher = client(&mut node, 1, "p");
    publish(&mut node, publisher, &topic, 0..90);
    let counts = members.map(|peer| got(&mut node, peer).len());
    assert_eq!(counts.iter().sum::<usize>(), 90);
    assert!(counts.iter().all(|&count| count > 10), "{counts:?}");
    assert_ne!(counts, [30, 30, 30], "that would be in turn");
}

#[test]
fn sticky_stays_with_one_until_it_goes() {
    let mut node = strategy(2, SharedStrategy::Sticky);
    let topic = topic_at(&node, 0);
    let members = [0, 1, 1].map(|shard| {
        let name = format!("m{}-", node.wires.len());
        member(&mut node, shard, &name, &topic, 0)
    });
    let publisher = client(&mut node, 1, "p");
    let mut left = members.to_vec();
    while !left.is_empty() {
        publish(&mut node, publisher, &topic, 0..10);
        let counts: Vec<usize> = left.iter().map(|&peer| got(&mut node, peer).len()).collect();
        let at = counts.iter().position(|&count| count == 10).expect("one has all");
        assert_eq!(counts.iter().sum::<usize>(), 10);
        node.end(left.remove(at));
    }
}

#[test]
fn a_hash_sends_what_belongs_together_to_the_same_member() {
    for by_client in [true, false] {
        let mut node = strategy(
            2,
            match by_client {
                true => SharedStrategy::HashClientId,
                false => SharedStrategy::HashTopic,
            },
        );
        let filter = "+/x";
        let members = [0, 1, 1, 0].map(|shard| {
            let name = format!("m{}-", node.wires.len());
            member(&mut node, shard, &name, filter, 1)
        });
        let publishers = [0, 1, 0, 1, 0, 1].map(|shard| {
            let name = format!("p{}-", node.wires.len());
            client(&mut node, shard, &name)
        });
        let mut used = BTreeSet::new();
        for run in 0..6usize {
            // What belongs together: one client's messages on several topics, or several clients' on one.
            for turn in 0..6usize {
                let (client, topic) = if by_client { (run, turn) } else { (turn, run) };
                publish(&mut node, publishers[client], &format!("{topic}/x"), 0..1);
            }
            let counts = members.map(|peer| got(&mut node, peer).len());
            let at = counts.iter().position(|&count| count == 6);
            used.insert(at.expect("one has all that belongs together"));
        }
        assert!(used.len() > 1, "not everything belongs together");
    }
}

#[test]
fn local_prefers_a_member_on_the_publishers_shard() {
    let mut node = strategy(3, SharedStrategy::Local);
    let topic = topic_at(&node, 0);
    let near = [1, 1, 2].map(|shard| {
        let name = format!("m{}-", node.wires.len());
        member(&mut node, shard, &name, &topic, 1)
    });
    for (shard, expected) in [(1, [5, 5, 0]), (2, [0, 0, 10])] {
        let publisher = client(&mut node, shard, "p");
        publish(&mut node, publisher, &topic, 0..10);
        assert_eq!(near.map(|peer| got(&mut node, peer).len()), expected);
    }
    let stranger = client(&mut node, 0, "p");
    publish(&mut node, stranger, &topic, 0..9);
    assert_eq!(
        near.map(|peer| got(&mut node, peer).len()).iter().sum::<usize>(),
        9
    );
}

#[test]
fn every_group_and_every_ordinary_subscription_has_its_own_copy() {
    let mut node = Node::new(2);
    let both = client(&mut node, 0, "both");
    let other = client(&mut node, 1, "other");
    for filter in ["$share/a/t/+", "$share/b/t/#", "$queue/t/1", "t/1"] {
        node.subscribe(both, V3, filter, 1);
        node.take(both);
    }
    node.subscribe(other, V3, "$share/a/t/+", 1);
    node.take(other);
    let publisher = client(&mut node, 1, "p");
    publish(&mut node, publisher, "t/1", 0..4);
    // Two groups and the ordinary one: 12; of the group `a` half.
    assert_eq!(got(&mut node, both).len(), 14);
    assert_eq!(got(&mut node, other).len(), 2);
    assert_eq!(
        node.client(&node.name_at(0, "both")).map(|c| c.subscriptions_cnt),
        Some(4)
    );
}

#[test]
fn a_members_own_options_hold_and_a_second_subscribe_replaces_them() {
    let (mut node, topic) = pair();
    let name = node.name_at(1, "m");
    let peer = node.connect(0, Hello::new(V5, &name));
    let publisher = client(&mut node, 0, "p");
    let filter = format!("$share/g/{topic}");
    let subscribe = |node: &mut Node, options: u8, identifier: u8| {
        let mut body = vec![0, 9, 2, 0x0B, identifier];
        body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
        body.extend_from_slice(filter.as_bytes());
        body.push(options);
        let mut bytes = vec![0x82, body.len() as u8];
        bytes.extend(body);
        node.send(peer, &bytes);
        node.take_words(peer, V5)
    };
    assert_eq!(subscribe(&mut node, 0x08 | 1, 7), ["suback #9 [01]"]);
    node.publish_with(publisher, V3, &topic, b"x", QoS::ExactlyOnce, 1, true);
    let expected = format!("publish {topic} x q1 #1 retain SubscriptionIdentifier(7)");
    assert_eq!(node.take_words(peer, V5), [expected]);
    // Its retained message is not sent again: not to a shared subscription.
    assert_eq!(subscribe(&mut node, 0, 3), ["suback #9 [00]"]);
    node.publish_with(publisher, V3, &topic, b"y", QoS::ExactlyOnce, 2, true);
    let expected = format!("publish {topic} y q0 SubscriptionIdentifier(3)");
    assert_eq!(node.take_words(peer, V5), [expected]);
    // It was a member once, so one UNSUBSCRIBE is enough.
    let reasons = [0, 1].map(|_| unsubscribe(&mut node, peer, V5, &filter));
    assert_eq!(reasons, [["unsuback #8 [00]"], ["unsuback #8 [11]"]]);
    node.publish(publisher, V3, &topic, b"z", QoS::AtMostOnce, 0);
    assert!(node.take(peer).is_empty());
    assert_nothing_left(&mut node);
}

#[test]
fn queue_is_a_group_of_its_own_name_for_3_1_1_clients_too() {
    let mut node = Node::new(2);
    let one = client(&mut node, 0, "one");
    let two = client(&mut node, 1, "two");
    node.subscribe(one, V3, "$queue/t", 1);
    node.subscribe(two, V3, "$share/$queue/t", 1);
    assert_eq!(node.take_words(one, V3), ["suback #9 [01]"]);
    assert_eq!(node.take_words(two, V3), ["suback #9 [01]"]);
    let publisher = client(&mut node, 0, "p");
    publish(&mut node, publisher, "t", 0..4);
    assert_eq!([one, two].map(|peer| got(&mut node, peer).len()), [2, 2]);
    assert_eq!(
        unsubscribe(&mut node, one, V3, "$share/$queue/t"),
        ["unsuback #8 []"]
    );
    publish(&mut node, publisher, "t", 0..4);
    assert_eq!([one, two].map(|peer| got(&mut node, peer).len()), [0, 4]);
}

#[test]
fn a_message_for_members_of_different_granted_qos_keeps_to_each_ones() {
    let (mut node, topic) = pair();
    let zero = member(&mut node, 0, "zero", &topic, 0);
    let two = member(&mut node, 1, "two", &topic, 2);
    let publisher = client(&mut node, 0, "p");
    for id in [1, 2] {
        node.publish(publisher, V3, &topic, b"x", QoS::ExactlyOnce, id);
    }
    assert_eq!(node.take_words(zero, V3), [format!("publish {topic} x q0")]);
    assert_eq!(node.take_words(two, V3), [format!("publish {topic} x q2 #1")]);
}
