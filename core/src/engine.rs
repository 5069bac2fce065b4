//! One shard's decisions: `handle` takes what happened and says what to do.
//!
//! Dispatch only. Each kind of input has its file: `connection/inbox.rs` for bytes, `connect.rs` for what begins,
//! `close.rs` for what ends, `publish.rs` for messages, `recall.rs` for retained ones, `timers.rs` for time.

use crate::auto_subscribe::AutoSubscription;
use crate::backpressure::Away;
use crate::bans::Bans;
use crate::connection::device::adapters::Adapters;
use crate::connection::device::crossing::Crossing;
use crate::connection::device::down::Unacknowledged;
use crate::connection::{Connections, held};
use crate::delayed::Delayed;
use crate::flapping::Flaps;
use crate::groups::Groups;
use crate::index::Index;
use crate::interest::Interest;
use crate::placement::Placement;
use crate::publish::Scratch;
use crate::recall::{ExpiryTimer, Questions, Recalls};
use crate::retained::Retained;
use crate::rewrite::Rewrite;
use crate::session::Sessions;
use crate::settings::Listener;
use crate::share::Sharing;
use crate::timers::Timer;
use crate::wheel::Wheel;
use crate::{Actions, CloseReason, Input, InterestMap, ListenerId, Message, Parcel, Settings, ShardId, Time};
use crate::{ConnectionId, stats::Stats};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The engine of one shard.
#[derive(Debug)]
pub struct Engine {
    pub(crate) shard: ShardId,
    /// The other shards of the node, by bit.
    pub(crate) others: u64,
    pub(crate) settings: Arc<Settings>,
    pub(crate) placement: Placement,
    /// Of the input at hand.
    pub(crate) now: Time,
    pub(crate) connections: Connections,
    pub(crate) adapters: Adapters,
    /// What devices have not acknowledged: few speak a protocol that does.
    pub(crate) unacknowledged: BTreeMap<ConnectionId, Unacknowledged>,
    /// What devices at QoS 1 and 2 have sent to other shards.
    pub(crate) crossings: BTreeMap<ConnectionId, Crossing>,
    /// Connections on each listener.
    pub(crate) on_listener: Vec<usize>,
    pub(crate) sessions: Sessions,
    pub(crate) index: Index,
    pub(crate) interest: Interest,
    /// Shared subscriptions whose home this shard is, and those of its own sessions.
    pub(crate) groups: Groups,
    pub(crate) sharing: Sharing,
    pub(crate) retained: Retained,
    pub(crate) recalls: Recalls,
    pub(crate) delayed: Delayed,
    pub(crate) rewrite: Rewrite,
    pub(crate) questions: Questions,
    pub(crate) expiry_timer: ExpiryTimer,
    pub(crate) auto_subscriptions: Arc<[AutoSubscription]>,
    pub(crate) bans: Bans,
    pub(crate) flaps: Flaps,
    /// To be told under `$SYS` when the input at hand is done.
    pub(crate) events: Vec<Arc<Message>>,
    pub(crate) timers: Wheel<Timer>,
    pub(crate) scratch: Scratch,
    /// Shards whose mesh queue is full, by bit.
    pub(crate) congested: u64,
    /// By shard: connections that wait for it, in order of arrival.
    pub(crate) waiting: Vec<VecDeque<ConnectionId>>,
    /// Publishers that sessions of this shard slow down: see `backpressure.rs`.
    pub(crate) slowed: usize,
    /// Publishers of this shard that are slowed down and have no connection now.
    pub(crate) slowed_away: BTreeMap<Box<[u8]>, Away>,
    /// Connections to be read again at the end of the input at hand.
    pub(crate) eased: VecDeque<ConnectionId>,
    /// Connections in the middle of an authentication exchange.
    pub(crate) exchanges: usize,
    pub(crate) random: u64,
    /// Of the topics that have an alias on some connection.
    pub(crate) alias_hasher: ahash::RandomState,
    pub(crate) draining: bool,
    pub(crate) stats: Stats,
}

impl Engine {
    /// An engine without connections or sessions. `interest` is shared by the engines of a node.
    pub fn new(shard: ShardId, settings: Arc<Settings>, interest: Arc<InterestMap>) -> Self {
        assert!(shard.0 < settings.shards, "a shard of this node");
        let seed = settings.seed;
        let all = u64::MAX >> (u64::BITS - u32::from(settings.shards));
        Self {
            shard,
            others: all & !(1 << shard.0),
            placement: Placement::new(settings.placement_key, settings.shards),
            now: Time::ZERO,
            connections: Connections::default(),
            adapters: Adapters::new(&settings),
            unacknowledged: BTreeMap::new(),
            crossings: BTreeMap::new(),
            on_listener: vec![0; settings.listeners.len()],
            sessions: Sessions::new(hasher(seed, 1)),
            index: Index::new(seed),
            interest: Interest::new(interest, shard, settings.shards, settings.limits.shapes),
            groups: Groups::new(hasher(seed, 3)),
            sharing: Sharing::default(),
            retained: Retained::new(seed, &settings.limits),
            recalls: Recalls::new(hasher(seed, 2)),
            delayed: Delayed::default(),
            rewrite: Rewrite::new(&settings.rewrite),
            questions: Questions::default(),
            expiry_timer: None,
            auto_subscriptions: settings
                .auto_subscribe
                .iter()
                .map(AutoSubscription::new)
                .collect(),
            bans: Bans::default(),
            flaps: Flaps::new(hasher(seed, 3)),
            events: Vec::new(),
            timers: Wheel::new(Time::ZERO),
            scratch: Scratch::new(&settings.limits),
            congested: 0,
            waiting: vec![VecDeque::new(); usize::from(settings.shards)],
            slowed: 0,
            slowed_away: BTreeMap::new(),
            eased: VecDeque::new(),
            exchanges: 0,
            random: seed ^ u64::from(shard.0).wrapping_mul(0x9E37_79B9_7F4A_7C15),
            alias_hasher: hasher(seed, 3),
            draining: false,
            stats: Stats::default(),
            settings,
        }
    }

    /// Takes one input and appends what is to be done. `now` never goes back.
    pub fn handle(&mut self, now: Time, input: Input<'_>, actions: &mut Actions) {
        self.now = now;
        match input {
            Input::Opened {
                connection,
                listener,
                peer,
            } => self.open(connection, listener, peer, now, actions),
            Input::Received { connection, bytes } => {
                self.stats.bytes_received += bytes.len() as u64;
                self.received(connection, bytes, actions);
            }
            Input::Closed { connection, cause } => self.socket_ended(connection, cause, actions),
            Input::Adopted { connection, adoption } => self.adopt(connection, adoption, actions),
            Input::Parcel { from, parcel } => self.parcel(from, parcel, actions),
            Input::Drained { connection } => self.drained(connection, actions),
            Input::Congested { shard } => self.congested |= 1 << shard.0,
            Input::Relieved { shard } => self.relieved(shard, actions),
            Input::Answered { connection, answer } => self.answered(connection, answer, actions),
            Input::Kick { client_id } => self.kick(client_id, actions),
            Input::Inject { message } => self.inject(&message, actions),
            Input::Forget { topic } => drop(self.retained.remove(topic.as_bytes())),
            Input::Ban { ban } => self.ban_for_administrator(ban, actions),
            Input::Unban { who } => self.unban(who),
            Input::Adapt { listener, adapter } => self.adapt(listener, &adapter),
            Input::Tick => self.tick(actions),
            Input::Drain => self.drain(actions),
        }
        self.read_eased(actions);
        self.read_own(actions);
        if !self.events.is_empty() {
            self.send_events(actions);
            // A group may have heard of them.
            self.read_own(actions);
        }
    }

    /// When `Input::Tick` is next needed; `None` when no timer is set.
    pub fn next_wake(&self) -> Option<Time> {
        self.timers.next_wake()
    }

    /// The counters and gauges as of now.
    pub fn stats(&self) -> Stats {
        Stats {
            connections: self.connections.len() as u64,
            sessions: self.sessions.len() as u64,
            adapters: self.adapters.len() as u64,
            subscriptions: (self.index.subscriptions() - self.groups.shared() + self.sharing.held) as u64,
            shared_subscriptions: self.sharing.held as u64,
            groups: self.groups.len() as u64,
            retained: self.retained.len() as u64,
            retained_bytes: self.retained.bytes() as u64,
            queued_bytes: self.sessions.queued_bytes as u64,
            will_bytes: self.sessions.will_bytes as u64,
            bans: self.bans.len() as u64,
            delayed: self.delayed.len() as u64,
            delayed_bytes: self.delayed.bytes() as u64,
            ..self.stats.clone()
        }
    }

    fn parcel(&mut self, from: ShardId, parcel: Parcel, actions: &mut Actions) {
        match parcel {
            Parcel::Publish(message) => {
                self.stats.messages_adopted += 1;
                self.deliver_shared(&message, actions);
            }
            Parcel::Ban(ban) => self.ban(ban, actions),
            Parcel::Retain(message) => self.retain(message),
            Parcel::Recall {
                ticket,
                filter,
                after,
            } => self.asked(from, (ticket, filter, after), actions),
            Parcel::Flush => actions.post(from, Parcel::Flushed),
            Parcel::Flushed => self.flushed(actions),
            Parcel::Reach { connection } => actions.post(from, Parcel::Reached { connection }),
            Parcel::Reached { connection } => self.reached(connection, actions),
            Parcel::Slow { publisher } => self.slow_down(&publisher),
            Parcel::Eased { publisher } => self.ease(&publisher, actions),
            Parcel::Recalled {
                ticket,
                messages,
                next,
            } => self.recalled(ticket, &messages, next, actions),
            Parcel::Group(parcel) => self.group_parcel(from, parcel, actions),
        }
    }

    /// The out box of a connection has room again.
    fn drained(&mut self, id: ConnectionId, actions: &mut Actions) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let mut bits = held::BACKLOG;
        if let Some(session) = connection.session {
            self.pump(session, actions);
            if !self.is_recalling(session) {
                bits |= held::RECALL;
            }
            self.recall_on(session, actions);
        }
        self.release(id, bits, actions);
    }

    /// The mesh queue to a shard has room again: who waits for it is read again, in order of arrival.
    fn relieved(&mut self, shard: ShardId, actions: &mut Actions) {
        self.congested &= !(1 << shard.0);
        for id in std::mem::take(&mut self.waiting[shard.index()]) {
            self.release(id, held::CONGESTED, actions);
        }
    }

    /// The node stops.
    fn drain(&mut self, actions: &mut Actions) {
        self.draining = true;
        for id in self.connections.ids() {
            self.close(id, CloseReason::ServerShuttingDown, String::new(), actions);
        }
    }

    pub(crate) fn listener(&self, id: ListenerId) -> &Listener {
        &self.settings.listeners[id.index()]
    }

    /// The next random number (SplitMix64): for assigned client ids, which only need to differ.
    pub(crate) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// A hasher for one purpose.
pub(crate) fn hasher(seed: u64, purpose: u64) -> ahash::RandomState {
    ahash::RandomState::with_seeds(seed, purpose, !seed, 0x5249_4E47)
}
