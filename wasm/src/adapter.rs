//! One shard's side of a module: connections by link, one instance for all of them.
//!
//! The instance holds the state of one connection at a time, the loaded one; another's is put in its place when its turn
//! comes. A failed call ends its connection and the instance with it; the next call gets a fresh one, and no other
//! connection can tell.

use crate::host::Fields;
use crate::instance::{Failure, INPUT_BYTES_MIN, Instance, Parcel};
use crate::module::Compiled;
use crate::queue::{self, Queue, Report, bytes, kind_number};
use crate::slot::Slots;
use ringwire_codec::adapter::{
    Adapter, Answer, Cause, Connect, Down, Event, Kind, Link, Peer, Publish, Read, Scratch, Tail,
    Undeliverable, Unreadable,
};
use std::sync::Arc;

/// Bytes that a connection keeps for a state larger than the one it has.
const SPARE_BYTES_MAX: usize = 512;

/// See the module.
pub(crate) struct ModuleAdapter {
    compiled: Arc<Compiled>,
    fields: Fields,
    window: u16,
    /// None before the first call, and after one that failed.
    instance: Option<Instance>,
    /// The connection whose state is in the instance.
    loaded: Option<u32>,
    slots: Slots,
}

impl std::fmt::Debug for ModuleAdapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ModuleAdapter");
        shown
            .field("name", &self.compiled.name)
            .field("connections", &self.slots.len());
        shown.finish_non_exhaustive()
    }
}

/// What a reading came to, before the events are looked at.
enum Reading {
    Events,
    Incomplete,
    Nothing(usize),
}

/// Why a reading came to nothing.
enum Stop {
    /// The module's fault.
    Failed(Failure),
    /// The device's.
    Unreadable(Unreadable),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl ModuleAdapter {
    pub(crate) fn new(compiled: Arc<Compiled>, fields: Fields, window: u16) -> Self {
        Self {
            compiled,
            fields,
            window,
            instance: None,
            loaded: None,
            slots: Slots::default(),
        }
    }

    /// The instance, with this connection's state in it.
    fn load(&mut self, link: u32) -> Result<&mut Instance, Failure> {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            none => none.insert(Instance::new(&self.compiled, self.fields.clone())?),
        };
        if self.loaded == Some(link) {
            return Ok(instance);
        }
        if let Some(before) = self.loaded.take() {
            unload(instance, before, &mut self.slots);
        }
        let slot = self.slots.of(link);
        instance.load(&slot.state);
        if let Some(queue) = slot.queue.take() {
            instance.host().queue = *queue;
        }
        self.loaded = Some(link);
        Ok(instance)
    }

    /// The module failed for this connection, and is begun anew for the others.
    #[cold]
    fn fail(&mut self, link: u32, failure: Failure) -> Failure {
        // Whose state is in the instance is the one that failed, unless its own could not be loaded: then there is none.
        assert!(
            self.loaded.is_none_or(|loaded| loaded == link),
            "a call is of the loaded connection"
        );
        self.instance = None;
        self.loaded = None;
        let slot = self.slots.of(link);
        slot.state = Vec::new();
        slot.queue = None;
        slot.failure = Some(Box::new(failure.clone()));
        failure
    }

    /// The events that wait for a connection.
    fn queue(&mut self, link: u32) -> Option<&mut Queue> {
        if self.loaded == Some(link) {
            return self.instance.as_mut().map(|instance| &mut instance.host().queue);
        }
        self.slots.of(link).queue.as_deref_mut()
    }

    /// Has the module read, with as much of the input as it takes for a frame.
    fn ask(&mut self, link: u32, input: &[u8]) -> Result<Reading, Stop> {
        let slot = self.slots.look(link);
        let (mut needs, frame) = (slot.needs as usize, slot.frame as usize);
        if input.len() < needs.max(1) {
            return Ok(Reading::Incomplete);
        }
        let limit = self.compiled.settings.frame_bytes_max;
        let mut shown_before = 0;
        let instance = self.load(link)?;
        let mut offer = INPUT_BYTES_MIN
            .max(frame * 2)
            .min(instance.room_hoped())
            .max(needs)
            .min(input.len())
            .min(limit);
        loop {
            instance.host().queue.clear();
            let Some(says) = instance.read(&input[..offer])? else {
                // A smaller buffer may hold a frame too.
                let room = instance.room_below(offer)?;
                let least = needs.max(shown_before + 1);
                if room < least {
                    return Err(Stop::Unreadable(too_large(least, room)));
                }
                offer = room;
                continue;
            };
            let has_events = !instance.host().queue.is_empty();
            if says > 0 || has_events {
                let used = used(says, offer)?;
                return self.settle(link, used, has_events);
            }
            needs = (says.unsigned_abs() as usize).max(offer + 1);
            if needs > limit {
                return Err(Stop::Unreadable(too_large(needs, limit)));
            }
            if needs > input.len() {
                let slot = self.slots.of(link);
                // Only what the module said itself is worth to wait for.
                slot.needs = if says < 0 {
                    u32::try_from(needs).unwrap_or(u32::MAX)
                } else {
                    0
                };
                return Ok(Reading::Incomplete);
            }
            shown_before = offer;
            let generous = (offer * 2).min(instance.room_hoped());
            offer = needs.max(generous).min(input.len()).min(limit);
        }
    }

    /// Takes down what a reading used.
    fn settle(&mut self, link: u32, used: usize, has_events: bool) -> Result<Reading, Stop> {
        let slot = self.slots.of(link);
        slot.needs = 0;
        slot.frame = u32::try_from(used).unwrap_or(u32::MAX);
        if !has_events {
            return Ok(Reading::Nothing(used));
        }
        let queue = self.queue(link).expect("the loaded connection's");
        let last = queue.pending.back_mut().expect("there are events");
        if used == 0 && matches!(last.report, Report::Skipped(_)) {
            return Err(Stop::Failed(
                "skip, and ringwire_read says that no byte is used".to_owned(),
            ));
        }
        last.used = used;
        Ok(Reading::Events)
    }

    /// The first event that waits, as the engine sees it.
    fn tell<'a>(
        &mut self,
        link: u32,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        let queue = self.queue(link).expect("there are events");
        let first = queue.pending.front().expect("there are events");
        first.report.lay_out(&queue.bytes, scratch);
        let used = first.used;
        let scratch: &'a Scratch = scratch;
        let kept = &scratch.bytes;
        let event = match &first.report {
            Report::Publish { payload, .. } => Event::Publish(Publish {
                payload: match payload {
                    queue::Span::Input(range) => &input[range.clone()],
                    queue::Span::Kept(_) => kept,
                },
                values: &scratch.values,
            }),
            Report::Heartbeat => Event::Heartbeat,
            Report::Identify { client_id } => Event::Identify {
                client_id: bytes(client_id, input, kept),
            },
            Report::Connect(credentials) => Event::Connect(Connect {
                client_id: bytes(&credentials.client_id, input, kept),
                username: credentials.username.as_ref().map(|span| bytes(span, input, kept)),
                password: credentials.password.as_ref().map(|span| bytes(span, input, kept)),
                keepalive_s: credentials.keepalive_s,
            }),
            Report::Close => Event::Close,
            Report::Acknowledge { number } => {
                let event = Event::Acknowledge { number: *number };
                queue.pop();
                return Ok(Read::Event { event, used });
            }
            Report::Skipped(why) => {
                let why = why.clone();
                queue.pop();
                return Ok(Read::Skipped { used, why });
            }
            Report::Unreadable(why) => {
                let why = why.clone();
                queue.pop();
                if why.kind == Kind::Failed {
                    // The module gave this connection up.
                    self.slots.of(link).failure = Some(Box::new(why.what.to_string()));
                }
                return Err(why);
            }
        };
        queue.asked = true;
        Ok(Read::Event { event, used })
    }

    /// The tag of the event that is answered; `None` when the module need not know.
    fn tag(&mut self, link: u32, answer: Answer) -> Option<u32> {
        if let Answer::Unreadable(kind) = answer {
            return (kind != Kind::Failed).then_some(0);
        }
        let queue = self.queue(link).filter(|queue| queue.asked)?;
        let answered = queue.pop().expect("it was asked for the first");
        Some(answered.tag).filter(|tag| *tag != 0)
    }
}

impl Adapter for ModuleAdapter {
    fn open(&mut self, peer: Peer<'_>) -> Link {
        let link = self.slots.open();
        let is_silent = |instance: &Instance| !instance.has_open();
        if self.instance.as_ref().is_some_and(is_silent) {
            // Nothing to tell: whose state is loaded keeps its place until the first frame of this one.
            return Link(link);
        }
        let opened = self.load(link).and_then(|instance| {
            if !instance.has_open() {
                return Ok(());
            }
            let address = peer.address.to_string();
            instance.open(&address, peer.certificate.unwrap_or_default())
        });
        if let Err(failure) = opened {
            self.fail(link, failure);
        }
        Link(link)
    }

    fn close(&mut self, link: Link) {
        if self.loaded == Some(link.0) {
            self.loaded = None;
            let instance = self.instance.as_mut().expect("what is loaded is in an instance");
            instance.host().queue.clear();
            // So that the next one's place is cleared as far as it was used.
            instance.state();
        }
        self.slots.close(link.0);
    }

    fn read<'a>(
        &mut self,
        Link(link): Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        if let Some(failure) = &self.slots.look(link).failure {
            return Err(failed(failure));
        }
        if self.queue(link).is_none_or(|queue| queue.is_empty()) {
            match self.ask(link, input) {
                Ok(Reading::Events) => {}
                Ok(Reading::Incomplete) => return Ok(Read::Incomplete),
                Ok(Reading::Nothing(used)) => return Ok(Read::Nothing { used }),
                Err(Stop::Unreadable(why)) => return Err(why),
                Err(Stop::Failed(failure)) => return Err(failed(&self.fail(link, failure))),
            }
        }
        self.tell(link, input, scratch)
    }

    fn frame_size(&self, link: Link, _front: &[u8]) -> Option<usize> {
        let needs = self.slots.look(link.0).needs;
        (needs > 0).then_some(needs as usize)
    }

    fn answer(&mut self, Link(link): Link, answer: Answer, out: &mut Vec<u8>) {
        if self.slots.look(link).failure.is_some() {
            return;
        }
        let Some(tag) = self.tag(link, answer) else {
            return;
        };
        let (numbers, refusal) = numbers(answer);
        let answered = self.load(link).and_then(|instance| {
            if instance.has_answer() {
                instance.host().refusal = refusal;
                instance.answer(numbers, tag, out)
            } else {
                Ok(())
            }
        });
        if let Err(failure) = answered {
            // The engine reads on after an answer, and is told then.
            self.fail(link, failure);
        }
    }

    fn deliver(
        &mut self,
        Link(link): Link,
        down: &Down<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Tail, Undeliverable> {
        if let Some(failure) = &self.slots.look(link).failure {
            return Err(Undeliverable::Failed((**failure).clone().into()));
        }
        let delivered = self.load(link).and_then(|instance| {
            if instance.has_deliver() {
                send(instance, down, out)
            } else {
                let what = "the module takes no messages: it has no ringwire_deliver";
                Ok(Err(Undeliverable::Invalid(what.into())))
            }
        });
        delivered.unwrap_or_else(|failure| Err(Undeliverable::Failed(self.fail(link, failure).into())))
    }

    fn window(&self) -> u16 {
        self.window
    }
}

/// Writes a message, as far as the module does not fail.
fn send(
    instance: &mut Instance,
    down: &Down<'_>,
    out: &mut Vec<u8>,
) -> Result<Result<Tail, Undeliverable>, Failure> {
    let before = out.len();
    let parcel = Parcel {
        topic: down.topic.as_bytes(),
        payload: down.payload,
        number: down.number,
        again: down.again,
    };
    let Some(tail) = instance.deliver(parcel, out)? else {
        let size = down.payload.len();
        let room = instance.room_below(down.topic.len() + size)?;
        let limit = room.saturating_sub(down.topic.len());
        return Ok(Err(Undeliverable::TooLarge { size, limit }));
    };
    if let Some(why) = instance.host().undeliverable.take() {
        out.truncate(before);
        return Ok(Err(why));
    }
    Ok(Ok(tail))
}

/// Keeps what the instance has of a connection.
fn unload(instance: &mut Instance, link: u32, slots: &mut Slots) {
    let slot = slots.of(link);
    let state = instance.state();
    slot.state.clear();
    // What a large frame once took must not stay for as long as the connection.
    if slot.state.capacity() > 2 * state.len() + SPARE_BYTES_MAX {
        slot.state.shrink_to(state.len());
    }
    slot.state.extend_from_slice(state);
    let queue = &mut instance.host().queue;
    if !queue.is_empty() {
        slot.queue = Some(Box::new(std::mem::take(queue)));
    }
}

fn used(says: i32, offer: usize) -> Result<usize, Failure> {
    let used = usize::try_from(says).ok().filter(|used| *used <= offer);
    used.ok_or_else(|| format!("ringwire_read says {says} and reports events; it was shown {offer} bytes"))
}

fn too_large(size: usize, limit: usize) -> Unreadable {
    let what = format!("a frame of {size} bytes or more, and {limit} are taken");
    Unreadable::new(Kind::TooLarge, what, 0)
}

fn failed(failure: &Failure) -> Unreadable {
    Unreadable::new(Kind::Failed, format!("the module failed: {failure}"), 0)
}

/// An answer as modules number it, and the text that they may ask for.
fn numbers(answer: Answer) -> ((i32, i32), &'static str) {
    match answer {
        Answer::Identified => ((1, 0), ""),
        Answer::Accepted => ((2, 0), ""),
        Answer::Refused(refusal) => {
            let cause = match refusal.cause {
                Cause::ClientId => 1,
                Cause::Credentials => 2,
                Cause::Banned => 3,
                Cause::Full => 4,
            };
            ((3, cause), refusal.text)
        }
        Answer::Taken => ((4, 0), ""),
        Answer::Denied => ((5, 0), ""),
        Answer::Alive => ((6, 0), ""),
        Answer::Goodbye => ((7, 0), ""),
        Answer::Unreadable(kind) => ((8, kind_number(kind)), ""),
    }
}
