//! JT/T 808: how a terminal gets in, what it is answered, and what is left out. Frames by `terminal`, not by the product.

#![allow(clippy::unwrap_used)]

mod terminal;

use ringwire_codec::adapter::jt808::Jt808;
use ringwire_codec::adapter::{Answer, Cause, Kind, Read, Refusal, Scratch, Tail};
use terminal::{Conversation, Frame, PHONE, Told, position};

const NAME: &str = "013912344323";
const NAME_2019: &str = "00000000013912344323";

fn general(frame: &Frame, result: u8) -> Vec<u8> {
    let mut body = frame.serial.to_be_bytes().to_vec();
    body.extend(frame.id.to_be_bytes());
    body.push(result);
    body
}

fn authentication(code: &[u8]) -> Frame {
    Frame::new(0x0102, 2, code)
}

fn connected() -> Conversation {
    Conversation::let_in(&Jt808::default(), &authentication(b"secret"))
}

#[test]
fn a_terminal_registers_authenticates_reports_and_goes() {
    let mut conversation = Conversation::new(&Jt808::default());
    let register = Frame::new(0x0100, 1, b"whatever stands in it");
    assert_eq!(
        conversation.hears(&register.bytes()),
        [Told::Identify(NAME.into())]
    );
    let authenticate = authentication(NAME.as_bytes());
    let connect = Told::Connect(NAME.into(), NAME.into(), Some(NAME.into()), 300);
    assert_eq!(conversation.hears(&authenticate.bytes()), [connect]);
    let beat = Frame::new(0x0002, 3, b"");
    assert_eq!(conversation.hears(&beat.bytes()), [Told::Heartbeat]);
    let report = Frame::new(0x0200, 4, &position());
    assert!(matches!(
        conversation.hears(&report.bytes())[..],
        [Told::Publish(..)]
    ));
    let leave = Frame::new(0x0003, 5, b"");
    assert_eq!(conversation.hears(&leave.bytes()), [Told::Close]);

    let said = conversation.says();
    let code = [&[0, 1, 0], NAME.as_bytes()].concat();
    let expected = [
        Frame::new(0x8100, 0, &code),
        Frame::new(0x8001, 1, &general(&authenticate, 0)),
        Frame::new(0x8001, 2, &general(&beat, 0)),
        Frame::new(0x8001, 3, &general(&report, 0)),
        Frame::new(0x8001, 4, &general(&leave, 0)),
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_terminal_of_2019_is_answered_with_its_header_and_its_code_has_a_length() {
    let mut conversation = Conversation::new(&Jt808::default());
    let register = Frame::new_2019(0x0100, 1, b"x");
    assert_eq!(
        conversation.hears(&register.bytes()),
        [Told::Identify(NAME_2019.into())]
    );
    let body = [
        &[4][..],
        b"c0de",
        b"123456789012345",
        b"V1.0.0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ]
    .concat();
    let authenticate = Frame::new_2019(0x0102, 2, &body);
    let connect = Told::Connect(NAME_2019.into(), NAME_2019.into(), Some(b"c0de".to_vec()), 300);
    assert_eq!(conversation.hears(&authenticate.bytes()), [connect]);
    let code = [&[0, 1, 0], NAME_2019.as_bytes()].concat();
    let expected = [
        Frame::new_2019(0x8100, 0, &code),
        Frame::new_2019(0x8001, 1, &general(&authenticate, 0)),
    ];
    assert_eq!(conversation.says(), expected);
}

#[test]
fn a_code_whose_length_is_wrong_is_the_whole_body() {
    let mut conversation = Conversation::new(&Jt808::default());
    let told = conversation.hears(&Frame::new_2019(0x0102, 2, b"plain").bytes());
    let connect = Told::Connect(NAME_2019.into(), NAME_2019.into(), Some(b"plain".to_vec()), 300);
    assert_eq!(told, [connect]);
}

#[test]
fn registrations_may_be_refused() {
    let settings = Jt808 {
        register: false,
        ..Jt808::default()
    };
    let mut conversation = Conversation::new(&settings);
    conversation.hears(&Frame::new(0x0100, 9, b"").bytes());
    assert_eq!(conversation.says(), [Frame::new(0x8100, 0, &[0, 9, 4])]);
}

#[test]
fn the_code_that_was_handed_out_is_checked_when_asked_for() {
    let settings = Jt808 {
        auth_code: "k-%c".into(),
        check_auth_code: true,
        ..Jt808::default()
    };
    let mut conversation = Conversation::new(&settings);
    let wrong = authentication(b"k-013912344324");
    let told = conversation.hears(&wrong.bytes());
    assert!(
        matches!(&told[..], [Told::Unreadable(why)] if why.contains("another authentication code")),
        "{told:?}"
    );
    assert_eq!(conversation.says(), [Frame::new(0x8001, 0, &general(&wrong, 1))]);

    let mut conversation = Conversation::new(&settings);
    let told = conversation.hears(&authentication(b"k-013912344323").bytes());
    assert!(matches!(&told[..], [Told::Connect(..)]), "{told:?}");
}

#[test]
fn a_refused_terminal_is_told_by_the_results_of_its_question() {
    let register = Frame::new(0x0100, 7, b"");
    let login = authentication(b"no");
    let result = |result| Frame::new(0x8100, 0, &[0, 7, result]);
    let failure = |frame: &Frame| Frame::new(0x8001, 0, &general(frame, 1));
    let rows = [
        (&register, Cause::ClientId, result(4)),
        (&register, Cause::Credentials, result(4)),
        (&register, Cause::Banned, result(2)),
        // No result says that it may try again.
        (&register, Cause::Full, failure(&register)),
        (&login, Cause::ClientId, failure(&login)),
        (&login, Cause::Credentials, failure(&login)),
        (&login, Cause::Banned, failure(&login)),
        (&login, Cause::Full, failure(&login)),
    ];
    for (asked, cause, expected) in rows {
        let mut conversation = Conversation::new(&Jt808::default());
        let mut scratch = Scratch::default();
        let bytes = asked.bytes();
        let read = conversation.adapter.read(conversation.link, &bytes, &mut scratch);
        assert!(matches!(read, Ok(Read::Event { .. })));
        let refusal = Refusal { cause, text: "no" };
        conversation.adapter.answer(
            conversation.link,
            Answer::Refused(refusal),
            &mut conversation.output,
        );
        assert_eq!(conversation.says(), [expected], "{cause:?}");
    }
}

#[test]
fn who_has_not_authenticated_is_not_heard_unless_the_listener_says_so() {
    let report = Frame::new(0x0200, 4, &position());
    let mut conversation = Conversation::new(&Jt808::default());
    let told = conversation.hears(&report.bytes());
    assert!(
        matches!(&told[..], [Told::Unreadable(why)] if why.contains("message 0200 before the device has authenticated")),
        "{told:?}"
    );
    assert!(conversation.says().is_empty());

    let settings = Jt808 {
        implicit_login: true,
        ..Jt808::default()
    };
    let mut conversation = Conversation::new(&settings);
    let told = conversation.hears(&report.bytes());
    let connect = Told::Connect(NAME.into(), NAME.into(), None, 300);
    assert_eq!(told[0], connect);
    assert!(matches!(told[1..], [Told::Publish(..)]), "{told:?}");
    assert_eq!(conversation.says(), [Frame::new(0x8001, 0, &general(&report, 0))]);
}

#[test]
fn a_second_registration_or_authentication_is_answered_and_changes_nothing() {
    let mut conversation = connected();
    let told =
        conversation.hears(&[Frame::new(0x0100, 8, b"").bytes(), authentication(b"x").bytes()].concat());
    assert_eq!(told, [Told::Heartbeat, Told::Heartbeat]);
    let ids: Vec<u16> = conversation.says().iter().map(|frame| frame.id).collect();
    assert_eq!(ids, [0x8100, 0x8001]);
}

#[test]
fn the_frame_of_another_terminal_is_left_out() {
    let mut conversation = connected();
    let mut other = Frame::new(0x0200, 1, &position());
    other.phone[0] ^= 1;
    let told = conversation.hears(&[other.bytes(), Frame::new(0x0002, 3, b"").bytes()].concat());
    assert!(
        matches!(&told[0], Told::Skipped(why) if why.contains("of another device")),
        "{told:?}"
    );
    assert_eq!(told[1..], [Told::Heartbeat]);
}

/// A frame whose body says of itself that it is encrypted, by RSA.
fn encrypted(id: u16, body: &[u8]) -> Frame {
    Frame {
        encryption: 1,
        ..Frame::new(id, 9, body)
    }
}

#[test]
fn an_encrypted_body_is_published_as_it_is_and_never_read() {
    let mut conversation = connected();
    conversation.says();
    // In the clear each of these would be read: a position, a picture's id, an answer that acknowledges.
    conversation
        .deliver(r#"{"header":{"msg_id":33281}}"#, 5, false)
        .unwrap();
    let sent = conversation.says().pop().unwrap();
    let answer = [&sent.serial.to_be_bytes()[..], &position()].concat();
    for (id, body) in [(0x0200, position()), (0x0801, vec![0; 40]), (0x0201, answer)] {
        let frame = encrypted(id, &body);
        let told = conversation.hears(&frame.bytes());
        let [Told::Publish(payload, _)] = &told[..] else {
            panic!("{id:04x}: {told:?}")
        };
        let message: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!(message["header"]["encrypt"], 1);
        let body = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &body);
        assert_eq!(
            message["body"],
            serde_json::json!({"unknown_id": true, "data": body})
        );
        let answers = conversation.says();
        let expected = [Frame::new(0x8001, 0, &general(&frame, 0))];
        let expected = if id == 0x0201 {
            &expected[..0]
        } else {
            &expected[..]
        };
        assert_eq!(answers.len(), expected.len(), "{answers:?}");
        assert!(
            answers
                .iter()
                .zip(expected)
                .all(|(a, b)| (a.id, &a.body) == (b.id, &b.body)),
            "{answers:?}"
        );
    }
}

#[test]
fn what_decides_about_a_connection_is_left_out_when_it_is_encrypted() {
    for (id, connected) in [
        (0x0001, true),
        (0x0100, true),
        (0x0102, true),
        (0x0100, false),
        (0x0102, false),
    ] {
        let mut conversation = match connected {
            true => self::connected(),
            false => Conversation::new(&Jt808::default()),
        };
        conversation.says();
        let told = conversation.hears(&encrypted(id, b"013912344323").bytes());
        assert!(
            matches!(&told[..], [Told::Skipped(why)] if why.contains("encrypted body (method 1)")),
            "{id:04x}: {told:?}"
        );
        assert!(conversation.says().is_empty());
    }
    // A heartbeat has no body that could be encrypted.
    assert_eq!(
        connected().hears(&encrypted(0x0002, b"").bytes()),
        [Told::Heartbeat]
    );
}

/// Bytes, and what is said of them; a heartbeat behind them is understood.
#[test]
fn what_cannot_be_read_is_left_out_and_the_next_frame_is_found() {
    let good = Frame::new(0x0002, 3, b"").bytes();
    let mut wrong_check = good.clone();
    *wrong_check.iter_mut().rev().nth(1).unwrap() ^= 1;
    let mut wrong_length = vec![0, 2, 0, 5];
    wrong_length.extend(PHONE);
    wrong_length.extend([0, 1]);
    let mut number_0 = vec![0x02, 0x00, 0x20, 0x00];
    number_0.extend(PHONE);
    number_0.extend([0, 1, 0, 3, 0, 0]);
    let rows: [(Vec<u8>, &[&str]); 9] = [
        (
            b"GET / HTTP/1.1".to_vec(),
            &["bytes outside of a frame, which begins with 7e (offset 0)"],
        ),
        (wrong_check, &["the check byte is"]),
        (
            vec![0x7e, 1, 0x7d, 0x03, 0x7e],
            &["the escape 7d 03, which is neither 7d 01 nor 7d 02 (offset 2)"],
        ),
        (
            vec![0x7e, 1, 0x7d, 0x7e],
            &["an escape 7d at the end of the frame (offset 2)"],
        ),
        (
            vec![0x7e, 0x00, 0x7e],
            &["a frame of 0 bytes, too short for its header"],
        ),
        (
            terminal::framed(&wrong_length),
            &["the header says 5 bytes of body, and there are 0 (offset 3)"],
        ),
        (
            terminal::framed(&number_0),
            &["a package whose number is not within its total"],
        ),
        // A flag too many is no mistake.
        (vec![0x7e, 0x7e, 0x7e], &[]),
        (
            [&[0x7e][..], &[0x55; 3000]].concat(),
            &[
                "no end of the frame in 2092 bytes (offset 0)",
                "bytes outside of a frame",
            ],
        ),
    ];
    for (bytes, expected) in rows {
        let mut conversation = connected();
        let told = conversation.hears(&[&bytes, &good[..], &good].concat());
        let skipped: Vec<&String> = told
            .iter()
            .filter_map(|told| match told {
                Told::Skipped(why) => Some(why),
                _ => None,
            })
            .collect();
        assert_eq!(skipped.len(), expected.len(), "{told:?}");
        for (why, expected) in skipped.iter().zip(expected) {
            assert!(why.starts_with(expected), "{why}, not {expected}");
        }
        let beats = told.iter().filter(|told| **told == Told::Heartbeat).count();
        assert_eq!(beats, 2, "{told:?}");
        assert!(conversation.input.is_empty());
    }
}

#[test]
fn a_listener_may_close_at_what_cannot_be_read() {
    let settings = Jt808 {
        close_on_bad_frame: true,
        ..Jt808::default()
    };
    let mut conversation = Conversation::let_in(&settings, &authentication(b"x"));
    let told = conversation.hears(&[0x7e, 1, 2, 4, 0x7e]);
    assert!(
        matches!(&told[..], [Told::Unreadable(why)] if why.contains("check byte")),
        "{told:?}"
    );
}

#[test]
fn fields_for_the_up_topic_are_of_each_message() {
    let wanted = ["msg_id_hex", "phone", "msg_id"].map(str::to_owned);
    let mut conversation = Conversation::with_fields(&Jt808::default(), &wanted);
    conversation.hears(&authentication(b"x").bytes());
    let told = conversation.hears(&Frame::new(0x0900, 5, &[1]).bytes());
    let [Told::Publish(_, values)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(values, &["0900", NAME, "2304"]);
}

#[test]
fn what_may_not_be_published_is_answered_with_failure() {
    let mut conversation = connected();
    let report = Frame::new(0x0200, 4, &position());
    let mut scratch = Scratch::default();
    let bytes = report.bytes();
    let read = conversation.adapter.read(conversation.link, &bytes, &mut scratch);
    assert!(matches!(read, Ok(Read::Event { .. })));
    conversation
        .adapter
        .answer(conversation.link, Answer::Denied, &mut conversation.output);
    assert_eq!(conversation.says(), [Frame::new(0x8001, 1, &general(&report, 1))]);
}

#[test]
fn an_answer_that_was_not_asked_for_is_not_answered() {
    let mut conversation = connected();
    for id in [
        0x0104, 0x0107, 0x0201, 0x0302, 0x0500, 0x0608, 0x0700, 0x0802, 0x0805,
    ] {
        let told = conversation.hears(&Frame::new(id, 9, &[0, 1, 2]).bytes());
        assert!(matches!(told[..], [Told::Publish(..)]), "{told:?}");
        assert!(conversation.says().is_empty(), "{id:04x}");
    }
    // An acknowledgement of nothing is of no consequence.
    assert!(
        conversation
            .hears(&Frame::new(0x0001, 9, &[0, 1, 0x83, 0, 0]).bytes())
            .is_empty()
    );
}

#[test]
fn a_message_is_acknowledged_by_the_general_answer_or_by_its_own() {
    let serial_of = |conversation: &mut Conversation| conversation.says()[0].serial.to_be_bytes();
    let mut conversation = connected();
    // Text: the general answer, of the same serial and id.
    conversation
        .deliver(
            r#"{"header":{"msg_id":33536},"body":{"flag":1,"text":"hi"}}"#,
            41,
            false,
        )
        .unwrap();
    let [a, b] = serial_of(&mut conversation);
    assert!(
        conversation
            .hears(&Frame::new(0x0001, 9, &[a, b, 0x81, 0x04, 0]).bytes())
            .is_empty()
    );
    let told = conversation.hears(&Frame::new(0x0001, 9, &[a, b, 0x83, 0x00, 0]).bytes());
    assert_eq!(told, [Told::Acknowledge(41)]);
    // A question for the position: its answer, which is published too.
    conversation
        .deliver(r#"{"header":{"msg_id":33281}}"#, 42, false)
        .unwrap();
    let [a, b] = serial_of(&mut conversation);
    let answer = [&[a, b][..], &position()].concat();
    let told = conversation.hears(&Frame::new(0x0201, 9, &answer).bytes());
    assert!(
        matches!(told[..], [Told::Acknowledge(42), Told::Publish(..)]),
        "{told:?}"
    );
    // Attributes: an answer that does not say to what.
    conversation
        .deliver(r#"{"header":{"msg_id":33031}}"#, 43, false)
        .unwrap();
    let told = conversation.hears(&Frame::new(0x0107, 9, b"?").bytes());
    assert!(
        matches!(told[..], [Told::Acknowledge(43), Told::Publish(..)]),
        "{told:?}"
    );
    // A driver's card that was asked for gets no general answer; one that was not gets it.
    conversation
        .deliver(r#"{"header":{"msg_id":34562}}"#, 44, false)
        .unwrap();
    conversation.says();
    let card = Frame::new(0x0702, 9, &[2, 0x26, 1, 1, 1, 1, 1]);
    assert!(matches!(
        conversation.hears(&card.bytes())[..],
        [Told::Acknowledge(44), Told::Publish(..)]
    ));
    assert!(conversation.says().is_empty());
    assert!(matches!(
        conversation.hears(&card.bytes())[..],
        [Told::Publish(..)]
    ));
    assert_eq!(conversation.says()[0].body, general(&card, 0));
}

#[test]
fn a_message_sent_again_keeps_its_serial_number() {
    let mut conversation = connected();
    let text = r#"{"header":{"msg_id":33536},"body":{"flag":1,"text":"hi"}}"#;
    conversation.deliver(text, 7, false).unwrap();
    conversation.hears(&Frame::new(0x0002, 3, b"").bytes());
    conversation.deliver(text, 7, true).unwrap();
    conversation.deliver(text, 8, false).unwrap();
    let serials: Vec<u16> = conversation.says().iter().map(|frame| frame.serial).collect();
    assert_eq!(serials, [1, 2, 1, 3]);
    // The engine gave it up, and uses its number for another message.
    conversation.deliver(text, 7, false).unwrap();
    assert_eq!(conversation.says()[0].serial, 4);
    let late = conversation.hears(&Frame::new(0x0001, 9, &[0, 1, 0x83, 0x00, 0]).bytes());
    assert_eq!(late, []);
}

#[test]
fn an_answer_of_the_platform_is_not_waited_for() {
    let mut conversation = connected();
    let time = r#"{"header":{"msg_id":32772},"body":{"time":"261123100059"}}"#;
    assert_eq!(conversation.deliver(time, 7, false), Ok(Tail::Settled));
    assert_eq!(conversation.says()[0].body, [0x26, 0x11, 0x23, 0x10, 0x00, 0x59]);
}

#[test]
fn a_connection_that_is_over_leaves_nothing_to_the_next() {
    let mut conversation = connected();
    conversation
        .deliver(r#"{"header":{"msg_id":33281}}"#, 42, false)
        .unwrap();
    conversation.adapter.close(conversation.link);
    conversation.link = conversation.adapter.open(terminal::peer());
    let told = conversation.hears(&Frame::new(0x0002, 3, b"").bytes());
    assert!(matches!(told[..], [Told::Unreadable(_)]), "{told:?}");
    conversation.adapter.answer(
        conversation.link,
        Answer::Unreadable(Kind::Credentials),
        &mut conversation.output,
    );
    conversation.says();
}
