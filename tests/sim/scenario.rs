//! What a seed stands for: how many shards, which limits, who takes part, and how the network behaves.
//!
//! Small on purpose: a defect that needs a crowd is rarer than one that needs an odd order of a few things, and a thousand
//! small runs see more odd orders than ten large ones.

use crate::extras;
use crate::numbered::Numbered;
use crate::random::Random;
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::mqtt::QoS;
use ringwire_core::access::{Access, Operation, Rule};
use ringwire_core::limits::Limits;
use ringwire_core::settings::{
    AclDenyAction, AutoSubscribe, Broker, Device, Flapping, Listener, Mqtt, Overflow, Protocol,
    SharedStrategy,
};
use ringwire_core::{ListenerId, Settings};
use std::sync::Arc;

/// The MQTT listener.
pub const MQTT: ListenerId = ListenerId(0);

/// The private TCP listener.
pub const PRIVATE: ListenerId = ListenerId(1);

/// Seconds that a session is kept at most.
pub const EXPIRY_MAX_S: u32 = 600;

/// A run before it starts.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub shards: usize,
    pub steps: usize,
    pub mqtt_clients: usize,
    /// None where the private listener takes only a few connections: rogues are turned away there.
    pub devices: usize,
    pub rogues: usize,
    /// Items that a mesh queue takes.
    pub mesh_items: usize,
    /// Inputs that a turn takes at most.
    pub turn_inputs: usize,
    /// Bytes that a client's receive buffer takes.
    pub window_bytes: usize,
    /// Milliseconds a socket may take nothing.
    pub send_timeout_ms: u64,
    /// Chances in a thousand acts that an honest client's connection is reset.
    pub resets: usize,
    /// Chances in a hundred that an honest client is slow to read and to acknowledge.
    pub slowness: usize,
    /// Chances in a hundred that a step lets seconds pass.
    pub leaps: usize,
    /// The node is drained at the end, instead of being left by its clients.
    pub drain: bool,
    /// `m0` may not publish to `b/b`, and `m1` not subscribe to `a/b`.
    pub ruled: bool,
    /// Some messages expire.
    pub expiring: bool,
    /// Clients make shared subscriptions too.
    pub sharing: bool,
    /// Clients publish to `$delayed` topics too.
    pub delaying: bool,
    /// Clients make exclusive subscriptions too.
    pub claiming: bool,
    /// Seconds of keep alive that 5.0 clients are given, and the most that they may ask for; 0: any.
    pub keep_alive: (Option<u16>, u16),
    /// The administrator bans clients for a while.
    pub banning: bool,
    /// Devices acknowledge what comes down.
    pub acknowledging: bool,
    /// Milliseconds after which a device is sent again what it did not acknowledge, and how often.
    pub retries: (u64, u8),
    /// Some topics and filters are rewritten.
    pub rewriting: bool,
    /// What clients are subscribed to when they connect, in the oracle's words.
    pub auto_subscribe: Vec<AutoSubscribe>,
    /// Who comes and goes too often is banned.
    pub flapping: Option<Flapping>,
    /// Devices publish more at QoS 1 or 2 than is read.
    pub flooding: bool,
    pub settings: Settings,
}

impl Scenario {
    /// The scenario of a seed.
    pub fn new(random: &mut Random) -> Self {
        // Of a sequence of its own, so that seeds go on meaning what they meant.
        let mut apart = Random::new(random.clone().next());
        let acknowledging = apart.chance(40);
        let shards = random.between(1, 4);
        let ruled = random.chance(25);
        let tight = random.chance(30);
        let crowded = random.chance(10);
        let keep_alive = *random.pick(&[(None, 0), (None, 0), (None, 30), (Some(15), 0), (Some(40), 30)]);
        let mut scenario = Self {
            shards,
            steps: random.between(200, 2_600),
            mqtt_clients: random.between(1, 6),
            devices: if crowded { 0 } else { random.below(4) },
            rogues: random.below(4),
            mesh_items: if random.chance(25) {
                random.between(1, 4)
            } else {
                256
            },
            turn_inputs: random.between(1, 12),
            window_bytes: if tight { random.between(64, 2_048) } else { 65_536 },
            send_timeout_ms: 5_000,
            resets: *random.pick(&[0, 0, 10, 40]),
            slowness: *random.pick(&[0, 10, 60]),
            leaps: *random.pick(&[0, 0, 1, 3]),
            drain: random.chance(10),
            ruled,
            expiring: random.chance(40),
            sharing: random.chance(40),
            delaying: random.chance(40),
            claiming: random.chance(40),
            keep_alive,
            banning: random.chance(25),
            acknowledging,
            retries: (0, 0),
            rewriting: false,
            auto_subscribe: Vec::new(),
            flapping: None,
            flooding: false,
            settings: Settings {
                access: access(ruled),
                ..settings(random, shards as u16, tight, crowded, keep_alive)
            },
        };
        if acknowledging {
            acknowledge(scenario.private_mut(), &mut apart);
            let device = scenario.private();
            scenario.retries = (device.retry_interval_ms, device.retry_max);
        }
        // Of another sequence of its own.
        scenario.extend(&mut Random::new(!random.clone().next()), tight);
        scenario
    }

    /// What later versions of the simulation added.
    fn extend(&mut self, random: &mut Random, tight: bool) {
        self.rewriting = random.chance(30);
        if self.rewriting {
            self.settings.rewrite = extras::rules();
        }
        if random.chance(30) {
            self.auto_subscribe = extras::auto_subscribe(random);
            self.settings.auto_subscribe = self.auto_subscribe.clone();
        }
        // Who flaps is banned while others may be banned by hand: one of the two.
        if random.chance(25) && !self.banning && self.resets > 0 {
            let flapping = Flapping {
                enable: true,
                max_count: random.between(2, 4) as u32,
                window_time_ms: *random.pick(&[2_000, 10_000, 60_000]),
                ban_time_ms: *random.pick(&[1_000, 3_000]),
            };
            self.settings.flapping = flapping.clone();
            self.flapping = Some(flapping);
        }
        if random.chance(20) && !tight && self.shards > 1 && self.devices > 0 {
            self.flood(random);
        }
    }

    /// Devices publish more than is read.
    fn flood(&mut self, random: &mut Random) {
        self.flooding = true;
        self.rogues = 0;
        // What a member leaves undone goes to another one's queue, all of it at once.
        self.sharing = false;
        self.slowness = 60;
        for row in self
            .auto_subscribe
            .iter_mut()
            .chain(&mut self.settings.auto_subscribe)
        {
            row.qos = row.qos.max(QoS::AtLeastOnce);
        }
        let limits = &mut self.settings.limits;
        limits.inflight = random.between(1, 4) as u16;
        // A client of 3.x knows of no Receive Maximum, and one that is not read for it may wait for itself.
        limits.receive_maximum = 16;
        // No subscriber is given up before the end of the run.
        limits.backpressure_timeout_ms = 10_000_000;
        self.private_mut().up_qos = *random.pick(&[QoS::AtLeastOnce, QoS::ExactlyOnce]);
    }

    /// The server may give a 5.0 client another keep alive than it asks for.
    pub fn gives_keep_alive(&self) -> bool {
        self.keep_alive != (None, 0)
    }

    /// The keep alive that holds for a 5.0 client; said again here, without the broker's code.
    pub fn keep_alive_for(&self, asked_s: u16) -> u16 {
        let (given, most_s) = self.keep_alive;
        let given_s = given.unwrap_or(asked_s);
        if most_s > 0 && (given_s == 0 || given_s > most_s) {
            most_s
        } else {
            given_s
        }
    }

    /// Settings of the private listener.
    pub fn private(&self) -> &Device {
        match &self.settings.listeners[PRIVATE.index()].protocol {
            Protocol::Device(device) => device,
            Protocol::Mqtt(_) => unreachable!("listener 1 is the private one"),
        }
    }

    /// The same, to be changed before the run.
    pub fn private_mut(&mut self) -> &mut Device {
        match &mut self.settings.listeners[PRIVATE.index()].protocol {
            Protocol::Device(device) => device,
            Protocol::Mqtt(_) => unreachable!("listener 1 is the private one"),
        }
    }

    /// Settings of the MQTT listener.
    pub fn mqtt(&self) -> &Mqtt {
        match &self.settings.listeners[MQTT.index()].protocol {
            Protocol::Mqtt(mqtt) => mqtt,
            Protocol::Device(_) => unreachable!("listener 0 is the MQTT one"),
        }
    }
}

/// Whether the rules of a run forbid a client this; said again here, without the broker's code.
pub fn is_denied(client_id: &str, operation: Operation, topic: &str) -> bool {
    match operation {
        Operation::Publish => (client_id, topic) == ("m0", "b/b"),
        Operation::Subscribe => (client_id, topic) == ("m1", "a/b"),
        Operation::All => false,
    }
}

fn access(ruled: bool) -> Access {
    let rule = |client_id: &str, operation, topic: &str| Rule {
        allow: false,
        username: None,
        client_id: Some(client_id.to_owned()),
        operation,
        topics: vec![topic.to_owned()],
    };
    let rules = vec![
        rule("m0", Operation::Publish, "b/b"),
        rule("m1", Operation::Subscribe, "a/b"),
    ];
    Access {
        rules: if ruled { rules } else { Vec::new() },
        ..Access::default()
    }
}

/// Devices speak a protocol in which they acknowledge what comes down.
fn acknowledge(device: &mut Device, random: &mut Random) {
    device.adapter = Arc::new(Numbered {
        emq: EmqTcp {
            max_packet_size: 8_192,
            ..EmqTcp::default()
        },
        window: random.between(1, 5) as u16,
    });
    device.retry_interval_ms = random.between(200, 3_000) as u64;
    if random.chance(70) {
        device.dn_qos = QoS::AtLeastOnce;
    }
    device.retry_max = random.between(0, 3) as u8;
}

fn settings(
    random: &mut Random,
    shards: u16,
    tight: bool,
    crowded: bool,
    keep_alive: (Option<u16>, u16),
) -> Settings {
    let mqtt = Mqtt {
        idle_timeout_ms: 15_000,
        max_packet_size: 16_384,
        session_expiry_s: EXPIRY_MAX_S,
        server_keepalive_s: keep_alive.0,
        max_keepalive_s: keep_alive.1,
        max_topic_alias: *random.pick(&[0, 2, 64]),
        max_topic_alias_broker: *random.pick(&[0, 2, 16]),
        ..Mqtt::default()
    };
    let up_qos = *random.pick(&[
        QoS::AtMostOnce,
        QoS::AtMostOnce,
        QoS::AtLeastOnce,
        QoS::ExactlyOnce,
    ]);
    let private = Device {
        adapter: Arc::new(EmqTcp {
            max_packet_size: 8_192,
            ..EmqTcp::default()
        }),
        up_qos,
        up_retain: random.chance(20),
        dn_qos: *random.pick(&[QoS::AtMostOnce, QoS::AtMostOnce, QoS::AtLeastOnce]),
        session_expiry_s: if random.chance(20) { 600 } else { 0 },
        overflow: *random.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Disconnect]),
        acl_deny_action: AclDenyAction::Ignore,
        ..Device::default()
    };
    let listener = |name: &str, max_connections, protocol| Listener {
        name: name.to_owned(),
        max_connections,
        protocol,
    };
    let private_max = if crowded { 1 } else { 1_000 };
    Settings {
        shards,
        placement_key: [random.next(), random.next()],
        seed: random.next(),
        listeners: vec![
            listener("mqtt", 1_000, Protocol::Mqtt(mqtt)),
            listener("private", private_max, Protocol::Device(private)),
        ],
        limits: limits(random, tight),
        broker: Broker {
            shared_subscription_strategy: *random.pick(&SharedStrategy::ALL),
            ..Broker::default()
        },
        ..Settings::default()
    }
}

fn limits(random: &mut Random, tight: bool) -> Limits {
    let roomy = Limits {
        inflight: 32,
        receive_maximum: *random.pick(&[2, 16]),
        subscriptions: 48,
        topic_levels: 8,
        sessions: 1_000,
        retained_expiry_s: *random.pick(&[0, 0, 0, 0, 0, 0, 0, 3]),
        shapes: if random.chance(20) { 1 } else { 32 },
        reference_bytes: *random.pick(&[64, 512, 4_096]),
        backpressure_messages: random.between(1, 20),
        backpressure_timeout_ms: *random.pick(&[0, 20, 1_000]),
        ..Limits::default()
    };
    if !tight {
        return roomy;
    }
    Limits {
        outbox_bytes: *random.pick(&[256, 700, 2_000, 8_192]),
        queue_messages: random.between(2, 30),
        queue_bytes: random.between(8_000, 60_000),
        shard_queue_bytes: random.between(20_000, 100_000),
        inflight: random.between(1, 8) as u16,
        retained_messages: random.between(1, 8),
        ..roomy
    }
}
