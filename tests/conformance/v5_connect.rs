//! MQTT 5.0 section 3.1.0 to 3.1.3: what a CONNECT may look like, field by field, and what a wrong one is answered.

use crate::connack::ConnAck;
use crate::server::{Server, connect_v5};

const WILL: &str = "<> 't-will' (`gone`)";

/// Each CONNECT is refused with CONNACK and this reason code.
#[track_caller]
fn each_is_refused(server: &Server, connects: &[String], reason: u8) {
    for connect in connects {
        server.send(connect).expect_refused(reason);
    }
}

#[test]
fn mqtt_3_1_0_1_another_first_packet_ends_the_connection_without_a_word() {
    let server = Server::shared();
    let packets = [
        "20 <00 00 <>>",
        "30 <'a' <> `x`>",
        "40 <0001>",
        "50 <0001>",
        "62 <0001>",
        "70 <0001>",
        "82 <0001 <> 'a' 00>",
        "90 <0001 <> 00>",
        "A2 <0001 <> 'a'>",
        "B0 <0001 <> 00>",
        "C0 00",
        "D0 00",
        "E0 00",
        "F0 00",
    ];
    for packet in packets {
        // A CONNECT that follows comes too late.
        let connect = connect_v5("c-3.1.0-1", 0x02, "<>", "");
        server.send(&format!("{packet} {connect}")).expect_end("");
    }
}

#[test]
fn mqtt_3_1_0_2_a_second_connect_is_a_protocol_error() {
    let server = Server::shared();
    let mut client = server.v5("c-3.1.0-2");
    client.send(&connect_v5("c-3.1.0-2", 0x02, "<>", ""));
    client.expect_disconnect(0x82);
    // The same in one segment with the first one.
    let connect = connect_v5("c-3.1.0-2b", 0x02, "<>", "");
    let mut client = server.send(&format!("{connect} {connect}"));
    client.expect_accepted();
    client.expect_disconnect(0x82);
}

#[test]
fn mqtt_3_1_3_1_the_fields_of_the_payload_come_in_their_order() {
    let users = "access.users=[{username=\"user\",password=\"secret\"}]";
    let server = Server::with(&[users]);
    let mut watcher = server.v5_as("c-3.1.3-1", 0xC2, "<>", "'user' 'secret'");
    watcher.subscribe_v5("t-3.1.3-1", 0);
    let connect = "<03 'kind'> 't-3.1.3-1' (`gone`) 'user' 'secret'";
    server.v5_as("c-3.1.3-1b", 0xC6, "<>", connect).drop_connection();
    watcher.expect("30 <'t-3.1.3-1' <03 'kind'> `gone`>");
    // The same fields otherwise: the password is no user.
    let swapped = connect_v5("c-3.1.3-1c", 0xC2, "<>", "'secret' 'user'");
    server.send(&swapped).expect_refused(0x86);
}

#[test]
fn mqtt_3_1_3_2_a_session_belongs_to_its_client_identifier() {
    let server = Server::shared();
    for id in ["c-3.1.3-2", "C-3.1.3-2", "c-3.1.3-2 "] {
        let mut client = server.send(&connect_v5(id, 0x00, "<11 0000003C>", ""));
        assert_eq!(client.expect_accepted()[2], 0, "{id} has no session yet");
    }
    for id in ["c-3.1.3-2", "C-3.1.3-2", "c-3.1.3-2 "] {
        let mut client = server.send(&connect_v5(id, 0x00, "<>", ""));
        assert_eq!(client.expect_accepted()[2], 1, "{id} has one");
    }
}

#[test]
fn mqtt_3_1_3_5_client_identifiers_of_1_to_23_letters_and_digits_are_allowed() {
    let server = Server::shared();
    let characters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for size in 1..=23 {
        server.v5(&characters[..size]);
    }
    for start in [0, 20, 39] {
        server.v5(&characters[start..start + 23]);
    }
}

#[test]
fn mqtt_3_1_3_6_an_empty_client_identifier_gets_one_of_its_own() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..4)
        .map(|_| server.send(&connect_v5("", 0x02, "<>", "")))
        .collect();
    let ids: std::collections::BTreeSet<_> = clients
        .iter_mut()
        .map(|client| ConnAck::of(&client.expect_accepted()).assigned())
        .collect();
    assert_eq!(ids.len(), 4, "each has another: {ids:?}");
    // All four are sessions of their own: nobody was taken over.
    for client in &mut clients {
        client.expect_alive();
    }
}

#[test]
fn mqtt_3_1_3_7_the_assigned_client_identifier_is_returned_and_is_the_session_s() {
    let server = Server::shared();
    let mut client = server.send(&connect_v5("", 0x00, "<11 0000003C>", ""));
    let connack = ConnAck::of(&client.expect_accepted());
    assert_eq!(connack.flags, 0, "a new session");
    let id = connack.assigned();
    client.subscribe_v5("t-3.1.3-7", 1);
    client.send("E0 00");
    client.expect_end("");
    let mut client = server.send(&connect_v5(&id, 0x00, "<>", ""));
    assert_eq!(client.expect_accepted()[2], 1, "its session");
    let published = "32 <'t-3.1.3-7' 0001 <> `x`>";
    server.v5("c-3.1.3-7").exchange(published, "40 <0001>");
    client.expect(published);
}

#[test]
fn mqtt_3_1_3_8_a_client_identifier_that_is_rejected_ends_the_connection() {
    let server = Server::with(&["listener.mqtt.max_clientid_len=23"]);
    server.v5("c-3.1.3-8-of-23-bytes--");
    let connect = connect_v5("c-3.1.3-8-of-24-bytes---", 0x02, "<>", "");
    server.send(&connect).expect_refused(0x85);
}
