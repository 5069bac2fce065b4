//! A session: what a client id owns, connected or not. Subscriptions, the window, the queue, QoS 2 ids, the will.
//!
//! Lives on the home shard of its client id. Small when idle: everything rare is boxed and made when first needed.
//! Deciding when a session begins and ends is `connect.rs`'s; delivering into it is `deliver.rs`'s.

pub(crate) mod frame;
pub(crate) mod incoming;
pub(crate) mod queue;
pub(crate) mod shares;
pub(crate) mod window;

use crate::SessionId;
use crate::backpressure::Behind;
use crate::index::FilterId;
use crate::settings::Overflow;
use crate::slots::Slots;
use crate::wheel::TimerId;
use crate::will::Will;
use crate::{ConnectionId, DropReason, Time};
use incoming::Incoming;
use queue::Queue;
use shares::Shares;
use window::Window;

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client_id: Box<[u8]>,
    pub(crate) username: Option<Box<str>>,
    pub(crate) connection: Option<ConnectionId>,
    /// Filters held, in the order of subscribing.
    pub(crate) filters: Vec<FilterId>,
    /// Bytes of their texts.
    pub(crate) filter_bytes: usize,
    /// Shared and exclusive subscriptions.
    pub(crate) shares: Option<Box<Shares>>,
    pub(crate) window: Option<Box<Window>>,
    pub(crate) queue: Option<Box<Queue>>,
    pub(crate) incoming: Option<Box<Incoming>>,
    pub(crate) will: Option<Box<Will>>,
    /// When the session ends, if it is offline.
    pub(crate) ends_at: Option<Time>,
    pub(crate) timer: Option<TimerId>,
    /// Seconds; `u32::MAX` never ends.
    pub(crate) expiry_s: u32,
    /// While too much waits in its queue: whom it slows down for that.
    pub(crate) behind: Option<Box<Behind>>,
    /// SUBSCRIBEs whose retained messages are still on their way.
    pub(crate) recalls: u32,
    /// Drop reasons that were already noted, by bit.
    noted: u32,
    pub(crate) clean_start: bool,
    /// What gives way when the queue of a private device is full. Such a session's QoS 0 messages wait like all others;
    /// `None` for an MQTT client's.
    pub(crate) device: Option<Overflow>,
    /// It came back to messages that waited for it. Until they are sent it is not closed because there are too many: that
    /// would happen each time it comes, before it could say that it has one.
    pub(crate) catches_up: bool,
    pub(crate) dropped: u64,
}

const _: () = assert!(DropReason::ALL.len() <= 32, "one bit each in `noted`");

impl Session {
    pub(crate) fn new(client_id: Box<[u8]>) -> Self {
        Self {
            client_id,
            username: None,
            connection: None,
            filters: Vec::new(),
            filter_bytes: 0,
            shares: None,
            window: None,
            queue: None,
            incoming: None,
            will: None,
            ends_at: None,
            timer: None,
            expiry_s: 0,
            behind: None,
            recalls: 0,
            noted: 0,
            clean_start: true,
            device: None,
            catches_up: false,
            dropped: 0,
        }
    }

    /// When the will is due, if the session is offline.
    pub(crate) fn will_due(&self) -> Option<Time> {
        self.will.as_ref().and_then(|will| will.due)
    }

    /// Nothing waits in the queue.
    pub(crate) fn queue_is_empty(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.is_empty())
    }

    /// True the first time that it is asked for this reason.
    pub(crate) fn first_drop(&mut self, reason: DropReason) -> bool {
        let bit = 1 << reason as u32;
        let first = self.noted & bit == 0;
        self.noted |= bit;
        first
    }
}

/// All sessions of a shard: dense, reused ids, found by client id.
#[derive(Debug)]
pub(crate) struct Sessions {
    slots: Slots<Option<Session>>,
    free: Vec<SessionId>,
    by_client: hashbrown::HashTable<SessionId>,
    hasher: ahash::RandomState,
    /// Bytes waiting in the queues of all of them.
    pub(crate) queued_bytes: usize,
    /// Bytes of their wills.
    pub(crate) will_bytes: usize,
}

impl Sessions {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Self {
            slots: Slots::default(),
            free: Vec::new(),
            by_client: hashbrown::HashTable::new(),
            hasher,
            queued_bytes: 0,
            will_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    pub(crate) fn find(&self, client_id: &[u8]) -> Option<SessionId> {
        let hash = self.hasher.hash_one(client_id);
        (self.by_client)
            .find(hash, |&id| self.client_id(id) == client_id)
            .copied()
    }

    fn client_id(&self, id: SessionId) -> &[u8] {
        let session = self.slots[id.index()].as_ref();
        &session.expect("a listed session exists").client_id
    }

    /// Adds a session whose client id is not there yet.
    pub(crate) fn insert(&mut self, session: Session) -> SessionId {
        let hash = self.hasher.hash_one(&session.client_id[..]);
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                let id = SessionId(u32::try_from(self.slots.len()).expect("fewer sessions than ids"));
                assert!(id.group().is_none(), "fewer sessions than ids");
                self.slots.push(None);
                id
            }
        };
        self.slots[id.index()] = Some(session);
        let Self {
            slots,
            by_client,
            hasher,
            ..
        } = self;
        by_client.insert_unique(hash, id, |&id| {
            let session = slots[id.index()].as_ref();
            hasher.hash_one(&session.expect("a listed session exists").client_id[..])
        });
        id
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let hash = self.hasher.hash_one(self.client_id(id));
        self.by_client
            .find_entry(hash, |&other| other == id)
            .ok()?
            .remove();
        self.free.push(id);
        self.slots[id.index()].take()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.slots.get(id.index())?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.slots.get_mut(id.index())?.as_mut()
    }

    /// In the order of ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        (self.slots.iter().enumerate())
            .filter_map(|(index, slot)| Some((SessionId(index as u32), slot.as_ref()?)))
    }
}
