//! The README's promises, pasted: its examples run as printed, but for the ports, against the real broker; the files
//! that it names exist; the flags that it shows are flags of the binary.

use crate::broker::pasted::{self, has, output, start};
use crate::broker::{self, Broker, PATIENCE};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const README: &str = include_str!("../../README.md");

/// A block of the README, with the default ports replaced by those of a broker.
fn example(broker: &Broker, name: &str) -> String {
    let ports = [
        ("1883", broker.mqtt().port()),
        ("8090", broker.private().port()),
        ("18083", broker.admin().port()),
    ];
    pasted::example(README, name, &ports)
}

#[test]
fn the_first_example_prints_what_the_readme_says() {
    if !has(&["mosquitto_sub", "nc"]) {
        return;
    }
    let broker = Broker::start(2);
    let subscribe = example(&broker, "subscribe").trim().to_owned();
    // One message, unbuffered; the example itself runs until Ctrl-C.
    let mut subscriber = start("sh", "-ec", &format!("exec stdbuf -oL {subscribe} -C 1"));
    let mut printed = BufReader::new(subscriber.stdout.take().expect("piped"));
    // The README's reader also starts the device after the subscriber, without knowing when it subscribed.
    let mut answer = String::new();
    let device = example(&broker, "device");
    let sent = thread::scope(|scope| {
        let line = scope.spawn(|| {
            let mut line = String::new();
            printed.read_line(&mut line).expect("text");
            line
        });
        while !line.is_finished() {
            answer = output(&device);
            thread::sleep(Duration::from_millis(100));
        }
        line.join().expect("a line")
    });
    assert_eq!(sent, "tcp/abcd/up 21.5C\n");
    assert!(answer.ends_with("Connect Successfully"), "{answer:?}");
    subscriber.wait().expect("it ended after one message");
}

#[test]
fn the_python_device_hears_mosquitto_and_curl() {
    if !has(&["mosquitto_pub", "python3", "curl"]) {
        return;
    }
    let broker = Broker::start(2);
    for sender in ["publish", "curl"] {
        let mut device = start("python3", "-uc", &example(&broker, "python"));
        let mut printed = BufReader::new(device.stdout.take().expect("piped"));
        let mut line = String::new();
        printed.read_line(&mut line).expect("text");
        assert_eq!(line, "(32, b'Connect Successfully')\n");
        output(&example(&broker, sender));
        let mut rest = String::new();
        printed.read_to_string(&mut rest).expect("text");
        assert_eq!(rest, "(48, b'reboot')\n", "{sender}");
        assert!(device.wait().expect("it ends").success());
    }
}

#[test]
fn the_admin_examples_answer() {
    if !has(&["curl"]) {
        return;
    }
    let broker = Broker::start(2);
    let text = output(&example(&broker, "admin"));
    for word in ["ringwire_", "shard=\"1\"", "\"data\""] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn the_ban_example_bans_lists_and_lifts() {
    if !has(&["curl"]) {
        return;
    }
    let broker = Broker::start(2);
    let text = output(&example(&broker, "bans"));
    assert_eq!(text.matches("too-loud").count(), 2, "made, then listed: {text}");
    assert!(text.contains("\"count\":1"), "{text}");
    let until = Instant::now() + PATIENCE;
    while !broker.log().contains("too-loud") {
        assert!(Instant::now() < until, "the log names it: {}", broker.log());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_bench_example_measures_and_writes_its_report() {
    let broker = Broker::start(1);
    let folder = tempfile::tempdir().expect("a folder");
    let report = folder.path().join("report.html");
    let code = example(&broker, "bench")
        .replace(
            "ringwire bench",
            &format!("{} bench", env!("CARGO_BIN_EXE_ringwire")),
        )
        .replace("report.html", &report.display().to_string());
    let text = output(&code);
    assert!(
        text.contains("delivered") && text.contains("nothing lost"),
        "{text}"
    );
    let page = std::fs::read_to_string(report).expect("a report");
    assert!(page.contains("Latency by percentile"));
}

#[test]
fn every_file_that_the_readme_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links: Vec<_> = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect();
    assert!(links.len() > 8, "{links:?}");
    for link in links.iter().filter(|link| !link.starts_with('#')) {
        assert!(root.join(link).exists(), "README names {link}");
    }
    for folder in [
        "codec",
        "core",
        "shard",
        "admin",
        "src",
        "tests",
        "benches",
        "fuzz",
        "docs/decisions",
    ] {
        assert!(
            README.contains(&format!("`{folder}/`")) && root.join(folder).is_dir(),
            "{folder}/"
        );
    }
}

#[test]
fn every_flag_that_the_readme_shows_is_one_of_the_binary() {
    let help = |arguments: &[&str]| {
        let output = broker::command().args(arguments).arg("--help").output();
        String::from_utf8(output.expect("it runs").stdout).expect("text")
    };
    let help: String = [&[][..], &["bench"], &["bench", "compare"], &["passwd"]]
        .map(help)
        .concat();
    let of_cargo = ["--release", "--workspace"];
    let words = README.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    let flags: Vec<_> = words
        .filter(|word| word.starts_with("--") && word.len() > 3)
        .collect();
    assert!(flags.len() > 6, "{flags:?}");
    for flag in flags.iter().filter(|flag| !of_cargo.contains(flag)) {
        assert!(help.contains(flag), "README shows {flag}:\n{help}");
    }
}
