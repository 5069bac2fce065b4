//! AUTH (5.0 section 3.15). Exists in 5.0 only.

use super::{Properties, ReasonCode};

/// An AUTH packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Auth<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
