//! Keys of `[[message]]` and `[down]`, of payloads and templates.

use super::Keyed;

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
        (
            "codes",
            "see *codes*",
            "none",
            "Of a `refusal`: what `{$code}` is.",
        ),
    ],
};

pub const CODES: Keyed = Keyed {
    name: "codes",
    about: "*codes*: why a device or its data is refused, as the protocol says it: a number or text for each cause.",
    keys: &[
        (
            "client_id",
            "number or text",
            "`other`",
            "Its client id is not allowed.",
        ),
        (
            "credentials",
            "number or text",
            "`other`",
            "Its credentials are wrong or missing.",
        ),
        ("banned", "number or text", "`other`", "It is banned."),
        (
            "full",
            "number or text",
            "`other`",
            "There is no room for one more.",
        ),
        ("denied", "number or text", "`other`", "A rule forbids its data."),
        (
            "other",
            "number or text",
            "none",
            "Whatever has no code of its own.",
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
