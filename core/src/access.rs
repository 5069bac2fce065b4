//! Who may connect, publish and subscribe. Small on purpose: users and rules from the configuration; what asks others
//! (databases, tokens) comes later through the same two questions.

/// Users and rules.
#[derive(Clone, Debug)]
pub struct Access {
    /// Clients without a username are let in.
    pub allow_anonymous: bool,
    /// Username and password. With users configured, a username that is not among them is refused.
    pub users: Vec<User>,
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
    /// Topic filters with `%c` and `%u`; the rule applies when one covers the topic (or the subscribed filter).
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

impl Default for Access {
    fn default() -> Self {
        Self {
            allow_anonymous: true,
            users: Vec::new(),
            rules: Vec::new(),
        }
    }
}
