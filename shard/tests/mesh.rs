//! The mesh and the mailbox with their real queue and eventfd, on real threads. What interleavings can do to them is loom's
//! to find (`shard/loom`); here is what they promise their callers.
#![allow(clippy::unwrap_used)]

use ringwire_core::{Adoption, ListenerId, Parcel, ShardId, Time};
use ringwire_shard::bell::Bell;
use ringwire_shard::doorbell::Doorbell;
use ringwire_shard::mailbox::{QUESTIONS_MAX, Question, mailbox};
use ringwire_shard::mesh::{Batch, Envelope, ports};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

fn batch(number: u64) -> Batch {
    vec![Envelope::Parcel(Parcel::Recalled {
        ticket: number,
        messages: Vec::new(),
        next: None,
    })]
}

fn number(batch: &Batch) -> u64 {
    match &batch[..] {
        [Envelope::Parcel(Parcel::Recalled { ticket, .. })] => *ticket,
        other => panic!("not a batch of these tests: {other:?}"),
    }
}

fn awake(shard: ShardId) {
    panic!("{shard:?} is awake and is not rung");
}

#[test]
fn a_full_queue_gives_the_batch_back_and_takes_it_when_there_is_room() {
    let [mut sender, mut taker] = <[_; 2]>::try_from(ports(2, 2)).unwrap();
    for sent in 0..2 {
        assert!(sender.post(ShardId(1), batch(sent), awake).is_ok());
    }
    let held = sender.post(ShardId(1), batch(2), awake).unwrap_err();
    assert_eq!(number(&held), 2);
    assert!(!sender.has_work(), "there is no room yet");
    assert!(sender.doorbell().may_park(|| sender.has_work()));

    let mut rung = Vec::new();
    let (from, first) = taker.take(|shard| rung.push(shard)).unwrap();
    assert_eq!((from, number(&first)), (ShardId(0), 0));
    assert_eq!(
        rung,
        [ShardId(0)],
        "the sender sleeps on a batch that now has room"
    );
    assert!(sender.has_work());
    assert!(sender.post(ShardId(1), held, awake).is_ok());
    assert!(!sender.has_work(), "nothing is stuck any more");
    assert_eq!(number(&taker.take(awake).unwrap().1), 1);
    assert_eq!(number(&taker.take(awake).unwrap().1), 2);
    assert!(taker.take(awake).is_none());
}

#[test]
fn a_busy_source_does_not_starve_another() {
    let mut ports = ports(3, 8);
    for sent in 0..4 {
        assert!(ports[1].post(ShardId(0), batch(sent), awake).is_ok());
    }
    assert!(ports[2].post(ShardId(0), batch(0), awake).is_ok());
    let sources: Vec<u16> = std::iter::from_fn(|| ports[0].take(awake))
        .map(|(from, _)| from.0)
        .collect();
    assert_eq!(sources, [1, 2, 1, 1, 1]);
}

#[test]
fn a_sleeping_shard_is_rung_once_and_an_awake_one_never() {
    let mut ports = ports(3, 8);
    assert!(ports[0].doorbell().may_park(|| ports[0].has_work()));
    let mut rung = 0;
    for poster in &mut ports[1..] {
        assert!(poster.post(ShardId(0), batch(0), |_| rung += 1).is_ok());
    }
    assert_eq!(rung, 1);
    assert!(
        !ports[0].doorbell().may_park(|| ports[0].has_work()),
        "there is something to take"
    );
    assert!(ports[1].post(ShardId(0), batch(1), awake).is_ok());
}

#[test]
fn a_batch_for_a_shard_that_ended_is_dropped_and_closes_its_sockets() {
    let mut ports = ports(2, 1);
    drop(ports.pop());
    let (mut reader, writer) = std::io::pipe().unwrap();
    let adoption = Adoption {
        listener: ListenerId(0),
        peer: "127.0.0.1:1".parse().unwrap(),
        opened: Time::ZERO,
        received: Default::default(),
    };
    let envelope = Envelope::HandOver {
        fd: OwnedFd::from(writer),
        adoption,
    };
    assert!(ports[0].post(ShardId(1), vec![envelope], awake).is_ok());
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the other end is closed");
}

#[test]
fn batches_are_reused_empty() {
    let mut port = ports(1, 1).remove(0);
    let mut used = batch(1);
    used.reserve(100);
    let capacity = used.capacity();
    port.recycle(used);
    let again = port.batch();
    assert!(again.is_empty() && again.capacity() == capacity);
    assert_eq!(port.batch().capacity(), 0, "there was only one");
    port.recycle(Batch::with_capacity(1 << 20));
    assert_eq!(port.batch().capacity(), 0, "a burst's batch is not kept");
}

#[test]
fn parked_threads_lose_nothing_and_see_each_posters_order() {
    const BATCHES: u64 = 20_000;
    let bells: Arc<[Bell]> = (0..3).map(|_| Bell::new().unwrap()).collect();
    let mut ports = ports(3, 4).into_iter();
    let mut taker = ports.next().unwrap();
    let posters: Vec<_> = ports
        .map(|mut port| {
            let bells = Arc::clone(&bells);
            thread::spawn(move || {
                let own = port.shard().index();
                for sent in 0..BATCHES {
                    let mut held = batch(sent);
                    while let Err(batch) = port.post(ShardId(0), held, |to| bells[to.index()].ring()) {
                        held = batch;
                        park(port.doorbell(), || port.has_work(), &bells[own]);
                    }
                }
            })
        })
        .collect();
    let mut next = [0; 3];
    while next[1] + next[2] < 2 * BATCHES {
        while let Some((from, batch)) = taker.take(|to| bells[to.index()].ring()) {
            assert_eq!(number(&batch), next[from.index()]);
            next[from.index()] += 1;
        }
        if next[1] + next[2] < 2 * BATCHES {
            park(taker.doorbell(), || taker.has_work(), &bells[0]);
        }
    }
    for poster in posters {
        poster.join().unwrap();
    }
}

fn park(doorbell: &Doorbell, has_work: impl FnOnce() -> bool, bell: &Bell) {
    if doorbell.may_park(has_work) {
        bell.wait().unwrap();
        doorbell.awake();
    }
}

#[test]
fn a_parked_shard_answers_a_question() {
    let doorbells: Arc<[Doorbell]> = Arc::new([Doorbell::new()]);
    let (mailbox, mut inbox) = mailbox(Arc::clone(&doorbells), ShardId(0)).unwrap();
    let shard = thread::spawn(move || {
        loop {
            while let Some(question) = inbox.take() {
                match question {
                    Question::Ping { reply } => reply(()),
                    Question::Drain { .. } => return,
                    Question::Stats { .. }
                    | Question::Clients { .. }
                    | Question::Client { .. }
                    | Question::Kick { .. }
                    | Question::Publish { .. }
                    | Question::Subscriptions { .. }
                    | Question::Retained { .. }
                    | Question::Forget { .. }
                    | Question::Adapt { .. }
                    | Question::Ban { .. }
                    | Question::Unban { .. }
                    | Question::Bans { .. }
                    | Question::Answered { .. } => panic!("not asked"),
                }
            }
            park(&doorbells[0], || inbox.has_work(), inbox.bell());
        }
    });
    for _ in 0..1_000 {
        let (answer, answered) = std::sync::mpsc::channel();
        let reply = Box::new(move |()| answer.send(()).unwrap());
        assert!(mailbox.ask(Question::Ping { reply }).is_ok());
        answered.recv().unwrap();
    }
    assert!(mailbox.ask(Question::Drain { deadline_ms: 0 }).is_ok());
    shard.join().unwrap();
    assert!(
        mailbox.ask(Question::Drain { deadline_ms: 0 }).is_err(),
        "the shard is gone"
    );
}

#[test]
fn a_full_mailbox_gives_the_question_back() {
    let (mailbox, inbox) = mailbox(Arc::new([Doorbell::new()]), ShardId(0)).unwrap();
    for _ in 0..QUESTIONS_MAX {
        assert!(mailbox.ask(Question::Drain { deadline_ms: 1 }).is_ok());
    }
    assert!(matches!(
        mailbox.ask(Question::Drain { deadline_ms: 2 }),
        Err(Question::Drain { deadline_ms: 2 })
    ));
    drop(inbox);
}
