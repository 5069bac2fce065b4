//! How an honest MQTT client begins a connection: its CONNECT, with a Will that may be delayed and may expire, a Session
//! Expiry Interval, and the keep alive that then holds.

use super::{Connection, LASTING_S, MqttClient};
use crate::extras;
use crate::history::{History, MessageId, Origin, Sent};
use crate::scenario::{EXPIRY_MAX_S, MQTT};
use crate::world::{Greeting, Sabotage, World};
use ringwire_codec::mqtt::{Connect, Packet, Property, PropertyList, QoS, Version, Will};
use std::collections::{BTreeMap, VecDeque};

impl MqttClient {
    pub(super) fn connect(&mut self, world: &mut World, clean: bool) {
        let socket = world.connect(&self.client_id, true, MQTT);
        let will = world.random.chance(40).then(|| self.new_will(world));
        let greeting = Greeting {
            silence_ms: u64::from(self.keep_alive_for(world)) * 1_500,
            will: will.map(|will| (will, self.will_delay(world))),
            expiry_s: self.kept_s(clean),
            clean,
        };
        world.introduce(socket, greeting);
        self.connection = Some(Connection {
            socket,
            online: false,
            since: world.now,
            clean,
            resumed: false,
            renamed: false,
            keep_alive_s: self.keep_alive_s,
            inbox: Vec::new(),
            answers: VecDeque::new(),
            pending: BTreeMap::new(),
            // A 3.x client is not told what the server takes.
            window: match self.version {
                Version::V5 => usize::from(world.scenario.settings.limits.receive_maximum),
                Version::V31 | Version::V311 => usize::MAX,
            },
            aliases_max: 0,
            aliases: Vec::new(),
            learned: BTreeMap::new(),
            last_write: world.now,
            pings: 0,
        });
        if clean {
            self.forget(world, world.step);
            self.present = Some(false);
        }
        self.may_be_given(world);
        self.write_connect(world, greeting);
    }

    fn write_connect(&mut self, world: &mut World, greeting: Greeting) {
        let mut properties = PropertyList::default();
        if self.version == Version::V5 {
            let asked_s = if self.persistent { self.expiry_s } else { 0 };
            properties.push(Property::SessionExpiryInterval(world.spoil_expiry(asked_s)));
            properties.push(Property::ReceiveMaximum(self.receive_maximum));
            properties.push(Property::MaximumPacketSize(self.packet_size_max));
            if self.alias_maximum > 0 {
                properties.push(Property::TopicAliasMaximum(self.alias_maximum));
            }
        }
        let will = greeting
            .will
            .filter(|(_, delay_s)| *delay_s > 0 || !world.loses_will());
        let message = will.map(|(id, _)| world.history.messages[id].clone());
        let topic = message.as_ref().map(|message| match world.scenario.rewriting {
            true => format!("{}{}", extras::WILL, message.topic),
            false => message.topic.clone(),
        });
        let mut of_will = PropertyList::default();
        if let Some((_, delay_s)) = will.filter(|(_, delay_s)| *delay_s > 0) {
            of_will.push(Property::WillDelayInterval(world.spoil_will_delay(delay_s)));
        }
        if let Some(expiry_s) = message.as_ref().and_then(|message| message.expiry_s) {
            of_will.push(Property::MessageExpiryInterval(expiry_s));
        }
        let will = message.as_ref().map(|message| Will {
            qos: message.qos,
            retain: message.retain,
            topic: topic.as_deref().unwrap_or_default(),
            payload: &message.payload,
            properties: of_will.as_properties(),
        });
        let client_id = self.client_id.clone();
        let connect = Packet::Connect(Connect {
            version: self.version,
            clean_start: greeting.clean || world.sabotage == Some(Sabotage::ForgetSessions),
            keep_alive: self.keep_alive_s,
            client_id: &client_id,
            will,
            username: None,
            password: None,
            properties: properties.as_properties(),
        });
        self.write(world, &connect, None);
    }

    /// Seconds of Will Delay: none, a few, or more than any session here is kept.
    fn will_delay(&self, world: &mut World) -> u32 {
        if self.version == Version::V5 {
            *world.random.pick(&[0, 0, 1, 2, 5, 1_000])
        } else {
            0
        }
    }

    /// Seconds that its session outlives the connection.
    fn kept_s(&self, clean: bool) -> u32 {
        match self.version {
            Version::V5 if self.persistent => self.expiry_s.min(EXPIRY_MAX_S),
            Version::V31 | Version::V311 if !clean => EXPIRY_MAX_S,
            Version::V5 | Version::V31 | Version::V311 => 0,
        }
    }

    /// The Session Expiry Interval that CONNACK must name: one that is not what was asked for.
    pub(super) fn interval_to_be_told(&self) -> Option<u32> {
        let is_cut = self.version == Version::V5 && self.persistent && self.expiry_s > EXPIRY_MAX_S;
        is_cut.then_some(EXPIRY_MAX_S)
    }

    /// Its session, if it is kept, outlasts every run.
    pub(super) fn lasts(&self) -> bool {
        self.version != Version::V5 || self.expiry_s >= LASTING_S
    }

    /// The keep alive that must hold, in seconds.
    pub(super) fn keep_alive_for(&self, world: &World) -> u16 {
        match self.version {
            Version::V5 => world.scenario.keep_alive_for(self.keep_alive_s),
            Version::V31 | Version::V311 => self.keep_alive_s,
        }
    }

    fn new_will(&mut self, world: &mut World) -> MessageId {
        let id = world.history.messages.len();
        let retain = world.random.chance(20);
        let expires = self.version == Version::V5 && world.scenario.expiring && world.random.chance(30);
        world.history.messages.push(Sent {
            publisher: self.client_id.clone(),
            origin: Origin::Will,
            topic: format!("will/{}", self.client_id),
            payload: History::payload(id, world.random.below(40)),
            content_type: None,
            qos: *world
                .random
                .pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]),
            retain,
            expiry_s: expires.then(|| *world.random.pick(&[1, 2, 4, 100_000])),
            fed: Vec::new(),
            fed_ms: Vec::new(),
            certain: false,
            acked: None,
            refused: false,
        });
        id
    }
}
