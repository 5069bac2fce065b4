//! One end of a device's connection: bytes out, bytes in, and what the broker's log and metrics say of it.
//!
//! Nothing is interpreted. In the notation a frame with a payload is its header byte and the payload behind a length of
//! two bytes: `30 'abcd'` or `11 (3C 'abcd')`. What must come has a long deadline; that nothing comes is shown by what
//! comes instead.

use crate::broker::{PATIENCE, http};
use crate::client::{connected, ended, send_all};
use crate::notation::{bytes, show};
use crate::server::Server;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// The CONNACK that lets a device in.
pub const ACCEPTED: &str = "20 'Connect Successfully'";
/// The CONNACK of wrong credentials.
pub const FAILED: &str = "21 'Authentication Failure'";

/// A socket of a device.
pub struct Device {
    stream: TcpStream,
}

/// A CONNECT frame without keepalive and credentials.
pub fn connect(id: &str) -> String {
    format!("11 (00 '{id}')")
}

impl Device {
    /// Connects and says nothing.
    pub fn open(server: &Server) -> Self {
        Self::open_at(server.broker().private())
    }

    /// As `open`, elsewhere.
    pub fn open_at(address: SocketAddr) -> Self {
        Self {
            stream: connected(address),
        }
    }

    /// An accepted device.
    #[track_caller]
    pub fn connect(server: &Server, id: &str) -> Self {
        Self::connect_at(server.broker().private(), id)
    }

    /// As `connect`, elsewhere.
    #[track_caller]
    pub fn connect_at(address: SocketAddr, id: &str) -> Self {
        let mut device = Self::open_at(address);
        device.exchange(&connect(id), ACCEPTED);
        device
    }

    /// Opens a connection and sends this, which is mostly a CONNECT.
    pub fn send_first(server: &Server, text: &str) -> Self {
        let mut device = Self::open(server);
        device.send(text);
        device
    }

    /// Sends what the notation says. A server that closed meanwhile is no mistake of the sender.
    pub fn send(&mut self, text: &str) {
        self.send_bytes(&bytes(text));
    }

    /// Sends bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        send_all(&mut self.stream, bytes);
    }

    /// The next bytes are exactly these.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        self.expect_bytes(&bytes(text));
    }

    /// As `expect`.
    #[track_caller]
    pub fn expect_bytes(&mut self, wanted: &[u8]) {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut got = vec![0; wanted.len()];
        let mut filled = 0;
        while filled < got.len() && wanted.starts_with(&got[..filled]) {
            match self.stream.read(&mut got[filled..]) {
                Ok(0) => break,
                Ok(size) => filled += size,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if ended(error.kind()) => break,
                Err(error) => panic!("{error}, waiting for {}", brief(wanted)),
            }
        }
        let got = &got[..filled];
        assert!(
            got == wanted,
            "expected {}\n     got {}",
            brief(wanted),
            brief(got)
        );
    }

    /// Sends, and the answer is exactly this.
    #[track_caller]
    pub fn exchange(&mut self, question: &str, answer: &str) {
        self.send(question);
        self.expect(answer);
    }

    /// The server answers a PING, and has sent nothing before that.
    #[track_caller]
    pub fn expect_alive(&mut self) {
        self.exchange("40", "50");
    }

    /// Exactly these bytes, then the end of the connection. `""`: only the end.
    #[track_caller]
    pub fn expect_end(&mut self, text: &str) {
        let (wanted, got) = (bytes(text), self.rest());
        assert!(
            got == wanted,
            "expected {} and the end\n     got {} and the end",
            brief(&wanted),
            brief(&got)
        );
    }

    /// Waits for so long: whether bytes or the end of the connection came, which stay unread.
    pub fn hears_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let left = left.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("a socket");
            match self.stream.peek(&mut [0]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return false;
                }
                Ok(_) | Err(_) => return true,
            }
        }
    }

    /// Everything up to the end of the connection; a reset is an end.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut got = Vec::new();
        match self.stream.read_to_end(&mut got) {
            Ok(_) => {}
            Err(error) if ended(error.kind()) => {}
            Err(error) => panic!("{error}, waiting for the end after {}", brief(&got)),
        }
        got
    }

    /// The next bytes of the connection, so many.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut got = vec![0; count];
        if let Err(error) = self.stream.read_exact(&mut got) {
            panic!("{error}, waiting for {count} bytes");
        }
        got
    }

    /// The next bytes, so many, or fewer if the connection ends before.
    #[track_caller]
    pub fn rest_or(&mut self, count: usize) -> Vec<u8> {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let mut got = Vec::new();
        let read = std::io::Read::by_ref(&mut self.stream)
            .take(count as u64)
            .read_to_end(&mut got);
        match read {
            Ok(_) => {}
            Err(error) if ended(error.kind()) => {}
            Err(error) => panic!("{error}, waiting for {count} bytes or the end"),
        }
        got
    }

    /// The payload of the next frame, which is a DATATRANS.
    #[track_caller]
    pub fn data(&mut self) -> Vec<u8> {
        let head = self.take(3);
        assert_eq!(head[0], 0x30, "DATATRANS: {}", show(&head));
        self.take(usize::from(u16::from_be_bytes([head[1], head[2]])))
    }

    /// Writes until nothing was taken for `quiet`, or all is written; how many bytes went.
    pub fn send_until_stuck(&mut self, bytes: &[u8], quiet: Duration) -> usize {
        let (mut sent, mut until) = (0, Instant::now() + quiet);
        while sent < bytes.len() {
            // Counted from what was taken last: a machine that stands still now and then interrupts each write before its time.
            let left = until.saturating_duration_since(Instant::now());
            let left = Some(left.max(Duration::from_millis(1)));
            self.stream.set_write_timeout(left).expect("a socket");
            match self.stream.write(&bytes[sent..]) {
                Ok(size) => (sent, until) = (sent + size, Instant::now() + quiet),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(error) => panic!("cannot send: {error}"),
            }
        }
        self.stream.set_write_timeout(None).expect("a socket");
        sent
    }

    /// This device's address, as the broker's log has it.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a socket")
    }

    /// The one line of the log that says how this connection ended; the reason is as expected.
    #[track_caller]
    pub fn expect_reason(&self, server: &Server, reason: &str) -> String {
        let mark = format!("peer={} ", self.address());
        let line = log_line(server, &[" closed ", &mark]);
        let expected = format!("reason=\"{reason}\"");
        assert!(line.contains(&expected), "{reason} expected: {line}");
        line
    }
}

/// The first line of the log with all these parts.
#[track_caller]
pub fn log_line(server: &Server, parts: &[&str]) -> String {
    let found = |log: &str| {
        let mut lines = log.lines();
        let line = lines.find(|line| parts.iter().all(|part| line.contains(part)));
        line.map(str::to_owned)
    };
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(line) = found(&server.broker().log()) {
            return line;
        }
        assert!(Instant::now() < until, "no line with {parts:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until a metric, summed over the shards, has this value. Who compares needs a broker of its own.
#[track_caller]
pub fn expect_metric(server: &Server, name: &str, labels: &[&str], value: f64) {
    let until = Instant::now() + PATIENCE;
    loop {
        let now = http::metric(server.broker().admin(), name, labels);
        if now == value {
            return;
        }
        assert!(
            Instant::now() < until,
            "{name} {labels:?} is {now} and not {value}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// What the admin endpoint says of a client; `Null` when it has none.
pub fn listed(server: &Server, id: &str) -> serde_json::Value {
    let answer = http::get(server.broker().admin(), &format!("/api/v5/clients/{id}"));
    if answer.status == 200 {
        answer.json()
    } else {
        serde_json::Value::Null
    }
}

/// Waits until a client is or is not connected.
#[track_caller]
pub fn expect_connected(server: &Server, id: &str, connected: bool) {
    let until = Instant::now() + PATIENCE;
    while (listed(server, id)["connected"] == true) != connected {
        assert!(Instant::now() < until, "{id}: connected is not {connected}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Large answers are shown in part.
fn brief(bytes: &[u8]) -> String {
    match bytes.get(..200) {
        Some(front) => format!("{} and {} bytes more", show(front), bytes.len() - 200),
        None => show(bytes),
    }
}
