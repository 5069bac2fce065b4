//! The configuration as a whole: the example file, who overrides whom, which listeners are opened, forms at their edges.

use super::*;
use proptest::prelude::*;

const CPUS: [usize; 2] = [0, 1];

fn file(text: &str) -> Source {
    Source {
        origin: "test.toml".to_owned(),
        text: text.to_owned(),
        lists_listeners: true,
        folder: None,
    }
}

fn set(key: &str, value: &str) -> Source {
    Source::setting("--set".to_owned(), key, value)
}

fn environment(rows: &[(&str, &str)]) -> Vec<Source> {
    let rows = rows
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Source::environment(rows)
}

fn good(sources: &[Source]) -> Config {
    load(sources, &CPUS).unwrap_or_else(|mistakes| panic!("{}", mistakes.render(sources, false)))
}

/// Titles of all mistakes.
fn bad(sources: &[Source]) -> Vec<String> {
    let mistakes = load(sources, &CPUS).expect_err("there is a mistake");
    mistakes
        .list
        .into_iter()
        .map(|mistake| mistake.wrong.title)
        .collect()
}

fn names(config: &Config) -> Vec<&str> {
    config.enabled().map(|(name, _)| name.as_str()).collect()
}

fn bind(config: &Config, name: &str) -> String {
    config.listeners[name].socket.bind.address.to_string()
}

#[test]
fn the_example_file_is_what_the_schema_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ringwire.example.toml");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == example(),
        "write it again: cargo run -- example > ringwire.example.toml"
    );
}

#[test]
fn every_key_of_the_example_is_taken_and_its_value_is_the_default() {
    let is_key =
        |line: &&str| line.starts_with('#') && line.as_bytes().get(1).is_some_and(u8::is_ascii_lowercase);
    let text = example();
    let keys = text.lines().filter(is_key).count();
    assert!(keys > 60, "only {keys} keys");
    let uncommented: Vec<_> = text
        .lines()
        .map(|line| if is_key(&line) { &line[1..] } else { line })
        .collect();
    let defaults = format!("{:?}", good(&[]));
    assert_eq!(format!("{:?}", good(&[file(&uncommented.join("\n"))])), defaults);
    assert_eq!(format!("{:?}", good(&[file(&text)])), defaults);
}

/// Fields of a struct, which only its Debug text names at run time, without their units.
fn fields(debug: &str) -> Vec<String> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let own = debug.lines().filter(|line| depth(line) == 4);
    let names = own.filter_map(|line| Some(line.trim().split_once(": ")?.0.to_owned()));
    let bare = |name: String| {
        let units = ["_ms", "_us", "_s"]
            .iter()
            .find_map(|unit| name.strip_suffix(unit));
        units.unwrap_or(&name).to_owned()
    };
    names.map(bare).collect()
}

#[test]
fn every_setting_of_engine_and_shard_is_a_key() {
    let structs: [(&dyn section::Section, String); 5] = [
        (&Limits::default(), format!("{:#?}", Limits::default())),
        (&Mqtt::default(), format!("{:#?}", Mqtt::default())),
        (&EmqTcp::default(), format!("{:#?}", EmqTcp::default())),
        (&Device::default(), format!("{:#?}", Device::default())),
        (&Core::default(), format!("{:#?}", Core::default())),
    ];
    // `adapter` is what the type of a listener says, `cpu` is `node.cores`; the preempt timer is a knob for tests.
    let not_keys = ["adapter", "cpu", "preempt_timer_ns"];
    for (section, debug) in structs {
        let keys = section.keys();
        for field in fields(&debug)
            .iter()
            .filter(|field| !not_keys.contains(&field.as_str()))
        {
            assert!(keys.iter().any(|key| key.name == *field), "{field} has no key");
        }
        assert!(fields(&debug).len() >= keys.len(), "{debug}");
    }
}

#[test]
fn later_sources_win_file_environment_set_flags() {
    let mut sources = vec![file(
        "[node]\nname = 'file'\nshards = 1\nshutdown_timeout = '1s'\n[log]\nlevel = 'warn'",
    )];
    sources.extend(environment(&[
        ("RINGWIRE_NODE__NAME", "environment"),
        ("RINGWIRE_NODE__SHUTDOWN_TIMEOUT", "2s"),
        ("RINGWIRE_NODE__SHARDS", "2"),
        ("RINGWIRE_LOG", "error"),
        ("RINGWIRE_PORT", "tcp://10.0.0.1:1883"),
        ("HOME", "/"),
    ]));
    sources.push(set("node.shutdown_timeout", "3s"));
    sources.push(set("node.shards", "3"));
    sources.push(Source::text("--shards".to_owned(), "node.cores", "1"));
    sources.push(Source::setting("--shards".to_owned(), "node.shards", "4"));
    let config = good(&sources);
    assert_eq!(
        (config.node.name.as_str(), config.log.level.as_str()),
        ("environment", "error")
    );
    assert_eq!(
        (config.node.shutdown_timeout_ms, config.node.shards),
        (3_000, Some(4))
    );
    assert_eq!(config.shard_cpus(&CPUS), [1, 1, 1, 1]);
}

#[test]
fn without_a_file_both_default_listeners_are_opened_and_set_adjusts_them() {
    let config = good(&[set("listener.mqtt.bind", "127.0.0.1:0")]);
    assert_eq!(names(&config), ["emqtcp", "mqtt"]);
    assert_eq!(
        (bind(&config, "mqtt"), bind(&config, "emqtcp")),
        ("127.0.0.1:0".into(), "127.0.0.1:8090".into())
    );
    let config = good(&[set("listener.emqtcp.enabled", "false")]);
    assert_eq!(names(&config), ["mqtt"]);
}

#[test]
fn a_file_that_names_listeners_or_listen_opens_only_those() {
    let only = file("[listener.plain]\ntype = 'mqtt'\nbind = '[::1]:7000'");
    assert_eq!(names(&good(&[only])), ["plain"]);
    assert_eq!(
        names(&good(&[file("[limits]\ninflight = 9")])),
        ["emqtcp", "mqtt"]
    );
    let mut listen = file("listener.mqtt = { type = 'mqtt', bind = '127.0.0.1:5' }");
    listen.origin = "--listen".to_owned();
    let config = good(&[set("listener.mqtt.nodelay", "false"), listen]);
    assert_eq!(
        (names(&config), bind(&config, "mqtt")),
        (vec!["mqtt"], "127.0.0.1:5".to_owned())
    );
    assert!(!config.listeners["mqtt"].socket.bind.nodelay);
}

#[test]
fn the_type_of_a_listener_may_come_from_a_later_source() {
    let sources = [
        set("listener.devices.up_qos", "1"),
        set("listener.devices.type", "emqtcp"),
        set("listener.emqtcp.enabled", "false"),
    ];
    let config = good(&sources);
    let Spoken::EmqTcp(_, private) = &config.listeners["devices"].spoken else {
        panic!("not private");
    };
    assert_eq!(private.up_qos, ringwire_codec::mqtt::QoS::AtLeastOnce);
}

#[test]
fn a_core_of_its_own_starts_from_the_shard_table_wherever_that_stands() {
    let sources = [
        set("shard.core.1.spin", "20us"),
        file("[shard]\nbuffers = 64\nmesh_batches = 9"),
    ];
    let settings = good(&sources).settings(&CPUS, [1, 2], 3);
    let shown: Vec<_> = settings
        .cores
        .iter()
        .map(|core| (core.cpu, core.buffers, core.spin_us))
        .collect();
    assert_eq!(shown, [(Some(0), 64, 0), (Some(1), 64, 20)]);
    assert_eq!((settings.mesh_batches, settings.engine.shards), (9, 2));
    assert_eq!((settings.engine.placement_key, settings.engine.seed), ([1, 2], 3));
    let listeners: Vec<_> = settings
        .engine
        .listeners
        .iter()
        .map(|listener| listener.name.as_str())
        .collect();
    assert_eq!((listeners, settings.binds.len()), (vec!["emqtcp", "mqtt"], 2));
}

#[test]
fn sizes_and_durations_are_read_with_their_units() {
    for (value, bytes) in [
        ("4096", 4_096),
        ("64KB", 65_536),
        ("1MB", 1 << 20),
        ("2MiB", 2 << 20),
        ("0x1000", 4_096),
    ] {
        assert_eq!(
            good(&[set("limits.outbox_bytes", value)]).limits.outbox_bytes,
            bytes,
            "{value}"
        );
    }
    for (value, ms) in [
        ("500ms", 500),
        ("15s", 15_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("0", 0),
        ("1000us", 1),
    ] {
        assert_eq!(
            good(&[set("node.shutdown_timeout", value)])
                .node
                .shutdown_timeout_ms,
            ms,
            "{value}"
        );
    }
    for (key, value) in [
        ("limits.outbox_bytes", "4095"),
        ("limits.outbox_bytes", "-1"),
        ("limits.outbox_bytes", "1TB"),
        ("limits.outbox_bytes", "99999999999999999999GB"),
        ("node.shutdown_timeout", "15"),
        ("node.shutdown_timeout", "1.5s"),
        ("node.shutdown_timeout", "1us"),
        ("node.shutdown_timeout", "2h"),
        ("shard.sq_entries", "1000"),
    ] {
        assert_eq!(
            bad(&[set(key, value)]),
            [format!("wrong value for {key}")],
            "{value}"
        );
    }
}

#[test]
fn users_and_rules_are_read_whole() {
    let config = good(&[file(
        "[access]\nallow_anonymous = false\nusers = [{ username = 'ann', password = 'x' }]\n\
         [[access.rules]]\nallow = true\nusername = 'ann'\noperation = 'publish'\ntopics = ['a/%c/#']\n\
         [[access.rules]]\ntopics = ['#']",
    )]);
    let [first, second] = config.admission.access.rules.as_slice() else {
        panic!("two rules");
    };
    assert_eq!(
        (first.allow, first.username.as_deref(), first.client_id.as_deref()),
        (true, Some("ann"), None)
    );
    assert_eq!((second.allow, &second.username), (false, &None));
    assert_eq!(
        (
            config.admission.access.users[0].password.as_str(),
            config.admission.access.allow_anonymous
        ),
        ("x", false)
    );
}

#[test]
fn addresses_that_are_used_twice_are_found_also_behind_a_wildcard() {
    let twice = |one: &str, other: &str| {
        let text = format!("[listener.mqtt]\nbind = '{one}'\n[listener.emqtcp]\nbind = '{other}'");
        load(&[file(&text)], &CPUS).is_err()
    };
    assert!(twice("127.0.0.1:5", "127.0.0.1:5") && twice("0.0.0.0:5", "127.0.0.1:5"));
    assert!(twice("[::]:5", "127.0.0.1:5") && twice("0.0.0.0:5", "[::]:5"));
    assert!(
        !twice("127.0.0.1:0", "127.0.0.1:0")
            && !twice("0.0.0.0:5", "[::1]:5")
            && !twice("127.0.0.1:5", "127.0.0.2:5")
    );
    assert!(
        twice("127.0.0.1:18083", "127.0.0.1:5"),
        "the admin endpoint listens there"
    );
}

#[test]
fn a_wrong_key_does_not_make_others_wrong() {
    assert_eq!(
        bad(&[file("[shard]\nsq_entries = 'many'\ncq_entries = 32")]),
        ["wrong value for shard.sq_entries"]
    );
    let text = "[listener.mqtt]\nbind = 'here'\n[listener.emqtcp]\nbind = '127.0.0.1:1883'";
    assert_eq!(bad(&[file(text)]), ["wrong value for listener.mqtt.bind"]);
    let text = "[node]\nname = \nshards = 0\n";
    assert_eq!(
        bad(&[file(text)]),
        ["this is not TOML", "wrong value for node.shards"]
    );
}

#[test]
fn a_configuration_that_listens_nowhere_is_a_mistake() {
    let off = [
        set("listener.mqtt.enabled", "false"),
        set("listener.emqtcp.enabled", "false"),
    ];
    assert_eq!(bad(&off), ["no listener is enabled"]);
}

/// Pieces of the example in any order, with slips in between: closer to what people write than arbitrary text.
fn slipped() -> impl Strategy<Value = String> {
    let lines: Vec<_> = example()
        .lines()
        .map(|line| line.trim_start_matches('#').to_owned())
        .collect();
    let slip = prop_oneof![
        "[\\[\\]{}='\",.#]{1,3}",
        "\\PC{0,4}",
        "[-0-9a-z_.]{1,9}",
        Just("\n".to_owned())
    ];
    let piece = (
        proptest::sample::select(lines),
        slip,
        any::<proptest::sample::Index>(),
    )
        .prop_map(|(line, slip, at)| {
            let at = line.floor_char_boundary(at.index(line.len() + 1));
            format!("{}{slip}{}\n", &line[..at], &line[at..])
        });
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn no_password_is_shown_with_a_mistake() {
    let texts = [
        "[access]\nusers = [{ username = 'a', password = 'hunter2', colour = 1 }]\n",
        "[access]\nusers = [{ username = \"a\", pasword = \"hunter2\" }]\n",
        "[access]\nusers = [{ username = \"a\", password = \"hunter2\" }\n",
        "[access]\nusers = [{ username = \"a\", \"password\"=\"hunter2 }]\n",
        "[[access.users]]\npassword = 'hunter2' oops\n",
        "password = \"hunter2\"\n",
    ];
    for text in texts {
        let sources = [file(text)];
        let mistakes = load(&sources, &CPUS).expect_err("there is a mistake");
        let shown = mistakes.render(&sources, false);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_loading_or_rendering_panic(text in prop_oneof![slipped(), "\\PC{0,80}"]) {
        let sources = [file(&text), set("listener.x.bind", &text), Source::text("--x".to_owned(), &text, &text)];
        for one in &sources {
            let again = Source { origin: one.origin.clone(), ..file(&one.text) };
            if let Err(mistakes) = load(std::slice::from_ref(&again), &CPUS) {
                prop_assert!(mistakes.render(std::slice::from_ref(&again), true).contains("ringwire: error: "));
            }
        }
        if let Err(mistakes) = load(&sources, &CPUS) {
            prop_assert!(!mistakes.render(&sources, false).is_empty());
        }
    }
}

#[test]
fn keys_of_jt808_are_its_own() {
    let listener = "[listener.trucks]\ntype = 'adapter'\nadapter = 'trucks'\n";
    let config = good(&[file(&format!(
        "[adapter.trucks]\nbuiltin = 'jt808'\nwindow = 3\nstring_encoding = 'utf8'\nkeepalive = '90s'\n{listener}"
    ))]);
    let known = config.adapters["trucks"].known.clone().expect("it is built in");
    let settings = format!("{:?}", known.blueprint);
    for part in ["window: 3", "text: Utf8", "keepalive_s: 90", "register: true"] {
        assert!(settings.contains(part), "{part}: {settings}");
    }
    let mistakes = bad(&[file(&format!(
        "[adapter.trucks]\nbuiltin = 'gt06'\nwindow = 3\n{listener}"
    ))]);
    assert!(
        mistakes[0].contains("`window` is no key of adapter"),
        "{mistakes:?}"
    );
    let long = "c".repeat(256);
    let mistakes = bad(&[file(&format!(
        "[adapter.trucks]\nbuiltin = 'jt808'\nauth_code = '{long}'\n{listener}"
    ))]);
    assert!(mistakes[0].contains("adapter.trucks.auth_code"), "{mistakes:?}");
}
