//! Exclusive subscriptions of an honest client: it claims a topic, is told that another has it, and gives it up again.

use super::MqttClient;
use crate::history::{CLAIMS, Step};
use crate::world::World;
use ringwire_codec::mqtt::{QoS, SubscriptionOptions, Version};

impl MqttClient {
    /// It may claim topics, and does now: 3.1 cannot be told that another has one.
    pub(super) fn wants_claim(&self, world: &mut World) -> bool {
        self.version != Version::V31 && world.scenario.claiming && world.random.chance(30)
    }

    /// Claims any topic.
    pub(super) fn claim_any(&mut self, world: &mut World) {
        let filter = *world.random.pick(CLAIMS);
        let qos = *world
            .random
            .pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        self.write_claim(world, filter, qos);
    }

    /// Claims a topic, at the end of a run.
    pub fn claim(&mut self, world: &mut World, filter: &str) {
        world.tick_step();
        self.write_claim(world, filter, QoS::AtLeastOnce);
    }

    fn write_claim(&mut self, world: &mut World, filter: &str, qos: QoS) {
        let options = SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        };
        self.write_subscribe(world, &[(filter.to_owned(), options)], None);
    }

    /// The standing claims among its subscriptions, when it wants to give one up: rather than another subscription.
    pub(super) fn claims_to_end(&self, world: &mut World, standing: &[usize]) -> Vec<usize> {
        let Some(session) = self.session.filter(|_| world.scenario.claiming) else {
            return Vec::new();
        };
        let subscriptions = &world.history.sessions[session].subscriptions;
        let claims = standing.iter().copied();
        let claims: Vec<usize> = claims
            .filter(|index| subscriptions[*index].is_exclusive())
            .collect();
        if !claims.is_empty() && world.random.chance(60) {
            claims
        } else {
            Vec::new()
        }
    }

    /// A claim was answered. True: another has the topic, so this SUBSCRIBE is no reason for a delivery.
    pub(super) fn is_claimed_by_another(
        &self,
        world: &mut World,
        filter: &str,
        reason: u8,
        sent: Step,
    ) -> bool {
        if !CLAIMS.contains(&filter) {
            return false;
        }
        let refusal = match self.version {
            Version::V5 => 0x97,
            Version::V31 | Version::V311 => 0x80,
        };
        if reason != refusal {
            world.reached("a claim was granted");
            return false;
        }
        world.reached("a claim was refused");
        let refused = (self.client_id.clone(), filter.to_owned());
        world.history.refusals.push(refused);
        if let Some(session) = self.session {
            let subscriptions = &mut world.history.sessions[session].subscriptions;
            let same = subscriptions.iter_mut().filter(|one| one.filter == filter);
            same.for_each(|one| one.versions.retain(|version| version.sent != sent));
            subscriptions.retain(|one| !one.versions.is_empty());
        }
        true
    }

    /// The server may have a session of it that it does not count on.
    pub fn is_unsure(&self, world: &World) -> bool {
        self.is_unsure || world.was_kicked(&self.client_id)
    }

    /// Its client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}
