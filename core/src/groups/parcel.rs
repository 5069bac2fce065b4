//! What members' shards and the home of a group post to each other, and who handles it.
//!
//! Each names the group and the member's part in it. Between two shards nothing overtakes: a home hears that a member left
//! before it gets that member's messages back, and a member's shard hears that its session is a member before the first
//! message for it.

use super::{GroupId, GroupName, Member, Standing};
use crate::session::frame::News;
use crate::{Actions, DropReason, Engine, Message, Parcel, ShardId};
use std::sync::Arc;

/// See the file's head.
#[derive(Clone, Debug)]
pub enum GroupParcel {
    /// A session of the posting shard wants to be a member of a group that is at home with the receiver.
    Join {
        /// Connected, as far as the home is to know.
        member: Member,
        /// Which group.
        name: GroupName,
    },
    /// The answer to `Join`. What publishers post from here on reaches the group.
    Joined {
        /// As in the question.
        member: Member,
        /// The group; `None` when another session has claimed the topic.
        group: Option<GroupId>,
    },
    /// To the home of a group: a member connected, or lost its connection.
    Stands {
        /// Which group.
        group: GroupId,
        /// Who.
        member: Member,
        /// How it stands now.
        standing: Standing,
    },
    /// To the home of a group: a member is none any more.
    Leave {
        /// Which group.
        group: GroupId,
        /// Who.
        member: Member,
    },
    /// From the home of a group: this member was picked for a message.
    Hand {
        /// Which group.
        group: GroupId,
        /// Who.
        member: Member,
        /// As it was published.
        message: Arc<Message>,
        /// How often members gave it back.
        returns: u8,
    },
    /// From the home of a group: others can take what this member, which has no connection, holds.
    GiveBack {
        /// Which group.
        group: GroupId,
        /// Who.
        member: Member,
    },
    /// To the home of a group: messages that a member could not see to their end, oldest first. Another gets them.
    Back {
        /// Which group.
        group: GroupId,
        /// With how often each was given back, this time included.
        messages: Vec<(Arc<Message>, u8)>,
    },
}

impl Engine {
    /// A parcel from another shard, or from this one.
    pub(crate) fn group_parcel(&mut self, from: ShardId, parcel: GroupParcel, actions: &mut Actions) {
        match parcel {
            GroupParcel::Join { member, name } => {
                let group = self.join(member, &name, actions);
                self.post_about_group(from, GroupParcel::Joined { member, group }, actions);
            }
            GroupParcel::Joined { member, group } => self.joined(from, member, group, actions),
            GroupParcel::Stands {
                group,
                member,
                standing,
            } => self.member_stands(group, member, standing, actions),
            GroupParcel::Leave { group, member } => self.member_leaves(group, member),
            GroupParcel::Hand {
                group,
                member,
                message,
                returns,
            } => {
                self.stats.messages_adopted += 1;
                if message.has_aged_out(self.now) {
                    self.stats.drops[DropReason::Expired as usize] += 1;
                    return;
                }
                self.scratch.frames.clear();
                let news = (&mut News::shared(&message, self.now), returns);
                self.take_hand(from, group, member, news, actions);
            }
            GroupParcel::GiveBack { group, member } => self.asked_back(from, group, member, actions),
            GroupParcel::Back { group, messages } => self.given_back(group, &messages, actions),
        }
    }

    /// Posts a parcel; to this shard itself, for the end of the input at hand.
    pub(crate) fn post_about_group(&mut self, to: ShardId, parcel: GroupParcel, actions: &mut Actions) {
        if to == self.shard {
            self.sharing.own.push_back(parcel);
        } else {
            actions.post(to, Parcel::Group(parcel));
        }
    }

    /// Handles what this shard posted to itself, until nothing is left of it.
    pub(crate) fn read_own(&mut self, actions: &mut Actions) {
        while let Some(parcel) = self.sharing.own.pop_front() {
            self.group_parcel(self.shard, parcel, actions);
            self.read_eased(actions);
        }
    }
}
