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

use broker::pasted::is_installed;
use std::path::PathBuf;

/// Runs tests that other people wrote, which give a broker two seconds or less for an answer: a machine that stands still
/// for as long fails them, so they have three attempts. What each failure printed is shown.
#[track_caller]
fn again<T>(name: &str, attempt: impl Fn() -> Result<T, String>) -> T {
    for number in 1..=3 {
        match attempt() {
            Ok(result) => return result,
            Err(text) => eprintln!("---- {name}, attempt {number} ----\n{text}"),
        }
    }
    panic!("{name} does not pass");
}

/// Where `.ci/run` puts the Python and JavaScript clients.
fn clients() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    target.parent().expect("the target folder").join("interop")
}
