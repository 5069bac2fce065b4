//! A mistake in the configuration, with the place it was made, printed with file, line and a caret.

use super::form::Wrong;
use super::source::Source;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A span in one of the sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the source.
    pub source: usize,
    /// Bytes of its text.
    pub span: Range<usize>,
}

/// What is wrong, and where; without a place when it is about a default.
#[derive(Debug)]
pub struct Mistake {
    pub place: Option<Place>,
    pub wrong: Wrong,
}

impl Mistake {
    /// In a source.
    pub fn within(source: usize, wrong: Wrong) -> Self {
        let span = wrong.span.clone();
        let place = Some(Place { source, span });
        Self { place, wrong }
    }

    /// Between keys that are right on their own; `place` is where the one to change was set.
    pub fn between(place: Option<&Place>, title: impl Into<String>, label: impl Into<String>) -> Self {
        let wrong = Wrong {
            span: place.map_or(0..0, |place| place.span.clone()),
            title: title.into(),
            label: label.into(),
            help: None,
        };
        let place = place.cloned();
        Self { place, wrong }
    }

    /// Whether both are on one line of one source.
    pub fn shares_line(&self, other: &Self, sources: &[Source]) -> bool {
        let line = |mistake: &Self| {
            let place = mistake.place.as_ref()?;
            let before = sources.get(place.source)?.text.get(..place.span.start)?;
            Some((place.source, before.matches('\n').count()))
        };
        line(self).is_some() && line(self) == line(other)
    }
}

/// All mistakes of a configuration.
#[derive(Debug)]
pub struct Mistakes {
    /// Each, in the order of its place.
    pub list: Vec<Mistake>,
    /// Files that the sources name, with mistakes of their own: their index goes on behind the last source's.
    pub named: Vec<Source>,
}

impl Mistakes {
    /// As text for people.
    pub fn render(&self, sources: &[Source], colour: bool) -> String {
        let all: Vec<_> = sources.iter().chain(&self.named).cloned().collect();
        render(&self.list, &all, colour, "configuration")
    }
}

/// All mistakes as text for people; `what`: they are in.
pub fn render(mistakes: &[Mistake], sources: &[Source], colour: bool, what: &str) -> String {
    let texts: Vec<String> = sources
        .iter()
        .map(|source| without_secrets(&source.text))
        .collect();
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for mistake in mistakes {
        text += &render_one(mistake, (sources, &texts), &renderer);
        text += "\n\n";
    }
    let plural = if mistakes.len() == 1 { "" } else { "s" };
    text + &format!(
        "ringwire: error: {} mistake{plural} in the {what}",
        mistakes.len()
    )
}

/// A text with every password as stars, of the same length, so that spans stay right: it may end up on a screen or in a
/// log. A key that nearly says password counts too.
fn without_secrets(text: &str) -> String {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut secrets = Vec::new();
    find_secrets(root.get_ref(), &mut secrets);
    secrets.extend(
        text.match_indices("password")
            .filter_map(|(at, word)| quoted_after(text, at + word.len())),
    );
    let mut bytes = text.as_bytes().to_vec();
    for secret in secrets {
        if let Some(secret) = bytes.get_mut(secret) {
            secret
                .iter_mut()
                .filter(|byte| !b"\"'\r\n".contains(byte))
                .for_each(|byte| *byte = b'*');
        }
    }
    // Whole values were replaced by ASCII, so nothing is cut apart.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The value of a key that ends at `at`, up to its closing quote or the end of the line: found also in a text that is
/// not TOML, of which the tree has only a part.
fn quoted_after(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text[at..].trim_start_matches(['"', '\'']).trim_start();
    let value = rest.strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let start = text.len() - value.len() + 1;
    let length = text[start..].find([quote, '\n']).unwrap_or(text.len() - start);
    Some(start..start + length)
}

fn find_secrets(table: &DeTable<'_>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in table.iter() {
        if strsim::damerau_levenshtein(key.get_ref(), "password") <= 2 {
            secrets.push(value.span());
        }
        look_into(value.get_ref(), secrets);
    }
}

fn look_into(value: &DeValue<'_>, secrets: &mut Vec<Range<usize>>) {
    if let Some(table) = value.as_table() {
        find_secrets(table, secrets);
    }
    for item in value.as_array().into_iter().flat_map(|items| items.iter()) {
        look_into(item.get_ref(), secrets);
    }
}

fn render_one(mistake: &Mistake, (sources, texts): (&[Source], &[String]), renderer: &Renderer) -> String {
    let Wrong {
        title, label, help, ..
    } = &mistake.wrong;
    let headline = Level::ERROR.primary_title(title.as_str());
    let Some(place) = &mistake.place else {
        let report = [headline.element(Level::NOTE.message(label.as_str()))];
        return renderer.render(&report);
    };
    let source = &sources[place.source];
    let mark = AnnotationKind::Primary
        .span(place.span.clone())
        .label(label.as_str());
    let mut group = headline.element(
        Snippet::source(texts[place.source].as_str())
            .path(source.origin.as_str())
            .annotation(mark),
    );
    if let Some(help) = help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}
