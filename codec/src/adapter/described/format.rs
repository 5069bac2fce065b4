//! How bytes of a field are meant, and how that is spelled in descriptions.

use std::fmt;

/// A byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// The most significant byte first.
    #[default]
    Big,
    /// The least significant byte first.
    Little,
}

/// How bytes of a field are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An integer.
    Integer {
        /// Bytes: 1, 2, 3, 4 or 8.
        width: u8,
        /// In two's complement.
        signed: bool,
        /// Byte order.
        endian: Endian,
    },
    /// An IEEE 754 number.
    Float {
        /// Bytes: 4 or 8.
        width: u8,
        /// Byte order.
        endian: Endian,
    },
    /// Two decimal digits a byte. A text of digits; what is no digit shows as `a` to `f`.
    Bcd,
    /// A text of hex digits, lower case.
    Hex,
    /// UTF-8, of which ASCII is a part. What is not valid shows as U+FFFD.
    Text,
    /// A number written in decimal digits, such as `-12.5`. What is no number is a text.
    Decimal,
    /// Any bytes; base64 in JSON.
    Bytes,
}

impl Format {
    /// Reads `u8`, `u16` to `u64` with `u24`, `i8` to `i64`, `f32`, `f64`, each with `le` or `be` behind it where it is not
    /// `endian`; `bcd`, `hex`, `text`, `decimal`, `bytes`.
    pub fn parse(text: &str, endian: Endian) -> Option<Self> {
        let plain = match text {
            "bcd" => Some(Self::Bcd),
            "hex" => Some(Self::Hex),
            "text" => Some(Self::Text),
            "decimal" => Some(Self::Decimal),
            "bytes" => Some(Self::Bytes),
            _ => None,
        };
        if plain.is_some() {
            return plain;
        }
        let (number, endian) = match (text.strip_suffix("le"), text.strip_suffix("be")) {
            (Some(number), _) => (number, Endian::Little),
            (None, Some(number)) => (number, Endian::Big),
            (None, None) => (text, endian),
        };
        let width = match number.get(1..)? {
            "8" => 1,
            "16" => 2,
            "24" => 3,
            "32" => 4,
            "64" => 8,
            _ => return None,
        };
        let signed = number.starts_with('i');
        match number.get(..1)? {
            "u" | "i" => Some(Self::Integer {
                width,
                signed,
                endian,
            }),
            "f" if width >= 4 => Some(Self::Float { width, endian }),
            _ => None,
        }
    }

    /// Bytes, where the format says it.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Integer { width, .. } | Self::Float { width, .. } => Some(usize::from(width)),
            Self::Bcd | Self::Hex | Self::Text | Self::Decimal | Self::Bytes => None,
        }
    }

    /// An integer without sign: what can count.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Integer { signed: false, .. })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, width, endian) = match *self {
            Self::Integer {
                width,
                signed,
                endian,
            } => (if signed { 'i' } else { 'u' }, width, endian),
            Self::Float { width, endian } => ('f', width, endian),
            Self::Bcd => return f.write_str("bcd"),
            Self::Hex => return f.write_str("hex"),
            Self::Text => return f.write_str("text"),
            Self::Decimal => return f.write_str("decimal"),
            Self::Bytes => return f.write_str("bytes"),
        };
        let order = match endian {
            Endian::Little if width > 1 => "le",
            Endian::Little | Endian::Big => "",
        };
        write!(f, "{letter}{}{order}", width * 8)
    }
}
