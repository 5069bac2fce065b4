//! That no row of the protocol lacks its test: `rows.txt` against the rows' names, which stand here too, and against the
//! sources of the tests. Its format is described at its head.
//!
//! A row that is dropped or renamed there fails, and so does a line that says `open`, names a test that does not exist, or
//! gives no reason.

use crate::listing::{beside, functions, nothing};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LIST: &str = include_str!("rows.txt");

/// (section, names of its rows), as many as the protocol has.
const ROWS: [(&str, &[&str]); 6] = [
    (
        "frame",
        &[
            "connect",
            "connack",
            "datatrans",
            "ping",
            "pong",
            "disconnect",
            "reserved",
        ],
    ),
    (
        "layout",
        &[
            "keepalive",
            "client-id",
            "username",
            "password",
            "exact-fill",
            "empty-string",
            "length",
        ],
    ),
    (
        "vector",
        &[
            "connect",
            "connect-credentials",
            "connack-accepted",
            "connack-refused",
            "datatrans",
            "ping-pong-disconnect",
            "version-0",
        ],
    ),
    (
        "topic",
        &[
            "up",
            "dn",
            "dn-empty",
            "placeholders",
            "username-missing",
            "client",
            "authority",
            "rules",
            "traces",
        ],
    ),
    (
        "behaviour",
        &[
            "not-connect-first",
            "idle-timeout",
            "second-connect",
            "other-version",
            "authentication-failed",
            "client-id",
            "take-over",
            "keepalive",
            "ping",
            "disconnect",
            "illegal-frame",
            "flags",
            "too-large",
            "acl-up",
            "dn-too-large",
            "retained",
            "up-publish",
            "up-backpressure",
            "dn-qos",
            "session",
            "slow-device",
            "accepted",
            "unreadable-log",
        ],
    ),
    (
        "key",
        &[
            "idle-timeout",
            "topics",
            "max-packet-size",
            "enable-stats",
            "address",
            "tls",
            "max-connections",
            "max-conn-rate",
            "rate-limit",
            "access",
            "proxy-protocol",
            "backlog",
            "send-timeout",
            "nodelay",
            "several",
        ],
    ),
];

/// What a line says of a row.
enum Claim {
    Covered(Vec<&'static str>),
    Later(&'static str),
}

/// (section, name) and what is said of it.
fn claims() -> Vec<((&'static str, &'static str), Claim)> {
    let lines = LIST
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines = lines.filter(|line| !line.starts_with("beside "));
    lines
        .map(|line| claim(line).unwrap_or_else(|| panic!("not in the format: {line}")))
        .collect()
}

fn claim(line: &'static str) -> Option<((&'static str, &'static str), Claim)> {
    let (section, rest) = line.split_once(' ')?;
    let (name, said) = rest.split_once(' ')?;
    let claim = if let Some(tests) = said.strip_prefix("covered by ") {
        Claim::Covered(tests.split(", ").collect())
    } else {
        Claim::Later(said.strip_prefix("later: ")?)
    };
    Some(((section, name), claim))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the tests of a file; none when there is no such file.
fn tests_of(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    functions(&text).map(str::to_owned).collect()
}

/// `module::test` is a test of this folder, `folder/file.rs::test` one of another.
fn exists(test: &str) -> bool {
    let Some((place, name)) = test.rsplit_once("::") else {
        return false;
    };
    let path = if place.ends_with(".rs") {
        PathBuf::from(place)
    } else {
        Path::new("tests/emqtcp").join(place).with_extension("rs")
    };
    tests_of(&root().join(path)).contains(name)
}

/// Every test of this folder but those of this file and of the notation.
fn own_tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/emqtcp")).expect("the folder") {
        let path = entry.expect("an entry").path();
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "rs") && module != "rows" {
            found.extend(
                tests_of(&path)
                    .into_iter()
                    .map(|test| format!("{module}::{test}")),
            );
        }
    }
    assert!(
        found.len() > 60,
        "only {} tests: looked in the wrong place",
        found.len()
    );
    found
}

#[test]
fn every_row_is_listed_once() {
    let names: BTreeSet<_> = ROWS
        .iter()
        .flat_map(|(section, names)| names.iter().map(move |name| (*section, *name)))
        .collect();
    assert_eq!(names.len(), 68, "as many as the protocol has");
    let mut listed = BTreeMap::<(&str, &str), usize>::new();
    for (row, _) in claims() {
        *listed.entry(row).or_default() += 1;
    }
    let missing = names.iter().filter(|name| !listed.contains_key(*name));
    nothing("missing", missing.map(|name| format!("{name:?}")).collect());
    let wrong = listed
        .iter()
        .filter(|(name, count)| !names.contains(*name) || **count != 1);
    nothing(
        "unknown or twice",
        wrong.map(|name| format!("{name:?}")).collect(),
    );
}

#[test]
fn every_row_has_tests_or_a_reason() {
    let mut findings = Vec::new();
    for (row, claim) in claims() {
        match claim {
            Claim::Covered(tests) => {
                let lacking = tests.into_iter().filter(|test| !exists(test));
                findings.extend(lacking.map(|test| format!("{row:?}: there is no test {test}")));
            }
            Claim::Later(reason) if reason.split_whitespace().count() >= 5 => {}
            Claim::Later(reason) => findings.push(format!("{row:?}: `{reason}` is no reason")),
        }
    }
    nothing("rows", findings);
}

#[test]
fn every_test_is_listed_under_a_row() {
    let mut listed = BTreeSet::new();
    for (_, claim) in claims() {
        if let Claim::Covered(tests) = claim {
            listed.extend(tests);
        }
    }
    for (test, reason) in beside(LIST) {
        assert!(
            reason.split_whitespace().count() >= 4,
            "{test}: `{reason}` is no reason"
        );
        assert!(exists(test), "there is no test {test}");
        listed.insert(test);
    }
    let own = own_tests();
    let unlisted = own.iter().filter(|test| !listed.contains(test.as_str()));
    nothing("stand under no row", unlisted.cloned().collect());
}

#[test]
fn what_is_no_claim_is_noticed() {
    for line in [
        "frame ping open",
        "frame ping",
        "frame ping covered",
        "frame ping later",
    ] {
        assert!(claim(line).is_none(), "{line}");
    }
    assert!(!exists("frames::there_is_no_such_test") && !exists("nowhere::x") && !exists("x"));
    assert!(exists("codec/src/private/tests.rs::flags_are_kept_as_sent"));
}
