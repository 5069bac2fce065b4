//! MQTT from client to client, at every QoS, in both versions, within a shard and across two.
//!
//! "Nothing came" is never tested by waiting: the publisher sends a sentinel after what must not arrive, on its own
//! connection and at the same QoS, and the sentinel must be the next message.

use crate::broker::{Broker, http};
use crate::client::{Client, Message, Options, VERSIONS, Version};
use crate::placement::{Homes, shards_of};
use std::collections::BTreeMap;

#[tokio::test]
async fn every_qos_reaches_both_shards_from_both_shards_in_both_versions() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    let (mut subscribers, mut publishers) = (Vec::new(), Vec::new());
    for shard in 0..2 {
        for (n, version) in VERSIONS.into_iter().enumerate() {
            let mut subscriber = Client::connect(&broker, version, homes.id(shard, n)).await;
            subscriber.subscribe("matrix/+/+", 2).await;
            subscribers.push(subscriber);
            publishers.push(Client::connect(&broker, version, homes.id(shard, n + 2)).await);
        }
    }
    let placed = shards_of(&broker);
    for client in subscribers.iter().chain(&publishers) {
        assert!(
            placed.contains_key(&client.id),
            "{} is listed: {placed:?}",
            client.id
        );
    }
    for publisher in &mut publishers {
        for qos in 0..3 {
            for n in 0..10 {
                publisher
                    .publish(
                        &format!("matrix/{}/{qos}", publisher.id),
                        qos,
                        false,
                        format!("{n}"),
                    )
                    .await;
            }
        }
    }
    for subscriber in &mut subscribers {
        each_stream_is_whole_and_in_order(subscriber, publishers.len()).await;
    }
    for shard in ["0", "1"] {
        let label = format!("shard=\"{shard}\"");
        let received = http::metric(broker.admin(), "ringwire_messages_received", &[&label]);
        assert!(
            received >= 60.0,
            "shard {shard} received from its publishers: {received}"
        );
    }
}

/// Ten messages of each publisher at each QoS, once, in order, as they were sent.
async fn each_stream_is_whole_and_in_order(subscriber: &mut Client, publishers: usize) {
    let got = subscriber.messages(publishers * 3 * 10).await;
    let mut streams = BTreeMap::<String, Vec<String>>::new();
    for message in got {
        assert!(
            message.topic.ends_with(&format!("/{}", message.qos)),
            "the QoS is kept: {message:?}"
        );
        assert!(
            !message.retain && !message.dup,
            "a live message, sent once: {message:?}"
        );
        streams
            .entry(message.topic.clone())
            .or_default()
            .push(message.text().to_owned());
    }
    assert_eq!(
        streams.len(),
        publishers * 3,
        "every publisher at every QoS: {streams:?}"
    );
    for (topic, numbers) in streams {
        let expected: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(
            numbers, expected,
            "{topic} at {}: once each, in order",
            subscriber.id
        );
    }
}

#[tokio::test]
async fn the_lower_qos_of_publish_and_subscription_is_delivered() {
    let broker = Broker::start(2);
    for version in VERSIONS {
        let publisher = Client::connect(&broker, version, "publisher").await;
        for granted in 0..3 {
            let mut subscriber = Client::connect(&broker, version, format!("subscriber-{granted}")).await;
            subscriber.subscribe("lower", granted).await;
            for published in 0..3 {
                publisher.publish("lower", published, false, "x").await;
                let message = subscriber.message().await;
                assert_eq!(
                    message.qos,
                    granted.min(published),
                    "{version:?}: {published} to {granted}"
                );
            }
            subscriber.disconnect().await;
        }
        publisher.disconnect().await;
    }
}

#[tokio::test]
async fn a_retained_message_reaches_later_subscribers_on_both_shards_until_it_is_cleared() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    let mut publisher = Client::connect(&broker, Version::V5, "publisher").await;
    for n in 0..8 {
        publisher
            .publish_acknowledged(&format!("kept/{n}"), 1, true, "old")
            .await;
        publisher
            .publish_acknowledged(&format!("kept/{n}"), 1, true, format!("value {n}"))
            .await;
    }
    for shard in 0..2 {
        for (n, version) in VERSIONS.into_iter().enumerate() {
            let mut subscriber = Client::connect(&broker, version, homes.id(shard, n)).await;
            subscriber.subscribe("kept/#", 1).await;
            let mut got = subscriber.messages(8).await;
            got.sort_by(|a, b| a.topic.cmp(&b.topic));
            for (n, message) in got.iter().enumerate() {
                let expected = (format!("kept/{n}"), format!("value {n}"), true);
                assert_eq!(
                    (message.topic.clone(), message.text().to_owned(), message.retain),
                    expected
                );
            }
            subscriber.disconnect().await;
        }
    }
    for n in 0..8 {
        publisher
            .publish_acknowledged(&format!("kept/{n}"), 1, true, "")
            .await;
    }
    publisher
        .publish_acknowledged("kept/sentinel", 1, true, "the only one")
        .await;
    for shard in 0..2 {
        let mut subscriber = Client::connect(&broker, Version::V4, homes.id(shard, 2)).await;
        subscriber.subscribe("kept/+", 1).await;
        assert_eq!(subscriber.message().await.topic, "kept/sentinel");
        publisher.publish("kept/live", 1, false, "live").await;
        let live = subscriber.message().await;
        assert_eq!(
            (live.topic.as_str(), live.retain),
            ("kept/live", false),
            "nothing else was retained"
        );
    }
}

#[tokio::test]
async fn a_will_is_published_when_a_socket_closes_without_disconnect_and_only_then() {
    let broker = Broker::start(2);
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("will/+", 2).await;
    for version in VERSIONS {
        for qos in 0..3 {
            let polite = Options::new(version, "polite").will("will/polite", "never", qos, false);
            Client::connect_with(&broker, polite).await.disconnect().await;
            let gone = Options::new(version, format!("gone-{qos}")).will("will/gone", "gone", qos, true);
            Client::connect_with(&broker, gone).await.vanish().await;
            let message = watcher.message().await;
            assert_eq!(
                (message.topic.as_str(), message.text(), message.qos),
                ("will/gone", "gone", qos)
            );
        }
    }
    let mut late = Client::connect(&broker, Version::V4, "late").await;
    late.subscribe("will/gone", 1).await;
    assert!(late.message().await.retain, "a will with RETAIN is kept");
}

#[tokio::test]
async fn a_kept_session_gets_in_order_what_was_queued_while_it_was_away() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    for (n, version) in VERSIONS.into_iter().enumerate() {
        for shard in 0..2 {
            let sleeper = || Options::new(version, homes.id(shard, n)).kept();
            let mut client = Client::connect_with(&broker, sleeper()).await;
            assert!(!client.session_present, "the first connection has no session");
            client.subscribe("sleep/+", 2).await;
            client.disconnect().await;
            let mut publisher = Client::connect(&broker, version, "publisher").await;
            for number in 0..50 {
                // Order is promised for each topic and QoS alone.
                let qos = 1 + number / 25;
                publisher
                    .publish_acknowledged(&format!("sleep/{qos}"), qos, false, [number])
                    .await;
            }
            let mut client = Client::connect_with(&broker, sleeper()).await;
            assert!(client.session_present, "{version:?}: the session was kept");
            let numbers: Vec<u8> = client
                .messages(50)
                .await
                .iter()
                .map(|message| message.payload[0])
                .collect();
            assert_eq!(
                numbers,
                (0..50).collect::<Vec<u8>>(),
                "{version:?} on shard {shard}"
            );
            publisher.publish("sleep/live", 1, false, "live").await;
            assert_eq!(
                client.message().await.text(),
                "live",
                "subscriptions were kept, nothing came twice"
            );
            client.disconnect().await;
            publisher.disconnect().await;
            let fresh = Client::connect(&broker, version, homes.id(shard, n)).await;
            assert!(!fresh.session_present, "a clean start ends the kept session");
            fresh.disconnect().await;
        }
    }
}

#[tokio::test]
async fn a_second_connection_with_the_same_client_id_takes_over() {
    let broker = Broker::start(2);
    for version in VERSIONS {
        let mut first = Client::connect(&broker, version, "twin").await;
        first.subscribe("twin", 1).await;
        let mut second = Client::connect(&broker, version, "twin").await;
        let reason = first.ended().await;
        assert_eq!(
            reason,
            (version == Version::V5).then_some(0x8E),
            "{version:?}: Session taken over"
        );
        second.publish_acknowledged("twin", 1, false, "to nobody").await;
        second.subscribe("twin", 1).await;
        second.publish("twin", 1, false, "to the second").await;
        assert_eq!(second.message().await.text(), "to the second");
        let listed = shards_of(&broker);
        assert_eq!(listed.keys().filter(|id| *id == "twin").count(), 1);
        second.disconnect().await;
    }
}

#[tokio::test]
async fn wildcards_match_whole_levels_and_never_dollar_topics() {
    let broker = Broker::start(2);
    let publisher = Client::connect(&broker, Version::V4, "publisher").await;
    let topics = ["a", "a/", "a/b", "/a", "a/b/c", "$x/b", "a//c", "ab"];
    let cases: [(&str, &[&str]); 8] = [
        ("#", &["a", "a/", "a/b", "/a", "a/b/c", "a//c", "ab"]),
        ("+", &["a", "ab"]),
        ("a/#", &["a", "a/", "a/b", "a/b/c", "a//c"]),
        ("a/+", &["a/", "a/b"]),
        ("+/+", &["a/", "a/b", "/a"]),
        ("a/+/c", &["a/b/c", "a//c"]),
        ("$x/#", &["$x/b"]),
        ("+/b", &["a/b"]),
    ];
    for (n, (filter, expected)) in cases.into_iter().enumerate() {
        let mut subscriber = Client::connect(&broker, VERSIONS[n % 2], format!("subscriber-{n}")).await;
        subscriber.subscribe(filter, 1).await;
        subscriber.subscribe("sentinel/$", 1).await;
        for topic in topics {
            publisher.publish(topic, 1, false, "").await;
        }
        publisher.publish("sentinel/$", 1, false, "").await;
        let mut got = Vec::new();
        loop {
            let topic = subscriber.message().await.topic;
            if topic == "sentinel/$" {
                break;
            }
            got.push(topic);
        }
        assert_eq!(got, expected, "{filter}");
        subscriber.disconnect().await;
    }
}

#[tokio::test]
async fn nothing_is_delivered_after_unsuback() {
    let broker = Broker::start(2);
    let mut publisher = Client::connect(&broker, Version::V4, "publisher").await;
    for version in VERSIONS {
        for n in 0..4 {
            let mut subscriber = Client::connect(&broker, version, format!("subscriber-{n}")).await;
            subscriber.subscribe("left", 1).await;
            subscriber.subscribe("stayed", 1).await;
            publisher.publish("left", 1, false, "before").await;
            assert_eq!(subscriber.message().await.text(), "before");
            subscriber.unsubscribe("left").await;
            publisher.publish_acknowledged("left", 1, false, "after").await;
            publisher
                .publish_acknowledged("stayed", 1, false, "sentinel")
                .await;
            assert_eq!(subscriber.message().await.text(), "sentinel");
            subscriber.disconnect().await;
        }
    }
}

#[tokio::test]
async fn a_large_payload_crosses_shards_unharmed() {
    let broker = Broker::start(2);
    let homes = Homes::of(&broker, 2).await;
    for qos in 0..3 {
        for (n, version) in VERSIONS.into_iter().enumerate() {
            let mut subscriber = Client::connect(&broker, version, homes.id(0, n)).await;
            subscriber.subscribe("large/#", 2).await;
            let publisher = Client::connect(&broker, version, homes.id(1, n)).await;
            for size in [0usize, 1, 4_095, 4_096, 4_097, 70_000, 900_000] {
                let payload: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
                publisher
                    .publish("large/payload", qos, false, payload.clone())
                    .await;
                let message = subscriber.message().await;
                assert!(
                    message.payload == payload,
                    "{size} bytes at QoS {qos}, got {}",
                    message.payload.len()
                );
            }
        }
    }
}

#[tokio::test]
async fn overlapping_subscriptions_of_a_client_deliver_once_at_the_highest_qos() {
    let broker = Broker::start(2);
    let mut publisher = Client::connect(&broker, Version::V5, "publisher").await;
    let mut subscriber = Client::connect(&broker, Version::V4, "subscriber").await;
    subscriber.subscribe("o/#", 0).await;
    subscriber.subscribe("o/+", 2).await;
    subscriber.subscribe("o/p", 1).await;
    publisher.publish_acknowledged("o/p", 2, false, "first").await;
    publisher.publish_acknowledged("o/p", 2, false, "second").await;
    let got: Vec<Message> = subscriber.messages(2).await;
    let got: Vec<_> = got.iter().map(|message| (message.text(), message.qos)).collect();
    assert_eq!(got, [("first", 2), ("second", 2)]);
}
