//! Proof that the checks of bans can fail: who is banned in a good history, and how that is spoiled.
//!
//! Part of the good history of `proofs.rs`, which feeds all of them to the checks.

use super::Spoil;
use crate::history::{Ban, History, TurnedAway};
use ringwire_codec::mqtt::ReasonCode;

const BANNED: &str = "banned";

/// A client is let in in step 10, banned from step 20 to 40, turned away in step 30 and let in again in step 50.
pub fn be_banned(history: &mut History) {
    history.let_in.push((BANNED.to_owned(), 10));
    history.bans.push(Ban {
        client_id: BANNED.to_owned(),
        from: 20,
        end_ms: 40_000,
        until: Some(40),
        left_open: 0,
    });
    history.turned_away.push(TurnedAway {
        client_id: BANNED.to_owned(),
        step: 30,
        reason: ReasonCode::Banned,
        knows_bans: true,
    });
    history.let_in.push((BANNED.to_owned(), 50));
}

/// As in `proofs.rs`.
pub const SPOILS: &[(&str, &str, Spoil)] = &[
    ("a_ban_closes_its_client", "it keeps its connection", |history| {
        history.bans[0].left_open = 1
    }),
    (
        "a_banned_client_stays_out",
        "it was let in before its ban was over",
        |history| history.let_in[1].1 = 35,
    ),
    (
        "a_banned_client_stays_out",
        "it was let in, and its ban does not end",
        |history| history.bans[0].until = None,
    ),
    (
        "a_banned_client_is_told_why",
        "it was told something else",
        |history| history.turned_away[0].reason = ReasonCode::ServerBusy,
    ),
    (
        "a_banned_client_is_told_why",
        "it was turned away before it was banned",
        |history| history.turned_away[0].step = 15,
    ),
];
