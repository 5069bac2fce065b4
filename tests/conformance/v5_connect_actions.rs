//! MQTT 5.0 sections 3.1.2.4, 3.1.2.11.2 and 3.1.4: what a CONNECT does: sessions begun, resumed and ended, clients
//! taken over or turned away.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::server::{Server, connect_v5};
use std::thread::sleep;
use std::time::Duration;

/// Session Expiry Interval in CONNECT.
const A_MINUTE: &str = "<11 0000003C>";

/// Connects and returns whether the session was present.
#[track_caller]
fn connect(server: &Server, id: &str, flags: u8, properties: &str) -> (Client, bool) {
    let mut client = server.send(&connect_v5(id, flags, properties, ""));
    let connack = ConnAck::of(&client.expect_accepted());
    assert!(connack.flags <= 1, "the other flags are reserved");
    (client, connack.flags == 1)
}

/// Publishes at QoS 1 to a subscriber that may be away.
fn publish(server: &Server, topic: &str, payload: &str) {
    let mut publisher = server.v5(&format!("p-{topic}"));
    publisher.exchange(&format!("32 <'{topic}' 0001 <> `{payload}`>"), "40 <0001>");
}

/// Says DISCONNECT and waits for the end.
fn leave(mut client: Client) {
    client.send("E0 00");
    client.expect_end("");
}

#[test]
fn mqtt_3_1_2_4_clean_start_discards_the_session() {
    let server = Server::shared();
    let topic = "t-3.1.2-4";
    let (mut client, _) = connect(&server, "c-3.1.2-4", 0x02, A_MINUTE);
    client.subscribe_v5(topic, 1);
    leave(client);
    publish(&server, topic, "queued");
    let (mut client, present) = connect(&server, "c-3.1.2-4", 0x02, A_MINUTE);
    assert!(!present);
    // Neither the queued message nor the subscription: the first to come is sent for the new one.
    server
        .v5("c-3.1.2-4b")
        .exchange(&format!("30 <'{topic}' <> `lost`> C0 00"), "D0 00");
    client.subscribe_v5(topic, 1);
    publish(&server, topic, "new");
    client.expect(&format!("32 <'{topic}' 0001 <> `new`>"));
    leave(client);
    // It is gone for the time after, too.
    leave(connect(&server, "c-3.1.2-4", 0x02, "<>").0);
    assert!(!connect(&server, "c-3.1.2-4", 0x00, "<>").1);
}

#[test]
fn mqtt_3_1_2_5_without_clean_start_the_session_goes_on() {
    let server = Server::shared();
    let topic = "t-3.1.2-5";
    let (mut client, _) = connect(&server, "c-3.1.2-5", 0x02, A_MINUTE);
    client.subscribe_v5(topic, 1);
    publish(&server, topic, "one");
    client.exchange("", &format!("32 <'{topic}' 0001 <> `one`>"));
    client.send("40 <0001>");
    client.expect_alive();
    client.drop_connection();
    publish(&server, topic, "two");
    publish(&server, topic, "three");
    let (mut client, present) = connect(&server, "c-3.1.2-5", 0x00, A_MINUTE);
    assert!(present);
    client.expect(&format!(
        "32 <'{topic}' 0002 <> `two`> 32 <'{topic}' 0003 <> `three`>"
    ));
    publish(&server, topic, "four");
    client.expect(&format!("32 <'{topic}' 0004 <> `four`>"));
}

#[test]
fn mqtt_3_1_2_6_without_clean_start_and_without_a_session_one_is_made() {
    let server = Server::shared();
    let (mut client, present) = connect(&server, "c-3.1.2-6", 0x00, A_MINUTE);
    assert!(!present);
    client.subscribe_v5("t-3.1.2-6", 1);
    leave(client);
    publish(&server, "t-3.1.2-6", "x");
    let (mut client, present) = connect(&server, "c-3.1.2-6", 0x00, "<>");
    assert!(present);
    client.expect("32 <'t-3.1.2-6' 0001 <> `x`>");
}

#[test]
fn mqtt_3_1_2_23_a_session_is_kept_for_its_expiry_interval() {
    let server = Server::shared();
    // None, some seconds, a minute, for ever; kept on DISCONNECT and when the network fails.
    for (id, properties, kept) in [
        ("c-3.1.2-23-none", "<>", false),
        ("c-3.1.2-23-zero", "<11 00000000>", false),
        ("c-3.1.2-23-seconds", "<11 00000003>", true),
        ("c-3.1.2-23-minute", A_MINUTE, true),
        ("c-3.1.2-23-ever", "<11 FFFFFFFF>", true),
    ] {
        leave(connect(&server, id, 0x02, properties).0);
        let (client, present) = connect(&server, id, 0x00, properties);
        assert_eq!(present, kept, "{id} after DISCONNECT");
        client.drop_connection();
        let (client, present) = connect(&server, id, 0x00, properties);
        assert_eq!(present, kept, "{id} after a failure");
        leave(client);
    }
    sleep(Duration::from_millis(4_000));
    assert!(
        !connect(&server, "c-3.1.2-23-seconds", 0x00, "<>").1,
        "three seconds have passed"
    );
    assert!(connect(&server, "c-3.1.2-23-minute", 0x00, "<>").1);
    assert!(connect(&server, "c-3.1.2-23-ever", 0x00, "<>").1);
}

#[test]
fn mqtt_3_1_4_1_a_connect_in_another_format_ends_the_connection() {
    let server = Server::shared();
    // Whose version cannot be read cannot be told.
    for connect in ["10 <>", "10 <00>", "10 <'MQTT'>"] {
        server.send(connect).expect_end("");
    }
    let malformed = [
        // Cut short in each field, with bytes left over, a property that CONNECT or a Will cannot have.
        "10 <'MQTT' 05>",
        "10 <'MQTT' 05 02>",
        "10 <'MQTT' 05 02 00>",
        "10 <'MQTT' 05 02 0000>",
        "10 <'MQTT' 05 02 0000 <> 0003 `id`>",
        "10 <'MQTT' 05 02 0000 <> 'id' 00>",
        "10 <'MQTT' 05 02 0000 05 11 0000 'id'>",
        "10 <'MQTT' 05 02 0000 <01 00> 'id'>",
        "10 <'MQTT' 05 02 0000 <13 0001> 'id'>",
        "10 <'MQTT' 05 02 0000 <7F 00> 'id'>",
        "10 <'MQTT' 05 02 0000 <11 000000> 'id'>",
        "10 <'MQTT' 05 06 0000 <> 'id' <11 00000001> 't' ()>",
    ];
    for connect in malformed {
        server.send(connect).expect_refused(0x81);
    }
    let errors = [
        "<11 00000001 11 00000001>",
        "<21 0001 21 0001>",
        "<21 0000>",
        "<27 00000080 27 00000080>",
        "<27 00000000>",
        "<22 0001 22 0001>",
        "<19 00 19 00>",
        "<19 02>",
        "<17 01 17 01>",
        "<17 02>",
        "<16 (00)>",
    ];
    for properties in errors {
        server
            .send(&connect_v5("c-3.1.4-1", 0x02, properties, ""))
            .expect_refused(0x82);
    }
}

#[test]
fn mqtt_3_1_4_2_who_is_not_let_in_is_told_and_disconnected() {
    let users = "access.users=[{username=\"user\",password=\"secret\"}]";
    let server = Server::with(&[users, "access.allow_anonymous=false"]);
    server.v5_as("c-3.1.4-2", 0xC2, "<>", "'user' 'secret'");
    for (flags, rest, reason) in [
        (0xC2, "'user' 'wrong'", 0x86),
        (0xC2, "'other' 'secret'", 0x86),
        (0x82, "'user'", 0x86),
        (0x02, "", 0x87),
    ] {
        let mut client = server.send(&connect_v5("c-3.1.4-2", flags, "<>", rest));
        client.expect_refused(reason);
    }
}

#[test]
fn mqtt_3_1_4_3_a_client_that_connects_again_takes_over() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..3)
        .map(|_| connect(&server, "c-3.1.4-3", 0x02, "<>").0)
        .collect();
    clients[0].expect_disconnect(0x8E);
    clients[1].expect_disconnect(0x8E);
    clients[2].expect_alive();
}

#[test]
fn mqtt_3_1_4_3_a_client_that_is_turned_away_takes_nothing_over() {
    let users = "access.users=[{username=\"user\",password=\"secret\"}]";
    let server = Server::with(&[users]);
    let mut client = server.v5_as("c-3.1.4-3b", 0xC2, "<>", "'user' 'secret'");
    let mut impostor = server.send(&connect_v5("c-3.1.4-3b", 0xC2, "<>", "'user' 'guessed'"));
    impostor.expect_refused(0x86);
    client.expect_alive();
}

#[test]
fn mqtt_3_1_4_4_clean_start_holds_on_take_over_too() {
    let server = Server::shared();
    let topic = "t-3.1.4-4";
    let (mut first, _) = connect(&server, "c-3.1.4-4", 0x02, A_MINUTE);
    first.subscribe_v5(topic, 1);
    let (mut second, present) = connect(&server, "c-3.1.4-4", 0x00, A_MINUTE);
    assert!(present, "the session goes on");
    first.expect_disconnect(0x8E);
    publish(&server, topic, "x");
    second.expect(&format!("32 <'{topic}' 0001 <> `x`>"));
    let (mut third, present) = connect(&server, "c-3.1.4-4", 0x02, A_MINUTE);
    assert!(!present, "and here it begins again");
    second.expect_disconnect(0x8E);
    server
        .v5("c-3.1.4-4b")
        .exchange(&format!("30 <'{topic}' <> `lost`> C0 00"), "D0 00");
    third.expect_alive();
    assert!(connect(&server, "c-3.1.4-4", 0x00, "<>").1, "the new one is kept");
}

#[test]
fn mqtt_3_1_4_5_an_accepted_connect_is_acknowledged_with_success() {
    let server = Server::shared();
    let mut client = server.send(&connect_v5("c-3.1.4-5", 0x02, "<>", ""));
    let connack = ConnAck::of(&client.packet());
    assert_eq!((connack.flags, connack.reason), (0, 0));
    client.expect_alive();
}

#[test]
fn mqtt_3_1_4_6_nothing_behind_a_rejected_connect_is_processed() {
    let users = "access.users=[{username=\"user\",password=\"secret\"}]";
    let server = Server::with(&[users]);
    let topic = "t-3.1.4-6";
    let mut watcher = server.v5_as("c-3.1.4-6", 0xC2, "<>", "'user' 'secret'");
    watcher.subscribe_v5(topic, 1);
    let connect = connect_v5("c-3.1.4-6b", 0xC2, "<>", "'user' 'wrong'");
    let packets =
        format!("82 <0001 <> '{topic}' 01> 30 <'{topic}' <> `one`> 32 <'{topic}' 0001 <> `two`> C0 00");
    server.send(&format!("{connect} {packets}")).expect_refused(0x86);
    let sentinel = format!("30 <'{topic}' <> `three`>");
    watcher.exchange(&sentinel, &sentinel);
}

#[test]
fn mqtt_3_1_4_6_what_is_behind_an_accepted_connect_is_processed() {
    let server = Server::shared();
    let topic = "t-3.1.4-6b";
    let connect = connect_v5("c-3.1.4-6c", 0x02, "<>", "");
    let mut client = server.send(&format!(
        "{connect} 82 <0001 <> '{topic}' 01> 30 <'{topic}' <> `one`> C0 00"
    ));
    client.expect_accepted();
    client.expect(&format!("90 <0001 <> 01> 30 <'{topic}' <> `one`> D0 00"));
}
