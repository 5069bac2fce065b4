//! Every limit of an engine: its default, its reason, and what happens at it.

/// Limits that hold for every listener. Each can be set in the configuration under `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in an out box. At it QoS 0 is dropped for this receiver and QoS 1/2 waits in the session's queue. Enough for
    /// the bandwidth-delay product of a fast link, small enough that 10,000 stuck readers do not take a machine down.
    pub outbox_bytes: usize,
    /// Messages waiting in a session (not yet sent). At it the oldest is dropped, QoS 0 ones first. EMQX's
    /// `max_mqueue_len`, whose 1,000 twenty publishers with a window of 100 each fill in one round trip.
    pub queue_messages: usize,
    /// Bytes waiting in a session. At it as for `queue_messages`.
    pub queue_bytes: usize,
    /// Bytes waiting in all sessions of one shard. At it the session that a message comes for drops as for
    /// `queue_messages`: many slow readers together cannot take the machine's memory.
    pub shard_queue_bytes: usize,
    /// Messages waiting in the session of a connected subscriber (or a quarter of `queue_bytes`) from which its QoS 1/2
    /// publishers are slowed down: their acknowledgements wait until half is sent. Two round trips of a fast reader.
    pub backpressure_messages: usize,
    /// Milliseconds for which acknowledgements wait at most. A subscriber that is behind and took fewer than
    /// `backpressure_messages` in such a time slows nobody in the next: one that does not read must not stop others. 0:
    /// nobody is slowed down.
    pub backpressure_timeout_ms: u64,
    /// QoS 1/2 publishes on their way to a client that names no Receive Maximum. At it messages wait in the queue.
    pub inflight: u16,
    /// Receive Maximum that the server names: unacknowledged QoS 1/2 publishes from a client. Beyond: DISCONNECT 0x93, and
    /// a client whose acknowledgements wait because a subscriber is behind is not read.
    pub receive_maximum: u16,
    /// Subscriptions of one session. At it SUBACK 0x97.
    pub subscriptions: usize,
    /// Bytes of the filters of one session, because one filter may have 65,535. At it SUBACK 0x97.
    pub subscription_bytes: usize,
    /// How often members of a shared subscription give one message back as they leave or lose their connection. At it the
    /// message stays with the member that has it, and is dropped when that one leaves.
    pub shared_returns: u8,
    /// Shared and exclusive subscriptions of one session, because leaving a group may cost a walk through its queue. At it
    /// SUBACK 0x97.
    pub group_subscriptions: usize,
    /// Bytes that a device may send without a frame coming to its end. Beyond: closed, reason `packet_too_large`.
    pub device_frame_bytes: usize,
    /// Levels in a topic name or filter. Beyond: refused (SUBACK 0x8F, publish 0x90), bounds the work of a match.
    pub topic_levels: usize,
    /// Sessions on one shard, connected or kept. At it CONNACK 0x97.
    pub sessions: usize,
    /// Clients in the middle of an authentication exchange on one shard. At it CONNACK or DISCONNECT 0x97.
    pub exchanges: usize,
    /// Bytes of Authentication Data in one packet of a client. More fails its authentication (0x87).
    pub authentication_bytes: usize,
    /// Retained messages on one shard. At it a new topic is routed but not stored; replacing and clearing go on
    /// (a replacement that does not fit leaves its topic without one: better none than a stale one).
    pub retained_messages: usize,
    /// Bytes (topic, payload, properties) of retained messages on one shard. At it as for `retained_messages`.
    pub retained_bytes: usize,
    /// Seconds after which a retained message is removed, if its own expiry is not sooner. 0: never.
    pub retained_expiry_s: u32,
    /// Bytes of the topics that a client's aliases stand for, and the server's to it. At it a client's new alias is
    /// DISCONNECT 0x97, and the server sets no more.
    pub topic_alias_bytes: usize,
    /// Bytes of the Wills of one shard's sessions. At it CONNACK 0x97 for a client with a Will.
    pub will_bytes: usize,
    /// Publishers that all sessions of a shard together slow down at most; whoever comes beyond is not slowed.
    pub slowed_publishers: usize,
    /// Bans that a node knows. At it a new one is refused, and flapping clients are not banned.
    pub bans: usize,
    /// Client ids whose disconnects one shard counts to find those that flap. At it the one that was quiet longest goes.
    pub flapping_clients: usize,
    /// Wildcard shapes a shard has subscriptions in before it asks for every publish of the node.
    pub shapes: usize,
    /// Payload bytes from which a payload leaves by reference instead of being copied into the out box.
    pub reference_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            outbox_bytes: 1 << 20,
            queue_messages: 250_000,
            queue_bytes: 64 << 20,
            shard_queue_bytes: 1 << 30,
            backpressure_messages: 512,
            backpressure_timeout_ms: 1_000,
            inflight: 1_024,
            receive_maximum: 1_024,
            subscriptions: 10_000,
            subscription_bytes: 2 << 20,
            group_subscriptions: 256,
            shared_returns: 16,
            device_frame_bytes: 1 << 20,
            topic_levels: 128,
            sessions: 2_000_000,
            exchanges: 1_000,
            authentication_bytes: 4_096,
            retained_messages: 1_000_000,
            retained_bytes: 256 << 20,
            retained_expiry_s: 0,
            topic_alias_bytes: 256 << 10,
            will_bytes: 256 << 20,
            slowed_publishers: 1 << 16,
            bans: 100_000,
            flapping_clients: 65_536,
            shapes: 32,
            reference_bytes: 4_096,
        }
    }
}

impl Limits {
    /// Messages and bytes in a session's queue beyond which its publishers are slowed down.
    pub(crate) fn backpressure(&self) -> (usize, usize) {
        let messages = self.backpressure_messages.min(self.queue_messages / 2);
        (messages, self.queue_bytes / 4)
    }
}
