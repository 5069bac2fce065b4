//! What a device is sent: QoS of the dn subscription, retained messages, what is too large, what a rule forbids.

use crate::device::{ACCEPTED, Device, connect, expect_metric, listed, log_line};
use crate::server::Server;

#[test]
fn messages_of_every_qos_become_one_frame_each() {
    for setting in [
        "listener.emqtcp.dn_qos=0",
        "listener.emqtcp.dn_qos=1",
        "listener.emqtcp.dn_qos=2",
    ] {
        let server = Server::with(&[setting]);
        for id in ["qos-a", "qos-b", "qos-c"] {
            let mut publisher = server.v3(&format!("{id}-publisher"));
            let mut device = Device::connect(&server, id);
            publisher.send(&format!("30 <'tcp/{id}/dn' `zero`>"));
            device.expect("30 'zero'");
            publisher.exchange(&format!("32 <'tcp/{id}/dn' 0001 `one`>"), "40 <0001>");
            device.expect("30 'one'");
            publisher.exchange(&format!("34 <'tcp/{id}/dn' 0002 `two`>"), "50 <0002>");
            publisher.exchange("62 <0002>", "70 <0002>");
            device.expect("30 'two'");
            device.expect_alive();
        }
    }
}

#[test]
fn the_dn_subscription_has_the_qos_of_the_listener() {
    for qos in 0..3 {
        let server = Server::with(&[&format!("listener.emqtcp.dn_qos={qos}")]);
        let _device = Device::connect(&server, "subscribed");
        let path = "/api/v5/clients/subscribed/subscriptions";
        let rows = crate::broker::http::get(server.broker().admin(), path).json();
        let rows = rows
            .as_array()
            .or(rows["data"].as_array())
            .expect("a list")
            .clone();
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            (&rows[0]["topic"], &rows[0]["qos"]),
            (&"tcp/subscribed/dn".into(), &qos.into())
        );
    }
}

#[test]
fn a_retained_message_is_delivered_behind_the_connack() {
    let server = Server::shared();
    let mut publisher = server.v3("retained-publisher");
    for n in 0..8 {
        let id = format!("retained-{n}");
        publisher.exchange(&format!("33 <'tcp/{id}/dn' 0001 `kept {n}`>"), "40 <0001>");
        for _ in 0..2 {
            let mut device = Device::send_first(&server, &connect(&id));
            device.expect(&format!("{ACCEPTED} 30 'kept {n}'"));
            device.expect_alive();
        }
        publisher.exchange(&format!("33 <'tcp/{id}/dn' 0001>"), "40 <0001>");
        Device::connect(&server, &id).expect_alive();
    }
}

#[test]
fn a_message_over_65535_bytes_is_dropped_and_counted_and_the_next_arrives() {
    let server = Server::with(&["node.name=too-large"]);
    let mut publisher = server.v3("large-publisher");
    let mut device = Device::connect(&server, "large");
    let (most, more, twice) = ("m".repeat(65_535), "n".repeat(65_536), "o".repeat(131_072));
    publisher.send(&format!("30 <'tcp/large/dn' `{most}`>"));
    device.expect(&format!("30 '{most}'"));
    publisher.send(&format!("30 <'tcp/large/dn' `{more}`>"));
    publisher.exchange(&format!("32 <'tcp/large/dn' 0001 `{twice}`>"), "40 <0001>");
    publisher.send("30 <'tcp/large/dn' `next`>");
    device.expect("30 'next'");
    device.expect_alive();
    expect_metric(&server, "ringwire_delivery_dropped_too_large", &[], 2.0);
    log_line(
        &server,
        &["dropping messages", "delivery.dropped.too_large", "tcp/large/dn"],
    );
}

#[test]
fn max_packet_size_limits_what_a_device_sends_and_not_what_it_is_sent() {
    let server = Server::with(&["listener.emqtcp.max_packet_size=64"]);
    let mut publisher = server.v3("small-publisher");
    let mut device = Device::connect(&server, "small");
    let text = "x".repeat(1_000);
    publisher.send(&format!("30 <'tcp/small/dn' `{text}`>"));
    device.expect(&format!("30 '{text}'"));
}

#[test]
fn a_dn_subscription_that_a_rule_forbids_is_not_made_and_the_operator_is_told() {
    let server =
        Server::with(&["access.rules=[{allow=false, operation='subscribe', topics=['tcp/deaf/dn']}]"]);
    let mut watcher = server.v3("deaf-watcher");
    watcher.subscribe_v3("tcp/deaf/up", 0);
    let mut device = Device::connect(&server, "deaf");
    assert_eq!(listed(&server, "deaf")["subscriptions_cnt"], 0);
    watcher.send("30 <'tcp/deaf/dn' `x`>");
    device.send("30 'up'");
    watcher.expect("30 <'tcp/deaf/up' `up`>");
    device.expect_alive();
    expect_metric(&server, "ringwire_packets_subscribe_auth_error", &[], 1.0);
    log_line(&server, &["packets.subscribe.auth_error", "tcp/deaf/dn"]);
    let mut hears = Device::connect(&server, "hears");
    watcher.send("30 <'tcp/hears/dn' `x`>");
    hears.expect("30 'x'");
}
