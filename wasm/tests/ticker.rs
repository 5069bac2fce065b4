//! The thread that ends a call at its deadline: it does nothing while no module runs, and is there when one runs away.
//!
//! One test at a time: they look at the threads of their process.

// Looks at /proc.
#![allow(clippy::disallowed_methods)]

mod device;

use device::{adapter, hear, module, module_with, open};
use ringwire_codec::adapter::{Adapter, Kind};
use ringwire_wasm::{Module, Settings};
use std::fs;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Of each ticker in this process, how often it went to sleep.
fn sleeps() -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("linux");
    let statuses = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("status")).ok());
    let tickers = statuses.filter(|status| status.starts_with("Name:\tringwire-wasm\n"));
    tickers
        .map(|status| {
            let mut lines = status.lines();
            let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse().ok())
                .expect("a number")
        })
        .collect()
}

/// Waits until something holds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until there is one ticker, which does not wake for 20 times its pause. (A thread has its name a moment after its
/// start, and ends a moment after its module.)
fn until_asleep() {
    until("the ticker sleeps", || {
        let before = sleeps();
        thread::sleep(Duration::from_millis(100));
        before.len() == 1 && sleeps() == before
    });
}

/// Each byte is a frame; `!` runs for ever.
const RUNAWAY: &str = r#"(func (export "ringwire_read") (param i32 i32) (result i32)
    (if (i32.eq (i32.load8_u (local.get 0)) (i32.const 33)) (then (loop $again (br $again))))
    (i32.const 1))"#;

fn runaway() -> Module {
    module(RUNAWAY).expect("the module loads")
}

/// Has a new connection run away; returns how long that took.
fn runs_away(adapter: &mut dyn Adapter) -> Duration {
    let link = open(adapter);
    let started = Instant::now();
    let error = hear(adapter, link, b"!").error.expect("it is ended");
    let took = started.elapsed();
    assert_eq!(error.kind, Kind::Failed);
    assert!(error.what.contains("it ran for more than"), "{}", error.what);
    adapter.close(link);
    took
}

#[test]
fn a_ticker_sleeps_while_no_module_runs() {
    let _turn = one_at_a_time();
    let module = runaway();
    let mut adapter = adapter(&module);
    let link = open(&mut *adapter);
    for _ in 0..3 {
        assert_eq!(hear(&mut *adapter, link, b"...").used, 3);
        until_asleep();
        let asleep = sleeps();
        assert_eq!(hear(&mut *adapter, link, b"...").used, 3);
        // A call after a rest has it tick again: it may be the one that never ends.
        until("the ticker wakes", || sleeps() != asleep);
    }
}

#[test]
fn a_call_that_never_ends_is_ended_when_the_ticker_slept() {
    let _turn = one_at_a_time();
    let module = runaway();
    let mut adapter = adapter(&module);
    for _ in 0..2 {
        until_asleep();
        // On an instance that has run before, and on a new one: the failure took the other away.
        let steady = open(&mut *adapter);
        hear(&mut *adapter, steady, b".");
        until_asleep();
        runs_away(&mut *adapter);
        until_asleep();
        runs_away(&mut *adapter);
        adapter.close(steady);
    }
}

#[test]
fn a_call_that_never_ends_is_ended_however_it_meets_a_ticker_that_lies_down() {
    let _turn = one_at_a_time();
    let settings = Settings {
        deadline_ms: 2,
        ..Settings::default()
    };
    let module = module_with(RUNAWAY, settings).expect("the module loads");
    // Four shards: the calls of one keep the ticker awake or send it to sleep under the feet of another.
    thread::scope(|scope| {
        for shard in 0..4_u64 {
            let module = &module;
            scope.spawn(move || {
                let mut adapter = adapter(module);
                let steady = open(&mut *adapter);
                for round in 0..60_u64 {
                    // It sleeps after four ticks of a millisecond: around then.
                    let pause = 3_000 + (round * 7 + shard * 3) % 40 * 100;
                    thread::sleep(Duration::from_micros(pause));
                    if round % 3 == shard % 3 {
                        let took = runs_away(&mut *adapter);
                        assert!(took < PATIENCE, "{took:?}");
                    } else {
                        assert_eq!(hear(&mut *adapter, steady, b".").used, 1);
                    }
                }
            });
        }
    });
    until_asleep();
}

#[test]
fn a_ticker_ends_with_the_last_adapter_of_its_module() {
    let _turn = one_at_a_time();
    let asleep = runaway();
    until_asleep();
    let mut last = adapter(&asleep);
    drop(asleep);
    runs_away(&mut *last);
    until_asleep();
    drop(last);
    until("a ticker that slept ends", || sleeps().is_empty());
    let modules: Vec<Module> = (0..20).map(|_| runaway()).collect();
    until("each has one", || sleeps().len() == modules.len());
    drop(modules);
    until("tickers that are awake end", || sleeps().is_empty());
}
