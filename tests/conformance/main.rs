//! The standards, statement by statement, as bytes against the real binary.
//!
//! `statements.txt` lists every normative statement of MQTT 3.1.1 and 5.0 and the tests that cover it; `statements.rs`
//! fails on a gap. A case is named by its statement and shows the bytes it sends and the bytes that must come back;
//! they are written in the notation of `notation.rs`, whose encoder shares nothing with the broker's codec, so that a
//! mistake there cannot hide itself. `v5_*.rs` hold the cases of 5.0, `v3_*.rs` those of 3.1 and 3.1.1, each file a
//! part of the standard.
//!
//! Client ids and topics are each test's own, since the broker with default settings is shared by all that run.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;

mod aliases;
mod bystanders;
mod client;
mod connack;
mod hostile;
mod listing;
mod notation;
mod server;
mod statements;
mod v3_1;
mod v3_connect;
mod v3_malformed;
mod v3_operation;
mod v3_publish;
mod v3_subscribe;
mod v5_acks;
mod v5_authentication;
mod v5_connack;
mod v5_connect;
mod v5_connect_actions;
mod v5_connect_properties;
mod v5_delivery;
mod v5_disconnect;
mod v5_fields;
mod v5_keepalive;
mod v5_malformed;
mod v5_malformed_properties;
mod v5_order;
mod v5_publish_actions;
mod v5_publish_aliases;
mod v5_publish_flags;
mod v5_publish_properties;
mod v5_session;
mod v5_shared;
mod v5_subscribe;
mod v5_topics;
mod v5_unsubscribe;
mod v5_violations;
mod v5_will;
