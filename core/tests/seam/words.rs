//! An adapter for tests: lines of words both ways, with everything that the seam has.
//!
//! `i ID` identifies, `c ID` connects, `d VALUE PAYLOAD` is data, `h` a heartbeat, `a N` acknowledges, `x` closes, `? ...` is
//! left out, `! ...` cannot be read, `n` is nothing, `over` uses more than there is, `spin` reports heartbeats without end.
//! What devices are sent is a number and the payload; `invalid`, `failed`, `settled` and `once` are what they say.
#![allow(clippy::unwrap_used)]

use ringwire_codec::adapter::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

#[derive(Debug)]
pub struct Words {
    pub name: &'static str,
    pub window: u16,
    /// Connections of all its adapters.
    pub open: Arc<AtomicI32>,
}

#[derive(Debug)]
struct Speaker {
    window: u16,
    open: Arc<AtomicI32>,
    links: Vec<bool>,
}

impl Blueprint for Words {
    fn name(&self) -> &str {
        self.name
    }

    fn fields(&self) -> Vec<String> {
        vec!["value".to_owned()]
    }

    fn adapter(&self, wanted: &[String]) -> Box<dyn Adapter> {
        assert!(wanted.iter().all(|name| name == "value"));
        Box::new(Speaker {
            window: self.window,
            open: self.open.clone(),
            links: Vec::new(),
        })
    }
}

impl Adapter for Speaker {
    fn open(&mut self, _peer: Peer<'_>) -> Link {
        self.links.push(true);
        self.open.fetch_add(1, Ordering::Relaxed);
        Link(self.links.len() as u32 - 1)
    }

    fn close(&mut self, link: Link) {
        let open = std::mem::replace(&mut self.links[link.0 as usize], false);
        assert!(open, "closed once");
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn read<'a>(
        &mut self,
        link: Link,
        input: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Read<'a>, Unreadable> {
        assert!(self.links[link.0 as usize], "an open link");
        let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
            return Ok(Read::Incomplete);
        };
        let used = end + 1;
        let line = &input[..end];
        let (word, rest) = match line.iter().position(|&byte| byte == b' ') {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &line[end..]),
        };
        let event = match word {
            b"i" => Event::Identify { client_id: rest },
            b"c" => Event::Connect(Connect {
                client_id: rest,
                username: None,
                password: None,
                keepalive_s: 0,
            }),
            b"d" => {
                let at = rest.iter().position(|&byte| byte == b' ').unwrap();
                scratch.values = vec![String::from_utf8_lossy(&rest[..at]).into_owned(); 2];
                Event::Publish(Publish {
                    payload: &rest[at + 1..],
                    values: &scratch.values,
                })
            }
            b"h" => Event::Heartbeat,
            b"spin" => {
                return Ok(Read::Event {
                    event: Event::Heartbeat,
                    used: 0,
                });
            }
            b"over" => return Ok(Read::Nothing { used: used + 1 }),
            b"a" => {
                let number = std::str::from_utf8(rest).unwrap().parse().unwrap();
                Event::Acknowledge { number }
            }
            b"x" => Event::Close,
            b"n" => return Ok(Read::Nothing { used }),
            b"?" => {
                let why = Unreadable::new(Kind::Checksum, "a question", 2);
                return Ok(Read::Skipped { used, why });
            }
            _ => return Err(Unreadable::new(Kind::Checksum, "no word of mine", 1)),
        };
        Ok(Read::Event { event, used })
    }

    fn answer(&mut self, link: Link, answer: Answer, out: &mut Vec<u8>) {
        assert!(self.links[link.0 as usize], "an open link");
        out.extend_from_slice(format!("{answer:?}\n").as_bytes());
    }

    fn deliver(&mut self, link: Link, down: &Down<'_>, out: &mut Vec<u8>) -> Result<Tail, Undeliverable> {
        assert!(self.links[link.0 as usize], "an open link");
        match down.payload {
            b"invalid" => {
                out.push(b'#');
                return Err(Undeliverable::Invalid("not a word".into()));
            }
            b"once" if down.again => return Err(Undeliverable::Invalid("said once".into())),
            b"failed" => return Err(Undeliverable::Failed("a trap".into())),
            _ => {}
        }
        let again = if down.again { " again" } else { "" };
        let payload = String::from_utf8_lossy(down.payload);
        out.extend_from_slice(format!("{} {payload}{again}\n", down.number).as_bytes());
        Ok(if down.payload == b"settled" {
            Tail::Settled
        } else {
            Tail::Nothing
        })
    }

    fn window(&self) -> u16 {
        self.window
    }
}
