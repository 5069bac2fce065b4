//! A shard's network ring: accept, receive, send, bells and waiting on one io_uring, behind a safe interface.
//!
//! Not here: what a connection is and when it may go; the pump and `link.rs` decide that. The invariant: whatever the
//! kernel may read or write belongs to the ring until its completion was reaped, and every completion names its
//! connection with its generation. The rest of the package knows nothing of submission entries.

pub(crate) mod buffers;
pub(crate) mod flight;
pub(crate) mod system;

use crate::Core;
pub use buffers::Filled;
use buffers::{Buffers, GROUP};
pub use flight::Batch;
use flight::Flight;
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringwire_core::{ConnectionId, Time};
use slab::Slab;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;
use system::SocketAddress;

/// A wait lasts no longer: a shard that nothing happens to looks around once an hour.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// Completions for which `gather` does not wait any longer.
const GATHERED: usize = 256;

/// Slots are told to the kernel in 24 bits.
pub const SLOTS_MAX: u32 = 1 << 24;

/// What a completion belongs to: the top byte of its user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// A cancel, or a bell at another ring: nobody waits for it.
    Forgotten = 0,
    Accept,
    Receive,
    Send,
    /// Another shard rang.
    Bell,
    /// The eventfd of threads without a ring.
    Knock,
    /// One of glommio's rings has something for its reactor.
    Background,
    Connect,
}

impl Kind {
    fn of(user_data: u64) -> Self {
        match (user_data >> 56) as u8 {
            1 => Kind::Accept,
            2 => Kind::Receive,
            3 => Kind::Send,
            4 => Kind::Bell,
            5 => Kind::Knock,
            6 => Kind::Background,
            7 => Kind::Connect,
            _ => Kind::Forgotten,
        }
    }

    fn data(self, index: u32, generation: u32) -> u64 {
        debug_assert!(index < SLOTS_MAX, "24 bits are told to the kernel");
        (self as u64) << 56 | u64::from(index) << 32 | u64::from(generation)
    }

    fn connection(self, id: ConnectionId) -> u64 {
        self.data(id.slot, id.generation)
    }
}

/// Something that the kernel finished.
#[derive(Debug)]
pub enum Event {
    /// A listener accepted a socket. `more`: it goes on accepting by itself.
    Accepted {
        /// As given to `accept`.
        listener: u32,
        /// Whoever connected.
        socket: OwnedFd,
        /// No need to call `accept` again.
        more: bool,
    },
    /// A listener stopped accepting.
    AcceptEnded {
        /// As given to `accept`.
        listener: u32,
        /// Why.
        errno: i32,
    },
    /// Bytes arrived; give the buffer back. `more`: the receive stays armed.
    Received {
        /// Whose.
        connection: ConnectionId,
        /// Where they are: see `Ring::bytes`.
        filled: Filled,
        /// No need to call `receive` again.
        more: bool,
    },
    /// The receive is over: the end of the stream (`errno` 0), no buffer was left (`ENOBUFS`), it was cancelled
    /// (`ECANCELED`), or the socket failed.
    ReceiveEnded {
        /// Whose.
        connection: ConnectionId,
        /// Why.
        errno: i32,
    },
    /// A part of a batch was taken by the kernel, and the rest is on its way.
    Progressed {
        /// Whose.
        connection: ConnectionId,
        /// Bytes not taken yet.
        left: usize,
    },
    /// A batch is done with: all taken (`errno` 0), or the socket failed or the send was cancelled.
    Sent {
        /// Whose.
        connection: ConnectionId,
        /// The ring's no longer; its buffer can be used again.
        batch: Batch,
        /// Why not all of it was taken.
        errno: i32,
    },
    /// Somebody rang: another shard, or a thread without a ring. `armed`: no need to arm the eventfd again.
    Rung {
        /// The ring goes on hearing.
        armed: bool,
    },
    /// A socket is connected (`errno` 0), or could not be.
    Connected {
        /// Whose.
        connection: ConnectionId,
        /// Why not.
        errno: i32,
    },
    /// Glommio has something to do; its ring's number.
    Background {
        /// As given to `watch`.
        ring: u32,
    },
}

/// The network ring of one shard. Made and used on the shard's thread only.
pub struct Ring {
    // Dropped in this order: the io_uring goes before the memory that it was told of.
    uring: IoUring,
    buffers: Buffers,
    flights: Slab<Flight>,
    /// Addresses that the kernel reads when it starts to connect; by slot of the connection.
    dials: HashMap<u32, Box<SocketAddress>>,
    /// System calls made.
    pub enters: u64,
    /// `enters` when the kernel was last given more buffers.
    grown_at: u64,
}

impl Ring {
    /// Sets the ring up and registers its receive buffers. The calling thread becomes its only submitter.
    pub fn new(core: &Core) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(core.cq_entries)
            .dontfork()
            .build(core.sq_entries)?;
        let buffers = Buffers::register(&uring, core)?;
        Ok(Self {
            uring,
            buffers,
            flights: Slab::new(),
            dials: HashMap::new(),
            enters: 0,
            grown_at: 0,
        })
    }

    /// A descriptor by which other rings ring this one; it outlives the ring harmlessly.
    pub fn bell(&self) -> io::Result<OwnedFd> {
        // SAFETY: the ring's descriptor is open while `self` lives.
        unsafe { BorrowedFd::borrow_raw(self.uring.as_raw_fd()) }.try_clone_to_owned()
    }

    /// Accepts on a listener until told otherwise.
    pub fn accept(&mut self, listener: u32, socket: BorrowedFd<'_>) {
        let entry = opcode::AcceptMulti::new(Fd(socket.as_raw_fd()))
            .flags(libc::SOCK_CLOEXEC)
            .build()
            .user_data(Kind::Accept.data(listener, 0));
        self.push(&entry);
    }

    /// Stops accepting; `AcceptEnded` follows.
    pub fn cancel_accept(&mut self, listener: u32) {
        self.cancel(Kind::Accept.data(listener, 0));
    }

    /// Connects a socket, one attempt at a time for a connection; `Connected` follows.
    pub fn connect(&mut self, connection: ConnectionId, socket: BorrowedFd<'_>, target: &SocketAddr) {
        let address = Box::new(SocketAddress::of(target));
        let (start, length) = address.raw();
        let entry = opcode::Connect::new(Fd(socket.as_raw_fd()), start, length)
            .build()
            .user_data(Kind::Connect.connection(connection));
        self.dials.insert(connection.slot, address);
        self.push(&entry);
    }

    /// Receives once, so that the socket may move to another ring afterwards. No buffer is held while it waits.
    pub fn receive_once(&mut self, connection: ConnectionId, socket: BorrowedFd<'_>) {
        let entry = opcode::Recv::new(Fd(socket.as_raw_fd()), std::ptr::null_mut(), 0)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT)
            .user_data(Kind::Receive.connection(connection));
        self.push(&entry);
    }

    /// Receives until the stream or the buffers end, or it is cancelled.
    pub fn receive(&mut self, connection: ConnectionId, socket: BorrowedFd<'_>) {
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP)
            .build()
            .user_data(Kind::Receive.connection(connection));
        self.push(&entry);
    }

    /// Ends a receive; `ReceiveEnded` follows, perhaps after bytes that had arrived already.
    pub fn cancel_receive(&mut self, connection: ConnectionId) {
        self.cancel(Kind::Receive.connection(connection));
    }

    /// Sends a batch: one at a time for a connection, so that order is kept. The ring owns it until `Sent`.
    pub fn send(&mut self, connection: ConnectionId, socket: BorrowedFd<'_>, batch: Batch) -> u32 {
        let flight = Flight::new(connection, socket.as_raw_fd(), batch);
        let key = self.flights.insert(flight) as u32;
        self.fly(key);
        key
    }

    /// Ends a send by the key that `send` returned; `Sent` follows.
    pub fn cancel_send(&mut self, key: u32) {
        if let Some(flight) = self.flights.get_mut(key as usize) {
            flight.call_off();
            self.cancel(Kind::Send.data(key, 0));
        }
    }

    /// Rings another shard's ring.
    pub fn ring(&mut self, bell: BorrowedFd<'_>) {
        let entry = opcode::MsgRingData::new(Fd(bell.as_raw_fd()), 0, Kind::Bell.data(0, 0), None)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Kind::Forgotten.data(0, 0));
        self.push(&entry);
    }

    /// Hears the eventfd of threads without a ring, at every write (it is never read: only its edges count).
    pub fn hear(&mut self, eventfd: BorrowedFd<'_>) {
        let entry = opcode::PollAdd::new(Fd(eventfd.as_raw_fd()), libc::POLLIN as u32)
            .multi(true)
            .build()
            .user_data(Kind::Knock.data(0, 0));
        self.push(&entry);
    }

    /// Watches one of glommio's rings until it has something, once.
    pub fn watch(&mut self, ring: u32, descriptor: RawFd) {
        let entry = opcode::PollAdd::new(Fd(descriptor), libc::POLLIN as u32)
            .build()
            .user_data(Kind::Background.data(ring, 0));
        self.push(&entry);
    }

    /// Whether a send is outstanding.
    pub fn is_sending(&self) -> bool {
        !self.flights.is_empty()
    }

    /// The connections whose send is outstanding and whose peer has acknowledged nothing since an earlier look, for
    /// longer than allowed. `look` says for a connection how many bytes are acknowledged, and the milliseconds allowed.
    pub fn stuck_sends(
        &mut self,
        now: Time,
        mut look: impl FnMut(ConnectionId) -> Option<(u64, u64)>,
    ) -> Vec<ConnectionId> {
        let flights = self.flights.iter_mut();
        flights
            .filter_map(|(_, flight)| {
                let (acknowledged, allowed) = look(flight.connection())?;
                (flight.stalled(now, acknowledged) >= allowed).then_some(flight.connection())
            })
            .collect()
    }

    /// Bytes of a buffer that was filled.
    pub fn bytes(&self, filled: &Filled) -> &[u8] {
        self.buffers.bytes(filled)
    }

    /// Gives a receive buffer back.
    pub fn give_back(&mut self, filled: Filled) {
        self.buffers.give_back(filled);
    }

    /// Receive buffers given back since the last `enter`.
    pub fn buffers_used(&self) -> u16 {
        self.buffers.unpublished()
    }

    /// Receive buffers that the kernel was given so far.
    pub(crate) fn buffers_given(&self) -> u16 {
        self.buffers.given()
    }

    /// Whether completions wait to be reaped, or would after an `enter`: no system call is made.
    pub fn has_events(&mut self) -> bool {
        if !self.uring.completion().is_empty() {
            return true;
        }
        let queue = self.uring.submission();
        queue.taskrun() || queue.cq_overflow()
    }

    /// `has_events`, made sure of: true when completions can be reaped. The kernel marks work by others' hands, and the mark
    /// can stay when it has run that work already: whoever trusts it alone enters again and again for nothing.
    pub fn settle(&mut self) -> io::Result<bool> {
        if self.has_events() {
            self.enter(None)?;
        }
        Ok(!self.uring.completion().is_empty())
    }

    /// Submits everything, and waits for a completion: not at all (`None`) or at most so long. One system call; none
    /// when there is nothing to submit, to run or to wait for.
    pub fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        self.buffers.publish();
        let idle = self.uring.submission().is_empty();
        if idle && wait.is_none() && !self.has_events() {
            return Ok(());
        }
        let timeout = wait.map(|wait| Timespec::from(wait.min(LONGEST_WAIT)));
        let mut args = SubmitArgs::new();
        if let Some(timeout) = &timeout {
            args = args.timespec(timeout);
        }
        self.submit(usize::from(wait.is_some()), &args)
    }

    /// Whether the kernel can `gather` (Linux 6.12).
    pub fn can_gather(&self) -> bool {
        self.uring.params().is_feature_min_timeout()
    }

    /// As `enter`, but waits for `least` even when a completion is there, unless many are.
    pub fn gather(&mut self, wait: Duration, least: Duration) -> io::Result<()> {
        self.buffers.publish();
        let timeout = Timespec::from(wait.min(LONGEST_WAIT));
        let least = u32::try_from(least.min(wait).as_micros()).unwrap_or(u32::MAX);
        let args = SubmitArgs::new().timespec(&timeout).min_wait_usec(least);
        self.submit(GATHERED, &args)
    }

    fn submit(&mut self, want: usize, args: &SubmitArgs<'_, '_>) -> io::Result<()> {
        self.enters += 1;
        match self.uring.submitter().submit_with_args(want, args) {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                // Out of time, a signal, completions to reap first, or no memory for a moment: the next turn goes on.
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// The next thing that the kernel finished, without a system call.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            let completion = self.uring.completion().next()?;
            let event = self.event(&completion);
            if event.is_some() {
                return event;
            }
        }
    }

    fn event(&mut self, completion: &cqueue::Entry) -> Option<Event> {
        let user_data = completion.user_data();
        let index = (user_data >> 32) as u32 & (SLOTS_MAX - 1);
        let more = cqueue::more(completion.flags());
        match Kind::of(user_data) {
            Kind::Forgotten => None,
            Kind::Accept => Some(Self::accepted(index, completion.result(), more)),
            Kind::Receive => {
                let connection = ConnectionId {
                    slot: index,
                    generation: user_data as u32,
                };
                Some(self.received(connection, completion))
            }
            Kind::Connect => {
                self.dials.remove(&index);
                Some(Event::Connected {
                    connection: ConnectionId {
                        slot: index,
                        generation: user_data as u32,
                    },
                    errno: -completion.result().min(0),
                })
            }
            Kind::Send => self.sent(index, completion.result()),
            Kind::Bell => Some(Event::Rung { armed: true }),
            Kind::Knock => Some(Event::Rung { armed: more }),
            Kind::Background => Some(Event::Background { ring: index }),
        }
    }

    fn accepted(listener: u32, result: i32, more: bool) -> Event {
        if result < 0 {
            return Event::AcceptEnded {
                listener,
                errno: -result,
            };
        }
        // SAFETY: the kernel just made this descriptor for this completion; nobody else owns it.
        let socket = unsafe { OwnedFd::from_raw_fd(result) };
        Event::Accepted {
            listener,
            socket,
            more,
        }
    }

    fn received(&mut self, connection: ConnectionId, completion: &cqueue::Entry) -> Event {
        let flags = completion.flags();
        let buffer = cqueue::buffer_select(flags);
        match (completion.result(), buffer) {
            (length, Some(id)) if length > 0 => Event::Received {
                connection,
                filled: self.buffers.filled(id, length as u32),
                more: cqueue::more(flags),
            },
            (result, buffer) => {
                if let Some(id) = buffer {
                    let filled = self.buffers.filled(id, 0);
                    self.buffers.give_back(filled);
                }
                if result == -libc::ENOBUFS {
                    self.grow_buffers();
                }
                Event::ReceiveEnded {
                    connection,
                    errno: -result.min(0),
                }
            }
        }
    }

    /// Every connection that found no buffer says so: only the first of a round means that there are too few.
    fn grow_buffers(&mut self) {
        if self.grown_at != self.enters {
            self.grown_at = self.enters;
            self.buffers.grow();
        }
    }

    fn sent(&mut self, key: u32, result: i32) -> Option<Event> {
        let flight = self.flights.get_mut(key as usize)?;
        let connection = flight.connection();
        if result > 0 {
            flight.advance(result as usize);
        }
        let left = flight.left();
        let errno = match result {
            _ if left == 0 => 0,
            _ if flight.is_called_off() => libc::ECANCELED,
            1.. => {
                self.fly(key);
                return Some(Event::Progressed { connection, left });
            }
            // Nothing taken and no error: such a socket is of no use.
            0 => libc::EPIPE,
            error => -error,
        };
        let batch = self.flights.remove(key as usize).into_batch();
        Some(Event::Sent {
            connection,
            batch,
            errno,
        })
    }

    fn fly(&mut self, key: u32) {
        let entry = self.flights[key as usize]
            .entry()
            .user_data(Kind::Send.data(key, 0));
        self.push(&entry);
    }

    fn cancel(&mut self, user_data: u64) {
        let entry = opcode::AsyncCancel2::new(CancelBuilder::user_data(user_data))
            .build()
            .user_data(Kind::Forgotten.data(0, 0));
        self.push(&entry);
    }

    fn push(&mut self, entry: &squeue::Entry) {
        loop {
            // SAFETY: an entry points to nothing (receives take registered buffers) or into a `Flight` or an address, which
            // live in `flights` and `dials`, at stable addresses, until their completion is reaped; descriptors are the
            // caller's, who keeps a socket open while an operation on it is outstanding.
            if unsafe { self.uring.submission().push(entry) }.is_ok() {
                return;
            }
            self.make_room();
        }
    }

    /// The submission queue is full: hands it to the kernel in the middle of a turn.
    fn make_room(&mut self) {
        self.enters += 1;
        // An error leaves the entries where they are and the loop above tries again; what can fail here for good (the
        // ring's descriptor is gone) cannot happen while `self` lives.
        let _ = self.uring.submit();
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Nothing may be left that the kernel could touch once the memory is gone.
        let timeout = Timespec::from(Duration::from_secs(1));
        let _ = self
            .uring
            .submitter()
            .register_sync_cancel(Some(timeout), CancelBuilder::any());
        self.buffers.unregister(&self.uring);
        let _ = self.enter(Some(Duration::ZERO));
        while self.next_event().is_some() {}
        for flight in self.flights.drain() {
            // Its cancel did not come back: memory is left to the kernel rather than taken from under it.
            std::mem::forget(flight);
        }
    }
}

#[cfg(test)]
mod tests;
