//! Simple, correct and slow: what stands in for the retained store and the access rules until they land.

use crate::Message;
use crate::limits::Limits;
use ringwire_codec::topic;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Retained {
    messages: BTreeMap<Vec<u8>, Arc<Message>>,
    bytes: usize,
    messages_max: usize,
    bytes_max: usize,
}

impl Retained {
    pub(crate) fn new(_seed: u64, limits: &Limits) -> Self {
        Self {
            messages_max: limits.retained_messages,
            bytes_max: limits.retained_bytes,
            ..Self::default()
        }
    }
    pub(crate) fn store(&mut self, message: &Arc<Message>) -> bool {
        let cost = |m: &Message| m.topic.len() + m.payload.len() + m.properties.len();
        let before = self.messages.remove(&message.topic[..]);
        let existed = before.is_some();
        self.bytes -= before.map_or(0, |m| cost(&m));
        if message.payload.is_empty() {
            return true;
        }
        if !existed
            && (self.messages.len() >= self.messages_max || self.bytes + cost(message) > self.bytes_max)
        {
            return false;
        }
        self.bytes += cost(message);
        self.messages.insert(message.topic.to_vec(), message.clone());
        true
    }
    pub(crate) fn matching(&self, filter: &str) -> Vec<Arc<Message>> {
        (self.messages.iter())
            .filter(|(name, _)| std::str::from_utf8(name).is_ok_and(|name| topic::matches(filter, name)))
            .map(|(_, message)| message.clone())
            .collect()
    }
    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
