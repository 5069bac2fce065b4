//! The simulated node: one engine a shard, driven exactly as a shard drives it, and everything around it.
//!
//! Clients act through `connect`, `write`, `read`, `close` and `reset`; `turn` lets a shard take inputs and carry out its
//! engine's actions; `network` moves bytes. No thread, no clock: a run is a function of its seed.

mod bans;
mod carry;
mod delayed;
mod flapping;
mod lead;
mod lives;
mod owed;
mod sabotage;
mod socket;
mod turn;
mod watch;

pub use flapping::spoil as spoil_flapping;
pub use sabotage::Sabotage;
pub use socket::{Goodbye, Greeting, Mark, SocketId};

use crate::checks::{Failure, Store};
use crate::history::{History, MessageId, Origin, Sent, Step};
use crate::random::Random;
use crate::scenario::Scenario;
use crate::trace::{Lines, Trace, hex};
use ringwire_codec::mqtt::QoS;
use ringwire_core::input::SocketCause;
use ringwire_core::message::Parts;
use ringwire_core::placement::Placement;
use ringwire_core::settings::SharedStrategy;
use ringwire_core::stats::Stats;
use ringwire_core::{Actions, Engine, InterestMap, ListenerId, Message, Note, Parcel, ShardId, Time};
use socket::{Place, Socket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Everything of one run but the clients.
pub struct World {
    pub random: Random,
    pub scenario: Scenario,
    pub history: History,
    pub trace: Trace,
    pub now: Time,
    pub step: Step,
    /// The first check that failed while the run went on.
    pub failure: Option<Failure>,
    /// What happened, and how often: a simulation that never gets somewhere proves nothing about it.
    pub reach: BTreeMap<&'static str, u64>,
    /// What is spoiled on purpose; nothing in an ordinary run.
    pub sabotage: Option<Sabotage>,
    /// Faults have stopped: nothing is late, slow or cut any more.
    pub calm: bool,
    draining: bool,
    kicked: Vec<String>,
    lives: lives::Lives,
    flaps: flapping::Flaps,
    placement: Placement,
    stores: Vec<Store>,
    shards: Vec<Shard>,
    /// One queue for each ordered pair: `from * shards + to`.
    mesh: Vec<VecDeque<Item>>,
    sockets: Vec<Socket>,
}

/// One shard: its engine, and what the pump keeps beside it.
struct Shard {
    engine: Engine,
    actions: Actions,
    notes_seen: usize,
    closes_seen: usize,
    hand_overs_seen: usize,
    slots: Vec<Slot>,
    /// What did not fit into the mesh, for each destination; in order.
    waiting: Vec<VecDeque<Item>>,
    congested: Vec<bool>,
}

/// A connection's place in a shard's table.
#[derive(Clone, Debug, Default)]
struct Slot {
    generation: u32,
    socket: Option<SocketId>,
    paused: bool,
    /// The engine has asked to close it; it goes when its out box is flushed.
    closing: bool,
    /// The engine has closed it or handed it over in this turn, and the shard has not carried that out.
    forgotten: bool,
    /// It was read in this turn.
    read: bool,
    /// Its out box has bytes that were not taken yet.
    dirty: bool,
    /// The last time that the socket took bytes.
    moved: Time,
}

/// What travels between shards.
enum Item {
    Parcel(Parcel),
    HandOver(SocketId, ringwire_core::Adoption),
}

impl World {
    /// A node without clients. `hashers` replaces the seed of the engines' hashers.
    pub fn new(mut random: Random, scenario: Scenario, lines: Option<Lines>, hashers: Option<u64>) -> Self {
        let mut settings = scenario.settings.clone();
        settings.seed = hashers.unwrap_or(settings.seed);
        let strategy = &mut settings.broker.shared_subscription_strategy;
        if hashers.is_some() && !matches!(*strategy, SharedStrategy::Sticky | SharedStrategy::Local) {
            // The same seed decides whom random and hash pick.
            *strategy = SharedStrategy::RoundRobin;
        }
        let settings = Arc::new(settings);
        let interest = Arc::new(InterestMap::new(settings.seed));
        let count = scenario.shards;
        let shard = |index: usize| Shard {
            engine: Engine::new(ShardId(index as u16), settings.clone(), interest.clone()),
            actions: Actions::default(),
            notes_seen: 0,
            closes_seen: 0,
            hand_overs_seen: 0,
            slots: Vec::new(),
            waiting: (0..count).map(|_| VecDeque::new()).collect(),
            congested: vec![false; count],
        };
        Self {
            random: Random::new(random.next()),
            history: History::default(),
            trace: Trace::new(lines),
            now: Time::from_millis(1_000),
            step: 0,
            failure: None,
            reach: BTreeMap::new(),
            sabotage: None,
            calm: false,
            draining: false,
            kicked: Vec::new(),
            lives: lives::Lives::default(),
            flaps: flapping::Flaps::default(),
            placement: Placement::new(settings.placement_key, settings.shards),
            stores: (0..count)
                .map(|_| Store::new(settings.limits.retained_messages))
                .collect(),
            shards: (0..count).map(shard).collect(),
            mesh: (0..count * count).map(|_| VecDeque::new()).collect(),
            sockets: Vec::new(),
            scenario,
        }
    }

    /// Fails the run; the first failure stays.
    pub fn fail(&mut self, failure: Failure) {
        self.trace.line(|| format!("FAILED {failure}"));
        self.failure.get_or_insert(failure);
    }

    /// Counts something that happened.
    pub fn reached(&mut self, what: &'static str) {
        *self.reach.entry(what).or_default() += 1;
    }

    /// A new moment.
    pub fn tick_step(&mut self) -> Step {
        self.step += 1;
        self.step
    }

    /// Lets time pass.
    pub fn pass(&mut self, millis: u64) {
        self.now = self.now + millis;
        self.note_due();
        self.note_bans_over();
    }

    /// A client connects; the kernel gives the connection to any shard.
    pub fn connect(&mut self, owner: &str, honest: bool, listener: ListenerId) -> SocketId {
        let id = self.sockets.len();
        let shard = self.random.below(self.shards.len());
        let mut socket = Socket::new(id, owner, honest, listener);
        socket.place = Place::Incoming(shard);
        self.sockets.push(socket);
        self.trace
            .line(|| format!("{owner} connects as socket {id}, accepted by shard {shard}"));
        id
    }

    /// What the oracle needs to know of a connection when its CONNECT is written.
    pub fn introduce(&mut self, socket: SocketId, greeting: Greeting) {
        self.sockets[socket].greeting_says = greeting;
    }

    /// What the oracle needs to know of a connection when its DISCONNECT is written.
    pub fn say_goodbye(&mut self, socket: SocketId, goodbye: Goodbye) {
        self.sockets[socket].goodbye_says = goodbye;
    }

    /// Whether the engine says that it resumed a session for this connection.
    pub fn has_resumed(&self, socket: SocketId) -> Option<bool> {
        self.sockets[socket].resumed
    }

    /// A client writes.
    pub fn write(&mut self, socket: SocketId, bytes: &[u8], mark: Option<Mark>) {
        let end = &mut self.sockets[socket];
        if end.client_end.is_some() || end.place == Place::Gone {
            return;
        }
        end.up.extend(bytes);
        end.written += bytes.len();
        if let Some(mark) = mark {
            end.marks.push_back((end.written, mark));
        }
        let owner = &end.owner;
        self.trace
            .line(|| format!("  {owner} writes {mark:?} {}", hex(bytes)));
    }

    /// A client reads: all that is there, or a part.
    pub fn read(&mut self, socket: SocketId) -> Vec<u8> {
        let down = &mut self.sockets[socket].down;
        let count = if self.calm || down.is_empty() {
            down.len()
        } else {
            1 + self.random.below(down.len())
        };
        down.drain(..count).collect()
    }

    /// The server has closed, and everything is read.
    pub fn is_over(&self, socket: SocketId) -> bool {
        self.sockets[socket].is_over()
    }

    /// The first step in which a connection may have ended.
    pub fn ended(&self, socket: SocketId) -> Option<Step> {
        self.sockets[socket].ended
    }

    /// The client closes its end in order: what it wrote still arrives.
    pub fn close(&mut self, socket: SocketId) {
        let step = self.tick_step();
        self.sockets[socket].end(step);
        self.sockets[socket].client_end = Some(SocketCause::PeerClosed);
        self.sockets[socket].down.clear();
    }

    /// The connection breaks: a part of what was under way, in either direction, is lost.
    pub fn reset(&mut self, socket: SocketId) {
        let step = self.tick_step();
        let end = &mut self.sockets[socket];
        let kept = self.random.below(end.up.len() + 1);
        end.up.truncate(kept);
        end.down.clear();
        end.client_end = Some(SocketCause::Failed);
        end.end(step);
        self.trace
            .line(|| format!("socket {socket} breaks, {kept} bytes still arrive"));
    }

    /// A message of the administrator's, not published yet.
    pub fn new_injected(&mut self, topic: &str, qos: QoS) -> MessageId {
        let id = self.history.messages.len();
        let retain = self.random.chance(20);
        self.history.messages.push(Sent {
            publisher: String::new(),
            origin: Origin::Injected,
            topic: topic.to_owned(),
            payload: History::payload(id, self.random.below(30)),
            content_type: None,
            qos,
            retain,
            expiry_s: None,
            fed: Vec::new(),
            fed_ms: Vec::new(),
            certain: false,
            acked: None,
            refused: false,
        });
        id
    }

    /// The administrator publishes on a shard.
    pub fn inject(&mut self, id: MessageId) {
        let sent = self.history.messages[id].clone();
        let message = Arc::new(Message::new(Parts {
            topic: &sent.topic,
            payload: &sent.payload,
            properties: &[],
            publisher: &[],
            qos: sent.qos,
            retain: sent.retain,
        }));
        let shard = self.random.below(self.shards.len());
        let step = self.tick_step();
        self.took_message(shard, id, step, true);
        self.feed(shard, ringwire_core::Input::Inject { message });
    }

    /// The administrator closes a client, at its home.
    pub fn kick(&mut self, client_id: &str) {
        let home = self.placement.home(client_id.as_bytes()).index();
        let step = self.tick_step();
        self.kicked.push(client_id.to_owned());
        let ended = self.sockets.iter_mut().filter(|socket| socket.owner == client_id);
        ended.for_each(|socket| socket.end(step));
        let sessions = self.history.sessions.iter_mut();
        sessions
            .filter(|session| session.client_id == client_id)
            .for_each(|session| {
                session.ended.get_or_insert(step);
            });
        self.feed(home, ringwire_core::Input::Kick { client_id });
        self.life_ends(client_id);
        self.carry_out(home);
    }

    /// Whether the administrator has closed a client.
    pub fn was_kicked(&self, client_id: &str) -> bool {
        self.kicked.iter().any(|kicked| kicked == client_id)
    }

    /// The node stops.
    pub fn drain(&mut self) {
        self.draining = true;
        for shard in 0..self.shards.len() {
            self.feed(shard, ringwire_core::Input::Drain);
            self.carry_out(shard);
        }
    }

    /// The node is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Hands one input to an engine and looks at what it noted and closed.
    fn feed(&mut self, index: usize, input: ringwire_core::Input<'_>) {
        let step = self.tick_step();
        let now = self.now;
        self.trace.line(|| {
            format!(
                "[{step}] {}ms shard {index} <- {}",
                now.as_millis(),
                carry::describe(&input)
            )
        });
        self.reached(carry::name(&input));
        let shard = &mut self.shards[index];
        shard.engine.handle(now, input, &mut shard.actions);
        self.watch_devices(index, step);
        let shard = &mut self.shards[index];
        while let Some((connection, _)) = shard.actions.closes.get(shard.closes_seen).copied() {
            shard.closes_seen += 1;
            if let Some(slot) = shard.slots.get_mut(connection.index())
                && slot.generation == connection.generation
            {
                slot.forgotten = true;
                slot.socket
                    .into_iter()
                    .for_each(|socket| self.sockets[socket].end(step));
            }
        }
        // The engine takes a close back when the socket turns out to be gone.
        shard.closes_seen = shard.actions.closes.len();
        while let Some(hand_over) = shard.actions.hand_overs.get(shard.hand_overs_seen) {
            shard.hand_overs_seen += 1;
            shard.slots[hand_over.connection.index()].forgotten = true;
        }
        while let Some(note) = self.shards[index]
            .actions
            .notes
            .get(self.shards[index].notes_seen)
            .cloned()
        {
            self.shards[index].notes_seen += 1;
            for note in self.spoil_note(note) {
                self.note(index, step, &note);
            }
        }
        self.flapping_is_banned();
    }

    /// An engine has all of a message.
    fn took_message(&mut self, shard: usize, id: MessageId, step: Step, certain: bool) {
        let message = &mut self.history.messages[id];
        let again = message.qos == QoS::ExactlyOnce && !message.fed.is_empty();
        message.fed.push(step);
        message.fed_ms.push(self.now.as_millis());
        message.certain |= certain;
        if !message.retain || message.refused || again {
            return;
        }
        let topic = message.topic.clone();
        if !certain {
            self.history.cannot_observe(&topic);
        } else if self.placement.home(topic.as_bytes()).index() == shard {
            let stored = (!message.payload.is_empty()).then_some(id);
            let own = message
                .expiry_s
                .map(|expiry_s| self.now + u64::from(expiry_s) * 1_000);
            self.wrote(shard, &topic, step, stored, own);
        }
    }

    /// The home of a topic took a write of its retained message.
    fn wrote(
        &mut self,
        home: usize,
        topic: &str,
        step: Step,
        message: Option<MessageId>,
        expires: Option<Time>,
    ) {
        let cap_s = u64::from(self.scenario.settings.limits.retained_expiry_s);
        let cap = (cap_s > 0).then(|| self.now + cap_s * 1_000);
        let expires = expires.into_iter().chain(cap).min();
        self.history.write(topic, step, message, expires.is_some());
        self.stores[home].write(topic, message, expires, self.now);
    }

    /// What the naive stores say must be retained.
    pub fn retained_expected(&self) -> Vec<(String, MessageId)> {
        let now = self.now;
        let stored = self.stores.iter().flat_map(|store| store.messages(now));
        stored.map(|(topic, message)| (topic.clone(), *message)).collect()
    }

    /// A topic found no room in a naive store.
    pub fn store_was_full(&self) -> bool {
        self.stores.iter().any(Store::was_full)
    }

    /// The counters of every shard.
    pub fn stats(&self) -> Vec<Stats> {
        self.shards.iter().map(|shard| shard.engine.stats()).collect()
    }

    /// A note, told to the oracle.
    fn note(&mut self, shard: usize, step: Step, note: &Note) {
        match note {
            Note::Connected {
                peer,
                session_present,
                ..
            } => {
                self.reached(if *session_present { "resumed" } else { "connected" });
                if let Some(id) = socket::socket_of(*peer) {
                    self.sockets[id].connected = true;
                    self.sockets[id].resumed = Some(*session_present);
                    self.life_begins(shard, step, id, *session_present);
                    self.saw_entry(id, step);
                }
            }
            Note::Closed {
                client_id,
                peer,
                reason,
                detail,
                ..
            } => {
                self.reached(reason.name());
                self.saw_close(shard, step, *peer, *reason, detail);
                self.count_leaving(client_id, *reason);
            }
            Note::Dropped {
                client_id, reason, ..
            } => {
                self.reached(reason.name());
                self.saw_drop(client_id, *reason);
            }
            Note::Unreadable { .. } => self.reached("unreadable"),
            Note::Banned { by, who, .. } if by == "flapping detector" => self.saw_flapping(who, step),
            Note::Banned { .. } => self.reached("banned"),
        }
    }
}
