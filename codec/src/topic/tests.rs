//! Claims about topic names and filters: the standard's own examples, and `matches` against a recursive matcher.

use super::*;
use proptest::prelude::*;

#[test]
fn a_name_is_valid_without_wildcards_and_nul() {
    for name in ["a", "/", "//", "a/b", " ", "$SYS/x", "ä/ö", &"x".repeat(65_535)] {
        assert!(is_valid_name(name), "{name:?}");
    }
    for name in ["", "+", "#", "a/+", "a#", "a\0b", "\0", &"x".repeat(65_536)] {
        assert!(!is_valid_name(name), "{name:?}");
    }
}

#[test]
fn a_filter_is_valid_when_wildcards_are_whole_levels_and_the_hash_is_last() {
    for filter in [
        "a",
        "/",
        "+",
        "#",
        "+/+",
        "a/+/b",
        "a/#",
        "/#",
        "+/#",
        "/+",
        "+/",
        "$SYS/#",
        &"x".repeat(65_535),
    ] {
        assert!(is_valid_filter(filter), "{filter:?}");
    }
    for filter in [
        "",
        "a+",
        "+a",
        "a/+b/c",
        "a/b+/c",
        "a#",
        "#a",
        "a/#/b",
        "#/",
        "##",
        "++",
        "+#",
        "a\0",
        &"x".repeat(65_536),
    ] {
        assert!(!is_valid_filter(filter), "{filter:?}");
    }
}

#[test]
fn levels_are_counted_as_they_are_iterated() {
    for topic in ["a", "/", "//", "a/b/", "a/b/c", "/a", "ä/b"] {
        assert_eq!(level_count(topic), levels(topic).count(), "{topic:?}");
    }
    assert_eq!(levels("/a//b").collect::<Vec<_>>(), ["", "a", "", "b"]);
}

#[test]
fn the_standards_examples_match_as_it_says() {
    let rows = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/#", "sport", true),
        ("#", "sport/tennis", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+", "finance", true),
        ("+/tennis/#", "sport/tennis", true),
        ("#", "$SYS/monitor/Clients", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/#", "$SYS", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a/+/c", "a/$b/c", true),
        ("ACCOUNTS", "Accounts", false),
        ("/finance", "finance", false),
        ("a", "a/", false),
        ("a/b", "a", false),
        ("a", "a/b", false),
    ];
    for (filter, name, expected) in rows {
        assert_eq!(matches(filter, name), expected, "{filter} against {name}");
    }
}

/// The definition, by recursion on levels.
fn matches_naive(filter: &[&str], name: &[&str]) -> bool {
    match (filter.split_first(), name.split_first()) {
        (Some((&"#", _)), _) => true,
        (Some((&"+", filter)), Some((_, name))) => matches_naive(filter, name),
        (Some((wanted, filter)), Some((given, name))) => wanted == given && matches_naive(filter, name),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

proptest! {
    #[test]
    fn matching_agrees_with_the_definition(
        filter in proptest::collection::vec("[ab]|\\+|\\$a|", 1..5),
        hash in any::<bool>(),
        name in proptest::collection::vec("[ab]|\\$a|", 1..5),
    ) {
        let mut filter = filter;
        if hash {
            filter.push("#".to_owned());
        }
        let (filter, name) = (filter.join("/"), name.join("/"));
        prop_assume!(!filter.is_empty() && !name.is_empty());
        prop_assert!(is_valid_filter(&filter));
        prop_assert!(is_valid_name(&name));
        let split = (filter.split('/').collect::<Vec<_>>(), name.split('/').collect::<Vec<_>>());
        let hidden = name.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'));
        prop_assert_eq!(matches(&filter, &name), !hidden && matches_naive(&split.0, &split.1));
    }

    #[test]
    fn validity_agrees_with_a_look_at_every_level(filter in "[a+#/\0]{0,6}") {
        let levels: Vec<&str> = filter.split('/').collect();
        let whole = levels.iter().all(|level| level.len() == 1 || !level.contains(['+', '#']));
        let last = levels[..levels.len() - 1].iter().all(|level| *level != "#");
        let expected = !filter.is_empty() && !filter.contains('\0') && whole && last;
        prop_assert_eq!(is_valid_filter(&filter), expected);
    }

    #[test]
    fn no_text_panics(filter in ".*", name in ".*") {
        is_valid_filter(&filter);
        is_valid_name(&name);
        has_wildcard(&filter);
        matches(&filter, &name);
    }
}
