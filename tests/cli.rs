//! The command line of the real binary: what `check` says, who overrides whom, exit codes, and the lines of a refusal.
//!
//! Nothing here needs a client. The text of every kind of mistake is kept in `tests/cli/mistakes.txt`; write it again
//! with `RINGWIRE_BLESS=1 cargo test --test cli` and read the difference.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ringwire() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringwire"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGWIRE_") {
            command.env_remove(name);
        }
    }
    command
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(command: &mut Command) -> Ended {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn check(arguments: &[&str]) -> Ended {
    run(ringwire().arg("check").args(arguments))
}

/// Ended with the code, and one line on standard error that starts as such lines do and has `words`.
fn refused(ended: &Ended, code: i32, words: &[&str]) {
    let Ended { stderr, .. } = ended;
    assert_eq!(ended.code, Some(code), "{stderr}");
    assert!(stderr.starts_with("ringwire: error: "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word} in: {stderr}");
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn check_shows_every_mistake_with_file_line_and_caret() {
    let ended = check(&["-c", "mistakes.toml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/mistakes.txt");
    if std::env::var_os("RINGWIRE_BLESS").is_some() {
        std::fs::write(&path, &ended.stderr).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(ended.stderr == kept, "not as kept:\n{}", ended.stderr);
    for mark in ["mistakes.toml:2:1", "did you mean `name`?", "^^^"] {
        assert!(kept.contains(mark), "{mark}");
    }
}

#[test]
fn serve_says_the_same_about_a_wrong_file_and_starts_nothing() {
    let (check, serve) = (
        check(&["-c", "mistakes.toml"]),
        run(ringwire().args(["serve", "-c", "mistakes.toml"])),
    );
    assert_eq!((check.code, &check.stderr), (serve.code, &serve.stderr));
    assert_eq!(serve.stdout, "");
    let alone = run(ringwire().args(["-c", "mistakes.toml"]));
    assert_eq!(alone.stderr, serve.stderr);
}

#[test]
fn a_good_configuration_is_one_line_and_exit_code_0() {
    let ended = check(&[
        "--shards",
        "1",
        "--admin",
        "off",
        "--listen",
        "mqtt://127.0.0.1:1884",
    ]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let line = "configuration: ok: mqtt=mqtt://127.0.0.1:1884, admin off, 1 shard on CPU ";
    assert!(ended.stdout.starts_with(line), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 1);
}

/// `cargo test --no-default-features --test cli`
#[cfg(not(feature = "wasm"))]
#[test]
fn a_module_is_refused_with_the_feature_that_it_needs() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "[adapter.x]\nmodule = \"x.wasm\"\nmemory_max = \"1MiB\"\n",
    )
    .unwrap();
    let ended = run(ringwire().args(["check", "-c"]).arg(file.path()));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for words in ["module = \"x.wasm\"", "the cargo feature `wasm`"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn the_example_is_a_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let example = run(ringwire().arg("example"));
    std::fs::write(file.path(), example.stdout).unwrap();
    let ended = run(ringwire().args(["check", "-c"]).arg(file.path()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn tune_looks_at_this_host_with_the_given_configuration_and_takes_no_port() {
    let tune = |more: &[&str]| {
        run(ringwire()
            .args(["tune", "--shards", "1", "--connections", "1000"])
            .args(more))
    };
    let text = tune(&[]);
    assert_eq!((text.code, text.stderr.as_str()), (Some(0), ""));
    assert!(
        text.stdout.starts_with("ringwire tune: 1 shard on CPUs "),
        "{}",
        text.stdout
    );
    assert!(
        text.stdout.contains("for 1000 connections. Nothing was changed."),
        "{}",
        text.stdout
    );
    let json: serde_json::Value = serde_json::from_str(&tune(&["--json"]).stdout).expect("JSON");
    assert_eq!(
        (&json["connections"], json["shards"].as_array().map(Vec::len)),
        (&1000.into(), Some(1))
    );
    let kernel = json["findings"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["about"] == "kernel"));
    assert_eq!(kernel.map(|row| &row["severity"]), Some(&"fine".into()));
    assert_eq!(
        tune(&["--set", "node.shards=0"]).code,
        Some(2),
        "a wrong configuration is refused here too"
    );
}

#[test]
fn listen_repeats_and_the_second_of_a_type_has_a_name_of_its_own() {
    let listen = ["mqtt://127.0.0.1:0", "mqtt://[::1]:0", "emqtcp://127.0.0.1:0"];
    let arguments: Vec<_> = listen.iter().flat_map(|address| ["--listen", address]).collect();
    let ended = check(&arguments);
    let listeners = "emqtcp=emqtcp://127.0.0.1:0, mqtt=mqtt://127.0.0.1:0, mqtt-2=mqtt://[::1]:0, admin=";
    assert!(
        ended.stdout.contains(listeners),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn flags_win_over_set_and_set_over_the_environment() {
    let run = |arguments: &[&str]| {
        let mut command = ringwire();
        command.env("RINGWIRE_LISTENER__MQTT__BIND", "127.0.0.1:5001");
        run(command.args(["check", "--admin", "off"]).args(arguments)).stdout
    };
    assert!(run(&[]).contains("mqtt=mqtt://127.0.0.1:5001"));
    let set = ["--set", "listener.mqtt.bind=127.0.0.1:5002"];
    assert!(run(&set).contains("mqtt=mqtt://127.0.0.1:5002"));
    let both = [set[0], set[1], "--listen", "mqtt://127.0.0.1:5003"];
    assert!(run(&both).contains("ok: mqtt=mqtt://127.0.0.1:5003, admin off"));
}

#[test]
fn a_mistake_in_a_flag_or_variable_is_shown_with_its_name() {
    let mut command = ringwire();
    command.env("RINGWIRE_LIMITS__INFLIGHT", "lots");
    let ended = run(command.args([
        "check",
        "--set",
        "node.nmae=x",
        "--shards",
        "65",
        "--cores",
        "9999",
    ]));
    assert_eq!(ended.code, Some(2));
    for words in [
        "--> RINGWIRE_LIMITS__INFLIGHT:1:19",
        "--> --set:1:6",
        "did you mean `name`?",
        "--> --shards:1:15",
        "--> --cores:1:14",
        "CPU 9999 is not there",
        "4 mistakes",
    ] {
        assert!(ended.stderr.contains(words), "no {words} in:\n{}", ended.stderr);
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    for arguments in [
        &["--listen", "coap://127.0.0.1:1"][..],
        &["--listen", "mqtt://localhost"],
        &["--set", "node.name"],
        &["--shards", "two"],
        &["dance"],
    ] {
        assert_eq!(run(ringwire().args(arguments)).code, Some(2), "{arguments:?}");
    }
    refused(
        &check(&["-c", "nowhere.toml"]),
        2,
        &["cannot read", "nowhere.toml"],
    );
}

#[test]
fn help_documents_the_ready_line_and_the_exit_codes() {
    for arguments in [&["--help"][..], &["serve", "--help"]] {
        let ended = run(ringwire().args(arguments));
        assert_eq!(ended.code, Some(0));
        for words in [
            "ready NAME=TYPE://ADDRESS",
            "Exit codes",
            "--listen",
            "RINGWIRE_LISTENER__MQTT__BIND",
        ] {
            assert!(ended.stdout.contains(words), "{words}");
        }
    }
    let version = format!("ringwire {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(ringwire().arg("--version")).stdout, version);
}

#[test]
fn a_taken_data_directory_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let lock = std::fs::File::create(dir.path().join("lock")).unwrap();
    lock.lock().unwrap();
    let ended = run(ringwire().arg("--data").arg(dir.path()).args([
        "--listen",
        "mqtt://127.0.0.1:0",
        "--admin",
        "off",
    ]));
    refused(&ended, 1, &[dir.path().to_str().unwrap(), "another ringwire"]);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_refused_with_its_name() {
    let ended = run(ringwire().args(["--set", "log.file=/nowhere/ringwire.log"]));
    refused(&ended, 1, &["/nowhere/ringwire.log"]);
}
#[test]
fn a_taken_port_is_refused_with_listener_and_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = format!("mqtt://{address}");
    refused(
        &run(ringwire().args(["--admin", "off", "--listen", &listen])),
        1,
        &[&address, "mqtt"],
    );
}

#[test]
fn a_refusal_that_nobody_reads_is_no_panic() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = ringwire()
        .args(["check", "--shards", "0"])
        .stderr(writer)
        .status();
    assert_eq!(status.expect("the binary runs").code(), Some(2));
}

#[test]
fn one_request_to_stop_that_arrives_twice_still_drains() {
    let mut command = ringwire();
    command.args([
        "--listen",
        "mqtt://127.0.0.1:0",
        "--admin",
        "off",
        "--shards",
        "1",
    ]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.find(|line| {
        line.as_ref()
            .is_ok_and(|line| line.starts_with("ready mqtt=mqtt://127.0.0.1:"))
    });
    let both = format!("kill -TERM {0}; kill -INT {0}", child.id());
    let sent = Command::new("sh").args(["-c", &both]).status().unwrap();
    let ended = child.wait().unwrap();
    assert!(ready.is_some() && sent.success());
    assert_eq!(ended.code(), Some(0));
    assert_eq!(lines.count(), 0, "the ready line is the last");
}

/// `ringwire passwd`, with what is typed.
fn passwd(file: &Path, arguments: &[&str], typed: &str) -> Ended {
    let mut command = ringwire();
    command.args(["passwd", "--scram"]).arg(file).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    // One that refuses before it reads has closed its end.
    let _ = child.stdin.take().expect("piped").write_all(typed.as_bytes());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("output");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ended {
        code: status.code(),
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

#[test]
fn passwd_writes_users_that_check_accepts_and_keeps_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    let added = passwd(&file, &["ann"], "secret\n");
    assert_eq!(added.code, Some(0), "{}", added.stderr);
    assert!(added.stdout.starts_with("added ann in "), "{}", added.stdout);
    assert_eq!(passwd(&file, &["b:o b"], "other").code, Some(0));
    let read = || std::fs::read_to_string(&file).unwrap();
    let line = |text: &str, name: &str| {
        let mark = format!("{name}:SCRAM-SHA-256$");
        let mut lines = text.lines().filter(|line| line.starts_with(&mark));
        let found = lines
            .next()
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned();
        assert_eq!(lines.next(), None);
        found
    };
    let before = read();
    assert!(
        line(&before, "ann").contains("$16384:") && !before.contains("secret"),
        "{before}"
    );
    let changed = passwd(&file, &["--iterations", "4096", "ann"], "secret\n");
    assert!(
        changed.stdout.starts_with("changed ann in "),
        "{}",
        changed.stdout
    );
    let after = read();
    assert_ne!(line(&before, "ann"), line(&after, "ann"));
    assert_eq!(before.replace(&line(&before, "ann"), &line(&after, "ann")), after);
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    let setting = format!("access.scram_file={:?}", file.to_str().unwrap());
    let ended = check(&["--set", &setting]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn passwd_refuses_what_no_client_could_send_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    refused(&passwd(&file, &["ann"], "\n"), 2, &["the password is empty"]);
    refused(
        &passwd(&file, &["ann"], "a\u{7}b\n"),
        2,
        &["the password cannot be sent"],
    );
    refused(&passwd(&file, &[""], "x\n"), 2, &["a username is not empty"]);
    refused(&passwd(&file, &["#ann"], "x\n"), 2, &["does not begin with `#`"]);
    assert_eq!(
        passwd(&file, &["--iterations", "4095", "ann"], "x\n").code,
        Some(2)
    );
    assert!(!file.exists());
    std::fs::write(&file, "ann:nonsense\n").unwrap();
    refused(
        &passwd(&file, &["bob"], "x\n"),
        1,
        &["users: line 1: ", "nothing was changed"],
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "ann:nonsense\n");
    let nowhere = dir.path().join("no/folder/users");
    refused(
        &passwd(&nowhere, &["ann"], "x\n"),
        1,
        &["cannot write", "nothing was changed"],
    );
}

#[test]
fn check_looks_into_the_file_of_users() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("users");
    let configuration = dir.path().join("ringwire.toml");
    std::fs::write(&configuration, format!("[access]\nscram_file = {file:?}\n")).unwrap();
    let check = || check(&["-c", configuration.to_str().unwrap()]);
    let ended = check();
    assert_eq!(ended.code, Some(2));
    for words in ["no credentials", "ringwire passwd", "ringwire.toml:2:14"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    std::fs::write(&file, "ann:SCRAM-SHA-256$1:AAAA$x:y\n\n?\n").unwrap();
    let ended = check();
    for words in [
        "users, line 1: expected 4096 to",
        "users, line 3: expected USERNAME",
        "2 mistakes",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}
