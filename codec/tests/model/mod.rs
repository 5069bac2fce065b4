//! Valid packets of every kind and version as proptest strategies, for the tests that need many of them.
//!
//! A `Case` owns everything that a `Packet` borrows. Which property belongs where is written down here a second time,
//! from the standard and not from the code, so that an error in the code's table does not hide.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use ringwire_codec::mqtt::*;

/// One packet's contents; fields that its kind does not have are ignored.
#[derive(Clone, Debug)]
pub struct Case {
    pub version: Version,
    pub kind: PacketType,
    pub flags: [bool; 3],
    pub qos: QoS,
    pub id: PacketId,
    pub number: u16,
    pub topic: String,
    pub client_id: String,
    pub username: Option<String>,
    pub password: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    pub properties: PropertyList,
    pub will: Option<(String, PropertyList)>,
    pub filters: FilterList,
    pub unsubscribe: UnsubscribeList,
    pub reason: ReasonCode,
    pub reasons: Vec<u8>,
}

impl Case {
    /// The packet, lent.
    pub fn packet(&self) -> Packet<'_> {
        let properties = self.properties.as_properties();
        let (packet_id, reason) = (self.id, self.reason);
        let ack = Ack {
            packet_id,
            reason,
            properties,
        };
        match self.kind {
            PacketType::Connect => Packet::Connect(self.connect()),
            PacketType::ConnAck => Packet::ConnAck(ConnAck {
                session_present: self.flags[0]
                    && reason == ReasonCode::Success
                    && self.version != Version::V31,
                reason,
                properties,
            }),
            PacketType::Publish => Packet::Publish(Publish {
                dup: self.flags[0] && self.qos != QoS::AtMostOnce,
                qos: self.qos,
                retain: self.flags[1],
                topic: &self.topic,
                packet_id: (self.qos != QoS::AtMostOnce).then_some(packet_id),
                properties,
                payload: &self.payload,
            }),
            PacketType::PubAck => Packet::PubAck(ack),
            PacketType::PubRec => Packet::PubRec(ack),
            PacketType::PubRel => Packet::PubRel(ack),
            PacketType::PubComp => Packet::PubComp(ack),
            PacketType::Subscribe => Packet::Subscribe(Subscribe {
                packet_id,
                properties,
                filters: self.filters.as_filters(),
            }),
            PacketType::SubAck => Packet::SubAck(SubAck {
                packet_id,
                properties,
                reasons: &self.reasons,
            }),
            PacketType::Unsubscribe => {
                Packet::Unsubscribe(Unsubscribe::new(packet_id, properties, &self.unsubscribe))
            }
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck {
                packet_id,
                properties,
                reasons: &self.reasons,
            }),
            PacketType::PingReq => Packet::PingReq,
            PacketType::PingResp => Packet::PingResp,
            PacketType::Disconnect => Packet::Disconnect(Disconnect { reason, properties }),
            PacketType::Auth => Packet::Auth(Auth { reason, properties }),
        }
    }

    fn connect(&self) -> Connect<'_> {
        Connect {
            version: self.version,
            clean_start: self.flags[0],
            keep_alive: self.number,
            client_id: &self.client_id,
            will: self.will.as_ref().map(|(topic, properties)| Will {
                qos: self.qos,
                retain: self.flags[1],
                topic,
                payload: &self.payload,
                properties: properties.as_properties(),
            }),
            username: self.username.as_deref(),
            password: self.password.as_deref(),
            properties: self.properties.as_properties(),
        }
    }

    /// The packet as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.packet()
            .encode(self.version, &mut out)
            .expect("a valid packet encodes");
        out
    }
}

pub const KINDS: [PacketType; 15] = [
    PacketType::Connect,
    PacketType::ConnAck,
    PacketType::Publish,
    PacketType::PubAck,
    PacketType::PubRec,
    PacketType::PubRel,
    PacketType::PubComp,
    PacketType::Subscribe,
    PacketType::SubAck,
    PacketType::Unsubscribe,
    PacketType::UnsubAck,
    PacketType::PingReq,
    PacketType::PingResp,
    PacketType::Disconnect,
    PacketType::Auth,
];

/// A packet of any kind that `version` has.
pub fn case(version: Version) -> impl Strategy<Value = Case> {
    let kinds = if version == Version::V5 {
        &KINDS[..]
    } else {
        &KINDS[..14]
    };
    proptest::sample::select(kinds).prop_flat_map(move |kind| case_of(version, kind))
}

/// A packet of one kind.
pub fn case_of(version: Version, kind: PacketType) -> impl Strategy<Value = Case> {
    let is_v5 = version == Version::V5;
    let head = (any::<[bool; 3]>(), qos(), 1u16.., any::<u16>(), topic(), text());
    let body = (
        option::of(text()),
        option::of(vec(any::<u8>(), 0..20)),
        prop_oneof![4 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 100..20_000)],
        properties(if is_v5 { carried(kind) } else { &[] }),
        option::of((topic(), properties(if is_v5 { &WILL } else { &[] }))),
    );
    let lists = (
        vec((filter(), options(version)), 1..5),
        proptest::sample::select(reasons(version, kind)),
        vec(proptest::sample::select(reasons(version, kind)), 1..5),
    );
    (head, body, lists).prop_map(move |(head, body, lists)| {
        let (flags, qos, id, number, topic, client_id) = head;
        let (username, password, payload, mut properties, will) = body;
        let mut filters = FilterList::default();
        let mut unsubscribe = UnsubscribeList::default();
        for (filter, options) in &lists.0 {
            let no_local = options.no_local && !filter.starts_with("$share/");
            filters.push(filter, SubscriptionOptions { no_local, ..*options });
            unsubscribe.push(filter);
        }
        require_authentication_method(kind, &mut properties);
        let topic_may_be_empty = is_v5 && properties.as_properties().topic_alias().is_some();
        let reasons_on_wire = is_v5 || kind != PacketType::UnsubAck;
        Case {
            version,
            kind,
            flags,
            qos,
            id: PacketId::new(id).expect("not zero"),
            number,
            topic: if topic_may_be_empty && flags[2] {
                String::new()
            } else {
                topic
            },
            client_id,
            // Only 5.0 has a password without a user name.
            password: if is_v5 || username.is_some() {
                password
            } else {
                None
            },
            username,
            payload,
            properties,
            will,
            filters,
            unsubscribe,
            reason: ReasonCode::from_number(lists.1).expect("a reason code"),
            reasons: if reasons_on_wire { lists.2 } else { Vec::new() },
        }
    })
}

/// Authentication Data needs its method, and so does any AUTH that is not the empty one.
fn require_authentication_method(kind: PacketType, properties: &mut PropertyList) {
    let bare = properties.as_properties();
    let needed = bare.authentication_data().is_some() || kind == PacketType::Auth;
    if needed && bare.authentication_method().is_none() {
        properties.push(Property::AuthenticationMethod("SCRAM-SHA-1"));
    }
}

fn qos() -> impl Strategy<Value = QoS> {
    proptest::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][..])
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9]{0,12}", "[^\u{0}]{0,12}"]
}

fn topic() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,5}(/[a-z0-9]{0,5}){0,4}", "[^\u{0}+#]{1,10}"]
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "([a-z]{0,5}|\\+)(/([a-z0-9]{0,5}|\\+)){0,4}(/#)?".prop_filter("not empty", |filter| !filter.is_empty()),
        1 => Just("#".to_owned()),
        1 => "\\$share/[a-z]{1,5}/[a-z]{1,5}/(\\+|#)",
    ]
}

fn options(version: Version) -> impl Strategy<Value = SubscriptionOptions> {
    use RetainHandling::{DoNotSend, Send, SendIfNew};
    let handling = proptest::sample::select(&[Send, SendIfNew, DoNotSend][..]);
    (qos(), any::<bool>(), any::<bool>(), handling).prop_map(
        move |(qos, no_local, retain_as_published, retain_handling)| match version {
            Version::V31 | Version::V311 => SubscriptionOptions {
                qos,
                ..SubscriptionOptions::default()
            },
            Version::V5 => SubscriptionOptions {
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            },
        },
    )
}

fn reasons(version: Version, kind: PacketType) -> &'static [u8] {
    match (kind, version) {
        (PacketType::ConnAck, Version::V5) => &[
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97,
            0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ],
        (PacketType::ConnAck, _) => &[0x00, 0x84, 0x85, 0x86, 0x87, 0x88],
        (PacketType::SubAck, Version::V5) => &[
            0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ],
        (PacketType::SubAck, _) => &[0x00, 0x01, 0x02, 0x80],
        (PacketType::UnsubAck, Version::V5) => &[0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91],
        (PacketType::PubAck | PacketType::PubRec, Version::V5) => {
            &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]
        }
        (PacketType::PubRel | PacketType::PubComp, Version::V5) => &[0x00, 0x92],
        (PacketType::Disconnect, Version::V5) => &[
            0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95,
            0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ],
        (PacketType::Auth, _) => &[0x00, 0x18, 0x19],
        _ => &[0x00],
    }
}

const WILL: [u8; 7] = [0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26];

/// The properties of each packet, as 5.0 lists them section by section.
fn carried(kind: PacketType) -> &'static [u8] {
    match kind {
        PacketType::Connect => &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        PacketType::ConnAck => &[
            0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29,
            0x2A,
        ],
        PacketType::Publish => &[0x01, 0x02, 0x03, 0x08, 0x09, 0x0B, 0x0B, 0x23, 0x26, 0x26],
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => &[0x1F, 0x26],
        PacketType::Subscribe => &[0x0B, 0x26],
        PacketType::Unsubscribe => &[0x26, 0x26],
        PacketType::SubAck | PacketType::UnsubAck => &[0x1F, 0x26],
        PacketType::PingReq | PacketType::PingResp => &[],
        PacketType::Disconnect => &[0x11, 0x1C, 0x1F, 0x26],
        PacketType::Auth => &[0x15, 0x16, 0x1F, 0x26],
    }
}

/// Any subset of `ids` in any order, each with any legal value.
fn properties(ids: &'static [u8]) -> impl Strategy<Value = PropertyList> {
    let subset = proptest::sample::subsequence(ids, 0..=ids.len()).prop_shuffle();
    let values = vec((1u32.., text(), topic(), vec(any::<u8>(), 0..20)), ids.len());
    (subset, values).prop_map(|(ids, values)| {
        let mut list = PropertyList::default();
        for (id, (number, text, topic, binary)) in ids.into_iter().zip(&values) {
            assert!(
                list.push(property(id, *number, (text, topic, binary))),
                "identifier {id}"
            );
        }
        list
    })
}

fn property<'a>(id: u8, number: u32, (text, topic, binary): (&'a str, &'a str, &'a [u8])) -> Property<'a> {
    let bit = number.is_multiple_of(2);
    // Never 0, which several properties forbid.
    let short = number as u16 | 1;
    match id {
        0x01 => Property::PayloadFormatIndicator(bit.into()),
        0x02 => Property::MessageExpiryInterval(number),
        0x03 => Property::ContentType(text),
        0x08 => Property::ResponseTopic(topic),
        0x09 => Property::CorrelationData(binary),
        0x0B => Property::SubscriptionIdentifier(number >> 4 | 1),
        0x11 => Property::SessionExpiryInterval(number),
        0x12 => Property::AssignedClientIdentifier(text),
        0x13 => Property::ServerKeepAlive(short),
        0x15 => Property::AuthenticationMethod(text),
        0x16 => Property::AuthenticationData(binary),
        0x17 => Property::RequestProblemInformation(bit),
        0x18 => Property::WillDelayInterval(number),
        0x19 => Property::RequestResponseInformation(bit),
        0x1A => Property::ResponseInformation(text),
        0x1C => Property::ServerReference(text),
        0x1F => Property::ReasonString(text),
        0x21 => Property::ReceiveMaximum(short),
        0x22 => Property::TopicAliasMaximum(short),
        0x23 => Property::TopicAlias(short),
        0x24 => Property::MaximumQoS(bit.into()),
        0x25 => Property::RetainAvailable(bit),
        0x26 => Property::UserProperty(text, topic),
        0x27 => Property::MaximumPacketSize(number),
        0x28 => Property::WildcardSubscriptionAvailable(bit),
        0x29 => Property::SubscriptionIdentifierAvailable(bit),
        0x2A => Property::SharedSubscriptionAvailable(bit),
        unknown => panic!("no property {unknown}"),
    }
}
