//! A description that holds, in the form that is executed: names are references, formats and conditions are ready.
//!
//! Made by `compile` alone. Shared by all shards.

use super::description::{Algorithm, Bits, Checksum, Codes, DownPayload, Place, Reactions};
use super::format::{Endian, Format};
use super::framing::Frames;
use super::scale::Scaling;
use super::template::Form;
use std::sync::Arc;

/// What a description says.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: String,
    pub version: u8,
    pub frames: Frames,
    pub checksum: Option<Checksum>,
    pub separator: Option<u8>,
    /// Read before the message is known.
    pub common: Vec<Node>,
    /// Slots that the largest message needs.
    pub slots_max: usize,
    pub identity: Option<Identity>,
    pub messages: Vec<Message>,
    pub reactions: Reactions,
    pub down: Option<Down>,
    /// Fields that a topic may have.
    pub topic_fields: Vec<String>,
}

/// What is read next.
#[derive(Debug)]
pub(super) enum Node {
    Field(Arc<Field>),
    List(List),
    Blocks(Blocks),
}

/// One value.
#[derive(Debug)]
pub(super) struct Field {
    pub name: String,
    /// `"name":`, or nothing for a value without a name. Of a name with dots, what is behind the last.
    pub key: Vec<u8>,
    /// Where its span is kept; those of different messages are shared.
    pub slot: usize,
    pub place: Place,
    pub width: Width,
    pub format: Format,
    pub bits: Option<Bits>,
    pub scale: Option<Scaling>,
    pub trim: bool,
    /// Not in JSON.
    pub hidden: bool,
}

#[derive(Debug)]
pub(super) enum Width {
    Bytes(usize),
    Field(Arc<Field>),
    Until(u8),
    Rest,
    RestBut(usize),
}

#[derive(Debug)]
pub(super) enum Count {
    Fixed(usize),
    Field(Arc<Field>),
    Rest,
}

#[derive(Debug)]
pub(super) struct List {
    pub name: String,
    pub key: Vec<u8>,
    pub count: Count,
    pub nodes: Vec<Node>,
    /// Items are values without names.
    pub plain: bool,
}

#[derive(Debug)]
pub(super) struct Blocks {
    pub name: String,
    pub key: Vec<u8>,
    /// `"label":`
    pub label: Vec<u8>,
    pub tag: Format,
    pub length: Option<Format>,
    pub layouts: Vec<Layout>,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// The name as JSON.
    pub quoted: Vec<u8>,
    pub tags: Vec<(u64, u64)>,
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Message {
    pub name: String,
    pub when: Vec<Condition>,
    pub role: Role,
    pub nodes: Vec<Node>,
    /// How many, with the common ones.
    pub slots: usize,
    pub publish: bool,
    pub payload: Payload,
    /// Of JSON.
    pub nests: Nests,
    pub answer: Option<Reply>,
    pub refusal: Option<Reply>,
    /// Fields that the answer or the refusal needs: kept until it is decided.
    pub echoed: Vec<Arc<Field>>,
    /// Fields that the message has by name, common ones too.
    pub names: Vec<Arc<Field>>,
}

/// How the nodes of a message stand in objects of its JSON.
#[derive(Debug, Default)]
pub(super) struct Nests {
    /// By node that every frame has.
    pub common: Vec<Nest>,
    /// By node of the message.
    pub own: Vec<Nest>,
    /// Objects that are open at the end.
    pub end: usize,
}

/// What is written before a node.
#[derive(Debug, Default)]
pub(super) struct Nest {
    /// Objects that are closed.
    pub close: usize,
    /// Names and braces of those that are opened, but for the last brace; mostly nothing.
    pub open: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Condition {
    pub field: Arc<Field>,
    pub test: Test,
}

#[derive(Debug)]
pub(super) enum Test {
    Numbers(Vec<i128>),
    Texts(Vec<Vec<u8>>),
    Prefix(Vec<u8>),
}

#[derive(Debug)]
pub(super) enum Role {
    Login(Identity),
    Heartbeat,
    Data,
    Acknowledge(Arc<Field>),
    Close,
    Ignore,
}

#[derive(Debug)]
pub(super) struct Identity {
    pub client_id: ClientId,
    pub username: Option<Vec<Piece>>,
    pub password: Option<Vec<Piece>>,
    pub keepalive: Keepalive,
}

#[derive(Debug)]
pub(super) enum ClientId {
    Frame(Vec<Piece>),
    Certificate,
    Address,
}

#[derive(Debug)]
pub(super) enum Keepalive {
    Seconds(u16),
    Field(Arc<Field>),
}

#[derive(Debug)]
pub(super) enum Payload {
    Raw,
    Hex,
    Field(Arc<Field>),
    Json {
        /// `"label":"message"`, or nothing.
        label: Vec<u8>,
        /// By common node: it is left out.
        omit_common: Vec<bool>,
        /// By node of the message.
        omit_own: Vec<bool>,
    },
}

#[derive(Debug)]
pub(super) struct Reply {
    pub pieces: Vec<Piece>,
    pub raw: bool,
    /// It takes a number of the connection.
    pub numbered: bool,
    /// What `{$code}` is.
    pub codes: Codes,
}

#[derive(Debug)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Value(Source, Form),
    /// With what is added to the size.
    Size(Source, Form, Format, u16),
}

#[derive(Debug)]
pub(super) enum Source {
    Field(Arc<Field>),
    Member(String),
    Payload,
    Sequence,
    Client,
    Refusal,
    Code,
}

#[derive(Debug)]
pub(super) struct Down {
    pub payload: DownPayload,
    pub sequence_width: usize,
    pub window: u16,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub(super) struct Command {
    /// Members of the object, and what they must be.
    pub when: Vec<(String, Test)>,
    pub send: Reply,
}

impl Checksum {
    /// Bytes that it takes in a frame.
    pub(super) fn width(&self) -> usize {
        if self.hex { self.bytes() * 2 } else { self.bytes() }
    }

    /// Bytes that it has.
    pub(super) fn bytes(&self) -> usize {
        match self.algorithm {
            Algorithm::Xor | Algorithm::Sum8 => 1,
            Algorithm::Sum16
            | Algorithm::Crc16Modbus
            | Algorithm::Crc16CcittFalse
            | Algorithm::Crc16Xmodem
            | Algorithm::Crc16Kermit
            | Algorithm::Crc16X25 => 2,
            Algorithm::Crc32 => 4,
        }
    }
}

/// Reads an integer of 1 to 8 bytes.
pub(super) fn unsigned(bytes: &[u8], endian: Endian) -> u64 {
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    match endian {
        Endian::Big => bytes.iter().fold(0, fold),
        Endian::Little => bytes.iter().rev().fold(0, fold),
    }
}

/// Appends an integer in `width` bytes, up to 8; the bytes that do not fit are lost.
pub(super) fn push_unsigned(value: u64, width: usize, endian: Endian, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let bytes = &bytes[bytes.len() - width..];
    match endian {
        Endian::Big => out.extend_from_slice(bytes),
        Endian::Little => out.extend(bytes.iter().rev()),
    }
}
