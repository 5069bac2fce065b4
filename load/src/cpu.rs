//! Pinning threads: each worker to its CPU, and whoever conducts to the workers' CPUs, so that nothing of the generator
//! runs where the broker is measured.

use crate::RunError;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// Pins the calling thread to some CPUs.
pub(crate) fn pin(cpus: &[usize]) -> Result<(), RunError> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if cpu >= CpuSet::MAX_CPU {
            let source = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(RunError::Cpu { cpu, source });
        }
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|error| RunError::Cpu {
        cpu: cpus.first().copied().unwrap_or_default(),
        source: error.into(),
    })
}

/// Pins the calling thread until it is dropped.
pub(crate) struct Pinned {
    before: Option<CpuSet>,
}

impl Pinned {
    pub(crate) fn to(cpus: &[usize]) -> Result<Self, RunError> {
        let before = sched_getaffinity(None).ok();
        // Each by itself first, so that the one that is not there is named.
        for &cpu in cpus {
            pin(&[cpu])?;
        }
        pin(cpus)?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // The thread goes on where it is.
            let _ = sched_setaffinity(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_where_it_was_before_afterwards() {
        let before = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|&cpu| before.is_set(cpu)).unwrap();
        let pinned = Pinned::to(&[first]).unwrap();
        assert_eq!(sched_getaffinity(None).unwrap().count(), 1);
        drop(pinned);
        assert_eq!(sched_getaffinity(None).unwrap().count(), before.count());
    }

    #[test]
    fn a_cpu_that_is_not_there_is_named() {
        for cpu in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU + 7] {
            match Pinned::to(&[0, cpu]) {
                Err(RunError::Cpu { cpu: named, .. }) => assert_eq!(named, cpu),
                other => panic!("{:?}", other.err()),
            }
        }
    }
}
