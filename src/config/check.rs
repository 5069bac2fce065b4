//! What a key's form cannot see alone: conditions on text, and rules between keys.
//!
//! The conditions are used by the schema's rows; [`between`] runs once, on a configuration whose keys are all read.

use super::mistake::{Mistake, Place};
use super::walk::Walk;
use super::{Spoken, TYPES};
use crate::scram::LoadError;
use ringwire_codec::topic;
use ringwire_core::access::{Rule, User};
use ringwire_core::settings::{AutoSubscribe, RewriteRule};
use std::net::SocketAddr;

type Check = Result<(), String>;

fn must(true_of: bool, otherwise: &str) -> Check {
    if true_of {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

/// Names stand in log lines, metrics and the ready line, where a space or a quote would be read as something else.
pub fn name(name: &str) -> Check {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    must(
        !name.is_empty() && name.chars().all(plain),
        "expected letters, digits, `-`, `_` and `.`",
    )
}

/// Directives of the log filter.
pub fn level(level: &str) -> Check {
    let wrong = tracing_subscriber::EnvFilter::builder().parse(level).err();
    match wrong {
        None if !level.is_empty() => Ok(()),
        Some(_) | None => {
            Err("expected a level such as info, or package=level, separated by commas".to_owned())
        }
    }
}

/// A topic that devices publish to.
pub fn up_topic(topic: &str) -> Check {
    must(
        !topic::has_wildcard(topic),
        "devices publish to it, so it has no `+` or `#`",
    )?;
    must(
        topic::is_valid_name(topic),
        "expected a topic name of 1 to 65535 bytes",
    )
}

/// A filter, or nothing.
pub fn filter(filter: &str) -> Check {
    let valid = filter.is_empty() || topic::is_valid_filter(filter);
    must(
        valid,
        "not a topic filter: `+` and `#` stand for whole levels, `#` is the last one",
    )
}

/// A regular expression of a rewrite rule.
pub fn expression(re: &str) -> Check {
    ringwire_core::rewrite::check_expression(re).map_err(|error| error.to_string())
}

/// A whole subscription of every client.
pub fn auto_subscribe(row: &AutoSubscribe) -> Check {
    must(!row.topic.is_empty(), "a subscription needs a `topic`")
}

/// A whole rewrite rule.
pub fn rewrite(rule: &RewriteRule) -> Check {
    ringwire_core::rewrite::check(rule).map_err(|error| error.to_string())
}

/// A topic that others are rewritten to; a filter may be rewritten to one with wildcards.
pub fn destination(topic: &str) -> Check {
    must(!topic.is_empty(), "expected a topic")
}

/// As long as there are no credentials.
pub fn loopback(bind: &Option<SocketAddr>) -> Check {
    let loopback = bind.is_none_or(|address| address.ip().is_loopback());
    must(
        loopback,
        "has no credentials yet: use 127.0.0.1 or [::1], and a tunnel from elsewhere",
    )
}

/// A whole user.
pub fn user(user: &User) -> Check {
    must(!user.username.is_empty(), "a user needs a `username`")
}

/// A whole rule.
pub fn rule(rule: &Rule) -> Check {
    let topics = !rule.topics.is_empty() && rule.topics.iter().all(|topic| !topic.is_empty());
    must(topics, "a rule needs `topics`, none of them empty")
}

/// The rules between keys.
pub fn between(walk: &mut Walk<'_>, allowed: &[usize]) {
    let mut found = Vec::new();
    binds(walk, &mut found);
    cpus(walk, allowed, &mut found);
    rings(walk, &mut found);
    users(walk, &mut found);
    credentials(walk, &mut found);
    packets(walk, &mut found);
    walk.mistakes.append(&mut found);
}

fn is_wrong(walk: &Walk<'_>, keys: &[String]) -> bool {
    keys.iter().any(|key| walk.wrong_keys.contains(key))
}

fn place<'a>(walk: &'a Walk<'_>, keys: &[String]) -> Option<&'a Place> {
    keys.iter().find_map(|key| walk.places.get(key))
}

fn binds(walk: &Walk<'_>, found: &mut Vec<Mistake>) {
    let listeners = walk.config.enabled().map(|(name, listener)| {
        let keys = [format!("listener.{name}.bind"), format!("listener.{name}")];
        (format!("listener `{name}`"), listener.socket.bind.address, keys)
    });
    let admin = walk.config.admin.bind.map(|bind| {
        let keys = ["admin.bind".to_owned(), "admin".to_owned()];
        ("the admin endpoint".to_owned(), bind, keys)
    });
    let all = listeners
        .chain(admin)
        .filter(|(_, _, keys)| !is_wrong(walk, keys));
    let all: Vec<_> = all.collect();
    for (index, (name, address, keys)) in all.iter().enumerate() {
        for (other, taken, other_keys) in &all[..index] {
            if clash(*address, *taken) {
                let (mine, theirs) = (place(walk, keys), place(walk, other_keys));
                let at = mine.or(theirs);
                let label = format!("{name} and {other} both listen on {address}");
                found.push(Mistake::between(at, "address used twice", label));
            }
        }
    }
    let broken = walk
        .mistakes
        .iter()
        .any(|mistake| mistake.wrong.title.starts_with("listener"));
    if walk.config.enabled().next().is_none() && !broken {
        let label = format!("enable one, of type {}", TYPES.join(" or "));
        found.push(Mistake::between(None, "no listener is enabled", label));
    }
}

/// Port 0 never clashes: the kernel chooses. `[::]` takes IPv4 too.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: SocketAddr, one: SocketAddr| {
        all.ip() == one.ip() || (all.ip().is_unspecified() && (all.is_ipv6() || one.is_ipv4()))
    };
    one.port() != 0 && one.port() == other.port() && (covers(one, other) || covers(other, one))
}

fn cpus(walk: &Walk<'_>, allowed: &[usize], found: &mut Vec<Mistake>) {
    let usable = crate::cores::write(allowed);
    for cpu in walk.config.node.cores.iter().flatten() {
        if !allowed.contains(cpu) {
            let label = format!("CPU {cpu} is not there or not for this process, which may use {usable}");
            found.push(Mistake::between(
                walk.places.get("node.cores"),
                "unknown core",
                label,
            ));
        }
    }
    let cpus = walk.config.node.cores.as_deref().unwrap_or(allowed);
    let used = walk.config.shard_cpus(allowed);
    for cpu in walk.config.cores.keys().filter(|cpu| !used.contains(cpu)) {
        let label = format!(
            "no shard runs on CPU {cpu}: shards use {}",
            crate::cores::write(cpus)
        );
        let at = walk.places.get(&format!("shard.core.{cpu}"));
        found.push(Mistake::between(at, "unknown core", label));
    }
}

fn rings(walk: &Walk<'_>, found: &mut Vec<Mistake>) {
    let own = walk
        .config
        .cores
        .iter()
        .map(|(cpu, core)| (format!("shard.core.{cpu}"), core));
    let all = std::iter::once(("shard".to_owned(), &walk.config.shard.core));
    for (path, core) in all.chain(own) {
        let keys = [format!("{path}.cq_entries"), format!("{path}.sq_entries")];
        let at = place(walk, &keys);
        if is_wrong(walk, &keys) {
            continue;
        }
        // A core without keys of its own has the mistake of `[shard]`, which is reported there.
        if core.cq_entries < core.sq_entries && (at.is_some() || path == "shard") {
            let label = format!(
                "cq_entries ({}) is less than sq_entries ({})",
                core.cq_entries, core.sq_entries
            );
            found.push(Mistake::between(at, "completions do not fit", label));
        }
    }
}

fn users(walk: &Walk<'_>, found: &mut Vec<Mistake>) {
    let users = &walk.config.admission.access.users;
    for (index, user) in users.iter().enumerate() {
        if users[..index].iter().any(|known| known.username == user.username) {
            let label = format!("`{}` is there twice", user.username);
            found.push(Mistake::between(
                walk.places.get("access.users"),
                "user given twice",
                label,
            ));
        }
    }
}

/// The users of another file, each mistake in it at the key that names it.
fn credentials(walk: &Walk<'_>, found: &mut Vec<Mistake>) {
    let Some(path) = &walk.config.admission.scram_file else {
        return;
    };
    let at = walk.places.get("access.scram_file");
    match crate::scram::load(path) {
        Ok(_) => {}
        Err(LoadError::Mistakes { path, mistakes }) => found.extend(mistakes.iter().map(|mistake| {
            let label = format!("{}, {mistake}", path.display());
            Mistake::between(at, "credentials that are none", label)
        })),
        Err(error @ LoadError::Io { .. }) => {
            found.push(Mistake::between(at, "no credentials", error.to_string()));
        }
    }
}

/// A packet that is taken must fit a session's queue, or a QoS 1 message could be acknowledged and never kept.
fn packets(walk: &Walk<'_>, found: &mut Vec<Mistake>) {
    let queue = walk.config.limits.queue_bytes;
    for (name, listener) in walk.config.enabled() {
        let Spoken::Mqtt(mqtt) = &listener.spoken else {
            continue;
        };
        let keys = [
            format!("listener.{name}.max_packet_size"),
            "limits.queue_bytes".to_owned(),
        ];
        if mqtt.max_packet_size as usize > queue && !is_wrong(walk, &keys) {
            let label = format!(
                "{} bytes, but limits.queue_bytes is {queue}",
                mqtt.max_packet_size
            );
            let at = place(walk, &keys);
            found.push(Mistake::between(at, "packets do not fit the queue", label));
        }
    }
}
