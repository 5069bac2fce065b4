//! What must hold of adapters by description, for any description and any bytes whatever.
//!
//! One piece of code for both users: the fuzz target `described`, and `codec/tests/`, where the corpus is replayed and
//! proptest makes more. The first two bytes say how many bytes make the description; the others are what a device sends.

pub mod random;

use random::Choices;
use ringwire_codec::adapter::described::description::{Framing, PAYLOAD_BYTES_MAX, Payload};
use ringwire_codec::adapter::described::{Described, Description, Step};
use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Cause, Down, Event, Link, Peer, Read, Refusal, Scratch,
};

/// Events in a row that take no byte: a login is let in, then published; data may be published, and closes then.
const STANDING_MAX: usize = 3;

/// What became of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Every event, every frame that was left out, and why it ended, as text.
    pub events: Vec<String>,
    /// What was answered.
    pub told: Vec<u8>,
}

/// Makes a description, and reads what is left with it.
pub fn check(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_at_checked(2) else {
        return;
    };
    let size = usize::from(u16::from_le_bytes([head[0], head[1]])) % 300;
    let (plan, stream) = rest.split_at(size.min(rest.len()));
    let mut choices = Choices::new(plan);
    let description = choices.description();
    match description.compile() {
        Ok(described) => {
            check_stream(&description, &described, stream, choices.byte());
            check_sent(&description, &described, stream);
        }
        Err(flaws) => {
            assert!(!flaws.is_empty());
            assert!(
                flaws
                    .iter()
                    .all(|flaw| !flaw.path.is_empty() && !flaw.what.is_empty())
            );
        }
    }
}

/// However a stream is split, it says the same.
fn check_stream(description: &Description, described: &Described, stream: &[u8], seed: u8) {
    let whole = hear(description, described, &[stream], seed);
    let cut = usize::from(seed) % (stream.len() + 1);
    let halves = hear(description, described, &[&stream[..cut], &stream[cut..]], seed);
    assert_eq!(whole, halves, "in two parts");
    if stream.len() <= 400 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(whole, hear(description, described, &bytes, seed), "byte by byte");
    }
    let steps = described.explain(peer(), stream);
    for step in &steps {
        if let Step::Publish { payload, .. } = step {
            check_payload(description, payload);
        }
    }
}

fn peer() -> Peer<'static> {
    Peer {
        address: "192.0.2.1:9".parse().expect("an address"),
        certificate: Some("c1"),
    }
}

/// A connection that gets these parts one after another.
fn hear(description: &Description, described: &Described, parts: &[&[u8]], seed: u8) -> Heard {
    let wanted = described.fields();
    let mut adapter = described.adapter(&wanted);
    let link = adapter.open(peer());
    let mut heard = Heard::default();
    let mut input = Vec::new();
    for part in parts {
        input.extend_from_slice(part);
        let used = drain(
            description,
            (adapter.as_mut(), link),
            (&input, wanted.len()),
            seed,
            &mut heard,
        );
        let Some(used) = used else {
            break;
        };
        input.drain(..used);
    }
    adapter.close(link);
    heard
}

/// Reads all that can be read; `None` when the connection is over.
fn drain(
    description: &Description,
    (adapter, link): (&mut dyn Adapter, Link),
    (input, wanted): (&[u8], usize),
    seed: u8,
    heard: &mut Heard,
) -> Option<usize> {
    let (mut at, mut standing) = (0, 0);
    loop {
        let input = &input[at..];
        let mut scratch = Scratch::default();
        let read = adapter.read(link, input, &mut scratch);
        let shown = format!("{read:?}");
        let (used, answer) = match read {
            Ok(Read::Incomplete) => return Some(at),
            Ok(Read::Nothing { used } | Read::Skipped { used, .. }) => {
                assert!(used > 0, "no progress: {shown}");
                (used, None)
            }
            Ok(Read::Event { event, used }) => {
                if let Event::Publish(publish) = &event {
                    assert_eq!(publish.values.len(), wanted);
                    check_payload(description, publish.payload);
                }
                (
                    used,
                    Some((
                        answer_to(&event, seed),
                        !matches!(event, Event::Acknowledge { .. }),
                    )),
                )
            }
            Err(why) => {
                assert!(!why.to_string().is_empty());
                adapter.answer(link, Answer::Unreadable(why.kind), &mut heard.told);
                heard.events.push(shape(&shown));
                return None;
            }
        };
        if !shown.starts_with("Ok(Nothing") {
            heard.events.push(shape(&shown));
        }
        assert!(used <= input.len(), "more used than there is: {shown}");
        standing = if used == 0 { standing + 1 } else { 0 };
        assert!(standing <= STANDING_MAX, "no progress: {:?}", heard.events);
        if let Some((answer, is_repeatable)) = answer {
            if is_repeatable {
                let mut scratch = Scratch::default();
                let again = format!("{:?}", adapter.read(link, input, &mut scratch));
                assert_eq!(shown, again, "a second reading of the same bytes");
            }
            if let Some(answer) = answer {
                adapter.answer(link, answer, &mut heard.told);
                if matches!(answer, Answer::Goodbye | Answer::Refused(_)) {
                    return None;
                }
            }
        }
        at += used;
    }
}

/// An error that is reported without a whole frame counts what has come so far.
fn shape(shown: &str) -> String {
    if shown.starts_with("Err") {
        let kind = shown.split(',').next().unwrap_or_default();
        return kind.to_owned();
    }
    shown.to_owned()
}

fn answer_to(event: &Event<'_>, seed: u8) -> Option<Answer> {
    let refusal = Refusal {
        cause: Cause::Banned,
        text: "banned",
    };
    match event {
        Event::Identify { .. } => Some(Answer::Identified),
        Event::Connect(_) if seed == 255 => Some(Answer::Refused(refusal)),
        Event::Connect(_) => Some(Answer::Accepted),
        Event::Publish(publish) if publish.payload.len() % 3 == 2 => Some(Answer::Denied),
        Event::Publish(_) => Some(Answer::Taken),
        Event::Heartbeat => Some(Answer::Alive),
        Event::Acknowledge { .. } => None,
        Event::Close => Some(Answer::Goodbye),
    }
}

fn check_payload(description: &Description, payload: &[u8]) {
    assert!(payload.len() <= 2 * PAYLOAD_BYTES_MAX);
    let is_json = |payload: &Payload| matches!(payload, Payload::Json { .. });
    let all = description
        .messages
        .iter()
        .all(|message| message.payload.as_ref().is_none_or(is_json));
    if all && is_json(&description.payload) {
        let object: Result<serde_json::Value, _> = serde_json::from_slice(payload);
        assert!(
            object.is_ok_and(|object| object.is_object()),
            "{}",
            String::from_utf8_lossy(payload)
        );
    }
}

/// What is sent down is a frame, of which a reading of the same description finds the end.
fn check_sent(description: &Description, described: &Described, payload: &[u8]) {
    let mut adapter = described.adapter(&[]);
    let link = adapter.open(peer());
    let object = serde_json::json!({ "x": String::from_utf8_lossy(payload) }).to_string();
    for (number, payload) in [
        (1, payload),
        (2, object.as_bytes()),
        (2, object.as_bytes()),
        (0, b"616263"),
    ] {
        let mut out = b"before".to_vec();
        let down = Down {
            topic: "t",
            payload,
            number,
            again: false,
        };
        match adapter.deliver(link, &down, &mut out) {
            Ok(_) => check_frame(description, described, &out[6..]),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                assert_eq!(out, b"before", "an error appends nothing");
            }
        }
    }
}

fn check_frame(description: &Description, described: &Described, sent: &[u8]) {
    let is_raw = description
        .down
        .iter()
        .any(|down| down.commands.iter().any(|command| command.send.raw));
    let (is_fixed, is_renamed) = match &description.frame.framing {
        Framing::Fixed { .. } => (true, false),
        // What we write may end in another way, and a carriage return before it would be lost.
        Framing::Delimiter { ending, strip_cr, .. } => (false, ending.is_some() || *strip_cr),
        Framing::Length { .. } | Framing::Marks { .. } => (false, false),
    };
    if is_raw || is_fixed || is_renamed {
        return;
    }
    assert!(sent.len() <= description.frame.max);
    let steps = described.explain(peer(), sent);
    let Some(Step::Frame { at, used, .. }) = steps.first() else {
        panic!("no frame in {sent:02x?}: {steps:?}");
    };
    assert!(*at < sent.len() && *used == sent.len(), "{sent:02x?}: {steps:?}");
    if let Some(Step::Checksum { computed, found, .. }) = steps.get(1) {
        assert_eq!(Some(*computed), *found, "{sent:02x?}");
    }
}
