//! EMQ's private TCP protocol, version 1, at the seam: the first user of it.
//!
//! Frames are `crate::private`'s. Nothing is known of a connection but whether it was let in, so a link is that and the
//! adapter keeps no table of them.

use super::links::Links;
use super::{
    Adapter, Answer, Blueprint, Connect, Down, Event, Kind, Link, Peer, Publish, Read, Scratch, Tail,
    Undeliverable, Unreadable,
};
use crate::private::{self, ConnAckCode, Decoded, Frame, FrameError, FrameType, PAYLOAD_BYTES_MAX};

/// The first byte of a DATATRANS without flags.
const DATA: u8 = 0x30;

/// The protocol with a listener's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmqTcp {
    /// Payload bytes, up to 65,535.
    pub max_packet_size: usize,
    /// Takes `0x10` as CONNECT too.
    pub accept_version_0: bool,
    /// Non-zero flags on DATATRANS, PING and DISCONNECT close.
    pub strict: bool,
}

impl Default for EmqTcp {
    fn default() -> Self {
        Self {
            max_packet_size: PAYLOAD_BYTES_MAX,
            accept_version_0: false,
            strict: false,
        }
    }
}

impl Blueprint for EmqTcp {
    fn name(&self) -> &str {
        "private-tcp"
    }

    fn version(&self) -> u8 {
        1
    }

    fn adapter(&self, _wanted: &[String]) -> Box<dyn Adapter> {
        Box::new(Emq {
            settings: *self,
            greeted: Links::default(),
        })
    }
}

/// One shard's side.
#[derive(Debug)]
struct Emq {
    settings: EmqTcp,
    /// By link: a CONNECT was accepted.
    greeted: Links<bool>,
}

impl Emq {
    fn is_greeted(&self, link: Link) -> bool {
        self.greeted[link]
    }
}

impl Adapter for Emq {
    fn open(&mut self, _peer: Peer<'_>) -> Link {
        self.greeted.open(false)
    }

    fn close(&mut self, link: Link) {
        self.greeted.close(link);
    }

    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        _scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        // What nearly all frames are.
        if let [DATA, high, low, rest @ ..] = input
            && self.is_greeted(link)
        {
            let size = usize::from(u16::from_be_bytes([*high, *low]));
            if size <= self.settings.max_packet_size
                && let Some(payload) = rest.get(..size)
            {
                let event = Event::Publish(Publish { payload, values: &[] });
                let used = private::HEADER_BYTES + size;
                return Ok(Read::Event { event, used });
            }
        }
        let Some(&header) = input.first() else {
            return Ok(Read::Incomplete);
        };
        if let Some((kind, what)) = objection(header, self.is_greeted(link), self.settings.strict) {
            return Err(Unreadable::new(kind, what, 0));
        }
        let (frame, used) = match private::decode(input, self.settings.max_packet_size).map_err(unreadable)? {
            Decoded::Frame(frame, used) => (frame, used),
            Decoded::Incomplete { .. } => return Ok(Read::Incomplete),
        };
        let event = match frame {
            Frame::Connect { version, connect } => Event::Connect(self.connect(version, connect)?),
            Frame::DataTrans { payload, .. } => Event::Publish(Publish { payload, values: &[] }),
            Frame::Ping { .. } => Event::Heartbeat,
            Frame::Disconnect { .. } => Event::Close,
            Frame::ConnAck { .. } | Frame::Pong => unreachable!("refused by its header byte"),
        };
        Ok(Read::Event { event, used })
    }

    fn frame_size(&self, _link: Link, front: &[u8]) -> Option<usize> {
        match private::decode(front, self.settings.max_packet_size) {
            // The length field is still on its way.
            Ok(Decoded::Incomplete { needed }) => Some(needed.unwrap_or(front.len() + 1)),
            Ok(Decoded::Frame(_, size)) => Some(size),
            Err(_) => None,
        }
    }

    fn answers_data(&self) -> bool {
        false
    }

    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>) {
        let frame = match answer {
            Answer::Accepted => {
                self.greeted[link] = true;
                conn_ack(ConnAckCode::Accepted, "Connect Successfully")
            }
            Answer::Refused(refusal) => conn_ack(ConnAckCode::AuthenticationFailed, refusal.text),
            Answer::Unreadable(Kind::Version) => {
                conn_ack(ConnAckCode::VersionNotSupported, "Protocol Version Not Supported")
            }
            Answer::Alive => Frame::Pong,
            Answer::Identified
            | Answer::Taken
            | Answer::Denied
            | Answer::Goodbye
            | Answer::Unreadable(
                Kind::NotConnected
                | Kind::AlreadyConnected
                | Kind::Illegal
                | Kind::Malformed
                | Kind::Checksum
                | Kind::TooLarge
                | Kind::Credentials
                | Kind::Failed,
            ) => return,
        };
        let written = frame.encode(out);
        assert!(written, "what the server says fits its frame");
    }

    fn deliver(&mut self, _link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable> {
        let size = down.payload.len();
        if !private::encode_data_header(size, out) {
            return Err(Undeliverable::TooLarge {
                size,
                limit: PAYLOAD_BYTES_MAX,
            });
        }
        Ok(Tail::Payload)
    }
}

impl Emq {
    fn connect<'a>(
        &self,
        version: u8,
        connect: Option<private::Connect<'a>>,
    ) -> Result<Connect<'a>, Unreadable> {
        let is_spoken = version == 1 || (version == 0 && self.settings.accept_version_0);
        let Some(connect) = connect.filter(|_| is_spoken) else {
            let what = format!("version {version} of the protocol is not spoken");
            return Err(Unreadable::new(Kind::Version, what, 0));
        };
        Ok(Connect {
            client_id: connect.client_id,
            username: connect.username,
            password: connect.password,
            keepalive_s: u16::from(connect.keepalive),
        })
    }
}

fn conn_ack(code: ConnAckCode, text: &'static str) -> Frame<'static> {
    Frame::ConnAck {
        code,
        message: text.as_bytes(),
    }
}

/// What is wrong with a frame that starts with `header`, whatever follows.
fn objection(header: u8, greeted: bool, strict: bool) -> Option<(Kind, &'static str)> {
    match (FrameType::of(header), greeted) {
        (Some(FrameType::Connect), false) => None,
        (_, false) => Some((Kind::NotConnected, "the first frame is not CONNECT")),
        (Some(FrameType::Connect), true) => Some((Kind::AlreadyConnected, "a second CONNECT")),
        (Some(FrameType::DataTrans | FrameType::Ping | FrameType::Disconnect), true) => {
            let has_flags = header & 0x0f != 0;
            (strict && has_flags).then_some((Kind::Illegal, "flags in strict mode"))
        }
        (Some(FrameType::ConnAck | FrameType::Pong), true) => {
            Some((Kind::Illegal, "a frame that only a server sends"))
        }
        (None, true) => Some((Kind::Illegal, "a reserved frame type, whose length is unknown")),
    }
}

fn unreadable(error: FrameError) -> Unreadable {
    let kind = match error {
        FrameError::ReservedType(_) | FrameError::UnknownConnAckCode(_) => Kind::Illegal,
        FrameError::ConnectLayout { .. } => Kind::Malformed,
        FrameError::PayloadTooLarge { .. } => Kind::TooLarge,
    };
    Unreadable::new(kind, error.to_string(), 0)
}
