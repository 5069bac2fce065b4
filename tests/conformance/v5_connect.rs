//! MQTT 5.0 section 3.1.0 to 3.1.3: what a CONNECT may look like, field by field, and what a wrong one is answered.

use crate::connack::ConnAck;
use crate::server::{Server, connect_v5};

const WILL: &str = "<> 't-will' (`gone`)";

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
fn mqtt_3_1_2_1_another_protocol_name_is_an_unsupported_version() {
    let server = Server::shared();
    for name in ["MQTt", "mqtt", "MQT", "MQTT5", "MQIsdp", "HTTP", ""] {
        let mut client = server.send(&format!("10 <'{name}' 05 02 0000 <> 'c-3.1.2-1'>"));
        client.expect_refused(0x84);
    }
}

#[test]
fn mqtt_3_1_2_2_another_version_is_unsupported() {
    // In the words of 5.0 for what may come after it.
    let server = Server::shared();
    for version in ["06", "07", "55", "85", "FF"] {
        let mut client = server.send(&format!("10 <'MQTT' {version} 02 0000 <> 'c-3.1.2-2'>"));
        client.expect_refused(0x84);
    }
}

#[test]
fn mqtt_3_1_2_3_the_reserved_flag_is_malformed() {
    let server = Server::shared();
    let connects = [0x03, 0x01].map(|flags| connect_v5("c-3.1.2-3", flags, "<>", ""));
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_2_9_will_properties_topic_and_payload_are_there_with_the_will_flag() {
    let server = Server::shared();
    let present = connect_v5("c-3.1.2-9", 0x06, "<>", WILL);
    server.send(&present).expect_accepted();
    let absent = ["", "<>", "<> 't-will'", "'t-will' (`gone`)", "<> 't-will' 00"];
    let connects = absent.map(|rest| connect_v5("c-3.1.2-9", 0x06, "<>", rest));
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_2_11_a_will_qos_without_a_will_is_malformed() {
    let server = Server::shared();
    let connects = [0x0A, 0x12, 0x1A].map(|flags| connect_v5("c-3.1.2-11", flags, "<>", ""));
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_2_12_a_will_qos_of_3_is_malformed() {
    let server = Server::shared();
    for flags in [0x06, 0x0E, 0x16] {
        server.v5_as("c-3.1.2-12", flags, "<>", WILL);
    }
    server.each_is_refused(&[connect_v5("c-3.1.2-12", 0x1E, "<>", WILL)], 0x81);
}

#[test]
fn mqtt_3_1_2_13_will_retain_without_a_will_is_malformed() {
    let server = Server::shared();
    server.each_is_refused(&[connect_v5("c-3.1.2-13", 0x22, "<>", "")], 0x81);
}

#[test]
fn mqtt_3_1_2_16_a_user_name_without_its_flag_is_malformed() {
    let server = Server::shared();
    let connects = [
        connect_v5("c-3.1.2-16", 0x02, "<>", "'user'"),
        // With the Password Flag alone it would be the password, and the password is left over.
        connect_v5("c-3.1.2-16", 0x42, "<>", "'user' 'secret'"),
    ];
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_2_17_a_user_name_flag_without_a_user_name_is_malformed() {
    let server = Server::shared();
    server.v5_as("c-3.1.2-17", 0x82, "<>", "'user'");
    server.v5_as("c-3.1.2-17", 0x82, "<>", "''");
    let connects = [
        connect_v5("c-3.1.2-17", 0x82, "<>", ""),
        connect_v5("c-3.1.2-17", 0x86, "<>", WILL),
    ];
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_2_18_a_password_without_its_flag_is_malformed() {
    let server = Server::shared();
    let connect = connect_v5("c-3.1.2-18", 0x82, "<>", "'user' 'secret'");
    server.each_is_refused(&[connect], 0x81);
}

#[test]
fn mqtt_3_1_2_19_a_password_flag_without_a_password_is_malformed() {
    let server = Server::shared();
    server.v5_as("c-3.1.2-19", 0xC2, "<>", "'user' 'secret'");
    // 5.0 allows it without a user name, and any bytes.
    server.v5_as("c-3.1.2-19", 0x42, "<>", "(00FF)");
    let connects = [
        connect_v5("c-3.1.2-19", 0xC2, "<>", "'user'"),
        connect_v5("c-3.1.2-19", 0x42, "<>", ""),
        connect_v5("c-3.1.2-19", 0xC2, "<>", "'user' 0006 `secre`"),
    ];
    server.each_is_refused(&connects, 0x81);
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
fn mqtt_3_1_3_3_a_connect_without_a_client_identifier_is_malformed() {
    let server = Server::shared();
    let connects = ["10 <'MQTT' 05 02 0000 <>>", "10 <'MQTT' 05 02 0000 <> 00>"].map(str::to_owned);
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_3_4_a_client_identifier_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    server.v5("c-3.1.3-4 é €");
    let connects =
        ["(FF)", "(EDA080)", "(C0AF)", "(`c` 00)"].map(|id| format!("10 <'MQTT' 05 02 0000 <> {id}>"));
    server.each_is_refused(&connects, 0x81);
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

#[test]
fn mqtt_3_1_3_11_a_will_topic_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    server.v5_as("c-3.1.3-11", 0x06, "<>", "<> 't-é' ()");
    let connects = ["(FF)", "(EDA080)", "(C0AF)", "(`t` 00)"]
        .map(|topic| connect_v5("c-3.1.3-11", 0x06, "<>", &format!("<> {topic} ()")));
    server.each_is_refused(&connects, 0x81);
}

#[test]
fn mqtt_3_1_3_11_a_will_topic_is_a_topic_name() {
    let server = Server::shared();
    let connects = ["a/#", "+/a", "#", ""]
        .map(|topic| connect_v5("c-3.1.3-11b", 0x06, "<>", &format!("<> '{topic}' ()")));
    server.each_is_refused(&connects, 0x90);
}

#[test]
fn mqtt_3_1_3_12_a_user_name_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    server.v5_as("c-3.1.3-12", 0x82, "<>", "'é'");
    let connects =
        ["(FF)", "(EDA080)", "(C0AF)", "(`u` 00)"].map(|user| connect_v5("c-3.1.3-12", 0x82, "<>", user));
    server.each_is_refused(&connects, 0x81);
}
