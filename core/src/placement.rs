//! Where things live: the home shard of a client id and of a topic.
//!
//! A keyed hash, so that nobody can aim at one shard without the key. SipHash-2-4, because its output is the same in
//! every build: the key is kept with the data and the answer must be too.

use crate::ShardId;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// The node's placement: its key and how many shards there are.
#[derive(Clone, Copy, Debug)]
pub struct Placement {
    key: [u64; 2],
    shards: u16,
}

impl Placement {
    /// `shards` is at least 1.
    pub fn new(key: [u64; 2], shards: u16) -> Self {
        assert!(shards > 0, "a node has at least one shard");
        Self { key, shards }
    }

    /// How many shards there are.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The shard that owns a client id, or the retained message of a topic.
    pub fn home(&self, name: &[u8]) -> ShardId {
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write(name);
        ShardId((hasher.finish() % u64::from(self.shards)) as u16)
    }
}
