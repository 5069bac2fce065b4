//! Loom's walk through the mesh, the doorbell and the mailbox of `shard/`, and through mutants of them that must fail.
//!
//! The files under test are the ones of `shard/src`, by path; they name `crate::sync` and `crate::bell`, which are loom's
//! here. A package of its own, so that no `--cfg loom` is needed, to which glommio's and tokio's dependencies would answer
//! too: these are ordinary tests of `cargo test --workspace`.
#![cfg(test)]

pub mod bell;
#[path = "../../src/doorbell.rs"]
pub mod doorbell;
#[path = "../../src/mailbox.rs"]
pub mod mailbox;
#[path = "../../src/mesh.rs"]
pub mod mesh;
mod models;
mod sync;

#[test]
fn no_wake_up_is_lost_between_two_posters_and_a_sleeper() {
    models::two_shards_post_to_one_that_sleeps();
}

#[test]
fn no_wake_up_is_lost_when_the_sleeper_sleeps_again() {
    models::a_shard_posts_twice_to_one_that_sleeps();
}

#[test]
fn no_wake_up_is_lost_when_a_queue_was_full() {
    models::a_full_queue_wakes_its_poster_when_there_is_room();
}

#[test]
fn no_wake_up_is_lost_between_two_askers_and_a_sleeper() {
    models::two_threads_ask_a_shard_that_sleeps();
}

/// Each mutant of `build.rs`, a model that must find it, and what loom says then.
macro_rules! mutants {
    ($($mutant:ident: $model:ident, $says:literal;)*) => {
        mod mutants {
            $(#[allow(warnings, clippy::all)]
            pub(super) mod $mutant {
                include!(concat!(env!("OUT_DIR"), "/", stringify!($mutant), ".rs"));
            })*
        }
        $(#[test]
        #[should_panic(expected = $says)]
        fn $mutant() {
            mutants::$mutant::models::$model();
        })*
    };
}

mutants! {
    sleeper_does_not_look_again: two_shards_post_to_one_that_sleeps, "deadlock";
    sleeper_looks_before_it_says_so: two_shards_post_to_one_that_sleeps, "deadlock";
    sleeper_without_a_fence: two_shards_post_to_one_that_sleeps, "deadlock";
    sleeper_with_a_weaker_fence: two_shards_post_to_one_that_sleeps, "deadlock";
    poster_without_a_fence: two_shards_post_to_one_that_sleeps, "deadlock";
    poster_with_a_weaker_fence: two_shards_post_to_one_that_sleeps, "deadlock";
    every_poster_rings: two_shards_post_to_one_that_sleeps, "was rung";
    poster_knocks_before_its_push: two_shards_post_to_one_that_sleeps, "deadlock";
    sleeper_forgets_what_came: a_shard_posts_twice_to_one_that_sleeps, "deadlock";
    sleeper_forgets_its_stuck_batch: a_full_queue_wakes_its_poster_when_there_is_room, "deadlock";
    stuck_sender_does_not_say_so: a_full_queue_wakes_its_poster_when_there_is_room, "deadlock";
    taker_without_a_fence: a_full_queue_wakes_its_poster_when_there_is_room, "deadlock";
    taker_looks_for_the_stuck_before_it_takes: a_full_queue_wakes_its_poster_when_there_is_room, "deadlock";
    asker_knocks_before_its_question: two_threads_ask_a_shard_that_sleeps, "deadlock";
}
