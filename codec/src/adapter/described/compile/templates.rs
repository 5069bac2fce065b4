//! Flaws of templates: values that are not there, frames without room for what is put into them.

use super::Compiler;
use crate::adapter::described::description::{DownPayload, Place, Reply};
use crate::adapter::described::format::Format;
use crate::adapter::described::framing::{Frames, Unframed};
use crate::adapter::described::plan::{self, Field, Piece, Source};
use crate::adapter::described::render::{Unwritable, push_form};
use crate::adapter::described::template::{self, Form, Template};
use std::sync::Arc;

/// For what a template is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A client id, a username, a password.
    Identity,
    /// An answer.
    Answer,
    /// What a device is told that is not let in, or whose data is refused.
    Refusal,
    /// What is sent down.
    Command,
}

impl Compiler<'_> {
    /// A template whose fields are among `names`.
    pub(super) fn template(
        &mut self,
        template: &Template,
        path: &str,
        names: &[Arc<Field>],
        used: Use,
    ) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(template.pieces.len());
        for piece in &template.pieces {
            let compiled = match piece {
                template::Piece::Literal(bytes) => Some(Piece::Literal(bytes.clone())),
                template::Piece::Value { source, form } => {
                    self.number_fits(source, *form, path);
                    self.source(source, path, names, used)
                        .map(|source| Piece::Value(source, *form))
                }
                template::Piece::Size {
                    source,
                    form,
                    number,
                    more,
                } => {
                    if !number.is_count() {
                        self.flaw(
                            path,
                            format!("a size is an integer without sign, and this is {number}"),
                        );
                    }
                    let source = self.source(source, path, names, used);
                    source.map(|source| Piece::Size(source, *form, *number, *more))
                }
            };
            pieces.extend(compiled);
        }
        pieces
    }

    fn source(
        &mut self,
        source: &template::Source,
        path: &str,
        names: &[Arc<Field>],
        used: Use,
    ) -> Option<Source> {
        let payload = self.description.down.as_ref().map(|down| down.payload);
        let is_object = payload == Some(DownPayload::Json);
        let (source, flaw) = match source {
            template::Source::Field(name) => {
                let field = names.iter().find(|field| field.name == *name);
                let flaw = match used {
                    Use::Command => {
                        format!("there is no frame whose `{name}` could be meant: a member is `.{name}`")
                    }
                    Use::Identity | Use::Answer | Use::Refusal => {
                        format!("the message has no field `{name}`")
                    }
                };
                (field.map(|field| Source::Field(field.clone())), flaw)
            }
            template::Source::Member(name) => (
                (used == Use::Command && is_object).then(|| Source::Member(name.clone())),
                "members are only in commands, when `down.payload` is json".to_owned(),
            ),
            template::Source::Payload => (
                (used == Use::Command && !is_object).then_some(Source::Payload),
                "`$payload` is only in commands, when `down.payload` is raw or hex".to_owned(),
            ),
            template::Source::Sequence => (
                (used != Use::Identity && payload.is_some()).then_some(Source::Sequence),
                "`$sequence` is only in answers and commands; [down] says how wide it is".to_owned(),
            ),
            template::Source::Client => (
                (used != Use::Identity).then_some(Source::Client),
                "`$client` is what is said here".to_owned(),
            ),
            template::Source::Refusal => (
                (used == Use::Refusal).then_some(Source::Refusal),
                "`$refusal` is only in refusals".to_owned(),
            ),
            template::Source::Code => (
                (used == Use::Refusal).then_some(Source::Code),
                "`$code` is only in refusals".to_owned(),
            ),
        };
        if source.is_none() {
            self.flaw(path, flaw);
        }
        source
    }

    /// A number of the connection must not run out of what it is written in.
    fn number_fits(&mut self, source: &template::Source, form: Form, path: &str) {
        let width = self
            .description
            .down
            .as_ref()
            .map_or(0, |down| down.sequence_width);
        if let (template::Source::Sequence, Form::As { format, .. }) = (source, form)
            && let Format::Integer {
                width: room, signed, ..
            } = format
            && (usize::from(room) < width || signed)
        {
            let what = format!("{format} does not hold a sequence of {width} bytes without sign");
            self.flaw(path, what);
        }
    }

    pub(super) fn command(&mut self, send: &Reply, path: &str) -> plan::Reply {
        self.reply(send, path, &[], Use::Command)
    }

    pub(super) fn reply(
        &mut self,
        reply: &Reply,
        path: &str,
        names: &[Arc<Field>],
        used: Use,
    ) -> plan::Reply {
        let pieces = self.template(&reply.template, path, names, used);
        let is_sequence = |piece: &Piece| matches!(piece, Piece::Value(Source::Sequence, _));
        if !reply.raw {
            self.has_room(&pieces, path, used);
        }
        self.codes(reply, &pieces, path, used);
        plan::Reply {
            numbered: pieces.iter().any(is_sequence),
            pieces,
            raw: reply.raw,
            codes: reply.codes.clone().unwrap_or_default(),
        }
    }

    /// Codes are there when they are used, and can be written.
    fn codes(&mut self, reply: &Reply, pieces: &[Piece], path: &str, used: Use) {
        let is_code = |piece: &&Piece| matches!(piece, Piece::Value(Source::Code, _));
        let forms = pieces.iter().filter(is_code).filter_map(|piece| match piece {
            Piece::Value(_, form) => Some(*form),
            Piece::Literal(_) | Piece::Size(..) => None,
        });
        let forms: Vec<_> = forms.collect();
        let Some(codes) = &reply.codes else {
            if !forms.is_empty() {
                let what = "no `codes` say what `$code` is: codes = { credentials = 2, other = 1 }";
                self.flaw(path, what);
            }
            return;
        };
        let path = format!("{path}.codes");
        if used != Use::Refusal {
            self.flaw(path, "only refusals have codes");
            return;
        }
        if forms.is_empty() {
            self.flaw(
                path,
                "never sent: put `{$code}` into the template, such as `{$code:u8}`",
            );
            return;
        }
        let rows = [
            ("client_id", &codes.client_id),
            ("credentials", &codes.credentials),
            ("banned", &codes.banned),
            ("full", &codes.full),
            ("denied", &codes.denied),
            ("other", &codes.other),
        ];
        for (cause, code) in rows {
            let fits = |code: &String| {
                let mut written = forms
                    .iter()
                    .map(|form| push_form(code.as_bytes(), *form, &mut Vec::new()));
                written.find_map(Result::err)
            };
            if let Some(Unwritable(why)) = code.as_ref().and_then(fits) {
                self.flaw(format!("{path}.{cause}"), why);
            }
        }
    }

    /// The shortest frame that can come of it takes its length and its checksum.
    fn has_room(&mut self, pieces: &[Piece], path: &str, used: Use) {
        // What is wrong with framing and checksum themselves has been said.
        if !self.flaws.is_empty() {
            return;
        }
        let least = pieces.iter().map(least).sum();
        let checksum = self.description.checksum.as_ref();
        // What is sent down is framed in the first way, an answer as what is answered.
        let frames = Frames::new(&self.description.frame);
        let ways = if used == Use::Command { 1 } else { usize::MAX };
        for frame in frames.ways().iter().take(ways) {
            if least > frame.max {
                self.flaw(path, format!("{least} bytes, and a frame may have {}", frame.max));
                return;
            }
            let mut content = vec![b'.'; least];
            match frame.wrap(checksum, &mut content, &mut Vec::new()) {
                Ok(()) | Err(Unframed::HoldsEnd) => {}
                Err(error) => {
                    self.flaw(path, format!("{error}: the shortest one that can come of this"));
                    return;
                }
            }
        }
    }
}

/// Bytes that a piece has at least.
fn least(piece: &Piece) -> usize {
    match piece {
        Piece::Literal(bytes) => bytes.len(),
        Piece::Size(_, _, number, _) => number.width().unwrap_or_default(),
        Piece::Value(_, Form::As { format, width }) => format.width().or(*width).unwrap_or_default(),
        Piece::Value(Source::Field(field), Form::Bytes) => match field.width {
            plan::Width::Bytes(bytes) if !matches!(field.place, Place::Column(_)) => bytes,
            plan::Width::Bytes(_)
            | plan::Width::Field(_)
            | plan::Width::Until(_)
            | plan::Width::Rest
            | plan::Width::RestBut(_) => 0,
        },
        Piece::Value(_, Form::Bytes | Form::Text) => 0,
    }
}
