//! The dead man's bell: wakes an executor that does not come back from a turn.
//!
//! A thread that sleeps until a turn begins, and rings the executor's own eventfd every few milliseconds until it ends. A
//! timer of glommio's would not do: when one has fired, the next pass can park falsely again, and nothing is armed then
//! (seen with a preempt timer of one nanosecond, even with six timers armed).

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a turn may take before the bell rings.
const PATIENCE: Duration = Duration::from_millis(4);

/// The turn counter's value that ends the thread.
const ENDED: u64 = u64::MAX;

/// Rings the eventfd that a parked executor hears.
#[derive(Clone, Debug)]
pub(crate) struct Kick {
    bells: Arc<[File]>,
}

impl Kick {
    /// One of these is the executor's; others, if any, hear a ring too many.
    pub(crate) fn new(bells: Vec<OwnedFd>) -> Self {
        Self {
            bells: bells.into_iter().map(File::from).collect(),
        }
    }

    /// Wakes the executor.
    pub(crate) fn kick(&self) {
        for mut bell in self.bells.iter() {
            // An eventfd takes eight bytes whenever it is open.
            let _ = bell.write(&1u64.to_ne_bytes());
        }
    }
}

/// The bell of one executor.
#[derive(Debug)]
pub(crate) struct DeadMan {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Odd while a turn is watched.
    turn: AtomicU64,
    kicks: AtomicU64,
}

/// A turn that is watched until `end`.
#[must_use = "an executor is kicked until its turn ends"]
pub(crate) struct Watched<'a> {
    shared: &'a Shared,
    kicks: u64,
}

impl DeadMan {
    /// A thread that sleeps until a turn is watched. Without it (no thread can be made) turns are not watched.
    pub(crate) fn new(kick: Kick) -> Self {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ringwire-dead-man".to_owned())
            .stack_size(64 << 10)
            .spawn(move || watched.stand_by(&kick));
        if let Err(error) = &thread {
            tracing::warn!(%error, "background tasks run without a watch: cannot start its thread");
        }
        Self {
            shared,
            thread: thread.ok(),
        }
    }

    /// A turn begins.
    pub(crate) fn watch(&self) -> Watched<'_> {
        self.shared.turn.fetch_add(1, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        Watched {
            shared: &self.shared,
            kicks: self.shared.kicks.load(Ordering::Acquire),
        }
    }
}

impl Watched<'_> {
    /// The turn is over: whether it took a kick.
    pub(crate) fn end(self) -> bool {
        self.shared.turn.fetch_add(1, Ordering::Release);
        self.shared.kicks.load(Ordering::Acquire) != self.kicks
    }
}

impl Shared {
    fn stand_by(&self, kick: &Kick) {
        loop {
            let turn = self.turn.load(Ordering::Acquire);
            if turn == ENDED {
                return;
            }
            if turn.is_multiple_of(2) {
                thread::park();
                continue;
            }
            thread::sleep(PATIENCE);
            if self.turn.load(Ordering::Acquire) == turn {
                self.kicks.fetch_add(1, Ordering::Release);
                kick.kick();
            }
        }
    }
}

impl Drop for DeadMan {
    fn drop(&mut self) {
        self.shared.turn.store(ENDED, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It panics nowhere.
            let _ = thread.join();
        }
    }
}
