//! Runs the vectors of a file through an adapter and says where it differs.
//!
//! Each connection is run three times: with the bytes of a step in one piece, byte by byte, and as a connection that moves
//! to another shard when the device says who it is. All must report and write the same. After the first difference a
//! connection is left, because what follows would only be its consequence.

use super::hex;
use super::line::{Decisions, Line, Outcome, What};
use super::tree;
use super::vectors::{Connection, Expected, KIND, Payload, Step, Vectors};
use crate::config::form::Form;
use crate::config::source::Source;
use ringwire_codec::adapter::{Blueprint, Down, Kind, Unreadable};
use serde_json::Value as Json;
use std::fmt::Write;

/// Something that is not as the vectors say.
#[derive(Debug)]
pub struct Difference {
    /// `FILE:LINE`
    pub place: String,
    /// Which connection and step, and how the bytes were given.
    pub of: String,
    pub expected: String,
    pub found: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            place,
            of,
            expected,
            found,
        } = self;
        write!(f, "{place}: {of}\n  expected {expected}\n  found    {found}\n")
    }
}

/// How the bytes of a step arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Whole,
    ByteByByte,
    Moved,
}

impl Way {
    const ALL: [Self; 3] = [Self::Whole, Self::ByteByByte, Self::Moved];

    fn words(self) -> &'static str {
        match self {
            Self::Whole => "",
            Self::ByteByByte => ", byte by byte",
            Self::Moved => ", moved to another shard",
        }
    }
}

/// What differs in one step: the key that is wrong, what it says, what came.
struct Miss {
    key: &'static str,
    expected: String,
    found: String,
}

impl Miss {
    fn new(key: &'static str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            key,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

/// Runs all connections; `source` is the file that they were read from.
pub fn run(blueprint: &dyn Blueprint, vectors: &Vectors, source: &Source) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (index, connection) in vectors.connections.iter().enumerate() {
        let missed = Way::ALL.into_iter().find_map(|way| {
            let (step, miss) = run_one(blueprint, connection, way).err()?;
            Some((way, step, miss))
        });
        let Some((way, step, miss)) = missed else {
            continue;
        };
        let path = match miss.key {
            "fields" => format!("connection[{index}].fields"),
            key => format!("connection[{index}].step[{step}].{key}"),
        };
        let line = tree::line(&source.text, &path);
        differences.push(Difference {
            place: format!("{}:{line}", source.origin),
            of: format!(
                "connection `{}`, step {}: {}{}",
                connection.name,
                step + 1,
                miss.key,
                way.words()
            ),
            expected: miss.expected,
            found: miss.found,
        });
    }
    differences
}

fn run_one(blueprint: &dyn Blueprint, connection: &Connection, way: Way) -> Result<(), (usize, Miss)> {
    let known = blueprint.fields();
    if let Some(field) = connection.fields.iter().find(|field| !known.contains(field)) {
        let expected = format!("fields among: {}", known.join(", "));
        return Err((0, Miss::new("fields", expected, field.clone())));
    }
    let moves = way == Way::Moved;
    let mut line = Line::open(blueprint, &connection.fields, connection.caller(), moves);
    for (index, step) in connection.steps.iter().enumerate() {
        line.wait(step.after_ms);
        let done = match step.bytes() {
            Some(bytes) => receive(&mut line, step, bytes, way),
            None => deliver(&mut line, step),
        };
        done.map_err(|miss| (index, miss))?;
    }
    Ok(())
}

fn receive(line: &mut Line<'_>, step: &Step, bytes: &[u8], way: Way) -> Result<(), Miss> {
    if !line.is_open() {
        let found = "the connection was closed before";
        return Err(Miss::new("in", "a connection that is open", found));
    }
    let decisions = Decisions {
        refuse: step.refuse,
        deny: step.deny,
    };
    let size = match way {
        Way::Whole | Way::Moved => bytes.len().max(1),
        Way::ByteByByte => 1,
    };
    let mut outcome = Outcome::default();
    for piece in bytes.chunks(size) {
        let came = line.receive(piece, decisions);
        let came = came.map_err(|broken| Miss::new("in", "an adapter that keeps its contract", broken))?;
        outcome.said.extend(came.said);
        outcome.out.extend(came.out);
        outcome.closed = came.closed;
    }
    compare(step, &outcome)
}

fn compare(step: &Step, outcome: &Outcome) -> Result<(), Miss> {
    let mut error = None;
    let mut events = Vec::new();
    for said in &outcome.said {
        match &said.what {
            What::Unreadable(why) => error = Some(why),
            What::Identify { .. } | What::Nothing => {}
            What::Connect { .. }
            | What::Publish { .. }
            | What::Heartbeat
            | What::Acknowledge { .. }
            | What::Close
            | What::Skipped(_) => events.push(&said.what),
        }
    }
    let most = events.len().max(step.events.len());
    for index in 0..most {
        let (wanted, came) = (step.events.get(index), events.get(index));
        let matches = wanted.zip(came).is_some_and(|(wanted, came)| wanted.is(came));
        if !matches && (came.is_some() || error.is_none() || step.error.is_some()) {
            let number = format!("event {}: ", index + 1);
            let wanted_text = wanted.map_or_else(|| "none".to_owned(), Expected::describe);
            let came_text = came.map_or_else(|| "none".to_owned(), |what| what.describe());
            return Err(Miss::new(
                "events",
                number.clone() + &wanted_text,
                number + &came_text,
            ));
        }
    }
    failed(step, error)?;
    written(step, &outcome.out)
}

fn failed(step: &Step, error: Option<&Unreadable>) -> Result<(), Miss> {
    let found = error.map_or_else(|| "no error".to_owned(), unreadable);
    let expected = |what: String| Miss::new("error", what, found.clone());
    match (step.error, error) {
        (None, None) => return Ok(()),
        (Some(kind), Some(why)) if kind == why.kind => {}
        (Some(kind), Some(_) | None) => return Err(expected(KIND.write(&kind))),
        (None, Some(_)) => return Err(expected("no error".to_owned())),
    }
    let Some(why) = error else {
        return Ok(());
    };
    if let Some(offset) = step.offset.filter(|offset| *offset != why.offset) {
        return Err(expected(format!("it at offset {offset}")));
    }
    if let Some(words) = step
        .reason
        .as_ref()
        .filter(|words| !why.what.contains(words.as_str()))
    {
        return Err(expected(format!("the words {words:?}")));
    }
    Ok(())
}

fn written(step: &Step, out: &[u8]) -> Result<(), Miss> {
    if out == step.output() {
        return Ok(());
    }
    let (key, show): (_, fn(&[u8]) -> String) = match &step.out_text {
        Some(_) => ("out_text", hex::show),
        None => ("out", |bytes| match bytes {
            [] => "nothing".to_owned(),
            bytes => hex::write(bytes),
        }),
    };
    Err(Miss::new(key, show(step.output()), show(out)))
}

fn deliver(line: &mut Line<'_>, step: &Step) -> Result<(), Miss> {
    let payload = step.payload();
    let down = Down {
        topic: &step.topic,
        payload: &payload,
        number: step.number,
        again: step.again,
    };
    match (line.deliver(&down), &step.undeliverable) {
        (Ok(out), None) => written(step, &out),
        (Ok(out), Some(words)) => Err(Miss::new("undeliverable", format!("{words:?}"), hex::show(&out))),
        (Err(why), Some(words)) if why.to_string().contains(words.as_str()) => Ok(()),
        (Err(why), Some(words)) => Err(Miss::new("undeliverable", format!("{words:?}"), why.to_string())),
        (Err(why), None) => Err(Miss::new(
            "out",
            hex::show(step.output()),
            format!("undeliverable: {why}"),
        )),
    }
}

impl Expected {
    fn is(&self, what: &What) -> bool {
        let text = |expected: &Option<String>, found: &Option<Vec<u8>>| {
            expected.as_deref().map(str::as_bytes) == found.as_deref()
        };
        match what {
            What::Connect {
                client_id,
                username,
                password,
                keepalive_s,
            } => {
                self.connect.as_ref().is_some_and(|id| id.as_bytes() == client_id)
                    && text(&self.username, username)
                    && text(&self.password, password)
                    && self.keepalive_s == *keepalive_s
            }
            What::Publish { payload, values } => {
                let same = match &self.publish {
                    Some(Payload::Text(text)) => text.as_bytes() == payload,
                    Some(Payload::Json(json)) => {
                        serde_json::from_slice::<Json>(payload).is_ok_and(|found| found == *json)
                    }
                    None => self.publish_hex.as_ref() == Some(payload),
                };
                same && self.values == *values
            }
            What::Heartbeat => self.heartbeat,
            What::Acknowledge { number } => self.acknowledge == Some(*number),
            What::Close => self.close,
            What::Skipped(why) => self.skipped == Some(why.kind),
            What::Identify { .. } | What::Nothing | What::Unreadable(_) => false,
        }
    }

    fn describe(&self) -> String {
        if let Some(client_id) = &self.connect {
            let bytes = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
            return What::Connect {
                client_id: client_id.clone().into_bytes(),
                username: bytes(&self.username),
                password: bytes(&self.password),
                keepalive_s: self.keepalive_s,
            }
            .describe();
        }
        let payload = self
            .publish
            .as_ref()
            .map(Payload::bytes)
            .or_else(|| self.publish_hex.clone());
        if let Some(payload) = payload {
            let values = self.values.clone();
            return What::Publish { payload, values }.describe();
        }
        if let Some(kind) = self.skipped {
            return format!("bytes left out: {}", KIND.write(&kind));
        }
        match self.acknowledge {
            Some(number) => What::Acknowledge { number }.describe(),
            None if self.heartbeat => What::Heartbeat.describe(),
            None => What::Close.describe(),
        }
    }
}

impl What {
    /// For a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Identify { client_id } => format!("is the client {}", hex::show(client_id)),
            Self::Connect {
                client_id,
                username,
                password,
                keepalive_s,
            } => {
                let mut text = format!("connect as {}", hex::show(client_id));
                for (word, value) in [("username", username), ("password", password)] {
                    if let Some(value) = value {
                        let _ = write!(text, ", {word} {}", hex::show(value));
                    }
                }
                if *keepalive_s > 0 {
                    let _ = write!(text, ", keepalive {keepalive_s}s");
                }
                text
            }
            Self::Publish { payload, values } => {
                let text = match serde_json::from_slice::<Json>(payload) {
                    Ok(json) if json.is_object() => json.to_string(),
                    Ok(_) | Err(_) => hex::show(payload),
                };
                match values.as_slice() {
                    [] => format!("publish {text}"),
                    values => format!("publish {text}, values {values:?}"),
                }
            }
            Self::Heartbeat => "heartbeat".to_owned(),
            Self::Acknowledge { number } => format!("acknowledge {number}"),
            Self::Close => "close".to_owned(),
            Self::Nothing => "nothing to do".to_owned(),
            Self::Skipped(why) => format!("left out: {}", unreadable(why)),
            Self::Unreadable(why) => unreadable(why),
        }
    }
}

/// `"checksum": ... (offset 5)`
fn unreadable(why: &Unreadable) -> String {
    let kind: &Kind = &why.kind;
    format!("{}: {why}", KIND.write(kind))
}
