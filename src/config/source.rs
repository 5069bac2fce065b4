//! Where settings come from: the file, then the environment, then `--set`, then named flags; later ones win.
//!
//! Each is a text of its own that is parsed and walked like the file, so that a mistake in `--set` or in a variable is
//! shown with its name and a caret just the same.

use super::form::quote;
use std::path::{Path, PathBuf};
use toml::de::DeTable;

/// A text and what it is called in messages.
#[derive(Clone, Debug)]
pub struct Source {
    /// File name, variable or flag.
    pub origin: String,
    /// TOML.
    pub text: String,
    /// A file or `--listen`: names the listeners to open instead of the default ones.
    pub lists_listeners: bool,
    /// From where the files that it names are looked for; `None`: the process's own folder.
    pub folder: Option<PathBuf>,
}

impl Source {
    /// The configuration file.
    pub fn file(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            origin: path.display().to_string(),
            text: std::fs::read_to_string(path)?,
            lists_listeners: true,
            folder: path.parent().map(Path::to_owned),
        })
    }

    /// `RINGWIRE_A__B=value` for each such variable, in the order of their names.
    ///
    /// Those without `__` are not ours to judge: orchestrators set `RINGWIRE_PORT` and the like for a service's name.
    pub fn environment(variables: impl Iterator<Item = (String, String)>) -> Vec<Self> {
        let mut sources: Vec<_> = variables
            .filter_map(|(name, value)| {
                let key = name.strip_prefix("RINGWIRE_")?;
                let key = match key {
                    "LOG" => "log.level".to_owned(),
                    _ if key.contains("__") => key.to_lowercase().replace("__", "."),
                    _ => return None,
                };
                Some(Self::setting(name.clone(), &key, &value))
            })
            .collect();
        sources.sort_by(|one, other| one.origin.cmp(&other.origin));
        sources
    }

    /// `key = value`, where a value that is not TOML is text: `--set listener.mqtt.bind=127.0.0.1:1884`.
    pub fn setting(origin: String, key: &str, value: &str) -> Self {
        let text = format!("{} = {}", path(key), value.trim());
        if !value.trim().is_empty() && DeTable::parse(&text).is_ok() {
            let lists_listeners = false;
            return Self {
                origin,
                text,
                lists_listeners,
                folder: None,
            };
        }
        Self::text(origin, key, value)
    }

    /// `key = "value"`.
    pub fn text(origin: String, key: &str, value: &str) -> Self {
        Self {
            origin,
            text: format!("{} = {}", path(key), quote(value)),
            lists_listeners: false,
            folder: None,
        }
    }
}

/// A dotted key; a part that TOML does not take bare is put in quotes.
fn path(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let parts: Vec<_> = key
        .split('.')
        .map(str::trim)
        .map(|part| match !part.is_empty() && part.chars().all(bare) {
            true => part.to_owned(),
            false => quote(part),
        })
        .collect();
    parts.join(".")
}
