//! Places in a text of TOML by path, such as `connection[2].step[0].out`.
//!
//! For what is found only after the text was read: a rule that another crate knows, or a vector that fails.

use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The span of the value at `path`, or of the nearest thing around it that is there.
pub fn locate(root: &Spanned<DeTable<'_>>, path: &str) -> Range<usize> {
    let mut span = 0..0;
    let mut table = Some(root.get_ref());
    let mut items: Option<&[Spanned<DeValue<'_>>]> = None;
    for part in parts(path) {
        let value = match part {
            Part::Key(key) => table.and_then(|table| Some(table.get_key_value(key)?.1)),
            Part::Index(index) => items.and_then(|items| items.get(index)),
        };
        let Some(value) = value else {
            break;
        };
        span = value.span();
        table = value.get_ref().as_table();
        items = value.get_ref().as_array().map(|array| array.as_ref());
    }
    span
}

/// The line of the value at `path`, from 1.
pub fn line(text: &str, path: &str) -> usize {
    let (root, _) = DeTable::parse_recoverable(text);
    let start = locate(&root, path).start;
    1 + text.get(..start).unwrap_or_default().matches('\n').count()
}

enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

fn parts(path: &str) -> impl Iterator<Item = Part<'_>> {
    let words = path.split(['.', '[', ']']).filter(|word| !word.is_empty());
    words.map(|word| match word.parse() {
        Ok(index) => Part::Index(index),
        Err(_) => Part::Key(word),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_value_or_to_what_is_around_it() {
        let text = "[[a]]\nx = 1\n[[a]]\ny = [2, 3]\n[[a.b]]\nz = { w = 4 }\n";
        let (root, _) = DeTable::parse_recoverable(text);
        let at = |path| &text[locate(&root, path)];
        assert_eq!(at("a[0].x"), "1");
        assert_eq!(at("a[1].y[1]"), "3");
        assert_eq!(at("a[1].b[0].z.w"), "4");
        assert_eq!(at("a[1].b[0].nothing"), "[[a.b]]");
        assert_eq!(at("a[0].nothing.at.all"), "[[a]]");
        assert_eq!(at("nothing"), "");
        assert_eq!(line(text, "a[1].y"), 4);
    }
}
