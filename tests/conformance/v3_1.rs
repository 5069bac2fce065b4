//! What is particular to MQTT 3.1: the name MQIsdp, level 3, its return codes, longer client ids, flags that were not yet
//! reserved. Its specification has no numbered statements.

use crate::bystanders::Bystanders;
use crate::client::Client;
use crate::hostile::{Answer, Hostile, refused};
use crate::notation::long;
use crate::server::Server;
use crate::v5_acks::DENIED;

/// CONNECT of 3.1.
fn connect(id: &str, flags: u8, rest: &str) -> String {
    format!("10 <'MQIsdp' 03 {flags:02X} 0000 '{id}' {rest}>")
}

/// A client of 3.1 with Clean Session.
#[track_caller]
fn client(server: &Server, id: &str) -> Client {
    let mut client = server.send(&connect(id, 0x02, ""));
    client.expect("20 <00 00>");
    client
}

#[test]
fn v3_1_a_client_of_3_1_is_served_as_one_of_3_1_1() {
    let server = Server::shared();
    let mut client = client(&server, "31-all");
    client.exchange("82 <0001 '31-all' 02>", "90 <0001 02>");
    client.send("34 <'31-all' 0002 `x`>");
    client.expect("34 <'31-all' 0001 `x`> 50 <0002>");
    client.exchange("62 <0002> 50 <0001>", "70 <0002> 62 <0001>");
    client.send("70 <0001>");
    client.exchange("A2 <0003 '31-all'>", "B0 <0003>");
    client.exchange("C0 00", "D0 00");
    client.send("E0 00");
    client.expect_end("");
}

#[test]
fn v3_1_the_connack_has_no_session_present() {
    let server = Server::shared();
    for _ in 0..2 {
        // Byte 1 of the variable header is reserved in 3.1 and not used.
        let mut client = server.send(&connect("31-kept", 0x00, ""));
        client.expect("20 <00 00>");
        client.send("E0 00");
        client.expect_end("");
    }
    // The session was there all the same.
    server
        .send("10 <'MQTT' 04 00 0000 '31-kept'>")
        .expect("20 <01 00>");
    client(&server, "31-kept");
}

#[test]
fn v3_1_client_ids_may_be_longer_than_23_bytes() {
    let server = Server::shared();
    for size in [1, 23, 24, 200, 1_024] {
        client(&server, &long(size)).expect_alive();
    }
}

#[test]
fn v3_1_return_codes_say_why_a_client_is_refused() {
    let users = r#"access.users=[{ username = "ann", password = "pencil" }]"#;
    let settings = [
        users,
        "access.allow_anonymous=false",
        "listener.mqtt.max_clientid_len=30",
    ];
    let connect_as = |rest: &str, flags: u8| connect("31-user", flags, rest);
    let cases = [
        Hostile::first(
            "an empty id",
            &connect("", 0xC2, "'ann' 'pencil'"),
            Answer::Return(2),
        ),
        Hostile::first(
            "a long id",
            &connect(&long(31), 0xC2, "'ann' 'pencil'"),
            Answer::Return(2),
        ),
        Hostile::first(
            "a wrong password",
            &connect_as("'ann' 'crayon'", 0xC2),
            Answer::Return(4),
        ),
        Hostile::first(
            "an unknown user",
            &connect_as("'bob' 'pencil'", 0xC2),
            Answer::Return(4),
        ),
        Hostile::first("nobody", &connect_as("", 0x02), Answer::Return(5)),
        Hostile::first("level 2", "10 <'MQIsdp' 02 02 0000 'a'>", Answer::Return(1)),
        Hostile::first("level 4", "10 <'MQIsdp' 04 02 0000 'a'>", Answer::Return(1)),
    ];
    let server = Server::with(&settings);
    let mut client = server.send(&connect_as("'ann' 'pencil'", 0xC2));
    client.expect("20 <00 00>");
    for case in cases {
        case.on(server.broker().mqtt());
    }
    client.expect_alive();
}

#[test]
fn v3_1_flags_that_are_not_used_are_not_looked_at() {
    let server = Server::shared();
    // DUP of a SUBSCRIBE, an UNSUBSCRIBE and a PUBREL that are sent again (sections 2.1, 3.6, 3.8, 3.10).
    let mut client = client(&server, "31-flags");
    client.exchange("82 <0001 '31-flags' 01>", "90 <0001 01>");
    client.exchange("8A <0001 '31-flags' 01>", "90 <0001 01>");
    client.send("34 <'31-flags' 0002>");
    client.expect("32 <'31-flags' 0001> 50 <0002>");
    client.exchange("62 <0002>", "70 <0002>");
    client.exchange("6A <0002>", "70 <0002>");
    client.exchange("A2 <0003 '31-flags'>", "B0 <0003>");
    client.exchange("AA <0003 '31-flags'>", "B0 <0003>");
    // The reserved bit of the Connect Flags, and Will QoS and Will Retain without a Will.
    for flags in [0x03, 0x0A, 0x22] {
        server.send(&connect("31-flags", flags, "")).expect("20 <00 00>");
    }
    // User Name and Password that are announced and missing: the length of the packet decides.
    server.send(&connect("31-flags", 0xC2, "")).expect("20 <00 00>");
    server
        .send(&connect("31-flags", 0xC2, "'ann'"))
        .expect("20 <00 00>");
}

/// 0x80 is of 3.1.1: in 3.1 a server that does not allow a subscription has no way to say so (section 3.8).
#[test]
fn v3_1_a_subscription_that_is_refused_is_acknowledged_and_gets_nothing() {
    let server = Server::with(&[DENIED]);
    let mut client = client(&server, "31-denied");
    client.exchange("82 <0001 'denied/a' 01 '31-denied' 01>", "90 <0001 00 01>");
    let mut publisher = server.v3("31-denied-p");
    publisher.exchange("32 <'31-denied' 0001 `x`>", "40 <0001>");
    client.expect("32 <'31-denied' 0001 `x`>");
    client.exchange("A2 <0002 'denied/a'>", "B0 <0002>");
}

#[test]
fn v3_1_what_cannot_be_read_is_closed() {
    let greeting = "10 <'MQIsdp' 03 02 0000 '31-hostile-N'>";
    let cases: Vec<_> = [
        "36 <'a' 0001>",
        "30 <'a/+' `x`>",
        "82 <0001>",
        "82 <0001 'a#' 00>",
        "32 <'a' 0000>",
        "40 <0001 00>",
        "C1 00",
        "F0 00",
        "20 <00 00>",
        "30 FFFFFFFF01",
        "10 <'MQIsdp' 03 02 0000 'again'>",
    ]
    .into_iter()
    .enumerate()
    .map(|(number, text)| {
        let greeting = greeting.replace('N', &number.to_string());
        Hostile::first(text, &format!("{greeting} {text}"), Answer::Close)
    })
    .collect();
    refused(&mut Bystanders::with(&[]), &cases);
}
