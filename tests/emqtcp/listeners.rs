//! Keys of a listener, and several of them at once.

use crate::device::{ACCEPTED, Device, connect, expect_connected, expect_metric, listed};
use crate::server::Server;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const SIGSTOP: i32 = 19;
const SIGCONT: i32 = 18;

/// Where the listener of this name accepts.
fn bound(server: &Server, name: &str) -> SocketAddr {
    let mark = format!("{name}=emqtcp://");
    let mut words = server.broker().ready().split(' ');
    let address = words.find_map(|word| word.strip_prefix(&mark));
    let address = address.unwrap_or_else(|| panic!("no {mark} in {}", server.broker().ready()));
    address.trim().parse().expect("an address")
}

/// Three more listeners, each with its own topics and rules.
const THREE: [&str; 9] = [
    "listener.meters.type=emqtcp",
    "listener.meters.bind=127.0.0.1:0",
    "listener.meters.up_topic=meters/%c/report",
    "listener.meters.dn_topic=meters/%c/command",
    "listener.trackers.type=emqtcp",
    "listener.trackers.bind=127.0.0.1:0",
    "listener.trackers.up_topic=trackers/%u/%c",
    "listener.trackers.dn_topic=",
    "listener.trackers.client_id_prefix=t-",
];

#[test]
fn several_listeners_have_topics_of_their_own() {
    let server = Server::with(&THREE);
    let mut watcher = server.v3("three-watcher");
    watcher.subscribe_v3("#", 0);
    let mut plain = Device::connect(&server, "plain");
    let mut meter = Device::connect_at(bound(&server, "meters"), "m1");
    let mut tracker = Device::open_at(bound(&server, "trackers"));
    tracker.exchange("11 (00 'v8' 'fleet')", ACCEPTED);
    let mut nameless = Device::open_at(bound(&server, "trackers"));
    nameless.send(&connect("v9"));
    nameless.expect_end("21 'Username Required'");

    for (device, topic) in [
        (&mut plain, "tcp/plain/up"),
        (&mut meter, "meters/m1/report"),
        (&mut tracker, "trackers/fleet/t-v8"),
    ] {
        device.send("30 'x'");
        watcher.expect(&format!("30 <'{topic}' `x`>"));
    }
    let names = ["plain", "m1", "t-v8"].map(|id| listed(&server, id)["listener"].clone());
    assert_eq!(names, ["emqtcp", "meters", "trackers"]);
    let counts = ["plain", "m1", "t-v8"].map(|id| listed(&server, id)["subscriptions_cnt"].clone());
    assert_eq!(counts, [1, 1, 0]);
    watcher.send("30 <'meters/m1/command' `open`>");
    meter.expect("30 'open'");
    plain.expect_alive();
}

#[test]
fn a_device_may_move_from_one_listener_to_another() {
    let server = Server::with(&THREE);
    let mut watcher = server.v3("mover-watcher");
    for _ in 0..2 {
        let mut first = Device::connect(&server, "mover");
        let mut second = Device::connect_at(bound(&server, "meters"), "mover");
        first.expect_end("");
        first.expect_reason(&server, "taken_over");
        watcher.send("30 <'tcp/mover/dn' `to nobody`> 30 <'meters/mover/command' `x`>");
        second.expect("30 'x'");
        let mut third = Device::connect(&server, "mover");
        second.expect_end("");
        watcher.send("30 <'meters/mover/command' `to nobody`> 30 <'tcp/mover/dn' `y`>");
        third.expect("30 'y'");
    }
}

#[test]
fn devices_of_two_listeners_talk_through_their_topics() {
    let server = Server::with(&[
        "listener.left.type=emqtcp",
        "listener.left.bind=127.0.0.1:0",
        "listener.left.up_topic=bridge/a",
        "listener.left.dn_topic=bridge/b",
        "listener.right.type=emqtcp",
        "listener.right.bind=127.0.0.1:0",
        "listener.right.up_topic=bridge/b",
        "listener.right.dn_topic=bridge/a",
    ]);
    for n in 0..4 {
        let mut left = Device::connect_at(bound(&server, "left"), &format!("left-{n}"));
        let mut right = Device::connect_at(bound(&server, "right"), &format!("right-{n}"));
        left.send("30 'to the right'");
        right.expect("30 'to the right'");
        right.send("30 'to the left'");
        left.expect("30 'to the left'");
        for (mut device, id) in [(left, format!("left-{n}")), (right, format!("right-{n}"))] {
            device.send("60");
            device.expect_end("");
            expect_connected(&server, &id, false);
        }
    }
}

#[test]
fn max_connections_is_kept_and_one_more_is_closed() {
    let server = Server::with(&["listener.emqtcp.max_connections=1", "node.name=full"]);
    // One a shard, and which of the two a socket lands on is the kernel's choice.
    let mut devices: Vec<_> = (0..12).map(|_| Device::open(&server)).collect();
    for (n, device) in devices.iter_mut().enumerate() {
        device.send(&connect(&format!("full-{n}")));
    }
    let mut accepted = 0;
    for device in &mut devices {
        let answer = device.rest_or(3);
        accepted += usize::from(answer.first() == Some(&0x20));
    }
    assert!((1..=2).contains(&accepted), "{accepted} of 12");
    let refused = (12 - accepted) as f64;
    expect_metric(
        &server,
        "ringwire_connections_closed",
        &["reason=\"quota_exceeded\""],
        refused,
    );
}

/// How many of 40 connections the kernel completes while the broker is stopped; then all of them are served.
fn waiting(server: &Server) -> usize {
    server.broker().signal(SIGSTOP);
    let address = server.broker().private();
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(150)).ok();
    let sockets: Vec<_> = (0..40).filter_map(connect).collect();
    server.broker().signal(SIGCONT);
    Device::connect(server, "after all").expect_alive();
    sockets.len()
}

#[test]
fn as_many_wait_to_be_accepted_as_the_backlog_says() {
    assert_eq!(
        waiting(&Server::with(&["node.name=roomy"])),
        40,
        "1024 by default"
    );
    let few = waiting(&Server::with(&["listener.emqtcp.backlog=4"]));
    // Each of the two shards has its own, the kernel lets one more in, and a few may be accepted before all has stopped.
    assert!((5..=24).contains(&few), "{few}");
}

#[test]
fn a_listener_that_is_not_enabled_is_not_opened() {
    let server = Server::with(&[
        "listener.spare.type=emqtcp",
        "listener.spare.bind=127.0.0.1:0",
        "listener.spare.enabled=false",
    ]);
    assert!(
        !server.broker().ready().contains("spare="),
        "{}",
        server.broker().ready()
    );
    Device::connect(&server, "enabled").expect_alive();
}
