//! Flaws of messages: conditions, roles, what is published of them and answered to them.

use super::parts::key_of;
use super::templates::Use;
use super::{Compiler, node_name};
use crate::adapter::described::description::{
    ClientId, Codes, Identity, Keepalive, Literal, Message, NAME_BYTES_MAX, Payload, Role, Test,
};
use crate::adapter::described::format::Format;
use crate::adapter::described::plan::{self, Field, Node, Piece, Source};
use crate::adapter::described::value::push_quoted;
use std::sync::Arc;

impl Compiler<'_> {
    pub(super) fn messages(
        &mut self,
        common: &[Node],
        commons: &[Arc<Field>],
        slots: usize,
    ) -> Vec<plan::Message> {
        let description = self.description;
        let mut messages: Vec<plan::Message> = Vec::new();
        for (at, message) in description.messages.iter().enumerate() {
            let path = format!("message[{at}]");
            if messages.iter().any(|other| other.name == message.name) {
                self.flaw(
                    format!("{path}.name"),
                    format!("there is another message `{}`", message.name),
                );
            }
            if let Some(earlier) = messages.iter().find(|other| other.when.is_empty()) {
                let what = format!("never reached: `{}` before it takes every frame", earlier.name);
                self.flaw(format!("{path}.when"), what);
            }
            // Only one message at a time is read, so that they use the same memory.
            self.slot = slots;
            messages.push(self.message(message, &path, (common, commons)));
        }
        messages
    }

    fn message(
        &mut self,
        message: &Message,
        path: &str,
        (common, commons): (&[Node], &[Arc<Field>]),
    ) -> plan::Message {
        self.name(&message.name, &format!("{path}.name"));
        let when = self.conditions(message, path, commons);
        let mut scope = vec![commons.to_vec()];
        let nodes = self.parts(&message.fields, path, &mut scope);
        let names = scope.remove(0);
        let is_there = |node: &&Node| common.iter().any(|other| node_name(other) == node_name(node));
        if let Some(node) = nodes
            .iter()
            .filter(|node| !node_name(node).is_empty())
            .find(is_there)
        {
            let what = format!("`{}` is in every frame already", node_name(node));
            self.flaw(format!("{path}.field"), what);
        }
        let role = self.role(message, path, &names);
        self.replies_are_sent(message, path);
        let mut reply = |reply: &Option<_>, part: &str, used| {
            let path = format!("{path}.{part}");
            reply.as_ref().map(|reply| self.reply(reply, &path, &names, used))
        };
        let answer = reply(&message.answer, "answer", Use::Answer);
        let refusal = reply(&message.refusal, "refusal", Use::Refusal);
        let payload = match &message.payload {
            Some(payload) => {
                self.omitted_exist(payload, &format!("{path}.payload"), &[common, &nodes]);
                self.payload(
                    payload,
                    &format!("{path}.payload"),
                    message,
                    (common, &nodes, &names),
                )
            }
            None => self.payload(
                &self.description.payload.clone(),
                "payload",
                message,
                (common, &nodes, &names),
            ),
        };
        let nests = match &payload {
            plan::Payload::Json {
                label,
                omit_common,
                omit_own,
            } => self.nests(path, label, (common, omit_common), (&nodes, omit_own)),
            plan::Payload::Raw | plan::Payload::Hex | plan::Payload::Field(_) => plan::Nests::default(),
        };
        let echoed = echoed([&answer, &refusal]);
        plan::Message {
            name: message.name.clone(),
            when,
            role,
            nodes,
            slots: self.slot,
            publish: message.publish,
            payload,
            nests,
            answer,
            refusal,
            echoed,
            names,
        }
    }

    fn conditions(&mut self, message: &Message, path: &str, commons: &[Arc<Field>]) -> Vec<plan::Condition> {
        let mut conditions = Vec::new();
        for condition in &message.when {
            let path = format!("{path}.when.{}", condition.field);
            let Some(field) = commons.iter().find(|field| field.name == condition.field) else {
                let what = format!(
                    "every frame must have the field `{}` to ask for it",
                    condition.field
                );
                self.flaw(path, what);
                continue;
            };
            let test = self.test(&condition.test, Some(field), &path);
            conditions.push(plan::Condition {
                field: field.clone(),
                test,
            });
        }
        conditions
    }

    /// `field`: `None` when it is a member of an object, which may be a number or a text.
    pub(super) fn test(&mut self, test: &Test, field: Option<&Field>, path: &str) -> plan::Test {
        let format = field.map(|field| field.format);
        let literals = match test {
            Test::Prefix(text) => {
                if format.is_some_and(|format| format.width().is_some()) {
                    self.flaw(path, "a number has no prefix");
                }
                return plan::Test::Prefix(text.as_bytes().to_vec());
            }
            Test::OneOf(literals) => literals,
        };
        let number = |literal: &Literal| match literal {
            Literal::Number(number) => Some(*number),
            Literal::Text(_) => None,
        };
        let numbers: Vec<i128> = literals.iter().filter_map(number).collect();
        let texts = literals.iter().filter_map(|literal| match literal {
            Literal::Number(_) => None,
            Literal::Text(text) => Some(text.as_bytes().to_vec()),
        });
        let texts: Vec<Vec<u8>> = texts.collect();
        let is_number = format.is_some_and(|format| matches!(format, Format::Integer { .. }));
        let counts = matches!(
            format,
            None | Some(Format::Integer { .. } | Format::Text | Format::Decimal)
        );
        if literals.is_empty() {
            self.flaw(path, "there is no value that it could have");
        } else if !numbers.is_empty() && !texts.is_empty() {
            self.flaw(path, "numbers and texts together: say one kind");
        } else if !texts.is_empty() && is_number {
            self.flaw(path, "the field is a number, and this is a text");
        } else if !numbers.is_empty() && !counts {
            self.flaw(path, "the field is no integer: say its text, such as \"0102\"");
        }
        if numbers.is_empty() {
            plan::Test::Texts(texts)
        } else {
            plan::Test::Numbers(numbers)
        }
    }

    fn role(&mut self, message: &Message, path: &str, names: &[Arc<Field>]) -> plan::Role {
        match &message.role {
            Role::Login(identity) => plan::Role::Login(self.identity(identity, path, names)),
            Role::Heartbeat => plan::Role::Heartbeat,
            Role::Data => plan::Role::Data,
            Role::Close => plan::Role::Close,
            Role::Ignore => plan::Role::Ignore,
            Role::Acknowledge { number } => {
                let field = self.counting(number, format!("{path}.number"), &vec![names.to_vec()]);
                field.map_or(plan::Role::Ignore, plan::Role::Acknowledge)
            }
        }
    }

    pub(super) fn identity(
        &mut self,
        identity: &Identity,
        path: &str,
        names: &[Arc<Field>],
    ) -> plan::Identity {
        let client_id = match &identity.client_id {
            ClientId::Frame(template) => {
                let path = format!("{path}.client_id");
                let before = self.flaws.len();
                let pieces = self.template(template, &path, names, Use::Identity);
                // A field that does not exist was said already.
                if self.flaws.len() == before && !pieces.iter().any(|piece| matches!(piece, Piece::Value(..)))
                {
                    self.flaw(
                        path,
                        "every device would have the same client id: name a field, such as `{imei}`",
                    );
                }
                plan::ClientId::Frame(pieces)
            }
            ClientId::Certificate => plan::ClientId::Certificate,
            ClientId::Address => plan::ClientId::Address,
        };
        let mut template = |template: &Option<_>, part: &str| {
            let path = format!("{path}.{part}");
            template
                .as_ref()
                .map(|template| self.template(template, &path, names, Use::Identity))
        };
        let username = template(&identity.username, "username");
        let password = template(&identity.password, "password");
        let keepalive = match &identity.keepalive {
            Keepalive::Seconds(seconds) => plan::Keepalive::Seconds(*seconds),
            Keepalive::Field(name) => {
                let field = self.counting(name, format!("{path}.keepalive"), &vec![names.to_vec()]);
                field.map_or(plan::Keepalive::Seconds(0), plan::Keepalive::Field)
            }
        };
        plan::Identity {
            client_id,
            username,
            password,
            keepalive,
        }
    }

    /// An answer that is never sent is a mistake.
    fn replies_are_sent(&mut self, message: &Message, path: &str) {
        let is_implicit = self.description.identity.is_some();
        let (answers, refuses) = match message.role {
            Role::Login(_) | Role::Data => (true, true),
            Role::Heartbeat | Role::Close => (true, is_implicit),
            Role::Acknowledge { .. } => (false, is_implicit),
            Role::Ignore => (false, false),
        };
        if message.answer.is_some() && !answers {
            self.flaw(
                format!("{path}.answer"),
                "never sent: a message with this role is not answered",
            );
        }
        if message.refusal.is_some() && !refuses {
            self.flaw(
                format!("{path}.refusal"),
                "never sent: a message with this role is not refused",
            );
        }
        if let Some(codes) = message
            .refusal
            .as_ref()
            .and_then(|refusal| refusal.codes.as_ref())
        {
            let lets_in = matches!(message.role, Role::Login(_)) || is_implicit;
            let is_data = matches!(message.role, Role::Data);
            self.codes_are_all(codes, (lets_in, is_data), &format!("{path}.refusal.codes"));
        }
        if message.publish && matches!(message.role, Role::Ignore) {
            self.flaw(format!("{path}.publish"), "it is ignored: say `role = \"data\"`");
        }
    }

    /// Whatever a message is refused for has a code, and whatever has one can be.
    fn codes_are_all(&mut self, codes: &Codes, (lets_in, is_data): (bool, bool), path: &str) {
        let rows = [
            ("client_id", lets_in, &codes.client_id),
            ("credentials", lets_in, &codes.credentials),
            ("banned", lets_in, &codes.banned),
            ("full", lets_in, &codes.full),
            ("denied", is_data, &codes.denied),
        ];
        for (cause, can_be, code) in rows {
            if can_be && code.is_none() && codes.other.is_none() {
                self.flaw(path, format!("no code for `{cause}`: say it, or `other`"));
                return;
            }
            if !can_be && code.is_some() {
                let what = "never sent: a message with this role is not refused for it";
                self.flaw(format!("{path}.{cause}"), what);
            }
        }
    }

    fn payload(
        &mut self,
        payload: &Payload,
        path: &str,
        message: &Message,
        (common, own, names): (&[Node], &[Node], &[Arc<Field>]),
    ) -> plan::Payload {
        let is_published = message.publish || message.role == Role::Data;
        match payload {
            Payload::Raw => plan::Payload::Raw,
            Payload::Hex => plan::Payload::Hex,
            Payload::Field(_) if !is_published => plan::Payload::Raw,
            Payload::Field(name) => match names.iter().find(|field| field.name == *name) {
                Some(field) => plan::Payload::Field(field.clone()),
                None => {
                    self.flaw(
                        path,
                        format!("the message `{}` has no field `{name}`", message.name),
                    );
                    plan::Payload::Raw
                }
            },
            Payload::Json { omit, label } => {
                let label = self.label(label.as_deref(), path, (&message.name, &[common, own]));
                let omitted = |nodes: &[Node]| {
                    let is_omitted = |node: &Node| omit.iter().any(|name| name == node_name(node));
                    nodes.iter().map(is_omitted).collect()
                };
                plan::Payload::Json {
                    label,
                    omit_common: omitted(common),
                    omit_own: omitted(own),
                }
            }
        }
    }

    fn label(&mut self, label: Option<&str>, path: &str, (message, nodes): (&str, &[&[Node]; 2])) -> Vec<u8> {
        let Some(label) = label else {
            return Vec::new();
        };
        if nodes
            .iter()
            .copied()
            .flatten()
            .any(|node| node_name(node) == label)
        {
            self.flaw(
                path,
                format!("`{label}` is a field of `{message}`, and cannot have its name too"),
            );
        }
        if label.len() > NAME_BYTES_MAX {
            self.flaw(
                path,
                format!("a name of {} bytes; {NAME_BYTES_MAX} is the limit", label.len()),
            );
        }
        let mut member = key_of(label);
        push_quoted(message.as_bytes(), &mut member);
        member
    }

    fn omitted_exist(&mut self, payload: &Payload, path: &str, nodes: &[&[Node]]) {
        let omit = match payload {
            Payload::Json { omit, .. } => omit,
            Payload::Raw | Payload::Hex | Payload::Field(_) => return,
        };
        for name in omit {
            if !nodes
                .iter()
                .copied()
                .flatten()
                .any(|node| node_name(node) == name)
            {
                self.flaw(path, format!("there is no `{name}` to leave out"));
            }
        }
    }

    /// What is left out of all messages must be in one of them.
    pub(super) fn default_payload(&mut self, common: &[Node], messages: &[plan::Message]) {
        let nodes: Vec<&[Node]> = std::iter::once(common)
            .chain(messages.iter().map(|message| message.nodes.as_slice()))
            .collect();
        self.omitted_exist(&self.description.payload.clone(), "payload", &nodes);
    }
}

/// Fields of a frame that must be known when it is decided upon.
fn echoed(replies: [&Option<plan::Reply>; 2]) -> Vec<Arc<Field>> {
    let mut fields: Vec<Arc<Field>> = Vec::new();
    for piece in replies.into_iter().flatten().flat_map(|reply| &reply.pieces) {
        let (Piece::Value(Source::Field(field), _) | Piece::Size(Source::Field(field), ..)) = piece else {
            continue;
        };
        if !fields.iter().any(|other| other.slot == field.slot) {
            fields.push(field.clone());
        }
    }
    fields
}
