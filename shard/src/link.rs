//! One connection as the shard sees it, and the table of them: which operations are outstanding, and how far it has closed.
//!
//! Plain structs in reused slots, driven by completions; an idle one holds no buffer. A slot is freed, and its socket
//! closed, only when nothing is outstanding in the ring; its generation then moves on, so that nothing late is mistaken.

use crate::ring::SLOTS_MAX;
use ringwire_core::slots::Slots;
use ringwire_core::{ConnectionId, ListenerId};
use std::net::TcpStream;

/// How a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// One receive at a time: the socket may yet move to its home shard.
    Greeting,
    /// It is at home: the receive stays armed.
    Home,
}

/// How far a connection has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The engine knows it.
    Open,
    /// The engine is done with it: what is in its out box still leaves.
    Flushing,
    /// Everything left, our side is shut: what still arrives is discarded, so that no reset overtakes our last bytes.
    Lingering,
    /// Only outstanding operations keep it.
    Ending,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: TcpStream,
    pub(crate) listener: ListenerId,
    pub(crate) reading: Reading,
    pub(crate) stage: Stage,
    /// A receive is outstanding.
    pub(crate) armed: bool,
    /// That receive is being cancelled.
    pub(crate) cancelling: bool,
    /// It stands in the list of receives to arm.
    pub(crate) listed: bool,
    /// The engine does not want it read.
    pub(crate) paused: bool,
    /// The peer has shut its side: nothing more arrives.
    pub(crate) ended: bool,
    /// The ring's key of the send that is outstanding.
    pub(crate) sending: Option<u32>,
}

impl Link {
    pub(crate) fn new(socket: TcpStream, listener: ListenerId, reading: Reading) -> Self {
        Self {
            socket,
            listener,
            reading,
            stage: Stage::Open,
            armed: false,
            cancelling: false,
            listed: false,
            paused: false,
            ended: false,
            sending: None,
        }
    }

    /// Whether a receive should be outstanding.
    pub(crate) fn wants_bytes(&self) -> bool {
        match self.stage {
            Stage::Open => !self.paused && !self.ended,
            Stage::Flushing | Stage::Lingering => !self.ended,
            Stage::Ending => false,
        }
    }

    /// Whether the kernel still knows of the socket.
    pub(crate) fn is_outstanding(&self) -> bool {
        self.armed || self.sending.is_some()
    }
}

/// The connections of one shard, by slot.
#[derive(Debug, Default)]
pub(crate) struct Links {
    slots: Slots<Slot>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    link: Option<Link>,
}

impl Links {
    /// Takes a connection in, in the slot that was freed last. `None`: there are as many as the ring can name.
    pub(crate) fn insert(&mut self, link: Link) -> Option<ConnectionId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < SLOTS_MAX as usize => {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            }
            None => return None,
        };
        let place = &mut self.slots[slot as usize];
        place.link = Some(link);
        Some(ConnectionId {
            slot,
            generation: place.generation,
        })
    }

    /// The connection, unless its slot was freed since.
    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Link> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation {
            return None;
        }
        slot.link.as_mut()
    }

    /// Frees a slot.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Link> {
        let slot = self.slots.get_mut(id.index())?;
        if slot.generation != id.generation {
            return None;
        }
        let link = slot.link.take()?;
        assert!(
            !link.is_outstanding(),
            "the kernel knows of a socket until its operations are done"
        );
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.slot);
        Some(link)
    }

    /// How many there are, in any stage.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn link() -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        Link::new(socket, ListenerId(0), Reading::Greeting)
    }

    #[test]
    fn a_reused_slot_is_not_reached_by_its_old_id() {
        let mut links = Links::default();
        let old = links.insert(link()).unwrap();
        links.remove(old).unwrap();
        let new = links.insert(link()).unwrap();
        assert_eq!(old.slot, new.slot);
        assert!(links.get_mut(old).is_none());
        assert!(links.remove(old).is_none());
        assert!(links.get_mut(new).is_some());
        assert_eq!(links.len(), 1);
    }

    #[test]
    #[should_panic(expected = "until its operations are done")]
    fn a_slot_is_not_freed_while_the_kernel_knows_of_it() {
        let mut links = Links::default();
        let id = links.insert(link()).unwrap();
        links.get_mut(id).unwrap().armed = true;
        links.remove(id);
    }

    #[test]
    fn a_paused_connection_is_read_again_once_it_closes() {
        let mut link = link();
        link.paused = true;
        assert!(!link.wants_bytes());
        link.stage = Stage::Lingering;
        assert!(link.wants_bytes());
    }
}
