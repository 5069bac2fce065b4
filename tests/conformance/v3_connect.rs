//! MQTT 3.1.1 sections 3.1 and 3.2: sessions, the Will, Keep Alive, client identifiers and CONNACK.
//!
//! What a CONNECT must not look like is in `v3_malformed.rs`.

use crate::client::Client;
use crate::server::{Server, connect_v3};
use std::thread::sleep;
use std::time::{Duration, Instant};

const USERS: &str = "access.users=[{username=\"user\",password=\"secret\"}]";

/// Connects; the CONNACK says exactly this.
#[track_caller]
fn connect(server: &Server, id: &str, flags: u8, connack: &str) -> Client {
    let mut client = server.send(&connect_v3(id, flags, ""));
    client.expect(connack);
    client
}

/// Publishes at QoS 1 to a subscriber that may be away.
fn publish(server: &Server, topic: &str, payload: &str) {
    let mut publisher = server.v3(&format!("p-{topic}"));
    publisher.exchange(&format!("32 <'{topic}' 0001 `{payload}`>"), "40 02 0001");
}

fn leave(mut client: Client) {
    client.send("E0 00");
    client.expect_end("");
}

/// A client that sees what is published to a topic.
fn watcher(server: &Server, topic: &str) -> Client {
    let mut watcher = server.v3(&format!("w-{topic}"));
    watcher.subscribe_v3(topic, 2);
    watcher
}

/// The next thing that the watcher sees is what is published now.
#[track_caller]
fn no_will(server: &Server, watcher: &mut Client, topic: &str) {
    let sentinel = format!("30 <'{topic}' `no will`>");
    server.v3(&format!("s-{topic}")).send(&sentinel);
    watcher.expect(&sentinel);
}

#[test]
fn mqtt_3_1_2_4_with_clean_session_0_the_session_is_kept() {
    let server = Server::shared();
    let topic = "t3-3.1.2-4";
    let mut client = connect(&server, "c3-3.1.2-4", 0x00, "20 02 00 00");
    client.subscribe_v3(topic, 1);
    leave(client);
    publish(&server, topic, "one");
    let mut client = connect(&server, "c3-3.1.2-4", 0x00, "20 02 01 00");
    client.expect(&format!("32 <'{topic}' 0001 `one`>"));
    client.drop_connection();
    publish(&server, topic, "two");
    let mut client = connect(&server, "c3-3.1.2-4", 0x00, "20 02 01 00");
    client.expect(&format!("3A <'{topic}' 0001 `one`> 32 <'{topic}' 0002 `two`>"));
}

#[test]
fn mqtt_3_1_2_6_with_clean_session_1_nothing_is_kept() {
    let server = Server::shared();
    let topic = "t3-3.1.2-6";
    let mut client = connect(&server, "c3-3.1.2-6", 0x00, "20 02 00 00");
    client.subscribe_v3(topic, 1);
    leave(client);
    publish(&server, topic, "queued");
    // Neither what was kept before nor what is said in it lives on.
    let mut client = connect(&server, "c3-3.1.2-6", 0x02, "20 02 00 00");
    server
        .v3("c3-3.1.2-6b")
        .exchange(&format!("30 <'{topic}' `lost`> C0 00"), "D0 00");
    client.expect_alive();
    client.subscribe_v3(topic, 1);
    client.drop_connection();
    let mut client = connect(&server, "c3-3.1.2-6", 0x00, "20 02 00 00");
    server
        .v3("c3-3.1.2-6b")
        .exchange(&format!("30 <'{topic}' `lost`> C0 00"), "D0 00");
    client.expect_alive();
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_connection_ends() {
    let server = Server::shared();
    let topic = "t3-3.1.2-8";
    let mut watcher = watcher(&server, topic);
    let will = format!("'{topic}' (`gone`)");
    let published = format!("30 <'{topic}' `gone`>");
    // The network fails, with either kind of session; the client breaks the protocol; it is taken over.
    server.v3_as("c3-3.1.2-8", 0x06, &will).drop_connection();
    watcher.expect(&published);
    server.v3_as("c3-3.1.2-8", 0x04, &will).drop_connection();
    watcher.expect(&published);
    let mut client = server.v3_as("c3-3.1.2-8", 0x06, &will);
    client.send("36 <'t' 0001 `x`>");
    client.expect_end("");
    watcher.expect(&published);
    let mut older = server.v3_as("c3-3.1.2-8", 0x06, &will);
    let newer = server.v3("c3-3.1.2-8");
    older.expect_end("");
    watcher.expect(&published);
    leave(newer);
}

#[test]
fn mqtt_3_1_2_10_the_will_is_removed_when_it_is_published_or_on_disconnect() {
    let server = Server::shared();
    let topic = "t3-3.1.2-10";
    let mut watcher = watcher(&server, topic);
    let will = format!("'{topic}' (`gone`)");
    server.v3_as("c3-3.1.2-10", 0x04, &will).drop_connection();
    watcher.expect(&format!("30 <'{topic}' `gone`>"));
    server.v3_as("c3-3.1.2-10", 0x00, "").drop_connection();
    leave(server.v3_as("c3-3.1.2-10", 0x04, &will));
    server.v3_as("c3-3.1.2-10", 0x00, "").drop_connection();
    leave(server.v3_as("c3-3.1.2-10", 0x06, &will));
    no_will(&server, &mut watcher, topic);
}

#[test]
fn mqtt_3_1_2_12_without_a_will_flag_no_will_is_published() {
    let server = Server::shared();
    let topic = "t3-3.1.2-12";
    let mut watcher = watcher(&server, "t3-3.1.2-12/#");
    server.v3("c3-3.1.2-12").drop_connection();
    server.v3_as("c3-3.1.2-12", 0x00, "").drop_connection();
    no_will(&server, &mut watcher, topic);
}

#[test]
fn mqtt_3_1_2_14_the_will_is_published_at_its_qos() {
    let server = Server::shared();
    let topic = "t3-3.1.2-14";
    let mut watcher = watcher(&server, topic);
    let will = format!("'{topic}' (`gone`)");
    for (flags, published) in [(0x06, "30"), (0x0E, "32"), (0x16, "34")] {
        server.v3_as("c3-3.1.2-14", flags, &will).drop_connection();
        let identifier = match published {
            "30" => "",
            "32" => "0001",
            _ => "0002",
        };
        watcher.expect(&format!("{published} <'{topic}' {identifier} `gone`>"));
    }
}

#[test]
fn mqtt_3_1_2_16_a_will_without_retain_is_not_retained() {
    let server = Server::shared();
    let topic = "t3-3.1.2-16";
    let mut watcher = watcher(&server, topic);
    server
        .v3_as("c3-3.1.2-16", 0x06, &format!("'{topic}' (`gone`)"))
        .drop_connection();
    watcher.expect(&format!("30 <'{topic}' `gone`>"));
    let mut late = server.v3("c3-3.1.2-16b");
    late.subscribe_v3(topic, 2);
    late.expect_silence(Duration::from_millis(100));
    late.expect_alive();
}

#[test]
fn mqtt_3_1_2_17_a_will_with_retain_is_retained() {
    let server = Server::shared();
    let topic = "t3-3.1.2-17";
    let mut watcher = watcher(&server, topic);
    server
        .v3_as("c3-3.1.2-17", 0x2E, &format!("'{topic}' (`gone`)"))
        .drop_connection();
    watcher.expect(&format!("32 <'{topic}' 0001 `gone`>"));
    let mut late = server.v3("c3-3.1.2-17b");
    late.subscribe_v3(topic, 2);
    late.expect(&format!("33 <'{topic}' 0001 `gone`>"));
}

#[test]
fn mqtt_3_1_2_23_a_client_that_sends_pingreq_in_time_stays() {
    let server = Server::shared();
    // Three seconds are allowed: a machine may stand still for two of them.
    let mut client = server.send("10 <'MQTT' 04 02 0002 'c3-3.1.2-23'>");
    client.expect("20 02 00 00");
    for _ in 0..4 {
        sleep(Duration::from_millis(900));
        client.expect_alive();
    }
}

#[test]
fn mqtt_3_1_2_24_a_client_that_is_silent_for_one_and_a_half_keep_alives_is_closed() {
    let server = Server::shared();
    let topic = "t3-3.1.2-24";
    let mut watcher = watcher(&server, topic);
    let mut client = server.send(&format!(
        "10 <'MQTT' 04 06 0002 'c3-3.1.2-24' '{topic}' (`gone`)>"
    ));
    client.expect("20 02 00 00");
    let since = Instant::now();
    client.expect_alive();
    // 3.1.1 has no DISCONNECT from a server.
    client.expect_end("");
    let took = since.elapsed();
    assert!(
        took > Duration::from_millis(2_980) && took < Duration::from_secs(20),
        "{took:?}"
    );
    watcher.expect(&format!("30 <'{topic}' `gone`>"));
}

#[test]
fn mqtt_3_1_3_1_the_fields_of_the_payload_come_in_their_order() {
    let server = Server::with(&[USERS]);
    let mut watcher = server.v3_as("c3-3.1.3-1", 0xC2, "'user' 'secret'");
    watcher.subscribe_v3("t3-3.1.3-1", 0);
    let rest = "'t3-3.1.3-1' (`gone`) 'user' 'secret'";
    server.v3_as("c3-3.1.3-1b", 0xC6, rest).drop_connection();
    watcher.expect("30 <'t3-3.1.3-1' `gone`>");
    server
        .send(&connect_v3("c3-3.1.3-1c", 0xC2, "'secret' 'user'"))
        .expect_end("20 02 00 04");
}

#[test]
fn mqtt_3_1_3_2_a_session_belongs_to_its_client_identifier() {
    let server = Server::shared();
    for connack in ["20 02 00 00", "20 02 01 00"] {
        for id in ["c3-3.1.3-2", "C3-3.1.3-2", "c3-3.1.3-2 "] {
            leave(connect(&server, id, 0x00, connack));
        }
    }
}

#[test]
fn mqtt_3_1_3_5_client_identifiers_of_1_to_23_letters_and_digits_are_allowed() {
    let server = Server::shared();
    let characters = "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA9876543210";
    for size in 1..=23 {
        connect(&server, &characters[..size], 0x02, "20 02 00 00");
    }
    for start in [0, 20, 39] {
        connect(&server, &characters[start..start + 23], 0x02, "20 02 00 00");
    }
}

#[test]
fn mqtt_3_1_3_6_an_empty_client_identifier_is_one_of_its_own() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..3)
        .map(|_| connect(&server, "", 0x02, "20 02 00 00"))
        .collect();
    // Nobody was taken over.
    for client in &mut clients {
        client.expect_alive();
    }
}

#[test]
fn mqtt_3_1_3_7_an_empty_client_identifier_with_a_clean_session_is_taken() {
    let server = Server::shared();
    connect(&server, "", 0x02, "20 02 00 00").expect_alive();
    // Without one it is refused, which is the next statement.
    server.send(&connect_v3("", 0x00, "")).expect_end("20 02 00 02");
}

#[test]
fn mqtt_3_1_3_8_an_empty_client_identifier_without_a_clean_session_is_refused() {
    let server = Server::shared();
    server
        .send(&format!("{} C0 00", connect_v3("", 0x00, "")))
        .expect_end("20 02 00 02");
    server
        .send(&connect_v3("", 0x04, "'t' ()"))
        .expect_end("20 02 00 02");
}

#[test]
fn mqtt_3_1_3_9_a_client_identifier_that_is_rejected_ends_the_connection() {
    let server = Server::with(&["listener.mqtt.max_clientid_len=23"]);
    connect(&server, "c3-3.1.3-9-of-23-bytes-", 0x02, "20 02 00 00");
    server
        .send(&connect_v3("c3-3.1.3-9-of-24-bytes--", 0x02, ""))
        .expect_end("20 02 00 02");
}

#[test]
fn mqtt_3_1_4_2_a_client_that_connects_again_takes_over() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..3)
        .map(|_| connect(&server, "c3-3.1.4-2", 0x02, "20 02 00 00"))
        .collect();
    clients[0].expect_end("");
    clients[1].expect_end("");
    clients[2].expect_alive();
    // Whatever version the other speaks.
    let mut newer = server.v5("c3-3.1.4-2");
    clients[2].expect_end("");
    connect(&server, "c3-3.1.4-2", 0x02, "20 02 00 00");
    newer.expect_disconnect(0x8E);
}

#[test]
fn mqtt_3_1_4_3_clean_session_holds_on_take_over_too() {
    let server = Server::shared();
    let topic = "t3-3.1.4-3";
    let mut first = connect(&server, "c3-3.1.4-3", 0x00, "20 02 00 00");
    first.subscribe_v3(topic, 1);
    let mut second = connect(&server, "c3-3.1.4-3", 0x00, "20 02 01 00");
    first.expect_end("");
    publish(&server, topic, "x");
    second.expect(&format!("32 <'{topic}' 0001 `x`>"));
    let mut third = connect(&server, "c3-3.1.4-3", 0x02, "20 02 00 00");
    second.expect_end("");
    server
        .v3("c3-3.1.4-3b")
        .exchange(&format!("30 <'{topic}' `lost`> C0 00"), "D0 00");
    third.expect_alive();
}

#[test]
fn mqtt_3_1_4_4_an_accepted_connect_is_acknowledged_with_0() {
    let server = Server::shared();
    let mut client = server.send(&connect_v3("c3-3.1.4-4", 0x02, ""));
    client.expect("20 02 00 00");
    client.expect_alive();
}

#[test]
fn mqtt_3_1_4_5_nothing_behind_a_rejected_connect_is_processed() {
    let server = Server::with(&[USERS]);
    let topic = "t3-3.1.4-5";
    let mut watcher = server.v3_as("c3-3.1.4-5", 0xC2, "'user' 'secret'");
    watcher.subscribe_v3(topic, 1);
    let connect = connect_v3("c3-3.1.4-5b", 0xC2, "'user' 'wrong'");
    let packets = format!("82 <0001 '{topic}' 01> 30 <'{topic}' `one`> 32 <'{topic}' 0001 `two`> C0 00");
    server
        .send(&format!("{connect} {packets}"))
        .expect_end("20 02 00 04");
    let sentinel = format!("30 <'{topic}' `three`>");
    watcher.exchange(&sentinel, &sentinel);
}

#[test]
fn mqtt_3_2_0_1_connack_is_the_first_packet() {
    let server = Server::shared();
    let topic = "t3-3.2.0-1";
    let mut client = connect(&server, "c3-3.2.0-1", 0x00, "20 02 00 00");
    client.subscribe_v3(topic, 1);
    leave(client);
    publish(&server, topic, "queued");
    // There is a message to send and a question to answer, but first of all is CONNACK.
    let mut client = server.send(&format!("{} C0 00", connect_v3("c3-3.2.0-1", 0x00, "")));
    client.expect(&format!("20 02 01 00 32 <'{topic}' 0001 `queued`> D0 00"));
}

#[test]
fn mqtt_3_2_2_1_with_clean_session_1_no_session_is_present() {
    let server = Server::shared();
    leave(connect(&server, "c3-3.2.2-1", 0x00, "20 02 00 00"));
    leave(connect(&server, "c3-3.2.2-1", 0x02, "20 02 00 00"));
    connect(&server, "c3-3.2.2-1", 0x02, "20 02 00 00");
}

#[test]
fn mqtt_3_2_2_2_a_stored_session_is_present() {
    let server = Server::shared();
    leave(connect(&server, "c3-3.2.2-2", 0x00, "20 02 00 00"));
    leave(connect(&server, "c3-3.2.2-2", 0x00, "20 02 01 00"));
    connect(&server, "c3-3.2.2-2", 0x00, "20 02 01 00").drop_connection();
    connect(&server, "c3-3.2.2-2", 0x00, "20 02 01 00");
}

#[test]
fn mqtt_3_2_2_3_without_a_stored_session_none_is_present() {
    let server = Server::with(&["listener.mqtt.session_expiry=3s"]);
    leave(connect(&server, "c3-3.2.2-3", 0x00, "20 02 00 00"));
    connect(&server, "c3-3.2.2-3", 0x00, "20 02 01 00").drop_connection();
    sleep(Duration::from_millis(4_000));
    connect(&server, "c3-3.2.2-3", 0x00, "20 02 00 00");
}

#[test]
fn mqtt_3_2_2_4_a_refusal_says_that_no_session_is_present() {
    let server = Server::with(&[USERS]);
    server
        .v3_as("c3-3.2.2-4", 0xC0, "'user' 'secret'")
        .drop_connection();
    server
        .send(&connect_v3("c3-3.2.2-4", 0xC0, "'user' 'wrong'"))
        .expect_end("20 02 00 04");
    let mut client = server.send(&connect_v3("c3-3.2.2-4", 0xC0, "'user' 'secret'"));
    client.expect("20 02 01 00");
}

#[test]
fn mqtt_3_2_2_5_a_refusal_ends_the_connection() {
    let server = Server::with(&[USERS, "access.allow_anonymous=false"]);
    for (connect, refused) in [
        ("10 <'MQTT' 03 02 0000 'c3-3.2.2-5'>".to_owned(), "20 02 00 01"),
        (connect_v3("", 0xC0, "'user' 'secret'"), "20 02 00 02"),
        (connect_v3("c3-3.2.2-5", 0xC2, "'user' 'wrong'"), "20 02 00 04"),
        (connect_v3("c3-3.2.2-5", 0xC2, "'other' 'secret'"), "20 02 00 04"),
        (connect_v3("c3-3.2.2-5", 0x02, ""), "20 02 00 05"),
    ] {
        server.send(&format!("{connect} C0 00")).expect_end(refused);
    }
}
