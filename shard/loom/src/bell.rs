//! What `shard/src/bell.rs` is in production: a bell that loom knows, in place of an eventfd or a message between rings.
//!
//! A thread that waits for it and is never rung is a deadlock, which loom reports: that is how a lost wake-up shows.

use loom::sync::Notify;
use std::io;

/// Rings that nobody has heard yet add up to one.
#[derive(Debug)]
pub struct Bell {
    notify: Notify,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            notify: Notify::new(),
        })
    }

    /// Rings.
    pub fn ring(&self) {
        self.notify.notify();
    }

    /// Blocks until it rings.
    pub fn wait(&self) -> io::Result<()> {
        self.notify.wait();
        Ok(())
    }
}
