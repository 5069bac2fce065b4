//! What a device sends: its QoS and RETAIN, the rules for it, and that nothing is lost at QoS 1 and 2.

use crate::client::Client;
use crate::device::{Device, expect_metric, log_line};
use crate::notation::bytes;
use crate::server::Server;
use std::time::Duration;

#[test]
fn by_default_data_is_published_at_qos_0_and_not_retained() {
    let server = Server::shared();
    let mut watcher = server.v3("up-0-watcher");
    watcher.subscribe_v3("tcp/up-0/up", 2);
    let mut device = Device::connect(&server, "up-0");
    device.send("30 'x'");
    watcher.expect("30 <'tcp/up-0/up' `x`>");
    let mut late = server.v3("up-0-late");
    late.subscribe_v3("tcp/up-0/up", 2);
    late.expect_alive();
}

#[test]
fn at_up_qos_1_data_is_published_at_qos_1() {
    let server = Server::with(&["listener.emqtcp.up_qos=1"]);
    for id in ["up-1-a", "up-1-b", "up-1-c"] {
        let mut watcher = server.v3(&format!("{id}-watcher"));
        watcher.subscribe_v3(&format!("tcp/{id}/up"), 2);
        let mut device = Device::connect(&server, id);
        device.send("30 'one' 30 'two'");
        watcher.expect(&format!("32 <'tcp/{id}/up' 0001 `one`>"));
        watcher.expect(&format!("32 <'tcp/{id}/up' 0002 `two`>"));
        watcher.send("40 <0001> 40 <0002>");
        // The device hears nothing of it.
        device.expect_alive();
    }
}

#[test]
fn at_up_qos_2_data_is_published_at_qos_2_and_may_be_retained() {
    let server = Server::with(&["listener.emqtcp.up_qos=2", "listener.emqtcp.up_retain=true"]);
    for id in ["up-2-a", "up-2-b", "up-2-c"] {
        let mut watcher = server.v3(&format!("{id}-watcher"));
        watcher.subscribe_v3(&format!("tcp/{id}/up"), 2);
        let mut device = Device::connect(&server, id);
        device.send("30 'x'");
        watcher.expect(&format!("34 <'tcp/{id}/up' 0001 `x`>"));
        watcher.exchange("50 <0001>", "62 <0001>");
        watcher.send("70 <0001>");
        device.expect_alive();
        let mut late = server.v3(&format!("{id}-late"));
        late.subscribe_v3(&format!("tcp/{id}/up"), 2);
        late.expect(&format!("35 <'tcp/{id}/up' 0001 `x`>"));
    }
}

#[test]
fn the_last_value_of_a_device_is_retained_where_the_listener_wants_it() {
    let server = Server::with(&["listener.emqtcp.up_retain=true"]);
    let mut device = Device::connect(&server, "last");
    device.send("30 'old' 30 'new' 40");
    device.expect("50");
    let mut late = server.v3("last-late");
    late.subscribe_v3("tcp/last/up", 0);
    late.expect("31 <'tcp/last/up' `new`>");
    device.send("30 0000 40");
    device.expect("50");
    late.expect("30 <'tcp/last/up'>");
    let mut later = server.v3("last-later");
    later.subscribe_v3("tcp/last/up", 0);
    later.expect_alive();
}

/// `{allow=false, ...}` for what devices publish.
const FORBIDDEN: &str = "access.rules=[{allow=false, operation='publish', topics=['tcp/%c/up']}]";

#[test]
fn what_a_rule_forbids_is_dropped_and_counted_and_the_device_stays() {
    let server = Server::with(&[FORBIDDEN]);
    let mut watcher = server.v3("forbidden-watcher");
    watcher.subscribe_v3("#", 0);
    let mut device = Device::connect(&server, "forbidden");
    device.send("30 'a' 30 'b' 40");
    device.expect("50");
    watcher.send("30 <'sentinel' `x`>");
    watcher.expect("30 <'sentinel' `x`>");
    device.expect_alive();
    expect_metric(&server, "ringwire_packets_publish_auth_error", &[], 2.0);
    log_line(
        &server,
        &[
            "dropping messages",
            "packets.publish.auth_error",
            "tcp/forbidden/up",
        ],
    );
}

#[test]
fn what_a_rule_forbids_closes_where_the_listener_says_so() {
    let server = Server::with(&[FORBIDDEN, "listener.emqtcp.acl_deny_action=disconnect"]);
    let mut device = Device::connect(&server, "closed");
    device.send("30 'a' 30 'b' 40");
    device.expect_end("");
    let line = device.expect_reason(&server, "not_authorized");
    assert!(line.contains("tcp/closed/up"), "{line}");
    expect_metric(&server, "ringwire_packets_publish_auth_error", &[], 1.0);
}

/// A subscriber of 3.1.1 that has two messages on their way at most, as the settings say.
fn slow_reader(server: &Server, id: &str) -> Client {
    let mut reader = server.v3(&format!("{id}-reader"));
    reader.subscribe_v3(&format!("tcp/{id}/up"), 1);
    reader
}

/// Numbered frames of about eight kilobytes.
fn numbered(count: usize) -> Vec<u8> {
    let padding = "x".repeat(8_000);
    (0..count)
        .flat_map(|n| bytes(&format!("30 '{n:06}{padding}'")))
        .collect()
}

/// Reads and acknowledges what a device sent, in order, with nothing lost or doubled.
fn read_numbered(reader: &mut Client, count: usize) {
    for n in 0..count {
        let packet = reader.packet();
        assert_eq!(packet[0] & 0xF6, 0x32, "a PUBLISH at QoS 1, not sent twice");
        let topic = usize::from(u16::from_be_bytes([packet[3], packet[4]]));
        let rest = &packet[5 + topic..];
        assert_eq!(&rest[2..8], format!("{n:06}").as_bytes(), "in order");
        reader.send_bytes(&[0x40, 2, rest[0], rest[1]]);
    }
}

/// The queue has room for what a device may have on its way to another shard, and not for all that it sends.
#[test]
fn a_device_is_not_read_while_a_qos_1_subscriber_is_behind_and_nothing_is_lost() {
    let server = Server::with(&[
        "listener.emqtcp.up_qos=1",
        "limits.inflight=2",
        "limits.queue_messages=2000",
        "limits.backpressure_messages=16",
        "limits.backpressure_timeout=1m",
    ]);
    for id in ["behind-0", "behind-1", "behind-2"] {
        let mut reader = slow_reader(&server, id);
        let mut device = Device::connect(&server, id);
        let frames = numbered(6_000);
        let sent = device.send_until_stuck(&frames, Duration::from_millis(500));
        assert!(
            sent < frames.len(),
            "48 megabytes fit no socket: the device was read on"
        );
        let rest = frames[sent..].to_vec();
        let sender = std::thread::spawn(move || {
            device.send_bytes(&rest);
            device.expect_alive();
        });
        read_numbered(&mut reader, 6_000);
        sender.join().expect("the device went on");
    }
    expect_metric(&server, "ringwire_delivery_dropped_queue_full", &[], 0.0);
}
