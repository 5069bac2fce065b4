//! Topic names and topic filters (5.0 section 4.7): validity, levels, and matching of one filter against one name.

/// True for a name that a client may publish to: 1 to 65,535 bytes, no `+`, `#` or NUL.
pub fn is_valid_name(name: &str) -> bool {
    let _ = name;
    todo!()
}

/// True for a filter that can be subscribed: 1 to 65,535 bytes, wildcards whole levels, `#` last, no NUL.
pub fn is_valid_filter(filter: &str) -> bool {
    let _ = filter;
    todo!()
}

/// True when `filter` has a wildcard level.
pub fn has_wildcard(filter: &str) -> bool {
    let _ = filter;
    todo!()
}

/// Whether a valid filter matches a valid name; `$`-names are not matched by a leading wildcard (5.0 section 4.7.2).
pub fn matches(filter: &str, name: &str) -> bool {
    let _ = (filter, name);
    todo!()
}
