//! Reason codes (5.0 section 2.4): one enum for all packets, and which packet may carry which.

use super::wire::Reader;
use super::{DecodeError, PacketType};

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// A reason code (5.0 section 2.4). 0x80 and above are failures. Where one number has several names in the
        /// standard (0x00), the name depends on the packet and the enum uses the first.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum ReasonCode { $($(#[$doc])* $name = $code,)* }

        impl ReasonCode {
            /// The code for its number; `None` where the standard names none.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($code => Some(Self::$name),)* _ => None }
            }

            /// The standard's name, in lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reason_codes! {
    /// Also: Normal disconnection, Granted QoS 0.
    Success = 0x00, "success";
    GrantedQoS1 = 0x01, "granted_qos_1";
    GrantedQoS2 = 0x02, "granted_qos_2";
    DisconnectWithWill = 0x04, "disconnect_with_will_message";
    NoMatchingSubscribers = 0x10, "no_matching_subscribers";
    NoSubscriptionExisted = 0x11, "no_subscription_existed";
    ContinueAuthentication = 0x18, "continue_authentication";
    ReAuthenticate = 0x19, "re_authenticate";
    UnspecifiedError = 0x80, "unspecified_error";
    MalformedPacket = 0x81, "malformed_packet";
    ProtocolError = 0x82, "protocol_error";
    ImplementationSpecificError = 0x83, "implementation_specific_error";
    UnsupportedProtocolVersion = 0x84, "unsupported_protocol_version";
    ClientIdentifierNotValid = 0x85, "client_identifier_not_valid";
    BadUserNameOrPassword = 0x86, "bad_user_name_or_password";
    NotAuthorized = 0x87, "not_authorized";
    ServerUnavailable = 0x88, "server_unavailable";
    ServerBusy = 0x89, "server_busy";
    Banned = 0x8A, "banned";
    ServerShuttingDown = 0x8B, "server_shutting_down";
    BadAuthenticationMethod = 0x8C, "bad_authentication_method";
    KeepAliveTimeout = 0x8D, "keep_alive_timeout";
    SessionTakenOver = 0x8E, "session_taken_over";
    TopicFilterInvalid = 0x8F, "topic_filter_invalid";
    TopicNameInvalid = 0x90, "topic_name_invalid";
    PacketIdentifierInUse = 0x91, "packet_identifier_in_use";
    PacketIdentifierNotFound = 0x92, "packet_identifier_not_found";
    ReceiveMaximumExceeded = 0x93, "receive_maximum_exceeded";
    TopicAliasInvalid = 0x94, "topic_alias_invalid";
    PacketTooLarge = 0x95, "packet_too_large";
    MessageRateTooHigh = 0x96, "message_rate_too_high";
    QuotaExceeded = 0x97, "quota_exceeded";
    AdministrativeAction = 0x98, "administrative_action";
    PayloadFormatInvalid = 0x99, "payload_format_invalid";
    RetainNotSupported = 0x9A, "retain_not_supported";
    QoSNotSupported = 0x9B, "qos_not_supported";
    UseAnotherServer = 0x9C, "use_another_server";
    ServerMoved = 0x9D, "server_moved";
    SharedSubscriptionsNotSupported = 0x9E, "shared_subscriptions_not_supported";
    ConnectionRateExceeded = 0x9F, "connection_rate_exceeded";
    MaximumConnectTime = 0xA0, "maximum_connect_time";
    SubscriptionIdentifiersNotSupported = 0xA1, "subscription_identifiers_not_supported";
    WildcardSubscriptionsNotSupported = 0xA2, "wildcard_subscriptions_not_supported";
}

impl ReasonCode {
    /// 0x80 and above (5.0 section 2.4).
    pub const fn is_failure(self) -> bool {
        self as u8 >= 0x80
    }
}

impl ReasonCode {
    /// Takes a reason code that a packet of type `packet` may carry (5.0 section 2.4).
    pub(super) fn decode(packet: PacketType, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let code = reader.byte()?;
        match Self::from_number(code) {
            Some(reason) if reason.belongs_to(packet) => Ok(reason),
            Some(_) | None => Err(DecodeError::ReasonCodeInvalid { at, code }),
        }
    }

    /// The tables of 5.0 sections 3.2.2.2, 3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1, 3.9.3, 3.11.3, 3.14.2.1 and 3.15.2.1.
    const fn belongs_to(self, packet: PacketType) -> bool {
        let code = self as u8;
        match packet {
            PacketType::ConnAck => {
                matches!(code, 0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F)
            }
            PacketType::PubAck | PacketType::PubRec => {
                matches!(code, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
            }
            PacketType::PubRel | PacketType::PubComp => matches!(code, 0x00 | 0x92),
            PacketType::SubAck => {
                matches!(
                    code,
                    0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2
                )
            }
            PacketType::UnsubAck => matches!(code, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
            PacketType::Disconnect => matches!(
                code,
                0x00 | 0x04 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B..=0x8F | 0x90 | 0x93..=0x9F | 0xA0..=0xA2
            ),
            PacketType::Auth => matches!(code, 0x00 | 0x18 | 0x19),
            PacketType::Connect
            | PacketType::Publish
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::PingReq
            | PacketType::PingResp => false,
        }
    }
}
