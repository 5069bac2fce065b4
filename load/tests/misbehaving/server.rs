//! A small MQTT 3.1.1 server that relays each publisher's messages to the subscriber of the same topic, a thread a
//! connection, and misbehaves as it is told. It counts what it did.

use ringwire_codec::mqtt::{
    Ack, ConnAck, Decoded, Packet, PacketId, Properties, Publish, QoS, ReasonCode, SubAck, Version, decode,
};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Every so many messages of a publisher there is one of each misdeed.
const PERIOD: u64 = 50;

/// What the server does wrong; `Some(n)`: with message n of every fifty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Does not relay it; 0: relays nothing at all.
    pub drop: Option<u64>,
    /// Relays it twice.
    pub double: Option<u64>,
    /// Relays it after the next one.
    pub hold: Option<u64>,
    /// Changes its last byte.
    pub corrupt: Option<u64>,
    /// Waits so long before it looks at message 100 of a publisher.
    pub pause: Option<Duration>,
    /// Refuses every client.
    pub refuse: bool,
    /// Answers a CONNECT with what is no packet.
    pub babble: bool,
    /// Refuses every subscription.
    pub refuse_filters: bool,
    /// Answers nothing after so many messages of a publisher.
    pub mute_after: Option<u64>,
    /// Closes every connection after so many messages.
    pub hang_up_after: Option<u64>,
}

/// What it did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub published: u64,
    pub sent: u64,
    pub dropped: u64,
    pub doubled: u64,
    pub held: u64,
    pub corrupted: u64,
}

#[derive(Default)]
struct Shared {
    seen: Seen,
    subscribers: HashMap<String, TcpStream>,
    sockets: Vec<TcpStream>,
    /// Connections whose threads run.
    serving: usize,
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Server {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let for_connections = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&for_connections);
                socket.set_nodelay(true).expect("TCP_NODELAY");
                {
                    let mut shared = shared.lock().expect("no poison");
                    shared.serving += 1;
                    shared.sockets.push(socket.try_clone().expect("a descriptor"));
                }
                let connection = Connection {
                    socket,
                    manner,
                    shared,
                    messages: 0,
                    held: None,
                };
                thread::spawn(move || connection.serve());
            }
        });
        Self { address, shared }
    }

    /// What it did, when all clients have gone and their threads are done with what they sent.
    pub fn seen(&self) -> Seen {
        let until = Instant::now() + PATIENCE;
        loop {
            let shared = self.shared.lock().expect("no poison");
            if shared.serving == 0 {
                return shared.seen;
            }
            assert!(Instant::now() < until, "{} clients are there", shared.serving);
            drop(shared);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

struct Connection {
    socket: TcpStream,
    manner: Manner,
    shared: Arc<Mutex<Shared>>,
    messages: u64,
    /// Topic, payload and QoS.
    held: Option<(String, Vec<u8>, QoS)>,
}

impl Connection {
    fn serve(mut self) {
        let mut input = Vec::new();
        let mut buffer = [0; 4_096];
        loop {
            let count = match self.socket.read(&mut buffer) {
                Ok(count) if count > 0 => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => break,
            };
            input.extend_from_slice(&buffer[..count]);
            let mut taken = 0;
            while let Ok(Decoded::Packet(packet, size)) = decode(Version::V311, &input[taken..], 1 << 20) {
                self.handle(&packet);
                taken += size;
            }
            input.drain(..taken);
        }
        let mut shared = self.shared.lock().expect("no poison");
        if self.held.take().is_some() {
            // It never followed the next one, because there was none.
            shared.seen.dropped += 1;
            shared.seen.held -= 1;
        }
        shared.serving -= 1;
    }

    fn say(&mut self, packet: &Packet<'_>) {
        let mut out = Vec::new();
        packet.encode(Version::V311, &mut out).expect("a packet");
        let _ = self.socket.write_all(&out);
    }

    fn handle(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connect(_) if self.manner.babble => {
                let _ = self.socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
            Packet::Connect(_) => {
                let reason = if self.manner.refuse {
                    ReasonCode::NotAuthorized
                } else {
                    ReasonCode::Success
                };
                self.say(&Packet::ConnAck(ConnAck {
                    session_present: false,
                    reason,
                    properties: Properties::EMPTY,
                }));
            }
            Packet::Subscribe(subscribe) => {
                for filter in subscribe.filters.iter() {
                    let socket = self.socket.try_clone().expect("a descriptor");
                    let mut shared = self.shared.lock().expect("no poison");
                    shared.subscribers.insert(filter.filter.to_owned(), socket);
                }
                self.say(&Packet::SubAck(SubAck {
                    packet_id: subscribe.packet_id,
                    properties: Properties::EMPTY,
                    reasons: if self.manner.refuse_filters { &[0x80] } else { &[1] },
                }));
            }
            Packet::Publish(publish) => self.published(publish),
            _ => {}
        }
    }

    fn published(&mut self, publish: &Publish<'_>) {
        let number = self.messages;
        self.messages += 1;
        if self.manner.mute_after.is_some_and(|last| number > last) {
            return;
        }
        if let (100, Some(pause)) = (number, self.manner.pause) {
            thread::sleep(pause);
        }
        if let Some(packet_id) = publish.packet_id {
            self.say(&Packet::PubAck(Ack::success(packet_id)));
        }
        self.relay(publish, number);
        if self.manner.hang_up_after == Some(number) {
            for socket in &self.shared.lock().expect("no poison").sockets {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    fn relay(&mut self, publish: &Publish<'_>, number: u64) {
        let mut payload = publish.payload.to_vec();
        let is = |misdeed: Option<u64>| misdeed == Some(number % PERIOD);
        let mut shared = self.shared.lock().expect("no poison");
        shared.seen.published += 1;
        if is(self.manner.drop) || self.manner.drop == Some(0) {
            shared.seen.dropped += 1;
            return;
        }
        if is(self.manner.hold) {
            shared.seen.held += 1;
            self.held = Some((publish.topic.to_owned(), payload, publish.qos));
            return;
        }
        if is(self.manner.corrupt) {
            shared.seen.corrupted += 1;
            *payload.last_mut().expect("a payload") ^= 1;
        }
        shared.send(publish.topic, &payload, publish.qos);
        if is(self.manner.double) {
            shared.seen.doubled += 1;
            shared.send(publish.topic, &payload, publish.qos);
        }
        if let Some((topic, payload, qos)) = self.held.take() {
            shared.send(&topic, &payload, qos);
        }
    }
}

impl Shared {
    fn send(&mut self, topic: &str, payload: &[u8], qos: QoS) {
        let Some(socket) = self.subscribers.get_mut(topic) else {
            return;
        };
        let mut out = Vec::new();
        Packet::Publish(Publish {
            dup: false,
            qos,
            retain: false,
            topic,
            packet_id: PacketId::new(1).filter(|_| qos != QoS::AtMostOnce),
            properties: Properties::EMPTY,
            payload,
        })
        .encode(Version::V311, &mut out)
        .expect("a PUBLISH");
        if socket.write_all(&out).is_ok() {
            self.seen.sent += 1;
        }
    }
}
