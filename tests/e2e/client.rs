//! `rumqttc` behind one face for 3.1.1 and 5.0, so that a test says once what must hold for both.
//!
//! Its event loop runs as a task of the test's runtime and hands everything that arrived to a queue; a test takes from
//! the queue what it waits for and leaves the rest in order. It never reconnects: an end is an event like another.

use crate::broker::{Broker, PATIENCE};
use rumqttc::{v5, v5::mqttbytes::v5 as packet5};
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Which MQTT is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V4,
    /// 5.0.
    V5,
}

/// Both versions.
pub const VERSIONS: [Version; 2] = [Version::V4, Version::V5];

/// How a client connects.
#[derive(Clone, Debug)]
pub struct Options {
    pub version: Version,
    pub id: String,
    /// Clean Session, or Clean Start with a Session Expiry Interval of 0.
    pub clean: bool,
    /// Topic, payload, QoS, RETAIN.
    pub will: Option<(String, String, u8, bool)>,
    /// QoS 1/2 publishes that may be on their way at once.
    pub window: u16,
}

impl Options {
    /// A clean session without a will.
    pub fn new(version: Version, id: impl Into<String>) -> Self {
        Self {
            version,
            id: id.into(),
            clean: true,
            will: None,
            window: 100,
        }
    }

    /// A session that outlives its connection by ten minutes.
    pub fn kept(mut self) -> Self {
        self.clean = false;
        self
    }

    /// With a will.
    pub fn will(mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Self {
        self.will = Some((topic.to_owned(), payload.to_owned(), qos, retain));
        self
    }
}

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
}

impl Message {
    /// The payload as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("a payload in text")
    }
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Connected {
        session_present: bool,
    },
    Message(Message),
    /// SUBACK, and whether every filter was granted.
    Subscribed(bool),
    Unsubscribed,
    /// PUBACK or PUBCOMP.
    Acknowledged,
    /// The connection is gone; with the reason code of a DISCONNECT from the server.
    Ended {
        reason: Option<u8>,
        text: String,
    },
}

enum Handle {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// A connected client.
pub struct Client {
    handle: Handle,
    events: mpsc::UnboundedReceiver<Event>,
    kept: VecDeque<Event>,
    task: JoinHandle<()>,
    /// Client id, for what a failing test says.
    pub id: String,
    /// CONNACK's Session Present.
    pub session_present: bool,
}

impl Client {
    /// Connects with a clean session.
    pub async fn connect(broker: &Broker, version: Version, id: impl Into<String>) -> Self {
        Self::connect_with(broker, Options::new(version, id)).await
    }

    /// Connects as the options say.
    pub async fn connect_with(broker: &Broker, options: Options) -> Self {
        Self::connect_to(broker.mqtt(), options).await
    }

    /// Connects to an address; returns when CONNACK came.
    pub async fn connect_to(address: SocketAddr, options: Options) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let id = options.id.clone();
        let (handle, task) = match options.version {
            Version::V4 => {
                let (handle, eventloop) = rumqttc::AsyncClient::new(options_v4(address, &options), 100);
                (Handle::V4(handle), tokio::spawn(drive_v4(eventloop, sender)))
            }
            Version::V5 => {
                let (handle, eventloop) = v5::AsyncClient::new(options_v5(address, &options), 100);
                (Handle::V5(handle), tokio::spawn(drive_v5(eventloop, sender)))
            }
        };
        let mut client = Self {
            handle,
            events,
            kept: VecDeque::new(),
            task,
            id,
            session_present: false,
        };
        match client
            .wait("CONNACK", |event| matches!(event, Event::Connected { .. }))
            .await
        {
            Event::Connected { session_present } => client.session_present = session_present,
            other => panic!("{}: {other:?} instead of CONNACK", client.id),
        }
        client
    }

    /// Subscribes; returns when SUBACK came.
    pub async fn subscribe(&mut self, filter: &str, qos: u8) {
        match &self.handle {
            Handle::V4(client) => client
                .subscribe(filter, qos_v4(qos))
                .await
                .expect("a live client"),
            Handle::V5(client) => client
                .subscribe(filter, qos_v5(qos))
                .await
                .expect("a live client"),
        }
        let event = self
            .wait("SUBACK", |event| matches!(event, Event::Subscribed(_)))
            .await;
        assert_eq!(
            event,
            Event::Subscribed(true),
            "{}: {filter} was granted",
            self.id
        );
    }

    /// Unsubscribes; returns when UNSUBACK came.
    pub async fn unsubscribe(&mut self, filter: &str) {
        match &self.handle {
            Handle::V4(client) => client.unsubscribe(filter).await.expect("a live client"),
            Handle::V5(client) => client.unsubscribe(filter).await.expect("a live client"),
        }
        self.wait("UNSUBACK", |event| *event == Event::Unsubscribed).await;
    }

    /// Hands a publish to the event loop.
    pub async fn publish(&self, topic: &str, qos: u8, retain: bool, payload: impl Into<Vec<u8>>) {
        let payload = payload.into();
        match &self.handle {
            Handle::V4(client) => client
                .publish(topic, qos_v4(qos), retain, payload)
                .await
                .expect("a live client"),
            Handle::V5(client) => client
                .publish(topic, qos_v5(qos), retain, payload)
                .await
                .expect("a live client"),
        }
    }

    /// Publishes at QoS 1 or 2; returns when the broker has it.
    pub async fn publish_acknowledged(
        &mut self,
        topic: &str,
        qos: u8,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) {
        self.publish(topic, qos, retain, payload).await;
        self.acknowledged().await;
    }

    /// Waits for one PUBACK or PUBCOMP.
    pub async fn acknowledged(&mut self) {
        self.wait("an acknowledgement", |event| *event == Event::Acknowledged)
            .await;
    }

    /// The next message.
    pub async fn message(&mut self) -> Message {
        match self
            .wait("a message", |event| matches!(event, Event::Message(_)))
            .await
        {
            Event::Message(message) => message,
            other => panic!("{}: {other:?} instead of a message", self.id),
        }
    }

    /// The next `count` messages.
    pub async fn messages(&mut self, count: usize) -> Vec<Message> {
        let mut messages = Vec::with_capacity(count);
        for _ in 0..count {
            messages.push(self.message().await);
        }
        messages
    }

    /// Waits for the end of the connection; the reason code of the server's DISCONNECT if there was one.
    pub async fn ended(&mut self) -> Option<u8> {
        match self
            .wait("the end", |event| matches!(event, Event::Ended { .. }))
            .await
        {
            Event::Ended { reason, .. } => reason,
            other => panic!("{}: {other:?} instead of the end", self.id),
        }
    }

    /// Says DISCONNECT and waits for the end.
    pub async fn disconnect(mut self) {
        match &self.handle {
            Handle::V4(client) => client.disconnect().await.expect("a live client"),
            Handle::V5(client) => client.disconnect().await.expect("a live client"),
        }
        self.ended().await;
    }

    /// Closes the socket without a word.
    pub async fn vanish(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Takes the first event that fits; what else came stays for later, in its order.
    async fn wait(&mut self, what: &str, fits: fn(&Event) -> bool) -> Event {
        if let Some(at) = self.kept.iter().position(fits) {
            return self.kept.remove(at).expect("just found");
        }
        loop {
            let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("{}: waited in vain for {what}", self.id));
            let event = next.unwrap_or_else(|| panic!("{}: waited for {what} after the end", self.id));
            if fits(&event) {
                return event;
            }
            if let Event::Ended { .. } = event {
                panic!("{}: {event:?} while waiting for {what}", self.id);
            }
            self.kept.push_back(event);
        }
    }
}

fn options_v4(address: SocketAddr, options: &Options) -> rumqttc::MqttOptions {
    let mut v4 = rumqttc::MqttOptions::new(&options.id, address.ip().to_string(), address.port());
    v4.set_keep_alive(PATIENCE)
        .set_clean_session(options.clean)
        .set_inflight(options.window);
    v4.set_max_packet_size(2 << 20, 2 << 20);
    if let Some((topic, payload, qos, retain)) = &options.will {
        v4.set_last_will(rumqttc::LastWill::new(
            topic,
            payload.as_bytes(),
            qos_v4(*qos),
            *retain,
        ));
    }
    v4
}

fn options_v5(address: SocketAddr, options: &Options) -> v5::MqttOptions {
    let mut v5 = v5::MqttOptions::new(&options.id, address.ip().to_string(), address.port());
    v5.set_keep_alive(PATIENCE).set_clean_start(options.clean);
    v5.set_outgoing_inflight_upper_limit(options.window);
    v5.set_max_packet_size(Some(2 << 20));
    v5.set_session_expiry_interval(Some(if options.clean { 0 } else { 600 }));
    v5.set_connection_timeout(PATIENCE.as_secs());
    if let Some((topic, payload, qos, retain)) = &options.will {
        let will = packet5::LastWill::new(topic, payload.as_bytes(), qos_v5(*qos), *retain, None);
        v5.set_last_will(will);
    }
    v5
}

async fn drive_v4(mut eventloop: rumqttc::EventLoop, events: mpsc::UnboundedSender<Event>) {
    let mut network = rumqttc::NetworkOptions::new();
    network.set_connection_timeout(PATIENCE.as_secs());
    network.set_tcp_nodelay(true);
    eventloop.set_network_options(network);
    loop {
        let event = match eventloop.poll().await {
            Ok(rumqttc::Event::Incoming(packet)) => event_v4(packet),
            Ok(rumqttc::Event::Outgoing(_)) => None,
            Err(error) => {
                // What came in one piece with the end is still in the queue.
                for event in std::mem::take(&mut eventloop.state.events) {
                    if let rumqttc::Event::Incoming(packet) = event {
                        let _ = event_v4(packet).map(|event| events.send(event));
                    }
                }
                let _ = events.send(Event::Ended {
                    reason: None,
                    text: error.to_string(),
                });
                return;
            }
        };
        if let Some(event) = event {
            let _ = events.send(event);
        }
    }
}

fn event_v4(packet: rumqttc::Packet) -> Option<Event> {
    Some(match packet {
        rumqttc::Packet::ConnAck(connack) => Event::Connected {
            session_present: connack.session_present,
        },
        rumqttc::Packet::Publish(publish) => Event::Message(Message {
            topic: publish.topic,
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
        }),
        rumqttc::Packet::SubAck(suback) => {
            let granted =
                |code: &rumqttc::SubscribeReasonCode| *code != rumqttc::SubscribeReasonCode::Failure;
            Event::Subscribed(suback.return_codes.iter().all(granted))
        }
        rumqttc::Packet::UnsubAck(_) => Event::Unsubscribed,
        rumqttc::Packet::PubAck(_) | rumqttc::Packet::PubComp(_) => Event::Acknowledged,
        _ => return None,
    })
}

async fn drive_v5(mut eventloop: v5::EventLoop, events: mpsc::UnboundedSender<Event>) {
    let mut network = eventloop.options.network_options();
    network.set_tcp_nodelay(true);
    eventloop.options.set_network_options(network);
    loop {
        let event = match eventloop.poll().await {
            Ok(v5::Event::Incoming(packet)) => event_v5(packet),
            Ok(v5::Event::Outgoing(_)) => None,
            Err(error) => {
                // What came in one piece with the end is still in the queue.
                for event in std::mem::take(&mut eventloop.state.events) {
                    if let v5::Event::Incoming(packet) = event {
                        let _ = event_v5(packet).map(|event| events.send(event));
                    }
                }
                let _ = events.send(Event::Ended {
                    reason: reason_v5(&error),
                    text: error.to_string(),
                });
                return;
            }
        };
        if let Some(event) = event {
            let _ = events.send(event);
        }
    }
}

fn event_v5(packet: packet5::Packet) -> Option<Event> {
    Some(match packet {
        packet5::Packet::ConnAck(connack) => Event::Connected {
            session_present: connack.session_present,
        },
        packet5::Packet::Publish(publish) => Event::Message(Message {
            topic: String::from_utf8(publish.topic.to_vec()).expect("a topic in UTF-8"),
            payload: publish.payload.to_vec(),
            qos: publish.qos as u8,
            retain: publish.retain,
            dup: publish.dup,
        }),
        packet5::Packet::SubAck(suback) => {
            let granted = |code: &packet5::SubscribeReasonCode| {
                matches!(code, packet5::SubscribeReasonCode::Success(_))
            };
            Event::Subscribed(suback.return_codes.iter().all(granted))
        }
        packet5::Packet::UnsubAck(_) => Event::Unsubscribed,
        packet5::Packet::PubAck(_) | packet5::Packet::PubComp(_) => Event::Acknowledged,
        _ => return None,
    })
}

fn reason_v5(error: &v5::ConnectionError) -> Option<u8> {
    match error {
        v5::ConnectionError::MqttState(v5::StateError::ServerDisconnect { reason_code, .. }) => {
            Some(*reason_code as u8)
        }
        _ => None,
    }
}

fn qos_v4(qos: u8) -> rumqttc::QoS {
    [
        rumqttc::QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce,
    ][usize::from(qos)]
}

fn qos_v5(qos: u8) -> v5::mqttbytes::QoS {
    use v5::mqttbytes::QoS;
    [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)]
}
