//! Well-formed packets out of a script's choices: few client ids, topics and packet ids, so that they meet.

use super::script::Script;
use ringwire_codec::mqtt::{
    Ack, Auth, Connect, Disconnect, FilterList, Packet, PacketId, PacketType, Properties, Property,
    PropertyList, Publish, QoS, ReasonCode, RetainHandling, Subscribe, SubscriptionOptions, Unsubscribe,
    UnsubscribeList, Version, Will,
};
use ringwire_codec::private::{self, Frame};

/// Client ids. Two shards have some of them each.
pub const NAMES: &[&str] = &["a", "b", "c", "dd", "e", "a", "b", "c", ""];

/// Topics of publishes and Wills.
pub const TOPICS: &[&str] = &[
    "t",
    "t",
    "t",
    "t/u",
    "t/u",
    "t/u/v",
    "/",
    "$x/t",
    "w",
    "w",
    "tcp/a/dn",
    "tcp/b/dn",
    "t",
    "t/u",
    "t/u/v",
    "t",
    "w",
    "t",
    "t/u",
    "t/u/v",
    "a/b/c/d/e/f/g/h/i/j",
];

const FILTERS: &[&str] = &[
    "t",
    "#",
    "+",
    "t/#",
    "t/+",
    "+/u",
    "t/u/v",
    "$x/#",
    "w",
    "tcp/+/up",
    "$share/g/t",
    "$share/g/#",
    "$share/h/t/+",
    "$queue/t",
    "$exclusive/t",
    "$exclusive/w",
    "$delayed/1/t",
    "$share//t",
    "$share/g",
    "+/+/+",
    "/",
    "t",
    "#",
    "t/#",
    "w",
    "a/b/c/d/e/f/g/h/i/j",
    "t/#/u",
];

const LEVELS: &[QoS] = &[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn packet_id(script: &mut Script<'_>) -> PacketId {
    PacketId::new(1 + script.below(6) as u16).expect("above 0")
}

/// A CONNECT in any version; and what version.
pub fn connect(script: &mut Script<'_>) -> (Version, Vec<u8>) {
    let version = script.pick(&[Version::V5, Version::V311, Version::V5, Version::V31]);
    let flags = script.byte();
    let mut properties = PropertyList::default();
    if version == Version::V5 && flags & 1 != 0 {
        connect_properties(script, &mut properties);
    }
    let mut will_properties = PropertyList::default();
    let mut payload = Vec::new();
    let mut topic = "w";
    if flags & 2 != 0 {
        topic = script.pick(TOPICS);
        payload = body(script);
        if version == Version::V5 {
            let delay = script.pick(&[0, 1, 5, u32::MAX]);
            will_properties.push(Property::WillDelayInterval(delay));
            if script.one_in(2) {
                let expiry = script.pick(&[0, 1, 60]);
                will_properties.push(Property::MessageExpiryInterval(expiry));
            }
        }
    }
    let will = Will {
        qos: LEVELS[usize::from(flags >> 2) % 3],
        retain: flags & 16 != 0,
        topic,
        payload: &payload,
        properties: will_properties.as_properties(),
    };
    let packet = Packet::Connect(Connect {
        version,
        clean_start: flags & 32 != 0,
        keep_alive: script.pick(&[0, 0, 1, 30]),
        client_id: script.pick(NAMES),
        will: (flags & 2 != 0).then_some(will),
        username: (flags & 64 != 0).then_some("user"),
        password: (flags & 128 != 0 && (flags & 64 != 0 || version == Version::V5)).then_some(&b"secret"[..]),
        properties: properties.as_properties(),
    });
    (version, encode(&packet, version))
}

fn connect_properties(script: &mut Script<'_>, properties: &mut PropertyList) {
    let which = script.byte();
    if which & 1 != 0 {
        properties.push(Property::SessionExpiryInterval(script.pick(&[
            0,
            1,
            10,
            600,
            u32::MAX,
        ])));
    }
    if which & 2 != 0 {
        properties.push(Property::ReceiveMaximum(script.pick(&[1, 2, 5, u16::MAX])));
    }
    if which & 4 != 0 {
        properties.push(Property::MaximumPacketSize(
            script.pick(&[4, 12, 40, 300, 70_000]),
        ));
    }
    if which & 8 != 0 {
        properties.push(Property::TopicAliasMaximum(script.pick(&[0, 1, 2, 10, u16::MAX])));
    }
    if which & 16 != 0 {
        properties.push(Property::RequestProblemInformation(script.one_in(2)));
    }
    if which & 32 != 0 {
        properties.push(Property::RequestResponseInformation(script.one_in(2)));
    }
    if which & 64 != 0 {
        properties.push(Property::UserProperty("key", "value"));
    }
    if which & 128 != 0 && script.one_in(3) {
        properties.push(Property::AuthenticationMethod(script.pick(METHODS)));
        if script.one_in(2) {
            properties.push(Property::AuthenticationData(script.pick(WORDS)));
        }
    }
}

const METHODS: &[&str] = &["SCRAM-SHA-256", "SCRAM-SHA-256", "SCRAM-SHA-256", "other"];

const WORDS: &[&[u8]] = &[b"", b"n,,n=user,r=nonce", b"c=biws,r=nonce", b"\xff"];

/// A payload.
pub fn body(script: &mut Script<'_>) -> Vec<u8> {
    let length = script.pick(&[1, 1, 0, 0, 4, 4, 40, 40, 200, 3_000]);
    vec![script.byte(); length]
}

/// A PUBLISH; its topic may be an alias's.
pub fn publish(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let flags = script.byte();
    let qos = LEVELS[usize::from(flags) % 3];
    let mut topic = script.pick(TOPICS).to_owned();
    let mut properties = PropertyList::default();
    if flags & 4 != 0 && version == Version::V5 {
        publish_properties(script, &mut properties, &mut topic);
    }
    if flags & 8 != 0 && flags & 16 != 0 && !topic.is_empty() {
        topic = format!(
            "$delayed/{}/{topic}",
            script.pick(&["0", "1", "5", "100", "4294967", "-1", "x", ""])
        );
    }
    let payload = body(script);
    let packet = Packet::Publish(Publish {
        dup: flags & 64 != 0 && qos != QoS::AtMostOnce,
        qos,
        retain: flags & 32 != 0,
        topic: &topic,
        packet_id: (qos != QoS::AtMostOnce).then(|| packet_id(script)),
        properties: properties.as_properties(),
        payload: &payload,
    });
    encode(&packet, version)
}

fn publish_properties(script: &mut Script<'_>, properties: &mut PropertyList, topic: &mut String) {
    let which = script.byte();
    if which & 1 != 0 {
        properties.push(Property::MessageExpiryInterval(script.pick(&[
            0,
            1,
            3,
            100,
            u32::MAX,
        ])));
    }
    if which & 2 != 0 {
        properties.push(Property::TopicAlias(script.pick(&[1, 2, 3, 10, u16::MAX])));
        if script.one_in(2) {
            topic.clear();
        }
    }
    if which & 4 != 0 {
        properties.push(Property::PayloadFormatIndicator(script.below(2) as u8));
    }
    if which & 8 != 0 {
        properties.push(Property::ContentType("text/plain"));
    }
    if which & 16 != 0 {
        properties.push(Property::ResponseTopic("t/u"));
        properties.push(Property::CorrelationData(&[1, 2, 3]));
    }
    if which & 32 != 0 {
        properties.push(Property::UserProperty("one", "1"));
        properties.push(Property::UserProperty("two", "2"));
    }
    if which & 128 != 0 && script.one_in(16) {
        properties.push(Property::SubscriptionIdentifier(7));
    }
}

/// A SUBSCRIBE of one to four filters.
pub fn subscribe(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let five = version == Version::V5;
    let mut list = FilterList::default();
    for _ in 0..=script.below(4) {
        let filter = script.pick(FILTERS);
        let flags = script.byte();
        let handlings = [
            RetainHandling::Send,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ];
        let options = SubscriptionOptions {
            qos: LEVELS[usize::from(flags) % 3],
            no_local: five && flags & 8 != 0 && (!filter.starts_with("$share") || flags & 128 != 0),
            retain_as_published: five && flags & 16 != 0,
            retain_handling: if five {
                handlings[usize::from(flags >> 5) % 3]
            } else {
                RetainHandling::Send
            },
        };
        list.push(filter, options);
    }
    let mut properties = PropertyList::default();
    if five && script.one_in(3) {
        properties.push(Property::SubscriptionIdentifier(script.pick(&[
            1,
            2,
            268_435_455,
        ])));
    }
    let packet = Packet::Subscribe(Subscribe {
        packet_id: packet_id(script),
        properties: properties.as_properties(),
        filters: list.as_filters(),
    });
    encode(&packet, version)
}

/// An UNSUBSCRIBE of one or two filters.
pub fn unsubscribe(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let mut list = UnsubscribeList::default();
    for _ in 0..=script.below(2) {
        list.push(script.pick(FILTERS));
    }
    let id = packet_id(script);
    encode(
        &Packet::Unsubscribe(Unsubscribe::new(id, Properties::EMPTY, &list)),
        version,
    )
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP with any id.
pub fn acknowledge(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let kind: fn(_) -> _ = script.pick(&[Packet::PubAck, Packet::PubRec, Packet::PubRel, Packet::PubComp]);
    let packet_id = packet_id(script);
    let is_release = matches!(
        kind(Ack::success(packet_id)),
        Packet::PubRel(_) | Packet::PubComp(_)
    );
    let fails = version == Version::V5 && script.one_in(5);
    let reason = match (fails, is_release) {
        (false, _) => ReasonCode::Success,
        (true, true) => ReasonCode::PacketIdentifierNotFound,
        (true, false) => ReasonCode::QuotaExceeded,
    };
    encode(&kind(Ack::new(packet_id, reason)), version)
}

/// DISCONNECT, in 5.0 with a reason and an expiry.
pub fn disconnect(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let mut properties = PropertyList::default();
    let mut reason = ReasonCode::Success;
    if version == Version::V5 {
        if script.one_in(2) {
            properties.push(Property::SessionExpiryInterval(script.pick(&[
                0,
                1,
                600,
                u32::MAX,
            ])));
        }
        reason = script.pick(&[
            ReasonCode::Success,
            ReasonCode::DisconnectWithWill,
            ReasonCode::UnspecifiedError,
        ]);
    }
    let packet = Packet::Disconnect(Disconnect {
        reason,
        properties: properties.as_properties(),
    });
    encode(&packet, version)
}

/// AUTH, which is 5.0's only.
pub fn authenticate(script: &mut Script<'_>) -> Vec<u8> {
    let mut properties = PropertyList::default();
    properties.push(Property::AuthenticationMethod(script.pick(METHODS)));
    if script.one_in(2) {
        properties.push(Property::AuthenticationData(script.pick(WORDS)));
    }
    let packet = Packet::Auth(Auth {
        reason: script.pick(&[
            ReasonCode::ContinueAuthentication,
            ReasonCode::ReAuthenticate,
            ReasonCode::Success,
        ]),
        properties: properties.as_properties(),
    });
    encode(&packet, Version::V5)
}

/// PINGREQ.
pub fn ping() -> Vec<u8> {
    encode(&Packet::PingReq, Version::V311)
}

/// What a client owes for what it was sent.
pub fn reply((kind, id): (PacketType, u16), version: Version) -> Vec<u8> {
    let ack = Ack::success(PacketId::new(id).expect("ids that the server gave are above 0"));
    let packet = match kind {
        PacketType::PubAck => Packet::PubAck(ack),
        PacketType::PubRec => Packet::PubRec(ack),
        PacketType::PubRel => Packet::PubRel(ack),
        _ => Packet::PubComp(ack),
    };
    encode(&packet, version)
}

/// A frame of a private device.
pub fn frame(script: &mut Script<'_>, is_connected: bool) -> Vec<u8> {
    let name = script.pick(NAMES);
    let payload = body(script);
    let frame = match script.below(16) {
        0 => Frame::Disconnect { flags: 0 },
        kind if kind == 1 || !is_connected => Frame::Connect {
            version: 1,
            connect: Some(private::Connect {
                keepalive: u8::from(script.one_in(3)),
                client_id: name.as_bytes(),
                username: script.one_in(4).then_some(b"user"),
                password: None,
            }),
        },
        2 => Frame::Ping {
            flags: script.below(2) as u8,
        },
        _ => Frame::DataTrans {
            flags: 0,
            payload: &payload,
        },
    };
    let mut bytes = Vec::new();
    frame.encode(&mut bytes);
    bytes
}

fn encode(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What the standard does not allow is for raw bytes to say.
    let _ = packet.encode(version, &mut bytes);
    bytes
}
