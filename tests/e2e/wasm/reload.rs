//! A module that is replaced while the broker runs: in the middle of a call, by a file that cannot be used, and so often
//! that what stayed of each would be seen.

use super::{Device, faulty, frame, logged, sample, serve};
use crate::broker::http::Answer;
use crate::broker::{Broker, PATIENCE, http};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Puts a file in the place of the module and has it read.
fn reload(broker: &Broker, folder: &Path, bytes: &[u8]) -> Answer {
    fs::write(folder.join("x.wasm"), bytes).expect("written");
    let path = "/api/v5/adapters/box/reload";
    http::post(broker.admin(), path, &serde_json::Value::Null)
}

/// Replaces the module; a shard that is busy for long has the caller ask again.
fn reloaded(broker: &Broker, folder: &Path, bytes: &[u8]) {
    let started = Instant::now();
    loop {
        let answer = reload(broker, folder, bytes);
        if answer.status != 503 {
            assert_eq!(answer.status, 200, "{}", answer.body);
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{}", answer.body);
    }
}

/// A pager that answers a ping with this letter.
fn answering(letter: char) -> Vec<u8> {
    let text = String::from_utf8(sample("pager.wat")).expect("text");
    assert!(text.contains("\\01p"), "the pager changed");
    wat::parse_str(text.replace("\\01p", &format!("\\01{letter}"))).expect("it assembles")
}

async fn answers(device: &mut Device, letter: u8) {
    device.send(&frame('P', "")).await;
    assert_eq!(device.bytes(2).await, [1, letter]);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = serve(folder.path(), &sample("pager.wat"), "", 1);
    let mut older = Device::pager(&broker, "older").await;
    let whole = answering('n');
    let foreign = wat::parse_str("(module (memory (export \"memory\") 1))").expect("it assembles");
    let stuck = faulty('T', "nop");
    let stuck = String::from_utf8(stuck).expect("text");
    let end = stuck.rfind(')').expect("a module ends");
    let stuck = format!(
        "{} (func $main (loop $ever (br $ever))) (start $main))",
        &stuck[..end]
    );
    let stuck = wat::parse_str(stuck).expect("it assembles");
    for (bytes, why) in [
        (&b"no module"[..], "not a WebAssembly module"),
        (&[], "it begins with []"),
        // As while it is being written.
        (&whole[..whole.len() / 2], "the module is invalid"),
        (&foreign, "the module does not export ringwire_abi"),
        (&stuck, "it ran for more than 10 ms"),
    ] {
        let refused = reload(&broker, folder.path(), bytes);
        assert_eq!(refused.status, 400, "{}", refused.body);
        assert!(refused.body.contains(why), "{}", refused.body);
        answers(&mut older, b'p').await;
        let mut young = Device::pager(&broker, "young").await;
        answers(&mut young, b'p').await;
    }
    fs::remove_file(folder.path().join("x.wasm")).expect("removed");
    let path = "/api/v5/adapters/box/reload";
    let lost = http::post(broker.admin(), path, &serde_json::Value::Null);
    assert_eq!(lost.status, 400);
    assert!(lost.body.contains("No such file"), "{}", lost.body);
    reloaded(&broker, folder.path(), &whole);
    let mut young = Device::pager(&broker, "young").await;
    answers(&mut young, b'n').await;
    answers(&mut older, b'p').await;
}

#[tokio::test]
async fn a_module_is_replaced_while_a_call_of_the_old_one_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = faulty('T', "(loop $for_ever (br $for_ever))");
    let broker = serve(folder.path(), &old, "deadline = \"1s\"\n", 1);
    let mut older = Device::pager(&broker, "older").await;
    let mut stuck = Device::pager(&broker, "stuck").await;
    stuck.send(&frame('T', "")).await;
    reloaded(&broker, folder.path(), &answering('n'));
    let mut young = Device::pager(&broker, "young").await;
    answers(&mut young, b'n').await;
    stuck.is_closed().await;
    logged(&broker, "the module failed: it ran for more than 1000 ms");
    // The old one goes on for whom it has, though its instance failed after it was replaced.
    answers(&mut older, b'p').await;
    answers(&mut young, b'n').await;
}

/// A number of `/proc/PID/status`.
fn status(broker: &Broker, what: &str) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no {what} in:\n{status}"))
}

#[tokio::test]
async fn what_was_replaced_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let broker = serve(folder.path(), &sample("pager.wat"), "", 1);
    let times = std::env::var("RINGWIRE_WASM_RELOADS").ok();
    let times: usize = times.and_then(|text| text.parse().ok()).unwrap_or(40);
    let mut measured = (0, 0, 0);
    for n in 0..times + 10 {
        if n == 10 {
            let maps = fs::read_to_string(format!("/proc/{}/maps", broker.pid())).expect("it runs");
            measured = (
                status(&broker, "VmRSS:"),
                status(&broker, "Threads:"),
                maps.lines().count(),
            );
        }
        let letter = char::from(b'a' + u8::try_from(n % 26).expect("a letter"));
        reloaded(&broker, folder.path(), &answering(letter));
        // An instance of it is made, and some memory written.
        let mut device = Device::pager(&broker, "device").await;
        answers(&mut device, u8::try_from(letter).expect("a letter")).await;
        device.send(&frame('Q', "")).await;
        device.is_closed().await;
    }
    let (rss, threads, maps) = measured;
    // The last ones may be a moment behind.
    let started = Instant::now();
    while status(&broker, "Threads:") > threads {
        assert!(
            started.elapsed() < PATIENCE,
            "tickers stay: {} threads",
            status(&broker, "Threads:")
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let maps_after = fs::read_to_string(format!("/proc/{}/maps", broker.pid())).expect("it runs");
    let (rss_after, maps_after) = (status(&broker, "VmRSS:"), maps_after.lines().count());
    println!("{times} replacements: {rss} to {rss_after} KiB, {maps} to {maps_after} mappings");
    // A module and its instance that stayed would be 200 KiB and some mappings each.
    assert!(
        rss_after < rss + 60 * times,
        "{rss} KiB before, {rss_after} after {times}"
    );
    assert!(
        maps_after < maps + times,
        "{maps} mappings before, {maps_after} after {times}"
    );
}
