//! The checks that are written in the client's own language: each prints `ok NAME` a check and exits 0 when all hold.

use crate::broker::Broker;
use crate::{clients, is_installed};
use std::path::Path;
use std::process::Command;

/// Fewer lines than this mean that a script lost its checks.
const CHECKS_MIN: usize = 15;

#[test]
fn paho_agrees_with_the_broker() {
    let python = clients().join("venv/bin/python");
    if is_installed("paho-mqtt", python.exists()) {
        run(Command::new(python), "paho_check.py");
    }
}

#[test]
fn mqtt_js_agrees_with_the_broker() {
    let modules = clients().join("node/node_modules");
    if is_installed("mqtt (npm)", modules.join("mqtt").exists()) {
        let mut node = Command::new("node");
        node.env("NODE_PATH", modules);
        run(node, "mqtt_js_check.js");
    }
}

fn run(mut interpreter: Command, script: &str) {
    let broker = Broker::start(2);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/interop")
        .join(script);
    let ports = [broker.mqtt().port(), broker.private().port()].map(|port| port.to_string());
    let output = interpreter
        .arg(path)
        .args(ports)
        .output()
        .expect("the interpreter runs");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{script}: {}\n{stdout}\n{stderr}",
        output.status
    );
    let checks = stdout.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(
        checks >= CHECKS_MIN,
        "{script}: {checks} checks\n{stdout}\n{stderr}"
    );
    println!("{script}: {checks} checks");
}
