//! MQTT 3.1, 3.1.1 and 5.0 on a connection: packets become questions to the engine, answers become packets.
//!
//! One code path for the three versions; where they differ the difference stands at the place. PUBLISH goes to
//! `publish.rs`, the greeting to `mqtt/greet.rs`.

pub(crate) mod auth;
mod greet;
pub(crate) mod subscribe;

use super::{Flow, Wire};
use crate::SessionId;
use crate::settings::{Mqtt, Protocol};
use crate::{Actions, CloseReason, ConnectionId, Engine, Settings};
use ringwire_codec::mqtt::{
    self, Ack, DecodeError, Decoded, Disconnect, Packet, PacketId, Property, PropertyList, ReasonCode,
};
use std::fmt::Write;

/// Reason codes of undecodable bytes that have a close reason of their own; the others are malformed packets.
const NAMED: [(ReasonCode, CloseReason); 7] = [
    (ReasonCode::PacketTooLarge, CloseReason::PacketTooLarge),
    (ReasonCode::ProtocolError, CloseReason::ProtocolError),
    (
        ReasonCode::UnsupportedProtocolVersion,
        CloseReason::UnsupportedVersion,
    ),
    (ReasonCode::TopicNameInvalid, CloseReason::TopicInvalid),
    (ReasonCode::TopicFilterInvalid, CloseReason::TopicInvalid),
    (ReasonCode::TopicAliasInvalid, CloseReason::TopicAliasInvalid),
    (ReasonCode::ClientIdentifierNotValid, CloseReason::InvalidClientId),
];

/// More than a PUBACK, PUBREC or DISCONNECT has without its Reason String.
const ANSWER_BYTES_MAX: usize = 16;

impl Engine {
    /// Handles whole packets from the front of `bytes`; returns how many bytes need not be kept.
    pub(crate) fn consume_mqtt(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) -> usize {
        let packet_size_max = self.mqtt_settings(id).max_packet_size;
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Some(connection) = self.connections.get(id) else {
                return bytes.len();
            };
            if rest.is_empty() || connection.held != 0 {
                return used;
            }
            let wire = connection.wire;
            let is_waiting = connection.session.is_none() && wire != Wire::Greeting;
            if wire == Wire::Greeting && rest[0] >> 4 != 1 {
                let detail = hex("the first packet is not CONNECT", rest);
                self.close(id, CloseReason::ProtocolNotConnected, detail, actions);
                return bytes.len();
            }
            let (packet, size) = match mqtt::decode(wire.version(), rest, packet_size_max) {
                Ok(Decoded::Packet(packet, size)) => (packet, size),
                Ok(Decoded::Incomplete { .. }) => return used,
                Err(error) => {
                    self.undecodable(id, error, used, rest, actions);
                    return bytes.len();
                }
            };
            let flow = if let (Packet::Connect(connect), Wire::Greeting) = (&packet, wire) {
                self.greet(id, connect, rest, actions)
            } else if is_waiting {
                self.packet_while_waiting(id, &packet, actions)
            } else {
                self.packet(id, &packet, &rest[..size], actions)
            };
            match flow {
                Flow::Next => self.stats.packets_received += 1,
                Flow::Hold => return used,
                Flow::Gone => return bytes.len(),
            }
            used += size;
        }
    }

    pub(crate) fn mqtt_settings(&self, id: ConnectionId) -> &Mqtt {
        self.listener_of(id, &self.settings)
    }

    /// As `mqtt_settings`, of settings that the caller holds while the engine changes.
    fn listener_of<'s>(&self, id: ConnectionId, settings: &'s Settings) -> &'s Mqtt {
        let connection = self.connections.get(id).expect("asked for a connection at hand");
        match &settings.listeners[connection.listener.index()].protocol {
            Protocol::Mqtt(mqtt) => mqtt,
            Protocol::Device(_) => unreachable!("a device listener's bytes go to device.rs"),
        }
    }

    /// One packet after the greeting, and its bytes.
    fn packet(&mut self, id: ConnectionId, packet: &Packet<'_>, bytes: &[u8], actions: &mut Actions) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the packet is of a live connection");
        let session = connection.session.expect("a greeted connection has a session");
        match packet {
            Packet::Publish(publish) => return self.publish(id, publish, bytes, actions),
            Packet::PubAck(ack) => self.acknowledged(session, ack, actions),
            Packet::PubRec(ack) => self.recorded(id, session, ack, actions),
            Packet::PubRel(ack) => self.released(id, session, ack, actions),
            Packet::PubComp(ack) => self.completed(session, ack, actions),
            Packet::Subscribe(subscribe) => return self.subscribe_packet(id, session, subscribe, actions),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe_packet(id, session, unsubscribe, actions),
            Packet::PingReq => self.answer(id, &Packet::PingResp, actions),
            Packet::Disconnect(disconnect) => return self.disconnect(id, session, disconnect, actions),
            Packet::Connect(_) => {
                let detail = "a second CONNECT".to_owned();
                return self.close(id, CloseReason::ProtocolAlreadyConnected, detail, actions);
            }
            Packet::Auth(auth) => return self.auth_packet(id, auth, actions),
            Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                let detail = "a packet that only a server sends".to_owned();
                return self.close(id, CloseReason::ProtocolError, detail, actions);
            }
        }
        Flow::Next
    }

    /// Bytes that are no packet.
    fn undecodable(
        &mut self,
        id: ConnectionId,
        error: DecodeError,
        offset: usize,
        bytes: &[u8],
        actions: &mut Actions,
    ) {
        let code = error.reason_code();
        let reason = (NAMED.iter().find(|(named, _)| *named == code))
            .map_or(CloseReason::MalformedPacket, |&(_, reason)| reason);
        if self.is_waiting(id) {
            // What is wrong with a SUBSCRIBE or PUBLISH is no code of CONNACK; that it came now is wrong at any rate.
            let may_tell = matches!(code, ReasonCode::MalformedPacket | ReasonCode::PacketTooLarge);
            let code = if may_tell { code } else { ReasonCode::ProtocolError };
            self.turn_away(id, code, reason, actions);
            return;
        }
        let detail = hex(&format!("{error} (offset {offset})"), bytes);
        self.refuse_greeting(id, error, bytes, actions);
        // A second CONNECT is wrong whatever its version.
        let told = match code {
            ReasonCode::UnsupportedProtocolVersion => ReasonCode::ProtocolError,
            other => other,
        };
        self.close_telling(id, (reason, Some(told)), detail, actions);
    }

    /// Appends a packet to an out box; false, and nothing is sent, when it is larger than the client takes.
    pub(crate) fn send_packet(
        &mut self,
        id: ConnectionId,
        packet: &Packet<'_>,
        actions: &mut Actions,
    ) -> bool {
        let Some(connection) = self.connections.get(id) else {
            return true;
        };
        let outbox = actions.send(id);
        let before = outbox.buffer.len();
        let encoded = packet.encode(connection.wire.version(), &mut outbox.buffer);
        assert!(encoded.is_ok(), "what the server says fits its packet");
        let size = outbox.buffer.len() - before;
        if size > connection.packet_size_max as usize {
            outbox.buffer.truncate(before);
            return false;
        }
        self.stats.bytes_sent += size as u64;
        self.stats.packets_sent += 1;
        true
    }

    /// True when an answer to this client may have a Reason String of so many bytes beside its reason codes: the client
    /// wants them (5.0 section 3.1.2.11.7), and the packet stays within its Maximum Packet Size [MQTT-3.4.2-2].
    pub(crate) fn tells_reasons(&self, id: ConnectionId, bytes: usize) -> bool {
        self.connections.get(id).is_some_and(|connection| {
            connection.wire == Wire::V5
                && connection.problem_information
                && bytes + ANSWER_BYTES_MAX <= connection.packet_size_max as usize
        })
    }

    /// Sends what a client asked for; one that does not read its answers is not read either.
    pub(crate) fn answer(&mut self, id: ConnectionId, packet: &Packet<'_>, actions: &mut Actions) {
        if self.send_packet(id, packet, actions) {
            self.hold_if_not_reading(id, actions);
        } else {
            // Without its answers a client waits for ever.
            let detail = "an answer is larger than its Maximum Packet Size".to_owned();
            self.close(id, CloseReason::PacketTooLarge, detail, actions);
        }
    }

    fn acknowledged(&mut self, session_id: SessionId, ack: &Ack<'_>, actions: &mut Actions) {
        if let Some(session) = self.sessions.get_mut(session_id)
            && let Some(window) = &mut session.window
            && window.acknowledge(ack.packet_id.number())
        {
            self.pump(session_id, actions);
        }
    }

    /// PUBREC: the client has the message, or does not want it.
    fn recorded(&mut self, id: ConnectionId, session_id: SessionId, ack: &Ack<'_>, actions: &mut Actions) {
        let window = self
            .sessions
            .get_mut(session_id)
            .and_then(|session| session.window.as_mut());
        let number = ack.packet_id.number();
        if ack.reason.is_failure() {
            if window.is_some_and(|window| window.refuse(number)) {
                self.pump(session_id, actions);
            }
            return;
        }
        let known = window.is_some_and(|window| window.release(number));
        let mut scratch = PropertyList::default();
        let ack = self.next_step(id, (ack.packet_id, known), &mut scratch);
        self.answer(id, &Packet::PubRel(ack), actions);
    }

    /// PUBREL: the packet id of a QoS 2 publish is free again.
    fn released(&mut self, id: ConnectionId, session_id: SessionId, ack: &Ack<'_>, actions: &mut Actions) {
        let session = self.sessions.get_mut(session_id);
        let incoming = session.and_then(|session| session.incoming.as_mut());
        let known = incoming.is_some_and(|incoming| incoming.remove(ack.packet_id.number()));
        let mut scratch = PropertyList::default();
        let ack = self.next_step(id, (ack.packet_id, known), &mut scratch);
        self.answer(id, &Packet::PubComp(ack), actions);
    }

    /// The next step of a QoS 2 delivery; 0x92 when its packet id is not known (any more).
    fn next_step<'p>(
        &self,
        id: ConnectionId,
        (packet_id, known): (PacketId, bool),
        properties: &'p mut PropertyList,
    ) -> Ack<'p> {
        if known {
            return Ack::success(packet_id);
        }
        let reason = ReasonCode::PacketIdentifierNotFound;
        if self.tells_reasons(id, reason.name().len()) {
            properties.push(Property::ReasonString(reason.name()));
        }
        Ack {
            packet_id,
            reason,
            properties: properties.as_properties(),
        }
    }

    fn completed(&mut self, session_id: SessionId, ack: &Ack<'_>, actions: &mut Actions) {
        if let Some(session) = self.sessions.get_mut(session_id)
            && let Some(window) = &mut session.window
            && window.complete(ack.packet_id.number())
        {
            self.pump(session_id, actions);
        }
    }

    fn disconnect(
        &mut self,
        id: ConnectionId,
        session_id: SessionId,
        disconnect: &Disconnect<'_>,
        actions: &mut Actions,
    ) -> Flow {
        let cap = self.mqtt_settings(id).session_expiry_s;
        let expiry_s = disconnect.properties.session_expiry_interval();
        let expiry_s = expiry_s.map(|seconds| seconds.min(cap));
        if let (Some(expiry_s), Some(session)) = (expiry_s, self.sessions.get_mut(session_id)) {
            if session.expiry_s == 0 && expiry_s != 0 {
                // A session without expiry cannot get one now (5.0 section 3.14.2.2.2).
                let detail = "Session Expiry Interval at DISCONNECT, but none at CONNECT".to_owned();
                return self.close(id, CloseReason::ProtocolError, detail, actions);
            }
            session.expiry_s = expiry_s;
        }
        // Any other code is not a normal disconnection: the Will is sent [MQTT-3.14.4-3].
        let reason = if disconnect.reason == ReasonCode::Success {
            CloseReason::Normal
        } else {
            CloseReason::DisconnectWithWill
        };
        self.close(id, reason, String::new(), actions)
    }
}

/// What is wrong, with the first bytes in hex.
pub(crate) fn hex(what: &str, bytes: &[u8]) -> String {
    let mut text = format!("{what}:");
    for byte in bytes.iter().take(16) {
        // Writing to a string cannot fail.
        let _ = write!(text, " {byte:02x}");
    }
    text
}
