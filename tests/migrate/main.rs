//! `ringwire migrate` of the real binary: whole files, what they become, and what is said about the rest.
//!
//! What each file of this folder becomes is kept beside it, as `.toml` and `.txt` (standard error); write them again with
//! `RINGWIRE_BLESS=1 cargo test --test migrate` and read the difference. The result must pass `ringwire check` and serve.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;

use std::path::{Path, PathBuf};
use std::process::Output;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrate")
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = broker::command()
        .current_dir(folder())
        .args(arguments)
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// The text is as kept in a file of the folder.
fn kept(name: &str, text: &str) {
    let path = folder().join(name);
    if std::env::var_os("RINGWIRE_BLESS").is_some() {
        std::fs::write(&path, text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == kept, "{name} is not as kept:\n{text}");
}

#[test]
fn a_whole_file_becomes_listeners_and_everything_else_is_named() {
    let (code, toml, notes) = run(&["migrate", "emqx_tcp.conf"]);
    assert_eq!(code, Some(3), "{notes}");
    kept("emqx_tcp.toml", &toml);
    kept("emqx_tcp.txt", &notes);
    assert!(!toml.contains("not to be shown") && !notes.contains("not to be shown"));
    let conf = std::fs::read_to_string(folder().join("emqx_tcp.conf")).expect("the file");
    let keys = conf
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "));
    for (key, _) in keys {
        // Carried over by its name, said in a note, or nothing but what is always so here.
        let name = key.rsplit('.').next().expect("a word");
        let always = [
            "enable_stats",
            "proxy_protocol",
            "send_timeout_close",
            "reuseaddr",
            "external",
            "plant",
        ];
        let said = toml.contains(&format!("\n{name} = ")) || notes.contains(&format!(": {key} = "));
        assert!(said || always.contains(&name), "{key}: not a word about it");
    }
}

#[test]
fn the_result_is_accepted_by_check() {
    for name in ["emqx_tcp.conf", "plain.conf"] {
        let (_, toml, notes) = run(&["migrate", name]);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), toml).expect("written");
        let (code, said, error) = run(&["check", "-c", &file.path().display().to_string()]);
        assert_eq!(code, Some(0), "{name}: {error}{notes}");
        assert!(said.contains("ok"), "{said}");
    }
}

#[test]
fn a_file_that_needs_nothing_is_migrated_and_ends_with_0() {
    let (code, toml, notes) = run(&["migrate", "plain.conf"]);
    assert_eq!(code, Some(0), "{notes}");
    kept("plain.toml", &toml);
    kept("plain.txt", &notes);
}

#[test]
fn lines_that_cannot_be_read_are_shown_with_line_and_caret_and_nothing_is_written() {
    let (code, toml, report) = run(&["migrate", "mistakes.conf"]);
    assert_eq!((code, toml.as_str()), (Some(2), ""));
    kept("mistakes.txt", &report);
    for line in 1..=14 {
        let mark = format!("mistakes.conf:{line}:");
        assert_eq!(report.matches(&mark).count(), 1, "{mark}\n{report}");
    }
    assert!(report.contains("^^^") && report.contains("did you mean `tcp.proto.up_topic`?"));
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let (code, toml, error) = run(&["migrate", "nowhere.conf"]);
    assert_eq!((code, toml.as_str()), (Some(2), ""));
    assert!(error.contains("nowhere.conf"), "{error}");
    let (code, ..) = run(&["migrate"]);
    assert_eq!(code, Some(2));
}

#[test]
fn the_exit_codes_are_in_the_help() {
    let (code, help, _) = run(&["migrate", "--help"]);
    assert_eq!(code, Some(0));
    for part in ["Exit codes:", "0 all carried over", "3 the same", "2 a line"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn devices_find_the_migrated_listener_as_they_left_it() {
    use std::io::{Read, Write};
    let (_, toml, _) = run(&["migrate", "plain.conf"]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let config = file.path().display().to_string();
    let ports = [
        "listener.mqtt.bind=127.0.0.1:0",
        "listener.external.bind=127.0.0.1:0",
    ];
    let server = broker::Broker::serve(2, &["-c", &config, "--set", ports[0], "--set", ports[1]]);
    let mut device = std::net::TcpStream::connect(server.private()).expect("it accepts");
    device.set_read_timeout(Some(broker::PATIENCE)).expect("a socket");
    // CONNECT without a username, which plant/%u/%c needs.
    device.write_all(b"\x11\x00\x04\x00\x00\x01a").expect("sent");
    let mut answer = Vec::new();
    device.read_to_end(&mut answer).expect("an answer");
    assert_eq!(answer, b"\x21\x00\x11Username Required");
}
