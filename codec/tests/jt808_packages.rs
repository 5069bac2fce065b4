//! JT/T 808: long messages in packages, up with loss, disorder and limits, and down.

#![allow(clippy::unwrap_used)]

mod terminal;

use proptest::prelude::*;
use ringwire_codec::adapter::jt808::Jt808;
use ringwire_codec::adapter::{Answer, Event, Read, Scratch, Undeliverable};
use serde_json::{Value, json};
use terminal::{Conversation, Frame, Told, position};

fn connected(settings: &Jt808) -> Conversation {
    Conversation::let_in(settings, &Frame::new(0x0102, 2, b"secret"))
}

/// A picture of so many bytes.
fn picture(bytes: usize) -> Frame {
    let mut body = vec![0, 0, 0, 9, 0, 0, 1, 2];
    body.extend(position());
    body.extend((0..bytes).map(|at| (at % 251) as u8));
    Frame::new(0x0801, 65_530, &body)
}

fn published(told: &[Told]) -> Vec<Value> {
    let payload = |told: &Told| match told {
        Told::Publish(payload, _) => Some(serde_json::from_str(payload).unwrap()),
        _ => None,
    };
    told.iter().filter_map(payload).collect()
}

fn skipped(told: &[Told]) -> Vec<String> {
    let why = |told: &Told| match told {
        Told::Skipped(why) => Some(why.clone()),
        _ => None,
    };
    told.iter().filter_map(why).collect()
}

#[test]
fn a_picture_in_packages_is_one_message_each_package_is_answered() {
    let mut conversation = connected(&Jt808::default());
    let whole = picture(2500);
    let packages = whole.packages(1000);
    let mut told = Vec::new();
    for package in &packages {
        told.extend(conversation.hears(&package.bytes()));
    }
    let [message] = &published(&told)[..] else {
        panic!("{told:?}")
    };
    let header = json!({
        "msg_id": 0x0801, "encrypt": 0, "len": whole.body.len(), "phone": "013912344323",
        // Serial numbers of the packages wrap; the message has that of the package that made it whole.
        "msg_sn": packages[2].serial, "frag_total": 3
    });
    assert_eq!(message["header"], header);
    assert_eq!(message["body"]["id"], json!(9));
    assert_eq!(
        message["body"]["multimedia"].as_str().unwrap().len(),
        2500_usize.div_ceil(3) * 4
    );
    let said = conversation.says();
    let ids: Vec<u16> = said.iter().map(|frame| frame.id).collect();
    assert_eq!(ids, [0x8001, 0x8001, 0x8001, 0x8800]);
    assert_eq!(said[3].body, [0, 0, 0, 9]);
    for (answer, package) in said.iter().zip(&packages) {
        assert_eq!(answer.body[..2], package.serial.to_be_bytes());
    }
}

#[test]
fn packages_need_not_be_answered_and_then_the_message_is() {
    let settings = Jt808 {
        answer_packages: false,
        ..Jt808::default()
    };
    let mut conversation = connected(&settings);
    let packages = Frame::new(0x0900, 10, &[7; 30]).packages(10);
    for package in &packages {
        conversation.hears(&package.bytes());
    }
    let [answer] = &conversation.says()[..] else {
        panic!("one answer")
    };
    assert_eq!(answer.body, [0, 12, 0x09, 0x00, 0]);
}

#[test]
fn missing_packages_are_asked_for_when_the_last_has_come() {
    for is_2019 in [false, true] {
        let settings = Jt808::default();
        let make = if is_2019 { Frame::new_2019 } else { Frame::new };
        let mut conversation = Conversation::let_in(&settings, &make(0x0102, 2, b"\x01x"));
        let packages = make(0x0900, 65_534, &[7; 50]).packages(10);
        for number in [1, 3, 5] {
            conversation.hears(&packages[number - 1].bytes());
        }
        let asked = conversation.says().pop().unwrap();
        let count: &[u8] = if is_2019 { &[0, 2] } else { &[2] };
        let body = [&65_534_u16.to_be_bytes(), count, &[0, 2, 0, 4]].concat();
        assert_eq!((asked.id, asked.body), (0x8003, body));
        let mut told = conversation.hears(&packages[3].bytes());
        told.extend(conversation.hears(&packages[1].bytes()));
        assert_eq!(published(&told).len(), 1, "{told:?}");
    }
}

#[test]
fn a_message_that_is_short_by_its_nature_may_come_in_packages_too() {
    for id in [0x0001, 0x0002, 0x0003, 0x0100, 0x0102] {
        let mut conversation = connected(&Jt808::default());
        let packages = Frame::new(id, 10, &[7; 30]).packages(10);
        let bytes: Vec<u8> = packages.iter().flat_map(Frame::bytes).collect();
        let told = conversation.hears(&bytes);
        assert_eq!(published(&told).len(), 1, "{told:?}");
        assert_eq!(conversation.says().len(), 3);
    }
}

#[test]
fn packages_with_one_serial_number_are_understood() {
    let mut conversation = connected(&Jt808::default());
    let mut told = Vec::new();
    for mut package in Frame::new(0x0900, 10, &[7; 30]).packages(10) {
        package.serial = 10;
        told.extend(conversation.hears(&package.bytes()));
    }
    assert_eq!(published(&told).len(), 1, "{told:?}");
}

#[test]
fn a_message_larger_than_its_room_is_left_out_and_others_are_not() {
    let settings = Jt808 {
        unfinished_bytes_max: 5000,
        ..Jt808::default()
    };
    let mut conversation = connected(&settings);
    let mut told = Vec::new();
    for package in picture(6000).packages(1000) {
        told.extend(conversation.hears(&package.bytes()));
    }
    assert!(published(&told).is_empty());
    let why = skipped(&told);
    assert!(
        why.len() >= 5 && why[0].contains("a long message of more than 5000 bytes"),
        "{why:?}"
    );
    // Small packages of a large total are found out as they come.
    let mut told = Vec::new();
    for package in Frame::new(0x0900, 1, &[7; 500]).packages(1) {
        told.extend(conversation.hears(&package.bytes()));
    }
    assert!(published(&told).is_empty() && !skipped(&told).is_empty());
    let mut told = Vec::new();
    for package in picture(2000).packages(1000) {
        told.extend(conversation.hears(&package.bytes()));
    }
    assert_eq!(published(&told).len(), 1);
}

#[test]
fn the_oldest_unfinished_message_gives_way() {
    let settings = Jt808 {
        unfinished_messages_max: 2,
        ..Jt808::default()
    };
    let mut conversation = connected(&settings);
    let messages: Vec<_> = (0..3)
        .map(|at| Frame::new(0x0900, 100 * at, &[7; 30]).packages(10))
        .collect();
    for message in &messages[..2] {
        assert!(skipped(&conversation.hears(&message[0].bytes())).is_empty());
    }
    let told = conversation.hears(&messages[2][0].bytes());
    assert_eq!(
        skipped(&told),
        ["1 packages of unfinished long messages gave way to a newer one (offset 1)"]
    );
    for (message, expected) in [(1, 1), (2, 1), (0, 0)] {
        let rest = [messages[message][1].bytes(), messages[message][2].bytes()].concat();
        assert_eq!(published(&conversation.hears(&rest)).len(), expected, "{message}");
    }
}

#[test]
fn a_message_that_does_not_go_on_is_asked_for_once_more_and_then_dropped() {
    for is_2019 in [false, true] {
        let make = if is_2019 { Frame::new_2019 } else { Frame::new };
        let settings = Jt808 {
            unfinished_timeout_ms: 10_000,
            ..Jt808::default()
        };
        let mut conversation = Conversation::let_in(&settings, &make(0x0102, 2, b"\x01x"));
        let packages = make(0x0900, 65_534, &[7; 50]).packages(10);
        for number in [2, 3] {
            conversation.hears(&packages[number - 1].bytes());
        }
        let heartbeat = make(0x0002, 9, b"").bytes();
        conversation.waits(4_999);
        conversation.hears(&heartbeat);
        conversation.says();
        conversation.waits(1);
        assert_eq!(conversation.hears(&heartbeat), [Told::Heartbeat, Told::Heartbeat]);
        let said = conversation.says();
        let count: &[u8] = if is_2019 { &[0, 3] } else { &[3] };
        let body = [&65_534_u16.to_be_bytes(), count, &[0, 1, 0, 4, 0, 5]].concat();
        assert_eq!((said[0].id, &said[0].body), (0x8003, &body));
        assert_eq!(
            (said.len(), said[1].id),
            (2, 0x8001),
            "and its heartbeat is answered"
        );
        conversation.waits(4_999);
        conversation.hears(&heartbeat);
        assert_eq!(conversation.says().len(), 1, "asked for once");
        // A package that comes in time gives it all its time again.
        conversation.hears(&packages[3].bytes());
        conversation.waits(9_999);
        assert!(skipped(&conversation.hears(&heartbeat)).is_empty());
        conversation.waits(1);
        let told = conversation.hears(&[&heartbeat[..], &packages[0].bytes(), &packages[4].bytes()].concat());
        assert_eq!(
            skipped(&told),
            ["message 0900: 3 of its 5 packages came, and no more within 10000 ms (offset 0)"]
        );
        assert!(published(&told).is_empty(), "the three are gone");
    }
}

#[test]
fn a_package_that_comes_late_saves_its_message_and_only_that() {
    let mut conversation = connected(&Jt808::default());
    let (one, two) = (
        Frame::new(0x0900, 10, &[1; 20]).packages(10),
        Frame::new(0x0900, 90, &[2; 20]).packages(10),
    );
    conversation.hears(&[one[0].bytes(), two[0].bytes()].concat());
    conversation.waits(61_000);
    let told = conversation.hears(&two[1].bytes());
    assert_eq!((published(&told).len(), skipped(&told).len()), (1, 1), "{told:?}");
}

#[test]
fn without_a_timeout_it_is_kept_and_without_answers_nothing_is_asked_for() {
    for (timeout, answers) in [(0, true), (60_000, false)] {
        let settings = Jt808 {
            unfinished_timeout_ms: timeout,
            answer_packages: answers,
            ..Jt808::default()
        };
        let mut conversation = connected(&settings);
        let packages = Frame::new(0x0900, 10, &[1; 20]).packages(10);
        conversation.hears(&packages[0].bytes());
        conversation.waits(if timeout == 0 { 1 << 40 } else { 59_999 });
        conversation.says();
        assert_eq!(
            conversation.hears(&Frame::new(0x0002, 9, b"").bytes()),
            [Told::Heartbeat]
        );
        assert_eq!(conversation.says().len(), 1);
        assert_eq!(published(&conversation.hears(&packages[1].bytes())).len(), 1);
    }
}

#[test]
fn a_message_that_waits_for_room_is_not_overdue() {
    let mut conversation = connected(&Jt808::default());
    let packages = Frame::new(0x0900, 10, &[1; 20]).packages(10);
    conversation.hears(&packages[0].bytes());
    // The last one is read, and decided upon an hour later.
    let bytes = packages[1].bytes();
    let mut scratch = Scratch::default();
    let mut out = Vec::new();
    let alive = conversation.adapter.read(conversation.link, &bytes, &mut scratch);
    assert!(
        matches!(
            alive,
            Ok(Read::Event {
                event: Event::Heartbeat,
                used: 0
            })
        ),
        "{alive:?}"
    );
    conversation
        .adapter
        .answer(conversation.link, Answer::Alive, &mut out);
    for _ in 0..2 {
        let read = conversation.adapter.read(conversation.link, &bytes, &mut scratch);
        assert!(
            matches!(
                &read,
                Ok(Read::Event {
                    event: Event::Publish(_),
                    ..
                })
            ),
            "{read:?}"
        );
        scratch.now_ms += 3_600_000;
    }
}

#[test]
fn encrypted_packages_are_put_together_with_their_like_only() {
    let mut conversation = connected(&Jt808::default());
    let mut packages = Frame::new(0x0200, 10, &position()).packages(14);
    packages[0].encryption = 1;
    let mut told = conversation.hears(&[packages[0].bytes(), packages[1].bytes()].concat());
    assert!(published(&told).is_empty(), "{told:?}");
    packages[1].encryption = 1;
    told.extend(conversation.hears(&packages[1].bytes()));
    let [message] = &published(&told)[..] else {
        panic!("{told:?}")
    };
    assert_eq!(message["body"]["unknown_id"], json!(true), "{message}");
    assert_eq!(
        (&message["header"]["encrypt"], &message["header"]["len"]),
        (&json!(1), &json!(28))
    );
}

#[test]
fn a_long_message_to_a_device_is_cut_and_acknowledged_with_any_package() {
    let settings = Jt808 {
        package_bytes: 400,
        ..Jt808::default()
    };
    for serial in 0..3 {
        let mut conversation = connected(&settings);
        let text = "x".repeat(999);
        let payload = json!({"header": {"msg_id": 0x8300}, "body": {"flag": 1, "text": text}}).to_string();
        conversation.deliver(&payload, 7, false).unwrap();
        conversation.deliver(&payload, 7, true).unwrap();
        let said = conversation.says();
        let whole = Frame::new(0x8300, 1, &[&[1], text.as_bytes()].concat());
        assert_eq!(said, [whole.packages(400), whole.packages(400)].concat());
        let answer = Frame::new(0x0001, 9, &[0, 1 + serial, 0x83, 0, 0]);
        assert_eq!(conversation.hears(&answer.bytes()), [Told::Acknowledge(7)]);
    }
}

#[test]
fn a_message_to_a_device_has_a_limit() {
    let settings = Jt808 {
        down_bytes_max: 1000,
        ..Jt808::default()
    };
    let mut conversation = connected(&settings);
    let payload = |bytes: usize| {
        let text = "x".repeat(bytes);
        json!({"header": {"msg_id": 0x8300}, "body": {"flag": 1, "text": text}}).to_string()
    };
    conversation.deliver(&payload(999), 7, false).unwrap();
    conversation.says();
    let refused = conversation.deliver(&payload(1000), 8, false);
    assert_eq!(
        refused,
        Err(Undeliverable::TooLarge {
            size: 1001,
            limit: 1000
        })
    );
    // Not even looked at.
    let refused = conversation.deliver(&payload(100_000), 8, false);
    assert!(matches!(refused, Err(Undeliverable::TooLarge { .. })));
    assert!(conversation.output.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order, with any package twice: the message is published once, as it was.
    #[test]
    fn packages_in_any_order_make_the_message(
        body in proptest::collection::vec(any::<u8>(), 30..200),
        size in 1_usize..30,
        serial in any::<u16>(),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 200),
        twice in any::<proptest::sample::Index>(),
    ) {
        let whole = Frame::new(0x0f00, serial, &body);
        let mut packages = whole.packages(size);
        for (at, other) in (1..packages.len()).zip(order) {
            packages.swap(at, other.index(at + 1));
        }
        let again = packages[twice.index(packages.len())].clone();
        packages.insert(twice.index(packages.len() + 1), again);
        let mut conversation = connected(&Jt808::default());
        let bytes: Vec<u8> = packages.iter().flat_map(Frame::bytes).collect();
        let in_packages = published(&conversation.hears(&bytes));
        let in_one = published(&connected(&Jt808::default()).hears(&whole.bytes()));
        prop_assert_eq!(in_packages.len(), 1);
        prop_assert_eq!(&in_packages[0]["body"], &in_one[0]["body"]);
    }
}
