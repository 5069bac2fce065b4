//! Each check against two hosts made of files: one that should be changed, one that is fine. And no host at all.

mod rows;

use super::finding::{Change, Severity, Verdict};
use super::*;
use ringwire_shard::HugePages;
use rows::{INTERFACE_ROWS, ROWS, Row};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// Four shards on CPUs 0 to 3, 100,000 connections.
fn plan() -> Plan {
    Plan {
        connections: 100_000,
        shards: vec![0, 1, 2, 3],
        allowed: vec![0, 1, 2, 3],
        core: Core::default(),
        backlog: 1_024,
        caps_keepalive: false,
    }
}

/// The plan of a row: `plan()`, but for what the row says.
fn plan_of(row: &Row, is_fine: bool) -> Plan {
    let mut plan = plan();
    match (row.about, is_fine) {
        ("shards", false) => plan.shards.push(0),
        ("silent clients", true) => plan.caps_keepalive = true,
        ("transparent huge pages", false) => plan.core.huge_pages = HugePages::Try,
        _ => {}
    }
    plan
}

/// Files and their text; a text that begins with `->` is a link.
fn host(files: &[(&str, &str)]) -> (TempDir, Host) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("->") {
            Some(target) => symlink(target, path).unwrap(),
            None => fs::write(path, format!("{text}\n")).unwrap(),
        }
    }
    let host = Host::new(root.path());
    (root, host)
}

fn verdict(about: &str, files: &[(&str, &str)], plan: &Plan) -> Verdict {
    let (_root, host) = host(files);
    let found = findings(&host, plan);
    let finding = found.into_iter().find(|finding| finding.about == about);
    finding
        .unwrap_or_else(|| panic!("no finding about {about}"))
        .verdict
}

#[test]
fn every_check_finds_what_should_change_and_leaves_alone_what_is_fine() {
    for row in ROWS.iter().chain(&INTERFACE_ROWS) {
        let found = verdict(row.about, row.bad, &plan_of(row, false));
        let Verdict::Change(Change {
            severity,
            is,
            to,
            why,
            how,
        }) = &found
        else {
            panic!("{}: {found:?}", row.about);
        };
        assert_eq!(*severity, row.severity, "{}", row.about);
        assert!(how.contains(row.how), "{}: {how}", row.about);
        assert!(is.contains(row.is), "{}: {is}", row.about);
        assert!(!to.is_empty() && why.len() > 20, "{}", row.about);
        let found = verdict(row.about, row.good, &plan_of(row, true));
        assert!(matches!(found, Verdict::Fine { .. }), "{}: {found:?}", row.about);
    }
}

#[test]
fn every_check_has_a_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.about).collect();
    let checks: BTreeSet<_> = CHECKS.iter().map(|(about, _)| *about).collect();
    assert_eq!(rows, checks);
    let rows: BTreeSet<_> = INTERFACE_ROWS
        .iter()
        .filter_map(|row| row.about.strip_prefix("eth0 "))
        .collect();
    let checks: BTreeSet<_> = OF_INTERFACES.iter().map(|(about, _)| *about).collect();
    assert_eq!(rows, checks);
}

#[test]
fn a_host_without_files_is_not_known_and_no_error() {
    let (_root, nothing) = host(&[]);
    let found = findings(&nothing, &plan());
    assert_eq!(found.len(), CHECKS.len());
    for finding in &found {
        let is_known = finding.about == "shards";
        assert_eq!(
            matches!(finding.verdict, Verdict::Unknown { .. }),
            !is_known,
            "{}: {:?}",
            finding.about,
            finding.verdict
        );
    }
    let text = report::text(&plan(), &found, &proposal::text(&nothing, &plan()));
    assert!(
        text.contains("not known: kernel (no /proc/sys/kernel/osrelease)"),
        "{text}"
    );
    // What is in files may also be nonsense.
    let nonsense: Vec<_> = ROWS
        .iter()
        .flat_map(|row| row.bad)
        .map(|(path, _)| (*path, "?\u{0}-"))
        .collect();
    let (_root, nonsense) = host(&nonsense);
    let found = findings(&nonsense, &plan());
    assert_eq!(found.len(), CHECKS.len() + OF_INTERFACES.len());
}

#[test]
fn interfaces_without_a_queue_or_an_interrupt_are_not_known() {
    let files = [
        ("sys/class/net/eth0/device/vendor", "x"),
        ("sys/class/net/lo/address", "y"),
    ];
    let (_root, host) = host(&files);
    assert_eq!(interrupts::interfaces(&host), ["eth0"]);
    for about in ["eth0 receive queues", "eth0 interrupts", "eth0 transmit queues"] {
        let found = findings(&host, &plan());
        let finding = found.iter().find(|finding| finding.about == about).unwrap();
        assert!(matches!(finding.verdict, Verdict::Unknown { .. }), "{about}");
    }
}

#[test]
fn a_virtual_machine_halts_and_spinning_hides_that() {
    let files = [("proc/cpuinfo", "flags : fpu sse hypervisor lahf_lm")];
    let Verdict::Change(change) = verdict("idle states", &files, &plan()) else {
        panic!("a guest without idle states of its own");
    };
    assert_eq!(
        (change.severity, change.is.as_str()),
        (Severity::Hint, "a virtual machine")
    );
    let mut spinning = plan();
    spinning.core.spin_us = 50;
    let found = verdict("idle states", &files, &spinning);
    assert!(matches!(found, Verdict::Fine { .. }), "{found:?}");
}

#[test]
fn the_smallest_quota_of_a_group_and_those_around_it_counts() {
    let files = [
        ("proc/self/cgroup", "0::/a/b"),
        ("sys/fs/cgroup/a/b/cpu.max", "max 100000"),
        ("sys/fs/cgroup/a/cpu.max", "150000 100000"),
        ("sys/fs/cgroup/cpu.max", "300000 100000"),
    ];
    let (_root, host) = host(&files);
    assert_eq!(cpu::allowance(&host), Some(Some(1.5)));
}

#[test]
fn the_proposal_is_a_configuration_that_fits() {
    let files = [
        ("sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "0,2"),
        ("sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,3"),
        ("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "0,2"),
        ("sys/devices/system/cpu/cpu3/topology/thread_siblings_list", "1,3"),
        ("proc/self/cgroup", "2:cpu,cpuacct:/x"),
        ("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "100000"),
        ("sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000"),
    ];
    for (files, cores, shards) in [
        (&files[..0], "0-3", 4),
        (&files[..4], "0-1", 2),
        (&files[..], "0", 1),
    ] {
        let (_root, host) = host(files);
        let text = proposal::text(&host, &plan());
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["node"]["cores"].as_str(), Some(cores), "{text}");
        assert_eq!(table["node"]["shards"].as_integer(), Some(shards));
        let sources = [crate::config::Source {
            origin: "tune".to_owned(),
            text,
            lists_listeners: false,
            folder: None,
        }];
        assert!(crate::config::load(&sources, &[0, 1, 2, 3]).is_ok());
    }
}

#[test]
fn the_report_has_changes_first_and_its_json_says_the_same() {
    let files = [
        ("proc/sys/kernel/osrelease", "6.18.0"),
        ("proc/sys/fs/file-max", "1000"),
        ("proc/sys/net/core/somaxconn", "128"),
    ];
    let (_root, host) = host(&files);
    let found = findings(&host, &plan());
    let text = report::text(&plan(), &found, "[node]\n");
    let at = |words: &str| {
        text.find(words)
            .unwrap_or_else(|| panic!("no {words} in:\n{text}"))
    };
    assert!(at("needed: open files of the system") < at("worth it: accept queue"));
    assert!(at("worth it: accept queue") < at("fine: kernel (6.18.0)"));
    assert!(at("  do    sysctl -w net.core.somaxconn=1024") < at("not known:"));
    assert!(text.lines().all(|line| line.len() <= 110), "{text}");
    let json: serde_json::Value = serde_json::from_str(&report::json(&plan(), &found, "[node]\n")).unwrap();
    let rows = json["findings"].as_array().unwrap();
    assert_eq!(rows.len(), found.len());
    assert_eq!(
        (&rows[0]["about"], &rows[0]["severity"]),
        (&"open files of the system".into(), &"needed".into())
    );
    assert_eq!(json["configuration"], "[node]\n");
}

#[test]
fn severities_are_told_apart() {
    let names = [Severity::Needed, Severity::Worth, Severity::Hint].map(Severity::name);
    assert_eq!(names, ["needed", "worth it", "hint"]);
}
