//! MQTT 5.0 sections 3.1.2.10 and 3.2.2.3.14: Keep Alive, the client's and the server's.
//!
//! Times count from before what they follow, so that they are never too short; what is too late is far too late, as a
//! machine may stand still for seconds. What a client must do in time it has two seconds for.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::server::Server;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a Keep Alive of one second allows: one and a half times.
const ALLOWED: Duration = Duration::from_millis(1_500);

/// Connects with a Keep Alive in seconds.
fn connect(server: &Server, id: &str, keep_alive: u16) -> (Client, ConnAck) {
    let mut client = server.send(&format!("10 <'MQTT' 05 02 {keep_alive:04X} <> '{id}'>"));
    let connack = ConnAck::of(&client.expect_accepted());
    (client, connack)
}

/// A pause between packets, well below the three seconds that a Keep Alive of two allows.
const PAUSE: Duration = Duration::from_millis(900);

/// The server closes for lack of packets, so long after `since`.
#[track_caller]
fn expect_timeout(client: &mut Client, since: Instant, allowed: Duration) {
    client.expect_disconnect(0x8D);
    let took = since.elapsed();
    assert!(
        took + Duration::from_millis(20) > allowed && took < allowed + Duration::from_secs(20),
        "closed after {took:?} and not {allowed:?}"
    );
}

#[test]
fn mqtt_3_1_2_20_a_client_that_sends_pingreq_in_time_stays() {
    let server = Server::shared();
    let (mut client, _) = connect(&server, "c-3.1.2-20", 2);
    for _ in 0..4 {
        sleep(PAUSE);
        client.expect_alive();
    }
}

#[test]
fn mqtt_3_1_2_20_every_packet_counts_as_a_sign_of_life() {
    let server = Server::shared();
    let (mut client, _) = connect(&server, "c-3.1.2-20b", 2);
    for packet in [
        "30 <'t-3.1.2-20b' <> `x`>",
        "40 <0001>",
        "30 <'t-3.1.2-20b' <> `y`>",
        "40 <0002>",
    ] {
        sleep(PAUSE);
        client.send(packet);
    }
    client.expect_alive();
}

#[test]
fn mqtt_3_1_2_21_the_server_keep_alive_holds_for_the_client() {
    let server = Server::with(&["listener.mqtt.server_keepalive=1s"]);
    // Whatever the client wants, also none; and all three at a time.
    let mut clients = [0, 1, 60].map(|wanted| {
        let since = Instant::now();
        let (client, connack) = connect(&server, &format!("c-3.1.2-21-{wanted}"), wanted);
        let told = connack.property(0x13).map(<[u8]>::to_vec);
        // What is the same as the client's need not be said.
        assert!(
            told == Some(vec![0, 1]) || wanted == 1 && told.is_none(),
            "{wanted}: {told:?}"
        );
        (client, since)
    });
    for (client, since) in &mut clients {
        expect_timeout(client, *since, ALLOWED);
    }
}

#[test]
fn mqtt_3_1_2_22_a_client_that_is_silent_for_one_and_a_half_keep_alives_is_closed() {
    let server = Server::shared();
    let topic = "t-3.1.2-22";
    let mut watcher = server.v5("c-3.1.2-22b");
    watcher.subscribe_v5(topic, 0);
    let mut client = server.send(&format!(
        "10 <'MQTT' 05 06 0002 <> 'c-3.1.2-22' <> '{topic}' (`gone`)>"
    ));
    client.expect_accepted();
    sleep(Duration::from_millis(300));
    let since = Instant::now();
    client.expect_alive();
    expect_timeout(&mut client, since, 2 * ALLOWED);
    // As if the network had failed.
    watcher.expect(&format!("30 <'{topic}' <> `gone`>"));
}

#[test]
fn mqtt_3_1_2_22_a_client_that_falls_silent_within_a_packet_is_closed() {
    let server = Server::shared();
    let (mut client, _) = connect(&server, "c-3.1.2-22c", 2);
    sleep(PAUSE);
    let since = Instant::now();
    // Bytes count, also when no packet has come with them.
    client.send("30 7F 't' 00");
    expect_timeout(&mut client, since, 2 * ALLOWED);
}

#[test]
fn mqtt_3_1_2_22_what_the_server_sends_is_no_sign_of_life() {
    let server = Server::shared();
    let since = Instant::now();
    let (mut client, _) = connect(&server, "c-3.1.2-22d", 1);
    client.subscribe_v5("t-3.1.2-22d", 0);
    let mut publisher = server.v5("c-3.1.2-22e");
    // As often as it hears of it, which would be for ever.
    while since.elapsed() < 10 * ALLOWED {
        sleep(Duration::from_millis(250));
        publisher.send("30 <'t-3.1.2-22d' <> `x`>");
        let packet = client.packet();
        if packet[0] == 0xE0 {
            assert_eq!(packet[2], 0x8D, "Keep Alive timeout");
            assert!(since.elapsed() + Duration::from_millis(20) > ALLOWED);
            return client.expect_end("");
        }
        assert_eq!(packet[0], 0x30, "the PUBLISH");
    }
    panic!("still there after {:?}", since.elapsed());
}

#[test]
fn mqtt_3_1_2_22_a_keep_alive_of_0_is_none() {
    let server = Server::shared();
    let (mut client, connack) = connect(&server, "c-3.1.2-22f", 0);
    assert_eq!(connack.property(0x13), None);
    client.expect_silence(Duration::from_secs(2));
    client.expect_alive();
}

#[test]
fn mqtt_3_2_2_21_a_cap_on_keep_alive_is_told_to_who_wants_more() {
    let server = Server::with(&["listener.mqtt.max_keepalive=2s"]);
    for (wanted, told) in [(0, Some(2)), (60, Some(2)), (3, Some(2)), (2, None), (1, None)] {
        let (_, connack) = connect(&server, "c-3.2.2-21", wanted);
        let told = told.map(|seconds| vec![0, seconds]);
        assert_eq!(connack.property(0x13), told.as_deref(), "wanted {wanted}");
    }
    let since = Instant::now();
    let (mut client, _) = connect(&server, "c-3.2.2-21", 60);
    expect_timeout(&mut client, since, Duration::from_secs(3));
}

#[test]
fn mqtt_3_2_2_22_without_a_server_keep_alive_the_client_s_holds() {
    let server = Server::shared();
    let mut clients = [1, 2].map(|seconds| {
        let since = Instant::now();
        let (client, connack) = connect(&server, &format!("c-3.2.2-22-{seconds}"), seconds);
        assert_eq!(connack.property(0x13), None);
        (client, since, ALLOWED * seconds.into())
    });
    for (client, since, allowed) in &mut clients {
        expect_timeout(client, *since, *allowed);
    }
}
