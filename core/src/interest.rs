//! The interest map: which shards may have a subscriber for a topic. The only shared data of the hot path.
//!
//! `u64` hash of a filter -> bitmap of shards, lock-free. A shard sets its bit before SUBACK is queued and clears it
//! when its own reference count for the hash falls to zero; a collision costs a parcel too many, never a lost one.

/// Shards a node can have: the width of the bitmap.
pub const SHARDS_MAX: u16 = 64;

/// A set of shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(pub u64);

/// Shared by all shards of a node, in an `Arc`.
#[derive(Debug, Default)]
pub struct InterestMap {}
