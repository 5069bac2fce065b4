//! The load generator: many clients of one broker on a few pinned threads, measured from outside.
//!
//! [`Plan`] says what is run, [`run()`] runs it and gives an [`Outcome`]. Here are the clients of MQTT and of the private
//! protocol, their pacing, the checks of what arrives, and the broker's own figures from `/proc`. Not here: the command
//! line, tables, files and reports, which are `src/bench/`'s, and starting brokers. It shares the codec and the network
//! ring with the broker and nothing else, and it works against any broker.
#![forbid(unsafe_code)]

mod board;
mod check;
mod clock;
mod collect;
mod conductor;
mod cpu;
pub mod error;
mod frame;
mod layout;
pub mod outcome;
pub mod plan;
pub mod process;
mod run;
pub mod scenario;
pub mod stamp;
mod tally;
mod worker;

pub use error::RunError;
pub use outcome::{Outcome, Progress};
pub use plan::Plan;
pub use run::run;
