//! The interest map: which shards may have a subscriber for a topic. The only shared data of the hot path.
//!
//! `u64` hash of a filter -> bitmap of shards, lock-free. A shard sets its bit before SUBACK is queued and clears it
//! when its own reference count for the hash falls to zero; a collision costs a parcel too many, never a lost one.
//!
//! What is promised, and why it holds: a probe that starts after an `add` has returned sees it. The bit is set by an atomic
//! compute on the map (linearisable: two shards' bits in one entry cannot overwrite each other, and an entry goes only when
//! its bitmap is empty at that very moment). A shape is listed by the same kind of compute, and only then is `version`
//! raised, sequentially consistent; a probe reads `version` before its own copy of the shapes, so it reloads the list
//! when an `add` came before. A list loaded while others write belongs to the older version and is loaded again.

mod shape;
#[cfg(test)]
mod tests;

use crate::ShardId;
use crate::detour::is_system;
use ahash::RandomState;
use hashbrown::HashMap;
use papaya::Operation;
use ringwire_codec::topic;
use shape::{Hashes, Shape};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shards a node can have: the width of the bitmap.
pub const SHARDS_MAX: u16 = 64;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(pub u64);

impl ShardSet {
    /// The set of one shard.
    pub const fn only(shard: ShardId) -> Self {
        assert!(shard.0 < SHARDS_MAX, "a node has at most 64 shards");
        Self(1 << shard.0)
    }

    /// True when no shard is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True when `shard` is in it.
    pub const fn contains(self, shard: ShardId) -> bool {
        shard.0 < SHARDS_MAX && self.0 >> shard.0 & 1 == 1
    }

    /// The shards, ascending.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let shard = rest.trailing_zeros();
            rest &= rest.checked_sub(1)?;
            Some(ShardId(shard as u16))
        })
    }
}

/// Shared by all shards of a node, in an `Arc`. Shards write and read it through their own [`Interest`].
#[derive(Debug)]
pub struct InterestMap {
    hasher: RandomState,
    /// Key of a filter -> bitmap of the shards that have it; never 0.
    keys: papaya::HashMap<u64, u64, RandomState>,
    /// Shape in use -> bitmap of the shards that listed it; never 0.
    shapes: papaya::HashMap<Shape, u64, RandomState>,
    /// Shards that ask for every publish.
    everything: AtomicU64,
    /// Raised after each change of `shapes`.
    version: AtomicU64,
    /// Filters for the server's own topics: while there are none, nobody makes what is told there.
    system: AtomicU64,
}

impl InterestMap {
    /// An empty map, hashed with `seed`, which must be the same for every user of this map.
    pub fn new(seed: u64) -> Self {
        let hasher = RandomState::with_seeds(seed, 0x017e_4e57, !seed, seed.rotate_left(17));
        Self {
            keys: bitmaps(&hasher),
            shapes: bitmaps(&hasher),
            hasher,
            everything: AtomicU64::new(0),
            version: AtomicU64::new(0),
            system: AtomicU64::new(0),
        }
    }

    /// Entries of the map: filters in use on any shard, but for collisions.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when no shard has a subscription.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn list(&self, shape: Shape, shard: ShardSet) {
        set(&self.shapes, shape, shard);
        self.version.fetch_add(1, Ordering::SeqCst);
    }

    fn unlist(&self, shape: Shape, shard: ShardSet) {
        clear(&self.shapes, shape, shard);
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

type Bitmaps<K> = papaya::HashMap<K, u64, RandomState>;

/// Blocking: with incremental resizing a key that comes and goes costs more each time, 270 us after 64,000 rounds, so one
/// client that subscribes and unsubscribes would slow a whole node (`docs/decisions/0006-interest-map.md`).
fn bitmaps<K: Hash + Eq>(hasher: &RandomState) -> Bitmaps<K> {
    papaya::HashMap::builder()
        .hasher(hasher.clone())
        .resize_mode(papaya::ResizeMode::Blocking)
        .build()
}

/// Sets the shard's bit; false when it was set.
fn set<K: Copy + Eq + Hash + Send + 'static>(map: &Bitmaps<K>, key: K, shard: ShardSet) -> bool {
    let map = map.pin();
    let outcome = map.compute(key, |entry| match entry {
        Some((_, bits)) if bits & shard.0 != 0 => Operation::Abort(()),
        Some((_, bits)) => Operation::Insert(bits | shard.0),
        None => Operation::Insert(shard.0),
    });
    !matches!(outcome, papaya::Compute::Aborted(()))
}

/// Clears the shard's bit, and removes the entry when it was the last.
fn clear<K: Copy + Eq + Hash + Send + 'static>(map: &Bitmaps<K>, key: K, shard: ShardSet) {
    let map = map.pin();
    let outcome = map.compute(key, |entry| match entry {
        Some((_, bits)) if bits & shard.0 == 0 => Operation::Abort(()),
        Some((_, bits)) if *bits == shard.0 => Operation::Remove,
        Some((_, bits)) => Operation::Insert(bits & !shard.0),
        None => Operation::Abort(()),
    });
    assert!(
        !matches!(outcome, papaya::Compute::Aborted(())),
        "only its shard clears a bit"
    );
}

/// One shard's end of the map: what it is interested in, and whom its publishes concern. Owned by its engine.
#[derive(Debug)]
pub struct Interest {
    map: Arc<InterestMap>,
    own: ShardSet,
    /// A node of one shard records nothing and asks nothing.
    alone: bool,
    /// Uses of a key beyond the first, which the shared bit stands for.
    extra: HashMap<u64, u32, RandomState>,
    shapes: OwnShapes,
    /// Shapes that other shards listed, as of `version`.
    foreign: Vec<Shape>,
    version: u64,
}

/// The wildcard shapes of one shard's filters.
#[derive(Debug)]
struct OwnShapes {
    uses: BTreeMap<Shape, ShapeUse>,
    listed: usize,
    listed_max: usize,
    /// Filters that no shape can describe: too many levels.
    shapeless: usize,
}

#[derive(Debug)]
struct ShapeUse {
    filters: usize,
    /// Probes look for it. Otherwise this shard asks for everything.
    listed: bool,
}

impl Interest {
    /// The end of shard `own` of `shards`. Past `shapes_max` wildcard shapes the shard asks for every publish.
    pub fn new(map: Arc<InterestMap>, own: ShardId, shards: u16, shapes_max: usize) -> Self {
        let hasher = map.hasher.clone();
        let shapes = OwnShapes {
            uses: BTreeMap::new(),
            listed: 0,
            listed_max: shapes_max,
            shapeless: 0,
        };
        Self {
            map,
            own: ShardSet::only(own),
            alone: shards == 1,
            extra: HashMap::with_hasher(hasher),
            shapes,
            foreign: Vec::new(),
            version: 0,
        }
    }

    /// This shard has one more subscriber (or filter; the unit is the caller's) of a valid filter. When it returns, every
    /// probe that starts sees it.
    pub fn add(&mut self, filter: &str) {
        if is_system(filter) {
            self.map.system.fetch_add(1, Ordering::SeqCst);
        }
        if self.alone {
            return;
        }
        let shape = Shape::of(filter);
        let key = shape::key_of(&self.map.hasher, filter);
        if !set(&self.map.keys, key, self.own) {
            *self.extra.entry(key).or_insert(0) += 1;
        }
        if topic::has_wildcard(filter) {
            self.add_shape(shape);
        }
    }

    /// Undoes one `add` of the same filter.
    pub fn remove(&mut self, filter: &str) {
        if is_system(filter) {
            self.map.system.fetch_sub(1, Ordering::SeqCst);
        }
        if self.alone {
            return;
        }
        // The shape goes first: a probe that still finds the key finds a parcel too many, never one too few.
        if topic::has_wildcard(filter) {
            self.remove_shape(Shape::of(filter));
        }
        let key = shape::key_of(&self.map.hasher, filter);
        match self.extra.get_mut(&key) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => {
                self.extra.remove(&key);
            }
            None => clear(&self.map.keys, key, self.own),
        }
    }

    /// Whether anybody on the node subscribes to a topic of the server's own: no leading wildcard matches those.
    pub(crate) fn is_system_heard(&self) -> bool {
        self.map.system.load(Ordering::SeqCst) > 0
    }

    fn add_shape(&mut self, shape: Option<Shape>) {
        let Some(shape) = shape else {
            self.shapes.shapeless += 1;
            self.declare_everything();
            return;
        };
        if let Some(known) = self.shapes.uses.get_mut(&shape) {
            known.filters += 1;
            return;
        }
        let listed = self.shapes.listed < self.shapes.listed_max;
        self.shapes.uses.insert(shape, ShapeUse { filters: 1, listed });
        if listed {
            self.shapes.listed += 1;
            self.map.list(shape, self.own);
        } else {
            self.declare_everything();
        }
    }

    fn remove_shape(&mut self, shape: Option<Shape>) {
        let Some(shape) = shape else {
            self.shapes.shapeless -= 1;
            self.declare_everything();
            return;
        };
        let known = self
            .shapes
            .uses
            .get_mut(&shape)
            .expect("every add has one remove");
        known.filters -= 1;
        if known.filters > 0 {
            return;
        }
        let was_listed = known.listed;
        self.shapes.uses.remove(&shape);
        if was_listed {
            self.map.unlist(shape, self.own);
            self.shapes.listed -= 1;
            self.promote();
        }
        self.declare_everything();
    }

    /// Lists the first shape that found no room before.
    fn promote(&mut self) {
        if let Some((shape, known)) = self.shapes.uses.iter_mut().find(|(_, known)| !known.listed) {
            known.listed = true;
            self.shapes.listed += 1;
            self.map.list(*shape, self.own);
        }
    }

    /// Asks for every publish exactly while a filter is not covered by key and shape.
    fn declare_everything(&mut self) {
        if self.shapes.shapeless > 0 || self.shapes.uses.len() > self.shapes.listed {
            self.map.everything.fetch_or(self.own.0, Ordering::SeqCst);
        } else {
            self.map.everything.fetch_and(!self.own.0, Ordering::SeqCst);
        }
    }

    /// The other shards that may have a subscriber for a valid topic name.
    pub fn probe(&mut self, topic: &str) -> ShardSet {
        if self.alone {
            return ShardSet::default();
        }
        self.refresh();
        let keys = self.map.keys.pin();
        let bits_of = |key: u64| keys.get(&key).copied().unwrap_or(0);
        let mut bits = self.map.everything.load(Ordering::SeqCst);
        bits |= bits_of(shape::key_of_name(&self.map.hasher, topic));
        if !self.foreign.is_empty() {
            let hashes = Hashes::of(&self.map.hasher, topic);
            for shape in &self.foreign {
                bits |= hashes.key(&self.map.hasher, *shape).map_or(0, &bits_of);
            }
        }
        ShardSet(bits & !self.own.0)
    }

    /// Loads the list of shapes anew when it changed.
    fn refresh(&mut self) {
        let version = self.map.version.load(Ordering::SeqCst);
        if version == self.version {
            return;
        }
        self.foreign.clear();
        let shapes = self.map.shapes.pin();
        let foreign = shapes.iter().filter(|(_, bits)| **bits & !self.own.0 != 0);
        self.foreign.extend(foreign.map(|(shape, _)| *shape));
        self.version = version;
    }
}
