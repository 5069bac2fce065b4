//! Who gets in: the greeting, its deadline, names, credentials, take-over, and the topics that follow from a name.

use super::*;
use ringwire_core::access::User;

/// Username, password, and whether they are right.
type Credentials = (Option<&'static str>, Option<&'static [u8]>, bool);

#[test]
fn a_device_is_accepted_with_the_text_and_the_bytes_of_the_protocol() {
    let mut node = node(Device::default());
    let peer = node.open_on(0, PRIVATE);
    node.send(peer, b"\x11\x00\x07\x3c\x00\x04abcd");
    assert_eq!(node.take(peer), b"\x20\x00\x14Connect Successfully");
    assert_eq!(closed(&mut node, peer), None);
    assert!(node.notes.iter().any(|note| matches!(note,
        Note::Connected { client_id, protocol, listener: PRIVATE, .. } if client_id == "abcd" && protocol == "private-tcp 1")));
}

#[test]
fn a_greeting_moves_to_its_home_shard_with_all_that_follows_it() {
    for accepted_on in [0, 1] {
        let mut node = node(Device::default());
        let watcher = watcher(&mut node, "tcp/+/up");
        let name = node.name_at(1 - accepted_on, "dev");
        let peer = node.open_on(accepted_on, PRIVATE);
        let bytes = [
            connect_bytes(hello(&name)),
            data(b"one"),
            vec![0x40],
            data(b"two"),
        ]
        .concat();
        node.send(peer, &bytes);
        assert_eq!(
            take(&mut node, peer),
            ["connack Accepted Connect Successfully", "pong"]
        );
        let expected = [
            format!("publish tcp/{name}/up one q0"),
            format!("publish tcp/{name}/up two q0"),
        ];
        assert_eq!(seen(&mut node, watcher), expected);
    }
}

#[test]
fn a_device_sent_byte_by_byte_is_the_same_device() {
    let mut node = node(Device::default());
    let watcher = watcher(&mut node, "tcp/+/up");
    let peer = node.open_on(0, PRIVATE);
    for byte in [
        connect_bytes(hello("dev")),
        data(b"one"),
        vec![0x40],
        data(b""),
        vec![0x60],
    ]
    .concat()
    {
        node.send(peer, &[byte]);
    }
    assert_eq!(
        take(&mut node, peer),
        ["connack Accepted Connect Successfully", "pong"]
    );
    assert_eq!(
        seen(&mut node, watcher),
        ["publish tcp/dev/up one q0", "publish tcp/dev/up  q0"]
    );
    assert_eq!(closed(&mut node, peer), Some(CloseReason::Normal));
}

#[test]
fn a_first_frame_that_is_not_connect_closes() {
    for header in [0x00, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xff] {
        let mut node = node(Device::default());
        let peer = node.open_on(0, PRIVATE);
        node.send(peer, &[header]);
        assert_eq!(
            closed(&mut node, peer),
            Some(CloseReason::ProtocolNotConnected),
            "{header:02x}"
        );
        assert!(node.take(peer).is_empty());
        assert_eq!(
            detail(&node),
            format!("the first frame is not CONNECT (offset 0): {header:02x}")
        );
    }
}

#[test]
fn no_whole_connect_within_idle_timeout_closes_and_single_bytes_do_not_push_it_back() {
    let mut node = node(Device::default());
    let peer = node.open_on(0, PRIVATE);
    for byte in &connect_bytes(hello("dev"))[..8] {
        node.pass(1_800);
        node.send(peer, &[*byte]);
    }
    assert_eq!(closed(&mut node, peer), None);
    node.pass(15_000 - 8 * 1_800 - 1);
    assert_eq!(closed(&mut node, peer), None);
    node.pass(1);
    assert_eq!(closed(&mut node, peer), Some(CloseReason::IdleTimeout));
}

#[test]
fn a_whole_connect_ends_the_deadline_also_after_a_hand_over() {
    let mut node = node(Device {
        idle_timeout_ms: 1_000,
        ..Device::default()
    });
    let name = node.name_at(1, "dev");
    let peer = node.open_on(0, PRIVATE);
    node.pass(999);
    node.send(peer, &connect_bytes(hello(&name)));
    node.pass(100_000);
    assert_eq!(
        closed(&mut node, peer),
        None,
        "a whole CONNECT ended the deadline"
    );
}

#[test]
fn a_second_connect_closes() {
    let mut node = node(Device::default());
    let peer = device(&mut node, "dev");
    node.send(peer, &connect_bytes(hello("dev")));
    assert_eq!(
        closed(&mut node, peer),
        Some(CloseReason::ProtocolAlreadyConnected)
    );
    assert!(node.take(peer).is_empty());
}

#[test]
fn a_version_other_than_1_is_answered_with_0x22_and_a_text() {
    for version in [0, 2, 15] {
        let mut node = node(Device::default());
        let peer = node.open_on(0, PRIVATE);
        let mut bytes = connect_bytes(hello("dev"));
        bytes[0] = 0x10 | version;
        node.send(peer, &[bytes, data(b"not looked at")].concat());
        assert_eq!(
            take(&mut node, peer),
            ["connack VersionNotSupported Protocol Version Not Supported"]
        );
        assert_eq!(closed(&mut node, peer), Some(CloseReason::UnsupportedVersion));
    }
}

#[test]
fn version_0_is_accepted_where_the_listener_says_so() {
    let mut node = node(speaking(EmqTcp {
        accept_version_0: true,
        ..EmqTcp::default()
    }));
    for (version, accepted) in [(0, true), (2, false)] {
        let peer = node.open_on(0, PRIVATE);
        let mut bytes = connect_bytes(hello("dev"));
        bytes[0] = 0x10 | version;
        node.send(peer, &bytes);
        assert_eq!(take(&mut node, peer)[0].contains("Accepted"), accepted);
    }
}

#[test]
fn failed_authentication_is_answered_with_0x21_and_nothing_after_it_is_looked_at() {
    let user = User {
        username: "ann".into(),
        password: "secret".into(),
    };
    let rows: [Credentials; 5] = [
        (Some("ann"), Some(b"secret"), true),
        (Some("ann"), Some(b"wrong"), false),
        (Some("eve"), Some(b"secret"), false),
        (Some("ann"), None, false),
        (None, None, false),
    ];
    for (username, password, accepted) in rows {
        let mut settings = settings(2, Device::default());
        settings.access.users = vec![user.clone()];
        settings.access.allow_anonymous = false;
        let mut node = Node::with(settings);
        let connect = Connect {
            username: username.map(str::as_bytes),
            password,
            ..hello("dev")
        };
        let peer = node.open_on(0, PRIVATE);
        node.send(peer, &[connect_bytes(connect), data(b"up"), vec![0x40]].concat());
        if accepted {
            assert_eq!(
                take(&mut node, peer),
                ["connack Accepted Connect Successfully", "pong"]
            );
            continue;
        }
        assert_eq!(
            take(&mut node, peer),
            ["connack AuthenticationFailed Authentication Failure"]
        );
        assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
        let stats: Vec<u64> = node
            .engines
            .iter()
            .map(|engine| engine.stats().messages_received)
            .collect();
        assert_eq!(stats, [0, 0]);
        assert!(node.engines.iter().all(|engine| engine.client("dev").is_none()));
    }
}

#[test]
fn a_client_id_that_would_change_the_topics_is_refused_with_a_text() {
    let rows: [(&[u8], &str); 8] = [
        (b"", "empty"),
        (b"a\xff", "not UTF-8"),
        (b"a\0b", "control character"),
        (b"a\nb", "control character"),
        ("a\u{85}".as_bytes(), "control character"),
        (b"a+", "wildcard"),
        (b"#", "wildcard"),
        (b"a/b", "slash"),
    ];
    for (client_id, what) in rows {
        let mut node = node(Device::default());
        let peer = greet(
            &mut node,
            0,
            Connect {
                client_id,
                ..hello("")
            },
        );
        let expected = format!("connack AuthenticationFailed Invalid Client Id: {what}");
        assert_eq!(take(&mut node, peer), [expected]);
        assert_eq!(closed(&mut node, peer), Some(CloseReason::InvalidClientId));
        assert!(detail(&node).starts_with(&format!("Invalid Client Id: {what}, client id")));
    }
}

#[test]
fn a_slash_in_a_client_id_is_allowed_where_the_listener_says_so() {
    let mut node = node(Device {
        allow_slash: true,
        ..Device::default()
    });
    let watcher = watcher(&mut node, "tcp/#");
    let peer = device(&mut node, "a/b");
    node.send(peer, &data(b"x"));
    assert_eq!(seen(&mut node, watcher), ["publish tcp/a/b/up x q0"]);
}

#[test]
fn a_client_id_whose_topics_are_too_long_or_too_deep_is_refused() {
    for (up_topic, dn_topic) in [("%c/%c", "dn"), ("up", "%c/%c")] {
        let mut node = node(Device {
            up_topic: up_topic.into(),
            dn_topic: dn_topic.into(),
            allow_slash: true,
            max_clientid_len: 65_535,
            ..Device::default()
        });
        let long = "x".repeat(40_000);
        let deep = "x/".repeat(70);
        for name in [&long, &deep] {
            let peer = greet(&mut node, 0, hello(name));
            assert_eq!(closed(&mut node, peer), Some(CloseReason::InvalidClientId));
            assert!(detail(&node).len() < 200, "a note is short, whatever the name");
        }
    }
}

#[test]
fn a_name_is_no_longer_than_the_listener_takes() {
    let device = Device {
        max_clientid_len: 8,
        up_topic: "by/%u".into(),
        ..Device::default()
    };
    for (id, username, refusal) in [
        ("x".repeat(8), "u".repeat(8), None),
        ("x".repeat(9), "u".repeat(8), Some("Invalid Client Id: too long")),
        ("x".repeat(8), "u".repeat(9), Some("Invalid Username: too long")),
    ] {
        let mut node = node(device.clone());
        let connect = Connect {
            username: Some(username.as_bytes()),
            ..hello(&id)
        };
        let peer = greet(&mut node, 0, connect);
        let text = take(&mut node, peer)[0].clone();
        match refusal {
            None => assert!(text.contains("Accepted"), "{text}"),
            Some(refusal) => assert_eq!(text, format!("connack AuthenticationFailed {refusal}")),
        }
    }
}

#[test]
fn a_topic_begins_with_the_dollar_of_the_operator_or_with_none() {
    let device = |up: &str, dn: &str, prefix: &str| Device {
        up_topic: up.into(),
        dn_topic: dn.into(),
        client_id_prefix: prefix.into(),
        ..Device::default()
    };
    for (device, id, username, accepted) in [
        (device("%c/up", "dn/%c", ""), "$SYS", "ann", false),
        (device("up/%c", "%c/dn/x", ""), "$share", "ann", false),
        (device("up/%u", "%u/dn", ""), "dev", "$queue", false),
        (device("%c/up", "%c/dn", "d-"), "$SYS", "$", true),
        (device("up/%c/%u", "dn/%u/%c", ""), "$SYS", "$share", true),
        (device("$own/%c", "dn/%c", ""), "dev", "ann", true),
    ] {
        let mut node = node(device);
        let connect = Connect {
            username: Some(username.as_bytes()),
            ..hello(id)
        };
        let peer = greet(&mut node, 0, connect);
        let text = take(&mut node, peer)[0].clone();
        assert_eq!(text.contains("Accepted"), accepted, "{id} {username}: {text}");
        assert_eq!(closed(&mut node, peer).is_none(), accepted);
    }
}

#[test]
fn the_newer_of_two_devices_with_one_client_id_wins() {
    let mut node = node(Device::default());
    let older = device(&mut node, "dev");
    let newer = device(&mut node, "dev");
    assert_eq!(closed(&mut node, older), Some(CloseReason::TakenOver));
    assert_eq!(closed(&mut node, newer), None);
    let publisher = mqtt(&mut node, "publisher");
    node.publish(
        publisher,
        Version::V311,
        "tcp/dev/dn",
        b"x",
        ringwire_codec::mqtt::QoS::AtMostOnce,
        0,
    );
    assert_eq!(take(&mut node, newer), ["data x"]);
}

#[test]
fn devices_and_mqtt_clients_share_one_namespace() {
    for session_expiry_s in [0, 100] {
        let mut node = node(Device {
            session_expiry_s,
            ..Device::default()
        });
        let first = mqtt(&mut node, "x");
        let second = device(&mut node, "x");
        assert_eq!(closed(&mut node, first), Some(CloseReason::TakenOver));
        let third = mqtt(&mut node, "x");
        assert_eq!(closed(&mut node, second), Some(CloseReason::TakenOver));
        assert_eq!(closed(&mut node, third), None);
    }
}

#[test]
fn a_kept_session_does_not_go_from_one_protocol_to_the_other() {
    let mut node = node(Device {
        session_expiry_s: 100,
        ..Device::default()
    });
    let kept = Hello {
        clean: false,
        ..Hello::new(Version::V311, "x")
    };
    let client = node.connect(0, kept);
    node.subscribe(client, Version::V311, "news", 2);
    let publisher = mqtt(&mut node, "publisher");
    node.publish(
        publisher,
        Version::V311,
        "news",
        b"unacknowledged",
        ringwire_codec::mqtt::QoS::ExactlyOnce,
        1,
    );
    node.end(client);
    let device = device(&mut node, "x");
    node.publish(
        publisher,
        Version::V311,
        "news",
        b"more",
        ringwire_codec::mqtt::QoS::AtLeastOnce,
        2,
    );
    assert_eq!(take(&mut node, device), [""; 0]);
    let client = node.open(0);
    node.send(client, &kept.bytes());
    assert_eq!(node.take_words(client, Version::V311), ["connack 0 success"]);
}

#[test]
fn a_client_id_prefix_keeps_devices_apart_from_mqtt_clients() {
    let mut node = node(Device {
        client_id_prefix: "d-".into(),
        ..Device::default()
    });
    let client = mqtt(&mut node, "x");
    let watcher = watcher(&mut node, "tcp/+/up");
    let peer = device(&mut node, "x");
    assert_eq!(closed(&mut node, client), None);
    assert!(node.engines.iter().any(|engine| engine.client("d-x").is_some()));
    node.send(peer, &data(b"1"));
    assert_eq!(seen(&mut node, watcher), ["publish tcp/d-x/up 1 q0"]);
}

#[test]
fn every_percent_c_and_percent_u_is_replaced() {
    let private = Device {
        up_topic: "%u/%c/up/%c%u".into(),
        dn_topic: "%c/%u/dn/%c".into(),
        ..Device::default()
    };
    let mut node = node(private);
    let watcher = watcher(&mut node, "#");
    let peer = greet(
        &mut node,
        0,
        Connect {
            username: Some(b"ann"),
            ..hello("dev")
        },
    );
    take(&mut node, peer);
    node.send(peer, &data(b"1"));
    assert_eq!(seen(&mut node, watcher), ["publish ann/dev/up/devann 1 q0"]);
    node.publish(
        watcher,
        Version::V311,
        "dev/ann/dn/dev",
        b"2",
        ringwire_codec::mqtt::QoS::AtMostOnce,
        0,
    );
    assert_eq!(take(&mut node, peer), ["data 2"]);
}

#[test]
fn a_topic_with_percent_u_refuses_a_device_whose_username_is_missing_or_would_change_it() {
    for private in [
        Device {
            up_topic: "tcp/%u/up".into(),
            ..Device::default()
        },
        Device {
            dn_topic: "tcp/%u/dn".into(),
            ..Device::default()
        },
    ] {
        for username in [None, Some(""), Some("#"), Some("+"), Some("a/b"), Some("a\0")] {
            let mut node = node(private.clone());
            let connect = Connect {
                username: username.map(str::as_bytes),
                ..hello("dev")
            };
            let peer = greet(&mut node, 0, connect);
            assert!(
                take(&mut node, peer)[0].starts_with("connack AuthenticationFailed "),
                "{username:?}"
            );
            assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
        }
        let mut node = node(private);
        let peer = greet(
            &mut node,
            0,
            Connect {
                username: Some(b"ann"),
                ..hello("dev")
            },
        );
        assert!(take(&mut node, peer)[0].contains("Accepted"));
    }
}

#[test]
fn a_username_that_no_topic_asks_for_may_be_anything_readable() {
    let mut node = node(Device::default());
    let peer = greet(
        &mut node,
        0,
        Connect {
            username: Some(b"a/+#"),
            ..hello("dev")
        },
    );
    assert!(take(&mut node, peer)[0].contains("Accepted"));
    let peer = greet(
        &mut node,
        0,
        Connect {
            username: Some(b"\xff"),
            ..hello("dev2")
        },
    );
    assert_eq!(
        take(&mut node, peer),
        ["connack AuthenticationFailed Invalid Username: not UTF-8"]
    );
    assert_eq!(closed(&mut node, peer), Some(CloseReason::AuthenticationFailed));
}

#[test]
fn a_device_for_whose_session_there_is_no_room_is_told_so() {
    let mut settings = settings(1, Device::default());
    settings.limits.sessions = 1;
    let mut node = Node::with(settings);
    device(&mut node, "dev");
    let peer = greet(&mut node, 0, hello("dev2"));
    assert_eq!(
        take(&mut node, peer),
        ["connack AuthenticationFailed Server Full"]
    );
    assert_eq!(closed(&mut node, peer), Some(CloseReason::QuotaExceeded));
}

#[test]
fn parts_that_do_not_fill_the_frame_close_with_error_offset_and_bytes() {
    let mut node = node(Device::default());
    let peer = node.open_on(0, PRIVATE);
    node.send(peer, b"\x11\x00\x07\x3c\x00\x05abcd");
    assert_eq!(closed(&mut node, peer), Some(CloseReason::MalformedPacket));
    let expected = "the parts of a CONNECT do not fill its frame exactly (offset 1) (offset 0): 11 00 07 3c 00 05 61 62 63 64";
    assert_eq!(detail(&node), expected);
}

#[test]
fn a_device_is_in_the_client_list_and_is_kicked_like_any_client() {
    let mut node = node(Device {
        session_expiry_s: 100,
        ..Device::default()
    });
    let name = node.name_at(1, "dev");
    let connect = Connect {
        keepalive: 60,
        username: Some(b"ann"),
        ..hello(&name)
    };
    let peer = greet(&mut node, 0, connect);
    let client = node.engines[1].client(&name).expect("listed");
    assert_eq!(
        (client.proto_name, client.proto_ver, client.keepalive),
        ("private-tcp".to_owned(), 1, 60)
    );
    assert_eq!(
        (client.username.as_deref(), client.connected),
        (Some("ann"), true)
    );
    assert_eq!(
        (client.listener.as_str(), client.subscriptions_cnt),
        ("private", 1)
    );
    node.input(1, ringwire_core::Input::Kick { client_id: &name });
    assert_eq!(closed(&mut node, peer), Some(CloseReason::Kicked));
    assert!(node.engines[1].client(&name).is_none());
}
