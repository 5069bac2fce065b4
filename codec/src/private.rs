//! EMQ's private TCP protocol, version 1: frames to and from bytes.
//!
//! Three-byte header on data, one-byte pings. The behaviour (topics, sessions, keepalive) is `core/`'s; this file knows
//! the wire only. Decoding borrows; encoding appends to the caller's buffer.

/// The largest payload of a frame in bytes: its length field is 16 bits wide.
pub const PAYLOAD_BYTES_MAX: usize = 65_535;

/// A frame, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Device to server. The low nibble is the protocol version as sent, not checked here.
    Connect {
        /// The version nibble: 1, or 0 from old devices.
        version: u8,
        /// The parts, or `None` when `version` is neither 0 nor 1: then the layout is unknown.
        connect: Option<Connect<'a>>,
    },
    /// Server to device.
    ConnAck {
        /// What the server decided.
        code: ConnAckCode,
        /// Text for a person.
        message: &'a [u8],
    },
    /// Both ways.
    DataTrans {
        /// The low nibble as sent: QoS in bits 3..2, rest reserved; 0 in version 1.
        flags: u8,
        /// The application's own bytes.
        payload: &'a [u8],
    },
    /// Device to server.
    Ping {
        /// The low nibble as sent, 0 from correct devices.
        flags: u8,
    },
    /// Server to device.
    Pong,
    /// Device to server.
    Disconnect {
        /// The low nibble as sent, 0 from correct devices.
        flags: u8,
    },
}

/// The payload of a CONNECT frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Seconds; 0 turns it off.
    pub keepalive: u8,
    /// As sent: neither checked for UTF-8 nor for forbidden characters (the server answers those with a text).
    pub client_id: &'a [u8],
    /// As sent.
    pub username: Option<&'a [u8]>,
    /// As sent; only after a username.
    pub password: Option<&'a [u8]>,
}

/// The low nibble of CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnAckCode {
    /// 0x20.
    Accepted = 0,
    /// 0x21.
    AuthenticationFailed = 1,
    /// 0x22.
    VersionNotSupported = 2,
}

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole frame, and how many bytes of the input it took.
    Frame(Frame<'a>, usize),
    /// Not yet a whole frame; `needed` is its whole size when the length field is complete.
    Incomplete {
        /// Total size in bytes, header included.
        needed: Option<usize>,
    },
}

/// Why bytes are not a frame. Each closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Type 0 or 7 to 15: its length is unknown, so it cannot be skipped.
    #[error("reserved frame type {0}: its length is unknown")]
    ReservedType(u8),
    /// CONNACK with a code that version 1 does not name.
    #[error("CONNACK code {0} is not one of version 1")]
    UnknownConnAckCode(u8),
    /// The parts of a CONNECT do not fill the frame exactly.
    #[error("the parts of a CONNECT do not fill its frame exactly (offset {offset})")]
    ConnectLayout {
        /// Byte offset in the payload at which the parts and the frame disagree.
        offset: usize,
    },
    /// The payload is larger than the listener takes.
    #[error("payload of {size} bytes is larger than the limit of {limit}")]
    PayloadTooLarge {
        /// Payload bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// Decodes one frame from the front of `input`. `payload_bytes_max` is checked as soon as the length field is known.
pub fn decode(input: &[u8], payload_bytes_max: usize) -> Result<Decoded<'_>, FrameError> {
    let _ = (input, payload_bytes_max);
    todo!()
}

impl Frame<'_> {
    /// Appends the frame to `out`. False, and nothing is written, when a payload is over 65,535 bytes: the length never
    /// wraps.
    pub fn encode(&self, out: &mut Vec<u8>) -> bool {
        let _ = out;
        todo!()
    }
}
