//! Bytes to packets and back, for every protocol that Ringwire speaks.
//!
//! Sans-io: callers own the bytes and the buffers. Decoding borrows from the input and allocates nothing; encoding
//! appends to the caller's `Vec<u8>`. Knows nothing of sessions, sockets or time. No input may reach a panic.
#![forbid(unsafe_code)]

pub mod adapter;
pub mod mqtt;
pub mod private;
pub mod topic;
