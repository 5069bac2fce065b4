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

#[test]
fn mosquitto_rr_gets_the_answer_to_its_request() {
    let found = Command::new("mosquitto_rr").arg("--help").output().is_ok();
    if !installed() || !is_installed("mosquitto_rr", found) {
        return;
    }
    let broker = Broker::start(2);
    for version in ["mqttv311", "mqttv5"] {
        let format = format!("{MESSAGE}%t %q %r %p %R %D");
        let ask = ["-t", "questions", "-q", "1", "-F", &format];
        let mut responder = Subscriber::start(&broker, "mqttv5", &ask);
        let mut asker = Command::new("mosquitto_rr");
        asker
            .args(address(&broker))
            .args(["-V", version, "-q", "1", "-t", "questions", "-e", "answers"]);
        asker.args(["-m", "what?"]);
        if version == "mqttv5" {
            asker.args(["-D", "publish", "correlation-data", "17"]);
        }
        let asker = asker.stdout(Stdio::piped()).spawn().expect("mosquitto_rr starts");
        let heard = responder.message();
        let expected = match version {
            "mqttv5" => "questions 1 0 what? answers 17",
            _ => "questions 1 0 what?  ",
        };
        assert_eq!(heard.trim_end(), expected.trim_end(), "{version}");
        publish(&broker, "mqttv5", &["-t", "answers", "-q", "1", "-m", "that"]);
        let output = asker
            .wait_with_output()
            .expect("mosquitto_rr ends with its answer");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "that\n", "{version}");
    }
}

#[test]
fn mosquitto_s_properties_arrive_as_they_were_sent() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    let format = format!("{MESSAGE}%t %q %r %p %C %F %R %D %P %S");
    let identified = [
        "-t",
        "p/#",
        "-q",
        "1",
        "-F",
        &format,
        "-D",
        "subscribe",
        "subscription-identifier",
        "7",
    ];
    let mut subscriber = Subscriber::start(&broker, "mqttv5", &identified);
    let mut arguments = vec!["-t", "p/x", "-q", "1", "-m", "x"];
    for property in [
        &["content-type", "text/plain"][..],
        &["payload-format-indicator", "1"],
        &["response-topic", "answers"],
        &["correlation-data", "c"],
        &["user-property", "k", "v"],
    ] {
        arguments.extend(["-D", "publish"]);
        arguments.extend_from_slice(property);
    }
    publish(&broker, "mqttv5", &arguments);
    assert_eq!(subscriber.message(), "p/x 1 0 x text/plain 1 answers c k:v 7");
}

#[test]
fn mosquittos_share_a_subscription() {
    if !installed() {
        return;
    }
    let broker = Broker::start(2);
    for version in ["mqttv311", "mqttv5"] {
        let shared = ["-t", "$share/group/shared/+", "-q", "1"];
        let members = [0, 1].map(|_| Subscriber::start(&broker, version, &shared));
        for n in 0..10 {
            publish(
                &broker,
                version,
                &["-t", &format!("shared/{n}"), "-q", "1", "-m", "once"],
            );
        }
        // What each got, when all is there: ten in all, and some for both.
        let mut counts = [0, 0];
        let until = std::time::Instant::now() + PATIENCE;
        while counts[0] + counts[1] < 10 {
            assert!(std::time::Instant::now() < until, "{counts:?}");
            for (count, member) in counts.iter_mut().zip(&members) {
                let lines = member.lines.try_iter().filter(|line| line.starts_with(MESSAGE));
                *count += lines.count();
            }
            thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(
            counts[0] + counts[1] == 10 && counts[0] > 0 && counts[1] > 0,
            "{version}: {counts:?}"
        );
    }
}
