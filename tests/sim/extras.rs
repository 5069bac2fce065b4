//! Rewritten topics and automatic subscriptions as runs have them: the settings, and what they mean, said again without the
//! broker's code.
//!
//! A client writes one name and another is meant; the oracle knows messages and subscriptions by what is meant.

use crate::random::Random;
use ringwire_codec::mqtt::{QoS, RetainHandling, SubscriptionOptions, Version};
use ringwire_core::settings::{AutoSubscribe, RewriteAction, RewriteRule};

/// Topics as they are written in a PUBLISH, and what is meant.
pub const TOPICS: &[(&str, &str)] = &[
    ("rw/a", "a"),
    ("rw/a/b", "a/b"),
    ("rw/b/b", "b/b"),
    ("rp/c", "a/b/c"),
    // Rules for filters are not for topics, and an expression that does not match changes nothing.
    ("rs/bb", "rs/bb"),
    ("rp/cc", "rp/cc"),
];

/// Filters as they are written, and what is meant.
pub const FILTERS: &[(&str, &str)] = &[
    ("rw/a/#", "a/#"),
    ("rw/a", "a"),
    ("rw/+/b", "+/b"),
    ("rs/b", "+/b"),
    ("rs/c", "+/c"),
    ("rp/c", "rp/c"),
];

/// A part in a group as it is written, and what is meant.
pub const SHARED: (&str, &str) = ("$share/g/rw/b", "$share/g/b");

/// What stands before the topic of a Will that is rewritten.
pub const WILL: &str = "rewritten/";

/// The rules. Of two that cover a topic the last one counts.
pub fn rules() -> Vec<RewriteRule> {
    let rule = |action, source_topic: &str, re: &str, dest_topic: &str| RewriteRule {
        action,
        source_topic: source_topic.to_owned(),
        re: re.to_owned(),
        dest_topic: dest_topic.to_owned(),
    };
    vec![
        rule(RewriteAction::All, "rw/#", "^rw/(.+)$", "wrong/$1"),
        rule(RewriteAction::All, "rw/#", "^rw/(.+)$", "$1"),
        rule(RewriteAction::Publish, "rp/+", "^rp/(.)$", "a/b/$1"),
        rule(RewriteAction::Subscribe, "rs/+", "^rs/(.)$", "+/$1"),
        rule(
            RewriteAction::Publish,
            "rewritten/#",
            "^rewritten/will/.*$",
            "will/%c",
        ),
    ]
}

/// What a filter means that was written like this.
pub fn meant(is_rewriting: bool, filter: &str) -> &str {
    let known = FILTERS.iter().chain([&SHARED]);
    let mut known = known.filter(|(written, _)| is_rewriting && *written == filter);
    known.next().map_or(filter, |(_, meant)| meant)
}

/// Automatic subscriptions: to a topic of each client's own, and mostly to one that others have too, of which nothing is sent
/// that was retained, so that whoever asks for retained messages is given each once.
pub fn auto_subscribe(random: &mut Random) -> Vec<AutoSubscribe> {
    let mut rows = vec![AutoSubscribe {
        topic: "auto/%c".to_owned(),
        qos: any_qos(random),
        rh: random.below(3) as u8,
        rap: random.chance(20),
        nl: random.chance(20),
    }];
    if random.chance(70) {
        rows.push(AutoSubscribe {
            topic: "a/b".to_owned(),
            qos: any_qos(random),
            rh: 2,
            rap: false,
            nl: random.chance(20),
        });
    }
    rows
}

fn any_qos(random: &mut Random) -> QoS {
    *random.pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

/// The filter of a row for a client.
pub fn filter_of(row: &AutoSubscribe, client_id: &str) -> String {
    row.topic.replace("%c", client_id)
}

/// The options of a row: before 5.0 there is only the QoS.
pub fn options_of(row: &AutoSubscribe, version: Version) -> SubscriptionOptions {
    let plain = SubscriptionOptions {
        qos: row.qos,
        ..SubscriptionOptions::default()
    };
    match version {
        Version::V31 | Version::V311 => plain,
        Version::V5 => SubscriptionOptions {
            no_local: row.nl,
            retain_as_published: row.rap,
            retain_handling: match row.rh {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                2.. => RetainHandling::DoNotSend,
            },
            ..plain
        },
    }
}
