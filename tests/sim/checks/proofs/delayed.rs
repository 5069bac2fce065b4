//! Proof that the checks of delayed publish can fail: what a good history has of it, and how that is spoiled.
//!
//! Part of the good history of `proofs.rs`, which feeds all of them to the checks.

use super::{Spoil, delivery, index, options, sent};
use crate::history::{Delayed, Delivery, History, MessageId, Sent, Subscription};
use ringwire_codec::mqtt::QoS;

/// The delayed message of the good history.
const DELAYED: MessageId = 11;

/// Message 11 waits from step 101 to 103, and arrives in step 104.
pub fn be_delayed(history: &mut History) {
    history.messages.push(Sent {
        expiry_s: None,
        ..sent(DELAYED, "a/later", QoS::AtLeastOnce, 100)
    });
    let due = Some(103);
    history.delayed.insert(DELAYED, Delayed { seconds: 2, due });
    history.calm_ms = Some(100_000);
    let delivery = Delivery {
        expiry_s: None,
        read_ms: 103_900,
        ..delivery(history, DELAYED, 104)
    };
    history.deliveries.push(delivery);
}

/// The delayed message is for another subscription, of which no answer was read before this step.
fn be_for_another(history: &mut History, step: u64) -> &mut Subscription {
    history.messages[DELAYED].topic = "later".to_owned();
    let index = index(history, DELAYED);
    history.deliveries[index].topic = "later".to_owned();
    let subscriptions = &mut history.sessions[0].subscriptions;
    subscriptions.push(Subscription {
        filter: "later".to_owned(),
        versions: vec![options(step)],
        unsubscribe_sent: None,
        unsubscribe_acked: None,
    });
    subscriptions.last_mut().expect("it was pushed")
}

/// As in `proofs.rs`.
pub const SPOILS: &[(&str, &str, Spoil)] = &[
    (
        "nothing_arrives_under_delayed",
        "it came under the topic to which it was published",
        |history| {
            let index = index(history, DELAYED);
            history.deliveries[index].topic = "$delayed/2/a/later".to_owned();
        },
    ),
    ("delayed_is_not_early", "it came before it was due", |history| {
        let index = index(history, DELAYED);
        history.deliveries[index].read_ms = 102_900;
    }),
    (
        "delayed_comes_in_time",
        "it came more than a second later",
        |history| {
            let index = index(history, DELAYED);
            history.deliveries[index].read_ms = 104_100;
        },
    ),
    (
        "delayed_comes_to_who_subscribes_then",
        "it did not come",
        |history| {
            history.deliveries.remove(index(history, DELAYED));
        },
    ),
    (
        "delayed_comes_to_who_subscribes_then",
        "it did not come to who subscribed while it waited",
        |history| {
            be_for_another(history, 100);
            history.deliveries.remove(index(history, DELAYED));
        },
    ),
    (
        "delayed_comes_to_who_subscribes_then",
        "it came to who unsubscribed while it waited",
        |history| {
            let subscription = be_for_another(history, 50);
            subscription.unsubscribe_sent = Some(101);
            subscription.unsubscribe_acked = Some(102);
        },
    ),
];
