//! The names of EMQ's public suite (Open MQTT Benchmark Suite), read by their grammar, so that results line up.
//!
//! A name says kind, clients, topics and the total rate: `p2p-50K-50K-50K-50K`; smaller numbers of the same form are the
//! same scenario scaled down. Payload 16 bytes and QoS 1 as the suite has them, MQTT 3.1.1, but 5.0 for `sharesub`.

use super::{ALL, Roles, SUITE, ScenarioError, Shape, empty};
use crate::plan::{Filter, Group, Plan, Protocol};
use ringwire_codec::mqtt::{QoS, Version};

/// Before a name of the suite, and of no further meaning here.
const PREFIX: &str = "singlenode-";

const PAYLOAD_BYTES: usize = 16;

/// The plan of a scenario of the suite.
pub(super) fn plan(name: &str, shape: &Shape) -> Result<Plan, ScenarioError> {
    let short = name.strip_prefix(PREFIX).unwrap_or(name);
    let kinds = [
        ("conn-tcp-", conn as fn(&Asked) -> Result<Plan, ScenarioError>),
        ("fanout-", fanout),
        ("p2p-", p2p),
        ("sharesub-", sharesub),
    ];
    for ((start, build), pattern) in kinds.into_iter().zip(SUITE) {
        if let Some(numbers) = short.strip_prefix(start) {
            return build(&Asked {
                name: short,
                numbers,
                pattern,
                shape,
            });
        }
    }
    let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).chain(SUITE).collect();
    Err(ScenarioError::Unknown {
        name: name.to_owned(),
        known: names.join(", "),
    })
}

/// A name, taken apart as far as its kind.
struct Asked<'a> {
    name: &'a str,
    numbers: &'a str,
    pattern: &'static str,
    shape: &'a Shape,
}

impl Asked<'_> {
    fn wrong(&self, what: String) -> ScenarioError {
        ScenarioError::Grammar {
            name: self.name.to_owned(),
            what,
            pattern: self.pattern,
        }
    }

    /// Exactly `N` numbers above 0.
    fn numbers<const N: usize>(&self) -> Result<[usize; N], ScenarioError> {
        let parts: Vec<&str> = self.numbers.split('-').collect();
        let mut numbers = [0; N];
        if parts.len() != N {
            return Err(self.wrong(format!("it has {} numbers instead of {N}", parts.len())));
        }
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = parse(part).ok_or_else(|| self.wrong(format!("{part} is no number above 0")))?;
        }
        Ok(numbers)
    }

    fn same(&self, what: &str, one: usize, other: usize) -> Result<(), ScenarioError> {
        if one == other {
            return Ok(());
        }
        Err(self.wrong(format!("{what} must be equal, not {one} and {other}")))
    }

    fn roles(&self, publishers: usize, subscribers: usize, per_publisher: f64) -> Roles {
        let shape = self.shape;
        Roles {
            protocol: shape.protocol.unwrap_or(Protocol::Mqtt(Version::V311)),
            qos: shape.qos.unwrap_or(QoS::AtLeastOnce),
            payload_bytes: shape.payload_bytes.unwrap_or(PAYLOAD_BYTES),
            publishers,
            subscribers,
            connections: 0,
            rate: Some(shape.rate.unwrap_or(per_publisher)),
            window: shape.window,
            until_delivered: !shape.acknowledged_only,
        }
    }

    fn plan(&self, roles: &Roles, groups: Vec<Group>) -> Result<Plan, ScenarioError> {
        let Protocol::Mqtt(_) = roles.protocol else {
            return Err(ScenarioError::Protocol {
                scenario: self.name.to_owned(),
                protocol: "anything but MQTT".to_owned(),
                why: "the suite is about MQTT",
            });
        };
        let mut plan = empty(self.name, roles.protocol);
        plan.groups = groups;
        Ok(plan)
    }
}

/// `500`, `50K`, `1M`.
fn parse(text: &str) -> Option<usize> {
    let (digits, unit) = match text.strip_suffix(['K', 'k']) {
        Some(digits) => (digits, 1_000),
        None => match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1_000_000),
            None => (text, 1),
        },
    };
    let number: usize = digits.parse().ok()?;
    number.checked_mul(unit).filter(|&number| number > 0)
}

fn conn(asked: &Asked) -> Result<Plan, ScenarioError> {
    let [connections, per_second] = asked.numbers()?;
    let roles = asked.roles(0, connections, 0.0);
    let mut clients = roles.subscribers("");
    clients.name = "conn".to_owned();
    clients.filters.clear();
    let mut plan = asked.plan(&roles, vec![clients])?;
    plan.connect_rate = Some(per_second as f64);
    Ok(plan)
}

fn fanout(asked: &Asked) -> Result<Plan, ScenarioError> {
    let [publishers, subscribers, topics, deliveries] = asked.numbers()?;
    asked.same("publishers and topics", publishers, topics)?;
    let roles = asked.roles(
        publishers,
        subscribers,
        deliveries as f64 / subscribers as f64 / publishers as f64,
    );
    let mut hearing = roles.subscribers("");
    hearing.filters = (0..topics)
        .map(|number| Filter {
            text: format!("bench/fanout/{number}"),
            qos: roles.qos,
        })
        .collect();
    asked.plan(
        &roles,
        vec![hearing, roles.publishers("bench/fanout/%i", subscribers)],
    )
}

fn p2p(asked: &Asked) -> Result<Plan, ScenarioError> {
    let [publishers, subscribers, topics, per_second] = asked.numbers()?;
    asked.same("publishers and subscribers", publishers, subscribers)?;
    asked.same("publishers and topics", publishers, topics)?;
    let roles = asked.roles(publishers, subscribers, per_second as f64 / publishers as f64);
    let topic = "bench/p2p/%i";
    asked.plan(&roles, vec![roles.subscribers(topic), roles.publishers(topic, 1)])
}

fn sharesub(asked: &Asked) -> Result<Plan, ScenarioError> {
    let [publishers, subscribers, topics, per_second] = asked.numbers()?;
    asked.same("publishers and topics", publishers, topics)?;
    let mut roles = asked.roles(publishers, subscribers, per_second as f64 / publishers as f64);
    roles.protocol = asked.shape.protocol.unwrap_or(Protocol::Mqtt(Version::V5));
    asked.plan(
        &roles,
        vec![
            roles.subscribers("$share/benchmark/test/#"),
            roles.publishers("test/%n", 1),
        ],
    )
}
