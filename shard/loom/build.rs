//! Writes the mutants: copies of the files under test, each with one line of reasoning taken out of it.
//!
//! A loom test that passes says little as long as nobody saw it fail. Each mutant here breaks the protocol in one way, and
//! `src/lib.rs` demands that a model finds it. A text that no longer occurs exactly once in its file ends the build, so a
//! change of the protocol cannot leave a mutant behind that mutates nothing.

use std::path::Path;
use std::{env, fs};

/// Compiled once with loom as they are, and once for each mutant. `models.rs` is not mutated but must name the mutant's types.
const FILES: [(&str, &str); 4] = [
    ("doorbell", "../src/doorbell.rs"),
    ("mesh", "../src/mesh.rs"),
    ("mailbox", "../src/mailbox.rs"),
    ("models", "src/models.rs"),
];

/// In `file`, `from` becomes `to`.
struct Edit {
    file: &'static str,
    from: &'static str,
    to: &'static str,
}

const fn edit(file: &'static str, from: &'static str, to: &'static str) -> Edit {
    Edit { file, from, to }
}

const SLEEP: &str = "self.sleeping.swap(true, Ordering::Relaxed);";

/// Module name of each mutant in `src/lib.rs`, and what is wrong with it.
const MUTANTS: &[(&str, &[Edit])] = &[
    (
        "sleeper_does_not_look_again",
        &[edit("doorbell", "if has_work() {", "if has_work() && false {")],
    ),
    (
        "sleeper_looks_before_it_says_so",
        &[
            edit(
                "doorbell",
                SLEEP,
                "let work = has_work();\nself.sleeping.swap(true, Ordering::Relaxed);",
            ),
            edit("doorbell", "if has_work() {", "if work {"),
        ],
    ),
    (
        "sleeper_without_a_fence",
        &[edit(
            "doorbell",
            "fence(Ordering::SeqCst);\n        if has_work()",
            "if has_work()",
        )],
    ),
    (
        "sleeper_with_a_weaker_fence",
        &[edit(
            "doorbell",
            "fence(Ordering::SeqCst);\n        if has_work()",
            "fence(Ordering::AcqRel);\n        if has_work()",
        )],
    ),
    (
        "poster_without_a_fence",
        &[edit(
            "doorbell",
            "fence(Ordering::SeqCst);\n        // The load",
            "// The load",
        )],
    ),
    (
        "poster_with_a_weaker_fence",
        &[edit(
            "doorbell",
            "fence(Ordering::SeqCst);\n        // The load",
            "fence(Ordering::AcqRel);\n        // The load",
        )],
    ),
    (
        "every_poster_rings",
        &[edit(
            "doorbell",
            "self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed)",
            "self.sleeping.load(Ordering::Relaxed)",
        )],
    ),
    (
        "poster_knocks_before_its_push",
        &[
            edit(
                "mesh",
                "match outgoing.queue.try_send(batch) {",
                "let asleep = self.doorbells[to.index()].knock();\nmatch outgoing.queue.try_send(batch) {",
            ),
            edit("mesh", "if self.doorbells[to.index()].knock() {", "if asleep {"),
        ],
    ),
    (
        "sleeper_forgets_what_came",
        &[edit(
            "mesh",
            "any(|incoming| !incoming.queue.is_empty())",
            "any(|_| false)",
        )],
    ),
    (
        "sleeper_forgets_its_stuck_batch",
        &[edit("mesh", "any(Outgoing::has_room_again)", "any(|_| false)")],
    ),
    (
        "stuck_sender_does_not_say_so",
        &[edit("mesh", "outgoing.stuck.store(true, Ordering::Relaxed);", "")],
    ),
    (
        "taker_without_a_fence",
        &[edit(
            "mesh",
            "fence(Ordering::SeqCst);\n        self.stuck",
            "self.stuck",
        )],
    ),
    (
        "taker_looks_for_the_stuck_before_it_takes",
        &[
            edit(
                "mesh",
                "let Ok(batch) = incoming.queue.try_recv() else",
                "let relieved = incoming.relieves(&self.doorbells[from]);\n\
                 let Ok(batch) = incoming.queue.try_recv() else",
            ),
            edit(
                "mesh",
                "if incoming.relieves(&self.doorbells[from]) {",
                "if relieved {",
            ),
        ],
    ),
    (
        "asker_knocks_before_its_question",
        &[
            edit(
                "mailbox",
                "match self.questions.try_send(question) {",
                "let asleep = self.doorbells[self.shard.index()].knock();\n\
                 match self.questions.try_send(question) {",
            ),
            edit(
                "mailbox",
                "if self.doorbells[self.shard.index()].knock() {",
                "if asleep {",
            ),
        ],
    ),
];

fn main() {
    let out = env::var("OUT_DIR").expect("cargo sets it");
    for (_, path) in FILES {
        println!("cargo::rerun-if-changed={path}");
    }
    for (mutant, edits) in MUTANTS {
        let modules: String = FILES
            .iter()
            .map(|(name, path)| module(mutant, name, path, edits))
            .collect();
        fs::write(Path::new(&out).join(format!("{mutant}.rs")), modules).expect("OUT_DIR can be written");
    }
}

/// One file as a module beside the other three, with the mutant's edits in it.
fn module(mutant: &str, name: &str, path: &str, edits: &[Edit]) -> String {
    let mut text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    for edit in edits.iter().filter(|edit| edit.file == name) {
        let found = text.matches(edit.from).count();
        assert_eq!(
            found, 1,
            "mutant {mutant}: {path} has {found} times, not once: {}",
            edit.from
        );
        text = text.replace(edit.from, edit.to);
    }
    for (other, _) in FILES {
        text = text.replace(&format!("crate::{other}"), &format!("super::{other}"));
    }
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("//!")).collect();
    format!("pub mod {name} {{\n{}\n}}\n", code.join("\n"))
}
