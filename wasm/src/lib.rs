//! Adapters of private protocols as WebAssembly modules: code of somebody else's, kept in its place.
//!
//! A [`Module`] is a [`Blueprint`](ringwire_codec::adapter::Blueprint): compiled once, it makes one instance a shard and
//! listener. The interface is plain functions over linear memory, written down in `wasm/README.md`; there is no WASI.
//! Why it is as it is stands in `docs/decisions/0016-wasm.md`.
//!
//! The invariant: nothing that a module does reaches further than the connection that it was called for. What it knows
//! of a connection is kept out here between two calls, so an instance can be thrown away at any time.

#![forbid(unsafe_code)]

mod adapter;
mod error;
mod host;
mod imports;
mod instance;
mod module;
mod queue;
mod settings;
mod slot;
mod ticker;

pub use error::ModuleError;
pub use module::Module;
pub use settings::Settings;
