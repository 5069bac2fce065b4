//! What a member holds of a group's messages: delivers what the home picked its session for, and gives back what the session
//! cannot see to its end.
//!
//! Called when a session connects, loses its connection or ends, and for the parcels of homes. QoS 2 messages that were sent
//! are the session's for good [MQTT-4.8.2-4]; all others are the group's until they are acknowledged.

use crate::groups::{GroupId, GroupParcel, Member, Standing};
use crate::session::Session;
use crate::session::frame::{News, Shape};
use crate::session::shares::{Left, ShareId};
use crate::session::window::Outgoing;
use crate::session::{queue, window::Window};
use crate::{Actions, DropReason, Engine, SessionId, ShardId};
use ringwire_codec::mqtt::QoS;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

/// Messages of one parcel that gives them back.
const BACK_MESSAGES_MAX: usize = 256;

impl Engine {
    /// What is on its way to a client when it unsubscribes is still its own [MQTT-3.10.4-4], as long as it stays.
    pub(super) fn remember_left(&mut self, id: SessionId, share: ShareId, left: Left) {
        let Some(session) = self.sessions.get_mut(id) else {
            return;
        };
        let Some(window) = session.window.as_deref() else {
            return;
        };
        let on_its_way = window.shares();
        if on_its_way.contains(&share) {
            let all = &mut session.shares.get_or_insert_default().left;
            all.retain(|share, _| on_its_way.contains(share));
            all.insert(share, left);
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
            Some(_) => BTreeMap::new(),
            None => std::mem::take(&mut shares.left),
        };
        if shares.is_empty() {
            session.shares = None;
        }
        for (home, parcel) in parcels {
            self.post_about_group(home, parcel, actions);
        }
        if left.is_empty() {
            return;
        }
        let session = self.sessions.get_mut(id);
        let window = session.and_then(|session| session.window.as_mut());
        let is_left = |one: &Outgoing| one.share.is_some_and(|share| left.contains_key(&share));
        let messages = window.map(|window| window.take_shared(is_left));
        let group_of = |share| left.get(&share).map(|left| (left.home, left.group));
        self.give_back_each(messages.into_iter().flatten(), group_of, actions);
    }

    /// Somebody else can take what a session without a connection holds of a group.
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
        let window = session.window.as_mut();
        let on_its_way = window.map(|window| window.take_shared(|_| true));
        let queue = session.queue.as_mut();
        let waiting = queue.map(|queue| queue.take_shared(|_| true));
        let messages = on_its_way.into_iter().chain(waiting).flatten();
        self.give_back_each(messages, |share| shares.group_of(share), actions);
    }

    /// Messages of several groups go back, each to the home of its own.
    fn give_back_each(
        &mut self,
        messages: impl Iterator<Item = Outgoing>,
        group_of: impl Fn(ShareId) -> Option<(ShardId, GroupId)>,
        actions: &mut Actions,
    ) {
        let mut by_share = BTreeMap::<ShareId, Vec<Outgoing>>::new();
        for outgoing in messages {
            if let Some(share) = outgoing.share {
                by_share.entry(share).or_default().push(outgoing);
            }
        }
        for (share, messages) in by_share {
            if let Some((home, group)) = group_of(share) {
                self.give_back(home, group, messages, actions);
            }
        }
    }

    /// Takes out of a session's queue what came by a shared subscription and was given back fewer times than this.
    pub(super) fn take_queued(&mut self, id: SessionId, share: ShareId, returns_max: u8) -> Vec<Outgoing> {
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
    pub(super) fn give_back(
        &mut self,
        home: ShardId,
        group: GroupId,
        messages: Vec<Outgoing>,
        actions: &mut Actions,
    ) {
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
