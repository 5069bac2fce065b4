//! Checks of exclusive subscriptions: `$exclusive/TOPIC` has one holder at a time, and is free again when that has
//! unsubscribed or its session has ended.
//!
//! Who holds a topic for sure: from the SUBACK that was read to the first moment at which it may be given up. A shard hears
//! of that a little later, so whether a topic is free is judged once nothing is under way any more.

use super::Verdict;
use crate::history::{CLAIMER, History, Session, Step, Subscription};

/// The claims of every session: which session, and its subscription.
fn claims(history: &History) -> impl Iterator<Item = (usize, &Session, &Subscription)> {
    let sessions = history.sessions.iter().enumerate();
    sessions.flat_map(|(index, session)| {
        let claims = session.subscriptions.iter().filter(|one| one.is_exclusive());
        claims.map(move |claim| (index, session, claim))
    })
}

/// From when to when a session holds a topic for sure.
fn held(session: &Session, claim: &Subscription) -> Option<(Step, Step)> {
    let from = claim.versions.iter().filter_map(|version| version.acked).min()?;
    let until = session.ended.into_iter().chain(claim.unsubscribe_sent).min();
    Some((from, until.unwrap_or(Step::MAX)))
}

/// No two sessions hold a topic at the same time.
pub fn an_exclusive_topic_has_one_holder(history: &History) -> Verdict {
    for (index, session, claim) in claims(history) {
        let Some((from, until)) = held(session, claim) else {
            continue;
        };
        for (other_index, other, same) in claims(history) {
            if other_index <= index || same.filter != claim.filter {
                continue;
            }
            let Some((other_from, other_until)) = held(other, same) else {
                continue;
            };
            if from < other_until && other_from < until {
                return Err(format!(
                    "{:?} is held by {:?} in steps {from} to {until}, and by {:?} in {other_from} to {other_until}",
                    claim.filter, session.client_id, other.client_id
                ));
            }
        }
    }
    Ok(())
}

/// At the end a topic that nobody can hold is granted.
pub fn a_free_topic_can_be_claimed(history: &History) -> Verdict {
    for (client_id, filter) in &history.refusals {
        if client_id != CLAIMER {
            continue;
        }
        let mut others = claims(history).filter(|(_, _, claim)| claim.filter == *filter);
        let may_be_held = others.any(|(_, session, claim)| {
            let is_there = session.ended.is_none() || history.unsure.contains(&session.client_id);
            is_there && claim.unsubscribe_acked.is_none()
        });
        if !may_be_held {
            return Err(format!("{filter:?} was refused, and nobody holds it"));
        }
    }
    Ok(())
}
