//! The protocols that are known by name, and how the file of another one is opened.
//!
//! Built in is what is written in code; shipped are the descriptions of `adapters/`, which the binary carries.

use super::describe;
use super::module;
use crate::config::mistake::{Mistake, render};
use crate::config::source::Source;
use ringwire_codec::adapter::Blueprint;
use ringwire_codec::adapter::described::Described;
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_codec::adapter::jt808::Jt808;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A protocol that can be spoken.
#[derive(Clone, Debug)]
pub struct Known {
    pub name: String,
    /// One line for people.
    pub about: String,
    pub blueprint: Arc<dyn Blueprint>,
    /// The file that it was read from.
    pub file: Option<PathBuf>,
    /// What explains itself: a description.
    pub described: Option<Described>,
    /// Of a module.
    pub limits: Option<module::Settings>,
    /// Its client ids are names in TLS certificates.
    pub needs_certificate: bool,
}

impl Known {
    /// What it calls itself.
    pub fn protocol(&self) -> String {
        self.blueprint.name().to_owned()
    }
}

/// What is built in, with one line each.
pub const BUILT_IN: [(&str, &str); 2] = [
    (
        "emqtcp",
        "EMQ's private TCP protocol, version 1; also a listener type of its own",
    ),
    (
        "jt808",
        "JT/T 808-2013 and 2019: vehicles in China, as JSON in the field names of EMQX",
    ),
];

/// The descriptions that are shipped: name and text.
pub const SHIPPED: [(&str, &str); 4] = [
    ("gbt32960", include_str!("../../adapters/gbt32960.toml")),
    ("gt06", include_str!("../../adapters/gt06.toml")),
    ("meter", include_str!("../../adapters/meter.toml")),
    ("wialon", include_str!("../../adapters/wialon.toml")),
];

/// A protocol that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing has this name.
    #[error("there is no adapter `{name}`: not a file, not in the configuration, not among {}", known.join(", "))]
    Unknown {
        /// As asked.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Vectors cannot be read.
    #[error(
        "cannot read the vectors {path}: {source}; name the file NAME.vectors.toml, or the description NAME.toml that it \
         stands beside"
    )]
    Vectors {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A module that cannot be used.
    #[error("{0}")]
    Module(String),
    /// Mistakes in a file, already as text with the last line.
    #[error("{0}")]
    Mistakes(String),
}

/// The names of both.
pub fn names() -> Vec<String> {
    let all = BUILT_IN.iter().chain(&SHIPPED);
    all.map(|(name, _)| (*name).to_owned()).collect()
}

/// Built in or shipped.
pub fn named(name: &str) -> Option<Known> {
    built_in(name).or_else(|| shipped(name))
}

/// Built in, with its own defaults.
pub fn built_in(name: &str) -> Option<Known> {
    let (name, about) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    let blueprint: Arc<dyn Blueprint> = match *name {
        "emqtcp" => Arc::new(EmqTcp::default()),
        "jt808" => Arc::new(Jt808::default()),
        _ => return None,
    };
    Some(Known {
        name: (*name).to_owned(),
        about: (*about).to_owned(),
        blueprint,
        file: None,
        described: None,
        limits: None,
        needs_certificate: false,
    })
}

/// Shipped.
pub fn shipped(name: &str) -> Option<Known> {
    let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
    let read = describe::read(text);
    Some(described(
        read.expect("tested: every shipped description is right"),
    ))
}

/// As a listener takes it.
pub fn described(read: describe::Read) -> Known {
    Known {
        name: read.described.name().to_owned(),
        about: read.about,
        blueprint: Arc::new(read.described.clone()),
        file: None,
        limits: None,
        described: Some(read.described),
        needs_certificate: read.needs_certificate,
    }
}

/// The file of a description, or of a module.
pub fn open(path: &Path, colour: bool) -> Result<Known, Unusable> {
    if path.extension().is_some_and(|extension| extension == "wasm") {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        return module::open(&name, path, module::Settings::default()).map_err(Unusable::Module);
    }
    let source = read(path)?;
    match describe::read(&source.text) {
        Ok(read) => {
            let file = Some(path.to_owned());
            Ok(Known {
                file,
                ..described(read)
            })
        }
        Err(wrong) => {
            let mistakes: Vec<_> = wrong.into_iter().map(|wrong| Mistake::within(0, wrong)).collect();
            Err(Unusable::Mistakes(render(
                &mistakes,
                &[source],
                colour,
                "description",
            )))
        }
    }
}

/// A file as a source of mistakes.
pub fn read(path: &Path) -> Result<Source, Unusable> {
    Source::file(path).map_err(|source| Unusable::File {
        path: path.display().to_string(),
        source,
    })
}
