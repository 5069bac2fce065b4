//! Adapters in WebAssembly with the real binary: the samples as devices, what happens when a module goes wrong, and one
//! that is replaced while devices speak with it (`wasm/reload.rs`).

mod reload;

use crate::broker::{Broker, PATIENCE, http};
use crate::client::{Client, Version};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A broker with one MQTT listener and one that speaks `x.wasm` of this folder.
fn start(folder: &Path, module: &[u8]) -> Broker {
    serve(folder, module, "", 1)
}

/// As `start`, with keys of the module, so many shards, and a second listener that speaks it, `crates`.
fn serve(folder: &Path, module: &[u8], keys: &str, shards: usize) -> Broker {
    let module = wat::parse_bytes(module).expect("it assembles");
    fs::write(folder.join("x.wasm"), module).expect("written");
    let config = folder.join("ringwire.toml");
    let listener = |name: &str, topic: &str| {
        format!(
            "[listener.{name}]\ntype = \"adapter\"\nadapter = \"box\"\nbind = \"127.0.0.1:0\"\n\
             up_topic = \"{topic}/%c/up\"\ndn_topic = \"{topic}/%c/dn\"\n"
        )
    };
    let text = format!(
        "[adapter.box]\nmodule = \"x.wasm\"\n{keys}\
         [listener.mqtt]\ntype = \"mqtt\"\nbind = \"127.0.0.1:0\"\n{}{}",
        listener("boxes", "box"),
        listener("crates", "crate")
    );
    fs::write(&config, text).expect("written");
    Broker::serve(shards, &["--config", &config.display().to_string()])
}

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm/samples");
    fs::read(folder.join(name)).expect("the sample is there")
}

/// The pager, but for what it does with a frame of this kind.
fn faulty(kind: char, fault: &str) -> Vec<u8> {
    let text = String::from_utf8(sample("pager.wat")).expect("text");
    let mark = "    (call $unreadable (i32.const 3)";
    assert!(text.contains(mark), "the pager changed");
    let fault = format!(
        "    (if (i32.eq (local.get $kind) (i32.const {})) (then {fault}))\n{mark}",
        u32::from(kind)
    );
    text.replace(mark, &fault).into_bytes()
}

struct Device(TcpStream);

impl Device {
    async fn open(broker: &Broker) -> Self {
        Self::open_at(broker, "boxes").await
    }

    async fn open_at(broker: &Broker, listener: &str) -> Self {
        let mut words = broker.ready().split_whitespace();
        let word = words.rfind(|word| word.starts_with(&format!("{listener}=")));
        let address = word.and_then(|word| word.rsplit("://").next()?.parse::<SocketAddr>().ok());
        let address = address.unwrap_or_else(|| panic!("no {listener} in: {}", broker.ready()));
        Self(TcpStream::connect(address).await.expect("the listener accepts"))
    }

    /// A pager that was let in.
    async fn pager(broker: &Broker, id: &str) -> Self {
        Self::pager_at(broker, "boxes", id).await
    }

    async fn pager_at(broker: &Broker, listener: &str, id: &str) -> Self {
        let mut device = Self::open_at(broker, listener).await;
        device.send(&frame('L', id)).await;
        assert_eq!(device.bytes(3).await, b"\x02l+");
        device
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the socket takes it");
    }

    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = timeout(PATIENCE, self.0.read_exact(&mut bytes)).await;
        read.expect("in time").expect("so many bytes");
        bytes
    }

    /// Waits for the end of the connection.
    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.0.read_to_end(&mut rest))
            .await
            .expect("in time");
        assert_eq!(rest, b"");
    }
}

/// Of the pager.
fn frame(kind: char, text: &str) -> Vec<u8> {
    let count = u8::try_from(text.len() + 1).expect("a short text");
    [&[count, u8::try_from(kind).expect("a byte")], text.as_bytes()].concat()
}

/// Waits for a word in the log.
fn logged(broker: &Broker, what: &str) {
    let started = Instant::now();
    while !broker.log().contains(what) {
        assert!(
            started.elapsed() < PATIENCE,
            "{what:?} is not in the log:\n{}",
            broker.log()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[tokio::test]
async fn the_sample_in_text_format_is_a_device() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = start(folder.path(), &sample("pager.wat"));
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    let mut device = Device::pager(&broker, "p1").await;
    device.send(&frame('D', "hello")).await;
    let message = watcher.message().await;
    assert_eq!((message.topic.as_str(), message.text()), ("box/p1/up", "hello"));
    watcher.publish("box/p1/dn", 1, false, b"ring").await;
    assert_eq!(device.bytes(6).await, b"\x05dring");
    device.send(&frame('P', "")).await;
    assert_eq!(device.bytes(2).await, b"\x01p");
    let clients = http::get(broker.admin(), "/api/v5/clients").body;
    assert!(clients.contains("\"p1\""), "{clients}");
    device.send(&frame('Q', "")).await;
    device.is_closed().await;
}

#[tokio::test]
async fn the_sample_in_c_is_a_device_and_acknowledges_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = start(folder.path(), &sample("tracker.wasm"));
    let mut watcher = Client::connect(&broker, Version::V4, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    let mut device = Device::open(&broker).await;
    device.send(b"\xa5\x08\x01track--1\x57").await;
    assert_eq!(device.bytes(5).await, b"\xa5\x01\x81\x00\x80");
    // A position and a difference to it: 11 + 5 bytes.
    let body = [0, 7, 0, 0, 0, 0, 5, 0, 0, 0, 6, 1, 0, 1, 0xff, 0xff];
    let sum = body.iter().fold(16 ^ 2, |sum, byte| sum ^ byte);
    device.send(&[&[0xa5, 16, 2][..], &body, &[sum]].concat()).await;
    assert_eq!(device.bytes(6).await, [0xa5, 2, 0x82, 0, 7, 2 ^ 0x82 ^ 7]);
    for expected in [
        "{\"serial\":7,\"lat\":0.000005,\"lon\":0.000006}",
        "{\"serial\":7,\"lat\":0.000006,\"lon\":0.000005}",
    ] {
        assert_eq!(watcher.message().await.text(), expected);
    }
    for text in ["one", "two", "three"] {
        watcher
            .publish("box/track--1/dn", 1, false, text.as_bytes())
            .await;
        let head = device.bytes(5).await;
        assert_eq!((head[0], head[1] as usize, head[2]), (0xa5, 2 + text.len(), 0x85));
        assert_eq!(device.bytes(text.len() + 1).await[..text.len()], *text.as_bytes());
        device
            .send(&[0xa5, 2, 4, head[3], head[4], 2 ^ 4 ^ head[3] ^ head[4]])
            .await;
    }
}

#[tokio::test]
async fn a_trap_closes_one_connection_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = start(folder.path(), &faulty('T', "unreachable"));
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    let mut steady = Device::pager(&broker, "steady").await;
    for n in 0..3 {
        let mut victim = Device::pager(&broker, &format!("victim{n}")).await;
        victim.send(&frame('T', "")).await;
        victim.is_closed().await;
        steady.send(&frame('D', &n.to_string())).await;
        assert_eq!(watcher.message().await.text(), n.to_string());
    }
    logged(
        &broker,
        "the module failed: trap: wasm `unreachable` instruction executed",
    );
    let metrics = http::get(broker.admin(), "/metrics").body;
    let counted = metrics
        .lines()
        .any(|line| line.contains("adapter_failed") && line.ends_with(" 3"));
    assert!(counted, "{metrics}");
}

#[tokio::test]
async fn an_endless_loop_closes_one_connection_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = start(folder.path(), &faulty('T', "(loop $for_ever (br $for_ever))"));
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    let mut steady = Device::pager(&broker, "steady").await;
    let mut victim = Device::pager(&broker, "victim").await;
    victim.send(&frame('T', "")).await;
    victim.is_closed().await;
    steady.send(&frame('D', "on")).await;
    assert_eq!(watcher.message().await.text(), "on");
    logged(&broker, "the module failed: it ran for more than 10 ms");
}

#[tokio::test]
async fn two_listeners_and_two_shards_speak_one_module() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = serve(folder.path(), &faulty('T', "unreachable"), "", 2);
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    watcher.subscribe("crate/+/up", 0).await;
    // Names of devices decide on which shard they live.
    let mut devices = Vec::new();
    for (listener, topic) in [("boxes", "box"), ("crates", "crate")] {
        for n in 0..8 {
            let id = format!("{topic}{n}");
            let device = Device::pager_at(&broker, listener, &id).await;
            devices.push((format!("{topic}/{id}"), device));
        }
    }
    for round in 0..2 {
        for (topic, device) in &mut devices {
            device.send(&frame('D', &format!("{topic} {round}"))).await;
            let message = watcher.message().await;
            assert_eq!(message.topic, format!("{topic}/up"));
            assert_eq!(message.text(), format!("{topic} {round}"));
            watcher
                .publish(&format!("{topic}/dn"), 1, false, topic.as_bytes())
                .await;
            assert_eq!(device.bytes(topic.len() + 2).await, frame('d', topic));
        }
        // One of each listener fails, and takes an instance of some shard along.
        for listener in ["boxes", "crates"] {
            let mut victim = Device::pager_at(&broker, listener, &format!("victim{round}")).await;
            victim.send(&frame('T', "")).await;
            victim.is_closed().await;
        }
    }
}

#[tokio::test]
async fn a_replaced_module_keeps_the_connections_that_it_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = start(folder.path(), &sample("pager.wat"));
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("box/+/up", 0).await;
    let mut older = Device::pager(&broker, "older").await;
    // The newer one answers a ping with another letter.
    let text = String::from_utf8(sample("pager.wat")).expect("text");
    let newer = wat::parse_str(text.replace("\\01p", "\\01n")).expect("it assembles");
    let path = folder.path().join("x.wasm");
    fs::write(&path, b"no module").expect("written");
    let refused = http::post(
        broker.admin(),
        "/api/v5/adapters/box/reload",
        &serde_json::Value::Null,
    );
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(
        refused.body.contains("not a WebAssembly module"),
        "{}",
        refused.body
    );
    fs::write(&path, newer).expect("written");
    let reloaded = http::post(
        broker.admin(),
        "/api/v5/adapters/box/reload",
        &serde_json::Value::Null,
    );
    assert_eq!(reloaded.status, 200, "{}", reloaded.body);
    let mut young = Device::pager(&broker, "young").await;
    for _ in 0..3 {
        older.send(&frame('P', "")).await;
        assert_eq!(older.bytes(2).await, b"\x01p");
        young.send(&frame('P', "")).await;
        assert_eq!(young.bytes(2).await, b"\x01n");
    }
    older.send(&frame('D', "still here")).await;
    assert_eq!(watcher.message().await.text(), "still here");
}
