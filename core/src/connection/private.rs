//! EMQ's private TCP protocol on a connection: frames become questions to the engine, answers become frames.
//!
//! A device is an ordinary client: its data is published on its up topic, and each message of its dn topic becomes one
//! DATATRANS. The greeting is in `private/greet.rs`; what a session does with messages is the same as for MQTT.

mod greet;

use super::{Connection, Flow};
use crate::connection::mqtt::hex;
use crate::placeholder::{self, Names};
use crate::publish::Offer;
use crate::session::Session;
use crate::settings::{AclDenyAction, PrivateTcp, Protocol};
use crate::{Actions, CloseReason, ConnectionId, Engine, SessionId};
use ringwire_codec::mqtt::{Properties, Publish};
use ringwire_codec::private::{self, Decoded, Frame, FrameError, FrameType};

impl Engine {
    /// Handles whole frames from the front of `bytes`; returns how many bytes need not be kept.
    pub(crate) fn consume_private(&mut self, id: ConnectionId, bytes: &[u8], actions: &mut Actions) -> usize {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let Some(connection) = self.connections.get(id) else {
                return bytes.len();
            };
            let (Some(&header), 0) = (rest.first(), connection.held) else {
                return used;
            };
            let settings = self.private_settings(connection);
            let objection = objection(header, connection.session.is_some(), settings.strict);
            if let Some((reason, what)) = objection {
                let detail = hex(&format!("{what} (offset {used})"), rest);
                self.close(id, reason, detail, actions);
                return bytes.len();
            }
            let (frame, size) = match private::decode(rest, settings.max_packet_size) {
                Ok(Decoded::Frame(frame, size)) => (frame, size),
                Ok(Decoded::Incomplete { .. }) => return used,
                Err(error) => {
                    let detail = hex(&format!("{error} (offset {used})"), rest);
                    self.close(id, reason_of(error), detail, actions);
                    return bytes.len();
                }
            };
            match self.frame(id, &frame, rest, actions) {
                Flow::Next => self.stats.packets_received += 1,
                Flow::Hold => return used,
                Flow::Gone => return bytes.len(),
            }
            used += size;
        }
    }

    fn private_settings(&self, connection: &Connection) -> &PrivateTcp {
        match &self.listener(connection.listener).protocol {
            Protocol::PrivateTcp(private) => private,
            Protocol::Mqtt(_) => unreachable!("an MQTT listener's bytes go to mqtt.rs"),
        }
    }

    /// One frame that may come now; `received` starts with it.
    fn frame(&mut self, id: ConnectionId, frame: &Frame<'_>, received: &[u8], actions: &mut Actions) -> Flow {
        match *frame {
            Frame::Connect { version, connect } => self.greet_device(id, version, connect, received, actions),
            Frame::DataTrans { payload, .. } => self.publish_up(id, payload, actions),
            Frame::Ping { .. } => {
                self.send_frame(id, &Frame::Pong, actions);
                self.hold_if_not_reading(id, actions);
                Flow::Next
            }
            Frame::Disconnect { .. } => self.close(id, CloseReason::Normal, String::new(), actions),
            Frame::ConnAck { .. } | Frame::Pong => unreachable!("refused by its header byte"),
        }
    }

    /// Data of a device: published on its up topic.
    fn publish_up(&mut self, id: ConnectionId, payload: &[u8], actions: &mut Actions) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the frame is of a live connection");
        let from = connection.session.expect("a greeted connection has a session");
        let settings = self.private_settings(connection);
        let (qos, retain, deny) = (settings.up_qos, settings.up_retain, settings.acl_deny_action);
        let mut topic = std::mem::take(&mut self.scratch.topic);
        if self.scratch.topic_of != Some(id) {
            topic.clear();
            let settings = self.private_settings(connection);
            placeholder::fill(&settings.up_topic, self.names(from), &mut topic);
            self.scratch.topic_of = Some(id);
        }
        let publish = Publish {
            dup: false,
            qos,
            retain,
            topic: &topic,
            packet_id: None,
            properties: Properties::EMPTY,
            payload,
        };
        let offer = self.offer(from, &publish, None, actions);
        let flow = match offer {
            Offer::Taken | Offer::NoSubscribers => Flow::Next,
            Offer::Congested(shard) => {
                self.wait_for(shard, id, actions);
                Flow::Hold
            }
            Offer::Refused(_) => Flow::Next,
            Offer::Denied => match deny {
                AclDenyAction::Ignore => Flow::Next,
                AclDenyAction::Disconnect => {
                    let detail = format!("may not publish to {topic}");
                    self.close(id, CloseReason::NotAuthorized, detail, actions)
                }
            },
            Offer::TooManyLevels => unreachable!("checked at the greeting"),
        };
        if flow == Flow::Next {
            self.count_received(id, qos);
        }
        self.scratch.topic = topic;
        flow
    }

    /// What stands for `%c` and `%u` in the topics of a session's listener.
    fn names(&self, session: SessionId) -> Names<'_> {
        let session: &Session = self.sessions.get(session).expect("the connection's own session");
        Names {
            client_id: std::str::from_utf8(&session.client_id).unwrap_or_default(),
            username: session.username.as_deref(),
        }
    }

    /// Appends a frame of the server's own, which is small, to an out box.
    fn send_frame(&mut self, id: ConnectionId, frame: &Frame<'_>, actions: &mut Actions) {
        let outbox = actions.send(id);
        let before = outbox.buffer.len();
        let written = frame.encode(&mut outbox.buffer);
        assert!(written, "what the server says fits its frame");
        self.stats.bytes_sent += (outbox.buffer.len() - before) as u64;
        self.stats.packets_sent += 1;
    }
}

/// What is wrong with a frame that starts with `header`, whatever follows.
fn objection(header: u8, greeted: bool, strict: bool) -> Option<(CloseReason, &'static str)> {
    match (FrameType::of(header), greeted) {
        (Some(FrameType::Connect), false) => None,
        (_, false) => Some((
            CloseReason::ProtocolNotConnected,
            "the first frame is not CONNECT",
        )),
        (Some(FrameType::Connect), true) => Some((CloseReason::ProtocolAlreadyConnected, "a second CONNECT")),
        (Some(FrameType::DataTrans | FrameType::Ping | FrameType::Disconnect), true) => {
            let has_flags = header & 0x0f != 0;
            (strict && has_flags).then_some((CloseReason::IllegalFrame, "flags in strict mode"))
        }
        (Some(FrameType::ConnAck | FrameType::Pong), true) => {
            Some((CloseReason::IllegalFrame, "a frame that only a server sends"))
        }
        (None, true) => Some((
            CloseReason::IllegalFrame,
            "a reserved frame type, whose length is unknown",
        )),
    }
}

fn reason_of(error: FrameError) -> CloseReason {
    match error {
        FrameError::ReservedType(_) | FrameError::UnknownConnAckCode(_) => CloseReason::IllegalFrame,
        FrameError::ConnectLayout { .. } => CloseReason::MalformedPacket,
        FrameError::PayloadTooLarge { .. } => CloseReason::PacketTooLarge,
    }
}
