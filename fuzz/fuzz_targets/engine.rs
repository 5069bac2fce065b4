//! A whole node of engines under a script of what clients, shards and time do.
//!
//! What must hold is in `checks/engine/`; `core/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../checks/engine/mod.rs"]
mod engine;

fuzz_target!(|bytes: &[u8]| engine::check(bytes));
