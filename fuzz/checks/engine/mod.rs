//! What must hold of a node of engines, whatever a few clients do: the fuzz target `engine`.
//!
//! The input is a script: settings first, then steps. `packets.rs` builds what a client says, `node.rs` drives the engines
//! as shards do, `view.rs` judges what each client is sent, `end.rs` what is left. One piece of code for both users: the
//! target and `core/tests/corpus.rs`, which replays its corpus in the ordinary tests.

mod balance;
mod devices;
mod end;
mod node;
mod packets;
mod script;
mod settings;
mod view;

use devices::{DESCRIBED, JT808, PHONES, Speaks};
use node::{Node, PRIVATE, Reads};
use ringwire_core::bans::{Ban, Banned};
use ringwire_core::input::SocketCause;
use ringwire_core::{Answer, Input, ListenerId, ShardId};
use script::Script;
use std::sync::Arc;

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
        balance::look(&mut node, step % 8 == 0);
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
        236..240 | 255 => node.settle(),
        more => act_more(node, script, more),
    }
    // Most shards carry out a turn at once.
    if !script.one_in(8) {
        (0..COUNT).for_each(|shard| node.carry_out(shard));
    }
}

/// One step of those that came later, so that older scripts mean what they meant.
fn act_more(node: &mut Node, script: &mut Script<'_>, what: u8) {
    match what {
        ..246 => {
            let listener = script.pick(&[DESCRIBED, JT808, DESCRIBED, JT808, PRIVATE]);
            enter_at(node, script, listener);
        }
        246 | 247 => {
            let message = end::message(&devices::dn_topic(script), &devices::command(script));
            node.inject(script.below(COUNT), message);
        }
        248 => ban(node, script),
        249 if script.one_in(2) => {
            let client_id = script.pick(&PHONES);
            (0..COUNT).for_each(|shard| node.feed(shard, Input::Kick { client_id }));
        }
        249 => {
            let who = whom(script);
            (0..COUNT).for_each(|shard| node.feed(shard, Input::Unban { who: &who }));
        }
        250 | 251 => {
            let speaks = script.pick(&[Speaks::Emq, Speaks::Described, Speaks::Jt808]);
            let (listener, speaks) = match script.below(3) {
                0 => (PRIVATE, speaks),
                1 => (JT808, speaks),
                // Only that one has the field of its up topic.
                _ => (DESCRIBED, Speaks::Described),
            };
            let is_other = script.one_in(2);
            // Each shard hears of it when it can.
            let shards = script.pick(&[&[0, 1][..], &[1, 0], &[0], &[1]]);
            for shard in shards {
                node.adapt(*shard, listener, speaks, is_other);
            }
        }
        252 => {
            let topic = script.pick(packets::TOPICS);
            (0..COUNT).for_each(|shard| node.feed(shard, Input::Forget { topic }));
        }
        253 => balance::weigh(node, script),
        // The last that happens, so it should not happen often.
        _ if script.one_in(8) => node.feed(script.below(COUNT), Input::Drain),
        _ => {}
    }
}

/// The administrator bans somebody.
fn ban(node: &mut Node, script: &mut Script<'_>) {
    let now_s = node.now.as_millis() / 1_000;
    let until_s = script.pick(&[Some(0), Some(1), Some(2), Some(20), None]);
    let ban = Arc::new(Ban {
        who: whom(script),
        by: "administrator".to_owned(),
        reason: "enough".to_owned(),
        at_s: now_s,
        until_s: until_s.map(|more| now_s + more),
    });
    for shard in 0..COUNT {
        node.feed(shard, Input::Ban { ban: ban.clone() });
    }
}

fn whom(script: &mut Script<'_>) -> Banned {
    let host = |number: usize| format!("10.0.0.{number}");
    let (kind, who) = match script.below(8) {
        0 => ("username", "user".to_owned()),
        1 => ("peerhost", host(script.below(20))),
        2 => ("peerhost_net", format!("{}/30", host(script.below(20)))),
        3 => ("clientid", script.pick(&PHONES).to_owned()),
        // The last name is empty, which nobody can be banned for.
        _ => {
            let names = &packets::NAMES[..packets::NAMES.len() - 1];
            ("clientid", script.pick(names).to_owned())
        }
    };
    Banned::parse(kind, &who).expect("well-formed")
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
    enter_at(node, script, listener);
}

fn enter_at(node: &mut Node, script: &mut Script<'_>, listener: ListenerId) {
    if node.clients.len() >= CLIENTS_MAX {
        return;
    }
    let id = node.open(script.below(COUNT), listener);
    if script.one_in(16) {
        return;
    }
    let bytes = match node.clients[id].speaks {
        Speaks::Mqtt => greeting(node, script, id),
        speaks => devices::frame(script, speaks, false),
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
        _ if client.speaks != Speaks::Mqtt => {
            devices::frame(script, client.speaks, client.view.is_connected())
        }
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
        let bytes = match &mut client.view.device {
            Some(device) => device.replies.pop_front(),
            None => {
                let reply = client.view.replies.pop_front();
                reply.map(|reply| packets::reply(reply, client.version))
            }
        };
        let Some(bytes) = bytes else {
            return;
        };
        node.write(id, &bytes);
    }
}
