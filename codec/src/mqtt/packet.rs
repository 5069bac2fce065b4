//! The packet as a sum, and the front door of the decoder: fixed header, size limit, dispatch by type.

use super::*;

/// Any MQTT packet, borrowed from the bytes it was decoded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Packet<'a> {
    Connect(Connect<'a>),
    ConnAck(ConnAck<'a>),
    Publish(Publish<'a>),
    PubAck(Ack<'a>),
    PubRec(Ack<'a>),
    PubRel(Ack<'a>),
    PubComp(Ack<'a>),
    Subscribe(Subscribe<'a>),
    SubAck(SubAck<'a>),
    Unsubscribe(Unsubscribe<'a>),
    UnsubAck(UnsubAck<'a>),
    PingReq,
    PingResp,
    Disconnect(Disconnect<'a>),
    Auth(Auth<'a>),
}

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A whole packet, and how many bytes of the input it took.
    Packet(Packet<'a>, usize),
    /// Not yet a whole packet. `needed` is the packet's whole size in bytes when the fixed header is complete.
    Incomplete {
        /// Total size of the packet, fixed header included; `None` while the header itself is incomplete.
        needed: Option<usize>,
    },
}

/// Decodes one packet from the front of `input`.
///
/// `version` is that of the connection; a CONNECT names its own, so there it is ignored. `packet_size_max` (bytes, whole
/// packet) is checked as soon as the fixed header is known, before the body has arrived.
pub fn decode(version: Version, input: &[u8], packet_size_max: u32) -> Result<Decoded<'_>, DecodeError> {
    let _ = (version, input, packet_size_max);
    todo!()
}

impl Packet<'_> {
    /// Appends the packet to `out` in the shortest legal form. On an error `out` is as it was.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let _ = (version, out);
        todo!()
    }
}
