//! What is known of one connection: whose it is, its serial numbers, what waits for an acknowledgement.
//!
//! Platform serial numbers count per connection, over answers and messages alike. A message in packages takes as many as it
//! has packages, and is acknowledged with any of them. The list of those on their way is bounded: the engine never has more
//! than the window out, and what it gave up gives way to what comes.

use super::frame::{BODY_BYTES_MAX, Header, Package, Party};
use super::messages::Acknowledged;
use super::messages::acknowledged;
use super::packages::Unfinished;

/// How far a device has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not said who it is.
    #[default]
    New,
    /// It has registered on this connection.
    Registered,
    /// It is let in.
    Connected,
}

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) stage: Stage,
    pub(super) party: Party,
    /// The next serial number of ours.
    serial: u16,
    /// The frame that was reported last and is not answered yet.
    pub(super) pending: Option<Pending>,
    /// The package at the front of the input has its answer, and is still to be kept.
    pub(super) package_answered: bool,
    /// The message at the front of the input was asked for, and needs no answer.
    pub(super) was_asked: bool,
    sent: Vec<Sent>,
    pub(super) unfinished: Option<Box<Unfinished>>,
}

/// A frame that waits for a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) header: Header,
    pub(super) purpose: Purpose,
}

/// What a decision is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To let it in, or to go on after that.
    Frame,
    /// To answer a package of a long message.
    Package,
    /// To ask for what is missing of an earlier message; the frame itself is read again.
    Ask,
    /// To publish it. For multimedia: its id.
    Publish(Option<u32>),
    /// To let it in without having been asked: nothing is answered.
    Silent,
}

/// A message on its way to the device.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// The engine's.
    number: u16,
    id: u16,
    /// Of the first package.
    serial: u16,
    packages: u16,
}

impl Sent {
    fn has(&self, serial: u16) -> bool {
        serial.wrapping_sub(self.serial) < self.packages
    }
}

impl Session {
    /// So many serial numbers in a row; the first of them.
    fn serials(&mut self, count: u16) -> u16 {
        let first = self.serial;
        self.serial = first.wrapping_add(count);
        first
    }

    /// Appends a message of ours that fits one frame.
    pub(super) fn tell(&mut self, party: Party, id: u16, body: &[u8], out: &mut Vec<u8>) {
        let header = Header {
            id,
            encryption: 0,
            party,
            serial: self.serials(1),
            package: None,
        };
        header.write(&body[..body.len().min(BODY_BYTES_MAX)], out);
    }

    /// Appends the general answer to a frame. 0: success, 1: failure.
    pub(super) fn answer(&mut self, header: &Header, result: u8, out: &mut Vec<u8>) {
        let ([a, b], [c, d]) = (header.serial.to_be_bytes(), header.id.to_be_bytes());
        self.tell(header.party, 0x8001, &[a, b, c, d, result], out);
    }

    /// Appends message `id` in as many packages as it needs, and remembers it when `number` says so.
    pub(super) fn send(&mut self, id: u16, body: &[u8], sending: Sending, out: &mut Vec<u8>) {
        let packages = body.len().div_ceil(sending.package_bytes).max(1);
        let total = u16::try_from(packages).expect("the caller has counted them");
        let known = self.sent.iter().find(|sent| sent.number == sending.number);
        let before = known.filter(|sent| sending.again && (sent.id, sent.packages) == (id, total));
        let first = before.map(|sent| sent.serial);
        let first = first.unwrap_or_else(|| self.serials(total));
        if sending.number != 0 {
            self.remember(id, first, total, sending);
        }
        let mut header = Header {
            id,
            encryption: 0,
            party: self.party,
            serial: first,
            package: None,
        };
        if total == 1 {
            header.write(body, out);
            return;
        }
        for (part, number) in body.chunks(sending.package_bytes).zip(1..=total) {
            header.package = Some(Package { total, number });
            header.write(part, out);
            header.serial = header.serial.wrapping_add(1);
        }
    }

    fn remember(&mut self, id: u16, serial: u16, packages: u16, sending: Sending) {
        let number = sending.number;
        self.sent.retain(|sent| sent.number != number);
        if self.sent.len() >= usize::from(sending.window.max(1)) {
            self.sent.remove(0);
        }
        self.sent.push(Sent {
            number,
            id,
            serial,
            packages,
        });
    }

    /// The engine's number of the message that a device's message acknowledges. It is told once.
    pub(super) fn acknowledges(&mut self, id: u16, body: &[u8]) -> Option<u16> {
        let first = body.first_chunk().map(|word| u16::from_be_bytes(*word));
        let general = body.get(2..).and_then(|rest| rest.first_chunk());
        let general = general.map(|word| u16::from_be_bytes(*word));
        let is_it = |sent: &Sent| {
            let by_serial = first.is_some_and(|serial| sent.has(serial));
            if id == 0x0001 {
                return by_serial && general == Some(sent.id);
            }
            match acknowledged(sent.id) {
                Acknowledged::Never | Acknowledged::Generally => false,
                Acknowledged::BySerial(answer) => answer == id && by_serial,
                Acknowledged::ByMessage(answer) => answer == id,
            }
        };
        let at = self.sent.iter().position(is_it)?;
        Some(self.sent.remove(at).number)
    }
}

/// How a message is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    /// The engine's number of it, or 0.
    pub(super) number: u16,
    pub(super) again: bool,
    pub(super) window: u16,
    pub(super) package_bytes: usize,
}
