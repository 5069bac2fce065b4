//! The subscribers of one filter: one without heap (a device's own topic), many in a B-tree by session.
//!
//! A B-tree rather than a vector: 100,000 subscribers of one filter come and go in O(log n), and the order is theirs, not
//! that of a hash.

use super::Subscription;
use crate::SessionId;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) enum Subscribers {
    None,
    One(SessionId, Subscription),
    #[allow(clippy::box_collection)] // 8 bytes instead of 24 in every entry of the index.
    Many(Box<BTreeMap<SessionId, Subscription>>),
}

impl Subscribers {
    pub(super) fn one(session: SessionId, subscription: Subscription) -> Self {
        Self::One(session, subscription)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    pub(super) fn find(&self, session: SessionId) -> Option<&Subscription> {
        match self {
            Self::None => None,
            Self::One(id, subscription) => (*id == session).then_some(subscription),
            Self::Many(many) => many.get(&session),
        }
    }

    pub(super) fn insert(&mut self, session: SessionId, subscription: Subscription) -> Option<Subscription> {
        match self {
            Self::None => {
                *self = Self::One(session, subscription);
                None
            }
            Self::One(id, former) if *id == session => Some(std::mem::replace(former, subscription)),
            Self::One(id, former) => {
                let both = BTreeMap::from([(*id, *former), (session, subscription)]);
                *self = Self::Many(Box::new(both));
                None
            }
            Self::Many(many) => many.insert(session, subscription),
        }
    }

    pub(super) fn remove(&mut self, session: SessionId) -> Option<Subscription> {
        match self {
            Self::None => None,
            Self::One(id, subscription) => {
                let removed = (*id == session).then_some(*subscription)?;
                *self = Self::None;
                Some(removed)
            }
            Self::Many(many) => {
                let removed = many.remove(&session)?;
                if many.len() == 1
                    && let Some((id, subscription)) = many.pop_first()
                {
                    *self = Self::One(id, subscription);
                }
                Some(removed)
            }
        }
    }

    pub(super) fn for_each(&self, found: &mut impl FnMut(SessionId, &Subscription)) {
        match self {
            Self::None => {}
            Self::One(id, subscription) => found(*id, subscription),
            Self::Many(many) => many
                .iter()
                .for_each(|(id, subscription)| found(*id, subscription)),
        }
    }
}
