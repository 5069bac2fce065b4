//! One shard's decisions: `handle` takes what happened and says what to do.

use crate::{Actions, Input, InterestMap, Settings, ShardId, Time};
use crate::{client::Client, stats::Stats};
use std::sync::Arc;

/// The engine of one shard.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// An engine without connections or sessions. `interest` is shared by the engines of a node.
    pub fn new(shard: ShardId, settings: Arc<Settings>, interest: Arc<InterestMap>) -> Self {
        let _ = (shard, settings, interest);
        todo!()
    }

    /// Takes one input and appends what is to be done. `now` never goes back.
    pub fn handle(&mut self, now: Time, input: Input<'_>, actions: &mut Actions) {
        let _ = (now, input, actions);
        todo!()
    }

    /// When `Input::Tick` is next needed; `None` when no timer is set.
    pub fn next_wake(&self) -> Option<Time> {
        todo!()
    }

    /// The counters and gauges as of now.
    pub fn stats(&self) -> Stats {
        todo!()
    }

    /// Up to `limit` clients whose client id sorts after `after`, sorted by client id.
    pub fn clients(&self, after: Option<&str>, limit: usize) -> Vec<Client> {
        let _ = (after, limit);
        todo!()
    }

    /// One client.
    pub fn client(&self, client_id: &str) -> Option<Client> {
        let _ = client_id;
        todo!()
    }
}
