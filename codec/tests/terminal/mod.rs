//! A JT/T 808 terminal for tests: frames written and read without any code of the product, and the engine's side of the
//! seam as a loop that decides everything the same way.
//!
//! Used by the tests of the codec and by those that run the real broker.

// Each test takes what it needs.
#![allow(dead_code, clippy::unwrap_used)]

pub mod captures;

use ringwire_codec::adapter::jt808::Jt808;
use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Down, Event, Link, Peer, Read, Scratch, Tail, Undeliverable,
};

/// A frame as a person thinks of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub id: u16,
    /// BCD: 6 bytes in 2013, 10 in 2019.
    pub phone: Vec<u8>,
    /// The version byte of 2019.
    pub version: Option<u8>,
    pub serial: u16,
    /// The three bits that say how the body is encrypted; 0: it is not.
    pub encryption: u16,
    /// Total and number.
    pub package: Option<(u16, u16)>,
    pub body: Vec<u8>,
}

pub const PHONE: [u8; 6] = [0x01, 0x39, 0x12, 0x34, 0x43, 0x23];
pub const PHONE_2019: [u8; 10] = [0, 0, 0, 0, 0x01, 0x39, 0x12, 0x34, 0x43, 0x23];

impl Frame {
    /// A frame of 2013.
    pub fn new(id: u16, serial: u16, body: &[u8]) -> Self {
        Self {
            id,
            phone: PHONE.to_vec(),
            version: None,
            serial,
            encryption: 0,
            package: None,
            body: body.to_vec(),
        }
    }

    /// A frame of 2019.
    pub fn new_2019(id: u16, serial: u16, body: &[u8]) -> Self {
        Self {
            phone: PHONE_2019.to_vec(),
            version: Some(1),
            ..Self::new(id, serial, body)
        }
    }

    /// The packages of a long message, `size` bytes of body each.
    pub fn packages(&self, size: usize) -> Vec<Self> {
        let total = self.body.len().div_ceil(size) as u16;
        let parts = (1..=total).zip(self.body.chunks(size));
        let package = |(number, body): (u16, &[u8])| Self {
            serial: self.serial.wrapping_add(number - 1),
            package: Some((total, number)),
            body: body.to_vec(),
            ..self.clone()
        };
        parts.map(package).collect()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut content = self.id.to_be_bytes().to_vec();
        let bits = u16::from(self.version.is_some()) << 14 | u16::from(self.package.is_some()) << 13;
        let bits = bits | self.encryption << 10;
        content.extend((bits | self.body.len() as u16).to_be_bytes());
        content.extend(self.version);
        content.extend(&self.phone);
        content.extend(self.serial.to_be_bytes());
        for word in self.package.iter().flat_map(|(total, number)| [total, number]) {
            content.extend(word.to_be_bytes());
        }
        content.extend(&self.body);
        framed(&content)
    }

    /// The first frame of what the platform sent, and its size; `None`: not whole.
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        assert_eq!(*bytes.first()?, 0x7e, "no frame: {bytes:02x?}");
        let end = 1 + bytes[1..].iter().position(|byte| *byte == 0x7e)?;
        let mut content = Vec::new();
        let mut inside = bytes[1..end].iter();
        while let Some(byte) = inside.next() {
            content.push(match byte {
                0x7d => match inside.next() {
                    Some(1) => 0x7d,
                    Some(2) => 0x7e,
                    other => panic!("escape {other:?}"),
                },
                byte => *byte,
            });
        }
        let check = content.pop().unwrap();
        assert_eq!(content.iter().fold(0, |check, byte| check ^ byte), check);
        let mut content = &content[..];
        let mut take = |size: usize| {
            let (part, rest) = content.split_at(size);
            content = rest;
            part.to_vec()
        };
        let word = |bytes: Vec<u8>| u16::from_be_bytes([bytes[0], bytes[1]]);
        let id = word(take(2));
        let properties = word(take(2));
        let version = (properties & 0x4000 != 0).then(|| take(1)[0]);
        let phone = take(if version.is_some() { 10 } else { 6 });
        let serial = word(take(2));
        let package = (properties & 0x2000 != 0).then(|| (word(take(2)), word(take(2))));
        let body = content.to_vec();
        assert_eq!(body.len(), usize::from(properties & 0x3ff));
        let frame = Self {
            id,
            phone,
            version,
            serial,
            encryption: properties >> 10 & 7,
            package,
            body,
        };
        Some((frame, end + 1))
    }

    /// Every frame in `bytes`.
    pub fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut frames = Vec::new();
        while let Some((frame, size)) = Self::read(bytes) {
            frames.push(frame);
            bytes = &bytes[size..];
        }
        assert!(bytes.is_empty(), "half a frame: {bytes:02x?}");
        frames
    }
}

/// `content` with its check byte, escaped, between flags.
pub fn framed(content: &[u8]) -> Vec<u8> {
    let check = content.iter().fold(0, |check, byte| check ^ byte);
    let mut bytes = vec![0x7e];
    for byte in content.iter().chain([&check]) {
        match byte {
            0x7e => bytes.extend([0x7d, 2]),
            0x7d => bytes.extend([0x7d, 1]),
            byte => bytes.push(*byte),
        }
    }
    bytes.push(0x7e);
    bytes
}

/// The body of a position report without additional items.
pub fn position() -> Vec<u8> {
    let mut body = Vec::new();
    for dword in [2u32, 3, 31_000_560, 121_451_372] {
        body.extend(dword.to_be_bytes());
    }
    for word in [15u16, 600, 180] {
        body.extend(word.to_be_bytes());
    }
    body.extend([0x26, 0x11, 0x23, 0x10, 0x00, 0x59]);
    body
}

/// What was reported and decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Identify(String),
    Connect(String, String, Option<Vec<u8>>, u16),
    Publish(String, Vec<String>),
    Heartbeat,
    Acknowledge(u16),
    Close,
    Skipped(String),
    Unreadable(String),
}

/// One connection, with an engine that lets everything happen.
pub struct Conversation {
    pub adapter: Box<dyn Adapter>,
    pub link: Link,
    /// Bytes that are not read yet.
    pub input: Vec<u8>,
    /// What the device gets.
    pub output: Vec<u8>,
    scratch: Scratch,
}

pub fn peer() -> Peer<'static> {
    Peer {
        address: ([127, 0, 0, 1], 1).into(),
        certificate: None,
    }
}

impl Conversation {
    pub fn new(settings: &Jt808) -> Self {
        Self::with_fields(settings, &[])
    }

    pub fn with_fields(settings: &Jt808, wanted: &[String]) -> Self {
        let mut adapter = settings.adapter(wanted);
        let link = adapter.open(peer());
        Self {
            adapter,
            link,
            input: Vec::new(),
            output: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// One that a device has authenticated on; what was said until then is forgotten.
    pub fn let_in(settings: &Jt808, first: &Frame) -> Self {
        let mut conversation = Self::new(settings);
        let told = conversation.hears(&first.bytes());
        assert!(matches!(told[..], [Told::Connect(..)]), "{told:?}");
        conversation.output.clear();
        conversation
    }

    /// Reads `bytes` behind what is left, until more is needed.
    pub fn hears(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.input.extend_from_slice(bytes);
        let mut told = Vec::new();
        let mut idle = 0;
        loop {
            let before = self.input.len();
            let Some(next) = self.step() else {
                return told;
            };
            idle = if self.input.len() < before { 0 } else { idle + 1 };
            assert!(idle < 8, "it says more and more of the same bytes: {next:?}");
            told.extend(next);
        }
    }

    /// So much time goes by.
    pub fn waits(&mut self, millis: u64) {
        self.scratch.now_ms += millis;
    }

    /// What the device was told since the last time, as frames.
    pub fn says(&mut self) -> Vec<Frame> {
        Frame::all(&std::mem::take(&mut self.output))
    }

    /// One report, read twice, and its answer; `None`: nothing more.
    fn step(&mut self) -> Option<Option<Told>> {
        let read = self.adapter.read(self.link, &self.input, &mut self.scratch);
        let first = format!("{read:?}");
        let (told, used, answer) = match read {
            Ok(Read::Incomplete) => return None,
            Ok(Read::Nothing { used }) => (None, used, None),
            Ok(Read::Skipped { used, why }) => (Some(Told::Skipped(why.to_string())), used, None),
            Err(why) => {
                self.adapter
                    .answer(self.link, Answer::Unreadable(why.kind), &mut self.output);
                self.input.clear();
                return Some(Some(Told::Unreadable(why.to_string())));
            }
            Ok(Read::Event { event, used }) => {
                let (told, answer) = decide(event);
                (Some(told), used, answer)
            }
        };
        if let Some(answer) = answer {
            let again = self.adapter.read(self.link, &self.input, &mut self.scratch);
            assert_eq!(format!("{again:?}"), first, "read again");
            self.adapter.answer(self.link, answer, &mut self.output);
        }
        self.input.drain(..used);
        Some(told)
    }

    pub fn deliver(&mut self, payload: &str, number: u16, again: bool) -> Result<Tail, Undeliverable> {
        let topic = "jt808/013912344323/dn";
        let payload = payload.as_bytes();
        let down = Down {
            topic,
            payload,
            number,
            again,
        };
        self.adapter.deliver(self.link, &down, &mut self.output)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn decide(event: Event<'_>) -> (Told, Option<Answer>) {
    match event {
        Event::Identify { client_id } => (Told::Identify(text(client_id)), Some(Answer::Identified)),
        Event::Connect(connect) => {
            let username = connect.username.map(text).unwrap();
            let password = connect.password.map(<[u8]>::to_vec);
            let told = Told::Connect(text(connect.client_id), username, password, connect.keepalive_s);
            (told, Some(Answer::Accepted))
        }
        Event::Publish(publish) => {
            let told = Told::Publish(text(publish.payload), publish.values.to_vec());
            (told, Some(Answer::Taken))
        }
        Event::Heartbeat => (Told::Heartbeat, Some(Answer::Alive)),
        Event::Acknowledge { number } => (Told::Acknowledge(number), None),
        Event::Close => (Told::Close, Some(Answer::Goodbye)),
    }
}
