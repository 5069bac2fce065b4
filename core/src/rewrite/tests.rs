//! The rules alone: which one counts, what it makes, and what cannot be a rule.

use super::*;

fn rule(action: RewriteAction, source: &str, re: &str, dest: &str) -> RewriteRule {
    RewriteRule {
        action,
        source_topic: source.to_owned(),
        re: re.to_owned(),
        dest_topic: dest.to_owned(),
    }
}

fn values() -> Values<'static> {
    Values {
        client_id: Some("dev"),
        username: None,
        peer: None,
    }
}

/// The example of EMQX's documentation: five filters and what becomes of them.
#[test]
fn the_last_rule_that_covers_a_topic_counts_even_when_its_expression_does_not_match() {
    let rules = Rewrite::new(&[
        rule(RewriteAction::All, "y/+/z/#", "^y/(.+)/z/(.+)$", "y/z/$2"),
        rule(RewriteAction::All, "x/#", "^x/y/(.+)$", "z/y/x/$1"),
        rule(RewriteAction::All, "x/y/+", r"^x/y/(\d+)$", "z/y/$1"),
    ]);
    let rows = [
        ("y/def", None),
        ("y/a/z/b", Some("y/z/b")),
        ("x/1/2", None),
        ("x/y/2", Some("z/y/2")),
        ("x/y/z", None),
    ];
    for (topic, expected) in rows {
        assert_eq!(rules.topic(topic, values()).as_deref(), expected, "{topic}");
        assert_eq!(rules.filter(topic, values()).as_deref(), expected, "{topic}");
    }
}

#[test]
fn publish_and_subscribe_rules_do_not_meet() {
    let rules = Rewrite::new(&[
        rule(RewriteAction::Publish, "a", "^a$", "published"),
        rule(RewriteAction::Subscribe, "a", "^a$", "subscribed"),
    ]);
    assert_eq!(rules.topic("a", values()).as_deref(), Some("published"));
    assert_eq!(rules.filter("a", values()).as_deref(), Some("subscribed"));
    let rules = Rewrite::new(&[rule(RewriteAction::Publish, "a", "^a$", "b")]);
    assert!(!rules.spares_publishes() && rules.spares_filters());
}

#[test]
fn of_a_shared_filter_only_the_filter_is_looked_at() {
    let rules = Rewrite::new(&[rule(RewriteAction::All, "t/#", "^t/(.*)$", "u/$1")]);
    let rows = [
        ("t/1", "u/1"),
        ("t/+", "u/+"),
        ("$share/g/t/1", "$share/g/u/1"),
        ("$queue/t/#", "$queue/u/#"),
        ("$exclusive/t/2", "$exclusive/u/2"),
    ];
    for (filter, expected) in rows {
        assert_eq!(
            rules.filter(filter, values()).as_deref(),
            Some(expected),
            "{filter}"
        );
    }
    for filter in ["$share/t/1", "$share/t", "#", "+/1"] {
        assert_eq!(rules.filter(filter, values()), None, "{filter}");
    }
}

#[test]
fn names_are_put_in_and_a_missing_username_leaves_the_topic_alone() {
    let rules = Rewrite::new(&[rule(
        RewriteAction::All,
        "up/#",
        "^up/(a)?(.*)$",
        "d/${clientid}/%c/$1/$2",
    )]);
    assert_eq!(rules.topic("up/x", values()).as_deref(), Some("d/dev/dev//x"));
    let rules = Rewrite::new(&[rule(RewriteAction::All, "up/#", "^up/(.*)$", "u/%u/$1")]);
    assert_eq!(rules.topic("up/x", values()), None);
}

#[test]
fn a_name_with_a_wildcard_is_never_put_in() {
    let rules = Rewrite::new(&[rule(RewriteAction::All, "x/#", "^x/(.*)$", "z/$1/%c")]);
    let harmful = Values {
        client_id: Some("#"),
        ..values()
    };
    for filter in ["x/1", "$share/g/x/1"] {
        assert_eq!(
            rules.filter(filter, harmful).as_deref(),
            Some(""),
            "{filter}: refused"
        );
    }
    assert_eq!(rules.topic("x/1", harmful).as_deref(), Some(""));
    assert_eq!(
        rules.filter("x/+", values()).as_deref(),
        Some("z/+/dev"),
        "a wildcard of the filter's own is what was asked for"
    );
}

#[test]
fn what_cannot_be_a_rule_says_why() {
    let rows = [
        (
            rule(RewriteAction::All, "a/#/b", "x", "y"),
            "`source_topic` is not a topic filter: \"a/#/b\"",
        ),
        (
            rule(RewriteAction::All, "a", "(x", "y"),
            "`re` is not a regular expression: unclosed group",
        ),
        (
            rule(RewriteAction::All, "a", "x", "y/$1"),
            "`dest_topic` names $1, but `re` has no group",
        ),
        (
            rule(RewriteAction::All, "a", "(x)", "$1/$2"),
            "`dest_topic` names $2, but `re` has only one group",
        ),
        (rule(RewriteAction::All, "a", "x", ""), "`dest_topic` is empty"),
    ];
    for (rule, expected) in rows {
        let error = check(&rule).expect_err("it is wrong");
        assert_eq!(error.to_string(), expected);
    }
    let huge = rule(RewriteAction::All, "a", r"\w{2000}{100}", "y");
    assert!(
        matches!(check(&huge), Err(RuleError::Expression(_))),
        "it would take too much memory"
    );
}
