//! MQTT 5.0 sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2: the Will Message, when it is published and when not.
//!
//! That none is published is shown by a sentinel: a message to the same filter, sent when the will would have been.

use crate::client::Client;
use crate::server::Server;
use std::thread::sleep;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// Session Expiry Interval in CONNECT.
const A_MINUTE: &str = "<11 0000003C>";

/// A client that sees what is published to a topic.
fn watcher(server: &Server, topic: &str) -> Client {
    let mut watcher = server.v5(&format!("w-{topic}"));
    watcher.subscribe_v5(topic, 2);
    watcher
}

/// The next thing that the watcher sees is what is published now.
#[track_caller]
fn no_will(server: &Server, watcher: &mut Client, topic: &str) {
    let sentinel = format!("30 <'{topic}' <> `no will`>");
    server.v5(&format!("s-{topic}")).send(&sentinel);
    watcher.expect(&sentinel);
}

#[test]
fn mqtt_3_1_2_7_the_will_is_stored_with_its_properties() {
    let server = Server::shared();
    let topic = "t-3.1.2-7";
    let mut watcher = watcher(&server, topic);
    let properties = "01 01 03 'text' 08 'answer' 09 (0102) 26 'a' '1' 26 'b' '2'";
    let will = format!("<18 00000000 {properties}> '{topic}' (`gone`)");
    server.v5_as("c-3.1.2-7", 0x06, "<>", &will).drop_connection();
    watcher.expect(&format!("30 <'{topic}' <{properties}> `gone`>"));
}

#[test]
fn mqtt_3_1_2_7_the_will_s_lifetime_begins_when_it_is_published() {
    let server = Server::shared();
    let topic = "t-3.1.2-7b";
    let mut watcher = watcher(&server, topic);
    // Section 3.1.3.2.4: the interval is sent as it is, whatever the delay before.
    let will = format!("<02 00000002 18 00000002> '{topic}' (`gone`)");
    let client = server.v5_as("c-3.1.2-7b", 0x26, A_MINUTE, &will);
    let since = Instant::now();
    client.drop_connection();
    watcher.expect_at(&format!("30 <'{topic}' <02 00000002> `gone`>"), since, 2 * SECOND);
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_connection_fails() {
    let server = Server::shared();
    let topic = "t-3.1.2-8a";
    let mut watcher = watcher(&server, topic);
    let will = format!("<> '{topic}' (`gone`)");
    let published = format!("30 <'{topic}' <> `gone`>");
    for expiry in ["<>", A_MINUTE] {
        let since = Instant::now();
        server.v5_as("c-3.1.2-8a", 0x06, expiry, &will).drop_connection();
        watcher.expect_at(&published, since, Duration::ZERO);
    }
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_server_ends_the_connection() {
    let server = Server::shared();
    let topic = "t-3.1.2-8b";
    let mut watcher = watcher(&server, topic);
    let will = format!("<> '{topic}' (`gone`)");
    // A malformed packet, a protocol error.
    for (packet, reason) in [("36 <'t' 0001 <> `x`>", 0x81), ("82 <0001 <0B 00> 't' 00>", 0x82)] {
        let mut client = server.v5_as("c-3.1.2-8b", 0x06, "<>", &will);
        client.send(packet);
        client.expect_disconnect(reason);
        watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    }
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_its_delay_has_passed() {
    let server = Server::shared();
    let topic = "t-3.1.2-8c";
    let mut watcher = watcher(&server, topic);
    let client = server.v5_as(
        "c-3.1.2-8c",
        0x06,
        A_MINUTE,
        &format!("<18 00000001> '{topic}' (`gone`)"),
    );
    let since = Instant::now();
    client.drop_connection();
    watcher.expect_at(&format!("30 <'{topic}' <> `gone`>"), since, SECOND);
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_when_the_session_ends_before_its_delay() {
    let server = Server::shared();
    let topic = "t-3.1.2-8d";
    let mut watcher = watcher(&server, topic);
    let will = format!("<18 0000003C> '{topic}' (`gone`)");
    let published = format!("30 <'{topic}' <> `gone`>");
    for (expiry, due) in [("<>", Duration::ZERO), ("<11 00000001>", SECOND)] {
        let client = server.v5_as("c-3.1.2-8d", 0x06, expiry, &will);
        let since = Instant::now();
        client.drop_connection();
        watcher.expect_at(&published, since, due);
    }
    // A new connection with Clean Start ends the session too.
    server
        .v5_as("c-3.1.2-8d", 0x06, A_MINUTE, &will)
        .drop_connection();
    let since = Instant::now();
    server.v5("c-3.1.2-8d");
    watcher.expect_at(&published, since, Duration::ZERO);
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_on_take_over_without_a_delay() {
    let server = Server::shared();
    let topic = "t-3.1.2-8e";
    let mut watcher = watcher(&server, topic);
    let mut older = server.v5_as("c-3.1.2-8e", 0x04, A_MINUTE, &format!("<> '{topic}' (`gone`)"));
    server.v5_as("c-3.1.2-8e", 0x00, A_MINUTE, "");
    older.expect_disconnect(0x8E);
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
}

#[test]
fn mqtt_3_1_2_8_the_will_is_published_on_disconnect_with_will_message() {
    let server = Server::shared();
    let topic = "t-3.1.2-8f";
    let mut watcher = watcher(&server, topic);
    // 0x04 by its meaning, 0x81 as any other code than 0x00.
    for disconnect in ["E0 <04>", "E0 <04 <>>", "E0 <81>"] {
        let mut client = server.v5_as("c-3.1.2-8f", 0x06, "<>", &format!("<> '{topic}' (`gone`)"));
        client.send(disconnect);
        client.expect_end("");
        watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    }
}

#[test]
fn mqtt_3_1_2_8_no_will_is_published_after_a_normal_disconnect() {
    let server = Server::shared();
    let topic = "t-3.1.2-8g";
    let mut watcher = watcher(&server, topic);
    for disconnect in ["E0 00", "E0 <00>", "E0 <00 <>>"] {
        let mut client = server.v5_as("c-3.1.2-8g", 0x06, "<>", &format!("<> '{topic}' (`gone`)"));
        client.send(disconnect);
        client.expect_end("");
    }
    no_will(&server, &mut watcher, topic);
}

#[test]
fn mqtt_3_1_2_10_the_will_is_removed_once_it_is_published() {
    let server = Server::shared();
    let topic = "t-3.1.2-10";
    let mut watcher = watcher(&server, topic);
    let will = format!("<> '{topic}' (`gone`)");
    server
        .v5_as("c-3.1.2-10", 0x04, A_MINUTE, &will)
        .drop_connection();
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    // The session goes on without one, whether its connection fails or the session ends.
    server.v5_as("c-3.1.2-10", 0x00, A_MINUTE, "").drop_connection();
    server.v5_as("c-3.1.2-10", 0x02, "<>", "").drop_connection();
    no_will(&server, &mut watcher, topic);
}

#[test]
fn mqtt_3_1_2_10_the_will_is_removed_on_a_normal_disconnect() {
    let server = Server::shared();
    let topic = "t-3.1.2-10b";
    let mut watcher = watcher(&server, topic);
    let mut client = server.v5_as(
        "c-3.1.2-10b",
        0x04,
        A_MINUTE,
        &format!("<18 00000001> '{topic}' (`gone`)"),
    );
    client.send("E0 00");
    client.expect_end("");
    // Not when its delay has passed, not with the session's next connection, not when the session ends.
    sleep(SECOND + SECOND / 5);
    server.v5_as("c-3.1.2-10b", 0x00, A_MINUTE, "").drop_connection();
    server.v5_as("c-3.1.2-10b", 0x02, "<>", "").drop_connection();
    no_will(&server, &mut watcher, topic);
}

#[test]
fn mqtt_3_1_2_12_the_will_is_published_at_its_qos() {
    let server = Server::shared();
    let topic = "t-3.1.2-12";
    let mut watcher = watcher(&server, topic);
    let will = format!("<> '{topic}' (`gone`)");
    server.v5_as("c-3.1.2-12", 0x06, "<>", &will).drop_connection();
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    server.v5_as("c-3.1.2-12", 0x0E, "<>", &will).drop_connection();
    watcher.expect(&format!("32 <'{topic}' 0001 <> `gone`>"));
    server.v5_as("c-3.1.2-12", 0x16, "<>", &will).drop_connection();
    watcher.expect(&format!("34 <'{topic}' 0002 <> `gone`>"));
}

#[test]
fn mqtt_3_1_2_14_a_will_without_retain_is_not_retained() {
    let server = Server::shared();
    let topic = "t-3.1.2-14";
    let mut watcher = watcher(&server, topic);
    server
        .v5_as("c-3.1.2-14", 0x06, "<>", &format!("<> '{topic}' (`gone`)"))
        .drop_connection();
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    // Had it been retained, the filter would bring it before what is published afterwards.
    let retained = format!("31 <'{topic}/kept' <> `x`>");
    server
        .v5("c-3.1.2-14b")
        .exchange(&format!("{retained} C0 00"), "D0 00");
    let mut late = server.v5("c-3.1.2-14c");
    late.subscribe_v5(&format!("{topic}/#"), 2);
    late.expect(&retained);
    late.expect_silence(SECOND / 10);
}

#[test]
fn mqtt_3_1_2_15_a_will_with_retain_is_retained() {
    let server = Server::shared();
    let topic = "t-3.1.2-15";
    let mut watcher = watcher(&server, topic);
    server
        .v5_as("c-3.1.2-15", 0x26, "<>", &format!("<> '{topic}' (`gone`)"))
        .drop_connection();
    // To a subscription that is there already without RETAIN, to a later one with it.
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
    let mut late = server.v5("c-3.1.2-15b");
    late.subscribe_v5(topic, 2);
    late.expect(&format!("31 <'{topic}' <> `gone`>"));
}

#[test]
fn mqtt_3_1_3_9_no_will_is_published_when_the_client_is_back_before_its_delay() {
    let server = Server::shared();
    let topic = "t-3.1.3-9";
    let mut watcher = watcher(&server, topic);
    // Long enough to be back in time on a machine that stands still for a while.
    let will = format!("<18 00000003> '{topic}' (`gone`)");
    server.v5_as("c-3.1.3-9", 0x06, A_MINUTE, &will).drop_connection();
    let back = server.v5_as("c-3.1.3-9", 0x00, A_MINUTE, "");
    sleep(3 * SECOND + SECOND / 5);
    no_will(&server, &mut watcher, topic);
    back.drop_connection();
}

#[test]
fn mqtt_3_1_3_9_no_will_with_a_delay_is_published_on_take_over() {
    let server = Server::shared();
    let topic = "t-3.1.3-9b";
    let mut watcher = watcher(&server, topic);
    let will = format!("<18 00000001> '{topic}' (`gone`)");
    let mut older = server.v5_as("c-3.1.3-9b", 0x04, A_MINUTE, &will);
    let back = server.v5_as("c-3.1.3-9b", 0x00, A_MINUTE, "");
    older.expect_disconnect(0x8E);
    sleep(SECOND + SECOND / 5);
    no_will(&server, &mut watcher, topic);
    back.drop_connection();
}

#[test]
fn mqtt_3_1_3_10_the_order_of_the_will_s_user_properties_is_kept() {
    let server = Server::shared();
    let topic = "t-3.1.3-10";
    let mut watcher = watcher(&server, topic);
    let pairs = "26 'b' '1' 26 'a' '2' 26 'b' '0' 26 'a' '2' 26 '' ''";
    server
        .v5_as("c-3.1.3-10", 0x06, "<>", &format!("<{pairs}> '{topic}' ()"))
        .drop_connection();
    watcher.expect(&format!("30 <'{topic}' <{pairs}>>"));
}
