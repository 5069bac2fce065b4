//! What arrived of a flow at one subscriber: in order, late, or again.
//!
//! A [`Track`] knows the next sequence number and the gaps behind it, exactly, for as long as there are few gaps; past
//! [`GAPS_MAX`] it forgets the oldest ones, and what fills a forgotten gap then counts as late and not as again. What
//! never came is the difference to what was sent, which is known at the end. [`Tracks`] are one subscriber's.

use ahash::AHasher;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// Gaps of a flow that are remembered.
pub(crate) const GAPS_MAX: usize = 256;

/// Up to so many flows are looked for one by one.
const LINEAR: usize = 8;

/// What a message is to its subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The first of its kind, after all that came before.
    InOrder,
    /// The first of its kind, after a later one.
    Late,
    /// Not the first of its kind.
    Again,
}

/// A flow at a subscriber.
#[derive(Clone, Debug, Default)]
pub(crate) struct Track {
    /// After the highest that came.
    next: u64,
    /// Different ones that came.
    received: u64,
    /// What did not come below `next`: ascending, apart, [from, to).
    gaps: Vec<(u64, u64)>,
    /// Below it gaps were forgotten.
    forgotten: u64,
}

impl Track {
    /// One came.
    #[inline]
    pub(crate) fn see(&mut self, sequence: u64) -> Seen {
        if sequence == self.next {
            self.next += 1;
            self.received += 1;
            return Seen::InOrder;
        }
        self.see_odd(sequence)
    }

    #[cold]
    fn see_odd(&mut self, sequence: u64) -> Seen {
        if sequence > self.next {
            if self.gaps.len() == GAPS_MAX {
                self.forgotten = self.gaps.remove(0).1;
            }
            self.gaps.push((self.next, sequence));
            self.next = sequence + 1;
            self.received += 1;
            return Seen::InOrder;
        }
        let at = self.gaps.partition_point(|&(_, to)| to <= sequence);
        match self.gaps.get(at).copied() {
            Some((from, to)) if from <= sequence => self.fill(at, (from, to), sequence),
            Some(_) | None if sequence < self.forgotten => {}
            Some(_) | None => return Seen::Again,
        }
        self.received += 1;
        Seen::Late
    }

    fn fill(&mut self, at: usize, (from, to): (u64, u64), sequence: u64) {
        let left = (from < sequence).then_some((from, sequence));
        let right = (sequence + 1 < to).then_some((sequence + 1, to));
        self.gaps.splice(at..=at, left.into_iter().chain(right));
    }

    /// Different messages that came.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }
}

/// The flows of a subscriber.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    tracks: Vec<(u32, Track)>,
    /// Places in `tracks`, once there are many.
    places: HashMap<u32, u32, BuildHasherDefault<AHasher>>,
    /// Where the last message was noted.
    last: usize,
}

impl Tracks {
    /// The track of a flow.
    #[inline]
    pub(crate) fn of(&mut self, flow: u32) -> &mut Track {
        let is_last = (self.tracks.get(self.last)).is_some_and(|(known, _)| *known == flow);
        if !is_last {
            self.last = self.place(flow);
        }
        &mut self.tracks[self.last].1
    }

    fn place(&mut self, flow: u32) -> usize {
        let known = if self.tracks.len() <= LINEAR {
            self.tracks.iter().position(|(known, _)| *known == flow)
        } else {
            self.places.get(&flow).map(|&place| place as usize)
        };
        known.unwrap_or_else(|| self.add(flow))
    }

    fn add(&mut self, flow: u32) -> usize {
        self.tracks.push((flow, Track::default()));
        match self.tracks.len() {
            0..=LINEAR => {}
            // From here on the map knows all of them.
            length if length == LINEAR + 1 => {
                self.places = (0..)
                    .zip(&self.tracks)
                    .map(|(place, (flow, _))| (*flow, place))
                    .collect();
            }
            length => {
                self.places.insert(flow, length as u32 - 1);
            }
        }
        self.tracks.len() - 1
    }

    /// Every flow of which something came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Track)> {
        self.tracks.iter().map(|(flow, track)| (*flow, track))
    }
}

#[cfg(test)]
mod tests;
