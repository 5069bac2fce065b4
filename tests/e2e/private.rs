//! Devices of the private TCP protocol among MQTT clients, on the same shard and on another.

use crate::broker::Broker;
use crate::client::{Client, VERSIONS, Version};
use crate::device::{ACCEPTED, Device, connect, data};
use crate::placement::Homes;

#[tokio::test]
async fn what_a_device_sends_reaches_wildcard_subscribers_on_both_shards() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    let mut watchers = Vec::new();
    for shard in 0..2 {
        for (n, version) in VERSIONS.into_iter().enumerate() {
            let mut watcher = Client::connect(&broker, version, homes.id(shard, n)).await;
            watcher.subscribe("tcp/+/up", 1).await;
            watchers.push(watcher);
        }
    }
    for shard in 0..2 {
        let id = homes.id(shard, 2);
        let mut device = Device::connect(&broker, &id).await;
        for n in 0..20 {
            device.up(format!("reading {n}").as_bytes()).await;
        }
        for watcher in &mut watchers {
            for (n, message) in watcher.messages(20).await.iter().enumerate() {
                assert_eq!(message.topic, format!("tcp/{id}/up"));
                assert_eq!(message.text(), format!("reading {n}"), "in order");
                assert_eq!((message.qos, message.retain), (0, false));
            }
        }
    }
}

#[tokio::test]
async fn a_publish_to_the_dn_topic_reaches_the_device_from_both_shards_at_every_qos() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    for target in 0..2 {
        let id = homes.id(target, 0);
        let mut device = Device::connect(&broker, &id).await;
        for source in 0..2 {
            for (n, version) in VERSIONS.into_iter().enumerate() {
                let publisher = Client::connect(&broker, version, homes.id(source, n + 1)).await;
                for qos in 0..3 {
                    let text = format!("{version:?} from {source} at {qos}");
                    publisher
                        .publish(&format!("tcp/{id}/dn"), qos, false, text.as_bytes())
                        .await;
                    assert_eq!(String::from_utf8(device.down().await).expect("text"), text);
                }
            }
        }
    }
}

#[tokio::test]
async fn devices_talk_to_each_other_through_an_mqtt_client() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    let (left_id, right_id) = (homes.id(0, 0), homes.id(1, 0));
    let mut left = Device::connect(&broker, &left_id).await;
    let mut right = Device::connect(&broker, &right_id).await;
    let mut bridge = Client::connect(&broker, Version::V5, "bridge").await;
    bridge.subscribe("tcp/+/up", 0).await;
    for n in 0..10u8 {
        left.up(&[n]).await;
        let message = bridge.message().await;
        bridge
            .publish(&format!("tcp/{right_id}/dn"), 0, false, message.payload)
            .await;
        assert_eq!(right.down().await, [n]);
        right.up(&[n, n]).await;
        let message = bridge.message().await;
        bridge
            .publish(&format!("tcp/{left_id}/dn"), 1, false, message.payload)
            .await;
        assert_eq!(left.down().await, [n, n]);
    }
}

#[tokio::test]
async fn frames_in_any_split_and_the_largest_payload_arrive_whole() {
    let broker = Broker::start(2);
    let mut watcher = Client::connect(&broker, Version::V4, "watcher").await;
    watcher.subscribe("tcp/splitter/up", 0).await;
    let mut device = Device::open(&broker, "splitter").await;
    let mut stream = connect("splitter");
    stream.extend(data(b""));
    stream.extend(data(b"two frames in one piece"));
    for byte in stream {
        device.send(&[byte]).await;
    }
    assert_eq!(device.bytes(ACCEPTED.len()).await, ACCEPTED);
    assert_eq!(watcher.message().await.payload, b"");
    assert_eq!(watcher.message().await.text(), "two frames in one piece");
    let largest = vec![0xAB; 65_535];
    device.up(&largest).await;
    assert!(watcher.message().await.payload == largest, "65,535 bytes up");
    watcher
        .publish("tcp/splitter/dn", 0, false, largest.clone())
        .await;
    assert!(device.down().await == largest, "65,535 bytes down");
    watcher
        .publish("tcp/splitter/dn", 0, false, vec![0xCD; 65_536])
        .await;
    watcher
        .publish("tcp/splitter/dn", 0, false, "after the one too large")
        .await;
    assert_eq!(device.down().await, b"after the one too large");
}

#[tokio::test]
async fn a_ping_is_answered_and_what_is_not_allowed_closes() {
    let broker = Broker::start(2);
    let mut device = Device::connect(&broker, "pinger").await;
    device.send(&[0x40, 0x40]).await;
    assert_eq!(device.bytes(2).await, [0x50, 0x50]);
    device.send(&connect("pinger")).await;
    assert_eq!(device.rest().await, b"", "a second CONNECT closes");

    let mut device = Device::open(&broker, "no connect").await;
    device.send(&data(b"too early")).await;
    assert_eq!(device.rest().await, b"", "the first frame must be CONNECT");

    let mut device = Device::open(&broker, "version 2").await;
    device.send(b"\x12\x00\x07\x00\x00\x04abcd").await;
    assert_eq!(device.rest().await.first(), Some(&0x22), "version not supported");

    let mut device = Device::open(&broker, "a/b").await;
    device.send(&connect("a/b")).await;
    assert_eq!(
        device.rest().await.first(),
        Some(&0x21),
        "an id that would change the topic"
    );
}

#[tokio::test]
async fn a_device_that_connects_again_takes_over_and_gets_its_messages() {
    let broker = Broker::start(2);
    let mut first = Device::connect(&broker, "again").await;
    let mut second = Device::connect(&broker, "again").await;
    assert_eq!(first.rest().await, b"", "the older one is closed");
    let publisher = Client::connect(&broker, Version::V5, "publisher").await;
    publisher.publish("tcp/again/dn", 0, false, "for the newer").await;
    assert_eq!(second.down().await, b"for the newer");
}

#[tokio::test]
async fn a_message_retained_on_the_dn_topic_is_delivered_at_connect() {
    let broker = Broker::start(2);
    let mut publisher = Client::connect(&broker, Version::V4, "publisher").await;
    for n in 0..4 {
        publisher
            .publish_acknowledged(&format!("tcp/late-{n}/dn"), 1, true, format!("settings {n}"))
            .await;
    }
    for n in 0..4 {
        let mut device = Device::connect(&broker, &format!("late-{n}")).await;
        assert_eq!(device.down().await, format!("settings {n}").as_bytes());
    }
}
