//! The atomics and the queue that the mesh, the doorbell and the mailbox are made of, under one name.
//!
//! Those three files name nothing else that threads share, so that `shard/loom` can compile the very same files with loom's
//! atomics and a queue of loom's atomics in place of this one, and walk through every interleaving.

pub(crate) use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
pub(crate) use std::sync::atomic::{AtomicBool, Ordering, fence};
