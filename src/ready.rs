//! What is printed when every shard accepts: some lines for people, then one line for programs.
//!
//! The last line is a promise that tests and scripts rely on, with every bound address (port 0 is resolved):
//! `ready NAME=TYPE://ADDRESS ... admin=http://ADDRESS shards=N`.

use crate::config::Config;
use crate::cores;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Everything; `addresses` by `ListenerId`, `cpus` one a shard.
pub fn text(config: &Config, addresses: &[SocketAddr], admin: Option<SocketAddr>, cpus: &[usize]) -> String {
    let mut text = format!("ringwire {}\n", env!("CARGO_PKG_VERSION"));
    let mut ready = "ready".to_owned();
    let mut try_it = String::new();
    for ((name, listener), address) in config.enabled().zip(addresses) {
        let word = listener.type_word();
        let _ = writeln!(text, "  {name:<10} {word}://{address}");
        let _ = write!(ready, " {name}={word}://{address}");
        if word == "mqtt" && try_it.is_empty() {
            try_it = first_message(*address);
        }
    }
    if let Some(address) = admin {
        let _ = writeln!(text, "  {:<10} http://{address}/metrics", "admin");
        let _ = write!(ready, " admin=http://{address}");
    }
    let _ = writeln!(text, "  {:<10} {}", "shards", shards(cpus));
    text + &try_it + &format!("{ready} shards={}\n", cpus.len())
}

/// One line about a configuration that is not started.
pub fn summary(config: &Config, cpus: &[usize]) -> String {
    let listeners: Vec<_> = config
        .enabled()
        .map(|(name, listener)| {
            format!(
                "{name}={}://{}",
                listener.type_word(),
                listener.socket.bind.address
            )
        })
        .collect();
    let admin = config.admin.bind;
    let admin = admin.map_or_else(
        || "admin off".to_owned(),
        |address| format!("admin=http://{address}"),
    );
    format!("{}, {admin}, {}", listeners.join(", "), shards(cpus))
}

fn shards(cpus: &[usize]) -> String {
    let mut used = cpus.to_vec();
    used.sort_unstable();
    used.dedup();
    let one = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let on = if used.len() == 1 { "CPU" } else { "CPUs" };
    format!("{} on {on} {}", one(cpus.len(), "shard"), cores::write(&used))
}

fn first_message(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let port = address.port();
    format!(
        "try it, in two other terminals:\n\
         \x20 mosquitto_sub -h {host} -p {port} -v -t '#'\n\
         \x20 mosquitto_pub -h {host} -p {port} -t hello -m world\n"
    )
}
