//! Style as a test: walls for files and functions, a header in every file, banned names and words, who may import whom,
//! where `unsafe` may stand. It reads the sources as text, which is enough because `cargo fmt` is enforced beside it.
//!
//! An exception is a row in [`EXCEPTIONS`] with its reason; the list is meant to be empty.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES: usize = 600;
const FUNCTION_LINES: usize = 70;
const FOLDERS: [&str; 10] = [
    "codec", "core", "shard", "admin", "load", "wasm", "src", "tests", "benches", "devices",
];
const NAMES: [&str; 5] = ["utils", "types", "common", "helpers", "manager"];
const WORDS: [&str; 4] = [".unwrap()", "todo!(", "unimplemented!(", "dbg!("];

/// Files of `shard/` that talk to the kernel where no safe crate does; tests that count allocations or set limits.
const UNSAFE: [&str; 9] = [
    "shard/src/bell.rs",
    "shard/src/ring.rs",
    "shard/src/ring/buffers.rs",
    "shard/src/ring/flight.rs",
    "shard/src/ring/system.rs",
    "benches/engine/src/bin/growth/heap.rs",
    "codec/tests/allocation.rs",
    "core/tests/memory.rs",
    "tests/broker/mod.rs",
];

/// (file, check, reason)
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

struct Source {
    /// From the root of the workspace.
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        let file = self.path.rsplit('/').next();
        ["tests/", "benches/", "/loom/"]
            .iter()
            .any(|part| self.path.contains(part))
            || file == Some("tests.rs")
    }

    /// Lines of code with their numbers, without comments; not the unit tests, which come last.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = (1..).zip(self.text.lines());
        let shipped = numbered.take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
        shipped.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut found);
    }
    assert!(
        found.len() > 40,
        "only {} files: looked in the wrong place",
        found.len()
    );
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let path = path
                .strip_prefix(root())
                .expect("below the root")
                .display()
                .to_string();
            found.push(Source { path, text });
        }
    }
}

/// Fails with every finding that is not an exception.
fn nothing(check: &str, findings: impl IntoIterator<Item = (String, String)>) {
    let excepted = |path: &str| {
        EXCEPTIONS
            .iter()
            .any(|(file, known, _)| *file == path && *known == check)
    };
    let left = findings.into_iter().filter(|(path, _)| !excepted(path));
    let left: Vec<_> = left.map(|(path, what)| format!("{path}: {what}")).collect();
    assert!(left.is_empty(), "{check}:\n{}", left.join("\n"));
}

/// (first line, lines) of each function: from `fn` to the brace of the same indentation.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let begins = |line: &str| {
        let plain = line.replace("pub(crate)", "pub").replace("pub(super)", "pub");
        let head = plain.split('(').next().unwrap_or_default();
        let mut words = head.split_whitespace();
        // A type, as of `field: fn(...)`, has no name behind its `fn`.
        let is_named = words.any(|word| word == "fn") && words.next().is_some();
        is_named && !line.trim_start().starts_with("//")
    };
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| begins(line)) {
        let indent = line.len() - line.trim_start().len();
        let end = lines[at..].iter().position(|line| {
            let own = line.len() - line.trim_start().len() == indent;
            own && (line.trim() == "}" || line.ends_with(';') || line.ends_with(" }") || line.ends_with("{}"))
        });
        found.push((at + 1, end.map_or(1, |end| end + 1)));
    }
    found
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > FILE_LINES).then(|| (source.path, format!("{lines} lines, the wall is {FILE_LINES}")))
    });
    nothing("file wall", long);
}

#[test]
fn functions_are_short() {
    let mut seen = 0;
    let mut long = Vec::new();
    for source in sources() {
        for (line, lines) in functions(&source.text) {
            seen += 1;
            if lines > FUNCTION_LINES {
                long.push((
                    source.path.clone(),
                    format!("line {line}: a function of {lines} lines, the wall is {FUNCTION_LINES}"),
                ));
            }
        }
    }
    assert!(seen > 200, "only {seen} functions found");
    nothing("function wall", long);
}

#[test]
fn a_function_is_measured_to_its_own_brace() {
    let text = "impl A {\n    pub(crate) fn one(&self) {\n        if x {\n        }\n    }\n\n    fn two(\n        a: u8,\n    ) -> u8 {\n        a\n    }\n}\ntrait B {\n    fn three();\n}\nfn four() {}\n";
    assert_eq!(functions(text), [(2, 4), (7, 5), (14, 1), (16, 1)]);
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    nothing(
        "header",
        silent.map(|source| (source.path, "does not start with `//! `".to_owned())),
    );
}

#[test]
fn files_are_named_after_what_they_hold() {
    let vague = sources().into_iter().filter_map(|source| {
        let parts = source.path.trim_end_matches(".rs").split('/');
        let name = parts.into_iter().find(|part| NAMES.contains(part))?.to_owned();
        Some((source.path, format!("`{name}` says nothing")))
    });
    nothing("name", vague);
}

#[test]
fn shipped_code_has_no_banned_words() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (number, line) in source.code() {
            for word in WORDS.iter().filter(|word| line.contains(*word)) {
                found.push((source.path.clone(), format!("line {number}: {word}")));
            }
        }
    }
    nothing("banned word", found);
}

/// The `[dependencies]` of a package of ours on others of ours.
fn edges(package: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
    let own = text.lines().filter_map(|line| line.strip_prefix("ringwire-"));
    own.filter_map(|rest| rest.split(['.', ' ']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn packages_import_only_along_the_arrows() {
    assert_eq!(edges("codec"), [""; 0]);
    assert_eq!(edges("core"), ["codec"]);
    assert_eq!(edges("devices/rust"), ["codec"]);
    assert_eq!(edges("wasm"), ["codec"]);
    assert!(
        edges("shard")
            .iter()
            .all(|edge| edge == "core" || edge == "codec")
    );
    for package in ["admin", "load"] {
        assert!(
            edges(package)
                .iter()
                .all(|edge| edge == "shard" || edge == "core" || edge == "codec"),
            "{package}"
        );
    }
}

#[test]
fn only_shard_names_the_ring_and_its_executor() {
    let mut found = Vec::new();
    for package in ["codec", "core", "admin", "load", "wasm"] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let named = manifest
            .lines()
            .find(|line| line.starts_with("glommio") || line.starts_with("io-uring"));
        found.extend(named.map(|line| (format!("{package}/Cargo.toml"), line.to_owned())));
    }
    for source in sources()
        .iter()
        .filter(|source| !source.path.starts_with("shard/") && !source.is_test())
    {
        for (number, line) in source.code() {
            if ["glommio::", "io_uring::", "use glommio", "use io_uring"]
                .iter()
                .any(|name| line.contains(name))
            {
                found.push((source.path.clone(), format!("line {number}: {}", line.trim())));
            }
        }
    }
    nothing("ring", found);
}

#[test]
fn unsafe_stands_only_in_the_named_files() {
    let forbid = [
        "codec/src/lib.rs",
        "core/src/lib.rs",
        "load/src/lib.rs",
        "devices/rust/src/lib.rs",
        "src/main.rs",
    ];
    for (file, text) in forbid.map(|file| (file, root().join(file))) {
        let text = fs::read_to_string(text).unwrap();
        assert!(
            text.contains("#![forbid(unsafe_code)]"),
            "{file} does not forbid unsafe code"
        );
    }
    let mut found = Vec::new();
    for source in sources()
        .iter()
        .filter(|source| !UNSAFE.contains(&source.path.as_str()))
    {
        let of_code = source
            .text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in of_code {
            if ["unsafe {", "unsafe fn", "unsafe impl"]
                .iter()
                .any(|word| line.contains(word))
                && !line.contains('"')
            {
                found.push((source.path.clone(), line.trim().to_owned()));
            }
        }
    }
    nothing("unsafe", found);
}

#[test]
fn exceptions_are_still_needed_and_have_a_reason() {
    for (file, check, reason) in EXCEPTIONS {
        assert!(
            root().join(file).exists(),
            "{file} ({check}) is gone: remove its exception"
        );
        assert!(reason.len() > 20, "{file} ({check}): why?");
    }
    for file in UNSAFE {
        let Ok(text) = fs::read_to_string(root().join(file)) else {
            continue;
        };
        assert!(
            text.contains("unsafe"),
            "{file} has no unsafe code any more: remove it from the list"
        );
    }
}
