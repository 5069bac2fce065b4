//! Subscriptions that an honest client did not ask for: the server makes them when it connects.
//!
//! A CONNECT that was never answered may have made them as well, so each counts, from when it was written: bounds are on
//! the safe side, as everywhere in the history.

use super::MqttClient;
use crate::extras::{filter_of, options_of};
use crate::history::{Options, SessionId, Step};
use crate::world::World;
use ringwire_core::access::Operation;

/// A CONNECT that may have made them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    step: Step,
    ms: u64,
}

impl MqttClient {
    /// A CONNECT is written. Whether it made subscriptions is not known before one is answered.
    pub(super) fn may_be_given(&mut self, world: &World) {
        if !world.scenario.auto_subscribe.is_empty() {
            self.asked.push(Asked {
                step: world.step,
                ms: world.now.as_millis(),
            });
        }
    }

    /// A CONNECT was answered: what it was given stands, and perhaps what those were given that were not answered.
    pub(super) fn was_given(&mut self, world: &mut World, session: SessionId) {
        for asked in std::mem::take(&mut self.asked) {
            for row in world.scenario.auto_subscribe.clone() {
                let filter = filter_of(&row, &self.client_id);
                if self.is_denied(world, Operation::Subscribe, &filter) {
                    continue;
                }
                let options = options_of(&row, self.version);
                let version = Options {
                    sent: asked.step,
                    sent_ms: asked.ms,
                    fed: Some(world.step),
                    acked: Some(world.step),
                    qos: options.qos,
                    no_local: options.no_local,
                    retain_as_published: options.retain_as_published,
                    retain_handling: options.retain_handling,
                    identifier: None,
                };
                world.history.subscribe(session, &filter, version);
            }
        }
    }
}
