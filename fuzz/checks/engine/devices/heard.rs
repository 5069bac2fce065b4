//! What a device is told: whole frames only, each one that a server may send now.

use super::Speaks;
use super::described::{START, done, kind};
use super::jt808::{answer, terminal::Frame};
use ringwire_codec::private;
use std::collections::VecDeque;

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Silent,
    Connected,
    Over,
}

/// A device's ear.
#[derive(Debug)]
pub struct Hears {
    speaks: Speaks,
    stage: Stage,
    /// Frames with which it acknowledges what came, in order.
    pub replies: VecDeque<Vec<u8>>,
}

impl Hears {
    /// A connection that was told nothing yet.
    pub fn new(speaks: Speaks) -> Self {
        Self {
            speaks,
            stage: Stage::Silent,
            replies: VecDeque::new(),
        }
    }

    /// It was let in, and not told that it is over.
    pub fn is_connected(&self) -> bool {
        self.stage == Stage::Connected
    }

    /// Reads one frame; its size.
    pub fn read(&mut self, bytes: &[u8]) -> usize {
        assert_ne!(
            self.stage,
            Stage::Over,
            "nothing follows the last frame: {bytes:02x?}"
        );
        match self.speaks {
            Speaks::Mqtt | Speaks::Emq => self.read_emq(bytes),
            Speaks::Described => self.read_described(bytes),
            Speaks::Jt808 => self.read_jt808(bytes),
        }
    }

    fn read_emq(&mut self, bytes: &[u8]) -> usize {
        let decoded = private::decode(bytes, private::PAYLOAD_BYTES_MAX);
        let Ok(private::Decoded::Frame(frame, size)) = decoded else {
            panic!("the server sent {decoded:?}: {bytes:02x?}");
        };
        match frame {
            private::Frame::ConnAck { code, .. } => {
                assert_eq!(self.stage, Stage::Silent, "one CONNACK, first of all");
                self.stage = match code {
                    private::ConnAckCode::Accepted => Stage::Connected,
                    private::ConnAckCode::AuthenticationFailed
                    | private::ConnAckCode::VersionNotSupported => Stage::Over,
                };
            }
            private::Frame::DataTrans { .. } | private::Frame::Pong => {
                assert_eq!(self.stage, Stage::Connected, "{frame:?}");
            }
            private::Frame::Connect { .. }
            | private::Frame::Ping { .. }
            | private::Frame::Disconnect { .. } => {
                panic!("the server sent {frame:?}");
            }
        }
        size
    }

    fn read_described(&mut self, bytes: &[u8]) -> usize {
        let [START, high, low, rest @ ..] = bytes else {
            panic!("no frame: {bytes:02x?}");
        };
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        let content = rest.get(..size).expect("a whole frame");
        match content {
            // Who says again who it is is answered again.
            [kind::WELCOME, 0] => self.stage = Stage::Connected,
            [kind::WELCOME, 1] => {
                assert_eq!(self.stage, Stage::Silent, "refused, and was let in");
                self.stage = Stage::Over;
            }
            [kind::PONG] | [kind::TAKEN | kind::DENIED, _] => {
                assert_eq!(self.stage, Stage::Connected, "{content:02x?}");
            }
            [kind::COMMAND, high, low, ..] => {
                assert_eq!(self.stage, Stage::Connected, "{content:02x?}");
                let number = u16::from_be_bytes([*high, *low]);
                self.replies.push_back(done(number));
            }
            [kind::GOODBYE] => {
                assert_eq!(self.stage, Stage::Connected, "{content:02x?}");
                self.stage = Stage::Over;
            }
            _ => panic!("the server sent {content:02x?}"),
        }
        3 + size
    }

    fn read_jt808(&mut self, bytes: &[u8]) -> usize {
        let (frame, size) = Frame::read(bytes).expect("a whole frame");
        match (frame.id, &frame.body[..]) {
            (0x8001, [_, _, id_high, id_low, result]) => {
                let is_greeting = [*id_high, *id_low] == [0x01, 0x02];
                // Failure is said to who is let in already as well.
                if is_greeting && *result == 0 {
                    self.stage = Stage::Connected;
                }
            }
            (0x8001, other) => panic!("a general answer of {other:02x?}"),
            (0x8100 | 0x8003 | 0x8800, _) => {}
            (id, _) => {
                assert!(
                    (0x8103..0x9000).contains(&id),
                    "the platform sent {id:04x} {frame:?}"
                );
                self.stage = Stage::Connected;
                self.replies.push_back(answer(&frame));
            }
        }
        size
    }
}
