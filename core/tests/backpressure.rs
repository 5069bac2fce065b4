//! Back-pressure: a subscriber that falls behind slows its QoS 1/2 publishers down; one that reads nothing stops nobody.
//!
//! First with acknowledgements that wait, then with publishers that send on without them and are not read for it.

mod node;

use node::{Hello, Node, Peer, settings};
use ringwire_codec::mqtt::{Packet, PacketId, Properties, Publish, QoS, Version};
use ringwire_core::{CloseReason, DropReason, Input};

/// A node whose sessions are behind from their fifth waiting message on, with one delivery on its way at a time.
fn node(shards: u16) -> Node {
    let mut settings = settings(shards);
    settings.limits.inflight = 1;
    settings.limits.backpressure_messages = 4;
    settings.limits.backpressure_timeout_ms = 1_000;
    Node::with(settings)
}

fn reader(node: &mut Node, shard: u16) -> Peer {
    let name = node.name_at(shard, "reader");
    let reader = node.connect(shard, Hello::new(Version::V311, &name));
    node.subscribe(reader, Version::V311, "t", 2);
    node.take(reader);
    reader
}

fn publisher(node: &mut Node, name: &str) -> Peer {
    let name = node.name_at(0, name);
    node.connect(0, Hello::new(Version::V311, &name))
}

fn publish(node: &mut Node, from: Peer, ids: std::ops::RangeInclusive<u16>) {
    for id in ids {
        node.publish(from, Version::V311, "t", b"x", QoS::AtLeastOnce, id);
    }
}

fn acknowledge(node: &mut Node, reader: Peer, ids: std::ops::RangeInclusive<u8>) {
    for id in ids {
        node.send(reader, &[0x40, 2, 0, id]);
    }
}

#[test]
fn acknowledgements_wait_in_order_until_a_subscriber_that_was_behind_has_caught_up() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        publish(&mut node, from, 1..=5);
        assert_eq!(
            node.take_words(from, Version::V311).len(),
            5,
            "one on its way, four wait"
        );
        publish(&mut node, from, 6..=6);
        node.publish(from, Version::V311, "t", b"x", QoS::ExactlyOnce, 7);
        publish(&mut node, from, 8..=8);
        if shards == 2 {
            // The word of it crosses the mesh: the publish that made the session fall behind is acknowledged already.
            assert_eq!(node.take_words(from, Version::V311), ["puback #6 success"]);
        }
        assert!(node.take(from).is_empty());
        assert!(!node.wire(from).paused, "it is read as ever");
        node.send(from, &[0xC0, 0]);
        assert_eq!(node.take_words(from, Version::V311), ["pingresp"]);
        acknowledge(&mut node, reader, 1..=4);
        assert!(node.take(from).is_empty(), "three of more than four still wait");
        acknowledge(&mut node, reader, 5..=5);
        let all = ["puback #6 success", "pubrec #7 success", "puback #8 success"];
        assert_eq!(
            node.take_words(from, Version::V311),
            all[usize::from(shards - 1)..]
        );
        publish(&mut node, from, 9..=9);
        assert_eq!(node.take_words(from, Version::V311), ["puback #9 success"]);
        assert_eq!(node.engines[0].stats().publishers_slowed, 1);
    }
}

#[test]
fn a_subscriber_that_reads_nothing_delays_acknowledgements_once_and_then_slows_nobody() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        publish(&mut node, from, 1..=8);
        node.take(from);
        node.pass(999);
        assert!(node.take(from).is_empty());
        node.pass(1);
        assert!(node.take_words(from, Version::V311).len() >= 2);
        publish(&mut node, from, 9..=20);
        assert_eq!(
            node.take_words(from, Version::V311).len(),
            12,
            "nobody waits for it any more"
        );
        assert_eq!(
            node.engines[usize::from(shards) - 1].stats().subscribers_lagging,
            1
        );
        // Once it has caught up it counts again.
        acknowledge(&mut node, reader, 1..=18);
        publish(&mut node, from, 21..=26);
        assert!(node.take_words(from, Version::V311).len() < 6);
    }
}

#[test]
fn a_subscriber_that_is_slow_but_goes_on_slows_its_publishers_for_as_long_as_it_takes() {
    let mut node = node(1);
    let reader = reader(&mut node, 0);
    let from = publisher(&mut node, "publisher");
    publish(&mut node, from, 1..=250);
    for turn in 0..20u8 {
        node.take(from);
        node.pass(250);
        acknowledge(&mut node, reader, turn * 2 + 1..=turn * 2 + 2);
        publish(&mut node, from, 1_000 + u16::from(turn)..=1_000 + u16::from(turn));
    }
    assert_eq!(
        node.engines[0].stats().subscribers_lagging,
        0,
        "8 a second are more than 4"
    );
    assert!(
        node.engines[0].stats().publishers_slowed >= 5,
        "and again each time that it was judged"
    );
}

#[test]
fn a_publisher_that_comes_back_is_slowed_down_as_it_was() {
    for shards in [1, 2] {
        for leaves_first in [false, true] {
            let mut node = node(shards);
            let reader = reader(&mut node, shards - 1);
            let mut from = publisher(&mut node, "publisher");
            publish(&mut node, from, 1..=8);
            for _ in 0..2 {
                if leaves_first {
                    node.end(from);
                }
                from = publisher(&mut node, "publisher");
                publish(&mut node, from, 1..=2);
                assert!(
                    node.take(from).is_empty(),
                    "the reader is as far behind as before"
                );
            }
            acknowledge(&mut node, reader, 1..=12);
            assert_eq!(
                node.take_words(from, Version::V311),
                ["puback #1 success", "puback #2 success"]
            );
            publish(&mut node, from, 3..=3);
            assert_eq!(node.take_words(from, Version::V311), ["puback #3 success"]);
        }
    }
}

#[test]
fn who_publishes_elsewhere_or_at_qos_0_is_not_slowed() {
    let mut node = node(1);
    let reader = reader(&mut node, 0);
    let (from, other) = (publisher(&mut node, "publisher"), publisher(&mut node, "other"));
    publish(&mut node, from, 1..=8);
    node.take(from);
    node.publish(other, Version::V311, "elsewhere", b"x", QoS::AtLeastOnce, 1);
    node.publish(other, Version::V311, "t", b"x", QoS::AtMostOnce, 0);
    node.publish(other, Version::V311, "elsewhere", b"x", QoS::AtLeastOnce, 2);
    assert_eq!(node.take_words(other, Version::V311).len(), 2);
    node.take(reader);
}

#[test]
fn the_end_of_the_subscriber_or_of_the_publisher_ends_the_wait() {
    for shards in [1, 2] {
        let mut node = node(shards);
        let reader = reader(&mut node, shards - 1);
        let (from, gone) = (publisher(&mut node, "publisher"), publisher(&mut node, "gone"));
        for from in [from, gone] {
            publish(&mut node, from, 1..=8);
            node.take(from);
        }
        node.end(gone);
        publish(&mut node, from, 9..=9);
        assert!(node.take(from).is_empty());
        node.end(reader);
        assert!(!node.take(from).is_empty());
        publish(&mut node, from, 10..=10);
        assert_eq!(node.take_words(from, Version::V311), ["puback #10 success"]);
        // No timer of theirs is left behind.
        node.pass(5_000);
    }
}

#[test]
fn two_clients_that_publish_to_each_other_cannot_block() {
    let mut node = node(1);
    let one = publisher(&mut node, "one");
    node.subscribe(one, Version::V311, "t", 1);
    node.take(one);
    // It publishes to itself, faster than it acknowledges.
    publish(&mut node, one, 1..=8);
    assert_eq!(node.take_words(one, Version::V311).len(), 6);
    acknowledge(&mut node, one, 1..=8);
    let words = node.take_words(one, Version::V311);
    assert_eq!(words.iter().filter(|word| word.starts_with("puback")).count(), 3);
    assert_eq!(words.iter().filter(|word| word.starts_with("publish")).count(), 7);
}

/// As `node`, and a client that sends on is not read from its eleventh unacknowledged publish on.
fn small_window(shards: u16) -> Node {
    let mut settings = settings(shards);
    settings.limits.inflight = 1;
    settings.limits.backpressure_messages = 4;
    settings.limits.backpressure_timeout_ms = 1_000;
    settings.limits.receive_maximum = 10;
    settings.limits.queue_messages = 30;
    Node::with(settings)
}

fn numbered(from: u16, to: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for id in from..=to {
        let payload = id.to_string();
        let publish = Packet::Publish(Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: PacketId::new(id),
            properties: Properties::EMPTY,
            payload: payload.as_bytes(),
        });
        publish
            .encode(Version::V311, &mut bytes)
            .expect("a client's packet can be written");
    }
    bytes
}

/// Takes what the reader got, and acknowledges it.
fn read_on(node: &mut Node, reader: Peer, got: &mut Vec<String>) {
    for word in node.take_words(reader, Version::V311) {
        let (text, id) = word.rsplit_once('#').expect("QoS 1 has an id");
        got.push(text.trim_end().to_owned());
        let [high, low] = id.parse::<u16>().expect("a number").to_be_bytes();
        node.send(reader, &[0x40, 2, high, low]);
    }
}

#[test]
fn a_publisher_that_sends_on_without_acknowledgements_is_not_read_and_nothing_is_lost() {
    for shards in [1, 2] {
        let mut node = small_window(shards);
        let reader = reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        let (mut got, mut pauses, mut next) = (Vec::new(), 0, 1);
        while got.len() < 500 {
            while next <= 500 && !node.wire(from).paused {
                node.send(from, &numbered(next, next));
                next += 1;
                pauses += u32::from(node.wire(from).paused);
            }
            let before = got.len();
            read_on(&mut node, reader, &mut got);
            assert!(got.len() > before, "it goes on at {before}");
        }
        let sent: Vec<String> = (1..=500).map(|id| format!("publish t {id} q1")).collect();
        assert_eq!(got, sent, "all, in order");
        let acknowledged: Vec<String> = (1..=500).map(|id| format!("puback #{id} success")).collect();
        assert_eq!(node.take_words(from, Version::V311), acknowledged);
        assert_eq!(node.drops(DropReason::QueueFull), 0);
        assert!(pauses > 20, "{pauses}");
        assert!(!node.wire(from).paused);
    }
}

#[test]
fn what_had_arrived_already_waits_unread() {
    let mut node = small_window(1);
    let reader = reader(&mut node, 0);
    let from = publisher(&mut node, "publisher");
    node.send(from, &numbered(1, 200));
    assert!(node.wire(from).paused);
    node.send(from, &numbered(201, 300));
    let mut got = Vec::new();
    for _ in 0..300 {
        read_on(&mut node, reader, &mut got);
    }
    let sent: Vec<String> = (1..=300).map(|id| format!("publish t {id} q1")).collect();
    assert_eq!(got, sent);
    assert_eq!(node.take_words(from, Version::V311).len(), 300);
    assert!(!node.wire(from).paused);
}

#[test]
fn who_keeps_to_receive_maximum_is_read_while_its_acknowledgements_wait() {
    let mut node = small_window(1);
    reader(&mut node, 0);
    let from = publisher(&mut node, "publisher");
    node.send(from, &numbered(1, 15));
    assert_eq!(node.take_words(from, Version::V311).len(), 5);
    node.send(from, &[0xC0, 0]);
    assert_eq!(node.take_words(from, Version::V311), ["pingresp"]);
    assert!(!node.wire(from).paused);
    node.send(from, &numbered(16, 16));
    node.send(from, &[0xC0, 0]);
    assert!(node.wire(from).paused, "an eleventh");
    assert!(node.take(from).is_empty());
}

#[test]
fn a_subscriber_that_reads_nothing_keeps_nobody_from_being_read_for_longer_than_the_timeout() {
    for shards in [1, 2] {
        let mut node = small_window(shards);
        reader(&mut node, shards - 1);
        let from = publisher(&mut node, "publisher");
        for id in 1..=30 {
            node.send(from, &numbered(id, id));
        }
        assert!(node.wire(from).paused);
        node.take(from);
        node.pass(999);
        assert!(node.wire(from).paused && node.take(from).is_empty());
        node.pass(1);
        assert!(!node.wire(from).paused, "a second is enough");
        node.send(from, &numbered(31, 130));
        let words = node.take_words(from, Version::V311);
        assert_eq!(
            words.last().unwrap(),
            "puback #130 success",
            "nobody waits for it"
        );
        assert!(!node.wire(from).paused);
    }
}

#[test]
fn a_session_that_fell_behind_later_than_another_slows_for_its_own_time() {
    for shards in [1, 2] {
        let mut node = node(shards);
        reader(&mut node, shards - 1);
        let name = node.name_at(shards - 1, "later");
        let later = node.connect(shards - 1, Hello::new(Version::V311, &name));
        node.subscribe(later, Version::V311, "u", 1);
        let from = publisher(&mut node, "publisher");
        publish(&mut node, from, 1..=8);
        node.pass(600);
        for id in 11..=18 {
            node.publish(from, Version::V311, "u", b"x", QoS::AtLeastOnce, id);
        }
        node.take(from);
        node.pass(400);
        assert!(!node.take(from).is_empty(), "none waits for longer than a second");
        node.publish(from, Version::V311, "u", b"x", QoS::AtLeastOnce, 19);
        node.pass(599);
        assert!(
            node.take(from).is_empty(),
            "the second one is behind for less than a second"
        );
        node.pass(1);
        assert_eq!(node.take_words(from, Version::V311), ["puback #19 success"]);
        node.publish(from, Version::V311, "elsewhere", b"x", QoS::AtLeastOnce, 20);
        assert_eq!(node.take_words(from, Version::V311), ["puback #20 success"]);
    }
}

#[test]
fn two_clients_with_large_windows_that_publish_to_each_other_cannot_block() {
    let mut node = small_window(1);
    let one = publisher(&mut node, "one");
    node.subscribe(one, Version::V311, "t", 1);
    node.take(one);
    // Its acknowledgements stand behind its publishes, so they are not read either.
    node.send(one, &numbered(1, 30));
    assert!(node.wire(one).paused);
    for id in 1..=30 {
        node.send(one, &[0x40, 2, 0, id]);
    }
    node.pass(1_000);
    assert!(!node.wire(one).paused);
    let words = node.take_words(one, Version::V311);
    assert_eq!(words.iter().filter(|word| word.starts_with("puback")).count(), 30);
    assert_eq!(
        words.iter().filter(|word| word.starts_with("publish")).count(),
        30
    );
}

#[test]
fn a_publisher_that_ends_while_it_is_not_read_has_published_what_it_sent() {
    let mut node = small_window(1);
    let reader = reader(&mut node, 0);
    let (from, kicked) = (publisher(&mut node, "publisher"), publisher(&mut node, "kicked"));
    node.send(from, &numbered(1, 25));
    node.send(kicked, &numbered(1, 20));
    assert!(node.wire(from).paused && node.wire(kicked).paused);
    let client_id = node.name_at(0, "kicked");
    node.input(
        0,
        Input::Kick {
            client_id: &client_id,
        },
    );
    assert_eq!(node.wire(kicked).closed, Some(CloseReason::Kicked));
    node.end(from);
    let mut got = Vec::new();
    for _ in 0..40 {
        read_on(&mut node, reader, &mut got);
    }
    // It was not read from its 17th on.
    let last: Vec<_> = (17..=25).map(|id| format!("publish t {id} q1")).collect();
    assert!(got.ends_with(&last), "{got:?}");
    assert_eq!(node.closes().len(), 2);
    node.pass(5_000);
}

/// Each of many connections publishes to the next one, which is behind, and is not read; `inbox` waits there.
fn chain(inbox: &[u8]) -> (Node, Vec<Peer>) {
    const LENGTH: usize = 5_000;
    let mut settings = settings(1);
    settings.listeners[0].max_connections = LENGTH;
    settings.limits.inflight = 1;
    settings.limits.backpressure_messages = 1;
    settings.limits.receive_maximum = 1;
    let mut node = Node::with(settings);
    let peers: Vec<Peer> = (0..LENGTH)
        .map(|number| {
            let name = format!("c{number}");
            let peer = node.connect(0, Hello::new(Version::V311, &name));
            node.subscribe(peer, Version::V311, &format!("t/{number}"), 1);
            peer
        })
        .collect();
    for (number, &peer) in peers.iter().enumerate().take(LENGTH - 1) {
        let next = format!("t/{}", number + 1);
        for id in 1..=4 {
            node.publish(peer, Version::V311, &next, b"x", QoS::AtLeastOnce, id);
        }
        assert!(node.wire(peer).paused);
        node.send(peer, inbox);
    }
    (node, peers)
}

/// With a stack that a call for each of thousands of connections would overflow.
fn with_a_small_stack(test: fn()) {
    let thread = std::thread::Builder::new().stack_size(512 << 10);
    let thread = thread.spawn(test).expect("a thread can be started");
    thread.join().expect("the test passed");
}

#[test]
fn thousands_of_connections_that_ease_each_other_by_ending_need_no_deep_stack() {
    with_a_small_stack(|| {
        let (mut node, peers) = chain(&[0xE0, 0]);
        node.end(peers[peers.len() - 1]);
        let normal = node
            .closes()
            .iter()
            .filter(|(_, reason)| *reason == CloseReason::Normal)
            .count();
        assert_eq!(normal, peers.len() - 1);
        assert_eq!(node.engines[0].stats().connections, 0);
        assert_eq!(node.engines[0].next_wake(), None);
    });
}

#[test]
fn thousands_of_connections_that_ease_each_other_by_acknowledging_need_no_deep_stack() {
    with_a_small_stack(|| {
        let acknowledgements: Vec<u8> = (1..=4).flat_map(|id| [0x40, 2, 0, id]).collect();
        let (mut node, peers) = chain(&acknowledgements);
        node.send(peers[peers.len() - 1], &acknowledgements);
        assert!(peers.iter().all(|&peer| !node.wire(peer).paused));
        let words = node.take_words(peers[0], Version::V311);
        assert_eq!(words.iter().filter(|word| word.starts_with("puback")).count(), 4);
    });
}
