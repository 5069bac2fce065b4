//! Which clients a plan has, on which worker and in which slot each lives, and which flows they publish.
//!
//! Worked out once; the same for all workers, so that whoever receives a message knows from its flow whom to tell.
//! Client `i` of every group is on worker `i % workers`: pairs stay together.

use crate::plan::{Group, Pace, Plan, Protocol};
use crate::{RunError, stamp};
use ringwire_codec::mqtt::QoS;
use ringwire_shard::ring::SLOTS_MAX;

/// A client: its group in the plan and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub group: usize,
    pub number: usize,
}

/// Where the publisher of a flow lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub worker: u32,
    pub slot: u32,
    /// Its group in the plan.
    pub group: u32,
}

/// The clients and flows of a plan.
#[derive(Debug)]
pub(crate) struct Layout {
    workers: usize,
    /// Clients of each group.
    counts: Vec<usize>,
    /// The first flow of each group.
    first_flows: Vec<usize>,
    /// By flow.
    homes: Vec<Home>,
}

impl Layout {
    /// Looks a plan over.
    pub(crate) fn of(plan: &Plan) -> Result<Self, RunError> {
        check(plan)?;
        let mut layout = Self {
            workers: plan.cores.len(),
            counts: plan.groups.iter().map(|group| group.count).collect(),
            first_flows: Vec::new(),
            homes: Vec::new(),
        };
        if layout.members(0).count() >= SLOTS_MAX as usize {
            return Err(RunError::Plan(format!(
                "more than {SLOTS_MAX} clients a worker; name more CPUs"
            )));
        }
        for (index, group) in plan.groups.iter().enumerate() {
            layout.first_flows.push(layout.homes.len());
            layout.add_flows(index, group);
        }
        if layout.homes.len() > stamp::FLOWS_MAX {
            return Err(RunError::Plan(format!(
                "{} publishers times topics; at most {} can be told apart",
                layout.homes.len(),
                stamp::FLOWS_MAX
            )));
        }
        Ok(layout)
    }

    fn add_flows(&mut self, index: usize, group: &Group) {
        let Some(publishing) = &group.publishing else {
            return;
        };
        for number in 0..group.count {
            let home = Home {
                worker: (number % self.workers) as u32,
                slot: self.slot(index, number) as u32,
                group: index as u32,
            };
            self.homes.extend(publishing.topics.iter().map(|_| home));
        }
    }

    fn slot(&self, group: usize, number: usize) -> usize {
        let worker = number % self.workers;
        let before = self.counts[..group]
            .iter()
            .map(|&count| self.share(count, worker));
        before.sum::<usize>() + number / self.workers
    }

    /// Of so many clients, those on a worker.
    fn share(&self, count: usize, worker: usize) -> usize {
        (count + self.workers - 1 - worker) / self.workers
    }

    /// A worker's clients by slot.
    pub(crate) fn members(&self, worker: usize) -> impl Iterator<Item = Member> {
        let groups = self.counts.iter().enumerate();
        groups.flat_map(move |(group, &count)| {
            (worker..count)
                .step_by(self.workers)
                .map(move |number| Member { group, number })
        })
    }

    /// The first flow of a publisher that has `topics` of them.
    pub(crate) fn flow(&self, member: Member, topics: usize) -> u32 {
        (self.first_flows[member.group] + member.number * topics) as u32
    }

    /// Where a flow's publisher lives; `None` for a number that no flow has.
    #[inline]
    pub(crate) fn home(&self, flow: u32) -> Option<Home> {
        self.homes.get(flow as usize).copied()
    }

    /// Flows of the run.
    pub(crate) fn flows(&self) -> usize {
        self.homes.len()
    }

    /// Clients of the run.
    pub(crate) fn clients(&self) -> usize {
        self.counts.iter().sum()
    }
}

/// `%i`, `%n` and `%p` in a topic or filter.
pub(crate) fn expand(text: &str, plan: &Plan, number: usize) -> String {
    text.replace("%i", &number.to_string())
        .replace("%n", &(number + 1).to_string())
        .replace("%p", &plan.client_id_prefix)
}

fn check(plan: &Plan) -> Result<(), RunError> {
    let wrong = |text: String| Err(RunError::Plan(text));
    if plan.cores.is_empty() || plan.targets.is_empty() {
        return wrong("it names no CPU or no address of a broker".to_owned());
    }
    if plan.end.after.is_none() && plan.end.messages.is_none() {
        return wrong("it has no end: neither a duration nor a number of messages".to_owned());
    }
    if plan.source_addresses > 0 && !plan.targets.iter().all(|target| target.ip().is_loopback()) {
        return wrong("source addresses 127.0.0.2 and up reach only a broker on this machine".to_owned());
    }
    if plan
        .connect_rate
        .is_some_and(|rate| !rate.is_finite() || rate <= 0.0)
    {
        return wrong("its connections a second are not above 0".to_owned());
    }
    if plan.groups.iter().all(|group| group.count == 0) {
        return wrong("it has no clients".to_owned());
    }
    plan.groups.iter().try_for_each(|group| check_group(plan, group))
}

fn check_group(plan: &Plan, group: &Group) -> Result<(), RunError> {
    let wrong = |text: &str| Err(RunError::Plan(format!("group {}: {text}", group.name)));
    let Some(publishing) = &group.publishing else {
        return Ok(());
    };
    if publishing.topics.is_empty() {
        return wrong("it publishes to no topic");
    }
    if publishing.expects_reply && publishing.payload_bytes < stamp::BYTES {
        return wrong("a reply cannot be told from others in payloads under 16 bytes");
    }
    if !matches!(plan.protocol, Protocol::Mqtt(_)) && !group.mqtt_always && publishing.qos != QoS::AtMostOnce
    {
        return wrong("only MQTT has QoS 1 and 2");
    }
    match publishing.pace {
        Pace::Window { messages: 0, .. } | Pace::Rate { window: 0, .. } => wrong("a window of 0 messages"),
        Pace::Rate { per_second, .. } if !per_second.is_finite() || per_second <= 0.0 => {
            wrong("a rate that is not above 0")
        }
        Pace::Window { .. } | Pace::Rate { .. } => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Shape, plan};

    #[test]
    fn every_flow_is_at_home_where_its_publisher_has_its_slot() {
        let mut plan = plan("fanout-7-5-7-70", &Shape::default()).unwrap();
        plan.cores = vec![0, 1, 2];
        let layout = Layout::of(&plan).unwrap();
        assert_eq!((layout.flows(), layout.clients()), (7, 12));
        let mut found = 0;
        for worker in 0..3 {
            for (slot, member) in layout.members(worker).enumerate() {
                if plan.groups[member.group].publishing.is_some() {
                    let home = layout.home(layout.flow(member, 1)).unwrap();
                    assert_eq!((home.worker as usize, home.slot as usize), (worker, slot));
                    found += 1;
                }
            }
        }
        assert_eq!(found, 7);
        assert_eq!(layout.home(7), None);
    }

    #[test]
    fn numbers_and_the_prefix_stand_in_for_their_marks() {
        let mut plan = plan("p2p", &Shape::default()).unwrap();
        plan.client_id_prefix = "x-".to_owned();
        assert_eq!(expand("tcp/%ppub-%i/up/%n", &plan, 4), "tcp/x-pub-4/up/5");
    }

    #[test]
    fn a_plan_without_an_end_is_refused() {
        let mut plan = plan("p2p", &Shape::default()).unwrap();
        plan.end.after = None;
        let error = Layout::of(&plan).unwrap_err();
        assert!(error.to_string().contains("it has no end"), "{error}");
    }
}
