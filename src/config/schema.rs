//! Every key of the configuration: its field, form, range and reason. The default is the struct's own `Default`.
//!
//! A new key is one row here. `ringwire.example.toml` is written from these rows, and a test compares them.

use super::check::{filter, level, loopback, name, rule, up_topic, user};
use super::form::{
    Address, Checked, Cpus, Flag, Form, List, Or, Path, Table, Text, Value, Word, Wrong, microseconds,
    milliseconds, number, power_of_two, seconds, size,
};
use super::section::{Key, Section, section};
use super::{Listener, Spoken};
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::mqtt::QoS;
use ringwire_core::access::{Access, Operation, Rule, User};
use ringwire_core::interest::SHARDS_MAX;
use ringwire_core::limits::Limits;
use ringwire_core::settings::{AclDenyAction, Announced, Device, Mqtt, Overflow};
use ringwire_shard::{Bind, Core, HugePages};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[node]`
#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    pub data_dir: Option<PathBuf>,
    pub shards: Option<u16>,
    pub cores: Option<Vec<usize>>,
    pub shutdown_timeout_ms: u64,
    pub stats_ms: Option<u64>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            name: "ringwire".to_owned(),
            data_dir: None,
            shards: None,
            cores: None,
            shutdown_timeout_ms: 15_000,
            stats_ms: None,
        }
    }
}

section!(Node {
    name => name: Checked(Text, name), "Name of the node in answers of the admin endpoint.";
    data_dir => data_dir: Or("none", Path),
        "Directory for what must survive a restart: at present the key that places clients on shards.";
    shards => shards: Or("auto", number(1..=u64::from(SHARDS_MAX))),
        "Threads that serve connections. auto: one for each of `cores`; more than that share cores.";
    cores => cores: Or("all", Cpus), "CPUs to pin shards to. all: those that the process may run on.";
    shutdown_timeout => shutdown_timeout_ms: milliseconds(0..=3_600_000),
        "How long a stop waits for connections to be told and flushed before it ends with exit code 1.";
    stats => stats_ms: Or("off", milliseconds(100..=3_600_000)),
        "One line a shard on standard error, so often: what it does and what it waits for. See docs/tuning.md.";
});

/// `[log]`
#[derive(Clone, Debug)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
    pub file: Option<PathBuf>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            file: None,
        }
    }
}

section!(Log {
    level => level: Checked(Text, level),
        "error, warn, info, debug, trace or off; also by package: \"info,ringwire_shard=debug\". RINGWIRE_LOG sets it too.";
    format => format: Word(&[("\"text\"", LogFormat::Text), ("\"json\"", LogFormat::Json)]),
        "json: one object a line, for collectors.";
    file => file: Or("stderr", Path), "Lines are appended to it; rotate it from outside (copytruncate).";
});

/// What every listener has, whatever it speaks.
#[derive(Clone, Debug)]
pub struct Socket {
    pub enabled: bool,
    pub bind: Bind,
    pub max_connections: usize,
}

impl Socket {
    /// The defaults, on `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            enabled: true,
            bind: Bind::new(address),
            max_connections: 1_024_000,
        }
    }
}

section!(Socket {
    enabled => enabled: Flag, "false: described here, but not opened.";
    bind => bind.address: Address, "Loopback by default: opening a broker to a network is a decision. Port 0 lets the kernel choose.";
    max_connections => max_connections: number(1..=10_000_000),
        "Connections at a time on one shard; one more is closed, reason quota_exceeded.";
    backlog => bind.backlog: number(1..=65_535),
        "Connections that the kernel keeps for each shard until it accepts them; the kernel's somaxconn caps it.";
    nodelay => bind.nodelay: Flag, "TCP_NODELAY. A turn leaves in one write, so that Nagle's wait gains nothing.";
    incoming_cpu => bind.incoming_cpu: Flag,
        "SO_INCOMING_CPU: a shard accepts the connections whose packets arrive on its CPU. Linux 6.2 or later.";
    send_timeout => bind.send_timeout_ms: milliseconds(100..=3_600_000),
        "A client that takes nothing for so long is closed.";
});

const WHICH: &str =
    "What is spoken: the NAME of a table [adapter.NAME], or what is built in or shipped under this name.";

impl Section for Listener {
    fn keys(&self) -> Vec<Key> {
        let mut keys = self.socket.keys();
        match &self.spoken {
            Spoken::Mqtt(mqtt) => keys.append(&mut mqtt.keys()),
            Spoken::EmqTcp(emq, device) => {
                keys.append(&mut emq.keys());
                keys.append(&mut device.keys());
            }
            Spoken::Adapter(name, device) => {
                keys.push(Key::of("adapter", name, &Or("", Text), WHICH));
                keys.append(&mut device.keys());
            }
        }
        keys
    }

    fn set(&mut self, name: &str, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> bool {
        let own = match &mut self.spoken {
            Spoken::Mqtt(mqtt) => mqtt.set(name, value, wrong),
            Spoken::EmqTcp(emq, device) => emq.set(name, value, wrong) || device.set(name, value, wrong),
            Spoken::Adapter(which, device) if name == "adapter" => {
                if let Some(read) = Text.read(value, wrong) {
                    device.up_topic = format!("{read}/%c/up");
                    device.dn_topic = format!("{read}/%c/dn");
                    *which = Some(read);
                }
                true
            }
            Spoken::Adapter(_, device) => device.set(name, value, wrong),
        };
        own || self.socket.set(name, value, wrong)
    }
}

pub(super) const QOS: Word<QoS> = Word(&[
    ("0", QoS::AtMostOnce),
    ("1", QoS::AtLeastOnce),
    ("2", QoS::ExactlyOnce),
]);

section!(Mqtt {
    idle_timeout => idle_timeout_ms: milliseconds(100..=3_600_000),
        "From accept to a whole CONNECT; an absolute deadline, single bytes do not push it back.";
    max_packet_size => max_packet_size: size(128..=268_435_460),
        "A whole packet, both ways; the Maximum Packet Size of CONNACK.";
    max_keepalive => max_keepalive_s: seconds(0..=65_535),
        "Caps keep alive of 5.0 clients (Server Keep Alive). 0: clients choose freely.";
    session_expiry => session_expiry_s: seconds(0..=u64::from(u32::MAX)),
        "How long a session outlives its connection: 3.x with Clean Session 0, and the cap for 5.0.";
    max_clientid_len => max_clientid_len: number(23..=65_535), "Bytes; a longer client id is refused (0x85).";
    server_keepalive => server_keepalive_s: Or("client", seconds(0..=65_535)),
        "Keep alive that 5.0 clients are given, whatever they ask for.";
    max_topic_alias => max_topic_alias: number(0..=65_535),
        "Topic aliases that a 5.0 client may set; a higher one is DISCONNECT 0x94. 0: none.";
    max_topic_alias_broker => max_topic_alias_broker: number(0..=65_535),
        "Topic aliases that the broker sets for a 5.0 client that allows them. 0: none.";
    max_qos_allowed => max_qos_allowed: QOS,
        "The highest QoS; a publish above it is DISCONNECT 0x9B, a subscription is granted this.";
    retain_available => retain_available: Flag, "false: a publish with RETAIN is DISCONNECT 0x9A.";
    wildcard_subscription => wildcard_subscription: Flag, "false: a filter with a wildcard is SUBACK 0xA2.";
    shared_subscription => shared_subscription: Flag, "$share/GROUP/FILTER and $queue/FILTER. false: SUBACK 0x9E.";
    exclusive_subscription => exclusive_subscription: Flag,
        "$exclusive/TOPIC: one client at a time has it, another gets SUBACK 0x97. false: SUBACK 0x8F.";
    subscription_identifiers => subscription_identifiers: Flag,
        "false: a SUBSCRIBE with one is DISCONNECT 0xA1.";
    check_payload_format => check_payload_format: Flag,
        "A payload that its publisher calls UTF-8 is checked: PUBACK 0x99, at QoS 0 DISCONNECT 0x99.";
    response_information => response_information: Text,
        "What a 5.0 client gets that asks for Response Information, as a topic prefix; %c client id, %u username.";
    announce => announce: List(ANNOUNCED),
        "Limits that CONNACK names where they differ from the standard's defaults. They hold unnamed too.";
});

const ANNOUNCED: Word<Announced> = Word(&[
    ("\"receive_maximum\"", Announced::ReceiveMaximum),
    ("\"maximum_packet_size\"", Announced::MaximumPacketSize),
    ("\"topic_alias_maximum\"", Announced::TopicAliasMaximum),
    ("\"maximum_qos\"", Announced::MaximumQoS),
    ("\"retain_available\"", Announced::RetainAvailable),
    ("\"wildcard_subscription\"", Announced::WildcardSubscription),
    ("\"shared_subscription\"", Announced::SharedSubscription),
    ("\"subscription_identifiers\"", Announced::SubscriptionIdentifiers),
]);

const OVERFLOW: Word<Overflow> = Word(&[
    ("\"drop_oldest\"", Overflow::DropOldest),
    ("\"drop_newest\"", Overflow::DropNewest),
    ("\"disconnect\"", Overflow::Disconnect),
]);
const DENY: Word<AclDenyAction> = Word(&[
    ("\"ignore\"", AclDenyAction::Ignore),
    ("\"disconnect\"", AclDenyAction::Disconnect),
]);

section!(EmqTcp {
    max_packet_size => max_packet_size: size(1..=65_535), "Payload of a frame; a bigger one closes the connection.";
    accept_version_0 => accept_version_0: Flag, "Takes the header 0x10 of old hand-made devices as CONNECT too.";
    strict => strict: Flag, "Closes on non-zero flags that are ignored otherwise.";
});

section!(Device {
    idle_timeout => idle_timeout_ms: milliseconds(100..=3_600_000),
        "From accept to a whole greeting; an absolute deadline, single bytes do not push it back.";
    up_topic => up_topic: Checked(Text, up_topic),
        "Where a device's data is published. %c: client id, %u: username (a device without one is refused).";
    dn_topic => dn_topic: Checked(Text, filter),
        "What the server subscribes to for a device, as up_topic. Empty: no subscription.";
    allow_slash => allow_slash: Flag, "Allows / in a client id; it then spans several topic levels.";
    max_clientid_len => max_clientid_len: number(23..=65_535),
        "Bytes; a longer client id is refused, and so is a longer username where a topic has it.";
    client_id_prefix => client_id_prefix: Text, "Put before each client id, to keep devices apart from MQTT clients.";
    max_keepalive => max_keepalive_s: seconds(0..=65_535), "Caps what devices ask for. 0: no cap.";
    default_keepalive => default_keepalive_s: seconds(0..=65_535),
        "Imposed on devices that ask for none. 0: none is imposed.";
    up_qos => up_qos: QOS, "QoS of what devices send. From 1 on a device is slowed down instead of losing data.";
    up_retain => up_retain: Flag, "Keeps the last message of each device as a retained one.";
    dn_qos => dn_qos: QOS, "QoS of the subscription to dn_topic.";
    session_expiry => session_expiry_s: seconds(0..=u64::from(u32::MAX)),
        "Messages for an absent device wait for so long. 0: the session ends with the connection.";
    overflow => overflow: OVERFLOW, "What gives way when a device is slower than its messages.";
    acl_deny_action => acl_deny_action: DENY, "When a rule forbids an up message: drop it, or close as well.";
    retry_interval => retry_interval_ms: milliseconds(100..=3_600_000),
        "A message that the device should acknowledge is sent again after so long; where its protocol acknowledges.";
    retry_max => retry_max: number(0..=255),
        "So often; then it is dropped, reason delivery.dropped.not_acknowledged.";
});

section!(Limits {
    outbox_bytes => outbox_bytes: size(4_096..=1 << 30),
        "Unsent bytes of one connection. At it QoS 0 is dropped and QoS 1/2 waits in the session.";
    queue_messages => queue_messages: number(1..=10_000_000),
        "Messages waiting in one session. At it the oldest is dropped, QoS 0 first.";
    queue_bytes => queue_bytes: size(1_024..=1 << 40), "Bytes waiting in one session. As for queue_messages.";
    shard_queue_bytes => shard_queue_bytes: size(1_024..=1 << 40),
        "Bytes waiting in all sessions of one shard. At it the session that a message comes for drops.";
    backpressure_messages => backpressure_messages: number(1..=10_000_000),
        "Messages waiting in a connected subscriber's session from which acknowledgements to its publishers wait.";
    backpressure_timeout => backpressure_timeout_ms: milliseconds(0..=60_000),
        "They wait at most so long; who takes fewer messages than that in this time slows nobody. 0: nobody does.";
    inflight => inflight: number(1..=65_535),
        "Unacknowledged QoS 1/2 messages to a client that names no Receive Maximum.";
    receive_maximum => receive_maximum: number(1..=65_535),
        "Unacknowledged QoS 1/2 messages from a client; one more is DISCONNECT 0x93.";
    subscriptions => subscriptions: number(1..=10_000_000), "Of one session. At it SUBACK 0x97.";
    subscription_bytes => subscription_bytes: size(1_024..=1 << 40),
        "Bytes of the filters of one session. As for subscriptions.";
    shared_returns => shared_returns: number(1..=100),
        "Times that members of a $share group give one message back as they leave. At it one keeps it, and it ends with that.";
    group_subscriptions => group_subscriptions: number(1..=10_000_000),
        "$share, $queue and $exclusive ones of one session; leaving one may cost a walk through its queue. At it SUBACK 0x97.";
    device_frame_bytes => device_frame_bytes: size(256..=1 << 26),
        "Of a device with a private protocol without the end of a frame. Beyond: closed, reason packet_too_large.";
    topic_levels => topic_levels: number(1..=65_535), "In a topic or filter; bounds the work of a match.";
    sessions => sessions: number(1..=100_000_000), "On one shard, connected or kept. At it CONNACK 0x97.";
    exchanges => exchanges: number(1..=1_000_000),
        "Clients in the middle of an AUTH exchange on one shard. At it CONNACK or DISCONNECT 0x97.";
    authentication_bytes => authentication_bytes: size(256..=65_535),
        "Authentication Data in one packet of a client. More fails its authentication (0x87).";
    retained_messages => retained_messages: number(0..=1_000_000_000),
        "On one shard. At it a new topic is delivered but not kept.";
    retained_bytes => retained_bytes: size(0..=1 << 44), "On one shard. As for retained_messages.";
    retained_expiry => retained_expiry_s: seconds(0..=u64::from(u32::MAX)),
        "A retained message is removed after so long, if its own expiry is not sooner. 0: never.";
    topic_alias_bytes => topic_alias_bytes: size(1_024..=1 << 30),
        "Of the topics that one client's aliases stand for. At it DISCONNECT 0x97; the broker sets no more to it.";
    will_bytes => will_bytes: size(0..=1 << 40), "Of the Wills on one shard. At it CONNACK 0x97 for a client with one.";
    slowed_publishers => slowed_publishers: number(0..=10_000_000),
        "That one shard's subscribers slow down together; whoever comes beyond is not slowed.";
    bans => bans: number(0..=10_000_000), "Bans of a node. At it a new one is refused.";
    flapping_clients => flapping_clients: number(1..=10_000_000),
        "Client ids whose disconnects one shard counts. At it the one that was quiet longest is forgotten.";
    shapes => shapes: number(1..=1_024),
        "Wildcard patterns a shard subscribes with before it asks for every publish of the node.";
    reference_bytes => reference_bytes: size(64..=1 << 20), "Payloads from here on are sent without being copied.";
});

/// `[shard]`, without its tables `[shard.core.N]`.
#[derive(Clone, Debug, Default)]
pub struct Shard {
    pub core: Core,
    pub mesh: Mesh,
}

/// What is between shards.
#[derive(Clone, Debug)]
pub struct Mesh {
    pub mesh_batches: usize,
}

impl Default for Mesh {
    fn default() -> Self {
        // A batch holds what one turn produced for one shard; deeper queues only hide a shard that does not keep up.
        let mesh_batches = 256;
        Self { mesh_batches }
    }
}

section!(Mesh {
    mesh_batches => mesh_batches: number(1..=65_536),
        "Batches waiting from one shard to another before QoS 0 is dropped and QoS 1/2 publishers are not read.";
});

impl Section for Shard {
    fn keys(&self) -> Vec<Key> {
        let mut keys = self.core.keys();
        keys.append(&mut self.mesh.keys());
        keys
    }

    fn set(&mut self, name: &str, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> bool {
        self.core.set(name, value, wrong) || self.mesh.set(name, value, wrong)
    }
}

const HUGE_PAGES: Word<HugePages> = Word(&[("\"off\"", HugePages::Off), ("\"try\"", HugePages::Try)]);

section!(Core {
    sq_entries => sq_entries: power_of_two(16..=32_768), "Submission queue of the shard's network ring.";
    cq_entries => cq_entries: power_of_two(32..=65_536), "Completion queue; at least sq_entries.";
    buffers => buffers: power_of_two(16..=32_768), "Receive buffers, shared by the connections of a shard.";
    buffer_bytes => buffer_bytes: size(256..=1 << 20), "Size of each.";
    huge_pages => huge_pages: HUGE_PAGES,
        "Receive buffers in pages of 2 MB: reserved ones (vm.nr_hugepages), else transparent ones, else as off.";
    inputs_per_turn => inputs_per_turn: number(1..=1_000_000),
        "Completions handled before anything else gets its turn, so that no connection starves another.";
    coalesce => coalesce_us: microseconds(0..=10_000),
        "A busy shard waits so long for more, where clients go on sending meanwhile: CPU for latency. 0: never.";
    spin => spin_us: microseconds(0..=1_000_000), "Polling before a shard sleeps: latency for CPU. 0: sleep at once.";
});

/// `[access]`
#[derive(Clone, Debug, Default)]
pub struct Admission {
    pub access: Access,
    pub scram_file: Option<PathBuf>,
}

impl Admission {
    /// What the engines are told.
    pub fn access(&self) -> Access {
        let methods = self
            .scram_file
            .iter()
            .map(|_| crate::scram::NAME.to_owned())
            .collect();
        let access = self.access.clone();
        Access { methods, ..access }
    }
}

section!(Admission {
    allow_anonymous => access.allow_anonymous: Flag, "Lets clients in that give no username.";
    users => access.users: List(Checked(Table(nobody), user)), "With users here, any other username is refused.";
    scram_file => scram_file: Or("none", Path),
        "Users that prove who they are by SCRAM-SHA-256 (5.0 clients), made by `ringwire passwd`. Read again when it changes.";
    rules => access.rules: List(Checked(Table(everything), rule)),
        "The first that matches decides, and where none matches it is allowed. username and client_id \"*\": anybody.";
});

fn nobody() -> User {
    let (username, password) = (String::new(), String::new());
    User { username, password }
}

section!(User {
    username => username: Text, "Exact.";
    password => password: Text, "In clear; keep the file readable to the broker alone.";
});

fn everything() -> Rule {
    Rule {
        allow: false,
        username: None,
        client_id: None,
        operation: Operation::All,
        topics: Vec::new(),
    }
}

const OPERATION: Word<Operation> = Word(&[
    ("\"publish\"", Operation::Publish),
    ("\"subscribe\"", Operation::Subscribe),
    ("\"all\"", Operation::All),
]);

section!(Rule {
    allow => allow: Flag, "The answer.";
    username => username: Or("*", Text), "Whom it is about.";
    client_id => client_id: Or("*", Text), "Whom it is about.";
    operation => operation: OPERATION, "What they want to do.";
    topics => topics: List(Checked(Text, filter)), "Filters, with %c and %u.";
});

/// `[admin]`
#[derive(Clone, Debug)]
pub struct Admin {
    pub bind: Option<SocketAddr>,
}

impl Default for Admin {
    fn default() -> Self {
        let bind = Some(SocketAddr::from(([127, 0, 0, 1], 18_083)));
        Self { bind }
    }
}

section!(Admin {
    bind => bind: Checked(Or("off", Address), loopback),
        "HTTP: health, metrics and a small API. Loopback only, because it has no credentials yet.";
});
