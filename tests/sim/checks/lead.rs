//! `devices_wait_for_their_subscribers`: how far a device at QoS 1 or 2 runs ahead of whom it publishes to.
//!
//! Only what arrived is counted, so that nothing needs to be known of subscriptions, and only what was live: a retained
//! message may be sent to who subscribes long after. That no queue overflows is not claimed: nothing slows down who
//! publishes at QoS 0, what waits behind a retained message, the administrator, or a client that makes new connections.

use super::{Verdict, named};
use crate::history::{History, LeadMax, SessionId, Step};
use std::collections::{BTreeMap, BTreeSet};

/// A message of a device on its way to a subscriber.
#[derive(Clone, Copy, Debug)]
struct Way {
    taken: Step,
    read: Step,
    connection: usize,
}

/// Of one device, no more waits for one subscriber than may.
pub fn devices_wait_for_their_subscribers(history: &History) -> Verdict {
    let Some(max) = history.lead_max else {
        return Ok(());
    };
    for ((session, device), ways) in ways(history) {
        if let Some((step, waiting, allowed)) = too_far(ways, max) {
            let subscriber = &history.sessions[session].client_id;
            return Err(format!(
                "{waiting} messages of {device:?} wait for {subscriber:?} in step {step}, of at most {allowed}"
            ));
        }
    }
    Ok(())
}

/// What arrived of each device at each subscriber.
fn ways(history: &History) -> BTreeMap<(SessionId, &str), Vec<Way>> {
    let mut ways: BTreeMap<(SessionId, &str), Vec<Way>> = BTreeMap::new();
    for (delivery, message, _) in named(history) {
        let taken = delivery.message.and_then(|id| history.taken.get(&id));
        let Some(taken) = taken.filter(|_| !delivery.retain && !delivery.dup) else {
            continue;
        };
        let way = Way {
            taken: taken.step,
            read: delivery.step,
            connection: taken.connection,
        };
        ways.entry((delivery.session, &message.publisher))
            .or_default()
            .push(way);
    }
    ways
}

/// The first step in which too many wait; how many, and how many may.
fn too_far(mut ways: Vec<Way>, max: LeadMax) -> Option<(Step, usize, usize)> {
    ways.sort_by_key(|way| way.taken);
    let mut waiting: Vec<Way> = Vec::new();
    for way in ways {
        waiting.retain(|earlier| earlier.read > way.taken);
        waiting.push(way);
        // Each connection may find out for itself that it is to wait.
        let connections: BTreeSet<usize> = waiting.iter().map(|way| way.connection).collect();
        let allowed = max.queued + max.crossing * connections.len();
        if waiting.len() > allowed {
            return Some((way.taken, waiting.len(), allowed));
        }
    }
    None
}
