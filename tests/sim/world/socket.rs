//! A simulated connection: two byte streams with everything that a network does to them, and what the oracle knows of it.
//!
//! Bytes go up from the client's hand through the network to an engine, and down from an out box through the kernel to the
//! client. Marks stand in the upward stream where a packet ends, so that it is known when an engine has all of it.

use crate::history::{MessageId, SessionId, Step};
use ringwire_core::input::SocketCause;
use ringwire_core::{CloseReason, ListenerId, Time};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

/// The index of a socket in the world.
pub type SocketId = usize;

/// What ends at a place in the upward stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A PUBLISH or DATATRANS.
    Publish(MessageId),
    /// A SUBSCRIBE of a session, and when it was written.
    Subscribe(SessionId, Step),
    /// A DISCONNECT.
    Disconnect,
}

/// What the oracle needs to know of a CONNECT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greeting {
    /// Milliseconds of silence that are allowed, once connected; 0: any.
    pub silence_ms: u64,
    /// The Will, and its delay in seconds.
    pub will: Option<(MessageId, u32)>,
    /// The Session Expiry Interval that holds, in seconds.
    pub expiry_s: u32,
    /// It asks for a new session.
    pub clean: bool,
}

/// What the oracle needs to know of a DISCONNECT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Goodbye {
    /// The Session Expiry Interval that it names, as it will hold.
    pub expiry_s: Option<u32>,
    /// Its reason code is 0x04.
    pub with_will: bool,
    /// It names an interval, and the CONNECT had none.
    pub is_wrong: bool,
}

/// Where the server's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the accept queue of a shard.
    Incoming(usize),
    /// In a slot of a shard.
    Slot(usize, usize),
    /// In the mesh, between two shards.
    Moving,
    /// The server has closed it, or knows that it is gone.
    Gone,
}

/// A connection.
#[derive(Debug)]
pub struct Socket {
    pub owner: String,
    pub honest: bool,
    pub listener: ListenerId,
    pub peer: SocketAddr,
    pub place: Place,
    /// Written by the client and not yet fed to an engine.
    pub up: VecDeque<u8>,
    pub written: usize,
    pub fed: usize,
    pub marks: VecDeque<(usize, Mark)>,
    /// All that was fed before the connection was adopted or answered.
    pub greeting: Vec<u8>,
    /// Taken from the out box, not yet with the client.
    pub kernel: VecDeque<u8>,
    /// With the client, not yet read.
    pub down: Vec<u8>,
    /// The client's end is gone.
    pub client_end: Option<SocketCause>,
    /// An engine was told that the socket is gone.
    pub closed_input: bool,
    /// An engine has read a DISCONNECT.
    pub disconnected: bool,
    pub opened: Time,
    pub last_fed: Time,
    pub greeting_says: Greeting,
    pub goodbye_says: Goodbye,
    pub connected: bool,
    /// Whether the engine resumed a session; `None` until it lets the client in.
    pub resumed: Option<bool>,
    /// Publishes at QoS 1/2 that were not acknowledged yet, and since when an engine has them for sure.
    pub owed: VecDeque<Option<Time>>,
    /// What a device published, in the order in which an engine had it; and when the engine took each of them.
    pub published: Vec<MessageId>,
    pub taken: Vec<Step>,
    pub notes: Vec<CloseReason>,
    /// The first step in which either side may have ended it.
    pub ended: Option<Step>,
}

impl Socket {
    /// A new connection, on its way to a shard.
    pub fn new(id: SocketId, owner: &str, honest: bool, listener: ListenerId) -> Self {
        Self {
            owner: owner.to_owned(),
            honest,
            listener,
            peer: peer(id),
            place: Place::Gone,
            up: VecDeque::new(),
            written: 0,
            fed: 0,
            marks: VecDeque::new(),
            greeting: Vec::new(),
            kernel: VecDeque::new(),
            down: Vec::new(),
            client_end: None,
            closed_input: false,
            disconnected: false,
            opened: Time::ZERO,
            last_fed: Time::ZERO,
            greeting_says: Greeting::default(),
            goodbye_says: Goodbye::default(),
            connected: false,
            resumed: None,
            owed: VecDeque::new(),
            published: Vec::new(),
            taken: Vec::new(),
            notes: Vec::new(),
            ended: None,
        }
    }

    /// The client can read nothing more: the server has closed and all is read.
    pub fn is_over(&self) -> bool {
        self.place == Place::Gone && self.down.is_empty() && self.kernel.is_empty()
    }

    /// Nothing is on its way.
    pub fn is_quiet(&self) -> bool {
        match self.place {
            Place::Incoming(_) | Place::Moving => false,
            Place::Gone => self.client_end.is_some() || (self.down.is_empty() && self.kernel.is_empty()),
            Place::Slot(..) => {
                let empty = self.up.is_empty() && self.kernel.is_empty() && self.down.is_empty();
                empty && self.client_end.is_none()
            }
        }
    }

    /// A DISCONNECT is among the bytes that an engine has.
    pub fn disconnects_now(&self) -> bool {
        self.marks
            .iter()
            .any(|(end, mark)| *end <= self.fed && *mark == Mark::Disconnect)
    }

    /// An engine has read its DISCONNECT.
    pub fn has_disconnected(&self) -> bool {
        self.disconnected || self.disconnects_now()
    }

    /// Notes the first end.
    pub fn end(&mut self, step: Step) {
        self.ended.get_or_insert(step);
    }
}

/// The address of a socket's client; each has its own, so that notes can be told apart.
pub fn peer(id: SocketId) -> SocketAddr {
    let [_, high, middle, low] = (id as u32).to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(10, high, middle, low).into(), 40_000)
}

/// The socket of an address.
pub fn socket_of(peer: SocketAddr) -> Option<SocketId> {
    match peer {
        SocketAddr::V4(peer) => {
            let [_, high, middle, low] = peer.ip().octets();
            Some(u32::from_be_bytes([0, high, middle, low]) as usize)
        }
        SocketAddr::V6(_) => None,
    }
}
