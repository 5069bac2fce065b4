//! A connection as the engine has it, for the tests of modules: reads until nothing whole is left, answers each event.
//!
//! What happened is written down as one line an event, so that a test is a list of lines.

#![allow(dead_code)] // each test uses a part of it

use ringwire_codec::adapter::*;
use ringwire_wasm::{Module, ModuleError, Settings};
use std::path::{Path, PathBuf};

/// The folder of the samples.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// A sample in WebAssembly's text format, assembled.
pub fn pager() -> Module {
    let bytes = wat::parse_file(samples().join("pager.wat")).expect("the sample assembles");
    Module::from_bytes("pager", &bytes, Settings::default()).expect("the sample loads")
}

/// The sample in C, as it was compiled.
pub fn tracker() -> Module {
    let path = samples().join("tracker.wasm");
    Module::from_file("tracker", &path, Settings::default()).expect("the sample loads")
}

/// A module of a test: what every one must have, and `body`.
pub fn module(body: &str) -> Result<Module, ModuleError> {
    module_with(body, Settings::default())
}

/// As `module`, with other limits.
pub fn module_with(body: &str, settings: Settings) -> Result<Module, ModuleError> {
    let text = format!(
        r#"(module {body}
        (memory (export "memory") 2)
        (func (export "ringwire_abi") (result i32) (i32.const 1))
        (func (export "ringwire_input") (param i32) (result i32)
          (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get 0) (i32.const 65536)))))"#
    );
    let bytes = wat::parse_str(&text).expect("the test's module assembles");
    Module::from_bytes("test", &bytes, settings)
}

/// An adapter with no fields wanted.
pub fn adapter(module: &Module) -> Box<dyn Adapter> {
    module.adapter(&[])
}

/// Opens a connection of somebody.
pub fn open(adapter: &mut dyn Adapter) -> Link {
    adapter.open(Peer {
        address: "192.0.2.7:4000".parse().expect("an address"),
        certificate: None,
    })
}

/// What came of some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// One line an event.
    pub events: Vec<String>,
    /// Bytes for the device.
    pub sent: Vec<u8>,
    /// Bytes that are done.
    pub used: usize,
    /// How it ended.
    pub error: Option<Unreadable>,
}

/// Hands bytes to an adapter as the engine does.
pub fn hear(adapter: &mut dyn Adapter, link: Link, input: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let mut scratch = Scratch::default();
    for _ in 0..10_000 {
        let rest = &input[heard.used..];
        match adapter.read(link, rest, &mut scratch) {
            Ok(Read::Incomplete) => return heard,
            Ok(read) => {
                let (used, answer) = note(&read, &mut heard.events);
                heard.used += used;
                if let Some(answer) = answer {
                    adapter.answer(link, answer, &mut heard.sent);
                }
            }
            Err(why) => {
                adapter.answer(link, Answer::Unreadable(why.kind), &mut heard.sent);
                heard.error = Some(why);
                return heard;
            }
        }
    }
    panic!("no end: {:?}", heard.events);
}

/// Writes a reading down; returns the bytes that it uses and how the engine answers.
pub fn note(read: &Read<'_>, events: &mut Vec<String>) -> (usize, Option<Answer>) {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match read {
        Read::Incomplete => (0, None),
        Read::Nothing { used } => {
            events.push(format!("nothing in {used}"));
            (*used, None)
        }
        Read::Skipped { used, why } => {
            events.push(format!("skipped {used}: {:?} {why}", why.kind));
            (*used, None)
        }
        Read::Event { event, used } => {
            let (line, answer) = match event {
                Event::Identify { client_id } => {
                    (format!("identify {}", text(client_id)), Some(Answer::Identified))
                }
                Event::Connect(connect) => (
                    format!(
                        "connect {} {:?} {:?} {}",
                        text(connect.client_id),
                        connect.username.map(text),
                        connect.password.map(text),
                        connect.keepalive_s
                    ),
                    Some(Answer::Accepted),
                ),
                Event::Publish(publish) => (
                    format!("publish {} {:?}", text(publish.payload), publish.values),
                    Some(Answer::Taken),
                ),
                Event::Heartbeat => ("heartbeat".to_owned(), Some(Answer::Alive)),
                Event::Acknowledge { number } => (format!("acknowledge {number}"), None),
                Event::Close => ("close".to_owned(), Some(Answer::Goodbye)),
            };
            events.push(line);
            (*used, answer)
        }
    }
}

/// A message without acknowledgement.
pub fn down(payload: &[u8]) -> Down<'_> {
    Down {
        topic: "down/d1",
        payload,
        number: 0,
        again: false,
    }
}
