//! What stands behind an instance while it runs: its limits, the events that it reports, the bytes that it writes.
//!
//! `imports.rs` is how a module reaches it, `instance.rs` how the adapter does. Everything that comes from the module is
//! checked here: an address outside of its memory, or more than it may say, ends the call as a failure.

use crate::queue::{Credentials, Pending, Queue, Report, Span};
use crate::settings::Settings;
use crate::ticker::{Hold, Pulse};
use ringwire_codec::adapter::{Kind, Undeliverable, Unreadable};
use rustix::time::{ClockId, clock_gettime};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{Error, Memory, ResourceLimiter, Result, UpdateDeadline};

/// Bytes of a text for a person.
const TEXT_BYTES_MAX: usize = 200;
/// Characters of a name or a message.
const SHOWN_CHARS_MAX: usize = 300;
/// A module has one table; what it points to is functions.
const TABLE_ELEMENTS_MAX: usize = 65_536;

/// What the module was called for: it decides what it may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// It is being loaded, or asked for memory.
    Other,
    Read,
    Answer,
    Deliver,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: Arc<str>,
    pub(crate) settings: Settings,
    /// Known once the instance is made.
    pub(crate) memory: Option<Memory>,
    pub(crate) call: Call,
    /// Where the module sees the front of the input.
    pub(crate) input: Range<usize>,
    pub(crate) queue: Queue,
    /// The device's, for the time of the call.
    pub(crate) out: Vec<u8>,
    /// Bytes of `out` from before the call.
    pub(crate) out_before: usize,
    /// Of `Answer::Refused`.
    pub(crate) refusal: &'static str,
    pub(crate) undeliverable: Option<Undeliverable>,
    pub(crate) fields: Fields,
    pub(crate) limiter: Limiter,
    pub(crate) watch: Watch,
    pub(crate) log: Log,
}

/// The module's fields and those that the up topic has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    /// Of the module.
    pub(crate) count: usize,
    /// Indices of fields.
    pub(crate) wanted: Arc<[usize]>,
}

impl Host {
    pub(crate) fn new(name: Arc<str>, settings: Settings, fields: Fields, pulse: Arc<Pulse>) -> Self {
        Self {
            name,
            settings,
            memory: None,
            call: Call::Other,
            input: 0..0,
            queue: Queue::default(),
            out: Vec::new(),
            out_before: 0,
            refusal: "",
            undeliverable: None,
            fields,
            limiter: Limiter::new(settings.memory_bytes_max),
            watch: Watch::new(settings.deadline(), pulse),
            log: Log::new(settings.log_lines_max),
        }
    }

    /// Only in a call of this kind.
    pub(crate) fn only_in(&self, call: Call, function: &str) -> Result<()> {
        if self.call == call {
            return Ok(());
        }
        let place = match call {
            Call::Other => "while it is loaded",
            Call::Read => "in ringwire_read",
            Call::Answer => "in ringwire_answer",
            Call::Deliver => "in ringwire_deliver",
        };
        Err(Error::msg(format!("{function} may be called only {place}")))
    }

    /// One more event.
    pub(crate) fn report(&mut self, report: Report, tag: u32) -> Result<()> {
        self.only_in(Call::Read, "an event")?;
        if self.queue.is_over {
            return Ok(());
        }
        if self.queue.pending.len() >= self.settings.events_max {
            let limit = self.settings.events_max;
            return Err(Error::msg(format!("more than {limit} events in one call")));
        }
        let ends = |last: &Pending| matches!(last.report, Report::Skipped(_) | Report::Unreadable(_));
        if self.queue.pending.back().is_some_and(ends) {
            return Err(Error::msg(
                "an event after skip or unreadable, which must be the last",
            ));
        }
        self.queue.pending.push_back(Pending { report, tag, used: 0 });
        Ok(())
    }

    /// Bytes of an event: left where they are if that is the input.
    pub(crate) fn span(&mut self, memory: &[u8], (at, len): (u32, u32)) -> Result<Span> {
        let found = slice(memory, at, len)?;
        let at = at as usize;
        if at >= self.input.start && at + found.len() <= self.input.end {
            let at = at - self.input.start;
            return Ok(Span::Input(at..at + found.len()));
        }
        self.keeps(found.len())?;
        let kept = self.queue.bytes.len();
        self.queue.bytes.extend_from_slice(found);
        Ok(Span::Kept(kept..kept + found.len()))
    }

    /// So many bytes more may be kept.
    fn keeps(&self, count: usize) -> Result<()> {
        let limit = self.settings.event_bytes_max;
        if count > limit.saturating_sub(self.queue.bytes_kept()) {
            return Err(Error::msg(format!(
                "events of more than {limit} bytes in one call"
            )));
        }
        Ok(())
    }

    /// As `span`; address 0 stands for nothing.
    pub(crate) fn optional(&mut self, memory: &[u8], place: (u32, u32)) -> Result<Option<Span>> {
        if place.0 == 0 {
            return Ok(None);
        }
        self.span(memory, place).map(Some)
    }

    pub(crate) fn connect(&mut self, credentials: Credentials, tag: u32) -> Result<()> {
        self.report(Report::Connect(Box::new(credentials)), tag)
    }

    /// The values that the up topic wants, of `count` pairs of address and length.
    pub(crate) fn values(&mut self, memory: &[u8], pairs: u32) -> Result<Vec<String>, Trouble> {
        if self.fields.wanted.is_empty() {
            return Ok(Vec::new());
        }
        let size = u32::try_from(self.fields.count * 8).map_err(|_| Error::msg("too many fields"))?;
        let pairs = slice(memory, pairs, size)?;
        let mut values = Vec::with_capacity(self.fields.wanted.len());
        for &field in self.fields.wanted.clone().iter() {
            let word = |at: usize| {
                let bytes = pairs[at..at + 4].try_into().expect("four bytes");
                u32::from_le_bytes(bytes)
            };
            let found = slice(memory, word(field * 8), word(field * 8 + 4))?;
            self.keeps(found.len())?;
            self.queue.value_bytes += found.len();
            let text = std::str::from_utf8(found).map_err(|_| Trouble::NotText)?;
            values.push(text.to_owned());
        }
        Ok(values)
    }

    /// Bytes for the device.
    pub(crate) fn write(&mut self, found: &[u8]) -> Result<()> {
        if !matches!(self.call, Call::Answer | Call::Deliver) {
            return Err(Error::msg(
                "write may be called only in ringwire_answer and ringwire_deliver",
            ));
        }
        let written = self.out.len() - self.out_before;
        let limit = self.settings.output_bytes_max;
        if found.len() > limit.saturating_sub(written) {
            return Err(Error::msg(format!(
                "more than {limit} bytes for the device in one call"
            )));
        }
        self.out.extend_from_slice(found);
        Ok(())
    }
}

/// Why values cannot be had.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// What the device sent is no text: its fault.
    NotText,
    /// The module's.
    Module(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Module(error)
    }
}

/// Bytes of a module's memory.
pub(crate) fn slice(memory: &[u8], at: u32, len: u32) -> Result<&[u8]> {
    let (at, len) = (at as usize, len as usize);
    let found = memory.get(at..at + len);
    found.ok_or_else(|| outside(at, len, memory.len()))
}

/// What a bad address is called.
pub(crate) fn outside(at: usize, len: usize, size: usize) -> Error {
    Error::msg(format!(
        "{len} bytes at {at:#x} are outside of its memory of {size:#x} bytes"
    ))
}

/// A reason or a line for a person, cut where it gets too long, on one line.
pub(crate) fn text(memory: &[u8], at: u32, len: u32) -> Result<String> {
    let found = slice(memory, at, len)?;
    let found = &found[..found.len().min(TEXT_BYTES_MAX)];
    if found.is_empty() {
        return Ok("the module gives no reason".to_owned());
    }
    Ok(String::from_utf8_lossy(found).escape_debug().to_string())
}

/// A name or a message with names of the module, which may have a hundred thousand bytes of anything, for a person.
pub(crate) fn shown(text: &str) -> String {
    let is_plain = |c: char| {
        if c.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(SHOWN_CHARS_MAX).map(is_plain).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

/// An error in the input, as the module tells it.
pub(crate) fn unreadable(host: &Host, kind: Option<Kind>, what: String, offset: u32) -> Result<Unreadable> {
    let kind = kind.ok_or_else(|| Error::msg("there is no such kind of error"))?;
    let offset = (offset as usize).min(host.input.len());
    Ok(Unreadable::new(kind, what, offset))
}

/// Keeps an instance to its memory, and remembers that it wanted more.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    /// Bytes that it asked for in vain.
    pub(crate) refused: Option<usize>,
}

impl Limiter {
    fn new(memory_bytes_max: usize) -> Self {
        Self {
            memory_bytes_max,
            refused: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let fits = desired <= self.memory_bytes_max;
        if !fits {
            self.refused = Some(desired);
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}

/// Ends a call that runs for too long. Asked only when a tick passes during a call, so a call pays for a counter.
///
/// It measures the CPU time of the thread: a shard that had to wait for a CPU blames nobody.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: Duration,
    pulse: Arc<Pulse>,
    /// The call meets ticks: there must be more of them until it is over.
    met: Option<Met>,
}

/// Of the call that is under way.
#[derive(Debug)]
struct Met {
    hold: Hold,
    /// CPU time at its first tick.
    since: Duration,
}

impl Watch {
    fn new(limit: Duration, pulse: Arc<Pulse>) -> Self {
        Self {
            limit,
            pulse,
            met: None,
        }
    }

    /// A tick passed.
    pub(crate) fn tick(&mut self) -> Result<UpdateDeadline> {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        let now = Duration::try_from(now).map_err(Error::new)?;
        let Some(met) = &self.met else {
            let hold = Hold::of(&self.pulse);
            self.met = Some(Met { hold, since: now });
            return Ok(UpdateDeadline::Continue(1));
        };
        met.hold.heard();
        if now.saturating_sub(met.since) < self.limit {
            return Ok(UpdateDeadline::Continue(1));
        }
        let limit = self.limit.as_millis();
        Err(Error::msg(format!("it ran for more than {limit} ms")))
    }

    /// The call is over.
    pub(crate) fn end(&mut self) {
        self.met = None;
    }
}

/// Lines of a module in the broker's log.
#[derive(Debug)]
pub(crate) struct Log {
    lines_max: u32,
    lines: u32,
    since: Instant,
}

impl Log {
    fn new(lines_max: u32) -> Self {
        Self {
            lines_max,
            lines: 0,
            since: Instant::now(),
        }
    }

    /// One line, unless it had many in this second.
    pub(crate) fn line(&mut self, adapter: &str, line: &str) {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.lines, self.since) = (0, Instant::now());
        }
        self.lines = self.lines.saturating_add(1);
        if self.lines <= self.lines_max {
            tracing::info!(adapter, "{line}");
        } else if self.lines == self.lines_max + 1 {
            tracing::warn!(adapter, "more lines of the module in this second are left out");
        }
    }
}
