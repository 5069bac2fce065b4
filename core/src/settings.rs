//! What an engine is told at start. Read from the configuration by `src/`; the same on every shard but for `shard`.

use crate::access::Access;
use crate::limits::Limits;
use ringwire_codec::adapter::Blueprint;
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::mqtt::QoS;
use std::sync::Arc;

pub use crate::connection::device::up::names_in_braces;

/// An engine's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards the node has, 1 to `interest::SHARDS_MAX`.
    pub shards: u16,
    /// Key of the placement hash; kept with the data.
    pub placement_key: [u64; 2],
    /// Seed of every hasher and of assigned client ids; random in production, the simulation's seed in tests.
    pub seed: u64,
    /// The node's name, a level of its topics under `$SYS`.
    pub node: String,
    /// What is known when the node starts.
    pub start: Start,
    /// Listeners, by `ListenerId`.
    pub listeners: Vec<Listener>,
    /// Limits for all listeners.
    pub limits: Limits,
    /// Who may connect, publish and subscribe.
    pub access: Access,
    /// What holds for the whole node.
    pub broker: Broker,
    /// `$delayed/SECONDS/TOPIC`.
    pub delayed: Delayed,
    /// Topics that are read as others, in order.
    pub rewrite: Vec<RewriteRule>,
    /// What every client is subscribed to when it connects.
    pub auto_subscribe: Vec<AutoSubscribe>,
    /// Clients that come and go too often.
    pub flapping: Flapping,
}

impl Default for Settings {
    /// One shard without a listener; for tests, mostly, which say what matters to them.
    fn default() -> Self {
        Self {
            shards: 1,
            placement_key: [0; 2],
            seed: 0,
            node: "ringwire".to_owned(),
            start: Start::default(),
            listeners: Vec::new(),
            limits: Limits::default(),
            access: Access::default(),
            broker: Broker::default(),
            delayed: Delayed::default(),
            rewrite: Vec::new(),
            auto_subscribe: Vec::new(),
            flapping: Flapping::default(),
        }
    }
}

/// What is known only when the node starts; for what is told and shown, not for decisions on a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The time of day at `Time::ZERO`, in milliseconds since 1970.
    pub unix_ms: u64,
    /// The port that each listener got, by `ListenerId`.
    pub ports: Vec<u16>,
}

/// What is spoken on a listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The name in configuration, logs and metrics.
    pub name: String,
    /// Connections at a time on one shard; beyond it a new one is closed, reason `quota_exceeded`.
    pub max_connections: usize,
    /// The protocol with its own settings.
    pub protocol: Protocol,
}

/// A protocol and its settings.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Protocol {
    Mqtt(Mqtt),
    Device(Device),
}

/// Settings of an MQTT listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Milliseconds from accept to a whole CONNECT; an absolute deadline.
    pub idle_timeout_ms: u64,
    /// Bytes of a whole packet, both ways; also the Maximum Packet Size that CONNACK names.
    pub max_packet_size: u32,
    /// Seconds; a longer (or no) Keep Alive is replaced for 5.0 by Server Keep Alive. 0: clients choose freely.
    pub max_keepalive_s: u16,
    /// Seconds a session of a 3.x client with Clean Session 0 is kept, and the cap for 5.0 clients.
    pub session_expiry_s: u32,
    /// Bytes of a client id; longer: CONNACK 0x85.
    pub max_clientid_len: usize,
    /// Seconds of keep alive that 5.0 clients are given, whatever they ask for (Server Keep Alive); `None`: their own.
    pub server_keepalive_s: Option<u16>,
    /// Topic aliases that a client may set (Topic Alias Maximum of CONNACK); an alias above it: DISCONNECT 0x94.
    pub max_topic_alias: u16,
    /// Topic aliases that the server sets at most for a client that allows them.
    pub max_topic_alias_broker: u16,
    /// The highest QoS of a publish (Maximum QoS); a higher one: DISCONNECT 0x9B, a Will's: CONNACK 0x9B. Subscriptions are
    /// granted at most this.
    pub max_qos_allowed: QoS,
    /// Retained messages are kept (Retain Available); if not, a publish with RETAIN: DISCONNECT 0x9A, a Will's: CONNACK 0x9A.
    pub retain_available: bool,
    /// Filters may have wildcards; if not: SUBACK 0xA2.
    pub wildcard_subscription: bool,
    /// `$share/GROUP/FILTER` and `$queue/FILTER`; if not: SUBACK 0x9E.
    pub shared_subscription: bool,
    /// `$exclusive/TOPIC`; if not: SUBACK 0x8F.
    pub exclusive_subscription: bool,
    /// SUBSCRIBE may carry a Subscription Identifier; if not: DISCONNECT 0xA1.
    pub subscription_identifiers: bool,
    /// A payload that is said to be UTF-8 is checked: PUBACK or PUBREC 0x99, at QoS 0 DISCONNECT 0x99.
    pub check_payload_format: bool,
    /// What CONNACK says to a client that asks for Response Information; `%c` client id, `%u` username. Empty: nothing.
    pub response_information: String,
    /// Limits that CONNACK names where they differ from the standard's defaults.
    pub announce: Vec<Announced>,
}

/// A limit that CONNACK can name (5.0 section 3.2.2.3). One that is not named holds all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Announced {
    ReceiveMaximum,
    MaximumPacketSize,
    TopicAliasMaximum,
    MaximumQoS,
    RetainAvailable,
    WildcardSubscription,
    SharedSubscription,
    SubscriptionIdentifiers,
}

impl Announced {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ReceiveMaximum,
        Self::MaximumPacketSize,
        Self::TopicAliasMaximum,
        Self::MaximumQoS,
        Self::RetainAvailable,
        Self::WildcardSubscription,
        Self::SharedSubscription,
        Self::SubscriptionIdentifiers,
    ];
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            idle_timeout_ms: 15_000,
            max_packet_size: 1 << 20,
            max_keepalive_s: 0,
            session_expiry_s: 7_200,
            max_clientid_len: 1_024,
            server_keepalive_s: None,
            max_topic_alias: 64,
            max_topic_alias_broker: 16,
            max_qos_allowed: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription: true,
            shared_subscription: true,
            exclusive_subscription: true,
            subscription_identifiers: true,
            check_payload_format: false,
            response_information: String::new(),
            announce: Announced::ALL.to_vec(),
        }
    }
}

/// What holds for the whole node. EMQX's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Which member of a shared subscription gets a message.
    pub shared_subscription_strategy: SharedStrategy,
    /// Milliseconds between two rounds of `$SYS/brokers/NODE/stats/...` and `metrics/...`; `None`: never.
    pub sys_msg_interval_ms: Option<u64>,
    /// Milliseconds between two of `$SYS/brokers/NODE/uptime` and `datetime`; `None`: never.
    pub sys_heartbeat_interval_ms: Option<u64>,
    /// Events of clients that are told under `$SYS/brokers/NODE/clients/...`.
    pub sys_event_messages: Vec<SysEvent>,
}

/// An event of a client that `$SYS` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SysEvent {
    ClientConnected,
    ClientDisconnected,
    ClientSubscribed,
    ClientUnsubscribed,
}

/// Which member of a shared subscription gets a message. Members with a connection always come before those without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SharedStrategy {
    Random,
    RoundRobin,
    /// The same one until it leaves.
    Sticky,
    /// By the publisher's client id.
    HashClientId,
    HashTopic,
    /// One that lives on the publisher's shard, if there is one.
    Local,
}

impl SharedStrategy {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Random,
        Self::RoundRobin,
        Self::Sticky,
        Self::HashClientId,
        Self::HashTopic,
        Self::Local,
    ];
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            shared_subscription_strategy: SharedStrategy::RoundRobin,
            sys_msg_interval_ms: Some(60_000),
            sys_heartbeat_interval_ms: Some(30_000),
            sys_event_messages: vec![SysEvent::ClientConnected, SysEvent::ClientDisconnected],
        }
    }
}

/// `$delayed/SECONDS/TOPIC`: a publish that waits. EMQX's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delayed {
    /// If not, such topics are refused.
    pub enable: bool,
    /// Messages that wait on one shard. At it PUBACK 0x97, and QoS 0 is dropped.
    pub max_delayed_messages: usize,
    /// Bytes that wait on one shard. As for `max_delayed_messages`.
    pub max_delayed_bytes: usize,
}

impl Default for Delayed {
    fn default() -> Self {
        Self {
            enable: true,
            max_delayed_messages: 100_000,
            max_delayed_bytes: 64 << 20,
        }
    }
}

/// A topic that is read as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewriteRule {
    /// Where it applies.
    pub action: RewriteAction,
    /// Filter of the topics it is about.
    pub source_topic: String,
    /// Regular expression that such a topic must match.
    pub re: String,
    /// What it becomes: `$1` is the first group, `%c` the client id, `%u` the username.
    pub dest_topic: String,
}

/// Where a rewrite rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RewriteAction {
    Publish,
    Subscribe,
    All,
}

/// A subscription that every client is given when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AutoSubscribe {
    /// Filter, with `%c` and `%u`.
    pub topic: String,
    /// QoS that it is granted.
    pub qos: QoS,
    /// Retain Handling, 0 to 2.
    pub rh: u8,
    /// Retain As Published.
    pub rap: bool,
    /// No Local.
    pub nl: bool,
}

/// Clients that come and go too often are banned for a while. EMQX's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// Whether they are.
    pub enable: bool,
    /// Disconnects within `window_time_ms`.
    pub max_count: u32,
    /// Milliseconds.
    pub window_time_ms: u64,
    /// Milliseconds.
    pub ban_time_ms: u64,
}

impl Default for Flapping {
    fn default() -> Self {
        Self {
            enable: false,
            max_count: 15,
            window_time_ms: 60_000,
            ban_time_ms: 300_000,
        }
    }
}

/// Settings of a listener for devices with a private protocol: the keys of `emqx-tcp` and ours.
#[derive(Clone, Debug)]
pub struct Device {
    /// What the devices speak.
    pub adapter: Arc<dyn Blueprint>,
    /// Milliseconds from accept to a whole CONNECT; an absolute deadline.
    pub idle_timeout_ms: u64,
    /// `%c` client id, `%u` username, `{NAME}` a field of the adapter.
    pub up_topic: String,
    /// As `up_topic`; empty: no subscription.
    pub dn_topic: String,
    /// A `/` is allowed in a client id, and in what stands for a field of an up topic.
    pub allow_slash: bool,
    /// Bytes of a client id, and of a username that a topic has; longer ones are refused. Every message carries them in its
    /// topic, however short its frame is.
    pub max_clientid_len: usize,
    /// Put before each client id, for a namespace apart from MQTT's; `%c`, rules and the client list have it too. Empty:
    /// one namespace.
    pub client_id_prefix: String,
    /// Seconds; caps what devices ask for. 0: no cap.
    pub max_keepalive_s: u16,
    /// Seconds; imposed on devices that ask for none. 0: none imposed.
    pub default_keepalive_s: u16,
    /// QoS of an up publish.
    pub up_qos: QoS,
    /// RETAIN of an up publish.
    pub up_retain: bool,
    /// QoS of the dn subscription.
    pub dn_qos: QoS,
    /// Seconds a session is kept after a device goes; 0: clean start, ended at disconnect.
    pub session_expiry_s: u32,
    /// What happens when a device is slower than its messages.
    pub overflow: Overflow,
    /// What happens to the connection when an access rule forbids an up message.
    pub acl_deny_action: AclDenyAction,
    /// Milliseconds after which a message that the device should acknowledge, and has not, is sent again; for protocols that
    /// have acknowledgements. At least 1.
    pub retry_interval_ms: u64,
    /// How often it is sent again before it is dropped, reason `delivery.dropped.not_acknowledged`.
    pub retry_max: u8,
}

/// What gives way when a device's queue is full. One that came back to messages that waited is not disconnected before they
/// are sent: until then its oldest messages are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Overflow {
    DropOldest,
    DropNewest,
    Disconnect,
}

/// What happens to a connection whose message an access rule forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AclDenyAction {
    Ignore,
    Disconnect,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            adapter: Arc::new(EmqTcp::default()),
            idle_timeout_ms: 15_000,
            up_topic: "tcp/%c/up".to_owned(),
            dn_topic: "tcp/%c/dn".to_owned(),
            allow_slash: false,
            max_clientid_len: 1_024,
            client_id_prefix: String::new(),
            max_keepalive_s: 0,
            default_keepalive_s: 0,
            up_qos: QoS::AtMostOnce,
            up_retain: false,
            dn_qos: QoS::AtMostOnce,
            session_expiry_s: 0,
            overflow: Overflow::DropOldest,
            acl_deny_action: AclDenyAction::Ignore,
            retry_interval_ms: 8_000,
            retry_max: 3,
        }
    }
}
