//! Enhanced authentication (5.0 section 4.12): the exchange of AUTH packets, before CONNACK and after.
//!
//! Here is whose turn it is and what may be said then; what the data means is not known here: every step is an ask, and
//! goes on with its answer (`ask.rs`). Until a client is let in only its CONNECT is kept; an established one goes on
//! as before while it proves anew who it is. An exchange that nobody ends is ended by the listener's idle timeout.

use super::super::Flow;
use crate::ask::{Answer, Step};
use crate::timers::Timer;
use crate::wheel::TimerId;
use crate::{Actions, Ask, CloseReason, ConnectionId, Engine};
use bytes::Bytes;
use ringwire_codec::mqtt::{
    self, Auth, Connect, Decoded, Packet, Properties, Property, PropertyList, ReasonCode, Version,
};

/// What is known of a client that named a method.
#[derive(Debug)]
pub(crate) struct Authentication {
    /// The same from CONNECT to the connection's end [MQTT-4.12.0-5].
    method: Box<str>,
    /// The CONNECT packet, until the client is let in.
    greeting: Option<Box<[u8]>>,
    turn: Turn,
    /// While an established client proves anew who it is.
    timer: Option<TimerId>,
}

/// Who has to say the next thing in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody: none is under way.
    Nobody,
    /// Whoever was asked.
    Asked,
    /// The client.
    Client,
}

/// What an exchange has shown.
pub(super) struct Proof<'a> {
    method: &'a str,
    pub(super) username: &'a str,
    data: &'a [u8],
}

impl Proof<'_> {
    /// Appends what CONNACK has to say about it.
    pub(super) fn tell(&self, properties: &mut PropertyList) {
        tell(self.method, self.data, properties);
    }
}

/// The method, and data if there is any.
fn tell(method: &str, data: &[u8], properties: &mut PropertyList) {
    properties.push(Property::AuthenticationMethod(method));
    if !data.is_empty() {
        properties.push(Property::AuthenticationData(data));
    }
}

impl Engine {
    /// The CONNECT is taken, but not answered yet.
    pub(super) fn is_waiting(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(id);
        connection
            .is_some_and(|connection| connection.session.is_none() && connection.authentication.is_some())
    }

    /// A CONNECT that is in order names a method: the client is let in when it has proved who it is. `received` begins
    /// with the packet.
    pub(super) fn begin_greeting(
        &mut self,
        id: ConnectionId,
        method: &str,
        connect: &Connect<'_>,
        received: &[u8],
        actions: &mut Actions,
    ) -> Flow {
        if !self.settings.access.methods.iter().any(|known| known == method) {
            let code = ReasonCode::BadAuthenticationMethod;
            return self.turn_away(id, code, CloseReason::NotSupported, actions);
        }
        let size = match mqtt::decode(Version::V5, received, u32::MAX) {
            Ok(Decoded::Packet(_, size)) => size,
            Ok(Decoded::Incomplete { .. }) | Err(_) => unreachable!("it was decoded a moment ago"),
        };
        if let Some(connection) = self.connections.get_mut(id) {
            connection.authentication = Some(Box::new(Authentication {
                method: method.into(),
                greeting: Some(received[..size].into()),
                turn: Turn::Nobody,
                timer: None,
            }));
        }
        self.begin(id, connect.properties, actions)
    }

    /// Begins an exchange; the connection is in none.
    fn begin(&mut self, id: ConnectionId, properties: Properties<'_>, actions: &mut Actions) -> Flow {
        if self.exchanges >= self.settings.limits.exchanges {
            return self.fail(id, ReasonCode::QuotaExceeded, CloseReason::QuotaExceeded, actions);
        }
        let Some(data) = self.data(properties) else {
            return self.fail_proof(id, actions);
        };
        let idle_timeout_ms = self.mqtt_settings(id).idle_timeout_ms;
        let authentication = self.authentication(id);
        let (method, is_established) = (authentication.method.clone(), authentication.greeting.is_none());
        authentication.turn = Turn::Asked;
        if is_established {
            // The CONNECT of the others still has its own deadline.
            let timer = self
                .timers
                .insert(self.now + idle_timeout_ms, Timer::Authentication(id));
            self.authentication(id).timer = Some(timer);
        }
        self.exchanges += 1;
        let step = Step::Begin { method, data };
        actions.asks.push(Ask { connection: id, step });
        Flow::Next
    }

    /// What a client sent for its method; `None` when it is more than is taken.
    fn data(&self, properties: Properties<'_>) -> Option<Bytes> {
        let data = properties.authentication_data().unwrap_or_default();
        (data.len() <= self.settings.limits.authentication_bytes).then(|| Bytes::copy_from_slice(data))
    }

    fn authentication(&mut self, id: ConnectionId) -> &mut Authentication {
        let connection = self
            .connections
            .get_mut(id)
            .expect("asked for a connection at hand");
        let authentication = connection.authentication.as_deref_mut();
        authentication.expect("it named a method")
    }

    /// A packet between CONNECT and CONNACK: only AUTH and DISCONNECT are allowed [MQTT-3.1.2-30].
    pub(super) fn packet_while_waiting(
        &mut self,
        id: ConnectionId,
        packet: &Packet<'_>,
        actions: &mut Actions,
    ) -> Flow {
        match packet {
            Packet::Auth(auth) => self.auth_packet(id, auth, actions),
            // There is no session yet, so no Will either.
            Packet::Disconnect(_) => self.close(id, CloseReason::Normal, String::new(), actions),
            Packet::Connect(_) => {
                let reason = CloseReason::ProtocolAlreadyConnected;
                self.turn_away(id, ReasonCode::ProtocolError, reason, actions)
            }
            Packet::ConnAck(_)
            | Packet::Publish(_)
            | Packet::PubAck(_)
            | Packet::PubRec(_)
            | Packet::PubRel(_)
            | Packet::PubComp(_)
            | Packet::Subscribe(_)
            | Packet::SubAck(_)
            | Packet::Unsubscribe(_)
            | Packet::UnsubAck(_)
            | Packet::PingReq
            | Packet::PingResp => {
                self.turn_away(id, ReasonCode::ProtocolError, CloseReason::ProtocolError, actions)
            }
        }
    }

    /// AUTH, before CONNACK or after.
    pub(super) fn auth_packet(&mut self, id: ConnectionId, auth: &Auth<'_>, actions: &mut Actions) -> Flow {
        let connection = self
            .connections
            .get(id)
            .expect("the packet is of a live connection");
        let is_let_in = connection.session.is_some();
        let Some(authentication) = &connection.authentication else {
            let detail = "AUTH without an authentication method [MQTT-4.12.0-7]".to_owned();
            return self.close(id, CloseReason::ProtocolError, detail, actions);
        };
        let is_same = auth.properties.authentication_method() == Some(&*authentication.method);
        let turn = authentication.turn;
        if is_same && auth.reason == ReasonCode::ContinueAuthentication && turn == Turn::Client {
            return self.go_on(id, auth.properties, actions);
        }
        if is_same && auth.reason == ReasonCode::ReAuthenticate && turn == Turn::Nobody && is_let_in {
            return self.begin(id, auth.properties, actions);
        }
        self.fail(id, ReasonCode::ProtocolError, CloseReason::ProtocolError, actions)
    }

    fn go_on(&mut self, id: ConnectionId, properties: Properties<'_>, actions: &mut Actions) -> Flow {
        let Some(data) = self.data(properties) else {
            return self.fail_proof(id, actions);
        };
        self.authentication(id).turn = Turn::Asked;
        let step = Step::Continue { data };
        actions.asks.push(Ask { connection: id, step });
        Flow::Next
    }

    /// The client has not proved who it is, or said too much.
    fn fail_proof(&mut self, id: ConnectionId, actions: &mut Actions) -> Flow {
        let (code, reason) = (ReasonCode::NotAuthorized, CloseReason::AuthenticationFailed);
        self.fail(id, code, reason, actions)
    }

    /// Ends a connection because of its exchange: before CONNACK with that, after it with DISCONNECT [MQTT-4.12.0-4].
    fn fail(
        &mut self,
        id: ConnectionId,
        code: ReasonCode,
        reason: CloseReason,
        actions: &mut Actions,
    ) -> Flow {
        if self.is_waiting(id) {
            self.turn_away(id, code, reason, actions)
        } else {
            self.close(id, reason, "authentication exchange".to_owned(), actions)
        }
    }

    /// Whoever was asked has answered.
    pub(crate) fn answered(&mut self, id: ConnectionId, answer: Answer, actions: &mut Actions) {
        let connection = self.connections.get(id);
        let authentication = connection.and_then(|connection| connection.authentication.as_deref());
        // The connection may have ended meanwhile.
        if authentication.is_none_or(|authentication| authentication.turn != Turn::Asked) {
            return;
        }
        match answer {
            Answer::Continue { data } => self.challenge(id, &data, actions),
            Answer::Accepted { username, data } => self.accepted(id, &username, &data, actions),
            Answer::Refused => {
                self.over(id);
                self.fail_proof(id, actions);
            }
            Answer::Busy => {
                self.over(id);
                self.fail(id, ReasonCode::ServerBusy, CloseReason::ServerBusy, actions);
            }
        }
    }

    /// It is the client's turn.
    fn challenge(&mut self, id: ConnectionId, data: &[u8], actions: &mut Actions) {
        let authentication = self.authentication(id);
        authentication.turn = Turn::Client;
        let mut properties = PropertyList::default();
        tell(&authentication.method, data, &mut properties);
        self.send_auth(id, ReasonCode::ContinueAuthentication, &properties, actions);
    }

    fn send_auth(
        &mut self,
        id: ConnectionId,
        reason: ReasonCode,
        properties: &PropertyList,
        actions: &mut Actions,
    ) {
        let properties = properties.as_properties();
        self.answer(id, &Packet::Auth(Auth { reason, properties }), actions);
    }

    /// The client is who it says.
    fn accepted(&mut self, id: ConnectionId, username: &str, data: &[u8], actions: &mut Actions) {
        self.over(id);
        let authentication = self.authentication(id);
        let (method, greeting) = (authentication.method.clone(), authentication.greeting.take());
        let proof = Proof {
            method: &method,
            username,
            data,
        };
        let Some(greeting) = greeting else {
            return self.accepted_again(id, &proof, actions);
        };
        let Ok(Decoded::Packet(Packet::Connect(connect), _)) = mqtt::decode(Version::V5, &greeting, u32::MAX)
        else {
            unreachable!("it was decoded when it arrived");
        };
        // One client, one name: rules go by it.
        if connect.username.is_some_and(|claimed| claimed != username) {
            let code = ReasonCode::BadUserNameOrPassword;
            self.turn_away(id, code, CloseReason::AuthenticationFailed, actions);
            return;
        }
        self.let_in(id, &connect, Some(proof), actions);
    }

    /// An established client has proved anew who it is; it cannot become somebody else (5.0 section 4.12.1).
    fn accepted_again(&mut self, id: ConnectionId, proof: &Proof<'_>, actions: &mut Actions) {
        let session = self.connections.get(id).and_then(|connection| connection.session);
        let session = session.and_then(|session| self.sessions.get(session));
        if session.and_then(|session| session.username.as_deref()) != Some(proof.username) {
            let detail = "another user than before".to_owned();
            self.close(id, CloseReason::AuthenticationFailed, detail, actions);
            return;
        }
        let mut properties = PropertyList::default();
        proof.tell(&mut properties);
        self.send_auth(id, ReasonCode::Success, &properties, actions);
    }

    /// An exchange is over for both sides.
    fn over(&mut self, id: ConnectionId) {
        self.exchanges -= 1;
        let authentication = self.authentication(id);
        authentication.turn = Turn::Nobody;
        let timer = authentication.timer.take();
        self.disarm(timer);
    }

    /// A connection is gone, and its exchange with it if it was in one.
    pub(crate) fn abandon(
        &mut self,
        id: ConnectionId,
        authentication: Option<&Authentication>,
        actions: &mut Actions,
    ) {
        if let Some(authentication) =
            authentication.filter(|authentication| authentication.turn != Turn::Nobody)
        {
            self.exchanges -= 1;
            self.disarm(authentication.timer);
            let step = Step::Abandon;
            actions.asks.push(Ask { connection: id, step });
        }
    }

    /// An established client did not end its exchange in time.
    pub(crate) fn authentication_due(&mut self, id: ConnectionId, actions: &mut Actions) {
        self.authentication(id).timer = None;
        let detail = "authentication took too long".to_owned();
        self.close(id, CloseReason::AuthenticationFailed, detail, actions);
    }
}
