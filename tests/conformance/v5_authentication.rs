//! 5.0 sections 3.15 and 4.12: AUTH and enhanced authentication, by SCRAM-SHA-256.
//!
//! The client's side of SCRAM is the example of RFC 7677: its password's keys are constants here, only the proof depends on
//! what the broker says.

use crate::client::Client;
use crate::connack::ConnAck;
use crate::notation::{bytes, show};
use crate::server::{Server, connect_v5};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const METHOD: &str = "15 'SCRAM-SHA-256'";
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
/// Of the password `pencil`, as `users.scram` has it.
const CLIENT_KEY: &str = "pg/JI9Z+hkSpLRa5btpe9GVrDHJcSEN0viVTVXaZbos=";
const STORED_KEY: &str = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
const SERVER_KEY: &str = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

fn server() -> Server {
    let users = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/users.scram");
    Server::with(&[&format!("access.scram_file={users:?}")])
}

/// The properties of a client's first message.
fn first(user: &str) -> String {
    format!("<{METHOD} 16 (`n,,n={user},r={NONCE}`)>")
}

fn hello(id: &str, user: &str) -> String {
    connect_v5(id, 0x02, &first(user), "")
}

fn sign(key: &str, message: &str) -> Vec<u8> {
    let key = STANDARD.decode(key).expect("base64");
    let hmac = Hmac::<Sha256>::new_from_slice(&key).expect("any length will do");
    hmac.chain_update(message).finalize().into_bytes().to_vec()
}

/// What AUTH 0x18 challenges with: nothing stands in it but the method and the data.
#[track_caller]
fn challenge(client: &mut Client) -> String {
    let packet = client.packet();
    let start = bytes(&format!("18 {:02X} {METHOD} 16 00", packet.len() - 4));
    let rest = packet.get(2..).and_then(|body| body.strip_prefix(&start[..]));
    let data = rest.filter(|rest| packet[0] == 0xF0 && usize::from(rest[0]) + 1 == rest.len());
    let data = data.unwrap_or_else(|| panic!("not AUTH with method and data: {}", show(&packet)));
    String::from_utf8(data[1..].to_vec()).expect("text")
}

/// AUTH with data, which a nonce may have any sign in.
fn auth(code: u8, data: &str) -> String {
    let hex: String = data.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("F0 <{code:02X} <{METHOD} 16 ({hex})>>")
}

/// AUTH 0x18 that answers a challenge, and what the broker must say to it.
fn proof(user: &str, challenge: &str) -> (String, String) {
    let nonce = challenge
        .strip_prefix("r=")
        .and_then(|rest| rest.split(',').next());
    let nonce = nonce.expect("a nonce");
    let message = format!("n={user},r={NONCE},{challenge},c=biws,r={nonce}");
    let key = STANDARD.decode(CLIENT_KEY).expect("base64");
    let mixed = sign(STORED_KEY, &message).into_iter().zip(key);
    let proof = STANDARD.encode(mixed.map(|(left, right)| left ^ right).collect::<Vec<_>>());
    let proof = format!("c=biws,r={nonce},p={proof}");
    (
        auth(0x18, &proof),
        format!("v={}", STANDARD.encode(sign(SERVER_KEY, &message))),
    )
}

/// Says who it is, up to the broker's verdict; what that must have.
#[track_caller]
fn prove(client: &mut Client, user: &str) -> String {
    let (auth, verifier) = proof(user, &challenge(client));
    client.send(&auth);
    verifier
}

/// A client that is let in.
#[track_caller]
fn established(server: &Server, id: &str) -> Client {
    let mut client = server.send(&hello(id, "user"));
    prove(&mut client, "user");
    client.expect_accepted();
    client
}

#[test]
fn mqtt_3_15_1_1_reserved_flags_of_auth_are_malformed() {
    let server = server();
    for flags in [1, 2, 4, 8] {
        let auth = format!("F{flags:X} <19 {}>", first("user"));
        let mut client = established(&server, "c-3.15.1-1");
        client.send(&auth);
        client.expect_disconnect(0x81);
        let mut client = server.send(&hello("c-3.15.1-1", "user"));
        challenge(&mut client);
        client.send(&auth);
        client.expect_refused(0x81);
    }
}

#[test]
fn mqtt_3_15_2_1_other_reason_codes_of_auth_are_protocol_errors() {
    let server = server();
    for code in [0x01, 0x17, 0x1A, 0x80, 0x87, 0xFF] {
        let mut client = established(&server, "c-3.15.2-1");
        client.send(&format!("F0 <{code:02X} {}>", first("user")));
        client.expect_disconnect(0x82);
    }
    // 0x00 is the server's: a client that sends it is out of order.
    let mut client = established(&server, "c-3.15.2-1");
    client.send(&format!("F0 <00 {}>", first("user")));
    client.expect_disconnect(0x82);
    let mut client = established(&server, "c-3.15.2-1");
    client.send("F0 00");
    client.expect_disconnect(0x82);
}

#[test]
fn mqtt_3_15_2_2_no_reason_string_makes_an_auth_larger() {
    // `challenge` takes nothing but the method and the data, with room for more or without.
    let server = server();
    for (id, maximum) in [("c-3.15.2-2a", 65_535), ("c-3.15.2-2b", 128)] {
        let properties = format!("<27 {maximum:08X} {METHOD} 16 (`n,,n=user,r={NONCE}`)>");
        let mut client = server.send(&connect_v5(id, 0x02, &properties, ""));
        prove(&mut client, "user");
        client.expect_accepted();
    }
}

#[test]
fn mqtt_3_15_2_3_no_user_property_makes_an_auth_larger() {
    let server = server();
    let mut client = established(&server, "c-3.15.2-3");
    client.send(&format!("F0 <19 {}>", first("user")));
    let verifier = prove(&mut client, "user");
    client.expect(&auth(0x00, &verifier));
}

#[test]
fn mqtt_4_12_0_1_a_method_that_is_not_supported_is_refused() {
    let (server, other) = (server(), Server::shared());
    for method in ["SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "scram-sha-256", "x"] {
        let connect = connect_v5("c-4.12.0-1", 0x02, &format!("<15 '{method}'>"), "");
        server.send(&connect).expect_refused(0x8C);
    }
    // Without users there is no method at all.
    other.send(&hello("c-4.12.0-1", "user")).expect_refused(0x8C);
}

#[test]
fn mqtt_4_12_0_2_the_server_asks_for_more_with_auth_0x18() {
    let server = server();
    let mut client = server.send(&hello("c-4.12.0-2", "user"));
    let challenge = challenge(&mut client);
    assert!(challenge.starts_with(&format!("r={NONCE}")), "{challenge}");
    assert!(
        challenge.ends_with(",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        "{challenge}"
    );
}

#[test]
fn mqtt_4_12_0_3_an_answer_without_0x18_is_a_protocol_error() {
    let server = server();
    for code in ["00", "19"] {
        let mut client = server.send(&hello("c-4.12.0-3", "user"));
        let (auth, _) = proof("user", &challenge(&mut client));
        client.send(&auth.replacen("<18 ", &format!("<{code} "), 1));
        client.expect_refused(0x82);
    }
}

#[test]
fn mqtt_4_12_0_4_a_failed_authentication_is_refused_and_closed() {
    let server = server();
    // A wrong proof, a user that is not known, no data at all, and data of another shape.
    let mut client = server.send(&hello("c-4.12.0-4", "user"));
    let (auth, _) = proof("user", &challenge(&mut client));
    // `,p=` and four letters more.
    client.send(&auth.replacen("2C703D", "2C703D41414141", 1));
    client.expect_refused(0x87);
    let mut client = server.send(&hello("c-4.12.0-4", "nobody"));
    prove(&mut client, "nobody");
    client.expect_refused(0x87);
    for data in ["", "16 (`n`)", "16 (`n,,n`)", "16 (00)"] {
        let connect = connect_v5("c-4.12.0-4", 0x02, &format!("<{METHOD} {data}>"), "");
        server.send(&connect).expect_refused(0x87);
    }
}

#[test]
fn mqtt_4_12_0_5_connack_and_every_auth_name_the_method() {
    let server = server();
    let mut client = server.send(&hello("c-4.12.0-5", "user"));
    let verifier = prove(&mut client, "user");
    let connack = ConnAck::of(&client.packet());
    assert_eq!((connack.flags, connack.reason), (0, 0));
    assert_eq!(connack.property(0x15), Some(&b"SCRAM-SHA-256"[..]));
    assert_eq!(connack.property(0x16), Some(verifier.as_bytes()));
    // An assigned client id is told as ever.
    let mut client = server.send(&hello("", "user"));
    prove(&mut client, "user");
    let connack = ConnAck::of(&client.packet());
    assert!(!connack.assigned().is_empty());
    assert!(connack.property(0x15).is_some());
    // From the client it is the same one each time.
    let mut client = server.send(&hello("c-4.12.0-5", "user"));
    let (auth, _) = proof("user", &challenge(&mut client));
    client.send(&auth.replacen("SCRAM-SHA-256", "SCRAM-SHA-1", 1));
    client.expect_refused(0x82);
}

#[test]
fn mqtt_4_12_0_6_without_a_method_there_is_no_auth_and_no_method_in_connack() {
    let server = server();
    let mut client = server.open();
    client.send(&connect_v5("c-4.12.0-6", 0x02, "<>", ""));
    let connack = ConnAck::of(&client.packet());
    assert_eq!((connack.reason, connack.property(0x15)), (0, None));
    assert_eq!(connack.property(0x16), None);
    client.expect_alive();
}

#[test]
fn mqtt_4_12_0_7_auth_of_a_client_without_a_method_is_a_protocol_error() {
    let server = server();
    for code in ["18", "19"] {
        let mut client = server.v5("c-4.12.0-7");
        client.send(&format!("F0 <{code} {}>", first("user")));
        client.expect_disconnect(0x82);
    }
}

#[test]
fn mqtt_4_12_1_1_authenticating_again_takes_the_same_method() {
    let server = server();
    let mut client = established(&server, "c-4.12.1-1");
    client.subscribe_v5("t-4.12.1-1", 0);
    client.send(&format!("F0 <19 {}>", first("user")));
    let (answer, verifier) = proof("user", &challenge(&mut client));
    // Everything else goes on meanwhile.
    let packet = "30 <'t-4.12.1-1' <> `x`>";
    client.exchange(packet, packet);
    client.exchange(&answer, &auth(0x00, &verifier));
    client.expect_alive();
    client.send("F0 <19 <15 'SCRAM-SHA-1'>>");
    client.expect_disconnect(0x82);
}

#[test]
fn mqtt_4_12_1_2_failing_to_authenticate_again_is_told_and_closed() {
    let server = server();
    for (user, proves_as) in [("user", "wrong"), ("other", "other")] {
        let mut client = established(&server, "c-4.12.1-2");
        client.send(&format!("F0 <19 {}>", first(user)));
        prove(&mut client, proves_as);
        client.expect_disconnect(0x87);
    }
}

#[test]
fn mqtt_3_1_2_30_between_connect_and_connack_other_packets_are_protocol_errors() {
    let server = server();
    let packets = [
        "C0 00",
        "30 <'t' <> `x`>",
        "82 <0001 <> 't' 00>",
        "A2 <0001 <> 't'>",
        "40 <0001>",
        "D0 00",
    ];
    for packet in packets {
        let mut client = server.send(&hello("c-3.1.2-30", "user"));
        challenge(&mut client);
        client.send(packet);
        client.expect_refused(0x82);
    }
    // DISCONNECT is allowed, and is not answered.
    let mut client = server.send(&hello("c-3.1.2-30", "user"));
    challenge(&mut client);
    client.send("E0 00");
    client.expect_end("");
}
