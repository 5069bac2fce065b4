//! Clients that answer as the standards ask, in front of a [`Desk`]; what they say is recorded.
//!
//! A turn holds what several clients said before the shard came round, as the ring hands it over. After [`Table::mark`]
//! the recording is what a bench measures; everything before it is played while the bench is set up.

use super::{Desk, MQTT, PRIVATE, Peer, Step};
use ringwire_codec::mqtt::{
    self, Ack, Connect, Packet, PacketId, Properties, PropertyList, Publish, QoS, ReasonCode, Version,
};
use ringwire_codec::private::{self, Frame};
use ringwire_core::placement::Placement;
use ringwire_core::{ConnectionId, Outbox, ShardId};
use std::collections::BTreeMap;

/// Bytes of every payload: what most figures of brokers are given for.
pub const PAYLOAD: [u8; 64] = [b'x'; 64];

/// What a client publishes.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// QoS.
    pub qos: QoS,
    /// RETAIN.
    pub retain: bool,
    /// Four of them (5.0 only).
    pub has_properties: bool,
    /// Payload.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// [`PAYLOAD`] and nothing special.
    pub fn new(topic: &'a str, qos: QoS) -> Self {
        Self {
            topic,
            qos,
            retain: false,
            has_properties: false,
            payload: &PAYLOAD,
        }
    }
}

/// Steps, and the first of them that is measured.
pub struct Recording {
    shards: u16,
    steps: Vec<Step>,
    mark: usize,
    /// Messages that clients got after the mark.
    pub deliveries: u64,
}

/// Clients and the desk that they talk to.
pub struct Table {
    desk: Desk,
    recording: Recording,
    clients: BTreeMap<Peer, Client>,
    placement: Placement,
    next: u32,
}

struct Client {
    speaks: Speaks,
    /// Bytes not yet answered.
    heard: Vec<u8>,
    packet_id: u16,
}

#[derive(Clone, Copy)]
enum Speaks {
    Mqtt(Version),
    Private,
}

impl Recording {
    /// A desk in the state in which measuring begins, and what is then played to it.
    pub fn ready(self) -> (Desk, Vec<Step>) {
        let mut desk = Desk::new(self.shards);
        desk.play(&self.steps[..self.mark]);
        let mut steps = self.steps;
        (desk, steps.split_off(self.mark))
    }
}

impl Table {
    /// A table before a node of so many shards.
    pub fn new(shards: u16) -> Self {
        Self {
            desk: Desk::new(shards),
            recording: Recording {
                shards,
                steps: Vec::new(),
                mark: 0,
                deliveries: 0,
            },
            clients: BTreeMap::new(),
            placement: Placement::new([1, 2], shards),
            next: 0,
        }
    }

    /// From here on is measured.
    pub fn mark(&mut self) {
        self.recording.mark = self.recording.steps.len();
        self.recording.deliveries = 0;
    }

    /// The end. Nobody is waiting for an answer.
    pub fn recorded(mut self) -> Recording {
        assert!(!self.answer(), "a client still wanted to say something");
        self.recording
    }

    /// The node as it is now.
    pub fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// An MQTT client that is connected to shard `shard`, where it is at home.
    pub fn mqtt(&mut self, name: &str, version: Version, shard: u16) -> Peer {
        let client_id = self.name_at(name, shard);
        let peer = self.open(Speaks::Mqtt(version), shard);
        let connect = connect(version, &client_id);
        self.say([(peer, connect)]);
        peer
    }

    /// A device that is connected to shard `shard`, and its client id.
    pub fn device(&mut self, name: &str, shard: u16) -> (Peer, String) {
        let client_id = self.name_at(name, shard);
        let peer = self.open(Speaks::Private, shard);
        let connect = private::Connect {
            keepalive: 0,
            client_id: client_id.as_bytes(),
            username: None,
            password: None,
        };
        let connect = Frame::Connect {
            version: 1,
            connect: Some(connect),
        };
        let mut bytes = Vec::new();
        assert!(connect.encode(&mut bytes));
        self.say([(peer, bytes)]);
        (peer, client_id)
    }

    /// A client id that begins with `name` and is at home on a shard.
    fn name_at(&self, name: &str, shard: u16) -> String {
        let mut names = (0..).map(|number| format!("{name}-{number}"));
        names
            .find(|name| self.placement.home(name.as_bytes()) == ShardId(shard))
            .expect("there is no end of names")
    }

    /// A socket on which an MQTT client will say something.
    pub fn open_mqtt(&mut self, version: Version, shard: u16) -> Peer {
        self.open(Speaks::Mqtt(version), shard)
    }

    fn open(&mut self, speaks: Speaks, shard: u16) -> Peer {
        let peer = Peer {
            shard: ShardId(shard),
            id: ConnectionId {
                slot: self.next,
                generation: 1,
            },
        };
        self.next += 1;
        let client = Client {
            speaks,
            heard: Vec::new(),
            packet_id: 0,
        };
        self.clients.insert(peer, client);
        let listener = match speaks {
            Speaks::Mqtt(_) => MQTT,
            Speaks::Private => PRIVATE,
        };
        self.take_turn(Step::Open { peer, listener });
        peer
    }

    /// Subscribes and takes the answer.
    pub fn subscribe(&mut self, peer: Peer, filter: &str, qos: QoS) {
        let bytes = subscribe(self.version(peer), filter, qos);
        self.say([(peer, bytes)]);
        self.settle();
    }

    /// PUBLISH packets back to back, as a busy client sends them.
    pub fn publishes(&mut self, peer: Peer, message: &Message<'_>, count: usize) -> Vec<u8> {
        let version = self.version(peer);
        let properties = properties();
        let mut bytes = Vec::new();
        for _ in 0..count {
            let publish = Publish {
                dup: false,
                qos: message.qos,
                retain: message.retain,
                topic: message.topic,
                packet_id: self.packet_id(peer, message.qos),
                properties: if message.has_properties {
                    properties.as_properties()
                } else {
                    Properties::EMPTY
                },
                payload: message.payload,
            };
            publish.encode(version, &mut bytes).expect("a PUBLISH");
        }
        bytes
    }

    fn packet_id(&mut self, peer: Peer, qos: QoS) -> Option<PacketId> {
        if qos == QoS::AtMostOnce {
            return None;
        }
        let client = self.client(peer);
        client.packet_id = client.packet_id.checked_add(1).unwrap_or(1);
        PacketId::new(client.packet_id)
    }

    /// One turn in which the node reads all of this.
    pub fn say(&mut self, reads: impl IntoIterator<Item = (Peer, Vec<u8>)>) {
        self.take_turn(Step::Heard(reads.into_iter().collect()));
    }

    /// Everybody answers what it heard, in one turn. False when nobody has to.
    pub fn answer(&mut self) -> bool {
        let mut reads = Vec::new();
        let mut deliveries = 0;
        for (peer, client) in &mut self.clients {
            let heard = std::mem::take(&mut client.heard);
            let mut said = Vec::new();
            match client.speaks {
                Speaks::Mqtt(version) => deliveries += answer_mqtt(version, &heard, &mut said),
                Speaks::Private => deliveries += count_private(&heard),
            }
            if !said.is_empty() {
                reads.push((*peer, said));
            }
        }
        self.recording.deliveries += deliveries;
        let any = !reads.is_empty();
        if any {
            self.say(reads);
        }
        any
    }

    /// Answers until nobody has anything to say.
    pub fn settle(&mut self) {
        while self.answer() {}
    }

    fn take_turn(&mut self, step: Step) {
        let clients = &mut self.clients;
        self.desk.step(&step, &mut |peer, outbox| {
            if let Some(client) = clients.get_mut(&peer) {
                gather(outbox, &mut client.heard);
            }
        });
        self.recording.steps.push(step);
    }

    fn client(&mut self, peer: Peer) -> &mut Client {
        self.clients.get_mut(&peer).expect("a client of this table")
    }

    fn version(&mut self, peer: Peer) -> Version {
        match self.client(peer).speaks {
            Speaks::Mqtt(version) => version,
            Speaks::Private => panic!("devices do not speak MQTT"),
        }
    }
}

/// Everything in an out box, in order.
fn gather(outbox: &Outbox, into: &mut Vec<u8>) {
    let mut at = 0;
    for reference in &outbox.references {
        into.extend_from_slice(&outbox.buffer[at..reference.at]);
        into.extend_from_slice(reference.payload());
        at = reference.at;
    }
    into.extend_from_slice(&outbox.buffer[at..]);
}

/// What a client says to what it heard, and how many messages that was.
fn answer_mqtt(version: Version, mut heard: &[u8], said: &mut Vec<u8>) -> u64 {
    let mut deliveries = 0;
    while !heard.is_empty() {
        let (packet, size) = match mqtt::decode(version, heard, u32::MAX) {
            Ok(mqtt::Decoded::Packet(packet, size)) => (packet, size),
            other => panic!("the node sent {other:?}"),
        };
        heard = &heard[size..];
        let answer = match packet {
            Packet::Publish(publish) => {
                deliveries += 1;
                let ack = publish.packet_id.map(Ack::success);
                match publish.qos {
                    QoS::AtMostOnce => None,
                    QoS::AtLeastOnce => ack.map(Packet::PubAck),
                    QoS::ExactlyOnce => ack.map(Packet::PubRec),
                }
            }
            Packet::PubRec(ack) => Some(Packet::PubRel(Ack::success(ack.packet_id))),
            Packet::PubRel(ack) => Some(Packet::PubComp(Ack::success(ack.packet_id))),
            Packet::ConnAck(ack) => {
                assert_eq!(ack.reason, ReasonCode::Success);
                None
            }
            Packet::PubAck(_) | Packet::PubComp(_) | Packet::SubAck(_) | Packet::PingResp => None,
            other => panic!("the node sent {other:?}"),
        };
        if let Some(answer) = answer {
            answer.encode(version, said).expect("an acknowledgement");
        }
    }
    deliveries
}

fn count_private(mut heard: &[u8]) -> u64 {
    let mut deliveries = 0;
    while !heard.is_empty() {
        let Ok(private::Decoded::Frame(frame, size)) = private::decode(heard, private::PAYLOAD_BYTES_MAX)
        else {
            panic!("the node sent {heard:02x?}");
        };
        heard = &heard[size..];
        deliveries += u64::from(matches!(frame, Frame::DataTrans { .. }));
    }
    deliveries
}

/// A CONNECT with a clean start and no keepalive.
pub fn connect(version: Version, client_id: &str) -> Vec<u8> {
    let connect = Connect {
        version,
        clean_start: true,
        keep_alive: 0,
        client_id,
        will: None,
        username: None,
        password: None,
        properties: Properties::EMPTY,
    };
    let mut bytes = Vec::new();
    connect.encode(&mut bytes).expect("a CONNECT");
    bytes
}

/// A SUBSCRIBE to one filter.
pub fn subscribe(version: Version, filter: &str, qos: QoS) -> Vec<u8> {
    let mut body = vec![0, 9];
    if version == Version::V5 {
        body.push(0);
    }
    body.extend_from_slice(&(filter.len() as u16).to_be_bytes());
    body.extend_from_slice(filter.as_bytes());
    body.push(qos as u8);
    let mut bytes = vec![0x82, u8::try_from(body.len()).expect("a short filter")];
    assert!(body.len() < 128, "one byte of length");
    bytes.extend(body);
    bytes
}

/// Four properties that a publisher sends.
pub fn properties() -> PropertyList {
    let mut list = PropertyList::default();
    for property in [
        mqtt::Property::PayloadFormatIndicator(1),
        mqtt::Property::MessageExpiryInterval(3_600),
        mqtt::Property::ContentType("application/json"),
        mqtt::Property::UserProperty("site", "north"),
    ] {
        assert!(list.push(property));
    }
    list
}
