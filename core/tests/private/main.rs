//! The private protocol's behaviour, row by row, through engines wired together, at byte level.
//!
//! One named test a row of the protocol's table; `greeting.rs` has the rows about who gets in, `traffic.rs` those about
//! frames and messages, `away.rs` those about slow and absent devices.

mod away;
mod greeting;
#[path = "../node/mod.rs"]
mod node;
mod traffic;

use node::{Hello, Node, Peer};
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::mqtt::Version;
use ringwire_codec::private::{self, Connect, Decoded, Frame};
use ringwire_core::settings::{Device, Listener, Protocol};
use ringwire_core::{CloseReason, ListenerId, Note, Settings};
use std::sync::Arc;

const PRIVATE: ListenerId = ListenerId(1);

fn settings(shards: u16, private: Device) -> Settings {
    let mut settings = node::settings(shards);
    settings.listeners.push(Listener {
        name: "private".into(),
        max_connections: 100,
        protocol: Protocol::Device(private),
    });
    settings
}

/// A listener of EMQ's protocol with keys of its own.
fn speaking(emq: EmqTcp) -> Device {
    Device {
        adapter: Arc::new(emq),
        ..Device::default()
    }
}

/// Two shards, so that hand-over, mesh and interest take part.
fn node(private: Device) -> Node {
    Node::with(settings(2, private))
}

fn encoded(frame: Frame<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    assert!(frame.encode(&mut bytes));
    bytes
}

fn hello(client_id: &str) -> Connect<'_> {
    Connect {
        keepalive: 0,
        client_id: client_id.as_bytes(),
        username: None,
        password: None,
    }
}

fn connect_bytes(connect: Connect<'_>) -> Vec<u8> {
    encoded(Frame::Connect {
        version: 1,
        connect: Some(connect),
    })
}

fn data(payload: &[u8]) -> Vec<u8> {
    encoded(Frame::DataTrans { flags: 0, payload })
}

/// Opens on a shard and greets; what the server answered is not taken yet.
fn greet(node: &mut Node, shard: u16, connect: Connect<'_>) -> Peer {
    let peer = node.open_on(shard, PRIVATE);
    node.send(peer, &connect_bytes(connect));
    peer
}

/// Opens on shard 0, greets, and checks that the device was accepted.
fn device(node: &mut Node, client_id: &str) -> Peer {
    let peer = greet(node, 0, hello(client_id));
    let frames = take(node, peer);
    assert_eq!(frames[0], "connack Accepted Connect Successfully");
    assert_eq!(frames.len(), 1, "{frames:?}");
    peer
}

fn mqtt(node: &mut Node, client_id: &str) -> Peer {
    node.connect(0, Hello::new(Version::V311, client_id))
}

/// An MQTT client that sees what devices send up.
fn watcher(node: &mut Node, filter: &str) -> Peer {
    let name = node.name_at(1, "watcher");
    let peer = mqtt(node, &name);
    node.subscribe(peer, Version::V311, filter, 2);
    node.take(peer);
    peer
}

fn seen(node: &mut Node, peer: Peer) -> Vec<String> {
    node.take_words(peer, Version::V311)
}

/// What the server sent to a device since the last call, in words.
fn take(node: &mut Node, peer: Peer) -> Vec<String> {
    let bytes = node.take(peer);
    let mut rest = &bytes[..];
    let mut words = Vec::new();
    while !rest.is_empty() {
        let Ok(Decoded::Frame(frame, size)) = private::decode(rest, private::PAYLOAD_BYTES_MAX) else {
            panic!("the server sent {rest:02x?}");
        };
        words.push(match frame {
            Frame::ConnAck { code, message } => {
                format!("connack {code:?} {}", String::from_utf8_lossy(message))
            }
            Frame::DataTrans { flags: 0, payload } => format!("data {}", String::from_utf8_lossy(payload)),
            Frame::Pong => "pong".to_owned(),
            other => panic!("the server sent {other:?}"),
        });
        rest = &rest[size..];
    }
    words
}

fn closed(node: &mut Node, peer: Peer) -> Option<CloseReason> {
    node.wire(peer).closed
}

/// The detail of the last close.
fn detail(node: &Node) -> String {
    let mut details = node.notes.iter().filter_map(|note| match note {
        Note::Closed { detail, .. } => Some(detail.clone()),
        Note::Connected { .. } | Note::Dropped { .. } | Note::Unreadable { .. } | Note::Banned { .. } => None,
    });
    details.next_back().expect("something was closed")
}
