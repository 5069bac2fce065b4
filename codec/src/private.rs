//! EMQ's private TCP protocol, version 1: frames to and from bytes.
//!
//! Three-byte header on data, one-byte pings. The behaviour (topics, sessions, keepalive) is `core/`'s; this file knows
//! the wire only. Decoding borrows; encoding appends to the caller's buffer.

#[cfg(test)]
mod tests;

const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const DATATRANS: u8 = 3;
const PING: u8 = 4;
const PONG: u8 = 5;
const DISCONNECT: u8 = 6;

/// Type byte and length field.
pub(crate) const HEADER_BYTES: usize = 3;

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

/// What the upper half of a header byte names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FrameType {
    Connect,
    ConnAck,
    DataTrans,
    Ping,
    Pong,
    Disconnect,
}

impl FrameType {
    /// The type of the frame that starts with `header`, known before the rest has arrived; `None` when it is reserved.
    pub const fn of(header: u8) -> Option<Self> {
        match header >> 4 {
            CONNECT => Some(Self::Connect),
            CONNACK => Some(Self::ConnAck),
            DATATRANS => Some(Self::DataTrans),
            PING => Some(Self::Ping),
            PONG => Some(Self::Pong),
            DISCONNECT => Some(Self::Disconnect),
            _ => None,
        }
    }
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
    let Some(&header) = input.first() else {
        return Ok(Decoded::Incomplete { needed: None });
    };
    let low = header & 0x0f;
    match header >> 4 {
        CONNECT => with_payload(input, payload_bytes_max, |payload| {
            let connect = match low {
                0 | 1 => Some(decode_connect(payload)?),
                2.. => None,
            };
            Ok(Frame::Connect {
                version: low,
                connect,
            })
        }),
        CONNACK => {
            let code = ConnAckCode::from_number(low).ok_or(FrameError::UnknownConnAckCode(low))?;
            with_payload(input, payload_bytes_max, |message| {
                Ok(Frame::ConnAck { code, message })
            })
        }
        DATATRANS => with_payload(input, payload_bytes_max, |payload| {
            Ok(Frame::DataTrans { flags: low, payload })
        }),
        PING => Ok(Decoded::Frame(Frame::Ping { flags: low }, 1)),
        PONG => Ok(Decoded::Frame(Frame::Pong, 1)),
        DISCONNECT => Ok(Decoded::Frame(Frame::Disconnect { flags: low }, 1)),
        reserved => Err(FrameError::ReservedType(reserved)),
    }
}

/// Waits for the whole payload, then hands it to `build`.
fn with_payload<'a>(
    input: &'a [u8],
    payload_bytes_max: usize,
    build: impl FnOnce(&'a [u8]) -> Result<Frame<'a>, FrameError>,
) -> Result<Decoded<'a>, FrameError> {
    let Some(&[_, high, low]) = input.first_chunk::<HEADER_BYTES>() else {
        return Ok(Decoded::Incomplete { needed: None });
    };
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > payload_bytes_max {
        return Err(FrameError::PayloadTooLarge {
            size,
            limit: payload_bytes_max,
        });
    }
    let whole = HEADER_BYTES + size;
    match input.get(HEADER_BYTES..whole) {
        Some(payload) => Ok(Decoded::Frame(build(payload)?, whole)),
        None => Ok(Decoded::Incomplete { needed: Some(whole) }),
    }
}

fn decode_connect(payload: &[u8]) -> Result<Connect<'_>, FrameError> {
    let (&keepalive, _) = payload
        .split_first()
        .ok_or(FrameError::ConnectLayout { offset: 0 })?;
    let mut at = 1;
    let client_id = decode_part(payload, &mut at)?;
    let username = if at < payload.len() {
        Some(decode_part(payload, &mut at)?)
    } else {
        None
    };
    let password = if at < payload.len() {
        Some(decode_part(payload, &mut at)?)
    } else {
        None
    };
    if at < payload.len() {
        return Err(FrameError::ConnectLayout { offset: at });
    }
    Ok(Connect {
        keepalive,
        client_id,
        username,
        password,
    })
}

/// One length-prefixed part at `at`, which moves behind it.
fn decode_part<'a>(payload: &'a [u8], at: &mut usize) -> Result<&'a [u8], FrameError> {
    let rest = &payload[*at..];
    let disagree = FrameError::ConnectLayout { offset: *at };
    let (&prefix, rest) = rest.split_first_chunk::<2>().ok_or(disagree)?;
    let part = rest
        .get(..usize::from(u16::from_be_bytes(prefix)))
        .ok_or(disagree)?;
    *at += prefix.len() + part.len();
    Ok(part)
}

impl Frame<'_> {
    /// Appends the frame to `out`. False, and nothing is written, when the wire cannot say it: a payload over 65,535
    /// bytes (the length never wraps), a nibble over 15, a CONNECT of a known layout without its parts, or a password
    /// without a username.
    pub fn encode(&self, out: &mut Vec<u8>) -> bool {
        match *self {
            Self::Connect {
                version,
                connect: Some(connect),
            } => connect.encode(version, out),
            Self::Connect {
                version,
                connect: None,
            } => version > 1 && encode_header(CONNECT, version, 0, out),
            Self::ConnAck { code, message } => encode_payload(CONNACK, code as u8, message, out),
            Self::DataTrans { flags, payload } => encode_payload(DATATRANS, flags, payload, out),
            Self::Ping { flags } => encode_byte(PING, flags, out),
            Self::Pong => encode_byte(PONG, 0, out),
            Self::Disconnect { flags } => encode_byte(DISCONNECT, flags, out),
        }
    }
}

impl Connect<'_> {
    fn encode(&self, version: u8, out: &mut Vec<u8>) -> bool {
        if self.username.is_none() && self.password.is_some() {
            return false;
        }
        let parts = [Some(self.client_id), self.username, self.password];
        let size = 1 + parts.iter().flatten().map(|part| 2 + part.len()).sum::<usize>();
        if !encode_header(CONNECT, version, size, out) {
            return false;
        }
        out.push(self.keepalive);
        for part in parts.into_iter().flatten() {
            // No part is longer than the frame, whose size was just checked.
            out.extend_from_slice(&(part.len() as u16).to_be_bytes());
            out.extend_from_slice(part);
        }
        true
    }
}

impl ConnAckCode {
    /// The code for its number, `None` when version 1 does not name it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Accepted),
            1 => Some(Self::AuthenticationFailed),
            2 => Some(Self::VersionNotSupported),
            3.. => None,
        }
    }
}

/// Appends only the header of a DATATRANS whose payload of `size` bytes follows by other means. False, and nothing is
/// written, when `size` is over 65,535.
pub fn encode_data_header(size: usize, out: &mut Vec<u8>) -> bool {
    encode_header(DATATRANS, 0, size, out)
}

fn encode_payload(kind: u8, low: u8, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let written = encode_header(kind, low, payload.len(), out);
    if written {
        out.extend_from_slice(payload);
    }
    written
}

fn encode_header(kind: u8, low: u8, size: usize, out: &mut Vec<u8>) -> bool {
    let Ok(size) = u16::try_from(size) else {
        return false;
    };
    let written = encode_byte(kind, low, out);
    if written {
        out.extend_from_slice(&size.to_be_bytes());
    }
    written
}

fn encode_byte(kind: u8, low: u8, out: &mut Vec<u8>) -> bool {
    let fits = low <= 0x0f;
    if fits {
        out.push(kind << 4 | low);
    }
    fits
}
