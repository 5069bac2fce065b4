//! A vector in blocks: what the tables of connections, sessions, filters and timers are made of.
//!
//! It grows by a block, so nothing that is there moves: a vector that doubles copies a million sessions in one turn, and
//! for 10,000 of them leaves half as much memory behind again that the allocator keeps. It never shrinks; owners reuse
//! what is free. Reaching an element costs one more load than in a vector.

use std::ops::{Index, IndexMut};

/// Elements of a block, a power of two: large enough that blocks are few, small enough that the last one, part of which
/// is not used yet, does not matter.
const BLOCK: usize = 64;

/// See the file's head.
#[derive(Clone, Debug)]
pub struct Slots<T> {
    blocks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    /// Elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends; the new element's index is the former length.
    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(BLOCK) {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        let block = self.blocks.last_mut().expect("a block was just made or has room");
        block.push(value);
        self.len += 1;
    }

    /// Appends default elements until `index` is one.
    #[inline]
    pub fn reach(&mut self, index: usize)
    where
        T: Default,
    {
        if index >= self.len {
            self.grow(index);
        }
    }

    #[cold]
    fn grow(&mut self, index: usize)
    where
        T: Default,
    {
        while self.len <= index {
            self.push(T::default());
        }
    }

    /// The element, if there is one.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.blocks.get(index / BLOCK)?.get(index % BLOCK)
    }

    /// As `get`.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }

    /// All elements, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flatten()
    }
}

impl<T> Index<usize> for Slots<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.blocks[index / BLOCK][index % BLOCK]
    }
}

impl<T> IndexMut<usize> for Slots<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.blocks[index / BLOCK][index % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_index_and_their_place_while_it_grows() {
        let mut slots = Slots::default();
        slots.push(0);
        let first: *const usize = &slots[0];
        for value in 1..10 * BLOCK + 1 {
            slots.push(value);
        }
        assert_eq!(slots.len(), 10 * BLOCK + 1);
        assert!(slots.iter().copied().eq(0..=10 * BLOCK));
        assert!(std::ptr::eq(first, &slots[0]), "nothing moved");
        slots[BLOCK] = 7;
        assert_eq!(slots.get(BLOCK), Some(&7));
        assert_eq!(slots.get_mut(10 * BLOCK), Some(&mut (10 * BLOCK)));
        assert_eq!(slots.get(10 * BLOCK + 1), None);
    }

    #[test]
    fn reaching_an_index_makes_what_lies_before_it() {
        let mut slots: Slots<u8> = Slots::default();
        slots.reach(BLOCK);
        assert_eq!(slots.len(), BLOCK + 1);
        slots.reach(3);
        assert_eq!(slots.len(), BLOCK + 1);
    }
}
