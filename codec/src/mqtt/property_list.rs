//! Properties being written: a list in wire form, and the copy of a PUBLISH's properties that a subscriber gets.

use super::property_id::PropertyId;
use super::wire::{VARIABLE_MAX, put_field, put_variable, variable_len};
use super::{Properties, Property, Version};

/// Properties being written, in order, for an outgoing packet. The caller answers for what the packet may carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyList {
    bytes: Vec<u8>,
}

impl PropertyList {
    /// Appends one property. A string or binary over 65,535 bytes, or a Subscription Identifier over 268,435,455, is a
    /// caller's error and is left out (returns false).
    pub fn push(&mut self, property: Property<'_>) -> bool {
        use Property as P;
        let id = property.id();
        match property {
            P::PayloadFormatIndicator(byte) | P::MaximumQoS(byte) => self.put(id, &[byte]),
            P::MessageExpiryInterval(number)
            | P::SessionExpiryInterval(number)
            | P::WillDelayInterval(number)
            | P::MaximumPacketSize(number) => self.put(id, &number.to_be_bytes()),
            P::ServerKeepAlive(number)
            | P::ReceiveMaximum(number)
            | P::TopicAliasMaximum(number)
            | P::TopicAlias(number) => self.put(id, &number.to_be_bytes()),
            P::RequestProblemInformation(bit)
            | P::RequestResponseInformation(bit)
            | P::RetainAvailable(bit)
            | P::WildcardSubscriptionAvailable(bit)
            | P::SubscriptionIdentifierAvailable(bit)
            | P::SharedSubscriptionAvailable(bit) => self.put(id, &[bit.into()]),
            P::ContentType(text)
            | P::ResponseTopic(text)
            | P::AssignedClientIdentifier(text)
            | P::AuthenticationMethod(text)
            | P::ResponseInformation(text)
            | P::ServerReference(text)
            | P::ReasonString(text) => self.put_fields(id, &[text.as_bytes()]),
            P::CorrelationData(data) | P::AuthenticationData(data) => self.put_fields(id, &[data]),
            P::UserProperty(name, value) => self.put_fields(id, &[name.as_bytes(), value.as_bytes()]),
            P::SubscriptionIdentifier(number) => {
                if number as usize > VARIABLE_MAX {
                    return false;
                }
                self.bytes.push(id as u8);
                put_variable(&mut self.bytes, number as usize);
                true
            }
        }
    }

    fn put(&mut self, id: PropertyId, value: &[u8]) -> bool {
        self.bytes.push(id as u8);
        self.bytes.extend_from_slice(value);
        true
    }

    fn put_fields(&mut self, id: PropertyId, fields: &[&[u8]]) -> bool {
        if fields.iter().any(|field| field.len() > usize::from(u16::MAX)) {
            return false;
        }
        self.bytes.push(id as u8);
        for field in fields {
            put_field(&mut self.bytes, field);
        }
        true
    }

    /// Appends every property but those that `leave_out` names, as they stand on the wire.
    pub fn extend_without(&mut self, properties: Properties<'_>, leave_out: &[PropertyId]) {
        for raw in properties.raw().filter(|raw| !leave_out.contains(&raw.id)) {
            self.bytes.extend_from_slice(raw.bytes());
        }
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

impl<'a> Properties<'a> {
    /// What a PUBLISH keeps on its way to a subscriber: all but Topic Alias and Subscription Identifier. Without either
    /// these are the same bytes and nothing is copied; else `scratch` is overwritten with the copy.
    pub fn forwarded(self, scratch: &'a mut PropertyList) -> Self {
        if !self.has_hop_by_hop() {
            return self;
        }
        scratch.clear();
        scratch.extend_without(
            self,
            &[PropertyId::TopicAlias, PropertyId::SubscriptionIdentifier],
        );
        scratch.as_properties()
    }
}

impl Property<'_> {
    /// Its identifier.
    pub const fn id(&self) -> PropertyId {
        match self {
            Self::PayloadFormatIndicator(_) => PropertyId::PayloadFormatIndicator,
            Self::MessageExpiryInterval(_) => PropertyId::MessageExpiryInterval,
            Self::ContentType(_) => PropertyId::ContentType,
            Self::ResponseTopic(_) => PropertyId::ResponseTopic,
            Self::CorrelationData(_) => PropertyId::CorrelationData,
            Self::SubscriptionIdentifier(_) => PropertyId::SubscriptionIdentifier,
            Self::SessionExpiryInterval(_) => PropertyId::SessionExpiryInterval,
            Self::AssignedClientIdentifier(_) => PropertyId::AssignedClientIdentifier,
            Self::ServerKeepAlive(_) => PropertyId::ServerKeepAlive,
            Self::AuthenticationMethod(_) => PropertyId::AuthenticationMethod,
            Self::AuthenticationData(_) => PropertyId::AuthenticationData,
            Self::RequestProblemInformation(_) => PropertyId::RequestProblemInformation,
            Self::WillDelayInterval(_) => PropertyId::WillDelayInterval,
            Self::RequestResponseInformation(_) => PropertyId::RequestResponseInformation,
            Self::ResponseInformation(_) => PropertyId::ResponseInformation,
            Self::ServerReference(_) => PropertyId::ServerReference,
            Self::ReasonString(_) => PropertyId::ReasonString,
            Self::ReceiveMaximum(_) => PropertyId::ReceiveMaximum,
            Self::TopicAliasMaximum(_) => PropertyId::TopicAliasMaximum,
            Self::TopicAlias(_) => PropertyId::TopicAlias,
            Self::MaximumQoS(_) => PropertyId::MaximumQoS,
            Self::RetainAvailable(_) => PropertyId::RetainAvailable,
            Self::UserProperty(..) => PropertyId::UserProperty,
            Self::MaximumPacketSize(_) => PropertyId::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(_) => PropertyId::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifierAvailable(_) => PropertyId::SubscriptionIdentifierAvailable,
            Self::SharedSubscriptionAvailable(_) => PropertyId::SharedSubscriptionAvailable,
        }
    }
}

impl Properties<'_> {
    /// Bytes on the wire with the length in front; nothing in 3.x.
    #[inline]
    pub(super) fn encoded_len(&self, version: Version) -> usize {
        match version {
            Version::V31 | Version::V311 => 0,
            Version::V5 => variable_len(self.bytes.len()) + self.bytes.len(),
        }
    }

    /// Appends them with the length in front; nothing in 3.x. The packet's length has been checked.
    #[inline]
    pub(super) fn put(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 {
            put_variable(out, self.bytes.len());
            out.extend_from_slice(self.bytes);
        }
    }
}
