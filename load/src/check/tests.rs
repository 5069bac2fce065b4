//! The checks against a model that remembers everything, on streams that were cut, doubled and shuffled.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

/// Late, again, different ones.
fn count(track: &mut Track, stream: &[u64]) -> (usize, usize, u64) {
    let seen: Vec<_> = stream.iter().map(|&sequence| track.see(sequence)).collect();
    let of = |kind| seen.iter().filter(|&&seen| seen == kind).count();
    (of(Seen::Late), of(Seen::Again), track.received())
}

fn model(stream: &[u64]) -> (usize, usize, u64) {
    let mut known = HashSet::new();
    let (mut late, mut again, mut highest) = (0, 0, None);
    for &sequence in stream {
        if !known.insert(sequence) {
            again += 1;
        } else if highest.is_some_and(|highest| sequence < highest) {
            late += 1;
        }
        highest = highest.max(Some(sequence));
    }
    (late, again, known.len() as u64)
}

#[test]
fn a_lost_a_doubled_and_a_late_message_are_told_apart() {
    assert_eq!(count(&mut Track::default(), &[0, 1, 2, 3]), (0, 0, 4));
    assert_eq!(
        count(&mut Track::default(), &[0, 1, 3, 4]),
        (0, 0, 4),
        "2 is lost"
    );
    assert_eq!(
        count(&mut Track::default(), &[0, 1, 1, 2]),
        (0, 1, 3),
        "1 came again"
    );
    assert_eq!(
        count(&mut Track::default(), &[0, 2, 1, 3]),
        (1, 0, 4),
        "1 came late"
    );
    assert_eq!(
        count(&mut Track::default(), &[0, 2, 1, 1]),
        (1, 1, 3),
        "1 came late and again"
    );
    assert_eq!(
        count(&mut Track::default(), &[5, 4, 3, 2, 1, 0]),
        (5, 0, 6),
        "backwards"
    );
}

#[test]
fn a_doubled_message_is_known_however_long_ago_it_was() {
    let mut track = Track::default();
    count(&mut track, &(0..1_000_000).collect::<Vec<_>>());
    assert_eq!(track.see(3), Seen::Again);
}

#[test]
fn memory_is_bounded_when_every_other_message_is_lost() {
    let mut track = Track::default();
    let odd: Vec<u64> = (0..100_000).map(|n| 2 * n + 1).collect();
    assert_eq!(count(&mut track, &odd), (0, 0, 100_000));
    assert_eq!(track.gaps.len(), GAPS_MAX);
    assert_eq!(track.see(199_998), Seen::Late);
    assert_eq!(track.see(199_998), Seen::Again);
    assert_eq!(track.see(10), Seen::Late, "forgotten gaps count as late");
}

#[test]
fn flows_do_not_mix() {
    let mut tracks = Tracks::default();
    for sequence in 0..50 {
        for flow in (0..40).rev() {
            assert_eq!(tracks.of(flow * 1_000).see(sequence), Seen::InOrder);
        }
    }
    assert_eq!(tracks.of(39_000).see(49), Seen::Again);
    assert_eq!(tracks.of(0).see(51), Seen::InOrder);
    let received: Vec<_> = tracks
        .iter()
        .map(|(flow, track)| (flow, track.received()))
        .collect();
    assert_eq!(received.len(), 40);
    assert!(received.contains(&(0, 51)) && received.contains(&(7_000, 50)));
}

proptest! {
    #[test]
    fn any_stream_is_judged_as_by_one_who_remembers_everything(
        stream in proptest::collection::vec(0u64..200, 0..400)
    ) {
        prop_assert_eq!(count(&mut Track::default(), &stream), model(&stream));
    }

    #[test]
    fn swaps_losses_and_doubles_are_counted_exactly(
        lost in proptest::collection::hash_set(0usize..300, 0..20),
        doubled in proptest::collection::hash_set(0usize..300, 0..20),
        swapped in proptest::collection::hash_set(0usize..150, 0..20),
    ) {
        let mut stream: Vec<u64> = (0..300).collect();
        swapped.iter().for_each(|&at| stream.swap(2 * at, 2 * at + 1));
        let stream: Vec<u64> = stream
            .into_iter()
            .filter(|&n| !lost.contains(&(n as usize)))
            .flat_map(|n| [n].into_iter().cycle().take(1 + usize::from(doubled.contains(&(n as usize)))))
            .collect();
        let (late, again, received) = count(&mut Track::default(), &stream);
        prop_assert_eq!((late, again, received), model(&stream));
        prop_assert_eq!(received, 300 - lost.len() as u64);
        prop_assert_eq!(again, doubled.difference(&lost).count());
    }
}
