//! The brokers that the cases talk to: one for each set of settings, shared by the tests that run at the same time.
//!
//! A broker starts with the first test that asks for its settings and is killed by the last that held it, so that
//! nothing is left when the tests end, however they end. Each has two shards: where clients live is decided by their
//! ids, so cases with two clients cross shards as often as not.

use crate::broker::Broker;
use crate::client::Client;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// By their settings.
static RUNNING: Mutex<Option<HashMap<String, Weak<Broker>>>> = Mutex::new(None);

/// A broker that is held while this lives.
pub struct Server {
    broker: Arc<Broker>,
}

impl Server {
    /// With default settings.
    pub fn shared() -> Self {
        Self::with(&[])
    }

    /// With settings as `listener.mqtt.max_keepalive=10s`.
    pub fn with(settings: &[&str]) -> Self {
        let key = settings.join(" ");
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let running = running.get_or_insert_default();
        if let Some(broker) = running.get(&key).and_then(Weak::upgrade) {
            return Self { broker };
        }
        let arguments: Vec<_> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let broker = Arc::new(Broker::start_with(2, &arguments));
        running.insert(key, Arc::downgrade(&broker));
        Self { broker }
    }

    /// A connection on which nothing was said.
    pub fn open(&self) -> Client {
        Client::open(self.broker.mqtt())
    }

    /// Sends a packet on a new connection, which is mostly a CONNECT.
    pub fn send(&self, packet: &str) -> Client {
        let mut client = self.open();
        client.send(packet);
        client
    }

    /// A 5.0 client: Clean Start, no properties, no Keep Alive.
    pub fn v5(&self, id: &str) -> Client {
        self.v5_as(id, 0x02, "<>", "")
    }

    /// A 5.0 client with Connect Flags, properties (`<11 0000003C>`), and what follows the client id; accepted.
    pub fn v5_as(&self, id: &str, flags: u8, properties: &str, rest: &str) -> Client {
        let mut client = self.send(&connect_v5(id, flags, properties, rest));
        client.expect_accepted();
        client
    }

    /// A 3.1.1 client: Clean Session, no Keep Alive.
    pub fn v3(&self, id: &str) -> Client {
        self.v3_as(id, 0x02, "")
    }

    /// A 3.1.1 client with Connect Flags and what follows the client id; accepted.
    pub fn v3_as(&self, id: &str, flags: u8, rest: &str) -> Client {
        let mut client = self.send(&connect_v3(id, flags, rest));
        client.expect_accepted();
        client
    }

    /// Sends each packet on a 5.0 connection of its own, which ends with DISCONNECT and this reason code.
    #[track_caller]
    pub fn each_ends(&self, id: &str, packets: &[String], reason: u8) {
        for packet in packets {
            let mut client = self.v5(id);
            client.send(packet);
            client.expect_disconnect(reason);
        }
    }

    /// Sends each CONNECT of 5.0, which is refused with CONNACK and this reason code.
    #[track_caller]
    pub fn each_is_refused(&self, connects: &[String], reason: u8) {
        for connect in connects {
            self.send(connect).expect_refused(reason);
        }
    }

    /// For what is not MQTT: the admin endpoint, another listener, a signal.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }
}

/// A CONNECT of 5.0 without Keep Alive.
pub fn connect_v5(id: &str, flags: u8, properties: &str, rest: &str) -> String {
    format!("10 <'MQTT' 05 {flags:02X} 0000 {properties} '{id}' {rest}>")
}

/// A CONNECT of 3.1.1 without Keep Alive.
pub fn connect_v3(id: &str, flags: u8, rest: &str) -> String {
    format!("10 <'MQTT' 04 {flags:02X} 0000 '{id}' {rest}>")
}
