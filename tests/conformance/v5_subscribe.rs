//! MQTT 5.0 sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use crate::notation::bytes;
use crate::server::Server;
use crate::v5_acks::{DENIED, expect_no_property_beyond_the_maximum, publish};

#[test]
fn mqtt_3_8_1_1_subscribe_with_other_flags_is_malformed() {
    let server = Server::shared();
    for first in [0x80, 0x81, 0x83, 0x86, 0x8A, 0x8F] {
        let mut client = server.v5("c-3.8.1-1");
        client.send(&format!("{first:02X} <0001 <> 'c-3.8.1-1' 00>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_8_3_1_a_filter_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    for filter in ["(C0AF)", "(EDA080)", "(61 2F FF)", "(61 00)"] {
        let mut client = server.v5("c-3.8.3-1");
        client.send(&format!("82 <0001 <> {filter} 00>"));
        client.expect_disconnect(0x81);
    }
    // What is UTF-8 is taken as it is, whatever it says.
    let mut client = server.v5("c-3.8.3-1");
    client.subscribe_v5("c-3.8.3-1/ü/😀/\u{feff}", 0x00);
    client.send("30 <'c-3.8.3-1/ü/😀/\u{feff}' <> `x`>");
    client.expect("30 <'c-3.8.3-1/ü/😀/\u{feff}' <> `x`>");
}

#[test]
fn mqtt_3_8_3_2_subscribe_without_a_filter_is_a_protocol_error() {
    let server = Server::shared();
    for packet in ["82 <0001 <>>", "82 <0001 <0B 01>>", "82 <0001 <26 'k' 'v'>>"] {
        let mut client = server.v5("c-3.8.3-2");
        client.send(packet);
        client.expect_disconnect(0x82);
    }
}

#[test]
fn mqtt_3_8_3_3_no_local_keeps_a_client_from_hearing_itself_and_nobody_else() {
    let server = Server::shared();
    let mut client = server.v5("c-3.8.3-3");
    let mut other = server.v5("c-3.8.3-3-o");
    client.subscribe_v5("c-3.8.3-3/#", 0x05);
    other.subscribe_v5("c-3.8.3-3/#", 0x01);
    client.exchange("32 <'c-3.8.3-3/own' 0001 <> `x`>", "40 <0001>");
    other.expect("32 <'c-3.8.3-3/own' 0001 <> `x`>");
    other.send("40 <0001>");
    // The client id decides, not the connection: what is sent after a reconnect is the client's own too.
    let mut kept = server.v5_as("c-3.8.3-3-k", 0x00, "<11 0000003C>", "");
    kept.subscribe_v5("c-3.8.3-3/#", 0x05);
    drop(kept);
    let mut kept = server.v5_as("c-3.8.3-3-k", 0x00, "<11 0000003C>", "");
    kept.send("30 <'c-3.8.3-3/kept' <> `y`>");
    other.expect("30 <'c-3.8.3-3/kept' <> `y`>");
    client.expect("30 <'c-3.8.3-3/kept' <> `y`>");
    // Another subscription that matches and has no No Local.
    client.exchange("82 <0002 <> 'c-3.8.3-3/twice' 00>", "90 <0002 <> 00>");
    client.send("30 <'c-3.8.3-3/twice' <> `z`>");
    client.expect("30 <'c-3.8.3-3/twice' <> `z`>");
    client.expect_alive();
    kept.expect("30 <'c-3.8.3-3/twice' <> `z`>");
    kept.expect_alive();
}

#[test]
fn mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error() {
    let server = Server::shared();
    for options in ["04", "05", "06", "2C"] {
        let mut client = server.v5("c-3.8.3-4");
        client.send(&format!("82 <0001 <> '$share/g/c-3.8.3-4' {options}>"));
        client.expect_disconnect(0x82);
    }
}

#[test]
fn mqtt_3_8_3_5_reserved_bits_of_the_options_are_malformed() {
    let server = Server::shared();
    for options in ["40", "80", "C0", "41", "A2"] {
        let mut client = server.v5("c-3.8.3-5");
        client.send(&format!("82 <0001 <> 'c-3.8.3-5' {options}>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_8_4_1_every_subscribe_is_answered_by_a_suback() {
    let server = Server::with(&[DENIED]);
    let mut client = server.v5("c-3.8.4-1");
    client.exchange("82 <0001 <> 'c-3.8.4-1' 00>", "90 <0001 <> 00>");
    client.exchange("82 <0002 <> 'c-3.8.4-1' 00>", "90 <0002 <> 00>");
    client.send("82 <0003 <> 'denied/a' 00>");
    let packet = client.packet();
    assert_eq!((packet[0], packet.last()), (0x90, Some(&0x87)));
    client.expect_alive();
}

#[test]
fn mqtt_3_8_4_2_suback_has_the_packet_identifier_of_its_subscribe() {
    let server = Server::shared();
    let mut client = server.v5("c-3.8.4-2");
    // Several on their way, in any order of identifiers, are answered in their own.
    client.send("82 <FFFF <> 'c-3.8.4-2/a' 00> 82 <0001 <> 'c-3.8.4-2/b' 01> 82 <8000 <> 'c-3.8.4-2/c' 02>");
    client.expect("90 <FFFF <> 00> 90 <0001 <> 01> 90 <8000 <> 02>");
}

#[test]
fn mqtt_3_8_4_3_a_subscription_to_the_same_filter_replaces_the_one_before() {
    let server = Server::shared();
    let mut client = server.v5("c-3.8.4-3");
    let mut publisher = server.v5("c-3.8.4-3-p");
    client.exchange("82 <0001 <0B 07> 'c-3.8.4-3/+' 00>", "90 <0001 <> 00>");
    publisher.exchange("34 <'c-3.8.4-3/a' 0001 <> `1`>", "50 <0001>");
    client.expect("30 <'c-3.8.4-3/a' <0B 07> `1`>");
    client.exchange("82 <0002 <0B 8001> 'c-3.8.4-3/+' 02>", "90 <0002 <> 02>");
    publisher.exchange("34 <'c-3.8.4-3/a' 0002 <> `2`>", "50 <0002>");
    client.expect("34 <'c-3.8.4-3/a' 0001 <0B 8001> `2`>");
    // Without an identifier: the one before is gone too; with No Local as well.
    client.exchange("82 <0003 <> 'c-3.8.4-3/+' 05>", "90 <0003 <> 01>");
    publisher.exchange("34 <'c-3.8.4-3/a' 0003 <> `3`>", "50 <0003>");
    client.expect("32 <'c-3.8.4-3/a' 0002 <> `3`>");
    client.send("30 <'c-3.8.4-3/a' <> `own`>");
    client.expect_alive();
    // One subscription, so one UNSUBSCRIBE ends it.
    client.exchange("A2 <0004 <> 'c-3.8.4-3/+'>", "B0 <0004 <> 00>");
    client.exchange("A2 <0005 <> 'c-3.8.4-3/+'>", "B0 <0005 <> 11>");
}

#[test]
fn mqtt_3_8_4_4_retained_messages_come_again_and_nothing_is_lost_while_a_subscription_is_replaced() {
    let server = Server::shared();
    let mut client = server.v5("c-3.8.4-4");
    let mut publisher = server.v5("c-3.8.4-4-p");
    publish(&mut publisher, 0x33, "c-3.8.4-4/r", 1, "<> `old`");
    client.send("82 <0001 <> 'c-3.8.4-4/#' 01>");
    client.expect("90 <0001 <> 01> 33 <'c-3.8.4-4/r' 0001 <> `old`>");
    client.send("40 <0001>");
    // Between the first and the last of these the subscription is replaced again and again.
    let rounds = 40;
    for round in 0..rounds {
        publisher.send(&format!("32 <'c-3.8.4-4/s' {:04X} <> {round:04X}>", round + 2));
        client.send(&format!("82 <{:04X} <> 'c-3.8.4-4/#' 01>", round + 2));
    }
    for round in 0..rounds {
        publisher.expect(&format!("40 <{:04X}>", round + 2));
    }
    let (mut streamed, mut retained, mut granted) = (Vec::new(), 0, 0);
    while streamed.len() < rounds || retained < rounds || granted < rounds {
        let packet = client.packet();
        if packet[0] == 0x90 {
            granted += 1;
            continue;
        }
        let id = &packet[4 + "c-3.8.4-4/s".len()..][..2];
        client.send_bytes(&[0x40, 2, id[0], id[1]]);
        match packet[0] {
            0x32 => streamed.push(usize::from(packet[packet.len() - 1])),
            0x33 => retained += 1,
            first => panic!("a packet of type {first:02X}"),
        }
    }
    assert_eq!(streamed, (0..rounds).collect::<Vec<_>>(), "each once, in order");
    assert_eq!((retained, granted), (rounds, rounds));
    client.expect_alive();
}

#[test]
fn mqtt_3_8_4_5_several_filters_are_taken_one_after_the_other_and_answered_at_once() {
    let server = Server::with(&[DENIED]);
    let mut publisher = server.v5("c-3.8.4-5-p");
    publish(&mut publisher, 0x33, "c-3.8.4-5/a", 1, "<> `a`");
    publish(&mut publisher, 0x33, "c-3.8.4-5/b", 2, "<> `b`");
    let mut client = server.v5("c-3.8.4-5");
    // The same filter twice: the later one counts, and Retain Handling 1 finds that it exists.
    client.send("82 <0001 <> 'c-3.8.4-5/a' 02 'denied/a' 00 'c-3.8.4-5/b' 10 'c-3.8.4-5/a' 10>");
    let packet = client.packet();
    assert_eq!(packet[0], 0x90);
    assert_eq!(packet[packet.len() - 4..], [0x02, 0x87, 0x00, 0x00]);
    // Of different topics they come in any order.
    let mut retained = [client.packet(), client.packet()];
    retained.sort();
    let wanted = ["31 <'c-3.8.4-5/a' <> `a`>", "31 <'c-3.8.4-5/b' <> `b`>"].map(bytes);
    assert_eq!(retained, wanted);
    publisher.exchange("34 <'c-3.8.4-5/a' 0003 <> `x`>", "50 <0003>");
    client.expect("30 <'c-3.8.4-5/a' <> `x`>");
    client.expect_alive();
}

#[test]
fn mqtt_3_8_4_6_suback_has_a_reason_code_for_each_filter() {
    let server = Server::shared();
    let mut client = server.v5("c-3.8.4-6");
    let filters: String = (0..200)
        .map(|n| format!("'c-3.8.4-6/{n}' {:02X}", n % 3))
        .collect();
    let codes: String = (0..200).map(|n| format!("{:02X}", n % 3)).collect();
    client.exchange(
        &format!("82 <0001 <> {filters}>"),
        &format!("90 <0001 <> {codes}>"),
    );
}

#[test]
fn mqtt_3_8_4_7_the_reason_code_is_the_granted_qos_or_a_failure() {
    let server = Server::with(&[DENIED, "listener.mqtt.max_qos_allowed=1"]);
    let mut client = server.v5("c-3.8.4-7");
    client.exchange(
        "82 <0001 <> 'c-3.8.4-7/a' 00 'c-3.8.4-7/b' 01 'c-3.8.4-7/c' 02>",
        "90 <0001 <> 00 01 01>",
    );
    client.send("82 <0002 <> 'denied/#' 02>");
    let packet = client.packet();
    assert_eq!(packet.last(), Some(&0x87));
}

#[test]
fn mqtt_3_8_4_8_messages_have_the_lower_qos_of_publish_and_subscription() {
    let server = Server::shared();
    let mut publisher = server.v5("c-3.8.4-8-p");
    let mut clients = [0, 1, 2].map(|qos| {
        let mut client = server.v5(&format!("c-3.8.4-8-{qos}"));
        client.subscribe_v5("c-3.8.4-8", qos);
        client
    });
    publisher.send("30 <'c-3.8.4-8' <> `0`>");
    publisher.exchange("32 <'c-3.8.4-8' 0001 <> `1`>", "40 <0001>");
    publisher.exchange("34 <'c-3.8.4-8' 0002 <> `2`>", "50 <0002>");
    let expected = [
        "30 <'c-3.8.4-8' <> `0`> 30 <'c-3.8.4-8' <> `1`> 30 <'c-3.8.4-8' <> `2`>",
        "30 <'c-3.8.4-8' <> `0`> 32 <'c-3.8.4-8' 0001 <> `1`> 32 <'c-3.8.4-8' 0002 <> `2`>",
        "30 <'c-3.8.4-8' <> `0`> 32 <'c-3.8.4-8' 0001 <> `1`> 34 <'c-3.8.4-8' 0002 <> `2`>",
    ];
    for (client, expected) in clients.iter_mut().zip(expected) {
        client.expect(expected);
        client.expect_alive();
    }
    // Retained messages are no exception.
    publish(&mut publisher, 0x35, "c-3.8.4-8/r", 3, "<> `r`");
    for (qos, client) in clients.iter_mut().enumerate() {
        let message = [
            "31 <'c-3.8.4-8/r' <> `r`>",
            "33 <'c-3.8.4-8/r' 0003 <> `r`>",
            "35 <'c-3.8.4-8/r' 0003 <> `r`>",
        ];
        client.send(&format!("82 <0002 <> 'c-3.8.4-8/r' {qos:02X}>"));
        client.expect(&format!("90 <0002 <> {qos:02X}> {}", message[qos]));
    }
}

#[test]
fn mqtt_3_9_2_1_suback_leaves_out_what_makes_it_larger_than_the_client_takes() {
    let server = Server::with(&[DENIED]);
    let question = "82 <0007 <> 'denied/a' 00>";
    expect_no_property_beyond_the_maximum(&server, "c-3.9.2-1", question, "90 <0007 <> 87>");
}

#[test]
fn mqtt_3_9_3_1_reason_codes_stand_in_the_order_of_the_filters() {
    let server = Server::with(&[DENIED]);
    let mut client = server.v5("c-3.9.3-1");
    client
        .send("82 <0001 <> 'c-3.9.3-1/a' 02 'denied/a' 01 'c-3.9.3-1/b' 00 'denied/b' 00 'c-3.9.3-1/c' 01>");
    let packet = client.packet();
    assert_eq!(packet[packet.len() - 5..], [0x02, 0x87, 0x00, 0x87, 0x01]);
}

#[test]
fn mqtt_3_9_3_2_reason_codes_are_those_of_subscribe() {
    let settings = [
        DENIED,
        "limits.subscriptions=3",
        "limits.topic_levels=4",
        "listener.mqtt.wildcard_subscription=false",
        "listener.mqtt.shared_subscription=false",
    ];
    let server = Server::with(&settings);
    let mut client = server.v5("c-3.9.3-2");
    for (filter, code) in [
        ("c-3.9.3-2/0", 0x00),
        ("c-3.9.3-2/1", 0x01),
        ("c-3.9.3-2/2", 0x02),
        ("denied/a", 0x87),
        ("a/b/c/d/e", 0x8F),
        ("c-3.9.3-2/3", 0x97),
        ("$share/g/c-3.9.3-2", 0x9E),
        ("c-3.9.3-2/+", 0xA2),
        ("#", 0xA2),
    ] {
        let qos = code & 0x03 & if code < 0x80 { 3 } else { 0 };
        client.send(&format!("82 <0001 <> '{filter}' {qos:02X}>"));
        let packet = client.packet();
        assert_eq!((packet[0], packet.last()), (0x90, Some(&code)), "{filter}");
    }
    client.expect_alive();
}
