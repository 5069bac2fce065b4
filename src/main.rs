//! The `ringwire` command. [`serve`] is the story: read the configuration, start the shards, put the admin endpoint on
//! the control thread, say that all is ready, wait for a signal, drain.
//!
//! Everything that goes wrong on the way is one [`Failure`]: a line that says what to do, and an exit code. It decides
//! nothing about messages (`core/`) and moves none (`shard/`).
#![forbid(unsafe_code)]

mod adapter;
mod authority;
mod bench;
mod command;
mod config;
mod control;
mod cores;
mod data;
mod failure;
mod log;
mod migrate;
mod ready;
mod scram;
mod stats;
mod stop;
mod sys;
mod tune;

use clap::Parser;
use command::{Command, CommandLine, Options};
use config::Config;
use data::DataDir;
use failure::Failure;
use ringwire_core::placement::Placement;
use ringwire_shard::Node;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    failure::abort_on_bugs();
    let CommandLine { command, options } = CommandLine::parse();
    let done = match command.unwrap_or(Command::Serve(options)) {
        Command::Serve(options) => serve(&options),
        Command::Check(options) => check(&options),
        Command::Tune(arguments) => tuned(&arguments),
        Command::Bench(options) => bench(&options),
        Command::Adapter(what) => adapter(&what),
        Command::Passwd(arguments) => passwd(&arguments),
        Command::Migrate(arguments) => migrated(&arguments),
        Command::Example => say(&config::example()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn serve(options: &Options) -> Result<(), Failure> {
    let allowed = cores::allowed();
    let config = configuration(options, &allowed)?;
    let log = log::start(&config.log)?;
    let stop = stop::Stop::on_signals()?;
    let data = config.node.data_dir.as_deref().map(DataDir::open).transpose()?;
    let key = data
        .as_ref()
        .map_or_else(data::random, |data| Ok(data.placement_key))?;
    let admin = config.admin.bind.map(ringwire_admin::Admin::bind).transpose()?;
    let admin_address = admin.as_ref().map(ringwire_admin::Admin::address);

    let mut settings = config.settings(&allowed, key, data::random()?[0]);
    let cpus = config.shard_cpus(&allowed);
    let (authority, asks) = authority::lines(cpus.len());
    settings.authority = Some(authority);
    let desk = config.desk()?;
    let node = Node::start(settings)?;
    let shards = u16::try_from(cpus.len()).expect("checked: at most SHARDS_MAX");
    let asked = ringwire_admin::Node {
        mailboxes: node.mailboxes().to_vec(),
        placement: Placement::new(key, shards),
        name: config.node.name.clone(),
        started_unix_ms: node.started_unix_ms(),
        adapters: adapter::reload::adapters(&config),
    };
    let every = config.node.stats_ms.map(Duration::from_millis);
    let print = every.map(|every| stats::print(asked.mailboxes.clone(), cpus.clone(), every));
    let answer = authority::answer_all(&desk, asks, &asked.mailboxes);
    let sys = sys::Sys {
        mailboxes: asked.mailboxes.clone(),
        node: asked.name.clone(),
        started_unix_ms: asked.started_unix_ms,
        settings: config.broker.clone(),
    };
    let sys = (!sys.is_off()).then(|| control::task(sys.publish()));
    let tasks = print.map(control::task).into_iter().chain(sys);
    let tasks = tasks.chain(answer.into_iter().map(control::task)).collect();
    let control = control::start(admin, asked, tasks)?;
    say(&ready::text(&config, node.addresses(), admin_address, &cpus))?;

    tracing::info!(version = env!("CARGO_PKG_VERSION"), addresses = ?node.addresses(), "ready");
    let signal = stop.wait();
    let timeout = Duration::from_millis(config.node.shutdown_timeout_ms);
    tracing::info!(signal, ?timeout, "draining");
    let drained = node.drain(timeout);
    control.stop();
    // The last lines of the log are written before the failure is, and the lock is held to the end.
    drop((log, data));
    if drained {
        Ok(())
    } else {
        Err(Failure::NotDrained(timeout))
    }
}

fn check(options: &Options) -> Result<(), Failure> {
    let allowed = cores::allowed();
    let config = configuration(options, &allowed)?;
    say(&format!(
        "{}: ok: {}\n",
        options.origin(),
        ready::summary(&config, &config.shard_cpus(&allowed))
    ))
}

fn passwd(arguments: &scram::passwd::Passwd) -> Result<(), Failure> {
    say(&scram::passwd::passwd(arguments)?)
}

/// The configuration on standard output, what it lacks on standard error.
fn migrated(arguments: &migrate::Migrate) -> Result<(), Failure> {
    let path = &arguments.file;
    let text = std::fs::read_to_string(path).map_err(|source| Failure::File {
        path: path.clone(),
        source,
    })?;
    let migrated = migrate::migrate(path, &text, is_coloured()).map_err(Failure::Configuration)?;
    say(&migrated.toml)?;
    // Nobody may read it any more; the exit code still tells.
    let _ = std::io::stderr().write_all(migrated.notes.as_bytes());
    if migrated.has_work {
        return Err(Failure::MigratedInPart(migrated.summary));
    }
    let _ = writeln!(std::io::stderr(), "{}", migrated.summary);
    Ok(())
}

fn tuned(arguments: &tune::Arguments) -> Result<(), Failure> {
    let allowed = cores::allowed();
    let config = configuration(&arguments.options, &allowed)?;
    say(&tune::tune(arguments, &config, &allowed))
}

/// What was found is printed also when it is not as expected.
fn adapter(what: &command::adapter::Adapter) -> Result<(), Failure> {
    let allowed = cores::allowed();
    let (text, done) = adapter::run(what, |options| configuration(options, &allowed), is_coloured())?;
    say(&text)?;
    done
}

/// The results are printed also when the checks failed: they say what.
fn bench(options: &command::bench::Bench) -> Result<(), Failure> {
    let (text, done) = bench::bench(options);
    say(&text)?;
    Ok(done?)
}

fn configuration(options: &Options, allowed: &[usize]) -> Result<Config, Failure> {
    let sources = options
        .sources()
        .map_err(|(path, source)| Failure::File { path, source })?;
    config::load(&sources, allowed)
        .map_err(|mistakes| Failure::Configuration(mistakes.render(&sources, is_coloured())))
}

/// Whether standard error is a terminal that shows colours.
fn is_coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Standard output may be a pipe whose reader waits for the ready line: flushed, and a closed one is no reason to stop.
fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}
