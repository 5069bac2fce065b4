//! `--stats 1s`: at each interval one line a shard on standard error, from the counters that `/metrics` shows too.
//!
//! Runs on the control thread. A shard pays for one answer an interval and nothing in between; one that does not answer
//! has a line that says so. Written aside, so that a terminal that stands still holds up nothing else.

mod table;

use ringwire_admin::ask_all;
use ringwire_shard::mailbox::ShardStats;
use ringwire_shard::{Mailbox, Question};
use std::io::Write;
use std::time::Duration;
use table::Span;
use tokio::time::{MissedTickBehavior, interval};

/// Lines after which the header comes again.
const HEADER_EVERY: usize = 20;

/// Prints until the runtime ends. `cpus`: one a shard.
pub async fn print(mailboxes: Vec<Mailbox>, cpus: Vec<usize>, every: Duration) {
    let mut known: Vec<Option<ShardStats>> = vec![None; mailboxes.len()];
    let mut since_header = HEADER_EVERY;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    known.clone_from(&ask(&mailboxes).await);
    loop {
        ticks.tick().await;
        let answers = ask(&mailboxes).await;
        let header = since_header >= HEADER_EVERY;
        let text = table::render(&spans(&known, &answers, &cpus), header);
        since_header = if header { 0 } else { since_header } + answers.len();
        for (known, answer) in known.iter_mut().zip(answers) {
            // What a silent shard did meanwhile shows in the interval of its next answer.
            if answer.is_some() {
                *known = answer;
            }
        }
        let written = tokio::task::spawn_blocking(move || std::io::stderr().write_all(text.as_bytes()));
        if !matches!(written.await, Ok(Ok(()))) {
            tracing::warn!("standard error is closed: no more --stats");
            return;
        }
    }
}

async fn ask(mailboxes: &[Mailbox]) -> Vec<Option<ShardStats>> {
    let answers = ask_all(mailboxes, |reply| Question::Stats { reply }).await;
    answers.into_iter().map(Result::ok).collect()
}

fn spans<'a>(
    before: &'a [Option<ShardStats>],
    after: &'a [Option<ShardStats>],
    cpus: &[usize],
) -> Vec<Span<'a>> {
    let answers = before.iter().zip(after).zip(cpus).enumerate();
    answers
        .map(|(shard, ((before, after), cpu))| Span {
            shard,
            cpu: *cpu,
            change: before.as_ref().zip(after.as_ref()),
        })
        .collect()
}
