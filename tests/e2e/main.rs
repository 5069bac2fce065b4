//! The real binary, from its sockets: both protocols, two shards, the admin endpoint, its start and its end.
//!
//! MQTT is spoken by a client that nobody here wrote (`rumqttc`, 3.1.1 and 5.0); the private protocol by a small client
//! of our own. Nothing here looks inside the broker: what is not visible on a socket, on `/metrics` or in the exit code
//! is tested elsewhere.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;

mod admin;
mod authentication;
mod client;
mod device;
mod extras;
mod generator;
mod load;
mod mqtt;
mod placement;
mod private;
mod process;
#[cfg(feature = "wasm")]
mod wasm;
