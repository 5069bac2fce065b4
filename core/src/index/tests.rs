//! Claims about the index: it agrees with `topic::matches` over any history, forgets what it must, and is ordered by
//! the history alone.

use super::subscribers::Subscribers;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn subscription(identifier: u32) -> Subscription {
    Subscription {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
        identifier: NonZeroU32::new(identifier),
    }
}

/// Asked three times: as a topic that is new, that comes again, and that is remembered.
fn matches_of(index: &mut Index, topic: &str) -> Vec<(SessionId, Subscription)> {
    let mut answers = [(); 3].map(|()| {
        let mut found = Vec::new();
        index.matches(topic, &mut found);
        found
    });
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    std::mem::take(&mut answers[0])
}

fn sessions_of(index: &mut Index, topic: &str) -> Vec<u32> {
    matches_of(index, topic)
        .into_iter()
        .map(|(session, _)| session.0)
        .collect()
}

#[test]
fn the_sizes_that_the_head_of_the_file_promises_hold() {
    assert_eq!(size_of::<Subscription>(), 8);
    assert_eq!(size_of::<Subscribers>(), 16);
    assert_eq!(size_of::<Option<FilterId>>(), 4);
}

#[test]
fn a_literal_filter_and_every_kind_of_wildcard_find_their_sessions_in_a_fixed_order() {
    let mut index = Index::new(1);
    let filters = ["#", "a/#", "+/b", "a/+", "a/b", "a/b/#", "+/+/#", "a/b/c", "b/#"];
    for (session, filter) in filters.iter().enumerate() {
        index.insert(filter, SessionId(session as u32), subscription(1));
    }
    assert_eq!(sessions_of(&mut index, "a/b"), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(sessions_of(&mut index, "a"), [0, 1]);
    assert_eq!(sessions_of(&mut index, "$a/b"), [0u32; 0]);
}

#[test]
fn what_is_remembered_of_a_topic_is_forgotten_when_a_subscription_changes() {
    let mut index = Index::new(1);
    let first = index.insert("a/+", SessionId(1), subscription(1)).filter;
    assert_eq!(sessions_of(&mut index, "a/b"), [1]);
    index.insert("a/b", SessionId(0), subscription(2));
    assert_eq!(sessions_of(&mut index, "a/b"), [0, 1]);
    index.insert("a/b", SessionId(0), subscription(3));
    assert_eq!(matches_of(&mut index, "a/b")[0].1, subscription(3));
    index.remove(first, SessionId(1));
    assert_eq!(sessions_of(&mut index, "a/b"), [0]);
}

#[test]
fn topics_that_take_each_others_place_and_topics_with_many_subscribers_are_matched_all_the_same() {
    let mut index = Index::new(1);
    for session in 0..100 {
        index.insert("many/+", SessionId(session), subscription(1));
        index.insert(&format!("one/{session}"), SessionId(session), subscription(1));
    }
    for number in 0..2_000u32 {
        assert_eq!(sessions_of(&mut index, &format!("many/{number}")).len(), 100);
        let expected = (number < 100).then_some(number);
        assert_eq!(
            sessions_of(&mut index, &format!("one/{number}")),
            expected.as_slice()
        );
    }
}

#[test]
fn dollar_topics_are_found_only_by_filters_that_name_them() {
    let mut index = Index::new(1);
    for (session, filter) in ["#", "+/x", "$SYS/#", "$SYS/+", "$SYS/x", "+/#"]
        .iter()
        .enumerate()
    {
        index.insert(filter, SessionId(session as u32), subscription(1));
    }
    assert_eq!(sessions_of(&mut index, "$SYS/x"), [2, 3, 4]);
    assert_eq!(sessions_of(&mut index, "$SYS"), [2]);
}

#[test]
fn the_first_and_the_last_subscriber_of_a_filter_are_told() {
    let mut index = Index::new(1);
    let first = index.insert("a/+", SessionId(7), subscription(1));
    assert!(first.first && first.replaced.is_none());
    let second = index.insert("a/+", SessionId(8), subscription(2));
    assert_eq!(
        second,
        Inserted {
            filter: first.filter,
            replaced: None,
            first: false
        }
    );
    let again = index.insert("a/+", SessionId(7), subscription(3));
    assert_eq!(again.replaced, Some(subscription(1)));
    assert_eq!(
        index.subscription(first.filter, SessionId(7)),
        Some(&subscription(3))
    );
    assert_eq!((index.subscriptions(), index.filters()), (2, 1));
    assert_eq!(index.text(first.filter), "a/+");

    let removed = Removed {
        subscription: subscription(2),
        last: None,
    };
    assert_eq!(index.remove(first.filter, SessionId(8)), Some(removed));
    assert_eq!(index.remove(first.filter, SessionId(8)), None);
    let removed = Removed {
        subscription: subscription(3),
        last: Some("a/+".into()),
    };
    assert_eq!(index.remove(first.filter, SessionId(7)), Some(removed));
    assert_eq!(index.find("a/+"), None);
    assert_eq!((index.subscriptions(), index.filters()), (0, 0));
}

#[test]
fn a_hundred_thousand_subscribers_of_one_filter_come_and_go_in_any_order() {
    let mut index = Index::new(1);
    let count = 100_000u32;
    let shuffled = |i: u32| SessionId((u64::from(i) * 7_919 % u64::from(count)) as u32);
    let filter = index.insert("news", shuffled(0), subscription(1)).filter;
    for i in 1..count {
        index.insert("news", shuffled(i), subscription(1));
    }
    assert!(sessions_of(&mut index, "news").into_iter().eq(0..count));
    for i in (0..count).rev() {
        assert!(index.remove(filter, shuffled(i)).is_some());
    }
    assert_eq!(index.filters(), 0);
}

#[test]
fn hostile_filters_of_many_levels_are_walked_without_recursion() {
    let mut index = Index::new(1);
    let deep = vec!["+"; 32_000].join("/");
    let name = vec!["a"; 32_000].join("/");
    let filter = index.insert(&deep, SessionId(1), subscription(1)).filter;
    assert_eq!(sessions_of(&mut index, &name), [1]);
    assert!(index.remove(filter, SessionId(1)).is_some());
    assert!(index.trie.is_empty());
}

/// What the index must be, without any cleverness.
#[derive(Default)]
struct Naive(BTreeMap<(String, SessionId), Subscription>);

impl Naive {
    fn matches(&self, topic: &str) -> Vec<(SessionId, Subscription)> {
        let hits = self
            .0
            .iter()
            .filter(|((filter, _), _)| topic::matches(filter, topic));
        let mut hits: Vec<_> = hits
            .map(|((_, session), subscription)| (*session, *subscription))
            .collect();
        hits.sort_by_key(|(session, subscription)| (*session, subscription.identifier));
        hits
    }
}

fn filters() -> impl Strategy<Value = String> {
    (proptest::collection::vec("[abc]|\\+|\\$a|", 1..5), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            if hash {
                levels.push("#".to_owned());
            }
            levels.join("/")
        })
        .prop_filter("a filter is not empty", |filter| !filter.is_empty())
}

fn names() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]|\\$a|", 1..6)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a name is not empty", |name| !name.is_empty())
}

/// (subscribe?, filter, session)
fn operations() -> impl Strategy<Value = Vec<(bool, String, u32)>> {
    proptest::collection::vec((prop::bool::weighted(0.6), filters(), 0..4u32), 0..60)
}

fn apply(index: &mut Index, naive: &mut Naive, operations: &[(bool, String, u32)]) {
    for (number, (subscribes, filter, session)) in operations.iter().enumerate() {
        let session = SessionId(*session);
        let key = (filter.clone(), session);
        if *subscribes {
            let wanted = subscription(number as u32 + 1);
            let first = naive.0.keys().all(|(other, _)| other != filter);
            let inserted = index.insert(filter, session, wanted);
            assert_eq!(inserted.replaced, naive.0.insert(key, wanted));
            assert_eq!(inserted.first, first);
            assert_eq!(index.text(inserted.filter), filter);
        } else {
            let removed = index.find(filter).and_then(|id| index.remove(id, session));
            assert_eq!(
                removed.as_ref().map(|removed| removed.subscription),
                naive.0.remove(&key)
            );
            let gone = naive.0.keys().all(|(other, _)| other != filter);
            assert_eq!(
                removed.is_some_and(|removed| removed.last.is_some()),
                gone && index_had(number, operations)
            );
        }
        assert_eq!(index.subscriptions(), naive.0.len());
    }
}

/// Whether operation `number`, an unsubscribe, had something to remove.
fn index_had(number: usize, operations: &[(bool, String, u32)]) -> bool {
    let (_, filter, session) = &operations[number];
    let same = |(_, other, owner): &&(bool, String, u32)| other == filter && owner == session;
    operations[..number]
        .iter()
        .rev()
        .find(same)
        .is_some_and(|(subscribed, _, _)| *subscribed)
}

proptest! {
    #[test]
    fn any_history_leaves_the_matches_of_the_naive_index(
        operations in operations(),
        topics in proptest::collection::vec(names(), 1..10),
    ) {
        let (mut index, mut naive) = (Index::new(3), Naive::default());
        apply(&mut index, &mut naive, &operations);
        for topic in &topics {
            let mut found = matches_of(&mut index, topic);
            found.sort_by_key(|(session, subscription)| (*session, subscription.identifier));
            prop_assert_eq!(found, naive.matches(topic), "{}", topic);
        }
    }

    #[test]
    fn the_order_of_matches_does_not_depend_on_the_seed(
        operations in operations(),
        topics in proptest::collection::vec(names(), 1..10),
        seeds in any::<[u64; 2]>(),
    ) {
        let mut indexes = seeds.map(Index::new);
        for index in &mut indexes {
            apply(index, &mut Naive::default(), &operations);
        }
        for topic in &topics {
            let [one, other] = &mut indexes;
            prop_assert_eq!(matches_of(one, topic), matches_of(other, topic));
        }
    }

    #[test]
    fn an_index_whose_subscribers_are_all_gone_holds_nothing(operations in operations()) {
        let (mut index, mut naive) = (Index::new(3), Naive::default());
        apply(&mut index, &mut naive, &operations);
        for (filter, session) in naive.0.keys() {
            let id = index.find(filter).expect("subscribed");
            prop_assert!(index.remove(id, *session).is_some());
        }
        prop_assert_eq!((index.filters(), index.subscriptions()), (0, 0));
        prop_assert!(index.trie.is_empty());
    }
}

#[test]
fn a_topic_that_is_too_long_to_remember_is_matched_each_time() {
    let mut index = Index::new(1);
    let long = format!("a/{}", "b".repeat(60_000));
    index.insert("a/+", SessionId(1), subscription(1));
    assert_eq!(sessions_of(&mut index, &long), [1]);
    index.insert("a/#", SessionId(2), subscription(1));
    assert_eq!(sessions_of(&mut index, &long), [1, 2]);
}
