//! `[adapter.NAME]`: what a listener of type `adapter` speaks, and the description files that these tables name.
//!
//! A description is read when the configuration is, so that `ringwire check` finds its mistakes too: each file becomes one
//! more source, behind those that were given.

use super::form::{Form, Path as PathForm, Text, Value, Wrong};
use super::mistake::{Mistake, Place};
use super::number::Number;
use super::section::{Key, Section, section};
use super::source::Source;
use super::walk::Walk;
use super::{Config, Spoken};
use crate::adapter::catalogue::{self, Known};
use crate::adapter::describe;
use crate::adapter::module::{self, Settings as Limits};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
});

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
