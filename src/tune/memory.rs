//! Checks of memory: enough for the connections, huge pages, swap.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};
use ringwire_shard::HugePages;

/// Of an idle connection: about 1 KB of the broker's and 4.5 KB of the kernel's, and room to breathe.
const BYTES_A_CONNECTION: u64 = 8 << 10;

/// The process and its allocator before the first connection.
const BYTES_AT_START: u64 = 64 << 20;

/// Where a server swaps least without being killed early.
const SWAPPINESS: u64 = 10;

pub fn room(host: &Host, plan: &Plan) -> Verdict {
    let available = host.line("proc/meminfo", "MemAvailable:");
    let kib = available.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    let Some(available) = kib.map(|kib| kib << 10) else {
        return Verdict::unknown("MemAvailable in /proc/meminfo");
    };
    let buffers = u64::from(plan.core.buffers) * u64::from(plan.core.buffer_bytes);
    let needed = BYTES_AT_START + plan.connections * BYTES_A_CONNECTION + buffers * plan.shards.len() as u64;
    let is = format!("{} MB available", available >> 20);
    if available >= needed {
        return Verdict::fine(is);
    }
    Verdict::Change(Change {
        severity: Severity::Needed,
        is,
        to: format!("{} MB", needed >> 20),
        why: format!(
            "{} idle connections take about {} KB each, kernel included; what waits in queues and retained messages come \
             on top, bounded by [limits]",
            plan.connections,
            BYTES_A_CONNECTION >> 10
        ),
        how: "more memory, or fewer connections: max_connections of each listener".to_owned(),
    })
}

pub fn huge_pages(host: &Host, plan: &Plan) -> Verdict {
    let path = "sys/kernel/mm/transparent_hugepage/enabled";
    let Some(text) = host.text(path) else {
        return Verdict::unknown(format!("/{path}"));
    };
    let mode = text
        .split('[')
        .nth(1)
        .and_then(|rest| rest.split(']').next())
        .unwrap_or(&text);
    let how = format!("echo madvise > /{path}");
    let to = "madvise".to_owned();
    let is = mode.to_owned();
    match (mode, plan.core.huge_pages) {
        ("always", _) => Verdict::Change(Change {
            severity: Severity::Hint,
            is,
            to,
            why: "the kernel gives 2 MB where a few KB are touched, and joins pages in the background: memory of many \
                  small sessions grows, and turns wait now and then"
                .to_owned(),
            how,
        }),
        ("never", HugePages::Try) => Verdict::Change(Change {
            severity: Severity::Hint,
            is,
            to,
            why: "shard.huge_pages = \"try\" finds none, unless vm.nr_hugepages reserves some".to_owned(),
            how,
        }),
        _ => Verdict::fine(is),
    }
}

pub fn swap(host: &Host, _: &Plan) -> Verdict {
    let (Some(swaps), Some(swappiness)) = (host.text("proc/swaps"), host.number("proc/sys/vm/swappiness"))
    else {
        return Verdict::unknown("/proc/swaps, /proc/sys/vm/swappiness");
    };
    if swaps.lines().count() < 2 {
        return Verdict::fine("none");
    }
    let is = format!("there is swap, vm.swappiness = {swappiness}");
    if swappiness <= SWAPPINESS {
        return Verdict::fine(is);
    }
    Verdict::Change(Change {
        severity: Severity::Hint,
        is,
        to: format!("{SWAPPINESS} or less"),
        why: "sessions of quiet clients are the first to be swapped out, and a shard that touches one stands still until the \
              disk has answered, with all of its clients"
            .to_owned(),
        how: format!("sysctl -w vm.swappiness={SWAPPINESS}"),
    })
}
