//! The admin endpoint over real HTTP, and what operators see of clients that misbehave.

use crate::broker::{Broker, http};
use crate::client::{Client, Version};
use crate::device::Device;
use crate::placement::Homes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let broker = Broker::start(2);
    assert_eq!(http::get(broker.admin(), "/healthz").status, 200);
    assert_eq!(http::get(broker.admin(), "/readyz").status, 200);
    let metrics = http::get(broker.admin(), "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.head.to_lowercase().contains("content-type: text/plain"),
        "{}",
        metrics.head
    );
    for shard in ["shard=\"0\"", "shard=\"1\""] {
        assert!(metrics.body.contains(shard), "{shard}: {}", metrics.body);
    }
    assert_eq!(http::get(broker.admin(), "/nothing/here").status, 404);
}

#[tokio::test]
async fn clients_of_both_protocols_are_listed_page_by_page() {
    let broker = Broker::start(2);
    let (mut clients, mut devices) = (Vec::new(), Vec::new());
    for n in 0..5 {
        clients.push(Client::connect(&broker, Version::V5, format!("page-{n}")).await);
        devices.push(Device::connect(&broker, &format!("page-device-{n}")).await);
    }
    let mut seen = Vec::new();
    for page in 1..=4 {
        let json = http::get(broker.admin(), &format!("/api/v5/clients?page={page}&limit=3")).json();
        for row in json["data"].as_array().expect("data") {
            assert_eq!(row["connected"], true, "{row}");
            seen.push(row["clientid"].as_str().expect("clientid").to_owned());
        }
    }
    let mut expected: Vec<_> = (0..5)
        .flat_map(|n| [format!("page-{n}"), format!("page-device-{n}")])
        .collect();
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected, "each once, over four pages");
}

#[tokio::test]
async fn a_publish_by_http_reaches_devices_and_clients_on_both_shards() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    for shard in 0..2 {
        let id = homes.id(shard, 0);
        let mut device = Device::connect(&broker, &id).await;
        let mut client = Client::connect(&broker, Version::V5, homes.id(shard, 1)).await;
        client.subscribe(&format!("tcp/{id}/dn"), 1).await;
        let plain = json!({"topic": format!("tcp/{id}/dn"), "payload": "reboot", "qos": 1});
        let answer = http::post(broker.admin(), "/api/v5/publish", &plain);
        assert!(
            (200..300).contains(&answer.status),
            "{} {}",
            answer.status,
            answer.body
        );
        assert_eq!(device.down().await, b"reboot");
        let message = client.message().await;
        assert_eq!((message.text(), message.qos), ("reboot", 1));
        let binary =
            json!({"topic": format!("tcp/{id}/dn"), "payload": "AP8=", "payload_encoding": "base64"});
        http::post(broker.admin(), "/api/v5/publish", &binary);
        assert_eq!(device.down().await, [0, 0xFF]);
    }
    let bad = http::post(
        broker.admin(),
        "/api/v5/publish",
        &json!({"topic": "a/#", "payload": ""}),
    );
    assert_eq!(bad.status, 400, "a wildcard is no topic name: {}", bad.body);
}

#[tokio::test]
async fn a_kicked_client_is_closed_and_gone() {
    let broker = Broker::start(2);
    let mut client = Client::connect(&broker, Version::V5, "kicked").await;
    let mut device = Device::connect(&broker, "kicked-device").await;
    for id in ["kicked", "kicked-device"] {
        let status = http::delete(broker.admin(), &format!("/api/v5/clients/{id}")).status;
        assert!((200..300).contains(&status), "{id}: {status}");
    }
    assert_eq!(client.ended().await, Some(0x98), "Administrative action");
    assert_eq!(device.rest().await, b"");
    for id in ["kicked", "kicked-device", "never-seen"] {
        assert_eq!(
            http::delete(broker.admin(), &format!("/api/v5/clients/{id}")).status,
            404,
            "{id}"
        );
    }
}

#[tokio::test]
async fn garbage_on_both_ports_disturbs_nobody_and_is_counted() {
    let broker = Broker::start(2);
    let mut subscriber = Client::connect(&broker, Version::V5, "subscriber").await;
    subscriber.subscribe("calm", 1).await;
    let mut publisher = Client::connect(&broker, Version::V4, "publisher").await;
    let mut device = Device::connect(&broker, "calm").await;
    let closed = || http::metric(broker.admin(), "ringwire_connections_closed", &[]);
    let before = closed();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let mut sent = 0;
    for round in 0..60u32 {
        for address in [broker.mqtt(), broker.private()] {
            let mut socket = TcpStream::connect(address).await.expect("still accepting");
            let mut bytes = greeting(address == broker.mqtt(), round);
            bytes.extend((0..round * 40).map(|_| noise.byte()));
            // The broker may close before it took everything: that is its right.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
            sent += 1;
        }
        publisher.publish("calm", 1, false, round.to_be_bytes()).await;
        assert_eq!(
            subscriber.message().await.payload,
            round.to_be_bytes(),
            "undisturbed"
        );
        publisher
            .publish("tcp/calm/dn", 0, false, round.to_be_bytes())
            .await;
        assert_eq!(device.down().await, round.to_be_bytes(), "undisturbed");
    }
    publisher.publish_acknowledged("calm", 1, false, "end").await;
    let counted = closed() - before;
    assert_eq!(
        counted,
        f64::from(sent),
        "each close has a counted reason: {}",
        closes(&broker)
    );
    for reason in ["malformed_packet", "protocol_not_connected"] {
        assert!(closes(&broker).contains(reason), "{reason}: {}", closes(&broker));
    }
}

/// Bytes that start well in three rounds of four, so that the noise meets every state of a connection.
fn greeting(mqtt: bool, round: u32) -> Vec<u8> {
    match (mqtt, round % 4) {
        (_, 0) => Vec::new(),
        (true, 1) => b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x00\x00\x03bad".to_vec(),
        (true, 2) => b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x03bad".to_vec(),
        (true, _) => b"\x10\xff\xff\xff\x7f\x00\x04MQTT".to_vec(),
        (false, 1) => crate::device::connect("bad"),
        (false, 2) => b"\x11\xff\xff\x00\x00\x03bad".to_vec(),
        (false, _) => b"\xf0\x00\x01".to_vec(),
    }
}

/// The lines of `/metrics` that count closes.
fn closes(broker: &Broker) -> String {
    let text = http::get(broker.admin(), "/metrics").body;
    let lines = text
        .lines()
        .filter(|line| line.contains("closed") && !line.ends_with(" 0"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A small xorshift: the same noise in every run.
struct Noise(u64);

impl Noise {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[3]
    }
}
