//! Walks the topics that a wildcard filter matches, in a map sorted by levels.
//!
//! With NUL (which no topic contains) for `/`, the order of bytes is the order of levels: a topic stands right before all
//! that is under it. At a topic that does not match, the walk knows the next one that could, and jumps there.

use ringwire_codec::topic;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A topic name with NUL for `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LevelKey(Box<[u8]>);

const SEPARATOR: u8 = 0;

/// Stands behind everything under a prefix: the byte after the separator.
const BEHIND: u8 = SEPARATOR + 1;

/// Topics looked at one after the other before a jump: a neighbour is cheaper than a search from the root.
const STEPS_MAX: usize = 8;

impl LevelKey {
    pub(super) fn of(topic: &[u8]) -> Self {
        Self(
            topic
                .iter()
                .map(|byte| if *byte == b'/' { SEPARATOR } else { *byte })
                .collect(),
        )
    }

    /// The first key behind this one.
    fn successor(self) -> Vec<u8> {
        let mut key = self.0.into_vec();
        key.push(SEPARATOR);
        key
    }
}

impl std::borrow::Borrow<[u8]> for LevelKey {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// What a topic says about where the walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Matches,
    /// This topic does not match; the next one may.
    Next,
    /// No topic before the target matches, which lies behind this topic.
    Seek,
    /// No topic behind matches.
    End,
}

/// Walks the topics that the filter, which has a wildcard, may match, from behind `after` on. Calls `look` for each topic,
/// with its entry if it matches, until that says no: the entry where it stopped, `None` when nothing more can match.
pub(super) fn walk(
    map: &BTreeMap<LevelKey, u32>,
    filter: &str,
    after: Option<&str>,
    mut look: impl FnMut(Option<u32>) -> bool,
) -> Option<u32> {
    let pattern: SmallVec<[&[u8]; 16]> = topic::levels(filter).map(str::as_bytes).collect();
    let literals = pattern.iter().take_while(|level| !is_wildcard(level)).count();
    let mut target = pattern[..literals].join(&SEPARATOR);
    if let Some(after) = after {
        target = target.max(LevelKey::of(after.as_bytes()).successor());
    }
    'jump: loop {
        let mut skipped = 0;
        for (key, slot) in map.range::<[u8], _>((Bound::Included(&target[..]), Bound::Unbounded)) {
            let mut matching = None;
            if *key.0 < *target {
                skipped += 1;
                if skipped > STEPS_MAX {
                    continue 'jump;
                }
            } else {
                match compare(&pattern, &key.0, &mut target) {
                    Step::Matches => matching = Some(*slot),
                    Step::Next => {}
                    Step::Seek => skipped = 0,
                    Step::End => return None,
                }
            }
            if !look(matching) {
                return Some(*slot);
            }
        }
        return None;
    }
}

fn is_wildcard(level: &[u8]) -> bool {
    level == b"+" || level == b"#"
}

/// Compares level by level; writes `target` when the answer is `Seek`.
fn compare(pattern: &[&[u8]], key: &[u8], target: &mut Vec<u8>) -> Step {
    // Where the key's level starts, and where the last level that a `+` stood for ends.
    let mut at = 0;
    let mut last_plus = None;
    for wanted in pattern {
        if at == 0 && is_wildcard(wanted) && topic_is_dollar(key) {
            // No leading wildcard reaches these topics: on to those behind `$`.
            target.clear();
            target.push(b'$' + 1);
            return Step::Seek;
        }
        if *wanted == b"#" {
            return Step::Matches;
        }
        let Some(rest) = key.get(at..) else {
            return Step::Next;
        };
        let end = separator_in(rest).map_or(key.len(), |separator| at + separator);
        let level = &key[at..end];
        if *wanted == b"+" {
            last_plus = Some(end);
        } else if level < *wanted {
            target.clear();
            target.extend_from_slice(&key[..at]);
            target.extend_from_slice(wanted);
            return Step::Seek;
        } else if level > *wanted {
            return behind(last_plus, key, target);
        }
        // One past the end of the key when its levels are used up.
        at = end + 1;
    }
    if at > key.len() {
        Step::Matches
    } else {
        behind(last_plus, key, target)
    }
}

/// Nothing more can match under the level that the last `+` stood for: on to its next sibling.
fn behind(last_plus: Option<usize>, key: &[u8], target: &mut Vec<u8>) -> Step {
    let Some(end) = last_plus else {
        return Step::End;
    };
    target.clear();
    target.extend_from_slice(&key[..end]);
    target.push(BEHIND);
    Step::Seek
}

fn separator_in(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == SEPARATOR)
}

fn topic_is_dollar(key: &[u8]) -> bool {
    key.first() == Some(&b'$')
}
