//! Tells step by step what stands in a frame, for `ringwire adapter decode`: marks, check byte, header, body.
//!
//! Bodies are read by the layouts that also make the JSON (`messages`, `position`), one part after another; nothing is known
//! here of a connection. What does not fit is shown as the bytes that it is. It is for people, and allocates as it likes.

use super::frame::{self, Header};
use super::json::Json;
use super::layout::Part::{self, Bcd, Fixed, Number, Sized, Text};
use super::layout::Width::{Byte, Word};
use super::up::Reader;
use super::{TextEncoding, messages, parameters, position};
use crate::adapter::described::Step;
use serde_json::{Map, Value};

/// Of bodies that are not published.
const ANSWER: [Part; 3] = [Number(Word, "seq"), Number(Word, "id"), Number(Byte, "result")];
const REGISTER: [Part; 7] = [
    Number(Word, "province"),
    Number(Word, "city"),
    Fixed(5, "manufacturer"),
    Fixed(20, "model"),
    Fixed(7, "dev_id"),
    Number(Byte, "color"),
    Text("license_number"),
];
const REGISTER_2019: [Part; 7] = [
    Number(Word, "province"),
    Number(Word, "city"),
    Fixed(11, "manufacturer"),
    Fixed(30, "model"),
    Fixed(30, "dev_id"),
    Number(Byte, "color"),
    Text("license_number"),
];
const AUTHENTICATE_2019: [Part; 3] = [
    Sized(Byte, "code"),
    Fixed(15, "imei"),
    Fixed(20, "software_version"),
];

/// The steps of the frame at the front of `front`; none, if it is no whole frame.
pub(super) fn frame(front: &[u8], texts: TextEncoding) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(used) = frame::size(front).filter(|used| *used > 2) else {
        return steps;
    };
    let mut buffer = Vec::new();
    let inside = &front[1..used - 1];
    let Ok(whole) = frame::plain(inside, &mut buffer) else {
        return steps;
    };
    let Some((check, content)) = whole.split_last() else {
        return steps;
    };
    let read = Header::read(content);
    let body = read
        .as_ref()
        .map_or(content.len(), |(_, body)| content.len() - body.len());
    steps.push(Step::Frame {
        at: 0,
        used,
        frame: whole.to_vec(),
        body: body..content.len(),
        escaped: whole.len() != inside.len(),
    });
    steps.push(Step::Checksum {
        at: content.len()..whole.len(),
        over: 0..content.len(),
        computed: u64::from(frame::check_byte(content)),
        found: Some(u64::from(*check)),
        bytes: 1,
    });
    if let Ok((header, body)) = read {
        write_header(&header, content, &mut steps);
        let role = role(header.id);
        let message = format!("{:04x}", header.id);
        steps.push(Step::Matched { message, role });
        write_body(&header, body, texts, &mut steps);
    }
    steps
}

/// What a message of a device is for.
fn role(id: u16) -> &'static str {
    match id {
        0x0001 => "acknowledge",
        0x0002 => "heartbeat",
        0x0003 => "close",
        0x0100 => "registration",
        0x0102 => "login",
        0x8000.. => "of a platform",
        _ => "data",
    }
}

fn write_header(header: &Header, content: &[u8], steps: &mut Vec<Step>) {
    let mut at = 0;
    let mut put = |name: &str, bytes: usize, value: String| {
        let raw = content[at..at + bytes].to_vec();
        let path = format!("header.{name}");
        steps.push(Step::Field {
            path,
            at: Some(at),
            raw,
            value,
        });
        at += bytes;
    };
    let length = content.len() - header.size();
    put("msg_id", 2, header.id.to_string());
    let packages = header.package.map_or("", |_| ", a package of several");
    let encrypted = header.encryption;
    put("len", 2, format!("{length} (encrypt {encrypted}{packages})"));
    if let Some(version) = header.party.version {
        put("proto_ver", 1, version.to_string());
    }
    let mut phone = vec![b'"'];
    super::text::digits(header.party.phone.bcd(), &mut phone);
    phone.push(b'"');
    let digits = String::from_utf8_lossy(&phone).into_owned();
    put("phone", header.party.phone.bcd().len(), digits);
    put("msg_sn", 2, header.serial.to_string());
    if let Some(package) = header.package {
        put("frag_total", 2, package.total.to_string());
        put("frag_sn", 2, package.number.to_string());
    }
}

/// The layout of a message, published or not.
fn layout(id: u16, is_2019: bool) -> Option<&'static [Part]> {
    match (id, is_2019) {
        (0x0001, _) => Some(&ANSWER),
        (0x0002 | 0x0003, _) => Some(&[]),
        (0x0100, true) => Some(&REGISTER_2019),
        (0x0100, false) => Some(&REGISTER),
        (0x0102, true) => Some(&AUTHENTICATE_2019),
        (0x0102, false) => Some(&[Text("code")]),
        _ => messages::up(id, is_2019),
    }
}

fn write_body(header: &Header, body: &[u8], texts: TextEncoding, steps: &mut Vec<Step>) {
    let mut walk = Walk {
        reader: Reader::new(body, header.party, texts),
        end: header.size() + body.len(),
        steps,
    };
    let layout = layout(header.id, header.party.is_2019());
    let layout = layout.filter(|_| header.package.is_none() && header.encryption == 0);
    let fits = layout.is_some_and(|layout| walk.parts(layout, "body").is_some());
    let rest = walk.reader.rest;
    if fits && rest.is_empty() {
        return;
    }
    let what = match (header.encryption, header.package) {
        (0, None) if layout.is_some() => "does not fit the message",
        (0, None) => "has no layout",
        (0, Some(_)) => "a part of the message",
        (_, _) => "encrypted",
    };
    walk.leaf("body.data", rest, format!("\"{what}\""));
}

/// A body that is walked along.
struct Walk<'a, 's> {
    reader: Reader<'a>,
    /// Where the reader's bytes end in the frame.
    end: usize,
    steps: &'s mut Vec<Step>,
}

impl<'a> Walk<'a, '_> {
    fn parts(&mut self, parts: &[Part], path: &str) -> Option<()> {
        parts.iter().try_for_each(|part| self.part(*part, path))
    }

    fn part(&mut self, part: Part, path: &str) -> Option<()> {
        match part {
            Part::If(..) if self.reader.rest.is_empty() => Some(()),
            Part::If(_, parts) => self.parts(parts, path),
            Part::List(name, parts) => {
                (0..self.reader.count).try_for_each(|at| self.parts(parts, &format!("{path}.{name}[{at}]")))
            }
            Part::ListToEnd(name, parts) => {
                let mut at = 0;
                while !self.reader.rest.is_empty() {
                    self.parts(parts, &format!("{path}.{name}[{at}]"))?;
                    at += 1;
                }
                Some(())
            }
            Part::Parameters(name) => (0..self.reader.count).try_for_each(|at| {
                let path = format!("{path}.{name}[{at}]");
                self.read(&path, parameters::read)
            }),
            Part::OwnPosition => self.position(path),
            Part::Position(name) => self.position(&format!("{path}.{name}")),
            Part::ShortPosition(name) => self.parts(&position::BASE, &format!("{path}.{name}")),
            Part::SizedPosition => {
                let size = self.reader.number(Word)?;
                let bytes = self.reader.take(usize::try_from(size).ok()?)?;
                let mut inner = Walk {
                    reader: self.reader.with(bytes),
                    end: self.end - self.reader.rest.len(),
                    steps: self.steps,
                };
                inner.position(path)
            }
            Part::Number(..)
            | Part::NumberOr(..)
            | Bcd(..)
            | Fixed(..)
            | Text(_)
            | Sized(..)
            | Part::SizedOr(..)
            | Part::SizedData(..)
            | Part::Data(_)
            | Part::Bytes(..)
            | Part::Count(..)
            | Part::Numbers(..)
            | Part::CanId
            | Part::Control(_) => self.read(path, |reader, json| reader.member(part, json)),
        }
    }

    /// 28 bytes, and additional items behind them.
    fn position(&mut self, path: &str) -> Option<()> {
        self.parts(&position::BASE, path)?;
        let extra = format!("{path}.extra");
        while let [id, size, rest @ ..] = self.reader.rest {
            let (id, size) = (*id, usize::from(*size));
            if rest.len() < size {
                break;
            }
            self.read(&extra, |reader, json| {
                let item = reader.take(2 + size)?;
                position::item(id, reader.with(&item[2..]), json);
                Some(())
            })?;
        }
        let behind = std::mem::take(&mut self.reader.rest);
        if !behind.is_empty() {
            self.leaf_before(
                &format!("{path}.extra_data"),
                behind,
                "\"no whole item\"".to_owned(),
            );
        }
        Some(())
    }

    /// Reads something as JSON, and tells of each member of it with the bytes that were taken.
    fn read(
        &mut self,
        path: &str,
        read: impl FnOnce(&mut Reader<'a>, &mut Json<'_>) -> Option<()>,
    ) -> Option<()> {
        let before = self.reader.rest;
        let mut text = Vec::new();
        read(&mut self.reader, &mut Json::new(&mut text))?;
        let raw = &before[..before.len() - self.reader.rest.len()];
        let text = String::from_utf8_lossy(&text).into_owned();
        match serde_json::from_str::<Map<String, Value>>(&format!("{{{text}}}")) {
            Ok(members) => members.iter().for_each(|(name, value)| {
                self.leaf_before(&format!("{path}.{name}"), raw, value.to_string());
            }),
            // An object without a name.
            Err(_) => self.leaf_before(path, raw, text),
        }
        Some(())
    }

    /// A value whose bytes were taken just now.
    fn leaf_before(&mut self, path: &str, raw: &[u8], value: String) {
        let at = self.end - self.reader.rest.len() - raw.len();
        self.push(path, at, (raw, value));
    }

    /// A value whose bytes are not taken.
    fn leaf(&mut self, path: &str, raw: &[u8], value: String) {
        self.push(path, self.end - self.reader.rest.len(), (raw, value));
    }

    fn push(&mut self, path: &str, at: usize, (raw, value): (&[u8], String)) {
        self.steps.push(Step::Field {
            path: path.to_owned(),
            at: Some(at),
            raw: raw.to_vec(),
            value,
        });
    }
}
