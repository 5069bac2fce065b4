//! The seam of private protocols: bytes become events, decisions become bytes.
//!
//! A [`Blueprint`] is what a listener speaks, shared by the node; each shard makes an [`Adapter`] of it, which keeps what it
//! must know of each connection behind a [`Link`]. The engine asks it for one [`Event`] after another, decides, and has
//! the decision written. An adapter knows of no topic, session or clock. MQTT does not come this way.
//!
//! The invariant: [`Adapter::read`] may be called again for bytes that it has reported on. What it reports is done only
//! when [`Adapter::answer`] says so, because a publish may have to wait for room on another shard.

pub mod described;
pub mod emq;
pub mod jt808;
pub mod links;

use std::borrow::Cow;
use std::fmt::Debug;
use std::net::SocketAddr;

/// What is spoken on a listener: a description, a module, or what is built in. The same for all shards.
pub trait Blueprint: Debug + Send + Sync {
    /// The name in logs, in the client list and in `ringwire adapter`, such as `private-tcp` or `jt808`.
    fn name(&self) -> &str;

    /// The protocol's version as clients are listed with; 0 where it has none.
    fn version(&self) -> u8 {
        0
    }

    /// Names that an up topic may have in braces, as `{command}`.
    fn fields(&self) -> Vec<String> {
        Vec::new()
    }

    /// What stands in the frame at the front of `front`, for a person; nothing where the protocol does not explain itself.
    fn explain(&self, _front: &[u8]) -> Vec<described::Step> {
        Vec::new()
    }

    /// An adapter for one shard and listener. `wanted`: the fields that the listener's up topic has in braces, in its order,
    /// all of them among `fields`; each publish comes with their values.
    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter>;
}

/// What an adapter knows of one connection, under a number of its own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Link(pub u32);

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// The common name of its TLS certificate, where it showed one.
    pub certificate: Option<&'a str>,
}

/// One shard's side of a protocol.
pub trait Adapter: Debug + Send {
    /// A connection begins. One that another shard hands over begins anew here, and is read from its first byte.
    fn open(&mut self, peer: Peer<'_>) -> Link;

    /// A connection is over; its number may be given again.
    fn close(&mut self, link: Link);

    /// What the front of `input` says. It may borrow from `input` and from `scratch`, whose bytes and values are left
    /// from earlier calls and of no meaning.
    ///
    /// # Errors
    /// The connection is closed; `answer` is called before, with [`Answer::Unreadable`].
    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable>;

    /// Bytes of the whole first frame of `front`, as far as that can be told from an incomplete one; `None` when it cannot.
    fn frame_size(&self, _link: Link, _front: &[u8]) -> Option<usize> {
        None
    }

    /// The event that `read` reported last for this connection was decided upon: appends what the device is told.
    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>);

    /// It wants to know what became of a `Publish`. False saves a call for each message: `answer` is then not called with
    /// [`Answer::Taken`].
    fn answers_data(&self) -> bool {
        true
    }

    /// Appends what carries a message to the device. An error appends nothing; the message is dropped and counted.
    fn deliver(&mut self, link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable>;

    /// How many messages may be on their way to a device without its acknowledgement, 0 to 65,535. 0: the protocol has none,
    /// and what was written is delivered.
    fn window(&self) -> u16 {
        0
    }
}

/// What a reading has besides the input: memory for what does not stand there as it is meant, and the time.
#[derive(Debug, Default)]
pub struct Scratch {
    /// A payload, a client id, ...
    pub bytes: Vec<u8>,
    /// Values of the fields that the up topic wants, in its order.
    pub values: Vec<String>,
    /// Milliseconds since some moment before; it never goes back. Set by who calls, for an adapter that keeps what it must
    /// give up after a while.
    pub now_ms: u64,
}

/// What the front of the input holds.
#[derive(Debug)]
pub enum Read<'a> {
    /// Not yet a whole frame.
    Incomplete,
    /// Something to decide. `used` bytes are done when it is; 0 when the same bytes say more, or when it comes out of a
    /// queue of the adapter's.
    Event {
        /// What.
        event: Event<'a>,
        /// Bytes from the front.
        used: usize,
    },
    /// `used` bytes, more than 0, that ask for nothing: a part of something larger, or what the protocol ignores.
    Nothing {
        /// Bytes from the front.
        used: usize,
    },
    /// `used` bytes that cannot be read but can be left out. Counted, and logged once a connection.
    Skipped {
        /// Bytes from the front; 0 when it is about bytes of earlier frames, which the adapter kept and gives up now.
        used: usize,
        /// Why.
        why: Unreadable,
    },
}

/// What a device wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It says who it is and is not let in yet: the connection moves to the shard where that client id is at home. Answered
    /// with [`Answer::Identified`]. A later `Connect` has the same client id.
    Identify {
        /// As in `Connect`.
        client_id: &'a [u8],
    },
    /// It wants to be let in. Answered with [`Answer::Accepted`] or [`Answer::Refused`]. Every other event but `Identify`
    /// comes after it.
    Connect(Connect<'a>),
    /// Data, published on the listener's up topic. Answered with [`Answer::Taken`] or [`Answer::Denied`].
    Publish(Publish<'a>),
    /// It is alive. Answered with [`Answer::Alive`].
    Heartbeat,
    /// It has the message that was delivered with this number. Not answered.
    Acknowledge {
        /// `Down::number`.
        number: u16,
    },
    /// It goes. Answered with [`Answer::Goodbye`].
    Close,
}

/// A device that wants to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Not checked: the engine refuses what would change a topic.
    pub client_id: &'a [u8],
    /// As sent.
    pub username: Option<&'a [u8]>,
    /// As sent.
    pub password: Option<&'a [u8]>,
    /// Seconds; 0: it asks for none, and gets the listener's.
    pub keepalive_s: u16,
}

/// Data of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// What is published.
    pub payload: &'a [u8],
    /// One for each field that is wanted; see [`Blueprint::adapter`].
    pub values: &'a [String],
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of `Identify`: nothing is known against it.
    Identified,
    /// Of `Connect`: it is let in.
    Accepted,
    /// Of `Connect`: it is not let in. The connection is closed.
    Refused(Refusal),
    /// Of `Publish`: it is routed.
    Taken,
    /// Of `Publish`: an access rule forbids it, or it cannot be published. It is dropped, the connection stays.
    Denied,
    /// Of `Heartbeat`.
    Alive,
    /// Of `Close`.
    Goodbye,
    /// `read` failed with this kind of error; the connection is closed.
    Unreadable(Kind),
}

/// Why a device is not let in, with a text for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For the protocol.
    pub cause: Cause,
    /// For the device's log.
    pub text: &'static str,
}

/// Why a device is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its client id is not allowed.
    ClientId,
    /// Wrong or missing credentials.
    Credentials,
    /// Banned by the operator.
    Banned,
    /// No room for one more.
    Full,
}

/// A message for a device.
#[derive(Clone, Copy, Debug)]
pub struct Down<'a> {
    /// On which it was published.
    pub topic: &'a str,
    /// What was published.
    pub payload: &'a [u8],
    /// By which the device's acknowledgement is known, 1 to 65,535; 0 when none is waited for.
    pub number: u16,
    /// It was sent with this number before, on this connection.
    pub again: bool,
}

/// What follows what `deliver` wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: it is whole.
    Nothing,
    /// The payload as it is, which the engine need not copy when it is large.
    Payload,
    /// Nothing, and the device will not acknowledge it: it is delivered, though it has a number.
    Settled,
}

/// Why a message is not delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undeliverable {
    /// The protocol has no room for so much.
    #[error("a payload of {size} bytes, and the protocol carries {limit}")]
    TooLarge {
        /// Payload bytes.
        size: usize,
        /// What it carries.
        limit: usize,
    },
    /// The payload is not what a message to this device looks like.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The adapter failed: the connection is closed.
    #[error("the adapter failed: {0}")]
    Failed(Cow<'static, str>),
}

/// Bytes of a device that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (offset {offset})")]
pub struct Unreadable {
    /// What kind of error: the reason of the close.
    pub kind: Kind,
    /// What is wrong, for a person.
    pub what: Cow<'static, str>,
    /// Where, in bytes from the front of the input.
    pub offset: usize,
}

/// A kind of error in a device's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first frame is no greeting.
    NotConnected,
    /// A second greeting.
    AlreadyConnected,
    /// A frame that does not exist, or that only a server sends.
    Illegal,
    /// A frame whose parts do not fit together.
    Malformed,
    /// The checksum is another.
    Checksum,
    /// More than the listener takes.
    TooLarge,
    /// A version of the protocol that is not spoken.
    Version,
    /// Wrong credentials, where the adapter itself checks them.
    Credentials,
    /// The adapter itself failed: a trap, a deadline, too much memory.
    Failed,
}

impl Unreadable {
    /// An error at `offset`.
    pub fn new(kind: Kind, what: impl Into<Cow<'static, str>>, offset: usize) -> Self {
        let what = what.into();
        Self { kind, what, offset }
    }
}
