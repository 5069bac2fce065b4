//! Templates: what is written, with values in braces.
//!
//! `{name}` is a field of the message, `{.name}` a member of the JSON object that is sent down, `{$payload}` what is sent
//! down otherwise, `{$sequence}` the next number of the connection, `{$client}` the client id, `{$refusal}` why a device is
//! not let in, for a person, `{$code}` the same for the device. `{name:u16le}` writes it in that format, `{name:text:17}` padded to 17 bytes, `{#name:u8}` how
//! many bytes it has, `{#name+4:u8}` four more. Without a format a hex template takes a field's bytes as they came, a text template its text.

use super::format::{Endian, Format};

/// What is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// One after another.
    pub pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// Something in braces.
    Value {
        /// Whose value.
        source: Source,
        /// How it is written.
        form: Form,
    },
    /// How many bytes a value has, as an integer.
    Size {
        /// Whose.
        source: Source,
        /// Of the value.
        form: Form,
        /// How the number is written.
        number: Format,
        /// Added to it, for sizes that count what stands around the value.
        more: u16,
    },
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the message that is answered.
    Field(String),
    /// A member of the JSON object.
    Member(String),
    /// The payload that is sent down; of hex, the bytes that it means.
    Payload,
    /// A number that no other frame to this device had lately.
    Sequence,
    /// The client id.
    Client,
    /// Why a device is not let in.
    Refusal,
    /// The same as the protocol calls it.
    Code,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it came.
    Bytes,
    /// As text.
    Text,
    /// In this format.
    As {
        /// The format.
        format: Format,
        /// Bytes, for formats without a width of their own: shorter values are padded (text: NUL at the end; BCD and hex:
        /// zeros at the front), longer ones cannot be written. `None`: as many as it takes.
        width: Option<usize>,
    },
}

/// A template that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct TemplateError {
    /// Where, in bytes of the text.
    pub at: std::ops::Range<usize>,
    /// What is wrong, and what to do.
    pub what: String,
}

/// In what the literal parts of a template are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literals {
    Text,
    Hex,
}

impl Template {
    /// Reads a template whose literal parts are text; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn text(text: &str, endian: Endian) -> Result<Self, TemplateError> {
        parse(text, Literals::Text, endian)
    }

    /// Reads a template whose literal parts are hex digits, with spaces as one likes.
    ///
    /// # Errors
    /// What is wrong and where.
    pub fn hex(text: &str, endian: Endian) -> Result<Self, TemplateError> {
        parse(text, Literals::Hex, endian)
    }
}

fn parse(text: &str, literals: Literals, endian: Endian) -> Result<Template, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let doubled = literals == Literals::Text && (rest.starts_with("{{") || rest.starts_with("}}"));
        if doubled {
            push_literal(&mut pieces, &rest.as_bytes()[..1]);
            at += 2;
        } else if rest.starts_with('{') {
            let Some(end) = rest.find('}') else {
                return Err(error(at..text.len(), "this brace is not closed"));
            };
            let inside = at + 1..at + end;
            pieces.push(piece(text, inside, literals, endian)?);
            at += end + 1;
        } else if rest.starts_with('}') {
            let what = "a closing brace without an opening one; text has a brace as `}}`";
            return Err(error(at..at + 1, what));
        } else {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            match literals {
                Literals::Text => push_literal(&mut pieces, &rest.as_bytes()[..end]),
                Literals::Hex => push_literal(&mut pieces, &digits(text, at..at + end)?),
            }
            at += end;
        }
    }
    Ok(Template { pieces })
}

fn error(at: std::ops::Range<usize>, what: impl Into<String>) -> TemplateError {
    TemplateError {
        at,
        what: what.into(),
    }
}

fn push_literal(pieces: &mut Vec<Piece>, bytes: &[u8]) {
    if let Some(Piece::Literal(literal)) = pieces.last_mut() {
        literal.extend_from_slice(bytes);
    } else if !bytes.is_empty() {
        pieces.push(Piece::Literal(bytes.to_vec()));
    }
}

/// The bytes that hex digits between braces mean.
fn digits(text: &str, range: std::ops::Range<usize>) -> Result<Vec<u8>, TemplateError> {
    let mut bytes = Vec::new();
    let mut high = None;
    for (at, character) in text[range.clone()].char_indices() {
        let at = range.start + at;
        if character.is_whitespace() {
            continue;
        }
        let Some(digit) = character.to_digit(16) else {
            return Err(error(at..at + character.len_utf8(), "not a hex digit"));
        };
        let digit = u8::try_from(digit).expect("one of sixteen");
        match high.take() {
            None => high = Some((at, digit)),
            Some((_, high)) => bytes.push(high << 4 | digit),
        }
    }
    match high {
        Some((at, _)) => Err(error(at..at + 1, "half a byte: hex digits come in pairs")),
        None => Ok(bytes),
    }
}

/// What stands in one pair of braces.
fn piece(
    text: &str,
    inside: std::ops::Range<usize>,
    literals: Literals,
    endian: Endian,
) -> Result<Piece, TemplateError> {
    let whole = &text[inside.clone()];
    let (is_size, value) = match whole.strip_prefix('#') {
        Some(value) => (true, value),
        None => (false, whole),
    };
    let mut words = value.split(':').map(str::trim);
    let name = words.next().unwrap_or_default();
    let (name, more) = match name.split_once('+').filter(|_| is_size) {
        Some((name, more)) => {
            let more = more.trim().parse::<u16>();
            let what = "what is added to a size is 0 to 65535, such as `{#name+4:u8}`";
            (name.trim_end(), more.map_err(|_| error(inside.clone(), what))?)
        }
        None => (name, 0),
    };
    let format = match words.next() {
        Some(word) => Some(Format::parse(word, endian).ok_or_else(|| {
            error(inside.clone(), format!("`{word}` is no format; there are u8 to u64, i8 to i64, f32, f64, each with le or be behind it, bcd, hex, text, decimal, bytes"))
        })?),
        None => None,
    };
    let width = match words.next() {
        Some(word) => Some(width(word, format).ok_or_else(|| {
            error(
                inside.clone(),
                format!(
                    "`{word}` is no width: it is 1 to 65535, and only for formats that have none of their own"
                ),
            )
        })?),
        None => None,
    };
    if words.next().is_some() {
        return Err(error(
            inside,
            "too many colons: a value is written as `{name:format:width}`",
        ));
    }
    let source = source(name).ok_or_else(|| error(inside.clone(), format!("`{name}` is no value: there are fields, members such as `.name`, $payload, $sequence, $client, $refusal, $code")))?;
    if is_size {
        return size(
            source,
            format.filter(|format| width.is_none() && format.is_count()),
            (literals, more),
        )
        .ok_or_else(|| {
            error(
                inside,
                "a size is written as an integer without sign, such as `{#name:u16}`",
            )
        });
    }
    let form = match (format, literals) {
        (Some(format), _) => Form::As { format, width },
        (None, literals) => default_form(&source, literals),
    };
    if form == Form::Bytes && matches!(source, Source::Sequence | Source::Code | Source::Member(_)) {
        return Err(error(
            inside,
            format!("how is `{name}` written? Say it as `{{{name}:u16}}`"),
        ));
    }
    Ok(Piece::Value { source, form })
}

fn width(word: &str, format: Option<Format>) -> Option<usize> {
    let has_own = format.is_none_or(|format| format.width().is_some());
    let width = word.parse::<u16>().ok().map(usize::from);
    width.filter(|width| *width > 0 && !has_own)
}

fn default_form(source: &Source, literals: Literals) -> Form {
    match (source, literals) {
        (Source::Payload | Source::Client | Source::Refusal, _) | (_, Literals::Hex) => Form::Bytes,
        (Source::Field(_) | Source::Member(_) | Source::Sequence | Source::Code, Literals::Text) => {
            Form::Text
        }
    }
}

fn size(source: Source, number: Option<Format>, (literals, more): (Literals, u16)) -> Option<Piece> {
    let form = match default_form(&source, literals) {
        Form::Bytes if matches!(source, Source::Member(_) | Source::Code) => Form::Text,
        form => form,
    };
    number.map(|number| Piece::Size {
        source,
        form,
        number,
        more,
    })
}

fn source(name: &str) -> Option<Source> {
    match name.strip_prefix('$') {
        Some("payload") => Some(Source::Payload),
        Some("sequence") => Some(Source::Sequence),
        Some("client") => Some(Source::Client),
        Some("refusal") => Some(Source::Refusal),
        Some("code") => Some(Source::Code),
        Some(_) => None,
        None => match name.strip_prefix('.') {
            Some("") => None,
            Some(member) => Some(Source::Member(member.to_owned())),
            None if name.is_empty() => None,
            None => Some(Source::Field(name.to_owned())),
        },
    }
}
