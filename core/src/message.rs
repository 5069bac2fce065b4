//! An application message that outlives the turn it arrived in: on its way to another shard, queued, or retained.
//!
//! Copied once out of the receive buffer, into one piece of memory, and shared from there: small ones need a single
//! allocation with their counter, and nothing in it is shared with other messages, so shards that drop copies of one
//! publisher's messages do not meet.

use crate::Time;
use ringwire_codec::mqtt::{Properties, QoS};
use std::sync::Arc;

/// Bytes of topic, properties, publisher and payload that need no allocation of their own. With it and its counters a
/// shared message fills an allocator's class of 224 bytes.
const INLINE_BYTES: usize = 175;

/// An application message.
#[derive(Clone, Debug)]
pub struct Message {
    store: Store,
    bytes: u32,
    properties_at: u32,
    publisher_at: u32,
    payload_at: u32,
    /// `u64::MAX`: never.
    expires_ms: u64,
    /// QoS at which it was published.
    pub qos: QoS,
    /// RETAIN as it was published.
    pub retain: bool,
}

/// Topic, properties, publisher, payload, one behind the other.
#[derive(Clone, Debug)]
enum Store {
    Inline([u8; INLINE_BYTES]),
    Apart(Box<[u8]>),
}

/// What a message is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Topic name; valid.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// The properties that travel with it (5.0 section 3.3.2.3): payload format, expiry, content type, response topic,
    /// correlation data, user properties; in the sender's order, as on the wire. Neither alias nor subscription id.
    pub properties: &'a [u8],
    /// Client id of the publisher, for No Local; empty for the node itself.
    pub publisher: &'a [u8],
    /// QoS at which it was published.
    pub qos: QoS,
    /// RETAIN as it was published.
    pub retain: bool,
}

impl Message {
    /// Copies a message together.
    pub fn new(parts: Parts<'_>) -> Self {
        let pieces = [
            parts.topic.as_bytes(),
            parts.properties,
            parts.publisher,
            parts.payload,
        ];
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let bytes = u32::try_from(length).expect("a packet is smaller than 4 GiB");
        let store = if length <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            let mut at = 0;
            for piece in pieces {
                inline[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            }
            Store::Inline(inline)
        } else {
            Store::Apart(pieces.concat().into_boxed_slice())
        };
        let properties_at = parts.topic.len();
        let publisher_at = properties_at + parts.properties.len();
        Self {
            store,
            bytes,
            properties_at: properties_at as u32,
            publisher_at: publisher_at as u32,
            payload_at: (publisher_at + parts.publisher.len()) as u32,
            expires_ms: u64::MAX,
            qos: parts.qos,
            retain: parts.retain,
        }
    }

    /// The same message, gone from `expires` on (5.0 section 3.3.2.3.3).
    pub fn expiring(self, expires: Option<Time>) -> Self {
        let expires_ms = expires.map_or(u64::MAX, Time::as_millis);
        Self { expires_ms, ..self }
    }

    /// A message that is published now although it was made before: its Message Expiry Interval begins.
    pub fn published(message: &Arc<Self>, now: Time) -> Arc<Self> {
        match expiry(message.properties(), now) {
            None => message.clone(),
            expires => Arc::new(Self::clone(message).expiring(expires)),
        }
    }

    /// From this moment on no receiver gets it any more; `None`: never.
    pub fn expires(&self) -> Option<Time> {
        (self.expires_ms != u64::MAX).then_some(Time::from_millis(self.expires_ms))
    }

    /// True when it is too late to begin its delivery.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_ms <= now.as_millis()
    }

    /// True for what expired on its way between shards. An interval of 0 means: for who is there now, on any shard.
    pub(crate) fn has_aged_out(&self, now: Time) -> bool {
        let lasts = || Properties::from_validated(self.properties()).message_expiry_interval() != Some(0);
        self.is_expired(now) && lasts()
    }

    fn bytes(&self) -> &[u8] {
        match &self.store {
            Store::Inline(inline) => &inline[..self.bytes as usize],
            Store::Apart(apart) => apart,
        }
    }

    /// Topic name.
    pub fn topic(&self) -> &str {
        std::str::from_utf8(self.topic_bytes()).expect("it was made of text")
    }

    /// The topic name's bytes.
    pub fn topic_bytes(&self) -> &[u8] {
        &self.bytes()[..self.properties_at as usize]
    }

    /// As [`Parts::properties`].
    pub fn properties(&self) -> &[u8] {
        &self.bytes()[self.properties_at as usize..self.publisher_at as usize]
    }

    /// As [`Parts::publisher`].
    pub fn publisher(&self) -> &[u8] {
        &self.bytes()[self.publisher_at as usize..self.payload_at as usize]
    }

    /// Payload.
    pub fn payload(&self) -> &[u8] {
        &self.bytes()[self.payload_at as usize..]
    }

    /// Bytes of topic, payload and properties: what limits count of a retained message.
    pub fn size(&self) -> usize {
        self.bytes as usize - self.publisher().len()
    }

    /// Bytes that a shared copy takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let counters = 2 * size_of::<usize>();
        let apart = match &self.store {
            Store::Inline(_) => 0,
            Store::Apart(apart) => apart.len(),
        };
        counters + size_of::<Self>() + apart
    }
}

/// When a message with these properties expires that is published now.
pub fn expiry(properties: &[u8], now: Time) -> Option<Time> {
    if properties.is_empty() {
        return None;
    }
    let interval_s = Properties::from_validated(properties).message_expiry_interval()?;
    Some(now + u64::from(interval_s) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_come_back_whether_they_fit_inline_or_not() {
        for payload in [0, 1, 100, 5_000] {
            let payload = vec![7; payload];
            let message = Message::new(Parts {
                topic: "a/b",
                payload: &payload,
                properties: b"ppp",
                publisher: b"client",
                qos: QoS::AtLeastOnce,
                retain: true,
            });
            assert_eq!((message.topic(), message.payload()), ("a/b", &payload[..]));
            assert_eq!(
                (message.properties(), message.publisher()),
                (&b"ppp"[..], &b"client"[..])
            );
            assert_eq!(message.size(), 6 + payload.len());
            assert!(message.memory_bytes() >= payload.len());
        }
    }

    #[test]
    fn a_small_shared_message_fills_its_class_of_the_allocator() {
        assert_eq!(size_of::<Message>() + 2 * size_of::<usize>(), 224);
    }
}
