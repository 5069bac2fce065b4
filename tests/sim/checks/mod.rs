//! The named checks: each reads a recorded history and says what is wrong with it, or nothing.
//!
//! They claim only what holds whatever the interleaving was, so a failure is a defect and never bad luck. `proofs.rs` feeds
//! each of them a history that breaks it, and expects it to be the one that complains.

mod bans;
mod claims;
mod content;
mod delayed;
mod delivery;
mod expiry;
mod groups;
mod ids;
mod lead;
mod order;
#[cfg(test)]
mod proofs;
mod retained;
mod wills;

pub use ids::PacketIds;
pub use retained::Store;

use crate::history::{Delivery, History, Sent, Session, Subscription};
use std::fmt;

/// A check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The check's name.
    pub check: &'static str,
    /// What was seen, and what should have been.
    pub text: String,
}

impl Failure {
    /// A failed check and what it saw.
    pub fn new(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            text: text.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.check, self.text)
    }
}

/// What a check answers: the text of the first thing that is wrong.
type Verdict = Result<(), String>;

/// A check: it reads a history and judges.
type Check = fn(&History) -> Verdict;

/// Every check of a whole history, in the order in which they are asked: the ones that others rely on come first.
pub const CHECKS: &[(&str, Check)] = &[
    ("a_ban_closes_its_client", bans::a_ban_closes_its_client),
    ("a_banned_client_stays_out", bans::a_banned_client_stays_out),
    ("a_banned_client_is_told_why", bans::a_banned_client_is_told_why),
    (
        "an_exclusive_topic_has_one_holder",
        claims::an_exclusive_topic_has_one_holder,
    ),
    ("a_free_topic_can_be_claimed", claims::a_free_topic_can_be_claimed),
    (
        "nothing_arrives_under_delayed",
        delayed::nothing_arrives_under_delayed,
    ),
    ("content_is_intact", content::content_is_intact),
    (
        "a_will_waits_until_it_is_due",
        wills::a_will_waits_until_it_is_due,
    ),
    (
        "a_cancelled_will_stays_unsent",
        wills::a_cancelled_will_stays_unsent,
    ),
    ("nothing_is_invented", content::nothing_is_invented),
    ("only_matching_topics", content::only_matching_topics),
    ("nothing_after_unsuback", content::nothing_after_unsuback),
    ("no_local_is_kept", content::no_local_is_kept),
    ("granted_qos_is_kept", content::granted_qos_is_kept),
    (
        "subscription_identifiers_are_right",
        content::subscription_identifiers_are_right,
    ),
    ("delayed_is_not_early", delayed::delayed_is_not_early),
    ("delayed_comes_in_time", delayed::delayed_comes_in_time),
    (
        "delayed_comes_to_who_subscribes_then",
        delayed::delayed_comes_to_who_subscribes_then,
    ),
    ("at_most_once", delivery::at_most_once),
    ("a_will_that_is_due_comes", wills::a_will_that_is_due_comes),
    ("at_least_once", delivery::at_least_once),
    ("exactly_once", delivery::exactly_once),
    (
        "subscribed_after_suback_is_heard",
        delivery::subscribed_after_suback_is_heard,
    ),
    (
        "devices_wait_for_their_subscribers",
        lead::devices_wait_for_their_subscribers,
    ),
    ("expiry_is_kept", expiry::expiry_is_kept),
    ("order_is_kept", order::order_is_kept),
    (
        "a_group_gets_each_message_once",
        groups::a_group_gets_each_message_once,
    ),
    ("a_group_loses_nothing", groups::a_group_loses_nothing),
    (
        "a_group_is_not_sent_what_is_retained",
        groups::a_group_is_not_sent_what_is_retained,
    ),
    ("retain_handling_is_kept", retained::retain_handling_is_kept),
    (
        "a_subscriber_knows_the_last_write",
        retained::a_subscriber_knows_the_last_write,
    ),
    ("retained_is_fresh", retained::retained_is_fresh),
    (
        "no_older_retained_after_a_newer_live_one",
        retained::no_older_retained_after_a_newer_live_one,
    ),
    ("retained_is_the_last_write", retained::retained_is_the_last_write),
];

/// Asks every check.
pub fn all(history: &History) -> Result<(), Failure> {
    for (check, ask) in CHECKS {
        ask(history).map_err(|text| Failure::new(check, text))?;
    }
    Ok(())
}

/// Whether a filter matches a topic, written as the standard words it (5.0 section 4.7) and with no thought of speed.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#')) {
        return false;
    }
    let mut filter: Vec<&str> = filter.split('/').collect();
    if filter[0] == "$share" {
        // The share's name comes between (5.0 section 4.8.2).
        filter.drain(..2);
        return matches(&filter.join("/"), topic);
    }
    if filter[0] == "$exclusive" {
        filter.remove(0);
        return matches(&filter.join("/"), topic);
    }
    let topic: Vec<&str> = topic.split('/').collect();
    levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.first(), topic.first()) {
        (Some(&"#"), _) => true,
        (None, None) => true,
        (Some(&level), Some(&name)) => {
            (level == "+" || level == name) && levels_match(&filter[1..], &topic[1..])
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// The session's subscriptions that match a topic.
fn matching<'a>(session: &'a Session, topic: &'a str) -> impl Iterator<Item = &'a Subscription> {
    let subscriptions = session.subscriptions.iter();
    subscriptions.filter(move |subscription| matches(&subscription.filter, topic))
}

/// As `matching`, without its parts in groups.
fn ordinary<'a>(session: &'a Session, topic: &'a str) -> impl Iterator<Item = &'a Subscription> {
    matching(session, topic).filter(|subscription| !subscription.is_shared())
}

/// Each delivery that names a message, with the message and the session.
fn named(history: &History) -> impl Iterator<Item = (&Delivery, &Sent, &Session)> {
    history.deliveries.iter().filter_map(|delivery| {
        let message = &history.messages[delivery.message?];
        Some((delivery, message, &history.sessions[delivery.session]))
    })
}

/// A delivery in words.
fn describe(delivery: &Delivery, session: &Session) -> String {
    format!(
        "message {:?} on {:?} (qos {:?}, retain {}, dup {}) at {:?} in step {}",
        delivery.message,
        delivery.topic,
        delivery.qos,
        delivery.retain,
        delivery.dup,
        session.client_id,
        delivery.step
    )
}
