//! What an honest MQTT client sends of its own accord: publishes, subscribes, unsubscribes, and its answers.

use super::{Answer, MqttClient, Outgoing, Pending};
use crate::extras;
use crate::history::{History, MessageId, Options, Origin, SHARED, SHARED_FIRST, Sent};
use crate::scenario::is_denied;
use crate::world::{Mark, World};
use ringwire_codec::mqtt::Version;
use ringwire_codec::mqtt::{
    Ack, FilterList, Packet, PacketId, Properties, Property, PropertyList, Publish, QoS,
};
use ringwire_codec::mqtt::{
    ReasonCode, RetainHandling, Subscribe, SubscriptionOptions, Unsubscribe, UnsubscribeList,
};
use ringwire_core::access::Operation;

/// Topics that MQTT clients publish to. Few, so that they meet; the devices' own among them.
pub const TOPICS: &[&str] = &[
    "a",
    "a/b",
    "a/b/c",
    "b",
    "a//c",
    "/",
    "b/b",
    "$x/a",
    "tcp/d0/dn",
    "tcp/d1/dn",
    "tcp/d2/dn",
    "claim/a",
    "claim/b",
];

/// Filters that MQTT clients subscribe to.
const FILTERS: &[&str] = &[
    "#",
    "+",
    "a/#",
    "a/+",
    "+/b",
    "a/b",
    "a",
    "b",
    "a/b/c",
    "+/+",
    "+/+/#",
    "a/+/c",
    "/",
    "$x/#",
    "$x/a",
    "tcp/+/up",
    "tcp/d0/up",
    "will/#",
    "will/+",
    "b/#",
    "$delayed/#",
];

/// QoS 1/2 publishes of a client that are under way at a time, whatever the server takes.
const OUTGOING_MAX: usize = 8;

const LEVELS: &[QoS] = &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A topic as it is written, and what is meant.
fn any_topic(world: &mut World) -> (String, String) {
    let topic = *world.random.pick(TOPICS);
    if world.scenario.rewriting && world.random.chance(25) {
        let (written, meant) = *world.random.pick(extras::TOPICS);
        return (written.to_owned(), meant.to_owned());
    }
    if !world.scenario.auto_subscribe.is_empty() && world.random.chance(10) {
        let topic = format!("auto/m{}", world.random.below(world.scenario.mqtt_clients));
        return (topic.clone(), topic);
    }
    (topic.to_owned(), topic.to_owned())
}

impl MqttClient {
    pub(super) fn publish(&mut self, world: &mut World) {
        let mut qos = *world.random.pick(LEVELS);
        let window = self.connection.as_ref().map_or(0, |connection| connection.window);
        if self.outgoing.len() >= OUTGOING_MAX.min(window) {
            qos = QoS::AtMostOnce;
        }
        let message = self.new_message(world, qos);
        self.delay(world, message);
        self.begin_publish(world, message, qos);
    }

    /// Clears a retained message.
    pub fn clear(&mut self, world: &mut World, topic: &str) {
        world.tick_step();
        let message = self.new_message(world, QoS::AtLeastOnce);
        let sent = &mut world.history.messages[message];
        sent.topic = topic.to_owned();
        sent.refused = false;
        sent.payload.clear();
        sent.retain = true;
        sent.expiry_s = None;
        world.history.written.remove(&message);
        self.begin_publish(world, message, QoS::AtLeastOnce);
    }

    fn begin_publish(&mut self, world: &mut World, message: MessageId, qos: QoS) {
        let id = if qos == QoS::AtMostOnce { 0 } else { self.new_id() };
        if qos != QoS::AtMostOnce {
            self.outgoing.push_back(Outgoing {
                id,
                message,
                qos,
                received: false,
            });
        }
        self.write_publish(world, message, id, false);
    }

    fn new_message(&mut self, world: &mut World, qos: QoS) -> MessageId {
        let id = world.history.messages.len();
        let retain = world.random.chance(15);
        let bytes = match world.random.below(100) {
            0..5 => None,
            5..12 => Some(world.random.between(200, 3_000)),
            _ => Some(world.random.below(60)),
        };
        let typed = self.version == Version::V5 && world.random.chance(20);
        let expires = self.version == Version::V5 && world.scenario.expiring && world.random.chance(20);
        let expiry_s = expires.then(|| *world.random.pick(&[1, 2, 4, 100_000]));
        let (written, topic) = any_topic(world);
        if written != topic {
            world.reached("a topic was rewritten");
            world.history.written.insert(id, written.clone());
        }
        world.history.messages.push(Sent {
            publisher: self.client_id.clone(),
            origin: Origin::Publish,
            topic,
            payload: bytes.map_or_else(Vec::new, |bytes| History::payload(id, bytes)),
            content_type: typed.then(|| format!("type {id}")),
            qos,
            retain,
            expiry_s,
            fed: Vec::new(),
            fed_ms: Vec::new(),
            certain: false,
            acked: None,
            refused: self.is_denied(world, Operation::Publish, &written),
        });
        id
    }

    /// An identifier that is not in use.
    fn new_id(&mut self) -> u16 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1);
            let outgoing = self.outgoing.iter().any(|outgoing| outgoing.id == self.next_id);
            let pending = self
                .connection
                .as_ref()
                .is_some_and(|one| one.pending.contains_key(&self.next_id));
            if !outgoing && !pending {
                return self.next_id;
            }
        }
    }

    /// Writes a PUBLISH; in 5.0 sometimes by a topic alias.
    pub(super) fn write_publish(&mut self, world: &mut World, message: MessageId, id: u16, dup: bool) {
        let sent = world.history.messages[message].clone();
        let mut properties = PropertyList::default();
        if let Some(content_type) = &sent.content_type {
            properties.push(Property::ContentType(content_type));
        }
        if let Some(expiry_s) = sent.expiry_s {
            properties.push(Property::MessageExpiryInterval(expiry_s));
        }
        let delayed = world.history.wire_topic(message);
        let mut topic = delayed.as_deref().unwrap_or(&sent.topic);
        if let Some(connection) = &mut self.connection
            && connection.aliases_max > 0
            && world.random.chance(30)
        {
            let known = connection.aliases.iter().position(|known| known == topic);
            let room = connection.aliases.len() < usize::from(connection.aliases_max).min(3);
            let alias = known.map_or(connection.aliases.len(), |known| known) as u16 + 1;
            match known {
                Some(_) => topic = "",
                None if room => connection.aliases.push(topic.to_owned()),
                None => {}
            }
            if known.is_some() || room {
                properties.push(Property::TopicAlias(alias));
            }
        }
        let packet = Packet::Publish(Publish {
            dup,
            qos: sent.qos,
            retain: sent.retain,
            topic,
            packet_id: PacketId::new(id),
            properties: properties.as_properties(),
            payload: &sent.payload,
        });
        self.write(world, &packet, Some(Mark::Publish(message)));
    }

    pub(super) fn subscribe(&mut self, world: &mut World) {
        if self.wants_claim(world) {
            return self.claim_any(world);
        }
        let five = self.version == Version::V5;
        if five && world.scenario.sharing && world.random.chance(50) {
            return self.join(world);
        }
        let identifier = (five && world.random.chance(30)).then(|| world.random.between(1, 200) as u32);
        let mut asked: Vec<(String, SubscriptionOptions)> = Vec::new();
        for _ in 0..world.random.between(1, 3) {
            let mut filter = *world.random.pick(FILTERS);
            if world.scenario.rewriting && world.random.chance(30) {
                filter = world.random.pick(extras::FILTERS).0;
            }
            let handlings = [
                RetainHandling::Send,
                RetainHandling::SendIfNew,
                RetainHandling::DoNotSend,
            ];
            let handling = *world.random.pick(&handlings);
            let qos = *world.random.pick(LEVELS);
            let options = SubscriptionOptions {
                // What is sent at QoS 0 slows nobody down.
                qos: if world.scenario.flooding {
                    qos.max(QoS::AtLeastOnce)
                } else {
                    qos
                },
                no_local: five && world.random.chance(20),
                retain_as_published: five && world.random.chance(20),
                retain_handling: if five { handling } else { RetainHandling::Send },
            };
            let meant = |filter| extras::meant(world.scenario.rewriting, filter);
            if !asked.iter().any(|(known, _)| meant(known) == meant(filter)) {
                asked.push((filter.to_owned(), options));
            }
        }
        self.write_subscribe(world, &asked, identifier);
    }

    /// Becomes a member of a group.
    fn join(&mut self, world: &mut World) {
        let index = world.random.below(SHARED.len());
        let options = SubscriptionOptions {
            qos: *world
                .random
                .pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::ExactlyOnce]),
            retain_as_published: world.random.chance(20),
            ..SubscriptionOptions::default()
        };
        let deaf = world.random.chance(5);
        let options = SubscriptionOptions {
            qos: if deaf { QoS::AtMostOnce } else { options.qos },
            ..options
        };
        let identifier = SHARED_FIRST + index as u32;
        let (written, meant) = extras::SHARED;
        let is_rewritten = SHARED[index] == meant && world.scenario.rewriting && world.random.chance(50);
        let filter = if is_rewritten { written } else { SHARED[index] };
        self.write_subscribe(world, &[(filter.to_owned(), options)], Some(identifier));
    }

    pub(super) fn is_denied(&self, world: &World, operation: Operation, topic: &str) -> bool {
        world.scenario.ruled && is_denied(&self.client_id, operation, topic)
    }

    /// Subscribes to one topic at QoS 1.
    pub fn ask(&mut self, world: &mut World, topic: &str) {
        world.tick_step();
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            ..SubscriptionOptions::default()
        };
        self.write_subscribe(world, &[(topic.to_owned(), options)], None);
    }

    pub(super) fn write_subscribe(
        &mut self,
        world: &mut World,
        asked: &[(String, SubscriptionOptions)],
        identifier: Option<u32>,
    ) {
        let Some(session) = self.session else { return };
        let id = self.new_id();
        let mut properties = PropertyList::default();
        if let Some(identifier) = identifier {
            properties.push(Property::SubscriptionIdentifier(identifier));
        }
        let mut list = FilterList::default();
        for (filter, options) in asked {
            list.push(filter, *options);
            let version = Options {
                sent: world.step,
                sent_ms: world.now.as_millis(),
                fed: None,
                acked: None,
                qos: options.qos,
                no_local: options.no_local,
                retain_as_published: options.retain_as_published,
                retain_handling: options.retain_handling,
                identifier,
            };
            // What is denied is no reason for a delivery.
            if !self.is_denied(world, Operation::Subscribe, filter) {
                let written = filter;
                let filter = extras::meant(world.scenario.rewriting, filter);
                if filter != written {
                    world.reached("a filter was rewritten");
                }
                world.history.subscribe(session, filter, version);
            }
        }
        let packet = Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(id).expect("new ids are above 0"),
            properties: properties.as_properties(),
            filters: list.as_filters(),
        });
        let mark = Mark::Subscribe(session, world.step);
        self.write(world, &packet, Some(mark));
        if let Some(connection) = &mut self.connection {
            let asked = asked
                .iter()
                .map(|(filter, options)| (filter.clone(), options.qos))
                .collect();
            connection
                .pending
                .insert(id, Pending::Subscribe(asked, world.step));
        }
    }

    pub(super) fn unsubscribe(&mut self, world: &mut World) {
        let Some(session) = self.session else { return };
        let id = self.new_id();
        let step = world.step;
        let subscriptions = &world.history.sessions[session].subscriptions;
        let standing: Vec<usize> = (0..subscriptions.len())
            .filter(|index| subscriptions[*index].unsubscribe_sent.is_none())
            .collect();
        let claims = self.claims_to_end(world, &standing);
        let standing = if claims.is_empty() { standing } else { claims };
        let filter = if standing.is_empty() {
            (*world.random.pick(FILTERS)).to_owned()
        } else {
            let index = *world.random.pick(&standing);
            let subscriptions = &mut world.history.sessions[session].subscriptions;
            subscriptions[index].unsubscribe_sent = Some(step);
            subscriptions[index].filter.clone()
        };
        let mut list = UnsubscribeList::default();
        list.push(&self.as_written(world, &filter));
        let packet_id = PacketId::new(id).expect("new ids are above 0");
        let packet = Packet::Unsubscribe(Unsubscribe::new(packet_id, Properties::EMPTY, &list));
        self.write(world, &packet, None);
        if let Some(connection) = &mut self.connection {
            connection
                .pending
                .insert(id, Pending::Unsubscribe(vec![filter], step));
        }
    }

    /// A filter as it may be written.
    fn as_written(&self, world: &mut World, filter: &str) -> String {
        let known = extras::FILTERS.iter().chain([&extras::SHARED]);
        let mut known = known.filter(|(_, meant)| *meant == filter);
        match known.next() {
            Some((written, _)) if world.scenario.rewriting && world.random.chance(50) => {
                (*written).to_owned()
            }
            Some(_) | None => filter.to_owned(),
        }
    }

    /// Writes up to `count` answers, in order.
    pub(super) fn answer(&mut self, world: &mut World, count: usize) {
        for _ in 0..count {
            let Some(answer) = self
                .connection
                .as_mut()
                .and_then(|connection| connection.answers.pop_front())
            else {
                break;
            };
            let (Answer::Taken(id) | Answer::Received(id) | Answer::Release(id) | Answer::Complete(id)) =
                answer;
            let body = Ack {
                packet_id: PacketId::new(id).expect("ids of answers are above 0"),
                reason: ReasonCode::Success,
                properties: Properties::EMPTY,
            };
            let packet = match answer {
                Answer::Taken(_) => Packet::PubAck(body),
                Answer::Received(_) => Packet::PubRec(body),
                Answer::Release(_) => Packet::PubRel(body),
                Answer::Complete(_) => Packet::PubComp(body),
            };
            self.write(world, &packet, None);
            match answer {
                Answer::Taken(id) | Answer::Complete(id) => self.ids.done(id),
                Answer::Received(_) | Answer::Release(_) => {}
            }
        }
    }
}
