//! What is kept of a run or a comparison: the outcome, and everything that somebody needs who has only this file.
//!
//! Plain data, written as JSON by `--json` and read by the table and the page. Fields are added, never changed; a
//! change of meaning is a new `format`.

use ringwire_load::{Outcome, Plan};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// `format` of both.
pub const FORMAT: &str = "ringwire-bench-1";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: String,
    pub setting: Setting,
    pub plan: Described,
    pub outcome: Outcome,
}

/// The same jobs against several brokers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// [`FORMAT`].
    pub format: String,
    pub setting: Setting,
    /// How often each job met each broker.
    pub rounds: u32,
    /// CPU of the brokers.
    pub broker_core: usize,
    /// In the order of the command line; ratios are to the first.
    pub brokers: Vec<BrokerNote>,
    pub jobs: Vec<JobReport>,
}

/// A broker of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrokerNote {
    pub name: String,
    /// First line of what it says of itself; empty when it says nothing.
    pub version: String,
    /// As the command line named it.
    pub command: String,
    /// The relay of benches/: a floor, not a broker.
    pub is_relay: bool,
}

/// A scenario with its flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobReport {
    pub name: String,
    pub plan: Described,
    pub goal: Option<GoalNote>,
    /// One a broker, in their order.
    pub cells: Vec<Cell>,
}

/// What a job is judged by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GoalNote {
    /// In words, for people.
    pub text: String,
    /// The figure it is about, by `Figure::key`.
    pub figure: String,
    /// What the first broker's median may be at most, in this run; `None` when what it is compared with did not run.
    pub at_most: Option<f64>,
}

/// A job against a broker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cell {
    /// One a round that gave one; curves and series only in the last.
    pub outcomes: Vec<Outcome>,
    /// Why rounds gave none, each reason once.
    pub notes: Vec<String>,
}

impl Cell {
    /// Adds a reason.
    pub fn note(&mut self, reason: &str) {
        if !self.notes.iter().any(|known| known == reason) {
            self.notes.push(reason.to_owned());
        }
    }
}

/// Where and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    /// Version of ringwire, whose generator this was.
    pub ringwire: String,
    pub command_line: Vec<String>,
    /// RFC 3339, UTC.
    pub started: String,
    pub host: String,
    pub kernel: String,
    pub cpu: String,
    pub cpus: usize,
    pub memory_bytes: u64,
}

/// A plan in words and numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Described {
    pub scenario: String,
    /// One line.
    pub text: String,
    pub targets: Vec<String>,
    pub protocol: String,
    pub cores: Vec<usize>,
    pub warmup_seconds: f64,
    pub keepalive_s: u16,
    pub source_addresses: u16,
    /// One line a group of clients.
    pub groups: Vec<String>,
    /// Highest QoS of what is published.
    pub qos_most: u8,
}

impl Setting {
    /// Of this machine, now.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let named = cpuinfo.lines().find(|line| line.starts_with("model name"));
        let meminfo = read("/proc/meminfo");
        let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Self {
            ringwire: env!("CARGO_PKG_VERSION").to_owned(),
            command_line: without_password(std::env::args()),
            started: OffsetDateTime::now_utc()
                .replace_nanosecond(0)
                .ok()
                .and_then(|now| now.format(&Rfc3339).ok())
                .unwrap_or_default(),
            host: read("/proc/sys/kernel/hostname").trim().to_owned(),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            cpu: named.and_then(|line| line.split_once(':')).map_or_else(
                || std::env::consts::ARCH.to_owned(),
                |(_, name)| name.trim().to_owned(),
            ),
            cpus: crate::cores::allowed().len(),
            memory_bytes: kib.unwrap_or(0) * 1_024,
        }
    }

    /// One line of the machine.
    pub fn machine(&self) -> String {
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        format!(
            "{}: {}, {} CPUs, {gib:.1} GiB, {}",
            self.host, self.cpu, self.cpus, self.kernel
        )
    }
}

/// A report is shown to others.
fn without_password(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut hide = false;
    let shown = words.map(|word| {
        let secret = std::mem::replace(&mut hide, word == "--password");
        match word.split_once('=') {
            Some(("--password", _)) => "--password=***".to_owned(),
            _ if secret => "***".to_owned(),
            _ => word,
        }
    });
    shown.collect()
}

impl Described {
    /// Of a plan, with the scenario's own line.
    pub fn of(plan: &Plan, text: String) -> Self {
        let publishing = plan.groups.iter().filter_map(|group| group.publishing.as_ref());
        Self {
            scenario: plan.name.clone(),
            text,
            targets: plan.targets.iter().map(ToString::to_string).collect(),
            protocol: plan.protocol.name().to_owned(),
            cores: plan.cores.clone(),
            warmup_seconds: plan.warmup.as_secs_f64(),
            keepalive_s: plan.keepalive_s,
            source_addresses: plan.source_addresses,
            groups: plan.groups.iter().map(super::words::group).collect(),
            qos_most: publishing
                .map(|publishing| publishing.qos as u8)
                .max()
                .unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_in_the_report() {
        let shown = |words: &str| without_password(words.split(' ').map(str::to_owned)).join(" ");
        assert_eq!(
            shown("bench p2p --password x --quiet"),
            "bench p2p --password *** --quiet"
        );
        assert_eq!(shown("bench --password=x p2p"), "bench --password=*** p2p");
    }
}
