//! The clients of `devices/` for device makers, each against the real binary: C, Rust and Python.
//!
//! Each has a console program with the same words on its standard output, so every claim in `claims.rs` is made once and
//! holds for all three. Besides: the C client's own tests with sanitizers (`c.rs`), and the blocks of `devices/README.md`
//! pasted (`readme.rs`). A missing compiler or interpreter is said loudly; in CI it is a failure.

#[path = "../broker/mod.rs"]
#[allow(dead_code)]
mod broker;

#[path = "../e2e/client.rs"]
#[allow(dead_code)]
mod client;

#[path = "../e2e/device.rs"]
#[allow(dead_code)]
mod device;

mod adapters;
mod c;
mod claims;
mod console;
mod readme;

use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
