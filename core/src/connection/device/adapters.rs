//! The adapters of a shard: one for each device listener, and those of before that connections still speak with.
//!
//! A listener's adapter can be replaced while the node runs: who connects from then on speaks with the new one. The older
//! one goes with its last connection.

use super::up::UpTopic;
use crate::ListenerId;
use crate::settings::{AclDenyAction, Device, Protocol, Settings};
use ringwire_codec::adapter::{Adapter, Blueprint, Link, Peer};
use ringwire_codec::mqtt::QoS;
use std::sync::Arc;

/// What a connection speaks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Speech {
    adapter: u16,
    /// It was told something before it was let in, so it stays on this shard.
    pub(crate) identified: bool,
    /// It sent bytes that were left out, and the operator knows.
    pub(crate) noted: bool,
    pub(crate) link: Link,
}

const _: () = assert!(size_of::<Option<Speech>>() == 8, "one stands in every connection");

/// An adapter at work.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) blueprint: Arc<dyn Blueprint>,
    pub(crate) adapter: Box<dyn Adapter>,
    pub(crate) up: UpTopic,
    /// Nothing is said to data: it need not be asked.
    pub(crate) is_quiet: bool,
    /// What each publish needs of the listener's settings.
    pub(crate) settings: Up,
    connections: usize,
    /// New connections get it.
    is_current: bool,
}

/// How what comes up is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Up {
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) closes_on_deny: bool,
}

impl Spoken {
    /// Name and version, as in a note.
    pub(crate) fn title(&self) -> String {
        match self.blueprint.version() {
            0 => self.blueprint.name().to_owned(),
            version => format!("{} {version}", self.blueprint.name()),
        }
    }

    fn new(blueprint: &Arc<dyn Blueprint>, device: &Device) -> Self {
        let up = UpTopic::parse(&device.up_topic, &blueprint.fields());
        let adapter = blueprint.adapter(up.wanted());
        Self {
            blueprint: blueprint.clone(),
            is_quiet: !adapter.answers_data(),
            adapter,
            up,
            settings: Up {
                qos: device.up_qos,
                retain: device.up_retain,
                closes_on_deny: device.acl_deny_action == AclDenyAction::Disconnect,
            },
            connections: 0,
            is_current: true,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Adapters {
    slots: Vec<Option<Spoken>>,
    /// By listener; `None` for MQTT.
    current: Vec<Option<u16>>,
}

impl Adapters {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (mut slots, mut current) = (Vec::new(), Vec::new());
        for listener in &settings.listeners {
            current.push(match &listener.protocol {
                Protocol::Mqtt(_) => None,
                Protocol::Device(device) => {
                    slots.push(Some(Spoken::new(&device.adapter, device)));
                    Some(u16::try_from(slots.len() - 1).expect("fewer listeners than ports"))
                }
            });
        }
        Self { slots, current }
    }

    /// What a new connection speaks with; `None` on an MQTT listener.
    pub(crate) fn open(&mut self, listener: ListenerId, peer: Peer<'_>) -> Option<Speech> {
        let adapter = self.current[listener.index()]?;
        let spoken = self.slots[usize::from(adapter)]
            .as_mut()
            .expect("a current adapter is there");
        spoken.connections += 1;
        Some(Speech {
            adapter,
            identified: false,
            noted: false,
            link: spoken.adapter.open(peer),
        })
    }

    /// A connection is over.
    pub(crate) fn close(&mut self, speech: Speech) {
        let spoken = self.of(speech);
        spoken.adapter.close(speech.link);
        spoken.connections -= 1;
        if spoken.connections == 0 && !spoken.is_current {
            self.slots[usize::from(speech.adapter)] = None;
        }
    }

    /// The adapter that a live connection speaks with.
    pub(crate) fn of(&mut self, speech: Speech) -> &mut Spoken {
        self.slots[usize::from(speech.adapter)]
            .as_mut()
            .expect("an adapter outlives its connections")
    }

    /// As `of`, to look at.
    pub(crate) fn look(&self, speech: Speech) -> &Spoken {
        self.slots[usize::from(speech.adapter)]
            .as_ref()
            .expect("an adapter outlives its connections")
    }

    /// From now on new connections of a device listener speak with an adapter of `blueprint`.
    pub(crate) fn replace(&mut self, listener: ListenerId, device: &Device, blueprint: &Arc<dyn Blueprint>) {
        let Some(older) = self.current[listener.index()] else {
            return;
        };
        let slot = &mut self.slots[usize::from(older)];
        if let Some(spoken) = slot {
            spoken.is_current = false;
        }
        if slot.as_ref().is_some_and(|spoken| spoken.connections == 0) {
            *slot = None;
        }
        let newer = Spoken::new(blueprint, device);
        let free = self.slots.iter().position(Option::is_none);
        let at = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[at] = Some(newer);
        self.current[listener.index()] = Some(u16::try_from(at).expect("connections run out before"));
    }

    /// Adapters at work; those of before are counted too.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().flatten().count()
    }
}
