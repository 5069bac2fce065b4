//! The conductor: takes the workers through the steps of a run, watches that they get on, and measures.
//!
//! It works on the caller's thread, sleeps most of the time and knows the run by the board's sums only. Whatever stands
//! still for [`STALL`] ends the step it belongs to, so that a run never hangs.

use crate::board::{Count, Counts, Step};
use crate::clock::SECOND;
use crate::outcome::{Phase, Sample};
use crate::plan::Pace;
use crate::process::{self, Process};
use crate::worker::desk::Run;
use crate::{Progress, RunError};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Nothing new for so long ends a step.
const STALL: u64 = 20 * SECOND;

/// How often the board is looked at, and how often a sample is taken.
const LOOK: Duration = Duration::from_millis(5);
const SAMPLE: u64 = SECOND / 10;

/// Connected and idle before memory is read.
const SETTLE: u64 = 3 * SECOND / 10;

/// Between the word to publish and the first message, so that all workers have heard it.
const LEAD: u64 = SECOND / 50;

/// Why a run ended without an outcome.
#[derive(Debug)]
pub(crate) enum Halt {
    /// A worker failed; its own error says more.
    WorkerFailed,
    /// No client was accepted.
    NobodyConnected,
    /// Every connection was lost.
    AllLost(&'static str),
    /// Filters were refused: what their clients do not hear would count as lost.
    SubscriptionsRefused(u64),
    /// Nothing happened.
    Stalled {
        seconds: u64,
        phase: &'static str,
        missing: String,
    },
    /// Figures of a process are not to be had.
    Error(RunError),
}

impl From<process::ProcessError> for Halt {
    fn from(error: process::ProcessError) -> Self {
        Self::Error(error.into())
    }
}

/// One edge of the measurement: everything read at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub at_ns: u64,
    pub counts: Counts,
    pub own_cpu_seconds: f64,
    pub broker_cpu_seconds: f64,
    pub broker_context_switches: u64,
}

/// Memory at one moment: the broker's resident bytes, and the kernel's for TCP sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub rss: u64,
    pub sockets: u64,
}

/// What the conductor saw.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub before: Memory,
    pub connected: Memory,
    pub end: Memory,
    pub rss_peak: u64,
    pub begin: Mark,
    pub finish: Mark,
    /// When everything had drained.
    pub totals: Counts,
    pub series: Vec<Sample>,
}

/// Conducts one run.
pub(crate) struct Conductor<'a> {
    run: &'a Run<'a>,
    progress: &'a mut dyn FnMut(&Progress),
    broker: Option<Process>,
    own: Process,
    phase: Phase,
    course: Course,
    next_sample: u64,
    /// The sum of all that counts as getting on, and when it last changed.
    moved: (u64, u64),
}

impl<'a> Conductor<'a> {
    /// Looks at the broker's process before anybody connects.
    pub(crate) fn new(run: &'a Run<'a>, progress: &'a mut dyn FnMut(&Progress)) -> Result<Self, RunError> {
        let broker = run.plan.broker_pid.map(Process::of).transpose()?;
        let mut conductor = Self {
            run,
            progress,
            broker,
            own: Process::own()?,
            phase: Phase::Connecting,
            course: Course::default(),
            next_sample: 0,
            moved: (0, 0),
        };
        conductor.course.before = conductor.memory()?;
        Ok(conductor)
    }

    /// The whole run but its end.
    pub(crate) fn conduct(&mut self) -> Result<Course, Halt> {
        self.connect()?;
        self.subscribe()?;
        self.pass(self.now() + SETTLE, 1.0)?;
        self.course.connected = self.memory()?;
        let publishes = self
            .run
            .plan
            .groups
            .iter()
            .any(|group| group.publishing.is_some());
        if publishes {
            self.publish()?;
        } else {
            self.measure(false)?;
        }
        self.course.end = self.memory()?;
        self.enter(Phase::Done);
        self.report(1.0)?;
        Ok(std::mem::take(&mut self.course))
    }

    fn connect(&mut self) -> Result<(), Halt> {
        self.enter(Phase::Connecting);
        let wanted = self.run.layout.clients() as u64;
        let interval = self
            .run
            .plan
            .connect_rate
            .map_or(0.0, |rate| SECOND as f64 / rate);
        let patience = STALL.max((3.0 * interval) as u64);
        loop {
            let totals = self.look()?;
            let (made, refused) = (totals.of(Count::Made), totals.of(Count::Refused));
            if made + refused == wanted || self.stands_still(patience) {
                return if made == 0 {
                    Err(Halt::NobodyConnected)
                } else {
                    Ok(())
                };
            }
            self.report((made + refused) as f64 / wanted as f64)?;
        }
    }

    fn subscribe(&mut self) -> Result<(), Halt> {
        self.enter(Phase::Subscribing);
        self.run.board.go(Step::Subscribe);
        let begun = self.now();
        loop {
            let totals = self.look()?;
            let asked = totals.of(Count::SubscribesAsked);
            let answered = totals.of(Count::SubscribesAnswered) + totals.of(Count::Lost);
            // Every worker has seen the step once a few turns have passed.
            if answered >= asked && self.now() > begun + SECOND / 20 {
                let refused = totals.of(Count::SubscriptionsRefused);
                if refused > 0 {
                    return Err(Halt::SubscriptionsRefused(refused));
                }
                self.run.board.go(Step::Idle);
                return Ok(());
            }
            if self.stands_still(STALL) {
                return Err(self.stalled(STALL, format!("{} of {asked} SUBACKs", asked - answered)));
            }
            self.report(answered as f64 / asked.max(1) as f64)?;
        }
    }

    fn publish(&mut self) -> Result<(), Halt> {
        self.enter(Phase::WarmingUp);
        let from = self.now() + LEAD;
        self.run.board.publish_from.store(from, Ordering::Release);
        self.run.board.go(Step::Publish);
        let warmup = self.run.plan.warmup.as_nanos() as u64;
        self.pass(from + warmup, 0.0)?;
        self.measure(true)?;
        self.enter(Phase::Draining);
        self.run.board.go(Step::Drain);
        self.drain()
    }

    fn measure(&mut self, publishes: bool) -> Result<(), Halt> {
        self.enter(Phase::Measuring);
        let board = &self.run.board;
        board.measure_from.store(self.now(), Ordering::Release);
        self.course.begin = self.mark()?;
        let begin = self.course.begin.at_ns;
        let end = &self.run.plan.end;
        let until = end.after.map(|after| begin + after.as_nanos() as u64);
        let patience = self.patience();
        loop {
            let totals = self.look()?;
            let passed = |until: u64| (self.now() - begin) as f64 / (until - begin).max(1) as f64;
            let got = |wanted: u64| self.goal(&totals) as f64 / wanted.max(1) as f64;
            let part = until
                .map_or(0.0, passed)
                .max(end.messages.filter(|_| publishes).map_or(0.0, got));
            if part >= 1.0 {
                break;
            }
            if !publishes && until.is_none() {
                break;
            }
            if publishes && self.stands_still(patience) {
                let got = self.goal(&totals);
                return Err(self.stalled(patience, format!("the next message after {got}")));
            }
            self.report(part)?;
        }
        self.course.finish = self.mark()?;
        self.run
            .board
            .measure_until
            .store(self.course.finish.at_ns, Ordering::Release);
        Ok(())
    }

    /// What the end of a measurement is counted in.
    fn goal(&self, totals: &Counts) -> u64 {
        let is_heard = totals.of(Count::Expected) > 0;
        let count = if is_heard {
            Count::Delivered
        } else {
            Count::Published
        };
        totals.since(&self.course.begin.counts, count)
    }

    fn drain(&mut self) -> Result<(), Halt> {
        let begin = self.now();
        let length = self.run.plan.drain.as_nanos() as u64;
        let mut quiet_since = begin;
        let mut before = Counts::default();
        loop {
            let totals = self.look()?;
            if totals != before {
                (before, quiet_since) = (totals, self.now());
            }
            let is_done = totals.of(Count::Unique) >= totals.of(Count::Expected)
                && totals.of(Count::Acknowledged) >= totals.of(Count::ToAcknowledge);
            // Workers may not have heard yet, and what comes again comes at the end too.
            let is_quiet = self.now() - quiet_since > SECOND / 10;
            let passed = self.now() - begin;
            if is_done && is_quiet || passed > length {
                self.course.totals = totals;
                return Ok(());
            }
            self.report(passed as f64 / length.max(1) as f64)?;
        }
    }

    /// Waits until a moment.
    fn pass(&mut self, until: u64, part: f64) -> Result<(), Halt> {
        let begin = self.now();
        while self.now() < until {
            self.look()?;
            let passed = (self.now() - begin) as f64 / (until - begin).max(1) as f64;
            self.report(part.max(passed.min(1.0)))?;
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        self.run.board.clock.now()
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.moved.1 = self.now();
    }

    /// Sleeps a moment and reads the board.
    fn look(&mut self) -> Result<Counts, Halt> {
        thread::sleep(LOOK);
        if self.run.board.failed.load(Ordering::Acquire) {
            return Err(Halt::WorkerFailed);
        }
        let totals = self.run.board.totals();
        let kinds = [
            Count::Made,
            Count::Refused,
            Count::SubscribesAnswered,
            Count::Published,
            Count::Delivered,
            Count::Acknowledged,
        ];
        let sum = kinds.iter().map(|&kind| totals.of(kind)).sum();
        if sum != self.moved.0 {
            self.moved = (sum, self.now());
        }
        let (made, lost) = (totals.of(Count::Made), totals.of(Count::Lost));
        if lost > 0 && lost == made && self.phase != Phase::Connecting {
            return Err(Halt::AllLost(name(self.phase)));
        }
        self.course.totals = totals;
        Ok(totals)
    }

    fn stands_still(&self, patience: u64) -> bool {
        self.now() - self.moved.1 > patience
    }

    /// The longest time for which a healthy run may be silent while it publishes.
    fn patience(&self) -> u64 {
        let publishing = self
            .run
            .plan
            .groups
            .iter()
            .filter_map(|group| group.publishing.as_ref());
        let intervals = publishing.map(|publishing| match publishing.pace {
            Pace::Rate { per_second, .. } => (3.0 * SECOND as f64 / per_second) as u64,
            Pace::Window { .. } => 0,
        });
        intervals.max().unwrap_or_default().max(STALL)
    }

    fn stalled(&self, patience: u64, missing: String) -> Halt {
        Halt::Stalled {
            seconds: patience / SECOND,
            phase: name(self.phase),
            missing,
        }
    }

    fn mark(&self) -> Result<Mark, Halt> {
        let mut mark = Mark {
            at_ns: self.now(),
            counts: self.run.board.totals(),
            own_cpu_seconds: self.own.cpu_seconds()?,
            ..Mark::default()
        };
        if let Some(broker) = &self.broker {
            mark.broker_cpu_seconds = broker.cpu_seconds()?;
            mark.broker_context_switches = broker.context_switches()?;
        }
        Ok(mark)
    }

    fn memory(&mut self) -> Result<Memory, process::ProcessError> {
        let Some(broker) = &self.broker else {
            return Ok(Memory::default());
        };
        self.course.rss_peak = broker.rss_peak_bytes()?;
        Ok(Memory {
            rss: broker.rss_bytes()?,
            sockets: process::tcp_memory_bytes()?,
        })
    }

    /// Takes a sample if it is time to, and shows it.
    fn report(&mut self, part: f64) -> Result<(), Halt> {
        let now = self.now();
        if now < self.next_sample && self.phase != Phase::Done {
            return Ok(());
        }
        self.next_sample = now + SAMPLE;
        let totals = &self.course.totals;
        let mut sample = Sample {
            at_ms: now / 1_000_000,
            connected: totals.of(Count::Made) - totals.of(Count::Lost),
            published: totals.of(Count::Published),
            delivered: totals.of(Count::Delivered),
            latency_max_us: self.run.board.take_latency_max() as f64 / 1_000.0,
            ..Sample::default()
        };
        if let Some(broker) = &self.broker {
            sample.broker_cpu_seconds = broker.cpu_seconds()?;
            sample.broker_rss = broker.rss_bytes()?;
        }
        self.course.series.push(sample);
        (self.progress)(&Progress {
            phase: self.phase,
            part: part.clamp(0.0, 1.0),
            sample,
        });
        Ok(())
    }
}

/// For messages.
fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Connecting => "connecting",
        Phase::Subscribing => "subscribing",
        Phase::WarmingUp => "warming up",
        Phase::Measuring => "measuring",
        Phase::Draining => "draining",
        Phase::Done => "ending",
    }
}
