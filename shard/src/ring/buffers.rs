//! The receive buffers that all connections of a shard share: a ring of provided buffers, registered with the kernel.
//!
//! The kernel takes a buffer when bytes arrive; the pump gives it back in the same turn. A [`Filled`] can be given back
//! only once. The memory is mapped, so buffers never filled cost nothing, and it is unmapped only after the kernel has
//! been told to forget it.
//!
//! The kernel goes round all buffers that it was given, so it is given a few at first and twice as many each time that it
//! runs out: a shard of idle connections keeps a few pages warm, not all of them.

use crate::{Core, HugePages};
use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

const HUGE_PAGE: usize = 2 << 20;

/// The buffer group's id: one a ring.
pub(crate) const GROUP: u16 = 0;

/// Buffers that the kernel is given at first.
const FIRST: u16 = 64;

/// A buffer that the kernel filled and that has not been given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost to the shard"]
pub struct Filled {
    id: u16,
    length: u32,
}

/// The shared receive buffers of one ring.
#[derive(Debug)]
pub(crate) struct Buffers {
    ring: Mapping,
    memory: Mapping,
    count: u16,
    /// Buffers that the kernel was given so far, from the first on.
    given: u16,
    buffer_bytes: u32,
    /// Of the next entry to fill; the kernel sees it when `publish` is called.
    tail: u16,
    published: u16,
}

impl Buffers {
    /// Maps `core.buffers` (a power of two up to 32,768) of `core.buffer_bytes` and registers them. Called on the shard's
    /// pinned thread, so that the kernel takes what is touched first from the memory of its NUMA node.
    pub(crate) fn register(uring: &IoUring, core: &Core) -> io::Result<Self> {
        let (count, buffer_bytes) = (core.buffers, core.buffer_bytes);
        if !count.is_power_of_two() || count > 32_768 || buffer_bytes == 0 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let ring = Mapping::new(usize::from(count) * size_of::<BufRingEntry>(), 0)?;
        let bytes = usize::from(count) * buffer_bytes as usize;
        let memory = match core.huge_pages {
            HugePages::Off => Mapping::new(bytes, 0),
            HugePages::Try => Mapping::huge(bytes),
        };
        let memory = memory.map_err(|error| {
            let mib = bytes >> 20;
            let text = format!(
                "no room for {mib} MiB of receive buffers (shard.buffers, shard.buffer_bytes): {error}"
            );
            io::Error::new(error.kind(), text)
        })?;
        // SAFETY: `ring` is page-aligned, has room for `count` entries, and is unmapped only after `unregister` or after
        // the io_uring is gone (see `Ring`'s drop).
        unsafe {
            uring
                .submitter()
                .register_buf_ring_with_flags(ring.address() as u64, count, GROUP, 0)?;
        }
        let mut buffers = Self {
            ring,
            memory,
            count,
            given: 0,
            buffer_bytes,
            tail: 0,
            published: 0,
        };
        buffers.give(FIRST.min(count));
        buffers.publish();
        Ok(buffers)
    }

    /// The kernel ran out: it gets as many again, up to all that there are. False when it has all of them already.
    pub(crate) fn grow(&mut self) -> bool {
        let more = self.given.min(self.count - self.given);
        self.give(more);
        more > 0
    }

    /// How many the kernel was given so far.
    pub(crate) fn given(&self) -> u16 {
        self.given
    }

    fn give(&mut self, more: u16) {
        for id in self.given..self.given + more {
            self.provide(id);
        }
        self.given += more;
    }

    /// Tells the kernel to forget the buffers; afterwards they may be unmapped.
    pub(crate) fn unregister(&mut self, uring: &IoUring) {
        // It fails only for a group that is not registered, and then there is nothing to forget.
        let _ = uring.submitter().unregister_buf_ring(GROUP);
    }

    /// What the kernel says it put into buffer `id`.
    pub(crate) fn filled(&self, id: u16, length: u32) -> Filled {
        assert!(
            id < self.count && length <= self.buffer_bytes,
            "the kernel fills our buffers only"
        );
        Filled { id, length }
    }

    /// The bytes that arrived.
    pub(crate) fn bytes(&self, filled: &Filled) -> &[u8] {
        let offset = usize::from(filled.id) * self.buffer_bytes as usize;
        // SAFETY: `filled` checked that the range lies in the mapping; the kernel does not write to this buffer before it
        // is given back, which takes the `Filled` by value and `self` mutably.
        unsafe { std::slice::from_raw_parts(self.memory.address().add(offset), filled.length as usize) }
    }

    /// Gives a buffer back; the kernel sees it after the next `publish`.
    pub(crate) fn give_back(&mut self, filled: Filled) {
        self.provide(filled.id);
    }

    /// Shows the kernel what was given back. Once a turn.
    pub(crate) fn publish(&mut self) {
        let entry: *const BufRingEntry = self.ring.address().cast();
        // SAFETY: the mapping is page-aligned, as `tail` asks; the tail lies in the first entry's padding and is read by
        // the kernel with acquire order.
        let tail = unsafe { &*BufRingEntry::tail(entry).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
        self.published = self.tail;
    }

    /// Given back and not yet shown to the kernel: how many were in use at least.
    pub(crate) fn unpublished(&self) -> u16 {
        self.tail.wrapping_sub(self.published)
    }

    fn provide(&mut self, id: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        let buffer = self
            .memory
            .address()
            .wrapping_add(usize::from(id) * self.buffer_bytes as usize);
        let entries: *mut BufRingEntry = self.ring.address().cast();
        // SAFETY: `index` is below `count`, the entries lie in the mapping, and the kernel reads entries below the
        // published tail only: this one is at or above it.
        let entry = unsafe { &mut *entries.add(index) };
        entry.set_addr(buffer as u64);
        entry.set_len(self.buffer_bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }
}

/// Private anonymous memory, zeroed, page-aligned, not inherited by forks.
#[derive(Debug)]
struct Mapping {
    address: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    /// In huge pages if there are any to be had. Their number is rounded up.
    fn huge(bytes: usize) -> io::Result<Self> {
        let bytes = bytes.next_multiple_of(HUGE_PAGE);
        if let Ok(reserved) = Self::new(bytes, libc::MAP_HUGETLB | libc::MAP_HUGE_2MB) {
            return Ok(reserved);
        }
        let mapping = Self::new(bytes, 0)?;
        // SAFETY: the range is the mapping just made. Failure leaves ordinary pages.
        unsafe { libc::madvise(mapping.address().cast(), bytes, libc::MADV_HUGEPAGE) };
        Ok(mapping)
    }

    fn new(bytes: usize, flags: libc::c_int) -> io::Result<Self> {
        // SAFETY: a fresh anonymous mapping touches nothing that exists.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address =
            NonNull::new(address.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let mapping = Self { address, bytes };
        // SAFETY: the range is the mapping just made. Failure is harmless: the process does not fork.
        unsafe { libc::madvise(mapping.address().cast(), bytes, libc::MADV_DONTFORK) };
        Ok(mapping)
    }

    fn address(&self) -> *mut u8 {
        self.address.as_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and nothing borrows from it any more.
        unsafe { libc::munmap(self.address().cast(), self.bytes) };
    }
}
