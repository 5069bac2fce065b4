//! The shipped protocols: their vectors through `ringwire adapter test`, and each of them as a real device over TCP.
//!
//! The second is the same files of vectors, played by a device against the real binary with two shards: what the device
//! must get comes over its socket, what it publishes at an MQTT subscriber, and what cannot be read is in the log.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../e2e/client.rs"]
#[allow(dead_code)]
mod client;
mod command;
mod device;
