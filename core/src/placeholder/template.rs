//! A text of the configuration with places in it: taken apart once, at start, filled as often as needed.
//!
//! Knows Ringwire's spelling (`%c`, `%u`) and EMQX's (`${clientid}`, `${username}`, `${host}`, `${port}`), and `$1` to
//! `$99` for the groups of a regular expression. Anything else is text. What is put in is never looked at again.

use std::fmt::Write;
use std::net::SocketAddr;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    ClientId,
    Username,
    Host,
    Port,
    /// A group of a regular expression, from 1.
    Group(usize),
}

/// Text, or a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(Place),
}

/// A text that was taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

/// What is put into the places.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Values<'a> {
    pub(crate) client_id: Option<&'a str>,
    pub(crate) username: Option<&'a str>,
    pub(crate) peer: Option<SocketAddr>,
}

/// Places that are words; `$N` is read apart.
const WORDS: [(&str, Place); 6] = [
    ("%c", Place::ClientId),
    ("%u", Place::Username),
    ("${clientid}", Place::ClientId),
    ("${username}", Place::Username),
    ("${host}", Place::Host),
    ("${port}", Place::Port),
];

/// Digits of a group's number.
const GROUP_DIGITS: usize = 2;

impl Template {
    /// Takes a text apart. Every text is a template.
    pub(crate) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['%', '$']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let (place, length) = place_of(rest).map_or((None, 1), |(place, length)| (Some(place), length));
            match place {
                None => plain.push_str(&rest[..length]),
                Some(place) => {
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Place(place));
                }
            }
            rest = &rest[length..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Self(pieces)
    }

    /// Its places, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Place(place) => Some(*place),
        })
    }

    /// The text with everything put in; `None` when something is not known. `group`: the text of a group.
    pub(crate) fn fill<'g>(
        &self,
        values: Values<'_>,
        group: impl Fn(usize) -> Option<&'g str>,
    ) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Place(Place::ClientId) => out.push_str(values.client_id?),
                Piece::Place(Place::Username) => out.push_str(values.username?),
                Piece::Place(Place::Group(number)) => out.push_str(group(*number)?),
                // Writing to a string cannot fail.
                Piece::Place(Place::Host) => drop(write!(out, "{}", values.peer?.ip())),
                Piece::Place(Place::Port) => drop(write!(out, "{}", values.peer?.port())),
            }
        }
        Some(out)
    }
}

/// The place that a text starts with, and its length.
fn place_of(text: &str) -> Option<(Place, usize)> {
    if let Some((word, place)) = WORDS.iter().find(|(word, _)| text.starts_with(word)) {
        return Some((*place, word.len()));
    }
    let digits = text.strip_prefix('$')?.bytes().take(GROUP_DIGITS);
    let digits = digits.take_while(u8::is_ascii_digit).count();
    let number: usize = text.get(1..1 + digits)?.parse().ok()?;
    (number > 0).then_some((Place::Group(number), 1 + digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_filled_and_nothing_is_filled_twice() {
        let values = Values {
            client_id: Some("${username}"),
            username: Some("$1"),
            peer: Some("10.0.0.7:5000".parse().unwrap()),
        };
        let rows = [
            ("%c|${clientid}", "${username}|${username}"),
            ("%u/${username}", "$1/$1"),
            ("h/${host}/${port}", "h/10.0.0.7/5000"),
            ("$1-$2-$10", "one-two-ten"),
            ("100%/$/${x}/$x/%%c", "100%/$/${x}/$x/%${username}"),
            ("$0", "$0"),
            ("ä$1ö", "äoneö"),
            ("", ""),
        ];
        for (text, expected) in rows {
            let group = |number| match number {
                1 => Some("one"),
                2 => Some("two"),
                10 => Some("ten"),
                _ => None,
            };
            let filled = Template::parse(text).fill(values, group);
            assert_eq!(filled.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_fills_nothing() {
        for text in ["%c", "${username}", "${host}", "${port}", "$1"] {
            assert_eq!(
                Template::parse(text).fill(Values::default(), |_| None),
                None,
                "{text}"
            );
        }
    }
}
