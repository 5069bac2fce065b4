//! What the bytes of a field mean: as a number, as text, as JSON.
//!
//! Nothing is allocated: everything is appended to the caller's bytes. JSON and topics have scaled numbers, conditions and
//! templates plain ones.

use super::format::Format;
use super::plan::{Field, unsigned};
use super::scale::{Decimal, push_float};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Field {
    /// The number that an integer of this field is, its bits taken out, or that its digits are.
    pub(super) fn integer(&self, raw: &[u8]) -> Option<i128> {
        match self.format {
            Format::Integer {
                signed: false,
                endian,
                ..
            } => {
                let value = unsigned(raw, endian);
                let Some(bits) = self.bits else {
                    return Some(i128::from(value));
                };
                Some(i128::from(
                    value >> bits.first & (u64::MAX >> (64 - u32::from(bits.count))),
                ))
            }
            Format::Integer {
                signed: true,
                endian,
                width,
            } => {
                let unused = 64 - u32::from(width) * 8;
                Some(i128::from(
                    (unsigned(raw, endian) << unused).cast_signed() >> unused,
                ))
            }
            Format::Text | Format::Decimal => std::str::from_utf8(self.trimmed(raw))
                .ok()?
                .parse::<i64>()
                .ok()
                .map(i128::from),
            Format::Float { .. } | Format::Bcd | Format::Hex | Format::Bytes => None,
        }
    }

    /// What it counts; 0 for what does not count.
    pub(super) fn count(&self, raw: &[u8]) -> u64 {
        self.integer(raw)
            .and_then(|count| u64::try_from(count).ok())
            .unwrap_or(0)
    }

    fn float(&self, raw: &[u8]) -> Option<f64> {
        match self.format {
            Format::Float { width: 4, endian } => {
                let bits = u32::try_from(unsigned(raw, endian)).expect("four bytes");
                Some(f64::from(f32::from_bits(bits)))
            }
            Format::Float { endian, .. } => Some(f64::from_bits(unsigned(raw, endian))),
            Format::Integer { .. }
            | Format::Bcd
            | Format::Hex
            | Format::Text
            | Format::Decimal
            | Format::Bytes => None,
        }
    }

    /// Without what pads it, if that is left off.
    pub(super) fn trimmed<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        if !self.trim {
            return raw;
        }
        let is_padding = |byte: &u8| matches!(byte, 0 | b' ');
        let end = raw
            .iter()
            .rposition(|byte| !is_padding(byte))
            .map_or(0, |last| last + 1);
        &raw[..end]
    }

    /// Appends it as text; numbers `scaled` or plain.
    pub(super) fn push_text(&self, raw: &[u8], scaled: bool, out: &mut Vec<u8>) {
        match self.format {
            Format::Integer { .. } | Format::Float { .. } => {
                self.push_number(raw, scaled, out);
            }
            Format::Bcd | Format::Hex => push_digits(raw, self.trim, out),
            Format::Bytes => push_digits(raw, false, out),
            Format::Text => out.extend_from_slice(self.trimmed(raw)),
            Format::Decimal => {
                if !(scaled && self.push_number(raw, true, out)) {
                    out.extend_from_slice(self.trimmed(raw));
                }
            }
        }
    }

    /// Appends it as JSON.
    pub(super) fn push_json(&self, raw: &[u8], out: &mut Vec<u8>) {
        match self.format {
            Format::Integer { .. } | Format::Float { .. } => {
                if !self.push_number(raw, true, out) {
                    out.extend_from_slice(b"null");
                }
            }
            Format::Bcd | Format::Hex => {
                out.push(b'"');
                push_digits(raw, self.trim, out);
                out.push(b'"');
            }
            Format::Text => push_quoted(self.trimmed(raw), out),
            Format::Decimal => {
                let text = self.trimmed(raw);
                if text.is_empty() {
                    out.extend_from_slice(b"null");
                } else if !self.push_number(raw, true, out) {
                    push_quoted(text, out);
                }
            }
            Format::Bytes => {
                out.push(b'"');
                push_base64(raw, out);
                out.push(b'"');
            }
        }
    }

    /// Appends a number; appends nothing and returns `false` when it is none, or not finite.
    fn push_number(&self, raw: &[u8], scaled: bool, out: &mut Vec<u8>) -> bool {
        let scale = self.scale.as_ref().filter(|_| scaled);
        if let Some(float) = self.float(raw) {
            return match scale {
                Some(scale) => scale.push_float(float, out),
                None => push_shortest(float, self.format, out),
            };
        }
        let decimal = match self.format {
            Format::Decimal => Decimal::read(self.trimmed(raw)),
            Format::Integer { .. } => self.integer(raw).map(Decimal::integer),
            Format::Float { .. } | Format::Bcd | Format::Hex | Format::Text | Format::Bytes => None,
        };
        match (decimal, scale) {
            (Some(decimal), Some(scale)) => scale.push(decimal, out),
            (Some(decimal), None) => {
                decimal.push(out);
                true
            }
            (None, _) => false,
        }
    }
}

/// A number of four bytes has fewer digits than the same one as eight bytes.
fn push_shortest(float: f64, format: Format, out: &mut Vec<u8>) -> bool {
    use std::io::Write as _;
    if matches!(format, Format::Float { width: 4, .. }) && float.is_finite() {
        write!(out, "{:?}", float as f32).expect("a vector takes everything");
        return true;
    }
    push_float(float, out)
}

/// Appends an integer in decimal digits.
pub(super) fn push_integer(mut number: u128, out: &mut Vec<u8>) {
    let mut digits = [0; 40];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends two digits a byte; `trim`: without zeros at the front, but for one that stands alone.
pub(super) fn push_digits(raw: &[u8], trim: bool, out: &mut Vec<u8>) {
    let digit = |at: usize| {
        let byte = raw[at / 2];
        let half = if at.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        };
        DIGITS[usize::from(half)]
    };
    let digits = raw.len() * 2;
    let mut first = 0;
    while trim && first + 1 < digits && digit(first) == b'0' {
        first += 1;
    }
    out.extend((first..digits).map(digit));
}

/// Appends the bytes that hex digits mean, spaces between them left out; `None` when they are none, or half a byte is left.
pub(super) fn push_undigits(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut high = None;
    for byte in text.iter().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = u8::try_from(char::from(*byte).to_digit(16)?).expect("one of sixteen");
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    high.is_none().then_some(())
}

fn push_base64(raw: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.resize(begin + raw.len().div_ceil(3) * 4, 0);
    let written = BASE64_STANDARD
        .encode_slice(raw, &mut out[begin..])
        .expect("four bytes for three");
    out.truncate(begin + written);
}

/// Appends a JSON string. What is not UTF-8 becomes U+FFFD.
pub(super) fn push_quoted(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        push_escaped(chunk.valid(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn push_escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                push_digits(&[byte], false, out);
            }
            _ => out.push(byte),
        }
    }
}
