//! Checks of what the kernel lets this process have: descriptors and locked memory.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};

/// Descriptors beside those of clients: each shard's rings and listeners, logs, the admin endpoint.
const FILES_OF_ITS_OWN: u64 = 128;
const FILES_A_SHARD: u64 = 32;

/// Rings of a shard and of its executor; kernels that count them as locked memory count about as much.
const LOCKED_A_SHARD: u64 = 1 << 20;

/// Below this a shard's executor refuses to start.
const LOCKED_LEAST: u64 = 512 << 10;

fn files(plan: &Plan) -> u64 {
    plan.connections + FILES_OF_ITS_OWN + FILES_A_SHARD * plan.shards.len() as u64
}

/// The hard limit: the broker raises its soft one to it.
fn hard_limit(host: &Host, name: &str) -> Option<u64> {
    let line = host.line("proc/self/limits", name)?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

pub fn open_files(host: &Host, plan: &Plan) -> Verdict {
    let needed = files(plan);
    let Some(limit) = hard_limit(host, "Max open files") else {
        return Verdict::unknown("/proc/self/limits");
    };
    if limit >= needed {
        return Verdict::fine(format!("{limit}"));
    }
    let ceiling = host
        .number("proc/sys/fs/nr_open")
        .filter(|ceiling| *ceiling < needed);
    let first = ceiling.map_or_else(String::new, |_| format!("sysctl -w fs.nr_open={needed}; then "));
    Verdict::Change(Change {
        severity: Severity::Needed,
        is: format!("{limit}, the hard limit of this shell or service"),
        to: format!("{needed}"),
        why: format!(
            "a connection is a descriptor: about {} are accepted, the others wait in the kernel and time out",
            limit.saturating_sub(needed - plan.connections)
        ),
        how: format!("{first}LimitNOFILE={needed} in the systemd unit, or ulimit -Hn {needed} as root"),
    })
}

pub fn open_files_of_the_system(host: &Host, plan: &Plan) -> Verdict {
    // Other processes have some too.
    let needed = files(plan) * 5 / 4;
    match host.number("proc/sys/fs/file-max") {
        None => Verdict::unknown("/proc/sys/fs/file-max"),
        Some(max) if max >= needed => Verdict::fine(format!("fs.file-max = {max}")),
        Some(max) => Verdict::Change(Change {
            severity: Severity::Needed,
            is: format!("fs.file-max = {max}"),
            to: format!("{needed}"),
            why: "all processes together may not have more descriptors than that: accepting stops for everybody".to_owned(),
            how: format!("sysctl -w fs.file-max={needed}"),
        }),
    }
}

pub fn locked_memory(host: &Host, plan: &Plan) -> Verdict {
    let Some(limit) = hard_limit(host, "Max locked memory") else {
        return Verdict::unknown("/proc/self/limits");
    };
    let needed = LOCKED_LEAST.max(LOCKED_A_SHARD * plan.shards.len() as u64);
    if limit >= needed {
        let limit = if limit == u64::MAX {
            "unlimited".to_owned()
        } else {
            format!("{} KB", limit >> 10)
        };
        return Verdict::fine(limit);
    }
    Verdict::Change(Change {
        severity: if limit < LOCKED_LEAST { Severity::Needed } else { Severity::Worth },
        is: format!("{} KB", limit >> 10),
        to: format!("{} KB", needed >> 10),
        why: "the rings of each shard count as locked memory on some kernels: with too little a shard does not start"
            .to_owned(),
        how: format!("LimitMEMLOCK={needed} in the systemd unit, or ulimit -Hl {} as root", needed >> 10),
    })
}
