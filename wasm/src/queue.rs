//! Events that a module reported and that are not yet decided upon, in the order of their report.
//!
//! A call may report several; the engine takes one after another and the module is not called again before the last is
//! answered. What stands in the input stays there; everything else is copied, because the module's memory is another
//! connection's a moment later. Bounded by `Settings::events_max` and `event_bytes_max`, which values count for as well.

use ringwire_codec::adapter::{Kind, Scratch, Unreadable};
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// From the front of the input.
    Input(Range<usize>),
    /// In the queue's own memory.
    Kept(Range<usize>),
}

/// What was reported.
#[derive(Debug)]
pub(crate) enum Report {
    Identify { client_id: Span },
    Connect(Box<Credentials>),
    Publish { payload: Span, values: Vec<String> },
    Heartbeat,
    Acknowledge { number: u16 },
    Close,
    Skipped(Unreadable),
    Unreadable(Unreadable),
}

/// Who wants to be let in.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) client_id: Span,
    pub(crate) username: Option<Span>,
    pub(crate) password: Option<Span>,
    pub(crate) keepalive_s: u16,
}

/// A report and what belongs to it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) report: Report,
    /// Comes back with the answer; 0: the module need not know.
    pub(crate) tag: u32,
    /// Bytes from the front of the input that are done with it.
    pub(crate) used: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) pending: VecDeque<Pending>,
    /// Of spans that are kept.
    pub(crate) bytes: Vec<u8>,
    /// Of values.
    pub(crate) value_bytes: usize,
    /// The first was reported to the engine, which has not answered.
    pub(crate) asked: bool,
    /// The broker itself found the last one unreadable: what the module still reports in this call is of no interest.
    pub(crate) is_over: bool,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.pending.clear();
        self.asked = false;
        self.free();
    }

    /// Bytes that are kept.
    pub(crate) fn bytes_kept(&self) -> usize {
        self.bytes.len() + self.value_bytes
    }

    fn free(&mut self) {
        self.bytes.clear();
        self.value_bytes = 0;
        self.is_over = false;
    }

    /// Takes the first; the memory is free with the last.
    pub(crate) fn pop(&mut self) -> Option<Pending> {
        let first = self.pending.pop_front();
        self.asked = false;
        if self.pending.is_empty() {
            self.free();
        }
        first
    }
}

/// The bytes of a span.
pub(crate) fn bytes<'a>(span: &Span, input: &'a [u8], kept: &'a [u8]) -> &'a [u8] {
    match span {
        Span::Input(range) => &input[range.clone()],
        Span::Kept(range) => &kept[range.clone()],
    }
}

impl Report {
    /// Copies what does not stand in the input to where the engine may look at it, and moves the spans there.
    pub(crate) fn lay_out(&self, kept: &[u8], scratch: &mut Scratch) {
        scratch.bytes.clear();
        scratch.values.clear();
        match self {
            Self::Publish { payload, values } => {
                if let Span::Kept(range) = payload {
                    scratch.bytes.extend_from_slice(&kept[range.clone()]);
                }
                scratch.values.extend_from_slice(values);
            }
            Self::Identify { .. } | Self::Connect(_) => scratch.bytes.extend_from_slice(kept),
            Self::Heartbeat
            | Self::Acknowledge { .. }
            | Self::Close
            | Self::Skipped(_)
            | Self::Unreadable(_) => {}
        }
    }
}

/// A kind of error as modules number it.
pub(crate) fn kind(number: i32) -> Option<Kind> {
    Some(match number {
        1 => Kind::NotConnected,
        2 => Kind::AlreadyConnected,
        3 => Kind::Illegal,
        4 => Kind::Malformed,
        5 => Kind::Checksum,
        6 => Kind::TooLarge,
        7 => Kind::Version,
        8 => Kind::Credentials,
        9 => Kind::Failed,
        _ => return None,
    })
}

/// The number of a kind; the other way round.
pub(crate) fn kind_number(kind: Kind) -> i32 {
    match kind {
        Kind::NotConnected => 1,
        Kind::AlreadyConnected => 2,
        Kind::Illegal => 3,
        Kind::Malformed => 4,
        Kind::Checksum => 5,
        Kind::TooLarge => 6,
        Kind::Version => 7,
        Kind::Credentials => 8,
        Kind::Failed => 9,
    }
}
