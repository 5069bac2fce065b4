//! Sessions: by default they end with the connection; with `session_expiry` messages wait and come in order.

use crate::broker::http;
use crate::device::{ACCEPTED, Device, connect, expect_connected, expect_metric, listed};
use crate::server::Server;
use std::time::{Duration, Instant};

#[test]
fn by_default_nothing_waits_for_a_device_that_is_away() {
    let server = Server::with(&["node.name=away"]);
    let mut publisher = server.v3("away-publisher");
    for n in 0..4 {
        let id = format!("away-{n}");
        Device::connect(&server, &id).send("60");
        expect_connected(&server, &id, false);
        publisher.exchange(&format!("32 <'tcp/{id}/dn' 0001 `lost`>"), "40 <0001>");
        let mut device = Device::connect(&server, &id);
        device.expect_alive();
    }
    expect_metric(&server, "ringwire_messages_dropped_no_subscribers", &[], 4.0);
}

#[test]
fn with_session_expiry_messages_wait_and_come_in_order() {
    for dn_qos in 0..3 {
        let server = Server::with(&[
            "listener.emqtcp.session_expiry=1h",
            &format!("listener.emqtcp.dn_qos={dn_qos}"),
        ]);
        let mut publisher = server.v3("waiting-publisher");
        for (n, farewell) in ["60", "", "60", ""].into_iter().enumerate() {
            let id = format!("waiting-{dn_qos}-{n}");
            let mut device = Device::connect(&server, &id);
            device.send(farewell);
            drop(device);
            expect_connected(&server, &id, false);
            assert_eq!(listed(&server, &id)["connected"], false, "it is kept");
            for (n, text) in ["1", "2", "3"].into_iter().enumerate() {
                publisher.exchange(
                    &format!("32 <'tcp/{id}/dn' 000{n} `{text}`>").replace("0000", "0009"),
                    &format!("40 <000{n}>").replace("0000", "0009"),
                );
            }
            publisher.send(&format!("30 <'tcp/{id}/dn' `4`>"));
            publisher.expect_alive();
            let mut device = Device::send_first(&server, &connect(&id));
            device.expect(&format!("{ACCEPTED} 30 '1' 30 '2' 30 '3' 30 '4'"));
            publisher.send(&format!("30 <'tcp/{id}/dn' `live`>"));
            device.expect("30 'live'");
        }
    }
}

#[test]
fn what_was_delivered_does_not_come_again() {
    let server = Server::with(&["listener.emqtcp.session_expiry=1h", "listener.emqtcp.dn_qos=1"]);
    let mut publisher = server.v3("once-publisher");
    let mut device = Device::connect(&server, "once");
    publisher.exchange("32 <'tcp/once/dn' 0001 `1`>", "40 <0001>");
    device.expect("30 '1'");
    device.send("60");
    device.expect_end("");
    expect_connected(&server, "once", false);
    publisher.exchange("32 <'tcp/once/dn' 0001 `2`>", "40 <0001>");
    let mut device = Device::send_first(&server, &connect("once"));
    device.expect(&format!("{ACCEPTED} 30 '2'"));
    device.expect_alive();
}

#[test]
fn a_kept_session_ends_when_its_time_has_passed() {
    let server = Server::with(&["listener.emqtcp.session_expiry=3s"]);
    let mut publisher = server.v3("expiry-publisher");
    let mut device = Device::connect(&server, "expiry");
    let from = Instant::now();
    device.send("60");
    expect_connected(&server, "expiry", false);
    assert_eq!(listed(&server, "expiry")["connected"], false);
    publisher.exchange("32 <'tcp/expiry/dn' 0001 `waits`>", "40 <0001>");
    while !listed(&server, "expiry").is_null() {
        assert!(from.elapsed() < crate::broker::PATIENCE, "it never ends");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        from.elapsed() > Duration::from_millis(2_980),
        "not before its time"
    );
    Device::connect(&server, "expiry").expect_alive();
}

#[test]
fn a_kick_ends_a_kept_session_too() {
    let server = Server::with(&["listener.emqtcp.session_expiry=1h"]);
    Device::connect(&server, "kept-kick").send("60");
    expect_connected(&server, "kept-kick", false);
    let path = "/api/v5/clients/kept-kick";
    assert_eq!(http::delete(server.broker().admin(), path).status, 204);
    assert!(listed(&server, "kept-kick").is_null());
}

#[test]
fn a_take_over_keeps_what_waits_in_the_session() {
    let server = Server::with(&["listener.emqtcp.session_expiry=1h"]);
    let mut publisher = server.v3("over-publisher");
    for n in 0..4 {
        let id = format!("over-{n}");
        let mut older = Device::connect(&server, &id);
        let mut newer = Device::connect(&server, &id);
        older.expect_end("");
        older.expect_reason(&server, "taken_over");
        publisher.send(&format!("30 <'tcp/{id}/dn' `x`>"));
        newer.expect("30 'x'");
    }
}

#[test]
fn a_session_follows_its_device_to_the_topic_of_another_username() {
    let server = Server::with(&[
        "listener.emqtcp.session_expiry=1h",
        "listener.emqtcp.dn_topic=users/%u/dn",
    ]);
    let mut publisher = server.v3("follow-publisher");
    let mut device = Device::send_first(&server, "11 (00 'follow' 'ann')");
    device.expect(ACCEPTED);
    device.send("60");
    device.expect_end("");
    expect_connected(&server, "follow", false);
    let mut device = Device::send_first(&server, "11 (00 'follow' 'bob')");
    device.expect(ACCEPTED);
    publisher.exchange("32 <'users/ann/dn' 0001 `for ann`>", "40 <0001>");
    publisher.exchange("32 <'users/bob/dn' 0001 `for bob`>", "40 <0001>");
    device.expect("30 'for bob'");
    device.expect_alive();
}

#[test]
fn the_queue_of_an_absent_device_is_bounded_and_its_policy_holds() {
    for (policy, kept) in [("drop_oldest", ["3", "4"]), ("drop_newest", ["1", "2"])] {
        let server = Server::with(&[
            "listener.emqtcp.session_expiry=1h",
            "limits.queue_messages=2",
            &format!("listener.emqtcp.overflow={policy}"),
        ]);
        let mut publisher = server.v3("bounded-publisher");
        Device::connect(&server, "bounded").send("60");
        expect_connected(&server, "bounded", false);
        for text in ["1", "2", "3", "4"] {
            publisher.exchange(&format!("32 <'tcp/bounded/dn' 0001 `{text}`>"), "40 <0001>");
        }
        let mut device = Device::send_first(&server, &connect("bounded"));
        device.expect(&format!("{ACCEPTED} 30 '{}' 30 '{}'", kept[0], kept[1]));
        device.expect_alive();
        expect_metric(&server, "ringwire_delivery_dropped_queue_full", &[], 2.0);
    }
}
