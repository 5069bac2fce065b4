//! What the node tells of its clients under `$SYS/brokers/NODE/clients/CLIENTID/`: connected, disconnected, subscribed,
//! unsubscribed, as JSON with EMQX's fields.
//!
//! Made when it happens, and only while somebody on the node subscribes to a `$SYS` filter; sent when the input at hand is
//! done, so that nothing comes before a CONNACK or amid the delivery of another message. Never one a message, which is why
//! a JSON crate is good enough here. A client id that no topic can hold (`+`, `#`) has no events.

use crate::connection::Connection;
use crate::index::Subscription;
use crate::message::Parts;
use crate::session::Session;
use crate::session::frame::News;
use crate::settings::SysEvent;
use crate::{Actions, CloseReason, ConnectionId, Engine, Message, SessionId};
use ringwire_codec::mqtt::QoS;
use ringwire_codec::topic;
use serde_json::{Value, json};
use std::sync::Arc;

impl Engine {
    /// Whether anybody would hear of an event.
    fn is_told(&self, event: SysEvent) -> bool {
        self.interest.is_system_heard() && self.settings.broker.sys_event_messages.contains(&event)
    }

    /// A client was accepted.
    pub(crate) fn tell_connected(&mut self, id: ConnectionId, session: SessionId) {
        if !self.is_told(SysEvent::ClientConnected) {
            return;
        }
        let (Some(connection), Some(session)) = (self.connections.get(id), self.sessions.get(session)) else {
            return;
        };
        let mut fields = self.about_client(session, connection);
        fields["keepalive"] = connection.keepalive_s.into();
        fields["clean_start"] = session.clean_start.into();
        fields["expiry_interval"] = session.expiry_s.into();
        fields["connack"] = 0.into();
        self.events.extend(self.event(session, "connected", &fields));
    }

    /// An accepted client is gone: its session, and what its connection was.
    pub(crate) fn tell_disconnected(&mut self, id: SessionId, connection: &Connection, reason: CloseReason) {
        if !self.is_told(SysEvent::ClientDisconnected) {
            return;
        }
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let mut fields = self.about_client(session, connection);
        fields["reason"] = reason.name().into();
        fields["disconnected_at"] = self.unix_ms().into();
        self.events.extend(self.event(session, "disconnected", &fields));
    }

    /// A client has a subscription, new or changed.
    pub(crate) fn tell_subscribed(&mut self, id: SessionId, filter: &str, to: &Subscription, is_new: bool) {
        if !self.is_told(SysEvent::ClientSubscribed) {
            return;
        }
        let Some(session) = self.sessions.get(id) else {
            return;
        };
        let mut fields = self.about_filter(session, filter);
        fields["subopts"] = json!({
            "qos": to.qos as u8,
            "rh": to.retain_handling as u8,
            "rap": u8::from(to.retain_as_published),
            "nl": u8::from(to.no_local),
            "is_new": is_new,
        });
        self.events.extend(self.event(session, "subscribed", &fields));
    }

    /// A client has ended a subscription.
    pub(crate) fn tell_unsubscribed(&mut self, id: SessionId, filter: &str) {
        if !self.is_told(SysEvent::ClientUnsubscribed) {
            return;
        }
        if let Some(session) = self.sessions.get(id) {
            let fields = self.about_filter(session, filter);
            self.events.extend(self.event(session, "unsubscribed", &fields));
        }
    }

    fn about_filter(&self, session: &Session, filter: &str) -> Value {
        json!({
            "clientid": String::from_utf8_lossy(&session.client_id),
            "username": session.username,
            "protocol": protocol(session),
            "topic": filter,
            "ts": self.unix_ms(),
        })
    }

    fn about_client(&self, session: &Session, connection: &Connection) -> Value {
        let start = &self.settings.start;
        let (proto_name, proto_ver) = self.protocol_of(connection);
        json!({
            "clientid": String::from_utf8_lossy(&session.client_id),
            "username": session.username,
            "ipaddress": connection.peer.ip().to_string(),
            "sockport": start.ports.get(connection.listener.index()),
            "protocol": protocol(session),
            "proto_name": proto_name,
            "proto_ver": proto_ver,
            "connected_at": start.unix_ms + connection.opened.as_millis(),
            "ts": self.unix_ms(),
        })
    }

    fn event(&self, session: &Session, event: &str, fields: &Value) -> Option<Arc<Message>> {
        let client_id = String::from_utf8_lossy(&session.client_id);
        let topic = format!("$SYS/brokers/{}/clients/{client_id}/{event}", self.settings.node);
        if !topic::is_valid_name(&topic) || topic::level_count(&topic) > self.settings.limits.topic_levels {
            return None;
        }
        Some(Arc::new(Message::new(Parts {
            topic: &topic,
            payload: fields.to_string().as_bytes(),
            properties: &[],
            publisher: &[],
            qos: QoS::AtMostOnce,
            retain: false,
        })))
    }

    /// Sends what was told during the input at hand.
    pub(crate) fn send_events(&mut self, actions: &mut Actions) {
        // A device that is closed for being slow is told of too, so the list may grow meanwhile.
        while !self.events.is_empty() {
            for message in std::mem::take(&mut self.events) {
                let now = self.now;
                self.route_always(None, &mut News::shared(&message, now), actions);
            }
        }
    }

    /// The time of day in milliseconds since 1970.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.settings.start.unix_ms + self.now.as_millis()
    }
}

fn protocol(session: &Session) -> &'static str {
    match session.device {
        None => "mqtt",
        Some(_) => "private-tcp",
    }
}
