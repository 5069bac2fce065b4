//! PUBACK, PUBREC, PUBREL and PUBCOMP (5.0 sections 3.4 to 3.7): four packets of one shape.

use super::{PacketId, Properties, ReasonCode};

/// The body that the four acknowledgements share. For 3.x the reason is Success and there are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Ack<'a> {
    pub packet_id: PacketId,
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}
