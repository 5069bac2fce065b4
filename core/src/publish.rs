//! One PUBLISH: permit, alias, retain, match, route, acknowledge. And the same for what no client published.
//!
//! Nothing is acted upon before it is certain that the message is taken: a QoS 1/2 publish that needs a congested shard
//! stays in the inbox, whole, and its connection is not read until there is room. For one publisher, topic and QoS the
//! order of publishing is the order of routing: matching, posting and queueing happen here, in one go.

use crate::access::Operation;
use crate::connection::{Flow, Wire, held};
use crate::detour::is_system;
use crate::index::Subscription;
use crate::interest::ShardSet;
use crate::limits::Limits;
use crate::session::frame::{self, Frames, News, Shape};
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, Message, Parcel, SessionId, ShardId};
use ringwire_codec::mqtt::{Ack, Packet, PacketId, Property, PropertyList, Publish, QoS, ReasonCode};
use ringwire_codec::topic;
use std::num::NonZeroU32;
use std::sync::Arc;

/// What became of a publish that a client offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Routed to whoever subscribes.
    Taken,
    /// As that, but nobody does.
    NoSubscribers,
    /// A shard that it needs is congested: offer it again when that shard is relieved.
    Congested(ShardId),
    /// An access rule said no; counted.
    Denied,
    /// The topic has more levels than are matched.
    TooManyLevels,
    /// Not taken, for this reason; counted. See `detour.rs`.
    Refused(ReasonCode),
}

/// Vectors of the hot path, kept from message to message.
#[derive(Debug)]
pub(crate) struct Scratch {
    matches: Vec<(SessionId, Subscription)>,
    identifiers: Vec<u32>,
    pub(crate) frames: Frames,
    /// Client id of the publisher at hand.
    publisher: Vec<u8>,
    /// What an adapter puts together for an event.
    pub(crate) device: ringwire_codec::adapter::Scratch,
    /// What an adapter answers.
    pub(crate) answer: Vec<u8>,
    /// The topic of a device's message.
    pub(crate) topic: String,
    /// Whose topic that is: it stays the same for as long as a connection lives.
    pub(crate) topic_of: Option<ConnectionId>,
    /// Shards that messages left for, since a device began to publish its last one.
    pub(crate) forwarded_to: ShardSet,
}

impl Scratch {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            matches: Vec::new(),
            identifiers: Vec::new(),
            frames: Frames::new(limits.reference_bytes),
            publisher: Vec::new(),
            device: Default::default(),
            answer: Vec::new(),
            topic: String::new(),
            topic_of: None,
            forwarded_to: ShardSet::default(),
        }
    }
}

impl Engine {
    /// A PUBLISH packet of an MQTT client.
    pub(crate) fn publish(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
        bytes: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        if publish.properties.is_empty() {
            return self.publish_whole(id, publish, Some(bytes), actions);
        }
        if publish.properties.subscription_identifier().is_some() {
            let detail = "a Subscription Identifier from a client".to_owned();
            return self.close(id, CloseReason::ProtocolError, detail, actions);
        }
        if self.mqtt_settings(id).check_payload_format && publish.check_payload().is_err() {
            return self.refuse_payload(id, publish, actions);
        }
        match publish.properties.topic_alias() {
            None => self.publish_whole(id, publish, Some(bytes), actions),
            Some(alias) => self.publish_aliased(id, publish, alias, actions),
        }
    }

    /// A PUBLISH with a Topic Alias: it sets the alias, or the alias stands for its topic (5.0 section 3.3.4).
    fn publish_aliased(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
        alias: u16,
        actions: &mut Actions,
    ) -> Flow {
        let alias_max = self.mqtt_settings(id).max_topic_alias;
        if alias > alias_max {
            let detail = format!("Topic Alias {alias}, but Topic Alias Maximum is {alias_max}");
            return self.close(id, CloseReason::TopicAliasInvalid, detail, actions);
        }
        let bytes_max = self.settings.limits.topic_alias_bytes;
        let connection = self
            .connections
            .get_mut(id)
            .expect("the packet is of a live connection");
        // Taken out, because routing may close this connection too.
        let mut heard = std::mem::take(&mut connection.aliases.get_or_insert_default().heard);
        if !publish.topic.is_empty() && !heard.set(alias, publish.topic, bytes_max) {
            let detail = format!("its topic aliases stand for more than {bytes_max} bytes");
            return self.close(id, CloseReason::QuotaExceeded, detail, actions);
        }
        let Some(topic) = heard.topic(alias) else {
            let detail = format!("Topic Alias {alias} was never set");
            return self.close(id, CloseReason::ProtocolError, detail, actions);
        };
        let mut properties = PropertyList::default();
        let whole = Publish {
            topic,
            properties: publish.properties.forwarded(&mut properties),
            ..*publish
        };
        let flow = self.publish_whole(id, &whole, None, actions);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.aliases.get_or_insert_default().heard = heard;
        }
        flow
    }

    /// A PUBLISH whose topic is known. `bytes`: the packet, if it may leave as it came.
    fn publish_whole(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
        bytes: Option<&[u8]>,
        actions: &mut Actions,
    ) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the packet is of a live connection");
        let from = connection.session.expect("a greeted connection has a session");
        let wire = connection.wire;
        if publish.qos > connection.qos_max || (publish.retain && !connection.retain_available) {
            return self.not_supported(id, publish, actions);
        }
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id) {
            let incoming = self
                .sessions
                .get(from)
                .and_then(|session| session.incoming.as_deref());
            if incoming.is_some_and(|incoming| incoming.contains(packet_id.number())) {
                // Sent again before its PUBREL: it was routed the first time [MQTT-4.3.3-10].
                self.acknowledge(id, publish, (ReasonCode::Success, ""), actions);
                return Flow::Next;
            }
            let open = incoming.map_or(0, |incoming| incoming.len());
            if wire == Wire::V5 && open >= usize::from(self.settings.limits.receive_maximum) {
                let detail = format!("{open} QoS 2 publishes wait for their PUBREL");
                return self.close(id, CloseReason::ReceiveMaximumExceeded, detail, actions);
            }
        }
        let packet = bytes.map(|bytes| frame::Packet { bytes, wire });
        let answer = match self.offer(from, publish, packet, actions) {
            Offer::Taken => (ReasonCode::Success, ""),
            Offer::NoSubscribers => (ReasonCode::NoMatchingSubscribers, ""),
            Offer::Congested(shard) => {
                self.wait_for(shard, id, actions);
                return Flow::Hold;
            }
            Offer::Denied => (ReasonCode::NotAuthorized, "an access rule forbids this topic"),
            Offer::Refused(reason) => (reason, reason.name()),
            Offer::TooManyLevels if wire == Wire::V5 && publish.qos != QoS::AtMostOnce => {
                (ReasonCode::TopicNameInvalid, "the topic has too many levels")
            }
            Offer::TooManyLevels => {
                let detail = format!(
                    "a topic of more than {} levels",
                    self.settings.limits.topic_levels
                );
                return self.close(id, CloseReason::TopicInvalid, detail, actions);
            }
        };
        self.count_received(id, publish.qos);
        if let (QoS::ExactlyOnce, Some(packet_id)) = (publish.qos, publish.packet_id)
            && (!answer.0.is_failure() || wire != Wire::V5)
        {
            self.await_release(from, packet_id);
        }
        self.acknowledge(id, publish, answer, actions);
        Flow::Next
    }

    /// The payload is not the UTF-8 that the publisher says (5.0 section 3.3.2.3.2).
    #[cold]
    fn refuse_payload(&mut self, id: ConnectionId, publish: &Publish<'_>, actions: &mut Actions) -> Flow {
        self.stats.drops[DropReason::PayloadFormatInvalid as usize] += 1;
        let why = "the payload is not UTF-8";
        if publish.qos == QoS::AtMostOnce {
            return self.close(id, CloseReason::PayloadFormatInvalid, why.to_owned(), actions);
        }
        self.count_received(id, publish.qos);
        self.acknowledge(id, publish, (ReasonCode::PayloadFormatInvalid, why), actions);
        Flow::Next
    }

    /// The listener takes no such publish, and CONNACK said so (5.0 sections 3.2.2.3.4 and 3.2.2.3.5).
    #[cold]
    fn not_supported(&mut self, id: ConnectionId, publish: &Publish<'_>, actions: &mut Actions) -> Flow {
        let settings = self.mqtt_settings(id);
        let (reason, detail) = if publish.qos > settings.max_qos_allowed {
            let (qos, max) = (publish.qos as u8, settings.max_qos_allowed as u8);
            let detail = format!("a PUBLISH of QoS {qos}, but Maximum QoS is {max}");
            (CloseReason::QoSNotSupported, detail)
        } else {
            let detail = "a PUBLISH with RETAIN, but retained messages are not available".to_owned();
            (CloseReason::RetainNotSupported, detail)
        };
        self.close(id, reason, detail, actions)
    }

    /// Routes what a client publishes, if it may and if it can be taken now. Any protocol.
    pub(crate) fn offer(
        &mut self,
        from: SessionId,
        publish: &Publish<'_>,
        packet: Option<frame::Packet<'_>>,
        actions: &mut Actions,
    ) -> Offer {
        if has_too_many_levels(publish.topic, self.settings.limits.topic_levels) {
            return Offer::TooManyLevels;
        }
        if self.takes_detour(publish.topic) {
            return self.offer_by_detour(from, publish, packet, actions);
        }
        let session = self.sessions.get(from).expect("a publisher has a session");
        if !self.may(Operation::Publish, session, publish.topic) {
            return self.deny(from, publish.topic, actions);
        }
        self.take(from, publish, packet, actions)
    }

    /// An access rule said no.
    pub(crate) fn deny(&mut self, from: SessionId, topic: &str, actions: &mut Actions) -> Offer {
        self.stats.drops[DropReason::NotAuthorized as usize] += 1;
        self.note_dropped(from, DropReason::NotAuthorized, topic, actions);
        Offer::Denied
    }

    /// Routes what a client may publish, if it can be taken now.
    pub(crate) fn take(
        &mut self,
        from: SessionId,
        publish: &Publish<'_>,
        packet: Option<frame::Packet<'_>>,
        actions: &mut Actions,
    ) -> Offer {
        let session = self.sessions.get(from).expect("a publisher has a session");
        // Copied, because routing changes sessions; shared, each publish would cost two atomic operations.
        let mut publisher = std::mem::take(&mut self.scratch.publisher);
        publisher.clear();
        publisher.extend_from_slice(&session.client_id);
        let targets = self.targets(publish.topic);
        if publish.qos != QoS::AtMostOnce
            && let Some(shard) = self.congested_among(targets, publish)
        {
            self.scratch.publisher = publisher;
            return Offer::Congested(shard);
        }
        let mut news = News::borrowed(publish, packet, &publisher, self.now);
        let found = self.route(Some(from), targets, &mut news, actions);
        self.scratch.publisher = publisher;
        if found { Offer::Taken } else { Offer::NoSubscribers }
    }

    /// A message of the administrator's. Always taken, if its topic is one that a client could publish to.
    pub(crate) fn inject(&mut self, message: &Arc<Message>, actions: &mut Actions) {
        if self.takes_detour(message.topic()) {
            return self.inject_by_detour(message, actions);
        }
        let message = &Message::published(message, self.now);
        let mut news = News::shared(message, self.now);
        if topic::is_valid_name(news.topic) && topic_levels(news.topic) <= self.settings.limits.topic_levels {
            self.route_always(None, &mut news, actions);
        }
    }

    /// Routes a message whose publisher cannot be made to wait.
    pub(crate) fn route_always(
        &mut self,
        from: Option<SessionId>,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) {
        let targets = self.targets(news.topic);
        self.route(from, targets, news, actions);
    }

    /// A message that another shard routed here.
    pub(crate) fn deliver_shared(&mut self, message: &Arc<Message>, actions: &mut Actions) {
        if message.has_aged_out(self.now) {
            self.stats.drops[DropReason::Expired as usize] += 1;
            return;
        }
        self.deliver_matches(None, &mut News::shared(message, self.now), actions);
    }

    /// Other shards that may have subscribers for a topic.
    fn targets(&mut self, topic: &str) -> ShardSet {
        if self.settings.shards == 1 {
            return ShardSet::default();
        }
        ShardSet(self.interest.probe(topic).0 & self.others)
    }

    /// A publish needs a congested shard: its connection is not read until that has room.
    pub(crate) fn wait_for(&mut self, shard: ShardId, id: ConnectionId, actions: &mut Actions) {
        let waiting = &mut self.waiting[shard.index()];
        if waiting.len() > 2 * self.connections.len() {
            // Connections that ended while they waited.
            waiting.retain(|&id| self.connections.get(id).is_some());
        }
        waiting.push_back(id);
        self.hold(id, held::CONGESTED, actions);
    }

    /// The first congested shard that a publish needs.
    fn congested_among(&self, targets: ShardSet, publish: &Publish<'_>) -> Option<ShardId> {
        if self.congested == 0 {
            return None;
        }
        let mut needs = targets.0;
        if publish.retain {
            needs |= 1 << self.placement.home(publish.topic.as_bytes()).0;
        }
        let blocked = needs & self.congested & !(1 << self.shard.0);
        (blocked != 0).then(|| ShardId(blocked.trailing_zeros() as u16))
    }

    /// Retains, posts and delivers. False when nobody subscribes.
    fn route(
        &mut self,
        from: Option<SessionId>,
        targets: ShardSet,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> bool {
        if news.retain {
            let home = self.placement.home(news.topic.as_bytes());
            if home == self.shard {
                let message = news.share().clone();
                self.retain(message);
            } else {
                self.post(home, news, Parcel::Retain, actions);
            }
        }
        let mut set = targets.0;
        while set != 0 {
            let shard = ShardId(set.trailing_zeros() as u16);
            set &= set - 1;
            self.post(shard, news, Parcel::Publish, actions);
        }
        let found = self.deliver_matches(from, news, actions) || targets.0 != 0;
        if !found && !is_system(news.topic) {
            self.stats.drops[DropReason::NoSubscribers as usize] += 1;
        }
        found
    }

    /// Posts to another shard; QoS 0 is dropped when its queue is full.
    fn post(
        &mut self,
        to: ShardId,
        news: &mut News<'_>,
        parcel: fn(Arc<Message>) -> Parcel,
        actions: &mut Actions,
    ) {
        if news.qos == QoS::AtMostOnce && self.congested & (1 << to.0) != 0 {
            self.stats.drops[DropReason::MeshFull as usize] += 1;
            return;
        }
        self.count_forwarded(to);
        actions.post(to, parcel(news.share().clone()));
    }

    /// A message leaves for another shard.
    pub(crate) fn count_forwarded(&mut self, to: ShardId) {
        self.stats.messages_forwarded += 1;
        self.scratch.forwarded_to.0 |= ShardSet::only(to).0;
    }

    /// Delivers to every session of this shard that subscribes: one copy each, at the highest QoS, with the identifiers
    /// of all its subscriptions that match (5.0 section 3.3.4). False when there is none.
    fn deliver_matches(
        &mut self,
        from: Option<SessionId>,
        news: &mut News<'_>,
        actions: &mut Actions,
    ) -> bool {
        let mut matches = std::mem::take(&mut self.scratch.matches);
        let mut identifiers = std::mem::take(&mut self.scratch.identifiers);
        self.index.matches(news.topic, &mut matches);
        let found = !matches.is_empty();
        if let Some(from) = from {
            self.leave_out_local(from, &mut matches);
        }
        self.scratch.frames.clear();
        let (sessions, groups) = matches.split_at(sessions_among(&matches));
        for group in sessions.chunk_by(|a, b| a.0 == b.0) {
            let identified = group
                .iter()
                .filter_map(|(_, subscription)| subscription.identifier);
            identifiers.clear();
            identifiers.extend(identified.map(NonZeroU32::get));
            let subscriptions = group.iter().map(|(_, subscription)| subscription);
            let highest = subscriptions.clone().map(|one| one.qos).max().unwrap_or_default();
            let shape = Shape {
                qos: highest.min(news.qos),
                retain: news.retain && subscriptions.clone().any(|one| one.retain_as_published),
                identifiers: &identifiers,
                share: None,
            };
            self.deliver(group[0].0, shape, news, actions);
        }
        for slot in groups.iter().filter_map(|(id, _)| id.group()) {
            self.deliver_to_group(slot, news, actions);
        }
        self.scratch.matches = matches;
        self.scratch.identifiers = identifiers;
        found
    }

    /// A subscription with No Local does not hear what its own session publishes (5.0 section 3.8.3.1).
    fn leave_out_local(&mut self, from: SessionId, matches: &mut Vec<(SessionId, Subscription)>) {
        let before = matches.len();
        matches.retain(|(session, subscription)| !(subscription.no_local && *session == from));
        self.stats.drops[DropReason::NoLocal as usize] += (before - matches.len()) as u64;
    }

    pub(crate) fn count_received(&mut self, id: ConnectionId, qos: QoS) {
        self.stats.messages_received += 1;
        self.stats.messages_qos_received[qos as usize] += 1;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.received += 1;
        }
    }

    /// A QoS 2 publish was taken: its packet id is in use until PUBREL.
    fn await_release(&mut self, from: SessionId, packet_id: PacketId) {
        if let Some(session) = self.sessions.get_mut(from) {
            session
                .incoming
                .get_or_insert_default()
                .insert(packet_id.number());
        }
    }

    /// PUBACK or PUBREC, with a reason string where it is a refusal. A 3.x client cannot be told that a message was
    /// refused, and is told that it was taken.
    fn acknowledge(
        &mut self,
        id: ConnectionId,
        publish: &Publish<'_>,
        (reason, why): (ReasonCode, &str),
        actions: &mut Actions,
    ) {
        let Some(packet_id) = publish.packet_id else {
            return;
        };
        let packet: fn(_) -> _ = match publish.qos {
            QoS::AtMostOnce => return,
            QoS::AtLeastOnce => Packet::PubAck,
            QoS::ExactlyOnce => Packet::PubRec,
        };
        let mut properties = PropertyList::default();
        if !why.is_empty() && self.tells_reasons(id, why.len()) {
            properties.push(Property::ReasonString(why));
        }
        let packet = packet(Ack {
            properties: properties.as_properties(),
            ..Ack::new(packet_id, reason)
        });
        if !self.defer(id, &packet, actions) {
            self.answer(id, &packet, actions);
        }
    }
}

/// True for a name or filter of more levels than `max`. A short one has fewer whatever it holds, and most are.
pub(crate) fn has_too_many_levels(topic: &str, max: usize) -> bool {
    topic.len() >= max && topic_levels(topic) > max
}

/// Levels of a topic name or filter.
pub(crate) fn topic_levels(topic: &str) -> usize {
    topic.bytes().filter(|&byte| byte == b'/').count() + 1
}

/// How many of the subscribers of a topic are sessions; behind them stand groups of shared subscriptions.
fn sessions_among(matches: &[(SessionId, Subscription)]) -> usize {
    match matches.last() {
        Some((id, _)) if id.group().is_some() => matches.partition_point(|(id, _)| id.group().is_none()),
        Some(_) | None => matches.len(),
    }
}
