//! What the engine does with the events of an adapter, whatever it speaks: two shards, an adapter that speaks in words.

#[path = "../node/mod.rs"]
mod node;
mod words;

use node::{Hello, Node, Peer};
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_core::settings::{Device, Listener, Overflow, Protocol};
use ringwire_core::{CloseReason, DropReason, Input, ListenerId, Note, Settings};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use words::Words;

const WORDS: ListenerId = ListenerId(1);
const V3: Version = Version::V311;

fn words(name: &'static str, window: u16) -> Arc<Words> {
    let open = Arc::default();
    Arc::new(Words { name, window, open })
}

fn node(device: Device) -> Node {
    Node::with(settings(device))
}

fn settings(device: Device) -> Settings {
    let mut settings = node::settings(2);
    settings.limits.device_frame_bytes = 100;
    settings.listeners.push(Listener {
        name: "words".into(),
        max_connections: 100,
        protocol: Protocol::Device(device),
    });
    settings
}

/// A listener whose devices acknowledge.
fn acknowledging(window: u16) -> Device {
    Device {
        adapter: words("words", window),
        up_topic: "up/%c".to_owned(),
        dn_topic: "dn/%c".to_owned(),
        retry_interval_ms: 1_000,
        retry_max: 2,
        ..Device::default()
    }
}

/// A device whose home is shard 1, and its name, let in.
fn device(node: &mut Node) -> (Peer, String) {
    let name = node.name_at(1, "dev");
    let peer = node.open_on(0, WORDS);
    node.send(peer, format!("c {name}\n").as_bytes());
    assert_eq!(heard(node, peer), ["Accepted"]);
    (peer, name)
}

fn heard(node: &mut Node, peer: Peer) -> Vec<String> {
    let text = String::from_utf8(node.take(peer)).expect("words");
    text.lines().map(str::to_owned).collect()
}

fn mqtt(node: &mut Node, filter: &str) -> Peer {
    let name = node.name_at(0, "app");
    let peer = node.connect(0, Hello::new(V3, &name));
    node.subscribe(peer, V3, filter, 1);
    node.take(peer);
    peer
}

fn down(node: &mut Node, from: Peer, name: &str, payload: &str) {
    let topic = format!("dn/{name}");
    node.publish(from, V3, &topic, payload.as_bytes(), QoS::AtMostOnce, 0);
}

/// The detail of the last close.
fn last_close(node: &Node) -> (CloseReason, String) {
    let mut closes = node.notes.iter().rev().filter_map(|note| match note {
        Note::Closed { reason, detail, .. } => Some((*reason, detail.clone())),
        Note::Connected { .. } | Note::Dropped { .. } | Note::Unreadable { .. } | Note::Banned { .. } => None,
    });
    closes.next().expect("something was closed")
}

#[test]
fn a_device_that_says_who_it_is_moves_home_before_it_is_told_anything() {
    let mut node = node(acknowledging(0));
    let name = node.name_at(1, "dev");
    let peer = node.open_on(0, WORDS);
    node.send(peer, format!("n\ni {name}\n").as_bytes());
    assert_eq!(heard(&mut node, peer), ["Identified"]);
    assert!(node.moved.keys().any(|(shard, _)| *shard == 0), "handed over");
    node.send(peer, format!("c {name}\nh\n").as_bytes());
    assert_eq!(heard(&mut node, peer), ["Accepted", "Alive"]);
    assert!(node.engines[1].client(&name).expect("listed").connected);
}

#[test]
fn a_device_that_was_told_something_cannot_become_another_that_is_at_home_elsewhere() {
    let mut node = node(acknowledging(0));
    let (name, other) = (node.name_at(1, "dev"), node.name_at(0, "dev"));
    let peer = node.open_on(0, WORDS);
    node.send(peer, format!("i {name}\nc {other}\n").as_bytes());
    assert_eq!(heard(&mut node, peer), ["Identified"]);
    assert_eq!(last_close(&node).0, CloseReason::InvalidClientId);
}

#[test]
fn fields_of_a_frame_stand_in_its_topic_and_a_value_that_would_change_it_is_dropped() {
    let mut node = node(Device {
        adapter: words("words", 0),
        up_topic: "up/%c/{value}/{nothing}".to_owned(),
        ..Device::default()
    });
    let app = mqtt(&mut node, "up/#");
    let (peer, name) = device(&mut node);
    node.send(peer, b"d red one\nd a/b two\nd + three\nd blue four\n");
    assert_eq!(
        node.take_words(app, V3),
        [
            format!("publish up/{name}/red/{{nothing}} one q0"),
            format!("publish up/{name}/blue/{{nothing}} four q0"),
        ]
    );
    assert_eq!(heard(&mut node, peer), ["Taken", "Denied", "Denied", "Taken"]);
    assert_eq!(node.drops(DropReason::TopicInvalid), 2);
}

#[test]
fn a_value_without_a_place_in_a_topic_leaves_the_topics_of_others_as_they_are() {
    let mut settings = node::settings(1);
    for up_topic in ["{value}", "own/%c"] {
        settings.listeners.push(Listener {
            name: up_topic.into(),
            max_connections: 100,
            protocol: Protocol::Device(Device {
                adapter: words("words", 0),
                up_topic: up_topic.to_owned(),
                allow_slash: true,
                ..Device::default()
            }),
        });
    }
    let mut node = Node::with(settings);
    let app = mqtt(&mut node, "#");
    let [fields, own] = [1, 2].map(|listener| {
        let peer = node.open_on(0, ListenerId(listener));
        node.send(peer, format!("c dev{listener}\n").as_bytes());
        peer
    });
    node.send(own, b"d - one\n");
    // Refused before it is in the topic, in the midst of it, and as a whole; then one with levels.
    for value in ["+", "$SYS", ""] {
        node.send(fields, format!("d {value} lost\n").as_bytes());
        node.send(own, b"d - two\n");
    }
    node.send(fields, b"d a/b three\n");
    let two = "publish own/dev2 two q0";
    let expected = ["publish own/dev2 one q0", two, two, two, "publish a/b three q0"];
    assert_eq!(node.take_words(app, V3), expected);
    let denied = ["Accepted", "Denied", "Denied", "Denied", "Taken"];
    assert_eq!(heard(&mut node, fields), denied);
    assert_eq!(node.drops(DropReason::TopicInvalid), 3);
}

#[test]
fn data_that_a_rule_forbids_is_denied_to_the_adapter_and_the_next_is_taken() {
    let mut settings = node::settings(1);
    settings.listeners.push(Listener {
        name: "words".into(),
        max_connections: 100,
        protocol: Protocol::Device(Device {
            up_topic: "up/{value}".to_owned(),
            ..acknowledging(0)
        }),
    });
    settings.access.rules = vec![ringwire_core::access::Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: ringwire_core::access::Operation::Publish,
        topics: vec!["up/secret".to_owned()],
    }];
    let mut node = Node::with(settings);
    let peer = node.open_on(0, WORDS);
    node.send(peer, b"c dev\nd secret x\nd open x\n");
    assert_eq!(heard(&mut node, peer), ["Accepted", "Denied", "Taken"]);
}

#[test]
fn a_client_id_prefix_is_in_the_name_that_a_device_is_at_home_by() {
    let mut node = node(Device {
        client_id_prefix: "p-".to_owned(),
        ..acknowledging(0)
    });
    for shard in 0..2 {
        let mut tries = (0..).map(|n| format!("dev{n}"));
        let name =
            tries.find(|name| node.name_home(&format!("p-{name}")) == shard && node.name_home(name) != shard);
        let name = name.expect("one in four");
        let peer = node.open_on(0, WORDS);
        node.send(peer, format!("i {name}\n").as_bytes());
        node.send(peer, format!("c {name}\nh\n").as_bytes());
        assert_eq!(heard(&mut node, peer), ["Identified", "Accepted", "Alive"]);
        let client = node.client(&format!("p-{name}")).expect("listed");
        assert_eq!(client.shard, shard);
    }
}

#[test]
fn a_device_from_a_banned_address_is_told_nothing_but_that() {
    let mut node = node(acknowledging(0));
    let who = ringwire_core::bans::Banned::parse("peerhost", "127.0.0.1").expect("an address");
    let ban = Arc::new(ringwire_core::bans::Ban {
        who,
        by: "test".to_owned(),
        reason: String::new(),
        at_s: 0,
        until_s: None,
    });
    for shard in 0..2 {
        node.input(shard, Input::Ban { ban: ban.clone() });
    }
    for word in ["i", "c"] {
        let peer = node.open_on(0, WORDS);
        node.send(peer, format!("{word} dev\n").as_bytes());
        let said = heard(&mut node, peer);
        assert!(
            matches!(said.as_slice(), [text] if text.contains("Refused") && text.contains("Banned")),
            "{word}: {said:?}"
        );
        assert_eq!(last_close(&node).0, CloseReason::Banned);
    }
}

#[test]
fn an_adapter_is_told_of_the_end_of_each_connection() {
    let adapter = words("words", 0);
    let mut node = node(Device {
        adapter: adapter.clone(),
        ..acknowledging(0)
    });
    let open = || adapter.open.load(Ordering::Relaxed);
    let (gone, _) = device(&mut node);
    let (closed, _) = device(&mut node);
    let silent = node.open_on(1, WORDS);
    assert_eq!(
        open(),
        2,
        "the second took over from the first, and one says nothing yet"
    );
    node.end(gone);
    node.send(closed, b"bad\n");
    node.end(silent);
    assert_eq!(open(), 0);
}

#[test]
fn bytes_that_are_left_out_are_counted_and_told_once_a_connection() {
    let mut node = node(acknowledging(0));
    let app = mqtt(&mut node, "up/#");
    let (peer, name) = device(&mut node);
    node.send(peer, b"h\n? what\n? why\nd - on\n");
    assert_eq!(node.take_words(app, V3), [format!("publish up/{name} on q0")]);
    assert_eq!(node.drops(DropReason::FrameUnreadable), 2);
    let told: Vec<&Note> = (node.notes.iter())
        .filter(|note| matches!(note, Note::Unreadable { .. }))
        .collect();
    let [
        Note::Unreadable {
            client_id, detail, ..
        },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(*client_id, name);
    assert_eq!(
        detail, "a question (offset 4): 3f 20 77 68 61 74 0a 3f 20 77 68 79 0a 64 20 2d",
        "offset in what arrived, its first bytes"
    );
}

#[test]
fn bytes_that_cannot_be_read_close_with_their_reason_after_the_adapter_had_its_say() {
    let mut node = node(acknowledging(0));
    let (peer, _) = device(&mut node);
    node.send(peer, b"h\nbad\n");
    assert_eq!(heard(&mut node, peer), ["Alive", "Unreadable(Checksum)"]);
    let expected = "no word of mine (offset 3): 62 61 64 0a".to_owned();
    assert_eq!(last_close(&node), (CloseReason::BadChecksum, expected));
}

#[test]
fn an_adapter_that_says_what_makes_no_sense_costs_its_connection_and_no_more() {
    let mut node = node(acknowledging(0));
    let (bystander, _) = device(&mut node);
    for (said, in_it) in [
        ("h\n", "before its greeting"),
        ("d - x\n", "before its greeting"),
        ("a 1\n", "before its greeting"),
        ("c dev9\nc dev9\n", "a second greeting"),
        ("c dev9\ni dev9\n", "a second greeting"),
        ("c dev9\nover\n", "used 6 of 5 bytes"),
        ("c dev9\nspin\n", "used 0 of 5 bytes"),
    ] {
        let peer = node.open_on(0, WORDS);
        node.send(peer, said.as_bytes());
        let (reason, detail) = last_close(&node);
        assert_eq!(reason, CloseReason::AdapterFailed, "{said:?}");
        assert!(detail.contains(in_it), "{said:?}: {detail}");
        node.take(peer);
    }
    node.send(bystander, b"h\n");
    assert_eq!(heard(&mut node, bystander), ["Alive"]);
}

#[test]
fn a_frame_without_an_end_is_refused_at_the_limit() {
    let mut node = node(acknowledging(0));
    let (peer, _) = device(&mut node);
    node.send(peer, &[b'd'; 60]);
    node.send(peer, &[b'd'; 40]);
    assert_eq!(node.wire(peer).closed, None);
    node.send(peer, b"d");
    assert_eq!(node.wire(peer).closed, Some(CloseReason::PacketTooLarge));
    assert!(last_close(&node).1.contains("limits.device_frame_bytes"));
}

#[test]
fn a_message_is_sent_again_until_it_is_acknowledged_or_given_up() {
    let mut node = node(acknowledging(2));
    let (peer, name) = device(&mut node);
    let app = mqtt(&mut node, "nothing");
    for payload in ["one", "two", "three"] {
        down(&mut node, app, &name, payload);
    }
    assert_eq!(heard(&mut node, peer), ["1 one", "2 two"], "a window of two");
    node.send(peer, b"a 2\na 7\n");
    assert_eq!(heard(&mut node, peer), ["3 three"]);
    node.pass(999);
    assert!(heard(&mut node, peer).is_empty());
    node.pass(1);
    assert_eq!(heard(&mut node, peer), ["1 one again", "3 three again"]);
    node.send(peer, b"a 3\n");
    node.pass(1_000);
    assert_eq!(heard(&mut node, peer), ["1 one again"]);
    node.pass(1_000);
    assert!(heard(&mut node, peer).is_empty());
    assert_eq!(node.drops(DropReason::NotAcknowledged), 1);
    down(&mut node, app, &name, "four");
    assert_eq!(heard(&mut node, peer), ["4 four"]);
    node.send(peer, b"a 4\n");
    node.pass(5_000);
    assert!(heard(&mut node, peer).is_empty(), "nothing is waited for");
    assert_eq!(node.engines[1].client(&name).expect("listed").inflight_cnt, 0);
}

#[test]
fn what_needs_no_acknowledgement_or_is_given_up_leaves_its_place_to_the_next() {
    let mut node = node(acknowledging(1));
    let (peer, name) = device(&mut node);
    let app = mqtt(&mut node, "nothing");
    for payload in ["settled", "settled", "one", "once", "two"] {
        down(&mut node, app, &name, payload);
    }
    assert_eq!(heard(&mut node, peer), ["1 settled", "2 settled", "3 one"]);
    node.pass(1_000);
    node.pass(1_000);
    assert_eq!(heard(&mut node, peer), ["3 one again", "3 one again"]);
    node.pass(1_000);
    assert_eq!(heard(&mut node, peer), ["4 once"], "one is given up");
    assert_eq!(node.drops(DropReason::NotAcknowledged), 1);
    node.pass(1_000);
    assert_eq!(
        heard(&mut node, peer),
        ["5 two"],
        "once cannot be written a second time"
    );
    assert_eq!(node.drops(DropReason::Unencodable), 1);
    node.send(peer, b"a 5\n");
    let client = node.client(&name).expect("listed");
    assert_eq!((client.inflight_cnt, client.mqueue_len), (0, 0));
    assert_eq!(client.send_msg, 7);
}

#[test]
fn a_device_that_reads_nothing_is_sent_nothing_again_and_its_message_is_given_up_in_time() {
    let mut settings = node::settings(1);
    settings.limits.outbox_bytes = 8;
    settings.listeners.push(Listener {
        name: "words".into(),
        max_connections: 100,
        protocol: Protocol::Device(acknowledging(1)),
    });
    let mut node = Node::with(settings);
    let peer = node.open_on(0, WORDS);
    node.send(peer, b"c dev\n");
    let app = mqtt(&mut node, "nothing");
    node.take(peer);
    node.wire(peer).stuck = true;
    down(&mut node, app, "dev", "a long one");
    node.pass(2_999);
    assert_eq!(node.drops(DropReason::NotAcknowledged), 0);
    node.pass(1);
    assert_eq!(node.drops(DropReason::NotAcknowledged), 1);
    node.unstick(peer);
    assert_eq!(heard(&mut node, peer), ["1 a long one"]);
}

#[test]
fn what_a_device_did_not_acknowledge_reaches_it_when_it_is_back() {
    let mut node = node(Device {
        session_expiry_s: 60,
        ..acknowledging(2)
    });
    let (peer, name) = device(&mut node);
    let app = mqtt(&mut node, "nothing");
    for payload in ["one", "two", "three", "settled"] {
        down(&mut node, app, &name, payload);
    }
    node.send(peer, b"a 1\n");
    assert_eq!(heard(&mut node, peer), ["1 one", "2 two", "3 three"]);
    node.send(peer, b"x\n");
    assert_eq!(heard(&mut node, peer), ["Goodbye"]);
    node.pass(10_000);
    down(&mut node, app, &name, "four");
    let peer = node.open_on(0, WORDS);
    node.send(peer, format!("c {name}\n").as_bytes());
    assert_eq!(heard(&mut node, peer), ["Accepted", "2 two", "3 three"]);
    node.send(peer, b"a 2\na 3\n");
    assert_eq!(
        heard(&mut node, peer),
        ["4 settled", "5 four"],
        "what needs no acknowledgement holds nothing up"
    );
}

/// Closed for its full queue each time it came, it would never have a moment to acknowledge what is in it.
#[test]
fn a_device_that_comes_back_to_a_full_queue_is_not_closed_for_it_before_it_has_caught_up() {
    let mut settings = settings(Device {
        session_expiry_s: 60,
        overflow: Overflow::Disconnect,
        ..acknowledging(1)
    });
    settings.limits.queue_messages = 3;
    let mut node = Node::with(settings);
    let (peer, name) = device(&mut node);
    let app = mqtt(&mut node, "nothing");
    node.send(peer, b"x\n");
    for payload in ["lost", "one", "two", "three"] {
        down(&mut node, app, &name, payload);
    }
    let peer = node.open_on(0, WORDS);
    node.send(peer, format!("c {name}\n").as_bytes());
    assert_eq!(heard(&mut node, peer), ["Accepted", "1 one"]);
    for payload in ["four", "five"] {
        down(&mut node, app, &name, payload);
    }
    assert_eq!(node.wire(peer).closed, None);
    assert_eq!(node.drops(DropReason::QueueFull), 2, "the oldest, and one more");
    let mut said = Vec::new();
    for number in 1..=4 {
        node.send(peer, format!("a {number}\n").as_bytes());
        said.extend(heard(&mut node, peer));
    }
    assert_eq!(said, ["2 three", "3 four", "4 five"], "it has caught up");
    for payload in ["six", "seven", "eight", "nine"] {
        down(&mut node, app, &name, payload);
    }
    assert_eq!(node.wire(peer).closed, None, "one is on its way, three wait");
    down(&mut node, app, &name, "ten");
    assert_eq!(node.wire(peer).closed, Some(CloseReason::SlowConsumer));
}

#[test]
fn a_message_that_its_adapter_cannot_write_is_dropped_and_counted_and_a_failure_closes() {
    for window in [0, 2] {
        let mut node = node(acknowledging(window));
        let (peer, name) = device(&mut node);
        let app = mqtt(&mut node, "nothing");
        for payload in ["invalid", "one", "invalid", "failed", "two"] {
            down(&mut node, app, &name, payload);
        }
        let number = if window == 0 { 0 } else { 2 };
        assert_eq!(
            heard(&mut node, peer),
            [format!("{number} one")],
            "nothing half written"
        );
        assert_eq!(last_close(&node).0, CloseReason::AdapterFailed);
        assert_eq!(node.drops(DropReason::Unencodable), 3);
        let is_said = |note: &&Note| matches!(note, Note::Dropped { detail, .. } if detail == "not a word");
        assert_eq!(
            node.notes.iter().filter(is_said).count(),
            1,
            "what is wrong is said, and once"
        );
    }
}

#[test]
fn a_listeners_adapter_is_replaced_and_who_is_connected_goes_on_with_the_older_one() {
    let mut node = node(acknowledging(0));
    let (older, older_name) = device(&mut node);
    for shard in 0..2 {
        let adapter = words("newer", 0);
        let input = Input::Adapt {
            listener: WORDS,
            adapter,
        };
        node.input(shard, input);
    }
    assert_eq!(node.engines[1].stats().adapters, 2);
    assert_eq!(
        node.engines[0].stats().adapters,
        1,
        "nobody uses the older one there"
    );
    let newer_name = node.name_at(1, "new");
    let newer = node.open_on(0, WORDS);
    node.send(newer, format!("c {newer_name}\nh\n").as_bytes());
    assert_eq!(heard(&mut node, newer), ["Accepted", "Alive"]);
    node.send(older, b"h\n");
    assert_eq!(heard(&mut node, older), ["Alive"]);
    let name_of = |node: &Node, id: &str| node.engines[1].client(id).expect("listed").proto_name;
    assert_eq!(name_of(&node, &older_name), "words");
    assert_eq!(name_of(&node, &newer_name), "newer");
    node.send(older, b"x\n");
    assert_eq!(node.engines[1].stats().adapters, 1);
    node.send(newer, b"h\n");
    assert_eq!(heard(&mut node, newer), ["Alive"]);
}
