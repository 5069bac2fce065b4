//! What a run did: a hash over the content of every action, and, when a failed seed is played again, the last lines of
//! it as text.
//!
//! The hash is what the determinism tests compare. It must cover bytes, parcels, closes, notes, pauses and hand-overs in
//! the order in which the engine asked for them; the text is for people and is not made in ordinary runs.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// The last lines of a trace. Shared with whoever runs the seed, so that they outlive a panic.
#[derive(Clone, Debug)]
pub struct Lines {
    kept: Rc<RefCell<VecDeque<String>>>,
    kept_max: usize,
}

impl Lines {
    /// Keeps the last `kept_max` lines.
    pub fn new(kept_max: usize) -> Self {
        Self {
            kept: Rc::default(),
            kept_max,
        }
    }

    /// The lines as one text.
    pub fn tail(&self) -> String {
        self.kept.borrow().iter().cloned().collect::<Vec<_>>().join("\n")
    }

    fn push(&self, line: String) {
        let mut lines = self.kept.borrow_mut();
        if lines.len() == self.kept_max {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// The record of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hash: u64,
    lines: Option<Lines>,
}

impl Trace {
    /// With `lines` the last lines are kept for people.
    pub fn new(lines: Option<Lines>) -> Self {
        Self { hash: 0, lines }
    }

    /// Adds a number to the hash.
    pub fn word(&mut self, word: u64) {
        let mixed = (self.hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.hash = mixed ^ (mixed >> 29);
    }

    /// Adds bytes, and how many they are, to the hash.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Adds a line of text, made only when somebody will read it.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &self.lines {
            lines.push(line());
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

/// Bytes for people: the first 48 in hex.
pub fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().take(48).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > 48 {
        format!("{shown}.. ({} bytes)", bytes.len())
    } else {
        shown
    }
}
