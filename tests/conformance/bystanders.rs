//! Clients that do nothing wrong while others do everything wrong: publishers and subscribers of 5.0 and 3.1.1 on each
//! shard of one broker. `go_on` fails when one of them noticed anything.
//!
//! In a round each publisher sends one message at QoS 1, and every subscriber must get exactly those, with packet ids
//! that go on where the last round ended: nothing lost, nothing doubled, no foreign message, the same connections, the
//! same process.

use crate::broker::{Broker, http};
use crate::client::Client;
use crate::notation::show;
use crate::server::{connect_v3, connect_v5};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Of each kind at least. More are made until both shards have each.
const EACH: usize = 4;

/// Shards of the broker.
const SHARDS: usize = 2;

/// A broker of its own, and its clients.
pub struct Bystanders {
    broker: Broker,
    subscribers: Vec<(Client, bool)>,
    publishers: Vec<(Client, bool)>,
    round: u16,
    delivered: u16,
}

impl Bystanders {
    /// On a new broker with settings as `limits.receive_maximum=4`.
    pub fn with(settings: &[&str]) -> Self {
        let arguments: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let mut all = Self {
            broker: Broker::start_with(SHARDS, &arguments),
            subscribers: Vec::new(),
            publishers: Vec::new(),
            round: 0,
            delivered: 0,
        };
        while all.publishers.len() < EACH || !all.are_on_each_shard() {
            all.add();
        }
        all.go_on();
        all
    }

    /// Where MQTT is spoken.
    pub fn address(&self) -> SocketAddr {
        self.broker.mqtt()
    }

    fn add(&mut self) {
        let number = self.publishers.len();
        let is_v5 = number.is_multiple_of(2);
        let mut publisher = self.connect(&format!("publisher-{number}"), is_v5);
        publisher.expect_alive();
        let mut subscriber = self.connect(&format!("subscriber-{number}"), is_v5);
        if is_v5 {
            subscriber.exchange("82 <0001 <> 'by/#' 01>", "90 <0001 <> 01>");
        } else {
            subscriber.exchange("82 <0001 'by/#' 01>", "90 <0001 01>");
        }
        self.publishers.push((publisher, is_v5));
        self.subscribers.push((subscriber, is_v5));
    }

    fn connect(&self, id: &str, is_v5: bool) -> Client {
        let mut client = Client::open(self.broker.mqtt());
        client.send(&if is_v5 {
            connect_v5(id, 0x02, "<>", "")
        } else {
            connect_v3(id, 0x02, "")
        });
        client.expect_accepted();
        client
    }

    fn are_on_each_shard(&self) -> bool {
        let answer = http::get(self.broker.admin(), "/api/v5/clients?limit=1000").json();
        let rows = answer["data"].as_array().expect("a list");
        let shards_of = |kind: &str| {
            let rows = rows
                .iter()
                .filter(|row| row["clientid"].as_str().is_some_and(|id| id.starts_with(kind)));
            rows.filter_map(|row| row["shard"].as_u64())
                .collect::<BTreeSet<_>>()
        };
        shards_of("publisher").len() == SHARDS && shards_of("subscriber").len() == SHARDS
    }

    /// One round. All of them are still there and get what they should.
    #[track_caller]
    pub fn go_on(&mut self) {
        self.round += 1;
        assert!(self.broker.is_running(), "the broker is the same process");
        for (number, (publisher, is_v5)) in self.publishers.iter_mut().enumerate() {
            let properties = if *is_v5 { "<>" } else { "" };
            publisher.exchange(
                &format!(
                    "32 <'by/{number}' {:04X} {properties} {:04X}>",
                    self.round, self.round
                ),
                &format!("40 02 {:04X}", self.round),
            );
        }
        let count = u16::try_from(self.publishers.len()).expect("few");
        for (subscriber, is_v5) in &mut self.subscribers {
            let topics: BTreeSet<_> = (0..count)
                .map(|n| message(subscriber, *is_v5, self.delivered + 1 + n, self.round))
                .collect();
            let wanted: BTreeSet<_> = (0..count).map(|number| format!("by/{number}")).collect();
            assert_eq!(topics, wanted, "each message once");
            subscriber.expect_alive();
        }
        self.delivered += count;
    }
}

/// Takes and acknowledges the message with this packet id and of this round; its topic.
#[track_caller]
fn message(client: &mut Client, is_v5: bool, packet_id: u16, round: u16) -> String {
    let packet = client.packet();
    let [0x32, _, 0, length, rest @ ..] = &packet[..] else {
        panic!("not a message at QoS 1: {}", show(&packet));
    };
    let (topic, rest) = rest.split_at(usize::from(*length));
    let mut wanted = packet_id.to_be_bytes().to_vec();
    wanted.extend(is_v5.then_some(0));
    wanted.extend(round.to_be_bytes());
    assert_eq!(rest, wanted, "packet id and payload of {}", show(&packet));
    client.send(&format!("40 02 {packet_id:04X}"));
    String::from_utf8(topic.to_vec()).expect("a topic")
}
