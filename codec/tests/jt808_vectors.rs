//! JT/T 808: frames that real terminals sent, and others that were published, with the JSON that becomes of them.
//!
//! Sources: the test suites of EMQX's gateway (`apps/emqx_gateway_jt808/test/emqx_jt808_parser_SUITE.erl`), whose JSON is
//! EMQX's own where it says any, and layouts of the standard filled by hand.

#![allow(clippy::unwrap_used)]

mod terminal;

use ringwire_codec::adapter::jt808::{Jt808, TextEncoding};
use serde_json::{Value, json};
use terminal::captures::{self, hex};
use terminal::{Conversation, Frame, Told, position};

fn utf8() -> Jt808 {
    Jt808 {
        text: TextEncoding::Utf8,
        implicit_login: true,
        ..Jt808::default()
    }
}

/// What a device's first frame is published as, by a broker that lets it in at once.
fn published(settings: &Jt808, bytes: &[u8]) -> Value {
    let mut conversation = Conversation::new(settings);
    let told = conversation.hears(bytes);
    let payload = told.iter().find_map(|told| match told {
        Told::Publish(payload, _) => Some(payload),
        _ => None,
    });
    let payload = payload.unwrap_or_else(|| panic!("nothing published: {told:?}"));
    serde_json::from_str(payload).unwrap_or_else(|error| panic!("{error}: {payload}"))
}

fn signals_off() -> Value {
    let names = [
        "low_beam",
        "high_beam",
        "right_turn",
        "left_turn",
        "brake",
        "reverse",
        "fog",
        "side_marker",
        "horn",
        "air_conditioner",
        "neutral",
        "retarder",
        "abs",
        "heater",
        "cluth",
    ];
    names.iter().map(|name| ((*name).to_owned(), json!(0))).collect()
}

#[test]
fn a_position_with_known_items_is_what_emqx_makes_of_it() {
    let frame = hex(captures::POSITION);
    assert_eq!(
        published(&utf8(), &frame),
        json!({
            "header": {"encrypt": 0, "len": 60, "msg_id": 512, "msg_sn": 229, "phone": "018876638972"},
            "body": {
                "alarm": 0, "altitude": 14, "direction": 39, "latitude": 20019815, "longitude": 110323793,
                "speed": 0, "status": 262144, "time": "171019193538",
                "extra": {
                    "analog": {"ad0": 0, "ad1": 0}, "gnss_sat_num": 0,
                    "io_status": {"deep_sleep": 0, "sleep": 0},
                    "mileage": 16306, "rssi": 31, "signal": signals_off(), "speed": 0
                }
            }
        })
    );
}

#[test]
fn positions_in_bulk_are_what_emqx_makes_of_them() {
    let frame = hex(captures::BULK);
    let message = published(&utf8(), &frame);
    assert_eq!(
        message["header"],
        json!({"encrypt": 0, "len": 313, "msg_id": 1796, "msg_sn": 231, "phone": "018876638972"})
    );
    assert_eq!(
        (&message["body"]["type"], &message["body"]["length"]),
        (&json!(1), &json!(5))
    );
    let positions = message["body"]["location"].as_array().unwrap();
    assert_eq!(
        positions[1],
        json!({
            "alarm": 0, "altitude": 29, "direction": 126, "latitude": 20017738, "longitude": 110220290,
            "speed": 222, "status": 262147, "time": "170831104938",
            "extra": {
                "analog": {"ad0": 0, "ad1": 0}, "gnss_sat_num": 12,
                "io_status": {"deep_sleep": 0, "sleep": 0},
                "mileage": 15445, "rssi": 0, "signal": signals_off(), "speed": 0
            }
        })
    );
    let last = &positions[4];
    let place = (
        &last["latitude"],
        &last["longitude"],
        &last["speed"],
        &last["extra"]["mileage"],
    );
    assert_eq!(
        place,
        (&json!(20011896), &json!(110242581), &json!(759), &json!(15471))
    );
}

#[test]
fn items_without_a_name_are_base64_under_their_number() {
    let extra = &published(&utf8(), &hex(captures::CUSTOM))["body"]["extra"];
    assert_eq!((&extra["mileage"], &extra["rssi"]), (&json!(0), &json!(23)));
    assert_eq!(
        extra["custome"],
        json!({"235": "AAwAsomGBEIZGZCTR5kABgCJ/////w=="})
    );

    let extra = &published(&utf8(), &hex(captures::RESERVED))["body"]["extra"];
    // Tyre pressure has a name since 2019 only.
    assert_eq!((&extra["5"], &extra["130"]), (&json!("AAAA"), &json!("AH4=")));
}

#[test]
fn parameters_are_numbers_and_texts_by_their_id_and_base64_when_unknown() {
    let message = published(&utf8(), &hex(captures::PARAMETERS));
    let body = &message["body"];
    assert_eq!((&body["seq"], &body["length"]), (&json!(42), &json!(52)));
    let parameters = body["params"].as_array().unwrap();
    assert_eq!(parameters.len(), 52);
    let value = |id: u32| {
        let is_it = |parameter: &&Value| parameter["id"] == json!(id);
        &parameters.iter().find(is_it).unwrap()["value"]
    };
    assert_eq!(
        (value(0x01), value(0x10), value(0x13)),
        (&json!(180), &json!("cmnet"), &json!("47.99.98.254"))
    );
    assert_eq!(
        (value(0x18), value(0x5d), value(0x84)),
        (&json!(8185), &json!(30), &json!(0))
    );
    assert_eq!((value(0x08), value(0xf001)), (&json!("AAABLA=="), &json!("EAA=")));
}

#[test]
fn a_driver_comes_and_goes() {
    let message = published(&utf8(), &hex(captures::DRIVER));
    assert_eq!(
        message,
        json!({
            "header": {
                "msg_id": 0x0702, "encrypt": 0, "len": 84, "proto_ver": 1, "phone": "31333830303133383030", "msg_sn": 3
            },
            "body": {
                "status": 1, "time": "1a0117110513", "ic_result": 0, "driver_name": "张三",
                "certificate": "12345678901234567890", "organization": "北京市交通委员会", "cert_expiry": "141c0c1f",
                "id_card": "11010119900101123400"
            }
        })
    );
    let gone = published(&utf8(), &hex(captures::DRIVER_GONE));
    assert_eq!(gone["body"], json!({"status": 2, "time": "1a0117110513"}));
}

#[test]
fn an_unknown_message_is_published_as_it_is() {
    let mut bytes = hex(captures::UNKNOWN);
    let mut conversation = Conversation::new(&utf8());
    let told = conversation.hears(&bytes);
    let expected = "the header says 128 bytes of body, and there are 127 (offset 3)";
    assert_eq!(told, [Told::Skipped(expected.into())]);

    // A zero more does not change the check byte.
    bytes.insert(bytes.len() - 2, 0);
    let body = &published(&utf8(), &bytes)["body"];
    assert_eq!(body["unknown_id"], json!(true));
    let data = body["data"].as_str().unwrap();
    assert!(data.starts_with("SEJNNjAxQ1ZNMDU2MzQyMDI0LTA4LTE2/f8C"), "{data}");
    assert_eq!(body.as_object().unwrap().len(), 2);
}

const PLACE: &str = r#"{"alarm": 2, "status": 3, "latitude": 31000560, "longitude": 121451372, "altitude": 15, "speed": 600,
    "direction": 180, "time": "261123100059"}"#;

/// Bodies by the layouts of the standard, and what they are published as; `@` is a position in both.
const BODIES: [(u16, &str, &str); 27] = [
    (0x0004, "", r#"{}"#),
    (
        0x0005,
        "0007 0002 0001 012c",
        r#"{"seq": 7, "count": 2, "ids": [1, 300]}"#,
    ),
    (
        0x0104,
        "0009 01 00000029 04 0000001e",
        r#"{"seq": 9, "length": 1, "params": [{"id": 41, "value": 30}]}"#,
    ),
    // A number that is not as long as it should be.
    (
        0x0104,
        "0009 01 00000029 02 001e",
        r#"{"seq": 9, "length": 1, "params": [{"id": 41, "value": "AB4="}]}"#,
    ),
    (0x0108, "34 00", r#"{"type": 52, "result": 0}"#),
    (0x0200, "@", r#"@"#),
    (0x0201, "0005 @", r#"{"seq": 5, "params": @}"#),
    (0x0301, "07", r#"{"id": 7}"#),
    (0x0302, "0001 02", r#"{"seq": 1, "id": 2}"#),
    (0x0303, "03 01", r#"{"id": 3, "flag": 1}"#),
    (0x0500, "0006 @", r#"{"seq": 6, "location": @}"#),
    (
        0x0608,
        "01 00000002 abcd",
        r#"{"type": 1, "count": 2, "data": "q80="}"#,
    ),
    (
        0x0700,
        "0003 08 0102",
        r#"{"seq": 3, "command": 8, "data": "AQI="}"#,
    ),
    (0x0701, "00000002 6869", r#"{"length": 2, "data": "aGk="}"#),
    (
        0x0705,
        "0001 1010305900 c0000123 0102030405060708",
        r#"{"length": 1, "time": "1010305900", "can_data": [{"channel": 1, "frame_type": 1, "data_method": 0, "id": 291, "data": "AQIDBAUGBwg="}]}"#,
    ),
    (
        0x0800,
        "00000010 00 01 02 03",
        r#"{"id": 16, "type": 0, "format": 1, "event": 2, "channel": 3}"#,
    ),
    (
        0x0801,
        "00000010 00 01 02 03 @ 6a706567",
        r#"{"id": 16, "type": 0, "format": 1, "event": 2, "channel": 3, "location": @, "multimedia": "anBlZw=="}"#,
    ),
    (
        0x0802,
        "0004 0001 00000011 01 02 03 @",
        r#"{"seq": 4, "length": 1, "result": [{"id": 17, "type": 1, "channel": 2, "event": 3, "location": @}]}"#,
    ),
    (
        0x0805,
        "0004 00 0002 00000001 00000002",
        r#"{"seq": 4, "result": 0, "length": 2, "ids": [1, 2]}"#,
    ),
    (0x0805, "0004 01", r#"{"seq": 4, "result": 1}"#),
    (0x0900, "f0 010203", r#"{"type": 240, "data": "AQID"}"#),
    (0x0901, "00000001 ff", r#"{"length": 1, "data": "/w=="}"#),
    (
        0x0a00,
        "00010001 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a 5a",
        r#"{"e": 65537, "n": "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo="}"#,
    ),
    // None of the standard's.
    (0x0f12, "0102", r#"{"unknown_id": true, "data": "AQI="}"#),
    // Known, and a byte too many, or too few.
    (0x0301, "0701", r#"{"unknown_id": true, "data": "BwE="}"#),
    (
        0x0704,
        "0002 01 0001 00",
        r#"{"unknown_id": true, "data": "AAIBAAEA"}"#,
    ),
    (0x0200, "010203", r#"{"unknown_id": true, "data": "AQID"}"#),
];

#[test]
fn every_message_of_a_terminal_has_its_members() {
    let digits: String = position().iter().map(|byte| format!("{byte:02x}")).collect();
    for (id, body, expected) in BODIES {
        let body = hex(&body.replace('@', &digits));
        let expected: Value = serde_json::from_str(&expected.replace('@', PLACE)).unwrap();
        for frame in [Frame::new(id, 77, &body), Frame::new_2019(id, 77, &body)] {
            let message = published(&utf8(), &frame.bytes());
            assert_eq!(message["body"], expected, "{id:04x}");
            assert_eq!(message["header"]["len"], json!(body.len()));
        }
    }
}

#[test]
fn every_additional_item_has_its_member() {
    let items = hex(
        "01 04 00000010 02 02 0020 03 02 0030 04 02 0040 11 05 02 0000001d 12 06 08 00000017 59 13 07 0000002d 0015 01
         25 04 00004003 2a 02 0001 2b 04 00020001 30 01 1f 31 01 0c 99 02 abcd e0 01 aa e1 02 bbcc 05 02 0102 06 02 fff6",
    );
    let body = [position(), items].concat();
    let message = published(&utf8(), &Frame::new_2019(0x0200, 1, &body).bytes());
    let mut signal = signals_off();
    for name in ["low_beam", "high_beam", "cluth"] {
        signal[name] = json!(1);
    }
    assert_eq!(
        message["body"]["extra"],
        json!({
            "mileage": 16, "fuel_meter": 32, "speed": 48, "alarm_id": 64, "tire_pressure": "AQI=", "carriage_temp": -10,
            "overspeed_alarm": {"type": 2, "id": 29}, "in_out_alarm": {"type": 8, "id": 23, "direction": 89},
            "path_time_alarm": {"id": 45, "time": 21, "result": 1}, "signal": signal,
            "io_status": {"deep_sleep": 1, "sleep": 0}, "analog": {"ad0": 1, "ad1": 2}, "rssi": 31, "gnss_sat_num": 12,
            "153": "q80=", "custome": {"224": "qg==", "225": "u8w="}
        })
    );
}

#[test]
fn items_that_are_broken_do_not_take_the_position_with_them() {
    let rows = [
        // Of another length than the standard has.
        ("01 02 0010", json!({"1": "ABA="}), Value::Null),
        ("11 02 0010", json!({"17": "ABA="}), Value::Null),
        // Twice: the second.
        ("30 01 01 30 01 02", json!({"rssi": 2}), Value::Null),
        // Longer than the body.
        ("30 01 01 31 05 02", json!({"rssi": 1}), json!("MQUC")),
        ("30", json!({}), json!("MA==")),
    ];
    for (items, extra, behind) in rows {
        let body = [position(), hex(items)].concat();
        let message = published(&utf8(), &Frame::new(0x0200, 1, &body).bytes());
        assert_eq!(message["body"]["latitude"], json!(31000560), "{items}");
        assert_eq!(message["body"]["extra"], extra, "{items}");
        assert_eq!(message["body"]["extra_data"], behind, "{items}");
    }
}

#[test]
fn attributes_have_longer_fields_since_2019() {
    let field = |text: &str, size: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(size, 0);
        bytes
    };
    let tail = hex("89860012345678901234 03 312e30 02 7632 01 02");
    let body = [
        vec![0, 7],
        field("MAKER", 5),
        field("MODEL", 20),
        field("ID1", 7),
        tail.clone(),
    ]
    .concat();
    let body_2019 = [
        vec![0, 7],
        field("MAKER", 5),
        field("MODEL", 30),
        field("ID1", 30),
        tail,
    ]
    .concat();
    let expected = json!({
        "type": 7, "manufacturer": "MAKER", "model": "MODEL", "id": "ID1", "iccid": "89860012345678901234",
        "hardware_version": "1.0", "firmware_version": "v2", "gnss_prop": 1, "comm_prop": 2
    });
    assert_eq!(
        published(&utf8(), &Frame::new(0x0107, 1, &body).bytes())["body"],
        expected
    );
    assert_eq!(
        published(&utf8(), &Frame::new_2019(0x0107, 1, &body_2019).bytes())["body"],
        expected
    );
}

#[test]
fn texts_are_gbk_by_default_and_valid_json_whatever_they_are() {
    let gbk = Jt808 {
        implicit_login: true,
        ..Jt808::default()
    };
    // A licence plate as a parameter: 京A12345 in GBK, and quotes, a control character, half a character.
    let plate = hex("0001 01 00000083 0c bea9 41 3132333435 22 5c 0a be");
    let message = published(&gbk, &Frame::new(0x0104, 1, &plate).bytes());
    assert_eq!(
        message["body"]["params"][0]["value"],
        json!("京A12345\"\\\n\u{fffd}")
    );
    let message = published(&utf8(), &Frame::new(0x0104, 1, &plate).bytes());
    assert_eq!(
        message["body"]["params"][0]["value"],
        json!("\u{fffd}\u{fffd}A12345\"\\\n\u{fffd}")
    );
}

/// EMQX: t_case01_register, t_case12_0x7e_in_message.
#[test]
fn a_registration_with_flags_and_escapes_in_it_is_one_frame() {
    let body = [
        &[0, 0x7e, 0, 0x7d][..],
        b"examp33333333333333333333",
        b"1234567",
        &[3],
        b"ujvl239",
    ]
    .concat();
    let mut frame = Frame::new(0x0100, 78, &body);
    frame.phone = vec![0x00, 0x01, 0x23, 0x45, 0x67, 0x89];
    let bytes = frame.bytes();
    assert_eq!(Frame::read(&bytes), Some((frame, bytes.len())));
    let mut conversation = Conversation::new(&Jt808::default());
    assert_eq!(
        conversation.hears(&bytes),
        [Told::Identify("000123456789".into())]
    );
    let [answer] = &conversation.says()[..] else {
        panic!("one answer")
    };
    let expected = [&[0, 78, 0][..], b"000123456789"].concat();
    assert_eq!((answer.id, answer.serial, &answer.body), (0x8100, 0, &expected));
}
