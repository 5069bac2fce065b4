//! The output: TOML with the user's comments, what was left out as comments behind each listener, and the same as lines
//! for standard error.
//!
//! Values of keys that name a password are not shown. Long values are shown in part.

use super::Migrated;
use super::plan::{Entry, Left, Listener, Plan};
use std::fmt::Write;
use std::path::Path;

/// Characters of a value that are shown.
const SHOWN_MAX: usize = 60;

const MQTT: &str = "\
# MQTT, for the applications: EMQX has it in etc/emqx.conf, which is not read here. A file that names a listener opens only
# those that it names.
[listener.mqtt]
type = \"mqtt\"
bind = \"127.0.0.1:1883\"
";

/// Everything that is to be said about a plan.
pub(super) fn written(plan: &Plan<'_>, path: &Path) -> Migrated {
    let path = path.display();
    let mut toml = format!(
        "# Made by `ringwire migrate` of {}.\n\
         # What was not carried over stands as a comment behind its listener.\n\n{MQTT}",
        plain(&path.to_string())
    );
    for (index, listener) in plan.listeners.iter().enumerate() {
        toml += &table(listener, &plan.shared, index == 0);
    }
    if !plan.left.is_empty() {
        toml += "\n";
    }
    toml += &left_out(&plan.left, "Of the file");
    let mut all: Vec<_> = plan
        .listeners
        .iter()
        .flat_map(|listener| &listener.left)
        .collect();
    all.extend(&plan.left);
    all.sort_by_key(|left| left.line);
    let mut notes = String::new();
    for left in &all {
        let kind = kind(left);
        let _ = writeln!(
            notes,
            "ringwire: {kind}: {path}:{}: {}: {}",
            left.line,
            shown(left),
            left.reason
        );
    }
    for listener in &plan.listeners {
        for reason in &listener.closed {
            let _ = writeln!(
                notes,
                "ringwire: to do: [listener.{}] is not enabled: {reason}",
                listener.name
            );
        }
    }
    let work = all.iter().filter(|left| left.is_work).count();
    let has_work = work > 0 || plan.listeners.iter().any(|listener| !listener.closed.is_empty());
    let entries = plan
        .listeners
        .iter()
        .map(|listener| listener.entries.len())
        .sum::<usize>();
    let summary = format!(
        "ringwire: {path}: {} keys carried over, {work} left to do, {} without a meaning here",
        entries + plan.shared.len(),
        all.len() - work
    );
    Migrated {
        toml,
        notes,
        summary,
        has_work,
    }
}

/// `[listener.NAME]`; the comments of shared keys stand at the first.
fn table(listener: &Listener<'_>, shared: &[Entry<'_>], is_first: bool) -> String {
    let mut text = format!("\n[listener.{}]\ntype = \"emqtcp\"\n", key(&listener.name));
    for reason in &listener.closed {
        let _ = writeln!(text, "# Not enabled: {reason}.");
    }
    if !listener.closed.is_empty() {
        text += "enabled = false\n";
    }
    for entry in &listener.entries[..1] {
        text += &line(entry, true);
    }
    for entry in shared {
        text += &line(entry, is_first);
    }
    for entry in &listener.entries[1..] {
        text += &line(entry, true);
    }
    text + &left_out(&listener.left, "Of this listener")
}

fn line(entry: &Entry<'_>, with_comments: bool) -> String {
    let mut text = String::new();
    for comment in entry.comments.iter().filter(|_| with_comments) {
        let _ = writeln!(text, "# {}", plain(comment));
    }
    if let Some(remark) = entry.remark {
        let _ = writeln!(text, "# {}: {remark}.", entry.key);
    }
    let _ = writeln!(text, "{} = {}", entry.key, entry.value);
    text
}

fn left_out(left: &[Left<'_>], of: &str) -> String {
    if left.is_empty() {
        return String::new();
    }
    let mut text = format!("# {of}, not carried over:\n");
    for left in left {
        let _ = writeln!(
            text,
            "# - line {}: {}\n#   {}: {}.",
            left.line,
            shown(left),
            kind(left),
            left.reason
        );
    }
    text
}

fn kind(left: &Left<'_>) -> &'static str {
    if left.is_work { "to do" } else { "nothing to do" }
}

/// `key = value`, as far as it may be seen.
fn shown(left: &Left<'_>) -> String {
    if left.key.contains("password") {
        return format!("{} = ***", left.key);
    }
    let mut value: String = left.value.chars().take(SHOWN_MAX).collect();
    if value.len() < left.value.len() {
        value += "...";
    }
    format!("{} = {}", left.key, plain(&value))
}

/// A comment of TOML has no control characters.
fn plain(text: &str) -> String {
    let kept = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(kept).collect()
}

/// A name that TOML takes bare, or in quotes.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match name.chars().all(bare) {
        true => name.to_owned(),
        false => toml::Value::String(name.to_owned()).to_string(),
    }
}
