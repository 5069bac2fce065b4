//! Why a bench ends without success, each with what to do about it.
//!
//! [`BenchError::is_usage`] tells a mistake on the command line (exit code 2) from a run that could not be made, or whose
//! checks failed (exit code 1).

use ringwire_load::RunError;
use ringwire_load::process::ProcessError;
use ringwire_load::scenario::ScenarioError;
use std::path::PathBuf;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No scenario of that name.
    #[error("there is no scenario `{name}`{near}; `ringwire bench list` has them")]
    Scenario {
        /// As given.
        name: String,
        /// `: did you mean ...?`, or nothing.
        near: String,
    },
    /// A scenario that is asked for what it cannot do.
    #[error("{0}")]
    Shape(#[from] ScenarioError),
    /// Flags that do not go together, or with the scenario.
    #[error("{0}")]
    Flags(String),
    /// `--target`.
    #[error("--target {text}: {why}")]
    Target {
        /// As given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens.
    #[error(
        "no broker answers on {target}: {source}; start one there (`ringwire` alone listens on 127.0.0.1:1883), or name another with --target mqtt://HOST:PORT"
    )]
    Unreachable {
        /// With its type.
        target: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A port for each connection.
    #[error(
        "{connections} connections to {addresses} address(es) need more source ports than the {ports} that net.ipv4.ip_local_port_range gives one source address: add --source-addresses {needed}"
    )]
    Ports {
        /// How many clients.
        connections: u64,
        /// Different targets.
        addresses: u64,
        /// Of one source address.
        ports: u64,
        /// Source addresses that are enough.
        needed: u64,
    },
    /// The generator.
    #[error("{0}")]
    Run(#[from] RunError),
    /// `--broker-pid`, or a broker of a comparison that is gone.
    #[error("{0}")]
    Process(#[from] ProcessError),
    /// `--broker`.
    #[error("--broker {text}: {why}")]
    Spec {
        /// As given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A broker that is not installed.
    #[error("the program of broker `{broker}` is not there: {program}; {advice}, or leave it out")]
    Missing {
        /// Its name.
        broker: String,
        /// What was looked for.
        program: String,
        /// How to get it.
        advice: &'static str,
    },
    /// A broker that does not listen.
    #[error("broker `{broker}` {what}; it printed: {said}")]
    Start {
        /// Its name.
        broker: String,
        /// What happened instead.
        what: String,
        /// The end of its output.
        said: String,
    },
    /// A file of ours.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What every run needs of the machine.
    #[error("the system refused {what}: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// The run was made, and the broker did not do what it must.
    #[error("checks failed: {0}")]
    Checks(String),
}

impl BenchError {
    /// A mistake on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Scenario { .. }
            | Self::Shape(_)
            | Self::Flags(_)
            | Self::Target { .. }
            | Self::Spec { .. } => true,
            Self::Unreachable { .. }
            | Self::Ports { .. }
            | Self::Run(_)
            | Self::Process(_)
            | Self::Missing { .. }
            | Self::Start { .. }
            | Self::Write { .. }
            | Self::System { .. }
            | Self::Checks(_) => false,
        }
    }
}
