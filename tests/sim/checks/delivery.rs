//! Checks of how often a message arrives: at most, at least and exactly once (5.0 section 4.3), and whether who had
//! subscribed was heard.
//!
//! What is owed: a message that was published for sure, after the session had read the SUBACK of a matching filter that
//! nobody has asked to end. A drop that the broker itself named is not a loss; one that it did not name is.

use super::{Verdict, ordinary};
use crate::history::{Delivery, History, MessageId, Sent, Session, SessionId, Step};
use ringwire_codec::mqtt::QoS;
use std::collections::BTreeMap;

/// What arrived of one message in one session.
#[derive(Default)]
struct Copies {
    /// With RETAIN clear: not an answer to a SUBSCRIBE.
    live: usize,
    /// Of `live`, those that are not marked as sent again.
    fresh: usize,
    /// With RETAIN set, not marked as sent again.
    retained: usize,
}

fn copies(history: &History) -> BTreeMap<(SessionId, MessageId), Copies> {
    let mut table: BTreeMap<(SessionId, MessageId), Copies> = BTreeMap::new();
    for delivery in &history.deliveries {
        // What comes for a group is for `groups.rs` to judge.
        let Some(message) = delivery.message.filter(|_| delivery.share().is_none()) else {
            continue;
        };
        let copies = table.entry((delivery.session, message)).or_default();
        copies.live += usize::from(!delivery.retain);
        copies.fresh += usize::from(!delivery.retain && !delivery.dup);
        copies.retained += usize::from(delivery.retain && !delivery.dup);
    }
    table
}

/// QoS 0 arrives once or not at all; nothing arrives again that is not marked as sent again; a retained message arrives
/// once for each SUBSCRIBE.
pub fn at_most_once(history: &History) -> Verdict {
    for ((session, id), copies) in copies(history) {
        let message = &history.messages[id];
        let session = &history.sessions[session];
        let live_max = match message.qos {
            QoS::AtMostOnce => 1,
            QoS::AtLeastOnce => message.fed.len(),
            // The check `exactly_once` says more.
            QoS::ExactlyOnce => usize::MAX,
        };
        if copies.fresh > live_max || (message.qos == QoS::AtMostOnce && copies.live > 1) {
            return Err(format!(
                "{:?} got message {id} {} times at QoS 0 or afresh",
                session.client_id, copies.live
            ));
        }
        let asked = ordinary(session, &message.topic).flat_map(|subscription| &subscription.versions);
        let retained_max = asked.map(|version| {
            if version.retain_as_published {
                1 + message.fed.len()
            } else {
                1
            }
        });
        let retained_max: usize = retained_max.sum();
        if copies.retained > retained_max {
            return Err(format!(
                "{:?} got retained {id} {} times",
                session.client_id, copies.retained
            ));
        }
    }
    Ok(())
}

/// What is owed of some messages arrives: at QoS 0 only on a connection that stood all the time.
pub fn all_arrive(history: &History, is_meant: impl Fn(&Sent) -> bool) -> Verdict {
    let arrived = copies(history);
    owed(history, |session, id, message, debt| {
        let sure = debt.qos != QoS::AtMostOnce || (debt.connected && !history.mesh_drops);
        if is_meant(message) && sure && !arrived.contains_key(&(session, id)) {
            return Err(lost(history, session, id, message));
        }
        Ok(())
    })
}

/// What is owed at QoS 1 arrives.
pub fn at_least_once(history: &History) -> Verdict {
    let arrived = copies(history);
    owed(history, |session, id, message, debt| {
        let missing = debt.qos == QoS::AtLeastOnce && !arrived.contains_key(&(session, id));
        if missing {
            Err(lost(history, session, id, message))
        } else {
            Ok(())
        }
    })
}

/// What is owed at QoS 2 arrives, and nothing published at QoS 2 arrives twice in one session.
pub fn exactly_once(history: &History) -> Verdict {
    let arrived = copies(history);
    for (&(session, id), copies) in &arrived {
        let message = &history.messages[id];
        let again = history.deliveries.iter().any(|delivery| {
            let same =
                delivery.session == session && delivery.message == Some(id) && delivery.share().is_none();
            same && delivery.qos == Some(QoS::AtLeastOnce)
        });
        let count = if again { copies.fresh } else { copies.live };
        if message.qos == QoS::ExactlyOnce && count > 1 {
            let client_id = &history.sessions[session].client_id;
            return Err(format!(
                "{client_id:?} got message {id}, published at QoS 2, {count} times"
            ));
        }
    }
    owed(history, |session, id, message, debt| {
        let missing = debt.qos == QoS::ExactlyOnce && !arrived.contains_key(&(session, id));
        if missing {
            Err(lost(history, session, id, message))
        } else {
            Ok(())
        }
    })
}

/// What was published after a SUBACK was read is heard, at any QoS, on a connection that stood all the time.
pub fn subscribed_after_suback_is_heard(history: &History) -> Verdict {
    let arrived = copies(history);
    owed(history, |session, id, message, debt| {
        let sure = debt.connected && !(history.mesh_drops && debt.qos == QoS::AtMostOnce);
        let missing = sure && !arrived.contains_key(&(session, id));
        if missing {
            Err(lost(history, session, id, message))
        } else {
            Ok(())
        }
    })
}

/// What a session is owed of a message.
pub(super) struct Debt {
    /// The QoS at which it must arrive, at least.
    pub(super) qos: QoS,
    /// One connection stood from before the publish to the end.
    pub(super) connected: bool,
}

/// Asks `each` for every message that is owed to a session.
fn owed(history: &History, mut each: impl FnMut(SessionId, MessageId, &Sent, Debt) -> Verdict) -> Verdict {
    for (id, message) in history.messages.iter().enumerate() {
        let Some(fed) = message.first_fed().filter(|_| message.published()) else {
            continue;
        };
        if message.payload.is_empty() || !message.lasts() || history.silenced.contains(&id) {
            continue;
        }
        for (session_id, session) in history.sessions.iter().enumerate() {
            if let Some(debt) = debt(history, session, message, fed) {
                each(session_id, id, message, debt)?;
            }
        }
    }
    Ok(())
}

/// What a session is owed of a message that was published in a step or later.
pub(super) fn debt(history: &History, session: &Session, message: &Sent, fed: Step) -> Option<Debt> {
    if session.ended.is_some() || history.dropped_for(&session.client_id) {
        return None;
    }
    let own = message.publisher == session.client_id;
    let standing = ordinary(session, &message.topic).filter(|subscription| {
        let local = own && subscription.versions.iter().any(|version| version.no_local);
        subscription.stands_since(fed) && !local
    });
    let qos = standing
        .map(|subscription| subscription.qos_min(fed))
        .max()?
        .min(message.qos);
    let connected = session.connected.is_some_and(|since| since < fed);
    // Without acknowledgements a device's messages are lost with its connection.
    let qos = if session.device && !connected {
        QoS::AtMostOnce
    } else {
        qos
    };
    Some(Debt { qos, connected })
}

/// A message that never arrived, in words.
pub(super) fn lost(history: &History, session: SessionId, id: MessageId, message: &Sent) -> String {
    let client_id = &history.sessions[session].client_id;
    let text = format!(
        "{client_id:?} never got message {id} of {:?} on {:?}",
        message.publisher, message.topic
    );
    let published = format!("published at {:?}, fed in steps {:?}", message.qos, message.fed);
    let last = history
        .deliveries
        .iter()
        .rfind(|delivery: &&Delivery| delivery.session == session);
    format!(
        "{text}, {published}; its last delivery was in step {:?}",
        last.map(|delivery| delivery.step)
    )
}
