//! MQTT 5.0 section 4.8.2: shared subscriptions.

use crate::broker::PATIENCE;
use crate::client::Client;
use crate::notation::{bytes, show};
use crate::server::Server;
use crate::v5_acks::publish;
use crate::v5_session::{KEPT, leave, resume};
use std::time::Instant;

/// A member of a group, whose session outlives its connection.
fn member(server: &Server, id: &str, topic: &str, qos: u8) -> Client {
    let mut member = server.v5_as(id, 0x02, KEPT, "");
    member.subscribe_v5(&format!("$share/group/{topic}"), qos);
    member
}

/// Whoever of two members gets the next message, which is this packet: whether it is the first one, it, and the other.
#[track_caller]
fn receiver(one: Client, other: Client, packet: &str) -> (bool, Client, Client) {
    let mut members = [one, other];
    // It may have far to go, so they are asked in turn.
    let until = Instant::now() + PATIENCE;
    let mut asked = 0;
    while !gets(&mut members[asked % 2], packet) {
        assert!(Instant::now() < until, "nobody gets it");
        asked += 1;
    }
    let [one, other] = members;
    if asked % 2 == 0 {
        (true, one, other)
    } else {
        (false, other, one)
    }
}

/// Whether the next packet is this one, or nothing has come yet.
#[track_caller]
fn gets(client: &mut Client, packet: &str) -> bool {
    client.send("C0 00");
    let next = client.packet();
    if next == bytes("D0 00") {
        return false;
    }
    assert_eq!(show(&next), show(&bytes(packet)));
    client.expect("D0 00");
    true
}

#[test]
fn mqtt_4_8_2_1_a_shared_filter_has_a_share_name() {
    let server = Server::shared();
    for filter in ["$share//c-4.8.2-1", "$share/", "$share//", "$share/g"] {
        let mut client = server.v5("c-4.8.2-1");
        client.send(&format!("82 <0001 <> '{filter}' 00>"));
        client.expect_disconnect(0x8F);
    }
    // One character is a name, and what does not begin with $share/ is no shared subscription.
    let mut client = server.v5("c-4.8.2-1");
    client.exchange("82 <0001 <> '$share/g/c-4.8.2-1' 00>", "90 <0001 <> 00>");
    client.send("30 <'c-4.8.2-1' <> `x`>");
    client.expect("30 <'c-4.8.2-1' <> `x`>");
    client.exchange("82 <0001 <> '$shared/g/c-4.8.2-1' 00>", "90 <0001 <> 00>");
    client.send("30 <'$shared/g/c-4.8.2-1' <> `x`>");
    client.expect("30 <'$shared/g/c-4.8.2-1' <> `x`>");
    client.expect_alive();
}

#[test]
fn mqtt_4_8_2_2_a_share_name_has_no_wildcard_and_a_filter_follows_it() {
    let server = Server::shared();
    for filter in [
        "$share/+/a",
        "$share/#/a",
        "$share/g+/a",
        "$share/g#/a",
        "$share/g/",
        "$share/g",
        "$share/g/a#",
        "$share/g/a/#/b",
    ] {
        let mut client = server.v5("c-4.8.2-2");
        client.send(&format!("82 <0001 <> '{filter}' 00>"));
        client.expect_disconnect(0x8F);
    }
    // The filter behind the name may have wildcards, and empty levels.
    let mut client = server.v5("c-4.8.2-2");
    client.exchange(
        "82 <0001 <> '$share/g/c-4.8.2-2/+' 00 '$share/g//c-4.8.2-2' 00>",
        "90 <0001 <> 00 00>",
    );
    for topic in ["c-4.8.2-2/a", "/c-4.8.2-2"] {
        client.send(&format!("30 <'{topic}' <> `x`>"));
        client.expect(&format!("30 <'{topic}' <> `x`>"));
    }
    client.expect_alive();
}

#[test]
fn mqtt_4_8_2_3_each_member_gets_the_qos_that_it_was_granted() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.8.2-3-p");
    let mut members = [0, 1, 2].map(|qos| {
        let mut member = server.v5(&format!("c-4.8.2-3-{qos}"));
        member.subscribe_v5("$share/group/c-4.8.2-3", qos);
        member
    });
    for id in 1..=30 {
        publish(&mut publisher, 0x34, "c-4.8.2-3", id, &format!("<> {id:02X}"));
    }
    // All of them together get each message once, each at its own QoS.
    let mut got = Vec::new();
    let until = Instant::now() + PATIENCE;
    while got.len() < 30 {
        assert!(Instant::now() < until, "only {got:?}");
        for (first, member) in [0x30, 0x32, 0x34].into_iter().zip(&mut members) {
            member.send("C0 00");
            let mut packet = member.packet();
            while packet[0] != 0xD0 {
                assert_eq!(packet[0], first);
                got.push(packet[packet.len() - 1]);
                packet = member.packet();
            }
        }
    }
    got.sort_unstable();
    assert_eq!(got, (1..=30).collect::<Vec<u8>>());
}

#[test]
fn mqtt_4_8_2_4_a_delivery_that_was_begun_is_completed_when_its_member_comes_back() {
    let server = Server::shared();
    let topic = "c-4.8.2-4";
    let one = member(&server, "c-4.8.2-4-1", topic, 2);
    let other = member(&server, "c-4.8.2-4-2", topic, 2);
    publish(&mut server.v5("c-4.8.2-4-p"), 0x34, topic, 1, "<> `x`");
    let (first, chosen, mut other) = receiver(one, other, &format!("34 <'{topic}' 0001 <> `x`>"));
    drop(chosen);
    let mut chosen = resume(&server, if first { "c-4.8.2-4-1" } else { "c-4.8.2-4-2" });
    chosen.expect(&format!("3C <'{topic}' 0001 <> `x`>"));
    chosen.exchange("50 <0001>", "62 <0001>");
    drop(chosen);
    let mut chosen = resume(&server, if first { "c-4.8.2-4-1" } else { "c-4.8.2-4-2" });
    chosen.expect("62 <0001>");
    chosen.send("70 <0001>");
    chosen.expect_alive();
    other.expect_alive();
}

#[test]
fn mqtt_4_8_2_5_what_was_sent_at_qos_2_goes_to_nobody_else_when_the_session_ends() {
    let server = Server::shared();
    let topic = "c-4.8.2-5";
    let one = member(&server, "c-4.8.2-5-1", topic, 2);
    let other = member(&server, "c-4.8.2-5-2", topic, 2);
    let mut publisher = server.v5("c-4.8.2-5-p");
    publish(&mut publisher, 0x34, topic, 1, "<> `x`");
    let (_, mut chosen, mut other) = receiver(one, other, &format!("34 <'{topic}' 0001 <> `x`>"));
    // The session ends with this connection.
    chosen.send("E0 <00 <11 00000000>>");
    chosen.expect_end("");
    other.expect_alive();
    publish(&mut publisher, 0x34, topic, 2, "<> `y`");
    other.expect(&format!("34 <'{topic}' 0001 <> `y`>"));
    other.expect_alive();
    leave(other);
}

#[test]
fn mqtt_4_8_2_6_what_a_member_refuses_goes_to_nobody_else() {
    let server = Server::shared();
    for (first, refusal) in [("34", "50 <0001 83>"), ("32", "40 <0001 97>")] {
        let topic = format!("c-4.8.2-6/{first}");
        let one = member(&server, &format!("{topic}-1"), &topic, 2);
        let other = member(&server, &format!("{topic}-2"), &topic, 2);
        let head = u8::from_str_radix(first, 16).expect("hex");
        publish(&mut server.v5("c-4.8.2-6-p"), head, &topic, 1, "<> `x`");
        let (_, mut chosen, mut other) = receiver(one, other, &format!("{first} <'{topic}' 0001 <> `x`>"));
        chosen.send(refusal);
        chosen.expect_alive();
        other.expect_alive();
        leave(chosen);
        other.expect_alive();
    }
}
