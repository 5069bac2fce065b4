//! A connection: what is known of one socket between its accept and its end.
//!
//! The seam of the protocols: `connection/mqtt.rs` and `connection/device.rs` turn bytes into the questions that
//! `connect.rs`, `publish.rs` and `subscribe.rs` answer, and write the answers in their own words. Small when idle: no
//! buffer, no session state.

pub(crate) mod aliases;
pub(crate) mod device;
pub(crate) mod inbox;
pub(crate) mod mqtt;

use self::mqtt::auth::Authentication;
use crate::SessionId;
use crate::backpressure::Deferred;
use crate::slots::Slots;
use crate::wheel::TimerId;
use crate::{ConnectionId, ListenerId, Time};
use aliases::Aliases;
use device::adapters::Speech;
use ringwire_codec::mqtt::{QoS, Version};
use std::net::SocketAddr;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Not known yet: no CONNECT was taken.
    Greeting,
    V31,
    V311,
    V5,
    Device,
}

impl Wire {
    /// The MQTT version to encode and decode with.
    pub(crate) fn version(self) -> Version {
        match self {
            Wire::V31 => Version::V31,
            Wire::Greeting | Wire::V311 | Wire::Device => Version::V311,
            Wire::V5 => Version::V5,
        }
    }

    /// MQTT's version as it stands on the wire; 0 for a device, whose adapter has the number, and when none is known.
    pub(crate) fn number(self) -> u8 {
        match self {
            Wire::Greeting | Wire::Device => 0,
            Wire::V31 => 3,
            Wire::V311 => 4,
            Wire::V5 => 5,
        }
    }

    /// MQTT's name in notes; a device's adapter has its own.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wire::Greeting => "unknown",
            Wire::V31 => "mqtt 3.1",
            Wire::V311 => "mqtt 3.1.1",
            Wire::V5 => "mqtt 5.0",
            Wire::Device => "private",
        }
    }
}

impl From<Version> for Wire {
    fn from(version: Version) -> Self {
        match version {
            Version::V31 => Wire::V31,
            Version::V311 => Wire::V311,
            Version::V5 => Wire::V5,
        }
    }
}

/// Why a connection is not read, by bit; read when no bit is set.
pub(crate) mod held {
    /// A publish waits for a congested shard.
    pub(crate) const CONGESTED: u8 = 1;
    /// The peer does not read its acknowledgements.
    pub(crate) const BACKLOG: u8 = 2;
    /// It asked for retained messages, and the answers are on their way.
    pub(crate) const RECALL: u8 = 4;
    /// It is slowed down, and sends on without acknowledgements.
    pub(crate) const SLOW: u8 = 8;
    /// It subscribes to a group whose home was asked.
    pub(crate) const JOIN: u8 = 16;
    /// A device has sent other shards much that they have not confirmed.
    pub(crate) const CROSSING: u8 = 32;
}

/// Whether the next packet of a connection may be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Yes.
    Next,
    /// Not this one either: it stays in the inbox until the connection is read again.
    Hold,
    /// The connection is closed, or not ours any more.
    Gone,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) generation: u32,
    pub(crate) listener: ListenerId,
    pub(crate) wire: Wire,
    /// `held` bits.
    pub(crate) held: u8,
    /// The peer sends no more, and what it sent last is being handled: nothing is worth holding it for.
    pub(crate) ending: bool,
    pub(crate) session: Option<SessionId>,
    pub(crate) peer: SocketAddr,
    pub(crate) opened: Time,
    /// When bytes last arrived.
    pub(crate) heard: Time,
    pub(crate) timer: Option<TimerId>,
    /// Seconds; 0 is off.
    pub(crate) keepalive_s: u16,
    /// QoS 1/2 publishes that may be on their way to the client.
    pub(crate) window_max: u16,
    /// Bytes of the largest packet that the client takes.
    pub(crate) packet_size_max: u32,
    /// The highest QoS of its publishes.
    pub(crate) qos_max: QoS,
    pub(crate) retain_available: bool,
    /// It wants reason strings (5.0 section 3.1.2.11.7).
    pub(crate) problem_information: bool,
    /// Topic aliases that the server may set.
    pub(crate) alias_max: u16,
    /// Topic aliases that are in use.
    pub(crate) aliases: Option<Box<Aliases>>,
    /// While it is slowed down: acknowledgements that wait.
    pub(crate) deferred: Option<Box<Deferred>>,
    /// Of a client that named a method of enhanced authentication.
    pub(crate) authentication: Option<Box<Authentication>>,
    /// How a device speaks; `None` for an MQTT client.
    pub(crate) speech: Option<Speech>,
    /// Bytes not handled yet: the front of a packet, or what waits while the connection is held.
    pub(crate) inbox: Vec<u8>,
    /// PUBLISH packets from and to the client.
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Connection {
    pub(crate) fn new(generation: u32, listener: ListenerId, peer: SocketAddr, opened: Time) -> Self {
        Self {
            generation,
            listener,
            wire: Wire::Greeting,
            held: 0,
            ending: false,
            session: None,
            peer,
            opened,
            heard: opened,
            timer: None,
            keepalive_s: 0,
            window_max: 0,
            packet_size_max: u32::MAX,
            qos_max: QoS::ExactlyOnce,
            retain_available: true,
            problem_information: true,
            alias_max: 0,
            aliases: None,
            deferred: None,
            authentication: None,
            speech: None,
            inbox: Vec::new(),
            received: 0,
            sent: 0,
        }
    }
}

/// The connections of a shard, by slot.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Slots<Option<Connection>>,
    open: usize,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.open
    }

    pub(crate) fn insert(&mut self, id: ConnectionId, connection: Connection) {
        self.slots.reach(id.index());
        let before = self.slots[id.index()].replace(connection);
        assert!(before.is_none(), "a slot is reused after its connection ended");
        self.open += 1;
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        self.get(id)?;
        self.open -= 1;
        self.slots[id.index()].take()
    }

    /// `None` for a connection that ended, even if its slot is in use again.
    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let connection = self.slots.get(id.index())?.as_ref()?;
        (connection.generation == id.generation).then_some(connection)
    }

    /// As `get`.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.slots.get_mut(id.index())?.as_mut()?;
        (connection.generation == id.generation).then_some(connection)
    }

    /// Ids in the order of slots.
    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        (self.slots.iter().enumerate())
            .filter_map(|(slot, connection)| {
                Some(ConnectionId {
                    slot: slot as u32,
                    generation: connection.as_ref()?.generation,
                })
            })
            .collect()
    }
}
