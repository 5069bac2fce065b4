//! What a filter with a special first level means: `$share/GROUP/FILTER`, `$queue/FILTER`, `$exclusive/TOPIC`.
//!
//! `$queue/FILTER` is EMQX's word for the group `$queue` and is the same group as `$share/$queue/FILTER`. Such filters do
//! not stand in each other.

use ringwire_codec::topic;
use std::sync::Arc;

/// Names a group: its ShareName and its filter, with a slash between them. An exclusive topic has no ShareName, which no
/// group may lack [MQTT-4.8.2-1].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

/// A filter that looks like one of a group, and is none: no ShareName, a wildcard in it, nothing behind it
/// [MQTT-4.8.2-2]; or a wildcard where one topic may be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl GroupName {
    /// `None` for an ordinary filter, whose validity is not looked at.
    pub(crate) fn parse(filter: &str) -> Option<Result<Self, BadName>> {
        if !topic::is_dollar(filter) {
            return None;
        }
        if let Some(rest) = filter.strip_prefix("$share/") {
            let (group, filter) = rest.split_once('/').unwrap_or((rest, ""));
            let is_named = !group.is_empty() && !topic::has_wildcard(group);
            return Some(Self::of(group, filter, is_named));
        }
        if let Some(filter) = filter.strip_prefix("$queue/") {
            return Some(Self::of("$queue", filter, true));
        }
        let topic = filter.strip_prefix("$exclusive/")?;
        Some(Self::of("", topic, !topic::has_wildcard(topic)))
    }

    /// A topic that one client claims.
    pub(crate) fn exclusive(topic: &str) -> Self {
        Self(format!("/{topic}").into())
    }

    fn of(group: &str, filter: &str, is_named: bool) -> Result<Self, BadName> {
        if !is_named || !topic::is_valid_filter(filter) || Self::parse(filter).is_some() {
            return Err(BadName);
        }
        Ok(Self(format!("{group}/{filter}").into()))
    }

    /// One member only.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.0.starts_with('/')
    }

    /// As a client would subscribe to it.
    pub(crate) fn text(&self) -> String {
        match self.0.strip_prefix('/') {
            Some(topic) => format!("$exclusive/{topic}"),
            None => format!("$share/{}", self.0),
        }
    }

    /// What is matched against topic names.
    pub(crate) fn filter(&self) -> &str {
        let (_, filter) = self.0.split_once('/').expect("a name has a slash");
        filter
    }

    /// What says on which shard the group is at home.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Bytes of the text.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(filter: &str) -> Option<Result<String, BadName>> {
        GroupName::parse(filter).map(|name| name.map(|name| name.0.to_string()))
    }

    #[test]
    fn a_group_is_named_by_its_share_name_and_its_filter() {
        for (filter, expected) in [
            ("$share/g/a/b", "g/a/b"),
            ("$share/g//finance", "g//finance"),
            ("$share/g/#", "g/#"),
            ("$share/g/$SYS/#", "g/$SYS/#"),
            ("$queue/a/+", "$queue/a/+"),
            ("$share/$queue/a/+", "$queue/a/+"),
            ("$exclusive/a/b", "/a/b"),
        ] {
            assert_eq!(name(filter), Some(Ok(expected.to_owned())), "{filter}");
        }
        let group = GroupName::parse("$share/g//x").and_then(Result::ok);
        assert_eq!(
            group.map(|group| group.filter().to_owned()),
            Some("/x".to_owned())
        );
    }

    #[test]
    fn what_is_no_group_is_an_ordinary_filter_or_refused() {
        for filter in [
            "a/b",
            "$share",
            "$shared/g/a",
            "$SYS/#",
            "$queue",
            "$exclusive",
            "#",
        ] {
            assert_eq!(name(filter), None, "{filter}");
        }
        for filter in [
            "$share/",
            "$share/g",
            "$share/g/",
            "$share//a",
            "$share/+/a",
            "$share/a#/a",
            "$share/g/a#",
            "$queue/",
            "$queue/a+",
            "$exclusive/",
            "$exclusive/a/#",
            "$exclusive/+",
            "$share/g/$share/h/a",
            "$share/g/$exclusive/a",
            "$exclusive/$queue/a",
        ] {
            assert_eq!(name(filter), Some(Err(BadName)), "{filter}");
        }
    }
}
