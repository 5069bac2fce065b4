//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as a method of enhanced authentication: the client proves that it knows a password
//! that neither side sends and that the broker does not have.
//!
//! `credentials.rs` is the file of users, `exchange.rs` one client's exchange by the crate rsasl, `passwd.rs` the command
//! that writes the file. The file is read at start and again when it has changed; a file that cannot be read then
//! leaves the users as they were.

pub mod credentials;
mod exchange;
pub mod passwd;

#[cfg(test)]
mod tests;

use crate::authority::{Exchange, Method};
use credentials::{Credentials, Mistake};
use parking_lot::Mutex;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The method's name, which clients send and lines of the file have.
pub const NAME: &str = "SCRAM-SHA-256";

/// How long a change of the file may go unseen: one look serves all exchanges that begin meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read the credentials {}: {source}; make the file with `ringwire passwd --scram FILE USERNAME`", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Lines that are none.
    #[error("{}: {}", path.display(), mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Mistakes {
        /// Which.
        path: PathBuf,
        /// All of them.
        mistakes: Vec<Mistake>,
    },
}

/// Reads a file of credentials.
pub fn load(path: &Path) -> Result<Credentials, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Io {
        path: path.to_owned(),
        source,
    })?;
    Credentials::parse(&text).map_err(|mistakes| LoadError::Mistakes {
        path: path.to_owned(),
        mistakes,
    })
}

/// The method, with a file's users.
pub struct Scram {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    users: exchange::Users,
    stamp: Option<Stamp>,
    looked: Instant,
}

/// What differs when a file was written again or replaced: its number, length and time.
type Stamp = (u64, u64, i64, i64);

impl Scram {
    /// With the users of a file.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        // The stamp is taken first: a change between the two is seen as one later.
        let stamp = stamp(path);
        let users = exchange::Users::new(load(path)?);
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(State {
                users,
                stamp,
                looked: Instant::now(),
            }),
        })
    }

    /// Reads the file again if it has changed.
    fn look(&self, state: &mut State) {
        state.looked = Instant::now();
        let stamp = stamp(&self.path);
        if stamp == state.stamp {
            return;
        }
        state.stamp = stamp;
        match load(&self.path) {
            Ok(credentials) => {
                tracing::info!(path = %self.path.display(), users = credentials.len(), "credentials read again");
                state.users = exchange::Users::new(credentials);
            }
            Err(error) => tracing::warn!(%error, "credentials changed, but the old ones stay"),
        }
    }
}

impl Method for Scram {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begin(&self) -> Option<Box<dyn Exchange>> {
        let mut state = self.state.lock();
        if state.looked.elapsed() >= LOOK_EVERY {
            self.look(&mut state);
        }
        let exchange = exchange::ScramExchange::begin(&state.users)?;
        Some(Box::new(exchange))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}
