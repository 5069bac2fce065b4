//! Checks of where packets arrive: queues and interrupts of each network card against the CPUs of the shards.
//!
//! Only interfaces with a device behind them count; the loopback and bridges have none.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};
use crate::cores;

const NET: &str = "sys/class/net";

/// Interfaces with a device.
pub fn interfaces(host: &Host) -> Vec<String> {
    let mut names = host.names(NET);
    names.retain(|name| host.has(&format!("{NET}/{name}/device")));
    names
}

fn queue_names(host: &Host, interface: &str, kind: &str) -> Vec<String> {
    let mut names = host.names(&format!("{NET}/{interface}/queues"));
    names.retain(|name| name.starts_with(kind));
    names
}

/// Whether a CPU mask of the kernel, like `00,0000000f`, has any CPU.
fn has_cpus(mask: &str) -> bool {
    mask.chars().any(|digit| !matches!(digit, '0' | ','))
}

/// Such a mask, in groups of 32 CPUs.
fn mask(cpus: &[usize]) -> String {
    let groups = cpus.iter().max().map_or(1, |most| most / 32 + 1);
    let group = |group: usize| {
        let own = cpus.iter().filter(|cpu| *cpu / 32 == group);
        own.fold(0u32, |mask, cpu| mask | 1 << (cpu % 32))
    };
    let first = format!("{:x}", group(groups - 1));
    (0..groups - 1)
        .rev()
        .fold(first, |text, at| format!("{text},{:08x}", group(at)))
}

fn is_steered(host: &Host, interface: &str) -> bool {
    queue_names(host, interface, "rx-").iter().any(|queue| {
        let mask = host.text(&format!("{NET}/{interface}/queues/{queue}/rps_cpus"));
        mask.is_some_and(|mask| has_cpus(&mask))
    })
}

pub fn queues(host: &Host, plan: &Plan, interface: &str) -> Verdict {
    let queues = queue_names(host, interface, "rx-").len();
    let cpus = plan.cpus();
    if queues == 0 {
        return Verdict::unknown(format!("/{NET}/{interface}/queues"));
    }
    let is = format!("{queues} for {} CPUs with shards", cpus.len());
    if queues >= cpus.len() {
        return Verdict::fine(is);
    }
    if is_steered(host, interface) {
        return Verdict::fine(format!("{is}, spread by software (RPS)"));
    }
    let mask = mask(&cpus);
    Verdict::Change(Change {
        severity: Severity::Worth,
        is,
        to: "one for each, or spread by software (RPS)".to_owned(),
        why: "the CPUs that take the interrupts do the network work of every shard, and are full while the others have time \
              left"
            .to_owned(),
        how: format!(
            "ethtool -L {interface} combined {} if the card can; else echo {mask} | tee /{NET}/{interface}/queues/rx-*/rps_cpus",
            cpus.len()
        ),
    })
}

/// The CPU that takes each receive interrupt: number of the interrupt, CPUs.
fn receivers(host: &Host, interface: &str) -> Vec<(u64, Vec<usize>)> {
    // The device of a virtio card is not the one that interrupts: the one above it is.
    let folders =
        ["device/msi_irqs", "device/../msi_irqs"].map(|folder| format!("{NET}/{interface}/{folder}"));
    let table = host.text("proc/interrupts").unwrap_or_default();
    let numbers = folders
        .iter()
        .flat_map(|folder| host.names(folder))
        .filter_map(|name| name.parse::<u64>().ok());
    let mut found: Vec<_> = numbers
        .filter(|number| label(&table, *number).is_some_and(|label| receives(label, interface)))
        .filter_map(|number| {
            let effective = host.cpus(&format!("proc/irq/{number}/effective_affinity_list"));
            let asked = || host.cpus(&format!("proc/irq/{number}/smp_affinity_list"));
            Some((number, effective.or_else(asked)?))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// What `/proc/interrupts` calls an interrupt.
fn label(table: &str, number: u64) -> Option<&str> {
    let head = format!("{number}:");
    let line = table.lines().find(|line| line.trim_start().starts_with(&head))?;
    line.split_whitespace().last()
}

/// `virtio2-input.0`, `eth0-rx-1`, `i40e-eth0-TxRx-3`, `eth0-3`; not what a card reports its own state by.
fn receives(label: &str, interface: &str) -> bool {
    let lower = label.to_lowercase();
    let is_queue = lower.ends_with(|last: char| last.is_ascii_digit());
    is_queue
        && !lower.contains("output")
        && (lower.contains("input") || lower.contains("rx") || label.contains(interface))
}

pub fn affinity(host: &Host, plan: &Plan, interface: &str) -> Verdict {
    let receivers = receivers(host, interface);
    if receivers.is_empty() {
        return Verdict::unknown(format!("interrupts of {interface} in /proc/interrupts"));
    }
    let mut cpus: Vec<_> = receivers.iter().flat_map(|(_, cpus)| cpus.clone()).collect();
    cpus.sort_unstable();
    cpus.dedup();
    let shards = plan.cpus();
    let is = format!(
        "{} for receiving, on CPUs {}",
        receivers.len(),
        cores::write(&cpus)
    );
    let could = receivers.len().min(shards.len());
    if cpus.len() >= could {
        return Verdict::fine(is);
    }
    let commands = receivers.iter().zip(shards.iter().cycle());
    let commands: Vec<_> = commands
        .map(|((number, _), cpu)| format!("echo {cpu} > /proc/irq/{number}/smp_affinity_list"))
        .collect();
    Verdict::Change(Change {
        severity: Severity::Worth,
        is,
        to: "one CPU with a shard for each".to_owned(),
        why: "a CPU that takes the interrupts of several queues does the network work of several shards"
            .to_owned(),
        how: commands.join("; "),
    })
}

pub fn transmit(host: &Host, _: &Plan, interface: &str) -> Verdict {
    let queues = queue_names(host, interface, "tx-");
    let masks = queues
        .iter()
        .filter_map(|queue| host.text(&format!("{NET}/{interface}/queues/{queue}/xps_cpus")));
    let masks: Vec<_> = masks.collect();
    match queues.len() {
        0 => Verdict::unknown(format!("/{NET}/{interface}/queues")),
        1 => Verdict::fine("1"),
        _ if masks.is_empty() => Verdict::unknown(format!("/{NET}/{interface}/queues/tx-*/xps_cpus")),
        _ if masks.iter().any(|mask| has_cpus(mask)) => Verdict::fine(format!("{}, chosen by CPU (XPS)", queues.len())),
        queues => Verdict::Change(Change {
            severity: Severity::Hint,
            is: format!("{queues}, chosen by hash"),
            to: "chosen by CPU (XPS)".to_owned(),
            why: "shards that send through the same queue wait for its lock, and completions arrive on other CPUs".to_owned(),
            how: format!(
                "for each CPU N with a shard: echo MASK_OF_N > /{NET}/{interface}/queues/tx-N/xps_cpus (masks are hexadecimal)"
            ),
        }),
    }
}

pub fn irqbalance(host: &Host, _: &Plan) -> Verdict {
    let mut processes = host.names("proc");
    processes.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    if processes.is_empty() {
        return Verdict::unknown("/proc/PID/comm");
    }
    let is_there = |pid: &String| host.text(&format!("proc/{pid}/comm")).as_deref() == Some("irqbalance");
    if !processes.iter().any(is_there) || interfaces(host).is_empty() {
        return Verdict::fine("not running, or nothing to balance");
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is: "running".to_owned(),
        to: "stopped, once interrupts are where they should be".to_owned(),
        why: "it moves interrupts to CPUs that look idle every ten seconds: a shard's packets then arrive on another CPU than \
              its own, and settings by hand are undone"
            .to_owned(),
        how: "systemctl disable --now irqbalance, or IRQBALANCE_BANNED_CPULIST for the CPUs of the shards".to_owned(),
    })
}

/// A connection lives where its client id is at home, not where its packets happen to arrive: this brings them there.
pub fn flow_steering(host: &Host, plan: &Plan) -> Verdict {
    let name = "net.core.rps_sock_flow_entries";
    let Some(entries) = host.settings(name).first().copied() else {
        return Verdict::unknown("/proc/sys/net/core/rps_sock_flow_entries");
    };
    let cards = interfaces(host);
    let shards = plan.cpus().len();
    if entries > 0 || shards < 2 || cards.is_empty() {
        return Verdict::fine(format!("{name} = {entries}"));
    }
    let entries = plan.connections.next_power_of_two().clamp(4_096, 1 << 20);
    let card = &cards[0];
    let queues = queue_names(host, card, "rx-").len().max(1) as u64;
    Verdict::Change(Change {
        severity: Severity::Hint,
        is: format!("{name} = 0"),
        to: format!("{entries}"),
        why: format!(
            "a client's shard is chosen by its id, so that the packets of {} in {shards} connections arrive on another CPU \
             than their shard's; RFS lets the shard's CPU do their TCP work, with warm caches",
            shards - 1
        ),
        how: format!(
            "sysctl -w {name}={entries}; echo {} | tee /{NET}/{card}/queues/rx-*/rps_flow_cnt (and RPS on: rps_cpus)",
            entries / queues
        ),
    })
}
