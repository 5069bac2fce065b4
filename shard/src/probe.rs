//! Looks at start whether this machine can run shards, so that what is missing is said in one line and not met later.
//!
//! The kernel's release, io_uring itself with every feature that `ring.rs` uses, tried on a small ring; the limits on
//! locked memory and on open files, which are raised as far as they may be. Nothing is kept from here.

use crate::ring::system::{Limit, Resource};
use crate::ring::{Event, Ring};
use crate::{Core, Settings, StartError};
use ringwire_core::ConnectionId;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The oldest kernel with everything: deferred task work, provided buffers, multishot receive, messages between rings.
pub(crate) const KERNEL_MIN: (u32, u32) = (6, 1);

/// glommio refuses to start an executor below this.
const LOCKED_MEMORY_MIN: u64 = 512 << 10;

/// With so much a kernel that has no memory for a ring does not mean the limit.
const LOCKED_MEMORY_ENOUGH: u64 = 64 << 20;

/// Descriptors of a shard apart from its sockets: glommio's three rings and eventfds, ours, and the bell.
const FILES_A_SHARD: u64 = 16;

/// Descriptors of the process: standard streams, logs, the admin endpoint, and some clients.
const FILES_MIN: u64 = 128;

/// Looks at everything.
pub(crate) fn probe(settings: &Settings) -> Result<(), StartError> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    kernel(release.trim())?;
    let memory = Resource::LockedMemory.raise().map_err(StartError::Limits)?;
    locked_memory(memory)?;
    let files = Resource::OpenFiles.raise().map_err(StartError::Limits)?;
    open_files(files, settings)?;
    ring().map_err(|error| refused(error, release.trim(), uring_disabled(), memory))
}

fn kernel(release: &str) -> Result<(), StartError> {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().ok());
    // A release that says nothing is left to the ring to judge.
    let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) else {
        return Ok(());
    };
    if (major, minor) < KERNEL_MIN {
        return Err(StartError::OldKernel {
            release: release.to_owned(),
        });
    }
    Ok(())
}

fn locked_memory(limit: Limit) -> Result<(), StartError> {
    if limit.soft < LOCKED_MEMORY_MIN {
        return Err(StartError::LockedMemory {
            kib: limit.soft >> 10,
            needed_kib: LOCKED_MEMORY_MIN >> 10,
        });
    }
    Ok(())
}

fn open_files(limit: Limit, settings: &Settings) -> Result<(), StartError> {
    let shards = settings.cores.len() as u64;
    let needed = FILES_MIN + shards * (FILES_A_SHARD + settings.binds.len() as u64);
    if limit.soft < needed {
        return Err(StartError::OpenFiles {
            limit: limit.soft,
            needed,
        });
    }
    Ok(())
}

/// `kernel.io_uring_disabled`, where the kernel has it (6.6 and later).
fn uring_disabled() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?;
    text.trim().parse().ok()
}

/// Sets a small ring up and uses what shards use.
fn ring() -> io::Result<()> {
    let core = Core {
        sq_entries: 8,
        cq_entries: 32,
        buffers: 4,
        buffer_bytes: 64,
        ..Core::default()
    };
    let mut ring = Ring::new(&core)?;
    let bell = ring.bell()?;
    let (here, mut there) = UnixStream::pair()?;
    there.write_all(b"?")?;
    let connection = ConnectionId {
        slot: 0,
        generation: 0,
    };
    ring.receive(connection, here.as_fd());
    ring.ring(bell.as_fd());
    let (mut received, mut rung) = (false, false);
    for _ in 0..100 {
        ring.enter(Some(Duration::from_millis(50)))?;
        while let Some(event) = ring.next_event() {
            match event {
                Event::Received { filled, .. } => {
                    ring.give_back(filled);
                    received = true;
                }
                Event::Rung { .. } => rung = true,
                Event::ReceiveEnded { errno, .. } => return Err(io::Error::from_raw_os_error(errno)),
                Event::Accepted { .. }
                | Event::AcceptEnded { .. }
                | Event::Connected { .. }
                | Event::Progressed { .. }
                | Event::Sent { .. }
                | Event::Background { .. } => {}
            }
        }
        if received && rung {
            return Ok(());
        }
    }
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}

/// What to do about an io_uring that the kernel refuses.
pub(crate) fn refused(error: io::Error, release: &str, disabled: Option<u32>, memory: Limit) -> StartError {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => match disabled {
            Some(value) if value > 0 => StartError::UringDisabled { value },
            Some(_) | None => StartError::UringForbidden,
        },
        Some(libc::ENOSYS) => StartError::NoUring {
            release: release.to_owned(),
        },
        Some(libc::ENOMEM) if memory.soft < LOCKED_MEMORY_ENOUGH => StartError::LockedMemory {
            kib: memory.soft >> 10,
            needed_kib: LOCKED_MEMORY_ENOUGH >> 10,
        },
        Some(libc::EMFILE) => {
            let limit = Resource::OpenFiles.limit().map_or(0, |limit| limit.soft);
            StartError::OpenFiles {
                limit,
                needed: limit + FILES_MIN,
            }
        }
        Some(libc::EINVAL | libc::EOPNOTSUPP) => StartError::OldKernel {
            release: release.to_owned(),
        },
        Some(_) | None => StartError::Ring { source: error },
    }
}

/// What to do about a ring that a shard cannot have although the probe had one.
pub(crate) fn ring_refused(error: io::Error) -> StartError {
    match Resource::LockedMemory.limit() {
        Ok(memory) => refused(error, "", None, memory),
        Err(error) => StartError::Limits(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Arc;

    const MEMORY: Limit = Limit {
        soft: 8 << 20,
        hard: 8 << 20,
    };

    fn text(errno: i32, disabled: Option<u32>) -> String {
        refused(
            io::Error::from_raw_os_error(errno),
            "6.1.0-18-amd64",
            disabled,
            MEMORY,
        )
        .to_string()
    }

    fn settings(shards: usize) -> Settings {
        Settings {
            engine: Arc::new(ringwire_core::Settings {
                shards: shards as u16,
                ..ringwire_core::Settings::default()
            }),
            cores: vec![Core::default(); shards],
            binds: vec![crate::Bind::new(SocketAddr::from(([127, 0, 0, 1], 0)))],
            mesh_batches: 16,
            authority: None,
        }
    }

    #[test]
    fn each_refusal_says_in_one_line_what_to_do() {
        let cases = [
            (libc::EPERM, Some(2), "sysctl kernel.io_uring_disabled=0"),
            (libc::EPERM, Some(0), "seccomp"),
            (libc::EPERM, None, "seccomp"),
            (libc::ENOSYS, None, "6.1.0-18-amd64"),
            (libc::ENOMEM, None, "LimitMEMLOCK="),
            (libc::EMFILE, None, "LimitNOFILE="),
            (libc::EINVAL, None, "6.1 or later"),
            (libc::ENFILE, None, "Too many open files in system"),
            (libc::EIO, None, "io_uring"),
        ];
        for (errno, disabled, hint) in cases {
            let text = text(errno, disabled);
            assert!(text.contains(hint), "{errno}: {text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn a_refusal_names_a_limit_only_when_it_is_in_the_way() {
        let unlimited = Limit {
            soft: u64::MAX,
            hard: u64::MAX,
        };
        let error = io::Error::from_raw_os_error(libc::ENOMEM);
        let memory = refused(error, "", None, unlimited).to_string();
        assert!(memory.contains("Cannot allocate memory"), "{memory}");
        // Raised, so that no other test can raise it meanwhile.
        let limit = Resource::OpenFiles.raise().unwrap().soft;
        let files = text(libc::EMFILE, None);
        assert!(files.contains(&format!("is {limit},")), "{files}");
    }

    #[test]
    fn an_old_kernel_is_named() {
        for old in ["5.15.0-91-generic", "6.0.19", "4.19.0"] {
            let error = kernel(old).unwrap_err().to_string();
            assert!(error.contains(old), "{error}");
        }
        for new in ["6.1.0-18-amd64", "6.18.44", "7.0", "unknown"] {
            kernel(new).unwrap();
        }
    }

    #[test]
    fn limits_are_compared_with_what_is_needed() {
        let low = Limit {
            soft: 64 << 10,
            hard: 64 << 10,
        };
        let error = locked_memory(low).unwrap_err().to_string();
        assert!(error.contains("64 KiB") && error.contains("ulimit -l"), "{error}");
        locked_memory(MEMORY).unwrap();
        let few = Limit { soft: 256, hard: 256 };
        open_files(few, &settings(2)).unwrap();
        let error = open_files(few, &settings(64)).unwrap_err().to_string();
        assert!(error.contains("256") && error.contains("ulimit -n"), "{error}");
    }

    #[test]
    fn this_machine_can_run_shards() {
        probe(&settings(2)).unwrap();
    }
}
