//! SUBSCRIBE and UNSUBSCRIBE of an MQTT client, and their acknowledgements.
//!
//! Called by `connection/mqtt.rs` for each such packet. What a filter means is decided in `core/src/subscribe.rs`, one filter
//! at a time. SUBACK leaves before the retained messages that it promises. While the home of a group on another shard is
//! asked, the connection is held, so that nothing which the client sent behind its SUBSCRIBE is answered before it.

use super::super::{Flow, Wire, held};
use crate::SessionId;
use crate::groups::{GroupName, Member};
use crate::index::FilterId;
use crate::session::shares::ShareId;
use crate::settings::Mqtt;
use crate::share::Grant;
use crate::{Actions, CloseReason, ConnectionId, Engine};
use ringwire_codec::mqtt::{
    Packet, PacketId, Properties, Property, PropertyList, QoS, ReasonCode, SubAck, Subscribe,
    SubscribeFilter, UnsubAck, Unsubscribe,
};
use ringwire_codec::topic;
use smallvec::SmallVec;

/// A SUBSCRIBE on its way to its SUBACK.
#[derive(Debug)]
pub(crate) struct Joining {
    packet_id: PacketId,
    reasons: SmallVec<[u8; 16]>,
    /// Filters whose retained messages are due.
    recalls: SmallVec<[FilterId; 4]>,
    /// What waits for the home of a group: whose answer it is, where it stands in `reasons`, what it will be.
    asked: SmallVec<[(ShareId, usize, ReasonCode); 2]>,
}

impl Joining {
    fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            reasons: SmallVec::new(),
            recalls: SmallVec::new(),
            asked: SmallVec::new(),
        }
    }

    fn push(&mut self, outcome: Result<Grant, ReasonCode>) {
        match outcome {
            Ok(Grant::Now(granted, recall)) => {
                self.reasons.push(granted as u8);
                self.recalls.extend(recall);
            }
            Ok(Grant::Asked(share, granted)) => {
                self.asked.push((share, self.reasons.len(), granted));
                self.reasons.push(ReasonCode::UnspecifiedError as u8);
            }
            Err(reason) => self.reasons.push(reason as u8),
        }
    }

    /// The home of a group has answered.
    fn fill(&mut self, share: ShareId, outcome: Result<Grant, ReasonCode>) {
        if let Ok(Grant::Now(_, recall)) = outcome {
            self.recalls.extend(recall);
        }
        let reasons = &mut self.reasons;
        self.asked.retain(|&mut (asked, at, granted)| {
            if asked == share {
                reasons[at] = outcome.map_or_else(|reason| reason, |_| granted) as u8;
            }
            asked != share
        });
    }
}

/// Kinds of subscriptions that a listener allows.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    qos: QoS,
    wildcards: bool,
    shared: bool,
    exclusive: bool,
}

impl Allowed {
    fn by(settings: &Mqtt) -> Self {
        Self {
            qos: settings.max_qos_allowed,
            wildcards: settings.wildcard_subscription,
            shared: settings.shared_subscription,
            exclusive: settings.exclusive_subscription,
        }
    }

    /// Why a listener does not take a subscription to a group.
    fn objection(self, name: &GroupName) -> Option<ReasonCode> {
        match name.is_exclusive() {
            true => (!self.exclusive).then_some(ReasonCode::TopicFilterInvalid),
            false => (!self.shared).then_some(ReasonCode::SharedSubscriptionsNotSupported),
        }
    }
}

impl Engine {
    pub(super) fn subscribe_packet(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        subscribe: &Subscribe<'_>,
        actions: &mut Actions,
    ) -> Flow {
        let identifier = subscribe.properties.subscription_identifier().unwrap_or(0);
        let settings = self.mqtt_settings(id);
        if identifier != 0 && !settings.subscription_identifiers {
            let reason = CloseReason::SubscriptionIdentifiersNotSupported;
            let detail = "a Subscription Identifier, but they are not available".to_owned();
            return self.close(id, reason, detail, actions);
        }
        let allowed = Allowed::by(settings);
        let mut joining = Joining::new(subscribe.packet_id);
        for mut entry in subscribe.filters.iter() {
            entry.options.qos = entry.options.qos.min(allowed.qos);
            let outcome = self.subscribe_entry(session, allowed, (&entry, identifier), actions);
            joining.push(outcome);
        }
        if joining.asked.is_empty() {
            self.acknowledge_subscribe(id, session, &joining, actions);
        } else if self
            .connections
            .get(id)
            .is_some_and(|connection| !connection.ending)
        {
            self.sharing.joining.insert(id, joining);
            self.hold(id, held::JOIN, actions);
        }
        Flow::Next
    }

    /// A subscription of any kind that a client is given without asking for it.
    pub(crate) fn subscribe_unasked(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        entry: &SubscribeFilter<'_>,
        actions: &mut Actions,
    ) -> Result<Grant, ReasonCode> {
        let allowed = Allowed::by(self.mqtt_settings(id));
        self.subscribe_entry(session, allowed, (entry, 0), actions)
    }

    /// One filter of a SUBSCRIBE, of any kind.
    fn subscribe_entry(
        &mut self,
        session: SessionId,
        allowed: Allowed,
        (entry, identifier): (&SubscribeFilter<'_>, u32),
        actions: &mut Actions,
    ) -> Result<Grant, ReasonCode> {
        if !allowed.wildcards && topic::has_wildcard(entry.filter) {
            return Err(ReasonCode::WildcardSubscriptionsNotSupported);
        }
        let Some(name) = GroupName::parse(entry.filter) else {
            let (granted, recall) = self.subscribe(session, entry, identifier)?;
            return Ok(Grant::Now(granted, recall));
        };
        let name = name.map_err(|_| ReasonCode::TopicFilterInvalid)?;
        match allowed.objection(&name) {
            Some(reason) => Err(reason),
            None => self.subscribe_to_group(session, name, (entry, identifier), actions),
        }
    }

    /// The home of a group has answered one filter of a SUBSCRIBE; with the last one it is acknowledged.
    pub(crate) fn subscribed(
        &mut self,
        member: Member,
        outcome: Result<Grant, ReasonCode>,
        actions: &mut Actions,
    ) {
        let session = self.sessions.get(member.session);
        let Some(id) = session.and_then(|session| session.connection) else {
            return;
        };
        let Some(joining) = self.sharing.joining.get_mut(&id) else {
            return;
        };
        joining.fill(member.share, outcome);
        if joining.asked.is_empty()
            && let Some(joining) = self.sharing.joining.remove(&id)
        {
            self.acknowledge_subscribe(id, member.session, &joining, actions);
            self.release(id, held::JOIN, actions);
        }
    }

    fn acknowledge_subscribe(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        joining: &Joining,
        actions: &mut Actions,
    ) {
        let codes = joining
            .reasons
            .iter()
            .filter_map(|&code| ReasonCode::from_number(code));
        let refused = codes
            .filter(|code| code.is_failure())
            .map(ReasonCode::name)
            .next();
        let mut properties = PropertyList::default();
        if let Some(why) = refused
            && self.tells_reasons(id, why.len() + joining.reasons.len())
        {
            properties.push(Property::ReasonString(why));
        }
        let suback = Packet::SubAck(SubAck {
            packet_id: joining.packet_id,
            properties: properties.as_properties(),
            reasons: &self.told(id, &joining.reasons),
        });
        self.answer(id, &suback, actions);
        self.recall_all(id, session, &joining.recalls, actions);
    }

    /// What a client is told of its filters: 3.1 has no word for a refusal, so there it is acknowledged all the same, and
    /// nothing comes (3.1 section 3.8).
    fn told(&self, id: ConnectionId, reasons: &[u8]) -> SmallVec<[u8; 16]> {
        let wire = self.connections.get(id).map(|connection| connection.wire);
        let cannot_refuse = wire == Some(Wire::V31);
        let code = |&code: &u8| if cannot_refuse && code >= 0x80 { 0 } else { code };
        reasons.iter().map(code).collect()
    }

    pub(super) fn unsubscribe_packet(
        &mut self,
        id: ConnectionId,
        session: SessionId,
        unsubscribe: &Unsubscribe<'_>,
        actions: &mut Actions,
    ) {
        let mut reasons = SmallVec::<[u8; 16]>::new();
        for filter in unsubscribe.filters() {
            let existed = self.unsubscribe(session, filter, actions);
            reasons.push(match existed {
                true => ReasonCode::Success as u8,
                false => ReasonCode::NoSubscriptionExisted as u8,
            });
        }
        let unsuback = Packet::UnsubAck(UnsubAck {
            packet_id: unsubscribe.packet_id,
            properties: Properties::EMPTY,
            reasons: &reasons,
        });
        self.answer(id, &unsuback, actions);
    }
}
