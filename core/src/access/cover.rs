//! Whether one filter covers another: matches every name that the other matches. A name is a filter without wildcards.
//!
//! A `$`-topic is covered only by a filter that names its first level, as in matching (5.0 section 4.7.2).

use super::Asker;
use crate::placeholder::{self, Names};
use ringwire_codec::topic;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// True when every topic name that the valid filter `filter` matches is matched by the valid filter `rule` too.
pub fn covers(rule: &str, filter: &str) -> bool {
    let levels = topic::levels(rule).map(|level| Wanted::of(level, Cow::Borrowed));
    covers_levels(levels.flatten(), filter)
}

/// As [`covers`], after `%c` and `%u` in `rule` were replaced, as text, by what the asker is called. A rule that asks for
/// the username of a client without one covers nothing.
pub(super) fn rule_covers(rule: &str, asker: Asker<'_>, filter: &str) -> bool {
    if !rule.contains('%') {
        return covers(rule, filter);
    }
    if placeholder::wants_username(rule) && asker.username.is_none() {
        return false;
    }
    let levels = topic::levels(rule).map(|level| Wanted::of(level, |text| replace(text, asker)));
    covers_levels(levels.flatten(), filter)
}

/// One level of a rule.
enum Wanted<'a> {
    /// `+`.
    Any,
    /// `#`.
    Rest,
    /// Exactly this text, never a wildcard of the other side.
    Text(Cow<'a, str>),
}

impl<'a> Wanted<'a> {
    /// What one level of a rule's own text becomes: several when a client id with `/` is put into it.
    fn of(level: &'a str, replace: impl Fn(&'a str) -> Cow<'a, str>) -> SmallVec<[Self; 1]> {
        match level {
            "+" => smallvec![Self::Any],
            "#" => smallvec![Self::Rest],
            text => match replace(text) {
                Cow::Borrowed(text) => smallvec![Self::Text(Cow::Borrowed(text))],
                Cow::Owned(text) => topic::levels(&text)
                    .map(|part| Self::Text(part.to_owned().into()))
                    .collect(),
            },
        }
    }
}

fn replace<'a>(text: &'a str, asker: Asker<'_>) -> Cow<'a, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let names = Names {
        client_id: asker.client_id,
        username: asker.username,
    };
    let mut replaced = String::new();
    placeholder::fill(text, names, &mut replaced);
    Cow::Owned(replaced)
}

fn covers_levels<'a>(mut wanted: impl Iterator<Item = Wanted<'a>>, filter: &str) -> bool {
    let mut given = topic::levels(filter);
    let mut is_first = true;
    // A leading wildcard of the rule reaches neither `$`-names nor filters that start with `$`.
    let hidden = topic::is_dollar(filter);
    loop {
        let (want, give) = (wanted.next(), given.next());
        match (want, give) {
            (Some(Wanted::Any | Wanted::Rest), _) if is_first && hidden => return false,
            (Some(Wanted::Rest), _) => return true,
            (Some(Wanted::Any), Some(level)) if level != "#" => {}
            (Some(Wanted::Text(text)), Some(level)) if text == level && !is_wildcard(level) => {}
            (None, None) => return true,
            (Some(_), _) | (None, Some(_)) => return false,
        }
        is_first = false;
    }
}

fn is_wildcard(level: &str) -> bool {
    level == "+" || level == "#"
}
