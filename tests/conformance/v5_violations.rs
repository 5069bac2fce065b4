//! 5.0: packets that can be read and may not be sent: out of order, of the other side, with a value that is forbidden or
//! beyond what the broker said it takes. The reason code is 0x82 (Protocol Error) unless there is a better one.

use crate::bystanders::Bystanders;
use crate::hostile::{Hostile, refused};

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
