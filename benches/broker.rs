//! The whole broker under load, from outside: CPU seconds per million messages, and memory of an idle connection.
//!
//! Starts the release binary pinned to core 0 (and mosquitto beside it, when it is installed) and drives it from core 1
//! over loopback, rounds interleaved, medians reported. Bounded in count; stops what it started. Not a timed test:
//! `cargo bench --bench broker`. Called by people; the richer load generator is a subcommand of its own issue.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringwire_codec::mqtt::{
    Ack, Connect, Decoded, Packet, PacketId, Properties, Publish, QoS, ReasonCode, Version, decode,
};

const PAYLOAD_BYTES: usize = 64;
const PACKET_BYTES_MAX: u32 = 1 << 20;
const ROUNDS: usize = 5;
const QOS0_MESSAGES: u64 = 1_000_000;
const QOS0_OUTSTANDING: u64 = 4_000;
const QOS1_MESSAGES: u64 = 250_000;
const QOS1_PUBLISHERS: u64 = 10;
const QOS1_WINDOW: u64 = 100;
const IDLE_CONNECTIONS: usize = 10_000;
/// No progress for this long ends the bench: a lost message must not hang it.
const STALL: Duration = Duration::from_secs(20);

fn main() {
    pin_to(1);
    let mosquitto = Command::new("mosquitto")
        .arg("-h")
        .stdout(Stdio::null())
        .status()
        .is_ok();
    if !mosquitto {
        println!("mosquitto is not installed: measuring ringwire alone");
    }
    let brokers: &[Kind] = if mosquitto {
        &[Kind::Ringwire, Kind::Mosquitto]
    } else {
        &[Kind::Ringwire]
    };
    for (name, job) in [
        (
            "QoS 0, 1 -> 1, saturated, 64 bytes",
            qos0_pair as fn(SocketAddr) -> u64,
        ),
        ("QoS 1, 10 -> 1, window 100, 64 bytes", qos1_fan_in),
    ] {
        println!("{name}: broker CPU s per million delivered (median of {ROUNDS}), messages a second");
        report_rounds(brokers, job);
    }
    println!("idle connection with one subscription, {IDLE_CONNECTIONS} of them: bytes of RSS each");
    for kind in brokers {
        println!("  {:<10} {}", kind.name(), idle_bytes(*kind));
    }
}

/// Interleaves the brokers within each round, so that a slow minute of the machine hits all of them.
fn report_rounds(brokers: &[Kind], job: fn(SocketAddr) -> u64) {
    let mut cost = vec![Vec::new(); brokers.len()];
    let mut rate = vec![Vec::new(); brokers.len()];
    for _ in 0..ROUNDS {
        for (row, kind) in brokers.iter().enumerate() {
            let broker = Broker::start(*kind);
            let cpu = broker.cpu_seconds();
            let start = Instant::now();
            let delivered = job(broker.address) as f64;
            rate[row].push(delivered / start.elapsed().as_secs_f64());
            cost[row].push((broker.cpu_seconds() - cpu) * 1e6 / delivered);
        }
    }
    let first = median(&mut cost[0].clone());
    for (row, kind) in brokers.iter().enumerate() {
        let spread = (min(&cost[row]), max(&cost[row]));
        let cost = median(&mut cost[row]);
        println!(
            "  {:<10} {cost:.3} ({:.3} to {:.3}), ratio {:.2}, {:.0}/s",
            kind.name(),
            spread.0,
            spread.1,
            cost / first,
            median(&mut rate[row]),
        );
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Ringwire,
    Mosquitto,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Ringwire => "ringwire",
            Self::Mosquitto => "mosquitto",
        }
    }
}

struct Broker {
    process: Child,
    address: SocketAddr,
    _files: tempfile::TempDir,
}

impl Broker {
    fn start(kind: Kind) -> Self {
        let files = tempfile::tempdir().expect("a temporary directory");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]);
        match kind {
            Kind::Ringwire => command
                .arg(env!("CARGO_BIN_EXE_ringwire"))
                .args(["serve", "--shards", "1", "--cores", "0", "--admin", "off"])
                // As mosquitto's `max_queued_messages 0`: ten publishers outrun one subscriber.
                .args([
                    "--set",
                    "limits.queue_messages=1000000",
                    "--set",
                    "limits.queue_bytes=512MB",
                ])
                .arg("--listen")
                .arg(format!("mqtt://{address}")),
            Kind::Mosquitto => {
                let config = files.path().join("mosquitto.conf");
                let text = format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n\
                     max_inflight_messages 100\nmax_queued_bytes 0\nset_tcp_nodelay true\nlog_type none\n"
                );
                std::fs::write(&config, text).expect("a writable directory");
                command.arg("mosquitto").arg("-c").arg(config)
            }
        };
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("taskset starts");
        let broker = Self {
            process,
            address,
            _files: files,
        };
        for _ in 0..200 {
            if TcpStream::connect(address).is_ok() {
                return broker;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{} does not listen on {address}", kind.name());
    }

    /// Time on a CPU of all threads so far, in the kernel's nanoseconds: `/proc/PID/stat` has only hundredths of a second.
    /// `taskset` execs, so the pid is the broker's.
    fn cpu_seconds(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("the broker runs");
        let nanoseconds = tasks.filter_map(|task| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        nanoseconds.sum::<u64>() as f64 / 1e9
    }

    fn rss_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the broker runs");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .expect("a VmRSS line");
        line.split_whitespace()
            .nth(1)
            .and_then(|kib| kib.parse::<u64>().ok())
            .expect("KiB")
            * 1_024
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A broker that is already gone is as stopped as one that was killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One publisher, one subscriber, QoS 0: at most `QOS0_OUTSTANDING` under way, so that nobody has a reason to drop.
fn qos0_pair(address: SocketAddr) -> u64 {
    let received = Arc::new(AtomicU64::new(0));
    let mut subscriber = Client::connect(address, "subscriber");
    subscriber.subscribe("bench/pair", QoS::AtMostOnce);
    let counter = received.clone();
    let reader = thread::spawn(move || {
        let mut expected = 0;
        while expected < QOS0_MESSAGES {
            subscriber.receive(|packet, _| {
                if let Packet::Publish(publish) = packet {
                    assert_eq!(sequence(publish.payload), expected, "lost or reordered");
                    expected += 1;
                }
            });
            counter.store(expected, Ordering::Release);
        }
    });
    let mut publisher = Client::connect(address, "publisher");
    let mut frames = Vec::new();
    let mut sent = 0;
    let mut progress = Instant::now();
    while sent < QOS0_MESSAGES {
        let room = QOS0_OUTSTANDING.saturating_sub(sent - received.load(Ordering::Acquire));
        if room < QOS0_OUTSTANDING / 4 {
            assert!(progress.elapsed() < STALL, "stalled at {sent}");
            thread::yield_now();
            continue;
        }
        progress = Instant::now();
        frames.clear();
        let until = (sent + room).min(QOS0_MESSAGES);
        for number in sent..until {
            publish("bench/pair", number, None, &mut frames);
        }
        publisher.stream.write_all(&frames).expect("the broker reads");
        sent = until;
    }
    reader.join().expect("the subscriber got all of it");
    QOS0_MESSAGES
}

/// Ten publishers with a window each, one subscriber that acknowledges.
fn qos1_fan_in(address: SocketAddr) -> u64 {
    let mut subscriber = Client::connect(address, "subscriber");
    subscriber.subscribe("bench/+", QoS::AtLeastOnce);
    let reader = thread::spawn(move || {
        let mut count = 0;
        while count < QOS1_MESSAGES {
            subscriber.receive(|packet, answer| {
                if let Packet::Publish(Publish {
                    packet_id: Some(packet_id),
                    ..
                }) = packet
                {
                    let ack = Ack {
                        packet_id: *packet_id,
                        reason: ReasonCode::Success,
                        properties: Properties::EMPTY,
                    };
                    Packet::PubAck(ack)
                        .encode(Version::V311, answer)
                        .expect("a PUBACK");
                    count += 1;
                }
            });
        }
    });
    let publishers: Vec<_> = (0..QOS1_PUBLISHERS)
        .map(|number| thread::spawn(move || qos1_publisher(address, number)))
        .collect();
    for publisher in publishers {
        publisher.join().expect("a publisher ends");
    }
    reader.join().expect("the subscriber got all of it");
    QOS1_MESSAGES
}

fn qos1_publisher(address: SocketAddr, number: u64) {
    let mut client = Client::connect(address, &format!("publisher-{number}"));
    let topic = format!("bench/{number}");
    let total = QOS1_MESSAGES / QOS1_PUBLISHERS;
    let (mut sent, mut acknowledged) = (0, 0);
    let mut frames = Vec::new();
    while acknowledged < total {
        frames.clear();
        while sent < total && sent - acknowledged < QOS1_WINDOW {
            let packet_id = PacketId::new((sent % 65_535) as u16 + 1);
            publish(&topic, sent, packet_id, &mut frames);
            sent += 1;
        }
        client.stream.write_all(&frames).expect("the broker reads");
        client.receive(|packet, _| {
            if let Packet::PubAck(_) = packet {
                acknowledged += 1;
            }
        });
    }
}

/// RSS that each of many connections with one subscription of their own adds.
fn idle_bytes(kind: Kind) -> u64 {
    let broker = Broker::start(kind);
    // The first connections warm pools and tables that are not theirs.
    let mut clients = Vec::with_capacity(IDLE_CONNECTIONS + 100);
    let mut before = 0;
    for number in 0..IDLE_CONNECTIONS + 100 {
        if number == 100 {
            before = broker.rss_bytes();
        }
        let mut client = Client::connect(broker.address, &format!("device-{number}"));
        client.subscribe(&format!("devices/{number}/command"), QoS::AtLeastOnce);
        clients.push(client.stream);
    }
    thread::sleep(Duration::from_secs(2));
    (broker.rss_bytes() - before) / IDLE_CONNECTIONS as u64
}

/// A blocking MQTT 3.1.1 client, just good enough to load a broker.
struct Client {
    stream: TcpStream,
    input: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, client_id: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_read_timeout(Some(STALL)).expect("a read timeout");
        let mut client = Self {
            stream,
            input: Vec::new(),
            answer: Vec::new(),
        };
        let connect = Connect {
            version: Version::V311,
            clean_start: true,
            keep_alive: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        };
        let mut frame = Vec::new();
        Packet::Connect(connect)
            .encode(Version::V311, &mut frame)
            .expect("a CONNECT");
        client.stream.write_all(&frame).expect("the broker reads");
        client.await_packet(
            |packet| matches!(packet, Packet::ConnAck(ack) if ack.reason == ReasonCode::Success),
        );
        client
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        // Header, remaining length, packet id 1, one filter with its options (3.1.1 section 3.8).
        let mut frame = vec![0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8];
        frame.extend_from_slice(filter.as_bytes());
        frame.push(qos as u8);
        self.stream.write_all(&frame).expect("the broker reads");
        self.await_packet(|packet| matches!(packet, Packet::SubAck(_)));
    }

    fn await_packet(&mut self, wanted: impl Fn(&Packet<'_>) -> bool) {
        let mut found = false;
        while !found {
            self.receive(|packet, _| found |= wanted(packet));
        }
    }

    /// One read; every whole packet goes to `each`, and what it wrote as an answer is sent at once.
    fn receive(&mut self, mut each: impl FnMut(&Packet<'_>, &mut Vec<u8>)) {
        let before = self.input.len();
        self.input.resize(before + 65_536, 0);
        let count = self
            .stream
            .read(&mut self.input[before..])
            .expect("the broker answers in time");
        assert!(count > 0, "the broker closed the connection");
        self.input.truncate(before + count);
        let mut taken = 0;
        while let Decoded::Packet(packet, size) =
            decode(Version::V311, &self.input[taken..], PACKET_BYTES_MAX).expect("a packet")
        {
            each(&packet, &mut self.answer);
            taken += size;
        }
        self.input.drain(..taken);
        if !self.answer.is_empty() {
            self.stream.write_all(&self.answer).expect("the broker reads");
            self.answer.clear();
        }
    }
}

fn publish(topic: &str, number: u64, packet_id: Option<PacketId>, frames: &mut Vec<u8>) {
    let mut payload = [0x55; PAYLOAD_BYTES];
    payload[..8].copy_from_slice(&number.to_be_bytes());
    let qos = if packet_id.is_some() {
        QoS::AtLeastOnce
    } else {
        QoS::AtMostOnce
    };
    let properties = Properties::EMPTY;
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic,
        packet_id,
        properties,
        payload: &payload,
    };
    Packet::Publish(publish)
        .encode(Version::V311, frames)
        .expect("a PUBLISH");
}

fn sequence(payload: &[u8]) -> u64 {
    u64::from_be_bytes(payload[..8].try_into().expect("a payload of this bench"))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn min(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn pin_to(cpu: usize) {
    // SAFETY: the set is a plain bit mask that lives across the call, and 0 names the calling thread.
    let pinned = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if pinned != 0 {
        println!("cannot pin to core {cpu}: figures are noisier");
    }
}
