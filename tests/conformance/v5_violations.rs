//! 5.0: packets that can be read and may not be sent: out of order, of the other side, with a value that is forbidden or
//! beyond what the broker said it takes. The reason code is 0x82 (Protocol Error) unless there is a better one.

use crate::bystanders::Bystanders;
use crate::client::Client;
use crate::hostile::{Answer, Hostile, refused};

#[test]
fn mqtt_4_13_1_1_packets_out_of_order_or_of_a_server_are_protocol_errors() {
    let mut cases = Vec::new();
    for (name, text) in [
        ("a second CONNECT", "10 <'MQTT' 05 02 0000 <> ''>"),
        (
            "a second CONNECT of another client",
            "10 <'MQTT' 05 02 0000 <> 'second'>",
        ),
        ("a second CONNECT of 3.1.1", "10 <'MQTT' 04 02 0000 'second'>"),
        (
            "a second CONNECT of no version",
            "10 <'MQTT' 09 02 0000 'second'>",
        ),
        ("CONNACK", "20 <00 00 <>>"),
        ("SUBACK", "90 <0001 <> 00>"),
        ("UNSUBACK", "B0 <0001 <> 00>"),
        ("PINGRESP", "D0 00"),
        ("AUTH without a method at CONNECT", "F0 <18 <15 'SCRAM-SHA-256'>>"),
        ("re-authentication without one", "F0 <19 <15 'SCRAM-SHA-256'>>"),
        ("AUTH with success", "F0 00"),
    ] {
        cases.push(Hostile::v5(name, text, 0x82));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_packet_identifier_0_is_a_protocol_error() {
    let mut cases = Vec::new();
    for (name, text) in [
        ("PUBLISH at QoS 1", "32 <'v/t' 0000 <> `x`>"),
        ("PUBLISH at QoS 2", "34 <'v/t' 0000 <> `x`>"),
        ("PUBACK", "40 <0000>"),
        ("PUBREC", "50 <0000>"),
        ("PUBREL", "62 <0000>"),
        ("PUBCOMP", "70 <0000>"),
        ("PUBACK with a reason", "40 <0000 10>"),
        ("SUBSCRIBE", "82 <0000 <> 'v/t' 00>"),
        ("UNSUBSCRIBE", "A2 <0000 <> 'v/t'>"),
    ] {
        cases.push(Hostile::v5(name, text, 0x82));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_reason_codes_of_other_packets_are_protocol_errors() {
    let mut cases = Vec::new();
    for (name, head, codes) in [
        (
            "PUBACK",
            "40 <0001 CODE <>>",
            &[0x01, 0x04, 0x11, 0x81, 0x82, 0x8F, 0x92, 0x93, 0xFF][..],
        ),
        (
            "PUBREC",
            "50 <0001 CODE <>>",
            &[0x02, 0x18, 0x81, 0x8E, 0x92, 0x9E, 0xA3],
        ),
        ("PUBREL", "62 <0001 CODE <>>", &[0x01, 0x10, 0x80, 0x91, 0x97]),
        ("PUBCOMP", "70 <0001 CODE <>>", &[0x01, 0x10, 0x80, 0x91, 0x97]),
        (
            "DISCONNECT",
            "E0 <CODE <>>",
            &[0x01, 0x02, 0x10, 0x18, 0x84, 0x85, 0x91, 0x92, 0xA3, 0xFF],
        ),
        ("AUTH", "F0 <CODE <15 'M'>>", &[0x01, 0x17, 0x80, 0x87]),
    ] {
        for code in codes {
            let text = head.replace("CODE", &format!("{code:02X}"));
            cases.push(Hostile::v5(format!("{name} with {code:02X}"), &text, 0x82));
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_topic_names_and_aliases_that_are_no_topic_have_their_reason_code() {
    let mut cases = Vec::new();
    for (name, text, code) in [
        ("+ in a topic name", "30 <'a/+' <> `x`>", 0x90),
        ("# in a topic name", "32 <'#' 0001 <> `x`>", 0x90),
        ("a wildcard within a level", "34 <'a/b#c' 0001 <> `x`>", 0x90),
        ("neither topic nor alias", "30 <'' <> `x`>", 0x82),
        ("neither topic nor alias at QoS 1", "32 <'' 0001 <> `x`>", 0x82),
        ("an alias that was never set", "30 <'' <23 0001> `x`>", 0x82),
        ("alias 0", "30 <'a' <23 0000> `x`>", 0x94),
        ("alias 0 without a topic", "30 <'' <23 0000> `x`>", 0x94),
        ("an alias above the maximum", "30 <'a' <23 0041> `x`>", 0x94),
        ("the highest alias", "32 <'a' 0001 <23 FFFF> `x`>", 0x94),
    ] {
        cases.push(Hostile::v5(name, text, code));
    }
    for (name, flags, topic) in [("+", 0x06, "'a/+'"), ("#", 0x0E, "'#'"), ("empty", 0x26, "''")] {
        let text = format!("10 <'MQTT' 05 {flags:02X} 0000 <> 'abc' <> {topic} 'x'>");
        cases.push(Hostile::first(
            format!("Will Topic {name}"),
            &text,
            Answer::ConnAck(0x90),
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_subscriptions_that_cannot_be_have_their_reason_code() {
    let mut cases = Vec::new();
    for (name, text, code) in [
        ("no filter", "82 <0001 <>>", 0x82),
        ("QoS 3", "82 <0001 <> 'a' 03>", 0x82),
        ("Retain Handling 3", "82 <0001 <> 'a' 30>", 0x82),
        (
            "Retain Handling 3 of the second",
            "82 <0001 <> 'a' 00 'b' 31>",
            0x82,
        ),
        ("reserved bit 6", "82 <0001 <> 'a' 40>", 0x81),
        ("reserved bit 7", "82 <0001 <> 'a' 81>", 0x81),
        ("reserved bit of the second", "82 <0001 <> 'a' 00 'b' 80>", 0x81),
        (
            "No Local on a shared subscription",
            "82 <0001 <> '$share/g/a' 04>",
            0x82,
        ),
        ("unsubscribe without a filter", "A2 <0001 <>>", 0x82),
    ] {
        cases.push(Hostile::v5(name, text, code));
    }
    for filter in [
        "", "a#", "a/#/b", "#/a", "a+", "+a", "a/+b/c", "##", "a/##", "++", "+#",
    ] {
        cases.push(Hostile::v5(
            format!("{filter:?}"),
            &format!("82 <0001 <> '{filter}' 00>"),
            0x8F,
        ));
        cases.push(Hostile::v5(
            format!("no more {filter:?}"),
            &format!("A2 <0001 <> '{filter}'>"),
            0x8F,
        ));
    }
    for filter in [
        "$share/g",
        "$share//a",
        "$share/g/",
        "$share/",
        "$share/g+/a",
        "$share/#/a",
        "$share/g/a#",
    ] {
        cases.push(Hostile::v5(filter, &format!("82 <0001 <> '{filter}' 00>"), 0x8F));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_what_the_server_said_it_does_not_take_has_its_reason_code() {
    let settings = [
        "listener.mqtt.max_packet_size=256",
        "listener.mqtt.max_topic_alias=2",
        "listener.mqtt.max_qos_allowed=1",
        "listener.mqtt.retain_available=false",
        "listener.mqtt.subscription_identifiers=false",
        "listener.mqtt.check_payload_format=true",
        "listener.mqtt.max_clientid_len=30",
        "limits.topic_levels=4",
    ];
    let mut cases = Vec::new();
    for (name, text, code) in [
        ("a packet that says it is larger", "30 FE01", 0x95),
        ("the largest packet there is", "82 FFFFFF7F", 0x95),
        ("an alias above the maximum", "30 <'a' <23 0003> `x`>", 0x94),
        ("QoS 2", "34 <'a' 0001 <> `x`>", 0x9B),
        ("RETAIN", "31 <'a' <> `x`>", 0x9A),
        ("RETAIN at QoS 1", "33 <'a' 0001 <> `x`>", 0x9A),
        ("RETAIN without payload", "31 <'a' <>>", 0x9A),
        ("a Subscription Identifier", "82 <0001 <0B 01> 'a' 00>", 0xA1),
        ("a payload that is no text", "30 <'a' <01 01> FF>", 0x99),
        ("a topic of five levels", "30 <'a/b/c/d/e' <> `x`>", 0x90),
    ] {
        cases.push(Hostile::v5(name, text, code));
    }
    let long_id = "10 <'MQTT' 05 02 0000 <> '0123456789012345678901234567890'>";
    for (name, text, code) in [
        (
            "a CONNECT that says it is larger",
            "10 FE01 'MQTT' 05 02 0000 <>",
            0x95,
        ),
        ("Will QoS 2", "10 <'MQTT' 05 16 0000 <> 'abc' <> 'w' 'x'>", 0x9B),
        ("Will Retain", "10 <'MQTT' 05 26 0000 <> 'abc' <> 'w' 'x'>", 0x9A),
        (
            "a Will that is no text",
            "10 <'MQTT' 05 06 0000 <> 'abc' <01 01> 'w' (FF)>",
            0x99,
        ),
        (
            "a Will of five levels",
            "10 <'MQTT' 05 06 0000 <> 'abc' <> 'a/b/c/d/e' 'x'>",
            0x90,
        ),
        ("a client id of 31 bytes", long_id, 0x85),
    ] {
        cases.push(Hostile::first(name, text, Answer::ConnAck(code)));
    }
    refused(&mut Bystanders::with(&settings), &cases);
}

#[test]
fn mqtt_4_13_1_1_more_publishes_than_receive_maximum_are_told() {
    let three = "34 <'x' 0001 <> `x`> 34 <'x' 0002 <> `x`> 34 <'x' 0003 <> `x`>";
    let mut bystanders = Bystanders::with(&["limits.receive_maximum=2"]);
    let mut client = Client::open(bystanders.address());
    client.send(&format!("10 <'MQTT' 05 02 0000 <> 'three'> {three}"));
    client.expect_accepted();
    // What it takes is answered; the third is one too many.
    for id in [1, 2] {
        let packet = client.packet();
        assert_eq!((packet[0], &packet[2..4]), (0x50, &[0, id][..]));
    }
    client.expect_disconnect(0x93);
    bystanders.go_on();
}
