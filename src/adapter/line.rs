//! One connection of an adapter, driven as the engine drives it, without a network: what vectors and `decode` run on.
//!
//! It asks `read` for one thing after another, answers each with what the caller decided, and keeps what was written.
//! Works for whatever is a [`Blueprint`]: a description, what is built in, a module.

use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Cause, Down, Event, Link, Peer, Read, Refusal, Scratch, Tail, Undeliverable,
    Unreadable,
};
use std::net::SocketAddr;

/// Rounds without progress until an adapter is called stuck.
const IDLE_ROUNDS: usize = 1_000;

/// A connection.
#[derive(Debug)]
pub struct Line<'a> {
    blueprint: &'a dyn Blueprint,
    wanted: &'a [String],
    caller: Caller,
    /// The shard where the next client id is at home is another one.
    elsewhere: bool,
    /// Everything that arrived, as long as the connection may still move.
    all: Vec<u8>,
    adapter: Box<dyn Adapter>,
    link: Link,
    /// Read, but not done.
    input: Vec<u8>,
    /// Bytes that were done before the front of `input`.
    done: usize,
    scratch: Scratch,
    open: bool,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Caller {
    pub address: SocketAddr,
    /// Common name of its certificate.
    pub certificate: Option<String>,
}

/// What the broker decides when it is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decisions {
    /// Who wants to be let in is not.
    pub refuse: Option<Cause>,
    /// A publish is forbidden.
    pub deny: bool,
}

/// What an adapter said, at a place of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The bytes that it is about, counted from the connection's first.
    pub bytes: std::ops::Range<usize>,
    pub what: What,
}

/// See [`Event`] and [`Read`].
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Identify {
        client_id: Vec<u8>,
    },
    Connect {
        client_id: Vec<u8>,
        username: Option<Vec<u8>>,
        password: Option<Vec<u8>>,
        keepalive_s: u16,
    },
    Publish {
        payload: Vec<u8>,
        values: Vec<String>,
    },
    Heartbeat,
    Acknowledge {
        number: u16,
    },
    Close,
    Nothing,
    Skipped(Unreadable),
    Unreadable(Unreadable),
}

/// One thing that was said, and what the device was told about it.
#[derive(Debug)]
pub struct Stepped {
    pub said: Said,
    pub out: Vec<u8>,
}

/// What came of some bytes.
#[derive(Debug, Default)]
pub struct Outcome {
    pub said: Vec<Said>,
    /// For the device.
    pub out: Vec<u8>,
    /// The connection is over.
    pub closed: bool,
}

impl<'a> Line<'a> {
    /// A connection that begins. `wanted`: fields of the up topic. `elsewhere`: it moves as soon as it says who it is.
    pub fn open(blueprint: &'a dyn Blueprint, wanted: &'a [String], caller: Caller, elsewhere: bool) -> Self {
        let mut adapter = blueprint.adapter(wanted);
        let link = adapter.open(caller.peer());
        Self {
            blueprint,
            wanted,
            caller,
            elsewhere,
            all: Vec::new(),
            adapter,
            link,
            input: Vec::new(),
            done: 0,
            scratch: Scratch::default(),
            open: true,
        }
    }

    /// Bytes arrive. What comes after the end of the connection is not read. An error: the adapter broke its contract.
    pub fn receive(&mut self, bytes: &[u8], decisions: Decisions) -> Result<Outcome, String> {
        let mut outcome = Outcome::default();
        for step in self.steps(bytes, decisions) {
            let Stepped { said, out } = step?;
            outcome.said.push(said);
            outcome.out.extend(out);
        }
        outcome.closed = !self.open;
        Ok(outcome)
    }

    /// As `receive`, one thing after another.
    pub fn steps(
        &mut self,
        bytes: &[u8],
        decisions: Decisions,
    ) -> impl Iterator<Item = Result<Stepped, String>> + use<'_, 'a> {
        self.input.extend_from_slice(bytes);
        if self.elsewhere {
            self.all.extend_from_slice(bytes);
        }
        let mut idle = 0;
        std::iter::from_fn(move || {
            if idle > IDLE_ROUNDS {
                return None;
            }
            let step = self.advance(decisions, &mut idle);
            if step.is_err() {
                idle = IDLE_ROUNDS + 1;
            }
            step.transpose()
        })
    }

    fn advance(&mut self, decisions: Decisions, idle: &mut usize) -> Result<Option<Stepped>, String> {
        if !self.open {
            return Ok(None);
        }
        let Some((said, used, answer)) = self.step(decisions)? else {
            return Ok(None);
        };
        let mut out = Vec::new();
        if matches!(said.what, What::Identify { .. }) && std::mem::take(&mut self.elsewhere) {
            self.hand_over();
            return Ok(Some(Stepped { said, out }));
        }
        if let Some(answer) = answer {
            self.adapter.answer(self.link, answer, &mut out);
            self.open = !is_last(&answer);
        }
        self.input.drain(..used);
        self.done += used;
        *idle = if used == 0 { *idle + 1 } else { 0 };
        if *idle > IDLE_ROUNDS {
            return Err(format!(
                "{IDLE_ROUNDS} events out of the same bytes, and none of them used"
            ));
        }
        Ok(Some(Stepped { said, out }))
    }

    /// So much time goes by.
    pub fn wait(&mut self, millis: u64) {
        self.scratch.now_ms += millis;
    }

    /// A message for the device.
    pub fn deliver(&mut self, down: &Down<'_>) -> Result<Vec<u8>, Undeliverable> {
        let mut out = Vec::new();
        match self.adapter.deliver(self.link, down, &mut out)? {
            Tail::Nothing | Tail::Settled => {}
            Tail::Payload => out.extend_from_slice(down.payload),
        }
        Ok(out)
    }

    /// Bytes that are no whole frame yet.
    pub fn pending(&self) -> &[u8] {
        &self.input
    }

    /// False once it was closed.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// One thing that the input says, the bytes it used, and what is answered.
    fn step(&mut self, decisions: Decisions) -> Result<Option<(Said, usize, Option<Answer>)>, String> {
        let size = self.input.len();
        let read = self.adapter.read(self.link, &self.input, &mut self.scratch);
        let (what, used, answer) = match read {
            Ok(Read::Incomplete) => return Ok(None),
            Ok(Read::Event { event, used }) => (What::of(event), used, decisions.on(&event)),
            Ok(Read::Nothing { used }) => (What::Nothing, used, None),
            Ok(Read::Skipped { used, why }) => (What::Skipped(why), used, None),
            Err(why) => {
                let answer = Answer::Unreadable(why.kind);
                (What::Unreadable(why), size, Some(answer))
            }
        };
        let must_use = matches!(what, What::Nothing);
        if used > size || (must_use && used == 0) {
            return Err(format!("the adapter says that it used {used} of {size} bytes"));
        }
        let bytes = self.done..self.done + used;
        Ok(Some((Said { bytes, what }, used, answer)))
    }

    /// To another shard: its adapter reads from the first byte again.
    fn hand_over(&mut self) {
        self.adapter.close(self.link);
        self.adapter = self.blueprint.adapter(self.wanted);
        self.link = self.adapter.open(self.caller.peer());
        self.input = std::mem::take(&mut self.all);
        self.done = 0;
    }
}

impl Caller {
    /// The usual one, without a certificate.
    pub fn plain() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 40_000)),
            certificate: None,
        }
    }

    /// As the adapter sees it.
    pub fn peer(&self) -> Peer<'_> {
        Peer {
            address: self.address,
            certificate: self.certificate.as_deref(),
        }
    }
}

impl What {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Identify { client_id } => Self::Identify {
                client_id: client_id.to_vec(),
            },
            Event::Connect(connect) => Self::Connect {
                client_id: connect.client_id.to_vec(),
                username: connect.username.map(<[u8]>::to_vec),
                password: connect.password.map(<[u8]>::to_vec),
                keepalive_s: connect.keepalive_s,
            },
            Event::Publish(publish) => Self::Publish {
                payload: publish.payload.to_vec(),
                values: publish.values.to_vec(),
            },
            Event::Heartbeat => Self::Heartbeat,
            Event::Acknowledge { number } => Self::Acknowledge { number },
            Event::Close => Self::Close,
        }
    }
}

impl Decisions {
    fn on(self, event: &Event<'_>) -> Option<Answer> {
        match event {
            Event::Identify { .. } => Some(Answer::Identified),
            Event::Connect(_) => Some(self.refuse.map_or(Answer::Accepted, |cause| {
                let text = "refused by the vector";
                Answer::Refused(Refusal { cause, text })
            })),
            Event::Publish(_) if self.deny => Some(Answer::Denied),
            Event::Publish(_) => Some(Answer::Taken),
            Event::Heartbeat => Some(Answer::Alive),
            Event::Acknowledge { .. } => None,
            Event::Close => Some(Answer::Goodbye),
        }
    }
}

/// The connection is closed behind it.
fn is_last(answer: &Answer) -> bool {
    match answer {
        Answer::Refused(_) | Answer::Goodbye | Answer::Unreadable(_) => true,
        Answer::Identified | Answer::Accepted | Answer::Taken | Answer::Denied | Answer::Alive => false,
    }
}
