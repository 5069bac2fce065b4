//! `mosquitto_pub` and `mosquitto_sub`, as an operator types them, with devices of the private protocol among them.

use crate::broker::{Broker, PATIENCE};
use crate::is_installed;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What the lines with a message begin with; the rest is what `-d` says.
const MESSAGE: &str = "message: ";
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

fn installed() -> bool {
    let found = |name: &str| Command::new(name).arg("--help").output().is_ok();
    is_installed(
        "mosquitto_sub",
        found("mosquitto_pub") && found("mosquitto_sub") && found("stdbuf"),
    )
}

/// A `mosquitto_sub` whose output is read line by line.
struct Subscriber {
    child: Child,
    lines: Receiver<String>,
    /// Messages that a kept session got before it subscribed again.
    early: Vec<String>,
}

impl Subscriber {
    /// Starts; returns when it was subscribed.
    fn start(broker: &Broker, version: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("stdbuf");
        command
            .args([
                "-oL",
                "mosquitto_sub",
                "-d",
                "-F",
                &format!("{MESSAGE}%t %q %r %p"),
            ])
            .args(address(broker));
        command.args(["-V", version]).args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("mosquitto_sub starts");
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut subscriber = Self {
            child,
            lines,
            early: Vec::new(),
        };
        loop {
            let line = subscriber.line(|line| line.starts_with("Subscribed") || line.starts_with(MESSAGE));
            if !line.starts_with(MESSAGE) {
                return subscriber;
            }
            subscriber.early.push(line);
        }
    }

    /// The next message as `topic qos retain payload`.
    fn message(&mut self) -> String {
        let line = match self.early.is_empty() {
            true => self.line(|line| line.starts_with(MESSAGE)),
            false => self.early.remove(0),
        };
        line[MESSAGE.len()..].to_owned()
    }

    fn line(&self, fits: fn(&str) -> bool) -> String {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("mosquitto_sub prints what is waited for");
            if fits(&line) {
                return line;
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(broker: &Broker) -> [String; 4] {
    let address = broker.mqtt();
    [
        "-h".to_owned(),
        address.ip().to_string(),
        "-p".to_owned(),
        address.port().to_string(),
    ]
}

/// Runs `mosquitto_pub` to its end.
fn publish(broker: &Broker, version: &str, arguments: &[&str]) {
    let mut command = Command::new("mosquitto_pub");
    command
        .args(address(broker))
        .args(["-V", version])
        .args(arguments);
    let output = command.output().expect("mosquitto_pub runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A private device that was accepted.
fn device(broker: &Broker, id: &str) -> TcpStream {
    let mut socket = TcpStream::connect(broker.private()).expect("accepted");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let id_bytes = u8::try_from(id.len()).expect("a short id");
    socket
        .write_all(&[0x11, 0, id_bytes + 3, 0, 0, id_bytes])
        .expect("CONNECT");
    socket.write_all(id.as_bytes()).expect("CONNECT");
    let mut answer = [0; 23];
    socket.read_exact(&mut answer).expect("CONNACK");
    assert_eq!(&answer, b"\x20\x00\x14Connect Successfully");
    socket
}

#[test]
fn mosquitto_publishes_and_subscribes_at_every_qos_in_every_version() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for (subscribed, published) in VERSIONS.iter().flat_map(|a| VERSIONS.map(|b| (*a, b))) {
        let mut subscriber = Subscriber::start(&broker, subscribed, &["-t", "m/+", "-q", "2"]);
        for qos in ["0", "1", "2"] {
            publish(
                &broker,
                published,
                &["-t", &format!("m/{qos}"), "-q", qos, "-m", "hello"],
            );
            assert_eq!(
                subscriber.message(),
                format!("m/{qos} {qos} 0 hello"),
                "{published} to {subscribed}"
            );
        }
    }
}

#[test]
fn mosquitto_retains_and_clears() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for version in VERSIONS {
        publish(&broker, version, &["-t", "r/kept", "-q", "1", "-r", "-m", "kept"]);
        publish(
            &broker,
            version,
            &["-t", "r/cleared", "-q", "1", "-r", "-m", "old"],
        );
        publish(&broker, version, &["-t", "r/cleared", "-q", "1", "-r", "-n"]);
        let mut subscriber = Subscriber::start(&broker, version, &["-t", "r/#", "-q", "1"]);
        assert_eq!(subscriber.message(), "r/kept 1 1 kept");
        publish(&broker, version, &["-t", "r/live", "-q", "1", "-m", "live"]);
        assert_eq!(subscriber.message(), "r/live 1 0 live");
    }
}

#[test]
fn a_will_of_a_killed_mosquitto_is_published() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for version in VERSIONS {
        let mut watcher = Subscriber::start(&broker, "mqttv5", &["-t", "will", "-q", "2"]);
        let will = [
            "--will-topic",
            "will",
            "--will-payload",
            version,
            "--will-qos",
            "1",
            "-t",
            "nothing",
        ];
        // Drop kills it with SIGKILL: no DISCONNECT.
        drop(Subscriber::start(&broker, version, &will));
        assert_eq!(watcher.message(), format!("will 1 0 {version}"));
    }
}

#[test]
fn a_kept_mosquitto_session_gets_what_it_missed() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for version in VERSIONS {
        let mut session = vec!["-i", "sleeper", "-t", "s/+", "-q", "1", "-c"];
        if version == "mqttv5" {
            session.extend(["-x", "600"]);
        }
        drop(Subscriber::start(&broker, version, &session));
        for n in 0..5 {
            publish(
                &broker,
                version,
                &["-t", &format!("s/{n}"), "-q", "1", "-m", "missed"],
            );
        }
        let mut woken = Subscriber::start(&broker, version, &session);
        for n in 0..5 {
            assert_eq!(woken.message(), format!("s/{n} 1 0 missed"), "{version}");
        }
        drop(woken);
        drop(Subscriber::start(
            &broker,
            version,
            &["-i", "sleeper", "-t", "s/+", "-q", "1"],
        ));
    }
}

#[test]
fn mosquitto_and_private_devices_hear_each_other() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for version in VERSIONS {
        let mut subscriber = Subscriber::start(&broker, version, &["-t", "tcp/+/up", "-q", "1"]);
        // Several ids, so that both shards have devices.
        for n in 0..8 {
            let mut device = device(&broker, &format!("device-{n}"));
            device.write_all(b"\x30\x00\x0521.5C").expect("DATATRANS");
            assert_eq!(subscriber.message(), format!("tcp/device-{n}/up 0 0 21.5C"));
            publish(
                &broker,
                version,
                &["-t", &format!("tcp/device-{n}/dn"), "-q", "1", "-m", "reboot"],
            );
            let mut frame = [0; 9];
            device.read_exact(&mut frame).expect("DATATRANS");
            assert_eq!(&frame, b"\x30\x00\x06reboot");
        }
    }
}
