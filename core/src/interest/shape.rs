//! Keys and shapes of filters: what a publisher computes from a topic to find the filters that match it.
//!
//! A literal filter's key is the hash of its text. A wildcard filter's key is the sum of one hash for each level, with the
//! level's position in it, and `+` and `#` as levels of their own; so the key that a topic has under a shape is a prefix
//! sum with the `+` levels exchanged, and each level of a topic is hashed once however many shapes are in use.

use ahash::RandomState;
use ringwire_codec::topic;
use smallvec::SmallVec;

/// Levels that a shape can describe: one bit each.
const LEVELS_MAX: usize = 128;

/// Which levels of a filter are `+`, and whether it ends in `#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Shape {
    /// Levels before a `#`, or all.
    levels: u8,
    ends_with_hash: bool,
    /// Bit `i`: level `i` is `+`.
    plus: u128,
}

impl Shape {
    /// `None` for a filter with more levels than a shape can describe.
    pub(super) fn of(filter: &str) -> Option<Self> {
        let ends_with_hash = filter.ends_with('#');
        let levels = topic::level_count(filter) - usize::from(ends_with_hash);
        if levels > LEVELS_MAX {
            return None;
        }
        let plus = topic::levels(filter)
            .enumerate()
            .filter(|(_, level)| *level == "+");
        let plus = plus.fold(0, |bits, (position, _)| bits | 1 << position);
        Some(Self {
            levels: levels as u8,
            ends_with_hash,
            plus,
        })
    }
}

/// The key of a valid filter.
pub(super) fn key_of(hasher: &RandomState, filter: &str) -> u64 {
    if !topic::has_wildcard(filter) {
        return key_of_name(hasher, filter);
    }
    let levels = topic::levels(filter).enumerate();
    levels.fold(0, |sum: u64, (position, level)| {
        let hash = match level {
            "+" => hash_of_plus(hasher, position),
            "#" => hash_of_hash(hasher, position),
            literal => hash_of_level(hasher, position, literal),
        };
        sum.wrapping_add(hash)
    })
}

/// The key of the literal filter that a topic name is.
pub(super) fn key_of_name(hasher: &RandomState, name: &str) -> u64 {
    hasher.hash_one(name)
}

fn hash_of_level(hasher: &RandomState, position: usize, level: &str) -> u64 {
    hasher.hash_one((position, level))
}

/// `+` and `#` cannot be in a literal level, so they are apart from it without a mark of their own.
fn hash_of_plus(hasher: &RandomState, position: usize) -> u64 {
    hash_of_level(hasher, position, "+")
}

fn hash_of_hash(hasher: &RandomState, position: usize) -> u64 {
    hash_of_level(hasher, position, "#")
}

/// The hashes of a topic's levels.
pub(super) struct Hashes {
    is_dollar: bool,
    levels: SmallVec<[u64; 16]>,
    /// `sums[n]`: the sum of the first `n`.
    sums: SmallVec<[u64; 17]>,
}

impl Hashes {
    /// Levels that no shape can describe are left out; only `#` reaches them.
    pub(super) fn of(hasher: &RandomState, name: &str) -> Self {
        let levels = topic::levels(name).take(LEVELS_MAX + 1).enumerate();
        let levels: SmallVec<_> = levels
            .map(|(at, level)| hash_of_level(hasher, at, level))
            .collect();
        let mut sums: SmallVec<[u64; 17]> = SmallVec::with_capacity(levels.len() + 1);
        sums.push(0u64);
        for hash in &levels {
            sums.push(sums[sums.len() - 1].wrapping_add(*hash));
        }
        Self {
            is_dollar: topic::is_dollar(name),
            levels,
            sums,
        }
    }

    /// The key of the filter of this shape that matches the topic; `None` when none can.
    pub(super) fn key(&self, hasher: &RandomState, shape: Shape) -> Option<u64> {
        let levels = usize::from(shape.levels);
        let fits = if shape.ends_with_hash {
            self.levels.len() >= levels
        } else {
            self.levels.len() == levels
        };
        let hidden = self.is_dollar && (shape.plus & 1 == 1 || levels == 0);
        if !fits || hidden {
            return None;
        }
        let mut key = self.sums[levels];
        let mut plus = shape.plus;
        while plus != 0 {
            let position = plus.trailing_zeros() as usize;
            plus &= plus - 1;
            key = key
                .wrapping_sub(self.levels[position])
                .wrapping_add(hash_of_plus(hasher, position));
        }
        if shape.ends_with_hash {
            key = key.wrapping_add(hash_of_hash(hasher, levels));
        }
        Some(key)
    }
}
