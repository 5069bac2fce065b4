//! How a connection ends, and a session: exactly one note and one count for each end, whoever caused it.

use crate::SessionId;
use crate::connection::{Connection, Flow, Wire};
use crate::input::SocketCause;
use crate::will::LATE_MS;
use crate::{Actions, CloseReason, ConnectionId, Engine, Note};
use ringwire_codec::mqtt::{Disconnect, Packet, Property, PropertyList, ReasonCode};

impl Engine {
    /// The socket ended by itself.
    pub(crate) fn socket_ended(&mut self, id: ConnectionId, cause: SocketCause, actions: &mut Actions) {
        let reason = match cause {
            SocketCause::PeerClosed => {
                // What was sent before the end was sent: it is taken, congested or not.
                self.consume_rest(id, actions);
                CloseReason::PeerClosed
            }
            SocketCause::Failed => CloseReason::SocketError,
            SocketCause::SendTimeout => CloseReason::SendTimeout,
        };
        self.end(id, reason, String::new(), actions);
    }

    /// Handles what a held connection has left, all of it: nothing holds it any more.
    fn consume_rest(&mut self, id: ConnectionId, actions: &mut Actions) {
        let congested = std::mem::take(&mut self.congested);
        if let Some(connection) = self.connections.get_mut(id)
            && connection.held != 0
        {
            connection.held = 0;
            connection.ending = true;
            self.consume_inbox(id, actions);
            // The socket is gone already: what was handled may have asked to close it.
            actions.closes.retain(|&(closed, _)| closed != id);
        }
        self.congested = congested;
    }

    /// Closes a connection: tells a 5.0 client why, asks the shard to close the socket, and ends it here.
    pub(crate) fn close(
        &mut self,
        id: ConnectionId,
        reason: CloseReason,
        detail: String,
        actions: &mut Actions,
    ) -> Flow {
        self.close_telling(id, (reason, reason_code(reason)), detail, actions)
    }

    /// As `close`, where the code on the wire says more than the reason does.
    pub(crate) fn close_telling(
        &mut self,
        id: ConnectionId,
        (reason, code): (CloseReason, Option<ReasonCode>),
        detail: String,
        actions: &mut Actions,
    ) -> Flow {
        let Some(connection) = self.connections.get(id) else {
            return Flow::Gone;
        };
        let wire = connection.wire;
        // Nobody is told before its CONNECT is accepted [MQTT-3.14.0-1].
        let is_let_in = connection.session.is_some();
        self.send_deferred(id, actions);
        if wire == Wire::V5
            && is_let_in
            && let Some(code) = code
        {
            // The name as a Reason String too: clients that skip a short DISCONNECT (rumqttc 0.25, paho 2) read this one.
            let mut properties = PropertyList::default();
            if self.tells_reasons(id, reason.name().len()) {
                properties.push(Property::ReasonString(reason.name()));
            }
            let disconnect = Packet::Disconnect(Disconnect {
                reason: code,
                properties: properties.as_properties(),
            });
            self.send_packet(id, &disconnect, actions);
        }
        actions.close(id, reason);
        self.end(id, reason, detail, actions);
        Flow::Gone
    }

    /// The connection is over: forgets it, and does what its session, will and the operator are due.
    fn end(&mut self, id: ConnectionId, reason: CloseReason, detail: String, actions: &mut Actions) {
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        self.sharing.joining.remove(&id);
        self.disarm(connection.timer);
        if let Some(speech) = connection.speech {
            self.adapters.close(speech);
        }
        self.forget_unacknowledged(id);
        self.crossings.remove(&id);
        self.disarm(connection.deferred.as_ref().and_then(|deferred| deferred.timer));
        self.abandon(id, connection.authentication.as_deref(), actions);
        self.on_listener[connection.listener.index()] -= 1;
        self.stats.closes[reason as usize] += 1;
        self.note_closed(&connection, reason, detail, actions);
        if let Some(session) = connection.session {
            self.stats.client_disconnected += 1;
            if connection.deferred.is_some() {
                let client_id = self
                    .sessions
                    .get(session)
                    .map(|session| session.client_id.clone());
                self.keep_slowed(&client_id.unwrap_or_default(), connection.deferred.as_deref());
            }
            self.gone(session, &connection, reason, actions);
            self.detach(session, reason, actions);
        }
    }

    /// A client is gone: it is told of, and counted for flapping.
    fn gone(&mut self, id: SessionId, connection: &Connection, reason: CloseReason, actions: &mut Actions) {
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let client_id = self.settings.flapping.enable.then(|| session.client_id.clone());
        self.tell_disconnected(id, connection, reason);
        if let Some(client_id) = client_id {
            self.count_flap(&client_id, reason, actions);
        }
    }

    fn note_closed(
        &self,
        connection: &Connection,
        reason: CloseReason,
        detail: String,
        actions: &mut Actions,
    ) {
        let session = connection.session.and_then(|session| self.sessions.get(session));
        let client_id = session.map_or_else(String::new, |s| {
            String::from_utf8_lossy(&s.client_id).into_owned()
        });
        actions.note(Note::Closed {
            client_id,
            peer: connection.peer,
            listener: connection.listener,
            reason,
            detail,
        });
    }

    /// A session lost its connection: its will is sent or waits, it ends or is kept.
    fn detach(&mut self, id: SessionId, reason: CloseReason, actions: &mut Actions) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.connection = None;
        self.not_behind(id, actions);
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if let Some(window) = &mut session.window {
            window.rewind();
        }
        if reason == CloseReason::Normal {
            self.leave_will(id, None);
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        if session.expiry_s == 0 {
            return self.end_session(id, actions);
        }
        let is_member = session.shares.is_some();
        if session.expiry_s != u32::MAX {
            session.ends_at = Some(now + u64::from(session.expiry_s) * 1_000);
        }
        match &mut session.will {
            None => {}
            Some(will) if will.delay_s == 0 => self.publish_will(id, actions),
            Some(will) => will.due = Some(now + u64::from(will.delay_s) * 1_000 + LATE_MS),
        }
        self.arm_session(id);
        if is_member {
            self.stand_in_groups(id, actions);
        }
    }

    /// A session is over: its will is due at the latest now, its subscriptions and messages go.
    pub(crate) fn end_session(&mut self, id: SessionId, actions: &mut Actions) {
        self.publish_will(id, actions);
        let Some(mut session) = self.sessions.remove(id) else {
            return;
        };
        assert!(
            session.connection.is_none(),
            "a session ends after its connection"
        );
        self.disarm(session.timer.take());
        self.stats.session_terminated += 1;
        self.sessions.queued_bytes -= session.queue.as_ref().map_or(0, |queue| queue.bytes());
        if session.recalls > 0 {
            self.recalls.forget_session(id);
        }
        self.leave_all_groups(id, &mut session, actions);
        for filter in std::mem::take(&mut session.filters) {
            self.drop_subscription(id, filter);
        }
    }

    /// The administrator closes a client: its connection and its session.
    pub(crate) fn kick(&mut self, client_id: &str, actions: &mut Actions) {
        let Some(id) = self.sessions.find(client_id.as_bytes()) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        session.expiry_s = 0;
        match session.connection {
            Some(connection) => {
                self.close(connection, CloseReason::Kicked, String::new(), actions);
            }
            None => self.end_session(id, actions),
        }
    }
}

/// The reason code of the DISCONNECT that tells a 5.0 client; `None` where it is not told.
fn reason_code(reason: CloseReason) -> Option<ReasonCode> {
    match reason {
        CloseReason::Normal
        | CloseReason::DisconnectWithWill
        | CloseReason::PeerClosed
        | CloseReason::SocketError
        | CloseReason::SendTimeout
        | CloseReason::IdleTimeout
        | CloseReason::ProtocolNotConnected
        | CloseReason::UnsupportedVersion
        | CloseReason::InvalidClientId
        | CloseReason::IllegalFrame
        | CloseReason::BadChecksum
        | CloseReason::AdapterFailed
        | CloseReason::SlowConsumer => None,
        CloseReason::KeepaliveTimeout => Some(ReasonCode::KeepAliveTimeout),
        CloseReason::TakenOver => Some(ReasonCode::SessionTakenOver),
        // 0x8A is for CONNACK alone (5.0 section 3.14.2.1).
        CloseReason::Kicked | CloseReason::Banned => Some(ReasonCode::AdministrativeAction),
        CloseReason::ServerBusy => Some(ReasonCode::ServerBusy),
        CloseReason::ServerShuttingDown => Some(ReasonCode::ServerShuttingDown),
        CloseReason::ProtocolAlreadyConnected | CloseReason::ProtocolError => Some(ReasonCode::ProtocolError),
        CloseReason::MalformedPacket => Some(ReasonCode::MalformedPacket),
        CloseReason::PacketTooLarge => Some(ReasonCode::PacketTooLarge),
        CloseReason::NotAuthorized | CloseReason::AuthenticationFailed => Some(ReasonCode::NotAuthorized),
        CloseReason::ReceiveMaximumExceeded => Some(ReasonCode::ReceiveMaximumExceeded),
        CloseReason::TopicAliasInvalid => Some(ReasonCode::TopicAliasInvalid),
        CloseReason::QoSNotSupported => Some(ReasonCode::QoSNotSupported),
        CloseReason::RetainNotSupported => Some(ReasonCode::RetainNotSupported),
        CloseReason::SubscriptionIdentifiersNotSupported => {
            Some(ReasonCode::SubscriptionIdentifiersNotSupported)
        }
        CloseReason::PayloadFormatInvalid => Some(ReasonCode::PayloadFormatInvalid),
        CloseReason::TopicInvalid => Some(ReasonCode::TopicNameInvalid),
        CloseReason::QuotaExceeded => Some(ReasonCode::QuotaExceeded),
        CloseReason::NotSupported => Some(ReasonCode::ImplementationSpecificError),
    }
}
