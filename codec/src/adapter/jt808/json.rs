//! A writer of JSON into bytes: commas, escapes, base64.
//!
//! Members come in the order they are written and a name is written as it is, so names are ours. A position may be kept and
//! gone back to, when what was begun cannot be finished.

use super::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// JSON that grows at the end of `out`.
pub(super) struct Json<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Json<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Where it is, for `back`.
    pub(super) fn position(&self) -> usize {
        self.out.len()
    }

    /// Forgets what was written since.
    pub(super) fn back(&mut self, position: usize) {
        self.out.truncate(position);
    }

    /// `{` or `[`.
    pub(super) fn open(&mut self, bracket: u8) {
        self.comma();
        self.out.push(bracket);
    }

    /// `}` or `]`.
    pub(super) fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
    }

    /// The name of what follows.
    pub(super) fn name(&mut self, name: &str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// The name and the opening bracket of what follows.
    pub(super) fn open_named(&mut self, name: &str, bracket: u8) {
        self.name(name);
        self.out.push(bracket);
    }

    pub(super) fn number(&mut self, number: impl Into<i64>) {
        self.comma();
        write!(self.out, "{}", number.into()).expect("memory takes it");
    }

    pub(super) fn numbered(&mut self, name: &str, number: impl Into<i64>) {
        self.name(name);
        self.number(number);
    }

    pub(super) fn truth(&mut self, name: &str) {
        self.name(name);
        self.out.extend_from_slice(b"true");
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        let needs_escape = |byte: &u8| *byte < 0x20 || matches!(byte, b'"' | b'\\' | 0x7f);
        while let Some(at) = rest.iter().position(needs_escape) {
            self.out.extend_from_slice(&rest[..at]);
            match rest[at] {
                byte @ (b'"' | b'\\') => self.out.extend_from_slice(&[b'\\', byte]),
                byte => write!(self.out, "\\u{byte:04x}").expect("memory takes it"),
            }
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    pub(super) fn digits(&mut self, name: &str, bcd: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        text::digits(bcd, self.out);
        self.out.push(b'"');
    }

    pub(super) fn base64(&mut self, name: &str, bytes: &[u8]) {
        self.name(name);
        self.out.push(b'"');
        let start = self.out.len();
        let size = base64::encoded_len(bytes.len(), true).expect("far from the end of the address space");
        self.out.resize(start + size, 0);
        let written = STANDARD.encode_slice(bytes, &mut self.out[start..]);
        written.expect("as much room as it said");
        self.out.push(b'"');
    }

    /// Between members, and nowhere else.
    fn comma(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }
}
