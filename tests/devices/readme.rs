//! The blocks of `devices/README.md`, pasted against a broker; its files exist and its sizes are not far from the truth.

use crate::broker::Broker;
use crate::broker::pasted::{self, has, output, start};
use crate::client::{Client, Version};
use crate::console::{c_build, make};
use crate::root;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

const README: &str = include_str!("../../devices/README.md");

/// A block for a shell in the top folder. What it builds goes below the target folder, as everything here does.
fn example(broker: &Broker, name: &str) -> String {
    let private = broker.private().port();
    let build = c_build();
    let make = format!("make -C devices/c BUILD={}", build.display());
    let code = pasted::example(README, name, &[("1883", broker.mqtt().port()), ("8090", private)])
        .replace("devices/c/build", &build.display().to_string())
        .replace("make -C devices/c", &make)
        .replace("cargo run", &format!("{} run", env!("CARGO")))
        // The port that it has by default.
        .replace(
            "ringwire_device.py",
            &format!("ringwire_device.py --port {private}"),
        );
    format!("cd '{}'\n{code}", root().display())
}

#[tokio::test]
async fn the_first_lines_of_each_client_reach_the_watcher() {
    let broker = Broker::start(2);
    let mut watcher = Client::connect(&broker, Version::V5, "watcher").await;
    watcher.subscribe("tcp/+/up", 0).await;
    let clients = [
        ("c", "tcp/meter-7/up", "hello from C", has(&["cc", "make"])),
        ("rust", "tcp/meter-8/up", "hello from Rust", true),
    ];
    for (name, topic, text, is_here) in clients {
        if is_here {
            let printed = output(&example(&broker, name));
            assert!(printed.contains("online Connect Successfully\n"), "{printed}");
            let message = watcher.message().await;
            assert_eq!((message.topic.as_str(), message.text()), (topic, text));
        }
    }
    if has(&["python3"]) {
        let printed = output(&example(&broker, "python"));
        assert_eq!(printed.matches(" ms\n").count(), 3, "{printed}");
        assert_eq!(watcher.message().await.text(), "hello from Python");
        assert_eq!(watcher.message().await.payload, [0x01, 0xff, 0x00]);
        let printed = output(&format!(
            "cd '{}'\npython3 - <<'END'\n{}END",
            root().display(),
            library(&broker)
        ));
        assert_eq!(printed, "Connect Successfully\nNone\n");
        assert_eq!(watcher.message().await.text(), "21.5C");
    }
}

fn library(broker: &Broker) -> String {
    pasted::example(README, "library", &[("8090", broker.private().port())])
}

#[test]
fn the_python_listener_hears_mosquitto_and_mosquitto_hears_a_device() {
    if !has(&["python3", "mosquitto_pub", "mosquitto_sub", "stdbuf"]) {
        return;
    }
    let broker = Broker::start(2);
    let mut listener = start("sh", "-ec", &example(&broker, "listen"));
    let mut said = BufReader::new(listener.stderr.take().expect("piped"));
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    assert_eq!(line, "online: Connect Successfully\n");
    output(&example(&broker, "tell"));
    let mut printed = String::new();
    let mut stdout = listener.stdout.take().expect("piped");
    stdout.read_to_string(&mut printed).expect("text");
    assert_eq!(printed, "reboot\n");
    assert!(listener.wait().expect("it ends").success());

    // One message, unbuffered; the block itself runs until Ctrl-C.
    let watch = example(&broker, "watch")
        .trim()
        .replace("mosquitto_sub", "exec stdbuf -oL mosquitto_sub -C 1");
    let mut watcher = start("sh", "-ec", &watch);
    while watcher.try_wait().expect("a child").is_none() {
        output(&example(&broker, "python"));
    }
    let mut printed = String::new();
    let mut stdout = watcher.stdout.take().expect("piped");
    stdout.read_to_string(&mut printed).expect("text");
    assert!(printed.starts_with("tcp/meter-9/up "), "{printed}");
}

#[test]
fn the_c_program_compiles_as_printed() {
    if !has(&["cc"]) {
        return;
    }
    let code = pasted::example(README, "c-device", &[]);
    let mut command = Command::new("cc");
    command
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            "-x",
            "c",
            "-",
        ])
        .arg("-I")
        .arg(root().join("devices/c"));
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(code.as_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

/// `size` of this machine's object: code below one and a half of what is printed, so that growth is noticed.
#[test]
fn the_c_client_tests_and_measures_as_printed_and_is_as_small() {
    if !has(&["cc", "make", "size"]) {
        return;
    }
    let block = pasted::example(README, "c-test", &[]);
    assert!(block.contains("make -C devices/c test") && block.contains("make -C devices/c size"));
    let printed = make(&["size"]);
    let row = |name: &str| {
        let line = printed.lines().find(|line| line.ends_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name}: {printed}"));
        let words = line.split_whitespace().map(str::parse::<u64>);
        words.map_while(Result::ok).collect::<Vec<_>>()
    };
    let (code, ram) = (row("/ringwire_device.o")[0], row("/ram.o")[2]);
    assert!(
        code > 1000 && code < 6600,
        "code: {code} bytes, the README says 4,357"
    );
    assert!(
        (40..=80).contains(&ram),
        "a client: {ram} bytes, the README says 64"
    );
}

#[test]
fn every_file_that_the_readme_names_exists() {
    let links = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    let links: Vec<_> = links.collect();
    assert!(links.len() > 4, "{links:?}");
    for link in links {
        assert!(
            root().join("devices").join(link).exists(),
            "the README names {link}"
        );
    }
}
