//! One run from start to end: starts the workers, conducts them, and collects what they measured.

use crate::board::{Board, Step};
use crate::clock::Clock;
use crate::collect;
use crate::conductor::{Conductor, Course};
use crate::cpu::{self, Pinned};
use crate::layout::Layout;
use crate::stamp::Mint;
use crate::worker::desk::Run;
use crate::worker::{self, Report};
use crate::{Outcome, Plan, Progress, RunError};
use ringwire_shard::dial;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::SystemTime;

/// Descriptors besides the clients': rings, standard streams, `/proc`.
const FILES: u64 = 64;

/// Runs a plan to its end, and says about ten times a second how far it is.
///
/// The calling thread is pinned to the plan's CPUs meanwhile. Clients that are refused or lost, and messages that are,
/// are counted in the outcome; an error is what leaves nothing to report.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(&Progress)) -> Result<Outcome, RunError> {
    let layout = Layout::of(plan)?;
    enough_files(layout.clients() as u64)?;
    let _pinned = Pinned::to(&plan.cores)?;
    let publishing = plan.groups.iter().filter_map(|group| group.publishing.as_ref());
    let payload_bytes = publishing.map(|publishing| publishing.payload_bytes).max();
    let run = Run {
        plan,
        layout,
        mint: Mint::new(identity(), payload_bytes.unwrap_or_default()),
        board: Board::new(Clock::start(), plan.cores.len()),
    };
    let (course, reports) = conduct(&run, progress)?;
    Ok(collect::outcome(&run, course, reports))
}

fn conduct(run: &Run<'_>, progress: &mut dyn FnMut(&Progress)) -> Result<(Course, Vec<Report>), RunError> {
    let mut conductor = Conductor::new(run, progress)?;
    thread::scope(|scope| {
        let workers: Vec<_> = (0..run.plan.cores.len())
            .map(|index| {
                scope.spawn(move || {
                    let report =
                        cpu::pin(&run.plan.cores[index..=index]).and_then(|()| worker::work(run, index));
                    if report.is_err() {
                        run.board.failed.store(true, Ordering::Release);
                    }
                    report
                })
            })
            .collect();
        let course = conductor.conduct();
        run.board.go(Step::Disconnect);
        let reports: Result<Vec<_>, _> = workers
            .into_iter()
            .map(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        // A worker's error is the cause of whatever the conductor saw.
        let reports = reports?;
        let course = course.map_err(|halt| collect::error(halt, run, &reports))?;
        Ok((course, reports))
    })
}

fn enough_files(clients: u64) -> Result<(), RunError> {
    let wanted = clients + FILES;
    // Where the limit cannot be asked, the sockets will tell.
    match dial::raise_open_files() {
        Ok(allowed) if allowed < wanted => Err(RunError::OpenFiles { wanted, allowed }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Tells this run's messages from those of another that was here before.
fn identity() -> u16 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| {
        (now.as_micros() >> 10) as u16 ^ std::process::id() as u16
    })
}
