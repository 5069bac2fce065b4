//! MQTT 5.0 sections 4.1, 4.2, 4.4, 4.5 and 4.13.2: how long a session is kept, what is sent again, and the transport.

use crate::client::Client;
use crate::notation::bytes;
use crate::server::{Server, connect_v5};
use crate::v5_acks::publish;
use std::thread;
use std::time::Duration;

/// CONNECT properties: the session outlives its connection by a minute.
pub const KEPT: &str = "<11 0000003C>";

/// The same client again, whose session must be there.
#[track_caller]
pub fn resume(server: &Server, id: &str) -> Client {
    let mut client = server.send(&connect_v5(id, 0x00, KEPT, ""));
    assert_eq!(client.expect_accepted()[2], 1, "Session Present");
    client
}

/// Says DISCONNECT and waits for the end, so that the server knows that the client is gone.
#[track_caller]
pub fn leave(mut client: Client) {
    client.send("E0 00");
    client.expect_end("");
}

#[test]
fn mqtt_4_1_0_1_the_session_is_kept_while_the_connection_is_open() {
    let server = Server::shared();
    let cases = [("1", "<>"), ("2", "<11 00000000>"), ("3", "<11 00000001>")];
    let mut clients = cases.map(|(number, expiry)| {
        let mut client = server.v5_as(&format!("c-4.1.0-1-{number}"), 0x02, expiry, "");
        client.subscribe_v5("c-4.1.0-1", 0x01);
        publish(&mut client, 0x34, "c-4.1.0-1/own", 7, "<> `x`");
        client
    });
    thread::sleep(Duration::from_millis(1_300));
    let mut publisher = server.v5("c-4.1.0-1-p");
    publisher.exchange("32 <'c-4.1.0-1' 0001 <> `x`>", "40 <0001>");
    for client in &mut clients {
        client.expect("32 <'c-4.1.0-1' 0001 <> `x`>");
        client.exchange("62 <0007>", "70 <0007>");
    }
}

#[test]
fn mqtt_4_1_0_2_the_session_ends_when_its_expiry_has_passed() {
    let server = Server::shared();
    // (Session Expiry Interval, of the DISCONNECT too, and whether the session is there after two seconds)
    let cases = [
        ("<>", "E0 00", 0),
        ("<11 00000000>", "E0 00", 0),
        ("<11 00000001>", "E0 00", 0),
        ("<11 0000003C>", "E0 <00 <11 00000001>>", 0),
        ("<11 0000003C>", "E0 <00 <11 00000000>>", 0),
        ("<11 00000001>", "E0 <00 <11 0000003C>>", 1),
        ("<11 0000003C>", "E0 00", 1),
        ("<11 FFFFFFFF>", "E0 00", 1),
    ];
    for (number, (expiry, disconnect, _)) in cases.iter().enumerate() {
        let mut client = server.v5_as(&format!("c-4.1.0-2-{number}"), 0x02, expiry, "");
        client.subscribe_v5(&format!("c-4.1.0-2/{number}"), 0x01);
        client.send(disconnect);
        client.expect_end("");
    }
    thread::sleep(Duration::from_millis(2_000));
    for (number, (_, _, present)) in cases.iter().enumerate() {
        let connect = connect_v5(&format!("c-4.1.0-2-{number}"), 0x00, "<>", "");
        let mut client = server.send(&connect);
        assert_eq!(client.expect_accepted()[2], *present, "case {number}");
        // With the session its subscriptions are gone.
        client.send(&format!("30 <'c-4.1.0-2/{number}' <> `x`>"));
        if *present == 1 {
            client.expect(&format!("30 <'c-4.1.0-2/{number}' <> `x`>"));
        }
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_2_1_tcp_is_a_stream_of_bytes_whatever_its_segments() {
    let server = Server::shared();
    let mut client = server.open();
    let packets = format!(
        "{} 82 <0001 <> 'c-4.2-1' 02> 34 <'c-4.2-1' 0002 <26 'k' 'v'> `payload`> C0 00",
        connect_v5("c-4.2-1", 0x02, "<21 0005>", "")
    );
    for byte in bytes(&packets) {
        client.send_bytes(&[byte]);
        thread::sleep(Duration::from_millis(1));
    }
    client.expect_accepted();
    let answers = "90 <0001 <> 02> 34 <'c-4.2-1' 0001 <26 'k' 'v'> `payload`> 50 <0002> D0 00";
    client.expect(answers);
    // All in one.
    let mut client = server.send(&packets);
    client.expect_accepted();
    client.expect(answers);
}

#[test]
fn mqtt_4_4_0_1_what_is_unacknowledged_is_sent_again_at_reconnect_and_never_else() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.4.0-1-p");
    let mut client = server.v5_as("c-4.4.0-1", 0x02, KEPT, "");
    client.subscribe_v5("c-4.4.0-1", 0x02);
    publisher.send("30 <'c-4.4.0-1' <> `0`>");
    for (first, id) in [(0x32, 1), (0x34, 2), (0x34, 3), (0x32, 4), (0x34, 5)] {
        publish(&mut publisher, first, "c-4.4.0-1", id, &format!("<> {id:02X}"));
    }
    client.expect("30 <'c-4.4.0-1' <> `0`> 32 <'c-4.4.0-1' 0001 <> 01> 34 <'c-4.4.0-1' 0002 <> 02>");
    client.expect("34 <'c-4.4.0-1' 0003 <> 03> 32 <'c-4.4.0-1' 0004 <> 04> 34 <'c-4.4.0-1' 0005 <> 05>");
    client.exchange("50 <0002> 50 <0005>", "62 <0002> 62 <0005>");
    client.send("70 <0005>");
    client.expect_silence(Duration::from_millis(1_500));
    let again =
        "3A <'c-4.4.0-1' 0001 <> 01> 62 <0002> 3C <'c-4.4.0-1' 0003 <> 03> 3A <'c-4.4.0-1' 0004 <> 04>";
    drop(client);
    let mut client = resume(&server, "c-4.4.0-1");
    client.expect(again);
    client.expect_alive();
    leave(client);
    // And again, until it is acknowledged.
    let mut client = resume(&server, "c-4.4.0-1");
    client.expect(again);
    client.send("40 <0001> 70 <0002>");
    client.exchange("50 <0003>", "62 <0003>");
    client.send("70 <0003> 40 <0004>");
    client.expect_alive();
    leave(client);
    resume(&server, "c-4.4.0-1").expect_alive();
}

#[test]
fn mqtt_4_4_0_2_what_was_refused_is_acknowledged_and_not_sent_again() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.4.0-2-p");
    let mut client = server.v5_as("c-4.4.0-2", 0x02, "<11 0000003C 21 0002>", "");
    client.subscribe_v5("c-4.4.0-2", 0x02);
    for (first, id) in [(0x32, 1), (0x34, 2), (0x32, 3)] {
        publish(&mut publisher, first, "c-4.4.0-2", id, &format!("<> {id:02X}"));
    }
    client.expect("32 <'c-4.4.0-2' 0001 <> 01> 34 <'c-4.4.0-2' 0002 <> 02>");
    client.expect_alive();
    // Each makes room for another one, and no PUBREL follows.
    client.exchange("40 <0001 97>", "32 <'c-4.4.0-2' 0003 <> 03>");
    client.send("50 <0002 83 <1F 'no'>>");
    client.expect_alive();
    client.send("40 <0003 80>");
    client.expect_alive();
    leave(client);
    resume(&server, "c-4.4.0-2").expect_alive();
}

#[test]
fn mqtt_4_5_0_1_messages_are_added_to_every_session_that_subscribes() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.5.0-1-p");
    for number in 0..4 {
        let mut client = server.v5_as(&format!("c-4.5.0-1-{number}"), 0x02, KEPT, "");
        client.subscribe_v5(["c-4.5.0-1/+", "c-4.5.0-1/a"][number % 2], 0x02);
        leave(client);
    }
    let mut online = server.v5("c-4.5.0-1-on");
    online.subscribe_v5("c-4.5.0-1/#", 0x02);
    for (first, id) in [(0x34, 1), (0x32, 2), (0x34, 3)] {
        publish(&mut publisher, first, "c-4.5.0-1/a", id, &format!("<> {id:02X}"));
    }
    let expected =
        "34 <'c-4.5.0-1/a' 0001 <> 01> 32 <'c-4.5.0-1/a' 0002 <> 02> 34 <'c-4.5.0-1/a' 0003 <> 03>";
    online.expect(expected);
    for number in 0..4 {
        // Not yet sent, so no redelivery.
        resume(&server, &format!("c-4.5.0-1-{number}")).expect(expected);
    }
}

#[test]
fn mqtt_4_13_2_1_a_reason_code_of_80_or_more_ends_the_connection() {
    let server = Server::shared();
    server
        .send(&connect_v5("c-4.13.2-1", 0x02, "<15 'FOREIGN'>", ""))
        .expect_refused(0x8C);
    let mut client = server.v5("c-4.13.2-1");
    client.send("40 <0001 81>");
    client.expect_disconnect(0x82);
    for code in [
        0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ] {
        let mut client = server.v5("c-4.13.2-1");
        client.send(&format!("E0 <{code:02X}>"));
        client.expect_end("");
    }
}
