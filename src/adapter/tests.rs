//! The trial itself, on the protocol that is built in: what holds passes, and every kind of difference is found.

use super::trial;
use super::vectors;
use crate::config::source::Source;
use ringwire_codec::adapter::emq::EmqTcp;

fn run(text: &str) -> Vec<String> {
    let source = Source {
        origin: "v.toml".to_owned(),
        text: text.to_owned(),
        lists_listeners: false,
        folder: None,
    };
    let differences = trial::run(
        &EmqTcp::default(),
        &vectors::read(&source, false).expect("right vectors"),
        &source,
    );
    differences.iter().map(ToString::to_string).collect()
}

const GOOD: &str = r#"
[[connection]]
name = "a device"
[[connection.step]]
in = "11 00 06 00 00 03 61 62 63"
events = [{ connect = "abc" }]
out_text = "\u0020\u0000\u0014Connect Successfully"
[[connection.step]]
in = "30 00 02 68 69 40"
events = [{ publish = "hi" }, "heartbeat"]
out = "50"
[[connection.step]]
down = { a = 1 }
out = "30 00 07 7b 22 61 22 3a 31 7d"
[[connection.step]]
in = "11"
error = "already_connected"
offset = 0
"#;

#[test]
fn what_happens_as_the_vectors_say_is_no_difference() {
    assert_eq!(run(GOOD), [""; 0]);
}

/// A change of GOOD, and what is said then.
const CHANGES: [(&str, &str, [&str; 3]); 14] = [
    (
        "connect = \"abc\"",
        "connect = \"abd\"",
        [
            "v.toml:6: ",
            "expected event 1: connect as \"abd\"",
            "found    event 1: connect as \"abc\"",
        ],
    ),
    (
        "\"heartbeat\"]",
        "\"heartbeat\", \"close\"]",
        ["v.toml:10: ", "expected event 3: close", "found    event 3: none"],
    ),
    (
        ", \"heartbeat\"]",
        "]",
        [
            "v.toml:10: ",
            "expected event 2: none",
            "found    event 2: heartbeat",
        ],
    ),
    (
        "publish = \"hi\"",
        "publish = { a = 2 }",
        ["v.toml:10: ", "{\"a\":2}", "publish \"hi\""],
    ),
    (
        "\"50\"",
        "\"51\"",
        ["v.toml:11: ", "expected 51\n", "found    50\n"],
    ),
    (
        "out = \"50\"\n",
        "",
        ["v.toml:8: ", "expected nothing", "found    50"],
    ),
    ("22 61 22", "22 62 22", ["v.toml:14: ", "22 62 22", "22 61 22"]),
    (
        "\"already_connected\"",
        "\"checksum\"",
        [
            "v.toml:17: ",
            "expected \"checksum\"",
            "found    \"already_connected\": a second CONNECT",
        ],
    ),
    (
        "error = \"already_connected\"\noffset = 0\n",
        "",
        ["v.toml:15: ", "expected no error", "a second CONNECT"],
    ),
    (
        "offset = 0",
        "offset = 1",
        ["v.toml:17: ", "it at offset 1", "(offset 0)"],
    ),
    (
        "offset = 0",
        "reason = \"moon\"",
        ["v.toml:17: ", "the words \"moon\"", "a second CONNECT"],
    ),
    (
        "down = { a = 1 }",
        "undeliverable = \"x\"\ndown = { a = 1 }",
        ["v.toml:13: ", "expected \"x\"", "found    "],
    ),
    (
        "name = \"a device\"",
        "fields = [\"x\"]",
        ["v.toml:3: ", "fields", "found    x"],
    ),
    (
        "in = \"11\"\nerror",
        "in = \"10\"\nevents = [\"close\"]\nerror",
        ["v.toml:17: ", "expected event 1: close", "found    event 1: none"],
    ),
];

#[test]
fn every_kind_of_difference_is_found_with_its_line() {
    for (from, to, words) in CHANGES {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from}");
        let found = run(&text);
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        for word in words {
            assert!(found[0].contains(word), "{to}: no {word} in\n{}", found[0]);
        }
    }
}
