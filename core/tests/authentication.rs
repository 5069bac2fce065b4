//! Enhanced authentication (5.0 section 4.12) as the engine sees it: whose turn it is, what may be said then, and what a
//! client that proved who it is may do. Whoever is asked is the test: each answer is data.

#![allow(clippy::unwrap_used)]

#[path = "node/mod.rs"]
mod node;

use node::{Hello, Node, Peer, settings, words};
use ringwire_codec::mqtt::{Auth, Packet, Property, PropertyList, QoS, ReasonCode, Version};
use ringwire_core::ask::Step;
use ringwire_core::{Answer, CloseReason};

const METHOD: &str = "TEST-1";
const V5: Version = Version::V5;

fn node_with(shards: u16, change: impl FnOnce(&mut ringwire_core::Settings)) -> Node {
    let mut settings = settings(shards);
    settings.access.methods = vec![METHOD.to_owned()];
    settings.access.allow_anonymous = false;
    change(&mut settings);
    Node::with(settings)
}

fn node(shards: u16) -> Node {
    node_with(shards, |_| {})
}

fn named(method: &str, data: &[u8]) -> PropertyList {
    let mut properties = PropertyList::default();
    properties.push(Property::AuthenticationMethod(method));
    if !data.is_empty() {
        properties.push(Property::AuthenticationData(data));
    }
    properties
}

/// A CONNECT with a method.
fn hello(client_id: &str, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = named(method, data);
    let properties = properties.as_properties();
    let hello = Hello::new(V5, client_id);
    Hello { properties, ..hello }.bytes()
}

fn auth(reason: ReasonCode, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = named(method, data);
    let properties = properties.as_properties();
    let mut bytes = Vec::new();
    Packet::Auth(Auth { reason, properties })
        .encode(V5, &mut bytes)
        .unwrap();
    bytes
}

fn go_on(data: &[u8]) -> Vec<u8> {
    auth(ReasonCode::ContinueAuthentication, METHOD, data)
}

fn again(data: &[u8]) -> Vec<u8> {
    auth(ReasonCode::ReAuthenticate, METHOD, data)
}

fn accepted(username: &str, data: &'static [u8]) -> Answer {
    Answer::Accepted {
        username: username.into(),
        data: data.into(),
    }
}

fn challenge(data: &'static [u8]) -> Answer {
    Answer::Continue { data: data.into() }
}

/// A client that named the method and whose first question waits.
fn waiting(node: &mut Node, client_id: &str) -> Peer {
    let peer = node.open(0);
    node.asks.clear();
    node.send(peer, &hello(client_id, METHOD, b"first"));
    let step = node.asked();
    assert!(matches!(step, Some(Step::Begin { .. })), "{step:?}");
    peer
}

/// A client that was let in.
fn established(node: &mut Node, client_id: &str) -> Peer {
    let peer = waiting(node, client_id);
    node.answer(peer, accepted("ann", b""));
    let words = node.take_words(peer, V5);
    assert!(words[0].starts_with("connack 0 success"), "{words:?}");
    peer
}

fn closed(node: &mut Node, peer: Peer) -> Option<CloseReason> {
    node.wire(peer).closed
}

#[test]
fn an_exchange_ends_with_a_connack_that_names_the_method_mqtt_4_12_0_5() {
    for shard in [0, 1] {
        let mut node = node(2);
        let name = node.name_at(shard, "client");
        let peer = node.open(0);
        node.send(peer, &hello(&name, METHOD, b"first"));
        let begin = Step::Begin {
            method: METHOD.into(),
            data: b"first"[..].into(),
        };
        assert_eq!(node.asked(), Some(begin));
        assert!(node.take(peer).is_empty(), "nothing is said before the answer");
        node.answer(peer, challenge(b"challenge"));
        assert_eq!(node.take(peer), go_on(b"challenge"));
        node.send(peer, &go_on(b"proof"));
        let data = b"proof"[..].into();
        assert_eq!(node.asked(), Some(Step::Continue { data }));
        node.answer(peer, accepted("ann", b"final"));
        let bytes = node.take(peer);
        assert_eq!(words(V5, &bytes), ["connack 0 success"]);
        let mut expected = Vec::new();
        expected.extend_from_slice(&[21, 0, METHOD.len() as u8]);
        expected.extend_from_slice(METHOD.as_bytes());
        expected.extend_from_slice(&[22, 0, 5]);
        expected.extend_from_slice(b"final");
        let found = bytes.windows(expected.len()).any(|window| window == expected);
        assert!(found, "{bytes:02x?}");
        let client = node.client(&name).unwrap();
        assert_eq!((client.username.as_deref(), client.shard), (Some("ann"), shard));
        // What is sent from here on is as ever.
        node.subscribe(peer, V5, "a", 0);
        node.publish(peer, V5, "a", b"x", QoS::AtMostOnce, 0);
        assert_eq!(node.take_words(peer, V5), ["suback #9 [00]", "publish a x q0"]);
        assert_eq!(node.asked(), None);
    }
}

#[test]
fn an_assigned_client_id_is_told_when_the_exchange_is_over() {
    let mut node = node(2);
    let peer = waiting(&mut node, "");
    node.answer(peer, accepted("ann", b""));
    let bytes = node.take(peer);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let at = text.find("ringwire-").unwrap();
    assert!(node.client(&text[at..at + 25]).is_some(), "{text}");
}

#[test]
fn a_method_that_is_not_offered_is_refused_mqtt_4_12_0_1() {
    for methods in [vec![], vec!["TEST-2".to_owned()]] {
        let mut node = node_with(1, |settings| settings.access.methods = methods);
        let peer = node.open(0);
        node.send(peer, &hello("c", METHOD, b""));
        assert_eq!(node.take_words(peer, V5), ["connack 0 bad_authentication_method"]);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::NotSupported));
        assert_eq!(node.asked(), None);
    }
}

#[test]
fn a_client_that_is_refused_gets_a_connack_and_no_disconnect_mqtt_4_12_0_4() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.answer(peer, Answer::Refused);
    assert_eq!(node.take_words(peer, V5), ["connack 0 not_authorized"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
    assert!(node.client("c").is_none());
    assert_eq!(node.asked(), None, "it is over on both sides");
}

#[test]
fn whoever_is_too_busy_to_answer_lets_nobody_in() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.answer(peer, Answer::Busy);
    assert_eq!(node.take_words(peer, V5), ["connack 0 server_busy"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::ServerBusy));
}

#[test]
fn before_its_connack_a_client_sends_auth_or_disconnect_only_mqtt_3_1_2_30() {
    let ping = vec![0xC0, 0];
    let publish = vec![0x30, 4, 0, 1, b'a', 0];
    let second = hello("c", METHOD, b"first");
    for (what, reason) in [
        (ping, CloseReason::ProtocolError),
        (publish, CloseReason::ProtocolError),
        (second, CloseReason::ProtocolAlreadyConnected),
    ] {
        // Behind the CONNECT at once, while the question waits, and when it is the client's turn.
        for moment in 0..3 {
            let mut node = node(1);
            let peer = node.open(0);
            let mut bytes = hello("c", METHOD, b"first");
            if moment == 0 {
                bytes.extend_from_slice(&what);
            }
            node.send(peer, &bytes);
            if moment == 2 {
                node.answer(peer, challenge(b""));
                assert_eq!(node.take(peer), go_on(b""));
            }
            if moment > 0 {
                node.send(peer, &what);
            }
            assert_eq!(node.take_words(peer, V5), ["connack 0 protocol_error"]);
            assert_eq!(closed(&mut node, peer), Some(reason));
            assert!(matches!(node.asked(), Some(Step::Begin { .. })));
            assert_eq!(node.asked(), Some(Step::Abandon));
        }
    }
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.send(peer, &[0xE0, 0]);
    assert!(node.take(peer).is_empty());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::Normal));
    assert_eq!(node.asked(), Some(Step::Abandon));
}

#[test]
fn bytes_that_are_no_packet_are_malformed_before_the_connack_too() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.send(peer, &[0xF1, 0]);
    assert_eq!(node.take_words(peer, V5), ["connack 0 malformed_packet"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::MalformedPacket));
}

#[test]
fn what_is_wrong_with_a_packet_before_the_connack_is_told_by_a_code_of_connack() {
    // A SUBSCRIBE with a filter, and a PUBLISH with an alias, that are none.
    for bytes in [
        &b"\x82\x09\x00\x01\x00\x00\x03a#b\x00"[..],
        b"\x30\x07\x00\x01t\x03\x23\x00\x00",
    ] {
        let mut node = node(1);
        let peer = waiting(&mut node, "c");
        node.send(peer, bytes);
        assert_eq!(node.take_words(peer, V5), ["connack 0 protocol_error"]);
        assert!(closed(&mut node, peer).is_some());
    }
}

#[test]
fn an_auth_out_of_turn_is_a_protocol_error() {
    let early = [go_on(b""), again(b""), auth(ReasonCode::Success, METHOD, b"")];
    for bytes in early {
        let mut node = node(1);
        let peer = waiting(&mut node, "c");
        node.send(peer, &bytes);
        assert_eq!(node.take_words(peer, V5), ["connack 0 protocol_error"]);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::ProtocolError));
    }
    let late = [go_on(b""), auth(ReasonCode::Success, METHOD, b""), vec![0xF0, 0]];
    for bytes in late {
        let mut node = node(1);
        let peer = established(&mut node, "c");
        node.send(peer, &bytes);
        assert_eq!(node.take_words(peer, V5), ["disconnect protocol_error"]);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::ProtocolError));
    }
}

#[test]
fn another_method_than_that_of_the_connect_is_a_protocol_error_mqtt_4_12_1_1() {
    let mut node = node_with(1, |settings| settings.access.methods.push("TEST-2".to_owned()));
    let peer = waiting(&mut node, "c");
    node.answer(peer, challenge(b""));
    node.take(peer);
    node.send(peer, &auth(ReasonCode::ContinueAuthentication, "TEST-2", b""));
    assert_eq!(node.take_words(peer, V5), ["connack 0 protocol_error"]);
    let peer = {
        node.asked();
        established(&mut node, "d")
    };
    node.send(peer, &auth(ReasonCode::ReAuthenticate, "TEST-2", b""));
    assert_eq!(node.take_words(peer, V5), ["disconnect protocol_error"]);
}

#[test]
fn a_client_without_a_method_may_not_send_auth_mqtt_4_12_0_7() {
    let mut node = node_with(1, |settings| settings.access.allow_anonymous = true);
    let peer = node.connect(0, Hello::new(V5, "c"));
    node.send(peer, &again(b""));
    assert_eq!(node.take_words(peer, V5), ["disconnect protocol_error"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::ProtocolError));
    assert_eq!(node.asked(), None);
}

#[test]
fn an_exchange_that_is_not_ended_in_time_is_ended() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.answer(peer, challenge(b""));
    node.take(peer);
    node.pass(14_000);
    assert_eq!(closed(&mut node, peer), None);
    node.pass(1_000);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::IdleTimeout));
    assert!(node.take(peer).is_empty());
    assert_eq!(node.asked(), Some(Step::Abandon));

    let peer = established(&mut node, "d");
    node.send(peer, &again(b"first"));
    node.asked();
    node.answer(peer, challenge(b""));
    node.take(peer);
    node.pass(15_000);
    assert_eq!(node.take_words(peer, V5), ["disconnect not_authorized"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
    assert_eq!(node.asked(), Some(Step::Abandon));
}

#[test]
fn an_answer_to_a_client_that_is_gone_is_for_nobody() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.end(peer);
    assert_eq!(node.asked(), Some(Step::Abandon));
    for answer in [challenge(b"x"), accepted("ann", b""), Answer::Refused] {
        node.answer(peer, answer);
    }
    assert!(node.take(peer).is_empty());
    assert!(node.client("c").is_none());
}

#[test]
fn a_client_proves_anew_who_it_is_while_everything_else_goes_on() {
    for shard in [0, 1] {
        let mut node = node(2);
        let name = node.name_at(shard, "client");
        let peer = established(&mut node, &name);
        node.subscribe(peer, V5, "a", 1);
        for round in 0..3 {
            node.send(peer, &again(b"first"));
            let begin = node.asked();
            assert!(matches!(begin, Some(Step::Begin { .. })), "{round}: {begin:?}");
            node.publish(peer, V5, "a", b"while asked", QoS::AtMostOnce, 0);
            node.answer(peer, challenge(b"challenge"));
            node.publish(peer, V5, "a", b"while told", QoS::AtMostOnce, 0);
            node.send(peer, &go_on(b"proof"));
            assert!(matches!(node.asked(), Some(Step::Continue { .. })));
            node.answer(peer, accepted("ann", b"final"));
            let words = node.take_words(peer, V5);
            let publishes = words
                .iter()
                .filter(|word| word.starts_with("publish a while"))
                .count();
            assert_eq!(publishes, 2, "{words:?}");
            let last = words.last().unwrap();
            assert!(last.contains("Auth") && last.contains("Success"), "{words:?}");
        }
        // No deadline of an exchange is left behind.
        node.pass(60_000);
        assert_eq!(closed(&mut node, peer), None);
    }
}

#[test]
fn a_client_that_fails_to_prove_anew_who_it_is_is_closed_mqtt_4_12_1_2() {
    for answer in [Answer::Refused, accepted("bob", b"")] {
        let mut node = node(1);
        let peer = established(&mut node, "c");
        node.send(peer, &again(b"first"));
        node.answer(peer, answer);
        assert_eq!(node.take_words(peer, V5), ["disconnect not_authorized"]);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
    }
}

#[test]
fn a_second_exchange_does_not_begin_within_the_first() {
    let mut node = node(1);
    let peer = established(&mut node, "c");
    node.send(peer, &again(b"first"));
    node.send(peer, &again(b"first"));
    assert_eq!(node.take_words(peer, V5), ["disconnect protocol_error"]);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::ProtocolError));
}

#[test]
fn exchanges_and_their_data_are_bounded() {
    let mut node = node_with(1, |settings| {
        settings.limits.exchanges = 2;
        settings.limits.authentication_bytes = 8;
    });
    let first = waiting(&mut node, "a");
    let second = waiting(&mut node, "b");
    let third = node.open(0);
    node.send(third, &hello("c", METHOD, b"first"));
    assert_eq!(node.take_words(third, V5), ["connack 0 quota_exceeded"]);
    assert_eq!(closed(&mut node, third), Some(CloseReason::QuotaExceeded));
    // One that ends makes room, however it ends.
    node.answer(first, accepted("ann", b""));
    node.take(first);
    let third = waiting(&mut node, "c");
    node.send(first, &again(b"first"));
    assert_eq!(node.take_words(first, V5), ["disconnect quota_exceeded"]);
    node.end(second);
    node.asked();
    let second = waiting(&mut node, "b");
    node.answer(second, Answer::Refused);
    let fourth = node.open(0);
    node.send(fourth, &hello("d", METHOD, b"more than eight"));
    assert_eq!(node.take_words(fourth, V5), ["connack 0 not_authorized"]);
    node.answer(third, challenge(b""));
    node.take(third);
    node.send(third, &go_on(b"more than eight"));
    assert_eq!(node.take_words(third, V5), ["connack 0 not_authorized"]);
    assert_eq!(closed(&mut node, third), Some(CloseReason::AuthenticationFailed));
    for name in ["e", "f"] {
        waiting(&mut node, name);
    }
}

#[test]
fn a_username_that_is_only_claimed_lets_nobody_in_where_usernames_are_proved() {
    let mut node = node_with(1, |settings| settings.access.allow_anonymous = true);
    let mut connect = |username: Option<&str>, method: bool| {
        let peer = node.open(0);
        let properties = match method {
            true => named(METHOD, b""),
            false => PropertyList::default(),
        };
        let mut bytes = Vec::new();
        let connect = ringwire_codec::mqtt::Connect {
            version: V5,
            clean_start: true,
            keep_alive: 0,
            client_id: "c",
            will: None,
            username,
            password: None,
            properties: properties.as_properties(),
        };
        Packet::Connect(connect).encode(V5, &mut bytes).unwrap();
        node.send(peer, &bytes);
        if method {
            node.answer(peer, accepted("ann", b""));
        }
        node.take_words(peer, V5)[0].clone()
    };
    assert_eq!(connect(Some("ann"), false), "connack 0 bad_user_name_or_password");
    assert_eq!(connect(None, false), "connack 0 success");
    // With a method, the one that is claimed must be the one that is proved.
    assert_eq!(connect(Some("bob"), true), "connack 0 bad_user_name_or_password");
    assert_eq!(connect(Some("ann"), true), "connack 0 success");
    assert_eq!(connect(None, true), "connack 0 success");
}

#[test]
fn rules_go_by_the_username_that_was_proved() {
    let mut node = node_with(1, |settings| {
        let rule = |allow, username: Option<&str>| ringwire_core::access::Rule {
            allow,
            username: username.map(str::to_owned),
            client_id: None,
            operation: ringwire_core::access::Operation::All,
            topics: vec!["users/%u/#".to_owned(), "#".to_owned()],
        };
        settings.access.rules = vec![rule(true, Some("ann")), rule(false, None)];
    });
    let peer = established(&mut node, "c");
    node.subscribe(peer, V5, "users/ann/x", 0);
    assert_eq!(node.take_words(peer, V5), ["suback #9 [00]"]);
    let other = waiting(&mut node, "d");
    node.answer(other, accepted("bob", b""));
    node.take(other);
    node.subscribe(other, V5, "users/ann/x", 0);
    assert_eq!(node.take_words(other, V5), ["suback #9 [87]"]);
}

#[test]
fn a_challenge_that_is_larger_than_the_client_takes_ends_the_connection() {
    let mut node = node(1);
    let peer = node.open(0);
    let mut properties = named(METHOD, b"");
    properties.push(Property::MaximumPacketSize(20));
    let properties = properties.as_properties();
    let hello = Hello::new(V5, "c");
    node.send(peer, &Hello { properties, ..hello }.bytes());
    node.answer(peer, challenge(b"a challenge that does not fit"));
    assert!(node.take(peer).is_empty());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::PacketTooLarge));
}

#[test]
fn the_end_of_the_node_is_told_to_nobody_who_has_no_connack() {
    let mut node = node(1);
    let peer = waiting(&mut node, "c");
    node.input(0, ringwire_core::Input::Drain);
    assert!(node.take(peer).is_empty());
    assert_eq!(closed(&mut node, peer), Some(CloseReason::ServerShuttingDown));
}
