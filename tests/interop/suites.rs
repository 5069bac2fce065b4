//! Test suites that came with other people's clients, run as they are against the real broker.
//!
//! `.ci/run` unpacks the source distributions; `suites_plugin.py` points them at the broker. Each suite has a broker of
//! its own. What is left out stands in its row with the reason, and must still be in the suite.

use crate::broker::Broker;
use crate::{again, clients, is_installed};
use std::path::Path;
use std::process::Command;

/// A test that is left out, and why.
type Left = (&'static str, &'static str);

struct Suite {
    /// Folder of the source distribution.
    folder: &'static str,
    file: &'static str,
    /// Settings of its broker.
    settings: &'static [&'static str],
    left_out: &'static [Left],
    /// Fewer than this mean that the suite lost its tests.
    passed_min: usize,
}

const GMQTT: Suite = Suite {
    folder: "gmqtt-0.8.0",
    file: "tests/test_mqtt5.py",
    settings: &[],
    left_out: &[
        ("test_basic_ssl", "there is no TLS yet"),
        (
            "test_assigned_clientid",
            "it sends a client id of its own and wants one assigned all the same",
        ),
    ],
    passed_min: 14,
};

const PAHO: Suite = Suite {
    folder: "paho_mqtt-2.1.0",
    file: "tests/test_mqttv5.py",
    settings: &[],
    left_out: &[(
        "test_subscribe_failure",
        "it wants 0x80 for a filter that its own test broker forbids; here that is 0x87, by a rule",
    )],
    passed_min: 20,
};

const AIOMQTT: Suite = Suite {
    folder: "aiomqtt-2.5.1",
    file: "tests/test_client.py",
    settings: &[],
    left_out: &[
        ("test_client_tls_context", "there is no TLS yet"),
        ("test_client_tls_params", "there is no TLS yet"),
        ("test_client_websockets", "there is no WebSocket yet"),
        (
            "test_aenter_state_reset_connack_negative",
            "it wants a broker with users, which lets in nobody with an empty name: see below",
        ),
        (
            "test_aenter_state_reset_connack_timeout",
            "it gives the broker no time at all for its CONNACK, which may be there all the same",
        ),
        (
            "test_messages_view_len",
            "it begins to wait for a message after its PUBCOMP, when it may be there already",
        ),
    ],
    passed_min: 21,
};

#[test]
fn the_suite_of_gmqtt_passes() {
    GMQTT.run();
}

#[test]
fn the_suite_of_paho_passes() {
    PAHO.run();
}

#[test]
fn the_suite_of_aiomqtt_passes() {
    AIOMQTT.run();
}

#[test]
fn the_test_of_aiomqtt_that_wants_users_passes() {
    let users = Suite {
        settings: &["access.users=[{username=\"ann\",password=\"secret\"}]"],
        file: "tests/test_client.py::test_aenter_state_reset_connack_negative",
        left_out: &[],
        passed_min: 1,
        ..AIOMQTT
    };
    users.run();
}

impl Suite {
    fn run(&self) {
        let (python, folder) = (
            clients().join("venv/bin/python"),
            clients().join("suites").join(self.folder),
        );
        if !is_installed(self.folder, python.exists() && folder.exists()) {
            return;
        }
        let source = self.file.split("::").next().expect("a file");
        let source = std::fs::read_to_string(folder.join(source)).expect("the suite is whole");
        for (name, reason) in self.left_out {
            assert!(
                source.contains(&format!("def {name}(")),
                "{name} is gone: {reason}"
            );
        }
        let passed = again(self.folder, || self.attempt(&python, &folder));
        println!("{}: {passed} passed", self.folder);
    }

    /// One run against a broker of its own: how many passed, or what was printed.
    fn attempt(&self, python: &Path, folder: &Path) -> Result<usize, String> {
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting]);
        let broker = Broker::start_with(2, &settings.collect::<Vec<_>>());
        let mut command = Command::new(python);
        command.current_dir(folder).args(["-m", "pytest", "-q"]);
        command.args(["-p", "suites_plugin", "-p", "no:cacheprovider"]);
        // Their own settings ask for plugins that are not needed.
        command.args(["-o", "addopts=", "-o", "filterwarnings=", self.file]);
        if !self.left_out.is_empty() {
            let names: Vec<_> = self
                .left_out
                .iter()
                .map(|(name, _)| format!("not {name}"))
                .collect();
            command.args(["-k", &names.join(" and ")]);
        }
        let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
        command
            .env("PYTHONPATH", plugin)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
            .env("HOST", "127.0.0.1")
            .env("PORT", broker.mqtt().port().to_string());
        // gmqtt's takes them for a broker's.
        for name in ["USERNAME", "TOKEN", "PASSWORD"] {
            command.env_remove(name);
        }
        let output = command.output().expect("the interpreter runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let passed = passed(&text);
        if output.status.success() && passed >= self.passed_min {
            return Ok(passed);
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!("{passed} passed\n{text}{stderr}"))
    }
}

/// The number in pytest's last line: `14 passed, 2 deselected in 87.72s`.
fn passed(text: &str) -> usize {
    let last = text.lines().rev().find(|line| line.contains(" passed"));
    let words: Vec<_> = last.unwrap_or_default().split_whitespace().collect();
    let number = words.windows(2).find(|pair| pair[1].starts_with("passed"));
    number.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}
