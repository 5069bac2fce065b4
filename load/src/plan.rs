//! What one run does: whom it talks to, which clients there are, what they send and how fast, and for how long.
//!
//! Plain data. The named scenarios build one (`scenario.rs`), the command line changes it, the workers carry it out.

use ringwire_codec::mqtt::{QoS, Version};
use std::net::SocketAddr;
use std::time::Duration;

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name in reports: that of the scenario.
    pub name: String,
    /// Where the broker listens; clients are spread over several addresses in turn.
    pub targets: Vec<SocketAddr>,
    /// Where the same broker speaks MQTT, for groups marked `mqtt_always` when the plan's protocol is `Private`; not looked
    /// at otherwise.
    pub mqtt_targets: Vec<SocketAddr>,
    /// What is spoken.
    pub protocol: Protocol,
    /// CPUs, one pinned worker each; client groups are spread over them in turn. Never empty.
    pub cores: Vec<usize>,
    /// In the order in which they connect: subscribers before the publishers that they hear.
    pub groups: Vec<Group>,
    /// New connections a second, all workers together; `None`: as fast as the broker takes them.
    pub connect_rate: Option<f64>,
    /// Loopback source addresses 127.0.0.2 and up to use in turn, for more than 28,000 connections; 0: the kernel chooses.
    pub source_addresses: u16,
    /// Seconds.
    pub keepalive_s: u16,
    /// Before the client ids of this run.
    pub client_id_prefix: String,
    /// Username and password of every client.
    pub credentials: Option<(String, String)>,
    /// Publishing before the measurement begins.
    pub warmup: Duration,
    /// When the measurement ends.
    pub end: End,
    /// How long deliveries that are missing are waited for at the end.
    pub drain: Duration,
    /// Process of the broker on this machine, for its CPU time and memory.
    pub broker_pid: Option<u32>,
}

/// When a measurement ends, whichever comes first where both are given.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// After so long.
    pub after: Option<Duration>,
    /// After so many deliveries (for a plan without subscribers: publishes).
    pub messages: Option<u64>,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT.
    Mqtt(Version),
    /// EMQ private TCP v1 for the publishers' side of a device scenario (a device publishes with DATATRANS up, hears dn
    /// topics); groups marked `mqtt_always` speak MQTT 3.1.1.
    Private,
    /// No protocol at all, against `benches/relay.rs`: an 8-byte hello that names two rooms (one to send to, one to hear),
    /// then frames with the bytes that MQTT 3.1.1 QoS 0 would have.
    Raw,
}

impl Protocol {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Mqtt(Version::V31) => "mqtt 3.1",
            Protocol::Mqtt(Version::V311) => "mqtt 3.1.1",
            Protocol::Mqtt(Version::V5) => "mqtt 5.0",
            Protocol::Private => "private-tcp 1",
            Protocol::Raw => "raw",
        }
    }
}

/// Clients that do the same thing.
#[derive(Clone, Debug)]
pub struct Group {
    /// In reports and client ids: `pub`, `sub`, ...
    pub name: String,
    /// How many clients.
    pub count: usize,
    /// Speaks MQTT 3.1.1 even when the plan's protocol is `Private`.
    pub mqtt_always: bool,
    /// What each subscribes to. In topics and filters `%i` is the client's number in its group from 0, `%n` from 1, and
    /// `%p` is `Plan::client_id_prefix`; the client's id is prefix, group name, `-` and `%i`.
    pub filters: Vec<Filter>,
    /// What each publishes.
    pub publishing: Option<Publishing>,
    /// Publishes each message that it receives to this topic (with `%i`, `%n`, `%p`) at the QoS of its filter: the far end of a
    /// request and reply.
    pub echo_to: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Text, with `%i`, `%n`, `%p`.
    pub text: String,
    /// Requested.
    pub qos: QoS,
}

/// What a client publishes.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Topics in turn, with `%i`, `%n`, `%p`.
    pub topics: Vec<String>,
    /// QoS.
    pub qos: QoS,
    /// Bytes; at least `stamp::BYTES` for latency and content checks, shorter ones are sent without them.
    pub payload_bytes: usize,
    /// How fast.
    pub pace: Pace,
    /// Deliveries of each message: how many subscribers hear it (1 for a shared subscription).
    pub fanout: u32,
    /// The message counts as done, and its time is taken, when the reply came back to the publisher itself.
    pub expects_reply: bool,
}

/// How fast a client publishes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// Closed loop: at most so many messages under way, from 1. For QoS 1 and 2 a message is under way until its
    /// acknowledgement and, if `until_delivered`, until all its deliveries; for QoS 0 until its deliveries.
    Window {
        /// Messages.
        messages: u32,
        /// Deliveries count for QoS 1 and 2 too.
        until_delivered: bool,
    },
    /// Open loop: so many messages a second of each client, evenly; latency counts from the moment at which a message
    /// should have been sent, also when its turn came late.
    Rate {
        /// A second.
        per_second: f64,
        /// Unacknowledged QoS 1/2 publishes at most; what is due beyond waits, and its latency with it.
        window: u32,
    },
}
