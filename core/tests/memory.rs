//! What a subscription, an interest, a retained message, a timer and an idle client cost in memory: counted, in a binary
//! of its own.
//!
//! The counter is per thread, so that the harness does not disturb it. The figures are of the heap as asked for; an
//! allocator rounds up.

use ringwire_codec::mqtt::{QoS, RetainHandling};
use ringwire_codec::private;
use ringwire_core::index::{Index, Subscription};
use ringwire_core::interest::Interest;
use ringwire_core::limits::Limits;
use ringwire_core::message::Parts;
use ringwire_core::placement::Placement;
use ringwire_core::retained::Retained;
use ringwire_core::settings::{Device, Listener, Mqtt, Protocol};
use ringwire_core::wheel::Wheel;
use ringwire_core::{Actions, ConnectionId, Engine, Input, ListenerId, Settings};
use ringwire_core::{InterestMap, Message, SessionId, ShardId, Time};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    // At the end of a thread the counter is gone before the last allocation.
    let _ = BYTES.try_with(|count| count.set(count.get() + bytes));
}

// SAFETY: every call goes on to the system's allocator with its arguments unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise for `layout` holds for the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: `pointer` came from the system's allocator with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Just past a doubling of every table that doubles: the dearest moment. Just before it a subscription costs about half.
const COUNT: usize = 262_144 + 1;

/// Heap bytes that `build` leaves in use for each of `COUNT`.
fn bytes_each<T>(what: &str, build: impl FnOnce() -> T) -> usize {
    let before = BYTES.with(Cell::get);
    let built = build();
    let bytes = BYTES.with(Cell::get) - before;
    drop(built);
    let each = bytes as usize / COUNT;
    println!("{what}: {each} bytes each");
    each
}

const SUBSCRIPTION: Subscription = Subscription {
    qos: QoS::AtLeastOnce,
    no_local: false,
    retain_as_published: false,
    retain_handling: RetainHandling::Send,
    identifier: None,
};

/// 20 bytes.
fn topic(number: usize) -> String {
    format!("tcp/device-{number:06}/dn")
}

#[test]
fn a_unique_literal_subscription_costs_at_most_60_bytes_beside_its_text() {
    let each = bytes_each("literal subscription", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert(&topic(number), SessionId(number as u32), SUBSCRIPTION);
        }
        index
    });
    assert!(each <= 60 + 20, "{each}");
}

#[test]
fn a_unique_wildcard_subscription_costs_at_most_200_bytes_beside_its_text() {
    let each = bytes_each("wildcard subscription", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert(
                &format!("{}/#", topic(number)),
                SessionId(number as u32),
                SUBSCRIPTION,
            );
        }
        index
    });
    assert!(each <= 200 + 22, "{each}");
}

#[test]
fn another_subscriber_of_the_same_filter_costs_at_most_32_bytes() {
    let each = bytes_each("subscriber of one filter", || {
        let mut index = Index::new(1);
        for number in 0..COUNT {
            index.insert("news", SessionId(number as u32), SUBSCRIPTION);
        }
        index
    });
    assert!(each <= 32, "{each}");
}

#[test]
fn an_interest_costs_at_most_64_bytes_however_many_shards_there_are() {
    let each = bytes_each("interest", || {
        let map = Arc::new(InterestMap::new(1));
        let mut interest = Interest::new(map, ShardId(0), 64, 32);
        for number in 0..COUNT {
            interest.add(&topic(number));
        }
        interest
    });
    assert!(each <= 64, "{each}");
}

#[test]
fn a_retained_message_costs_at_most_400_bytes_beside_its_topic_and_payload() {
    let each = bytes_each("retained message", || {
        let mut retained = Retained::new(1, &Limits::default());
        for number in 0..COUNT {
            let message = Message::new(Parts {
                topic: &topic(number),
                payload: b"x",
                properties: &[],
                qos: QoS::AtMostOnce,
                retain: true,
                publisher: &[],
            });
            retained.retain(Arc::new(message), None);
        }
        retained
    });
    assert!(each <= 400 + 20, "{each}");
}

#[test]
fn a_timer_costs_at_most_48_bytes_and_setting_it_again_nothing() {
    let each = bytes_each("timer", || {
        let mut wheel = Wheel::new(Time::ZERO);
        let mut ids: Vec<_> = Vec::with_capacity(COUNT);
        ids.extend((0..COUNT).map(|number| wheel.insert(Time::from_millis(number as u64), number as u64)));
        let before = BYTES.with(Cell::get);
        for id in &mut ids {
            let key = wheel.remove(*id);
            *id = wheel.insert(Time::from_millis(key * 1_000), key);
        }
        assert_eq!(BYTES.with(Cell::get), before);
        wheel
    });
    assert!(each <= 48, "{each}");
}

/// CONNECT of MQTT 3.1.1 with keepalive, and SUBSCRIBE to the topic of its own.
fn greeting(number: usize) -> Vec<u8> {
    let (client_id, filter) = (format!("client-{number:06}"), topic(number));
    let mut bytes = vec![0x10, 12 + client_id.len() as u8, 0, 4];
    bytes.extend_from_slice(b"MQTT\x04\x02\x00\x3c\x00");
    bytes.push(client_id.len() as u8);
    bytes.extend_from_slice(client_id.as_bytes());
    bytes.extend_from_slice(&[0x82, 5 + filter.len() as u8, 0, 1, 0, filter.len() as u8]);
    bytes.extend_from_slice(filter.as_bytes());
    bytes.push(0);
    bytes
}

/// CONNECT of EMQ's private protocol with keepalive; the server subscribes it to a topic of its own.
fn device_greeting(number: usize) -> Vec<u8> {
    let client_id = format!("client-{number:06}");
    let connect = private::Connect {
        keepalive: 60,
        client_id: client_id.as_bytes(),
        username: None,
        password: None,
    };
    let mut bytes = Vec::new();
    assert!(
        private::Frame::Connect {
            version: 1,
            connect: Some(connect)
        }
        .encode(&mut bytes)
    );
    bytes
}

const MQTT: ListenerId = ListenerId(0);
const DEVICES: ListenerId = ListenerId(1);

fn settings(shards: u16, clients: usize) -> Arc<Settings> {
    let listener = |name: &str, protocol| Listener {
        name: name.into(),
        max_connections: clients,
        protocol,
    };
    Arc::new(Settings {
        shards,
        placement_key: [1, 2],
        seed: 7,
        listeners: vec![
            listener("mqtt", Protocol::Mqtt(Mqtt::default())),
            listener("emqtcp", Protocol::Device(Device::default())),
        ],
        ..Settings::default()
    })
}

/// Clients of a listener that said `greeting` and were told `answer_bytes` for it.
fn idle_clients(
    listener: ListenerId,
    greeting: fn(usize) -> Vec<u8>,
    answer_bytes: usize,
) -> (Engine, Actions) {
    let count = COUNT;
    let mut engine = Engine::new(ShardId(0), settings(1, count), Arc::new(InterestMap::new(7)));
    let mut actions = Actions::default();
    for number in 0..count {
        let connection = ConnectionId {
            slot: number as u32,
            generation: 0,
        };
        let opened = Input::Opened {
            connection,
            listener,
            peer: ([127, 0, 0, 1], 1).into(),
        };
        engine.handle(Time::ZERO, opened, &mut actions);
        let bytes = greeting(number);
        engine.handle(
            Time::ZERO,
            Input::Received {
                connection,
                bytes: &bytes,
            },
            &mut actions,
        );
        // As the shard does: the answers leave, and the memory goes back to it.
        let answer = std::mem::take(&mut actions.outbox(connection).buffer);
        assert_eq!(answer.len(), answer_bytes);
        actions.outbox(connection).dirty = false;
        actions.dirty.clear();
        actions.notes.clear();
    }
    (engine, actions)
}

#[test]
fn an_idle_client_with_one_subscription_costs_at_most_560_bytes() {
    // CONNACK and SUBACK.
    let each = bytes_each("idle client", || idle_clients(MQTT, greeting, 9));
    assert!(each <= 560, "{each}");
}

#[test]
fn an_idle_device_costs_no_more_than_a_client_with_one_subscription() {
    let accepted = 3 + "Connect Successfully".len();
    let each = bytes_each("idle device", || idle_clients(DEVICES, device_greeting, accepted));
    assert!(each <= 560, "{each}");
}

/// Not close to where a table of one shard, of half or of an eighth of them doubles.
const SPREAD: usize = 24_000;

/// Heap bytes of each of `SPREAD` clients with a subscription of their own, at home on one of so many shards.
fn spread_client_bytes(shards: u16) -> usize {
    let settings = settings(shards, SPREAD);
    let placement = Placement::new(settings.placement_key, shards);
    let interest = Arc::new(InterestMap::new(settings.seed));
    let mut engines: Vec<_> = (0..shards)
        .map(|shard| Engine::new(ShardId(shard), settings.clone(), interest.clone()))
        .collect();
    let mut slots = vec![0; usize::from(shards)];
    let before = BYTES.with(Cell::get);
    for number in 0..SPREAD {
        let home = placement.home(format!("client-{number:06}").as_bytes()).index();
        let connection = ConnectionId {
            slot: slots[home],
            generation: 0,
        };
        slots[home] += 1;
        let opened = Input::Opened {
            connection,
            listener: MQTT,
            peer: ([127, 0, 0, 1], 1).into(),
        };
        tell(&mut engines, home, opened);
        let bytes = &greeting(number);
        tell(&mut engines, home, Input::Received { connection, bytes });
    }
    let bytes = BYTES.with(Cell::get) - before;
    let subscriptions: u64 = engines.iter().map(|engine| engine.stats().subscriptions).sum();
    assert_eq!(subscriptions as usize, SPREAD);
    bytes as usize / SPREAD
}

/// Tells an engine, and the others what it posts to them (who has retained messages). What is to be said to clients is
/// the shard's: it weighs nothing here.
fn tell(engines: &mut [Engine], shard: usize, input: Input<'_>) {
    let mut actions = Actions::default();
    engines[shard].handle(Time::ZERO, input, &mut actions);
    assert!(actions.hand_overs.is_empty() && actions.closes.is_empty());
    for (to, parcel) in actions.posts {
        let from = ShardId(shard as u16);
        tell(engines, to.index(), Input::Parcel { from, parcel });
    }
}

#[test]
fn a_client_and_its_subscription_weigh_the_same_on_two_shards_and_on_eight() {
    let [one, two, eight] = [1, 2, 8].map(spread_client_bytes);
    println!("client with a subscription: {one} bytes on 1 shard, {two} on 2, {eight} on 8");
    assert!(
        eight <= two + two / 20,
        "{two} bytes each on 2 shards, {eight} on 8: something is kept on every shard"
    );
    assert!(
        two <= one + 64,
        "{one} bytes each on 1 shard, {two} on 2: more than an entry of the interest map"
    );
}
