//! Primitives of the wire: integers, variable byte integers, strings, binary data (5.0 section 1.5).
//!
//! `Reader` walks one whole packet and knows the offset of everything it reads, for the errors. The `put_` functions
//! append; their callers have checked every length before (`field_len`, `packet_len`), so that nothing is ever half
//! written. Nothing here knows a packet.

use super::{DecodeError, EncodeError, PacketId};

/// The largest variable byte integer, which is also the largest remaining length (5.0 section 1.5.5).
pub(super) const VARIABLE_MAX: usize = 268_435_455;

/// Bytes of the longest string or binary field (5.0 section 1.5.4).
const FIELD_MAX: usize = u16::MAX as usize;

/// A variable byte integer, and in how many bytes it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) value: u32,
    pub(super) len: usize,
}

impl Variable {
    /// From the front of `bytes`; `None` when it does not end there. `at` is for the error.
    #[inline]
    pub(super) fn decode(bytes: &[u8], at: usize) -> Result<Option<Self>, DecodeError> {
        match bytes.first() {
            Some(&first) if first < 0x80 => Ok(Some(Self {
                value: u32::from(first),
                len: 1,
            })),
            Some(_) => Self::decode_long(bytes, at),
            None => Ok(None),
        }
    }

    fn decode_long(bytes: &[u8], at: usize) -> Result<Option<Self>, DecodeError> {
        let mut value = 0;
        for (index, &byte) in bytes.iter().take(4).enumerate() {
            value |= u32::from(byte & 0x7F) << (7 * index);
            if byte < 0x80 {
                return Ok(Some(Self {
                    value,
                    len: index + 1,
                }));
            }
        }
        if bytes.len() >= 4 {
            return Err(DecodeError::VariableIntegerTooLong { at });
        }
        Ok(None)
    }

    /// Whether no shorter form exists [MQTT-1.5.5-1].
    pub(super) fn is_minimal(self) -> bool {
        self.len == variable_len(self.value as usize)
    }
}

/// Reads the fields of one whole packet in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `packet` from offset `at`, which must lie within it.
    #[inline]
    pub(super) fn new(packet: &'a [u8], at: usize) -> Self {
        debug_assert!(at <= packet.len());
        Self { packet, at }
    }

    /// The packet's first byte: its type and flags.
    #[inline]
    pub(super) fn first_byte(&self) -> u8 {
        self.packet.first().copied().unwrap_or_default()
    }

    /// The offset of the next byte from the packet's first.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.packet.len()
    }

    /// Everything that is left; the reader is empty afterwards.
    #[inline]
    pub(super) fn rest(&mut self) -> &'a [u8] {
        let rest = self.packet.get(self.at..).unwrap_or_default();
        self.at = self.packet.len();
        rest
    }

    /// Everything that is left, and the reader stays.
    pub(super) fn peek(&self) -> &'a [u8] {
        self.packet.get(self.at..).unwrap_or_default()
    }

    /// The packet up to the next byte.
    pub(super) fn until_here(&self) -> &'a [u8] {
        self.packet.get(..self.at).unwrap_or_default()
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        match self.packet.get(self.at..self.at + len) {
            Some(bytes) => {
                self.at += len;
                Ok(bytes)
            }
            None => Err(DecodeError::Truncated { at: self.at }),
        }
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        match self.packet.get(self.at) {
            Some(&byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => Err(DecodeError::Truncated { at: self.at }),
        }
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u16, DecodeError> {
        match self.packet.get(self.at..self.at + 2) {
            Some(&[high, low]) => {
                self.at += 2;
                Ok(u16::from_be_bytes([high, low]))
            }
            Some(_) | None => Err(DecodeError::Truncated { at: self.at }),
        }
    }

    /// A packet identifier; zero is none [MQTT-2.2.1-3].
    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        let at = self.at;
        PacketId::new(self.number()?).ok_or(DecodeError::PacketIdZero { at })
    }

    /// A variable byte integer inside a packet, in its shortest form.
    #[inline]
    pub(super) fn variable(&mut self) -> Result<u32, DecodeError> {
        let at = self.at;
        let Some(variable) = Variable::decode(self.peek(), at)? else {
            return Err(DecodeError::Truncated { at });
        };
        if !variable.is_minimal() {
            return Err(DecodeError::VariableIntegerNotMinimal { at });
        }
        self.at += variable.len;
        Ok(variable.value)
    }

    /// Binary data: a length of two bytes and that many bytes.
    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let at = self.at;
        let len = self.number()?;
        self.take(usize::from(len))
            .map_err(|_| DecodeError::Truncated { at })
    }

    /// A UTF-8 string [MQTT-1.5.4-1, MQTT-1.5.4-2]. Control characters and non-characters are let through: the
    /// standard leaves that to the receiver, and to refuse them cuts off devices that work elsewhere.
    pub(super) fn string(&mut self) -> Result<&'a str, DecodeError> {
        let at = self.at;
        let bytes = self.binary()?;
        check_string(bytes, at)
    }

    /// Passes a string that follows the same rules.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<(), DecodeError> {
        let at = self.at;
        let bytes = self.binary()?;
        if is_plain_text(bytes) {
            return Ok(());
        }
        check_string(bytes, at).map(drop)
    }

    /// A topic name: a string without wildcards [MQTT-3.3.2-2], which may be empty.
    #[inline]
    pub(super) fn topic_name(&mut self) -> Result<&'a str, DecodeError> {
        let at = self.at;
        let bytes = self.binary()?;
        if !is_plain_name(bytes) {
            return topic_name_slow(bytes, at);
        }
        std::str::from_utf8(bytes).map_err(|_| DecodeError::StringNotUtf8 { at })
    }

    /// The end of a packet whose fields are all read.
    #[inline]
    pub(super) fn finish(&self) -> Result<(), DecodeError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes { at: self.at })
        }
    }
}

/// No NUL and no wildcard. `+` and `#` differ in one bit, which is set before both are looked for at once.
#[inline]
fn is_plain_name(bytes: &[u8]) -> bool {
    let wildcard = u64::from_ne_bytes([b'+'; 8]);
    let bit = u64::from_ne_bytes([b'+' ^ b'#'; 8]);
    !any_word(bytes, |word| has_zero(word) | has_zero((word | bit) ^ wildcard))
}

/// ASCII without NUL.
#[inline]
fn is_plain_text(bytes: &[u8]) -> bool {
    let high = u64::from_ne_bytes([0x80; 8]);
    !any_word(bytes, |word| has_zero(word) | word & high)
}

fn has_nul(bytes: &[u8]) -> bool {
    any_word(bytes, has_zero)
}

/// Whether `found` says a non-zero number for any eight bytes in a row. Strings here are too short for a search with
/// vectors, which has to find out first what the machine can do, to pay.
#[inline]
fn any_word(bytes: &[u8], found: impl Fn(u64) -> u64) -> bool {
    let (words, _) = bytes.as_chunks::<8>();
    match bytes.last_chunk::<8>() {
        // The last word overlaps the one before; what is looked at twice does no harm.
        Some(last) => {
            words
                .iter()
                .chain([last])
                .fold(0, |sum, word| sum | found(u64::from_ne_bytes(*word)))
                != 0
        }
        None => {
            // Filled up with a letter, which nobody looks for.
            let mut word = [b'a'; 8];
            word.iter_mut()
                .zip(bytes)
                .for_each(|(place, &byte)| *place = byte);
            found(u64::from_ne_bytes(word)) != 0
        }
    }
}

/// Not zero when one of the eight bytes is zero.
#[inline]
fn has_zero(word: u64) -> u64 {
    word.wrapping_sub(u64::from_ne_bytes([0x01; 8])) & !word & u64::from_ne_bytes([0x80; 8])
}

#[cold]
fn topic_name_slow(bytes: &[u8], at: usize) -> Result<&str, DecodeError> {
    check_string(bytes, at)?;
    Err(DecodeError::TopicNameWildcard { at })
}

fn check_string(bytes: &[u8], at: usize) -> Result<&str, DecodeError> {
    let string = std::str::from_utf8(bytes).map_err(|_| DecodeError::StringNotUtf8 { at })?;
    if has_nul(bytes) {
        return Err(DecodeError::StringHasNul { at });
    }
    Ok(string)
}

/// How many bytes a variable byte integer takes.
#[inline]
pub(super) const fn variable_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Bytes on the wire of a string or binary field, its length in front.
#[inline]
pub(super) fn field_len(field: &[u8]) -> Result<usize, EncodeError> {
    if field.len() > FIELD_MAX {
        return Err(EncodeError::FieldTooLong(field.len()));
    }
    Ok(2 + field.len())
}

/// Bytes of a whole packet whose body (remaining length) is `body` bytes.
#[inline]
pub(super) fn packet_len(body: usize) -> Result<usize, EncodeError> {
    if body > VARIABLE_MAX {
        return Err(EncodeError::PacketTooLong(body));
    }
    Ok(1 + variable_len(body) + body)
}

/// The fixed header; room for the whole packet is made. `body` has passed `packet_len`.
#[inline]
pub(super) fn put_header(out: &mut Vec<u8>, first: u8, body: usize) {
    out.reserve(5 + body);
    put_header_without_room(out, first, body);
}

/// The fixed header of a packet that is not going to stand in `out` as a whole.
#[inline]
pub(super) fn put_header_without_room(out: &mut Vec<u8>, first: u8, body: usize) {
    out.push(first);
    put_variable(out, body);
}

/// `value` is at most `VARIABLE_MAX`.
#[inline]
pub(super) fn put_variable(out: &mut Vec<u8>, value: usize) {
    debug_assert!(value <= VARIABLE_MAX);
    let mut left = value;
    while left > 0x7F {
        out.push((left & 0x7F) as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

#[inline]
pub(super) fn put_number(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// A string or binary field that has passed `field_len`.
#[inline]
pub(super) fn put_field(out: &mut Vec<u8>, field: &[u8]) {
    debug_assert!(field.len() <= FIELD_MAX);
    put_number(out, field.len() as u16);
    out.extend_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_byte_is_found_at_every_place_of_every_length() {
        for len in 0..40 {
            for at in 0..len {
                for byte in 0..=255 {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    assert_eq!(
                        is_plain_name(&bytes),
                        !matches!(byte, 0 | b'+' | b'#'),
                        "{byte} at {at} of {len}"
                    );
                    assert_eq!(has_nul(&bytes), byte == 0, "{byte} at {at} of {len}");
                    assert_eq!(
                        is_plain_text(&bytes),
                        (1..0x80).contains(&byte),
                        "{byte} at {at} of {len}"
                    );
                }
            }
            assert!(is_plain_name(&vec![0xFF; len]) && !has_nul(&vec![0xFF; len]));
        }
    }

    #[test]
    fn a_variable_byte_integer_is_read_as_it_is_written() {
        for value in [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, VARIABLE_MAX] {
            let mut out = Vec::new();
            put_variable(&mut out, value);
            assert_eq!(out.len(), variable_len(value));
            let read = Variable::decode(&out, 0).expect("valid").expect("whole");
            assert_eq!(
                (read.value as usize, read.len, read.is_minimal()),
                (value, out.len(), true)
            );
            for cut in 0..out.len() {
                assert_eq!(Variable::decode(&out[..cut], 0), Ok(None));
            }
        }
    }
}
