//! Exact bytes: what the standard's examples and the shortest legal forms look like, both ways.
//!
//! The round trips are in `mqtt_properties.rs`; here stand the few forms where the very bytes matter.

use ringwire_codec::mqtt::*;

fn encoded(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).expect("encodes");
    out
}

fn decoded(version: Version, bytes: &[u8]) -> Packet<'_> {
    match decode(version, bytes, u32::MAX).expect("decodes") {
        Decoded::Packet(packet, size) => {
            assert_eq!(size, bytes.len());
            packet
        }
        Decoded::Incomplete { needed } => panic!("incomplete: {needed:?}"),
    }
}

fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("not zero")
}

#[test]
fn acknowledgements_and_disconnect_take_their_shortest_form() {
    let success = Ack::success(id(258));
    assert_eq!(encoded(&Packet::PubAck(success), Version::V5), [0x40, 2, 1, 2]);
    assert_eq!(encoded(&Packet::PubRel(success), Version::V5), [0x62, 2, 1, 2]);
    let refused = Ack::new(id(258), ReasonCode::NotAuthorized);
    assert_eq!(
        encoded(&Packet::PubRec(refused), Version::V5),
        [0x50, 3, 1, 2, 0x87]
    );
    assert_eq!(encoded(&Packet::PubRec(refused), Version::V311), [0x50, 2, 1, 2]);
    let bye = Disconnect::new(ReasonCode::Success);
    assert_eq!(encoded(&Packet::Disconnect(bye), Version::V5), [0xE0, 0]);
    let bye = Disconnect::new(ReasonCode::ServerShuttingDown);
    assert_eq!(encoded(&Packet::Disconnect(bye), Version::V5), [0xE0, 1, 0x8B]);
    assert_eq!(encoded(&Packet::Disconnect(bye), Version::V31), [0xE0, 0]);
}

#[test]
fn an_acknowledgement_may_spell_out_success_and_an_empty_property_length() {
    let expected = Packet::PubAck(Ack::success(id(1)));
    assert_eq!(decoded(Version::V5, &[0x40, 2, 0, 1]), expected);
    assert_eq!(decoded(Version::V5, &[0x40, 3, 0, 1, 0]), expected);
    assert_eq!(decoded(Version::V5, &[0x40, 4, 0, 1, 0, 0]), expected);
}

#[test]
fn a_message_encoded_once_is_patched_for_each_receiver() {
    let mut list = PropertyList::default();
    list.push(Property::UserProperty("a", "b"));
    for version in [Version::V311, Version::V5] {
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: "a/b",
            packet_id: Some(id(1)),
            properties: if version == Version::V5 {
                list.as_properties()
            } else {
                Properties::EMPTY
            },
            payload: &[7; 300],
        };
        let mut frame = Vec::new();
        publish.encode(version, &mut frame).expect("encodes");
        assert_eq!(publish.encoded_len(version), Ok(frame.len()));
        let mut head = Vec::new();
        publish.encode_head(version, &mut head).expect("encodes");
        assert_eq!([&head, publish.payload].concat(), frame);
        let offset = Publish::packet_id_offset(&frame).expect("has one");
        assert_eq!(Publish::packet_id_offset(&head), Some(offset));
        assert!(Publish::patch(&mut frame, offset, id(0xABCD), true));
        let expected = Publish {
            dup: true,
            packet_id: Some(id(0xABCD)),
            ..publish
        };
        assert_eq!(decoded(version, &frame), Packet::Publish(expected));
        assert!(Publish::patch(&mut frame, offset, id(1), false));
        assert_eq!(decoded(version, &frame), Packet::Publish(publish));
    }
}

#[test]
fn a_qos_0_publish_has_no_place_for_a_packet_id() {
    assert_eq!(Publish::packet_id_offset(&[0x30, 5, 0, 1, b't', 0, 1]), None);
    assert_eq!(Publish::packet_id_offset(&[0x40, 2, 0, 1]), None);
    assert_eq!(Publish::packet_id_offset(&[0x32, 5, 0, 9, b't', 0, 1]), None);
    assert_eq!(Publish::packet_id_offset(&[]), None);
}

#[test]
fn forwarded_properties_lose_alias_and_subscription_identifiers_and_are_else_the_same_bytes() {
    let mut list = PropertyList::default();
    list.push(Property::ContentType("text"));
    list.push(Property::UserProperty("k", "v"));
    let kept = list.as_properties();
    let mut scratch = PropertyList::default();
    assert_eq!(
        kept.forwarded(&mut scratch).as_bytes().as_ptr(),
        kept.as_bytes().as_ptr()
    );
    let mut full = PropertyList::default();
    full.push(Property::TopicAlias(3));
    full.push(Property::ContentType("text"));
    full.push(Property::SubscriptionIdentifier(70_000));
    full.push(Property::UserProperty("k", "v"));
    full.push(Property::SubscriptionIdentifier(1));
    assert_eq!(
        full.as_properties()
            .subscription_identifiers()
            .collect::<Vec<_>>(),
        [70_000, 1]
    );
    assert_eq!(full.as_properties().forwarded(&mut scratch), kept);
}

#[test]
fn a_refusal_keeps_its_meaning_in_the_return_codes_of_3_1_1() {
    let codes = [
        (ReasonCode::UnsupportedProtocolVersion, 1),
        (ReasonCode::ClientIdentifierNotValid, 2),
        (ReasonCode::ServerUnavailable, 3),
        (ReasonCode::BadUserNameOrPassword, 4),
        (ReasonCode::NotAuthorized, 5),
    ];
    for (reason, code) in codes {
        let connack = Packet::ConnAck(ConnAck::refusal(reason));
        assert_eq!(encoded(&connack, Version::V311), [0x20, 2, 0, code]);
        assert_eq!(decoded(Version::V311, &[0x20, 2, 0, code]), connack);
    }
    let busy = Packet::ConnAck(ConnAck::refusal(ReasonCode::ServerBusy));
    assert_eq!(encoded(&busy, Version::V31), [0x20, 2, 0, 3]);
    assert_eq!(encoded(&busy, Version::V5), [0x20, 3, 0, 0x89, 0]);
}

#[test]
fn a_connect_of_3_1_may_announce_a_user_name_and_leave_it_out() {
    let bytes = b"\x10\x0F\x00\x06MQIsdp\x03\xC2\x00\x3C\x00\x01a";
    let Packet::Connect(connect) = decoded(Version::V311, bytes) else {
        panic!("not a CONNECT")
    };
    assert_eq!(connect.version, Version::V31);
    assert_eq!((connect.username, connect.password), (None, None));
    assert_eq!((connect.client_id, connect.keep_alive), ("a", 60));
}

#[test]
fn a_connect_of_3_1_1_is_the_bytes_of_the_standards_example() {
    let connect = Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive: 10,
        client_id: "c",
        will: Some(Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "w",
            payload: b"p",
            properties: Properties::EMPTY,
        }),
        username: Some("u"),
        password: Some(b"s"),
        properties: Properties::EMPTY,
    };
    let bytes = b"\x10\x19\x00\x04MQTT\x04\xCE\x00\x0A\x00\x01c\x00\x01w\x00\x01p\x00\x01u\x00\x01s";
    assert_eq!(encoded(&Packet::Connect(connect), Version::V5), bytes);
    assert_eq!(decoded(Version::V5, bytes), Packet::Connect(connect));
}

#[test]
fn a_long_remaining_length_form_is_taken_from_3_x_only() {
    let bytes = [0xC0, 0x80, 0x00];
    assert_eq!(decoded(Version::V311, &bytes), Packet::PingReq);
    assert_eq!(
        decode(Version::V5, &bytes, 100),
        Err(DecodeError::VariableIntegerNotMinimal { at: 1 })
    );
}

#[test]
fn the_size_limit_holds_before_the_body_has_arrived() {
    assert_eq!(
        decode(Version::V5, &[0x30, 0x64], 102),
        Ok(Decoded::Incomplete { needed: Some(102) })
    );
    let error = decode(Version::V5, &[0x30, 0x64], 101);
    assert_eq!(
        error,
        Err(DecodeError::PacketTooLarge {
            size: 102,
            limit: 101
        })
    );
}

#[test]
fn what_cannot_be_written_leaves_the_buffer_alone() {
    let long = "x".repeat(65_536);
    let publish = Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: &long,
        packet_id: Some(id(1)),
        properties: Properties::EMPTY,
        payload: b"",
    };
    let mut out = vec![1, 2, 3];
    assert_eq!(
        publish.encode(Version::V5, &mut out),
        Err(EncodeError::FieldTooLong(65_536))
    );
    let without_id = Publish {
        topic: "t",
        packet_id: None,
        ..publish
    };
    assert_eq!(
        without_id.encode(Version::V5, &mut out),
        Err(EncodeError::PacketIdMissing)
    );
    let auth = Auth {
        reason: ReasonCode::ReAuthenticate,
        properties: Properties::EMPTY,
    };
    assert_eq!(
        auth.encode(Version::V311, &mut out),
        Err(EncodeError::NotInVersion)
    );
    let suback = SubAck {
        packet_id: id(1),
        properties: Properties::EMPTY,
        reasons: &[],
    };
    assert_eq!(suback.encode(Version::V5, &mut out), Err(EncodeError::EmptyList));
    assert_eq!(out, [1, 2, 3]);
    assert!(!PropertyList::default().push(Property::ReasonString(&long)));
    assert!(!FilterList::default().push(&long, SubscriptionOptions::default()));
    assert!(!UnsubscribeList::default().push(&long));
}

#[test]
fn the_version_of_a_connect_is_known_before_the_rest_is_right() {
    let reserved_flag = b"\x10\x0E\x00\x04MQTT\x05\x01\x00\x0A\x00\x00\x01c";
    assert_eq!(Connect::claimed_version(reserved_flag), Some(Version::V5));
    assert_eq!(
        Connect::claimed_version(b"\x10\x7F\x00\x06MQIsdp\x03"),
        Some(Version::V31)
    );
    assert_eq!(
        Connect::claimed_version(b"\x10\x7F\x00\x04MQTT\x04"),
        Some(Version::V311)
    );
    for (level, version) in [
        (0x84, Version::V311),
        (0x83, Version::V31),
        (6, Version::V5),
        (0x85, Version::V5),
    ] {
        let mut bytes = b"\x10\x7F\x00\x04MQTT".to_vec();
        bytes.push(level);
        assert_eq!(Connect::claimed_version(&bytes), Some(version), "{level:#04x}");
    }
    assert_eq!(
        Connect::claimed_version(b"\x10\x7F\x00\x04mqtt\x05"),
        Some(Version::V5)
    );
    assert_eq!(Connect::claimed_version(b"\x10\x7F\x00\x04MQTT"), None);
    assert_eq!(Connect::claimed_version(b"\x30\x7F\x00\x04MQTT\x04"), None);
    assert_eq!(Connect::claimed_version(b"\x10\xFF\xFF\xFF\xFF"), None);
    assert_eq!(Connect::claimed_version(b""), None);
}
