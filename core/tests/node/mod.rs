//! A node of a few engines without a network: clients at byte level, parcels first in first out for each pair of shards.
#![allow(dead_code, clippy::unwrap_used)]

use ringwire_codec::mqtt::{self, Packet, QoS, Version};
use ringwire_core::outbox::Reference;
use ringwire_core::placement::Placement;
use ringwire_core::settings::{Listener, Mqtt, Protocol};
use ringwire_core::{
    Actions, Answer, Ask, CloseReason, ConnectionId, Engine, Input, InterestMap, ListenerId, Note, Parcel,
    Settings, ShardId, Time,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub const KEY: [u64; 2] = [1, 2];

/// A connection as its client sees it.
#[derive(Debug, Default)]
pub struct Wire {
    pub bytes: Vec<u8>,
    pub closed: Option<CloseReason>,
    pub paused: bool,
    /// The client takes nothing: bytes stay in the out box.
    pub stuck: bool,
}

pub struct Node {
    pub engines: Vec<Engine>,
    pub actions: Vec<Actions>,
    pub wires: BTreeMap<(u16, ConnectionId), Wire>,
    pub parcels: BTreeMap<(u16, u16), VecDeque<Parcel>>,
    pub notes: Vec<Note>,
    /// What was asked and by which shard; a test answers with `answer`.
    pub asks: VecDeque<(u16, Ask)>,
    /// Where a connection went: (from, id) -> (to, id).
    pub moved: BTreeMap<(u16, ConnectionId), (u16, ConnectionId)>,
    /// Parcels wait until `exchange` is called.
    pub hold_parcels: bool,
    pub interest: Arc<InterestMap>,
    pub now: Time,
    next: u32,
}

/// A handle of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub shard: u16,
    pub id: ConnectionId,
}

pub fn settings(shards: u16) -> Settings {
    Settings {
        shards,
        placement_key: KEY,
        seed: 7,
        listeners: vec![Listener {
            name: "mqtt".into(),
            max_connections: 100,
            protocol: Protocol::Mqtt(Mqtt::default()),
        }],
        ..Settings::default()
    }
}

impl Node {
    pub fn new(shards: u16) -> Self {
        Self::with(settings(shards))
    }

    pub fn with(settings: Settings) -> Self {
        let interest = Arc::new(InterestMap::new(settings.seed));
        let settings = Arc::new(settings);
        let engines = (0..settings.shards)
            .map(|shard| Engine::new(ShardId(shard), settings.clone(), interest.clone()))
            .collect();
        Self {
            engines,
            actions: (0..settings.shards).map(|_| Actions::default()).collect(),
            wires: BTreeMap::new(),
            parcels: BTreeMap::new(),
            notes: Vec::new(),
            asks: VecDeque::new(),
            moved: BTreeMap::new(),
            hold_parcels: false,
            interest,
            now: Time::ZERO,
            next: 0,
        }
    }

    /// Where a client id is at home.
    pub fn name_home(&self, name: &str) -> u16 {
        Placement::new(KEY, self.engines.len() as u16)
            .home(name.as_bytes())
            .0
    }

    /// A client id that is at home on a shard.
    pub fn name_at(&self, shard: u16, prefix: &str) -> String {
        let placement = Placement::new(KEY, self.engines.len() as u16);
        (0..)
            .map(|n| format!("{prefix}{n}"))
            .find(|name| placement.home(name.as_bytes()) == ShardId(shard))
            .unwrap()
    }

    pub fn input(&mut self, shard: u16, input: Input<'_>) {
        self.engines[shard as usize].handle(self.now, input, &mut self.actions[shard as usize]);
        self.carry_out(shard);
        if !self.hold_parcels {
            self.exchange();
        }
    }

    /// Hands over every parcel that waits, and what follows from them.
    pub fn exchange(&mut self) {
        loop {
            let Some((&(from, to), _)) = self.parcels.iter().find(|(_, queue)| !queue.is_empty()) else {
                return;
            };
            self.exchange_one(from, to);
        }
    }

    /// Hands over what one shard posted to another.
    pub fn exchange_all(&mut self, from: u16, to: u16) {
        while self
            .parcels
            .get(&(from, to))
            .is_some_and(|queue| !queue.is_empty())
        {
            self.exchange_one(from, to);
        }
    }

    pub fn exchange_one(&mut self, from: u16, to: u16) {
        let Some(parcel) = self
            .parcels
            .get_mut(&(from, to))
            .and_then(|queue| queue.pop_front())
        else {
            return;
        };
        let input = Input::Parcel {
            from: ShardId(from),
            parcel,
        };
        self.engines[to as usize].handle(self.now, input, &mut self.actions[to as usize]);
        self.carry_out(to);
    }

    fn carry_out(&mut self, shard: u16) {
        let actions = &mut self.actions[shard as usize];
        self.notes.append(&mut actions.notes);
        self.asks.extend(actions.asks.drain(..).map(|ask| (shard, ask)));
        for (to, parcel) in actions.posts.drain(..) {
            self.parcels.entry((shard, to.0)).or_default().push_back(parcel);
        }
        for (id, paused) in std::mem::take(&mut actions.pauses) {
            if let Some(wire) = self.wires.get_mut(&(shard, id)) {
                wire.paused = paused;
            }
        }
        let mut drained = Vec::new();
        for id in std::mem::take(&mut actions.dirty) {
            let outbox = actions.outbox(id);
            outbox.dirty = false;
            let wire = self.wires.entry((shard, id)).or_default();
            if !wire.stuck {
                drain(outbox, &mut wire.bytes);
                if outbox.watch {
                    outbox.watch = false;
                    drained.push(id);
                }
            }
        }
        for (id, reason) in std::mem::take(&mut actions.closes) {
            let outbox = actions.outbox(id);
            let wire = self.wires.entry((shard, id)).or_default();
            drain(outbox, &mut wire.bytes);
            outbox.reset();
            assert!(wire.closed.replace(reason).is_none(), "closed twice");
        }
        let hand_overs = std::mem::take(&mut actions.hand_overs);
        for id in drained {
            let input = Input::Drained { connection: id };
            self.engines[shard as usize].handle(self.now, input, &mut self.actions[shard as usize]);
            self.carry_out(shard);
        }
        for hand_over in hand_overs {
            let to = hand_over.to.0;
            let id = self.connection_id();
            self.wires.insert((to, id), Wire::default());
            self.moved.insert((shard, hand_over.connection), (to, id));
            let input = Input::Adopted {
                connection: id,
                adoption: hand_over.adoption,
            };
            self.engines[to as usize].handle(self.now, input, &mut self.actions[to as usize]);
            self.carry_out(to);
        }
    }

    fn connection_id(&mut self) -> ConnectionId {
        self.next += 1;
        ConnectionId {
            slot: self.next,
            generation: self.next,
        }
    }

    /// A socket accepted on a shard.
    pub fn open(&mut self, shard: u16) -> Peer {
        self.open_on(shard, ListenerId(0))
    }

    /// A socket accepted on a shard and listener.
    pub fn open_on(&mut self, shard: u16, listener: ListenerId) -> Peer {
        let id = self.connection_id();
        self.wires.insert((shard, id), Wire::default());
        let input = Input::Opened {
            connection: id,
            listener,
            peer: "127.0.0.1:5000".parse().unwrap(),
        };
        self.input(shard, input);
        Peer { shard, id }
    }

    /// Where a client is now.
    pub fn follow(&self, peer: Peer) -> Peer {
        match self.moved.get(&(peer.shard, peer.id)) {
            Some(&(shard, id)) => Peer { shard, id },
            None => peer,
        }
    }

    pub fn send(&mut self, peer: Peer, bytes: &[u8]) {
        let peer = self.follow(peer);
        let input = Input::Received {
            connection: peer.id,
            bytes,
        };
        self.input(peer.shard, input);
    }

    pub fn send_packet(&mut self, peer: Peer, version: Version, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        self.send(peer, &bytes);
    }

    pub fn end(&mut self, peer: Peer) {
        let peer = self.follow(peer);
        let input = Input::Closed {
            connection: peer.id,
            cause: ringwire_core::input::SocketCause::PeerClosed,
        };
        self.input(peer.shard, input);
        self.actions[peer.shard as usize].outbox(peer.id).reset();
    }

    /// The oldest question that was asked.
    pub fn asked(&mut self) -> Option<ringwire_core::ask::Step> {
        self.asks.pop_front().map(|(_, ask)| ask.step)
    }

    /// Answers what was asked about a client.
    pub fn answer(&mut self, peer: Peer, answer: Answer) {
        let peer = self.follow(peer);
        let input = Input::Answered {
            connection: peer.id,
            answer,
        };
        self.input(peer.shard, input);
    }

    pub fn wire(&mut self, peer: Peer) -> &mut Wire {
        let peer = self.follow(peer);
        self.wires.get_mut(&(peer.shard, peer.id)).unwrap()
    }

    /// What the server sent since the last call.
    pub fn take(&mut self, peer: Peer) -> Vec<u8> {
        std::mem::take(&mut self.wire(peer).bytes)
    }

    /// What the server sent since the last call, packet by packet, in words.
    pub fn take_words(&mut self, peer: Peer, version: Version) -> Vec<String> {
        let bytes = self.take(peer);
        words(version, &bytes)
    }

    /// A stuck client reads again.
    pub fn unstick(&mut self, peer: Peer) {
        let peer = self.follow(peer);
        self.wire(peer).stuck = false;
        for _ in 0..1_000 {
            let outbox = self.actions[peer.shard as usize].outbox(peer.id);
            let wire = self.wires.get_mut(&(peer.shard, peer.id)).unwrap();
            drain(outbox, &mut wire.bytes);
            if !std::mem::take(&mut outbox.watch) {
                return;
            }
            self.input(peer.shard, Input::Drained { connection: peer.id });
        }
        panic!("drains for ever");
    }

    pub fn client(&self, client_id: &str) -> Option<ringwire_core::client::Client> {
        self.engines.iter().find_map(|engine| engine.client(client_id))
    }

    /// The sum of a counter over all shards.
    pub fn drops(&self, reason: ringwire_core::DropReason) -> u64 {
        self.engines
            .iter()
            .map(|engine| engine.stats().drops[reason as usize])
            .sum()
    }

    /// Groups of shared subscriptions, and claimed topics.
    pub fn groups(&self) -> u64 {
        self.engines.iter().map(|engine| engine.stats().groups).sum()
    }

    /// Time goes on; every timer on the way fires.
    pub fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(at) = self.engines.iter().filter_map(|engine| engine.next_wake()).min() {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            for shard in 0..self.engines.len() as u16 {
                self.input(shard, Input::Tick);
            }
        }
        self.now = end;
        for shard in 0..self.engines.len() as u16 {
            self.input(shard, Input::Tick);
        }
    }

    pub fn closes(&self) -> Vec<(String, CloseReason)> {
        (self.notes.iter())
            .filter_map(|note| match note {
                Note::Closed {
                    client_id, reason, ..
                } => Some((client_id.clone(), *reason)),
                Note::Connected { .. }
                | Note::Dropped { .. }
                | Note::Unreadable { .. }
                | Note::Banned { .. } => None,
            })
            .collect()
    }
}

fn drain(outbox: &mut ringwire_core::Outbox, into: &mut Vec<u8>) {
    let mut at = 0;
    for Reference { at: next, message } in outbox.references.drain(..) {
        into.extend_from_slice(&outbox.buffer[at..next]);
        into.extend_from_slice(message.payload());
        at = next;
    }
    into.extend_from_slice(&outbox.buffer[at..]);
    outbox.buffer.clear();
    outbox.reference_bytes = 0;
}

/// Packets in words: short, so that a test can name a whole conversation.
pub fn words(version: Version, mut bytes: &[u8]) -> Vec<String> {
    let mut words = Vec::new();
    while !bytes.is_empty() {
        let (packet, size) = match mqtt::decode(version, bytes, u32::MAX) {
            Ok(mqtt::Decoded::Packet(packet, size)) => (packet, size),
            other => panic!("the server sent {other:?} in {bytes:02x?}"),
        };
        words.push(word(&packet));
        bytes = &bytes[size..];
    }
    words
}

fn word(packet: &Packet<'_>) -> String {
    match packet {
        Packet::ConnAck(p) => format!("connack {} {}", u8::from(p.session_present), p.reason.name()),
        Packet::Publish(p) => {
            let mut word = format!(
                "publish {} {} q{}",
                p.topic,
                String::from_utf8_lossy(&p.payload[..p.payload.len().min(40)]),
                p.qos as u8
            );
            if let Some(id) = p.packet_id {
                word += &format!(" #{}", id.number());
            }
            if p.dup {
                word += " dup";
            }
            if p.retain {
                word += " retain";
            }
            for property in p.properties.iter() {
                word += &format!(" {property:?}");
            }
            word
        }
        Packet::PubAck(p) => format!("puback #{} {}", p.packet_id.number(), p.reason.name()),
        Packet::PubRec(p) => format!("pubrec #{} {}", p.packet_id.number(), p.reason.name()),
        Packet::PubRel(p) => format!("pubrel #{} {}", p.packet_id.number(), p.reason.name()),
        Packet::PubComp(p) => format!("pubcomp #{} {}", p.packet_id.number(), p.reason.name()),
        Packet::SubAck(p) => format!("suback #{} {:02x?}", p.packet_id.number(), p.reasons),
        Packet::UnsubAck(p) => format!("unsuback #{} {:02x?}", p.packet_id.number(), p.reasons),
        Packet::PingResp => "pingresp".to_owned(),
        Packet::Disconnect(p) => format!("disconnect {}", p.reason.name()),
        other => format!("{other:?}"),
    }
}

/// A CONNECT.
#[derive(Clone, Copy)]
pub struct Hello<'a> {
    pub version: Version,
    pub client_id: &'a str,
    pub clean: bool,
    pub keep_alive: u16,
    pub will: Option<mqtt::Will<'a>>,
    pub properties: mqtt::Properties<'a>,
}

impl<'a> Hello<'a> {
    pub fn new(version: Version, client_id: &'a str) -> Self {
        Self {
            version,
            client_id,
            clean: true,
            keep_alive: 0,
            will: None,
            properties: mqtt::Properties::EMPTY,
        }
    }

    pub fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Packet::Connect(mqtt::Connect {
            version: self.version,
            clean_start: self.clean,
            keep_alive: self.keep_alive,
            client_id: self.client_id,
            will: self.will,
            username: None,
            password: None,
            properties: self.properties,
        })
        .encode(self.version, &mut bytes)
        .unwrap();
        bytes
    }
}

impl Node {
    /// Opens on a shard, connects, and checks that it was accepted.
    pub fn connect(&mut self, shard: u16, hello: Hello<'_>) -> Peer {
        let peer = self.open(shard);
        self.send(peer, &hello.bytes());
        let words = self.take_words(peer, hello.version);
        assert!(words[0].ends_with("success"), "{words:?}");
        let peer = self.follow(peer);
        let mut rest = Vec::new();
        for word in &words[1..] {
            rest.push(word.clone());
        }
        assert!(rest.is_empty() || !hello.clean, "{rest:?}");
        peer
    }

    pub fn subscribe(&mut self, peer: Peer, version: Version, filter: &str, qos: u8) {
        let mut body = vec![0, 9];
        if version == Version::V5 {
            body.push(0);
        }
        body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
        body.extend_from_slice(filter.as_bytes());
        body.push(qos);
        let mut bytes = vec![0x82, body.len() as u8];
        bytes.extend(body);
        self.send(peer, &bytes);
    }

    pub fn publish(&mut self, peer: Peer, version: Version, topic: &str, payload: &[u8], qos: QoS, id: u16) {
        self.publish_with(peer, version, topic, payload, qos, id, false);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn publish_with(
        &mut self,
        peer: Peer,
        version: Version,
        topic: &str,
        payload: &[u8],
        qos: QoS,
        id: u16,
        retain: bool,
    ) {
        let packet = Packet::Publish(mqtt::Publish {
            dup: false,
            qos,
            retain,
            topic,
            packet_id: if qos == QoS::AtMostOnce {
                None
            } else {
                mqtt::PacketId::new(id)
            },
            properties: mqtt::Properties::EMPTY,
            payload,
        });
        self.send_packet(peer, version, &packet);
    }
}
