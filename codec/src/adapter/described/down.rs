//! What devices are sent: a payload becomes one of the commands that are described.

use super::description::DownPayload;
use super::framing::Unframed;
use super::plan::{Command, Test};
use super::render::{Values, render};
use super::running::Running;
use super::value::push_undigits;
use crate::adapter::{Down, Link, Tail, Undeliverable};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A payload, read.
struct Payload<'a> {
    bytes: Cow<'a, [u8]>,
    members: Option<Map<String, Value>>,
}

impl Running {
    /// Appends the command that carries a message.
    pub(super) fn send(
        &mut self,
        link: Link,
        down: &Down<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Tail, Undeliverable> {
        let Some(plan) = &self.plan.down else {
            let what = "the description has no [down]: nothing can be sent to its devices";
            return Err(Undeliverable::Invalid(what.into()));
        };
        let payload = read(plan.payload, down.payload)?;
        let Some(command) = plan
            .commands
            .iter()
            .find(|command| command.fits(payload.members.as_ref()))
        else {
            return Err(Undeliverable::Invalid(
                "the payload is none of the described commands".into(),
            ));
        };
        let connection = &mut self.connections[link];
        let before = connection
            .sent
            .iter()
            .find(|(_, number)| *number == down.number && down.number != 0);
        let before = before.map(|(sequence, _)| *sequence);
        let sequence = match before {
            Some(sequence) => sequence,
            None if command.send.numbered => connection.next_sequence(plan.sequence_width),
            None => 0,
        };
        let values = Values {
            payload: &payload.bytes,
            members: payload.members.as_ref(),
            sequence,
            ..Values::of(&[], &[], &connection.client)
        };
        let content = &mut self.work.content;
        content.clear();
        render(&command.send.pieces, &values, content).map_err(|error| Undeliverable::Invalid(error.0))?;
        if command.send.raw {
            out.extend_from_slice(content);
        } else {
            let frame = self.plan.frames.way(0);
            let framed = frame.wrap(self.plan.checksum.as_ref(), content, out);
            framed.map_err(|error| undeliverable(error, down.payload.len()))?;
        }
        if plan.window > 0 && !command.send.numbered {
            return Ok(Tail::Settled);
        }
        if plan.window > 0 && down.number != 0 && before.is_none() {
            // The engine has given up those that are more than the window.
            if connection.sent.len() >= usize::from(plan.window) {
                connection.sent.remove(0);
            }
            connection.sent.push((sequence, down.number));
        }
        Ok(Tail::Nothing)
    }
}

fn undeliverable(error: Unframed, payload: usize) -> Undeliverable {
    match error {
        // As many bytes less would be taken.
        Unframed::TooLarge { size, limit } => Undeliverable::TooLarge {
            size: payload,
            limit: payload.saturating_sub(size.saturating_sub(limit)),
        },
        Unframed::TooShort(_) | Unframed::HoldsEnd => Undeliverable::Invalid(error.to_string().into()),
    }
}

fn read(kind: DownPayload, payload: &[u8]) -> Result<Payload<'_>, Undeliverable> {
    let invalid = |what: String| Undeliverable::Invalid(what.into());
    match kind {
        DownPayload::Raw => Ok(Payload {
            bytes: payload.into(),
            members: None,
        }),
        DownPayload::Hex => {
            let mut bytes = Vec::with_capacity(payload.len() / 2);
            push_undigits(payload, &mut bytes)
                .ok_or_else(|| invalid("the payload is not hex digits in pairs".to_owned()))?;
            Ok(Payload {
                bytes: bytes.into(),
                members: None,
            })
        }
        DownPayload::Json => {
            let members = serde_json::from_slice(payload)
                .map_err(|error| invalid(format!("the payload is no JSON object: {error}")))?;
            Ok(Payload {
                bytes: payload.into(),
                members: Some(members),
            })
        }
    }
}

impl Command {
    fn fits(&self, members: Option<&Map<String, Value>>) -> bool {
        let member = |name: &String| members.and_then(|members| members.get(name));
        self.when
            .iter()
            .all(|(name, test)| member(name).is_some_and(|value| test.allows(value)))
    }
}

impl Test {
    fn allows(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Numbers(numbers), Value::Number(number)) => {
                let signed = number.as_i64().map(i128::from);
                let number = signed.or_else(|| number.as_u64().map(i128::from));
                number.is_some_and(|number| numbers.contains(&number))
            }
            (Self::Texts(texts), Value::String(text)) => texts.iter().any(|other| other == text.as_bytes()),
            (Self::Prefix(prefix), Value::String(text)) => text.as_bytes().starts_with(prefix),
            (Self::Numbers(_) | Self::Texts(_) | Self::Prefix(_), _) => false,
        }
    }
}
