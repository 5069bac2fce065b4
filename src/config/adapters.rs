//! `[adapter.NAME]`: what a listener of type `adapter` speaks, and the description files that these tables name.
//!
//! A description is read when the configuration is, so that `ringwire check` finds its mistakes too: each file becomes one
//! more source, behind those that were given.

use super::form::{
    Checked, Flag, Form, Path as PathForm, Text, Value, Word, Wrong, milliseconds, number, seconds, size,
};
use super::mistake::{Mistake, Place};
use super::number::Number;
use super::section::{Key, Section, section};
use super::source::Source;
use super::walk::Walk;
use super::{Config, Spoken};
use crate::adapter::catalogue::{self, Known};
use crate::adapter::describe;
use crate::adapter::module::{self, Settings as Limits};
use ringwire_codec::adapter::jt808::{Jt808, TextEncoding};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What a table may say: one of these.
pub const KINDS: [&str; 3] = ["file", "module", "builtin"];
/// Keys that only a module has.
const LIMITS: [&str; 3] = ["memory_max", "deadline", "frame_max"];

/// `[adapter.NAME]`
#[derive(Clone, Debug, Default)]
pub struct Adapter {
    pub file: Option<PathBuf>,
    pub module: Option<PathBuf>,
    pub builtin: Option<String>,
    /// Of a module.
    pub limits: Limits,
    /// For `builtin = "jt808"` alone.
    pub jt808: Jt808,
    /// What it names; `None` until it is read, and when that failed.
    pub known: Option<Known>,
}

section!(Adapter {
    file => file: Named(PathForm), "A description, from the configuration file's folder; see docs/adapters.md.";
    module => module: Named(PathForm), "Instead of it: a WebAssembly module; see wasm/README.md.";
    memory_max => limits.memory_bytes_max: Number::size(65_536..=1 << 30), "Of a module: memory of one instance, one a shard and listener.";
    deadline => limits.deadline_ms: Number::time(1_000, 1..=10_000), "Of a module: CPU time of one call; a longer one ends its connection.";
    frame_max => limits.frame_bytes_max: Number::size(256..=16 << 20), "Of a module: the largest frame that it is shown.";
    builtin => builtin: Named(Text), "Instead of a file: what is built in or shipped; `ringwire adapter list` names it.";
    register => jt808.register: Flag,
        "jt808: takes registrations (0x0100). false: they are answered with \"no such terminal\".";
    auth_code => jt808.auth_code: Checked(Text, code),
        "jt808: the authentication code that a registration is answered with; %c in it is the phone number.";
    check_auth_code => jt808.check_auth_code: Flag,
        "jt808: a terminal with another code (0x0102) is refused. false: the code is only the password that users have.";
    implicit_login => jt808.implicit_login: Flag,
        "jt808: the first frame of any kind lets a terminal in, without a code.";
    keepalive => jt808.keepalive_s: seconds(0..=65_535),
        "jt808: how often a terminal has to send something. 0: as the listener's default_keepalive.";
    window => jt808.window: number(0..=1_024),
        "jt808: messages on their way that are not acknowledged. 0: none is waited for, none is sent again.";
    string_encoding => jt808.text: ENCODING, "jt808: characters in a terminal's texts; JSON has UTF-8 always.";
    package_size => jt808.package_bytes: size(16..=1_023),
        "jt808: body of one frame to a terminal; what is longer goes in packages.";
    max_down_size => jt808.down_bytes_max: size(1..=16_777_216), "jt808: body of one message to a terminal.";
    max_unfinished_size => jt808.unfinished_bytes_max: size(1_024..=67_108_864),
        "jt808: long messages in packages that are kept for a connection until they are whole; the oldest gives way.";
    max_unfinished => jt808.unfinished_messages_max: number(1..=64), "jt808: how many of them.";
    unfinished_timeout => jt808.unfinished_timeout_ms: milliseconds(0..=86_400_000),
        "jt808: one of them that gets no package for so long is dropped; half way through, missing ones are asked for. 0: never.";
    answer_packages => jt808.answer_packages: Flag,
        "jt808: each package of a long message gets its general answer, and missing ones are asked for (0x8003).";
    close_on_bad_frame => jt808.close_on_bad_frame: Flag,
        "jt808: a frame that cannot be read closes. false: it is left out, counted, and noted once.";
});

impl Adapter {
    /// What a table alone stands for, without a configuration around it: what is built in or shipped, with its keys.
    pub fn alone(&self) -> Result<Known, String> {
        let Some(name) = self.builtin.as_ref().filter(|_| self.is_builtin_alone()) else {
            return Err("it takes `builtin`, and the keys of that".to_owned());
        };
        let known = catalogue::named(name);
        let known = known.ok_or_else(|| format!("expected one of: {}", catalogue::names().join(", ")))?;
        if name == "jt808" {
            let blueprint = Arc::new(self.jt808.clone());
            return Ok(Known { blueprint, ..known });
        }
        match self.jt808 == Jt808::default() {
            true => Ok(known),
            false => Err("only builtin = \"jt808\" has keys".to_owned()),
        }
    }

    fn is_builtin_alone(&self) -> bool {
        self.file.is_none() && self.module.is_none() && self.limits == Limits::default()
    }
}

const ENCODING: Word<TextEncoding> =
    Word(&[("\"gbk\"", TextEncoding::Gbk), ("\"utf8\"", TextEncoding::Utf8)]);

/// What fits the answer to a registration, with a phone number of 20 digits for each `%c`.
fn code(text: &str) -> Result<(), String> {
    let bytes = text.replace("%c", &"0".repeat(20)).len();
    match bytes <= 255 {
        true => Ok(()),
        false => Err(format!("{bytes} bytes, and a code has up to 255")),
    }
}

/// Gives a protocol that is built in the keys of its table. Only JT/T 808 has some.
fn with_keys(known: Known, table: &Adapter, path: &str, walk: &Walk<'_>) -> Result<Known, Vec<Mistake>> {
    if table.builtin.as_deref() == Some("jt808") {
        let blueprint = Arc::new(table.jt808.clone());
        return Ok(Known { blueprint, ..known });
    }
    let is_other = |key: &Key| !KINDS.contains(&key.name) && !LIMITS.contains(&key.name);
    let others = table.keys().into_iter().filter(is_other);
    let written =
        others.filter_map(|key| Some((key.name, walk.places.get(&format!("{path}.{}", key.name))?)));
    let mistakes: Vec<_> = written
        .map(|(key, at)| {
            let title = format!("`{key}` is no key of adapter `{}`", known.name);
            Mistake::between(Some(at), title, "only builtin = \"jt808\" has it")
        })
        .collect();
    if mistakes.is_empty() {
        Ok(known)
    } else {
        Err(mistakes)
    }
}

/// A key that need not be there.
struct Named<F>(F);

impl<T, F: Form<T>> Form<Option<T>> for Named<F> {
    fn read(&self, value: &Value<'_>, wrong: &mut Vec<Wrong>) -> Option<Option<T>> {
        self.0.read(value, wrong).map(Some)
    }

    fn write(&self, value: &Option<T>) -> String {
        value
            .as_ref()
            .map_or_else(|| "\"...\"".to_owned(), |value| self.0.write(value))
    }

    fn expects(&self) -> String {
        self.0.expects()
    }
}

/// Reads what every table names; the files that were read are appended to `named`, and their mistakes to the walk's.
pub fn read(walk: &mut Walk<'_>, sources: &[Source], named: &mut Vec<Source>) {
    let names: Vec<_> = walk.config.adapters.keys().cloned().collect();
    for name in names {
        let table = walk.config.adapters[&name].clone();
        let path = format!("adapter.{name}");
        let of = |kind: &str| walk.places.get(&format!("{path}.{kind}")).cloned();
        let is_wrong = KINDS
            .iter()
            .any(|kind| walk.wrong_keys.contains(&format!("{path}.{kind}")));
        let found = match (&table.file, &table.module, &table.builtin) {
            (None, None, None) if is_wrong => Err(Vec::new()),
            (None, None, None) => {
                let at = walk.places.get(&path);
                let label = "add `file`, the description of a protocol, `module` or `builtin`";
                Err(vec![Mistake::between(
                    at,
                    format!("adapter `{name}` is nothing"),
                    label,
                )])
            }
            (Some(file), None, None) => description(file, of("file").as_ref(), sources, named),
            (None, Some(file), None) => {
                in_module(&name, file, table.limits, (of("module").as_ref(), sources))
            }
            (None, None, Some(builtin)) => built_in(builtin, of("builtin").as_ref()),
            (first, _, last) => {
                let is_file = first.is_some();
                let label = if is_file { "`file`" } else { "`module`" };
                let label = format!("{label} says already what it is: remove one of them");
                let second = if last.is_some() { "builtin" } else { "module" };
                Err(vec![Mistake::between(
                    of(second).as_ref(),
                    "two adapters in one",
                    label,
                )])
            }
        };
        if table.module.is_none() {
            let keys = LIMITS.iter().filter(|key| of(key).is_some());
            walk.mistakes.extend(keys.map(|key| {
                let title = format!("adapter `{name}` is no module");
                Mistake::between(
                    of(key).as_ref(),
                    title,
                    format!("`{key}` holds for a `module` only"),
                )
            }));
        }
        let found = found.and_then(|known| with_keys(known, &table, &path, walk));
        match found {
            Ok(known) => {
                let known = Some(Known {
                    name: name.clone(),
                    ..known
                });
                walk.config.adapters.insert(name, Adapter { known, ..table });
            }
            Err(mistakes) => walk.mistakes.extend(mistakes),
        }
    }
}

fn in_module(
    name: &str,
    file: &std::path::Path,
    limits: Limits,
    (at, sources): (Option<&Place>, &[Source]),
) -> Result<Known, Vec<Mistake>> {
    let folder = at.and_then(|at| sources[at.source].folder.as_deref());
    let path = folder.map_or_else(|| file.to_owned(), |folder| folder.join(file));
    module::open(name, &path, limits).map_err(|wrong| vec![Mistake::between(at, "no module", wrong)])
}

fn built_in(name: &str, at: Option<&Place>) -> Result<Known, Vec<Mistake>> {
    let known = catalogue::named(name);
    known.ok_or_else(|| {
        let label = format!("expected one of: {}", catalogue::names().join(", "));
        vec![Mistake::between(
            at,
            format!("there is no adapter `{name}`"),
            label,
        )]
    })
}

fn description(
    file: &std::path::Path,
    at: Option<&Place>,
    sources: &[Source],
    named: &mut Vec<Source>,
) -> Result<Known, Vec<Mistake>> {
    let folder = at.and_then(|at| sources[at.source].folder.as_deref());
    let path = folder.map_or_else(|| file.to_owned(), |folder| folder.join(file));
    let source = Source::file(&path).map_err(|error| {
        let label = format!("cannot read {}: {error}", path.display());
        vec![Mistake::between(at, "no description", label)]
    })?;
    let read = describe::read(&source.text);
    let described = |read| Known {
        file: Some(path.clone()),
        ..catalogue::described(read)
    };
    read.map(described).map_err(|wrong| {
        let known = named.iter().any(|known| known.origin == source.origin);
        if known {
            return Vec::new();
        }
        named.push(source);
        let index = sources.len() + named.len() - 1;
        wrong
            .into_iter()
            .map(|wrong| Mistake::within(index, wrong))
            .collect()
    })
}

/// Gives every listener of type `adapter` what it speaks, and checks what follows from that.
pub fn between(walk: &mut Walk<'_>, sources: &[Source]) {
    let mut found = Vec::new();
    let mut config = std::mem::take(&mut walk.config);
    let names: Vec<_> = config.listeners.keys().cloned().collect();
    for name in names {
        let chosen = match &config.listeners[&name].spoken {
            Spoken::Adapter(chosen, _) => chosen.clone(),
            Spoken::Mqtt(_) | Spoken::EmqTcp(..) => None,
        };
        let known = chosen.as_deref().map(|chosen| find(&config, chosen));
        let own = Own {
            name: &name,
            places: &walk.places,
            wrong: walk.wrong_keys.contains(&format!("listener.{name}.adapter")),
        };
        if let Some(known) = own.known(&config, chosen.as_deref(), known, &mut found)
            && let Some(listener) = config.listeners.get_mut(&name)
            && let Spoken::Adapter(_, device) = &mut listener.spoken
        {
            device.adapter = known.blueprint;
        }
        own.braces(&config, sources, &mut found);
    }
    walk.config = config;
    walk.mistakes.append(&mut found);
}

/// What a listener names: found, wrong itself, or nowhere.
enum Found {
    Known(Known),
    Broken,
    Nowhere,
}

fn find(config: &Config, name: &str) -> Found {
    match config.adapters.get(name) {
        Some(Adapter {
            known: Some(known), ..
        }) => Found::Known(known.clone()),
        Some(Adapter { known: None, .. }) => Found::Broken,
        None => match catalogue::named(name) {
            Some(known) => Found::Known(known),
            None => Found::Nowhere,
        },
    }
}

/// One listener, while it is looked at.
struct Own<'a> {
    name: &'a str,
    places: &'a BTreeMap<String, Place>,
    /// Its key `adapter` has a value that is none.
    wrong: bool,
}

impl Own<'_> {
    fn place(&self, key: &str) -> Option<&Place> {
        let keys = [
            format!("listener.{}.{key}", self.name),
            format!("listener.{}", self.name),
        ];
        keys.iter().find_map(|key| self.places.get(key))
    }

    /// What it speaks, if that can be told and be spoken.
    fn known(
        &self,
        config: &Config,
        chosen: Option<&str>,
        known: Option<Found>,
        found: &mut Vec<Mistake>,
    ) -> Option<Known> {
        let at = self.place("adapter");
        let is_adapter = matches!(config.listeners[self.name].spoken, Spoken::Adapter(..));
        match known {
            Some(Found::Known(known)) if known.needs_certificate => {
                let title = format!("listener `{}` has no TLS", self.name);
                let label = "this adapter takes client ids from TLS certificates, and no listener has TLS yet: take it \
                             from the frames, or from the peer's address";
                found.push(Mistake::between(at, title, label));
                None
            }
            Some(Found::Known(known)) => Some(known),
            Some(Found::Broken) => None,
            Some(Found::Nowhere) => {
                let title = format!("there is no adapter `{}`", chosen.unwrap_or_default());
                let names = config.adapters.keys().cloned().chain(catalogue::names());
                let label = format!("expected one of: {}", names.collect::<Vec<_>>().join(", "));
                found.push(Mistake::between(at, title, label));
                None
            }
            None if is_adapter && !self.wrong => {
                let title = format!("listener `{}` has no adapter", self.name);
                found.push(Mistake::between(
                    at,
                    title,
                    "add adapter = \"NAME\", of a table [adapter.NAME]",
                ));
                None
            }
            None => None,
        }
    }

    /// Names in braces of the up topic that are no fields of what is spoken.
    fn braces(&self, config: &Config, sources: &[Source], found: &mut Vec<Mistake>) {
        let (device, fields) = match &config.listeners[self.name].spoken {
            Spoken::Mqtt(_) => return,
            Spoken::EmqTcp(_, device) => (device, Vec::new()),
            // What is not known has no fields to compare with.
            Spoken::Adapter(Some(chosen), device) if matches!(find(config, chosen), Found::Known(_)) => {
                (device, device.adapter.fields())
            }
            Spoken::Adapter(..) => return,
        };
        let names = ringwire_core::settings::names_in_braces(&device.up_topic);
        for name in names
            .into_iter()
            .filter(|name| !fields.iter().any(|field| field == name))
        {
            let at = self
                .place("up_topic")
                .map(|place| within(place, &format!("{{{name}}}"), sources));
            let near = fields
                .iter()
                .find(|field| strsim::damerau_levenshtein(field, name) <= 1 + field.len() / 4);
            let label = match (near, fields.as_slice()) {
                (Some(near), _) => format!("did you mean `{{{near}}}`?"),
                (None, []) => "this protocol has no fields".to_owned(),
                (None, fields) => format!("it has: {}", fields.join(", ")),
            };
            let title = format!("the adapter has no field `{name}`");
            found.push(Mistake::between(at.as_ref(), title, label));
        }
    }
}

/// The part of a value that is `text`, if it stands there so.
fn within(place: &Place, text: &str, sources: &[Source]) -> Place {
    let source = place.source;
    let value = sources[source].text.get(place.span.clone());
    let at = value.and_then(|value| value.find(text));
    let span = at.map_or(place.span.clone(), |at| {
        let start = place.span.start + at;
        start..start + text.len()
    });
    Place { source, span }
}

/// The keys that the example file shows.
pub fn keys() -> Vec<Key> {
    Adapter::default().keys()
}
