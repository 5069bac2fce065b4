//! Each property of 5.0: twice, where it does not belong, cut short, with a value that is forbidden or no value at all.
//!
//! What cannot be read, or belongs to another packet, is malformed (0x81, section 2.2.2.2); what can be read and may not
//! be said is a Protocol Error (0x82), or has a code of its own. A CONNECT is answered by CONNACK, all else by
//! DISCONNECT.

use crate::bystanders::Bystanders;
use crate::hostile::{Answer, Hostile, refused};
use crate::notation::bytes;

/// Each property: its identifier, a value, and where a client may put it.
const PROPERTIES: [(u8, &str, &str); 27] = [
    (0x01, "01", "will publish"),
    (0x02, "0000000A", "will publish"),
    (0x03, "'ab'", "will publish"),
    (0x08, "'ab'", "will publish"),
    (0x09, "'ab'", "will publish"),
    (0x0B, "8101", "publish subscribe"),
    (0x11, "0000000A", "connect disconnect"),
    (0x12, "'ab'", ""),
    (0x13, "000A", ""),
    (0x15, "'ab'", "connect auth"),
    (0x16, "'ab'", "connect auth"),
    (0x17, "01", "connect"),
    (0x18, "0000000A", "will"),
    (0x19, "01", "connect"),
    (0x1A, "'ab'", ""),
    (0x1C, "'ab'", "disconnect"),
    (0x1F, "'ab'", "puback pubrec pubrel pubcomp disconnect auth"),
    (0x21, "000A", "connect"),
    (0x22, "000A", "connect"),
    (0x23, "0001", "publish"),
    (0x24, "01", ""),
    (0x25, "01", ""),
    (
        0x26,
        "'ab' 'cd'",
        "connect will publish puback pubrec pubrel pubcomp subscribe unsubscribe disconnect auth",
    ),
    (0x27, "0000000A", "connect"),
    (0x28, "01", ""),
    (0x29, "01", ""),
    (0x2A, "01", ""),
];

/// Each packet that carries properties and that a client may send, `PROPERTIES` where they stand.
const CARRIERS: [(&str, &str); 11] = [
    ("connect", "10 <'MQTT' 05 02 0000 PROPERTIES ''>"),
    ("will", "10 <'MQTT' 05 06 0000 <> '' PROPERTIES 'w' 'x'>"),
    ("publish", "32 <'p/t' 0001 PROPERTIES `x`>"),
    ("puback", "40 <0001 00 PROPERTIES>"),
    ("pubrec", "50 <0001 00 PROPERTIES>"),
    ("pubrel", "62 <0001 00 PROPERTIES>"),
    ("pubcomp", "70 <0001 00 PROPERTIES>"),
    ("subscribe", "82 <0001 PROPERTIES 'p/t' 00>"),
    ("unsubscribe", "A2 <0001 PROPERTIES 'p/t'>"),
    ("disconnect", "E0 <00 PROPERTIES>"),
    ("auth", "F0 <18 PROPERTIES>"),
];

fn case(name: impl Into<String>, (carrier, packet): (&str, &str), properties: &str, code: u8) -> Hostile {
    let packet = packet.replace("PROPERTIES", properties);
    let name = format!("{carrier} {}", name.into());
    match carrier {
        "connect" | "will" => Hostile::first(name, &packet, Answer::ConnAck(code)),
        _ => Hostile::v5(name, &packet, code),
    }
}

#[test]
fn mqtt_4_13_1_1_a_property_of_another_packet_or_of_none_is_malformed() {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for (id, value, carriers) in PROPERTIES {
            if !carriers.split(' ').any(|one| one == carrier.0) {
                cases.push(case(
                    format!("with {id:02X}"),
                    carrier,
                    &format!("<{id:02X} {value}>"),
                    0x81,
                ));
            }
        }
        let unknown = (0..0x80).filter(|id| PROPERTIES.iter().all(|(known, ..)| known != id));
        for id in unknown {
            cases.push(case(
                format!("with unknown {id:02X}"),
                carrier,
                &format!("<{id:02X} 00>"),
                0x81,
            ));
        }
        cases.push(case("with unknown 81 01", carrier, "<8101 00>", 0x81));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_a_property_twice_is_a_protocol_error() {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for (id, value, carriers) in PROPERTIES {
            if id != 0x26 && carriers.split(' ').any(|one| one == carrier.0) {
                let properties = format!("<{id:02X} {value} 26 'k' 'v' {id:02X} {value}>");
                cases.push(case(format!("with {id:02X} twice"), carrier, &properties, 0x82));
            }
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_a_property_cut_short_is_malformed() {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for (id, value, carriers) in PROPERTIES {
            if !carriers.split(' ').any(|one| one == carrier.0) {
                continue;
            }
            let value = bytes(value);
            for cut in 0..value.len() {
                let rest: String = value[..cut].iter().map(|byte| format!("{byte:02X}")).collect();
                cases.push(case(
                    format!("with {cut} bytes of {id:02X}"),
                    carrier,
                    &format!("<{id:02X} {rest}>"),
                    0x81,
                ));
            }
        }
        // Longer than the packet; and so short that it ends within the property.
        for length in ["7F", "FFFFFF7F"] {
            cases.push(case(
                format!("with a length of {length}"),
                carrier,
                &format!("{length} 26 'k' 'v'"),
                0x81,
            ));
        }
        cases.push(case(
            "with a length that ends within",
            carrier,
            "05 26 'k' 'v'",
            0x81,
        ));
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

#[test]
fn mqtt_4_13_1_1_text_of_a_property_that_is_no_text_is_malformed() {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for text in ["(EDA080)", "(C0AF)", "(61 00 62)", "(FF)"] {
            for (id, _, carriers) in PROPERTIES {
                let is_text = [0x03, 0x08, 0x15, 0x1C, 0x1F].contains(&id);
                if is_text && carriers.split(' ').any(|one| one == carrier.0) {
                    cases.push(case(
                        format!("with {id:02X} {text}"),
                        carrier,
                        &format!("<{id:02X} {text}>"),
                        0x81,
                    ));
                }
            }
            for pair in [format!("{text} 'v'"), format!("'k' {text}")] {
                cases.push(case(
                    format!("with the pair {pair}"),
                    carrier,
                    &format!("<26 {pair}>"),
                    0x81,
                ));
            }
        }
    }
    refused(&mut Bystanders::with(&[]), &cases);
}

/// Carrier, property, code.
const FORBIDDEN: [(&str, &str, u8); 24] = [
    ("connect", "17 02", 0x82),
    ("connect", "17 FF", 0x82),
    ("connect", "19 02", 0x82),
    ("connect", "21 0000", 0x82),
    ("connect", "27 00000000", 0x82),
    // Data of a method that is not named.
    ("connect", "16 'ab'", 0x82),
    // A method that the broker does not have.
    ("connect", "15 'FOREIGN'", 0x8C),
    ("connect", "15 'FOREIGN' 16 'ab'", 0x8C),
    ("will", "01 02", 0x82),
    ("will", "08 'a/+'", 0x90),
    ("will", "08 '#'", 0x90),
    ("publish", "01 02", 0x82),
    ("publish", "01 FF", 0x82),
    ("publish", "08 'a/+/b'", 0x90),
    ("publish", "08 'a/#'", 0x90),
    // Only a server sends one [MQTT-3.3.4-6], and 0 is none anyway.
    ("publish", "0B 01", 0x82),
    ("publish", "0B 01 0B 02", 0x82),
    ("publish", "0B 00", 0x82),
    ("publish", "23 0000", 0x94),
    ("subscribe", "0B 00", 0x82),
    // Without Session Expiry Interval at CONNECT (section 3.14.2.2.2).
    ("disconnect", "11 00000001", 0x82),
    ("disconnect", "11 FFFFFFFF", 0x82),
    ("auth", "16 'ab'", 0x82),
    ("auth", "15 'FOREIGN'", 0x82),
];

#[test]
fn mqtt_4_13_1_1_a_property_with_a_forbidden_value_has_its_reason_code() {
    let cases: Vec<_> = FORBIDDEN
        .into_iter()
        .map(|(name, property, code)| {
            let carrier = CARRIERS
                .into_iter()
                .find(|(known, _)| *known == name)
                .expect("a carrier");
            case(
                format!("with {property}"),
                carrier,
                &format!("<{property}>"),
                code,
            )
        })
        .collect();
    refused(&mut Bystanders::with(&[]), &cases);
}
