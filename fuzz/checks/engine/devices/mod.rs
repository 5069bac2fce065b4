//! The devices of a fuzzed node: what their listeners speak, and what a device says.
//!
//! EMQ private TCP, a protocol by description in which devices acknowledge, and JT/T 808. What a device is told is read in
//! `heard.rs`, without the product's code where there is a choice.

mod described;
mod heard;
mod jt808;

use super::packets;
use super::script::Script;
use ringwire_codec::adapter::Blueprint;
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::adapter::jt808::Jt808;
use ringwire_core::ListenerId;
use std::sync::Arc;

pub use heard::Hears;
pub use jt808::PHONES;

/// The listener of a described protocol; its up topic has a field.
pub const DESCRIBED: ListenerId = ListenerId(2);

/// The listener of JT/T 808.
pub const JT808: ListenerId = ListenerId(3);

/// Messages that may be on their way to a device, where it acknowledges them.
pub const WINDOW: u16 = 3;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Mqtt,
    Emq,
    Described,
    Jt808,
}

impl Speaks {
    /// What each listener begins with, in their order.
    pub const AT_START: [Self; 4] = [Self::Mqtt, Self::Emq, Self::Described, Self::Jt808];
}

/// What a listener for devices speaks; `is_other`: with other settings.
pub fn blueprint(speaks: Speaks, is_other: bool) -> Arc<dyn Blueprint> {
    match speaks {
        Speaks::Mqtt | Speaks::Emq => Arc::new(EmqTcp {
            max_packet_size: if is_other { 100 } else { 1_000 },
            ..EmqTcp::default()
        }),
        Speaks::Described => Arc::new(described::described(is_other)),
        Speaks::Jt808 => Arc::new(Jt808 {
            implicit_login: is_other,
            check_auth_code: !is_other,
            close_on_bad_frame: is_other,
            unfinished_bytes_max: 3_000,
            unfinished_messages_max: 2,
            package_bytes: 100,
            down_bytes_max: 2_000,
            window: WINDOW,
            ..Jt808::default()
        }),
    }
}

/// A frame of a device, whose listener is one for devices.
pub fn frame(script: &mut Script<'_>, speaks: Speaks, is_connected: bool) -> Vec<u8> {
    match speaks {
        Speaks::Mqtt | Speaks::Emq => packets::frame(script, is_connected),
        Speaks::Described => described::frame(script, is_connected),
        Speaks::Jt808 => jt808::frame(script, is_connected),
    }
}

/// What applications send to devices: some of it is a message of JT/T 808.
pub fn command(script: &mut Script<'_>) -> Vec<u8> {
    let text = "0123456789".repeat(script.pick(&[1, 1, 30, 300]));
    let json = match script.below(6) {
        0 => format!(r#"{{"header":{{"msg_id":33536}},"body":{{"flag":1,"text":"{text}"}}}}"#),
        1 => r#"{"header":{"msg_id":33284},"body":{}}"#.to_owned(),
        2 => r#"{"header":{"msg_id":33027},"body":{}}"#.to_owned(),
        3 => format!(r#"{{"header":{{"msg_id":33536}},"body":{{"flag":1,"text":"{text}""#),
        4 => text,
        _ => String::new(),
    };
    json.into_bytes()
}

/// A topic that devices are sent something on.
pub fn dn_topic(script: &mut Script<'_>) -> String {
    match script.below(5) {
        0 => "tcp/a/dn".to_owned(),
        1 => "tcp/b/dn".to_owned(),
        at => format!("jt808/{}/dn", PHONES[at - 2]),
    }
}
