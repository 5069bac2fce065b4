//! Every key of a description: in which table, what it takes, what holds without it, and what it is for.
//!
//! The reader asks for no key that is not here, so the list is complete; the reference in docs/adapters.md is written from
//! it, and a test compares them.

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
pub const ALL: [&Keyed; 16] = [
    &TOP, &FRAME, &LENGTH, &CHECKSUM, &REACTIONS, &IDENTITY, &FIELD, &LIST, &BLOCKS, &LAYOUT, &MESSAGE,
    &PAYLOAD, &JSON, &TEMPLATE, &DOWN, &COMMAND,
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

pub const FIELD: Keyed = Keyed {
    name: "field",
    about: "One value. Fields stand one behind the other, if they have neither `at` nor `column`.",
    keys: &[
        (
            "name",
            "text",
            "`\"\"`",
            "In JSON, templates and topics. Without one the bytes are passed over.",
        ),
        (
            "type",
            "`\"u8\"` to `\"u64\"` and `\"u24\"`, `\"i8\"` to `\"i64\"`, `\"f32\"`, `\"f64\"`, each with `le` or `be` behind it; `\"bcd\"`, `\"hex\"`, `\"text\"`, `\"decimal\"`, `\"bytes\"`",
            "",
            "How its bytes are meant. `decimal` is a number in digits, `bytes` is base64 in JSON.",
        ),
        (
            "width",
            "bytes, `{ field = \"NAME\" }`, `{ until = \"0x00\" }`, `\"rest\"`",
            "a number's own, a column's",
            "How long it is: fixed, as another field says, up to a byte, or all that is left.",
        ),
        (
            "at",
            "position in the body",
            "behind the field before",
            "Where it begins; negative: from the end.",
        ),
        (
            "column",
            "number, from 0",
            "none",
            "It is this column of a separated line; negative: from the end.",
        ),
        (
            "bits",
            "`[FIRST, COUNT]`",
            "all",
            "Some bits of a number without sign; bit 0 is the least significant one.",
        ),
        ("factor", "number", "`1`", "JSON has value × factor + offset."),
        ("offset", "number", "`0`", "See `factor`."),
        (
            "trim",
            "`true`, `false`",
            "`false`",
            "Leaves padding off: NULs and spaces behind text, zeros before BCD and hex.",
        ),
        (
            "hidden",
            "`true`, `false`",
            "`false`",
            "It can be used, but is not in JSON.",
        ),
    ],
};

pub const LIST: Keyed = Keyed {
    name: "list",
    about: "A `[[field]]` with `count`: the same fields several times, an array in JSON.",
    keys: &[
        ("name", "text", "", "In JSON."),
        (
            "count",
            "number, `{ field = \"NAME\" }`, `\"rest\"`",
            "",
            "How many items: fixed, as another field says, or until the end.",
        ),
        (
            "field",
            "see `[[field]]`",
            "",
            "What each item has. One field without a name: the items are plain values.",
        ),
    ],
};

pub const BLOCKS: Keyed = Keyed {
    name: "blocks",
    about: "A `[[field]]` with `layout`: blocks until the end, each of which begins with what kind it is; an array of objects in JSON.",
    keys: &[
        ("name", "text", "", "In JSON."),
        (
            "label",
            "text",
            "`\"type\"`",
            "The member of each object that has the layout's name.",
        ),
        (
            "tag",
            "a type such as `\"u8\"`",
            "",
            "How the kind stands at the front of a block.",
        ),
        (
            "length",
            "a type such as `\"u8\"`",
            "none",
            "How the block's length stands behind the tag.",
        ),
        ("layout", "see `[[field.layout]]`", "", "The kinds."),
    ],
};

pub const LAYOUT: Keyed = Keyed {
    name: "layout",
    about: "`[[field.layout]]`: one kind of block.",
    keys: &[
        ("name", "text", "", "In JSON, under the label."),
        (
            "tags",
            "list of numbers and ranges, as `[1, \"128-254\"]`",
            "",
            "The tags it goes for.",
        ),
        (
            "field",
            "see `[[field]]`",
            "none",
            "What stands behind the tag and the length.",
        ),
    ],
};

pub const MESSAGE: Keyed = Keyed {
    name: "message",
    about: "`[[message]]`: one kind of frame.",
    keys: &[
        (
            "name",
            "text",
            "",
            "In logs, as `{message}` in topics, and in JSON where `payload` says so.",
        ),
        (
            "when",
            "table, as `{ command = 1 }`, `{ command = [2, 3] }`, `{ kind = { prefix = \"GP\" } }`",
            "always",
            "Values that fields of the frame must have; all of them.",
        ),
        (
            "role",
            "`\"login\"`, `\"heartbeat\"`, `\"data\"`, `\"acknowledge\"`, `\"close\"`, `\"ignore\"`",
            "`\"data\"`",
            "What it is for. Data is published.",
        ),
        (
            "publish",
            "`true`, `false`",
            "`false`",
            "It is published besides its role.",
        ),
        (
            "payload",
            "see *payload*",
            "as at the top",
            "What is published of it.",
        ),
        (
            "answer",
            "see *template*",
            "none",
            "What the device is told when it was let in, its data routed, its heartbeat seen.",
        ),
        (
            "refusal",
            "see *template*",
            "none",
            "What it is told when it is not let in, or when a rule forbids its data.",
        ),
        (
            "number",
            "name of a field",
            "",
            "With `role = \"acknowledge\"`: the number of the command that the device has.",
        ),
        ("client_id", "as in `[identity]`", "", "With `role = \"login\"`."),
        (
            "username",
            "as in `[identity]`",
            "none",
            "With `role = \"login\"`.",
        ),
        (
            "password",
            "as in `[identity]`",
            "none",
            "With `role = \"login\"`.",
        ),
        (
            "keepalive",
            "as in `[identity]`",
            "the listener's",
            "With `role = \"login\"`.",
        ),
        (
            "field",
            "see `[[field]]`",
            "none",
            "What it has behind the fields of every frame.",
        ),
    ],
};

pub const PAYLOAD: Keyed = Keyed {
    name: "payload",
    about: "*payload*: `\"json\"`, `\"raw\"` (the body as it is), `\"hex\"`, or a table with one of these:",
    keys: &[
        (
            "field",
            "name of a field",
            "one of two",
            "That field's bytes as they are.",
        ),
        (
            "json",
            "table with `omit` and `label`",
            "one of two",
            "JSON with other members than all fields.",
        ),
    ],
};

pub const JSON: Keyed = Keyed {
    name: "payload.json",
    about: "What is in the JSON object.",
    keys: &[
        ("omit", "list of names", "none", "Fields that are left out."),
        (
            "label",
            "text",
            "none",
            "The member, the first one, that has the message's name.",
        ),
    ],
};

pub const TEMPLATE: Keyed = Keyed {
    name: "template",
    about: "*template*: text with values in braces, or a table:",
    keys: &[
        (
            "text",
            "text with values in braces",
            "one of two",
            "As the text alone.",
        ),
        (
            "hex",
            "hex digits with values in braces",
            "one of two",
            "For binary protocols, as `\"01 {serial}\"`.",
        ),
        (
            "raw",
            "`true`, `false`",
            "`false`",
            "Sent as it is, without start, length, checksum and end put around it.",
        ),
    ],
};

pub const DOWN: Keyed = Keyed {
    name: "down",
    about: "What applications publish for a device, and what becomes of it.",
    keys: &[
        (
            "payload",
            "`\"raw\"`, `\"hex\"`, `\"json\"`",
            "`\"raw\"`",
            "What is published: bytes, hex digits, or a JSON object.",
        ),
        (
            "sequence_width",
            "1, 2, 4",
            "`2`",
            "Bytes of `{$sequence}`, which counts on each connection.",
        ),
        (
            "window",
            "0 to 65535",
            "`0`",
            "Commands on their way that the device has not acknowledged; 0: none is waited for.",
        ),
        (
            "command",
            "see `[[down.command]]`",
            "",
            "What is written. The first whose `when` holds is it.",
        ),
    ],
};

pub const COMMAND: Keyed = Keyed {
    name: "down.command",
    about: "`[[down.command]]`: what a device can be told to do.",
    keys: &[
        ("name", "text", "`\"\"`", "For people."),
        (
            "when",
            "as in `[[message]]`",
            "always",
            "Values that members of the JSON object must have.",
        ),
        (
            "send",
            "see *template*",
            "",
            "What is sent. `{$payload}` is what was published, `{.name}` a member of JSON.",
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
