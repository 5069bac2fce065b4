//! Walks the parsed sources into one `Config`, collecting every mistake and where each key was set.
//!
//! Tables that are named by the user (`[listener.NAME]`, `[shard.core.N]`) are kept aside until every source is read:
//! a listener's keys depend on its `type`, a core's defaults on `[shard]`, and either may come later or from elsewhere.

use super::check::name;
use super::form::{Value, WRONG_VALUE, Wrong};
use super::mistake::{Mistake, Place};
use super::section::{self, Section};
use super::source::Source;
use super::{Config, Listener, PLAIN_TYPES, TYPES};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeString, DeTable};

const TABLES: [&str; 13] = [
    "node",
    "log",
    "listener",
    "adapter",
    "limits",
    "shard",
    "access",
    "broker",
    "delayed",
    "rewrite",
    "auto_subscribe",
    "flapping_detect",
    "admin",
];

type Name<'a> = &'a Spanned<DeString<'a>>;

/// One table that the user named, in one source.
struct Named<'a> {
    source: usize,
    name: Name<'a>,
    table: &'a DeTable<'a>,
}

/// See the module.
#[derive(Default)]
pub struct Walk<'a> {
    pub config: Config,
    /// Where each key was set last, by its dotted name.
    pub places: BTreeMap<String, Place>,
    pub mistakes: Vec<Mistake>,
    /// Keys that kept another value than the one written, and so say nothing about other keys.
    pub wrong_keys: BTreeSet<String>,
    listeners: Vec<Named<'a>>,
    cores: Vec<Named<'a>>,
    adapters: Vec<Named<'a>>,
}

/// The tree of a source, and its mistakes of syntax, all of them.
pub fn parse<'a>(index: usize, source: &'a Source, mistakes: &mut Vec<Mistake>) -> Spanned<DeTable<'a>> {
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    for error in errors {
        let wrong = not_toml(&error, source.text.len());
        mistakes.push(Mistake::within(index, wrong));
    }
    root
}

/// A mistake of syntax in a text of `end` bytes.
pub fn not_toml(error: &toml::de::Error, end: usize) -> Wrong {
    Wrong {
        span: error.span().unwrap_or(end..end),
        title: "this is not TOML".to_owned(),
        label: error.message().to_owned(),
        // What toml says about a word without quotes: it takes it for the beginning of `inf`, `nan` or a date.
        help: error
            .message()
            .starts_with("invalid")
            .then(|| "text stands in quotes".to_owned()),
    }
}

impl<'a> Walk<'a> {
    /// Applies one source's tree, but for the tables kept aside.
    pub fn root(&mut self, source: usize, root: &'a DeTable<'a>) {
        for (key, value) in root.iter() {
            if !TABLES.contains(&key.get_ref().as_ref()) {
                self.wrong(source, section::unknown(key, "table", &TABLES));
                continue;
            }
            let Some(table) = self.table(source, value) else {
                continue;
            };
            match key.get_ref().as_ref() {
                "node" => self.section(source, "node", table, |config| &mut config.node),
                "log" => self.section(source, "log", table, |config| &mut config.log),
                "limits" => self.section(source, "limits", table, |config| &mut config.limits),
                "access" => self.section(source, "access", table, |config| &mut config.admission),
                "broker" => self.section(source, "broker", table, |config| &mut config.broker),
                "delayed" => self.section(source, "delayed", table, |config| &mut config.delayed),
                "rewrite" => self.section(source, "rewrite", table, |config| &mut config.rewrite),
                "auto_subscribe" => {
                    self.section(source, "auto_subscribe", table, |config| {
                        &mut config.auto_subscribe
                    });
                }
                "flapping_detect" => {
                    self.section(source, "flapping_detect", table, |config| {
                        &mut config.flapping_detect
                    });
                }
                "admin" => self.section(source, "admin", table, |config| &mut config.admin),
                "shard" => self.shard(source, table),
                "adapter" => self.named_tables(source, table, |walk| &mut walk.adapters),
                _ => self.named_tables(source, table, |walk| &mut walk.listeners),
            }
        }
    }

    fn section<S: Section>(
        &mut self,
        source: usize,
        path: &str,
        table: &'a DeTable<'a>,
        section: fn(&mut Config) -> &mut S,
    ) {
        for (key, value) in table.iter() {
            self.set(source, path, (key, value), section);
        }
    }

    fn set<S: Section>(
        &mut self,
        source: usize,
        path: &str,
        (key, value): (Name<'a>, &'a Value<'a>),
        section: impl FnOnce(&mut Config) -> &mut S,
    ) {
        let mut wrong = Vec::new();
        section::set(section(&mut self.config), key, value, &mut wrong);
        let path = format!("{path}.{}", key.get_ref());
        if !wrong.is_empty() {
            self.wrong_keys.insert(path.clone());
        }
        for mut wrong in wrong {
            if wrong.title == WRONG_VALUE {
                wrong.title = format!("{WRONG_VALUE} for {path}");
            }
            self.wrong(source, wrong);
        }
        let span = value.span();
        self.places.insert(path, Place { source, span });
    }

    fn shard(&mut self, source: usize, table: &'a DeTable<'a>) {
        for (key, value) in table.iter() {
            if key.get_ref() == "core" {
                let Some(cores) = self.table(source, value) else {
                    continue;
                };
                for (name, value) in cores.iter() {
                    if let Some(table) = self.table(source, value) {
                        self.cores.push(Named { source, name, table });
                    }
                }
            } else {
                self.set(source, "shard", (key, value), |config| &mut config.shard);
            }
        }
    }

    /// Keeps tables aside that the user named.
    fn named_tables(
        &mut self,
        source: usize,
        table: &'a DeTable<'a>,
        kept: fn(&mut Self) -> &mut Vec<Named<'a>>,
    ) {
        for (name, value) in table.iter() {
            if let Some(table) = self.table(source, value) {
                kept(self).push(Named { source, name, table });
            }
        }
    }

    /// Applies the listeners kept aside, after making each with its type; `defaults`: opens those of a start without file.
    pub fn listeners(&mut self, defaults: bool) {
        for word in PLAIN_TYPES.into_iter().filter(|_| defaults) {
            self.config
                .listeners
                .extend(Listener::of_type(word).map(|made| (word.to_owned(), made)));
        }
        let tables = std::mem::take(&mut self.listeners);
        for named in &tables {
            self.make_listener(named, &tables);
        }
        for Named { source, name, table } in tables {
            let path = format!("listener.{}", name.get_ref());
            // Which adapter it is decides on the defaults of other keys.
            let is_first = |key: Name<'a>| key.get_ref() == "adapter";
            let (first, rest): (Vec<_>, Vec<_>) = table.iter().partition(|(key, _)| is_first(key));
            let entries = first.into_iter().chain(rest);
            for entry in entries.filter(|(key, _)| key.get_ref() != "type") {
                if self.config.listeners.contains_key(name.get_ref().as_ref()) {
                    self.set(source, &path, entry, |config| {
                        config
                            .listeners
                            .get_mut(name.get_ref().as_ref())
                            .expect("looked up above")
                    });
                }
            }
            self.places.insert(
                path,
                Place {
                    source,
                    span: name.span(),
                },
            );
        }
    }

    /// The listener with the defaults of the type that is written last, or else of its name.
    fn make_listener(&mut self, named: &Named<'a>, tables: &[Named<'a>]) {
        let text = named.name.get_ref();
        self.named_well(named);
        let same = tables.iter().filter(|table| table.name.get_ref() == text);
        let written = same
            .filter_map(|table| Some((table.source, table.table.get("type")?)))
            .next_back();
        let word = written.map_or(Some(text.as_ref()), |(_, value)| value.get_ref().as_str());
        if let Some(made) = word.and_then(Listener::of_type) {
            self.config.listeners.insert(text.to_string(), made);
            return;
        }
        let types = TYPES.map(|word| format!("\"{word}\"")).join(" or ");
        let wrong = match written {
            Some((_, value)) => Wrong::value(value, format!("expected {types}")),
            None => Wrong {
                span: named.name.span(),
                title: format!("listener `{text}` has no type"),
                label: format!("add type = {types}"),
                help: None,
            },
        };
        let source = written.map_or(named.source, |(source, _)| source);
        if !self.mistakes.iter().any(|known| known.wrong == wrong) {
            self.wrong(source, wrong);
        }
    }

    fn named_well(&mut self, named: &Named<'a>) {
        if let Err(label) = name(named.name.get_ref()) {
            let span = named.name.span();
            self.wrong(
                named.source,
                Wrong {
                    span,
                    title: "wrong name".to_owned(),
                    label,
                    help: None,
                },
            );
        }
    }

    /// Applies the adapters' tables kept aside.
    pub fn adapters(&mut self) {
        for named in std::mem::take(&mut self.adapters) {
            self.named_well(&named);
            let Named { source, name, table } = named;
            let name_text = name.get_ref().to_string();
            let path = format!("adapter.{name_text}");
            self.config.adapters.entry(name_text.clone()).or_default();
            for entry in table.iter() {
                self.set(source, &path, entry, |config| {
                    config.adapters.get_mut(&name_text).expect("inserted above")
                });
            }
            let span = name.span();
            self.places.insert(path, Place { source, span });
        }
    }

    /// Applies the per-core tables kept aside, on top of `[shard]`.
    pub fn cores(&mut self) {
        for Named { source, name, table } in std::mem::take(&mut self.cores) {
            let Ok(cpu) = name.get_ref().parse::<usize>() else {
                let title = "wrong core".to_owned();
                let label = "expected a CPU number, like [shard.core.0]".to_owned();
                let span = name.span();
                self.wrong(
                    source,
                    Wrong {
                        span,
                        title,
                        label,
                        help: None,
                    },
                );
                continue;
            };
            let path = format!("shard.core.{cpu}");
            let base = self.config.shard.core.clone();
            self.config.cores.entry(cpu).or_insert(base);
            for entry in table.iter() {
                self.set(source, &path, entry, |config| {
                    config.cores.get_mut(&cpu).expect("inserted above")
                });
            }
            self.places.insert(
                path,
                Place {
                    source,
                    span: name.span(),
                },
            );
        }
    }

    fn table(&mut self, source: usize, value: &'a Value<'a>) -> Option<&'a DeTable<'a>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(
                source,
                Wrong::value(value, "expected a table with keys of its own"),
            );
        }
        table
    }

    fn wrong(&mut self, source: usize, wrong: Wrong) {
        self.mistakes.push(Mistake::within(source, wrong));
    }
}
