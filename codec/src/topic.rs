//! Topic names and topic filters (5.0 section 4.7): validity, levels, and matching of one filter against one name.
//!
//! Pure text: no index, no access rules. The engine checks every name and filter here before it uses them; what looks
//! topics up in bulk (`core`'s subscription index) agrees with [`matches()`], and its tests hold it to that.

#[cfg(test)]
mod tests;

/// Bytes that a topic name or filter can have: its length field is 16 bits wide.
pub const TOPIC_BYTES_MAX: usize = 65_535;

/// True for a name that a client may publish to: 1 to 65,535 bytes, no `+`, `#` or NUL.
pub fn is_valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    is_valid_length(bytes) && memchr::memchr3(b'+', b'#', 0, bytes).is_none()
}

/// True for a filter that can be subscribed: 1 to 65,535 bytes, wildcards whole levels, `#` last, no NUL.
pub fn is_valid_filter(filter: &str) -> bool {
    let bytes = filter.as_bytes();
    if !is_valid_length(bytes) || memchr::memchr(0, bytes).is_some() {
        return false;
    }
    memchr::memchr2_iter(b'+', b'#', bytes).all(|at| {
        let level_starts = at == 0 || bytes[at - 1] == b'/';
        let is_last = at + 1 == bytes.len();
        let level_ends = is_last || (bytes[at] == b'+' && bytes[at + 1] == b'/');
        level_starts && level_ends
    })
}

fn is_valid_length(bytes: &[u8]) -> bool {
    (1..=TOPIC_BYTES_MAX).contains(&bytes.len())
}

/// True when `filter` has a wildcard level. Meant for valid filters, where a wildcard character is a wildcard level.
pub fn has_wildcard(filter: &str) -> bool {
    memchr::memchr2(b'+', b'#', filter.as_bytes()).is_some()
}

/// The levels of a name or filter, in order. Empty levels count: `/a` has two.
pub fn levels(topic: &str) -> impl DoubleEndedIterator<Item = &str> + Clone {
    topic.split('/')
}

/// How many levels [`levels`] gives; at least 1.
pub fn level_count(topic: &str) -> usize {
    memchr::memchr_iter(b'/', topic.as_bytes()).count() + 1
}

/// True for names (and filters) of the server's own, which no leading wildcard matches (5.0 section 4.7.2).
pub fn is_dollar(topic: &str) -> bool {
    topic.as_bytes().first() == Some(&b'$')
}

/// Whether a valid filter matches a valid name; `$`-names are not matched by a leading wildcard (5.0 section 4.7.2).
pub fn matches(filter: &str, name: &str) -> bool {
    if is_dollar(name) && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut wanted = levels(filter);
    let mut given = levels(name);
    loop {
        match (wanted.next(), given.next()) {
            // `#` stands for the level before it too, so it matches when the name has ended [MQTT-4.7.1-2].
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            (None, None) => return true,
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}
