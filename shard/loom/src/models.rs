//! The models: small programs of two or three threads that use a mesh or a mailbox as a shard does.
//!
//! Loom runs each through every interleaving (within the preemption bound) and every value a relaxed load may see. A
//! sleeper that is never rung although something waits for it ends in loom's "deadlock". Also compiled for each mutant.

use crate::bell::Bell;
use crate::doorbell::Doorbell;
use crate::mailbox::{Inbox, Question, mailbox};
use crate::mesh::{Batch, Envelope, Port, ports};
use loom::thread;
use ringwire_core::{Parcel, ShardId};
use std::sync::Arc;

/// Two posters, one sleeper: each batch arrives, in its poster's order, and nobody rings in vain.
pub(crate) fn two_shards_post_to_one_that_sleeps() {
    check(3, || {
        let bell = Arc::new(Bell::new().unwrap());
        let rings = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut ports = ports(3, 1).into_iter();
        let mut sleeper = ports.next().unwrap();
        for mut poster in ports {
            let (bell, rings) = (Arc::clone(&bell), Arc::clone(&rings));
            thread::spawn(move || {
                let ring = |_| {
                    rings.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    bell.ring();
                };
                assert!(
                    poster.post(ShardId(0), batch(0), ring).is_ok(),
                    "the queue is empty"
                );
            });
        }
        let parks = take_all(&mut sleeper, &bell, 2, |_| unreachable!("no poster is stuck"));
        let rings = rings.load(std::sync::atomic::Ordering::Relaxed);
        assert!(
            rings <= parks,
            "a shard that parked {parks} times was rung {rings} times"
        );
    });
}

/// One poster that posts twice: the sleeper may sleep between the posts, and sleep again.
pub(crate) fn a_shard_posts_twice_to_one_that_sleeps() {
    check(4, || {
        let bell = Arc::new(Bell::new().unwrap());
        let [mut sleeper, mut poster] = pair(2);
        let theirs = Arc::clone(&bell);
        thread::spawn(move || {
            for number in 0..2 {
                assert!(
                    poster.post(ShardId(0), batch(number), |_| theirs.ring()).is_ok(),
                    "there is room"
                );
            }
        });
        take_all(&mut sleeper, &bell, 2, |_| unreachable!("no poster is stuck"));
    });
}

/// A queue of one batch and three to post: the poster sleeps on what does not fit, the taker on nothing to take.
pub(crate) fn a_full_queue_wakes_its_poster_when_there_is_room() {
    check(3, || {
        let bells = [Arc::new(Bell::new().unwrap()), Arc::new(Bell::new().unwrap())];
        let theirs = bells.clone();
        let [mut taker, mut poster] = pair(1);
        let posting = thread::spawn(move || {
            for number in 0..2 {
                let mut held = batch(number);
                while let Err(batch) = poster.post(ShardId(0), held, |_| theirs[0].ring()) {
                    held = batch;
                    park(poster.doorbell(), || poster.has_work(), &theirs[1]);
                }
            }
        });
        take_all(&mut taker, &bells[0], 2, |source| bells[source.index()].ring());
        posting.join().unwrap();
    });
}

/// Two askers, one sleeper: each question is answered.
pub(crate) fn two_threads_ask_a_shard_that_sleeps() {
    check(3, || {
        let sleeper = ports(1, 1).remove(0);
        let (asker, mut inbox) = mailbox(Arc::clone(sleeper.doorbells()), ShardId(0)).unwrap();
        for _ in 0..2 {
            let asker = asker.clone();
            thread::spawn(move || {
                assert!(
                    asker.ask(Question::Drain { deadline_ms: 0 }).is_ok(),
                    "there is room"
                );
            });
        }
        let mut taken = 0;
        while taken < 2 {
            taken += questions(&mut inbox);
            if taken < 2
                && sleeper
                    .doorbell()
                    .may_park(|| sleeper.has_work() || inbox.has_work())
            {
                inbox.bell().wait().unwrap();
                sleeper.doorbell().awake();
            }
        }
    });
}

fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

fn pair(batches: usize) -> [Port; 2] {
    ports(2, batches).try_into().expect("two ports")
}

fn batch(number: u64) -> Batch {
    let recalled = Parcel::Recalled {
        ticket: number,
        messages: Vec::new(),
        next: None,
    };
    vec![Envelope::Parcel(recalled)]
}

/// Takes until `count` batches came, sleeping in between as a shard does. Returns how often it went to park.
fn take_all(port: &mut Port, bell: &Bell, count: usize, ring: impl Fn(ShardId)) -> usize {
    let mut tickets = [0; 3];
    let (mut taken, mut parks) = (0, 0);
    while taken < count {
        while let Some((from, batch)) = port.take(&ring) {
            taken += 1;
            let [Envelope::Parcel(Parcel::Recalled { ticket, .. })] = batch[..] else {
                panic!("a batch of one answer was posted, not {batch:?}")
            };
            assert_eq!(ticket, tickets[from.index()], "overtaken");
            tickets[from.index()] += 1;
        }
        if taken < count {
            parks += 1;
            park(port.doorbell(), || port.has_work(), bell);
        }
    }
    parks
}

fn park(doorbell: &Doorbell, has_work: impl FnOnce() -> bool, bell: &Bell) {
    if doorbell.may_park(has_work) {
        bell.wait().unwrap();
        doorbell.awake();
    }
}

fn questions(inbox: &mut Inbox) -> usize {
    std::iter::from_fn(|| inbox.take()).count()
}
