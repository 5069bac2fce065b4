//! Long messages of a device, which come in packages: kept until they are whole, within limits.
//!
//! A package belongs to a message by the message's id and total and by its serial number, which counts on with the package
//! number; devices that give all packages one serial are understood too. Order does not matter, a package that comes again
//! takes the place of the first. When a limit is reached the oldest message gives way: one device keeps its own small room.

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
    /// Bodies by package number.
    packages: BTreeMap<u16, Vec<u8>>,
    bytes: usize,
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
        message.insert(package.number, body);
        if message.bytes > room.bytes_max {
            return Added::TooLarge;
        }
        let is_whole = message.packages.len() == usize::from(message.total);
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

    /// The serial number of a message's first package.
    pub(super) fn first_serial(&self, header: &Header, package: Package) -> u16 {
        match self.position(header, package) {
            Some(at) if self.messages[at].has_one_serial(header, package) => header.serial,
            _ => header.serial.wrapping_sub(package.number - 1),
        }
    }

    /// Numbers of the packages that are missing when the last one comes, which is not kept yet, up to `most`. It is asked
    /// once: a last package that comes again finds nothing missing.
    pub(super) fn missing(&self, header: &Header, package: Package, most: usize) -> Vec<u16> {
        let message = self.position(header, package).map(|at| &self.messages[at]);
        let is_here = |number: &u16| message.is_some_and(|message| message.packages.contains_key(number));
        if package.number != package.total || is_here(&package.number) {
            return Vec::new();
        }
        let others = (1..=package.total).filter(|number| *number != package.number);
        others.filter(|number| !is_here(number)).take(most).collect()
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
            packages: BTreeMap::new(),
            bytes: 0,
        }
    }

    fn has(&self, header: &Header, package: Package) -> bool {
        let counts_on = header.serial.wrapping_sub(self.serial) == package.number.wrapping_sub(self.number);
        let is_of_it = counts_on || self.has_one_serial(header, package);
        (self.id, self.total) == (header.id, package.total) && is_of_it
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
