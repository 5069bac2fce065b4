//! What must hold of the private protocol's decoder for any bytes whatever.
//!
//! One piece of code for both users: the fuzz target beside this file, and `codec/tests/corpus.rs`, which replays its
//! corpus in the ordinary tests.

use ringwire_codec::private::{Decoded, Frame, FrameError, FrameType, PAYLOAD_BYTES_MAX, decode};

/// Smaller than the length field can say, so that the limit is met, and larger than most inputs of a fuzzer.
const PAYLOAD_MAX: usize = 40_000;

/// Decodes a stream of frames from `bytes` and checks each.
pub fn check(bytes: &[u8]) {
    let mut rest = bytes;
    while !rest.is_empty() {
        check_prefixes(rest);
        match decode(rest, PAYLOAD_MAX) {
            Ok(Decoded::Frame(frame, size)) => {
                assert!(size >= 1 && size <= rest.len());
                check_frame(&frame, &rest[..size]);
                rest = &rest[size..];
            }
            Ok(Decoded::Incomplete { needed }) => {
                assert!(needed.is_none_or(|needed| needed > rest.len() && needed <= 3 + PAYLOAD_MAX));
                assert!(needed.is_some() || rest.len() < 3);
                return;
            }
            Err(error) => {
                check_error(error, rest);
                return;
            }
        }
    }
}

/// A part of the input says the same as the whole, or asks for more.
fn check_prefixes(whole: &[u8]) {
    let answer = decode(whole, PAYLOAD_MAX);
    for cut in 0..whole.len().min(48) {
        match decode(&whole[..cut], PAYLOAD_MAX) {
            Ok(Decoded::Incomplete { needed: Some(needed) }) => {
                assert!(needed > cut);
                if let Ok(Decoded::Frame(_, size)) = answer {
                    assert_eq!(needed, size);
                }
            }
            Ok(Decoded::Incomplete { needed: None }) => assert!(cut < 3),
            early => assert_eq!(early, answer, "{cut} bytes say something else than all"),
        }
    }
}

/// What was decoded is written as it was sent, but for what the frame does not keep, and is read back as the same.
fn check_frame(frame: &Frame<'_>, sent: &[u8]) {
    let mut written = Vec::new();
    assert!(frame.encode(&mut written));
    assert_eq!(
        decode(&written, PAYLOAD_BYTES_MAX),
        Ok(Decoded::Frame(*frame, written.len()))
    );
    assert_eq!(FrameType::of(sent[0]), FrameType::of(written[0]));
    match frame {
        // A layout that is not known is not kept, and PONG has no flags.
        Frame::Connect {
            connect: None,
            version,
        } => assert!(*version > 1),
        Frame::Pong => assert_eq!(written, [0x50]),
        Frame::Connect {
            connect: Some(connect),
            ..
        } => {
            assert!(connect.username.is_some() || connect.password.is_none());
            assert_eq!(written, sent);
        }
        Frame::ConnAck { .. } | Frame::DataTrans { .. } | Frame::Ping { .. } | Frame::Disconnect { .. } => {
            assert_eq!(written, sent);
        }
    }
}

fn check_error(error: FrameError, bytes: &[u8]) {
    assert!(!error.to_string().is_empty());
    match error {
        FrameError::ReservedType(number) => {
            assert_eq!((number, FrameType::of(bytes[0])), (bytes[0] >> 4, None));
        }
        FrameError::UnknownConnAckCode(code) => assert!(code > 2 && bytes[0] == 0x20 | code),
        FrameError::ConnectLayout { offset } => {
            assert_eq!(FrameType::of(bytes[0]), Some(FrameType::Connect));
            assert!(offset <= usize::from(u16::from_be_bytes([bytes[1], bytes[2]])));
        }
        FrameError::PayloadTooLarge { size, limit } => assert!(size > limit && limit == PAYLOAD_MAX),
    }
}
