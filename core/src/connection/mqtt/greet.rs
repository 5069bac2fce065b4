//! CONNECT and CONNACK: the greeting of an MQTT client.
//!
//! The client id decides first: a client that is at home elsewhere is handed over before anything is acted upon.

use super::super::{Flow, Wire};
use super::auth::Proof;
use crate::connect::{Greeting, Refusal};
use crate::message::Parts;
use crate::placeholder::{self, Names};
use crate::publish::topic_levels;
use crate::settings::{Announced, Mqtt};
use crate::will::Will;
use crate::{Actions, CloseReason, ConnectionId, Engine, Message};
use ringwire_codec::mqtt::{
    ConnAck, Connect, DecodeError, Packet, Property, PropertyList, QoS, ReasonCode, Version,
    Will as WillPacket,
};
use std::sync::Arc;

/// The largest packet that MQTT can say: fixed header and remaining length.
const PACKET_SIZE_MAX: u32 = 268_435_460;

/// What a CONNECT asks for by properties; the defaults of the standard where it asks for nothing.
struct Asked {
    expiry_s: Option<u32>,
    receive_maximum: u16,
    packet_size_max: u32,
    topic_alias_maximum: u16,
    response_information: bool,
    problem_information: bool,
}

impl Asked {
    fn of(connect: &Connect<'_>) -> Self {
        let properties = &connect.properties;
        Self {
            expiry_s: properties.session_expiry_interval(),
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            packet_size_max: (properties.maximum_packet_size())
                .map_or(PACKET_SIZE_MAX, |size| size.min(PACKET_SIZE_MAX)),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            response_information: properties.request_response_information() == Some(true),
            problem_information: properties.request_problem_information() != Some(false),
        }
    }
}

impl Engine {
    /// The first packet is a CONNECT; `received` is everything since the accept.
    pub(super) fn greet(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        if self.is_host_banned(id) {
            return self.turn_host_away(id, connect, actions);
        }
        let shared = self.settings.clone();
        let settings = self.listener_of(id, &shared);
        let home = self.placement.home(connect.client_id.as_bytes());
        if !connect.client_id.is_empty() && home != self.shard {
            self.hand_over(id, home, received, actions);
            return Flow::Gone;
        }
        let wire = Wire::from(connect.version);
        let asked = Asked::of(connect);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.wire = wire;
            // A refusal too keeps to it [MQTT-3.1.2-24].
            connection.packet_size_max = asked.packet_size_max;
            connection.problem_information = asked.problem_information;
            connection.alias_max = asked.topic_alias_maximum.min(settings.max_topic_alias_broker);
            connection.qos_max = settings.max_qos_allowed;
            connection.retain_available = settings.retain_available;
        }
        if let Some((code, reason)) = objection(connect, settings, self.settings.limits.topic_levels) {
            return self.turn_away(id, code, reason, actions);
        }
        if let Some(method) = connect.properties.authentication_method() {
            return self.begin_greeting(id, method, connect, received, actions);
        }
        self.let_in(id, connect, None, actions)
    }

    /// Lets a client in whose CONNECT is in order, and who has proved who it is if it named a method for that.
    pub(super) fn let_in(
        &mut self,
        id: ConnectionId,
        connect: &Connect<'_>,
        proof: Option<Proof<'_>>,
        actions: &mut Actions,
    ) -> Flow {
        let shared = self.settings.clone();
        let settings = self.listener_of(id, &shared);
        let asked = Asked::of(connect);
        let assigned = connect.client_id.is_empty().then(|| self.assign_client_id());
        let mut greeting = self.greeting(connect, assigned.as_deref(), &asked, settings);
        if let Some(proof) = &proof {
            greeting.username = Some(proof.username);
            greeting.is_proved = true;
        }
        let (expiry_s, keepalive_s) = (greeting.expiry_s, greeting.keepalive_s);
        let session_present = match self.admit(id, greeting, actions) {
            Ok(session_present) => session_present,
            Err(refusal) => {
                let (code, reason) = match refusal {
                    Refusal::BadCredentials => (
                        ReasonCode::BadUserNameOrPassword,
                        CloseReason::AuthenticationFailed,
                    ),
                    Refusal::NotAuthorized => (ReasonCode::NotAuthorized, CloseReason::AuthenticationFailed),
                    Refusal::QuotaExceeded => (ReasonCode::QuotaExceeded, CloseReason::QuotaExceeded),
                    Refusal::Banned => (ReasonCode::Banned, CloseReason::Banned),
                };
                return self.turn_away(id, code, reason, actions);
            }
        };
        let mut properties = PropertyList::default();
        if connect.version == Version::V5 {
            self.announce(settings, &mut properties);
            if asked.response_information && !settings.response_information.is_empty() {
                let information = self.response_information(id, &settings.response_information);
                properties.push(Property::ResponseInformation(&information));
            }
            if asked.expiry_s.is_some_and(|asked| asked != expiry_s) {
                properties.push(Property::SessionExpiryInterval(expiry_s));
            }
            if keepalive_s != connect.keep_alive {
                properties.push(Property::ServerKeepAlive(keepalive_s));
            }
            if let Some(proof) = &proof {
                proof.tell(&mut properties);
            }
            if let Some(assigned) = &assigned {
                properties.push(Property::AssignedClientIdentifier(assigned));
            }
        }
        let connack = ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties: properties.as_properties(),
        };
        self.answer(id, &Packet::ConnAck(connack), actions);
        if let Some(session) = self.connections.get(id).and_then(|connection| connection.session) {
            self.pump(session, actions);
            self.auto_subscribe(id, session, actions);
        }
        Flow::Next
    }

    fn greeting<'a>(
        &self,
        connect: &Connect<'a>,
        assigned: Option<&'a str>,
        asked: &Asked,
        settings: &Mqtt,
    ) -> Greeting<'a> {
        let client_id = assigned.unwrap_or(connect.client_id);
        let expiry_s = match connect.version {
            Version::V5 => asked.expiry_s.unwrap_or(0).min(settings.session_expiry_s),
            Version::V31 | Version::V311 if connect.clean_start => 0,
            Version::V31 | Version::V311 => settings.session_expiry_s,
        };
        Greeting {
            wire: Wire::from(connect.version),
            client_id,
            username: connect.username,
            password: connect.password,
            is_proved: false,
            clean_start: connect.clean_start,
            expiry_s,
            keepalive_s: keepalive_s(connect, settings),
            will: connect
                .will
                .as_ref()
                .map(|packet| Box::new(will(packet, client_id))),
            window_max: asked.receive_maximum.min(self.settings.limits.inflight),
            packet_size_max: asked.packet_size_max,
            device: None,
        }
    }

    /// What this server does differently from the standard's defaults, as far as the listener tells it.
    fn announce(&self, settings: &Mqtt, properties: &mut PropertyList) {
        let receive_maximum = self.settings.limits.receive_maximum;
        for announced in &settings.announce {
            let (differs, property) = match announced {
                Announced::ReceiveMaximum => (
                    receive_maximum != u16::MAX,
                    Property::ReceiveMaximum(receive_maximum),
                ),
                Announced::MaximumPacketSize => (
                    settings.max_packet_size < PACKET_SIZE_MAX,
                    Property::MaximumPacketSize(settings.max_packet_size),
                ),
                Announced::TopicAliasMaximum => (
                    settings.max_topic_alias != 0,
                    Property::TopicAliasMaximum(settings.max_topic_alias),
                ),
                Announced::MaximumQoS => (
                    settings.max_qos_allowed != QoS::ExactlyOnce,
                    Property::MaximumQoS(settings.max_qos_allowed as u8),
                ),
                Announced::RetainAvailable => (!settings.retain_available, Property::RetainAvailable(false)),
                Announced::WildcardSubscription => (
                    !settings.wildcard_subscription,
                    Property::WildcardSubscriptionAvailable(false),
                ),
                Announced::SharedSubscription => (
                    !settings.shared_subscription,
                    Property::SharedSubscriptionAvailable(false),
                ),
                Announced::SubscriptionIdentifiers => (
                    !settings.subscription_identifiers,
                    Property::SubscriptionIdentifierAvailable(false),
                ),
            };
            if differs {
                properties.push(property);
            }
        }
    }

    /// What a client may build its response topics on (5.0 section 3.2.2.3.15).
    fn response_information(&self, id: ConnectionId, template: &str) -> String {
        let session = (self.connections.get(id))
            .and_then(|connection| connection.session)
            .and_then(|session| self.sessions.get(session));
        let mut text = String::new();
        if let Some(session) = session {
            let names = Names {
                client_id: std::str::from_utf8(&session.client_id).unwrap_or_default(),
                username: session.username.as_deref(),
            };
            placeholder::fill(template, names, &mut text);
        }
        text
    }

    /// Its address is banned: nothing else is looked at but how it may be told.
    fn turn_host_away(&mut self, id: ConnectionId, connect: &Connect<'_>, actions: &mut Actions) -> Flow {
        let asked = Asked::of(connect);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.wire = Wire::from(connect.version);
            // A refusal too keeps to it [MQTT-3.1.2-24].
            connection.packet_size_max = asked.packet_size_max;
            connection.problem_information = asked.problem_information;
        }
        self.turn_away(id, ReasonCode::Banned, CloseReason::Banned, actions)
    }

    /// CONNACK with a failure, then the end.
    pub(super) fn turn_away(
        &mut self,
        id: ConnectionId,
        code: ReasonCode,
        reason: CloseReason,
        actions: &mut Actions,
    ) -> Flow {
        self.refuse_connect(id, code, code.name(), actions);
        self.close(id, reason, code.name().to_owned(), actions)
    }

    /// Sends a CONNACK with a failure, and no DISCONNECT after it.
    fn refuse_connect(&mut self, id: ConnectionId, code: ReasonCode, why: &str, actions: &mut Actions) {
        let mut properties = PropertyList::default();
        if self.tells_reasons(id, why.len()) {
            properties.push(Property::ReasonString(why));
        }
        let connack = ConnAck {
            session_present: false,
            reason: code,
            properties: properties.as_properties(),
        };
        self.send_packet(id, &Packet::ConnAck(connack), actions);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.wire = Wire::Greeting;
        }
    }

    /// A CONNECT that cannot be read: a 5.0 client is told why (5.0 section 4.13), a client of another version only that
    /// its version is not spoken.
    pub(super) fn refuse_greeting(
        &mut self,
        id: ConnectionId,
        error: DecodeError,
        bytes: &[u8],
        actions: &mut Actions,
    ) {
        let code = error.reason_code();
        let claims_v5 = Connect::claimed_version(bytes) == Some(Version::V5);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.wire != Wire::Greeting {
            return;
        }
        if claims_v5 {
            connection.wire = Wire::V5;
        } else if code != ReasonCode::UnsupportedProtocolVersion {
            return;
        }
        self.refuse_connect(id, code, error.name(), actions);
    }
}

/// The keep alive that holds: a 5.0 client may be given another than it asks for (Server Keep Alive).
fn keepalive_s(connect: &Connect<'_>, settings: &Mqtt) -> u16 {
    let asked = connect.keep_alive;
    if connect.version != Version::V5 {
        return asked;
    }
    let given = settings.server_keepalive_s.unwrap_or(asked);
    match settings.max_keepalive_s {
        0 => given,
        cap if given == 0 || given > cap => cap,
        _ => given,
    }
}

/// What is wrong with a CONNECT that could be read.
fn objection(connect: &Connect<'_>, settings: &Mqtt, levels_max: usize) -> Option<(ReasonCode, CloseReason)> {
    if connect.client_id.len() > settings.max_clientid_len {
        return Some((ReasonCode::ClientIdentifierNotValid, CloseReason::InvalidClientId));
    }
    if let Some(will) = &connect.will {
        if will.qos > settings.max_qos_allowed {
            return Some((ReasonCode::QoSNotSupported, CloseReason::QoSNotSupported));
        }
        if will.retain && !settings.retain_available {
            return Some((ReasonCode::RetainNotSupported, CloseReason::RetainNotSupported));
        }
        if settings.check_payload_format && !will_is_what_it_says(will) {
            return Some((
                ReasonCode::PayloadFormatInvalid,
                CloseReason::PayloadFormatInvalid,
            ));
        }
    }
    let will_levels = connect.will.as_ref().map_or(0, |will| topic_levels(will.topic));
    if will_levels > levels_max {
        return Some((ReasonCode::TopicNameInvalid, CloseReason::TopicInvalid));
    }
    // Without a client id a 3.x session cannot be found again [MQTT-3.1.3-8 of 3.1.1]; 3.1 always names one.
    let nameless = match connect.version {
        Version::V31 => true,
        Version::V311 => !connect.clean_start,
        Version::V5 => false,
    };
    if connect.client_id.is_empty() && nameless {
        return Some((ReasonCode::ClientIdentifierNotValid, CloseReason::InvalidClientId));
    }
    None
}

/// Whether a Will's payload is the UTF-8 that it is said to be.
fn will_is_what_it_says(will: &WillPacket<'_>) -> bool {
    will.properties.payload_format_indicator() != Some(true) || std::str::from_utf8(will.payload).is_ok()
}

/// The Will as it will be published, without the properties that are the server's own.
fn will(packet: &WillPacket<'_>, client_id: &str) -> Will {
    let mut delay_s = 0;
    let mut properties = PropertyList::default();
    for property in packet.properties.iter() {
        match property {
            Property::WillDelayInterval(seconds) => delay_s = seconds,
            other => {
                properties.push(other);
            }
        }
    }
    Will {
        message: Arc::new(Message::new(Parts {
            topic: packet.topic,
            payload: packet.payload,
            properties: properties.as_properties().as_bytes(),
            publisher: client_id.as_bytes(),
            qos: packet.qos,
            retain: packet.retain,
        })),
        delay_s,
        due: None,
    }
}
