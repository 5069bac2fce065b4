//! Claims about the members of a group: what is picked fits a naive list, and each strategy keeps its word.

use super::*;
use crate::session::shares::ShareId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

fn member(shard: u16, session: u32, share: u32) -> Member {
    Member {
        shard: ShardId(shard),
        session: SessionId(session),
        share: ShareId(NonZeroU32::new(share).expect("not 0")),
    }
}

fn members() -> Members {
    Members::new(RandomState::with_seeds(1, 2, 3, 4))
}

fn ask(strategy: SharedStrategy, number: u64) -> Ask {
    Ask {
        strategy,
        number,
        shard: ShardId((number % 3) as u16),
        can_wait: true,
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join,
    Stand(Standing),
    Leave,
    /// With a part that the session does not have (any more).
    StaleLeave,
    StaleStand,
    Pick(u64, bool),
}

fn step() -> impl Strategy<Value = (Step, u16, u32)> {
    let standing = prop_oneof![Just(Standing::Online), Just(Standing::Kept), Just(Standing::Deaf)];
    let step = prop_oneof![
        Just(Step::Join),
        standing.prop_map(Step::Stand),
        Just(Step::Leave),
        Just(Step::StaleLeave),
        Just(Step::StaleStand),
        (any::<u64>(), any::<bool>()).prop_map(|(number, can_wait)| Step::Pick(number, can_wait)),
    ];
    (step, 0..3u16, 0..4u32)
}

/// What the group is, as a list that anybody can read.
#[derive(Default)]
struct Naive {
    all: BTreeMap<(u16, u32), (u32, Standing)>,
    /// Absent members that were picked, or had a connection before.
    holders: BTreeSet<Member>,
    parts: u32,
}

impl Naive {
    fn part(&self, shard: u16, session: u32) -> Option<Member> {
        let (share, _) = self.all.get(&(shard, session))?;
        Some(member(shard, session, *share))
    }

    fn count(&self, standing: Standing) -> usize {
        self.all.values().filter(|(_, its)| *its == standing).count()
    }

    /// Those that must give up what they hold, now that this is so.
    fn due(&mut self) -> BTreeSet<Member> {
        match self.count(Standing::Online) {
            0 => BTreeSet::new(),
            _ => std::mem::take(&mut self.holders),
        }
    }

    fn set(&mut self, at: Member, standing: Standing) -> BTreeSet<Member> {
        self.all
            .insert((at.shard.0, at.session.0), (at.share.0.get(), standing));
        self.holders.remove(&at);
        if standing != Standing::Online {
            self.holders.insert(at);
        }
        self.due()
    }
}

proptest! {
    #[test]
    fn whoever_is_picked_asked_back_or_counted_is_what_a_naive_list_says(
        steps in prop::collection::vec(step(), 1..120),
        strategy in 0..SharedStrategy::ALL.len(),
    ) {
        let (mut members, mut naive) = (members(), Naive::default());
        for (step, shard, session) in steps {
            let known = naive.part(shard, session);
            match (step, known) {
                (Step::Join, known) => {
                    naive.parts += 1;
                    known.map(|known| naive.holders.remove(&known));
                    let new = member(shard, session, naive.parts);
                    prop_assert_eq!(members.join(new), naive.set(new, Standing::Online));
                }
                (Step::Stand(standing), Some(known)) => {
                    prop_assert_eq!(members.stand(known, standing), naive.set(known, standing));
                }
                (Step::Leave, Some(known)) => {
                    prop_assert!(members.leave(known));
                    naive.all.remove(&(shard, session));
                    naive.holders.remove(&known);
                }
                (Step::StaleLeave, _) => prop_assert!(!members.leave(member(shard, session, u32::MAX))),
                (Step::StaleStand, _) => {
                    let stale = member(shard, session, u32::MAX);
                    prop_assert!(members.stand(stale, Standing::Online).is_empty());
                }
                (Step::Pick(number, can_wait), _) => {
                    let ask = Ask { can_wait, ..ask(SharedStrategy::ALL[strategy], number) };
                    let expected = match (naive.count(Standing::Online), naive.count(Standing::Kept)) {
                        (1.., _) => Some(Standing::Online),
                        (0, 1..) if can_wait => Some(Standing::Kept),
                        (0, _) => None,
                    };
                    let picked = members.pick(ask);
                    let its = picked.and_then(|one| naive.all.get(&(one.shard.0, one.session.0)));
                    prop_assert_eq!(its.map(|(_, standing)| *standing), expected);
                    prop_assert_eq!(its.map(|(share, _)| *share), picked.map(|one| one.share.0.get()));
                    if let (Some(picked), Some(Standing::Kept)) = (picked, expected) {
                        naive.holders.insert(picked);
                    }
                }
                (Step::Stand(_) | Step::Leave, None) => {}
            }
            prop_assert_eq!(members.is_empty(), naive.all.is_empty());
        }
    }

    #[test]
    fn in_turn_means_that_nobody_is_two_ahead_while_nobody_comes_or_goes(
        homes in prop::collection::vec(0..4u16, 1..20),
        rounds in 1..200usize,
    ) {
        let mut members = members();
        for (session, &shard) in homes.iter().enumerate() {
            members.join(member(shard, session as u32, 1));
        }
        let mut counts = vec![0usize; homes.len()];
        for _ in 0..rounds {
            let picked = members.pick(ask(SharedStrategy::RoundRobin, 0)).expect("somebody is there");
            counts[picked.session.0 as usize] += 1;
        }
        let (least, most) = (counts.iter().min(), counts.iter().max());
        prop_assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{:?}", counts);
    }
}

#[test]
fn the_favourite_is_kept_until_it_is_away_or_is_another_part_of_the_same_session() {
    let mut members = members();
    let (one, two) = (member(0, 1, 1), member(1, 2, 2));
    members.join(one);
    members.join(two);
    let sticky = ask(SharedStrategy::Sticky, 0);
    let first = members.pick(sticky).expect("somebody is there");
    assert!((0..9).all(|_| members.pick(sticky) == Some(first)));
    let other = if first == one { two } else { one };
    members.stand(first, Standing::Kept);
    assert!((0..9).all(|_| members.pick(sticky) == Some(other)));
    members.leave(other);
    let again = Member {
        share: member(0, 0, 9).share,
        ..other
    };
    members.join(again);
    assert_eq!(members.pick(sticky), Some(again), "not the part that it left");
}

#[test]
fn local_takes_turns_among_those_of_the_shard() {
    let mut members = members();
    for session in 0..6 {
        members.join(member((session % 2) as u16, session, session + 1));
    }
    let mut counts = [0; 6];
    // Two publishers that take turns must not meet the same member each time.
    for turn in 0..60u64 {
        let mut ask = ask(SharedStrategy::Local, 0);
        ask.shard = ShardId((turn % 2) as u16);
        let picked = members.pick(ask).expect("somebody is there");
        assert_eq!(picked.shard, ask.shard);
        counts[picked.session.0 as usize] += 1;
    }
    assert_eq!(counts, [10; 6]);
}
