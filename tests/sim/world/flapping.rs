//! Clients that come and go too often, as the oracle counts them: by what the engines note of connections that ended.
//!
//! The broker's own ban must follow at once, at the client's home, and nobody else may be banned.

use super::{Sabotage, World};
use crate::checks::Failure;
use crate::history::{Ban, Step};
use ringwire_core::{CloseReason, Time};
use std::collections::BTreeMap;

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    /// When a client's window began, and how often it has left since.
    windows: BTreeMap<String, (Time, u32)>,
    /// Who must be banned by the end of the input at hand.
    due: Option<String>,
}

impl World {
    /// A connection that had been let in ended.
    pub(super) fn count_leaving(&mut self, client_id: &str, reason: CloseReason) {
        let Some(flapping) = self.scenario.flapping.clone() else {
            return;
        };
        let is_ours = matches!(
            reason,
            CloseReason::Kicked | CloseReason::Banned | CloseReason::ServerShuttingDown
        );
        if is_ours || client_id.is_empty() {
            return;
        }
        let now = self.now;
        let window = self.flaps.windows.entry(client_id.to_owned()).or_insert((now, 0));
        if window.0 + flapping.window_time_ms <= now {
            *window = (now, 0);
        }
        window.1 += 1;
        if window.1 >= flapping.max_count {
            self.flaps.windows.remove(client_id);
            self.flaps.due = Some(client_id.to_owned());
        }
    }

    /// The broker bans somebody by itself.
    pub(super) fn saw_flapping(&mut self, who: &str, step: Step) {
        if self.flaps.due.take().as_deref() != Some(who) {
            let text = format!("{who:?} was banned, and had not left too often");
            self.fail(Failure::new("only_who_flaps_is_banned", text));
        }
        self.reached("a client that flaps was banned");
        // Rogues connect under other names than their own.
        if who.starts_with('x') || !self.sockets.iter().any(|socket| socket.owner == who) {
            return;
        }
        let ban_s = self
            .scenario
            .flapping
            .as_ref()
            .map_or(0, |f| f.ban_time_ms / 1_000);
        self.silence(who);
        let left_open = self.connections_of(who);
        self.history.bans.push(Ban {
            client_id: who.to_owned(),
            from: step,
            end_ms: (self.now.as_millis() / 1_000 + ban_s) * 1_000,
            until: None,
            left_open,
        });
    }

    /// An input was handled: whoever left once too often by it is banned.
    pub(super) fn flapping_is_banned(&mut self) {
        if let Some(client_id) = self.flaps.due.take() {
            let text = format!("{client_id:?} came and went too often, and is not banned");
            self.fail(Failure::new("who_flaps_is_banned", text));
        }
    }
}

/// What is spoiled of the settings.
pub fn spoil(kind: Sabotage, settings: &mut ringwire_core::settings::Flapping) {
    match kind {
        Sabotage::IgnoreFlapping => settings.enable = false,
        Sabotage::HastyFlapping => settings.max_count -= 1,
        Sabotage::ForgetFlapping => settings.window_time_ms = 1,
        _ => {}
    }
}
