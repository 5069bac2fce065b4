//! Many messages and many clients at once. The limits of time are generous: what is tested is that nothing is lost,
//! doubled or reordered, not how fast it is.

use crate::broker::{Broker, http};
use crate::client::{Client, Options, VERSIONS, Version};
use crate::placement::Homes;
use std::time::{Duration, Instant};

const PUBLISHERS: usize = 20;
const WINDOW: u16 = 100;

#[tokio::test]
async fn two_hundred_thousand_qos1_messages_from_twenty_publishers_arrive_once_and_in_order() {
    let broker = Broker::start(2);
    let started = Instant::now();
    all_arrive_once_and_in_order(&broker, 1, 10_000).await;
    let took = started.elapsed();
    println!("200,000 messages in {took:.1?}");
    assert!(took < Duration::from_secs(120), "{took:?}");
}

#[tokio::test]
async fn a_full_mesh_slows_publishers_down_and_loses_nothing() {
    for qos in [1, 2] {
        let broker = Broker::start_with(2, &["--set", "shard.mesh_batches=1"]);
        all_arrive_once_and_in_order(&broker, qos, 1_000).await;
        let full = http::metric(broker.admin(), "ringwire_mesh_full", &[]);
        println!("QoS {qos}: the mesh was full {full} times");
        assert!(full > 0.0, "the mesh was full at times: {full}");
    }
}

/// Twenty publishers on both shards, one subscriber on the first.
async fn all_arrive_once_and_in_order(broker: &Broker, qos: u8, each: u32) {
    let homes = Homes::of(broker, 2).await;
    let mut subscriber = Client::connect(broker, Version::V4, homes.id(0, 0)).await;
    subscriber.subscribe("load/+", qos).await;
    let mut tasks = Vec::new();
    for number in 0..PUBLISHERS {
        let mut options = Options::new(VERSIONS[number % 2], format!("load-{number}"));
        options.window = WINDOW;
        let publisher = Client::connect_with(broker, options).await;
        tasks.push(tokio::spawn(publish_all(publisher, number, qos, each)));
    }
    let mut next = [0u32; PUBLISHERS];
    for _ in 0..PUBLISHERS * each as usize {
        let message = subscriber.message().await;
        let publisher: usize = message.topic["load/".len()..].parse().expect("a number");
        let sequence = u32::from_be_bytes(message.payload[..4].try_into().expect("four bytes"));
        assert_eq!(
            sequence, next[publisher],
            "publisher {publisher}: no gap, no repeat, no overtaking"
        );
        assert_eq!(message.qos, qos);
        next[publisher] += 1;
    }
    for task in tasks {
        task.await.expect("every publisher was acknowledged");
    }
    assert_eq!(next, [each; PUBLISHERS]);
    assert_eq!(
        http::metric(broker.admin(), "ringwire_delivery_dropped_queue_full", &[]),
        0.0
    );
}

async fn publish_all(mut publisher: Client, number: usize, qos: u8, each: u32) {
    let topic = format!("load/{number}");
    let mut acknowledged = 0;
    for sequence in 0..each {
        let mut payload = vec![0u8; 64];
        payload[..4].copy_from_slice(&sequence.to_be_bytes());
        publisher.publish(&topic, qos, false, payload).await;
        if sequence >= u32::from(WINDOW) {
            publisher.acknowledged().await;
            acknowledged += 1;
        }
    }
    while acknowledged < each {
        publisher.acknowledged().await;
        acknowledged += 1;
    }
    publisher.disconnect().await;
}

#[tokio::test]
async fn a_thousand_clients_at_once_publish_and_receive() {
    const CLIENTS: usize = 1_000;
    let broker = Broker::start(2);
    let mut connecting = Vec::new();
    for number in 0..CLIENTS {
        let (mqtt, version) = (broker.mqtt(), VERSIONS[number % 2]);
        connecting.push(tokio::spawn(async move {
            let options = Options::new(version, format!("crowd-{number}"));
            let mut client = Client::connect_to(mqtt, options).await;
            client
                .subscribe(&format!("crowd/{number}"), (number % 3) as u8)
                .await;
            client
        }));
    }
    let mut clients = Vec::new();
    for task in connecting {
        clients.push(task.await.expect("connected and subscribed"));
    }
    let live = http::metric(broker.admin(), "ringwire_connections_count", &[]);
    assert_eq!(live, CLIENTS as f64, "all of them at once");
    let mut talking = Vec::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        talking.push(tokio::spawn(async move {
            for step in [1, 7, 501] {
                let neighbour = (number + step) % CLIENTS;
                client
                    .publish(&format!("crowd/{neighbour}"), 2, false, format!("{number}"))
                    .await;
            }
            let mut from: Vec<usize> = client
                .messages(3)
                .await
                .iter()
                .map(|message| message.text().parse().expect("a number"))
                .collect();
            from.sort_unstable();
            let mut expected = [1, 7, 501].map(|step| (number + CLIENTS - step) % CLIENTS);
            expected.sort_unstable();
            assert_eq!(from, expected);
            client
        }));
    }
    for task in talking {
        task.await
            .expect("published to three and heard from three")
            .disconnect()
            .await;
    }
}
