//! What the home of a group does: takes members in and out, picks one for each message, and moves what a member gives
//! back to another.
//!
//! Called by `publish.rs` when a group stands among the subscribers of a topic, and for the parcels of members' shards. No
//! message goes to a member without a connection while another one has one, and none is left with it: it is asked to give
//! back what it holds as soon as somebody else can take it. How often a message may go round is limited, by those who give
//! it back (`share.rs`).

use super::members::{Ask, Standing};
use super::{GroupId, GroupName, GroupParcel, Member};
use crate::index::Subscription;
use crate::session::frame::News;
use crate::settings::SharedStrategy;
use crate::{Actions, DropReason, Engine, Message, SessionId};
use ringwire_codec::mqtt::{QoS, RetainHandling};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a group subscribes with: everything as published, its members choose.
const EVERYTHING: Subscription = Subscription {
    qos: QoS::ExactlyOnce,
    no_local: false,
    retain_as_published: true,
    retain_handling: RetainHandling::DoNotSend,
    identifier: None,
};

impl Engine {
    /// A connected session wants to be a member. `None` when the topic is claimed by another. When this returns, whoever
    /// publishes is heard by the group.
    pub(crate) fn join(
        &mut self,
        member: Member,
        name: &GroupName,
        actions: &mut Actions,
    ) -> Option<GroupId> {
        let id = match self.groups.find(name) {
            Some(id) => id,
            None => self.begin_group(name),
        };
        let group = self.groups.at(id.slot);
        if name.is_exclusive() && group.members.has_other_than(member) {
            return None;
        }
        let holders = group.members.join(member);
        self.ask_back(id, holders, actions);
        Some(id)
    }

    fn begin_group(&mut self, name: &GroupName) -> GroupId {
        let id = self.groups.insert(name.clone());
        if !name.is_exclusive() {
            let inserted = self
                .index
                .insert(name.filter(), SessionId::of_group(id.slot), EVERYTHING);
            if inserted.first {
                self.interest.add(name.filter());
            }
            self.groups.at(id.slot).filter = Some(inserted.filter);
        }
        id
    }

    /// A member connected, or lost its connection.
    pub(crate) fn member_stands(
        &mut self,
        id: GroupId,
        member: Member,
        standing: Standing,
        actions: &mut Actions,
    ) {
        if let Some(group) = self.groups.get_mut(id) {
            let holders = group.members.stand(member, standing);
            self.ask_back(id, holders, actions);
        }
    }

    /// A member is none any more; with the last one the group ends.
    pub(crate) fn member_leaves(&mut self, id: GroupId, member: Member) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        if !group.members.leave(member) || !group.members.is_empty() {
            return;
        }
        if let Some(filter) = group.filter {
            self.drop_subscription(SessionId::of_group(id.slot), filter);
        }
        self.groups.remove(id);
    }

    /// Members without a connection must not keep what others can take.
    fn ask_back(&mut self, group: GroupId, holders: BTreeSet<Member>, actions: &mut Actions) {
        for member in holders {
            self.post_about_group(member.shard, GroupParcel::GiveBack { group, member }, actions);
        }
    }

    /// A message matches the filter of a group: one member gets it.
    pub(crate) fn deliver_to_group(&mut self, slot: u32, news: &mut News<'_>, actions: &mut Actions) {
        let id = self.groups.at(slot).id;
        self.pass(id, 0, news, actions);
    }

    /// What a member gave back goes to another.
    pub(crate) fn given_back(&mut self, id: GroupId, messages: &[(Arc<Message>, u8)], actions: &mut Actions) {
        for (message, returns) in messages {
            if message.is_expired(self.now) {
                self.stats.drops[DropReason::Expired as usize] += 1;
            } else if self.groups.get(id).is_some() {
                self.scratch.frames.clear();
                self.pass(id, *returns, &mut News::shared(message, self.now), actions);
            } else {
                // With its last member a group's undelivered messages are gone (5.0 section 4.8.2).
                self.stats.drops[DropReason::GroupEnded as usize] += 1;
            }
        }
    }

    /// Picks a member and gives it the message.
    fn pass(&mut self, id: GroupId, returns: u8, news: &mut News<'_>, actions: &mut Actions) {
        let ask = self.turn(news);
        let Some(member) = self.groups.at(id.slot).members.pick(ask) else {
            self.stats.drops[DropReason::Qos0Offline as usize] += 1;
            return;
        };
        if member.shard == self.shard {
            return self.take_hand(self.shard, id, member, (news, returns), actions);
        }
        if news.qos == QoS::AtMostOnce && self.congested & (1 << member.shard.0) != 0 {
            self.stats.drops[DropReason::MeshFull as usize] += 1;
            return;
        }
        self.count_forwarded(member.shard);
        let hand = GroupParcel::Hand {
            group: id,
            member,
            message: news.share().clone(),
            returns,
        };
        self.post_about_group(member.shard, hand, actions);
    }

    /// What the strategy wants to know of a message.
    fn turn(&mut self, news: &News<'_>) -> Ask {
        let strategy = self.settings.broker.shared_subscription_strategy;
        let mut ask = Ask {
            strategy,
            number: 0,
            shard: self.shard,
            can_wait: news.qos != QoS::AtMostOnce,
        };
        match strategy {
            SharedStrategy::RoundRobin | SharedStrategy::Sticky => {}
            SharedStrategy::Random => ask.number = self.random(),
            SharedStrategy::HashClientId => ask.number = self.groups.hasher.hash_one(news.publisher),
            SharedStrategy::HashTopic => ask.number = self.groups.hasher.hash_one(news.topic),
            SharedStrategy::Local => ask.shard = self.placement.home(news.publisher),
        }
        ask
    }
}
