//! `ringwire bench`: runs a load, shows how far it is, and says what came out.
//!
//! Three ways in: [`run`] for one scenario against a broker that runs, [`compare()`] for several brokers in turn, [`list`].
//! The load itself is `ringwire-load`'s; here are the command line's meaning, tables, JSON, the HTML report, and the
//! starting and stopping of the brokers that are compared.

mod chart;
mod checks;
mod compare;
mod error;
mod figures;
mod goals;
mod page;
mod planning;
mod progress;
mod report;
mod spec;
mod stage;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod words;

pub use error::BenchError;

use crate::command::bench::{Bench, Compare, Load, Rate, Results, Run, Spoken as Flag, What};
use progress::Watch;
use report::{Described, FORMAT, Report, Setting};
use ringwire_load::Plan;
use ringwire_load::scenario;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use target::{Spoken, Target};

/// Does what the command line says, and gives what goes to standard output, also of a run whose checks failed.
pub fn bench(options: &Bench) -> (String, Result<(), BenchError>) {
    let done = match &options.what {
        Some(What::List) => Ok((list(), Ok(()))),
        Some(What::Compare(options)) => compare(options),
        None => run(&options.run),
    };
    done.unwrap_or_else(|error| (String::new(), Err(error)))
}

/// What goes to standard output, and whether the checks were passed.
type Printed = (String, Result<(), BenchError>);

fn run(options: &Run) -> Result<Printed, BenchError> {
    let name = options.scenario.as_deref().unwrap_or_default();
    if let Some(Rate::OfSaturation(_)) = options.load.rate {
        let why = "--rate with % needs to know what the broker reaches: use `ringwire bench compare`";
        return Err(BenchError::Flags(why.to_owned()));
    }
    let (mut plan, targets) = aimed(name, options)?;
    plan.broker_pid = options.broker_pid;
    planning::enough_ports(&plan)?;
    planning::raise_open_files()?;
    targets.iter().try_for_each(Target::probe)?;

    let setting = Setting::here();
    let mut watch = Watch::new(options.results.quiet);
    let outcome = ringwire_load::run(&plan, &mut |progress| watch.show(name, progress));
    watch.end();
    let report = Report {
        format: FORMAT.to_owned(),
        setting,
        plan: Described::of(&plan, summary(name)),
        outcome: outcome?,
    };
    let loss_counts = options.results.strict || report.plan.qos_most > 0;
    let failures = checks::failures(&report.outcome, loss_counts);
    let text = written(
        &options.results,
        &report,
        (table::run(&report), page::run(&report)),
    )?;
    let verdict = match failures.as_slice() {
        [] => Ok(()),
        failures => Err(BenchError::Checks(failures.join(", "))),
    };
    Ok((text, verdict))
}

/// The plan and where it goes: by default where Ringwire listens by default.
fn aimed(name: &str, options: &Run) -> Result<(Plan, Vec<Target>), BenchError> {
    let targets: Result<Vec<_>, _> = options.target.iter().map(|text| Target::parse(text)).collect();
    let mut targets = targets?;
    let load = with_protocol_of(&targets, &options.load);
    let mut plan = planning::plan(name, &load, None)?;
    if targets.is_empty() {
        targets.push(Target::usual(Spoken::Mqtt));
        if load.protocol == Some(Flag::Private) {
            targets.push(Target::usual(Spoken::Private));
        }
    }
    planning::aim(&mut plan, &targets)?;
    Ok((plan, targets))
}

/// `--target emqtcp://...` says what is spoken, where `--protocol` does not.
fn with_protocol_of(targets: &[Target], load: &Load) -> Load {
    let has = |spoken: Spoken| targets.iter().any(|target| target.spoken == spoken);
    let mut load = load.clone();
    if load.protocol.is_none() && has(Spoken::Private) {
        load.protocol = Some(Flag::Private);
    } else if load.protocol.is_none() && has(Spoken::Raw) {
        load.protocol = Some(Flag::Raw);
    }
    load
}

fn compare(options: &Compare) -> Result<Printed, BenchError> {
    let comparison = compare::compare(options)?;
    let text = written(
        &options.results,
        &comparison,
        (table::comparison(&comparison), page::comparison(&comparison)),
    )?;
    Ok((text, compare::judge(options, &comparison)))
}

/// Writes the files; what is left for standard output.
fn written(
    results: &Results,
    report: &impl Serialize,
    (table, page): (String, String),
) -> Result<String, BenchError> {
    if let Some(path) = &results.html {
        write_file(path, &page)?;
    }
    let Some(path) = &results.json else {
        return Ok(table);
    };
    let mut json = serde_json::to_string_pretty(report).map_err(|error| BenchError::Write {
        path: path.clone(),
        source: error.into(),
    })?;
    json.push('\n');
    if path == Path::new("-") {
        return Ok(json);
    }
    write_file(path, &json)?;
    Ok(table)
}

fn write_file(path: &Path, text: &str) -> Result<(), BenchError> {
    std::fs::write(path, text).map_err(|source| BenchError::Write {
        path: path.to_owned(),
        source,
    })
}

fn list() -> String {
    let mut text = "Scenarios:\n".to_owned();
    for scenario in &scenario::ALL {
        let _ = writeln!(text, "  {:<10} {}", scenario.name, scenario.summary);
    }
    text += "\nNames of EMQ's public suite, read by their numbers (500, 50K, 1M), 16 bytes at QoS 1:\n";
    for pattern in scenario::SUITE {
        let _ = writeln!(text, "  {pattern}");
    }
    text += "\nIn `ringwire bench compare` also `goals`, what Ringwire wants to reach:\n";
    for goal in &goals::ALL {
        let _ = writeln!(text, "  {:<14} {}", goal.name, goal.text);
    }
    text
}

/// One line of a scenario.
fn summary(name: &str) -> String {
    let known = scenario::ALL.iter().find(|scenario| scenario.name == name);
    known
        .map_or("of EMQ's public suite", |scenario| scenario.summary)
        .to_owned()
}
