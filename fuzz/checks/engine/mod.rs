//! What must hold of a node of engines, whatever a few clients do: the fuzz target `engine`.
//!
//! The input is a script: settings first, then steps. `packets.rs` builds what a client says, `node.rs` drives the engines
//! as shards do, `view.rs` judges what each client is sent, `end.rs` what is left. One piece of code for both users: the
//! target and `core/tests/corpus.rs`, which replays its corpus in the ordinary tests.

mod end;
mod node;
mod packets;
mod script;
mod settings;
mod view;

use node::{Node, PRIVATE, Reads};
use ringwire_core::input::SocketCause;
use ringwire_core::{Answer, Input, ListenerId, ShardId};
use script::Script;

/// Steps of one script.
const STEPS_MAX: usize = 600;

/// Connections of one script.
const CLIENTS_MAX: usize = 40;

const COUNT: usize = settings::SHARDS as usize;

/// Plays a script and fails when anything does not hold.
pub fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let mut node = Node::new(settings::of(&mut script));
    for step in 0..STEPS_MAX {
        if script.is_over() {
            break;
        }
        act(&mut node, &mut script);
        look(&node, step % 8 == 0);
    }
    end::end(&mut node);
}

/// One step.
fn act(node: &mut Node, script: &mut Script<'_>) {
    match script.byte() {
        0..180 => client(node, script),
        180..196 => enter(node, script),
        196..210 => {
            let from = script.below(COUNT);
            for _ in 0..=script.below(4) {
                node.deliver_one(from, 1 - from);
            }
        }
        210..220 => {
            let millis = script.pick(&[
                1, 1, 40, 40, 400, 400, 1_000, 1_000, 1_600, 6_000, 20_000, 700_000,
            ]);
            node.now = node.now + millis;
            if !script.one_in(4) {
                (0..COUNT).for_each(|shard| node.feed(shard, Input::Tick));
            }
        }
        220..225 => {
            let (index, is_full) = (script.below(COUNT), script.one_in(2));
            let shard = ShardId(1 - index as u16);
            let input = if is_full {
                Input::Congested { shard }
            } else {
                Input::Relieved { shard }
            };
            node.feed(index, input);
        }
        225..230 => {
            let topic = script.pick(packets::TOPICS);
            let message = end::message(topic, script.pick(&[&b"x"[..], b""]));
            node.inject(script.below(COUNT), message);
        }
        230..232 => {
            let client_id = script.pick(packets::NAMES);
            (0..COUNT).for_each(|shard| node.feed(shard, Input::Kick { client_id }));
        }
        232..236 => {
            let asked = (0..node.clients.len())
                .rev()
                .find(|id| node.clients[*id].is_asked);
            if let Some(id) = asked {
                let answer = answer(script);
                node.answer(id, answer);
            }
        }
        236.. => node.settle(),
    }
    // Most shards carry out a turn at once.
    if !script.one_in(8) {
        (0..COUNT).for_each(|shard| node.carry_out(shard));
    }
}

/// What whoever knows the secrets of a method may say.
fn answer(script: &mut Script<'_>) -> Answer {
    let data = if script.one_in(2) { &b""[..] } else { b"data" }.into();
    match script.below(6) {
        0 | 1 => Answer::Continue { data },
        2 => Answer::Refused,
        3 => Answer::Busy,
        _ => Answer::Accepted {
            username: script.pick(&["user", "user", "other"]).into(),
            data,
        },
    }
}

/// A client comes, and mostly says who it is.
fn enter(node: &mut Node, script: &mut Script<'_>) {
    if node.clients.len() >= CLIENTS_MAX {
        return;
    }
    let listener = if script.one_in(5) { PRIVATE } else { ListenerId(0) };
    let id = node.open(script.below(COUNT), listener);
    if script.one_in(16) {
        return;
    }
    let bytes = if listener == PRIVATE {
        packets::frame(script, false)
    } else {
        greeting(node, script, id)
    };
    node.write(id, &bytes);
}

fn greeting(node: &mut Node, script: &mut Script<'_>, id: usize) -> Vec<u8> {
    let (version, bytes) = packets::connect(script);
    node.clients[id].version = version;
    bytes
}

/// A client does something.
fn client(node: &mut Node, script: &mut Script<'_>) {
    // Those that are still there, or have just gone.
    let back = script.below(8);
    let live = |id: &usize| !node.clients[*id].is_over;
    let newest = (0..node.clients.len()).rev();
    let candidates: Vec<usize> = newest.filter(live).take(8).collect();
    let Some(&id) = candidates.get(back % candidates.len().max(1)) else {
        return enter(node, script);
    };
    let client = &node.clients[id];
    let (version, is_greeted) = (client.version, client.view.is_greeted());
    let what = script.below(64);
    let bytes = match what {
        0 => {
            let causes = [
                SocketCause::PeerClosed,
                SocketCause::Failed,
                SocketCause::SendTimeout,
            ];
            return node.end(id, script.pick(&causes));
        }
        1..4 => {
            return node.reads(
                id,
                script.pick(&[Reads::Everything, Reads::Nothing, Reads::Later]),
            );
        }
        4 => {
            let count = script.below(40);
            script.take(count).to_vec()
        }
        5..16 => return reply(node, id, what),
        17 if client.is_asked => return node.answer(id, answer(script)),
        _ if node.clients[id].listener == PRIVATE => packets::frame(script, client.view.is_connected()),
        _ if !is_greeted || (what == 16 && script.one_in(8)) => greeting(node, script, id),
        16..36 => packets::publish(script, version),
        36..50 => packets::subscribe(script, version),
        50..54 => packets::unsubscribe(script, version),
        54..60 => packets::acknowledge(script, version),
        60 => packets::disconnect(script, version),
        61 | 62 => packets::authenticate(script),
        _ => packets::ping(),
    };
    match script.byte() {
        // In two pieces.
        cut @ 220.. => {
            let (first, second) = bytes.split_at(usize::from(cut) % (bytes.len() + 1));
            node.write(id, first);
            node.write(id, second);
        }
        _ => node.write(id, &bytes),
    }
}

/// A client answers what it was sent.
fn reply(node: &mut Node, id: usize, most: usize) {
    for _ in 0..most {
        let client = &mut node.clients[id];
        let Some(reply) = client.view.replies.pop_front() else {
            return;
        };
        let bytes = packets::reply(reply, client.version);
        node.write(id, &bytes);
    }
}

/// What must hold after each step.
fn look(node: &Node, closely: bool) {
    let limits = &node.settings.limits;
    for (index, shard) in node.shards.iter().enumerate() {
        let stats = shard.engine.stats();
        assert!(
            stats.retained <= limits.retained_messages as u64,
            "retained messages"
        );
        assert!(
            stats.retained_bytes <= limits.retained_bytes as u64,
            "retained bytes"
        );
        assert!(
            stats.queued_bytes <= limits.shard_queue_bytes as u64,
            "bytes in queues"
        );
        assert!(stats.sessions <= limits.sessions as u64, "sessions");
        assert!(stats.connections <= node.seated(index) as u64, "connections");
        if !closely {
            continue;
        }
        for client in shard.engine.clients(None, "", usize::MAX) {
            assert!(client.mqueue_len <= limits.queue_messages, "{client:?}");
            assert!(client.inflight_cnt <= usize::from(limits.inflight), "{client:?}");
            assert!(client.subscriptions_cnt <= limits.subscriptions + 1, "{client:?}");
        }
    }
}
