//! One shard's connections: frames become events, decisions become answers.
//!
//! A frame is read again until it is answered, so what `read` does to a session is either the same when done twice or told
//! only once: an acknowledgement is told and then gone, a package is kept in its place. A package of a long message is
//! first answered (as a heartbeat), then kept, and the message is published when the last one that was missing has come.

use super::frame::{self, BODY_BYTES_MAX, Found, Header, Package, Party};
use super::messages::{self, Acknowledged};
use super::packages::{Added, Overdue, Room};
use super::session::{Pending, Purpose, Sending, Session, Stage};
use super::{Field, Jt808, down, phone_number, text, up};
use crate::adapter::links::Links;
use crate::adapter::{
    Adapter, Answer, Cause, Connect, Down, Event, Kind, Link, Peer, Publish, Read, Scratch, Tail,
    Undeliverable, Unreadable,
};

/// One shard's side.
#[derive(Debug)]
pub(super) struct Shard {
    settings: Jt808,
    wanted: Vec<Field>,
    /// By link.
    sessions: Links<Session>,
    /// The content of the frame at hand, where it had escapes.
    unescaped: Vec<u8>,
    /// The body of a long message from or for a device.
    body: Vec<u8>,
}

/// A buffer that grew beyond this for one message is given back.
const BUFFER_BYTES_KEPT: usize = 64 << 10;

impl Adapter for Shard {
    fn open(&mut self, _peer: Peer<'_>) -> Link {
        self.sessions.open(Session::default())
    }

    fn close(&mut self, link: Link) {
        self.sessions.close(link);
    }

    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        let mut buffer = std::mem::take(&mut self.unescaped);
        let (used, read) = match frame::find(input, &mut buffer) {
            Found::Incomplete => (0, Ok(Read::Incomplete)),
            Found::Flag => (1, Ok(Read::Nothing { used: 1 })),
            Found::Bad(used, why) => (used, Err(why)),
            Found::Frame(content, used) => {
                let read = Header::read(content);
                (
                    used,
                    read.and_then(|(header, body)| self.frame(link, &Frame { header, body, used }, scratch)),
                )
            }
        };
        self.unescaped = buffer;
        match read {
            Err(why) if self.is_left_out(&why) => Ok(Read::Skipped { used, why }),
            read => read,
        }
    }

    fn frame_size(&self, _link: Link, front: &[u8]) -> Option<usize> {
        frame::size(front)
    }

    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>) {
        let session = &mut self.sessions[link];
        let Some(pending) = session.pending.take() else {
            return;
        };
        let header = &pending.header;
        match answer {
            Answer::Identified => {
                session.stage = Stage::Registered;
                session.party = header.party;
                self.register(link, header, out);
            }
            Answer::Accepted => {
                session.stage = Stage::Connected;
                session.party = header.party;
                if pending.purpose != Purpose::Silent {
                    session.answer(header, SUCCESS, out);
                }
            }
            Answer::Refused(refusal) => refuse(session, &pending, refusal.cause, out),
            Answer::Unreadable(Kind::Credentials) => refuse(session, &pending, Cause::Credentials, out),
            Answer::Taken => published(session, &pending, SUCCESS, out),
            Answer::Denied => published(session, &pending, FAILURE, out),
            Answer::Alive => self.alive(link, &pending, out),
            Answer::Goodbye => session.answer(header, SUCCESS, out),
            Answer::Unreadable(
                Kind::NotConnected
                | Kind::AlreadyConnected
                | Kind::Illegal
                | Kind::Malformed
                | Kind::Checksum
                | Kind::TooLarge
                | Kind::Version
                | Kind::Failed,
            ) => {}
        }
    }

    fn deliver(&mut self, link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        let tail = self.send(link, down, &mut body, out);
        self.body = kept(body);
        tail
    }

    fn window(&self) -> u16 {
        self.settings.window
    }
}

/// A buffer, unless one message made it large.
fn kept(buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() > BUFFER_BYTES_KEPT {
        Vec::new()
    } else {
        buffer
    }
}

const REGISTER: u16 = 0x0100;
const AUTHENTICATE: u16 = 0x0102;
const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
/// Of a registration: the platform does not know the vehicle, or does not want it.
const NO_SUCH_VEHICLE: u8 = 2;
/// Of a registration: the platform does not know the terminal.
const NO_SUCH_TERMINAL: u8 = 4;

/// A whole frame at the front of the input.
struct Frame<'f> {
    header: Header,
    body: &'f [u8],
    used: usize,
}

impl Shard {
    pub(super) fn new(settings: Jt808, wanted: Vec<Field>) -> Self {
        Self {
            settings,
            wanted,
            sessions: Links::default(),
            unescaped: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Whether what cannot be read is left out: bytes may be, a device that breaks the order of things may not.
    fn is_left_out(&self, why: &Unreadable) -> bool {
        let is_bad_frame = match why.kind {
            Kind::Malformed | Kind::Checksum | Kind::TooLarge | Kind::Illegal => true,
            Kind::NotConnected
            | Kind::AlreadyConnected
            | Kind::Version
            | Kind::Credentials
            | Kind::Failed => false,
        };
        is_bad_frame && !self.settings.close_on_bad_frame
    }

    fn frame<'a>(
        &mut self,
        link: Link,
        frame: &Frame<'_>,
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        let header = &frame.header;
        // The rest is published as it is; these decide what becomes of the connection.
        let is_ours = matches!(header.id, 0x0001 | REGISTER | AUTHENTICATE);
        if header.encryption != 0 && is_ours && !frame.body.is_empty() {
            let what = format!(
                "an encrypted body (method {}), which is not supported",
                header.encryption
            );
            return Err(Unreadable::new(Kind::Illegal, what, 3));
        }
        let session = &mut self.sessions[link];
        if session.stage != Stage::New && session.party.phone != header.party.phone {
            let what = format!(
                "a frame of {} on the connection of another device",
                phone_number(header)
            );
            return Err(Unreadable::new(Kind::Illegal, what, 5));
        }
        let purpose = Purpose::Frame;
        session.pending = Some(Pending {
            header: *header,
            purpose,
        });
        if session.stage != Stage::Connected {
            return self.greeting(link, frame, scratch);
        }
        if let Some(read) = self.overdue(link, header, scratch.now_ms) {
            return Ok(read);
        }
        let session = &mut self.sessions[link];
        let used = frame.used;
        match (header.id, header.package) {
            (_, Some(package)) => self.package(link, frame, package, scratch),
            (0x0001, None) => Ok(match session.acknowledges(header.id, frame.body) {
                Some(number) => Read::Event {
                    event: Event::Acknowledge { number },
                    used,
                },
                None => Read::Nothing { used },
            }),
            (0x0002 | REGISTER | AUTHENTICATE, None) => Ok(Read::Event {
                event: Event::Heartbeat,
                used,
            }),
            (0x0003, None) => Ok(Read::Event {
                event: Event::Close,
                used,
            }),
            (_, None) => Ok(self.message(link, frame, None, scratch)),
        }
    }

    /// A frame of a device that is not let in yet.
    fn greeting<'a>(
        &mut self,
        link: Link,
        frame: &Frame<'_>,
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        let header = &frame.header;
        let used = frame.used;
        scratch.bytes.clear();
        text::digits(header.party.phone.bcd(), &mut scratch.bytes);
        let phone = scratch.bytes.len();
        match header.id {
            REGISTER => {
                let client_id = &scratch.bytes;
                let event = Event::Identify { client_id };
                Ok(Read::Event { event, used })
            }
            AUTHENTICATE if header.package.is_none() => {
                let code = authentication_code(header, frame.body);
                self.check_code(header, code)?;
                scratch.bytes.extend_from_slice(code);
                let (phone, code) = scratch.bytes.split_at(phone);
                let event = Event::Connect(self.connect(phone, Some(code)));
                Ok(Read::Event { event, used })
            }
            _ if self.settings.implicit_login => {
                let purpose = Purpose::Silent;
                self.sessions[link].pending = Some(Pending {
                    header: *header,
                    purpose,
                });
                let event = Event::Connect(self.connect(&scratch.bytes, None));
                Ok(Read::Event { event, used: 0 })
            }
            id => {
                let what = format!("message {id:04x} before the device has authenticated (0102)");
                Err(Unreadable::new(Kind::NotConnected, what, 1))
            }
        }
    }

    fn connect<'a>(&self, phone: &'a [u8], code: Option<&'a [u8]>) -> Connect<'a> {
        Connect {
            client_id: phone,
            username: Some(phone),
            password: code,
            keepalive_s: self.settings.keepalive_s,
        }
    }

    /// The code that a device gets when it registers.
    fn code_of(&self, header: &Header) -> String {
        self.settings.auth_code.replace("%c", &phone_number(header))
    }

    fn check_code(&self, header: &Header, code: &[u8]) -> Result<(), Unreadable> {
        if !self.settings.check_auth_code || is_same(self.code_of(header).as_bytes(), code) {
            return Ok(());
        }
        let what = "another authentication code than the device got at registration";
        Err(Unreadable::new(Kind::Credentials, what, 1))
    }

    fn register(&mut self, link: Link, header: &Header, out: &mut Vec<u8>) {
        let code = self.code_of(header);
        let [a, b] = header.serial.to_be_bytes();
        let mut body = vec![a, b];
        match self.settings.register {
            true => {
                body.push(SUCCESS);
                body.extend_from_slice(code.as_bytes());
            }
            false => body.push(NO_SUCH_TERMINAL),
        }
        self.sessions[link].tell(header.party, 0x8100, &body, out);
    }

    /// A package of a long message: answered first, then kept, then published when it was the last that was missing.
    fn package<'a>(
        &mut self,
        link: Link,
        frame: &Frame<'_>,
        package: Package,
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        let used = frame.used;
        let room = Room {
            bytes_max: self.settings.unfinished_bytes_max,
            messages_max: self.settings.unfinished_messages_max,
            now_ms: scratch.now_ms,
        };
        let session = &mut self.sessions[link];
        if self.settings.answer_packages && !session.package_answered {
            let purpose = Purpose::Package;
            session.pending = Some(Pending {
                header: frame.header,
                purpose,
            });
            return Ok(Read::Event {
                event: Event::Heartbeat,
                used: 0,
            });
        }
        let unfinished = session.unfinished.get_or_insert_default();
        let added = unfinished.add(&frame.header, package, frame.body, room);
        if added != Added::Whole {
            session.package_answered = false;
        }
        match added {
            Added::Kept => Ok(Read::Nothing { used }),
            Added::GaveWay(gone) => {
                let what = format!("{gone} packages of unfinished long messages gave way to a newer one");
                Err(Unreadable::new(Kind::TooLarge, what, 1))
            }
            Added::TooLarge => {
                let what = format!("a long message of more than {} bytes", room.bytes_max);
                Err(Unreadable::new(Kind::TooLarge, what, 1))
            }
            Added::Whole => {
                let mut body = std::mem::take(&mut self.body);
                unfinished.whole(&frame.header, package, &mut body);
                let header = frame.header;
                let whole = Frame {
                    header,
                    body: &body,
                    used,
                };
                let read = self.message(link, &whole, Some(package.total), scratch);
                self.body = kept(body);
                Ok(read)
            }
        }
    }

    /// A whole message: what it acknowledges, then itself.
    fn message<'a>(
        &mut self,
        link: Link,
        frame: &Frame<'_>,
        packages: Option<u16>,
        scratch: &'a mut Scratch,
    ) -> Read<'a> {
        let header = &frame.header;
        let session = &mut self.sessions[link];
        let clear = if header.encryption == 0 { frame.body } else { &[] };
        if let Some(number) = session.acknowledges(header.id, clear) {
            session.was_asked = true;
            return Read::Event {
                event: Event::Acknowledge { number },
                used: 0,
            };
        }
        let media = clear.first_chunk().map(|id| u32::from_be_bytes(*id));
        let purpose = Purpose::Publish(media.filter(|_| header.id == 0x0801));
        session.pending = Some(Pending {
            header: *header,
            purpose,
        });
        up::write(
            header,
            packages,
            frame.body,
            self.settings.text,
            &mut scratch.bytes,
        );
        scratch.values.clear();
        let values = self.wanted.iter().map(|field| field.value(header));
        scratch.values.extend(values);
        let event = Event::Publish(Publish {
            payload: &scratch.bytes,
            values: &scratch.values,
        });
        Read::Event {
            event,
            used: frame.used,
        }
    }

    /// A message in packages that does not go on: asked for, or dropped and told once.
    fn overdue<'a>(&mut self, link: Link, header: &Header, now_ms: u64) -> Option<Read<'a>> {
        let timeout_ms = Some(self.settings.unfinished_timeout_ms).filter(|timeout| *timeout > 0)?;
        let session = &mut self.sessions[link];
        let unfinished = session.unfinished.as_mut()?;
        match unfinished.overdue((header, header.package), timeout_ms, now_ms)? {
            Overdue::Dropped { id, here, total } => {
                let what = format!(
                    "message {id:04x}: {here} of its {total} packages came, and no more within {timeout_ms} ms"
                );
                let why = Unreadable::new(Kind::Malformed, what, 0);
                Some(Read::Skipped { used: 0, why })
            }
            Overdue::Ask if !self.settings.answer_packages => {
                unfinished.ask(0);
                None
            }
            Overdue::Ask => {
                let (header, purpose) = (*header, Purpose::Ask);
                session.pending = Some(Pending { header, purpose });
                let event = Event::Heartbeat;
                Some(Read::Event { event, used: 0 })
            }
        }
    }

    /// Answers a heartbeat or one of what is answered as such: a second registration, a package of a long message.
    fn alive(&mut self, link: Link, pending: &Pending, out: &mut Vec<u8>) {
        // One byte says how many are asked for before 2019.
        let most = usize::from(u8::MAX);
        let session = &mut self.sessions[link];
        let header = &pending.header;
        match (pending.purpose, header.package) {
            (Purpose::Ask, _) => {
                let missing = session.unfinished.as_mut().and_then(|all| all.ask(most));
                ask_again(session, header.party, missing, out);
            }
            (Purpose::Package, Some(package)) => {
                session.answer(header, SUCCESS, out);
                session.package_answered = true;
                let missing = session
                    .unfinished
                    .get_or_insert_default()
                    .missing(header, package, most);
                ask_again(session, header.party, missing, out);
            }
            (_, None) if header.id == REGISTER => self.register(link, header, out),
            (Purpose::Package | Purpose::Frame | Purpose::Publish(_) | Purpose::Silent, _) => {
                session.answer(header, SUCCESS, out);
            }
        }
    }

    fn send(
        &mut self,
        link: Link,
        down: &Down<'_>,
        body: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Tail, Undeliverable> {
        let session = &mut self.sessions[link];
        let limit = self.settings.down_bytes_max;
        // Base64 takes a third more, escapes in JSON up to six times: what is over that is too large whatever it says.
        let payload_max = 8 * limit + BUFFER_BYTES_KEPT;
        if down.payload.len() > payload_max {
            let size = down.payload.len();
            return Err(Undeliverable::TooLarge {
                size,
                limit: payload_max,
            });
        }
        let id = down::read(down.payload, session.party, self.settings.text, body)
            .map_err(|fault| Undeliverable::Invalid(fault.text().into()))?;
        let package_bytes = self.settings.package_bytes.clamp(1, BODY_BYTES_MAX);
        let limit = limit.min(package_bytes * usize::from(u16::MAX));
        if body.len() > limit {
            let size = body.len();
            return Err(Undeliverable::TooLarge { size, limit });
        }
        let never = messages::acknowledged(id) == Acknowledged::Never;
        let sending = Sending {
            number: if never { 0 } else { down.number },
            again: down.again,
            window: self.settings.window,
            package_bytes,
        };
        session.send(id, body, sending, out);
        Ok(if never { Tail::Settled } else { Tail::Nothing })
    }
}

/// The code in 0x0102: behind its length since 2019, the whole body before.
fn authentication_code<'b>(header: &Header, body: &'b [u8]) -> &'b [u8] {
    let sized = body.split_first().filter(|_| header.party.is_2019());
    let sized = sized.and_then(|(size, rest)| rest.get(..usize::from(*size)));
    sized.unwrap_or(body)
}

/// Compares all bytes, whatever the first say.
fn is_same(ours: &[u8], theirs: &[u8]) -> bool {
    let differences = ours.iter().zip(theirs).fold(0, |all, (a, b)| all | (a ^ b));
    ours.len() == theirs.len() && differences == 0
}

/// Asks for packages that are missing (0x8003), behind the serial number of the message's first one.
fn ask_again(session: &mut Session, party: Party, missing: Option<(u16, Vec<u16>)>, out: &mut Vec<u8>) {
    let Some((first, missing)) = missing else {
        return;
    };
    let mut body = first.to_be_bytes().to_vec();
    match party.is_2019() {
        true => body.extend_from_slice(&(missing.len() as u16).to_be_bytes()),
        false => body.push(missing.len() as u8),
    }
    body.extend(missing.iter().flat_map(|number| number.to_be_bytes()));
    session.tell(party, 0x8003, &body, out);
}

/// Tells a device that it is not let in. A registration has results of its own; none of them says that there is no room
/// now, and all of them would keep the device from trying again: that is the general failure.
fn refuse(session: &mut Session, pending: &Pending, cause: Cause, out: &mut Vec<u8>) {
    let header = &pending.header;
    let result = match cause {
        Cause::ClientId | Cause::Credentials => Some(NO_SUCH_TERMINAL),
        Cause::Banned => Some(NO_SUCH_VEHICLE),
        Cause::Full => None,
    };
    match result.filter(|_| header.id == REGISTER) {
        Some(result) => {
            let [a, b] = header.serial.to_be_bytes();
            session.tell(header.party, 0x8100, &[a, b, result], out);
        }
        None => session.answer(header, FAILURE, out),
    }
}

/// Answers a message that was published, or not.
fn published(session: &mut Session, pending: &Pending, result: u8, out: &mut Vec<u8>) {
    let header = &pending.header;
    let was_asked = std::mem::take(&mut session.was_asked);
    let has_answer = std::mem::take(&mut session.package_answered);
    if let (Some(package), Some(unfinished)) = (header.package, &mut session.unfinished) {
        unfinished.forget(header, package);
    }
    match pending.purpose {
        Purpose::Publish(Some(media)) if result == SUCCESS => {
            session.tell(header.party, 0x8800, &media.to_be_bytes(), out);
        }
        Purpose::Publish(_) | Purpose::Frame | Purpose::Package | Purpose::Ask | Purpose::Silent => {
            if !was_asked && !has_answer && messages::wants_answer(header.id) {
                session.answer(header, result, out);
            }
        }
    }
}
