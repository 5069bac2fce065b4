//! CONNECT and CONNACK: the greeting of an MQTT client.
//!
//! The client id decides first: a client that is at home elsewhere is handed over before anything is acted upon.

use super::super::{Flow, Wire};
use super::auth::Proof;
use crate::connect::{Greeting, Refusal};
use crate::message::Parts;
use crate::publish::topic_levels;
use crate::settings::Mqtt;
use crate::will::Will;
use crate::{Actions, CloseReason, ConnectionId, Engine, Message};
use ringwire_codec::mqtt::{
    ConnAck, Connect, Packet, Properties, Property, PropertyList, ReasonCode, Version, Will as WillPacket,
};
use std::sync::Arc;

/// The largest packet that MQTT can say: fixed header and remaining length.
const PACKET_SIZE_MAX: u32 = 268_435_460;

/// What a CONNECT asks for by properties; the defaults of the standard where it asks for nothing.
struct Asked {
    expiry_s: Option<u32>,
    receive_maximum: u16,
    packet_size_max: u32,
}

impl Asked {
    fn of(connect: &Connect<'_>) -> Self {
        let mut asked = Self {
            expiry_s: None,
            receive_maximum: u16::MAX,
            packet_size_max: PACKET_SIZE_MAX,
        };
        for property in connect.properties.iter() {
            if let Property::SessionExpiryInterval(seconds) = property {
                asked.expiry_s = Some(seconds);
            } else if let Property::ReceiveMaximum(maximum) = property {
                asked.receive_maximum = maximum;
            } else if let Property::MaximumPacketSize(size) = property {
                asked.packet_size_max = size.min(PACKET_SIZE_MAX);
            }
        }
        asked
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
        let settings = self.mqtt_settings(id).clone();
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
        }
        if let Some((code, reason)) = objection(connect, &settings, self.settings.limits.topic_levels) {
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
        let settings = self.mqtt_settings(id).clone();
        let asked = Asked::of(connect);
        let assigned = connect.client_id.is_empty().then(|| self.assign_client_id());
        let mut greeting = self.greeting(connect, assigned.as_deref(), &asked, &settings);
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
            self.announce(&settings, &mut properties);
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
        let cap = settings.max_keepalive_s;
        let imposed = connect.version == Version::V5
            && cap != 0
            && (connect.keep_alive == 0 || connect.keep_alive > cap);
        Greeting {
            wire: Wire::from(connect.version),
            client_id,
            username: connect.username,
            password: connect.password,
            is_proved: false,
            clean_start: connect.clean_start,
            expiry_s,
            keepalive_s: if imposed { cap } else { connect.keep_alive },
            will: connect
                .will
                .as_ref()
                .map(|packet| Box::new(will(packet, client_id))),
            window_max: asked.receive_maximum.min(self.settings.limits.inflight),
            packet_size_max: asked.packet_size_max,
            device: None,
        }
    }

    /// What this server does differently from the standard's defaults.
    fn announce(&self, settings: &Mqtt, properties: &mut PropertyList) {
        if self.settings.limits.receive_maximum != u16::MAX {
            properties.push(Property::ReceiveMaximum(self.settings.limits.receive_maximum));
        }
        if settings.max_packet_size < PACKET_SIZE_MAX {
            properties.push(Property::MaximumPacketSize(settings.max_packet_size));
        }
        if !settings.shared_subscription {
            properties.push(Property::SharedSubscriptionAvailable(false));
        }
    }

    /// Its address is banned: nothing else is looked at.
    fn turn_host_away(&mut self, id: ConnectionId, connect: &Connect<'_>, actions: &mut Actions) -> Flow {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.wire = Wire::from(connect.version);
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
        let connack = ConnAck {
            session_present: false,
            reason: code,
            properties: Properties::EMPTY,
        };
        self.send_packet(id, &Packet::ConnAck(connack), actions);
        if let Some(connection) = self.connections.get_mut(id) {
            // A refused client gets no DISCONNECT after its CONNACK.
            connection.wire = Wire::Greeting;
        }
        self.close(id, reason, code.name().to_owned(), actions)
    }

    /// A CONNECT that cannot be read is answered where the standard asks for an answer: its version is not spoken.
    pub(super) fn refuse_greeting(&mut self, id: ConnectionId, code: ReasonCode, actions: &mut Actions) {
        let greeting = self.connections.get(id).is_some_and(|c| c.wire == Wire::Greeting);
        if greeting && code == ReasonCode::UnsupportedProtocolVersion {
            let connack = ConnAck {
                session_present: false,
                reason: code,
                properties: Properties::EMPTY,
            };
            self.send_packet(id, &Packet::ConnAck(connack), actions);
        }
    }
}

/// What is wrong with a CONNECT that could be read.
fn objection(connect: &Connect<'_>, settings: &Mqtt, levels_max: usize) -> Option<(ReasonCode, CloseReason)> {
    if connect.client_id.len() > settings.max_clientid_len {
        return Some((ReasonCode::ClientIdentifierNotValid, CloseReason::InvalidClientId));
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
