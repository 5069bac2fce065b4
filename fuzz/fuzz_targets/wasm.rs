//! Adapters in WebAssembly: a module that does the worst that its input says, and any bytes for the samples.
//!
//! What must hold is in `checks/wasm.rs`; `wasm/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

#[path = "../checks/wasm.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(bytes);
});
