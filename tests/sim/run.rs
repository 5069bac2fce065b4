//! One run from its seed to its verdict: the busy part with faults, the calm part in which everything must drain, the
//! checks, and the end in which nothing may be left.

use crate::checks::{self, Failure};
use crate::device::Device;
use crate::extras;
use crate::history::{CLAIMER, CLAIMS, MessageId};
use crate::mqtt::{MqttClient, TOPICS};
use crate::random::Random;
use crate::rogue::Rogue;
use crate::scenario::{MQTT, Scenario};
use crate::trace::Lines;
use crate::world::{Sabotage, World};
use ringwire_codec::mqtt::QoS;
use ringwire_core::DropReason;
use ringwire_core::settings::Protocol;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rounds after which what has not drained never will, where a few messages wait.
const ROUNDS_MAX: usize = 3_000;

/// More of them for each message of a run whose devices publish more than is read: they wait for one subscriber, and it may
/// take one message at a time, which at QoS 2 comes and goes twice.
const ROUNDS_PER_MESSAGE: usize = 2;

/// Milliseconds after which every delayed message has come, even with sabotage.
const DELAY_MS: u64 = 7_000;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The hash of its trace; 0 after a panic.
    pub hash: u64,
    /// The first check that failed.
    pub failure: Option<Failure>,
    /// The last lines of its trace, when they were asked for.
    pub tail: String,
    /// How much it did, so that an idle simulation does not pass for a good one.
    pub deliveries: usize,
    /// What happened, and how often.
    pub reach: BTreeMap<&'static str, u64>,
}

/// How a seed is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mode {
    /// Lines of the trace to keep as text; 0: none.
    pub lines_max: usize,
    /// What is spoiled on purpose.
    pub sabotage: Option<Sabotage>,
    /// Another seed for the engines' hashers.
    pub hashers: Option<u64>,
}

/// Everybody who takes part.
struct Cast {
    clients: Vec<MqttClient>,
    devices: Vec<Device>,
    rogues: Vec<Rogue>,
}

/// Runs a seed.
pub fn run(seed: u64, mode: Mode) -> Outcome {
    let lines = (mode.lines_max > 0).then(|| Lines::new(mode.lines_max));
    let copy = lines.clone();
    let result = catch_unwind(AssertUnwindSafe(move || {
        let mut random = Random::new(seed);
        let mut scenario = Scenario::new(&mut random);
        if mode.sabotage == Some(Sabotage::ForgetRules) {
            scenario.settings.access.rules.clear();
        }
        mode.sabotage
            .into_iter()
            .for_each(|kind| spoil_settings(kind, &mut scenario));
        let floods = [None, Some(Sabotage::LoseSlow), Some(Sabotage::LoseReached)];
        // Full queues would tell of parcels before what is lost with them does.
        scenario.flooding &= floods.contains(&mode.sabotage);
        if mode.sabotage == Some(Sabotage::KeepClaims) {
            // Groups would notice it first.
            scenario.sharing = false;
        }
        if mode.sabotage == Some(Sabotage::ForgetKeepAlive)
            && let Protocol::Mqtt(mqtt) = &mut scenario.settings.listeners[MQTT.index()].protocol
        {
            (mqtt.server_keepalive_s, mqtt.max_keepalive_s) = (None, 0);
        }
        let mut world = World::new(random, scenario, copy, mode.hashers);
        world.sabotage = mode.sabotage;
        let verdict = play(&mut world);
        let failure = world.failure.take().or(verdict.err());
        Outcome {
            hash: world.trace.hash(),
            failure,
            tail: String::new(),
            deliveries: world.history.deliveries.len(),
            reach: world.reach,
        }
    }));
    let tail = lines.map_or_else(String::new, |lines| lines.tail());
    match result {
        Ok(outcome) => Outcome { tail, ..outcome },
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let failure = Failure::new("nothing_panics", text.unwrap_or_default());
            Outcome {
                hash: 0,
                failure: Some(failure),
                tail,
                deliveries: 0,
                reach: BTreeMap::new(),
            }
        }
    }
}

/// Spoils the broker's settings, of which the oracle knows nothing.
fn spoil_settings(kind: Sabotage, scenario: &mut Scenario) {
    let settings = &mut scenario.settings;
    crate::world::spoil_flapping(kind, &mut settings.flapping);
    match kind {
        Sabotage::ForgetRetries => scenario.private_mut().retry_interval_ms = 10_000_000,
        Sabotage::ForgetRewrite => settings.rewrite.clear(),
        Sabotage::MixUpRewrite => settings.rewrite.truncate(1),
        Sabotage::ForgetAutoSubscribe => settings.auto_subscribe.clear(),
        Sabotage::WidenAutoSubscribe => {
            let rows = settings.auto_subscribe.iter_mut();
            rows.for_each(|row| row.topic = row.topic.replace("%c", "+"));
        }
        _ => {}
    }
}

fn play(world: &mut World) -> Result<(), Failure> {
    let scenario = world.scenario.clone();
    let mut cast = Cast {
        clients: (0..scenario.mqtt_clients)
            .map(|number| MqttClient::new(number, world))
            .collect(),
        devices: (0..scenario.devices)
            .map(|number| Device::new(number, world))
            .collect(),
        rogues: (0..scenario.rogues).map(Rogue::new).collect(),
    };
    if scenario.private().up_retain {
        // What rogues retain is cleared at the end, but nobody keeps count of it.
        (0..scenario.rogues).for_each(|number| world.history.cannot_observe(&format!("tcp/x{number}/up")));
    }
    for _ in 0..scenario.steps {
        busy(world, &mut cast);
        if let Some(failure) = world.failure.take() {
            return Err(failure);
        }
    }
    world.calm = true;
    cast.rogues.iter_mut().for_each(|rogue| rogue.stop(world));
    world.outlast_bans();
    drain(world, &mut cast)?;
    await_retries(world, &mut cast)?;
    await_delayed(world, &mut cast)?;
    world.history.mesh_drops = world
        .stats()
        .iter()
        .any(|stats| stats.drops[DropReason::MeshFull as usize] > 0);
    world.tell_lead();
    let drops = |reason: DropReason| world.stats().iter().any(|stats| stats.drops[reason as usize] > 0);
    world.history.retained_drops = drops(DropReason::RetainedFull) || drops(DropReason::MeshFull);
    if !scenario.drain {
        look_at_retained(world, &mut cast)?;
    }
    checks::all(&world.history)?;
    if scenario.drain {
        stop(world, &mut cast)
    } else {
        leave(world, &mut cast)
    }
}

/// One random step of the busy part.
fn busy(world: &mut World, cast: &mut Cast) {
    let shards = world.scenario.shards;
    match world.random.below(100) {
        0..40 => {
            let shard = world.random.below(shards);
            world.turn(shard);
        }
        40..58 => {
            world.network();
        }
        58..59 => inject(world),
        _ => act(world, cast),
    }
    let millis = world.random.below(12) as u64;
    world.pass(millis);
    if world.random.chance(world.scenario.leaps) {
        let millis = world.random.below(4_000) as u64;
        world.pass(millis);
    }
    if world.random.below(20_000) == 0 {
        let number = world.random.below(world.scenario.mqtt_clients);
        world.kick(&format!("m{number}"));
    }
    if world.scenario.banning && world.random.below(400) == 0 {
        let number = world.random.below(world.scenario.mqtt_clients);
        world.ban_or_lift(&format!("m{number}"));
    }
}

fn act(world: &mut World, cast: &mut Cast) {
    let (clients, devices) = (cast.clients.len(), cast.devices.len());
    let index = world.random.below(clients + devices + cast.rogues.len());
    if index < clients {
        cast.clients[index].act(world);
    } else if index < clients + devices {
        cast.devices[index - clients].act(world);
    } else {
        cast.rogues[index - clients - devices].act(world);
    }
}

/// The administrator publishes: one message, or sometimes a burst that slow readers cannot take.
fn inject(world: &mut World) {
    let burst = world.random.chance(15);
    let topics = if burst {
        &["a", "b/b", "tcp/d0/dn", "tcp/d1/dn"]
    } else {
        TOPICS
    };
    let topic = *world.random.pick(topics);
    // Nobody slows the administrator down.
    let count = if burst && !world.scenario.flooding { 40 } else { 1 };
    for _ in 0..count {
        let qos = *world
            .random
            .pick(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
        let id = world.new_injected(topic, qos);
        world.inject(id);
    }
}

/// Who flaps is banned in the calm too.
fn scenario_bans(world: &World) -> bool {
    world.scenario.flapping.is_some()
}

/// After the faults have stopped, everything that was begun ends.
fn drain(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    let messages = match world.scenario.flooding {
        true => world.history.messages.len(),
        false => 0,
    };
    for _ in 0..ROUNDS_MAX + ROUNDS_PER_MESSAGE * messages {
        cast.clients.iter_mut().for_each(|client| client.settle(world));
        cast.devices.iter_mut().for_each(|device| device.settle(world));
        if scenario_bans(world) {
            world.outlast_bans();
        }
        let mut worked = false;
        for shard in 0..world.scenario.shards {
            worked |= world.turn(shard);
        }
        while world.network() {
            worked = true;
        }
        world.pass(1);
        if let Some(failure) = world.failure.take() {
            return Err(failure);
        }
        let draining = world.is_draining();
        let quiet = cast.clients.iter().all(|client| client.is_quiet(draining))
            && cast.devices.iter().all(|device| device.is_quiet(draining));
        if !worked && quiet && world.is_quiet() {
            return Ok(());
        }
    }
    let clients = cast
        .clients
        .iter()
        .filter(|client| !client.is_quiet(false))
        .map(MqttClient::unfinished);
    let devices = cast
        .devices
        .iter()
        .filter(|device| !device.is_quiet(false))
        .map(Device::unfinished);
    let open: Vec<String> = clients.chain(devices).collect();
    Err(Failure::new(
        "everything_drains",
        format!("still open: {open:?}; {}", world.unquiet()),
    ))
}

/// What a device never acknowledged comes to it again, or is given up, and what waits behind that comes after it.
fn await_retries(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    let verdict =
        |world: &World, cast: &Cast| cast.devices.iter().try_for_each(|device| device.has_all(world));
    let (interval_ms, count) = world.scenario.retries;
    // What finds no room in the out box waits for its next time.
    for _ in 0..=count {
        if verdict(world, cast).is_ok() {
            break;
        }
        world.pass(interval_ms);
        drain(world, cast)?;
    }
    verdict(world, cast)
}

/// What is delayed comes, in its time.
fn await_delayed(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    world.history.calm_ms = Some(world.now.as_millis());
    if !world.history.delayed.is_empty() {
        for _ in 0..DELAY_MS / 250 {
            world.pass(250);
            drain(world, cast)?;
        }
    }
    world.count_delayed();
    Ok(())
}

/// A new client claims each exclusive topic.
fn look_at_claims(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    if !world.scenario.claiming {
        return Ok(());
    }
    let unsure = cast.clients.iter().filter(|client| client.is_unsure(world));
    world.history.unsure = unsure.map(|client| client.client_id().to_owned()).collect();
    cast.clients.push(MqttClient::probe(world, CLAIMER));
    drain(world, cast)?;
    for filter in CLAIMS {
        let claimer = cast.clients.last_mut().expect("the claimer");
        claimer.claim(world, filter);
        drain(world, cast)?;
    }
    Ok(())
}

/// A new subscriber asks, topic by topic, what is retained.
fn look_at_retained(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    // Wills that are delayed are sent by then, and what expires soon has expired.
    world.pass(6_000);
    drain(world, cast)?;
    look_at_claims(world, cast)?;
    let mut topics: Vec<String> = TOPICS.iter().map(|topic| (*topic).to_owned()).collect();
    topics.extend((0..world.scenario.devices).map(|number| format!("tcp/d{number}/up")));
    topics.extend((0..world.scenario.rogues).map(|number| format!("tcp/x{number}/up")));
    topics.extend((0..world.scenario.mqtt_clients).map(|number| format!("will/m{number}")));
    topics.extend((0..world.scenario.mqtt_clients).map(|number| format!("auto/m{number}")));
    topics.extend(
        extras::TOPICS
            .iter()
            .filter(|(written, meant)| written == meant)
            .map(|(_, meant)| (*meant).to_owned()),
    );
    cast.clients.push(MqttClient::probe(world, "probe"));
    drain(world, cast)?;
    for topic in &topics {
        cast.clients.last_mut().expect("the probe").ask(world, topic);
        drain(world, cast)?;
    }
    let expected = world.retained_expected();
    let session = cast.clients.last().and_then(MqttClient::session);
    let answers = world
        .history
        .deliveries
        .iter()
        .filter(|delivery| Some(delivery.session) == session && delivery.retain);
    let got: Vec<(String, MessageId)> = answers
        .filter_map(|delivery| Some((delivery.topic.clone(), delivery.message?)))
        .collect();
    // A store that missed a write may be full when the engine's is not, and the other way round.
    let full = world.store_was_full()
        || (world.stats().iter()).any(|stats| stats.drops[DropReason::RetainedFull as usize] > 0);
    if !full || world.history.unobserved.is_empty() {
        // Which topics found no room depends on writes that could not be observed.
        world.history.retained_at_end = got;
        world.history.retained_expected = expected.clone();
    }
    let counted: u64 = world.stats().iter().map(|stats| stats.retained).sum();
    if world.history.unobserved.is_empty() && counted != expected.len() as u64 {
        let text = format!("{counted} counted, {} expected", expected.len());
        return Err(Failure::new("retained_is_counted", text));
    }
    for topic in &topics {
        cast.clients.last_mut().expect("the probe").clear(world, topic);
        drain(world, cast)?;
    }
    let left: u64 = world
        .stats()
        .iter()
        .map(|stats| stats.retained + stats.retained_bytes)
        .sum();
    if left > 0 {
        let text = format!("messages and bytes left after all were cleared: {left}");
        return Err(Failure::new("retained_is_counted", text));
    }
    Ok(())
}

/// Everybody leaves, kept sessions expire, and nothing is left.
fn leave(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    cast.clients.iter_mut().for_each(|client| client.leave(world));
    cast.devices.iter_mut().for_each(|device| device.leave(world));
    cast.clients.clear();
    cast.devices.clear();
    drain(world, cast)?;
    for _ in 0..20 {
        world.pass(100_000);
        drain(world, cast)?;
    }
    world.every_connection_has_ended()?;
    for (shard, stats) in world.stats().iter().enumerate() {
        let left = [
            stats.connections,
            stats.sessions,
            stats.subscriptions,
            stats.queued_bytes,
        ];
        if left != [0; 4] {
            let text = format!(
                "shard {shard} still counts connections, sessions, subscriptions, queued bytes {left:?}"
            );
            return Err(Failure::new("everything_drains", text));
        }
    }
    world.no_timer_is_left()
}

/// The node stops: every client is told and closed.
fn stop(world: &mut World, cast: &mut Cast) -> Result<(), Failure> {
    let online: Vec<bool> = cast.clients.iter().map(MqttClient::is_online).collect();
    world.drain();
    drain(world, cast)?;
    for (client, online) in cast.clients.iter().zip(online) {
        if online && !client.was_told() {
            let text = format!("not told 0x8B: {}", client.unfinished());
            return Err(Failure::new("the_drain_is_told", text));
        }
    }
    world.every_connection_has_ended()?;
    let left: u64 = world.stats().iter().map(|stats| stats.connections).sum();
    if left > 0 {
        return Err(Failure::new(
            "everything_drains",
            format!("{left} connections after the drain"),
        ));
    }
    Ok(())
}
