//! What becomes of a message whose member goes before it has acknowledged it.

use super::*;
use ringwire_core::{CloseReason, DropReason, Input};

/// Two members, one near the group's home and one on the other shard, and a publisher.
fn two_members(near_goes: bool, topic: &str, node: &mut Node, qos: u8) -> (Peer, Peer, Peer) {
    let (goes, stays) = if near_goes { (0, 1) } else { (1, 0) };
    let going = member(node, goes, "goes", topic, qos);
    let staying = member(node, stays, "stays", topic, qos);
    let publisher = client(node, 1, "p");
    (going, staying, publisher)
}

#[test]
fn what_a_member_had_not_acknowledged_goes_to_others_when_its_connection_is_lost() {
    for near_goes in [true, false] {
        let (mut node, topic) = pair();
        let (going, staying, publisher) = two_members(near_goes, &topic, &mut node, 1);
        publish(&mut node, publisher, &topic, 0..6);
        let (lost, mut kept) = (got(&mut node, going), got(&mut node, staying));
        assert_eq!((lost.len(), kept.len()), (3, 3));
        // One of them is acknowledged.
        node.send(going, &[0x40, 2, 0, 1]);
        node.end(going);
        let words = node.take_words(staying, V3);
        assert!(words.iter().all(|word| !word.ends_with("dup")), "{words:?}");
        kept.extend(
            words
                .iter()
                .map(|word| word.split(' ').nth(2).unwrap().to_owned()),
        );
        assert_eq!(kept[3..], lost[1..], "in the order in which they were sent");
        // While somebody is there, the one that is not gets nothing.
        publish(&mut node, publisher, &topic, 10..14);
        assert_eq!(got(&mut node, staying).len(), 4);
        let (_, words) = again(&mut node, u16::from(!near_goes), "goes");
        assert!(words.is_empty(), "{words:?}");
    }
}

#[test]
fn what_waits_in_a_members_queue_goes_to_others_too() {
    let (mut node, topic) = pair();
    let (going, staying, publisher) = two_members(false, &topic, &mut node, 2);
    node.wire(going).stuck = true;
    let big = vec![b'x'; 600_000];
    for id in 1..=8 {
        node.publish(publisher, V3, &topic, &big, QoS::ExactlyOnce, id);
    }
    assert_eq!(got(&mut node, staying).len(), 4);
    let queued: u64 = node
        .engines
        .iter()
        .map(|engine| engine.stats().queued_bytes)
        .sum();
    assert!(queued > 600_000, "some wait");
    let inflight = node.client(&node.name_at(1, "goes")).unwrap().inflight_cnt;
    node.end(going);
    // Those that were sent at QoS 2 are its own.
    assert_eq!(got(&mut node, staying).len(), 4 - inflight);
    let queued: u64 = node
        .engines
        .iter()
        .map(|engine| engine.stats().queued_bytes)
        .sum();
    assert_eq!(queued, 0);
}

#[test]
fn a_qos_2_delivery_is_completed_with_its_client_or_dropped_with_its_session() {
    for resumes in [true, false] {
        let (mut node, topic) = pair();
        let (going, staying, publisher) = two_members(false, &topic, &mut node, 2);
        for id in [1, 2] {
            node.publish(publisher, V3, &topic, b"x", QoS::ExactlyOnce, id);
        }
        assert_eq!(node.take_words(going, V3), [format!("publish {topic} x q2 #1")]);
        node.take(staying);
        node.end(going);
        if resumes {
            let (peer, words) = again(&mut node, 1, "goes");
            assert_eq!(words, [format!("publish {topic} x q2 #1 dup")]);
            node.send(peer, &[0x50, 2, 0, 1]);
            assert_eq!(node.take_words(peer, V3), ["pubrel #1 success"]);
        } else {
            node.pass(7_200_000);
            assert!(node.client(&node.name_at(1, "goes")).is_none());
        }
        assert!(node.take(staying).is_empty(), "it is not another's");
    }
}

#[test]
fn the_only_member_keeps_its_window_and_its_queue() {
    let (mut node, topic) = pair();
    let only = member(&mut node, 1, "only", &topic, 1);
    let publisher = client(&mut node, 0, "p");
    publish(&mut node, publisher, &topic, 0..1);
    node.take(only);
    node.end(only);
    publish(&mut node, publisher, &topic, 1..2);
    node.publish(publisher, V3, &topic, b"zero", QoS::AtMostOnce, 0);
    assert_eq!(node.drops(DropReason::Qos0Offline), 1);
    let (_, words) = again(&mut node, 1, "only");
    let expected = [
        format!("publish {topic} m0 q1 #1 dup"),
        format!("publish {topic} m1 q1 #2"),
    ];
    assert_eq!(words, expected);
}

#[test]
fn what_absent_members_hold_goes_to_the_first_that_comes() {
    for (home_of_comer, shard) in [(true, 0), (false, 1)] {
        let (mut node, topic) = pair();
        let peers = [0, 1].map(|shard| member(&mut node, shard, &format!("away{shard}-"), &topic, 1));
        let publisher = client(&mut node, 1, "p");
        peers.into_iter().for_each(|peer| node.end(peer));
        publish(&mut node, publisher, &topic, 0..4);
        let comer = client(&mut node, shard, "comer");
        node.subscribe(comer, V3, &format!("$share/g/{topic}"), 1);
        let mut all = got(&mut node, comer);
        all.sort();
        assert_eq!(all, ["m0", "m1", "m2", "m3"], "near home: {home_of_comer}");
        for shard in [0, 1] {
            let (_, words) = again(&mut node, shard, &format!("away{shard}-"));
            assert!(words.is_empty(), "{words:?}");
        }
    }
}

#[test]
fn a_member_that_connects_again_takes_what_the_others_hold() {
    let (mut node, topic) = pair();
    let peers = [0, 1].map(|shard| member(&mut node, shard, &format!("away{shard}-"), &topic, 1));
    let publisher = client(&mut node, 1, "p");
    peers.into_iter().for_each(|peer| node.end(peer));
    publish(&mut node, publisher, &topic, 0..4);
    let (peer, words) = again(&mut node, 1, "away1-");
    let mut all: Vec<String> = words.into_iter().collect();
    all.extend(node.take_words(peer, V3));
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn absent_members_that_were_granted_qos_0_get_nothing_while_another_can_keep_it() {
    let (mut node, topic) = pair();
    let deaf = member(&mut node, 0, "deaf", &topic, 0);
    let keeps = member(&mut node, 1, "keeps", &topic, 1);
    let publisher = client(&mut node, 1, "p");
    node.end(deaf);
    node.end(keeps);
    publish(&mut node, publisher, &topic, 0..3);
    let (_, words) = again(&mut node, 1, "keeps");
    assert_eq!(words.len(), 3, "{words:?}");
    assert_eq!(node.drops(DropReason::Qos0Offline), 0);
}

#[test]
fn at_unsubscribe_what_waits_goes_to_others_and_what_is_on_its_way_stays_as_long_as_its_client() {
    for near_goes in [true, false] {
        let (mut node, topic) = pair();
        let (going, staying, publisher) = two_members(near_goes, &topic, &mut node, 1);
        publish(&mut node, publisher, &topic, 0..4);
        let lost = got(&mut node, going);
        assert_eq!(got(&mut node, staying).len(), 2);
        let filter = format!("$share/g/{topic}");
        assert_eq!(unsubscribe(&mut node, going, V3, &filter), ["unsuback #8 []"]);
        assert!(node.take(staying).is_empty());
        node.send(going, &[0x40, 2, 0, 1]);
        node.end(going);
        assert_eq!(got(&mut node, staying), lost[1..]);
        let (_, words) = again(&mut node, u16::from(!near_goes), "goes");
        assert!(words.is_empty(), "{words:?}");
    }
}

#[test]
fn queued_messages_of_a_member_that_unsubscribes_go_to_others_and_its_publishers_go_on() {
    let mut settings = settings(2);
    settings.limits.backpressure_messages = 4;
    settings.limits.inflight = 2;
    let mut node = Node::with(settings);
    let topic = topic_at(&node, 0);
    let going = member(&mut node, 1, "goes", &topic, 1);
    let publisher = client(&mut node, 0, "p");
    for id in 1..=12 {
        node.publish(publisher, V3, &topic, b"x", QoS::AtLeastOnce, id);
    }
    // Two are on their way, more than four wait: the publisher is slowed down.
    assert!(node.take_words(publisher, V3).len() < 12);
    let staying = member(&mut node, 1, "stays", &topic, 1);
    let words = unsubscribe(&mut node, going, V3, &format!("$share/g/{topic}"));
    assert_eq!(words.last().map(String::as_str), Some("unsuback #8 []"));
    let mut taken = 0;
    for id in 1..=10 {
        taken += got(&mut node, staying).len();
        node.send(staying, &[0x40, 2, 0, id]);
    }
    assert_eq!(taken, 10, "all but what is on its way");
    assert_eq!(
        node.take_words(publisher, V3).last().map(String::as_str),
        Some("puback #12 success")
    );
    assert_eq!(node.drops(DropReason::GroupEnded), 0);
}

#[test]
fn the_messages_of_a_session_that_ends_go_to_others_and_with_the_last_member_the_group_ends() {
    for how in ["clean", "kick", "expiry", "taken over"] {
        let (mut node, topic) = pair();
        let (going, staying, publisher) = two_members(false, &topic, &mut node, 1);
        publish(&mut node, publisher, &topic, 0..4);
        let lost = got(&mut node, going);
        got(&mut node, staying);
        let name = node.name_at(1, "goes");
        match how {
            "kick" => node.input(1, Input::Kick { client_id: &name }),
            "expiry" => {
                node.end(going);
                node.pass(7_200_000);
            }
            "taken over" => {
                node.connect(0, Hello::new(V3, &name));
            }
            _ => {
                let peer = node.connect(0, Hello::new(V3, &name));
                node.end(peer);
            }
        }
        assert_eq!(got(&mut node, staying), lost, "{how}");
        let stays = node.name_at(0, "stays");
        node.input(0, Input::Kick { client_id: &stays });
        assert_eq!(node.drops(DropReason::GroupEnded), 4, "{how}");
        assert_nothing_left(&mut node);
    }
}

#[test]
fn a_refused_message_is_not_offered_to_another() {
    let mut node = Node::new(2);
    let topic = topic_at(&node, 0);
    let filter = format!("$share/g/{topic}");
    let peers = [0, 1].map(|shard| {
        let name = node.name_at(shard, "m");
        let peer = node.connect(0, Hello::new(V5, &name));
        node.subscribe(peer, V5, &filter, 2);
        node.take(peer);
        peer
    });
    let publisher = client(&mut node, 0, "p");
    for (id, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)] {
        for turn in 0..2 {
            node.publish(publisher, V3, &topic, b"x", qos, 2 * turn + id);
        }
    }
    for peer in peers {
        assert_eq!(node.take_words(peer, V5).len(), 2);
        // PUBACK and PUBREC, "implementation specific error".
        node.send(peer, &[0x40, 3, 0, 1, 0x83, 0x50, 3, 0, 2, 0x83]);
    }
    node.end(peers[0]);
    assert!(peers[1..].iter().all(|&peer| node.take(peer).is_empty()));
}

#[test]
fn a_message_that_goes_round_too_often_stays_and_is_dropped_with_its_member() {
    let mut settings = settings(2);
    settings.limits.shared_returns = 2;
    let mut node = Node::with(settings);
    let topic = topic_at(&node, 0);
    let publisher = client(&mut node, 0, "p");
    let mut last = member(&mut node, 0, "m0-", &topic, 1);
    publish(&mut node, publisher, &topic, 0..1);
    for turn in 1..=2u16 {
        assert_eq!(got(&mut node, last), ["m0"], "turn {turn}");
        let next = member(&mut node, turn % 2, &format!("m{turn}-"), &topic, 1);
        node.end(last);
        last = next;
    }
    assert_eq!(got(&mut node, last), ["m0"]);
    let next = member(&mut node, 1, "m3-", &topic, 1);
    node.end(last);
    assert!(node.take(next).is_empty(), "it stays where it is");
    let (peer, words) = again(&mut node, 0, "m2-");
    assert_eq!(words, [format!("publish {topic} m0 q1 #1 dup")]);
    let name = node.name_at(0, "m2-");
    node.follow(peer);
    node.input(0, Input::Kick { client_id: &name });
    assert!(node.take(next).is_empty());
    assert_eq!(node.drops(DropReason::ReturnedTooOften), 1);
}

#[test]
fn a_will_that_matches_a_members_own_group_goes_to_another() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        for shard in [0, 1] {
            let (mut node, topic) = pair();
            let name = node.name_at(shard, "dies");
            let hello = Hello {
                will: Some(ringwire_codec::mqtt::Will {
                    topic: &topic,
                    payload: b"will",
                    qos,
                    retain: false,
                    properties: ringwire_codec::mqtt::Properties::EMPTY,
                }),
                ..Hello::new(V3, &name)
            };
            let dies = node.connect(0, hello);
            join(&mut node, dies, &topic, 1);
            let stays = member(&mut node, 1 - shard, "stays", &topic, 1);
            // Whoever's turn it is.
            let publisher = client(&mut node, 0, "p");
            publish(&mut node, publisher, &topic, 0..2);
            got(&mut node, stays);
            node.end(dies);
            let all = got(&mut node, stays);
            assert!(all.contains(&"will".to_owned()), "{qos:?} {shard} {all:?}");
            assert_eq!(all.len(), 2, "and what it had not acknowledged");
        }
    }
}

#[test]
fn a_node_that_stops_moves_no_messages_from_member_to_member() {
    let (mut node, topic) = pair();
    let (going, staying, publisher) = two_members(false, &topic, &mut node, 1);
    publish(&mut node, publisher, &topic, 0..4);
    node.take(going);
    node.take(staying);
    for shard in [1, 0] {
        node.input(shard, Input::Drain);
    }
    assert!(
        node.closes()
            .iter()
            .all(|(_, reason)| *reason == CloseReason::ServerShuttingDown)
    );
    assert!(node.take(staying).is_empty());
}

#[test]
fn a_message_that_expired_meanwhile_is_not_begun_with_another_member() {
    let (mut node, topic) = pair();
    let (going, staying, _) = two_members(false, &topic, &mut node, 1);
    let name = node.name_at(0, "v5");
    let publisher = node.connect(0, Hello::new(V5, &name));
    for id in [1, 2] {
        let mut properties = ringwire_codec::mqtt::PropertyList::default();
        properties.push(ringwire_codec::mqtt::Property::MessageExpiryInterval(5));
        let packet = ringwire_codec::mqtt::Packet::Publish(ringwire_codec::mqtt::Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: &topic,
            packet_id: ringwire_codec::mqtt::PacketId::new(id),
            properties: properties.as_properties(),
            payload: b"x",
        });
        node.send_packet(publisher, V5, &packet);
    }
    assert_eq!([going, staying].map(|peer| got(&mut node, peer).len()), [1, 1]);
    node.pass(5_000);
    node.end(going);
    assert!(node.take(staying).is_empty());
    assert_eq!(node.drops(DropReason::Expired), 1);
}
