//! What a description says, as plain values: the vocabulary of protocols that need no code.
//!
//! Whoever reads descriptions (from TOML, or a test) fills these; [`Description::compile`] finds every flaw of it and makes
//! what runs. A description is never trusted: whatever stands in it, nothing panics and every buffer has a bound.
//!
//! Words: a *frame* is what the framing found, without delimiter, marks and escapes; the *body* is the frame without the
//! bytes that are stripped from its front and end. A checksum's positions count in the frame, a field's in the body.

use super::format::{Endian, Format};
use super::template::Template;
use crate::adapter::Cause;

/// Bytes of a frame, at most, whatever a description says.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// Bytes that a payload made of a frame may have: a frame of many small list items grows when it becomes JSON.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Noise before a start mark in a row, at most.
pub const NOISE_BYTES_MAX: usize = 1 << 16;
/// Fields, lists, blocks and layouts of one description.
pub const PARTS_MAX: usize = 2048;
/// Messages, and commands, of one description.
pub const MESSAGES_MAX: usize = 256;
/// How deep lists and blocks may stand in each other.
pub const DEPTH_MAX: usize = 4;
/// Bytes of a name.
pub const NAME_BYTES_MAX: usize = 64;

/// A protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// As in logs and in the client list.
    pub name: String,
    /// The protocol's version as clients are listed with; 0: none.
    pub version: u8,
    /// Where frames begin and end.
    pub frame: Frame,
    /// Verified in every frame and produced in every answer and command that is not raw.
    pub checksum: Option<Checksum>,
    /// What separates the columns of a line, such as `,`. Fields may have a [`Place::Column`] only with it.
    pub separator: Option<u8>,
    /// What every frame has, read before the message is known. Their names may be used by each message.
    pub fields: Vec<Part>,
    /// Who a device is when it does not say it in a login: then whatever frame comes first lets it in, and is taken for what
    /// it is afterwards. `None`: one of the messages is a login, and nothing is taken before it.
    pub identity: Option<Identity>,
    /// The first one that fits is it.
    pub messages: Vec<Message>,
    /// What is done with bytes that are not as described.
    pub reactions: Reactions,
    /// What is published of data, where its message says nothing else.
    pub payload: Payload,
    /// What devices are sent; `None`: nothing can be sent to them.
    pub down: Option<Down>,
}

/// Where frames begin and end.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// How it is known.
    pub framing: Framing,
    /// Bytes left off the front of a frame; what remains is the body.
    pub strip: usize,
    /// Bytes left off the end of a frame, such as its checksum.
    pub strip_end: usize,
    /// Bytes of a frame, at most, with all that stands around it and with its escapes, up to [`FRAME_BYTES_MAX`].
    pub max: usize,
    /// Bytes before a start mark that are left out, and counted; more close the connection. 0: none.
    pub noise_max: usize,
    /// Other ways in which frames may begin, told apart by their start; only with [`Framing::Length`]. What is answered to a
    /// frame is framed as that one, everything else as said above.
    pub also: Vec<Also>,
}

/// Another way in which frames may begin. What is not here is as for all.
#[derive(Clone, Debug, PartialEq)]
pub struct Also {
    /// By a length, with a start of its own.
    pub framing: Framing,
    /// As [`Frame::strip`].
    pub strip: usize,
    /// As [`Frame::max`].
    pub max: usize,
}

/// How it is known where frames begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By a length that stands in the frame. The frame begins with `start` and ends `length + adjustment` bytes behind the
    /// length field (as in Netty).
    Length {
        /// Fixed bytes at the front; may be empty. They are part of the frame.
        start: Vec<u8>,
        /// Where the length field is, from the front of the frame, `start` included.
        offset: usize,
        /// Its bytes: 1, 2, 3, 4 or 8.
        width: usize,
        /// Its byte order.
        endian: Endian,
        /// What the frame is longer behind the length field than its value says.
        adjustment: i64,
    },
    /// By what stands behind it and is no part of it.
    Delimiter {
        /// One to 16 bytes.
        delimiter: Vec<u8>,
        /// A carriage return before the delimiter is no part of the frame either.
        strip_cr: bool,
        /// What is written behind what we send; `None`: the delimiter.
        ending: Option<Vec<u8>>,
    },
    /// Each has as many bytes.
    Fixed {
        /// Fixed bytes at the front; may be empty. They are part of the frame.
        start: Vec<u8>,
        /// Bytes, with `start`.
        size: usize,
    },
    /// By marks around it, which are no part of it.
    Marks {
        /// Before it, up to 16 bytes; may be empty when nothing stands there.
        start: Vec<u8>,
        /// Behind it, one to 16 bytes; may be the same as `start`. Nothing between two marks is no frame.
        end: Vec<u8>,
        /// Bytes that would be taken for marks, and what stands for them. The first byte of what stands for one must be
        /// among those that are escaped.
        escapes: Vec<Escape>,
    },
}

/// Two bytes on the wire that stand for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escape {
    /// On the wire, such as `7d 01`.
    pub wire: [u8; 2],
    /// What is meant, such as `7d`.
    pub plain: u8,
}

/// A checksum of each frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// How it is computed.
    pub algorithm: Algorithm,
    /// The first byte it covers, from the front of the frame; negative: from its end (-1 is the last byte).
    pub from: i32,
    /// The first byte behind what it covers; `None`: it goes on to the end of the frame.
    pub to: Option<i32>,
    /// Where it stands: its first byte.
    pub at: i32,
    /// Byte order of those of two and four bytes.
    pub endian: Endian,
    /// It stands there as hex digits, as in NMEA's `*6A`; in either case when read, in upper case when written.
    pub hex: bool,
}

/// How a checksum is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// All bytes XORed: one byte.
    Xor,
    /// All bytes added: one byte.
    Sum8,
    /// All bytes added: two bytes.
    Sum16,
    /// CRC-16/MODBUS.
    Crc16Modbus,
    /// CRC-16/IBM-3740, often called CCITT-FALSE.
    Crc16CcittFalse,
    /// CRC-16/XMODEM.
    Crc16Xmodem,
    /// CRC-16/KERMIT, the one that the CCITT meant.
    Crc16Kermit,
    /// CRC-16/IBM-SDLC, as in X.25.
    Crc16X25,
    /// CRC-32/ISO-HDLC, as in Ethernet and zip.
    Crc32,
}

/// What may stand in a list of fields.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// One value.
    Field(Field),
    /// The same fields several times.
    List(List),
    /// Blocks one after another, each of which begins with what kind it is.
    Blocks(Blocks),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// In JSON, in templates and in topics. Empty: it is passed over and has no name; in a list of this one field alone, the
    /// list's items are plain values.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// How its bytes are meant.
    pub format: Format,
    /// How long it is.
    pub width: Width,
    /// Some bits of an integer without sign.
    pub bits: Option<Bits>,
    /// A number's meaning: JSON and topics have `value * factor + offset`. Conditions and templates have the plain number.
    pub scale: Option<Scale>,
    /// What pads it is left off: NUL and spaces at the end of text, zeros at the front of BCD and hex.
    pub trim: bool,
    /// It can be used, but is not in JSON.
    pub hidden: bool,
}

/// Where a field begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Behind what was read before it. The only place for fields of lists and blocks.
    #[default]
    Next,
    /// From the front of the body; negative: from its end.
    Offset(i32),
    /// This column of a separated line, from 0; negative: -1 is the last one. Its width is the column's.
    Column(i32),
}

/// How long a field is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// As its format says (`u16`: two bytes); the only one for numbers, and for no other format.
    #[default]
    Own,
    /// Bytes.
    Bytes(usize),
    /// As the value of a field that was read before says, an integer without sign.
    Field(String),
    /// Up to this byte, which is passed over and must be there.
    Until(u8),
    /// All that is left: of the body, or of a block that tells its length.
    Rest,
    /// All that is left but so many bytes.
    RestBut(usize),
}

/// Some bits of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// The lowest of them; 0 is the least significant one of the integer.
    pub first: u8,
    /// How many.
    pub count: u8,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Multiplied with the number first.
    pub factor: f64,
    /// Added then.
    pub offset: f64,
}

/// The same fields several times: an array in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// In JSON.
    pub name: String,
    /// How often.
    pub count: Count,
    /// What each item has; at least one byte.
    pub parts: Vec<Part>,
}

/// How many items a list has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// Always as many.
    Fixed(usize),
    /// As the value of a field that was read before says, an integer without sign.
    Field(String),
    /// Until the body, or the block that tells its length, is over.
    Rest,
}

/// Blocks one after another until the body is over, each of which begins with its tag: an array of objects in JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Blocks {
    /// In JSON.
    pub name: String,
    /// The member of each object that has the layout's name.
    pub label: String,
    /// An integer without sign.
    pub tag: Format,
    /// Behind the tag stands how long the block is, its tag and this not counted: an integer without sign. What a layout does
    /// not read of it is passed over.
    pub length: Option<Format>,
    /// Of a tag that no layout has, the block is its bytes in hex, as the member `data`, and its label is the tag in hex, as
    /// `0x2f`. Without a length it is all that is left.
    pub layouts: Vec<Layout>,
}

/// What one kind of block has.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// In JSON, under the label.
    pub name: String,
    /// The tags it goes for: from, to, both included.
    pub tags: Vec<(u64, u64)>,
    /// Behind the tag, and the length.
    pub parts: Vec<Part>,
}

/// One kind of frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// In logs, as `{message}` in topics, and in JSON.
    pub name: String,
    /// All of them must hold; an empty list always does.
    pub when: Vec<Condition>,
    /// What it is for.
    pub role: Role,
    /// What it has besides [`Description::fields`], behind them.
    pub fields: Vec<Part>,
    /// It is published too, besides its role. Of no effect with [`Role::Data`], which is published anyway.
    pub publish: bool,
    /// What is published of it; `None`: as [`Description::payload`].
    pub payload: Option<Payload>,
    /// What the device is told when it was let in (login), when its data is routed (data), when it is alive (heartbeat), and
    /// when it goes (close).
    pub answer: Option<Reply>,
    /// What the device is told when it is not let in (any message that lets in), or when its data is refused by a rule (data).
    pub refusal: Option<Reply>,
}

/// What a message is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// It says who it is. One more on the same connection by the same client id is answered again.
    Login(Identity),
    /// It is alive.
    Heartbeat,
    /// To be published.
    Data,
    /// It has a command; this field has that one's sequence number.
    Acknowledge {
        /// An integer without sign.
        number: String,
    },
    /// It goes; the connection is closed.
    Close,
    /// Nothing.
    Ignore,
}

/// Who a device is.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    /// Its client id.
    pub client_id: ClientId,
    /// Its username.
    pub username: Option<Template>,
    /// Its password.
    pub password: Option<Template>,
    /// How long it may be silent.
    pub keepalive: Keepalive,
}

/// Where a client id comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientId {
    /// From the frame: text with fields of the message, such as `{imei}`. On one connection it must stay the same.
    Frame(Template),
    /// The common name of its TLS certificate.
    Certificate,
    /// The peer's address, without port.
    Address,
}

/// How long a device may be silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keepalive {
    /// Seconds; 0: as the listener says.
    Seconds(u16),
    /// Seconds that stand in this field, an integer without sign; more than 65,535 are 65,535.
    Field(String),
}

/// A field's value must be this.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Of a message: one of [`Description::fields`]. Of a command: a member of the JSON object.
    pub field: String,
    /// What is asked.
    pub test: Test,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// One of these; one alone is "equals".
    OneOf(Vec<Literal>),
    /// Its text begins so. Not for numbers.
    Prefix(String),
}

/// A value to compare with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Of an integer, before it is scaled.
    Number(i128),
    /// Of text; of BCD and hex its digits.
    Text(String),
}

/// What the device is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The frame without start, length, checksum, marks and escapes, which are put in and around it: start bytes at its front,
    /// the length field at its offset, the checksum where it stands.
    pub template: Template,
    /// It is sent as it is: nothing is put in or around it.
    pub raw: bool,
    /// What `{$code}` is in a refusal.
    pub codes: Option<Codes>,
}

/// How a protocol calls the causes for which it refuses: numbers in digits, or text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codes {
    /// The client id is not allowed.
    pub client_id: Option<String>,
    /// Wrong or missing credentials.
    pub credentials: Option<String>,
    /// Banned by the operator.
    pub banned: Option<String>,
    /// No room for one more.
    pub full: Option<String>,
    /// A rule forbids what it publishes.
    pub denied: Option<String>,
    /// Whatever has none of its own.
    pub other: Option<String>,
}

impl Codes {
    /// The code of a cause; `None` for data that a rule forbids.
    pub fn of(&self, cause: Option<Cause>) -> Option<&str> {
        let own = match cause {
            Some(Cause::ClientId) => &self.client_id,
            Some(Cause::Credentials) => &self.credentials,
            Some(Cause::Banned) => &self.banned,
            Some(Cause::Full) => &self.full,
            None => &self.denied,
        };
        own.as_ref().or(self.other.as_ref()).map(String::as_str)
    }
}

/// What is done with bytes that are not as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reactions {
    /// The checksum is wrong.
    pub checksum: Reaction,
    /// Fields do not fit into the frame, or an escape stands for nothing.
    pub malformed: Reaction,
    /// None of the messages fits.
    pub unknown: Reaction,
    /// A frame comes before a login.
    pub early: Reaction,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// The connection is closed.
    Close,
    /// The frame is left out, and counted.
    Skip,
}

impl Default for Reactions {
    fn default() -> Self {
        Self {
            checksum: Reaction::Close,
            malformed: Reaction::Close,
            unknown: Reaction::Skip,
            early: Reaction::Close,
        }
    }
}

/// What is published of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The body as it is.
    Raw,
    /// The body in hex.
    Hex,
    /// One field as it is, such as the rest.
    Field(String),
    /// A JSON object of the fields that are not hidden, in their order.
    Json {
        /// Names of fields, lists and blocks of the outermost level that are left out.
        omit: Vec<String>,
        /// The member, the first one, that has the message's name; `None`: there is none.
        label: Option<String>,
    },
}

/// What devices are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Down {
    /// What applications publish.
    pub payload: DownPayload,
    /// Bytes of the number that commands and answers have, counted from 0 on each connection and wrapping: 1, 2 or 4.
    pub sequence_width: usize,
    /// How many acknowledged commands may be on their way, up to 1,024, and less than the sequence has numbers. 0: none is
    /// acknowledged. A command without `{$sequence}` is not acknowledged either.
    pub window: u16,
    /// The first one that fits is written. A payload that fits none is dropped.
    pub commands: Vec<Command>,
}

/// What applications publish for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DownPayload {
    /// Bytes that go into the template as they are.
    Raw,
    /// Hex digits in either case, spaces between them allowed, of bytes that go into the template.
    Hex,
    /// A JSON object, whose members go into the template.
    Json,
}

/// What a device can be told to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// For a person.
    pub name: String,
    /// What members of the JSON object must be; empty with other payloads.
    pub when: Vec<Condition>,
    /// What is sent.
    pub send: Reply,
}
