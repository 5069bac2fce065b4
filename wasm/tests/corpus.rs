//! Replays the corpus of the fuzz target `wasm` with the very code that it runs, and scripts of a seeded generator.
//!
//! `fuzz/corpus/wasm/` holds scripts to start from and every input that once showed a defect.

// The adapter reads no files; its tests may.
#![allow(clippy::disallowed_methods)]

use std::path::Path;

#[path = "../../fuzz/checks/wasm.rs"]
mod checks;

#[test]
fn every_input_of_the_corpus_passes_its_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/wasm");
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("readable").path();
        println!("{}", path.display());
        checks::check(&std::fs::read(path).expect("readable"));
        inputs += 1;
    }
    assert!(inputs >= 10, "only {inputs} inputs");
}

/// Random scripts of operations that mean something, which random bytes seldom do. `RINGWIRE_WASM_SECONDS` runs more.
#[test]
fn scripts_of_a_generator_pass_the_target() {
    let seconds = std::env::var("RINGWIRE_WASM_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(3);
    let started = std::time::Instant::now();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut scripts = 0_u64;
    while started.elapsed().as_secs() < seconds {
        let script = script(&mut random);
        let shown = script.escape_ascii().to_string();
        let outcome = std::panic::catch_unwind(|| checks::check(&script));
        assert!(outcome.is_ok(), "script {scripts}: {shown}");
        scripts += 1;
    }
    println!("{scripts} scripts");
    assert!(scripts > 10, "only {scripts}");
}

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u8) -> u8 {
        u8::try_from(self.next() % u64::from(limit)).expect("below a byte")
    }

    fn byte(&mut self) -> u8 {
        self.below(u8::MAX)
    }
}

fn script(random: &mut Random) -> Vec<u8> {
    let choice = random.below(4) % 3;
    let mut script = vec![choice];
    for _ in 0..random.below(24) {
        let piece = match choice {
            0 => operations(random),
            1 => pager(random),
            _ => tracker(random),
        };
        let what = (random.byte() & 0xf0) | random.below(16);
        script.extend([what, u8::try_from(piece.len().min(255)).expect("a byte")]);
        script.extend(&piece[..piece.len().min(255)]);
    }
    script
}

/// Of the puppet: mostly addresses that are its own, sometimes far out.
fn operations(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=random.below(5) {
        let operation = random.below(21);
        // A trap ends everything, so it is rare.
        let operation = if operation == 14 && random.below(8) > 0 {
            1
        } else {
            operation
        };
        bytes.push(operation);
        let words = [1, 4, 8, 3, 1, 1, 1, 4, 4, 2, 2, 2, 2, 1, 0, 2, 3, 2, 1, 0, 0][usize::from(operation)];
        for at in 0..words {
            let word: u16 = match random.below(16) {
                0 => 0xffff,
                1 => u16::from(random.byte()) << 8,
                2 => 0,
                3..=6 => u16::from(random.below(10)),
                _ if at % 2 == 0 => 4096 + u16::from(random.below(64)),
                _ => u16::from(random.below(40)),
            };
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

fn pager(random: &mut Random) -> Vec<u8> {
    let kind = b"LDDDPQ?"[usize::from(random.below(7))];
    let size = random.below(20);
    let mut bytes = vec![size.saturating_add(1), kind];
    bytes.extend((0..size).map(|_| random.byte()));
    bytes.truncate(usize::from(random.byte()) + 1);
    bytes
}

fn tracker(random: &mut Random) -> Vec<u8> {
    let kind = 1 + random.below(5);
    let mut body: Vec<u8> = (0..random.below(40)).map(|_| random.byte() % 3).collect();
    if kind == 2 && random.below(3) > 0 {
        body = vec![0, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0xff, 0, 1, 2];
    }
    let count = u8::try_from(body.len()).expect("a short body");
    let sum = body.iter().fold(count ^ kind, |sum, byte| sum ^ byte);
    let spoiled = u8::from(random.below(12) == 0);
    [&[0xa5, count, kind], &body[..], &[sum ^ spoiled]].concat()
}
