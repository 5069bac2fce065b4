//! Adapters by description: private protocols that need no code.
//!
//! A [`Description`] says in plain values what frames, checksums, fields, messages and answers look like; who reads it from
//! a file is not here. [`Description::compile`] finds every flaw, and makes a [`Described`]: the blueprint that a listener
//! speaks. Nothing that a device sends may reach a panic, allocate without bound, or cost more than its bytes.

pub mod description;
pub mod format;
pub mod template;

pub use description::Description;
pub use format::{Endian, Format};
pub use template::{Template, TemplateError};

/// Something wrong in a description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Flaw {
    /// The part: names of the description's parts as in its file, such as `message[2].field[0].width`, counted from 0.
    pub path: String,
    /// What is wrong, and what to do.
    pub what: String,
}
