//! MQTT 5.0 section 3.3.2: the topic name and the properties of PUBLISH, all that go on unaltered.
//!
//! Topic Alias has a file of its own.

use crate::client::Client;
use crate::notation::{bytes, long};
use crate::server::Server;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Publishes with these properties and payload at each QoS, to subscribers on a plain filter, on a wildcard one and on
/// one that was away: each gets exactly these properties.
#[track_caller]
fn expect_unaltered(server: &Server, topic: &str, properties: &str, payload: &str) {
    let mut away = server.v5_as(&format!("away-{topic}"), 0x02, "<11 0000003C>", "");
    away.subscribe_v5(topic, 2);
    away.drop_connection();
    let mut subscribers = [topic.to_owned(), format!("{topic}/#")].map(|filter| {
        let mut subscriber = server.v5(&format!("s-{filter}"));
        subscriber.subscribe_v5(&filter, 2);
        subscriber
    });
    let mut publisher = server.v5(&format!("p-{topic}"));
    publisher.send(&format!("30 <'{topic}' {properties} {payload}>"));
    publisher.exchange(
        &format!("32 <'{topic}' 0001 {properties} {payload}>"),
        "40 <0001>",
    );
    publisher.exchange(
        &format!("34 <'{topic}' 0002 {properties} {payload}>"),
        "50 <0002>",
    );
    let queued =
        format!("32 <'{topic}' 0001 {properties} {payload}> 34 <'{topic}' 0002 {properties} {payload}>");
    for subscriber in &mut subscribers {
        subscriber.expect(&format!("30 <'{topic}' {properties} {payload}> {queued}"));
    }
    let mut back = server.v5_as(&format!("away-{topic}"), 0x00, "<>", "");
    back.expect(&queued);
}

/// A session that waits for what is published to a topic.
fn away(server: &Server, id: &str, topic: &str) {
    let mut client = server.v5_as(id, 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 1);
    client.drop_connection();
}

/// Comes back for it.
fn back(server: &Server, id: &str) -> Client {
    server.v5_as(id, 0x00, "<11 0000003C>", "")
}

#[test]
fn mqtt_3_3_2_1_the_topic_name_comes_first_and_is_utf_8() {
    let server = Server::shared();
    let malformed = [
        // Missing, cut short, not UTF-8.
        "30 <>",
        "30 <00>",
        "30 <0005 `abcd`>",
        "30 <(FF) <> `x`>",
        "30 <(EDA080) <> `x`>",
        "30 <(`a` 00) <> `x`>",
    ];
    server.each_ends("c-3.3.2-1", &malformed.map(str::to_owned), 0x81);
    let mut client = server.v5("c-3.3.2-1");
    client.subscribe_v5("t-3.3.2-1/é€😀", 0);
    let packet = "30 <'t-3.3.2-1/é€😀' <> `x`>";
    client.exchange(packet, packet);
}

#[test]
fn mqtt_3_3_2_1_an_empty_topic_name_without_an_alias_is_a_protocol_error() {
    let server = Server::shared();
    let packets = ["30 <'' <> `x`>", "32 <'' 0001 <> `x`>"].map(str::to_owned);
    server.each_ends("c-3.3.2-1b", &packets, 0x82);
}

#[test]
fn mqtt_3_3_2_2_wildcards_in_a_topic_name_make_it_invalid() {
    let server = Server::shared();
    let packets: Vec<_> = ["#", "+", "a/#", "a/+", "+/a", "a#", "a+b", "a/+/b"]
        .iter()
        .flat_map(|topic| {
            [
                format!("30 <'{topic}' <> `x`>"),
                format!("34 <'{topic}' 0001 <> `x`>"),
            ]
        })
        .collect();
    server.each_ends("c-3.3.2-2", &packets, 0x90);
}

#[test]
fn mqtt_3_3_2_3_the_topic_name_that_is_sent_matches_the_filter() {
    let server = Server::shared();
    let mut client = server.v5("c-3.3.2-3");
    for filter in ["t-3.3.2-3/a", "t-3.3.2-3/+/c", "t-3.3.2-3/d/#"] {
        client.subscribe_v5(filter, 0);
    }
    let mut publisher = server.v5("c-3.3.2-3b");
    for topic in ["b", "a/b", "a/c/d", "A", "", "e", "a/c/", "/c/a"] {
        publisher.send(&format!("30 <'t-3.3.2-3/{topic}' <> `no`>"));
    }
    for topic in ["a", "b/c", "/c", "d", "d/", "d/e/f"] {
        publisher.send(&format!("30 <'t-3.3.2-3/{topic}' <> `yes`>"));
        client.expect(&format!("30 <'t-3.3.2-3/{topic}' <> `yes`>"));
    }
}

#[test]
fn mqtt_3_3_2_4_the_payload_format_indicator_goes_on_unaltered() {
    let server = Server::shared();
    expect_unaltered(&server, "t-3.3.2-4-absent", "<>", "`x`");
    expect_unaltered(&server, "t-3.3.2-4-bytes", "<01 00>", "FF00");
    expect_unaltered(&server, "t-3.3.2-4-text", "<01 01>", "`é`");
}

#[test]
fn mqtt_3_3_2_4_a_payload_format_is_checked_where_the_listener_says_so() {
    let server = Server::with(&["listener.mqtt.check_payload_format=true"]);
    let topic = "t-3.3.2-4b";
    // Without problem information, so that no words are said about it.
    let mut client = server.v5_as("c-3.3.2-4", 0x02, "<17 00>", "");
    client.subscribe_v5(topic, 0);
    client.exchange(&format!("32 <'{topic}' 0001 <01 01> FF>"), "40 <0001 99>");
    client.exchange(&format!("34 <'{topic}' 0002 <01 01> FF>"), "50 <0002 99>");
    let sound = format!("30 <'{topic}' <01 01> `é`> 30 <'{topic}' <01 00> FF> 30 <'{topic}' <> FF>");
    client.exchange(&sound, &sound);
    client.send(&format!("30 <'{topic}' <01 01> FF>"));
    client.expect_disconnect(0x99);
}

#[test]
fn mqtt_3_3_2_5_a_message_whose_interval_has_passed_is_not_delivered() {
    let server = Server::shared();
    let topic = "t-3.3.2-5";
    away(&server, "c-3.3.2-5", topic);
    let mut publisher = server.v5("c-3.3.2-5b");
    for (number, expiry) in [
        (1, "<02 00000001>"),
        (2, "<02 0000003C>"),
        (3, "<02 00000000>"),
        (4, "<>"),
    ] {
        publisher.exchange(&format!("32 <'{topic}' 0001 {expiry} `{number}`>"), "40 <0001>");
    }
    sleep(Duration::from_millis(2_100));
    let mut client = back(&server, "c-3.3.2-5");
    let packet = client.packet();
    assert!(
        packet.ends_with(b"2"),
        "the second is the first that is left: {packet:02X?}"
    );
    let packet = client.packet();
    assert!(
        packet.ends_with(b"4"),
        "the fourth has no interval: {packet:02X?}"
    );
    client.expect_alive();
}

#[test]
fn mqtt_3_3_2_5_a_retained_message_whose_interval_has_passed_is_not_sent() {
    let server = Server::shared();
    let topic = "t-3.3.2-5b";
    let mut publisher = server.v5("c-3.3.2-5c");
    publisher.send(&format!(
        "31 <'{topic}/short' <02 00000001> `x`> 31 <'{topic}/long' <> `y`>"
    ));
    publisher.expect_alive();
    sleep(Duration::from_millis(2_100));
    let mut client = server.v5("c-3.3.2-5d");
    client.subscribe_v5(&format!("{topic}/#"), 0);
    client.expect(&format!("31 <'{topic}/long' <> `y`>"));
    client.expect_silence(Duration::from_millis(100));
}

#[test]
fn mqtt_3_3_2_6_the_interval_that_is_sent_is_what_is_left() {
    let server = Server::shared();
    let topic = "t-3.3.2-6";
    // To who is there, all of it; in its place among the others.
    let mut present = server.v5("c-3.3.2-6");
    present.subscribe_v5(topic, 1);
    away(&server, "c-3.3.2-6b", topic);
    let mut publisher = server.v5("c-3.3.2-6c");
    let properties = |seconds: u64| format!("<26 'a' 'b' 02 000000{seconds:02X} 26 'c' 'd'>");
    let since = Instant::now();
    publisher.exchange(
        &format!("33 <'{topic}' 0001 {} `x`>", properties(60)),
        "40 <0001>",
    );
    present.expect(&format!("32 <'{topic}' 0001 {} `x`>", properties(60)));
    sleep(Duration::from_millis(2_100));
    // To who comes later, less by the time that it waited: in the session's queue, and as a retained message.
    // At least two seconds, and at most what has passed here, in whole ones that the broker begins when it likes.
    let expect_less = |first: u8, packet: Vec<u8>| {
        let least = 60 - (since.elapsed().as_secs() + 1);
        let with = |left| bytes(&format!("{first:02X} <'{topic}' 0001 {} `x`>", properties(left)));
        let is_less = (least..=58).any(|left| packet == with(left));
        assert!(is_less, "{least} to 58 seconds are left: {packet:02X?}");
    };
    expect_less(0x32, back(&server, "c-3.3.2-6b").packet());
    let mut late = server.v5("c-3.3.2-6d");
    late.subscribe_v5(topic, 1);
    expect_less(0x33, late.packet());
}

#[test]
fn mqtt_3_3_2_13_a_response_topic_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    let packets = ["(FF)", "(EDA080)", "(`a` 00)"].map(|topic| format!("30 <'t' <08 {topic}> `x`>"));
    server.each_ends("c-3.3.2-13", &packets, 0x81);
}

#[test]
fn mqtt_3_3_2_14_wildcards_in_a_response_topic_make_it_invalid() {
    let server = Server::shared();
    let packets = ["#", "+", "a/#", "a/+/b", "a#"].map(|topic| format!("30 <'t' <08 '{topic}'> `x`>"));
    server.each_ends("c-3.3.2-14", &packets, 0x90);
}

#[test]
fn mqtt_3_3_2_15_the_response_topic_goes_on_unaltered() {
    let server = Server::shared();
    expect_unaltered(&server, "t-3.3.2-15", "<08 'answers/é/1'>", "`x`");
}

#[test]
fn mqtt_3_3_2_16_the_correlation_data_goes_on_unaltered() {
    let server = Server::shared();
    expect_unaltered(&server, "t-3.3.2-16", "<09 (00 FF 80 0A)>", "`x`");
    expect_unaltered(&server, "t-3.3.2-16-empty", "<09 ()>", "`x`");
}

#[test]
fn mqtt_3_3_2_17_user_properties_go_on_unaltered() {
    let server = Server::shared();
    let value = long(200);
    let pairs = format!("<26 'key' 'value' 26 '' '' 26 'é' '€' 26 'long' '{value}'>");
    expect_unaltered(&server, "t-3.3.2-17", &pairs, "`x`");
}

#[test]
fn mqtt_3_3_2_18_the_order_of_user_properties_is_kept() {
    let server = Server::shared();
    // Among other properties too: they stay where their sender put them.
    let properties = "<26 'b' '1' 03 'text' 26 'a' '2' 09 (01) 26 'b' '0' 08 'answer' 26 'a' '2' 01 01>";
    expect_unaltered(&server, "t-3.3.2-18", properties, "`x`");
}

#[test]
fn mqtt_3_3_2_19_a_content_type_that_is_not_utf_8_is_malformed() {
    let server = Server::shared();
    let packets = ["(FF)", "(EDA080)", "(`a` 00)"].map(|kind| format!("30 <'t' <03 {kind}> `x`>"));
    server.each_ends("c-3.3.2-19", &packets, 0x81);
}

#[test]
fn mqtt_3_3_2_20_the_content_type_goes_on_unaltered() {
    let server = Server::shared();
    expect_unaltered(&server, "t-3.3.2-20", "<03 'text/plain; é'>", "`x`");
    expect_unaltered(&server, "t-3.3.2-20-empty", "<03 ''>", "`x`");
}
