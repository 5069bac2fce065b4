//! Where a device's data goes and what it hears: `up_topic`, `dn_topic`, `%c` and `%u`.

use crate::device::{ACCEPTED, Device, connect, listed};
use crate::server::Server;

#[test]
fn by_default_data_goes_to_tcp_id_up_and_comes_from_tcp_id_dn() {
    let server = Server::shared();
    for n in 0..4 {
        let id = format!("default-topics-{n}");
        let mut watcher = server.v3(&format!("{id}-watcher"));
        watcher.subscribe_v3(&format!("tcp/{id}/+"), 0);
        let mut device = Device::connect(&server, &id);
        device.send("30 'up'");
        watcher.expect(&format!("30 <'tcp/{id}/up' `up`>"));
        watcher.send(&format!("30 <'tcp/{id}/dn' `down`>"));
        watcher.expect(&format!("30 <'tcp/{id}/dn' `down`>"));
        device.expect("30 'down'");
    }
}

#[test]
fn the_dn_topic_is_subscribed_by_the_time_of_the_connack() {
    let server = Server::shared();
    let mut publisher = server.v3("at-once-publisher");
    for n in 0..16 {
        let id = format!("at-once-{n}");
        let mut device = Device::send_first(&server, &connect(&id));
        device.expect(ACCEPTED);
        publisher.send(&format!("30 <'tcp/{id}/dn' `first`>"));
        device.expect("30 'first'");
    }
}

#[test]
fn each_message_is_one_frame_in_order() {
    let server = Server::shared();
    let mut publisher = server.v3("order-publisher");
    let mut device = Device::connect(&server, "order");
    for n in 0..200 {
        publisher.send(&format!("30 <'tcp/order/dn' `{n}`>"));
    }
    for n in 0..200 {
        device.expect(&format!("30 '{n}'"));
    }
    let mut watcher = server.v3("order-watcher");
    watcher.subscribe_v3("tcp/order/up", 0);
    let all: Vec<_> = (0..200).map(|n| format!("30 '{n}'")).collect();
    device.send(&all.join(" "));
    for n in 0..200 {
        watcher.expect(&format!("30 <'tcp/order/up' `{n}`>"));
    }
}

#[test]
fn an_empty_dn_topic_means_no_subscription() {
    let server = Server::with(&["listener.emqtcp.dn_topic="]);
    let mut watcher = server.v3("mute-watcher");
    watcher.subscribe_v3("tcp/mute/up", 0);
    let mut device = Device::connect(&server, "mute");
    assert_eq!(listed(&server, "mute")["subscriptions_cnt"], 0);
    watcher.send("30 <'tcp/mute/dn' `x`>");
    device.send("30 'up'");
    watcher.expect("30 <'tcp/mute/up' `up`>");
    device.expect_alive();
}

#[test]
fn every_occurrence_of_both_names_is_replaced() {
    let server = Server::with(&[
        "listener.emqtcp.up_topic=%u/%c/up/%c-%u/%c",
        "listener.emqtcp.dn_topic=dn/%c%c/%u/%u",
    ]);
    let mut watcher = server.v3("every-watcher");
    watcher.subscribe_v3("#", 0);
    let mut device = Device::send_first(&server, "11 (00 'dev' 'ann')");
    device.expect(ACCEPTED);
    device.send("30 'x'");
    watcher.expect("30 <'ann/dev/up/dev-ann/dev' `x`>");
    watcher.send("30 <'dn/devdev/ann/ann' `y`>");
    device.expect("30 'y'");
}

#[test]
fn what_a_device_is_called_is_not_looked_at_for_placeholders() {
    let server = Server::with(&[
        "listener.emqtcp.up_topic=p/%c/%u",
        "listener.emqtcp.dn_topic=d/%u/%c",
    ]);
    let mut watcher = server.v3("literal-watcher");
    watcher.subscribe_v3("p/#", 0);
    let mut device = Device::send_first(&server, "11 (00 '%u' '%c')");
    device.expect(ACCEPTED);
    device.send("30 'x'");
    watcher.expect("30 <'p/%u/%c' `x`>");
}

#[test]
fn a_topic_with_the_username_refuses_who_has_none_or_one_that_would_change_it() {
    for topics in [
        [
            "listener.emqtcp.up_topic=by/%u/up",
            "listener.emqtcp.dn_topic=by/%c/dn",
        ],
        [
            "listener.emqtcp.up_topic=by/%c/up",
            "listener.emqtcp.dn_topic=by/%u/dn",
        ],
    ] {
        let server = Server::with(&topics);
        let mut device = Device::send_first(&server, "11 (00 'dev') 30 'x'");
        device.expect_end("21 'Username Required'");
        device.expect_reason(&server, "authentication_failed");
        for username in ["''", "'a/b'", "'+'", "'#'", "'a#'", "(00)", "(0A)"] {
            let mut device = Device::send_first(&server, &format!("11 (00 'dev' {username})"));
            device.expect_end("21 'Invalid Username: it would change a topic'");
        }
        Device::send_first(&server, "11 (00 'dev' (FF))").expect_end("21 'Invalid Username: not UTF-8'");
        Device::send_first(&server, "11 (00 'dev' 'ann')").expect(ACCEPTED);
    }
}

#[test]
fn a_username_that_no_topic_uses_may_have_any_characters() {
    let server = Server::shared();
    let mut device = Device::send_first(&server, "11 (00 'free-username' 'a/+#')");
    device.expect(ACCEPTED);
    assert_eq!(listed(&server, "free-username")["username"], "a/+#");
}

#[test]
fn devices_may_share_a_dn_topic_and_hear_a_wildcard() {
    let server = Server::with(&["listener.emqtcp.dn_topic=all/+/dn"]);
    let mut devices: Vec<_> = (0..4)
        .map(|n| Device::connect(&server, &format!("shared-{n}")))
        .collect();
    let mut publisher = server.v3("shared-publisher");
    publisher.send("30 <'all/pumps/dn' `stop`>");
    for device in &mut devices {
        device.expect("30 'stop'");
    }
}
