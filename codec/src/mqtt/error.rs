//! What can be wrong with bytes, each with the reason code that the standard gives it.
//!
//! `at` is always the offset, from the packet's first byte, of the field that is wrong. The engine answers with
//! `reason_code` (CONNACK or DISCONNECT in 5.0, in 3.x it just closes) and logs the text.

use super::{PacketType, PropertyId, ReasonCode};

macro_rules! decode_errors {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* } = $text:literal,
        $code:ident, $display:literal;)*) => {
        /// Why bytes are not a packet. The variant decides the reason code on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[allow(missing_docs)]
        pub enum DecodeError { $($(#[$doc])* #[error($display)] $name { $($(#[$field_doc])* $field: $type),* },)* }

        impl DecodeError {
            /// The names of all variants, in the order of declaration.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The reason code of a DISCONNECT (or CONNACK) that answers these bytes.
            pub const fn reason_code(&self) -> ReasonCode {
                match self { $(Self::$name { .. } => ReasonCode::$code,)* }
            }

            /// A stable name for counters and logs.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }
        }
    };
}

decode_errors! {
    /// The packet is larger than the receiver takes.
    PacketTooLarge {
        /// Whole size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: u32
    } = "packet_too_large", PacketTooLarge, "packet of {size} bytes is larger than the limit of {limit}";
    /// Packet type 0, and type 15 before 5.0 (5.0 section 2.1.2).
    PacketTypeReserved {
        /// The type's number.
        number: u8
    } = "packet_type_reserved", MalformedPacket, "packet type {number} is reserved in this protocol version";
    /// Flags of the fixed header that differ from what the standard fixes [MQTT-2.1.3-1].
    HeaderFlags {
        /// The packet's type.
        packet: PacketType,
        /// The low four bits of the first byte.
        flags: u8
    } = "header_flags", MalformedPacket, "fixed header of {packet} has the flags {flags:#06b}";
    /// A variable byte integer of more than four bytes (5.0 section 1.5.5).
    VariableIntegerTooLong { at: usize } = "variable_integer_too_long", MalformedPacket,
        "variable byte integer at byte {at} is longer than four bytes";
    /// A variable byte integer that has a shorter form [MQTT-1.5.5-1]. For 3.x the rule does not exist.
    VariableIntegerNotMinimal { at: usize } = "variable_integer_not_minimal", MalformedPacket,
        "variable byte integer at byte {at} is not in its shortest form";
    /// A field goes on past the end of the packet (or of the properties).
    Truncated { at: usize } = "truncated", MalformedPacket, "field at byte {at} goes on past the end of the packet";
    /// Bytes after the last field.
    TrailingBytes { at: usize } = "trailing_bytes", MalformedPacket,
        "packet has bytes after its last field, from byte {at}";
    /// A string is not UTF-8; surrogates are none either [MQTT-1.5.4-1].
    StringNotUtf8 { at: usize } = "string_not_utf8", MalformedPacket, "string at byte {at} is not UTF-8";
    /// A string holds U+0000 [MQTT-1.5.4-2].
    StringHasNul { at: usize } = "string_has_nul", MalformedPacket, "string at byte {at} holds the character NUL";
    /// Packet identifier 0 [MQTT-2.2.1-3].
    PacketIdZero { at: usize } = "packet_id_zero", ProtocolError, "packet identifier at byte {at} is 0";
    /// QoS 3 of a PUBLISH or a Will [MQTT-3.3.1-4], [MQTT-3.1.2-12].
    QoSReserved { at: usize } = "qos_reserved", MalformedPacket, "QoS in byte {at} is 3";
    /// DUP set on QoS 0 [MQTT-3.3.1-2].
    DupAtQoS0 {} = "dup_at_qos_0", MalformedPacket, "DUP is set on a PUBLISH of QoS 0";
    /// `+` or `#` in a topic name [MQTT-3.3.2-2], [MQTT-3.3.2-14].
    TopicNameWildcard { at: usize } = "topic_name_wildcard", TopicNameInvalid,
        "topic name at byte {at} holds a wildcard";
    /// A topic name of zero bytes where no Topic Alias stands for it [MQTT-4.7.3-1].
    TopicNameEmpty { at: usize } = "topic_name_empty", TopicNameInvalid, "topic name at byte {at} is empty";
    /// A PUBLISH without topic and without Topic Alias (5.0 section 3.3.2.1).
    TopicNameMissing {} = "topic_name_missing", ProtocolError, "PUBLISH has neither a topic name nor a Topic Alias";
    /// A topic filter that is empty or whose wildcards are misplaced [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.8.2-1].
    TopicFilterInvalid { at: usize } = "topic_filter_invalid", TopicFilterInvalid,
        "topic filter at byte {at} is not a valid one";
    /// SUBSCRIBE or UNSUBSCRIBE without a filter [MQTT-3.8.3-2], [MQTT-3.10.3-2].
    NoTopicFilter {} = "no_topic_filter", ProtocolError, "packet has no topic filter";
    /// SUBACK or UNSUBACK without a reason code (5.0 sections 3.9.3 and 3.11.3).
    NoReasonCode {} = "no_reason_code", ProtocolError, "acknowledgement has no reason code";
    /// Reserved bits of Subscription Options [MQTT-3.8.3-5].
    SubscriptionOptionsReserved { at: usize } = "subscription_options_reserved", MalformedPacket,
        "reserved bits of the subscription options at byte {at} are set";
    /// QoS 3 in Subscription Options (5.0 section 3.8.3.1).
    SubscriptionQoS { at: usize } = "subscription_qos", ProtocolError, "QoS of the subscription at byte {at} is 3";
    /// Retain Handling 3 (5.0 section 3.8.3.1).
    RetainHandlingReserved { at: usize } = "retain_handling_reserved", ProtocolError,
        "Retain Handling of the subscription at byte {at} is 3";
    /// No Local on a shared subscription [MQTT-3.8.3-4].
    NoLocalOnShared { at: usize } = "no_local_on_shared", ProtocolError,
        "No Local is set on the shared subscription at byte {at}";
    /// A protocol name other than "MQTT" and "MQIsdp" [MQTT-3.1.2-1].
    ProtocolName {} = "protocol_name", UnsupportedProtocolVersion, "protocol name is neither \"MQTT\" nor \"MQIsdp\"";
    /// A level that does not belong to the name [MQTT-3.1.2-2]; bridges set its highest bit.
    ProtocolLevel {
        /// The level as it stands on the wire.
        level: u8
    } = "protocol_level", UnsupportedProtocolVersion, "protocol level {level} is not spoken";
    /// The reserved bit of the Connect Flags [MQTT-3.1.2-3].
    ConnectFlagReserved { at: usize } = "connect_flag_reserved", MalformedPacket,
        "reserved bit of the Connect Flags at byte {at} is set";
    /// Will QoS or Will Retain without Will Flag [MQTT-3.1.2-11], [MQTT-3.1.2-13].
    WillFlags { at: usize } = "will_flags", MalformedPacket,
        "Connect Flags at byte {at} have Will QoS or Will Retain without a Will";
    /// Password without User Name, which only 5.0 allows (3.1.1 [MQTT-3.1.2-22]).
    PasswordWithoutUserName { at: usize } = "password_without_user_name", MalformedPacket,
        "Connect Flags at byte {at} have a Password without a User Name";
    /// Reserved bits of the Connect Acknowledge Flags [MQTT-3.2.2-1].
    ConnAckFlags { at: usize } = "connack_flags", MalformedPacket,
        "reserved bits of the Connect Acknowledge Flags at byte {at} are set";
    /// Session Present on a refusal [MQTT-3.2.2-6].
    SessionPresentOnFailure {} = "session_present_on_failure", ProtocolError,
        "CONNACK refuses the connection and has Session Present set";
    /// A reason code that the packet cannot carry.
    ReasonCodeInvalid {
        at: usize,
        /// The code as it stands on the wire.
        code: u8
    } = "reason_code_invalid", ProtocolError, "reason code {code:#04x} at byte {at} does not belong to this packet";
    /// A property identifier that the standard does not name (5.0 section 2.2.2.2).
    PropertyUnknown {
        at: usize,
        /// The identifier as it stands on the wire.
        id: u32
    } = "property_unknown", MalformedPacket, "property at byte {at} has the unknown identifier {id}";
    /// A property that this packet cannot carry (5.0 section 2.2.2.2).
    PropertyNotAllowed { at: usize, property: PropertyId } = "property_not_allowed", MalformedPacket,
        "property {property} at byte {at} does not belong to this packet";
    /// A property that may stand once, twice.
    PropertyDuplicate { at: usize, property: PropertyId } = "property_duplicate", ProtocolError,
        "property {property} at byte {at} is there twice";
    /// A property whose value the standard forbids.
    PropertyValue { at: usize, property: PropertyId } = "property_value", ProtocolError,
        "property {property} at byte {at} has a value that is not allowed";
    /// Topic Alias 0 [MQTT-3.3.2-8].
    TopicAliasZero { at: usize } = "topic_alias_zero", TopicAliasInvalid, "Topic Alias at byte {at} is 0";
    /// Authentication Data without Authentication Method, or AUTH without it (5.0 sections 3.1.2.11.10 and 3.15.2.2.2).
    AuthenticationMethodMissing {} = "authentication_method_missing", ProtocolError,
        "Authentication Method is missing";
    /// A payload that is said to be UTF-8 and is not (5.0 section 3.3.2.3.2). Only `Publish::check_payload` says so.
    PayloadNotUtf8 {} = "payload_not_utf8", PayloadFormatInvalid,
        "Payload Format Indicator says UTF-8 and the payload is not";
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
    /// A PUBLISH of QoS 1 or 2 without a packet identifier.
    #[error("a PUBLISH of QoS 1 or 2 has no packet identifier")]
    PacketIdMissing,
    /// SUBSCRIBE, UNSUBSCRIBE and their acknowledgements need at least one entry.
    #[error("a packet that needs a list has an empty one")]
    EmptyList,
    /// The packet or a part of it does not exist in the protocol version: AUTH, a Password without User Name.
    #[error("the packet does not exist in this protocol version")]
    NotInVersion,
}
