//! Frames of a device that is in: PING, DISCONNECT, keepalive, what is illegal, what is too large, and what the log says
//! of bytes that cannot be read.
//!
//! Times count from before what they follow, so that they are never too short; what is too late is far too late, as a
//! machine may stand still for seconds. What must be done in time has more than two seconds for it.

use crate::device::{ACCEPTED, Device, connect, listed};
use crate::server::Server;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_ping_is_answered_at_once_and_in_order_with_data() {
    // A device that hears itself shows the order of both.
    let server = Server::with(&["listener.emqtcp.dn_topic=tcp/%c/up"]);
    for id in ["ping-0", "ping-1", "ping-2", "ping-3"] {
        let mut device = Device::connect(&server, id);
        device.send("40 30 '1' 40 40 30 '2' 30 '3' 40");
        device.expect("50 30 '1' 50 50 30 '2' 30 '3' 50");
    }
}

#[test]
fn a_disconnect_closes_without_an_answer_and_nothing_behind_it_is_looked_at() {
    let server = Server::shared();
    let mut watcher = server.v3("farewell-watcher");
    watcher.subscribe_v3("tcp/farewell/up", 0);
    let mut device = Device::connect(&server, "farewell");
    device.send("60 30 'ignored' 40 70");
    device.expect_end("");
    device.expect_reason(&server, "normal");
    let mut device = Device::connect(&server, "farewell");
    device.send("30 'seen'");
    watcher.expect("30 <'tcp/farewell/up' `seen`>");
}

/// The device's connection ends with `keepalive_timeout`, so many seconds after `from` at the soonest.
#[track_caller]
fn ends_after(server: &Server, device: &mut Device, from: Instant, seconds: f64) {
    device.expect_end("");
    device.expect_reason(server, "keepalive_timeout");
    let took = from.elapsed().as_secs_f64();
    // The broker's clock is in milliseconds, and may be a turn behind.
    assert!(
        (seconds - 0.02..seconds + 20.0).contains(&took),
        "{seconds} s, and not {took}"
    );
}

#[test]
fn one_and_a_half_keepalives_without_a_byte_close() {
    let server = Server::shared();
    let from = Instant::now();
    let mut device = Device::send_first(&server, "11 (01 'silent')");
    device.expect(ACCEPTED);
    ends_after(&server, &mut device, from, 1.5);
}

#[test]
fn every_byte_is_a_sign_of_life() {
    let server = Server::shared();
    let from = Instant::now();
    let mut device = Device::send_first(&server, "11 (02 'half a frame')");
    device.expect(ACCEPTED);
    for byte in [0x30, 0x00, 0x04, 0x61, 0x62] {
        thread::sleep(Duration::from_millis(700));
        device.send_bytes(&[byte]);
    }
    ends_after(&server, &mut device, from, 5.0 * 0.7 + 3.0);
}

#[test]
fn without_a_keepalive_a_device_may_be_silent() {
    let server = Server::shared();
    let mut device = Device::connect(&server, "no keepalive");
    thread::sleep(Duration::from_millis(1_800));
    device.expect_alive();
}

#[test]
fn the_listener_imposes_a_keepalive_on_who_asks_for_none() {
    let server = Server::with(&["listener.emqtcp.default_keepalive=2s"]);
    let from = Instant::now();
    let mut device = Device::connect(&server, "imposed");
    assert_eq!(listed(&server, "imposed")["keepalive"], 2);
    Device::send_first(&server, "11 (64 'own')").expect(ACCEPTED);
    ends_after(&server, &mut device, from, 3.0);
}

#[test]
fn the_listener_caps_a_keepalive() {
    let server = Server::with(&["listener.emqtcp.max_keepalive=3s"]);
    let mut rows = Vec::new();
    let from = Instant::now();
    for (asked, id, kept) in [("FF", "capped", 3), ("02", "below", 2), ("00", "none", 0)] {
        let mut device = Device::send_first(&server, &format!("11 ({asked} '{id}')"));
        device.expect(ACCEPTED);
        assert_eq!(listed(&server, id)["keepalive"], kept);
        rows.push(device);
    }
    ends_after(&server, &mut rows[0], from, 4.5);
    rows[2].expect_alive();
}

#[test]
fn frames_of_a_server_and_reserved_types_close() {
    let server = Server::shared();
    for header in [
        "20", "21", "22", "2F", "50", "5F", "00", "0F", "70", "7F", "80", "90", "A0", "B0", "C0", "D0", "E0",
        "F0", "FF",
    ] {
        let mut device = Device::connect(&server, &format!("illegal-{header}"));
        device.send(&format!("40 {header}"));
        device.expect_end("50");
        device.expect_reason(&server, "illegal_frame");
    }
}

#[test]
fn flags_are_ignored() {
    let server = Server::shared();
    let mut watcher = server.v3("flags-watcher");
    watcher.subscribe_v3("tcp/flags/up", 0);
    let mut device = Device::connect(&server, "flags");
    for low in 0..16 {
        device.send(&format!("3{low:X} '{low}' 4{low:X}"));
        watcher.expect(&format!("30 <'tcp/flags/up' `{low}`>"));
        device.expect("50");
    }
    device.send("6B");
    device.expect_end("");
    device.expect_reason(&server, "normal");
}

#[test]
fn flags_close_in_strict_mode() {
    let server = Server::with(&["listener.emqtcp.strict=true"]);
    let mut watcher = server.v3("strict-watcher");
    watcher.subscribe_v3("tcp/strict/up", 0);
    for frame in ["31 'x'", "34 'x'", "3C 'x'", "3F 'x'", "41", "48", "61", "6F"] {
        let mut device = Device::connect(&server, "strict");
        device.send(frame);
        device.expect_end("");
        device.expect_reason(&server, "illegal_frame");
    }
    let mut device = Device::connect(&server, "strict");
    device.send("30 'plain' 40");
    device.expect("50");
    watcher.expect("30 <'tcp/strict/up' `plain`>");
    device.send("60");
    device.expect_end("");
}

#[test]
fn a_payload_over_max_packet_size_closes_as_soon_as_its_length_is_there() {
    let server = Server::with(&["listener.emqtcp.max_packet_size=32"]);
    let mut watcher = server.v3("size-watcher");
    watcher.subscribe_v3("tcp/size/up", 0);
    let most = "x".repeat(32);
    let mut device = Device::connect(&server, "size");
    device.send(&format!("30 '{most}'"));
    watcher.expect(&format!("30 <'tcp/size/up' `{most}`>"));
    device.send("30 0021");
    device.expect_end("");
    device.expect_reason(&server, "packet_too_large");

    let id = "i".repeat(29);
    Device::send_first(&server, &connect(&id)).expect(ACCEPTED);
    let mut device = Device::send_first(&server, &connect(&"i".repeat(30)));
    device.expect_end("");
    device.expect_reason(&server, "packet_too_large");
}

#[test]
fn what_cannot_be_read_is_one_line_with_reason_offset_and_bytes() {
    let server = Server::shared();
    let rows: [(&str, &str, &str, &str); 4] = [
        ("40 30 'ok' 70 01 02", "illegal_frame", "(offset 6)", "70 01 02"),
        (
            "40 11 (00 'x')",
            "protocol_already_connected",
            "(offset 1)",
            "11 00 04 00 00 01 78",
        ),
        ("20 0000", "illegal_frame", "(offset 0)", "20 00 00"),
        ("50", "illegal_frame", "(offset 0)", "50"),
    ];
    for (sent, reason, offset, hex) in rows {
        let mut device = Device::connect(&server, "unreadable");
        device.send(sent);
        device.rest();
        let line = device.expect_reason(&server, reason);
        for part in ["WARN", "client_id=\"unreadable\"", offset, hex] {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
    let mut device = Device::send_first(&server, "11 0007 3C 0009 `abcd`");
    device.expect_end("");
    let line = device.expect_reason(&server, "malformed_packet");
    assert!(
        line.contains("11 00 07 3c 00 09 61 62 63 64") && line.contains("offset"),
        "{line}"
    );
}

#[test]
fn the_bytes_in_a_line_are_few_and_the_line_comes_once() {
    let server = Server::shared();
    let mut device = Device::connect(&server, "long line");
    let junk = "FF".repeat(5_000);
    device.send(&format!("70 {junk}"));
    device.rest();
    let line = device.expect_reason(&server, "illegal_frame");
    assert!(line.contains(": 70 ff ff ff"), "{line}");
    assert!(line.len() < 400, "{} bytes: {line}", line.len());
    Device::connect(&server, "long line").expect_alive();
    let peer = format!("peer={} ", device.address());
    let log = server.broker().log();
    let lines = log
        .lines()
        .filter(|line| line.contains(&peer) && line.contains("WARN"));
    assert_eq!(lines.count(), 1);
}
