//! What the operator sees of a client (`GET /api/v5/clients`): a copy, made when asked.

use std::net::SocketAddr;

/// One subscription of a client. EMQX's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Held {
    /// The filter, with what names a group before it.
    pub topic: String,
    pub qos: u8,
    /// No Local.
    pub nl: bool,
    /// Retain As Published.
    pub rap: bool,
    /// Retain Handling.
    pub rh: u8,
}

/// One client, connected or kept. Field names follow EMQX's API where it has the field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Client {
    pub clientid: String,
    pub username: Option<String>,
    pub connected: bool,
    pub peer: Option<SocketAddr>,
    pub listener: String,
    /// "MQTT", or the name of a device's protocol: "private-tcp", "jt808", ...
    pub proto_name: String,
    pub proto_ver: u8,
    /// Seconds.
    pub keepalive: u16,
    pub clean_start: bool,
    /// Seconds.
    pub expiry_interval: u32,
    /// Milliseconds since the node started.
    pub connected_at_ms: u64,
    pub subscriptions_cnt: usize,
    pub inflight_cnt: usize,
    pub mqueue_len: usize,
    pub mqueue_dropped: u64,
    pub recv_msg: u64,
    pub send_msg: u64,
    pub shard: u16,
}
