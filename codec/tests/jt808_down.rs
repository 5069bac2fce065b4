//! JT/T 808: JSON for a device as bytes, message by message, and what is wrong with JSON that is none of them.
//!
//! The bytes are those of the standard's tables, written by hand. Member names are those of EMQX's gateway.

#![allow(clippy::unwrap_used)]

mod terminal;

use ringwire_codec::adapter::Undeliverable;
use ringwire_codec::adapter::jt808::{Jt808, TextEncoding};
use serde_json::{Value, json};
use terminal::captures::hex;
use terminal::{Conversation, Frame};

fn connected(is_2019: bool) -> Conversation {
    let make = if is_2019 { Frame::new_2019 } else { Frame::new };
    Conversation::let_in(&Jt808::default(), &make(0x0102, 2, b"\x01x"))
}

/// The version (13, 19 or 0 for both), the message, its body in JSON, and in bytes.
const BODIES: [(u8, u16, &str, &str); 51] = [
    (0, 0x8001, r#"{"seq": 1, "id": 512, "result": 0}"#, "0001 0200 00"),
    (
        13,
        0x8003,
        r#"{"seq": 5, "length": 2, "ids": [1, 300]}"#,
        "0005 02 0001 012c",
    ),
    (
        19,
        0x8003,
        r#"{"seq": 5, "length": 2, "ids": [1, 300]}"#,
        "0005 0002 0001 012c",
    ),
    (0, 0x8004, r#"{"time": "261123100059"}"#, "261123100059"),
    (
        0,
        0x8100,
        r#"{"seq": 22, "result": 0, "auth_code": "abc"}"#,
        "0016 00 616263",
    ),
    (0, 0x8100, r#"{"seq": 22, "result": 1}"#, "0016 01"),
    (
        0,
        0x8103,
        r#"{"length": 4, "params": [{"id": 1, "value": 60}, {"id": 16, "value": "cmnet"}, {"id": 132, "value": 2},
            {"id": 272, "value": "AQIDBAUGBwg="}]}"#,
        "04 00000001 04 0000003c 00000010 05 636d6e6574 00000084 01 02 00000110 08 0102030405060708",
    ),
    (0, 0x8104, "{}", ""),
    (0, 0x8105, r#"{"command": 4}"#, "04"),
    (0, 0x8105, r#"{"command": 2, "param": "1;2"}"#, "02 313b32"),
    (
        0,
        0x8106,
        r#"{"length": 2, "ids": [1, 41]}"#,
        "02 00000001 00000029",
    ),
    (0, 0x8107, "{}", ""),
    (
        0,
        0x8108,
        r#"{"type": 52, "manufacturer": "ABC", "ver_len": 3, "version": "1.0", "fw_len": 4, "firmware": "AQIDBA=="}"#,
        "34 4142430000 03 312e30 00000004 01020304",
    ),
    (0, 0x8201, "{}", ""),
    (0, 0x8202, r#"{"period": 30, "expiry": 3600}"#, "001e 00000e10"),
    (0, 0x8202, r#"{"period": 0}"#, "0000"),
    (0, 0x8203, r#"{"seq": 9, "type": 8}"#, "0009 00000008"),
    (0, 0x8204, "{}", ""),
    (13, 0x8300, r#"{"flag": 1, "text": "京A"}"#, "01 bea9 41"),
    (19, 0x8300, r#"{"flag": 1, "text": "hi"}"#, "01 01 6869"),
    (
        19,
        0x8300,
        r#"{"flag": 1, "text_type": 2, "text": "hi"}"#,
        "01 02 6869",
    ),
    (
        0,
        0x8301,
        r#"{"type": 2, "length": 1, "events": [{"id": 3, "length": 2, "content": "go"}]}"#,
        "02 01 03 02 676f",
    ),
    (0, 0x8301, r#"{"type": 0}"#, "00"),
    (
        0,
        0x8302,
        r#"{"flag": 4, "length": 2, "question": "ok", "answers": [{"id": 1, "len": 1, "answer": "y"}, {"id": 2, "len": 1, "answer": "n"}]}"#,
        "04 02 6f6b 01 0001 79 02 0001 6e",
    ),
    (
        0,
        0x8303,
        r#"{"type": 0, "length": 1, "menus": [{"type": 1, "length": 4, "info": "news"}]}"#,
        "00 01 01 0004 6e657773",
    ),
    (
        0,
        0x8304,
        r#"{"type": 1, "length": 3, "info": "sun"}"#,
        "01 0003 73756e",
    ),
    (0, 0x8400, r#"{"type": 0, "phone": "10086"}"#, "00 3130303836"),
    (
        0,
        0x8401,
        r#"{"type": 1, "length": 1, "contacts": [{"type": 3, "phone_len": 3, "phone": "110", "name_len": 2, "name": "po"}]}"#,
        "01 01 03 03 313130 02 706f",
    ),
    (13, 0x8500, r#"{"flag": 1}"#, "01"),
    (
        19,
        0x8500,
        r#"{"count": 2, "controls": [{"id": 1, "param": 1}, {"id": 2, "param": "\u0000"}]}"#,
        "0002 0001 01 0002 00",
    ),
    (
        13,
        0x8600,
        r#"{"type": 0, "length": 1, "areas": [{"id": 7, "flag": 3, "center_latitude": 1, "center_longitude": 2, "radius": 3,
            "start_time": "261101000000", "end_time": "261130235959", "max_speed": 80, "overspeed_duration": 10}]}"#,
        "00 01 00000007 0003 00000001 00000002 00000003 261101000000 261130235959 0050 0a",
    ),
    (
        13,
        0x8600,
        r#"{"type": 0, "length": 1, "areas": [{"id": 7, "flag": 0, "center_latitude": 1, "center_longitude": 2, "radius": 3}]}"#,
        "00 01 00000007 0000 00000001 00000002 00000003",
    ),
    (
        19,
        0x8600,
        r#"{"type": 0, "length": 1, "areas": [{"id": 7, "flag": 2, "center_latitude": 1, "center_longitude": 2, "radius": 3,
            "max_speed": 80, "overspeed_duration": 10, "night_max_speed": 60, "name_len": 1, "name": "A"}]}"#,
        "00 01 00000007 0002 00000001 00000002 00000003 0050 0a 003c 0001 41",
    ),
    (
        19,
        0x8600,
        r#"{"type": 0, "areas": [{"id": 7, "flag": 0, "center_latitude": 1, "center_longitude": 2, "radius": 3}]}"#,
        "00 01 00000007 0000 00000001 00000002 00000003 0000",
    ),
    (0, 0x8601, r#"{"length": 1, "ids": [7]}"#, "01 00000007"),
    (0, 0x8601, r#"{"length": 0}"#, "00"),
    (
        13,
        0x8602,
        r#"{"type": 0, "length": 1, "areas": [{"id": 7, "flag": 1, "lt_lat": 1, "lt_lng": 2, "rb_lat": 3, "rb_lng": 4,
            "start_time": "261101000000", "end_time": "261130235959"}]}"#,
        "00 01 00000007 0001 00000001 00000002 00000003 00000004 261101000000 261130235959",
    ),
    (
        19,
        0x8602,
        r#"{"type": 0, "length": 1, "areas": [{"id": 7, "flag": 2, "lt_lat": 1, "lt_lng": 2, "rb_lat": 3, "rb_lng": 4,
            "max_speed": 80, "overspeed_duration": 10, "name": "B"}]}"#,
        "00 01 00000007 0002 00000001 00000002 00000003 00000004 0050 0a 0000 0001 42",
    ),
    (
        13,
        0x8604,
        r#"{"id": 7, "flag": 2, "max_speed": 80, "overspeed_duration": 10, "length": 2, "points": [{"lat": 1, "lng": 2}, {"lat": 3, "lng": 4}]}"#,
        "00000007 0002 0050 0a 0002 00000001 00000002 00000003 00000004",
    ),
    (
        19,
        0x8604,
        r#"{"id": 7, "flag": 2, "max_speed": 80, "overspeed_duration": 10, "points": [{"lat": 1, "lng": 2}], "night_max_speed": 60, "name": "C"}"#,
        "00000007 0002 0050 0a 0001 00000001 00000002 003c 0001 43",
    ),
    (
        13,
        0x8606,
        r#"{"id": 7, "flag": 0, "length": 1, "points": [{"point_id": 1, "path_id": 2, "point_lat": 3, "point_lng": 4, "width": 5, "attrib": 3,
            "passed": 6, "uncovered": 7, "max_speed": 80, "overspeed_duration": 10}]}"#,
        "00000007 0000 0001 00000001 00000002 00000003 00000004 05 03 0006 0007 0050 0a",
    ),
    (
        19,
        0x8606,
        r#"{"id": 7, "flag": 0, "points": [{"point_id": 1, "path_id": 2, "point_lat": 3, "point_lng": 4, "width": 5, "attrib": 1,
            "max_speed": 80, "overspeed_duration": 10, "night_max_speed": 60}], "name": "D"}"#,
        "00000007 0000 0001 00000001 00000002 00000003 00000004 05 01 0050 0a 003c 0001 44",
    ),
    (
        0,
        0x8608,
        r#"{"type": 1, "count": 1, "ids": [7]}"#,
        "01 00000001 00000007",
    ),
    (0, 0x8700, r#"{"command": 8, "param": "AQI="}"#, "08 0102"),
    (0, 0x8702, "{}", ""),
    (
        0,
        0x8800,
        r#"{"mm_id": 9, "length": 1, "retx_ids": [2]}"#,
        "00000009 01 0002",
    ),
    (
        0,
        0x8801,
        r#"{"channel_id": 1, "command": 2, "period": 3, "save": 1, "resolution": 4, "quality": 5, "bright": 6, "contrast": 7, "saturate": 8, "chromaticity": 9}"#,
        "01 0002 0003 01 04 05 06 07 08 09",
    ),
    (
        0,
        0x8803,
        r#"{"type": 0, "channel": 1, "event": 2, "start_time": "261101000000", "end_time": "261130235959", "delete": 1}"#,
        "00 01 02 261101000000 261130235959 01",
    ),
    (
        0,
        0x8804,
        r#"{"command": 1, "time": 60, "save": 0, "rate": 1}"#,
        "01 003c 00 01",
    ),
    (0, 0x8805, r#"{"id": 9, "flag": 1}"#, "00000009 01"),
    (0, 0x8900, r#"{"type": 240, "data": "AQID"}"#, "f0 010203"),
];

#[test]
fn every_message_for_a_device_has_the_bytes_of_the_standard() {
    for (version, id, body, expected) in BODIES {
        for is_2019 in [false, true] {
            if version == if is_2019 { 13 } else { 19 } {
                continue;
            }
            let mut conversation = connected(is_2019);
            let body: Value = serde_json::from_str(body).unwrap();
            let payload = json!({"header": {"msg_id": id}, "body": body}).to_string();
            let delivered = conversation.deliver(&payload, 1, false);
            assert!(delivered.is_ok(), "{id:04x}: {delivered:?}");
            let [frame] = &conversation.says()[..] else {
                panic!("{id:04x}: one frame")
            };
            assert_eq!(
                (frame.id, &frame.body),
                (id, &hex(expected)),
                "{id:04x}, 2019: {is_2019}"
            );
            assert_eq!(frame.version, is_2019.then_some(1));
        }
    }
}

/// EMQX: t_case02_register_ack, whose header says more than is looked at here.
#[test]
fn what_the_header_says_beside_the_message_is_the_connections_own() {
    let mut conversation = connected(false);
    let payload = r#"{"header": {"msg_id": 33024, "encrypt": 0, "phone": "000123456789", "msg_sn": 35, "len": 3},
        "body": {"seq": 22, "result": 1, "auth_code": "abcdef"}}"#;
    conversation.deliver(payload, 0, false).unwrap();
    let expected = Frame::new(0x8100, 1, &hex("0016 01 616263646566"));
    assert_eq!(conversation.says(), [expected]);
}

#[test]
fn bytes_may_be_given_as_they_are() {
    let mut conversation = connected(true);
    let rows = [
        // Of a manufacturer.
        r#"{"header": {"msg_id": 61440}, "body": {"data": "AQID"}}"#,
        // Known, and yet other bytes.
        r#"{"header": {"msg_id": 33536}, "body": {"unknown_id": true, "data": "AQID"}}"#,
    ];
    for payload in rows {
        conversation.deliver(payload, 1, false).unwrap();
        assert_eq!(conversation.says()[0].body, [1, 2, 3]);
    }
}

/// JSON that is no message, and what is said of it.
const FAULTS: [(&str, &str); 21] = [
    ("hello", "payload is no JSON: expected value at line 1 column 1"),
    ("[]", "header.msg_id is missing"),
    (
        r#"{"header": {"msg_id": "0x8300"}}"#,
        "header.msg_id must be a whole number up to 65535, and is something else",
    ),
    (
        r#"{"header": {"msg_id": 70000}}"#,
        "header.msg_id must be a whole number up to 65535, and is 70000",
    ),
    (
        r#"{"header": {"msg_id": 512}, "body": {}}"#,
        "header.msg_id 512 is no known message for a device; its bytes may be given in base64 as body.data",
    ),
    (r#"{"header": {"msg_id": 33536}}"#, "body.flag is missing"),
    (
        r#"{"header": {"msg_id": 33536}, "body": 7}"#,
        "body.flag is missing",
    ),
    (
        r#"{"header": {"msg_id": 33536}, "body": {"flag": 256}}"#,
        "body.flag must be a whole number up to 255, and is 256",
    ),
    (
        r#"{"header": {"msg_id": 33536}, "body": {"flag": -1.5}}"#,
        "body.flag must be a whole number up to 255, and is -1.5",
    ),
    (
        r#"{"header": {"msg_id": 33536}, "body": {"flag": null}}"#,
        "body.flag must be a whole number up to 255, and is null",
    ),
    (
        r#"{"header": {"msg_id": 33536}, "body": {"flag": 1, "text": 1}}"#,
        "body.text must be a text",
    ),
    (
        r#"{"header": {"msg_id": 33536}, "body": {"flag": 1, "text": "🚗"}}"#,
        "body.text has a character that GBK does not have",
    ),
    (
        r#"{"header": {"msg_id": 33027}, "body": {"params": [{"id": 1, "value": 1}, {"id": 1}]}}"#,
        "body.params[1].value is missing",
    ),
    (
        r#"{"header": {"msg_id": 33027}, "body": {"length": 2, "params": [{"id": 1, "value": 1}]}}"#,
        "body.length is 2, and params has 1",
    ),
    (
        r#"{"header": {"msg_id": 33030}, "body": {"ids": 3}}"#,
        "body.ids must be a list",
    ),
    (
        r#"{"header": {"msg_id": 33030}, "body": {}}"#,
        "body.ids is missing",
    ),
    (
        r#"{"header": {"msg_id": 33030}, "body": {"ids": [1, "2"]}}"#,
        "body.ids[1] must be a whole number up to 4294967295, and is something else",
    ),
    (
        r#"{"header": {"msg_id": 32772}, "body": {"time": "2026-11-23"}}"#,
        "body.time must be up to 12 digits",
    ),
    (
        r#"{"header": {"msg_id": 35072}, "body": {"type": 1, "data": "?"}}"#,
        "body.data must be base64: Invalid symbol 63, offset 0.",
    ),
    (
        r#"{"header": {"msg_id": 35328}, "body": {"e": 1, "n": "AQ=="}}"#,
        "body.n is 1 bytes, and must be 128",
    ),
    (
        r#"{"header": {"msg_id": 33032}, "body": {"type": 1, "manufacturer": "123456"}}"#,
        "body.manufacturer is 6 bytes, and may be 5",
    ),
];

#[test]
fn what_is_wrong_with_json_is_said_with_the_member() {
    for (payload, expected) in FAULTS {
        let mut conversation = connected(false);
        let refused = conversation.deliver(payload, 1, false);
        assert_eq!(refused, Err(Undeliverable::Invalid(expected.into())), "{payload}");
        assert!(conversation.output.is_empty(), "{payload}");
    }
}

#[test]
fn lists_and_texts_that_are_too_long_for_their_length_field_are_refused() {
    let ids: Vec<u32> = (0..256).collect();
    let rows = [
        (
            json!({"header": {"msg_id": 0x8106}, "body": {"ids": ids}}),
            "body.ids has 256 elements, and may have 255",
        ),
        (
            json!({"header": {"msg_id": 0x8302}, "body": {"flag": 1, "question": "q".repeat(256), "answers": []}}),
            "body.question is 256 bytes, and may be 255",
        ),
        (
            json!({"header": {"msg_id": 0x8103}, "body": {"params": [{"id": 0x999, "value": "A".repeat(344)}]}}),
            "body.params[0].value is 258 bytes, and a parameter has up to 255",
        ),
        (Value::String("[".repeat(200)), "header.msg_id is missing"),
    ];
    for (payload, expected) in rows {
        let mut conversation = connected(false);
        let refused = conversation.deliver(&payload.to_string(), 1, false);
        assert_eq!(refused, Err(Undeliverable::Invalid(expected.into())));
    }
    // JSON that is deeper than anybody needs.
    let deep = connected(false).deliver(&"[".repeat(100_000), 1, false);
    assert!(matches!(deep, Err(Undeliverable::Invalid(why)) if why.contains("recursion limit")));
}

#[test]
fn texts_are_utf8_when_the_listener_says_so() {
    let settings = Jt808 {
        text: TextEncoding::Utf8,
        ..Jt808::default()
    };
    let mut conversation = Conversation::let_in(&settings, &Frame::new(0x0102, 2, b"x"));
    let payload = r#"{"header": {"msg_id": 33536}, "body": {"flag": 1, "text": "京🚗"}}"#;
    conversation.deliver(payload, 1, false).unwrap();
    assert_eq!(conversation.says()[0].body, ["\u{1}京🚗".as_bytes()].concat());
}
