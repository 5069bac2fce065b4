//! Questions to shards, each with a deadline: a shard that hangs costs a 503, never the endpoint.

use crate::refusal::Refusal;
use ringwire_core::ShardId;
use ringwire_shard::{Mailbox, Question, Reply};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// From question to answer. A shard's turn takes microseconds to milliseconds; one that needs a second is in trouble.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);

/// Asks one shard.
pub(crate) async fn ask<T: Send + 'static>(
    mailbox: &Mailbox,
    question: impl FnOnce(Reply<T>) -> Question,
) -> Result<T, Refusal> {
    let deadline = Instant::now() + DEADLINE;
    let answer = put(mailbox, question);
    wait(answer, deadline)
        .await
        .ok_or(Refusal::Unanswered(mailbox.shard()))
}

/// Asks every shard at once. One row a shard, in their order; `Err` for those that did not answer.
pub async fn ask_all<T: Send + 'static>(
    mailboxes: &[Mailbox],
    question: impl Fn(Reply<T>) -> Question,
) -> Vec<Result<T, ShardId>> {
    let deadline = Instant::now() + DEADLINE;
    let asked: Vec<_> = mailboxes
        .iter()
        .map(|mailbox| (mailbox.shard(), put(mailbox, &question)))
        .collect();
    let mut answers = Vec::with_capacity(asked.len());
    for (shard, answer) in asked {
        answers.push(wait(answer, deadline).await.ok_or(shard));
    }
    answers
}

/// `None` when the mailbox is full or the shard gone.
fn put<T: Send + 'static>(
    mailbox: &Mailbox,
    question: impl FnOnce(Reply<T>) -> Question,
) -> Option<oneshot::Receiver<T>> {
    let (sender, receiver) = oneshot::channel();
    // Nobody may wait any more when the answer comes: that is the asker's deadline, and no error of the shard.
    let reply = Box::new(move |answer| drop(sender.send(answer)));
    mailbox.ask(question(reply)).is_ok().then_some(receiver)
}

async fn wait<T>(answer: Option<oneshot::Receiver<T>>, deadline: Instant) -> Option<T> {
    timeout_at(deadline, answer?).await.ok()?.ok()
}
