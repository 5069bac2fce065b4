//! Bytes as people write them: hex with or without spaces, colons, `0x` and line breaks.
//!
//! Used for vectors, for `ringwire adapter decode` and for what both print.

use crate::config::form::{Form, Value, Wrong, quote};

/// The bytes, or what is wrong with the text.
pub fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut digits = Vec::with_capacity(text.len());
    for word in text.split(|c: char| c.is_whitespace() || ":,".contains(c)) {
        let word = word.strip_prefix("0x").unwrap_or(word);
        if let Some(other) = word.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(format!("`{other}` is no hexadecimal digit"));
        }
        // One digit alone is a byte: `0xd 0xa`.
        if word.len() == 1 {
            digits.push(b'0');
        }
        digits.extend(word.bytes());
    }
    if !digits.len().is_multiple_of(2) {
        return Err("an odd number of hexadecimal digits".to_owned());
    }
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
    let pairs = digits.chunks_exact(2);
    Ok(pairs.map(|pair| value(pair[0]) << 4 | value(pair[1])).collect())
}

/// `78 0d`
pub fn write(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// What a person reads best: text where all of it is printable, else hex.
pub fn show(bytes: &[u8]) -> String {
    let printable = |text: &&str| {
        let plain = |c: char| !c.is_control() || "\r\n\t".contains(c);
        !text.is_empty() && text.chars().all(plain)
    };
    match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) => format!("{text:?}"),
        None if bytes.is_empty() => "nothing".to_owned(),
        None => write(bytes),
    }
}

/// A value of hex digits.
pub struct Hex;

impl Form<Vec<u8>> for Hex {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Vec<u8>> {
        let Some(text) = value.get_ref().as_str() else {
            let label = format!("expected {}", self.expects());
            wrong.push(Wrong::value(value, label));
            return None;
        };
        let read = read(text);
        if let Err(why) = &read {
            let label = format!("expected {}: {why}", self.expects());
            wrong.push(Wrong::value(value, label));
        }
        read.ok()
    }

    fn write(&self, value: &Vec<u8>) -> String {
        quote(&write(value))
    }

    fn expects(&self) -> String {
        "bytes in hex, like \"78 78 0d\"".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_as_people_write_it_and_written_one_way() {
        for text in ["78780D", "78 78 0d", "0x78 0x78 0xd", "78:78:0d", " 7878\n 0D\n"] {
            assert_eq!(read(text).as_deref(), Ok(&[0x78, 0x78, 0x0d][..]), "{text}");
        }
        assert_eq!(write(&[0x78, 0, 0x0d]), "78 00 0d");
        assert_eq!(read(""), Ok(Vec::new()));
        assert!(read("7 78 780").is_err());
        assert_eq!(read("7g").unwrap_err(), "`g` is no hexadecimal digit");
    }
}
