//! `%c` and `%u` in topics of the configuration: every occurrence becomes the client id or the username.
//!
//! One pass, as text: what a client chose is never looked at again, so a username `%c` stays what it is. Whether the
//! result is a valid topic, and whether a client may be called that, is the caller's question.

pub(crate) mod template;

/// What stands for `%c` and `%u`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
}

/// True when `template` needs a username.
pub(crate) fn wants_username(template: &str) -> bool {
    template.contains("%u")
}

/// Appends `template` to `out`, with the names put in. `%u` without a username, and any other `%`, stays as it is.
pub(crate) fn fill(template: &str, names: Names<'_>, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('%') {
        let name = match rest.as_bytes().get(at + 1) {
            Some(b'c') => Some(names.client_id),
            Some(b'u') => names.username,
            Some(_) | None => None,
        };
        out.push_str(&rest[..at]);
        out.push_str(name.unwrap_or("%"));
        rest = &rest[at + if name.is_some() { 2 } else { 1 }..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_replaced_and_nothing_twice() {
        let names = Names {
            client_id: "%u",
            username: Some("ann"),
        };
        let rows = [
            ("tcp/%c/up", "tcp/%u/up"),
            ("%u%u/%c", "annann/%u"),
            ("100%/%x/%", "100%/%x/%"),
            ("%%c", "%%u"),
            ("ä%uö", "äannö"),
            ("", ""),
        ];
        for (template, expected) in rows {
            let mut out = String::new();
            fill(template, names, &mut out);
            assert_eq!(out, expected);
        }
        let mut out = "x".to_owned();
        fill(
            "%u/%c",
            Names {
                client_id: "c",
                username: None,
            },
            &mut out,
        );
        assert_eq!(out, "x%u/c");
    }
}
