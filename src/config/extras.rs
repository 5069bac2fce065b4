//! The keys of what EMQX has beside the standard: `[broker]`, `[delayed]`, `[rewrite]`, `[auto_subscribe]` and
//! `[flapping_detect]`, under EMQX's names.
//!
//! As `schema.rs`: one row a key, the defaults are those of the structs of `core/`.

use super::check::{auto_subscribe, destination, expression, filter, rewrite};
use super::form::{Checked, Flag, Form, List, Or, Table, Text, Word, milliseconds, number, size};
use super::schema::QOS;
use super::section::section;
use ringwire_codec::mqtt::QoS;
use ringwire_core::settings::{
    AutoSubscribe, Broker, Delayed, Flapping, RewriteAction, RewriteRule, SharedStrategy, SysEvent,
};

const STRATEGY: Word<SharedStrategy> = Word(&[
    ("\"random\"", SharedStrategy::Random),
    ("\"round_robin\"", SharedStrategy::RoundRobin),
    ("\"sticky\"", SharedStrategy::Sticky),
    ("\"hash_clientid\"", SharedStrategy::HashClientId),
    ("\"hash_topic\"", SharedStrategy::HashTopic),
    ("\"local\"", SharedStrategy::Local),
]);
const EVENT: Word<SysEvent> = Word(&[
    ("\"client_connected\"", SysEvent::ClientConnected),
    ("\"client_disconnected\"", SysEvent::ClientDisconnected),
    ("\"client_subscribed\"", SysEvent::ClientSubscribed),
    ("\"client_unsubscribed\"", SysEvent::ClientUnsubscribed),
]);

section!(Broker {
    shared_subscription_strategy => shared_subscription_strategy: STRATEGY,
        "Which member of a $share group gets a message. local: one whose session lives on the publisher's shard, if any.";
    sys_msg_interval => sys_msg_interval_ms: Or("off", milliseconds(1_000..=86_400_000)),
        "How often $SYS/brokers/NODE/stats/... and metrics/... are published.";
    sys_heartbeat_interval => sys_heartbeat_interval_ms: Or("off", milliseconds(1_000..=86_400_000)),
        "How often $SYS/brokers/NODE/uptime and datetime are published.";
    sys_event_messages => sys_event_messages: List(EVENT),
        "Which events are published under $SYS/brokers/NODE/clients/CLIENTID/...";
});

section!(Delayed {
    enable => enable: Flag, "$delayed/SECONDS/TOPIC is published to TOPIC after SECONDS. false: such topics are refused.";
    max_delayed_messages => max_delayed_messages: number(0..=100_000_000),
        "Waiting on one shard. At it PUBACK 0x97, and QoS 0 is dropped.";
    max_delayed_bytes => max_delayed_bytes: size(0..=1 << 40), "Waiting on one shard. As for max_delayed_messages.";
});

section!(Flapping {
    enable => enable: Flag, "Bans a client id that comes and goes too often.";
    max_count => max_count: number(1..=1_000_000), "Disconnects within window_time.";
    window_time => window_time_ms: milliseconds(1_000..=86_400_000), "The time in which they are counted.";
    ban_time => ban_time_ms: milliseconds(1_000..=31_536_000_000), "For how long it is banned.";
});

/// `[rewrite]`
#[derive(Clone, Debug, Default)]
pub struct Rewrite {
    pub rules: Vec<RewriteRule>,
}

section!(Rewrite {
    rules => rules: List(Checked(Table(no_rule), rewrite)),
        "A topic that source_topic and re match becomes dest_topic; $1 is the first group, %c client id, %u username. The last \
         rule whose source_topic matches counts.";
});

fn no_rule() -> RewriteRule {
    RewriteRule {
        action: RewriteAction::All,
        source_topic: String::new(),
        re: String::new(),
        dest_topic: String::new(),
    }
}

const ACTION: Word<RewriteAction> = Word(&[
    ("\"publish\"", RewriteAction::Publish),
    ("\"subscribe\"", RewriteAction::Subscribe),
    ("\"all\"", RewriteAction::All),
]);

section!(RewriteRule {
    action => action: ACTION, "Where it applies.";
    source_topic => source_topic: Checked(Text, filter), "Filter of the topics it is about.";
    re => re: Checked(Text, expression), "Regular expression.";
    dest_topic => dest_topic: Checked(Text, destination), "What they become.";
});

/// `[auto_subscribe]`
#[derive(Clone, Debug, Default)]
pub struct AutoSubscriptions {
    pub topics: Vec<AutoSubscribe>,
}

section!(AutoSubscriptions {
    topics => topics: List(Checked(Table(no_topic), auto_subscribe)),
        "What every MQTT client is subscribed to when it connects; %c client id, %u username.";
});

fn no_topic() -> AutoSubscribe {
    AutoSubscribe {
        topic: String::new(),
        qos: QoS::AtMostOnce,
        rh: 0,
        rap: false,
        nl: false,
    }
}

section!(AutoSubscribe {
    topic => topic: Checked(Text, filter), "Filter.";
    qos => qos: QOS, "As in SUBSCRIBE.";
    rh => rh: number(0..=2), "Retain Handling.";
    rap => rap: Flag, "Retain As Published.";
    nl => nl: Flag, "No Local.";
});
