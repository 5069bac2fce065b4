//! Claims about the private protocol's bytes: the published vectors, round trips, splits, and a table of bad input.

use super::*;
use proptest::prelude::*;

const MAX: usize = PAYLOAD_BYTES_MAX;

fn connect<'a>(username: Option<&'a [u8]>, password: Option<&'a [u8]>) -> Frame<'a> {
    let connect = Connect {
        keepalive: 60,
        client_id: b"abcd",
        username,
        password,
    };
    Frame::Connect {
        version: 1,
        connect: Some(connect),
    }
}

#[test]
fn the_published_vectors_decode_and_encode_as_published() {
    let accepted = b"\x20\x00\x14Connect Successfully";
    let rows: [(&[u8], Frame<'_>); 9] = [
        (b"\x11\x00\x07\x3c\x00\x04abcd", connect(None, None)),
        (
            b"\x11\x00\x13\x3c\x00\x04abcd\x00\x04abcd\x00\x04abcd",
            connect(Some(b"abcd"), Some(b"abcd")),
        ),
        (
            b"\x11\x00\x0d\x3c\x00\x04abcd\x00\x04abcd",
            connect(Some(b"abcd"), None),
        ),
        (
            accepted,
            Frame::ConnAck {
                code: ConnAckCode::Accepted,
                message: b"Connect Successfully",
            },
        ),
        (
            b"\x21\x00\x00",
            Frame::ConnAck {
                code: ConnAckCode::AuthenticationFailed,
                message: b"",
            },
        ),
        (
            b"\x30\x00\x04abcd",
            Frame::DataTrans {
                flags: 0,
                payload: b"abcd",
            },
        ),
        (b"\x40", Frame::Ping { flags: 0 }),
        (b"\x50", Frame::Pong),
        (b"\x60", Frame::Disconnect { flags: 0 }),
    ];
    for (bytes, frame) in rows {
        assert_eq!(
            decode(bytes, MAX),
            Ok(Decoded::Frame(frame, bytes.len())),
            "{bytes:02x?}"
        );
        let mut out = b"before".to_vec();
        assert!(frame.encode(&mut out));
        assert_eq!(&out[6..], bytes);
    }
}

#[test]
fn version_0_has_the_layout_of_version_1_and_other_versions_none() {
    let Ok(Decoded::Frame(
        Frame::Connect {
            version: 0,
            connect: Some(parts),
        },
        10,
    )) = decode(b"\x10\x00\x07\x3c\x00\x04abcd", MAX)
    else {
        panic!("version 0 is readable");
    };
    assert_eq!(parts.client_id, b"abcd");
    for version in 2..=15 {
        let bytes = [0x10 | version, 0, 2, 0xff, 0xff];
        let expected = Frame::Connect {
            version,
            connect: None,
        };
        assert_eq!(decode(&bytes, MAX), Ok(Decoded::Frame(expected, 5)));
    }
}

#[test]
fn flags_are_kept_as_sent() {
    assert_eq!(
        decode(&[0x4f], MAX),
        Ok(Decoded::Frame(Frame::Ping { flags: 15 }, 1))
    );
    assert_eq!(
        decode(&[0x61], MAX),
        Ok(Decoded::Frame(Frame::Disconnect { flags: 1 }, 1))
    );
    let data = Frame::DataTrans {
        flags: 4,
        payload: b"",
    };
    assert_eq!(decode(&[0x34, 0, 0, 0x40], MAX), Ok(Decoded::Frame(data, 3)));
}

#[test]
fn bad_input_has_a_named_error() {
    let layout = |offset| FrameError::ConnectLayout { offset };
    let rows: &[(&[u8], FrameError)] = &[
        (b"\x00", FrameError::ReservedType(0)),
        (b"\x70", FrameError::ReservedType(7)),
        (b"\x80", FrameError::ReservedType(8)),
        (b"\xff\x00\x00", FrameError::ReservedType(15)),
        (b"\x23", FrameError::UnknownConnAckCode(3)),
        (b"\x2f\x00\x00", FrameError::UnknownConnAckCode(15)),
        (b"\x11\x00\x00", layout(0)),
        (b"\x11\x00\x01\x3c", layout(1)),
        (b"\x11\x00\x02\x3c\x00", layout(1)),
        (b"\x11\x00\x03\x3c\x00\x01", layout(1)),
        (b"\x11\x00\x05\x3c\x00\x01a\x00", layout(4)),
        (b"\x11\x00\x07\x3c\x00\x01a\x00\x02b", layout(4)),
        (b"\x11\x00\x08\x3c\x00\x01a\x00\x01b\x00", layout(7)),
        (b"\x11\x00\x0a\x3c\x00\x01a\x00\x01b\x00\x02c", layout(7)),
        (b"\x11\x00\x0b\x3c\x00\x01a\x00\x01b\x00\x01cd", layout(10)),
        (b"\x10\x00\x00", layout(0)),
    ];
    for (bytes, error) in rows {
        assert_eq!(decode(bytes, MAX), Err(*error), "{bytes:02x?}");
    }
}

#[test]
fn a_payload_over_the_limit_is_refused_as_soon_as_its_length_is_known() {
    let error = Err(FrameError::PayloadTooLarge { size: 5, limit: 4 });
    assert_eq!(decode(b"\x30\x00\x05", 4), error);
    assert_eq!(decode(b"\x11\x00\x05", 4), error);
    assert_eq!(decode(b"\x12\x00\x05", 4), error);
    assert_eq!(decode(b"\x20\x00\x05", 4), error);
    assert_eq!(
        decode(b"\x30\x00\x04", 4),
        Ok(Decoded::Incomplete { needed: Some(7) })
    );
    assert_eq!(decode(b"\x30\x00", 4), Ok(Decoded::Incomplete { needed: None }));
    assert_eq!(decode(b"", 4), Ok(Decoded::Incomplete { needed: None }));
}

#[test]
fn what_the_wire_cannot_say_is_not_written() {
    let large = vec![0; PAYLOAD_BYTES_MAX + 1];
    let parts = Connect {
        keepalive: 0,
        client_id: b"a",
        username: None,
        password: None,
    };
    let frames = [
        Frame::DataTrans {
            flags: 0,
            payload: &large,
        },
        Frame::DataTrans {
            flags: 16,
            payload: b"",
        },
        Frame::Ping { flags: 16 },
        Frame::ConnAck {
            code: ConnAckCode::Accepted,
            message: &large,
        },
        Frame::Connect {
            version: 1,
            connect: None,
        },
        Frame::Connect {
            version: 16,
            connect: Some(parts),
        },
        Frame::Connect {
            version: 1,
            connect: Some(Connect {
                client_id: &large[..65_533],
                ..parts
            }),
        },
        Frame::Connect {
            version: 1,
            connect: Some(Connect {
                password: Some(b"p"),
                ..parts
            }),
        },
    ];
    for frame in frames {
        let mut out = Vec::new();
        assert!(!frame.encode(&mut out));
        assert!(out.is_empty());
    }
    let mut out = Vec::new();
    assert!(!encode_data_header(PAYLOAD_BYTES_MAX + 1, &mut out) && out.is_empty());
    assert!(encode_data_header(PAYLOAD_BYTES_MAX, &mut out));
    assert_eq!(out, [0x30, 0xff, 0xff]);
}

#[test]
fn the_largest_payload_goes_round() {
    let payload = vec![7; PAYLOAD_BYTES_MAX];
    let frame = Frame::DataTrans {
        flags: 0,
        payload: &payload,
    };
    let mut out = Vec::new();
    assert!(frame.encode(&mut out));
    assert_eq!(
        decode(&out, MAX),
        Ok(Decoded::Frame(frame, 3 + PAYLOAD_BYTES_MAX))
    );
}

/// A frame that owns its bytes, so that proptest can make it.
#[derive(Clone, Debug)]
enum Owned {
    Connect(u8, u8, Vec<u8>, Option<(Vec<u8>, Option<Vec<u8>>)>),
    Unknown(u8),
    ConnAck(u8, Vec<u8>),
    Data(u8, Vec<u8>),
    Ping(u8),
    Pong,
    Disconnect(u8),
}

impl Owned {
    fn borrow(&self) -> Frame<'_> {
        match self {
            Self::Connect(version, keepalive, client_id, rest) => {
                let username = rest.as_ref().map(|(username, _)| username.as_slice());
                let password = rest.as_ref().and_then(|(_, password)| password.as_deref());
                let connect = Connect {
                    keepalive: *keepalive,
                    client_id,
                    username,
                    password,
                };
                Frame::Connect {
                    version: *version,
                    connect: Some(connect),
                }
            }
            Self::Unknown(version) => Frame::Connect {
                version: *version,
                connect: None,
            },
            Self::ConnAck(code, message) => Frame::ConnAck {
                code: ConnAckCode::from_number(*code).expect("0 to 2"),
                message,
            },
            Self::Data(flags, payload) => Frame::DataTrans {
                flags: *flags,
                payload,
            },
            Self::Ping(flags) => Frame::Ping { flags: *flags },
            Self::Pong => Frame::Pong,
            Self::Disconnect(flags) => Frame::Disconnect { flags: *flags },
        }
    }
}

fn frames() -> impl Strategy<Value = Owned> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
    let rest = proptest::option::of((bytes(), proptest::option::of(bytes())));
    prop_oneof![
        (0..2u8, any::<u8>(), bytes(), rest).prop_map(|(v, k, id, rest)| Owned::Connect(v, k, id, rest)),
        (2..16u8).prop_map(Owned::Unknown),
        (0..3u8, bytes()).prop_map(|(code, message)| Owned::ConnAck(code, message)),
        (0..16u8, bytes()).prop_map(|(flags, payload)| Owned::Data(flags, payload)),
        (0..16u8).prop_map(Owned::Ping),
        Just(Owned::Pong),
        (0..16u8).prop_map(Owned::Disconnect),
    ]
}

/// Decodes everything that `chunks` hold, keeping partial frames as a connection does.
fn decode_chunks(chunks: &[&[u8]]) -> Vec<String> {
    let (mut kept, mut seen) = (Vec::new(), Vec::new());
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        while let Decoded::Frame(frame, taken) = decode(&kept, MAX).expect("encoded by us") {
            seen.push(format!("{frame:?}"));
            kept.drain(..taken);
        }
    }
    assert!(kept.is_empty());
    seen
}

proptest! {
    #[test]
    fn decoding_what_was_encoded_gives_the_frame(frame in frames()) {
        let mut out = Vec::new();
        prop_assert!(frame.borrow().encode(&mut out));
        prop_assert_eq!(decode(&out, MAX), Ok(Decoded::Frame(frame.borrow(), out.len())));
    }

    #[test]
    fn any_split_gives_the_same_frames(
        frames in proptest::collection::vec(frames(), 0..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for frame in &frames {
            prop_assert!(frame.borrow().encode(&mut bytes));
            expected.push(format!("{:?}", frame.borrow()));
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut from, mut chunks) = (0, Vec::new());
        for cut in cuts.into_iter().chain([bytes.len()]) {
            chunks.push(&bytes[from..cut]);
            from = cut;
        }
        prop_assert_eq!(decode_chunks(&chunks), expected.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(decode_chunks(&single), expected);
    }

    #[test]
    fn an_incomplete_frame_says_what_it_needs_and_is_whole_then(frame in frames(), cut in any::<prop::sample::Index>()) {
        let mut out = Vec::new();
        prop_assert!(frame.borrow().encode(&mut out));
        let cut = cut.index(out.len());
        let needed = (cut >= 3).then_some(out.len());
        prop_assert_eq!(decode(&out[..cut], MAX), Ok(Decoded::Incomplete { needed }));
    }

    #[test]
    fn no_bytes_panic_and_what_decodes_encodes(bytes in proptest::collection::vec(any::<u8>(), 0..64), max in 0..64usize) {
        if let Ok(Decoded::Frame(frame, taken)) = decode(&bytes, max) {
            prop_assert!(taken <= bytes.len());
            let mut out = Vec::new();
            prop_assert!(frame.encode(&mut out));
            let readable = !matches!(frame, Frame::Connect { connect: None, .. } | Frame::Pong);
            if readable {
                prop_assert_eq!(&out[..], &bytes[..taken]);
            }
        }
    }
}
