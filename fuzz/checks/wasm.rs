//! What must hold of an adapter in WebAssembly for any bytes of devices, and for any module.
//!
//! One piece of code for both users: the fuzz target beside this file, and `wasm/tests/corpus.rs`, which replays its corpus
//! in the ordinary tests. The first byte chooses the module: a puppet that does what its input says, or a sample.

use ringwire_codec::adapter::{
    Adapter, Answer, Blueprint, Cause, Down, Event, Kind, Link, Peer, Read, Refusal, Scratch, Undeliverable,
};
use ringwire_wasm::{Module, Settings};
use std::sync::OnceLock;

/// Small, so that they are met.
const SETTINGS: Settings = Settings {
    memory_bytes_max: 1 << 20,
    deadline_ms: 200,
    frame_bytes_max: 2_048,
    state_bytes_max: 256,
    events_max: 8,
    event_bytes_max: 10_000,
    output_bytes_max: 5_000,
    log_lines_max: 0,
};
const CONNECTIONS: usize = 3;
const WANTED: [&str; 2] = ["three", "one"];

fn modules() -> &'static [Module; 3] {
    static MODULES: OnceLock<[Module; 3]> = OnceLock::new();
    MODULES.get_or_init(|| {
        let load = |name: &str, bytes: &[u8]| {
            let bytes = wat::parse_bytes(bytes).expect("it assembles");
            Module::from_bytes(name, &bytes, SETTINGS).expect("it loads")
        };
        [
            load("puppet", include_bytes!("../../wasm/tests/puppet.wat")),
            load("pager", include_bytes!("../../wasm/samples/pager.wat")),
            load("tracker", include_bytes!("../../wasm/samples/tracker.wasm")),
        ]
    })
}

/// Plays a script: what connections send in what pieces, what the engine sends them, when they go.
pub fn check(bytes: &[u8]) {
    let Some((&choice, script)) = bytes.split_first() else {
        return;
    };
    let module = &modules()[usize::from(choice % 3)];
    let fields = module.fields();
    let wanted: Vec<String> = WANTED
        .map(str::to_owned)
        .into_iter()
        .filter(|name| fields.contains(name))
        .collect();
    let mut world = World {
        adapter: module.adapter(&wanted),
        wanted: wanted.len(),
        ends: Vec::new(),
        patience: 2_000,
    };
    for _ in 0..CONNECTIONS {
        world.open();
    }
    world.play(script);
    // The same bytes on a connection of their own, whole and in pieces, unless the script depends on what is in the memory.
    if choice % 3 != 0 {
        assert_eq!(
            alone(module, script, script.len().max(1)),
            alone(module, script, 3)
        );
    }
}

/// One connection.
struct End {
    link: Link,
    /// Not used yet.
    input: Vec<u8>,
    /// `Failed` was reported: so it must stay.
    failed: bool,
    /// The engine closes it; an event said so.
    over: bool,
}

struct World {
    adapter: Box<dyn Adapter>,
    wanted: usize,
    ends: Vec<End>,
    /// Readings that are left: a module may report for ever without using a byte.
    patience: usize,
}

impl World {
    fn open(&mut self) {
        let link = self.adapter.open(Peer {
            address: "192.0.2.7:4000".parse().expect("an address"),
            certificate: Some("fuzz"),
        });
        assert!(
            self.ends.iter().all(|end| end.link != link),
            "a number of a live connection"
        );
        self.ends.push(End {
            link,
            input: Vec::new(),
            failed: false,
            over: false,
        });
    }

    fn play(&mut self, mut script: &[u8]) {
        while let [what, count, rest @ ..] = script {
            let count = usize::from(*count).min(rest.len());
            let (piece, later) = rest.split_at(count);
            script = later;
            let at = usize::from(what >> 4) % self.ends.len();
            match what & 15 {
                0 => self.deliver(at, piece, 0),
                1 => self.deliver(at, piece, u16::from(*what) + 1),
                2 => {
                    let end = self.ends.remove(at);
                    self.adapter.close(end.link);
                    self.open();
                }
                // Told, but held: the engine waits for another shard.
                3 => self.look(at, piece),
                _ => {
                    self.ends[at].input.extend_from_slice(piece);
                    self.consume(at, what & 4 == 0);
                }
            }
        }
    }

    fn look(&mut self, at: usize, piece: &[u8]) {
        let end = &mut self.ends[at];
        end.input.extend_from_slice(piece);
        let mut scratch = Scratch::default();
        let first = say(
            &self.adapter.read(end.link, &end.input, &mut scratch),
            &end.input,
            self.wanted,
        );
        if first.starts_with("event") {
            let second = say(
                &self.adapter.read(end.link, &end.input, &mut scratch),
                &end.input,
                self.wanted,
            );
            assert_eq!(first, second, "told twice, and not the same");
        }
        if first.starts_with("error") {
            end.failed |= first.contains("Failed");
        }
    }

    /// As the engine does; `generous`: it lets everything happen.
    fn consume(&mut self, at: usize, generous: bool) {
        let mut scratch = Scratch::default();
        let mut out = Vec::new();
        let end = &mut self.ends[at];
        while !end.over && self.patience > 0 {
            self.patience -= 1;
            let read = self.adapter.read(end.link, &end.input, &mut scratch);
            let said = say(&read, &end.input, self.wanted);
            assert!(
                !end.failed || said.starts_with("error Failed"),
                "it failed, and now: {said}"
            );
            let (used, answer) = match read {
                Ok(Read::Incomplete) => {
                    let size = self.adapter.frame_size(end.link, &end.input);
                    assert!(size.is_none_or(|size| size > end.input.len()));
                    return;
                }
                Ok(Read::Nothing { used }) | Ok(Read::Skipped { used, .. }) => (used, None),
                Ok(Read::Event { event, used }) => {
                    end.over = matches!(event, Event::Close);
                    (used, answer(&event, generous))
                }
                Err(why) => {
                    end.failed |= why.kind == Kind::Failed;
                    end.over = !end.failed;
                    (0, Some(Answer::Unreadable(why.kind)))
                }
            };
            end.input.drain(..used);
            let before = out.len();
            if let Some(answer) = answer {
                self.adapter.answer(end.link, answer, &mut out);
            }
            assert!(out.len() <= before + SETTINGS.output_bytes_max);
            if end.failed {
                assert_eq!(out.len(), before, "a failed module writes nothing");
                return;
            }
        }
    }

    fn deliver(&mut self, at: usize, payload: &[u8], number: u16) {
        let end = &mut self.ends[at];
        let down = Down {
            topic: "down",
            payload,
            number,
            again: number == 7,
        };
        let mut out = b"before".to_vec();
        let delivered = self.adapter.deliver(end.link, &down, &mut out);
        assert!(out.starts_with(b"before") && out.len() <= 6 + SETTINGS.output_bytes_max);
        match delivered {
            Ok(_) => assert!(!end.failed),
            Err(why) => {
                assert_eq!(out, b"before", "an error appends nothing");
                end.failed |= matches!(why, Undeliverable::Failed(_));
            }
        }
    }
}

/// How the engine decides.
fn answer(event: &Event<'_>, generous: bool) -> Option<Answer> {
    Some(match event {
        Event::Identify { .. } => Answer::Identified,
        Event::Connect(_) if generous => Answer::Accepted,
        Event::Connect(_) => Answer::Refused(Refusal {
            cause: Cause::Full,
            text: "no room",
        }),
        Event::Publish(_) if generous => Answer::Taken,
        Event::Publish(_) => Answer::Denied,
        Event::Heartbeat => Answer::Alive,
        Event::Acknowledge { .. } => return None,
        Event::Close => Answer::Goodbye,
    })
}

/// A reading in words, every byte of it looked at.
fn say(read: &Result<Read<'_>, ringwire_codec::adapter::Unreadable>, input: &[u8], wanted: usize) -> String {
    match read {
        Ok(Read::Incomplete) => "incomplete".to_owned(),
        Ok(Read::Nothing { used }) => {
            assert!(*used > 0 && *used <= input.len());
            format!("nothing {used}")
        }
        Ok(Read::Skipped { used, why }) => {
            assert!(*used > 0 && *used <= input.len() && why.offset <= input.len());
            format!("skipped {used} {:?} {why}", why.kind)
        }
        Ok(Read::Event { event, used }) => {
            assert!(*used <= input.len());
            if let Event::Publish(publish) = event {
                assert_eq!(publish.values.len(), wanted);
            }
            if let Event::Acknowledge { .. } = event {
                return format!("done {event:?} {used}");
            }
            format!("event {event:?} {used}")
        }
        Err(why) => {
            assert!(why.offset <= input.len() && !why.what.is_empty());
            format!("error {:?} {why}", why.kind)
        }
    }
}

/// Everything that a connection says when its bytes come in pieces of this size.
fn alone(module: &Module, bytes: &[u8], size: usize) -> Vec<String> {
    let mut adapter = module.adapter(&[]);
    let link = adapter.open(Peer {
        address: "192.0.2.7:4000".parse().expect("an address"),
        certificate: None,
    });
    let (mut said, mut input) = (Vec::new(), Vec::new());
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    for piece in bytes.chunks(size) {
        input.extend_from_slice(piece);
        loop {
            let read = adapter.read(link, &input, &mut scratch);
            let (used, answer) = match &read {
                Ok(Read::Incomplete) => break,
                Ok(Read::Nothing { used } | Read::Skipped { used, .. }) => (*used, None),
                Ok(Read::Event { event, used }) => (*used, answer(event, true)),
                Err(why) => {
                    said.push(format!("{:?} {why}", why.kind));
                    return said;
                }
            };
            said.push(say(&read, &input, 0));
            if let Some(answer) = answer {
                adapter.answer(link, answer, &mut out);
            }
            input.drain(..used);
        }
    }
    said.push(out.escape_ascii().to_string());
    said
}
