//! Every way to be malformed that the standards name: the bytes, the exact error and its reason code.
//!
//! A table a kind of packet. The last test holds the tables to cover every variant of `DecodeError`.

use ringwire_codec::mqtt::DecodeError as E;
use ringwire_codec::mqtt::ReasonCode as R;
use ringwire_codec::mqtt::Version::{V5, V31, V311};
use ringwire_codec::mqtt::{Decoded, PacketType, PropertyId as P, Version, decode};
use std::collections::BTreeSet;

type Row = (Version, &'static [u8], E, R);

const LIMIT: u32 = 1_000;

fn hold(rows: &[Row]) {
    for (version, bytes, error, reason) in rows {
        assert_eq!(
            decode(*version, bytes, LIMIT),
            Err(*error),
            "{version:?} {bytes:02x?}"
        );
        assert_eq!(error.reason_code(), *reason, "{error}");
    }
}

const MALFORMED: R = R::MalformedPacket;
const PROTOCOL: R = R::ProtocolError;
const TOPIC: R = R::TopicNameInvalid;
const FILTER: R = R::TopicFilterInvalid;
const VERSION: R = R::UnsupportedProtocolVersion;

const fn value(at: usize, property: P) -> E {
    E::PropertyValue { at, property }
}

const fn duplicate(at: usize, property: P) -> E {
    E::PropertyDuplicate { at, property }
}

const fn foreign(at: usize, property: P) -> E {
    E::PropertyNotAllowed { at, property }
}

#[rustfmt::skip]
const HEADERS: &[Row] = &[
    (V5, b"\x00\x00", E::PacketTypeReserved { number: 0 }, MALFORMED),
    // AUTH exists in 5.0 only; one byte is enough to say so.
    (V311, b"\xF0", E::PacketTypeReserved { number: 15 }, MALFORMED),
    (V31, b"\xF0\x00", E::PacketTypeReserved { number: 15 }, MALFORMED),
    (V5, b"\xC1\x00", E::HeaderFlags { packet: PacketType::PingReq, flags: 1 }, MALFORMED),
    (V5, b"\x11", E::HeaderFlags { packet: PacketType::Connect, flags: 1 }, MALFORMED),
    (V311, b"\x80\x00", E::HeaderFlags { packet: PacketType::Subscribe, flags: 0 }, MALFORMED),
    (V5, b"\x8A\x00", E::HeaderFlags { packet: PacketType::Subscribe, flags: 10 }, MALFORMED),
    (V311, b"\xA0\x00", E::HeaderFlags { packet: PacketType::Unsubscribe, flags: 0 }, MALFORMED),
    (V5, b"\x60\x02\x00\x01", E::HeaderFlags { packet: PacketType::PubRel, flags: 0 }, MALFORMED),
    (V31, b"\x48\x02\x00\x01", E::HeaderFlags { packet: PacketType::PubAck, flags: 8 }, MALFORMED),
    (V5, b"\xE1\x00", E::HeaderFlags { packet: PacketType::Disconnect, flags: 1 }, MALFORMED),
    (V5, b"\xF1\x00", E::HeaderFlags { packet: PacketType::Auth, flags: 1 }, MALFORMED),
    (V311, b"\x30\xFF\xFF\xFF\xFF", E::VariableIntegerTooLong { at: 1 }, MALFORMED),
    (V311, b"\x30\x80\x80\x80\x80\x01", E::VariableIntegerTooLong { at: 1 }, MALFORMED),
    (V5, b"\xC0\x80\x00", E::VariableIntegerNotMinimal { at: 1 }, MALFORMED),
    (V5, b"\x30\xE9\x07", E::PacketTooLarge { size: 1_004, limit: LIMIT }, R::PacketTooLarge),
    (V311, b"\x10\xFF\xFF\xFF\x7F", E::PacketTooLarge { size: 268_435_460, limit: LIMIT }, R::PacketTooLarge),
    (V5, b"\xC0\x01\x00", E::TrailingBytes { at: 2 }, MALFORMED),
    (V311, b"\xD0\x01\x00", E::TrailingBytes { at: 2 }, MALFORMED),
];

#[rustfmt::skip]
const CONNECTS: &[Row] = &[
    (V5, b"\x10\x00", E::Truncated { at: 2 }, MALFORMED),
    (V5, b"\x10\x06\x00\x04MQTT", E::Truncated { at: 8 }, MALFORMED),
    (V5, b"\x10\x06\x00\x05MQTT", E::Truncated { at: 2 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04mqtt\x04\x02\x00\x0A\x00\x01c", E::ProtocolName {}, VERSION),
    (V5, b"\x10\x0D\x00\x04MQTT\x06\x02\x00\x0A\x00\x01c", E::ProtocolLevel { level: 6 }, VERSION),
    (V5, b"\x10\x0D\x00\x04MQTT\x03\x02\x00\x0A\x00\x01c", E::ProtocolLevel { level: 3 }, VERSION),
    (V5, b"\x10\x0F\x00\x06MQIsdp\x04\x02\x00\x0A\x00\x01c", E::ProtocolLevel { level: 4 }, VERSION),
    // A bridge sets the level's highest bit.
    (V5, b"\x10\x0D\x00\x04MQTT\x84\x02\x00\x0A\x00\x01c", E::ProtocolLevel { level: 0x84 }, VERSION),
    // Nothing after the level matters when the level is not spoken.
    (V5, b"\x10\x07\x00\x04MQTT\x07", E::ProtocolLevel { level: 7 }, VERSION),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x0A\x00\x01c", E::ConnectFlagReserved { at: 9 }, MALFORMED),
    (V5, b"\x10\x0E\x00\x04MQTT\x05\x01\x00\x0A\x00\x00\x01c", E::ConnectFlagReserved { at: 9 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x0A\x00\x0A\x00\x01c", E::WillFlags { at: 9 }, MALFORMED),
    (V5, b"\x10\x0E\x00\x04MQTT\x05\x22\x00\x0A\x00\x00\x01c", E::WillFlags { at: 9 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x1E\x00\x0A\x00\x01c", E::QoSReserved { at: 9 }, MALFORMED),
    (V5, b"\x10\x0F\x00\x06MQIsdp\x03\x1E\x00\x0A\x00\x01c", E::QoSReserved { at: 11 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x42\x00\x0A\x00\x01c", E::PasswordWithoutUserName { at: 9 }, MALFORMED),
    (V5, b"\x10\x0F\x00\x06MQIsdp\x03\x42\x00\x0A\x00\x01c", E::PasswordWithoutUserName { at: 11 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x82\x00\x0A\x00\x01c", E::Truncated { at: 15 }, MALFORMED),
    (V5, b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x0A\x00\x01cX", E::TrailingBytes { at: 15 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x0A\x00\x01\xFF", E::StringNotUtf8 { at: 12 }, MALFORMED),
    (V5, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x0A\x00\x01\x00", E::StringHasNul { at: 12 }, MALFORMED),
    (V5, b"\x10\x13\x00\x04MQTT\x04\x06\x00\x0A\x00\x01c\x00\x01+\x00\x01p", E::TopicNameWildcard { at: 15 }, TOPIC),
    (V5, b"\x10\x12\x00\x04MQTT\x04\x06\x00\x0A\x00\x01c\x00\x00\x00\x01p", E::TopicNameEmpty { at: 15 }, TOPIC),
    (V5, b"\x10\x8E\x00\x00\x04MQTT\x05\x02\x00\x0A\x00\x00\x01c", E::VariableIntegerNotMinimal { at: 1 }, MALFORMED),
    // Receive Maximum 0, Maximum Packet Size 0, Request Problem Information 2.
    (V5, b"\x10\x11\x00\x04MQTT\x05\x02\x00\x0A\x03\x21\x00\x00\x00\x01c", value(13, P::ReceiveMaximum), PROTOCOL),
    (V5, b"\x10\x13\x00\x04MQTT\x05\x02\x00\x0A\x05\x27\x00\x00\x00\x00\x00\x01c", value(13, P::MaximumPacketSize), PROTOCOL),
    (V5, b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0A\x02\x17\x02\x00\x01c", value(13, P::RequestProblemInformation), PROTOCOL),
    (V5, b"\x10\x10\x00\x04MQTT\x05\x02\x00\x0A\x02\x01\x01\x00\x01c", foreign(13, P::PayloadFormatIndicator), MALFORMED),
    (V5, b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0A\x04\x16\x00\x01s\x00\x01c", E::AuthenticationMethodMissing {}, PROTOCOL),
    (V5, b"\x10\x12\x00\x04MQTT\x05\x02\x00\x0A\x04\x17\x00\x17\x00\x00\x01c", duplicate(15, P::RequestProblemInformation), PROTOCOL),
    // A Will's properties: Session Expiry Interval does not belong there.
    (V5, b"\x10\x1A\x00\x04MQTT\x05\x06\x00\x0A\x00\x00\x01c\x05\x11\x00\x00\x00\x01\x00\x01w\x00\x01p", foreign(17, P::SessionExpiryInterval), MALFORMED),
];

#[rustfmt::skip]
const CONNACKS: &[Row] = &[
    (V311, b"\x20\x02\x02\x00", E::ConnAckFlags { at: 2 }, MALFORMED),
    (V311, b"\x20\x02\x00\x06", E::ReasonCodeInvalid { at: 3, code: 6 }, PROTOCOL),
    (V311, b"\x20\x02\x01\x05", E::SessionPresentOnFailure {}, PROTOCOL),
    (V5, b"\x20\x03\x00\x01\x00", E::ReasonCodeInvalid { at: 3, code: 1 }, PROTOCOL),
    (V5, b"\x20\x03\x01\x87\x00", E::SessionPresentOnFailure {}, PROTOCOL),
    (V5, b"\x20\x02\x00\x00", E::Truncated { at: 4 }, MALFORMED),
    (V311, b"\x20\x03\x00\x00\x00", E::TrailingBytes { at: 4 }, MALFORMED),
    // Maximum QoS 2.
    (V5, b"\x20\x05\x00\x00\x02\x24\x02", value(5, P::MaximumQoS), PROTOCOL),
];

#[rustfmt::skip]
const PUBLISHES: &[Row] = &[
    (V5, b"\x36\x06\x00\x01t\x00\x01\x00", E::QoSReserved { at: 0 }, MALFORMED),
    (V311, b"\x36\x05\x00\x01t\x00\x01", E::QoSReserved { at: 0 }, MALFORMED),
    (V311, b"\x38\x03\x00\x01t", E::DupAtQoS0 {}, MALFORMED),
    (V5, b"\x38\x04\x00\x01t\x00", E::DupAtQoS0 {}, MALFORMED),
    (V311, b"\x32\x05\x00\x01t\x00\x00", E::PacketIdZero { at: 5 }, PROTOCOL),
    (V5, b"\x34\x06\x00\x01t\x00\x00\x00", E::PacketIdZero { at: 5 }, PROTOCOL),
    (V311, b"\x32\x04\x00\x01t\x00", E::Truncated { at: 5 }, MALFORMED),
    (V311, b"\x30\x01\x00", E::Truncated { at: 2 }, MALFORMED),
    (V311, b"\x30\x00", E::Truncated { at: 2 }, MALFORMED),
    (V311, b"\x30\x03\x00\x02t", E::Truncated { at: 2 }, MALFORMED),
    (V5, b"\x30\x03\x00\x01t", E::Truncated { at: 5 }, MALFORMED),
    (V311, b"\x30\x05\x00\x03a/#", E::TopicNameWildcard { at: 2 }, TOPIC),
    (V5, b"\x30\x06\x00\x03a/+\x00", E::TopicNameWildcard { at: 2 }, TOPIC),
    (V311, b"\x30\x03\x00\x01\x00", E::StringHasNul { at: 2 }, MALFORMED),
    (V311, b"\x30\x03\x00\x01\x80", E::StringNotUtf8 { at: 2 }, MALFORMED),
    // A surrogate (U+D800), an overlong NUL, a code point above U+10FFFF.
    (V5, b"\x30\x06\x00\x03\xED\xA0\x80\x00", E::StringNotUtf8 { at: 2 }, MALFORMED),
    (V5, b"\x30\x05\x00\x02\xC0\x80\x00", E::StringNotUtf8 { at: 2 }, MALFORMED),
    (V5, b"\x30\x07\x00\x04\xF4\x90\x80\x80\x00", E::StringNotUtf8 { at: 2 }, MALFORMED),
    (V311, b"\x30\x02\x00\x00", E::TopicNameEmpty { at: 2 }, TOPIC),
    (V5, b"\x30\x03\x00\x00\x00", E::TopicNameMissing {}, PROTOCOL),
    (V5, b"\x30\x07\x00\x01t\x03\x23\x00\x00", E::TopicAliasZero { at: 6 }, R::TopicAliasInvalid),
    (V5, b"\x30\x06\x00\x01t\x02\x0B\x00", value(6, P::SubscriptionIdentifier), PROTOCOL),
    (V5, b"\x30\x06\x00\x01t\x02\x01\x02", value(6, P::PayloadFormatIndicator), PROTOCOL),
    (V5, b"\x30\x08\x00\x01t\x04\x01\x00\x01\x00", duplicate(8, P::PayloadFormatIndicator), PROTOCOL),
    (V5, b"\x30\x05\x00\x01t\x01\x04", E::PropertyUnknown { at: 6, id: 4 }, MALFORMED),
    (V5, b"\x30\x06\x00\x01t\x02\x81\x01", E::PropertyUnknown { at: 6, id: 129 }, MALFORMED),
    // An identifier is a variable byte integer too, and so has one form only.
    (V5, b"\x30\x07\x00\x01t\x03\x81\x00\x01", E::VariableIntegerNotMinimal { at: 6 }, MALFORMED),
    (V5, b"\x30\x09\x00\x01t\x05\x0B\xFF\xFF\xFF\xFF", E::VariableIntegerTooLong { at: 7 }, MALFORMED),
    (V5, b"\x30\x06\x00\x01t\x02\x17\x01", foreign(6, P::RequestProblemInformation), MALFORMED),
    // Properties longer than the packet; a property longer than the properties.
    (V5, b"\x30\x05\x00\x01t\x7F\x01", E::Truncated { at: 5 }, MALFORMED),
    (V5, b"\x30\x07\x00\x01t\x02\x02\x00\x00", E::Truncated { at: 7 }, MALFORMED),
    (V5, b"\x30\x05\x00\x01t\x80\x00", E::VariableIntegerNotMinimal { at: 5 }, MALFORMED),
    // Response Topic: a topic name.
    (V5, b"\x30\x08\x00\x01t\x04\x08\x00\x01#", E::TopicNameWildcard { at: 7 }, TOPIC),
    (V5, b"\x30\x07\x00\x01t\x03\x08\x00\x00", E::TopicNameEmpty { at: 7 }, TOPIC),
    // Content Type and User Property: strings.
    (V5, b"\x30\x08\x00\x01t\x04\x03\x00\x01\xFF", E::StringNotUtf8 { at: 7 }, MALFORMED),
    (V5, b"\x30\x0B\x00\x01t\x07\x26\x00\x01k\x00\x01\x00", E::StringHasNul { at: 10 }, MALFORMED),
];

#[rustfmt::skip]
const ACKS: &[Row] = &[
    (V311, b"\x40\x00", E::Truncated { at: 2 }, MALFORMED),
    (V311, b"\x40\x02\x00\x00", E::PacketIdZero { at: 2 }, PROTOCOL),
    (V311, b"\x40\x03\x00\x01\x00", E::TrailingBytes { at: 4 }, MALFORMED),
    (V5, b"\x40\x03\x00\x01\x92", E::ReasonCodeInvalid { at: 4, code: 0x92 }, PROTOCOL),
    (V5, b"\x62\x03\x00\x01\x10", E::ReasonCodeInvalid { at: 4, code: 0x10 }, PROTOCOL),
    (V5, b"\x70\x03\x00\x01\xFF", E::ReasonCodeInvalid { at: 4, code: 0xFF }, PROTOCOL),
    (V5, b"\x50\x05\x00\x01\x00\x00\x00", E::TrailingBytes { at: 6 }, MALFORMED),
    (V5, b"\x40\x0C\x00\x01\x00\x08\x1F\x00\x01a\x1F\x00\x01b", duplicate(10, P::ReasonString), PROTOCOL),
];

#[rustfmt::skip]
const SUBSCRIPTIONS: &[Row] = &[
    (V311, b"\x82\x02\x00\x01", E::NoTopicFilter {}, PROTOCOL),
    (V5, b"\x82\x03\x00\x01\x00", E::NoTopicFilter {}, PROTOCOL),
    (V311, b"\x82\x06\x00\x00\x00\x01t\x00", E::PacketIdZero { at: 2 }, PROTOCOL),
    (V311, b"\x82\x05\x00\x01\x00\x01t", E::Truncated { at: 7 }, MALFORMED),
    (V311, b"\x82\x06\x00\x01\x00\x01t\x03", E::SubscriptionQoS { at: 7 }, PROTOCOL),
    (V311, b"\x82\x06\x00\x01\x00\x01t\x04", E::SubscriptionOptionsReserved { at: 7 }, MALFORMED),
    (V5, b"\x82\x07\x00\x01\x00\x00\x01t\x40", E::SubscriptionOptionsReserved { at: 8 }, MALFORMED),
    (V5, b"\x82\x07\x00\x01\x00\x00\x01t\x30", E::RetainHandlingReserved { at: 8 }, PROTOCOL),
    (V5, b"\x82\x07\x00\x01\x00\x00\x01t\x03", E::SubscriptionQoS { at: 8 }, PROTOCOL),
    (V5, b"\x82\x10\x00\x01\x00\x00\x0A$share/g/t\x04", E::NoLocalOnShared { at: 5 }, PROTOCOL),
    (V5, b"\x82\x0E\x00\x01\x00\x00\x08$share/g\x00", E::TopicFilterInvalid { at: 5 }, FILTER),
    (V5, b"\x82\x0F\x00\x01\x00\x00\x09$share//t\x00", E::TopicFilterInvalid { at: 5 }, FILTER),
    (V5, b"\x82\x10\x00\x01\x00\x00\x0A$share/+/t\x00", E::TopicFilterInvalid { at: 5 }, FILTER),
    (V5, b"\x82\x0F\x00\x01\x00\x00\x09$share/g/\x00", E::TopicFilterInvalid { at: 5 }, FILTER),
    (V311, b"\x82\x05\x00\x01\x00\x00\x00", E::TopicFilterInvalid { at: 4 }, FILTER),
    (V311, b"\x82\x08\x00\x01\x00\x03#/a\x00", E::TopicFilterInvalid { at: 4 }, FILTER),
    (V311, b"\x82\x07\x00\x01\x00\x02a+\x00", E::TopicFilterInvalid { at: 4 }, FILTER),
    (V311, b"\x82\x06\x00\x01\x00\x01\xFF\x00", E::StringNotUtf8 { at: 4 }, MALFORMED),
    // The second filter is wrong.
    (V311, b"\x82\x0B\x00\x01\x00\x01t\x00\x00\x02a#\x00", E::TopicFilterInvalid { at: 8 }, FILTER),
    (V5, b"\x82\x0B\x00\x01\x04\x0B\x01\x0B\x02\x00\x01t\x00", duplicate(7, P::SubscriptionIdentifier), PROTOCOL),
    (V311, b"\x90\x02\x00\x01", E::NoReasonCode {}, PROTOCOL),
    (V311, b"\x90\x03\x00\x01\x03", E::ReasonCodeInvalid { at: 4, code: 3 }, PROTOCOL),
    (V311, b"\x90\x03\x00\x01\x87", E::ReasonCodeInvalid { at: 4, code: 0x87 }, PROTOCOL),
    (V5, b"\x90\x04\x00\x01\x00\x11", E::ReasonCodeInvalid { at: 5, code: 0x11 }, PROTOCOL),
    (V311, b"\xA2\x02\x00\x01", E::NoTopicFilter {}, PROTOCOL),
    (V5, b"\xA2\x03\x00\x01\x00", E::NoTopicFilter {}, PROTOCOL),
    (V311, b"\xA2\x05\x00\x01\x00\x02t", E::Truncated { at: 4 }, MALFORMED),
    (V311, b"\xA2\x06\x00\x01\x00\x02#a", E::TopicFilterInvalid { at: 4 }, FILTER),
    (V5, b"\xB0\x03\x00\x01\x00", E::NoReasonCode {}, PROTOCOL),
    (V5, b"\xB0\x04\x00\x01\x00\x01", E::ReasonCodeInvalid { at: 5, code: 1 }, PROTOCOL),
    (V311, b"\xB0\x03\x00\x01\x00", E::TrailingBytes { at: 4 }, MALFORMED),
];

#[rustfmt::skip]
const ENDINGS: &[Row] = &[
    (V311, b"\xE0\x01\x00", E::TrailingBytes { at: 2 }, MALFORMED),
    (V5, b"\xE0\x01\x01", E::ReasonCodeInvalid { at: 2, code: 1 }, PROTOCOL),
    (V5, b"\xE0\x03\x00\x00\x00", E::TrailingBytes { at: 4 }, MALFORMED),
    (V5, b"\xE0\x04\x00\x02\x17\x00", foreign(4, P::RequestProblemInformation), MALFORMED),
    (V5, b"\xF0\x02\x18\x00", E::AuthenticationMethodMissing {}, PROTOCOL),
    (V5, b"\xF0\x01\x18", E::Truncated { at: 3 }, MALFORMED),
    (V5, b"\xF0\x02\x87\x00", E::ReasonCodeInvalid { at: 2, code: 0x87 }, PROTOCOL),
];

#[test]
fn a_malformed_fixed_header_is_refused() {
    hold(HEADERS);
}

#[test]
fn a_malformed_connect_is_refused() {
    hold(CONNECTS);
}

#[test]
fn a_malformed_connack_is_refused() {
    hold(CONNACKS);
}

#[test]
fn a_malformed_publish_is_refused() {
    hold(PUBLISHES);
}

#[test]
fn a_malformed_acknowledgement_is_refused() {
    hold(ACKS);
}

#[test]
fn a_malformed_subscription_is_refused() {
    hold(SUBSCRIPTIONS);
}

#[test]
fn a_malformed_disconnect_or_auth_is_refused() {
    hold(ENDINGS);
}

#[test]
fn a_payload_that_is_not_the_text_it_claims_to_be_is_told_on_demand() {
    let bytes = b"\x30\x07\x00\x01t\x02\x01\x01\xFF";
    let Ok(Decoded::Packet(ringwire_codec::mqtt::Packet::Publish(publish), 9)) = decode(V5, bytes, LIMIT)
    else {
        panic!("the payload is not decode's business");
    };
    assert_eq!(publish.check_payload(), Err(E::PayloadNotUtf8 {}));
    assert_eq!(E::PayloadNotUtf8 {}.reason_code(), R::PayloadFormatInvalid);
}

/// 3.1 says "not used" where the later standards say "must be zero".
#[test]
fn what_3_1_does_not_use_is_let_through_there_and_only_there() {
    let accepted: &[&[u8]] = &[
        b"\x10\x0F\x00\x06MQIsdp\x03\x03\x00\x0A\x00\x01c",
        b"\x10\x0F\x00\x06MQIsdp\x03\x1A\x00\x0A\x00\x01c",
        b"\x6A\x02\x00\x01",
        b"\x8A\x06\x00\x01\x00\x01t\x00",
        b"\xAA\x05\x00\x01\x00\x01t",
    ];
    for bytes in accepted {
        let whole = decode(V31, bytes, LIMIT);
        assert!(
            matches!(whole, Ok(Decoded::Packet(_, size)) if size == bytes.len()),
            "{whole:?}"
        );
    }
    for bytes in &accepted[2..] {
        assert!(matches!(decode(V311, bytes, LIMIT), Err(E::HeaderFlags { .. })));
    }
}

/// `PayloadNotUtf8` comes from `check_payload` and has its own test above.
#[test]
fn every_error_is_in_a_table() {
    let tables = [
        HEADERS,
        CONNECTS,
        CONNACKS,
        PUBLISHES,
        ACKS,
        SUBSCRIPTIONS,
        ENDINGS,
    ];
    let mut shown: BTreeSet<_> = tables
        .iter()
        .flat_map(|rows| rows.iter().map(|row| row.2.name()))
        .collect();
    shown.insert(E::PayloadNotUtf8 {}.name());
    let all: BTreeSet<_> = E::NAMES.iter().copied().collect();
    assert_eq!(shown, all);
}
