//! The network floor: a relay that moves bytes between sockets exactly as a shard of the broker does, without a protocol.
//!
//! One thread on the shard's own ring: multishot accept, multishot receive into provided buffers, one send a dirty
//! connection a turn, one `enter` a turn. So what the broker costs beyond it is engine and codec. The first 8 bytes of a
//! connection are two big-endian numbers, the room that it sends to and the room that it hears (0: none); whatever
//! follows goes to everybody who hears the first room. Memory is bounded: who lags by 64 MiB is closed.
//!
//! Started by others: `cargo build --release --example relay`, `target/release/examples/relay PORT` (0: a free one). It
//! prints `ready relay=ADDRESS` and ends by SIGTERM, like any process.

use ahash::RandomState;
use ringwire_core::ConnectionId;
use ringwire_shard::Core;
use ringwire_shard::ring::{Batch, Event, Ring};
use slab::Slab;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes that may wait for one receiver, in its buffer and in flight.
const LAG_BYTES_MAX: usize = 64 << 20;

/// Out buffers kept for reuse, and the largest that is kept: as the shard does.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 << 10;

const HELLO_BYTES: usize = 8;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(Ok(port)), None) = (arguments.next().map(|port| port.parse()), arguments.next()) else {
        eprintln!("usage: relay PORT   (0: a free one)");
        return ExitCode::from(2);
    };
    let ended = Relay::open(port).and_then(|mut relay| {
        println!("ready relay={}", relay.address()?);
        relay.run()
    });
    if let Err(error) = ended {
        eprintln!("relay: {error}");
    }
    ExitCode::FAILURE
}

/// The relay: one ring and everybody who is connected.
struct Relay {
    ring: Ring,
    listener: TcpListener,
    hall: Hall,
    spare: Vec<Vec<u8>>,
    /// Receives to arm at the turn's end, when buffers have been given back.
    to_arm: Vec<ConnectionId>,
    /// Inputs of one turn.
    limit: usize,
}

/// Who is there, who hears what, and what waits for whom.
struct Hall {
    guests: Slab<Guest>,
    rooms: HashMap<u32, Vec<ConnectionId>, RandomState>,
    /// Guests that something was appended for; each at most once.
    dirty: Vec<ConnectionId>,
    /// Guests that lag too far.
    late: Vec<ConnectionId>,
    generation: u32,
}

struct Guest {
    socket: TcpStream,
    generation: u32,
    hello: Vec<u8>,
    /// `None` until the hello is complete.
    rooms: Option<Rooms>,
    out: Vec<u8>,
    in_flight: usize,
    sending: Option<u32>,
    armed: bool,
    dirty: bool,
    leaving: bool,
}

#[derive(Clone, Copy)]
struct Rooms {
    sends_to: u32,
    hears: u32,
}

impl Relay {
    fn open(port: u16) -> io::Result<Self> {
        let core = Core::default();
        Ok(Self {
            listener: TcpListener::bind((Ipv4Addr::LOCALHOST, port))?,
            ring: Ring::new(&core)?,
            hall: Hall::new(),
            spare: Vec::new(),
            to_arm: Vec::new(),
            limit: core.inputs_per_turn,
        })
    }

    fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn run(&mut self) -> io::Result<()> {
        self.ring.accept(0, self.listener.as_fd());
        loop {
            let finished = self.turn();
            self.ring.enter(finished.then_some(Duration::MAX))?;
        }
    }

    /// Takes what happened and sends what follows. False when something may be left to take.
    fn turn(&mut self) -> bool {
        let mut events = 0;
        while events < self.limit
            && let Some(event) = self.ring.next_event()
        {
            events += 1;
            self.event(event);
        }
        let mut dirty = std::mem::take(&mut self.hall.dirty);
        for id in dirty.drain(..) {
            self.write(id);
        }
        self.hall.dirty = dirty;
        for id in std::mem::take(&mut self.hall.late) {
            if self.hall.guest(id).is_some_and(|guest| !guest.leaving) {
                eprintln!("relay: connection {} lags by more than 64 MiB: closed", id.slot);
                self.leave(id);
            }
        }
        self.arm();
        events < self.limit
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Accepted { socket, more, .. } => {
                self.accepted(socket);
                if !more {
                    self.ring.accept(0, self.listener.as_fd());
                }
            }
            Event::AcceptEnded { errno, .. } => {
                let error = io::Error::from_raw_os_error(errno);
                eprintln!("relay: accepts no more: {error}");
            }
            Event::Received {
                connection,
                filled,
                more,
            } => {
                let is_understood = self.hall.heard(connection, self.ring.bytes(&filled));
                self.ring.give_back(filled);
                if !more {
                    self.receive_ended(connection, libc::ENOBUFS);
                }
                if !is_understood {
                    self.leave(connection);
                }
            }
            Event::ReceiveEnded { connection, errno } => self.receive_ended(connection, errno),
            Event::Progressed { connection, left } => {
                if let Some(guest) = self.hall.guest(connection) {
                    guest.in_flight = left;
                }
            }
            Event::Sent {
                connection,
                batch,
                errno,
            } => self.sent(connection, batch, errno),
            // Nobody rings a relay, and it calls nobody.
            Event::Rung { .. } | Event::Background { .. } | Event::Connected { .. } => {}
        }
    }

    fn accepted(&mut self, socket: OwnedFd) {
        let socket = TcpStream::from(socket);
        // It fails for a peer that is gone already, which the first receive will say.
        let _ = socket.set_nodelay(true);
        let id = self.hall.enter(socket);
        self.to_arm.push(id);
    }

    fn receive_ended(&mut self, id: ConnectionId, errno: i32) {
        let Some(guest) = self.hall.guest(id) else {
            return;
        };
        guest.armed = false;
        // The buffers ran dry: go on when they are back.
        if errno == libc::ENOBUFS && !guest.leaving {
            self.to_arm.push(id);
        } else {
            self.leave(id);
        }
    }

    fn sent(&mut self, id: ConnectionId, batch: Batch, errno: i32) {
        self.keep(batch.buffer);
        let Some(guest) = self.hall.guest(id) else {
            return;
        };
        guest.sending = None;
        guest.in_flight = 0;
        if errno != 0 || guest.leaving {
            self.leave(id);
        } else {
            self.write(id);
        }
    }

    /// Sends what waits, unless a send is outstanding: then it follows that one.
    fn write(&mut self, id: ConnectionId) {
        let Some(guest) = self.hall.guest(id) else {
            return;
        };
        if guest.sending.is_some() || guest.leaving {
            return;
        }
        guest.dirty = false;
        let empty = guest.out.is_empty();
        if empty && guest.out.capacity() == 0 {
            return;
        }
        let out = std::mem::take(&mut guest.out);
        if empty {
            return self.keep(out);
        }
        guest.out = self.spare.pop().unwrap_or_default();
        guest.in_flight = out.len();
        let batch = Batch {
            buffer: out,
            references: Vec::new(),
        };
        guest.sending = Some(self.ring.send(id, guest.socket.as_fd(), batch));
    }

    fn arm(&mut self) {
        for id in std::mem::take(&mut self.to_arm) {
            if let Some(guest) = self.hall.guest(id)
                && !guest.leaving
            {
                guest.armed = true;
                self.ring.receive(id, guest.socket.as_fd());
            }
        }
    }

    /// Ends a connection as soon as the ring has done with it.
    fn leave(&mut self, id: ConnectionId) {
        let Some(guest) = self.hall.guest(id) else {
            return;
        };
        if !guest.leaving {
            guest.leaving = true;
            if let Some(key) = guest.sending {
                self.ring.cancel_send(key);
            }
            if guest.armed {
                self.ring.cancel_receive(id);
            }
            self.hall.unseat(id);
        }
        self.hall.forget_if_done(id);
    }

    fn keep(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_BYTES_MAX && self.spare.len() < SPARE_BUFFERS_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }
}

impl Hall {
    fn new() -> Self {
        Self {
            guests: Slab::new(),
            rooms: HashMap::with_hasher(RandomState::with_seeds(1, 2, 3, 4)),
            dirty: Vec::new(),
            late: Vec::new(),
            generation: 0,
        }
    }

    fn enter(&mut self, socket: TcpStream) -> ConnectionId {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let slot = self.guests.insert(Guest {
            socket,
            generation,
            hello: Vec::new(),
            rooms: None,
            out: Vec::new(),
            in_flight: 0,
            sending: None,
            armed: false,
            dirty: false,
            leaving: false,
        });
        ConnectionId {
            slot: slot as u32,
            generation,
        }
    }

    fn guest(&mut self, id: ConnectionId) -> Option<&mut Guest> {
        let guest = self.guests.get_mut(id.index())?;
        (guest.generation == id.generation).then_some(guest)
    }

    /// Bytes arrived: the rest of a hello, or something for a room. False when they are for nobody.
    fn heard(&mut self, id: ConnectionId, mut bytes: &[u8]) -> bool {
        let Some(guest) = self.guest(id) else {
            return true;
        };
        let rooms = match guest.rooms {
            Some(rooms) => rooms,
            None => {
                let missing = (HELLO_BYTES - guest.hello.len()).min(bytes.len());
                let (hello, rest) = bytes.split_at(missing);
                guest.hello.extend_from_slice(hello);
                bytes = rest;
                let Some(rooms) = Rooms::read(&guest.hello) else {
                    return true;
                };
                guest.hello = Vec::new();
                guest.rooms = Some(rooms);
                if rooms.hears != 0 {
                    self.rooms.entry(rooms.hears).or_default().push(id);
                }
                rooms
            }
        };
        if bytes.is_empty() {
            return true;
        }
        self.append(rooms.sends_to, bytes);
        rooms.sends_to != 0
    }

    fn append(&mut self, room: u32, bytes: &[u8]) {
        let Some(members) = self.rooms.get(&room) else {
            return;
        };
        for &id in members {
            let guest = &mut self.guests[id.index()];
            guest.out.extend_from_slice(bytes);
            if guest.out.len() + guest.in_flight > LAG_BYTES_MAX {
                self.late.push(id);
            }
            if !guest.dirty {
                guest.dirty = true;
                self.dirty.push(id);
            }
        }
    }

    /// Takes a guest out of the room that it hears.
    fn unseat(&mut self, id: ConnectionId) {
        let Some(rooms) = self.guest(id).and_then(|guest| guest.rooms) else {
            return;
        };
        if let Some(members) = self.rooms.get_mut(&rooms.hears) {
            members.retain(|member| *member != id);
            if members.is_empty() {
                self.rooms.remove(&rooms.hears);
            }
        }
    }

    /// Closes the socket of a guest that leaves, once nothing is outstanding on it.
    fn forget_if_done(&mut self, id: ConnectionId) {
        if self
            .guest(id)
            .is_some_and(|guest| guest.leaving && !guest.armed && guest.sending.is_none())
        {
            self.guests.remove(id.index());
        }
    }
}

impl Rooms {
    /// `None` while bytes are missing.
    fn read(hello: &[u8]) -> Option<Self> {
        let (sends_to, hears) = hello.split_first_chunk::<4>()?;
        let hears = hears.first_chunk::<4>()?;
        Some(Self {
            sends_to: u32::from_be_bytes(*sends_to),
            hears: u32::from_be_bytes(*hears),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::sync::mpsc;

    /// A relay on a thread that ends with the test process.
    fn relay() -> SocketAddr {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut relay = Relay::open(0).unwrap();
            tell.send(relay.address().unwrap()).unwrap();
            relay.run().unwrap();
        });
        told.recv().unwrap()
    }

    fn join(address: SocketAddr, sends_to: u32, hears: u32) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&sends_to.to_be_bytes()).unwrap();
        stream.write_all(&hears.to_be_bytes()).unwrap();
        stream
    }

    fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
        let mut read = vec![0; bytes];
        stream.read_exact(&mut read).unwrap();
        read
    }

    /// What `from` says reaches `to` from here on, whenever the relay has read their hellos.
    fn meet(from: &mut TcpStream, to: &mut TcpStream) {
        to.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let heard = (0..400).any(|_| {
            from.write_all(b".").unwrap();
            to.read_exact(&mut [0]).is_ok()
        });
        assert!(heard, "nothing arrived in 20 s");
        to.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        from.write_all(b"#").unwrap();
        while read(to, 1) != b"#" {}
    }

    #[test]
    fn two_talk_to_each_other() {
        let address = relay();
        let mut one = join(address, 2, 1);
        let mut two = join(address, 1, 2);
        meet(&mut one, &mut two);
        meet(&mut two, &mut one);
        for round in 0..100u8 {
            one.write_all(&[round; 64]).unwrap();
            assert_eq!(read(&mut two, 64), [round; 64]);
            two.write_all(&[round; 8]).unwrap();
            assert_eq!(read(&mut one, 8), [round; 8]);
        }
    }

    #[test]
    fn everybody_in_a_room_hears_everything_in_order_and_nobody_else_does() {
        let address = relay();
        let mut inside = Vec::new();
        for number in 0..20u8 {
            let mut stream = join(address, 7, 7);
            stream.write_all(&[number]).unwrap();
            assert_eq!(
                read(&mut stream, 1),
                [number],
                "who sends to the room it hears, hears itself"
            );
            inside.push(stream);
        }
        let mut outside = join(address, 8, 8);
        let words: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
        let (mut sender, text) = (join(address, 7, 0), words.clone());
        let writer = std::thread::spawn(move || sender.write_all(&text).unwrap());
        for (number, stream) in inside.iter_mut().enumerate() {
            let later: Vec<u8> = (number as u8 + 1..20).collect();
            assert_eq!(read(stream, later.len()), later);
            assert!(read(stream, words.len()) == words, "member {number}");
        }
        writer.join().unwrap();
        outside.write_all(b"!").unwrap();
        assert_eq!(
            read(&mut outside, 1),
            b"!",
            "nothing of the other room came before it"
        );
    }

    #[test]
    fn who_lags_too_far_is_closed() {
        let address = relay();
        let mut lagging = join(address, 9, 9);
        lagging.write_all(b".").unwrap();
        assert_eq!(read(&mut lagging, 1), b".");
        let mut sender = join(address, 9, 0);
        let megabyte = vec![1; 1 << 20];
        for _ in 0..80 {
            sender.write_all(&megabyte).unwrap();
        }
        let mut heard = Vec::new();
        let end = lagging.read_to_end(&mut heard);
        assert!(heard.len() < 80 << 20, "all of it was kept");
        assert!(end.is_ok() || end.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset));
    }
}
