//! What a message asks for: the event that is reported of it.

use super::json;
use super::plan::{ClientId, Identity, Keepalive, Message, Payload, Piece, Role};
use super::read::{Found, Frame, Reading, react};
use super::render::{Values, render};
use super::running::{Connection, Wanted, Work};
use super::value::push_digits;
use super::walk::{Cursor, Misfit, Span};
use crate::adapter::{Connect, Event, Kind, Publish, Read, Scratch, Unreadable};
use std::io::Write as _;

/// What is to be done.
enum Act<'p> {
    Connect(&'p Identity),
    /// It is let in, and says again who it is.
    Renew(&'p Identity),
    Alive,
    Publish,
    /// It is published now, and closes when it is read once more.
    PublishFirst,
    Acknowledge(u16),
    Close,
    Nothing,
    Early,
}

impl<'a, 'b> Frame<'a, 'b> {
    /// Reports what the message that was found asks for. Its fields are in `work.slots`.
    pub(super) fn act(
        &self,
        found: &Found<'a, '_>,
        index: usize,
        connection: &mut Connection,
        (work, scratch): (&mut Work, &'a mut Scratch),
    ) -> Reading<'a> {
        let message = &self.plan.messages[index];
        let slots = &work.slots;
        let act = self.ask(message, (found.body, slots), connection);
        self.is_same_device(&act, found, connection, work)?;
        // What is published besides is so when the same bytes are read once more.
        let used = if message.publish { 0 } else { found.used };
        let event = |event, used| Ok(Read::Event { event, used });
        if let Act::Acknowledge(number) = act {
            return event(Event::Acknowledge { number }, used);
        }
        connection.hold((index, self.way), message, found.body, &work.slots);
        match act {
            Act::Nothing | Act::Acknowledge(_) => Ok(Read::Nothing { used: found.used }),
            Act::Early => {
                let what = format!("`{}` before the device said who it is", message.name);
                let why = Unreadable::new(Kind::NotConnected, what, found.offset);
                react(self.plan.reactions.early, found.used, why)
            }
            Act::Connect(identity) => {
                let is_login = matches!(message.role, Role::Login(_));
                let used = if is_login { used } else { 0 };
                self.connect(identity, (found, used), connection, (&work.slots, scratch))
            }
            Act::Renew(_) | Act::Alive => event(Event::Heartbeat, used),
            Act::Publish => self.publish(index, (found, found.used), work, scratch),
            Act::PublishFirst => self.publish(index, (found, 0), work, scratch),
            Act::Close => event(Event::Close, found.used),
        }
    }

    fn ask(
        &self,
        message: &'b Message,
        (body, slots): (&[u8], &[Span]),
        connection: &mut Connection,
    ) -> Act<'b> {
        if !connection.greeted {
            return match (&message.role, &self.plan.identity) {
                (Role::Ignore, _) => Act::Nothing,
                (Role::Login(identity), _) | (_, Some(identity)) => Act::Connect(identity),
                (_, None) => Act::Early,
            };
        }
        match &message.role {
            Role::Close if message.publish && !connection.again => Act::PublishFirst,
            Role::Close => Act::Close,
            Role::Login(_) | Role::Heartbeat if connection.again => Act::Publish,
            Role::Login(identity) => Act::Renew(identity),
            Role::Heartbeat => Act::Alive,
            Role::Data => Act::Publish,
            Role::Ignore => Act::Nothing,
            Role::Acknowledge(field) => {
                let sequence = slots[field.slot].of(body).map(|raw| field.count(raw));
                let is_it = |sent: &(u32, u16)| Some(u64::from(sent.0)) == sequence;
                match connection.sent.iter().position(is_it) {
                    Some(at) => Act::Acknowledge(connection.sent.remove(at).1),
                    None if message.publish => Act::Publish,
                    None => Act::Nothing,
                }
            }
        }
    }

    /// On one connection there is one device.
    fn is_same_device(
        &self,
        act: &Act<'_>,
        found: &Found<'_, '_>,
        connection: &Connection,
        work: &mut Work,
    ) -> Result<(), Unreadable> {
        let identity = match (act, &self.plan.identity) {
            (Act::Connect(_) | Act::Nothing | Act::Early, _) => return Ok(()),
            (Act::Renew(identity), _) => identity,
            (
                Act::Alive | Act::Publish | Act::PublishFirst | Act::Acknowledge(_) | Act::Close,
                Some(identity),
            ) => identity,
            (_, None) => return Ok(()),
        };
        let ClientId::Frame(pieces) = &identity.client_id else {
            return Ok(());
        };
        let values = Values::of(found.body, &work.slots, &[]);
        work.content.clear();
        let rendered = render(pieces, &values, &mut work.content);
        if rendered.is_ok() && work.content == connection.client {
            return Ok(());
        }
        let other = String::from_utf8_lossy(&work.content[..work.content.len().min(64)]);
        let what = format!("a frame of another device, `{other}`, on the same connection");
        Err(Unreadable::new(Kind::AlreadyConnected, what, found.offset))
    }

    fn connect(
        &self,
        identity: &Identity,
        (found, used): (&Found<'_, '_>, usize),
        connection: &mut Connection,
        (slots, scratch): (&[Span], &'a mut Scratch),
    ) -> Reading<'a> {
        let values = Values::of(found.body, slots, &[]);
        let out = &mut scratch.bytes;
        out.clear();
        let render_to = |pieces: Option<&Vec<Piece>>, out: &mut Vec<u8>| {
            let rendered = pieces.map_or(Ok(()), |pieces| render(pieces, &values, out));
            rendered.map(|()| out.len())
        };
        match &identity.client_id {
            ClientId::Frame(_) => {}
            ClientId::Address => write!(out, "{}", connection.address).expect("a vector takes everything"),
            ClientId::Certificate => match &connection.certificate {
                Some(name) => out.extend_from_slice(name.as_bytes()),
                None => {
                    let what = "the client id is that of a TLS certificate, and the device showed none";
                    return Err(Unreadable::new(Kind::NotConnected, what, found.offset));
                }
            },
        }
        let client_id = match &identity.client_id {
            ClientId::Frame(pieces) => Some(pieces),
            ClientId::Address | ClientId::Certificate => None,
        };
        let mut ends = || {
            let client = render_to(client_id, out)?;
            let username = render_to(identity.username.as_ref(), out)?;
            render_to(identity.password.as_ref(), out).map(|_| (client, username))
        };
        let (client, username) = match ends() {
            Ok(ends) => ends,
            Err(error) => {
                let why = Unreadable::new(Kind::Malformed, error.to_string(), found.offset);
                return react(self.plan.reactions.malformed, found.used, why);
            }
        };
        let text = scratch.bytes.as_slice();
        connection.client.clear();
        connection.client.extend_from_slice(&text[..client]);
        let event = Event::Connect(Connect {
            client_id: &text[..client],
            username: identity.username.as_ref().map(|_| &text[client..username]),
            password: identity.password.as_ref().map(|_| &text[username..]),
            keepalive_s: keepalive(identity, found.body, slots),
        });
        Ok(Read::Event { event, used })
    }

    fn publish(
        &self,
        index: usize,
        (found, used): (&Found<'a, '_>, usize),
        work: &mut Work,
        scratch: &'a mut Scratch,
    ) -> Reading<'a> {
        let message = &self.plan.messages[index];
        let Scratch { bytes, values, .. } = scratch;
        fill(&self.wanted[index], message, (found.body, &work.slots), values);
        bytes.clear();
        let in_input = match &message.payload {
            Payload::Raw => found.in_input,
            Payload::Field(field) => {
                let range = work.slots[field.slot].range().unwrap_or_default();
                found.in_input.map(|body| &body[range])
            }
            Payload::Hex | Payload::Json { .. } => None,
        };
        let payload = match in_input {
            Some(payload) => payload,
            None => match self.make(message, found.body, work, bytes) {
                Ok(()) => bytes.as_slice(),
                Err(misfit) => return self.misfit(found, misfit),
            },
        };
        let event = Event::Publish(Publish { payload, values });
        Ok(Read::Event { event, used })
    }

    /// Appends a payload that does not stand in the input as it is.
    fn make(&self, message: &Message, body: &[u8], work: &mut Work, out: &mut Vec<u8>) -> Result<(), Misfit> {
        match &message.payload {
            Payload::Raw => out.extend_from_slice(body),
            Payload::Field(field) => {
                out.extend_from_slice(work.slots[field.slot].of(body).unwrap_or_default())
            }
            Payload::Hex => push_digits(body, false, out),
            Payload::Json {
                label,
                omit_common,
                omit_own,
            } => {
                let mut cursor = Cursor::new(body, &work.columns, &mut work.slots);
                let choice = json::Choice {
                    label,
                    omit_common,
                    omit_own,
                };
                json::write(&choice, (&self.plan.common, message), &mut cursor, out)?;
            }
        }
        Ok(())
    }
}

fn keepalive(identity: &Identity, body: &[u8], slots: &[Span]) -> u16 {
    match &identity.keepalive {
        Keepalive::Seconds(seconds) => *seconds,
        Keepalive::Field(field) => {
            let seconds = slots[field.slot].of(body).map_or(0, |raw| field.count(raw));
            u16::try_from(seconds).unwrap_or(u16::MAX)
        }
    }
}

/// What the up topic wants of a message. A field that it does not have is empty.
fn fill(wanted: &[Wanted], message: &Message, (body, slots): (&[u8], &[Span]), values: &mut Vec<String>) {
    values.resize_with(wanted.len(), String::new);
    for (wanted, value) in wanted.iter().zip(values) {
        let mut text = std::mem::take(value).into_bytes();
        text.clear();
        match wanted {
            Wanted::Name => text.extend_from_slice(message.name.as_bytes()),
            Wanted::Field(field) => {
                if let Some(raw) = slots[field.slot].of(body) {
                    field.push_text(raw, true, &mut text);
                }
            }
            Wanted::Missing => {}
        }
        *value = String::from_utf8(text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    }
}
