//! MQTT 5.0 sections 3.12 and 3.14: PINGREQ, PINGRESP and DISCONNECT.

use crate::broker::http;
use crate::client::Client;
use crate::notation::long;
use crate::server::{Server, connect_v5};
use crate::v5_acks::limited;
use std::time::{Duration, Instant};

/// A subscriber of a topic of its own.
fn watcher(server: &Server, topic: &str) -> Client {
    let mut watcher = server.v5(&format!("{topic}-w"));
    watcher.subscribe_v5(topic, 0x00);
    watcher
}

#[test]
fn mqtt_3_12_4_1_every_pingreq_is_answered_by_a_pingresp() {
    let server = Server::shared();
    let mut client = server.v5("c-3.12.4-1");
    client.exchange("C0 00", "D0 00");
    client.exchange("C0 00 C0 00 C0 00", "D0 00 D0 00 D0 00");
    // In its place among other answers.
    client.send("C0 00 82 <0001 <> 'c-3.12.4-1' 00> C0 00");
    client.expect("D0 00 90 <0001 <> 00> D0 00");
}

#[test]
fn mqtt_3_14_0_1_no_disconnect_is_sent_before_a_connack_that_accepts() {
    let server = Server::shared();
    // Nothing at all to what is no CONNECT.
    for first in [
        "C0 00",
        "82 <0001 <> 'a' 00>",
        "E0 00",
        "E0 <81 <>>",
        "36 <'a' 0001 <>>",
    ] {
        server.send(first).expect_end("");
    }
    // A CONNACK, and only that, to one that is refused.
    let connect = connect_v5(&long(1_100), 0x02, "<>", "");
    server.send(&connect).expect_refused(0x85);
    let connect = connect_v5("c-3.14.0-1", 0x02, "<15 'FOREIGN'>", "");
    server.send(&connect).expect_refused(0x8C);
}

#[test]
fn mqtt_3_14_1_1_disconnect_with_other_flags_is_malformed() {
    let server = Server::shared();
    let topic = "c-3.14.1-1";
    let mut watcher = watcher(&server, topic);
    for first in 0xE1..=0xEF {
        let mut client = server.v5_as(&format!("{topic}-x"), 0x06, "<>", &format!("<> '{topic}' 'gone'"));
        client.send(&format!("{first:02X} 00"));
        client.expect_disconnect(0x81);
        // So it was no DISCONNECT, and the Will is sent.
        watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    }
}

#[test]
fn mqtt_3_14_2_1_the_reason_code_says_why() {
    let server = Server::shared();
    let since = Instant::now();
    let mut quiet = server.send("10 <'MQTT' 05 02 0001 <> 'c-3.14.2-1-q'>");
    quiet.expect_accepted();
    let mut older = server.v5("c-3.14.2-1");
    let mut newer = server.v5("c-3.14.2-1");
    older.expect_disconnect(0x8E);
    newer.expect_alive();
    http::delete(server.broker().admin(), "/api/v5/clients/c-3.14.2-1");
    newer.expect_disconnect(0x98);
    for (packet, code) in [
        ("F1 00", 0x81),
        ("10 <'MQTT' 05 02 0000 <> 'x'>", 0x82),
        ("30 <'#' <>>", 0x90),
        ("30 <'a' <23 FFFF>>", 0x94),
        ("30 FFFFFF7F", 0x95),
    ] {
        let mut client = server.v5("c-3.14.2-1");
        client.send(packet);
        client.expect_disconnect(code);
    }
    quiet.expect_disconnect(0x8D);
    assert!(
        since.elapsed() >= Duration::from_millis(1_400),
        "one and a half keep alives"
    );
}

#[test]
fn mqtt_3_14_2_1_a_server_that_stops_says_so() {
    let server = Server::with(&["limits.subscriptions=31421"]);
    let mut client = server.v5("c-3.14.2-1-stop");
    server.broker().signal(15);
    client.expect_disconnect(0x8B);
}

#[test]
fn mqtt_3_14_2_3_disconnect_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::shared();
    let mut client = server.v5("c-3.14.2-3");
    client.send("F1 00");
    let packet = client.packet();
    assert!(packet.len() > 3 && packet[4] == 0x1F, "it has a Reason String");
    for size in [packet.len() - 1, 20] {
        let mut client = limited(&server, "c-3.14.2-3", size);
        client.send("F1 00");
        client.expect_end("E0 <81>");
    }
}

#[test]
fn mqtt_3_14_4_1_nothing_is_sent_after_a_disconnect() {
    let server = Server::shared();
    let mut client = server.v5("c-3.14.4-1");
    client.subscribe_v5("c-3.14.4-1", 0x00);
    let mut publisher = server.v5("c-3.14.4-1-p");
    for number in 0..20 {
        publisher.send(&format!("30 <'c-3.14.4-1' <> {number:02X}>"));
        if number == 10 {
            client.send("C0 00 F1 00 C0 00 30 <'c-3.14.4-1' <> `x`>");
        }
    }
    // Whatever came before it: after it comes the end.
    let mut packet = client.packet();
    while packet[0] != 0xE0 {
        assert!(matches!(packet[0], 0x30 | 0xD0));
        packet = client.packet();
    }
    client.expect_end("");
    publisher.expect_alive();
}

#[test]
fn mqtt_3_14_4_2_the_connection_is_closed_after_a_disconnect_of_either_side() {
    let server = Server::shared();
    let mut client = server.v5("c-3.14.4-2");
    client.send("82 <0000 <> 'a' 00>");
    client.expect_disconnect(0x82);
    for disconnect in [
        "E0 00",
        "E0 <00>",
        "E0 <04>",
        "E0 <00 <>>",
        "E0 <82 <1F 'why'>>",
        "E0 <00 <26 'k' 'v' 1F 'w'>>",
    ] {
        let mut client = server.v5("c-3.14.4-2");
        // What follows is not looked at.
        client.send(&format!("{disconnect} C0 00"));
        client.expect_end("");
    }
}

#[test]
fn mqtt_3_14_4_3_a_normal_disconnection_discards_the_will_and_others_do_not() {
    let server = Server::shared();
    let topic = "c-3.14.4-3";
    let mut watcher = watcher(&server, topic);
    for (disconnect, is_sent) in [
        ("E0 00", false),
        ("E0 <00>", false),
        ("E0 <00 <>>", false),
        ("E0 <04>", true),
        ("E0 <80>", true),
        ("E0 <98 <>>", true),
    ] {
        let will = format!("<> '{topic}' '{}'", &disconnect[3..5]);
        let mut client = server.v5_as(&format!("{topic}-x"), 0x06, "<>", &will);
        client.send(disconnect);
        client.expect_end("");
        if is_sent {
            watcher.expect(&format!("30 <'{topic}' <> `{}`>", &disconnect[3..5]));
        }
    }
    watcher.expect_alive();
}
