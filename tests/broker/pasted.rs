//! Code blocks of a README, pasted into a shell against a broker: what stands there runs as printed, but for the ports.
//!
//! A block is tested when the line before it is `<!-- tested: NAME -->`. The programs that it needs are other people's:
//! where one is missing the test says so loudly and passes, unless `RINGWIRE_INTEROP=required`, as `.ci/run` sets it.

use std::process::{Child, Command, Stdio};

/// False, loudly, when a program is not installed and may be missing.
pub fn is_installed(program: &str, installed: bool) -> bool {
    if !installed {
        let required = std::env::var("RINGWIRE_INTEROP").is_ok_and(|value| value == "required");
        assert!(
            !required,
            "{program} is not installed and RINGWIRE_INTEROP=required"
        );
        println!("SKIPPED: {program} is not installed; .ci/run installs it");
    }
    installed
}

/// Whether all these are on the path, as `is_installed` wants it.
pub fn has(programs: &[&str]) -> bool {
    let found = |program: &&str| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&paths).any(|folder| folder.join(program).exists())
    };
    is_installed(&programs.join(", "), programs.iter().all(found))
}

/// The block `name` of `text`, with the ports replaced.
pub fn example(text: &str, name: &str, ports: &[(&str, u16)]) -> String {
    let mark = format!("<!-- tested: {name} -->\n```");
    let block = text
        .split_once(&mark)
        .unwrap_or_else(|| panic!("the README has {mark}"))
        .1;
    let code = block
        .split_once('\n')
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("a whole block")
        .0;
    let words = code.split_inclusive(|character: char| !character.is_ascii_digit());
    let replaced = words.map(|word| {
        let digits = word.trim_end_matches(|character: char| !character.is_ascii_digit());
        match ports.iter().find(|(port, _)| *port == digits) {
            Some((port, bound)) => word.replacen(port, &bound.to_string(), 1),
            None => word.to_owned(),
        }
    });
    replaced.collect()
}

/// Starts an interpreter with code, its output piped.
pub fn start(program: &str, flag: &str, code: &str) -> Child {
    let mut command = Command::new(program);
    command
        .args([flag, code])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().expect("the interpreter starts")
}

/// What a shell prints for code that must succeed.
pub fn output(code: &str) -> String {
    let output = start("sh", "-ec", code).wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{code}\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}
