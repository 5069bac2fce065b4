//! `ringwire adapter decode`: what a protocol makes of bytes, step by step.
//!
//! The bytes are a whole connection's, and the broker lets everybody in.

mod explained;

use super::catalogue::Known;
use super::line::{Caller, Decisions, Line, Stepped, What};
use super::{AdapterError, Printed, hex};
use ringwire_codec::adapter::described::Step;
use ringwire_codec::adapter::{Blueprint, Down, Kind};
use std::fmt::Write;

/// The bytes of the command line.
pub fn bytes(words: &[String], text: bool) -> Result<Vec<u8>, String> {
    if !text {
        return hex::read(&words.join(" ")).map_err(|why| format!("{why}; text needs --text"));
    }
    unescape(&words.join(" "))
}

/// `\r`, `\n`, `\t`, `\\` and `\xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            bytes.extend(next.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        match rest.next() {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = rest.by_ref().take(2).collect();
                let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 2);
                bytes.push(
                    byte.ok_or_else(|| format!("`\\x{digits}` is no byte: two hex digits follow \\x"))?,
                );
            }
            other => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("`\\{other}` is none of \\r, \\n, \\t, \\\\ and \\xNN"));
            }
        }
    }
    Ok(bytes)
}

/// What is read, then what the messages `down` become.
pub fn decode(known: &Known, bytes: &[u8], down: &[String]) -> Printed {
    let mut text = format!("{}: {} bytes\n", known.name, bytes.len());
    let mut line = Line::open(known.blueprint.as_ref(), &[], Caller::plain(), false);
    let (mut unreadable, mut too_early) = (None, false);
    let mut explained = None;
    for step in line.steps(bytes, Decisions::default()) {
        match step {
            Ok(step) => {
                if let What::Unreadable(why) = &step.said.what {
                    too_early = why.kind == Kind::NotConnected;
                    unreadable = Some(why.to_string());
                }
                if known.described.is_none() {
                    let at = step.said.bytes.start;
                    let is_new = explained.replace(at) != Some(at);
                    text += &events(&step, known.blueprint.as_ref(), (bytes, is_new));
                }
            }
            Err(broken) => unreadable = Some(broken),
        }
    }
    if let Some(described) = &known.described {
        let steps = described.explain(Caller::plain().peer(), bytes);
        text.extend(steps.iter().map(explained::lines));
    } else if !line.pending().is_empty() && line.is_open() {
        let rest = line.pending();
        let _ = writeln!(
            text,
            "{} bytes are no whole frame yet: {}",
            rest.len(),
            hex::write(rest)
        );
    }
    if !line.is_open() {
        text.push_str("the connection is closed\n");
    }
    if too_early {
        text.push_str("put the bytes of a login before these\n");
    }
    for payload in down {
        let message = Down {
            topic: "",
            payload: payload.as_bytes(),
            number: 0,
            again: false,
        };
        let sent = match line.deliver(&message) {
            Ok(out) => both(&out),
            Err(why) => format!("cannot be delivered: {why}"),
        };
        let _ = writeln!(text, "down {payload}\n             <= {sent}");
    }
    (
        text,
        unreadable.map_or(Ok(()), |why| Err(AdapterError::Unreadable(why))),
    )
}

/// A step of a protocol that is no description: its bytes, which are explained where they are new and the protocol can,
/// and what comes of them.
fn events(step: &Stepped, blueprint: &dyn Blueprint, (bytes, is_new): (&[u8], bool)) -> String {
    let range = &step.said.bytes;
    let front = bytes.get(range.start..).unwrap_or_default();
    let known = blueprint.explain(front);
    let mut text = String::new();
    if known.is_empty() {
        let used = bytes.get(range.clone()).unwrap_or_default();
        let _ = writeln!(text, "{:>5}..{:<5} {}", range.start, range.end, hex::write(used));
    } else if is_new {
        let steps = known.into_iter().map(|step| moved(step, range.start));
        text.extend(steps.map(|step| explained::lines(&step)));
    }
    let _ = writeln!(text, "             => {}", step.said.what.describe());
    if !step.out.is_empty() {
        let _ = writeln!(text, "             <= {}", both(&step.out));
    }
    text
}

/// A frame's place counts from the first byte of all.
fn moved(mut step: Step, by: usize) -> Step {
    if let Step::Frame { at, .. } = &mut step {
        *at += by;
    }
    step
}

/// Hex, and text where it is some.
fn both(bytes: &[u8]) -> String {
    let (digits, shown) = (hex::write(bytes), hex::show(bytes));
    if digits == shown {
        digits
    } else {
        format!("{digits}  {shown}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_unescaped() {
        let words = ["#L#1;2\\r\\n".to_owned(), "a\\\\\\x7e".to_owned()];
        assert_eq!(bytes(&words, true).unwrap(), b"#L#1;2\r\n a\\\x7e");
        assert!(bytes(&["\\q".to_owned()], true).is_err());
        assert!(bytes(&["\\x7".to_owned()], true).is_err());
        assert!(bytes(&["zz".to_owned()], false).unwrap_err().contains("--text"));
    }
}
