//! An honest private TCP device: connects, sends up, takes what comes down, pings, says good-bye, and records it all.

use crate::checks::Failure;
use crate::history::{Delivery, History, Options, Origin, Sent, Session, SessionId};
use crate::numbered::{ACKNOWLEDGED, AGAIN, NUMBER_BYTES};
use crate::scenario::PRIVATE;
use crate::stall::Stall;
use crate::world::{Greeting, Mark, SocketId, World};
use ringwire_codec::mqtt::RetainHandling;
use ringwire_codec::private::{ConnAckCode, Connect, Decoded, Frame, PAYLOAD_BYTES_MAX, decode};
use ringwire_core::Time;
use std::collections::BTreeMap;

/// Messages at a time of a device that floods.
const BURST: usize = 12;

/// An honest private device.
pub struct Device {
    client_id: String,
    keepalive_s: u8,
    connection: Option<Connection>,
    session: Option<SessionId>,
    stall: Stall,
    /// What came with each number, where a message has one.
    numbers: BTreeMap<u16, Vec<u8>>,
}

struct Connection {
    socket: SocketId,
    online: bool,
    inbox: Vec<u8>,
    last_write: Time,
    pings: usize,
    /// Numbers that came on it and were not acknowledged.
    unacknowledged: Vec<u16>,
    /// Numbers whose acknowledgement never left (false), until they come again, or did (true): what was sent again before
    /// that arrived need not come once more.
    answered: BTreeMap<u16, bool>,
}

impl Device {
    /// A device that has never connected.
    pub fn new(number: usize, world: &mut World) -> Self {
        let keepalive_s = *world.random.pick(&[0, 30, 60]);
        Self {
            client_id: format!("d{number}"),
            keepalive_s,
            connection: None,
            session: None,
            stall: Stall::default(),
            numbers: BTreeMap::new(),
        }
    }

    /// One random thing.
    pub fn act(&mut self, world: &mut World) {
        world.tick_step();
        let Some(connection) = &self.connection else {
            if world.random.chance(20) {
                self.connect(world);
            }
            return;
        };
        if world.is_over(connection.socket) {
            self.lose(world);
            return;
        }
        if !self.stall.looks_away(world) {
            self.read(world);
        }
        if !self.is_online() {
            return;
        }
        self.ping(world);
        if world.random.below(1_000) < world.scenario.resets {
            let socket = self.connection.as_ref().map(|connection| connection.socket);
            socket.into_iter().for_each(|socket| world.reset(socket));
            self.lose(world);
            return;
        }
        if world.scenario.acknowledging && world.random.chance(30) {
            self.acknowledge_one(world);
        }
        match world.random.below(100) {
            0..30 if world.scenario.flooding => (0..BURST).for_each(|_| self.up(world)),
            0..30 => self.up(world),
            // What a device sent before its good-bye is taken whoever is behind.
            30..31 if !world.scenario.flooding => self.leave(world),
            _ => {}
        }
    }

    /// Finishes what was begun.
    pub fn settle(&mut self, world: &mut World) {
        world.tick_step();
        match &self.connection {
            None if self.session.is_some() && !world.is_draining() => self.connect(world),
            None => {}
            Some(connection) if world.is_over(connection.socket) => self.lose(world),
            Some(_) => {
                self.read(world);
                self.ping(world);
                while self.acknowledge_one(world) {}
            }
        }
    }

    /// Nothing that was begun is open.
    pub fn is_quiet(&self, draining: bool) -> bool {
        match &self.connection {
            None => self.session.is_none() || draining,
            Some(connection) => {
                let is_quiet = connection.online && connection.inbox.is_empty() && connection.pings == 0;
                is_quiet && connection.unacknowledged.is_empty()
            }
        }
    }

    /// What is not through, in words.
    pub fn unfinished(&self) -> String {
        let connection = self.connection.as_ref();
        let state =
            connection.map(|connection| (connection.online, connection.inbox.len(), connection.pings));
        format!("{}: {state:?}", self.client_id)
    }

    /// What it did not acknowledge came again, or the broker said that it gave it up.
    pub fn has_all(&self, world: &World) -> Result<(), Failure> {
        let withheld = (self.connection.iter())
            .flat_map(|connection| &connection.answered)
            .filter(|(_, left)| !**left)
            .map(|(number, _)| number)
            .collect::<Vec<_>>();
        if withheld.is_empty() || world.history.dropped_for(&self.client_id) {
            return Ok(());
        }
        let text = format!("{} never got {withheld:?} again", self.client_id);
        Err(Failure::new("what_is_not_acknowledged_comes_again", text))
    }

    /// Says good-bye.
    pub fn leave(&mut self, world: &mut World) {
        if let Some(socket) = self.connection.as_ref().map(|connection| connection.socket) {
            self.write(world, Frame::Disconnect { flags: 0 }, Some(Mark::Disconnect));
            world.close(socket);
            self.lose(world);
        }
    }

    fn is_online(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.online)
    }

    fn connect(&mut self, world: &mut World) {
        let socket = world.connect(&self.client_id, true, PRIVATE);
        let greeting = Greeting {
            silence_ms: u64::from(self.keepalive_s) * 1_500,
            ..Greeting::default()
        };
        world.introduce(socket, greeting);
        let last_write = world.now;
        self.connection = Some(Connection {
            socket,
            online: false,
            inbox: Vec::new(),
            last_write,
            pings: 0,
            unacknowledged: Vec::new(),
            answered: BTreeMap::new(),
        });
        let client_id = self.client_id.clone();
        let connect = Connect {
            keepalive: self.keepalive_s,
            client_id: client_id.as_bytes(),
            username: None,
            password: None,
        };
        self.write(
            world,
            Frame::Connect {
                version: 1,
                connect: Some(connect),
            },
            None,
        );
    }

    fn lose(&mut self, world: &mut World) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let step = world.ended(connection.socket).unwrap_or(world.step);
        let Some(session) = self.session.filter(|_| connection.online) else {
            return;
        };
        world.history.sessions[session].connected = None;
        if world.scenario.private().session_expiry_s == 0 {
            world.history.sessions[session].ended.get_or_insert(step);
            self.session = None;
        }
    }

    fn up(&mut self, world: &mut World) {
        let id = world.history.messages.len();
        let bytes = if world.random.chance(5) {
            2_000
        } else {
            world.random.below(60)
        };
        let (qos, retain) = (
            world.scenario.private().up_qos,
            world.scenario.private().up_retain,
        );
        let payload = if world.random.chance(4) {
            Vec::new()
        } else {
            History::payload(id, bytes)
        };
        world.history.messages.push(Sent {
            publisher: self.client_id.clone(),
            origin: Origin::Device,
            topic: format!("tcp/{}/up", self.client_id),
            payload: payload.clone(),
            content_type: None,
            qos,
            retain,
            expiry_s: None,
            fed: Vec::new(),
            fed_ms: Vec::new(),
            certain: false,
            acked: None,
            refused: false,
        });
        self.write(
            world,
            Frame::DataTrans {
                flags: 0,
                payload: &payload,
            },
            Some(Mark::Publish(id)),
        );
    }

    fn ping(&mut self, world: &mut World) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let idle_ms = world.now.millis_since(connection.last_write);
        let due = self.keepalive_s > 0 && idle_ms > u64::from(self.keepalive_s) * 500;
        if connection.online && due && connection.pings < 2 {
            connection.pings += 1;
            self.write(world, Frame::Ping { flags: 0 }, None);
        }
    }

    fn write(&mut self, world: &mut World, frame: Frame<'_>, mark: Option<Mark>) {
        let mut bytes = Vec::new();
        assert!(
            frame.encode(&mut bytes),
            "an honest device's frames can be written"
        );
        if let Some(connection) = &mut self.connection {
            connection.last_write = world.now;
            world.write(connection.socket, &bytes, mark);
        }
    }

    fn read(&mut self, world: &mut World) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        connection.inbox.extend(world.read(connection.socket));
        let bytes = std::mem::take(&mut connection.inbox);
        let mut at = 0;
        while at < bytes.len() {
            let outcome = match decode(&bytes[at..], PAYLOAD_BYTES_MAX) {
                Ok(Decoded::Incomplete { .. }) => break,
                Ok(Decoded::Frame(frame, size)) => {
                    at += size;
                    world.tick_step();
                    self.handle(world, frame)
                }
                Err(error) => Err(format!("cannot read: {error}")),
            };
            if let Err(text) = outcome {
                world.fail(Failure::new(
                    "the_server_keeps_the_standard",
                    format!("{}: {text}", self.client_id),
                ));
                return;
            }
        }
        if let Some(connection) = &mut self.connection {
            connection.inbox = bytes[at..].to_vec();
        }
    }

    fn handle(&mut self, world: &mut World, frame: Frame<'_>) -> Result<(), String> {
        let connection = self.connection.as_mut().expect("the frame came from it");
        match frame {
            Frame::ConnAck {
                code: ConnAckCode::Accepted,
                ..
            } if !connection.online => {
                connection.online = true;
                self.connected(world);
                Ok(())
            }
            Frame::ConnAck {
                code: ConnAckCode::AuthenticationFailed,
                ..
            } if !connection.online && world.was_banned(&self.client_id) => {
                world.reached("a device was turned away");
                Ok(())
            }
            Frame::DataTrans { flags, payload } if connection.online && world.scenario.acknowledging => {
                self.deliver_numbered(world, flags, payload)
            }
            Frame::DataTrans { payload, .. } if connection.online => self.deliver(world, payload),
            Frame::Pong if connection.pings > 0 => {
                connection.pings -= 1;
                Ok(())
            }
            Frame::ConnAck { .. }
            | Frame::DataTrans { .. }
            | Frame::Pong
            | Frame::Connect { .. }
            | Frame::Ping { .. }
            | Frame::Disconnect { .. } => Err(format!("not expected here: {frame:?}")),
        }
    }

    fn connected(&mut self, world: &mut World) {
        let step = world.step;
        if self.session.is_none() {
            self.numbers.clear();
        }
        let session = *self.session.get_or_insert_with(|| {
            world.history.sessions.push(Session {
                client_id: self.client_id.clone(),
                device: !world.scenario.acknowledging,
                ended: None,
                connected: None,
                losses: Vec::new(),
                subscriptions: Vec::new(),
            });
            world.history.sessions.len() - 1
        });
        world.history.sessions[session].connected = Some(step);
        let version = Options {
            sent: 0,
            sent_ms: 0,
            fed: Some(step),
            acked: Some(step),
            qos: world.scenario.private().dn_qos,
            no_local: false,
            retain_as_published: true,
            retain_handling: RetainHandling::Send,
            identifier: None,
        };
        world
            .history
            .subscribe(session, &format!("tcp/{}/dn", self.client_id), version);
    }

    /// A message with a number: new, or one that comes again because its acknowledgement is late or was lost.
    fn deliver_numbered(&mut self, world: &mut World, flags: u8, payload: &[u8]) -> Result<(), String> {
        let Some((number, payload)) = payload.split_first_chunk::<NUMBER_BYTES>() else {
            return Err("a message without its number".to_owned());
        };
        let number = u16::from_be_bytes(*number);
        let connection = self.connection.as_mut().expect("the frame came from it");
        let is_open = connection.unacknowledged.contains(&number);
        let is_same = self.numbers.get(&number).is_some_and(|known| known == payload);
        if number == 0 || (flags & AGAIN != 0 && !is_same) || (flags & AGAIN == 0 && is_open) {
            return Err(format!("number {number}, flags {flags}, {} bytes", payload.len()));
        }
        if flags & AGAIN == 0 || connection.answered.get(&number) == Some(&false) {
            connection.answered.remove(&number);
        }
        if !is_open {
            connection.unacknowledged.push(number);
        }
        if flags & AGAIN != 0 {
            world.reached("sent again to a device");
            return Ok(());
        }
        // On a new connection what was not acknowledged on the last one comes first, and may have come there.
        let came_before = self.numbers.insert(number, payload.to_vec());
        if came_before.is_some_and(|known| !payload.is_empty() && known == payload) {
            world.reached("came again to a device that is back");
            return Ok(());
        }
        self.deliver(world, payload)
    }

    /// True when there was one. Some acknowledgements never leave the device.
    fn acknowledge_one(&mut self, world: &mut World) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.online) else {
            return false;
        };
        let Some(number) = connection.unacknowledged.pop() else {
            return false;
        };
        if !world.calm && world.random.chance(20) {
            connection.answered.entry(number).or_insert(false);
            return true;
        }
        connection.answered.insert(number, true);
        let frame = Frame::DataTrans {
            flags: ACKNOWLEDGED,
            payload: &number.to_be_bytes(),
        };
        self.write(world, frame, None);
        true
    }

    fn deliver(&mut self, world: &mut World, payload: &[u8]) -> Result<(), String> {
        let Some(session) = self.session else {
            return Ok(());
        };
        world.reached("delivered to a device");
        let message = world.history.message_of(payload);
        if message.is_none() && !payload.is_empty() {
            return Err("a payload that nobody sent".to_owned());
        }
        let retain = message.is_some_and(|id| world.history.messages[id].retain);
        world.history.deliveries.push(Delivery {
            session,
            message,
            step: world.step,
            read_ms: world.now.as_millis(),
            since_ms: 0,
            tells_expiry: false,
            expiry_s: None,
            topic: format!("tcp/{}/dn", self.client_id),
            payload: payload.to_vec(),
            content_type: None,
            qos: None,
            retain,
            dup: false,
            identifiers: Vec::new(),
        });
        Ok(())
    }
}
