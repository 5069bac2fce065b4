//! The real binary as a child process, for the tests that need a whole broker: end to end, interop, README.
//!
//! Every listener gets port 0 and the addresses come from the `ready` line, so any number of tests run side by side.
//! The child is killed by its own handle when the test ends; what it printed is shown when the test fails, and a panic
//! in it fails a test that would have passed.

pub mod http;
pub mod pasted;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything that must happen may take. Long, because the machine may be doing other work.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running broker.
pub struct Broker {
    child: Child,
    ready: String,
    log: Arc<Mutex<String>>,
}

impl Broker {
    /// Starts with one MQTT and one private TCP listener, the admin endpoint, and so many shards.
    pub fn start(shards: usize) -> Self {
        Self::start_with(shards, &[])
    }

    /// As `start`, with more arguments.
    pub fn start_with(shards: usize, more: &[&str]) -> Self {
        let listeners = [
            "--listen",
            "mqtt://127.0.0.1:0",
            "--listen",
            "emqtcp://127.0.0.1:0",
        ];
        Self::serve(shards, &[&listeners, more].concat())
    }

    /// With the listeners that `arguments` name, and the admin endpoint.
    pub fn serve(shards: usize, arguments: &[&str]) -> Self {
        let mut command = command();
        command.args(["--admin", "127.0.0.1:0", "--shards", &shards.to_string()]);
        command.args(arguments);
        let mut child = command.spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let stdout = follow(child.stdout.take().expect("piped"), "stdout", &log);
        follow(child.stderr.take().expect("piped"), "stderr", &log);
        let mut broker = Self {
            child,
            ready: String::new(),
            log,
        };
        broker.ready = broker.wait_until_ready(&stdout);
        broker
    }

    fn wait_until_ready(&mut self, stdout: &Receiver<String>) -> String {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = stdout.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.starts_with("ready ") {
                return line;
            }
        }
        panic!("the broker was not ready:\n{}", self.log());
    }

    /// The `ready` line.
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// Where MQTT is spoken.
    pub fn mqtt(&self) -> SocketAddr {
        self.bound("=mqtt://")
    }

    /// Where the private TCP protocol is spoken.
    pub fn private(&self) -> SocketAddr {
        self.bound("=emqtcp://")
    }

    /// Where a listener of type `adapter` is.
    pub fn adapter(&self) -> SocketAddr {
        self.bound("=adapter://")
    }

    /// Where the admin endpoint answers.
    pub fn admin(&self) -> SocketAddr {
        self.bound("admin=http://")
    }

    fn bound(&self, mark: &str) -> SocketAddr {
        let word = self.ready.split_whitespace().find(|word| word.contains(mark));
        let address = word
            .and_then(|word| word.split("://").nth(1))
            .and_then(|text| text.parse().ok());
        address.unwrap_or_else(|| panic!("no {mark} in: {}", self.ready))
    }

    /// What it printed so far, both streams.
    pub fn log(&self) -> String {
        self.log.lock().expect("no poison").clone()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        // SAFETY: a plain system call on a child that was not waited for, so the pid is still its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0, "the child is alive");
    }

    /// True until it ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child).unwrap_or_else(|| panic!("the broker did not end:\n{}", self.log()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- the broker printed ----\n{}---- end ----", self.log());
        } else {
            assert!(
                !self.log().contains("panicked at"),
                "the broker panicked:\n{}",
                self.log()
            );
        }
    }
}

/// What a broker that could not start left behind.
pub struct Refusal {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// The lines on standard error.
    pub stderr: String,
    /// The lines on standard output.
    pub stdout: String,
}

/// What a process may not have.
#[derive(Clone, Copy)]
pub enum Restriction {
    /// None.
    Free,
    /// `RLIMIT_...`, soft and hard.
    Limit(u32, u64),
    /// `io_uring_setup` ends with this error, as under a container's seccomp profile or on an old kernel.
    NoIoUring(i32),
}

impl Restriction {
    /// Puts it on the calling process. Only system calls, because it runs between fork and exec.
    fn apply(self) -> std::io::Result<()> {
        let done = match self {
            Self::Free => 0,
            Self::Limit(resource, value) => {
                let limit = libc::rlimit {
                    rlim_cur: value,
                    rlim_max: value,
                };
                // SAFETY: `limit` is a valid structure for the length of the call.
                unsafe { libc::setrlimit(resource, &limit) }
            }
            Self::NoIoUring(error) => forbid_io_uring(error),
        };
        if done == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    }
}

/// A seccomp filter of four instructions.
fn forbid_io_uring(error: i32) -> i32 {
    let call = u32::try_from(libc::SYS_io_uring_setup).unwrap_or(u32::MAX);
    let row = |code: u32, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf,
        k,
    };
    let mut filter = [
        row(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        row(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call),
        row(
            libc::BPF_RET | libc::BPF_K,
            0,
            libc::SECCOMP_RET_ERRNO | error.unsigned_abs(),
        ),
        row(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: `program` points to four instructions that live until the call returns.
    unsafe {
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return -1;
        }
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
    }
}

impl Refusal {
    /// Runs the binary under a restriction until it ends by itself.
    pub fn of(arguments: &[&str], restriction: Restriction) -> Self {
        let mut command = command();
        command.args(arguments);
        // SAFETY: `apply` makes system calls only: nothing is allocated or locked between fork and exec.
        unsafe { command.pre_exec(move || restriction.apply()) };
        let mut child = command.spawn().expect("the binary starts");
        let status = wait(&mut child);
        let _ = child.kill();
        let output = child.wait_with_output().expect("output");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stderr, stdout) = (text(&output.stderr), text(&output.stdout));
        let status = status.unwrap_or_else(|| panic!("still running with {arguments:?}:\n{stderr}{stdout}"));
        Self {
            code: status.code(),
            stderr,
            stdout,
        }
    }
}

/// The binary, with nothing of the caller's environment that could change it.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringwire"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGWIRE_") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Waits for a child's end for as long as `PATIENCE`.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().expect("a child") {
            Some(status) => return Some(status),
            None if Instant::now() > deadline => return None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Copies a stream into the log, line by line, so that the child never waits for a full pipe.
fn follow(
    stream: impl Read + Send + 'static,
    name: &'static str,
    log: &Arc<Mutex<String>>,
) -> Receiver<String> {
    let (sender, receiver) = channel();
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            log.lock()
                .expect("no poison")
                .push_str(&format!("{name}: {line}\n"));
            let _ = sender.send(line);
        }
    });
    receiver
}
