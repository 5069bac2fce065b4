//! The named scenarios: what `ringwire bench NAME` runs, and how options change it.
//!
//! [`plan`] turns a name and a [`Shape`] into a [`Plan`] whose clients, topics and pace are set; where it runs (targets,
//! CPUs, lengths, the broker's process) is the caller's to set. The names of EMQ's public suite are in `suite.rs`.
//! In topics `%i` is a client's number in its group from 0, `%n` from 1, `%p` the plan's client id prefix.

mod suite;
#[cfg(test)]
mod tests;

use crate::plan::{End, Filter, Group, Pace, Plan, Protocol, Publishing};
use ringwire_codec::mqtt::{QoS, Version};
use std::net::SocketAddr;
use std::time::Duration;

/// QoS 0 messages under way of all publishers together: enough to keep a broker busy, and not so many that it has a
/// reason to drop any.
const UNDER_WAY_QOS0: usize = 4_000;

/// The least that each of many QoS 0 publishers has under way.
const WINDOW_QOS0_MIN: usize = 16;

/// Bytes of all messages under way: more are a queue and not a load, and brokers limit those.
const UNDER_WAY_BYTES: usize = 1 << 20;

/// Messages under way of a publisher that is held by acknowledgements.
const WINDOW_ACKNOWLEDGED: usize = 100;

/// Makes the clients of a scenario.
type Cast = fn(&Roles) -> Vec<Group>;

/// A scenario that can be asked for by name.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// As it is asked for.
    pub name: &'static str,
    /// One line for `--help`.
    pub summary: &'static str,
    /// Publishers (requesters), when the shape does not say.
    pub publishers: usize,
    /// Subscribers, when the shape does not say; 0: as many as publishers.
    pub subscribers: usize,
    /// Idle clients, when the shape does not say.
    pub connections: usize,
    groups: Cast,
}

/// Every scenario, in the order in which they are listed. The names of EMQ's suite come on top ([`SUITE`]).
pub const ALL: [Scenario; 8] = [
    Scenario {
        name: "conn",
        summary: "connect as fast as the broker takes it (or at a rate), one subscription each, then stay idle",
        publishers: 0,
        subscribers: 0,
        connections: 10_000,
        groups: conn,
    },
    Scenario {
        name: "p2p",
        summary: "pairs: each publisher has a topic and a subscriber of its own",
        publishers: 1,
        subscribers: 0,
        connections: 0,
        groups: p2p,
    },
    Scenario {
        name: "fan-in",
        summary: "many publishers, each with its topic; every subscriber hears all of them",
        publishers: 10,
        subscribers: 1,
        connections: 0,
        groups: fan_in,
    },
    Scenario {
        name: "fan-out",
        summary: "one topic, heard by many subscribers",
        publishers: 1,
        subscribers: 50,
        connections: 0,
        groups: fan_out,
    },
    Scenario {
        name: "shared",
        summary: "many publishers; a shared subscription spreads their messages over the subscribers",
        publishers: 10,
        subscribers: 10,
        connections: 0,
        groups: shared,
    },
    Scenario {
        name: "mixed",
        summary: "pairs at QoS 0, 1 and 2 beside each other, and idle clients in the background",
        publishers: 3,
        subscribers: 0,
        connections: 1_000,
        groups: mixed,
    },
    Scenario {
        name: "echo",
        summary: "requests and replies: each requester has a responder, one request under way",
        publishers: 50,
        subscribers: 0,
        connections: 0,
        groups: echo,
    },
    Scenario {
        name: "wildcard",
        summary: "many publishers, one message under way each; every subscriber has a wildcard that hears all",
        publishers: 50,
        subscribers: 50,
        connections: 0,
        groups: wildcard,
    },
];

/// The names of EMQ's public suite, as patterns for `--help`.
pub const SUITE: [&str; 4] = [
    "conn-tcp-CONNECTIONS-PERSECOND",
    "fanout-PUBLISHERS-SUBSCRIBERS-TOPICS-DELIVERIESPERSECOND",
    "p2p-PUBLISHERS-SUBSCRIBERS-TOPICS-PERSECOND",
    "sharesub-PUBLISHERS-SUBSCRIBERS-TOPICS-PERSECOND",
];

/// What the caller wants otherwise than the scenario has it.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// What is spoken; MQTT 3.1.1 if nothing else is asked for.
    pub protocol: Option<Protocol>,
    /// Of publishes and subscriptions.
    pub qos: Option<QoS>,
    /// Of each message.
    pub payload_bytes: Option<usize>,
    /// Publishers, or requesters.
    pub publishers: Option<usize>,
    /// Subscribers.
    pub subscribers: Option<usize>,
    /// Clients that do nothing (`conn`, `mixed`).
    pub connections: Option<usize>,
    /// Messages a second of each publisher: an open loop. Without it a publisher sends as fast as its window allows.
    pub rate: Option<f64>,
    /// Messages under way of each publisher.
    pub window: Option<u32>,
    /// QoS 1 and 2 messages are under way until they are acknowledged, and no longer: publishers may then outrun their
    /// subscribers, and what is measured is how the broker's queues fill. Otherwise they are until they are delivered too.
    pub acknowledged_only: bool,
}

/// Why there is no such plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// Neither one of ours nor one of the suite's.
    #[error("there is no scenario {name}; there are {known}")]
    Unknown {
        /// As asked for.
        name: String,
        /// Names, separated by commas.
        known: String,
    },
    /// A name of the suite whose parts are not what it takes.
    #[error("{name}: {what}; it is written {pattern}, with numbers like 500, 50K or 1M")]
    Grammar {
        /// As asked for.
        name: String,
        /// What is wrong.
        what: String,
        /// One of [`SUITE`].
        pattern: &'static str,
    },
    /// The protocol cannot do it.
    #[error("{scenario} cannot be run with {protocol}: {why}")]
    Protocol {
        /// The scenario's name.
        scenario: String,
        /// What was to be spoken.
        protocol: String,
        /// The reason.
        why: &'static str,
    },
    /// A number that makes no sense.
    #[error("{option} of {scenario} must be {range}")]
    Range {
        /// The scenario's name.
        scenario: String,
        /// In words.
        option: &'static str,
        /// What is allowed.
        range: &'static str,
    },
}

/// The plan of a scenario. Targets and CPUs are placeholders (`127.0.0.1:1883`, CPU 0), lengths are defaults.
pub fn plan(name: &str, shape: &Shape) -> Result<Plan, ScenarioError> {
    if let Some(scenario) = ALL.iter().find(|scenario| scenario.name == name) {
        return scenario.plan(shape);
    }
    suite::plan(name, shape)
}

impl Scenario {
    fn plan(&self, shape: &Shape) -> Result<Plan, ScenarioError> {
        let roles = Roles::of(self, shape)?;
        let mut plan = empty(self.name, roles.protocol);
        plan.groups = (self.groups)(&roles);
        Ok(plan)
    }
}

/// A plan without clients.
fn empty(name: &str, protocol: Protocol) -> Plan {
    Plan {
        name: name.to_owned(),
        targets: vec![SocketAddr::from(([127, 0, 0, 1], 1_883))],
        mqtt_targets: Vec::new(),
        protocol,
        cores: vec![0],
        groups: Vec::new(),
        connect_rate: None,
        source_addresses: 0,
        keepalive_s: 300,
        client_id_prefix: "bench-".to_owned(),
        credentials: None,
        warmup: Duration::from_secs(1),
        end: End {
            after: Some(Duration::from_secs(5)),
            messages: None,
        },
        drain: Duration::from_secs(5),
        broker_pid: None,
    }
}

/// A shape with the scenario's defaults filled in.
struct Roles {
    protocol: Protocol,
    qos: QoS,
    payload_bytes: usize,
    publishers: usize,
    subscribers: usize,
    connections: usize,
    rate: Option<f64>,
    window: Option<u32>,
    until_delivered: bool,
}

impl Roles {
    fn of(scenario: &Scenario, shape: &Shape) -> Result<Self, ScenarioError> {
        let range = |option, range| ScenarioError::Range {
            scenario: scenario.name.to_owned(),
            option,
            range,
        };
        let publishers = shape.publishers.unwrap_or(scenario.publishers);
        let subscribers = match (shape.subscribers, scenario.subscribers) {
            (Some(wanted), 0) if wanted != publishers => {
                return Err(range("subscribers", "as many as publishers"));
            }
            (Some(wanted), _) => wanted,
            (None, 0) => publishers,
            (None, default) => default,
        };
        let connections = shape.connections.unwrap_or(scenario.connections);
        if publishers + connections == 0 {
            return Err(range("the number of clients", "at least 1"));
        }
        if shape.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(range("the rate", "above 0"));
        }
        if shape.window == Some(0) {
            return Err(range("the window", "at least 1"));
        }
        let roles = Self {
            protocol: shape.protocol.unwrap_or(Protocol::Mqtt(Version::V311)),
            qos: shape.qos.unwrap_or_default(),
            payload_bytes: shape.payload_bytes.unwrap_or(64),
            publishers,
            subscribers,
            connections,
            rate: shape.rate,
            window: shape.window,
            until_delivered: !shape.acknowledged_only,
        };
        roles.check(scenario)?;
        Ok(roles)
    }

    fn check(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let refuse = |protocol: &str, why| {
            Err(ScenarioError::Protocol {
                scenario: scenario.name.to_owned(),
                protocol: protocol.to_owned(),
                why,
            })
        };
        match self.protocol {
            Protocol::Mqtt(_) => Ok(()),
            Protocol::Private | Protocol::Raw if self.qos != QoS::AtMostOnce => {
                refuse("QoS 1 or 2", "only MQTT has acknowledgements")
            }
            Protocol::Private if self.payload_bytes > ringwire_codec::private::PAYLOAD_BYTES_MAX => {
                refuse("the private protocol", "its payloads end at 65,535 bytes")
            }
            Protocol::Private if scenario.name == "shared" || scenario.name == "mixed" => refuse(
                "the private protocol",
                "a device's topics are laid out by the broker; use p2p, fan-in, fan-out, echo, wildcard or conn",
            ),
            Protocol::Raw if matches!(scenario.name, "shared" | "mixed" | "conn") => {
                refuse("the raw relay", "it has rooms and nothing else")
            }
            Protocol::Raw if self.mixes_streams(scenario) => refuse(
                "the raw relay",
                "it knows no messages: several publishers in a room may have one under way each, and no more",
            ),
            Protocol::Private | Protocol::Raw => Ok(()),
        }
    }

    /// Whether a subscriber hears several publishers whose messages may be torn apart between two reads.
    fn mixes_streams(&self, scenario: &Scenario) -> bool {
        let is_single = self.rate.is_none() && self.window.unwrap_or(1) == 1;
        scenario.name == "fan-in" || scenario.name == "wildcard" && !is_single
    }

    /// The topic of a publisher: its own, or the one room of a relay, which knows no wildcards.
    fn topic<'a>(&self, own: &'a str, room: &'a str) -> &'a str {
        match self.protocol {
            Protocol::Raw => room,
            Protocol::Mqtt(_) | Protocol::Private => own,
        }
    }

    /// The filter that hears publishers: in MQTT, for devices, and the one room of a relay.
    fn filter<'a>(&self, mqtt: &'a str, device: &'a str, room: &'a str) -> &'a str {
        match self.protocol {
            Protocol::Mqtt(_) => mqtt,
            Protocol::Private => device,
            Protocol::Raw => room,
        }
    }

    fn pace(&self, closed_window: u32) -> Pace {
        match self.rate {
            Some(per_second) => Pace::Rate {
                per_second,
                window: self.window.unwrap_or(u32::from(u16::MAX)),
            },
            None => Pace::Window {
                messages: self.window.unwrap_or(closed_window),
                until_delivered: self.until_delivered,
            },
        }
    }

    fn default_window(&self) -> u32 {
        let publishers = self.publishers.max(1);
        let messages = match self.qos {
            QoS::AtMostOnce => (UNDER_WAY_QOS0 / publishers).max(WINDOW_QOS0_MIN),
            QoS::AtLeastOnce | QoS::ExactlyOnce => WINDOW_ACKNOWLEDGED,
        };
        let large = UNDER_WAY_BYTES / publishers / self.payload_bytes.max(1);
        messages.min(large.max(1)) as u32
    }

    fn publishers(&self, topic: &str, fanout: usize) -> Group {
        Group {
            name: "pub".to_owned(),
            count: self.publishers,
            mqtt_always: false,
            filters: Vec::new(),
            publishing: Some(Publishing {
                topics: vec![topic.to_owned()],
                qos: self.qos,
                payload_bytes: self.payload_bytes,
                pace: self.pace(self.default_window()),
                fanout: u32::try_from(fanout).unwrap_or(u32::MAX),
                expects_reply: false,
            }),
            echo_to: None,
        }
    }

    fn subscribers(&self, filter: &str) -> Group {
        Group {
            name: "sub".to_owned(),
            count: self.subscribers,
            mqtt_always: true,
            filters: vec![Filter {
                text: filter.to_owned(),
                qos: self.qos,
            }],
            publishing: None,
            echo_to: None,
        }
    }
}

fn conn(roles: &Roles) -> Vec<Group> {
    let mut clients = roles.subscribers("bench/conn/%i");
    clients.name = "conn".to_owned();
    clients.count = roles.connections;
    clients.mqtt_always = false;
    if roles.protocol == Protocol::Private {
        // The broker subscribes a device to its own topic.
        clients.filters.clear();
    }
    vec![clients]
}

fn p2p(roles: &Roles) -> Vec<Group> {
    let topic = "bench/p2p/%i";
    let filter = roles.filter(topic, "tcp/%ppub-%i/up", topic);
    vec![roles.subscribers(filter), roles.publishers(topic, 1)]
}

fn fan_in(roles: &Roles) -> Vec<Group> {
    let filter = roles.filter("bench/fan-in/+", "tcp/+/up", "bench/fan-in");
    let topic = roles.topic("bench/fan-in/%i", "bench/fan-in");
    vec![
        roles.subscribers(filter),
        roles.publishers(topic, roles.subscribers),
    ]
}

fn fan_out(roles: &Roles) -> Vec<Group> {
    let topic = "bench/fan-out";
    let filter = roles.filter(topic, "tcp/+/up", topic);
    vec![
        roles.subscribers(filter),
        roles.publishers(topic, roles.subscribers),
    ]
}

fn shared(roles: &Roles) -> Vec<Group> {
    vec![
        roles.subscribers("$share/benchmark/test/#"),
        roles.publishers("test/%n", 1),
    ]
}

fn mixed(roles: &Roles) -> Vec<Group> {
    let mut groups = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let level = qos as u8;
        let topic = format!("bench/mixed/{level}/%i");
        let mut subscribers = roles.subscribers(&topic);
        subscribers.name = format!("sub-q{level}");
        subscribers.filters[0].qos = qos;
        let mut publishers = roles.publishers(&topic, 1);
        publishers.name = format!("pub-q{level}");
        if let Some(publishing) = &mut publishers.publishing {
            publishing.qos = qos;
            publishing.pace = roles.pace(WINDOW_ACKNOWLEDGED as u32);
        }
        groups.extend([subscribers, publishers]);
    }
    let mut idle = roles.subscribers("bench/mixed/idle/%i");
    idle.name = "idle".to_owned();
    idle.count = roles.connections;
    // Before the publishers.
    groups.insert(0, idle);
    groups
}

fn echo(roles: &Roles) -> Vec<Group> {
    let mut responders = roles.subscribers(roles.filter("req/%i", "tcp/%ppub-%i/up", "req/%i"));
    responders.name = "responder".to_owned();
    responders.count = roles.publishers;
    responders.echo_to = Some(roles.filter("resp/%i", "tcp/%ppub-%i/dn", "resp/%i").to_owned());
    let mut requesters = roles.publishers("req/%i", 1);
    if roles.protocol != Protocol::Private {
        requesters.filters = vec![Filter {
            text: "resp/%i".to_owned(),
            qos: roles.qos,
        }];
    }
    if let Some(publishing) = &mut requesters.publishing {
        publishing.expects_reply = true;
        publishing.pace = match roles.pace(1) {
            Pace::Window { messages, .. } => Pace::Window {
                messages,
                until_delivered: true,
            },
            rate @ Pace::Rate { .. } => rate,
        };
    }
    vec![responders, requesters]
}

fn wildcard(roles: &Roles) -> Vec<Group> {
    let filter = roles.filter("bench/wild/#", "tcp/+/up", "bench/wild");
    let topic = roles.topic("bench/wild/%i", "bench/wild");
    let mut publishers = roles.publishers(topic, roles.subscribers);
    if let Some(publishing) = &mut publishers.publishing {
        publishing.pace = match roles.pace(1) {
            Pace::Window { messages, .. } => Pace::Window {
                messages,
                until_delivered: true,
            },
            rate @ Pace::Rate { .. } => rate,
        };
    }
    vec![roles.subscribers(filter), publishers]
}
