//! `ringwire tune`: looks at this host and says what it would change for the broker, and why. It changes nothing.
//!
//! A check reads a few files below `/proc` and `/sys` and makes one [`Finding`]; a file that is not there makes it "not
//! known", never an error. Checks get the root directory from outside, so that tests give them a host made of files.

mod cpu;
mod finding;
mod host;
mod interrupts;
mod kernel;
mod limits;
mod memory;
mod proposal;
mod report;
mod tcp;
#[cfg(test)]
mod tests;

use crate::command::Options;
use crate::config::{Config, Spoken};
use clap::Args;
use finding::{Finding, Verdict};
use host::Host;
use ringwire_shard::Core;
use std::path::Path;

/// Of the command line.
#[derive(Args, Debug)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    /// Connections that the broker is to hold
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    connections: u64,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// What the host is to be good for.
struct Plan {
    connections: u64,
    /// The CPU of each shard.
    shards: Vec<usize>,
    allowed: Vec<usize>,
    core: Core,
    /// The largest of the listeners.
    backlog: u64,
    /// Whether every listener bounds the keep alive of its clients.
    caps_keepalive: bool,
}

impl Plan {
    fn new(config: &Config, allowed: &[usize], connections: u64) -> Self {
        Self {
            connections,
            shards: config.shard_cpus(allowed),
            allowed: allowed.to_vec(),
            core: config.shard.core.clone(),
            backlog: config
                .enabled()
                .map(|(_, listener)| u64::from(listener.socket.bind.backlog))
                .max()
                .unwrap_or(0),
            caps_keepalive: config
                .enabled()
                .all(|(_, listener)| caps_keepalive(&listener.spoken)),
        }
    }

    /// The CPUs that have shards, once each.
    fn cpus(&self) -> Vec<usize> {
        let mut cpus = self.shards.clone();
        cpus.sort_unstable();
        cpus.dedup();
        cpus
    }
}

/// Whether a client that asks for no keep alive gets one all the same; 3.x clients of MQTT cannot be told.
fn caps_keepalive(spoken: &Spoken) -> bool {
    match spoken {
        Spoken::Mqtt(mqtt) => mqtt.max_keepalive_s > 0,
        Spoken::EmqTcp(_, device) | Spoken::Adapter(_, device) => device.default_keepalive_s > 0,
    }
}

type Check = fn(&Host, &Plan) -> Verdict;
type InterfaceCheck = fn(&Host, &Plan, &str) -> Verdict;

/// What is looked at once for a host, in the order of the report.
const CHECKS: [(&str, Check); 27] = [
    ("kernel", kernel::version),
    ("io_uring", kernel::io_uring),
    ("open files", limits::open_files),
    ("open files of the system", limits::open_files_of_the_system),
    ("locked memory", limits::locked_memory),
    ("memory", memory::room),
    ("cpu quota", cpu::quota),
    ("shards", cpu::shards),
    ("hyper-threads", cpu::siblings),
    ("numa", cpu::nodes),
    ("numa balancing", cpu::numa_balancing),
    ("cpu governor", cpu::governor),
    ("idle states", cpu::idle),
    ("clock", cpu::clock),
    ("autogroup", kernel::autogroup),
    ("transparent huge pages", memory::huge_pages),
    ("swap", memory::swap),
    ("accept queue", tcp::accept_queue),
    ("handshakes", tcp::handshakes),
    ("tcp memory", tcp::memory),
    ("receive buffers", tcp::receive_buffers),
    ("send buffers", tcp::send_buffers),
    ("connection tracking", tcp::tracking),
    ("silent clients", tcp::silent_clients),
    ("local ports", tcp::local_ports),
    ("irqbalance", interrupts::irqbalance),
    ("receive flow steering", interrupts::flow_steering),
];

/// What is looked at for each network interface.
const OF_INTERFACES: [(&str, InterfaceCheck); 3] = [
    ("receive queues", interrupts::queues),
    ("interrupts", interrupts::affinity),
    ("transmit queues", interrupts::transmit),
];

/// The whole report.
pub fn tune(arguments: &Arguments, config: &Config, allowed: &[usize]) -> String {
    let host = Host::new(Path::new("/"));
    let plan = Plan::new(config, allowed, arguments.connections);
    let findings = findings(&host, &plan);
    let proposal = proposal::text(&host, &plan);
    if arguments.json {
        report::json(&plan, &findings, &proposal)
    } else {
        report::text(&plan, &findings, &proposal)
    }
}

/// Every check, the weightiest findings first.
fn findings(host: &Host, plan: &Plan) -> Vec<Finding> {
    let once = CHECKS.iter().map(|(about, check)| Finding {
        about: (*about).to_owned(),
        verdict: check(host, plan),
    });
    let mut findings: Vec<_> = once.collect();
    for interface in interrupts::interfaces(host) {
        findings.extend(OF_INTERFACES.iter().map(|(about, check)| Finding {
            about: format!("{interface} {about}"),
            verdict: check(host, plan, &interface),
        }));
    }
    findings.sort_by_key(|finding| finding.verdict.rank());
    findings
}
