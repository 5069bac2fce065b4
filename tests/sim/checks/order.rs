//! The check of order: for one publisher, one topic and one QoS, a session sees messages in the order of publishing.
//!
//! Messages that come again after a reconnect may repeat earlier ones, so what is compared is the order of first arrivals;
//! and a QoS 1 publish that its publisher sent again counts from then.

use super::{Verdict, describe, named};
use crate::history::{History, MessageId, Origin};
use ringwire_codec::mqtt::QoS;
use std::collections::{BTreeMap, BTreeSet};

/// First arrivals keep the order in which their publisher wrote them.
pub fn order_is_kept(history: &History) -> Verdict {
    let mut seen: BTreeSet<(usize, MessageId)> = BTreeSet::new();
    let mut last: BTreeMap<_, MessageId> = BTreeMap::new();
    for (delivery, message, session) in named(history) {
        // An answer to a SUBSCRIBE is not part of the live stream, and the administrator's messages enter anywhere.
        let ordered = message.origin == Origin::Publish || message.origin == Origin::Device;
        // What a member of a group gives back comes later to another.
        if delivery.retain || !ordered || delivery.share().is_some() {
            continue;
        }
        let Some(id) = delivery.message.filter(|id| seen.insert((delivery.session, *id))) else {
            continue;
        };
        let stream = (
            delivery.session,
            &message.publisher,
            &message.topic,
            message.qos,
            delivery.qos,
            // Those that wait equally long keep their order.
            history.delayed.get(&id).map(|delayed| delayed.seconds),
        );
        let Some(previous) = last.insert(stream, id).filter(|previous| *previous > id) else {
            continue;
        };
        // Sent again at QoS 1 it was published again, maybe after what it came after here.
        let published = match message.qos {
            QoS::AtLeastOnce => message.fed.last(),
            QoS::AtMostOnce | QoS::ExactlyOnce => message.fed.first(),
        };
        if published < history.messages[previous].fed.first() {
            return Err(format!(
                "{} came after message {previous}",
                describe(delivery, session)
            ));
        }
    }
    Ok(())
}
