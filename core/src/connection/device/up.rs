//! The up topic of a listener: text, the names of the device, and fields of what it sent.
//!
//! Taken apart once. What a device chose is put in as it is, after a check that it changes no more than the place it
//! stands at; `%c` and `%u` were checked at the greeting.

use crate::placeholder::{self, Names};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// With `%c` and `%u` in it.
    Text(String),
    /// Index into `wanted`.
    Field(usize),
}

/// An up topic that was taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpTopic {
    pieces: Vec<Piece>,
    wanted: Vec<String>,
}

impl UpTopic {
    /// `fields`: those that the adapter has; anything else in braces is text.
    pub(crate) fn parse(text: &str, fields: &[String]) -> Self {
        let (mut pieces, mut wanted) = (Vec::new(), Vec::new());
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_braces(rest) {
            plain.push_str(before);
            if fields.iter().any(|field| field == name) {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Field(wanted.len()));
                wanted.push(name.to_owned());
            } else {
                plain.push_str(&rest[before.len()..rest.len() - after.len()]);
            }
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Self { pieces, wanted }
    }

    /// The fields, in order.
    pub(crate) fn wanted(&self) -> &[String] {
        &self.wanted
    }

    /// Appends the topic to `out`. False when a value would change more than its place, or is missing.
    pub(crate) fn fill(
        &self,
        names: Names<'_>,
        values: &[String],
        allow_slash: bool,
        out: &mut String,
    ) -> bool {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => placeholder::fill(text, names, out),
                Piece::Field(at) => match values.get(*at) {
                    // `$SYS`, `$delayed`, ... are the operator's to name.
                    Some(value) if out.is_empty() && value.starts_with('$') => return false,
                    Some(value) if fits(value, allow_slash) => out.push_str(value),
                    Some(_) | None => return false,
                },
            }
        }
        true
    }
}

/// A value that stays at its place in a topic.
fn fits(value: &str, allow_slash: bool) -> bool {
    let changes = |c: char| c.is_control() || c == '+' || c == '#' || (c == '/' && !allow_slash);
    !value.contains(changes)
}

/// The first name in braces: what stands before it, the name, what stands behind.
fn next_braces(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('{')?;
    let close = open + text[open..].find('}')?;
    Some((&text[..open], &text[open + 1..close], &text[close + 1..]))
}

/// The names that an up topic has in braces; what a description's fields are checked against before a node runs.
pub fn names_in_braces(up_topic: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = up_topic;
    while let Some((_, name, after)) = next_braces(rest) {
        names.push(name);
        rest = after;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_they_are_named_and_change_nothing_else() {
        let fields = ["kind".to_owned(), "n".to_owned()];
        let up = UpTopic::parse("m/%c/{kind}/{no}/{n}{kind}", &fields);
        assert_eq!(up.wanted(), ["kind", "n", "kind"]);
        let names = Names {
            client_id: "c",
            username: None,
        };
        let filled = |values: [&str; 3], allow_slash| {
            let mut out = String::new();
            let values = values.map(str::to_owned);
            up.fill(names, &values, allow_slash, &mut out).then_some(out)
        };
        assert_eq!(filled(["%c", "7", ""], false).as_deref(), Some("m/c/%c/{no}/7"));
        for value in ["+", "a#", "a/b", "\0", "\u{7f}"] {
            assert_eq!(filled([value, "", ""], false), None, "{value:?}");
        }
        assert_eq!(filled(["a/b", "", ""], true).as_deref(), Some("m/c/a/b/{no}/"));
        assert!(!up.fill(names, &[], false, &mut String::new()));
        let first = UpTopic::parse("{kind}/%c", &fields);
        for (value, is_fine) in [("$SYS", false), ("S$", true), ("", true)] {
            let values = [value.to_owned()];
            assert_eq!(
                first.fill(names, &values, false, &mut String::new()),
                is_fine,
                "{value}"
            );
        }
        assert_eq!(names_in_braces("m/%c/{kind}/{no}/{"), ["kind", "no"]);
    }
}
