//! Each shipped protocol as a real device: its vectors over TCP against the real binary, two shards, MQTT on the other side.

use crate::broker::{Broker, PATIENCE, http};
use crate::client::{Client, Version};
use serde_json::Value as Json;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use toml::{Table, Value};

/// A broker with one listener for a protocol, which is configured by its file.
fn broker(name: &str, folder: &tempfile::TempDir) -> Broker {
    let file = folder.path().join("ringwire.toml");
    let description = format!("{}/adapters/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let spoken = match std::path::Path::new(&description).exists() {
        true => format!("file = {description:?}"),
        false => format!("builtin = {name:?}"),
    };
    let field = if name == "jt808" { "phone" } else { "message" };
    let text = format!(
        "[adapter.{name}]\n{spoken}\n\
         [listener.{name}]\ntype = \"adapter\"\nadapter = \"{name}\"\nbind = \"127.0.0.1:0\"\n\
         [listener.{name}-by-kind]\ntype = \"adapter\"\nadapter = \"{name}\"\nbind = \"127.0.0.1:0\"\n\
         up_topic = \"kinds/%c/{{{field}}}\"\n"
    );
    std::fs::write(&file, text).expect("a file");
    Broker::start_with(2, &["-c", file.to_str().expect("a path")])
}

/// Where a listener is bound.
fn bound(broker: &Broker, listener: &str) -> SocketAddr {
    let mark = format!("{listener}=adapter://");
    let word = broker
        .ready()
        .split_whitespace()
        .find_map(|word| word.strip_prefix(&mark));
    word.and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("no {mark} in {}", broker.ready()))
}

fn vectors(name: &str) -> Vec<Table> {
    let path = format!("{}/adapters/{name}.vectors.toml", env!("CARGO_MANIFEST_DIR"));
    let file: Table = toml::from_str(&std::fs::read_to_string(path).expect("vectors")).expect("TOML");
    tables(&file, "connection")
}

fn tables(table: &Table, key: &str) -> Vec<Table> {
    let items = table[key].as_array().expect("tables");
    items
        .iter()
        .map(|item| item.as_table().expect("a table").clone())
        .collect()
}

/// Hex under one key, or text under another.
fn bytes(step: &Table, key: &str) -> Option<Vec<u8>> {
    if let Some(text) = step.get(&format!("{key}_text")) {
        return Some(text.as_str().expect("text").as_bytes().to_vec());
    }
    let digits: String = step.get(key)?.as_str().expect("hex").split_whitespace().collect();
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("digits"));
    Some(
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect(),
    )
}

fn json(value: &Value) -> Json {
    serde_json::to_value(value).expect("JSON")
}

/// What the broker is told to do otherwise cannot be played without access rules, and nobody waits for a clock.
fn is_plain(connection: &Table) -> bool {
    let otherwise = ["refuse", "deny", "again", "after"];
    tables(connection, "step")
        .iter()
        .all(|step| otherwise.iter().all(|key| !step.contains_key(*key)))
}

/// One connection's vectors over a socket.
struct Played<'a> {
    broker: &'a Broker,
    name: &'a str,
    socket: TcpStream,
    watcher: Client,
    client_id: Option<String>,
    what: String,
}

impl Played<'_> {
    async fn step(&mut self, step: &Table) {
        if let Some(input) = bytes(step, "in") {
            self.socket.write_all(&input).await.expect("the broker takes it");
            for event in step.get("events").and_then(Value::as_array).into_iter().flatten() {
                self.event(event).await;
            }
        } else if step.contains_key("undeliverable") {
            return;
        } else {
            let payload = match &step["down"] {
                Value::String(text) => text.clone(),
                other => json(other).to_string(),
            };
            let id = self.client_id.clone().expect("connected");
            let topic = format!("{}/{id}/dn", self.name);
            self.watcher.publish(&topic, 0, false, payload).await;
        }
        let out = bytes(step, "out").unwrap_or_default();
        let mut got = vec![0; out.len()];
        self.within(step)
            .await
            .read_exact(&mut got)
            .await
            .expect("an answer");
        assert_eq!(got, out, "{}: what the device gets", self.what);
        if let Some(reason) = step.get("error").and_then(Value::as_str) {
            self.closed(step, reason).await;
        }
    }

    /// The socket, once it can be read or what is awaited takes too long.
    async fn within(&mut self, step: &Table) -> &mut TcpStream {
        let waits = bytes(step, "out").is_some();
        if waits {
            let readable = tokio::time::timeout(PATIENCE, self.socket.readable()).await;
            assert!(readable.is_ok(), "{}: no answer", self.what);
        }
        &mut self.socket
    }

    async fn event(&mut self, event: &Value) {
        let Some(event) = event.as_table() else {
            return;
        };
        if let Some(id) = event.get("connect").and_then(Value::as_str) {
            self.client_id = Some(id.to_owned());
        }
        if let Some(payload) = event.get("publish").or(event.get("publish_hex")) {
            let message = self.watcher.message().await;
            let id = self.client_id.as_deref().expect("connected");
            assert_eq!(message.topic, format!("{}/{id}/up", self.name), "{}", self.what);
            match payload {
                _hex if event.contains_key("publish_hex") => {
                    let expected = bytes(event, "publish_hex").expect("hex");
                    assert_eq!(message.payload, expected, "{}", self.what);
                }
                Value::String(text) => assert_eq!(message.text(), text, "{}", self.what),
                payload => {
                    let found: Json = serde_json::from_slice(&message.payload).expect("JSON");
                    assert_eq!(found, json(payload), "{}", self.what);
                }
            }
            self.listed(id);
        }
    }

    /// It is a client like any other.
    fn listed(&self, id: &str) {
        let row = http::get(self.broker.admin(), &format!("/api/v5/clients/{id}"));
        // Whoever logged out may be gone already.
        if row.status == 200 {
            assert_eq!(row.json()["clientid"], id, "{}", row.body);
            assert_eq!(row.json()["proto_name"], self.name, "{}", row.body);
        }
    }

    /// Nothing more comes, and the log says why, where, and shows the bytes.
    async fn closed(&mut self, step: &Table, reason: &str) {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{}: still open", self.what);
        let input = bytes(step, "in").expect("bytes");
        let first: Vec<_> = input.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let log = self.broker.log().to_lowercase();
            let said = log.lines().any(|line| {
                line.contains("(offset ")
                    && (line.contains(&first.join(" ")) || line.contains(&first.concat()))
            });
            if said {
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{}, {reason}: not in the log",
                self.what
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn play(name: &str, least: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = broker(name, &folder);
    let mut played = 0;
    for connection in vectors(name).iter().filter(|connection| is_plain(connection)) {
        let what = connection["name"].as_str().expect("a name").to_owned();
        let mut watcher = Client::connect(&broker, Version::V5, format!("watcher-{played}")).await;
        watcher.subscribe(&format!("{name}/+/up"), 0).await;
        let socket = TcpStream::connect(bound(&broker, name))
            .await
            .expect("a listener");
        let mut device = Played {
            broker: &broker,
            name,
            socket,
            watcher,
            client_id: None,
            what,
        };
        for step in tables(connection, "step") {
            device.step(&step).await;
        }
        played += 1;
    }
    assert!(played >= least, "only {played} connections");
}

#[tokio::test]
async fn gt06_trackers() {
    play("gt06", 8).await;
}

#[tokio::test]
async fn wialon_trackers() {
    play("wialon", 5).await;
}

#[tokio::test]
async fn meters() {
    play("meter", 5).await;
}

#[tokio::test]
async fn vehicles_of_gbt32960() {
    play("gbt32960", 12).await;
}

#[tokio::test]
async fn terminals_of_jt808() {
    play("jt808", 7).await;
}

#[tokio::test]
async fn two_listeners_of_one_adapter_publish_on_topics_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = broker("wialon", &folder);
    let mut watcher = Client::connect(&broker, Version::V4, "watcher").await;
    watcher.subscribe("kinds/#", 0).await;
    let mut device = TcpStream::connect(bound(&broker, "wialon-by-kind"))
        .await
        .expect("a listener");
    device
        .write_all(b"#L#1234;NA\r\n#M#hello\r\n")
        .await
        .expect("taken");
    let message = watcher.message().await;
    assert_eq!(message.topic, "kinds/1234/text");
    let adapters = http::get(broker.admin(), "/api/v5/adapters").json();
    let row = &adapters["data"][0];
    assert_eq!(
        (&row["name"], &row["type"]),
        (&"wialon".into(), &"description".into()),
        "{adapters}"
    );
    assert_eq!(row["listeners"].as_array().map(Vec::len), Some(2), "{adapters}");
    let again = http::post(broker.admin(), "/api/v5/adapters/wialon/reload", &Json::Null);
    assert_eq!(again.status, 200, "{}", again.body);
}

/// A device's line and the answer to it.
async fn asked(device: &mut TcpStream, line: &str) -> String {
    device.write_all(line.as_bytes()).await.expect("taken");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        let byte = tokio::time::timeout(PATIENCE, device.read_u8()).await;
        answer.push(byte.expect("in time").expect("an answer"));
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_description_that_changed_is_spoken_to_new_connections_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = format!("{}/adapters/wialon.toml", env!("CARGO_MANIFEST_DIR"));
    let older = std::fs::read_to_string(shipped).expect("the description");
    let file = folder.path().join("lines.toml");
    std::fs::write(&file, &older).expect("written");
    let config = folder.path().join("ringwire.toml");
    let text = "[adapter.lines]\nfile = \"lines.toml\"\n\
                [listener.lines]\ntype = \"adapter\"\nadapter = \"lines\"\nbind = \"127.0.0.1:0\"\n\
                up_topic = \"lines/%c/{adc}\"\n";
    std::fs::write(&config, text).expect("written");
    let broker = Broker::start_with(2, &["-c", config.to_str().expect("a path")]);
    let reload = || http::post(broker.admin(), "/api/v5/adapters/lines/reload", &Json::Null);
    let open = || TcpStream::connect(bound(&broker, "lines"));
    let mut first = open().await.expect("a listener");
    assert_eq!(asked(&mut first, "#L#1;NA\r\n").await, "#AL#1\r\n");

    // What is wrong, and what does not fit the listener's up topic, changes nothing.
    let misfit = older.replace("name = \"adc\"", "name = \"volts\"");
    for (wrong, words) in [("name = 5\n", "name"), (misfit.as_str(), "it has no field `adc`")] {
        std::fs::write(&file, wrong).expect("written");
        let refused = reload();
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains(words), "{}", refused.body);
    }
    let newer = older.replace("answer = \"#AP#\"", "answer = \"#AQ#\"");
    assert_ne!(newer, older);
    let mut second = open().await.expect("a listener");
    assert_eq!(asked(&mut second, "#L#2;NA\r\n").await, "#AL#1\r\n");
    std::fs::write(&file, newer).expect("written");
    let reloaded = reload();
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    let mut third = open().await.expect("a listener");
    assert_eq!(asked(&mut third, "#L#3;NA\r\n").await, "#AL#1\r\n");
    for _ in 0..2 {
        for (device, answer) in [
            (&mut first, "#AP#\r\n"),
            (&mut second, "#AP#\r\n"),
            (&mut third, "#AQ#\r\n"),
        ] {
            assert_eq!(asked(device, "#P#\r\n").await, answer);
        }
    }
}
