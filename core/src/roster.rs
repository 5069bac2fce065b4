//! The operator's view of clients: copies, made when asked, never on the way of a message.

use crate::client::{Client, Held};
use crate::index::Subscription;
use crate::session::Session;
use crate::{Engine, Message, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Engine {
    /// Up to `limit` clients whose client id sorts after `after` and contains `like`, sorted by client id.
    pub fn clients(&self, after: Option<&str>, like: &str, limit: usize) -> Vec<Client> {
        let after = after.map(str::as_bytes);
        let like = memchr::memmem::Finder::new(like);
        let mut page = BTreeMap::new();
        for (_, session) in self.sessions.iter() {
            let name = &session.client_id[..];
            if after.is_some_and(|after| name <= after) || like.find(name).is_none() {
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

    /// What a client subscribes to, in the order of subscribing, groups last; `None` when there is no such client.
    pub fn subscriptions(&self, client_id: &str) -> Option<Vec<Held>> {
        let id = self.sessions.find(client_id.as_bytes())?;
        let session = self.sessions.get(id)?;
        let own = session.filters.iter().filter_map(|&filter| {
            let subscription = self.index.subscription(filter, id)?;
            Some(held(self.index.text(filter).to_owned(), subscription))
        });
        let shares = session.shares.iter().flat_map(|shares| shares.iter());
        let groups = shares.filter(|(_, share)| !share.name.is_exclusive());
        let groups = groups.map(|(_, share)| held(share.name.text(), &share.subscription));
        Some(own.chain(groups).collect())
    }

    /// The retained message of a topic that is at home here.
    pub fn retained_message(&self, topic: &str, now: Time) -> Option<Arc<Message>> {
        self.retained.find(topic.as_bytes(), now).cloned()
    }

    fn view(&self, session: &Session) -> Client {
        let connection = session.connection.and_then(|id| self.connections.get(id));
        let protocol = connection.map(|connection| self.protocol_of(connection));
        let (proto_name, proto_ver) = protocol.unwrap_or_else(|| ("MQTT".to_owned(), 0));
        Client {
            clientid: String::from_utf8_lossy(&session.client_id).into_owned(),
            username: session.username.as_deref().map(str::to_owned),
            connected: connection.is_some(),
            peer: connection.map(|connection| connection.peer),
            listener: connection.map_or_else(String::new, |c| self.listener(c.listener).name.clone()),
            proto_name,
            proto_ver,
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

fn held(topic: String, subscription: &Subscription) -> Held {
    Held {
        topic,
        qos: subscription.qos as u8,
        nl: subscription.no_local,
        rap: subscription.retain_as_published,
        rh: subscription.retain_handling as u8,
    }
}
