//! Claims about the retained store, against a plain map and `topic::matches`.

use super::*;
use crate::message::Parts;
use proptest::prelude::*;
use ringwire_codec::mqtt::QoS;

fn message(topic: &str, payload: &str) -> Arc<Message> {
    Arc::new(Message::new(Parts {
        topic,
        payload: payload.as_bytes(),
        properties: &[],
        qos: QoS::AtMostOnce,
        retain: true,
        publisher: &[],
    }))
}

fn store(messages_max: usize, bytes_max: usize) -> Retained {
    let limits = Limits {
        retained_messages: messages_max,
        retained_bytes: bytes_max,
        ..Limits::default()
    };
    Retained::new(9, &limits)
}

fn topics(store: &Retained, filter: &str) -> Vec<String> {
    let mut found = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let next = store.page(filter, None, Budget::UNLIMITED, Time::ZERO, |message| {
        found.push(text(message.topic_bytes()))
    });
    assert_eq!(next, None, "all of it is one page");
    found
}

/// The same, in pages.
fn paged(store: &Retained, filter: &str, budget: Budget) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let before = found.len();
        after = store.page(filter, after.as_deref(), budget, Time::ZERO, |message| {
            found.push(message.topic().to_owned())
        });
        assert!(found.len() - before <= budget.messages, "a page is short");
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn the_last_message_of_a_topic_is_kept_and_an_empty_one_clears_it() {
    let mut store = store(10, 1_000);
    assert_eq!(store.retain(message("a/b", "1"), None), Retention::Stored);
    assert_eq!(store.retain(message("a/b", "22"), None), Retention::Replaced);
    assert_eq!((store.len(), store.bytes()), (1, 5));
    assert_eq!(
        store.find(b"a/b", Time::ZERO).map(|message| message.payload()),
        Some(&b"22"[..])
    );
    assert_eq!(store.retain(message("a/b", ""), None), Retention::Cleared);
    assert_eq!(store.retain(message("a/b", ""), None), Retention::Absent);
    assert!(store.is_empty() && store.bytes() == 0 && store.find(b"a/b", Time::ZERO).is_none());
}

#[test]
fn at_the_limits_new_topics_are_refused_and_replacing_and_clearing_go_on() {
    let mut store = store(2, 10);
    assert_eq!(store.retain(message("a", "1"), None), Retention::Stored);
    assert_eq!(store.retain(message("b", "1"), None), Retention::Stored);
    assert_eq!(store.retain(message("c", "1"), None), Retention::Full);
    assert_eq!(store.retain(message("a", "2345678"), None), Retention::Replaced);
    assert_eq!(store.bytes(), 10);
    assert_eq!(store.retain(message("b", ""), None), Retention::Cleared);
    assert_eq!(store.retain(message("c", "12"), None), Retention::Full);
    assert_eq!(store.retain(message("c", "1"), None), Retention::Stored);
}

#[test]
fn a_replacement_that_finds_no_room_leaves_no_stale_message() {
    let mut store = store(2, 10);
    assert_eq!(store.retain(message("a", "1"), None), Retention::Stored);
    assert_eq!(store.retain(message("a", "0123456789"), None), Retention::Full);
    assert!(store.is_empty() && store.bytes() == 0);
}

#[test]
fn an_expired_message_is_not_found() {
    let mut store = store(10, 1_000);
    store.retain(message("a", "1"), Some(Time::from_millis(100)));
    let find = |store: &Retained, now| store.find(b"a", Time::from_millis(now)).is_some();
    assert!(find(&store, 99) && !find(&store, 100));
    let mut found = 0;
    store.page("+", None, Budget::UNLIMITED, Time::from_millis(100), |_| {
        found += 1
    });
    assert_eq!(found, 0);
}

#[test]
fn expired_messages_are_removed_in_the_order_of_their_expiry_and_their_room_is_free() {
    let mut store = store(10, 1_000);
    let at = Time::from_millis;
    for (topic, expires) in [("a", Some(300)), ("b", Some(100)), ("c", None), ("d", Some(200))] {
        store.retain(message(topic, "1"), expires.map(at));
    }
    assert_eq!(store.next_expiry(), Some(at(100)));
    assert_eq!(store.remove_expired(at(99), 10), 0);
    assert_eq!(store.remove_expired(at(300), 2), 2);
    assert_eq!(
        (store.len(), store.bytes(), store.next_expiry()),
        (2, 4, Some(at(300)))
    );
    // What replaces a message expires when it says, not when the former one did.
    store.retain(message("a", "2"), Some(at(900)));
    assert_eq!(store.remove_expired(at(899), 10), 0);
    store.retain(message("a", "3"), None);
    assert_eq!(
        (store.next_expiry(), store.remove_expired(at(5_000), 10)),
        (None, 0)
    );
    assert_eq!(topics(&store, "#"), ["a", "c"]);
}

#[test]
fn a_page_ends_at_its_messages_its_bytes_or_the_topics_it_looked_at() {
    let mut store = store(1_000, 100_000);
    for number in 0..100 {
        store.retain(message(&format!("t/{number:02}/x"), "12345"), None);
    }
    let unlimited = Budget::UNLIMITED;
    let count = |filter: &str, budget| {
        let mut found = 0;
        let next = store.page(filter, None, budget, Time::ZERO, |_| found += 1);
        (found, next)
    };
    let some = |topic: &str| Some(topic.to_owned());
    assert_eq!(
        count(
            "#",
            Budget {
                messages: 3,
                ..unlimited
            }
        ),
        (3, some("t/02/x"))
    );
    assert_eq!(
        count(
            "#",
            Budget {
                bytes: 45,
                ..unlimited
            }
        ),
        (5, some("t/04/x"))
    );
    assert_eq!(
        count(
            "+/+/y",
            Budget {
                topics: 7,
                ..unlimited
            }
        ),
        (0, some("t/06/x"))
    );
    assert_eq!(count("t/#", unlimited), (100, None));
}

#[test]
fn matches_come_in_topic_order_whatever_the_order_of_storing() {
    let mut store = store(100, 10_000);
    for topic in ["a0", "a/b/c", "b", "a", "a!", "a/b", "a/", "$a/b", "/", "a/b!"] {
        store.retain(message(topic, "1"), None);
    }
    assert_eq!(
        topics(&store, "#"),
        ["/", "a", "a/", "a/b", "a/b/c", "a/b!", "a!", "a0", "b"]
    );
    assert_eq!(topics(&store, "a/#"), ["a", "a/", "a/b", "a/b/c", "a/b!"]);
    assert_eq!(topics(&store, "+"), ["a", "a!", "a0", "b"]);
    assert_eq!(topics(&store, "+/b"), ["a/b"]);
    assert_eq!(topics(&store, "+/+/#"), ["/", "a/", "a/b", "a/b/c", "a/b!"]);
    assert_eq!(topics(&store, "$a/+"), ["$a/b"]);
    assert_eq!(topics(&store, "a/b"), ["a/b"]);
}

proptest! {
    #[test]
    fn any_history_is_replayed_as_the_plain_map_would(
        writes in proptest::collection::vec(("[ab!$]{0,2}(/[ab!0]{0,2}){0,3}", "x{0,3}"), 0..120),
        filters in proptest::collection::vec(("[ab]|\\+|\\$a|", "(/([ab!]|\\+)){0,3}", any::<bool>()), 1..10),
    ) {
        let mut store = store(40, 300);
        let mut plain: BTreeMap<String, String> = BTreeMap::new();
        for (topic, payload) in writes.into_iter().filter(|(topic, _)| !topic.is_empty()) {
            let former = plain.remove(&topic).is_some();
            let bytes: usize = plain.iter().map(|(topic, payload)| topic.len() + payload.len()).sum();
            let fits = plain.len() < 40 && bytes + topic.len() + payload.len() <= 300;
            let expected = match (payload.is_empty(), fits, former) {
                (true, _, true) => Retention::Cleared,
                (true, _, false) => Retention::Absent,
                (false, false, _) => Retention::Full,
                (false, true, true) => Retention::Replaced,
                (false, true, false) => Retention::Stored,
            };
            prop_assert_eq!(store.retain(message(&topic, &payload), None), expected);
            if !payload.is_empty() && fits {
                plain.insert(topic, payload);
            }
            prop_assert_eq!(store.len(), plain.len());
        }
        for (first, rest, hash) in filters {
            let filter = format!("{first}{rest}{}", if hash { "/#" } else { "" });
            let mut expected: Vec<String> =
                plain.keys().filter(|topic| topic::matches(&filter, topic)).cloned().collect();
            expected.sort_by_key(|topic| topic.replace('/', "\0"));
            for (messages, topics) in [(1, 3), (3, usize::MAX)] {
                let budget = Budget { messages, topics, ..Budget::UNLIMITED };
                prop_assert_eq!(&paged(&store, &filter, budget), &expected, "{}", filter);
            }
            prop_assert_eq!(topics(&store, &filter), expected, "{}", filter);
        }
    }

    /// More topics than the walk steps over before it jumps.
    #[test]
    fn jumps_land_where_single_steps_would(
        names in proptest::collection::btree_set("[abc](/[a-h]){1,3}", 60..200),
        filter in "([abc]|\\+)(/([a-h]|\\+)){1,2}(/#)?",
    ) {
        let mut store = store(1_000, 100_000);
        for name in &names {
            store.retain(message(name, "1"), None);
        }
        let mut expected: Vec<String> = names.into_iter().filter(|name| topic::matches(&filter, name)).collect();
        expected.sort_by_key(|topic| topic.replace('/', "\0"));
        let budget = Budget { topics: 5, ..Budget::UNLIMITED };
        prop_assert_eq!(&paged(&store, &filter, budget), &expected);
        prop_assert_eq!(topics(&store, &filter), expected);
    }
}
