//! Edges of descriptions: limits met exactly, frames in two pieces, lengths that end blocks, and reactions of their own.

use crate::device::{Device, Said, field, hex, hex_template, parts, reply, text_template, wide};
use crate::framings::open;
use ringwire_codec::adapter::described::Endian;
use ringwire_codec::adapter::described::description::{
    Algorithm, Checksum, ClientId, Command, Condition, Description, Down, DownPayload, Escape, Framing,
    Identity, Keepalive, Literal, Message, Payload, Reaction, Reply, Role, Test, Width,
};
use ringwire_codec::adapter::{Tail, Undeliverable};

const JSON: Payload = Payload::Json {
    omit: Vec::new(),
    label: None,
};

fn line(delimiter: &str) -> Framing {
    Framing::Delimiter {
        delimiter: delimiter.into(),
        strip_cr: false,
        ending: None,
    }
}

fn length(start: &str) -> Framing {
    Framing::Length {
        start: start.into(),
        offset: start.len(),
        width: 1,
        endian: Endian::Big,
        adjustment: 0,
    }
}

/// 0x7e around a frame, and 0x7d for what must not be in it.
fn marks() -> Framing {
    let escape = |wire, plain| Escape { wire, plain };
    Framing::Marks {
        start: vec![0x7e],
        end: vec![0x7e],
        escapes: vec![escape([0x7d, 1], 0x7d), escape([0x7d, 2], 0x7e)],
    }
}

fn with_command(mut description: Description, payload: DownPayload, send: Reply) -> Description {
    let command = Command {
        name: "any".to_owned(),
        when: Vec::new(),
        send,
    };
    description.down = Some(Down {
        payload,
        sequence_width: 1,
        window: 0,
        commands: vec![command],
    });
    description
}

fn device(description: &Description) -> Device {
    Device::new(&description.compile().expect("without flaws"))
}

/// What was published, and how the rest was taken.
fn heard(device: &Device) -> Vec<String> {
    let shown = device.said.iter().filter_map(|said| match said {
        Said::Publish(payload, _) => Some(String::from_utf8_lossy(payload).into_owned()),
        Said::Skipped(size) => Some(format!("-{size}")),
        Said::Unreadable(why) => Some(format!("{:?} {}", why.kind, why.offset)),
        Said::Connect(..) | Said::Heartbeat | Said::Acknowledge(_) | Said::Close => None,
    });
    shown.collect()
}

#[test]
fn a_frame_may_be_as_large_as_the_limit_both_ways() {
    for (framing, around) in [(line("\n"), 1), (length(""), 1)] {
        let open = open(framing, Vec::new(), Payload::Hex);
        let both = with_command(open, DownPayload::Raw, reply(text_template("{$payload}")));
        let largest = vec![b'a'; both.frame.max - around];
        let mut larger = largest.clone();
        larger.push(b'a');
        let mut sent = device(&both);
        sent.deliver(&largest, 0, false).expect("it fits");
        let frame = sent.take_told();
        assert_eq!(frame.len(), both.frame.max);
        let refused = sent.deliver(&larger, 0, false);
        assert!(
            matches!(refused, Err(Undeliverable::TooLarge { size: 64, limit: 63 })),
            "{refused:?}"
        );
        sent.send(&frame);
        assert_eq!(heard(&sent).len(), 1);
        assert!(heard(&sent)[0].ends_with("61"), "{:?}", heard(&sent));
    }
}

#[test]
fn a_payload_that_its_length_field_cannot_count_is_refused_with_what_it_can() {
    let mut counted = open(length(""), Vec::new(), Payload::Hex);
    counted.frame.max = 1_000;
    let counted = with_command(counted, DownPayload::Raw, reply(hex_template("0102{$payload}")));
    let mut device = device(&counted);
    device.deliver(&[0; 253], 0, false).expect("255 can be counted");
    let refused = device.deliver(&[0; 254], 0, false);
    assert!(
        matches!(
            refused,
            Err(Undeliverable::TooLarge {
                size: 254,
                limit: 253
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn marks_and_delimiters_may_come_in_two_pieces() {
    let two = Framing::Marks {
        start: b"<<".to_vec(),
        end: b">>".to_vec(),
        escapes: Vec::new(),
    };
    for (framing, input, expected) in [
        (line("\r\n"), "a\rb\r\n\r\nc\r\n", ["a\rb", "c"]),
        (two, "<<a>b>>\n<<<c>>", ["a>b", "<c"]),
        (length("##"), "##\u{1}a#x##\u{1}c", ["##\u{1}a", "##\u{1}c"]),
    ] {
        let raw = open(framing.clone(), Vec::new(), Payload::Raw);
        let mut device = device(&raw);
        for byte in input.bytes() {
            device.send(&[byte]);
        }
        assert_eq!(device.published(), expected, "{framing:?}");
        assert!(device.input.is_empty(), "{framing:?}");
    }
}

#[test]
fn what_is_sent_is_escaped_and_what_came_escaped_is_published_as_it_is_meant() {
    let marked = open(marks(), Vec::new(), Payload::Raw);
    let marked = with_command(marked, DownPayload::Hex, reply(hex_template("{$payload}")));
    let mut device = device(&marked);
    device.deliver(b"01 7e 7d 02", 0, false).expect("written");
    device.deliver(b"03", 0, false).expect("written");
    let frames = device.take_told();
    assert_eq!(frames, hex("7e 01 7d02 7d01 02 7e 7e 03 7e"));
    device.send(&frames);
    assert_eq!(device.published(), ["\u{1}\u{7e}\u{7d}\u{2}", "\u{3}"]);
    for payload in ["017", "0x"] {
        let refused = device.deliver(payload.as_bytes(), 0, false);
        assert!(
            matches!(refused, Err(Undeliverable::Invalid(_))),
            "{payload}: {refused:?}"
        );
    }
    device.said.clear();
    device.send(&hex("7e 01 02 7d 03 7e"));
    assert_eq!(heard(&device), ["Malformed 3"]);
}

#[test]
fn answers_and_commands_may_be_sent_without_a_frame_around_them() {
    let raw = |text| Reply {
        template: text_template(text),
        raw: true,
        codes: None,
    };
    let mut bare = open(line("\n"), Vec::new(), Payload::Raw);
    bare.messages[0].answer = Some(raw("OK"));
    let mut device = device(&with_command(bare, DownPayload::Raw, raw("> {$payload}")));
    device.send(b"a\n");
    assert_eq!(
        device.take_told(),
        b"OK",
        "of the data, and not of the greeting too"
    );
    device.deliver(b"b", 0, false).expect("written");
    assert_eq!(device.take_told(), b"> b");
}

#[test]
fn a_checksum_that_would_stand_in_the_header_of_a_short_frame_is_a_flaw() {
    let mut described = open(length(""), Vec::new(), Payload::Hex);
    described.checksum = Some(Checksum {
        algorithm: Algorithm::Sum8,
        from: 0,
        to: Some(-2),
        at: -2,
        endian: Endian::Big,
        hex: false,
    });
    let described = |text| with_command(described.clone(), DownPayload::Hex, reply(hex_template(text)));
    let flaws = described("{$payload}")
        .compile()
        .expect_err("nothing may be sent");
    assert!(flaws[0].what.contains("no room for its length"), "{flaws:?}");
    described("01 {$payload}").compile().expect("a byte is enough");
}

/// A login with two digits, data, what is ignored; a sum behind them, and every mistake closes.
fn strict() -> Description {
    let login = Role::Login(Identity {
        client_id: ClientId::Frame(text_template("{id:u8}")),
        username: None,
        password: None,
        keepalive: Keepalive::Seconds(0),
    });
    let message = |name: &str, kind, role, fields| Message {
        name: name.to_owned(),
        when: vec![Condition {
            field: "kind".to_owned(),
            test: Test::OneOf(vec![Literal::Number(kind)]),
        }],
        role,
        fields,
        publish: false,
        payload: None,
        answer: None,
        refusal: None,
    };
    let mut strict = open(length(""), parts([field("kind", "u8")]), JSON);
    strict.separator = None;
    strict.identity = None;
    strict.frame.strip = 1;
    strict.frame.strip_end = 1;
    strict.checksum = Some(Checksum {
        algorithm: Algorithm::Sum8,
        from: 1,
        to: Some(-1),
        at: -1,
        endian: Endian::Big,
        hex: false,
    });
    strict.reactions.unknown = Reaction::Close;
    strict.messages = vec![
        message("login", 1, login, parts([wide("id", "text", Width::Bytes(2))])),
        message("data", 2, Role::Data, Vec::new()),
        message("ignored", 3, Role::Ignore, Vec::new()),
    ];
    strict
}

/// What may be wrong with a frame of a device, each with bytes that are wrong so, where, and what of them is passed over.
#[test]
fn each_reaction_is_to_its_own_cause() {
    type Allow = fn(&mut Description);
    let causes: [(&str, &str, Allow); 5] = [
        ("0301ff01", "Checksum 0", |d| {
            d.reactions.checksum = Reaction::Skip
        }),
        ("0301 0203", "Malformed 2", |d| {
            d.reactions.malformed = Reaction::Skip
        }),
        ("0100", "Malformed 1", |d| d.reactions.malformed = Reaction::Skip),
        ("0309 0009", "Illegal 1", |d| d.reactions.unknown = Reaction::Skip),
        ("0302 0002", "NotConnected 1", |d| {
            d.reactions.early = Reaction::Skip
        }),
    ];
    let mut strict = strict();
    for (at, (bytes, shown, _)) in causes.iter().enumerate() {
        let bytes = hex(bytes);
        for (other, (.., allow)) in causes.iter().enumerate() {
            let mut some = strict.clone();
            allow(&mut some);
            let mut device = device(&some);
            device.send(&bytes);
            let is_allowed = other == at || (matches!(at, 1 | 2) && matches!(other, 1 | 2));
            let expected = match is_allowed {
                true => format!("-{}", bytes.len()),
                false => (*shown).to_owned(),
            };
            assert_eq!(heard(&device), [expected], "{shown} with {other}");
        }
    }
    // What is ignored is so before the login too; a client id that cannot be written is malformed.
    strict.reactions.malformed = Reaction::Skip;
    let mut device = device(&strict);
    device.send(&hex("04 01 7878 f1")).send(&hex("02 03 03"));
    assert_eq!(heard(&device), ["-5"]);
    device.send(&hex("04 01 3131 63"));
    let connect = Said::Connect(vec![11], None, None, 0);
    assert_eq!(device.said.last(), Some(&connect));
}

#[test]
fn numbers_come_round_without_one_that_is_still_on_its_way() {
    let mut counted = open(length(""), parts([field("size", "u8"), field("n", "u8")]), JSON);
    counted.separator = None;
    counted.messages[0].answer = Some(reply(hex_template("{$sequence:u8}")));
    let done = Message {
        name: "done".to_owned(),
        when: vec![Condition {
            field: "size".to_owned(),
            test: Test::OneOf(vec![Literal::Number(1)]),
        }],
        role: Role::Acknowledge {
            number: "n".to_owned(),
        },
        answer: None,
        ..counted.messages[0].clone()
    };
    counted.messages.insert(0, done);
    let mut counted = with_command(
        counted,
        DownPayload::Raw,
        reply(hex_template("{$sequence:u8} ff")),
    );
    counted.down.as_mut().expect("set above").window = 2;
    let mut device = device(&counted);
    assert_eq!(device.window(), 2);
    device.deliver(b"", 70, false).expect("written");
    assert_eq!(device.take_told(), hex("02 00 ff"));
    let data = hex("02 00 00");
    for number in (1..=255).chain([1]) {
        device.send(&data);
        assert_eq!(device.take_told(), [1, number], "0 is taken");
    }
    // Twice sent is once on its way; a third one shows that the first was given up.
    assert_eq!(device.deliver(b"", 70, true), Ok(Tail::Nothing));
    device.deliver(b"", 71, false).expect("written");
    device.deliver(b"", 72, false).expect("written");
    assert_eq!(device.take_told(), hex("02 00 ff 02 02 ff 02 03 ff"));
    device.said.clear();
    for number in [0, 2, 2, 3] {
        device.send(&[1, number]);
    }
    assert_eq!(device.said, [Said::Acknowledge(71), Said::Acknowledge(72)]);
    device.deliver(b"", 73, false).expect("written");
    device.deliver(b"", 73, true).expect("written");
    device.send(&[1, 4]).send(&[1, 4]);
    assert_eq!(device.said.len(), 3, "{:?}", device.said);
}
