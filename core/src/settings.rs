//! What an engine is told at start. Read from the configuration by `src/`; the same on every shard but for `shard`.

use crate::access::Access;
use crate::limits::Limits;
use ringwire_codec::mqtt::QoS;

/// An engine's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many shards the node has, 1 to `interest::SHARDS_MAX`.
    pub shards: u16,
    /// Key of the placement hash; kept with the data.
    pub placement_key: [u64; 2],
    /// Seed of every hasher and of assigned client ids; random in production, the simulation's seed in tests.
    pub seed: u64,
    /// Listeners, by `ListenerId`.
    pub listeners: Vec<Listener>,
    /// Limits for all listeners.
    pub limits: Limits,
    /// Who may connect, publish and subscribe.
    pub access: Access,
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
    PrivateTcp(PrivateTcp),
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
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            idle_timeout_ms: 15_000,
            max_packet_size: 1 << 20,
            max_keepalive_s: 0,
            session_expiry_s: 7_200,
            max_clientid_len: 1_024,
        }
    }
}

/// Settings of a private TCP listener: the keys of `emqx-tcp` and ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateTcp {
    /// Milliseconds from accept to a whole CONNECT; an absolute deadline.
    pub idle_timeout_ms: u64,
    /// `%c` client id, `%u` username.
    pub up_topic: String,
    /// As `up_topic`; empty: no subscription.
    pub dn_topic: String,
    /// Payload bytes, up to 65,535.
    pub max_packet_size: usize,
    /// Takes `0x10` as CONNECT too.
    pub accept_version_0: bool,
    /// Non-zero flags on DATATRANS, PING and DISCONNECT close.
    pub strict: bool,
    /// A `/` in a client id is allowed.
    pub allow_slash: bool,
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
}

/// What gives way when a device's queue is full.
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

impl Default for PrivateTcp {
    fn default() -> Self {
        Self {
            idle_timeout_ms: 15_000,
            up_topic: "tcp/%c/up".to_owned(),
            dn_topic: "tcp/%c/dn".to_owned(),
            max_packet_size: 65_535,
            accept_version_0: false,
            strict: false,
            allow_slash: false,
            client_id_prefix: String::new(),
            max_keepalive_s: 0,
            default_keepalive_s: 0,
            up_qos: QoS::AtMostOnce,
            up_retain: false,
            dn_qos: QoS::AtMostOnce,
            session_expiry_s: 0,
            overflow: Overflow::DropOldest,
            acl_deny_action: AclDenyAction::Ignore,
        }
    }
}
