//! MQTT 3.1.1 sections 3.8 to 3.11: SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK.

use crate::server::{Server, connect_v3};
use crate::v5_acks::DENIED;

#[test]
fn mqtt_3_8_3_2_filters_with_wildcards_are_taken_or_refused() {
    let server = Server::shared();
    let mut client = server.v3("3-3.8.3-2");
    client.exchange("82 <0001 '3-3.8.3-2/+/a' 00 '3-3.8.3-2/#' 00>", "90 <0001 00 00>");
    client.send("30 <'3-3.8.3-2/b/a' `x`>");
    client.expect("30 <'3-3.8.3-2/b/a' `x`>");
    client.expect_alive();
    let server = Server::with(&[DENIED, "listener.mqtt.wildcard_subscription=false"]);
    let mut client = server.v3("3-3.8.3-2");
    client.exchange(
        "82 <0001 '3-3.8.3-2/+' 00 '3-3.8.3-2' 00 '3-3.8.3-2/#' 02>",
        "90 <0001 80 00 80>",
    );
    client.send("30 <'3-3.8.3-2/a' `x`> 30 <'3-3.8.3-2' `y`>");
    client.expect("30 <'3-3.8.3-2' `y`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_8_4_1_every_subscribe_is_answered_by_a_suback() {
    let server = Server::with(&[DENIED]);
    let mut client = server.v3("3-3.8.4-1");
    for packet in ["82 <0001 '3-3.8.4-1' 00>", "82 <0001 '3-3.8.4-1' 00>"] {
        client.exchange(packet, "90 <0001 00>");
    }
    client.exchange("82 <0002 'denied/a' 01>", "90 <0002 80>");
    client.expect_alive();
}

#[test]
fn mqtt_3_8_4_2_suback_has_the_packet_identifier_of_its_subscribe() {
    let server = Server::shared();
    let mut client = server.v3("3-3.8.4-2");
    client.send("82 <FFFF '3-3.8.4-2/a' 00> 82 <0001 '3-3.8.4-2/b' 01> 82 <8000 '3-3.8.4-2/c' 02>");
    client.expect("90 <FFFF 00> 90 <0001 01> 90 <8000 02>");
}

/// [MQTT-3.8.4-3] and [MQTT-3.8.4-5] are statements too, which the list of 3.1.1 leaves out.
#[test]
fn mqtt_3_8_4_4_several_filters_are_taken_one_after_the_other_and_answered_at_once() {
    let server = Server::with(&[DENIED]);
    let mut client = server.v3("3-3.8.4-4");
    let mut publisher = server.v3("3-3.8.4-4-p");
    publisher.exchange("33 <'3-3.8.4-4/a' 0001 `kept`>", "40 <0001>");
    // The same filter twice: the later one counts.
    client
        .send("82 <0001 '3-3.8.4-4/c' 02 'denied/a' 00 '3-3.8.4-4/b' 01 '3-3.8.4-4/a' 00 '3-3.8.4-4/c' 00>");
    client.expect("90 <0001 02 80 01 00 00> 31 <'3-3.8.4-4/a' `kept`>");
    publisher.exchange("34 <'3-3.8.4-4/c' 0009 `c`>", "50 <0009>");
    client.expect("30 <'3-3.8.4-4/c' `c`>");
    publisher.exchange("34 <'3-3.8.4-4/a' 0002 `x`>", "50 <0002>");
    client.expect("30 <'3-3.8.4-4/a' `x`>");
    // A subscription that is replaced: at another QoS, once, and its retained message again.
    client.send("82 <0002 '3-3.8.4-4/a' 01>");
    client.expect("90 <0002 01> 33 <'3-3.8.4-4/a' 0001 `kept`>");
    publisher.exchange("34 <'3-3.8.4-4/a' 0003 `y`>", "50 <0003>");
    client.expect("32 <'3-3.8.4-4/a' 0002 `y`>");
    client.expect_alive();
    client.exchange("A2 <0003 '3-3.8.4-4/a'>", "B0 <0003>");
    publisher.exchange("32 <'3-3.8.4-4/a' 0004 `z`>", "40 <0004>");
    publisher.exchange("32 <'3-3.8.4-4/b' 0005 `b`>", "40 <0005>");
    client.expect("32 <'3-3.8.4-4/b' 0003 `b`>");
}

#[test]
fn mqtt_3_9_3_1_return_codes_stand_in_the_order_of_the_filters() {
    let server = Server::with(&[DENIED]);
    let mut client = server.v3("3-3.9.3-1");
    client.exchange(
        "82 <0001 '3-3.9.3-1/a' 02 'denied/a' 01 '3-3.9.3-1/b' 00 'denied/b' 00 '3-3.9.3-1/c' 01>",
        "90 <0001 02 80 00 80 01>",
    );
}

#[test]
fn mqtt_3_9_3_2_return_codes_are_00_01_02_and_80() {
    let settings = [
        DENIED,
        "limits.subscriptions=3",
        "limits.topic_levels=4",
        "listener.mqtt.shared_subscription=false",
        "listener.mqtt.exclusive_subscription=false",
    ];
    let server = Server::with(&settings);
    let mut client = server.v3("3-3.9.3-2");
    for (filter, qos, code) in [
        ("3-3.9.3-2/0", 0, "00"),
        ("3-3.9.3-2/1", 1, "01"),
        ("3-3.9.3-2/2", 2, "02"),
        // Whatever the reason: not allowed, too deep, too many, not there.
        ("denied/a", 0, "80"),
        ("a/b/c/d/e", 1, "80"),
        ("3-3.9.3-2/3", 2, "80"),
        ("$share/g/3-3.9.3-2", 0, "80"),
        ("$exclusive/3-3.9.3-2", 0, "80"),
    ] {
        client.exchange(
            &format!("82 <0001 '{filter}' {qos:02X}>"),
            &format!("90 <0001 {code}>"),
        );
    }
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_1_filters_are_compared_character_by_character() {
    let server = Server::shared();
    let mut client = server.v3("3-3.10.4-1");
    client.subscribe_v3("3-3.10.4-1/+", 0);
    for other in [
        "3-3.10.4-1/a",
        "3-3.10.4-1/#",
        "3-3.10.4-1",
        "3-3.10.4-1/+/",
        "+/+",
        "#",
    ] {
        client.exchange(&format!("A2 <0002 '{other}'>"), "B0 <0002>");
    }
    client.send("30 <'3-3.10.4-1/a' `x`>");
    client.expect("30 <'3-3.10.4-1/a' `x`>");
    client.exchange("A2 <0003 '3-3.10.4-1/+'>", "B0 <0003>");
    client.send("30 <'3-3.10.4-1/a' `x`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_2_nothing_new_is_added_after_an_unsubscribe() {
    let server = Server::shared();
    let mut publisher = server.v3("3-3.10.4-2-p");
    let mut client = server.v3("3-3.10.4-2");
    client.exchange("82 <0001 '3-3.10.4-2/a' 01 '3-3.10.4-2/b' 01>", "90 <0001 01 01>");
    client.exchange("A2 <0002 '3-3.10.4-2/a'>", "B0 <0002>");
    publisher.exchange("32 <'3-3.10.4-2/a' 0001 `x`>", "40 <0001>");
    publisher.exchange("32 <'3-3.10.4-2/b' 0002 `y`>", "40 <0002>");
    client.expect("32 <'3-3.10.4-2/b' 0001 `y`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_3_a_delivery_that_was_begun_is_completed_after_an_unsubscribe() {
    let server = Server::shared();
    let mut publisher = server.v3("3-3.10.4-3-p");
    let mut client = server.v3_as("3-3.10.4-3", 0x00, "");
    client.subscribe_v3("3-3.10.4-3", 2);
    publisher.exchange("34 <'3-3.10.4-3' 0001 `x`>", "50 <0001>");
    publisher.exchange("32 <'3-3.10.4-3' 0002 `y`>", "40 <0002>");
    client.expect("34 <'3-3.10.4-3' 0001 `x`> 32 <'3-3.10.4-3' 0002 `y`>");
    client.exchange("A2 <0003 '3-3.10.4-3'>", "B0 <0003>");
    client.exchange("50 <0001>", "62 <0001>");
    drop(client);
    let mut client = server.v3_as("3-3.10.4-3", 0x00, "");
    client.expect("62 <0001> 3A <'3-3.10.4-3' 0002 `y`>");
    client.send("70 <0001> 40 <0002>");
    client.expect_alive();
    // So that nothing is left of it.
    server
        .send(&connect_v3("3-3.10.4-3", 0x02, ""))
        .expect("20 <00 00>");
}

#[test]
fn mqtt_3_10_4_4_unsuback_has_the_packet_identifier_of_its_unsubscribe() {
    let server = Server::shared();
    let mut client = server.v3("3-3.10.4-4");
    client.subscribe_v3("3-3.10.4-4", 0);
    client.send("A2 <FFFF '3-3.10.4-4'> A2 <0100 'a' 'b'> A2 <0001 '3-3.10.4-4'>");
    client.expect("B0 <FFFF> B0 <0100> B0 <0001>");
}

#[test]
fn mqtt_3_10_4_5_unsuback_comes_even_if_nothing_was_deleted() {
    let server = Server::shared();
    let mut client = server.v3("3-3.10.4-5");
    client.exchange("A2 <0001 '3-3.10.4-5'>", "B0 <0001>");
    client.exchange("A2 <0001 '3-3.10.4-5/#' '+'>", "B0 <0001>");
}

#[test]
fn mqtt_3_10_4_6_several_filters_are_taken_one_after_the_other_and_answered_at_once() {
    let server = Server::shared();
    let mut client = server.v3("3-3.10.4-6");
    client.exchange(
        "82 <0001 '3-3.10.4-6/a' 00 '3-3.10.4-6/b' 00 '3-3.10.4-6/c' 00>",
        "90 <0001 00 00 00>",
    );
    client.exchange(
        "A2 <0002 '3-3.10.4-6/c' '3-3.10.4-6/x' '3-3.10.4-6/c' '3-3.10.4-6/a'>",
        "B0 <0002>",
    );
    client.send("30 <'3-3.10.4-6/a' `x`> 30 <'3-3.10.4-6/c' `x`> 30 <'3-3.10.4-6/b' `x`>");
    client.expect("30 <'3-3.10.4-6/b' `x`>");
    client.expect_alive();
}
