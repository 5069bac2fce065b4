//! What an honest client delays: some of its publishes go to `$delayed/SECONDS/TOPIC`.

use super::MqttClient;
use crate::history::{Delayed, MessageId};
use crate::world::World;

impl MqttClient {
    /// Delays a new message, now and then.
    pub(super) fn delay(&self, world: &mut World, message: MessageId) {
        if !world.scenario.delaying || !world.random.chance(15) {
            return;
        }
        let seconds = world.random.between(1, 3) as u64;
        let sent = &mut world.history.messages[message];
        // Retained it would be written at a moment that is not observed, and its expiry is for another check.
        sent.retain = false;
        sent.expiry_s = None;
        world
            .history
            .delayed
            .insert(message, Delayed { seconds, due: None });
    }
}
