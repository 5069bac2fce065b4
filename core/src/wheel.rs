//! The timers of one shard: a hierarchical wheel with a slot for each millisecond of the next 64, and coarser ones above.
//!
//! Setting and clearing a timer is O(1); a timer is 24 bytes of a slab that grows only when more are set than ever before.
//! The wheel does not know what a timer is for: its owner keeps the id until the timer fires or is cleared, and must forget
//! it then, because ids are reused.
//!
//! Invariant: timers fire in the order of (due, insertion), never before they are due. A slot is worked off coarse to
//! fine, so what was set earlier always stands before what was set later with the same due time.

#[cfg(test)]
mod tests;

use crate::Time;
use crate::slots::Slots;
use std::num::NonZero;

/// Bits of a due time that one level covers.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// Enough levels for every 64-bit due time.
const LEVELS: usize = 11;

/// A timer that is set. Reused once it fired or was cleared. Its place, from 1, so that none costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(NonZero<u32>);

/// No timer: the end of a list.
const NONE: u32 = u32::MAX;

/// See the file's head. `K` says what a timer is for; small and `Copy`.
#[derive(Debug)]
pub struct Wheel<K> {
    timers: Slots<Timer<K>>,
    /// Head of the list of free timers, linked by `next`.
    free: u32,
    set: usize,
    /// Everything due before this has been worked off.
    elapsed: u64,
    levels: [Level; LEVELS],
}

#[derive(Debug)]
struct Timer<K> {
    due: u64,
    key: K,
    next: u32,
    prev: u32,
}

#[derive(Debug)]
struct Level {
    /// Bit `i`: slot `i` has timers.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    first: u32,
    last: u32,
}

const EMPTY: Slot = Slot {
    first: NONE,
    last: NONE,
};

impl<K: Copy> Wheel<K> {
    /// A wheel without timers, whose time starts at `now`.
    pub fn new(now: Time) -> Self {
        Self {
            timers: Slots::default(),
            free: NONE,
            set: 0,
            elapsed: now.as_millis(),
            levels: [const {
                Level {
                    occupied: 0,
                    slots: [EMPTY; SLOTS],
                }
            }; LEVELS],
        }
    }

    /// Sets a timer. One that is due already fires at the next `pop`.
    pub fn insert(&mut self, due: Time, key: K) -> TimerId {
        let due = due.as_millis().max(self.elapsed);
        let timer = Timer {
            due,
            key,
            next: NONE,
            prev: NONE,
        };
        let id = match self.timers.get(self.free as usize) {
            Some(free) => {
                let id = self.free;
                self.free = free.next;
                self.timers[id as usize] = timer;
                id
            }
            None => {
                let id = u32::try_from(self.timers.len()).expect("limits keep timers below 2^32");
                self.timers.push(timer);
                id
            }
        };
        self.set += 1;
        self.link(id);
        TimerId(NonZero::<u32>::MIN.saturating_add(id))
    }

    /// Clears a timer that is set and gives its key back.
    pub fn remove(&mut self, id: TimerId) -> K {
        let id = id.0.get() - 1;
        self.unlink(id);
        self.release(id)
    }

    /// Takes the next timer that is due at `now`; `None` when no more are. A timer that is set meanwhile and is due too
    /// comes in the same run.
    pub fn pop(&mut self, now: Time) -> Option<(Time, K)> {
        let now = now.as_millis();
        loop {
            let Some((level, slot)) = self.next_slot() else {
                self.elapsed = self.elapsed.max(now);
                return None;
            };
            let start = self.start_of(level, slot);
            if start > now {
                // No slot lies between: nothing to work off on the way.
                self.elapsed = self.elapsed.max(now);
                return None;
            }
            self.elapsed = self.elapsed.max(start);
            if level == 0 {
                let id = self.levels[0].slots[slot].first;
                let due = self.timers[id as usize].due;
                self.unlink(id);
                return Some((Time::from_millis(due), self.release(id)));
            }
            self.spread(level, slot);
        }
    }

    /// When `pop` should be called next: never after the next due time, and at it when that is less than 64 ms ahead.
    /// Before it for timers farther off, a handful of times for each.
    pub fn next_wake(&self) -> Option<Time> {
        let (level, slot) = self.next_slot()?;
        Some(Time::from_millis(self.start_of(level, slot).max(self.elapsed)))
    }

    /// Timers that are set.
    pub fn len(&self) -> usize {
        self.set
    }

    /// True when no timer is set.
    pub fn is_empty(&self) -> bool {
        self.set == 0
    }

    /// The first occupied slot: every timer of a level is due before every timer of the level above.
    fn next_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The time at which a slot's millisecond, or span, starts.
    fn start_of(&self, level: usize, slot: usize) -> u64 {
        let shift = LEVEL_BITS * level as u32;
        // What lies above this level's bits is the same for `elapsed` and for all that the level holds.
        let above = self.elapsed.checked_shr(shift + LEVEL_BITS).unwrap_or(0);
        let above = above.checked_shl(shift + LEVEL_BITS).unwrap_or(0);
        above | (slot as u64) << shift
    }

    /// Moves the timers of a coarse slot, which `elapsed` just reached, to the levels below.
    fn spread(&mut self, level: usize, slot: usize) {
        let mut id = std::mem::replace(&mut self.levels[level].slots[slot], EMPTY).first;
        self.levels[level].occupied &= !(1 << slot);
        while id != NONE {
            let timer = &mut self.timers[id as usize];
            let next = std::mem::replace(&mut timer.next, NONE);
            timer.prev = NONE;
            self.link(id);
            id = next;
        }
    }

    /// Level and slot of a due time: the highest group of bits in which it differs from `elapsed`.
    fn place_of(&self, due: u64) -> (usize, usize) {
        let differing = (self.elapsed ^ due) | 1;
        let level = (u64::BITS - 1 - differing.leading_zeros()) / LEVEL_BITS;
        let slot = due >> (LEVEL_BITS * level) & (SLOTS as u64 - 1);
        (level as usize, slot as usize)
    }

    fn link(&mut self, id: u32) {
        let (level, slot) = self.place_of(self.timers[id as usize].due);
        let level = &mut self.levels[level];
        level.occupied |= 1 << slot;
        let slot = &mut level.slots[slot];
        self.timers[id as usize].prev = slot.last;
        match self.timers.get_mut(slot.last as usize) {
            Some(last) => last.next = id,
            None => slot.first = id,
        }
        slot.last = id;
    }

    fn unlink(&mut self, id: u32) {
        let Timer { due, next, prev, .. } = self.timers[id as usize];
        let (level, slot_index) = self.place_of(due);
        let level = &mut self.levels[level];
        let slot = &mut level.slots[slot_index];
        match self.timers.get_mut(prev as usize) {
            Some(before) => before.next = next,
            None => {
                assert!(
                    slot.first == id,
                    "a timer is cleared once, and not after it fired"
                );
                slot.first = next;
            }
        }
        match self.timers.get_mut(next as usize) {
            Some(behind) => behind.prev = prev,
            None => slot.last = prev,
        }
        if slot.first == NONE {
            level.occupied &= !(1 << slot_index);
        }
    }

    fn release(&mut self, id: u32) -> K {
        let timer = &mut self.timers[id as usize];
        // Nothing before it and not the first of a list: clearing it again is noticed in `unlink`.
        (timer.next, timer.prev) = (self.free, NONE);
        self.free = id;
        self.set -= 1;
        timer.key
    }
}
