//! An eventfd: how a thread without a ring wakes a shard.
//!
//! The shard's ring hears each write to it; an asker of its mailbox writes. Not the decision whether to ring, which
//! is the doorbell's. The one file here besides the ring's with an unsafe block, because the standard library has no eventfd.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// An eventfd, blocking, so that a thread without a ring can wait for it.
#[derive(Debug)]
pub struct Bell {
    eventfd: File,
}

impl Bell {
    /// A bell that nobody has rung.
    pub fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers; its result is checked before it is used.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave this descriptor to us and nobody else has it.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self {
            eventfd: File::from(owned),
        })
    }

    /// Rings. Rings that nobody has heard yet add up to one.
    pub fn ring(&self) {
        let written = (&self.eventfd).write(&1u64.to_ne_bytes());
        debug_assert!(
            matches!(written, Ok(8)),
            "a write to an eventfd takes 8 bytes: {written:?}"
        );
    }

    /// Blocks until it rings. For a thread without a ring.
    pub fn wait(&self) -> io::Result<()> {
        let mut count = [0; 8];
        (&self.eventfd).read_exact(&mut count)
    }
}

impl AsFd for Bell {
    /// For a ring to hear. It need not read: each write is an event of its own.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}
