//! A console device as a child process: lines in are messages up, lines out say what happened.
//!
//! The C and Rust ones are built here, once a run of the tests. A device that prints nothing for as long as the tests'
//! patience fails the test with what it did print.

use crate::broker::pasted::has;
use crate::broker::{Broker, PATIENCE};
use crate::root;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Whose console it is.
#[derive(Clone, Copy, Debug)]
pub enum Maker {
    C,
    Rust,
    Python,
}

impl Maker {
    /// False, loudly, when what it needs is not installed.
    pub fn is_here(self) -> bool {
        match self {
            Self::C => has(&["cc", "make"]),
            Self::Rust => true,
            Self::Python => has(&["python3"]),
        }
    }

    /// The command that is a device of `address`.
    fn command(self, address: SocketAddr, id: &str) -> Command {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = match self {
            Self::C => Command::new(c_console()),
            Self::Rust => Command::new(rust_console()),
            Self::Python => Command::new("python3"),
        };
        match self {
            Self::C => command.args([host.as_str(), &port, id]),
            Self::Rust => command.args([&address.to_string(), id]),
            Self::Python => command
                .arg(root().join("devices/python/ringwire_device.py"))
                .args(["--host", &host, "--port", &port, "--id", id]),
        };
        command
    }
}

/// Where the C client is built: not in the tree, which `cargo test` leaves as it was.
pub fn c_build() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("devices-c")
}

/// Runs `make` for the C client.
pub fn make(targets: &[&str]) -> String {
    let mut command = Command::new("make");
    command.arg("-C").arg(root().join("devices/c"));
    command
        .arg(format!("BUILD={}", c_build().display()))
        .args(targets);
    let output = command.output().expect("make runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "make {targets:?}\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

fn c_console() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        make(&["all"]);
        c_build().join("example")
    })
}

fn rust_console() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let target = temporary.parent().expect("the target folder");
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "build",
            "-q",
            "--locked",
            "-p",
            "ringwire-device",
            "--example",
            "console",
        ]);
        command.arg("--target-dir").arg(target).current_dir(root());
        let status = command.status().expect("cargo runs");
        assert!(status.success(), "the Rust console is built");
        target.join("debug/examples/console")
    })
}

/// A running console device.
pub struct Console {
    child: Child,
    lines: UnboundedReceiver<String>,
    printed: Vec<String>,
}

impl Console {
    /// A device of a broker with short waits, which was accepted.
    pub async fn online(maker: Maker, broker: &Broker, id: &str, more: &[&str]) -> Self {
        let mut console = Self::start(maker, broker.private(), id, more);
        assert_eq!(console.line().await, "online Connect Successfully");
        console
    }

    /// Starts; waits between attempts are 0.1 to 0.4 s unless `more` says otherwise.
    pub fn start(maker: Maker, address: SocketAddr, id: &str, more: &[&str]) -> Self {
        let mut command = maker.command(address, id);
        command
            .args(["--backoff-min", "100", "--backoff-max", "400"])
            .args(more);
        if matches!(maker, Maker::Python) {
            command.arg("console");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the console starts");
        let (sender, lines) = unbounded_channel();
        let mut printed = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || {
            let mut line = Vec::new();
            while printed.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line);
                let _ = sender.send(text.trim_end_matches('\n').to_owned());
                line.clear();
            }
        });
        Self {
            child,
            lines,
            printed: Vec::new(),
        }
    }

    /// The next line that it prints.
    pub async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let line = line.unwrap_or_else(|_| panic!("waited in vain; printed so far: {:?}", self.printed));
        let line = line.unwrap_or_else(|| panic!("it ended; printed so far: {:?}", self.printed));
        self.printed.push(line.chars().take(100).collect());
        line
    }

    /// The next line that begins so; other lines before it are let go.
    pub async fn line_with(&mut self, front: &str) -> String {
        loop {
            let line = self.line().await;
            if line.starts_with(front) {
                return line;
            }
        }
    }

    /// The next message, which must be what it prints next.
    pub async fn down(&mut self) -> String {
        let line = self.line().await;
        let payload = line.strip_prefix("down ");
        payload
            .unwrap_or_else(|| panic!("not a message: {line}"))
            .to_owned()
    }

    /// Everything that was printed and not taken yet.
    pub fn left(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.lines.try_recv().ok()).collect()
    }

    /// Publishes a line.
    pub fn up(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("piped");
        input.write_all(line.as_bytes()).expect("it reads");
        input.write_all(b"\n").expect("it reads");
        input.flush().expect("it reads");
    }

    /// STOP or CONT.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("a shell").success(), "{kill}");
    }

    /// Ends its input, and waits for its end.
    pub async fn finish(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        while self.lines.recv().await.is_some() {}
        self.child.wait().expect("a child")
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
