//! MQTT 3.1, 3.1.1 and 5.0: one packet model (5.0 is the superset), the version as an argument.
//!
//! `decode` takes one whole packet from the front of the input; `Packet::encode` appends one to a buffer.
//! The engine (`core/`) is the caller. A packet that was decoded has passed every check that needs no session state.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod head;
mod packet;
mod property;
mod property_id;
mod property_list;
mod publish;
mod reason;
mod subscribe;
mod unsubscribe;
mod wire;

pub use ack::Ack;
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::{DecodeError, EncodeError};
pub use head::{PublishHead, packet_id_at};
pub use packet::{Decoded, Packet, PacketType, decode};
pub use property::{Properties, Property};
pub use property_id::PropertyId;
pub use property_list::PropertyList;
pub use publish::Publish;
pub use reason::ReasonCode;
pub use subscribe::{
    FilterList, Filters, RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscriptionOptions,
};
pub use unsubscribe::{UnsubAck, Unsubscribe, UnsubscribeList};

use std::num::NonZeroU16;

/// The protocol version of a connection, as the CONNECT packet names it (5.0 section 3.1.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1 ("MQIsdp", level 3).
    V31 = 3,
    /// MQTT 3.1.1 ("MQTT", level 4).
    V311 = 4,
    /// MQTT 5.0 ("MQTT", level 5).
    V5 = 5,
}

/// Quality of service of a message (5.0 section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0.
    #[default]
    AtMostOnce = 0,
    /// QoS 1.
    AtLeastOnce = 1,
    /// QoS 2.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level for its number, `None` for 3 and above.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// A packet identifier, 1 to 65,535 (5.0 section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub NonZeroU16);

impl PacketId {
    /// `None` for zero, which is not an id.
    pub const fn new(number: u16) -> Option<Self> {
        match NonZeroU16::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The id as it stands on the wire.
    pub const fn number(self) -> u16 {
        self.0.get()
    }
}
