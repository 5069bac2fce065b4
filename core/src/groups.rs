//! The groups of this shard: shared subscriptions whose home it is, and topics that one client claims for itself.
//!
//! A group `$share/NAME/FILTER` has a home shard, by the hash of name and filter. The home has the list of members, and
//! subscribes to FILTER in its own index by an id that stands for the group: a publisher's shard sends it the message as to
//! any subscriber, and it picks one member. What a member asked for (QoS, options) is known to its session only
//! (`session/shares.rs`), and so a message goes to the member's shard as it was published.
//! `groups/home.rs` says what a home does, `share.rs` what a member's shard does (`docs/decisions/0013-shared-subscriptions.md`).

mod home;
mod members;
mod name;
mod parcel;

use crate::index::FilterId;
use crate::session::shares::ShareId;
use crate::slots::Slots;
use crate::{SessionId, ShardId};
use ahash::RandomState;
use hashbrown::HashMap;
use members::Members;
pub use members::Standing;
pub use name::GroupName;
pub use parcel::GroupParcel;

/// A group of one shard: `slot` is dense and reused, `generation` differs at each reuse, so that a late parcel meets no
/// stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId {
    pub(crate) slot: u32,
    generation: u32,
}

/// One session's part in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Where its session lives.
    pub shard: ShardId,
    /// The session there.
    pub session: SessionId,
    /// Which of its parts: one that leaves and joins again has another.
    pub share: ShareId,
}

impl Member {
    fn key(self) -> (ShardId, SessionId) {
        (self.shard, self.session)
    }
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    name: GroupName,
    /// The filter in the home's index; `None` for a claimed topic, which its holder subscribes to by itself.
    filter: Option<FilterId>,
    members: Members,
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Groups {
    slots: Slots<Option<Group>>,
    free: Vec<u32>,
    by_name: HashMap<GroupName, u32, RandomState>,
    generation: u32,
    /// Those that stand in the index.
    shared: usize,
    hasher: RandomState,
}

impl Groups {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self {
            slots: Slots::default(),
            free: Vec::new(),
            by_name: HashMap::with_hasher(hasher.clone()),
            generation: 0,
            shared: 0,
            hasher,
        }
    }

    /// All of them.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Groups that stand in the index in place of their members.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    fn get(&self, id: GroupId) -> Option<&Group> {
        (self.slots.get(id.slot as usize)?.as_ref()).filter(|group| group.id == id)
    }

    fn get_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        (self.slots.get_mut(id.slot as usize)?.as_mut()).filter(|group| group.id == id)
    }

    fn at(&mut self, slot: u32) -> &mut Group {
        let group = self.slots[slot as usize].as_mut();
        group.expect("a group in the index is there")
    }

    fn find(&self, name: &GroupName) -> Option<GroupId> {
        let slot = *self.by_name.get(name)?;
        Some(self.slots[slot as usize].as_ref()?.id)
    }

    /// Makes a group without members; its home puts its filter into the index.
    fn insert(&mut self, name: GroupName) -> GroupId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("limits keep groups below 2^31")
        });
        self.generation = self.generation.wrapping_add(1);
        let id = GroupId {
            slot,
            generation: self.generation,
        };
        self.shared += usize::from(!name.is_exclusive());
        self.by_name.insert(name.clone(), slot);
        self.slots[slot as usize] = Some(Group {
            id,
            name,
            filter: None,
            members: Members::new(self.hasher.clone()),
        });
        id
    }

    /// Forgets a group that lost its last member.
    fn remove(&mut self, id: GroupId) -> Option<Group> {
        self.get(id)?;
        let group = self.slots[id.slot as usize].take()?;
        assert!(group.members.is_empty(), "a group with members is kept");
        self.by_name.remove(&group.name);
        self.shared -= usize::from(!group.name.is_exclusive());
        self.free.push(id.slot);
        Some(group)
    }
}
