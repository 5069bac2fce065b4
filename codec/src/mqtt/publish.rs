//! PUBLISH (5.0 section 3.3): the one packet on the hot path.

use super::{PacketId, Properties, QoS};

/// A PUBLISH packet. `packet_id` is present exactly when `qos` is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Publish<'a> {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// Without wildcards; empty only in 5.0 with a Topic Alias.
    pub topic: &'a str,
    pub packet_id: Option<PacketId>,
    pub properties: Properties<'a>,
    pub payload: &'a [u8],
}
