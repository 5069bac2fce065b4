//! How an honest client is slow: now and then it looks away for a moment, and sometimes for seconds.

use crate::world::World;
use ringwire_core::Time;

/// The state of one client's slowness.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stall {
    until: Time,
}

impl Stall {
    /// True when the client neither reads nor answers now.
    pub fn looks_away(&mut self, world: &mut World) -> bool {
        if world.now < self.until {
            return true;
        }
        if !world.random.chance(world.scenario.slowness) {
            return false;
        }
        if world.random.chance(2) {
            self.until = world.now + world.random.between(100, 4_000) as u64;
        }
        world.random.chance(80)
    }
}
