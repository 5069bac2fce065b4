//! One shard's side of a description: its connections, and what they are told.

use super::explain::Trace;
use super::plan::{Field, Message, Plan, Reply, Role};
use super::render::{Values, render};
use super::walk::Span;
use crate::adapter::links::Links;
use crate::adapter::{
    Adapter, Answer, Down, Link, Peer, Read, Refusal, Scratch, Tail, Undeliverable, Unreadable,
};
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes that a connection keeps for an answer when it waits for none.
const KEPT_BYTES: usize = 256;

/// A description that is spoken on one listener of one shard.
#[derive(Debug)]
pub(super) struct Running {
    pub plan: Arc<Plan>,
    /// By message, by field that the up topic wants: where it is. `None`: the message does not have it, or it is its name.
    pub wanted: Vec<Vec<Wanted>>,
    pub connections: Links<Connection>,
    pub work: Work,
}

/// A value that the up topic wants.
#[derive(Debug)]
pub(super) enum Wanted {
    /// The message's name.
    Name,
    Field(Arc<Field>),
    Missing,
}

/// Memory for one reading or writing; its content is of no meaning after it.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// A frame without its escapes.
    pub plain: Vec<u8>,
    pub columns: Vec<Span>,
    pub slots: Vec<Span>,
    /// Text that is compared, or what is to become a frame.
    pub content: Vec<u8>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub address: IpAddr,
    pub certificate: Option<Box<str>>,
    /// It was let in.
    pub greeted: bool,
    /// The frame at the front has done its role: what is left to be done is to publish it, or to close after that was done.
    pub again: bool,
    /// The message whose event was reported last.
    last: Option<u16>,
    /// The way in which its frame began.
    way: usize,
    /// Bytes at the front of the input that were searched in vain for an end, or for a start.
    pub searched: usize,
    /// Who it is; set when it wants to be let in.
    pub client: Vec<u8>,
    /// Fields that the answer to the last event needs.
    held: Vec<u8>,
    /// Of the next command or answer.
    sequence: u32,
    /// Commands on their way: their sequence numbers and the engine's, the oldest first.
    pub sent: Vec<(u32, u16)>,
}

impl Connection {
    fn new(address: IpAddr, certificate: Option<&str>) -> Self {
        Self {
            address,
            certificate: certificate.map(Box::from),
            greeted: false,
            again: false,
            last: None,
            way: 0,
            searched: 0,
            client: Vec::new(),
            held: Vec::new(),
            sequence: 0,
            sent: Vec::new(),
        }
    }

    /// A number that no command on its way has, of as many bytes as are said.
    pub fn next_sequence(&mut self, width: usize) -> u32 {
        let mask = u32::MAX >> (32 - width * 8);
        let is_taken = |sequence: u32, sent: &[(u32, u16)]| sent.iter().any(|(taken, _)| *taken == sequence);
        while is_taken(self.sequence, &self.sent) {
            self.sequence = self.sequence.wrapping_add(1) & mask;
        }
        let sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1) & mask;
        sequence
    }

    /// Keeps what an answer to this message needs.
    pub fn hold(&mut self, (index, way): (usize, usize), message: &Message, body: &[u8], slots: &[Span]) {
        self.last = u16::try_from(index).ok();
        self.way = way;
        self.held.clear();
        for field in &message.echoed {
            let raw = slots[field.slot].of(body);
            let size = raw.map_or(u32::MAX, |raw| {
                u32::try_from(raw.len()).expect("smaller than a frame")
            });
            self.held.extend_from_slice(&size.to_le_bytes());
            self.held.extend_from_slice(raw.unwrap_or_default());
        }
    }

    /// Finds again what was kept.
    fn recall(&self, message: &Message, slots: &mut Vec<Span>) {
        slots.clear();
        slots.resize(message.slots, Span::ABSENT);
        let mut at = 0;
        for field in &message.echoed {
            let Some(size) = self.held.get(at..at + 4) else {
                return;
            };
            let size = u32::from_le_bytes(size.try_into().expect("four bytes"));
            at += 4;
            if size != u32::MAX {
                slots[field.slot] = Span::new(at..at + size as usize);
                at += size as usize;
            }
        }
    }
}

impl Running {
    pub(super) fn new(plan: Arc<Plan>, wanted: &[String]) -> Self {
        let find = |message: &Message, name: &String| {
            if name == super::compile::MESSAGE {
                return Wanted::Name;
            }
            let field = message.names.iter().find(|field| field.name == *name);
            field.map_or(Wanted::Missing, |field| Wanted::Field(field.clone()))
        };
        let by_message = |message: &Message| wanted.iter().map(|name| find(message, name)).collect();
        let wanted = plan.messages.iter().map(by_message).collect();
        Self {
            plan,
            wanted,
            connections: Links::default(),
            work: Work::default(),
        }
    }

    /// What is told after a decision; what changes with it.
    fn decide(&mut self, link: Link, answer: Answer) -> Option<(usize, bool)> {
        let connection = &mut self.connections[link];
        let index = usize::from(connection.last?);
        let message = &self.plan.messages[index];
        let is_login = matches!(message.role, Role::Login(_));
        let positive = match answer {
            Answer::Identified | Answer::Unreadable(_) => return None,
            Answer::Accepted => {
                connection.greeted = true;
                connection.again = is_login && message.publish;
                return is_login.then_some((index, true));
            }
            Answer::Refused(_) => false,
            Answer::Taken | Answer::Denied => {
                connection.again = matches!(message.role, Role::Close);
                if !matches!(message.role, Role::Data) {
                    return None;
                }
                answer == Answer::Taken
            }
            Answer::Alive => {
                connection.again = message.publish;
                true
            }
            Answer::Goodbye => true,
        };
        Some((index, positive))
    }
}

impl Adapter for Running {
    fn open(&mut self, peer: Peer<'_>) -> Link {
        self.connections
            .open(Connection::new(peer.address.ip(), peer.certificate))
    }

    fn close(&mut self, link: Link) {
        self.connections.close(link);
    }

    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        self.read_traced(link, input, scratch, &mut ())
    }

    fn frame_size(&self, _link: Link, front: &[u8]) -> Option<usize> {
        self.plan.frames.size(front)
    }

    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>) {
        let Some((index, positive)) = self.decide(link, answer) else {
            return;
        };
        let message = &self.plan.messages[index];
        let refusal = if let Answer::Refused(refusal) = answer {
            Some(refusal)
        } else {
            None
        };
        let reply = if positive {
            &message.answer
        } else {
            &message.refusal
        };
        if let Some(reply) = reply {
            let connection = &mut self.connections[link];
            write(
                &self.plan,
                (message, reply),
                (connection, refusal),
                &mut self.work,
                out,
            );
        }
        let connection = &mut self.connections[link];
        if connection.held.capacity() > KEPT_BYTES {
            connection.held = Vec::new();
        }
    }

    fn deliver(&mut self, link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable> {
        self.send(link, down, out)
    }

    fn window(&self) -> u16 {
        self.plan.down.as_ref().map_or(0, |down| down.window)
    }
}

/// Appends a reply. One that a field's value makes impossible is not sent: there is nobody to tell.
fn write(
    plan: &Plan,
    (message, reply): (&Message, &Reply),
    (connection, refusal): (&mut Connection, Option<Refusal>),
    work: &mut Work,
    out: &mut Vec<u8>,
) {
    connection.recall(message, &mut work.slots);
    let sequence_width = plan.down.as_ref().map_or(4, |down| down.sequence_width);
    let sequence = if reply.numbered {
        connection.next_sequence(sequence_width)
    } else {
        0
    };
    let values = Values {
        sequence,
        refusal: refusal.map_or("", |refusal| refusal.text),
        code: reply
            .codes
            .of(refusal.map(|refusal| refusal.cause))
            .unwrap_or_default(),
        ..Values::of(&connection.held, &work.slots, &connection.client)
    };
    work.content.clear();
    if render(&reply.pieces, &values, &mut work.content).is_err() {
        return;
    }
    if reply.raw {
        out.extend_from_slice(&work.content);
    } else {
        // A frame that cannot be made appends nothing.
        let frame = plan.frames.way(connection.way);
        let _ = frame.wrap(plan.checksum.as_ref(), &mut work.content, out);
    }
}

/// Used by `explain`, which wants to be told what is done.
pub(super) fn traced<'a>(
    running: &mut Running,
    link: Link,
    (input, scratch): (&'a [u8], &'a mut Scratch),
    trace: &mut impl Trace,
) -> Result<Read<'a>, Unreadable> {
    running.read_traced(link, input, scratch, trace)
}
