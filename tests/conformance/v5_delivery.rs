//! MQTT 5.0 section 4.3: the delivery protocols of QoS 0, 1 and 2, the broker as receiver and as sender.

use crate::server::Server;
use crate::v5_acks::{DENIED, publish};
use crate::v5_session::{KEPT, leave, resume};
use std::thread;
use std::time::Duration;

#[test]
fn mqtt_4_3_1_1_qos_0_is_sent_once_without_dup() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.1-1-p");
    let mut client = server.v5_as("c-4.3.1-1", 0x02, KEPT, "");
    client.subscribe_v5("c-4.3.1-1", 0x00);
    for (first, id) in [(0x32, 1), (0x3A, 2), (0x34, 3), (0x3C, 4)] {
        publish(&mut publisher, first, "c-4.3.1-1", id, &format!("<> {id:02X}"));
        client.expect(&format!("30 <'c-4.3.1-1' <> {id:02X}>"));
    }
    drop(client);
    resume(&server, "c-4.3.1-1").expect_alive();
}

#[test]
fn mqtt_4_3_2_1_each_new_message_gets_an_unused_packet_identifier() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.2-1-p");
    let mut client = server.v5_as("c-4.3.2-1", 0x02, KEPT, "");
    client.subscribe_v5("c-4.3.2-1", 0x01);
    for id in 1..=5 {
        publish(&mut publisher, 0x32, "c-4.3.2-1", id, "<>");
        client.expect(&format!("32 <'c-4.3.2-1' {id:04X} <>>"));
    }
    client.send("40 <0002> 40 <0005>");
    client.expect_alive();
    drop(client);
    // They go on where they were: 1, 3 and 4 are in use.
    let mut client = resume(&server, "c-4.3.2-1");
    client.expect("3A <'c-4.3.2-1' 0001 <>> 3A <'c-4.3.2-1' 0003 <>> 3A <'c-4.3.2-1' 0004 <>>");
    publish(&mut publisher, 0x32, "c-4.3.2-1", 6, "<>");
    client.expect("32 <'c-4.3.2-1' 0006 <>>");
}

#[test]
fn mqtt_4_3_2_2_a_new_message_has_qos_1_and_no_dup() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.2-2-p");
    let mut client = server.v5("c-4.3.2-2");
    client.subscribe_v5("c-4.3.2-2", 0x01);
    // The DUP of the publisher is its own.
    for (first, id) in [(0x32, 1), (0x3A, 2), (0x3C, 3)] {
        publish(&mut publisher, first, "c-4.3.2-2", id, "<>");
        client.expect(&format!("32 <'c-4.3.2-2' {id:04X} <>>"));
    }
}

#[test]
fn mqtt_4_3_2_3_a_message_is_unacknowledged_until_its_puback() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.2-3-p");
    let mut client = server.v5_as("c-4.3.2-3", 0x02, "<11 0000003C 21 0001>", "");
    client.subscribe_v5("c-4.3.2-3", 0x01);
    publish(&mut publisher, 0x32, "c-4.3.2-3", 1, "<> `1`");
    publish(&mut publisher, 0x32, "c-4.3.2-3", 2, "<> `2`");
    client.expect("32 <'c-4.3.2-3' 0001 <> `1`>");
    // No other packet acknowledges it.
    client.send("40 <0002> 70 <0001>");
    client.expect_alive();
    client.exchange("40 <0001>", "32 <'c-4.3.2-3' 0002 <> `2`>");
    drop(client);
    resume(&server, "c-4.3.2-3").expect("3A <'c-4.3.2-3' 0002 <> `2`>");
}

#[test]
fn mqtt_4_3_2_4_the_receiver_answers_with_a_puback_of_the_same_identifier() {
    let server = Server::shared();
    let mut client = server.v5("c-4.3.2-4");
    client.subscribe_v5("c-4.3.2-4", 0x00);
    for id in [1, 0xFFFF, 0x8000, 256] {
        client.send(&format!("32 <'c-4.3.2-4' {id:04X} <> `x`>"));
        client.expect(&format!("30 <'c-4.3.2-4' <> `x`> 40 <{id:04X}>"));
    }
}

#[test]
fn mqtt_4_3_2_5_after_its_puback_an_identifier_stands_for_a_new_message() {
    let server = Server::shared();
    let mut subscriber = server.v5("c-4.3.2-5-s");
    subscriber.subscribe_v5("c-4.3.2-5", 0x00);
    let mut client = server.v5_as("c-4.3.2-5", 0x02, KEPT, "");
    client.exchange("32 <'c-4.3.2-5' 0001 <> `x`>", "40 <0001>");
    client.exchange("3A <'c-4.3.2-5' 0001 <> `x`>", "40 <0001>");
    client.exchange("32 <'c-4.3.2-5' 0001 <> `y`>", "40 <0001>");
    drop(client);
    let mut client = resume(&server, "c-4.3.2-5");
    client.exchange("3A <'c-4.3.2-5' 0001 <> `x`>", "40 <0001>");
    subscriber.expect("30 <'c-4.3.2-5' <> `x`> 30 <'c-4.3.2-5' <> `x`>");
    subscriber.expect("30 <'c-4.3.2-5' <> `y`> 30 <'c-4.3.2-5' <> `x`>");
    subscriber.expect_alive();
}

#[test]
fn mqtt_4_3_3_1_each_new_message_gets_an_unused_packet_identifier() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.3-1-p");
    let mut client = server.v5("c-4.3.3-1");
    client.subscribe_v5("c-4.3.3-1", 0x02);
    // An identifier is in use from the PUBLISH to the PUBCOMP, of either QoS.
    for (first, id) in [(0x34, 1), (0x32, 2), (0x34, 3)] {
        publish(&mut publisher, first, "c-4.3.3-1", id, "<>");
        client.expect(&format!("{first:02X} <'c-4.3.3-1' {id:04X} <>>"));
    }
    client.exchange("50 <0001>", "62 <0001>");
    publish(&mut publisher, 0x34, "c-4.3.3-1", 4, "<>");
    client.expect("34 <'c-4.3.3-1' 0004 <>>");
}

#[test]
fn mqtt_4_3_3_2_a_new_message_has_qos_2_and_no_dup() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.3-2-p");
    let mut client = server.v5("c-4.3.3-2");
    client.subscribe_v5("c-4.3.3-2", 0x02);
    for (first, id) in [(0x34, 1), (0x3C, 2)] {
        publish(&mut publisher, first, "c-4.3.3-2", id, "<>");
        client.expect(&format!("34 <'c-4.3.3-2' {id:04X} <>>"));
    }
}

#[test]
fn mqtt_4_3_3_3_a_message_is_unacknowledged_until_its_pubrec() {
    let server = Server::shared();
    let mut client = server.v5_as("c-4.3.3-3", 0x02, KEPT, "");
    client.subscribe_v5("c-4.3.3-3", 0x02);
    publish(&mut server.v5("c-4.3.3-3-p"), 0x34, "c-4.3.3-3", 1, "<> `x`");
    client.expect("34 <'c-4.3.3-3' 0001 <> `x`>");
    // Neither PUBACK nor PUBCOMP is its acknowledgement.
    client.send("40 <0001> 70 <0001>");
    client.expect_alive();
    drop(client);
    let mut client = resume(&server, "c-4.3.3-3");
    client.expect("3C <'c-4.3.3-3' 0001 <> `x`>");
    client.exchange("50 <0001>", "62 <0001>");
}

#[test]
fn mqtt_4_3_3_4_a_pubrec_is_answered_by_a_pubrel_unless_it_refuses() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.3-4-p");
    let mut client = server.v5("c-4.3.3-4");
    client.subscribe_v5("c-4.3.3-4", 0x02);
    for (id, pubrec) in [(1, "50 <0001>"), (2, "50 <0002 00>"), (3, "50 <0003 10>")] {
        publish(&mut publisher, 0x34, "c-4.3.3-4", id, "<>");
        client.expect(&format!("34 <'c-4.3.3-4' {id:04X} <>>"));
        client.exchange(pubrec, &format!("62 <{id:04X}>"));
    }
    for (id, code) in [(4, 0x80), (5, 0x83), (6, 0x97), (7, 0x99)] {
        publish(&mut publisher, 0x34, "c-4.3.3-4", id, "<>");
        client.expect(&format!("34 <'c-4.3.3-4' {id:04X} <>>"));
        client.send(&format!("50 <{id:04X} {code:02X}>"));
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_3_3_5_a_pubrel_is_unacknowledged_until_its_pubcomp() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.3-5-p");
    let mut client = server.v5_as("c-4.3.3-5", 0x02, "<11 0000003C 21 0001>", "");
    client.subscribe_v5("c-4.3.3-5", 0x02);
    publish(&mut publisher, 0x34, "c-4.3.3-5", 1, "<> `1`");
    publish(&mut publisher, 0x34, "c-4.3.3-5", 2, "<> `2`");
    client.expect("34 <'c-4.3.3-5' 0001 <> `1`>");
    client.exchange("50 <0001>", "62 <0001>");
    client.expect_alive();
    drop(client);
    let mut client = server.v5_as("c-4.3.3-5", 0x00, "<11 0000003C 21 0001>", "");
    client.expect("62 <0001>");
    client.expect_alive();
    client.exchange("70 <0001>", "34 <'c-4.3.3-5' 0002 <> `2`>");
}

#[test]
fn mqtt_4_3_3_6_a_publish_is_not_sent_again_after_its_pubrel() {
    let server = Server::shared();
    let mut client = server.v5_as("c-4.3.3-6", 0x02, KEPT, "");
    client.subscribe_v5("c-4.3.3-6", 0x02);
    publish(&mut server.v5("c-4.3.3-6-p"), 0x34, "c-4.3.3-6", 1, "<> `x`");
    client.expect("34 <'c-4.3.3-6' 0001 <> `x`>");
    client.exchange("50 <0001>", "62 <0001>");
    for _ in 0..3 {
        drop(client);
        client = resume(&server, "c-4.3.3-6");
        client.expect("62 <0001>");
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_3_3_7_what_was_sent_does_not_expire() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.3.3-7-p");
    let mut client = server.v5_as("c-4.3.3-7", 0x02, "<11 0000003C 21 0002>", "");
    client.subscribe_v5("c-4.3.3-7", 0x02);
    for (first, id) in [(0x34, 1), (0x32, 2), (0x34, 3)] {
        publish(
            &mut publisher,
            first,
            "c-4.3.3-7",
            id,
            &format!("<02 00000001> {id:02X}"),
        );
    }
    client.expect("34 <'c-4.3.3-7' 0001 <02 00000001> 01> 32 <'c-4.3.3-7' 0002 <02 00000001> 02>");
    thread::sleep(Duration::from_millis(1_300));
    leave(client);
    let mut client = resume(&server, "c-4.3.3-7");
    for (first, id) in [(0x3C, 1), (0x3A, 2)] {
        let packet = client.packet();
        assert_eq!((packet[0], packet.last()), (first, Some(&id)));
    }
    // The third had not been sent, so it has expired.
    client.send("40 <0002>");
    client.exchange("50 <0001>", "62 <0001>");
    client.send("70 <0001>");
    client.expect_alive();
}

#[test]
fn mqtt_4_3_3_8_the_receiver_answers_with_a_pubrec_of_the_same_identifier() {
    let server = Server::shared();
    let mut client = server.v5("c-4.3.3-8");
    client.subscribe_v5("c-4.3.3-8", 0x00);
    for id in [1, 0xFFFF, 0x8000, 256] {
        client.send(&format!("34 <'c-4.3.3-8' {id:04X} <> `x`>"));
        client.expect(&format!("30 <'c-4.3.3-8' <> `x`> 50 <{id:04X}>"));
    }
}

#[test]
fn mqtt_4_3_3_9_after_a_pubrec_that_refuses_an_identifier_stands_for_a_new_message() {
    let server = Server::with(&[DENIED]);
    let mut subscriber = server.v5("c-4.3.3-9-s");
    subscriber.subscribe_v5("c-4.3.3-9", 0x00);
    let mut client = server.v5("c-4.3.3-9");
    for _ in 0..2 {
        client.send("34 <'denied/a' 0001 <> `x`>");
        let packet = client.packet();
        assert_eq!((packet[0], &packet[2..5]), (0x50, &[0, 1, 0x87][..]));
    }
    client.exchange("34 <'c-4.3.3-9' 0001 <> `new`>", "50 <0001>");
    subscriber.expect("30 <'c-4.3.3-9' <> `new`>");
}

#[test]
fn mqtt_4_3_3_10_a_publish_that_comes_again_before_its_pubrel_is_not_delivered_again() {
    let server = Server::shared();
    let mut subscriber = server.v5("c-4.3.3-10-s");
    subscriber.subscribe_v5("c-4.3.3-10", 0x00);
    let mut client = server.v5_as("c-4.3.3-10", 0x02, KEPT, "");
    client.exchange("34 <'c-4.3.3-10' 0001 <> `x`>", "50 <0001>");
    for first in ["3C", "34"] {
        client.exchange(&format!("{first} <'c-4.3.3-10' 0001 <> `x`>"), "50 <0001>");
    }
    // The session knows, not the connection.
    drop(client);
    let mut client = resume(&server, "c-4.3.3-10");
    client.exchange("3C <'c-4.3.3-10' 0001 <> `x`>", "50 <0001>");
    client.exchange("34 <'c-4.3.3-10' 0002 <> `y`>", "50 <0002>");
    subscriber.expect("30 <'c-4.3.3-10' <> `x`> 30 <'c-4.3.3-10' <> `y`>");
    client.exchange("62 <0001> 62 <0002>", "70 <0001> 70 <0002>");
    subscriber.expect_alive();
}

#[test]
fn mqtt_4_3_3_11_a_pubrel_is_answered_by_a_pubcomp_of_the_same_identifier() {
    let server = Server::shared();
    let mut client = server.v5("c-4.3.3-11");
    for id in [1, 0xFFFF, 256] {
        publish(&mut client, 0x34, "c-4.3.3-11", id, "<> `x`");
    }
    client.exchange("62 <0100> 62 <0001> 62 <FFFF>", "70 <0100> 70 <0001> 70 <FFFF>");
}

#[test]
fn mqtt_4_3_3_12_after_its_pubcomp_an_identifier_stands_for_a_new_message() {
    let server = Server::shared();
    let mut subscriber = server.v5("c-4.3.3-12-s");
    subscriber.subscribe_v5("c-4.3.3-12", 0x00);
    let mut client = server.v5("c-4.3.3-12");
    for first in ["34", "34", "3C"] {
        client.exchange(&format!("{first} <'c-4.3.3-12' 0001 <> `x`>"), "50 <0001>");
        client.exchange("62 <0001>", "70 <0001>");
        subscriber.expect("30 <'c-4.3.3-12' <> `x`>");
    }
    subscriber.expect_alive();
}

#[test]
fn mqtt_4_3_3_13_the_sequence_goes_on_though_the_message_has_expired() {
    let server = Server::shared();
    let mut offline = server.v5_as("c-4.3.3-13-o", 0x02, KEPT, "");
    offline.subscribe_v5("c-4.3.3-13", 0x02);
    leave(offline);
    let mut client = server.v5("c-4.3.3-13");
    client.exchange("34 <'c-4.3.3-13' 0001 <02 00000001> `x`>", "50 <0001>");
    thread::sleep(Duration::from_millis(1_300));
    client.exchange("3C <'c-4.3.3-13' 0001 <02 00000001> `x`>", "50 <0001>");
    client.exchange("62 <0001>", "70 <0001>");
    resume(&server, "c-4.3.3-13-o").expect_alive();
}
