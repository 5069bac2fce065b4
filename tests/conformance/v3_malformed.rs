//! 3.1.1 and 3.1: what a client may not send. The connection is closed without a word, and nobody else notices anything.
//!
//! The same in 5.0, where the client is told why, is in `v5_malformed.rs` and `v5_violations.rs`.

use crate::bystanders::Bystanders;
use crate::hostile::{Answer, GREETING_311, Hostile, NO_TEXT, hex, refused};
use crate::notation::bytes;
use crate::server::{Server, connect_v3};
use std::thread;
use std::time::Duration;

/// A whole packet of each type behind its first byte.
const PACKETS: [(u8, &str); 13] = [
    (0x20, "<00 00>"),
    (0x30, "<'m/t' `x`>"),
    (0x40, "<0001>"),
    (0x50, "<0001>"),
    (0x62, "<0001>"),
    (0x70, "<0001>"),
    (0x82, "<0001 'm/t' 00>"),
    (0x90, "<0001 00>"),
    (0xA2, "<0001 'm/t'>"),
    (0xB0, "<0001>"),
    (0xC0, "00"),
    (0xD0, "00"),
    (0xE0, "00"),
];

#[test]
fn mqtt_2_2_2_2_reserved_flags_and_types_are_closed() {
    let mut cases = Vec::new();
    for (first, rest) in PACKETS.into_iter().filter(|(first, _)| *first != 0x30) {
        for flags in (0..16).filter(|flags| flags | first & 0xF0 != first) {
            let byte = first & 0xF0 | flags;
            cases.push(Hostile::v311(
                format!("first byte {byte:02X}"),
                &format!("{byte:02X} {rest}"),
            ));
        }
    }
    for byte in (0x00..=0x0F).chain(0xF0..=0xFF) {
        cases.push(Hostile::v311(
            format!("reserved type {byte:02X}"),
            &format!("{byte:02X} 00"),
        ));
    }
    for byte in [0x36, 0x37, 0x3E, 0x3F] {
        cases.push(Hostile::v311(
            format!("QoS 3, {byte:02X}"),
            &format!("{byte:02X} <'m/t' 0001 `x`>"),
        ));
    }
    for byte in [0x38, 0x39] {
        cases.push(Hostile::v311(
            format!("DUP at QoS 0, {byte:02X}"),
            &format!("{byte:02X} <'m/t' `x`>"),
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_8_0_1_packets_cut_short_or_too_long_are_closed() {
    let mut cases = Vec::new();
    for (name, first, body) in [
        ("PUBLISH", 0x30, "'abc'"),
        ("PUBLISH at QoS 1", 0x32, "'abc' 0001"),
        ("PUBLISH at QoS 2", 0x34, "'abc' 0001"),
        ("PUBACK", 0x40, "0001"),
        ("PUBREC", 0x50, "0001"),
        ("PUBREL", 0x62, "0001"),
        ("PUBCOMP", 0x70, "0001"),
        ("SUBSCRIBE", 0x82, "0001 'abc' 00"),
        ("UNSUBSCRIBE", 0xA2, "0001 'abc'"),
    ] {
        let body = bytes(body);
        for cut in 0..body.len() {
            let text = format!("{first:02X} <{}>", hex(&body[..cut]));
            cases.push(Hostile::v311(format!("{name} of {cut}"), &text));
        }
    }
    for (name, text) in [
        ("PUBACK and a byte", "40 <0001 00>"),
        ("PUBREC and a byte", "50 <0001 00>"),
        ("PUBREL and a byte", "62 <0001 00>"),
        ("PUBCOMP and a byte", "70 <0001 00>"),
        ("SUBSCRIBE and a byte", "82 <0001 'a' 00 00>"),
        ("UNSUBSCRIBE and a byte", "A2 <0001 'a' 00>"),
        ("PINGREQ and a byte", "C0 <00>"),
        ("DISCONNECT and a byte", "E0 <00>"),
        ("a remaining length of five bytes", "30 8080808001"),
        ("a remaining length without end", "30 8080808080"),
    ] {
        cases.push(Hostile::v311(name, text));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_3_1_4_1_a_connect_that_does_not_conform_is_closed_without_a_connack() {
    let mut cases = Vec::new();
    let whole = bytes("'MQTT' 04 C6 0000 'abc' 'w/t' 'will' 'user' 'word'");
    for cut in 0..whole.len() {
        let text = format!("10 <{}>", hex(&whole[..cut]));
        cases.push(Hostile::first(
            format!("CONNECT of {cut}"),
            &text,
            Answer::Silence,
        ));
    }
    for (name, flags, rest) in [
        ("the reserved flag", 0x03, ""),
        ("Will QoS without a Will", 0x0A, ""),
        ("Will QoS 2 without a Will", 0x12, ""),
        ("Will Retain without a Will", 0x22, ""),
        ("Will QoS 3", 0x1E, "'w' 'x'"),
        ("Password without User Name", 0x42, "'word'"),
        ("a byte more", 0x02, "00"),
        ("a User Name that is not announced", 0x02, "'user'"),
        ("a Password that is not announced", 0x82, "'user' 'word'"),
        ("a Will that is not announced", 0x02, "'w' 'x'"),
        ("a Will Topic with a wildcard", 0x06, "'w/+' 'x'"),
        ("a Will Topic of no length", 0x06, "'' 'x'"),
    ] {
        let text = format!("10 <'MQTT' 04 {flags:02X} 0000 'abc' {rest}>");
        cases.push(Hostile::first(name, &text, Answer::Silence));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_1_5_3_1_text_that_is_not_utf_8_or_holds_nul_is_closed() {
    let mut cases = Vec::new();
    for text in NO_TEXT {
        for (name, packet) in [
            ("topic name", "30 <TEXT `x`>"),
            ("filter of a SUBSCRIBE", "82 <0001 TEXT 00>"),
            ("second filter", "82 <0001 'a' 00 TEXT 00>"),
            ("filter of an UNSUBSCRIBE", "A2 <0001 TEXT>"),
        ] {
            cases.push(Hostile::v311(
                format!("{name} {text}"),
                &packet.replace("TEXT", text),
            ));
        }
        for (name, flags, rest) in [
            ("client id", "02", "TEXT"),
            ("Will Topic", "06", "'abc' TEXT 'will'"),
            ("User Name", "82", "'abc' TEXT"),
        ] {
            let packet = format!("10 <'MQTT' 04 {flags} 0000 {}>", rest.replace("TEXT", text));
            cases.push(Hostile::first(format!("{name} {text}"), &packet, Answer::Silence));
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_3_1_2_2_names_and_levels_that_are_not_spoken_get_return_code_1() {
    let mut cases = Vec::new();
    for name in ["'mqtt'", "'MQTTX'", "''", "'HTTP'", "'MQIsdq'", "(4D510000)"] {
        let text = format!("10 <{name} 04 02 0000 'abc'>");
        cases.push(Hostile::first(format!("name {name}"), &text, Answer::Return(1)));
    }
    // A bridge sets the highest bit.
    for level in [0, 1, 2, 3, 0x83, 0x84] {
        let text = format!("10 <'MQTT' {level:02X} 02 0000 'abc'>");
        cases.push(Hostile::first(format!("MQTT {level}"), &text, Answer::Return(1)));
    }
    for level in [2, 4] {
        let text = format!("10 <'MQIsdp' {level:02X} 02 0000 'abc'>");
        cases.push(Hostile::first(
            format!("MQIsdp {level}"),
            &text,
            Answer::Return(1),
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_3_1_0_1_anything_before_connect_is_closed() {
    let mut cases = Vec::new();
    for (first, rest) in PACKETS {
        let text = format!("{first:02X} {rest} {GREETING_311}");
        cases.push(Hostile::first(
            format!("{first:02X} first"),
            &text,
            Answer::Silence,
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_8_0_1_protocol_violations_are_closed() {
    let mut cases = Vec::new();
    for (name, text) in [
        ("a second CONNECT", GREETING_311),
        ("a second CONNECT of 5.0", "10 <'MQTT' 05 02 0000 <> ''>"),
        ("CONNACK", "20 <00 00>"),
        ("SUBACK", "90 <0001 00>"),
        ("UNSUBACK", "B0 <0001>"),
        ("PINGRESP", "D0 00"),
        ("packet id 0 of a PUBLISH", "32 <'v/t' 0000 `x`>"),
        ("packet id 0 of a PUBLISH at QoS 2", "34 <'v/t' 0000 `x`>"),
        ("packet id 0 of a PUBACK", "40 <0000>"),
        ("packet id 0 of a PUBREC", "50 <0000>"),
        ("packet id 0 of a PUBREL", "62 <0000>"),
        ("packet id 0 of a PUBCOMP", "70 <0000>"),
        ("packet id 0 of a SUBSCRIBE", "82 <0000 'v/t' 00>"),
        ("packet id 0 of an UNSUBSCRIBE", "A2 <0000 'v/t'>"),
        ("+ in a topic name", "30 <'a/+' `x`>"),
        ("# in a topic name", "32 <'#' 0001 `x`>"),
        ("no topic name", "30 <'' `x`>"),
        ("no filter", "82 <0001>"),
        ("no filter to unsubscribe", "A2 <0001>"),
        ("QoS 3", "82 <0001 'a' 03>"),
        ("QoS 3 of the second", "82 <0001 'a' 00 'b' 03>"),
        ("reserved bits", "82 <0001 'a' 04>"),
        ("reserved bit 7", "82 <0001 'a' 80>"),
        ("a packet of the largest length", "30 FFFFFF7F"),
    ] {
        cases.push(Hostile::v311(name, text));
    }
    for filter in [
        "", "a#", "a/#/b", "#/a", "a+", "+a", "a/+b/c", "##", "a/##", "++", "+#",
    ] {
        cases.push(Hostile::v311(
            format!("{filter:?}"),
            &format!("82 <0001 '{filter}' 00>"),
        ));
        cases.push(Hostile::v311(
            format!("no more {filter:?}"),
            &format!("A2 <0001 '{filter}'>"),
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_8_0_1_what_stands_before_is_taken_and_what_stands_behind_is_not() {
    let server = Server::shared();
    let mut watcher = server.v3("3-4.8.0-1-w");
    watcher.subscribe_v3("3-4.8.0-1/#", 0);
    let connect = connect_v3("3-4.8.0-1", 0x00, "");
    let before = "82 <0001 '3-4.8.0-1/a' 02> C0 00 34 <'3-4.8.0-1/a' 0002 `before`>";
    let behind = "32 <'3-4.8.0-1/b' 0003 `behind`> C0 00";
    let mut client = server.send(&format!("{connect} {before} 82 <0004 'x' 04> {behind}"));
    client.expect_end("20 <00 00> 90 <0001 02> D0 00 34 <'3-4.8.0-1/a' 0001 `before`> 50 <0002>");
    // The session is none the worse for it.
    let mut client = server.send(&connect);
    client.expect("20 <01 00> 3C <'3-4.8.0-1/a' 0001 `before`>");
    client.exchange("3C <'3-4.8.0-1/a' 0002 `before`>", "50 <0002>");
    client.exchange("62 <0002>", "70 <0002>");
    client.exchange("32 <'3-4.8.0-1/b' 0005 `sentinel`>", "40 <0005>");
    watcher.expect("30 <'3-4.8.0-1/a' `before`> 30 <'3-4.8.0-1/b' `sentinel`>");
    watcher.expect_alive();
    server.v3("3-4.8.0-1");
}

#[test]
fn mqtt_4_8_0_1_what_arrives_byte_by_byte_is_closed_as_what_arrives_at_once() {
    let server = Server::shared();
    for text in [
        "36 <'c/bytes' 0001 `x`>",
        "30 8080808001",
        "30 <(6100) `x`>",
        "30 <'c/+' `x`>",
        "30 FFFFFF7F",
        "82 <0001 'a#' 00>",
        "40 <0001 00>",
        "D0 00",
    ] {
        let mut client = server.v3("3-4.8.0-1-bytes");
        for byte in bytes(text) {
            client.send_bytes(&[byte]);
            thread::sleep(Duration::from_millis(1));
        }
        client.expect_end("");
    }
}
