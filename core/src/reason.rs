//! The named reason of every close and every drop: logged once, counted always, the same name in the log and in
//! `/metrics`. A new variant does not compile without its name.

macro_rules! reasons {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $type { $($(#[$doc])* $variant,)* }

        impl $type {
            /// Every reason, in the order of the counters.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// Why a connection ended.
    CloseReason {
        /// The client sent DISCONNECT.
        Normal = "normal",
        /// The client sent DISCONNECT with 0x04: the Will is sent.
        DisconnectWithWill = "disconnect_with_will",
        /// The socket ended without a DISCONNECT.
        PeerClosed = "peer_closed",
        /// Reset, or another error of the socket.
        SocketError = "socket_error",
        /// Nothing could be sent for `send_timeout`.
        SendTimeout = "send_timeout",
        /// No whole CONNECT within `idle_timeout` of accept.
        IdleTimeout = "idle_timeout",
        /// 1.5 x keepalive without a byte.
        KeepaliveTimeout = "keepalive_timeout",
        /// The same client id connected again.
        TakenOver = "taken_over",
        /// Closed by the administrator.
        Kicked = "kicked",
        /// Its client id, username or address is banned.
        Banned = "banned",
        /// The node stops.
        ServerShuttingDown = "server_shutting_down",
        /// The first packet is not CONNECT.
        ProtocolNotConnected = "protocol_not_connected",
        /// A second CONNECT.
        ProtocolAlreadyConnected = "protocol_already_connected",
        /// Bytes that are no packet.
        MalformedPacket = "malformed_packet",
        /// A packet that the protocol forbids here.
        ProtocolError = "protocol_error",
        /// A private frame that only a server may send, of a reserved type, or with flags in strict mode.
        IllegalFrame = "illegal_frame",
        /// A private frame with another checksum than its content has.
        BadChecksum = "bad_checksum",
        /// The adapter of a private protocol failed: a trap, a deadline, an event out of place.
        AdapterFailed = "adapter_failed",
        /// Larger than the listener takes.
        PacketTooLarge = "packet_too_large",
        /// A protocol version that is not spoken.
        UnsupportedVersion = "unsupported_version",
        /// A client id that is not allowed.
        InvalidClientId = "invalid_client_id",
        /// Wrong or missing credentials.
        AuthenticationFailed = "authentication_failed",
        /// Whoever has to answer for it had too much to do.
        ServerBusy = "server_busy",
        /// An access rule said no and the listener closes on that.
        NotAuthorized = "not_authorized",
        /// More unacknowledged QoS 1/2 publishes than Receive Maximum.
        ReceiveMaximumExceeded = "receive_maximum_exceeded",
        /// An alias that was never set, or above the maximum.
        TopicAliasInvalid = "topic_alias_invalid",
        /// A publish (or Will) of a higher QoS than the listener allows.
        QoSNotSupported = "qos_not_supported",
        /// A publish (or Will) with RETAIN on a listener without retained messages.
        RetainNotSupported = "retain_not_supported",
        /// A Subscription Identifier on a listener without them.
        SubscriptionIdentifiersNotSupported = "subscription_identifiers_not_supported",
        /// A payload that is not the UTF-8 that it is said to be.
        PayloadFormatInvalid = "payload_format_invalid",
        /// A topic name or filter that is not allowed.
        TopicInvalid = "topic_invalid",
        /// A limit of the listener or the node was reached.
        QuotaExceeded = "quota_exceeded",
        /// The out queue of a slow device overflowed and its policy is `disconnect`.
        SlowConsumer = "slow_consumer",
        /// A feature that this server does not have.
        NotSupported = "not_supported",
    }
}

reasons! {
    /// Why a message was dropped for one receiver (or, for the `publish_` ones, for all).
    DropReason {
        /// QoS 0 to a reader whose out buffer is full.
        SlowConsumer = "delivery.dropped.slow_consumer",
        /// The session's queue was full and a message went: the oldest, or the newest where a listener wants that.
        QueueFull = "delivery.dropped.queue_full",
        /// QoS 0 for a session without a connection.
        Qos0Offline = "delivery.dropped.qos0_msg",
        /// Larger than the receiver takes.
        TooLarge = "delivery.dropped.too_large",
        /// No Local.
        NoLocal = "delivery.dropped.no_local",
        /// Its expiry passed while it waited.
        Expired = "delivery.dropped.expired",
        /// QoS 0 to a shard whose mesh queue was full.
        MeshFull = "messages.dropped.mesh_full",
        /// Nobody subscribes.
        NoSubscribers = "messages.dropped.no_subscribers",
        /// An access rule said no.
        NotAuthorized = "packets.publish.auth_error",
        /// A payload that is not the UTF-8 that it is said to be.
        PayloadFormatInvalid = "packets.publish.payload_format_error",
        /// An access rule said no to the subscription that the server makes for a device: nothing of it arrives.
        SubscribeNotAuthorized = "packets.subscribe.auth_error",
        /// `$delayed/...` beyond the limits of what may wait.
        DelayedFull = "delayed.dropped.quota_exceeded",
        /// `$delayed/...` without a number of seconds or a topic, or a topic rewritten to none.
        TopicInvalid = "packets.publish.topic_invalid",
        /// A retained message beyond the limits: routed, not stored.
        RetainedFull = "retained.dropped.quota_exceeded",
        /// Given back by a member of a shared subscription that nobody is a member of any more.
        GroupEnded = "delivery.dropped.group_ended",
        /// It does not look like what the adapter of the device takes.
        Unencodable = "delivery.dropped.unencodable",
        /// A device did not acknowledge it, however often it was sent.
        NotAcknowledged = "delivery.dropped.not_acknowledged",
        /// Bytes of a device that cannot be read and were left out.
        FrameUnreadable = "packets.frame.unreadable",
        /// Given back by members of a shared subscription more often than is allowed.
        ReturnedTooOften = "delivery.dropped.returned_too_often",
    }
}
