//! Replays the corpus of every fuzz target with the very code that the target runs.
//!
//! `fuzz/corpus/<target>/` holds valid packets to start from and every input that once showed a defect. A folder without
//! a row in `TARGETS`, or the other way round, fails.

// The codec reads no files; its tests may.
#![allow(clippy::disallowed_methods)]

use ringwire_codec::mqtt::Version;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../fuzz/checks/described/mod.rs"]
mod described;
#[path = "../../fuzz/checks/jt808.rs"]
mod jt808;
#[path = "../../fuzz/checks/mqtt.rs"]
mod mqtt;
#[path = "../../fuzz/checks/private.rs"]
mod private;

/// A fuzz target's name, and what it does with its input.
type Target = (&'static str, fn(&[u8]));

/// Targets that `core/tests/corpus.rs` and `wasm/tests/corpus.rs` replay.
const ELSEWHERE: [&str; 2] = ["engine", "wasm"];

const TARGETS: [Target; 6] = [
    ("jt808", jt808::check),
    ("described", described::check),
    ("mqtt_v31", |bytes| mqtt::check(Version::V31, bytes)),
    ("mqtt_v311", |bytes| mqtt::check(Version::V311, bytes)),
    ("mqtt_v5", |bytes| mqtt::check(Version::V5, bytes)),
    ("private_frame", private::check),
];

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

#[test]
fn every_input_of_the_corpus_passes_its_target() {
    for (target, check) in TARGETS {
        let folder = fuzz().join("corpus").join(target);
        let inputs = names(&folder);
        assert!(inputs.len() >= 10, "{target} has only {} inputs", inputs.len());
        for input in inputs {
            let bytes = fs::read(folder.join(&input)).expect("readable");
            println!("{target}/{input}");
            check(&bytes);
        }
    }
}

#[test]
fn every_fuzz_target_is_replayed() {
    let here = TARGETS.iter().map(|(target, _)| *target);
    let replayed: BTreeSet<String> = here.chain(ELSEWHERE).map(str::to_owned).collect();
    let targets: BTreeSet<String> = names(&fuzz().join("fuzz_targets"))
        .iter()
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    assert_eq!(targets, replayed);
    assert_eq!(names(&fuzz().join("corpus")), replayed);
}
