//! Every decision that Ringwire makes: connections, sessions, routing, retained messages, access, limits.
//!
//! Pure: no IO, no clock, no threads, no async, no randomly seeded map. `shard/` feeds an [`Engine`] with [`Input`]s and
//! carries out its [`Actions`]; the simulation (`tests/sim`) does the same, seeded. What a peer does wrong is a value with
//! a reason; what we do wrong is an assert.
#![forbid(unsafe_code)]

pub mod access;
pub mod action;
pub mod ask;
mod auto_subscribe;
mod backpressure;
pub mod bans;
pub mod client;
mod close;
mod connect;
mod connection;
mod delayed;
mod deliver;
mod detour;
pub mod engine;
mod events;
mod flapping;
pub mod groups;
pub mod id;
pub mod index;
pub mod input;
pub mod interest;
pub mod limits;
pub mod message;
pub mod note;
pub mod outbox;
pub mod parcel;
mod placeholder;
pub mod placement;
mod publish;
pub mod reason;
mod recall;
pub mod retained;
pub mod rewrite;
mod roster;
mod session;
pub mod settings;
mod share;
pub mod slots;
pub mod stats;
mod subscribe;
pub mod time;
mod timers;
pub mod wheel;
mod will;

pub use action::{Actions, Adoption, HandOver};
pub use ask::{Answer, Ask};
pub use engine::Engine;
pub use id::{ConnectionId, ListenerId, SessionId, ShardId};
pub use input::Input;
pub use interest::InterestMap;
pub use message::Message;
pub use note::Note;
pub use outbox::Outbox;
pub use parcel::Parcel;
pub use reason::{CloseReason, DropReason};
/// What is spoken on a device listener.
pub use ringwire_codec::adapter::Blueprint;
pub use settings::Settings;
pub use time::Time;
