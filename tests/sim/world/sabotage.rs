//! Sabotage: what an engine asked for is spoiled on purpose, so that the checks that watch a run can be seen to fail.
//!
//! Used by `tests` in `sabotage_proofs.rs` only; an ordinary run is never spoiled. Each kind names the defect that an engine
//! or a shard could have, and each has checks that must notice it within a few seeds.

use super::World;
use ringwire_core::groups::GroupParcel;
use ringwire_core::{ConnectionId, Message, Note, Parcel, ShardId};
use std::sync::Arc;

/// What is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// A message for another shard is lost.
    LoseParcel,
    /// A message for another shard is posted twice.
    RepeatParcel,
    /// Two messages for another shard change places.
    SwapParcels,
    /// A parcel is addressed to its own sender.
    PostToSelf,
    /// A retained message is written at a shard that is not its home.
    MisplaceWrite,
    /// The home forgets a write.
    LoseWrite,
    /// An answer to a SUBSCRIBE is empty.
    EmptyAnswer,
    /// The end of a connection is not noted.
    LoseNote,
    /// The end of a connection is noted twice.
    RepeatNote,
    /// An honest client is closed for what it did not do.
    BlameHonest,
    /// A hand-over leaves bytes behind.
    CutGreeting,
    /// `Drained` is never fed.
    LoseDrained,
    /// `Relieved` is never fed.
    LoseRelieved,
    /// `Tick` is never fed.
    LoseTicks,
    /// A silent connection is taken for a live one.
    HideSilence,
    /// An out box grows without bound.
    FloodOutbox,
    /// A byte on its way to a client changes.
    FlipByte,
    /// A CONNACK claims the opposite of "session present".
    FlipSessionPresent,
    /// No PUBACK and no PUBREC leaves.
    LoseAcknowledgements,
    /// Nobody is told that the node stops.
    DrainInSilence,
    /// The engines have no access rules.
    ForgetRules,
    /// A topic alias to a client is another.
    ConfuseAliases,
    /// Messages that travel or are stored forget when they expire.
    ForgetExpiry,
    /// What a group picked a member for is lost.
    LoseHand,
    /// It is handed over twice.
    RepeatHand,
    /// What a member gives back is lost.
    LoseBack,
    /// A delayed message does not wait.
    HastenDelayed,
    /// It waits for too long.
    RetardDelayed,
    /// It is published to another topic.
    LoseDelayed,
    /// It is published to its `$delayed` topic, too.
    ShowDelayed,
    /// Exclusive subscriptions are taken for ordinary ones.
    ForgetClaims,
    /// The home of an exclusive topic does not hear that it is given up.
    KeepClaims,
    /// Wills are not delayed.
    HurryWills,
    /// Wills are delayed by too much.
    SlowWills,
    /// A Will is sent though its client came back.
    ReviveWills,
    /// Some CONNECTs arrive without their Will, which would not have waited.
    LoseWills,
    /// Every CONNECT arrives with Clean Start.
    ForgetSessions,
    /// Sessions are kept for a second.
    CutSessions,
    /// Sessions are kept for too long.
    KeepSessions,
    /// The Session Expiry Interval of a DISCONNECT does not arrive.
    IgnoreGoodbye,
    /// One that its session may not have is not noticed.
    AllowWrongGoodbye,
    /// The keep alive of the server is not set.
    ForgetKeepAlive,
    /// Nobody tells the shards of a ban.
    IgnoreBans,
    /// A ban is over as soon as its client is closed.
    LiftBans,
    /// A ban never ends.
    EndlessBans,
    /// A ban is for somebody else.
    BanAnother,
    /// Who is banned is told something else.
    DenyBans,
    /// Topics and filters are not rewritten.
    ForgetRewrite,
    /// The first rule counts, instead of the last.
    MixUpRewrite,
    /// Nobody is subscribed to anything.
    ForgetAutoSubscribe,
    /// Everybody is subscribed to the topics of all.
    WidenAutoSubscribe,
    /// Nobody is banned for coming and going.
    IgnoreFlapping,
    /// Clients are banned when they have left once too few.
    HastyFlapping,
    /// Who left is forgotten at once.
    ForgetFlapping,
    /// Devices are sent nothing again.
    ForgetRetries,
    /// The word that a subscriber is behind is lost.
    LoseSlow,
    /// The word that a shard has what a device sent is lost.
    LoseReached,
    /// The engine panics.
    Panic,
}

impl World {
    fn is_spoiled(&mut self, kind: Sabotage, percent: usize) -> bool {
        self.sabotage == Some(kind) && self.random.chance(percent)
    }

    /// Spoils what a shard is about to carry out.
    pub(super) fn spoil(&mut self, shard: usize) {
        let Some(kind) = self.sabotage else { return };
        match kind {
            Sabotage::LoseParcel
            | Sabotage::RepeatParcel
            | Sabotage::SwapParcels
            | Sabotage::PostToSelf
            | Sabotage::MisplaceWrite
            | Sabotage::EmptyAnswer => self.spoil_posts(shard, kind),
            Sabotage::ForgetExpiry => self.forget_expiry(shard),
            Sabotage::LoseHand | Sabotage::RepeatHand | Sabotage::LoseBack | Sabotage::KeepClaims => {
                self.spoil_groups(shard, kind)
            }
            Sabotage::LoseSlow | Sabotage::LoseReached => self.lose_words(shard, kind),
            Sabotage::CutGreeting => self.cut_greeting(shard),
            Sabotage::FlipByte
            | Sabotage::FlipSessionPresent
            | Sabotage::FloodOutbox
            | Sabotage::ConfuseAliases
            | Sabotage::DenyBans
            | Sabotage::DrainInSilence => {
                self.spoil_outboxes(shard, kind);
            }
            Sabotage::Panic => {
                if self.random.chance(1) {
                    panic!("sabotage");
                }
            }
            Sabotage::LoseWrite
            | Sabotage::HastenDelayed
            | Sabotage::RetardDelayed
            | Sabotage::LoseDelayed
            | Sabotage::ShowDelayed
            | Sabotage::ForgetClaims
            | Sabotage::HurryWills
            | Sabotage::SlowWills
            | Sabotage::ReviveWills
            | Sabotage::LoseWills
            | Sabotage::ForgetSessions
            | Sabotage::CutSessions
            | Sabotage::KeepSessions
            | Sabotage::IgnoreGoodbye
            | Sabotage::AllowWrongGoodbye
            | Sabotage::ForgetKeepAlive
            | Sabotage::IgnoreBans
            | Sabotage::LiftBans
            | Sabotage::EndlessBans
            | Sabotage::BanAnother
            | Sabotage::ForgetRules
            | Sabotage::ForgetRetries
            | Sabotage::ForgetRewrite
            | Sabotage::MixUpRewrite
            | Sabotage::ForgetAutoSubscribe
            | Sabotage::WidenAutoSubscribe
            | Sabotage::IgnoreFlapping
            | Sabotage::HastyFlapping
            | Sabotage::ForgetFlapping
            | Sabotage::LoseNote
            | Sabotage::RepeatNote
            | Sabotage::BlameHonest
            | Sabotage::LoseDrained
            | Sabotage::LoseRelieved
            | Sabotage::LoseTicks
            | Sabotage::LoseAcknowledgements
            | Sabotage::HideSilence => {}
        }
    }

    fn lose_words(&mut self, shard: usize, kind: Sabotage) {
        let is_lost = |parcel: &Parcel| match kind {
            Sabotage::LoseSlow => matches!(parcel, Parcel::Slow { .. }),
            _ => matches!(parcel, Parcel::Reached { .. }),
        };
        let posts = &mut self.shards[shard].actions.posts;
        posts.retain(|(_, parcel)| !is_lost(parcel));
    }

    fn cut_greeting(&mut self, shard: usize) {
        for hand_over in &mut self.shards[shard].actions.hand_overs {
            let received = &mut hand_over.adoption.received;
            received.truncate(received.len() - 1);
        }
    }

    fn spoil_posts(&mut self, shard: usize, kind: Sabotage) {
        let chance = self.random.chance(20);
        let shards = self.shards.len();
        let posts = &mut self.shards[shard].actions.posts;
        let is_publish = |(_, parcel): &(ShardId, Parcel)| matches!(parcel, Parcel::Publish(_));
        let Some(at) = posts.iter().position(is_publish).filter(|_| chance) else {
            for (to, parcel) in posts {
                match parcel {
                    Parcel::Retain(_) if kind == Sabotage::MisplaceWrite && shards > 2 => {
                        to.0 = (0..shards as u16)
                            .find(|other| *other != to.0 && usize::from(*other) != shard)
                            .unwrap_or_default();
                    }
                    Parcel::Recalled { messages, .. } if kind == Sabotage::EmptyAnswer => messages.clear(),
                    Parcel::Publish(_)
                    | Parcel::Retain(_)
                    | Parcel::Recall { .. }
                    | Parcel::Recalled { .. }
                    | Parcel::Flush
                    | Parcel::Flushed
                    | Parcel::Slow { .. }
                    | Parcel::Eased { .. }
                    | Parcel::Reach { .. }
                    | Parcel::Reached { .. }
                    | Parcel::Group(_)
                    | Parcel::Ban(_) => {}
                }
            }
            return;
        };
        match kind {
            Sabotage::LoseParcel => {
                posts.remove(at);
            }
            Sabotage::RepeatParcel => posts.push(posts[at].clone()),
            Sabotage::SwapParcels => {
                let to = posts[at].0;
                let last = posts
                    .iter()
                    .rposition(|post| post.0 == to && is_publish(post))
                    .unwrap_or(at);
                posts.swap(at, last);
            }
            Sabotage::PostToSelf => posts[at].0 = ShardId(shard as u16),
            _ => {}
        }
    }

    fn forget_expiry(&mut self, shard: usize) {
        let forget = |message: &mut Arc<Message>| *message = Arc::new(Message::clone(message).expiring(None));
        for (_, parcel) in &mut self.shards[shard].actions.posts {
            match parcel {
                Parcel::Publish(message) | Parcel::Retain(message) => forget(message),
                Parcel::Recalled { messages, .. } => messages.iter_mut().for_each(forget),
                Parcel::Recall { .. }
                | Parcel::Flush
                | Parcel::Flushed
                | Parcel::Slow { .. }
                | Parcel::Eased { .. }
                | Parcel::Reach { .. }
                | Parcel::Reached { .. }
                | Parcel::Group(_)
                | Parcel::Ban(_) => {}
            }
        }
    }

    fn spoil_groups(&mut self, shard: usize, kind: Sabotage) {
        let chance = self.random.chance(20);
        let posts = &mut self.shards[shard].actions.posts;
        let is_back = |parcel: &Parcel| matches!(parcel, Parcel::Group(GroupParcel::Back { .. }));
        let is_hand = |parcel: &Parcel| matches!(parcel, Parcel::Group(GroupParcel::Hand { .. }));
        let is_leave = |parcel: &Parcel| matches!(parcel, Parcel::Group(GroupParcel::Leave { .. }));
        if kind == Sabotage::KeepClaims {
            posts.retain(|(_, parcel)| !is_leave(parcel));
        } else if kind == Sabotage::LoseBack {
            posts.retain(|(_, parcel)| !is_back(parcel));
        } else if let Some(at) = posts.iter().position(|(_, parcel)| is_hand(parcel) && chance) {
            if kind == Sabotage::LoseHand {
                posts.remove(at);
            } else {
                posts.insert(at, posts[at].clone());
            }
        }
    }

    fn spoil_outboxes(&mut self, shard: usize, kind: Sabotage) {
        let chance = self.random.chance(5);
        let draining = self.draining;
        let dirty: Vec<ConnectionId> = self.shards[shard].actions.dirty.clone();
        for connection in dirty {
            let outbox = self.shards[shard].actions.outbox(connection);
            let buffer = &mut outbox.buffer;
            match kind {
                Sabotage::FlipByte if chance && !buffer.is_empty() => {
                    let last = buffer.len() - 1;
                    buffer[last] ^= 0x04;
                }
                Sabotage::FlipSessionPresent if buffer.len() > 3 && buffer[0] == 0x20 && buffer[2] < 2 => {
                    buffer[2] ^= 1;
                }
                Sabotage::DenyBans if buffer.len() > 3 && buffer[0] == 0x20 && buffer[3] == 0x8A => {
                    buffer[3] = 0x89;
                }
                Sabotage::ConfuseAliases => confuse_aliases(buffer),
                Sabotage::FloodOutbox if chance => buffer.resize(buffer.len() + (4 << 20), 0xC0),
                Sabotage::DrainInSilence if draining => buffer.clear(),
                _ => {}
            }
        }
    }

    /// The notes that the oracle gets to see for one that an engine made.
    pub(super) fn spoil_note(&mut self, note: Note) -> Vec<Note> {
        let Note::Closed {
            client_id,
            peer,
            listener,
            detail,
            ..
        } = &note
        else {
            return vec![note];
        };
        if self.is_spoiled(Sabotage::LoseNote, 20) {
            return Vec::new();
        }
        if self.is_spoiled(Sabotage::RepeatNote, 20) {
            return vec![note.clone(), note];
        }
        if self.is_spoiled(Sabotage::BlameHonest, 20) {
            return vec![Note::Closed {
                client_id: client_id.clone(),
                peer: *peer,
                listener: *listener,
                reason: ringwire_core::CloseReason::MalformedPacket,
                detail: detail.clone(),
            }];
        }
        vec![note]
    }

    /// An engine reads an ordinary filter where a client wrote an exclusive one.
    pub(super) fn spoil_claim(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        const PREFIX: &[u8] = b"$exclusive/";
        if self.sabotage == Some(Sabotage::ForgetClaims) {
            let starts = bytes.windows(PREFIX.len()).enumerate();
            let starts: Vec<usize> = starts
                .filter(|(_, window)| *window == PREFIX)
                .map(|(at, _)| at)
                .collect();
            starts.into_iter().for_each(|at| bytes[at] = b'x');
        }
        bytes
    }

    /// The Will Delay Interval as it arrives.
    pub fn spoil_will_delay(&self, delay_s: u32) -> u32 {
        match self.sabotage {
            Some(Sabotage::HurryWills) => 0,
            Some(Sabotage::SlowWills) => delay_s + 5,
            Some(_) | None => delay_s,
        }
    }

    /// The Session Expiry Interval of a CONNECT as it arrives.
    pub fn spoil_expiry(&self, expiry_s: u32) -> u32 {
        match self.sabotage {
            Some(Sabotage::CutSessions) if expiry_s < 600 => expiry_s.min(1),
            Some(Sabotage::KeepSessions) if expiry_s > 0 => expiry_s + 5,
            Some(_) | None => expiry_s,
        }
    }

    /// The Session Expiry Interval of a DISCONNECT is lost.
    pub fn loses_interval(&self, is_wrong: bool) -> bool {
        match self.sabotage {
            Some(Sabotage::IgnoreGoodbye) => !is_wrong,
            Some(Sabotage::AllowWrongGoodbye) => is_wrong,
            Some(_) | None => false,
        }
    }

    /// A Will is lost on its way.
    pub fn loses_will(&mut self) -> bool {
        self.is_spoiled(Sabotage::LoseWills, 30)
    }

    /// A write does not reach its home.
    pub(super) fn loses_write(&mut self) -> bool {
        self.is_spoiled(Sabotage::LoseWrite, 30)
    }
}

/// Changes the alias of each PUBLISH that names its topic by one: at QoS 0 its property stands right behind the empty topic.
fn confuse_aliases(buffer: &mut [u8]) {
    let mut at = 0;
    while at < buffer.len() {
        let Some(size) = super::owed::packets(&buffer[at..]).next().map(<[u8]>::len) else {
            return;
        };
        let packet = &mut buffer[at..at + size];
        // Fixed header, no topic, length of the properties, Topic Alias.
        if size > 7 && packet[0] == 0x30 && packet[1] < 0x80 && packet[2..4] == [0, 0] && packet[5] == 0x23 {
            packet[7] ^= 3;
        }
        at += size;
    }
}
