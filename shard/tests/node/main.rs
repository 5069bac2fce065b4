//! Whole nodes with real sockets on loopback: what a client sees of the data path, in fair and in foul weather.
#![allow(clippy::unwrap_used)]

mod client;
mod descriptors;

use client::{Client, PATIENCE, Running, connect_packet, eventually, packet, publish_packet, settings};
use ringwire_core::{Answer, CloseReason};
use ringwire_shard::{Authority, Node, Question, StartError};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn clients_are_answered_on_one_shard_and_on_more_shards_than_cores() {
    for shards in [1, 2, 7] {
        let node = Running::start(settings(shards));
        let mut clients: Vec<_> = (0..40).map(|n| node.connect(&format!("client-{n}"))).collect();
        clients.iter_mut().for_each(Client::ping);
        assert_eq!(node.connections(), 40);
        let homes = node
            .stats()
            .iter()
            .filter(|stats| stats.engine.connections > 0)
            .count();
        assert_eq!(
            homes,
            usize::from(shards),
            "client ids are spread over the shards"
        );
        node.end();
        clients.iter_mut().for_each(Client::expect_end);
    }
}

#[test]
fn a_node_has_up_to_64_shards() {
    let mut settings = settings(64);
    for core in &mut settings.cores {
        core.buffers = 8;
        core.sq_entries = 64;
        core.cq_entries = 128;
    }
    let node = Running::start(settings);
    let mut clients: Vec<_> = (0..100).map(|n| node.connect(&format!("client-{n}"))).collect();
    clients.iter_mut().for_each(Client::ping);
    node.end();
}

#[test]
fn a_publish_reaches_subscribers_on_every_shard_whatever_its_size() {
    let node = Running::start(settings(3));
    let mut subscribers: Vec<_> = (0..12).map(|n| node.connect(&format!("sub-{n}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("news/#");
    }
    let mut publisher = node.connect("publisher");
    for size in [0, 1, 100, 5_000, 100_000, 900_000] {
        let payload: Vec<u8> = (0..size).map(|n: u32| (n % 251) as u8).collect();
        publisher.send(&publish_packet("news/today", &payload));
        for subscriber in &mut subscribers {
            assert!(subscriber.expect_publish("news/today") == payload, "{size} bytes");
        }
    }
    node.end();
}

#[test]
fn messages_of_one_publisher_keep_their_order_across_shards() {
    let node = Running::start(settings(2));
    let mut subscribers: Vec<_> = (0..4).map(|n| node.connect(&format!("sub-{n}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("n");
    }
    let mut publisher = node.connect("publisher");
    let count = 20_000u32;
    let writer = std::thread::spawn(move || {
        for chunk in 0..count / 100 {
            let bytes: Vec<u8> = (0..100)
                .flat_map(|n| publish_packet("n", &(chunk * 100 + n).to_be_bytes()))
                .collect();
            publisher.send(&bytes);
            // At most as fast as readers on a loaded machine, or QoS 0 would be dropped as it should.
            publisher.ping();
            std::thread::sleep(Duration::from_micros(200));
        }
    });
    let readers = subscribers.into_iter().map(|mut subscriber| {
        std::thread::spawn(move || {
            for expected in 0..count {
                assert_eq!(subscriber.expect_publish("n"), expected.to_be_bytes());
            }
        })
    });
    for reader in readers.collect::<Vec<_>>() {
        reader.join().unwrap();
    }
    writer.join().unwrap();
    node.end();
}

#[test]
fn a_greeting_may_arrive_byte_by_byte() {
    let node = Running::start(settings(2));
    for id in ["a", "b", "c", "d"] {
        let mut client = Client::open(node.address());
        for byte in connect_packet(id) {
            client.send(&[byte]);
            std::thread::sleep(Duration::from_millis(1));
        }
        client.expect_connack();
        client.ping();
    }
    node.end();
}

#[test]
fn what_follows_the_greeting_in_one_segment_moves_home_with_it() {
    let node = Running::start(settings(4));
    for n in 0..20 {
        let mut client = Client::open(node.address());
        let mut bytes = connect_packet(&format!("client-{n}"));
        bytes.extend_from_slice(&[0xC0, 0, 0xC0, 0]);
        client.send(&bytes);
        client.expect_connack();
        assert_eq!(client.read_packet().0, 0xD0);
        assert_eq!(client.read_packet().0, 0xD0);
    }
    node.end();
}

#[test]
fn a_client_that_shuts_its_side_still_gets_its_answers() {
    let node = Running::start(settings(2));
    for id in ["a", "b", "c", "d", "e"] {
        let mut client = Client::open(node.address());
        let mut bytes = connect_packet(id);
        bytes.extend_from_slice(&[0xC0, 0]);
        client.send(&bytes);
        client.socket.shutdown(Shutdown::Write).unwrap();
        client.expect_connack();
        assert_eq!(client.read_packet().0, 0xD0);
        client.expect_end();
    }
    eventually("all are gone", || node.connections() == 0);
    node.end();
}

#[test]
fn a_refusal_is_read_although_the_client_had_sent_more() {
    let node = Running::start(settings(1));
    let mut client = Client::open(node.address());
    // A protocol level that nobody speaks, and much behind it that nobody reads.
    let body = [0, 4, b'M', b'Q', b'T', b'T', 99, 2, 0, 60, 0, 1, b'a'];
    let mut bytes = packet(0x10, &body);
    bytes.resize(100_000, 0);
    client.send(&bytes);
    let (kind, body) = client.read_packet();
    assert_eq!((kind, &body[..2]), (0x20, &[0, 0x84][..]), "unsupported version");
    client.expect_end();
    node.end();
}

#[test]
fn what_an_engine_asks_is_answered_through_the_mailbox_or_busy_where_there_is_no_room() {
    let (sender, asks) = std::sync::mpsc::channel();
    let has_room = AtomicBool::new(true);
    let mut settings = settings(1);
    let mut engine = ringwire_core::Settings::clone(&settings.engine);
    engine.access.methods = vec!["X".to_owned()];
    settings.engine = Arc::new(engine);
    settings.authority = Some(Authority::new(move |_, ask| {
        let taken = has_room.swap(false, Ordering::Relaxed);
        taken && sender.send(ask).is_ok()
    }));
    let node = Running::start(settings);
    // CONNECT of 5.0 with Authentication Method X, without a client id.
    let connect = packet(0x10, b"\0\x04MQTT\x05\x02\0\0\x04\x15\0\x01X\0\0");
    let (mut first, mut second) = (Client::open(node.address()), Client::open(node.address()));
    first.send(&connect);
    let asked = asks.recv_timeout(PATIENCE).unwrap();
    second.send(&connect);
    let refused = |client: &mut Client| {
        let (kind, body) = client.read_packet();
        (kind, body[1])
    };
    assert_eq!(refused(&mut second), (0x20, 0x89));
    let answer = Question::Answered {
        connection: asked.connection,
        answer: Answer::Refused,
    };
    assert!(node.0.mailboxes()[0].ask(answer).is_ok());
    assert_eq!(refused(&mut first), (0x20, 0x87));
    node.end();
}

#[test]
fn slots_are_used_again_and_no_descriptor_is_left() {
    let node = Running::start(settings(2));
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    node.connect("first").ping();
    eventually("the first is gone", || node.connections() == 0);
    let mut resets = 0;
    for round in 0..300 {
        let mut client = node.connect(&format!("client-{}", round % 7));
        client.ping();
        match round % 3 {
            0 => client.send(&[0xE0, 0]),
            1 => {}
            _ => {
                // Unread bytes make a close a reset.
                client.send(&[0xC0, 0]);
                client.wait_for_bytes();
                resets += 1;
            }
        }
    }
    assert_eq!(resets, 100);
    eventually("all are gone", || node.connections() == 0);
    let stats = node.stats();
    let accepted: u64 = stats.iter().map(|stats| stats.engine.client_connected).sum();
    assert_eq!(accepted, 301);
    // Other tests of this process open and close descriptors too, so only a leak of all of them would show.
    eventually("descriptors are closed", || open() < 250);
    node.end();
}

#[test]
fn buffers_that_run_dry_slow_a_shard_down_and_lose_nothing() {
    let mut settings = settings(1);
    settings.cores[0].buffers = 2;
    settings.cores[0].buffer_bytes = 64;
    let node = Running::start(settings);
    let mut subscriber = node.connect("sub");
    subscriber.subscribe("big");
    let payload = vec![7; 200_000];
    let mut publishers: Vec<_> = (0..4).map(|n| node.connect(&format!("pub-{n}"))).collect();
    for publisher in &mut publishers {
        publisher.send(&publish_packet("big", &payload));
    }
    for _ in &publishers {
        assert!(subscriber.expect_publish("big") == payload);
    }
    assert!(
        node.stats()[0].buffers_exhausted > 0,
        "two buffers of 64 bytes ran dry"
    );
    node.end();
}

#[test]
fn a_reader_that_takes_nothing_is_closed_and_disturbs_nobody() {
    let mut settings = settings(1);
    settings.binds[0].send_timeout_ms = 1_500;
    let node = Running::start(settings);
    let mut stuck = node.connect("stuck");
    stuck.subscribe("flood");
    let mut publisher = node.connect("publisher");
    let mut other = node.connect("other");
    let flood = publish_packet("flood", &vec![0; 100_000]);
    eventually("the stuck reader is closed", || {
        for _ in 0..20 {
            publisher.send(&flood);
        }
        publisher.ping();
        other.ping();
        node.stats()[0].engine.closes[CloseReason::SendTimeout as usize] == 1
    });
    assert_eq!(node.connections(), 2);
    stuck.expect_end();
    node.end();
}

#[test]
fn a_slow_reader_that_moves_is_kept() {
    let mut settings = settings(1);
    // Shorter than it reads, and longer than a machine stands still.
    settings.binds[0].send_timeout_ms = 4_000;
    let node = Running::start(settings);
    let mut slow = node.connect("slow");
    slow.subscribe("flood");
    let mut publisher = node.connect("publisher");
    let flood = publish_packet("flood", &vec![0; 100_000]);
    let mut bytes = vec![0; 200_000];
    for _ in 0..25 {
        for _ in 0..20 {
            publisher.send(&flood);
        }
        publisher.ping();
        slow.socket.read_exact(&mut bytes).unwrap();
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(
        node.stats()[0].engine.closes[CloseReason::SendTimeout as usize],
        0
    );
    assert_eq!(node.connections(), 2);
    node.end();
}

#[test]
fn a_drained_node_is_gone() {
    let node = Running::start(settings(3));
    let address = node.address();
    let mut clients: Vec<_> = (0..20).map(|n| node.connect(&format!("client-{n}"))).collect();
    // One that never greets must not hold the node up.
    let mut silent = Client::open(address);
    node.end();
    clients.iter_mut().for_each(Client::expect_end);
    silent.expect_end();
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn a_drain_does_not_wait_longer_than_it_may() {
    let node = Running::start(settings(1));
    let mut stuck = node.connect("stuck");
    stuck.subscribe("flood");
    let mut publisher = node.connect("publisher");
    for _ in 0..200 {
        publisher.send(&publish_packet("flood", &vec![0; 100_000]));
    }
    publisher.ping();
    let began = std::time::Instant::now();
    node.0.drain(Duration::from_millis(1_500));
    assert!(began.elapsed() < PATIENCE / 2);
}

#[test]
fn a_port_that_is_taken_stops_the_start() {
    let node = Running::start(settings(2));
    let mut again = settings(2);
    again.binds[0].address = node.address();
    let Err(error) = Node::start(again) else {
        panic!("two nodes on one port");
    };
    assert!(matches!(error, StartError::Bind { .. }), "{error}");
    assert!(
        error.to_string().contains("another process listens there"),
        "{error}"
    );
    node.end();
}

#[test]
fn a_shard_that_spins_before_it_parks_still_parks_and_wakes() {
    let mut settings = settings(2);
    for core in &mut settings.cores {
        core.spin_us = 200;
    }
    let node = Running::start(settings);
    let mut clients: Vec<_> = (0..10).map(|n| node.connect(&format!("client-{n}"))).collect();
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(20));
        clients.iter_mut().for_each(Client::ping);
    }
    node.end();
}

#[test]
fn a_full_mesh_keeps_what_does_not_fit() {
    let mut settings = settings(2);
    settings.mesh_batches = 1;
    let node = Running::start(settings);
    let mut subscribers: Vec<_> = (0..6).map(|n| node.connect(&format!("sub-{n}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("t");
    }
    let publishers: Vec<_> = (0..6)
        .map(|n| {
            let mut publisher = node.connect(&format!("pub-{n}"));
            std::thread::spawn(move || {
                for _ in 0..200 {
                    publisher.send(&publish_packet("t", b"x"));
                }
                publisher.ping();
            })
        })
        .collect();
    for publisher in publishers {
        publisher.join().unwrap();
    }
    // QoS 0 may be dropped on the way, but what comes later is delivered: nothing is stuck.
    let mut last = node.connect("last");
    std::thread::sleep(Duration::from_millis(50));
    last.send(&publish_packet("t", b"end"));
    for subscriber in &mut subscribers {
        while subscriber.expect_publish("t") != b"end" {}
    }
    node.end();
}

#[test]
fn garbage_disturbs_nobody() {
    let node = Running::start(settings(2));
    let address = node.address();
    let mut good = node.connect("good");
    let attackers = (0..4u8).map(|seed| {
        std::thread::spawn(move || {
            for round in 0..50u32 {
                let mut socket = TcpStream::connect(address).unwrap();
                let bytes: Vec<u8> = (0..200u32)
                    .map(|n| ((n * 31 + round * 17) as u8).wrapping_mul(seed | 1))
                    .collect();
                // It may be closed before all is written.
                let _ = socket.write_all(&bytes);
            }
        })
    });
    for attacker in attackers.collect::<Vec<_>>() {
        attacker.join().unwrap();
    }
    good.ping();
    eventually("only the good one is left", || node.connections() == 1);
    node.end();
}

#[test]
fn idle_shards_do_not_turn() {
    let node = Running::start(settings(2));
    let mut client = node.connect("client");
    client.ping();
    std::thread::sleep(Duration::from_millis(100));
    let turns = |node: &Running| node.stats().iter().map(|stats| stats.turns).sum::<u64>();
    let before = turns(&node);
    std::thread::sleep(Duration::from_secs(2));
    // Two questions, a few timers; a shard that polled would have turned thousands of times.
    let more = turns(&node) - before;
    assert!(more < 60, "{more} turns of idle shards in two seconds");
    node.end();
}

#[test]
fn settings_are_shared_by_reference() {
    let settings = settings(1);
    let engine = Arc::clone(&settings.engine);
    let node = Running::start(settings);
    node.end();
    eventually("the shards have let go", || Arc::strong_count(&engine) == 1);
}
