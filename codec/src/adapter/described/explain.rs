//! Tells step by step how bytes are read: for `ringwire adapter decode`, and for vectors that are kept beside a description.
//!
//! It is the reading itself that tells; there is no second decoder that could see something else.

use super::Described;
use super::checksum::Verdict;
use super::description::Checksum;
use super::json::tag_name;
use super::plan::{Blocks, Condition, Field, Layout, List, Message, Node, Role};
use super::read::Frame;
use super::running::{Running, traced};
use super::walk::{Cursor, Misfit, Span, Visit};
use crate::adapter::{Adapter, Answer, Event, Kind, Link, Peer, Read, Scratch};
use std::ops::Range;

/// Steps that are told of one input, at most.
const STEPS_MAX: usize = 100_000;

/// One step of a reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The input ends within a frame.
    Incomplete {
        /// Where the frame begins in the input.
        at: usize,
        /// Bytes of it that are there.
        left: usize,
        /// Its bytes, where that is known.
        size: Option<usize>,
    },
    /// Bytes that ask for nothing, such as an empty line or an ignored message.
    Nothing {
        /// In the input.
        at: usize,
        /// Bytes.
        used: usize,
    },
    /// Bytes that are left out.
    Skipped {
        /// In the input.
        at: usize,
        /// Bytes.
        used: usize,
        /// What is wrong with them.
        why: String,
    },
    /// The connection is closed.
    Unreadable {
        /// In the input.
        at: usize,
        /// What kind of error.
        kind: Kind,
        /// What is wrong.
        why: String,
    },
    /// A frame.
    Frame {
        /// Its first byte in the input, behind a start mark.
        at: usize,
        /// Bytes of the input that it takes, with marks and delimiter.
        used: usize,
        /// Its bytes, without escapes.
        frame: Vec<u8>,
        /// Where its body is in it.
        body: Range<usize>,
        /// It had escapes.
        escaped: bool,
    },
    /// A checksum.
    Checksum {
        /// Where it is in the frame.
        at: Range<usize>,
        /// What it covers.
        over: Range<usize>,
        /// What it should be.
        computed: u64,
        /// What it is; `None` when there is none.
        found: Option<u64>,
        /// Bytes that it has, two hex digits each.
        bytes: usize,
    },
    /// A field, or the begin of a block with its layout's name.
    Field {
        /// As `infos[1].motors[0].speed`.
        path: String,
        /// Where it is in the body; `None`: the line has no such column.
        at: Option<usize>,
        /// Its bytes.
        raw: Vec<u8>,
        /// Its value as JSON.
        value: String,
    },
    /// A message that the frame is not.
    NotMatched {
        /// Its name.
        message: String,
        /// The first field that is something else.
        field: String,
    },
    /// The message that it is.
    Matched {
        /// Its name.
        message: String,
        /// What it is for.
        role: &'static str,
    },
    /// The device wants to be let in.
    Connect {
        /// Its client id.
        client_id: Vec<u8>,
        /// Its username.
        username: Option<Vec<u8>>,
        /// Its password.
        password: Option<Vec<u8>>,
        /// Seconds; 0: the listener's.
        keepalive_s: u16,
    },
    /// Data is published.
    Publish {
        /// What.
        payload: Vec<u8>,
        /// What its topic may have in braces, where it is there.
        fields: Vec<(String, String)>,
    },
    /// The device is alive.
    Heartbeat,
    /// It has a message.
    Acknowledge {
        /// The message's number.
        number: u16,
    },
    /// It goes.
    Close,
    /// What it is told, when all is well.
    Answer {
        /// As it is written.
        bytes: Vec<u8>,
    },
}

/// Who wants to know how a frame is read.
pub(super) trait Trace {
    fn step(&mut self, step: impl FnOnce() -> Step);

    fn walk(&mut self, cursor: &mut Cursor<'_>, nodes: &[Node]) -> Result<(), Misfit>;
}

/// Nobody.
impl Trace for () {
    fn step(&mut self, _step: impl FnOnce() -> Step) {}

    fn walk(&mut self, cursor: &mut Cursor<'_>, nodes: &[Node]) -> Result<(), Misfit> {
        cursor.walk(nodes, &mut ())
    }
}

impl Trace for Vec<Step> {
    fn step(&mut self, step: impl FnOnce() -> Step) {
        if self.len() < STEPS_MAX {
            self.push(step());
        }
    }

    fn walk(&mut self, cursor: &mut Cursor<'_>, nodes: &[Node]) -> Result<(), Misfit> {
        cursor.walk(
            nodes,
            &mut Recorder {
                steps: self,
                path: Vec::new(),
            },
        )
    }
}

/// Writes down each field.
struct Recorder<'a> {
    steps: &'a mut Vec<Step>,
    /// Lists and blocks that it is in, and the number of the item.
    path: Vec<(String, usize)>,
}

impl Recorder<'_> {
    fn path(&self, name: &str) -> String {
        let mut path: String = self
            .path
            .iter()
            .map(|(name, at)| format!("{name}[{at}]."))
            .collect();
        path.push_str(name);
        path.trim_end_matches('.').to_owned()
    }

    fn next(&mut self) {
        let last = self.path.last_mut().expect("within a list");
        last.1 = last.1.wrapping_add(1);
    }

    fn enter(&mut self, name: &str) {
        // Before the first item, which makes it 0.
        self.path.push((name.to_owned(), usize::MAX));
    }
}

impl Visit for Recorder<'_> {
    fn field(&mut self, field: &Field, span: Span, body: &[u8]) -> Result<(), Misfit> {
        let path = self.path(&field.name);
        let raw = span.of(body).unwrap_or_default().to_vec();
        let mut value = Vec::new();
        match span.of(body) {
            Some(raw) => field.push_json(raw, &mut value),
            None => value.extend_from_slice(b"null"),
        }
        let value = String::from_utf8_lossy(&value).into_owned();
        let at = span.range().map(|range| range.start);
        self.steps.step(|| Step::Field { path, at, raw, value });
        Ok(())
    }

    fn list(&mut self, list: &List) {
        self.enter(&list.name);
    }

    fn item(&mut self, _list: &List) {
        self.next();
    }

    fn blocks(&mut self, blocks: &Blocks) {
        self.enter(&blocks.name);
    }

    fn block(&mut self, _blocks: &Blocks, layout: &Layout, at: usize) -> Result<(), Misfit> {
        self.next();
        let path = self.path("");
        let value = String::from_utf8_lossy(&layout.quoted).into_owned();
        self.steps.step(|| Step::Field {
            path,
            at: Some(at),
            raw: Vec::new(),
            value,
        });
        Ok(())
    }

    fn unknown(&mut self, _blocks: &Blocks, tag: u64, data: &[u8], at: usize) -> Result<(), Misfit> {
        self.next();
        let path = self.path(&tag_name(tag));
        let mut value = vec![b'"'];
        super::value::push_digits(data, false, &mut value);
        value.push(b'"');
        let value = String::from_utf8_lossy(&value).into_owned();
        self.steps.step(|| Step::Field {
            path,
            at: Some(at),
            raw: data.to_vec(),
            value,
        });
        Ok(())
    }

    fn end(&mut self) {
        self.path.pop();
    }
}

impl Step {
    pub(super) fn frame(frame: &Frame<'_, '_>) -> Self {
        let framing = frame.plan.frames.way(frame.way);
        let end = frame.frame.len().saturating_sub(framing.strip_end);
        Self::Frame {
            at: frame.offset,
            used: frame.used,
            frame: frame.frame.to_vec(),
            body: framing.strip.min(end)..end,
            escaped: frame.source.is_none(),
        }
    }

    pub(super) fn checksum(checksum: &Checksum, verdict: &Verdict) -> Self {
        let bytes = checksum.bytes();
        match verdict {
            Verdict::Compared {
                computed,
                found,
                at,
                over,
            } => Self::Checksum {
                at: at.clone(),
                over: over.clone(),
                computed: *computed,
                found: Some(*found),
                bytes,
            },
            Verdict::NoDigits { at } => Self::Checksum {
                at: at.clone(),
                over: 0..0,
                computed: 0,
                found: None,
                bytes,
            },
            Verdict::Absent => Self::Checksum {
                at: 0..0,
                over: 0..0,
                computed: 0,
                found: None,
                bytes,
            },
        }
    }

    pub(super) fn not_matched(message: &Message, condition: &Condition) -> Self {
        Self::NotMatched {
            message: message.name.clone(),
            field: condition.field.name.clone(),
        }
    }

    pub(super) fn matched(message: &Message) -> Self {
        let role = match message.role {
            Role::Login(_) => "login",
            Role::Heartbeat => "heartbeat",
            Role::Data => "data",
            Role::Acknowledge(_) => "acknowledge",
            Role::Close => "close",
            Role::Ignore => "ignore",
        };
        Self::Matched {
            message: message.name.clone(),
            role,
        }
    }
}

impl Described {
    /// Reads what a device could send on a new connection, lets it in and takes all it says, and tells how.
    pub fn explain(&self, peer: Peer<'_>, bytes: &[u8]) -> Vec<Step> {
        let names = &self.plan.topic_fields;
        let mut running = Running::new(self.plan.clone(), names);
        let link = running.open(peer);
        let mut steps = Vec::new();
        let mut at = 0;
        while at < bytes.len() && steps.len() < STEPS_MAX {
            match one(&mut running, link, (&bytes[at..], at, names), &mut steps) {
                Some(used) => at += used,
                None => break,
            }
        }
        steps
    }
}

/// Reads once; `None` when nothing more can be read.
fn one(
    running: &mut Running,
    link: Link,
    (input, at, names): (&[u8], usize, &[String]),
    steps: &mut Vec<Step>,
) -> Option<usize> {
    let mut scratch = Scratch::default();
    let first = steps.len();
    let read = traced(running, link, (input, &mut scratch), steps);
    for step in &mut steps[first..] {
        if let Step::Frame { at: frame, .. } = step {
            *frame += at;
        }
    }
    let (answer, used) = match read {
        Err(why) => {
            steps.step(|| Step::Unreadable {
                at: at + why.offset,
                kind: why.kind,
                why: why.what.into_owned(),
            });
            return None;
        }
        Ok(Read::Incomplete) => {
            let size = running.frame_size(link, input);
            steps.step(|| Step::Incomplete {
                at,
                left: input.len(),
                size,
            });
            return None;
        }
        Ok(Read::Nothing { used }) => {
            steps.step(|| Step::Nothing { at, used });
            return Some(used);
        }
        Ok(Read::Skipped { used, why }) => {
            steps.step(|| Step::Skipped {
                at,
                used,
                why: why.to_string(),
            });
            return Some(used);
        }
        Ok(Read::Event { event, used }) => {
            let (step, answer) = told(event, names);
            steps.step(|| step);
            (answer, used)
        }
    };
    let Some(answer) = answer else {
        return Some(used);
    };
    let mut out = Vec::new();
    running.answer(link, answer, &mut out);
    if !out.is_empty() {
        steps.step(|| Step::Answer { bytes: out });
    }
    (answer != Answer::Goodbye).then_some(used)
}

/// An event, and what is answered when all is well.
fn told(event: Event<'_>, names: &[String]) -> (Step, Option<Answer>) {
    match event {
        Event::Identify { .. } => unreachable!("a description has no registration of its own"),
        Event::Connect(connect) => {
            let step = Step::Connect {
                client_id: connect.client_id.to_vec(),
                username: connect.username.map(<[u8]>::to_vec),
                password: connect.password.map(<[u8]>::to_vec),
                keepalive_s: connect.keepalive_s,
            };
            (step, Some(Answer::Accepted))
        }
        Event::Publish(publish) => {
            let fields = names.iter().cloned().zip(publish.values.iter().cloned());
            let fields = fields.filter(|(_, value)| !value.is_empty()).collect();
            (
                Step::Publish {
                    payload: publish.payload.to_vec(),
                    fields,
                },
                Some(Answer::Taken),
            )
        }
        Event::Heartbeat => (Step::Heartbeat, Some(Answer::Alive)),
        Event::Acknowledge { number } => (Step::Acknowledge { number }, None),
        Event::Close => (Step::Close, Some(Answer::Goodbye)),
    }
}
