//! MQTT 5.0 section 3.3.2.3.4 and 3.3.4: Topic Aliases, the client's and the server's.

use crate::aliases::{Known, topics};
use crate::connack::ConnAck;
use crate::notation::{bytes, show};
use crate::server::{Server, connect_v5};

#[test]
fn mqtt_3_3_2_7_aliases_end_with_their_connection() {
    let server = Server::shared();
    let topic = "t-3.3.2-7";
    let mut client = server.v5_as("c-3.3.2-7", 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 0);
    client.exchange(
        &format!("30 <'{topic}' <23 0001> `x`>"),
        &format!("30 <'{topic}' <> `x`>"),
    );
    client.exchange("30 <'' <23 0001> `y`>", &format!("30 <'{topic}' <> `y`>"));
    client.drop_connection();
    // The session goes on, its aliases do not.
    let mut client = server.v5_as("c-3.3.2-7", 0x00, "<>", "");
    client.send("30 <'' <23 0001> `z`>");
    client.expect_disconnect(0x82);
}

#[test]
fn mqtt_3_3_2_7_the_server_s_aliases_end_with_their_connection() {
    let server = Server::shared();
    let topics = topics("t-3.3.2-7b", 2);
    let mut publisher = server.v5("c-3.3.2-7b");
    for flags in [0x02, 0x00] {
        let mut subscriber = server.v5_as("c-3.3.2-7c", flags, "<22 000A 11 0000003C>", "");
        subscriber.subscribe_v5("t-3.3.2-7b/#", 0);
        // A connection that knows nothing yet: an alias without its topic would be a mistake.
        let mut known = Known::default();
        known.rounds(&mut publisher, &mut subscriber, &topics);
        subscriber.drop_connection();
    }
}

#[test]
fn mqtt_3_3_2_7_what_is_sent_again_on_the_next_connection_names_its_topic() {
    let server = Server::shared();
    let topic = "t-3.3.2-7d";
    let mut subscriber = server.v5_as("c-3.3.2-7d", 0x02, "<22 000A 11 0000003C>", "");
    subscriber.subscribe_v5(topic, 1);
    let mut publisher = server.v5("c-3.3.2-7e");
    for number in 1..=3 {
        publisher.exchange(&format!("32 <'{topic}' 0001 <> `{number}`>"), "40 <0001>");
        subscriber.packet();
    }
    subscriber.drop_connection();
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `4`>"), "40 <0001>");
    // Without aliases now; and with them, each topic comes before its alias.
    let mut subscriber = server.v5_as("c-3.3.2-7d", 0x00, "<11 0000003C>", "");
    for number in 1..=3 {
        subscriber.expect(&format!("3A <'{topic}' {number:04X} <> `{number}`>"));
    }
    subscriber.expect(&format!("32 <'{topic}' 0004 <> `4`>"));
    subscriber.drop_connection();
    let mut subscriber = server.v5_as("c-3.3.2-7d", 0x00, "<22 000A>", "");
    let first = subscriber.packet();
    let named = ["<>", "<23 0001>"].map(|properties| bytes(&format!("3A <'{topic}' 0001 {properties} `1`>")));
    assert!(named.contains(&first), "{}", show(&first));
}

#[test]
fn mqtt_3_3_2_8_alias_0_is_invalid() {
    let server = Server::shared();
    for packet in [
        "30 <'t-3.3.2-8' <23 0000> `x`>",
        "30 <'' <23 0000> `x`>",
        "32 <'t' 0001 <23 0000> `x`>",
    ] {
        let mut client = server.v5("c-3.3.2-8");
        client.send(packet);
        client.expect_disconnect(0x94);
    }
}

#[test]
fn mqtt_3_3_2_9_an_alias_above_the_maximum_is_invalid() {
    let server = Server::with(&["listener.mqtt.max_topic_alias=10"]);
    for alias in ["000B", "00FF", "FFFF"] {
        let mut client = server.v5("c-3.3.2-9");
        client.send(&format!("30 <'t-3.3.2-9' <23 {alias}> `x`>"));
        client.expect_disconnect(0x94);
    }
}

#[test]
fn mqtt_3_3_2_11_the_server_s_aliases_are_within_the_client_s_maximum() {
    let server = Server::shared();
    let topics = topics("t-3.3.2-11", 4);
    let mut publisher = server.v5("c-3.3.2-11b");
    for maximum in [1, 2, 3] {
        let mut subscriber = server.v5_as("c-3.3.2-11", 0x02, &format!("<22 {maximum:04X}>"), "");
        subscriber.subscribe_v5("t-3.3.2-11/#", 0);
        let mut known = Known::default();
        let used = known.rounds(&mut publisher, &mut subscriber, &topics);
        let wrong = used.iter().flatten().any(|&alias| alias == 0 || alias > maximum);
        assert!(!wrong, "{used:?}, the maximum is {maximum}");
    }
}

#[test]
fn mqtt_3_3_2_11_a_topic_that_comes_again_comes_by_its_alias() {
    let server = Server::shared();
    let topic = "t-3.3.2-11c";
    let mut subscriber = server.v5_as("c-3.3.2-11c", 0x02, "<22 0005>", "");
    subscriber.subscribe_v5(topic, 2);
    let mut publisher = server.v5("c-3.3.2-11d");
    // It is set at the latest with the second message, and the third is the shorter for it.
    for _ in 0..2 {
        publisher.send(&format!("30 <'{topic}' <> `x`>"));
        subscriber.packet();
    }
    publisher.send(&format!("30 <'{topic}' <> `x`>"));
    subscriber.expect("30 <'' <23 0001> `x`>");
    publisher.exchange(&format!("32 <'{topic}' 0001 <26 'k' 'v'> `y`>"), "40 <0001>");
    let packet = subscriber.packet();
    let wanted = ["<23 0001 26 'k' 'v'>", "<26 'k' 'v' 23 0001>"];
    let wanted = wanted.map(|properties| bytes(&format!("32 <'' 0001 {properties} `y`>")));
    assert!(wanted.contains(&packet), "{}", show(&packet));
}

#[test]
fn mqtt_3_3_2_12_every_alias_up_to_the_maximum_is_accepted() {
    let server = Server::shared();
    let mut client = server.send(&connect_v5("c-3.3.2-12", 0x02, "<>", ""));
    let connack = ConnAck::of(&client.expect_accepted());
    let maximum = connack.property(0x22).expect("a Topic Alias Maximum");
    let maximum = u16::from_be_bytes([maximum[0], maximum[1]]);
    assert!(maximum > 0, "some are allowed by default");
    client.subscribe_v5("t-3.3.2-12/#", 0);
    for alias in 1..=maximum {
        let topic = format!("t-3.3.2-12/{alias}");
        client.exchange(
            &format!("30 <'{topic}' <23 {alias:04X}> `x`>"),
            &format!("30 <'{topic}' <> `x`>"),
        );
    }
    for alias in 1..=maximum {
        client.exchange(
            &format!("30 <'' <23 {alias:04X}> `y`>"),
            &format!("30 <'t-3.3.2-12/{alias}' <> `y`>"),
        );
    }
}

#[test]
fn mqtt_3_3_2_12_an_alias_can_be_set_anew_and_at_any_qos() {
    let server = Server::shared();
    let topic = "t-3.3.2-12b";
    let mut subscriber = server.v5("c-3.3.2-12b");
    subscriber.subscribe_v5(&format!("{topic}/#"), 0);
    let mut client = server.v5("c-3.3.2-12c");
    client.exchange(&format!("32 <'{topic}/a' 0001 <23 0001> `one`>"), "40 <0001>");
    client.exchange("34 <'' 0002 <23 0001 26 'k' 'v'> `two`>", "50 <0002>");
    client.send(&format!(
        "30 <'{topic}/b' <23 0001> `three`> 30 <'' <23 0001> `four`>"
    ));
    subscriber.expect(&format!(
        "30 <'{topic}/a' <> `one`> 30 <'{topic}/a' <26 'k' 'v'> `two`>"
    ));
    subscriber.expect(&format!("30 <'{topic}/b' <> `three`> 30 <'{topic}/b' <> `four`>"));
}

#[test]
fn mqtt_3_3_2_12_an_alias_that_is_not_set_is_a_protocol_error() {
    let server = Server::shared();
    let mut client = server.v5("c-3.3.2-12d");
    client.send("30 <'t-3.3.2-12d' <23 0001> `x`> 30 <'' <23 0002> `y`>");
    client.expect_disconnect(0x82);
}
