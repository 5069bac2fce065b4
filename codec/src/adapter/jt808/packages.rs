//! Long messages of a device, which come in packages: kept until they are whole, within limits.
//!
//! A package belongs to a message by the message's id and total and by its serial number, which counts on with the package
//! number; devices that give all packages one serial are understood too. Order does not matter, a package that comes again
//! takes the place of the first. When a limit is reached the oldest message gives way: one device keeps its own small room.
//! One that does not go on is asked for once more half way through its time, and dropped at the end of it.

use super::frame::{Header, Package};
use std::collections::BTreeMap;

/// Counted for each package beside its bytes, so that empty ones are not free.
const PACKAGE_BYTES: usize = 64;

/// The unfinished messages of one connection, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    id: u16,
    total: u16,
    /// Of its first package that came.
    serial: u16,
    number: u16,
    /// All packages have the same serial.
    one_serial: bool,
    /// How its bodies are encrypted.
    encryption: u16,
    /// When its last package came.
    touched_ms: u64,
    /// Since then: it has been asked for, or is to be.
    asked: Asked,
    /// Bodies by package number.
    packages: BTreeMap<u16, Vec<u8>>,
    bytes: usize,
}

/// Whether missing packages of a message that does not go on were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    No,
    Now,
    Done,
}

/// A message that does not go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Missing packages of it are to be asked for.
    Ask,
    /// It was dropped.
    Dropped {
        id: u16,
        /// Packages that had come.
        here: usize,
        total: u16,
    },
}

/// What became of a package.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is kept, and more are missing.
    Kept,
    /// It is kept, and so many packages of other messages gave way.
    GaveWay(usize),
    /// Its message is larger than there is room for.
    TooLarge,
    /// Its message is whole.
    Whole,
}

/// Limits of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) bytes_max: usize,
    pub(super) messages_max: usize,
    /// What the clock says.
    pub(super) now_ms: u64,
}

impl Unfinished {
    /// Keeps a package. One that was kept before is kept once.
    pub(super) fn add(&mut self, header: &Header, package: Package, body: &[u8], room: Room) -> Added {
        // All but the last are of one size.
        let expected = match package.number == package.total {
            true => body.len(),
            false => body.len() * usize::from(package.total - 1),
        };
        if expected > room.bytes_max {
            self.forget(header, package);
            return Added::TooLarge;
        }
        let mut message = match self.position(header, package) {
            Some(at) => self.messages.remove(at),
            None => Message::new(header, package),
        };
        message.one_serial |= message.has_one_serial(header, package);
        message.insert(package.number, body);
        (message.touched_ms, message.asked) = (room.now_ms, Asked::No);
        if message.bytes > room.bytes_max {
            return Added::TooLarge;
        }
        let is_whole = message.is_whole();
        self.messages.push(message);
        if is_whole {
            // It goes as soon as it is published.
            return Added::Whole;
        }
        match self.make_room(room) {
            0 => Added::Kept,
            gone => Added::GaveWay(gone),
        }
    }

    /// The bytes of the message that this package made whole.
    pub(super) fn whole(&self, header: &Header, package: Package, into: &mut Vec<u8>) {
        into.clear();
        let at = self.position(header, package);
        for part in at.iter().flat_map(|at| self.messages[*at].packages.values()) {
            into.extend_from_slice(part);
        }
    }

    /// The serial number of a message's first package, and the numbers of the packages that are missing when the last one
    /// comes, which is not kept yet, up to `most`. It is asked once: a last package that comes again finds nothing missing.
    pub(super) fn missing(&self, header: &Header, package: Package, most: usize) -> Option<(u16, Vec<u16>)> {
        let message = self.position(header, package).map(|at| &self.messages[at]);
        let is_here = |number: &u16| message.is_some_and(|message| message.packages.contains_key(number));
        if package.number != package.total || is_here(&package.number) {
            return None;
        }
        let others = (1..package.total).filter(|number| !is_here(number));
        let missing: Vec<_> = others.take(most).collect();
        let first = match message {
            Some(message) if message.has_one_serial(header, package) => header.serial,
            Some(_) | None => header.serial.wrapping_sub(package.number - 1),
        };
        (!missing.is_empty()).then_some((first, missing))
    }

    /// What is to be done about a message that got no package for `timeout_ms`, or for half of it. `at_hand`: a package that
    /// came just now and is not kept yet; its own message goes on. One that is whole waits for the broker.
    pub(super) fn overdue(
        &mut self,
        at_hand: (&Header, Option<Package>),
        timeout_ms: u64,
        now_ms: u64,
    ) -> Option<Overdue> {
        let (header, package) = at_hand;
        let silent = |message: &Message| {
            let goes_on = package.is_some_and(|package| message.has(header, package));
            match goes_on || message.is_whole() {
                true => 0,
                false => now_ms.saturating_sub(message.touched_ms),
            }
        };
        let is_over = |message: &Message| silent(message) >= timeout_ms;
        if let Some(at) = self.messages.iter().position(is_over) {
            let message = self.messages.remove(at);
            return Some(Overdue::Dropped {
                id: message.id,
                here: message.packages.len(),
                total: message.total,
            });
        }
        let late = self
            .messages
            .iter_mut()
            .find(|message| message.asked != Asked::Done && silent(message) >= timeout_ms.div_ceil(2));
        late.map(|message| {
            message.asked = Asked::Now;
            Overdue::Ask
        })
    }

    /// The message that is to be asked for, once: the serial number of its first package and what is missing, up to `most`.
    pub(super) fn ask(&mut self, most: usize) -> Option<(u16, Vec<u16>)> {
        let message = self
            .messages
            .iter_mut()
            .find(|message| message.asked == Asked::Now)?;
        message.asked = Asked::Done;
        let first = match message.one_serial {
            true => message.serial,
            false => message.serial.wrapping_sub(message.number - 1),
        };
        let missing = (1..=message.total).filter(|number| !message.packages.contains_key(number));
        Some((first, missing.take(most).collect()))
    }

    /// Drops the message that a package is of.
    pub(super) fn forget(&mut self, header: &Header, package: Package) {
        if let Some(at) = self.position(header, package) {
            self.messages.remove(at);
        }
    }

    fn position(&self, header: &Header, package: Package) -> Option<usize> {
        self.messages
            .iter()
            .position(|message| message.has(header, package))
    }

    /// Drops the oldest messages until what is left has room, and says how many packages they had.
    fn make_room(&mut self, room: Room) -> usize {
        let mut gone = 0;
        // The newest is the last one, and has room alone.
        while self.messages.len() > 1 {
            let bytes: usize = self.messages.iter().map(|message| message.bytes).sum();
            if self.messages.len() <= room.messages_max && bytes <= room.bytes_max {
                break;
            }
            gone += self.messages.remove(0).packages.len();
        }
        gone
    }
}

impl Message {
    fn new(header: &Header, package: Package) -> Self {
        Self {
            id: header.id,
            total: package.total,
            serial: header.serial,
            number: package.number,
            one_serial: false,
            encryption: header.encryption,
            touched_ms: 0,
            asked: Asked::No,
            packages: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn has(&self, header: &Header, package: Package) -> bool {
        let counts_on = header.serial.wrapping_sub(self.serial) == package.number.wrapping_sub(self.number);
        let is_of_it = counts_on || self.has_one_serial(header, package);
        let ours = (self.id, self.total, self.encryption);
        ours == (header.id, package.total, header.encryption) && is_of_it
    }

    fn is_whole(&self) -> bool {
        self.packages.len() == usize::from(self.total)
    }

    /// All packages of it have the same serial.
    fn has_one_serial(&self, header: &Header, package: Package) -> bool {
        header.serial == self.serial && package.number != self.number
    }

    fn insert(&mut self, number: u16, body: &[u8]) {
        let before = self.packages.insert(number, body.to_vec());
        let freed = before.map_or(0, |before| before.len() + PACKAGE_BYTES);
        self.bytes = self.bytes + body.len() + PACKAGE_BYTES - freed;
    }
}
