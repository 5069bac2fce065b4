//! `ringwire adapter` on the shipped files, on the guide's example, and on files with mistakes.

use crate::broker::command;
use std::path::Path;
use std::process::{Command, Output};

const NAMES: [&str; 4] = ["gbt32960", "gt06", "meter", "wialon"];

fn adapter(arguments: &[&str]) -> Command {
    let mut command = command();
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("adapter")
        .args(arguments);
    command
}

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn the_vectors_of_every_shipped_description_hold() {
    for name in NAMES.into_iter().chain(["jt808"]) {
        let (code, stdout, stderr) = run(adapter(&["test", &format!("adapters/{name}.toml")]));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.contains(&format!("ok: {name} with ")), "{stdout}");
    }
}

#[cfg(feature = "wasm")]
#[test]
fn the_vectors_of_the_samples_in_webassembly_hold() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("wasm/samples");
    let folder = tempfile::tempdir().unwrap();
    let pager = wat::parse_file(samples.join("pager.wat")).expect("it assembles");
    std::fs::write(folder.path().join("pager.wasm"), pager).unwrap();
    let tracker = std::fs::read(samples.join("tracker.wasm")).unwrap();
    std::fs::write(folder.path().join("tracker.wasm"), tracker).unwrap();
    for name in ["pager", "tracker"] {
        let text = std::fs::read_to_string(samples.join(format!("{name}.vectors.toml"))).unwrap();
        let file = folder.path().join(format!("{name}.vectors.toml"));
        std::fs::write(&file, text).unwrap();
        let (code, stdout, stderr) = run(adapter(&["test", file.to_str().unwrap()]));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.contains(&format!("ok: {name} with ")), "{stdout}");
    }
}

#[test]
fn the_list_has_what_is_built_in_and_what_is_shipped_with_its_fields() {
    let (code, stdout, stderr) = run(adapter(&["list"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for name in NAMES.into_iter().chain(["emqtcp", "jt808"]) {
        assert!(stdout.contains(&format!("\n  {name} ")), "{name}: {stdout}");
    }
    assert!(stdout.contains("{message}"), "{stdout}");
}

#[test]
fn a_vector_that_does_not_hold_is_shown_as_expected_and_as_found() {
    let folder = tempfile::tempdir().unwrap();
    for end in ["toml", "vectors.toml"] {
        let text =
            std::fs::read_to_string(format!("{}/adapters/gt06.{end}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let text = text.replacen("out = \"78 78 05 01 00 01 d9 dc 0d 0a\"", "out = \"78\"", 1);
        std::fs::write(folder.path().join(format!("x.{end}")), text).unwrap();
    }
    let file = folder.path().join("x.toml");
    let (code, stdout, stderr) = run(adapter(&["test", file.to_str().unwrap()]));
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    for words in [
        "x.vectors.toml:",
        "step 1: out\n",
        "  expected 78\n",
        "  found    78 78 05 01 00 01 d9 dc 0d 0a\n",
        "FAILED in 1",
    ] {
        assert!(stdout.contains(words), "no {words} in {stdout}");
    }
    assert!(stderr.contains("1 of 12 connections"), "{stderr}");
}

#[test]
fn decode_shows_the_frame_the_checksum_the_fields_and_the_answer() {
    let login = "78780D01012345678901234500018CDD0D0A";
    let (code, stdout, stderr) = run(adapter(&["decode", "gt06", login, "787808", "--down", "RESET#"]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    for words in [
        "0..18    frame: 78 78 0d",
        "checksum 14..16: 8cdd over 2..14, right",
        "is `login`, login",
        "imei = \"123456789012345\"  (01 23 45 67 89 01 23 45)",
        "=> connect as \"123456789012345\"",
        "<= 78 78 05 01 00 01 d9 dc 0d 0a",
        "no whole frame yet: 3 bytes of 13",
        "52 45 53 45 54 23",
    ] {
        assert!(stdout.contains(words), "no {words} in\n{stdout}");
    }
    let (code, stdout, stderr) = run(adapter(&["decode", "gt06", &login.replace("8CDD", "8CDE")]));
    assert_eq!(code, Some(1));
    assert!(stdout.contains("8cde, but over 2..14 it is 8cdd"), "{stdout}");
    assert!(stderr.contains("close the connection"), "{stderr}");
    let (code, stdout, _) = run(adapter(&["decode", "wialon", "--text", "#L#1;2\\r\\n#P#\\n"]));
    assert_eq!(code, Some(0), "{stdout}");
    assert!(stdout.contains("\"#AP#\\r\\n\""), "{stdout}");
    let (code, _, stderr) = run(adapter(&["decode", "gt07", "00"]));
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("there is no adapter `gt07`") && stderr.contains("gt06"),
        "{stderr}"
    );
}

/// Frames of one terminal: it authenticates; a position with a speed and a direction that are escaped and two additional
/// items; positions in bulk; a package; an encrypted body; a body that does not fit.
const TERMINAL: [&str; 6] = [
    "7e 01 02 00 0c 01 88 76 63 89 72 00 01 30 31 38 38 37 36 36 33 38 39 37 32 68 7e",
    "7e 02 00 00 25 01 88 76 63 89 72 00 02 00 00 00 00 00 04 00 03 01 d9 06 6c 07 3d 2c ec 00 0f 00 7d 02 00 7d 01 \
     26 11 23 10 00 59 01 04 00 00 3f b2 33 01 01 e7 7e",
    "7e 07 04 00 21 01 88 76 63 89 72 00 03 00 01 00 00 1c 00 00 00 00 00 04 00 03 01 d9 06 6c 07 3d 2c ec 00 0f 00 \
     7d 02 00 7d 01 26 11 23 10 00 59 45 7e",
    "7e 09 00 20 03 01 88 76 63 89 72 00 04 00 02 00 01 f0 61 62 b9 7e",
    "7e 02 00 04 02 01 88 76 63 89 72 00 05 61 62 65 7e",
    "7e 01 08 00 03 01 88 76 63 89 72 00 06 01 02 03 6b 7e",
];

#[test]
fn decode_explains_what_is_built_in_too() {
    let (code, stdout, stderr) = run(adapter(&[&["decode", "jt808"], &TERMINAL[..]].concat()));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let mut rest = stdout.as_str();
    for words in [
        "0..27    frame: 01 02 00 0c",
        "checksum 24..25: 68 over 0..24, right",
        "10..12  header.msg_sn = 1  (00 01)",
        "is `0102`, login",
        "12..24  body.code = \"018876638972\"  (30 31",
        "=> connect as \"018876638972\"",
        "<= 7e 80 01 00 05",
        "27..81    frame, without escapes: 02 00 00 25",
        "30..32  body.speed = 126  (00 7e)",
        "32..34  body.direction = 125  (00 7d)",
        "40..46  body.extra.mileage = 16306  (01 04 00 00 3f b2)",
        "46..49  body.extra.51 = \"AQ==\"  (33 01 01)",
        "=> publish {\"body\":{\"alarm\":0",
        "12..14  body.length = 1  (00 01)",
        "25..29  body.location[0].latitude = 31000172  (01 d9 06 6c)",
        "14..16  header.frag_sn = 1  (00 01)",
        "16..19  body.data = \"a part of the message\"  (f0 61 62)",
        "header.len = 2 (encrypt 1)",
        "12..14  body.data = \"encrypted\"  (61 62)",
        "14..15  body.data = \"does not fit the message\"  (03)",
        "\"unknown_id\":true",
    ] {
        let at = rest.find(words);
        rest = &rest[at.unwrap_or_else(|| panic!("no {words}, or not there, in\n{stdout}"))..];
    }
    let (code, stdout, stderr) = run(adapter(&["decode", "jt808", TERMINAL[1]]));
    assert_eq!(code, Some(1), "{stdout}");
    assert!(
        stdout.contains("body.speed = 126") && stdout.contains("a login before these"),
        "{stdout}"
    );
    assert!(
        stderr.contains("0200 before the device has authenticated"),
        "{stderr}"
    );
}

#[test]
fn vectors_of_what_is_built_in_may_set_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lenient.vectors.toml");
    let steps = r#"
        [[connection]]
        [[connection.step]]
        in = "7e 00 02 00 00 01 88 76 63 89 72 00 02 67 7e 7e 00 01 7e"
        events = [{ connect = "018876638972", username = "018876638972", keepalive = "1m" }, "heartbeat"]
        out = "7e 80 01 00 05 01 88 76 63 89 72 00 00 00 02 00 02 00 e3 7e"
        error = "checksum"
    "#;
    let mut ways = Vec::new();
    for head in [
        "builtin = \"jt808\"\nimplicit_login = true\nclose_on_bad_frame = true\nkeepalive = \"1m\"",
        "builtin = \"jt808\"",
        "implicit_login = true",
        "builtin = \"emqtcp\"\nimplicit_login = true",
        "builtin = \"jt808\"\nimplict_login = true",
    ] {
        std::fs::write(&file, format!("[adapter]\n{head}\n{steps}")).unwrap();
        let (code, stdout, stderr) = run(adapter(&["test", file.to_str().unwrap()]));
        ways.push((code, stdout + &stderr));
    }
    let has = |way: usize, code, words: &str| {
        assert!(
            ways[way].0 == Some(code) && ways[way].1.contains(words),
            "{:?}",
            ways[way]
        );
    };
    has(1, 1, "found    event 1: none");
    has(2, 2, "it takes `builtin`");
    has(3, 2, "only builtin = \"jt808\" has keys");
    has(4, 2, "did you mean `implicit_login`?");
    has(0, 0, "ok: jt808 with 1 connections");
}

/// The fenced blocks of the guide in a language.
fn blocks(language: &str) -> Vec<String> {
    let guide =
        std::fs::read_to_string(format!("{}/docs/adapters.md", env!("CARGO_MANIFEST_DIR"))).expect("a guide");
    let mark = format!("```{language}\n");
    let blocks = guide.split(&mark).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn the_guide_s_example_is_right_and_its_vectors_hold() {
    let blocks = blocks("toml");
    let [description, down, vectors, listener] = blocks.as_slice() else {
        panic!("{} blocks of TOML", blocks.len());
    };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("thermometer.toml"), format!("{description}\n{down}")).unwrap();
    std::fs::write(file("thermometer.vectors.toml"), vectors).unwrap();
    std::fs::write(file("ringwire.toml"), listener).unwrap();
    let (code, stdout, stderr) = run(adapter(&["test", file("thermometer.toml").to_str().unwrap()]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    let mut check = command();
    check
        .args(["check", "--shards", "1", "-c"])
        .arg(file("ringwire.toml"));
    let (code, stdout, stderr) = run(check);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
    assert!(stdout.contains("coldstore=adapter://0.0.0.0:7000"), "{stdout}");
}

#[test]
fn who_names_an_adapter_without_vectors_is_told_what_file_is_looked_for() {
    for name in ["gt06", "nowhere/x.toml"] {
        let (code, _, stderr) = run(adapter(&["test", name]));
        assert_eq!(code, Some(2), "{stderr}");
        let file = format!(
            "cannot read the vectors {}.vectors.toml",
            name.trim_end_matches(".toml")
        );
        assert!(
            stderr.contains(&file) && stderr.contains("name the file"),
            "{stderr}"
        );
    }
}

#[test]
fn vectors_with_a_mistake_are_shown_with_line_and_caret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.vectors.toml");
    let text = "builtin = \"emqtcp\"\n[[connection]]\n[[connection.step]]\nin = \"0g\"\nevent = []\n";
    std::fs::write(&file, text).unwrap();
    let (code, _, stderr) = run(adapter(&["test", Path::new(&file).to_str().unwrap()]));
    assert_eq!(code, Some(2), "{stderr}");
    for words in [
        "x.vectors.toml:4:6",
        "`g` is no hexadecimal digit",
        "did you mean `events`?",
        "in the vectors",
    ] {
        assert!(stderr.contains(words), "no {words} in {stderr}");
    }
}
