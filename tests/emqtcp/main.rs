//! EMQ's private TCP protocol, row by row, as bytes against the real binary.
//!
//! `rows.txt` lists every row of the protocol (frames, layout of CONNECT, vectors, topics, behaviour, listener keys) with
//! the tests that show it or the reason why there is none yet; `rows.rs` fails on a gap. Bytes are written by hand in the
//! notation of the conformance tests, so that the broker's codec cannot agree with its own mistakes. An MQTT client, also
//! by hand, sees what arrives. Two shards: where a client lives follows from its id, so several ids cross them.
//!
//! Ids and topics are each test's own, since brokers with the same settings are shared by the tests that run.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../conformance/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../conformance/listing.rs"]
mod listing;
#[path = "../conformance/notation.rs"]
#[allow(dead_code)]
mod notation;
#[path = "../conformance/server.rs"]
#[allow(dead_code)]
mod server;

mod away;
mod clients;
mod device;
mod down;
mod frames;
mod greeting;
mod layout;
mod listeners;
mod rows;
mod slow;
mod topics;
mod traffic;
mod up;
