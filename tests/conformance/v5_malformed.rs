//! 5.0: bytes that are no packet: types, flags, lengths, fields that are cut short or left over, text that is no text.
//!
//! Their sender is told 0x81 (Malformed Packet) by DISCONNECT, or by CONNACK as long as it has none, and nobody else
//! notices anything. What is wrong inside of properties is in `v5_malformed_properties.rs`, what can be read but may not
//! be said in `v5_violations.rs`.

use crate::bystanders::Bystanders;
use crate::hostile::{Answer, Hostile, NO_TEXT, hex, refused};
use crate::notation::bytes;
use crate::server::{Server, connect_v5};
use std::thread;
use std::time::Duration;

/// A whole packet of each type behind its first byte.
const PACKETS: [(u8, &str); 14] = [
    (0x20, "<00 00 <>>"),
    (0x30, "<'m/t' <> `x`>"),
    (0x40, "<0001>"),
    (0x50, "<0001>"),
    (0x62, "<0001>"),
    (0x70, "<0001>"),
    (0x82, "<0001 <> 'm/t' 00>"),
    (0x90, "<0001 <> 00>"),
    (0xA2, "<0001 <> 'm/t'>"),
    (0xB0, "<0001 <> 00>"),
    (0xC0, "00"),
    (0xD0, "00"),
    (0xE0, "00"),
    (0xF0, "<18 <15 'M'>>"),
];

#[test]
fn mqtt_4_13_1_1_reserved_flags_and_types_are_malformed() {
    let mut cases = Vec::new();
    for (first, rest) in PACKETS.into_iter().filter(|(first, _)| *first != 0x30) {
        for flags in (0..16).filter(|flags| flags | first & 0xF0 != first) {
            let byte = first & 0xF0 | flags;
            cases.push(Hostile::v5(
                format!("first byte {byte:02X}"),
                &format!("{byte:02X} {rest}"),
                0x81,
            ));
        }
    }
    for byte in 0x00..=0x0F {
        cases.push(Hostile::v5(
            format!("type 0, {byte:02X}"),
            &format!("{byte:02X} 00"),
            0x81,
        ));
    }
    // QoS 3 [MQTT-3.3.1-4], and DUP at QoS 0 [MQTT-3.3.1-2].
    for byte in [0x36, 0x37, 0x3E, 0x3F] {
        cases.push(Hostile::v5(
            format!("{byte:02X}"),
            &format!("{byte:02X} <'m/t' 0001 <> `x`>"),
            0x81,
        ));
    }
    for byte in [0x38, 0x39] {
        cases.push(Hostile::v5(
            format!("{byte:02X}"),
            &format!("{byte:02X} <'m/t' <> `x`>"),
            0x81,
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_lengths_that_are_too_long_or_not_minimal_are_malformed() {
    let mut cases = Vec::new();
    for length in ["8080808000", "8080808001", "FFFFFFFF7F", "8080808080"] {
        cases.push(Hostile::v5(
            format!("remaining length {length}"),
            &format!("30 {length}"),
            0x81,
        ));
    }
    for (name, text) in [
        ("PINGREQ in two bytes", "C0 8000"),
        ("PINGREQ in four", "C0 80808000"),
        ("PUBACK", "40 8200 0001"),
        ("PUBLISH", "30 8500 'a' <> `x`"),
        ("property length of a PUBLISH", "30 <'a' 8000 `x`>"),
        ("property length of a SUBSCRIBE", "82 <0001 8000 'a' 00>"),
        ("property length of five bytes", "30 <'a' 8080808001 `x`>"),
        ("property identifier", "30 <'a' <8100 00>>"),
        ("Subscription Identifier", "82 <0001 <0B 8100> 'a' 00>"),
        (
            "Subscription Identifier of five bytes",
            "82 <0001 <0B 8080808001> 'a' 00>",
        ),
    ] {
        cases.push(Hostile::v5(name, text, 0x81));
    }
    for (name, text) in [
        ("CONNECT", "10 9000 'MQTT' 05 02 0000 <> 'abc'"),
        ("property length of a CONNECT", "10 <'MQTT' 05 02 0000 8000 ''>"),
    ] {
        cases.push(Hostile::first(name, text, Answer::ConnAck(0x81)));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_a_packet_cut_short_is_malformed() {
    let mut cases = Vec::new();
    // The last number: from how many bytes on it is whole.
    for (name, first, body, whole) in [
        ("PUBLISH", 0x30, "'abc' <01 00>", 8),
        ("PUBLISH at QoS 1", 0x32, "'abc' 0001 <01 00>", 10),
        ("PUBLISH at QoS 2", 0x34, "'abc' 0001 <>", 8),
        ("PUBACK", 0x40, "0001", 2),
        ("PUBREC", 0x50, "0001", 2),
        ("PUBREL", 0x62, "0001", 2),
        ("PUBCOMP", 0x70, "0001", 2),
        ("SUBSCRIBE", 0x82, "0001 <> 'abc' 00", 9),
        ("UNSUBSCRIBE", 0xA2, "0001 <> 'abc'", 8),
    ] {
        let body = bytes(body);
        for cut in 0..whole.min(body.len()) {
            // What has no filters can be read, and is a Protocol Error.
            let code = if matches!(first, 0x82 | 0xA2) && cut == 3 {
                0x82
            } else {
                0x81
            };
            let text = format!("{first:02X} <{}>", hex(&body[..cut]));
            cases.push(Hostile::v5(format!("{name} of {cut}"), &text, code));
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_a_connect_cut_short_is_malformed() {
    let mut cases = Vec::new();
    let whole = bytes("'MQTT' 05 C6 0000 <21 000A> 'abc' <01 00> 'w/t' 'will' 'user' 'word'");
    for cut in 0..whole.len() {
        // Before its level nobody knows that it is 5.0.
        let answer = if cut < 7 {
            Answer::Silence
        } else {
            Answer::ConnAck(0x81)
        };
        cases.push(Hostile::first(
            format!("CONNECT of {cut}"),
            &format!("10 <{}>", hex(&whole[..cut])),
            answer,
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_bytes_behind_the_last_field_are_malformed() {
    let mut cases = Vec::new();
    for (name, text) in [
        ("PUBACK", "40 <0001 00 <> 00>"),
        ("PUBREC", "50 <0001 00 <> 00>"),
        ("PUBREL", "62 <0001 00 <> 00>"),
        ("PUBCOMP", "70 <0001 00 <> 00>"),
        ("SUBSCRIBE", "82 <0001 <> 'a' 00 00>"),
        ("UNSUBSCRIBE", "A2 <0001 <> 'a' 00>"),
        ("PINGREQ", "C0 <00>"),
        ("DISCONNECT", "E0 <00 <> 00>"),
        ("AUTH", "F0 <18 <15 'M'> 00>"),
    ] {
        cases.push(Hostile::v5(name, text, 0x81));
    }
    // User Name and Password that the flags do not announce are such bytes too [MQTT-3.1.2-16], [MQTT-3.1.2-18].
    for (name, text) in [
        ("CONNECT", "10 <'MQTT' 05 02 0000 <> 'abc' 00>"),
        (
            "CONNECT with a User Name",
            "10 <'MQTT' 05 02 0000 <> 'abc' 'user'>",
        ),
        (
            "CONNECT with a Password",
            "10 <'MQTT' 05 82 0000 <> 'abc' 'user' 'word'>",
        ),
        (
            "CONNECT with a Will",
            "10 <'MQTT' 05 02 0000 <> 'abc' <> 'w' 'x'>",
        ),
    ] {
        cases.push(Hostile::first(name, text, Answer::ConnAck(0x81)));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_text_that_is_not_utf_8_or_holds_nul_is_malformed() {
    let mut cases = Vec::new();
    for text in NO_TEXT {
        for (name, packet) in [
            ("topic name", "30 <TEXT <> `x`>"),
            ("filter of a SUBSCRIBE", "82 <0001 <> TEXT 00>"),
            ("second filter", "82 <0001 <> 'a' 00 TEXT 00>"),
            ("filter of an UNSUBSCRIBE", "A2 <0001 <> TEXT>"),
        ] {
            cases.push(Hostile::v5(
                format!("{name} {text}"),
                &packet.replace("TEXT", text),
                0x81,
            ));
        }
        for (name, flags, rest) in [
            ("client id", "02", "TEXT"),
            ("Will Topic", "06", "'abc' <> TEXT 'will'"),
            ("User Name", "82", "'abc' TEXT"),
        ] {
            let packet = format!("10 <'MQTT' 05 {flags} 0000 <> {}>", rest.replace("TEXT", text));
            cases.push(Hostile::first(
                format!("{name} {text}"),
                &packet,
                Answer::ConnAck(0x81),
            ));
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_connect_flags_that_contradict_each_other_are_malformed() {
    let mut cases = Vec::new();
    for first in 0x11..=0x1F {
        let text = format!("{first:02X} <'MQTT' 05 02 0000 <> 'abc'>");
        cases.push(Hostile::first(
            format!("first byte {first:02X}"),
            &text,
            Answer::ConnAck(0x81),
        ));
    }
    for (name, flags, rest) in [
        ("the reserved flag", 0x03, ""),
        ("Will QoS without a Will", 0x0A, ""),
        ("Will QoS 2 without a Will", 0x12, ""),
        ("Will Retain without a Will", 0x22, ""),
        ("Will QoS 3", 0x1E, "<> 'w' 'x'"),
        ("Will QoS 3 without a Will", 0x1A, ""),
    ] {
        let text = format!("10 <'MQTT' 05 {flags:02X} 0000 <> 'abc' {rest}>");
        cases.push(Hostile::first(name, &text, Answer::ConnAck(0x81)));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_anything_before_connect_is_closed() {
    let mut cases = Vec::new();
    for (first, rest) in PACKETS {
        // A CONNECT behind it changes nothing.
        let text = format!("{first:02X} {rest} 10 <'MQTT' 05 02 0000 <> 'abc'>");
        cases.push(Hostile::first(
            format!("{first:02X} first"),
            &text,
            Answer::Silence,
        ));
    }
    for (name, text) in [
        ("type 0", "00 00"),
        ("HTTP", "`GET / HTTP/1.1` 0D0A 0D0A"),
        ("TLS", "16 0301 0005 0100000100"),
        ("a length of five bytes", "10 8080808001"),
    ] {
        cases.push(Hostile::first(name, text, Answer::Silence));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_what_arrives_byte_by_byte_is_refused_as_what_arrives_at_once() {
    let server = Server::shared();
    for (text, code) in [
        ("36 <'c/bytes' 0001 <> `x`>", 0x81),
        ("30 8080808001", 0x81),
        ("30 <(6100) <> `x`>", 0x81),
        ("30 <'c/+' <> `x`>", 0x90),
        ("30 <'c/bytes' <23 0000> `x`>", 0x94),
        ("30 FFFFFF7F", 0x95),
        ("82 <0001 <0B 00> 'a' 00>", 0x82),
        ("82 <0001 <> 'a#' 00>", 0x8F),
        ("40 <0001 00 <1F 'a' 1F 'b'>>", 0x82),
        ("E0 <00 <12 'a'>>", 0x81),
        ("C0 8000", 0x81),
        ("D0 00", 0x82),
    ] {
        let mut client = server.v5("c-4.13.1-1-bytes");
        for byte in bytes(text) {
            client.send_bytes(&[byte]);
            thread::sleep(Duration::from_millis(1));
        }
        client.expect_disconnect(code);
    }
}

#[test]
fn mqtt_4_13_1_1_what_stands_before_is_taken_and_what_stands_behind_is_not() {
    let server = Server::shared();
    let mut watcher = server.v5("c-4.13.1-1-w");
    watcher.subscribe_v5("c-4.13.1-1/#", 0x00);
    let connect = connect_v5("c-4.13.1-1", 0x02, "<11 0000003C>", "");
    let before = "82 <0001 <> 'c-4.13.1-1/a' 02> C0 00 34 <'c-4.13.1-1/a' 0002 <> `before`>";
    let behind = "32 <'c-4.13.1-1/b' 0003 <> `behind`> C0 00";
    let mut client = server.send(&format!("{connect} {before} 82 <0004 <> 'x' 40> {behind}"));
    client.expect_accepted();
    client.expect("90 <0001 <> 02> D0 00 34 <'c-4.13.1-1/a' 0001 <> `before`> 50 <0002>");
    client.expect_disconnect(0x81);
    // The session is none the worse for it.
    let mut client = server.send(&connect_v5("c-4.13.1-1", 0x00, "<11 00000000>", ""));
    assert_eq!(client.expect_accepted()[2], 1, "Session Present");
    client.expect("3C <'c-4.13.1-1/a' 0001 <> `before`>");
    client.exchange("3C <'c-4.13.1-1/a' 0002 <> `before`>", "50 <0002>");
    client.exchange("62 <0002>", "70 <0002>");
    client.exchange("32 <'c-4.13.1-1/b' 0005 <> `sentinel`>", "40 <0005>");
    watcher.expect("30 <'c-4.13.1-1/a' <> `before`> 30 <'c-4.13.1-1/b' <> `sentinel`>");
    watcher.expect_alive();
}
