//! Who must be woken: the agreement between a shard that is about to park and those that have something for it.
//!
//! The sleeper says that it sleeps and then looks at its queues once more; a poster pushes and then looks whether the
//! sleeper sleeps. The fences make it impossible that both look too early, so a parked shard with a full queue and no bell
//! rung cannot be. Not the bell itself: ringing (a message between rings, or an eventfd) is the caller's, when `knock`
//! says so. Checked by `shard/loom`, with the mutations that must fail.

use crate::sync::{AtomicBool, Ordering, fence};

/// One a shard. Padded, because every poster reads it and its shard writes it.
#[derive(Debug)]
#[repr(align(128))]
pub struct Doorbell {
    sleeping: AtomicBool,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self::new()
    }
}

impl Doorbell {
    /// Of a shard that is awake.
    pub fn new() -> Self {
        Self {
            sleeping: AtomicBool::new(false),
        }
    }

    /// Called by the shard before it parks: true when it may. `has_work` must look at every queue whose posters knock
    /// here; it is called after the flag is set, and the shard does not park when it finds something.
    pub fn may_park(&self, has_work: impl FnOnce() -> bool) -> bool {
        // A swap, though a store would do: loom does not know that a store comes after the swap of a late knock that
        // read the store before it, and would see wake-ups lost that C++20's order of modification rules out.
        self.sleeping.swap(true, Ordering::Relaxed);
        // Pairs with the fence in `knock`: a push that `has_work` does not see comes before a knock that sees the flag.
        fence(Ordering::SeqCst);
        if has_work() {
            self.awake();
            return false;
        }
        true
    }

    /// Called by the shard when it has woken, for whatever reason: nobody needs to ring.
    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Called by a poster *after* its push: true when the caller must ring the bell. It is told to one poster only,
    /// and until that one has rung, the others' posts wait with its own.
    #[must_use = "the shard sleeps on when nobody rings"]
    pub fn knock(&self) -> bool {
        fence(Ordering::SeqCst);
        // The load first: a shard under load is awake, and a swap would take its cache line away at every post.
        self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed)
    }
}
