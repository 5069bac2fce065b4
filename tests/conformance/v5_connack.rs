//! MQTT 5.0 section 3.2: CONNACK, its flags, reason codes and properties, and that what they promise holds.

use crate::connack::ConnAck;
use crate::notation::long;
use crate::server::{Server, connect_v5};

/// Session Expiry Interval in CONNECT.
const A_MINUTE: &str = "<11 0000003C>";

const USERS: &str = "access.users=[{username=\"user\",password=\"secret\"}]";

/// What a CONNECT is answered, accepted or not.
fn answer(server: &Server, connect: &str) -> ConnAck {
    ConnAck::of(&server.send(connect).packet())
}

/// What a plain client is told of the server.
fn told(settings: &[&str], id: &str) -> (Server, ConnAck) {
    let server = Server::with(settings);
    let connack = answer(&server, &connect_v5(id, 0x02, "<>", ""));
    assert_eq!((connack.flags, connack.reason), (0, 0));
    (server, connack)
}

#[test]
fn mqtt_3_2_0_1_connack_comes_before_any_other_packet() {
    let server = Server::shared();
    let topic = "t-3.2.0-1";
    let mut client = server.v5_as("c-3.2.0-1", 0x02, A_MINUTE, "");
    client.subscribe_v5(topic, 1);
    client.send("E0 00");
    client.expect_end("");
    let mut publisher = server.v5("c-3.2.0-1b");
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `queued`>"), "40 <0001>");
    // There is a message to send and a question to answer, but first of all is CONNACK.
    let connect = connect_v5("c-3.2.0-1", 0x00, "<>", "");
    let mut client = server.send(&format!("{connect} C0 00"));
    client.expect_accepted();
    client.expect(&format!("32 <'{topic}' 0001 <> `queued`> D0 00"));
}

#[test]
fn mqtt_3_2_0_2_there_is_one_connack() {
    let server = Server::shared();
    let connect = connect_v5("c-3.2.0-2", 0x02, "<>", "");
    let mut client = server.send(&format!("{connect} {connect}"));
    client.expect_accepted();
    client.expect_disconnect(0x82);
}

#[test]
fn mqtt_3_2_2_1_the_other_acknowledge_flags_are_0() {
    let server = Server::with(&[USERS]);
    for (flags, rest) in [
        (0x02, ""),
        (0x00, ""),
        (0xC2, "'user' 'secret'"),
        (0xC2, "'user' 'wrong'"),
    ] {
        let connack = answer(&server, &connect_v5("c-3.2.2-1", flags, A_MINUTE, rest));
        assert_eq!(connack.flags & 0xFE, 0);
    }
}

#[test]
fn mqtt_3_2_2_2_with_clean_start_no_session_is_present() {
    let server = Server::shared();
    for _ in 0..2 {
        let connack = answer(&server, &connect_v5("c-3.2.2-2", 0x02, A_MINUTE, ""));
        assert_eq!((connack.flags, connack.reason), (0, 0));
    }
}

#[test]
fn mqtt_3_2_2_3_without_clean_start_session_present_is_true() {
    let server = Server::shared();
    for present in [0, 1, 1] {
        let connack = answer(&server, &connect_v5("c-3.2.2-3", 0x00, A_MINUTE, ""));
        assert_eq!((connack.flags, connack.reason), (present, 0));
    }
}

#[test]
fn mqtt_3_2_2_6_a_refusal_says_that_no_session_is_present() {
    let server = Server::with(&[USERS]);
    server
        .v5_as("c-3.2.2-6", 0xC2, A_MINUTE, "'user' 'secret'")
        .drop_connection();
    let refused = answer(
        &server,
        &connect_v5("c-3.2.2-6", 0xC0, A_MINUTE, "'user' 'wrong'"),
    );
    assert_eq!((refused.flags, refused.reason), (0, 0x86));
    // Although there is one.
    let accepted = answer(
        &server,
        &connect_v5("c-3.2.2-6", 0xC0, A_MINUTE, "'user' 'secret'"),
    );
    assert_eq!((accepted.flags, accepted.reason), (1, 0));
}

#[test]
fn mqtt_3_2_2_15_a_packet_above_the_maximum_packet_size_ends_the_connection() {
    let (server, connack) = told(&["listener.mqtt.max_packet_size=200"], "c-3.2.2-15");
    assert_eq!(connack.property(0x27), Some(&[0, 0, 0, 200][..]));
    let topic = "t-3.2.2-15";
    let mut client = server.v5("c-3.2.2-15");
    client.subscribe_v5(topic, 0);
    // Fixed header of three bytes, topic of twelve, no properties.
    let largest = format!("30 <'{topic}' <> `{}`>", long(184));
    assert_eq!(crate::notation::bytes(&largest).len(), 200);
    client.exchange(&largest, &largest);
    client.send(&format!("30 <'{topic}' <> `{}`>", long(185)));
    client.expect_disconnect(0x95);
    // The length alone says so.
    let mut client = server.v5("c-3.2.2-15");
    client.send("30 FFFFFF7F");
    client.expect_disconnect(0x95);
}

#[test]
fn mqtt_3_2_2_16_an_assigned_client_identifier_is_nobody_s() {
    let server = Server::shared();
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let connack = answer(&server, &connect_v5("", 0x02, A_MINUTE, ""));
        assert_eq!(connack.flags, 0);
        assert!(ids.insert(connack.assigned()), "twice among {ids:?}");
    }
    // Who names itself is not named.
    assert_eq!(
        answer(&server, &connect_v5("c-3.2.2-16", 0x02, "<>", "")).property(0x12),
        None
    );
}

#[test]
fn mqtt_3_2_2_18_without_a_topic_alias_maximum_there_are_no_aliases() {
    let (server, connack) = told(&["listener.mqtt.max_topic_alias=0"], "c-3.2.2-18");
    assert_eq!(connack.property(0x22), None);
    for alias in ["0001", "FFFF"] {
        let mut client = server.v5("c-3.2.2-18");
        client.send(&format!("30 <'t-3.2.2-18' <23 {alias}> `x`>"));
        client.expect_disconnect(0x94);
    }
}

#[test]
fn mqtt_3_2_2_19_a_reason_string_does_not_make_connack_too_large() {
    let server = Server::with(&[USERS]);
    // Five bytes are a CONNACK without properties.
    for maximum in 5..40 {
        let properties = format!("<27 {maximum:08X}>");
        let mut client = server.send(&connect_v5("c-3.2.2-19", 0xC2, &properties, "'user' 'wrong'"));
        let connack = client.packet();
        assert!(
            connack.len() <= maximum,
            "{} bytes, {maximum} are allowed",
            connack.len()
        );
        assert_eq!(ConnAck::of(&connack).reason, 0x86);
        client.expect_end("");
    }
}

#[test]
fn mqtt_3_2_2_20_no_user_property_makes_connack_too_large() {
    let server = Server::with(&[USERS]);
    for (flags, rest) in [(0x02, ""), (0xC2, "'user' 'wrong'")] {
        let connack = answer(&server, &connect_v5("c-3.2.2-20", flags, "<>", rest));
        assert_eq!(connack.property(0x26), None, "this server has none to send");
    }
}
