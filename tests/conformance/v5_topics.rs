//! MQTT 5.0 section 4.7: topic names and topic filters.

use crate::notation::long;
use crate::server::Server;

/// Levels that look alike and are not: composed and decomposed, upper and lower case, empty levels, spaces, escapes, zero
/// width.
pub const LOOKALIKES: [&str; 16] = [
    "é",
    "e\u{301}",
    "É",
    "E",
    "e",
    "e/",
    "/e",
    "e//",
    "e ",
    " e",
    "%65",
    "e\u{200b}",
    "\u{feff}e",
    "ｅ",
    "\u{212b}",
    "Å",
];

#[test]
fn mqtt_4_7_0_1_a_topic_name_with_a_wildcard_is_refused() {
    let server = Server::shared();
    for topic in [
        "+",
        "#",
        "c-4.7.0-1/+",
        "c-4.7.0-1/#",
        "c-4.7.0-1/a+b",
        "a#/c-4.7.0-1",
        "+/c-4.7.0-1/a",
    ] {
        for packet in [
            format!("30 <'{topic}' <> `x`>"),
            format!("32 <'{topic}' 0001 <> `x`>"),
        ] {
            let mut client = server.v5("c-4.7.0-1");
            client.send(&packet);
            client.expect_disconnect(0x90);
        }
    }
}

/// Filter, names that match, names that do not. The section's own examples are among them.
const MATCHES: [(&str, &[&str], &[&str]); 14] = [
    (
        "sport/tennis/player1/#",
        &[
            "sport/tennis/player1",
            "sport/tennis/player1/ranking",
            "sport/tennis/player1/score/wimbledon",
        ],
        &["sport/tennis/player2", "sport/tennis", "sport/tennis/player10"],
    ),
    (
        "sport/#",
        &["sport", "sport/", "sport/a/b"],
        &["sports", "/sport", "spor"],
    ),
    ("#", &["a", "/", "/a", "a/b/c", "a//"], &["$a", "$a/b"]),
    (
        "sport/tennis/+",
        &["sport/tennis/player1", "sport/tennis/"],
        &["sport/tennis/player1/ranking", "sport/tennis"],
    ),
    ("sport/+", &["sport/", "sport/a"], &["sport", "sport/a/b"]),
    ("+", &["finance", "a"], &["/finance", "a/b", "/", "$a"]),
    (
        "+/+",
        &["/finance", "/", "a/b", "a/"],
        &["finance", "a/b/c", "$a/b"],
    ),
    ("/+", &["/finance", "/"], &["finance", "//"]),
    (
        "+/tennis/#",
        &["a/tennis", "/tennis/b/c"],
        &["tennis", "$a/tennis"],
    ),
    (
        "sport/+/player1",
        &["sport/tennis/player1", "sport//player1"],
        &["sport/player1", "sport/a/b/player1"],
    ),
    ("+/+/#", &["a/b", "a/b/c/d", "//"], &["a", "$a/b"]),
    ("$a/+", &["$a/b", "$a/"], &["$a", "a/b", "$a/b/c"]),
    ("$a/#", &["$a", "$a/b"], &["a", "$ab"]),
    ("/", &["/"], &["", "//", "a/"]),
];

#[test]
fn mqtt_4_7_1_1_the_multi_level_wildcard_stands_last_and_alone_in_its_level() {
    let server = Server::with(&["limits.subscriptions=4711"]);
    for filter in ["a#", "a/b#", "a/#/b", "#/a", "##", "a/##", "a/#b", "/#/", "#+"] {
        for packet in [
            format!("82 <0001 <> '{filter}' 00>"),
            format!("82 <0001 <> 'a' 00 '{filter}' 00>"),
        ] {
            let mut client = server.v5("c-4.7.1-1");
            client.send(&packet);
            client.expect_disconnect(0x8F);
        }
    }
    expect_matches(&server, "c-4.7.1-1", |filter| filter.ends_with('#'));
}

#[test]
fn mqtt_4_7_1_2_the_single_level_wildcard_stands_alone_in_its_level() {
    let server = Server::with(&["limits.subscriptions=4712"]);
    for filter in ["a+", "+a", "a/b+", "a/+b", "++", "a/++/b", "+a/b"] {
        let mut client = server.v5("c-4.7.1-2");
        client.send(&format!("82 <0001 <> '{filter}' 00>"));
        client.expect_disconnect(0x8F);
    }
    expect_matches(&server, "c-4.7.1-2", |filter| !filter.ends_with('#'));
}

/// Each of the filters gets what matches and nothing else, on a broker where nobody else publishes.
#[track_caller]
fn expect_matches(server: &Server, id: &str, which: fn(&str) -> bool) {
    let mut publisher = server.v5(&format!("{id}-p"));
    for (filter, matching, others) in MATCHES.iter().filter(|(filter, ..)| which(filter)) {
        let mut client = server.v5(id);
        client.exchange(
            &format!("82 <0001 <> '{filter}' 00 'sentinel' 00>"),
            "90 <0001 <> 00 00>",
        );
        for topic in others.iter().chain(*matching).filter(|topic| !topic.is_empty()) {
            publisher.send(&format!("30 <'{topic}' <> `{filter}`>"));
        }
        publisher.send("30 <'sentinel' <>>");
        for topic in *matching {
            client.expect(&format!("30 <'{topic}' <> `{filter}`>"));
        }
        client.expect("30 <'sentinel' <>>");
    }
}

#[test]
fn mqtt_4_7_2_1_a_leading_wildcard_does_not_match_a_leading_dollar() {
    let server = Server::with(&["limits.subscriptions=4721"]);
    let mut publisher = server.v5("c-4.7.2-1-p");
    // Retained ones neither.
    publisher.send("31 <'$c/kept' <> `x`> 31 <'c/a' <> `kept`>");
    publisher.expect_alive();
    for (filter, kept) in [
        ("#", "31 <'c/a' <> `kept`>"),
        ("+/a", "31 <'c/a' <> `kept`>"),
        ("+/#", "31 <'c/a' <> `kept`>"),
        ("+", ""),
    ] {
        let mut client = server.v5("c-4.7.2-1");
        client.send(&format!("82 <0001 <> '{filter}' 00>"));
        client.expect(&format!("90 <0001 <> 00> {kept}"));
        client.exchange("82 <0002 <> '$c/sentinel' 00>", "90 <0002 <> 00>");
        publisher.send("30 <'$c/a' <> `x`> 30 <'$c' <> `x`> 30 <'$' <> `x`> 30 <'$c/sentinel' <> `y`>");
        client.expect("30 <'$c/sentinel' <> `y`>");
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_7_3_1_names_and_filters_have_at_least_one_character() {
    let server = Server::shared();
    for (packet, code) in [
        ("82 <0001 <> '' 00>", 0x8F),
        ("A2 <0001 <> ''>", 0x8F),
        ("30 <'' <> `x`>", 0x82),
        ("82 <0001 <> '$share/g/' 00>", 0x8F),
    ] {
        let mut client = server.v5("c-4.7.3-1");
        client.send(packet);
        client.expect_disconnect(code);
    }
    // One is enough, even a slash or a space.
    let mut client = server.v5("c-4.7.3-1");
    client.exchange("82 <0001 <> '/' 00 ' ' 00>", "90 <0001 <> 00 00>");
    client.send("30 <'/' <> `c-4.7.3-1`> 30 <' ' <> `c-4.7.3-1`>");
    client.expect("30 <'/' <> `c-4.7.3-1`> 30 <' ' <> `c-4.7.3-1`>");
}

#[test]
fn mqtt_4_7_3_2_names_and_filters_hold_no_null_character() {
    let server = Server::shared();
    for packet in [
        "30 <(61 00 62) <> `x`>",
        "82 <0001 <> (61 00) 00>",
        "A2 <0001 <> (00)>",
        "82 <0001 <> (`$share/g/` 00) 00>",
    ] {
        let mut client = server.v5("c-4.7.3-2");
        client.send(packet);
        client.expect_disconnect(0x81);
    }
}

#[test]
fn mqtt_4_7_3_3_names_and_filters_have_up_to_65535_bytes() {
    let server = Server::shared();
    let mut client = server.v5("c-4.7.3-3");
    let topic = format!("c-4.7.3-3/{}", long(65_535 - 10));
    client.subscribe_v5(&topic, 0x00);
    client.send(&format!("30 <'{topic}' <> `x`>"));
    client.expect(&format!("30 <'{topic}' <> `x`>"));
    client.exchange(&format!("A2 <0002 <> '{topic}'>"), "B0 <0002 <> 00>");
}

#[test]
fn mqtt_4_7_3_4_names_and_filters_are_compared_as_they_are() {
    let server = Server::shared();
    let mut client = server.v5("c-4.7.3-4");
    for topic in LOOKALIKES {
        client.exchange(&format!("82 <0001 <> 'c-4.7.3-4/{topic}' 00>"), "90 <0001 <> 00>");
        let sent: String = LOOKALIKES
            .iter()
            .map(|one| format!("30 <'c-4.7.3-4/{one}' <> `{one}`>"))
            .collect();
        client.send(&sent);
        client.expect(&format!("30 <'c-4.7.3-4/{topic}' <> `{topic}`>"));
        client.expect_alive();
        client.exchange(&format!("A2 <0002 <> 'c-4.7.3-4/{topic}'>"), "B0 <0002 <> 00>");
    }
}
