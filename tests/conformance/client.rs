//! A connection on which bytes are sent and bytes are expected: nothing is interpreted but where a packet ends.
//!
//! What must come has a long deadline, because the machine may be doing other work. That nothing comes is shown by what
//! comes instead: a PINGRESP, a sentinel message, or the end of the connection; waiting is for what is due later.

use crate::broker::PATIENCE;
use crate::notation::{bytes, show};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One side of a network connection.
pub struct Client {
    stream: TcpStream,
    /// Received and not yet taken.
    pending: Vec<u8>,
}

impl Client {
    /// Connects and says nothing.
    pub fn open(to: SocketAddr) -> Self {
        Self {
            stream: connected(to),
            pending: Vec::new(),
        }
    }

    /// Sends bytes, in the notation of `notation.rs`. A server that has closed meanwhile is no mistake of the sender.
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
        let wanted = bytes(text);
        let (mut got, mut ended) = (Vec::new(), false);
        // Packet by packet, so that a failure shows whole packets, and no more than what is wrong.
        while got.len() < wanted.len() && wanted.starts_with(&got) && !ended {
            match self.next_packet(PATIENCE) {
                Some(packet) => got.extend(packet),
                None => ended = true,
            }
        }
        assert!(
            got == wanted,
            "expected {}\n     got {}{}",
            show(&wanted),
            show(&got),
            if ended { " and then the end" } else { "" }
        );
    }

    /// Sends, and the answer is exactly this.
    #[track_caller]
    pub fn exchange(&mut self, question: &str, answer: &str) {
        self.send(question);
        self.expect(answer);
    }

    /// SUBSCRIBE of 5.0 with packet identifier 1, granted as asked.
    #[track_caller]
    pub fn subscribe_v5(&mut self, filter: &str, options: u8) {
        let granted = options & 3;
        self.exchange(
            &format!("82 <0001 <> '{filter}' {options:02X}>"),
            &format!("90 <0001 <> {granted:02X}>"),
        );
    }

    /// SUBSCRIBE of 3.1.1 with packet identifier 1, granted as asked.
    #[track_caller]
    pub fn subscribe_v3(&mut self, filter: &str, qos: u8) {
        self.exchange(
            &format!("82 <0001 '{filter}' {qos:02X}>"),
            &format!("90 <0001 {qos:02X}>"),
        );
    }

    /// The next packet, whole.
    #[track_caller]
    pub fn packet(&mut self) -> Vec<u8> {
        let packet = self.next_packet(PATIENCE);
        packet.expect("a packet, and not the end of the connection")
    }

    /// The next packet, or `None` at the end of the connection.
    #[track_caller]
    pub fn packet_or_end(&mut self) -> Option<Vec<u8>> {
        self.next_packet(PATIENCE)
    }

    /// The next packet is a CONNACK with reason code 0, which is returned.
    #[track_caller]
    pub fn expect_accepted(&mut self) -> Vec<u8> {
        let packet = self.packet();
        let (_, body) = body(&packet);
        let accepted = packet[0] == 0x20 && packet[body] <= 1 && packet[body + 1] == 0;
        assert!(accepted, "not a CONNACK that accepts: {}", show(&packet));
        packet
    }

    /// The server answers a PINGREQ, and sent nothing before that.
    #[track_caller]
    pub fn expect_alive(&mut self) {
        self.exchange("C0 00", "D0 00");
    }

    /// Exactly these bytes, then the end of the connection. `""`: only the end.
    #[track_caller]
    pub fn expect_end(&mut self, text: &str) {
        let wanted = bytes(text);
        let mut got = Vec::new();
        while let Some(packet) = self.next_packet(PATIENCE) {
            got.extend(packet);
        }
        assert!(
            got == wanted,
            "expected {} and the end\n     got {} and the end",
            show(&wanted),
            show(&got)
        );
    }

    /// DISCONNECT with this reason code, in its shortest form or with a Reason String alone, then the end.
    #[track_caller]
    pub fn expect_disconnect(&mut self, reason: u8) {
        let packet = self.packet();
        let told = match packet.get(1..) {
            Some([1, code]) => Some(code),
            Some([_, code, rest @ ..]) if is_reason_string(rest) => Some(code),
            _ => None,
        };
        let is_told = packet[0] == 0xE0 && told == Some(&reason);
        assert!(is_told, "expected DISCONNECT {reason:02X}, got {}", show(&packet));
        self.expect_end("");
    }

    /// CONNACK of 5.0 with this reason code, no Session Present, and at most a Reason String; then the end.
    #[track_caller]
    pub fn expect_refused(&mut self, reason: u8) {
        let packet = self.packet();
        let told = match packet.get(2..) {
            Some([0, code, 0]) => Some(code),
            Some([0, code, rest @ ..]) if is_reason_string(rest) => Some(code),
            _ => None,
        };
        let is_told = packet[0] == 0x20 && told == Some(&reason);
        assert!(is_told, "expected CONNACK {reason:02X}, got {}", show(&packet));
        self.expect_end("");
    }

    /// Exactly these bytes, `due` after `since`, which is before what they follow: not before, and not much later. A
    /// machine may stand still for seconds, and that is not the broker's.
    #[track_caller]
    pub fn expect_at(&mut self, text: &str, since: Instant, due: Duration) {
        self.expect(text);
        let took = since.elapsed();
        // The broker's clock is in milliseconds, and may be a turn behind.
        let early = took + Duration::from_millis(20) < due;
        let late = took > due + Duration::from_secs(20);
        assert!(!early && !late, "after {took:?} and not {due:?}");
    }

    /// Nothing comes for so long. For what must not come at a time; where a sentinel can show it, use that.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) {
        let until = Instant::now() + time;
        assert!(self.pending.is_empty(), "there is {}", show(&self.pending));
        let came = self.receive(until);
        assert!(came.is_none(), "silence expected, got {}", show(&self.pending));
    }

    /// Closes without DISCONNECT, as when the network fails; returns when the server has noticed and closed its side.
    pub fn drop_connection(mut self) {
        let until = Instant::now() + PATIENCE;
        if self.stream.shutdown(Shutdown::Write).is_ok() {
            while self.receive(until) == Some(true) {}
        }
    }

    /// A packet, or `None` at the end of the connection; what is left of a packet then is returned as it is.
    #[track_caller]
    fn next_packet(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(size) = size(&self.pending).filter(|&size| size <= self.pending.len()) {
                return Some(self.pending.drain(..size).collect());
            }
            match self.receive(until) {
                Some(true) => {}
                Some(false) if self.pending.is_empty() => return None,
                Some(false) => return Some(std::mem::take(&mut self.pending)),
                None => panic!("nothing came for {patience:?} after {}", show(&self.pending)),
            }
        }
    }

    /// Some(true): bytes came; Some(false): the connection ended; None: neither.
    fn receive(&mut self, until: Instant) -> Option<bool> {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = left.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(timeout)).expect("a socket");
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Some(false),
            Ok(size) => {
                self.pending.extend_from_slice(&buffer[..size]);
                Some(true)
            }
            // A stopped machine that goes on interrupts a read with a timeout: nothing came, and nobody is late for it.
            Err(error) if error.kind() == ErrorKind::Interrupted => self.receive(until),
            Err(error) if ended(error.kind()) => Some(false),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("cannot receive: {error}"),
        }
    }
}

/// Properties that are a Reason String and nothing else, behind their length.
fn is_reason_string(properties: &[u8]) -> bool {
    match properties {
        [size, 0x1F, 0, text, rest @ ..] => {
            usize::from(*text) == rest.len() && usize::from(*size) == rest.len() + 3
        }
        _ => false,
    }
}

/// A socket that sends what it is given at once.
pub fn connected(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("the listener accepts");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Sends bytes. A server that has closed meanwhile is no mistake of the sender.
pub fn send_all(stream: &mut TcpStream, bytes: &[u8]) {
    match stream.write_all(bytes) {
        Ok(()) => {}
        Err(error) if ended(error.kind()) => {}
        Err(error) => panic!("cannot send: {error}"),
    }
}

/// The other end has closed, and not by the book.
pub fn ended(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

/// (bytes of the whole packet, offset of what follows the fixed header).
fn body(packet: &[u8]) -> (usize, usize) {
    let size = size(packet).expect("a whole packet");
    let length_bytes = packet[1..].iter().take_while(|&&byte| byte & 0x80 != 0).count() + 1;
    (size, 1 + length_bytes)
}

/// Bytes of the packet at the front, when its length is there.
fn size(front: &[u8]) -> Option<usize> {
    let mut remaining = 0;
    for (index, &byte) in front.iter().skip(1).take(4).enumerate() {
        remaining |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(1 + index + 1 + remaining);
        }
    }
    None
}
