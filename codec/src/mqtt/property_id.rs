//! The table of properties (5.0 section 2.2.2.2): identifier, name, form on the wire, and the packets that carry it.
//!
//! `property.rs` reads and writes by this table; there is no other place that knows an identifier's number.

use std::fmt;

/// The form of a property's value on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A byte that is 0 or 1: every byte property of the standard is one.
    Bit,
    Number,
    LongNumber,
    Variable,
    Text,
    Binary,
    TextPair,
}

/// The places that carry properties, as bits of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carriers(u16);

impl Carriers {
    pub(super) const CONNECT: Self = Self(1);
    pub(super) const CONNACK: Self = Self(1 << 1);
    pub(super) const PUBLISH: Self = Self(1 << 2);
    pub(super) const WILL: Self = Self(1 << 3);
    pub(super) const PUBLISH_ACK: Self = Self(1 << 4);
    pub(super) const SUBSCRIBE: Self = Self(1 << 5);
    pub(super) const SUBACK: Self = Self(1 << 6);
    pub(super) const UNSUBSCRIBE: Self = Self(1 << 7);
    pub(super) const UNSUBACK: Self = Self(1 << 8);
    pub(super) const DISCONNECT: Self = Self(1 << 9);
    pub(super) const AUTH: Self = Self(1 << 10);
    const ALL: Self = Self(u16::MAX);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

const MESSAGE: Carriers = Carriers::PUBLISH.and(Carriers::WILL);
const CONNECTION: Carriers = Carriers::CONNECT.and(Carriers::CONNACK);
const AUTHENTICATION: Carriers = CONNECTION.and(Carriers::AUTH);
const ANSWERS: Carriers = Carriers::CONNACK
    .and(Carriers::PUBLISH_ACK)
    .and(Carriers::SUBACK)
    .and(Carriers::UNSUBACK)
    .and(Carriers::DISCONNECT)
    .and(Carriers::AUTH);

macro_rules! property_ids {
    ($($name:ident = $number:literal, $text:literal, $form:ident, $carriers:expr;)*) => {
        /// A property's identifier (5.0 section 2.2.2.2).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum PropertyId { $($name = $number,)* }

        impl PropertyId {
            /// `None` where the standard names none.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// The standard's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            pub(super) const fn form(self) -> Form {
                match self { $(Self::$name => Form::$form,)* }
            }

            pub(super) const fn carriers(self) -> Carriers {
                match self { $(Self::$name => $carriers,)* }
            }
        }
    };
}

property_ids! {
    PayloadFormatIndicator = 0x01, "Payload Format Indicator", Bit, MESSAGE;
    MessageExpiryInterval = 0x02, "Message Expiry Interval", LongNumber, MESSAGE;
    ContentType = 0x03, "Content Type", Text, MESSAGE;
    ResponseTopic = 0x08, "Response Topic", Text, MESSAGE;
    CorrelationData = 0x09, "Correlation Data", Binary, MESSAGE;
    SubscriptionIdentifier = 0x0B, "Subscription Identifier", Variable, Carriers::PUBLISH.and(Carriers::SUBSCRIBE);
    SessionExpiryInterval = 0x11, "Session Expiry Interval", LongNumber, CONNECTION.and(Carriers::DISCONNECT);
    AssignedClientIdentifier = 0x12, "Assigned Client Identifier", Text, Carriers::CONNACK;
    ServerKeepAlive = 0x13, "Server Keep Alive", Number, Carriers::CONNACK;
    AuthenticationMethod = 0x15, "Authentication Method", Text, AUTHENTICATION;
    AuthenticationData = 0x16, "Authentication Data", Binary, AUTHENTICATION;
    RequestProblemInformation = 0x17, "Request Problem Information", Bit, Carriers::CONNECT;
    WillDelayInterval = 0x18, "Will Delay Interval", LongNumber, Carriers::WILL;
    RequestResponseInformation = 0x19, "Request Response Information", Bit, Carriers::CONNECT;
    ResponseInformation = 0x1A, "Response Information", Text, Carriers::CONNACK;
    ServerReference = 0x1C, "Server Reference", Text, Carriers::CONNACK.and(Carriers::DISCONNECT);
    ReasonString = 0x1F, "Reason String", Text, ANSWERS;
    ReceiveMaximum = 0x21, "Receive Maximum", Number, CONNECTION;
    TopicAliasMaximum = 0x22, "Topic Alias Maximum", Number, CONNECTION;
    TopicAlias = 0x23, "Topic Alias", Number, Carriers::PUBLISH;
    MaximumQoS = 0x24, "Maximum QoS", Bit, Carriers::CONNACK;
    RetainAvailable = 0x25, "Retain Available", Bit, Carriers::CONNACK;
    UserProperty = 0x26, "User Property", TextPair, Carriers::ALL;
    MaximumPacketSize = 0x27, "Maximum Packet Size", LongNumber, CONNECTION;
    WildcardSubscriptionAvailable = 0x28, "Wildcard Subscription Available", Bit, Carriers::CONNACK;
    SubscriptionIdentifierAvailable = 0x29, "Subscription Identifier Available", Bit, Carriers::CONNACK;
    SharedSubscriptionAvailable = 0x2A, "Shared Subscription Available", Bit, Carriers::CONNACK;
}

impl PropertyId {
    /// Whether the property may stand more than once: User Property anywhere, Subscription Identifier in a PUBLISH.
    pub(super) fn repeats(self, carrier: Carriers) -> bool {
        match self {
            Self::UserProperty => true,
            Self::SubscriptionIdentifier => carrier == Carriers::PUBLISH,
            Self::PayloadFormatIndicator
            | Self::MessageExpiryInterval
            | Self::ContentType
            | Self::ResponseTopic
            | Self::CorrelationData
            | Self::SessionExpiryInterval
            | Self::AssignedClientIdentifier
            | Self::ServerKeepAlive
            | Self::AuthenticationMethod
            | Self::AuthenticationData
            | Self::RequestProblemInformation
            | Self::WillDelayInterval
            | Self::RequestResponseInformation
            | Self::ResponseInformation
            | Self::ServerReference
            | Self::ReasonString
            | Self::ReceiveMaximum
            | Self::TopicAliasMaximum
            | Self::TopicAlias
            | Self::MaximumQoS
            | Self::RetainAvailable
            | Self::MaximumPacketSize
            | Self::WildcardSubscriptionAvailable
            | Self::SubscriptionIdentifierAvailable
            | Self::SharedSubscriptionAvailable => false,
        }
    }

    /// True for what ends at this hop: a PUBLISH that goes on to a subscriber carries its own, or none
    /// [MQTT-3.3.2-7], [MQTT-3.3.4-6].
    pub(super) fn is_hop_by_hop(self) -> bool {
        self == Self::TopicAlias || self == Self::SubscriptionIdentifier
    }
}

impl fmt::Display for PropertyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
