//! How an honest MQTT client says good-bye: with or without its Will, and with another Session Expiry Interval. Now and then
//! it asks for one that its session may not have (5.0 section 3.14.2.2.2), to see that it gets none.

use super::MqttClient;
use crate::scenario::EXPIRY_MAX_S;
use crate::world::{Goodbye, Mark, World};
use ringwire_codec::mqtt::{Disconnect, Packet, Property, PropertyList, ReasonCode, Version};

/// Intervals that a DISCONNECT names.
const INTERVALS: &[Option<u32>] = &[None, None, Some(0), Some(1), Some(5), Some(400), Some(u32::MAX)];

impl MqttClient {
    /// Says good-bye in some way.
    pub(super) fn part(&mut self, world: &mut World) {
        if self.version != Version::V5 {
            return self.disconnect(world, Goodbye::default());
        }
        let with_will = world.random.chance(30);
        let named = *world.random.pick(INTERVALS);
        let is_wrong =
            !self.persistent && named.is_some_and(|interval| interval > 0) && world.random.chance(30);
        let expiry_s = named.filter(|interval| self.persistent || *interval == 0 || is_wrong);
        world.reached(match (is_wrong, expiry_s) {
            (true, _) => "an expiry was asked for at DISCONNECT alone",
            (false, Some(_)) => "an expiry was changed at DISCONNECT",
            (false, None) => "a plain DISCONNECT",
        });
        let goodbye = Goodbye {
            expiry_s,
            with_will,
            is_wrong,
        };
        self.disconnect(world, goodbye);
    }

    pub(super) fn disconnect(&mut self, world: &mut World, goodbye: Goodbye) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let socket = connection.socket;
        connection.renamed = goodbye.expiry_s.is_some();
        let known = Goodbye {
            expiry_s: goodbye.expiry_s.map(|interval| interval.min(EXPIRY_MAX_S)),
            ..goodbye
        };
        world.say_goodbye(socket, known);
        let mut properties = PropertyList::default();
        if let Some(interval) = goodbye.expiry_s
            && !world.loses_interval(goodbye.is_wrong)
        {
            properties.push(Property::SessionExpiryInterval(interval));
        }
        let packet = Packet::Disconnect(Disconnect {
            reason: if goodbye.with_will {
                ReasonCode::DisconnectWithWill
            } else {
                ReasonCode::Success
            },
            properties: properties.as_properties(),
        });
        self.write(world, &packet, Some(Mark::Disconnect));
        world.close(socket);
        self.lose(world);
    }
}
