//! `ringwire migrate FILE`: an `emqx_tcp.conf` of EMQX 4 becomes our TOML, on standard output.
//!
//! `migrate/conf.rs` reads lines, `migrate/keys.rs` says what becomes of each key, `migrate/values.rs` reads EMQX's spellings,
//! `migrate/plan.rs` puts listeners together, `migrate/write.rs` writes them. Nothing is left out in silence: what is not
//! carried over is named with its line, its value and what to do, in the output and on standard error. A listener that
//! would be open wider than it was (TLS, access rules, the PROXY protocol) is described but not enabled.

mod conf;
mod keys;
mod plan;
#[cfg(test)]
mod tests;
mod values;
mod write;

use crate::config::{Source, load};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::Args;
use std::path::{Path, PathBuf};

/// What `ringwire migrate --help` says behind the flags.
pub const ABOUT: &str = "\
Reads etc/plugins/emqx_tcp.conf of EMQX Enterprise 3 and 4 and prints a configuration for ringwire:
  ringwire migrate emqx_tcp.conf > ringwire.toml && ringwire check -c ringwire.toml

Keys that are not carried over are named with line, value and reason, in the output and on standard error. A listener that
would be open wider than it was (TLS, access rules, PROXY protocol) gets `enabled = false`. Comments with a single # above
or behind a key are kept; those with ## are EMQX's own. Values may stand in quotes, as from EMQX 4.3 on.

Exit codes: 0 all carried over, or without a meaning here; 3 the same, but some keys need you; 2 a line that cannot be read,
with nothing on standard output.";

/// What the command line says.
#[derive(Args, Debug)]
pub struct Migrate {
    /// An emqx_tcp.conf
    pub file: PathBuf,
}

/// What came out.
#[derive(Debug)]
pub struct Migrated {
    /// The configuration.
    pub toml: String,
    /// One line for each key that was not carried over.
    pub notes: String,
    /// The last line: what was done.
    pub summary: String,
    /// Some keys need somebody.
    pub has_work: bool,
}

/// A line that cannot be read, or a key that does not exist.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    span: std::ops::Range<usize>,
    title: String,
    label: String,
    help: Option<String>,
}

impl Mistake {
    fn new(span: std::ops::Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            span,
            title: title.into(),
            label: label.into(),
            help: None,
        }
    }
}

/// Turns the text of a file into a configuration.
///
/// # Errors
/// Every mistake, with line and caret.
pub fn migrate(path: &Path, text: &str, colour: bool) -> Result<Migrated, String> {
    // Some editors put a mark of byte order before the first line.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (settings, mut mistakes) = conf::read(text);
    let plan = plan::Plan::of(&settings, &mut mistakes);
    if mistakes.is_empty() && plan.listeners.is_empty() {
        let end = text.trim_end().len();
        let title = "no listener";
        let label = "expected a line like tcp.listener.external = 0.0.0.0:8090";
        mistakes.push(Mistake::new(end..end, title, label));
    }
    if mistakes.is_empty() {
        let migrated = write::written(&plan, path);
        return accepted(&migrated, path, colour).map(|()| migrated);
    }
    mistakes.sort_by_key(|mistake| mistake.span.start);
    Err(render(&mistakes, path, text, colour))
}

/// What stands between listeners, such as an address that two of them have, shows only in the whole.
fn accepted(migrated: &Migrated, path: &Path, colour: bool) -> Result<(), String> {
    let source = Source {
        origin: format!("what {} would become", path.display()),
        text: migrated.toml.clone(),
        lists_listeners: true,
        folder: None,
    };
    let sources = [source];
    load(&sources, &[0])
        .map(|_| ())
        .map_err(|mistakes| mistakes.render(&sources, colour))
}

fn render(mistakes: &[Mistake], path: &Path, text: &str, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let path = path.display().to_string();
    let text = without_secrets(text);
    let mut report = String::new();
    for mistake in mistakes {
        let mark = AnnotationKind::Primary
            .span(mistake.span.clone())
            .label(mistake.label.as_str());
        let snippet = Snippet::source(text.as_str())
            .path(path.as_str())
            .annotation(mark);
        let mut group = Level::ERROR
            .primary_title(mistake.title.as_str())
            .element(snippet);
        if let Some(help) = &mistake.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        report += &renderer.render(&[group]);
        report += "\n\n";
    }
    let plural = if mistakes.len() == 1 { "" } else { "s" };
    report
        + &format!(
            "ringwire: error: {} mistake{plural} in {path}: nothing was written",
            mistakes.len()
        )
}

/// With stars for what stands behind `=` where a key names a password, of the same length, so that spans stay right.
fn without_secrets(text: &str) -> String {
    let masked = text.split_inclusive('\n').map(|line| {
        let secret = line.split_once('=').filter(|(key, _)| key.contains("password"));
        let Some((key, value)) = secret else {
            return line.to_owned();
        };
        let star = |byte: u8| match byte {
            b' ' | b'\t' | b'\r' | b'\n' => char::from(byte),
            _ => '*',
        };
        format!("{key}={}", value.bytes().map(star).collect::<String>())
    });
    masked.collect()
}
