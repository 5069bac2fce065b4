//! Which client connects next and when: at a rate, and never too many at once.
//!
//! Too many attempts at once overflow the broker's backlog, and what the kernel drops there is tried again a second
//! later: that would be measured instead of the broker.

use crate::clock::SECOND;
use crate::layout::Member;
use crate::plan::{Plan, Protocol};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Attempts under way of all workers together.
const UNDER_WAY: usize = 128;

/// The same where a rate paces them.
const UNDER_WAY_PACED: usize = 1_024;

/// The first source address, 127.0.0.2.
const FIRST_SOURCE: u32 = 0x7F00_0002;

/// One worker's attempts.
#[derive(Debug)]
pub(crate) struct Dialer {
    next: usize,
    clients: usize,
    pub(crate) under_way: usize,
    under_way_max: usize,
    /// Attempts a nanosecond.
    rate: Option<f64>,
}

impl Dialer {
    /// For so many clients of one of the plan's workers.
    pub(crate) fn new(plan: &Plan, clients: usize) -> Self {
        let workers = plan.cores.len();
        let rate = plan.connect_rate;
        let all = if rate.is_some() {
            UNDER_WAY_PACED
        } else {
            UNDER_WAY
        };
        Self {
            next: 0,
            clients,
            under_way: 0,
            under_way_max: all.div_ceil(workers),
            rate: rate.map(|rate| rate / workers as f64 / SECOND as f64),
        }
    }

    /// The slot of the client that connects now, if one should.
    pub(crate) fn next(&mut self, now: u64) -> Option<usize> {
        let is_early = self.due().is_some_and(|due| due > now);
        if self.next == self.clients || self.under_way >= self.under_way_max || is_early {
            return None;
        }
        self.under_way += 1;
        self.next += 1;
        Some(self.next - 1)
    }

    /// When the next one is due by the rate.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.next == self.clients || self.under_way >= self.under_way_max {
            return None;
        }
        self.rate.map(|rate| (self.next as f64 / rate) as u64)
    }

    /// Whoever has not begun never will.
    pub(crate) fn stop(&mut self) {
        self.clients = self.next;
    }
}

/// Where client `number` of all connects to: MQTT clients of a plan of devices where MQTT is spoken.
pub(crate) fn target(plan: &Plan, member: Member, number: usize) -> SocketAddr {
    let is_apart = plan.protocol == Protocol::Private && plan.groups[member.group].mqtt_always;
    let targets = match (is_apart, plan.mqtt_targets.is_empty()) {
        (true, false) => &plan.mqtt_targets,
        (true, true) | (false, _) => &plan.targets,
    };
    targets[number % targets.len()]
}

/// Where client `number` of all connects from; `None`: the kernel chooses.
pub(crate) fn source(plan: &Plan, number: usize) -> Option<IpAddr> {
    let addresses = usize::from(plan.source_addresses);
    (addresses > 0).then(|| Ipv4Addr::from_bits(FIRST_SOURCE + (number % addresses) as u32).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Shape, plan};

    #[test]
    fn a_rate_spreads_attempts_and_the_number_under_way_is_bounded() {
        let mut plan = plan("conn", &Shape::default()).unwrap();
        plan.connect_rate = Some(1_000.0);
        let mut dialer = Dialer::new(&plan, 5_000);
        let begun = |dialer: &mut Dialer, now| std::iter::from_fn(|| dialer.next(now)).count();
        assert_eq!(begun(&mut dialer, 0), 1);
        assert_eq!(begun(&mut dialer, 10 * SECOND / 1_000), 10);
        assert_eq!(begun(&mut dialer, 100 * SECOND), UNDER_WAY_PACED - 11);
        assert_eq!(dialer.due(), None);
        dialer.under_way = 0;
        assert_eq!(dialer.next(100 * SECOND), Some(UNDER_WAY_PACED));
        dialer.stop();
        assert_eq!(dialer.next(100 * SECOND), None);
    }

    #[test]
    fn devices_and_those_who_hear_them_connect_to_different_ports() {
        let shape = Shape {
            protocol: Some(Protocol::Private),
            ..Shape::default()
        };
        let mut plan = plan("p2p", &shape).unwrap();
        plan.targets = vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        plan.mqtt_targets = vec!["127.0.0.1:3".parse().unwrap()];
        let port = |group, number| target(&plan, Member { group, number: 0 }, number).port();
        assert_eq!([port(0, 0), port(0, 1)], [3, 3], "subscribers");
        assert_eq!([port(1, 0), port(1, 1), port(1, 2)], [1, 2, 1], "devices");
    }

    #[test]
    fn source_addresses_are_used_in_turn() {
        let mut plan = plan("conn", &Shape::default()).unwrap();
        assert_eq!(source(&plan, 3), None);
        plan.source_addresses = 300;
        assert_eq!(source(&plan, 0), Some(Ipv4Addr::new(127, 0, 0, 2).into()));
        assert_eq!(source(&plan, 255), Some(Ipv4Addr::new(127, 0, 1, 1).into()));
        assert_eq!(source(&plan, 300), Some(Ipv4Addr::new(127, 0, 0, 2).into()));
    }
}
