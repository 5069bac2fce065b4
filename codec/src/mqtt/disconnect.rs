//! DISCONNECT (5.0 section 3.14).

use super::{Properties, ReasonCode};

/// A DISCONNECT packet. For 3.x the reason is Normal disconnection and there are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Disconnect<'a> {
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
