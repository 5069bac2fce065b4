//! Newtypes for everything that is counted or indexed.

/// A shard of this node, 0 to `shards - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// As an index into a table with one row a shard.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A connection on one shard. The shard chooses it: `slot` is dense and reused (it indexes tables), `generation` differs
/// each time that a slot is reused, so that a late completion or timer never reaches a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Dense index, reused.
    pub slot: u32,
    /// Differs at each reuse of the slot.
    pub generation: u32,
}

impl ConnectionId {
    /// As an index into a table with one row a slot.
    pub const fn index(self) -> usize {
        self.slot as usize
    }
}

/// A listener: the index into `Settings::listeners`, the same on every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

impl ListenerId {
    /// As an index into `Settings::listeners`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A session of one shard: a dense slot, reused. Says nothing about which connection, if any, serves it. In the index it
/// may stand for a group of a shared subscription instead: see `of_group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

impl SessionId {
    /// Ids from here on stand for groups: they come last in the order of subscribers.
    const GROUPS: u32 = 1 << 31;

    /// The id by which the group in this slot stands among the subscribers of its filter.
    pub(crate) const fn of_group(slot: u32) -> Self {
        assert!(slot < Self::GROUPS, "a shard has fewer groups than 2^31");
        Self(Self::GROUPS | slot)
    }

    /// The slot of a group, if this id stands for one.
    pub(crate) const fn group(self) -> Option<u32> {
        self.0.checked_sub(Self::GROUPS)
    }

    /// As an index into a table with one row a slot.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
