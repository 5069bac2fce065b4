//! What a member's shard does about shared subscriptions: asks the home of a group for a part in it, and leaves again. What
//! becomes of the group's messages is in `share/holding.rs`.
//!
//! The home may be this shard too. Then only the question is answered at once; everything else goes the same way as from
//! another shard, through `Sharing::own`, so that there is one order of events to think about. A parcel names the group and
//! the member's part in it, neither of which is used again soon: what comes too late finds nobody, and a message goes back.

mod holding;

use crate::connection::mqtt::subscribe::Joining;
use crate::groups::{GroupId, GroupName, GroupParcel, Member};
use crate::index::{FilterId, Subscription};
use crate::session::shares::{Left, Share, ShareId};
use crate::subscribe::granted;
use crate::{Actions, ConnectionId, Engine, SessionId, ShardId};
use ringwire_codec::mqtt::{ReasonCode, SubscribeFilter};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

/// What a shard keeps for the members that live on it.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// The number last given to a session's part in a group.
    last: u32,
    /// Subscriptions of all sessions to groups. Claims to topics count as the ordinary subscriptions that they come with.
    pub(crate) held: usize,
    /// SUBSCRIBEs that wait for an answer.
    pub(crate) joining: BTreeMap<ConnectionId, Joining>,
    /// Parcels to this shard itself, in order.
    pub(crate) own: VecDeque<GroupParcel>,
}

/// What became of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Granted, and the filter if its retained messages are due.
    Now(ReasonCode, Option<FilterId>),
    /// The home of the group was asked; unless it refuses, this will be the answer.
    Asked(ShareId, ReasonCode),
}

impl Engine {
    /// Subscribes a session to a group, or claims a topic for it. `identifier` 0 is none.
    pub(crate) fn subscribe_to_group(
        &mut self,
        id: SessionId,
        asked_for: GroupName,
        (entry, identifier): (&SubscribeFilter<'_>, u32),
        actions: &mut Actions,
    ) -> Result<Grant, ReasonCode> {
        let session = self.sessions.get(id).expect("a subscriber has a session");
        self.check_filter(session, asked_for.filter())?;
        let name = match self.rewritten_filter(session, entry.filter)? {
            None => asked_for,
            Some(rewritten) => match GroupName::parse(&rewritten) {
                Some(Ok(name)) => name,
                Some(Err(_)) | None => return Err(ReasonCode::TopicFilterInvalid),
            },
        };
        let subscription = Subscription::asked_for(entry.options, identifier);
        let known = session.shares.as_ref().and_then(|shares| shares.find(&name));
        if let Some(share) = known {
            return self.subscribe_again(id, share, subscription);
        }
        let held = session.shares.as_ref().map_or(0, |shares| shares.len());
        if held >= self.settings.limits.group_subscriptions || self.has_no_room(session, name.len()) {
            return Err(ReasonCode::QuotaExceeded);
        }
        let home = self.placement.home(name.as_bytes());
        let part = Share {
            name: name.clone(),
            home,
            subscription,
            group: None,
            is_plain_too: name.is_exclusive() && self.is_subscribed(id, name.filter()),
        };
        let share = self.insert_share(id, part);
        let member = self.member(id, share);
        if home == self.shard {
            let group = self.join(member, &name, actions);
            return self.settle(member, group, actions);
        }
        self.post_about_group(home, GroupParcel::Join { member, name }, actions);
        Ok(Grant::Asked(share, granted(subscription.qos)))
    }

    /// The same again: other options, nothing else [MQTT-3.8.4-3].
    fn subscribe_again(
        &mut self,
        id: SessionId,
        share: ShareId,
        subscription: Subscription,
    ) -> Result<Grant, ReasonCode> {
        let part = self.share_mut(id, share).expect("found by its name just now");
        part.subscription = subscription;
        let name = part.name.clone();
        if part.group.is_none() {
            return Ok(Grant::Asked(share, granted(subscription.qos)));
        }
        let recall = match name.is_exclusive() {
            true => self.insert_subscription(id, name.filter(), subscription)?,
            false => None,
        };
        Ok(Grant::Now(granted(subscription.qos), recall))
    }

    fn share_mut(&mut self, id: SessionId, share: ShareId) -> Option<&mut Share> {
        let session = self.sessions.get_mut(id)?;
        session.shares.as_mut()?.get_mut(share)
    }

    fn member(&self, session: SessionId, share: ShareId) -> Member {
        Member {
            shard: self.shard,
            session,
            share,
        }
    }

    fn insert_share(&mut self, id: SessionId, part: Share) -> ShareId {
        let session = self.sessions.get_mut(id).expect("a subscriber has a session");
        let shares = session.shares.get_or_insert_default();
        let share = loop {
            self.sharing.last = self.sharing.last.wrapping_add(1);
            let free = NonZeroU32::new(self.sharing.last).map(ShareId);
            if let Some(share) = free.filter(|&share| shares.get(share).is_none()) {
                break share;
            }
        };
        session.filter_bytes += part.name.len();
        self.sharing.held += usize::from(!part.name.is_exclusive());
        shares.insert(share, part);
        share
    }

    /// Takes a part out of its session's list.
    fn remove_share(&mut self, id: SessionId, share: ShareId) -> Option<Share> {
        let session = self.sessions.get_mut(id)?;
        let shares = session.shares.as_mut()?;
        let share = shares.remove(share)?;
        if shares.is_empty() {
            session.shares = None;
        }
        session.filter_bytes -= share.name.len();
        self.sharing.held -= usize::from(!share.name.is_exclusive());
        Some(share)
    }

    /// The home of a group has answered. Who is gone, or does not want it any more, leaves again.
    pub(crate) fn joined(
        &mut self,
        from: ShardId,
        member: Member,
        group: Option<GroupId>,
        actions: &mut Actions,
    ) {
        let share = self.share_mut(member.session, member.share);
        if share.is_none_or(|share| share.group.is_some()) {
            if let Some(group) = group {
                self.post_about_group(from, GroupParcel::Leave { group, member }, actions);
            }
            return;
        }
        let outcome = self.settle(member, group, actions);
        self.subscribed(member, outcome, actions);
    }

    /// Writes down what the home said.
    fn settle(
        &mut self,
        member: Member,
        group: Option<GroupId>,
        actions: &mut Actions,
    ) -> Result<Grant, ReasonCode> {
        let id = member.session;
        let Some(group) = group else {
            self.remove_share(id, member.share);
            return Err(ReasonCode::QuotaExceeded);
        };
        let share = self
            .share_mut(id, member.share)
            .expect("it is what was asked for");
        share.group = Some(group);
        let (name, subscription) = (share.name.clone(), share.subscription);
        let mut recall = None;
        if name.is_exclusive() {
            // The topic is the session's alone: it subscribes to it in the ordinary way.
            match self.insert_subscription(id, name.filter(), subscription) {
                Ok(due) => recall = due,
                Err(reason) => {
                    self.leave_group(id, &name, actions);
                    return Err(reason);
                }
            }
        } else if self
            .sessions
            .get(id)
            .is_some_and(|session| session.connection.is_none())
        {
            // The home took it for connected, as it was when it asked.
            self.stand_in_groups(id, actions);
        }
        if !name.is_exclusive() {
            self.tell_subscribed(id, name.filter(), &subscription, true);
        }
        Ok(Grant::Now(granted(subscription.qos), recall))
    }

    /// Ends the subscription of a session to a group; false when there is none.
    pub(crate) fn leave_group(&mut self, id: SessionId, name: &GroupName, actions: &mut Actions) -> bool {
        let session = self.sessions.get(id);
        let shares = session.and_then(|session| session.shares.as_ref());
        let Some(share) = shares.and_then(|shares| shares.find(name)) else {
            return false;
        };
        let Some(part) = self.remove_share(id, share) else {
            return false;
        };
        let Some(group) = part.group else {
            // The answer is still on its way, and will find nobody.
            return true;
        };
        let (home, member) = (part.home, self.member(id, share));
        self.post_about_group(home, GroupParcel::Leave { group, member }, actions);
        if name.is_exclusive() {
            if !part.is_plain_too {
                self.remove_subscription(id, name.filter());
            }
            return true;
        }
        self.tell_unsubscribed(id, name.filter());
        self.remember_left(id, share, Left { home, group });
        let waiting = self.take_queued(id, share, u8::MAX);
        if !waiting.is_empty() {
            self.give_back(home, group, waiting, actions);
            self.ease_if_caught_up(id, actions);
            self.pump(id, actions);
        }
        true
    }
}
