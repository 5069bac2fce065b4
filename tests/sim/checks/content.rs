//! Checks of single deliveries: what arrived is what was sent, to somebody who asked for it, as it was asked for.

use super::{Verdict, describe, matching, named, ordinary};
use crate::history::{Delivery, History, Sent, Session, Subscription};

/// Topic, payload and Content Type arrive as they were sent.
pub fn content_is_intact(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        if delivery.payload != message.payload || delivery.topic != message.topic {
            return Err(format!(
                "{} was sent on {:?}",
                describe(delivery, session),
                message.topic
            ));
        }
        if let Some(content_type) = &delivery.content_type
            && message.content_type.as_ref() != Some(content_type)
        {
            return Err(format!(
                "{} has a content type that was not sent",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// Nothing is delivered that no engine had yet, or with RETAIN set that was not published so.
pub fn nothing_is_invented(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        if message.first_fed().is_none_or(|fed| fed > delivery.step) || message.refused {
            return Err(format!("{} was never published", describe(delivery, session)));
        }
        if delivery.retain && !message.retain {
            return Err(format!(
                "{} was not published with RETAIN",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// A delivery matches a filter that the session has asked for.
pub fn only_matching_topics(history: &History) -> Verdict {
    for delivery in &history.deliveries {
        let session = &history.sessions[delivery.session];
        let mut asked = matching(session, &delivery.topic);
        if !asked.any(|subscription| subscription.from() <= delivery.step) {
            return Err(format!(
                "{} matches no filter of its session",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// What was published after the client had read the UNSUBACK does not arrive.
pub fn nothing_after_unsuback(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        if justified(delivery, message, session).next().is_none() {
            return Err(format!("{} came after the UNSUBACK", describe(delivery, session)));
        }
    }
    Ok(())
}

/// The subscriptions that can be the reason of a delivery.
fn justified<'a>(
    delivery: &'a Delivery,
    message: &'a Sent,
    session: &'a Session,
) -> impl Iterator<Item = &'a Subscription> {
    // What was queued for the client before the UNSUBACK, an answer among it, may follow it (5.0 section 3.10.4).
    let moment = message.first_fed().unwrap_or(delivery.step);
    matching(session, &delivery.topic).filter(move |subscription| {
        let ended = subscription.unsubscribe_acked;
        subscription.from() <= delivery.step && ended.is_none_or(|ended| ended >= moment)
    })
}

/// With No Local on every filter that matches, a client never gets its own messages.
pub fn no_local_is_kept(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let mut reasons = justified(delivery, message, session);
        let open =
            |subscription: &Subscription| subscription.versions.iter().any(|version| !version.no_local);
        if message.publisher == session.client_id && !reasons.any(open) {
            return Err(format!(
                "{} is the client's own, and No Local is set",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}

/// The QoS of a delivery is at most that of the publish, and at most the highest that a matching filter asked for.
pub fn granted_qos_is_kept(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let Some(qos) = delivery.qos else { continue };
        let asked = justified(delivery, message, session)
            .map(Subscription::qos_max)
            .max();
        if qos > message.qos || asked.is_some_and(|asked| qos > asked) {
            let text = describe(delivery, session);
            return Err(format!(
                "{text}: published at {:?}, asked for {asked:?}",
                message.qos
            ));
        }
    }
    Ok(())
}

/// A delivery carries the identifiers of matching filters only, and that of each filter that stood for sure.
pub fn subscription_identifiers_are_right(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let asked: Vec<u32> = matching(session, &delivery.topic)
            .flat_map(|subscription| {
                subscription
                    .versions
                    .iter()
                    .filter_map(|version| version.identifier)
            })
            .collect();
        if let Some(foreign) = delivery
            .identifiers
            .iter()
            .find(|identifier| !asked.contains(identifier))
        {
            return Err(format!(
                "{} carries identifier {foreign} of no matching filter",
                describe(delivery, session)
            ));
        }
        if delivery.share().is_some() && delivery.identifiers.len() > 1 {
            let text = describe(delivery, session);
            return Err(format!(
                "{text} is for a group and for others: {:?}",
                delivery.identifiers
            ));
        }
        let Some(fed) = message.first_fed().filter(|_| delivery.share().is_none()) else {
            continue;
        };
        for subscription in ordinary(session, &delivery.topic) {
            let [only] = subscription.versions.as_slice() else {
                continue;
            };
            let Some(identifier) = only.identifier else {
                continue;
            };
            let own = only.no_local && message.publisher == session.client_id;
            let sure = subscription.stands_since(fed) && !delivery.retain && !own;
            if sure && !delivery.identifiers.contains(&identifier) {
                return Err(format!(
                    "{} lacks identifier {identifier}",
                    describe(delivery, session)
                ));
            }
        }
    }
    Ok(())
}
