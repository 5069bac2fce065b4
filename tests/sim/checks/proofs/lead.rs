//! Proof that the check of waiting devices can fail: as many messages wait in a good history as may, and how that is spoiled.
//!
//! Part of the good history of `proofs.rs`, which feeds all of them to the checks.

use super::Spoil;
use crate::history::{History, LeadMax, Taken};

/// Four messages that all wait until step 81 came from a device, two on each of its connections.
pub fn come_of_a_device(history: &mut History) {
    for (id, connection) in [(1, 0), (2, 0), (4, 1), (5, 1)] {
        let step = history.messages[id].fed[0];
        history.taken.insert(id, Taken { step, connection });
    }
    history.lead_max = Some(LeadMax {
        queued: 2,
        crossing: 1,
    });
}

fn max(history: &mut History) -> &mut LeadMax {
    history.lead_max.as_mut().expect("it is in the good history")
}

/// As in `proofs.rs`.
pub const SPOILS: &[(&str, &str, Spoil)] = &[
    (
        "devices_wait_for_their_subscribers",
        "one more waits than may",
        |history| max(history).queued = 1,
    ),
    (
        "devices_wait_for_their_subscribers",
        "they came on one connection",
        |history| history.taken.values_mut().for_each(|taken| taken.connection = 0),
    ),
];
