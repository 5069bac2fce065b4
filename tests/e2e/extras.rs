//! What EMQX has beside the standard, from the sockets of the real binary: delayed publish, topic rewrite, auto-subscribe,
//! `$SYS`, bans, flapping detection. Two shards, so that each feature crosses them.

use crate::broker::{Broker, PATIENCE, http};
use crate::client::{Client, Version};
use crate::device::{Device, connect};
use crate::placement::Homes;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The CONNACK that a CONNECT of 5.0 gets: its reason code.
async fn connack(broker: &Broker, id: &str) -> u8 {
    let mut socket = TcpStream::connect(broker.mqtt()).await.expect("accepted");
    let mut hello = vec![0x10, 13 + id.len() as u8, 0, 4];
    hello.extend_from_slice(b"MQTT\x05\x02\0\0\0\0");
    hello.push(id.len() as u8);
    hello.extend_from_slice(id.as_bytes());
    socket.write_all(&hello).await.expect("CONNECT");
    let mut head = [0; 4];
    let read = tokio::time::timeout(PATIENCE, socket.read_exact(&mut head)).await;
    read.expect("in time").expect("CONNACK");
    assert_eq!(head[0], 0x20, "{head:02x?}");
    head[3]
}

#[tokio::test]
async fn a_delayed_publish_is_acknowledged_at_once_and_comes_later_to_either_shard() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    let mut publisher = Client::connect(&broker, Version::V5, homes.id(0, 0)).await;
    let mut subscribers = Vec::new();
    for shard in 0..2 {
        let mut subscriber = Client::connect(&broker, Version::V4, homes.id(shard, 1)).await;
        subscriber.subscribe("later/+", 1).await;
        subscribers.push(subscriber);
    }
    let began = Instant::now();
    publisher
        .publish_acknowledged("$delayed/3/later/a", 1, false, "waited")
        .await;
    publisher
        .publish_acknowledged("later/b", 1, false, "at once")
        .await;
    assert_eq!(
        http::metric(broker.admin(), "ringwire_messages_delayed", &[]),
        1.0
    );
    for subscriber in &mut subscribers {
        let messages = subscriber.messages(2).await;
        assert_eq!((messages[0].text(), messages[1].text()), ("at once", "waited"));
        assert_eq!(messages[1].topic, "later/a");
    }
    // A shard counts in whole milliseconds, so a second may be short by the rest of one at either end.
    assert!(
        began.elapsed() >= Duration::from_millis(2_998),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(http::metric(broker.admin(), "ringwire_delayed_count", &[]), 0.0);
}

#[tokio::test]
async fn topics_are_rewritten_and_clients_are_subscribed_by_the_configuration() {
    let rules = r#"rewrite.rules=[{ source_topic = "old/#", re = "^old/(.+)$", dest_topic = "new/$1" }]"#;
    let topics = r#"auto_subscribe.topics=[{ topic = "inbox/${clientid}", qos = 1 }]"#;
    let broker = Broker::start_with(2, &["--set", rules, "--set", topics]);
    let mut subscriber = Client::connect(&broker, Version::V4, "subscriber").await;
    subscriber.subscribe("old/+", 1).await;
    let publisher = Client::connect(&broker, Version::V5, "publisher").await;
    publisher.publish("old/a", 1, false, "rewritten").await;
    publisher.publish("new/b", 1, false, "as it is").await;
    publisher.publish("inbox/subscriber", 1, false, "unasked").await;
    let messages = subscriber.messages(3).await;
    let got: Vec<_> = messages
        .iter()
        .map(|message| (message.topic.as_str(), message.text()))
        .collect();
    assert_eq!(
        got,
        [
            ("new/a", "rewritten"),
            ("new/b", "as it is"),
            ("inbox/subscriber", "unasked")
        ]
    );
}

#[tokio::test]
async fn sys_tells_of_the_node_and_of_its_clients() {
    let often = [
        "--set",
        "broker.sys_msg_interval=1s",
        "--set",
        "broker.sys_heartbeat_interval=1s",
        "--set",
        "node.name=n1",
    ];
    let broker = Broker::start_with(2, &often);
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("$SYS/#", 0).await;
    let guest = Client::connect(&broker, Version::V4, "guest").await;
    guest.publish("$SYS/brokers/n1/version", 1, false, "a lie").await;
    guest.disconnect().await;
    let prefix = "$SYS/brokers/n1/";
    let mut missing = vec![
        "version",
        "sysdescr",
        "uptime",
        "datetime",
        "stats/connections/count",
        "stats/connections/max",
        "metrics/messages/received",
        "metrics/packets/publish/auth_error",
        "clients/guest/connected",
        "clients/guest/disconnected",
    ];
    let mut node_list = false;
    while !missing.is_empty() || !node_list {
        let message = watcher.message().await;
        node_list |= message.topic == "$SYS/brokers" && message.text() == "n1";
        let Some(topic) = message.topic.strip_prefix(prefix) else {
            continue;
        };
        assert_ne!(message.text(), "a lie");
        if topic == "clients/guest/connected" {
            let fields: Value = serde_json::from_slice(&message.payload).expect("JSON");
            assert_eq!(fields["clientid"], "guest");
            assert_eq!(fields["proto_ver"], 4);
            assert_eq!(fields["sockport"], broker.mqtt().port());
        }
        if topic.starts_with("stats/") || topic.starts_with("metrics/") {
            message.text().parse::<u64>().expect("a number");
        }
        missing.retain(|wanted| *wanted != topic);
    }
    let mut late = Client::connect(&broker, Version::V4, "late").await;
    late.subscribe("$SYS/brokers/+/version", 0).await;
    let message = late.message().await;
    assert_eq!(
        (message.text(), message.retain),
        (env!("CARGO_PKG_VERSION"), true)
    );
}

#[tokio::test]
async fn a_ban_closes_both_protocols_keeps_them_out_and_is_lifted() {
    let broker = Broker::start(2);
    let mut client = Client::connect(&broker, Version::V5, "loud").await;
    let request = json!({"as": "clientid", "who": "loud", "reason": "too loud"});
    let answer = http::post(broker.admin(), "/api/v5/banned", &request);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(client.ended().await, Some(0x98), "Administrative action");
    assert_eq!(connack(&broker, "loud").await, 0x8A, "Banned");
    assert_eq!(connack(&broker, "calm").await, 0);
    let listed = http::get(broker.admin(), "/api/v5/banned").json();
    assert_eq!(listed["meta"]["count"], 1);
    assert_eq!(listed["data"][0]["reason"], "too loud");
    assert_eq!(
        http::delete(broker.admin(), "/api/v5/banned/clientid/loud").status,
        204
    );
    assert_eq!(connack(&broker, "loud").await, 0);

    let mut device = Device::connect(&broker, "device").await;
    let request = json!({"as": "peerhost_net", "who": "127.0.0.0/8"});
    assert_eq!(http::post(broker.admin(), "/api/v5/banned", &request).status, 200);
    assert_eq!(device.rest().await, b"", "closed");
    assert_eq!(connack(&broker, "calm").await, 0x8A);
    let mut device = Device::open(&broker, "device").await;
    device.send(&connect("device")).await;
    let said = device.rest().await;
    assert!(said.ends_with(b"Banned"), "{said:02x?}");
    let banned = http::metric(
        broker.admin(),
        "ringwire_connections_closed",
        &["reason=\"banned\""],
    );
    // Those that `connack` let in and left may still be there when their address is banned.
    assert!((5.0..=7.0).contains(&banned), "{banned}");
}

#[tokio::test]
async fn a_client_that_flaps_is_banned_for_a_while() {
    let settings = [
        "--set",
        "flapping_detect.enable=true",
        "--set",
        "flapping_detect.max_count=3",
        "--set",
        "flapping_detect.ban_time=4s",
    ];
    let broker = Broker::start_with(2, &settings);
    for _ in 0..3 {
        Client::connect(&broker, Version::V4, "flappy")
            .await
            .vanish()
            .await;
    }
    // The third end may still be on its way.
    let deadline = Instant::now() + PATIENCE;
    while http::get(broker.admin(), "/api/v5/banned").json()["meta"]["count"] != 1 {
        assert!(Instant::now() < deadline, "it is banned");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let listed = http::get(broker.admin(), "/api/v5/banned").json();
    assert_eq!(listed["data"][0]["by"], "flapping detector");
    assert_eq!(connack(&broker, "flappy").await, 0x8A);
    while connack(&broker, "flappy").await != 0 {
        assert!(Instant::now() < deadline, "the ban ends");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_retained_message_is_shown_and_removed_over_http() {
    let broker = Broker::start(2);
    let mut client = Client::connect(&broker, Version::V5, "client").await;
    for n in 0..8 {
        client
            .publish_acknowledged(&format!("kept/{n}"), 1, true, "m")
            .await;
    }
    for n in 0..8 {
        let path = format!("/api/v5/mqtt/retainer/message/kept%2F{n}");
        let shown = http::get(broker.admin(), &path).json();
        assert_eq!(
            (&shown["payload"], &shown["from_clientid"]),
            (&json!("bQ=="), &json!("client"))
        );
        assert_eq!(http::delete(broker.admin(), &path).status, 204, "{path}");
        assert_eq!(http::get(broker.admin(), &path).status, 404, "{path}");
    }
    client.publish_acknowledged("kept/last", 1, true, "last").await;
    client.subscribe("kept/#", 1).await;
    assert_eq!(client.message().await.text(), "last", "the others are gone");
    let held = http::get(broker.admin(), "/api/v5/clients/client/subscriptions").json();
    assert_eq!(held[0]["topic"], "kept/#");
}
