//! MQTT 5.0 sections 3.1.2.11.3 to 3.1.2.11.9: what the client's properties forbid the server.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::notation::{bytes, long, show};
use crate::server::{Server, connect_v5};
use std::path::Path;

/// The Topic Alias of a PUBLISH that has no other property but it, and the length of its topic.
fn alias(packet: &[u8]) -> (Option<u16>, usize) {
    assert_eq!(packet[0] & 0xF6, 0x30, "a PUBLISH of QoS 0: {}", show(packet));
    let topic = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    match &packet[4 + topic..] {
        [0, ..] => (None, topic),
        [3, 0x23, high, low, ..] => (Some(u16::from_be_bytes([*high, *low])), topic),
        _ => panic!("other properties in {}", show(packet)),
    }
}

/// Publishes to `topic/0`, `topic/1`, ... of so many topics, twice, and returns the aliases of the first and the
/// second round as a subscriber with this Topic Alias Maximum gets them.
fn aliases(server: &Server, id: &str, maximum: &str, topics: usize) -> (Vec<Option<u16>>, Vec<Option<u16>>) {
    let mut subscriber = server.v5_as(id, 0x02, maximum, "");
    subscriber.subscribe_v5(&format!("{id}/#"), 0);
    let mut publisher = server.v5(&format!("{id}-publisher"));
    let mut known = std::collections::BTreeMap::new();
    let mut round = || {
        let mut seen = Vec::new();
        for number in 0..topics {
            let topic = format!("{id}/{number}");
            publisher.send(&format!("30 <'{topic}' <> `{number}`>"));
            let packet = subscriber.packet();
            let (alias, size) = alias(&packet);
            let named = String::from_utf8(packet[4..4 + size].to_vec()).expect("UTF-8");
            match (alias, size) {
                (Some(alias), 0) => assert_eq!(known.get(&alias), Some(&topic), "what it was set to"),
                (Some(alias), _) => drop(known.insert(alias, named.clone())),
                (None, _) => {}
            }
            assert!(size == 0 || named == topic, "{named} is {topic}");
            seen.push(alias);
        }
        seen
    };
    (round(), round())
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
    let (first, second) = aliases(&server, "c-3.1.2-26", "<22 0003>", 5);
    let used: std::collections::BTreeSet<_> = first.iter().chain(&second).flatten().copied().collect();
    assert!(used.iter().all(|alias| (1..=3).contains(alias)), "{used:?}");
    assert!(!used.is_empty(), "it makes use of them");
}

#[test]
fn mqtt_3_1_2_27_without_a_maximum_there_are_no_aliases() {
    let server = Server::shared();
    for (id, maximum) in [("c-3.1.2-27", "<>"), ("c-3.1.2-27b", "<22 0000>")] {
        let (first, second) = aliases(&server, id, maximum, 3);
        assert!(
            first.iter().chain(&second).all(Option::is_none),
            "{first:?} {second:?}"
        );
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
