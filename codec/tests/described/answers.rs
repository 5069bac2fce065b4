//! Answers that depend on something: on how the frame began, on why a device is refused. Fields up to a place before the end.

use crate::device::{Device, Said, field, hex, hex_template, parts, reply, wide};
use crate::framings::open;
use ringwire_codec::adapter::described::description::{
    Also, Codes, Condition, Description, Framing, Literal, Message, Part, Payload, Reply, Role, Test, Width,
};
use ringwire_codec::adapter::described::{Endian, Flaw};
use ringwire_codec::adapter::{Answer, Cause, Refusal};

pub fn length(start: &[u8], width: usize) -> Framing {
    Framing::Length {
        start: start.to_vec(),
        offset: start.len(),
        width,
        endian: Endian::Big,
        adjustment: 0,
    }
}

/// `78 78`, a length of one byte; `79 79`, a length of two. The body begins with a kind. Data is answered with its kind.
fn two_ways() -> Description {
    let mut description = open(length(&[0x78; 2], 1), parts([field("kind", "u8")]), Payload::Hex);
    description.frame.strip = 3;
    description.frame.also = vec![Also {
        framing: length(&[0x79; 2], 2),
        strip: 4,
        max: 300,
    }];
    description.messages[0].answer = Some(reply(hex_template("aa {kind}")));
    description
}

pub fn flaws(description: &Description) -> Vec<String> {
    let flaws = description.compile().map(|_| ()).expect_err("flaws");
    flaws
        .iter()
        .map(|Flaw { path, what }| format!("{path}: {what}"))
        .collect()
}

#[test]
fn frames_of_both_ways_are_read_and_answered_as_they_came() {
    let mut device = Device::new(&two_ways().compile().expect("without flaws"));
    device.send(&hex("7878 02 01ff 7979 0003 02ffff 7878 01 03"));
    assert_eq!(device.published(), ["01ff", "02ffff", "03"]);
    assert_eq!(
        device.take_told(),
        hex("7878 02 aa01 7979 0002 aa02 7878 02 aa03")
    );
}

#[test]
fn it_does_not_matter_where_the_bytes_are_cut_and_noise_ends_at_either_start() {
    let described = two_ways().compile().expect("without flaws");
    let input = hex("7879 0078 7979 0002 0209 007900 7878 01 03 78 7979 0001 04");
    let mut whole = Device::new(&described);
    whole.send(&input);
    let noise: Vec<_> = whole
        .said
        .iter()
        .filter_map(|said| match said {
            Said::Skipped(size) => Some(*size),
            _ => None,
        })
        .collect();
    assert_eq!(noise, [4, 3, 1]);
    assert_eq!(whole.published(), ["0209", "03", "04"]);
    let mut cut = Device::new(&described);
    for byte in &input {
        cut.send(&[*byte]);
    }
    assert_eq!(cut.published(), whole.published());
    assert_eq!(cut.take_told(), whole.take_told());
}

#[test]
fn each_way_has_its_limit_and_so_much_noise_closes_as_before() {
    let described = two_ways().compile().expect("without flaws");
    for (input, is_over) in [
        ("7878 ff", true),
        ("7979 00ff", false),
        ("7979 0200", true),
        ("0102030405060708 7979", false),
        ("010203040506070809 7979", true),
    ] {
        let mut device = Device::new(&described);
        device.send(&hex(input));
        let closes = |said: &Said| matches!(said, Said::Unreadable(_));
        assert_eq!(
            device.said.iter().any(closes),
            is_over,
            "{input}: {:?}",
            device.said
        );
    }
}

#[test]
fn ways_that_cannot_be_told_apart_or_hold_nothing_are_flaws() {
    let change = |change: fn(&mut Description)| {
        let mut description = two_ways();
        change(&mut description);
        flaws(&description)
    };
    let same = change(|d| d.frame.also[0].framing = length(&[0x78, 0x78, 1], 1));
    assert_eq!(
        same,
        ["frame.also[0].start: frames that begin with 0x7878 begin so too"]
    );
    let twice = change(|d| d.frame.also.push(d.frame.also[0].clone()));
    assert_eq!(
        twice,
        ["frame.also[1].start: frames that begin with 0x7979 begin so too"]
    );
    let none = change(|d| d.frame.also[0].framing = length(&[], 1));
    assert!(none[0].starts_with("frame.also[0].start: 0 bytes"), "{none:?}");
    let first = change(|d| d.frame.framing = length(&[], 1));
    assert!(first[0].starts_with("frame.start: 0 bytes"), "{first:?}");
    let lines = change(|d| {
        d.frame.framing = Framing::Delimiter {
            delimiter: b"\n".to_vec(),
            strip_cr: false,
            ending: None,
        };
    });
    assert!(
        lines[0].starts_with("frame.also: only with `length`"),
        "{lines:?}"
    );
    let other = change(|d| {
        d.frame.also[0].framing = Framing::Fixed {
            start: vec![9],
            size: 5,
        }
    });
    assert!(
        other[0].starts_with("frame.also[0]: it ends by a `length`"),
        "{other:?}"
    );
    let small = change(|d| d.frame.also[0].max = 3);
    assert_eq!(small.len(), 2, "length and strip do not fit: {small:?}");
    let tight = change(|d| d.frame.also[0].max = 5);
    assert!(tight[0].starts_with("message[0].answer: "), "{tight:?}");
}

fn codes() -> Codes {
    Codes {
        credentials: Some("2".to_owned()),
        other: Some("9".to_owned()),
        ..Codes::default()
    }
}

/// A login of one byte and data of another, refused with codes.
fn refusing(template: &str, codes: Option<Codes>) -> Description {
    let refusal = Some(Reply {
        codes,
        ..reply(hex_template(template))
    });
    let mut description = two_ways();
    let identity = description.identity.take().expect("one");
    let data = description.messages.remove(0);
    let login = Message {
        name: "login".to_owned(),
        when: vec![Condition {
            field: "kind".to_owned(),
            test: Test::OneOf(vec![Literal::Number(1)]),
        }],
        role: Role::Login(identity),
        refusal: refusal.clone(),
        ..data.clone()
    };
    let refusal = refusal.map(|reply| Reply {
        codes: reply.codes.map(|codes| Codes {
            other: codes.other,
            ..Codes::default()
        }),
        ..reply
    });
    description.messages = vec![login, Message { refusal, ..data }];
    description
}

fn refused(cause: Cause) -> Answer {
    let text = "no";
    Answer::Refused(Refusal { cause, text })
}

#[test]
fn a_refusal_has_the_code_of_its_cause() {
    let described = refusing("bb {$code:u16le}", Some(codes()))
        .compile()
        .expect("without flaws");
    type Change = fn(Answer) -> Answer;
    let rows: [(Change, &str); 4] = [
        (|_| refused(Cause::Credentials), "7878 03 bb0200"),
        (|_| refused(Cause::Banned), "7878 03 bb0900"),
        (|_| refused(Cause::ClientId), "7878 03 bb0900"),
        (|_| refused(Cause::Full), "7878 03 bb0900"),
    ];
    for (change, told) in rows {
        let mut device = Device::new(&described);
        device.send_answered(&hex("7878 01 01"), change);
        assert_eq!(device.take_told(), hex(told));
    }
    let mut device = Device::new(&described);
    device.send(&hex("7878 01 01"));
    device.take_told();
    device.send_answered(&hex("7979 0001 02"), |_| Answer::Denied);
    assert_eq!(
        device.take_told(),
        hex("7979 0003 bb0900"),
        "as the frame was framed"
    );
}

#[test]
fn codes_that_are_missing_unused_or_do_not_fit_are_flaws() {
    let all = refusing("bb {$code:u8}", Some(codes()));
    assert!(all.compile().is_ok());
    assert!(flaws(&refusing("bb {$code:u8}", None))[0].contains("no `codes` say what `$code` is"));
    assert!(flaws(&refusing("bb", Some(codes())))[0].contains("never sent: put `{$code}`"));
    let large = Codes {
        banned: Some("256".to_owned()),
        ..codes()
    };
    assert_eq!(
        flaws(&refusing("{$code:u8}", Some(large)))[0],
        "message[0].refusal.codes.banned: 256 does not fit into u8"
    );
    let only = Codes {
        other: None,
        ..codes()
    };
    let found = flaws(&refusing("{$code:u8}", Some(only)));
    assert_eq!(
        found[0],
        "message[0].refusal.codes: no code for `client_id`: say it, or `other`"
    );
    let denied = Codes {
        denied: Some("1".to_owned()),
        ..codes()
    };
    let found = flaws(&refusing("{$code:u8}", Some(denied)));
    assert!(
        found[0].starts_with("message[0].refusal.codes.denied: never sent"),
        "a login is not denied: {found:?}"
    );
    let mut answer = refusing("{$code:u8}", Some(codes()));
    answer.messages[0].answer = answer.messages[0].refusal.clone();
    let found = flaws(&answer);
    assert!(
        found.iter().any(|flaw| flaw.contains("only in refusals")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|flaw| flaw.contains("only refusals have codes")),
        "{found:?}"
    );
}

#[test]
fn a_field_may_end_before_the_end() {
    let fields = [
        field("kind", "u8"),
        wide("text", "text", Width::RestBut(2)),
        field("serial", "u16"),
    ];
    let json = Payload::Json {
        omit: Vec::new(),
        label: None,
    };
    let mut description = open(length(&[0x78; 2], 1), parts(fields), json);
    description.frame.strip = 3;
    let mut device = Device::new(&description.compile().expect("without flaws"));
    device.send(&hex("7878 05 01 6869 0007 7878 03 01 0008 7878 02 01 00"));
    let published = device.published();
    assert_eq!(
        published,
        [
            r#"{"kind":1,"text":"hi","serial":7}"#,
            r#"{"kind":1,"text":"","serial":8}"#
        ]
    );
    assert!(
        matches!(device.said.last(), Some(Said::Unreadable(_))),
        "two bytes are not there"
    );
    let Part::Field(text) = &mut description.fields[1] else {
        unreachable!("a field")
    };
    text.width = Width::RestBut(0);
    assert!(flaws(&description)[0].starts_with("field[1].width: 0 bytes"));
}
