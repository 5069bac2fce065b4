//! A node of fake shards behind a real endpoint: threads that answer mailbox questions from a map of clients.
//!
//! What reaches them and what they answer goes through the real mailbox, doorbell and eventfd, and over a real socket.

use ringwire_admin::{Adapter, Admin, Node};
use ringwire_core::bans::{Ban, BanObjection};
use ringwire_core::client::{Client, Held};
use ringwire_core::placement::Placement;
use ringwire_core::{ListenerId, Message, ShardId};
use ringwire_shard::Question;
use ringwire_shard::doorbell::Doorbell;
use ringwire_shard::mailbox::{Inbox, Mailbox, ShardStats, mailbox};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// Long enough for a loaded machine; what should not come is never waited for.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Bans that the fake shards take.
pub const BANS_MAX: usize = 3;

/// What the fake shards of a node know and were told.
#[derive(Default)]
pub struct Shared {
    pub clients: Vec<Mutex<BTreeMap<String, Client>>>,
    pub stats: Vec<Mutex<ShardStats>>,
    pub published: Mutex<Vec<(ShardId, Arc<Message>)>>,
    pub bans: Vec<Mutex<Vec<Arc<Ban>>>>,
    /// Shard, listener and protocol of each adapter that a shard was told of.
    pub adapted: Mutex<Vec<(ShardId, ListenerId, String)>>,
}

/// A running endpoint in front of fake shards.
pub struct Fake {
    pub address: SocketAddr,
    pub placement: Placement,
    pub shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<thread::JoinHandle<()>>,
}

/// `mute`: shards that take no turns.
pub fn start(shards: u16, mute: &[u16]) -> Fake {
    start_with(shards, mute, Vec::new())
}

/// As `start`, with adapters of private protocols.
pub fn start_with(shards: u16, mute: &[u16], adapters: Vec<Adapter>) -> Fake {
    let shared = Arc::new(Shared {
        clients: (0..shards).map(|_| Mutex::default()).collect(),
        stats: (0..shards).map(|_| Mutex::default()).collect(),
        published: Mutex::default(),
        bans: (0..shards).map(|_| Mutex::default()).collect(),
        adapted: Mutex::default(),
    });
    let doorbells: Arc<[Doorbell]> = (0..shards).map(|_| Doorbell::new()).collect();
    let mailboxes: Vec<Mailbox> = (0..shards)
        .map(|shard| {
            let (mailbox, inbox) = mailbox(Arc::clone(&doorbells), ShardId(shard)).unwrap();
            let (shared, doorbells) = (Arc::clone(&shared), Arc::clone(&doorbells));
            if mute.contains(&shard) {
                // Its questions wait for good.
                std::mem::forget(inbox);
            } else {
                thread::spawn(move || run(ShardId(shard), inbox, &doorbells[usize::from(shard)], &shared));
            }
            mailbox
        })
        .collect();
    let placement = Placement::new([1, 2], shards);
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = admin.address();
    let (stop, stopped) = oneshot::channel();
    let node = Node {
        mailboxes,
        placement,
        name: "test".to_owned(),
        started_unix_ms: 1_700_000_000_000,
        adapters,
    };
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(admin.serve(node, async { drop(stopped.await) }));
    });
    Fake {
        address,
        placement,
        shared,
        stop: Some(stop),
        serving: Some(serving),
    }
}

/// Until the test ends; the thread is not waited for.
fn run(shard: ShardId, mut inbox: Inbox, doorbell: &Doorbell, shared: &Shared) {
    loop {
        while let Some(question) = inbox.take() {
            answer(shard, question, shared);
        }
        if doorbell.may_park(|| inbox.has_work()) {
            inbox.bell().wait().unwrap();
            doorbell.awake();
        }
    }
}

fn answer(shard: ShardId, question: Question, shared: &Shared) {
    let clients = &shared.clients[shard.index()];
    match question {
        Question::Ping { reply } => reply(()),
        Question::Stats { reply } => {
            let mut stats = shared.stats[shard.index()].lock().unwrap().clone();
            stats.engine.sessions = clients.lock().unwrap().len() as u64;
            reply(stats);
        }
        Question::Clients {
            after,
            like,
            limit,
            reply,
        } => {
            let clients = clients.lock().unwrap();
            let follows = |client: &&Client| {
                after.as_ref().is_none_or(|after| client.clientid > *after) && client.clientid.contains(&like)
            };
            reply(clients.values().filter(follows).take(limit).cloned().collect());
        }
        Question::Client { client_id, reply } => reply(clients.lock().unwrap().get(&client_id).cloned()),
        Question::Subscriptions { client_id, reply } => {
            let known = clients.lock().unwrap().contains_key(&client_id);
            let held = Held {
                topic: "$share/g/a/+".to_owned(),
                qos: 1,
                nl: false,
                rap: true,
                rh: 2,
            };
            reply(known.then(|| vec![held]));
        }
        Question::Retained { topic, reply } => {
            reply(kept(shared, shard, &topic));
        }
        Question::Forget { topic, reply } => {
            let mut published = shared.published.lock().unwrap();
            let before = published.len();
            published.retain(|(home, message)| *home != shard || message.topic() != topic);
            reply(published.len() < before);
        }
        Question::Kick { client_id, reply } => reply(clients.lock().unwrap().remove(&client_id).is_some()),
        Question::Publish { messages, reply } => {
            let mut published = shared.published.lock().unwrap();
            published.extend(messages.into_iter().map(|message| (shard, message)));
            reply(());
        }
        Question::Adapt {
            listener,
            adapter,
            reply,
        } => {
            let mut adapted = shared.adapted.lock().unwrap();
            adapted.push((shard, listener, adapter.name().to_owned()));
            reply(());
        }
        Question::Ban { ban, reply } => reply(take_ban(&mut shared.bans[shard.index()].lock().unwrap(), ban)),
        Question::Unban { who, reply } => {
            let mut bans = shared.bans[shard.index()].lock().unwrap();
            let before = bans.len();
            bans.retain(|ban| !who.contains(&ban.who));
            reply(before - bans.len());
        }
        Question::Bans { reply } => reply(shared.bans[shard.index()].lock().unwrap().clone()),
        Question::Answered { .. } => panic!("the admin endpoint answers no shard"),
        Question::Drain { .. } => panic!("the admin endpoint drains no shard"),
    }
}

fn kept(shared: &Shared, shard: ShardId, topic: &str) -> Option<Arc<Message>> {
    let published = shared.published.lock().unwrap();
    let mut kept = published
        .iter()
        .filter(|(home, message)| *home == shard && message.retain);
    kept.find(|(_, message)| message.topic() == topic)
        .map(|(_, message)| message.clone())
}

fn take_ban(bans: &mut Vec<Arc<Ban>>, ban: Arc<Ban>) -> Result<(), BanObjection> {
    if let Some(known) = bans.iter().find(|known| known.who == ban.who) {
        return Err(BanObjection::Exists(known.clone()));
    }
    if bans.len() >= BANS_MAX {
        return Err(BanObjection::Full);
    }
    bans.push(ban);
    Ok(())
}

impl Fake {
    /// Puts a client on its home shard.
    pub fn client(&self, client_id: &str) {
        let shard = self.placement.home(client_id.as_bytes());
        let client = Client {
            clientid: client_id.to_owned(),
            username: None,
            connected: true,
            peer: Some("127.0.0.1:4711".parse().unwrap()),
            listener: "mqtt".to_owned(),
            proto_name: "MQTT".to_owned(),
            proto_ver: 5,
            keepalive: 60,
            clean_start: true,
            expiry_interval: 0,
            connected_at_ms: 12,
            subscriptions_cnt: 1,
            inflight_cnt: 0,
            mqueue_len: 0,
            mqueue_dropped: 0,
            recv_msg: 3,
            send_msg: 4,
            shard: shard.0,
        };
        self.shared.clients[shard.index()]
            .lock()
            .unwrap()
            .insert(client_id.to_owned(), client);
    }

    /// Status and body of a request without a body.
    pub fn ask(&self, method: &str, path: &str) -> (u16, String) {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// As `ask`, the body read as JSON.
    pub fn json(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, body) = self.ask(method, path);
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")),
        )
    }

    /// POSTs a text as JSON to `/api/v5/publish`.
    pub fn publish(&self, body: &str) -> (u16, Value) {
        self.post("/api/v5/publish", body)
    }

    /// POSTs a text as JSON.
    pub fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = self.send(&format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        (
            status,
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")),
        )
    }

    /// Sends bytes, reads to the end.
    pub fn send(&self, request: &str) -> (u16, String) {
        let mut socket = self.connect();
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// Stops the endpoint and waits for its end.
    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.take().unwrap().join().unwrap();
    }
}
