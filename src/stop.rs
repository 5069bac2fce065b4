//! Signals: the first SIGINT or SIGTERM asks for a drain, the second ends the process at once.
//!
//! One request may arrive twice (`timeout` signals the process and then its group), so the second counts only a moment
//! after the first.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::time::{Duration, Instant};

/// Longer than it takes to send one request twice, shorter than it takes a person to ask again.
const ONE_REQUEST: Duration = Duration::from_millis(500);

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
        let since = Instant::now();
        let spawned = std::thread::Builder::new()
            .name("second-signal".to_owned())
            .spawn(move || {
                if self.0.forever().any(|_| since.elapsed() > ONE_REQUEST) {
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
