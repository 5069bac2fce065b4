//! The process itself: how it starts, what it says when it cannot, how it ends.

use crate::broker::{Broker, PATIENCE, Refusal, Restriction, command, http};
use crate::client::{Client, Version};
use crate::device::{Device, connect};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HERE: [&str; 4] = ["--listen", "mqtt://127.0.0.1:0", "--admin", "off"];

/// One line on standard error that says all of it, nothing on standard output, exit code 1.
fn assert_one_clear_line(refusal: &Refusal, words: &[&str]) {
    let Refusal { code, stderr, stdout } = refusal;
    assert_eq!(*code, Some(1), "exit code 1:\n{stderr}{stdout}");
    let lines: Vec<_> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 1, "one line:\n{stderr}");
    for word in words {
        assert!(lines[0].contains(word), "says {word:?}: {}", lines[0]);
    }
    for word in [
        "panicked",
        "bug:",
        "backtrace",
        "RUST_BACKTRACE",
        "Error {",
        "Os {",
    ] {
        assert!(!stderr.contains(word), "no {word:?}: {stderr}");
    }
    assert!(!stdout.contains("ready "), "{stdout}");
}

#[test]
fn a_port_taken_by_another_program_is_one_line_and_exit_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    for (scheme, admin) in [("mqtt", "off"), ("emqtcp", "off"), ("mqtt", address.as_str())] {
        let listen = if admin == "off" {
            format!("{scheme}://{address}")
        } else {
            "mqtt://127.0.0.1:0".to_owned()
        };
        let refusal = Refusal::of(
            &["--listen", &listen, "--admin", admin, "--shards", "2"],
            Restriction::Free,
        );
        assert_one_clear_line(&refusal, &[&address]);
    }
}

#[tokio::test]
async fn a_port_taken_by_another_ringwire_is_not_shared_with_it() {
    let mut broker = Broker::start(2);
    let listen = format!("mqtt://{}", broker.mqtt());
    let refusal = Refusal::of(
        &["--listen", &listen, "--admin", "off", "--shards", "2"],
        Restriction::Free,
    );
    assert_one_clear_line(&refusal, &[&broker.mqtt().to_string()]);
    assert!(broker.is_running());
    Client::connect(&broker, Version::V5, "still served")
        .await
        .disconnect()
        .await;
}

#[test]
fn too_little_locked_memory_is_one_line_and_exit_code_1() {
    let refusal = Refusal::of(&HERE, Restriction::Limit(libc::RLIMIT_MEMLOCK, 16 << 10));
    assert_one_clear_line(&refusal, &["locked memory", "LimitMEMLOCK"]);
}

#[test]
fn too_few_open_files_are_one_line_and_exit_code_1() {
    let refusal = Refusal::of(&HERE, Restriction::Limit(libc::RLIMIT_NOFILE, 32));
    assert_one_clear_line(&refusal, &["open files", "LimitNOFILE"]);
}

#[test]
fn no_io_uring_is_one_line_and_exit_code_1() {
    for error in [libc::EPERM, libc::ENOSYS] {
        let refusal = Refusal::of(&HERE, Restriction::NoIoUring(error));
        assert_one_clear_line(&refusal, &["io_uring"]);
    }
}

#[tokio::test]
async fn sigterm_tells_v5_clients_that_the_server_stops_and_exits_0() {
    end_with(libc::SIGTERM).await;
}

#[tokio::test]
async fn ctrl_c_drains_as_sigterm_does() {
    end_with(libc::SIGINT).await;
}

async fn end_with(signal: i32) {
    let mut broker = Broker::start(2);
    let mut news = Vec::new();
    for n in 0..8 {
        news.push(Client::connect(&broker, Version::V5, format!("v5-{n}")).await);
    }
    let mut old = Client::connect(&broker, Version::V4, "v4").await;
    let mut device = Device::connect(&broker, "device").await;
    let mqtt = broker.mqtt();
    broker.signal(signal);
    for client in &mut news {
        assert_eq!(
            client.ended().await,
            Some(0x8B),
            "{}: Server shutting down",
            client.id
        );
    }
    assert_eq!(old.ended().await, None);
    assert_eq!(device.rest().await, b"");
    assert_eq!(broker.wait().code(), Some(0), "{}", broker.log());
    assert!(
        std::net::TcpStream::connect(mqtt).is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn what_was_acknowledged_before_sigterm_is_flushed_to_its_subscribers() {
    let mut broker = Broker::start(2);
    let mut subscribers = Vec::new();
    for n in 0..4 {
        let mut subscriber = Client::connect(&broker, Version::V5, format!("subscriber-{n}")).await;
        subscriber.subscribe("flush", 0).await;
        subscribers.push(subscriber);
    }
    let mut publisher = Client::connect(&broker, Version::V4, "publisher").await;
    for n in 0..100u8 {
        publisher.publish("flush", 1, false, [n]).await;
    }
    for _ in 0..100 {
        publisher.acknowledged().await;
    }
    broker.signal(libc::SIGTERM);
    for subscriber in &mut subscribers {
        let got: Vec<u8> = subscriber
            .messages(100)
            .await
            .iter()
            .map(|message| message.payload[0])
            .collect();
        assert_eq!(got, (0..100).collect::<Vec<u8>>());
        assert_eq!(subscriber.ended().await, Some(0x8B));
    }
    assert_eq!(broker.wait().code(), Some(0));
}

#[tokio::test]
async fn a_client_that_does_not_read_cannot_hold_up_the_drain() {
    let mut broker = Broker::start_with(2, &["--set", "node.shutdown_timeout=2s"]);
    let mut stuck = tokio::net::TcpStream::connect(broker.mqtt())
        .await
        .expect("accepted");
    stuck
        .write_all(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05stuck")
        .await
        .expect("CONNECT");
    stuck
        .write_all(b"\x82\x06\x00\x01\x00\x01#\x00")
        .await
        .expect("SUBSCRIBE");
    let mut publisher = Client::connect(&broker, Version::V4, "publisher").await;
    for _ in 0..16 {
        publisher
            .publish_acknowledged("fill", 1, false, vec![0; 900_000])
            .await;
    }
    let asked = Instant::now();
    broker.signal(libc::SIGTERM);
    assert_eq!(broker.wait().code(), Some(0), "{}", broker.log());
    assert!(asked.elapsed() < PATIENCE / 2, "{:?}", asked.elapsed());
    drop(stuck);
}

#[tokio::test]
async fn silence_ends_at_its_deadline_and_is_counted_by_its_reason() {
    let settings = [
        "--set",
        "listener.mqtt.idle_timeout=1s",
        "--set",
        "listener.emqtcp.idle_timeout=1s",
    ];
    let broker = Broker::start_with(2, &settings);
    let started = Instant::now();
    let mut keepalive_1 = connect("silent");
    keepalive_1[3] = 1;
    let cases: [(&[u8], &str, u64); 3] = [
        (b"", "idle_timeout", 1_000),
        // One byte of a CONNECT does not push the deadline back.
        (&keepalive_1[..1], "idle_timeout", 1_000),
        (&keepalive_1, "keepalive_timeout", 1_500),
    ];
    let mut devices = Vec::new();
    for (bytes, _, _) in cases {
        let mut device = Device::open(&broker, "silent").await;
        device.send(bytes).await;
        devices.push(device);
    }
    let mut mqtt = tokio::net::TcpStream::connect(broker.mqtt())
        .await
        .expect("accepted");
    for (device, (_, reason, after_ms)) in devices.iter_mut().zip(cases) {
        device.rest().await;
        let after = started.elapsed();
        assert!(
            // In whole milliseconds of the shard, so the rest of one at either end may be missing.
            after >= Duration::from_millis(after_ms - 2),
            "{reason} after {after:?}"
        );
    }
    assert_eq!(mqtt.read(&mut [0]).await.expect("an orderly end"), 0);
    for (reason, times) in [("idle_timeout", 3.0), ("keepalive_timeout", 1.0)] {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(
            http::metric(broker.admin(), "ringwire_connections_closed", &[&label]),
            times,
            "{reason}"
        );
    }
}

#[tokio::test]
async fn it_runs_with_one_shard_and_with_more_shards_than_cores() {
    for shards in [1, 5] {
        let mut broker = Broker::start(shards);
        assert!(
            broker.ready().contains(&format!("shards={shards}")),
            "{}",
            broker.ready()
        );
        let mut subscribers = Vec::new();
        for n in 0..20 {
            let mut subscriber = Client::connect(&broker, Version::V5, format!("subscriber-{n}")).await;
            subscriber.subscribe("all/+", 2).await;
            subscribers.push(subscriber);
        }
        let mut device = Device::connect(&broker, "device").await;
        for n in 0..20 {
            let publisher = Client::connect(&broker, Version::V4, format!("publisher-{n}")).await;
            publisher.publish(&format!("all/{n}"), n % 3, false, "x").await;
            publisher.publish("tcp/device/dn", 0, false, [n]).await;
            assert_eq!(device.down().await, [n]);
            publisher.disconnect().await;
        }
        for subscriber in &mut subscribers {
            let mut topics: Vec<_> = subscriber
                .messages(20)
                .await
                .into_iter()
                .map(|message| message.topic)
                .collect();
            topics.sort_by_key(|topic| topic["all/".len()..].parse::<u32>().expect("a number"));
            assert_eq!(topics, (0..20).map(|n| format!("all/{n}")).collect::<Vec<_>>());
        }
        broker.signal(libc::SIGTERM);
        assert_eq!(broker.wait().code(), Some(0));
    }
}

/// Shard and connections of a line of `--stats`: shard, CPU, seconds, connections, messages in and out, and more.
fn stats_line(line: &str) -> Option<(u64, u64)> {
    let words = line.trim_start_matches("stderr:").split_whitespace();
    let cells: Vec<u64> = words.map_while(|cell| cell.parse().ok()).collect();
    (cells.len() >= 6).then(|| (cells[0], cells[3]))
}

#[tokio::test]
async fn stats_are_lines_on_standard_error_one_a_shard() {
    let broker = Broker::start_with(2, &["--stats", "200ms"]);
    let _client = Client::connect(&broker, Version::V5, "counted".to_owned()).await;
    let deadline = Instant::now() + PATIENCE;
    let connections = || {
        let log = broker.log();
        let last = |shard| {
            let mut lines = log.lines().rev().filter_map(stats_line);
            lines.find(|line| line.0 == shard).map(|line| line.1)
        };
        Some(last(0)? + last(1)?)
    };
    while connections() != Some(1) {
        assert!(
            Instant::now() < deadline,
            "a client is counted on one of two shards"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(broker.log().contains("stderr: shard  cpu"), "there is a header");
}

#[test]
fn stats_need_no_admin_endpoint() {
    let mut child = command()
        .args(HERE)
        .args(["--shards", "1", "--stats", "100ms"])
        .spawn()
        .expect("the binary starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let found = lines.map_while(Result::ok).find_map(|line| stats_line(&line));
    child.kill().expect("it runs");
    child.wait().expect("a child");
    assert_eq!(found, Some((0, 0)));
}
