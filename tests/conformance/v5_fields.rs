//! MQTT 5.0 chapters 1 and 2: how fields and fixed headers are encoded, and packet identifiers.

use crate::notation::long;
use crate::server::{Server, connect_v5};

/// A PUBLISH at QoS 0 whose topic is given in bytes.
fn publish_to(topic: &str) -> String {
    format!("30 <({topic}) <> `x`>")
}

#[test]
fn mqtt_1_5_4_1_what_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    // Surrogates, overlong forms, beyond U+10FFFF, cut short, a continuation alone, a byte that never occurs.
    let wrong = [
        "EDA080",
        "EDBFBF",
        "EDA081EDB080",
        "C080",
        "C1BF",
        "E08080",
        "F0808080",
        "F4908080",
        "F8888080",
        "C3",
        "E282",
        "80",
        "FF",
    ];
    for text in wrong {
        let mut client = server.v5("c-1.5.4-1");
        client.send(&publish_to(text));
        client.expect_disconnect(0x81);
        let mut client = server.send(&format!("10 <'MQTT' 05 02 0000 <> ({text})>"));
        client.expect_refused(0x81);
    }
}

#[test]
fn mqtt_1_5_4_1_every_kind_of_utf_8_is_passed_on_as_it_is() {
    let server = Server::shared();
    let mut client = server.v5("c-1.5.4-1b");
    client.subscribe_v5("t-1.5.4-1b/#", 0);
    // One to four bytes, the last before and the first after the surrogates, the last of all.
    for text in ["7E", "C3A9", "E282AC", "ED9FBF", "EE8080", "F09F9880", "F48FBFBD"] {
        let packet = format!("30 <(`t-1.5.4-1b/` {text}) <26 ({text}) ({text})> `x`>");
        client.exchange(&packet, &packet);
    }
}

#[test]
fn mqtt_1_5_4_2_a_null_character_is_malformed() {
    let server = Server::shared();
    let packets = [
        publish_to("`a` 00 `b`"),
        "30 <'a' <26 (00) 'v'> `x`>".to_owned(),
        "30 <'a' <03 (`text` 00)> `x`>".to_owned(),
        "82 <0001 <> (`a/` 00) 00>".to_owned(),
        "A2 <0001 <> (00)>".to_owned(),
        "E0 <00 <1F (00)>>".to_owned(),
    ];
    server.each_ends("c-1.5.4-2", &packets, 0x81);
    for connect in [
        "02 0000 <> (`c` 00)",
        "06 0000 <> 'c' <> (00) (01)",
        "82 0000 <> 'c' (`u` 00)",
    ] {
        let mut client = server.send(&format!("10 <'MQTT' 05 {connect}>"));
        client.expect_refused(0x81);
    }
}

#[test]
fn mqtt_1_5_4_3_a_byte_order_mark_is_a_character_like_others() {
    let server = Server::shared();
    let mut client = server.v5("c-1.5.4-3");
    client.exchange("82 <0001 <> (EFBBBF `t-1.5.4-3`) 00>", "90 <0001 <> 00>");
    // Without the mark it is another topic, so that the first thing to come is the message with it.
    client.send("30 <'t-1.5.4-3' <> `x`>");
    let marked = "30 <(EFBBBF `t-1.5.4-3`) <26 (EFBBBF) (`v` EFBBBF)> `y`>";
    client.exchange(marked, marked);
}

#[test]
fn mqtt_1_5_5_1_lengths_are_sent_in_their_shortest_form() {
    let server = Server::shared();
    let mut client = server.v5("c-1.5.5-1");
    client.subscribe_v5("t-1.5.5-1", 0);
    // Topic and property length take 12 bytes of the remaining length: around 127 and 16,383.
    for size in [115, 116, 16_371, 16_372] {
        let packet = format!("30 <'t-1.5.5-1' <> `{}`>", long(size));
        client.exchange(&packet, &packet);
    }
    // And around 127 bytes of properties, of which the pair's own lengths take five.
    for size in [121, 122, 123] {
        let packet = format!("30 <'t-1.5.5-1' <26 'k' '{}'> `x`>", long(size));
        client.exchange(&packet, &packet);
    }
}

#[test]
fn mqtt_1_5_5_1_a_length_that_is_too_long_is_malformed() {
    let server = Server::shared();
    let packets = [
        "C0 80 00",
        "C0 80 80 00",
        "C0 80 80 80 00",
        "C0 80 80 80 80 00",
        "30 88 00 0001 `a` <> `xxxx`",
        "30 <'a' 80 00 `x`>",
        "30 <'a' 87 00 26 'k' 'v' `x`>",
        "82 <0001 <0B 81 00> 'a' 00>",
    ];
    server.each_ends("c-1.5.5-1b", &packets.map(str::to_owned), 0x81);
}

#[test]
fn mqtt_1_5_7_1_both_strings_of_a_pair_are_utf_8() {
    let server = Server::shared();
    let pairs = [
        "(FF) 'v'",
        "'k' (FF)",
        "(EDA080) 'v'",
        "'k' (EDA080)",
        "(00) 'v'",
        "'k' (00)",
    ];
    for pair in pairs {
        let packets = [
            format!("30 <'a' <26 {pair}> `x`>"),
            format!("82 <0001 <26 {pair}> 'a' 00>"),
            format!("A2 <0001 <26 {pair}> 'a'>"),
            format!("E0 <00 <26 {pair}>>"),
        ];
        server.each_ends("c-1.5.7-1", &packets, 0x81);
        let mut client = server.send(&connect_v5("c-1.5.7-1b", 0x02, &format!("<26 {pair}>"), ""));
        client.expect_refused(0x81);
    }
}

#[test]
fn mqtt_2_1_3_1_other_flags_than_the_fixed_ones_are_malformed() {
    let server = Server::shared();
    // Each with all flags but its own; PUBLISH alone has flags that mean something.
    let packets = [
        (0x4, 0x0, "<0001>"),
        (0x5, 0x0, "<0001>"),
        (0x6, 0x2, "<0001>"),
        (0x7, 0x0, "<0001>"),
        (0x8, 0x2, "<0001 <> 'a' 00>"),
        (0xA, 0x2, "<0001 <> 'a'>"),
        (0xC, 0x0, "<>"),
        (0xE, 0x0, "<>"),
        (0xF, 0x0, "<>"),
    ];
    for (kind, own, rest) in packets {
        let wrong: Vec<_> = (0..16)
            .filter(|flags| *flags != own)
            .map(|flags| format!("{:02X} {rest}", kind << 4 | flags))
            .collect();
        server.each_ends("c-2.1.3-1", &wrong, 0x81);
    }
    for flags in 1..16 {
        let connect = connect_v5("c-2.1.3-1", 0x02, "<>", "").replacen("10", &format!("1{flags:X}"), 1);
        server.send(&connect).expect_refused(0x81);
    }
}

#[test]
fn mqtt_2_2_1_2_a_publish_of_qos_0_has_no_packet_identifier() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.1-2");
    client.subscribe_v5("t-2.2.1-2", 0);
    client.send("32 <'t-2.2.1-2' 1234 <> `one`>");
    client.send("34 <'t-2.2.1-2' 1235 <> `two`>");
    // Among its own messages the client finds its acknowledgements, in any order.
    let mut got: Vec<_> = (0..4).map(|_| client.packet()).collect();
    got.sort();
    let mut wanted = [
        "30 <'t-2.2.1-2' <> `one`>",
        "30 <'t-2.2.1-2' <> `two`>",
        "40 <1234>",
        "50 <1235>",
    ]
    .map(crate::notation::bytes);
    wanted.sort();
    assert_eq!(got, wanted);
}

#[test]
fn mqtt_2_2_1_3_packet_identifier_0_is_a_protocol_error() {
    let server = Server::shared();
    let packets = [
        "32 <'a' 0000 <> `x`>",
        "34 <'a' 0000 <> `x`>",
        "82 <0000 <> 'a' 00>",
        "A2 <0000 <> 'a'>",
    ];
    server.each_ends("c-2.2.1-3", &packets.map(str::to_owned), 0x82);
}

#[test]
fn mqtt_2_2_1_4_server_packet_identifiers_begin_at_1_and_one_in_use_is_not_taken_again() {
    let server = Server::shared();
    let mut subscriber = server.v5("c-2.2.1-4");
    subscriber.subscribe_v5("t-2.2.1-4", 1);
    let mut publisher = server.v5("c-2.2.1-4b");
    let mut got = Vec::new();
    // Once around: 1 stays unacknowledged, so that after 65,535 comes 2.
    const MESSAGES: u32 = 65_537;
    for first in (0..MESSAGES).step_by(500) {
        let batch = 500.min(MESSAGES - first);
        let (mut publishes, mut acks) = (Vec::new(), Vec::new());
        for number in 0..batch {
            let id = number + 1;
            publishes.extend(crate::notation::bytes(&format!("32 <'t-2.2.1-4' {id:04X} <>>")));
        }
        publisher.send_bytes(&publishes);
        for number in 0..batch {
            publisher.expect(&format!("40 <{:04X}>", number + 1));
            let packet = subscriber.packet();
            assert_eq!(packet[..13], *b"\x32\x0E\0\x09t-2.2.1-4");
            let id = u16::from_be_bytes([packet[13], packet[14]]);
            if id != 1 {
                acks.extend([0x40, 2, packet[13], packet[14]]);
            }
            got.push(id);
        }
        subscriber.send_bytes(&acks);
    }
    let wanted: Vec<u16> = (1..=u16::MAX).chain([2, 3]).collect();
    assert!(
        got == wanted,
        "the first that differs: {:?}",
        got.iter().zip(&wanted).find(|(a, b)| a != b)
    );
}

#[test]
fn mqtt_2_2_1_5_acknowledgements_carry_the_packet_identifier_of_their_publish() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.1-5");
    let mut other = server.v5("c-2.2.1-5b");
    other.subscribe_v5("t-2.2.1-5", 0);
    client.exchange("32 <'t-2.2.1-5' 8001 <> `x`>", "40 <8001>");
    client.exchange("34 <'t-2.2.1-5' FFFF <> `x`>", "50 <FFFF>");
    client.exchange("34 <'t-2.2.1-5' 00FE <> `x`>", "50 <00FE>");
    client.exchange("62 <FFFF>", "70 <FFFF>");
    client.exchange("62 <00FE>", "70 <00FE>");
}

#[test]
fn mqtt_2_2_1_5_a_pubrel_carries_the_packet_identifier_of_its_publish() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.1-5c");
    client.subscribe_v5("t-2.2.1-5c", 2);
    client.send("30 <'t-2.2.1-5c' <> `zero`>");
    client.expect("30 <'t-2.2.1-5c' <> `zero`>");
    let mut publisher = server.v5("c-2.2.1-5d");
    publisher.exchange("34 <'t-2.2.1-5c' 0101 <> `one`>", "50 <0101>");
    publisher.exchange("34 <'t-2.2.1-5c' 0202 <> `two`>", "50 <0202>");
    client.expect("34 <'t-2.2.1-5c' 0001 <> `one`> 34 <'t-2.2.1-5c' 0002 <> `two`>");
    client.exchange("50 <0002>", "62 <0002>");
    client.exchange("50 <0001>", "62 <0001>");
}

#[test]
fn mqtt_2_2_1_6_suback_and_unsuback_carry_the_packet_identifier_of_their_request() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.1-6");
    client.exchange("82 <1234 <> 'c-2.2.1-6' 00>", "90 <1234 <> 00>");
    client.exchange("A2 <FFFF <> 'c-2.2.1-6'>", "B0 <FFFF <> 00>");
}

#[test]
fn mqtt_2_2_2_1_no_properties_are_a_property_length_of_zero() {
    let server = Server::shared();
    let mut client = server.v5("c-2.2.2-1");
    client.exchange("82 <0001 <> 't-2.2.2-1' 00>", "90 04 0001 00 00");
    client.exchange("30 <'t-2.2.2-1' <> `x`>", "30 0D 0009 `t-2.2.2-1` 00 `x`");
    client.exchange("A2 <0001 <> 't-2.2.2-1'>", "B0 04 0001 00 00");
}

#[test]
fn mqtt_2_2_2_1_a_property_length_that_is_missing_is_malformed() {
    let server = Server::shared();
    // Where it should be, the first byte of a string's length is read.
    let packets = ["82 <0001 'a' 00>", "A2 <0001 'a'>", "30 <'a'>", "32 <'a' 0001>"];
    server.each_ends("c-2.2.2-1b", &packets.map(str::to_owned), 0x81);
    let mut client = server.send("10 <'MQTT' 05 02 0000 'c-2.2.2-1c'>");
    client.expect_refused(0x81);
}
