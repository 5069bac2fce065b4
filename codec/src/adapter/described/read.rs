//! How bytes of a device are read: frame, checksum, fields, message.
//!
//! Reading changes nothing of a connection but what a second reading of the same bytes would change in the same way; what an
//! event does is done when it is answered. An acknowledgement is not answered: it is done when it is reported.

use super::checksum::Verdict;
use super::description::{Checksum, Reaction};
use super::explain::{Step, Trace};
use super::framing::Cut;
use super::plan::{Condition, Plan, Test};
use super::running::{Connection, Running, Wanted, Work};
use super::walk::{Cursor, Misfit, Span, columns};
use crate::adapter::{Kind, Link, Read, Scratch, Unreadable};

pub(super) type Reading<'a> = Result<Read<'a>, Unreadable>;

/// The body of a frame.
pub(super) struct Found<'a, 'b> {
    /// Bytes of the input that the frame takes.
    pub used: usize,
    /// Where the body begins in the input.
    pub offset: usize,
    pub body: &'b [u8],
    /// The body, where it stands in the input as it is meant.
    pub in_input: Option<&'a [u8]>,
}

impl Running {
    pub(super) fn read_traced<'a, T: Trace>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
        trace: &mut T,
    ) -> Reading<'a> {
        let Self {
            plan,
            connections,
            wanted,
            work,
            ..
        } = self;
        let connection = &mut connections[link];
        let (way, cut) = plan.frames.cut(input, connection.searched)?;
        connection.searched = match cut {
            Cut::Incomplete { searched } => searched,
            Cut::Frame { .. } | Cut::Nothing { .. } | Cut::Noise { .. } => 0,
        };
        let (used, at) = match cut {
            Cut::Incomplete { .. } => return Ok(Read::Incomplete),
            Cut::Nothing { used } => return Ok(Read::Nothing { used }),
            Cut::Noise { used } => {
                let why = Unreadable::new(Kind::Malformed, "noise before the start of a frame", 0);
                return Ok(Read::Skipped { used, why });
            }
            Cut::Frame { used, at } => (used, at),
        };
        let offset = at.start;
        let raw = &input[at];
        let mut plain = std::mem::take(&mut work.plain);
        let read = match plan.frames.way(way).unescape(raw, &mut plain) {
            Ok(escaped) => {
                let frame = if escaped { plain.as_slice() } else { raw };
                let source = (!escaped).then_some(raw);
                let reading = Frame {
                    plan,
                    wanted,
                    way,
                    used,
                    offset,
                    source,
                    frame,
                };
                reading.read(connection, work, scratch, trace)
            }
            Err(at) => {
                let why = Unreadable::new(Kind::Malformed, "an escape that stands for nothing", offset + at);
                react(plan.reactions.malformed, used, why)
            }
        };
        work.plain = plain;
        read
    }
}

/// A frame with all that is known to read it.
pub(super) struct Frame<'a, 'b> {
    pub plan: &'b Plan,
    pub wanted: &'b [Vec<Wanted>],
    /// The way in which it begins.
    pub way: usize,
    pub used: usize,
    /// Where it begins in the input.
    pub offset: usize,
    /// It, where it stands in the input as it is meant.
    pub source: Option<&'a [u8]>,
    pub frame: &'b [u8],
}

/// What is done about bytes that are not as described.
pub(super) fn react<'a>(reaction: Reaction, used: usize, why: Unreadable) -> Reading<'a> {
    if reaction.is_skip() {
        Ok(Read::Skipped { used, why })
    } else {
        Err(why)
    }
}

impl<'a> Frame<'a, '_> {
    fn read<T: Trace>(
        &self,
        connection: &mut Connection,
        work: &mut Work,
        scratch: &'a mut Scratch,
        trace: &mut T,
    ) -> Reading<'a> {
        let Self {
            plan,
            used,
            offset,
            frame,
            ..
        } = *self;
        let framing = plan.frames.way(self.way);
        trace.step(|| Step::frame(self));
        if let Some(checksum) = &plan.checksum
            && let Err(what) = verify(checksum, frame, trace)
        {
            let why = Unreadable::new(Kind::Checksum, what, offset);
            return react(plan.reactions.checksum, used, why);
        }
        let range = framing.strip..frame.len().saturating_sub(framing.strip_end);
        let Some(body) = frame.get(range.clone()) else {
            let what = format!("a frame of {} bytes, and more is stripped", frame.len());
            let why = Unreadable::new(Kind::Malformed, what, offset);
            return react(plan.reactions.malformed, used, why);
        };
        let in_input = self.source.map(|source| &source[range]);
        let found = Found {
            used,
            offset: offset + framing.strip,
            body,
            in_input,
        };
        self.understand(&found, connection, work, (scratch, trace))
    }

    /// Finds the fields and the message.
    fn understand<T: Trace>(
        &self,
        found: &Found<'a, '_>,
        connection: &mut Connection,
        work: &mut Work,
        (scratch, trace): (&'a mut Scratch, &mut T),
    ) -> Reading<'a> {
        let plan = self.plan;
        columns(found.body, plan.separator, &mut work.columns);
        work.slots.clear();
        work.slots.resize(plan.slots_max, Span::ABSENT);
        let mut cursor = Cursor::new(found.body, &work.columns, &mut work.slots);
        let common = trace.walk(&mut cursor, &plan.common);
        if let Err(misfit) = common {
            return self.misfit(found, misfit);
        }
        let Some(index) = choose(plan, found.body, (cursor.slots, &mut work.content), trace) else {
            let why = Unreadable::new(Kind::Illegal, "none of the described messages", found.offset);
            return react(plan.reactions.unknown, found.used, why);
        };
        let message = &plan.messages[index];
        trace.step(|| Step::matched(message));
        if let Err(misfit) = trace.walk(&mut cursor, &message.nodes) {
            return self.misfit(found, misfit);
        }
        self.act(found, index, connection, (work, scratch))
    }

    pub(super) fn misfit(&self, found: &Found<'_, '_>, misfit: Misfit) -> Reading<'a> {
        let kind = if misfit.too_large {
            Kind::TooLarge
        } else {
            Kind::Malformed
        };
        let why = Unreadable::new(kind, misfit.what, found.offset + misfit.at);
        react(self.plan.reactions.malformed, found.used, why)
    }
}

/// The first message whose conditions hold.
fn choose<T: Trace>(
    plan: &Plan,
    body: &[u8],
    (slots, content): (&[Span], &mut Vec<u8>),
    trace: &mut T,
) -> Option<usize> {
    plan.messages.iter().position(|message| {
        let failed = message
            .when
            .iter()
            .find(|condition| !condition.holds(body, slots, content));
        if let Some(failed) = failed {
            trace.step(|| Step::not_matched(message, failed));
        }
        failed.is_none()
    })
}

impl Condition {
    /// `content`: room for text.
    fn holds(&self, body: &[u8], slots: &[Span], content: &mut Vec<u8>) -> bool {
        let Some(raw) = slots[self.field.slot].of(body) else {
            return false;
        };
        if let Test::Numbers(numbers) = &self.test {
            return self
                .field
                .integer(raw)
                .is_some_and(|number| numbers.contains(&number));
        }
        content.clear();
        self.field.push_text(raw, false, content);
        match &self.test {
            Test::Numbers(_) => unreachable!("compared above"),
            Test::Texts(texts) => texts.contains(content),
            Test::Prefix(prefix) => content.starts_with(prefix),
        }
    }
}

/// Compares the checksum, or says what is wrong.
fn verify<T: Trace>(checksum: &Checksum, frame: &[u8], trace: &mut T) -> Result<(), String> {
    let verdict = checksum.verify(frame);
    trace.step(|| Step::checksum(checksum, &verdict));
    match verdict {
        Verdict::Compared { computed, found, .. } if computed == found => Ok(()),
        Verdict::Compared { computed, found, .. } => {
            let digits = checksum.bytes() * 2;
            Err(format!(
                "the checksum is {computed:0digits$x}, and the frame says {found:0digits$x}"
            ))
        }
        Verdict::NoDigits { .. } => Err("the checksum is not written in hex digits".to_owned()),
        Verdict::Absent => Err(format!(
            "a frame of {} bytes has no room for its checksum",
            frame.len()
        )),
    }
}
