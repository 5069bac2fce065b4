//! The JT/T 808 adapter on a connection: any bytes and frames of a terminal, any JSON for it.
//!
//! What must hold is in `checks/jt808.rs`; `codec/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

#[path = "../checks/jt808.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes);
});
