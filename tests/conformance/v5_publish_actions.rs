//! MQTT 5.0 section 3.3.4: what a PUBLISH is answered, overlapping subscriptions, and Receive Maximum both ways.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::notation::{bytes, show};
use crate::server::{Server, connect_v5};

/// SUBSCRIBE with a Subscription Identifier, given as bytes.
fn subscribe(client: &mut Client, filter: &str, identifier: &str, options: u8) {
    let subscribe = format!("82 <0001 <0B {identifier}> '{filter}' {options:02X}>");
    client.exchange(&subscribe, &format!("90 <0001 <> {:02X}>", options & 3));
}

#[test]
fn mqtt_3_3_4_1_a_publish_is_answered_according_to_its_qos() {
    let server = Server::shared();
    let topic = "t-3.3.4-1";
    let mut subscriber = server.v5("c-3.3.4-1");
    subscriber.subscribe_v5(topic, 0);
    let mut client = server.v5("c-3.3.4-1b");
    client.exchange(&format!("30 <'{topic}' <> `x`> C0 00"), "D0 00");
    client.exchange(&format!("32 <'{topic}' 0001 <> `x`> C0 00"), "40 02 0001 D0 00");
    client.exchange(&format!("34 <'{topic}' 0002 <> `x`> C0 00"), "50 02 0002 D0 00");
    client.exchange("62 02 0002 C0 00", "70 02 0002 D0 00");
}

#[test]
fn mqtt_3_3_4_1_a_publish_that_nobody_subscribes_to_is_answered_so() {
    let server = Server::shared();
    let topic = "t-3.3.4-1b";
    let mut client = server.v5("c-3.3.4-1c");
    client.exchange(&format!("32 <'{topic}' 0001 <> `x`>"), "40 03 0001 10");
    client.exchange(&format!("34 <'{topic}' 0002 <> `x`>"), "50 03 0002 10");
    client.exchange("62 <0002>", "70 <0002>");
}

#[test]
fn mqtt_3_3_4_2_overlapping_subscriptions_bring_one_copy_at_their_highest_qos() {
    let server = Server::shared();
    let topic = "t-3.3.4-2";
    for (filters, first) in [
        ([("a/#", 2), ("a/+", 0), ("a/b", 1)], 0x34),
        ([("a/#", 0), ("+/b", 1), ("a/b", 0)], 0x32),
        ([("#", 0), ("a/+", 0), ("+/+", 0)], 0x30),
    ] {
        let mut client = server.v5("c-3.3.4-2");
        for (filter, qos) in filters {
            client.subscribe_v5(&format!("{topic}/{filter}"), qos);
        }
        let mut publisher = server.v5("c-3.3.4-2b");
        publisher.exchange(&format!("34 <'{topic}/a/b' 0001 <> `x`>"), "50 <0001>");
        publisher.exchange("62 <0001>", "70 <0001>");
        publisher.send(&format!("30 <'{topic}/a/b' <> `y`>"));
        let packet_identifier = if first == 0x30 { "" } else { "0001" };
        client.expect(&format!("{first:02X} <'{topic}/a/b' {packet_identifier} <> `x`>"));
        client.expect(&format!("30 <'{topic}/a/b' <> `y`>"));
    }
}

#[test]
fn mqtt_3_3_4_3_the_subscription_identifier_is_sent_with_the_message() {
    let server = Server::shared();
    let topic = "t-3.3.4-3";
    // Each size of a variable byte integer.
    for (number, identifier) in ["01", "7F", "80 01", "80 80 01", "80 80 80 01", "FF FF FF 7F"]
        .iter()
        .enumerate()
    {
        let mut client = server.v5("c-3.3.4-3");
        subscribe(&mut client, &format!("{topic}/{number}"), identifier, 1);
        client.send(&format!("30 <'{topic}/{number}' <26 'k' 'v'> `x`>"));
        client.expect(&format!(
            "30 <'{topic}/{number}' <0B {identifier} 26 'k' 'v'> `x`>"
        ));
    }
}

#[test]
fn mqtt_3_3_4_3_a_later_subscription_replaces_the_identifier() {
    let server = Server::shared();
    let topic = "t-3.3.4-3b";
    let mut client = server.v5("c-3.3.4-3b");
    for (identifier, expected) in [("<0B 05>", "<0B 05>"), ("<0B 06>", "<0B 06>"), ("<>", "<>")] {
        client.exchange(&format!("82 <0001 {identifier} '{topic}' 00>"), "90 <0001 <> 00>");
        client.exchange(
            &format!("30 <'{topic}' <> `x`>"),
            &format!("30 <'{topic}' {expected} `x`>"),
        );
    }
}

#[test]
fn mqtt_3_3_4_4_one_copy_has_the_identifiers_of_all_matching_subscriptions() {
    // Of its own, because one of the filters matches the topics of others.
    let server = Server::with(&["limits.subscriptions=3344"]);
    let topic = "t-3.3.4-4";
    let mut client = server.v5("c-3.3.4-4");
    subscribe(&mut client, &format!("{topic}/#"), "01", 0);
    subscribe(&mut client, &format!("{topic}/+"), "82 01", 2);
    // The same again, none, and one that does not match.
    subscribe(&mut client, &format!("{topic}/a"), "01", 1);
    client.subscribe_v5(&format!("{topic}/a/#"), 0);
    subscribe(&mut client, &format!("{topic}/b"), "03", 1);
    let mut publisher = server.v5("c-3.3.4-4b");
    publisher.exchange(&format!("32 <'{topic}/a' 0001 <26 'k' 'v'> `x`>"), "40 <0001>");
    let packet = client.packet();
    let orders = [
        "0B 01 0B 82 01 0B 01",
        "0B 82 01 0B 01 0B 01",
        "0B 01 0B 01 0B 82 01",
    ];
    let wanted = orders.map(|order| bytes(&format!("32 <'{topic}/a' 0001 <{order} 26 'k' 'v'> `x`>")));
    assert!(wanted.contains(&packet), "{}", show(&packet));
    client.expect_alive();
}

#[test]
fn mqtt_3_3_4_5_each_copy_has_the_identifier_of_its_own_subscription() {
    let server = Server::shared();
    let topic = "t-3.3.4-5";
    // Copies are sent for a shared subscription, which is not merged with another, and for retained messages, which
    // are sent because of one subscription.
    let mut client = server.v5("c-3.3.4-5");
    subscribe(&mut client, &format!("$share/group/{topic}"), "01", 0);
    subscribe(&mut client, topic, "02", 0);
    client.send(&format!("31 <'{topic}' <> `x`>"));
    let mut got = [client.packet(), client.packet()];
    got.sort();
    let copy = |identifier: &str| bytes(&format!("30 <'{topic}' <0B {identifier}> `x`>"));
    assert_eq!(got, [copy("01"), copy("02")]);
    subscribe(&mut client, &format!("{topic}/#"), "03", 0);
    client.expect(&format!("31 <'{topic}' <0B 03> `x`>"));
}

#[test]
fn mqtt_3_3_4_6_a_subscription_identifier_from_a_client_is_a_protocol_error() {
    let server = Server::shared();
    for packet in [
        "30 <'t-3.3.4-6' <0B 01> `x`>",
        "32 <'t-3.3.4-6' 0001 <26 'k' 'v' 0B 01> `x`>",
        "30 <'t-3.3.4-6' <0B 01 0B 02> `x`>",
    ] {
        let mut client = server.v5("c-3.3.4-6");
        client.send(packet);
        client.expect_disconnect(0x82);
    }
}

#[test]
fn mqtt_3_3_4_7_more_than_the_server_s_receive_maximum_ends_the_connection() {
    let server = Server::with(&["limits.receive_maximum=3"]);
    let mut client = server.send(&connect_v5("c-3.3.4-7", 0x02, "<>", ""));
    let connack = ConnAck::of(&client.expect_accepted());
    assert_eq!(connack.property(0x21), Some(&[0, 3][..]));
    let mut subscriber = server.v5("c-3.3.4-7b");
    subscriber.subscribe_v5("t-3.3.4-7", 0);
    for number in 1..=3 {
        client.exchange(
            &format!("34 <'t-3.3.4-7' {number:04X} <> `x`>"),
            &format!("50 <{number:04X}>"),
        );
    }
    // A packet identifier that is on its way is not one more.
    client.exchange("3C <'t-3.3.4-7' 0002 <> `x`>", "50 <0002>");
    // PUBCOMP makes room.
    client.exchange("62 <0001>", "70 <0001>");
    client.exchange("34 <'t-3.3.4-7' 0004 <> `x`>", "50 <0004>");
    client.send("34 <'t-3.3.4-7' 0005 <> `x`>");
    client.expect_disconnect(0x93);
}

#[test]
fn mqtt_3_3_4_8_other_packets_are_taken_while_the_receive_maximum_is_used_up() {
    let server = Server::with(&["limits.receive_maximum=1"]);
    let mut subscriber = server.v5("c-3.3.4-8");
    subscriber.subscribe_v5("t-3.3.4-8", 0);
    let mut client = server.v5("c-3.3.4-8b");
    client.exchange("34 <'t-3.3.4-8' 0001 <> `x`>", "50 <0001>");
    client.expect_alive();
    client.subscribe_v5("t-3.3.4-8b", 0);
    client.exchange("30 <'t-3.3.4-8b' <> `y`>", "30 <'t-3.3.4-8b' <> `y`>");
    client.exchange("A2 <0002 <> 't-3.3.4-8b'>", "B0 <0002 <> 00>");
    client.exchange("62 <0001>", "70 <0001>");
}

#[test]
fn mqtt_3_3_4_9_no_more_than_the_client_s_receive_maximum_is_sent() {
    let server = Server::shared();
    let topic = "t-3.3.4-9";
    let mut client = server.v5_as("c-3.3.4-9", 0x02, "<21 0002>", "");
    client.subscribe_v5(topic, 2);
    let mut publisher = server.v5("c-3.3.4-9b");
    for number in 1..=6 {
        let publish = if number % 2 == 1 {
            ("32", "40")
        } else {
            ("34", "50")
        };
        let packet = format!("{} <'{topic}' {number:04X} <> `{number}`>", publish.0);
        publisher.exchange(&packet, &format!("{} <{number:04X}>", publish.1));
    }
    client.expect(&format!("32 <'{topic}' 0001 <> `1`> 34 <'{topic}' 0002 <> `2`>"));
    client.expect_alive();
    // PUBACK makes room, PUBREC does not, PUBREC with a failure does.
    client.exchange("40 <0001>", &format!("32 <'{topic}' 0003 <> `3`>"));
    client.exchange("50 <0002> C0 00", "62 <0002> D0 00");
    client.exchange("70 <0002>", &format!("34 <'{topic}' 0004 <> `4`>"));
    client.exchange("50 <0004 80>", &format!("32 <'{topic}' 0005 <> `5`>"));
    client.exchange("40 <0003>", &format!("34 <'{topic}' 0006 <> `6`>"));
}

#[test]
fn mqtt_3_3_4_9_the_receive_maximum_is_that_of_the_connection() {
    let server = Server::shared();
    let topic = "t-3.3.4-9b";
    let mut client = server.v5_as("c-3.3.4-9c", 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 1);
    let mut publisher = server.v5("c-3.3.4-9d");
    for number in 1..=3 {
        publisher.exchange(&format!("32 <'{topic}' 0001 <> `{number}`>"), "40 <0001>");
        client.expect(&format!("32 <'{topic}' {number:04X} <> `{number}`>"));
    }
    client.drop_connection();
    // The next one takes one at a time, also of what is sent again.
    let mut client = server.v5_as("c-3.3.4-9c", 0x00, "<11 0000003C 21 0001>", "");
    for number in 1..=3 {
        let packet = client.packet();
        let wanted =
            ["3A", "32"].map(|first| bytes(&format!("{first} <'{topic}' {number:04X} <> `{number}`>")));
        assert!(wanted.contains(&packet), "{}", show(&packet));
        client.expect_alive();
        client.send(&format!("40 <{number:04X}>"));
    }
    client.expect_alive();
}

#[test]
fn mqtt_3_3_4_10_other_packets_are_sent_while_the_receive_maximum_is_used_up() {
    let server = Server::shared();
    let topic = "t-3.3.4-10";
    let mut client = server.v5_as("c-3.3.4-10", 0x02, "<21 0001>", "");
    client.subscribe_v5(topic, 1);
    let mut publisher = server.v5("c-3.3.4-10b");
    for _ in 0..2 {
        publisher.exchange(&format!("32 <'{topic}' 0001 <> `x`>"), "40 <0001>");
    }
    client.expect(&format!("32 <'{topic}' 0001 <> `x`>"));
    client.exchange(&format!("82 <0002 <> '{topic}/other' 00>"), "90 <0002 <> 00>");
    client.exchange("34 <'t-3.3.4-10c' 0001 <> `y`>", "50 <0001 10>");
    client.exchange("62 <0001>", "70 <0001>");
    client.exchange(&format!("A2 <0003 <> '{topic}/other'>"), "B0 <0003 <> 00>");
    client.expect_alive();
    client.exchange("40 <0001>", &format!("32 <'{topic}' 0002 <> `x`>"));
}
