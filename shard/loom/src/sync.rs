//! What `shard/src/sync.rs` is in production: loom's atomics, and a bounded queue made of them.
//!
//! Loom has no crossbeam. The queue here promises less than crossbeam's does: a push releases and a take acquires through
//! the slot's stamp, and nothing else is ordered. (A mutex in its place would order far more, and hide a missing fence.)
//! What holds with it holds with crossbeam's. Any number of senders, one receiver.

pub(crate) use loom::sync::atomic::{AtomicBool, Ordering, fence};

use loom::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

/// As crossbeam's; a receiver never goes away in a model.
#[allow(dead_code)]
pub(crate) enum TrySendError<T> {
    Full(T),
    Disconnected(T),
}

#[derive(Debug)]
struct Queue<T> {
    head: AtomicUsize,
    tail: AtomicUsize,
    slots: Vec<Slot<T>>,
}

/// In lap `n` the stamp is `2n` while the slot is free and `2n + 1` while it is taken.
#[derive(Debug)]
struct Slot<T> {
    stamp: AtomicUsize,
    /// A std mutex that loom does not see and nobody waits for: the stamp decides who may look.
    value: Mutex<Option<T>>,
}

#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Queue<T>>);

#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Queue<T>>);

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    // The mailbox's own capacity would only make the models slow: none of them fills it.
    let slots = (0..capacity.min(4)).map(|_| Slot {
        stamp: AtomicUsize::new(0),
        value: Mutex::new(None),
    });
    let queue = Arc::new(Queue {
        head: AtomicUsize::new(0),
        tail: AtomicUsize::new(0),
        slots: slots.collect(),
    });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

impl<T> Queue<T> {
    fn slot(&self, position: usize) -> (&Slot<T>, usize) {
        (
            &self.slots[position % self.slots.len()],
            2 * (position / self.slots.len()),
        )
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        loop {
            let position = self.0.tail.load(Ordering::Relaxed);
            let (slot, free) = self.0.slot(position);
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp < free {
                return Err(TrySendError::Full(value));
            }
            let next = position + 1;
            if stamp == free
                && self
                    .0
                    .tail
                    .compare_exchange(position, next, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                *slot.value.lock().unwrap() = Some(value);
                slot.stamp.store(free + 1, Ordering::Release);
                return Ok(());
            }
            loom::thread::yield_now();
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let (slot, free) = self.0.slot(self.0.tail.load(Ordering::Relaxed));
        slot.stamp.load(Ordering::Relaxed) < free
    }
}

impl<T> Receiver<T> {
    pub(crate) fn try_recv(&self) -> Result<T, ()> {
        let position = self.0.head.load(Ordering::Relaxed);
        let (slot, free) = self.0.slot(position);
        if slot.stamp.load(Ordering::Acquire) != free + 1 {
            return Err(());
        }
        let value = slot
            .value
            .lock()
            .unwrap()
            .take()
            .expect("a stamp of a taken slot has a value");
        slot.stamp.store(free + 2, Ordering::Release);
        self.0.head.store(position + 1, Ordering::Relaxed);
        Ok(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        let (slot, free) = self.0.slot(self.0.head.load(Ordering::Relaxed));
        slot.stamp.load(Ordering::Relaxed) != free + 1
    }
}
