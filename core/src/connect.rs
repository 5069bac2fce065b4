//! How a connection begins: opened, adopted, handed over; and how its client id gets its session.
//!
//! The protocol adapters decode the greeting and write the answer; everything that is the same for all protocols is
//! here: placement, credentials, limits, take-over, clean start, resume.

use crate::SessionId;
use crate::access::Verdict;
use crate::connection::{Connection, Wire};
use crate::session::Session;
use crate::settings::{Overflow, Protocol};
use crate::will::Will;
use crate::{
    Actions, Adoption, CloseReason, ConnectionId, Engine, HandOver, ListenerId, Note, ShardId, Time,
};
use bytes::Bytes;
use ringwire_codec::adapter::Peer;
use std::net::SocketAddr;

/// Milliseconds that a connection from a banned address has for its greeting.
const BANNED_IDLE_MS: u64 = 1_000;

/// What a client asks for when it connects, in any protocol.
#[derive(Debug)]
pub(crate) struct Greeting<'a> {
    pub(crate) wire: Wire,
    /// Not empty: an assigned one stands here already.
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    /// The username was proved by enhanced authentication: no password is asked for.
    pub(crate) is_proved: bool,
    pub(crate) clean_start: bool,
    /// Seconds, already capped.
    pub(crate) expiry_s: u32,
    /// Seconds, as it will be enforced.
    pub(crate) keepalive_s: u16,
    pub(crate) will: Option<Box<Will>>,
    /// QoS 1/2 publishes that may be on their way to the client.
    pub(crate) window_max: u16,
    /// Bytes of a packet to the client.
    pub(crate) packet_size_max: u32,
    /// `Some` for a private device: what gives way when its queue is full.
    pub(crate) device: Option<Overflow>,
}

/// Why a client is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Wrong credentials.
    BadCredentials,
    /// None, where some are needed.
    NotAuthorized,
    /// No room for another session.
    QuotaExceeded,
    /// Its client id, username or address is banned.
    Banned,
}

impl Engine {
    /// A socket was accepted.
    pub(crate) fn open(
        &mut self,
        id: ConnectionId,
        listener: ListenerId,
        peer: SocketAddr,
        opened: Time,
        actions: &mut Actions,
    ) {
        let mut connection = Connection::new(id.generation, listener, peer, opened);
        // No listener has TLS yet, so nobody shows a certificate.
        let other_end = Peer {
            address: peer,
            certificate: None,
        };
        connection.speech = self.adapters.open(listener, other_end);
        self.connections.insert(id, connection);
        self.on_listener[listener.index()] += 1;
        if self.draining {
            self.close(id, CloseReason::ServerShuttingDown, String::new(), actions);
            return;
        }
        let max = self.listener(listener).max_connections;
        if self.on_listener[listener.index()] > max {
            let detail = format!("{max} connections on this listener and shard");
            self.close(id, CloseReason::QuotaExceeded, detail, actions);
            return;
        }
        let idle_timeout_ms = match &self.listener(listener).protocol {
            Protocol::Mqtt(mqtt) => mqtt.idle_timeout_ms,
            Protocol::Device(device) => device.idle_timeout_ms,
        };
        // It is told that it is banned if it says something; nobody waits for it.
        let idle_timeout_ms = match self.is_host_banned(id) {
            true => idle_timeout_ms.min(BANNED_IDLE_MS),
            false => idle_timeout_ms,
        };
        self.arm(id, opened + idle_timeout_ms);
    }

    /// Another shard handed a connection over; its greeting is decoded again.
    pub(crate) fn adopt(&mut self, id: ConnectionId, adoption: Adoption, actions: &mut Actions) {
        self.open(id, adoption.listener, adoption.peer, adoption.opened, actions);
        if self.connections.get(id).is_some() {
            self.received(id, &adoption.received, actions);
        }
    }

    /// The home of a client id is elsewhere: everything received so far goes there, nothing was acted upon.
    pub(crate) fn hand_over(
        &mut self,
        id: ConnectionId,
        to: ShardId,
        received: &[u8],
        actions: &mut Actions,
    ) {
        assert!(to != self.shard, "a hand-over changes the shard");
        let Some(connection) = self.connections.remove(id) else {
            return;
        };
        self.disarm(connection.timer);
        if let Some(speech) = connection.speech {
            self.adapters.close(speech);
        }
        self.on_listener[connection.listener.index()] -= 1;
        self.stats.client_handed_over += 1;
        actions.hand_overs.push(HandOver {
            connection: id,
            to,
            adoption: Adoption {
                listener: connection.listener,
                peer: connection.peer,
                opened: connection.opened,
                received: Bytes::copy_from_slice(received),
            },
        });
    }

    /// A client id that is at home here and that nobody has.
    pub(crate) fn assign_client_id(&mut self) -> String {
        loop {
            let name = format!("ringwire-{:016x}", self.random());
            if self.placement.home(name.as_bytes()) == self.shard
                && self.sessions.find(name.as_bytes()).is_none()
            {
                return name;
            }
        }
    }

    /// Lets a client in: credentials, take-over, clean start or resume. True when a kept session goes on.
    /// Deliveries that wait are sent by `pump`, after the adapter has written its answer.
    pub(crate) fn admit(
        &mut self,
        id: ConnectionId,
        greeting: Greeting<'_>,
        actions: &mut Actions,
    ) -> Result<bool, Refusal> {
        self.stats.client_connect += 1;
        if self.are_names_banned(greeting.client_id, greeting.username) {
            return Err(Refusal::Banned);
        }
        let access = &self.settings.access;
        let verdict = match greeting.is_proved {
            true => Verdict::Accepted,
            false => access.authenticate(greeting.username, greeting.password),
        };
        match verdict {
            Verdict::Accepted => {}
            Verdict::BadCredentials => return Err(Refusal::BadCredentials),
            Verdict::NotAuthorized => return Err(Refusal::NotAuthorized),
        }
        let found = self.sessions.find(greeting.client_id.as_bytes());
        if found.is_none() && self.sessions.len() >= self.settings.limits.sessions {
            return Err(Refusal::QuotaExceeded);
        }
        if (greeting.will.as_ref()).is_some_and(|will| !self.has_room_for(will)) {
            return Err(Refusal::QuotaExceeded);
        }
        let kept = match found {
            Some(session) => self.take_over(session, &greeting, actions)?,
            None => None,
        };
        let session = match kept {
            Some(session) => {
                self.stats.session_resumed += 1;
                session
            }
            None => {
                self.stats.session_created += 1;
                let client_id = greeting.client_id.as_bytes().into();
                self.sessions.insert(Session::new(client_id))
            }
        };
        self.attach(id, session, greeting, kept.is_some(), actions);
        Ok(kept.is_some())
    }

    /// Ends what holds the session now; what is left of it after that and the clean start. An error if that was one take-over
    /// too many: whoever flaps is banned, the one who comes as well as the one who was there.
    fn take_over(
        &mut self,
        id: SessionId,
        greeting: &Greeting<'_>,
        actions: &mut Actions,
    ) -> Result<Option<SessionId>, Refusal> {
        let session = self.sessions.get_mut(id).expect("the caller found it");
        // A device knows nothing of an MQTT session's packet ids, nor a client of a device's subscription.
        let clean_start = greeting.clean_start || session.device.is_some() != greeting.device.is_some();
        if let Some(older) = session.connection {
            self.stats.session_takenover += 1;
            self.close(older, CloseReason::TakenOver, String::new(), actions);
            if self.are_names_banned(greeting.client_id, greeting.username) {
                return Err(Refusal::Banned);
            }
        }
        if clean_start && self.sessions.get(id).is_some() {
            // Its will is due at once (5.0 section 3.1.3.2.2).
            self.end_session(id, actions);
        }
        let Some(session) = self.sessions.get_mut(id) else {
            return Ok(None);
        };
        // A resumed session has no will that waits, nor an end.
        session.ends_at = None;
        self.leave_will(id, None);
        self.arm_session(id);
        Ok(Some(id))
    }

    /// Ties connection and session together.
    fn attach(
        &mut self,
        id: ConnectionId,
        session_id: SessionId,
        greeting: Greeting<'_>,
        session_present: bool,
        actions: &mut Actions,
    ) {
        let session = self.sessions.get_mut(session_id).expect("found or made just now");
        session.connection = Some(id);
        session.username = greeting.username.map(Into::into);
        session.clean_start = greeting.clean_start;
        session.expiry_s = greeting.expiry_s;
        session.device = greeting.device;
        session.catches_up = session.queue.is_some();
        self.leave_will(session_id, greeting.will);
        let connection = self.connections.get_mut(id).expect("it is just connecting");
        connection.session = Some(session_id);
        connection.wire = greeting.wire;
        connection.keepalive_s = greeting.keepalive_s;
        connection.window_max = greeting.window_max;
        connection.packet_size_max = greeting.packet_size_max;
        self.stats.client_connected += 1;
        let (peer, listener, speech) = (connection.peer, connection.listener, connection.speech);
        let protocol = match speech {
            None => greeting.wire.name().to_owned(),
            Some(speech) => self.adapters.look(speech).title(),
        };
        actions.note(Note::Connected {
            client_id: greeting.client_id.to_owned(),
            peer,
            listener,
            protocol,
            session_present,
        });
        self.arm_keepalive(id);
        self.slow_again(id, greeting.client_id.as_bytes());
        if session_present {
            self.stand_in_groups(session_id, actions);
        }
        self.tell_connected(id, session_id);
    }
}
