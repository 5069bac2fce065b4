//! Who may connect, publish and subscribe. Small on purpose: users and rules from the configuration; what asks others
//! (databases, tokens) comes later through the same two questions, [`Access::authenticate`] and [`Access::permits`].
//!
//! What a client chooses (its id, its username) is only ever compared as text: put for `%c` or `%u` it never becomes a
//! wildcard, so a client named `#` gains nothing.

mod cover;
#[cfg(test)]
mod tests;

pub use cover::covers;
use subtle::{Choice, ConstantTimeEq};

/// Users and rules.
#[derive(Clone, Debug)]
pub struct Access {
    /// Clients without a username are let in.
    pub allow_anonymous: bool,
    /// Username and password. With users configured, a username that is not among them is refused.
    pub users: Vec<User>,
    /// Methods of enhanced authentication that a client may name; whoever is asked knows them too. With methods here, a
    /// username that is only claimed must be among the users.
    pub methods: Vec<String>,
    /// First match decides; no match allows.
    pub rules: Vec<Rule>,
}

/// A user of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct User {
    pub username: String,
    pub password: String,
}

/// An access rule: who, what, where, and the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The answer.
    pub allow: bool,
    /// Exact username, or anybody.
    pub username: Option<String>,
    /// Exact client id, or anybody.
    pub client_id: Option<String>,
    /// Publish, subscribe or both.
    pub operation: Operation,
    /// Topic filters with `%c` and `%u`; the rule applies when one covers the topic (or the subscribed filter: to forbid
    /// a part of what a wider filter would deliver, forbid the wider filter too).
    pub topics: Vec<String>,
}

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operation {
    Publish,
    Subscribe,
    All,
}

/// The answer to a client's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let in.
    Accepted,
    /// Unknown username or wrong password; the client is not told which.
    BadCredentials,
    /// No username, and anonymous clients are not let in.
    NotAuthorized,
}

/// Who asks to publish or to subscribe.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Client id.
    pub client_id: &'a str,
    /// Username, if it gave one.
    pub username: Option<&'a str>,
}

impl Access {
    /// Whether a client may connect that names no method of enhanced authentication. Where nobody can prove a username
    /// it says nothing, so such a client counts as anonymous.
    pub fn authenticate(&self, username: Option<&str>, password: Option<&[u8]>) -> Verdict {
        let can_be_proved = !self.users.is_empty() || !self.methods.is_empty();
        let Some(username) = username.filter(|_| can_be_proved) else {
            return if self.allow_anonymous {
                Verdict::Accepted
            } else {
                Verdict::NotAuthorized
            };
        };
        let user = self.users.iter().find(|user| user.username == username);
        // An unknown user's password is compared too: the answer takes as long as for a known one.
        let expected = user.map_or(&b""[..], |user| user.password.as_bytes());
        let same =
            same_bytes(expected, password.unwrap_or_default()) & Choice::from(u8::from(user.is_some()));
        if same.into() {
            Verdict::Accepted
        } else {
            Verdict::BadCredentials
        }
    }

    /// Whether a client may publish to a topic name, or subscribe to a topic filter. `operation` is one of the two.
    #[inline]
    pub fn permits(&self, asker: Asker<'_>, operation: Operation, topic: &str) -> bool {
        // The common case costs this branch.
        self.rules.is_empty() || self.first_match(asker, operation, topic)
    }

    fn first_match(&self, asker: Asker<'_>, operation: Operation, topic: &str) -> bool {
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.applies(asker, operation, topic));
        rule.is_none_or(|rule| rule.allow)
    }
}

/// Compares in a time that depends on the length of `given` only, which its sender knows.
fn same_bytes(expected: &[u8], given: &[u8]) -> Choice {
    let padded = expected.iter().chain(std::iter::repeat(&0));
    let bytes = given
        .iter()
        .zip(padded)
        .fold(Choice::from(1), |same, (left, right)| same & left.ct_eq(right));
    bytes & given.len().ct_eq(&expected.len())
}

impl Rule {
    fn applies(&self, asker: Asker<'_>, operation: Operation, topic: &str) -> bool {
        self.operation.includes(operation)
            && self
                .username
                .as_deref()
                .is_none_or(|username| asker.username == Some(username))
            && self
                .client_id
                .as_deref()
                .is_none_or(|client_id| asker.client_id == client_id)
            && self
                .topics
                .iter()
                .any(|filter| cover::rule_covers(filter, asker, topic))
    }
}

impl Operation {
    fn includes(self, asked: Self) -> bool {
        self == Self::All || self == asked
    }
}

impl Default for Access {
    fn default() -> Self {
        Self {
            allow_anonymous: true,
            users: Vec::new(),
            methods: Vec::new(),
            rules: Vec::new(),
        }
    }
}
