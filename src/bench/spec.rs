//! Brokers of a comparison: how each is named on the command line, and the command and configuration that start it.
//!
//! Every broker of a kind that we know gets what makes the comparison fair: no limit on queues, a window of at least 100,
//! no delay of small packets, no log. [`Stage`](super::stage::Stage) starts what is described here.

use super::error::BenchError;
use super::target::{Spoken, Target};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// Where daemons are that are not in everybody's PATH.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// A broker as named by `--broker`.
#[derive(Clone, Debug)]
pub struct Spec {
    /// In tables; unique among the brokers of a comparison.
    pub name: String,
    /// As given.
    pub text: String,
    pub program: Program,
}

/// What stands behind a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// Ringwire, with arguments of its own behind ours.
    Ringwire {
        path: PathBuf,
        arguments: Vec<String>,
    },
    Mosquitto,
    Nanomq,
    Flashmq,
    /// A program that takes the port as its only argument, and speaks MQTT.
    OfPort(PathBuf),
    /// The relay of `benches/`.
    Relay(PathBuf),
    /// A command of a shell, with `{port}` and `{dir}`.
    Shell(String),
    /// Runs already.
    Running {
        address: SocketAddr,
        pid: Option<u32>,
    },
}

/// Ports and folder of one start.
pub struct Place<'a> {
    pub mqtt: u16,
    pub private: u16,
    pub folder: &'a Path,
    pub core: usize,
}

impl Spec {
    /// All of a command line; a name that comes again gets a number.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, BenchError> {
        let mut specs: Vec<Self> = Vec::new();
        for text in texts {
            let mut spec = Self::parse(text)?;
            let plain = spec.name.clone();
            let mut nth = 1;
            while specs.iter().any(|known| known.name == spec.name) {
                nth += 1;
                spec.name = format!("{plain}-{nth}");
            }
            specs.push(spec);
        }
        Ok(specs)
    }

    fn parse(text: &str) -> Result<Self, BenchError> {
        let wrong = |why: &str| BenchError::Spec {
            text: text.to_owned(),
            why: why.to_owned(),
        };
        let (name, rest) = match text.split_once(['=', ' ']) {
            Some((name, rest)) => (name.trim(), rest.trim()),
            None => (text.trim(), ""),
        };
        let named_path = text.contains('=') && !name.is_empty();
        let program = match (name, rest) {
            ("mosquitto", "") => Program::Mosquitto,
            ("nanomq", "") => Program::Nanomq,
            ("flashmq", "") => Program::Flashmq,
            ("rumqttd" | "relay", "") => {
                return Err(wrong(
                    "say where it is, as rumqttd=PATH; benches/ says how to build it",
                ));
            }
            (_, rest) if rest.starts_with("cmd:") && named_path => Program::Shell(rest[4..].to_owned()),
            ("ringwire", _) => ringwire(text, rest)?,
            ("rumqttd", path) => Program::OfPort(path.into()),
            ("relay", path) => Program::Relay(path.into()),
            (_, address) if named_path => running(address).ok_or_else(|| {
                wrong("expected NAME=HOST:PORT, NAME=HOST:PORT,pid=N or NAME=cmd:COMMAND WITH {port}")
            })?,
            _ => {
                return Err(wrong(
                    "not a broker that is known: ringwire, mosquitto, nanomq, flashmq, rumqttd=PATH, relay=PATH, NAME=HOST:PORT, NAME=cmd:COMMAND",
                ));
            }
        };
        if matches!(&program, Program::Shell(command) if !command.contains("{port}")) {
            return Err(wrong("the command has no {port}: where would it listen?"));
        }
        Ok(Self {
            name: name.to_owned(),
            text: text.to_owned(),
            program,
        })
    }

    /// Whether it speaks EMQ's private TCP.
    pub fn speaks_private(&self) -> bool {
        matches!(self.program, Program::Ringwire { .. })
    }

    /// Whether it is the relay, that speaks nothing.
    pub fn is_relay(&self) -> bool {
        matches!(self.program, Program::Relay(_))
    }

    /// Where its clients go.
    pub fn targets(&self, place: &Place<'_>) -> Vec<Target> {
        let local = |spoken, port| Target {
            spoken,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        };
        match &self.program {
            Program::Running { address, .. } => vec![Target {
                spoken: Spoken::Mqtt,
                address: *address,
            }],
            Program::Relay(_) => vec![local(Spoken::Raw, place.mqtt)],
            Program::Ringwire { .. } => {
                vec![
                    local(Spoken::Mqtt, place.mqtt),
                    local(Spoken::Private, place.private),
                ]
            }
            Program::Mosquitto
            | Program::Nanomq
            | Program::Flashmq
            | Program::OfPort(_)
            | Program::Shell(_) => {
                vec![local(Spoken::Mqtt, place.mqtt)]
            }
        }
    }

    /// Program and arguments, and the configuration that it reads; `None` for one that runs already.
    pub fn command(&self, place: &Place<'_>) -> Result<Option<Vec<String>>, BenchError> {
        let file = place.folder.join("broker.conf");
        let config = file.display().to_string();
        let port = place.mqtt.to_string();
        let words = match &self.program {
            Program::Running { .. } => return Ok(None),
            Program::Ringwire { path, arguments } => {
                let mut words = vec![self.find(path, "build it")?];
                words.extend(ringwire_arguments(place));
                words.extend(arguments.iter().cloned());
                words
            }
            Program::Mosquitto => {
                write(&file, &mosquitto(place.mqtt))?;
                let program = self.find(
                    Path::new("mosquitto"),
                    "install it (Debian: apt install mosquitto)",
                )?;
                vec![program, "-c".to_owned(), config]
            }
            Program::Nanomq => {
                write(&file, &nanomq(place.mqtt))?;
                let program = self.find(Path::new("nanomq"), "install it")?;
                vec![program, "start".to_owned(), "--conf".to_owned(), config]
            }
            Program::Flashmq => {
                write(&file, &flashmq(place.mqtt))?;
                let program = self.find(Path::new("flashmq"), "install it")?;
                vec![program, "--config-file".to_owned(), config]
            }
            Program::OfPort(path) | Program::Relay(path) => {
                vec![self.find(path, "benches/ says how to build it")?, port]
            }
            Program::Shell(command) => {
                let folder = place.folder.display().to_string();
                let command = command.replace("{port}", &port).replace("{dir}", &folder);
                vec!["sh".to_owned(), "-c".to_owned(), format!("exec {command}")]
            }
        };
        Ok(Some(words))
    }

    /// What asks it for its version.
    pub fn version_command(&self) -> Option<(PathBuf, &'static str)> {
        match &self.program {
            Program::Ringwire { path, .. } => Some((path.clone(), "--version")),
            Program::Mosquitto => Some((search(Path::new("mosquitto"))?, "-h")),
            Program::Nanomq => Some((search(Path::new("nanomq"))?, "--version")),
            Program::Flashmq => Some((search(Path::new("flashmq"))?, "--version")),
            Program::OfPort(_) | Program::Relay(_) | Program::Shell(_) | Program::Running { .. } => None,
        }
    }

    fn find(&self, program: &Path, advice: &'static str) -> Result<String, BenchError> {
        let found = search(program).map(|path| path.display().to_string());
        found.ok_or_else(|| BenchError::Missing {
            broker: self.name.clone(),
            program: program.display().to_string(),
            advice,
        })
    }
}

fn ringwire(text: &str, rest: &str) -> Result<Program, BenchError> {
    let mut words = rest.split_whitespace().map(str::to_owned);
    let path = match text.strip_prefix("ringwire=").and_then(|_| words.next()) {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe().map_err(|source| BenchError::System {
            what: "the path of this program",
            source,
        })?,
    };
    Ok(Program::Ringwire {
        path,
        arguments: words.collect(),
    })
}

/// `HOST:PORT` or `HOST:PORT,pid=N`.
fn running(text: &str) -> Option<Program> {
    let (address, pid) = match text.split_once(",pid=") {
        Some((address, pid)) => (address, Some(pid.parse().ok()?)),
        None => (text, None),
    };
    let address = address.to_socket_addrs().ok()?.next()?;
    Some(Program::Running { address, pid })
}

/// A path as it is; a bare name in PATH and where daemons are.
fn search(program: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return program.is_file().then(|| program.to_owned());
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain(MORE_FOLDERS.map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|source| BenchError::Write {
        path: path.to_owned(),
        source,
    })
}

fn ringwire_arguments(place: &Place<'_>) -> Vec<String> {
    let mut words: Vec<_> = ["serve", "--shards", "1", "--admin", "off"]
        .map(str::to_owned)
        .into();
    words.extend(["--cores".to_owned(), place.core.to_string()]);
    words.extend(["--listen".to_owned(), format!("mqtt://127.0.0.1:{}", place.mqtt)]);
    words.extend([
        "--listen".to_owned(),
        format!("emqtcp://127.0.0.1:{}", place.private),
    ]);
    for setting in ["limits.queue_messages=1000000", "limits.queue_bytes=512MB"] {
        words.extend(["--set".to_owned(), setting.to_owned()]);
    }
    words
}

fn mosquitto(port: u16) -> String {
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_queued_bytes 0\n\
         max_inflight_messages 100\nset_tcp_nodelay true\nlog_type none\n"
    )
}

/// Its queue of a client is bounded by a number; this is far above any window here.
fn nanomq(port: u16) -> String {
    format!(
        "mqtt {{\n  max_packet_size = 260MB\n  max_mqueue_len = 65535\n}}\n\
         listeners.tcp {{\n  bind = \"127.0.0.1:{port}\"\n}}\n\
         log {{\n  to = [console]\n  level = fatal\n}}\n"
    )
}

/// One thread for the one CPU. It sets no delay by itself in the versions that have no setting for it.
fn flashmq(port: u16) -> String {
    format!(
        "listen {{\n  protocol mqtt\n  port {port}\n  inet_protocol ip4\n  inet4_bind_address 127.0.0.1\n}}\n\
         allow_anonymous true\nthread_count 1\nlog_level error\nmax_qos_msg_pending_per_client 65535\n\
         max_qos_bytes_pending_per_client 268435456\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, Program) {
        let Spec { name, program, .. } = Spec::parse(text).unwrap();
        (name, program)
    }

    #[test]
    fn every_form_of_a_broker_is_read() {
        let address = "127.0.0.1:1883".parse().unwrap();
        let running = |pid| Program::Running { address, pid };
        for (text, name, program) in [
            ("mosquitto", "mosquitto", Program::Mosquitto),
            ("rumqttd=a/b", "rumqttd", Program::OfPort("a/b".into())),
            ("relay=r", "relay", Program::Relay("r".into())),
            ("emqx=127.0.0.1:1883", "emqx", running(None)),
            ("emqx=127.0.0.1:1883,pid=7", "emqx", running(Some(7))),
            (
                "own=cmd:x -p {port}",
                "own",
                Program::Shell("x -p {port}".to_owned()),
            ),
        ] {
            assert_eq!(parsed(text), (name.to_owned(), program), "{text}");
        }
        let (name, program) = parsed("ringwire=other/ringwire --set shard.spin=10us");
        let path = PathBuf::from("other/ringwire");
        let arguments = ["--set", "shard.spin=10us"].map(str::to_owned).into();
        assert_eq!(
            (name.as_str(), program),
            ("ringwire", Program::Ringwire { path, arguments })
        );
        let (_, own) = parsed("ringwire --set shard.spin=10us");
        assert!(
            matches!(own, Program::Ringwire { path, arguments } if path.is_absolute() && arguments.len() == 2)
        );
    }

    #[test]
    fn what_is_no_broker_is_refused_with_the_text() {
        for text in [
            "mosquito",
            "rumqttd",
            "x=",
            "x=cmd:run",
            "x=127.0.0.1:1,pid=z",
            "=127.0.0.1:1",
            "",
        ] {
            let error = Spec::parse(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--broker {text}: ")), "{error}");
        }
    }

    #[test]
    fn the_second_of_a_name_has_a_number() {
        let texts = ["ringwire", "ringwire=other", "ringwire --shards 2"].map(str::to_owned);
        let names: Vec<_> = Spec::parse_all(&texts)
            .unwrap()
            .into_iter()
            .map(|spec| spec.name)
            .collect();
        assert_eq!(names, ["ringwire", "ringwire-2", "ringwire-3"]);
    }

    #[test]
    fn a_program_that_is_not_there_is_said_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place {
            mqtt: 1,
            private: 2,
            folder: folder.path(),
            core: 0,
        };
        let error = Spec::parse("relay=/nowhere/relay")
            .unwrap()
            .command(&place)
            .unwrap_err();
        assert!(matches!(error, BenchError::Missing { .. }), "{error}");
        let words = Spec::parse("own=cmd:x {port} {dir}")
            .unwrap()
            .command(&place)
            .unwrap()
            .unwrap();
        assert_eq!(words[2], format!("exec x 1 {}", folder.path().display()));
    }
}
