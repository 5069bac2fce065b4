//! Forms: how a value is written in TOML, what it may be, and what to say when it is something else.
//!
//! A key of the schema names one form; the form reads the value from the spanned tree, writes the default into the
//! example file and describes the range. A form never stops at the first mistake: it reports and returns `None`.

use super::number::Number;
use super::section::{self, Section};
use std::borrow::Borrow;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::DeValue;

/// A value of the tree with its place in the text.
pub type Value<'a> = Spanned<DeValue<'a>>;

/// A mistake within one text; the walk adds which text.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    pub span: std::ops::Range<usize>,
    pub title: String,
    pub label: String,
    pub help: Option<String>,
}

/// Title of what forms report; the walk adds the key.
pub const WRONG_VALUE: &str = "wrong value";

impl Wrong {
    /// A value that is not what its key takes.
    pub fn value(value: &Value<'_>, label: impl Into<String>) -> Self {
        Self {
            span: value.span(),
            title: WRONG_VALUE.to_owned(),
            label: label.into(),
            help: None,
        }
    }
}

/// See the module.
pub trait Form<T> {
    /// The value, or `None` after a report in `wrong`.
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T>;
    /// As TOML.
    fn write(&self, value: &T) -> String;
    /// What it may be, for people.
    fn expects(&self) -> String;
}

fn expected<T>(form: &impl Form<T>, value: &Value<'_>, wrong: &mut Vec<Wrong>) {
    wrong.push(Wrong::value(value, format!("expected {}", form.expects())));
}

/// `text` as a TOML string.
pub fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// `true` or `false`.
pub struct Flag;

impl Form<bool> for Flag {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<bool> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &bool) -> String {
        value.to_string()
    }

    fn expects(&self) -> String {
        "true or false".to_owned()
    }
}

/// Any text, in quotes.
pub struct Text;

impl Form<String> for Text {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<String> {
        let read = value.get_ref().as_str().map(str::to_owned);
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &String) -> String {
        quote(value)
    }

    fn expects(&self) -> String {
        "text in quotes".to_owned()
    }
}

/// Text that names a file or a directory.
pub struct Path;

impl Form<PathBuf> for Path {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<PathBuf> {
        match value.get_ref().as_str() {
            Some(text) if !text.is_empty() => Some(text.into()),
            Some(_) | None => {
                expected(self, value, wrong);
                None
            }
        }
    }

    fn write(&self, value: &PathBuf) -> String {
        quote(&value.to_string_lossy())
    }

    fn expects(&self) -> String {
        "a path in quotes".to_owned()
    }
}

/// An IP address and a port.
pub struct Address;

impl Form<SocketAddr> for Address {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<SocketAddr> {
        let read = value.get_ref().as_str().and_then(|text| text.parse().ok());
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &SocketAddr) -> String {
        quote(&value.to_string())
    }

    fn expects(&self) -> String {
        "an IP address and a port, like \"127.0.0.1:1883\" or \"[::]:1883\"".to_owned()
    }
}

/// One of a few words (or numbers, for QoS), each for a value of our own.
pub struct Word<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Clone + PartialEq> Form<T> for Word<T> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let (Self(rows), quoted) = (self, value.get_ref().as_str().map(quote));
        let written = quoted.or_else(|| value.get_ref().as_integer().map(ToString::to_string));
        let row = rows.iter().find(|(word, _)| Some(*word) == written.as_deref());
        if row.is_none() {
            expected(self, value, wrong);
        }
        row.map(|(_, read)| read.clone())
    }

    fn write(&self, value: &T) -> String {
        let row = self.0.iter().find(|(_, known)| known == value);
        row.map_or("", |(word, _)| word).to_owned()
    }

    fn expects(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| *word).collect();
        words.join(" or ")
    }
}

/// CPU numbers: `3`, `"0,2-5"` or `[0, 2, 3]`.
pub struct Cpus;

impl Form<Vec<usize>> for Cpus {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Vec<usize>> {
        let one = |value: &Value<'_>| value.get_ref().as_integer()?.as_str().parse().ok();
        let read = match value.get_ref() {
            DeValue::String(text) => crate::cores::parse(text),
            DeValue::Array(items) => items.iter().map(one).collect(),
            DeValue::Integer(_) => one(value).map(|cpu| vec![cpu]),
            DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
        };
        let read = read.filter(|cpus: &Vec<usize>| !cpus.is_empty());
        if read.is_none() {
            expected(self, value, wrong);
        }
        read
    }

    fn write(&self, value: &Vec<usize>) -> String {
        quote(&crate::cores::write(value))
    }

    fn expects(&self) -> String {
        "CPU numbers, like \"0,2-5\" or [0, 2, 3]".to_owned()
    }
}

/// A word that stands for "none", or another form.
pub struct Or<F>(pub &'static str, pub F);

impl<T, F: Form<T>> Form<Option<T>> for Or<F> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Option<T>> {
        if value.get_ref().as_str() == Some(self.0) {
            return Some(None);
        }
        let before = wrong.len();
        let read = self.1.read(value, wrong);
        if read.is_none() && wrong[before..].iter().any(|wrong| wrong.span == value.span()) {
            wrong.truncate(before);
            expected(self, value, wrong);
        }
        read.map(Some)
    }

    fn write(&self, value: &Option<T>) -> String {
        value
            .as_ref()
            .map_or_else(|| quote(self.0), |value| self.1.write(value))
    }

    fn expects(&self) -> String {
        format!("\"{}\", or {}", self.0, self.1.expects())
    }
}

/// Another form and a condition on its value: `Err` says what is wrong with it.
pub struct Checked<F, B: ?Sized>(pub F, pub fn(&B) -> Result<(), String>);

impl<T: Borrow<B>, B: ?Sized, F: Form<T>> Form<T> for Checked<F, B> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let read = self.0.read(value, wrong)?;
        if let Err(label) = (self.1)(read.borrow()) {
            wrong.push(Wrong::value(value, label));
            return None;
        }
        Some(read)
    }

    fn write(&self, value: &T) -> String {
        self.0.write(value)
    }

    fn expects(&self) -> String {
        self.0.expects()
    }
}

/// An array; every item is looked at, also after a wrong one.
pub struct List<F>(pub F);

impl<T, F: Form<T>> Form<Vec<T>> for List<F> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Vec<T>> {
        let Some(items) = value.get_ref().as_array() else {
            expected(self, value, wrong);
            return None;
        };
        let read: Vec<_> = items.iter().map(|item| self.0.read(item, wrong)).collect();
        read.into_iter().collect()
    }

    fn write(&self, value: &Vec<T>) -> String {
        let items: Vec<_> = value.iter().map(|item| self.0.write(item)).collect();
        format!("[{}]", items.join(", "))
    }

    fn expects(&self) -> String {
        format!("a list of: {}", self.0.expects())
    }
}

/// A table with keys of its own, made from an empty one.
pub struct Table<T>(pub fn() -> T);

impl<T: Section> Form<T> for Table<T> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let Some(table) = value.get_ref().as_table() else {
            expected(self, value, wrong);
            return None;
        };
        let (mut read, before) = ((self.0)(), wrong.len());
        for (key, value) in table.iter() {
            section::set(&mut read, key, value, wrong);
        }
        (wrong.len() == before).then_some(read)
    }

    fn write(&self, value: &T) -> String {
        let keys: Vec<_> = value
            .keys()
            .iter()
            .map(|key| format!("{} = {}", key.name, key.value))
            .collect();
        format!("{{ {} }}", keys.join(", "))
    }

    fn expects(&self) -> String {
        let keys: Vec<_> = (self.0)()
            .keys()
            .iter()
            .map(|key| format!("{} = {}", key.name, key.expects))
            .collect();
        format!("{{ {} }}", keys.join(", "))
    }
}

/// A whole number in `range`.
pub fn number(range: RangeInclusive<u64>) -> Number {
    Number::plain(range)
}

/// A power of two in `range`.
pub fn power_of_two(range: RangeInclusive<u64>) -> Number {
    Number::power_of_two(range)
}

/// Bytes, as a number or like `"1MB"`.
pub fn size(range: RangeInclusive<u64>) -> Number {
    Number::size(range)
}

/// A duration like `"15s"`, kept in milliseconds.
pub fn milliseconds(range: RangeInclusive<u64>) -> Number {
    Number::time(1_000, range)
}

/// A duration kept in seconds.
pub fn seconds(range: RangeInclusive<u64>) -> Number {
    Number::time(1_000_000, range)
}

/// A duration kept in microseconds.
pub fn microseconds(range: RangeInclusive<u64>) -> Number {
    Number::time(1, range)
}
