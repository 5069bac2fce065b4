//! How cost grows: measures engines without a network, and turns measurements into tables and plots.
//!
//! `growth measure` prints rows of `chart, series, x, y`, separated by tabs; `scripts/growth.sh` puts those of the network
//! beside them. `growth report ROWS MACHINE DIRECTORY` writes the plots into the directory and the page on standard output.
//! Every figure comes from a process of its own, which this one starts as `growth cell ...` or, below callgrind, as
//! `growth count ...`.

mod cell;
mod heap;
mod page;
mod plot;

use std::process::{Command, ExitCode};

#[global_allocator]
static HEAP: heap::Counted = heap::Counted::new();

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    chart: String,
    series: String,
    x: f64,
    y: f64,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["measure"] => measure(),
        ["cell", kind, count, shards] => cell::measure(kind, count, shards),
        ["count", kind, count] => cell::count(kind, count),
        ["report", rows, machine, directory] => page::write(rows, machine, directory),
        _ => Err("usage: growth measure | growth report ROWS MACHINE DIRECTORY".to_owned()),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("growth: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Every cell in turn, as rows.
fn measure() -> Result<String, String> {
    let mut rows = String::new();
    for count in [1_000, 10_000, 100_000, 1_000_000] {
        for kind in ["unique", "wildcard", "overlapping"] {
            rows += &cell(kind, count, 1)?;
        }
    }
    for count in [1_000, 10_000, 100_000] {
        for kind in ["unique", "wildcard", "overlapping"] {
            rows += &instructions(kind, count)?;
        }
    }
    for subscribers in [10, 30, 100, 300, 1_000] {
        rows += &cell("fan-out", subscribers, 1)?;
    }
    for shards in [1, 2, 4, 8] {
        rows += &cell("shards", 100_000, shards)?;
    }
    Ok(rows)
}

fn cell(kind: &str, count: usize, shards: u16) -> Result<String, String> {
    let mut command = Command::new(own_program()?);
    command.args(["cell", kind, &count.to_string(), &shards.to_string()]);
    output(&mut command)
}

/// Instructions of one publish, counted by callgrind.
fn instructions(kind: &str, count: usize) -> Result<String, String> {
    let counts = std::env::temp_dir().join(format!("growth-callgrind.{}", std::process::id()));
    let mut command = Command::new("valgrind");
    command
        .args([
            "-q",
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*cell*counted*",
        ])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(own_program()?)
        .args(["count", kind, &count.to_string()]);
    let publishes: f64 = number(&output(&mut command)?)?;
    let text = std::fs::read_to_string(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
    // It is only in the way of the next count.
    let _ = std::fs::remove_file(&counts);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let each = number(total.unwrap_or_default())? / publishes;
    Ok(format!("instructions\t{kind}\t{count}\t{each:.1}\n"))
}

fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number"))
}

fn own_program() -> Result<std::path::PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("who am I: {error}"))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    eprintln!("{command:?}: done");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
