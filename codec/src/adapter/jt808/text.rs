//! What a device writes and JSON does not have: text in GBK, and digits two in a byte.
//!
//! Whatever a device sends becomes valid text, with U+FFFD for what is none. The other way nothing is replaced: a
//! character that GBK does not have is a mistake of who published it.

use super::TextEncoding;
use encoding_rs::GBK;
use std::borrow::Cow;

impl TextEncoding {
    /// A device's bytes as text.
    pub(super) fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Gbk => GBK.decode_without_bom_handling(bytes).0,
            Self::Utf8 => String::from_utf8_lossy(bytes),
        }
    }

    /// Text as a device has it; `None`: a character that it cannot have.
    pub(super) fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Gbk => {
                let (bytes, _, has_replaced) = GBK.encode(text);
                (!has_replaced).then_some(bytes)
            }
            Self::Utf8 => Some(Cow::Borrowed(text.as_bytes())),
        }
    }
}

/// Appends the digits of `bcd`; a half byte over 9, which is no digit, as a letter.
pub(super) fn digits(bcd: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bcd {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Appends `digits` as `bytes` bytes, with zeros before them. `false`, and nothing appended: they are no digits or too many.
pub(super) fn bcd(digits: &str, bytes: usize, out: &mut Vec<u8>) -> bool {
    let digits = digits.as_bytes();
    if digits.len() > 2 * bytes || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let zeros = 2 * bytes - digits.len();
    let digit = |at: usize| at.checked_sub(zeros).map_or(0, |at| digits[at] - b'0');
    out.extend((0..bytes).map(|at| digit(2 * at) << 4 | digit(2 * at + 1)));
    true
}

/// Without the zero bytes that fill a field of fixed size, which devices put at either end.
pub(super) fn unfilled(bytes: &[u8]) -> &[u8] {
    let is_set = |byte: &u8| *byte != 0;
    let start = bytes.iter().position(is_set).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(is_set).map_or(start, |last| last + 1);
    &bytes[start..end]
}
