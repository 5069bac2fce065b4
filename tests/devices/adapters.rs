//! `devices/README.md` on devices with protocols of their own: its broker, its vectors, its captured frames.
//!
//! The broker is the one of `devices/adapters.toml` with every port chosen by the kernel. What the README says that the
//! watcher prints is what an MQTT client gets.

use crate::broker::Broker;
use crate::broker::pasted::{self, has, output};
use crate::client::{Client, Version};
use crate::root;
use serde_json::Value;
use std::fs;

const README: &str = include_str!("../../devices/README.md");

/// Protocol, its port in `devices/adapters.toml`, and what the device is told, as the README's command prints it.
const DEVICES: [(&str, &str, &str); 4] = [
    ("meter", "8101", "no answer\n"),
    ("wialon", "8102", "#AL#1\\r\\n\n#ASD#1\\r\\n\n"),
    ("gt06", "8103", "78 78 05 01 00 01 d9 dc 0d 0a\nno answer\n"),
    (
        "gbt32960",
        "8104",
        "23 23 01 01 31 47 31 42 4c 35 32 50 37 54 52 31 31 35 35 32 30 01 00 06 0c 0c 1d 0c 13 14 3c\n",
    ),
];

fn start() -> Broker {
    let block = pasted::example(README, "adapters", &[]);
    assert_eq!(block, "cargo run --release -- -c devices/adapters.toml\n");
    let file = root().join("devices/adapters.toml").display().to_string();
    let mut arguments = vec!["-c".to_owned(), file];
    for name in DEVICES.map(|(name, ..)| name).into_iter().chain(["applications"]) {
        arguments.push("--set".to_owned());
        arguments.push(format!("listener.{name}.bind=\"127.0.0.1:0\""));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Broker::start_with(2, &arguments)
}

/// The port that a listener got.
fn bound(broker: &Broker, listener: &str) -> u16 {
    let mark = format!("{listener}=adapter://127.0.0.1:");
    let word = broker
        .ready()
        .split_whitespace()
        .find_map(|word| word.strip_prefix(&mark));
    let port = word.and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("no {mark} in {}", broker.ready()))
}

/// A block whose commands run the binary under test.
fn example(name: &str, ports: &[(&str, u16)]) -> String {
    let code = pasted::example(README, name, ports)
        .replace("cargo run -q --release --", env!("CARGO_BIN_EXE_ringwire"));
    format!("cd '{}'\n{code}", root().display())
}

#[tokio::test]
async fn captured_frames_arrive_as_the_readme_prints_them() {
    if !has(&["python3"]) {
        return;
    }
    let broker = start();
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("+/+/up", 0).await;
    for (name, port, answers) in DEVICES {
        let printed = output(&example(name, &[(port, bound(&broker, name))]));
        assert_eq!(printed, answers, "{name}");
        let message = watcher.message().await;
        let line = README.lines().find(|line| line.starts_with(&format!("{name}/")));
        let (topic, payload) = line
            .and_then(|line| line.split_once(' '))
            .expect("topic and payload");
        assert_eq!(message.topic, topic);
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        assert_eq!(json(message.text()), json(payload), "{name}");
    }
}

#[test]
fn vectors_and_steps_print() {
    let printed = output(&example("vectors", &[]));
    assert_eq!(printed.matches(": ok: ").count(), DEVICES.len(), "{printed}");
    let printed = output(&example("decode", &[]));
    assert!(
        printed.contains("meter-17") && printed.contains("44609"),
        "{printed}"
    );
}

#[test]
fn every_shipped_description_is_in_the_readme_and_has_a_listener() {
    let listeners = fs::read_to_string(root().join("devices/adapters.toml")).expect("a file");
    let mut shipped = 0;
    for entry in fs::read_dir(root().join("adapters")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("text");
        let Some(name) = name
            .strip_suffix(".toml")
            .filter(|name| !name.ends_with(".vectors"))
        else {
            continue;
        };
        shipped += 1;
        assert!(README.contains(&format!("](../adapters/{name}.toml)")), "{name}");
        assert!(listeners.contains(&format!("[listener.{name}]")), "{name}");
    }
    assert_eq!(shipped, DEVICES.len());
    for (name, port, _) in DEVICES {
        assert!(
            listeners.contains(&format!("bind = \"127.0.0.1:{port}\"")),
            "{name}"
        );
    }
}
