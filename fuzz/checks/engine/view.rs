//! A connection as its client sees it: what it wrote, what it was sent, and whether a server may send that.
//!
//! Knows only what the standard promises to any client, however badly that one behaves. What the client wrote is decoded
//! here too, so that raw bytes count like built ones.

use super::devices::{Hears, Speaks};
use ringwire_codec::mqtt::{self, Decoded, Packet, PacketType, Property, QoS, ReasonCode, Version};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a CONNECT said, as far as it binds the server.
#[derive(Debug)]
struct Hello {
    version: Version,
    clean_start: bool,
    receive_maximum: usize,
    packet_size_max: u32,
    alias_maximum: u16,
    problem_information: bool,
    method: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Silent,
    Connected,
    Over,
}

/// One connection.
#[derive(Debug)]
pub struct View {
    /// The ear of a device; `None`: it is an MQTT client.
    pub device: Option<Hears>,
    /// Written and not yet decoded; `None` once it could not be.
    up: Option<Vec<u8>>,
    hello: Option<Hello>,
    state: State,
    aliases: BTreeMap<u16, String>,
    /// Publishes of the server's that this client has not acknowledged to the end.
    in_flight: BTreeMap<u16, QoS>,
    /// It acknowledged what it could not have had yet: what is in flight for the server is not known any more.
    is_wild: bool,
    /// Answers that the client may still get: first byte's high half, packet id, and how many.
    owed: BTreeMap<(u8, u16), usize>,
    /// Filters of the SUBSCRIBEs and UNSUBSCRIBEs that are not answered.
    asked: Vec<(u16, usize)>,
    /// What the client should answer, in order.
    pub replies: VecDeque<(PacketType, u16)>,
    /// Topics that it published to with RETAIN, Wills among them.
    pub retained: BTreeSet<String>,
    /// Topics that arrived with RETAIN set.
    pub answers: BTreeSet<String>,
}

impl View {
    /// A connection that has said nothing yet.
    pub fn new(speaks: Speaks) -> Self {
        Self {
            device: (speaks != Speaks::Mqtt).then(|| Hears::new(speaks)),
            up: Some(Vec::new()),
            hello: None,
            state: State::Silent,
            aliases: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            is_wild: false,
            owed: BTreeMap::new(),
            asked: Vec::new(),
            replies: VecDeque::new(),
            retained: BTreeSet::new(),
            answers: BTreeSet::new(),
        }
    }

    /// The server took its CONNECT and has not ended it.
    pub fn is_connected(&self) -> bool {
        match &self.device {
            Some(device) => device.is_connected(),
            None => self.state == State::Connected,
        }
    }

    /// It has sent a whole CONNECT.
    pub fn is_greeted(&self) -> bool {
        self.hello.is_some()
    }

    /// The client writes. `at_once`: the server handles it now, and nothing else with it, and has sent nothing that the client
    /// has not read.
    pub fn wrote(&mut self, bytes: &[u8], at_once: bool) {
        let Some(mut up) = self.up.take().filter(|_| self.device.is_none()) else {
            return;
        };
        up.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let version = self.hello.as_ref().map_or(Version::V311, |hello| hello.version);
            match mqtt::decode(version, &up[at..], u32::MAX) {
                Ok(Decoded::Packet(packet, size)) => {
                    let alone = at_once && at == 0 && size == up.len();
                    self.said(&packet, alone);
                    at += size;
                }
                Ok(Decoded::Incomplete { .. }) => break,
                // The server ends it; what follows means nothing.
                Err(_) => return,
            }
        }
        up.drain(..at);
        self.up = Some(up);
    }

    fn said(&mut self, packet: &Packet<'_>, alone: bool) {
        let alone = alone && self.is_connected();
        match packet {
            Packet::Connect(connect) => {
                if let Some(will) = connect.will.filter(|will| will.retain) {
                    self.retained.insert(will.topic.to_owned());
                }
                if self.hello.is_none() {
                    self.hello = Some(Hello::of(connect));
                }
            }
            Packet::Publish(publish) => {
                if publish.retain {
                    self.retained.insert(publish.topic.to_owned());
                }
                let kind = match publish.qos {
                    QoS::AtMostOnce => return,
                    QoS::AtLeastOnce => 4,
                    QoS::ExactlyOnce => 5,
                };
                let id = publish.packet_id.map_or(0, |id| id.number());
                *self.owed.entry((kind, id)).or_default() += 1;
            }
            Packet::PubAck(ack) => self.done(ack.packet_id.number(), QoS::AtLeastOnce, alone),
            Packet::PubRec(ack) if ack.reason.is_failure() => {
                self.done(ack.packet_id.number(), QoS::ExactlyOnce, alone);
            }
            Packet::PubRec(ack) => *self.owed.entry((6, ack.packet_id.number())).or_default() += 1,
            Packet::PubRel(ack) => *self.owed.entry((7, ack.packet_id.number())).or_default() += 1,
            Packet::PubComp(ack) => self.done(ack.packet_id.number(), QoS::ExactlyOnce, alone),
            Packet::Subscribe(subscribe) => {
                let id = subscribe.packet_id.number();
                self.asked.push((id, subscribe.filters.iter().count()));
                *self.owed.entry((9, id)).or_default() += 1;
            }
            Packet::Unsubscribe(unsubscribe) => {
                let id = unsubscribe.packet_id.number();
                self.asked.push((id, unsubscribe.filters().count()));
                *self.owed.entry((11, id)).or_default() += 1;
            }
            Packet::PingReq => *self.owed.entry((13, 0)).or_default() += 1,
            Packet::ConnAck(_)
            | Packet::SubAck(_)
            | Packet::UnsubAck(_)
            | Packet::PingResp
            | Packet::Disconnect(_)
            | Packet::Auth(_) => {}
        }
    }

    /// The client is through with a publish; a guess, unless it had it.
    fn done(&mut self, id: u16, qos: QoS, alone: bool) {
        if self.in_flight.get(&id) == Some(&qos) {
            self.in_flight.remove(&id);
        } else if !alone {
            self.is_wild = true;
        }
    }

    /// The client reads: whole packets only, each one that the server may send now.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let size = match &mut self.device {
                Some(device) => device.read(bytes),
                None => self.read_packet(bytes),
            };
            bytes = &bytes[size..];
        }
    }

    fn read_packet(&mut self, bytes: &[u8]) -> usize {
        let version = self.hello.as_ref().map_or(Version::V311, |hello| hello.version);
        let mut decoded = mqtt::decode(version, bytes, u32::MAX);
        if self.hello.is_none() && !matches!(decoded, Ok(Decoded::Packet(..))) {
            // Nothing says which version an unreadable CONNECT is of.
            decoded = mqtt::decode(Version::V5, bytes, u32::MAX);
        }
        let Ok(Decoded::Packet(packet, size)) = decoded else {
            panic!("the server sent {decoded:?} to {:?}: {bytes:02x?}", self.hello);
        };
        if let Some(hello) = &self.hello {
            let limit = hello.packet_size_max as usize;
            // A CONNECT that is too large is not read, nor what it says about sizes.
            let is_unread =
                matches!(&packet, Packet::ConnAck(connack) if connack.reason == ReasonCode::PacketTooLarge);
            assert!(
                size <= limit || is_unread,
                "{size} bytes to who takes {limit}: {packet:?}"
            );
            self.problem_information_is_kept(hello, &packet);
        }
        assert_ne!(
            self.state,
            State::Over,
            "nothing follows the last packet: {packet:?}"
        );
        match (self.state, &packet) {
            (_, Packet::ConnAck(_) | Packet::Auth(_)) => {}
            // A 5.0 client may be told why its CONNECT cannot be read.
            (State::Silent, Packet::Disconnect(_)) => {}
            (state, _) => assert_eq!(state, State::Connected, "before CONNACK: {packet:?}"),
        }
        self.hears(version, &packet);
        size
    }

    fn problem_information_is_kept(&self, hello: &Hello, packet: &Packet<'_>) {
        let properties = match packet {
            Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
                ack.properties
            }
            Packet::SubAck(suback) => suback.properties,
            Packet::UnsubAck(unsuback) => unsuback.properties,
            Packet::Auth(auth) => auth.properties,
            // These may say more, whatever was asked (5.0 section 3.1.2.11.7), or have nothing to say it with.
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Publish(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect(_) => return,
        };
        let tells = |one: Property<'_>| matches!(one, Property::ReasonString(_) | Property::UserProperty(..));
        let is_told = properties.iter().any(tells);
        assert!(
            hello.problem_information || !is_told,
            "it asked not to be told: {packet:?}"
        );
    }

    fn hears(&mut self, version: Version, packet: &Packet<'_>) {
        match packet {
            Packet::ConnAck(connack) => {
                assert_eq!(self.state, State::Silent, "one CONNACK, before all else");
                let is_clean = self.hello.as_ref().is_none_or(|hello| hello.clean_start);
                let accepts = connack.reason == ReasonCode::Success;
                assert!(
                    !connack.session_present || (accepts && !is_clean),
                    "no session is present here: {connack:?}"
                );
                assert!(!accepts || self.hello.is_some(), "accepted without a CONNECT");
                self.state = if accepts { State::Connected } else { State::Over };
            }
            Packet::Publish(publish) => self.published(publish),
            Packet::PubAck(ack) => self.owed(4, ack.packet_id.number()),
            Packet::PubRec(ack) => {
                self.owed(5, ack.packet_id.number());
                if !ack.reason.is_failure() {
                    self.replies
                        .push_back((PacketType::PubRel, ack.packet_id.number()));
                }
            }
            Packet::PubRel(ack) => self.released(ack.packet_id.number()),
            Packet::PubComp(ack) => self.owed(7, ack.packet_id.number()),
            Packet::SubAck(suback) => {
                self.owed(9, suback.packet_id.number());
                self.answered(suback.packet_id.number(), suback.reasons.len());
            }
            Packet::UnsubAck(unsuback) => {
                self.owed(11, unsuback.packet_id.number());
                if version == Version::V5 {
                    self.answered(unsuback.packet_id.number(), unsuback.reasons.len());
                }
            }
            Packet::PingResp => self.owed(13, 0),
            Packet::Disconnect(_) => {
                assert_eq!(version, Version::V5, "only 5.0 servers send DISCONNECT");
                self.state = State::Over;
            }
            Packet::Auth(_) => {
                let method = self.hello.as_ref().is_some_and(|hello| hello.method);
                assert!(version == Version::V5 && method, "no method was named");
            }
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
                panic!("a client's packet: {packet:?}");
            }
        }
    }

    /// An answer to something that was asked, and not answered yet.
    fn owed(&mut self, kind: u8, id: u16) {
        let left = self.owed.get_mut(&(kind, id)).filter(|left| **left > 0);
        *left.unwrap_or_else(|| panic!("type {kind} of {id} answers nothing")) -= 1;
    }

    fn answered(&mut self, id: u16, count: usize) {
        let at = self.asked.iter().position(|asked| *asked == (id, count));
        self.asked
            .remove(at.unwrap_or_else(|| panic!("{count} answers to {id}, asked {:?}", self.asked)));
    }

    /// PUBREL: answers a PUBREC, or comes again after a reconnect.
    fn released(&mut self, id: u16) {
        self.replies.push_back((PacketType::PubComp, id));
        if let Some(left) = self.owed.get_mut(&(6, id)).filter(|left| **left > 0) {
            *left -= 1;
        } else {
            self.in_flight.insert(id, QoS::ExactlyOnce);
        }
    }

    fn published(&mut self, publish: &mqtt::Publish<'_>) {
        let hello = self.hello.as_ref().expect("it is connected");
        let (window, alias_maximum) = (hello.receive_maximum, hello.alias_maximum);
        let mut topic = publish.topic.to_owned();
        if let Some(alias) = publish.properties.topic_alias() {
            assert!(
                alias != 0 && alias <= alias_maximum,
                "alias {alias} of at most {alias_maximum}"
            );
            if topic.is_empty() {
                let known = self.aliases.get(&alias);
                topic = known
                    .unwrap_or_else(|| panic!("alias {alias} was never set"))
                    .clone();
            } else {
                self.aliases.insert(alias, topic.clone());
            }
        }
        assert!(ringwire_codec::topic::is_valid_name(&topic), "topic {topic:?}");
        assert!(!publish.dup || publish.qos != QoS::AtMostOnce, "DUP at QoS 0");
        if publish.retain {
            self.answers.insert(topic);
        }
        let Some(id) = publish.packet_id else {
            return;
        };
        let reply = match publish.qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => PacketType::PubAck,
            QoS::ExactlyOnce => PacketType::PubRec,
        };
        self.replies.push_back((reply, id.number()));
        let before = self.in_flight.insert(id.number(), publish.qos);
        if !self.is_wild {
            assert_eq!(before, None, "packet id {} is in use", id.number());
            let count = self.in_flight.len();
            assert!(count <= window, "{count} publishes in flight of at most {window}");
        }
    }
}

impl Hello {
    fn of(connect: &mqtt::Connect<'_>) -> Self {
        let properties = connect.properties;
        Self {
            version: connect.version,
            clean_start: connect.clean_start,
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX).into(),
            packet_size_max: properties.maximum_packet_size().unwrap_or(u32::MAX),
            alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            problem_information: properties.request_problem_information().unwrap_or(true),
            method: properties.authentication_method().is_some(),
        }
    }
}
