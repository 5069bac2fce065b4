//! Proof that the checks of Wills can fail: what a good history has of them, and how that is spoiled.
//!
//! Part of the good history of `proofs.rs`, which feeds all of them to the checks.

use super::{Spoil, delivery, index, sent};
use crate::history::{Fate, History, MessageId, Origin, Sent};
use ringwire_codec::mqtt::QoS;

/// A Will that was sent in step 111 and arrived in step 115.
const SENT: MessageId = 12;

/// A Will that was cancelled.
const CANCELLED: MessageId = 13;

/// Leaves the two Wills.
pub fn leave_wills(history: &mut History) {
    for id in [SENT, CANCELLED] {
        history.messages.push(Sent {
            origin: Origin::Will,
            ..sent(id, "a/will", QoS::AtLeastOnce, 110)
        });
    }
    history.messages[CANCELLED].fed.clear();
    history.wills.insert(SENT, Fate::Sent(111));
    history.wills.insert(CANCELLED, Fate::Cancelled(112));
    let delivery = delivery(history, SENT, 115);
    history.deliveries.push(delivery);
}

/// As in `proofs.rs`.
pub const SPOILS: &[(&str, &str, Spoil)] = &[
    (
        "a_cancelled_will_stays_unsent",
        "its client had come back",
        |history| {
            history.wills.insert(SENT, Fate::Cancelled(114));
        },
    ),
    ("a_will_waits_until_it_is_due", "its delay was cut", |history| {
        history.wills.insert(SENT, Fate::Sent(116));
    }),
    ("a_will_waits_until_it_is_due", "it was never due", |history| {
        history.wills.remove(&SENT);
    }),
    ("a_will_that_is_due_comes", "nobody got it", |history| {
        history.deliveries.remove(index(history, SENT));
    }),
    (
        "expiry_is_kept",
        "its interval ran from the CONNECT on",
        |history| {
            let index = index(history, SENT);
            history.deliveries[index].expiry_s = Some(19_000);
        },
    ),
];
