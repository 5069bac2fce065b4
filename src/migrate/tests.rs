//! Values in EMQX's spelling, lines that are none, and what keeps a listener closed. Whole files are in `tests/migrate.rs`.

use super::*;
use std::net::SocketAddr;

fn done(text: &str) -> Migrated {
    migrate(Path::new("t.conf"), text, false).unwrap()
}

fn wrong(text: &str) -> String {
    migrate(Path::new("t.conf"), text, false).unwrap_err()
}

const LISTENER: &str = "tcp.listener.external = 8090\n";

#[test]
fn durations_are_read_as_emqx_spells_them() {
    for (text, milliseconds) in [
        ("15s", 15_000),
        ("1m30s", 90_000),
        ("500ms", 500),
        ("1.5s", 1_500),
        ("2h", 7_200_000),
        ("1d1h", 90_000_000),
        ("0s", 0),
    ] {
        assert_eq!(values::duration(text), Ok(milliseconds), "{text}");
    }
    for text in [
        "",
        "15",
        "s",
        "15x",
        "1s2",
        "-1s",
        "1..5s",
        "99999999999999999999s",
        "15 s",
    ] {
        assert!(values::duration(text).is_err(), "{text}");
    }
    assert_eq!(values::written_duration(15_000), "\"15s\"");
    assert_eq!(values::written_duration(1_500), "\"1500ms\"");
}

#[test]
fn sizes_are_read_as_emqx_spells_them() {
    for (text, bytes) in [
        ("65535", 65_535),
        ("64KB", 65_536),
        ("64kb", 65_536),
        ("1MB", 1 << 20),
        ("1M", 1 << 20),
        ("2GB", 2 << 30),
        ("0", 0),
    ] {
        assert_eq!(values::size(text), Ok(bytes), "{text}");
    }
    for text in ["", "KB", "64XB", "64 KB", "-1", "99999999999999999999GB"] {
        assert!(values::size(text).is_err(), "{text}");
    }
}

#[test]
fn a_port_alone_is_on_every_address() {
    for (text, address) in [
        ("8090", "0.0.0.0:8090"),
        ("127.0.0.1:8090", "127.0.0.1:8090"),
        ("[::1]:8090", "[::1]:8090"),
        ("::1:8090", "[::1]:8090"),
        (":::8090", "[::]:8090"),
    ] {
        assert_eq!(
            values::address(text),
            Ok(address.parse::<SocketAddr>().unwrap()),
            "{text}"
        );
    }
    for text in [
        "",
        "localhost:8090",
        "0.0.0.0",
        "0.0.0.0:",
        "0.0.0.0:99999",
        "70000",
    ] {
        assert!(values::address(text).is_err(), "{text}");
    }
}

#[test]
fn a_deny_that_can_be_reached_keeps_a_listener_closed() {
    let rows: [(&[&str], bool); 7] = [
        (&["1 = allow all"], true),
        (&["1 = allow 10.0.0.0/8"], true),
        (&["1 = allow all", "2 = deny 10.0.0.0/8"], true),
        (&["2 = allow all", "1 = deny 10.0.0.1"], false),
        (&["1 = allow 10.0.0.0/8", "2 = deny all"], false),
        (&["1 = deny all", "2 = allow all"], false),
        (&["10 = deny ::1", "9 = allow all"], true),
    ];
    for (rules, open) in rows {
        let text = rules.iter().fold(LISTENER.to_owned(), |text, rule| {
            text + &format!("tcp.listener.external.access.{rule}\n")
        });
        let migrated = done(&text);
        assert_eq!(
            migrated.toml.contains("enabled = false"),
            !open,
            "{}",
            migrated.toml
        );
        assert_eq!(migrated.has_work, !open);
        assert_eq!(
            migrated
                .notes
                .lines()
                .filter(|line| line.contains("access."))
                .count(),
            rules.len()
        );
    }
    // One that cannot be reached needs nobody.
    let rules = "tcp.listener.external.access.1 = deny all\ntcp.listener.external.access.2 = allow all\n";
    let migrated = done(&format!("{LISTENER}{rules}"));
    let note = "nothing to do: t.conf:3: tcp.listener.external.access.2 = allow all: a rule before it";
    assert!(migrated.notes.contains(note), "{}", migrated.notes);
    for rule in ["allow everybody", "allow all of them", "allow", "permit all"] {
        let report = wrong(&format!("{LISTENER}tcp.listener.external.access.1 = {rule}"));
        assert!(report.contains("t.conf:2:34"), "{report}");
    }
}

#[test]
fn what_is_always_so_here_is_named_where_it_was_not_there() {
    for key in [
        "tcp.proto.enable_stats",
        "tcp.listener.external.send_timeout_close",
        "tcp.listener.external.reuseaddr",
    ] {
        let migrated = done(&format!("{LISTENER}{key} = off\n"));
        let note = format!("nothing to do: t.conf:2: {key} = off: ");
        assert!(migrated.notes.contains(&note), "{}", migrated.notes);
        assert_eq!(done(&format!("{LISTENER}{key} = on\n")).notes, "");
        assert!(wrong(&format!("{LISTENER}{key} = sometimes\n")).contains("t.conf:2:"));
    }
}

#[test]
fn a_comment_goes_with_the_key_below_it_and_not_over_a_blank_line() {
    let migrated = done(&format!(
        "# of the file\n\n# of the bell \u{7}\n## its own\n{LISTENER}"
    ));
    assert!(
        migrated.toml.contains("\n# of the bell  \nbind = ")
            || migrated.toml.contains("# of the bell\nbind = "),
        "{}",
        migrated.toml
    );
    assert!(!migrated.toml.contains("of the file"), "{}", migrated.toml);
}

#[test]
fn tls_and_the_proxy_protocol_keep_a_listener_closed() {
    for text in [
        "tcp.listener.ssl.external = 8091",
        "tcp.listener.external = 8090\ntcp.listener.external.proxy_protocol = on",
    ] {
        let migrated = done(text);
        assert!(
            migrated.toml.contains("enabled = false") && migrated.has_work,
            "{}",
            migrated.toml
        );
        assert!(migrated.notes.contains("is not enabled"), "{}", migrated.notes);
    }
    let migrated = done("tcp.listener.external = 8090\ntcp.listener.external.proxy_protocol = off");
    assert!(
        !migrated.toml.contains("enabled") && !migrated.has_work,
        "{}",
        migrated.toml
    );
}

#[test]
fn a_value_that_is_not_allowed_here_is_named_and_the_default_holds() {
    for (line, what) in [
        ("tcp.proto.idle_timeout = 2h", "idle_timeout = 2h"),
        ("tcp.proto.up_topic = a/+", "no `+` or `#`"),
        ("tcp.listener.external.backlog = 100000", "1 to 65535"),
    ] {
        let migrated = done(&format!("{LISTENER}{line}\n"));
        assert!(
            migrated.has_work && migrated.notes.contains(what),
            "{}",
            migrated.notes
        );
        assert!(migrated.notes.contains("t.conf:2:"), "{}", migrated.notes);
    }
}

#[test]
fn the_last_of_two_lines_counts() {
    let migrated = done(&format!(
        "{LISTENER}tcp.proto.up_topic = one\ntcp.proto.up_topic = two\n"
    ));
    assert!(migrated.toml.contains("up_topic = \"two\"") && !migrated.toml.contains("\"one\""));
    assert!(
        migrated
            .notes
            .contains("t.conf:2: tcp.proto.up_topic = one: line 3 sets it again")
    );
}

#[test]
fn values_in_quotes_are_those_of_emqx_4_3_and_later() {
    let migrated = done(
        "\u{feff}tcp.listener.external = \"127.0.0.1:8090\"\n\
         tcp.listener.external.access.1 = \"deny 10.0.0.0/8\"\n\
         tcp.proto.up_topic=\"a # b/%c\"# the plant\n\
         // nobody listens\n\
         tcp.proto.dn_topic = \"\" # yet\n\
         tcp.proto.max_packet_size = \"4KB\"\n",
    );
    for line in [
        "bind = \"127.0.0.1:8090\"\n",
        "enabled = false\n",
        "# nobody listens\n# yet\ndn_topic = \"\"\n",
        "max_packet_size = 4096\n",
    ] {
        assert!(migrated.toml.contains(line), "{line}: {}", migrated.toml);
    }
    // The topic is what is wrong, and not how it was read.
    let note = "t.conf:3: tcp.proto.up_topic = a # b/%c: devices publish to it, so it has no `+` or `#`";
    assert!(migrated.notes.contains(note), "{}", migrated.notes);
    assert!(!migrated.notes.contains("taken with"), "{}", migrated.notes);
    for (value, label) in [
        ("\"a/%c", "no closing quote"),
        ("\"a/%c\"/up", "behind the closing quote"),
        ("\"\"\"a/%c\"\"\"", "behind the closing quote"),
        ("\"a\\tb\"", "without `\\`"),
    ] {
        let report = wrong(&format!("{LISTENER}tcp.proto.up_topic = {value}\n"));
        assert!(
            report.contains(label) && report.contains("t.conf:2:22"),
            "{report}"
        );
    }
}

#[test]
fn a_hash_begins_a_comment_behind_a_blank_and_is_a_part_of_the_value_otherwise() {
    let migrated = done(&format!("{LISTENER}tcp.proto.dn_topic = a/%c # one\n"));
    assert!(
        migrated.toml.contains("# one\ndn_topic = \"a/%c\"\n") && !migrated.has_work,
        "{}",
        migrated.toml
    );
    // EMQX up to 4.2 listens to all of it, and 4.3 to `a/`.
    let migrated = done(&format!("{LISTENER}tcp.proto.dn_topic = a/#\n"));
    assert!(
        migrated.toml.contains("dn_topic = \"a/#\"\n"),
        "{}",
        migrated.toml
    );
    assert!(
        migrated
            .notes
            .contains("t.conf:2: tcp.proto.dn_topic = a/#: taken with its `#`")
            && migrated.has_work,
        "{}",
        migrated.notes
    );
}

#[test]
fn options_without_their_listener_and_addresses_used_twice_are_told() {
    let migrated = done(&format!(
        "{LISTENER}tcp.listener.spare.backlog = 5\ntcp.listener.ssl.a.depth = 1"
    ));
    assert!(
        migrated.notes.contains("tcp.listener.spare = ADDRESS is missing"),
        "{}",
        migrated.notes
    );
    assert!(
        migrated.notes.contains("tcp.listener.ssl.a = ADDRESS is missing"),
        "{}",
        migrated.notes
    );
    let report = wrong("tcp.listener.a = 8090\ntcp.listener.b = 8090");
    assert!(report.contains("address used twice"), "{report}");
    assert!(wrong("tcp.proto.up_topic = x").contains("no listener"));
}

#[test]
fn secrets_are_not_shown() {
    let migrated = done("tcp.listener.ssl.x = 8091\ntcp.listener.ssl.x.key_password = hunter2");
    assert!(
        migrated.notes.contains("key_password = ***"),
        "{}",
        migrated.notes
    );
    assert!(!migrated.notes.contains("hunter2") && !migrated.toml.contains("hunter2"));
    let report = wrong("tcp.listener.x.key_password = hunter2 \u{e4}\nnonsense");
    assert!(
        report.contains("t.conf:1:16") && report.contains("t.conf:2:1"),
        "{report}"
    );
    assert!(!report.contains("hunter2"), "{report}");
}

#[test]
fn a_listener_called_mqtt_or_oddly_keeps_apart() {
    let migrated = done(
        "tcp.listener.mqtt = 8090\ntcp.listener.ssl = 8091\ntcp.listener.7-a_b = 8092\n\
         tcp.listener.ssl.a = 8093\ntcp.listener.ssl-a = 8094\ntcp.listener.tcp-mqtt = 8095",
    );
    for name in [
        "[listener.ssl-a]\ntype = \"emqtcp\"\n# Not enabled",
        "[listener.tcp-ssl-a]",
        "[listener.tcp-tcp-mqtt]",
        "[listener.mqtt]",
        "[listener.tcp-mqtt]",
        "[listener.ssl]",
        "[listener.7-a_b]",
    ] {
        assert!(migrated.toml.contains(name), "{name}: {}", migrated.toml);
    }
}

#[test]
fn no_text_panics() {
    let pieces = [
        "tcp.proto.",
        "=",
        "#",
        "\n",
        "15s",
        "ä",
        "\0",
        "tcp.listener.ssl.",
        ".",
        " ",
        "access.1",
        "allow all",
        "\"",
        "\r\n",
    ];
    let mut state = 7_u64;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text += pieces[(state >> 33) as usize % pieces.len()];
        }
        let _ = migrate(Path::new("t.conf"), &text, false);
        let _ = migrate(Path::new("t.conf"), &format!("{LISTENER}{text}"), false);
    }
}
