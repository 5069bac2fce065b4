//! Flaws of framing and checksum.

use super::Compiler;
use crate::adapter::described::checksum::resolve;
use crate::adapter::described::description::{Checksum, Escape, FRAME_BYTES_MAX, Framing, NOISE_BYTES_MAX};

/// Bytes of a mark, of a delimiter.
const MARK_BYTES_MAX: usize = 16;

impl Compiler<'_> {
    pub(super) fn frame(&mut self) {
        let frame = &self.description.frame;
        if frame.max == 0 || frame.max > FRAME_BYTES_MAX {
            self.flaw(
                "frame.max",
                format!("{} bytes: 1 to {FRAME_BYTES_MAX} can be said", frame.max),
            );
        }
        if frame.noise_max > NOISE_BYTES_MAX {
            self.flaw(
                "frame.noise_max",
                format!("{} bytes; {NOISE_BYTES_MAX} is the limit", frame.noise_max),
            );
        }
        if frame
            .strip
            .checked_add(frame.strip_end)
            .is_none_or(|strip| strip > frame.max)
        {
            self.flaw(
                "frame.strip",
                format!(
                    "more is stripped than the {} bytes that a frame may have",
                    frame.max
                ),
            );
        }
        match &frame.framing {
            Framing::Length {
                start,
                offset,
                width,
                adjustment,
                ..
            } => {
                let least = usize::from(!frame.also.is_empty());
                self.mark(start, "frame.start", least);
                let at = Length {
                    start: start.len(),
                    field: (*offset, *width),
                    adjustment: *adjustment,
                };
                self.length(at, "frame", frame.max);
            }
            Framing::Delimiter {
                delimiter, ending, ..
            } => {
                self.mark(delimiter, "frame.delimiter", 1);
                if let Some(ending) = ending {
                    self.mark(ending, "frame.ending", 1);
                }
            }
            Framing::Fixed { start, size } => {
                self.mark(start, "frame.start", 0);
                if *size == 0 || *size > frame.max || *size < start.len() {
                    let least = start.len().max(1);
                    self.flaw(
                        "frame.size",
                        format!("{size} bytes: {least} to {} can be said", frame.max),
                    );
                }
            }
            Framing::Marks { start, end, escapes } => {
                self.mark(start, "frame.start", 0);
                self.mark(end, "frame.end", 1);
                self.escapes(start, end, escapes);
            }
        }
        self.also();
    }

    /// Other ways in which frames begin.
    fn also(&mut self) {
        let frame = &self.description.frame;
        let mut starts = Vec::new();
        if let Framing::Length { start, .. } = &frame.framing {
            starts.push(start);
        } else if !frame.also.is_empty() {
            self.flaw(
                "frame.also",
                "only with `length`: what frames begin with tells them apart",
            );
            return;
        }
        for (at, also) in frame.also.iter().enumerate() {
            let path = format!("frame.also[{at}]");
            let Framing::Length {
                start,
                offset,
                width,
                adjustment,
                ..
            } = &also.framing
            else {
                self.flaw(path, "it ends by a `length`, as the others do");
                continue;
            };
            self.mark(start, &format!("{path}.start"), 1);
            if let Some(other) = starts
                .iter()
                .find(|other| start.starts_with(other) || other.starts_with(start))
            {
                let what = format!("frames that begin with {} begin so too", digits(other));
                self.flaw(format!("{path}.start"), what);
            }
            starts.push(start);
            if also.max == 0 || also.max > FRAME_BYTES_MAX {
                let what = format!("{} bytes: 1 to {FRAME_BYTES_MAX} can be said", also.max);
                self.flaw(format!("{path}.max"), what);
            }
            let length = Length {
                start: start.len(),
                field: (*offset, *width),
                adjustment: *adjustment,
            };
            self.length(length, &path, also.max);
            let strip = also.strip.checked_add(frame.strip_end);
            if strip.is_none_or(|strip| strip > also.max) {
                let what = format!("more is stripped than the {} bytes that it may have", also.max);
                self.flaw(format!("{path}.strip"), what);
            }
        }
    }

    fn mark(&mut self, mark: &[u8], path: &str, least: usize) {
        if !(least..=MARK_BYTES_MAX).contains(&mark.len()) {
            self.flaw(
                path,
                format!("{} bytes: {least} to {MARK_BYTES_MAX} can be said", mark.len()),
            );
        }
    }

    fn length(&mut self, length: Length, path: &str, max: usize) {
        let Length {
            start,
            field: (offset, width),
            adjustment,
        } = length;
        if !matches!(width, 1 | 2 | 3 | 4 | 8) {
            self.flaw(
                format!("{path}.length.width"),
                format!("{width} bytes: there are 1, 2, 3, 4 and 8"),
            );
        }
        if offset < start {
            self.flaw(
                format!("{path}.length.offset"),
                format!("{offset} is within the {start} bytes that a frame starts with"),
            );
        }
        if offset.checked_add(width).is_none_or(|header| header > max) {
            self.flaw(
                format!("{path}.length.offset"),
                format!("{offset} is behind the {max} bytes that a frame may have"),
            );
        }
        if adjustment.unsigned_abs() > FRAME_BYTES_MAX as u64 {
            self.flaw(
                format!("{path}.length.adjustment"),
                format!("{adjustment} is more than any frame has ({FRAME_BYTES_MAX})"),
            );
        }
    }

    fn escapes(&mut self, start: &[u8], end: &[u8], escapes: &[Escape]) {
        if escapes.is_empty() {
            return;
        }
        let is_escaped = |byte: u8| escapes.iter().any(|escape| escape.plain == byte);
        for (at, escape) in escapes.iter().enumerate() {
            let lead = escape.wire[0];
            let others = &escapes[..at];
            if !is_escaped(lead) {
                let what = format!("{lead:02x} begins what stands for a byte, and must be escaped itself");
                self.flaw("frame.escapes", what);
            }
            if others
                .iter()
                .any(|other| other.wire == escape.wire || other.plain == escape.plain)
            {
                let [first, second] = escape.wire;
                let what = format!("{first:02x}{second:02x} or {:02x} is there twice", escape.plain);
                self.flaw("frame.escapes", what);
            }
            if [start, end].contains(&[escape.wire[0]].as_slice())
                || [start, end].contains(&[escape.wire[1]].as_slice())
            {
                let [first, second] = escape.wire;
                self.flaw(
                    "frame.escapes",
                    format!("{first:02x}{second:02x} has a mark in it"),
                );
            }
        }
        for (mark, path) in [(start, "frame.start"), (end, "frame.end")] {
            if let [mark] = mark
                && !is_escaped(*mark)
            {
                self.flaw(
                    path,
                    format!("a frame cannot have the byte {mark:02x} in it, because it is not escaped"),
                );
            }
        }
    }

    pub(super) fn checksum(&mut self) {
        let Some(checksum) = &self.description.checksum else {
            return;
        };
        // Of the shortest frame there is nothing known; of the longest one the places must make sense.
        let also = self.description.frame.also.iter().map(|also| also.max);
        let max = also.fold(self.description.frame.max, usize::max);
        let within = |position: i32| position.unsigned_abs() as usize <= max;
        for (position, path) in [
            (checksum.from, "checksum.from"),
            (checksum.to.unwrap_or(0), "checksum.to"),
            (checksum.at, "checksum.at"),
        ] {
            if !within(position) {
                self.flaw(
                    path,
                    format!("{position} is outside of the {max} bytes that a frame may have"),
                );
            }
        }
        if checksum.at < 0 && (checksum.at.unsigned_abs() as usize) < checksum.width() {
            let width = checksum.width();
            self.flaw(
                "checksum.at",
                format!("{width} bytes do not fit there: say -{width}, or less"),
            );
        }
        // Of the longest frame that can be: a place from the front and one from the end are as far apart as they get.
        let resolved = |position| resolve(position, max).unwrap_or(max);
        let (at, from) = (resolved(checksum.at), resolved(checksum.from));
        let to = checksum.to.map_or(max, resolved);
        if at < to && from < at + checksum.width() {
            self.flaw(
                "checksum.at",
                "it stands within what it covers: say where that begins and ends",
            );
        }
        if let Some(what) = self.taken(checksum) {
            self.flaw("checksum.at", what);
        }
        let same_side = checksum.to.filter(|to| (*to < 0) == (checksum.from < 0));
        if same_side.is_some_and(|to| to <= checksum.from) {
            self.flaw("checksum.to", "it must be behind `checksum.from`");
        }
    }

    /// What has its place where a checksum stands that is counted from the front.
    fn taken(&self, checksum: &Checksum) -> Option<&'static str> {
        let begin = usize::try_from(checksum.at).ok()?;
        let end = begin + checksum.width();
        let frame = &self.description.frame;
        let also = frame.also.iter().map(|also| &also.framing);
        let mut framings = std::iter::once(&frame.framing).chain(also);
        framings.find_map(|framing| match framing {
            Framing::Length { start, .. } | Framing::Fixed { start, .. } if begin < start.len() => {
                Some("it stands within the bytes that a frame starts with")
            }
            Framing::Length { offset, width, .. }
                if begin < offset.saturating_add(*width) && *offset < end =>
            {
                Some("it stands within the length field")
            }
            Framing::Length { .. }
            | Framing::Fixed { .. }
            | Framing::Delimiter { .. }
            | Framing::Marks { .. } => None,
        })
    }
}

/// A length field, as it is looked at.
struct Length {
    /// Bytes that the frame starts with.
    start: usize,
    /// Offset and width.
    field: (usize, usize),
    adjustment: i64,
}

/// Bytes as a description has them.
fn digits(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{digits}")
}
