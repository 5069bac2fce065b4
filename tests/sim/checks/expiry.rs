//! The check of message expiry (5.0 section 3.3.2.3.3): nothing is sent that has expired, and what waited says what is left
//! of its interval, in whole seconds.
//!
//! When exactly something was sent is not seen, only between which moments: not before its connection began nor, for an
//! answer, before it was asked for; and not after it was read.

use super::{Verdict, describe, named, ordinary};
use crate::history::{Delivery, History, Sent, Session};

/// What is delivered had not expired, and its interval is what is left.
pub fn expiry_is_kept(history: &History) -> Verdict {
    for (delivery, message, session) in named(history) {
        let text = || describe(delivery, session);
        if delivery.tells_expiry && delivery.expiry_s.is_some() != message.expiry_s.is_some() {
            let (got, sent) = (delivery.expiry_s, message.expiry_s);
            return Err(format!("{} has expiry {got:?}, sent was {sent:?}", text()));
        }
        // Published again, or held back for a while, its interval may have begun later.
        let ([fed_ms], Some(interval_s), true) = (&message.fed_ms[..], message.expiry_s, message.certain)
        else {
            continue;
        };
        let interval_ms = u64::from(interval_s) * 1_000;
        let expires_ms = fed_ms + interval_ms;
        let sent_from_ms = earliest(delivery, message, session, *fed_ms);
        if sent_from_ms >= expires_ms && !delivery.dup && interval_ms > 0 {
            return Err(format!(
                "{} had expired at {expires_ms}, sent after {sent_from_ms}",
                text()
            ));
        }
        let Some(left_s) = delivery.expiry_s.map(u64::from) else {
            continue;
        };
        let most_s = expires_ms.saturating_sub(sent_from_ms).div_ceil(1_000);
        let least_s = expires_ms.saturating_sub(delivery.read_ms) / 1_000;
        if left_s > most_s || left_s < least_s {
            return Err(format!(
                "{} has {left_s} s left, of {least_s} to {most_s}",
                text()
            ));
        }
    }
    Ok(())
}

/// The first moment at which a delivery may have been sent.
fn earliest(delivery: &Delivery, message: &Sent, session: &Session, fed_ms: u64) -> u64 {
    let asked = ordinary(session, &delivery.topic).flat_map(|subscription| &subscription.versions);
    let asked_ms = asked.map(|version| version.sent_ms).min().unwrap_or_default();
    let is_answer = delivery.retain && delivery.share().is_none() && message.retain;
    let since_ms = delivery.since_ms.max(fed_ms);
    if is_answer {
        since_ms.max(asked_ms)
    } else {
        since_ms
    }
}
