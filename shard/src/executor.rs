//! glommio's part: one executor a shard, pinned and named, and turns for its background tasks.
//!
//! The pump is the executor's main task and blocks in its own ring, so glommio runs only when it is given a turn: when
//! one of our tasks was woken, or one of its rings has something. glommio 0.9 can park although tasks are runnable
//! (its preempt timer fires before the first task of a pass): timers armed across each turn end such a park, and it is
//! counted. Nothing that a shard needs to live depends on glommio waking up.

use crate::ring::{Ring, system};
use crate::{Core, StartError};
use glommio::timer::Timer;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use parking_lot::Mutex;
use ringwire_core::ShardId;
use std::cell::Cell;
use std::os::fd::RawFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Bytes of locked memory for glommio's file buffers, which nothing here uses: its least. Its default is 10 MiB.
const IO_MEMORY: usize = 64 << 10;

/// Milliseconds after which a turn that has not come back is woken; each next timer doubles, in case the executor parks
/// falsely once more.
const DEAD_MAN_MS: [u64; 6] = [4, 8, 16, 32, 64, 128];

/// Milliseconds between two turns.
const BETWEEN_TURNS: Duration = Duration::from_millis(1);

/// Held while an executor is made: which rings are glommio's is seen by comparing what is open before and after.
static MAKING: Mutex<()> = Mutex::new(());

/// Makes the executor of the calling thread, and the way to give it turns.
pub(crate) fn make(shard: ShardId, core: &Core) -> Result<(LocalExecutor, Background), StartError> {
    let placement = core.cpu.map_or(Placement::Unbound, Placement::Fixed);
    let builder = LocalExecutorBuilder::new(placement)
        .name("ringwire")
        .io_memory(IO_MEMORY)
        .preempt_timer(Duration::from_nanos(core.preempt_timer_ns));
    let _alone = MAKING.lock();
    let before = system::open_rings();
    let executor = builder.make().map_err(|error| StartError::Executor {
        shard: shard.0,
        cpu: core.cpu,
        reason: error.to_string(),
    })?;
    let mut rings = system::open_rings();
    rings.retain(|ring| !before.contains(ring));
    Ok((executor, Background::new(rings)))
}

/// Background tasks of one shard, and the turns they get.
pub struct Background {
    rings: Vec<Watched>,
    shared: Rc<Shared>,
    ready: bool,
    last: Option<Instant>,
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
    fn new(rings: Vec<RawFd>) -> Self {
        let watched = rings.into_iter().map(|descriptor| Watched {
            descriptor,
            armed: false,
        });
        Self {
            rings: watched.collect(),
            shared: Rc::default(),
            ready: false,
            last: None,
        }
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
        let began = Instant::now();
        self.ready = false;
        self.shared.woken.store(false, Ordering::Relaxed);
        let mut timers: Vec<Timer> = DEAD_MAN_MS
            .iter()
            .map(|&ms| Timer::new(Duration::from_millis(ms)))
            .collect();
        let glommio = glommio::executor();
        let mut yielded = pin!(glommio.yield_now());
        std::future::poll_fn(|context| {
            for timer in &mut timers {
                // They only have to be armed: what ends the turn is the yield.
                let _ = Pin::new(timer).poll(context);
            }
            yielded.as_mut().poll(context)
        })
        .await;
        self.last = Some(Instant::now());
        began.elapsed() >= Duration::from_millis(DEAD_MAN_MS[0])
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

    /// Runs turns with one ticking task, as the pump does: how often it ticked, and how often glommio parked falsely.
    fn turns(preempt_timer_ns: u64, turns: usize) -> (usize, u32) {
        let core = Core {
            preempt_timer_ns,
            ..Core::default()
        };
        let (executor, mut background) = make(ShardId(0), &core).unwrap();
        executor.run(async move {
            let ticks = Rc::new(Cell::new(0));
            let counter = Rc::clone(&ticks);
            background.spawn(async move {
                loop {
                    counter.set(counter.get() + 1);
                    glommio::executor().yield_now().await;
                }
            });
            let mut false_parks = 0;
            for _ in 0..turns {
                assert!(background.is_waiting(), "a task that was woken waits for a turn");
                false_parks += u32::from(background.turn().await);
            }
            (ticks.get(), false_parks)
        })
    }

    #[test]
    fn background_tasks_run_when_they_get_turns() {
        let (ticks, _) = turns(100_000_000, 50);
        assert!(ticks >= 50, "{ticks}");
    }

    #[test]
    fn glommios_rings_are_found() {
        std::thread::spawn(|| {
            let (_executor, background) = make(ShardId(0), &Core::default()).unwrap();
            assert_eq!(background.rings.len(), 3);
        })
        .join()
        .unwrap();
    }
}
