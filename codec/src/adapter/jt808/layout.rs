//! What a body consists of: the words in which `messages` describes each message, for reading and for writing.
//!
//! A layout is a list of parts in the order of the wire, each with its member's name in JSON. The names are those of EMQX's
//! gateway. `up` reads bodies by them, `down` writes bodies by them.

/// Bytes of a number, most significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Word,
    Dword,
}

impl Width {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Word => 2,
            Self::Dword => 4,
        }
    }

    pub(super) const fn max(self) -> u32 {
        match self {
            Self::Byte => 0xff,
            Self::Word => 0xffff,
            Self::Dword => 0xffff_ffff,
        }
    }
}

/// A part of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A number.
    Number(Width, &'static str),
    /// A number that JSON may leave out.
    NumberOr(Width, &'static str, u32),
    /// Digits, two in each of so many bytes.
    Bcd(usize, &'static str),
    /// Text in so many bytes, filled with zeros.
    Fixed(usize, &'static str),
    /// Text to the end.
    Text(&'static str),
    /// A length and text of so many bytes. JSON has no length, or one that is not looked at.
    Sized(Width, &'static str),
    /// As `Sized`, and JSON may leave it out.
    SizedOr(Width, &'static str),
    /// A length and bytes, in base64.
    SizedData(Width, &'static str),
    /// Bytes to the end, in base64.
    Data(&'static str),
    /// So many bytes, in base64.
    Bytes(usize, &'static str),
    /// The number of elements of the list that is named second.
    Count(Width, &'static str, &'static str),
    /// Elements of several parts, as many as `Count` said.
    List(&'static str, &'static [Part]),
    /// Elements of several parts, to the end.
    ListToEnd(&'static str, &'static [Part]),
    /// Numbers, as many as `Count` said.
    Numbers(Width, &'static str),
    /// What is there when the member is in the JSON, or when there is more of the body.
    If(&'static str, &'static [Part]),
    /// A position report to the end.
    Position(&'static str),
    /// The same, in the place of the body itself.
    OwnPosition,
    /// The 28 bytes of a position report without additional items.
    ShortPosition(&'static str),
    /// A length of two bytes and a position report, as an element without a name.
    SizedPosition,
    /// Channel, kind of frame, method and identifier in four bytes.
    CanId,
    /// Parameters of a device, as many as `Count` said.
    Parameters(&'static str),
    /// One byte for a number, its bytes for a text.
    Control(&'static str),
}
