//! MQTT 5.0 section 3.3.1: the flags of PUBLISH, DUP, QoS and RETAIN, and what is retained.
//!
//! Retained messages come after SUBACK. That one does not come is shown by the one that must, and a short silence.

use crate::client::Client;
use crate::server::Server;
use std::time::Duration;

/// Publishes, and is sure that the server has it.
fn publish(server: &Server, topic: &str, packets: &str) {
    let mut publisher = server.v5(&format!("p-{topic}"));
    publisher.exchange(&format!("{packets} C0 00"), "D0 00");
}

/// What a new subscription with these options gets at once, and nothing else.
#[track_caller]
fn expect_retained(server: &Server, topic: &str, options: u8, messages: &str) -> Client {
    let mut client = server.v5(&format!("late-{topic}"));
    client.subscribe_v5(topic, options);
    client.expect(messages);
    client.expect_silence(Duration::from_millis(100));
    client.expect_alive();
    client
}

#[test]
fn mqtt_3_3_1_1_what_is_sent_again_after_a_reconnect_has_dup() {
    let server = Server::shared();
    let topic = "t-3.3.1-1";
    let mut client = server.v5_as("c-3.3.1-1", 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 2);
    let mut publisher = server.v5("c-3.3.1-1b");
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `one`>"), "40 <0001>");
    publisher.exchange(&format!("34 <'{topic}' 0002 <> `two`>"), "50 <0002>");
    publisher.exchange(&format!("34 <'{topic}' 0003 <> `three`>"), "50 <0003>");
    client.expect(&format!(
        "32 <'{topic}' 0001 <> `one`> 34 <'{topic}' 0002 <> `two`>"
    ));
    client.expect(&format!("34 <'{topic}' 0003 <> `three`>"));
    client.exchange("50 <0003>", "62 <0003>");
    client.drop_connection();
    publisher.exchange(&format!("32 <'{topic}' 0004 <> `four`>"), "40 <0004>");
    // What was sent has DUP now, what was not has none; the third is past its PUBLISH.
    let mut client = server.v5_as("c-3.3.1-1", 0x00, "<11 0000003C>", "");
    client.expect(&format!(
        "3A <'{topic}' 0001 <> `one`> 3C <'{topic}' 0002 <> `two`> 62 <0003>"
    ));
    client.expect(&format!("32 <'{topic}' 0004 <> `four`>"));
}

#[test]
fn mqtt_3_3_1_1_a_publish_with_dup_is_taken_like_another() {
    let server = Server::shared();
    let topic = "t-3.3.1-1b";
    let mut client = server.v5("c-3.3.1-1c");
    client.subscribe_v5(topic, 0);
    client.send(&format!("3A <'{topic}' 0001 <> `x`> 3C <'{topic}' 0002 <> `y`>"));
    let mut got: Vec<_> = (0..4).map(|_| client.packet()[0]).collect();
    got.sort_unstable();
    assert_eq!(got, [0x30, 0x30, 0x40, 0x50]);
    // At QoS 2 the packet identifier says whether it is the same message.
    client.exchange(&format!("3C <'{topic}' 0002 <> `y`> C0 00"), "50 <0002> D0 00");
}

#[test]
fn mqtt_3_3_1_2_dup_at_qos_0_is_malformed() {
    let server = Server::shared();
    for packet in ["38 <'t-3.3.1-2' <> `x`>", "39 <'t-3.3.1-2' <> `x`>"] {
        let mut client = server.v5("c-3.3.1-2");
        client.send(packet);
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_3_1_2_what_goes_on_at_qos_0_has_no_dup() {
    let server = Server::shared();
    let topic = "t-3.3.1-2b";
    let mut client = server.v5("c-3.3.1-2b");
    client.subscribe_v5(topic, 0);
    publish(&server, topic, &format!("30 <'{topic}' <> `zero`>"));
    client.expect(&format!("30 <'{topic}' <> `zero`>"));
    let mut publisher = server.v5("c-3.3.1-2c");
    publisher.exchange(&format!("3A <'{topic}' 0001 <> `one`>"), "40 <0001>");
    client.expect(&format!("30 <'{topic}' <> `one`>"));
}

#[test]
fn mqtt_3_3_1_3_dup_is_not_passed_on() {
    let server = Server::shared();
    let topic = "t-3.3.1-3";
    let mut client = server.v5("c-3.3.1-3");
    client.subscribe_v5(topic, 2);
    let mut publisher = server.v5("c-3.3.1-3b");
    publisher.exchange(&format!("3A <'{topic}' 0001 <> `one`>"), "40 <0001>");
    publisher.exchange(&format!("3C <'{topic}' 0002 <> `two`>"), "50 <0002>");
    client.expect(&format!(
        "32 <'{topic}' 0001 <> `one`> 34 <'{topic}' 0002 <> `two`>"
    ));
}

#[test]
fn mqtt_3_3_1_4_both_qos_bits_are_malformed() {
    let server = Server::shared();
    for flags in ["36", "37", "3E", "3F"] {
        let mut client = server.v5("c-3.3.1-4");
        client.send(&format!("{flags} <'t-3.3.1-4' 0001 <> `x`>"));
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_3_3_1_5_a_retained_message_replaces_the_one_before() {
    let server = Server::shared();
    let topic = "t-3.3.1-5";
    publish(&server, topic, &format!("31 <'{topic}' <26 'n' '1'> `one`>"));
    expect_retained(&server, topic, 2, &format!("31 <'{topic}' <26 'n' '1'> `one`>"));
    publish(&server, topic, &format!("31 <'{topic}' <03 'text'> `two`>"));
    expect_retained(&server, topic, 2, &format!("31 <'{topic}' <03 'text'> `two`>"));
    // With its QoS, as far as the subscription goes.
    let mut publisher = server.v5("c-3.3.1-5");
    publisher.send(&format!("35 <'{topic}' 0001 <> `three`>"));
    assert_eq!(publisher.packet()[..1], [0x50], "with or without subscribers");
    expect_retained(&server, topic, 2, &format!("35 <'{topic}' 0001 <> `three`>"));
    expect_retained(&server, topic, 1, &format!("33 <'{topic}' 0001 <> `three`>"));
    expect_retained(&server, topic, 0, &format!("31 <'{topic}' <> `three`>"));
}

#[test]
fn mqtt_3_3_1_6_an_empty_retained_message_removes_the_one_before() {
    let server = Server::shared();
    let topic = "t-3.3.1-6";
    publish(&server, topic, &format!("31 <'{topic}' <> `one`>"));
    let mut client = expect_retained(&server, topic, 0, &format!("31 <'{topic}' <> `one`>"));
    publish(&server, topic, &format!("31 <'{topic}' <>>"));
    // Those who are there get it like any message.
    client.expect(&format!("30 <'{topic}' <>>"));
    expect_retained(&server, topic, 0, "");
}

#[test]
fn mqtt_3_3_1_7_an_empty_message_is_not_retained() {
    let server = Server::shared();
    let topic = "t-3.3.1-7";
    publish(
        &server,
        topic,
        &format!("31 <'{topic}' <>> 31 <'{topic}' <26 'k' 'v'>>"),
    );
    expect_retained(&server, topic, 0, "");
}

#[test]
fn mqtt_3_3_1_8_a_message_without_retain_changes_nothing() {
    let server = Server::shared();
    let topic = "t-3.3.1-8";
    publish(&server, topic, &format!("30 <'{topic}' <> `live`>"));
    expect_retained(&server, topic, 0, "");
    publish(&server, topic, &format!("31 <'{topic}' <> `kept`>"));
    publish(
        &server,
        topic,
        &format!("30 <'{topic}' <> `live`> 30 <'{topic}' <>>"),
    );
    expect_retained(&server, topic, 0, &format!("31 <'{topic}' <> `kept`>"));
}

#[test]
fn mqtt_3_3_1_9_retain_handling_0_sends_them_with_each_subscription() {
    let server = Server::shared();
    let topic = "t-3.3.1-9";
    publish(&server, topic, &format!("31 <'{topic}' <> `kept`>"));
    let kept = format!("31 <'{topic}' <> `kept`>");
    let mut client = expect_retained(&server, topic, 0, &kept);
    for _ in 0..2 {
        client.subscribe_v5(topic, 0);
        client.expect(&kept);
    }
    // Whatever the filter is.
    let mut client = server.v5("c-3.3.1-9");
    publish(&server, topic, &format!("31 <'{topic}/a/b' <> `deep`>"));
    client.subscribe_v5(&format!("{topic}/+/b"), 0);
    client.expect(&format!("31 <'{topic}/a/b' <> `deep`>"));
    client.subscribe_v5(&format!("{topic}/#"), 0);
    let mut got = [client.packet(), client.packet()];
    got.sort();
    let mut wanted =
        [kept, format!("31 <'{topic}/a/b' <> `deep`>")].map(|text| crate::notation::bytes(&text));
    wanted.sort();
    assert_eq!(got, wanted);
}

#[test]
fn mqtt_3_3_1_10_retain_handling_1_sends_them_with_a_new_subscription() {
    let server = Server::shared();
    let topic = "t-3.3.1-10";
    publish(&server, topic, &format!("31 <'{topic}' <> `kept`>"));
    let kept = format!("31 <'{topic}' <> `kept`>");
    let mut client = expect_retained(&server, topic, 0x10, &kept);
    // The second time it is there already, also with other options.
    for options in [0x10, 0x11] {
        client.subscribe_v5(topic, options);
        client.expect_silence(Duration::from_millis(100));
    }
    // After UNSUBSCRIBE it is new again.
    client.exchange(&format!("A2 <0002 <> '{topic}'>"), "B0 <0002 <> 00>");
    client.subscribe_v5(topic, 0x10);
    client.expect(&kept);
}

#[test]
fn mqtt_3_3_1_10_a_subscription_of_a_resumed_session_is_not_new() {
    let server = Server::shared();
    let topic = "t-3.3.1-10b";
    publish(&server, topic, &format!("31 <'{topic}' <> `kept`>"));
    let mut client = server.v5_as("c-3.3.1-10", 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 0x10);
    client.expect(&format!("31 <'{topic}' <> `kept`>"));
    client.drop_connection();
    let mut client = server.v5_as("c-3.3.1-10", 0x00, "<>", "");
    client.subscribe_v5(topic, 0x10);
    client.expect_silence(Duration::from_millis(100));
    client.expect_alive();
}

#[test]
fn mqtt_3_3_1_11_retain_handling_2_sends_none() {
    let server = Server::shared();
    let topic = "t-3.3.1-11";
    publish(&server, topic, &format!("31 <'{topic}' <> `kept`>"));
    let mut client = expect_retained(&server, topic, 0x20, "");
    // What is published from now on comes.
    publish(&server, topic, &format!("31 <'{topic}' <> `live`>"));
    client.expect(&format!("30 <'{topic}' <> `live`>"));
}

#[test]
fn mqtt_3_3_1_12_without_retain_as_published_retain_is_cleared() {
    let server = Server::shared();
    let topic = "t-3.3.1-12";
    let mut client = server.v5("c-3.3.1-12");
    client.subscribe_v5(topic, 0);
    publish(
        &server,
        topic,
        &format!("31 <'{topic}' <> `one`> 30 <'{topic}' <> `two`>"),
    );
    client.expect(&format!("30 <'{topic}' <> `one`> 30 <'{topic}' <> `two`>"));
    // What is sent because of a subscription has it, as a retained message.
    expect_retained(&server, topic, 0, &format!("31 <'{topic}' <> `one`>"));
}

#[test]
fn mqtt_3_3_1_13_with_retain_as_published_retain_is_kept() {
    let server = Server::shared();
    let topic = "t-3.3.1-13";
    let mut client = server.v5("c-3.3.1-13");
    client.subscribe_v5(topic, 0x08);
    publish(
        &server,
        topic,
        &format!("31 <'{topic}' <> `one`> 30 <'{topic}' <> `two`> 31 <'{topic}' <>>"),
    );
    client.expect(&format!(
        "31 <'{topic}' <> `one`> 30 <'{topic}' <> `two`> 31 <'{topic}' <>>"
    ));
}
