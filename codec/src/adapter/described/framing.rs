//! Where frames begin and end in a stream, and the way back: a frame gets its start, length, checksum, escapes and marks.
//!
//! Nothing is known here of a connection but how many bytes at the front were searched in vain, so that a frame that comes
//! byte by byte costs no more than one that comes at once.

use super::description::{Checksum, Escape, Frame, Framing, Reaction};
use super::plan::{push_unsigned, unsigned};
use crate::adapter::{Kind, Unreadable};
use memchr::memmem;
use std::ops::Range;

/// What stands at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Not yet a whole frame. So many bytes need not be searched again.
    Incomplete { searched: usize },
    /// A frame.
    Frame {
        /// Bytes from the front that it takes, marks and delimiter with it.
        used: usize,
        /// Where it is in the input; its escapes are still in it.
        at: Range<usize>,
    },
    /// Marks or delimiters without anything between them.
    Nothing { used: usize },
    /// Noise before a frame.
    Noise { used: usize },
}

/// The ways in which frames of a protocol begin: one, or several that are told apart by their starts.
#[derive(Debug)]
pub(super) struct Frames {
    /// The first is that of what is not an answer.
    ways: Vec<Frame>,
}

impl Frames {
    /// Those of a description.
    pub(super) fn new(frame: &Frame) -> Self {
        let also = frame.also.iter().map(|also| Frame {
            framing: also.framing.clone(),
            strip: also.strip,
            max: also.max,
            also: Vec::new(),
            ..*frame
        });
        let ways = std::iter::once(frame.clone()).chain(also).collect();
        Self { ways }
    }

    /// One of them, by its number.
    pub(super) fn way(&self, way: usize) -> &Frame {
        &self.ways[way]
    }

    /// All of them.
    pub(super) fn ways(&self) -> &[Frame] {
        &self.ways
    }

    /// As [`Frame::cut`], with the number of the way in which the frame begins.
    pub(super) fn cut(&self, input: &[u8], searched: usize) -> Result<(usize, Cut), Unreadable> {
        let way = self
            .ways
            .iter()
            .position(|way| input.starts_with(way.framing.start()));
        let cut = match way {
            Some(way) => self.ways[way].cut(input, searched),
            None => {
                let starts: Vec<_> = self.ways.iter().map(|way| way.framing.start()).collect();
                self.ways[0].noise(input, &starts, searched)
            }
        };
        Ok((way.unwrap_or(0), cut?))
    }

    /// Bytes of the whole first frame, where its front tells it.
    pub(super) fn size(&self, front: &[u8]) -> Option<usize> {
        let begins = |way: &&Frame| front.starts_with(way.framing.start());
        self.ways.iter().find(begins)?.size(front)
    }
}

impl Frame {
    /// Finds the frame that begins here. `searched`: what an earlier search of the same front said.
    ///
    /// # Errors
    /// What cannot be left out, because it is not known where the next frame begins.
    pub(super) fn cut(&self, input: &[u8], searched: usize) -> Result<Cut, Unreadable> {
        match &self.framing {
            Framing::Length { .. } => self.cut_length(input),
            Framing::Fixed { size, .. } if input.len() < *size => Ok(Cut::Incomplete { searched: 0 }),
            Framing::Fixed { size, .. } => Ok(Cut::Frame {
                used: *size,
                at: 0..*size,
            }),
            Framing::Delimiter {
                delimiter, strip_cr, ..
            } => {
                let cut = self.cut_end(input, 0, delimiter, searched)?;
                Ok(if *strip_cr { without_cr(cut, input) } else { cut })
            }
            Framing::Marks { start, end, .. } if start == end && input[start.len()..].starts_with(end) => {
                Ok(Cut::Nothing { used: start.len() })
            }
            Framing::Marks { start, end, .. } => self.cut_end(input, start.len(), end, searched),
        }
    }

    /// Bytes of the whole first frame, where its front tells it.
    pub(super) fn size(&self, front: &[u8]) -> Option<usize> {
        match &self.framing {
            Framing::Fixed { size, .. } => Some(*size),
            Framing::Length { .. } => self.total(front)?.ok(),
            Framing::Delimiter { .. } | Framing::Marks { .. } => None,
        }
    }

    /// The input does not begin with a start mark: where does one of `starts` begin?
    fn noise(&self, input: &[u8], starts: &[&[u8]], searched: usize) -> Result<Cut, Unreadable> {
        let is_whole = |rest: &[u8]| starts.iter().any(|start| rest.starts_with(start));
        let may_be = |rest: &[u8]| starts.iter().any(|start| start.starts_with(rest));
        let begins = |at: &usize| is_whole(&input[*at..]) || may_be(&input[*at..]);
        let from = searched.min(input.len());
        let used = (from..input.len()).find(begins).unwrap_or(input.len());
        if used > self.noise_max {
            let what = format!(
                "{used} bytes of noise, and no start of a frame; {} are left out",
                self.noise_max
            );
            return Err(Unreadable::new(Kind::Malformed, what, 0));
        }
        Ok(match is_whole(&input[used..]) {
            true => Cut::Noise { used },
            false => Cut::Incomplete { searched: used },
        })
    }

    fn cut_length(&self, input: &[u8]) -> Result<Cut, Unreadable> {
        let Some(total) = self.total(input) else {
            return Ok(Cut::Incomplete { searched: 0 });
        };
        let used = total?;
        if input.len() < used {
            return Ok(Cut::Incomplete { searched: 0 });
        }
        Ok(Cut::Frame { used, at: 0..used })
    }

    /// Bytes of a frame with a length field, when that is there.
    fn total(&self, input: &[u8]) -> Option<Result<usize, Unreadable>> {
        let Framing::Length {
            offset,
            width,
            endian,
            adjustment,
            ..
        } = self.framing
        else {
            return None;
        };
        let header = offset + width;
        let value = unsigned(input.get(offset..header)?, endian);
        let total = header as i128 + i128::from(value) + i128::from(adjustment);
        let refuse = |kind, what| Some(Err(Unreadable::new(kind, what, offset)));
        match usize::try_from(total) {
            Ok(total) if total > self.max => refuse(Kind::TooLarge, self.too_large(total)),
            Ok(total) if total >= header => Some(Ok(total)),
            Err(_) if total > 0 => refuse(Kind::TooLarge, self.too_large(total)),
            Ok(_) | Err(_) => {
                let what =
                    format!("a length of {value} makes a frame shorter than the {header} bytes up to it");
                refuse(Kind::Malformed, what)
            }
        }
    }

    fn too_large(&self, size: impl std::fmt::Display) -> String {
        format!("a frame of {size} bytes, and {} are taken", self.max)
    }

    /// A frame that begins at `begin` and goes on up to `end`.
    fn cut_end(&self, input: &[u8], begin: usize, end: &[u8], searched: usize) -> Result<Cut, Unreadable> {
        let from = searched.clamp(begin, input.len().max(begin));
        let found = input
            .get(from..)
            .and_then(|rest| memmem::find(rest, end))
            .map(|at| from + at);
        let size = found.map_or(input.len(), |found| found + end.len());
        if size > self.max {
            let what = match found {
                Some(_) => self.too_large(size),
                None => format!("no end of a frame within the {} bytes that are taken", self.max),
            };
            return Err(Unreadable::new(Kind::TooLarge, what, 0));
        }
        Ok(match found {
            None => Cut::Incomplete {
                searched: input.len().saturating_sub(end.len() - 1),
            },
            Some(found) if found == begin => Cut::Nothing { used: size },
            Some(found) => Cut::Frame {
                used: size,
                at: begin..found,
            },
        })
    }

    /// Takes the escapes out of a frame. `true`: it had some, and is in `plain` now.
    ///
    /// # Errors
    /// An escape that stands for nothing, with its offset in the frame.
    pub(super) fn unescape(&self, frame: &[u8], plain: &mut Vec<u8>) -> Result<bool, usize> {
        let Framing::Marks { escapes, .. } = &self.framing else {
            return Ok(false);
        };
        let leads = |byte: &u8| escapes.iter().any(|escape| escape.wire[0] == *byte);
        if escapes.is_empty() || !frame.iter().any(leads) {
            return Ok(false);
        }
        plain.clear();
        let mut at = 0;
        while let Some(byte) = frame.get(at) {
            if !leads(byte) {
                plain.push(*byte);
                at += 1;
                continue;
            }
            let wire = frame.get(at..at + 2);
            let meant = escapes
                .iter()
                .find(|escape| wire == Some(&escape.wire))
                .ok_or(at)?;
            plain.push(meant.plain);
            at += 2;
        }
        Ok(true)
    }
}

/// Why a frame cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unframed {
    #[error("{size} bytes of a frame, and {limit} are taken")]
    TooLarge { size: usize, limit: usize },
    #[error("a frame of {0} bytes has no room for its length or its checksum")]
    TooShort(usize),
    #[error("what is to be sent holds the end of a frame")]
    HoldsEnd,
}

impl Frame {
    /// Appends `content` to `out` as a frame. It is changed on its way; after an error, nothing is appended.
    pub(super) fn wrap(
        &self,
        checksum: Option<&Checksum>,
        content: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unframed> {
        self.put_header(checksum, content)?;
        if let Some(checksum) = checksum {
            checksum.fill(content).ok_or(Unframed::TooShort(content.len()))?;
        }
        let begin = out.len();
        let written = self.put_around(content, out);
        let size = out.len() - begin;
        let fits = match written {
            Ok(()) if size > self.max => Err(Unframed::TooLarge {
                size,
                limit: self.max,
            }),
            written => written,
        };
        if fits.is_err() {
            out.truncate(begin);
        }
        fits
    }

    /// Puts start and length into the content, and room for the checksum.
    fn put_header(&self, checksum: Option<&Checksum>, content: &mut Vec<u8>) -> Result<(), Unframed> {
        let start = match &self.framing {
            Framing::Length { start, .. } | Framing::Fixed { start, .. } => start.as_slice(),
            Framing::Delimiter { .. } | Framing::Marks { .. } => &[],
        };
        content.splice(0..0, start.iter().copied());
        let room = |content: &mut Vec<u8>, at: Option<usize>, width: usize| {
            let at = at
                .filter(|at| *at <= content.len())
                .ok_or(Unframed::TooShort(content.len()))?;
            content.splice(at..at, std::iter::repeat_n(0, width));
            Ok(())
        };
        // A place that is counted from the front is right when all that stands before it is there.
        let early = checksum.filter(|checksum| checksum.at >= 0);
        let late = checksum.filter(|checksum| checksum.at < 0);
        let length = match self.framing {
            Framing::Length { offset, width, .. } => Some((offset, width)),
            Framing::Delimiter { .. } | Framing::Fixed { .. } | Framing::Marks { .. } => None,
        };
        let is_first =
            early.is_some_and(|early| length.is_none_or(|(offset, _)| (early.at as usize) < offset));
        // One that is counted from the end must not come to stand in what has its place at the front.
        let front = length.map_or(start.len(), |(offset, width)| offset + width);
        let put_checksum = |content: &mut Vec<u8>, checksum: Option<&Checksum>| match checksum {
            Some(checksum) => {
                let gap = checksum.gap(content.len());
                room(
                    content,
                    gap.filter(|at| checksum.at >= 0 || *at >= front),
                    checksum.width(),
                )
            }
            None => Ok(()),
        };
        put_checksum(content, early.filter(|_| is_first))?;
        if let Some((offset, width)) = length {
            room(content, Some(offset), width)?;
        }
        put_checksum(content, early.filter(|_| !is_first).or(late))?;
        self.put_length(content)
    }

    fn put_length(&self, content: &mut [u8]) -> Result<(), Unframed> {
        let Framing::Length {
            offset,
            width,
            endian,
            adjustment,
            ..
        } = self.framing
        else {
            return Ok(());
        };
        let size = content.len();
        let behind = size as i128 - (offset + width) as i128 - i128::from(adjustment);
        let value = u64::try_from(behind).map_err(|_| Unframed::TooShort(size))?;
        if width < 8 && value >> (width * 8) != 0 {
            let limit = usize::try_from((1u64 << (width * 8)) - 1).unwrap_or(usize::MAX);
            let size = usize::try_from(value).unwrap_or(usize::MAX);
            return Err(Unframed::TooLarge { size, limit });
        }
        let mut bytes = Vec::with_capacity(width);
        push_unsigned(value, width, endian, &mut bytes);
        content[offset..offset + width].copy_from_slice(&bytes);
        Ok(())
    }

    /// Appends the content with what stands around it.
    fn put_around(&self, content: &[u8], out: &mut Vec<u8>) -> Result<(), Unframed> {
        match &self.framing {
            Framing::Length { .. } | Framing::Fixed { .. } => out.extend_from_slice(content),
            Framing::Delimiter {
                delimiter, ending, ..
            } => {
                let ending = ending.as_ref().unwrap_or(delimiter);
                put_between(&[], content, delimiter, out)?;
                out.extend_from_slice(ending);
            }
            Framing::Marks { start, end, escapes } => {
                let mut escaped = Vec::new();
                let content = if escapes.is_empty() {
                    content
                } else {
                    escape(content, escapes, &mut escaped)
                };
                put_between(start, content, end, out)?;
                out.extend_from_slice(end);
            }
        }
        Ok(())
    }
}

/// Appends what would be read as it is meant, when `end` follows.
fn put_between(start: &[u8], content: &[u8], end: &[u8], out: &mut Vec<u8>) -> Result<(), Unframed> {
    let begin = out.len() + start.len();
    out.extend_from_slice(start);
    out.extend_from_slice(content);
    out.extend_from_slice(end);
    let first = memmem::find(&out[begin..], end);
    out.truncate(begin + content.len());
    if first == Some(content.len()) {
        Ok(())
    } else {
        Err(Unframed::HoldsEnd)
    }
}

fn escape<'a>(content: &[u8], escapes: &[Escape], escaped: &'a mut Vec<u8>) -> &'a [u8] {
    for byte in content {
        match escapes.iter().find(|escape| escape.plain == *byte) {
            Some(escape) => escaped.extend_from_slice(&escape.wire),
            None => escaped.push(*byte),
        }
    }
    escaped
}

/// A frame without the carriage return at its end.
fn without_cr(cut: Cut, input: &[u8]) -> Cut {
    match cut {
        Cut::Frame { used, at } if input[at.end - 1] == b'\r' && at.len() == 1 => Cut::Nothing { used },
        Cut::Frame { used, at } if input[at.end - 1] == b'\r' => Cut::Frame {
            used,
            at: at.start..at.end - 1,
        },
        cut => cut,
    }
}

impl Framing {
    /// What a frame begins with.
    fn start(&self) -> &[u8] {
        match self {
            Self::Length { start, .. } | Self::Fixed { start, .. } | Self::Marks { start, .. } => start,
            Self::Delimiter { .. } => &[],
        }
    }
}

impl Reaction {
    pub(super) fn is_skip(self) -> bool {
        match self {
            Self::Skip => true,
            Self::Close => false,
        }
    }
}
