//! An honest MQTT client, 3.1, 3.1.1 or 5.0: a state machine of its own that keeps every rule of the standard, is slow and
//! loses its connection as the scenario says, and records what it did and saw.
//!
//! `act` does one random thing; after the faults have stopped `settle` only finishes what was begun.

mod claim;
mod delayed;
mod given;
mod goodbye;
mod greeting;
mod inbound;
mod outbound;

pub use outbound::TOPICS;

use crate::checks::PacketIds;
use crate::history::{MessageId, SessionId, Step, TurnedAway};
use crate::stall::Stall;
use crate::world::{Goodbye, Mark, SocketId, World};
use ringwire_codec::mqtt::{Packet, QoS, ReasonCode, Version};
use ringwire_core::Time;
use std::collections::{BTreeMap, VecDeque};

/// Seconds of a session that outlasts every run.
const LASTING_S: u32 = 300;

/// An honest MQTT client.
pub struct MqttClient {
    client_id: String,
    version: Version,
    /// Its sessions outlive its connections.
    persistent: bool,
    /// Seconds that its sessions are kept, if they are.
    expiry_s: u32,
    keep_alive_s: u16,
    /// QoS 1/2 publishes that it takes at a time.
    receive_maximum: u16,
    /// Bytes of a packet that it takes.
    packet_size_max: u32,
    /// Topic aliases that the server may set.
    alias_maximum: u16,
    connection: Option<Connection>,
    /// The session that the server has, or should have.
    session: Option<SessionId>,
    /// What CONNACK must say of "session present", when that is known.
    present: Option<bool>,
    ids: PacketIds,
    outgoing: VecDeque<Outgoing>,
    next_id: u16,
    /// A CONNECT for a new session was not answered: the old one may be there or not, so the next one asks again.
    is_unsure: bool,
    /// CONNECTs since one was answered, where the server subscribes its clients to something.
    asked: Vec<given::Asked>,
    /// It was told that the server stops.
    told: bool,
    stall: Stall,
}

/// A connection as its client sees it.
struct Connection {
    socket: SocketId,
    online: bool,
    since: Time,
    /// The CONNECT asked for a new session.
    clean: bool,
    resumed: bool,
    /// It was ended with another Session Expiry Interval.
    renamed: bool,
    /// The keep alive that holds, in seconds.
    keep_alive_s: u16,
    inbox: Vec<u8>,
    /// Answers to what arrived, in order.
    answers: VecDeque<Answer>,
    pending: BTreeMap<u16, Pending>,
    /// QoS 1/2 publishes that the server takes at a time.
    window: usize,
    aliases_max: u16,
    aliases: Vec<String>,
    /// What the server's aliases stand for.
    learned: BTreeMap<u16, String>,
    last_write: Time,
    pings: usize,
}

/// A QoS 1/2 publish that is not through.
#[derive(Clone, Debug)]
struct Outgoing {
    id: u16,
    message: MessageId,
    qos: QoS,
    /// PUBREC was read: PUBREL is what is sent again.
    received: bool,
}

/// An answer that is still to be written.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// PUBACK.
    Taken(u16),
    /// PUBREC.
    Received(u16),
    /// PUBREL.
    Release(u16),
    /// PUBCOMP.
    Complete(u16),
}

/// What an acknowledgement is waited for.
#[derive(Clone, Debug)]
enum Pending {
    Subscribe(Vec<(String, QoS)>, Step),
    Unsubscribe(Vec<String>, Step),
}

impl MqttClient {
    /// A client that has never connected.
    pub fn new(number: usize, world: &mut World) -> Self {
        let version = match world.random.below(100) {
            0..60 => Version::V5,
            60..85 => Version::V311,
            _ => Version::V31,
        };
        let limit = world.scenario.settings.limits.inflight;
        let named = version == Version::V5 && world.random.chance(60);
        Self {
            client_id: format!("m{number}"),
            version,
            // 3.1 does not tell whether a session is present.
            persistent: version != Version::V31 && world.random.chance(60) && !world.scenario.flooding,
            expiry_s: *world
                .random
                .pick(&[1, 3, LASTING_S, LASTING_S, LASTING_S, 100_000]),
            keep_alive_s: *world.random.pick(&[0, 20, 60]),
            receive_maximum: if named {
                world.random.between(1, 6) as u16
            } else {
                limit
            },
            packet_size_max: if named && world.random.chance(20) {
                400
            } else {
                1 << 20
            },
            alias_maximum: *world.random.pick(&[0, 1, 3]),
            connection: None,
            session: None,
            present: Some(false),
            ids: PacketIds::default(),
            outgoing: VecDeque::new(),
            next_id: world.random.below(65_536) as u16,
            is_unsure: false,
            asked: Vec::new(),
            told: false,
            stall: Stall::default(),
        }
    }

    /// A client that connects at once and then only does what it is told.
    pub fn probe(world: &mut World, client_id: &str) -> Self {
        let mut probe = Self {
            client_id: client_id.to_owned(),
            version: Version::V5,
            persistent: false,
            keep_alive_s: 0,
            receive_maximum: 20,
            packet_size_max: 1 << 20,
            ..Self::new(0, world)
        };
        world.tick_step();
        probe.connect(world, true);
        probe
    }

    /// One random thing.
    pub fn act(&mut self, world: &mut World) {
        world.tick_step();
        if world.was_kicked(&self.client_id) {
            // The server has ended the session, whatever this client still believes; it does not come back.
            self.break_off(world);
            self.forget(world, world.step);
            return;
        }
        let Some(connection) = &self.connection else {
            if world.random.chance(30) && !world.was_kicked(&self.client_id) {
                let clean = !self.persistent || self.is_unsure || world.random.chance(20);
                self.connect(world, clean);
            }
            return;
        };
        if world.is_over(connection.socket) {
            self.lose(world);
            return;
        }
        let slow = self.stall.looks_away(world);
        if !slow {
            self.read(world);
        }
        if self.is_online() {
            self.act_online(world, slow);
        }
    }

    fn act_online(&mut self, world: &mut World, slow: bool) {
        if !slow {
            self.answer(world, 4);
        }
        self.ping(world);
        if world.random.below(1_000) < world.scenario.resets {
            self.break_off(world);
            return;
        }
        match world.random.below(100) {
            0..40 => self.publish(world),
            40..52 => self.subscribe(world),
            52..57 => self.unsubscribe(world),
            57..58 => self.part(world),
            _ => {}
        }
    }

    /// Finishes what was begun: reconnects to a kept session, reads, answers.
    pub fn settle(&mut self, world: &mut World) {
        world.tick_step();
        if world.was_kicked(&self.client_id) {
            self.break_off(world);
            self.forget(world, world.step);
            return;
        }
        let Some(connection) = &self.connection else {
            if self.session.is_some() && !world.is_draining() {
                self.connect(world, self.is_unsure);
            }
            return;
        };
        if world.is_over(connection.socket) {
            self.lose(world);
            return;
        }
        self.read(world);
        self.answer(world, usize::MAX);
        self.ping(world);
    }

    /// Nothing that was begun is open.
    pub fn is_quiet(&self, draining: bool) -> bool {
        match &self.connection {
            None => self.session.is_none() || draining,
            Some(connection) => {
                let begun = connection.answers.is_empty() && connection.pending.is_empty();
                let through = self.outgoing.is_empty() && self.ids.is_empty() && connection.inbox.is_empty();
                connection.online && begun && through && connection.pings == 0
            }
        }
    }

    /// What is not through, in words.
    pub fn unfinished(&self) -> String {
        let connection = self.connection.as_ref();
        let pending = connection.map(|connection| (connection.online, &connection.pending, connection.pings));
        format!(
            "{}: {pending:?} {:?} {:?}",
            self.client_id, self.outgoing, self.ids
        )
    }

    /// Says good-bye for good: the session ends.
    pub fn leave(&mut self, world: &mut World) {
        self.persistent = false;
        if self.is_online() {
            let goodbye = Goodbye {
                expiry_s: (self.version == Version::V5).then_some(0),
                ..Goodbye::default()
            };
            self.disconnect(world, goodbye);
        }
    }

    /// The client was told that the server stops, if it could be.
    pub fn was_told(&self) -> bool {
        self.version != Version::V5 || self.told
    }

    /// Its session, if it has one.
    pub fn session(&self) -> Option<SessionId> {
        self.session
    }

    /// It is connected.
    pub fn is_online(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.online)
    }

    /// The session is over: what was under way in it is not expected any more.
    fn forget(&mut self, world: &mut World, step: Step) {
        if let Some(session) = self.session.take() {
            world.history.sessions[session].ended.get_or_insert(step);
            world.history.sessions[session].connected = None;
        }
        self.outgoing.clear();
        self.ids = PacketIds::default();
    }

    /// The connection is gone, by whoever.
    fn lose(&mut self, world: &mut World) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let step = world.ended(connection.socket).unwrap_or(world.step);
        self.ids.lose();
        if !connection.online && !self.is_kept(connection.clean) {
            // Whether the server has ended the old session is not known; a clean CONNECT waits for its answer.
            self.forget(world, step);
        }
        if !connection.online {
            // It may have made a session that this client knows nothing of.
            self.is_unsure |= connection.clean || self.present.is_none();
            self.present = self.present.filter(|present| *present && self.session.is_some());
            return;
        }
        let Some(session) = self.session else { return };
        world.history.sessions[session].connected = None;
        if self.is_kept(connection.clean) {
            self.present = (self.lasts() && !connection.renamed).then_some(true);
        } else {
            self.forget(world, step);
            self.present = Some(false);
        }
    }

    /// The server does not let it in; that closes the connection.
    fn turned_away(&self, world: &mut World, reason: ReasonCode) {
        world.reached("a banned client was turned away");
        world.history.turned_away.push(TurnedAway {
            client_id: self.client_id.clone(),
            step: world.step,
            reason,
            knows_bans: self.version == Version::V5,
        });
    }

    /// Whether the session of a connection outlives it.
    fn is_kept(&self, clean: bool) -> bool {
        match self.version {
            Version::V5 => self.persistent,
            Version::V31 | Version::V311 => !clean,
        }
    }

    /// The connection breaks from this side.
    fn break_off(&mut self, world: &mut World) {
        if let Some(connection) = &self.connection {
            world.reset(connection.socket);
            self.lose(world);
        }
    }

    fn ping(&mut self, world: &mut World) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let idle_ms = world.now.millis_since(connection.last_write);
        let keep_alive_s = u64::from(connection.keep_alive_s);
        let due = keep_alive_s > 0 && idle_ms > keep_alive_s * 500;
        if connection.online && connection.pings < 2 && due {
            connection.pings += 1;
            self.write(world, &Packet::PingReq, None);
        }
    }

    fn write(&mut self, world: &mut World, packet: &Packet<'_>, mark: Option<Mark>) {
        let mut bytes = Vec::new();
        packet
            .encode(self.version, &mut bytes)
            .expect("an honest client's packets can be written");
        if let Some(connection) = &mut self.connection {
            connection.last_write = world.now;
            world.write(connection.socket, &bytes, mark);
        }
    }
}
