//! Enhanced authentication by SCRAM-SHA-256, end to end: the file that `ringwire passwd` makes, the broker, and a client's
//! side of SCRAM written here from RFC 5802, so that the two sides share no code.

use crate::broker::http::{get, metric};
use crate::broker::{Broker, PATIENCE, command};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use ringwire_codec::mqtt::{
    self, Auth, Connect, Decoded, Packet, Property, PropertyList, ReasonCode, Version,
};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const METHOD: &str = "SCRAM-SHA-256";
const NONCE: &str = "fyko+d2lbbFgONRv9qkxdawL";

/// A file with the user `ann`, whose password is `pencil`.
fn users(dir: &Path) -> PathBuf {
    let file = dir.join("users");
    set_password(&file, "ann", "pencil");
    file
}

fn set_password(file: &Path, username: &str, password: &str) {
    let mut command = command();
    command
        .args(["passwd", "--iterations", "4096", "--scram"])
        .arg(file)
        .arg(username);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{password}").expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("output");
    assert!(output.status.success(), "{output:?}");
}

fn broker(file: &Path, more: &[&str]) -> Broker {
    let setting = format!("access.scram_file={:?}", file.to_str().expect("text"));
    let mut arguments = vec!["--set", &setting, "--set", "access.allow_anonymous=false"];
    arguments.extend_from_slice(more);
    Broker::start_with(2, &arguments)
}

fn sign(key: &[u8], message: &str) -> [u8; 32] {
    let hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    hmac.chain_update(message).finalize().into_bytes().into()
}

/// The client's last message, and what the server must say to it (RFC 5802 section 3).
fn proof(username: &str, password: &str, challenge: &str) -> (String, String) {
    let attribute = |name: &str| {
        let part = challenge.split(',').find_map(|part| part.strip_prefix(name));
        part.unwrap_or_else(|| panic!("no {name} in {challenge}"))
    };
    let (nonce, salt, count) = (attribute("r="), attribute("s="), attribute("i="));
    assert!(nonce.starts_with(NONCE) && nonce.len() > NONCE.len(), "{nonce}");
    let salt = STANDARD.decode(salt).expect("base64");
    let block = |key: &[u8], text: &[u8]| {
        let hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
        <[u8; 32]>::from(hmac.chain_update(text).finalize().into_bytes())
    };
    let mut last = block(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut salted = last;
    for _ in 1..count.parse::<u32>().expect("a number") {
        last = block(password.as_bytes(), &last);
        salted.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    let client_key = sign(&salted, "Client Key");
    let message = format!("n={username},r={NONCE},{challenge},c=biws,r={nonce}");
    let signature = sign(&Sha256::digest(client_key), &message);
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(left, right)| left ^ right)
        .collect();
    let verifier = sign(&sign(&salted, "Server Key"), &message);
    (
        format!("c=biws,r={nonce},p={}", STANDARD.encode(proof)),
        format!("v={}", STANDARD.encode(verifier)),
    )
}

/// A 5.0 client in bytes.
struct Client {
    socket: TcpStream,
    bytes: Vec<u8>,
}

/// A packet from the server, as far as these tests care.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    ConnAck(ReasonCode, Option<String>, String),
    Auth(ReasonCode, Option<String>, String),
    Disconnect(ReasonCode),
    Pong,
    End,
}

fn named(method: &str, data: &str) -> PropertyList {
    let mut properties = PropertyList::default();
    properties.push(Property::AuthenticationMethod(method));
    properties.push(Property::AuthenticationData(data.as_bytes()));
    properties
}

impl Client {
    /// Opens and sends a CONNECT.
    fn connect(broker: &Broker, client_id: &str, method: &str, data: &str) -> Self {
        let socket = TcpStream::connect(broker.mqtt()).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut client = Self {
            socket,
            bytes: Vec::new(),
        };
        let properties = named(method, data);
        client.send(&Packet::Connect(Connect {
            version: Version::V5,
            clean_start: true,
            keep_alive: 0,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: properties.as_properties(),
        }));
        client
    }

    fn send(&mut self, packet: &Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(Version::V5, &mut bytes).expect("it fits");
        self.socket.write_all(&bytes).expect("it reads");
    }

    fn auth(&mut self, reason: ReasonCode, data: &str) {
        let properties = named(METHOD, data);
        let properties = properties.as_properties();
        self.send(&Packet::Auth(Auth { reason, properties }));
    }

    fn hear(&mut self) -> Said {
        loop {
            if let Ok(Decoded::Packet(packet, size)) = mqtt::decode(Version::V5, &self.bytes, u32::MAX) {
                let said = said(&packet);
                self.bytes.drain(..size);
                return said;
            }
            let mut buffer = [0; 1_024];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Said::End,
                Ok(count) => self.bytes.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Said::End,
                Err(error) => panic!("{error} after {:02x?}", self.bytes),
            }
        }
    }

    /// Answers the challenge that comes now; what the server must say if it knows the password.
    fn prove(&mut self, username: &str, password: &str) -> String {
        let Said::Auth(ReasonCode::ContinueAuthentication, Some(method), challenge) = self.hear() else {
            panic!("no challenge");
        };
        assert_eq!(method, METHOD);
        let (proof, verifier) = proof(username, password, &challenge);
        self.auth(ReasonCode::ContinueAuthentication, &proof);
        verifier
    }

    /// Connects and proves.
    fn log_in(broker: &Broker, client_id: &str, (username, password): (&str, &str)) -> (Self, String) {
        let mut client = Self::connect(broker, client_id, METHOD, &first(username));
        let verifier = client.prove(username, password);
        (client, verifier)
    }
}

fn first(username: &str) -> String {
    format!("n,,n={username},r={NONCE}")
}

fn said(packet: &Packet<'_>) -> Said {
    let parts = |properties: &mqtt::Properties<'_>| {
        let data = properties.authentication_data().unwrap_or_default();
        let method = properties.authentication_method().map(str::to_owned);
        (method, String::from_utf8_lossy(data).into_owned())
    };
    if let Packet::ConnAck(packet) = packet {
        let (method, data) = parts(&packet.properties);
        return Said::ConnAck(packet.reason, method, data);
    }
    if let Packet::Auth(packet) = packet {
        let (method, data) = parts(&packet.properties);
        return Said::Auth(packet.reason, method, data);
    }
    match packet {
        Packet::Disconnect(packet) => Said::Disconnect(packet.reason),
        Packet::PingResp => Said::Pong,
        other => panic!("not expected: {other:?}"),
    }
}

fn refused(code: ReasonCode) -> Said {
    Said::ConnAck(code, None, String::new())
}

#[test]
fn a_client_that_knows_the_password_is_let_in_and_believes_the_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(&users(dir.path()), &[]);
    // Ten client ids live on both shards.
    for number in 0..10 {
        let id = format!("client-{number}");
        let (mut client, verifier) = Client::log_in(&broker, &id, ("ann", "pencil"));
        let accepted = Said::ConnAck(ReasonCode::Success, Some(METHOD.to_owned()), verifier);
        assert_eq!(client.hear(), accepted);
        let row = get(broker.admin(), &format!("/api/v5/clients/{id}")).json();
        assert_eq!(row["username"], "ann");
        for _ in 0..2 {
            client.auth(ReasonCode::ReAuthenticate, &first("ann"));
            let verifier = client.prove("ann", "pencil");
            let accepted = Said::Auth(ReasonCode::Success, Some(METHOD.to_owned()), verifier);
            assert_eq!(client.hear(), accepted);
        }
        client.send(&Packet::PingReq);
        assert_eq!(client.hear(), Said::Pong);
    }
}

#[test]
fn whoever_does_not_is_refused_and_not_told_whether_the_user_is_known() {
    let dir = tempfile::tempdir().expect("a directory");
    let broker = broker(&users(dir.path()), &[]);
    for user in [("ann", "pen"), ("bob", "pencil")] {
        let (mut client, _) = Client::log_in(&broker, "c", user);
        assert_eq!(client.hear(), refused(ReasonCode::NotAuthorized), "{user:?}");
        assert_eq!(client.hear(), Said::End);
    }
    let mut client = Client::connect(&broker, "c", "SCRAM-SHA-1", &first("ann"));
    assert_eq!(client.hear(), refused(ReasonCode::BadAuthenticationMethod));
    // What would make a careless parser fall over.
    for data in ["", "n", "n,,n", "n,,n=ann,r", "n,a,n=ann,r=x"] {
        let mut client = Client::connect(&broker, "c", METHOD, data);
        assert_eq!(client.hear(), refused(ReasonCode::NotAuthorized), "{data}");
        assert_eq!(client.hear(), Said::End);
    }
    let reason = ["reason=\"authentication_failed\""];
    let closed = metric(broker.admin(), "ringwire_connections_closed", &reason);
    assert_eq!(closed, 7.0);
}

#[test]
fn an_established_client_that_fails_to_prove_anew_is_told_so_and_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = users(dir.path());
    set_password(&file, "bob", "crayon");
    let broker = broker(&file, &[]);
    for user in [("ann", "pen"), ("bob", "crayon")] {
        let (mut client, _) = Client::log_in(&broker, "c", ("ann", "pencil"));
        assert!(matches!(client.hear(), Said::ConnAck(ReasonCode::Success, ..)));
        client.auth(ReasonCode::ReAuthenticate, &first(user.0));
        client.prove(user.0, user.1);
        assert_eq!(client.hear(), Said::Disconnect(ReasonCode::NotAuthorized));
        assert_eq!(client.hear(), Said::End);
    }
}

#[test]
fn an_exchange_that_stops_in_the_middle_is_ended() {
    let dir = tempfile::tempdir().expect("a directory");
    let more = ["--set", "listener.mqtt.idle_timeout=500ms"];
    let broker = broker(&users(dir.path()), &more);
    let mut client = Client::connect(&broker, "c", METHOD, &first("ann"));
    assert!(matches!(
        client.hear(),
        Said::Auth(ReasonCode::ContinueAuthentication, ..)
    ));
    assert_eq!(client.hear(), Said::End);
}

#[test]
fn exchanges_that_nobody_ends_do_not_add_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let more = [
        "--set",
        "limits.exchanges=20",
        "--set",
        "listener.mqtt.idle_timeout=60s",
    ];
    let broker = broker(&users(dir.path()), &more);
    let (mut told, mut turned_away) = (Vec::new(), 0);
    for number in 0..100 {
        let mut client = Client::connect(&broker, &format!("c{number}"), METHOD, &first("ann"));
        match client.hear() {
            Said::Auth(ReasonCode::ContinueAuthentication, ..) => told.push(client),
            other => {
                assert_eq!(other, refused(ReasonCode::QuotaExceeded));
                turned_away += 1;
            }
        }
    }
    assert_eq!((told.len(), turned_away), (40, 60), "20 on each of two shards");
    // Those that go make room.
    drop(told);
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let mut client = Client::connect(&broker, "c", METHOD, &first("ann"));
        if matches!(client.hear(), Said::Auth(..)) {
            break;
        }
        assert!(std::time::Instant::now() < until, "no room any more");
    }
}

#[test]
fn a_password_that_was_changed_counts_without_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = users(dir.path());
    let broker = broker(&file, &[]);
    set_password(&file, "ann", "crayon");
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let (mut client, _) = Client::log_in(&broker, "c", ("ann", "crayon"));
        if matches!(client.hear(), Said::ConnAck(ReasonCode::Success, ..)) {
            break;
        }
        assert!(
            std::time::Instant::now() < until,
            "the new password is never taken"
        );
    }
    let (mut client, _) = Client::log_in(&broker, "c", ("ann", "pencil"));
    assert_eq!(client.hear(), refused(ReasonCode::NotAuthorized));
}
