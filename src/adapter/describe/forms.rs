//! Forms of values that only descriptions have: bytes, signed numbers, types of fields, tags of blocks.

use super::super::hex;
use crate::config::form::{Form, Value, Wrong, quote};
use ringwire_codec::adapter::described::description::{Bits, Literal};
use ringwire_codec::adapter::described::{Endian, Format};
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Reports what a form expects.
fn expected<T>(form: &impl Form<T>, value: &Value<'_>, wrong: &mut Vec<Wrong>) {
    wrong.push(Wrong::value(value, format!("expected {}", form.expects())));
}

/// An integer of the tree.
pub fn integer(value: &DeValue<'_>) -> Option<i128> {
    let digits = value.as_integer()?;
    i128::from_str_radix(digits.as_str(), digits.radix()).ok()
}

/// Bytes in a range of lengths: text, `0x` and hex digits, or a list of numbers.
pub struct Bytes(pub RangeInclusive<usize>);

impl Form<Vec<u8>> for Bytes {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Vec<u8>> {
        let read = match value.get_ref() {
            DeValue::String(text) if text.starts_with("0x") => hex::read(text).ok(),
            DeValue::String(text) => Some(text.as_bytes().to_vec()),
            DeValue::Integer(_) => one(value.get_ref()).map(|byte| vec![byte]),
            DeValue::Array(items) => items.iter().map(|item| one(item.get_ref())).collect(),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
        };
        let read = read.filter(|bytes: &Vec<u8>| self.0.contains(&bytes.len()));
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &Vec<u8>) -> String {
        quote(&format!("0x{}", hex::write(value).replace(' ', "")))
    }

    fn expects(&self) -> String {
        let size = match (self.0.start(), self.0.end()) {
            (1, 1) => "one byte".to_owned(),
            (from, to) if from == to => format!("{to} bytes"),
            (from, to) => format!("{from} to {to} bytes"),
        };
        format!("{size}, as text, or in hex as \"0x7e\"")
    }
}

fn one(value: &DeValue<'_>) -> Option<u8> {
    u8::try_from(integer(value)?).ok()
}

/// One byte.
pub struct Byte;

impl Form<u8> for Byte {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<u8> {
        Bytes(1..=1).read(value, wrong).map(|bytes| bytes[0])
    }

    fn write(&self, value: &u8) -> String {
        Bytes(1..=1).write(&vec![*value])
    }

    fn expects(&self) -> String {
        Bytes(1..=1).expects()
    }
}

/// A whole number that may be negative.
pub struct Whole(pub RangeInclusive<i64>);

impl<T: TryFrom<i64> + Copy + ToString> Form<T> for Whole {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let number = integer(value.get_ref()).and_then(|number| i64::try_from(number).ok());
        let number = number.filter(|number| self.0.contains(number));
        let read = number.and_then(|number| T::try_from(number).ok());
        if read.is_none() {
            let expects = <Self as Form<T>>::expects(self);
            wrong.push(Wrong::value(value, format!("expected {expects}")));
        }
        read
    }

    fn write(&self, value: &T) -> String {
        value.to_string()
    }

    fn expects(&self) -> String {
        format!("a number, {} to {}", self.0.start(), self.0.end())
    }
}

/// A number with or without a fraction.
pub struct Real;

impl Form<f64> for Real {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<f64> {
        let read = match value.get_ref() {
            DeValue::Integer(digits) => digits.as_str().parse().ok(),
            DeValue::Float(digits) => digits.as_str().parse().ok(),
            DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => None,
        };
        let read = read.filter(|number: &f64| number.is_finite());
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &f64) -> String {
        value.to_string()
    }

    fn expects(&self) -> String {
        "a number, such as 0.1".to_owned()
    }
}

/// The type of a field.
pub struct Type(pub Endian);

impl Form<Format> for Type {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Format> {
        let read = value
            .get_ref()
            .as_str()
            .and_then(|text| Format::parse(text, self.0));
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &Format) -> String {
        quote(&value.to_string())
    }

    fn expects(&self) -> String {
        "\"u8\" to \"u64\", \"i8\" to \"i64\", \"f32\", \"f64\", each with le or be behind it, or \"bcd\", \"hex\", \"text\", \
         \"decimal\", \"bytes\""
            .to_owned()
    }
}

/// `[FIRST, COUNT]`
pub struct BitsForm;

impl Form<Bits> for BitsForm {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Bits> {
        let items = value.get_ref().as_array();
        let numbers: Option<Vec<_>> =
            items.and_then(|items| items.iter().map(|item| one(item.get_ref())).collect());
        let read = match numbers.as_deref() {
            Some([first, count]) => Some(Bits {
                first: *first,
                count: *count,
            }),
            Some(_) | None => None,
        };
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &Bits) -> String {
        format!("[{}, {}]", value.first, value.count)
    }

    fn expects(&self) -> String {
        "[FIRST, COUNT], such as [0, 10] for the ten least significant bits".to_owned()
    }
}

/// A value to compare with.
pub struct LiteralForm;

impl Form<Literal> for LiteralForm {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Literal> {
        let text = value
            .get_ref()
            .as_str()
            .map(|text| Literal::Text(text.to_owned()));
        let read = text.or_else(|| integer(value.get_ref()).map(Literal::Number));
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &Literal) -> String {
        match value {
            Literal::Number(number) => number.to_string(),
            Literal::Text(text) => quote(text),
        }
    }

    fn expects(&self) -> String {
        "a number or text, a list of them, or { prefix = \"TEXT\" }".to_owned()
    }
}

/// A tag or a range of them: `1`, `"128-254"`, `[128, 254]`.
pub struct TagForm;

impl Form<(u64, u64)> for TagForm {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<(u64, u64)> {
        let unsigned = |value: &DeValue<'_>| u64::try_from(integer(value)?).ok();
        let read = match value.get_ref() {
            DeValue::Array(items) => match items.iter().collect::<Vec<_>>().as_slice() {
                [from, to] => unsigned(from.get_ref()).zip(unsigned(to.get_ref())),
                _ => None,
            },
            DeValue::String(text) => text.split_once('-').and_then(|(from, to)| {
                let number = |text: &str| match text.trim().strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16).ok(),
                    None => text.trim().parse().ok(),
                };
                number(from).zip(number(to))
            }),
            other => unsigned(other).map(|tag| (tag, tag)),
        };
        let read = read.filter(|(from, to)| from <= to);
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &(u64, u64)) -> String {
        match value {
            (from, to) if from == to => from.to_string(),
            (from, to) => quote(&format!("{from}-{to}")),
        }
    }

    fn expects(&self) -> String {
        "tags: a number such as 1 or 0x80, or a range such as \"128-254\"".to_owned()
    }
}
