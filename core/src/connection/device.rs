//! A device behind the seam of private protocols: its adapter's events become questions to the engine, the engine's answers
//! become its adapter's bytes.
//!
//! A device is an ordinary client: its data is published on its up topic, and each message of its dn topic is sent to it.
//! The greeting is in `device/greet.rs`, messages to devices in `device/down.rs`; what a session does with them is the
//! same as for MQTT. An adapter may be somebody else's code, so an event out of place closes the connection, and no more.

pub(crate) mod adapters;
pub(crate) mod crossing;
pub(crate) mod down;
mod greet;
pub(crate) mod up;

use self::adapters::{Speech, Spoken};
use super::{Connection, Flow};
use crate::connection::mqtt::hex;
use crate::interest::ShardSet;
use crate::placeholder::Names;
use crate::publish::Offer;
use crate::session::Session;
use crate::settings::{Device, Protocol};
use crate::{Actions, CloseReason, ConnectionId, DropReason, Engine, ListenerId, Note, SessionId};
use ringwire_codec::adapter::{Answer, Blueprint, Event, Kind, Read, Scratch, Unreadable};
use ringwire_codec::mqtt::{Properties, Publish, QoS};
use std::sync::Arc;

/// Events in a row that use no byte: what a frame says twice, or what an adapter had in a queue.
const EVENTS_WITHOUT_BYTES_MAX: usize = 4_096;

impl Engine {
    /// Handles what the front of `bytes` says; returns how many bytes need not be kept.
    pub(crate) fn consume_device(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) -> usize {
        // Taken out, because events borrow from it while the engine decides.
        let mut scratch = std::mem::take(&mut self.scratch.device);
        scratch.now_ms = self.now.as_millis();
        let used = self.consume_frames(id, bytes, &mut scratch, actions);
        self.scratch.device = scratch;
        used
    }

    fn consume_frames(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        scratch: &mut Scratch,
        actions: &mut Actions,
    ) -> usize {
        let (mut at, mut idle) = (0, 0);
        loop {
            let rest = &bytes[at..];
            let Some((speech, session)) = self.speech_of_read(id) else {
                return self.used_by(id, at, bytes);
            };
            let adapter = &mut self.adapters.of(speech).adapter;
            let (flow, used) = match adapter.read(speech.link, rest, scratch) {
                Ok(Read::Incomplete) => {
                    let is_too_much = rest.len() > self.settings.limits.device_frame_bytes;
                    if is_too_much {
                        self.refuse_frame(id, (at, rest), actions);
                    }
                    return self.used_by(id, at, bytes);
                }
                Ok(Read::Event { event, used }) => {
                    let flow = match (event, session) {
                        // Most events are this one.
                        (Event::Publish(data), Some(from)) => {
                            self.publish_up((id, from), speech, &data, actions)
                        }
                        (event, _) => self.device_event(id, speech, event, rest, actions),
                    };
                    (flow, used)
                }
                Ok(Read::Nothing { used }) => (Flow::Next, used),
                Ok(Read::Skipped { used, why }) => {
                    self.leave_out(id, &why, (at, rest), actions);
                    (Flow::Next, used)
                }
                Err(why) => (self.unreadable(id, speech, &why, (at, rest), actions), 0),
            };
            match flow {
                Flow::Next => {}
                Flow::Hold => return at,
                Flow::Gone => return bytes.len(),
            }
            self.stats.packets_received += u64::from(used > 0);
            idle = if used > 0 { 0 } else { idle + 1 };
            if used > rest.len() || idle > EVENTS_WITHOUT_BYTES_MAX {
                let detail = format!("its adapter used {used} of {} bytes", rest.len());
                self.close(id, CloseReason::AdapterFailed, detail, actions);
                return bytes.len();
            }
            at += used;
        }
    }

    /// How a connection speaks, and for which session, if it is there and read.
    fn speech_of_read(&self, id: ConnectionId) -> Option<(Speech, Option<SessionId>)> {
        let connection = self.connections.get(id)?;
        let speech = connection.speech.filter(|_| connection.held == 0)?;
        Some((speech, connection.session))
    }

    /// Bytes of a connection that is gone need not be kept.
    fn used_by(&self, id: ConnectionId, at: usize, bytes: &[u8]) -> usize {
        match self.connections.get(id) {
            Some(_) => at,
            None => bytes.len(),
        }
    }

    /// One event; `received` starts with the bytes that it is about.
    fn device_event(
        &mut self,
        id: ConnectionId,
        speech: Speech,
        event: Event<'_>,
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the event is of a live connection");
        let is_greeted = connection.session.is_some();
        match event {
            Event::Identify { .. } | Event::Connect(_) if is_greeted => {
                self.out_of_place(id, "a second greeting", actions)
            }
            Event::Identify { client_id } => self.identify_device(id, client_id, received, actions),
            Event::Connect(connect) => self.greet_device(id, &connect, received, actions),
            Event::Publish(_) => self.out_of_place(id, "before its greeting", actions),
            Event::Heartbeat | Event::Acknowledge { .. } if !is_greeted => {
                self.out_of_place(id, "before its greeting", actions)
            }
            Event::Heartbeat => {
                self.answer_device(id, speech, Answer::Alive, actions);
                Flow::Next
            }
            Event::Acknowledge { number } => {
                self.acknowledged_by_device(id, number, actions);
                Flow::Next
            }
            Event::Close => {
                self.answer_device(id, speech, Answer::Goodbye, actions);
                self.close(id, CloseReason::Normal, String::new(), actions)
            }
        }
    }

    /// An adapter reports what it should not report here.
    fn out_of_place(&mut self, id: ConnectionId, what: &str, actions: &mut Actions) -> Flow {
        let detail = format!("its adapter reports an event out of place: {what}");
        self.close(id, CloseReason::AdapterFailed, detail, actions)
    }

    /// Data of a device: published on its up topic.
    fn publish_up(
        &mut self,
        (id, from): (ConnectionId, SessionId),
        speech: Speech,
        data: &ringwire_codec::adapter::Publish<'_>,
        actions: &mut Actions,
    ) -> Flow {
        let spoken = self.adapters.look(speech);
        let (up, is_quiet) = (spoken.settings, spoken.is_quiet);
        let mut topic = std::mem::take(&mut self.scratch.topic);
        if !self.say_up_topic(id, data.values, &mut topic) {
            self.scratch.topic = topic;
            return self.refuse_topic(id, speech, from, actions);
        }
        let publish = Publish {
            dup: false,
            qos: up.qos,
            retain: up.retain,
            topic: &topic,
            packet_id: None,
            properties: Properties::EMPTY,
            payload: data.payload,
        };
        self.scratch.forwarded_to = ShardSet::default();
        let offer = self.offer(from, &publish, None, actions);
        let flow = match offer {
            Offer::Taken | Offer::NoSubscribers => {
                self.count_received(id, up.qos);
                if !is_quiet {
                    self.answer_device(id, speech, Answer::Taken, actions);
                }
                if up.qos != QoS::AtMostOnce {
                    self.hold_if_slowed(id, actions);
                    self.count_crossing(id, data.payload.len(), actions);
                }
                Flow::Next
            }
            Offer::Congested(shard) => {
                self.wait_for(shard, id, actions);
                Flow::Hold
            }
            Offer::Denied if up.closes_on_deny => {
                let detail = format!("may not publish to {topic}");
                self.close(id, CloseReason::NotAuthorized, detail, actions)
            }
            Offer::Denied | Offer::Refused(_) => {
                self.count_received(id, up.qos);
                self.answer_device(id, speech, Answer::Denied, actions);
                Flow::Next
            }
            Offer::TooManyLevels => self.refuse_topic(id, speech, from, actions),
        };
        self.scratch.topic = topic;
        flow
    }

    /// Puts the up topic of a connection into `topic`. It stays the same for as long as the connection lives, unless it has
    /// fields. False when a value does not fit.
    fn say_up_topic(&mut self, id: ConnectionId, values: &[String], topic: &mut String) -> bool {
        if self.scratch.topic_of == Some(id) {
            return true;
        }
        topic.clear();
        let connection = self
            .connections
            .get(id)
            .expect("the event is of a live connection");
        let from = connection.session.expect("a greeted connection has a session");
        let speech = connection.speech.expect("a device speaks with an adapter");
        let up = &self.adapters.look(speech).up;
        let allow_slash = self.device_settings(connection).allow_slash;
        if !up.fill(self.names(from), values, allow_slash, topic) {
            self.scratch.topic_of = None;
            return false;
        }
        self.scratch.topic_of = up.wanted().is_empty().then_some(id);
        up.wanted().is_empty() || ringwire_codec::topic::is_valid_name(topic)
    }

    /// A device's data would be published where it must not be, for what stands in it.
    #[cold]
    fn refuse_topic(
        &mut self,
        id: ConnectionId,
        speech: Speech,
        from: SessionId,
        actions: &mut Actions,
    ) -> Flow {
        self.stats.drops[DropReason::TopicInvalid as usize] += 1;
        let up_topic = self
            .connections
            .get(id)
            .map(|c| self.device_settings(c).up_topic.clone());
        self.note_dropped(
            from,
            DropReason::TopicInvalid,
            &up_topic.unwrap_or_default(),
            actions,
        );
        self.answer_device(id, speech, Answer::Denied, actions);
        Flow::Next
    }

    /// Has the adapter write what was decided. What was decided may have closed the connection.
    fn answer_device(&mut self, id: ConnectionId, speech: Speech, answer: Answer, actions: &mut Actions) {
        if self.connections.get(id).is_none() {
            return;
        }
        let out = &mut self.scratch.answer;
        out.clear();
        self.adapters.of(speech).adapter.answer(speech.link, answer, out);
        if out.is_empty() {
            return;
        }
        actions.send(id).buffer.extend_from_slice(out);
        self.stats.bytes_sent += out.len() as u64;
        self.stats.packets_sent += 1;
        self.hold_if_not_reading(id, actions);
    }

    /// Bytes that cannot be read, and end the connection.
    fn unreadable(
        &mut self,
        id: ConnectionId,
        speech: Speech,
        why: &Unreadable,
        (at, rest): (usize, &[u8]),
        actions: &mut Actions,
    ) -> Flow {
        self.answer_device(id, speech, Answer::Unreadable(why.kind), actions);
        let detail = describe(why, at, rest);
        self.close(id, reason_of(why.kind), detail, actions)
    }

    /// A frame without an end.
    fn refuse_frame(&mut self, id: ConnectionId, (at, rest): (usize, &[u8]), actions: &mut Actions) {
        let limit = self.settings.limits.device_frame_bytes;
        let what = format!("a frame of more than {limit} bytes (limits.device_frame_bytes; offset {at})");
        self.close(id, CloseReason::PacketTooLarge, hex(&what, rest), actions);
    }

    /// Bytes that cannot be read, and are left out: counted, and told once a connection.
    fn leave_out(
        &mut self,
        id: ConnectionId,
        why: &Unreadable,
        (at, rest): (usize, &[u8]),
        actions: &mut Actions,
    ) {
        self.stats.drops[DropReason::FrameUnreadable as usize] += 1;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let noted = (connection.speech.as_mut()).is_some_and(|s| std::mem::replace(&mut s.noted, true));
        if noted {
            return;
        }
        let (peer, listener, session) = (connection.peer, connection.listener, connection.session);
        let session = session.and_then(|session| self.sessions.get(session));
        actions.note(Note::Unreadable {
            client_id: session.map_or_else(String::new, |s| {
                String::from_utf8_lossy(&s.client_id).into_owned()
            }),
            peer,
            listener,
            detail: describe(why, at, rest),
        });
    }

    /// Bytes of the first frame of an inbox, where its adapter can tell.
    pub(crate) fn device_frame_size(&self, id: ConnectionId, inbox: &[u8]) -> Option<usize> {
        let speech = self.connections.get(id)?.speech?;
        let adapter = &self.adapters.look(speech).adapter;
        adapter.frame_size(speech.link, inbox)
    }

    /// See `Input::Adapt`.
    pub(crate) fn adapt(&mut self, listener: ListenerId, blueprint: &Arc<dyn Blueprint>) {
        let settings = self.settings.clone();
        match &settings.listeners[listener.index()].protocol {
            Protocol::Device(device) => self.adapters.replace(listener, device, blueprint),
            Protocol::Mqtt(_) => {}
        }
    }

    /// The settings of a device's listener.
    pub(crate) fn device_settings(&self, connection: &Connection) -> &Device {
        match &self.listener(connection.listener).protocol {
            Protocol::Device(device) => device,
            Protocol::Mqtt(_) => unreachable!("an MQTT listener's bytes go to mqtt.rs"),
        }
    }

    /// What stands for `%c` and `%u` in the topics of a session's listener.
    fn names(&self, session: SessionId) -> Names<'_> {
        let session: &Session = self.sessions.get(session).expect("the connection's own session");
        Names {
            client_id: std::str::from_utf8(&session.client_id).unwrap_or_default(),
            username: session.username.as_deref(),
        }
    }

    /// The name and version of what a connection speaks, for the operator.
    pub(crate) fn protocol_of(&self, connection: &Connection) -> (String, u8) {
        match connection.speech.map(|speech| self.adapters.look(speech)) {
            Some(Spoken { blueprint, .. }) => (blueprint.name().to_owned(), blueprint.version()),
            None => ("MQTT".to_owned(), connection.wire.number()),
        }
    }
}

/// What is wrong, where in what arrived, and its first bytes.
fn describe(why: &Unreadable, at: usize, rest: &[u8]) -> String {
    let offset = at + why.offset;
    hex(&format!("{} (offset {offset})", why.what), rest)
}

fn reason_of(kind: Kind) -> CloseReason {
    match kind {
        Kind::NotConnected => CloseReason::ProtocolNotConnected,
        Kind::AlreadyConnected => CloseReason::ProtocolAlreadyConnected,
        Kind::Illegal => CloseReason::IllegalFrame,
        Kind::Malformed => CloseReason::MalformedPacket,
        Kind::Checksum => CloseReason::BadChecksum,
        Kind::TooLarge => CloseReason::PacketTooLarge,
        Kind::Version => CloseReason::UnsupportedVersion,
        Kind::Credentials => CloseReason::AuthenticationFailed,
        Kind::Failed => CloseReason::AdapterFailed,
    }
}
