//! The private protocol's decoder on a connection: any bytes, as a stream of frames.
//!
//! What must hold is in `checks/private.rs`; `codec/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

#[path = "../checks/private.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes);
});
