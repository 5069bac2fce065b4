//! JT/T 808-2013 and 2019, which vehicles in China report their position with, as JSON in the field names of EMQX's gateway.
//!
//! A device's messages are published as JSON, JSON published for it becomes a message. Serial numbers, general answers,
//! registration and packages of long messages stay in here. What a device cannot be understood in is published as it is.

mod down;
mod explain;
mod frame;
mod json;
mod layout;
mod messages;
mod packages;
mod parameters;
mod position;
mod session;
mod shard;
mod text;
mod up;

use super::described::Step;
use super::{Adapter, Blueprint};
use frame::Header;
use shard::Shard;

/// The protocol with a listener's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jt808 {
    /// Takes registrations. `false`: every registration is answered with "no such terminal", for devices that were given
    /// their code on another way. Default `true`.
    pub register: bool,
    /// The authentication code that a device gets when it registers, up to 255 bytes; `%c` in it stands for its phone
    /// number. Default `%c`.
    pub auth_code: String,
    /// Refuses a device that shows another code than `auth_code`. `false`: the code is only the password that the broker's
    /// users are asked for. Default `false`.
    pub check_auth_code: bool,
    /// The first frame of any kind lets a device in, with its phone number and without a code, when it is no registration.
    /// Default `false`: a device has to authenticate first.
    pub implicit_login: bool,
    /// Seconds without a frame that a device is given, as it cannot say so itself; 0: the listener's. Default 300.
    pub keepalive_s: u16,
    /// Messages on their way to a device that it has not acknowledged. 0: none is waited for. Default 8.
    pub window: u16,
    /// Characters in a device's texts. Default GBK, as the standard says.
    pub text: TextEncoding,
    /// Body bytes of one frame to a device, 1 to 1,023; longer messages are sent in several packages. Default 1,023.
    pub package_bytes: usize,
    /// Body bytes of one message to a device. Default 1 MiB.
    pub down_bytes_max: usize,
    /// Bytes of unfinished messages in packages that are kept for one connection; the oldest message gives way. Default
    /// 512 KiB.
    pub unfinished_bytes_max: usize,
    /// Unfinished messages in packages that are kept for one connection; the oldest gives way. Default 4.
    pub unfinished_messages_max: usize,
    /// Milliseconds without a new package after which an unfinished message is dropped; after half of it missing packages
    /// are asked for once more. Looked at when the device sends something. 0: it is kept. Default 60,000.
    pub unfinished_timeout_ms: u64,
    /// Gives each package of a long message its general answer, and asks for packages that are missing. Default `true`.
    pub answer_packages: bool,
    /// Closes the connection at a frame that cannot be read, instead of leaving it out. Default `false`.
    pub close_on_bad_frame: bool,
}

/// Characters in a device's texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextEncoding {
    /// GBK, as the standard says.
    #[default]
    Gbk,
    /// UTF-8, as many devices and EMQX's gateway have it.
    Utf8,
}

impl Default for Jt808 {
    fn default() -> Self {
        Self {
            register: true,
            auth_code: "%c".to_owned(),
            check_auth_code: false,
            implicit_login: false,
            keepalive_s: 300,
            window: 8,
            text: TextEncoding::Gbk,
            package_bytes: 1023,
            down_bytes_max: 1 << 20,
            unfinished_bytes_max: 512 << 10,
            unfinished_messages_max: 4,
            unfinished_timeout_ms: 60_000,
            answer_packages: true,
            close_on_bad_frame: false,
        }
    }
}

impl Blueprint for Jt808 {
    fn name(&self) -> &str {
        "jt808"
    }

    fn fields(&self) -> Vec<String> {
        Field::ALL.map(|(name, _)| name.to_owned()).to_vec()
    }

    fn explain(&self, front: &[u8]) -> Vec<Step> {
        explain::frame(front, self.text)
    }

    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter> {
        let field = |name: &String| Field::ALL.iter().find(|(known, _)| known == name);
        let wanted = wanted.iter().filter_map(field).map(|(_, field)| *field);
        Box::new(Shard::new(self.clone(), wanted.collect()))
    }
}

/// What an up topic may have in braces.
#[derive(Clone, Copy, Debug)]
enum Field {
    MessageId,
    MessageIdHex,
    Phone,
}

impl Field {
    const ALL: [(&'static str, Self); 3] = [
        ("msg_id", Self::MessageId),
        ("msg_id_hex", Self::MessageIdHex),
        ("phone", Self::Phone),
    ];

    fn value(self, header: &Header) -> String {
        match self {
            Self::MessageId => header.id.to_string(),
            Self::MessageIdHex => format!("{:04x}", header.id),
            Self::Phone => phone_number(header),
        }
    }
}

fn phone_number(header: &Header) -> String {
    let mut digits = Vec::new();
    text::digits(header.party.phone.bcd(), &mut digits);
    String::from_utf8(digits).expect("digits and letters")
}
