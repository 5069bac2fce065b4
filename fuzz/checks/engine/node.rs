//! The node under the fuzzer: its engines, driven as shards drive them, the mesh between them, and the sockets.
//!
//! Connection slots are reused as a shard reuses them, hand-overs travel in the mesh behind the parcels that were posted
//! before them, and what an engine asked for may be carried out a few inputs later.

use super::devices::{Speaks, blueprint};
use super::settings::SHARDS;
use super::view::View;
use ringwire_core::ask::Step;
use ringwire_core::input::SocketCause;
use ringwire_core::{
    Actions, Adoption, Answer, Ask, ConnectionId, Engine, Input, InterestMap, ListenerId, Message, Note,
    Outbox, Parcel, Settings, ShardId, Time,
};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// The private TCP listener.
pub const PRIVATE: ListenerId = ListenerId(1);

/// The port of the first connection.
const PORT_FIRST: usize = 5_000;

/// How a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Everything,
    /// Its kernel is full: bytes stay in the out box.
    Nothing,
    /// Bytes are in flight until it reads again.
    Later,
}

/// One client's connection.
pub struct Client {
    pub view: View,
    /// The shard and the connection's id there; `None` while it moves, and after its end.
    pub place: Option<(usize, ConnectionId)>,
    pub is_over: bool,
    pub is_paused: bool,
    /// Somebody was asked who it is, and has not answered.
    pub is_asked: bool,
    pub reads: Reads,
    /// Ends of it that were noted.
    pub ends: usize,
    pub listener: ListenerId,
    pub speaks: Speaks,
    pub version: ringwire_codec::mqtt::Version,
    in_flight: Vec<u8>,
}

enum Item {
    Parcel(Parcel),
    Move(usize, Adoption),
}

#[derive(Default)]
struct Slot {
    generation: u32,
    client: Option<usize>,
    /// The engine has closed it or handed it over, which is not carried out yet.
    is_forgotten: bool,
}

/// One shard.
pub struct Shard {
    pub engine: Engine,
    pub actions: Actions,
    /// Connections that began here, by accept or by adoption.
    pub begun: u64,
    /// What new connections speak, by listener.
    speaks: [Speaks; 4],
    slots: Vec<Slot>,
    closes_seen: usize,
    moves_seen: usize,
    notes_seen: usize,
}

/// All of it.
pub struct Node {
    pub shards: Vec<Shard>,
    pub clients: Vec<Client>,
    pub settings: Arc<Settings>,
    pub interest: Arc<InterestMap>,
    pub now: Time,
    /// A shard was told that the node stops.
    pub is_draining: bool,
    /// Client ids that were let in, whatever they speak.
    pub names: BTreeSet<String>,
    mesh: Vec<VecDeque<Item>>,
}

const COUNT: usize = SHARDS as usize;

impl Node {
    /// A node without clients.
    pub fn new(settings: Settings) -> Self {
        let interest = Arc::new(InterestMap::new(settings.seed));
        let settings = Arc::new(settings);
        let shard = |index| Shard {
            engine: Engine::new(ShardId(index), settings.clone(), interest.clone()),
            actions: Actions::default(),
            begun: 0,
            speaks: Speaks::AT_START,
            slots: Vec::new(),
            closes_seen: 0,
            moves_seen: 0,
            notes_seen: 0,
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            clients: Vec::new(),
            settings: settings.clone(),
            interest: interest.clone(),
            now: Time::from_millis(10),
            is_draining: false,
            names: BTreeSet::new(),
            mesh: (0..COUNT * COUNT).map(|_| VecDeque::new()).collect(),
        }
    }

    /// Hands an input to an engine and notes which connections it is through with.
    pub fn feed(&mut self, index: usize, input: Input<'_>) {
        let shard = &mut self.shards[index];
        shard.begun += u64::from(matches!(input, Input::Opened { .. } | Input::Adopted { .. }));
        self.is_draining |= matches!(input, Input::Drain);
        shard.engine.handle(self.now, input, &mut shard.actions);
        let closes = &shard.actions.closes;
        // An engine takes a close back when the socket turns out to be gone.
        let seen = shard.closes_seen.min(closes.len());
        let closed = closes[seen..].iter().map(|(connection, _)| *connection);
        let moves = &shard.actions.hand_overs[shard.moves_seen..];
        for connection in closed.chain(moves.iter().map(|one| one.connection)) {
            if let Some(slot) = shard.slots.get_mut(connection.index())
                && slot.generation == connection.generation
            {
                slot.is_forgotten = true;
            }
        }
        shard.closes_seen = closes.len();
        shard.moves_seen = shard.actions.hand_overs.len();
        for note in &shard.actions.notes[shard.notes_seen..] {
            match note {
                Note::Connected { client_id, .. } => {
                    self.names.insert(client_id.clone());
                }
                Note::Closed { peer, .. } => {
                    let id = usize::from(peer.port()) - PORT_FIRST;
                    self.clients[id].ends += 1;
                    assert_eq!(self.clients[id].ends, 1, "{note:?} ended before");
                }
                Note::Unreadable { .. } | Note::Dropped { .. } | Note::Banned { .. } => {}
            }
        }
        shard.notes_seen = shard.actions.notes.len();
    }

    /// From now on new connections of a listener for devices speak something else.
    pub fn adapt(&mut self, shard: usize, listener: ListenerId, speaks: Speaks, is_other: bool) {
        let adapter = blueprint(speaks, is_other);
        self.shards[shard].speaks[listener.index()] = speaks;
        self.feed(shard, Input::Adapt { listener, adapter });
    }

    /// A socket is accepted.
    pub fn open(&mut self, shard: usize, listener: ListenerId) -> usize {
        let id = self.clients.len();
        let speaks = self.shards[shard].speaks[listener.index()];
        self.clients.push(Client {
            view: View::new(speaks),
            place: None,
            is_over: false,
            is_paused: false,
            is_asked: false,
            reads: Reads::Everything,
            ends: 0,
            listener,
            speaks,
            version: ringwire_codec::mqtt::Version::V311,
            in_flight: Vec::new(),
        });
        let connection = self.seat(shard, id);
        let peer = ([10, 0, 0, id as u8], (PORT_FIRST + id) as u16).into();
        self.feed(
            shard,
            Input::Opened {
                connection,
                listener,
                peer,
            },
        );
        id
    }

    fn seat(&mut self, shard: usize, id: usize) -> ConnectionId {
        let slots = &mut self.shards[shard].slots;
        let number = slots
            .iter()
            .position(|slot| slot.client.is_none())
            .unwrap_or_else(|| {
                slots.push(Slot::default());
                slots.len() - 1
            });
        let slot = &mut slots[number];
        slot.generation += 1;
        slot.client = Some(id);
        slot.is_forgotten = false;
        let connection = ConnectionId {
            slot: number as u32,
            generation: slot.generation,
        };
        self.clients[id].place = Some((shard, connection));
        connection
    }

    /// A client writes; what it writes while its connection moves is not read before it has arrived.
    pub fn write(&mut self, id: usize, bytes: &[u8]) {
        let client = &mut self.clients[id];
        let Some((shard, connection)) = client.place else {
            return;
        };
        let hand_overs = &self.shards[shard].actions.hand_overs;
        if hand_overs.iter().any(|one| one.connection == connection) {
            return;
        }
        // Of what it has not read yet it may guess the packet ids.
        let has_read =
            client.in_flight.is_empty() && self.shards[shard].actions.outbox(connection).backlog() == 0;
        client.view.wrote(bytes, !client.is_paused && has_read);
        self.feed(shard, Input::Received { connection, bytes });
    }

    /// The socket of a client ends by itself.
    pub fn end(&mut self, id: usize, cause: SocketCause) {
        let Some((shard, connection)) = self.clients[id].place else {
            return;
        };
        if self.shards[shard].slots[connection.index()].is_forgotten {
            return;
        }
        self.feed(shard, Input::Closed { connection, cause });
        self.leave(shard, connection);
    }

    fn leave(&mut self, shard: usize, connection: ConnectionId) {
        let shard = &mut self.shards[shard];
        shard.actions.outbox(connection).reset();
        if let Some(id) = shard.slots[connection.index()].client.take() {
            self.clients[id].place = None;
            self.clients[id].is_over = true;
            assert_eq!(self.clients[id].ends, 1, "every connection ends once");
        }
    }

    /// The next thing that one shard sent to another arrives.
    pub fn deliver_one(&mut self, from: usize, to: usize) {
        match self.mesh[from * COUNT + to].pop_front() {
            Some(Item::Parcel(parcel)) => {
                let from = ShardId(from as u16);
                self.feed(to, Input::Parcel { from, parcel });
            }
            Some(Item::Move(id, adoption)) => {
                let connection = self.seat(to, id);
                let client = &mut self.clients[id];
                let speaks = self.shards[to].speaks[client.listener.index()];
                if client.speaks != speaks {
                    // It was told nothing yet.
                    (client.speaks, client.view) = (speaks, View::new(speaks));
                }
                self.feed(to, Input::Adopted { connection, adoption });
            }
            None => {}
        }
    }

    /// Somebody answers who a client is, asked or not.
    pub fn answer(&mut self, id: usize, answer: Answer) {
        if let Some((shard, connection)) = self.clients[id].place {
            self.clients[id].is_asked = false;
            self.feed(shard, Input::Answered { connection, answer });
        }
    }

    /// Carries out what an engine asked for, and tells it of every out box that has room again.
    pub fn carry_out(&mut self, shard: usize) {
        for _ in 0..10_000 {
            self.carry_out_once(shard);
            let Some(connection) = self.drained(shard) else {
                return;
            };
            self.feed(shard, Input::Drained { connection });
        }
        panic!("an out box that is empty is watched for ever");
    }

    fn carry_out_once(&mut self, from: usize) {
        let shard = &mut self.shards[from];
        (shard.closes_seen, shard.moves_seen, shard.notes_seen) = (0, 0, 0);
        shard.actions.notes.clear();
        for Ask { connection, step } in shard.actions.asks.drain(..) {
            let is_question = match step {
                Step::Begin { .. } | Step::Continue { .. } => true,
                Step::Abandon => false,
            };
            let slot = &shard.slots[connection.index()];
            if let Some(id) = slot.client.filter(|_| slot.generation == connection.generation) {
                assert!(
                    !self.clients[id].is_asked || !is_question,
                    "one question at a time"
                );
                self.clients[id].is_asked = is_question;
            }
        }
        for (to, parcel) in shard.actions.posts.drain(..) {
            assert!(
                to.index() != from && to.index() < COUNT,
                "a parcel for another shard"
            );
            self.mesh[from * COUNT + to.index()].push_back(Item::Parcel(parcel));
        }
        for hand_over in std::mem::take(&mut shard.actions.hand_overs) {
            let slot = &mut shard.slots[hand_over.connection.index()];
            let outbox = shard.actions.outbox(hand_over.connection);
            assert!(
                outbox.backlog() == 0 && hand_over.to.index() != from,
                "nothing is said before"
            );
            outbox.reset();
            let id = slot.client.take().expect("it was here");
            self.clients[id].place = None;
            self.mesh[from * COUNT + hand_over.to.index()].push_back(Item::Move(id, hand_over.adoption));
        }
        let shard = &mut self.shards[from];
        for (connection, is_paused) in std::mem::take(&mut shard.actions.pauses) {
            let slot = &shard.slots[connection.index()];
            if let Some(id) = slot.client.filter(|_| slot.generation == connection.generation) {
                self.clients[id].is_paused = is_paused;
            }
        }
        for connection in std::mem::take(&mut shard.actions.dirty) {
            self.flush(from, connection);
        }
        for (connection, _) in std::mem::take(&mut self.shards[from].actions.closes) {
            let slot = &self.shards[from].slots[connection.index()];
            assert!(
                slot.generation == connection.generation && slot.is_forgotten,
                "closed once"
            );
            self.flush(from, connection);
            self.leave(from, connection);
        }
    }

    /// Moves bytes from an out box to its client, if that one reads.
    fn flush(&mut self, shard: usize, connection: ConnectionId) {
        let shard = &mut self.shards[shard];
        let slot = &shard.slots[connection.index()];
        let Some(id) = slot.client.filter(|_| slot.generation == connection.generation) else {
            return;
        };
        let outbox = shard.actions.outbox(connection);
        outbox.dirty = false;
        let client = &mut self.clients[id];
        match client.reads {
            Reads::Nothing => {}
            Reads::Everything => client.view.read(&taken(outbox)),
            Reads::Later => {
                let bytes = taken(outbox);
                outbox.in_flight += bytes.len();
                client.in_flight.extend(bytes);
            }
        }
    }

    /// A client reads from now on.
    pub fn reads(&mut self, id: usize, reads: Reads) {
        let client = &mut self.clients[id];
        client.reads = reads;
        let Some((shard, connection)) = client.place.filter(|_| reads == Reads::Everything) else {
            return;
        };
        let in_flight = std::mem::take(&mut client.in_flight);
        client.view.read(&in_flight);
        self.shards[shard].actions.outbox(connection).in_flight = 0;
        self.flush(shard, connection);
        self.carry_out(shard);
    }

    /// A connection whose out box is watched and has room.
    fn drained(&mut self, shard: usize) -> Option<ConnectionId> {
        let shard = &mut self.shards[shard];
        for (number, slot) in shard.slots.iter().enumerate() {
            if slot.client.is_none() || slot.is_forgotten {
                continue;
            }
            let connection = ConnectionId {
                slot: number as u32,
                generation: slot.generation,
            };
            let outbox = shard.actions.outbox(connection);
            if outbox.watch && outbox.backlog() <= outbox.low_water {
                outbox.watch = false;
                return Some(connection);
            }
        }
        None
    }

    /// Carries out everything and delivers every parcel, until nothing moves.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            (0..COUNT).for_each(|shard| self.carry_out(shard));
            let busy = (0..COUNT * COUNT).find(|queue| !self.mesh[*queue].is_empty());
            let Some(queue) = busy else {
                return;
            };
            self.deliver_one(queue / COUNT, queue % COUNT);
        }
        panic!("parcels go round for ever");
    }

    /// Connections that the engine of a shard knows.
    pub fn open_at(&self, shard: usize) -> usize {
        let slots = self.shards[shard].slots.iter();
        slots
            .filter(|slot| slot.client.is_some() && !slot.is_forgotten)
            .count()
    }

    /// Bytes in the out boxes of a shard's connections.
    pub fn backlogs(&mut self, shard: usize) -> Vec<usize> {
        let Shard { slots, actions, .. } = &mut self.shards[shard];
        let mut backlogs = Vec::new();
        for (number, slot) in slots.iter().enumerate() {
            if slot.client.is_some() {
                let connection = ConnectionId {
                    slot: number as u32,
                    generation: slot.generation,
                };
                backlogs.push(actions.outbox(connection).backlog());
            }
        }
        backlogs
    }

    /// Sockets that a shard has.
    pub fn seated(&self, shard: usize) -> usize {
        self.shards[shard]
            .slots
            .iter()
            .filter(|slot| slot.client.is_some())
            .count()
    }

    /// The administrator publishes.
    pub fn inject(&mut self, shard: usize, message: Message) {
        let message = Arc::new(message);
        self.feed(shard, Input::Inject { message });
    }
}

/// What an out box holds, payloads that it refers to in their places.
fn taken(outbox: &mut Outbox) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(outbox.backlog());
    let mut at = 0;
    for reference in outbox.references.drain(..) {
        bytes.extend_from_slice(&outbox.buffer[at..reference.at]);
        bytes.extend_from_slice(reference.payload());
        at = reference.at;
    }
    bytes.extend_from_slice(&outbox.buffer[at..]);
    outbox.buffer.clear();
    outbox.reference_bytes = 0;
    bytes
}
