//! That no normative statement of 3.1.1 and 5.0 lacks its test: `statements.txt` against the standards' ids and against
//! the sources of the tests. Its format is described at its head.
//!
//! The ids stand here too, as ranges, so that a line that is dropped or mistyped there fails.

use crate::listing::{beside, functions, nothing};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const LIST: &str = include_str!("statements.txt");

/// (section, numbers) of the 251 statements of MQTT 5.0.
const V5: &[(&str, &str)] = &[
    ("1.5.4", "1-3"),
    ("1.5.5", "1"),
    ("1.5.7", "1"),
    ("2.1.3", "1"),
    ("2.2.1", "2-6"),
    ("2.2.2", "1"),
    ("3.1.0", "1-2"),
    ("3.1.2", "1-30"),
    ("3.1.3", "1-12"),
    ("3.1.4", "1-6"),
    ("3.2.0", "1-2"),
    ("3.2.2", "1-22"),
    ("3.3.1", "1-13"),
    ("3.3.2", "1-20"),
    ("3.3.4", "1-10"),
    ("3.4.2", "1-3"),
    ("3.5.2", "1-3"),
    ("3.6.1", "1"),
    ("3.6.2", "1-3"),
    ("3.7.2", "1-3"),
    ("3.8.1", "1"),
    ("3.8.3", "1-5"),
    ("3.8.4", "1-8"),
    ("3.9.2", "1-2"),
    ("3.9.3", "1-2"),
    ("3.10.1", "1"),
    ("3.10.3", "1-2"),
    ("3.10.4", "1-6"),
    ("3.11.2", "1-2"),
    ("3.11.3", "1-2"),
    ("3.12.4", "1"),
    ("3.14.0", "1"),
    ("3.14.1", "1"),
    ("3.14.2", "1-4"),
    ("3.14.4", "1-3"),
    ("3.15.1", "1"),
    ("3.15.2", "1-3"),
    ("4.1.0", "1-2"),
    ("4.2", "1"),
    ("4.3.1", "1"),
    ("4.3.2", "1-5"),
    ("4.3.3", "1-13"),
    ("4.4.0", "1-2"),
    ("4.5.0", "1-2"),
    ("4.6.0", "1-6"),
    ("4.7.0", "1"),
    ("4.7.1", "1-2"),
    ("4.7.2", "1"),
    ("4.7.3", "1-4"),
    ("4.8.2", "1-6"),
    ("4.9.0", "1-3"),
    ("4.12.0", "1-7"),
    ("4.12.1", "1-2"),
    ("4.13.1", "1"),
    ("4.13.2", "1"),
    ("6.0.0", "1-4"),
];

/// (section, numbers) of the 135 statements of MQTT 3.1.1. The dot at the end of `3.3.1.` is the standard's.
const V3: &[(&str, &str)] = &[
    ("1.5.3", "1-3"),
    ("2.2.2", "1-2"),
    ("2.3.1", "1-7"),
    ("3.1.0", "1-2"),
    ("3.1.2", "1-4,6,8-24"),
    ("3.1.3", "1-11"),
    ("3.1.4", "1-5"),
    ("3.2.0", "1"),
    ("3.2.2", "1-6"),
    ("3.3.1.", "1"),
    ("3.3.1", "2-12"),
    ("3.3.2", "1-3"),
    ("3.3.4", "1"),
    ("3.3.5", "1-2"),
    ("3.6.1", "1"),
    ("3.8.1", "1"),
    ("3.8.3", "1-3"),
    ("3.8.4", "1-2,4"),
    ("3.9.3", "1-2"),
    ("3.10.1", "1"),
    ("3.10.3", "1-2"),
    ("3.10.4", "1-6"),
    ("3.12.4", "1"),
    ("3.14.1", "1"),
    ("3.14.4", "1-3"),
    ("4.1.0", "1-2"),
    ("4.3.1", "1"),
    ("4.3.2", "1-2"),
    ("4.3.3", "1-2"),
    ("4.4.0", "1"),
    ("4.5.0", "1-2"),
    ("4.6.0", "1-6"),
    ("4.7.1", "1-3"),
    ("4.7.2", "1"),
    ("4.7.3", "1-4"),
    ("4.8.0", "1-2"),
    ("6.0.0", "1-4"),
    ("7.0.0", "1-2"),
    ("7.1.1", "1"),
    ("7.1.2", "1"),
];

/// What a line says of a statement.
#[derive(Debug, PartialEq)]
enum Claim {
    Covered(Vec<&'static str>),
    NotOurs(&'static str),
}

/// (version, id without `MQTT-`) and what is said of it, in the order of the list.
fn claims() -> Vec<((&'static str, &'static str), Claim)> {
    let lines = LIST
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    lines
        .map(|line| claim(line).unwrap_or_else(|| panic!("not in the format: {line}")))
        .collect()
}

fn claim(line: &'static str) -> Option<((&'static str, &'static str), Claim)> {
    let (version, rest) = line.split_once(" MQTT-")?;
    let (id, said) = rest.split_once(' ')?;
    let claim = if let Some(tests) = said.strip_prefix("covered by ") {
        Claim::Covered(tests.split(", ").collect())
    } else if let Some(reason) = said.strip_prefix("not ours: ") {
        Claim::NotOurs(reason)
    } else {
        return None;
    };
    Some(((version, id), claim))
}

fn ids(version: &'static str, sections: &[(&str, &str)]) -> BTreeSet<(&'static str, String)> {
    let mut ids = BTreeSet::new();
    for (section, numbers) in sections {
        for range in numbers.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bounds = [first, last].map(|number| number.parse::<u32>().expect("a number"));
            ids.extend((bounds[0]..=bounds[1]).map(|number| (version, format!("{section}-{number}"))));
        }
    }
    ids
}

fn all_ids() -> BTreeSet<(&'static str, String)> {
    let (v5, v3) = (ids("5.0", V5), ids("3.1.1", V3));
    assert_eq!((v5.len(), v3.len()), (251, 135), "as many as the standards have");
    v5.into_iter().chain(v3).collect()
}

/// Every `#[test]` of the workspace by its path, `tests::conformance::v5_connect::mqtt_...`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["tests", "codec", "core", "shard", "admin", "src"] {
        collect(Path::new(folder), &mut found);
    }
    assert!(
        found.len() > 300,
        "only {} tests: looked in the wrong place",
        found.len()
    );
    found
}

/// `folder` is from the root of the workspace.
fn collect(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder") {
        let path = folder.join(entry.expect("an entry").file_name());
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path)).expect("a source");
            let module = path.with_extension("").display().to_string().replace('/', "::");
            found.extend(functions(&text).map(|name| format!("{module}::{name}")));
        } else if !path.ends_with("target") && Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).is_dir() {
            collect(&path, found);
        }
    }
}

/// The test of the workspace whose path ends so; an error names none or several.
fn named<'a>(test: &str, tests: &'a BTreeSet<String>) -> Result<&'a str, String> {
    let end = format!("::{test}");
    let mut found = tests.iter().filter(|path| path.ends_with(&end));
    match (found.next(), found.next()) {
        (Some(path), None) => Ok(path),
        (None, _) => Err(format!("{test}: there is no such test")),
        (Some(one), Some(other)) => Err(format!("{test}: is it {one} or {other}?")),
    }
}

/// The statement that a case is named by: `v5_connect::mqtt_3_1_2_24_...` and `3.1.1`'s in `v3_...`.
fn statement(test: &str, ids: &BTreeSet<(&'static str, String)>) -> Option<(&'static str, String)> {
    let (module, name) = test.rsplit_once("::")?;
    let version = if module.contains("::v5_") { "5.0" } else { "3.1.1" };
    let numbers: Vec<_> = name.strip_prefix("mqtt_")?.split('_').collect();
    let count = numbers
        .iter()
        .take_while(|word| word.parse::<u32>().is_ok())
        .count();
    let (&last, section) = numbers[..count].split_last()?;
    let section = section.join(".");
    let id = |dot: &str| (version, format!("{section}{dot}-{last}"));
    [id(""), id(".")].into_iter().find(|id| ids.contains(id))
}

#[test]
fn every_statement_is_listed_once() {
    let mut listed = BTreeMap::<(&str, String), usize>::new();
    for ((version, id), _) in claims() {
        *listed.entry((version, id.to_owned())).or_default() += 1;
    }
    let ids = all_ids();
    let missing = ids.iter().filter(|id| !listed.contains_key(*id));
    nothing("missing", missing.map(|id| format!("{id:?}")).collect());
    let wrong = listed
        .iter()
        .filter(|(id, count)| !ids.contains(*id) || **count != 1);
    nothing("unknown or twice", wrong.map(|id| format!("{id:?}")).collect());
}

#[test]
fn every_statement_is_covered_or_has_a_reason() {
    let tests = tests();
    let mut findings = Vec::new();
    for ((version, id), claim) in claims() {
        match claim {
            Claim::Covered(by) => {
                findings.extend(by.into_iter().filter_map(|test| named(test, &tests).err()));
            }
            Claim::NotOurs(reason) if reason.split_whitespace().count() >= 4 => {}
            Claim::NotOurs(reason) => findings.push(format!("{version} {id}: `{reason}` is no reason")),
        }
    }
    nothing("statements", findings);
}

#[test]
fn every_case_names_its_statement_and_is_listed_under_it() {
    let (tests, ids) = (tests(), all_ids());
    let mut covering = BTreeMap::<(&str, String), BTreeSet<&str>>::new();
    for ((version, id), claim) in claims() {
        if let Claim::Covered(by) = claim {
            let paths = by.iter().filter_map(|test| named(test, &tests).ok());
            covering.insert((version, id.to_owned()), paths.collect());
        }
    }
    let beside: BTreeSet<_> = beside(LIST)
        .map(|(test, _)| named(test, &tests).unwrap_or_else(|error| panic!("beside {error}")))
        .collect();
    let mut findings = Vec::new();
    for test in tests
        .iter()
        .filter(|test| test.starts_with("tests::conformance::"))
    {
        match statement(test, &ids) {
            Some(id) if covering.get(&id).is_some_and(|by| by.contains(test.as_str())) => {}
            Some((version, id)) => findings.push(format!("{test}: not listed under {version} MQTT-{id}")),
            None if beside.contains(test.as_str()) => {}
            None => findings.push(format!("{test}: names no statement, and is not `beside` them")),
        }
    }
    nothing("cases", findings);
}
