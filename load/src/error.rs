//! Why a run could not be carried out. What goes wrong with single clients or messages is not here: that is counted in
//! the [`Outcome`](crate::Outcome).
//!
//! Each message says what was wrong, where, and what to do about it.

use crate::process::ProcessError;
use std::io;

/// Why a run gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan contradicts itself or asks for what cannot be done.
    #[error("the plan cannot be run: {0}")]
    Plan(String),
    /// A CPU that does not exist or is not allowed to this process.
    #[error("cannot run on CPU {cpu}: {source}; name CPUs that this process may use with --cores")]
    Cpu {
        /// As `Plan::cores` says.
        cpu: usize,
        /// From the kernel.
        source: io::Error,
    },
    /// The limit on open files is lower than the number of clients.
    #[error(
        "{wanted} clients need as many open files and {allowed} are allowed: raise the limit (ulimit -n, LimitNOFILE=)"
    )]
    OpenFiles {
        /// Descriptors needed.
        wanted: u64,
        /// The hard limit.
        allowed: u64,
    },
    /// A worker's io_uring could not be set up, or failed later.
    #[error("io_uring on CPU {cpu}: {source}; the kernel must be 6.1 or newer and allow io_uring")]
    Ring {
        /// The worker's CPU.
        cpu: usize,
        /// From the kernel.
        source: io::Error,
    },
    /// A process, the broker's or our own, cannot be looked at.
    #[error("figures from /proc: {0}")]
    Process(#[from] ProcessError),
    /// No client was accepted.
    #[error("none of {wanted} clients was accepted by {target}: {reason}")]
    NobodyConnected {
        /// Clients of the plan.
        wanted: u64,
        /// The first address of the plan.
        target: String,
        /// The most frequent reason.
        reason: String,
    },
    /// The broker refused subscriptions.
    #[error(
        "{refused} filters were refused: {reason}; look at the broker's access rules, and whether it has shared subscriptions"
    )]
    SubscriptionsRefused {
        /// Filters.
        refused: u64,
        /// The most frequent reason.
        reason: String,
    },
    /// Every connection ended before the run did.
    #[error("all {made} connections were lost while {phase}: {reason}")]
    AllLost {
        /// Connections that were made.
        made: u64,
        /// What was going on.
        phase: &'static str,
        /// The most frequent reason.
        reason: String,
    },
    /// Nothing happened for too long.
    #[error("nothing happened for {seconds} s while {phase}: {missing}")]
    Stalled {
        /// How long it was waited for.
        seconds: u64,
        /// What was going on.
        phase: &'static str,
        /// What was waited for.
        missing: String,
    },
}
