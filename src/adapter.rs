//! `ringwire adapter`: what private protocols are known, how their bytes are read, and whether vectors hold.
//!
//! A description is read from its file here (`describe`) and becomes what a listener speaks; what it means is
//! `ringwire_codec`'s. The configuration asks here for what its `[adapter.NAME]` tables name.

pub mod catalogue;
mod decode;
pub mod describe;
pub mod hex;
mod line;
pub mod module;
pub mod reload;
pub mod tree;
mod trial;
mod vectors;

#[cfg(test)]
mod tests;

use crate::command::adapter::{Adapter, Decode, Test};
use crate::config::Config;
use catalogue::{BUILT_IN, Known, SHIPPED, Unusable};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Why the command ends without success.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// Nothing to speak.
    #[error("{}", said(.0))]
    Unusable(#[from] Unusable),
    /// The command line.
    #[error("ringwire: error: {0}")]
    Usage(String),
    /// `decode` came upon bytes that cannot be read.
    #[error("ringwire: error: these bytes close the connection: {0}")]
    Unreadable(String),
    /// `test` found differences, which are printed.
    #[error("ringwire: error: {0} of {1} connections are not as their vectors say")]
    Different(usize, usize),
}

impl AdapterError {
    /// A mistake in a file or on the command line.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Unusable(_) | Self::Usage(_) => true,
            Self::Unreadable(_) | Self::Different(..) => false,
        }
    }
}

/// Mistakes in a file have their last line already.
fn said(unusable: &Unusable) -> String {
    match unusable {
        Unusable::Mistakes(text) => text.clone(),
        Unusable::Unknown { .. } | Unusable::File { .. } | Unusable::Vectors { .. } | Unusable::Module(_) => {
            format!("ringwire: error: {unusable}")
        }
    }
}

/// What goes to standard output, and how it ended.
pub type Printed = (String, Result<(), AdapterError>);

/// `ringwire adapter list`
pub fn list(config: &Config) -> String {
    let mut text = String::new();
    let mut group = |title: &str, rows: Vec<Known>| {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}");
        for known in rows {
            let _ = writeln!(text, "  {:<12} {}", known.name, known.about);
            let fields = known.blueprint.fields();
            if !fields.is_empty() {
                let fields: Vec<_> = fields.iter().map(|field| format!("{{{field}}}")).collect();
                let _ = writeln!(text, "  {:<12} fields for up_topic: {}", "", fields.join(" "));
            }
        }
    };
    let built_in = BUILT_IN.iter().filter_map(|(name, _)| catalogue::built_in(name));
    group("built in", built_in.collect());
    let shipped = SHIPPED.iter().filter_map(|(name, _)| catalogue::shipped(name));
    group("shipped (builtin = \"NAME\" takes these too)", shipped.collect());
    group("configured", config.known_adapters());
    text
}

/// `ringwire adapter decode`
pub fn decode(arguments: &Decode, config: &Config, colour: bool) -> Result<Printed, AdapterError> {
    let known = find(&arguments.what, config, colour)?;
    let bytes = decode::bytes(&arguments.bytes, arguments.text).map_err(AdapterError::Usage)?;
    Ok(decode::decode(&known, &bytes, &arguments.down))
}

fn find(what: &str, config: &Config, colour: bool) -> Result<Known, AdapterError> {
    let configured = config.known_adapters();
    if let Some(known) = configured.iter().find(|known| known.name == what) {
        return Ok(known.clone());
    }
    let path = Path::new(what);
    if path.is_file() || path.extension().is_some() {
        return Ok(catalogue::open(path, colour)?);
    }
    let known = catalogue::named(what);
    known.ok_or_else(|| {
        let names = BUILT_IN
            .iter()
            .chain(&SHIPPED)
            .map(|(name, _)| (*name).to_owned());
        let configured = configured.iter().map(|known| known.name.clone());
        let unknown = Unusable::Unknown {
            name: what.to_owned(),
            known: names.chain(configured).collect(),
        };
        unknown.into()
    })
}

/// `ringwire adapter test`
pub fn test(arguments: &Test, colour: bool) -> Result<Printed, AdapterError> {
    let (mut text, mut bad, mut all) = (String::new(), 0, 0);
    for file in &arguments.files {
        let path = beside(file);
        let source = catalogue::read(&path).map_err(of_vectors)?;
        let vectors = vectors::read(&source, colour)?;
        let known = spoken(&vectors, &path, colour)?;
        let differences = trial::run(known.blueprint.as_ref(), &vectors, &source);
        for difference in &differences {
            let _ = write!(text, "{difference}");
        }
        let steps: usize = vectors
            .connections
            .iter()
            .map(|connection| connection.steps.len())
            .sum();
        let connections = vectors.connections.len();
        let verdict = match differences.len() {
            0 => "ok".to_owned(),
            count => format!("FAILED in {count}"),
        };
        let _ = writeln!(
            text,
            "{}: {verdict}: {} with {connections} connections, {steps} steps",
            path.display(),
            known.name
        );
        bad += differences.len();
        all += connections;
    }
    let done = match bad {
        0 => Ok(()),
        bad => Err(AdapterError::Different(bad, all)),
    };
    Ok((text, done))
}

/// Who named a description, or a name, is told what file is looked for.
fn of_vectors(error: Unusable) -> Unusable {
    match error {
        Unusable::File { path, source } => Unusable::Vectors { path, source },
        other @ (Unusable::Unknown { .. }
        | Unusable::Vectors { .. }
        | Unusable::Module(_)
        | Unusable::Mistakes(_)) => other,
    }
}

const VECTORS: &str = ".vectors.toml";

/// The vectors of a description.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(VECTORS) {
        return file.to_owned();
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}{VECTORS}"))
}

/// What the vectors are about: what they name, or the description beside them.
fn spoken(vectors: &vectors::Vectors, path: &Path, colour: bool) -> Result<Known, AdapterError> {
    if let Some(adapter) = &vectors.adapter {
        return adapter.alone().map_err(AdapterError::Usage);
    }
    if let Some(name) = &vectors.builtin {
        return find(name, &Config::default(), colour);
    }
    let file = match &vectors.file {
        Some(file) => path.with_file_name(file),
        None => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{}.toml", name.trim_end_matches(VECTORS)))
        }
    };
    Ok(catalogue::open(&file, colour)?)
}

/// What `ringwire adapter` was asked for; `config`: reads the configuration that it names.
pub fn run<E: From<AdapterError>>(
    what: &Adapter,
    config: impl Fn(&crate::command::Options) -> Result<Config, E>,
    colour: bool,
) -> Result<(String, Result<(), E>), E> {
    let (text, done) = match what {
        Adapter::List(options) => (list(&config(options)?), Ok(())),
        Adapter::Decode(arguments) => decode(arguments, &config(&arguments.options)?, colour)?,
        Adapter::Keys => (describe::schema::reference(), Ok(())),
        Adapter::Test(arguments) => test(arguments, colour)?,
    };
    Ok((text, done.map_err(E::from)))
}
