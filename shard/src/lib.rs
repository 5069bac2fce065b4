//! Moves bytes, time and parcels; decides nothing. The only package that names glommio or io_uring.
//!
//! [`Node::start`] probes the kernel, binds the listeners and starts one pinned glommio executor a shard; each runs a
//! pump that feeds its `ringwire_core::Engine` from its own network ring and carries out the engine's actions.

mod authority;
pub mod bell;
pub mod dial;
pub mod doorbell;
pub mod executor;
mod link;
mod listen;
pub mod mailbox;
pub mod mesh;
pub mod node;
mod outgoing;
mod probe;
mod pump;
pub mod ring;
pub mod settings;
mod sync;
mod wire;

pub use authority::Authority;
pub use mailbox::{Inbox, Mailbox, Question, Reply};
pub use node::{Node, StartError};
pub use settings::{Bind, Core, HugePages, Settings};
