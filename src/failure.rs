//! Why the command ends without success: one line that says what to do, and the exit code.
//!
//! 1: the machine or another process is in the way; 2: the configuration or the command line is wrong; 3: `ringwire migrate`
//! left something to do. A panic is a bug of ours: one line that names the thread, then abort, because a node with a dead shard must not look alive.

use crate::adapter::AdapterError;
use crate::bench::BenchError;
use crate::data::DataError;
use crate::scram::LoadError;
use crate::scram::passwd::PasswdError;
use ringwire_admin::BindError;
use ringwire_shard::StartError;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// All mistakes, already as text with its last line.
    #[error("{0}")]
    Configuration(String),
    /// The configuration file cannot be read.
    #[error("ringwire: error: cannot read the configuration {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log file cannot be opened.
    #[error("ringwire: error: cannot append to the log file {}: {source}", path.display())]
    LogFile {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory.
    #[error("ringwire: error: {0}")]
    Data(#[from] DataError),
    /// The shards.
    #[error("ringwire: error: {0}")]
    Start(#[from] StartError),
    /// The admin endpoint.
    #[error("ringwire: error: {0}; choose another with --admin ADDRESS, or --admin off")]
    Admin(#[from] BindError),
    /// A system call that does not fail on a sound machine.
    #[error(
        "ringwire: error: the system refused what every start needs (signals, threads, random numbers): {0}"
    )]
    System(#[from] std::io::Error),
    /// A bench that could not be made, or whose checks failed.
    #[error("ringwire: error: {0}")]
    Bench(#[from] BenchError),
    /// A protocol that cannot be had, or bytes and vectors that are not as expected.
    #[error("{0}")]
    Adapter(#[from] AdapterError),
    /// A password that was not set.
    #[error("ringwire: error: {0}")]
    Passwd(#[from] PasswdError),
    /// The credentials changed for the worse between check and start.
    #[error("ringwire: error: {0}")]
    Credentials(#[from] LoadError),
    /// A file was migrated, and some of its keys need somebody. Not an error, but scripts should know.
    #[error("{0}")]
    MigratedInPart(String),
    /// The drain took too long.
    #[error(
        "ringwire: error: not drained within {0:?}: connections were cut off; node.shutdown_timeout gives them longer"
    )]
    NotDrained(Duration),
}

impl Failure {
    /// Prints it; the exit code to end with.
    pub fn report(self) -> ExitCode {
        // Nobody may read it any more; the exit code still tells.
        let _ = writeln!(std::io::stderr(), "{self}");
        match self {
            Self::Configuration(_) | Self::File { .. } | Self::Credentials(_) => ExitCode::from(2),
            Self::Passwd(PasswdError::Username(_) | PasswdError::Password(_)) => ExitCode::from(2),
            Self::Bench(error) if error.is_usage() => ExitCode::from(2),
            Self::MigratedInPart(_) => ExitCode::from(3),
            Self::Adapter(error) if error.is_usage() => ExitCode::from(2),
            Self::LogFile { .. }
            | Self::Adapter(_)
            | Self::Bench(_)
            | Self::Data(_)
            | Self::Passwd(_)
            | Self::Start(_)
            | Self::Admin(_)
            | Self::System(_)
            | Self::NotDrained(_) => ExitCode::FAILURE,
        }
    }
}

/// From now on a panic on any thread is one line and the end of the process.
pub fn abort_on_bugs() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("without a name");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message").replace('\n', " ");
        eprintln!("ringwire: bug: thread {name} panicked at {place}: {message}; please report this line");
        std::process::abort();
    }));
}
