//! Bans, as the administrator makes and lifts them and as the oracle sees them.

use super::socket::{Place, SocketId};
use super::{Sabotage, World};
use crate::history::Ban;
use ringwire_core::bans::{self, Banned};
use ringwire_core::{Input, Time};
use std::sync::Arc;

impl World {
    /// The administrator bans a client id for a few seconds, or lifts its ban when it has one. Every shard is told.
    pub fn ban_or_lift(&mut self, client_id: &str) {
        let who = Banned::ClientId(client_id.to_owned());
        if self.is_banned(client_id) {
            for shard in 0..self.shards.len() {
                self.feed(shard, Input::Unban { who: &who });
                self.carry_out(shard);
            }
            let step = self.step;
            let mut bans = self.history.bans.iter_mut().filter(|ban| ban.until.is_none());
            let ban = bans.find(|ban| ban.client_id == client_id);
            ban.expect("it is banned").until = Some(step);
            return;
        }
        let end_s = self.now.as_millis() / 1_000 + self.random.between(1, 4) as u64;
        let from = self.tick_step();
        self.silence(client_id);
        self.history.bans.push(Ban {
            client_id: client_id.to_owned(),
            from,
            end_ms: end_s * 1_000,
            until: None,
            left_open: 0,
        });
        self.tell_of_ban(who, end_s);
        let left_open = self.connections_of(client_id);
        let step = self.step;
        let ban = self.history.bans.last_mut().expect("it was pushed");
        (ban.from, ban.left_open) = (step, left_open);
    }

    fn tell_of_ban(&mut self, mut who: Banned, end_s: u64) {
        if self.sabotage == Some(Sabotage::BanAnother) {
            who = Banned::ClientId("m0".to_owned());
        }
        let start_s = self.scenario.settings.start.unix_ms / 1_000;
        let is_endless = self.sabotage == Some(Sabotage::EndlessBans);
        let ban = Arc::new(bans::Ban {
            who,
            by: "administrator".to_owned(),
            reason: "enough".to_owned(),
            at_s: start_s + self.now.as_millis() / 1_000,
            until_s: (!is_endless).then_some(start_s + end_s),
        });
        for shard in 0..self.shards.len() {
            if self.sabotage != Some(Sabotage::IgnoreBans) {
                self.feed(shard, Input::Ban { ban: ban.clone() });
            }
            self.carry_out(shard);
            if self.sabotage == Some(Sabotage::LiftBans) {
                self.feed(shard, Input::Unban { who: &ban.who });
            }
        }
    }

    /// What a client has delayed is not heard if it is due while the client is banned.
    pub(super) fn silence(&mut self, client_id: &str) {
        let messages = &self.history.messages;
        let delayed = self.history.delayed.keys().copied();
        let own = delayed.filter(|id| messages[*id].publisher == client_id);
        self.history.silenced.extend(own);
    }

    /// Connections of a client id that were let in and are not being closed.
    pub(super) fn connections_of(&self, client_id: &str) -> usize {
        let own = self.sockets.iter();
        let own = own.filter(|socket| socket.connected && !socket.closed_input && socket.owner == client_id);
        own.filter(|socket| match socket.place {
            Place::Slot(shard, number) => {
                let slot = &self.shards[shard].slots[number];
                !slot.closing && !slot.forgotten
            }
            Place::Incoming(_) | Place::Moving | Place::Gone => false,
        })
        .count()
    }

    fn is_banned(&self, client_id: &str) -> bool {
        let mut bans = self.history.bans.iter().filter(|ban| ban.until.is_none());
        bans.any(|ban| ban.client_id == client_id)
    }

    /// Whether a client was ever banned.
    pub fn was_banned(&self, client_id: &str) -> bool {
        self.history.bans.iter().any(|ban| ban.client_id == client_id)
    }

    /// Whether it is true of a connection that its client is banned.
    pub(super) fn is_banned_there(&self, id: SocketId) -> bool {
        let socket = &self.sockets[id];
        // A shard that had no turn since does not know that a ban is over.
        let late = match socket.place {
            Place::Slot(shard, _) => {
                let wake = self.shards[shard].engine.next_wake();
                wake.is_some_and(|wake| wake <= self.now)
            }
            Place::Incoming(_) | Place::Moving | Place::Gone => false,
        };
        self.is_banned(&socket.owner) || (late && self.was_banned(&socket.owner))
    }

    /// Notes which bans are over.
    pub(super) fn note_bans_over(&mut self) {
        let (now_ms, step) = (self.now.as_millis(), self.step);
        let bans = self.history.bans.iter_mut();
        bans.filter(|ban| ban.until.is_none() && ban.end_ms <= now_ms)
            .for_each(|ban| ban.until = Some(step));
    }

    /// Lets time pass until every ban is over.
    pub fn outlast_bans(&mut self) {
        let last = self.history.bans.iter().map(|ban| ban.end_ms).max();
        let last = Time::from_millis(last.unwrap_or_default());
        self.pass(last.millis_since(self.now));
    }

    /// A client was let in.
    pub(super) fn saw_entry(&mut self, id: SocketId, step: crate::history::Step) {
        let owner = self.sockets[id].owner.clone();
        self.history.let_in.push((owner, step));
    }
}
