//! CONNACK (5.0 section 3.2).

use super::property_id::Carriers;
use super::wire::{Reader, packet_len, put_header};
use super::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// A CONNACK packet. For 3.x the reason is mapped to and from the return codes 0 to 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ConnAck<'a> {
    pub session_present: bool,
    pub reason: ReasonCode,
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// A refusal without properties.
    pub const fn refusal(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: Properties::EMPTY,
        }
    }

    pub(super) fn decode(version: Version, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = reader.at();
        let flags = match (version, reader.byte()?) {
            // 3.1 has no flags here: the byte is reserved and not used.
            (Version::V31, _) => 0,
            (Version::V311 | Version::V5, flags) => flags,
        };
        if flags > 1 {
            return Err(DecodeError::ConnAckFlags { at });
        }
        let session_present = flags == 1;
        let (reason, properties) = match version {
            Version::V31 | Version::V311 => (from_return_code(reader)?, Properties::EMPTY),
            Version::V5 => (
                ReasonCode::decode(PacketType::ConnAck, reader)?,
                Properties::decode(Carriers::CONNACK, reader)?,
            ),
        };
        if session_present && reason != ReasonCode::Success {
            return Err(DecodeError::SessionPresentOnFailure {});
        }
        Ok(Self {
            session_present,
            reason,
            properties,
        })
    }

    /// Appends the packet. Session Present is written as 0 when the reason is not Success [MQTT-3.2.2-6], and in 3.1.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let len = 2 + self.properties.encoded_len(version);
        packet_len(len)?;
        put_header(out, PacketType::ConnAck.first_byte(), len);
        let session_present = self.session_present && self.reason == ReasonCode::Success;
        let (flags, code) = match version {
            Version::V31 => (false, return_code(self.reason)),
            Version::V311 => (session_present, return_code(self.reason)),
            Version::V5 => (session_present, self.reason as u8),
        };
        out.extend_from_slice(&[flags.into(), code]);
        self.properties.put(version, out);
        Ok(())
    }
}

/// The reason for a return code of 3.x (3.1.1 section 3.2.2.3).
fn from_return_code(reader: &mut Reader<'_>) -> Result<ReasonCode, DecodeError> {
    let at = reader.at();
    match reader.byte()? {
        0 => Ok(ReasonCode::Success),
        1 => Ok(ReasonCode::UnsupportedProtocolVersion),
        2 => Ok(ReasonCode::ClientIdentifierNotValid),
        3 => Ok(ReasonCode::ServerUnavailable),
        4 => Ok(ReasonCode::BadUserNameOrPassword),
        5 => Ok(ReasonCode::NotAuthorized),
        code => Err(DecodeError::ReasonCodeInvalid { at, code }),
    }
}

/// The return code of 3.x for a reason. The five that 3.x knows map one to one; of the others, what is about credentials
/// is 4, what is about permission is 5, and everything else is 3 (server unavailable), after which a client may try again.
fn return_code(reason: ReasonCode) -> u8 {
    use ReasonCode as R;
    match reason {
        R::Success => 0,
        R::UnsupportedProtocolVersion => 1,
        R::ClientIdentifierNotValid => 2,
        R::BadUserNameOrPassword | R::BadAuthenticationMethod => 4,
        R::NotAuthorized | R::Banned => 5,
        R::ServerUnavailable
        | R::GrantedQoS1
        | R::GrantedQoS2
        | R::DisconnectWithWill
        | R::NoMatchingSubscribers
        | R::NoSubscriptionExisted
        | R::ContinueAuthentication
        | R::ReAuthenticate
        | R::UnspecifiedError
        | R::MalformedPacket
        | R::ProtocolError
        | R::ImplementationSpecificError
        | R::ServerBusy
        | R::ServerShuttingDown
        | R::KeepAliveTimeout
        | R::SessionTakenOver
        | R::TopicFilterInvalid
        | R::TopicNameInvalid
        | R::PacketIdentifierInUse
        | R::PacketIdentifierNotFound
        | R::ReceiveMaximumExceeded
        | R::TopicAliasInvalid
        | R::PacketTooLarge
        | R::MessageRateTooHigh
        | R::QuotaExceeded
        | R::AdministrativeAction
        | R::PayloadFormatInvalid
        | R::RetainNotSupported
        | R::QoSNotSupported
        | R::UseAnotherServer
        | R::ServerMoved
        | R::SharedSubscriptionsNotSupported
        | R::ConnectionRateExceeded
        | R::MaximumConnectTime
        | R::SubscriptionIdentifiersNotSupported
        | R::WildcardSubscriptionsNotSupported => 3,
    }
}
