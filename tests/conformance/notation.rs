//! Packets as text: bytes that can be read, and lengths that nobody has to count.
//!
//! - `82 0001`: bytes in hex, spaces where they help.
//! - `` `hello` ``: the bytes of a text.
//! - `'a/b'`: a text behind its length in two bytes, a UTF-8 Encoded String; `(01 02)`: the same for other bytes.
//! - `<...>`: what stands in it, behind its length as a variable byte integer: a packet behind its first byte, or the
//!   properties. `<>` is 00.
//!
//! So a SUBSCRIBE to a/b at QoS 1 is `82 <0001 <> 'a/b' 01>`. What must be wrong is written in plain hex.

/// The bytes that a text describes.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut rest = text;
    let bytes = sequence(&mut rest, None);
    assert!(rest.is_empty(), "`{rest}` is left of `{text}`");
    bytes
}

/// So many bytes that a text may be long: `x` repeated, for notation.
pub fn long(size: usize) -> String {
    "x".repeat(size)
}

/// Until `end`, or the end of the text.
fn sequence(rest: &mut &str, end: Option<char>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(next) = rest.chars().next() {
        if next.is_ascii_hexdigit() {
            let pair = rest.get(..2).expect("two hex digits are a byte");
            bytes.push(u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("`{pair}` is not a byte")));
            *rest = &rest[2..];
            continue;
        }
        *rest = &rest[next.len_utf8()..];
        match next {
            ' ' | '\n' => {}
            '`' => bytes.extend(quoted(rest, '`')),
            '\'' => bytes.extend(field(quoted(rest, '\''))),
            '(' => bytes.extend(field(sequence(rest, Some(')')))),
            '<' => bytes.extend(measured(sequence(rest, Some('>')))),
            _ if Some(next) == end => return bytes,
            _ => panic!("`{next}` means nothing, before `{rest}`"),
        }
    }
    assert!(end.is_none(), "{end:?} is missing at the end");
    bytes
}

fn quoted(rest: &mut &str, mark: char) -> Vec<u8> {
    let (text, after) = rest.split_once(mark).expect("the text ends with its mark");
    *rest = after;
    text.as_bytes().to_vec()
}

/// Behind a length of two bytes.
fn field(content: Vec<u8>) -> Vec<u8> {
    let len = u16::try_from(content.len()).expect("at most 65,535 bytes");
    [&len.to_be_bytes()[..], &content].concat()
}

/// Behind a length as a variable byte integer.
fn measured(content: Vec<u8>) -> Vec<u8> {
    let mut len = content.len();
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(len % 128).expect("seven bits");
        len /= 128;
        bytes.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            break;
        }
    }
    assert!(bytes.len() <= 4, "at most 268,435,455 bytes");
    bytes.extend(content);
    bytes
}

/// Bytes for people: hex in groups of a byte, and what of it is text.
pub fn show(bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let text: String = bytes
        .iter()
        .map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        })
        .collect();
    format!("{} |{text}|", hex.join(" "))
}

/// Not named after a statement: it is about the notation itself.
#[test]
fn notation_lengths_are_those_of_the_standard() {
    assert_eq!(bytes("82 <0001 <> 'a/b' 01>"), *b"\x82\x09\0\x01\0\0\x03a/b\x01");
    assert_eq!(bytes("<>'' `hi` (FF00)"), *b"\0\0\0hi\0\x02\xFF\0");
    assert_eq!(bytes(&format!("<`{}`>", long(127)))[..1], [0x7F]);
    assert_eq!(bytes(&format!("<`{}`>", long(128)))[..2], [0x80, 0x01]);
    assert_eq!(bytes(&format!("<`{}`>", long(16_383)))[..2], [0xFF, 0x7F]);
    assert_eq!(bytes(&format!("<`{}`>", long(16_384)))[..3], [0x80, 0x80, 0x01]);
    assert_eq!(
        bytes(&format!("<`{}`>", long(2_097_152)))[..4],
        [0x80, 0x80, 0x80, 0x01]
    );
}
