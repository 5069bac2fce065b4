//! Checks of Wills (5.0 section 3.1.3.2.2): one comes when it is due and not before, comes for sure then, and never comes
//! once its client has come back or said good-bye.
//!
//! When each was due is known from `world/lives.rs`, to the input; that an engine wakes up for it is watched there.

use super::{Verdict, delivery, describe, named};
use crate::history::{Fate, History, Origin};

/// Nobody gets a Will before it was due.
pub fn a_will_waits_until_it_is_due(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let Some(id) = delivery.message.filter(|_| message.origin == Origin::Will) else {
            continue;
        };
        let is_early = match history.wills.get(&id) {
            Some(Fate::Sent(step) | Fate::Cancelled(step)) => *step > delivery.step,
            None => true,
        };
        if is_early {
            return Err(format!(
                "{} is a Will that was not due",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// Nobody gets a Will that was cancelled.
pub fn a_cancelled_will_stays_unsent(history: &History) -> Verdict {
    for (delivery, _, session) in named(history) {
        let fate = delivery.message.and_then(|id| history.wills.get(&id));
        if matches!(fate, Some(Fate::Cancelled(_))) {
            return Err(format!(
                "{} is a Will that was cancelled",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// A Will that was due reaches whoever had subscribed and stayed.
pub fn a_will_that_is_due_comes(history: &History) -> Verdict {
    delivery::all_arrive(history, |message| message.origin == Origin::Will)
}
