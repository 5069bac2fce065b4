//! A blocking MQTT 3.1.1 client of a few lines, and a node for it to talk to.

use ringwire_core::settings::{Listener, Mqtt, Protocol};
use ringwire_shard::mailbox::ShardStats;
use ringwire_shard::{Bind, Core, Node, Question, Settings};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Settings of a small node on loopback; not pinned, so that tests share the machine.
pub fn settings(shards: u16) -> Settings {
    let listener = Listener {
        name: "mqtt".to_owned(),
        max_connections: 100_000,
        protocol: Protocol::Mqtt(Mqtt::default()),
    };
    let core = Core {
        buffers: 64,
        cq_entries: 2_048,
        ..Core::default()
    };
    Settings {
        engine: Arc::new(ringwire_core::Settings {
            shards,
            placement_key: [1, 2],
            seed: 3,
            listeners: vec![listener],
            ..ringwire_core::Settings::default()
        }),
        cores: vec![core; usize::from(shards)],
        binds: vec![Bind::new(SocketAddr::from(([127, 0, 0, 1], 0)))],
        mesh_batches: 64,
        authority: None,
    }
}

/// A running node with what tests ask of it.
pub struct Running(pub Node);

impl Running {
    pub fn start(settings: Settings) -> Self {
        Self(Node::start(settings).unwrap())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.addresses()[0]
    }

    pub fn connect(&self, client_id: &str) -> Client {
        Client::connect(self.address(), client_id)
    }

    /// The counters of every shard.
    pub fn stats(&self) -> Vec<ShardStats> {
        let asked = self.0.mailboxes().iter().map(|mailbox| {
            let (sender, receiver) = channel();
            let reply = Box::new(move |stats| sender.send(stats).unwrap());
            assert!(mailbox.ask(Question::Stats { reply }).is_ok());
            receiver.recv_timeout(PATIENCE).unwrap()
        });
        asked.collect()
    }

    pub fn connections(&self) -> u64 {
        self.stats().iter().map(|stats| stats.engine.connections).sum()
    }

    /// Drains, and insists on the end.
    pub fn end(self) {
        assert!(self.0.drain(PATIENCE), "the shards end in time");
    }
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One packet's bytes.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let digit = (rest % 128) as u8;
        rest /= 128;
        packet.push(if rest > 0 { digit | 0x80 } else { digit });
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn string(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// CONNECT, clean session, no keepalive: who only listens is not closed, however long a loaded machine takes.
pub fn connect_packet(client_id: &str) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 0];
    body.extend(string(client_id));
    packet(0x10, &body)
}

/// PUBLISH at QoS 0.
pub fn publish_packet(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = string(topic);
    body.extend_from_slice(payload);
    packet(0x30, &body)
}

pub struct Client {
    pub socket: TcpStream,
}

impl Client {
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket }
    }

    pub fn connect(address: SocketAddr, client_id: &str) -> Self {
        let mut client = Self::open(address);
        client.send(&connect_packet(client_id));
        client.expect_connack();
        client
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub fn expect_connack(&mut self) {
        assert_eq!(self.read_packet(), (0x20, vec![0, 0]));
    }

    pub fn ping(&mut self) {
        self.send(&[0xC0, 0]);
        assert_eq!(self.read_packet(), (0xD0, Vec::new()));
    }

    pub fn subscribe(&mut self, filter: &str) {
        let mut body = vec![0, 1];
        body.extend(string(filter));
        body.push(0);
        self.send(&packet(0x82, &body));
        assert_eq!(self.read_packet(), (0x90, vec![0, 1, 0]));
    }

    /// The payload of the next packet, a PUBLISH at QoS 0 to `topic`.
    pub fn expect_publish(&mut self, topic: &str) -> Vec<u8> {
        let (first, body) = self.read_packet();
        assert_eq!(first, 0x30);
        let topic = string(topic);
        assert_eq!(body[..topic.len()], topic);
        body[topic.len()..].to_vec()
    }

    pub fn read_packet(&mut self) -> (u8, Vec<u8>) {
        let first = self.read_byte();
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let digit = self.read_byte();
            length |= usize::from(digit & 0x7F) << shift;
            shift += 7;
            if digit & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).unwrap();
        (first, body)
    }

    fn read_byte(&mut self) -> u8 {
        let mut byte = [0];
        self.socket.read_exact(&mut byte).unwrap();
        byte[0]
    }

    /// Something has arrived; it stays unread.
    pub fn wait_for_bytes(&self) {
        // A stopped machine that goes on interrupts what has a timeout.
        while let Err(error) = self.socket.peek(&mut [0]) {
            assert_eq!(
                error.kind(),
                ErrorKind::Interrupted,
                "bytes were expected: {error}"
            );
        }
    }

    /// The server has closed: whatever was left is read, and then there is no more.
    pub fn expect_end(&mut self) {
        let mut rest = [0; 4_096];
        loop {
            match self.socket.read(&mut rest) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) => panic!("an end was expected: {error}"),
            }
        }
    }
}
