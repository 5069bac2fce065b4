//! Signals: the first SIGINT or SIGTERM asks for a drain, the second ends the process at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Waits for the first signal. From its making on, no signal kills the process unheard.
pub struct Stop(Signals);

impl Stop {
    /// Takes SIGINT and SIGTERM over.
    pub fn on_signals() -> io::Result<Self> {
        Signals::new([SIGINT, SIGTERM]).map(Self)
    }

    /// Returns at the first signal, with its name; the next one ends the process.
    pub fn wait(mut self) -> &'static str {
        let first = self.0.forever().next();
        let spawned = std::thread::Builder::new()
            .name("second-signal".to_owned())
            .spawn(move || {
                if self.0.forever().next().is_some() {
                    eprintln!("ringwire: error: a second signal: ended without draining");
                    std::process::exit(1);
                }
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "a second signal will not be heard");
        }
        if first == Some(SIGTERM) {
            "SIGTERM"
        } else {
            "SIGINT"
        }
    }
}
