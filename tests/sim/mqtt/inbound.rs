//! What an honest MQTT client makes of the server's packets: it records, answers, and fails the run when a packet is not
//! one that the standard allows here.

use super::{Answer, MqttClient, Pending};
use crate::checks::Failure;
use crate::extras;
use crate::history::{Delivery, SHARED_FIRST, Session};
use crate::world::World;
use ringwire_codec::mqtt::{
    Ack, ConnAck, Decoded, Packet, Publish, QoS, ReasonCode, SubAck, UnsubAck, Version, decode,
};
use ringwire_core::access::Operation;

type Outcome = Result<(), Failure>;

/// The check that names what a server may not send.
fn unexpected(text: impl Into<String>) -> Outcome {
    Err(Failure::new("the_server_keeps_the_standard", text))
}

impl MqttClient {
    /// Reads what has arrived and handles every whole packet.
    pub(super) fn read(&mut self, world: &mut World) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        connection.inbox.extend(world.read(connection.socket));
        let bytes = std::mem::take(&mut connection.inbox);
        let mut at = 0;
        while at < bytes.len() && self.connection.is_some() {
            match decode(self.version, &bytes[at..], self.packet_size_max) {
                Ok(Decoded::Packet(packet, size)) => {
                    at += size;
                    world.tick_step();
                    if let Err(mut failure) = self.handle(world, packet) {
                        failure.text = format!("{} at {}", failure.text, self.client_id);
                        world.fail(failure);
                        return;
                    }
                }
                Ok(Decoded::Incomplete { .. }) => break,
                Err(error) => {
                    let text = format!(
                        "{} cannot read {:?}: {error}",
                        self.client_id,
                        crate::trace::hex(&bytes[at..])
                    );
                    world.fail(Failure::new("the_server_keeps_the_standard", text));
                    return;
                }
            }
        }
        if let Some(connection) = &mut self.connection {
            connection.inbox = bytes[at..].to_vec();
        }
    }

    fn handle(&mut self, world: &mut World, packet: Packet<'_>) -> Outcome {
        let client_id = &self.client_id;
        world
            .trace
            .line(|| format!("[{}] {client_id} reads {}", world.step, brief(&packet)));
        let online = self.is_online();
        match packet {
            Packet::ConnAck(connack) if !online => self.connected(world, connack),
            Packet::ConnAck(_) => unexpected("a second CONNACK"),
            _ if !online => unexpected(format!("before CONNACK: {packet:?}")),
            Packet::Publish(publish) => self.deliver(world, publish),
            Packet::PubAck(ack) => self.acknowledged(world, ack, QoS::AtLeastOnce),
            Packet::PubRec(ack) => self.acknowledged(world, ack, QoS::ExactlyOnce),
            Packet::PubRel(ack) => self.release(ack),
            Packet::PubComp(ack) => self.completed(ack),
            Packet::SubAck(suback) => self.subscribed(world, suback),
            Packet::UnsubAck(unsuback) => self.unsubscribed(world, unsuback),
            Packet::PingResp => match self.connection.as_mut().filter(|connection| connection.pings > 0) {
                Some(connection) => {
                    connection.pings -= 1;
                    Ok(())
                }
                None => unexpected("a PINGRESP that was not asked for"),
            },
            Packet::Disconnect(disconnect) => {
                // Whoever was banned just before the node stops was told that instead.
                let told = [ReasonCode::ServerShuttingDown, ReasonCode::AdministrativeAction];
                self.told |= told.contains(&disconnect.reason);
                Ok(())
            }
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::Auth(_) => unexpected(format!("a client's packet: {packet:?}")),
        }
    }

    fn connected(&mut self, world: &mut World, connack: ConnAck<'_>) -> Outcome {
        if connack.reason != ReasonCode::Success && world.was_banned(&self.client_id) {
            self.turned_away(world, connack.reason);
            return Ok(());
        }
        if connack.reason != ReasonCode::Success {
            return unexpected(format!("CONNECT refused: {:?}", connack.reason));
        }
        let present = connack.session_present;
        if self.present.is_some_and(|expected| expected != present) {
            let text = format!("session present is {present}, expected {:?}", self.present);
            return Err(Failure::new("session_present_is_true", text));
        }
        let step = world.step;
        let told = connack.properties.server_keep_alive();
        let keep_alive_s = self.keep_alive_for(world);
        let connection = self.connection.as_mut().expect("the packet came from it");
        if world.has_resumed(connection.socket) != Some(present) {
            let text = format!("session present is {present}, and the engine noted the opposite");
            return Err(Failure::new("session_present_is_true", text));
        }
        if told != (keep_alive_s != self.keep_alive_s).then_some(keep_alive_s) {
            let text = format!(
                "told {told:?}, {} was asked, {keep_alive_s} holds",
                self.keep_alive_s
            );
            return Err(Failure::new("server_keep_alive_is_told", text));
        }
        let kept_s = connack.properties.session_expiry_interval();
        if kept_s != self.interval_to_be_told() {
            let text = format!("told {kept_s:?}, {:?} holds", self.interval_to_be_told());
            return Err(Failure::new("a_session_lasts_its_interval", text));
        }
        let connection = self.connection.as_mut().expect("the packet came from it");
        if told.is_some() {
            world.reached("a keep alive was given");
        }
        connection.keep_alive_s = keep_alive_s;
        connection.online = true;
        self.is_unsure = false;
        connection.resumed = present;
        let properties = connack.properties;
        connection.window = connection
            .window
            .min(usize::from(properties.receive_maximum().unwrap_or(u16::MAX)));
        connection.aliases_max = properties.topic_alias_maximum().unwrap_or(0);
        if !present {
            self.forget(world, step);
        }
        let session = *self.session.get_or_insert_with(|| {
            world.history.sessions.push(Session {
                client_id: self.client_id.clone(),
                device: false,
                ended: None,
                connected: None,
                losses: Vec::new(),
                subscriptions: Vec::new(),
            });
            world.history.sessions.len() - 1
        });
        world.history.sessions[session].connected = Some(step);
        self.was_given(world, session);
        self.send_again(world);
        Ok(())
    }

    /// On a resumed session: everything that is not through, in its order (5.0 section 4.4).
    fn send_again(&mut self, world: &mut World) {
        for outgoing in self.outgoing.clone() {
            world.reached(if outgoing.received {
                "PUBREL sent again"
            } else {
                "PUBLISH sent again"
            });
            if outgoing.received {
                if let Some(connection) = &mut self.connection {
                    connection.answers.push_back(Answer::Release(outgoing.id));
                }
                self.answer(world, usize::MAX);
            } else {
                self.write_publish(world, outgoing.message, outgoing.id, true);
            }
        }
    }

    fn deliver(&mut self, world: &mut World, publish: Publish<'_>) -> Outcome {
        let Some(session) = self.session else {
            return Ok(());
        };
        let topic = match self.resolve(&publish) {
            Ok(topic) => topic,
            Err(wrong) => return unexpected(wrong),
        };
        if publish.topic.is_empty() {
            world.reached("delivered by an alias");
        }
        let id = publish.packet_id.map_or(0, |id| id.number());
        let window = usize::from(self.receive_maximum);
        let new = match publish.qos {
            QoS::AtMostOnce if publish.dup => return unexpected("DUP at QoS 0"),
            QoS::AtMostOnce => true,
            QoS::AtLeastOnce | QoS::ExactlyOnce => {
                self.ids.publish(id, publish.payload, publish.dup, window)?
            }
        };
        let connection = self.connection.as_mut().expect("the packet came from it");
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => connection.answers.push_back(Answer::Taken(id)),
            QoS::ExactlyOnce => {
                self.ids.received(id);
                connection.answers.push_back(Answer::Received(id));
            }
        }
        if !new {
            world.reached("received twice, taken once");
            return Ok(());
        }
        if crate::rogue::is_rogue(&topic, publish.payload) {
            return Ok(());
        }
        world.reached(arrival(&publish));
        if topic.starts_with("auto/") {
            world.reached("delivered by an automatic subscription");
        }
        if publish.retain {
            world.reached("delivered as retained");
        }
        let message = world.history.message_of(publish.payload);
        if message.is_none() && !publish.payload.is_empty() {
            return unexpected(format!("a payload that nobody sent on {topic:?}"));
        }
        let identifiers: Vec<u32> = publish.properties.subscription_identifiers().collect();
        if identifiers.iter().any(|identifier| *identifier >= SHARED_FIRST) {
            world.reached("delivered to a group");
        }
        world.history.deliveries.push(Delivery {
            session,
            message,
            step: world.step,
            read_ms: world.now.as_millis(),
            since_ms: connection.since.as_millis(),
            tells_expiry: self.version == Version::V5,
            expiry_s: publish.properties.message_expiry_interval(),
            topic,
            payload: publish.payload.to_vec(),
            content_type: publish.properties.content_type().map(str::to_owned),
            qos: Some(publish.qos),
            retain: publish.retain,
            dup: publish.dup,
            identifiers,
        });
        Ok(())
    }

    /// The topic of a publish, by name or by an alias of the server's (5.0 section 3.3.2.3.4).
    fn resolve(&mut self, publish: &Publish<'_>) -> Result<String, String> {
        let named = publish.topic.to_owned();
        let Some(alias) = publish.properties.topic_alias() else {
            return if named.is_empty() {
                Err("no topic".to_owned())
            } else {
                Ok(named)
            };
        };
        if self.version != Version::V5 || alias == 0 || alias > self.alias_maximum {
            return Err(format!("alias {alias}, at most {} are taken", self.alias_maximum));
        }
        let connection = self.connection.as_mut().expect("the packet came from it");
        if !named.is_empty() {
            connection.learned.insert(alias, named.clone());
            return Ok(named);
        }
        let known = connection.learned.get(&alias).cloned();
        known.ok_or_else(|| format!("alias {alias} was never set"))
    }

    /// PUBACK or PUBREC: each in the order of the publishes.
    fn acknowledged(&mut self, world: &mut World, ack: Ack<'_>, qos: QoS) -> Outcome {
        let id = ack.packet_id.number();
        let first = self
            .outgoing
            .iter()
            .position(|outgoing| outgoing.qos == qos && !outgoing.received);
        let Some(index) = self
            .outgoing
            .iter()
            .position(|outgoing| outgoing.id == id && outgoing.qos == qos)
        else {
            return unexpected(format!("{qos:?} acknowledgement of {id}, which is not under way"));
        };
        if first != Some(index) && !self.outgoing[index].received {
            return unexpected(format!(
                "{qos:?} acknowledgement of {id} out of order: {:?}",
                self.outgoing
            ));
        }
        let message = &mut world.history.messages[self.outgoing[index].message];
        let denied = message.refused;
        message.acked.get_or_insert(world.step);
        message.refused |= ack.reason.is_failure();
        if ack.reason.is_failure() {
            self.outgoing.remove(index);
            if denied && ack.reason == ReasonCode::NotAuthorized {
                world.reached("a publish was denied");
                return Ok(());
            }
            return unexpected(format!("a publish was refused: {:?}", ack.reason));
        }
        if denied && self.version == Version::V5 {
            let text = format!("{qos:?} publish {id} was taken, and is forbidden");
            return Err(Failure::new("access_rules_are_kept", text));
        }
        match qos {
            QoS::AtMostOnce | QoS::AtLeastOnce => {
                self.outgoing.remove(index);
            }
            QoS::ExactlyOnce => {
                self.outgoing[index].received = true;
                let connection = self.connection.as_mut().expect("the packet came from it");
                connection.answers.push_back(Answer::Release(id));
            }
        }
        Ok(())
    }

    fn release(&mut self, ack: Ack<'_>) -> Outcome {
        let id = ack.packet_id.number();
        let connection = self.connection.as_mut().expect("the packet came from it");
        self.ids.release(id, connection.resumed)?;
        connection.answers.push_back(Answer::Complete(id));
        Ok(())
    }

    fn completed(&mut self, ack: Ack<'_>) -> Outcome {
        let id = ack.packet_id.number();
        let found = self
            .outgoing
            .iter()
            .position(|outgoing| outgoing.id == id && outgoing.received);
        match found {
            Some(index) => {
                self.outgoing.remove(index);
                Ok(())
            }
            None => unexpected(format!("PUBCOMP {id}, which was not released")),
        }
    }

    fn subscribed(&mut self, world: &mut World, suback: SubAck<'_>) -> Outcome {
        let id = suback.packet_id.number();
        let connection = self.connection.as_mut().expect("the packet came from it");
        let Some(Pending::Subscribe(asked, sent)) = connection.pending.remove(&id) else {
            return unexpected(format!("SUBACK {id}, which was not asked for"));
        };
        if suback.reasons.len() != asked.len() {
            return unexpected(format!(
                "SUBACK {id} answers {} of {} filters",
                suback.reasons.len(),
                asked.len()
            ));
        }
        for ((filter, qos), reason) in asked.iter().zip(suback.reasons) {
            if self.is_denied(world, Operation::Subscribe, filter) {
                let failure = match self.version {
                    // 3.1 cannot be told.
                    Version::V31 => 0,
                    Version::V311 => 0x80,
                    Version::V5 => 0x87,
                };
                if *reason != failure {
                    let text = format!("SUBSCRIBE to {filter:?} is forbidden and got 0x{reason:02x}");
                    return Err(Failure::new("access_rules_are_kept", text));
                }
                world.reached("a subscription was denied");
                continue;
            }
            if self.is_claimed_by_another(world, filter, *reason, sent) {
                continue;
            }
            if *reason != *qos as u8 {
                return unexpected(format!("SUBSCRIBE to {filter:?} at {qos:?} got 0x{reason:02x}"));
            }
            let Some(session) = self.session else { continue };
            let subscriptions = world.history.sessions[session].subscriptions.iter_mut();
            let filter = extras::meant(world.scenario.rewriting, filter);
            let versions = subscriptions
                .filter(|known| known.filter == filter)
                .flat_map(|known| &mut known.versions);
            for version in versions.filter(|version| version.sent == sent) {
                version.acked = Some(world.step);
            }
        }
        Ok(())
    }

    fn unsubscribed(&mut self, world: &mut World, unsuback: UnsubAck<'_>) -> Outcome {
        let id = unsuback.packet_id.number();
        let connection = self.connection.as_mut().expect("the packet came from it");
        let Some(Pending::Unsubscribe(filters, sent)) = connection.pending.remove(&id) else {
            return unexpected(format!("UNSUBACK {id}, which was not asked for"));
        };
        let Some(session) = self.session else {
            return Ok(());
        };
        for subscription in &mut world.history.sessions[session].subscriptions {
            let asked = subscription.unsubscribe_sent.is_some_and(|asked| asked <= sent);
            if asked && filters.contains(&subscription.filter) {
                subscription.unsubscribe_acked.get_or_insert(world.step);
            }
        }
        Ok(())
    }
}

fn brief(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => format!(
            "Publish {:?} {:?} dup {} retain {} id {:?}: {}",
            publish.topic,
            publish.qos,
            publish.dup,
            publish.retain,
            publish.packet_id.map(|id| id.number()),
            crate::trace::hex(publish.payload)
        ),
        packet => format!("{packet:?}"),
    }
}

/// How a publish arrives, for the list of what runs get to.
fn arrival(publish: &Publish<'_>) -> &'static str {
    match (publish.qos, publish.dup) {
        (QoS::AtMostOnce, _) => "delivered at QoS 0",
        (QoS::AtLeastOnce, false) => "delivered at QoS 1",
        (QoS::AtLeastOnce, true) => "delivered again at QoS 1",
        (QoS::ExactlyOnce, false) => "delivered at QoS 2",
        (QoS::ExactlyOnce, true) => "delivered again at QoS 2",
    }
}
