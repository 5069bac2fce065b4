//! Keys of `[[field]]`: values, lists, blocks and their layouts.

use super::Keyed;

pub const FIELD: Keyed = Keyed {
    name: "field",
    about: "One value. Fields stand one behind the other, if they have neither `at` nor `column`.",
    keys: &[
        (
            "name",
            "text",
            "`\"\"`",
            "In JSON, templates and topics; `a.b` is the member `b` of the object `a` in JSON. Without one the bytes are passed over.",
        ),
        (
            "type",
            "`\"u8\"` to `\"u64\"` and `\"u24\"`, `\"i8\"` to `\"i64\"`, `\"f32\"`, `\"f64\"`, each with `le` or `be` behind it; `\"bcd\"`, `\"hex\"`, `\"text\"`, `\"decimal\"`, `\"bytes\"`",
            "",
            "How its bytes are meant. `decimal` is a number in digits, `bytes` is base64 in JSON.",
        ),
        (
            "width",
            "bytes, `{ field = \"NAME\" }`, `{ until = \"0x00\" }`, `\"rest\"`, `{ rest = 2 }`",
            "a number's own, a column's",
            "How long it is: fixed, as another field says, up to a byte, all that is left, or all but so many bytes of it.",
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
