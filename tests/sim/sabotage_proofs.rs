//! Proof that the checks that watch a run can fail: each kind of sabotage is noticed within a few seeds, by a check that is
//! named for what was spoiled.

use crate::run::{Mode, run};
use crate::world::Sabotage;

/// Seeds within which a sabotage must be noticed.
const SEEDS: u64 = 1_000;

/// A sabotage, and the checks that may notice it.
const PROOFS: &[(Sabotage, &[&str])] = &[
    (
        Sabotage::LoseParcel,
        &[
            "at_least_once",
            "exactly_once",
            "subscribed_after_suback_is_heard",
            "a_group_loses_nothing",
            "a_will_that_is_due_comes",
            "delayed_comes_to_who_subscribes_then",
        ],
    ),
    (
        Sabotage::RepeatParcel,
        &["at_most_once", "exactly_once", "a_group_gets_each_message_once"],
    ),
    (Sabotage::SwapParcels, &["order_is_kept"]),
    (Sabotage::PostToSelf, &["parcels_go_to_other_shards"]),
    (Sabotage::MisplaceWrite, &["retained_lives_at_home"]),
    (
        Sabotage::LoseWrite,
        &[
            "retained_is_the_last_write",
            "retained_is_fresh",
            "retained_is_counted",
        ],
    ),
    (Sabotage::EmptyAnswer, &["retained_is_the_last_write"]),
    (
        Sabotage::LoseNote,
        &[
            "every_connection_ends_once",
            "nothing_is_invented",
            "a_will_waits_until_it_is_due",
            "a_session_lasts_its_interval",
        ],
    ),
    (Sabotage::RepeatNote, &["every_connection_ends_once"]),
    (Sabotage::BlameHonest, &["honest_clients_are_not_disturbed"]),
    (Sabotage::CutGreeting, &["hand_over_is_complete"]),
    (Sabotage::LoseDrained, &["everything_drains"]),
    (Sabotage::LoseRelieved, &["everything_drains"]),
    (Sabotage::LoseTicks, &["everything_drains"]),
    (Sabotage::HideSilence, &["silence_is_ended"]),
    (Sabotage::FloodOutbox, &["limits_are_kept"]),
    (
        Sabotage::FlipByte,
        &[
            "the_server_keeps_the_standard",
            "content_is_intact",
            "packet_id_rules",
            // It was the identifier of a PUBREL.
            "everything_drains",
        ],
    ),
    (Sabotage::FlipSessionPresent, &["session_present_is_true"]),
    (Sabotage::LoseAcknowledgements, &["acknowledgements_come_in_time"]),
    (Sabotage::DrainInSilence, &["the_drain_is_told"]),
    (
        Sabotage::ForgetExpiry,
        &["expiry_is_kept", "retained_is_the_last_write"],
    ),
    (
        Sabotage::ConfuseAliases,
        &["the_server_keeps_the_standard", "content_is_intact"],
    ),
    (
        Sabotage::ForgetRules,
        &[
            "access_rules_are_kept",
            "nothing_is_invented",
            "only_matching_topics",
        ],
    ),
    (Sabotage::LoseHand, &["a_group_loses_nothing"]),
    (Sabotage::RepeatHand, &["a_group_gets_each_message_once"]),
    (Sabotage::LoseBack, &["a_group_loses_nothing"]),
    (Sabotage::HastenDelayed, &["delayed_is_not_early"]),
    (Sabotage::RetardDelayed, &["delayed_comes_in_time"]),
    (Sabotage::LoseDelayed, &["delayed_comes_to_who_subscribes_then"]),
    (Sabotage::ShowDelayed, &["nothing_arrives_under_delayed"]),
    (Sabotage::ForgetClaims, &["an_exclusive_topic_has_one_holder"]),
    (Sabotage::KeepClaims, &["a_free_topic_can_be_claimed"]),
    (
        Sabotage::HurryWills,
        &["a_will_waits_until_it_is_due", "a_cancelled_will_stays_unsent"],
    ),
    (
        Sabotage::SlowWills,
        &["a_will_is_sent_in_time", "a_will_that_is_due_comes"],
    ),
    (Sabotage::ReviveWills, &["a_cancelled_will_stays_unsent"]),
    (Sabotage::LoseWills, &["a_will_that_is_due_comes"]),
    (Sabotage::ForgetSessions, &["a_session_lasts_its_interval"]),
    (
        Sabotage::CutSessions,
        &["a_session_ends_in_time", "a_session_lasts_its_interval"],
    ),
    (Sabotage::KeepSessions, &["a_session_ends_in_time"]),
    (
        Sabotage::IgnoreGoodbye,
        &["a_session_lasts_its_interval", "a_session_ends_in_time"],
    ),
    (
        Sabotage::AllowWrongGoodbye,
        &["a_session_without_expiry_gets_none"],
    ),
    (Sabotage::ForgetKeepAlive, &["server_keep_alive_is_told"]),
    (Sabotage::IgnoreBans, &["a_ban_closes_its_client"]),
    (Sabotage::LiftBans, &["a_banned_client_stays_out"]),
    (Sabotage::EndlessBans, &["honest_clients_are_not_disturbed"]),
    (Sabotage::BanAnother, &["honest_clients_are_not_disturbed"]),
    (Sabotage::DenyBans, &["a_banned_client_is_told_why"]),
    (
        Sabotage::ForgetRewrite,
        &[
            "content_is_intact",
            "only_matching_topics",
            "a_will_that_is_due_comes",
            "retained_is_counted",
        ],
    ),
    (
        Sabotage::MixUpRewrite,
        &[
            "content_is_intact",
            "only_matching_topics",
            "a_will_that_is_due_comes",
            "retained_is_counted",
        ],
    ),
    (
        Sabotage::ForgetAutoSubscribe,
        &[
            "at_least_once",
            "exactly_once",
            "subscribed_after_suback_is_heard",
        ],
    ),
    (Sabotage::WidenAutoSubscribe, &["only_matching_topics"]),
    (Sabotage::IgnoreFlapping, &["who_flaps_is_banned"]),
    (Sabotage::HastyFlapping, &["only_who_flaps_is_banned"]),
    (Sabotage::ForgetFlapping, &["who_flaps_is_banned"]),
    (Sabotage::ForgetRetries, &["what_is_not_acknowledged_comes_again"]),
    (Sabotage::LoseSlow, &["devices_wait_for_their_subscribers"]),
    (Sabotage::LoseReached, &["everything_drains"]),
    (Sabotage::Panic, &["nothing_panics"]),
];

#[test]
fn every_sabotage_is_noticed_by_the_check_that_is_named_for_it() {
    let mut missed = Vec::new();
    for (kind, checks) in PROOFS {
        let mode = Mode {
            sabotage: Some(*kind),
            ..Mode::default()
        };
        let noticed = (0..SEEDS).find_map(|seed| Some((seed, run(seed, mode).failure?)));
        match noticed {
            Some((_, failure)) if checks.contains(&failure.check) => {}
            Some((seed, failure)) => missed.push(format!("{kind:?} was noticed in seed {seed} as {failure}")),
            None => missed.push(format!("{kind:?} was not noticed in {SEEDS} seeds")),
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
