//! MQTT 3.1.1 sections 3.12, 3.14, and chapters 4 and 7: PINGREQ, DISCONNECT, sessions, delivery, order and topics.

use crate::client::Client;
use crate::notation::{bytes, long};
use crate::server::{Server, connect_v3};
use crate::v5_topics::LOOKALIKES;
use std::time::Duration;

/// The same client again, whose session must be there.
#[track_caller]
fn resume(server: &Server, id: &str) -> Client {
    let mut client = server.send(&connect_v3(id, 0x00, ""));
    client.expect("20 <01 00>");
    client
}

#[test]
fn mqtt_3_12_4_1_every_pingreq_is_answered_by_a_pingresp() {
    let server = Server::shared();
    let mut client = server.v3("3-3.12.4-1");
    client.exchange("C0 00", "D0 00");
    client.exchange("C0 00 C0 00 C0 00", "D0 00 D0 00 D0 00");
}

#[test]
fn mqtt_3_14_4_1_the_connection_is_closed_after_a_disconnect() {
    let server = Server::shared();
    let mut client = server.v3("3-3.14.4-1");
    // The client has to close it; a server does if the client does not (section 3.14.4).
    client.send("E0 00");
    client.expect_end("");
}

#[test]
fn mqtt_3_14_4_2_nothing_is_taken_after_a_disconnect() {
    let server = Server::shared();
    let mut watcher = server.v3("3-3.14.4-2-w");
    watcher.subscribe_v3("3-3.14.4-2", 0);
    let mut client = server.v3("3-3.14.4-2");
    client.send("30 <'3-3.14.4-2' `before`> E0 00 30 <'3-3.14.4-2' `after`> C0 00");
    client.expect_end("");
    watcher.expect("30 <'3-3.14.4-2' `before`>");
    watcher.expect_alive();
}

#[test]
fn mqtt_3_14_4_3_a_disconnect_discards_the_will() {
    let server = Server::shared();
    let mut watcher = server.v3("3-3.14.4-3-w");
    watcher.subscribe_v3("3-3.14.4-3", 0);
    for clean in [0x02, 0x00] {
        let mut client = server.v3_as("3-3.14.4-3", 0x04 | clean, "'3-3.14.4-3' 'gone'");
        client.send("E0 00");
        client.expect_end("");
    }
    watcher.expect_alive();
    // Without one it is sent.
    drop(server.v3_as("3-3.14.4-3", 0x06, "'3-3.14.4-3' 'failed'"));
    watcher.expect("30 <'3-3.14.4-3' `failed`>");
}

#[test]
fn mqtt_4_1_0_1_the_session_is_stored_with_all_that_belongs_to_it() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.1.0-1-p");
    let mut client = server.v3_as("3-4.1.0-1", 0x00, "");
    client.subscribe_v3("3-4.1.0-1", 2);
    client.exchange("34 <'3-4.1.0-1/x' 0009 `x`>", "50 <0009>");
    for (packet, answer) in [
        ("32 <'3-4.1.0-1' 0001 `1`>", "40 <0001>"),
        ("34 <'3-4.1.0-1' 0002 `2`>", "50 <0002>"),
        ("34 <'3-4.1.0-1' 0003 `3`>", "50 <0003>"),
    ] {
        publisher.exchange(packet, answer);
    }
    client.expect("32 <'3-4.1.0-1' 0001 `1`> 34 <'3-4.1.0-1' 0002 `2`> 34 <'3-4.1.0-1' 0003 `3`>");
    client.exchange("50 <0002>", "62 <0002>");
    client.send("E0 00");
    client.expect_end("");
    publisher.exchange("32 <'3-4.1.0-1' 0004 `4`>", "40 <0004>");
    // Sent and not acknowledged, not yet sent, received and not yet released, and the subscription.
    let mut client = resume(&server, "3-4.1.0-1");
    client.expect("3A <'3-4.1.0-1' 0001 `1`> 62 <0002> 3C <'3-4.1.0-1' 0003 `3`> 32 <'3-4.1.0-1' 0004 `4`>");
    client.exchange("3C <'3-4.1.0-1/x' 0009 `x`>", "50 <0009>");
    client.exchange("62 <0009>", "70 <0009>");
    publisher.send("30 <'3-4.1.0-1' `5`>");
    client.expect("30 <'3-4.1.0-1' `5`>");
    server.v3("3-4.1.0-1");
}

#[test]
fn mqtt_4_1_0_2_the_session_lasts_as_long_as_its_connection() {
    // A session that is kept for a second after its connection, and one that is not kept at all.
    let server = Server::with(&["listener.mqtt.session_expiry=1s"]);
    let mut clients = [0x00, 0x02].map(|clean| {
        let mut client = server.v3_as(&format!("3-4.1.0-2-{clean}"), clean, "");
        client.subscribe_v3("3-4.1.0-2", 1);
        client
    });
    clients[0].expect_silence(Duration::from_millis(1_300));
    let mut publisher = server.v3("3-4.1.0-2-p");
    publisher.exchange("32 <'3-4.1.0-2' 0001 `x`>", "40 <0001>");
    for client in &mut clients {
        client.expect("32 <'3-4.1.0-2' 0001 `x`>");
    }
}

#[test]
fn mqtt_4_3_1_1_qos_0_is_sent_once_without_dup() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.3.1-1-p");
    let mut client = server.v3_as("3-4.3.1-1", 0x00, "");
    client.subscribe_v3("3-4.3.1-1", 0);
    for (packet, answer) in [
        ("32 <'3-4.3.1-1' 0001 `x`>", "40 <0001>"),
        ("3A <'3-4.3.1-1' 0002 `x`>", "40 <0002>"),
        ("3C <'3-4.3.1-1' 0003 `x`>", "50 <0003>"),
    ] {
        publisher.exchange(packet, answer);
        client.expect("30 <'3-4.3.1-1' `x`>");
    }
    drop(client);
    resume(&server, "3-4.3.1-1").expect_alive();
    server.v3("3-4.3.1-1");
}

#[test]
fn mqtt_4_3_2_1_a_sender_at_qos_1() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.3.2-1-p");
    let mut client = server.v3_as("3-4.3.2-1", 0x00, "");
    client.subscribe_v3("3-4.3.2-1", 1);
    // An unused identifier each, QoS 1, no DUP.
    for id in 1..=4 {
        publisher.exchange(
            &format!("3A <'3-4.3.2-1' {id:04X} `x`>"),
            &format!("40 <{id:04X}>"),
        );
        client.expect(&format!("32 <'3-4.3.2-1' {id:04X} `x`>"));
    }
    // Unacknowledged until its own PUBACK.
    client.send("40 <0002> 50 <0003>");
    let packet = client.packet();
    assert_eq!(
        packet,
        bytes("62 <0003>"),
        "a PUBREC is answered, and ends no delivery at QoS 1"
    );
    drop(client);
    let mut client = resume(&server, "3-4.3.2-1");
    for id in [1, 3, 4] {
        client.expect(&format!("3A <'3-4.3.2-1' {id:04X} `x`>"));
    }
    client.send("40 <0001> 40 <0003> 40 <0004>");
    client.expect_alive();
    server.v3("3-4.3.2-1");
}

#[test]
fn mqtt_4_3_2_2_a_receiver_at_qos_1() {
    let server = Server::shared();
    let mut subscriber = server.v3("3-4.3.2-2-s");
    subscriber.subscribe_v3("3-4.3.2-2", 0);
    let mut client = server.v3("3-4.3.2-2");
    // After its PUBACK an identifier stands for a new message, DUP or not.
    for (first, text) in [("32", "1"), ("3A", "1"), ("32", "2"), ("3A", "3")] {
        client.exchange(&format!("{first} <'3-4.3.2-2' 0007 `{text}`>"), "40 <0007>");
        subscriber.expect(&format!("30 <'3-4.3.2-2' `{text}`>"));
    }
    subscriber.expect_alive();
}

#[test]
fn mqtt_4_3_3_1_a_sender_at_qos_2() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.3.3-1-p");
    let mut client = server.v3_as("3-4.3.3-1", 0x00, "");
    client.subscribe_v3("3-4.3.3-1", 2);
    for id in 1..=3 {
        publisher.exchange(
            &format!("3C <'3-4.3.3-1' {id:04X} `x`>"),
            &format!("50 <{id:04X}>"),
        );
        client.expect(&format!("34 <'3-4.3.3-1' {id:04X} `x`>"));
    }
    // PUBREC is answered by PUBREL of the same identifier, which is unacknowledged until PUBCOMP; and the PUBLISH is not
    // sent again after it.
    client.exchange("50 <0002> 50 <0001>", "62 <0002> 62 <0001>");
    client.send("70 <0002>");
    client.expect_alive();
    drop(client);
    let mut client = resume(&server, "3-4.3.3-1");
    client.expect("62 <0001> 3C <'3-4.3.3-1' 0003 `x`>");
    client.exchange("50 <0001>", "62 <0001>");
    client.send("70 <0001>");
    client.exchange("50 <0003>", "62 <0003>");
    client.send("70 <0003>");
    client.expect_alive();
    drop(client);
    resume(&server, "3-4.3.3-1").expect_alive();
    server.v3("3-4.3.3-1");
}

#[test]
fn mqtt_4_3_3_2_a_receiver_at_qos_2() {
    let server = Server::shared();
    let mut subscriber = server.v3("3-4.3.3-2-s");
    subscriber.subscribe_v3("3-4.3.3-2", 0);
    let mut client = server.v3_as("3-4.3.3-2", 0x00, "");
    // PUBREC each time, one delivery, until PUBREL; then PUBCOMP, and a new message.
    for first in ["34", "3C", "34"] {
        client.exchange(&format!("{first} <'3-4.3.3-2' 0007 `x`>"), "50 <0007>");
    }
    drop(client);
    let mut client = resume(&server, "3-4.3.3-2");
    client.exchange("3C <'3-4.3.3-2' 0007 `x`>", "50 <0007>");
    client.exchange("62 <0007>", "70 <0007>");
    client.exchange("62 <0007>", "70 <0007>");
    client.exchange("3C <'3-4.3.3-2' 0007 `y`>", "50 <0007>");
    client.exchange("62 <0007>", "70 <0007>");
    subscriber.expect("30 <'3-4.3.3-2' `x`> 30 <'3-4.3.3-2' `y`>");
    subscriber.expect_alive();
    server.v3("3-4.3.3-2");
}

#[test]
fn mqtt_4_4_0_1_what_is_unacknowledged_is_sent_again_at_reconnect() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.4.0-1-p");
    let mut client = server.v3_as("3-4.4.0-1", 0x00, "");
    client.subscribe_v3("3-4.4.0-1", 2);
    for (first, id, answer) in [(0x32, 1, 0x40), (0x34, 2, 0x50), (0x34, 3, 0x50)] {
        let packet = format!("{first:02X} <'3-4.4.0-1' {id:04X} `x`>");
        publisher.exchange(&packet, &format!("{answer:02X} <{id:04X}>"));
        client.expect(&packet);
    }
    client.exchange("50 <0002>", "62 <0002>");
    for _ in 0..2 {
        drop(client);
        client = resume(&server, "3-4.4.0-1");
        client.expect("3A <'3-4.4.0-1' 0001 `x`> 62 <0002> 3C <'3-4.4.0-1' 0003 `x`>");
        client.expect_alive();
    }
    // With Clean Session 1 nothing is.
    server.v3("3-4.4.0-1").expect_alive();
}

#[test]
fn mqtt_4_5_0_1_messages_are_added_to_every_session_that_subscribes() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.5.0-1-p");
    for number in 0..4 {
        let mut client = server.v3_as(&format!("3-4.5.0-1-{number}"), 0x00, "");
        client.subscribe_v3(["3-4.5.0-1/+", "3-4.5.0-1/a"][number % 2], 2);
        client.send("E0 00");
        client.expect_end("");
    }
    publisher.exchange(
        "34 <'3-4.5.0-1/a' 0001 `1`> 32 <'3-4.5.0-1/a' 0002 `2`>",
        "50 <0001> 40 <0002>",
    );
    for number in 0..4 {
        let id = format!("3-4.5.0-1-{number}");
        resume(&server, &id).expect("34 <'3-4.5.0-1/a' 0001 `1`> 32 <'3-4.5.0-1/a' 0002 `2`>");
        server.v3(&id);
    }
}

#[test]
fn mqtt_4_6_0_1_publishes_are_sent_again_in_the_order_of_their_first_sending() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.6.0-1-p");
    let mut client = server.v3_as("3-4.6.0-1", 0x00, "");
    client.subscribe_v3("3-4.6.0-1/+", 2);
    let firsts = [0x32, 0x34, 0x34, 0x32, 0x34, 0x32];
    let packet = |first: u8, id: u16| format!("{first:02X} <'3-4.6.0-1/{}' {id:04X} {id:04X}>", id % 3);
    for (first, id) in firsts.into_iter().zip(1..) {
        publisher.send(&packet(first, id));
        publisher.packet();
        client.expect(&packet(first, id));
    }
    drop(client);
    let mut client = resume(&server, "3-4.6.0-1");
    for (first, id) in firsts.into_iter().zip(1..) {
        client.expect(&packet(first | 0x08, id));
    }
    client.expect_alive();
    server.v3("3-4.6.0-1");
}

#[test]
fn mqtt_4_6_0_2_acknowledgements_are_sent_in_the_order_of_the_publishes() {
    let server = Server::shared();
    let mut subscribers: Vec<_> = (0..4).map(|n| server.v3(&format!("3-4.6.0-2-{n}"))).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.subscribe_v3(&format!("3-4.6.0-2/{number}"), 1);
    }
    for (first, answer) in [("32", "40"), ("34", "50")] {
        let mut client = server.v3("3-4.6.0-2");
        let ids: Vec<u16> = (1..=60).map(|n| n * 977).collect();
        let packets: Vec<_> = ids
            .iter()
            .map(|id| format!("{first} <'3-4.6.0-2/{}' {id:04X} `x`>", id % 6))
            .collect();
        client.send(&packets.join(" "));
        for id in ids {
            client.expect(&format!("{answer} <{id:04X}>"));
        }
    }
}

#[test]
fn mqtt_4_6_0_4_pubrels_are_sent_in_the_order_of_the_pubrecs() {
    let server = Server::shared();
    let mut publisher = server.v3("3-4.6.0-4-p");
    let mut client = server.v3("3-4.6.0-4");
    client.subscribe_v3("3-4.6.0-4", 2);
    for id in 1..=5 {
        publisher.exchange(&format!("34 <'3-4.6.0-4' {id:04X}>"), &format!("50 <{id:04X}>"));
        client.expect(&format!("34 <'3-4.6.0-4' {id:04X}>"));
    }
    client.exchange(
        "50 <0003> 50 <0001> 50 <0005> 50 <0002> 50 <0004>",
        "62 <0003> 62 <0001> 62 <0005> 62 <0002> 62 <0004>",
    );
}

#[test]
fn mqtt_4_6_0_6_messages_arrive_in_the_order_of_publishing() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..4).map(|n| server.v3(&format!("3-4.6.0-6-{n}"))).collect();
    for client in &mut clients {
        client.subscribe_v3("3-4.6.0-6/+", 1);
    }
    let mut publisher = server.v3("3-4.6.0-6-p");
    let packet = |n: u16| format!("32 <'3-4.6.0-6/{}' {n:04X} {n:04X}>", n % 3);
    let packets: Vec<_> = (1..=150).map(packet).collect();
    publisher.send(&packets.join(" "));
    for client in &mut clients {
        for packet in &packets {
            client.expect(packet);
        }
    }
}

#[test]
fn mqtt_4_7_2_1_a_leading_wildcard_does_not_match_a_leading_dollar() {
    let server = Server::with(&["limits.subscriptions=34721"]);
    let mut publisher = server.v3("3-4.7.2-1-p");
    for filter in ["#", "+/a", "+/#", "+"] {
        let mut client = server.v3("3-4.7.2-1");
        client.exchange(&format!("82 <0001 '{filter}' 00 '$c/a' 00>"), "90 <0001 00 00>");
        publisher.send("30 <'$c' `x`> 30 <'$c/b' `x`> 30 <'$/a' `x`> 30 <'$c/a' `y`>");
        client.expect("30 <'$c/a' `y`>");
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_7_3_3_names_and_filters_have_up_to_65535_bytes() {
    let server = Server::shared();
    let mut client = server.v3("3-4.7.3-3");
    let topic = format!("3-4.7.3-3/{}", long(65_535 - 10));
    client.subscribe_v3(&topic, 0);
    client.send(&format!("30 <'{topic}' `x`>"));
    client.expect(&format!("30 <'{topic}' `x`>"));
}

#[test]
fn mqtt_4_7_3_4_names_and_filters_are_compared_as_they_are() {
    let server = Server::shared();
    let mut client = server.v3("3-4.7.3-4");
    for topic in LOOKALIKES {
        client.subscribe_v3(&format!("3-4.7.3-4/{topic}"), 0);
        let sent: String = LOOKALIKES
            .iter()
            .map(|one| format!("30 <'3-4.7.3-4/{one}' `{one}`>"))
            .collect();
        client.send(&sent);
        client.expect(&format!("30 <'3-4.7.3-4/{topic}' `{topic}`>"));
        client.expect_alive();
        client.exchange(&format!("A2 <0002 '3-4.7.3-4/{topic}'>"), "B0 <0002>");
    }
}

#[test]
fn mqtt_4_8_0_2_whom_a_full_server_cannot_take_is_closed_and_nobody_else() {
    // One session on each of two shards, so of three clients one at least finds no room.
    let server = Server::with(&["limits.sessions=1"]);
    let mut clients: Vec<_> = (0..3)
        .map(|n| server.send(&connect_v3(&format!("3-4.8.0-2-{n}"), 0x02, "")))
        .collect();
    let mut refused = 0;
    for client in &mut clients {
        if client.packet() == bytes("20 <00 03>") {
            client.expect_end("");
            refused += 1;
        } else {
            client.expect_alive();
        }
    }
    assert!((1..=2).contains(&refused), "{refused} of 3");
}

#[test]
fn mqtt_7_0_0_2_nothing_but_the_standard_is_needed() {
    let server = Server::shared();
    let mut client = server.send("10 <'MQTT' 04 02 003C 'a7002'>");
    client.expect("20 <00 00>");
    client.exchange("82 <0001 '3-7.0.0-2' 01>", "90 <0001 01>");
    client.send("32 <'3-7.0.0-2' 0002 `hello`>");
    client.expect("32 <'3-7.0.0-2' 0001 `hello`> 40 <0002>");
    client.send("40 <0001>");
    client.exchange("A2 <0003 '3-7.0.0-2'>", "B0 <0003>");
    client.exchange("C0 00", "D0 00");
    client.send("E0 00");
    client.expect_end("");
}

#[test]
fn mqtt_7_1_1_1_tcp_is_a_stream_of_bytes_whatever_its_segments() {
    let server = Server::shared();
    let mut client = server.open();
    let packets = format!(
        "{} 82 <0001 '3-7.1.1-1' 00> 30 <'3-7.1.1-1' `payload`> C0 00",
        connect_v3("3-7.1.1-1", 0x02, "")
    );
    for byte in bytes(&packets) {
        client.send_bytes(&[byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    client.expect("20 <00 00> 90 <0001 00> 30 <'3-7.1.1-1' `payload`> D0 00");
    server
        .send(&packets)
        .expect("20 <00 00> 90 <0001 00> 30 <'3-7.1.1-1' `payload`> D0 00");
}
