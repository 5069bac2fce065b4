//! Proof that the checks of exclusive subscriptions can fail: who claims a topic in a good history, and how that is spoiled.
//!
//! Part of the good history of `proofs.rs`, which feeds all of them to the checks.

use super::{Spoil, options};
use crate::history::{CLAIMER, CLAIMS, History, Session, Subscription};

/// A session that claims a topic in a step.
fn claiming(client_id: &str, step: u64) -> Session {
    Session {
        client_id: client_id.to_owned(),
        device: false,
        ended: None,
        connected: Some(1),
        losses: Vec::new(),
        subscriptions: vec![Subscription {
            filter: CLAIMS[0].to_owned(),
            versions: vec![options(step)],
            unsubscribe_sent: None,
            unsubscribe_acked: None,
        }],
    }
}

/// One session gives a topic up in step 20, after which another holds it; at the end it is refused to a third.
pub fn be_claimed(history: &mut History) {
    let mut first = claiming("first", 10);
    first.subscriptions[0].unsubscribe_sent = Some(20);
    first.subscriptions[0].unsubscribe_acked = Some(22);
    history.sessions.push(first);
    history.sessions.push(claiming("second", 19));
    history.refusals.push((CLAIMER.to_owned(), CLAIMS[0].to_owned()));
}

fn session<'a>(history: &'a mut History, client_id: &str) -> &'a mut Session {
    let mut sessions = history.sessions.iter_mut();
    let found = sessions.find(|session| session.client_id == client_id);
    found.expect("it is in the good history")
}

/// As in `proofs.rs`.
pub const SPOILS: &[(&str, &str, Spoil)] = &[
    (
        "an_exclusive_topic_has_one_holder",
        "it was granted before it was given up",
        |history| session(history, "second").subscriptions[0].versions = vec![options(12)],
    ),
    (
        "an_exclusive_topic_has_one_holder",
        "it was granted, and never given up",
        |history| {
            let first = &mut session(history, "first").subscriptions[0];
            first.unsubscribe_sent = None;
            first.unsubscribe_acked = None;
        },
    ),
    (
        "a_free_topic_can_be_claimed",
        "it was refused after the end of the holder's session",
        |history| session(history, "second").ended = Some(50),
    ),
    (
        "a_free_topic_can_be_claimed",
        "it was refused after the holder's UNSUBACK",
        |history| {
            let second = &mut session(history, "second").subscriptions[0];
            second.unsubscribe_sent = Some(50);
            second.unsubscribe_acked = Some(52);
        },
    ),
];
