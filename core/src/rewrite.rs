//! Topic rewrite: topics and filters of clients that cannot be changed become others, by rules of the configuration.
//!
//! As in EMQX: access rules are asked before, for what the client wrote; of all rules whose `source_topic` covers it the
//! *last* one counts, and when its `re` does not match, nothing is rewritten. A rule is applied once: what it makes is not
//! rewritten again. The regular expressions are compiled at start and take time linear in the topic.

use crate::Engine;
use crate::access::covers;
use crate::placeholder::template::{Place, Template, Values};
use crate::publish::topic_levels;
use crate::session::Session;
use crate::settings::{RewriteAction, RewriteRule};
use regex::{Regex, RegexBuilder};
use ringwire_codec::mqtt::ReasonCode;
use ringwire_codec::topic;

/// Bytes that a compiled expression may take: some hundred times what those of EMQX's examples do.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// `source_topic` is no topic filter.
    #[error("`source_topic` is not a topic filter: {0:?}")]
    Source(String),
    /// `re` is no regular expression.
    #[error("`re` is not a regular expression: {0}")]
    Expression(String),
    /// `dest_topic` names a group that `re` does not have.
    #[error("`dest_topic` names ${wanted}, but `re` has {}", groups(*.found))]
    Group {
        /// The group that is named.
        wanted: usize,
        /// How many there are.
        found: usize,
    },
    /// `dest_topic` is empty.
    #[error("`dest_topic` is empty")]
    Destination,
}

fn groups(found: usize) -> String {
    match found {
        0 => "no group".to_owned(),
        1 => "only one group".to_owned(),
        more => format!("only {more} groups"),
    }
}

/// A rule that can be applied.
#[derive(Clone, Debug)]
struct Rule {
    source_topic: String,
    re: Regex,
    dest: Template,
}

impl Rule {
    fn compile(text: &RewriteRule) -> Result<Self, RuleError> {
        if !topic::is_valid_filter(&text.source_topic) {
            return Err(RuleError::Source(text.source_topic.clone()));
        }
        if text.dest_topic.is_empty() {
            return Err(RuleError::Destination);
        }
        let re = expression(&text.re)?;
        let dest = Template::parse(&text.dest_topic);
        let found = re.captures_len() - 1;
        for place in dest.places() {
            if let Place::Group(wanted) = place
                && wanted > found
            {
                return Err(RuleError::Group { wanted, found });
            }
        }
        Ok(Self {
            source_topic: text.source_topic.clone(),
            re,
            dest,
        })
    }
}

/// The last line of what the crate says: the others repeat the expression with a caret of their own.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn expression(re: &str) -> Result<Regex, RuleError> {
    let built = RegexBuilder::new(re).size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| RuleError::Expression(reason(&error)))
}

/// Whether a text is a regular expression of a rule. For the configuration.
pub fn check_expression(re: &str) -> Result<(), RuleError> {
    expression(re).map(drop)
}

/// Whether a rule can be used. For the configuration.
pub fn check(rule: &RewriteRule) -> Result<(), RuleError> {
    Rule::compile(rule).map(drop)
}

/// The rules of a node, in two lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewrite {
    publish: Vec<Rule>,
    subscribe: Vec<Rule>,
}

impl Rewrite {
    /// Compiles rules that [`check`] has found good.
    pub(crate) fn new(rules: &[RewriteRule]) -> Self {
        let compiled = |wanted: RewriteAction| {
            let rules = rules.iter();
            let rules = rules.filter(|rule| rule.action == wanted || rule.action == RewriteAction::All);
            // The last one counts, so it is looked at first.
            let rules = rules.rev().map(Rule::compile);
            rules
                .map(|rule| rule.expect("rules were checked with the configuration"))
                .collect()
        };
        Self {
            publish: compiled(RewriteAction::Publish),
            subscribe: compiled(RewriteAction::Subscribe),
        }
    }

    /// No rule is about topics of publishes: asked for each of them.
    pub(crate) fn spares_publishes(&self) -> bool {
        self.publish.is_empty()
    }

    /// No rule is about filters.
    pub(crate) fn spares_filters(&self) -> bool {
        self.subscribe.is_empty()
    }

    /// What a topic of a publish becomes; `None`: it stays. Whether it is a valid topic is the caller's question.
    pub(crate) fn topic(&self, topic: &str, values: Values<'_>) -> Option<String> {
        apply(&self.publish, topic, values)
    }

    /// What a filter becomes; `None`: it stays. Of `$share/group/filter`, `$queue/filter` and `$exclusive/filter` only the
    /// filter.
    pub(crate) fn filter(&self, filter: &str, values: Values<'_>) -> Option<String> {
        let (prefix, filter) = filter.split_at(prefix_length(filter));
        let rewritten = apply(&self.subscribe, filter, values)?;
        match rewritten.is_empty() {
            true => Some(rewritten),
            false => Some(format!("{prefix}{rewritten}")),
        }
    }
}

impl Engine {
    /// What a client's filter becomes; `None`: it stays. Access rules were asked for what the client wrote.
    pub(crate) fn rewritten_filter(
        &self,
        session: &Session,
        filter: &str,
    ) -> Result<Option<String>, ReasonCode> {
        if self.rewrite.spares_filters() {
            return Ok(None);
        }
        let rewritten = self.rewrite.filter(filter, self.values(session));
        let is_fine = |filter: &String| {
            topic::is_valid_filter(filter) && topic_levels(filter) <= self.settings.limits.topic_levels
        };
        match rewritten {
            Some(filter) if !is_fine(&filter) => Err(ReasonCode::TopicFilterInvalid),
            rewritten => Ok(rewritten),
        }
    }
}

/// Bytes of what says how a filter is subscribed, before the filter itself.
fn prefix_length(filter: &str) -> usize {
    for prefix in ["$queue/", "$exclusive/"] {
        if filter.starts_with(prefix) {
            return prefix.len();
        }
    }
    let group = filter.strip_prefix("$share/").and_then(|rest| rest.find('/'));
    group.map_or(0, |group| "$share/".len() + group + 1)
}

/// Where a name that the client chose would put a wildcard in, an empty text, which is no topic: such a client is refused
/// rather than given more, or let through as if there were no rule.
fn apply(rules: &[Rule], topic: &str, values: Values<'_>) -> Option<String> {
    let rule = rules.iter().find(|rule| covers(&rule.source_topic, topic))?;
    let captures = rule.re.captures(topic)?;
    if rule.dest.places().any(|place| is_harmful(place, values)) {
        return Some(String::new());
    }
    // A group that took no part is empty, as in EMQX.
    let group = |number| Some(captures.get(number).map_or("", |group| group.as_str()));
    rule.dest.fill(values, group)
}

fn is_harmful(place: Place, values: Values<'_>) -> bool {
    let name = match place {
        Place::ClientId => values.client_id,
        Place::Username => values.username,
        Place::Host | Place::Port | Place::Group(_) => None,
    };
    name.is_some_and(topic::has_wildcard)
}

#[cfg(test)]
mod tests;
