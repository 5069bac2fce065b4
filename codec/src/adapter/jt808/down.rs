//! JSON that is published for a device as the body of a message, by the layouts of `messages`.
//!
//! Nothing is guessed: a member that is missing, of another kind or out of range makes the whole message undeliverable, and
//! the text says which member it is. Lengths are counted here; what JSON says of them is only compared where it numbers
//! the elements of a list.

use super::TextEncoding;
use super::frame::Party;
use super::layout::{Part, Width};
use super::{messages, parameters, text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::borrow::Cow;

/// What is wrong with a member.
#[derive(Debug)]
pub(super) struct Fault {
    path: String,
    what: String,
}

impl Fault {
    pub(super) fn new(member: &str, what: impl Into<String>) -> Self {
        Self {
            path: member.to_owned(),
            what: what.into(),
        }
    }

    /// The fault as seen from the object or list that it is in.
    fn below(mut self, parent: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        self.path = format!("{parent}{separator}{}", self.path);
        self
    }

    pub(super) fn text(&self) -> String {
        format!("{} {}", self.path, self.what)
    }
}

/// The id of the message that `payload` is, whose body is appended to `body`.
pub(super) fn read(
    payload: &[u8],
    party: Party,
    texts: TextEncoding,
    body: &mut Vec<u8>,
) -> Result<u16, Fault> {
    let message: Value = serde_json::from_slice(payload)
        .map_err(|error| Fault::new("payload", format!("is no JSON: {error}")))?;
    let header = message.get("header").unwrap_or(&Value::Null);
    let mut writer = Writer { out: body, texts };
    let id = writer.number(header, "msg_id", Width::Word, None);
    let id = id.map_err(|fault| fault.below("header"))? as u16;
    let empty = Value::Object(serde_json::Map::new());
    let members = message.get("body").unwrap_or(&empty);
    let is_raw = members.get("unknown_id") == Some(&Value::Bool(true));
    match messages::down(id, party.is_2019()) {
        Some(layout) if !is_raw => writer.members(layout, members),
        Some(_) => writer.raw(members),
        None if members.get("data").is_some() => writer.raw(members),
        None => {
            let what = format!(
                "{id} is no known message for a device; its bytes may be given in base64 as body.data"
            );
            return Err(Fault::new("header.msg_id", what));
        }
    }
    .map_err(|fault| fault.below("body"))?;
    Ok(id)
}

/// A body that grows.
pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    texts: TextEncoding,
}

impl Writer<'_> {
    fn raw(&mut self, object: &Value) -> Result<(), Fault> {
        let bytes = self.base64(object, "data")?;
        self.append(&bytes);
        Ok(())
    }

    fn members(&mut self, layout: &[Part], object: &Value) -> Result<(), Fault> {
        layout.iter().try_for_each(|part| self.member(*part, object))
    }

    fn member(&mut self, part: Part, object: &Value) -> Result<(), Fault> {
        match part {
            Part::Number(width, name) => {
                let number = self.number(object, name, width, None)?;
                self.put(number, width);
            }
            Part::NumberOr(width, name, default) => {
                let number = self.number(object, name, width, Some(default))?;
                self.put(number, width);
            }
            Part::Bcd(bytes, name) => self.bcd(object, name, bytes)?,
            Part::Fixed(bytes, name) => self.fixed(object, name, bytes)?,
            Part::Text(name) => {
                let text = self.text(object, name)?;
                self.append(&text);
            }
            Part::Sized(width, name) => self.sized_text(object, name, width)?,
            Part::SizedOr(width, name) if object.get(name).is_none() => self.put(0, width),
            Part::SizedOr(width, name) => self.sized_text(object, name, width)?,
            Part::SizedData(width, name) => {
                let bytes = self.base64(object, name)?;
                self.sized(name, &bytes, width)?;
            }
            Part::Data(name) => {
                let bytes = self.base64(object, name)?;
                self.append(&bytes);
            }
            Part::Bytes(size, name) => {
                let bytes = self.base64(object, name)?;
                if bytes.len() != size {
                    return Err(Fault::new(
                        name,
                        format!("is {} bytes, and must be {size}", bytes.len()),
                    ));
                }
                self.append(&bytes);
            }
            Part::Count(width, name, list) => self.count(object, width, name, list)?,
            Part::List(name, parts) | Part::ListToEnd(name, parts) => {
                self.each(object, name, |writer, element| writer.members(parts, element))?;
            }
            Part::Numbers(width, name) => self.each(object, name, |writer, element| {
                let number = whole_number(element, width).map_err(|what| Fault::new("", what))?;
                writer.put(number, width);
                Ok(())
            })?,
            Part::If(name, parts) => {
                if object.get(name).is_some() {
                    self.members(parts, object)?;
                }
            }
            Part::Parameters(name) => self.each(object, name, parameters::write)?,
            Part::Control(name) => self.control(object, name)?,
            Part::Position(_)
            | Part::OwnPosition
            | Part::ShortPosition(_)
            | Part::SizedPosition
            | Part::CanId => {
                unreachable!("only a device sends it")
            }
        }
        Ok(())
    }

    /// Appends a number that fits.
    pub(super) fn put(&mut self, number: u32, width: Width) {
        self.out
            .extend_from_slice(&number.to_be_bytes()[4 - width.bytes()..]);
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The number that a member is.
    pub(super) fn number(
        &self,
        object: &Value,
        name: &str,
        width: Width,
        default: Option<u32>,
    ) -> Result<u32, Fault> {
        match (object.get(name), default) {
            (None, Some(default)) => Ok(default),
            (value, _) => {
                let value = value.ok_or_else(|| missing(name))?;
                whole_number(value, width).map_err(|what| Fault::new(name, what))
            }
        }
    }

    fn string<'v>(&self, object: &'v Value, name: &str) -> Result<&'v str, Fault> {
        let value = object.get(name).ok_or_else(|| missing(name))?;
        value.as_str().ok_or_else(|| Fault::new(name, "must be a text"))
    }

    fn text<'v>(&self, object: &'v Value, name: &str) -> Result<Cow<'v, [u8]>, Fault> {
        let text = self.string(object, name)?;
        let bytes = self.texts.encode(text);
        bytes.ok_or_else(|| Fault::new(name, "has a character that GBK does not have"))
    }

    pub(super) fn base64(&self, object: &Value, name: &str) -> Result<Vec<u8>, Fault> {
        let text = self.string(object, name)?;
        STANDARD
            .decode(text)
            .map_err(|error| Fault::new(name, format!("must be base64: {error}")))
    }

    pub(super) fn sized_text(&mut self, object: &Value, name: &str, width: Width) -> Result<(), Fault> {
        let text = self.text(object, name)?;
        self.sized(name, &text, width)
    }

    fn sized(&mut self, name: &str, bytes: &[u8], width: Width) -> Result<(), Fault> {
        let most = width.max();
        let size = u32::try_from(bytes.len()).ok().filter(|size| *size <= most);
        let size =
            size.ok_or_else(|| Fault::new(name, format!("is {} bytes, and may be {most}", bytes.len())))?;
        self.put(size, width);
        self.append(bytes);
        Ok(())
    }

    fn bcd(&mut self, object: &Value, name: &str, bytes: usize) -> Result<(), Fault> {
        let digits = self.string(object, name)?;
        match text::bcd(digits, bytes, self.out) {
            true => Ok(()),
            false => Err(Fault::new(name, format!("must be up to {} digits", 2 * bytes))),
        }
    }

    fn fixed(&mut self, object: &Value, name: &str, bytes: usize) -> Result<(), Fault> {
        let text = self.text(object, name)?;
        if text.len() > bytes {
            return Err(Fault::new(
                name,
                format!("is {} bytes, and may be {bytes}", text.len()),
            ));
        }
        self.append(&text);
        self.out.resize(self.out.len() + bytes - text.len(), 0);
        Ok(())
    }

    /// The number of a list's elements; JSON need not say it, and must not say another.
    fn count(&mut self, object: &Value, width: Width, name: &str, list: &str) -> Result<(), Fault> {
        let elements = elements(object, list)?.len();
        let said = self.number(object, name, width, Some(0))?;
        if object.get(name).is_some() && u64::from(said) != elements as u64 {
            return Err(Fault::new(name, format!("is {said}, and {list} has {elements}")));
        }
        let most = width.max();
        let count = u32::try_from(elements).ok().filter(|count| *count <= most);
        let count =
            count.ok_or_else(|| Fault::new(list, format!("has {elements} elements, and may have {most}")))?;
        self.put(count, width);
        Ok(())
    }

    fn each(
        &mut self,
        object: &Value,
        name: &str,
        mut write: impl FnMut(&mut Self, &Value) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for (at, element) in elements(object, name)?.iter().enumerate() {
            write(self, element).map_err(|fault| fault.below(&format!("{name}[{at}]")))?;
        }
        Ok(())
    }

    fn control(&mut self, object: &Value, name: &str) -> Result<(), Fault> {
        match object.get(name) {
            Some(Value::String(_)) => {
                let text = self.text(object, name)?;
                self.append(&text);
            }
            _ => {
                let number = self.number(object, name, Width::Byte, None)?;
                self.put(number, Width::Byte);
            }
        }
        Ok(())
    }
}

fn missing(name: &str) -> Fault {
    Fault::new(name, "is missing")
}

/// The elements of a list. One that is missing has none when JSON says that its length is 0.
fn elements<'v>(object: &'v Value, name: &str) -> Result<&'v [Value], Fault> {
    match object.get(name) {
        Some(Value::Array(elements)) => Ok(elements),
        Some(_) => Err(Fault::new(name, "must be a list")),
        None if ["length", "count"]
            .iter()
            .any(|length| object.get(length) == Some(&Value::from(0))) =>
        {
            Ok(&[])
        }
        None => Err(missing(name)),
    }
}

fn whole_number(value: &Value, width: Width) -> Result<u32, String> {
    let most = width.max();
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| *number <= most).ok_or_else(|| {
        let is = match value {
            Value::Number(number) => number.to_string(),
            Value::Null => "null".to_owned(),
            Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                "something else".to_owned()
            }
        };
        format!("must be a whole number up to {most}, and is {is}")
    })
}
