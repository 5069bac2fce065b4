//! MQTT 5.0 sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP, their reason codes and their shortest forms.

use crate::client::Client;
use crate::notation::show;
use crate::server::Server;

/// Nobody may publish or subscribe there.
pub const DENIED: &str = r#"access.rules=[{ allow = false, operation = "all", topics = ["denied/#"] }]"#;

/// A client that takes packets of so many bytes.
pub fn limited(server: &Server, id: &str, size: usize) -> Client {
    server.v5_as(id, 0x02, &format!("<27 {size:08X}>"), "")
}

/// Asks for an answer that has a Reason String, then again as a client that takes one byte less: the answer comes without
/// it, in the `short` form.
#[track_caller]
pub fn expect_no_property_beyond_the_maximum(server: &Server, id: &str, question: &str, short: &str) {
    let mut client = server.v5(id);
    client.send(question);
    let long = client.packet();
    let text = crate::notation::bytes(short);
    assert!(
        long.contains(&0x1F) && long.len() > text.len(),
        "no Reason String: {}",
        show(&long)
    );
    assert!(!long.contains(&0x26), "a User Property: {}", show(&long));
    let mut client = limited(server, id, long.len() - 1);
    client.exchange(question, short);
    let mut client = limited(server, id, long.len());
    client.send(question);
    assert!(client.packet().len() <= long.len());
}

/// Publishes at QoS 1 or 2 with this packet identifier; it is taken, whether anybody wants it or not.
#[track_caller]
pub fn publish(client: &mut Client, first: u8, topic: &str, id: u16, rest: &str) {
    client.send(&format!("{first:02X} <'{topic}' {id:04X} {rest}>"));
    let packet = client.packet();
    let [high, low] = id.to_be_bytes();
    let answer = if first & 0x06 == 0x02 { 0x40 } else { 0x50 };
    let is_taken =
        packet[0] == answer && packet[2..4] == [high, low] && matches!(packet[4..], [] | [0x10, ..]);
    assert!(is_taken, "not taken: {}", show(&packet));
}

/// The reason code of an acknowledgement.
fn reason(packet: &[u8]) -> u8 {
    packet.get(4).copied().unwrap_or(0)
}

#[test]
fn mqtt_3_4_2_1_puback_tells_what_became_of_the_publish() {
    let server = Server::with(&[DENIED]);
    let mut subscriber = server.v5("c-3.4.2-1-s");
    subscriber.subscribe_v5("c-3.4.2-1/+", 0x01);
    let mut client = server.v5("c-3.4.2-1");
    client.exchange("32 <'c-3.4.2-1/a' 1234 <> `x`>", "40 <1234>");
    subscriber.expect("32 <'c-3.4.2-1/a' 0001 <> `x`>");
    client.exchange("32 <'c-3.4.2-1' 1235 <> `x`>", "40 <1235 10>");
    client.send("32 <'denied/a' 1236 <> `x`>");
    let packet = client.packet();
    assert_eq!((packet[0], &packet[2..5]), (0x40, &[0x12, 0x36, 0x87][..]));
    client.expect_alive();
}

#[test]
fn mqtt_3_4_2_2_puback_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::with(&[DENIED]);
    let question = "32 <'denied/a' 0007 <> `x`>";
    expect_no_property_beyond_the_maximum(&server, "c-3.4.2-2", question, "40 <0007 87>");
}

#[test]
fn mqtt_3_5_2_1_pubrec_tells_what_became_of_the_publish() {
    let server = Server::with(&[DENIED]);
    let mut subscriber = server.v5("c-3.5.2-1-s");
    subscriber.subscribe_v5("c-3.5.2-1/+", 0x00);
    let mut client = server.v5("c-3.5.2-1");
    client.exchange("34 <'c-3.5.2-1/a' 1234 <> `x`>", "50 <1234>");
    subscriber.expect("30 <'c-3.5.2-1/a' <> `x`>");
    client.exchange("34 <'c-3.5.2-1' 1235 <> `x`>", "50 <1235 10>");
    client.send("34 <'denied/a' 1236 <> `x`>");
    let packet = client.packet();
    assert_eq!((packet[0], &packet[2..5]), (0x50, &[0x12, 0x36, 0x87][..]));
    client.exchange("62 <1234>", "70 <1234>");
    client.exchange("62 <1235>", "70 <1235>");
    client.send("62 <1236>");
    let packet = client.packet();
    assert_eq!(
        (packet[0], reason(&packet)),
        (0x70, 0x92),
        "what was refused waits for no PUBREL"
    );
    client.expect_alive();
}

#[test]
fn mqtt_3_5_2_2_pubrec_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::with(&[DENIED]);
    let question = "34 <'denied/a' 0007 <> `x`>";
    expect_no_property_beyond_the_maximum(&server, "c-3.5.2-2", question, "50 <0007 87>");
}

#[test]
fn mqtt_3_6_1_1_pubrel_has_the_flags_0010_and_no_others() {
    let server = Server::shared();
    let mut client = server.v5("c-3.6.1-1");
    client.subscribe_v5("c-3.6.1-1", 0x02);
    client.send("34 <'c-3.6.1-1' 0009 <> `x`>");
    client.expect("34 <'c-3.6.1-1' 0001 <> `x`> 50 <0009>");
    client.exchange("50 <0001>", "62 <0001>");
    for first in [0x60, 0x61, 0x63, 0x66, 0x6A, 0x6F] {
        let mut client = server.v5("c-3.6.1-1-x");
        publish(&mut client, 0x34, "c-3.6.1-1/x", 1, "<> `x`");
        client.send(&format!("{first:02X} <0001>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_6_2_1_pubrel_is_short_or_says_that_the_identifier_is_not_found() {
    let server = Server::shared();
    let mut client = server.v5("c-3.6.2-1");
    client.subscribe_v5("c-3.6.2-1", 0x02);
    client.send("34 <'c-3.6.2-1' 0009 <> `x`>");
    client.expect("34 <'c-3.6.2-1' 0001 <> `x`> 50 <0009>");
    // Every form of a PUBREC that takes the message; the second time it is an answer to a PUBREC that was lost.
    for form in [
        "50 <0001>",
        "50 <0001 00>",
        "50 <0001 00 <>>",
        "50 <0001 10 <1F 'taken'>>",
    ] {
        client.exchange(form, "62 <0001>");
    }
    client.send("50 <0002>");
    let packet = client.packet();
    assert_eq!((packet[0], &packet[2..5]), (0x62, &[0, 2, 0x92][..]));
    client.send("70 <0001>");
    client.send("50 <0001>");
    let packet = client.packet();
    assert_eq!(
        (packet[0], &packet[2..5]),
        (0x62, &[0, 1, 0x92][..]),
        "it was completed"
    );
    client.expect_alive();
}

#[test]
fn mqtt_3_6_2_2_pubrel_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::shared();
    expect_no_property_beyond_the_maximum(&server, "c-3.6.2-2", "50 <0007>", "62 <0007 92>");
}

#[test]
fn mqtt_3_7_2_1_pubcomp_is_short_or_says_that_the_identifier_is_not_found() {
    let server = Server::shared();
    let mut client = server.v5("c-3.7.2-1");
    for form in [
        "62 <0005>",
        "62 <0005 00>",
        "62 <0005 00 <>>",
        "62 <0005 92 <26 'k' 'v'>>",
    ] {
        publish(&mut client, 0x34, "c-3.7.2-1", 5, "<> `x`");
        client.exchange(form, "70 <0005>");
    }
    client.send("62 <0005>");
    let packet = client.packet();
    assert_eq!((packet[0], &packet[2..5]), (0x70, &[0, 5, 0x92][..]));
    client.expect_alive();
}

#[test]
fn mqtt_3_7_2_2_pubcomp_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::shared();
    expect_no_property_beyond_the_maximum(&server, "c-3.7.2-2", "62 <0007>", "70 <0007 92>");
}
