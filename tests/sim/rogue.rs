//! Misbehaving clients of both protocols: garbage, broken order, reused identifiers, endless lengths, floods, readers that
//! never read, and two connections under one client id.
//!
//! Nothing is expected of how they are treated but that it is bounded, named once, and felt by nobody else. What they
//! publish is recognised by topic and payload, so that honest clients know it when they see it.

use crate::random::Random;
use crate::scenario::{MQTT, PRIVATE};
use crate::world::{Greeting, SocketId, World};
use ringwire_codec::mqtt::{
    Ack, Connect, FilterList, Packet, PacketId, Properties, Publish, QoS, ReasonCode, Subscribe,
};
use ringwire_codec::mqtt::{SubscriptionOptions, Version, Will};
use ringwire_codec::private::{self, Frame};

/// Connections that a rogue keeps at a time.
const CONNECTIONS_MAX: usize = 3;

/// A misbehaving client.
pub struct Rogue {
    client_id: String,
    /// Seconds, for its next connection.
    keep_alive_s: u8,
    connections: Vec<Attack>,
}

/// One connection and what it will write, piece by piece.
struct Attack {
    socket: SocketId,
    pieces: Vec<Vec<u8>>,
    reads: bool,
}

/// True for a message of a rogue.
pub fn is_rogue(topic: &str, payload: &[u8]) -> bool {
    topic.contains("rog") || payload.windows(3).any(|window| window == b"GUE")
}

impl Rogue {
    /// A rogue with a client id that no honest client has.
    pub fn new(number: usize) -> Self {
        Self {
            client_id: format!("x{number}"),
            keep_alive_s: 0,
            connections: Vec::new(),
        }
    }

    /// One random thing.
    pub fn act(&mut self, world: &mut World) {
        world.tick_step();
        self.connections.retain(|attack| !world.is_over(attack.socket));
        if self.connections.len() < CONNECTIONS_MAX && world.random.chance(20) {
            self.open(world);
            return;
        }
        if self.connections.is_empty() {
            return;
        }
        let index = world.random.below(self.connections.len());
        let attack = &mut self.connections[index];
        if attack.reads {
            world.read(attack.socket);
        }
        if !attack.pieces.is_empty() {
            let piece = attack.pieces.remove(0);
            world.write(attack.socket, &piece, None);
        } else if world.random.chance(10) {
            let attack = self.connections.swap_remove(index);
            match world.random.below(2) {
                0 => world.close(attack.socket),
                _ => world.reset(attack.socket),
            }
        }
    }

    /// Ends every attack.
    pub fn stop(&mut self, world: &mut World) {
        for attack in self.connections.drain(..) {
            world.reset(attack.socket);
        }
    }

    fn open(&mut self, world: &mut World) {
        let private = world.random.chance(30);
        let socket = world.connect(&self.client_id, false, if private { PRIVATE } else { MQTT });
        self.keep_alive_s = *world.random.pick(&[0, 1, 10]);
        // Whether the server gives it another keep alive depends on a version that is not chosen yet.
        let is_given = !private && world.scenario.gives_keep_alive();
        let greeting = Greeting {
            silence_ms: if is_given {
                0
            } else {
                u64::from(self.keep_alive_s) * 1_500
            },
            ..Greeting::default()
        };
        world.introduce(socket, greeting);
        let random = &mut world.random;
        let bytes = if private {
            self.private(random)
        } else {
            self.mqtt(random)
        };
        let pieces = split(random, &bytes);
        let reads = random.chance(60);
        self.connections.push(Attack {
            socket,
            pieces,
            reads,
        });
    }

    fn mqtt(&self, random: &mut Random) -> Vec<u8> {
        let version = *random.pick(&[Version::V31, Version::V311, Version::V5]);
        let mut bytes = Vec::new();
        let choice = random.below(16);
        if choice == 0 {
            let count = random.between(1, 200);
            return random.bytes(count);
        }
        if choice == 1 {
            // A publish, or anything else, before CONNECT.
            publish(&mut bytes, version, QoS::AtLeastOnce, 1, 10);
            return bytes;
        }
        self.mqtt_connect(random, version, &mut bytes);
        if choice == 13 {
            // A protocol level that nobody speaks.
            let level = if version == Version::V31 { 10 } else { 8 };
            bytes[level] = 9;
            return bytes;
        }
        if choice == 14 {
            return nameless();
        }
        if choice == 2 {
            // The greeting is never finished.
            bytes.truncate(random.between(1, bytes.len() - 1));
            return bytes;
        }
        match choice {
            3 => self.mqtt_connect(random, version, &mut bytes),
            4 => garbage(random, &mut bytes),
            5 => bytes.extend([0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1]),
            6 => bytes.extend([0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
            7 => flood(random, version, &mut bytes),
            8 => (0..40).for_each(|_| publish(&mut bytes, version, QoS::ExactlyOnce, 7, 5)),
            9 => (1..60).for_each(|id| publish(&mut bytes, version, QoS::ExactlyOnce, id, 5)),
            10 => stray_answers(random, version, &mut bytes),
            // A server's packet.
            12 => bytes.extend([0x20, 0x02, 0x00, 0x00]),
            11 => (0..3_000).for_each(|_| bytes.extend([0xC0, 0x00])),
            _ => subscribe_flood(random, version, &mut bytes),
        }
        if random.chance(30) {
            garbage(random, &mut bytes);
        }
        bytes
    }

    fn mqtt_connect(&self, random: &mut Random, version: Version, bytes: &mut Vec<u8>) {
        let will = Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "rogue/will",
            payload: b"ROGUE",
            properties: Properties::EMPTY,
        };
        let connect = Packet::Connect(Connect {
            version,
            clean_start: version == Version::V31 || random.chance(50),
            keep_alive: u16::from(self.keep_alive_s),
            client_id: &self.client_id,
            will: random.chance(50).then_some(will),
            username: None,
            password: None,
            properties: Properties::EMPTY,
        });
        put(bytes, version, &connect);
    }

    fn private(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = Vec::new();
        let connect = private::Connect {
            keepalive: self.keep_alive_s,
            client_id: self.client_id.as_bytes(),
            username: None,
            password: None,
        };
        let connect = Frame::Connect {
            version: 1,
            connect: Some(connect),
        };
        let data = Frame::DataTrans {
            flags: random.next() as u8 & 0x0F,
            payload: b"ROGUE data",
        };
        let choice = random.below(10);
        if choice == 0 {
            let count = random.between(1, 100);
            return random.bytes(count);
        }
        if choice == 1 {
            data.encode(&mut bytes);
            return bytes;
        }
        connect.encode(&mut bytes);
        match choice {
            2 => {
                // Parts that do not fill the frame.
                bytes[2] = bytes[2].wrapping_add(random.between(1, 255) as u8);
            }
            3 => {
                connect.encode(&mut bytes);
            }
            4 => bytes.push((random.between(7, 15) as u8) << 4),
            5 => bytes.extend([0x30, 0xFF, 0xFF, 1, 2, 3]),
            6 => (0..200).for_each(|_| assert!(data.encode(&mut bytes), "a small frame can be written")),
            7 => bytes.extend([0x40; 4_000]),
            // A version that nobody speaks.
            9 => bytes[0] = 0x12,
            _ => bytes.extend([0x20, 0, 0]),
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, version: Version, packet: &Packet<'_>) {
    packet
        .encode(version, bytes)
        .expect("what a rogue sends in form can be written");
}

fn publish(bytes: &mut Vec<u8>, version: Version, qos: QoS, id: u16, count: usize) {
    let mut payload = b"ROGUE".to_vec();
    payload.resize(5 + count, b'.');
    let packet = Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: "rogue/flood",
        packet_id: PacketId::new(id).filter(|_| qos != QoS::AtMostOnce),
        properties: Properties::EMPTY,
        payload: &payload,
    });
    put(bytes, version, &packet);
}

/// A 3.1.1 CONNECT that wants a session to be kept, and names none.
fn nameless() -> Vec<u8> {
    let connect = Packet::Connect(Connect {
        version: Version::V311,
        clean_start: false,
        keep_alive: 0,
        client_id: "",
        will: None,
        username: None,
        password: None,
        properties: Properties::EMPTY,
    });
    let mut bytes = Vec::new();
    put(&mut bytes, Version::V311, &connect);
    bytes
}

/// Many publishes of every QoS, and a subscription to all of them.
fn flood(random: &mut Random, version: Version, bytes: &mut Vec<u8>) {
    subscribe(bytes, version, "#", QoS::ExactlyOnce);
    for number in 1..random.between(20, 120) {
        let qos = *random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce]);
        publish(bytes, version, qos, number as u16, 100);
    }
}

fn subscribe(bytes: &mut Vec<u8>, version: Version, filter: &str, qos: QoS) {
    let mut filters = FilterList::default();
    filters.push(
        filter,
        SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        },
    );
    let packet = Packet::Subscribe(Subscribe {
        packet_id: PacketId::new(9).expect("9 is not 0"),
        properties: Properties::EMPTY,
        filters: filters.as_filters(),
    });
    put(bytes, version, &packet);
}

fn subscribe_flood(random: &mut Random, version: Version, bytes: &mut Vec<u8>) {
    for number in 0..random.between(1, 60) {
        let filter = match number % 5 {
            0 => format!("rogue/{number}"),
            1 => format!("rogue/+/{number}"),
            2 => "deep/".repeat(number + 1),
            3 => "#".to_owned(),
            _ => "rogue/#".to_owned(),
        };
        subscribe(bytes, version, &filter, QoS::AtLeastOnce);
    }
    if random.chance(30) {
        subscribe(bytes, version, "rogue/#/wrong", QoS::AtMostOnce);
    }
}

fn stray_answers(random: &mut Random, version: Version, bytes: &mut Vec<u8>) {
    subscribe(bytes, version, "#", QoS::ExactlyOnce);
    for _ in 0..random.between(1, 20) {
        let body = Ack {
            packet_id: PacketId::new(random.between(1, 20) as u16).expect("1 and above"),
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        };
        let packet = match random.below(4) {
            0 => Packet::PubAck(body),
            1 => Packet::PubRec(body),
            2 => Packet::PubRel(body),
            _ => Packet::PubComp(body),
        };
        put(bytes, version, &packet);
    }
}

/// Bytes that are most likely no packet, and never a PUBLISH: nobody could tell whose it was.
fn garbage(random: &mut Random, bytes: &mut Vec<u8>) {
    let count = random.between(1, 100);
    let mut noise = random.bytes(count);
    noise
        .iter_mut()
        .filter(|byte| **byte >> 4 == 3)
        .for_each(|byte| *byte |= 0x80);
    bytes.extend(noise);
}

/// Cuts bytes into a few pieces.
fn split(random: &mut Random, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let most = if random.chance(20) { 5 } else { bytes.len().max(1) };
    while !rest.is_empty() && pieces.len() < 50 {
        let count = random.between(1, most.min(rest.len()));
        pieces.push(rest[..count].to_vec());
        rest = &rest[count..];
    }
    pieces
}
