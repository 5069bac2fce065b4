//! What a member's shard does about shared subscriptions: asks the home of a group, delivers what the home picked its
//! session for, and gives back what the session cannot see to its end.
//!
//! The home may be this shard too. Then only the question is answered at once; everything else goes the same way as from
//! another shard, through `Sharing::own`, so that there is one order of events to think about. A parcel names the group and
//! the member's part in it, neither of which is used again soon: what comes too late finds nobody, and a message goes back.

use crate::connection::mqtt::subscribe::Joining;
use crate::groups::{GroupId, GroupName, GroupParcel, Member, Standing};
use crate::index::{FilterId, Subscription};
use crate::session::Session;
use crate::session::frame::{News, Shape};
use crate::session::shares::{Left, Share, ShareId};
use crate::session::window::Outgoing;
use crate::session::{queue, window::Window};
use crate::subscribe::granted;
use crate::{Actions, ConnectionId, DropReason, Engine, SessionId, ShardId};
use ringwire_codec::mqtt::{QoS, ReasonCode, SubscribeFilter};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

/// Messages of one parcel that gives them back.
const BACK_MESSAGES_MAX: usize = 256;

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
        if self.has_no_room(session, name.len()) {
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
        self.remember_left(id, Left { share, home, group });
        let waiting = self.take_queued(id, share, u8::MAX);
        if !waiting.is_empty() {
            self.give_back(home, group, waiting, actions);
            self.ease_if_caught_up(id, actions);
            self.pump(id, actions);
        }
        true
    }

    /// What is on its way to a client when it unsubscribes is still its own [MQTT-3.10.4-4], as long as it stays.
    fn remember_left(&mut self, id: SessionId, left: Left) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(window) = session.window.as_deref() else {
            return;
        };
        if window.has_share(left.share) {
            let all = &mut session.shares.get_or_insert_default().left;
            all.retain(|left| window.has_share(left.share));
            all.push(left);
        }
    }

    /// A session connected or lost its connection: the homes of its groups must know.
    pub(crate) fn stand_in_groups(&mut self, id: SessionId, actions: &mut Actions) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(shares) = session.shares.as_mut() else {
            return;
        };
        let mut parcels = Vec::new();
        for (share, part) in shares.iter().filter(|(_, part)| !part.name.is_exclusive()) {
            let standing = match (session.connection, part.subscription.qos) {
                (Some(_), _) => Standing::Online,
                (None, QoS::AtMostOnce) => Standing::Deaf,
                (None, QoS::AtLeastOnce | QoS::ExactlyOnce) => Standing::Kept,
            };
            let shard = self.shard;
            let member = Member {
                shard,
                session: id,
                share,
            };
            let stands = part.group.map(|group| GroupParcel::Stands {
                group,
                member,
                standing,
            });
            parcels.extend(stands.map(|parcel| (part.home, parcel)));
        }
        let left = match session.connection {
            Some(_) => Vec::new(),
            None => std::mem::take(&mut shares.left),
        };
        if shares.is_empty() {
            session.shares = None;
        }
        for (home, parcel) in parcels {
            self.post_about_group(home, parcel, actions);
        }
        for Left { share, home, group } in left {
            let unacknowledged = self.take_on_its_way(id, share, u8::MAX);
            self.give_back(home, group, unacknowledged, actions);
        }
    }

    /// Somebody else can take what a session without a connection holds of a group. QoS 2 messages that were sent are the
    /// session's for good [MQTT-4.8.2-4].
    pub(crate) fn asked_back(
        &mut self,
        home: ShardId,
        group: GroupId,
        member: Member,
        actions: &mut Actions,
    ) {
        let id = member.session;
        let session = self
            .sessions
            .get(id)
            .filter(|session| session.connection.is_none());
        let shares = session.and_then(|session| session.shares.as_ref());
        let share = shares.and_then(|shares| shares.get(member.share));
        if share.is_none_or(|share| share.group != Some(group)) || self.draining {
            return;
        }
        let returns_max = self.settings.limits.shared_returns;
        let mut messages = self.take_on_its_way(id, member.share, returns_max);
        messages.extend(self.take_queued(id, member.share, returns_max));
        self.give_back(home, group, messages, actions);
    }

    /// A session is over, and taken from its table: leaves all its groups and gives back what is theirs. A claimed topic is
    /// free again.
    pub(crate) fn leave_all_groups(&mut self, id: SessionId, session: &mut Session, actions: &mut Actions) {
        let Some(shares) = session.shares.take() else {
            return;
        };
        self.sharing.held -= shares.shared();
        for (share, part) in shares.iter() {
            if let Some(group) = part.group {
                let member = self.member(id, share);
                self.post_about_group(part.home, GroupParcel::Leave { group, member }, actions);
            }
        }
        if self.draining {
            // Everybody leaves: who is still there is next.
            return;
        }
        let mut messages = BTreeMap::<ShareId, Vec<Outgoing>>::new();
        let window = session.window.as_mut();
        let on_its_way = window.map(|window| window.take_shared(|_| true));
        let queue = session.queue.as_mut();
        let waiting = queue.map(|queue| queue.take_shared(|_| true));
        for outgoing in on_its_way.into_iter().chain(waiting).flatten() {
            if let Some(share) = outgoing.share {
                messages.entry(share).or_default().push(outgoing);
            }
        }
        for (share, messages) in messages {
            if let Some((home, group)) = shares.group_of(share) {
                self.give_back(home, group, messages, actions);
            }
        }
    }

    /// Takes out of a session's queue what came by a shared subscription and was given back fewer times than this.
    fn take_queued(&mut self, id: SessionId, share: ShareId, returns_max: u8) -> Vec<Outgoing> {
        let session = self.sessions.get_mut(id);
        let Some(queue) = session.and_then(|session| session.queue.as_mut()) else {
            return Vec::new();
        };
        let is_due = |one: &Outgoing| one.share == Some(share) && one.returns < returns_max;
        let taken = queue.take_shared(is_due);
        self.sessions.queued_bytes -= taken.iter().map(queue::cost).sum::<usize>();
        taken
    }

    /// As `take_queued`, of what was sent at QoS 1 and not acknowledged.
    fn take_on_its_way(&mut self, id: SessionId, share: ShareId, returns_max: u8) -> Vec<Outgoing> {
        let session = self.sessions.get_mut(id);
        let window = session.and_then(|session| session.window.as_mut());
        let is_due = |one: &Outgoing| one.share == Some(share) && one.returns < returns_max;
        window.map_or_else(Vec::new, |window: &mut Box<Window>| window.take_shared(is_due))
    }

    /// Messages of a group go back to its home.
    fn give_back(&mut self, home: ShardId, group: GroupId, messages: Vec<Outgoing>, actions: &mut Actions) {
        let returns_max = self.settings.limits.shared_returns;
        let before = messages.len();
        let mut due = Vec::with_capacity(before);
        due.extend(
            (messages.into_iter())
                .filter(|one| one.returns < returns_max)
                .map(|one| (one.message, one.returns + 1)),
        );
        self.stats.drops[DropReason::ReturnedTooOften as usize] += (before - due.len()) as u64;
        while !due.is_empty() {
            let rest = due.split_off(due.len().min(BACK_MESSAGES_MAX));
            let messages = std::mem::replace(&mut due, rest);
            self.post_about_group(home, GroupParcel::Back { group, messages }, actions);
        }
    }

    /// The home picked a session of this shard. Who left meanwhile, or cannot take it, gives it back.
    pub(crate) fn take_hand(
        &mut self,
        home: ShardId,
        group: GroupId,
        member: Member,
        (news, returns): (&mut News<'_>, u8),
        actions: &mut Actions,
    ) {
        let session = self.sessions.get(member.session);
        let share = session.and_then(|session| session.shares.as_ref()?.get(member.share));
        let is_connected = session.is_some_and(|session| session.connection.is_some());
        let subscription = (share.filter(|share| share.group == Some(group)))
            .map(|share| share.subscription)
            .filter(|its| is_connected || its.qos.min(news.qos) != QoS::AtMostOnce);
        if let Some(subscription) = subscription {
            let identifier = subscription.identifier.map(NonZeroU32::get);
            let shape = Shape {
                qos: subscription.qos.min(news.qos),
                retain: news.retain && subscription.retain_as_published,
                identifiers: identifier.as_slice(),
                share: Some((member.share, returns)),
            };
            return self.deliver(member.session, shape, news, actions);
        }
        if returns >= self.settings.limits.shared_returns {
            self.stats.drops[DropReason::ReturnedTooOften as usize] += 1;
            return;
        }
        let messages = vec![(news.share().clone(), returns + 1)];
        self.post_about_group(home, GroupParcel::Back { group, messages }, actions);
    }
}
