//! Every key of a description: in which table, what it takes, what holds without it, and what it is for.
//!
//! The reader asks for no key that is not here, so the list is complete; the reference in docs/adapters.md is written from
//! it, and a test compares them.

mod fields;
mod messages;

pub use fields::{BLOCKS, FIELD, LAYOUT, LIST};
pub use messages::{CODES, COMMAND, DOWN, JSON, MESSAGE, PAYLOAD, TEMPLATE};

/// A table of keys.
#[derive(Debug)]
pub struct Keyed {
    /// As it is called in messages and in the guide.
    pub name: &'static str,
    pub about: &'static str,
    pub keys: &'static [Row],
}

/// A key: its name, what it takes, what holds without it (empty: it must be there), what it is for.
pub type Row = (&'static str, &'static str, &'static str, &'static str);

/// All tables, in the order of the guide.
pub const ALL: [&Keyed; 18] = [
    &TOP, &FRAME, &LENGTH, &ALSO, &CHECKSUM, &REACTIONS, &IDENTITY, &FIELD, &LIST, &BLOCKS, &LAYOUT,
    &MESSAGE, &PAYLOAD, &JSON, &TEMPLATE, &CODES, &DOWN, &COMMAND,
];

pub const TOP: Keyed = Keyed {
    name: "description",
    about: "The file itself.",
    keys: &[
        (
            "name",
            "letters, digits, `-`, `_`, `.`",
            "",
            "Name of the protocol in logs, in the client list and on the command line.",
        ),
        ("about", "text", "`\"\"`", "One line for `ringwire adapter list`."),
        (
            "version",
            "0 to 255",
            "`0`",
            "The protocol's version as clients are listed with; 0: it has none.",
        ),
        (
            "endian",
            "`\"big\"`, `\"little\"`",
            "`\"big\"`",
            "Byte order of numbers that do not say theirs.",
        ),
        (
            "separator",
            "one byte, as `\",\"`",
            "none",
            "What separates the columns of a line; needed for `column`.",
        ),
        (
            "payload",
            "see *payload*",
            "`\"json\"`",
            "What is published of a message that does not say otherwise.",
        ),
        ("frame", "see `[frame]`", "", "Where frames begin and end."),
        (
            "checksum",
            "see `[checksum]`",
            "none",
            "Verified in each frame, and put into each answer and command.",
        ),
        (
            "reactions",
            "see `[reactions]`",
            "the defaults there",
            "What is done with bytes that are not as described.",
        ),
        (
            "identity",
            "see `[identity]`",
            "none",
            "Who a device is when no message is a login: then any frame lets it in.",
        ),
        (
            "field",
            "see `[[field]]`",
            "none",
            "What every frame has. `when` of a message asks for these.",
        ),
        (
            "message",
            "see `[[message]]`",
            "",
            "The kinds of frames. The first whose `when` holds is it.",
        ),
        (
            "down",
            "see `[down]`",
            "none",
            "What devices can be sent. Without it messages for a device are dropped.",
        ),
    ],
};

pub const FRAME: Keyed = Keyed {
    name: "frame",
    about: "Where frames begin and end: exactly one of `length`, `delimiter`, `size` and `end`.",
    keys: &[
        (
            "length",
            "see `[frame.length]`",
            "one of four",
            "A length stands in the frame.",
        ),
        (
            "delimiter",
            "1 to 16 bytes, as `\"\\n\"`",
            "one of four",
            "Stands behind each frame and is no part of it.",
        ),
        (
            "size",
            "bytes",
            "one of four",
            "Each frame has so many, `start` included.",
        ),
        (
            "end",
            "1 to 16 bytes, as `\"0x7e\"`",
            "one of four",
            "Mark behind each frame; no part of it.",
        ),
        (
            "start",
            "up to 16 bytes",
            "`\"\"`",
            "Each frame begins so. With `end` it is no part of the frame, otherwise it is.",
        ),
        (
            "escapes",
            "table of two bytes = one byte",
            "none",
            "With `end`: what stands on the wire = what is meant, as `\"0x7d01\" = \"0x7d\"`.",
        ),
        (
            "strip_cr",
            "`true`, `false`",
            "`false`",
            "With `delimiter`: a carriage return before it is no part of the frame.",
        ),
        (
            "ending",
            "bytes",
            "the delimiter",
            "With `delimiter`: what is written behind what is sent.",
        ),
        (
            "strip",
            "bytes",
            "`0`",
            "Left off the front: what remains of the frame is its body, where fields are counted.",
        ),
        (
            "strip_end",
            "bytes",
            "`0`",
            "Left off the end, such as a checksum.",
        ),
        (
            "max",
            "bytes, up to `\"1MB\"`",
            "`\"64KB\"`",
            "A longer frame closes the connection.",
        ),
        (
            "noise_max",
            "bytes, up to `\"64KB\"`",
            "`1024` with `start`",
            "Bytes before a start mark that are left out, and counted; more close the connection.",
        ),
        (
            "also",
            "see `[[frame.also]]`",
            "none",
            "Other ways in which frames begin.",
        ),
    ],
};

pub const ALSO: Keyed = Keyed {
    name: "frame.also",
    about: "`[[frame.also]]`: frames that begin otherwise, with `length` only. An answer is framed as what it answers.",
    keys: &[
        (
            "start",
            "1 to 16 bytes, as `\"0x7979\"`",
            "",
            "What tells them apart: no start begins with another.",
        ),
        (
            "length",
            "see `[frame.length]`",
            "",
            "Where the length stands, as there.",
        ),
        ("strip", "bytes", "as in `[frame]`", "Left off the front."),
        (
            "max",
            "bytes, up to `\"1MB\"`",
            "as in `[frame]`",
            "A longer frame closes the connection.",
        ),
    ],
};

pub const LENGTH: Keyed = Keyed {
    name: "frame.length",
    about: "The frame ends `length + adjustment` bytes behind the length field.",
    keys: &[
        (
            "offset",
            "bytes",
            "",
            "Where the length stands, from the front of the frame, `start` included.",
        ),
        ("width", "1, 2, 3, 4, 8", "", "Its bytes."),
        (
            "endian",
            "`\"big\"`, `\"little\"`",
            "as at the top",
            "Its byte order.",
        ),
        (
            "adjustment",
            "number, may be negative",
            "`0`",
            "What it does not count behind it, or counts before it (then negative).",
        ),
    ],
};

pub const CHECKSUM: Keyed = Keyed {
    name: "checksum",
    about: "Positions count in the frame, from 0; negative ones from its end, -1 being the last byte.",
    keys: &[
        (
            "algorithm",
            "`\"xor\"`, `\"sum8\"`, `\"sum16\"`, `\"crc16-modbus\"`, `\"crc16-ccitt-false\"`, `\"crc16-xmodem\"`, `\"crc16-kermit\"`, `\"crc16-x25\"`, `\"crc32\"`",
            "",
            "How it is computed.",
        ),
        ("from", "position", "`0`", "The first byte that it covers."),
        (
            "to",
            "position",
            "its own place",
            "The first byte that it does not cover any more. When it stands before `from`: the end.",
        ),
        ("at", "position", "", "Its own first byte."),
        (
            "endian",
            "`\"big\"`, `\"little\"`",
            "as at the top",
            "Its byte order.",
        ),
        (
            "hex",
            "`true`, `false`",
            "`false`",
            "It stands there as hex digits, as in `*6A`.",
        ),
    ],
};

pub const REACTIONS: Keyed = Keyed {
    name: "reactions",
    about: "`\"close\"` closes the connection, `\"skip\"` leaves the frame out; both are counted and logged.",
    keys: &[
        (
            "checksum",
            "`\"close\"`, `\"skip\"`",
            "`\"close\"`",
            "The checksum is wrong.",
        ),
        (
            "malformed",
            "`\"close\"`, `\"skip\"`",
            "`\"close\"`",
            "Fields do not fit into the frame.",
        ),
        (
            "unknown",
            "`\"close\"`, `\"skip\"`",
            "`\"skip\"`",
            "No message fits.",
        ),
        (
            "early",
            "`\"close\"`, `\"skip\"`",
            "`\"close\"`",
            "A frame comes before the login.",
        ),
    ],
};

pub const IDENTITY: Keyed = Keyed {
    name: "identity",
    about: "Who a device is. A message with `role = \"login\"` has these keys itself.",
    keys: &[
        (
            "client_id",
            "template, `{ from = \"certificate\" }`, `{ from = \"address\" }`",
            "",
            "The client id: text with fields of the frame, the name in the TLS certificate, or the peer's address.",
        ),
        ("username", "template", "none", "The username."),
        ("password", "template", "none", "The password."),
        (
            "keepalive",
            "duration as `\"2m\"`, `{ field = \"NAME\" }`",
            "the listener's",
            "How long it may be silent; a field counts seconds.",
        ),
    ],
};

/// All of it as Markdown, which the guide has.
pub fn reference() -> String {
    let mut text = String::new();
    for table in ALL {
        let title = format!(
            "\n### {}\n\n{}\n\n| key | takes | without it | |\n|---|---|---|---|\n",
            table.name, table.about
        );
        text.push_str(&title);
        for (key, takes, otherwise, about) in table.keys {
            let otherwise = if otherwise.is_empty() {
                "must be there"
            } else {
                otherwise
            };
            text.push_str(&format!("| `{key}` | {takes} | {otherwise} | {about} |\n"));
        }
    }
    text
}
