//! One client: its socket, what it is about to send, and where it is in its life.
//!
//! A plain struct in the worker's slab. It writes frames into `out`; the worker sends them, one send at a time. What it
//! does with what it receives is in `receive.rs`.

use crate::check::Tracks;
use crate::frame::{self, Dialect, Head, Identity};
use crate::layout::{Member, expand};
use crate::worker::desk::Run;
use crate::worker::publisher::{Flow, InFlight, Publisher};
use crate::worker::trouble::Trouble;
use ringwire_codec::mqtt::{PacketId, QoS};
use std::net::TcpStream;

/// Filters of one SUBSCRIBE.
const FILTERS_PER_PACKET: usize = 32;

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not begun.
    Waiting,
    /// connect() is under way.
    Dialing,
    /// CONNECT is sent.
    Greeting,
    /// Accepted.
    Ready,
    /// Ended; its socket may be waiting for operations to end.
    Gone,
}

/// A responder's side.
#[derive(Debug)]
pub(crate) struct Echo {
    pub topic: String,
    pub qos: QoS,
    pub in_flight: InFlight,
    /// For payloads of so many bytes.
    pub head: Option<(usize, Head)>,
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    pub member: Member,
    pub dialect: Dialect,
    pub stage: Stage,
    pub socket: Option<TcpStream>,
    /// What is sent next.
    pub out: Vec<u8>,
    /// A send is outstanding; what is in `out` follows it.
    pub is_sending: bool,
    /// A receive is armed.
    pub is_receiving: bool,
    /// It is in the worker's list of those that have something to send.
    pub is_dirty: bool,
    /// The front of a packet whose rest has not arrived.
    pub partial: Vec<u8>,
    /// When connect() was called; afterwards, when something was last sent.
    pub since: u64,
    /// Seconds after which the broker may give it up; 0: never.
    pub keepalive_s: u16,
    /// SUBACKs that are waited for.
    pub subscribing: u32,
    pub publisher: Option<Box<Publisher>>,
    pub echo: Option<Box<Echo>>,
    pub tracks: Tracks,
}

impl Client {
    /// `None` when a PUBLISH of its plan cannot be written.
    pub(crate) fn new(run: &Run<'_>, member: Member) -> Option<Self> {
        let group = &run.plan.groups[member.group];
        let dialect = Dialect::of(run.plan.protocol, group.mqtt_always);
        let text = |text: &str| expand(text, run.plan, member.number);
        let publisher = match &group.publishing {
            None => None,
            Some(publishing) => {
                let first = run.layout.flow(member, publishing.topics.len());
                let flows = publishing.topics.iter().zip(first..).map(|(topic, number)| {
                    let head = Head::new(dialect, &text(topic), publishing.qos, publishing.payload_bytes)?;
                    Some(Flow {
                        number,
                        head,
                        sequence: 0,
                    })
                });
                Some(Box::new(Publisher::new(
                    publishing,
                    flows.collect::<Option<_>>()?,
                )))
            }
        };
        let echo = group.echo_to.as_ref().map(|topic| {
            Box::new(Echo {
                topic: text(topic),
                qos: group.filters.first().map_or(QoS::AtMostOnce, |filter| filter.qos),
                in_flight: InFlight::default(),
                head: None,
            })
        });
        Some(Self {
            member,
            dialect,
            stage: Stage::Waiting,
            socket: None,
            out: Vec::new(),
            is_sending: false,
            is_receiving: false,
            is_dirty: false,
            partial: Vec::new(),
            since: 0,
            keepalive_s: match dialect {
                // Its field has eight bits.
                Dialect::Private => run.plan.keepalive_s.min(u16::from(u8::MAX)),
                Dialect::Mqtt(_) | Dialect::Raw => run.plan.keepalive_s,
            },
            subscribing: 0,
            publisher,
            echo,
            tracks: Tracks::default(),
        })
    }

    /// The connection stands: says who it is. A raw client is accepted at once.
    pub(crate) fn greet(&mut self, run: &Run<'_>) -> Result<(), Trouble> {
        let plan = run.plan;
        let group = &plan.groups[self.member.group];
        let number = self.member.number;
        let client_id = format!("{}{}-{number}", plan.client_id_prefix, group.name);
        let credentials = plan.credentials.as_ref();
        let identity = Identity {
            client_id: &client_id,
            keepalive_s: self.keepalive_s,
            credentials: credentials.map(|(username, password)| (username.as_str(), password.as_str())),
        };
        self.stage = Stage::Greeting;
        match self.dialect {
            Dialect::Mqtt(version) => frame::connect(version, &identity, &mut self.out)?,
            Dialect::Private => {
                if !frame::connect_device(&identity, &mut self.out) {
                    return Err(Trouble::UnwritableConnect);
                }
            }
            Dialect::Raw => {
                let published = group
                    .publishing
                    .as_ref()
                    .and_then(|publishing| publishing.topics.first());
                let topic = published
                    .or(group.echo_to.as_ref())
                    .map(|text| expand(text, plan, number));
                let filter = group
                    .filters
                    .first()
                    .map(|filter| expand(&filter.text, plan, number));
                frame::hello(topic.as_deref(), filter.as_deref(), &mut self.out);
            }
        }
        Ok(())
    }

    /// Asks for its subscriptions; how many answers are to come.
    pub(crate) fn subscribe(&mut self, run: &Run<'_>) -> Result<u32, Trouble> {
        let Dialect::Mqtt(version) = self.dialect else {
            return Ok(0);
        };
        let filters = &run.plan.groups[self.member.group].filters;
        let mut texts = Vec::new();
        for (number, part) in (1..).zip(filters.chunks(FILTERS_PER_PACKET)) {
            texts.clear();
            texts.extend(
                part.iter()
                    .map(|filter| (expand(&filter.text, run.plan, self.member.number), filter.qos)),
            );
            let Some(packet_id) = PacketId::new(number) else {
                continue;
            };
            frame::subscribe(version, packet_id, &texts, &mut self.out)?;
            self.subscribing += 1;
        }
        Ok(self.subscribing)
    }

    /// Sends a payload back, as a responder does.
    pub(crate) fn answer(&mut self, payload: &[u8], now: u64) {
        let Some(echo) = &mut self.echo else {
            return;
        };
        let known = echo
            .head
            .as_ref()
            .is_some_and(|(bytes, _)| *bytes == payload.len());
        if !known {
            let head = Head::new(self.dialect, &echo.topic, echo.qos, payload.len());
            echo.head = head.map(|head| (payload.len(), head));
        }
        if echo.in_flight.len() >= usize::from(u16::MAX) {
            // The requester sees the loss; there is no id to send it with.
            return;
        }
        if let Some((_, head)) = &echo.head {
            let packet_id = match echo.qos {
                QoS::AtMostOnce => 0,
                QoS::AtLeastOnce | QoS::ExactlyOnce => echo.in_flight.take(now),
            };
            head.put(packet_id, &mut self.out);
            self.out.extend_from_slice(payload);
        }
    }

    /// The packets that it has under way.
    pub(crate) fn in_flight(&mut self) -> Option<&mut InFlight> {
        match (&mut self.publisher, &mut self.echo) {
            (Some(publisher), _) => Some(&mut publisher.in_flight),
            (None, Some(echo)) => Some(&mut echo.in_flight),
            (None, None) => None,
        }
    }

    /// Whether its last words are still on their way.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stage == Stage::Ready && (self.is_sending || !self.out.is_empty())
    }

    /// Whether something can be sent now.
    pub(crate) fn can_send(&self) -> bool {
        !self.is_sending && !self.out.is_empty() && self.socket.is_some()
    }
}
