//! The functions of `ringwire` that a module may import: its way to report events and to write to the device.
//!
//! Addresses and lengths come from the module and are checked in `host.rs`; an error returned here ends the call as a
//! trap does. wasm/README.md is the list for people who write modules.

use crate::host::{Call, Host, Trouble, outside, slice, text, unreadable};
use crate::queue::{self, Credentials, Report};
use ringwire_codec::adapter::{Kind, Undeliverable, Unreadable};
use wasmtime::{Caller, Engine, Error, Linker, Result};

/// The first name of every import.
pub(crate) const NAMESPACE: &str = "ringwire";

/// The second names.
pub(crate) const NAMES: [&str; 12] = [
    "identify",
    "connect",
    "publish",
    "heartbeat",
    "acknowledge",
    "close",
    "skip",
    "unreadable",
    "undeliverable",
    "write",
    "refusal",
    "log",
];

/// All of them.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    greetings(&mut linker)?;
    events(&mut linker)?;
    errors(&mut linker)?;
    output(&mut linker)?;
    Ok(linker)
}

/// The module's memory and its host.
fn parts<'a>(caller: &'a mut Caller<'_, Host>) -> Result<(&'a mut [u8], &'a mut Host)> {
    let memory = caller.data().memory;
    let memory = memory.ok_or_else(|| Error::msg("a call to ringwire out of the start section"))?;
    Ok(memory.data_and_store_mut(caller))
}

fn greetings(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        NAMESPACE,
        "identify",
        |mut caller: Caller<'_, Host>, at: u32, len: u32, tag: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            host.only_in(Call::Read, "identify")?;
            let client_id = host.span(memory, (at, len))?;
            host.report(Report::Identify { client_id }, tag)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "connect",
        |mut caller: Caller<'_, Host>,
         id: u32,
         id_len: u32,
         user: u32,
         user_len: u32,
         password: u32,
         password_len: u32,
         keepalive_s: u32,
         tag: u32|
         -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            host.only_in(Call::Read, "connect")?;
            let credentials = Credentials {
                client_id: host.span(memory, (id, id_len))?,
                username: host.optional(memory, (user, user_len))?,
                password: host.optional(memory, (password, password_len))?,
                keepalive_s: u16::try_from(keepalive_s).unwrap_or(u16::MAX),
            };
            host.connect(credentials, tag)
        },
    )?;
    Ok(())
}

fn events(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        NAMESPACE,
        "publish",
        |mut caller: Caller<'_, Host>, at: u32, len: u32, values: u32, tag: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            host.only_in(Call::Read, "publish")?;
            let payload = host.span(memory, (at, len))?;
            match host.values(memory, values) {
                Ok(values) => host.report(Report::Publish { payload, values }, tag),
                Err(Trouble::NotText) => {
                    let what = "a field that the up topic has is not UTF-8";
                    host.report(Report::Unreadable(Unreadable::new(Kind::Malformed, what, 0)), 0)?;
                    host.queue.is_over = true;
                    Ok(())
                }
                Err(Trouble::Module(error)) => Err(error),
            }
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "heartbeat",
        |mut caller: Caller<'_, Host>, tag: u32| caller.data_mut().report(Report::Heartbeat, tag),
    )?;
    linker.func_wrap(
        NAMESPACE,
        "acknowledge",
        |mut caller: Caller<'_, Host>, number: u32| {
            let number = u16::try_from(number)
                .map_err(|_| Error::msg(format!("acknowledge({number}): numbers end at 65535")))?;
            caller.data_mut().report(Report::Acknowledge { number }, 0)
        },
    )?;
    linker.func_wrap(NAMESPACE, "close", |mut caller: Caller<'_, Host>, tag: u32| {
        caller.data_mut().report(Report::Close, tag)
    })?;
    Ok(())
}

fn errors(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        NAMESPACE,
        "skip",
        |mut caller: Caller<'_, Host>, kind: i32, at: u32, len: u32, offset: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            let what = text(memory, at, len)?;
            let why = unreadable(host, queue::kind(kind), what, offset)?;
            host.report(Report::Skipped(why), 0)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "unreadable",
        |mut caller: Caller<'_, Host>, kind: i32, at: u32, len: u32, offset: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            let what = text(memory, at, len)?;
            let why = unreadable(host, queue::kind(kind), what, offset)?;
            host.report(Report::Unreadable(why), 0)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "undeliverable",
        |mut caller: Caller<'_, Host>, at: u32, len: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            host.only_in(Call::Deliver, "undeliverable")?;
            let what = text(memory, at, len)?;
            host.undeliverable = Some(Undeliverable::Invalid(what.into()));
            Ok(())
        },
    )?;
    Ok(())
}

fn output(linker: &mut Linker<Host>) -> Result<()> {
    linker.func_wrap(
        NAMESPACE,
        "write",
        |mut caller: Caller<'_, Host>, at: u32, len: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            host.write(slice(memory, at, len)?)
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "refusal",
        |mut caller: Caller<'_, Host>, at: u32, capacity: u32| -> Result<u32> {
            let (memory, host) = parts(&mut caller)?;
            let len = host.refusal.len().min(capacity as usize);
            let (at, size) = (at as usize, memory.len());
            let room = memory
                .get_mut(at..at + len)
                .ok_or_else(|| outside(at, len, size))?;
            room.copy_from_slice(&host.refusal.as_bytes()[..len]);
            Ok(u32::try_from(len).expect("a short text"))
        },
    )?;
    linker.func_wrap(
        NAMESPACE,
        "log",
        |mut caller: Caller<'_, Host>, at: u32, len: u32| -> Result<()> {
            let (memory, host) = parts(&mut caller)?;
            let line = text(memory, at, len)?;
            host.log.line(&host.name, &line);
            Ok(())
        },
    )?;
    Ok(())
}
