//! CONNECT (5.0 section 3.1).

use super::{Properties, QoS, Version};

/// A CONNECT packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// The protocol version that the client asks for.
    pub version: Version,
    /// Clean Start (5.0) or Clean Session (3.x).
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// May be empty: the server then assigns one or refuses.
    pub client_id: &'a str,
    /// The Will message, if any.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub username: Option<&'a str>,
    /// Password (binary).
    pub password: Option<&'a [u8]>,
    /// CONNECT properties; empty for 3.x.
    pub properties: Properties<'a>,
}

/// The Will of a CONNECT packet (5.0 section 3.1.2.5 and 3.1.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Will<'a> {
    pub qos: QoS,
    pub retain: bool,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: Properties<'a>,
}
