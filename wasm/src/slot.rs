//! What is kept for one connection while the instance has another one's state in its memory.
//!
//! This is why a failed call costs nobody else anything: whatever it did to the instance, these are out of its reach.

use crate::instance::Failure;
use crate::queue::Queue;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Without the zeros at its end.
    pub(crate) state: Vec<u8>,
    /// Events that wait, while another connection's are in the instance.
    pub(crate) queue: Option<Box<Queue>>,
    /// The module failed here: it is not called for this connection again.
    pub(crate) failure: Option<Box<Failure>>,
    /// Bytes without which the module has nothing to say; 0 when that is not known.
    pub(crate) needs: u32,
    /// Bytes of the largest frame of late.
    pub(crate) frame: u32,
}

/// Connections by link.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    pub(crate) fn open(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("fewer connections than links")
        })
    }

    pub(crate) fn close(&mut self, at: u32) {
        self.slots[at as usize] = Slot::default();
        self.free.push(at);
    }

    pub(crate) fn of(&mut self, at: u32) -> &mut Slot {
        &mut self.slots[at as usize]
    }

    pub(crate) fn look(&self, at: u32) -> &Slot {
        &self.slots[at as usize]
    }

    /// Connections at work.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}
