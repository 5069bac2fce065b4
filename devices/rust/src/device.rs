//! A device with a socket of the standard library: connects, stays connected, and says what happens.
//!
//! One thread, no runtime: everything happens inside [`Device::wait`], which is to be called again and again; publishing
//! in between sends at once as far as the socket takes it. A lost connection is an [`Event`], never the end: the next
//! attempt comes by itself after a wait that grows. Who publishes from several threads hands messages to the one that
//! has the device, and waits in short steps.

use crate::backoff::Backoff;
use crate::session::{Arrival, Lost, PublishError, Session};
use crate::settings::{Settings, SettingsError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{Duration, Instant};

/// What one read takes at most.
const READ_BYTES: usize = 16 << 10;
/// How long a write may wait for a socket that is full: what arrives must not wait longer for its turn.
const WRITE_WAIT: Duration = Duration::from_millis(20);

/// A device that keeps itself connected.
#[derive(Debug)]
pub struct Device {
    address: String,
    settings: Settings,
    backoff: Backoff,
    link: Link,
}

#[derive(Debug)]
enum Link {
    /// `disconnect` was called.
    Off,
    /// Until the next attempt.
    Waiting(Instant),
    Open(Box<Connection>),
}

#[derive(Debug)]
struct Connection {
    socket: TcpStream,
    session: Session,
    online_at: Option<Instant>,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The broker accepted the device.
    Online {
        /// The broker's text, for people.
        text: String,
    },
    /// A message of the down topic, in order.
    Message(Vec<u8>),
    /// The connection is lost, or none came about; the next attempt comes by itself.
    Offline {
        /// Why.
        reason: Lost,
        /// When the next attempt comes.
        retry_in: Duration,
    },
}

impl Device {
    /// A device of the broker at `address`, such as `127.0.0.1:8090`, which is looked up for each attempt. The first
    /// `wait` connects.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(address: impl Into<String>, settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self {
            address: address.into(),
            backoff: Backoff::new(&settings),
            link: Link::Waiting(Instant::now()),
            settings,
        })
    }

    /// True while messages can be published.
    pub fn is_online(&self) -> bool {
        match &self.link {
            Link::Open(connection) => connection.session.is_online(),
            Link::Waiting(_) | Link::Off => false,
        }
    }

    /// Does what there is to do until something happens, at most for so long. `None`: the time has passed. Connecting may take
    /// the timeout of the settings on top of it.
    pub fn wait(&mut self, at_most: Duration) -> Option<Event> {
        let until = Instant::now() + at_most;
        loop {
            let now = Instant::now();
            let result = match &mut self.link {
                Link::Open(connection) => connection.step(until),
                Link::Waiting(retry) if *retry <= now => self.connect().map(|()| None),
                Link::Waiting(retry) => {
                    thread::sleep((*retry).min(until).saturating_duration_since(now));
                    Ok(None)
                }
                Link::Off => {
                    thread::sleep(at_most);
                    Ok(None)
                }
            };
            match result {
                Ok(Some(Arrival::Online(text))) => return Some(Event::Online { text }),
                Ok(Some(Arrival::Message(payload))) => return Some(Event::Message(payload)),
                Ok(None) if Instant::now() >= until => return None,
                Ok(None) => {}
                Err(reason) => return Some(self.lose(reason)),
            }
        }
    }

    /// Publishes to the device's up topic. `Ok`: it is sent, unless the connection is lost first.
    ///
    /// # Errors
    /// Nothing will be sent.
    pub fn publish(&mut self, payload: &[u8]) -> Result<(), PublishError> {
        let Link::Open(connection) = &mut self.link else {
            return Err(PublishError::Offline);
        };
        connection.session.publish(payload)?;
        // A socket that fails here fails in `wait` too, which reports it.
        let _ = connection.send();
        Ok(())
    }

    /// Sends what waits, says goodbye, and returns when the broker has closed; from then on nothing happens until
    /// `reconnect`.
    ///
    /// # Errors
    /// The connection broke or the timeout passed first, so that not everything may have arrived.
    pub fn disconnect(&mut self) -> Result<(), Lost> {
        match std::mem::replace(&mut self.link, Link::Off) {
            Link::Open(connection) => connection.finish(Instant::now() + self.settings.timeout),
            Link::Waiting(_) | Link::Off => Ok(()),
        }
    }

    /// Connects with the next `wait`, instead of waiting longer or after `disconnect`. Does nothing to an open connection.
    pub fn reconnect(&mut self) {
        if !matches!(self.link, Link::Open(_)) {
            self.link = Link::Waiting(Instant::now());
        }
    }

    fn connect(&mut self) -> Result<(), Lost> {
        let socket = open(&self.address, self.settings.timeout).map_err(Lost::Unreachable)?;
        let session = Session::new(&self.settings, Instant::now()).expect("checked when the device was made");
        self.link = Link::Open(Box::new(Connection {
            socket,
            session,
            online_at: None,
        }));
        Ok(())
    }

    fn lose(&mut self, reason: Lost) -> Event {
        if let Link::Open(connection) = &self.link
            && connection
                .online_at
                .is_some_and(|at| at.elapsed() >= self.settings.stable)
        {
            self.backoff.succeeded();
        }
        let random = RandomState::new().hash_one(0);
        let retry_in = match reason {
            Lost::Refused { .. } => self.backoff.refused(random),
            Lost::Unreachable(_)
            | Lost::Closed
            | Lost::Socket(_)
            | Lost::NoAnswer
            | Lost::NoPong
            | Lost::Stalled
            | Lost::UnexpectedFrame(_)
            | Lost::BadFrame(_) => self.backoff.lost(random),
        };
        self.link = Link::Waiting(Instant::now() + retry_in);
        Event::Offline { reason, retry_in }
    }
}

impl Connection {
    /// One arrival, or one read.
    fn step(&mut self, until: Instant) -> Result<Option<Arrival>, Lost> {
        let arrival = self.session.arrival()?;
        if arrival.is_some() {
            if self.session.is_online() {
                self.online_at.get_or_insert_with(Instant::now);
            }
            return Ok(arrival);
        }
        // Read also where sending failed: the broker's last words may say why.
        let sent = self.send();
        let checked = self.session.check(Instant::now());
        let mut patience = until.min(self.session.next_check().unwrap_or(until));
        if !self.session.output().is_empty() {
            patience = patience.min(Instant::now() + WRITE_WAIT);
        }
        let is_read = self.receive(patience)?;
        if !is_read {
            sent?;
            checked?;
        }
        Ok(None)
    }

    /// Offers the socket all output.
    fn send(&mut self) -> Result<(), Lost> {
        while !self.session.output().is_empty() {
            match self.socket.write(self.session.output()) {
                Ok(count) => self.session.sent(count, Instant::now()),
                Err(error) if is_patient(&error) => break,
                Err(error) => return Err(Lost::Socket(error)),
            }
        }
        Ok(())
    }

    /// False: nothing arrived in time.
    fn receive(&mut self, until: Instant) -> Result<bool, Lost> {
        let wait = until.saturating_duration_since(Instant::now());
        let wait = Some(wait.max(Duration::from_millis(1)));
        self.socket.set_read_timeout(wait).map_err(Lost::Socket)?;
        let mut bytes = [0; READ_BYTES];
        match self.socket.read(&mut bytes) {
            Ok(0) => Err(Lost::Closed),
            Ok(count) => {
                self.session.receive(&bytes[..count], Instant::now());
                Ok(true)
            }
            Err(error) if is_patient(&error) => Ok(false),
            Err(error) => Err(Lost::Socket(error)),
        }
    }

    /// Who closes first with bytes unread resets the connection and what it sent last may be lost with it, so what still
    /// arrives is read until the broker closes.
    fn finish(mut self, until: Instant) -> Result<(), Lost> {
        self.session.disconnect();
        while Instant::now() < until {
            self.send()?;
            if self.session.output().is_empty() {
                let _ = self.socket.shutdown(Shutdown::Write);
            }
            match self.receive(until.min(Instant::now() + WRITE_WAIT)) {
                Err(Lost::Closed) if self.session.output().is_empty() => return Ok(()),
                Err(reason) => return Err(reason),
                Ok(_) => while self.session.arrival()?.is_some() {},
            }
        }
        Err(Lost::NoAnswer)
    }
}

fn open(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(ErrorKind::NotFound, format!("{address} has no address"));
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(WRITE_WAIT))?;
                return Ok(socket);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn is_patient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
