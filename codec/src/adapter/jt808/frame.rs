//! Frames on the wire: flags, escapes, the check byte and the header, both ways.
//!
//! `0x7e header body check 0x7e`, where `0x7e` and `0x7d` inside are `0x7d 0x02` and `0x7d 0x01`, and the check is the
//! exclusive or of header and body. A frame that cannot be read is left out up to its end flag, which may as well be the
//! first flag of the next. Nothing here looks further than `FRAME_BYTES_MAX` for the end of a frame.

use crate::adapter::{Kind, Unreadable};

/// At both ends of a frame.
pub(super) const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;

/// Body bytes that the length field can say.
pub(super) const BODY_BYTES_MAX: usize = 1023;

/// The longest header: 2019 with packages.
const HEADER_BYTES_MAX: usize = 21;

/// Between the flags, with every byte escaped, and the flags.
pub(super) const FRAME_BYTES_MAX: usize = 2 * (HEADER_BYTES_MAX + BODY_BYTES_MAX + 1) + 2;

const VERSION_BIT: u16 = 1 << 14;
const PACKAGES_BIT: u16 = 1 << 13;

/// What the front of the input is.
pub(super) enum Found<'a> {
    /// Header and body as they were meant, and the bytes that the frame takes.
    Frame(&'a [u8], usize),
    /// Not yet a whole frame.
    Incomplete,
    /// A flag without a frame.
    Flag,
    /// Bytes that are no frame.
    Bad(usize, Unreadable),
}

/// Looks at the front of `input`; what is escaped is unescaped into `buffer`.
pub(super) fn find<'a>(input: &'a [u8], buffer: &'a mut Vec<u8>) -> Found<'a> {
    match input.first() {
        None => return Found::Incomplete,
        Some(&FLAG) => {}
        Some(_) => {
            let used = memchr::memchr(FLAG, input).unwrap_or(input.len());
            let why = Unreadable::new(
                Kind::Malformed,
                "bytes outside of a frame, which begins with 7e",
                0,
            );
            return Found::Bad(used, why);
        }
    }
    let window = &input[1..input.len().min(FRAME_BYTES_MAX)];
    let Some(inside) = memchr::memchr(FLAG, window) else {
        if input.len() < FRAME_BYTES_MAX {
            return Found::Incomplete;
        }
        let what = format!("no end of the frame in {FRAME_BYTES_MAX} bytes");
        return Found::Bad(FRAME_BYTES_MAX, Unreadable::new(Kind::TooLarge, what, 0));
    };
    if inside == 0 {
        return Found::Flag;
    }
    match content(&window[..inside], buffer) {
        Ok(content) => Found::Frame(content, inside + 2),
        // The flag at its end stays: it may be the first of the next frame.
        Err(why) => Found::Bad(inside + 1, why),
    }
}

/// Bytes of the whole first frame, when its end is there.
pub(super) fn size(front: &[u8]) -> Option<usize> {
    let inside = front.strip_prefix(&[FLAG])?;
    let inside = &inside[..inside.len().min(FRAME_BYTES_MAX - 1)];
    memchr::memchr(FLAG, inside).map(|end| end + 2)
}

/// What stands between the flags, unescaped, without the check byte, which is compared.
fn content<'a>(inside: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Unreadable> {
    let whole = plain(inside, buffer)?;
    let Some((check, content)) = whole.split_last() else {
        return Err(Unreadable::new(Kind::Malformed, "an empty frame", 1));
    };
    let own = check_byte(content);
    if own != *check {
        let what = format!("the check byte is {check:02x}, and that of the frame's bytes is {own:02x}");
        return Err(Unreadable::new(Kind::Checksum, what, inside.len()));
    }
    Ok(content)
}

/// What stands between the flags, unescaped.
pub(super) fn plain<'a>(inside: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Unreadable> {
    match memchr::memchr(ESCAPE, inside) {
        None => Ok(inside),
        Some(_) => {
            unescape(inside, buffer)?;
            Ok(buffer)
        }
    }
}

fn unescape(inside: &[u8], buffer: &mut Vec<u8>) -> Result<(), Unreadable> {
    buffer.clear();
    let mut rest = inside;
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        buffer.extend_from_slice(&rest[..at]);
        match rest.get(at + 1) {
            Some(0x01) => buffer.push(ESCAPE),
            Some(0x02) => buffer.push(FLAG),
            other => {
                let what = match other {
                    Some(byte) => format!("the escape 7d {byte:02x}, which is neither 7d 01 nor 7d 02"),
                    None => "an escape 7d at the end of the frame".to_owned(),
                };
                let offset = 1 + inside.len() - rest.len() + at;
                return Err(Unreadable::new(Kind::Malformed, what, offset));
            }
        }
        rest = &rest[at + 2..];
    }
    buffer.extend_from_slice(rest);
    Ok(())
}

pub(super) fn check_byte(content: &[u8]) -> u8 {
    content.iter().fold(0, |check, byte| check ^ byte)
}

/// A device's phone number as it stands in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Phone {
    bcd: [u8; 10],
    size: u8,
}

impl Phone {
    fn new(bytes: &[u8]) -> Self {
        let mut bcd = [0; 10];
        bcd[..bytes.len()].copy_from_slice(bytes);
        let size = bytes.len() as u8;
        Self { bcd, size }
    }

    pub(super) fn bcd(&self) -> &[u8] {
        &self.bcd[..usize::from(self.size)]
    }
}

/// Who a frame is of or for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Party {
    /// 6 bytes of BCD in 2013, 10 since 2019.
    pub(super) phone: Phone,
    /// The version byte of 2019 and later; `None`: 2013 and earlier.
    pub(super) version: Option<u8>,
}

impl Party {
    /// Whether bodies are those of 2019.
    pub(super) fn is_2019(&self) -> bool {
        self.version.is_some_and(|version| version > 0)
    }
}

/// Which package of a long message a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// Packages of the message, at least 1.
    pub(super) total: u16,
    /// From 1.
    pub(super) number: u16,
}

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: u16,
    /// The three bits that say how the body is encrypted.
    pub(super) encryption: u16,
    pub(super) party: Party,
    pub(super) serial: u16,
    pub(super) package: Option<Package>,
}

impl Header {
    /// Bytes before the body.
    pub(super) fn size(&self) -> usize {
        let version = self.party.version.map_or(0, |_| 1);
        let package = self.package.map_or(0, |_| 4);
        2 + 2 + version + self.party.phone.bcd().len() + 2 + package
    }

    /// The header and the body of a frame's content.
    pub(super) fn read(content: &[u8]) -> Result<(Self, &[u8]), Unreadable> {
        let mut rest = content;
        let short = || {
            let what = format!("a frame of {} bytes, too short for its header", content.len());
            Unreadable::new(Kind::Malformed, what, 1)
        };
        let id = word(&mut rest).ok_or_else(short)?;
        let properties = word(&mut rest).ok_or_else(short)?;
        let party = party(properties, &mut rest).ok_or_else(short)?;
        let serial = word(&mut rest).ok_or_else(short)?;
        let package = match properties & PACKAGES_BIT {
            0 => None,
            _ => Some(Package {
                total: word(&mut rest).ok_or_else(short)?,
                number: word(&mut rest).ok_or_else(short)?,
            }),
        };
        if package.is_some_and(|package| package.number == 0 || package.number > package.total) {
            return Err(Unreadable::new(
                Kind::Malformed,
                "a package whose number is not within its total",
                1,
            ));
        }
        let length = usize::from(properties) & BODY_BYTES_MAX;
        if length != rest.len() {
            let what = format!(
                "the header says {length} bytes of body, and there are {}",
                rest.len()
            );
            return Err(Unreadable::new(Kind::Malformed, what, 3));
        }
        let encryption = (properties >> 10) & 7;
        let header = Self {
            id,
            encryption,
            party,
            serial,
            package,
        };
        Ok((header, rest))
    }

    /// Appends the frame of this header and `body`, which fits it.
    pub(super) fn write(&self, body: &[u8], out: &mut Vec<u8>) {
        assert!(body.len() <= BODY_BYTES_MAX, "split before");
        let mut properties = body.len() as u16 | self.encryption << 10;
        properties |= if self.party.version.is_some() {
            VERSION_BIT
        } else {
            0
        };
        properties |= if self.package.is_some() { PACKAGES_BIT } else { 0 };
        out.push(FLAG);
        let mut check = 0;
        let mut put = |bytes: &[u8]| {
            check ^= check_byte(bytes);
            escape(bytes, out);
        };
        put(&self.id.to_be_bytes());
        put(&properties.to_be_bytes());
        put(self.party.version.as_slice());
        put(self.party.phone.bcd());
        put(&self.serial.to_be_bytes());
        if let Some(package) = self.package {
            put(&package.total.to_be_bytes());
            put(&package.number.to_be_bytes());
        }
        put(body);
        escape(&[check], out);
        out.push(FLAG);
    }
}

fn word(rest: &mut &[u8]) -> Option<u16> {
    let (word, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u16::from_be_bytes(*word))
}

fn party(properties: u16, rest: &mut &[u8]) -> Option<Party> {
    let version = match properties & VERSION_BIT {
        0 => None,
        _ => Some(*rest.split_off_first()?),
    };
    let bytes = rest.split_off(..if version.is_some() { 10 } else { 6 })?;
    Some(Party {
        phone: Phone::new(bytes),
        version,
    })
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr2(FLAG, ESCAPE, rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[ESCAPE, if rest[at] == FLAG { 0x02 } else { 0x01 }]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}
