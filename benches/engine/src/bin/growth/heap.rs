//! The broker's allocator with a count of the bytes that are in use, as they were asked for.
//!
//! The resident set of a process moves in steps of 2 MiB where the kernel gives out huge pages, which hides what one of
//! ten thousand things weighs; this count does not. Written by one thread: a cell has no other.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};

/// See the file's head.
pub(crate) struct Counted {
    bytes: AtomicUsize,
}

impl Counted {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: AtomicUsize::new(0),
        }
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Not one atomic operation: it would cost more than what is measured.
    fn set(&self, bytes: usize) {
        self.bytes.store(bytes, Ordering::Relaxed);
    }
}

// SAFETY: every call goes on to mimalloc with its arguments unchanged.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.set(self.bytes() + layout.size());
        // SAFETY: the caller's promise for `layout` holds for mimalloc.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.set(self.bytes() - layout.size());
        // SAFETY: `pointer` came from mimalloc with this layout.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.set(self.bytes() + size - layout.size());
        // SAFETY: `pointer` came from mimalloc with this layout.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}
