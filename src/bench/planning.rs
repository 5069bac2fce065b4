//! From flags to a plan: the scenario's shape, where it runs, how long, and whether this machine has what it needs.

use super::error::BenchError;
use super::target::{Spoken, Target};
use crate::command::bench::{Load, Rate, Spoken as Flag};
use crate::cores;
use ringwire_codec::mqtt::{QoS, Version};
use ringwire_load::Plan;
use ringwire_load::plan::{End, Protocol};
use ringwire_load::scenario::{self, ScenarioError, Shape};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Duration;

/// The plan of a scenario as the flags want it, not yet for any target.
pub fn plan(name: &str, load: &Load, protocol: Option<Protocol>) -> Result<Plan, BenchError> {
    let rate = match load.rate {
        Some(Rate::PerSecond(rate)) => Some(rate),
        Some(Rate::OfSaturation(_)) | None => None,
    };
    let shape = Shape {
        protocol: load.protocol.map(spoken).or(protocol),
        qos: load.qos.and_then(QoS::from_number),
        payload_bytes: load.payload,
        publishers: load.publishers,
        subscribers: load.subscribers,
        connections: load.connections,
        rate,
        window: load.window,
        acknowledged_only: load.acknowledged_only,
    };
    let mut plan = scenario::plan(name, &shape).map_err(|error| unknown(name, error))?;
    plan.cores = match &load.cores {
        Some(cores) => cores.0.clone(),
        None => cores::allowed().last().copied().into_iter().collect(),
    };
    plan.connect_rate = load.connect_rate.or(plan.connect_rate);
    plan.source_addresses = load.source_addresses.unwrap_or(plan.source_addresses);
    plan.keepalive_s = load.keepalive.unwrap_or(plan.keepalive_s);
    plan.warmup = load.warmup.unwrap_or(plan.warmup);
    plan.end = end(load, plan.end);
    let password = || load.password.clone().unwrap_or_default();
    plan.credentials = load.username.clone().map(|username| (username, password()));
    // Two generators against one broker must not take each other's sessions over.
    plan.client_id_prefix = format!("bench-{}-", std::process::id());
    Ok(plan)
}

/// With `--messages` alone, only a broker that stalls ends by time.
fn end(load: &Load, usual: End) -> End {
    match (load.duration, load.messages) {
        (None, None) => usual,
        (after @ Some(_), messages) => End { after, messages },
        (None, messages) => End {
            after: Some(Duration::from_secs(600)),
            messages,
        },
    }
}

fn spoken(flag: Flag) -> Protocol {
    match flag {
        Flag::Mqtt31 => Protocol::Mqtt(Version::V31),
        Flag::Mqtt311 => Protocol::Mqtt(Version::V311),
        Flag::Mqtt5 => Protocol::Mqtt(Version::V5),
        Flag::Private => Protocol::Private,
        Flag::Raw => Protocol::Raw,
    }
}

fn unknown(name: &str, error: ScenarioError) -> BenchError {
    match error {
        ScenarioError::Unknown { .. } => {
            let names = scenario::ALL.iter().map(|scenario| scenario.name);
            let distance = |other: &&str| strsim::damerau_levenshtein(name, other);
            let near = names
                .min_by_key(distance)
                .filter(|other| distance(other) <= 1 + name.len() / 3);
            BenchError::Scenario {
                name: name.to_owned(),
                near: near.map_or_else(String::new, |other| format!(": did you mean `{other}`?")),
            }
        }
        ScenarioError::Grammar { .. } | ScenarioError::Protocol { .. } | ScenarioError::Range { .. } => {
            BenchError::Shape(error)
        }
    }
}

/// Puts the targets into a plan, by what is spoken there.
pub fn aim(plan: &mut Plan, targets: &[Target]) -> Result<(), BenchError> {
    let of = |spoken: Spoken| {
        let found = targets.iter().filter(|target| target.spoken == spoken);
        found.map(|target| target.address).collect::<Vec<_>>()
    };
    let (main, needs) = match plan.protocol {
        Protocol::Mqtt(_) => (Spoken::Mqtt, "mqtt://HOST:PORT"),
        Protocol::Private => (Spoken::Private, "emqtcp://HOST:PORT"),
        Protocol::Raw => (Spoken::Raw, "raw://HOST:PORT"),
    };
    plan.targets = of(main);
    plan.mqtt_targets = of(Spoken::Mqtt);
    if plan.targets.is_empty() {
        let protocol = plan.protocol.name();
        return Err(BenchError::Flags(format!(
            "with {protocol}, name a --target {needs}"
        )));
    }
    let hears_devices =
        plan.protocol == Protocol::Private && plan.groups.iter().any(|group| group.mqtt_always);
    if hears_devices && plan.mqtt_targets.is_empty() {
        let why = "what devices send is heard by MQTT clients: name a --target mqtt://HOST:PORT of the same broker too";
        return Err(BenchError::Flags(why.to_owned()));
    }
    Ok(())
}

/// Clients of a plan.
pub fn clients(plan: &Plan) -> u64 {
    plan.groups.iter().map(|group| group.count as u64).sum()
}

/// Refuses more connections than there are source ports towards the plan's targets.
pub fn enough_ports(plan: &Plan) -> Result<(), BenchError> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let bounds: Vec<u64> = range
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let [first, last] = bounds[..] else { return Ok(()) };
    check_ports(plan, (last + 1).saturating_sub(first))
}

fn check_ports(plan: &Plan, ports: u64) -> Result<(), BenchError> {
    let connections = clients(plan);
    let mut targets = plan.targets.clone();
    targets.sort_unstable();
    targets.dedup();
    let addresses = targets.len().max(1) as u64;
    let room = ports * addresses * u64::from(plan.source_addresses.max(1));
    if connections <= room {
        return Ok(());
    }
    Err(BenchError::Ports {
        connections,
        addresses,
        ports,
        needed: connections.div_ceil((ports * addresses).max(1)),
    })
}

/// Raises the soft limit on open files to the hard one, also for the brokers that are started from here. Where that is
/// not enough the generator says what is needed.
pub fn raise_open_files() -> Result<(), BenchError> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).map_err(|error| BenchError::System {
        what: "to raise the soft limit on open files to the hard one",
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(connections: usize, source_addresses: u16) -> Plan {
        let shape = Shape {
            connections: Some(connections),
            ..Shape::default()
        };
        let mut plan = scenario::plan("conn", &shape).unwrap();
        plan.source_addresses = source_addresses;
        plan
    }

    #[test]
    fn more_connections_than_ports_need_more_source_addresses() {
        assert!(check_ports(&made(28_232, 0), 28_232).is_ok());
        assert!(check_ports(&made(56_464, 2), 28_232).is_ok());
        let error = check_ports(&made(56_465, 2), 28_232).unwrap_err();
        assert!(matches!(error, BenchError::Ports { needed: 3, .. }), "{error}");
        let mut spread = made(56_464, 0);
        spread.targets = vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        assert!(check_ports(&spread, 28_232).is_ok());
    }

    #[test]
    fn a_plan_for_devices_wants_both_listeners() {
        let shape = Shape {
            protocol: Some(Protocol::Private),
            ..Shape::default()
        };
        let mut plan = scenario::plan("p2p", &shape).unwrap();
        let [mqtt, private] = [Spoken::Mqtt, Spoken::Private].map(Target::usual);
        assert!(aim(&mut plan, &[mqtt]).is_err());
        assert!(aim(&mut plan, &[private]).is_err());
        assert!(aim(&mut plan, &[mqtt, private]).is_ok());
        assert_eq!(plan.targets, [private.address]);
        assert_eq!(plan.mqtt_targets, [mqtt.address]);
    }

    #[test]
    fn a_scenario_that_is_nearly_right_is_named() {
        let of = |name: &str| unknown(name, scenario::plan(name, &Shape::default()).unwrap_err()).to_string();
        assert!(
            of("fanout").contains("did you mean `fan-out`?"),
            "{}",
            of("fanout")
        );
        assert!(!of("something-else").contains("did you mean"));
    }

    #[test]
    fn the_soft_limit_on_open_files_is_the_hard_one() {
        raise_open_files().unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
