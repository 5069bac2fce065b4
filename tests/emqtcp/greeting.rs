//! The first frame: its deadline, its version, credentials, and the names that are let in.

use crate::device::{ACCEPTED, Device, FAILED, connect, listed};
use crate::server::Server;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a 4 KB frame of data, more than a socket is likely to have read when it closes.
const MUCH: &str = "30 1000";

#[test]
fn a_device_is_accepted_with_the_protocol_s_text_on_every_shard() {
    let server = Server::shared();
    for n in 0..8 {
        let mut device = Device::connect(&server, &format!("accepted-{n}"));
        device.expect_alive();
    }
}

#[test]
fn a_first_frame_that_is_not_connect_closes() {
    let server = Server::shared();
    for first in [
        "00",
        "0F",
        "20 0000",
        "21 0000",
        "30 'abcd'",
        "40",
        "50",
        "60",
        "70",
        "80",
        "F1",
        "`GET / HTTP/1.1`",
    ] {
        let mut device = Device::send_first(&server, first);
        device.expect_end("");
        device.expect_reason(&server, "protocol_not_connected");
    }
}

#[test]
fn without_a_whole_connect_the_connection_ends_at_idle_timeout_whatever_dribbles_in() {
    let server = Server::with(&["listener.emqtcp.idle_timeout=1s"]);
    let opened = Instant::now();
    let (mut quiet, mut dribbling) = (Device::open(&server), Device::open(&server));
    // Longer than anybody waits: were the deadline one from the last byte, it would never come.
    let frame = crate::notation::bytes(&connect(&"x".repeat(1_000)));
    for byte in &frame {
        dribbling.send_bytes(&[*byte]);
        if dribbling.hears_within(Duration::from_millis(70)) {
            break;
        }
    }
    for device in [&mut quiet, &mut dribbling] {
        device.expect_end("");
        let line = device.expect_reason(&server, "idle_timeout");
        assert!(line.contains("no whole CONNECT"), "{line}");
    }
    let took = opened.elapsed();
    assert!(
        took >= Duration::from_millis(950),
        "not before its time: {took:?}"
    );
}

#[test]
fn a_whole_connect_ends_the_deadline() {
    let server = Server::with(&["listener.emqtcp.idle_timeout=1s"]);
    let mut devices: Vec<_> = (0..4)
        .map(|n| Device::connect(&server, &format!("in-time-{n}")))
        .collect();
    thread::sleep(Duration::from_millis(1_300));
    for device in &mut devices {
        device.expect_alive();
    }
}

#[test]
fn a_second_connect_closes_whoever_it_names() {
    let server = Server::shared();
    for second in ["11 (00 'second')", "11 (00 'another')", "10 0000", "1F 0000"] {
        let mut device = Device::connect(&server, "second");
        device.send(second);
        device.expect_end("");
        device.expect_reason(&server, "protocol_already_connected");
    }
}

#[test]
fn other_versions_are_told_so_and_closed() {
    let server = Server::shared();
    for first in [
        "10 (00 'version-0')",
        "12 (00 'version-2')",
        "1F (00 'version-15')",
        "12 0000",
        "13 (FF FF FF FF)",
    ] {
        let mut device = Device::send_first(&server, &format!("{first} 30 'not looked at' 40"));
        device.expect_end("22 'Protocol Version Not Supported'");
        device.expect_reason(&server, "unsupported_version");
    }
}

#[test]
fn version_0_is_spoken_where_the_listener_takes_it() {
    let server = Server::with(&["listener.emqtcp.accept_version_0=true"]);
    let mut watcher = server.v3("version-0-watcher");
    watcher.subscribe_v3("tcp/version-0/up", 0);
    let mut device = Device::send_first(&server, "10 (00 'version-0')");
    device.expect(ACCEPTED);
    device.send("30 'up'");
    watcher.expect("30 <'tcp/version-0/up' `up`>");
    watcher.send("30 <'tcp/version-0/dn' `down`>");
    device.expect("30 'down'");
    Device::connect(&server, "version-1").expect_alive();
    Device::send_first(&server, "12 (00 'version-2')").expect_end("22 'Protocol Version Not Supported'");
}

const USERS: [&str; 2] = [
    "access.allow_anonymous=false",
    "access.users=[{username='ann', password='secret'}]",
];

#[test]
fn wrong_credentials_are_told_so_and_closed() {
    let server = Server::with(&USERS);
    for credentials in [
        "",
        "'ann'",
        "'ann' ''",
        "'ann' 'secre'",
        "'ann' 'secret1'",
        "'Ann' 'secret'",
        "'eve' 'secret'",
        "'' ''",
    ] {
        let mut device = Device::send_first(&server, &format!("11 (00 'wrong' {credentials})"));
        device.expect_end(FAILED);
        device.expect_reason(&server, "authentication_failed");
        assert!(listed(&server, "wrong").is_null(), "no session is left");
    }
    Device::send_first(&server, "11 (00 'right' 'ann' 'secret')").expect(ACCEPTED);
}

#[test]
fn the_refusal_is_flushed_and_nothing_behind_it_is_looked_at() {
    let server = Server::with(&USERS);
    let mut watcher = server.send("10 <'MQTT' 04 C2 0000 'behind-watcher' 'ann' 'secret'>");
    watcher.expect_accepted();
    watcher.subscribe_v3("tcp/behind/up", 0);
    for _ in 0..5 {
        let text = "x".repeat(4_096);
        let more = format!("11 (00 'behind' 'ann' 'secret') 30 'ignored' {MUCH} `{text}`");
        let mut device = Device::send_first(&server, &format!("11 (00 'behind' 'ann' 'wrong') {more}"));
        device.send(&more);
        device.expect_end(FAILED);
    }
    let mut right = Device::send_first(&server, "11 (00 'behind' 'ann' 'secret')");
    right.expect(ACCEPTED);
    right.send("30 'looked at'");
    watcher.expect("30 <'tcp/behind/up' `looked at`>");
}

#[test]
fn a_client_id_that_would_change_the_topic_is_told_so_and_closed() {
    let server = Server::shared();
    let rows = [
        ("''", "empty"),
        ("(FF)", "not UTF-8"),
        ("(61 C0 AF)", "not UTF-8"),
        ("(ED A0 80)", "not UTF-8"),
        ("(61 00 62)", "control character"),
        ("(61 0A)", "control character"),
        ("(7F)", "control character"),
        ("(C2 85)", "control character"),
        ("'a+'", "wildcard"),
        ("'+'", "wildcard"),
        ("'a#b'", "wildcard"),
        ("'a/b'", "slash"),
        ("'/'", "slash"),
    ];
    for (id, what) in rows {
        let mut device = Device::send_first(&server, &format!("11 (00 {id}) 30 'x'"));
        device.expect_end(&format!("21 'Invalid Client Id: {what}'"));
        device.expect_reason(&server, "invalid_client_id");
    }
}

#[test]
fn a_slash_is_allowed_where_the_listener_says_so_and_nothing_else_is() {
    let server = Server::with(&["listener.emqtcp.allow_slash=true"]);
    let mut watcher = server.v3("slash-watcher");
    watcher.subscribe_v3("tcp/plant/7/pump/up", 0);
    let mut device = Device::connect(&server, "plant/7/pump");
    device.send("30 'x'");
    watcher.expect("30 <'tcp/plant/7/pump/up' `x`>");
    watcher.send("30 <'tcp/plant/7/pump/dn' `y`>");
    device.expect("30 'y'");
    Device::send_first(&server, &connect("a/#")).expect_end("21 'Invalid Client Id: wildcard'");
    Device::send_first(&server, "11 (00 (61 2F 00))").expect_end("21 'Invalid Client Id: control character'");
}

#[test]
fn a_client_id_of_another_script_is_let_in() {
    let server = Server::shared();
    let mut watcher = server.v3("script-watcher");
    watcher.subscribe_v3("tcp/水表-7 ä/up", 0);
    let mut device = Device::connect(&server, "水表-7 ä");
    device.send("30 'x'");
    watcher.expect("30 <'tcp/水表-7 ä/up' `x`>");
}

#[test]
fn a_client_id_longer_than_the_listener_takes_is_told_so_and_closed() {
    let server = Server::shared();
    Device::connect(&server, &"x".repeat(1_024)).expect_alive();
    let mut device = Device::send_first(&server, &connect(&"x".repeat(1_025)));
    device.expect_end("21 'Invalid Client Id: too long'");
    device.expect_reason(&server, "invalid_client_id");
}

#[test]
fn a_topic_does_not_begin_with_the_dollar_of_a_device() {
    let server = Server::with(&["listener.emqtcp.up_topic=%c/up", "listener.emqtcp.dn_topic=%u/dn"]);
    for id in ["$SYS", "$share", "$delayed", "$"] {
        let mut device = Device::send_first(&server, &format!("11 (00 '{id}' 'ann')"));
        device.expect_end("21 'Invalid Client Id: dollar'");
        device.expect_reason(&server, "invalid_client_id");
    }
    for username in ["$SYS", "$share"] {
        let mut device = Device::send_first(&server, &format!("11 (00 'dev' '{username}')"));
        device.expect_end("21 'Invalid Username: it would change a topic'");
    }
    Device::send_first(&server, "11 (00 'a$' 'b$')").expect(ACCEPTED);
    // Behind what the operator wrote it is a character like others.
    let server = Server::shared();
    let mut watcher = server.v3("dollar-watcher");
    watcher.subscribe_v3("tcp/$SYS/up", 0);
    let mut device = Device::connect(&server, "$SYS");
    device.send("30 'x'");
    watcher.expect("30 <'tcp/$SYS/up' `x`>");
}

#[test]
fn the_longest_client_id_is_taken_as_long_as_its_topics_are_valid() {
    let server = Server::with(&["listener.emqtcp.max_clientid_len=65535"]);
    // tcp/%c/up is seven bytes beside the id.
    let longest = "x".repeat(65_535 - 7);
    // The parts beside the id are three bytes of the frame.
    let mut device = Device::send_first(&server, &connect(&longest));
    device.expect(ACCEPTED);
    device.send("60");
    device.expect_end("");
    let mut device = Device::send_first(&server, &connect(&"x".repeat(65_535 - 6)));
    device.expect_end("21 'Invalid Client Id: its topics are not valid'");
    let line = device.expect_reason(&server, "invalid_client_id");
    assert!(
        line.len() < 500,
        "the log is not theirs to fill: {} bytes",
        line.len()
    );
}
