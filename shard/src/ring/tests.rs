//! The ring with real sockets: multishot and single receives, buffers that run dry, slow readers, large payloads,
//! resets, bells.

use super::*;
use crate::HugePages;
use ringwire_codec::mqtt::QoS;
use ringwire_core::Message;
use ringwire_core::message::Parts;
use ringwire_core::outbox::Reference;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

const ID: ConnectionId = ConnectionId {
    slot: 3,
    generation: 7,
};

fn ring(buffers: u16, buffer_bytes: u32) -> Ring {
    Ring::new(&Core {
        sq_entries: 16,
        cq_entries: 64,
        buffers,
        buffer_bytes,
        ..Core::default()
    })
    .unwrap()
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, client)
}

/// The next event, waited for.
fn next(ring: &mut Ring) -> Event {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(event) = ring.next_event() {
            return event;
        }
        assert!(Instant::now() < deadline, "nothing happened");
        ring.enter(Some(Duration::from_millis(100))).unwrap();
    }
}

/// Nothing happens for a moment.
fn assert_quiet(ring: &mut Ring) {
    for _ in 0..5 {
        ring.enter(Some(Duration::from_millis(10))).unwrap();
        if let Some(event) = ring.next_event() {
            panic!("nothing was expected, but {event:?}");
        }
    }
}

fn received(ring: &mut Ring) -> (Vec<u8>, bool) {
    match next(ring) {
        Event::Received {
            connection,
            filled,
            more,
        } => {
            assert_eq!(connection, ID);
            let bytes = ring.bytes(&filled).to_vec();
            ring.give_back(filled);
            (bytes, more)
        }
        event => panic!("bytes were expected, but {event:?}"),
    }
}

fn ended(ring: &mut Ring) -> i32 {
    match next(ring) {
        Event::ReceiveEnded { connection, errno } => {
            assert_eq!(connection, ID);
            errno
        }
        event => panic!("an end was expected, but {event:?}"),
    }
}

/// Reads exactly so many bytes on another thread.
fn read_all(mut client: TcpStream, bytes: usize) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut read = vec![0; bytes];
        client.read_exact(&mut read).unwrap();
        read
    })
}

fn sent(ring: &mut Ring) -> i32 {
    loop {
        match next(ring) {
            Event::Progressed { .. } => {}
            Event::Sent {
                connection, errno, ..
            } => {
                assert_eq!(connection, ID);
                return errno;
            }
            event => panic!("a send was expected, but {event:?}"),
        }
    }
}

#[test]
fn a_multishot_receive_stays_armed_until_the_end_of_the_stream() {
    let mut ring = ring(4, 64);
    let (server, mut client) = pair();
    ring.receive(ID, server.as_fd());
    for round in 0..20u8 {
        client.write_all(&[round; 10]).unwrap();
        assert_eq!(received(&mut ring), (vec![round; 10], true));
    }
    drop(client);
    assert_eq!(ended(&mut ring), 0);
}

#[test]
fn a_single_receive_leaves_nothing_armed() {
    let mut ring = ring(4, 64);
    let (server, mut client) = pair();
    ring.receive_once(ID, server.as_fd());
    client.write_all(b"one").unwrap();
    assert_eq!(received(&mut ring), (b"one".to_vec(), false));
    client.write_all(b"two").unwrap();
    assert_quiet(&mut ring);
    // Another ring may read on: the socket has moved.
    let mut other = self::ring(4, 64);
    other.receive(ID, server.as_fd());
    assert_eq!(received(&mut other).0, b"two");
}

#[test]
fn more_bytes_than_buffers_arrive_in_order_after_they_ran_dry() {
    let mut ring = ring(2, 16);
    let (server, mut client) = pair();
    let bytes: Vec<u8> = (0..4_000u32).map(|n| n as u8).collect();
    client.write_all(&bytes).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    ring.receive(ID, server.as_fd());
    let (mut got, mut dry) = (Vec::new(), 0);
    let mut held = Vec::new();
    loop {
        match next(&mut ring) {
            Event::Received { filled, more, .. } => {
                got.extend_from_slice(ring.bytes(&filled));
                held.push(filled);
                if !more {
                    ring.receive(ID, server.as_fd());
                }
            }
            Event::ReceiveEnded {
                errno: libc::ENOBUFS, ..
            } => {
                dry += 1;
                held.drain(..).for_each(|filled| ring.give_back(filled));
                ring.receive(ID, server.as_fd());
            }
            Event::ReceiveEnded { errno: 0, .. } => break,
            event => panic!("bytes were expected, but {event:?}"),
        }
    }
    held.drain(..).for_each(|filled| ring.give_back(filled));
    assert_eq!(got, bytes);
    assert!(dry > 0, "two buffers of 16 bytes do not hold 4,000");
}

#[test]
fn the_kernel_is_given_more_buffers_when_it_runs_out() {
    let mut ring = ring(256, 64);
    let (server, mut client) = pair();
    client.write_all(&[9; 64 * 300]).unwrap();
    let mut held = Vec::new();
    let mut dry = Vec::new();
    ring.receive(ID, server.as_fd());
    // Nothing is given back, so that every buffer is taken once.
    while held.len() < 256 {
        match next(&mut ring) {
            Event::Received { filled, more, .. } => {
                held.push(filled);
                if !more {
                    ring.receive(ID, server.as_fd());
                }
            }
            Event::ReceiveEnded { errno, .. } => {
                assert_eq!(errno, libc::ENOBUFS);
                dry.push(held.len());
                ring.receive(ID, server.as_fd());
            }
            event => panic!("{event:?}"),
        }
    }
    assert_eq!(dry, [64, 128], "as many again each time");
    for filled in held {
        ring.give_back(filled);
    }
}

#[test]
fn a_cancelled_receive_says_so_and_loses_nothing() {
    let mut ring = ring(4, 64);
    let (server, mut client) = pair();
    ring.receive(ID, server.as_fd());
    ring.enter(None).unwrap();
    ring.cancel_receive(ID);
    assert_eq!(ended(&mut ring), libc::ECANCELED);
    client.write_all(b"later").unwrap();
    assert_quiet(&mut ring);
    ring.receive(ID, server.as_fd());
    assert_eq!(received(&mut ring).0, b"later");
}

#[test]
fn a_batch_to_a_slow_reader_is_one_completion() {
    let mut ring = ring(4, 64);
    let (server, client) = pair();
    let bytes: Vec<u8> = (0..8 << 20).map(|n: u32| (n >> 8) as u8).collect();
    let batch = Batch {
        buffer: bytes.clone(),
        references: Vec::new(),
    };
    ring.send(ID, server.as_fd(), batch);
    assert_quiet(&mut ring);
    assert!(ring.is_sending());
    let reader = read_all(client, bytes.len());
    assert_eq!(sent(&mut ring), 0);
    assert!(!ring.is_sending());
    assert!(reader.join().unwrap() == bytes, "bytes arrive in order");
}

#[test]
fn payloads_by_reference_arrive_between_their_frames() {
    let mut ring = ring(4, 64);
    let (server, client) = pair();
    let payload = [b'x'; 10_000];
    let message = |payload: &[u8]| {
        Arc::new(Message::new(Parts {
            topic: "t",
            payload,
            properties: &[],
            publisher: &[],
            qos: QoS::AtMostOnce,
            retain: false,
        }))
    };
    // More than one sendmsg takes.
    let frames = 1_500;
    let batch = Batch {
        buffer: vec![b'-'; frames],
        references: (0..frames)
            .map(|at| Reference {
                at: at + 1,
                message: message(&payload[..1_000 + at]),
            })
            .collect(),
    };
    let mut expected = Vec::new();
    for at in 0..frames {
        expected.push(b'-');
        expected.extend_from_slice(&payload[..1_000 + at]);
    }
    ring.send(ID, server.as_fd(), batch);
    let reader = read_all(client, expected.len());
    assert_eq!(sent(&mut ring), 0);
    assert!(
        reader.join().unwrap() == expected,
        "frames and payloads keep their order"
    );
}

#[test]
fn a_reset_ends_the_receive_and_the_send() {
    let mut ring = ring(4, 64);
    let (server, client) = pair();
    ring.receive(ID, server.as_fd());
    ring.enter(None).unwrap();
    system::reset_on_close(client.as_fd()).unwrap();
    drop(client);
    assert_eq!(ended(&mut ring), libc::ECONNRESET);
    let batch = Batch {
        buffer: vec![0; 10],
        references: Vec::new(),
    };
    ring.send(ID, server.as_fd(), batch);
    assert!([libc::EPIPE, libc::ECONNRESET].contains(&sent(&mut ring)));
}

#[test]
fn a_stuck_send_is_noticed_and_can_be_cancelled() {
    let mut ring = ring(4, 64);
    let (server, _client) = pair();
    let batch = Batch {
        buffer: vec![0; 16 << 20],
        references: Vec::new(),
    };
    let key = ring.send(ID, server.as_fd(), batch);
    assert_quiet(&mut ring);
    let mut look = |now| ring.stuck_sends(Time::from_millis(now), |_| Some((5, 1_000)));
    assert!(look(10_000).is_empty(), "the first look only remembers");
    assert!(look(10_999).is_empty());
    assert_eq!(look(11_000), [ID]);
    assert!(
        ring.stuck_sends(Time::from_millis(12_000), |_| Some((6, 1_000)))
            .is_empty()
    );
    ring.cancel_send(key);
    assert_eq!(sent(&mut ring), libc::ECANCELED);
}

#[test]
fn a_listener_goes_on_accepting_until_it_is_cancelled() {
    let mut ring = ring(4, 64);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    ring.accept(2, listener.as_fd());
    for _ in 0..5 {
        let mut client = TcpStream::connect(address).unwrap();
        let Event::Accepted {
            listener: 2,
            socket,
            more: true,
        } = next(&mut ring)
        else {
            panic!("a socket was expected");
        };
        TcpStream::from(socket).write_all(b"!").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    ring.cancel_accept(2);
    assert!(matches!(
        next(&mut ring),
        Event::AcceptEnded {
            listener: 2,
            errno: libc::ECANCELED
        }
    ));
}

#[test]
fn a_socket_connects_from_the_address_that_was_asked_for() {
    let mut ring = ring(4, 64);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let source = std::net::Ipv4Addr::new(127, 0, 0, 9);
    let socket = crate::dial::socket(&target, Some(source.into())).unwrap();
    ring.connect(ID, socket.as_fd(), &target);
    let event = next(&mut ring);
    assert!(
        matches!(
            event,
            Event::Connected {
                connection: ID,
                errno: 0
            }
        ),
        "{event:?}"
    );
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, socket.local_addr().unwrap());
    assert_eq!(peer.ip(), source);
    assert!(socket.nodelay().unwrap());
}

#[test]
fn a_port_where_nobody_listens_refuses() {
    let mut ring = ring(4, 64);
    let target = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let socket = crate::dial::socket(&target, None).unwrap();
    ring.connect(ID, socket.as_fd(), &target);
    let event = next(&mut ring);
    assert!(
        matches!(
            event,
            Event::Connected {
                connection: ID,
                errno: libc::ECONNREFUSED
            }
        ),
        "{event:?}"
    );
}

#[test]
fn bells_wake_a_ring_that_waits() {
    let mut ring = ring(4, 64);
    let bell = ring.bell().unwrap();
    let other = std::thread::spawn(move || {
        let mut other = self::ring(4, 64);
        for _ in 0..3 {
            other.ring(bell.as_fd());
            other.enter(None).unwrap();
        }
        assert_quiet(&mut other);
    });
    for _ in 0..3 {
        assert!(matches!(next(&mut ring), Event::Rung { armed: true }));
    }
    other.join().unwrap();
    assert_quiet(&mut ring);
}

#[test]
fn a_bell_of_a_ring_that_is_gone_rings_in_vain() {
    let bell = std::thread::spawn(|| ring(4, 64).bell().unwrap()).join().unwrap();
    let mut ring = ring(4, 64);
    ring.ring(bell.as_fd());
    assert_quiet(&mut ring);
}

#[test]
fn every_write_to_an_eventfd_is_heard() {
    let mut ring = ring(4, 64);
    let bell = crate::bell::Bell::new().unwrap();
    ring.hear(bell.as_fd());
    for _ in 0..3 {
        bell.ring();
        let Event::Rung { armed } = next(&mut ring) else {
            panic!("a ring was expected");
        };
        if !armed {
            ring.hear(bell.as_fd());
        }
    }
    assert_quiet(&mut ring);
}

#[test]
fn more_operations_than_the_queue_has_entries_all_happen() {
    let mut ring = ring(64, 16);
    let pairs: Vec<_> = (0..100).map(|_| UnixStream::pair().unwrap()).collect();
    for (slot, (here, _)) in pairs.iter().enumerate() {
        let id = ConnectionId {
            slot: slot as u32,
            generation: 1,
        };
        ring.receive(id, here.as_fd());
    }
    ring.enter(None).unwrap();
    for (slot, (_, there)) in pairs.iter().enumerate() {
        let mut there = there;
        there.write_all(&[slot as u8]).unwrap();
        let Event::Received {
            connection, filled, ..
        } = next(&mut ring)
        else {
            panic!("bytes were expected");
        };
        assert_eq!(
            (connection.index(), ring.bytes(&filled)),
            (slot, &[slot as u8][..])
        );
        ring.give_back(filled);
    }
}

#[test]
fn a_ring_that_goes_away_leaves_nothing_behind() {
    let (server, mut client) = pair();
    let mut ring = ring(4, 64);
    ring.receive(ID, server.as_fd());
    let batch = Batch {
        buffer: vec![1; 16 << 20],
        references: Vec::new(),
    };
    ring.send(ID, server.as_fd(), batch);
    ring.enter(None).unwrap();
    drop(ring);
    // The socket is ours again: nothing takes its bytes.
    client.write_all(b"mine").unwrap();
    let mut read = [0; 4];
    (&server).read_exact(&mut read).unwrap();
    assert_eq!(&read, b"mine");
}

#[test]
fn receive_buffers_lie_in_huge_pages_when_that_is_tried() {
    let huge = || {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let flags = maps.lines().filter(|line| line.starts_with("VmFlags:"));
        // Reserved huge pages, or advice to use transparent ones.
        flags
            .filter(|line| line.contains(" ht") || line.contains(" hg"))
            .count()
    };
    let (server, mut client) = pair();
    let before = huge();
    let core = Core {
        buffers: 16,
        huge_pages: HugePages::Try,
        ..Core::default()
    };
    let mut ring = Ring::new(&core).unwrap();
    assert_eq!(huge(), before + 1);
    ring.receive(ID, server.as_fd());
    client.write_all(b"hello").unwrap();
    assert_eq!(received(&mut ring).0, b"hello");
    drop(ring);
    assert_eq!(huge(), before, "the whole of it is unmapped");
}

#[test]
fn buffers_that_no_machine_has_are_named_in_the_error() {
    let core = Core {
        buffers: 32_768,
        buffer_bytes: u32::MAX,
        ..Core::default()
    };
    let error = Ring::new(&core).err().expect("they fill the whole address space");
    assert!(
        error.to_string().contains("134217727 MiB of receive buffers"),
        "{error}"
    );
}
