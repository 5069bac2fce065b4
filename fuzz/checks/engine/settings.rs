//! Settings of a fuzzed node: two shards, a listener for MQTT and three for devices, and limits so small that they are
//! reached.

use super::devices::{PHONES, Speaks, blueprint};
use super::script::Script;
use ringwire_codec::mqtt::QoS;
use ringwire_core::Settings;
use ringwire_core::access::{Access, Operation, Rule, User};
use ringwire_core::limits::Limits;
use ringwire_core::settings::{
    AclDenyAction, AutoSubscribe, Broker, Delayed, Device, Flapping, Listener, Mqtt, Overflow, Protocol,
    RewriteAction, RewriteRule, SysEvent,
};

/// Shards of the node.
pub const SHARDS: u16 = 2;

/// The settings that a script chooses.
pub fn of(script: &mut Script<'_>) -> Settings {
    let limits = limits(script);
    let mqtt = Mqtt {
        idle_timeout_ms: 5_000,
        max_packet_size: script.pick(&[10_000, 10_000, 10_000, 70]),
        max_keepalive_s: script.pick(&[0, 20]),
        session_expiry_s: script.pick(&[600, 0, 5]),
        max_clientid_len: 8,
        max_topic_alias: script.pick(&[3, 0, 10]),
        max_topic_alias_broker: script.pick(&[2, 0, 10]),
        check_payload_format: script.one_in(4),
        ..Mqtt::default()
    };
    let flags = script.byte();
    let levels = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let private = Device {
        adapter: blueprint(Speaks::Emq, false),
        idle_timeout_ms: 5_000,
        up_qos: levels[usize::from(flags) % 3],
        up_retain: flags & 4 != 0,
        dn_qos: levels[usize::from(flags >> 3) % 3],
        session_expiry_s: if flags & 32 != 0 { 10 } else { 0 },
        overflow: script.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Disconnect]),
        acl_deny_action: AclDenyAction::Ignore,
        retry_interval_ms: 500,
        retry_max: 1,
        ..Device::default()
    };
    // What these two choose from was chosen above.
    let described = Device {
        adapter: blueprint(Speaks::Described, flags & 64 != 0),
        up_topic: "d/%c/{tag}".to_owned(),
        up_retain: false,
        ..private.clone()
    };
    let terminals = Device {
        adapter: blueprint(Speaks::Jt808, flags & 128 != 0),
        up_topic: "jt808/%c/up".to_owned(),
        dn_topic: "jt808/%c/dn".to_owned(),
        ..private.clone()
    };
    let listener = |name: &str, protocol| Listener {
        name: name.to_owned(),
        max_connections: 8,
        protocol,
    };
    Settings {
        shards: SHARDS,
        placement_key: [3, 4],
        seed: 7,
        listeners: vec![
            listener("mqtt", Protocol::Mqtt(mqtt)),
            listener("private", Protocol::Device(private)),
            listener("described", Protocol::Device(described)),
            listener("jt808", Protocol::Device(terminals)),
        ],
        limits,
        access: access(script),
        delayed: Delayed {
            max_delayed_messages: script.pick(&[10, 1]),
            max_delayed_bytes: script.pick(&[10_000, 500]),
            ..Delayed::default()
        },
        rewrite: if script.one_in(4) {
            vec![rewrite()]
        } else {
            Vec::new()
        },
        broker: Broker {
            sys_event_messages: vec![
                SysEvent::ClientConnected,
                SysEvent::ClientDisconnected,
                SysEvent::ClientSubscribed,
                SysEvent::ClientUnsubscribed,
            ],
            ..Broker::default()
        },
        auto_subscribe: if flags & 128 != 0 {
            auto_subscribe()
        } else {
            Vec::new()
        },
        flapping: Flapping {
            enable: flags & 64 != 0,
            max_count: 3,
            window_time_ms: 5_000,
            ban_time_ms: 2_000,
        },
        ..Settings::default()
    }
}

fn auto_subscribe() -> Vec<AutoSubscribe> {
    let row = |topic: &str, qos, rh| AutoSubscribe {
        topic: topic.to_owned(),
        qos,
        rh,
        rap: rh == 1,
        nl: rh == 2,
    };
    vec![
        row("tcp/%c/up", QoS::AtLeastOnce, 0),
        row("%u/#", QoS::AtMostOnce, 1),
        row("$share/g/t", QoS::ExactlyOnce, 2),
    ]
}

/// Where a rewrite rule leads.
pub const REWRITTEN: &str = "t/rewritten";

fn rewrite() -> RewriteRule {
    RewriteRule {
        action: RewriteAction::All,
        source_topic: "w".to_owned(),
        re: "^w$".to_owned(),
        dest_topic: REWRITTEN.to_owned(),
    }
}

fn access(script: &mut Script<'_>) -> Access {
    let rule = |client_id: &str, operation, topic: &str| Rule {
        allow: false,
        username: None,
        client_id: Some(client_id.to_owned()),
        operation,
        topics: vec![topic.to_owned()],
    };
    let rules = vec![
        rule("a", Operation::Publish, "t/u/v"),
        rule("b", Operation::Subscribe, "t/+"),
    ];
    Access {
        users: users(),
        methods: vec!["SCRAM-SHA-256".to_owned()],
        rules: if script.one_in(3) { rules } else { Vec::new() },
        ..Access::default()
    }
}

/// Terminals show the code that they got for a password. The last one has none.
fn users() -> Vec<User> {
    let user = |username: &str, password: &str| User {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    vec![
        user("user", "secret"),
        user(PHONES[0], PHONES[0]),
        user(PHONES[1], PHONES[1]),
        user(PHONES[2], ""),
    ]
}

fn limits(script: &mut Script<'_>) -> Limits {
    let tight = script.byte();
    let choose = |bit: u8, small, large| if tight & (1 << bit) != 0 { small } else { large };
    Limits {
        outbox_bytes: choose(0, 60, 4_000),
        queue_messages: choose(1, 2, 30),
        queue_bytes: choose(2, 900, 20_000),
        shard_queue_bytes: choose(3, 1_500, 50_000),
        backpressure_messages: choose(1, 1, 5),
        backpressure_timeout_ms: script.pick(&[100, 0, 1_000]),
        inflight: script.pick(&[8, 1, 2]),
        receive_maximum: script.pick(&[8, 1, 2]),
        subscriptions: choose(4, 2, 30),
        subscription_bytes: choose(4, 12, 1_000),
        topic_levels: choose(5, 3, 8),
        exchanges: script.pick(&[10, 1]),
        authentication_bytes: 20,
        sessions: choose(6, 3, 50),
        retained_messages: choose(7, 1, 50),
        retained_bytes: choose(7, 30, 20_000),
        shapes: choose(5, 1, 8),
        retained_expiry_s: script.pick(&[0, 0, 2]),
        topic_alias_bytes: choose(4, 5, 1_000),
        reference_bytes: choose(0, 16, 4_096),
        bans: choose(6, 2, 50),
        flapping_clients: choose(6, 1, 50),
        device_frame_bytes: choose(5, 300, 4_000),
        ..Limits::default()
    }
}
