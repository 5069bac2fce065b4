//! Proof that each check can fail: a good history passes all of them, and the same history with one thing wrong is caught
//! by the check that is named for it.

mod bans;
mod claims;
mod delayed;
mod lead;
mod wills;

use super::{CHECKS, Failure, PacketIds, all, matches};
use crate::history::{Delivery, History, MessageId, Options, Origin, SHARED, SHARED_FIRST, Sent};
use crate::history::{Session, Subscription, Write};
use ringwire_codec::mqtt::{QoS, RetainHandling};
use std::collections::BTreeSet;

const PUBLISHER: &str = "publisher";

fn sent(id: MessageId, topic: &str, qos: QoS, step: u64) -> Sent {
    Sent {
        publisher: PUBLISHER.to_owned(),
        origin: Origin::Publish,
        topic: topic.to_owned(),
        payload: History::payload(id, 3),
        content_type: None,
        qos,
        retain: false,
        expiry_s: Some(20_000),
        fed: vec![step + 1],
        fed_ms: vec![1_000 * (step + 1)],
        certain: true,
        acked: (qos != QoS::AtMostOnce).then_some(step + 2),
        refused: false,
    }
}

fn options(step: u64) -> Options {
    Options {
        sent: step,
        sent_ms: 1_000 * step,
        fed: Some(step + 1),
        acked: Some(step + 2),
        qos: QoS::ExactlyOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
        identifier: Some(7),
    }
}

fn delivery(history: &History, id: MessageId, step: u64) -> Delivery {
    let message = &history.messages[id];
    Delivery {
        session: 0,
        message: Some(id),
        step,
        read_ms: 1_000 * step,
        since_ms: 0,
        tells_expiry: true,
        expiry_s: Some(20_000 - (step - message.fed[0]) as u32),
        topic: message.topic.clone(),
        payload: message.payload.clone(),
        content_type: None,
        qos: Some(message.qos),
        retain: false,
        dup: false,
        identifiers: vec![7],
    }
}

/// One session that subscribes to `a/#` in step 10; messages 0 to 2 at QoS 0 to 2, then 3 to 5 again, from step 20; 6 and
/// 7 are retained, 6 replaced by 7 in step 70, and 6 was the answer to the SUBSCRIBE.
fn good() -> History {
    let mut history = History::default();
    let subscription = Subscription {
        filter: "a/#".to_owned(),
        versions: vec![options(10)],
        unsubscribe_sent: None,
        unsubscribe_acked: None,
    };
    history.sessions.push(Session {
        client_id: "subscriber".to_owned(),
        device: false,
        ended: None,
        connected: Some(5),
        losses: Vec::new(),
        subscriptions: vec![subscription],
    });
    for id in 0..6 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][id % 3];
        history.messages.push(sent(id, "a/b", qos, 20 + 5 * id as u64));
    }
    history.messages.push(Sent {
        retain: true,
        ..sent(6, "a/r", QoS::AtLeastOnce, 2)
    });
    history.messages.push(Sent {
        retain: true,
        ..sent(7, "a/r", QoS::AtLeastOnce, 69)
    });
    let answer = Delivery {
        retain: true,
        ..delivery(&history, 6, 13)
    };
    history.deliveries.push(answer);
    for id in [0, 1, 2, 3, 4, 5, 7] {
        let delivery = delivery(&history, id, 80 + id as u64);
        history.deliveries.push(delivery);
    }
    be_a_group(&mut history);
    delayed::be_delayed(&mut history);
    claims::be_claimed(&mut history);
    wills::leave_wills(&mut history);
    bans::be_banned(&mut history);
    lead::come_of_a_device(&mut history);
    history.write("a/r", 3, Some(6), false);
    history.write("a/r", 70, Some(7), false);
    history.retained_at_end = vec![("a/r".to_owned(), 7)];
    history.retained_expected = vec![("a/r".to_owned(), 7)];
    history
}

/// The same session is a member of the third group from step 15; messages 8 to 10 at QoS 0 to 2 are for it.
fn be_a_group(history: &mut History) {
    history.sessions[0].subscriptions.push(Subscription {
        filter: SHARED[2].to_owned(),
        versions: vec![Options {
            identifier: Some(SHARED_FIRST + 2),
            ..options(15)
        }],
        unsubscribe_sent: None,
        unsubscribe_acked: None,
    });
    for id in 8..11 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][id - 8];
        history.messages.push(sent(id, "b", qos, 20 + 5 * id as u64));
        let delivery = Delivery {
            identifiers: vec![SHARED_FIRST + 2],
            ..delivery(history, id, 90 + id as u64)
        };
        history.deliveries.push(delivery);
    }
}

/// The name of the check that fails first.
fn caught(spoil: impl FnOnce(&mut History)) -> &'static str {
    let mut history = good();
    spoil(&mut history);
    all(&history).expect_err("a spoiled history is caught").check
}

/// The deliveries of a message, by index.
fn index(history: &History, id: MessageId) -> usize {
    history
        .deliveries
        .iter()
        .position(|delivery| delivery.message == Some(id))
        .expect("delivered")
}

type Spoil = fn(&mut History);

/// Each check's name, what is wrong in words, and how a good history is spoiled so.
const SPOILS: &[(&str, &str, Spoil)] = &[
    ("content_is_intact", "a byte of the payload changed", |history| {
        history.deliveries[2].payload[1] ^= 1
    }),
    ("content_is_intact", "it came under another topic", |history| {
        history.deliveries[2].topic = "a/c".to_owned()
    }),
    ("content_is_intact", "a content type was made up", |history| {
        history.deliveries[2].content_type = Some("text".to_owned());
    }),
    ("nothing_is_invented", "no engine ever had it", |history| {
        history.messages[1].fed.clear()
    }),
    (
        "nothing_is_invented",
        "RETAIN on what was not retained",
        |history| history.deliveries[2].retain = true,
    ),
    ("only_matching_topics", "the filter is another", |history| {
        history.sessions[0].subscriptions[0].filter = "b/#".to_owned();
    }),
    (
        "nothing_after_unsuback",
        "unsubscribed before it was published",
        |history| {
            history.sessions[0].subscriptions[0].unsubscribe_sent = Some(15);
            history.sessions[0].subscriptions[0].unsubscribe_acked = Some(17);
        },
    ),
    ("no_local_is_kept", "its own message came back", |history| {
        history.sessions[0].client_id = PUBLISHER.to_owned();
        history.sessions[0].subscriptions[0].versions[0].no_local = true;
    }),
    ("granted_qos_is_kept", "above the QoS of the publish", |history| {
        let index = index(history, 0);
        history.deliveries[index].qos = Some(QoS::ExactlyOnce);
    }),
    ("granted_qos_is_kept", "above the QoS of the filter", |history| {
        history.sessions[0].subscriptions[0].versions[0].qos = QoS::AtMostOnce;
    }),
    (
        "subscription_identifiers_are_right",
        "an identifier of nobody",
        |history| {
            history.deliveries[3].identifiers = vec![7, 8];
        },
    ),
    ("subscription_identifiers_are_right", "no identifier", |history| {
        history.deliveries[3].identifiers.clear()
    }),
    ("at_most_once", "QoS 0 came twice", |history| {
        let again = Delivery {
            step: 90,
            ..delivery(history, 0, 90)
        };
        history.deliveries.push(again);
    }),
    ("at_most_once", "QoS 1 came twice without DUP", |history| {
        let again = delivery(history, 1, 90);
        history.deliveries.push(again);
    }),
    (
        "at_most_once",
        "a retained message came twice for one SUBSCRIBE",
        |history| {
            let again = history.deliveries[0].clone();
            history.deliveries.insert(1, again);
        },
    ),
    ("at_least_once", "QoS 1 was lost", |history| {
        let index = index(history, 4);
        history.deliveries.remove(index);
    }),
    ("exactly_once", "QoS 2 was lost", |history| {
        let index = index(history, 5);
        history.deliveries.remove(index);
    }),
    ("exactly_once", "QoS 2 came twice", |history| {
        let again = Delivery {
            dup: true,
            ..delivery(history, 5, 90)
        };
        history.deliveries.push(again);
    }),
    (
        "subscribed_after_suback_is_heard",
        "QoS 0 was lost on a standing connection",
        |history| {
            let index = index(history, 3);
            history.deliveries.remove(index);
        },
    ),
    (
        "a_group_gets_each_message_once",
        "QoS 0 came to two members",
        |history| {
            let again = history.deliveries[index(history, 8)].clone();
            history.deliveries.push(again);
        },
    ),
    (
        "a_group_gets_each_message_once",
        "QoS 1 came to two members, and none has left",
        |history| {
            let again = history.deliveries[index(history, 9)].clone();
            history.deliveries.push(again);
        },
    ),
    (
        "a_group_gets_each_message_once",
        "QoS 2 came to two members, though one has left",
        |history| {
            history.sessions[0].losses.push(99);
            let again = history.deliveries[index(history, 10)].clone();
            history.deliveries.push(again);
        },
    ),
    ("a_group_loses_nothing", "QoS 0 came to no member", |history| {
        history.deliveries.remove(index(history, 8));
    }),
    (
        "a_group_loses_nothing",
        "QoS 1 came to no member, one was away",
        |history| {
            history.sessions[0].losses.push(99);
            history.deliveries.remove(index(history, 9));
        },
    ),
    (
        "a_group_is_not_sent_what_is_retained",
        "an answer for a group",
        |history| {
            let index = index(history, 9);
            history.messages[9].retain = true;
            history.deliveries[index].retain = true;
        },
    ),
    ("expiry_is_kept", "it was sent after it had expired", |history| {
        let index = index(history, 4);
        history.deliveries[index].since_ms = 50_000_000;
    }),
    ("expiry_is_kept", "its interval was not reduced", |history| {
        let index = index(history, 4);
        history.deliveries[index].since_ms = 80_000;
        history.deliveries[index].expiry_s = Some(20_000);
    }),
    (
        "expiry_is_kept",
        "its interval was reduced by too much",
        |history| {
            let index = index(history, 4);
            history.deliveries[index].expiry_s = Some(1);
        },
    ),
    ("expiry_is_kept", "its interval was lost", |history| {
        let index = index(history, 4);
        history.deliveries[index].expiry_s = None;
    }),
    (
        "order_is_kept",
        "two of one QoS came in the other order",
        |history| {
            let (first, second) = (index(history, 1), index(history, 4));
            history.deliveries.swap(first, second);
        },
    ),
    ("a_subscriber_knows_the_last_write", "no answer came", |history| {
        history.writes.insert(
            "a/r".to_owned(),
            vec![Write {
                expires: false,
                step: 3,
                message: Some(6),
            }],
        );
        history.messages[7].fed.clear();
        history
            .deliveries
            .retain(|delivery| delivery.message != Some(7) && delivery.message != Some(6));
        history.retained_at_end = vec![("a/r".to_owned(), 6)];
        history.retained_expected = vec![("a/r".to_owned(), 6)];
    }),
    (
        "retain_handling_is_kept",
        "an answer that nobody wanted",
        |history| {
            history.sessions[0].subscriptions[0].versions[0].retain_handling = RetainHandling::DoNotSend;
        },
    ),
    (
        "retained_is_fresh",
        "it had been replaced before it was asked for",
        |history| {
            history.writes.insert(
                "a/r".to_owned(),
                vec![
                    Write {
                        expires: false,
                        step: 3,
                        message: Some(6),
                    },
                    Write {
                        expires: false,
                        step: 4,
                        message: None,
                    },
                ],
            );
        },
    ),
    (
        "no_older_retained_after_a_newer_live_one",
        "the answer came after the newer message",
        |history| {
            let answer = Delivery {
                step: 95,
                ..history.deliveries.remove(0)
            };
            history.deliveries.push(answer);
        },
    ),
    (
        "retained_is_the_last_write",
        "an older write stands at the end",
        |history| history.retained_at_end[0].1 = 6,
    ),
    (
        "retained_is_the_last_write",
        "nothing stands at the end",
        |history| history.retained_at_end.clear(),
    ),
    (
        "retained_is_the_last_write",
        "what was cleared stands at the end",
        |history| history.retained_expected.clear(),
    ),
];

/// All of them.
fn spoils() -> impl Iterator<Item = &'static (&'static str, &'static str, Spoil)> {
    let parts = [
        SPOILS,
        delayed::SPOILS,
        claims::SPOILS,
        bans::SPOILS,
        lead::SPOILS,
        wills::SPOILS,
    ];
    parts.into_iter().flatten()
}

#[test]
fn a_good_history_passes_every_check() {
    assert_eq!(all(&good()), Ok(()));
}

#[test]
fn every_check_catches_the_history_that_breaks_it() {
    for (check, what, spoil) in spoils() {
        assert_eq!(caught(spoil), *check, "{what}");
    }
}

#[test]
fn every_check_has_a_history_that_breaks_it() {
    let proven: BTreeSet<&str> = spoils().map(|(check, ..)| *check).collect();
    let checks: BTreeSet<&str> = CHECKS.iter().map(|(check, _)| *check).collect();
    assert_eq!(proven, checks);
}

#[test]
fn a_drop_that_the_broker_named_is_not_a_loss_and_one_that_it_did_not_name_is() {
    let mut history = good();
    let index = index(&history, 4);
    history.deliveries.remove(index);
    assert_eq!(all(&history).expect_err("nobody named it").check, "at_least_once");
    history
        .drops
        .push(("subscriber".to_owned(), "delivery.dropped.queue_full"));
    assert_eq!(all(&history), Ok(()));
}

fn check_of<T: std::fmt::Debug>(result: Result<T, Failure>) -> &'static str {
    result.expect_err("it breaks the rule").check
}

#[test]
fn a_packet_identifier_of_zero_or_in_use_twice_is_caught() {
    let mut ids = PacketIds::default();
    assert_eq!(check_of(ids.publish(0, b"m", false, 5)), "packet_id_rules");
    assert_eq!(ids.publish(1, b"m", false, 5), Ok(true));
    assert_eq!(check_of(ids.publish(1, b"other", false, 5)), "packet_id_rules");
    assert_eq!(check_of(ids.publish(1, b"m", true, 5)), "packet_id_rules");
    assert_eq!(check_of(ids.release(1, false)), "packet_id_rules");
    assert_eq!(check_of(ids.release(2, false)), "packet_id_rules");
}

#[test]
fn what_comes_again_on_a_new_connection_must_be_the_same_message_and_marked() {
    let mut ids = PacketIds::default();
    assert_eq!(ids.publish(1, b"m", false, 5), Ok(true));
    ids.received(1);
    ids.lose();
    assert_eq!(
        check_of(ids.clone().publish(1, b"m", false, 5)),
        "packet_id_rules"
    );
    assert_eq!(
        check_of(ids.clone().publish(1, b"other", true, 5)),
        "packet_id_rules"
    );
    assert_eq!(
        ids.publish(1, b"m", true, 5),
        Ok(false),
        "it was received: not delivered again"
    );
    assert_eq!(ids.release(1, true), Ok(()));
    ids.done(1);
    assert!(ids.is_empty());
}

#[test]
fn one_more_than_the_receive_maximum_is_caught() {
    let mut ids = PacketIds::default();
    for id in 1..=3 {
        assert_eq!(ids.publish(id, b"m", false, 3), Ok(true));
    }
    assert_eq!(check_of(ids.clone().publish(4, b"m", false, 3)), "window_is_kept");
    ids.done(2);
    assert_eq!(ids.publish(4, b"m", false, 3), Ok(true));
}

#[test]
fn the_naive_matcher_knows_the_standards_examples() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/#", "sport", true),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/x", false),
        ("+/x", "$SYS/x", false),
        ("$SYS/#", "$SYS/x", true),
        ("a", "a/b", false),
        ("$share/g/a/#", "a/b", true),
        ("$share/g/#", "$SYS/x", false),
        ("$exclusive/a/b", "a/b", true),
        ("$exclusive/a/b", "a", false),
        ("$share/g/a", "g/a", false),
        ("a/b", "a", false),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}
