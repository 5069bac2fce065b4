//! What crosses on the way between a member's shard and the home of its group.

use super::*;
use ringwire_core::{DropReason, Input, ShardId};

#[test]
fn a_connection_that_ends_before_its_group_has_answered_leaves_nothing_behind() {
    for answered_late in [false, true] {
        let (mut node, topic) = pair();
        let name = node.name_at(1, "m");
        let peer = node.connect(0, Hello::new(V3, &name));
        let publisher = client(&mut node, 0, "p");
        node.hold_parcels = true;
        node.subscribe(peer, V3, &format!("$share/g/{topic}"), 1);
        if answered_late {
            node.exchange_all(1, 0);
            // The home takes it for a member now.
            publish(&mut node, publisher, &topic, 0..1);
        }
        node.end(peer);
        node.exchange();
        assert_eq!(node.drops(DropReason::GroupEnded), u64::from(answered_late));
        assert_nothing_left(&mut node);
    }
}

#[test]
fn a_client_that_is_taken_over_before_its_group_has_answered_can_subscribe_again() {
    for kept in [true, false] {
        let (mut node, topic) = pair();
        let filter = format!("$share/g/{topic}");
        let name = node.name_at(1, "m");
        let hello = Hello {
            clean: !kept,
            ..Hello::new(V3, &name)
        };
        let peer = node.connect(1, hello);
        node.hold_parcels = true;
        node.subscribe(peer, V3, &filter, 1);
        let other = node.open(1);
        node.send(other, &hello.bytes());
        node.take(other);
        node.subscribe(other, V3, &filter, 1);
        node.exchange();
        assert_eq!(node.take_words(other, V3), ["suback #9 [01]"]);
        node.hold_parcels = false;
        let publisher = client(&mut node, 0, "p");
        publish(&mut node, publisher, &topic, 0..3);
        assert_eq!(got(&mut node, other).len(), 3);
        assert_eq!(unsubscribe(&mut node, other, V3, &filter), ["unsuback #8 []"]);
        assert_nothing_left(&mut node);
    }
}

#[test]
fn a_kept_session_that_lost_its_connection_before_the_answer_is_a_member_that_is_away() {
    let (mut node, topic) = pair();
    let peer = client(&mut node, 1, "m");
    let publisher = client(&mut node, 0, "p");
    let other = client(&mut node, 0, "other");
    node.hold_parcels = true;
    node.subscribe(peer, V3, &format!("$share/g/{topic}"), 1);
    node.end(peer);
    node.exchange();
    publish(&mut node, publisher, &topic, 0..2);
    node.exchange();
    join(&mut node, other, &topic, 1);
    node.exchange();
    let mut all = got(&mut node, other);
    all.sort();
    assert_eq!(all, ["m0", "m1"], "what it held goes to who is there");
}

#[test]
fn a_message_on_its_way_to_a_member_that_goes_reaches_another() {
    for how in ["unsubscribes", "ends", "is away"] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut node, topic) = pair();
            let name = node.name_at(1, "goes");
            let going = match how {
                "ends" => node.connect(0, Hello::new(V3, &name)),
                _ => client(&mut node, 1, "goes"),
            };
            join(&mut node, going, &topic, 2);
            let staying = member(&mut node, 0, "stays", &topic, 2);
            let publisher = client(&mut node, 0, "p");
            node.hold_parcels = true;
            for id in [1, 2] {
                node.publish(publisher, V3, &topic, b"x", qos, id);
            }
            assert_eq!(got(&mut node, staying).len(), 1);
            match how {
                "unsubscribes" => {
                    unsubscribe(&mut node, going, V3, &format!("$share/g/{topic}"));
                }
                _ => node.end(going),
            }
            node.exchange();
            assert_eq!(got(&mut node, staying).len(), 1, "{how} {qos:?}");
        }
    }
}

#[test]
fn a_member_that_is_back_before_it_is_asked_keeps_what_it_has() {
    let (mut node, topic) = pair();
    let going = member(&mut node, 1, "goes", &topic, 1);
    let staying = member(&mut node, 0, "stays", &topic, 1);
    let publisher = client(&mut node, 0, "p");
    publish(&mut node, publisher, &topic, 0..2);
    let lost = got(&mut node, going);
    got(&mut node, staying);
    node.hold_parcels = true;
    node.end(going);
    let name = node.name_at(1, "goes");
    let hello = Hello {
        clean: false,
        ..Hello::new(V3, &name)
    };
    let back = node.open(1);
    node.send(back, &hello.bytes());
    node.exchange();
    assert_eq!(got(&mut node, back), lost, "with DUP");
    assert!(node.take(staying).is_empty(), "and nobody else");
    publish(&mut node, publisher, &topic, 0..2);
    node.exchange();
    assert_eq!([back, staying].map(|peer| got(&mut node, peer).len()), [1, 1]);
}

#[test]
fn a_member_that_leaves_and_joins_again_at_once_is_a_member_once() {
    for shard in [0, 1] {
        let (mut node, topic) = pair();
        let filter = format!("$share/g/{topic}");
        let peer = member(&mut node, shard, "m", &topic, 1);
        let publisher = client(&mut node, 1 - shard, "p");
        node.hold_parcels = true;
        // Both in one piece, and a message that was on its way to the first membership.
        publish(&mut node, publisher, &topic, 0..1);
        let mut bytes = vec![0xA2, 4 + filter.len() as u8, 0, 8, 0, filter.len() as u8];
        bytes.extend(filter.as_bytes());
        bytes.extend([0x82, 5 + filter.len() as u8, 0, 9, 0, filter.len() as u8]);
        bytes.extend(filter.as_bytes());
        bytes.push(1);
        node.send(peer, &bytes);
        node.exchange();
        let words = node.take_words(peer, V3);
        assert_eq!(&words[..1], ["unsuback #8 []"]);
        assert!(words.contains(&"suback #9 [01]".to_owned()), "{words:?}");
        node.hold_parcels = false;
        publish(&mut node, publisher, &topic, 5..7);
        let all = got(&mut node, peer);
        assert_eq!(all.iter().filter(|name| *name != "m0").count(), 2, "{all:?}");
        unsubscribe(&mut node, peer, V3, &filter);
        node.end(peer);
        let name = node.name_at(shard, "m");
        node.input(shard, Input::Kick { client_id: &name });
        assert_nothing_left(&mut node);
    }
}

#[test]
fn a_publish_waits_for_the_congested_home_of_a_group_and_qos_0_is_dropped_on_the_second_way() {
    let (mut node, topic) = pair();
    let far = member(&mut node, 1, "far", &topic, 1);
    let publisher = client(&mut node, 1, "p");
    node.input(1, Input::Congested { shard: ShardId(0) });
    node.publish(publisher, V3, &topic, b"m0", QoS::AtLeastOnce, 1);
    assert!(node.take(publisher).is_empty() && node.wire(publisher).paused);
    node.input(1, Input::Relieved { shard: ShardId(0) });
    assert_eq!(node.take_words(publisher, V3), ["puback #1 success"]);
    assert_eq!(got(&mut node, far), ["m0"]);
    node.input(0, Input::Congested { shard: ShardId(1) });
    node.publish(publisher, V3, &topic, b"zero", QoS::AtMostOnce, 0);
    publish(&mut node, publisher, &topic, 1..2);
    assert_eq!(got(&mut node, far), ["m1"], "QoS 1 is posted all the same");
    assert_eq!(node.drops(DropReason::MeshFull), 1);
}
