//! A console device: each line of standard input is published, each message from the broker is a line of standard
//! output.
//!
//! `console ADDRESS CLIENT-ID [--username NAME] [--password TEXT] [--keepalive SECONDS] [--backoff-min MS]
//! [--backoff-max MS]` prints `online TEXT`, `down PAYLOAD`, `refused TEXT`, `offline REASON`; after the end of its input
//! it disconnects. A line that finds the device offline waits for it.

use ringwire_device::{Device, Event, Lost, PublishError, Settings};
use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

/// How long a line that was typed waits at most.
const STEP: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(client_id)) = (arguments.next(), arguments.next()) else {
        return Err(
            "usage: console ADDRESS CLIENT-ID [--username NAME] [--password TEXT] [--keepalive SECONDS] \
                    [--backoff-min MS] [--backoff-max MS]"
                .into(),
        );
    };
    let mut settings = Settings::new(client_id);
    let ms = |text: &str| text.parse().map(Duration::from_millis);
    let (mut min, mut max) = (Duration::from_secs(1), Duration::from_secs(120));
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--username" => settings = settings.username(value),
            "--password" => settings = settings.password(value),
            "--keepalive" => settings = settings.keepalive_s(value.parse()?),
            "--backoff-min" => min = ms(&value)?,
            "--backoff-max" => max = ms(&value)?,
            _ => return Err(format!("{name} is no option").into()),
        }
    }
    run(Device::new(address, settings.backoff(min, max))?, &typed())
}

/// The lines of standard input, from a thread of their own.
fn typed() -> Receiver<Vec<u8>> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn run(mut device: Device, lines: &Receiver<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    let mut pending: Option<Vec<u8>> = None;
    loop {
        let step = if pending.is_some() && device.is_online() {
            Duration::ZERO
        } else {
            STEP
        };
        if let Some(event) = device.wait(step) {
            print(&event)?;
        }
        while pending.is_none() || device.is_online() {
            if let Some(line) = &pending {
                match device.publish(line) {
                    Ok(()) => pending = None,
                    Err(PublishError::Offline | PublishError::Full { .. }) => break,
                    Err(error @ PublishError::TooLarge { .. }) => return Err(error.into()),
                }
            }
            match lines.try_recv() {
                Ok(line) => pending = Some(line),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(device.disconnect()?),
            }
        }
    }
}

fn print(event: &Event) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match event {
        Event::Online { text } => writeln!(out, "online {text}")?,
        Event::Message(payload) => {
            out.write_all(b"down ")?;
            out.write_all(payload)?;
            out.write_all(b"\n")?;
        }
        Event::Offline { reason, .. } => {
            if let Lost::Refused { text, .. } = reason {
                writeln!(out, "refused {text}")?;
            }
            writeln!(out, "offline {reason}")?;
        }
    }
    out.flush()
}
