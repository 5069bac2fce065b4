//! MQTT 5.0 sections 4.6 and 4.9: the order of messages and of acknowledgements, and flow control.

use crate::client::Client;
use crate::server::Server;
use crate::v5_acks::publish;
use crate::v5_session::{KEPT, resume};

/// The payload's number of the next message, which is acknowledged if it wants that.
#[track_caller]
fn number(client: &mut Client) -> (u8, u8) {
    let packet = client.packet();
    let qos = packet[0] >> 1 & 0x03;
    assert_eq!(packet[0] >> 4, 3, "a PUBLISH");
    let at = 4 + usize::from(packet[3]);
    match qos {
        1 => client.send_bytes(&[0x40, 2, packet[at], packet[at + 1]]),
        2 => client.send_bytes(&[0x50, 3, packet[at], packet[at + 1], 0x80]),
        _ => {}
    }
    (qos, packet[packet.len() - 1])
}

#[test]
fn mqtt_4_6_0_1_publishes_are_sent_again_in_the_order_of_their_first_sending() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.6.0-1-p");
    let mut client = server.v5_as("c-4.6.0-1", 0x02, KEPT, "");
    client.subscribe_v5("c-4.6.0-1/+", 0x02);
    let firsts = [0x32, 0x34, 0x34, 0x32, 0x34, 0x32, 0x32, 0x34];
    for (first, id) in firsts.into_iter().zip(1..) {
        let topic = format!("c-4.6.0-1/{}", id % 3);
        publish(&mut publisher, first, &topic, id, &format!("<> {id:02X}"));
        client.expect(&format!("{first:02X} <'{topic}' {id:04X} <> {id:02X}>"));
    }
    client.send("40 <0004>");
    client.expect_alive();
    drop(client);
    let mut client = resume(&server, "c-4.6.0-1");
    for (first, id) in firsts.into_iter().zip(1..).filter(|(_, id)| *id != 4) {
        let topic = format!("c-4.6.0-1/{}", id % 3);
        client.expect(&format!("{:02X} <'{topic}' {id:04X} <> {id:02X}>", first | 0x08));
    }
    client.expect_alive();
}

#[test]
fn mqtt_4_6_0_2_pubacks_are_sent_in_the_order_of_the_publishes() {
    let server = Server::shared();
    // Subscribers on either shard, so that some messages go far and some do not.
    let mut subscribers: Vec<_> = (0..4).map(|n| server.v5(&format!("c-4.6.0-2-{n}"))).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.subscribe_v5(&format!("c-4.6.0-2/{number}"), 0x01);
    }
    let mut client = server.v5("c-4.6.0-2");
    let ids: Vec<u16> = (1..=60).map(|n| n * 977).collect();
    let packets: Vec<_> = ids
        .iter()
        .map(|id| format!("32 <'c-4.6.0-2/{}' {id:04X} <> `x`>", id % 6))
        .collect();
    client.send(&packets.join(" "));
    for id in ids {
        assert_eq!(client.packet()[2..4], id.to_be_bytes(), "the PUBACK that is due");
    }
}

#[test]
fn mqtt_4_6_0_3_pubrecs_are_sent_in_the_order_of_the_publishes() {
    let server = Server::shared();
    let mut subscribers: Vec<_> = (0..4).map(|n| server.v5(&format!("c-4.6.0-3-{n}"))).collect();
    for (number, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.subscribe_v5(&format!("c-4.6.0-3/{number}"), 0x01);
    }
    let mut client = server.v5("c-4.6.0-3");
    let ids: Vec<u16> = (1..=60).map(|n| n * 977).collect();
    let packets: Vec<_> = ids
        .iter()
        .map(|id| format!("34 <'c-4.6.0-3/{}' {id:04X} <> `x`>", id % 6))
        .collect();
    client.send(&packets.join(" "));
    for id in ids {
        let packet = client.packet();
        assert_eq!(
            (packet[0], &packet[2..4]),
            (0x50, &id.to_be_bytes()[..]),
            "the PUBREC that is due"
        );
    }
}

#[test]
fn mqtt_4_6_0_4_pubrels_are_sent_in_the_order_of_the_pubrecs() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.6.0-4-p");
    let mut client = server.v5("c-4.6.0-4");
    client.subscribe_v5("c-4.6.0-4", 0x02);
    for id in 1..=5 {
        publish(&mut publisher, 0x34, "c-4.6.0-4", id, "<>");
        client.expect(&format!("34 <'c-4.6.0-4' {id:04X} <>>"));
    }
    client.send("50 <0003> 50 <0001> 50 <0005> 50 <0002> 50 <0004>");
    client.expect("62 <0003> 62 <0001> 62 <0005> 62 <0002> 62 <0004>");
}

#[test]
fn mqtt_4_6_0_5_messages_of_a_topic_and_qos_arrive_in_the_order_of_publishing() {
    let server = Server::shared();
    let mut clients: Vec<_> = (0..4).map(|n| server.v5(&format!("c-4.6.0-5-{n}"))).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.subscribe_v5(["c-4.6.0-5", "c-4.6.0-5/#"][number % 2], 0x02);
    }
    let mut publisher = server.v5("c-4.6.0-5-p");
    // In one piece, so that the broker may be tempted to overtake.
    let packets: Vec<_> = (1..=200)
        .map(|n| match n % 3 {
            0 => format!("30 <'c-4.6.0-5' <> {n:02X}>"),
            1 => format!("32 <'c-4.6.0-5' {n:04X} <> {n:02X}>"),
            _ => format!("34 <'c-4.6.0-5' {n:04X} <> {n:02X}>"),
        })
        .collect();
    publisher.send(&packets.join(" "));
    for client in &mut clients {
        let mut of_qos = [const { Vec::new() }; 3];
        for _ in 1..=200 {
            let (qos, number) = number(client);
            of_qos[usize::from(qos)].push(number);
        }
        for (numbers, rest) in of_qos.iter().zip(0..) {
            assert_eq!(*numbers, (1..=200).filter(|n| n % 3 == rest).collect::<Vec<u8>>());
        }
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_6_0_6_every_topic_is_an_ordered_topic() {
    let server = Server::shared();
    let mut client = server.v5_as("c-4.6.0-6", 0x02, "<21 0003>", "");
    client.subscribe_v5("c-4.6.0-6/#", 0x01);
    let mut publisher = server.v5("c-4.6.0-6-p");
    // A window that is full makes messages wait; order is kept all the same, over all topics of one publisher.
    let packets: Vec<_> = (1..=100)
        .map(|n| format!("32 <'c-4.6.0-6/{}' {n:04X} <> {n:02X}>", n % 7))
        .collect();
    publisher.send(&packets.join(" "));
    for expected in 1..=100 {
        assert_eq!(number(&mut client), (1, expected));
    }
    client.expect_alive();
}

#[test]
fn mqtt_4_9_0_1_no_more_is_sent_at_first_than_receive_maximum() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.9.0-1-p");
    for maximum in [1, 2, 5] {
        let id = format!("c-4.9.0-1-{maximum}");
        let mut client = server.v5_as(&id, 0x02, &format!("<21 {maximum:04X}>"), "");
        client.subscribe_v5(&id, 0x02);
        for n in 1..=7 {
            publish(
                &mut publisher,
                [0x32, 0x34][n as usize % 2],
                &id,
                100 * maximum + n,
                "<>",
            );
        }
        for n in 1..=maximum {
            let first = [0x32, 0x34][n as usize % 2];
            client.expect(&format!("{first:02X} <'{id}' {n:04X} <>>"));
        }
        client.expect_alive();
    }
}

#[test]
fn mqtt_4_9_0_2_nothing_is_sent_at_a_quota_of_zero_until_an_acknowledgement() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.9.0-2-p");
    let mut client = server.v5_as("c-4.9.0-2", 0x02, "<21 0002>", "");
    client.subscribe_v5("c-4.9.0-2", 0x02);
    for (first, n) in [(0x34, 1), (0x32, 2), (0x34, 3), (0x32, 4), (0x34, 5), (0x32, 6)] {
        publish(&mut publisher, first, "c-4.9.0-2", n, "<>");
    }
    client.expect("34 <'c-4.9.0-2' 0001 <>> 32 <'c-4.9.0-2' 0002 <>>");
    client.expect_alive();
    // A PUBREC that takes the message makes no room, its PUBCOMP does.
    client.exchange("50 <0001>", "62 <0001>");
    client.expect_alive();
    client.exchange("70 <0001>", "34 <'c-4.9.0-2' 0003 <>>");
    client.expect_alive();
    // A PUBREC that refuses does, and a PUBACK of either kind.
    client.exchange("50 <0003 80>", "32 <'c-4.9.0-2' 0004 <>>");
    client.exchange("40 <0002>", "34 <'c-4.9.0-2' 0005 <>>");
    client.exchange("40 <0004 97>", "32 <'c-4.9.0-2' 0006 <>>");
    // What acknowledges nothing makes no room.
    client.send("40 <0002> 70 <0003>");
    client.expect_alive();
}

#[test]
fn mqtt_4_9_0_3_everything_else_goes_on_at_a_quota_of_zero() {
    let server = Server::shared();
    let mut publisher = server.v5("c-4.9.0-3-p");
    let mut client = server.v5_as("c-4.9.0-3", 0x02, "<21 0001>", "");
    client.subscribe_v5("c-4.9.0-3", 0x01);
    publish(&mut publisher, 0x32, "c-4.9.0-3", 1, "<> `1`");
    publish(&mut publisher, 0x32, "c-4.9.0-3", 2, "<> `2`");
    client.expect("32 <'c-4.9.0-3' 0001 <> `1`>");
    client.exchange("C0 00", "D0 00");
    client.exchange("82 <0002 <> 'c-4.9.0-3/0' 00>", "90 <0002 <> 00>");
    publisher.send("30 <'c-4.9.0-3/0' <> `0`>");
    client.expect("30 <'c-4.9.0-3/0' <> `0`>");
    publish(&mut client, 0x32, "c-4.9.0-3/x", 1, "<>");
    publish(&mut client, 0x34, "c-4.9.0-3/x", 2, "<>");
    client.exchange("62 <0002>", "70 <0002>");
    client.exchange("A2 <0003 <> 'c-4.9.0-3/0'>", "B0 <0003 <> 00>");
    client.exchange("40 <0001>", "32 <'c-4.9.0-3' 0002 <> `2`>");
}
