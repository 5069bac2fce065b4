//! Replays the corpus of the fuzz target `engine` with the very code that the target runs: scripts to start from, and
//! every input that once showed a defect. Those of the codec's targets are replayed beside the codec.

// The engine reads no files; its tests may.
#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks/engine/mod.rs"]
mod engine;

#[test]
fn every_script_of_the_corpus_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/engine");
    let mut played = 0;
    for entry in fs::read_dir(folder).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        println!("{}", path.display());
        engine::check(&fs::read(&path).expect("readable"));
        played += 1;
    }
    assert!(played >= 10, "only {played} scripts");
}
