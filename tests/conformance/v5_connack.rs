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
fn mqtt_3_2_2_7_a_refusal_ends_the_connection() {
    let server = Server::with(&[USERS, "listener.mqtt.max_clientid_len=23"]);
    let id = long(24);
    for (connect, reason) in [
        (connect_v5("c-3.2.2-7", 0x03, "<>", ""), 0x81),
        (connect_v5("c-3.2.2-7", 0x02, "<21 0000>", ""), 0x82),
        (connect_v5(&id, 0x02, "<>", ""), 0x85),
        (connect_v5("c-3.2.2-7", 0xC2, "<>", "'user' 'wrong'"), 0x86),
        (connect_v5("c-3.2.2-7", 0x02, "<15 'unknown'>", ""), 0x8C),
    ] {
        server.send(&format!("{connect} C0 00")).expect_refused(reason);
    }
}

#[test]
fn mqtt_3_2_2_8_refusals_use_the_reason_codes_of_connect() {
    let settings = [
        USERS,
        "access.allow_anonymous=false",
        "listener.mqtt.max_clientid_len=30",
        "listener.mqtt.max_qos_allowed=1",
        "listener.mqtt.retain_available=false",
        "limits.topic_levels=4",
    ];
    let server = Server::with(&settings);
    let login = "'user' 'secret'";
    let cases = [
        (connect_v5("c-3.2.2-8", 0xC2, "<>", login), 0x00),
        (connect_v5("c-3.2.2-8", 0xC3, "<>", login), 0x81),
        (connect_v5("c-3.2.2-8", 0xC2, "<17 02>", login), 0x82),
        ("10 <'MQTT' 06 02 0000 <> 'c-3.2.2-8'>".to_owned(), 0x84),
        (connect_v5(&long(31), 0xC2, "<>", login), 0x85),
        (connect_v5("c-3.2.2-8", 0xC2, "<>", "'user' ''"), 0x86),
        (connect_v5("c-3.2.2-8", 0x02, "<>", ""), 0x87),
        (connect_v5("c-3.2.2-8", 0x02, "<15 'none'>", ""), 0x8C),
        (
            connect_v5("c-3.2.2-8", 0xC6, "<>", &format!("<> 'a/b/c/d/e' () {login}")),
            0x90,
        ),
        (
            connect_v5("c-3.2.2-8", 0xE6, "<>", &format!("<> 'a' () {login}")),
            0x9A,
        ),
        (
            connect_v5("c-3.2.2-8", 0xD6, "<>", &format!("<> 'a' () {login}")),
            0x9B,
        ),
    ];
    for (connect, reason) in cases {
        assert_eq!(answer(&server, &connect).reason, reason, "{connect}");
    }
}

#[test]
fn mqtt_3_2_2_9_a_maximum_qos_is_told() {
    let (_, connack) = told(&[], "c-3.2.2-9");
    assert_eq!(connack.property(0x24), None, "QoS 2 is the standard's default");
    let (_, connack) = told(&["listener.mqtt.max_qos_allowed=1"], "c-3.2.2-9");
    assert_eq!(connack.property(0x24), Some(&[1][..]));
    let (_, connack) = told(&["listener.mqtt.max_qos_allowed=0"], "c-3.2.2-9");
    assert_eq!(connack.property(0x24), Some(&[0][..]));
}

#[test]
fn mqtt_3_2_2_10_subscriptions_above_the_maximum_qos_are_accepted() {
    for maximum in 0..2 {
        let server = Server::with(&[&format!("listener.mqtt.max_qos_allowed={maximum}")]);
        let mut client = server.v5("c-3.2.2-10");
        for wanted in 0..3 {
            let granted = maximum.min(wanted);
            let subscribe = format!("82 <0001 <> 't-3.2.2-10' {wanted:02X}>");
            client.exchange(&subscribe, &format!("90 <0001 <> {granted:02X}>"));
        }
    }
}

#[test]
fn mqtt_3_2_2_11_a_publish_above_the_maximum_qos_is_a_protocol_error() {
    for (maximum, flags) in [(0, 0x32), (0, 0x34), (1, 0x34)] {
        let server = Server::with(&[&format!("listener.mqtt.max_qos_allowed={maximum}")]);
        let mut client = server.v5("c-3.2.2-11");
        client.send(&format!("{flags:02X} <'t-3.2.2-11' 0001 <> `x`>"));
        client.expect_disconnect(0x9B);
    }
    let server = Server::with(&["listener.mqtt.max_qos_allowed=1"]);
    let mut subscriber = server.v5("c-3.2.2-11b");
    subscriber.subscribe_v5("t-3.2.2-11", 1);
    let mut client = server.v5("c-3.2.2-11");
    client.send("30 <'t-3.2.2-11' <> `x`>");
    client.exchange("32 <'t-3.2.2-11' 0001 <> `y`>", "40 <0001>");
    subscriber.expect("30 <'t-3.2.2-11' <> `x`> 32 <'t-3.2.2-11' 0001 <> `y`>");
}

#[test]
fn mqtt_3_2_2_12_a_will_above_the_maximum_qos_is_refused() {
    for (maximum, flags) in [(0, 0x0E), (0, 0x16), (1, 0x16)] {
        let server = Server::with(&[&format!("listener.mqtt.max_qos_allowed={maximum}")]);
        let mut client = server.send(&connect_v5("c-3.2.2-12", flags, "<>", "<> 't' ()"));
        client.expect_refused(0x9B);
    }
    let server = Server::with(&["listener.mqtt.max_qos_allowed=1"]);
    server.v5_as("c-3.2.2-12", 0x0E, "<>", "<> 't' ()");
}

#[test]
fn mqtt_3_2_2_13_a_retained_will_is_refused_where_nothing_is_retained() {
    let (server, connack) = told(&["listener.mqtt.retain_available=false"], "c-3.2.2-13");
    assert_eq!(connack.property(0x25), Some(&[0][..]));
    let mut client = server.send(&connect_v5("c-3.2.2-13", 0x26, "<>", "<> 't' ()"));
    client.expect_refused(0x9A);
    server.v5_as("c-3.2.2-13", 0x06, "<>", "<> 't' ()");
}

#[test]
fn mqtt_3_2_2_14_a_publish_with_retain_is_a_protocol_error_where_nothing_is_retained() {
    let server = Server::with(&["listener.mqtt.retain_available=false"]);
    for packet in [
        "31 <'t-3.2.2-14' <> `x`>",
        "33 <'t-3.2.2-14' 0001 <> `x`>",
        "31 <'t-3.2.2-14' <>>",
    ] {
        let mut client = server.v5("c-3.2.2-14");
        client.send(packet);
        client.expect_disconnect(0x9A);
    }
    let (_, connack) = told(&[], "c-3.2.2-14b");
    assert_eq!(connack.property(0x25), None, "it is the standard's default");
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
fn mqtt_3_2_2_17_a_topic_alias_above_the_maximum_ends_the_connection() {
    let (server, connack) = told(&["listener.mqtt.max_topic_alias=5"], "c-3.2.2-17");
    assert_eq!(connack.property(0x22), Some(&[0, 5][..]));
    let mut client = server.v5("c-3.2.2-17");
    client.send("30 <'t-3.2.2-17' <23 0005> `x`>");
    client.expect_alive();
    client.send("30 <'t-3.2.2-17' <23 0006> `x`>");
    client.expect_disconnect(0x94);
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

#[test]
fn mqtt_3_2_2_8_connack_says_only_what_differs_from_the_defaults() {
    let (_, connack) = told(&[], "c-3.2.2-8b");
    // Receive Maximum, Maximum Packet Size, Topic Alias Maximum: the settings differ from the standard's defaults.
    let mut told_by_default = connack.identifiers();
    told_by_default.sort_unstable();
    assert_eq!(told_by_default, [0x21, 0x22, 0x27]);
    let server = Server::with(&["listener.mqtt.announce=[]"]);
    let mut client = server.send(&connect_v5("c-3.2.2-8b", 0x02, "<>", ""));
    client.expect("20 03 00 00 00");
}
