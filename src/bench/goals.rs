//! `ringwire bench compare goals`: the jobs by which Ringwire judges itself, each with what it wants to reach.
//!
//! 64-byte payloads, one broker core. A goal is a number, or it is about what another broker or job gave in the same
//! run, because on a busy machine only figures of one run compare. It judges the first broker of the command line.

use super::figures::{Figure, Spread};
use super::report::{BrokerNote, Cell};
use crate::command::bench::{Load, Rate, Spoken};

/// One row.
pub struct Goal {
    /// Of the job.
    pub name: &'static str,
    /// In words.
    pub text: &'static str,
    pub scenario: &'static str,
    /// Puts what the job is into flags; lengths, CPUs and the like stay as they were given.
    pub set: fn(&mut Load),
    pub figure: Figure,
    pub limit: Limit,
}

/// What the median of the first broker may be at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// So much.
    AtMost(f64),
    /// So many times what the relay needs for the same messages.
    TimesRelay(f64),
    /// So much, and less than any other broker but the relay.
    UnderOthers(f64),
    /// So many times what the same broker needs for another job.
    TimesJob(f64, &'static str),
}

const PAYLOAD_BYTES: usize = 64;

/// In the order in which they run.
pub static ALL: [Goal; 10] = [
    Goal {
        name: "qos0-pair",
        text: "QoS 0, 1 publisher to 1 subscriber, saturated: at most 0.25 CPU s a million",
        scenario: "p2p",
        set: |load| job(load, 0, 1, None),
        figure: Figure::Cpu,
        limit: Limit::AtMost(0.25),
    },
    Goal {
        name: "qos1-fan-in",
        text: "QoS 1, 10 publishers to 1 subscriber, window 100: at most 0.40 CPU s a million",
        scenario: "fan-in",
        set: |load| job(load, 1, 10, Some(100)),
        figure: Figure::Cpu,
        limit: Limit::AtMost(0.40),
    },
    Goal {
        name: "qos0-fan-out",
        text: "QoS 0, 1 to 50: at most 0.20 CPU s a million deliveries",
        scenario: "fan-out",
        set: |load| {
            job(load, 0, 1, None);
            load.subscribers = Some(50);
        },
        figure: Figure::Cpu,
        limit: Limit::AtMost(0.20),
    },
    Goal {
        name: "qos0-wildcard",
        text: "QoS 0, 50 publishers by 50 wildcard subscribers, 1 under way each: at most 0.25 CPU s a million deliveries",
        scenario: "wildcard",
        set: |load| {
            job(load, 0, 50, Some(1));
            load.subscribers = Some(50);
        },
        figure: Figure::Cpu,
        limit: Limit::AtMost(0.25),
    },
    Goal {
        name: "qos2-pair",
        text: "QoS 2, 1 to 1, window 100: at most 1.0 CPU s a million",
        scenario: "p2p",
        set: |load| job(load, 2, 1, Some(100)),
        figure: Figure::Cpu,
        limit: Limit::AtMost(1.0),
    },
    Goal {
        name: "echo",
        text: "50 requests under way, each with its reply: at most 1.25 times the relay, both ways through it",
        scenario: "echo",
        set: |load| job(load, 0, 50, Some(1)),
        figure: Figure::Cpu,
        limit: Limit::TimesRelay(1.25),
    },
    Goal {
        name: "paced",
        text: "1 publisher at 60,000 a second, a packet each, QoS 0: at most 6 CPU s a million",
        scenario: "p2p",
        set: |load| {
            job(load, 0, 1, None);
            load.rate = Some(Rate::PerSecond(60_000.0));
        },
        figure: Figure::Cpu,
        limit: Limit::AtMost(6.0),
    },
    Goal {
        name: "idle",
        text: "10,000 idle connections with one subscription each: at most 1,000 bytes of RSS a connection",
        scenario: "conn",
        set: |load| {
            job(load, 0, 0, None);
            load.publishers = None;
            load.connections = Some(10_000);
        },
        figure: Figure::Connection,
        limit: Limit::AtMost(1_000.0),
    },
    Goal {
        name: "half-load",
        text: "QoS 1, 10 to 1, at half of its own saturation: p99 under 1 ms and under the others",
        scenario: "fan-in",
        set: |load| {
            job(load, 1, 10, Some(100));
            load.rate = Some(Rate::OfSaturation(0.5));
        },
        figure: Figure::P99,
        limit: Limit::UnderOthers(1_000.0),
    },
    Goal {
        name: "private-up",
        text: "private TCP up to an MQTT subscriber, 1 to 1: at most what MQTT at QoS 0 costs in the same run",
        scenario: "p2p",
        set: |load| {
            job(load, 0, 1, None);
            load.protocol = Some(Spoken::Private);
        },
        figure: Figure::Cpu,
        limit: Limit::TimesJob(1.0, "qos0-pair"),
    },
];

/// `goals` are all of them, `goals:idle` is one; `None` for the name of a scenario.
pub fn named(name: &str) -> Option<&'static [Goal]> {
    match name.split_once(':') {
        None => (name == "goals").then_some(&ALL[..]),
        Some(("goals", one)) => ALL.chunks(1).find(|goal| goal[0].name == one),
        Some(_) => None,
    }
}

fn job(load: &mut Load, qos: u8, publishers: usize, window: Option<u32>) {
    load.protocol = None;
    load.qos = Some(qos);
    load.publishers = Some(publishers);
    load.subscribers = None;
    load.connections = None;
    load.payload = Some(PAYLOAD_BYTES);
    load.window = window;
    load.acknowledged_only = false;
    load.rate = None;
}

/// What a limit comes to after the rounds. `job` are the cells of the goal's own job, `of` finds those of another.
pub fn at_most<'a>(
    goal: &Goal,
    brokers: &[BrokerNote],
    job: &[Cell],
    of: impl Fn(&str) -> Option<&'a [Cell]>,
) -> Option<f64> {
    let median = |cell: &Cell| Spread::over(goal.figure, &cell.outcomes).map(|spread| spread.median);
    match goal.limit {
        Limit::AtMost(most) => Some(most),
        Limit::TimesRelay(times) => {
            let relay = brokers.iter().position(|broker| broker.is_relay)?;
            median(job.get(relay)?).map(|floor| floor * times)
        }
        Limit::UnderOthers(most) => {
            let others = brokers
                .iter()
                .zip(job)
                .skip(1)
                .filter(|(broker, _)| !broker.is_relay);
            Some(others.filter_map(|(_, cell)| median(cell)).fold(most, f64::min))
        }
        Limit::TimesJob(times, name) => median(of(name)?.first()?).map(|base| base * times),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringwire_load::Outcome;
    use ringwire_load::outcome::Broker;

    fn cell(cpu: f64) -> Cell {
        let mut outcome = Outcome {
            seconds: 1.0,
            broker: Some(Broker {
                cpu_seconds_per_million: cpu,
                ..Broker::default()
            }),
            ..Outcome::default()
        };
        outcome.messages.delivered = 1;
        outcome.latency.count = 1;
        outcome.latency.p99_us = cpu;
        Cell {
            outcomes: vec![outcome],
            notes: Vec::new(),
        }
    }

    fn brokers() -> Vec<BrokerNote> {
        let note = |name: &str| BrokerNote {
            name: name.to_owned(),
            version: String::new(),
            command: String::new(),
            is_relay: name == "relay",
        };
        ["ringwire", "relay", "mosquitto"].map(note).into()
    }

    fn limit(name: &str, job: &[Cell]) -> Option<f64> {
        let goal = ALL.iter().find(|goal| goal.name == name).unwrap();
        let other = [cell(0.2)];
        let other: &'static [Cell] = Box::leak(Box::new(other));
        at_most(goal, &brokers(), job, |name| {
            (name == "qos0-pair").then_some(other)
        })
    }

    #[test]
    fn goals_are_asked_for_all_together_or_one_by_its_name() {
        assert_eq!(named("goals").map(<[Goal]>::len), Some(ALL.len()));
        let idle = named("goals:idle").unwrap();
        assert_eq!((idle.len(), idle[0].name), (1, "idle"));
        assert!(named("goals:x").is_none() && named("echo").is_none());
    }

    #[test]
    fn a_limit_is_a_number_or_comes_from_the_same_run() {
        let job = [cell(5.0), cell(4.0), cell(300.0)];
        assert_eq!(limit("qos2-pair", &job), Some(1.0));
        assert_eq!(limit("echo", &job), Some(5.0));
        assert_eq!(limit("half-load", &job), Some(300.0));
        assert_eq!(
            limit("half-load", &[cell(5.0), cell(4.0), cell(3_000.0)]),
            Some(1_000.0)
        );
        assert_eq!(limit("private-up", &job), Some(0.2));
        let empty = Cell {
            outcomes: Vec::new(),
            notes: Vec::new(),
        };
        assert_eq!(limit("echo", &[cell(5.0), empty, cell(1.0)]), None);
    }
}
