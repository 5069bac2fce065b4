//! The same bytes through three codecs: ours, `mqtt-protocol-core` and `mqttbytes`.
//!
//! Whoever accepts a packet writes it again, and the bytes are compared, so that what was understood is compared too.
//! Valid packets must come out the same. Of damaged ones the answers may differ only where a list of what theirs lets
//! through, or a named exception, says why.

mod model;

use bytes::BytesMut;
use model::case;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{PacketBuildResult, PacketBuilder, PacketData};
use mqtt_protocol_core::mqtt::packet::{v3_1_1, v5_0};
use proptest::collection::vec;
use proptest::prelude::*;
use ringwire_codec::mqtt::*;

const LIMIT: u32 = 1 << 20;

/// Our answer: the packet written again, or the error.
fn ours(version: Version, bytes: &[u8]) -> Option<Result<Vec<u8>, DecodeError>> {
    match decode(version, bytes, LIMIT) {
        Ok(Decoded::Packet(packet, _)) => {
            let mut out = Vec::new();
            packet
                .encode(version, &mut out)
                .expect("what was decoded can be written");
            Some(Ok(out))
        }
        Ok(Decoded::Incomplete { .. }) => None,
        Err(error) => Some(Err(error)),
    }
}

/// The answer of `mqtt-protocol-core`: `None` when it waits for more.
fn protocol_core(version: Version, bytes: &[u8]) -> Option<Result<Vec<u8>, ()>> {
    let raw = match PacketBuilder::new().feed(&mut Cursor::new(bytes)) {
        PacketBuildResult::Complete(raw) => raw,
        PacketBuildResult::Incomplete => return None,
        PacketBuildResult::Error(_) => return Some(Err(())),
    };
    let flags = raw.flags();
    macro_rules! again {
        ($packet:ty) => {
            raw.parse_exact(<$packet>::parse)
                .map(|packet| packet.to_continuous_buffer())
                .map_err(drop)
        };
    }
    macro_rules! publish {
        ($packet:ty) => {{
            let PacketData::Publish(body) = &raw.data else {
                panic!("a PUBLISH has its own form")
            };
            <$packet>::parse(flags, body.clone())
                .map(|(packet, _)| packet.to_continuous_buffer())
                .map_err(drop)
        }};
    }
    let fixed = match raw.packet_type() {
        6 | 8 | 10 => 0b0010,
        3 => flags,
        _ => 0,
    };
    if flags != fixed {
        return Some(Err(()));
    }
    Some(match (version, raw.packet_type()) {
        (Version::V5, 1) => again!(v5_0::Connect),
        (Version::V5, 2) => again!(v5_0::Connack),
        (Version::V5, 3) => publish!(v5_0::Publish),
        (Version::V5, 4) => again!(v5_0::Puback),
        (Version::V5, 5) => again!(v5_0::Pubrec),
        (Version::V5, 6) => again!(v5_0::Pubrel),
        (Version::V5, 7) => again!(v5_0::Pubcomp),
        (Version::V5, 8) => again!(v5_0::Subscribe),
        (Version::V5, 9) => again!(v5_0::Suback),
        (Version::V5, 10) => again!(v5_0::Unsubscribe),
        (Version::V5, 11) => again!(v5_0::Unsuback),
        (Version::V5, 12) => again!(v5_0::Pingreq),
        (Version::V5, 13) => again!(v5_0::Pingresp),
        (Version::V5, 14) => again!(v5_0::Disconnect),
        (Version::V5, 15) => again!(v5_0::Auth),
        (_, 1) => again!(v3_1_1::Connect),
        (_, 2) => again!(v3_1_1::Connack),
        (_, 3) => publish!(v3_1_1::Publish),
        (_, 4) => again!(v3_1_1::Puback),
        (_, 5) => again!(v3_1_1::Pubrec),
        (_, 6) => again!(v3_1_1::Pubrel),
        (_, 7) => again!(v3_1_1::Pubcomp),
        (_, 8) => again!(v3_1_1::Subscribe),
        (_, 9) => again!(v3_1_1::Suback),
        (_, 10) => again!(v3_1_1::Unsubscribe),
        (_, 11) => again!(v3_1_1::Unsuback),
        (_, 12) => again!(v3_1_1::Pingreq),
        (_, 13) => again!(v3_1_1::Pingresp),
        (_, 14) => again!(v3_1_1::Disconnect),
        _ => Err(()),
    })
}

/// The answer of `mqttbytes` for 3.1.1.
fn mqttbytes(bytes: &[u8]) -> Option<Result<Vec<u8>, mqttbytes::Error>> {
    use mqttbytes::v4;
    let mut out = BytesMut::new();
    let packet = match v4::read(&mut BytesMut::from(bytes), LIMIT as usize) {
        Ok(packet) => packet,
        Err(mqttbytes::Error::InsufficientBytes(_)) => return None,
        Err(error) => return Some(Err(error)),
    };
    let written = match packet {
        v4::Packet::Connect(packet) => packet.write(&mut out),
        v4::Packet::ConnAck(packet) => packet.write(&mut out),
        v4::Packet::Publish(packet) => packet.write(&mut out),
        v4::Packet::PubAck(packet) => packet.write(&mut out),
        v4::Packet::PubRec(packet) => packet.write(&mut out),
        v4::Packet::PubRel(packet) => packet.write(&mut out),
        v4::Packet::PubComp(packet) => packet.write(&mut out),
        v4::Packet::Subscribe(packet) => packet.write(&mut out),
        v4::Packet::SubAck(packet) => packet.write(&mut out),
        v4::Packet::Unsubscribe(packet) => packet.write(&mut out),
        v4::Packet::UnsubAck(packet) => packet.write(&mut out),
        v4::Packet::PingReq => v4::PingReq.write(&mut out),
        v4::Packet::PingResp => v4::PingResp.write(&mut out),
        v4::Packet::Disconnect => v4::Disconnect.write(&mut out),
    };
    Some(written.map(|_| out.to_vec()))
}

fn damaged(version: Version) -> impl Strategy<Value = Vec<u8>> {
    (
        case(version),
        vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    )
        .prop_map(|(case, damage)| {
            let mut bytes = case.bytes();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

fn spoken() -> impl Strategy<Value = Version> {
    proptest::sample::select(&[Version::V311, Version::V5][..])
}

/// What another codec takes and we refuse: our error's name, an example, and why.
type Lax = (&'static str, Version, &'static [u8], &'static str);

#[rustfmt::skip]
const PROTOCOL_CORE_LAX: &[Lax] = &[
    ("packet_type_reserved", Version::V5, b"\x00\x05", "it looks at the type when the packet is whole"),
    ("header_flags", Version::V5, b"\x11\x05", "it looks at the flags when the packet is whole"),
    ("packet_too_large", Version::V5, b"\x30\xFF\xFF\xFF\x7F", "the limit is its caller's; none is set here"),
    ("connect_flag_reserved", Version::V311, b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x0A\x00\x01c", "not checked"),
    ("qos_reserved", Version::V311, b"\x10\x13\x00\x04MQTT\x04\x1E\x00\x0A\x00\x01c\x00\x01w\x00\x01p", "not checked of a Will"),
    ("will_flags", Version::V311, b"\x10\x0D\x00\x04MQTT\x04\x0A\x00\x0A\x00\x01c", "not checked"),
    ("connack_flags", Version::V311, b"\x20\x02\x02\x00", "ignored"),
    ("session_present_on_failure", Version::V311, b"\x20\x02\x01\x05", "not checked"),
    ("dup_at_qos_0", Version::V311, b"\x38\x03\x00\x01t", "not checked"),
    ("topic_name_wildcard", Version::V311, b"\x10\x13\x00\x04MQTT\x04\x06\x00\x0A\x00\x01c\x00\x01+\x00\x01p", "not checked of a Will"),
    ("topic_name_empty", Version::V311, b"\x10\x12\x00\x04MQTT\x04\x06\x00\x0A\x00\x01c\x00\x00\x00\x01p", "not checked of a Will"),
    ("topic_filter_invalid", Version::V311, b"\x82\x08\x00\x01\x00\x03#/a\x00", "not checked"),
    ("string_has_nul", Version::V311, b"\x30\x03\x00\x01\x00", "not checked"),
    ("subscription_options_reserved", Version::V311, b"\x82\x06\x00\x01\x00\x01t\x04", "5.0's options are taken in 3.1.1"),
    ("no_local_on_shared", Version::V5, b"\x82\x10\x00\x01\x00\x00\x0A$share/g/t\x04", "not checked"),
    ("variable_integer_not_minimal", Version::V5, b"\x30\x07\x00\x01t\x03\x0B\x81\x00", "not checked"),
    ("trailing_bytes", Version::V311, b"\x50\x03\x00\x01\x00", "a PUBREC of 3.1.1 may have a reason code"),
];

#[rustfmt::skip]
const MQTTBYTES_LAX: &[Lax] = &[
    ("packet_type_reserved", Version::V311, b"\x00\x05", "it looks at the type when the packet is whole"),
    ("header_flags", Version::V311, b"\xC1\x00", "not checked"),
    ("packet_too_large", Version::V311, b"\x30\x80\x80\x40", "its limit counts the remaining length, ours the packet"),
    ("connect_flag_reserved", Version::V311, b"\x10\x0D\x00\x04MQTT\x04\x03\x00\x0A\x00\x01c", "not checked"),
    ("password_without_user_name", Version::V311, b"\x10\x10\x00\x04MQTT\x04\x42\x00\x0A\x00\x01c\x00\x01p", "not checked"),
    ("connack_flags", Version::V311, b"\x20\x02\x02\x00", "ignored"),
    ("session_present_on_failure", Version::V311, b"\x20\x02\x01\x05", "not checked"),
    ("dup_at_qos_0", Version::V311, b"\x38\x03\x00\x01t", "not checked"),
    ("no_topic_filter", Version::V311, b"\x82\x02\x00\x01", "not checked"),
    ("topic_name_empty", Version::V311, b"\x30\x02\x00\x00", "not checked"),
    ("topic_name_wildcard", Version::V311, b"\x30\x05\x00\x03a/#", "not checked"),
    ("topic_filter_invalid", Version::V311, b"\x82\x08\x00\x01\x00\x03#/a\x00", "not checked"),
    ("string_has_nul", Version::V311, b"\x30\x03\x00\x01\x00", "not checked"),
    ("packet_id_zero", Version::V311, b"\x40\x02\x00\x00", "checked of PUBLISH only"),
    ("subscription_options_reserved", Version::V311, b"\x82\x06\x00\x01\x00\x01t\x04", "ignored"),
    ("trailing_bytes", Version::V311, b"\xC0\x01\x00", "ignored"),
];

#[test]
fn what_others_let_through_is_still_let_through() {
    for (name, version, bytes, why) in PROTOCOL_CORE_LAX {
        assert!(
            matches!(ours(*version, bytes), Some(Err(error)) if error.name() == *name),
            "{name}: {why}"
        );
        assert!(
            !matches!(protocol_core(*version, bytes), Some(Err(()))),
            "{name}: {why}"
        );
    }
    for (name, version, bytes, why) in MQTTBYTES_LAX {
        assert!(
            matches!(ours(*version, bytes), Some(Err(error)) if error.name() == *name),
            "{name}: {why}"
        );
        assert!(
            !matches!(mqttbytes(bytes), Some(Err(_))),
            "{name}: {why} {:?}",
            mqttbytes(bytes)
        );
    }
}

/// A CONNECT whose flags have a Password and no User Name. 5.0 allows it (section 3.1.2.9), `mqtt-protocol-core` does not.
fn has_password_alone(bytes: &[u8]) -> bool {
    matches!(decode(Version::V5, bytes, LIMIT), Ok(Decoded::Packet(Packet::Connect(connect), _))
        if connect.password.is_some() && connect.username.is_none())
}

/// A DISCONNECT with 0x8C: in the table of 5.0 section 2.4, missing in `mqtt-protocol-core`.
fn is_bad_authentication_method(bytes: &[u8]) -> bool {
    matches!(decode(Version::V5, bytes, LIMIT), Ok(Decoded::Packet(Packet::Disconnect(disconnect), _))
        if disconnect.reason == ReasonCode::BadAuthenticationMethod)
}

/// `mqttbytes` takes only UTF-8 for a password, which is binary (3.1.1 section 3.1.3.5), and drops an empty user name.
fn has_odd_credentials(bytes: &[u8]) -> bool {
    matches!(decode(Version::V311, bytes, LIMIT), Ok(Decoded::Packet(Packet::Connect(connect), _))
        if connect.username == Some("")
            || connect.password.is_some_and(|password| password.is_empty() || std::str::from_utf8(password).is_err()))
}

/// Compares the answers to bytes that may be damaged. `lax` tells what the other takes.
fn compare<E>(
    version: Version,
    bytes: &[u8],
    theirs: Option<Result<Vec<u8>, E>>,
    lax: &[Lax],
) -> Result<(), TestCaseError> {
    match (ours(version, bytes), theirs) {
        (None, None) | (Some(Err(_)), Some(Err(_))) => {}
        (Some(Ok(ours_again)), Some(Ok(theirs_again))) => {
            // What they wrote may be a longer form: to us it says the same.
            prop_assert_eq!(
                ours(version, &theirs_again),
                Some(Ok(ours_again)),
                "{:02x?}",
                bytes
            );
        }
        (Some(Err(error)), Some(Ok(_)) | None) => {
            let known = lax.iter().any(|(name, ..)| *name == error.name());
            prop_assert!(known, "only we refuse {:02x?}: {}", bytes, error);
        }
        (Some(Ok(_)), Some(Err(_))) => prop_assert!(false, "only they refuse {:02x?}", bytes),
        (Some(Ok(_)), None) | (None, Some(_)) => prop_assert!(false, "lengths differ: {:02x?}", bytes),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mqtt_protocol_core_reads_what_we_write(case in spoken().prop_flat_map(case)) {
        let bytes = case.bytes();
        let expected = if has_password_alone(&bytes) || is_bad_authentication_method(&bytes) {
            Err(())
        } else {
            Ok(bytes.clone())
        };
        prop_assert_eq!(protocol_core(case.version, &bytes), Some(expected));
    }

    #[test]
    fn mqttbytes_reads_what_we_write(case in case(Version::V311)) {
        let bytes = case.bytes();
        prop_assume!(!has_odd_credentials(&bytes));
        prop_assert_eq!(mqttbytes(&bytes), Some(Ok(bytes)));
    }

    #[test]
    fn mqtt_protocol_core_judges_damaged_packets_as_we_do(
        (version, bytes) in spoken().prop_flat_map(|version| (Just(version), damaged(version))),
    ) {
        prop_assume!(!has_password_alone(&bytes) && !is_bad_authentication_method(&bytes));
        compare(version, &bytes, protocol_core(version, &bytes), PROTOCOL_CORE_LAX)?;
    }

    #[test]
    fn mqttbytes_judges_damaged_packets_as_we_do(bytes in damaged(Version::V311)) {
        prop_assume!(!has_odd_credentials(&bytes));
        compare(Version::V311, &bytes, mqttbytes(&bytes), MQTTBYTES_LAX)?;
    }
}
