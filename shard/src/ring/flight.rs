//! A batch of bytes on its way to one socket: the memory that the kernel reads while a send is outstanding.
//!
//! Owned by the ring from `send` to `Sent`. A batch without references leaves as one `send`, one with references as
//! `sendmsg`s of up to 1,024 pieces. The buffer and the pieces do not move while the kernel knows of them.

use io_uring::types::Fd;
use io_uring::{opcode, squeue};
use ringwire_core::outbox::Reference;
use ringwire_core::{ConnectionId, Time};
use std::mem::zeroed;
use std::os::fd::RawFd;

/// Pieces of one `sendmsg`: the kernel's `UIO_MAXIOV`.
const PIECES_MAX: usize = 1_024;

/// One completion for a batch, and no signal when the peer is gone.
const FLAGS: libc::c_int = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;

/// What was taken out of an out box: frames, and large payloads that stand between them.
#[derive(Debug, Default)]
pub struct Batch {
    /// Frames.
    pub buffer: Vec<u8>,
    /// By ascending offset into `buffer`.
    pub references: Vec<Reference>,
}

impl Batch {
    fn len(&self) -> usize {
        let referred: usize = self
            .references
            .iter()
            .map(|reference| reference.payload().len())
            .sum();
        self.buffer.len() + referred
    }
}

/// A batch, how much of it the kernel has taken, and what it is told by.
#[derive(Debug)]
pub(crate) struct Flight {
    connection: ConnectionId,
    socket: RawFd,
    batch: Batch,
    bytes: usize,
    taken: usize,
    message: Option<Box<Message>>,
    called_off: bool,
    /// What the peer had acknowledged at the last look that found more, and when that was.
    seen: Option<(u64, Time)>,
}

/// The header of a `sendmsg` and the pieces it points to; boxed, because the kernel knows the address.
struct Message {
    header: libc::msghdr,
    pieces: Vec<libc::iovec>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Message")
            .field("pieces", &self.pieces.len())
            .finish()
    }
}

impl Flight {
    pub(crate) fn new(connection: ConnectionId, socket: RawFd, batch: Batch) -> Self {
        let bytes = batch.len();
        Self {
            connection,
            socket,
            batch,
            bytes,
            taken: 0,
            message: None,
            called_off: false,
            seen: None,
        }
    }

    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Bytes that the kernel has not taken.
    pub(crate) fn left(&self) -> usize {
        self.bytes - self.taken
    }

    /// The kernel took so many bytes more.
    pub(crate) fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.left(), "the kernel takes no more than it was given");
        self.taken += bytes;
    }

    /// What the kernel has not taken is not sent any more.
    pub(crate) fn call_off(&mut self) {
        self.called_off = true;
    }

    pub(crate) fn is_called_off(&self) -> bool {
        self.called_off
    }

    /// Milliseconds for which the peer has acknowledged nothing, as far as was looked.
    pub(crate) fn stalled(&mut self, now: Time, acknowledged: u64) -> u64 {
        match self.seen {
            Some((seen, since)) if seen == acknowledged => now.millis_since(since),
            Some(_) | None => {
                self.seen = Some((acknowledged, now));
                0
            }
        }
    }

    pub(crate) fn into_batch(self) -> Batch {
        self.batch
    }

    /// The submission entry for what is left. Points into `self`'s heap memory, which must outlive the operation.
    pub(crate) fn entry(&mut self) -> squeue::Entry {
        if self.batch.references.is_empty() {
            let rest = &self.batch.buffer[self.taken..];
            let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            return opcode::Send::new(Fd(self.socket), rest.as_ptr(), length)
                .flags(FLAGS)
                .build();
        }
        let pieces = self.pieces();
        let message = self.message.get_or_insert_with(|| {
            Box::new(Message {
                // SAFETY: `msghdr` is a plain C struct for which all zeroes means "nothing".
                header: unsafe { zeroed() },
                pieces: Vec::new(),
            })
        });
        message.pieces = pieces;
        message.header.msg_iov = message.pieces.as_mut_ptr();
        message.header.msg_iovlen = message.pieces.len() as _;
        opcode::SendMsg::new(Fd(self.socket), &raw const message.header)
            .flags(FLAGS as u32)
            .build()
    }

    /// Buffer and payloads in order, without what was taken already.
    fn pieces(&self) -> Vec<libc::iovec> {
        let mut pieces = Vec::new();
        let mut skip = self.taken;
        let mut from = 0;
        for reference in &self.batch.references {
            push_piece(&mut pieces, &mut skip, &self.batch.buffer[from..reference.at]);
            push_piece(&mut pieces, &mut skip, reference.payload());
            from = reference.at;
            if pieces.len() >= PIECES_MAX {
                pieces.truncate(PIECES_MAX);
                return pieces;
            }
        }
        push_piece(&mut pieces, &mut skip, &self.batch.buffer[from..]);
        pieces
    }
}

fn push_piece(pieces: &mut Vec<libc::iovec>, skip: &mut usize, bytes: &[u8]) {
    let skipped = bytes.len().min(*skip);
    *skip -= skipped;
    let rest = &bytes[skipped..];
    if !rest.is_empty() {
        pieces.push(libc::iovec {
            iov_base: rest.as_ptr().cast_mut().cast(),
            iov_len: rest.len(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringwire_codec::mqtt::QoS;
    use ringwire_core::Message;
    use ringwire_core::message::Parts;
    use std::sync::Arc;

    fn lengths(flight: &Flight) -> Vec<usize> {
        flight.pieces().iter().map(|piece| piece.iov_len).collect()
    }

    fn flight(references: usize) -> Flight {
        let message = Arc::new(Message::new(Parts {
            topic: "t",
            payload: &[2; 100],
            properties: &[],
            publisher: &[],
            qos: QoS::AtMostOnce,
            retain: false,
        }));
        let batch = Batch {
            buffer: vec![1; references * 2 + 1],
            references: (0..references)
                .map(|index| Reference {
                    at: index * 2,
                    message: message.clone(),
                })
                .collect(),
        };
        let connection = ConnectionId {
            slot: 0,
            generation: 0,
        };
        Flight::new(connection, 0, batch)
    }

    #[test]
    fn payloads_stand_at_their_offsets() {
        assert_eq!(lengths(&flight(2)), [100, 2, 100, 3]);
    }

    #[test]
    fn what_was_taken_is_not_sent_again() {
        let mut flight = flight(2);
        flight.advance(101);
        assert_eq!(lengths(&flight), [1, 100, 3]);
        assert_eq!(flight.left(), 104);
    }

    #[test]
    fn a_message_has_no_more_pieces_than_the_kernel_takes() {
        let mut flight = flight(1_000);
        let first = lengths(&flight);
        assert_eq!(first.len(), PIECES_MAX);
        flight.advance(first.iter().sum());
        assert_eq!(lengths(&flight).iter().sum::<usize>(), flight.left());
    }
}
