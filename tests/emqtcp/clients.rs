//! A device is an ordinary client: listed, taken over, kicked, banned, counted, authorised.

use crate::broker::http;
use crate::device::{ACCEPTED, Device, connect, expect_connected, expect_metric, listed, log_line};
use crate::server::Server;
use serde_json::json;

#[test]
fn a_device_is_in_the_client_list_with_its_protocol() {
    let server = Server::shared();
    for n in 0..4 {
        let id = format!("listed-{n}");
        let mut device = Device::send_first(&server, &format!("11 (3C '{id}' 'ann')"));
        device.expect(ACCEPTED);
        let row = listed(&server, &id);
        let found = [
            "clientid",
            "username",
            "proto_name",
            "proto_ver",
            "connected",
            "keepalive",
            "listener",
        ]
        .map(|field| row[field].clone());
        let expected = [
            json!(id),
            json!("ann"),
            json!("private-tcp"),
            json!(1),
            json!(true),
            json!(60),
            json!("emqtcp"),
        ];
        assert_eq!(found, expected, "{row}");
        assert_eq!(row["subscriptions_cnt"], 1);
        let address = device.address();
        assert_eq!(row["ip_address"], address.ip().to_string());
        assert_eq!(row["port"], address.port());
        let page = http::get(server.broker().admin(), "/api/v5/clients?limit=1000").json();
        let rows = page["data"].as_array().expect("data");
        assert_eq!(rows.iter().filter(|row| row["clientid"] == json!(id)).count(), 1);
    }
}

#[test]
fn a_device_that_goes_leaves_the_client_list() {
    let server = Server::shared();
    for (id, farewell) in [("leaves-a", "60"), ("leaves-b", "")] {
        let mut device = Device::connect(&server, id);
        assert_eq!(listed(&server, id)["connected"], true);
        device.send(farewell);
        drop(device);
        expect_connected(&server, id, false);
        assert!(listed(&server, id).is_null(), "its session ended with it");
    }
}

#[test]
fn the_newer_of_two_devices_with_one_id_wins() {
    let server = Server::shared();
    let mut publisher = server.v3("newer-publisher");
    for n in 0..4 {
        let id = format!("newer-{n}");
        let mut older = Device::connect(&server, &id);
        let mut newer = Device::connect(&server, &id);
        older.expect_end("");
        older.expect_reason(&server, "taken_over");
        newer.expect_alive();
        publisher.send(&format!("30 <'tcp/{id}/dn' `x`>"));
        newer.expect("30 'x'");
    }
}

#[test]
fn devices_and_mqtt_clients_share_one_namespace() {
    let server = Server::shared();
    for n in 0..4 {
        let id = format!("namespace-{n}");
        let mut first = server.v5(&id);
        let mut second = Device::connect(&server, &id);
        first.expect_disconnect(0x8E);
        second.expect_alive();
        let mut third = server.v3(&id);
        second.expect_end("");
        second.expect_reason(&server, "taken_over");
        third.expect_alive();
    }
}

#[test]
fn a_client_id_prefix_keeps_devices_apart() {
    let server = Server::with(&["listener.emqtcp.client_id_prefix=dev:"]);
    let mut watcher = server.v3("x");
    watcher.subscribe_v3("tcp/dev:x/up", 0);
    let mut device = Device::connect(&server, "x");
    device.send("30 'up'");
    watcher.expect("30 <'tcp/dev:x/up' `up`>");
    watcher.send("30 <'tcp/dev:x/dn' `down`>");
    device.expect("30 'down'");
    watcher.expect_alive();
    assert_eq!(listed(&server, "dev:x")["proto_name"], "private-tcp");
    assert_eq!(listed(&server, "x")["proto_name"], "MQTT");
    let mut newer = Device::connect(&server, "x");
    device.expect_end("");
    newer.expect_alive();
}

#[test]
fn a_device_is_kicked_by_the_administrator() {
    let server = Server::shared();
    for n in 0..4 {
        let id = format!("kicked-{n}");
        let mut device = Device::connect(&server, &id);
        let path = format!("/api/v5/clients/{id}");
        assert_eq!(http::delete(server.broker().admin(), &path).status, 204);
        device.expect_end("");
        device.expect_reason(&server, "kicked");
        assert!(listed(&server, &id).is_null());
        Device::connect(&server, &id).expect_alive();
    }
}

#[test]
fn a_banned_device_is_closed_and_turned_away_until_the_ban_is_lifted() {
    let server = Server::with(&["node.name=bans"]);
    let admin = server.broker().admin();
    for (kind, who) in [("clientid", "banned"), ("username", "mallory")] {
        let first = "11 (00 'banned' 'mallory')";
        let mut device = Device::send_first(&server, first);
        device.expect(ACCEPTED);
        let ban = json!({"as": kind, "who": who, "reason": "test"});
        let answer = http::post(admin, "/api/v5/banned", &ban);
        assert_eq!(answer.status, 200, "{}", answer.body);
        device.expect_end("");
        device.expect_reason(&server, "banned");
        let mut again = Device::send_first(&server, &format!("{first} 30 'x'"));
        again.expect_end("21 'Banned'");
        again.expect_reason(&server, "banned");
        let path = format!("/api/v5/banned/{kind}/{who}");
        assert_eq!(http::delete(admin, &path).status, 204);
        Device::send_first(&server, first).expect(ACCEPTED);
    }
}

#[test]
fn a_device_from_a_banned_address_is_turned_away() {
    let server = Server::with(&["node.name=host-bans"]);
    let admin = server.broker().admin();
    let ban = json!({"as": "peerhost_net", "who": "127.0.0.0/8", "reason": "test"});
    assert_eq!(http::post(admin, "/api/v5/banned", &ban).status, 200);
    let mut device = Device::send_first(&server, &connect("any"));
    device.expect_end("21 'Banned'");
    device.expect_reason(&server, "banned");
}

#[test]
fn what_devices_do_is_counted() {
    let server = Server::with(&["node.name=counted"]);
    let mut watcher = server.v3("counted-watcher");
    watcher.subscribe_v3("tcp/counted/up", 0);
    let mut device = Device::connect(&server, "counted");
    expect_metric(&server, "ringwire_connections_count", &[], 2.0);
    expect_metric(&server, "ringwire_client_connected", &[], 2.0);
    device.send("30 'one' 30 'two' 40");
    device.expect("50");
    watcher.expect("30 <'tcp/counted/up' `one`>");
    watcher.expect("30 <'tcp/counted/up' `two`>");
    expect_metric(&server, "ringwire_messages_received", &[], 2.0);
    expect_metric(&server, "ringwire_messages_qos0_received", &[], 2.0);
    watcher.send("30 <'tcp/counted/dn' `three`>");
    device.expect("30 'three'");
    expect_metric(&server, "ringwire_messages_sent", &[], 3.0);
    device.send("60");
    device.expect_end("");
    expect_metric(
        &server,
        "ringwire_connections_closed",
        &["reason=\"normal\""],
        1.0,
    );
    expect_metric(&server, "ringwire_connections_count", &[], 1.0);
}

#[test]
fn connecting_and_leaving_are_a_log_line_each() {
    let server = Server::shared();
    let mut device = Device::connect(&server, "line");
    let peer = format!("peer={} ", device.address());
    let line = log_line(&server, &[" connected ", &peer]);
    for part in ["client_id=\"line\"", "protocol=\"private-tcp 1\"", "INFO"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    device.send("60");
    device.expect_end("");
    let line = device.expect_reason(&server, "normal");
    assert!(
        line.contains("client_id=\"line\"") && line.contains("INFO"),
        "{line}"
    );
}

#[test]
fn a_device_appears_in_the_events_of_the_broker() {
    let server = Server::with(&["node.name=events"]);
    let mut watcher = server.v3("events-watcher");
    watcher.subscribe_v3("$SYS/brokers/+/clients/evented/#", 0);
    let mut device = Device::connect(&server, "evented");
    let event = watcher.packet();
    let text = String::from_utf8_lossy(&event).into_owned();
    assert!(
        text.contains("clients/evented/connected") && text.contains("private-tcp"),
        "{text}"
    );
    device.send("60");
    let event = watcher.packet();
    let text = String::from_utf8_lossy(&event).into_owned();
    assert!(
        text.contains("clients/evented/disconnected") && text.contains("normal"),
        "{text}"
    );
}

#[test]
fn rules_for_a_device_name_its_username_and_client_id() {
    let server = Server::with(&[
        "access.rules=[{allow=true, username='ann', operation='publish', topics=['tcp/%c/up']}, \
         {allow=true, client_id='trusted', operation='publish', topics=['tcp/#']}, \
         {allow=false, operation='publish', topics=['tcp/+/up']}]",
    ]);
    let mut watcher = server.v3("rules-watcher");
    watcher.subscribe_v3("tcp/+/up", 0);
    for (id, username, text) in [
        ("r-ann", "'ann'", Some("1")),
        ("r-bob", "'bob'", None),
        ("trusted", "", Some("3")),
        ("r-none", "", None),
        ("r-ann-2", "'ann'", Some("5")),
    ] {
        let mut device = Device::send_first(&server, &format!("11 (00 '{id}' {username})"));
        device.expect(ACCEPTED);
        device.send(&format!("30 '{}'", text.unwrap_or("forbidden")));
        if let Some(text) = text {
            watcher.expect(&format!("30 <'tcp/{id}/up' `{text}`>"));
        }
        device.expect_alive();
    }
}

#[test]
fn a_device_that_comes_and_goes_too_often_is_banned() {
    let server = Server::with(&[
        "flapping_detect.enable=true",
        "flapping_detect.max_count=3",
        "flapping_detect.window_time=1m",
        "flapping_detect.ban_time=5m",
    ]);
    for _ in 0..3 {
        let mut device = Device::connect(&server, "flapper");
        device.send("60");
        device.expect_end("");
        expect_connected(&server, "flapper", false);
    }
    let until = std::time::Instant::now() + crate::broker::PATIENCE;
    loop {
        let mut device = Device::send_first(&server, &connect("flapper"));
        let answer = device.take(3);
        if answer[0] == 0x21 {
            break;
        }
        assert!(std::time::Instant::now() < until, "it was never banned");
    }
    Device::connect(&server, "steady").expect_alive();
}
