//! JT/T 808 terminals against the real binary, two shards: what they send arrives as JSON at an MQTT client, JSON of that
//! client arrives at them.
//!
//! Frames are written and read by the terminal of the codec's tests, which shares no code with the product; MQTT is spoken
//! by a client that nobody here wrote. Phone numbers are many enough that terminals live on both shards.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../e2e/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../../codec/tests/terminal/mod.rs"]
mod terminal;
mod truck;

use broker::{Broker, PATIENCE, http};
use client::{Client, Version};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use terminal::{Frame, position};
use truck::Truck;

/// One listener with these keys of its adapter, and these of its own.
fn start(adapter: &[&str], listener: &[&str]) -> Broker {
    let mut arguments = vec!["--listen".to_owned(), "mqtt://127.0.0.1:0".to_owned()];
    let mut set = |key: &str| arguments.extend(["--set".to_owned(), key.to_owned()]);
    set("adapter.trucks.builtin=jt808");
    set("listener.trucks.type=adapter");
    set("listener.trucks.adapter=trucks");
    set("listener.trucks.bind=127.0.0.1:0");
    set("listener.trucks.up_topic=jt808/%c/up");
    set("listener.trucks.dn_topic=jt808/%c/dn");
    adapter
        .iter()
        .for_each(|key| set(&format!("adapter.trucks.{key}")));
    listener
        .iter()
        .for_each(|key| set(&format!("listener.trucks.{key}")));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Broker::serve(2, &arguments)
}

/// A client that hears every terminal.
async fn watcher(broker: &Broker) -> Client {
    let mut watcher = Client::connect(broker, Version::V5, "watcher").await;
    watcher.subscribe("jt808/+/up", 1).await;
    watcher
}

async fn heard(watcher: &mut Client) -> (String, Value) {
    let message = watcher.message().await;
    let json = serde_json::from_str(message.text()).expect("JSON");
    (message.topic, json)
}

/// JSON for a terminal.
async fn tell(client: &Client, truck: &Truck, id: u16, body: &Value) {
    let payload = json!({"header": {"msg_id": id}, "body": body}).to_string();
    let topic = format!("jt808/{}/dn", truck.name());
    client.publish(&topic, 1, false, payload).await;
}

#[tokio::test]
async fn terminals_of_both_versions_on_both_shards_register_report_and_go() {
    let broker = start(&[], &[]);
    let mut watcher = watcher(&broker).await;
    let mut trucks = Vec::new();
    for n in 0..12 {
        let mut truck = Truck::open(&broker, n, n % 2 == 0).await;
        let answer = truck.ask(0x0100, b"whatever").await;
        assert_eq!((answer.id, answer.serial), (0x8100, 0));
        let code = answer.body[3..].to_vec();
        assert_eq!(code, truck.name().as_bytes(), "the code that was handed out");
        truck.authenticate(&code).await;
        trucks.push(truck);
    }
    let listed = http::get(broker.admin(), "/api/v5/clients?limit=100").json();
    let rows = listed["data"].as_array().expect("rows");
    let of_trucks = rows.iter().filter(|row| row["clientid"] != json!("watcher"));
    let shards: BTreeSet<_> = of_trucks
        .inspect(|row| assert_eq!(row["proto_name"], json!("jt808"), "{row}"))
        .map(|row| row["shard"].as_u64())
        .collect();
    assert_eq!(shards.len(), 2, "on both shards: {listed}");
    for truck in &mut trucks {
        let answer = truck.ask(0x0200, &position()).await;
        assert_eq!((answer.id, &answer.body[2..]), (0x8001, &[0x02, 0x00, 0][..]));
        let (topic, message) = heard(&mut watcher).await;
        assert_eq!(topic, format!("jt808/{}/up", truck.name()));
        assert_eq!(message["header"]["phone"], json!(truck.name()));
        assert_eq!(message["body"]["latitude"], json!(31_000_560));
        let answer = truck.ask(0x0003, b"").await;
        assert_eq!((answer.id, answer.body[4]), (0x8001, 0));
        assert!(truck.is_closed().await);
    }
}

#[tokio::test]
async fn a_message_is_sent_until_it_is_acknowledged_and_given_up_after_that() {
    let broker = start(&["window=1"], &["retry_interval=300ms", "retry_max=2"]);
    let mut watcher = watcher(&broker).await;
    for n in 0..4 {
        let mut truck = Truck::let_in(&broker, n, n % 2 == 0).await;
        tell(&watcher, &truck, 0x8300, &json!({"flag": 1, "text": "turn left"})).await;
        let first = truck.next().await;
        assert_eq!((first.id, first.package), (0x8300, None));
        assert!(first.body.ends_with(b"turn left"));
        assert_eq!(
            truck.next().await,
            first,
            "once more, with the same serial number"
        );
        truck.acknowledge(&first).await;
        // Only one is under way at a time: the next comes after that, and is given up after three times. Where this test is
        // slow there are more of each before its answer arrives.
        tell(&watcher, &truck, 0x8300, &json!({"flag": 1, "text": "ignored"})).await;
        tell(&watcher, &truck, 0x8201, &json!({})).await;
        let (mut times, asked) = truck.until(0x8201).await;
        times.retain(|again| *again != first);
        assert_eq!(times.len(), 3, "sent three times: {times:?}");
        assert!(times[0].body.ends_with(b"ignored"));
        assert!(times.iter().all(|again| *again == times[0]), "{times:?}");
        // Its own answer acknowledges it, and is published.
        let answer = [&asked.serial.to_be_bytes()[..], &position()].concat();
        truck.send(0x0201, &answer).await;
        tell(&watcher, &truck, 0x8104, &json!({})).await;
        let (before, _) = truck.until(0x8104).await;
        let answers = before.iter().filter(|frame| **frame != asked);
        assert_eq!(answers.count(), 0, "the window is free: {before:?}");
        let (topic, message) = heard(&mut watcher).await;
        assert_eq!(topic, format!("jt808/{}/up", truck.name()));
        assert_eq!(message["body"]["seq"], json!(asked.serial));
    }
    let dropped = http::metric(broker.admin(), "ringwire_delivery_dropped_not_acknowledged", &[]);
    assert!(dropped >= 4.0, "{dropped}");
}

#[tokio::test]
async fn long_messages_go_in_packages_both_ways() {
    let broker = start(&["package_size=100"], &[]);
    let mut watcher = watcher(&broker).await;
    for n in 0..4 {
        let mut truck = Truck::let_in(&broker, n, n % 2 == 0).await;
        let picture = [&[0, 0, 0, 9, 0, 0, 1, 2][..], &position(), &[0x7e; 3000]].concat();
        let mut packages = truck.packages(0x0801, &picture, 500);
        let third = packages.remove(2);
        for package in &packages {
            truck.write(&package.bytes()).await;
            let answer = truck.next().await;
            assert_eq!(
                (answer.id, &answer.body[..2]),
                (0x8001, &package.serial.to_be_bytes()[..])
            );
        }
        let asked = truck.next().await;
        assert_eq!(
            (asked.id, asked.body.ends_with(&[0, 3])),
            (0x8003, true),
            "{asked:?}"
        );
        truck.write(&third.bytes()).await;
        assert_eq!(truck.next().await.id, 0x8001);
        let taken = truck.next().await;
        assert_eq!((taken.id, &taken.body[..]), (0x8800, &[0, 0, 0, 9][..]));
        let (_, message) = heard(&mut watcher).await;
        assert_eq!(message["header"]["frag_total"], json!(packages.len() + 1));
        assert_eq!(message["body"]["multimedia"], json!("fn5+".repeat(1000)));

        let text = "x".repeat(250);
        tell(&watcher, &truck, 0x8300, &json!({"flag": 1, "text": text})).await;
        let mut body = Vec::new();
        for number in 1..=3 {
            let package = truck.next().await;
            assert_eq!(package.package, Some((3, number)));
            body.extend(&package.body);
            if number == 3 {
                truck.acknowledge(&package).await;
            }
        }
        assert!(body.ends_with(text.as_bytes()));
    }
}

#[tokio::test]
async fn a_second_connection_takes_over_and_an_operator_kicks() {
    let broker = start(&[], &[]);
    for n in 0..4 {
        let mut old = Truck::let_in(&broker, n, false).await;
        let mut new = Truck::let_in(&broker, n, false).await;
        assert!(old.is_closed().await, "taken over");
        let path = format!("/api/v5/clients/{}", new.name());
        assert_eq!(http::get(broker.admin(), &path).status, 200);
        let status = http::delete(broker.admin(), &path).status;
        assert!((200..300).contains(&status), "{status}");
        assert!(new.is_closed().await, "kicked");
    }
}

/// Waits until the broker has said something: its log is written by a thread of its own.
async fn logged(broker: &Broker, text: &str) {
    let began = std::time::Instant::now();
    while !broker.log().contains(text) {
        assert!(began.elapsed() < PATIENCE, "no {text:?} in {}", broker.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_terminal_does_wrong_is_counted_and_said() {
    let broker = start(&["check_auth_code=true", "auth_code=k%c"], &[]);
    let mut watcher = watcher(&broker).await;
    let mut truck = Truck::open(&broker, 1, false).await;
    let answer = truck.ask(0x0102, b"guess").await;
    assert_eq!((answer.id, answer.body[4]), (0x8001, 1));
    assert!(truck.is_closed().await);

    let mut truck = Truck::open(&broker, 1, false).await;
    truck.send(0x0200, &position()).await;
    assert!(truck.is_closed().await, "before it has authenticated");

    let mut truck = Truck::open(&broker, 1, false).await;
    let code = format!("k{}", truck.name());
    truck.authenticate(code.as_bytes()).await;
    truck.write(b"\x7ebroken\x7eGET /").await;
    assert_eq!(truck.ask(0x0002, b"").await.id, 0x8001, "the connection stays");
    let left_out = http::metric(broker.admin(), "ringwire_packets_frame_unreadable", &[]);
    assert!(left_out >= 2.0, "{left_out}");
    logged(&broker, "the check byte is").await;

    tell(&watcher, &truck, 0x8300, &json!({"flag": 300})).await;
    truck.send(0x0200, &position()).await;
    heard(&mut watcher).await;
    assert_eq!(truck.next().await.id, 0x8001, "nothing but the answer");
}

#[tokio::test]
async fn the_up_topic_may_name_the_message() {
    let broker = start(&["implicit_login=true"], &["up_topic=fleet/{msg_id_hex}/%c"]);
    let mut watcher = Client::connect(&broker, Version::V4, "watcher").await;
    watcher.subscribe("fleet/#", 0).await;
    let mut truck = Truck::open(&broker, 3, true).await;
    for id in [0x0200, 0x0900] {
        truck.send(id, &position()).await;
        let topic = format!("fleet/{id:04x}/{}", truck.name());
        assert_eq!(heard(&mut watcher).await.0, topic);
    }
    let answers = [truck.next().await, truck.next().await];
    let ids = answers.map(|answer: Frame| answer.id);
    assert_eq!(ids, [0x8001, 0x8001]);
}
