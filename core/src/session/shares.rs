//! The shared and exclusive subscriptions of one session: what it asked for, and which shard keeps the group.
//!
//! The group itself, with all its members, stands at its home (`core/src/groups.rs`). Who has no such subscription, which is
//! nearly everybody, pays an empty pointer for them.

use crate::ShardId;
use crate::groups::{GroupId, GroupName};
use crate::index::Subscription;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// One session's part in one group, from joining to leaving. Numbered by its shard: a number comes again after 2^32
/// of them, and never in a session that still has the older one, so that a late parcel does not meet a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareId(pub(crate) NonZeroU32);

/// See `ShareId`.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) name: GroupName,
    pub(crate) home: ShardId,
    pub(crate) subscription: Subscription,
    /// `None` until the home has answered.
    pub(crate) group: Option<GroupId>,
    /// The session subscribes to this exclusive topic in the ordinary way, too.
    pub(crate) is_plain_too: bool,
}

/// A group that the session unsubscribed from while some of its messages were on their way to the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) home: ShardId,
    pub(crate) group: GroupId,
}

/// See the file's head.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    parts: BTreeMap<ShareId, Share>,
    by_name: BTreeMap<GroupName, ShareId>,
    /// As many as the window has entries, at most.
    pub(crate) left: BTreeMap<ShareId, Left>,
}

impl Shares {
    /// Subscriptions.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Those of them that are no claims to topics, which count as ordinary subscriptions.
    pub(crate) fn shared(&self) -> usize {
        (self.parts.values())
            .filter(|part| !part.name.is_exclusive())
            .count()
    }

    /// There is nothing to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.left.is_empty()
    }

    pub(crate) fn find(&self, name: &GroupName) -> Option<ShareId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, id: ShareId) -> Option<&Share> {
        self.parts.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ShareId) -> Option<&mut Share> {
        self.parts.get_mut(&id)
    }

    /// Adds one whose id and name are not there.
    pub(crate) fn insert(&mut self, id: ShareId, share: Share) {
        self.by_name.insert(share.name.clone(), id);
        self.parts.insert(id, share);
    }

    /// Forgets one.
    pub(crate) fn remove(&mut self, id: ShareId) -> Option<Share> {
        let share = self.parts.remove(&id)?;
        self.by_name.remove(&share.name);
        Some(share)
    }

    /// The session's claim to a topic.
    pub(crate) fn claim_of(&mut self, topic: &str) -> Option<&mut Share> {
        let id = self.find(&GroupName::exclusive(topic))?;
        self.parts.get_mut(&id)
    }

    /// Whose the messages of a part are, even if it was left.
    pub(crate) fn group_of(&self, id: ShareId) -> Option<(ShardId, GroupId)> {
        match self.parts.get(&id) {
            Some(share) => Some((share.home, share.group?)),
            None => self.left.get(&id).map(|left| (left.home, left.group)),
        }
    }

    /// In the order of joining.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ShareId, &Share)> {
        self.parts.iter().map(|(&id, share)| (id, share))
    }
}
