//! MQTT 5.0 sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use crate::server::Server;
use crate::v5_acks::{limited, publish};

#[test]
fn mqtt_3_10_1_1_unsubscribe_with_other_flags_is_malformed() {
    let server = Server::shared();
    for first in [0xA0, 0xA1, 0xA3, 0xA6, 0xAA, 0xAF] {
        let mut client = server.v5("c-3.10.1-1");
        client.send(&format!("{first:02X} <0001 <> 'c-3.10.1-1'>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_10_3_1_a_filter_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    for filter in ["(C0AF)", "(EDA080)", "(61 2F FF)", "'a' (61 00)"] {
        let mut client = server.v5("c-3.10.3-1");
        client.send(&format!("A2 <0001 <> {filter}>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_10_3_2_unsubscribe_without_a_filter_is_a_protocol_error() {
    let server = Server::shared();
    for packet in ["A2 <0001 <>>", "A2 <0001 <26 'k' 'v'>>"] {
        let mut client = server.v5("c-3.10.3-2");
        client.send(packet);
        client.expect_disconnect(0x82);
    }
}

#[test]
fn mqtt_3_10_4_1_filters_are_compared_character_by_character() {
    let server = Server::shared();
    let mut client = server.v5("c-3.10.4-1");
    client.subscribe_v5("c-3.10.4-1/+", 0x00);
    for other in [
        "c-3.10.4-1/a",
        "c-3.10.4-1/#",
        "c-3.10.4-1",
        "c-3.10.4-1/+/",
        "C-3.10.4-1/+",
        "+/+",
        "#",
    ] {
        client.exchange(&format!("A2 <0002 <> '{other}'>"), "B0 <0002 <> 11>");
    }
    client.send("30 <'c-3.10.4-1/a' <> `x`>");
    client.expect("30 <'c-3.10.4-1/a' <> `x`>");
    client.exchange("A2 <0003 <> 'c-3.10.4-1/+'>", "B0 <0003 <> 00>");
    client.send("30 <'c-3.10.4-1/a' <> `x`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_2_nothing_new_is_added_after_an_unsubscribe() {
    let server = Server::shared();
    let mut publisher = server.v5("c-3.10.4-2-p");
    let mut client = server.v5("c-3.10.4-2");
    client.exchange(
        "82 <0001 <> 'c-3.10.4-2/a' 01 'c-3.10.4-2/b' 01>",
        "90 <0001 <> 01 01>",
    );
    client.exchange("A2 <0002 <> 'c-3.10.4-2/a'>", "B0 <0002 <> 00>");
    // To whoever sends after the UNSUBACK.
    publish(&mut publisher, 0x32, "c-3.10.4-2/a", 1, "<> `x`");
    publisher.exchange("32 <'c-3.10.4-2/b' 0002 <> `y`>", "40 <0002>");
    client.expect("32 <'c-3.10.4-2/b' 0001 <> `y`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_3_a_delivery_that_was_begun_is_completed_after_an_unsubscribe() {
    let server = Server::shared();
    let mut publisher = server.v5("c-3.10.4-3-p");
    let mut client = server.v5_as("c-3.10.4-3", 0x02, "<11 0000003C>", "");
    client.subscribe_v5("c-3.10.4-3", 0x02);
    publisher.exchange("34 <'c-3.10.4-3' 0001 <> `x`>", "50 <0001>");
    publisher.exchange("32 <'c-3.10.4-3' 0002 <> `y`>", "40 <0002>");
    client.expect("34 <'c-3.10.4-3' 0001 <> `x`> 32 <'c-3.10.4-3' 0002 <> `y`>");
    client.exchange("A2 <0003 <> 'c-3.10.4-3'>", "B0 <0003 <> 00>");
    client.exchange("50 <0001>", "62 <0001>");
    drop(client);
    // What is not yet acknowledged comes again on the next connection.
    let mut client = server.v5_as("c-3.10.4-3", 0x00, "<11 00000000>", "");
    client.expect("62 <0001> 3A <'c-3.10.4-3' 0002 <> `y`>");
    client.send("70 <0001> 40 <0002>");
    client.expect_alive();
}

#[test]
fn mqtt_3_10_4_4_every_unsubscribe_is_answered_by_an_unsuback() {
    let server = Server::shared();
    let mut client = server.v5("c-3.10.4-4");
    client.subscribe_v5("c-3.10.4-4", 0x00);
    client.exchange("A2 <0002 <> 'c-3.10.4-4'>", "B0 <0002 <> 00>");
    client.send("A2 <0003 <> 'c-3.10.4-4'> A2 <0004 <26 'k' 'v'> 'c-3.10.4-4/x'>");
    client.expect("B0 <0003 <> 11> B0 <0004 <> 11>");
}

#[test]
fn mqtt_3_10_4_5_unsuback_has_the_packet_identifier_and_comes_even_if_nothing_was_deleted() {
    let server = Server::shared();
    let mut client = server.v5("c-3.10.4-5");
    client.exchange("A2 <FFFF <> 'c-3.10.4-5'>", "B0 <FFFF <> 11>");
    client.exchange("A2 <0100 <> 'c-3.10.4-5/#' '#' '+'>", "B0 <0100 <> 11 11 11>");
}

#[test]
fn mqtt_3_10_4_6_several_filters_are_taken_one_after_the_other_and_answered_at_once() {
    let server = Server::shared();
    let mut client = server.v5("c-3.10.4-6");
    client.exchange(
        "82 <0001 <> 'c-3.10.4-6/a' 00 'c-3.10.4-6/b' 00>",
        "90 <0001 <> 00 00>",
    );
    // The second time it is gone already.
    client.exchange(
        "A2 <0002 <> 'c-3.10.4-6/a' 'c-3.10.4-6/c' 'c-3.10.4-6/a' 'c-3.10.4-6/b'>",
        "B0 <0002 <> 00 11 11 00>",
    );
    client.expect_alive();
}

#[test]
fn mqtt_3_11_2_1_unsuback_is_never_larger_than_the_client_takes() {
    let server = Server::shared();
    // Just what it needs: two bytes, the identifier, no properties, 27 reason codes.
    let mut client = limited(&server, "c-3.11.2-1", 32);
    let filters: String = (0..27).map(|n| format!("'c-3.11.2-1/{n}'")).collect();
    let codes = "11".repeat(27);
    client.exchange(
        &format!("A2 <0001 <> {filters}>"),
        &format!("B0 <0001 <> {codes}>"),
    );
    client.expect_alive();
}

#[test]
fn mqtt_3_11_3_1_reason_codes_stand_in_the_order_of_the_filters() {
    let server = Server::shared();
    let mut client = server.v5("c-3.11.3-1");
    client.exchange(
        "82 <0001 <> 'c-3.11.3-1/a' 00 'c-3.11.3-1/d' 00>",
        "90 <0001 <> 00 00>",
    );
    client.exchange(
        "A2 <0002 <> 'c-3.11.3-1/c' 'c-3.11.3-1/d' 'c-3.11.3-1/b' 'c-3.11.3-1/a'>",
        "B0 <0002 <> 11 00 11 00>",
    );
}

#[test]
fn mqtt_3_11_3_2_reason_codes_are_those_of_unsubscribe() {
    let server = Server::shared();
    let mut client = server.v5("c-3.11.3-2");
    client.exchange("82 <0001 <> 'c-3.11.3-2/#' 02>", "90 <0001 <> 02>");
    client.exchange("A2 <0002 <> 'c-3.11.3-2/#'>", "B0 <0002 <> 00>");
    client.exchange("A2 <0003 <> 'c-3.11.3-2/#'>", "B0 <0003 <> 11>");
}
