//! The members of one group: who they are, which of them are connected, and whose turn it is.
//!
//! Connected members always come first; a message goes to a member without a connection only when there is no other, and
//! that is remembered, because it is asked back when one connects. Joining, leaving and picking take the same time however
//! many members there are.

#[cfg(test)]
mod tests;

use super::Member;
use crate::settings::SharedStrategy;
use crate::{SessionId, ShardId};
use ahash::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeSet;

/// Whether a member can take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is connected.
    Online,
    /// It is not, and its session keeps QoS 1 and 2.
    Kept,
    /// It is not, and was granted QoS 0 only.
    Deaf,
}

const STANDINGS: usize = 3;

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Members {
    /// By standing.
    crowds: [Crowd; STANDINGS],
    places: HashMap<(ShardId, SessionId), Place, RandomState>,
    /// Members without a connection that may hold messages of the group.
    holders: BTreeSet<Member>,
    /// The one that `Sticky` stays with.
    favourite: Option<Member>,
}

/// Members of one standing, shard by shard, so that one on a given shard is found at once.
#[derive(Debug, Default)]
struct Crowd {
    rows: Vec<Row>,
    len: usize,
    /// Whose turn it is, counted over all rows.
    turn: usize,
}

#[derive(Debug)]
struct Row {
    shard: ShardId,
    members: Vec<Member>,
    turn: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    standing: Standing,
    at: usize,
}

/// What a pick may depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) strategy: SharedStrategy,
    /// A random number, or the hash of what the strategy goes by.
    pub(crate) number: u64,
    /// The publisher's shard.
    pub(crate) shard: ShardId,
    /// A member without a connection will do: QoS 1 or 2.
    pub(crate) can_wait: bool,
}

impl Members {
    pub(crate) fn new(hasher: RandomState) -> Self {
        Self {
            crowds: Default::default(),
            places: HashMap::with_hasher(hasher),
            holders: BTreeSet::new(),
            favourite: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// True when some session is a member that is not this one's.
    pub(crate) fn has_other_than(&self, member: Member) -> bool {
        self.places.len() > usize::from(self.places.contains_key(&member.key()))
    }

    /// Adds a connected member; a session that is one already is one once. Those that hold messages while nobody was
    /// connected, and must give them to this one.
    pub(crate) fn join(&mut self, member: Member) -> BTreeSet<Member> {
        self.take_out(member);
        self.put_in(member, Standing::Online)
    }

    /// A member connected or lost its connection. Those that must give up the messages which they hold.
    pub(crate) fn stand(&mut self, member: Member, standing: Standing) -> BTreeSet<Member> {
        if !self.has(member) {
            return BTreeSet::new();
        }
        self.take_out(member);
        let mut holders = self.put_in(member, standing);
        if standing != Standing::Online {
            self.holders.insert(member);
            if self.crowd(Standing::Online).len > 0 {
                holders = std::mem::take(&mut self.holders);
            }
        }
        holders
    }

    /// Takes a member out; false when it is none (any more).
    pub(crate) fn leave(&mut self, member: Member) -> bool {
        let was_one = self.has(member);
        if was_one {
            self.take_out(member);
        }
        was_one
    }

    /// Whose turn it is.
    pub(crate) fn pick(&mut self, ask: Ask) -> Option<Member> {
        if self.crowd(Standing::Online).len > 0 {
            return Some(self.pick_among(Standing::Online, ask));
        }
        if !ask.can_wait || self.crowd(Standing::Kept).len == 0 {
            return None;
        }
        let member = self.pick_among(Standing::Kept, ask);
        self.holders.insert(member);
        Some(member)
    }

    fn pick_among(&mut self, standing: Standing, ask: Ask) -> Member {
        let favourite = self.favourite.filter(|&one| self.is_standing(one, standing));
        let crowd = self.crowd_mut(standing);
        match ask.strategy {
            SharedStrategy::RoundRobin => crowd.next(),
            SharedStrategy::Random | SharedStrategy::HashClientId | SharedStrategy::HashTopic => {
                crowd.nth((ask.number % crowd.len as u64) as usize)
            }
            SharedStrategy::Local => crowd.next_on(ask.shard).unwrap_or_else(|| crowd.next()),
            SharedStrategy::Sticky => {
                let member = favourite.unwrap_or_else(|| crowd.next());
                self.favourite = Some(member);
                member
            }
        }
    }

    fn is_standing(&self, member: Member, standing: Standing) -> bool {
        self.has(member) && (self.places.get(&member.key())).is_some_and(|place| place.standing == standing)
    }

    /// This very membership is one of the group's: the session did not leave and join again.
    fn has(&self, member: Member) -> bool {
        let Some(place) = self.places.get(&member.key()) else {
            return false;
        };
        let row = self.crowd(place.standing).row(member.shard);
        row.is_ok_and(|row| self.crowd(place.standing).rows[row].members[place.at] == member)
    }

    fn crowd(&self, standing: Standing) -> &Crowd {
        &self.crowds[standing as usize]
    }

    fn crowd_mut(&mut self, standing: Standing) -> &mut Crowd {
        &mut self.crowds[standing as usize]
    }

    fn put_in(&mut self, member: Member, standing: Standing) -> BTreeSet<Member> {
        let is_first = self.crowd(Standing::Online).len == 0;
        let at = self.crowd_mut(standing).push(member);
        self.places.insert(member.key(), Place { standing, at });
        match standing {
            Standing::Online if is_first => std::mem::take(&mut self.holders),
            Standing::Online | Standing::Kept | Standing::Deaf => BTreeSet::new(),
        }
    }

    fn take_out(&mut self, member: Member) {
        let Some(place) = self.places.remove(&member.key()) else {
            return;
        };
        let (removed, moved) = self.crowd_mut(place.standing).remove(member.shard, place.at);
        self.holders.remove(&removed);
        if let Some(moved) = moved
            && let Some(its) = self.places.get_mut(&moved.key())
        {
            its.at = place.at;
        }
    }
}

impl Crowd {
    fn row(&self, shard: ShardId) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&shard, |row| row.shard)
    }

    fn push(&mut self, member: Member) -> usize {
        let at = self.row(member.shard).unwrap_or_else(|at| {
            let row = Row {
                shard: member.shard,
                members: Vec::new(),
                turn: 0,
            };
            self.rows.insert(at, row);
            at
        });
        self.len += 1;
        let members = &mut self.rows[at].members;
        members.push(member);
        members.len() - 1
    }

    /// Takes out the one at this place of a shard's row; the last one of the row moves there.
    fn remove(&mut self, shard: ShardId, at: usize) -> (Member, Option<Member>) {
        let row = self.row(shard).expect("a member with a place stands in a row");
        let members = &mut self.rows[row].members;
        let removed = members.swap_remove(at);
        let moved = members.get(at).copied();
        if members.is_empty() {
            self.rows.remove(row);
        }
        self.len -= 1;
        (removed, moved)
    }

    /// The one at this place, counted over all rows.
    fn nth(&self, mut at: usize) -> Member {
        for row in &self.rows {
            match row.members.get(at) {
                Some(&member) => return member,
                None => at -= row.members.len(),
            }
        }
        unreachable!("asked for one of those that are counted")
    }

    fn next(&mut self) -> Member {
        if self.turn >= self.len {
            self.turn = 0;
        }
        let member = self.nth(self.turn);
        self.turn += 1;
        member
    }

    fn next_on(&mut self, shard: ShardId) -> Option<Member> {
        let at = self.row(shard).ok()?;
        let row = &mut self.rows[at];
        if row.turn >= row.members.len() {
            row.turn = 0;
        }
        let member = row.members[row.turn];
        row.turn += 1;
        Some(member)
    }
}
