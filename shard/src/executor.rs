//! glommio's part: one executor a shard, pinned and named, and turns for its background tasks.
//!
//! The pump is the executor's main task and blocks in its own ring, so glommio runs only when it is given a turn: when
//! one of our tasks was woken, or one of its rings has something. glommio 0.9 can park although tasks are runnable
//! (its preempt timer fires before the first task of a pass), so a dead man's bell rings while a turn does not come
//! back, and the false park is counted. Nothing that a shard needs to live depends on glommio waking up.

mod dead_man;

use crate::ring::Ring;
use crate::ring::system::{Anonymous, duplicate};
use crate::{Core, StartError, probe};
use dead_man::DeadMan;
pub(crate) use dead_man::Kick;
use glommio::{GlommioError, LocalExecutor, LocalExecutorBuilder, Placement};
use parking_lot::{Mutex, MutexGuard};
use ringwire_core::ShardId;
use std::cell::Cell;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Bytes of locked memory for glommio's file buffers, which nothing here uses: its least. Its default is 10 MiB.
const IO_MEMORY: usize = 64 << 10;

/// Between two turns, so that a busy task does not slow the shard down.
const BETWEEN_TURNS: Duration = Duration::from_millis(1);

/// Held while rings are made: which are glommio's is seen by comparing what is open before and after.
static MAKING: Mutex<()> = Mutex::new(());

/// Nobody else of this package makes a ring while this is held.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    MAKING.lock()
}

/// Makes the executor of the calling thread, and the way to give it turns.
pub(crate) fn make(shard: ShardId, core: &Core) -> Result<(LocalExecutor, Background), StartError> {
    let refused = |reason: String| StartError::Executor {
        shard: shard.0,
        cpu: core.cpu,
        reason,
    };
    let placement = core.cpu.map_or(Placement::Unbound, Placement::Fixed);
    let builder = LocalExecutorBuilder::new(placement)
        .name("ringwire")
        .io_memory(IO_MEMORY)
        .preempt_timer(Duration::from_nanos(core.preempt_timer_ns));
    let alone = alone();
    let (rings, bells) = (Anonymous::Ring.open(), Anonymous::Eventfd.open());
    let executor = builder.make().map_err(|error| match error {
        // Newer kernels count a ring as locked memory of its user: many shards take more than a small limit.
        GlommioError::IoError(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
            probe::ring_refused(error)
        }
        error => refused(error.to_string()),
    })?;
    let mut new_rings = Anonymous::Ring.open();
    new_rings.retain(|ring| !rings.contains(ring));
    let new_bells = Anonymous::Eventfd
        .open()
        .into_iter()
        .filter(|bell| !bells.contains(bell));
    let bells = new_bells.map(duplicate).collect::<Result<Vec<_>, _>>();
    drop(alone);
    let kick = Kick::new(bells.map_err(|error| refused(error.to_string()))?);
    Ok((executor, Background::new(new_rings, kick)))
}

/// As `make`, until all of glommio's rings are found: tests beside this one close rings while they are compared, and one of
/// glommio's that gets such a number is taken for an old one. A process that runs a node closes none meanwhile.
#[cfg(test)]
pub(crate) fn make_whole(core: &Core) -> (LocalExecutor, Background) {
    let mut made = (0..50).map(|_| make(ShardId(0), core).expect("an executor"));
    made.find(|(_, background)| background.rings.len() >= 3)
        .expect("three rings or more")
}

/// Background tasks of one shard, and the turns they get.
pub struct Background {
    rings: Vec<Watched>,
    shared: Rc<Shared>,
    ready: bool,
    last: Option<Instant>,
    kick: Kick,
    /// Made for the first turn: a shard without background tasks needs none.
    dead_man: Option<DeadMan>,
}

struct Watched {
    descriptor: RawFd,
    armed: bool,
}

#[derive(Default)]
struct Shared {
    /// Tasks that have not ended.
    live: Cell<usize>,
    /// A task was spawned or woken since the last turn.
    woken: Arc<AtomicBool>,
}

impl Background {
    fn new(rings: Vec<RawFd>, kick: Kick) -> Self {
        let watched = rings.into_iter().map(|descriptor| Watched {
            descriptor,
            armed: false,
        });
        Self {
            rings: watched.collect(),
            shared: Rc::default(),
            ready: false,
            last: None,
            kick,
            dead_man: None,
        }
    }

    /// What wakes this executor from another thread, however falsely it has parked.
    pub(crate) fn kick(&self) -> Kick {
        self.kick.clone()
    }

    /// Starts a low-rate task on the shard's executor. It gets its first turn soon, at most about one a millisecond,
    /// and its timers are about 100 ms coarse. Call it on the shard's thread.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.shared.live.set(self.shared.live.get() + 1);
        self.shared.woken.store(true, Ordering::Relaxed);
        let noticed = Noticed {
            task: Box::pin(task),
            shared: Rc::clone(&self.shared),
        };
        glommio::spawn_local(noticed).detach();
    }

    /// Has glommio's rings watched, if there are tasks that could be waiting for them.
    pub(crate) fn watch(&mut self, ring: &mut Ring) {
        if self.shared.live.get() == 0 {
            return;
        }
        for (index, watched) in self.rings.iter_mut().enumerate() {
            if !watched.armed {
                watched.armed = true;
                ring.watch(index as u32, watched.descriptor);
            }
        }
    }

    /// One of glommio's rings has something.
    pub(crate) fn ready(&mut self, ring: u32) {
        self.rings[ring as usize].armed = false;
        self.ready = true;
    }

    /// Whether there is something to give a turn for, now or in a moment.
    pub(crate) fn is_waiting(&self) -> bool {
        self.ready || self.shared.woken.load(Ordering::Relaxed)
    }

    /// Whether to give a turn now.
    pub(crate) fn wants_turn(&self) -> bool {
        self.is_waiting() && self.last.is_none_or(|last| last.elapsed() >= BETWEEN_TURNS)
    }

    /// Lets glommio run what is runnable. True when it parked although the caller was runnable.
    pub(crate) async fn turn(&mut self) -> bool {
        self.ready = false;
        self.shared.woken.store(false, Ordering::Relaxed);
        let dead_man = self
            .dead_man
            .get_or_insert_with(|| DeadMan::new(self.kick.clone()));
        let watched = dead_man.watch();
        glommio::executor().yield_now().await;
        let kicked = watched.end();
        self.last = Some(Instant::now());
        kicked
    }
}

/// A task whose wakes are noticed, so that the pump knows when to give a turn.
struct Noticed {
    task: Pin<Box<dyn Future<Output = ()>>>,
    shared: Rc<Shared>,
}

impl Future for Noticed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = Waker::from(Arc::new(Notice {
            woken: Arc::clone(&self.shared.woken),
            task: context.waker().clone(),
        }));
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

impl Drop for Noticed {
    fn drop(&mut self) {
        self.shared.live.set(self.shared.live.get() - 1);
    }
}

struct Notice {
    woken: Arc<AtomicBool>,
    task: Waker,
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.task.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core(preempt_timer_ns: u64) -> Core {
        Core {
            preempt_timer_ns,
            ..Core::default()
        }
    }

    /// Gives turns to one ticking task, as the pump does, until glommio has parked falsely: how often the task ticked, and
    /// whether glommio parked falsely. Once is enough: where it does, a turn may take thousands of kicks.
    async fn turns(mut background: Background, turns: usize) -> (usize, bool) {
        let ticks = Rc::new(Cell::new(0));
        let counter = Rc::clone(&ticks);
        background.spawn(async move {
            loop {
                counter.set(counter.get() + 1);
                glommio::executor().yield_now().await;
            }
        });
        for _ in 0..turns {
            assert!(background.is_waiting(), "a task that was woken waits for a turn");
            if background.turn().await {
                return (ticks.get(), true);
            }
        }
        (ticks.get(), false)
    }

    #[test]
    fn background_tasks_run_when_they_get_turns() {
        let (executor, background) = make(ShardId(0), &core(100_000_000)).unwrap();
        let (ticks, parked_falsely) = executor.run(turns(background, 50));
        assert!(ticks >= 50 || parked_falsely, "{ticks}");
    }

    #[test]
    fn a_shard_survives_a_glommio_that_parks_while_tasks_are_runnable() {
        // The shorter the preempt timer, the likelier the defect; below some microseconds glommio runs nothing at all, so
        // the test goes down to where it begins and stops there. In small steps: a tenth at a time it landed where a turn
        // takes a minute.
        let mut preempt_timer_ns = 100_000;
        while preempt_timer_ns > 1_000 {
            let (executor, background) = make(ShardId(0), &core(preempt_timer_ns)).unwrap();
            let dead_man = DeadMan::new(background.kick());
            // The main task's first turn may need a kick as well.
            let first = dead_man.watch();
            let (ticks, parked_falsely) = executor.run(async {
                first.end();
                turns(background, 200).await
            });
            assert!(ticks > 0, "the task got its turns");
            if parked_falsely {
                return;
            }
            preempt_timer_ns = preempt_timer_ns * 49 / 50;
        }
        panic!("the defect was not provoked: is it repaired upstream?");
    }

    #[test]
    fn glommios_rings_are_found() {
        // Other tests may make rings at the same time; those would be watched in vain.
        make_whole(&core(100_000_000));
    }
}
