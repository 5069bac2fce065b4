//! MQTT 5.0 sections 3.1.2.11.3 to 3.1.2.11.9: what the client's properties forbid the server.

use crate::aliases::{Known, topics};
use crate::client::Client;
use crate::connack::ConnAck;
use crate::notation::{bytes, long, show};
use crate::server::{Server, connect_v5};
use std::collections::BTreeSet;
use std::path::Path;

/// The aliases that a client with these properties gets for five topics that come twice.
#[track_caller]
fn aliases(server: &Server, id: &str, properties: &str) -> Vec<Option<u16>> {
    let mut subscriber = server.v5_as(id, 0x02, properties, "");
    subscriber.subscribe_v5(&format!("{id}/#"), 0);
    let mut publisher = server.v5(&format!("p-{id}"));
    Known::default().rounds(&mut publisher, &mut subscriber, &topics(id, 5))
}

/// A subscriber to one topic that takes packets of so many bytes.
fn small(server: &Server, id: &str, maximum: u32, topic: &str) -> Client {
    let mut client = server.v5_as(id, 0x02, &format!("<27 {maximum:08X}>"), "");
    client.subscribe_v5(topic, 2);
    client
}

#[test]
fn mqtt_3_1_2_24_no_packet_is_larger_than_the_client_s_maximum() {
    let server = Server::shared();
    let topic = "t-3.1.2-24";
    let mut client = small(&server, "c-3.1.2-24", 60, topic);
    let mut publisher = server.v5("c-3.1.2-24b");
    // Two bytes of fixed header, twelve of topic, one of properties: 45 are left, and one with a packet identifier.
    let largest = format!("30 <'{topic}' <> `{}`>", long(45));
    assert_eq!(bytes(&largest).len(), 60);
    publisher.send(&format!("30 <'{topic}' <> `{}`>", long(46)));
    publisher.send(&largest);
    client.expect(&largest);
    // At QoS 1 two bytes fewer.
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `{}`>", long(44)), "40 <0001>");
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `{}`>", long(43)), "40 <0001>");
    client.expect(&format!("32 <'{topic}' 0001 <> `{}`>", long(43)));
    // Properties count.
    publisher.send(&format!("30 <'{topic}' <26 'k' 'v'> `{}`>", long(45)));
    publisher.send(&largest);
    client.expect(&largest);
}

#[test]
fn mqtt_3_1_2_24_an_alias_does_not_make_a_packet_too_large() {
    let server = Server::shared();
    let topic = "t-3.1.2-24c";
    let packet = format!("30 <'{topic}' <> `{}`>", long(30));
    let size = bytes(&packet).len();
    let mut client = server.v5_as("c-3.1.2-24c", 0x02, &format!("<27 {size:08X} 22 0005>"), "");
    client.subscribe_v5(topic, 0);
    let mut publisher = server.v5("c-3.1.2-24d");
    // There is no room for an alias beside the topic, so the topic comes without one.
    for _ in 0..3 {
        publisher.send(&packet);
        client.expect(&packet);
    }
    // There is for a smaller payload.
    publisher.send(&format!("30 <'{topic}' <> `x`>"));
    client.expect(&format!("30 <'{topic}' <23 0001> `x`>"));
}

#[test]
fn mqtt_3_1_2_24_no_connack_is_larger_than_the_client_s_maximum() {
    let server = Server::shared();
    for maximum in 1..24 {
        let mut client = server.send(&connect_v5(
            "c-3.1.2-24e",
            0x02,
            &format!("<27 {maximum:08X}>"),
            "",
        ));
        // With all that it has to say it is larger than these; a client cannot go on without it.
        match client.packet_or_end() {
            Some(connack) => assert!(connack.len() <= maximum, "{}", show(&connack)),
            None => assert!(maximum < 16, "{maximum} bytes are enough"),
        }
    }
}

#[test]
fn mqtt_3_1_2_25_a_message_that_is_too_large_for_one_is_as_if_it_were_sent() {
    let server = Server::shared();
    let topic = "t-3.1.2-25";
    // One message at a time: a message that is left out must not stay in the way.
    let mut client = server.v5_as("c-3.1.2-25", 0x02, "<27 00000040 21 0001>", "");
    client.subscribe_v5(topic, 2);
    let mut other = server.v5("c-3.1.2-25b");
    other.subscribe_v5(topic, 2);
    let mut publisher = server.v5("c-3.1.2-25c");
    let large = long(100);
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `{large}`>"), "40 <0001>");
    publisher.exchange(&format!("34 <'{topic}' 0002 <> `{large}`>"), "50 <0002>");
    publisher.exchange("62 <0002>", "70 <0002>");
    publisher.exchange(&format!("32 <'{topic}' 0003 <> `small`>"), "40 <0003>");
    client.expect(&format!("32 <'{topic}' 0001 <> `small`>"));
    // The others have everything.
    other.expect(&format!(
        "32 <'{topic}' 0001 <> `{large}`> 34 <'{topic}' 0002 <> `{large}`>"
    ));
    other.expect(&format!("32 <'{topic}' 0003 <> `small`>"));
}

#[test]
fn mqtt_3_1_2_25_a_queued_message_that_is_too_large_is_left_out() {
    let server = Server::shared();
    let topic = "t-3.1.2-25b";
    let mut client = server.v5_as("c-3.1.2-25d", 0x02, "<11 0000003C>", "");
    client.subscribe_v5(topic, 1);
    client.drop_connection();
    let mut publisher = server.v5("c-3.1.2-25e");
    for payload in ["one", &long(100), "three"] {
        publisher.exchange(&format!("32 <'{topic}' 0001 <> `{payload}`>"), "40 <0001>");
    }
    let mut client = server.v5_as("c-3.1.2-25d", 0x00, "<27 00000040>", "");
    client.expect(&format!("32 <'{topic}' 0001 <> `one`>"));
    // Its packet identifier is 2 or 3: the message between may have had one.
    let third = client.packet();
    assert!(third.ends_with(&bytes("<> `three`")), "{}", show(&third));
}

#[test]
fn mqtt_3_1_2_26_aliases_of_the_server_are_not_above_the_client_s_maximum() {
    let server = Server::shared();
    let aliases = aliases(&server, "c-3.1.2-26", "<22 0003>");
    let used: BTreeSet<_> = aliases.into_iter().flatten().collect();
    assert_eq!(used, [1, 2, 3].into(), "it makes use of all");
}

#[test]
fn mqtt_3_1_2_27_without_a_maximum_there_are_no_aliases() {
    let server = Server::shared();
    for (id, properties) in [("c-3.1.2-27", "<>"), ("c-3.1.2-27b", "<22 0000>")] {
        assert_eq!(aliases(&server, id, properties), [None; 10]);
    }
}

#[test]
fn mqtt_3_1_2_28_response_information_comes_only_on_request() {
    let server = Server::with(&["listener.mqtt.response_information=answers/%c/"]);
    let wanted = "answers/c-3.1.2-28/";
    for (properties, answer) in [
        ("<>", None),
        ("<19 00>", None),
        ("<19 01>", Some(wanted.as_bytes())),
    ] {
        let mut client = server.send(&connect_v5("c-3.1.2-28", 0x02, properties, ""));
        let connack = ConnAck::of(&client.expect_accepted());
        assert_eq!(connack.property(0x1A), answer, "{properties}");
    }
}

#[test]
fn mqtt_3_1_2_29_without_problem_information_no_reason_strings_are_sent() {
    let rules = "access.rules=[{allow=false,operation=\"all\",topics=[\"denied/#\"]}]";
    let server = Server::with(&[rules]);
    let mut client = server.v5_as("c-3.1.2-29", 0x02, "<17 00>", "");
    client.exchange("82 <0001 <> 'denied/a' 00>", "90 <0001 <> 87>");
    client.exchange("A2 <0002 <> 'denied/a'>", "B0 <0002 <> 11>");
    client.exchange("32 <'denied/a' 0003 <> `x`>", "40 <0003 87>");
    client.exchange("34 <'denied/a' 0004 <> `x`>", "50 <0004 87>");
    client.exchange("62 <0005>", "70 <0005 92>");
    client.exchange("50 <0006>", "62 <0006 92>");
    // What other publishers say is not the server's.
    client.subscribe_v5("t-3.1.2-29", 0);
    let packet = "30 <'t-3.1.2-29' <26 'k' 'v'> `x`>";
    client.exchange(packet, packet);
}

/// A file with the user of RFC 7677's example.
fn scram_users(folder: &Path) -> String {
    let file = folder.join("users");
    let user = "user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    std::fs::write(&file, format!("{user}\n")).expect("a file");
    format!("access.scram_file={file:?}")
}

#[test]
fn mqtt_3_1_2_30_before_connack_an_authenticating_client_sends_only_auth_or_disconnect() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::with(&[&scram_users(folder.path())]);
    let topic = "t-3.1.2-30";
    let mut watcher = server.v5("c-3.1.2-30");
    watcher.subscribe_v5(topic, 0);
    let properties = "<15 'SCRAM-SHA-256' 16 (`n,,n=user,r=rOprNGfwEbeRWgbNEkqO`)>";
    let connect = connect_v5("c-3.1.2-30b", 0x06, properties, &format!("<> '{topic}' (`gone`)"));
    let begin = || {
        let mut client = server.send(&connect);
        let challenge = client.packet();
        let method = bytes("15 'SCRAM-SHA-256' 16");
        let asks = challenge[0] == 0xF0 && challenge[2] == 0x18 && challenge[4..].starts_with(&method);
        assert!(asks, "{}", show(&challenge));
        client
    };
    let packets = [
        connect.clone(),
        format!("30 <'{topic}' <> `x`>"),
        "40 <0001>".to_owned(),
        "62 <0001>".to_owned(),
        format!("82 <0001 <> '{topic}' 00>"),
        format!("A2 <0001 <> '{topic}'>"),
        "C0 00".to_owned(),
    ];
    for packet in packets {
        let mut client = begin();
        client.send(&packet);
        client.expect_refused(0x82);
    }
    let mut client = begin();
    client.send("E0 <04>");
    client.expect_end("");
    // Nothing of it was processed; there was no session yet, and so no Will either.
    let sentinel = format!("30 <'{topic}' <> `sentinel`>");
    watcher.exchange(&sentinel, &sentinel);
}
