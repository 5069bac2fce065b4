//! What can be wrong with bytes, each with the reason code that the standard gives it.

use super::ReasonCode;

/// Why bytes are not a packet. The variant decides the reason code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The packet is larger than the receiver takes.
    #[error("packet of {size} bytes is larger than the limit of {limit}")]
    PacketTooLarge {
        /// Whole size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: u32,
    },
}

impl DecodeError {
    /// The reason code of a DISCONNECT (or CONNACK) that answers these bytes.
    pub fn reason_code(&self) -> ReasonCode {
        match self {
            Self::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
        }
    }
}

/// Why a packet cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A string or binary field is over 65,535 bytes.
    #[error("a field of {0} bytes is longer than 65,535")]
    FieldTooLong(usize),
    /// The remaining length is over 268,435,455 bytes.
    #[error("a packet of {0} bytes is longer than 268,435,455")]
    PacketTooLong(usize),
}
