//! Writes templates: answers, commands, client ids.

use super::format::{Endian, Format};
use super::plan::{Field, Piece, Source, push_unsigned};
use super::scale::Decimal;
use super::template::Form;
use super::value::{push_integer, push_undigits};
use super::walk::Span;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Where values come from.
pub(super) struct Values<'a> {
    /// Of the frame that is answered.
    pub body: &'a [u8],
    /// Where its fields are.
    pub slots: &'a [Span],
    /// What is sent down.
    pub payload: &'a [u8],
    /// The object that is sent down.
    pub members: Option<&'a Map<String, Value>>,
    /// The connection's next number.
    pub sequence: u32,
    /// The device's client id.
    pub client: &'a [u8],
    /// Why it is not let in.
    pub refusal: &'a str,
    /// The same as the protocol calls it.
    pub code: &'a str,
}

impl Values<'_> {
    /// Those of a frame.
    pub(super) fn of<'a>(body: &'a [u8], slots: &'a [Span], client: &'a [u8]) -> Values<'a> {
        Values {
            body,
            slots,
            payload: &[],
            members: None,
            sequence: 0,
            client,
            refusal: "",
            code: "",
        }
    }
}

/// A value cannot be written as the template says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(pub Cow<'static, str>);

/// Appends what the pieces say. After an error a part of it may be there.
pub(super) fn render(pieces: &[Piece], values: &Values<'_>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    for piece in pieces {
        match piece {
            Piece::Literal(bytes) => out.extend_from_slice(bytes),
            Piece::Value(source, form) => values.push(source, *form, out)?,
            Piece::Size(source, form, number, more) => {
                let mut value = Vec::new();
                values.push(source, *form, &mut value)?;
                push_number(value.len() as i128 + i128::from(*more), *number, out)?;
            }
        }
    }
    Ok(())
}

impl Values<'_> {
    fn push(&self, source: &Source, form: Form, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        match (source, form) {
            (Source::Field(field), Form::Bytes) => out.extend_from_slice(self.raw(field)),
            (Source::Field(field), Form::Text) => self.push_field(field, out),
            (Source::Field(field), Form::As { format, width }) => {
                if let Some(number) = field
                    .integer(self.raw(field))
                    .filter(|_| format.width().is_some())
                {
                    return push_number(number, format, out);
                }
                if format == Format::Bytes {
                    return push_padded(self.raw(field), format, width, out);
                }
                let mut text = Vec::new();
                self.push_field(field, &mut text);
                push_as(&text, format, width, out)?;
            }
            (Source::Sequence, Form::As { format, .. }) if format.width().is_some() => {
                push_number(i128::from(self.sequence), format, out)?;
            }
            (Source::Sequence, form) => {
                let mut text = Vec::new();
                push_integer(u128::from(self.sequence), &mut text);
                push_form(&text, form, out)?;
            }
            (Source::Member(name), form) => self.push_member(name, form, out)?,
            (Source::Payload, form) => push_form(self.payload, form, out)?,
            (Source::Client, form) => push_form(self.client, form, out)?,
            (Source::Code, form) => push_form(self.code.as_bytes(), form, out)?,
            (Source::Refusal, form) => push_form(self.refusal.as_bytes(), form, out)?,
        }
        Ok(())
    }

    fn raw(&self, field: &Field) -> &[u8] {
        let span = self.slots.get(field.slot).copied().unwrap_or(Span::ABSENT);
        span.of(self.body).unwrap_or_default()
    }

    fn push_field(&self, field: &Field, out: &mut Vec<u8>) {
        let span = self.slots.get(field.slot).copied().unwrap_or(Span::ABSENT);
        if let Some(raw) = span.of(self.body) {
            field.push_text(raw, false, out);
        }
    }

    fn push_member(&self, name: &str, form: Form, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let Some(value) = self.members.and_then(|members| members.get(name)) else {
            return Err(Unwritable(format!("there is no member `{name}`").into()));
        };
        let text: Cow<'_, str> = match value {
            Value::String(text) => text.into(),
            Value::Number(number) => {
                if let Form::As {
                    format: format @ Format::Float { .. },
                    ..
                } = form
                {
                    return push_float(number.as_f64().unwrap_or(f64::NAN), format, out);
                }
                number.to_string().into()
            }
            Value::Bool(flag) => {
                let is_number = matches!(
                    form,
                    Form::As {
                        format: Format::Integer { .. },
                        ..
                    }
                );
                let text = match (is_number, flag) {
                    (true, true) => "1",
                    (true, false) => "0",
                    (false, true) => "true",
                    (false, false) => "false",
                };
                text.into()
            }
            Value::Null | Value::Array(_) | Value::Object(_) => {
                let what = format!("the member `{name}` is no text, number or truth value");
                return Err(Unwritable(what.into()));
            }
        };
        push_form(text.as_bytes(), form, out)
            .map_err(|Unwritable(why)| Unwritable(format!("the member `{name}`: {why}").into()))
    }
}

/// Appends a value that is given as text.
pub(super) fn push_form(text: &[u8], form: Form, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    match form {
        Form::Bytes | Form::Text => {
            out.extend_from_slice(text);
            Ok(())
        }
        Form::As { format, width } => push_as(text, format, width, out),
    }
}

/// Appends a value that is given as text, in a format.
fn push_as(text: &[u8], format: Format, width: Option<usize>, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let shown = || String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned();
    match format {
        Format::Integer { .. } => {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<i128>().ok());
            let number = number.ok_or_else(|| Unwritable(format!("`{}` is no integer", shown()).into()))?;
            push_number(number, format, out)
        }
        Format::Float { .. } => {
            let number = std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.parse::<f64>().ok());
            let number = number.ok_or_else(|| Unwritable(format!("`{}` is no number", shown()).into()))?;
            push_float(number, format, out)
        }
        Format::Decimal if Decimal::read(text).is_none() => {
            Err(Unwritable(format!("`{}` is no number", shown()).into()))
        }
        Format::Text | Format::Decimal | Format::Bytes => push_padded(text, format, width, out),
        Format::Bcd | Format::Hex => {
            let mut digits = Vec::with_capacity(text.len() + 1);
            if !text.len().is_multiple_of(2) {
                digits.push(b'0');
            }
            digits.extend_from_slice(text);
            let mut bytes = Vec::with_capacity(digits.len() / 2);
            let is_decimal = format != Format::Bcd || text.iter().all(u8::is_ascii_digit);
            push_undigits(&digits, &mut bytes)
                .filter(|()| is_decimal)
                .ok_or_else(|| Unwritable(format!("`{}` are no digits for {format}", shown()).into()))?;
            push_padded(&bytes, format, width, out)
        }
    }
}

/// Appends bytes, padded to a width if there is one.
fn push_padded(
    bytes: &[u8],
    format: Format,
    width: Option<usize>,
    out: &mut Vec<u8>,
) -> Result<(), Unwritable> {
    let missing = match width {
        None => 0,
        Some(width) => width.checked_sub(bytes.len()).ok_or_else(|| {
            let what = format!("{} bytes do not fit into the {width} of a {format}", bytes.len());
            Unwritable(what.into())
        })?,
    };
    let padding = std::iter::repeat_n(0, missing);
    match format {
        Format::Bcd | Format::Hex => {
            out.extend(padding);
            out.extend_from_slice(bytes);
        }
        Format::Text | Format::Decimal | Format::Bytes | Format::Integer { .. } | Format::Float { .. } => {
            out.extend_from_slice(bytes);
            out.extend(padding);
        }
    }
    Ok(())
}

/// Appends an integer in a format with a width of its own, if it fits.
fn push_number(number: i128, format: Format, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let Format::Integer {
        width,
        signed,
        endian,
    } = format
    else {
        return push_float(number as f64, format, out);
    };
    let bits = u32::from(width) * 8;
    let (least, most) = if signed {
        (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    } else {
        (0, (1 << bits) - 1)
    };
    if !(least..=most).contains(&number) {
        return Err(Unwritable(format!("{number} does not fit into {format}").into()));
    }
    // Two's complement: the lower bits are the same.
    push_unsigned(number as u64, usize::from(width), endian, out);
    Ok(())
}

fn push_float(number: f64, format: Format, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    let (mut bytes, endian) = match format {
        Format::Float { width: 4, endian } => ((number as f32).to_be_bytes().to_vec(), endian),
        Format::Float { endian, .. } => (number.to_be_bytes().to_vec(), endian),
        Format::Integer { .. }
        | Format::Bcd
        | Format::Hex
        | Format::Text
        | Format::Decimal
        | Format::Bytes => {
            return Err(Unwritable(format!("{number} is no value for {format}").into()));
        }
    };
    if endian == Endian::Little {
        bytes.reverse();
    }
    out.extend_from_slice(&bytes);
    Ok(())
}
