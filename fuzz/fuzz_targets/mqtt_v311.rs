//! The MQTT decoder on a connection of version 3.1.1: any bytes, as a stream of packets.
//!
//! What must hold is in `checks/mqtt.rs`; `codec/tests/corpus.rs` replays the corpus with the same code.
#![no_main]

#[path = "../checks/mqtt.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    checks::check(ringwire_codec::mqtt::Version::V311, bytes);
});
