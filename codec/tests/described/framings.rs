//! Frames and fields: a table for each framing, and one for each format.

use crate::device::{Device, Said, field, hex, wide};
use ringwire_codec::adapter::described::description::{
    Bits, ClientId, Description, Escape, Field, Frame, Framing, Identity, Keepalive, Message, Part, Payload,
    Place, Reactions, Role, Scale, Width,
};
use ringwire_codec::adapter::described::{Described, Endian};

/// Every frame is data of a device that is known by its address.
pub fn open(framing: Framing, fields: Vec<Part>, payload: Payload) -> Description {
    let identity = Identity {
        client_id: ClientId::Address,
        username: None,
        password: None,
        keepalive: Keepalive::Seconds(0),
    };
    Description {
        name: "open".to_owned(),
        version: 0,
        frame: Frame {
            framing,
            strip: 0,
            strip_end: 0,
            max: 64,
            noise_max: 8,
            also: Vec::new(),
        },
        checksum: None,
        separator: Some(b','),
        fields,
        identity: Some(identity),
        messages: vec![Message {
            name: "data".to_owned(),
            when: Vec::new(),
            role: Role::Data,
            fields: Vec::new(),
            publish: false,
            payload: None,
            answer: None,
            refusal: None,
        }],
        reactions: Reactions::default(),
        payload,
        down: None,
    }
}

fn compile(description: &Description) -> Described {
    description.compile().expect("without flaws")
}

/// What was published, in hex, or why it ended.
fn frames(framing: Framing, input: &[u8]) -> Vec<String> {
    let mut device = Device::new(&compile(&open(framing, Vec::new(), Payload::Hex)));
    device.send(input);
    let shown = device.said.iter().filter_map(|said| match said {
        Said::Publish(payload, _) => Some(String::from_utf8_lossy(payload).into_owned()),
        Said::Skipped(size) => Some(format!("-{size}")),
        Said::Unreadable(why) => Some(format!("{:?}", why.kind)),
        Said::Connect(..) | Said::Heartbeat | Said::Acknowledge(_) | Said::Close => None,
    });
    shown.collect()
}

fn length(start: &[u8], offset: usize, width: usize, endian: Endian, adjustment: i64) -> Framing {
    Framing::Length {
        start: start.to_vec(),
        offset,
        width,
        endian,
        adjustment,
    }
}

#[test]
fn a_length_field_has_any_width_order_and_adjustment() {
    let (big, little) = (Endian::Big, Endian::Little);
    for (framing, input, expected) in [
        (
            length(b"", 0, 1, big, 0),
            "01aa 00 02bbcc 03",
            vec!["01aa", "00", "02bbcc"],
        ),
        (length(b"", 1, 2, big, 0), "ff0001aa", vec!["ff0001aa"]),
        (length(b"", 0, 2, little, -2), "0300aa", vec!["0300aa"]),
        (length(b"", 0, 3, big, 1), "000001aabb", vec!["000001aabb"]),
        (length(b"", 0, 4, little, 0), "01000000aa", vec!["01000000aa"]),
        (
            length(b"", 0, 8, big, 0),
            "0000000000000001aa",
            vec!["0000000000000001aa"],
        ),
        (
            length(b"##", 2, 1, big, 0),
            "2323 01aa 00 2323 00",
            vec!["232301aa", "-1", "232300"],
        ),
        (length(b"", 0, 8, big, 0), "ffffffffffffffff", vec!["TooLarge"]),
        (length(b"", 0, 1, big, 0), "40", vec!["TooLarge"]),
        (length(b"", 0, 1, big, -2), "01", vec!["Malformed"]),
    ] {
        assert_eq!(frames(framing.clone(), &hex(input)), expected, "{framing:?}");
    }
}

#[test]
fn delimiters_fixed_sizes_and_marks_are_found() {
    let line = |strip_cr, delimiter: &str| Framing::Delimiter {
        delimiter: delimiter.into(),
        strip_cr,
        ending: None,
    };
    let escape = |wire, plain| Escape { wire, plain };
    let marks = |start: u8, end: u8, escapes: &[Escape]| Framing::Marks {
        start: vec![start],
        end: vec![end],
        escapes: escapes.to_vec(),
    };
    let jt = [escape([0x7d, 1], 0x7d), escape([0x7d, 2], 0x7e)];
    let fixed = |start: &str, size| Framing::Fixed {
        start: start.into(),
        size,
    };
    for (framing, input, expected) in [
        (line(true, "\n"), b"a\r\n\r\n\nb\nc".as_slice(), vec!["61", "62"]),
        (line(false, "\n"), b"a\r\n", vec!["610d"]),
        (line(false, "\r\n"), b"a\nb\r\n", vec!["610a62"]),
        (line(false, "\n"), &[b'a'; 65], vec!["TooLarge"]),
        (fixed("", 2), b"abcde", vec!["6162", "6364"]),
        (fixed("$", 3), b"$ab..$cd", vec!["246162", "-2", "246364"]),
        (
            marks(0x7e, 0x7e, &jt),
            b"\x7e\x01\x7d\x02\x7d\x01\x7e\x7e\x02\x7e",
            vec!["017e7d", "02"],
        ),
        (marks(0x7e, 0x7e, &jt), b"x\x7e\x7e\x01\x7e", vec!["-1", "01"]),
        (marks(0x7e, 0x7e, &jt), b"\x7e\x7d\x03\x7e", vec!["Malformed"]),
        (marks(0x7e, 0x7e, &jt), b"\x7e\x01\x7d\x7e", vec!["Malformed"]),
        (
            marks(2, 3, &[]),
            b"\x02ab\x03\x02\x03\x02c\x03",
            vec!["6162", "63"],
        ),
        (marks(2, 3, &[]), b"123456789", vec!["Malformed"]),
    ] {
        assert_eq!(frames(framing.clone(), input), expected, "{framing:?}");
    }
}

/// JSON of one field that is a whole frame.
fn json(field: Field, bytes: &[u8]) -> String {
    let fixed = Framing::Fixed {
        start: Vec::new(),
        size: bytes.len(),
    };
    let payload = Payload::Json {
        omit: Vec::new(),
        label: None,
    };
    let mut device = Device::new(&compile(&open(fixed, vec![Part::Field(field)], payload)));
    device.send(bytes);
    let text = device.published().pop().expect("published");
    text.trim_start_matches("{\"x\":")
        .trim_end_matches('}')
        .to_owned()
}

#[test]
fn each_format_becomes_json() {
    let scaled = |format, factor, offset| Field {
        scale: Some(Scale { factor, offset }),
        ..field("x", format)
    };
    let bits = |first, count| Field {
        bits: Some(Bits { first, count }),
        ..field("x", "u16")
    };
    let all = |format| wide("x", format, Width::Rest);
    let trimmed = |format| Field {
        trim: true,
        ..all(format)
    };
    for (field, bytes, expected) in [
        (field("x", "u8"), "ff", "255"),
        (field("x", "u16"), "0102", "258"),
        (field("x", "u16le"), "0102", "513"),
        (field("x", "u24"), "ffffff", "16777215"),
        (field("x", "u64"), "ffffffffffffffff", "18446744073709551615"),
        (field("x", "i8"), "80", "-128"),
        (field("x", "i24le"), "feffff", "-2"),
        (field("x", "i64"), "8000000000000000", "-9223372036854775808"),
        (field("x", "f32"), "3dcccccd", "0.1"),
        (field("x", "f64le"), "9a9999999999b93f", "0.1"),
        (field("x", "f32"), "7fc00000", "null"),
        (scaled("u16", 0.1, -40.0), "04d2", "83.4"),
        (scaled("i16", 0.01, 0.0), "ffff", "-0.01"),
        (scaled("f32", 2.0, 0.5), "3fc00000", "3.5"),
        (bits(4, 3), "0070", "7"),
        (bits(15, 1), "8000", "1"),
        (all("bcd"), "0013", "\"0013\""),
        (trimmed("bcd"), "0013", "\"13\""),
        (trimmed("bcd"), "0000", "\"0\""),
        (all("hex"), "00Ab", "\"00ab\""),
        (all("text"), "61220a01c3a400", "\"a\\\"\\n\\u0001ä\\u0000\""),
        (trimmed("text"), "61200000", "\"a\""),
        (all("text"), "61ff62", "\"a\u{fffd}b\""),
        (all("decimal"), "2d302e3530", "-0.5"),
        (all("decimal"), "303037", "7"),
        (all("decimal"), "312e322e33", "\"1.2.3\""),
        (all("bytes"), "00ff10", "\"AP8Q\""),
    ] {
        assert_eq!(json(field.clone(), &hex(bytes)), expected, "{field:?}");
    }
}

#[test]
fn columns_of_a_line_may_be_missing_and_empty() {
    let column = |name: &str, format: &str, at| {
        Part::Field(Field {
            place: Place::Column(at),
            ..field(name, format)
        })
    };
    let fields = vec![
        column("a", "text", 0),
        column("b", "decimal", 1),
        column("z", "text", -1),
        column("q", "text", 7),
    ];
    let line = Framing::Delimiter {
        delimiter: b"\n".to_vec(),
        strip_cr: true,
        ending: None,
    };
    let payload = Payload::Json {
        omit: Vec::new(),
        label: None,
    };
    let mut device = Device::of(
        &compile(&open(line, fields, payload)),
        None,
        &["b", "q", "message"],
    );
    device.send(b"x,1.50,end\r\ny,,\n");
    let (first, second) = (
        r#"{"a":"x","b":1.5,"z":"end","q":null}"#,
        r#"{"a":"y","b":null,"z":"","q":null}"#,
    );
    assert_eq!(device.published(), [first, second]);
    let Some(Said::Publish(_, values)) = device.said.get(1) else {
        panic!("{:?}", device.said);
    };
    assert_eq!(values, &["1.5", "", "data"]);
}
