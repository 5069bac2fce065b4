//! Adapters by description: any description, and any bytes of a device.
//!
//! What must hold is in `checks/described/`; `codec/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

#[path = "../checks/described/mod.rs"]
mod described;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| described::check(bytes));
