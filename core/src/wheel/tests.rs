//! Claims about the wheel, against a sorted map of (due, insertion).

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

fn pop_all<K: Copy>(wheel: &mut Wheel<K>, now: u64) -> Vec<(u64, K)> {
    std::iter::from_fn(|| wheel.pop(at(now)))
        .map(|(due, key)| (due.as_millis(), key))
        .collect()
}

#[test]
fn a_timer_takes_24_bytes() {
    assert_eq!(size_of::<Timer<u64>>(), 24);
}

#[test]
fn timers_fire_in_order_of_due_time_and_of_insertion_and_never_early() {
    let mut wheel = Wheel::new(at(1_000));
    for (key, due) in [
        (0, 1_500),
        (1, 1_100),
        (2, 90_000),
        (3, 1_100),
        (4, 500),
        (5, 1_000),
    ] {
        wheel.insert(at(due), key);
    }
    assert_eq!(pop_all(&mut wheel, 1_000), [(1_000, 4), (1_000, 5)]);
    assert_eq!(pop_all(&mut wheel, 1_099), []);
    wheel.insert(at(1_100), 6);
    assert_eq!(
        pop_all(&mut wheel, 89_999),
        [(1_100, 1), (1_100, 3), (1_100, 6), (1_500, 0)]
    );
    assert_eq!(pop_all(&mut wheel, u64::MAX), [(90_000, 2)]);
    assert!(wheel.is_empty() && wheel.next_wake().is_none());
}

#[test]
fn the_farthest_time_there_is_can_be_waited_for() {
    let mut wheel = Wheel::new(at(7));
    wheel.insert(at(u64::MAX), 1);
    wheel.insert(at(u64::MAX - 1), 2);
    assert_eq!(pop_all(&mut wheel, u64::MAX - 2), []);
    assert_eq!(pop_all(&mut wheel, u64::MAX), [(u64::MAX - 1, 2), (u64::MAX, 1)]);
}

#[test]
fn following_next_wake_reaches_a_far_timer_in_a_handful_of_steps() {
    let mut wheel = Wheel::new(at(12_345));
    let due = 12_345 + 3 * 24 * 3_600_000;
    wheel.insert(at(due), ());
    let mut steps = 0;
    let fired = loop {
        let wake = wheel.next_wake().expect("set");
        assert!(wake <= at(due));
        steps += 1;
        if let Some((fired, ())) = wheel.pop(wake) {
            assert_eq!(fired, wake);
            break fired;
        }
    };
    assert_eq!(fired, at(due));
    assert!(steps <= LEVELS, "{steps} steps");
}

#[test]
fn a_cleared_timer_does_not_fire_and_its_place_is_used_again() {
    let mut wheel = Wheel::new(Time::ZERO);
    let ids: Vec<TimerId> = (0..100).map(|key| wheel.insert(at(key * 50), key)).collect();
    for id in &ids[1..] {
        wheel.remove(*id);
    }
    for key in 100..199 {
        wheel.insert(at(key), key);
    }
    assert_eq!((wheel.timers.len(), wheel.len()), (100, 100));
    assert_eq!(pop_all(&mut wheel, 1_000_000).len(), 100);
}

#[test]
#[should_panic(expected = "a timer is cleared once")]
fn clearing_a_timer_that_fired_is_our_own_mistake() {
    let mut wheel = Wheel::new(Time::ZERO);
    let id = wheel.insert(at(5), ());
    assert_eq!(pop_all(&mut wheel, 5), [(5, ())]);
    wheel.remove(id);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Remove(prop::sample::Index),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let span = || prop_oneof![0..3u64, 0..200u64, 0..10_000u64, 0..40_000_000u64];
    let step = prop_oneof![
        4 => span().prop_map(Step::Insert),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
        2 => span().prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn any_history_fires_what_the_sorted_map_fires(start in 0..u64::from(u32::MAX), steps in steps()) {
        let mut now = start;
        let mut wheel = Wheel::new(at(start));
        let mut naive: BTreeMap<(u64, usize), TimerId> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(span) => {
                    let due = now + span;
                    naive.insert((due, number), wheel.insert(at(due), number));
                }
                Step::Remove(which) if !naive.is_empty() => {
                    let key = *naive.keys().nth(which.index(naive.len())).expect("in range");
                    let id = naive.remove(&key).expect("present");
                    prop_assert_eq!(wheel.remove(id), key.1);
                }
                Step::Remove(_) => {}
                Step::Pass(span) => {
                    now += span;
                    let rest = naive.split_off(&(now + 1, 0));
                    let due: Vec<(u64, usize)> = std::mem::replace(&mut naive, rest).into_keys().collect();
                    prop_assert_eq!(pop_all(&mut wheel, now), due);
                }
            }
            prop_assert_eq!(wheel.len(), naive.len());
            let first = naive.keys().next().map(|(due, _)| *due);
            let wake = wheel.next_wake().map(Time::as_millis);
            prop_assert_eq!(wake.is_some(), first.is_some());
            if let (Some(wake), Some(first)) = (wake, first) {
                prop_assert!(wake <= first && wake >= now.min(first));
                prop_assert!(wake == first || first / 64 != now / 64);
            }
        }
    }
}
