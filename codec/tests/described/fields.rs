//! Fields in lists and blocks, in conditions, in templates and in topics: what each takes of the body, and how it is written.

use crate::device::{Device, Said, field, hex, hex_template, parts, reply, text_template, wide};
use crate::framings::open;
use ringwire_codec::adapter::Kind;
use ringwire_codec::adapter::described::description::{
    Bits, Blocks, ClientId, Command, Condition, Count, Description, Down, DownPayload, FRAME_BYTES_MAX,
    Field, Framing, Identity, Keepalive, Layout, List, Literal, Message, Part, Payload, Place, Role, Scale,
    Test, Width,
};
use ringwire_codec::adapter::described::{Endian, Format};

const JSON: Payload = Payload::Json {
    omit: Vec::new(),
    label: None,
};

/// A frame is a length of three bytes and a body.
fn body(fields: Vec<Part>) -> Description {
    let framing = Framing::Length {
        start: Vec::new(),
        offset: 0,
        width: 3,
        endian: Endian::Big,
        adjustment: 0,
    };
    let mut described = open(framing, fields, JSON);
    described.frame.max = FRAME_BYTES_MAX;
    described.frame.strip = 3;
    described.separator = None;
    described
}

fn frame(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).expect("small").to_be_bytes();
    [&size[1..], body].concat()
}

fn device(description: &Description) -> Device {
    Device::new(&description.compile().expect("without flaws"))
}

/// What is published of a body, or the kind of what is wrong, and where.
fn read(fields: &[Part], text: &str) -> String {
    let mut device = device(&body(fields.to_vec()));
    device.send(&frame(&hex(text)));
    match device.said.pop() {
        Some(Said::Publish(payload, _)) => String::from_utf8_lossy(&payload).into_owned(),
        Some(Said::Unreadable(why)) => format!("{:?} {}", why.kind, why.offset),
        other => panic!("{other:?}"),
    }
}

fn blocks(length: Option<&str>) -> Part {
    let format = |text: &str| Format::parse(text, Endian::Big).expect("as written here");
    let layout = |name: &str, tags, parts| Layout {
        name: name.to_owned(),
        tags: vec![tags],
        parts,
    };
    Part::Blocks(Blocks {
        name: "all".to_owned(),
        label: "is".to_owned(),
        tag: format("u8"),
        length: length.map(format),
        layouts: vec![
            layout("one", (1, 1), parts([field("n", "u8")])),
            layout("rest", (2, 3), parts([wide("r", "hex", Width::Rest)])),
            layout("word", (4, 4), parts([wide("w", "text", Width::Until(0))])),
        ],
    })
}

#[test]
fn blocks_end_where_their_length_says_and_not_where_their_fields_do() {
    let blocks = [blocks(Some("u8"))];
    for (text, expected) in [
        // Longer than its fields, with a rest of its own, of no kind that is known, and of no bytes.
        (
            "01 03 07 ffff  02 02 aabb  03 00  09 01 cc  04 02 6100",
            r#"{"all":[{"is":"one","n":7},{"is":"rest","r":"aabb"},{"is":"rest","r":""},{"is":"0x09","data":"cc"},{"is":"word","w":"a"}]}"#,
        ),
        ("", r#"{"all":[]}"#),
        // A field that goes on behind its block, a block behind the body, a tag alone.
        ("01 00  01 01 02", "Malformed 5"),
        ("04 01 61  04 01 00", "Malformed 5"),
        ("02 03 aabb", "Malformed 5"),
        ("02 01 aa 02", "Malformed 7"),
    ] {
        assert_eq!(read(&blocks, text), expected, "{text}");
    }
}

#[test]
fn blocks_without_a_length_are_as_long_as_their_fields() {
    let blocks = [blocks(None)];
    for (text, expected) in [
        (
            "01 07 01 08",
            r#"{"all":[{"is":"one","n":7},{"is":"one","n":8}]}"#,
        ),
        (
            "01 07 02 aa bb",
            r#"{"all":[{"is":"one","n":7},{"is":"rest","r":"aabb"}]}"#,
        ),
        ("01 07 01", "Malformed 6"),
    ] {
        assert_eq!(read(&blocks, text), expected, "{text}");
    }
}

#[test]
fn lists_have_as_many_items_as_they_say_or_are_malformed() {
    let list = |count| {
        Part::List(List {
            name: "l".to_owned(),
            count,
            parts: parts([field("", "u16")]),
        })
    };
    let counted = [
        parts([field("n", "u8")]),
        vec![list(Count::Field("n".to_owned()))],
        parts([wide("z", "hex", Width::Rest)]),
    ]
    .concat();
    for (fields, text, expected) in [
        (&counted, "01 0005 ff", r#"{"n":1,"l":[5],"z":"ff"}"#),
        (&counted, "00", r#"{"n":0,"l":[],"z":""}"#),
        (&counted, "02 0005", "Malformed 6"),
        (&counted, "ff 0005 00", "Malformed 6"),
        (&vec![list(Count::Fixed(2))], "0001 0002", r#"{"l":[1,2]}"#),
        (&vec![list(Count::Fixed(2))], "0001", "Malformed 5"),
        (&vec![list(Count::Rest)], "0001 0002 0003", r#"{"l":[1,2,3]}"#),
        (&vec![list(Count::Rest)], "0001 00", "Malformed 5"),
    ] {
        assert_eq!(read(fields, text), expected, "{text}");
    }
}

#[test]
fn bits_and_fields_from_the_end_are_what_they_say() {
    let low = Field {
        bits: Some(Bits { first: 4, count: 3 }),
        ..field("b", "u16")
    };
    let last = Field {
        place: Place::Offset(-1),
        ..field("z", "u8")
    };
    let fields = parts([low, last]);
    assert_eq!(read(&fields, "fff0"), r#"{"b":7,"z":240}"#);
    assert_eq!(read(&fields, "ff8f aa"), r#"{"b":0,"z":170}"#);
}

#[test]
fn json_that_grows_beyond_what_is_published_is_too_large() {
    let list = Part::List(List {
        name: "l".to_owned(),
        count: Count::Rest,
        parts: parts([field("", "u8")]),
    });
    let unknown = Part::Blocks(Blocks {
        name: "b".to_owned(),
        label: "is".to_owned(),
        tag: Format::parse("u8", Endian::Big).expect("a format"),
        length: Some(Format::parse("u8", Endian::Big).expect("a format")),
        layouts: vec![Layout {
            name: "none".to_owned(),
            tags: vec![(1, 1)],
            parts: Vec::new(),
        }],
    });
    for (part, bytes) in [
        (list.clone(), [255, 255]),
        (unknown.clone(), [9, 0]),
        (unknown, [1, 0]),
    ] {
        let mut device = device(&body(vec![part]));
        device.send(&frame(&bytes.repeat(150_000)));
        let Some(Said::Unreadable(why)) = device.said.last() else {
            panic!("{bytes:?}: {} events", device.said.len());
        };
        assert_eq!(why.kind, Kind::TooLarge, "{why}");
    }
    // Up to the last item exactly as many bytes as can be published, and one more.
    for (last, is_taken) in [(99, true), (255, false)] {
        let items = [vec![255; 262_142], vec![last]].concat();
        let mut device = device(&body(vec![list.clone()]));
        device.send(&frame(&items));
        assert_eq!(matches!(device.said.last(), Some(Said::Publish(..))), is_taken);
    }
}

fn named(name: &str, field: &str, test: Test) -> Message {
    Message {
        name: name.to_owned(),
        when: vec![Condition {
            field: field.to_owned(),
            test,
        }],
        role: Role::Data,
        fields: Vec::new(),
        publish: false,
        payload: None,
        answer: None,
        refusal: None,
    }
}

#[test]
fn conditions_are_about_what_stands_there_and_topics_about_what_it_means() {
    let scaled = Field {
        scale: Some(Scale {
            factor: 2.0,
            offset: 0.0,
        }),
        ..wide("x", "decimal", Width::Rest)
    };
    let text = |text: &str| Literal::Text(text.to_owned());
    let mut described = body(parts([field("n", "u8"), scaled]));
    described.messages = vec![
        named("two", "x", Test::OneOf(vec![text("1.0"), text("2.50")])),
        named("seven", "x", Test::Prefix("7".to_owned())),
        named("other", "n", Test::OneOf(vec![Literal::Number(9)])),
    ];
    described.messages[0].answer = Some(reply(text_template("{x}")));
    let mut device = Device::of(
        &described.compile().expect("without flaws"),
        None,
        &["message", "x", "n"],
    );
    for (n, x) in [(1, "2.50"), (9, "7.5"), (9, "5"), (1, "5")] {
        device.send(&frame(&[&[n], x.as_bytes()].concat()));
    }
    let values = device.said.iter().filter_map(|said| match said {
        Said::Publish(_, values) => Some(values.join(" ")),
        Said::Skipped(size) => Some(format!("-{size}")),
        _ => None,
    });
    let values: Vec<_> = values.collect();
    assert_eq!(values, ["two 5 1", "seven 15 9", "other 10 9", "-5"]);
    assert_eq!(device.take_told(), frame(b"2.50"));
}

#[test]
fn a_login_says_who_with_what_password_and_for_how_long() {
    let login = Role::Login(Identity {
        client_id: ClientId::Frame(text_template("m{id}")),
        username: Some(text_template("u{id}")),
        password: Some(text_template("{word}")),
        keepalive: Keepalive::Field("alive".to_owned()),
    });
    let id = Field {
        trim: true,
        ..wide("id", "bcd", Width::Bytes(2))
    };
    let fields = parts([id, field("alive", "u32"), wide("word", "text", Width::Rest)]);
    let mut described = body(fields);
    described.identity = None;
    described.messages[0].role = login;
    for (text, keepalive_s) in [("0012 0000003c 7077", 60), ("0012 00010000 7077", 65_535)] {
        let mut device = device(&described);
        device.send(&frame(&hex(text)));
        let (id, user, word) = (b"m12".to_vec(), b"u12".to_vec(), b"pw".to_vec());
        assert_eq!(
            device.said,
            [Said::Connect(id, Some(user), Some(word), keepalive_s)]
        );
    }
}

#[test]
fn what_is_ignored_lets_nobody_in_and_is_no_offence() {
    let mut described = body(parts([field("n", "u8")]));
    let mut ignored = named("hello", "n", Test::OneOf(vec![Literal::Number(0)]));
    ignored.role = Role::Ignore;
    described.messages.insert(0, ignored);
    let mut device = device(&described);
    device.send(&frame(&[0]));
    assert_eq!(device.said, []);
    device.send(&frame(&[1])).send(&frame(&[0]));
    assert!(matches!(
        device.said.as_slice(),
        [Said::Connect(..), Said::Publish(..)]
    ));
}

/// What is sent for a JSON object, in hex, or why nothing is.
fn sent(template: &str, payload: &str) -> String {
    let mut described = body(parts([field("n", "u8")]));
    described.down = Some(Down {
        payload: DownPayload::Json,
        sequence_width: 2,
        window: 0,
        commands: vec![Command {
            name: "any".to_owned(),
            when: Vec::new(),
            send: reply(hex_template(template)),
        }],
    });
    let mut device = device(&described);
    match device.deliver(payload.as_bytes(), 0, false) {
        Ok(_) => device.told[3..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn members_are_written_in_each_format_or_refused() {
    for (template, payload, expected) in [
        ("{#.x+4:u8} {.x:text}", r#"{"x":"ab"}"#, "066162"),
        ("{.x:bcd}", r#"{"x":123}"#, "0123"),
        ("{.x:bcd:3}", r#"{"x":"123"}"#, "000123"),
        ("{.x:bcd}", r#"{"x":"1a"}"#, "no digits for bcd"),
        ("{.x:hex:2}", r#"{"x":"a"}"#, "000a"),
        ("{.x:hex}", r#"{"x":"1g"}"#, "no digits for hex"),
        ("{.x:text:4}", r#"{"x":"ab"}"#, "61620000"),
        ("{.x:text:1}", r#"{"x":"ab"}"#, "do not fit into the 1 of a text"),
        ("{.x:decimal}", r#"{"x":-1.5}"#, "2d312e35"),
        ("{.x:decimal}", r#"{"x":"abc"}"#, "`abc` is no number"),
        ("{.x:u8} {.y:u8}", r#"{"x":true,"y":false}"#, "0100"),
        ("{.x:text}", r#"{"x":true}"#, "74727565"),
        ("{.x:f32le}", r#"{"x":0.5}"#, "0000003f"),
        ("{.x:f64}", r#"{"x":"-2"}"#, "c000000000000000"),
        ("{.x:f32}", r#"{"x":"a"}"#, "`a` is no number"),
        ("{.x:i8} {.y:i8}", r#"{"x":127,"y":-128}"#, "7f80"),
        ("{.x:i8}", r#"{"x":128}"#, "128 does not fit into i8"),
        ("{.x:i8}", r#"{"x":-129}"#, "-129 does not fit into i8"),
        ("{.x:u8} {.y:u8}", r#"{"x":255,"y":0}"#, "ff00"),
        ("{.x:u8}", r#"{"x":256}"#, "256 does not fit into u8"),
        ("{.x:u8}", r#"{"x":-1}"#, "-1 does not fit into u8"),
        ("{.x:u64}", r#"{"x":18446744073709551615}"#, "ffffffffffffffff"),
        ("{.x:u8}", r#"{"x":1.5}"#, "`1.5` is no integer"),
        ("{$sequence:u16} {$sequence:text}", "{}", "000030"),
    ] {
        let said = sent(template, payload);
        assert!(
            said.ends_with(expected) && (said.len() == expected.len() || said.contains(' ')),
            "{template} of {payload}: {said}"
        );
    }
}

#[test]
fn a_field_may_be_answered_in_another_format() {
    // Templates have what stands there, and not what it means.
    let n = Field {
        scale: Some(Scale {
            factor: 0.1,
            offset: 0.0,
        }),
        ..field("n", "u16")
    };
    let mut described = body(parts([n, wide("t", "text", Width::Bytes(2))]));
    let template = "{n} {n:u8} {n:u24le} {n:text:4} {n:bcd:2} {n:bytes:3} {#t:u8} {t:u16}";
    described.messages[0].answer = Some(reply(hex_template(template)));
    let mut device = device(&described);
    device.send(&frame(&hex("00fa 3132")));
    let expected = "00fa fa fa0000 32353000 0250 00fa00 02 000c";
    assert_eq!(device.take_told(), frame(&hex(expected)));
    // One that cannot be written is left out, and the data is not.
    device.send(&frame(&hex("0100 3132")));
    assert_eq!((device.take_told().len(), device.published().len()), (0, 2));
}
