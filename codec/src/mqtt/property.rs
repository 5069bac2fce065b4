//! Properties (5.0 section 2.2.2): a validated run of bytes that is scanned on demand.
//!
//! Decoding checks every property once, for the packet that carries it; afterwards the bytes are kept as they are, and
//! a getter scans for its identifier without looking at the values that it skips. `property_list.rs` writes them.

use super::DecodeError;
use super::property_id::{Carriers, Form, PropertyId};
use super::wire::Reader;

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

/// One property as it stands on the wire, its value not looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawProperty<'a> {
    pub(super) id: PropertyId,
    /// Where the property stands, in the bytes that the reader was made of.
    at: usize,
    /// Where its value stands, and the end of it.
    value_at: usize,
    end: usize,
    /// The bytes that the reader was made of.
    source: &'a [u8],
}

impl<'a> RawProperty<'a> {
    /// Takes the next property from `reader`, which reads `source`.
    fn read(reader: &mut Reader<'a>, source: &'a [u8]) -> Result<Self, DecodeError> {
        let at = reader.at();
        let number = reader.variable()?;
        let id = PropertyId::from_number(number).ok_or(DecodeError::PropertyUnknown { at, id: number })?;
        let value_at = reader.at();
        match id.form() {
            Form::Bit => drop(reader.byte()?),
            Form::Number => drop(reader.number()?),
            Form::LongNumber => drop(reader.take(4)?),
            Form::Variable => drop(reader.variable()?),
            Form::Text | Form::Binary => drop(reader.binary()?),
            Form::TextPair => {
                reader.binary()?;
                reader.binary()?;
            }
        }
        Ok(Self {
            id,
            at,
            value_at,
            end: reader.at(),
            source,
        })
    }

    /// Identifier and value.
    pub(super) fn bytes(&self) -> &'a [u8] {
        &self.source[self.at..self.end]
    }

    fn value(&self) -> Reader<'a> {
        Reader::new(&self.source[..self.end], self.value_at)
    }

    fn text(&self) -> Result<&'a str, DecodeError> {
        self.value().string()
    }

    fn binary(&self) -> Result<&'a [u8], DecodeError> {
        self.value().binary()
    }

    fn number(&self) -> Result<u16, DecodeError> {
        self.value().number()
    }

    fn long_number(&self) -> Result<u32, DecodeError> {
        let mut value = self.value();
        Ok(u32::from(value.number()?) << 16 | u32::from(value.number()?))
    }

    /// A byte that must be 0 or 1.
    fn bit(&self) -> Result<bool, DecodeError> {
        match self.value().byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.bad_value()),
        }
    }

    fn bad_value(&self) -> DecodeError {
        DecodeError::PropertyValue {
            at: self.at,
            property: self.id,
        }
    }

    /// A number that must not be 0.
    fn positive<T: Default + PartialEq>(&self, number: T) -> Result<T, DecodeError> {
        if number == T::default() {
            Err(self.bad_value())
        } else {
            Ok(number)
        }
    }

    /// The property with its value, every rule on the value checked.
    fn check(&self) -> Result<Property<'a>, DecodeError> {
        use Property as P;
        Ok(match self.id {
            PropertyId::PayloadFormatIndicator => P::PayloadFormatIndicator(self.bit()?.into()),
            PropertyId::MessageExpiryInterval => P::MessageExpiryInterval(self.long_number()?),
            PropertyId::ContentType => P::ContentType(self.text()?),
            PropertyId::ResponseTopic => P::ResponseTopic(self.response_topic()?),
            PropertyId::CorrelationData => P::CorrelationData(self.binary()?),
            PropertyId::SubscriptionIdentifier => {
                P::SubscriptionIdentifier(self.positive(self.value().variable()?)?)
            }
            PropertyId::SessionExpiryInterval => P::SessionExpiryInterval(self.long_number()?),
            PropertyId::AssignedClientIdentifier => P::AssignedClientIdentifier(self.text()?),
            PropertyId::ServerKeepAlive => P::ServerKeepAlive(self.number()?),
            PropertyId::AuthenticationMethod => P::AuthenticationMethod(self.text()?),
            PropertyId::AuthenticationData => P::AuthenticationData(self.binary()?),
            PropertyId::RequestProblemInformation => P::RequestProblemInformation(self.bit()?),
            PropertyId::WillDelayInterval => P::WillDelayInterval(self.long_number()?),
            PropertyId::RequestResponseInformation => P::RequestResponseInformation(self.bit()?),
            PropertyId::ResponseInformation => P::ResponseInformation(self.text()?),
            PropertyId::ServerReference => P::ServerReference(self.text()?),
            PropertyId::ReasonString => P::ReasonString(self.text()?),
            PropertyId::ReceiveMaximum => P::ReceiveMaximum(self.positive(self.number()?)?),
            PropertyId::TopicAliasMaximum => P::TopicAliasMaximum(self.number()?),
            PropertyId::TopicAlias => match self.number()? {
                0 => return Err(DecodeError::TopicAliasZero { at: self.at }),
                alias => P::TopicAlias(alias),
            },
            PropertyId::MaximumQoS => P::MaximumQoS(self.bit()?.into()),
            PropertyId::RetainAvailable => P::RetainAvailable(self.bit()?),
            PropertyId::UserProperty => {
                let mut value = self.value();
                P::UserProperty(value.string()?, value.string()?)
            }
            PropertyId::MaximumPacketSize => P::MaximumPacketSize(self.positive(self.long_number()?)?),
            PropertyId::WildcardSubscriptionAvailable => P::WildcardSubscriptionAvailable(self.bit()?),
            PropertyId::SubscriptionIdentifierAvailable => P::SubscriptionIdentifierAvailable(self.bit()?),
            PropertyId::SharedSubscriptionAvailable => P::SharedSubscriptionAvailable(self.bit()?),
        })
    }

    /// The rules on the value without the value: most of what properties hold is text, and to know that it is ASCII
    /// takes less than to make a `str` of it.
    #[inline]
    fn validate(&self) -> Result<(), DecodeError> {
        match self.id.form() {
            Form::Text if self.id != PropertyId::ResponseTopic => self.value().skip_string(),
            Form::TextPair => {
                let mut value = self.value();
                value.skip_string()?;
                value.skip_string()
            }
            // `read` has found all there is to find.
            Form::Binary => Ok(()),
            Form::Text | Form::Bit | Form::Number | Form::LongNumber | Form::Variable => {
                self.check().map(drop)
            }
        }
    }

    fn response_topic(&self) -> Result<&'a str, DecodeError> {
        let mut value = self.value();
        let topic = value.topic_name()?;
        if topic.is_empty() {
            return Err(DecodeError::TopicNameEmpty { at: self.value_at });
        }
        Ok(topic)
    }
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const EMPTY: Properties<'static> = Properties { bytes: &[] };

    /// Takes the length and that many bytes of properties, and checks each for the packet that carries them.
    #[inline]
    pub(super) fn decode(carrier: Carriers, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let len = reader.variable()? as usize;
        let start = reader.at();
        let bytes = reader.take(len).map_err(|_| DecodeError::Truncated { at })?;
        if !bytes.is_empty() {
            Self::validate(carrier, reader.until_here(), start)?;
        }
        Ok(Self { bytes })
    }

    /// Checks the properties from `start` to the end of `source`, which begins at the packet's first byte so that
    /// errors tell the offset in the packet.
    fn validate(carrier: Carriers, source: &'a [u8], start: usize) -> Result<(), DecodeError> {
        let mut reader = Reader::new(source, start);
        // Identifiers are below 64.
        let mut seen = 0u64;
        while !reader.is_empty() {
            let raw = RawProperty::read(&mut reader, source)?;
            let (at, property) = (raw.at, raw.id);
            if !property.carriers().contains(carrier) {
                return Err(DecodeError::PropertyNotAllowed { at, property });
            }
            let bit = 1 << property as u8;
            if seen & bit != 0 && !property.repeats(carrier) {
                return Err(DecodeError::PropertyDuplicate { at, property });
            }
            seen |= bit;
            raw.validate()?;
        }
        let has = |property: PropertyId| seen & 1 << property as u8 != 0;
        if has(PropertyId::AuthenticationData) && !has(PropertyId::AuthenticationMethod) {
            return Err(DecodeError::AuthenticationMethodMissing {});
        }
        Ok(())
    }

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
        self.raw().map_while(|raw| raw.check().ok())
    }

    pub(super) fn raw(&self) -> impl Iterator<Item = RawProperty<'a>> + use<'a> {
        let source = self.bytes;
        let mut reader = Reader::new(source, 0);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            RawProperty::read(&mut reader, source).ok()
        })
    }

    /// Where the four bytes of the Message Expiry Interval stand in `as_bytes`: a broker writes there how much of it is left
    /// [MQTT-3.3.2-6].
    pub fn message_expiry_interval_at(&self) -> Option<usize> {
        Some(self.find(PropertyId::MessageExpiryInterval)?.value_at)
    }

    /// True when a property that ends at this hop is among them: Topic Alias, Subscription Identifier.
    pub fn has_hop_by_hop(&self) -> bool {
        self.raw().any(|raw| raw.id.is_hop_by_hop())
    }

    fn find(&self, id: PropertyId) -> Option<RawProperty<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        self.raw().find(|raw| raw.id == id)
    }

    fn find_text(&self, id: PropertyId) -> Option<&'a str> {
        self.find(id)?.text().ok()
    }

    fn find_binary(&self, id: PropertyId) -> Option<&'a [u8]> {
        self.find(id)?.binary().ok()
    }

    fn find_number(&self, id: PropertyId) -> Option<u16> {
        self.find(id)?.number().ok()
    }

    fn find_long_number(&self, id: PropertyId) -> Option<u32> {
        self.find(id)?.long_number().ok()
    }

    fn find_bit(&self, id: PropertyId) -> Option<bool> {
        self.find(id)?.bit().ok()
    }
}

/// One getter a property that stands at most once; `None` when it is absent: the standard's default is the caller's.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $find:ident($id:ident);)*) => {
        impl<'a> Properties<'a> {
            $($(#[$doc])* pub fn $name(&self) -> Option<$type> { self.$find(PropertyId::$id) })*
        }
    };
}

getters! {
    /// Whether the payload is UTF-8 (PUBLISH, Will).
    payload_format_indicator: bool = find_bit(PayloadFormatIndicator);
    /// Seconds (PUBLISH, Will).
    message_expiry_interval: u32 = find_long_number(MessageExpiryInterval);
    /// PUBLISH, Will.
    content_type: &'a str = find_text(ContentType);
    /// A topic name without wildcards (PUBLISH, Will).
    response_topic: &'a str = find_text(ResponseTopic);
    /// PUBLISH, Will.
    correlation_data: &'a [u8] = find_binary(CorrelationData);
    /// Seconds; `u32::MAX` never ends (CONNECT, CONNACK, DISCONNECT).
    session_expiry_interval: u32 = find_long_number(SessionExpiryInterval);
    /// CONNACK.
    assigned_client_identifier: &'a str = find_text(AssignedClientIdentifier);
    /// Seconds (CONNACK).
    server_keep_alive: u16 = find_number(ServerKeepAlive);
    /// CONNECT, CONNACK, AUTH.
    authentication_method: &'a str = find_text(AuthenticationMethod);
    /// CONNECT, CONNACK, AUTH.
    authentication_data: &'a [u8] = find_binary(AuthenticationData);
    /// CONNECT; absent means true.
    request_problem_information: bool = find_bit(RequestProblemInformation);
    /// Seconds (Will).
    will_delay_interval: u32 = find_long_number(WillDelayInterval);
    /// CONNECT; absent means false.
    request_response_information: bool = find_bit(RequestResponseInformation);
    /// CONNACK.
    response_information: &'a str = find_text(ResponseInformation);
    /// CONNACK, DISCONNECT.
    server_reference: &'a str = find_text(ServerReference);
    /// Every answer.
    reason_string: &'a str = find_text(ReasonString);
    /// Never 0 (CONNECT, CONNACK); absent means 65,535.
    receive_maximum: u16 = find_number(ReceiveMaximum);
    /// CONNECT, CONNACK; absent means 0.
    topic_alias_maximum: u16 = find_number(TopicAliasMaximum);
    /// Never 0 (PUBLISH).
    topic_alias: u16 = find_number(TopicAlias);
    /// Whether QoS 1 (and not only 0) is taken (CONNACK); absent means QoS 2.
    maximum_qos: bool = find_bit(MaximumQoS);
    /// CONNACK; absent means true.
    retain_available: bool = find_bit(RetainAvailable);
    /// Bytes of a whole packet, never 0 (CONNECT, CONNACK); absent means no limit.
    maximum_packet_size: u32 = find_long_number(MaximumPacketSize);
    /// CONNACK; absent means true.
    wildcard_subscription_available: bool = find_bit(WildcardSubscriptionAvailable);
    /// CONNACK; absent means true.
    subscription_identifier_available: bool = find_bit(SubscriptionIdentifierAvailable);
    /// CONNACK; absent means true.
    shared_subscription_available: bool = find_bit(SharedSubscriptionAvailable);
}

impl<'a> Properties<'a> {
    /// The Subscription Identifier of a SUBSCRIBE, or the first of a PUBLISH; never 0.
    pub fn subscription_identifier(&self) -> Option<u32> {
        self.subscription_identifiers().next()
    }

    /// Every Subscription Identifier of a PUBLISH.
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.raw()
            .filter(|raw| raw.id == PropertyId::SubscriptionIdentifier)
            .map_while(|raw| raw.value().variable().ok())
    }

    /// Every User Property in the sender's order [MQTT-3.3.2-18].
    pub fn user_properties(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.raw()
            .filter(|raw| raw.id == PropertyId::UserProperty)
            .map_while(|raw| {
                let mut value = raw.value();
                Some((value.string().ok()?, value.string().ok()?))
            })
    }
}
