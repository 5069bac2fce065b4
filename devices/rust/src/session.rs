//! One connection of a device, without a socket and without a clock: bytes and moments go in, bytes and messages come out.
//!
//! The driver moves [`Session::output`] to the socket and reports it by [`Session::sent`], hands what arrives to
//! [`Session::receive`], takes [`Session::arrival`]s until there are none, and calls [`Session::check`] when
//! [`Session::next_check`] has come. After an error the session is over: drop it and begin another. A moment never goes
//! back; the session asks nobody for one.

use crate::PAYLOAD_BYTES_MAX;
use crate::settings::{Settings, SettingsError};
use ringwire_codec::private::{self, ConnAckCode, Connect, Decoded, Frame, FrameError, FrameType};
use std::io;
use std::time::{Duration, Instant};

/// One connection, from CONNECT to its end.
#[derive(Debug)]
pub struct Session {
    keepalive: Duration,
    timeout: Duration,
    queue_bytes_max: usize,
    stage: Stage,
    /// Received; `consumed` bytes at its front are done with.
    input: Vec<u8>,
    consumed: usize,
    /// To send; `sent` bytes at its front were taken by the socket.
    output: Vec<u8>,
    sent: usize,
    started_at: Instant,
    sent_at: Instant,
    received_at: Instant,
    /// When a PING was queued that nothing has arrived since.
    pinged_at: Option<Instant>,
    /// Since when the socket is known to take nothing.
    stalled_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// CONNECT is on its way.
    Greeting,
    Online,
    /// DISCONNECT is on its way.
    Closing,
}

/// What the broker sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The device was accepted; the broker's text, for people.
    Online(String),
    /// A message of the down topic.
    Message(Vec<u8>),
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Unreachable(#[source] io::Error),
    /// The broker does not want this device.
    #[error("refused ({refusal}): {text}")]
    Refused {
        /// What it did not like.
        refusal: Refusal,
        /// Its words.
        text: String,
    },
    /// The broker closed: taken over by another connection with this client id, kicked, keepalive, or it stops.
    #[error("closed by the broker")]
    Closed,
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Socket(#[source] io::Error),
    /// CONNECT was not answered within the timeout.
    #[error("no answer to CONNECT")]
    NoAnswer,
    /// Nothing arrived within the timeout after a PING.
    #[error("no answer to PING")]
    NoPong,
    /// The socket took nothing for as long as the timeout.
    #[error("the socket takes nothing any more")]
    Stalled,
    /// A frame that a broker does not send at this point.
    #[error("the broker sent a frame that has no place here (first byte 0x{0:02x})")]
    UnexpectedFrame(u8),
    /// Bytes that are no frame.
    #[error("the broker sent what is no frame: {0}")]
    BadFrame(#[from] FrameError),
}

/// Why a device was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Client id, username or password.
    #[error("authentication failed")]
    Credentials,
    /// The broker does not speak version 1.
    #[error("version not supported")]
    Version,
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no connection, or it was not accepted yet.
    #[error("not online; publish again when the device is")]
    Offline,
    /// Too much waits for the socket.
    #[error("{waiting} bytes wait to be sent already; publish again when they are gone")]
    Full {
        /// Bytes that wait.
        waiting: usize,
    },
    /// No frame holds it.
    #[error("{size} bytes are more than the {PAYLOAD_BYTES_MAX} of a message")]
    TooLarge {
        /// Bytes of the payload.
        size: usize,
    },
}

impl Session {
    /// Begins a connection that is open: CONNECT is the first output.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn new(settings: &Settings, now: Instant) -> Result<Self, SettingsError> {
        settings.check()?;
        let connect = Connect {
            keepalive: settings.keepalive_s,
            client_id: settings.client_id.as_bytes(),
            username: settings.username.as_deref().map(str::as_bytes),
            password: settings.password.as_deref(),
        };
        let frame = Frame::Connect {
            version: 1,
            connect: Some(connect),
        };
        let mut output = Vec::new();
        let is_written = frame.encode(&mut output);
        assert!(is_written, "checked settings fit the frame");
        Ok(Self {
            keepalive: Duration::from_secs(settings.keepalive_s.into()),
            timeout: settings.timeout,
            queue_bytes_max: settings.queue_bytes_max,
            stage: Stage::Greeting,
            input: Vec::new(),
            consumed: 0,
            output,
            sent: 0,
            started_at: now,
            sent_at: now,
            received_at: now,
            pinged_at: None,
            stalled_at: None,
        })
    }

    /// True between the broker's acceptance and `disconnect`.
    pub fn is_online(&self) -> bool {
        self.stage == Stage::Online
    }

    /// Takes bytes that arrived. Take every [`Session::arrival`] before the next ones, then no more is kept than them
    /// and one frame.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.received_at = now;
        self.pinged_at = None;
        self.input.drain(..self.consumed);
        self.consumed = 0;
        self.input.extend_from_slice(bytes);
    }

    /// What arrived next, `None` when it takes more bytes. While closing: always `None`.
    ///
    /// # Errors
    /// The broker refused, or sent what it must not.
    pub fn arrival(&mut self) -> Result<Option<Arrival>, Lost> {
        loop {
            let front = &self.input[self.consumed..];
            let Some(&first) = front.first() else {
                return Ok(None);
            };
            self.expect(first)?;
            let Decoded::Frame(frame, size) = private::decode(front, PAYLOAD_BYTES_MAX)? else {
                return Ok(None);
            };
            self.consumed += size;
            let arrival = match frame {
                Frame::ConnAck { code, message } => Some(answer(code, message)?),
                Frame::DataTrans { payload, .. } => Some(Arrival::Message(payload.to_vec())),
                Frame::Pong => None,
                Frame::Connect { .. } | Frame::Ping { .. } | Frame::Disconnect { .. } => {
                    return Err(Lost::UnexpectedFrame(first));
                }
            };
            if self.stage == Stage::Greeting {
                self.stage = Stage::Online;
            }
            if self.stage == Stage::Online && arrival.is_some() {
                return Ok(arrival);
            }
        }
    }

    /// Whether a frame with this first byte has its place here: known before the rest of it has arrived.
    fn expect(&self, first: u8) -> Result<(), Lost> {
        let is_greeting = self.stage == Stage::Greeting;
        match FrameType::of(first) {
            Some(FrameType::ConnAck) if is_greeting => Ok(()),
            Some(FrameType::DataTrans | FrameType::Pong) if !is_greeting => Ok(()),
            Some(_) => Err(Lost::UnexpectedFrame(first)),
            None => Err(FrameError::ReservedType(first >> 4).into()),
        }
    }

    /// Queues a message. "Queued" means sent unless the connection is lost first: the protocol has no acknowledgement.
    ///
    /// # Errors
    /// Nothing was queued.
    pub fn publish(&mut self, payload: &[u8]) -> Result<(), PublishError> {
        let waiting = self.output().len();
        if self.stage != Stage::Online {
            return Err(PublishError::Offline);
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(PublishError::TooLarge { size: payload.len() });
        }
        if waiting > 0 && waiting + payload.len() > self.queue_bytes_max {
            return Err(PublishError::Full { waiting });
        }
        self.queue(Frame::DataTrans { flags: 0, payload });
        Ok(())
    }

    /// Queues DISCONNECT: when all output is sent, the broker closes.
    pub fn disconnect(&mut self) {
        if self.stage != Stage::Closing {
            self.stage = Stage::Closing;
            self.queue(Frame::Disconnect { flags: 0 });
        }
    }

    fn queue(&mut self, frame: Frame<'_>) {
        if self.sent > 0 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
        let is_written = frame.encode(&mut self.output);
        assert!(is_written, "its size was checked");
    }

    /// Bytes to send next.
    pub fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The socket took `count` bytes of the output.
    ///
    /// # Panics
    /// When that is more than there was.
    pub fn sent(&mut self, count: usize, now: Instant) {
        assert!(count <= self.output().len(), "no more is taken than was offered");
        self.sent += count;
        if count > 0 {
            self.sent_at = now;
            self.stalled_at = None;
        }
        if self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
    }

    /// Three quarters of the keepalive: the broker waits for one and a half of it.
    fn ping_after(&self) -> Option<Duration> {
        let is_due = self.stage == Stage::Online && self.output().is_empty() && !self.keepalive.is_zero();
        is_due.then(|| self.keepalive * 3 / 4)
    }

    /// When something has to be done although nothing arrives.
    pub fn next_check(&self) -> Option<Instant> {
        let answer = (self.stage == Stage::Greeting).then(|| self.started_at + self.timeout);
        let pong = self.pinged_at.map(|at| at + self.timeout);
        let stall = self.stalled_at.map(|at| at + self.timeout);
        let ping = self.ping_after().map(|after| self.quiet_since() + after);
        [answer, pong, stall, ping].into_iter().flatten().min()
    }

    /// A device that only talks pings as well, to hear whether anybody is there.
    fn quiet_since(&self) -> Instant {
        match self.pinged_at {
            Some(_) => self.sent_at,
            None => self.sent_at.min(self.received_at),
        }
    }

    /// Queues a PING when one is due. Call it also whenever the socket did not take all output: the timeout of a socket
    /// that takes nothing begins there.
    ///
    /// # Errors
    /// The connection is dead.
    pub fn check(&mut self, now: Instant) -> Result<(), Lost> {
        let is_late = |since: Instant| now.saturating_duration_since(since) >= self.timeout;
        if self.stage == Stage::Greeting && is_late(self.started_at) {
            return Err(Lost::NoAnswer);
        }
        if self.pinged_at.is_some_and(is_late) {
            return Err(Lost::NoPong);
        }
        if !self.output().is_empty() && is_late(*self.stalled_at.get_or_insert(now)) {
            return Err(Lost::Stalled);
        }
        if let Some(after) = self.ping_after()
            && now.saturating_duration_since(self.quiet_since()) >= after
        {
            self.queue(Frame::Ping { flags: 0 });
            self.pinged_at.get_or_insert(now);
        }
        Ok(())
    }
}

fn answer(code: ConnAckCode, message: &[u8]) -> Result<Arrival, Lost> {
    let text = String::from_utf8_lossy(message).into_owned();
    let refused = |refusal, text| Err(Lost::Refused { refusal, text });
    match code {
        ConnAckCode::Accepted => Ok(Arrival::Online(text)),
        ConnAckCode::AuthenticationFailed => refused(Refusal::Credentials, text),
        ConnAckCode::VersionNotSupported => refused(Refusal::Version, text),
    }
}
