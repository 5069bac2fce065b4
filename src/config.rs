//! The configuration: every key with a default, overridden by file, environment, `--set` and flags, in this order.
//!
//! [`load`] walks the sources and either has a whole, checked [`Config`] or *all* mistakes. What a key is called, may be
//! and is for stands in `schema` alone. The structs are those of `core/` and `shard/`, filled in place.

pub mod adapters;
pub mod check;
mod example;
mod extras;
pub mod form;
pub mod mistake;
pub mod number;
mod schema;
pub mod section;
pub mod source;
pub mod walk;

#[cfg(test)]
mod tests;

pub use example::example;
pub use mistake::Mistakes;
pub use schema::{Log, LogFormat};
pub use source::Source;

use crate::adapter::catalogue::Known;
use crate::authority::{Desk, Method};
use crate::cores;
use crate::scram::{LoadError, Scram};
use extras::{AutoSubscriptions, Rewrite};
use ringwire_codec::adapter::emq::EmqTcp;
use ringwire_core::limits::Limits;
use ringwire_core::settings::{Broker, Delayed, Device, Flapping, Mqtt, Protocol};
use ringwire_shard::{Bind, Core};
use schema::{Admin, Admission, Node, Shard, Socket};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration. `Default` is what runs without any source.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub node: Node,
    pub log: Log,
    pub listeners: BTreeMap<String, Listener>,
    /// `[adapter.NAME]`
    pub adapters: BTreeMap<String, adapters::Adapter>,
    pub limits: Limits,
    pub shard: Shard,
    /// `[shard.core.N]` by CPU: `shard.core` with its own keys applied.
    pub cores: BTreeMap<usize, Core>,
    pub admission: Admission,
    pub broker: Broker,
    pub delayed: Delayed,
    pub rewrite: Rewrite,
    pub auto_subscribe: AutoSubscriptions,
    pub flapping_detect: Flapping,
    pub admin: Admin,
}

/// `[listener.NAME]`
#[derive(Clone, Debug)]
pub struct Listener {
    pub socket: Socket,
    pub spoken: Spoken,
}

/// What is spoken on a listener, with the keys of its type.
#[derive(Clone, Debug)]
pub enum Spoken {
    Mqtt(Mqtt),
    EmqTcp(EmqTcp, Device),
    /// The name of an adapter, and the keys; its blueprint is put in when all sources are read.
    Adapter(Option<String>, Device),
}

impl Spoken {
    /// What the engine is told.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Mqtt(mqtt) => Protocol::Mqtt(mqtt.clone()),
            Self::EmqTcp(emq, device) => Protocol::Device(Device {
                adapter: Arc::new(*emq),
                ..device.clone()
            }),
            Self::Adapter(_, device) => Protocol::Device(device.clone()),
        }
    }
}

/// The types of listeners, by their word in `type`. A listener named so has this type unless it says another.
pub const TYPES: [&str; 3] = ["mqtt", "emqtcp", "adapter"];

/// Those that are opened where nothing else is configured, and by `--listen`.
pub const PLAIN_TYPES: [&str; 2] = [TYPES[0], TYPES[1]];

impl Listener {
    /// The defaults of a type; `None` for a word that is not in [`TYPES`].
    pub fn of_type(word: &str) -> Option<Self> {
        let (port, spoken) = match word {
            "mqtt" => (1_883, Spoken::Mqtt(Mqtt::default())),
            "emqtcp" => (8_090, Spoken::EmqTcp(EmqTcp::default(), Device::default())),
            "adapter" => (8_091, Spoken::Adapter(None, Device::default())),
            _ => return None,
        };
        let socket = Socket::new(SocketAddr::from(([127, 0, 0, 1], port)));
        Some(Self { socket, spoken })
    }

    /// Its word in `type`, which is also the scheme of its address.
    pub fn type_word(&self) -> &'static str {
        match self.spoken {
            Spoken::Mqtt(_) => TYPES[0],
            Spoken::EmqTcp(..) => TYPES[1],
            Spoken::Adapter(..) => TYPES[2],
        }
    }
}

/// The configuration that `sources` describe, or every mistake in them. `allowed`: the CPUs that may be used.
pub fn load(sources: &[Source], allowed: &[usize]) -> Result<Config, Mistakes> {
    let mut syntax = Vec::new();
    let numbered = sources.iter().enumerate();
    let roots: Vec<_> = numbered
        .map(|(index, source)| walk::parse(index, source, &mut syntax))
        .collect();
    let mut walk = walk::Walk::default();
    for (index, root) in roots.iter().enumerate() {
        walk.root(index, root.get_ref());
    }
    let mut listing = sources
        .iter()
        .zip(&roots)
        .filter(|(source, _)| source.lists_listeners);
    walk.listeners(!listing.any(|(_, root)| root.get_ref().contains_key("listener")));
    walk.cores();
    walk.adapters();
    let mut named = Vec::new();
    adapters::read(&mut walk, sources, &mut named);
    adapters::between(&mut walk, sources);
    check::between(&mut walk, allowed);
    // What follows from a slip of the keyboard on the same line would only hide it.
    walk.mistakes
        .retain(|mistake| !syntax.iter().any(|slip| slip.shares_line(mistake, sources)));
    syntax.append(&mut walk.mistakes);
    if syntax.is_empty() {
        return Ok(walk.config);
    }
    syntax.sort_by_key(|mistake| {
        mistake
            .place
            .as_ref()
            .map(|place| (place.source, place.span.start))
    });
    Err(Mistakes { list: syntax, named })
}

impl Config {
    /// The listeners to open, in the order of their `ListenerId`s.
    pub fn enabled(&self) -> impl Iterator<Item = (&String, &Listener)> {
        self.listeners
            .iter()
            .filter(|(_, listener)| listener.socket.enabled)
    }

    /// What the tables `[adapter.NAME]` name, under these names.
    pub fn known_adapters(&self) -> Vec<Known> {
        let known = self.adapters.values().filter_map(|adapter| adapter.known.clone());
        known.collect()
    }

    /// The CPU of each shard.
    pub fn shard_cpus(&self, allowed: &[usize]) -> Vec<usize> {
        let cpus = self.node.cores.as_deref().unwrap_or(allowed);
        let one_each = u16::try_from(cpus.len()).unwrap_or(u16::MAX);
        let most = ringwire_core::interest::SHARDS_MAX;
        cores::assign(cpus, self.node.shards.unwrap_or(one_each.min(most)))
    }

    /// What the shards are told. `key`: of the placement; `seed`: of the engines' hashers.
    pub fn settings(&self, allowed: &[usize], key: [u64; 2], seed: u64) -> ringwire_shard::Settings {
        let cpus = self.shard_cpus(allowed);
        let engine = ringwire_core::Settings {
            shards: u16::try_from(cpus.len()).expect("checked: at most SHARDS_MAX"),
            placement_key: key,
            node: self.node.name.clone(),
            start: Default::default(),
            seed,
            listeners: self.enabled().map(engine_listener).collect(),
            limits: self.limits.clone(),
            access: self.admission.access(),
            broker: self.broker.clone(),
            delayed: self.delayed.clone(),
            rewrite: self.rewrite.rules.clone(),
            auto_subscribe: self.auto_subscribe.topics.clone(),
            flapping: self.flapping_detect.clone(),
        };
        ringwire_shard::Settings {
            engine: Arc::new(engine),
            cores: cpus.into_iter().map(|cpu| self.core(cpu)).collect(),
            binds: self
                .enabled()
                .map(|(_, listener)| listener.socket.bind.clone())
                .collect::<Vec<Bind>>(),
            mesh_batches: self.shard.mesh.mesh_batches,
            authority: None,
        }
    }

    /// Who answers what the shards ask.
    pub fn desk(&self) -> Result<Desk, LoadError> {
        let scram = self
            .admission
            .scram_file
            .as_deref()
            .map(Scram::open)
            .transpose()?;
        let methods: Vec<Box<dyn Method>> = scram.map(|scram| Box::new(scram) as _).into_iter().collect();
        let patience_ms = self.enabled().map(|(_, listener)| match &listener.spoken {
            Spoken::Mqtt(mqtt) => mqtt.idle_timeout_ms,
            Spoken::EmqTcp(..) | Spoken::Adapter(..) => 0,
        });
        Ok(Desk {
            methods: methods.into(),
            exchanges_max: self.limits.exchanges,
            patience: Duration::from_millis(patience_ms.max().unwrap_or_default()),
        })
    }

    fn core(&self, cpu: usize) -> Core {
        let core = self.cores.get(&cpu).unwrap_or(&self.shard.core).clone();
        let cpu = Some(cpu);
        Core { cpu, ..core }
    }
}

fn engine_listener((name, listener): (&String, &Listener)) -> ringwire_core::settings::Listener {
    ringwire_core::settings::Listener {
        name: name.clone(),
        max_connections: listener.socket.max_connections,
        protocol: listener.spoken.protocol(),
    }
}
