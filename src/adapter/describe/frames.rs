//! `[frame]`, `[checksum]` and `[reactions]` of a description.

use super::forms::{Byte, Bytes, Whole};
use super::keys::{Keys, Reading};
use super::schema;
use crate::adapter::hex;
use crate::config::form::{Flag, Value, Word, Wrong, number, size};
use ringwire_codec::adapter::described::Endian;
use ringwire_codec::adapter::described::description::{
    Algorithm, Also, Checksum, Escape, FRAME_BYTES_MAX, Frame, Framing, NOISE_BYTES_MAX, Reaction, Reactions,
};

const ENDIAN: Word<Endian> = Word(&[("\"big\"", Endian::Big), ("\"little\"", Endian::Little)]);

const ALGORITHM: Word<Algorithm> = Word(&[
    ("\"xor\"", Algorithm::Xor),
    ("\"sum8\"", Algorithm::Sum8),
    ("\"sum16\"", Algorithm::Sum16),
    ("\"crc16-modbus\"", Algorithm::Crc16Modbus),
    ("\"crc16-ccitt-false\"", Algorithm::Crc16CcittFalse),
    ("\"crc16-xmodem\"", Algorithm::Crc16Xmodem),
    ("\"crc16-kermit\"", Algorithm::Crc16Kermit),
    ("\"crc16-x25\"", Algorithm::Crc16X25),
    ("\"crc32\"", Algorithm::Crc32),
]);

const REACTION: Word<Reaction> = Word(&[("\"close\"", Reaction::Close), ("\"skip\"", Reaction::Skip)]);

const KINDS: [&str; 4] = ["length", "delimiter", "size", "end"];

/// Bytes that a position in a frame may be from its front or end.
const POSITION: Whole = Whole(-(FRAME_BYTES_MAX as i64)..=FRAME_BYTES_MAX as i64);

/// The byte order of a table.
pub fn endian(reading: &mut Reading<'_>, keys: &Keys<'_>) -> Endian {
    let otherwise = reading.endian;
    match keys.get("endian") {
        Some(value) => reading
            .value(keys.path_of("endian"), value, &ENDIAN)
            .unwrap_or(otherwise),
        None => otherwise,
    }
}

/// `[frame]`; what stands in for one that is missing or wrong says nothing.
pub fn frame<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Frame {
    let keys = reading.need(top, "frame");
    let keys = keys.and_then(|value| reading.keys(&schema::FRAME, "frame".to_owned(), value));
    let Some(keys) = keys else {
        return Frame {
            framing: stand_in(),
            strip: 0,
            strip_end: 0,
            max: FRAME_BYTES_MAX,
            noise_max: 0,
            also: Vec::new(),
        };
    };
    let start = reading.read_or(&keys, "start", &Bytes(0..=16), Vec::new());
    let noise = if start.is_empty() { 0 } else { 1_024 };
    let framing = framing(reading, &keys, start).unwrap_or_else(stand_in);
    only_with(reading, &keys);
    let bytes = || number(0..=FRAME_BYTES_MAX as u64);
    let mut frame = Frame {
        framing,
        strip: reading.read_or(&keys, "strip", &bytes(), 0),
        strip_end: reading.read_or(&keys, "strip_end", &bytes(), 0),
        max: reading.read_or(&keys, "max", &size(1..=FRAME_BYTES_MAX as u64), 65_536),
        noise_max: reading.read_or(&keys, "noise_max", &size(0..=NOISE_BYTES_MAX as u64), noise),
        also: Vec::new(),
    };
    let items = reading.tables(&keys, "also");
    let also = items
        .into_iter()
        .filter_map(|(path, value)| also(reading, &frame, path, value));
    frame.also = also.collect();
    frame
}

/// `[[frame.also]]`: what it does not say is as in `[frame]`.
fn also<'t>(reading: &mut Reading<'t>, frame: &Frame, path: String, value: &'t Value<'t>) -> Option<Also> {
    let keys = reading.keys(&schema::ALSO, path, value)?;
    let start = reading.must(&keys, "start", &Bytes(1..=16));
    reading.need(&keys, "length");
    let framing = length(reading, &keys, start?);
    let bytes = number(0..=FRAME_BYTES_MAX as u64);
    Some(Also {
        framing: framing?,
        strip: reading.read_or(&keys, "strip", &bytes, frame.strip),
        max: reading.read_or(&keys, "max", &size(1..=FRAME_BYTES_MAX as u64), frame.max),
    })
}

fn stand_in() -> Framing {
    Framing::Delimiter {
        delimiter: vec![b'\n'],
        strip_cr: false,
        ending: None,
    }
}

fn framing<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, start: Vec<u8>) -> Option<Framing> {
    let given: Vec<_> = KINDS.into_iter().filter(|kind| keys.has(kind)).collect();
    match given.as_slice() {
        ["length"] => length(reading, keys, start),
        ["delimiter"] => Some(Framing::Delimiter {
            delimiter: reading.read(keys, "delimiter", &Bytes(1..=16))?,
            strip_cr: reading.read_or(keys, "strip_cr", &Flag, false),
            ending: reading.read(keys, "ending", &Bytes(0..=64)),
        }),
        ["size"] => {
            let size = reading.read(keys, "size", &number(1..=FRAME_BYTES_MAX as u64))?;
            Some(Framing::Fixed { start, size })
        }
        ["end"] => Some(Framing::Marks {
            start,
            end: reading.read(keys, "end", &Bytes(1..=16))?,
            escapes: escapes(reading, keys),
        }),
        [first, second, ..] => {
            let label = format!("frames end in one way: `{first}` says it already");
            reading.object(keys, second, label);
            None
        }
        _ => {
            let label = "say how frames end: `length`, `delimiter`, `size` or `end`";
            reading.missing(keys, "length", label);
            None
        }
    }
}

/// Keys that mean nothing with another framing would be ignored in silence.
fn only_with<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) {
    for (name, kinds) in [
        ("start", &["length", "size", "end"][..]),
        ("escapes", &["end"]),
        ("strip_cr", &["delimiter"]),
        ("ending", &["delimiter"]),
        ("noise_max", &["length", "size", "end"]),
        ("also", &["length"]),
    ] {
        let known = KINDS.iter().any(|kind| keys.has(kind));
        if keys.has(name) && known && !kinds.iter().any(|kind| keys.has(kind)) {
            let kinds: Vec<_> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            reading.object(keys, name, format!("only with {}", kinds.join(" or ")));
        }
    }
}

fn length<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>, start: Vec<u8>) -> Option<Framing> {
    let value = keys.get("length")?;
    let keys = reading.keys(&schema::LENGTH, keys.path_of("length"), value)?;
    let offset = reading.must(&keys, "offset", &number(0..=FRAME_BYTES_MAX as u64));
    let widths = Word(&[("1", 1), ("2", 2), ("3", 3), ("4", 4), ("8", 8)]);
    let width = reading.must(&keys, "width", &widths);
    let adjustment = reading.read_or(&keys, "adjustment", &POSITION, 0);
    Some(Framing::Length {
        start,
        offset: offset?,
        width: width?,
        endian: endian(reading, &keys),
        adjustment,
    })
}

fn escapes<'t>(reading: &mut Reading<'t>, keys: &Keys<'t>) -> Vec<Escape> {
    let Some(value) = keys.get("escapes") else {
        return Vec::new();
    };
    let path = keys.path_of("escapes");
    let Some(table) = value.get_ref().as_table() else {
        let label = "expected a table such as { \"0x7d01\" = \"0x7d\" }: what is on the wire = what is meant";
        reading.report(path, Wrong::value(value, label));
        return Vec::new();
    };
    let mut escapes = Vec::new();
    for (key, value) in table.iter() {
        let plain = reading.value(path.clone(), value, &Byte);
        let text = key.get_ref();
        let wire = match text.starts_with("0x") {
            true => hex::read(text).unwrap_or_default(),
            false => text.as_bytes().to_vec(),
        };
        match (<[u8; 2]>::try_from(wire), plain) {
            (Ok(wire), Some(plain)) => escapes.push(Escape { wire, plain }),
            (Ok(_), None) => {}
            (Err(_), _) => reading.report(path.clone(), two_bytes(key.span())),
        }
    }
    escapes
}

fn two_bytes(span: std::ops::Range<usize>) -> Wrong {
    Wrong {
        span,
        title: "wrong name in frame.escapes".to_owned(),
        label: "expected the two bytes on the wire, such as \"0x7d01\"".to_owned(),
        help: None,
    }
}

/// `[checksum]`
pub fn checksum<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Option<Checksum> {
    let value: &Value<'_> = top.get("checksum")?;
    let keys = reading.keys(&schema::CHECKSUM, "checksum".to_owned(), value)?;
    let algorithm = reading.must(&keys, "algorithm", &ALGORITHM);
    let at = reading.must(&keys, "at", &POSITION);
    let from = reading.read_or(&keys, "from", &POSITION, 0);
    // It covers what is before it; when it stands before that, everything behind.
    let behind = |at: &i32| (*at < 0) != (from < 0) || *at > from;
    let to = reading.read(&keys, "to", &POSITION).or(at.filter(behind));
    let hex = reading.read_or(&keys, "hex", &Flag, false);
    Some(Checksum {
        algorithm: algorithm?,
        from,
        to,
        at: at?,
        endian: endian(reading, &keys),
        hex,
    })
}

/// `[reactions]`
pub fn reactions<'t>(reading: &mut Reading<'t>, top: &Keys<'t>) -> Reactions {
    let default = Reactions::default();
    let value = top.get("reactions");
    let Some(keys) = value.and_then(|value| reading.keys(&schema::REACTIONS, "reactions".to_owned(), value))
    else {
        return default;
    };
    Reactions {
        checksum: reading.read_or(&keys, "checksum", &REACTION, default.checksum),
        malformed: reading.read_or(&keys, "malformed", &REACTION, default.malformed),
        unknown: reading.read_or(&keys, "unknown", &REACTION, default.unknown),
        early: reading.read_or(&keys, "early", &REACTION, default.early),
    }
}
