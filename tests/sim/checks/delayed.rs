//! Checks of delayed publish: `$delayed/SECONDS/TOPIC` comes under TOPIC, not before it is due and soon after, to whoever is
//! subscribed when it is due.
//!
//! It is not seen when an engine publishes, only between which moments: not before the step in which the delay has passed
//! since an engine first had it. A shard that has no turn is late through no fault of its own, so lateness is judged only
//! once the faults have stopped.

use super::delivery::{debt, lost};
use super::{Verdict, describe, matching};
use crate::history::{Delayed, Delivery, History, Sent, Session};
use ringwire_codec::mqtt::QoS;

/// Milliseconds after the moment that it is due by which it has arrived.
const LATE_MS: u64 = 1_000;

/// Each delivery of a delayed message.
fn delayed(history: &History) -> impl Iterator<Item = (&Delivery, &Delayed, &Sent, &Session)> {
    history.deliveries.iter().filter_map(|delivery| {
        let id = delivery.message?;
        let session = &history.sessions[delivery.session];
        Some((
            delivery,
            history.delayed.get(&id)?,
            &history.messages[id],
            session,
        ))
    })
}

/// Who subscribes to `$delayed/#` gets nothing.
pub fn nothing_arrives_under_delayed(history: &History) -> Verdict {
    for delivery in &history.deliveries {
        if delivery.topic.starts_with("$delayed") {
            return Err(describe(delivery, &history.sessions[delivery.session]));
        }
    }
    Ok(())
}

/// Nothing arrives before its seconds have passed.
pub fn delayed_is_not_early(history: &History) -> Verdict {
    for (delivery, delayed, message, session) in delayed(history) {
        let Some(fed_ms) = message.fed_ms.first() else {
            continue;
        };
        let due_ms = fed_ms + delayed.seconds * 1_000;
        if delivery.read_ms < due_ms {
            return Err(format!(
                "{} came at {}, due at {due_ms}",
                describe(delivery, session),
                delivery.read_ms
            ));
        }
    }
    Ok(())
}

/// What is due after the faults have stopped arrives within a second.
pub fn delayed_comes_in_time(history: &History) -> Verdict {
    let Some(calm_ms) = history.calm_ms else {
        return Ok(());
    };
    for (delivery, delayed, message, session) in delayed(history) {
        let ([fed_ms], true, false) = (&message.fed_ms[..], message.certain, delivery.dup) else {
            continue;
        };
        let due_ms = fed_ms + delayed.seconds * 1_000;
        if due_ms > calm_ms && delivery.read_ms > due_ms + LATE_MS {
            return Err(format!(
                "{} came at {}, due at {due_ms}",
                describe(delivery, session),
                delivery.read_ms
            ));
        }
    }
    Ok(())
}

/// It comes to who is subscribed when it is due: not to who had left by then, and for sure to who had come by then.
pub fn delayed_comes_to_who_subscribes_then(history: &History) -> Verdict {
    for (delivery, delayed, _, session) in delayed(history) {
        let due = delayed.due.unwrap_or(delivery.step);
        let mut asked = matching(session, &delivery.topic);
        if !asked.any(|one| one.unsubscribe_acked.is_none_or(|acked| acked >= due)) {
            return Err(format!(
                "{} was due in step {due}, after the UNSUBACK",
                describe(delivery, session)
            ));
        }
    }
    for (&id, delayed) in &history.delayed {
        let message = &history.messages[id];
        let Some(due) = delayed.due.filter(|_| message.published()) else {
            continue;
        };
        if message.payload.is_empty() || history.silenced.contains(&id) {
            continue;
        }
        for (index, session) in history.sessions.iter().enumerate() {
            let Some(debt) = debt(history, session, message, due) else {
                continue;
            };
            let sure = debt.qos > QoS::AtMostOnce || (debt.connected && !history.mesh_drops);
            let mut deliveries = history.deliveries.iter();
            let arrived = deliveries
                .any(|one| one.session == index && one.message == Some(id) && one.share().is_none());
            if sure && !arrived {
                let text = lost(history, index, id, message);
                return Err(format!("{text}; it was due in step {due}"));
            }
        }
    }
    Ok(())
}
