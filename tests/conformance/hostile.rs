//! What a broker must refuse: bytes, and the answer that the standard wants for them. The driver of `v5_malformed.rs`,
//! `v5_malformed_properties.rs`, `v5_violations.rs` and `v3_malformed.rs`.
//!
//! The cases of a group run against one broker, many at a time, each on a connection of its own. What a case sends goes
//! out in one piece, so that no reset of the socket swallows the answer. After a group the bystanders are asked whether
//! they noticed anything.

use crate::broker::PATIENCE;
use crate::bystanders::Bystanders;
use crate::notation::{bytes, show};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Connections at a time.
const AT_A_TIME: usize = 64;

/// What comes back before the socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A CONNACK of 5.0 with this reason code, and no more.
    ConnAck(u8),
    /// A CONNACK of 3.x with this return code, and no more.
    Return(u8),
    /// A CONNACK with success, then a DISCONNECT with this reason code.
    Disconnect(u8),
    /// A CONNACK with success, and no more.
    Close,
    /// Not a byte.
    Silence,
}

/// One case.
#[derive(Clone, Debug)]
pub struct Hostile {
    name: String,
    sent: Vec<u8>,
    answer: Answer,
}

impl Hostile {
    /// The first bytes of a connection.
    pub fn first(name: impl Into<String>, text: &str, answer: Answer) -> Self {
        Self {
            name: name.into(),
            sent: bytes(text),
            answer,
        }
    }

    /// After a greeting of 5.0: DISCONNECT with this code.
    pub fn v5(name: impl Into<String>, text: &str, code: u8) -> Self {
        Self::first(name, &format!("{GREETING_5} {text}"), Answer::Disconnect(code))
    }

    /// Runs this one alone.
    #[track_caller]
    pub fn on(&self, address: SocketAddr) {
        let result = finish(self, begin(address, self), Instant::now() + PATIENCE);
        assert!(result.is_ok(), "{}: {result:?}", self.name);
    }

    /// After a greeting of 3.1.1: the end.
    pub fn v311(name: impl Into<String>, text: &str) -> Self {
        Self::first(name, &format!("{GREETING_311} {text}"), Answer::Close)
    }
}

/// CONNECT of 5.0; the client id is assigned.
pub const GREETING_5: &str = "10 <'MQTT' 05 02 0000 <> ''>";
/// CONNECT of 3.1.1; the client id is assigned.
pub const GREETING_311: &str = "10 <'MQTT' 04 02 0000 ''>";

/// Overlong forms, surrogates, a number above U+10FFFF, a lone continuation, a character cut short, U+0000.
pub const NO_TEXT: [&str; 9] = [
    "(C0AF)",
    "(61 E08080)",
    "(EDA080)",
    "(EDBFBF 62)",
    "(F4908080)",
    "(80)",
    "(61 E282)",
    "(FF)",
    "(61 00 62)",
];

/// Bytes in the notation.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Runs a group of cases and then asks the bystanders.
pub fn refused(bystanders: &mut Bystanders, cases: &[Hostile]) {
    let mut wrong = Vec::new();
    for some in cases.chunks(AT_A_TIME) {
        let until = Instant::now() + PATIENCE / 2;
        let sockets: Vec<_> = some
            .iter()
            .map(|case| begin(bystanders.address(), case))
            .collect();
        for (case, socket) in some.iter().zip(sockets) {
            if let Err(what) = finish(case, socket, until) {
                wrong.push(format!("{}: {what}\n    sent {}", case.name, show(&case.sent)));
            }
        }
    }
    let counts = (wrong.len(), cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        counts.0,
        counts.1,
        wrong.join("\n")
    );
    bystanders.go_on();
}

fn begin(address: SocketAddr, case: &Hostile) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the broker accepts");
    socket.write_all(&case.sent).expect("the bytes are taken");
    socket
}

fn finish(case: &Hostile, mut socket: TcpStream, until: Instant) -> Result<(), String> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = left.max(Duration::from_millis(10));
    socket.set_read_timeout(Some(timeout)).expect("a timeout");
    let mut got = Vec::new();
    if let Err(error) = socket.read_to_end(&mut got) {
        return Err(format!(
            "expected {:?}, got {error} after {}",
            case.answer,
            show(&got)
        ));
    }
    if answer(&got) == Some(case.answer) {
        Ok(())
    } else {
        Err(format!("expected {:02X?}, got {}", case.answer, show(&got)))
    }
}

/// What the bytes of a connection say; `None` when they say anything else than one of the answers.
fn answer(bytes: &[u8]) -> Option<Answer> {
    let Some((connack, rest)) = split(bytes) else {
        return bytes.is_empty().then_some(Answer::Silence);
    };
    match (connack, rest) {
        ([0x20, 2, 0, code @ 1..=5], []) => Some(Answer::Return(*code)),
        ([0x20, 3..=0x7F, 0, code @ 0x80..=0xFF, ..], []) => Some(Answer::ConnAck(*code)),
        ([0x20, _, 0, 0, ..], []) => Some(Answer::Close),
        ([0x20, _, 0, 0, ..], rest) => match split(rest)? {
            ([0xE0, _, code @ 0x80..=0xFF, ..], []) => Some(Answer::Disconnect(*code)),
            _ => None,
        },
        _ => None,
    }
}

/// The first packet, which is a short one, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(*bytes.get(1)?);
    (length < 0x80 && bytes.len() >= 2 + length).then(|| bytes.split_at(2 + length))
}
