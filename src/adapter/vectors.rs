//! A file of vectors: connections, and in each one step after another of bytes in, events, bytes out, messages down.
//!
//! `NAME.vectors.toml` stands beside the description `NAME.toml`. Read with the forms of the configuration, so that a
//! mistake in it is shown with line and caret. What is not said in a step must not happen: a step without `events` has
//! none, one without `out` writes nothing.

use super::catalogue::Unusable;
use super::hex::Hex;
use super::line::Caller;
use crate::config::adapters::Adapter;
use crate::config::form::{
    Address, Checked, Flag, Form, List, Table, Text, Value, Word, Wrong, milliseconds, number, seconds,
};
use crate::config::mistake::{Mistake, render};
use crate::config::section::{self, section};
use crate::config::source::Source;
use crate::config::walk::not_toml;
use ringwire_codec::adapter::{Cause, Kind};
use serde_json::Value as Json;
use std::net::SocketAddr;
use toml::de::{DeTable, DeValue};

/// A whole file.
#[derive(Debug, Default)]
pub struct Vectors {
    pub file: Option<String>,
    pub builtin: Option<String>,
    pub adapter: Option<Adapter>,
    pub connections: Vec<Connection>,
}

section!(Vectors {
    file => file: Given(Text), "The description, from this file's folder. Without it: NAME.toml of NAME.vectors.toml.";
    builtin => builtin: Given(Text), "Instead of a description, what is built in or shipped under this name.";
    adapter => adapter: Given(Checked(Table(Adapter::default), is_built_in)), "The same with its keys, as `[adapter.NAME]` has them.";
    connection => connections: List(Checked(Table(Connection::default), has_steps)), "A connection of a device.";
});

/// The vectors of a file, or all mistakes in it.
pub fn read(source: &Source, colour: bool) -> Result<Vectors, Unusable> {
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let mut wrong: Vec<_> = errors
        .iter()
        .map(|error| not_toml(error, source.text.len()))
        .collect();
    let mut vectors = Vectors::default();
    for (key, value) in root.get_ref().iter() {
        section::set(&mut vectors, key, value, &mut wrong);
    }
    if wrong.is_empty() {
        return Ok(vectors);
    }
    let mistakes: Vec<_> = wrong.into_iter().map(|wrong| Mistake::within(0, wrong)).collect();
    let sources = std::slice::from_ref(source);
    Err(Unusable::Mistakes(render(&mistakes, sources, colour, "vectors")))
}

/// `[[connection]]`
#[derive(Debug, Default)]
pub struct Connection {
    pub name: String,
    pub source: String,
    pub peer: Option<SocketAddr>,
    pub certificate: Option<String>,
    pub fields: Vec<String>,
    pub steps: Vec<Step>,
}

section!(Connection {
    name => name: Text, "What it shows.";
    source => source: Text, "Where its bytes are from.";
    peer => peer: Given(Address), "The device's address.";
    certificate => certificate: Given(Text), "The common name of the device's certificate.";
    fields => fields: List(Text), "Fields that the listener's up topic has in braces; `values` of a publish are theirs.";
    step => steps: List(Checked(Table(Step::default), has_input)), "What happens, in order.";
});

impl Connection {
    /// Who calls.
    pub fn caller(&self) -> Caller {
        let plain = Caller::plain();
        Caller {
            address: self.peer.unwrap_or(plain.address),
            certificate: self.certificate.clone(),
        }
    }
}

/// `[[connection.step]]`
#[derive(Debug, Default)]
pub struct Step {
    pub input: Option<Vec<u8>>,
    pub input_text: Option<String>,
    pub down: Option<Payload>,
    pub down_hex: Option<Vec<u8>>,
    pub topic: String,
    pub number: u16,
    pub again: bool,
    pub after_ms: u64,
    pub refuse: Option<Cause>,
    pub deny: bool,
    pub events: Vec<Expected>,
    pub out: Option<Vec<u8>>,
    pub out_text: Option<String>,
    pub error: Option<Kind>,
    pub offset: Option<usize>,
    pub reason: Option<String>,
    pub undeliverable: Option<String>,
}

section!(Step {
    in => input: Given(Hex), "Bytes of the device.";
    in_text => input_text: Given(Text), "Bytes of the device, as text.";
    down => down: Given(Content), "A message for the device: text, or a table that is sent as JSON.";
    down_hex => down_hex: Given(Hex), "A message for the device.";
    topic => topic: Text, "The topic of that message.";
    number => number: number(0..=65_535), "The number by which it is acknowledged; 0: it is not.";
    again => again: Flag, "It was sent before.";
    after => after_ms: milliseconds(0..=86_400_000), "So much time went by before it.";
    refuse => refuse: Given(CAUSE), "The broker does not let the device in.";
    deny => deny: Flag, "The broker's rules forbid what the device publishes.";
    events => events: List(Happening), "What the adapter must report.";
    out => out: Given(Hex), "What the device must get.";
    out_text => out_text: Given(Text), "What the device must get, as text.";
    error => error: Given(KIND), "The bytes cannot be read, and the connection is closed with this reason.";
    offset => offset: Given(number(0..=1 << 32)), "Where, in bytes from the front of what cannot be read.";
    reason => reason: Given(Text), "Words that the explanation must have.";
    undeliverable => undeliverable: Given(Text), "The message cannot be delivered; words that the explanation must have.";
});

impl Step {
    /// What the device sends; `None`: the step is a message for it.
    pub fn bytes(&self) -> Option<&[u8]> {
        let text = self.input_text.as_deref().map(str::as_bytes);
        self.input.as_deref().or(text)
    }

    /// The message's payload.
    pub fn payload(&self) -> Vec<u8> {
        let written = self.down.as_ref().map(Payload::bytes);
        written.or_else(|| self.down_hex.clone()).unwrap_or_default()
    }

    /// What the device must get.
    pub fn output(&self) -> &[u8] {
        let text = self.out_text.as_deref().map(str::as_bytes);
        self.out.as_deref().or(text).unwrap_or_default()
    }
}

/// What an adapter must report.
#[derive(Debug, Default)]
pub struct Expected {
    pub connect: Option<String>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub keepalive_s: u16,
    pub publish: Option<Payload>,
    pub publish_hex: Option<Vec<u8>>,
    pub values: Vec<String>,
    pub acknowledge: Option<u16>,
    pub skipped: Option<Kind>,
    pub heartbeat: bool,
    pub close: bool,
}

section!(Expected {
    connect => connect: Given(Text), "It wants to be let in, with this client id.";
    username => username: Given(Text), "With `connect`.";
    password => password: Given(Text), "With `connect`.";
    keepalive => keepalive_s: seconds(0..=65_535), "With `connect`: what it asks for.";
    publish => publish: Given(Content), "It publishes: text, or a table that is compared with JSON.";
    publish_hex => publish_hex: Given(Hex), "It publishes these bytes.";
    values => values: List(Text), "With `publish`: the values of `fields`.";
    acknowledge => acknowledge: Given(number(1..=65_535)), "It has the message with this number.";
    skipped => skipped: Given(KIND), "Bytes are left out for this reason.";
    heartbeat => heartbeat: Flag, "It is alive; also as the word \"heartbeat\".";
    close => close: Flag, "It goes; also as the word \"close\".";
});

/// A payload as it is written here.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    Text(String),
    Json(Json),
}

impl Payload {
    /// As it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Json(json) => json.to_string().into_bytes(),
        }
    }
}

const CAUSE: Word<Cause> = Word(&[
    ("\"client_id\"", Cause::ClientId),
    ("\"credentials\"", Cause::Credentials),
    ("\"banned\"", Cause::Banned),
    ("\"full\"", Cause::Full),
]);

/// Kinds of errors by the words of the counters.
pub const KIND: Word<Kind> = Word(&[
    ("\"not_connected\"", Kind::NotConnected),
    ("\"already_connected\"", Kind::AlreadyConnected),
    ("\"illegal\"", Kind::Illegal),
    ("\"malformed\"", Kind::Malformed),
    ("\"checksum\"", Kind::Checksum),
    ("\"too_large\"", Kind::TooLarge),
    ("\"version\"", Kind::Version),
    ("\"credentials\"", Kind::Credentials),
    ("\"failed\"", Kind::Failed),
]);

fn is_built_in(adapter: &Adapter) -> Result<(), String> {
    adapter.alone().map(|_| ())
}

fn has_steps(connection: &Connection) -> Result<(), String> {
    if connection.steps.is_empty() {
        return Err("a connection needs [[connection.step]]".to_owned());
    }
    Ok(())
}

fn has_input(step: &Step) -> Result<(), String> {
    let given = [
        step.input.is_some(),
        step.input_text.is_some(),
        step.down.is_some(),
        step.down_hex.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err("a step has one of `in`, `in_text`, `down` and `down_hex`".to_owned());
    }
    if step.out.is_some() && step.out_text.is_some() {
        return Err("`out` and `out_text` say the same: use one".to_owned());
    }
    Ok(())
}

fn one_thing(expected: &Expected) -> Result<(), String> {
    let given = [
        expected.connect.is_some(),
        expected.publish.is_some(),
        expected.publish_hex.is_some(),
        expected.acknowledge.is_some(),
        expected.skipped.is_some(),
        expected.heartbeat,
        expected.close,
    ];
    if given.into_iter().filter(|given| *given).count() == 1 {
        return Ok(());
    }
    Err(
        "an event is one of connect, publish, publish_hex, acknowledge, skipped, heartbeat and close"
            .to_owned(),
    )
}

/// A key that need not be there.
pub struct Given<F>(pub F);

impl<T, F: Form<T>> Form<Option<T>> for Given<F> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Option<T>> {
        self.0.read(value, wrong).map(Some)
    }

    fn write(&self, value: &Option<T>) -> String {
        value
            .as_ref()
            .map_or_else(String::new, |value| self.0.write(value))
    }

    fn expects(&self) -> String {
        self.0.expects()
    }
}

/// An event: a word, or a table.
struct Happening;

impl Form<Expected> for Happening {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Expected> {
        match value.get_ref().as_str() {
            Some("heartbeat") => Some(Expected {
                heartbeat: true,
                ..Expected::default()
            }),
            Some("close") => Some(Expected {
                close: true,
                ..Expected::default()
            }),
            Some(_) => {
                wrong.push(Wrong::value(value, format!("expected {}", self.expects())));
                None
            }
            None => Checked(Table(Expected::default), one_thing).read(value, wrong),
        }
    }

    fn write(&self, value: &Expected) -> String {
        Table(Expected::default).write(value)
    }

    fn expects(&self) -> String {
        "\"heartbeat\", \"close\" or a table such as { connect = \"ID\" }, { publish = { speed = 1 } }"
            .to_owned()
    }
}

/// A payload: text, or a table that stands for JSON.
struct Content;

impl Form<Payload> for Content {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Payload> {
        if let Some(text) = value.get_ref().as_str() {
            return Some(Payload::Text(text.to_owned()));
        }
        let read = json(value.get_ref());
        if read.is_none() {
            wrong.push(Wrong::value(value, format!("expected {}", self.expects())));
        }
        read.map(Payload::Json)
    }

    fn write(&self, value: &Payload) -> String {
        match value {
            Payload::Text(text) => crate::config::form::quote(text),
            Payload::Json(json) => json.to_string(),
        }
    }

    fn expects(&self) -> String {
        "text, or a table that stands for JSON".to_owned()
    }
}

/// TOML as JSON; `None` for dates and for numbers that JSON has not.
fn json(value: &DeValue<'_>) -> Option<Json> {
    Some(match value {
        DeValue::String(text) => Json::String(text.to_string()),
        DeValue::Boolean(flag) => Json::Bool(*flag),
        DeValue::Integer(digits) => {
            let number = i128::from_str_radix(digits.as_str(), digits.radix()).ok()?;
            Json::Number(serde_json::Number::from_i128(number)?)
        }
        DeValue::Float(digits) => Json::Number(serde_json::Number::from_f64(digits.as_str().parse().ok()?)?),
        DeValue::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| json(item.get_ref())).collect();
            Json::Array(items?)
        }
        DeValue::Table(table) => {
            let rows = table.iter();
            let rows: Option<_> = rows
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect();
            Json::Object(rows?)
        }
        DeValue::Datetime(_) => return None,
    })
}
