//! Checks of bans: a banned client id is closed, told why and kept out until its ban ends.
//!
//! That everybody else notices nothing, and that nobody is turned away once a ban is over, is `honest_clients_are_not_disturbed`,
//! which is made while a run goes on (`world/watch.rs`).

use super::Verdict;
use crate::history::History;
use ringwire_codec::mqtt::ReasonCode;

/// When every shard has heard of a ban, its client has no connection.
pub fn a_ban_closes_its_client(history: &History) -> Verdict {
    for ban in &history.bans {
        if ban.left_open > 0 {
            return Err(format!(
                "{:?} has {} connections after the ban of step {}",
                ban.client_id, ban.left_open, ban.from
            ));
        }
    }
    Ok(())
}

/// Who is banned is not let in until the ban ends.
pub fn a_banned_client_stays_out(history: &History) -> Verdict {
    for (client_id, step) in &history.let_in {
        let mut bans = history.bans.iter().filter(|ban| ban.client_id == *client_id);
        if let Some(ban) = bans.find(|ban| ban.from < *step && ban.until.is_none_or(|until| *step <= until)) {
            return Err(format!(
                "{client_id:?} was let in in step {step}, banned from step {} until {:?}",
                ban.from, ban.until
            ));
        }
    }
    Ok(())
}

/// Who is turned away was banned before, and is told so.
pub fn a_banned_client_is_told_why(history: &History) -> Verdict {
    for refusal in &history.turned_away {
        let mut bans = history.bans.iter();
        let is_banned = bans.any(|ban| ban.client_id == refusal.client_id && ban.from < refusal.step);
        let expected = match refusal.knows_bans {
            true => ReasonCode::Banned,
            false => ReasonCode::NotAuthorized,
        };
        if !is_banned || refusal.reason != expected {
            return Err(format!("{refusal:?}, expected {expected:?} after a ban"));
        }
    }
    Ok(())
}
