//! Whatever happens in whatever order: while a group has a member, each QoS 1 message is acknowledged once, no QoS 2 message
//! is anybody's twice, and when all have left nothing is left.
//!
//! Random histories from seeds: clients come and go, join and leave, are kicked, acknowledge or do not, and parcels between
//! shards arrive as late as they like. A seed that fails is printed and belongs into `SEEDS`.

use super::*;
use ringwire_core::{DropReason, Input};
use std::collections::BTreeMap;

/// Seeds that once failed.
const SEEDS: [u64; 0] = [];
const CLIENTS: usize = 4;
const STEPS: usize = 160;
/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

#[derive(Default)]
struct Client {
    peer: Option<Peer>,
    /// Asked for, and not given up.
    subscribed: bool,
    /// Packet id -> payload and QoS of what it has not acknowledged.
    open: BTreeMap<u16, (String, u8)>,
    /// The first one never leaves and is never kicked, so that the group has a member.
    stays: bool,
    shard: u16,
}

struct History {
    random: Random,
    node: Node,
    topic: String,
    clients: Vec<Client>,
    publishers: Vec<Peer>,
    /// Payload -> its QoS, and how often it became a client's.
    sent: BTreeMap<String, (u8, u32)>,
    /// A session ended.
    kicked: bool,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let shards = 1 + random.below(3) as u16;
        let mut settings = settings(shards);
        settings.broker.shared_subscription_strategy = SharedStrategy::ALL[random.below(6)];
        settings.limits.shared_returns = 100;
        settings.limits.inflight = 1 + random.below(8) as u16;
        let mut node = Node::with(settings);
        let topic = topic_at(&node, random.below(usize::from(shards)) as u16);
        let publishers = (0..shards).map(|shard| client(&mut node, shard, "p")).collect();
        let clients = (0..CLIENTS)
            .map(|at| Client {
                stays: at == 0,
                shard: random.below(usize::from(shards)) as u16,
                ..Client::default()
            })
            .collect();
        let mut history = Self {
            random,
            node,
            topic,
            clients,
            publishers,
            sent: BTreeMap::new(),
            kicked: false,
        };
        (0..CLIENTS).for_each(|at| history.connect(at));
        history.subscribe(0);
        history.node.hold_parcels = true;
        history
    }

    fn name(&self, at: usize) -> String {
        self.node.name_at(self.clients[at].shard, &format!("c{at}-"))
    }

    fn connect(&mut self, at: usize) {
        let (shard, name) = (self.clients[at].shard, self.name(at));
        let peer = self.node.open(shard);
        let hello = Hello {
            clean: false,
            ..Hello::new(V3, &name)
        };
        self.node.send(peer, &hello.bytes());
        self.clients[at].peer = Some(peer);
    }

    fn subscribe(&mut self, at: usize) {
        let filter = format!("$share/g/{}", self.topic);
        if let Some(peer) = self.clients[at].peer {
            self.node.subscribe(peer, V3, &filter, 2);
            self.clients[at].subscribed = true;
        }
    }

    fn unsubscribe(&mut self, at: usize) {
        let filter = format!("$share/g/{}", self.topic);
        if let Some(peer) = self.clients[at].peer {
            let mut bytes = vec![0xA2, 4 + filter.len() as u8, 0, 8, 0, filter.len() as u8];
            bytes.extend(filter.as_bytes());
            self.node.send(peer, &bytes);
            self.clients[at].subscribed = false;
        }
    }

    fn publish(&mut self) {
        let from = self.publishers[self.random.below(self.publishers.len())];
        let (number, level) = (self.sent.len(), 1 + self.random.below(2) as u8);
        let payload = format!("m{number}");
        let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(level) - 1];
        let id = number as u16 + 1;
        self.node
            .publish(from, V3, &self.topic.clone(), payload.as_bytes(), qos, id);
        self.sent.insert(payload, (level, 0));
    }

    /// What a client was sent since it last looked; what it acknowledges is its own. False when there was nothing.
    fn read(&mut self, at: usize, acknowledges: bool) -> bool {
        let Some(peer) = self.clients[at].peer else {
            return false;
        };
        let words = self.node.take_words(peer, V3);
        for word in &words {
            let parts: Vec<&str> = word.split(' ').collect();
            if parts[0] == "publish" {
                let id = parts[4][1..].parse().expect("a packet id");
                let level = parts[3][1..].parse().expect("a QoS");
                self.clients[at].open.insert(id, (parts[2].to_owned(), level));
            } else if parts[0] == "pubrel" {
                let id: u16 = parts[1][1..].parse().expect("a packet id");
                let [high, low] = id.to_be_bytes();
                self.node.send(peer, &[0x70, 2, high, low]);
            }
        }
        // What a held connection sends is not its last word: a kick loses it.
        if !acknowledges || self.node.wire(peer).paused {
            return !words.is_empty();
        }
        let open = std::mem::take(&mut self.clients[at].open);
        for (id, (payload, level)) in open {
            let [high, low] = id.to_be_bytes();
            self.sent.get_mut(&payload).expect("somebody sent it").1 += 1;
            let first = if level == 1 { 0x40 } else { 0x50 };
            self.node.send(peer, &[first, 2, high, low]);
        }
        !words.is_empty()
    }

    fn kick(&mut self, at: usize) {
        let (shard, name) = (self.clients[at].shard, self.name(at));
        self.read(at, false);
        self.clients[at].open.clear();
        self.node.input(shard, Input::Kick { client_id: &name });
        self.clients[at].peer = None;
        self.clients[at].subscribed = false;
        // What it had been sent at QoS 2 is gone with its session [MQTT-4.8.2-5].
        self.kicked = true;
    }

    fn step(&mut self) {
        let at = self.random.below(CLIENTS);
        let (is_there, stays) = (self.clients[at].peer.is_some(), self.clients[at].stays);
        match self.random.below(16) {
            0..4 => self.publish(),
            4..6 if is_there => {
                self.read(at, false);
                self.clients[at].open.clear();
                self.node.end(self.clients[at].peer.take().expect("it is there"));
            }
            4..8 if !is_there => self.connect(at),
            6 => self.subscribe(at),
            7 if !stays => self.unsubscribe(at),
            8 if !stays && self.random.below(3) == 0 => self.kick(at),
            8..11 => {
                self.read(at, true);
            }
            _ => self.one_parcel(),
        }
    }

    fn one_parcel(&mut self) {
        let waiting: Vec<(u16, u16)> = (self.node.parcels.iter())
            .filter(|(_, queue)| !queue.is_empty())
            .map(|(&pair, _)| pair)
            .collect();
        if !waiting.is_empty() {
            let (from, to) = waiting[self.random.below(waiting.len())];
            self.node.exchange_one(from, to);
        }
    }

    /// Everybody comes back and reads until nothing moves any more.
    fn settle(&mut self) {
        self.node.exchange();
        for at in 0..CLIENTS {
            if self.clients[at].peer.is_none() {
                self.connect(at);
            }
        }
        loop {
            self.node.exchange();
            if !(0..CLIENTS).any(|at| self.read(at, true)) {
                return;
            }
        }
    }

    fn end(&mut self) {
        for at in 0..CLIENTS {
            let (shard, name) = (self.clients[at].shard, self.name(at));
            self.node.input(shard, Input::Kick { client_id: &name });
        }
        self.node.exchange();
        assert_nothing_left(&mut self.node);
    }
}

fn run(seed: u64) {
    let mut history = History::new(seed);
    for _ in 0..STEPS {
        history.step();
    }
    history.settle();
    for (payload, (level, times)) in &history.sent {
        match (level, times) {
            (_, 1) => {}
            (2, 0) if history.kicked => {}
            _ => panic!("{payload} at QoS {level} became a client's {times} times"),
        }
    }
    let drops = [DropReason::GroupEnded, DropReason::ReturnedTooOften];
    assert_eq!(drops.map(|reason| history.node.drops(reason)), [0, 0]);
    history.end();
}

#[test]
fn whatever_happens_each_message_becomes_one_members() {
    for seed in SEEDS.into_iter().chain(0..400) {
        let outcome = std::panic::catch_unwind(|| run(seed));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
