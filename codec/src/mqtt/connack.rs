//! CONNACK (5.0 section 3.2).

use super::{Properties, ReasonCode};

/// A CONNACK packet. For 3.x the reason is mapped to and from the return codes 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConnAck<'a> {
    pub session_present: bool,
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
