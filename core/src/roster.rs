//! The operator's view of clients: copies, made when asked, never on the way of a message.

use crate::client::Client;
use crate::connection::Wire;
use crate::session::Session;
use crate::{Engine, Time};
use std::collections::BTreeMap;

impl Engine {
    /// Up to `limit` clients whose client id sorts after `after`, sorted by client id.
    pub fn clients(&self, after: Option<&str>, limit: usize) -> Vec<Client> {
        let after = after.map(str::as_bytes);
        let mut page = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let name = &session.client_id[..];
            if after.is_some_and(|after| name <= after) {
                continue;
            }
            page.insert(name, session);
            if page.len() > limit {
                page.pop_last();
            }
        }
        page.into_values().map(|session| self.view(session)).collect()
    }

    /// One client.
    pub fn client(&self, client_id: &str) -> Option<Client> {
        let id = self.sessions.find(client_id.as_bytes())?;
        self.sessions.get(id).map(|session| self.view(session))
    }

    fn view(&self, session: &Session) -> Client {
        let connection = session.connection.and_then(|id| self.connections.get(id));
        let wire = connection.map_or(Wire::Greeting, |connection| connection.wire);
        Client {
            clientid: String::from_utf8_lossy(&session.client_id).into_owned(),
            username: session.username.as_deref().map(str::to_owned),
            connected: connection.is_some(),
            peer: connection.map(|connection| connection.peer),
            listener: connection.map_or_else(String::new, |c| self.listener(c.listener).name.clone()),
            proto_name: wire.protocol(),
            proto_ver: wire.number(),
            keepalive: connection.map_or(0, |connection| connection.keepalive_s),
            clean_start: session.clean_start,
            expiry_interval: session.expiry_s,
            connected_at_ms: connection
                .map_or(Time::ZERO, |connection| connection.opened)
                .as_millis(),
            subscriptions_cnt: session.filters.len()
                + session.shares.as_ref().map_or(0, |shares| shares.shared()),
            inflight_cnt: session.window.as_ref().map_or(0, |window| window.len()),
            mqueue_len: session.queue.as_ref().map_or(0, |queue| queue.len()),
            mqueue_dropped: session.dropped,
            recv_msg: connection.map_or(0, |connection| connection.received),
            send_msg: connection.map_or(0, |connection| connection.sent),
            shard: self.shard.0,
        }
    }
}
