//! A device at an adapter: what it sends is read to the end, and everything is taken.

use ringwire_codec::adapter::described::description::{Field, Part, Place, Reply, Width};
use ringwire_codec::adapter::described::{Described, Endian, Format, Template};
use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Down, Event, Link, Peer, Read, Scratch, Tail, Undeliverable, Unreadable,
};

/// What a device said, in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Connect(Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, u16),
    Publish(Vec<u8>, Vec<String>),
    Heartbeat,
    Acknowledge(u16),
    Close,
    Skipped(usize),
    Unreadable(Unreadable),
}

/// A connection.
pub struct Device {
    adapter: Box<dyn Adapter>,
    link: Link,
    /// Bytes that wait for more.
    pub input: Vec<u8>,
    /// What it was told.
    pub told: Vec<u8>,
    pub said: Vec<Said>,
    /// Left as it is from one reading to the next.
    scratch: Scratch,
}

pub const PEER: &str = "192.0.2.7:4711";

impl Device {
    pub fn new(described: &Described) -> Self {
        Self::of(described, Some("meter-7"), &[])
    }

    pub fn of(described: &Described, certificate: Option<&str>, wanted: &[&str]) -> Self {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let mut adapter = described.adapter(&wanted);
        let peer = Peer {
            address: PEER.parse().expect("as written here"),
            certificate,
        };
        let link = adapter.open(peer);
        Self {
            adapter,
            link,
            input: Vec::new(),
            told: Vec::new(),
            said: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Sends bytes, and reads as long as there is something to read.
    pub fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.send_answered(bytes, |answer| answer)
    }

    /// The same; what would be answered may be changed.
    pub fn send_answered(&mut self, bytes: &[u8], change: fn(Answer) -> Answer) -> &mut Self {
        self.input.extend_from_slice(bytes);
        while !self.is_over() {
            let (answer, used) = match self.adapter.read(self.link, &self.input, &mut self.scratch) {
                Ok(Read::Incomplete) => break,
                Ok(Read::Nothing { used }) => (None, used),
                Ok(Read::Skipped { used, .. }) => {
                    self.said.push(Said::Skipped(used));
                    (None, used)
                }
                Ok(Read::Event { event, used }) => {
                    let (said, answer) = said(&event);
                    if answer.is_some() {
                        self.is_read_again(&said, used);
                    }
                    self.said.push(said);
                    (answer, used)
                }
                Err(why) => {
                    self.said.push(Said::Unreadable(why));
                    break;
                }
            };
            assert!(used <= self.input.len());
            if let Some(answer) = answer {
                self.adapter.answer(self.link, change(answer), &mut self.told);
            }
            self.input.drain(..used);
        }
        self
    }

    /// What is not answered yet is reported in the same way again.
    fn is_read_again(&mut self, before: &Said, used_before: usize) {
        match self.adapter.read(self.link, &self.input, &mut self.scratch) {
            Ok(Read::Event { event, used }) => assert_eq!((&said(&event).0, used), (before, used_before)),
            other => panic!("{before:?}, and then {other:?}"),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.said.last(), Some(Said::Unreadable(_) | Said::Close))
    }

    pub fn deliver(&mut self, payload: &[u8], number: u16, again: bool) -> Result<Tail, Undeliverable> {
        let down = Down {
            topic: "down",
            payload,
            number,
            again,
        };
        self.adapter.deliver(self.link, &down, &mut self.told)
    }

    pub fn window(&self) -> u16 {
        self.adapter.window()
    }

    pub fn take_told(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.told)
    }

    pub fn take_said(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Payloads that were published, as text.
    pub fn published(&self) -> Vec<String> {
        let payload = |said: &Said| match said {
            Said::Publish(payload, _) => Some(String::from_utf8_lossy(payload).into_owned()),
            _ => None,
        };
        self.said.iter().filter_map(payload).collect()
    }
}

fn said(event: &Event<'_>) -> (Said, Option<Answer>) {
    match event {
        Event::Identify { .. } => unreachable!("descriptions have none"),
        Event::Connect(connect) => {
            let said = Said::Connect(
                connect.client_id.to_vec(),
                connect.username.map(<[u8]>::to_vec),
                connect.password.map(<[u8]>::to_vec),
                connect.keepalive_s,
            );
            (said, Some(Answer::Accepted))
        }
        Event::Publish(publish) => {
            let said = Said::Publish(publish.payload.to_vec(), publish.values.to_vec());
            (said, Some(Answer::Taken))
        }
        Event::Heartbeat => (Said::Heartbeat, Some(Answer::Alive)),
        Event::Acknowledge { number } => (Said::Acknowledge(*number), None),
        Event::Close => (Said::Close, Some(Answer::Goodbye)),
    }
}

/// A field behind the one before it.
pub fn field(name: &str, format: &str) -> Field {
    Field {
        name: name.to_owned(),
        place: Place::Next,
        format: Format::parse(format, Endian::Big).expect("as written here"),
        width: Width::Own,
        bits: None,
        scale: None,
        trim: false,
        hidden: false,
    }
}

pub fn wide(name: &str, format: &str, width: Width) -> Field {
    Field {
        width,
        ..field(name, format)
    }
}

pub fn parts(fields: impl IntoIterator<Item = Field>) -> Vec<Part> {
    fields.into_iter().map(Part::Field).collect()
}

pub fn hex_template(text: &str) -> Template {
    Template::hex(text, Endian::Big).expect("as written here")
}

pub fn text_template(text: &str) -> Template {
    Template::text(text, Endian::Big).expect("as written here")
}

pub fn reply(template: Template) -> Reply {
    Reply {
        template,
        raw: false,
        codes: None,
    }
}

/// The bytes that hex digits mean.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}
