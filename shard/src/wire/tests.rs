//! Connections whose receive ends in the moment in which it is cancelled: their bytes come instead of the cancel's answer.

use super::*;
use crate::Core;
use crate::ring::Event;
use ringwire_core::ListenerId;
use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

struct Case {
    wire: Wire,
    actions: Actions,
    id: ConnectionId,
    client: TcpStream,
}

impl Case {
    /// A connection that is being greeted, its receive armed.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let core = Core {
            sq_entries: 16,
            cq_entries: 64,
            buffers: 16,
            ..Core::default()
        };
        let mut wire = Wire::new(Ring::new(&core).unwrap(), vec![60_000]);
        let mut actions = Actions::default();
        let link = Link::new(socket, ListenerId(0), Reading::Greeting);
        let id = wire.open(link, &mut actions).unwrap();
        wire.arm();
        wire.ring.enter(None).unwrap();
        Self {
            wire,
            actions,
            id,
            client,
        }
    }

    /// Bytes arrive, and their completion waits to be reaped.
    fn bytes_arrive(&mut self) {
        self.client.write_all(b"late").unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.wire.ring.has_events() {
            assert!(Instant::now() < deadline, "nothing arrived");
            std::thread::yield_now();
        }
        self.wire.ring.enter(None).unwrap();
    }

    /// Takes turns as the pump does, for a moment; how many bytes came.
    fn turns(&mut self) -> usize {
        let mut bytes = 0;
        for _ in 0..10 {
            while let Some(event) = self.wire.ring.next_event() {
                match event {
                    Event::Received {
                        connection,
                        filled,
                        more,
                    } => {
                        bytes += self.wire.ring.bytes(&filled).len();
                        self.wire.ring.give_back(filled);
                        self.wire.received(connection, more, &mut self.actions);
                    }
                    Event::ReceiveEnded { connection, errno } => {
                        self.wire.receive_ended(connection, errno, &mut self.actions);
                    }
                    event => panic!("nothing else was asked for, but {event:?}"),
                }
            }
            self.wire.arm();
            self.wire.ring.enter(Some(Duration::from_millis(5))).unwrap();
        }
        bytes
    }
}

#[test]
fn a_connection_is_closed_though_bytes_arrive_with_its_end() {
    let mut case = Case::new();
    case.bytes_arrive();
    case.wire.abort(case.id, &mut case.actions);
    assert_eq!(case.turns(), 4);
    assert!(case.wire.is_empty(), "its socket would stay open for good");
}

#[test]
fn a_connection_stays_paused_and_can_be_paused_again() {
    let mut case = Case::new();
    case.bytes_arrive();
    case.wire.pause(case.id, true);
    assert_eq!(case.turns(), 4);
    case.wire.pause(case.id, false);
    assert_eq!(case.turns(), 0);
    case.wire.pause(case.id, true);
    assert_eq!(case.turns(), 0);
    case.client.write_all(b"more").unwrap();
    assert_eq!(case.turns(), 0, "a paused connection is not read");
    case.wire.pause(case.id, false);
    assert_eq!(case.turns(), 4);
    case.wire.abort(case.id, &mut case.actions);
    case.turns();
    assert!(case.wire.is_empty());
}
