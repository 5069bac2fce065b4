//! Moves the epoch of a module's engine on while somebody calls the module, and sleeps while nobody does.
//!
//! A call pays nothing for that: whether the ticker sleeps is found out where an epoch is over, which wasmtime looks for
//! anyway. The epoch moves once more when the ticker lies down, so the next call of every instance meets its end.
//!
//! The invariant: when the ticker sleeps, the deadline of each instance is not after the epoch. An instance sets its
//! deadline (the epoch and one) only while it is made (to the epoch) and in a call that met a tick; such a call is counted
//! until it is over. So with none counted all deadlines are at most the epoch and one, and the last move reaches them.
//! A call that meets a tick later than that finds the ticker asleep, and wakes it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::EngineWeak;

/// Ticks without a call after which it sleeps: two deadlines. Fewer, and a module with some calls a second has to wake it
/// for each; more, and it ticks for nobody.
const QUIET_TICKS: u32 = 4;

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const GONE: u8 = 2;

/// The thread of one engine; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    pulse: Arc<Pulse>,
}

/// What the thread and the instances have in common.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    state: AtomicU8,
    /// Calls that met a tick and are not over.
    held: AtomicUsize,
    /// A call met a tick since the last one.
    heard: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// Begins to move the epoch on, each `pause`.
    pub(crate) fn start(engine: EngineWeak, pause: Duration) -> std::io::Result<Self> {
        let pulse = Arc::new(Pulse::default());
        let theirs = pulse.clone();
        let thread = thread::Builder::new().name("ringwire-wasm".to_owned());
        let thread = thread.spawn(move || theirs.run(&engine, pause))?;
        // Nobody can ask for it before this returns.
        pulse.thread.get_or_init(|| thread.thread().clone());
        Ok(Self { pulse })
    }

    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        self.pulse.clone()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.pulse.state.store(GONE, Ordering::SeqCst);
        self.pulse.wake();
    }
}

impl Pulse {
    fn run(&self, engine: &EngineWeak, pause: Duration) {
        let mut quiet = 0;
        loop {
            // To be woken too early is a tick too early, which no deadline in CPU time minds.
            thread::park_timeout(pause);
            let Some(engine) = engine.upgrade() else {
                return;
            };
            quiet = if self.heard.swap(false, Ordering::Relaxed) {
                0
            } else {
                quiet + 1
            };
            let sleeps = quiet >= QUIET_TICKS && self.lies_down();
            engine.increment_epoch();
            drop(engine);
            if sleeps {
                quiet = 0;
                while self.state.load(Ordering::SeqCst) == ASLEEP {
                    thread::park();
                }
            }
            if self.state.load(Ordering::SeqCst) == GONE {
                return;
            }
        }
    }

    /// Says that it will sleep, unless a call that met a tick is under way: then it must go on.
    fn lies_down(&self) -> bool {
        if !self.turns(AWAKE, ASLEEP) {
            return false;
        }
        // One of two sees the other, here and in `hold`: this the call, or the call that the ticker sleeps.
        let is_free = self.held.load(Ordering::SeqCst) == 0;
        if !is_free {
            self.turns(ASLEEP, AWAKE);
        }
        is_free
    }

    fn turns(&self, from: u8, to: u8) -> bool {
        let turned = self
            .state
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst);
        turned.is_ok()
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// A call that met a tick: the ticker stays awake until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Pulse>);

impl Hold {
    /// To be had before the new deadline is set.
    pub(crate) fn of(pulse: &Arc<Pulse>) -> Self {
        pulse.held.fetch_add(1, Ordering::SeqCst);
        let hold = Self(pulse.clone());
        hold.heard();
        hold
    }

    /// The call met a tick.
    pub(crate) fn heard(&self) {
        let pulse = &*self.0;
        pulse.heard.store(true, Ordering::Relaxed);
        if pulse.turns(ASLEEP, AWAKE) {
            pulse.wake();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(pulse: &Pulse) -> u8 {
        pulse.state.load(Ordering::SeqCst)
    }

    #[test]
    fn it_does_not_lie_down_while_a_call_that_met_a_tick_is_under_way() {
        let pulse = Arc::new(Pulse::default());
        let (first, second) = (Hold::of(&pulse), Hold::of(&pulse));
        assert!(!pulse.lies_down());
        assert_eq!(state(&pulse), AWAKE);
        drop(first);
        assert!(!pulse.lies_down());
        drop(second);
        assert!(pulse.lies_down());
        assert_eq!(state(&pulse), ASLEEP);
    }

    #[test]
    fn a_call_that_meets_a_tick_wakes_it() {
        let pulse = Arc::new(Pulse::default());
        assert!(pulse.lies_down());
        let hold = Hold::of(&pulse);
        assert_eq!(state(&pulse), AWAKE);
        assert!(pulse.heard.load(Ordering::Relaxed));
        // It lay down between two ticks of the same call, having seen it too late: the next one wakes it.
        pulse.state.store(ASLEEP, Ordering::SeqCst);
        hold.heard();
        assert_eq!(state(&pulse), AWAKE);
    }

    #[test]
    fn what_is_gone_is_not_woken() {
        let pulse = Arc::new(Pulse::default());
        pulse.state.store(GONE, Ordering::SeqCst);
        assert!(!pulse.lies_down());
        drop(Hold::of(&pulse));
        assert_eq!(state(&pulse), GONE);
    }
}
