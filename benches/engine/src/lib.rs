//! A node of engines without a network, for benches: bytes in, actions carried out as a shard would, bytes counted.
//!
//! [`Desk`] does what the pump does each turn and nothing else, so that an instruction counted while it works is the
//! engine's. [`Table`] sits in front of it with clients that answer: it records what they said, and the recording is
//! played to a fresh desk, where no client costs anything. Engines are deterministic, so both go the same way; a hand-over
//! between shards is no part of it (clients connect at home).
mod table;

use ringwire_core::limits::Limits;
use ringwire_core::settings::{Device, Listener, Mqtt, Protocol};
use ringwire_core::{
    Actions, CloseReason, ConnectionId, Engine, Input, InterestMap, ListenerId, Outbox, Settings, ShardId,
    Time,
};
use std::sync::Arc;
pub use table::{Message, PAYLOAD, Recording, Table, connect, properties, subscribe};

/// Listeners of every desk.
pub const MQTT: ListenerId = ListenerId(0);
/// See [`MQTT`].
pub const PRIVATE: ListenerId = ListenerId(1);

/// A connection and the shard that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    /// Where the client is at home.
    pub shard: ShardId,
    /// Its connection there.
    pub id: ConnectionId,
}

/// What happens in one turn of a shard.
#[derive(Clone, Debug)]
pub enum Step {
    /// Somebody connects.
    Open {
        /// Who.
        peer: Peer,
        /// Where.
        listener: ListenerId,
    },
    /// Reads of one turn.
    Heard(Vec<(Peer, Vec<u8>)>),
}

/// Engines and what they want done.
pub struct Desk {
    engines: Vec<Engine>,
    actions: Vec<Actions>,
    /// Shards that have something to carry out.
    busy: Vec<ShardId>,
    /// Out buffers to use again, as the shard keeps them.
    spare: Vec<Vec<u8>>,
}

/// As in the shard.
const SPARE_BUFFERS_MAX: usize = 64;
const SPARE_BYTES_MAX: usize = 64 << 10;

/// Settings of a desk: nothing is in the way of a bench.
pub fn settings(shards: u16) -> Settings {
    let listener = |name: &str, protocol| Listener {
        name: name.to_owned(),
        max_connections: 2_000_000,
        protocol,
    };
    Settings {
        shards,
        placement_key: [1, 2],
        seed: 7,
        listeners: vec![
            listener("mqtt", Protocol::Mqtt(Mqtt::default())),
            listener("private", Protocol::Device(Device::default())),
        ],
        limits: Limits {
            subscriptions: 2_000_000,
            subscription_bytes: 1 << 30,
            ..Limits::default()
        },
        ..Settings::default()
    }
}

impl Desk {
    /// A node of so many shards.
    pub fn new(shards: u16) -> Self {
        let settings = Arc::new(settings(shards));
        let interest = Arc::new(InterestMap::new(settings.seed));
        Self {
            engines: (0..shards)
                .map(|shard| Engine::new(ShardId(shard), settings.clone(), interest.clone()))
                .collect(),
            actions: (0..shards).map(|_| Actions::default()).collect(),
            busy: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Plays a recording to engines that are in the state in which it was made.
    pub fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step, &mut |_, _| {});
        }
    }

    /// One turn; `sent` sees each out box before it is emptied, as a socket would.
    pub fn step(&mut self, step: &Step, sent: &mut impl FnMut(Peer, &Outbox)) {
        match step {
            Step::Open { peer, listener } => self.tell(
                peer.shard,
                Input::Opened {
                    connection: peer.id,
                    listener: *listener,
                    peer: ([127, 0, 0, 1], 5_000).into(),
                },
            ),
            Step::Heard(reads) => {
                for (peer, bytes) in reads {
                    self.tell(
                        peer.shard,
                        Input::Received {
                            connection: peer.id,
                            bytes,
                        },
                    );
                }
            }
        }
        while let Some(shard) = self.busy.pop() {
            self.carry_out(shard, sent);
        }
    }

    fn tell(&mut self, shard: ShardId, input: Input<'_>) {
        self.engines[shard.index()].handle(Time::from_millis(1), input, &mut self.actions[shard.index()]);
        if !self.busy.contains(&shard) {
            self.busy.push(shard);
        }
    }

    fn carry_out(&mut self, shard: ShardId, sent: &mut impl FnMut(Peer, &Outbox)) {
        let actions = &mut self.actions[shard.index()];
        assert!(
            actions.hand_overs.is_empty(),
            "clients connect to their home shard"
        );
        actions.notes.clear();
        actions.pauses.clear();
        let mut posts = std::mem::take(&mut actions.posts);
        let mut dirty = std::mem::take(&mut actions.dirty);
        for (to, parcel) in posts.drain(..) {
            self.tell(to, Input::Parcel { from: shard, parcel });
        }
        for id in dirty.drain(..) {
            let outbox = self.actions[shard.index()].outbox(id);
            sent(Peer { shard, id }, outbox);
            self.write(shard, id);
        }
        for (id, reason) in std::mem::take(&mut self.actions[shard.index()].closes) {
            assert_eq!(reason, CloseReason::Normal, "nobody on a desk is thrown out");
            self.actions[shard.index()].outbox(id).reset();
        }
        // The lists keep their memory, as in the pump, unless the engine has begun new ones.
        let actions = &mut self.actions[shard.index()];
        if actions.posts.is_empty() {
            actions.posts = posts;
        }
        if actions.dirty.is_empty() {
            actions.dirty = dirty;
        }
    }

    /// As `Wire::write`, with a socket that takes everything before the next turn: an idle connection has no buffer.
    fn write(&mut self, shard: ShardId, id: ConnectionId) {
        let outbox = self.actions[shard.index()].outbox(id);
        outbox.dirty = false;
        let sent = std::mem::replace(&mut outbox.buffer, self.spare.pop().unwrap_or_default());
        let unused = std::mem::take(&mut outbox.buffer);
        drop(std::mem::take(&mut outbox.references));
        outbox.reference_bytes = 0;
        let wants_more = std::mem::take(&mut outbox.watch);
        for mut buffer in [sent, unused] {
            if (1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) && self.spare.len() < SPARE_BUFFERS_MAX {
                buffer.clear();
                self.spare.push(buffer);
            }
        }
        if wants_more {
            self.tell(shard, Input::Drained { connection: id });
        }
    }

    /// Subscriptions of all sessions.
    pub fn subscriptions(&self) -> u64 {
        self.engines
            .iter()
            .map(|engine| engine.stats().subscriptions)
            .sum()
    }
}
