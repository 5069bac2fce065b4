//! `ringwire bench` as people run it: its command line, one run against a broker of its own, one comparison.
//!
//! Few messages and no timing: what is checked is that the numbers are there and add up, not how large they are.

#[path = "broker/mod.rs"]
#[allow(dead_code)]
mod broker;

use broker::Broker;
use serde_json::Value;
use std::process::Output;

fn bench(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = broker::command().arg("bench").args(arguments).output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Ended with the code, nothing on standard output, and one line on standard error with the words.
fn refused(arguments: &[&str], code: i32, words: &[&str]) {
    let (ended, stdout, stderr) = bench(arguments);
    assert_eq!((ended, stdout.as_str()), (Some(code), ""), "{stderr}");
    assert!(
        stderr.starts_with("ringwire: error: ") && stderr.lines().count() == 1,
        "{stderr}"
    );
    for word in words {
        assert!(stderr.contains(word), "no {word} in: {stderr}");
    }
}

#[test]
fn help_and_list_name_scenarios_brokers_and_exit_codes() {
    let (code, help, _) = bench(&["--help"]);
    assert_eq!(code, Some(0));
    for words in [
        "--broker-pid",
        "--json",
        "--source-addresses",
        "Exit codes",
        "compare",
    ] {
        assert!(help.contains(words), "{words}");
    }
    let (_, help, _) = bench(&["compare", "--help"]);
    for words in ["rumqttd=PATH", "{port}", "--rounds", "goals"] {
        assert!(help.contains(words), "{words}");
    }
    let (code, list, _) = bench(&["list"]);
    assert_eq!(code, Some(0));
    for name in [
        "conn",
        "p2p",
        "fan-in",
        "fan-out",
        "shared",
        "mixed",
        "echo",
        "sharesub-",
        "qos1-fan-in",
    ] {
        assert!(list.contains(name), "{name}");
    }
}

#[test]
fn a_mistake_says_what_to_do() {
    refused(
        &["fanout"],
        2,
        &["did you mean `fan-out`?", "ringwire bench list"],
    );
    refused(&["p2p-1K-1K"], 2, &["p2p-PUBLISHERS-SUBSCRIBERS"]);
    refused(&["p2p", "--target", "127.0.0.1:1883"], 2, &["mqtt://HOST:PORT"]);
    refused(&["p2p", "--rate", "50%"], 2, &["bench compare"]);
    refused(
        &["p2p", "--protocol", "private", "--qos", "1"],
        2,
        &["only MQTT has acknowledgements"],
    );
    refused(
        &["compare", "p2p", "--broker", "mosqito"],
        2,
        &["--broker mosqito"],
    );
    refused(
        &["compare", "p2p", "--broker", "relay=/nowhere/relay"],
        1,
        &["/nowhere/relay"],
    );
    let (code, _, stderr) = bench(&["p2p", "--qos", "3"]);
    assert_eq!(code, Some(2), "{stderr}");
}

#[test]
fn nobody_there_is_said_with_the_address() {
    // Bound and not listening: nobody else gets the port, and connecting to it is refused.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let target = format!("mqtt://{}", socket.local_addr().expect("bound"));
    refused(&["p2p", "--target", &target], 1, &[&target, "no broker answers"]);
}

#[test]
fn a_run_against_a_broker_is_measured_and_sound() {
    let broker = Broker::start(1);
    let target = format!("mqtt://{}", broker.mqtt());
    let pid = broker.pid().to_string();
    let run = [
        "p2p",
        "--qos",
        "1",
        "--messages",
        "2000",
        "--warmup",
        "0",
        "--target",
        &target,
        "--broker-pid",
        &pid,
    ];
    let (code, stdout, stderr) = bench(&[&run[..], &["--json", "-"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    let outcome = &report["outcome"];
    assert!(
        outcome["messages"]["delivered"].as_u64() >= Some(2_000),
        "{outcome}"
    );
    for wrong in ["lost", "duplicates", "reordered", "strange"] {
        assert_eq!(outcome["messages"][wrong], 0, "{wrong}");
    }
    assert_eq!(outcome["connections"]["made"], 2);
    assert!(outcome["latency"]["p99_us"].as_f64() > Some(0.0), "{outcome}");
    assert!(outcome["broker"]["rss_peak"].as_u64() > Some(0), "{outcome}");
    assert_eq!(report["plan"]["qos_most"], 1);
    let words = report["setting"]["command_line"].as_array().expect("words");
    assert!(words.iter().any(|word| word == "--broker-pid"));

    let (code, table, stderr) = bench(&run);
    assert_eq!(code, Some(0), "{stderr}");
    for words in ["delivered", "latency", "nothing lost"] {
        assert!(table.contains(words), "no {words} in:\n{table}");
    }
}

#[test]
fn a_shared_subscription_loses_and_doubles_nothing_on_several_shards() {
    let broker = Broker::start(3);
    let target = format!("mqtt://{}", broker.mqtt());
    for qos in ["0", "1", "2"] {
        let run = [
            "shared",
            "--qos",
            qos,
            "--messages",
            "2000",
            "--warmup",
            "0",
            "--target",
            &target,
            "--strict",
            "--quiet",
        ];
        let (code, table, stderr) = bench(&run);
        assert_eq!(code, Some(0), "{stderr}{table}");
        assert!(table.contains("nothing lost, doubled"), "{table}");
    }
}

#[test]
fn two_brokers_are_compared_and_none_is_left_behind() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("text");
    let binary = env!("CARGO_BIN_EXE_ringwire");
    let other = format!(
        "ringwire={binary} --set node.name=bench-left-behind-{}",
        std::process::id()
    );
    let (code, table, stderr) = bench(&[
        "compare",
        "p2p",
        "--broker",
        "ringwire",
        "--broker",
        &other,
        "--rounds",
        "1",
        "--messages",
        "2000",
        "--warmup",
        "0",
        "--json",
        path,
    ]);
    assert_eq!(code, Some(0), "{stderr}{table}");
    assert!(
        table.contains("ringwire-2") && table.contains("CPU s/million"),
        "{table}"
    );
    let text = std::fs::read_to_string(path).expect("the file");
    let comparison: Value = serde_json::from_str(&text).expect("JSON");
    let cells = comparison["jobs"][0]["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert!(
            cell["outcomes"][0]["messages"]["delivered"].as_u64() >= Some(2_000),
            "{cell}"
        );
    }
    assert!(!is_running(&format!(
        "node.name=bench-left-behind-{}",
        std::process::id()
    )));
}

#[test]
fn an_interrupted_comparison_stops_the_broker_that_ran() {
    let mark = format!("node.name=bench-interrupted-{}", std::process::id());
    let spec = format!("ringwire --set {mark}");
    let mut child = broker::command()
        .args([
            "bench",
            "compare",
            "p2p",
            "--broker",
            &spec,
            "--rounds",
            "1",
            "--duration",
            "10m",
        ])
        .spawn()
        .expect("the binary runs");
    let deadline = std::time::Instant::now() + broker::PATIENCE;
    while !is_running(&mark) {
        assert!(std::time::Instant::now() < deadline, "the broker was not started");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let kill = format!("kill -TERM {}", child.id());
    let sent = std::process::Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.is_ok_and(|sent| sent.success()));
    let status = child.wait().expect("a child");
    assert_eq!(status.code(), Some(128 + 15));
    assert!(!is_running(&mark));
}

/// Whether a process has exactly this among its arguments; in those of `compare` it is part of a longer one.
fn is_running(argument: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    processes.filter_map(Result::ok).any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    })
}
