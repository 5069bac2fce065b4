//! An application message that outlives the turn it arrived in: on its way to another shard, queued, or retained.

use bytes::Bytes;
use ringwire_codec::mqtt::QoS;

/// An application message, copied once out of the receive buffer and shared from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic name; valid.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// The properties that travel with it (5.0 section 3.3.2.3): payload format, expiry, content type, response topic,
    /// correlation data, user properties; in the sender's order, as on the wire. Neither alias nor subscription id.
    pub properties: Bytes,
    /// QoS at which it was published.
    pub qos: QoS,
    /// RETAIN as it was published.
    pub retain: bool,
    /// Client id of the publisher, for No Local; empty for the node itself.
    pub publisher: Bytes,
}
