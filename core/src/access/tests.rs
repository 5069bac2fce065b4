//! Claims about access: credentials, the order of rules, what covers what, and that a name is never a wildcard.

use super::*;
use proptest::prelude::*;
use ringwire_codec::topic;

fn access(users: &[(&str, &str)], rules: &[(bool, Operation, &str)]) -> Access {
    let user = |(username, password): &(&str, &str)| User {
        username: (*username).to_owned(),
        password: (*password).to_owned(),
    };
    let rule = |(allow, operation, filter): &(bool, Operation, &str)| Rule {
        allow: *allow,
        username: None,
        client_id: None,
        operation: *operation,
        topics: vec![(*filter).to_owned()],
    };
    Access {
        allow_anonymous: true,
        users: users.iter().map(user).collect(),
        rules: rules.iter().map(rule).collect(),
        ..Access::default()
    }
}

/// Username, password, and the answer.
type Credentials = (Option<&'static str>, Option<&'static [u8]>, Verdict);

const ASKER: Asker<'static> = Asker {
    client_id: "dev1",
    username: Some("ann"),
};

#[test]
fn credentials_are_accepted_only_when_both_are_right() {
    let mut access = access(&[("ann", "secret"), ("bob", "")], &[]);
    let rows: [Credentials; 9] = [
        (Some("ann"), Some(b"secret"), Verdict::Accepted),
        (Some("ann"), Some(b"secreT"), Verdict::BadCredentials),
        (Some("ann"), Some(b"secret2"), Verdict::BadCredentials),
        (Some("ann"), Some(b"secret\0"), Verdict::BadCredentials),
        (Some("ann"), None, Verdict::BadCredentials),
        (Some("eve"), Some(b""), Verdict::BadCredentials),
        (Some("eve"), Some(b"secret"), Verdict::BadCredentials),
        (Some("bob"), None, Verdict::Accepted),
        (None, Some(b"secret"), Verdict::Accepted),
    ];
    for (username, password, verdict) in rows {
        assert_eq!(access.authenticate(username, password), verdict, "{username:?}");
    }
    access.allow_anonymous = false;
    assert_eq!(access.authenticate(None, None), Verdict::NotAuthorized);
    assert_eq!(
        access.authenticate(Some("ann"), Some(b"secret")),
        Verdict::Accepted
    );
}

#[test]
fn without_users_a_name_proves_nothing() {
    let mut access = Access::default();
    assert_eq!(
        access.authenticate(Some("anybody"), Some(b"x")),
        Verdict::Accepted
    );
    access.allow_anonymous = false;
    assert_eq!(
        access.authenticate(Some("anybody"), Some(b"x")),
        Verdict::NotAuthorized
    );
}

#[test]
fn the_first_rule_that_applies_decides_and_none_allows() {
    let access = access(
        &[],
        &[
            (true, Operation::Publish, "a/open/#"),
            (false, Operation::All, "a/#"),
            (false, Operation::Subscribe, "b/+"),
        ],
    );
    let rows = [
        (Operation::Publish, "a/open/x", true),
        (Operation::Subscribe, "a/open/x", false),
        (Operation::Publish, "a/x", false),
        (Operation::Publish, "b/x", true),
        (Operation::Subscribe, "b/x", false),
        (Operation::Subscribe, "b/+", false),
        (Operation::Subscribe, "b/#", true),
        (Operation::Subscribe, "c", true),
    ];
    for (operation, topic, expected) in rows {
        assert_eq!(
            access.permits(ASKER, operation, topic),
            expected,
            "{operation:?} {topic}"
        );
    }
}

#[test]
fn a_rule_for_one_client_or_user_says_nothing_about_others() {
    let mut access = access(&[], &[(false, Operation::All, "#"), (false, Operation::All, "#")]);
    access.rules[0].client_id = Some("dev2".to_owned());
    access.rules[1].username = Some("bob".to_owned());
    assert!(access.permits(ASKER, Operation::Publish, "a"));
    assert!(!access.permits(
        Asker {
            client_id: "dev2",
            ..ASKER
        },
        Operation::Publish,
        "a"
    ));
    assert!(!access.permits(
        Asker {
            username: Some("bob"),
            ..ASKER
        },
        Operation::Publish,
        "a"
    ));
    assert!(access.permits(
        Asker {
            username: None,
            ..ASKER
        },
        Operation::Publish,
        "a"
    ));
}

#[test]
fn client_id_and_username_are_put_into_a_rule_wherever_it_asks() {
    let rows = [
        ("tcp/%c/up", "tcp/dev1/up", true),
        ("tcp/%c/up", "tcp/dev2/up", false),
        ("%u/%c/%c", "ann/dev1/dev1", true),
        ("x-%c-%u/#", "x-dev1-ann/y", true),
        ("100%/%x/%", "100%/%x/%", true),
        ("%%c", "%dev1", true),
    ];
    for (rule, topic, expected) in rows {
        assert_eq!(cover::rule_covers(rule, ASKER, topic), expected, "{rule} {topic}");
    }
    let nobody = Asker {
        username: None,
        ..ASKER
    };
    assert!(!cover::rule_covers("%u/a", nobody, "%u/a"));
    let slashed = Asker {
        client_id: "a/b",
        ..ASKER
    };
    assert!(cover::rule_covers("tcp/%c/up", slashed, "tcp/a/b/up"));
    let tricky = Asker {
        client_id: "%u",
        username: Some("%c"),
    };
    assert!(cover::rule_covers("%c-%u", tricky, "%u-%c"));
}

#[test]
fn a_client_named_like_a_wildcard_gains_nothing() {
    for client_id in ["+", "#", "+/#"] {
        let asker = Asker {
            client_id,
            username: None,
        };
        for wanted in ["tcp/dev1/up", "tcp/+/up", "tcp/#", "tcp/+/#", "tcp/+/#/up"] {
            assert!(
                !cover::rule_covers("tcp/%c/up", asker, wanted),
                "{client_id} {wanted}"
            );
        }
    }
}

#[test]
fn covering_follows_the_levels() {
    let rows = [
        ("#", "a/b", true),
        ("#", "#", true),
        ("#", "+/b/#", true),
        ("a/#", "a", true),
        ("a/#", "a/#", true),
        ("a/#", "#", false),
        ("a/#", "+", false),
        ("a/+", "a/b", true),
        ("a/+", "a/+", true),
        ("a/+", "a/#", false),
        ("a/b", "a/+", false),
        ("+/+", "a/b", true),
        ("+", "#", false),
        ("+/#", "a", true),
        ("+/#", "#", false),
        ("a/b", "a/b", true),
        ("a/b", "a", false),
        ("a", "a/b", false),
        ("#", "$SYS/a", false),
        ("+/a", "$SYS/a", false),
        ("$SYS/#", "$SYS/a", true),
        ("a/+", "a/$b", true),
    ];
    for (rule, filter, expected) in rows {
        assert_eq!(covers(rule, filter), expected, "{rule} over {filter}");
    }
}

fn filters() -> impl Strategy<Value = String> {
    (proptest::collection::vec("[ab]|\\+|\\$a", 1..4), any::<bool>()).prop_map(|(mut levels, hash)| {
        if hash {
            levels.push("#".to_owned());
        }
        levels.join("/")
    })
}

proptest! {
    /// Every name of up to four levels over an alphabet with a letter that no filter names: enough to tell any two of
    /// these filters apart, but for `+/#` and `#`, which match the same names and do not cover each other as text.
    #[test]
    fn a_filter_covers_another_when_it_matches_all_its_names(rule in filters(), filter in filters()) {
        let mut names = vec![Vec::new()];
        let mut all = Vec::new();
        for _ in 0..5 {
            names = names.iter().flat_map(|name: &Vec<&str>| {
                ["a", "b", "z", "$a", "$z"].map(|level| [&name[..], &[level]].concat())
            }).collect();
            all.extend(names.iter().map(|name| name.join("/")));
        }
        let is_subset = all.iter().all(|name| !topic::matches(&filter, name) || topic::matches(&rule, name));
        let same_but_not_in_text = rule.contains("+/#");
        prop_assert!(!covers(&rule, &filter) || is_subset);
        prop_assert!(covers(&rule, &filter) || !is_subset || same_but_not_in_text);
    }

    #[test]
    fn covering_a_name_is_matching_it(rule in filters(), name in "[ab$](/[ab$]){0,3}") {
        prop_assert_eq!(covers(&rule, &name), topic::matches(&rule, &name));
    }
}
