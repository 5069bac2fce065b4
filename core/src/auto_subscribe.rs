//! Auto-subscribe: filters of the configuration that every MQTT client is subscribed to when it connects.
//!
//! After CONNACK, as if the client had sent SUBSCRIBE: access rules, limits and rewrite rules hold. What a rule forbids, or
//! what needs a username of a client without one, is left out, counted and noted. A client id or username with a wildcard
//! is not put into a filter: nobody gets more than its name by choosing it. Private devices have their dn topic instead.

use crate::connection::Wire;
use crate::placeholder::template::{Template, Values};
use crate::settings::AutoSubscribe;
use crate::share::Grant;
use crate::{Actions, ConnectionId, DropReason, Engine, SessionId};
use ringwire_codec::mqtt::{RetainHandling, SubscribeFilter, SubscriptionOptions};
use ringwire_codec::topic;
use smallvec::SmallVec;

/// One of the filters.
#[derive(Clone, Debug)]
pub(crate) struct AutoSubscription {
    filter: Template,
    /// As it is written, for notes.
    text: String,
    options: SubscriptionOptions,
}

impl AutoSubscription {
    /// As the configuration has it.
    pub(crate) fn new(row: &AutoSubscribe) -> Self {
        Self {
            filter: Template::parse(&row.topic),
            text: row.topic.clone(),
            options: SubscriptionOptions {
                qos: row.qos,
                no_local: row.nl,
                retain_as_published: row.rap,
                retain_handling: match row.rh {
                    0 => RetainHandling::Send,
                    1 => RetainHandling::SendIfNew,
                    2.. => RetainHandling::DoNotSend,
                },
            },
        }
    }

    /// What a client of this version is given: before 5.0 there is only the QoS.
    fn options_for(&self, wire: Wire) -> SubscriptionOptions {
        match wire {
            Wire::V5 => self.options,
            Wire::Greeting | Wire::V31 | Wire::V311 | Wire::Device => SubscriptionOptions {
                qos: self.options.qos,
                no_local: false,
                retain_as_published: false,
                retain_handling: RetainHandling::Send,
            },
        }
    }
}

impl Engine {
    /// Subscribes a client that was just told that it is connected.
    pub(crate) fn auto_subscribe(&mut self, id: ConnectionId, session: SessionId, actions: &mut Actions) {
        if self.auto_subscriptions.is_empty() {
            return;
        }
        let rows = self.auto_subscriptions.clone();
        let mut recalls = SmallVec::<[_; 4]>::new();
        for row in rows.iter() {
            let Some(connection) = self.connections.get(id) else {
                return;
            };
            let options = row.options_for(connection.wire);
            let Some(filter) = self.filled(row, session) else {
                self.dropped(session, DropReason::SubscribeNotAuthorized, &row.text, actions);
                continue;
            };
            let entry = SubscribeFilter {
                filter: &filter,
                options,
            };
            match self.subscribe_unasked(id, session, &entry, actions) {
                Ok(Grant::Now(_, recall)) => recalls.extend(recall),
                // Nobody waits for what the home of a group says.
                Ok(Grant::Asked(..)) => {}
                Err(_) => self.dropped(session, DropReason::SubscribeNotAuthorized, &filter, actions),
            }
        }
        self.recall_all(id, session, &recalls, actions);
    }

    /// The filter of a row for one client.
    fn filled(&self, row: &AutoSubscription, session: SessionId) -> Option<String> {
        let values = self.values(self.sessions.get(session)?);
        let harmless = |name: &&str| !topic::has_wildcard(name);
        let values = Values {
            client_id: values.client_id.filter(harmless),
            username: values.username.filter(harmless),
            ..values
        };
        row.filter.fill(values, |_| None)
    }
}
