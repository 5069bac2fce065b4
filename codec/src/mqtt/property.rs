//! Properties (5.0 section 2.2.2): a validated run of bytes that is scanned on demand, and a list to write one.

/// The properties of one packet, without the length in front, validated for the packet that carries them.
/// Empty for 3.x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    pub(super) bytes: &'a [u8],
}

/// One property. Variants carry the standard's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Property<'a> {
    PayloadFormatIndicator(u8),
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(u32),
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQoS(u8),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Properties<'static> = Properties { bytes: &[] };

    /// The properties as they stand on the wire, without the length in front.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Takes bytes back that came from `as_bytes` or a `PropertyList`. Bytes that do not parse end the iteration early.
    pub const fn from_validated(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// True for no properties.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The properties in the sender's order.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        std::iter::from_fn(|| todo!())
    }
}

/// Properties being written, in order, for an outgoing packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyList {
    bytes: Vec<u8>,
}

impl PropertyList {
    /// Appends one property. A string or binary over 65,535 bytes is a caller's error and is left out (returns false).
    pub fn push(&mut self, property: Property<'_>) -> bool {
        let _ = property;
        todo!()
    }

    /// What was written, to put into a packet.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes }
    }

    /// Empties the list and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }
}
