//! The admin endpoint over real sockets, in front of fake shards.
#![allow(clippy::unwrap_used)]

mod fake;

use fake::start;
use ringwire_admin::{Admin, BindError};
use ringwire_codec::mqtt::{Properties, QoS};
use ringwire_core::{CloseReason, DropReason};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

#[test]
fn only_loopback_can_be_bound_and_a_taken_port_is_named() {
    let everywhere = Admin::bind("0.0.0.0:0".parse().unwrap()).err().unwrap();
    assert!(matches!(everywhere, BindError::NotLoopback(_)), "{everywhere}");
    let admin =
        Admin::bind("[::1]:0".parse().unwrap()).or_else(|_| Admin::bind("127.0.0.1:0".parse().unwrap()));
    let address = admin.as_ref().ok().unwrap().address();
    let taken = Admin::bind(address).err().unwrap();
    assert!(taken.to_string().contains(&address.to_string()), "{taken}");
}

#[test]
fn a_node_whose_shards_answer_is_healthy_and_ready() {
    let mut fake = start(2, &[]);
    assert_eq!(
        fake.json("GET", "/healthz"),
        (200, json!({"status": "ok", "node": "test"}))
    );
    let (status, body) = fake.json("GET", "/readyz");
    assert_eq!(
        (status, &body["unanswered"], &body["shards"]),
        (200, &json!([]), &json!(2))
    );
    fake.stop();
    assert!(
        TcpStream::connect(fake.address).is_err(),
        "the listener is closed"
    );
}

#[test]
fn a_shard_that_takes_no_turns_is_named_and_costs_the_others_nothing() {
    let fake = start(3, &[1]);
    let (status, body) = fake.json("GET", "/readyz");
    assert_eq!((status, &body["unanswered"]), (503, &json!([1])));
    assert_eq!(fake.ask("GET", "/healthz").0, 200);
    let (status, body) = fake.json("GET", "/api/v5/clients");
    assert_eq!((status, &body["code"]), (503, &json!("SERVICE_UNAVAILABLE")));
    let (status, text) = fake.ask("GET", "/metrics");
    assert_eq!(status, 200);
    let series = parse(&text);
    assert_eq!(series["ringwire_shard_up{shard=\"0\"}"], 1.0);
    assert_eq!(series["ringwire_shard_up{shard=\"1\"}"], 0.0);
    for id in ids(30) {
        let unanswered = fake.placement.home(id.as_bytes()).0 == 1;
        let status = fake.ask("GET", &format!("/api/v5/clients/{id}")).0;
        assert_eq!(status, if unanswered { 503 } else { 404 }, "{id}");
        if unanswered {
            return;
        }
    }
    panic!("no id lives on shard 1");
}

#[test]
fn pages_hold_each_client_once_in_order_of_client_id() {
    let fake = start(3, &[]);
    let all = ids(25);
    all.iter().for_each(|id| fake.client(id));
    let mut seen = Vec::new();
    for page in 1..=4 {
        let (status, body) = fake.json("GET", &format!("/api/v5/clients?page={page}&limit=8"));
        assert_eq!(status, 200);
        let meta = json!({"page": page, "limit": 8, "count": 25, "hasnext": page < 4});
        assert_eq!(body["meta"], meta);
        seen.extend(client_ids(&body));
    }
    assert_eq!(seen, all);
    let (_, after) = fake.json("GET", &format!("/api/v5/clients?after={}&limit=5", all[9]));
    assert_eq!(client_ids(&after), all[10..15]);
    let (_, beyond) = fake.json("GET", "/api/v5/clients?page=9");
    assert_eq!(
        (&beyond["data"], &beyond["meta"]["hasnext"]),
        (&json!([]), &json!(false))
    );
    let (_, whole) = fake.json("GET", "/api/v5/clients");
    assert_eq!(client_ids(&whole), all, "the default page holds 100");
    assert_eq!(whole["meta"]["hasnext"], json!(false));
}

#[test]
fn a_page_far_back_is_reached_in_chunks() {
    let fake = start(2, &[]);
    let all = ids(2_500);
    all.iter().for_each(|id| fake.client(id));
    let (status, body) = fake.json("GET", "/api/v5/clients?page=24&limit=100");
    assert_eq!(status, 200);
    assert_eq!(client_ids(&body), all[2_300..2_400]);
    assert_eq!(body["meta"]["hasnext"], json!(true));
}

#[test]
fn a_page_that_cannot_be_says_which_parameter_is_wrong() {
    let fake = start(1, &[]);
    for (query, names) in [
        ("page=0", "page"),
        ("page=x", "page"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("page=101&limit=1000", "page"),
        ("page=18446744073709551615&limit=1000", "page"),
        ("username=bob", "username"),
    ] {
        let (status, body) = fake.json("GET", &format!("/api/v5/clients?{query}"));
        assert_eq!((status, &body["code"]), (400, &json!("BAD_REQUEST")), "{query}");
        assert!(
            body["message"].as_str().unwrap().contains(names),
            "{query}: {body}"
        );
    }
}

#[test]
fn a_client_is_shown_and_kicked_at_its_home_and_then_unknown() {
    let fake = start(4, &[]);
    for id in ["sensor-1", "a/b c", "ü"] {
        fake.client(id);
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/api/v5/clients/{path}");
        let (status, body) = fake.json("GET", &path);
        assert_eq!((status, body["clientid"].as_str()), (200, Some(id)));
        assert_eq!(
            (&body["ip_address"], &body["port"]),
            (&json!("127.0.0.1"), &json!(4711))
        );
        assert_eq!(body["shard"], json!(fake.placement.home(id.as_bytes()).0));
        assert_eq!(fake.ask("DELETE", &path), (204, String::new()));
        for method in ["GET", "DELETE"] {
            let (status, body) = fake.json(method, &path);
            assert_eq!((status, &body["code"]), (404, &json!("CLIENTID_NOT_FOUND")));
        }
    }
}

#[test]
fn a_publish_reaches_the_home_of_its_topic() {
    let fake = start(4, &[]);
    let (status, first) = fake.publish(r#"{"topic": "tcp/a/dn", "payload": "Grüße"}"#);
    assert_eq!(status, 200);
    let binary =
        r#"{"topic": "b", "payload": "AP8=", "payload_encoding": "base64", "qos": 2, "retain": true}"#;
    let (status, second) = fake.publish(binary);
    assert_eq!(status, 200);
    assert!(first["id"].is_string() && first["id"] != second["id"]);
    let published = fake.shared.published.lock().unwrap();
    let [(shard, plain), (_, binary)] = &published[..] else {
        panic!("{published:?}")
    };
    assert_eq!(*shard, fake.placement.home(b"tcp/a/dn"));
    assert_eq!(
        (plain.topic_bytes(), plain.payload()),
        (&b"tcp/a/dn"[..], "Grüße".as_bytes())
    );
    assert_eq!((plain.qos, plain.retain), (QoS::AtMostOnce, false));
    assert_eq!(
        (binary.payload(), binary.qos, binary.retain),
        (&[0, 0xFF][..], QoS::ExactlyOnce, true)
    );
}

#[test]
fn a_publish_carries_its_properties_and_wrong_ones_are_named() {
    let fake = start(1, &[]);
    let properties = json!({
        "payload_format_indicator": 1, "message_expiry_interval": 60, "content_type": "text", "response_topic": "r",
        "correlation_data": "42", "user_properties": {"a": "1", "b": "2"},
    });
    let body = json!({"topic": "t", "payload": "m", "properties": properties}).to_string();
    assert_eq!(fake.publish(&body).0, 200);
    let published = fake.shared.published.lock().unwrap();
    let found: Vec<String> = Properties::from_validated(published[0].1.properties())
        .iter()
        .map(|property| format!("{property:?}"))
        .collect();
    assert_eq!(found.len(), 7, "{found:?}");
    assert!(
        found.contains(&"MessageExpiryInterval(60)".to_owned()),
        "{found:?}"
    );
    assert!(
        found.contains(&"UserProperty(\"b\", \"2\")".to_owned()),
        "{found:?}"
    );
    drop(published);
    for (properties, word) in [
        (json!({"payload_format_indicator": 2}), "payload_format_indicator"),
        (json!({"response_topic": "a/#"}), "response_topic"),
        (json!({"content_type": "a\u{0}"}), "properties"),
        (json!({"colour": "blue"}), "colour"),
    ] {
        let body = json!({"topic": "t", "payload": "m", "properties": properties}).to_string();
        let (status, answer) = fake.publish(&body);
        assert_eq!(status, 400);
        assert!(answer["message"].as_str().unwrap().contains(word), "{answer}");
    }
}

#[test]
fn a_retained_message_is_shown_and_removed_at_its_home() {
    let fake = start(3, &[]);
    let body = json!({"topic": "a/b c", "payload": "kept", "qos": 1, "retain": true}).to_string();
    assert_eq!(fake.publish(&body).0, 200);
    let path = "/api/v5/mqtt/retainer/message/a%2Fb%20c";
    let (status, body) = fake.json("GET", path);
    let expected = json!({"topic": "a/b c", "qos": 1, "payload": "a2VwdA==", "from_clientid": ""});
    assert_eq!((status, body), (200, expected));
    assert_eq!(fake.ask("DELETE", path).0, 204);
    for method in ["GET", "DELETE"] {
        let (status, body) = fake.json(method, path);
        assert_eq!((status, &body["code"]), (404, &json!("NOT_FOUND")));
    }
}

#[test]
fn clients_are_found_by_a_part_of_their_id_and_show_when_they_connected_and_what_they_hold() {
    let fake = start(3, &[]);
    ["pump-1", "pump-2", "door-1"]
        .iter()
        .for_each(|id| fake.client(id));
    let (status, body) = fake.json("GET", "/api/v5/clients?like_clientid=mp-");
    assert_eq!(
        (status, client_ids(&body)),
        (200, vec!["pump-1".to_owned(), "pump-2".to_owned()])
    );
    assert_eq!(body["meta"], json!({"page": 1, "limit": 100, "hasnext": false}));
    assert_eq!(body["data"][0]["connected_at"], "2023-11-14T22:13:20.012Z");
    let (status, body) = fake.json("GET", "/api/v5/clients/door-1/subscriptions");
    let row = json!({"node": "test", "clientid": "door-1", "topic": "$share/g/a/+", "qos": 1, "nl": 0, "rap": 1, "rh": 2});
    assert_eq!((status, body), (200, json!([row])));
    let (status, body) = fake.json("GET", "/api/v5/clients/nobody/subscriptions");
    assert_eq!((status, &body["code"]), (404, &json!("CLIENTID_NOT_FOUND")));
}

#[test]
fn a_publish_that_cannot_be_says_which_field_is_wrong() {
    let fake = start(1, &[]);
    for (body, names) in [
        (r#"{"topic": "a/+", "payload": ""}"#, "topic"),
        (r#"{"topic": "", "payload": ""}"#, "topic"),
        (r#"{"payload": ""}"#, "topic"),
        (r#"{"topic": "a"}"#, "payload"),
        (
            r#"{"topic": "a", "payload": "x", "payload_encoding": "base64"}"#,
            "payload",
        ),
        (
            r#"{"topic": "a", "payload": "x", "payload_encoding": "hex"}"#,
            "payload_encoding",
        ),
        (r#"{"topic": "a", "payload": "x", "qos": 3}"#, "qos"),
        (r#"{"topic": "a", "payload": "x", "qos": "1"}"#, "qos"),
        (r#"{"topic": "a", "payload": "x", "retain": 1}"#, "retain"),
        (r#"{"topic": "a", "payload": "x", "propertys": {}}"#, "propertys"),
        (r#"{"topic": "a", "#, "JSON"),
    ] {
        let (status, answer) = fake.publish(body);
        assert_eq!((status, &answer["code"]), (400, &json!("BAD_REQUEST")), "{body}");
        assert!(
            answer["message"].as_str().unwrap().contains(names),
            "{body}: {answer}"
        );
    }
    let large = format!(r#"{{"topic": "a", "payload": "{}"}}"#, "x".repeat((1 << 20) + 1));
    let (status, answer) = fake.publish(&large);
    assert_eq!(status, 400);
    assert!(
        answer["message"].as_str().unwrap().contains("payload"),
        "{answer}"
    );
    // A page in a browser may send a form anywhere without asking; it may not send JSON.
    let form = "POST /api/v5/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(fake.send(form).0, 415);
    assert!(fake.shared.published.lock().unwrap().is_empty());
}

#[test]
fn a_body_beyond_the_limit_is_refused_by_its_announced_length() {
    let fake = start(1, &[]);
    let head = "POST /api/v5/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2097153\r\n\r\n";
    let (status, body) = fake.send(head);
    assert_eq!(status, 413, "{body}");
    // Without an announced length it is cut off where the limit is.
    let head = "POST /api/v5/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n200001\r\n";
    let mut socket = fake.connect();
    socket.write_all(head.as_bytes()).unwrap();
    // The endpoint may answer and close while this still writes; the reset may then overtake the answer.
    let written = socket.write_all(&vec![b' '; 0x20_0001]);
    let mut answer = [0; 12];
    match written.and_then(|()| socket.read_exact(&mut answer)) {
        Ok(()) => assert_eq!(&answer, b"HTTP/1.1 413"),
        Err(error) => {
            assert!(
                matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
                "{error}"
            );
        }
    }
}

#[test]
fn unknown_paths_methods_and_foreign_hosts_are_refused_in_json() {
    let fake = start(1, &[]);
    for (method, path, status, code) in [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/api/v5/clients/", 404, "NOT_FOUND"),
        ("POST", "/healthz", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v5/publish", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let (answered, body) = fake.json(method, path);
        assert_eq!(
            (answered, &body["code"]),
            (status, &json!(code)),
            "{method} {path}"
        );
    }
    let rebound = "GET /healthz HTTP/1.1\r\nHost: evil.example:18083\r\n\r\n";
    assert_eq!(fake.send(rebound).0, 403);
}

#[test]
fn a_client_that_sends_nothing_more_is_closed() {
    let fake = start(1, &[]);
    let mut socket = fake.connect();
    socket.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").unwrap();
    let mut answer = String::new();
    // Ends by the endpoint's close, or the read's own timeout is an error.
    socket.read_to_string(&mut answer).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
}

#[test]
fn more_connections_than_the_limit_wait_and_are_served() {
    let fake = start(1, &[]);
    let idle: Vec<TcpStream> = (0..64).map(|_| fake.connect()).collect();
    let mut waiting = fake.connect();
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    waiting.set_nonblocking(true).unwrap();
    assert!(waiting.read(&mut [0]).is_err(), "not yet");
    waiting.set_nonblocking(false).unwrap();
    drop(idle);
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn metrics_are_well_formed_and_hold_every_reason_of_every_shard() {
    let fake = start(2, &[]);
    {
        let mut stats = fake.shared.stats[1].lock().unwrap();
        stats.engine.messages_received = 41;
        stats.engine.connections = 7;
        stats.engine.closes[CloseReason::MalformedPacket as usize] = 3;
        stats.engine.drops[DropReason::QueueFull as usize] = 5;
        stats.turns = 9;
    }
    let (status, text) = fake.ask("GET", "/metrics");
    assert_eq!(status, 200);
    let series = parse(&text);
    assert_eq!(series["ringwire_messages_received{shard=\"1\"}"], 41.0);
    assert_eq!(series["ringwire_messages_received{shard=\"0\"}"], 0.0);
    assert_eq!(series["ringwire_connections_count{shard=\"1\"}"], 7.0);
    assert_eq!(
        series["ringwire_delivery_dropped_queue_full{shard=\"1\",reason=\"delivery.dropped.queue_full\"}"],
        5.0
    );
    for reason in CloseReason::ALL {
        for shard in 0..2 {
            let name = format!(
                "ringwire_connections_closed{{shard=\"{shard}\",reason=\"{}\"}}",
                reason.name()
            );
            let expected = if (shard, *reason) == (1, CloseReason::MalformedPacket) {
                3.0
            } else {
                0.0
            };
            assert_eq!(series[&name], expected, "{name}");
        }
    }
    for reason in DropReason::ALL {
        let name = format!("ringwire_{}{{shard=\"0\"", reason.name().replace('.', "_"));
        assert!(series.keys().any(|key| key.starts_with(&name)), "{name}");
    }
    fake.shared.stats[1].lock().unwrap().engine.messages_received = 42;
    fake.shared.stats[1].lock().unwrap().engine.connections = 2;
    let series = parse(&fake.ask("GET", "/metrics").1);
    assert_eq!(series["ringwire_messages_received{shard=\"1\"}"], 42.0);
    assert_eq!(series["ringwire_connections_count{shard=\"1\"}"], 2.0);
}

/// Checks the text as `promtool` would: each family has one HELP, one TYPE and its samples together; no series twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let (mut helped, mut typed, mut family) = (BTreeSet::new(), BTreeSet::new(), String::new());
    let mut series = BTreeMap::new();
    assert!(text.ends_with('\n'));
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').unwrap();
            assert!(!words.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(
                ["counter", "gauge"].contains(&kind) && helped.contains(name),
                "{line}"
            );
            assert!(typed.insert(name.to_owned()), "{line}");
            family = name.to_owned();
        } else {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = key.split_once('{').unwrap();
            assert_eq!(name, family, "{line}");
            assert!(name.starts_with("ringwire_") && is_name(name), "{line}");
            for label in labels.strip_suffix('}').unwrap().split(',') {
                let (label, value) = label.split_once('=').unwrap();
                assert!(is_name(label) && value.len() > 2 && value.starts_with('"') && value.ends_with('"'));
            }
            assert!(
                series.insert(key.to_owned(), value.parse().unwrap()).is_none(),
                "twice: {line}"
            );
        }
    }
    series
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Sorted, as the endpoint sorts them.
fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("id-{number:05}")).collect()
}

fn client_ids(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().unwrap();
    rows.iter()
        .map(|row| row["clientid"].as_str().unwrap().to_owned())
        .collect()
}
