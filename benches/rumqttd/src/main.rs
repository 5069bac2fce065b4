//! rumqttd from crates.io as a process to measure against: `ringwire-bench-rumqttd V4_PORT [V5_PORT]` on 127.0.0.1.
//!
//! Not its own binary, because the package of the registry is used as a library, with settings for throughput: those that
//! it ships where they are large already, console and metrics off, no log. Prints `ready v4=ADDRESS [v5=ADDRESS]` once
//! it accepts connections and ends by a signal. A project of its own, outside our workspace.
//!
//! Build: `cargo build --release --manifest-path benches/rumqttd/Cargo.toml`

use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Its file says 10,010; a bench holds 10,000 connections and some more.
const CONNECTIONS_MAX: usize = 20_010;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ringwire-bench-rumqttd: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (v4, v5) = match arguments.as_slice() {
        [v4] => (address(v4)?, None),
        [v4, v5] => (address(v4)?, Some(address(v5)?)),
        _ => return Err("usage: ringwire-bench-rumqttd V4_PORT [V5_PORT]   (0: a free one)".to_owned()),
    };
    // The soft limit of a shell is far below what a bench connects; the hard one is the machine's word.
    rlimit::increase_nofile_limit(u64::MAX).map_err(|error| format!("the limit on open files: {error}"))?;
    announce_when_ready(v4, v5);
    Broker::new(config(v4, v5))
        .start()
        .map_err(|error| format!("rumqttd: {error}"))
}

/// A port to listen on; rumqttd wants to bind it itself, so a free one is found first.
fn address(port: &str) -> Result<SocketAddr, String> {
    let port: u16 = port.parse().map_err(|_| format!("{port} is no port"))?;
    TcpListener::bind(("127.0.0.1", port))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("port {port}: {error}"))
}

fn config(v4: SocketAddr, v5: Option<SocketAddr>) -> Config {
    Config {
        router: RouterConfig {
            max_connections: CONNECTIONS_MAX,
            // These three are what its own file says.
            max_outgoing_packet_count: 200,
            max_segment_size: 104_857_600,
            max_segment_count: 10,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("1".to_owned(), server("v4-1", v4))])),
        v5: v5.map(|v5| HashMap::from([("1".to_owned(), server("v5-1", v5))])),
        ..Config::default()
    }
}

fn server(name: &str, listen: SocketAddr) -> ServerSettings {
    ServerSettings {
        name: name.to_owned(),
        listen,
        tls: None,
        // Its file says 1: a thousand connections a second. 0 takes them as they come.
        next_connection_delay_ms: 0,
        connections: ConnectionSettings {
            connection_timeout_ms: 60_000,
            max_payload_size: 1 << 20,
            // As in its file for WebSocket; its router keeps at most 100 towards a subscriber whatever stands here.
            max_inflight_count: 500,
            auth: None,
            external_auth: None,
            dynamic_filters: true,
        },
    }
}

/// Says so from a thread once every port answers: `Broker::start` does not return, and only logs that it cannot bind.
fn announce_when_ready(v4: SocketAddr, v5: Option<SocketAddr>) {
    std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(20);
        for address in [Some(v4), v5].into_iter().flatten() {
            while TcpStream::connect(address).is_err() {
                if Instant::now() > deadline {
                    eprintln!("ringwire-bench-rumqttd: nothing listens on {address} after 20 s");
                    std::process::exit(1);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        match v5 {
            Some(v5) => println!("ready v4={v4} v5={v5}"),
            None => println!("ready v4={v4}"),
        }
    });
}
