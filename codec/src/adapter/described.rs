//! Adapters by description: private protocols that need no code.
//!
//! A [`Description`] says in plain values what frames, checksums, fields, messages and answers look like; who reads it from
//! a file is not here. [`Description::compile`] finds every flaw, and makes a [`Described`]: the blueprint that a listener
//! speaks. Nothing that a device sends may reach a panic, allocate without bound, or cost more than its bytes.

mod act;
mod checksum;
mod compile;
pub mod description;
mod down;
mod explain;
pub mod format;
mod framing;
mod json;
mod plan;
mod read;
mod render;
mod running;
mod scale;
pub mod template;
mod value;
mod walk;

pub use description::Description;
pub use explain::Step;
pub use format::{Endian, Format};
pub use template::{Template, TemplateError};

use super::{Adapter, Blueprint};
use plan::Plan;
use std::sync::Arc;

/// Something wrong in a description.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {what}")]
pub struct Flaw {
    /// The part: names of the description's parts as in its file, such as `message[2].field[0].width`, counted from 0. What
    /// is missing is named too.
    pub path: String,
    /// What is wrong, and what to do.
    pub what: String,
}

/// A description without flaws, ready to be spoken.
#[derive(Clone, Debug)]
pub struct Described {
    plan: Arc<Plan>,
}

impl Described {
    fn new(plan: Plan) -> Self {
        Self { plan: Arc::new(plan) }
    }
}

impl Blueprint for Described {
    fn name(&self) -> &str {
        &self.plan.name
    }

    fn version(&self) -> u8 {
        self.plan.version
    }

    fn fields(&self) -> Vec<String> {
        self.plan.topic_fields.clone()
    }

    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter> {
        Box::new(running::Running::new(self.plan.clone(), wanted))
    }
}
