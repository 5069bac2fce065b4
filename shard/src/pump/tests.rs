//! A pump with a background task beside it: glommio gets its turns, the clients their answers, and nobody spins.

use super::*;
use crate::mailbox::{Reply, mailbox};
use crate::mesh::ports;
use crate::{Bind, Mailbox, Question, executor, listen};
use glommio::timer::Timer;
use ringwire_core::placement::Placement;
use ringwire_core::settings::{Listener, Mqtt, Protocol};
use ringwire_core::{InterestMap, Settings as EngineSettings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;

fn settings(shards: u16) -> Settings {
    Settings {
        engine: Arc::new(EngineSettings {
            shards,
            placement_key: [1, 2],
            seed: 3,
            listeners: vec![Listener {
                name: "mqtt".to_owned(),
                max_connections: 10,
                protocol: Protocol::Mqtt(Mqtt::default()),
            }],
            ..EngineSettings::default()
        }),
        cores: vec![
            Core {
                buffers: 16,
                ..Core::default()
            };
            usize::from(shards)
        ],
        binds: vec![Bind::new(SocketAddr::from(([127, 0, 0, 1], 0)))],
        mesh_batches: 4,
        authority: None,
    }
}

/// Of shard 0.
fn parts(shards: u16, port: Port) -> (Parts, Mailbox, SocketAddr) {
    let settings = Arc::new(settings(shards));
    let (address, listeners) = listen::bind("mqtt", &settings.binds[0], &[None]).unwrap();
    let (mailbox, inbox) = mailbox(Arc::clone(port.doorbells()), ShardId(0)).unwrap();
    let parts = Parts {
        shard: ShardId(0),
        interest: Arc::new(InterestMap::new(3)),
        settings,
        listeners,
        port,
        inbox,
        origin: Instant::now(),
    };
    (parts, mailbox, address)
}

#[test]
fn a_background_task_gets_its_turns_beside_the_clients() {
    let (parts, mailbox, address) = parts(1, ports(1, 4).remove(0));
    let ticks = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&ticks);
    let shard = std::thread::spawn(move || {
        let core = parts.settings.cores[0].clone();
        let (executor, background) = executor::make_whole(&core);
        let ring = Ring::new(&core).unwrap();
        let bells = Arc::from([ring.bell().unwrap()]);
        executor.run(async {
            background.spawn(async move {
                loop {
                    Timer::new(Duration::from_millis(20)).await;
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
            let mut pump = Pump::new(parts, ring, bells, background);
            pump.open().unwrap();
            pump.run().await.unwrap();
        });
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
        .write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a")
        .unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    let began = Instant::now();
    while ticks.load(Ordering::Relaxed) < 5 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "the task's timers fire"
        );
        client.write_all(b"\xc0\0").unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    let stats: ShardStats = answer(&mailbox, |reply| Question::Stats { reply });
    assert!(stats.glommio_yields > 0);
    let waited_ms = began.elapsed().as_millis() as u64;
    assert!(
        stats.turns < 200 + 2 * waited_ms,
        "{} turns in {waited_ms} ms",
        stats.turns
    );
    assert!(mailbox.ask(Question::Drain { deadline_ms: 5_000 }).is_ok());
    shard.join().unwrap();
}

#[test]
fn a_drain_does_not_wait_for_a_shard_that_ended_with_its_queue_full() {
    let mut ends = ports(2, 1);
    let other = ends.pop().unwrap();
    let (parts, mailbox, address) = parts(2, ends.pop().unwrap());
    let shard = std::thread::spawn(move || {
        let core = parts.settings.cores[0].clone();
        let (executor, background) = executor::make(ShardId(0), &core).unwrap();
        let ring = Ring::new(&core).unwrap();
        let bells = Arc::from([ring.bell().unwrap(), ring.bell().unwrap()]);
        let mut pump = Pump::new(parts, ring, bells, background);
        pump.open().unwrap();
        executor.run(async { pump.run().await.unwrap() });
    });
    let home = |id: &u8| Placement::new([1, 2], 2).home(&[*id]) == ShardId(0);
    let id = (b'a'..=b'z').find(home).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
        .write_all(&[b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01".as_slice(), &[id]].concat())
        .unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    // Retained, and about half of the topics are at home on the other shard, which takes nothing.
    for topic in b'a'..=b'z' {
        client.write_all(&[0x31, 4, 0, 1, topic, b'm', 0xC0, 0]).unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
    }
    drop(client);
    let asked = Instant::now();
    while answer(&mailbox, |reply| Question::Client {
        client_id: char::from(id).into(),
        reply,
    })
    .is_some()
    {
        assert!(asked.elapsed() < Duration::from_secs(30), "it has gone");
    }
    let stats: ShardStats = answer(&mailbox, |reply| Question::Stats { reply });
    assert_eq!(stats.mesh_full, 1, "a batch waits for room");
    assert_eq!(stats.engine.connections, 0);
    assert!(mailbox.ask(Question::Drain { deadline_ms: 60_000 }).is_ok());
    let began = Instant::now();
    // Time to park, so that nothing but the end of the other shard can be a reason to look again.
    std::thread::sleep(Duration::from_millis(200));
    drop(other);
    shard.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_shard_sleeps_however_its_last_work_arrived() {
    let (parts, mailbox, address) = parts(1, ports(1, 4).remove(0));
    let shard = std::thread::spawn(move || {
        let core = parts.settings.cores[0].clone();
        let (executor, background) = executor::make(ShardId(0), &core).unwrap();
        let ring = Ring::new(&core).unwrap();
        let bells = Arc::from([ring.bell().unwrap()]);
        let mut pump = Pump::new(parts, ring, bells, background);
        pump.open().unwrap();
        executor.run(async { pump.run().await.unwrap() });
    });
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
        .write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a")
        .unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    let mut pongs = vec![0; 2 * 200];
    for round in 0..50 {
        // In pieces, so that they arrive while the shard is at work on those before.
        for _ in 0..200 {
            client.write_all(b"\xc0\0").unwrap();
        }
        client.read_exact(&mut pongs).unwrap();
        let before: ShardStats = answer(&mailbox, |reply| Question::Stats { reply });
        std::thread::sleep(Duration::from_millis(20));
        let after: ShardStats = answer(&mailbox, |reply| Question::Stats { reply });
        let turns = after.turns - before.turns;
        assert!(
            turns < 50,
            "{turns} turns in which nothing happened, round {round}"
        );
    }
    assert!(mailbox.ask(Question::Drain { deadline_ms: 5_000 }).is_ok());
    shard.join().unwrap();
}

#[test]
fn spinning_is_counted_apart_and_sleeping_is_no_work() {
    let at_most = Duration::from_millis(150);
    for spin_us in [0, 1_000_000] {
        let (mut parts, mailbox, _) = parts(1, ports(1, 4).remove(0));
        let settings = Arc::make_mut(&mut parts.settings);
        settings.cores[0].spin_us = spin_us;
        let core = settings.cores[0].clone();
        let shard = std::thread::spawn(move || {
            let (executor, background) = executor::make(ShardId(0), &core).unwrap();
            let ring = Ring::new(&core).unwrap();
            let bells = Arc::from([ring.bell().unwrap()]);
            let mut pump = Pump::new(parts, ring, bells, background);
            pump.open().unwrap();
            executor.run(async { pump.run().await.unwrap() });
        });
        let before: ShardStats = answer(&mailbox, |reply| Question::Stats { reply });
        let asked = std::time::Instant::now();
        let stats = || answer(&mailbox, |reply| Question::Stats { reply });
        let has_spun = |stats: &ShardStats| stats.spin_us - before.spin_us >= 20_000 && stats.spin_hits > 0;
        std::thread::sleep(Duration::from_millis(400));
        let mut after: ShardStats = stats();
        // Later than that when other threads have the CPU, or the machine stands still.
        while spin_us > 0 && !has_spun(&after) && asked.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(50));
            after = stats();
        }
        let busy = Duration::from_micros(after.busy_us - before.busy_us);
        assert!(busy < at_most, "{busy:?} of work in 400 ms of nothing");
        assert!(after.uptime_us - before.uptime_us >= 400_000);
        if spin_us == 0 {
            assert_eq!((after.spins, after.spin_us), (0, 0));
            assert!(after.parks > 0);
        } else {
            assert!(
                has_spun(&after),
                "it spins, and finds the question by that: {after:?}"
            );
        }
        assert!(mailbox.ask(Question::Drain { deadline_ms: 5_000 }).is_ok());
        shard.join().unwrap();
    }
}

fn answer<T: Send + 'static>(mailbox: &Mailbox, question: impl FnOnce(Reply<T>) -> Question) -> T {
    let (sender, receiver) = channel();
    let reply = Box::new(move |answer| sender.send(answer).unwrap());
    assert!(mailbox.ask(question(reply)).is_ok());
    receiver.recv_timeout(Duration::from_secs(30)).unwrap()
}
