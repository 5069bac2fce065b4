//! What must hold of the JT/T 808 adapter for any bytes of a terminal, and any JSON for it.
//!
//! The input is a script: some of it are bytes as they are, some bodies that get a frame around them, as no fuzzer finds a
//! check byte, some JSON. One piece of code for both users: the fuzz target beside this file, and `codec/tests/corpus.rs`.
//! What the adapter says is read by the terminal of the tests, which shares no code with it.

#[path = "../../codec/tests/terminal/mod.rs"]
mod terminal;

use ringwire_codec::adapter::jt808::{Jt808, TextEncoding};
use terminal::{Conversation, Frame, Told};

/// Ids that have a layout, or do something.
const IDS: [u16; 32] = [
    0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0100, 0x0102, 0x0104, 0x0107, 0x0108, 0x0200, 0x0201, 0x0301,
    0x0302, 0x0303, 0x0500, 0x0608, 0x0700, 0x0701, 0x0702, 0x0704, 0x0705, 0x0800, 0x0801, 0x0802, 0x0805,
    0x0900, 0x0901, 0x0a00, 0x0f00, 0xe000, 0x8300,
];

/// Ids for a device that have a layout.
const DOWN: [u16; 16] = [
    0x8003, 0x8103, 0x8105, 0x8106, 0x8108, 0x8300, 0x8301, 0x8302, 0x8401, 0x8500, 0x8600, 0x8602, 0x8604,
    0x8606, 0x8800, 0x8900,
];

/// Frames to one connection at most, so that an input is quick.
const STEPS_MAX: usize = 64;

/// Runs the script that `bytes` are, twice: in one piece for each step, and byte by byte.
pub fn check(bytes: &[u8]) {
    let mut whole = Run::new(bytes, usize::MAX);
    whole.run();
    let mut split = Run::new(bytes, 7);
    split.run();
    assert_eq!(whole.told, split.told, "the split changes what was told");
    assert_eq!(whole.said, split.said, "the split changes what is said");
}

struct Run<'a> {
    script: &'a [u8],
    piece: usize,
    conversation: Conversation,
    is_2019: bool,
    told: Vec<Told>,
    said: Vec<u8>,
    number: u16,
}

impl<'a> Run<'a> {
    fn new(bytes: &'a [u8], piece: usize) -> Self {
        let (flags, script) = bytes.split_first().unwrap_or((&0, &[]));
        let bit = |bit: u8| flags & 1 << bit != 0;
        let settings = Jt808 {
            implicit_login: bit(0),
            answer_packages: bit(1),
            text: if bit(2) {
                TextEncoding::Utf8
            } else {
                TextEncoding::Gbk
            },
            check_auth_code: bit(3),
            close_on_bad_frame: bit(4),
            unfinished_bytes_max: 3000,
            unfinished_messages_max: 2,
            package_bytes: 100,
            down_bytes_max: 2000,
            window: 4,
            ..Jt808::default()
        };
        let mut run = Self {
            script,
            piece,
            conversation: Conversation::new(&settings),
            is_2019: bit(5),
            told: Vec::new(),
            said: Vec::new(),
            number: 0,
        };
        if bit(6) {
            let phone = if run.is_2019 {
                "00000000013912344323"
            } else {
                "013912344323"
            };
            let code = match run.is_2019 {
                true => [&[phone.len() as u8], phone.as_bytes()].concat(),
                false => phone.as_bytes().to_vec(),
            };
            let login = run.frame(0x0102, &code).bytes();
            run.hear(&login);
        }
        run
    }

    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            let Some(kind) = self.byte() else {
                return;
            };
            match kind % 8 {
                0 => {
                    let bytes = self.some().to_vec();
                    self.hear(&bytes);
                }
                1..=3 => {
                    let id = IDS[usize::from(self.byte().unwrap_or(0)) % IDS.len()];
                    let frame = self.framed(id, kind >= 128);
                    self.hear(&frame.bytes());
                }
                6 => {
                    let halves = u64::from(self.byte().unwrap_or(0));
                    self.conversation.waits(halves * 500);
                }
                7 => {
                    let id = IDS[usize::from(self.byte().unwrap_or(0)) % IDS.len()];
                    let mut frame = self.framed(id, kind >= 128);
                    frame.encryption = 1;
                    self.hear(&frame.bytes());
                }
                4 => {
                    let payload = String::from_utf8_lossy(self.some()).into_owned();
                    self.deliver(&payload, kind >= 128);
                }
                _ => {
                    let id = DOWN[usize::from(self.byte().unwrap_or(0)) % DOWN.len()];
                    let body = String::from_utf8_lossy(self.some()).into_owned();
                    let payload = format!("{{\"header\":{{\"msg_id\":{id}}},\"body\":{body}}}");
                    self.deliver(&payload, kind >= 128);
                }
            }
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.script.split_first()?;
        self.script = rest;
        Some(*byte)
    }

    /// As many bytes as the next one says.
    fn some(&mut self) -> &'a [u8] {
        let size = usize::from(self.byte().unwrap_or(0));
        let (some, rest) = self.script.split_at(size.min(self.script.len()));
        self.script = rest;
        some
    }

    fn frame(&self, id: u16, body: &[u8]) -> Frame {
        match self.is_2019 {
            true => Frame::new_2019(id, 0, body),
            false => Frame::new(id, 0, body),
        }
    }

    fn framed(&mut self, id: u16, is_package: bool) -> Frame {
        let serial = self.byte().unwrap_or(0);
        let (total, number) = match is_package {
            true => (self.byte().unwrap_or(0), self.byte().unwrap_or(0)),
            false => (0, 0),
        };
        let body = self.some();
        let mut frame = self.frame(id, body);
        frame.serial = u16::from(serial);
        frame.package = is_package.then_some((u16::from(total), u16::from(number)));
        frame
    }

    fn hear(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece.min(bytes.len()).max(1)) {
            let told = self.conversation.hears(piece);
            let is_over = told
                .iter()
                .any(|told| matches!(told, Told::Unreadable(_) | Told::Close));
            for told in told {
                self.note(told);
            }
            if is_over {
                self.script = &[];
                break;
            }
        }
        self.keep_said();
    }

    fn note(&mut self, told: Told) {
        match told {
            // What is said of bytes outside of frames depends on where they are split.
            Told::Skipped(why) => assert!(!why.is_empty()),
            Told::Publish(payload, values) => {
                let message: serde_json::Value =
                    serde_json::from_str(&payload).expect("what is published is JSON");
                assert!(
                    message["header"]["msg_id"].is_u64() && message["body"].is_object(),
                    "{payload}"
                );
                self.told.push(Told::Publish(payload, values));
            }
            other => self.told.push(other),
        }
    }

    fn deliver(&mut self, payload: &str, again: bool) {
        if !self.told.iter().any(|told| matches!(told, Told::Connect(..))) {
            return;
        }
        self.number = if again { self.number } else { self.number % 6 + 1 };
        let before = self.conversation.output.len();
        match self.conversation.deliver(payload, self.number, again) {
            Ok(_) => assert!(self.conversation.output.len() > before),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert_eq!(self.conversation.output.len(), before, "an error appends nothing");
            }
        }
        self.keep_said();
    }

    /// What was said are whole frames.
    fn keep_said(&mut self) {
        self.said.extend_from_slice(&self.conversation.output);
        self.conversation.says();
    }
}
