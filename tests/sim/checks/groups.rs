//! Checks of shared subscriptions (5.0 section 4.8.2): a group gets each message once, whoever of its members gets it, and
//! loses none while somebody stays.
//!
//! A member that leaves, or loses its connection, gives back what it has not acknowledged; so QoS 1 may come again then, and
//! only then. Members that ask for QoS 0 may lose what they are picked for, so groups that have any are left out.

use super::{Verdict, describe, matches, named};
use crate::history::{History, MessageId, SHARED, Sent, Session, Step, Subscription};
use ringwire_codec::mqtt::QoS;
use std::collections::BTreeMap;

/// The parts in a group that sessions have or had.
fn parts<'a>(history: &'a History, share: &'a str) -> impl Iterator<Item = (&'a Session, &'a Subscription)> {
    history.sessions.iter().flat_map(move |session| {
        let subscriptions = session.subscriptions.iter();
        let here = subscriptions.filter(move |subscription| subscription.filter == share);
        here.map(move |subscription| (session, subscription))
    })
}

/// A member has left, or was away, at a step or later.
fn is_unsteady((session, part): (&Session, &Subscription), since: Step) -> bool {
    let left = [session.ended, part.unsubscribe_sent];
    let lost = session.losses.iter().copied();
    lost.chain(left.into_iter().flatten()).any(|step| step >= since)
}

/// QoS 0 and 2 come to one member, once; QoS 1 comes again only when a member has left.
pub fn a_group_gets_each_message_once(history: &History) -> Verdict {
    let mut counts: BTreeMap<(&str, MessageId), usize> = BTreeMap::new();
    for (delivery, message, session) in named(history) {
        let (Some(share), Some(id)) = (delivery.share(), delivery.message) else {
            continue;
        };
        if delivery.dup {
            continue;
        }
        let count = counts.entry((share, id)).or_default();
        *count += 1;
        let first = message.first_fed().unwrap_or_default();
        // It was given back by a member that had it at QoS 1, maybe to one that asked for QoS 0.
        let mut copies = history.deliveries.iter();
        let at_qos_1 = copies.any(|one| {
            one.message == Some(id) && one.share() == Some(share) && one.qos == Some(QoS::AtLeastOnce)
        });
        let may_return = at_qos_1 && parts(history, share).any(|part| is_unsteady(part, first));
        if *count > message.fed.len() && !may_return {
            let text = describe(delivery, session);
            return Err(format!("{text} is for {share:?}, which got it {count} times"));
        }
    }
    Ok(())
}

/// What was published while a group had a member that stayed reaches one of its members.
pub fn a_group_loses_nothing(history: &History) -> Verdict {
    for (id, message) in history.messages.iter().enumerate() {
        let Some(fed) = message.first_fed().filter(|_| message.published()) else {
            continue;
        };
        if message.payload.is_empty() || !message.lasts() || history.silenced.contains(&id) {
            continue;
        }
        for share in SHARED.iter().filter(|share| matches(share, &message.topic)) {
            let mut got = history.deliveries.iter();
            let is_there = got.any(|one| one.message == Some(id) && one.share() == Some(*share));
            if !is_there && is_owed(history, share, message, fed) {
                return Err(format!(
                    "{share:?} never got message {id} of {:?} on {:?}, published at {:?}, fed in steps {:?}",
                    message.publisher, message.topic, message.qos, message.fed
                ));
            }
        }
    }
    Ok(())
}

fn is_owed(history: &History, share: &str, message: &Sent, fed: Step) -> bool {
    let stays = |(session, part): (&Session, &Subscription)| {
        part.stands_since(fed) && session.ended.is_none() && session.connected.is_some()
    };
    let may_lose = |(session, part): (&Session, &Subscription)| {
        let deaf = part.versions.iter().any(|version| version.qos == QoS::AtMostOnce);
        // What was sent at QoS 2 stays with its member [MQTT-4.8.2-4]; QoS 0 is lost with a connection.
        let unsteady = message.qos != QoS::AtLeastOnce && is_unsteady((session, part), fed);
        // The home of a group hears a little later than its client that a member is back.
        let returns = session.connected.is_none() || !session.losses.is_empty();
        let away = message.qos == QoS::AtMostOnce && returns;
        deaf || away || unsteady || history.dropped_for(&session.client_id)
    };
    let lost_between = history.mesh_drops && message.qos == QoS::AtMostOnce;
    parts(history, share).any(stays) && !parts(history, share).any(may_lose) && !lost_between
}

/// A SUBSCRIBE to a group is not answered with retained messages (5.0 section 3.8.4).
pub fn a_group_is_not_sent_what_is_retained(history: &History) -> Verdict {
    for (delivery, _, session) in named(history).filter(|(delivery, ..)| delivery.retain) {
        let Some(share) = delivery.share() else { continue };
        let parts = session.subscriptions.iter().filter(|part| part.filter == share);
        let mut versions = parts.flat_map(|part| &part.versions);
        if !versions.any(|version| version.retain_as_published) {
            let text = describe(delivery, session);
            return Err(format!("{text} is for {share:?}, and has RETAIN set"));
        }
    }
    Ok(())
}
