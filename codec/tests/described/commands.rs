//! What is sent down and acknowledged, who a device is, and what is wrong with a description.

use crate::device::{Device, Said, field, hex, hex_template, parts, reply, text_template, wide};
use crate::framings::open;
use ringwire_codec::adapter::described::description::{
    Algorithm, Checksum, ClientId, Command, Condition, Description, Down, DownPayload, Framing, Literal,
    Message, Payload, Reply, Role, Test, Width,
};
use ringwire_codec::adapter::described::{Endian, Template};
use ringwire_codec::adapter::{Answer, Cause, Refusal, Tail, Undeliverable};

fn length() -> Framing {
    Framing::Length {
        start: b"#".to_vec(),
        offset: 1,
        width: 1,
        endian: Endian::Big,
        adjustment: 2,
    }
}

fn when(field: &str, literal: Literal) -> Vec<Condition> {
    vec![Condition {
        field: field.to_owned(),
        test: Test::OneOf(vec![literal]),
    }]
}

fn message(name: &str, kind: i128, role: Role) -> Message {
    Message {
        name: name.to_owned(),
        when: when("kind", Literal::Number(kind)),
        role,
        fields: Vec::new(),
        publish: false,
        payload: None,
        answer: None,
        refusal: None,
    }
}

fn command(name: &str, template: Template) -> Command {
    Command {
        name: name.to_owned(),
        when: when("do", Literal::Text(name.to_owned())),
        send: reply(template),
    }
}

/// `#`, length, kind, sequence, what belongs to the kind, CRC-16/MODBUS; commands are JSON.
fn tracker() -> Description {
    let commands = vec![
        command("interval", hex_template("81 {$sequence:u8} {.seconds:u16}")),
        command("text", hex_template("82 {$sequence:u8} {#.text:u8} {.text:text}")),
        command("reset", hex_template("83 ff")),
    ];
    let identity = ringwire_codec::adapter::described::description::Identity {
        client_id: ClientId::Frame(text_template("t-{id}")),
        username: Some(text_template("{id}")),
        password: None,
        keepalive: ringwire_codec::adapter::described::description::Keepalive::Field("seq".to_owned()),
    };
    let login = Message {
        fields: parts([wide("id", "bcd", Width::Bytes(3))]),
        answer: Some(reply(hex_template("80 {seq} 00"))),
        refusal: Some(reply(hex_template("80 {seq} {#$refusal:u8} {$refusal}"))),
        ..message("login", 1, Role::Login(identity))
    };
    let data = Message {
        fields: parts([field("value", "i16")]),
        answer: Some(reply(hex_template("80 {seq} {$sequence:u8}"))),
        ..message("data", 2, Role::Data)
    };
    let number = "seq".to_owned();
    let done = Message {
        publish: true,
        ..message("done", 3, Role::Acknowledge { number })
    };
    let payload = Payload::Json {
        omit: vec!["kind".to_owned()],
        label: None,
    };
    let mut tracker = open(length(), Vec::new(), payload);
    tracker.fields = parts([
        wide("", "bytes", Width::Bytes(2)),
        field("kind", "u8"),
        field("seq", "u8"),
    ]);
    tracker.frame.strip_end = 2;
    tracker.separator = None;
    tracker.identity = None;
    tracker.messages = vec![login, data, done];
    tracker.checksum = Some(Checksum {
        algorithm: Algorithm::Crc16Modbus,
        from: 0,
        to: Some(-2),
        at: -2,
        endian: Endian::Little,
        hex: false,
    });
    tracker.down = Some(Down {
        payload: DownPayload::Json,
        sequence_width: 1,
        window: 2,
        commands,
    });
    tracker
}

/// A frame with its CRC, computed bit by bit.
fn frame(content: &str) -> Vec<u8> {
    let content = hex(content);
    let mut frame = [b"#".as_slice(), &[content.len() as u8], &content].concat();
    let mut crc = 0xffff_u16;
    for byte in &frame {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
        }
    }
    frame.extend_from_slice(&crc.to_le_bytes());
    frame
}

fn connected() -> Device {
    let mut device = Device::new(&tracker().compile().expect("without flaws"));
    device.send(&frame("01 3c 000123"));
    let connect = Said::Connect(b"t-000123".to_vec(), Some(b"000123".to_vec()), None, 60);
    assert_eq!(device.take_said(), [connect]);
    assert_eq!(device.take_told(), frame("80 3c 00"));
    device
}

#[test]
fn data_is_answered_with_its_number_and_one_of_ours() {
    let mut device = connected();
    device.send(&frame("02 07 fffe")).send(&frame("02 08 0001"));
    assert_eq!(
        device.published(),
        [r#"{"seq":7,"value":-2}"#, r#"{"seq":8,"value":1}"#]
    );
    assert_eq!(
        device.take_told(),
        [frame("80 07 00"), frame("80 08 01")].concat()
    );
}

#[test]
fn commands_are_acknowledged_by_their_own_numbers_and_sent_again_with_the_same() {
    let mut device = connected();
    let interval = br#"{"do":"interval","seconds":30}"#;
    assert_eq!(device.deliver(interval, 700, false), Ok(Tail::Nothing));
    assert_eq!(
        device.deliver(br#"{"do":"text","text":"hi"}"#, 701, false),
        Ok(Tail::Nothing)
    );
    assert_eq!(device.deliver(interval, 700, true), Ok(Tail::Nothing));
    let sent = [frame("81 00 001e"), frame("82 01 02 6869"), frame("81 00 001e")].concat();
    assert_eq!(device.take_told(), sent);
    assert_eq!(
        device.deliver(br#"{"do":"reset"}"#, 702, false),
        Ok(Tail::Settled)
    );
    device.take_told();
    device
        .send(&frame("03 01"))
        .send(&frame("03 00"))
        .send(&frame("03 00"));
    let heard = device.take_said();
    let numbers: Vec<u16> = heard
        .iter()
        .filter_map(|said| {
            if let Said::Acknowledge(number) = said {
                Some(*number)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(numbers, [701, 700]);
    assert_eq!(heard.len(), 5, "each is published too: {heard:?}");
}

#[test]
fn payloads_that_are_no_command_are_refused_with_a_reason() {
    let mut device = connected();
    for (payload, reason) in [
        (r#"{"do":"fly"}"#, "none of the described commands"),
        ("[1]", "no JSON object"),
        (r#"{"do":"interval"}"#, "no member `seconds`"),
        (
            r#"{"do":"interval","seconds":70000}"#,
            "70000 does not fit into u16",
        ),
        (
            r#"{"do":"interval","seconds":{}}"#,
            "no text, number or truth value",
        ),
    ] {
        let error = device.deliver(payload.as_bytes(), 1, false).expect_err("refused");
        assert!(error.to_string().contains(reason), "{error}");
    }
    let long = format!(r#"{{"do":"text","text":"{}"}}"#, "x".repeat(60));
    assert!(matches!(
        device.deliver(long.as_bytes(), 1, false),
        Err(Undeliverable::TooLarge { .. })
    ));
    assert_eq!(device.told, b"");
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let mut device = Device::new(&tracker().compile().expect("without flaws"));
    device.send_answered(&frame("01 05 000123"), |_| {
        Answer::Refused(Refusal {
            cause: Cause::Banned,
            text: "no",
        })
    });
    assert_eq!(device.told, frame("80 05 02 6e6f"));
    let mut early = Device::new(&tracker().compile().expect("without flaws"));
    early.send(&frame("02 07 fffe"));
    assert!(
        matches!(early.said.as_slice(), [Said::Unreadable(why)] if why.what.contains("before the device said"))
    );
}

#[test]
fn a_payload_cannot_smuggle_a_second_line() {
    let line = Framing::Delimiter {
        delimiter: b"\n".to_vec(),
        strip_cr: false,
        ending: Some(b"\r\n".to_vec()),
    };
    let mut lines = open(line, Vec::new(), Payload::Raw);
    let send = Reply {
        template: text_template("SET {$payload}"),
        raw: false,
        codes: None,
    };
    lines.down = Some(Down {
        payload: DownPayload::Raw,
        sequence_width: 1,
        window: 0,
        commands: vec![Command {
            name: "set".to_owned(),
            when: Vec::new(),
            send,
        }],
    });
    let mut device = Device::new(&lines.compile().expect("without flaws"));
    assert_eq!(device.deliver(b"a=1", 0, false), Ok(Tail::Nothing));
    assert_eq!(device.take_told(), b"SET a=1\r\n");
    assert!(device.deliver(b"a=1\nRESET", 0, false).is_err());
    assert_eq!(device.told, b"");
}

#[test]
fn the_first_frame_lets_in_when_nothing_else_says_who_a_device_is() {
    let mut by_field = tracker();
    by_field.messages.remove(0);
    by_field.identity = Some(ringwire_codec::adapter::described::description::Identity {
        client_id: ClientId::Frame(text_template("d{seq}")),
        username: None,
        password: None,
        keepalive: ringwire_codec::adapter::described::description::Keepalive::Seconds(9),
    });
    let mut device = Device::new(&by_field.compile().expect("without flaws"));
    device
        .send(&frame("02 07 fffe"))
        .send(&frame("02 07 0001"))
        .send(&frame("02 08 0001"));
    let said = device.said.as_slice();
    assert!(
        matches!(
            said,
            [
                Said::Connect(..),
                Said::Publish(..),
                Said::Publish(..),
                Said::Unreadable(_)
            ]
        ),
        "{said:?}"
    );
    for (client_id, certificate, expected) in [
        (ClientId::Certificate, Some("meter-7"), Some("meter-7")),
        (ClientId::Certificate, None, None),
        (ClientId::Address, None, Some("192.0.2.7")),
    ] {
        let mut described = by_field.clone();
        described.identity.as_mut().expect("set above").client_id = client_id;
        let mut device = Device::of(&described.compile().expect("without flaws"), certificate, &[]);
        device.send(&frame("02 07 fffe"));
        let id = match device.said.first() {
            Some(Said::Connect(id, ..)) => Some(String::from_utf8_lossy(id).into_owned()),
            _ => None,
        };
        assert_eq!(id.as_deref(), expected);
    }
}

#[test]
fn flaws_name_the_part_and_what_to_do() {
    type Spoil = fn(&mut Description);
    let cases: [(Spoil, &str, &str); 10] = [
        (|d| d.name = "a b".into(), "name", "is no name"),
        (|d| d.frame.max = 0, "frame.max", "can be said"),
        (|d| d.messages.clear(), "message", "at least one"),
        (
            |d| d.messages[1].answer = Some(reply(hex_template("{nothing}"))),
            "message[1].answer",
            "no field `nothing`",
        ),
        (
            |d| d.messages[2].answer = Some(reply(hex_template("00"))),
            "message[2].answer",
            "never sent",
        ),
        (
            |d| d.messages[1].when = when("value", Literal::Number(1)),
            "message[1].when.value",
            "every frame",
        ),
        (|d| d.messages[0].when.clear(), "message[1].when", "never reached"),
        (
            |d| d.messages[1].fields = parts([wide("x", "text", Width::Own)]),
            "message[1].field[0].width",
            "how many bytes",
        ),
        (|d| d.down = None, "message[1].answer", "$sequence"),
        (
            |d| d.down.as_mut().expect("there").window = 256,
            "down.window",
            "255 is the limit",
        ),
    ];
    for (spoil, path, what) in cases {
        let mut description = tracker();
        spoil(&mut description);
        let flaws = description.compile().expect_err("spoiled");
        let is_it =
            |flaw: &&ringwire_codec::adapter::described::Flaw| flaw.path == path && flaw.what.contains(what);
        assert!(flaws.iter().find(is_it).is_some(), "{path}: {flaws:?}");
    }
}

#[test]
fn templates_that_cannot_be_read_say_where() {
    for (text, at, what) in [
        ("01 {seq", 3..7, "not closed"),
        ("01 0", 3..4, "half a byte"),
        ("0g", 1..2, "not a hex digit"),
        ("{a:u9}", 1..5, "no format"),
        ("{a:u8:3}", 1..7, "no width"),
        ("{$x}", 1..3, "no value"),
        ("{$sequence}", 1..10, "how is"),
    ] {
        let error = Template::hex(text, Endian::Big).expect_err(text);
        assert_eq!(
            (error.at.start, error.what.contains(what)),
            (at.start, true),
            "{text}: {error}"
        );
    }
    let text = Template::text("a{{{x}}}b", Endian::Big).expect("holds");
    assert_eq!(text.pieces.len(), 3);
}
