//! Other people's clients against the real broker: mosquitto's commands, Python's paho, JavaScript's mqtt; and the test
//! suites that came with some of them (`suites.rs`).
//!
//! They are subprocesses, installed by `.ci/run`. Where one is missing its tests say so loudly and pass; with
//! `RINGWIRE_INTEROP=required`, as in CI, a missing client is a failure. The Python and JavaScript checks are scripts
//! beside this file that print one line a check; mosquitto's commands and the README's examples are driven from here.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;

mod aedes;
mod mosquitto;
mod readme;
mod scripts;
mod suites;

use std::path::PathBuf;

/// False, loudly, when a client is not installed and may be missing.
fn is_installed(client: &str, installed: bool) -> bool {
    if !installed {
        let required = std::env::var("RINGWIRE_INTEROP").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "{client} is not installed and RINGWIRE_INTEROP=required"
        );
        println!("SKIPPED: {client} is not installed; .ci/run installs it");
    }
    installed
}

/// Where `.ci/run` puts the Python and JavaScript clients.
fn clients() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.parent().expect("the target folder").join("interop")
}
