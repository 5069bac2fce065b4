//! What honest clients saw and did, and when engines took it: the material of the checks.
//!
//! Plain lists, filled while a run goes on and only read afterwards. A moment is a *step*: a counter that grows with every
//! engine call and every act of a client, so "before" has one meaning for all shards. Bounds are always on the safe side:
//! `sent` is when the client wrote, `fed` when an engine had the last byte, `acked` when the client read the answer.

use ringwire_codec::mqtt::{QoS, ReasonCode, RetainHandling};
use std::collections::{BTreeMap, BTreeSet};

/// A moment in a run.
pub type Step = u64;

/// The index of a message in `History::messages`.
pub type MessageId = usize;

/// The index of a session in `History::sessions`.
pub type SessionId = usize;

/// Shared subscriptions that MQTT 5.0 clients make. Each is asked for with an identifier of its own, so that it is known of
/// every delivery which group it is for.
pub const SHARED: &[&str] = &["$share/g/a/#", "$share/h/a/#", "$share/g/b", "$share/g/+/b"];

/// The identifier of the first of them; ordinary subscriptions have lower ones.
pub const SHARED_FIRST: u32 = 1_000;

/// Exclusive subscriptions that clients make.
pub const CLAIMS: &[&str] = &["$exclusive/claim/a", "$exclusive/claim/b"];

/// The client that makes them at the end of a run.
pub const CLAIMER: &str = "claimer";

/// Everything that was recorded.
#[derive(Debug, Default)]
pub struct History {
    /// Every message that an honest client, a Will or the administrator published.
    pub messages: Vec<Sent>,
    /// Every session of an honest client, in the order of their beginnings.
    pub sessions: Vec<Session>,
    /// Every message that arrived at an honest client, in the order of arrival.
    pub deliveries: Vec<Delivery>,
    /// Writes of retained messages, by topic, in the order in which the topic's home took them.
    pub writes: BTreeMap<String, Vec<Write>>,
    /// Topics whose order of writes could not be observed.
    pub unobserved: Vec<String>,
    /// What became of the Wills of MQTT clients; a Will that is not here was never due.
    pub wills: BTreeMap<MessageId, Fate>,
    /// Client ids for which the broker said that it dropped something, and the name of the reason.
    pub drops: Vec<(String, &'static str)>,
    /// QoS 0 messages between shards were dropped, by the counters.
    pub mesh_drops: bool,
    /// Retained messages found no room, or were dropped on their way to a new subscriber, by the counters.
    pub retained_drops: bool,
    /// What was published to `$delayed/SECONDS/TOPIC`.
    pub delayed: BTreeMap<MessageId, Delayed>,
    /// Topics as they were written, of messages that were published under another one.
    pub written: BTreeMap<MessageId, String>,
    /// Since when the faults have stopped and nothing is under way, in milliseconds.
    pub calm_ms: Option<u64>,
    /// Claims of exclusive topics that were refused: client id, filter.
    pub refusals: Vec<(String, String)>,
    /// Clients of which the broker may have a session that they do not count on, at the end.
    pub unsure: Vec<String>,
    /// Bans that the administrator made, in their order.
    pub bans: Vec<Ban>,
    /// Clients that were let in, and when.
    pub let_in: Vec<(String, Step)>,
    /// Clients that were not.
    pub turned_away: Vec<TurnedAway>,
    /// Delayed messages of clients that were banned since.
    pub silenced: BTreeSet<MessageId>,
    /// When engines took what devices published, in runs whose devices publish more than is read.
    pub taken: BTreeMap<MessageId, Taken>,
    /// How far devices may be ahead of a subscriber, in those runs.
    pub lead_max: Option<LeadMax>,
    /// What a new subscriber was given as retained at the end of the run: topic, message.
    pub retained_at_end: Vec<(String, MessageId)>,
    /// What retained messages there must be at the end: topic, message.
    pub retained_expected: Vec<(String, MessageId)>,
}

/// How a message came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A PUBLISH of an MQTT client.
    Publish,
    /// The Will of an MQTT client.
    Will,
    /// A DATATRANS of a private device.
    Device,
    /// The administrator.
    Injected,
}

/// What became of a Will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was due: sent in this step.
    Sent(Step),
    /// Its client came back, or said good-bye, in this step, before it was due.
    Cancelled(Step),
}

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Client id; empty for the administrator.
    pub publisher: String,
    pub origin: Origin,
    pub topic: String,
    pub payload: Vec<u8>,
    /// Content Type, which must arrive as it was sent.
    pub content_type: Option<String>,
    pub qos: QoS,
    pub retain: bool,
    /// Message Expiry Interval, in seconds.
    pub expiry_s: Option<u32>,
    /// Each time that an engine had all of it.
    pub fed: Vec<Step>,
    /// The same as milliseconds.
    pub fed_ms: Vec<u64>,
    /// The engine had it on an open connection that it was reading: it is published for sure.
    pub certain: bool,
    /// The publisher read PUBACK or PUBREC.
    pub acked: Option<Step>,
    /// The broker refused it (a reason of 0x80 and above), or must.
    pub refused: bool,
}

/// How a message is delayed. Its topic in `Sent` is the one under which it comes.
#[derive(Clone, Debug)]
pub struct Delayed {
    pub seconds: u64,
    /// The last step before the delay had passed, counted from when an engine first had it.
    pub due: Option<Step>,
}

/// A message of a device was taken.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    pub step: Step,
    /// Which of the device's connections it came on.
    pub connection: usize,
}

/// How many messages of one device may wait for one subscriber.
#[derive(Clone, Copy, Debug)]
pub struct LeadMax {
    /// In its queue before it slows the device down, and on their way to it.
    pub queued: usize,
    /// More of each of the device's connections, before it hears that it is to wait.
    pub crossing: usize,
}

/// A ban of a client id.
#[derive(Clone, Debug)]
pub struct Ban {
    pub client_id: String,
    /// Every shard knew it.
    pub from: Step,
    /// When it ends of itself, in milliseconds.
    pub end_ms: u64,
    /// The last step of it.
    pub until: Option<Step>,
    /// Connections of the client that were not closed when every shard knew it.
    pub left_open: usize,
}

/// A CONNECT that was refused.
#[derive(Clone, Debug)]
pub struct TurnedAway {
    pub client_id: String,
    /// When the client read it.
    pub step: Step,
    pub reason: ReasonCode,
    /// 5.0 has a reason of its own for bans.
    pub knows_bans: bool,
}

/// A session of an honest client, from CONNACK without "session present" to the first moment at which it may be gone.
#[derive(Clone, Debug)]
pub struct Session {
    pub client_id: String,
    /// A private device without acknowledgements, so that nothing is sent twice.
    pub device: bool,
    pub ended: Option<Step>,
    /// Since when the present connection stands; `None` while there is none.
    pub connected: Option<Step>,
    /// When a broker noticed that a connection of its client had ended: also after the session's own end.
    pub losses: Vec<Step>,
    /// In the order of the SUBSCRIBEs.
    pub subscriptions: Vec<Subscription>,
}

/// A filter, from its SUBSCRIBE to its UNSUBACK.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub filter: String,
    /// The options, and those of each later SUBSCRIBE to the same filter.
    pub versions: Vec<Options>,
    pub unsubscribe_sent: Option<Step>,
    pub unsubscribe_acked: Option<Step>,
}

/// The options of one SUBSCRIBE.
#[derive(Clone, Debug)]
pub struct Options {
    pub sent: Step,
    /// The same in milliseconds.
    pub sent_ms: u64,
    /// An engine had it.
    pub fed: Option<Step>,
    pub acked: Option<Step>,
    pub qos: QoS,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
    pub identifier: Option<u32>,
}

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub session: SessionId,
    /// `None`: an empty payload names no message.
    pub message: Option<MessageId>,
    pub step: Step,
    /// When it was read, and when its connection began, in milliseconds: it was sent between.
    pub read_ms: u64,
    pub since_ms: u64,
    /// It arrived in MQTT 5.0, so it says what is left of its expiry.
    pub tells_expiry: bool,
    pub expiry_s: Option<u32>,
    pub topic: String,
    pub payload: Vec<u8>,
    pub content_type: Option<String>,
    /// `None` at a private device, whose frames do not say.
    pub qos: Option<QoS>,
    pub retain: bool,
    pub dup: bool,
    pub identifiers: Vec<u32>,
}

/// A write of a retained message, as the topic's home took it.
#[derive(Clone, Debug)]
pub struct Write {
    pub step: Step,
    /// It is not there for ever.
    pub expires: bool,
    /// `None`: an empty payload cleared it.
    pub message: Option<MessageId>,
}

impl History {
    /// The payload of the next message: its number, then bytes that follow from the number.
    pub fn payload(number: MessageId, bytes: usize) -> Vec<u8> {
        let mut payload = (number as u32).to_be_bytes().to_vec();
        payload.extend((0..bytes).map(|index| (number.wrapping_mul(31) ^ index.wrapping_mul(7)) as u8));
        payload
    }

    /// The message that a payload names.
    pub fn message_of(&self, payload: &[u8]) -> Option<MessageId> {
        let number: [u8; 4] = payload.get(..4)?.try_into().ok()?;
        let number = u32::from_be_bytes(number) as usize;
        (number < self.messages.len()).then_some(number)
    }

    /// The session's newest subscription to a filter.
    pub fn subscription(&mut self, session: SessionId, filter: &str) -> Option<&mut Subscription> {
        let subscriptions = self.sessions[session].subscriptions.iter_mut();
        subscriptions
            .rev()
            .find(|subscription| subscription.filter == filter)
    }

    /// Notes a SUBSCRIBE: a new subscription, or a new version of one that stands.
    pub fn subscribe(&mut self, session: SessionId, filter: &str, options: Options) {
        if let Some(subscription) = self.subscription(session, filter)
            && subscription.unsubscribe_sent.is_none()
        {
            subscription.versions.push(options);
            return;
        }
        self.sessions[session].subscriptions.push(Subscription {
            filter: filter.to_owned(),
            versions: vec![options],
            unsubscribe_sent: None,
            unsubscribe_acked: None,
        });
    }

    /// Notes that an engine had a SUBSCRIBE.
    pub fn subscribe_fed(&mut self, session: SessionId, sent: Step, step: Step) {
        let subscriptions = &mut self.sessions[session].subscriptions;
        let versions = subscriptions
            .iter_mut()
            .flat_map(|subscription| &mut subscription.versions);
        versions
            .filter(|version| version.sent == sent)
            .for_each(|version| version.fed = Some(step));
    }

    /// Notes that the home of a topic took a write.
    pub fn write(&mut self, topic: &str, step: Step, message: Option<MessageId>, expires: bool) {
        let writes = self.writes.entry(topic.to_owned()).or_default();
        writes.push(Write {
            step,
            expires,
            message,
        });
    }

    /// Notes that the order of writes to a topic cannot be known.
    pub fn cannot_observe(&mut self, topic: &str) {
        if !self.unobserved.iter().any(|known| known == topic) {
            self.unobserved.push(topic.to_owned());
        }
    }

    /// The topic as it is written, where that is not the one under which the message comes.
    pub fn wire_topic(&self, id: MessageId) -> Option<String> {
        let written = self.written.get(&id);
        let Some(delayed) = self.delayed.get(&id) else {
            return written.cloned();
        };
        let topic = written.unwrap_or(&self.messages[id].topic);
        Some(format!("$delayed/{}/{topic}", delayed.seconds))
    }

    /// Whether the broker said that it dropped something for this client.
    pub fn dropped_for(&self, client_id: &str) -> bool {
        self.drops.iter().any(|(client, _)| client == client_id)
    }
}

impl Delivery {
    /// The group that it is for; `None`: it is for ordinary subscriptions.
    pub fn share(&self) -> Option<&'static str> {
        let numbers = self.identifiers.iter();
        let index = numbers
            .filter_map(|identifier| identifier.checked_sub(SHARED_FIRST))
            .next()?;
        SHARED.get(index as usize).copied()
    }
}

impl Sent {
    /// When it may first have been published; `None`: never, as far as is known.
    pub fn first_fed(&self) -> Option<Step> {
        self.fed.first().copied()
    }

    /// It does not expire while a run lasts.
    pub fn lasts(&self) -> bool {
        self.expiry_s.is_none_or(|expiry_s| expiry_s > 10_000)
    }

    /// It was published for sure: acknowledged, or read on an open connection.
    pub fn published(&self) -> bool {
        !self.refused && !self.fed.is_empty() && (self.certain || self.acked.is_some())
    }
}

impl Subscription {
    /// It is a member's part in a group.
    pub fn is_shared(&self) -> bool {
        SHARED.contains(&&*self.filter)
    }

    /// It claims a topic for itself.
    pub fn is_exclusive(&self) -> bool {
        CLAIMS.contains(&&*self.filter)
    }

    /// When it may first have been in force.
    pub fn from(&self) -> Step {
        self.versions[0].sent
    }

    /// It was in force for sure at a step and nobody has asked to end it since.
    pub fn stands_since(&self, step: Step) -> bool {
        self.unsubscribe_sent.is_none()
            && self
                .versions
                .iter()
                .any(|version| version.acked.is_some_and(|acked| acked < step))
    }

    /// The lowest QoS that any version in force at a step or later asks for.
    pub fn qos_min(&self, step: Step) -> QoS {
        let after = self.versions.iter().skip_while(|version| {
            // A version that a later one had replaced for sure before the step no longer counts.
            self.versions
                .iter()
                .any(|later| later.sent > version.sent && later.acked.is_some_and(|acked| acked < step))
        });
        after.map(|version| version.qos).min().unwrap_or_default()
    }

    /// The highest QoS that any version asks for.
    pub fn qos_max(&self) -> QoS {
        self.versions
            .iter()
            .map(|version| version.qos)
            .max()
            .unwrap_or_default()
    }
}
