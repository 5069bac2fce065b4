//! Checks of the kernel: its release, whether io_uring may be used, and how it schedules.

use super::finding::{Change, Severity, Verdict};
use super::{Host, Plan};

/// The oldest that has all that a shard uses.
const OLDEST: (u32, u32) = (6, 1);

pub fn version(host: &Host, _: &Plan) -> Verdict {
    let Some(release) = host.setting("kernel.osrelease") else {
        return Verdict::unknown("/proc/sys/kernel/osrelease");
    };
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return Verdict::unknown(format!("what release \"{release}\" is"));
    };
    if (major, minor) >= OLDEST {
        return Verdict::fine(release);
    }
    Verdict::Change(Change {
        severity: Severity::Needed,
        is: release,
        to: "6.1 or later".to_owned(),
        why: "deferred task work, provided buffers and messages between rings came with it: the broker does not start"
            .to_owned(),
        how: "install a newer kernel (Debian 12 and later have one)".to_owned(),
    })
}

pub fn io_uring(host: &Host, _: &Plan) -> Verdict {
    let name = "kernel.io_uring_disabled";
    match host.setting(name).as_deref() {
        Some("0") => Verdict::fine("allowed"),
        // The setting came with 6.6; before, only a sandbox could forbid it.
        None if host.setting("kernel.osrelease").is_some() => Verdict::fine("allowed: this kernel has no switch for it"),
        None => Verdict::unknown("/proc/sys/kernel/io_uring_disabled"),
        Some(value) => Verdict::Change(Change {
            severity: Severity::Needed,
            is: format!("{name} = {value}"),
            to: "0".to_owned(),
            why: "the broker moves every byte through io_uring and does not start without it (1: only for the group of \
                  kernel.io_uring_group)"
                .to_owned(),
            how: format!("sysctl -w {name}=0"),
        }),
    }
}

pub fn autogroup(host: &Host, _: &Plan) -> Verdict {
    let name = "kernel.sched_autogroup_enabled";
    match host.number("proc/sys/kernel/sched_autogroup_enabled") {
        None => Verdict::unknown("/proc/sys/kernel/sched_autogroup_enabled"),
        Some(0) => Verdict::fine(format!("{name} = 0")),
        Some(value) => Verdict::Change(Change {
            severity: Severity::Hint,
            is: format!("{name} = {value}"),
            to: "0, on a machine that only serves".to_owned(),
            why: "each terminal session gets an equal share of the CPUs, so that a build in another session takes half of \
                  a shard's core; nice values count only within a session"
                .to_owned(),
            how: format!("sysctl -w {name}=0"),
        }),
    }
}
