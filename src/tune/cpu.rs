//! Checks of the CPUs: how many a shard really has, what they share, how fast they wake, and what the clock costs.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};
use crate::cores;

/// Microseconds of waking up from an idle state that a message would notice.
const DEEP_US: u64 = 20;

const CPU: &str = "sys/devices/system/cpu";

/// CPUs that the control group may use in all: `None` unknown, `Some(None)` no quota.
pub fn allowance(host: &Host) -> Option<Option<f64>> {
    let groups = host.text("proc/self/cgroup")?;
    let limits = groups.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        match controllers {
            "" => ancestors(path)
                .filter_map(|path| unified(host, path))
                .collect::<Vec<_>>(),
            _ if controllers.split(',').any(|name| name == "cpu") => ancestors(path)
                .filter_map(|path| older(host, controllers, path))
                .collect(),
            _ => Vec::new(),
        }
    });
    Some(limits.reduce(f64::min))
}

/// A group and those that it is in: each of them may be limited.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path.trim_end_matches('/')), |path| {
        path.rfind('/').map(|at| &path[..at])
    })
}

fn unified(host: &Host, group: &str) -> Option<f64> {
    let text = host.text(&format!("sys/fs/cgroup{group}/cpu.max"))?;
    let (quota, period) = text.split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

fn older(host: &Host, controllers: &str, group: &str) -> Option<f64> {
    let folder = format!("sys/fs/cgroup/{controllers}{group}");
    let quota = host.number(&format!("{folder}/cpu.cfs_quota_us"))?;
    let period = host.number(&format!("{folder}/cpu.cfs_period_us"))?;
    Some(quota as f64 / period as f64)
}

pub fn quota(host: &Host, plan: &Plan) -> Verdict {
    let cpus = plan.cpus().len();
    match allowance(host) {
        None => Verdict::unknown("/proc/self/cgroup"),
        Some(None) => Verdict::fine("none"),
        Some(Some(quota)) if quota >= cpus as f64 => Verdict::fine(format!("{quota:.1} CPUs")),
        Some(Some(quota)) => Verdict::Change(Change {
            severity: Severity::Worth,
            is: format!("{quota:.1} CPUs for {cpus} with shards"),
            to: format!("{} shards, or a larger quota", whole(quota)),
            why: "when the quota of a period (100 ms) is used up, every shard stands still until the next one begins: \
                  latency jumps to tens of milliseconds although no CPU is busy"
                .to_owned(),
            how: format!("node.shards = {}, or docker --cpus={cpus}, CPUQuota={}% in systemd", whole(quota), cpus * 100),
        }),
    }
}

/// Whole CPUs of a quota, one at least.
pub fn whole(quota: f64) -> usize {
    (quota as usize).max(1)
}

pub fn shards(_: &Host, plan: &Plan) -> Verdict {
    let (shards, cpus) = (plan.shards.len(), plan.cpus());
    if shards == cpus.len() {
        let left = plan.allowed.len().saturating_sub(shards);
        return Verdict::fine(format!(
            "{shards} on CPUs {}, {left} CPUs left to others",
            cores::write(&cpus)
        ));
    }
    Verdict::Change(Change {
        severity: Severity::Worth,
        is: format!("{shards} on {} CPUs ({})", cpus.len(), cores::write(&cpus)),
        to: format!("{}", cpus.len()),
        why: "shards on one CPU take turns by the kernel's time slices of milliseconds, and what one posts to the other \
              waits for that"
            .to_owned(),
        how: format!("node.shards = {}, or more CPUs in node.cores", cpus.len()),
    })
}

/// The CPUs that share a core with a smaller one of `cpus`; `None` if that is not known.
pub fn second_threads(host: &Host, cpus: &[usize]) -> Option<Vec<usize>> {
    let mut seconds = Vec::new();
    for cpu in cpus {
        let siblings = host.cpus(&format!("{CPU}/cpu{cpu}/topology/thread_siblings_list"))?;
        if siblings
            .iter()
            .any(|sibling| sibling < cpu && cpus.contains(sibling))
        {
            seconds.push(*cpu);
        }
    }
    Some(seconds)
}

pub fn siblings(host: &Host, plan: &Plan) -> Verdict {
    let cpus = plan.cpus();
    let Some(seconds) = second_threads(host, &cpus) else {
        return Verdict::unknown(format!("/{CPU}/cpu*/topology/thread_siblings_list"));
    };
    if seconds.is_empty() {
        return Verdict::fine("each shard has a core of its own");
    }
    let firsts: Vec<_> = cpus.into_iter().filter(|cpu| !seconds.contains(cpu)).collect();
    Verdict::Change(Change {
        severity: Severity::Hint,
        is: format!("CPUs {} share cores with other shards", cores::write(&seconds)),
        to: format!("one shard a core: CPUs {}", cores::write(&firsts)),
        why: "two threads of one core share its units and caches: both are slower, and each busy share counts for less. One \
              a core answers more evenly and leaves the second threads to the kernel's network work; for the last bit of \
              throughput both may be better"
            .to_owned(),
        how: format!("node.cores = \"{}\"", cores::write(&firsts)),
    })
}

/// The CPUs of each NUMA node.
fn node_cpus(host: &Host) -> Vec<(String, Vec<usize>)> {
    let nodes = host.names("sys/devices/system/node").into_iter();
    let nodes = nodes.filter(|name| {
        name.strip_prefix("node")
            .is_some_and(|rest| rest.parse::<u32>().is_ok())
    });
    nodes
        .filter_map(|node| {
            let cpus = host.cpus(&format!("sys/devices/system/node/{node}/cpulist"))?;
            Some((node, cpus))
        })
        .collect()
}

pub fn nodes(host: &Host, plan: &Plan) -> Verdict {
    let nodes = node_cpus(host);
    if nodes.is_empty() {
        return Verdict::unknown("/sys/devices/system/node");
    }
    let cpus = plan.cpus();
    let used: Vec<_> = nodes
        .iter()
        .filter(|(_, of)| of.iter().any(|cpu| cpus.contains(cpu)))
        .collect();
    let [first, _, ..] = used.as_slice() else {
        return Verdict::fine(format!("{} of {} nodes has all shards", used.len(), nodes.len()));
    };
    let card = super::interrupts::interfaces(host)
        .into_iter()
        .find_map(|interface| {
            let number = host.text(&format!("sys/class/net/{interface}/device/numa_node"))?;
            let node = used.iter().find(|(node, _)| *node == format!("node{number}"))?;
            Some((interface, node))
        });
    let near = card.as_ref().map_or(first, |(_, node)| node);
    let card = card
        .as_ref()
        .map_or_else(String::new, |(interface, _)| format!(", where {interface} is"));
    let mine: Vec<_> = near.1.iter().copied().filter(|cpu| cpus.contains(cpu)).collect();
    Verdict::Change(Change {
        severity: Severity::Hint,
        is: format!("shards on {} nodes", used.len()),
        to: format!("shards on {}{card}, if its CPUs {} are enough", near.0, cores::write(&mine)),
        why: "a shard's memory is taken on its own node, because its pinned thread touches it first; but what shards post to \
              each other, and packets of a card on another node, cross over, and each miss costs more"
            .to_owned(),
        how: format!("node.cores = \"{}\"", cores::write(&mine)),
    })
}

pub fn numa_balancing(host: &Host, _: &Plan) -> Verdict {
    let name = "kernel.numa_balancing";
    match host.number("proc/sys/kernel/numa_balancing") {
        None => Verdict::unknown("/proc/sys/kernel/numa_balancing"),
        Some(value) if value == 0 || node_cpus(host).len() < 2 => Verdict::fine(format!("{name} = {value}")),
        Some(value) => Verdict::Change(Change {
            severity: Severity::Hint,
            is: format!("{name} = {value}"),
            to: "0".to_owned(),
            why: "the kernel makes pages fault to learn who uses them; pinned shards use their own memory already"
                .to_owned(),
            how: format!("sysctl -w {name}=0"),
        }),
    }
}

pub fn governor(host: &Host, plan: &Plan) -> Verdict {
    let governors = plan.cpus().into_iter().filter_map(|cpu| {
        let governor = host.text(&format!("{CPU}/cpu{cpu}/cpufreq/scaling_governor"))?;
        Some((cpu, governor))
    });
    let governors: Vec<_> = governors.collect();
    let slow = governors.iter().find(|(_, governor)| governor != "performance");
    match (governors.first(), slow) {
        (None, _) => Verdict::unknown(format!("/{CPU}/cpu*/cpufreq (a virtual machine has none)")),
        (Some((_, governor)), None) => Verdict::fine(governor.as_str()),
        (Some(_), Some((cpu, governor))) => Verdict::Change(Change {
            severity: Severity::Worth,
            is: format!("{governor} on CPU {cpu}"),
            to: "performance".to_owned(),
            why: "a shard that sleeps between messages looks idle, so that its CPU is clocked down: the same work takes \
                  longer, and bursts begin slowly"
                .to_owned(),
            how: "cpupower frequency-set -g performance".to_owned(),
        }),
    }
}

pub fn idle(host: &Host, plan: &Plan) -> Verdict {
    let folder = format!("{CPU}/cpu{}/cpuidle", plan.shards.first().copied().unwrap_or(0));
    let states = host.names(&folder);
    let enabled = states.iter().filter_map(|state| {
        let latency = host.number(&format!("{folder}/{state}/latency"))?;
        let disabled = host.number(&format!("{folder}/{state}/disable")).unwrap_or(0) != 0;
        (!disabled).then_some(latency)
    });
    let deepest = enabled.max();
    let is_guest = host
        .text("proc/cpuinfo")
        .is_some_and(|text| text.contains(" hypervisor"));
    let (is, why, how) = match (deepest, is_guest) {
        (Some(latency @ DEEP_US..), _) => (
            format!("states that take up to {latency} us to leave"),
            "a lone message to an idle shard waits for its CPU to wake",
            format!("shard.spin = \"50us\", or cpupower idle-set -D {DEEP_US}"),
        ),
        (_, true) => (
            "a virtual machine".to_owned(),
            "a CPU that halts is given back to the host, and a lone message waits some 30 us until it is there again",
            "shard.spin = \"50us\"".to_owned(),
        ),
        (Some(latency), false) => return Verdict::fine(format!("at most {latency} us to leave")),
        (None, false) => return Verdict::unknown(format!("/{folder}")),
    };
    if plan.core.spin_us > 0 {
        let spin_us = plan.core.spin_us;
        return Verdict::fine(format!("{is}, but shards spin for {spin_us} us before"));
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is,
        to: "spinning before a shard sleeps, if latency counts more than CPU".to_owned(),
        why: format!(
            "{why}; spinning hides it while messages come more often than it lasts (see hits in --stats)"
        ),
        how,
    })
}

pub fn clock(host: &Host, _: &Plan) -> Verdict {
    let folder = "sys/devices/system/clocksource/clocksource0";
    let Some(present) = host.text(&format!("{folder}/current_clocksource")) else {
        return Verdict::unknown(format!("/{folder}"));
    };
    // Those that are read without a system call.
    if [
        "tsc",
        "kvm-clock",
        "hyperv_clocksource_tsc_page",
        "arch_sys_counter",
    ]
    .contains(&present.as_str())
    {
        return Verdict::fine(present);
    }
    let others = host
        .text(&format!("{folder}/available_clocksource"))
        .unwrap_or_default();
    let how = if others.split_whitespace().any(|other| other == "tsc") {
        format!("echo tsc > /{folder}/current_clocksource")
    } else {
        format!("none offered here beside \"{others}\": look for \"tsc\" in dmesg, or boot with tsc=reliable")
    };
    Verdict::Change(Change {
        severity: Severity::Worth,
        is: present,
        to: "tsc".to_owned(),
        why: "each reading of the time is a system call of a microsecond instead of 25 ns; a shard reads it every turn, and \
              at every look while it spins"
            .to_owned(),
        how,
    })
}
