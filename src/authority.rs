//! Answers what engines ask: on the control thread, one task a shard, each with that shard's exchanges.
//!
//! The seam for methods of enhanced authentication is [`Method`]. Not on a shard, because methods hold secrets, draw random
//! numbers, read files and will ask servers; a shard only waits for its mailbox. An exchange lives until its answer is
//! final, its connection is gone, or its time is up; a shard's exchanges and its questions are bounded.

use ringwire_core::ask::Step;
use ringwire_core::{Answer, Ask, ConnectionId, ShardId};
use ringwire_shard::{Authority, Mailbox, Question};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, sleep, timeout};

#[cfg(test)]
mod tests;

/// Questions of one shard that wait to be answered; one beyond is answered Busy. A step takes some 10 microseconds, so
/// that this many wait for as long as a client hardly notices.
const ASKS_MAX: usize = 1_024;

/// How often exchanges are looked through for those whose time is up.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// How long an answer waits for room in a shard's mailbox. A shard that has none for so long is in trouble, and the
/// client's own deadline is near.
const MAILBOX_PATIENCE: Duration = Duration::from_secs(10);

/// A method of enhanced authentication (5.0 section 4.12).
pub trait Method: Send + Sync {
    /// As clients name it.
    fn name(&self) -> &'static str;
    /// A client's exchange; `None` when there can be none at present.
    fn begin(&self) -> Option<Box<dyn Exchange>>;
}

/// One client's exchange by some method.
pub trait Exchange: Send {
    /// Takes what the client sent. Not called again after an answer other than `Continue`.
    fn step(&mut self, data: &[u8]) -> Answer;
}

/// What a start gives to the tasks that answer: which methods there are, and the limits.
#[derive(Clone)]
pub struct Desk {
    pub methods: Arc<[Box<dyn Method>]>,
    /// Exchanges of one shard: the engine's own limit.
    pub exchanges_max: usize,
    /// After this the engine has given up on an exchange.
    pub patience: Duration,
}

/// The shards' end and, for each shard, the other.
pub fn lines(shards: usize) -> (Authority, Vec<Receiver<Ask>>) {
    let (senders, receivers): (Vec<Sender<Ask>>, _) = (0..shards).map(|_| channel(ASKS_MAX)).unzip();
    let take = move |shard: ShardId, ask| senders[shard.index()].try_send(ask).is_ok();
    (Authority::new(take), receivers)
}

struct Open {
    exchange: Box<dyn Exchange>,
    until: Instant,
}

/// The exchanges of one shard.
struct Exchanges {
    desk: Desk,
    open: HashMap<ConnectionId, Open>,
}

/// One task for each shard; none where no method is offered.
pub fn answer_all(
    desk: &Desk,
    asks: Vec<Receiver<Ask>>,
    mailboxes: &[Mailbox],
) -> Vec<impl Future<Output = ()> + Send + use<>> {
    let offered = asks
        .into_iter()
        .zip(mailboxes.to_vec())
        .filter(|_| !desk.methods.is_empty());
    offered
        .map(|(asks, mailbox)| answer(desk.clone(), asks, mailbox))
        .collect()
}

/// Answers one shard until it is gone.
async fn answer(desk: Desk, mut asks: Receiver<Ask>, mailbox: Mailbox) {
    let mut exchanges = Exchanges {
        desk,
        open: HashMap::new(),
    };
    loop {
        match timeout(SWEEP_EVERY, asks.recv()).await {
            Ok(Some(Ask { connection, step })) => {
                if let Some(answer) = exchanges.take(connection, step) {
                    post(&mailbox, Question::Answered { connection, answer }).await;
                }
            }
            Ok(None) => return,
            Err(_) => exchanges.sweep(),
        }
    }
}

/// Puts an answer into a mailbox, which may be full for a moment.
async fn post(mailbox: &Mailbox, mut question: Question) {
    let until = Instant::now() + MAILBOX_PATIENCE;
    while let Err(back) = mailbox.ask(question) {
        if Instant::now() >= until {
            return;
        }
        question = back;
        sleep(Duration::from_millis(1)).await;
    }
}

impl Exchanges {
    fn take(&mut self, connection: ConnectionId, step: Step) -> Option<Answer> {
        let (mut open, data) = match step {
            Step::Begin { method, data } => match self.begin(&method) {
                Ok(open) => (open, data),
                Err(answer) => return Some(answer),
            },
            Step::Continue { data } => match self.open.remove(&connection) {
                Some(open) => (open, data),
                None => return Some(Answer::Refused),
            },
            Step::Abandon => {
                self.open.remove(&connection);
                return None;
            }
        };
        let answer = open.exchange.step(&data);
        if let Answer::Continue { .. } = answer {
            self.open.insert(connection, open);
        }
        Some(answer)
    }

    fn begin(&mut self, name: &str) -> Result<Open, Answer> {
        if self.open.len() >= self.desk.exchanges_max {
            self.sweep();
        }
        if self.open.len() >= self.desk.exchanges_max {
            return Err(Answer::Busy);
        }
        let method = self.desk.methods.iter().find(|method| method.name() == name);
        let exchange = method.ok_or(Answer::Refused)?.begin().ok_or(Answer::Busy)?;
        let until = Instant::now() + self.desk.patience;
        Ok(Open { exchange, until })
    }

    /// Forgets exchanges whose time is up: word that they were abandoned found no room.
    fn sweep(&mut self) {
        let now = Instant::now();
        self.open.retain(|_, open| open.until > now);
    }
}
