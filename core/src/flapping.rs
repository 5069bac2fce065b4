//! Flapping: a client id that disconnects `max_count` times within `window_time` is banned for `ban_time`.
//!
//! Its home shard sees all its connections and counts them alone; the ban goes to every shard. A window begins with the
//! first disconnect that is counted and is forgotten when it is over. What the operator did (a kick, a ban, the end of the
//! node) is not counted. Limited: at `limits.flapping_clients` the client id whose window began first is forgotten.

use crate::bans::{Ban, Banned};
use crate::settings::Flapping;
use crate::{Actions, CloseReason, Engine, Parcel, ShardId, Time};
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

/// Client ids whose disconnects are counted.
#[derive(Debug)]
pub(crate) struct Flaps {
    counts: HashMap<Arc<str>, Window, ahash::RandomState>,
    /// In the order in which their windows began. All are equally long, so the first is over first.
    windows: VecDeque<(Time, Arc<str>)>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Time,
    disconnects: u32,
}

impl Flaps {
    pub(crate) fn new(hasher: ahash::RandomState) -> Self {
        Self {
            counts: HashMap::with_hasher(hasher),
            windows: VecDeque::new(),
        }
    }

    /// Counts a disconnect; true when it was the one too many, and then counting starts anew.
    fn count(&mut self, client_id: &str, now: Time, settings: &Flapping, clients_max: usize) -> bool {
        while let Some((began, _)) = self.windows.front()
            && (*began + settings.window_time_ms <= now || self.windows.len() >= clients_max)
        {
            self.forget_first();
        }
        if let Some(window) = self.counts.get_mut(client_id) {
            window.disconnects += 1;
            let disconnects = window.disconnects;
            return disconnects >= settings.max_count && self.counts.remove(client_id).is_some();
        }
        if settings.max_count <= 1 {
            return true;
        }
        let client_id: Arc<str> = client_id.into();
        let window = Window {
            began: now,
            disconnects: 1,
        };
        self.counts.insert(client_id.clone(), window);
        self.windows.push_back((now, client_id));
        false
    }

    /// The first window is over. It may be that of a client that was banned and has another one since.
    fn forget_first(&mut self) {
        if let Some((began, client_id)) = self.windows.pop_front()
            && self
                .counts
                .get(&client_id)
                .is_some_and(|window| window.began == began)
        {
            self.counts.remove(&client_id);
        }
    }
}

impl Engine {
    /// A client that was accepted is gone.
    pub(crate) fn count_flap(&mut self, client_id: &[u8], reason: CloseReason, actions: &mut Actions) {
        let settings = &self.settings.flapping;
        let is_ours = matches!(
            reason,
            CloseReason::Kicked | CloseReason::Banned | CloseReason::ServerShuttingDown
        );
        if !settings.enable || is_ours {
            return;
        }
        let Ok(client_id) = std::str::from_utf8(client_id) else {
            return;
        };
        let clients_max = self.settings.limits.flapping_clients;
        if !self.flaps.count(client_id, self.now, settings, clients_max) {
            return;
        }
        let at_s = self.unix_ms() / 1_000;
        let ban = Arc::new(Ban {
            who: Banned::ClientId(client_id.to_owned()),
            by: "flapping detector".to_owned(),
            reason: "flapping is detected".to_owned(),
            at_s,
            until_s: Some(at_s + self.settings.flapping.ban_time_ms.div_ceil(1_000)),
        });
        self.stats.flapping_detected += 1;
        if self.objection_to(&ban).is_none() {
            self.note_ban(&ban, actions);
        }
        for shard in 0..self.settings.shards {
            if shard != self.shard.0 {
                actions.post(ShardId(shard), Parcel::Ban(ban.clone()));
            }
        }
        self.ban(ban, actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Flapping {
        Flapping {
            enable: true,
            max_count: 3,
            window_time_ms: 1_000,
            ban_time_ms: 1,
        }
    }

    fn flaps() -> Flaps {
        Flaps::new(crate::engine::hasher(1, 1))
    }

    /// Disconnects of one client, by their moments: which of them is one too many.
    fn judged(moments: &[u64]) -> Vec<bool> {
        let mut flaps = flaps();
        let judged = moments.iter();
        judged
            .map(|&at| flaps.count("c", Time::from_millis(at), &settings(), 10))
            .collect()
    }

    #[test]
    fn the_last_of_max_count_disconnects_within_the_window_counts_as_flapping() {
        assert_eq!(judged(&[0, 500, 999]), [false, false, true]);
        assert_eq!(
            judged(&[0, 500, 1_000]),
            [false, false, false],
            "the window is over"
        );
        assert_eq!(
            judged(&[0, 1, 2, 3, 4, 5]),
            [false, false, true, false, false, true],
            "it starts anew"
        );
    }

    #[test]
    fn the_client_whose_window_began_first_is_forgotten_at_the_limit() {
        let mut flaps = flaps();
        let mut count = |name: &str, at| flaps.count(name, Time::from_millis(at), &settings(), 2);
        assert!(!count("a", 0) && !count("a", 1) && !count("b", 2) && !count("c", 3));
        assert!(!count("a", 4), "its two disconnects are forgotten");
        assert!(flaps.counts.len() <= 2 && flaps.windows.len() <= 2);
    }
}
