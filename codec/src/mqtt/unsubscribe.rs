//! UNSUBSCRIBE and UNSUBACK (5.0 sections 3.10 and 3.11).

use super::{PacketId, Properties};

/// An UNSUBSCRIBE packet. `filters()` yields the filters in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Unsubscribe<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    pub(super) filters: &'a [u8],
}

/// An UNSUBACK packet. For 3.x there are no reasons on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UnsubAck<'a> {
    pub packet_id: PacketId,
    pub properties: Properties<'a>,
    /// `ReasonCode` values, one a filter.
    pub reasons: &'a [u8],
}
