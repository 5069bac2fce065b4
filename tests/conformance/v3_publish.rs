//! MQTT 3.1.1 chapters 1 and 2, and section 3.3: packet identifiers, and PUBLISH with its flags, RETAIN and answers.

use crate::client::Client;
use crate::notation::bytes;
use crate::server::Server;
use std::time::Duration;

/// Publishes, and is sure that the server has it.
fn publish(server: &Server, topic: &str, packets: &str) {
    let mut publisher = server.v3(&format!("p-{topic}"));
    publisher.exchange(&format!("{packets} C0 00"), "D0 00");
}

/// What a new subscription at this QoS gets at once, and nothing else.
#[track_caller]
fn expect_retained(server: &Server, topic: &str, qos: u8, messages: &str) -> Client {
    let mut client = server.v3(&format!("late-{topic}"));
    client.subscribe_v3(topic, qos);
    client.expect(messages);
    client.expect_silence(Duration::from_millis(100));
    client.expect_alive();
    client
}

#[test]
fn mqtt_1_5_3_3_a_byte_order_mark_is_a_character_like_others() {
    let server = Server::shared();
    let mut client = server.v3("c3-1.5.3-3");
    client.exchange("82 <0001 (EFBBBF `t3-1.5.3-3`) 00>", "90 <0001 00>");
    client.send("30 <'t3-1.5.3-3' `x`>");
    client.exchange("30 <(EFBBBF `t3-1.5.3-3`) `y`>", "30 <(EFBBBF `t3-1.5.3-3`) `y`>");
}

#[test]
fn mqtt_2_3_1_2_a_packet_identifier_that_is_on_its_way_is_the_same_message() {
    let server = Server::shared();
    let topic = "t3-2.3.1-2";
    let mut subscriber = server.v3("c3-2.3.1-2");
    subscriber.subscribe_v3(topic, 0);
    let mut client = server.v3("c3-2.3.1-2b");
    // A client that takes a used one loses its message: what is unused is known by PUBCOMP alone.
    client.exchange(&format!("34 <'{topic}' 0001 `one`>"), "50 02 0001");
    client.exchange(&format!("34 <'{topic}' 0001 `two`>"), "50 02 0001");
    client.exchange("62 02 0001", "70 02 0001");
    client.exchange(&format!("34 <'{topic}' 0001 `three`>"), "50 02 0001");
    subscriber.expect(&format!("30 <'{topic}' `one`> 30 <'{topic}' `three`>"));
}

#[test]
fn mqtt_2_3_1_3_a_packet_identifier_is_free_again_with_its_acknowledgement() {
    let server = Server::shared();
    let topic = "t3-2.3.1-3";
    let mut client = server.v3("c3-2.3.1-3");
    for _ in 0..2 {
        client.exchange(&format!("82 <0007 '{topic}' 00>"), "90 03 0007 00");
        client.exchange(&format!("A2 <0007 '{topic}'>"), "B0 02 0007");
        client.exchange(&format!("32 <'{topic}' 0007 `x`>"), "40 02 0007");
        client.exchange(&format!("34 <'{topic}' 0007 `x`>"), "50 02 0007");
        client.exchange("62 02 0007", "70 02 0007");
    }
}

#[test]
fn mqtt_2_3_1_4_the_server_takes_no_packet_identifier_that_is_on_its_way() {
    let server = Server::shared();
    let topic = "t3-2.3.1-4";
    let mut client = server.v3("c3-2.3.1-4");
    client.subscribe_v3(topic, 2);
    let mut publisher = server.v3("c3-2.3.1-4b");
    for number in 1..=4 {
        publisher.exchange(&format!("32 <'{topic}' 0001 `x`>"), "40 02 0001");
        client.expect(&format!("32 <'{topic}' {number:04X} `x`>"));
        // 1 and 3 stay without an answer.
        if number % 2 == 0 {
            client.send(&format!("40 02 {number:04X}"));
        }
    }
    publisher.exchange(&format!("34 <'{topic}' 0001 `x`>"), "50 02 0001");
    let packet = client.packet();
    let identifier = &packet[4 + topic.len()..6 + topic.len()];
    assert!(
        ![[0, 0], [0, 1], [0, 3]].iter().any(|taken| taken == identifier),
        "{packet:02X?}"
    );
}

#[test]
fn mqtt_2_3_1_6_acknowledgements_carry_the_packet_identifier_of_their_publish() {
    let server = Server::shared();
    let topic = "t3-2.3.1-6";
    let mut client = server.v3("c3-2.3.1-6");
    client.exchange(&format!("32 <'{topic}' 8001 `x`>"), "40 02 8001");
    client.exchange(&format!("34 <'{topic}' FFFF `x`>"), "50 02 FFFF");
    client.exchange("62 02 FFFF", "70 02 FFFF");
    client.subscribe_v3(topic, 2);
    let mut publisher = server.v3("c3-2.3.1-6b");
    publisher.exchange(&format!("34 <'{topic}' 1234 `x`>"), "50 02 1234");
    client.expect(&format!("34 <'{topic}' 0001 `x`>"));
    client.exchange("50 02 0001", "62 02 0001");
}

#[test]
fn mqtt_2_3_1_7_suback_and_unsuback_carry_the_packet_identifier_of_their_request() {
    let server = Server::shared();
    let mut client = server.v3("c3-2.3.1-7");
    client.exchange("82 <1234 't3-2.3.1-7' 01>", "90 03 1234 01");
    client.exchange("A2 <FFFF 't3-2.3.1-7'>", "B0 02 FFFF");
}

#[test]
fn mqtt_3_3_1_1_what_is_sent_again_after_a_reconnect_has_dup() {
    let server = Server::shared();
    let topic = "t3-3.3.1-1";
    let mut client = server.v3_as("c3-3.3.1-1", 0x00, "");
    client.subscribe_v3(topic, 2);
    let mut publisher = server.v3("c3-3.3.1-1b");
    publisher.exchange(&format!("32 <'{topic}' 0001 `one`>"), "40 02 0001");
    publisher.exchange(&format!("34 <'{topic}' 0002 `two`>"), "50 02 0002");
    client.expect(&format!("32 <'{topic}' 0001 `one`> 34 <'{topic}' 0002 `two`>"));
    client.drop_connection();
    publisher.exchange(&format!("32 <'{topic}' 0003 `three`>"), "40 02 0003");
    let mut client = server.v3_as("c3-3.3.1-1", 0x00, "");
    client.expect(&format!(
        "3A <'{topic}' 0001 `one`> 3C <'{topic}' 0002 `two`> 32 <'{topic}' 0003 `three`>"
    ));
}

#[test]
fn mqtt_3_3_1_3_dup_is_not_passed_on() {
    let server = Server::shared();
    let topic = "t3-3.3.1-3";
    let mut client = server.v3("c3-3.3.1-3");
    client.subscribe_v3(topic, 2);
    let mut publisher = server.v3("c3-3.3.1-3b");
    publisher.exchange(&format!("3A <'{topic}' 0001 `one`>"), "40 02 0001");
    publisher.exchange(&format!("3C <'{topic}' 0002 `two`>"), "50 02 0002");
    client.expect(&format!("32 <'{topic}' 0001 `one`> 34 <'{topic}' 0002 `two`>"));
}

#[test]
fn mqtt_3_3_1_5_a_retained_message_is_stored_with_its_qos() {
    let server = Server::shared();
    for qos in 0..3 {
        let topic = format!("t3-3.3.1-5-{qos}");
        let identifier = if qos == 0 { "" } else { "0001" };
        let mut publisher = server.v3("c3-3.3.1-5");
        publisher.send(&format!(
            "{:02X} <'{topic}' {identifier} `kept`>",
            0x31 | qos << 1
        ));
        if qos > 0 {
            publisher.packet();
        }
        publisher.expect_alive();
        for granted in 0..3 {
            let qos = qos.min(granted);
            let identifier = if qos == 0 { "" } else { "0001" };
            let kept = format!("{:02X} <'{topic}' {identifier} `kept`>", 0x31 | qos << 1);
            expect_retained(&server, &topic, granted, &kept);
        }
    }
}

#[test]
fn mqtt_3_3_1_6_the_last_retained_message_is_sent_to_each_new_subscription() {
    let server = Server::shared();
    let topic = "t3-3.3.1-6";
    publish(
        &server,
        topic,
        &format!("31 <'{topic}/a' `old`> 31 <'{topic}/a' `new`> 31 <'{topic}/b' `b`>"),
    );
    let mut client = expect_retained(
        &server,
        &format!("{topic}/a"),
        0,
        &format!("31 <'{topic}/a' `new`>"),
    );
    // Also to one that is there already: it is replaced by an equal one.
    client.subscribe_v3(&format!("{topic}/a"), 0);
    client.expect(&format!("31 <'{topic}/a' `new`>"));
    client.subscribe_v3(&format!("{topic}/+"), 0);
    let mut got = [client.packet(), client.packet()];
    got.sort();
    let wanted = [format!("31 <'{topic}/b' `b`>"), format!("31 <'{topic}/a' `new`>")];
    assert_eq!(got, wanted.map(|text| bytes(&text)));
}

#[test]
fn mqtt_3_3_1_7_a_retained_message_of_qos_0_replaces_the_one_before() {
    let server = Server::shared();
    let topic = "t3-3.3.1-7";
    let mut publisher = server.v3("c3-3.3.1-7");
    publisher.exchange(&format!("33 <'{topic}' 0001 `old`>"), "40 02 0001");
    publish(&server, topic, &format!("31 <'{topic}' `new`>"));
    expect_retained(&server, topic, 2, &format!("31 <'{topic}' `new`>"));
}

#[test]
fn mqtt_3_3_1_8_what_a_subscription_brings_has_retain() {
    let server = Server::shared();
    let topic = "t3-3.3.1-8";
    publish(&server, topic, &format!("31 <'{topic}' `kept`>"));
    expect_retained(&server, topic, 0, &format!("31 <'{topic}' `kept`>"));
}

#[test]
fn mqtt_3_3_1_9_what_comes_to_an_established_subscription_has_no_retain() {
    let server = Server::shared();
    let topic = "t3-3.3.1-9";
    let mut client = server.v3("c3-3.3.1-9");
    client.subscribe_v3(topic, 1);
    let mut publisher = server.v3("c3-3.3.1-9b");
    publisher.send(&format!("31 <'{topic}' `zero`>"));
    publisher.exchange(&format!("33 <'{topic}' 0001 `one`>"), "40 02 0001");
    client.expect(&format!("30 <'{topic}' `zero`> 32 <'{topic}' 0001 `one`>"));
}

#[test]
fn mqtt_3_3_1_10_an_empty_retained_message_removes_the_one_before() {
    let server = Server::shared();
    let topic = "t3-3.3.1-10";
    publish(&server, topic, &format!("31 <'{topic}' `kept`>"));
    let mut client = expect_retained(&server, topic, 0, &format!("31 <'{topic}' `kept`>"));
    publish(&server, topic, &format!("31 <'{topic}'>"));
    client.expect(&format!("30 <'{topic}'>"));
    expect_retained(&server, topic, 0, "");
}

#[test]
fn mqtt_3_3_1_11_an_empty_message_is_not_retained() {
    let server = Server::shared();
    let topic = "t3-3.3.1-11";
    publish(&server, topic, &format!("31 <'{topic}'>"));
    expect_retained(&server, topic, 0, "");
}

#[test]
fn mqtt_3_3_1_12_a_message_without_retain_changes_nothing() {
    let server = Server::shared();
    let topic = "t3-3.3.1-12";
    publish(&server, topic, &format!("30 <'{topic}' `live`>"));
    expect_retained(&server, topic, 0, "");
    publish(
        &server,
        topic,
        &format!("31 <'{topic}' `kept`> 30 <'{topic}' `live`> 30 <'{topic}'>"),
    );
    expect_retained(&server, topic, 0, &format!("31 <'{topic}' `kept`>"));
}

#[test]
fn mqtt_3_3_2_3_the_topic_name_that_is_sent_matches_the_filter() {
    let server = Server::shared();
    let mut client = server.v3("c3-3.3.2-3");
    for filter in ["t3-3.3.2-3/a", "t3-3.3.2-3/+/c", "t3-3.3.2-3/d/#"] {
        client.subscribe_v3(filter, 0);
    }
    let mut publisher = server.v3("c3-3.3.2-3b");
    for topic in ["b", "a/b", "A", "", "e", "a/c/"] {
        publisher.send(&format!("30 <'t3-3.3.2-3/{topic}' `no`>"));
    }
    for topic in ["a", "b/c", "/c", "d", "d/", "d/e/f"] {
        publisher.send(&format!("30 <'t3-3.3.2-3/{topic}' `yes`>"));
        client.expect(&format!("30 <'t3-3.3.2-3/{topic}' `yes`>"));
    }
}

#[test]
fn mqtt_3_3_4_1_a_publish_is_answered_according_to_its_qos() {
    let server = Server::shared();
    // Whether somebody subscribes or not: 3.1.1 has no way to say so.
    for topic in ["t3-3.3.4-1", "t3-3.3.4-1b"] {
        let mut client = server.v3("c3-3.3.4-1");
        client.exchange(&format!("30 <'{topic}' `x`> C0 00"), "D0 00");
        client.exchange(&format!("32 <'{topic}' 0001 `x`> C0 00"), "40 02 0001 D0 00");
        client.exchange(&format!("34 <'{topic}' 0002 `x`> C0 00"), "50 02 0002 D0 00");
        client.exchange("62 02 0002 C0 00", "70 02 0002 D0 00");
    }
}

#[test]
fn mqtt_3_3_5_1_overlapping_subscriptions_bring_the_highest_qos() {
    let server = Server::shared();
    let topic = "t3-3.3.5-1";
    let mut client = server.v3("c3-3.3.5-1");
    for (filter, qos) in [("#", 0), ("+/b", 2), ("a/b", 1)] {
        client.subscribe_v3(&format!("{topic}/{filter}"), qos);
    }
    let mut publisher = server.v3("c3-3.3.5-1b");
    publisher.exchange(&format!("34 <'{topic}/a/b' 0001 `x`>"), "50 02 0001");
    publisher.exchange(&format!("32 <'{topic}/a/b' 0002 `y`>"), "40 02 0002");
    // One copy each.
    client.expect(&format!(
        "34 <'{topic}/a/b' 0001 `x`> 32 <'{topic}/a/b' 0002 `y`>"
    ));
    client.expect_alive();
}

#[test]
fn mqtt_3_3_5_2_a_publish_that_is_not_authorized_is_acknowledged_and_not_sent() {
    let rules = "access.rules=[{allow=false,operation=\"publish\",topics=[\"denied/#\"]}]";
    let server = Server::with(&[rules]);
    let mut watcher = server.v3("c3-3.3.5-2");
    watcher.subscribe_v3("#", 2);
    let mut client = server.v3("c3-3.3.5-2b");
    client.exchange("30 <'denied/a' `x`> C0 00", "D0 00");
    client.exchange("32 <'denied/a' 0001 `x`>", "40 02 0001");
    client.exchange("34 <'denied/a' 0002 `x`>", "50 02 0002");
    client.exchange("62 02 0002", "70 02 0002");
    client.send("30 <'allowed' `x`>");
    watcher.expect("30 <'allowed' `x`>");
}
