//! Reading tables of a description by their keys: unknown ones are reported with a suggestion, wrong values with what is
//! expected, missing ones at the table's head.
//!
//! Nothing stops at a mistake: whoever reads goes on with a value that says nothing, and what follows from it alone is
//! left out later ([`Reading::follows`]).

use super::schema::Keyed;
use crate::config::form::{Form, Value, WRONG_VALUE, Wrong};
use crate::config::section;
use ringwire_codec::adapter::described::Endian;
use std::ops::Range;
use toml::de::DeTable;

/// What was found so far.
#[derive(Debug)]
pub struct Reading<'t> {
    /// The whole file.
    pub text: &'t str,
    /// Byte order of what does not say it.
    pub endian: Endian,
    pub wrong: Vec<Wrong>,
    /// Paths of the wrong values.
    broken: Vec<String>,
}

/// One table of the file.
#[derive(Clone, Debug)]
pub struct Keys<'t> {
    /// As flaws call it, such as `message[2].field[0]`; empty: the file.
    pub path: String,
    pub table: &'t DeTable<'t>,
    pub span: Range<usize>,
    known: &'static Keyed,
}

impl<'t> Keys<'t> {
    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&'t Value<'t>> {
        let row = self.known.keys.iter().find(|row| row.0 == name);
        assert!(row.is_some(), "{name} is in no table of the schema");
        Some(self.table.get_key_value(name)?.1)
    }

    /// Whether it is written.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The path of a key.
    pub fn path_of(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

impl<'t> Reading<'t> {
    /// Of a file.
    pub fn of(text: &'t str) -> Self {
        Self {
            text,
            endian: Endian::Big,
            wrong: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// A table that has the keys of `known`.
    pub fn keys(&mut self, known: &'static Keyed, path: String, value: &'t Value<'t>) -> Option<Keys<'t>> {
        let Some(table) = value.get_ref().as_table() else {
            let label = format!("expected a table: {}", names(known));
            self.report(path, Wrong::value(value, label));
            return None;
        };
        Some(self.table(known, path, table, value.span()))
    }

    /// As `keys`, of a table that is already one.
    pub fn table(
        &mut self,
        known: &'static Keyed,
        path: String,
        table: &'t DeTable<'t>,
        span: Range<usize>,
    ) -> Keys<'t> {
        let names: Vec<_> = known.keys.iter().map(|row| row.0).collect();
        let keys = Keys {
            path,
            table,
            span,
            known,
        };
        for (key, _) in table.iter() {
            if !names.contains(&key.get_ref().as_ref()) {
                let path = keys.path_of(key.get_ref());
                self.report(path, section::unknown(key, "key", &names));
            }
        }
        keys
    }

    /// The value of a key, if it is written and right.
    pub fn read<T>(&mut self, keys: &Keys<'t>, name: &str, form: &impl Form<T>) -> Option<T> {
        let value = keys.get(name)?;
        self.value(keys.path_of(name), value, form)
    }

    /// A value that stands at `path`.
    pub fn value<T>(&mut self, path: String, value: &Value<'_>, form: &impl Form<T>) -> Option<T> {
        let mut wrong = Vec::new();
        let read = form.read(value, &mut wrong);
        for wrong in wrong {
            self.report(path.clone(), wrong);
        }
        read
    }

    /// As `read`, with what holds where the key is not written.
    pub fn read_or<T>(&mut self, keys: &Keys<'t>, name: &str, form: &impl Form<T>, otherwise: T) -> T {
        self.read(keys, name, form).unwrap_or(otherwise)
    }

    /// As `read`, of a key that must be there.
    pub fn must<T>(&mut self, keys: &Keys<'t>, name: &str, form: &impl Form<T>) -> Option<T> {
        self.need(keys, name)?;
        self.read(keys, name, form)
    }

    /// The value of a key that must be there.
    pub fn need(&mut self, keys: &Keys<'t>, name: &str) -> Option<&'t Value<'t>> {
        let value = keys.get(name);
        if value.is_none() {
            let row = keys.known.keys.iter().find(|row| row.0 == name);
            let (takes, about) = row.map_or(("", ""), |row| (row.1, row.3));
            let takes = takes.replace('`', "");
            let label = match takes.strip_prefix("see ") {
                Some(table) if table.starts_with('[') => format!("add {table}: {about}"),
                Some(_) => format!("add `{name}`: {about}"),
                None => format!("add `{name}` ({takes}): {about}"),
            };
            self.missing(keys, name, label);
        }
        value
    }

    /// Something must be written in a table that is not.
    pub fn missing(&mut self, keys: &Keys<'t>, name: &str, label: impl Into<String>) {
        let wrong = Wrong {
            span: keys.span.clone(),
            title: match keys.path.as_str() {
                "" => format!("the description has no `{name}`"),
                path => format!("{path} has no `{name}`"),
            },
            label: label.into(),
            help: None,
        };
        self.report(keys.path_of(name), wrong);
    }

    /// The value of a key is right alone, and wrong with others.
    pub fn object(&mut self, keys: &Keys<'t>, name: &str, label: impl Into<String>) {
        if let Some(value) = keys.get(name) {
            self.report(keys.path_of(name), Wrong::value(value, label));
        }
    }

    /// The tables of a list.
    pub fn tables(&mut self, keys: &Keys<'t>, name: &str) -> Vec<(String, &'t Value<'t>)> {
        let Some(value) = keys.get(name) else {
            return Vec::new();
        };
        let path = keys.path_of(name);
        let Some(items) = value.get_ref().as_array() else {
            let label = format!("expected a list of tables: [[{}]]", tables_name(&path));
            self.report(path, Wrong::value(value, label));
            return Vec::new();
        };
        let numbered = items.iter().enumerate();
        numbered
            .map(|(index, value)| (format!("{path}[{index}]"), value))
            .collect()
    }

    /// A mistake at `path`.
    pub fn report(&mut self, path: String, mut wrong: Wrong) {
        if wrong.title == WRONG_VALUE {
            wrong.title = format!("{WRONG_VALUE} for {path}");
        }
        self.wrong.push(wrong);
        self.broken.push(path);
    }

    /// Whether a flaw at `path` may be nothing but the consequence of what was already reported.
    pub fn follows(&self, path: &str) -> bool {
        self.broken.iter().any(|broken| {
            let table = broken.rfind('.').map_or(broken.as_str(), |end| &broken[..end]);
            let table = if table.is_empty() { broken } else { table };
            path.starts_with(table) || table.starts_with(path)
        })
    }
}

/// `message[2].field` as it stands in a header: `message.field`.
fn tables_name(path: &str) -> String {
    let without = path
        .split('.')
        .map(|part| part.split('[').next().unwrap_or_default());
    without.collect::<Vec<_>>().join(".")
}

fn names(known: &Keyed) -> String {
    let names: Vec<_> = known.keys.iter().map(|row| row.0).collect();
    format!("{{ {} }}", names.join(", "))
}
